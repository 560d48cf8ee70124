/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/unit_test.h"
#include "control/settings.h"
#include "daemon/config/conn_build.h"
#include "daemon/config/selectors.h"

static struct conn_credentials credentials;

/* build - a connection whose `children` section has that text. */
static int build(const char *children, struct ike_conn **ret_conn, struct build_error *error)
{
    char text[1024];
    struct settings settings;
    (void)snprintf(text, sizeof(text), "a {\nchildren {\n%s\n}\n}\n", children);
    assert_int_equal(settings_parse("t.conf", span_text(text), NULL, &settings), 0);
    int err = conn_build(settings.root->first, ret_conn, &credentials, error);
    settings_done(&settings);
    return err;
}

/* Pass and drop policies stand behind the children that have Child SAs, in the order of the file. */
static void shunts(void **state)
{
    (void)state;
    struct build_error error = {.text = ""};
    struct ike_conn *conn = NULL;
    static const char text[] = "p1 { mode = pass\n priority = 3 }\n t1 { }\n d1 { mode = drop\n "
                               "interface = eth0 }\n t2 { }\n p2 { mode = pass }\n";
    static const char *const names[] = {"t1", "t2", "p1", "d1", "p2"};
    static const enum ike_child_mode modes[] = {IKE_MODE_TUNNEL, IKE_MODE_TUNNEL, IKE_MODE_PASS,
                                                IKE_MODE_DROP, IKE_MODE_PASS};
    assert_int_equal(build(text, &conn, &error), 0);
    assert_int_equal(conn->n_children, 2);
    assert_int_equal(conn->n_shunts, 3);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_string_equal(conn->children[i].name, names[i]);
        assert_int_equal(conn->children[i].mode, modes[i]);
    }
    assert_int_equal(conn->children[2].priority, 3);
    assert_string_equal(conn->children[3].interface, "eth0");
    struct ike_conn *copy = ike_conn_copy(conn);
    assert_true(ike_conn_same(conn, copy));
    copy->children[4].priority = 9;
    assert_false(ike_conn_same(conn, copy));
    ike_conn_unref(copy);
    ike_conn_unref(conn);
}

/* What neither routing rules nor the packet filter can tell apart is refused. */
static void shunt_limits(void **state)
{
    (void)state;
    static const struct {
        const char *child;
        bool good;
    } table[] = {
        {"mode = pass\n remote_ts = 10.0.0.0/8[tcp/22]", true},
        {"mode = drop\n local_ts = ::/0[sctp/1-9], dynamic[icmp]", true},
        {"mode = pass\n remote_ts = 10.0.0.0/8[/22]", false},
        {"mode = pass\n remote_ts = 10.0.0.0/8[icmp/2048]", false},
        {"mode = drop\n local_ts = dynamic[esp/7]", false},
        {"mode = drop\n local_ts = 10.0.0.0/8[tcp/opaque]", false},
        {"mode = pass\n interface = eth0", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char text[512];
        struct build_error error = {.text = ""};
        struct ike_conn *conn = NULL;
        (void)snprintf(text, sizeof(text), "n {\n%s\n }", table[i].child);
        int err = build(text, &conn, &error);
        ike_conn_unref(conn);
        if (err != (table[i].good ? 0 : ERR_INVALID) ||
            (err != 0 && strncmp(error.text, "t.conf:5: ", 10) != 0))
            fail_msg("%s: %s", table[i].child, error.text);
    }
}

/* A tunnel for everything: which family it leaves open, and whether the own networks are in it. */
static void everything(void **state)
{
    (void)state;
    static const struct {
        const char *keys, *remote_ts;
        bool all;
        uint8_t open;
        enum ike_lan lan;
    } table[] = {
        {"remote_addrs = 192.0.2.1\nlan = block", "0.0.0.0/0", true, ADDRESS_V6, IKE_LAN_BLOCK},
        {"remote_addrs = 192.0.2.1", "128.0.0.0/1, 0.0.0.0/1", true, ADDRESS_V6, IKE_LAN_BYPASS},
        {"remote_addrs = 192.0.2.1", "::/0", true, ADDRESS_V4, IKE_LAN_BYPASS},
        {"remote_addrs = 192.0.2.1", "0.0.0.0/0, ::/0", true, ADDRESS_NONE, IKE_LAN_BYPASS},
        {"remote_addrs = 192.0.2.1", "0.0.0.0/0, fd00::/8", true, ADDRESS_NONE, IKE_LAN_BYPASS},
        {"remote_addrs = 192.0.2.1\non_failure = bypass", "0.0.0.0/0", true, ADDRESS_NONE,
         IKE_LAN_BYPASS},
        {"remote_addrs = 192.0.2.1\nlan = block", "10.0.0.0/8", false, ADDRESS_NONE,
         IKE_LAN_BYPASS},
        {"remote_addrs = 192.0.2.1", "0.0.0.0/1", false, ADDRESS_NONE, IKE_LAN_BYPASS},
        {"remote_addrs = 192.0.2.1", "0.0.0.0/0[tcp]", false, ADDRESS_NONE, IKE_LAN_BYPASS},
        {"lan = block", "0.0.0.0/0", false, ADDRESS_NONE, IKE_LAN_BYPASS}, /* a Gateway */
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char text[256];
        struct build_error error = {.text = ""};
        struct ike_conn *conn = NULL;
        (void)snprintf(text, sizeof(text), "} %s\nchildren { n { remote_ts = %s\n }", table[i].keys,
                       table[i].remote_ts);
        assert_int_equal(build(text, &conn, &error), 0);
        assert_int_equal(selectors_everything(conn), table[i].all);
        assert_int_equal(selectors_open_family(conn), table[i].open);
        assert_int_equal(selectors_lan(conn), table[i].lan);
        ike_conn_unref(conn);
    }
}

/* dpd_timeout follows from a short dpd_delay unless it is given; 0: retransmissions decide. */
static void dpd_timeout_follows(void **state)
{
    (void)state;
    static const struct {
        const char *keys;
        int timeout_ms;
    } table[] = {{"dpd_delay = 1s", 5000},    {"dpd_delay = 100ms", 2000}, /* failover */
                 {"dpd_delay = 14s", 70000},  {"dpd_delay = 15s", 0},
                 {"dpd_delay = 100d", 0},     {"dpd_delay = 1s\ndpd_timeout = 0", 0},
                 {"dpd_timeout = 30s", 30000}};
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char text[64];
        struct build_error error = {.text = ""};
        struct ike_conn *conn = NULL;
        (void)snprintf(text, sizeof(text), "} %s\nchildren {", table[i].keys);
        assert_int_equal(build(text, &conn, &error), 0);
        assert_int_equal(conn->dpd_timeout_ns / NANOS_PER_MS, table[i].timeout_ms);
        ike_conn_unref(conn);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything),
        cmocka_unit_test(dpd_timeout_follows),
        cmocka_unit_test(shunts),
        cmocka_unit_test(shunt_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
