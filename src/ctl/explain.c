/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/explain.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "ctl/config_view.h"

#define NAMES_MAX 20 /* identities that are listed by name */

static void sentence(struct tree *list, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void sentence(struct tree *list, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int len = vasprintf(&text, format, arguments);
    va_end(arguments);
    struct tree *item = len < 0 ? NULL : tree_value("", span_of(text, (size_t)len));
    if (item != NULL)
        tree_append(list, item);
    if (len >= 0)
        free(text);
}

/* --- parts of sentences --- */

/* method_words - a value of `auth` in plain words. */
static const char *method_words(const char *auth)
{
    static const struct {
        const char *auth, *words;
    } methods[] = {
        {"psk", "a pre-shared key"},
        {"eap-radius", "an EAP method of the RADIUS server"},
        {"eap-tls", "a certificate (EAP-TLS)"},
        {"eap-ttls", "a password in a TLS tunnel (EAP-TTLS)"},
        {"eap-peap", "a password in a TLS tunnel (EAP-PEAP)"},
        {"eap-mschapv2", "name and password (EAP-MSCHAPv2)"},
        {"eap-md5", "name and password (EAP-MD5)"},
        {"eap-gtc", "name and password (EAP-GTC)"},
        {"eap-aka", "a USIM (EAP-AKA)"},
        {"eap-sim", "a SIM (EAP-SIM)"},
        {"eap", "an EAP method"},
    };
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (strncasecmp(auth, methods[i].auth, strlen(methods[i].auth)) == 0)
            return methods[i].words;
    return "a certificate or public key";
}

/* rounds_words - the methods of all rounds of one side. */
static const char *rounds_words(const struct tree *conn, const char *side, char *text, size_t cap)
{
    size_t at = 0;
    const struct tree *round;
    (void)snprintf(text, cap, "%s", method_words("pubkey"));
    for (unsigned i = 0; (round = config_round(conn, side, i)) != NULL && at < cap; i++)
        at += (size_t)snprintf(text + at, cap - at, "%s%s", i == 0 ? "" : ", then ",
                               method_words(config_text(round, "auth", "pubkey")));
    return text;
}

static const char *own_id(const struct tree *conn)
{
    const struct tree *round = config_round(conn, "local", 0);
    return config_text(round, "id",
                       config_text(round, "certs", NULL) != NULL ? "the subject of its certificate"
                                                                 : "its own address");
}

static const char *peer_id(const struct tree *conn)
{
    return config_text(config_round(conn, "remote", 0), "id", "%any");
}

static bool anybody(const char *pattern)
{
    return strcmp(pattern, "%any") == 0 || strcmp(pattern, "*") == 0;
}

/* --- who may log in --- */

struct names {
    char text[1024];
    size_t at;
    unsigned n;
};

static void name_add(struct names *names, const char *pattern, const char *id)
{
    if (!anybody(pattern) && !anybody(id) && !config_glob(pattern, id))
        return;
    if (names->n++ < NAMES_MAX && names->at < sizeof(names->text))
        names->at +=
            (size_t)snprintf(names->text + names->at, sizeof(names->text) - names->at, "%s%s",
                             names->n == 1 ? "" : ", ",
                             anybody(id) ? "anybody who has the secret without a name" : id);
}

/* names_of - adds the identities of one secret that the connection accepts. A secret without an
 * identity is for any identity. */
static void names_of(const struct tree *secret, const struct tree *conn, struct names *names)
{
    bool any = true;
    for (const struct tree *node = secret->first; node != NULL; node = node->next) {
        if (strncasecmp(node->name, "id", 2) != 0 || tree_value_text(node)[0] == '\0')
            continue;
        any = false;
        if (strcasecmp(tree_value_text(node), own_id(conn)) != 0)
            name_add(names, peer_id(conn), tree_value_text(node));
    }
    if (any)
        name_add(names, peer_id(conn), "%any");
}

static void explain_secrets(struct tree *list, const struct tree *root, const struct tree *conn)
{
    const char *auth = config_text(config_round(conn, "remote", 0), "auth", "pubkey");
    bool psk = strcasecmp(auth, "psk") == 0;
    bool password = strncasecmp(auth, "eap", 3) == 0 && strcasecmp(auth, "eap-radius") != 0;
    const struct tree *secrets = config_key(root, "secrets");
    struct names names = {.n = 0};
    for (const struct tree *secret = secrets == NULL ? NULL : secrets->first; secret != NULL;
         secret = secret->next)
        if ((psk && strncasecmp(secret->name, "ike", 3) == 0) ||
            (password && (strncasecmp(secret->name, "eap", 3) == 0 ||
                          strncasecmp(secret->name, "ntlm", 4) == 0)))
            names_of(secret, conn, &names);
    if (names.n > NAMES_MAX)
        sentence(list, "A secret is here for %s and %u more.", names.text, names.n - NAMES_MAX);
    else if (names.n > 0)
        sentence(list, "A secret is here for %s.", names.text);
}

/* --- addresses --- */

static void explain_pools(struct tree *list, const struct tree *root, const struct tree *conn)
{
    struct tree *names = tree_items(config_key(conn, "pools"));
    for (const struct tree *name = names == NULL ? NULL : names->first; name != NULL;
         name = name->next) {
        const struct tree *pool = config_key(config_key(root, "pools"), tree_value_text(name));
        const char *dns = config_text(pool, "dns", "");
        if (strcmp(tree_value_text(name), "radius") == 0)
            sentence(list, "Each gets the inner address that the RADIUS server names for it, if it "
                           "names one.");
        else
            sentence(list, "Each gets an inner address of %s (pool %s)%s%s.",
                     config_text(pool, "addrs", "?"), tree_value_text(name),
                     dns[0] == '\0' ? "" : ", and the name servers ", dns);
    }
    tree_free(names);
}

static void explain_vips(struct tree *list, const struct tree *conn)
{
    struct tree *items = tree_items(config_key(conn, "vips"));
    for (const struct tree *item = items == NULL ? NULL : items->first; item != NULL;
         item = item->next) {
        const char *text = tree_value_text(item);
        if (strcmp(text, "0.0.0.0") == 0 || strcmp(text, "::") == 0)
            sentence(list, "It gets an inner %s address from the gateway.",
                     text[0] == ':' ? "IPv6" : "IPv4");
        else
            sentence(list, "It asks the gateway for the inner address %s.", text);
    }
    tree_free(items);
}

/* --- paths --- */

static void explain_multipath(struct tree *list, const struct tree *conn)
{
    static const struct {
        const char *mode, *words;
    } modes[] = {
        {"failover", "Traffic takes the first path by priority that works."},
        {"balance", "Flows are spread over the working paths of the lowest priority number."},
        {"aggregate", "The packets of each flow are spread over the working paths of the lowest "
                      "priority number, if the peer can do that too."},
        {"redundant", "Each packet is sent on two paths, if the peer can do that too."},
    };
    const char *mode = config_text(conn, "multipath", "failover");
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (strcasecmp(mode, modes[i].mode) == 0)
            sentence(list, "%s", modes[i].words);
}

static void explain_paths(struct tree *list, const struct tree *conn)
{
    const struct tree *paths = config_key(conn, "paths");
    unsigned n = 0;
    for (const struct tree *path = paths == NULL ? NULL : paths->first; path != NULL;
         path = path->next, n++) {
        const char *interface = config_text(path, "interface", "?");
        bool automatic = strcasecmp(interface, "auto") == 0;
        sentence(list, "Path %s has a VPN over %s, with priority %s%s.", path->name,
                 automatic ? "each interface with a route to the peer" : interface,
                 config_text(path, "priority", "1"),
                 config_says(path, "metered", false) ? ", metered" : "");
    }
    if (n > 0)
        explain_multipath(list, conn);
    else
        sentence(list, config_says(conn, "mobike", true)
                           ? "There is one VPN, which moves to another interface when its own goes."
                           : "There is one VPN, which stays on its addresses (mobike = no).");
}

/* --- children --- */

static const char *start_words(const struct tree *child)
{
    const char *action = config_text(child, "start_action", "none");
    if (strcasecmp(action, "trap") == 0)
        return "The first packet brings it up";
    return strcasecmp(action, "none") == 0 ? "`ikat up` brings it up"
                                           : "It comes up when ikatd starts";
}

static void explain_caller_child(struct tree *list, const struct tree *conn,
                                 const struct tree *child)
{
    bool blocks = strcasecmp(config_text(conn, "on_failure", "block"), "block") == 0;
    bool waits = strcasecmp(config_text(child, "start_action", "none"), "none") != 0;
    const char *peers = "the peer's address";
    sentence(
        list, "Child %s carries packets from %s to %s.", child->name,
        config_text(child, "local_ts",
                    config_role(conn) == CONFIG_END_USER ? "the inner address" : "the own address"),
        config_text(child, "remote_ts", peers));
    sentence(list, "%s. Without a VPN these packets %s.", start_words(child),
             !blocks ? "leave in the clear"
             : waits ? "are blocked, from the start of ikatd on"
                     : "are blocked, once it was up and until `ikat down`");
}

static void explain_gateway_child(struct tree *list, const struct tree *conn,
                                  const struct tree *child)
{
    bool pools = config_text(conn, "pools", "")[0] != '\0';
    sentence(list, "They may reach %s%s%s (child %s).", config_text(child, "local_ts", "this host"),
             strcasecmp(config_text(child, "mode", ""), "transport") == 0 ? ", in transport mode"
                                                                          : "",
             config_forwards(child) ? "" : " alone", child->name);
    if (pools && config_forwards(child))
        sentence(list, "Hosts of %s must send packets for the pool to this host.",
                 config_text(child, "local_ts", "?"));
    if (config_text(child, "remote_ts", NULL) != NULL)
        sentence(list, "Their networks are within %s.", config_text(child, "remote_ts", ""));
}

static void explain_shunt(struct tree *list, const struct tree *child)
{
    bool pass = strcasecmp(config_text(child, "mode", ""), "pass") == 0;
    sentence(list, "Packets from %s to %s %s (child %s).",
             config_text(child, "local_ts", "this host"),
             config_text(child, "remote_ts", "anywhere"),
             pass ? "pass beside all VPNs" : "are dropped", child->name);
}

static void explain_children(struct tree *list, const struct tree *conn, enum config_role role)
{
    const struct tree *children = config_key(conn, "children");
    if (children == NULL || children->first == NULL)
        sentence(list, "It has no child, so it carries no packets.");
    for (const struct tree *child = children == NULL ? NULL : children->first; child != NULL;
         child = child->next) {
        const char *mode = config_text(child, "mode", "tunnel");
        if (strcasecmp(mode, "pass") == 0 || strcasecmp(mode, "drop") == 0)
            explain_shunt(list, child);
        else if (role == CONFIG_GATEWAY)
            explain_gateway_child(list, conn, child);
        else
            explain_caller_child(list, conn, child);
    }
}

/* --- the connection --- */

static void explain_gateway(struct tree *list, const struct tree *root, const struct tree *conn)
{
    char theirs[256], ours[256];
    const char *who = peer_id(conn);
    sentence(list, "%s logs in with %s.", anybody(who) ? "Anybody" : who,
             rounds_words(conn, "remote", theirs, sizeof(theirs)));
    explain_secrets(list, root, conn);
    sentence(list, "This gateway is %s, which it proves with %s.", own_id(conn),
             rounds_words(conn, "local", ours, sizeof(ours)));
    explain_pools(list, root, conn);
}

static void explain_caller(struct tree *list, const struct tree *conn, enum config_role role)
{
    char theirs[256], ours[256];
    const char *who = peer_id(conn), *peer = role == CONFIG_SITE ? "peer" : "gateway";
    sentence(list, "This host logs in to %s as %s, with %s.",
             config_text(conn, "remote_addrs", "?"), own_id(conn),
             rounds_words(conn, "local", ours, sizeof(ours)));
    sentence(list, "The %s must be %s, which it proves with %s.", peer,
             anybody(who) ? "somebody whom we can verify (any identity)" : who,
             rounds_words(conn, "remote", theirs, sizeof(theirs)));
    if (role == CONFIG_SITE)
        sentence(list, "The peer may log in here, too.");
    explain_vips(list, conn);
    explain_paths(list, conn);
}

struct tree *explain_conn(const struct tree *root, const struct tree *conn)
{
    struct tree *list = tree_new(TREE_LIST, conn->name);
    enum config_role role = config_role(conn);
    if (list == NULL)
        return NULL;
    if (role == CONFIG_GATEWAY)
        explain_gateway(list, root, conn);
    else if (role != CONFIG_SHUNTS)
        explain_caller(list, conn, role);
    explain_children(list, conn, role);
    return list;
}
