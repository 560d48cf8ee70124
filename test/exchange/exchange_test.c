/* SPDX-License-Identifier: Apache-2.0 */
/* The main job, exchange by exchange, on two endpoints. */
#include "exchange/world.h"

static struct world *up(uint64_t seed)
{
    struct world *world = world_new(seed);
    world_start(world);
    assert_int_equal(world_connect(world), IKE_OK);
    assert_int_equal(world_n_sas(&world->a), 1);
    assert_int_equal(world_n_children(&world->a), 1);
    world_check(world);
    return world;
}

static void login(void **state)
{
    (void)state;
    struct world *world = up(1);
    struct ike_session_info info;
    assert_true(ike_session_next(world->a.ike, 0, &info));
    assert_int_equal(info.logins, 1);
    assert_int_equal(info.config.n_addresses, 1);
    assert_int_equal(info.dialect, IKE_DIALECT_KEEP_OLD);
    assert_true(info.mobike && info.fragmentation);
    assert_int_equal(world->b.n_leases, 1);
    assert_int_equal(world_command(&world->a, (struct ike_command){.kind = IKE_CMD_DELETE_IKE,
                                                                   .sa = world_sa(&world->a, 0)}),
                     IKE_OK);
    world_run(world, NANOS_PER_SEC);
    assert_int_equal(world_n_sas(&world->a) + world_n_sas(&world->b), 0);
    assert_int_equal(world->b.n_leases, 0);
    world_check(world);
    world_free(world);
}

static void wrong_psk(void **state)
{
    (void)state;
    struct world *world = world_new(2);
    world->b.psk = "another";
    world_start(world);
    assert_int_equal(world_connect(world), IKE_AUTH_FAILED);
    assert_int_equal(world_n_sas(&world->a), 0);
    world->b.psk = NULL;
    assert_int_equal(world_connect(world), IKE_AUTH_FAILED);
    world->a.psk = NULL;
    assert_int_equal(world_connect(world), IKE_NO_SECRET);
    world_run(world, 60 * NANOS_PER_SEC);
    assert_int_equal(world_n_sas(&world->a) + world_n_sas(&world->b), 0);
    world_free(world);
}

static ike_sa_id clone(struct world *world, struct peer *peer, ike_sa_id sa, enum ike_outcome want)
{
    uint64_t tag = world_post(peer, (struct ike_command){.kind = IKE_CMD_CLONE, .sa = sa});
    world_run(world, NANOS_PER_SEC);
    const struct ike_event *done = world_done(peer, tag);
    assert_non_null(done);
    assert_int_equal(done->outcome, want);
    return done->sa;
}

static void move(struct world *world, ike_sa_id sa, unsigned path)
{
    assert_int_equal(world_command(&world->a, (struct ike_command){.kind = IKE_CMD_MOVE,
                                                                   .sa = sa,
                                                                   .path = world_path(path),
                                                                   .path_test = true}),
                     IKE_OK);
}

static void create(struct world *world, ike_sa_id sa)
{
    assert_int_equal(
        world_command(&world->a, (struct ike_command){.kind = IKE_CMD_CREATE_CHILD, .sa = sa}),
        IKE_OK);
}

/* if_missing: what the peer created while the wish waited is not created again (both ends do so
 * when a rekey of the old one was answered with CHILD_SA_NOT_FOUND). */
static void create_what_is_missing(void **state)
{
    (void)state;
    struct world *world = up(1);
    struct ike_command command = {
        .kind = IKE_CMD_CREATE_CHILD, .sa = world_sa(&world->a, 0), .if_missing = true};
    struct ike_stats stats;
    assert_int_equal(world_command(&world->a, command), IKE_CANCELLED);
    ike_stats_get(world->a.ike, &stats);
    assert_int_equal(stats.children, 1);
    command.if_missing = false;
    assert_int_equal(world_command(&world->a, command), IKE_OK);
    ike_stats_get(world->a.ike, &stats);
    assert_int_equal(stats.children, 2);
    world_check(world);
    world_free(world);
}

static void clone_move_create(void **state)
{
    (void)state;
    struct world *world = up(3);
    ike_sa_id first = world_sa(&world->a, 0);
    ike_sa_id second = clone(world, &world->a, first, IKE_OK);
    assert_int_not_equal(second, first);
    world_check(world);
    move(world, second, 1);
    create(world, second);
    world_check(world);
    ike_sa_id third = clone(world, &world->a, second, IKE_OK);
    create(world, third);
    move(world, third, 2);
    world_check(world);
    assert_int_equal(world_n_children(&world->b), 3);
    struct ike_session_info info;
    assert_true(ike_session_next(world->b.ike, 0, &info));
    assert_int_equal(info.logins, 1);
    /* deleting the oldest touches nothing else */
    assert_int_equal(
        world_command(&world->a, (struct ike_command){.kind = IKE_CMD_DELETE_IKE, .sa = first}),
        IKE_OK);
    assert_int_equal(world_n_sas(&world->b), 2);
    assert_int_equal(world_n_children(&world->b), 2);
    assert_int_equal(world->b.n_leases, 1);
    world_check(world);
    world_free(world);
}

static void rekeys(void **state)
{
    (void)state;
    struct world *world = up(4);
    struct peer *peers[2] = {&world->a, &world->b};
    for (int round = 0; round < 4; round++) {
        struct peer *peer = peers[round % 2];
        assert_int_equal(
            world_command(peer, (struct ike_command){.kind = IKE_CMD_REKEY_CHILD,
                                                     .child_id = world_child(peer, 0)}),
            IKE_OK);
        world_check(world);
        assert_int_equal(world_n_children(&world->a), 1);
        assert_int_equal(world_command(peer, (struct ike_command){.kind = IKE_CMD_REKEY_IKE,
                                                                  .sa = world_sa(peer, 0)}),
                         IKE_OK);
        world_check(world);
        assert_int_equal(world_n_sas(&world->a), 1);
        assert_int_equal(world_n_children(&world->a), 1);
    }
    world_free(world);
}

static void collisions(void **state)
{
    (void)state;
    for (uint64_t seed = 10; seed < 30; seed++) {
        struct world *world = up(seed);
        world_post(&world->a, (struct ike_command){.kind = IKE_CMD_REKEY_CHILD,
                                                   .child_id = world_child(&world->a, 0)});
        world_post(&world->b, (struct ike_command){.kind = IKE_CMD_REKEY_CHILD,
                                                   .child_id = world_child(&world->b, 0)});
        world_run(world, 5 * NANOS_PER_SEC);
        world_check(world);
        assert_int_equal(world_n_children(&world->a), 1);
        world_post(&world->a,
                   (struct ike_command){.kind = IKE_CMD_REKEY_IKE, .sa = world_sa(&world->a, 0)});
        world_post(&world->b,
                   (struct ike_command){.kind = IKE_CMD_REKEY_IKE, .sa = world_sa(&world->b, 0)});
        world_run(world, 5 * NANOS_PER_SEC);
        world_check(world);
        assert_int_equal(world_n_sas(&world->a), 1);
        assert_int_equal(world_n_children(&world->a), 1);
        world_post(&world->a,
                   (struct ike_command){.kind = IKE_CMD_CLONE, .sa = world_sa(&world->a, 0)});
        world_post(&world->b,
                   (struct ike_command){.kind = IKE_CMD_CLONE, .sa = world_sa(&world->b, 0)});
        world_run(world, 5 * NANOS_PER_SEC);
        world_check(world);
        assert_int_equal(world_n_sas(&world->a), 3);
        world_free(world);
    }
}

static void lossy(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 140; seed++) {
        struct world *world = up(seed);
        world->loss_percent = 20;
        world->duplicate_percent = 20;
        world->jitter_ns = 300 * NANOS_PER_MS;
        for (int round = 0; round < 6; round++) {
            struct peer *peer = round % 2 ? &world->a : &world->b;
            world_post(peer, (struct ike_command){.kind = IKE_CMD_REKEY_CHILD,
                                                  .child_id = world_child(peer, 0)});
            world_post(&world->a,
                       (struct ike_command){.kind = IKE_CMD_CLONE, .sa = world_sa(&world->a, 0)});
            world_run(world, NANOS_PER_SEC);
        }
        world_run(world, 200 * NANOS_PER_SEC);
        world_check(world);
        assert_true(world_n_sas(&world->a) >= 1);
        world_free(world);
    }
}

static void unsupporting_peer(void **state)
{
    (void)state;
    struct world *world = world_new(5);
    world->conn_b->clone = IKE_CLONE_OFF;
    world->conn_a->keep_old_blind = true;
    world_start(world);
    assert_int_equal(world_connect(world), IKE_OK);
    ike_sa_id first = world_sa(&world->a, 0);
    ike_sa_id second = clone(world, &world->a, first, IKE_CLONE_UNSUPPORTED);
    world_run(world, NANOS_PER_SEC);
    world_check(world);
    assert_int_equal(world_n_sas(&world->a), 1);
    assert_int_equal(world_sa(&world->a, 0), second);
    assert_int_equal(world_n_children(&world->a), 1);
    clone(world, &world->a, second, IKE_CLONE_UNSUPPORTED);
    assert_int_equal(world_sa(&world->a, 0), second); /* was not even asked */
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(login),
        cmocka_unit_test(wrong_psk),
        cmocka_unit_test(create_what_is_missing),
        cmocka_unit_test(clone_move_create),
        cmocka_unit_test(rekeys),
        cmocka_unit_test(collisions),
        cmocka_unit_test(lossy),
        cmocka_unit_test(unsupporting_peer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
