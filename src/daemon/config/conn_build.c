/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config/conn_build.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "control/values.h"
#include "daemon/common/eap_methods.h"
#include "daemon/config/auth_build.h"
#include "daemon/config/conn_keys.h"
#include "daemon/config/mark_build.h"
#include "daemon/config/selectors.h"
#include "daemon/tables/pools.h"
#include "ike/terms/gateway.h"
#include "ike/terms/ppk.h"
#include "ike/terms/proposal.h"
#include "wire/iana.h"
#include "wire/ordered_esp.h"
#include "wire/path_terms.h"
#include "wire/traffic_classes.h"

#define LEN(a)      (sizeof(a) / sizeof((a)[0]))
#define CONN(field) offsetof(struct conn_work, conn.field)

/* struct conn_work - the connection and the state of its reading. */
struct conn_work {
    struct ike_conn conn; /* its lists are those of `room` */
    struct ike_conn *room;
    struct auth_rounds local, remote;
    struct conn_credentials *credentials;
    nanos over_ns, rand_ns;
    bool legacy; /* weak algorithms are allowed */
    struct mark_defaults marks;
};

/* --- addresses --- */

struct remotes {
    struct ike_remote *list;
    uint8_t *n;
};

static bool is_any(const char *text)
{
    return strcmp(text, "%any") == 0 || strcmp(text, "%any4") == 0 || strcmp(text, "%any6") == 0;
}

static bool has_any(const struct remotes *remotes)
{
    for (uint8_t i = 0; i < *remotes->n; i++)
        if (ike_remote_any(&remotes->list[i]))
            return true;
    return false;
}

static int add_remote(const struct tree *node, const char *text, void *target,
                      struct build_error *error)
{
    const struct remotes *remotes = target;
    struct ike_remote *remote = &remotes->list[*remotes->n];
    if (is_any(text) && has_any(remotes))
        return 0;
    if (*remotes->n == POLICY_ADDRESSES)
        return build_fail(error, node, "more than %d addresses", POLICY_ADDRESSES);
    if (!is_any(text) && !range_parse(text, &remote->range)) {
        if (strlen(text) >= POLICY_HOST || strpbrk(text, " /[]%") != NULL)
            return build_fail(error, node, "'%.60s' is not an address, a range or a name", text);
        strcpy(remote->name, text);
    }
    (*remotes->n)++;
    return 0;
}

static int set_remotes(const struct tree *node, struct remotes remotes, struct build_error *error)
{
    int err = key_for_items(node, &remotes, error, add_remote);
    if (err == 0 && *remotes.n == 1 && ike_remote_any(&remotes.list[0]))
        *remotes.n = 0; /* an empty list means any */
    return err;
}

static int set_local_addrs(const struct tree *node, void *target, struct build_error *error)
{
    struct conn_work *work = target;
    struct remotes remotes = {work->conn.local_addrs, &work->conn.n_local_addrs};
    return set_remotes(node, remotes, error);
}

static int set_remote_addrs(const struct tree *node, void *target, struct build_error *error)
{
    struct conn_work *work = target;
    struct remotes remotes = {work->conn.remote_addrs, &work->conn.n_remote_addrs};
    return set_remotes(node, remotes, error);
}

struct addresses {
    struct address *list;
    uint8_t *n;
};

static int add_address(const struct tree *node, const char *text, void *target,
                       struct build_error *error)
{
    const struct addresses *addresses = target;
    if (*addresses->n == POLICY_ADDRESSES)
        return build_fail(error, node, "more than %d addresses", POLICY_ADDRESSES);
    if (!address_parse(text, &addresses->list[*addresses->n]))
        return build_fail(error, node, "'%.60s' is not an address", text);
    (*addresses->n)++;
    return 0;
}

static int set_vips(const struct tree *node, void *target, struct build_error *error)
{
    struct conn_work *work = target;
    struct addresses addresses = {work->conn.vips, &work->conn.n_vips};
    return key_for_items(node, &addresses, error, add_address);
}

static int add_pool(const struct tree *node, const char *text, void *target,
                    struct build_error *error)
{
    struct conn_work *work = target;
    if (strcmp(text, POOL_DHCP) == 0)
        return build_fail(error, node,
                          "'dhcp' is not supported by ikat: addresses come from a pool or a RADIUS "
                          "server");
    if (work->conn.n_pools == POLICY_POOLS || strlen(text) >= LIMIT_NAME)
        return build_fail(error, node, "at most %d pools, names of at most %d characters",
                          POLICY_POOLS, LIMIT_NAME - 1);
    strcpy(work->conn.pools[work->conn.n_pools++], text);
    return 0;
}

static int set_pools(const struct tree *node, void *target, struct build_error *error)
{
    return key_for_items(node, target, error, add_pool);
}

/* --- proposals --- */

static int set_proposals(const struct tree *node, void *target, struct build_error *error)
{
    struct conn_work *work = target;
    struct key_proposals proposals = {WIRE_PROTO_IKE, &work->conn.proposals};
    return key_for_items(node, &proposals, error, key_add_proposal);
}

static int set_version(const struct tree *node, void *target, struct build_error *error)
{
    uint64_t version;
    (void)target;
    if (node->kind != TREE_VALUE || !value_u64((const char *)node->value, &version) || version > 2)
        return build_fail(error, node, "must be 2 (or 0)");
    return version == 1 ? build_fail(error, node, "IKEv1 is not supported, and will not be") : 0;
}

static int set_redirect_to(const struct tree *node, void *target, struct build_error *error)
{
    struct conn_work *work = target;
    const char *text = tree_value_text(node);
    if (!gateway_parse(text, work->conn.redirect_to))
        return build_fail(error, node, "'%.60s' is neither an address nor a name", text);
    return 0;
}

static int add_dns_domain(const struct tree *node, const char *text, void *target,
                          struct build_error *error)
{
    struct conn_work *work = target;
    int err = domain_list_add(work->conn.dns_domains, span_text(text));
    if (err == ERR_TRUNCATED)
        return build_fail(error, node, "'%.60s' is too much: all have 255 characters together",
                          text);
    return err != 0 ? build_fail(error, node, "'%.60s' is not a DNS domain", text) : 0;
}

static int set_dns_domains(const struct tree *node, void *target, struct build_error *error)
{
    return key_for_items(node, target, error, add_dns_domain);
}

static int set_dscp(const struct tree *node, void *target, struct build_error *error)
{
    struct conn_work *work = target;
    const char *text = tree_value_text(node);
    unsigned value = 0;
    size_t i = 0;
    for (; i < 7 && (text[i] == '0' || text[i] == '1'); i++)
        value = value << 1 | (unsigned)(text[i] - '0');
    if (i != 6 || text[6] != '\0')
        return build_fail(error, node, "six binary digits are expected, such as 101110");
    work->conn.dscp = (uint8_t)value;
    return 0;
}

/* --- paths --- */

static int set_interface(const struct tree *node, void *target, struct build_error *error)
{
    struct ike_path_policy *path = target;
    const char *text = tree_value_text(node);
    if (text[0] == '\0' || strlen(text) >= sizeof(path->interface) || strpbrk(text, "/ ") != NULL)
        return build_fail(error, node, "'%.40s' is not the name of an interface, nor auto", text);
    strcpy(path->interface, text);
    return 0;
}

static int set_path_local(const struct tree *node, void *target, struct build_error *error)
{
    struct ike_path_policy *path = target;
    struct addresses addresses = {path->local, &path->n_local};
    return key_for_items(node, &addresses, error, add_address);
}

static int set_path_remote(const struct tree *node, void *target, struct build_error *error)
{
    struct ike_path_policy *path = target;
    struct addresses addresses = {path->remote, &path->n_remote};
    return key_for_items(node, &addresses, error, add_address);
}

static const struct key path_keys[] = {
    {.name = "interface", .kind = KEY_FUNCTION, .function = set_interface},
    {.name = "local_addrs", .kind = KEY_FUNCTION, .function = set_path_local},
    {.name = "remote_addrs", .kind = KEY_FUNCTION, .function = set_path_remote},
    {.name = "priority", .kind = KEY_U32, .offset = offsetof(struct ike_path_policy, priority)},
    {.name = "weight", .kind = KEY_U32, .offset = offsetof(struct ike_path_policy, weight)},
    {.name = "metered", .kind = KEY_BOOL, .offset = offsetof(struct ike_path_policy, metered)},
};

static int build_paths(const struct tree *section, struct ike_conn *conn, struct build_error *error)
{
    static const struct key_table table = {path_keys, LEN(path_keys), NULL, NULL};
    for (const struct tree *node = section->first; node != NULL; node = node->next) {
        if (node->kind != TREE_SECTION)
            return build_fail(error, node,
                              "a section per path is expected: %.40s { interface = ... }",
                              node->name);
        if (conn->n_paths == POLICY_PATHS)
            return build_fail(error, node, "more than %d paths", POLICY_PATHS);
        struct ike_path_policy *path = &conn->paths[conn->n_paths++];
        *path = (struct ike_path_policy){.priority = 1, .weight = 1};
        int err = key_name_copy(node, path->name, error);
        if (err == 0)
            err = keys_apply(&table, node, path, error);
        if (err != 0)
            return err;
        if (path->interface[0] == '\0')
            return build_fail(error, node, "'interface' is missing (a name, or auto)");
        if (path->weight == 0)
            return build_fail(error, node, "weight must be at least 1");
    }
    return 0;
}

/* --- the connection --- */

static int conn_subsection(const struct tree *section, void *target, struct build_error *error)
{
    struct conn_work *work = target;
    int err = 0;
    if (strcasecmp(section->name, "children") == 0) {
        for (const struct tree *child = section->first; err == 0 && child != NULL;
             child = child->next)
            err = child_build(child, &work->conn, error);
        return err;
    }
    if (strcasecmp(section->name, "paths") == 0)
        return build_paths(section, &work->conn, error);
    if (strcasecmp(section->name, "classes") == 0)
        return classes_build(section, &work->conn, error);
    if (strncasecmp(section->name, "local", 5) == 0)
        return auth_build(section, &work->local, work->credentials, error);
    if (strncasecmp(section->name, "remote", 6) == 0)
        return auth_build(section, &work->remote, work->credentials, error);
    return ERR_NOT_FOUND;
}

static const char *const fragmentation_words[] = {"no", "accept", "yes", NULL};
static const char *const childless_words[] = {"allow", "prefer", "force", "never", NULL};
static const char *const unique_words[] = {"no", "never", "keep", "replace", NULL};
static const char *const multipath_words[] = {"failover",  "balance", "aggregate",
                                              "redundant", "auto",    NULL};
static const char *const clone_words[] = {"off", "keep-old", "rfc7791", "both", NULL};
static const char *const tickets_words[] = {"no", "ask", "yes", NULL};
static const char *const order_words[] = {"move-create", "create-move", NULL};
static const char *const reduced_words[] = {"off", "end-user", "gateway", NULL};
static const char *const on_failure_words[] = {"block", "bypass", NULL};
static const char *const lan_words[] = {"bypass", "block", NULL};
static const char *const mesh_words[] = {"pairs", "full", "first", NULL};

static const char *const ocsp_words[] = {"reply", "request", "both", "never", NULL};
static const char *const cert_words[] = {"ifasked", "always", "never", NULL};

static int set_send_certreq(const struct tree *node, void *target, struct build_error *error)
{
    struct conn_work *work = target;
    const char *text = tree_value_text(node);
    bool send = true;
    if (text[0] != '\0' && !value_bool(text, &send))
        return build_fail(error, node, "'%.60s' is not yes or no", text);
    work->conn.no_certreq = !send;
    return 0;
}

/* set_if_id_in - the default of the children. */
static int set_if_id_in(const struct tree *node, void *target, struct build_error *error)
{
    return if_id_build(node, &((struct conn_work *)target)->marks.if_id_in, error);
}

static int set_if_id_out(const struct tree *node, void *target, struct build_error *error)
{
    return if_id_build(node, &((struct conn_work *)target)->marks.if_id_out, error);
}

static int set_device(const struct tree *node, void *target, struct build_error *error)
{
    return device_name_build(node, ((struct conn_work *)target)->marks.device, error);
}

static int set_install_routes(const struct tree *node, void *target, struct build_error *error)
{
    return routes_build(node, &((struct conn_work *)target)->marks.routes, error);
}

static int set_inner(const struct tree *node, void *target, struct build_error *error)
{
    struct conn_work *work = target;
    const char *text = tree_value_text(node);
    work->conn.inner_per_path = strcasecmp(text, "per-path") == 0;
    if (!work->conn.inner_per_path && strcasecmp(text, "shared") != 0)
        return build_fail(error, node, "'%.60s' is not one of shared, per-path", text);
    return 0;
}

static int set_order(const struct tree *node, void *target, struct build_error *error)
{
    struct conn_work *work = target;
    const char *text = tree_value_text(node);
    for (int i = 0; order_words[i] != NULL; i++)
        if (strcasecmp(text, order_words[i]) == 0) {
            work->conn.create_then_move = i == 1;
            return 0;
        }
    return build_fail(error, node, "'%.40s' is not one of move-create, create-move", text);
}

static int set_ppk_id(const struct tree *node, void *target, struct build_error *error)
{
    struct conn_work *work = target;
    const char *text = tree_value_text(node);
    if (strlen(text) >= POLICY_TEXT || ppk_id_parse(text, work->conn.ppk_id) != 0)
        return build_fail(error, node, "'%.60s' is not an identity", text);
    (void)snprintf(work->conn.ppk_pattern, POLICY_TEXT, "%s", text);
    return 0;
}

static const char *const only_no[] = {"no", "false", "0", "disabled", NULL};

static const struct key conn_keys[] = {
    {.name = "version", .kind = KEY_FUNCTION, .function = set_version},
    {.name = "local_addrs", .kind = KEY_FUNCTION, .function = set_local_addrs},
    {.name = "remote_addrs", .kind = KEY_FUNCTION, .function = set_remote_addrs},
    {.name = "local_port", .kind = KEY_U16, .offset = CONN(local_port)},
    {.name = "remote_port", .kind = KEY_U16, .offset = CONN(remote_port)},
    {.name = "proposals", .kind = KEY_FUNCTION, .function = set_proposals},
    {.name = "vips", .kind = KEY_FUNCTION, .function = set_vips},
    {.name = "pools", .kind = KEY_FUNCTION, .function = set_pools},
    {.name = "dscp", .kind = KEY_FUNCTION, .function = set_dscp},
    {.name = "encap", .kind = KEY_BOOL, .offset = CONN(encap)},
    {.name = "mobike", .kind = KEY_BOOL, .offset = CONN(mobike)},
    {.name = "nat_keepalive", .kind = KEY_TIME, .offset = CONN(nat_keepalive_ns)},
    {.name = "dpd_delay", .kind = KEY_TIME, .offset = CONN(dpd_delay_ns)},
    {.name = "dpd_timeout", .kind = KEY_TIME, .offset = CONN(dpd_timeout_ns)},
    {.name = "dead_peer", .kind = KEY_TIME, .offset = CONN(dead_peer_ns)},
    {.name = "fragmentation",
     .kind = KEY_WORD,
     .offset = CONN(fragmentation),
     .words = fragmentation_words},
    {.name = "childless", .kind = KEY_WORD, .offset = CONN(childless), .words = childless_words},
    {.name = "unique", .kind = KEY_WORD, .offset = CONN(unique), .words = unique_words},
    {.name = "keyingtries", .kind = KEY_U32, .offset = CONN(keyingtries)},
    {.name = "reauth_time", .kind = KEY_TIME, .offset = CONN(reauth_ns)},
    {.name = "rekey_time", .kind = KEY_TIME, .offset = CONN(lifetime.rekey_ns)},
    {.name = "over_time", .kind = KEY_TIME, .offset = offsetof(struct conn_work, over_ns)},
    {.name = "rand_time", .kind = KEY_TIME, .offset = offsetof(struct conn_work, rand_ns)},
    {.name = "multipath", .kind = KEY_WORD, .offset = CONN(multipath), .words = multipath_words},
    {.name = "clone", .kind = KEY_WORD, .offset = CONN(clone), .words = clone_words},
    {.name = "prefer", .kind = KEY_WORD, .offset = CONN(prefer), .words = clone_words},
    {.name = "clone_order", .kind = KEY_FUNCTION, .function = set_order},
    {.name = "keep_old_notify", .kind = KEY_U16, .offset = CONN(keep_old_notify)},
    {.name = "keep_old_blind", .kind = KEY_BOOL, .offset = CONN(keep_old_blind)},
    {.name = "on_failure", .kind = KEY_WORD, .offset = CONN(on_failure), .words = on_failure_words},
    {.name = "lan", .kind = KEY_WORD, .offset = CONN(lan), .words = lan_words},
    {.name = "install_dns", .kind = KEY_BOOL, .offset = CONN(install_dns)},
    {.name = "split_dns", .kind = KEY_BOOL, .offset = CONN(split_dns)},
    {.name = "encrypted_dns", .kind = KEY_BOOL, .offset = CONN(encrypted_dns)},
    {.name = "dns_domains", .kind = KEY_FUNCTION, .function = set_dns_domains},
    {.name = "inner", .kind = KEY_FUNCTION, .function = set_inner},
    {.name = "follow_redirects", .kind = KEY_BOOL, .offset = CONN(follow_redirects)},
    {.name = "redirect_to", .kind = KEY_FUNCTION, .function = set_redirect_to},
    {.name = "session_tickets",
     .kind = KEY_WORD,
     .offset = CONN(session_tickets),
     .words = tickets_words},
    {.name = "ticket_lifetime", .kind = KEY_TIME, .offset = CONN(ticket_lifetime_ns)},
    {.name = "combined_auth", .kind = KEY_BOOL, .offset = CONN(combined_auth)},
    {.name = "reduced", .kind = KEY_WORD, .offset = CONN(reduced), .words = reduced_words},
    {.name = "gateway_clones", .kind = KEY_BOOL, .offset = CONN(gateway_clones)},
    {.name = "mesh", .kind = KEY_WORD, .offset = CONN(mesh), .words = mesh_words},
    {.name = "max_ike_sas", .kind = KEY_U32, .offset = CONN(max_ike_sas)},
    {.name = "max_child_sas", .kind = KEY_U32, .offset = CONN(max_child_sas)},
    {.name = "max_sessions", .kind = KEY_U32, .offset = CONN(max_sessions)},
    {.name = "max_leases", .kind = KEY_U32, .offset = CONN(max_leases)},
    {.name = "unused_old", .kind = KEY_BOOL, .offset = CONN(unused_old)},
    {.name = "unused_old_timeout", .kind = KEY_TIME, .offset = CONN(unused_old_timeout_ns)},
    {.name = "probe_interval", .kind = KEY_TIME, .offset = CONN(probe_interval_ns)},
    {.name = "failover", .kind = KEY_TIME, .offset = CONN(failover_ns)},
    {.name = "stable_for", .kind = KEY_TIME, .offset = CONN(stable_for_ns)},
    {.name = "legacy", .kind = KEY_BOOL, .offset = offsetof(struct conn_work, legacy)},
    {.name = "send_certreq", .kind = KEY_FUNCTION, .function = set_send_certreq},
    {.name = "send_cert", .kind = KEY_WORD, .offset = CONN(send_cert), .words = cert_words},
    {.name = "ocsp", .kind = KEY_WORD, .offset = CONN(ocsp), .words = ocsp_words},
    {.name = "aggressive", .kind = KEY_ONLY, .words = only_no, .why = "it is of IKEv1"},
    {.name = "pull", .kind = KEY_IGNORED},
    {.name = "ppk_id", .kind = KEY_FUNCTION, .function = set_ppk_id},
    {.name = "ppk_required", .kind = KEY_BOOL, .offset = CONN(ppk_required)},
    {.name = "if_id_in", .kind = KEY_FUNCTION, .function = set_if_id_in},
    {.name = "if_id_out", .kind = KEY_FUNCTION, .function = set_if_id_out},
    {.name = "device", .kind = KEY_FUNCTION, .function = set_device},
    {.name = "install_routes", .kind = KEY_FUNCTION, .function = set_install_routes},
    {.name = "mediation", .kind = KEY_ONLY, .words = only_no, .why = "IKE mediation is not there"},
    {.name = "mediated_by", .kind = KEY_UNSUPPORTED, .why = "IKE mediation is not"},
    {.name = "mediation_peer", .kind = KEY_UNSUPPORTED, .why = "IKE mediation is not"},
};

static bool list_is_legacy(const struct ike_proposal_list *list)
{
    bool legacy = false;
    for (size_t i = 0; i < list->n; i++)
        legacy |= proposal_is_legacy(&list->proposals[i]);
    return legacy;
}

/* legacy_find - the node that asks for weak algorithms. NULL: none. */
static const struct tree *legacy_find(const struct tree *section, const struct ike_conn *conn)
{
    const struct tree *children = tree_get(section, "children");
    if (list_is_legacy(&conn->proposals))
        return key_node(section, "proposals");
    for (uint8_t c = 0; c < conn->n_children; c++) {
        const struct ike_child_policy *policy = &conn->children[c];
        const struct tree *child = children == NULL ? NULL : tree_get(children, policy->name);
        if (list_is_legacy(&policy->proposals))
            return child == NULL ? section : key_node(child, "esp_proposals");
    }
    return NULL;
}

/* check_legacy - SHA-1 and modp1536 are only for peers without better algorithms. */
static int check_legacy(const struct tree *section, const struct conn_work *work,
                        struct build_error *error)
{
    const struct tree *where = legacy_find(section, &work->conn);
    if (where != NULL && !work->legacy)
        return build_fail(error, where,
                          "sha1 and modp1536 are weak: taken with 'legacy = yes' only");
    if (where != NULL)
        build_warn(error, where, "sha1 and modp1536 are weak");
    return 0;
}

/* check_pools - only a RADIUS server names addresses. */
static int check_pools(const struct tree *section, const struct conn_work *work,
                       struct build_error *error)
{
    bool by_server = false;
    for (uint8_t i = 0; i < work->remote.n; i++)
        by_server |= work->remote.policies[i].method == IKE_AUTH_EAP &&
                     work->remote.certs[i].eap == EAP_CREDENTIALS_RADIUS;
    for (uint8_t i = 0; i < work->conn.n_pools; i++)
        if (strcmp(work->conn.pools[i], POOL_RADIUS) == 0 && !by_server)
            return build_fail(error, key_node(section, "pools"),
                              "only a RADIUS server names addresses: auth = eap-radius of a remote "
                              "side");
    return 0;
}

/* check_traps - packets that a trap cannot hold would leave in the clear. */
static int check_traps(const struct tree *section, const struct ike_conn *conn,
                       struct build_error *error)
{
    for (uint8_t i = 0; i < conn->n_children; i++) {
        const struct ike_child_policy *child = &conn->children[i];
        bool shunt = child->mode == IKE_MODE_PASS || child->mode == IKE_MODE_DROP;
        if (shunt || child->start_action != IKE_START_TRAP)
            continue;
        if (selectors_name_among_networks(conn, child))
            return build_fail(error, key_node(section, "remote_addrs"),
                              "child %.60s is a trap between hosts: no name beside networks",
                              child->name);
        size_t n = selectors_trapped(conn, child);
        if (n > POLICY_TS)
            return build_fail(
                error, key_node(section, "remote_addrs"),
                "the trap of child %.60s has %zu selectors, dynamic for each address: "
                "at most %d",
                child->name, n, POLICY_TS);
    }
    return 0;
}

static int check_conn(const struct tree *section, const struct conn_work *work,
                      struct build_error *error)
{
    const struct ike_conn *conn = &work->conn;
    if (conn->keep_old_notify == ORDERED_ESP_NOTIFY)
        return build_fail(error, key_node(section, "keep_old_notify"),
                          "%d is the notify ORDERED_ESP", ORDERED_ESP_NOTIFY);
    if (conn->keep_old_notify == PATH_TERMS_NOTIFY)
        return build_fail(error, key_node(section, "keep_old_notify"),
                          "%d is the notify PATH_TERMS", PATH_TERMS_NOTIFY);
    if (conn->keep_old_notify == TRAFFIC_CLASSES_NOTIFY)
        return build_fail(error, key_node(section, "keep_old_notify"),
                          "%d is the notify TRAFFIC_CLASSES", TRAFFIC_CLASSES_NOTIFY);
    if (conn->keep_old_notify != 0 && conn->keep_old_notify < 40960)
        return build_fail(error, key_node(section, "keep_old_notify"),
                          "a private status notify is expected, 40960 to 65535");
    if (conn->prefer != IKE_CLONE_KEEP_OLD && conn->prefer != IKE_CLONE_RFC7791)
        return build_fail(error, key_node(section, "prefer"),
                          "'keep-old' or 'rfc7791' is expected");
    if (conn->max_ike_sas == 0 || conn->max_ike_sas > 256)
        return build_fail(error, key_node(section, "max_ike_sas"), "1 to 256 is expected");
    if (conn->max_child_sas == 0 || conn->max_child_sas > LIMIT_CHILD_SAS_SESSION)
        return build_fail(error, key_node(section, "max_child_sas"), "1 to %d is expected",
                          LIMIT_CHILD_SAS_SESSION);
    if (conn->probe_interval_ns < 10 * NANOS_PER_MS || conn->failover_ns < 10 * NANOS_PER_MS)
        return build_fail(error,
                          key_node(section, conn->probe_interval_ns < 10 * NANOS_PER_MS
                                                ? "probe_interval"
                                                : "failover"),
                          "at least 10ms is expected");
    for (uint8_t i = 0; i < conn->n_children; i++)
        if (conn->children[i].mode == IKE_MODE_TRANSPORT && conn->multipath != IKE_MULTIPATH_AUTO &&
            ike_conn_ordered(conn))
            return build_fail(error, key_node(section, "multipath"),
                              "child %.60s has mode = transport, which takes no order trailers",
                              conn->children[i].name);
    if (conn->unused_old_timeout_ns < 10 * NANOS_PER_SEC ||
        conn->unused_old_timeout_ns > KEY_HOUR_NS)
        return build_fail(error, key_node(section, "unused_old_timeout"), "10s to 1h is expected");
    int err = check_pools(section, work, error);
    if (err == 0)
        err = check_traps(section, conn, error);
    if (err == 0)
        err = classes_check(section, conn, error);
    return err != 0 ? err : auth_rounds_check(section, &work->local, &work->remote, error);
}

/* dpd_timeout_default - a short probe interval asks for early detection, so the time-out is
 * shorter, too. At most the time of all retransmissions of a request. */
static nanos dpd_timeout_default(const struct ike_conn *conn)
{
    nanos longest = 75 * NANOS_PER_SEC, timeout = 5 * nanos_min(conn->dpd_delay_ns, longest);
    if (timeout < conn->failover_ns)
        timeout = conn->failover_ns;
    return conn->dpd_delay_ns == 0 || timeout >= longest ? 0 : timeout;
}

/* failover_default - it follows from a short probe interval: 2 s at 1 s, 400 ms at 100 ms. A black
 * hole under traffic costs 0.6 of failover_busy: 450 ms. */
static void failover_default(struct ike_conn *conn)
{
    nanos least = 400 * NANOS_PER_MS, most = 2 * NANOS_PER_SEC;
    conn->failover_busy_ns = 750 * NANOS_PER_MS;
    conn->failover_ns = nanos_min(4 * conn->probe_interval_ns, most);
    if (conn->failover_ns < least)
        conn->failover_ns = least;
}

/* probes_default - a user who names no time gets few probes of idle sessions. They cost a Gateway
 * with many sessions, and the battery of an End User. */
static void probes_default(const struct tree *section, struct ike_conn *conn)
{
    bool failover = key_node(section, "failover") != section;
    if (!failover && key_node(section, "probe_interval") == section)
        conn->probe_idle_ns = 10 * NANOS_PER_SEC;
    if (!failover)
        failover_default(conn);
}

static void finish_conn(const struct tree *section, struct conn_work *work)
{
    struct ike_conn *conn = &work->conn;
    nanos longest;
    if (conn->lifetime.rekey_ns == KEY_UNSET)
        conn->lifetime.rekey_ns = conn->reauth_ns > 0 ? 0 : 4 * KEY_HOUR_NS;
    longest = conn->lifetime.rekey_ns > conn->reauth_ns ? conn->lifetime.rekey_ns : conn->reauth_ns;
    if (work->over_ns == KEY_UNSET)
        work->over_ns = longest / 10;
    else
        conn->reauth_margin_ns = work->over_ns;
    conn->reauth_over_ns = work->over_ns;
    conn->lifetime.jitter_ns = work->rand_ns != KEY_UNSET ? work->rand_ns : work->over_ns;
    conn->lifetime.life_ns = longest > 0 ? longest + work->over_ns : 0;
    if (conn->proposals.n == 0)
        proposal_default(WIRE_PROTO_IKE, &conn->proposals);
    probes_default(section, conn);
    if (conn->dpd_timeout_ns == KEY_UNSET)
        conn->dpd_timeout_ns = dpd_timeout_default(conn);
}

static struct conn_work *work_new(void)
{
    struct conn_work *work = calloc(1, sizeof(*work));
    struct ike_conn *room = work == NULL ? NULL : ike_conn_new();
    if (room == NULL) {
        free(work);
        return NULL;
    }
    work->room = room;
    work->conn = *room;
    work->local.policies = room->local;
    work->remote.policies = room->remote;
    return work;
}

static void work_free(struct conn_work *work)
{
    ike_conn_unref(work->room);
    free(work);
}

int conn_build(const struct tree *section, struct ike_conn **ret_conn,
               struct conn_credentials *ret_credentials, struct build_error *error)
{
    static const struct key_table table = {conn_keys, LEN(conn_keys), conn_subsection,
                                           "children, paths, classes, local... and remote..."};
    struct conn_work *work = work_new();
    if (work == NULL)
        return ERR_NO_MEMORY;
    struct ike_conn *conn = &work->conn;
    *ret_credentials = (struct conn_credentials){.n_certs = 0};
    work->credentials = ret_credentials;
    conn->mobike = true;
    conn->fragmentation = IKE_FRAGMENTATION_YES;
    conn->keyingtries = 1;
    conn->lifetime.rekey_ns = conn->dpd_timeout_ns = KEY_UNSET;
    work->over_ns = work->rand_ns = KEY_UNSET;
    conn->clone = IKE_CLONE_BOTH;
    conn->prefer = IKE_CLONE_KEEP_OLD;
    /* one VPN per interface, to the address that was configured; others are for pairs and full */
    conn->mesh = IKE_MESH_FIRST;
    conn->combined_auth = true;
    conn->follow_redirects = true;
    conn->session_tickets = IKE_TICKETS_ASK;
    conn->ticket_lifetime_ns = 8 * KEY_HOUR_NS;
    conn->install_dns = true;
    conn->split_dns = true;
    conn->encrypted_dns = true;
    conn->dead_peer_ns = KEY_HOUR_NS;
    conn->nat_keepalive_ns = 20 * NANOS_PER_SEC;
    conn->max_ike_sas = LIMIT_IKE_SAS_SESSION;
    conn->max_child_sas = LIMIT_CHILD_SAS_SESSION;
    conn->max_sessions = LIMIT_SESSIONS_IDENTITY;
    conn->max_leases = LIMIT_LEASES_IDENTITY;
    conn->unused_old_timeout_ns = 120 * NANOS_PER_SEC;
    conn->probe_interval_ns = NANOS_PER_SEC;
    conn->failover_ns = 2 * NANOS_PER_SEC;
    conn->stable_for_ns = 5 * NANOS_PER_SEC;
    int err = key_name_copy(section, conn->name, error);
    if (err == 0)
        err = keys_apply(&table, section, work, error);
    if (err == 0)
        err = check_conn(section, work, error);
    if (err == 0)
        err = check_legacy(section, work, error);
    if (err == 0)
        err = marks_finish(section, conn, &work->marks, error);
    if (err == 0) {
        auth_rounds_finish(&work->local, &conn->n_local_rounds, ret_credentials->local);
        auth_rounds_finish(&work->remote, &conn->n_remote_rounds, ret_credentials->remote);
        finish_conn(section, work);
        child_shunts_last(conn);
        struct ike_conn *built = ike_conn_copy(conn);
        err = built == NULL ? ERR_NO_MEMORY : 0;
        if (built != NULL)
            *ret_conn = built;
    }
    if (err != 0)
        conn_credentials_done(ret_credentials);
    work_free(work);
    return err;
}
