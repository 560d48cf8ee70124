/* SPDX-License-Identifier: Apache-2.0 */
/* When a Gateway forgets an End User that is gone without a farewell (RFC 7296 section 2.4), and how an End User
 * asks for a Gateway that is not there. */
#include "exchange/scenario.h"
#include "wire/iana.h"

#define SECONDS(n) ((nanos)(n)*NANOS_PER_SEC)

static bool cut(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    (void)to_b;
    (void)d;
    return false;
}

static enum ike_outcome how_it_ended(const struct peer *peer)
{
    enum ike_outcome outcome = IKE_OK;
    for (size_t i = 0; i < peer->n_events && i < WORLD_EVENTS; i++)
        if (peer->events[i].kind == IKE_EV_SA_DOWN)
            outcome = peer->events[i].outcome;
    return outcome;
}

/* vanished - after how many seconds the Gateway forgets an End User that is gone. */
static nanos vanished(nanos dpd_delay, nanos dpd_timeout, nanos dead_peer)
{
    struct world *world = world_new(3);
    world->conn_b->dpd_delay_ns = dpd_delay;
    world->conn_b->dpd_timeout_ns = dpd_timeout;
    world->conn_b->dead_peer_ns = dead_peer;
    world->conn_a->dpd_delay_ns = dpd_delay + dead_peer > 0 ? SECONDS(1) : 0;
    scenario_login(world);
    nanos since = world->now;
    world->hook = cut;
    while (world_n_sas(&world->b) > 0 && world->now - since < SECONDS(4000))
        world_run(world, NANOS_PER_SEC / 2);
    nanos took = (world->now - since) / NANOS_PER_SEC;
    if (world_n_sas(&world->b) == 0) {
        assert_int_equal(how_it_ended(&world->b), IKE_TIMEOUT);
        assert_int_equal(world->b.n_leases, 0);
        world_run(world, SECONDS(100)); /* the End User notices as well */
    }
    scenario_end(world);
    return took;
}

/* A Gateway asks a silent peer in the end, and gives it the time that is configured. */
static void peer_that_vanished_in_silence(void **state)
{
    (void)state;
    assert_in_range(vanished(SECONDS(1), SECONDS(5), 0), 6, 7);
    assert_in_range(vanished(SECONDS(1), 0, 0), 70, 90);
    assert_in_range(vanished(0, 0, SECONDS(3600)), 3670, 3690);
    assert_in_range(vanished(0, SECONDS(10), SECONDS(60)), 70, 72);
    assert_in_range(vanished(0, SECONDS(5), 0), 4000, 4001); /* never asked */
}

/* One answer in the time is enough, though copies are lost. */
static void silence_with_losses(void **state)
{
    (void)state;
    struct world *world = world_new(3);
    world->conn_b->dpd_delay_ns = SECONDS(1);
    world->conn_b->dpd_timeout_ns = SECONDS(5);
    scenario_login(world);
    for (int i = 0; i < 20; i++) {
        world->hook = cut;
        world_run(world, SECONDS(4));
        world->hook = NULL;
        world_run(world, SECONDS(2));
    }
    assert_int_equal(world_n_sas(&world->b), 1);
    scenario_end(world);
}

static unsigned auth_copies;

/* late_gateway - it is not there for 300 ms, and never hears an IKE_AUTH request. */
static bool late_gateway(struct world *world, bool to_b, struct ike_datagram *d)
{
    bool auth = to_b && d->octets[18] == WIRE_IKE_AUTH;
    auth_copies += auth;
    return !auth && world->now >= NANOS_PER_SEC + 300 * NANOS_PER_MS; /* the time begins with 1 s */
}

/* The first request is repeated early, and finds the Gateway as soon as it is there; the next one is not. */
static void gateway_that_comes_late(void **state)
{
    (void)state;
    struct world *world = world_new(1);
    world_start(world);
    world->hook = late_gateway;
    world_post(&world->a, (struct ike_command){.kind = IKE_CMD_CONNECT,
                                               .conn = "office",
                                               .path = world_path(0),
                                               .early_ns = 50 * NANOS_PER_MS});
    world_run(world, 500 * NANOS_PER_MS);
    assert_int_equal(auth_copies, 1); /* the copy at 350 ms was answered */
    world_run(world, 700 * NANOS_PER_MS);
    assert_int_equal(auth_copies, 1);
    world->hook = NULL;
    world_run(world, SECONDS(5));
    scenario_end(world);
}

/* no_response_to_clone - the crash comes between the request of the clone and its response. */
static bool no_response_to_clone(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    return to_b || d->octets[18] != WIRE_CREATE_CHILD_SA;
}

/* half_cloned - the Gateway has installed the clone, and the End User does not know. */
static struct world *half_cloned(void)
{
    struct world *world = world_new(5);
    world->conn_b->dpd_delay_ns = SECONDS(1);
    world->conn_b->dpd_timeout_ns = SECONDS(5);
    scenario_login(world);
    world->hook = no_response_to_clone;
    world_post(&world->a, (struct ike_command){.kind = IKE_CMD_CLONE,
                                               .sa = world_sa(&world->a, 0),
                                               .path = world_path(1)});
    world_run(world, SECONDS(1) / 10);
    assert_int_equal(world_n_sas(&world->b), 2);
    assert_int_equal(world_sa(&world->a, 1), 0); /* it waits for the response */
    return world;
}

static void crash(struct peer *peer, struct ike_conn *conn)
{
    world_restart(peer, (struct ike_options){.ke_jobs = true});
    assert_int_equal(ike_conn_add(peer->ike, conn), 0);
    ike_serve(peer->ike);
    peer->world->hook = NULL;
}

/* Who asked for a clone crashes before the response: the clone goes with the IKE SA that it came from, or at once when
 * the End User logs in again. */
static void end_user_dies_in_a_clone(void **state)
{
    (void)state;
    for (unsigned back = 0; back < 2; back++) {
        struct world *world = half_cloned();
        crash(&world->a, world->conn_a);
        if (back == 1)
            assert_int_equal(world_connect(world), IKE_OK);
        world_run(world, SECONDS(back == 1 ? 1 : 10));
        assert_int_equal(world_n_sas(&world->b), back);
        assert_int_equal(world->b.installed, back);
        assert_int_equal(world->b.n_leases, back);
        scenario_end(world);
    }
}

/* The Gateway crashes before it responds: nothing of the clone is left at the End User, which logs in again. */
static void gateway_dies_in_a_clone(void **state)
{
    (void)state;
    struct world *world = half_cloned();
    crash(&world->b, world->conn_b);
    for (int i = 0; i < 600 && world_n_sas(&world->a) > 0; i++)
        world_run(world, SECONDS(1));
    assert_int_equal(world_n_sas(&world->a), 0);
    assert_int_equal(world->a.installed, 0);
    assert_int_equal(world_connect(world), IKE_OK);
    scenario_clone(&world->a, world_sa(&world->a, 0));
    assert_int_equal(world_n_sas(&world->b), 2);
    scenario_end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peer_that_vanished_in_silence), cmocka_unit_test(silence_with_losses),
        cmocka_unit_test(gateway_that_comes_late),       cmocka_unit_test(end_user_dies_in_a_clone),
        cmocka_unit_test(gateway_dies_in_a_clone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
