/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends begin at random what comes to their minds, over a bad network, and then it is quiet:
 * they hold the same IKE SAs and Child SAs. What two operations do to each other, in
 * every order, is explored in test/explorer.
 */
#include "exchange/party.h"
#include "exchange/world.h"

#include <stdio.h>
#include <stdlib.h>

static const enum ike_command_kind kinds[] = {
    IKE_CMD_REKEY_CHILD,  IKE_CMD_REKEY_CHILD,  IKE_CMD_REKEY_IKE, IKE_CMD_REKEY_IKE,
    IKE_CMD_CLONE,        IKE_CMD_CREATE_CHILD, IKE_CMD_CLONE,     IKE_CMD_DELETE_CHILD,
    IKE_CMD_DELETE_IKE,   IKE_CMD_PROBE,        IKE_CMD_PATH_TEST, IKE_CMD_MOVE,
    IKE_CMD_CREATE_MOVED,
};
static unsigned begun[ARRAY_LEN(kinds)]; /* commands that the core accepted */
static struct ike_stats done;            /* what came of them, over all storms */

static void begin_any(struct peer *peer, uint64_t dice)
{
    struct ike_command command = {.kind = kinds[dice % ARRAY_LEN(kinds)],
                                  .sa = world_sa(peer, (unsigned)(dice >> 8) % 3),
                                  .child_id = world_child(peer, (unsigned)(dice >> 16) % 3),
                                  .unused_old = (dice >> 24) % 4 == 0,
                                  .path = world_path((unsigned)(dice >> 32) % 3)};
    bool of_child = command.kind == IKE_CMD_REKEY_CHILD || command.kind == IKE_CMD_DELETE_CHILD;
    if (command.sa == 0 || (of_child && command.child_id == 0))
        return;
    if (command.kind == IKE_CMD_DELETE_IKE && world_n_sas(peer) < 3)
        return; /* the session is to go on */
    /* a full queue is fine */
    begun[dice % ARRAY_LEN(kinds)] += ike_command(peer->ike, &command, peer->world->now) == 0;
    world_drain(peer->world);
}

/* add_up - a storm in which nothing happened would show nothing. */
static void add_up(const struct peer *peer)
{
    struct ike_stats stats;
    ike_stats_get(peer->ike, &stats);
    done.clones += stats.clones;
    done.rekeys_ike += stats.rekeys_ike;
    done.rekeys_child += stats.rekeys_child;
    done.moves += stats.moves;
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void one_storm(uint64_t seed)
{
    struct world *world = world_new(seed);
    uint64_t dice = seed;
    world->conn_a->prefer = seed % 2 == 0 ? IKE_CLONE_KEEP_OLD : IKE_CLONE_RFC7791;
    /* what one end alone knows of, since an answer was lost for good, is found out */
    world->conn_a->dpd_delay_ns = world->conn_b->dpd_delay_ns = 30 * NANOS_PER_SEC;
    world_start(world);
    assert_int_equal(world_connect(world), IKE_OK);
    world->loss_percent = 10;
    world->duplicate_percent = 10;
    world->jitter_ns = 100 * NANOS_PER_MS;
    for (int i = 0; i < 40; i++) {
        begin_any(dice_next(&dice) % 2 == 0 ? &world->a : &world->b, dice_next(&dice));
        world_run(world, (nanos)(dice_next(&dice) % 300) * NANOS_PER_MS);
    }
    world_run(world, 100 * NANOS_PER_SEC);
    world->loss_percent = world->duplicate_percent = 0;
    world_run(world, 600 * NANOS_PER_SEC);
    world_check(world);
    add_up(&world->a);
    add_up(&world->b);
    world_free(world);
}

/* STORM_FIRST and STORM_SEEDS: other seeds */
static void storm(void **state)
{
    (void)state;
    uint64_t first = number("STORM_FIRST", 5000), n = number("STORM_SEEDS", 500);
    for (uint64_t seed = first; seed < first + n; seed++) {
        if (n == 1 || getenv("STORM_TRACE") != NULL)
            printf("storm %llu\n", (unsigned long long)seed);
        one_storm(seed);
    }
    for (size_t i = 0; n >= 100 && i < ARRAY_LEN(kinds); i++)
        assert_true(begun[i] >= n / 2);
    if (n >= 100)
        assert_true(done.clones >= n && done.rekeys_ike >= n && done.rekeys_child >= n &&
                    done.moves >= n);
}

/* seeds that found something once */
static void found(void **state)
{
    (void)state;
    static const uint64_t seeds[] = {8421,  10566, 10893,  11293, 16086,
                                     16505, 21320, 204746, 301278};
    for (size_t i = 0; i < ARRAY_LEN(seeds); i++)
        one_storm(seeds[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found),
        cmocka_unit_test(storm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
