/* SPDX-License-Identifier: Apache-2.0 */
#include "base/reader.h"

#include "base/unit_test.h"

static void numbers_are_network_order(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    struct reader r = reader_of(span_of(bytes, sizeof(bytes)));
    assert_int_equal(read_u8(&r), 1);
    assert_int_equal(read_u16(&r), 0x0203);
    assert_int_equal(read_u32(&r), 0x04050607);
    assert_true(read_u64(&r) == 0x08090a0b0c0d0e0fULL);
    assert_true(reader_done(&r));
}

static void failure_is_sticky(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 2, 3};
    struct reader r = reader_of(span_of(bytes, sizeof(bytes)));
    assert_int_equal(read_u32(&r), 0);
    assert_true(reader_failed(&r));
    assert_int_equal(r.left, 0);
    assert_int_equal(read_u8(&r), 0);
    assert_int_equal(read_bytes(&r, 1).len, 0);
    assert_false(reader_done(&r));
}

static void inner_length_cannot_leave_the_outer_one(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 2, 3, 4};
    struct reader outer = reader_of(span_of(bytes, sizeof(bytes)));
    struct reader inner = reader_sub(&outer, 3);
    assert_int_equal(inner.left, 3);
    assert_int_equal(outer.left, 1);
    struct reader too_long = reader_sub(&outer, 2);
    assert_true(reader_failed(&too_long));
    assert_true(reader_failed(&outer));
}

static void empty_input_is_no_pointer_arithmetic(void **state)
{
    (void)state;
    struct reader r = reader_of((struct span){0});
    assert_int_equal(read_bytes(&r, 0).len, 0);
    assert_int_equal(read_rest(&r).len, 0);
    assert_true(reader_done(&r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_network_order),
        cmocka_unit_test(failure_is_sticky),
        cmocka_unit_test(inner_length_cannot_leave_the_outer_one),
        cmocka_unit_test(empty_input_is_no_pointer_arithmetic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
