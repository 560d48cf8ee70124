/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/supervisor/permission.h"

#include <stdio.h>

#include "base/unit_test.h"

static struct name_server_question asks(const char *device, const char *one, const char *other)
{
    struct name_server_question question = {.n = other == NULL ? 1 : 2};
    (void)snprintf(question.device, sizeof(question.device), "%s", device);
    assert_true(address_parse(one, &question.servers[0]));
    if (other != NULL)
        assert_true(address_parse(other, &question.servers[1]));
    return question;
}

/* Name servers that the files do not name, alone and among others, and another device. */
static void name_servers(void **state)
{
    (void)state;
    static const struct {
        const char *device, *one, *other;
        bool permitted;
    } rows[] = {
        {"ikat0", "10.0.0.53", NULL, true},     {"ikat0", "10.0.0.53", "fd00::53", true},
        {"ikat0", "192.0.2.53", NULL, false},   {"ikat0", "10.0.0.53", "192.0.2.53", false},
        {"wlan0", "10.0.0.53", NULL, false},    {"ikat0", "10.255.255.255", NULL, true},
        {"ikat0", "2001:db8::53", NULL, false}, {"ikat00", "10.0.0.53", NULL, false},
    };
    struct permission permission = {0};
    static const char *const ranges[] = {"10.0.0.0/8", "fd00::/16"};
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        struct permit permit = {.kind = PERMIT_DNS};
        assert_true(range_parse(ranges[i], &permit.range));
        assert_int_equal(permits_add(&permission.now, &permit), 0);
    }
    permits_settle(&permission.now);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct name_server_question question =
            asks(rows[i].device, rows[i].one, rows[i].other);
        if (permission_dns(&permission, &question, "ikat0") != rows[i].permitted)
            fail_msg("row %zu", i);
    }
    permission_done(&permission);
}

static struct hook_question runs(const char *script)
{
    struct hook_question question = {.kind = HOOK_QUESTION_SCRIPT};
    (void)snprintf(question.script, sizeof(question.script), "%s", script);
    return question;
}

/* A compromised engine asks to run other programs in the folders for scripts, and other arguments. */
static void scripts(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        bool permitted;
    } rows[] = {
        {"/etc/ikat/open one", true},
        {"/usr/lib/ipsec/_updown iptables", true},
        {"/etc/ikat/open", false},
        {"/etc/ikat/open one two", false},
        {"/etc/ikat/open  one", false},
        {"/usr/lib/ipsec/_updown", false},
        {"/usr/libexec/ipsec/addconn --config /tmp/x", false},
        {"", false},
    };
    struct permission permission = {0};
    static const char *const lines[] = {"/usr/lib/ipsec/_updown iptables", "/etc/ikat/open one",
                                        "/usr/lib/ipsec/_updown iptables"};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct permit permit = {.kind = PERMIT_SCRIPT};
        (void)snprintf(permit.script, sizeof(permit.script), "%s", lines[i]);
        assert_int_equal(permits_add(&permission.next, &permit), 0);
    }
    permits_settle(&permission.next);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct hook_question question = runs(rows[i].script);
        if (permission_hook(&permission, &question, "ikat0") != rows[i].permitted)
            fail_msg("row %zu", i);
    }
    permission_loaded(&permission, false); /* the load is refused, so its permits are dropped */
    const struct hook_question question = runs(rows[0].script);
    assert_false(permission_hook(&permission, &question, "ikat0"));
    permission.now.all = true;
    assert_true(permission_hook(&permission, &question, "ikat0"));
    permission_done(&permission);
}

/* Numbers of a compromised hooks process, and a server without a family. */
static void nonsense(void **state)
{
    (void)state;
    struct permission permission = {.now.all = true};
    struct name_server_question question = asks("ikat0", "10.0.0.53", NULL);
    assert_true(permission_dns(&permission, &question, "ikat0"));
    question.n = HOOK_DNS_ALL + 1;
    assert_false(permission_dns(&permission, &question, "ikat0"));
    question.n = 0;
    assert_false(permission_dns(&permission, &question, "ikat0"));
    question.n = 2; /* the second one is empty */
    assert_false(permission_dns(&permission, &question, "ikat0"));
    question = asks("ikat0", "127.0.0.1", NULL);
    assert_false(permission_dns(&permission, &question, "ikat0"));
    struct hook_question of_script = runs("/bin/sh -c id");
    assert_false(permission_hook(&permission, &of_script, "ikat0"));
    memset(of_script.script, 'a', sizeof(of_script.script));
    assert_false(permission_hook(&permission, &of_script, "ikat0"));
    of_script = runs("/etc/ikat/open");
    assert_true(permission_hook(&permission, &of_script, "ikat0"));
    of_script.kind = 3;
    assert_false(permission_hook(&permission, &of_script, "ikat0"));
}

/* A route that takes the router away. If the engine says that the router is a named peer, this
 * counts only without permits in the files. */
static void router_as_peer(void **state)
{
    (void)state;
    struct host_fact fact = {.net = 24, .kind = HOST_FACT_ROUTER};
    struct permission permission = {
        .facts = {.facts = &fact, .n = 1}, .known = true, .facts_ns = NANOS_NEVER};
    struct priv_request request = {.kind = PRIV_ROUTE_ADD, .prefix_len = 32};
    struct permit permit = {.kind = PERMIT_ROUTE};
    assert_true(address_parse("10.77.0.1", &fact.address));
    request.address = fact.address;
    assert_true(range_parse("0.0.0.0/0", &permit.range));
    assert_int_equal(permits_add(&permission.now, &permit), 0);
    permits_settle(&permission.now);
    for (int all = 0; all < 2; all++)
        for (request.peer = 0; request.peer < 2; request.peer++) {
            permission.now.all = all == 1;
            enum priv_reason expected =
                all == 1 && request.peer == 1 ? PRIV_REASON_NONE : PRIV_REASON_ROUTER;
            assert_int_equal(permission_reason(&permission, &request, NULL, 0), expected);
        }
    permits_done(&permission.now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name_servers),
        cmocka_unit_test(scripts),
        cmocka_unit_test(nonsense),
        cmocka_unit_test(router_as_peer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
