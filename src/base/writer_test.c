/* SPDX-License-Identifier: Apache-2.0 */
#include "base/writer.h"

#include "base/unit_test.h"

static void numbers_are_network_order(void **state)
{
    (void)state;
    static const uint8_t expected[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    uint8_t out[15];
    struct writer w = writer_of(out, sizeof(out));
    write_u8(&w, 1);
    write_u16(&w, 0x0203);
    write_u32(&w, 0x04050607);
    write_u64(&w, 0x08090a0b0c0d0e0fULL);
    assert_true(span_equal(writer_span(&w), span_of(expected, sizeof(expected))));
}

static void overflow_is_sticky(void **state)
{
    (void)state;
    uint8_t out[3];
    struct writer w = writer_of(out, sizeof(out));
    write_u32(&w, 1);
    assert_true(writer_failed(&w));
    write_u8(&w, 1);
    assert_int_equal(writer_span(&w).len, 0);
    assert_null(writer_reserve(&w, 1));
}

static void lengths_are_patched(void **state)
{
    (void)state;
    uint8_t out[8];
    struct writer w = writer_of(out, sizeof(out));
    write_u16(&w, 0);
    write_bytes(&w, span_text("abc"));
    writer_patch_u16(&w, 0, (uint16_t)w.len);
    assert_int_equal(out[1], 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_network_order),
        cmocka_unit_test(overflow_is_sticky),
        cmocka_unit_test(lengths_are_patched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
