/* SPDX-License-Identifier: Apache-2.0 */
/* Values that users may set in a connection of NetworkManager, and the configuration that results. */
#include "nm/plan.h"

#include <stdio.h>
#include <string.h>

#include "base/unit_test.h"

#define UUID    "0123abcd-4567-89ab-cdef-0123456789ab"
#define CONN    "nm-" UUID
#define PAIRS   8
#define TEXT    4096
#define LONGEST 1024

/* struct given - of one case; a name that is NULL ends a list. */
struct given {
    struct nm_value data[PAIRS], secrets[3];
};

static struct nm_settings settings_of(const struct given *given)
{
    struct nm_settings settings = {
        .uuid = UUID, .data = {.values = given->data}, .secrets = {.values = given->secrets}};
    while (settings.data.n < PAIRS && given->data[settings.data.n].name != NULL)
        settings.data.n++;
    while (settings.secrets.n < 3 && given->secrets[settings.secrets.n].name != NULL)
        settings.secrets.n++;
    return settings;
}

/* print - "name=value;" of values, "name{...}" of sections, "name[a|b]" of lists. */
static void print(const struct tree *tree, char out[TEXT])
{
    for (const struct tree *node = tree == NULL ? NULL : tree->first; node != NULL;
         node = node->next) {
        size_t len = strlen(out);
        if (node->kind == TREE_VALUE) {
            bool item = node->name[0] == '\0';
            (void)snprintf(out + len, TEXT - len, "%s%s%s%s", node->name, item ? "" : "=",
                           tree_value_text(node), item ? "|" : ";");
            continue;
        }
        bool is_list = node->kind == TREE_LIST;
        (void)snprintf(out + len, TEXT - len, "%s%s", node->name, is_list ? "[" : "{");
        print(node, out);
        len = strlen(out);
        (void)snprintf(out + len, TEXT - len, "%s", is_list ? "]" : "}");
    }
}

static void expect(const struct given *given, const char *load, const char *shared)
{
    char why[NM_WHY_MAX], text[TEXT] = "";
    struct nm_plan plan;
    const struct nm_settings settings = settings_of(given);
    if (!nm_plan_build(&settings, &plan, why))
        fail_msg("%s", why);
    assert_string_equal(plan.conn, CONN);
    assert_string_equal(plan.device, "ikat0123abcd456");
    print(plan.load, text);
    assert_string_equal(text, load);
    text[0] = '\0';
    print(plan.shared, text);
    assert_string_equal(text, shared);
    nm_plan_done(&plan);
}

static void refused(const struct given *given, const char *because)
{
    char why[NM_WHY_MAX];
    struct nm_plan plan;
    const struct nm_settings settings = settings_of(given);
    if (nm_plan_build(&settings, &plan, why))
        fail_msg("taken, though: %s", because);
    if (strstr(why, because) == NULL)
        fail_msg("'%s' does not say '%s'", why, because);
}

#define OURS "version=2;device=ikat0123abcd456;install_dns=no;encrypted_dns=no;vips[0.0.0.0|::|]"
#define CHILD(dpd, close)                                                                          \
    "children{net{remote_ts[0.0.0.0/0|::/0|]dpd_action=" dpd ";close_action=" close ";}}"

static void test_psk(void **state)
{
    (void)state;
    const struct given given = {.data = {{"gateway", "192.0.2.1, vpn.example"},
                                         {"method", "psk"},
                                         {"local-id", "eu@lab.example"},
                                         {"remote-id", "gw.lab.example"},
                                         {"psk-flags", "1"}},
                                .secrets = {{"psk", "it's \"quoted\"; # }"}}};
    expect(&given,
           CONN
           "{" OURS "on_failure=block;local{auth=psk;id=eu@lab.example;}"
           "remote{auth=psk;id=gw.lab.example;}" CHILD("restart", "start") "remote_addrs[192.0.2.1|"
                                                                           "vpn.example|]}",
           "id=" CONN ";type=IKE;data=it's \"quoted\"; # };owners[eu@lab.example|gw.lab.example|]");
}

static void test_eap(void **state)
{
    (void)state;
    const struct given given = {.data = {{"gateway", "vpn.example"},
                                         {"method", "eap"},
                                         {"user", "alice"},
                                         {"on-failure", "bypass"},
                                         {"lan", "block"},
                                         {"encap", "yes"},
                                         {"proposals", "aes128gcm16-prfsha256-x25519"}},
                                .secrets = {{"password", "a, b"}}};
    expect(&given,
           CONN "{" OURS "on_failure=bypass;lan=block;encap=yes;"
                "proposals[aes128gcm16-prfsha256-x25519|]local{auth=eap;id=alice;eap_id=alice;}"
                "remote{auth=pubkey;id=vpn.example;}" CHILD("none",
                                                            "none") "remote_addrs[vpn.example|]}",
           "id=" CONN ";type=EAP;data=a, b;owners[alice|]");
}

static void test_pubkey(void **state)
{
    (void)state;
    char why[NM_WHY_MAX], text[TEXT] = "";
    struct nm_plan plan;
    const struct given given = {.data = {{"gateway", "vpn.example"},
                                         {"method", "pubkey"},
                                         {"certificate", "/c.pem"},
                                         {"private-key", "/k.pem"},
                                         {"ca", "/ca.pem"},
                                         {"interfaces", "wlan0 wwan0 "},
                                         {"multipath", "aggregate"},
                                         {"remote-ts", "10.0.0.0/8"}},
                                .secrets = {{"key-password", "p"}}};
    const struct nm_settings settings = settings_of(&given);
    assert_true(nm_plan_build(&settings, &plan, why));
    assert_string_equal(plan.certificate, "/c.pem");
    assert_string_equal(plan.private_key, "/k.pem");
    assert_string_equal(plan.ca, "/ca.pem");
    assert_string_equal(plan.key_password, "p");
    assert_true(nm_plan_file(&plan, false, span_of("C", 1)));
    assert_true(nm_plan_file(&plan, true, span_of("A", 1)));
    print(plan.load, text);
    assert_string_equal(
        text, CONN "{" OURS "on_failure=block;local{auth=pubkey;certs[C|]}"
                   "remote{auth=pubkey;id=vpn.example;cacerts[A|]}"
                   "children{net{remote_ts[10.0.0.0/8|]dpd_action=restart;close_action=start;}}"
                   "remote_addrs[vpn.example|]multipath=aggregate;"
                   "paths{path1{interface=wlan0;priority=1;}path2{interface=wwan0;priority=1;}}}");
    assert_null(plan.shared);
    nm_plan_done(&plan);
}

static void test_paths(void **state)
{
    (void)state;
    static const struct {
        const char *interfaces, *multipath, *paths;
    } cases[] = {
        {"", "", ""},
        {"wlan0,wwan0", "",
         "{path1{interface=wlan0;priority=1;}path2{interface=wwan0;priority=2;}}"},
        {"wlan0", "failover", "{path1{interface=wlan0;priority=1;}}"},
        {"", "balance", "{path1{interface=auto;priority=1;}}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char why[NM_WHY_MAX], text[TEXT] = "";
        struct nm_plan plan;
        const struct given given = {.data = {{"gateway", "g"},
                                             {"method", "psk"},
                                             {"local-id", "a"},
                                             {"interfaces", cases[i].interfaces},
                                             {"multipath", cases[i].multipath}},
                                    .secrets = {{"psk", "p"}}};
        const struct nm_settings settings = settings_of(&given);
        assert_true(nm_plan_build(&settings, &plan, why));
        print(plan.load, text);
        const char *paths = strstr(text, "paths{");
        assert_int_equal(paths != NULL, cases[i].paths[0] != '\0');
        if (paths != NULL)
            assert_memory_equal(paths + strlen("paths"), cases[i].paths, strlen(cases[i].paths));
        nm_plan_done(&plan);
    }
}

static void test_refused(void **state)
{
    (void)state;
#define PSK                                                                                        \
    {"gateway", "g"}, {"method", "psk"},                                                           \
    {                                                                                              \
        "local-id", "a"                                                                            \
    }
#define SECRET .secrets = {{"psk", "p"}}
    static char long_text[LONGEST + 2];
    memset(long_text, 'a', LONGEST + 1);
    const struct {
        struct given given;
        const char *because;
    } cases[] = {
        {{.data = {PSK, {"local-id", "a\nremote { auth = any"}}, SECRET},
         "local-id: has a line break"},
        {{.data = {PSK, {"proposals", "x\", y"}}, SECRET}, "proposals: has a quote"},
        {{.data = {PSK, {"ca", "it's"}}, SECRET}, "ca: has a quote"},
        {{.data = {PSK, {"remote-ts", "\t"}}, SECRET}, "remote-ts: has a line break"},
        {{.data = {PSK, {"remote-id", long_text}}, SECRET}, "remote-id: longer than 1024"},
        {{.data = {PSK, {"updown", "/bin/sh"}}, SECRET}, "'updown' is not a key"},
        {{.data = {PSK, {"lan\n", "x"}}, SECRET}, "control character in its name"},
        {{.data = {PSK, {"psk", "p"}}, SECRET}, "'psk' is not a key"},
        {{.data = {PSK}, .secrets = {{"psk", "a\nb"}}}, "psk: has a line break"},
        {{.data = {PSK}, .secrets = {{"psk", long_text}}}, "psk: longer than"},
        {{.data = {PSK}, .secrets = {{"psk", "p"}, {"pin", "1"}}}, "'pin' is not a secret"},
        {{.data = {PSK}, .secrets = {{"psk", "p"}, {"p\n", "1"}}}, "control character in its name"},
        {{.data = {PSK}}, "psk: the secret is missing"},
        {{.data = {{"gateway", "g"}, {"local-id", "a"}}, SECRET}, "method: is missing"},
        {{.data = {{"gateway", "g"}, {"method", "xauth"}}, SECRET}, "'xauth' is not psk"},
        {{.data = {{"method", "psk"}, {"local-id", "a"}}, SECRET}, "gateway: is missing"},
        {{.data = {{"gateway", ", ,"}, {"method", "psk"}, {"local-id", "a"}}, SECRET},
         "gateway: needs 1"},
        {{.data = {PSK, {"gateway", "1,2,3,4,5,6,7,8,9"}}, SECRET}, "gateway: needs 1 to 8"},
        {{.data = {{"gateway", "g"}, {"method", "eap"}}, .secrets = {{"password", "p"}}},
         "user: is missing"},
        {{.data = {{"gateway", "g"}, {"method", "pubkey"}, {"certificate", "/c"}}},
         "private-key: is missing"},
        {{.data = {PSK, {"private-key", "/k"}}, SECRET}, "only method pubkey has one"},
        {{.data = {PSK, {"interfaces", "an-interface-name"}}, SECRET},
         "is not the name of an interface"},
        {{.data = {PSK, {"interfaces", "a/b"}}, SECRET}, "is not the name of an interface"},
        {{.data = {PSK, {"interfaces", "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a"}}, SECRET},
         "interfaces: needs 1 to 16"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        refused(&cases[i].given, cases[i].because);
}

static void test_uuid(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "x", "0123abcd-4567-89ab-cdef-0123456789abc",
                                        "../3abcd-4567-89ab-cdef-0123456789ab",
                                        "0123ABCD-4567-89ab-cdef-0123456789ab"};
    const struct given given = {.data = {PSK}, SECRET};
    struct nm_settings settings = settings_of(&given);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char why[NM_WHY_MAX];
        struct nm_plan plan;
        settings.uuid = wrong[i];
        assert_false(nm_plan_build(&settings, &plan, why));
        assert_string_equal(why, "the UUID of the connection is not one");
    }
}

static void test_missing_secrets(void **state)
{
    (void)state;
    static const struct {
        const char *method, *flags, *flags_value, *secret, *missing;
    } cases[] = {
        {"psk", NULL, NULL, NULL, "psk"},
        {"psk", "psk-flags", "2", NULL, "psk"},
        {"psk", "psk-flags", "4", NULL, NULL}, /* the user says that none is needed */
        {"psk", NULL, NULL, "psk", NULL},
        {"psk", NULL, NULL, "password", "psk"},
        {"eap", NULL, NULL, NULL, "password"},
        {"eap", NULL, NULL, "password", NULL},
        {"pubkey", NULL, NULL, NULL, NULL},
        {"pubkey", "key-password-flags", "1", NULL, "key-password"},
        {"pubkey", "key-password-flags", "1", "key-password", NULL},
        {"xauth", NULL, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct given given = {
            .data = {{"method", cases[i].method}, {cases[i].flags, cases[i].flags_value}},
            .secrets = {{cases[i].secret, "s"}}};
        const struct nm_settings settings = settings_of(&given);
        const char *missing = nm_secret_missing(&settings);
        assert_int_equal(missing == NULL, cases[i].missing == NULL);
        if (missing != NULL)
            assert_string_equal(missing, cases[i].missing);
    }
    assert_string_equal(nm_secret_label("psk"), "Pre-shared key");
    assert_string_equal(nm_secret_label("other"), "other");
}

static void test_failures(void **state)
{
    (void)state;
    assert_true(nm_failure_is_login("auth-failed"));
    assert_true(nm_failure_is_login("peer-auth-failed: it has another key"));
    assert_false(nm_failure_is_login("auth-failed-not"));
    assert_false(nm_failure_is_login("timeout"));
    assert_false(nm_failure_is_login(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_psk),
        cmocka_unit_test(test_eap),
        cmocka_unit_test(test_pubkey),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_uuid),
        cmocka_unit_test(test_missing_secrets),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
