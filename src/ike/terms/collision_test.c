/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/terms/collision.h"

#include "base/unit_test.h"

#define N(text)                                                                                    \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

static void lower_is_octet_by_octet(void **state)
{
    static const struct {
        struct span a, b;
        bool lower;
    } rows[] = {
        {N("\x00\xff"), N("\x01\x00"), true},
        {N("\x01\x00"), N("\x00\xff"), false},
        {N("\x7f"), N("\x80"), true}, /* octets are unsigned */
        {N("abcd"), N("abcd"), false},
        {N("abc"), N("abcd"), true}, /* a nonce that ends is the lower one */
        {N("abcd"), N("abc"), false},
        {N("b"), N("aaaa"), false}, /* length decides only where all octets are equal */
        {N("abca"), N("abcb"), true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(nonce_lower(rows[i].a, rows[i].b), rows[i].lower);
}

/* Every order of four nonces: both sides must come to opposite verdicts. */
static void both_sides_agree(void **state)
{
    static const struct span nonces[4] = {N("\x10 aaaaaaaaaaaaaaa"), N("\x20 aaaaaaaaaaaaaaa"),
                                          N("\x20 aaaaaaaaaaaaaaaa"), N("\x30 aaaaaaaaaaaaaaa")};
    unsigned seen = 0;
    (void)state;
    for (unsigned p = 0; p < 256; p++) {
        unsigned at[4] = {p & 3, p >> 2 & 3, p >> 4 & 3, p >> 6 & 3};
        if ((1u << at[0] | 1u << at[1] | 1u << at[2] | 1u << at[3]) != 15)
            continue;
        seen++;
        struct span ni_a = nonces[at[0]], nr_a = nonces[at[1]];
        struct span ni_b = nonces[at[2]], nr_b = nonces[at[3]];
        struct crossing of_a = {0}, of_b = {0};
        crossing_set(&of_a, 1, ni_a, nr_a);
        crossing_set(&of_b, 2, ni_b, nr_b);
        bool a_redundant = crossing_ours_redundant(&of_b, ni_a, nr_a);
        assert_int_equal(a_redundant, at[0] == 0 || at[1] == 0);
        assert_int_not_equal(a_redundant, crossing_ours_redundant(&of_a, ni_b, nr_b));
    }
    assert_int_equal(seen, 24);
}

static void equal_nonces_lose_nothing(void **state)
{
    static const struct span nonce = N("0123456789abcdef");
    struct crossing theirs = {0};
    (void)state;
    crossing_set(&theirs, 1, nonce, nonce);
    assert_false(crossing_ours_redundant(&theirs, nonce, nonce));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(lower_is_octet_by_octet),
        cmocka_unit_test(both_sides_agree),
        cmocka_unit_test(equal_nonces_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
