/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/unit_test.h"
#include "daemon/config/config_load.h"

static struct pool_config pool_of(const char *keys)
{
    char text[256];
    struct settings settings;
    struct build_error error = {.text = ""};
    struct pool_config pool;
    (void)snprintf(text, sizeof(text), "p {\n %s\n}\n", keys);
    assert_int_equal(settings_parse("t.conf", span_text(text), NULL, &settings), 0);
    assert_int_equal(pool_build(settings.root->first, &pool, &error), 0);
    settings_done(&settings);
    return pool;
}

static void pool_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *addrs, *first, *last;
    } table[] = {
        {"10.3.0.0/24", "10.3.0.1", "10.3.0.254"},
        {"10.3.0.5/24", "10.3.0.5", "10.3.0.254"}, /* a host part: the first address of the pool */
        {"10.3.0.0/30", "10.3.0.1", "10.3.0.2"},
        {"10.3.0.0/31", "10.3.0.0", "10.3.0.1"}, /* no network address in these */
        {"10.3.0.7/32", "10.3.0.7", "10.3.0.7"},
        {"10.3.0.0-10.3.0.255", "10.3.0.0", "10.3.0.255"}, /* a range is used as it is */
        {"fd00::/120", "fd00::1", "fd00::ff"},             /* IPv6 has no broadcast */
        {"fd00::/127", "fd00::", "fd00::1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char text[128], address[ADDRESS_TEXT_MAX];
        (void)snprintf(text, sizeof(text), "addrs = %s", table[i].addrs);
        struct pool_config pool = pool_of(text);
        assert_string_equal(address_print(&pool.range.first, address), table[i].first);
        assert_string_equal(address_print(&pool.range.last, address), table[i].last);
    }
}

/* RFC 9464: the name is as a certificate has it, and 853 the port of DNS over TLS. */
static void pool_encrypted_dns(void **state)
{
    (void)state;
    char text[ENCRYPTED_DNS_TEXT];
    struct pool_config pool = pool_of("addrs = 10.3.0.0/24\n dns_domains = corp.example\n"
                                      " encrypted_dns = 192.0.2.53, 2001:db8::53\n"
                                      " encrypted_dns_name = DNS.Corp.Example.");
    assert_int_equal(pool.encrypted_dns.n, 2);
    assert_string_equal(encrypted_dns_print(&pool.encrypted_dns, 0, text),
                        "192.0.2.53:853#dns.corp.example");
    assert_string_equal(encrypted_dns_print(&pool.encrypted_dns, 1, text),
                        "[2001:db8::53]:853#dns.corp.example");
    pool = pool_of("addrs = 10.3.0.0/24\n encrypted_dns = 192.0.2.53\n encrypted_dns_name = a.b\n"
                   " encrypted_dns_port = 8853");
    assert_int_equal(pool.encrypted_dns.port, 8853);
    pool = pool_of("addrs = 10.3.0.0/24");
    assert_int_equal(pool.encrypted_dns.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_ranges),
        cmocka_unit_test(pool_encrypted_dns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
