/* SPDX-License-Identifier: Apache-2.0 */
/* IKE fragmentation (RFC 7383): in any order, repeated, spoiled, and never without agreement. */
#include <stdio.h>
#include <stdlib.h>

#include "exchange/scenario.h"
#include "ike/core/fragment.h"
#include "ike/core/session.h"
#include "wire/payloads.h"

#define FRAGMENTS 16

/* What is on its way from `a` is kept here, to be delivered as the test likes. */
static struct ike_datagram held[FRAGMENTS];
static size_t n_held;
static bool holding;

static bool hold(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    if (!holding || !to_b || n_held == FRAGMENTS)
        return true;
    held[n_held++] = *d;
    return false;
}

static void give(struct world *world, const struct ike_datagram *d)
{
    struct ike_path path = {d->path.remote, d->path.local, 0};
    world_deliver_raw(world, true, &path, span_of(d->octets, d->len));
}

static struct world *small_datagrams(uint64_t seed)
{
    struct world *world = world_new(seed);
    struct ike_options options = {.fragment_size = 192};
    world_restart(&world->a, options);
    world_restart(&world->b, options);
    world->hook = hold;
    holding = false;
    n_held = 0;
    return world;
}

/* clone_held - a clone whose request is in `held`, in fragments. */
static uint64_t clone_held(struct world *world)
{
    holding = true;
    n_held = 0;
    uint64_t tag = world_post(
        &world->a, (struct ike_command){.kind = IKE_CMD_CLONE, .sa = world_sa(&world->a, 0)});
    holding = false;
    assert_in_range(n_held, 3, FRAGMENTS);
    return tag;
}

static void whole_session(void **state)
{
    (void)state;
    struct world *world = small_datagrams(1);
    scenario_watch(world);
    scenario_login(world);
    assert_true(scenario_count(world, "a -> b IKE_AUTH request: SKF(1/") == 1);
    assert_true(scenario_count(world, "b -> a IKE_AUTH response: SKF(1/") == 1);
    for (size_t i = 0; i < world->a.n_events; i++)
        assert_true(world->a.events[i].kind != IKE_EV_SA_DOWN);
    ike_sa_id clone = scenario_clone(&world->a, world_sa(&world->a, 0));
    scenario_move(world, clone, 1);
    scenario_create(&world->a, clone);
    assert_int_equal(scenario_on_child(&world->b, IKE_CMD_REKEY_CHILD, world_child(&world->b, 0)),
                     IKE_OK);
    scenario_end(world);
}

static void lossy(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct world *world = small_datagrams(10 + seed);
        world->loss_percent = 10;
        world->duplicate_percent = 20;
        world->jitter_ns = 100 * NANOS_PER_MS;
        world_start(world);
        (void)world_connect(world);
        world->loss_percent = 0;
        for (int i = 0; i < 4 && world_sa(&world->a, 0) != 0; i++)
            world_post(&world->a,
                       (struct ike_command){.kind = IKE_CMD_CLONE, .sa = world_sa(&world->a, 0)});
        world_run(world, 200 * NANOS_PER_SEC);
        world_check(world);
        assert_int_equal(world_n_sas(&world->a), 5);
        world_free(world);
    }
}

static void any_order(void **state)
{
    (void)state;
    for (int reversed = 0; reversed < 2; reversed++) {
        struct world *world = small_datagrams(2);
        scenario_login(world);
        uint64_t tag = clone_held(world);
        for (size_t i = 0; i < n_held; i++)
            for (int twice = 0; twice < 2; twice++)
                give(world, &held[reversed ? n_held - 1 - i : i]);
        world_run(world, 200 * NANOS_PER_MS);
        assert_non_null(world_done(&world->a, tag));
        assert_int_equal(world_done(&world->a, tag)->outcome, IKE_OK);
        assert_int_equal(world_n_sas(&world->b), 2);
        scenario_end(world);
    }
}

/* a fragment with a wrong ICV is nothing: not kept, not counted as the one that it claims. */
static void spoiled(void **state)
{
    (void)state;
    struct world *world = small_datagrams(3);
    scenario_login(world);
    uint64_t tag = clone_held(world);
    struct ike_stats before, after;
    ike_stats_get(world->b.ike, &before);
    for (size_t i = 0; i < n_held; i++) {
        struct ike_datagram bad = held[i];
        bad.octets[bad.len - 1] ^= 1;
        give(world, &bad);
        bad = held[i]; /* number and total are authenticated as well */
        bad.octets[IKE_HEADER_LEN + 5] ^= 1;
        give(world, &bad);
        bad = held[i];
        bad.octets[IKE_HEADER_LEN + 7]++;
        give(world, &bad);
    }
    ike_stats_get(world->b.ike, &after);
    assert_int_equal(after.unauthenticated - before.unauthenticated, 3 * n_held);
    assert_int_equal(world_n_sas(&world->b), 1);
    for (size_t i = 0; i < n_held; i++)
        give(world, &held[i]);
    world_run(world, 200 * NANOS_PER_MS);
    assert_int_equal(world_done(&world->a, tag)->outcome, IKE_OK);
    scenario_end(world);
}

/* RFC 7383 section 2.6.1: of a repeated request only the first fragment brings the response, once.
 */
static void repeated(void **state)
{
    (void)state;
    struct world *world = small_datagrams(4);
    scenario_login(world);
    clone_held(world);
    for (size_t i = 0; i < n_held; i++)
        give(world, &held[i]);
    world_run(world, 200 * NANOS_PER_MS);
    unsigned before = world->n_sent;
    for (size_t i = 1; i < n_held; i++)
        give(world, &held[i]);
    assert_int_equal(world->n_sent, before);
    give(world, &held[0]);
    assert_true(world->n_sent > before);
    assert_int_equal(world_n_sas(&world->b), 2);
    scenario_end(world);
}

/* Section 2.6: fragments of more parts replace those of fewer, as after a smaller size was tried;
 * fewer parts, or a number that cannot be, are nothing. */
static void more_parts_win(void **state)
{
    (void)state;
    struct sa sa = {0};
    struct span whole;
    uint8_t first;
    static const struct {
        uint16_t number, total;
        const char *plain;
        enum fragment_verdict verdict;
    } steps[] = {
        {0, 2, "x", FRAGMENT_BAD},      {3, 2, "x", FRAGMENT_BAD},
        {1, 65535, "x", FRAGMENT_BAD},  {1, 0, "x", FRAGMENT_BAD},
        {1, 2, "old", FRAGMENT_WAIT},   {2, 3, "b", FRAGMENT_WAIT},
        {2, 2, "old", FRAGMENT_BAD},    {1, 3, "a", FRAGMENT_WAIT},
        {1, 3, "other", FRAGMENT_WAIT}, {3, 3, "c", FRAGMENT_COMPLETE},
    };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct fragment fragment = {.message_id = 7,
                                    .number = steps[i].number,
                                    .total = steps[i].total,
                                    .first_payload = steps[i].number == 1 ? WIRE_PAYLOAD_SA : 0,
                                    .plain = span_text(steps[i].plain)};
        assert_int_equal(fragment_add(&sa, &fragment, &whole, &first), steps[i].verdict);
    }
    assert_true(span_equal(whole, span_text("abc")));
    assert_int_equal(first, WIRE_PAYLOAD_SA);
    reassembly_free(sa.reassembly);
}

/* RFC 7383 section 2.6: the fragments of a message that does not become whole are discarded, as long
 * after the first one as a request is repeated. */
static void given_up(void **state)
{
    (void)state;
    struct world *world = small_datagrams(7);
    scenario_login(world);
    clone_held(world);
    struct ike_datagram kept[FRAGMENTS];
    size_t n = n_held;
    memcpy(kept, held, sizeof(kept));
    world->loss_percent = 100; /* no copy of the End User arrives */
    give(world, &kept[0]);
    world_run(world, 60 * NANOS_PER_SEC);
    give(world, &kept[1]); /* the first one counts */
    world_run(world, 20 * NANOS_PER_SEC);
    for (size_t i = 1; i < n; i++)
        give(world, &kept[i]);
    assert_int_equal(world_n_sas(&world->b), 1);
    give(world, &kept[0]); /* in time behind the others */
    assert_int_equal(world_n_sas(&world->b), 2);
    world_free(world);
}

/* Messages of the other direction do not get between the fragments of one. */
static void interrupted(void **state)
{
    (void)state;
    struct world *world = small_datagrams(5);
    scenario_login(world);
    clone_held(world);
    struct ike_datagram kept[FRAGMENTS];
    size_t n = n_held;
    memcpy(kept, held, sizeof(kept));
    give(world, &kept[0]);
    give(world, &kept[1]);
    assert_int_equal(scenario_on_sa(&world->b, IKE_CMD_PROBE, world_sa(&world->b, 0)), IKE_OK);
    for (size_t i = 2; i < n; i++)
        give(world, &kept[i]);
    world_run(world, 200 * NANOS_PER_MS);
    assert_int_equal(world_n_sas(&world->b), 2);
    scenario_end(world);
}

static void not_agreed(void **state)
{
    (void)state;
    struct world *world = small_datagrams(6);
    scenario_login(world);
    uint64_t tag = clone_held(world);
    struct ike_datagram kept[FRAGMENTS];
    size_t n = n_held;
    memcpy(kept, held, sizeof(kept));
    for (size_t i = 0; i < n; i++)
        give(world, &kept[i]);
    world_run(world, NANOS_PER_SEC);
    assert_int_equal(world_done(&world->a, tag)->outcome, IKE_OK);
    world_free(world);

    world = small_datagrams(6);
    world->conn_b->fragmentation = IKE_FRAGMENTATION_NO;
    scenario_watch(world);
    scenario_login(world);
    scenario_clone(&world->a, world_sa(&world->a, 0));
    assert_int_equal(scenario_count(world, "SKF"), 0);
    assert_false(scenario_session(&world->a).fragmentation);
    /* the other session's fragments mean nothing to it */
    struct ike_stats stats;
    for (size_t i = 0; i < n; i++)
        give(world, &kept[i]);
    ike_stats_get(world->b.ike, &stats);
    assert_int_equal(stats.malformed, 0);
    scenario_end(world);
}

/* A peer that sends fragments although they were not agreed on: as if it had said nothing. */
static void not_agreed_and_sent(void **state)
{
    (void)state;
    struct world *world = small_datagrams(7);
    world->conn_b->fragmentation = IKE_FRAGMENTATION_NO;
    scenario_login(world);
    session_find(world->a.ike, scenario_session(&world->a).id)->fragmentation = true;
    (void)world_post(&world->a,
                     (struct ike_command){.kind = IKE_CMD_CLONE, .sa = world_sa(&world->a, 0)});
    world_run(world, 5 * NANOS_PER_SEC);
    assert_int_equal(world_n_sas(&world->b), 1);
    world_free(world);
}

/* fragmentation = accept: takes what comes in fragments, and sends none */
static void accept_only(void **state)
{
    (void)state;
    struct world *world = small_datagrams(9);
    world->conn_b->fragmentation = IKE_FRAGMENTATION_ACCEPT;
    scenario_watch(world);
    scenario_login(world);
    scenario_clone(&world->a, world_sa(&world->a, 0));
    assert_true(scenario_session(&world->b).fragmentation);
    assert_int_not_equal(scenario_count(world, "a -> b CREATE_CHILD_SA request: SKF"), 0);
    assert_int_equal(scenario_count(world, "b -> a CREATE_CHILD_SA response: SKF"), 0);
    scenario_end(world);
}

/* whoever logs in and then sends first halves only costs one message of memory. */
static void halves(void **state)
{
    (void)state;
    struct world *world = small_datagrams(7);
    scenario_login(world);
    uint64_t tag = clone_held(world);
    for (int i = 0; i < 1000; i++)
        give(world, &held[i % (int)(n_held - 1)]);
    assert_int_equal(world_n_sas(&world->b), 1);
    give(world, &held[n_held - 1]);
    world_run(world, 200 * NANOS_PER_MS);
    assert_int_equal(world_done(&world->a, tag)->outcome, IKE_OK);
    assert_int_equal(world_n_sas(&world->b), 2);
    scenario_end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_session),
        cmocka_unit_test(lossy),
        cmocka_unit_test(any_order),
        cmocka_unit_test(spoiled),
        cmocka_unit_test(repeated),
        cmocka_unit_test(more_parts_win),
        cmocka_unit_test(given_up),
        cmocka_unit_test(interrupted),
        cmocka_unit_test(not_agreed),
        cmocka_unit_test(accept_only),
        cmocka_unit_test(not_agreed_and_sent),
        cmocka_unit_test(halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
