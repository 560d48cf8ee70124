/* SPDX-License-Identifier: Apache-2.0 */
/* What one session makes of its paths while they come, go and fail: see both.h. */
#include "exchange/both.h"
#include "exchange/scenario.h"

static struct both *connected(unsigned n_links, uint64_t seed)
{
    struct both *both = both_new(n_links, seed);
    both_connect(both);
    both_until_all_up(both, SECONDS(5));
    assert_int_equal(both_logins(both), 1);
    both->flow = both->down_flow = true;
    both_run(both, SECONDS(3));
    return both;
}

static void test_one_login_a_vpn_per_path(void **state)
{
    (void)state;
    struct both *both = connected(3, 1);
    assert_int_equal(world_n_sas(&both->world->a), 3);
    assert_int_equal(world_n_children(&both->world->a), 3);
    assert_int_equal(both->connected, 1);
    assert_int_equal(both_carrier_link(both), 0);
    both_free(both);
}

static void test_variants(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        struct both *both = both_new(2, (uint64_t)variant);
        both->world->conn_a->create_then_move = variant == 1;
        both->world->conn_a->prefer = variant == 2 ? IKE_CLONE_RFC7791 : IKE_CLONE_KEEP_OLD;
        both->world->conn_a->reduced = variant == 3 ? IKE_REDUCED_END_USER : IKE_REDUCED_OFF;
        both_connect(both);
        both_until_all_up(both, SECONDS(5));
        assert_int_equal(both_logins(both), 1);
        both_free(both);
    }
}

/* Two VPNs with one login, in round trips (draft B.5): each takes up to 5 ms more here, since that
 * is how often the manager looks. */
static void test_round_trips(void **state)
{
    static const struct {
        bool combined_a, combined_b;
        enum ike_reduced reduced;
        unsigned round_trips;
    } cases[] = {
        {true, true, IKE_REDUCED_END_USER, 3}, /* IKE_SA_INIT, IKE_AUTH, create and move */
        {true, false, IKE_REDUCED_END_USER,
         4}, /* the Gateway does not want it: a clone of its own */
        {false, true, IKE_REDUCED_END_USER, 4}, /* nor does the End User */
        {true, true, IKE_REDUCED_OFF, 5},       /* path test, move, create */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct both *both = both_new(2, 5);
        nanos round_trip = 2 * WORLD_LATENCY_NS;
        both->world->conn_a->combined_auth = cases[i].combined_a;
        both->world->conn_b->combined_auth = cases[i].combined_b;
        both->world->conn_a->reduced = cases[i].reduced;
        nanos began = both->world->now;
        both_connect(both);
        while (world_n_children(&both->world->a) < 2 && both->world->now - began < SECONDS(1))
            both_run(both, MS(5));
        assert_in_range(both->world->now - began, cases[i].round_trips * round_trip,
                        cases[i].round_trips * (round_trip + MS(5)) - 1);
        both_until_all_up(both, SECONDS(1));
        both_run(both, SECONDS(20));
        assert_int_equal(both_logins(both), 1);
        assert_int_equal(world_n_sas(&both->world->a), 2);
        both_free(both);
    }
}

static void test_dead_first_path(void **state)
{
    (void)state;
    struct both *both = both_new(2, 5);
    both->hole[0] = true;
    both_connect(both);
    both_run(both, SECONDS(1));
    assert_int_equal(both->connected, 1);
    assert_int_equal(both_logins(both), 1);
    both->hole[0] = false;
    both_until_all_up(both, SECONDS(30));
    assert_int_equal(both_logins(both), 1);
    both_free(both);
}

static void test_link_down(void **state)
{
    (void)state;
    struct both *both = connected(2, 6);
    both->worst_gap = both->worst_down_gap = 0;
    both_link_set(both, 0, false);
    both_run(both, SECONDS(5));
    assert_int_equal(both_carrier_link(both), 1);
    assert_true(both->worst_gap <= MS(50));
    assert_true(both->worst_down_gap <= MS(50)); /* a move: a round trip, and COOKIE2 */
    both_link_set(both, 0, true);
    both_run(both, SECONDS(4));
    assert_int_equal(both_carrier_link(both), 1);
    both_until_all_up(both, SECONDS(5));
    assert_int_equal(both_carrier_link(both), 0);
    assert_int_equal(both_logins(both), 1);
    assert_int_equal(world_n_sas(&both->world->a), 2);
    both_free(both);
}

static void test_black_hole(void **state)
{
    (void)state;
    for (unsigned offset = 0; offset < 8; offset++) {
        struct both *both = connected(2, 7 + offset);
        both_run(both, MS(93) * offset);
        both->worst_gap = both->worst_down_gap = 0;
        both->hole[0] = true;
        both_run(both, SECONDS(6));
        assert_int_equal(both_carrier_link(both), 1);
        assert_true(both->worst_gap <= SECONDS(2));
        assert_true(both->worst_down_gap <= SECONDS(2));
        both->hole[0] = false;
        both_until_all_up(both, SECONDS(30));
        assert_int_equal(both_logins(both), 1);
        both_free(both);
    }
}

static void test_black_hole_during_a_rekey(void **state)
{
    (void)state;
    for (int variant = 0; variant < 3; variant++) {
        struct both *both = both_new(2, 50);
        both->world->conn_a->dpd_delay_ns = variant == 0 ? SECONDS(1) : 0;
        both_connect(both);
        both_until_all_up(both, SECONDS(5));
        both->flow = both->down_flow = true;
        both_run(both, SECONDS(3));
        both->worst_gap = both->worst_down_gap = 0;
        both->hole[0] = true;
        ike_sa_id sa = world_sa(&both->world->a, 0);
        if (variant == 1)
            world_post(&both->world->a, (struct ike_command){.kind = IKE_CMD_REKEY_IKE, .sa = sa});
        if (variant == 2)
            world_post(&both->world->a,
                       (struct ike_command){.kind = IKE_CMD_REKEY_CHILD,
                                            .child_id = world_child(&both->world->a, 0)});
        both_run(both, SECONDS(20));
        assert_int_equal(both_carrier_link(both), 1);
        assert_true(both->worst_gap <= SECONDS(2));
        assert_true(both->worst_down_gap <= SECONDS(2));
        both->hole[0] = false;
        both_run(both, SECONDS(60)); /* a Delete that the hole swallowed is repeated */
        both_until_all_up(both, SECONDS(200));
        assert_int_equal(both_logins(both), 1);
        both_free(both);
    }
}

/* The Gateway deletes an IKE SA: the path gets another one, cloned from the survivor. */
static void test_deleted_by_the_gateway(void **state)
{
    (void)state;
    struct both *both = connected(2, 20);
    for (unsigned i = 0; i < 2; i++) {
        world_post(&both->world->b, (struct ike_command){.kind = IKE_CMD_DELETE_IKE,
                                                         .sa = world_sa(&both->world->b, 0)});
        both_run(both, SECONDS(1));
        both_until_all_up(both, SECONDS(10));
    }
    assert_int_equal(both_logins(both), 1);
    both_free(both);
}

static void test_rekeys_change_nothing(void **state)
{
    (void)state;
    struct both *both = connected(2, 21);
    for (unsigned i = 0; i < 2; i++) {
        struct peer *peer = i == 0 ? &both->world->a : &both->world->b;
        world_post(peer, (struct ike_command){.kind = IKE_CMD_REKEY_IKE, .sa = world_sa(peer, 0)});
        world_post(peer, (struct ike_command){.kind = IKE_CMD_REKEY_CHILD,
                                              .child_id = world_child(peer, 1)});
        both_run(both, SECONDS(3));
    }
    both_until_all_up(both, SECONDS(5));
    assert_int_equal(world_n_sas(&both->world->a), 2);
    assert_int_equal(world_n_children(&both->world->a), 2);
    /* and what was rekeyed still fails over */
    both_link_set(both, 0, false);
    both_run(both, SECONDS(2));
    assert_int_equal(both_carrier_link(both), 1);
    both_link_set(both, 0, true);
    both_until_all_up(both, SECONDS(12));
    assert_int_equal(both_logins(both), 1);
    both_free(both);
}

/* A peer that cannot clone: one IKE SA, moved by MOBIKE. */
static void test_mobility(void **state)
{
    (void)state;
    struct both *both = both_new(2, 22);
    both->world->conn_b->clone = IKE_CLONE_OFF;
    both_connect(both);
    both_run(both, SECONDS(2));
    both->flow = true;
    both_run(both, SECONDS(8));
    assert_int_equal(both_carrier_link(both), 0);
    both_link_set(both, 0, false);
    both_run(both, SECONDS(2));
    assert_int_equal(both_carrier_link(both), 1);
    both_link_set(both, 0, true);
    both_run(both, SECONDS(20));
    assert_int_equal(both_carrier_link(both), 0);
    assert_int_equal(both_logins(both), 1);
    assert_int_equal(world_n_sas(&both->world->a), 1);
    both_free(both);
}

static void test_no_additional_sas(void **state)
{
    (void)state;
    struct both *both = both_new(3, 23);
    both->world->conn_b->max_ike_sas = 2;
    both_connect(both);
    both_run(both, SECONDS(60));
    assert_int_equal(world_n_sas(&both->world->a), 2);
    assert_int_equal(both_logins(both), 1);
    both_free(both);
}

static enum scenario_fate cannot_read(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (to_b || m->header.exchange != WIRE_IKE_AUTH)
        return SCENARIO_PASS;
    message_clear(m);
    message_append_notify(m, N_INVALID_SYNTAX, (struct span){0});
    return SCENARIO_CHANGED;
}

/* INVALID_SYNTAX of one path is no reason to leave out the others. A login that fails on all of them
 * names it all the same, also where the last path was silent. Silence of all is a timeout. */
static void test_refusal_is_named(void **state)
{
    (void)state;
    for (int silent = 0; silent < 3; silent++) {
        struct both *both = both_new(2, 140);
        both->world->conn_a->keyingtries = 1;
        for (int i = 0; i < silent; i++)
            both->hole[1 - i] = true;
        if (silent < 2)
            scenario_edit(both->world, cannot_read);
        both_connect(both);
        for (nanos end = both->world->now + SECONDS(300);
             both->failed == 0 && both->world->now < end;)
            both_run(both, SECONDS(1));
        assert_int_equal(both->failed, 1);
        assert_int_equal(both->outcome, silent < 2 ? IKE_INVALID_SYNTAX : IKE_TIMEOUT);
        scenario_edit(both->world, NULL);
        both_free(both);
    }
}

static void test_lossy(void **state)
{
    (void)state;
    for (uint64_t seed = 30; seed < 34; seed++) {
        struct both *both = both_new(3, seed);
        both->world->loss_percent = 20;
        both->world->duplicate_percent = 10;
        both->world->jitter_ns = MS(15);
        /* a Delete may be lost as well: what the End User gave up ends at the Gateway by liveness
         */
        both->world->conn_b->dpd_delay_ns = SECONDS(10);
        both_connect(both);
        both_run(both, SECONDS(120));
        both->world->loss_percent = 0;
        both_run(both, SECONDS(150));
        both_until_all_up(both, SECONDS(90));
        assert_int_equal(both_logins(both), 1);
        both_free(both);
    }
}

/* An inner address for each path: no VPN stands in for another, and each goes on over what lives.
 */
static void test_inner_address_per_path(void **state)
{
    (void)state;
    for (int hole = 0; hole < 2; hole++) {
        struct both *both = both_new(2, 40);
        struct world *world = both->world;
        world->conn_a->inner_per_path = world->conn_b->inner_per_path = true;
        both_connect(both);
        both_until_all_up(both, SECONDS(5));
        assert_int_equal(world->b.n_leases, 2);
        struct end *ends[2] = {&both->a, &both->b};
        for (unsigned round = 0; round < 3; round++) {
            if (round == 1 && hole)
                both->hole[1] = true;
            else if (round == 1)
                both_link_set(both, 1, false);
            if (round == 2) {
                both->hole[1] = false;
                both_link_set(both, 1, true);
            }
            both_run(both, SECONDS(15));
            for (int i = 0; i < 2; i++)
                for (unsigned k = 0; k < 2; k++)
                    assert_true(
                        ends[i]->child[world_child(ends[i]->peer, k) % BOTH_CHILDREN].usable);
            struct ike_child_info second;
            struct ike_sa_info sa;
            assert_true(ike_child_get(world->a.ike, world_child(&world->a, 1), &second));
            assert_true(ike_sa_get(world->a.ike, second.sa, &sa));
            struct address at = world_path(round == 1 ? 0 : 1).local.address;
            assert_true(address_equal(&sa.path.local.address, &at));
        }
        both_until_all_up(both, SECONDS(10));
        assert_int_equal(both_logins(both), 1);
        assert_int_equal(world->b.n_leases, 2);
        both_free(both);
    }
}

/* Whatever the links do: both ends agree afterwards, and each path has its VPN again. */
static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 112; seed++) {
        struct both *both = both_new(2 + (unsigned)(seed % 2), seed);
        /* as in test_lossy: a Delete may be lost */
        both->world->conn_b->dpd_delay_ns = SECONDS(10);
        both_connect(both);
        both_until_all_up(both, SECONDS(5));
        both->flow = both->down_flow = true;
        const struct random *random = &both->world->a.random;
        both->world->loss_percent = seed % 3 == 0 ? 5 : 0;
        for (unsigned step = 0; step < 40; step++) {
            unsigned link = random_below(random, both->n_links);
            switch (random_below(random, 5)) {
            case 0: both_link_set(both, link, false); break;
            case 1:
            case 2: both_link_set(both, link, true); break;
            case 3: both->hole[link] = !both->hole[link]; break;
            case 4:
                if (world_sa(&both->world->b, 1) != 0)
                    world_post(&both->world->b,
                               (struct ike_command){.kind = IKE_CMD_DELETE_IKE,
                                                    .sa = world_sa(&both->world->b, 0)});
                break;
            }
            both_run(both, MS(random_below(random, 3000)));
        }
        both->world->loss_percent = 0;
        for (unsigned i = 0; i < both->n_links; i++) {
            both->hole[i] = false;
            both_link_set(both, i, true);
        }
        both_run(both, SECONDS(300)); /* the Gateway forgets what nobody answers for */
        both_until_all_up(both, SECONDS(60));
        assert_int_equal(world_n_sas(&both->world->a), both->n_links);
        both_free(both);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_login_a_vpn_per_path),
        cmocka_unit_test(test_variants),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_dead_first_path),
        cmocka_unit_test(test_link_down),
        cmocka_unit_test(test_black_hole),
        cmocka_unit_test(test_black_hole_during_a_rekey),
        cmocka_unit_test(test_deleted_by_the_gateway),
        cmocka_unit_test(test_rekeys_change_nothing),
        cmocka_unit_test(test_mobility),
        cmocka_unit_test(test_no_additional_sas),
        cmocka_unit_test(test_inner_address_per_path),
        cmocka_unit_test(test_refusal_is_named),
        cmocka_unit_test(test_lossy),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
