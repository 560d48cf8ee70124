/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/spread_choice.h"

#include "base/unit_test.h"

#define MS(n)   ((n)*NANOS_PER_MS)
#define S(n)    ((n)*NANOS_PER_SEC)
#define BOTH    3u
#define BUSY    1000000 /* octets a second of each path */
#define TRICKLE 10000

struct world {
    struct path_scheduler scheduler;
    struct spread_choice choice;
    nanos now;
    bool waiting;
    uint32_t sequence, unreported; /* the newest packets, of which no report tells yet */
};

static void begin(struct world *w)
{
    *w = (struct world){.now = S(10)};
    for (unsigned i = 0; i < 2; i++)
        w->scheduler.paths[i] =
            (struct path_model){.key = i + 1, .spi = 100 + i, .measured = true, .reported = true};
}

/* run - both paths deliver this many octets a second. */
static void run(struct world *w, nanos time, uint64_t rate)
{
    for (nanos end = w->now + time; w->now < end;) {
        w->now += MS(1);
        w->sequence++;
        for (unsigned i = 0; i < 2; i++) {
            struct path_model *p = &w->scheduler.paths[i];
            p->delivered += rate / 1000;
            p->newest = p->wanted = w->sequence;
            p->highest = w->sequence - w->unreported;
            p->outstanding = w->unreported > 0;
        }
        spread_choice_look(&w->choice, &w->scheduler, BOTH, w->waiting, w->now);
    }
}

static void test_busy(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    run(&w, S(5), TRICKLE);
    assert_int_equal(w.choice.state, SPREAD_FLOWS);
    run(&w, S(1), BUSY);
    assert_int_equal(w.choice.state, SPREAD_PACKETS);
    run(&w, S(60), BUSY);
    assert_int_equal(w.choice.state, SPREAD_PACKETS);
    run(&w, S(1), TRICKLE);
    assert_int_equal(w.choice.state, SPREAD_FLOWS);
}

/* One path is not measured, or silent: nothing is spread by packet. */
static void test_one_path(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    w.scheduler.paths[1].measured = false;
    run(&w, S(5), BUSY);
    assert_int_equal(w.choice.state, SPREAD_FLOWS);
    w.scheduler.paths[1].measured = true;
    run(&w, S(5), BUSY);
    assert_int_equal(w.choice.state, SPREAD_PACKETS);
    w.scheduler.paths[1].stalled = true;
    run(&w, S(2), BUSY);
    assert_int_equal(w.choice.state, SPREAD_FLOWS);
}

/* The mode changes only once all earlier packets have been reported, or after half a second. */
static void test_drained(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    w.unreported = 100;
    while (w.choice.state == SPREAD_FLOWS)
        run(&w, MS(1), BUSY);
    assert_int_equal(w.choice.state, SPREAD_ENTERS);
    assert_true(spread_choice_numbers(&w.choice) && spread_choice_by_flow(&w.choice));
    run(&w, MS(98), BUSY);
    assert_int_equal(w.choice.state, SPREAD_ENTERS);
    run(&w, MS(4), BUSY);
    assert_int_equal(w.choice.state, SPREAD_PACKETS);
    begin(&w);
    w.unreported = 1000;
    while (w.choice.state == SPREAD_FLOWS)
        run(&w, MS(1), BUSY);
    run(&w, MS(490), BUSY);
    assert_int_equal(w.choice.state, SPREAD_ENTERS);
    run(&w, MS(20), BUSY);
    assert_int_equal(w.choice.state, SPREAD_PACKETS);
}

/* attempt - waits while packets are spread with less success; returns how long it took. */
static nanos attempt(struct world *w)
{
    nanos from = w->now;
    while (w->choice.state != SPREAD_PACKETS)
        run(w, MS(10), BUSY);
    nanos took = w->now - from;
    while (w->choice.state != SPREAD_FLOWS)
        run(w, MS(10), BUSY / 2);
    return took;
}

/* An attempt without a gain ends within seconds, and the next one comes later and later. */
static void test_no_gain(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    nanos from = w.now;
    assert_true(attempt(&w) < S(1));
    assert_true(w.now - from < S(4));
    for (nanos least = S(9); least < S(300); least *= 2)
        assert_true(attempt(&w) > least);
    for (int i = 0; i < 4; i++)
        assert_true(attempt(&w) < S(325));
    run(&w, S(325), BUSY); /* this one gains */
    assert_int_equal(w.choice.state, SPREAD_PACKETS);
    run(&w, S(3), TRICKLE);
    assert_true(attempt(&w) < S(3)); /* and the penalty is forgotten */
    assert_true(attempt(&w) < S(15));
}

/* While packets wait for a path, the next one must not overtake them. */
static void test_waiting(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    run(&w, S(1), BUSY);
    w.waiting = true;
    run(&w, S(5), BUSY / 4);
    assert_int_equal(w.choice.state, SPREAD_PACKETS);
    w.waiting = false;
    run(&w, S(1), BUSY / 4);
    assert_int_equal(w.choice.state, SPREAD_FLOWS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_busy),    cmocka_unit_test(test_one_path),
        cmocka_unit_test(test_drained), cmocka_unit_test(test_no_gain),
        cmocka_unit_test(test_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
