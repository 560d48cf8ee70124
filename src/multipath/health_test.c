/* SPDX-License-Identifier: Apache-2.0 */
/* A dead path is found in time, and a living one does not count as dead. */
#include "multipath/test_world.h"

#define SECONDS(n) ((nanos)(n)*NANOS_PER_SEC)
#define MS(n)      ((nanos)(n)*NANOS_PER_MS)

static bool upstream_only;
static void black_hole(nanos probe_interval, nanos busy, nanos budget)
{
    for (unsigned offset = 0; offset < 20; offset++) {
        struct world *world = world_new(2, offset);
        world->conn->probe_interval_ns = probe_interval;
        world->conn->failover_busy_ns = busy;
        world_start(world);
        world_connect(world, true);
        world_until(world, world_all_up, SECONDS(5));
        world->flow = true;
        world->upstream_only = upstream_only;
        world_run(world, SECONDS(3) + MS(37) * offset);
        world->worst_gap = 0;
        world->links[0].hole = true;
        world_run(world, SECONDS(5));
        assert_true(world->worst_gap <= budget);
        assert_true(world->worst_gap >= budget / 4); /* one late packet is not enough */
        assert_int_equal(world_carrier_link(world), 1);
        world->links[0].hole = false;
        world_until(world, world_all_up, SECONDS(20));
        assert_int_equal(world->logins, 1);
        world_free(world);
    }
}

static void test_black_hole(void **state)
{
    (void)state;
    black_hole(NANOS_PER_SEC, 0, MS(1300)); /* 2 s are promised; a path in use is left sooner */
}

static void test_black_hole_of_a_conversation(void **state)
{
    (void)state;
    black_hole(NANOS_PER_SEC, MS(750), MS(500)); /* the default */
}

/* Our packets get no answers, but the probes do, until the path dies. */
static void test_black_hole_of_an_upload(void **state)
{
    (void)state;
    upstream_only = true;
    black_hole(NANOS_PER_SEC, MS(750), MS(500));
    upstream_only = false;
}

/* The peer pauses while packets for it leave: the path is probed and stays. Idle paths get no more
 * probes. */
static void test_pause_of_the_peer(void **state)
{
    (void)state;
    struct world *world = world_up(2, 8);
    world->conn->failover_busy_ns = MS(750);
    world->links[0].probes = world->links[1].probes = 0;
    for (unsigned i = 0; i < 30; i++) {
        world->upstream_only = i % 2 == 0;
        world_run(world, MS(1900) + MS(15) * i);
        assert_int_equal(world_carrier_link(world), 0);
    }
    assert_int_equal(world_path(world, "p0").losses, 0);
    assert_in_range(world->links[0].probes, 60, 400);
    assert_in_range(world->links[1].probes, 50, 70);
    world_free(world);
}

/* After idle time a link delays its first packets, as a waking modem does. It is not dead. */
static void idle_link_wakes_slowly(bool upload)
{
    struct world *world = world_up(2, 7);
    world->conn->failover_busy_ns = MS(750);
    world->upstream_only = upload;
    for (unsigned i = 0; i < 20; i++) {
        world->flow = false;
        world_run(world, MS(300) + MS(30) * i); /* before an idle path is probed */
        uint64_t losses = world_path(world, "p0").losses;
        world->links[0].hole = true;
        world->flow = true;
        world_run(world, MS(600));
        world->links[0].hole = false;
        world_run(world, SECONDS(2));
        assert_int_equal(world_path(world, "p0").losses, losses);
        assert_int_equal(world_carrier_link(world), 0);
    }
    world_free(world);
}

static void test_idle_link_wakes_slowly(void **state)
{
    (void)state;
    idle_link_wakes_slowly(false);
    idle_link_wakes_slowly(true);
}

static void test_black_hole_quick(void **state)
{
    (void)state;
    black_hole(MS(100), 0, MS(350)); /* promised: 500 ms */
}

/* A peer that answers later and later makes its path look slow, up to a bound. So a dead path is
 * still found, and a slow path is still used. */
static void test_late_answers_are_bounded(void **state)
{
    (void)state;
    struct world *world = world_up(2, 21);
    world->conn->stable_for_ns = SECONDS(1);
    world->flow = true;
    for (unsigned rtt = 100; rtt < 60000; rtt += rtt / 10) {
        world->links[0].rtt = MS(rtt);
        world_run(world, SECONDS(3));
        assert_true(world_path(world, "p0").rtt_ns <= SECONDS(2));
        assert_int_not_equal(world_carrier_link(world), -1);
    }
    world->links[0].rtt = MS(3900);
    world_run(world, SECONDS(60));
    world->links[0].hole = true;
    world_run(world, SECONDS(15));
    assert_int_equal(world_carrier_link(world), 1);
    world->links[0].rtt = MS(10);
    world->links[0].hole = false;
    world_until(world, world_all_up, SECONDS(70));
    assert_int_equal(world->logins, 1);
    world_free(world);
}

/* Dead paths without traffic are found, too, within the budget. */
static void test_black_hole_idle(void **state)
{
    (void)state;
    struct world *world = world_up(2, 5);
    world->flow = false;
    world_run(world, SECONDS(5));
    world->links[1].hole = true;
    world_run(world, SECONDS(2));
    assert_true(world_path(world, "p1").state == PATH_DEAD || world_path(world, "p1").parked);
    assert_int_equal(world_path(world, "p0").state, PATH_UP);
    world_free(world);
}

/* Traffic in both directions proves that the path lives: (nearly) no probes. */
static void test_traffic_saves_probes(void **state)
{
    (void)state;
    struct world *world = world_up(1, 6);
    world->probes = 0;
    world_run(world, SECONDS(60));
    assert_true(world->probes <= 10);
    world->flow = false;
    world->probes = 0;
    world_run(world, SECONDS(60));
    assert_in_range(world->probes, 50, 70);
    world_free(world);
}

/* idle_world - two links, the settings of a user who names no times, and no packet for a minute. */
static struct world *idle_world(uint64_t seed)
{
    struct world *world = world_up(2, seed);
    world->conn->failover_busy_ns = MS(750);
    world->conn->probe_idle_ns = SECONDS(10);
    world->flow = false;
    world_run(world, SECONDS(62));
    return world;
}

static void probes_in(struct world *world, nanos duration, unsigned least, unsigned most)
{
    world->links[0].probes = world->links[1].probes = 0;
    world_run(world, duration);
    assert_in_range(world->links[0].probes, least, most);
    assert_in_range(world->links[1].probes, least, most);
}

/* An idle session gets few probes. A conversation on one path ends that for the others as well. */
static void test_idle_session_is_probed_rarely(void **state)
{
    (void)state;
    struct world *world = idle_world(13);
    probes_in(world, SECONDS(60), 5, 7);
    world->flow = true;
    world_run(world, SECONDS(1));
    world->flow = false;
    probes_in(world, SECONDS(20), 17, 23);
    world_run(world, SECONDS(62));
    world->links[1].hole = true;
    world_run(world, SECONDS(12));
    assert_true(world_path(world, "p1").state == PATH_DEAD || world_path(world, "p1").parked);
    assert_int_equal(world_path(world, "p0").state, PATH_UP);
    assert_int_equal(world->logins, 1);
    world_free(world);
}

/* The path died while the session was idle. The first packets leave it within 0.6 of the budget, as from any link
 * that was idle. */
static void black_hole_before_packets(bool upload)
{
    for (unsigned offset = 0; offset < 20; offset++) {
        struct world *world = idle_world(14 + offset);
        world->upstream_only = upload;
        world_run(world, MS(510) * offset);
        world->links[0].hole = true;
        world_run(world, MS(17) * offset);
        world->worst_gap = 0;
        world->flow_ok = world->now;
        world->flow = true;
        world_run(world, SECONDS(5));
        assert_true(world->worst_gap <= MS(1300));
        assert_int_equal(world_carrier_link(world), 1);
        world_free(world);
    }
}

static void test_black_hole_before_packets(void **state)
{
    (void)state;
    black_hole_before_packets(false);
    black_hole_before_packets(true);
}

/* A failover counts if the failed path carried traffic. Its gap is the gap of the flow. */
static void test_failovers_are_counted(void **state)
{
    (void)state;
    struct world *world = world_up(2, 9);
    world->worst_gap = 0;
    world->links[0].hole = true;
    world_run(world, SECONDS(5));
    struct path_failovers failovers = path_manager_failovers(world->pm);
    assert_int_equal(failovers.n, 1);
    assert_true(failovers.gaps_ns == failovers.longest_ns);
    assert_in_range(failovers.gaps_ns / NANOS_PER_MS, world->worst_gap / NANOS_PER_MS / 2,
                    world->worst_gap / NANOS_PER_MS + 100);
    world->links[0].hole = false;
    world_until(world, world_all_up, SECONDS(20));
    world->links[1].hole = true; /* it carries nothing */
    world_run(world, SECONDS(10));
    assert_int_equal(path_manager_failovers(world->pm).n, 1);
    world->links[1].hole = false;
    world_until(world, world_all_up, SECONDS(20));
    world_link_set(world, 0, false); /* known at once: no gap */
    world_run(world, SECONDS(1));
    assert_int_equal(path_manager_failovers(world->pm).n, 2);
    assert_true(path_manager_failovers(world->pm).gaps_ns < failovers.gaps_ns + MS(100));
    world_free(world);
}

/* The only path fails and works again: no failover, since no path took over. */
static void test_outage_is_no_failover(void **state)
{
    (void)state;
    struct world *world = world_up(1, 10);
    world->links[0].hole = true;
    world_run(world, SECONDS(5));
    world->links[0].hole = false;
    world_until(world, world_all_up, SECONDS(30));
    assert_int_equal(path_manager_failovers(world->pm).n, 0);
    world_free(world);
}

/* Two IKE SAs are parked at the last path that works. When it fails, one failure is counted. It becomes a failover
 * when another path takes over. */
static void test_parked_are_one_failover(void **state)
{
    (void)state;
    for (unsigned links = 2; links <= 3; links++) {
        struct world *world = world_up(links, 12);
        world->links[0].hole = true;
        world_run(world, SECONDS(8));
        assert_int_equal(path_manager_failovers(world->pm).n, 1);
        world->links[1].hole = true;
        world_run(world, SECONDS(8));
        assert_int_equal(path_manager_failovers(world->pm).n, links - 1);
        world->links[1].hole = false;
        world_run(world, SECONDS(20));
        world->links[0].hole = false;
        world_until(world, world_all_up, SECONDS(30));
        assert_int_equal(path_manager_failovers(world->pm).n, links - 1);
        assert_true(path_manager_failovers(world->pm).longest_ns < SECONDS(3));
        world_free(world);
    }
}

/* Jitter is 0 while all round-trip times are equal, and then about their differences. */
static void test_jitter(void **state)
{
    (void)state;
    struct world *world = world_up(1, 11);
    world->flow = false; /* probes measure */
    world_run(world, SECONDS(60));
    assert_in_range(world_path(world, "p0").jitter_ns, 0, NANOS_PER_MS);
    for (unsigned i = 0; i < 60; i++) {
        world->links[0].rtt = i % 2 == 0 ? MS(10) : MS(50);
        world_run(world, SECONDS(1));
    }
    assert_in_range(world_path(world, "p0").jitter_ns, MS(10), MS(40));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_black_hole),
        cmocka_unit_test(test_black_hole_of_a_conversation),
        cmocka_unit_test(test_black_hole_of_an_upload),
        cmocka_unit_test(test_pause_of_the_peer),
        cmocka_unit_test(test_idle_link_wakes_slowly),
        cmocka_unit_test(test_black_hole_quick),
        cmocka_unit_test(test_late_answers_are_bounded),
        cmocka_unit_test(test_black_hole_idle),
        cmocka_unit_test(test_traffic_saves_probes),
        cmocka_unit_test(test_idle_session_is_probed_rarely),
        cmocka_unit_test(test_black_hole_before_packets),
        cmocka_unit_test(test_failovers_are_counted),
        cmocka_unit_test(test_outage_is_no_failover),
        cmocka_unit_test(test_parked_are_one_failover),
        cmocka_unit_test(test_jitter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
