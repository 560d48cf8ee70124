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

/* struct stream - packets that one path carries, with a report every 10 ms. */
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

/* stream_step - sends `n` packets in 10 ms; the path passes `octets` on, `above` its least delay. */
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

/* A flow that filled the path waits for its window now, and jitter delays its packets. This is no
 * queue, so the rate of the path is not the rate of the flow. */
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

/* More is sent than the path passes on: this is its limit. */
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

/* A path with jitter holds more than a burst, since it is idle behind each peak else. */
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

/* A path that adds little and is far is left alone, however long the queue of the fast one is. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jitter_is_no_limit),
        cmocka_unit_test(limit_is_learned),
        cmocka_unit_test(reserve_against_jitter),
        cmocka_unit_test(far_and_slow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
