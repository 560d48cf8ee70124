/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/replay_window.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/unit_test.h"

/* The oracle: every sequence number ever accepted, in a table. */
#define MODEL_MAX 200000u

static bool model_accepts(const bool *seen, uint64_t top, uint32_t window, uint64_t sequence)
{
    if (sequence == 0)
        return false;
    if (sequence <= top && top - sequence >= window)
        return false;
    return !seen[sequence];
}

static uint64_t xorshift(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* next_sequence - near the top mostly, sometimes a jump, sometimes far behind. */
static uint64_t next_sequence(uint64_t *state, uint64_t top, uint32_t window)
{
    uint64_t r = xorshift(state);
    int64_t at = (int64_t)top;
    switch (r % 8) {
    case 0: at -= (int64_t)(r >> 8 & 0xffff) % (2 * window + 2); break;
    case 1: at -= (int64_t)window - (int64_t)(r >> 8) % 3 + 1; break; /* around the left edge */
    case 2: at += (int64_t)(r >> 8 & 0xffff) % (window / 4 + 2); break;
    default: at += (int64_t)(r >> 8) % 4 - 1; break;
    }
    return at < 0 ? 0 : at >= MODEL_MAX ? MODEL_MAX - 1 : (uint64_t)at;
}

static void test_against_model(void **state)
{
    (void)state;
    static const uint32_t windows[] = {1, 32, 63, 64, 65, 1024, LIMIT_REPLAY_WINDOW};
    bool *seen = malloc(MODEL_MAX * sizeof(bool));
    assert_non_null(seen);
    uint64_t random = 0x9e3779b97f4a7c15u, accepted = 0;
    for (size_t i = 0; i < ARRAY_LEN(windows); i++) {
        memset(seen, 0, MODEL_MAX * sizeof(bool));
        uint64_t top = 0;
        struct replay_window *w = replay_window_new(windows[i]);
        assert_non_null(w);
        for (int step = 0; step < 150000; step++) {
            uint64_t sequence = next_sequence(&random, top, windows[i]);
            bool expected = model_accepts(seen, top, windows[i], sequence);
            assert_int_equal(replay_window_check(w, sequence), expected);
            assert_int_equal(replay_window_commit(w, sequence), expected);
            if (!expected)
                continue;
            accepted++;
            seen[sequence] = true;
            top = sequence > top ? sequence : top;
            assert_int_equal(w->top, top);
        }
        free(w);
    }
    assert_true(accepted > 100000);
    free(seen);
}

static void test_edges(void **state)
{
    (void)state;
    static const struct {
        uint64_t sequence;
        bool accepted;
    } steps[] = {
        {0, false},
        {2, true},
        {1, true},
        {1, false},
        {2, false},
        {1024, true},
        {1, false},
        {1025, true},
        {1, false},
        {3, true},
        {5000, true},
        {5000, false},
        {3976, false},
        {3977, true},
        {3977, false},
        {1000000, true},
        {998976, false},
        {998977, true},
        {4000, false},
        {1000000, false},
        {UINT32_MAX, true},
        {UINT32_MAX + 1ull, true},
        {UINT32_MAX - 1022ull, true},
        {UINT32_MAX - 1023ull, false},
        {UINT64_MAX, true},
        {UINT64_MAX, false},
        {UINT64_MAX - 1023, true},
        {UINT64_MAX - 1024, false},
    };
    struct replay_window *w = replay_window_new(1024);
    assert_non_null(w);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        if (replay_window_commit(w, steps[i].sequence) != steps[i].accepted)
            fail_msg("step %zu", i);
    free(w);
}

static void test_check_does_not_move(void **state)
{
    (void)state;
    struct replay_window *w = replay_window_new(64);
    assert_non_null(w);
    assert_true(replay_window_check(w, UINT64_MAX));
    assert_int_equal(w->top, 0);
    assert_true(replay_window_commit(w, 1));
    free(w);
}

static void test_no_protection(void **state)
{
    (void)state;
    struct replay_window *w = replay_window_new(0);
    assert_non_null(w);
    assert_true(replay_window_commit(w, 0));
    assert_true(replay_window_commit(w, 7));
    assert_true(replay_window_commit(w, 7));
    free(w);
}

/* RFC 4303 appendix A2.2 */
static void test_extended_numbers(void **state)
{
    (void)state;
    static const struct {
        uint64_t top;
        uint32_t low;
        bool ok;
        uint64_t expected;
    } rows[] = {
        {0, 1, true, 1},
        {0, 0x7fffffff, true, 0x7fffffff},
        {0, 0xffffffff, false, 0}, /* would be before 0 */
        {0xfffffff0, 0xfffffff1, true, 0xfffffff1},
        {0xfffffff0, 0x00000005, true, 0x100000005}, /* the low half turned over */
        {0x100000005, 0xfffffff0, true, 0xfffffff0}, /* late, from before the turn */
        {0x100000005, 0x00000006, true, 0x100000006},
        {0x1000003ff, 0x00000000, true, 0x100000000},
        {0x1000003fe, 0xffffffff, true, 0xffffffff},
        {0x1000003ff, 0xffffffff, true, 0x1ffffffff}, /* left of the window: taken as far ahead */
        {0x180000000, 0x7fffffff, true, 0x17fffffff},
        {0xffffffff000003ffull, 0, true, 0xffffffff00000000ull},
        {0xffffffff80000000ull, 5, false, 0}, /* the 64 bits are used up */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct replay_window *w = replay_window_new(1024);
        assert_non_null(w);
        w->top = rows[i].top;
        uint64_t sequence = 0;
        if (replay_window_extend(w, rows[i].low, &sequence) != rows[i].ok ||
            (rows[i].ok && sequence != rows[i].expected))
            fail_msg("row %zu: %llx", i, (unsigned long long)sequence);
        free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_model),       cmocka_unit_test(test_edges),
        cmocka_unit_test(test_check_does_not_move), cmocka_unit_test(test_no_protection),
        cmocka_unit_test(test_extended_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
