/* SPDX-License-Identifier: Apache-2.0 */
/* The section `classes` of a connection. */
#include <stdio.h>

#include "base/unit_test.h"
#include "daemon/config/config_load.h"

#define AUTH "local { auth = psk }\n remote { auth = psk }\n"

static int check_text(const char *text, struct build_error *error)
{
    struct settings settings;
    error->text[0] = '\0';
    assert_int_equal(settings_parse("t.conf", span_text(text), NULL, &settings), 0);
    int err = config_check(settings.root, error);
    settings_done(&settings);
    return err;
}

/* of a key and its value */
#define FRAME "connections {\n a {\n" AUTH " classes { c {\n %s = %s\n} } }\n}\n"

struct row {
    const char *key, *good, *bad, *why;
};

static const struct row rows[] = {
    {"protocol", "udp", "upd", "unknown protocol"},
    {"protocol", "255", "256", "unknown protocol"},
    {"local_port", "5060-5080", "5080-5060", "the lower one first"},
    {"remote_port", "https", "opaque", "no opaque ports"},
    {"remote_port", "0", "65536", "ports are 0 to 65535"},
    {"remote_ts", "10.0.0.0/8, 2001:db8::1", "10.0.0.0/33", "is not an address, a network"},
    {"remote_ts", "10.0.0.1-10.0.0.9", "10.1.0.0/16[tcp]", "is not an address, a network"},
    {"remote_ts", "10.1.1.1, 10.1.1.2, 10.1.1.3, 10.1.1.4",
     "10.1.1.1, 10.1.1.2, 10.1.1.3, 10.1.1.4, 10.1.1.5", "more than 4 networks"},
    {"dscp", "ef, AF41, 0", "64", "is not a DSCP"},
    {"dscp", "63", "ef+", "is not a DSCP"},
    {"size", "0-200", "200-100", "the larger number comes first"},
    {"size", "65535", "1-65536", "is too large"},
    {"size", "100", "small", "is not a number, nor a range"},
    {"paths", "wlan0, lte", "a, b, c, d, e", "more than 4 paths"},
    {"priority", "2-3", "3-2", "the larger number comes first"},
    {"multipath", "redundant", "balance", "of a class only 'redundant' is possible"},
    {"strict", "no", "x", "is not yes or no"},
    {"strict", "no", "yes", "to which paths? 'paths' is missing"},
};

static void every_key(void **state)
{
    char text[512], where[64];
    struct build_error error = {.text = ""};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        (void)snprintf(text, sizeof(text), FRAME, rows[i].key, rows[i].good);
        if (check_text(text, &error) != 0)
            fail_msg("%s = %s: %s", rows[i].key, rows[i].good, error.text);
        (void)snprintf(text, sizeof(text), FRAME, rows[i].key, rows[i].bad);
        (void)snprintf(where, sizeof(where), "t.conf:6: %s: ", rows[i].key);
        if (check_text(text, &error) != ERR_INVALID || strstr(error.text, where) == NULL ||
            strstr(error.text, rows[i].why) == NULL)
            fail_msg("%s = %s: '%s'", rows[i].key, rows[i].bad, error.text);
    }
}

static void what_does_not_fit(void **state)
{
    static const struct {
        const char *text, *want; /* NULL: fine */
    } table[] = {
        {"connections {\n a {\n" AUTH " classes {\n p = 1\n}\n}\n}\n", "a section per class"},
        {"connections {\n a {\n" AUTH
         " classes {\n c {\n protocol = icmp\n local_port = 1\n}\n}\n}\n}\n",
         "t.conf:7: protocol: this protocol has no ports"},
        {"connections {\n a {\n" AUTH " classes {\n c {\n paths = x\n priority = 1\n}\n}\n}\n}\n",
         "t.conf:8: priority: 'paths' names them already"},
        {"connections {\n a {\n" AUTH " paths {\n p {\n interface = eth0\n}\n}\n classes {\n c {\n"
         " paths = eth1\n}\n}\n}\n}\n",
         "t.conf:12: paths: no path is called 'eth1'"},
        {"connections {\n a {\n" AUTH " paths {\n p {\n interface = auto\n}\n}\n classes {\n c {\n"
         " paths = p, eth1\n strict = yes\n}\n}\n}\n}\n",
         NULL},
        {"connections {\n a {\n" AUTH
         " classes {\n c {\n paths = x\n multipath = redundant\n strict = yes\n}\n}\n}\n}\n",
         "t.conf:9: strict: not with 'redundant'"},
        {"connections {\n a {\n" AUTH " children {\n n {\n mode = transport\n}\n}\n"
         " classes {\n c {\n multipath = redundant\n}\n}\n}\n}\n",
         "child n has mode = transport, which takes no order trailers"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct build_error error = {.text = ""};
        int err = check_text(table[i].text, &error);
        if ((table[i].want == NULL) != (err == 0) ||
            (err != 0 && strstr(error.text, table[i].want) == NULL))
            fail_msg("%zu: '%s'", i, error.text);
    }
}

/* Classes in the order of the file, and what they take. */
static void classes(void **state)
{
    (void)state;
    static struct conn_credentials credentials;
    struct settings settings;
    struct build_error error = {.text = ""};
    struct ike_conn *conn = NULL;
    const char *text =
        "a {\n" AUTH "classes {\n z { dscp = ef, 8\n size = 1-200\n paths = lte0\n strict = yes }\n"
        " a { protocol = tcp\n remote_port = ssh\n remote_ts = 10.0.0.0/8\n"
        " priority = 2 }\n}\n}\n";
    assert_int_equal(settings_parse("t.conf", span_text(text), NULL, &settings), 0);
    assert_int_equal(conn_build(settings.root->first, &conn, &credentials, &error), 0);
    settings_done(&settings);
    assert_int_equal(conn->n_classes, 2);
    assert_string_equal(conn->class_paths[0].name, "z");
    assert_true(conn->classes[0].dscp == (UINT64_C(1) << 46 | 1 << 8));
    assert_int_equal(conn->classes[0].size.last, 200);
    assert_true(conn->classes[0].strict);
    assert_string_equal(conn->class_paths[0].paths[0], "lte0");
    assert_true(number_any(conn->classes[0].remote_port) && conn->classes[0].n_remote == 0);
    assert_int_equal(conn->classes[1].protocol, 6);
    assert_int_equal(conn->classes[1].remote_port.first, 22);
    assert_int_equal(conn->classes[1].remote_port.last, 22);
    assert_int_equal(conn->classes[1].n_remote, 1);
    assert_int_equal(conn->class_paths[1].first_priority, 2);
    assert_int_equal(conn->class_paths[1].last_priority, 2);
    ike_conn_unref(conn);
}

static void too_many_classes(void **state)
{
    char text[4096];
    struct build_error error = {.text = ""};
    (void)state;
    for (int n = 16; n <= 17; n++) {
        size_t at =
            (size_t)snprintf(text, sizeof(text), "connections {\n a {\n" AUTH "classes {\n");
        for (int i = 0; i < n; i++)
            at += (size_t)snprintf(text + at, sizeof(text) - at, "c%d {\n}\n", i);
        (void)snprintf(text + at, sizeof(text) - at, "}\n}\n}\n");
        assert_int_equal(check_text(text, &error) == 0, n == 16);
    }
    assert_non_null(strstr(error.text, "more than 16 classes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key),
        cmocka_unit_test(what_does_not_fit),
        cmocka_unit_test(classes),
        cmocka_unit_test(too_many_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
