/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hooks/hook_env.h"

#include <stdio.h>

#include "base/unit_test.h"
#include "daemon/common/hook_script.h"
#include "ike/terms/identity.h"

static struct hook_request request(void)
{
    struct hook_request r = {.up = 1,
                             .end_user = 1,
                             .reqid = 7,
                             .uniqueid = 3,
                             .script = "/usr/libexec/ipsec/_updown iptables",
                             .conn = "home",
                             .child = "net",
                             .interface = "eth0",
                             .device = "ikat0",
                             .n_inner = 2,
                             .n_dns = 1};
    assert_true(address_parse("192.0.2.1", &r.local));
    assert_true(address_parse("198.51.100.1", &r.remote));
    assert_true(range_parse("10.3.0.7", &r.local_ts.range));
    assert_true(range_parse("10.1.0.0/16", &r.remote_ts.range));
    r.local_ts.end_port = r.remote_ts.end_port = UINT16_MAX;
    assert_true(address_parse("10.3.0.7", &r.inner[0]));
    assert_true(address_parse("2001:db8::7", &r.inner[1]));
    assert_true(address_parse("10.1.0.53", &r.dns[0]));
    assert_int_equal(identity_parse("anna@example.org", &r.local_id), 0);
    assert_int_equal(identity_parse("gw.example.org", &r.remote_id), 0);
    return r;
}

static const char *value(const struct hook_env *env, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; env->envp[i] != NULL; i++)
        if (strncmp(env->envp[i], name, len) == 0 && env->envp[i][len] == '=')
            return env->envp[i] + len + 1;
    return NULL;
}

static void all_variables(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
    } rows[] = {
        {"PLUTO_VERSION", "1.1"},
        {"PLUTO_VERB", "up-client"},
        {"PLUTO_CONNECTION", "net"},
        {"PLUTO_INTERFACE", "ikat0"},
        {"PLUTO_REQID", "7"},
        {"PLUTO_PROTO", "esp"},
        {"PLUTO_UNIQUEID", "3"},
        {"PLUTO_ME", "192.0.2.1"},
        {"PLUTO_MY_ID", "anna@example.org"},
        {"PLUTO_MY_CLIENT", "10.3.0.7/32"},
        {"PLUTO_MY_PORT", "0"},
        {"PLUTO_MY_PROTOCOL", "0"},
        {"PLUTO_PEER", "198.51.100.1"},
        {"PLUTO_PEER_ID", "gw.example.org"},
        {"PLUTO_PEER_CLIENT", "10.1.0.0/16"},
        {"PLUTO_MY_SOURCEIP", "10.3.0.7"},
        {"PLUTO_MY_SOURCEIP4_1", "10.3.0.7"},
        {"PLUTO_MY_SOURCEIP6_1", "2001:db8::7"},
        {"PLUTO_DNS4_1", "10.1.0.53"},
        {"IKAT_DEVICE", "ikat0"},
        {"IKAT_INTERFACE", "eth0"},
        {"IKAT_CONNECTION", "home"},
    };
    static struct hook_env env;
    struct hook_request r = request();
    assert_true(hook_request_sound(&r));
    assert_int_equal(hook_env_fill(&r, &env), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *found = value(&env, rows[i].name);
        assert_non_null(found);
        assert_string_equal(found, rows[i].value);
    }
    assert_null(value(&env, "PLUTO_PEER_SOURCEIP"));
    assert_null(value(&env, "PLUTO_UDP_ENC"));
    assert_string_equal(env.argv[0], "/usr/libexec/ipsec/_updown");
    assert_string_equal(env.argv[1], "iptables");
    assert_null(env.argv[2]);
}

/* A child with a device of its own: its interface is the one that firewalls see. */
static void marks(void **state)
{
    (void)state;
    static struct hook_env env;
    struct hook_request r = request();
    assert_int_equal(hook_env_fill(&r, &env), 0);
    assert_null(value(&env, "PLUTO_MARK_IN"));
    assert_null(value(&env, "PLUTO_IF_ID_OUT"));
    r.own_device = 1;
    (void)snprintf(r.device, sizeof(r.device), "ikat-m4-8");
    r.marks = (struct inner_marks){.mark_in = 8,
                                   .mask_in = UINT32_MAX,
                                   .mark_out = 4,
                                   .mask_out = 0xff,
                                   .if_id_in = 42,
                                   .if_id_out = 1337};
    assert_true(hook_request_sound(&r));
    assert_int_equal(hook_env_fill(&r, &env), 0);
    assert_string_equal(value(&env, "PLUTO_MARK_IN"), "8/0xffffffff");
    assert_string_equal(value(&env, "PLUTO_MARK_OUT"), "4/0x000000ff");
    assert_string_equal(value(&env, "PLUTO_IF_ID_IN"), "42");
    assert_string_equal(value(&env, "PLUTO_IF_ID_OUT"), "1337");
    assert_string_equal(value(&env, "PLUTO_INTERFACE"), "ikat-m4-8");
    assert_string_equal(value(&env, "IKAT_DEVICE"), "ikat-m4-8");
    r.own_device = 2;
    assert_false(hook_request_sound(&r));
}

static void verbs(void **state)
{
    (void)state;
    static struct hook_env env;
    struct hook_request r = request();
    r.up = 0;
    r.local_ts.range = (struct address_range){r.local, r.local};
    r.udp_encap = r.hostaccess = 1;
    assert_int_equal(hook_env_fill(&r, &env), 0);
    assert_string_equal(value(&env, "PLUTO_VERB"), "down-host");
    assert_string_equal(value(&env, "PLUTO_UDP_ENC"), "4500");
    assert_string_equal(value(&env, "PLUTO_HOST_ACCESS"), "1");
    assert_true(range_parse("2001:db8::/32", &r.local_ts.range));
    r.end_user = 0;
    r.remote_ts.protocol = 6;
    r.remote_ts.start_port = r.remote_ts.end_port = 22;
    assert_true(range_parse("10.1.0.3-10.1.0.9", &r.remote_ts.range)); /* no network */
    assert_int_equal(hook_env_fill(&r, &env), 0);
    assert_string_equal(value(&env, "PLUTO_VERB"), "down-client-v6");
    assert_string_equal(value(&env, "PLUTO_PEER_SOURCEIP"), "10.3.0.7");
    assert_string_equal(value(&env, "PLUTO_PEER_CLIENT"), "10.1.0.0/28");
    assert_string_equal(value(&env, "PLUTO_PEER_PORT"), "22");
    assert_string_equal(value(&env, "PLUTO_PEER_PROTOCOL"), "6");
}

/* X10: text of a peer never has a special meaning for a shell. */
static void no_shell(void **state)
{
    (void)state;
    static const char hostile[] = "a'$(reboot)`x`;|&<>\n\"\\";
    static struct hook_env env;
    struct hook_request r = request();
    r.remote_id.len = sizeof(hostile) - 1;
    memcpy(r.remote_id.data, hostile, sizeof(hostile) - 1);
    assert_int_equal(hook_env_fill(&r, &env), 0);
    for (size_t i = 0; env.envp[i] != NULL; i++)
        assert_null(strpbrk(env.envp[i], "'\"$`;|&<>()\\\n"));
}

/* D22: our engine never makes such a request. */
static void unsound(void **state)
{
    (void)state;
    const struct hook_request good = request();
    struct hook_request r = good;
    r.up = 2;
    assert_false(hook_request_sound(&r));
    r = good, memset(r.script, 'x', sizeof(r.script));
    assert_false(hook_request_sound(&r));
    r = good, memset(r.child, 'x', sizeof(r.child));
    assert_false(hook_request_sound(&r));
    r = good, r.n_inner = IKE_LEASE_ADDRESSES + 1;
    assert_false(hook_request_sound(&r));
    r = good, r.n_dns = HOOK_DNS + 1;
    assert_false(hook_request_sound(&r));
    r = good, r.remote_id.len = sizeof(r.remote_id.data) + 1;
    assert_false(hook_request_sound(&r));
    r = good, r.local_ts.range.last = r.remote;
    r.local_ts.range.first.family = ADDRESS_V6;
    assert_false(hook_request_sound(&r));
    r = good, r.local.family = 9;
    assert_false(hook_request_sound(&r));
    r = good, strcpy(r.script, "   ");
    assert_int_equal(hook_env_fill(&r, &(struct hook_env){.used = 0}), ERR_INVALID);
    r = good, strcpy(r.script, "/x a b c d e f g h");
    assert_int_equal(hook_env_fill(&r, &(struct hook_env){.used = 0}), ERR_INVALID);
}

/* A compromised engine can run scripts in the folders for scripts only. */
static void folders(void **state)
{
    (void)state;
    static const char *const good[] = {"/usr/local/libexec/ipsec/_updown iptables", "/etc/updown",
                                       "/etc/nat_updown iptables", "/etc/ikat/up.sh",
                                       "/etc/swanctl/x/y"};
    static const char *const bad[] = {"",
                                      "updown",
                                      "/sbin/reboot",
                                      "/etc/ikat/",
                                      "/etc/ikat/../../sbin/reboot",
                                      "/etc/ikat/./x",
                                      "/etc/updown2",
                                      "/etc/reboot updown",
                                      "/etc/init.d/updown",
                                      "/etc/..updown/x",
                                      "/updown",
                                      "/etc/ikat/x; reboot",
                                      "/etc/ikat/$(x)",
                                      "/etc/ikatx/y"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(hook_script_allowed(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(hook_script_allowed(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_variables), cmocka_unit_test(marks),   cmocka_unit_test(verbs),
        cmocka_unit_test(no_shell),      cmocka_unit_test(unsound), cmocka_unit_test(folders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
