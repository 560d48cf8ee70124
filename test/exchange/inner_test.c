/* SPDX-License-Identifier: Apache-2.0 */
/* Inner addresses: one for all VPNs of a session (KO-25), or one for each (KO-27, KO-28). */
#include "exchange/scenario.h"
#include "ike/terms/proposal.h"
#include "wire/iana.h"

#define SECONDS(n) ((nanos)(n)*NANOS_PER_SEC)

static struct world *up(bool per_path_a, bool per_path_b, uint64_t seed)
{
    struct world *world = world_new(seed);
    world->conn_a->inner_per_path = per_path_a;
    world->conn_b->inner_per_path = per_path_b;
    scenario_login(world);
    return world;
}

static struct ike_child_info child_info(const struct peer *peer, ike_child_id id)
{
    struct ike_child_info info;
    assert_true(ike_child_get(peer->ike, id, &info));
    return info;
}

/* inner_of - the one address that a Child SA is for, the same at both ends. */
static struct address inner_of(const struct world *world, unsigned index)
{
    struct ike_child_info a = child_info(&world->a, world_child(&world->a, index));
    struct ike_child_info b = child_info(&world->b, world_child(&world->b, index));
    assert_int_equal(a.local_ts.n, 1);
    assert_true(address_equal(&a.local_ts.ts[0].range.first, &a.local_ts.ts[0].range.last));
    assert_memory_equal(&a.local_ts, &b.remote_ts, sizeof(a.local_ts));
    return a.local_ts.ts[0].range.first;
}

static void per_path(void **state)
{
    (void)state;
    struct world *world = up(true, true, 1);
    struct address first = scenario_session(&world->a).config.addresses[0];
    assert_int_equal(world->b.n_leases, 1);
    scenario_watch(world);
    ike_sa_id clone = scenario_clone(&world->a, world_sa(&world->a, 0));
    assert_int_equal(world->b.n_leases, 2);
    scenario_move(world, clone, 1);
    scenario_watch(world);
    scenario_create(&world->a, clone);
    EXPECT_MESSAGES(world,
                    /* M7, M8; KO-28: in front of the SA payload */
                    "#2 a1 -> b CREATE_CHILD_SA request: CP(REQUEST) SA(ESP) NONCE TSi TSr",
                    "#2 b -> a1 CREATE_CHILD_SA response: CP(REPLY) SA(ESP) NONCE TSi TSr");
    struct address second = inner_of(world, 1);
    struct address session = inner_of(world, 0);
    assert_true(address_equal(&session, &first));
    assert_false(address_equal(&second, &first));
    struct ike_sa_info info = scenario_sa(&world->a, clone);
    assert_true(address_equal(&info.config->addresses[0], &second));
    assert_int_not_equal(info.config_owner, info.session);
    /* once asked, it is known */
    scenario_watch(world);
    scenario_create(&world->a, clone);
    assert_int_equal(scenario_count(world, "CP"), 0);
    struct address third = inner_of(world, 2);
    assert_true(address_equal(&third, &second));
    assert_int_equal(world->b.n_leases, 2);
    scenario_end(world);
}

/* Rekeys of both kinds, from both ends, keep it; it goes with its clone and with nothing else. */
static void life(void **state)
{
    (void)state;
    struct world *world = up(true, true, 2);
    ike_sa_id first = world_sa(&world->a, 0);
    ike_sa_id clone = scenario_clone(&world->a, first);
    scenario_create(&world->a, clone);
    struct address own = inner_of(world, 1);
    for (int by_b = 0; by_b < 2; by_b++) {
        struct peer *peer = by_b ? &world->b : &world->a;
        assert_int_equal(scenario_on_child(peer, IKE_CMD_REKEY_CHILD, world_child(peer, 1)),
                         IKE_OK);
        world_run(world, SECONDS(1));
        struct address now = inner_of(world, 1);
        assert_true(address_equal(&now, &own));
        assert_int_equal(scenario_on_sa(peer, IKE_CMD_REKEY_IKE, world_sa(peer, 1)), IKE_OK);
        world_run(world, SECONDS(1));
        struct ike_sa_info a = scenario_sa(&world->a, world_sa(&world->a, 1));
        struct ike_sa_info b = scenario_sa(&world->b, world_sa(&world->b, 1));
        assert_true(address_equal(&a.config->addresses[0], &own));
        assert_true(address_equal(&b.config->addresses[0], &own));
        assert_int_equal(world->b.n_leases, 2);
        assert_int_equal(world->a.counts[IKE_EV_LEASE_RELEASE], 0);
    }
    /* a clone of the clone has another one */
    ike_sa_id third = scenario_clone(&world->a, world_sa(&world->a, 1));
    scenario_create(&world->a, third);
    struct address other = inner_of(world, 2);
    assert_false(address_equal(&other, &own));
    assert_int_equal(world->b.n_leases, 3);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_DELETE_IKE, world_sa(&world->a, 1)), IKE_OK);
    assert_int_equal(world->b.n_leases, 2);
    assert_int_equal(world->a.counts[IKE_EV_LEASE_RELEASE], 1);
    struct ike_command command = {.kind = IKE_CMD_DELETE_SESSION,
                                  .session = scenario_session(&world->a).id};
    assert_int_equal(world_command(&world->a, command), IKE_OK);
    world_run(world, SECONDS(1));
    assert_int_equal(world->b.n_leases, 0);
    scenario_end(world);
}

static enum scenario_fate no_cp(struct world *world, bool to_b, struct message *m)
{
    size_t at = message_find(m, WIRE_PAYLOAD_CP);
    (void)world;
    (void)to_b;
    if (m->header.exchange != WIRE_CREATE_CHILD_SA || at == m->n)
        return SCENARIO_PASS;
    message_remove(m, at);
    return SCENARIO_CHANGED;
}

/* One end does not want it, does not know it, or has no address left: the session's is what all
 * have. */
static void shared(void **state)
{
    (void)state;
    for (int variant = 0; variant < 5; variant++) {
        struct world *world = up(variant != 1, variant != 2, 3);
        if (variant == 0)
            world->b.refuse_lease = true;
        struct address first = scenario_session(&world->a).config.addresses[0];
        ike_sa_id clone = scenario_clone(&world->a, world_sa(&world->a, 0));
        scenario_edit(world, variant == 3 ? no_cp : NULL);
        if (variant == 4) /* asks, but for nothing that is an address */
            world->conn_a->n_vips = 0;
        scenario_watch(world);
        scenario_create(&world->a, clone);
        assert_int_equal(scenario_count(world, "request: CP"), variant == 0 || variant == 2);
        assert_int_equal(scenario_count(world, "response: CP"), variant == 0 || variant == 2);
        struct address second = inner_of(world, 1);
        assert_true(address_equal(&second, &first));
        assert_int_equal(scenario_sa(&world->a, clone).config_owner,
                         scenario_session(&world->a).id);
        scenario_end(world);
    }
}

/* Hostile twin: the Gateway's answer is not of any family, or selectors are not of the address. */
static enum scenario_fate another_address(struct world *world, bool to_b, struct message *m)
{
    size_t at = message_find(m, WIRE_PAYLOAD_CP);
    (void)world;
    if (to_b || m->header.exchange != WIRE_CREATE_CHILD_SA || at == m->n)
        return SCENARIO_PASS;
    message_octets(m, at)[8 + 3] ^= 0x40; /* the last octet of the first address */
    return SCENARIO_CHANGED;
}

static void contradiction(void **state)
{
    (void)state;
    struct world *world = up(true, true, 4);
    ike_sa_id clone = scenario_clone(&world->a, world_sa(&world->a, 0));
    scenario_edit(world, another_address);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_CREATE_CHILD, clone), IKE_TS_REFUSED);
    scenario_edit(world, NULL);
    world_run(world, SECONDS(1));
    assert_int_equal(world_n_children(&world->a), 1);
    assert_int_equal(world_n_children(&world->b), 1); /* told to delete it */
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, clone), IKE_OK);
    scenario_end(world);
}

/* A Child SA from another's address: the selectors are those of the lease of this very clone. */
static void not_of_a_sibling(void **state)
{
    (void)state;
    struct world *world = up(true, true, 5);
    ike_sa_id clone = scenario_clone(&world->a, world_sa(&world->a, 0));
    scenario_create(&world->a, clone);
    struct address first = inner_of(world, 0), own = inner_of(world, 1);
    ike_child_id more = scenario_create(&world->a, world_sa(&world->a, 0));
    assert_true(address_equal(&child_info(&world->a, more).local_ts.ts[0].range.first, &first));
    more = scenario_create(&world->a, clone);
    assert_true(address_equal(&child_info(&world->a, more).local_ts.ts[0].range.first, &own));
    scenario_end(world);
}

/* sends - what the data plane of the Gateway does with the Child SA. */
static bool sends(const struct world *world, ike_child_id child)
{
    bool on = false;
    for (size_t i = 0; i < world->b.n_events; i++) {
        const struct ike_event *event = &world->b.events[i];
        on |= event->child == child &&
              (event->kind == IKE_EV_CHILD_SWITCH ||
               (event->kind == IKE_EV_CHILD_INSTALL && event->install.outbound_now));
    }
    return on;
}

/* A login anew beside the session: the addresses go to the clones of the new one, on the same path;
 * the Gateway sends on the old VPNs until they go, or until the peer has sent on the new ones. */
static void anew(void **state)
{
    (void)state;
    struct world *world = up(true, true, 6);
    for (unsigned i = 1; i < 3; i++) {
        ike_sa_id clone = scenario_clone(&world->a, world_sa(&world->a, 0));
        scenario_move(world, clone, i);
        scenario_create(&world->a, clone);
    }
    struct address on_1 = inner_of(world, 1), on_2 = inner_of(world, 2);
    struct ike_command login = {.kind = IKE_CMD_CONNECT,
                                .conn = "office",
                                .path = world_path(0),
                                .replaces = scenario_session(&world->a).id};
    assert_int_equal(world_command(&world->a, login), IKE_OK);
    ike_sa_id clones[2];
    for (unsigned i = 0; i < 2; i++)
        clones[i] = scenario_clone(&world->a, world_sa(&world->a, 3));
    for (unsigned i = 0; i < 2; i++) {
        scenario_move(world, clones[i], 2 - i); /* the other way round */
        scenario_create(&world->a, clones[i]);
    }
    struct address second = inner_of(world, 4), third = inner_of(world, 5);
    assert_true(address_equal(&second, &on_2));
    assert_true(address_equal(&third, &on_1));
    ike_child_id fresh = world_child(&world->b, 5);
    assert_false(sends(world, fresh));
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_DELETE_IKE, world_sa(&world->a, 1)), IKE_OK);
    assert_true(sends(world, fresh));
    assert_false(sends(world, world_child(&world->b, 3)));
    scenario_end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(per_path),         cmocka_unit_test(life),
        cmocka_unit_test(shared),           cmocka_unit_test(contradiction),
        cmocka_unit_test(not_of_a_sibling), cmocka_unit_test(anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
