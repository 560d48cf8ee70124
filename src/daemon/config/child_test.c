/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/unit_test.h"
#include "control/settings.h"
#include "daemon/common/inner_device.h"
#include "daemon/config/conn_build.h"
#include "daemon/config/selectors.h"
#include "ike/core/conn_index.h"

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

/* A selector that routing rules or the packet filter cannot express is refused. */
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
        {"mode = tunnel\n interface = eth0", false},
        {"mode = transport\n interface = eth0", false},
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

/* A tunnel for all addresses: which family it leaves open, and whether it contains the host's own
 * networks. */
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

static struct ike_conn *built(const char *children)
{
    struct build_error error = {.text = ""};
    struct ike_conn *conn = NULL;
    if (build(children, &conn, &error) != 0)
        fail_msg("%s: %s", children, error.text);
    return conn;
}

/* Each device belongs to marks, ids or a name, and the name tells them. */
static void devices(void **state)
{
    (void)state;
    static const struct {
        const char *child, *out, *in;
        uint32_t mark_out, mask_out, mark_in, mask_in;
        enum ike_routes routes;
    } table[] = {
        {"", NULL, NULL, 0, 0, 0, 0, IKE_ROUTES_YES},
        {"mark_in = 0\n mark_out = 0x0\n if_id_in = 0", NULL, NULL, 0, 0, 0, 0, IKE_ROUTES_YES},
        {"mark_out = 42", "ikat-m2a", "ikat-m2a", 42, UINT32_MAX, 0, 0, IKE_ROUTES_YES},
        {"mark_in = 8\n set_mark_in = %same\n mark_out = 4", "ikat-m4-8", "ikat-m4-8", 4,
         UINT32_MAX, 8, UINT32_MAX, IKE_ROUTES_YES},
        {"mark_in = 8\n mark_out = 8", "ikat-m8", "ikat-m8", 8, UINT32_MAX, 8, UINT32_MAX,
         IKE_ROUTES_YES},
        {"mark_in = 8/0xf\n mark_out = 8/0xf", "ikat-m8.f", "ikat-m8.f", 8, 15, 8, 15,
         IKE_ROUTES_YES},
        {"mark_in = 8\n set_mark_in = 0x107/0xff", "ikat-m0-7.ff", "ikat-m0-7.ff", 0, 0, 7, 0xff,
         IKE_ROUTES_YES},
        {"if_id_in = 42\n if_id_out = 4294967295", "ikat-4294967295", "ikat-42", 0, 0, 0, 0,
         IKE_ROUTES_NO},
        {"if_id_in = 1\n if_id_out = 1\n install_routes = yes", "ikat-1", "ikat-1", 0, 0, 0, 0,
         IKE_ROUTES_YES},
        {"device = br0\n install_routes = no\n mark_out = 1", "br0", "br0", 1, UINT32_MAX, 0, 0,
         IKE_ROUTES_NO},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char text[512];
        (void)snprintf(text, sizeof(text), "n {\n%s\n }", table[i].child);
        struct ike_conn *conn = built(text);
        struct inner_marks marks;
        struct inner_device out, in;
        int error;
        inner_marks_of(&conn->children[0], NULL, &marks);
        bool own = inner_devices_of(&conn->children[0], &marks, &out, &in, &error);
        if (own != (table[i].out != NULL) || conn->children[0].routes != table[i].routes)
            fail_msg("%s", table[i].child);
        if (own) {
            assert_string_equal(out.name, table[i].out);
            assert_string_equal(in.name, table[i].in);
            assert_true(inner_device_sound(&out) && inner_device_sound(&in));
            assert_int_equal(out.mark_out, table[i].mark_out);
            assert_int_equal(out.mask_out, table[i].mask_out);
            assert_int_equal(in.mark_in, table[i].mark_in);
            assert_int_equal(in.mask_in, table[i].mask_in);
        }
        ike_conn_unref(conn);
    }
}

/* %unique stands for numbers that the engine chooses. */
static void unique(void **state)
{
    (void)state;
    struct ike_conn *conn = built("n { mark_in = %unique\n mark_out = %unique }\n"
                                  "o { mark_out = %unique/0xf00\n mark_in = %unique/0xf00 }\n"
                                  "m { if_id_in = %unique-dir\n if_id_out = %unique-dir }");
    const struct inner_unique numbers = {5, 6, 7, 8};
    struct inner_marks marks;
    struct inner_device out, in;
    int error;
    assert_true(inner_has_unique(&conn->children[0]) && inner_has_unique(&conn->children[1]));
    inner_marks_of(&conn->children[0], &numbers, &marks);
    assert_true(inner_devices_of(&conn->children[0], &marks, &out, &in, &error));
    assert_string_equal(out.name, "ikat-m6-5");
    /* a number has its bits within the mask: the first one is not 0 there */
    inner_marks_of(&conn->children[1], &(struct inner_unique){1, 1, 1, 1}, &marks);
    assert_true(inner_devices_of(&conn->children[1], &marks, &out, &in, &error));
    assert_string_equal(out.name, "ikat-m100.f00");
    inner_marks_of(&conn->children[2], &numbers, &marks);
    assert_true(inner_devices_of(&conn->children[2], &marks, &out, &in, &error));
    assert_string_equal(out.name, "ikat-8");
    assert_string_equal(in.name, "ikat-7");
    assert_int_equal(conn->children[2].routes, IKE_ROUTES_NO);
    ike_conn_unref(conn);
}

/* Any entry of the list may name the peer. A narrower entry ranks higher. */
static void peers_of_a_list(void **state)
{
    (void)state;
    enum { NOT, ANYWHERE = 3, NAMED = 5 };
    static const struct {
        const char *remote_addrs, *peer;
        unsigned rank;
    } table[] = {
        {"%any", "198.51.100.9", ANYWHERE},
        {"%any4", "198.51.100.9", ANYWHERE},
        {"%any, 192.0.2.1", "198.51.100.9", ANYWHERE},
        {"%any, 192.0.2.1", "192.0.2.1", NAMED},
        {"192.0.2.1, %any", "198.51.100.9", ANYWHERE},
        {"192.0.2.1, %any", "2001:db8::9", ANYWHERE},
        {"%any, %any, %any6", "198.51.100.9", ANYWHERE},
        {"192.0.2.1", "198.51.100.9", NOT},
        {"192.0.2.1, 198.51.100.0/24", "198.51.100.9", NAMED},
        {"198.51.100.0/24, 192.0.2.1", "198.51.100.9", NAMED},
        {"198.51.100.0/24, 192.0.2.1", "192.0.2.1", NAMED},
        {"198.51.100.0/24, 192.0.2.1", "192.0.2.2", NOT},
        {"198.51.100.1-198.51.100.8, 192.0.2.1", "198.51.100.9", NOT},
        {"198.51.100.1-198.51.100.9, 192.0.2.1", "198.51.100.9", NAMED},
        {"gw.example, 192.0.2.1", "198.51.100.9", ANYWHERE}, /* a name is only for connecting */
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char text[128];
        struct ike_path path = {.interface = 1};
        (void)snprintf(text, sizeof(text), "} remote_addrs = %s\nchildren { n { }",
                       table[i].remote_addrs);
        struct ike_conn *conn = built(text);
        assert_true(address_parse(table[i].peer, &path.remote.address));
        if (conn_rank(conn, &path) != table[i].rank)
            fail_msg("%s: %s", table[i].remote_addrs, table[i].peer);
        ike_conn_unref(conn);
    }
}

/* A word that merely begins with "%any" is neither %any nor a name. */
static void not_any(void **state)
{
    (void)state;
    static const char *const table[] = {"%anything", "%any5", "192.0.2.1, %an", "%any/0"};
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char text[128];
        struct build_error error = {.text = ""};
        struct ike_conn *conn = NULL;
        (void)snprintf(text, sizeof(text), "} remote_addrs = %s\nchildren {", table[i]);
        assert_int_equal(build(text, &conn, &error), ERR_INVALID);
    }
}

static void devices_refused(void **state)
{
    (void)state;
    static const char *const table[] = {
        "mode = drop\n mark_out = 1",
        "mode = pass\n device = br0",
        "mark_in = 1\n if_id_in = 2\n if_id_out = 2",
        "if_id_in = 2",
        "device = br0\n mark_out = %unique",
        "device = br0\n if_id_in = 2\n if_id_out = 2",
        "mark_out = 0x12345678\n mark_in = 0x87654321",
        "mark_out = %unique-dir/0xff00\n mark_in = %unique-dir/0xff00",
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char text[512];
        struct build_error error = {.text = ""};
        struct ike_conn *conn = NULL;
        (void)snprintf(text, sizeof(text), "n {\n%s\n }", table[i]);
        if (build(text, &conn, &error) != ERR_INVALID || strncmp(error.text, "t.conf:", 7) != 0)
            fail_msg("%s: %s", table[i], error.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything),      cmocka_unit_test(dpd_timeout_follows),
        cmocka_unit_test(shunts),          cmocka_unit_test(shunt_limits),
        cmocka_unit_test(devices),         cmocka_unit_test(unique),
        cmocka_unit_test(devices_refused), cmocka_unit_test(peers_of_a_list),
        cmocka_unit_test(not_any),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
