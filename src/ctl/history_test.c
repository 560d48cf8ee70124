/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "ctl/history.h"

static void rates_follow_the_counters(void **state)
{
    (void)state;
    struct history h = {0};
    history_add(&h, 10, 1000, 500, 1000);
    assert_true(h.rate_in == 0 && h.rate_out == 0); /* one sample has no rate */
    history_add(&h, 10, 3000, 1500, 2000);
    assert_true(h.rate_in == 2000 && h.rate_out == 1000);
    history_add(&h, 10, 100, 1500, 3000); /* a new Child SA counts from zero */
    assert_true(h.rate_in == 0 && h.rate_out == 0);
    history_add(&h, 10, 200, 1500, 3000); /* the clock stands still */
    assert_true(h.rate_in == 0);
}

static void oldest_samples_go(void **state)
{
    (void)state;
    struct history h = {0};
    for (int i = 0; i < HISTORY_SAMPLES + 5; i++)
        history_add(&h, i, 0, 0, 1000 + i);
    assert_int_equal(h.n, HISTORY_SAMPLES);
    assert_true(h.rtt_ms[0] == 5);
    assert_true(h.rtt_ms[HISTORY_SAMPLES - 1] == HISTORY_SAMPLES + 4);
}

static void graphs(void **state)
{
    (void)state;
    static const struct {
        double samples[4];
        size_t n, width;
        bool utf8;
        const char *text;
    } rows[] = {
        {{0}, 0, 3, false, "   "},         {{0, 0}, 2, 3, false, " __"},
        {{0, 7}, 2, 2, false, "_#"},       {{1, 2, 4, 8}, 4, 4, false, ".-=#"},
        {{1, 2, 4, 8}, 4, 2, false, "=#"}, /* the newest ones */
        {{0, 8}, 2, 3, true, " ▁█"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[3 * 8 + 1];
        history_graph(rows[i].samples, rows[i].n, rows[i].width, rows[i].utf8, out);
        assert_string_equal(out, rows[i].text);
    }
}

static void names_are_kept_apart(void **state)
{
    (void)state;
    struct history_set set = {0};
    for (int i = 0; i < 40; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "path %d", i);
        assert_non_null(history_of(&set, name));
    }
    assert_int_equal(set.n, 40);
    assert_string_equal(history_of(&set, "path 7")->name, "path 7");
    assert_int_equal(set.n, 40);
    history_set_done(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_follow_the_counters),
        cmocka_unit_test(oldest_samples_go),
        cmocka_unit_test(graphs),
        cmocka_unit_test(names_are_kept_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
