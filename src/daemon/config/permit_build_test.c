/* SPDX-License-Identifier: Apache-2.0 */
/* The permits that follow from files: a named peer is permitted, even if it is the router of this
 * host. */
#include <stdio.h>

#include "base/unit_test.h"
#include "daemon/config/config_load.h"
#include "daemon/config/permit_build.h"

/* permits_of - of a connection whose child has `dynamic` as the remote selector. */
static void permits_of(const char *remote_addrs, const char *child, struct permits *ret_permits)
{
    char text[512];
    struct settings settings;
    struct build_error error = {.text = ""};
    (void)snprintf(text, sizeof(text),
                   "connections {\n a {\n remote_addrs = %s\n local { auth = psk }\n"
                   " remote { auth = psk }\n children { n { %s } }\n}\n}\n",
                   remote_addrs, child);
    assert_int_equal(settings_parse("t.conf", span_text(text), NULL, &settings), 0);
    if (permits_build(settings.root, ret_permits, &error) != 0)
        fail_msg("%s", error.text);
    settings_done(&settings);
}

static void peer_by_address(void **state)
{
    (void)state;
    static const struct {
        const char *remote_addrs, *address;
        unsigned len;
        bool allowed, narrowed;
    } rows[] = {
        {"10.1.0.1", "10.1.0.1", 32, true, false},
        {"gw.example, 2001:db8::1", "2001:db8::1", 128, true, false},
        {"10.1.0.1", "10.1.0.2", 32, true, true}, /* wherever it moves */
        {"10.1.0.1", "10.1.0.0", 31, false, true},
        {"10.1.0.0/24", "10.1.0.1", 32, true, true}, /* the peer chooses the address */
        {"%any", "10.1.0.1", 32, true, true},
        {"gw.example", "10.1.0.1", 32, true, true},
        {"%any, 10.1.0.1", "10.1.0.1", 32, true, false},
        {"%any, 10.1.0.1", "10.1.0.2", 32, true, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct permits permits = {0};
        struct address address;
        permits_of(rows[i].remote_addrs, "", &permits);
        assert_true(address_parse(rows[i].address, &address));
        if (permits_route(&permits, &address, rows[i].len) != rows[i].allowed ||
            permits_narrowed(&permits, &address, rows[i].len) != rows[i].narrowed)
            fail_msg("%s: %s/%u", rows[i].remote_addrs, rows[i].address, rows[i].len);
        permits_done(&permits);
    }
}

/* A trap between hosts catches packets to each possible peer. No other child of such a connection
 * may take a network. */
static void any_peer(void **state)
{
    (void)state;
    static const struct {
        const char *remote_addrs, *child, *address;
        unsigned len;
        bool allowed;
    } rows[] = {
        {"%any", "mode = transport\n start_action = trap", "0.0.0.0", 0, true},
        {"%any", "mode = transport\n start_action = trap", "::", 0, true},
        {"10.1.0.0/24", "mode = transport\n start_action = trap", "10.1.0.0", 24, true},
        {"10.1.0.0/24", "mode = transport\n start_action = trap", "10.1.0.0", 23, false},
        {"10.1.0.0/24, 10.3.0.1", "mode = transport\n start_action = trap", "10.1.0.0", 24, true},
        {"10.1.0.0/24, 10.3.0.1", "mode = transport\n start_action = trap", "10.3.0.1", 32, true},
        {"10.1.0.1, 10.3.0.1", "mode = transport\n start_action = trap", "10.1.0.0", 24, false},
        {"%any, 10.3.0.1", "mode = transport\n start_action = trap", "0.0.0.0", 0, true},
        {"%any, gw.example", "mode = transport", "0.0.0.0", 0, false},
        {"%any", "mode = transport", "0.0.0.0", 0, false},
        {"%any", "start_action = trap", "0.0.0.0", 0, false},
        {"%any", "mode = transport\n start_action = trap\n remote_ts = 10.1.0.0/30", "10.1.0.0", 29,
         false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct permits permits = {0};
        struct address address;
        permits_of(rows[i].remote_addrs, rows[i].child, &permits);
        assert_true(address_parse(rows[i].address, &address));
        if (permits_route(&permits, &address, rows[i].len) != rows[i].allowed)
            fail_msg("%s: %s/%u", rows[i].remote_addrs, rows[i].address, rows[i].len);
        permits_done(&permits);
    }
}

/* The addresses that a RADIUS server will name are unknown. Single addresses are permitted, but
 * none within a range of the files: so the router of this host stays reachable. */
static void addresses_of_radius(void **state)
{
    (void)state;
    static const struct {
        const char *pools;
        bool host;
    } rows[] = {{"radius", true}, {"p, radius", true}, {"p", false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct permits permits = {0};
        struct settings settings;
        struct build_error error = {.text = ""};
        struct address address;
        char text[512];
        (void)snprintf(text, sizeof(text),
                       "connections {\n a {\n local { auth = psk }\n remote { auth = eap-radius }\n"
                       " pools = %s\n children { n { } }\n}\n}\n"
                       "pools {\n p {\n addrs = 10.3.0.0/24\n}\n}\n",
                       rows[i].pools);
        assert_int_equal(settings_parse("t.conf", span_text(text), NULL, &settings), 0);
        assert_int_equal(config_check(settings.root, &error), 0);
        assert_int_equal(permits_build(settings.root, &permits, &error), 0);
        assert_true(address_parse("192.0.2.7", &address));
        assert_int_equal(permits_route(&permits, &address, 32), rows[i].host);
        assert_true(permits_narrowed(&permits, &address, 32));
        assert_false(permits_route(&permits, &address, 31));
        settings_done(&settings);
        permits_done(&permits);
    }
}

/* Scripts with their arguments: those of children, and those that connections of VICI clients may have. */
static void scripts(void **state)
{
    (void)state;
    static const struct {
        const char *child, *own, *script;
        bool allowed;
    } rows[] = {
        {"updown = /etc/ikat/open a b", "", "/etc/ikat/open a b", true},
        {"updown = /etc/ikat/open a b", "", "/etc/ikat/open a", false},
        {"", "", "/etc/ikat/open", false},
        {"", "updown = /etc/ikat/open a, /etc/ikat/shut", "/etc/ikat/open a", true},
        {"", "updown = /etc/ikat/open a, /etc/ikat/shut", "/etc/ikat/shut", true},
        {"", "updown = /etc/ikat/open a, /etc/ikat/shut", "/etc/ikat/shut a", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct permits permits = {0};
        struct settings settings;
        struct build_error error = {.text = ""};
        char text[512], script[POLICY_SCRIPT] = "";
        (void)snprintf(text, sizeof(text),
                       "connections {\n a {\n local { auth = psk }\n remote { auth = psk }\n"
                       " children { n {\n %s\n} }\n}\n}\npermits {\n %s\n}\n",
                       rows[i].child, rows[i].own);
        assert_int_equal(settings_parse("t.conf", span_text(text), NULL, &settings), 0);
        if (permits_build(settings.root, &permits, &error) != 0)
            fail_msg("%s", error.text);
        strcpy(script, rows[i].script);
        if (permits_script(&permits, script) != rows[i].allowed)
            fail_msg("row %zu", i);
        settings_done(&settings);
        permits_done(&permits);
    }
}

/* No pool has the name `radius` or `dhcp`. A connection may use `radius` only with a RADIUS server. */
static void names_of_servers(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"pools {\n radius {\n addrs = 10.0.0.0/8\n}\n}\n",
         "t.conf:2: radius: the name stands for"},
        {"connections {\n a {\n pools = radius\n local { auth = psk }\n remote { auth = psk "
         "}\n}\n}\n",
         "t.conf:3: pools: only a RADIUS server names addresses"},
        {"pools {\n dhcp {\n addrs = 10.0.0.0/8\n}\n}\n", "t.conf:2: dhcp: the name stands for"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct settings settings;
        struct build_error error = {.text = ""};
        assert_int_equal(settings_parse("t.conf", span_text(rows[i].text), NULL, &settings), 0);
        assert_int_not_equal(config_check(settings.root, &error), 0);
        if (strstr(error.text, rows[i].want) == NULL)
            fail_msg("%s", error.text);
        settings_done(&settings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peer_by_address), cmocka_unit_test(any_peer), cmocka_unit_test(scripts),
        cmocka_unit_test(addresses_of_radius), cmocka_unit_test(names_of_servers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
