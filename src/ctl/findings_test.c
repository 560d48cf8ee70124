/* SPDX-License-Identifier: Apache-2.0 */
/* Each warning of `ikat check`, with a configuration that causes it, and one that does not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/unit_test.h"
#include "control/settings.h"
#include "ctl/config_view.h"
#include "ctl/explain.h"
#include "ctl/findings.h"

/* --- a host --- */

static struct address address(const char *text)
{
    struct address a;
    assert_true(address_parse(text, &a));
    return a;
}

static struct address_range range(const char *text)
{
    struct address_range r;
    assert_true(range_parse(text, &r));
    return r;
}

/* gateway_host - a host with 192.0.2.1 on the Internet side and 10.20.0.1 in an inner network. */
static void gateway_host(struct host_view *host)
{
    static struct host_network networks[2];
    static struct host_route routes[2];
    networks[0] = (struct host_network){"wan0", address("192.0.2.1"), range("192.0.2.0/24")};
    networks[1] = (struct host_network){"lan0", address("10.20.0.1"), range("10.20.0.0/24")};
    routes[0] = (struct host_route){"wan0", range("0.0.0.0/0"), 0, address("192.0.2.254")};
    routes[1] = (struct host_route){"lan0", range("10.30.0.0/16"), 16, address("10.20.0.7")};
    *host = (struct host_view){.networks = networks,
                               .n_networks = 2,
                               .routes = routes,
                               .n_routes = 2,
                               .forwards_v4 = HOST_YES,
                               .forwards_v6 = HOST_YES,
                               .lets_in_500 = HOST_YES,
                               .lets_in_4500 = HOST_YES};
}

/* --- configurations --- */

#define AUTH(own, peer)                                                                            \
    "local {\n auth = psk\n id = " own "\n}\nremote {\n auth = psk\n id = " peer "\n}\n"
#define CHILD(keys) "children {\n net {\n" keys "}\n}\n"
#define GATEWAY(name, peer, keys)                                                                  \
    name " {\npools = inner\n" AUTH("gw", peer) CHILD("local_ts = 10.20.0.0/24\n") keys "}\n"
#define USER(name, keys)                                                                           \
    name " {\nremote_addrs = 192.0.2.1\nvips = 0.0.0.0\n" AUTH("a", "gw") keys "}\n"
#define POOL(addrs)    "pools {\n inner {\n addrs = " addrs "\n}\n}\n"
#define SECRET         "secrets {\n ike-a {\n secret = x\n}\n}\n"
#define SECRET_OF(ids) "secrets {\n ike-a {\n" ids " secret = x\n}\n}\n"
#define CONNS(conns)   "connections {\n" conns "}\n"

/* kinds_find - the kinds of all findings, each once, in order: "a b". */
static void kinds_find(const char *text, const struct host_view *host, char kinds[256])
{
    struct settings settings;
    struct findings findings = {0};
    assert_int_equal(settings_parse("t.conf", span_text(text), NULL, &settings), 0);
    findings_config(&findings, settings.root, host);
    kinds[0] = '\0';
    for (size_t i = 0; i < findings.n; i++) {
        assert_memory_equal(findings.items[i].where, "t.conf:", 7);
        assert_true(strlen(kinds) + strlen(findings.items[i].kind) < 250);
        (void)snprintf(kinds + strlen(kinds), 256 - strlen(kinds), "%s%s", i == 0 ? "" : " ",
                       findings.items[i].kind);
    }
    findings_done(&findings);
    settings_done(&settings);
}

struct row {
    const char *text, *want; /* the configuration, and the kinds of what is found in it */
};

static void rows_check(const struct row *rows, size_t n)
{
    struct host_view host;
    gateway_host(&host);
    for (size_t i = 0; i < n; i++) {
        char kinds[256];
        kinds_find(rows[i].text, &host, kinds);
        if (strcmp(kinds, rows[i].want) != 0)
            fail_msg("row %zu: '%s' was expected, not '%s'", i, rows[i].want, kinds);
    }
}

static void files_that_are_not_meant(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {CONNS(GATEWAY("g", "*", "")) POOL("10.9.0.0/24") SECRET, ""},
        {CONNS(GATEWAY("g", "*", "")) POOL("10.20.0.128/25") SECRET, "pool-in-network"},
        {CONNS(GATEWAY("g", "*", "")) POOL("10.0.0.0/8") SECRET, "pool-in-network"},
        {CONNS(GATEWAY("g", "*", "")) POOL("10.9.0.0/24"), "no-secret no-secret"},
        {CONNS(GATEWAY("g", "*@b", "")) POOL("10.9.0.0/24") SECRET_OF("id = a@b\n"), ""},
        {CONNS(GATEWAY("g", "*@b", "")) POOL("10.9.0.0/24") SECRET_OF("id-1 = gw\nid-2 = a@b\n"),
         ""},
        {CONNS(GATEWAY("g", "*@b", "")) POOL("10.9.0.0/24") SECRET_OF("id = gw\n"), ""},
        {CONNS(GATEWAY("g", "*@b", "")) POOL("10.9.0.0/24") SECRET_OF("id = a@c\n"), "no-secret"},
        {CONNS(USER("u", "")) SECRET_OF("id = other-gw\nid2 = a\n"), "no-secret"},
        {CONNS(GATEWAY("g", "*", "") GATEWAY("h", "*", "")) POOL("10.9.0.0/24") SECRET,
         "connection-shadowed"},
        {CONNS(GATEWAY("g", "*", "") GATEWAY("h", "x@y", "")) POOL("10.9.0.0/24") SECRET, ""},
        {CONNS(GATEWAY("g", "*", "") GATEWAY("h", "*", "local_addrs = 192.0.2.2\n"))
             POOL("10.9.0.0/24") SECRET,
         ""},
        {CONNS(GATEWAY("g", "*", "") GATEWAY("h", "*", "remote2 {\nauth = eap-md5\n}\n"))
             POOL("10.9.0.0/24") SECRET,
         ""},
        {CONNS("g {\nremote {\nauth = eap-radius\n}\n" CHILD("local_ts = 10.20.0.0/24\n") "}\n"),
         "no-radius"},
        {CONNS("g {\n" CHILD("local_ts = 10.30.1.0/24\n") "}\n"), ""},
        {CONNS("g {\n" CHILD("local_ts = 10.40.1.0/24\n") "}\n"), "no-route"},
        {CONNS("g {\n" CHILD("local_ts = fd00:1::/64\n") "}\n"), "no-route"},
        {CONNS("g {\n" CHILD("local_ts = 0.0.0.0/0\n") "}\n"), ""},
        {CONNS(USER("u", "paths {\n p {\n interface = lo\n}\n q {\n interface = auto\n}\n}\n"))
             SECRET,
         ""},
        {CONNS(USER("u", "paths {\n p {\n interface = no_such0\n}\n}\n")) SECRET, "no-interface"},
        {CONNS(USER("u", CHILD("remote_ts = 10.1.0.0/16\n"))
                   USER("v", CHILD("remote_ts = 10.1.0.0/16\n"))) SECRET,
         "child-shadowed"},
        {CONNS(USER("u", CHILD("remote_ts = 10.1.0.0/16\n"))
                   USER("v", CHILD("remote_ts = 10.1.0.0/16\nif_id_out = 7\n"))) SECRET,
         ""},
        {CONNS(USER("u", CHILD("remote_ts = 10.1.0.0/16\n"))
                   USER("v", CHILD("remote_ts = 10.2.0.0/16\n"))) SECRET,
         ""},
    };
    rows_check(rows, ARRAY_LEN(rows));
}

static void keys_without_effect(void **state)
{
    (void)state;
#define TWO_PATHS          "paths {\n p {\n interface = lo\n}\n q {\n interface = lo\n}\n}\n"
#define USER_WITH(keys)    CONNS(USER("u", TWO_PATHS keys)) SECRET
#define GATEWAY_WITH(keys) CONNS(GATEWAY("g", "*", keys)) POOL("10.9.0.0/24") SECRET
#define REMOTE(keys)       "r {\nremote {\n" keys "}\n}\n"
    static const struct row rows[] = {
        {USER_WITH("multipath = balance\nmobike = yes\n"), ""},
        {USER_WITH("multipath = balance\nmobike = no\n"), "no-effect"},
        {USER_WITH("mobike = no\n"), ""}, /* paths still choose the interface of a login */
        {CONNS(USER("u", "multipath = balance\nmesh = full\n"
                         "paths {\n p {\n interface = lo\n}\n}\n")) SECRET,
         ""},
        {USER_WITH("multipath = failover\nclone = off\n"), ""},
        {USER_WITH("multipath = aggregate\nclone = off\n"), "no-effect"},
        {USER_WITH("keep_old_notify = 41000\nclone = OFF\n"), "no-effect"},
        {USER_WITH("gateway_clones = no\nclone = off\n"), ""},
        {CONNS(USER("u", "multipath = balance\n")) SECRET, "no-effect"},
        {CONNS(USER("u", "multipath = balance\npaths {\n p {\n interface = lo\n}\n}\n")) SECRET,
         "no-effect"},
        {CONNS(USER("u", "multipath = balance\npaths {\n p {\n interface = auto\n}\n}\n")) SECRET,
         ""},
        {CONNS(USER("u", "paths {\n p {\n interface = lo\nweight = 2\n}\n}\n")) SECRET,
         "no-effect"},
        {GATEWAY_WITH("multipath = balance\n"), ""},
        {USER_WITH("install_dns = no\ndns_domains = corp.example\n"), "no-effect"},
        {GATEWAY_WITH("ticket_lifetime = 1h\n"), "no-effect"},
        {GATEWAY_WITH("ticket_lifetime = 1h\nsession_tickets = yes\n"), ""},
        {USER_WITH(CHILD("rand_time = 1m\nrekey_time = 0\n")), "no-effect"},
        {USER_WITH(CHILD("rand_time = 1m\nrekey_time = 10m\n")), ""},
        {USER_WITH(CHILD("rand_bytes = 1m\n")), "no-effect"},
        {USER_WITH(CHILD("hostaccess = yes\n")), "no-effect"},
        {CONNS(REMOTE("auth = psk\nrevocation = strict\n")) SECRET, "no-effect"},
        {CONNS(REMOTE("auth = pubkey\nrevocation = strict\n")) SECRET, ""},
        {CONNS(REMOTE("auth = psk\nrevocation = relaxed\n")) SECRET, ""},
        {CONNS(REMOTE("auth = pubkey\neap_id = %any\n")) SECRET, "no-effect"},
        {GATEWAY_WITH("ppk_required = yes\n"), "no-secret"},
    };
    rows_check(rows, ARRAY_LEN(rows));
}

static void limits_that_contradict(void **state)
{
    (void)state;
#define TWO_CHILDREN                                                                               \
    "children {\n net {\n remote_ts = 10.1.0.0/16\n}\n voice {\n remote_ts = 10.2.0.0/16\n}\n}\n"
    static const struct row rows[] = {
        {USER_WITH("max_ike_sas = 2\n"), ""},
        {USER_WITH("max_ike_sas = 1\n"), "limits"},
        {USER_WITH("max_child_sas = 4\n" TWO_CHILDREN), ""},
        {USER_WITH("max_child_sas = 3\n" TWO_CHILDREN), "limits"},
        {GATEWAY_WITH("max_leases = 16\n"), ""},
        {GATEWAY_WITH("max_leases = 15\n"), "limits"},
        {GATEWAY_WITH("max_leases = 15\nmax_sessions = 15\n"), ""},
        {GATEWAY_WITH("max_sessions = 0\n"), "limits"},
        {GATEWAY_WITH("max_sessions = 0\nmax_leases = 0\n"), ""},
        {CONNS("g {\nmax_leases = 15\n" AUTH("gw", "*") "}\n") SECRET, "no-effect"},
    };
    rows_check(rows, ARRAY_LEN(rows));
}

static void hosts_that_do_not_fit(void **state)
{
    (void)state;
    static const char gateway[] = CONNS(GATEWAY("g", "*", "")) POOL("10.9.0.0/24") SECRET;
    static const char user[] = CONNS(USER("u", CHILD("remote_ts = 10.1.0.0/16\n"))) SECRET;
    struct host_view host;
    char kinds[256];
    gateway_host(&host);
    host.forwards_v4 = HOST_NO;
    host.lets_in_4500 = HOST_NO;
    kinds_find(gateway, &host, kinds);
    assert_string_equal(kinds, "firewall no-forwarding");
    kinds_find(user, &host, kinds);
    assert_string_equal(kinds, ""); /* the host waits for no peers, and forwards nothing */
    gateway_host(&host);
    host.forwards_v6 = HOST_NO; /* it carries no IPv6 */
    host.lets_in_500 = host.lets_in_4500 = HOST_UNKNOWN;
    kinds_find(gateway, &host, kinds);
    assert_string_equal(kinds, "");
    host.routes[0].via = address("10.20.0.254"); /* the network has another router */
    kinds_find(gateway, &host, kinds);
    assert_string_equal(kinds, "no-return-route");
}

/* --- the kernel's tables, and text of nft --- */

static void routes_of_the_kernel(void **state)
{
    (void)state;
    static char v4[] =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "wan0\t00000000\tFE0200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "lan0\t0000140A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "*\t0000150A\t00000000\t0200\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "nonsense\n";
    static char v6[] =
        "20010db8000000000000000000000000 20 00000000000000000000000000000000 00 "
        "fe800000000000000000000000000001 00000400 00000001 00000000 00000003     wan0\n"
        "zz\n";
    struct host_view view = {0};
    char text[ADDRESS_TEXT_MAX];
    struct address_range lan = range("10.20.0.0/25"), far = range("10.21.0.0/24");
    struct address_range six = range("2001:db8:1::/48");
    FILE *file = fmemopen(v4, strlen(v4), "r");
    host_routes_read(&view, file);
    (void)fclose(file);
    file = fmemopen(v6, strlen(v6), "r");
    host_routes6_read(&view, file);
    (void)fclose(file);
    assert_int_equal(view.n_routes, 3);
    assert_string_equal(host_route_find(&view, &lan)->interface, "lan0");
    assert_int_equal(host_route_find(&view, &far)->prefix_len, 0);
    assert_string_equal(address_print(&host_route_find(&view, &far)->via, text), "192.0.2.254");
    assert_string_equal(address_print(&host_route_find(&view, &six)->via, text), "fe80::1");
    host_view_done(&view);
}

static void firewalls(void **state)
{
    (void)state;
#define TABLE(name, rules) "table inet " name " {\n\tchain in {\n" rules "\t}\n}\n"
#define DROPS              "\t\ttype filter hook input priority filter; policy drop;\n"
#define ACCEPTS            "\t\ttype filter hook input priority filter; policy accept;\n"
    static const struct {
        const char *rules;
        enum host_answer in_500, in_4500;
    } rows[] = {
        {TABLE("f", ACCEPTS), HOST_YES, HOST_YES},
        {TABLE("f", DROPS), HOST_NO, HOST_NO},
        {TABLE("ikat", DROPS), HOST_YES, HOST_YES},
        {TABLE("ikat2", DROPS), HOST_NO, HOST_NO},
        {TABLE("f", DROPS "\t\tudp dport { 500, 4500 } accept\n"), HOST_YES, HOST_YES},
        {TABLE("f", DROPS "\t\tudp dport 500 accept\n"), HOST_YES, HOST_NO},
        {TABLE("f", DROPS "\t\ttcp dport 500-4500 accept\n"), HOST_NO, HOST_NO},
        {TABLE("f", DROPS "\t\tudp dport 400-5000 counter packets 1 bytes 2 accept\n"), HOST_YES,
         HOST_YES},
        {TABLE("f", ACCEPTS "\t\tudp dport 4500 drop\n"), HOST_YES, HOST_NO},
        {TABLE("f", ACCEPTS "\t\tip saddr 203.0.113.7 udp dport 4500 drop\n"), HOST_YES, HOST_YES},
        {TABLE("f", ACCEPTS "\t\tudp dport 14500 drop\n\t\tudp dport { 50, 45000 } drop\n"),
         HOST_YES, HOST_YES},
        {"table inet f {\n\tchain out {\n\t\ttype filter hook output priority filter; policy drop;"
         "\n\t\tudp dport 4500 drop\n\t}\n}\n",
         HOST_YES, HOST_YES},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (int port = 0; port < 2; port++) {
            FILE *file = fmemopen((void *)(uintptr_t)rows[i].rules, strlen(rows[i].rules), "r");
            enum host_answer answer = host_firewall_lets_in(file, port == 0 ? 500 : 4500);
            (void)fclose(file);
            if (answer != (port == 0 ? rows[i].in_500 : rows[i].in_4500))
                fail_msg("row %zu, port %s: %d", i, port == 0 ? "500" : "4500", answer);
        }
}

/* --- sentences --- */

/* said - the sentences about the first connection must include this one. */
static void said(const char *text, const char *sentence)
{
    struct settings settings;
    bool found = false;
    assert_int_equal(settings_parse("t.conf", span_text(text), NULL, &settings), 0);
    struct tree *all = explain_conn(settings.root, config_key(settings.root, "connections")->first);
    for (const struct tree *one = all->first; one != NULL; one = one->next)
        found |= strcmp(tree_value_text(one), sentence) == 0;
    if (!found)
        fail_msg("'%s' is not said", sentence);
    tree_free(all);
    settings_done(&settings);
}

static void sentences(void **state)
{
    (void)state;
    static const char gateway[] = CONNS(GATEWAY("g", "*@x", ""))
        POOL("10.9.0.0/24") "secrets {\n ike-a {\n id-1 = bob@x\n id-2 = gw\n secret = x\n}\n "
                            "ike-b {\n id "
                            "= eve@y\n secret = y\n}\n}\n";
    said(gateway, "*@x logs in with a pre-shared key.");
    said(gateway, "A secret is here for bob@x.");
    said(gateway, "Each gets an inner address of 10.9.0.0/24 (pool inner).");
    said(gateway, "They may reach 10.20.0.0/24 (child net).");
    static const char user[] =
        CONNS(USER("u", "multipath = balance\npaths {\n p {\n INTERFACE = wlan0\n}\n}\n" CHILD(
                            "remote_ts = 10.1.0.0/16\nstart_action = start\n")));
    said(user, "This host logs in to 192.0.2.1 as a, with a pre-shared key.");
    said(user, "Path p has a VPN over wlan0, with priority 1.");
    said(user, "Flows are spread over the working paths of the lowest priority number.");
    said(user, "It comes up when ikatd starts. Without a VPN these packets are blocked, from the "
               "start of ikatd on.");
    said(CONNS("s {\n" CHILD("mode = drop\nremote_ts = 10.6.0.0/16\n") "}\n"),
         "Packets from this host to 10.6.0.0/16 are dropped (child net).");
}

static void globs(void **state)
{
    (void)state;
    assert_true(config_glob("*@example.org", "a@EXAMPLE.org"));
    assert_true(config_glob("C=CH, O=*, CN=*", "C=CH, O=x, CN=y"));
    assert_true(config_glob("*", ""));
    assert_false(config_glob("*@example.org", "a@example.org.evil"));
    assert_false(config_glob("a*b", "a"));
    assert_false(config_glob("", "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_that_are_not_meant),
        cmocka_unit_test(keys_without_effect),
        cmocka_unit_test(limits_that_contradict),
        cmocka_unit_test(hosts_that_do_not_fit),
        cmocka_unit_test(routes_of_the_kernel),
        cmocka_unit_test(firewalls),
        cmocka_unit_test(sentences),
        cmocka_unit_test(globs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
