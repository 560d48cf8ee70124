/* SPDX-License-Identifier: Apache-2.0 */
/* Converts the keys of ipsec.conf to those of ikat.conf(5). */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "control/values.h"
#include "ctl/config_text.h"
#include "ctl/config_view.h"
#include "ctl/import.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* struct conversion - the conversion of one `conn` section. */
struct conversion {
    struct import *import;
    const struct tree *from; /* its keys, merged; `left` is ours */
    const char *name;
    struct tree *conn, *child, *local, *remote;
    bool swapped; /* `right` is ours */
    bool refused;
};

static void remark(struct import *import, const char *kind, const struct tree *about,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

static void remark(struct import *import, const char *kind, const struct tree *about,
                   const char *format, ...)
{
    char where[FINDING_WHERE], text[384];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    findings_add(&import->remarks, kind, findings_where(about, where), "%s", text);
}

/* value_of - the value of a key; NULL: missing. */
static const char *value_of(const struct conversion *c, const char *key)
{
    return config_text(c->from, key, NULL);
}

/* side_key - the key of our side or the peer's side: with the suffix "id" it is leftid or
 * rightid. */
static const struct tree *side_key(const struct conversion *c, bool ours, const char *suffix)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "%s%s", ours != c->swapped ? "left" : "right", suffix);
    return config_key(c->from, name);
}

static const char *side(const struct conversion *c, bool ours, const char *suffix)
{
    const struct tree *node = side_key(c, ours, suffix);
    return node == NULL || tree_value_text(node)[0] == '\0' ? NULL : tree_value_text(node);
}

static void refuse(struct conversion *c, const struct tree *about, const char *why)
{
    remark(c->import, "refused", about, "connection %.60s is left out: %s", c->name, why);
    c->refused = true;
}

static bool is(const char *text, const char *word)
{
    return text != NULL && strcasecmp(text, word) == 0;
}

/* --- features that ikat does not have --- */

static void refuse_foreign(struct conversion *c)
{
    static const struct {
        const char *key, *value, *why; /* value NULL: any */
    } rows[] = {
        {"keyexchange", "ikev1", "it is IKEv1, which ikat does not speak; move the peer to IKEv2"},
        {"ikev2", "no", "it is IKEv1, which ikat does not speak; move the peer to IKEv2"},
        {"ikev2", "never", "it is IKEv1, which ikat does not speak; move the peer to IKEv2"},
        {"aggressive", "yes", "aggressive mode is of IKEv1"},
        {"aggrmode", "yes", "aggressive mode is of IKEv1"},
        {"xauth", NULL, "XAUTH is of IKEv1"},
        {"ah", NULL, "it wants AH; ikat has ESP"},
        {"phase2", "ah", "it wants AH; ikat has ESP"},
        {"authby", "null", "it authenticates nobody"},
        {"authby", "never", "it never authenticates"},
        {"authby", "xauthpsk", "XAUTH is of IKEv1"},
        {"authby", "xauthrsasig", "XAUTH is of IKEv1"},
        {"mediation", "yes", "IKE mediation is not there"},
        {"mediated_by", NULL, "IKE mediation is not there"},
        {"installpolicy", "no", "ikat always enforces the selectors"},
        {"sha2-truncbug", "yes", "it works around a fault of old peers"},
        {"type", "transport_proxy", "this mode is not there"},
        {"type", "beet", "this mode is not there"},
        {"auto", "ignore", "auto = ignore keeps it from being loaded"},
    };
    for (size_t i = 0; i < LEN(rows) && !c->refused; i++) {
        const struct tree *node = config_key(c->from, rows[i].key);
        if (node != NULL && (rows[i].value == NULL || is(tree_value_text(node), rows[i].value)))
            refuse(c, node, rows[i].why);
    }
}

/* --- addresses --- */

static bool any_address(const char *text)
{
    return text == NULL || text[0] == '\0' || is(text, "%any") || is(text, "%any6") ||
           is(text, "%any4") || is(text, "%defaultroute") || is(text, "0.0.0.0") ||
           is(text, "::") || is(text, "%opportunistic") || is(text, "%group");
}

static void convert_addresses(struct conversion *c)
{
    const char *right = config_text(c->from, "right", NULL);
    c->swapped = is(right, "%defaultroute") || is(right, "%config");
    const char *ours = side(c, true, ""), *theirs = side(c, false, "");
    if (!any_address(ours))
        config_put(c->conn, "local_addrs", "%s", ours);
    if (!any_address(theirs))
        config_put(c->conn, "remote_addrs", "%s", theirs);
    if (c->swapped)
        remark(c->import, "differs", c->from, "right is taken for this host, left for the peer");
}

/* --- authentication --- */

/* method_of - the value of `auth` for a side; NULL: refused. */
static const char *method_of(struct conversion *c, bool ours, const char *suffix)
{
    const struct tree *node = side_key(c, ours, suffix);
    if (node == NULL && strcmp(suffix, "auth") == 0)
        node = config_key(c->from, "authby");
    const char *text = node == NULL ? "pubkey" : tree_value_text(node);
    if (strncasecmp(text, "eap-", 4) == 0 || is(text, "eap") || is(text, "psk") ||
        strncasecmp(text, "pubkey", 6) == 0)
        return text;
    if (is(text, "secret"))
        return "psk";
    if (strncasecmp(text, "rsa", 3) == 0 || strncasecmp(text, "ecdsa", 5) == 0)
        return "pubkey";
    refuse(c, node,
           strncasecmp(text, "xauth", 5) == 0 ? "XAUTH is of IKEv1"
                                              : "ikat has no such authentication");
    return NULL;
}

static void convert_id(const struct conversion *c, bool ours, struct tree *to)
{
    const char *id = side(c, ours, "id"), *address = side(c, ours, "");
    if (id != NULL && !is(id, "%fromcert"))
        config_put(to, "id", "%s", id);
    else if (!ours && id == NULL && side(c, false, "cert") == NULL && !any_address(address))
        config_put(to, "id", "%s", address); /* charon's default; ikat's default is any identity */
}

/* convert_certificate - the folder x509 of ikat replaces ipsec.d/certs of strongSwan. */
static void convert_certificate(struct conversion *c, bool ours, struct tree *to)
{
    const struct tree *cert = side_key(c, ours, "cert"), *ca = side_key(c, ours, "ca");
    const struct tree *key = side_key(c, ours, "rsasigkey");
    const char *file = side(c, ours, "cert");
    if (file != NULL && (file[0] == '%' || strpbrk(file, "./") == NULL))
        refuse(c, cert,
               "the certificate is in an NSS database or on a token; export it with pk12util and "
               "openssl pkcs12 into files");
    else if (file != NULL)
        config_put(to, "certs", "%s", file);
    if (key != NULL && tree_value_text(key)[0] == '0')
        refuse(c, key, "a raw RSA key in the form of RFC 3110; take pubkeys with a PEM file");
    if (ca != NULL && !ours && !is(tree_value_text(ca), "%same"))
        refuse(c, ca, "only one CA is trusted, by its name; ikat wants its file: cacerts");
    config_put(to, "pubkeys", "%s", side(c, ours, "sigkey") == NULL ? "" : side(c, ours, "sigkey"));
}

static void convert_side(struct conversion *c, bool ours)
{
    struct tree *to = ours ? c->local : c->remote;
    const char *method = method_of(c, ours, "auth");
    if (method == NULL)
        return;
    config_put(to, "auth", "%s", method);
    convert_id(c, ours, to);
    convert_certificate(c, ours, to);
    const char *eap = value_of(c, "eap_identity");
    if (eap != NULL && strncasecmp(method, "eap", 3) == 0)
        config_put(to, "eap_id", "%s", is(eap, "%identity") ? "%any" : eap);
    if (ours && value_of(c, "aaa_identity") != NULL)
        config_put(to, "aaa_id", "%s", value_of(c, "aaa_identity"));
    if (!ours && side(c, false, "groups") != NULL)
        config_put(to, "groups", "%s", side(c, false, "groups"));
    if (side_key(c, ours, "auth2") == NULL)
        return;
    const char *second = method_of(c, ours, "auth2"), *id = side(c, ours, "id2");
    struct tree *round = config_section(c->conn, ours ? "local-2" : "remote-2", c->from);
    config_put(round, "round", "2");
    config_put(round, "auth", "%s", second == NULL ? "" : second);
    config_put(round, "id", "%s", id == NULL ? "" : id);
}

/* --- selectors and inner addresses --- */

static void convert_selectors(struct conversion *c, bool ours)
{
    const struct tree *node = side_key(c, ours, "subnet");
    const char *subnet = side(c, ours, "subnet"), *ports = side(c, ours, "protoport");
    char text[1024] = "";
    size_t at = 0;
    if (subnet == NULL)
        subnet = side(c, ours, "subnets");
    if (subnet != NULL && strncasecmp(subnet, "vhost:", 6) == 0) {
        refuse(c, node, "vhost: and vnet: are not there; take a pool");
        return;
    }
    if (subnet == NULL && ports == NULL)
        return;
    char *copy = strdup(subnet == NULL ? "dynamic" : subnet), *rest = NULL;
    for (char *one = copy == NULL ? NULL : strtok_r(copy, ", {}", &rest);
         one != NULL && at < sizeof(text); one = strtok_r(NULL, ", {}", &rest))
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s%s%s%s", at == 0 ? "" : ", ",
                               is(one, "%dynamic") ? "dynamic" : one, ports == NULL ? "" : "[",
                               ports == NULL ? "" : ports, ports == NULL ? "" : "]");
    free(copy);
    if (at >= sizeof(text))
        refuse(c, node, "too many subnets");
    config_put(c->child, ours ? "local_ts" : "remote_ts", "%s", text);
}

/* pool_of - the name of the pool with these addresses, made if it is missing. */
static const char *pool_of(struct conversion *c, const char *addrs)
{
    struct tree *pools = config_section(c->import->root, "pools", c->from);
    for (struct tree *pool = pools == NULL ? NULL : pools->first; pool != NULL; pool = pool->next)
        if (is(config_text(pool, "addrs", ""), addrs))
            return pool->name;
    char name[64];
    (void)snprintf(name, sizeof(name), "%.50s-%u", c->name,
                   addrs[strcspn(addrs, ":")] != '\0' ? 6 : 4);
    struct tree *pool = config_section(pools, name, c->from);
    config_put(pool, "addrs", "%s", addrs);
    const char *dns = side(c, false, "dns");
    config_put(pool, "dns", "%s", dns != NULL ? dns : config_text(c->from, "modecfgdns", ""));
    return pool == NULL ? "" : pool->name;
}

static void convert_pools(struct conversion *c)
{
    const struct tree *node = side_key(c, false, "sourceip");
    char names[256] = "";
    size_t at = 0;
    if (node == NULL)
        node = side_key(c, false, "addresspool");
    char *copy = node == NULL ? NULL : strdup(tree_value_text(node)), *rest = NULL;
    for (char *one = copy == NULL ? NULL : strtok_r(copy, ", ", &rest);
         one != NULL && at < sizeof(names); one = strtok_r(NULL, ", ", &rest)) {
        if (is(one, "%config") || is(one, "%config4") || is(one, "%config6"))
            continue; /* the peer may have any address that it asks for */
        if (one[0] == '%' && !is(one, "%radius"))
            refuse(c, node,
                   "addresses come from a pool of ikat.conf, not from %dhcp or a database");
        else
            at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", at == 0 ? "" : ", ",
                                   one[0] == '%' ? one + 1 : pool_of(c, one));
    }
    free(copy);
    if (at >= sizeof(names))
        refuse(c, node, "too many pools");
    config_put(c->conn, "pools", "%s", names);
}

static void convert_vips(struct conversion *c)
{
    const struct tree *node = side_key(c, true, "sourceip");
    const char *text = node == NULL ? NULL : tree_value_text(node);
    bool client = is(side(c, true, "modecfgclient"), "yes");
    if (client || is(text, "%config") || is(text, "%config4") || is(text, "%modeconfig"))
        config_put(c->conn, "vips", "0.0.0.0");
    else if (is(text, "%config6"))
        config_put(c->conn, "vips", "::");
    else if (is(text, "%config4,%config6") || is(text, "%config,%config6"))
        config_put(c->conn, "vips", "0.0.0.0, ::");
    else if (text != NULL && text[0] != '%' && side(c, true, "subnet") != NULL)
        remark(c->import, "left-out", node,
               "the source address of this host: ikat takes the route's; see local_ts");
    else if (text != NULL && text[0] != '%')
        config_put(c->conn, "vips", "%s", text);
}

/* --- algorithms --- */

/* token_of - converts the name of a transform from libreswan's spelling to that of swanctl.conf. */
static void token_of(const char *token, char out[32])
{
    static const struct {
        const char *theirs, *ours;
    } words[] = {
        {"sha2", "sha256"},
        {"sha2_256", "sha256"},
        {"sha2_384", "sha384"},
        {"sha2_512", "sha512"},
        {"dh14", "modp2048"},
        {"dh15", "modp3072"},
        {"dh16", "modp4096"},
        {"dh18", "modp8192"},
        {"dh19", "ecp256"},
        {"dh20", "ecp384"},
        {"dh21", "ecp521"},
        {"dh31", "x25519"},
        {"aes_gcm", "aes256gcm16"},
        {"aes_gcm128", "aes128gcm16"},
        {"aes_gcm256", "aes256gcm16"},
        {"aes_gcm_c128", "aes128gcm16"},
        {"aes_gcm_c256", "aes256gcm16"},
        {"chacha20_poly1305", "chacha20poly1305"},
        {"curve25519", "x25519"},
    };
    for (size_t i = 0; i < LEN(words); i++)
        if (strcasecmp(words[i].theirs, token) == 0) {
            (void)snprintf(out, 32, "%s", words[i].ours);
            return;
        }
    (void)snprintf(out, 32, "%.31s", token);
}

/* convert_algorithms - converts a list such as "aes256-sha2_512;modp2048, aes128!" to proposals.
 * Without the "!" at the end, charon adds its defaults. */
static void convert_algorithms(struct conversion *c, const char *key, struct tree *to,
                               const char *name)
{
    const char *text = config_text(c->from, key, ""), *one = text;
    char list[512] = "";
    size_t at = 0;
    while (*one != '\0' && at < sizeof(list)) {
        char word[32], token[32];
        size_t len = strcspn(one, "-;,! "), gap = strspn(one + len, "-;,! ");
        (void)snprintf(word, sizeof(word), "%.*s", (int)(len < 31 ? len : 31), one);
        token_of(word, token);
        const char *between = one[len + gap] == '\0'                ? ""
                              : memchr(one + len, ',', gap) != NULL ? ", "
                                                                    : "-";
        at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s", token, between);
        one += len + gap;
    }
    if (at >= sizeof(list))
        refuse(c, config_key(c->from, key), "too many algorithms");
    else if (at > 0)
        config_put(to, name, "%s%s", list, strpbrk(text, "!;") != NULL ? "" : ", default");
}

/* --- tables --- */

struct row {
    const char *theirs, *ours;
    const char *words[5][2]; /* pairs: the value there, the value here; {NULL}: the same value */
};

static const struct row conn_rows[] = {
    {"dpddelay", "dpd_delay", {{NULL}}},
    {"dpdtimeout", "dpd_timeout", {{NULL}}},
    {"mobike", "mobike", {{NULL}}},
    {"fragmentation", "fragmentation", {{"force", "yes"}}},
    {"forceencaps", "encap", {{NULL}}},
    {"encapsulation", "encap", {{"auto", "no"}}},
    {"keyingtries", "keyingtries", {{"%forever", "0"}}},
    {"ikedscp", "dscp", {{NULL}}},
};

static const struct row child_rows[] = {
    {"type", "mode", {{"passthrough", "pass"}, {"reject", "drop"}}},
    {"auto",
     "start_action",
     {{"add", "none"}, {"route", "trap"}, {"ondemand", "trap"}, {"keep", "none"}, {"up", "start"}}},
    {"dpdaction", "dpd_action", {{"hold", "trap"}}},
    {"closeaction", "close_action", {{"hold", "trap"}, {"clear", "none"}, {"restart", "start"}}},
    {"lifetime", "life_time", {{NULL}}},
    {"keylife", "life_time", {{NULL}}},
    {"salifetime", "life_time", {{NULL}}},
    {"lifebytes", "life_bytes", {{NULL}}},
    {"lifepackets", "life_packets", {{NULL}}},
    {"inactivity", "inactivity", {{NULL}}},
    {"reqid", "reqid", {{NULL}}},
    {"mark", "mark_in", {{NULL}}},
    {"mark_in", "mark_in", {{NULL}}},
    {"mark_out", "mark_out", {{NULL}}},
    {"tfc", "tfc_padding", {{"%mtu", "mtu"}}},
    {"compress", "ipcomp", {{NULL}}},
    {"replay_window", "replay_window", {{NULL}}},
    {"replay-window", "replay_window", {{NULL}}},
};

static void convert_rows(const struct conversion *c, const struct row *rows, size_t n,
                         struct tree *to)
{
    for (size_t i = 0; i < n; i++) {
        const char *text = value_of(c, rows[i].theirs);
        for (size_t w = 0; text != NULL && w < 5 && rows[i].words[w][0] != NULL; w++)
            if (strcasecmp(text, rows[i].words[w][0]) == 0)
                text = rows[i].words[w][1];
        if (text != NULL)
            config_put(to, rows[i].ours, "%s", text);
    }
    if (value_of(c, "mark") != NULL && to == c->child)
        config_put(to, "mark_out", "%s", value_of(c, "mark"));
}

/* known - the key needs no remark: another function converts it, or it concerns IKEv1 only. */
static bool known(const char *key)
{
    static const char *const others[] = {
        "keyexchange",  "ikev2",       "aggressive",    "aggrmode",     "authby",
        "ike",          "esp",         "phase2alg",     "phase2",       "reauth",
        "rekey",        "ikelifetime", "eap_identity",  "aaa_identity", "modecfgdns",
        "ikev1-policy", "modeconfig",  "modecfgpull",   "also",         "left",
        "right",        "auth",        "installpolicy", "margintime",   "rekeymargin",
        "rekeyfuzz",    "pfs",         "xauth",         "mediation",    "sha2-truncbug"};
    static const char *const sides[] = {
        "id",       "auth",        "auth2",         "id2",           "cert",     "ca",
        "sigkey",   "rsasigkey",   "groups",        "subnet",        "subnets",  "protoport",
        "sourceip", "addresspool", "modecfgclient", "modecfgserver", "sendcert", "dns"};
    size_t prefix = strncasecmp(key, "left", 4) == 0    ? 4
                    : strncasecmp(key, "right", 5) == 0 ? 5
                                                        : 0;
    for (size_t i = 0; i < LEN(others); i++)
        if (strcasecmp(key, others[i]) == 0)
            return true;
    for (size_t i = 0; prefix > 0 && i < LEN(sides); i++)
        if (strcasecmp(key + prefix, sides[i]) == 0)
            return true;
    for (size_t i = 0; i < LEN(conn_rows); i++)
        if (strcasecmp(key, conn_rows[i].theirs) == 0)
            return true;
    for (size_t i = 0; i < LEN(child_rows); i++)
        if (strcasecmp(key, child_rows[i].theirs) == 0)
            return true;
    return false;
}

static void remark_unknown(const struct conversion *c)
{
    static const struct {
        const char *key, *why;
    } rows[] = {
        {"leftfirewall", "no rules are made for iptables: packets come from the device of ikatd; "
                         "write the rules yourself"},
        {"rightfirewall", "no rules are made for iptables: packets come from the device of ikatd"},
        {"leftupdown", "PLUTO_INTERFACE is a TUN device; see updown in ikat.conf(5)"},
        {"rightupdown", "PLUTO_INTERFACE is a TUN device; see updown in ikat.conf(5)"},
        {"vti-interface", "take device or if_id_in and if_id_out instead"},
        {"ipsec-interface", "take device or if_id_in and if_id_out instead"},
        {"narrowing", "ikat always accepts narrower selectors"},
    };
    for (const struct tree *key = c->from->first; key != NULL; key = key->next) {
        const char *why = "ikat has no such key";
        for (size_t i = 0; i < LEN(rows); i++)
            if (strcasecmp(rows[i].key, key->name) == 0)
                why = rows[i].why;
        if (!known(key->name))
            remark(c->import, "left-out", key, "%s", why);
    }
}

/* --- times --- */

static void convert_times(const struct conversion *c)
{
    const char *life = config_text(c->from, "ikelifetime", "3h");
    const char *reauth = value_of(c, "reauth");
    bool rekey = config_says(c->from, "rekey", true);
    if (!rekey) {
        config_put(c->conn, "rekey_time", "0");
        config_put(c->child, "rekey_time", "0");
    } else if (is(reauth, "no") || value_of(c, "ikelifetime") == NULL) {
        config_put(c->conn, "rekey_time", "%s", life);
    } else {
        config_put(c->conn, "reauth_time", "%s", life);
        remark(
            c->import, "differs", config_key(c->from, "ikelifetime"),
            "the IKE SA is logged in anew beside the old one, which ends once the new one works; "
            "reauth = no means rekey_time");
    }
    if (value_of(c, "margintime") != NULL || value_of(c, "rekeymargin") != NULL ||
        value_of(c, "rekeyfuzz") != NULL)
        remark(c->import, "differs", c->from,
               "margintime and rekeyfuzz: rekeying begins a tenth before the end, see over_time");
}

/* --- a connection --- */

static void convert_conn(struct conversion *c)
{
    convert_addresses(c);
    convert_side(c, true);
    if (!c->refused)
        convert_side(c, false);
    convert_selectors(c, true);
    convert_selectors(c, false);
    convert_pools(c);
    convert_vips(c);
    convert_rows(c, conn_rows, LEN(conn_rows), c->conn);
    convert_rows(c, child_rows, LEN(child_rows), c->child);
    convert_algorithms(c, "ike", c->conn, "proposals");
    convert_algorithms(c, value_of(c, "esp") != NULL ? "esp" : "phase2alg", c->child,
                       "esp_proposals");
    convert_times(c);
    if (is(config_text(c->child, "dpd_action", ""), "none"))
        config_put(c->conn, "dpd_delay", "0");
    if (is(config_text(c->child, "start_action", ""), "start"))
        remark(c->import, "differs", config_key(c->from, "auto"),
               "without a VPN its packets are blocked from the start of ikatd on; on_failure = "
               "bypass lets them leave in the clear as before");
    config_put(c->conn, "send_cert", "%s",
               side(c, true, "sendcert") == NULL ? "" : side(c, true, "sendcert"));
}

/* conversion_begin - the sections of the connection. false: no memory. */
static bool conversion_begin(struct conversion *c)
{
    struct tree *conns = config_section(c->import->root, "connections", c->from);
    c->conn = config_section(conns, c->name, c->from);
    c->local = config_section(c->conn, "local", c->from);
    c->remote = config_section(c->conn, "remote", c->from);
    c->child = config_section(config_section(c->conn, "children", c->from), c->name, c->from);
    return c->child != NULL && c->local != NULL && c->remote != NULL;
}

static void import_conn(const struct ipsec_conf *conf, const struct tree *section,
                        struct import *import, const char *unique)
{
    struct tree *merged = ipsec_conf_merged(conf, section);
    struct conversion c = {.import = import, .from = merged, .name = section->name + 5};
    if (merged == NULL) {
        remark(import, "refused", section, "`also` leads in a circle, or is too deep");
        return;
    }
    if (value_of(&c, "auto") == NULL) {
        remark(
            import, "refused", section,
            "connection %.60s is left out: without `auto` it is not loaded, only taken by `also`",
            c.name);
        c.refused = true;
    }
    refuse_foreign(&c);
    if (!c.refused && conversion_begin(&c)) {
        convert_conn(&c);
        config_put(c.conn, "unique", "%s", unique);
        remark_unknown(&c);
        if (c.refused)
            tree_remove(tree_get(import->root, "connections"), c.conn);
    }
    tree_free(merged);
}

static void import_ca(const struct ipsec_conf *conf, const struct tree *section,
                      struct import *import)
{
    struct tree *merged = ipsec_conf_merged(conf, section);
    struct tree *authorities = config_section(import->root, "authorities", section);
    struct tree *to = config_section(authorities, section->name + 3, section);
    config_put(to, "cacert", "%s", config_text(merged, "cacert", ""));
    config_put(to, "crl_uris", "%s", config_text(merged, "crluri", ""));
    config_put(to, "ocsp_uris", "%s", config_text(merged, "ocspuri", ""));
    tree_free(merged);
}

void import_ipsec(const struct ipsec_conf *conf, struct import *import)
{
    const struct tree *setup = tree_get(conf->sections, "config setup");
    const char *text = config_text(setup, "uniqueids", "yes");
    const char *unique = is(text, "yes") ? "replace" : text;
    for (const struct tree *key = setup == NULL ? NULL : setup->first; key != NULL; key = key->next)
        if (strcasecmp(key->name, "uniqueids") != 0)
            remark(import, "left-out", key, "of the daemon of before; see ikatd(8)");
    for (const struct tree *section = conf->sections->first; section != NULL;
         section = section->next) {
        if (strchr(section->name, '%') != NULL)
            continue; /* %default */
        if (strncmp(section->name, "conn ", 5) == 0)
            import_conn(conf, section, import, unique);
        else if (strncmp(section->name, "ca ", 3) == 0)
            import_ca(conf, section, import);
    }
    import_ipsec_secrets(conf, import);
}
