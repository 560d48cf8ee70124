/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many paths: how quickly they come up, who begins their IKE SAs, and which of the pairs of
 * addresses are taken (draft-mglt-ipsecme-keep-old-ike-sa-00, figures 2 and 3, B.2, B.5).
 */
#include <stdio.h>

#include "exchange/both.h"

#define ROUND_TRIP_NS (2 * WORLD_LATENCY_NS)

/* round_trips - until there are `n` Child SAs at the End User. */
static unsigned round_trips(struct both *both, unsigned n)
{
    nanos began = both->world->now;
    both->step = MS(1);
    both_connect(both);
    while (world_n_children(&both->world->a) < n && both->world->now - began < SECONDS(3))
        both_run(both, MS(1));
    assert_int_equal(world_n_children(&both->world->a), n);
    return (unsigned)((both->world->now - began) / ROUND_TRIP_NS);
}

static void settled(struct both *both)
{
    both_until_all_up(both, SECONDS(1));
    both_run(both, SECONDS(20));
    assert_true(both_all_up(both));
    assert_int_equal(both_logins(both), 1);
    assert_int_equal(world_n_sas(&both->world->a), both->n_paths);
    assert_int_equal(world_n_children(&both->world->a), both->n_paths);
}

/* Each IKE SA of the session is cloned at the same time: k VPNs need log2(k) round trips more than
 * one. With combined_auth and reduced = end-user: IKE_SA_INIT, IKE_AUTH with the first
 * clone, log2(k) - 1 times a clone of each, create-and-move. */
static void test_growth(void **state)
{
    static const struct {
        unsigned paths, combined, separate;
    } cases[] = {{2, 3, 6}, {4, 4, 7}, {8, 5, 8}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (int separate = 0; separate < 2; separate++) {
            struct both *both = both_new(cases[i].paths, 70 + i);
            both->world->conn_a->combined_auth = both->world->conn_b->combined_auth = !separate;
            both->world->conn_a->reduced = separate ? IKE_REDUCED_OFF : IKE_REDUCED_END_USER;
            unsigned n = round_trips(both, cases[i].paths);
            printf("%u VPNs, %s: %u round trips\n", cases[i].paths,
                   separate ? "separate exchanges" : "combined", n);
            assert_int_equal(n, separate ? cases[i].separate : cases[i].combined);
            settled(both);
            both_free(both);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
