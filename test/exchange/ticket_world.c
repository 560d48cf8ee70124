/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange/ticket_world.h"

struct world *ticket_world(uint64_t seed)
{
    struct world *world = world_new(seed);
    world->conn_a->local[0].method = world->conn_b->remote[0].method = IKE_AUTH_EAP;
    world->conn_a->remote[0].method = world->conn_b->local[0].method = IKE_AUTH_PUBKEY;
    world->conn_a->session_tickets = world->conn_b->session_tickets = IKE_TICKETS_YES;
    world->conn_b->ticket_lifetime_ns = SECONDS(3600);
    world->conn_a->dpd_delay_ns = SECONDS(5);
    world->conn_a->dpd_timeout_ns = SECONDS(20);
    world->b.eap.identity = "anna";
    strcpy(world->conn_b->remote[0].eap_id, "%any");
    return world;
}

bool cut(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    (void)to_b;
    (void)d;
    return false;
}

void crash(struct world *world)
{
    world_restart(&world->b, (struct ike_options){.ke_jobs = true});
    world->b.eap.conversation = world->b.eap.seen = 0; /* their numbers begin anew */
    world->hook = cut;
    for (int i = 0; i < 600 && world_n_sas(&world->a) > 0; i++)
        world_run(world, NANOS_PER_SEC);
    assert_int_equal(world_n_sas(&world->a), 0);
    world->hook = NULL;
    assert_int_equal(ike_conn_add(world->b.ike, world->conn_b), 0);
    ike_serve(world->b.ike);
}

struct world *crashed(uint64_t seed)
{
    struct world *world = ticket_world(seed);
    scenario_login(world);
    crash(world);
    return world;
}

void expect_resumed(struct world *world, bool resumed)
{
    assert_int_equal(scenario_session(&world->a).resumed, resumed);
    assert_int_equal(scenario_session(&world->b).resumed, resumed);
}

void expect_full(struct world *world)
{
    unsigned before = world->b.counts[IKE_EV_EAP];
    assert_int_equal(world_connect(world), IKE_OK);
    assert_int_equal(world->b.counts[IKE_EV_EAP], before + 3);
    expect_resumed(world, false);
}

void expect_by_ticket(struct world *world)
{
    unsigned before = world->b.counts[IKE_EV_EAP];
    assert_int_equal(world_connect(world), IKE_OK);
    assert_int_equal(world->b.counts[IKE_EV_EAP], before);
    expect_resumed(world, true);
}

ike_session_id still_there(struct world *world)
{
    world->conn_b->dpd_delay_ns = SECONDS(1000);
    scenario_login(world);
    ike_session_id old = scenario_session(&world->b).id;
    world->hook = cut;
    for (int i = 0; i < 600 && world_n_sas(&world->a) > 0; i++)
        world_run(world, NANOS_PER_SEC);
    world->hook = NULL;
    assert_int_equal(world_n_sas(&world->a), 0);
    assert_int_equal(scenario_session(&world->b).id, old);
    return old;
}
