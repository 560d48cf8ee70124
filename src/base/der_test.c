/* SPDX-License-Identifier: Apache-2.0 */
#include "base/der.h"

#include "base/unit_test.h"

static void lengths(void **state)
{
    static const struct {
        size_t n;
        uint8_t octets[8];
        bool ok;
    } rows[] = {
        {3, {0x04, 0x01, 0xaa}, true},
        {2, {0x04, 0x00}, true},
        {1, {0x04}, false},                               /* no length */
        {2, {0x04, 0x01}, false},                         /* no contents */
        {0, {0}, false},                                  /* nothing */
        {4, {0x04, 0x81, 0x01, 0xaa}, false},             /* not the shortest form */
        {5, {0x04, 0x82, 0x00, 0x01, 0xaa}, false},       /* nor this one */
        {3, {0x04, 0x80, 0xaa}, false},                   /* indefinite */
        {7, {0x04, 0x84, 0, 0, 0, 1, 0xaa}, false},       /* wider than any name */
        {6, {0x04, 0x83, 0xff, 0xff, 0xff, 0xaa}, false}, /* longer than the octets that are left */
        {4, {0x1f, 0x81, 0x01, 0x00}, false},             /* a tag of two octets */
        {3, {0x02, 0x01, 0xaa}, false},                   /* another tag */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct reader r = reader_of(span_of(rows[i].octets, rows[i].n));
        struct reader inner = der_read(&r, DER_OCTET_STRING);
        assert_int_equal(!reader_failed(&r), rows[i].ok);
        assert_int_equal(!reader_failed(&inner), rows[i].ok);
        assert_int_equal(inner.left, rows[i].ok ? rows[i].n - 2 : 0);
    }
}

static void long_contents(void **state)
{
    static uint8_t octets[4 + 300] = {0x04, 0x82, 0x01, 0x2c};
    struct reader r = reader_of(span_of(octets, sizeof(octets)));
    struct span contents;
    (void)state;
    assert_int_equal(der_element(&r, &contents).len, sizeof(octets));
    assert_int_equal(contents.len, 300);
    assert_true(reader_done(&r));
    r = reader_of(span_of(octets, sizeof(octets) - 1));
    assert_int_equal(der_element(&r, &contents).len, 0);
    assert_true(reader_failed(&r));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths),
        cmocka_unit_test(long_contents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
