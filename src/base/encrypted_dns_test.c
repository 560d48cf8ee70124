/* SPDX-License-Identifier: Apache-2.0 */
#include "base/encrypted_dns.h"

#include "base/unit_test.h"

static struct encrypted_dns resolver(const char *name, const char *server)
{
    struct encrypted_dns dns = {.port = ENCRYPTED_DNS_PORT, .n = 1};
    assert_int_equal(encrypted_dns_name(&dns, span_text(name)), 0);
    assert_true(address_parse(server, &dns.servers[0]));
    return dns;
}

static void text_is_that_of_systemd_resolved(void **state)
{
    (void)state;
    char text[ENCRYPTED_DNS_TEXT];
    struct encrypted_dns dns = resolver("DNS.Example.", "192.0.2.53");
    assert_string_equal(encrypted_dns_print(&dns, 0, text), "192.0.2.53:853#dns.example");
    dns = resolver("dns.example", "2001:db8::53");
    assert_string_equal(encrypted_dns_print(&dns, 0, text), "[2001:db8::53]:853#dns.example");
}

/* The longest text of all fits. */
static void longest_text(void **state)
{
    (void)state;
    char text[ENCRYPTED_DNS_TEXT], name[ENCRYPTED_DNS_NAME];
    for (size_t i = 0; i < sizeof(name); i++)
        name[i] = i % 32 == 31 ? '.' : 'a';
    name[sizeof(name) - 1] = '\0';
    struct encrypted_dns dns = resolver(name, "ff11:2233:4455:6677:8899:aabb:192.168.255.255");
    dns.port = UINT16_MAX;
    const char *end = strrchr(encrypted_dns_print(&dns, 0, text), '#');
    assert_non_null(end);
    assert_string_equal(end + 1, name);
    assert_int_equal(encrypted_dns_name(&dns, span_of(name, sizeof(name) - 1)), 0);
    name[sizeof(name) - 1] = 'a';
    assert_int_equal(encrypted_dns_name(&dns, span_of(name, sizeof(name))), ERR_TRUNCATED);
    assert_int_equal(encrypted_dns_name(&dns, span_text("a b")), ERR_INVALID);
    assert_true(encrypted_dns_sound(&dns));
}

static void servers_of_one_resolver_join(void **state)
{
    (void)state;
    struct encrypted_dns dns = {.n = 0};
    struct encrypted_dns first = resolver("dns.example", "192.0.2.53");
    struct encrypted_dns second = resolver("dns.example", "2001:db8::53");
    struct encrypted_dns other = resolver("other.example", "192.0.2.54");
    encrypted_dns_add(&dns, &first);
    encrypted_dns_add(&dns, &second);
    encrypted_dns_add(&dns, &second);
    encrypted_dns_add(&dns, &other);
    assert_int_equal(dns.n, 2);
    assert_string_equal(dns.name, "dns.example");
    assert_true(address_equal(&dns.servers[1], &second.servers[0]));
    assert_false(encrypted_dns_equal(&dns, &first));
    assert_true(
        encrypted_dns_equal(&(struct encrypted_dns){.port = 1}, &(struct encrypted_dns){.n = 0}));
    other = dns;
    assert_true(encrypted_dns_equal(&dns, &other));
    for (size_t i = 0; i < 2 * ENCRYPTED_DNS_SERVERS; i++) {
        second.servers[0].octets[15]++;
        encrypted_dns_add(&dns, &second);
    }
    assert_int_equal(dns.n, ENCRYPTED_DNS_SERVERS);
}

static bool of_ipv6(const struct address *server, const void *context)
{
    return context == NULL && server->family == ADDRESS_V6;
}

static void unwanted_servers_go(void **state)
{
    (void)state;
    struct encrypted_dns dns = resolver("dns.example", "192.0.2.53");
    struct encrypted_dns v6 = resolver("dns.example", "2001:db8::53");
    encrypted_dns_add(&dns, &v6);
    encrypted_dns_keep(&dns, of_ipv6, NULL);
    assert_true(encrypted_dns_equal(&dns, &v6));
    dns = resolver("dns.example", "192.0.2.53");
    encrypted_dns_keep(&dns, of_ipv6, NULL);
    assert_int_equal(dns.n, 0);
    assert_string_equal(dns.name, "");
}

/* A compromised engine may send any octets. */
static void hostile_octets_are_not_sound(void **state)
{
    (void)state;
    struct encrypted_dns good = resolver("dns.example", "192.0.2.53"), dns = {.n = 0};
    assert_true(encrypted_dns_sound(&good) && encrypted_dns_sound(&dns));
    dns = good, dns.n = ENCRYPTED_DNS_SERVERS + 1;
    assert_false(encrypted_dns_sound(&dns));
    dns = good, dns.n = 2;
    assert_false(encrypted_dns_sound(&dns));
    dns = good, dns.port = 0;
    assert_false(encrypted_dns_sound(&dns));
    dns = good, memset(dns.name, 'a', sizeof(dns.name));
    assert_false(encrypted_dns_sound(&dns));
    dns = good, dns.name[3] = ' ';
    assert_false(encrypted_dns_sound(&dns));
    dns = good, dns.name[0] = 'D';
    assert_false(encrypted_dns_sound(&dns));
    dns = good, dns.name[0] = '\0';
    assert_false(encrypted_dns_sound(&dns));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_that_of_systemd_resolved), cmocka_unit_test(longest_text),
        cmocka_unit_test(servers_of_one_resolver_join),     cmocka_unit_test(unwanted_servers_go),
        cmocka_unit_test(hostile_octets_are_not_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
