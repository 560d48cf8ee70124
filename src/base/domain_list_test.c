/* SPDX-License-Identifier: Apache-2.0 */
#include "base/domain_list.h"

#include "base/unit_test.h"

static void names_are_added_once(void **state)
{
    (void)state;
    struct domain_list list = {.text = ""};
    assert_true(domain_list_empty(&list));
    assert_int_equal(domain_list_add(&list, span_text("Corp.Example.COM.")), 0);
    assert_int_equal(domain_list_add(&list, span_text("corp.example.com")), 0);
    assert_int_equal(domain_list_add(&list, span_text("xn--bcher-kva.example")), 0);
    assert_int_equal(domain_list_add(&list, span_text("_tcp.lan")), 0);
    assert_string_equal(list.text, "corp.example.com xn--bcher-kva.example _tcp.lan");
    assert_true(domain_list_sound(&list));
}

/* A peer's domain becomes a word of a command line and of /etc/resolv.conf. */
static void hostile_names_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",      ".",   "..",   "a..b", ".a",        "-a",     "a.-b",  "a b",
        "a\nb",  "a;b", "~.",   "a/b",  "b\xc3\xbc", "a\\046", "\"a\"", "a\tb",
        "a.b..", "*",   "$(a)", "%any", "a\rb",      "#a",     "a,b",   "a:b",
    };
    struct domain_list list = {.text = ""};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_int_equal(domain_list_add(&list, span_text(names[i])), ERR_INVALID);
    assert_int_equal(domain_list_add(&list, span_of("a\0b", 3)), ERR_INVALID);
    assert_true(domain_list_empty(&list));
}

static void lengths_are_bounded(void **state)
{
    (void)state;
    char label[65], longest[260];
    struct domain_list list = {.text = ""};
    memset(label, 'a', sizeof(label));
    assert_int_equal(domain_list_add(&list, span_of(label, 64)), ERR_INVALID);
    for (size_t i = 0; i < sizeof(longest); i++)
        longest[i] = i % 4 == 3 ? '.' : 'b';
    assert_int_equal(domain_list_add(&list, span_of(longest, 254)), ERR_INVALID);
    assert_int_equal(domain_list_add(&list, span_of(longest, 253)), 0);
    assert_int_equal(domain_list_add(&list, span_text("ab")), ERR_TRUNCATED);
    assert_int_equal(domain_list_add(&list, span_text("a")), 0); /* 253 + 1 + 1 */
    assert_true(domain_list_sound(&list));
}

static void names_below_are_within(void **state)
{
    (void)state;
    struct domain_list list = {.text = "example.test corp"};
    assert_true(domain_list_covers(&list, span_text("example.test")));
    assert_true(domain_list_covers(&list, span_text("mail.eng.example.test")));
    assert_true(domain_list_covers(&list, span_text("a.corp")));
    assert_false(domain_list_covers(&list, span_text("otherexample.test")));
    assert_false(domain_list_covers(&list, span_text("ple.test")));
    assert_false(domain_list_covers(&list, span_text("test")));
}

static void lists_of_others_are_checked(void **state)
{
    (void)state;
    struct domain_list list = {.text = "a.b  c"};
    assert_false(domain_list_sound(&list));
    list = (struct domain_list){.text = "a.b a.b"};
    assert_false(domain_list_sound(&list));
    list = (struct domain_list){.text = "A"};
    assert_false(domain_list_sound(&list));
    list = (struct domain_list){.text = "a\nnameserver"};
    assert_false(domain_list_sound(&list));
    list = (struct domain_list){.text = "a "};
    assert_false(domain_list_sound(&list));
    memset(list.text, 'a', sizeof(list.text));
    assert_false(domain_list_sound(&list));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_added_once),        cmocka_unit_test(hostile_names_are_refused),
        cmocka_unit_test(lengths_are_bounded),         cmocka_unit_test(names_below_are_within),
        cmocka_unit_test(lists_of_others_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
