/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "ctl/config_view.h"

#define FINDINGS_MAX 500  /* a person does not read more */
#define COMPARED_MAX 1000 /* connections that are compared with each other */

/* findings_have - the finding is there already: sections that inherit a key would each repeat
 * it. */
static bool findings_have(const struct findings *findings, const struct finding *finding)
{
    for (size_t i = 0; i < findings->n; i++)
        if (strcmp(findings->items[i].where, finding->where) == 0 &&
            strcmp(findings->items[i].text, finding->text) == 0)
            return true;
    return false;
}

void findings_add(struct findings *findings, const char *kind, const char *where,
                  const char *format, ...)
{
    struct finding finding;
    va_list arguments;
    (void)snprintf(finding.kind, sizeof(finding.kind), "%s", kind);
    (void)snprintf(finding.where, sizeof(finding.where), "%s", where);
    va_start(arguments, format);
    (void)vsnprintf(finding.text, sizeof(finding.text), format, arguments);
    va_end(arguments);
    if (findings->n == FINDINGS_MAX || findings_have(findings, &finding))
        return;
    struct finding *grown = reallocarray(findings->items, findings->n + 1, sizeof(finding));
    if (grown == NULL)
        return;
    findings->items = grown;
    findings->items[findings->n++] = finding;
}

void findings_done(struct findings *findings)
{
    free(findings->items);
    *findings = (struct findings){0};
}

const char *findings_where(const struct tree *node, char text[FINDING_WHERE])
{
    (void)snprintf(text, FINDING_WHERE, "%.150s:%u: %.80s", node->file == NULL ? "?" : node->file,
                   node->line, node->name);
    return text;
}

/* --- connections that shadow each other --- */

static bool same_text(const struct tree *a, const struct tree *b, const char *key,
                      const char *otherwise)
{
    return strcasecmp(config_text(a, key, otherwise), config_text(b, key, otherwise)) == 0;
}

static bool same_rounds(const struct tree *a, const struct tree *b, const char *side)
{
    for (unsigned i = 0;; i++) {
        const struct tree *one = config_round(a, side, i), *other = config_round(b, side, i);
        if (one == NULL || other == NULL)
            return one == other;
        if (!same_text(one, other, "id", "%any") || !same_text(one, other, "auth", "pubkey") ||
            !same_text(one, other, "eap_id", "") || !same_text(one, other, "groups", "") ||
            !same_text(one, other, "certs", "") || !same_text(one, other, "cacerts", "") ||
            !same_text(one, other, "pubkeys", "") || !same_text(one, other, "ca_id", ""))
            return false;
    }
}

/* shadows - each login that fits `b` fits `a` as well, so `a`, which comes first, gets it. */
static bool shadows(const struct tree *a, const struct tree *b)
{
    return same_text(a, b, "local_addrs", "%any") && same_text(a, b, "remote_addrs", "%any") &&
           same_text(a, b, "proposals", "default") && same_rounds(a, b, "local") &&
           same_rounds(a, b, "remote");
}

static void find_shadowed(struct findings *findings, const struct tree *conns)
{
    char where[FINDING_WHERE], earlier[FINDING_WHERE];
    unsigned n = 0;
    for (const struct tree *b = conns->first; b != NULL && n < COMPARED_MAX; b = b->next, n++)
        for (const struct tree *a = conns->first; a != b; a = a->next)
            if (config_role(a) == CONFIG_GATEWAY && config_role(b) == CONFIG_GATEWAY &&
                shadows(a, b)) {
                findings_add(findings, "connection-shadowed", findings_where(b, where),
                             "no peer ever gets this connection: %s, which comes first, takes the "
                             "same logins (addresses, identities and auth are equal)",
                             findings_where(a, earlier));
                break;
            }
}

/* --- children that carry the same packets --- */

static bool has_own_device(const struct tree *conn, const struct tree *child)
{
    static const char *const keys[] = {"mark_in", "mark_out", "if_id_in", "if_id_out", "device"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (config_text(child, keys[i], NULL) != NULL || config_text(conn, keys[i], NULL) != NULL)
            return true;
    return false;
}

static bool same_packets(const struct tree *a, const struct tree *b)
{
    return config_text(a, "remote_ts", NULL) != NULL && same_text(a, b, "remote_ts", "dynamic") &&
           same_text(a, b, "local_ts", "dynamic") && same_text(a, b, "mode", "tunnel");
}

static const struct tree *child_like(const struct tree *conn, const struct tree *child)
{
    const struct tree *children = config_key(conn, "children");
    for (const struct tree *one = children == NULL ? NULL : children->first; one != NULL;
         one = one->next)
        if (same_packets(one, child) && !has_own_device(conn, one))
            return one;
    return NULL;
}

static void find_same_packets(struct findings *findings, const struct tree *conns,
                              const struct tree *conn)
{
    char where[FINDING_WHERE];
    const struct tree *children = config_key(conn, "children");
    for (const struct tree *child = children == NULL ? NULL : children->first; child != NULL;
         child = child->next)
        for (const struct tree *other = conns->first; other != conn && !has_own_device(conn, child);
             other = other->next) {
            const struct tree *twin =
                config_role(other) == CONFIG_GATEWAY ? NULL : child_like(other, child);
            if (twin == NULL)
                continue;
            findings_add(findings, "child-shadowed", findings_where(child, where),
                         "has the selectors of child %s of %s: while both are up, one of them "
                         "carries the packets and the other none; give one a device, mark or if_id",
                         twin->name, other->name);
            break;
        }
}

/* --- secrets and servers that are missing --- */

static bool has_section(const struct tree *root, const char *top, const char *prefix)
{
    const struct tree *sections = config_key(root, top);
    for (const struct tree *one = sections == NULL ? NULL : sections->first; one != NULL;
         one = one->next)
        if (strncasecmp(one->name, prefix, strlen(prefix)) == 0)
            return true;
    return false;
}

/* secret_serves - the secret belongs to nobody, names a peer of that pattern, or names this end
 * alone. */
static bool secret_serves(const struct tree *secret, const char *own, const char *peer)
{
    bool others = false;
    for (const struct tree *node = secret->first; node != NULL; node = node->next) {
        const char *id = tree_value_text(node);
        if (strncasecmp(node->name, "id", 2) != 0 || id[0] == '\0')
            continue;
        if (strcmp(id, "%any") == 0 || config_glob(peer, id))
            return true;
        others |= strcasecmp(id, own) != 0;
    }
    return !others;
}

/* find_psk - a pre-shared key is there, and none for this pair of identities. Distinguished names
 * have several spellings: nothing is said of them. */
static void find_psk(struct findings *findings, const struct tree *root, const struct tree *conn)
{
    char where[FINDING_WHERE];
    const struct tree *local = config_round(conn, "local", 0);
    const struct tree *remote = config_round(conn, "remote", 0);
    const char *own = config_text(local, "id", ""), *peer = config_text(remote, "id", "%any");
    const struct tree *secrets = config_key(root, "secrets");
    bool psk = strcasecmp(config_text(local, "auth", ""), "psk") == 0 ||
               strcasecmp(config_text(remote, "auth", ""), "psk") == 0;
    if (!psk || strcmp(peer, "%any") == 0 || strchr(peer, '=') != NULL ||
        !has_section(root, "secrets", "ike"))
        return;
    for (const struct tree *one = secrets->first; one != NULL; one = one->next)
        if (strncasecmp(one->name, "ike", 3) == 0 && secret_serves(one, own, peer))
            return;
    findings_add(findings, "no-secret", findings_where(remote, where),
                 "no section ike... in secrets is for %.60s and a peer %.60s", own, peer);
}

static void find_missing(struct findings *findings, const struct tree *root,
                         const struct tree *conn)
{
    static const char *const sides[] = {"local", "remote"};
    char where[FINDING_WHERE];
    if (config_says(conn, "ppk_required", false) && !has_section(root, "secrets", "ppk"))
        findings_add(findings, "no-secret", findings_where(config_key(conn, "ppk_required"), where),
                     "nobody logs in: the configuration has no section ppk... in secrets");
    for (size_t i = 0; i < 2; i++) {
        const struct tree *round = config_round(conn, sides[i], 0);
        const char *auth = config_text(round, "auth", "pubkey");
        if (round != NULL && strcasecmp(auth, "psk") == 0 && !has_section(root, "secrets", "ike"))
            findings_add(findings, "no-secret", findings_where(round, where),
                         "auth = psk, and the configuration has no section ike... in secrets");
        if (round != NULL && strcasecmp(auth, "eap-radius") == 0 &&
            !has_section(root, "radius", ""))
            findings_add(findings, "no-radius", findings_where(round, where),
                         "auth = eap-radius, and the configuration has no server in radius");
    }
}

void findings_config(struct findings *findings, const struct tree *root,
                     const struct host_view *host)
{
    const struct tree *conns = config_key(root, "connections");
    unsigned n = 0;
    for (const struct tree *conn = conns == NULL ? NULL : conns->first; conn != NULL;
         conn = conn->next) {
        find_missing(findings, root, conn);
        find_psk(findings, root, conn);
        findings_keys(findings, conn);
        findings_host(findings, conn, host);
        if (config_role(conn) != CONFIG_GATEWAY && n++ < COMPARED_MAX)
            find_same_packets(findings, conns, conn);
    }
    if (conns != NULL)
        find_shadowed(findings, conns);
    if (config_key(root, "pools") != NULL)
        findings_pools(findings, config_key(root, "pools"), host);
}
