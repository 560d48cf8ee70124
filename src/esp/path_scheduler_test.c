/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/path_scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MS(n) ((nanos)(n)*NANOS_PER_MS)
#define SPI   100
#define START (10 * NANOS_PER_SEC)
#define BOTH  3u

/* struct stream - packets on one path; the receiver reports every 10 ms. */
struct stream {
    struct path_scheduler scheduler;
    uint32_t sequence, total, came;
    nanos now;
};

static void stream_begin(struct stream *t)
{
    *t = (struct stream){.now = START};
    assert_int_equal(path_scheduler_path(&t->scheduler, 1), 0);
}

/* stream_step - sends `n` packets within 10 ms. The report behind them says that `octets` more arrived,
 * and that the last packet took `above` longer than the fastest one. */
static void stream_step(struct stream *t, unsigned n, uint32_t octets, nanos above)
{
    struct resend_entry entry = {.spi = SPI};
    for (unsigned i = 0; i < n; i++) {
        entry.sent = t->now;
        entry.sequence = ++t->sequence;
        entry.total = t->total += SCHEDULER_PACKET;
        path_scheduler_sent(&t->scheduler, 0, &entry, SCHEDULER_PACKET, true);
        t->now += MS(10) / n;
    }
    t->came += octets;
    struct path_report_entry report = {.spi = SPI,
                                       .highest = t->sequence,
                                       .packets = t->came / SCHEDULER_PACKET,
                                       .octets = t->came,
                                       .delay_min = 500,
                                       .delay_last = (uint16_t)(500 + above / ESP_ORDER_TICK)};
    path_scheduler_report(&t->scheduler, 0, &report, esp_order_time(t->now), NULL, t->now);
}

/* The sender fills the path for 3 s. Then it waits for its window, while jitter looks like a queue. The
 * path keeps its rate: the rate of the sender is no limit of the path. */
static void jitter_is_no_limit(void **state)
{
    (void)state;
    struct stream t;
    stream_begin(&t);
    for (unsigned i = 0; i < 800; i++) {
        unsigned n = i < 300 ? 25 : 2;
        stream_step(&t, n, n * SCHEDULER_PACKET, MS(30 + i % 2 * 4));
    }
    assert_true(t.scheduler.paths[0].rate > 3000000);
}

/* The sender sends ten times what arrives: the rate of the path becomes what arrives. */
static void limit_is_learned(void **state)
{
    (void)state;
    struct stream t;
    stream_begin(&t);
    for (unsigned i = 0; i < 200; i++)
        stream_step(&t, 50, 5000, MS(i < 100 ? i : 100));
    assert_true(t.scheduler.paths[0].proven);
    assert_in_range(t.scheduler.paths[0].rate, 450000, 600000);
}

static struct path_model model(unsigned key, uint64_t rate, nanos delay)
{
    return (struct path_model){.key = key,
                               .measured = true,
                               .proven = true,
                               .rate = rate,
                               .base = (uint16_t)(1000 + delay / ESP_ORDER_TICK)};
}

/* A path with jitter holds more than a burst, so that a peak of the jitter does not empty it. */
static void reserve_against_jitter(void **state)
{
    (void)state;
    static const struct {
        nanos mean, holds;
        bool takes;
    } rows[] = {
        {0, MS(1) / 2, true},  {0, MS(5), false},      {MS(4), MS(5), false},
        {MS(20), MS(5), true}, {MS(20), MS(60), true}, {MS(20), MS(70), false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct path_scheduler s = {.paths = {model(1, 5000000, 0), model(2, 5000000, 0)}};
        for (unsigned k = 0; k < 2; k++) {
            s.paths[k].floor = rows[i].mean;
            s.paths[k].deviation = rows[i].mean / 2;
            s.paths[k].free_at = START + rows[i].holds;
        }
        struct scheduler_backlog none = {0};
        int path = path_scheduler_take(&s, BOTH, SCHEDULER_PACKET, &none, START);
        assert_int_equal(path >= 0, rows[i].takes);
    }
}

/* A far path that adds little rate carries no packet, however long the queue of the near path is. */
static void far_and_slow(void **state)
{
    (void)state;
    static const struct {
        uint64_t rate;
        nanos delay;
        unsigned picks;
    } rows[] = {
        {37500000, MS(30), 1},  {3750000, MS(30), 0}, {3750000, MS(5), 1},
        {37500000, MS(150), 1}, {9000000, MS(60), 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct path_scheduler s = {
            .paths = {model(1, 37500000, 0), model(2, rows[i].rate, rows[i].delay)}};
        s.paths[0].free_at = START + MS(200);
        assert_int_equal(path_scheduler_pick(&s, BOTH, SCHEDULER_PACKET, START), rows[i].picks);
    }
}

/* While no rate is known, packets are dropped only if each path that carries has a long queue. A path
 * with a known rate is paced, and its packets wait under the controlled delay of flow_queue.h. */
static void drops_when_all_are_full(void **state)
{
    (void)state;
    static const struct {
        unsigned usable;
        nanos standing[2];
        bool proven, drops;
    } rows[] = {
        {BOTH, {MS(80), MS(80)}, false, true}, {BOTH, {MS(80), 0}, false, false},
        {BOTH, {0, 0}, false, false},          {BOTH, {MS(80), MS(80)}, true, false},
        {1, {MS(80), MS(80)}, false, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct path_scheduler s = {.paths = {model(1, 5000000, 0), model(2, 5000000, 0)}};
        unsigned drops = 0;
        for (unsigned k = 0; k < 2; k++) {
            s.paths[k].proven = rows[i].proven;
            s.paths[k].standing = rows[i].standing[k];
        }
        assert_false(path_scheduler_drop(&s, rows[i].usable, START));
        for (unsigned ms = 1; ms <= 1000; ms++)
            drops += path_scheduler_drop(&s, rows[i].usable, START + MS(ms));
        assert_int_equal(drops > 0, rows[i].drops);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jitter_is_no_limit),      cmocka_unit_test(limit_is_learned),
        cmocka_unit_test(reserve_against_jitter),  cmocka_unit_test(far_and_slow),
        cmocka_unit_test(drops_when_all_are_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
