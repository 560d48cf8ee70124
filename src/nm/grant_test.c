/* SPDX-License-Identifier: Apache-2.0 */
/* How a session of ikatd looks to NetworkManager. */
#include "nm/grant.h"

#include <stdio.h>
#include <string.h>

#include "base/unit_test.h"
#include "control/settings.h"

#define UP "a { state = established\n child-sas = 1\n ike-sas = 1 }"
#define SA "a { state = ESTABLISHED\n remote-host = 192.0.2.1 }"

/* sessions_of - list-sessions in the syntax of the configuration. */
static struct settings sessions_of(const char *text)
{
    struct settings settings;
    assert_int_equal(settings_parse("test", span_of(text, strlen(text)), NULL, &settings), 0);
    return settings;
}

static struct tree *list_of(const char *name, const char *const *items, size_t n)
{
    struct tree *list = tree_new(TREE_LIST, name);
    for (size_t i = 0; i < n; i++)
        tree_append(list, tree_value("", span_of(items[i], strlen(items[i]))));
    return list;
}

static void test_which_session(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool up;
    } cases[] = {
        {"a { state = established\n child-sas = 1\n ike-sas = 1 }", true},
        {"b { state = established\n child-sas = 1\n ike-sas = 1 }", false},
        {"a { state = connecting\n child-sas = 1\n ike-sas = 1 }", false},
        {"a { state = established\n child-sas = 0\n ike-sas = 1 }", false},
        {"a { state = established\n child-sas = 1\n ike-sas = 0 }", false},
        {"a { state = established }", false},
        {"", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct nm_grant grant;
        struct settings settings = sessions_of(cases[i].text), sas = sessions_of(SA);
        assert_int_equal(nm_grant_read(settings.root, sas.root, "a", &grant), cases[i].up);
        settings_done(&settings);
        settings_done(&sas);
    }
}

static void test_gateway(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool up;
    } cases[] = {
        {SA, true},
        {"b { state = ESTABLISHED\n remote-host = 192.0.2.1 }", false},
        {"a { state = DELETING\n remote-host = 192.0.2.1 }", false},
        {"a { state = ESTABLISHED\n remote-host = nonsense }", false},
        {"a { state = ESTABLISHED }", false},
        {"", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct nm_grant grant;
        char text[ADDRESS_TEXT_MAX];
        struct settings settings = sessions_of(UP), sas = sessions_of(cases[i].text);
        assert_int_equal(nm_grant_read(settings.root, sas.root, "a", &grant), cases[i].up);
        if (cases[i].up)
            assert_string_equal(address_print(&grant.gateway, text), "192.0.2.1");
        settings_done(&settings);
        settings_done(&sas);
    }
}

static void test_what_it_has(void **state)
{
    (void)state;
    static const char *const addresses[] = {"10.30.0.1", "fd30::1"};
    static const char *const dns[] = {"10.30.0.53", "nonsense", ""};
    static const char *const domains[] = {"corp.example", ""};
    struct nm_grant grant;
    struct settings settings = sessions_of(UP), sas = sessions_of(SA);
    tree_append(settings.root->first, list_of("addresses", addresses, 2));
    tree_append(settings.root->first, list_of("usable-dns", dns, 3));
    tree_append(settings.root->first, list_of("usable-domains", domains, 2));
    assert_true(nm_grant_read(settings.root, sas.root, "a", &grant));
    assert_int_equal(grant.n_addresses, 2);
    assert_int_equal(grant.n_dns, 1);
    assert_int_equal(grant.n_domains, 1);
    assert_string_equal(grant.domains[0], "corp.example");
    assert_true(nm_grant_has(&grant, ADDRESS_V4) && nm_grant_has(&grant, ADDRESS_V6));
    settings_done(&settings);
    settings_done(&sas);
}

static void test_equal(void **state)
{
    (void)state;
    struct nm_grant a = {.n_dns = 1, .n_domains = 1}, b = a;
    assert_true(nm_grant_equal(&a, &b));
    b.dns[0].family = ADDRESS_V6;
    assert_false(nm_grant_equal(&a, &b));
    b = a;
    b.domains[0][0] = 'x';
    assert_false(nm_grant_equal(&a, &b));
    b = a;
    b.domains[1][0] = 'x'; /* beyond its number */
    assert_true(nm_grant_equal(&a, &b));
    b.n_addresses = 1;
    assert_false(nm_grant_equal(&a, &b));
}

static void test_too_much(void **state)
{
    (void)state;
    static char long_name[NM_DOMAIN_MAX + 1];
    const char *domains[NM_GRANT_MAX + 3] = {long_name};
    const char *addresses[NM_GRANT_MAX + 3];
    struct nm_grant grant;
    memset(long_name, 'a', NM_DOMAIN_MAX);
    for (size_t i = 0; i < ARRAY_LEN(addresses); i++)
        addresses[i] = "10.0.0.1";
    for (size_t i = 1; i < ARRAY_LEN(domains); i++)
        domains[i] = "d.example";
    struct settings settings = sessions_of(UP), sas = sessions_of(SA);
    tree_append(settings.root->first, list_of("addresses", addresses, ARRAY_LEN(addresses)));
    tree_append(settings.root->first, list_of("usable-domains", domains, ARRAY_LEN(domains)));
    assert_true(nm_grant_read(settings.root, sas.root, "a", &grant));
    assert_int_equal(grant.n_addresses, NM_GRANT_MAX);
    assert_int_equal(grant.n_domains, NM_GRANT_MAX);
    assert_string_equal(grant.domains[0], "d.example");
    assert_false(nm_grant_has(&grant, ADDRESS_V6));
    settings_done(&settings);
    settings_done(&sas);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_session), cmocka_unit_test(test_gateway),
        cmocka_unit_test(test_what_it_has),   cmocka_unit_test(test_equal),
        cmocka_unit_test(test_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
