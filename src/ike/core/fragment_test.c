/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/fragment.h"

#include "base/unit_test.h"

static uint8_t octets[8192];

static enum fragment_verdict add(struct sa *sa, uint16_t number, uint16_t total, size_t len,
                                 struct span *ret)
{
    struct fragment fragment = {.message_id = 3,
                                .number = number,
                                .total = total,
                                .first_payload = 33,
                                .plain = span_of(octets, len)};
    uint8_t first;
    return fragment_add(sa, &fragment, ret, &first);
}

/* The fragments of a peer never need more memory than one message. */
static void bounded(void **state)
{
    (void)state;
    struct sa sa = {0};
    struct span whole;
    size_t taken = 0;
    uint16_t number = 1;
    for (; number < LIMIT_FRAGMENTS; number++) {
        if (add(&sa, number, LIMIT_FRAGMENTS, sizeof(octets), &whole) == FRAGMENT_BAD)
            break;
        taken += sizeof(octets);
    }
    assert_in_range(taken, LIMIT_IKE_MESSAGE - sizeof(octets), LIMIT_IKE_MESSAGE);
    assert_int_not_equal(number, LIMIT_FRAGMENTS);
    sa.reassembly = reassembly_free(sa.reassembly);
}

static void numbers(void **state)
{
    (void)state;
    struct sa sa = {0};
    struct span whole;
    assert_int_equal(add(&sa, 0, 2, 10, &whole), FRAGMENT_BAD);
    assert_int_equal(add(&sa, 3, 2, 10, &whole), FRAGMENT_BAD);
    assert_int_equal(add(&sa, 1, LIMIT_FRAGMENTS + 1, 10, &whole), FRAGMENT_BAD);
    assert_int_equal(add(&sa, 1, 0, 10, &whole), FRAGMENT_BAD);
    assert_null(sa.reassembly);
    assert_int_equal(add(&sa, 2, 2, 10, &whole), FRAGMENT_WAIT);
    assert_int_equal(add(&sa, 2, 2, 10, &whole), FRAGMENT_WAIT); /* a repetition is not a part */
    assert_int_equal(add(&sa, 1, 2, 20, &whole), FRAGMENT_COMPLETE);
    assert_int_equal(whole.len, 30);
    sa.reassembly = reassembly_free(sa.reassembly);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounded),
        cmocka_unit_test(numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
