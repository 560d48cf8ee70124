/* SPDX-License-Identifier: Apache-2.0 */
/* The pace of an outstanding request: RFC 7296 sections 2.1 and 2.4. */
#include "ike/core/window.h"

#include <string.h>

#include "base/unit_test.h"

#define MS(n) ((nanos)(n)*NANOS_PER_MS)

static void counter_fill(void *context, void *octets, size_t len)
{
    static uint8_t next;
    (void)context;
    memset(octets, next += 37, len);
}
static const struct random jitter = {.fill = counter_fill};

static const struct {
    nanos initial_ns;
    uint32_t base_percent, tries;
    nanos interval_ns; /* of a caller; 0: back-off */
    nanos early_ns;
    unsigned waits[10]; /* milliseconds between copies, 0: end */
    unsigned total;     /* milliseconds until the endpoint gives up; of the policy alone */
} rows[] = {
    {MS(1000), 200, 3, 0, 0, {1000, 2000, 4000, 8000}, 15000},
    {MS(500), 100, 2, 0, 0, {500, 500, 500}, 1500},
    {MS(4000), 180, 1, 0, 0, {4000, 7200}, 11200},
    {MS(1000), 200, 0, 0, 0, {1000}, 1000},
    {MS(1000), 200, 3, MS(250), 0, {250, 250, 250, 250}, 15000},
    {MS(1000), 200, 3, 0, MS(50), {50, 100, 200, 400, 800, 2000, 4000, 8000}, 15000},
    {MS(40), 200, 1, 0, MS(50), {50, 80}, 120},
};

static void pacing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct retransmit_policy policy = {
            .initial_ns = rows[i].initial_ns,
            .base_percent = rows[i].base_percent,
            .tries = rows[i].tries,
            .random = &jitter,
        };
        struct packet *packet = packet_new(1, 1);
        struct window mine = {
            .packet = packet, .interval_ns = rows[i].interval_ns, .early_ns = rows[i].early_ns};
        unsigned copies = 0;
        while (copies < ARRAY_LEN(rows[i].waits) && rows[i].waits[copies] != 0)
            copies++;
        nanos now = MS(1);
        for (unsigned k = 0; k < copies; k++) {
            window_sent(&mine, &policy, now);
            nanos wait = mine.resend_at_ns - now, least = MS(rows[i].waits[k]);
            assert_true(wait >= least);
            assert_true(wait <= least + (rows[i].interval_ns > 0 ? 0 : least / 8));
            assert_int_equal(window_time(&mine, &policy, mine.resend_at_ns - 1), WINDOW_EARLY);
            now = mine.resend_at_ns;
            bool last = k == copies - 1;
            assert_int_equal(window_time(&mine, &policy, now), last ? WINDOW_OVER : WINDOW_DUE);
        }
        assert_int_equal(retransmit_total(&policy), MS(rows[i].total));
        window_clear(&mine);
    }
}

static const struct {
    enum window_pace pace;
    nanos end, now;
    enum window_time time;
} ends[] = {
    {WINDOW_TRIES, MS(5), MS(9), WINDOW_EARLY}, /* end_ns has no meaning */
    {WINDOW_TRIES, MS(5), MS(10), WINDOW_DUE},   {WINDOW_UNTIL, MS(20), MS(9), WINDOW_EARLY},
    {WINDOW_UNTIL, MS(20), MS(19), WINDOW_DUE},  {WINDOW_UNTIL, MS(20), MS(20), WINDOW_OVER},
    {WINDOW_CALLER, MS(8), MS(7), WINDOW_EARLY}, {WINDOW_CALLER, MS(8), MS(8), WINDOW_OVER},
};

/* The end that a caller chose counts before the next copy and after the last one. */
static void end_of_a_caller(void **state)
{
    const struct retransmit_policy policy = {.initial_ns = MS(10), .base_percent = 200, .tries = 5};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct packet *packet = packet_new(1, 1);
        struct window mine = {.packet = packet,
                              .pace = ends[i].pace,
                              .end_ns = ends[i].end,
                              .resend_at_ns = MS(10),
                              .tries = 1};
        assert_int_equal(window_time(&mine, &policy, ends[i].now), ends[i].time);
        window_clear(&mine);
        assert_int_equal(window_time(&mine, &policy, MS(1000)), WINDOW_EARLY);
    }
}

static void end_only_gets_nearer(void **state)
{
    struct window mine = {.pace = WINDOW_TRIES};
    (void)state;
    window_end_by(&mine, MS(30));
    assert_int_equal(mine.pace, WINDOW_UNTIL);
    assert_int_equal(mine.end_ns, MS(30));
    window_end_by(&mine, MS(40));
    assert_int_equal(mine.end_ns, MS(30));
    mine.pace = WINDOW_CALLER;
    window_end_by(&mine, MS(20));
    assert_int_equal(mine.end_ns, MS(20));
    assert_int_equal(mine.pace, WINDOW_CALLER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pacing),
        cmocka_unit_test(end_of_a_caller),
        cmocka_unit_test(end_only_gets_nearer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
