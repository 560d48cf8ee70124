/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange/mover.h"

#include "exchange/scenario.h"

#define SECONDS(n) ((nanos)(n)*NANOS_PER_SEC)

struct ike *mover_new(const struct peer *peer)
{
    const struct world *world = peer->world;
    struct ike_options options = {.ke_jobs = true, .crypto = peer->crypto, .random = &peer->random};
    struct ike *ike = ike_new(&options);
    assert_non_null(ike);
    assert_int_equal(ike_conn_add(ike, peer == &world->a ? world->conn_a : world->conn_b), 0);
    return ike;
}

bool mover_export(struct peer *peer, nanos time, struct ike_exported *ret_exported)
{
    struct world *world = peer->world;
    struct ike_session_info info;
    assert_true(ike_session_next(peer->ike, 0, &info));
    if (ike_session_freeze(peer->ike, info.id, world->now) != 0)
        return false;
    for (nanos end = world->now + time;; world_run(world, NANOS_PER_MS)) {
        world_drain(world);
        int err = ike_session_export(peer->ike, info.id, ret_exported, world->now);
        ike_check_invariants(peer->ike);
        if (err == 0)
            return true;
        if (err != ERR_AGAIN)
            return false;
        if (world->now >= end) {
            ike_session_thaw(peer->ike, info.id, world->now);
            return false;
        }
    }
}

bool mover_move(struct peer *peer, nanos time)
{
    struct ike_exported exported;
    ike_session_id id;
    if (!mover_export(peer, time, &exported))
        return false;
    assert_true(ike_event(peer->ike) == NULL);
    ike_free(peer->ike);
    peer->ike = mover_new(peer);
    assert_int_equal(ike_session_import(peer->ike, span_of(exported.octets, exported.len), &id,
                                        peer->world->now),
                     0);
    ike_check_invariants(peer->ike);
    ike_exported_done(&exported);
    return true;
}

void mover_moved(struct peer *peer)
{
    if (!mover_move(peer, SECONDS(5)))
        fail_msg("the session of %s did not leave", peer->name);
}

void mover_with_clone(struct world *world)
{
    ike_sa_id clone = scenario_clone(&world->a, world_sa(&world->a, 0));
    scenario_move(world, clone, 1);
    scenario_create(&world->a, clone);
}

/* one_login - nothing of what is here was created by another login. */
static void one_login(struct world *world)
{
    assert_int_equal(world->a.counts[IKE_EV_SESSION_UP], 1);
    assert_int_equal(world->b.counts[IKE_EV_SESSION_UP], 1);
    assert_int_equal(world->a.counts[IKE_EV_SESSION_DOWN], 0);
    assert_int_equal(world->b.counts[IKE_EV_SESSION_DOWN], 0);
    assert_int_equal(scenario_session(&world->a).logins, 1);
    assert_int_equal(scenario_session(&world->b).logins, 1);
}

void mover_goes_on(struct world *world)
{
    struct peer *peers[2] = {&world->a, &world->b};
    for (int i = 0; i < 2; i++) {
        struct peer *peer = peers[i];
        assert_int_equal(scenario_on_sa(peer, IKE_CMD_PROBE, world_sa(peer, 0)), IKE_OK);
        assert_int_equal(scenario_on_child(peer, IKE_CMD_REKEY_CHILD, world_child(peer, 0)),
                         IKE_OK);
        assert_int_equal(scenario_on_sa(peer, IKE_CMD_REKEY_IKE, world_sa(peer, 0)), IKE_OK);
        ike_child_id child = scenario_create(peer, world_sa(peer, 0));
        assert_int_equal(scenario_on_child(peer, IKE_CMD_DELETE_CHILD, child), IKE_OK);
        ike_sa_id clone = scenario_clone(peer, world_sa(peer, 0));
        assert_int_equal(scenario_on_sa(peer, IKE_CMD_DELETE_IKE, clone), IKE_OK);
        world_check(world);
    }
    scenario_move(world, world_sa(&world->a, 0), 3);
    world_check(world);
    one_login(world);
    struct ike_command end = {.kind = IKE_CMD_DELETE_SESSION,
                              .session = scenario_session(&world->a).id};
    assert_int_equal(world_command(&world->a, end), IKE_OK);
    world_run(world, SECONDS(1));
    assert_int_equal(world_n_sas(&world->a) + world_n_sas(&world->b), 0);
    assert_int_equal(world->a.installed + world->b.installed, 0);
    assert_int_equal(world->b.n_leases, 0);
}
