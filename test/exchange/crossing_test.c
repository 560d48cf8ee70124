/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every pair of operations, begun by the two ends at almost the same time, with any single datagram
 * lost (RFC 7296 sections 2.8.1, 2.8.2 and 2.25; draft-mglt-ipsecme-keep-old-ike-sa-00 as A-18
 * reads it; security S33 to S43). When all is quiet both ends hold the same IKE SAs and Child SAs,
 * exactly as many as were wanted, and at no time does an end send on a Child SA that the other does
 * not know.
 */
#include "exchange/plane.h"

#include <stdio.h>
#include <stdlib.h>

/* --- the operations --- */

struct operation {
    const char *name;
    enum ike_command_kind kind;
    bool unused_old;
    int children, sas; /* more of them afterwards, if it succeeds */
    bool deletes, only_a;
};
static const struct operation operations[] = {
    {"rekey-child", IKE_CMD_REKEY_CHILD, .children = 0},
    {"rekey-ike", IKE_CMD_REKEY_IKE, .children = 0},
    {"clone", IKE_CMD_CLONE, .sas = 1},
    {"clone-unused", IKE_CMD_CLONE, .unused_old = true},
    {"create-child", IKE_CMD_CREATE_CHILD, .children = 1},
    {"delete-child", IKE_CMD_DELETE_CHILD, .deletes = true},
    {"delete-ike", IKE_CMD_DELETE_IKE, .deletes = true},
    {"probe", IKE_CMD_PROBE, .children = 0},
    {"move", IKE_CMD_MOVE, .only_a = true},
};

struct round {
    const struct operation *of_a, *of_b;
    enum ike_clone prefer;
    bool blind, unsupporting; /* a asks without an announcement; b does not know the extension */
    nanos offset_ns;          /* b begins later */
    unsigned lose;            /* which datagram is lost, counted from the beginning; 0: none */
};

static bool lose_one(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)to_b;
    (void)d;
    unsigned *left = world->hook_context;
    return *left == 0 || --*left != 0;
}

static uint64_t begin(struct peer *peer, const struct operation *operation)
{
    struct ike_command command = {.kind = operation->kind,
                                  .sa = world_sa(peer, 0),
                                  .child_id = world_child(peer, 0),
                                  .unused_old = operation->unused_old,
                                  .path = world_path(1)};
    static struct ike_child_info child;
    bool of_child =
        operation->kind == IKE_CMD_REKEY_CHILD || operation->kind == IKE_CMD_DELETE_CHILD;
    if (command.sa == 0 || (of_child && !ike_child_get(peer->ike, command.child_id, &child)))
        return 0; /* the other end was so quick that there is nothing left */
    return world_post(peer, command);
}

static void watch(struct world *world, struct plane *a, struct plane *b, bool strict,
                  nanos duration_ns)
{
    for (nanos t = 0; t < duration_ns; t += 2 * NANOS_PER_MS) {
        world_run(world, 2 * NANOS_PER_MS);
        plane_follow(a, &world->a);
        plane_follow(b, &world->b);
        if (strict) {
            assert_int_not_equal(a->sending, 0);
            assert_int_not_equal(b->sending, 0);
            assert_true(plane_gets_through(a, b, world->now));
            assert_true(plane_gets_through(b, a, world->now));
        }
    }
}

static int succeeded(const struct peer *peer, uint64_t tag, int gain)
{
    const struct ike_event *done = tag == 0 ? NULL : world_done(peer, tag);
    return done != NULL && done->outcome == IKE_OK ? gain : 0;
}

static void check_end(struct world *world, const struct round *round, uint64_t tag_a,
                      uint64_t tag_b)
{
    world_check(world);
    assert_true(tag_a == 0 || world_done(&world->a, tag_a) != NULL);
    assert_true(tag_b == 0 || world_done(&world->b, tag_b) != NULL);
    if (round->of_a->deletes || round->of_b->deletes)
        return;
    int sas = 1 + succeeded(&world->a, tag_a, round->of_a->sas) +
              succeeded(&world->b, tag_b, round->of_b->sas);
    assert_int_equal(world_n_sas(&world->a), sas);
    assert_int_equal(world_n_children(&world->a),
                     1 + round->of_a->children + round->of_b->children);
}

static void play(const struct round *round, uint64_t seed)
{
    struct world *world = world_new(seed);
    static struct plane a, b;
    unsigned lose = round->lose;
    a = b = (struct plane){0};
    if (getenv("CROSSING_TRACE") != NULL)
        printf("%s x %s, offset %lld ms, lose %u, prefer %d, blind %d\n", round->of_a->name,
               round->of_b->name, (long long)(round->offset_ns / NANOS_PER_MS), round->lose,
               (int)round->prefer, round->blind);
    world->conn_a->prefer = world->conn_b->prefer = round->prefer;
    world->conn_a->keep_old_blind = round->blind;
    if (round->blind)
        world->conn_a->clone = IKE_CLONE_KEEP_OLD;
    if (round->unsupporting)
        world->conn_b->clone = IKE_CLONE_OFF;
    world_start(world);
    assert_int_equal(world_connect(world), IKE_OK);
    plane_follow(&a, &world->a);
    plane_follow(&b, &world->b);
    world->hook = lose_one;
    world->hook_context = &lose;
    bool strict = !round->of_a->deletes && !round->of_b->deletes;
    uint64_t tag_a = begin(&world->a, round->of_a);
    watch(world, &a, &b, strict, round->offset_ns);
    uint64_t tag_b = begin(&world->b, round->of_b);
    watch(world, &a, &b, strict, 200 * NANOS_PER_MS);
    watch(world, &a, &b, false, 5 * NANOS_PER_MS);
    world_run(world, 400 * NANOS_PER_SEC);
    check_end(world, round, tag_a, tag_b);
    world_free(world);
}

static void play_all(struct round round, unsigned losses)
{
    static const nanos offsets[] = {0, 6, 12, 22, 34};
    uint64_t seed = 1000;
    for (size_t i = 0; i < ARRAY_LEN(operations); i++)
        for (size_t j = 0; j < ARRAY_LEN(operations); j++)
            for (size_t k = 0; k < ARRAY_LEN(offsets); k++)
                for (round.lose = 0; round.lose <= losses; round.lose++) {
                    round.of_a = &operations[i];
                    round.of_b = &operations[j];
                    round.offset_ns = offsets[k] * NANOS_PER_MS;
                    if (!round.of_b->only_a)
                        play(&round, seed++);
                }
}

static void keep_old(void **state)
{
    (void)state;
    play_all((struct round){.prefer = IKE_CLONE_KEEP_OLD}, 8);
}

static void rfc7791(void **state)
{
    (void)state;
    play_all((struct round){.prefer = IKE_CLONE_RFC7791}, 4);
}

static void blind(void **state)
{
    (void)state;
    play_all((struct round){.prefer = IKE_CLONE_KEEP_OLD, .blind = true, .unsupporting = true}, 4);
}

/*
 * Storm: both ends begin at random what comes to their minds, over a bad network, and then it is
 * quiet. S43's invariants are asserted after each step (ike_check_invariants) and at the end.
 */
static void begin_any(struct peer *peer, uint64_t dice)
{
    static const enum ike_command_kind kinds[] = {
        IKE_CMD_REKEY_CHILD,  IKE_CMD_REKEY_CHILD,  IKE_CMD_REKEY_IKE, IKE_CMD_REKEY_IKE,
        IKE_CMD_CLONE,        IKE_CMD_CREATE_CHILD, IKE_CMD_CLONE,     IKE_CMD_DELETE_CHILD,
        IKE_CMD_DELETE_IKE,   IKE_CMD_PROBE,        IKE_CMD_PATH_TEST, IKE_CMD_MOVE,
        IKE_CMD_CREATE_MOVED,
    };
    struct ike_command command = {.kind = kinds[dice % ARRAY_LEN(kinds)],
                                  .sa = world_sa(peer, (unsigned)(dice >> 8) % 3),
                                  .child_id = world_child(peer, (unsigned)(dice >> 16) % 3),
                                  .unused_old = (dice >> 24) % 4 == 0,
                                  .path = world_path((unsigned)(dice >> 32) % 3)};
    bool of_child = command.kind == IKE_CMD_REKEY_CHILD || command.kind == IKE_CMD_DELETE_CHILD;
    if (command.sa == 0 || (of_child && command.child_id == 0))
        return;
    if (command.kind == IKE_CMD_DELETE_IKE && world_n_sas(peer) < 3)
        return;                                                /* the session is to go on */
    (void)!ike_command(peer->ike, &command, peer->world->now); /* a full queue is fine */
    world_drain(peer->world);
}

static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void storm(void **state)
{
    (void)state;
    for (uint64_t seed = 5000; seed < 5150; seed++) {
        struct world *world = world_new(seed);
        uint64_t dice = seed;
        if (getenv("CROSSING_TRACE") != NULL)
            printf("storm %llu\n", (unsigned long long)seed);
        world->conn_a->prefer = seed % 2 == 0 ? IKE_CLONE_KEEP_OLD : IKE_CLONE_RFC7791;
        /* what one end alone knows of, since an answer was lost for good, is found out */
        world->conn_a->dpd_delay_ns = world->conn_b->dpd_delay_ns = 30 * NANOS_PER_SEC;
        world_start(world);
        assert_int_equal(world_connect(world), IKE_OK);
        world->loss_percent = 10;
        world->duplicate_percent = 10;
        world->jitter_ns = 100 * NANOS_PER_MS;
        for (int i = 0; i < 40; i++) {
            begin_any(next(&dice) % 2 == 0 ? &world->a : &world->b, next(&dice));
            world_run(world, (nanos)(next(&dice) % 300) * NANOS_PER_MS);
        }
        world_run(world, 100 * NANOS_PER_SEC);
        world->loss_percent = world->duplicate_percent = 0;
        world_run(world, 600 * NANOS_PER_SEC);
        world_check(world);
        world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keep_old),
        cmocka_unit_test(rfc7791),
        cmocka_unit_test(blind),
        cmocka_unit_test(storm),
    };
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (getenv("CROSSING_ONLY") != NULL)
        cmocka_set_test_filter(getenv("CROSSING_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
