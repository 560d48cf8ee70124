/* SPDX-License-Identifier: Apache-2.0 */
/* Which of several paths of equal rank carries the traffic: the best one, and no change without a gain that lasts. */
#include "multipath/test_world.h"

#define SECONDS(n) ((nanos)(n)*NANOS_PER_SEC)
#define MS(n)      ((nanos)(n)*NANOS_PER_MS)

/* equals - as world_up, with paths of equal priority and these round-trip times. */
static struct world *equals(uint64_t seed, unsigned rtt_a, unsigned rtt_b)
{
    struct world *world = world_new(2, seed);
    world->conn->paths[1].priority = 1;
    world->links[0].rtt = MS(rtt_a);
    world->links[1].rtt = MS(rtt_b);
    world_start(world);
    world_connect(world, true);
    world_until(world, world_all_up, SECONDS(5));
    world->flow = true;
    world_run(world, SECONDS(2));
    return world;
}

/* changes - how often the flow changes its link while the world runs. */
static unsigned changes(struct world *world, nanos duration)
{
    unsigned n = 0;
    int carrier = world_carrier_link(world);
    for (nanos end = world->now + duration; world->now < end;) {
        world_run(world, MS(100));
        n += world_carrier_link(world) != carrier;
        carrier = world_carrier_link(world);
    }
    return n;
}

static void test_shorter_round_trip(void **state)
{
    static const struct {
        unsigned rtt_a, rtt_b;
        int carrier;
    } rows[] = {
        {200, 20, 1},  {20, 200, 0}, /* in any order */
        {40, 35, 0},                 /* by less than 10 ms */
        {200, 180, 0},               /* by less than a quarter */
        {40, 25, 1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world *world = equals(i, rows[i].rtt_a, rows[i].rtt_b);
        assert_int_equal(world_carrier_link(world), 0); /* first in the configuration */
        assert_int_equal(changes(world, SECONDS(60)), rows[i].carrier);
        assert_int_equal(world_carrier_link(world), rows[i].carrier);
        assert_int_equal(world->logins, 1);
        world_free(world);
    }
}

/* The traffic leaves a path with 30 % loss, and does not return to it, neither during the loss nor
 * at its end. */
static void test_loss(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct world *world = equals(seed, 20, 25);
        assert_int_equal(changes(world, SECONDS(30)), 0);
        world->links[0].loss_percent = 30;
        assert_int_equal(changes(world, SECONDS(60)), 1);
        assert_int_equal(world_carrier_link(world), 1);
        assert_int_equal(changes(world, SECONDS(300)), 0);
        world->links[0].loss_percent = 0;
        assert_int_equal(changes(world, SECONDS(120)), 0);
        assert_int_equal(world->logins, 1);
        world_free(world);
    }
}

/* A path with few measurements does not count as lossless. */
static void test_fresh_path(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct world *world = world_new(2, seed);
        world->conn->paths[1].priority = 1;
        world_start(world);
        world_link_set(world, 1, false);
        world_connect(world, true);
        world->flow = true;
        world_run(world, SECONDS(5));
        world->links[0].loss_percent = 30;
        world_run(world, SECONDS(60));
        assert_int_equal(world_carrier_link(world), 0);
        world->links[1].loss_percent = 40;
        world_link_set(world, 1, true);
        world_until(world, world_all_up, SECONDS(20));
        assert_int_equal(changes(world, SECONDS(14)), 0);
        world_free(world);
    }
}

/* A path that returns from death keeps its loss for a while. */
static void test_loss_of_the_dead(void **state)
{
    (void)state;
    struct world *world = equals(11, 20, 25);
    world->links[0].hole = true;
    world_run(world, SECONDS(5));
    assert_int_equal(world_carrier_link(world), 1);
    world->links[1].rtt = MS(200);
    world_run(world, SECONDS(120));
    world->links[0].hole = false;
    world_until(world, world_all_up, SECONDS(20));
    assert_int_equal(changes(world, SECONDS(12)), 0);
    assert_int_equal(changes(world, SECONDS(180)), 1);
    assert_int_equal(world_carrier_link(world), 0);
    world_free(world);
}

/* Loss counts more than time: a fast path with 30 % loss is not taken. */
static void test_loss_before_time(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct world *world = equals(seed, 20, 200);
        world->links[0].loss_percent = 30;
        assert_int_equal(changes(world, SECONDS(60)), 1);
        assert_int_equal(world_carrier_link(world), 1);
        assert_int_equal(changes(world, SECONDS(300)), 0);
        world_free(world);
    }
}

/* A little loss on both is no reason to move. */
static void test_little_loss(void **state)
{
    (void)state;
    struct world *world = equals(3, 20, 22);
    world->links[0].loss_percent = world->links[1].loss_percent = 1;
    assert_in_range(changes(world, SECONDS(1200)), 0, 1);
    world_free(world);
}

/* A download fills the queue of its link: responses to probes are late, but none is lost. */
static void test_own_queue(void **state)
{
    (void)state;
    struct world *world = equals(5, 20, 25);
    for (unsigned i = 0; i < 60; i++) {
        world->links[0].rtt = MS(300);
        assert_int_equal(changes(world, SECONDS(6)), 0);
        world->links[0].rtt = MS(20);
        assert_int_equal(changes(world, SECONDS(4)), 0);
    }
    world_free(world);
}

/* The traffic changes seldom between paths that become good and bad by turns. */
static void test_turns(void **state)
{
    (void)state;
    struct world *world = equals(6, 20, 200);
    unsigned n = 0;
    for (unsigned i = 0; i < 20; i++) {
        world->links[i % 2].rtt = MS(200);
        world->links[(i + 1) % 2].rtt = MS(20);
        n += changes(world, SECONDS(90));
    }
    assert_in_range(n, 1, 8);
    world_free(world);
}

/* A gain lasts for `stable_for` at least, and `stable_for = 0s` is damped as well. */
static void test_stable_for(void **state)
{
    static const struct {
        nanos stable_for, turn;
        unsigned turns, least, most;
    } rows[] = {
        {SECONDS(600), SECONDS(595), 1, 0, 0},
        {SECONDS(600), SECONDS(660), 1, 1, 1},
        {0, SECONDS(90), 20, 1, 12},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world *world = equals(i, 200, 20);
        unsigned n = 0;
        world->conn->stable_for_ns = rows[i].stable_for;
        for (unsigned turn = 0; turn < rows[i].turns; turn++) {
            world->links[turn % 2].rtt = MS(200);
            world->links[(turn + 1) % 2].rtt = MS(20);
            n += changes(world, rows[i].turn);
        }
        assert_in_range(n, rows[i].least, rows[i].most);
        world_free(world);
    }
}

/* Priority and `metered` come before any measurement. */
static void test_rank_first(void **state)
{
    (void)state;
    for (unsigned variant = 0; variant < 2; variant++) {
        struct world *world = world_new(2, 7);
        world->conn->paths[1].priority = variant == 0 ? 2 : 1;
        world->conn->paths[1].metered = variant == 1;
        world->links[0].rtt = MS(200);
        world->links[0].loss_percent = 10;
        world_start(world);
        world_connect(world, true);
        world_until(world, world_all_up, SECONDS(20));
        world->flow = true;
        world_run(world, SECONDS(2));
        assert_int_equal(changes(world, SECONDS(60)), 0);
        assert_int_equal(world_carrier_link(world), 0);
        world_link_set(world, 0, false);
        world_run(world, SECONDS(2));
        assert_int_equal(world_carrier_link(world), 1);
        world_link_set(world, 0, true);
        world_run(world, SECONDS(30));
        assert_int_equal(world_carrier_link(world), 0);
        world_free(world);
    }
}

/* A path that died and returned is no better than the other one: the traffic stays. */
static void test_return_is_no_gain(void **state)
{
    (void)state;
    struct world *world = equals(8, 20, 20);
    world_link_set(world, 0, false);
    world_run(world, SECONDS(2));
    assert_int_equal(world_carrier_link(world), 1);
    world_link_set(world, 0, true);
    assert_int_equal(changes(world, SECONDS(60)), 0);
    assert_true(world_all_up(world));
    world_free(world);
}

/* The traffic leaves a path that begins to lose half of its packets within seconds. */
static void test_much_loss(void **state)
{
    (void)state;
    nanos all = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct world *world = equals(seed, 20, 25);
        assert_int_equal(changes(world, SECONDS(30)), 0);
        world->links[0].loss_percent = 50;
        nanos begin = world->now;
        while (world_carrier_link(world) == 0)
            world_run(world, MS(50));
        assert_in_range(world->now - begin, 0, SECONDS(20));
        all += world->now - begin;
        world_free(world);
    }
    assert_in_range(all / 20, SECONDS(2), SECONDS(7));
}

/* Of two paths with equal loss neither is better for long: the traffic seldom changes its path. */
static void test_equal_loss(void **state)
{
    (void)state;
    for (unsigned loss = 5; loss <= 20; loss += 5) {
        unsigned n = 0;
        for (uint64_t seed = 0; seed < 10; seed++) {
            struct world *world = equals(seed, 20, 25);
            world->links[0].loss_percent = world->links[1].loss_percent = loss;
            n += changes(world, SECONDS(1200));
            world_free(world);
        }
        assert_in_range(n, 0, 80);
    }
}

/* Idle paths are probed once in an interval, as ever; the one that carries traffic up to three times. */
static void test_probes(void **state)
{
    (void)state;
    struct world *world = equals(9, 20, 20);
    world->links[0].probes = world->links[1].probes = 0;
    world_run(world, SECONDS(60));
    assert_in_range(world->links[0].probes, 90, 182);
    assert_in_range(world->links[1].probes, 45, 62);
    world_free(world);
    world = world_up(2, 9); /* nothing to compare */
    world->links[0].probes = world->links[1].probes = 0;
    world_run(world, SECONDS(60));
    assert_in_range(world->links[0].probes, 5, 10);
    assert_in_range(world->links[1].probes, 45, 62);
    world_free(world);
}

/* The status tells the loss of the probes of each path once sixteen probes have counted; a lossless path has none. */
static void test_loss_told(void **state)
{
    (void)state;
    struct world *world = world_new(2, 3);
    world->conn->paths[1].priority = 1;
    world->links[0].rtt = world->links[1].rtt = MS(20);
    world->links[1].loss_percent = 20; /* of each message: a probe loses one with 36 % */
    world_start(world);
    world_connect(world, true);
    world_until(world, world_all_up, SECONDS(30));
    world_run(world, SECONDS(5));
    assert_int_equal(world_path(world, "p0").loss_ppm, LOSS_UNKNOWN);
    assert_int_equal(world_path(world, "p1").loss_ppm, LOSS_UNKNOWN);
    int64_t sum = 0;
    world_run(world, SECONDS(60));
    for (int i = 0; i < 100; i++) {
        world_run(world, SECONDS(3));
        assert_int_equal(world_path(world, "p0").loss_ppm, 0);
        sum += world_path(world, "p1").loss_ppm;
    }
    assert_in_range(sum / 100, 200000, 500000);
    world_free(world);
}

/* Probes that compare paths do not delay the detection of a dead path. */
static void test_black_hole(void **state)
{
    (void)state;
    for (unsigned offset = 0; offset < 40; offset++) {
        struct world *world = equals(offset, 50, 50);
        world->conn->failover_busy_ns = MS(750);
        world_run(world, SECONDS(3) + MS(25) * offset);
        world->worst_gap = 0;
        world->links[0].hole = true;
        world_run(world, SECONDS(5));
        assert_in_range(world->worst_gap, MS(200), MS(550)); /* 0.6 of 750 ms, and a round trip */
        assert_int_equal(world_carrier_link(world), 1);
        world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shorter_round_trip), cmocka_unit_test(test_loss),
        cmocka_unit_test(test_fresh_path),         cmocka_unit_test(test_loss_of_the_dead),
        cmocka_unit_test(test_loss_before_time),   cmocka_unit_test(test_little_loss),
        cmocka_unit_test(test_own_queue),          cmocka_unit_test(test_turns),
        cmocka_unit_test(test_stable_for),         cmocka_unit_test(test_rank_first),
        cmocka_unit_test(test_much_loss),          cmocka_unit_test(test_equal_loss),
        cmocka_unit_test(test_return_is_no_gain),  cmocka_unit_test(test_probes),
        cmocka_unit_test(test_black_hole),         cmocka_unit_test(test_loss_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
