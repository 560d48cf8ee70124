/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hooks/resolv_conf.h"

#include "base/error.h"
#include "base/unit_test.h"

static const char others[] = "# of the host\nnameserver 192.0.2.53\nsearch example.org\n";

static struct span edited_with(struct span before, size_t n, const char *domains, uint8_t out[512])
{
    struct address servers[2];
    assert_true(address_parse("10.1.0.53", &servers[0]));
    assert_true(address_parse("2001:db8::53", &servers[1]));
    const struct resolv_conf_ours ours = {servers, n, domains};
    int len = resolv_conf_edit(before, &ours, (struct buffer){out, 512});
    assert_true(len >= 0);
    return span_of(out, (size_t)len);
}

static struct span edited(struct span before, size_t n, uint8_t out[512])
{
    return edited_with(before, n, "", out);
}

static void assert_text(struct span text, const char *wanted)
{
    assert_int_equal(text.len, strlen(wanted));
    assert_memory_equal(text.ptr, wanted, text.len);
}

static void servers_come_first_and_go(void **state)
{
    (void)state;
    uint8_t first[512], second[512], third[512];
    struct span both = edited(span_text(others), 2, first);
    assert_text(both, "nameserver 10.1.0.53 # by ikatd\nnameserver 2001:db8::53 # by ikatd\n"
                      "# of the host\nnameserver 192.0.2.53\nsearch example.org\n");
    assert_text(edited(both, 1, second), "nameserver 10.1.0.53 # by ikatd\n"
                                         "# of the host\nnameserver 192.0.2.53\n"
                                         "search example.org\n");
    assert_text(edited(both, 0, third), others);
}

/* What others wrote while our servers stood there stays, in its order. */
static void changes_of_others_stay(void **state)
{
    (void)state;
    uint8_t out[512];
    assert_text(edited(span_text("search a.example\nnameserver 10.1.0.53 # by ikatd\n"
                                 "nameserver 192.0.2.1"),
                       0, out),
                "search a.example\nnameserver 192.0.2.1");
    assert_text(edited(span_text(""), 1, out), "nameserver 10.1.0.53 # by ikatd\n");
    assert_text(edited(span_text("\n\n# by ikatd\n"), 0, out), "\n\n# by ikatd\n");
}

/* The last search list counts, so ours has the host's domains behind its own. */
static void domains_lead_the_search_list(void **state)
{
    (void)state;
    uint8_t first[512], second[512], third[512];
    struct span with = edited_with(span_text(others), 1, "corp.example lan", first);
    assert_text(with, "nameserver 10.1.0.53 # by ikatd\n"
                      "# of the host\nnameserver 192.0.2.53\nsearch example.org\n"
                      "# by ikatd: the next line\nsearch corp.example lan example.org\n");
    assert_text(edited_with(with, 1, "b.example", second),
                "nameserver 10.1.0.53 # by ikatd\n"
                "# of the host\nnameserver 192.0.2.53\nsearch example.org\n"
                "# by ikatd: the next line\nsearch b.example example.org\n");
    assert_text(edited(with, 0, third), others);
    assert_text(edited_with(span_text("domain a.b\nsearch\toffice"), 0, "lan", first),
                "domain a.b\nsearch\toffice\n# by ikatd: the next line\nsearch lan office\n");
    assert_text(edited(span_text("# by ikatd: the next line\nnameserver 192.0.2.1\n"), 0, second),
                "nameserver 192.0.2.1\n");
}

static void a_file_that_is_too_long_is_refused(void **state)
{
    (void)state;
    uint8_t out[16];
    struct buffer room = {out, sizeof(out)};
    const struct resolv_conf_ours none = {NULL, 0, ""};
    assert_int_equal(resolv_conf_edit(span_text(others), &none, room), ERR_TRUNCATED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_come_first_and_go),
        cmocka_unit_test(changes_of_others_stay),
        cmocka_unit_test(domains_lead_the_search_list),
        cmocka_unit_test(a_file_that_is_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
