/* SPDX-License-Identifier: Apache-2.0 */
/* Two kinds of findings: keys that another key of the same section leaves without effect, and
 * limits of a connection that contradict each other. */
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "control/values.h"
#include "ctl/config_view.h"
#include "ctl/findings.h"

/*
 * struct needs - `key` has no effect if `other`, a key of the same section, has a certain value.
 * meaningless: values of `key` that cause no finding, because they switch it off; separated by
 * spaces. other_default: the value of `other` if it is not set. other_value: the values of `other`
 * that make `key` useless; separated by spaces.
 */
struct needs {
    const char *key, *meaningless;
    const char *other, *other_default, *other_value;
};

/* --- keys that have no effect --- */

#define NO "no false 0 disabled"

static const struct needs conn_needs[] = {
    {"multipath", "failover", "mobike", "yes", NO},
    {"inner", "shared", "mobike", "yes", NO},
    {"mesh", "first", "mobike", "yes", NO},
    {"reduced", "off", "mobike", "yes", NO},
    {"gateway_clones", NO, "mobike", "yes", NO},
    {"multipath", "failover", "clone", "both", "off"},
    {"inner", "shared", "clone", "both", "off"},
    {"mesh", "first", "clone", "both", "off"},
    {"reduced", "off", "clone", "both", "off"},
    {"gateway_clones", NO, "clone", "both", "off"},
    {"clone_order", "", "clone", "both", "off"},
    {"keep_old_notify", "0", "clone", "both", "off"},
    {"keep_old_blind", NO, "clone", "both", "off"},
    {"prefer", "", "clone", "both", "off"},
    {"split_dns", NO, "install_dns", "yes", NO},
    {"encrypted_dns", NO, "install_dns", "yes", NO},
    {"dns_domains", "", "install_dns", "yes", NO},
    {"ticket_lifetime", "", "session_tickets", "ask", "no ask"},
    {"max_leases", "0", "pools", "", ""},
};

static const struct needs child_needs[] = {
    {"rand_time", "0", "rekey_time", "1h", "0 0s 0m 0h 0d"},
    {"rand_bytes", "0", "rekey_bytes", "0", "0"},
    {"rand_packets", "0", "rekey_packets", "0", "0"},
    {"hostaccess", NO, "updown", "", ""},
};

static const struct needs remote_needs[] = {
    {"cacerts", "", "auth", "pubkey", "psk"},
    {"ca_id", "", "auth", "pubkey", "psk"},
    {"certs", "", "auth", "pubkey", "psk"},
    {"pubkeys", "", "auth", "pubkey", "psk"},
    {"cert_policy", "", "auth", "pubkey", "psk"},
    {"revocation", "relaxed", "auth", "pubkey", "psk"},
    {"groups", "", "auth", "pubkey", "psk"},
    {"eap_id", "", "auth", "pubkey", "psk pubkey"},
};

static const struct needs local_needs[] = {
    {"certs", "", "auth", "pubkey", "psk"},
    {"pubkeys", "", "auth", "pubkey", "psk"},
    {"eap_id", "", "auth", "pubkey", "psk pubkey"},
    {"aaa_id", "", "auth", "pubkey", "psk pubkey"},
};

/* among - whether `text` is one of the words, in any case. The list "" has one word: the empty
 * word. */
static bool among(const char *words, const char *text)
{
    size_t length = strlen(text);
    for (const char *word = words; length > 0 && *word != '\0'; word += strspn(word, " ")) {
        size_t n = strcspn(word, " ");
        if (n == length && strncasecmp(word, text, n) == 0)
            return true;
        word += n;
    }
    return length == 0 && words[0] == '\0';
}

static void find_idle_keys(struct findings *findings, const struct tree *section,
                           const struct needs *needs, size_t n)
{
    char where[FINDING_WHERE];
    for (size_t i = 0; section != NULL && i < n; i++) {
        const struct tree *node = config_key(section, needs[i].key);
        const char *other = config_text(section, needs[i].other, needs[i].other_default);
        if (node == NULL || !among(needs[i].other_value, other))
            continue;
        if (node->kind != TREE_SECTION && among(needs[i].meaningless, tree_value_text(node)))
            continue;
        if (other[0] == '\0')
            findings_add(findings, "no-effect", findings_where(node, where),
                         "has no effect without %s", needs[i].other);
        else
            findings_add(findings, "no-effect", findings_where(node, where),
                         "has no effect with %s = %s%s", needs[i].other, other,
                         config_key(section, needs[i].other) == NULL ? ", the default" : "");
    }
}

#define FIND_IDLE(findings, section, table)                                                        \
    find_idle_keys(findings, section, table, sizeof(table) / sizeof((table)[0]))

/* spreads - traffic takes several paths at once. */
static bool spreads(const struct tree *conn)
{
    return strcasecmp(config_text(conn, "multipath", "failover"), "failover") != 0;
}

static void find_idle_in_rounds(struct findings *findings, const struct tree *conn)
{
    const struct tree *round;
    for (unsigned i = 0; (round = config_round(conn, "local", i)) != NULL; i++)
        FIND_IDLE(findings, round, local_needs);
    for (unsigned i = 0; (round = config_round(conn, "remote", i)) != NULL; i++)
        FIND_IDLE(findings, round, remote_needs);
}

/* paths_count - the paths of the connection; *ret_auto: one of them takes any number of
 * interfaces. */
static unsigned paths_count(const struct tree *conn, bool *ret_auto)
{
    const struct tree *paths = config_key(conn, "paths");
    unsigned n = 0;
    *ret_auto = false;
    for (const struct tree *path = paths == NULL ? NULL : paths->first; path != NULL;
         path = path->next, n++)
        *ret_auto |= strcasecmp(config_text(path, "interface", ""), "auto") == 0;
    return n;
}

static void find_idle_paths(struct findings *findings, const struct tree *conn)
{
    char where[FINDING_WHERE];
    bool any_number;
    const struct tree *paths = config_key(conn, "paths");
    const struct tree *multipath = config_key(conn, "multipath");
    unsigned n = paths_count(conn, &any_number);
    bool one_each = strcasecmp(config_text(conn, "mesh", "first"), "first") == 0;
    if (spreads(conn) && !any_number && (n == 0 || (n == 1 && one_each)) &&
        config_role(conn) == CONFIG_END_USER)
        findings_add(findings, "no-effect", findings_where(multipath, where),
                     n == 0 ? "has no effect without paths: there is one VPN"
                            : "has no effect with one path");
    for (const struct tree *path = paths == NULL || spreads(conn) ? NULL : paths->first;
         path != NULL; path = path->next)
        if (config_key(path, "weight") != NULL)
            findings_add(findings, "no-effect", findings_where(config_key(path, "weight"), where),
                         "has no effect with multipath = failover: one path carries all");
}

/* --- limits that contradict each other --- */

/* limit - the value of a key; `otherwise` if it is not set or not a number. */
static uint64_t limit(const struct tree *conn, const char *key, uint64_t otherwise)
{
    uint64_t value;
    return value_u64(config_text(conn, key, ""), &value) ? value : otherwise;
}

/* limit_node - the node of `first`, or if that is not set, of `second`. */
static const struct tree *limit_node(const struct tree *conn, const char *first, const char *second)
{
    const struct tree *node = config_key(conn, first);
    return node != NULL ? node : config_key(conn, second);
}

static void find_limits(struct findings *findings, const struct tree *conn)
{
    char where[FINDING_WHERE];
    bool any_number;
    unsigned paths = paths_count(conn, &any_number), n_children = 0;
    const struct tree *children = config_key(conn, "children");
    const struct tree *node = config_key(conn, "max_ike_sas");
    uint64_t ike_sas = limit(conn, "max_ike_sas", LIMIT_IKE_SAS_SESSION);
    uint64_t child_sas = limit(conn, "max_child_sas", LIMIT_CHILD_SAS_SESSION);
    for (const struct tree *one = children == NULL ? NULL : children->first; one != NULL;
         one = one->next)
        n_children++;
    if (paths > ike_sas)
        findings_add(findings, "limits", findings_where(node == NULL ? conn : node, where),
                     "max_ike_sas = %u is less than the %u paths: the further ones get no VPN",
                     (unsigned)ike_sas, paths);
    if ((uint64_t)paths * n_children > child_sas)
        findings_add(findings, "limits",
                     findings_where(limit_node(conn, "max_child_sas", "children"), where),
                     "max_child_sas = %u is less than %u children on each of %u paths",
                     (unsigned)child_sas, n_children, paths);
    uint64_t sessions = limit(conn, "max_sessions", LIMIT_SESSIONS_IDENTITY);
    uint64_t leases = limit(conn, "max_leases", LIMIT_LEASES_IDENTITY);
    node = limit_node(conn, "max_leases", "max_sessions");
    if (node != NULL && config_key(conn, "pools") != NULL && leases != 0 &&
        (sessions == 0 || sessions > leases))
        findings_add(findings, "limits", findings_where(node, where),
                     "max_leases = %llu is less than max_sessions (%llu; 0: no limit): the further "
                     "logins of an identity are refused for want of an address",
                     (unsigned long long)leases, (unsigned long long)sessions);
}

void findings_keys(struct findings *findings, const struct tree *conn)
{
    const struct tree *children = config_key(conn, "children");
    FIND_IDLE(findings, conn, conn_needs);
    for (const struct tree *child = children == NULL ? NULL : children->first; child != NULL;
         child = child->next)
        FIND_IDLE(findings, child, child_needs);
    find_idle_in_rounds(findings, conn);
    find_idle_paths(findings, conn);
    find_limits(findings, conn);
}
