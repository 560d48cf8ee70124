/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/unit_test.h"
#include "daemon/config/config_load.h"
#include "daemon/config/selectors.h"
#include "ike/terms/identity.h"

#define AUTH "local { auth = psk }\n remote { auth = psk }\n"

/* --- every key, with a value that is taken and one that is not --- */

enum place { CONN, LOCAL, PATH, CHILD, POOL, SECRET, SERVER };

static const char *const frames[] = {
    [CONN] = "connections {\n a {\n%s\n" AUTH "}\n}\n",
    [LOCAL] = "connections {\n a {\n remote { auth = psk }\n local {\nauth = psk\n%s\n}\n}\n}\n",
    [PATH] = "connections {\n a {\n" AUTH " paths { p {\ninterface = eth0\n%s\n} } }\n}\n",
    [CHILD] = "connections {\n a {\n" AUTH " children { n {\n%s\n} } }\n}\n",
    [POOL] = "pools {\n a {\naddrs = 10.0.0.0/24\n%s\n}\n}\n",
    [SECRET] = "secrets {\n ike-a {\nsecret = x\n%s\n}\n}\n",
    [SERVER] = "radius {\n a {\naddress = 192.0.2.1\nsecret = x\n%s\n}\n}\n",
};

struct row {
    enum place place;
    const char *key, *good, *bad, *why; /* good NULL: every value is refused; bad NULL: every value
                                         * is accepted */
};

static const struct row rows[] = {
    {CONN, "version", "2", "1", "IKEv1 is not supported"},
    {CONN, "version", "0", "3", "must be 2"},
    {CONN, "local_addrs", "192.0.2.1, %any", "not an address", "is not an address, a range"},
    {CONN, "remote_addrs", "gw.example, 2001:db8::/32", "10.0.0.0/33", "is not an address, a"},
    {CONN, "local_port", "500", "65536", "too large, at most 65535"},
    {CONN, "remote_port", "4500", "-1", "is not a number"},
    {CONN, "proposals", "aes128gcm16-prfsha256-x25519, default", "aes128-nothing", "nothing"},
    {CONN, "vips", "0.0.0.0, ::", "0.0.0.0/0", "is not an address"},
    {CONN, "pools", NULL, "dhcp", "'dhcp' is not supported by ikat"},
    {CONN, "pools", NULL, "p, dhcp", "'dhcp' is not supported by ikat"},
    {CONN, "dscp", "101110", "46", "six binary digits"},
    {CONN, "dscp", "000000", "1011101", "six binary digits"},
    {CONN, "encap", "yes", "perhaps", "is not yes or no"},
    {CONN, "mobike", "no", "2", "is not yes or no"},
    {CONN, "nat_keepalive", "5s", "5x", "is not a time"},
    {CONN, "dpd_delay", "30s", "30x", "is not a time"},
    {CONN, "fragmentation", "accept", "force", "is not one of no, accept, yes"},
    {CONN, "childless", "allow", "x", "is not one of allow, prefer, force, never"},
    {CONN, "unique", "replace", "x", "is not one of no, never, keep, replace"},
    {CONN, "keyingtries", "0", "4294967296", "too large"},
    {CONN, "reauth_time", "1d", "1w", "is not a time"},
    {CONN, "rekey_time", "4h", "1.5h", "is not a time"},
    {CONN, "over_time", "24m", "-1", "is not a time"},
    {CONN, "rand_time", "0", "9223372036854775807", "is not a time"},
    {CONN, "multipath", "auto", "all", "not one of failover, balance, aggregate, redundant, auto"},
    {CONN, "clone", "keep-old", "yes", "is not one of off, keep-old, rfc7791, both"},
    {CONN, "prefer", "rfc7791", "both", "'keep-old' or 'rfc7791'"},
    {CONN, "prefer", "keep-old", "off", "'keep-old' or 'rfc7791'"},
    {CONN, "legacy", "yes", "x", "is not yes or no"},
    {CONN, "proposals", "aes192-sha256-modp2048", "aes128-sha1-modp2048", "'legacy = yes'"},
    {CONN, "clone_order", "create-move", "x", "is not one of move-create, create-move"},
    {CONN, "keep_old_notify", "40960", "40959", "40960 to 65535"},
    {CONN, "keep_old_notify", "47791", "47792", "ORDERED_ESP"},
    {CONN, "keep_old_notify", "47791", "47793", "PATH_TERMS"},
    {CONN, "keep_old_notify", "47791", "47794", "TRAFFIC_CLASSES"},
    {CONN, "keep_old_notify", "65535", "65536", "at most 65535"},
    {CONN, "keep_old_blind", "yes", "x", "is not yes or no"},
    {CONN, "follow_redirects", "no", "x", "is not yes or no"},
    {CONN, "redirect_to", "gw.example", "a b", "neither an address nor a name"},
    {CONN, "session_tickets", "yes", "x", "is not one of no, ask, yes"},
    {CONN, "combined_auth", "no", "x", "is not yes or no"},
    {CONN, "reduced", "gateway", "x", "is not one of off, end-user, gateway"},
    {CONN, "gateway_clones", "yes", "x", "is not yes or no"},
    {CONN, "mesh", "full", "x", "is not one of pairs, full, first"},
    {CONN, "on_failure", "bypass", "open", "is not one of block, bypass"},
    {CONN, "install_dns", "no", "x", "is not yes or no"},
    {CONN, "lan", "block", "open", "is not one of bypass, block"},
    {CONN, "split_dns", "no", "x", "is not yes or no"},
    {CONN, "encrypted_dns", "no", "x", "is not yes or no"},
    {CONN, "dns_domains", "corp.example, lan", "corp..example", "is not a DNS domain"},
    {CONN, "inner", "per-path", "each", "is not one of shared, per-path"},
    {CONN, "max_ike_sas", "256", "257", "1 to 256"},
    {CONN, "max_ike_sas", "1", "0", "1 to 256"},
    {CONN, "max_child_sas", "64", "65", "1 to 64"},
    {CONN, "max_child_sas", "1", "0", "1 to 64"},
    {CONN, "max_sessions", "0", "x", "is not a number"},
    {CONN, "max_leases", "100", "-1", "is not a number"},
    {CONN, "unused_old", "yes", "1x", "is not yes or no"},
    {CONN, "unused_old_timeout", "1h", "61m", "10s to 1h"},
    {CONN, "unused_old_timeout", "10s", "9999ms", "10s to 1h"},
    {CONN, "probe_interval", "10ms", "9ms", "at least 10ms"},
    {CONN, "failover", "500ms", "0", "at least 10ms"},
    {CONN, "stable_for", "5s", "soon", "is not a time"},
    {CONN, "send_certreq", "yes", "maybe", "is not yes or no"},
    {CONN, "send_cert", "always", "often", "is not one of ifasked, always, never"},
    {CONN, "ocsp", "both", "no", "is not one of reply, request, both, never"},
    {CONN, "dpd_timeout", "150s", "soon", "is not a time"},
    {CONN, "dead_peer", "0", "1x", "is not a time"},
    {CONN, "pull", "no", NULL, NULL},
    {CONN, "aggressive", "no", "yes", "not supported by ikat"},
    {CONN, "ppk_id", "*@example", "email:#00", "is not an identity"},
    {CONN, "ppk_required", "yes", "often", "is not yes or no"},
    {CONN, "if_id_in", "0", "x", "is not the id of an interface"},
    {CONN, "device", "branch0", "a/b", "is not a name that an interface can have"},
    {CONN, "install_routes", "no", "x", "is not yes or no"},
    {CONN, "mediation", "no", "yes", "not supported by ikat"},
    {CONN, "mediated_by", NULL, "x", "not supported by ikat"},
    {CONN, "mediation_peer", NULL, "x", "not supported by ikat"},
    {LOCAL, "auth", "psk", "none", "'none' is not supported"},
    {LOCAL, "auth", "pubkey", "pubkey-sha1", "sha1 is broken"},
    {LOCAL, "auth", "pubkey-sha256-rsa-3072-ecdsa-384", "pubkey-3072", "'3072' is neither"},
    {LOCAL, "auth", "ike:rsa/pss-sha512", "ike:-", "is not understood"},
    {LOCAL, "auth", "ed25519", "pubkey--sha256", "is not understood"},
    {LOCAL, "auth", "rsa-2048-ecdsa-256-sha256", "xauth", "of IKEv1"},
    {LOCAL, "id", "@gw.example", "C=CH, Town=gw.example", "is not an identity"},
    {LOCAL, "round", "1", NULL, NULL},
    {LOCAL, "certs", NULL, "a.pem", "is no X.509 certificate"},
    {LOCAL, "pubkeys", NULL, "a.pem", "is no public key"},
    {LOCAL, "cacerts", NULL, "a.pem", "is no X.509 certificate"},
    {LOCAL, "ca_id", "C=CH, CN=*", "C=CH, X=1", "is not an identity"},
    {LOCAL, "auth", "eap-mschapv2", "eap-none", "psk, pubkey and EAP are"},
    {LOCAL, "auth", "eap-tls:ecdsa-256-sha384", "eap-tls:md5", "md5 is broken"},
    {LOCAL, "auth", "eap-md5", NULL, NULL},
    {LOCAL, "auth", "eap-gtc", NULL, NULL},
    {LOCAL, "eap_id", "anna", "", "is not an EAP identity"},
    {LOCAL, "aaa_id", "aaa.example", "ipv4:x", "is not an identity"},
    {LOCAL, "xauth_id", NULL, "x", "of IKEv1"},
    {LOCAL, "groups", NULL, "x", "only a RADIUS server names groups"},
    {LOCAL, "cert_policy", "1.3.6.1.4.1.9, 2.5.29.32.0", "x", "is not an object identifier"},
    {LOCAL, "revocation", "strict", "sometimes", "is not one of relaxed, ifuri, strict"},
    {PATH, "interface", "auto", "/dev/null", "is not the name of an interface"},
    {PATH, "interface", "fifteenletters1", "sixteen-letters1", "is not the name of an interface"},
    {PATH, "local_addrs", "192.0.2.1", "eth0", "is not an address"},
    {PATH, "remote_addrs", "192.0.2.1, 2001:db8::1", "gw.example", "is not an address"},
    {PATH, "priority", "2", "x", "is not a number"},
    {PATH, "weight", "3", "0x", "is not a number"},
    {PATH, "metered", "yes", "x", "is not yes or no"},
    {CHILD, "esp_proposals", "aes192-sha256", "aes192-sha1", "'legacy = yes'"},
    {CHILD, "esp_proposals", "aes256gcm16, default", "aes128gcm16-md5", "md5"},
    {CHILD, "local_ts", "10.0.0.0/8[tcp/443], dynamic", "10.0.0.0/33", "neither a subnet"},
    {CHILD, "local_ts", "::/0[udp/1000-2000]", "::/0[udp/2000-1000]", "the lower one first"},
    {CHILD, "remote_ts", "10.0.0.1-10.0.0.9", "10.0.0.9-10.0.0.1", "neither a subnet"},
    {CHILD, "remote_ts", "0.0.0.0/0[17/opaque]", "dynamic[tcp/65536]", "ports are 0 to 65535"},
    {CHILD, "remote_ts", "dynamic[tcp/https], ::/0[udp/domain-ntp]", "dynamic[tcp/nosuch]",
     "unknown port"},
    {CHILD, "remote_ts", "dynamic[255]", "dynamic[256]", "unknown protocol"},
    {CHILD, "remote_ts", "dynamic[icmp]", "dynamic[nosuch]", "unknown protocol"},
    {CHILD, "remote_ts", "dynamic[/53]", "dynamic[tcp/53", "closing ']'"},
    {CHILD, "rekey_time", "0", "x", "is not a time"},
    {CHILD, "life_time", "2h", "2y", "is not a time"},
    {CHILD, "rand_time", "1m", "x", "is not a time"},
    {CHILD, "rekey_bytes", "500m", "500q", "is not a size"},
    {CHILD, "life_bytes", "1g", "18014398509481984k", "is not a size"},
    {CHILD, "rand_bytes", "1k", "1q", "is not a size"},
    {CHILD, "rekey_packets", "1000", "1k", "is not a number"},
    {CHILD, "life_packets", "0x10", "99999999999999999999", "is not a number"},
    {CHILD, "rand_packets", "1", "1k", "is not a number"},
    {CHILD, "mode", "tunnel", "transport_proxy", "is not one of tunnel, transport, pass, drop"},
    {CHILD, "mode", "pass", "beet", "is not one of tunnel, transport, pass, drop"},
    {CHILD, "mode", "DROP", "iptfs", "is not one of tunnel, transport, pass, drop"},
    {CHILD, "mode", "transport", "ah", "is not one of tunnel, transport, pass, drop"},
    {CHILD, "icmp", "yes", "x", "is not yes or no"},
    {CHILD, "start_action", "trap", "x", "is not one of none, trap, start"},
    {CHILD, "close_action", "start", "x", "is not one of none, trap, start"},
    {CHILD, "dpd_action", "restart", "x", "is not one of clear, trap, restart"},
    {CHILD, "replay_window", "8192", "8193", "at most 8192"},
    {CHILD, "reqid", "7", "x", "is not a number"},
    {CHILD, "copy_df", "yes", "no", "'no' is not supported by ikat: the outer header"},
    {CHILD, "copy_ecn", "no", "x", "is not yes or no"},
    {CHILD, "copy_dscp", "in", "x", "is not one of out, in, yes, no"},
    {CHILD, "hostaccess", "yes", "x", "is not yes or no"},
    {CHILD, "policies", "yes", "no", "always enforced"},
    {CHILD, "policies_fwd_out", "yes", "x", "is not yes or no"},
    {CHILD, "priority", "7", "high", "is not a number"},
    {CHILD, "interface", NULL, "eth0", "is honoured with mode = drop only"},
    {CHILD, "interface", NULL, "eth/0", "is not the name of an interface"},
    {CHILD, "ah_proposals", NULL, "sha256", "not supported by ikat: AH"},
    {CHILD, "updown", "/usr/local/libexec/ipsec/_updown iptables", "/bin/sh", "is not a script"},
    {CHILD, "updown", "/etc/ikat/up", "\"/etc/ikat/up; reboot\"", "is not a script"},
    {CHILD, "ipcomp", "no", "yes", "not supported by ikat"},
    {CHILD, "inactivity", "1h", "soon", "is not a time"},
    {CHILD, "tfc_padding", "0", "mtu", "not supported by ikat"},
    {CHILD, "mark_in", "42", "0x100000000", "is not a mark"},
    {CHILD, "mark_out", "0x2a/0xff", "0x2a/0xf", "matches no packet"},
    {CHILD, "mark_out", "%unique-dir", "1/", "is not a mark"},
    {CHILD, "mark_out", "0/0xff", "0x12345678/0x7fffffff", "needs a name: 'device = NAME'"},
    {CHILD, "set_mark_in", "%same", "%unique", "is not a mark to set"},
    {CHILD, "set_mark_out", "0", "1", "not supported by ikat: outer packets have a mark"},
    {CHILD, "device", "branch0", "1234567890123456", "is not a name that an interface can have"},
    {CHILD, "mark_in_sa", "no", "yes", "not supported by ikat"},
    {CHILD, "label_mode", "selinux", "none", "is not one of system, simple, selinux"},
    {CHILD, "start_action", "trap|start", "trap,start", "is not one of none, trap, start"},
    {CHILD, "label", NULL, "x", "not supported by ikat: security labels"},
    {CHILD, "hw_offload", "no", "packet", "not supported by ikat"},
    {CHILD, "per_cpu_sas", "encap", "x", "is not one of no, yes, encap"},
    {CHILD, "sha256_96", "no", "yes", "not supported by ikat"},
    {POOL, "addrs", "fd00::/120", "pool", "is not a subnet or a range"},
    {POOL, "dns", "192.0.2.53, 2001:db8::53", "dns.example", "is not an address"},
    {POOL, "encrypted_dns", NULL, "192.0.2.53", "'encrypted_dns_name' is missing"},
    {POOL, "encrypted_dns", NULL, "dns.example", "is not an address"},
    {POOL, "encrypted_dns_name", NULL, "dns.example", "'encrypted_dns' is missing"},
    {POOL, "encrypted_dns_name", NULL, "a b", "is not a domain name"},
    {POOL, "encrypted_dns_port", "8853", "0", "0 is not a port"},
    {POOL, "encrypted_dns_port", "853", "65536", "is too large"},
    {POOL, "subnet", "10.0.0.0/8", "10.0.0.1-10.0.0.9", "is not a subnet"},
    {POOL, "split_include", "10.0.0.0/8", "x", "is not a subnet"},
    {POOL, "dns_domains", NULL, "a.example", "'dns' is missing"},
    {POOL, "dns_domains", NULL, "a..example", "is not a DNS domain"},
    {POOL, "25", NULL, "a/b", "is not a DNS domain"},
    {POOL, "nbns", NULL, "10.0.0.1", "not supported by ikat: only dns"},
    {POOL, "split_exclude", NULL, "10.0.0.1", "not supported by ikat"},
    {POOL, "28673", NULL, "x", "not supported by ikat"},
    {SECRET, "secret", "a", "0xabc", "is empty, too long, or not valid"},
    {SECRET, "secret", "0sYWJj", "0s*", "is empty, too long, or not valid"},
    {SECRET, "id-a", "alice", NULL, NULL},
    {SECRET, "file", NULL, "x", "unknown key, 'secret' and 'id...' are expected"},
    {SERVER, "auth_port", "1645", "65536", "at most 65535"},
    {SERVER, "preference", "-7", "1001", "a number from -1000 to 1000"},
    {SERVER, "class_group", "yes", "x", "is not yes or no"},
    {SERVER, "accounting_interval", "10m", "x", "is not a time"},
    {SERVER, "dae_port", "1700", "x", "is not a number"},
    {SERVER, "retransmit_tries", "0", "11", "0 to 10 are possible"},
    {SERVER, "retransmit_timeout", "100ms", "31s", "100ms to 30s are possible"},
    {SERVER, "dead_time", "1h", "0", "1s to 1h are possible"},
    {SERVER, "max_requests", "1", "1025", "1 to 1024 are possible"},
};

static int check_text(const char *text, struct build_error *error)
{
    struct settings settings;
    error->text[0] = '\0';
    int err = settings_parse("t.conf", span_text(text), NULL, &settings);
    if (err != 0)
        (void)snprintf(error->text, sizeof(error->text), "%s", settings.error);
    else
        err = config_check(settings.root, error);
    settings_done(&settings);
    return err;
}

static unsigned line_of(const char *frame)
{
    unsigned line = 1;
    for (const char *end = strstr(frame, "%s"); frame < end; frame++)
        line += *frame == '\n';
    return line;
}

/* row_check - one value of a key. `why` NULL: accepted; else the error "t.conf:line: key: ...why". */
static void row_check(const struct row *row, const char *value, const char *why)
{
    char line[256], text[1024], place[128];
    struct build_error error = {.text = ""};
    (void)snprintf(line, sizeof(line), "%s = %s", row->key, value);
    (void)snprintf(place, sizeof(place), "t.conf:%u: %s: ", line_of(frames[row->place]), row->key);
    const char *frame = frames[row->place], *gap = strstr(frame, "%s");
    (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(gap - frame), frame, line, gap + 2);
    int err = check_text(text, &error);
    if (why == NULL && err != 0)
        fail_msg("'%s' was refused: %s", line, error.text);
    if (why != NULL && err != ERR_INVALID)
        fail_msg("'%s' was taken", line);
    if (why != NULL && (strncmp(error.text, place, strlen(place)) != 0 ||
                        strstr(error.text + strlen(place), why) == NULL))
        fail_msg("'%s': '%s...%s' was expected, not '%s'", line, place, why, error.text);
}

static void every_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].good != NULL)
            row_check(&rows[i], rows[i].good, NULL);
        if (rows[i].bad != NULL)
            row_check(&rows[i], rows[i].bad, rows[i].why);
    }
}

/* Keys in capitals are the same keys, and an error still finds its line. */
static void capitals(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char key[64];
        struct row row = rows[i];
        size_t len = strlen(row.key);
        for (size_t c = 0; c <= len; c++)
            key[c] = (char)(row.key[c] >= 'a' && row.key[c] <= 'z' ? row.key[c] - 32 : row.key[c]);
        row.key = key;
        if (row.good != NULL && row.place != LOCAL)
            row_check(&row, row.good, NULL);
        if (row.bad != NULL)
            row_check(&row, row.bad, row.why);
    }
}

/* --- what is wrong with a whole --- */

static void whole_files(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want; /* NULL: fine */
    } table[] = {
        {"", NULL},
        {"connections {\n}\nsecrets {\n}\npools {\n}\n", NULL},
        {"conections {\n}\n", "t.conf:1: conections: unknown section, did you mean 'connections'?"},
        {"zebra {\n x {\n mobike = no }\n}\nconnections {\n a : zebra.x {\n" AUTH "}\n}\n", NULL},
        {"zebra {\n mobik = no\n}\nconnections {\n a : zebra {\n" AUTH "}\n}\n",
         "t.conf:2: mobik: unknown key, did you mean 'mobike'?"},
        {"authorities {\n}\n", NULL},
        {"authorities {\n a {\n cert_uri_base = http://x/\n}\n}\n", "2: a: 'cacert' is missing"},
        {"authorities {\n a {\n cacert = x\n}\n}\n", "t.conf:3: cacert: is no X.509 certificate"},
        {"authorities {\n a {\n crl_uris = x\n}\n}\n", "t.conf:3: crl_uris: 'x' is no URI"},
        {"authorities {\n a {\n cert_uri_base = https://x/\n}\n}\n", "is no http URL"},
        {"zebra {\n}\n", "t.conf:1: zebra: unknown section"},
        {"connections = 1\n", "t.conf:1: connections: is a key"},
        {"connections {\n a = 1\n}\n", "t.conf:2: a: a section is expected"},
        {"connections {\n a {\n multipth = x\n" AUTH "}\n}\n",
         "t.conf:3: multipth: unknown key, did you mean 'multipath'?"},
        {"connections {\n a {\n qqqqqqqqq = x\n" AUTH "}\n}\n", "t.conf:3: qqqqqqqqq: unknown key"},
        {"connections {\n a {\n child { }\n" AUTH "}\n}\n",
         "t.conf:3: child: unknown section, children, paths, classes, local... and remote... are "
         "expected"},
        {"connections {\n a {\n}\n}\n", NULL}, /* pubkey on both sides, as in strongSwan */
        {"connections {\n a {\n local { id = x }\n}\n}\n", NULL},
        {"connections {\n a {\n local-1 { auth = psk }\n local-2 { auth = psk }\n}\n}\n", NULL},
        {"connections {\n a {\n local-1 {\n }\n local-2 {\n }\n local-3 {\n }\n local-4 {\n }\n"
         " local-5 {\n }\n}\n}\n",
         "t.conf:11: local-5: more than 4 rounds"},
        {"connections {\n a {\n local { auth = eap-md5 }\n remote { auth = eap-tls }\n}\n}\n",
         "t.conf:2: a: eap-md5 has no key"},
        {"connections {\n a {\n local { auth = psk }\n remote { auth = eap-gtc }\n}\n}\n", NULL},
        {"connections {\n a {\n local {\n cert-x {\n file = /x\n }\n}\n}\n}\n",
         "t.conf:4: cert-x: ikatd reads files at start"},
        {"connections {\n a {\n" AUTH " paths {\n p { weight = 1 }\n}\n}\n}\n",
         "t.conf:6: p: 'interface' is missing"},
        {"connections {\n a {\n" AUTH " paths {\n p { interface = a\n weight = 0 }\n}\n}\n}\n",
         "p: weight must be at least 1"},
        {"connections {\n a {\n" AUTH " paths {\n p = 1\n}\n}\n}\n", "a section per path"},
        {"connections {\n a {\n" AUTH " children {\n p = 1\n}\n}\n}\n", "a section per child"},
        {"connections {\n a {\n" AUTH
         " children { c {\n rekey_time = 2h\n life_time = 1h\n}}\n}\n}\n",
         "rekey_time: longer than life_time"},
        {"connections {\n a {\n" AUTH
         " children { c {\n rekey_bytes = 2\n life_bytes = 1\n}}\n}\n}\n",
         "rekey_bytes: more than life_bytes"},
        {"connections {\n a {\n pools = here, gone\n" AUTH
         "}\n}\npools {\n here {\n addrs = 10.0.0.0/8\n"
         "}\n}\n",
         "t.conf:3: pools: there is no pool 'gone'"},
        {"pools {\n a {\n}\n}\n", "t.conf:2: a: 'addrs' is missing"},
        {"pools {\n a {\n addr = 10.0.0.0/8\n}\n}\n", "did you mean 'addrs'?"},
        {"secrets {\n ike {\n}\n}\n", "t.conf:2: ike: 'secret' is missing"},
        {"secrets {\n xauth-x {\n secret = 1\n}\n}\n", "t.conf:2: xauth-x: not supported"},
        {"secrets {\n ike {\n secret =\n}\n}\n", "t.conf:3: secret: is empty"},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct build_error error = {.text = ""};
        int err = check_text(table[i].text, &error);
        if ((table[i].want == NULL) != (err == 0))
            fail_msg("%zu: %s", i, err == 0 ? "taken" : error.text);
        if (table[i].want != NULL && strstr(error.text, table[i].want) == NULL)
            fail_msg("'%s' was expected, not '%s'", table[i].want, error.text);
    }
}

/* --- what comes out --- */

static struct conn_credentials credentials;

static struct ike_conn *build(const char *more)
{
    char text[1024];
    struct settings settings;
    struct build_error error = {.text = ""};
    struct ike_conn *conn = NULL;
    (void)snprintf(text, sizeof(text), "a {\n%s\n" AUTH "children { n { } } }\n", more);
    assert_int_equal(settings_parse("t.conf", span_text(text), NULL, &settings), 0);
    if (conn_build(settings.root->first, &conn, &credentials, &error) != 0)
        fail_msg("%s", error.text);
    settings_done(&settings);
    return conn;
}

static void defaults(void **state)
{
    (void)state;
    struct ike_conn *conn = build("");
    const struct ike_child_policy *child = &conn->children[0];
    assert_string_equal(conn->name, "a");
    assert_true(conn->mobike);
    assert_false(conn->encap);
    assert_int_equal(conn->keyingtries, 1);
    assert_int_equal(conn->lifetime.rekey_ns / NANOS_PER_SEC, 4 * 3600);
    assert_int_equal(conn->lifetime.life_ns / NANOS_PER_SEC, 4 * 3600 + 24 * 60);
    assert_int_equal(conn->lifetime.jitter_ns / NANOS_PER_SEC, 24 * 60);
    assert_int_equal(conn->reauth_ns, 0);
    assert_int_equal(conn->dpd_delay_ns, 0);
    assert_int_equal(conn->dpd_timeout_ns, 0);
    assert_int_equal(conn->dead_peer_ns / NANOS_PER_SEC, 3600);
    assert_int_equal(conn->clone, IKE_CLONE_BOTH);
    assert_int_equal(conn->prefer, IKE_CLONE_KEEP_OLD);
    assert_int_equal(conn->mesh, IKE_MESH_FIRST);
    assert_int_equal(conn->multipath, IKE_MULTIPATH_FAILOVER);
    assert_int_equal(conn->max_ike_sas, 8);
    assert_int_equal(conn->probe_interval_ns, NANOS_PER_SEC);
    assert_int_equal(conn->failover_ns, 2 * NANOS_PER_SEC);
    assert_int_equal(conn->stable_for_ns, 5 * NANOS_PER_SEC);
    assert_int_equal(conn->unused_old_timeout_ns, 120 * NANOS_PER_SEC);
    assert_true(conn->proposals.n > 0);
    assert_int_equal(child->replay_window, 1024);
    assert_int_equal(child->lifetime.rekey_ns / NANOS_PER_SEC, 3600);
    assert_int_equal(child->lifetime.life_ns / NANOS_PER_SEC, 3960);
    assert_int_equal(child->lifetime.jitter_ns / NANOS_PER_SEC, 360);
    assert_int_equal(child->lifetime.life_bytes, 0);
    assert_true(child->copy_ecn && child->copy_dscp_out && !child->copy_dscp_in);
    assert_int_equal(child->local_ts.n_dynamic, 1);
    assert_int_equal(child->remote_ts.n_dynamic, 1);
    assert_true(child->proposals.n > 0);
    ike_conn_unref(conn);
    conn = build("reauth_time = 10h\nfailover = 700ms\nprobe_interval = 50ms");
    assert_int_equal(conn->lifetime.rekey_ns, 0); /* reauthentication takes its place */
    assert_int_equal(conn->lifetime.life_ns / NANOS_PER_SEC, 11 * 3600);
    assert_true(conn->failover_ns == 700 * NANOS_PER_MS && conn->failover_busy_ns == 0);
    assert_true(conn->probe_idle_ns == 0);
    ike_conn_unref(conn);
}

/* same_twice - what is built from the same text is the same, octet by octet. */
static void same_twice(const char *text)
{
    struct settings settings;
    struct build_error error = {.text = ""};
    struct ike_conn *conns[2] = {NULL, NULL};
    assert_int_equal(settings_parse("t.conf", span_text(text), NULL, &settings), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(conn_build(settings.root->first->first, &conns[i], &credentials, &error),
                         0);
        conn_credentials_done(&credentials);
    }
    if (!ike_conn_same(conns[0], conns[1]))
        fail_msg("built twice, and not the same: %s", text);
    conns[1]->keyingtries++;
    assert_false(ike_conn_same(conns[0], conns[1]));
    ike_conn_unref(conns[0]);
    ike_conn_unref(conns[1]);
    settings_done(&settings);
}

static void same_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char line[256], text[1024];
        if (rows[i].good == NULL || rows[i].place >= POOL)
            continue;
        const char *frame = frames[rows[i].place], *gap = strstr(frame, "%s");
        (void)snprintf(line, sizeof(line), "%s = %s", rows[i].key, rows[i].good);
        (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(gap - frame), frame, line, gap + 2);
        same_twice(text);
    }
}

static void failover_follows(void **state)
{
    (void)state;
    static const struct {
        const char *more;
        int failover_ms, idle_ms; /* idle_ms: between probes of a session that carries nothing */
    } table[] = {{"", 2000, 10000},
                 {"probe_interval = 10ms", 400, 0},
                 {"probe_interval = 100ms", 400, 0},
                 {"probe_interval = 200ms", 800, 0},
                 {"probe_interval = 500ms", 2000, 0},
                 {"probe_interval = 5s", 2000, 0}};
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct ike_conn *conn = build(table[i].more);
        assert_int_equal(conn->failover_ns / NANOS_PER_MS, table[i].failover_ms);
        assert_true(conn->failover_busy_ns == 750 * NANOS_PER_MS);
        assert_int_equal(conn->probe_idle_ns / NANOS_PER_MS, table[i].idle_ms);
        ike_conn_unref(conn);
    }
}

static void secrets(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
        size_t len, owners;
    } table[] = {
        {"ike { secret = plain text }", "plain text", 10, 0},
        {"ike { secret = \"a secret of more than sixty-four octets, as RFC 7296 section 2.15 has "
         "it\" }",
         "a secret of more than sixty-four octets, as RFC 7296 section 2.15 has it", 72, 0},
        {"ike-1 { secret = 0x6162FF }", "ab\xff", 3, 0},
        {"ike-1 { secret = 0sYWJjZA== }", "abcd", 4, 0},
        {"ike { secret = \"0xno }\"\n id = %any }", NULL, 0, 0},
        {"ike { secret = x\n id = %any\n id-a = alice\n id-b = 192.0.2.1 }", "x", 1, 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct settings settings;
        struct build_error error = {.text = ""};
        struct engine_secret secret;
        uint8_t octets[SECRET_OCTETS_MAX];
        assert_int_equal(settings_parse("t.conf", span_text(table[i].text), NULL, &settings), 0);
        int err = secret_build(settings.root->first, octets, &secret, &error);
        assert_int_equal(err == 0, table[i].want != NULL);
        if (err == 0) {
            assert_int_equal(secret.n_octets, table[i].len);
            assert_memory_equal(octets, table[i].want, table[i].len);
            assert_int_equal(secret.n_owners, table[i].owners);
        } else {
            assert_null(strstr(error.text, "no }")); /* a secret is never repeated */
        }
        settings_done(&settings);
    }
}

/* --- hostile --- */

static char *repeated(const char *head, const char *item, size_t n, const char *tail)
{
    char *text = malloc(strlen(head) + n * (strlen(item) + 8) + strlen(tail) + 1), *at = text;
    assert_non_null(text);
    at += sprintf(at, "%s", head);
    for (size_t i = 0; i < n; i++) {
        const char *gap = strstr(item, "%");
        at += gap == NULL ? sprintf(at, "%s", item)
                          : sprintf(at, "%.*s%zu%s", (int)(gap - item), item, i, gap + 1);
    }
    (void)sprintf(at, "%s", tail);
    return text;
}

static void too_many(void **state)
{
    (void)state;
    static const struct {
        const char *head, *item;
        size_t n;
        const char *tail, *want;
    } table[] = {
        {"connections { a {\n" AUTH " children {\n", "c% { }\n", 17, "} } }\n", "more than 16 chi"},
        {"connections { a {\n" AUTH " paths {\n", "p% { interface = x }\n", 17, "} } }\n",
         "more than 16"},
        {"connections { a {\n" AUTH " vips = ", "0.0.0.0, ", 9, "\n} }\n", "more than 8 addr"},
        {"connections { a {\n" AUTH " remote_addrs = ", "10.0.0.1, ", 9, "\n} }\n", "more than 8"},
        {"connections { a {\n" AUTH " proposals = ", "default, ", 40, "\n} }\n", NULL},
        {"connections { a {\n" AUTH " proposals = ", "aes128gcm16-prfsha256-x25519, ", 17,
         "\n} }\n", "more than 16 proposals"},
        {"connections { a {\n" AUTH " children { c { local_ts = ", "10.0.0.1, ", 17, "\n} } } }\n",
         "too many selectors"},
        {"connections { a {\n" AUTH " children { c { local_ts = ", "dynamic, ", 99, "\n} } } }\n",
         "too many dynamic"},
        {"connections { ", "x", 64, " {\n" AUTH "} }\n", "a name has 1 to 63 characters"},
        {"connections { ", "x", 300, " {\n" AUTH "} }\n", "more than 255 characters"},
        {"connections { a {\n" AUTH " remote { id = ", "x", 4096, "\n} } }\n",
         "is not an identity"},
        {"connections { a {\n" AUTH " children { c { local_ts = ", "1", 4096, "\n} } } }\n",
         "too long"},
        {"secrets { ike { secret = ", "x", 513, "\n} }\n", "too long"},
        {"secrets { ike { secret = x\n", "id% = a%any\n", 9, "} }\n", "more than 8 identities"},
        {"pools { a { addrs = 10.0.0.0/8\n dns = ", "10.0.0.1, ", 9, "\n} }\n", "one too many"},
        {"pools { a { addrs = 10.0.0.0/8\n encrypted_dns_name = a.b\n encrypted_dns = ",
         "10.0.0.1, ", 5, "\n} }\n", "one too many"},
        {"pools { a { addrs = 10.0.0.0/8\n encrypted_dns = 10.0.0.1\n encrypted_dns_name = ", "a.",
         64, "b\n} }\n", "longer than 127"},
        {"pools { a { addrs = 10.0.0.0/8\n dns = 10.0.0.1\n dns_domains = ",
         "aaaaaaaaaa, aaaaaaaaaa.b, aaaaaaaaaa.c, aaaaaaaaaaaaaaaaaaaa.d, "
         "aaaaaaaaaaaaaaaaaaaa.d.e, ",
         1, "\n} }\n", NULL},
        {"pools { a { addrs = 10.0.0.0/8\n subnet = ", "10.0.0.0/8, ", 9, "\n} }\n",
         "one too many"},
        {"", "a { ", 100, "", "t.conf:"},
        {"connections { a {\n" AUTH " rekey_time = ", "9", 400, "\n} }\n", "is not a time"},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char *text = repeated(table[i].head, table[i].item, table[i].n, table[i].tail);
        struct build_error error = {.text = ""};
        int err = check_text(text, &error);
        if ((err == 0) != (table[i].want == NULL))
            fail_msg("%zu: %s", i, err == 0 ? "taken" : error.text);
        if (table[i].want != NULL && strstr(error.text, table[i].want) == NULL)
            fail_msg("%zu: '%s' was expected, not '%s'", i, table[i].want, error.text);
        free(text);
    }
}

/* The largest accepted values do not overflow. */
static void giant_values(void **state)
{
    (void)state;
    struct ike_conn *conn = build("rekey_time = 26687d\nover_time = 26687d\nrand_time = 26687d\n"
                                  "dpd_delay = 26687d\nstable_for = 26687d\nfailover = 26687d\n"
                                  "keyingtries = 4294967295\n"
                                  "children { n { rekey_bytes = 8589934591g\n"
                                  "rekey_packets = 18446744073709551615\nrekey_time = 26687d } }");
    const struct ike_lifetime *child = &conn->children[0].lifetime;
    assert_true(conn->lifetime.life_ns > conn->lifetime.rekey_ns);
    assert_true(child->life_ns > child->rekey_ns);
    assert_true(child->life_bytes >= child->rekey_bytes);
    assert_true(child->life_packets >= child->rekey_packets);
    ike_conn_unref(conn);
}

/* All errors, in the order of the file. Sections that inherit the same error report it once. */
static void all_errors(void **state)
{
    (void)state;
    static const char *const want[] = {":3: mobike: ",
                                       ":4: proposals: unknown algorithm 'x'",
                                       ":4: proposals: unknown algorithm 'y'",
                                       ":6: auth: ",
                                       ":9: esp_proposals: ",
                                       ":10: nothing: ",
                                       ":13: pools: ",
                                       ":18: colour: ",
                                       ":19: addrs: ",
                                       ":20: secret: "};
    char path[] = "/tmp/ikat-config-XXXXXX";
    static struct build_errors all;
    struct build_error error = {.all = &all};
    struct settings settings;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    (void)fputs(
        "connections {\n a {\n  mobike = 2\n  proposals = x, aes128-y, default\n  local {\n"
        "   auth = none\n  }\n  remote { auth = psk }\n  children { n { esp_proposals = des\n"
        "    nothing = 1 } }\n }\n b : connections.a {\n  pools = p\n }\n}\n"
        "pools {\n q {\n  colour = red\n  addrs = x } }\nsecrets { ike-a { secret = 0xabc } }\n",
        file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(config_load(path, &settings, &error), ERR_INVALID);
    assert_int_equal(unlink(path), 0);
    assert_string_equal(error.text, all.text[0]);
    assert_int_equal(all.n, ARRAY_LEN(want));
    assert_false(all.more);
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        if (strstr(all.text[i], want[i]) == NULL)
            fail_msg("'%s' instead of '%s'", all.text[i], want[i]);
}

static void files(void **state)
{
    (void)state;
    char path[] = "/tmp/ikat-config-XXXXXX";
    struct settings settings;
    struct build_error error = {.text = ""};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 65 * 1024 * 1024), 0);
    assert_int_equal(close(fd), 0);
    FILE *file;
    assert_int_equal(config_load(path, &settings, &error), ERR_INVALID);
    assert_non_null(strstr(error.text, "is larger than 64 MiB"));
    static const char nul[] = "connections {\n a {\n mobike = y\0s\n}\n}\n";
    file = fopen(path, "w");
    assert_int_equal(fwrite(nul, 1, sizeof(nul) - 1, file), sizeof(nul) - 1);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(config_load(path, &settings, &error), ERR_INVALID);
    assert_non_null(strstr(error.text, ":3: "));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(config_load(path, &settings, &error), ERR_INVALID);
    assert_non_null(strstr(error.text, "No such file"));
}

/* refused - a file with this mode, or a FIFO, is not read. */
static void refused(const char *path, mode_t mode, bool fifo, const char *why)
{
    static const char text[] = "connections {\n}\n";
    struct settings settings;
    struct build_error error = {.text = ""};
    if (fifo) {
        assert_int_equal(mkfifo(path, mode), 0);
    } else {
        FILE *file = fopen(path, "w");
        assert_int_equal(fwrite(text, 1, sizeof(text) - 1, file), sizeof(text) - 1);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(chmod(path, mode), 0);
    }
    assert_int_equal(config_load(path, &settings, &error), ERR_INVALID);
    if (strstr(error.text, why) == NULL)
        fail_msg("'%s' instead of '%s'", error.text, why);
    assert_int_equal(unlink(path), 0);
}

/* D20, G2, G11: a FIFO does not block us. A file that other users can write is refused. */
static void hostile_files(void **state)
{
    (void)state;
    char folder[] = "/tmp/ikat-config-XXXXXX", path[64];
    struct settings settings;
    struct build_error error = {.text = ""};
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/x.conf", folder);
    refused(path, 0600, true, "is not a regular file");
    refused(path, 0666, false, "can be written by everybody");
    assert_int_equal(config_load("/dev/zero", &settings, &error), ERR_INVALID);
    assert_non_null(strstr(error.text, "is not a regular file"));
    assert_int_equal(rmdir(folder), 0);
}

/* G7: short secrets, and secrets that others can read. */
static void warnings(void **state)
{
    (void)state;
    static const char text[] = "secrets {\n ike-a {\n  secret = short\n }\n"
                               " ike-b {\n  secret = \"sixteen letters!\"\n }\n"
                               " ppk-a {\n  secret = \"not quite thirty-two octets....\"\n }\n"
                               " ppk-b {\n  secret = \"these are the thirty-two octets.\"\n }\n}\n";
    static struct build_errors found;
    char path[] = "/tmp/ikat-config-XXXXXX", want[128];
    struct settings settings;
    struct build_error error = {.text = "", .warnings = &found};
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    assert_int_equal(close(fd), 0);
    for (int open = 0; open < 2; open++) {
        found = (struct build_errors){.n = 0};
        assert_int_equal(chmod(path, open ? 0644 : 0600), 0);
        assert_int_equal(config_load(path, &settings, &error), 0);
        settings_done(&settings);
        assert_int_equal(found.n, open ? 6 : 2);
        (void)snprintf(want, sizeof(want), "%s:3: secret: a secret of less than 16", path);
        assert_non_null(strstr(found.text[0], want));
        (void)snprintf(want, sizeof(want), "%s:2: ike-a: the file has secrets, and others", path);
        assert_true(!open || strstr(found.text[1], want) != NULL);
        (void)snprintf(want, sizeof(want), "%s:9: secret: a PPK of less than 32 octets", path);
        assert_non_null(strstr(found.text[open ? 3 : 1], want));
    }
    assert_int_equal(unlink(path), 0);
}

/* Selectors are printed as they were written, with names where names exist. */
static void selectors(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } table[] = {
        {"10.0.0.0/8", "10.0.0.0/8"},
        {"10.0.0.1-10.0.0.9[tcp]", "10.0.0.1..10.0.0.9[tcp]"},
        {"10.1.0.0/16[6/22]", "10.1.0.0/16[tcp/ssh]"},
        {"::/0[17/32768-65535]", "::/0[udp/32768-65535]"},
        {"::/0[250/9]", "::/0[250/9]"},
        {"0.0.0.0/0[/53]", "0.0.0.0/0[0/domain]"},
        {"0.0.0.0/0[sctp/opaque]", "0.0.0.0/0[sctp/opaque]"},
        {"dynamic", "dynamic"},
        {"dynamic[tcp/0-443]", "dynamic[tcp/0-443]"},
        {"dynamic[icmp]", "dynamic[icmp]"},
        {"dynamic[icmp/2048]", "dynamic[icmp/8]"},
        {"10.0.0.0/8[icmp/772]", "10.0.0.0/8[icmp/3(4)]"},
        {"dynamic[ipv6-icmp/33024-33791]", "dynamic[ipv6-icmp/129-131(255)]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct ike_ts room[POLICY_TS];
        struct ike_ts_policy policy = {.fixed = {.ts = room}};
        char text[TS_TEXT_MAX];
        assert_null(ts_build(table[i].in, &policy));
        assert_string_equal(ts_policy_print(&policy, 0, text), table[i].out);
        assert_null(ts_policy_print(&policy, 1, text));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key),        cmocka_unit_test(capitals),
        cmocka_unit_test(whole_files),      cmocka_unit_test(defaults),
        cmocka_unit_test(failover_follows), cmocka_unit_test(same_again),
        cmocka_unit_test(secrets),          cmocka_unit_test(too_many),
        cmocka_unit_test(giant_values),     cmocka_unit_test(files),
        cmocka_unit_test(hostile_files),    cmocka_unit_test(warnings),
        cmocka_unit_test(all_errors),       cmocka_unit_test(selectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
