/* SPDX-License-Identifier: Apache-2.0 */
#include "base/address.h"

#include "base/unit_test.h"

static struct address_range range(const char *text)
{
    struct address_range r;
    assert_true(range_parse(text, &r));
    return r;
}

static void ranges_print_as_they_were_read(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"10.0.0.0/8", "10.0.0.0/8"},         {"10.1.2.3/8", "10.0.0.0/8"},
        {"10.0.0.1", "10.0.0.1/32"},          {"10.0.0.1-10.0.0.9", "10.0.0.1..10.0.0.9"},
        {"0.0.0.0/0", "0.0.0.0/0"},           {"2001:db8::/32", "2001:db8::/32"},
        {"10.0.0.0-10.0.0.3", "10.0.0.0/30"},
    };
    char out[RANGE_TEXT_MAX];
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct address_range r = range(texts[i][0]);
        assert_string_equal(range_print(&r, out), texts[i][1]);
    }
}

static void malformed_ranges_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",           "10.0.0.0/33",       "10.0.0.0/",   "10.0.0.0/-1", "10.0.0.0/8x",
        "2001::/129", "10.0.0.9-10.0.0.1", "10.0.0.1-::", "10.0.0",      "10.0.0.0/ 8"};
    struct address_range r;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(range_parse(texts[i], &r));
}

static void a_range_is_walked_as_prefixes(void **state)
{
    (void)state;
    struct address_range r = range("10.0.0.1-10.0.0.10");
    static const unsigned expected[] = {32, 31, 30, 31, 32}; /* .1 .2-.3 .4-.7 .8-.9 .10 */
    unsigned len;
    size_t n = 0;
    bool more;
    do {
        more = range_first_prefix(&r, &len, &r);
        assert_int_equal(len, expected[n++]);
    } while (more);
    assert_int_equal(n, 5);
}

static void intersection_is_inside_both(void **state)
{
    (void)state;
    struct address_range a = range("10.0.0.0/24");
    struct address_range b = range("10.0.0.128-10.0.1.5");
    struct address_range common;
    assert_true(range_intersect(&a, &b, &common));
    assert_true(range_within(&common, &a) && range_within(&common, &b));
    struct address_range v6 = range("::/0");
    assert_false(range_intersect(&a, &v6, &common));
}

static void neighbours_do_not_wrap(void **state)
{
    (void)state;
    struct address a;
    struct address out;
    assert_true(address_parse("255.255.255.255", &a));
    assert_false(address_next(&a, &out));
    assert_true(address_parse("0.0.0.0", &a));
    assert_false(address_previous(&a, &out));
    assert_true(address_parse("10.0.0.255", &a));
    assert_true(address_next(&a, &out));
    char text[ADDRESS_TEXT_MAX];
    assert_string_equal(address_print(&out, text), "10.0.1.0");
}

static void outer_addresses_are_unicast(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool usable;
    } cases[] = {
        {"192.0.2.1", true}, {"0.0.0.0", false},  {"127.0.0.1", false},  {"224.0.0.1", false},
        {"::1", false},      {"ff02::1", false},  {"2001:db8::1", true}, {"255.255.255.255", false},
        {"0.1.2.3", false},  {"240.0.0.1", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct address a;
        assert_true(address_parse(cases[i].text, &a));
        assert_int_equal(address_usable_outer(&a, false), cases[i].usable);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_print_as_they_were_read),
        cmocka_unit_test(malformed_ranges_are_refused),
        cmocka_unit_test(a_range_is_walked_as_prefixes),
        cmocka_unit_test(intersection_is_inside_both),
        cmocka_unit_test(neighbours_do_not_wrap),
        cmocka_unit_test(outer_addresses_are_unicast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
