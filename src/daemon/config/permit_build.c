/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config/permit_build.h"

#include <stdio.h>

#include "daemon/common/hook_script.h"
#include "daemon/config/conn_keys.h"
#include "daemon/config/selectors.h"
#include "daemon/tables/pools.h"

static int add_kind(struct permits *permits, enum permit_kind kind)
{
    const struct permit permit = {.kind = kind};
    return permits_add(permits, &permit);
}

static int add_range(struct permits *permits, enum permit_kind kind,
                     const struct address_range *range)
{
    const struct permit permit = {.kind = kind, .range = *range};
    return permits_add(permits, &permit);
}

static int add_any(struct permits *permits, enum permit_kind kind, uint8_t family)
{
    struct address_range all;
    const struct address any = {.family = family};
    return range_from_prefix(&any, 0, &all) ? add_range(permits, kind, &all) : ERR_INVALID;
}

/* add_family - permits any inner address: the Gateway chooses it, even if the End User asked for
 * another one. */
static int add_family(struct permits *permits, uint8_t family)
{
    return add_any(permits, PERMIT_ADDRESS, family);
}

static int add_device(struct permits *permits, const struct inner_device *device)
{
    const struct permit permit = {.kind = PERMIT_DEVICE, .device = *device};
    return permits_add(permits, &permit);
}

static int add_devices(struct permits *permits, const struct ike_child_policy *child)
{
    struct inner_marks marks;
    struct inner_device out, in;
    int error;
    if (inner_has_unique(child))
        return add_kind(permits, PERMIT_DEVICES_ALL);
    inner_marks_of(child, NULL, &marks);
    if (!inner_devices_of(child, &marks, &out, &in, &error) || error != 0)
        return error;
    error = add_device(permits, &out);
    return error != 0 ? error : add_device(permits, &in);
}

/* add_peer - the address of a peer that the files name. It has a permit of its own, since
 * the peer can be the router of this host. No larger network permits the router's address. */
static int add_peer(struct permits *permits, const struct ike_conn *conn)
{
    int error = add_kind(permits, PERMIT_HOSTS);
    for (uint8_t i = 0; error == 0 && i < conn->n_remote_addrs; i++) {
        const struct address_range *range = &conn->remote_addrs[i].range;
        if (range->first.family != ADDRESS_NONE && address_equal(&range->first, &range->last))
            error = add_range(permits, PERMIT_ROUTE, range);
    }
    return error;
}

static int add_peers(void *context, const struct address_range *range)
{
    return add_range(context, PERMIT_ROUTE, range);
}

static int add_script(struct permits *permits, const char *script)
{
    struct permit permit = {.kind = PERMIT_SCRIPT};
    (void)snprintf(permit.script, sizeof(permit.script), "%s", script);
    return permit.script[0] == '\0' ? 0 : permits_add(permits, &permit);
}

static int add_child(struct permits *permits, const struct ike_conn *conn,
                     const struct ike_child_policy *child)
{
    int error = add_devices(permits, child);
    if (error == 0)
        error = add_script(permits, child->updown);
    for (size_t i = 0; error == 0 && i < child->remote_ts.fixed.n; i++)
        error = add_range(permits, PERMIT_ROUTE, &child->remote_ts.fixed.ts[i].range);
    /* `dynamic` is an address of a pool, which has a permit of its own, or that of the peer */
    if (error == 0 && child->remote_ts.n_dynamic > 0 && conn->n_pools == 0)
        error = add_peer(permits, conn);
    /* the trap catches packets to all its peers */
    if (error == 0 && child->remote_ts.n_dynamic > 0 && child->start_action == IKE_START_TRAP &&
        selectors_any_peer(conn, child))
        error = selectors_peers(conn, add_peers, permits);
    return error;
}

/* add_pools - each pool has its own permit; addresses of a RADIUS server are not known before. */
static int add_pools(struct permits *permits, const struct ike_conn *conn)
{
    int error = 0;
    for (uint8_t i = 0; error == 0 && i < conn->n_pools; i++)
        if (strcmp(conn->pools[i], POOL_RADIUS) == 0)
            error = add_kind(permits, PERMIT_HOSTS);
    return error;
}

/* add_shunt - permits the selectors of a pass or drop policy. */
static int add_shunt(struct permits *permits, const struct ike_child_policy *shunt)
{
    enum permit_kind kind = shunt->mode == IKE_MODE_PASS ? PERMIT_PASS : PERMIT_DROP;
    int error = 0;
    for (size_t i = 0; error == 0 && i < shunt->remote_ts.fixed.n; i++)
        error = add_range(permits, kind, &shunt->remote_ts.fixed.ts[i].range);
    if (error == 0 && shunt->remote_ts.n_dynamic > 0)
        error = add_any(permits, kind, ADDRESS_V4);
    if (error == 0 && shunt->remote_ts.n_dynamic > 0)
        error = add_any(permits, kind, ADDRESS_V6);
    return error;
}

/* add_dns - permits the Gateway's name servers that a child of the connection reaches. */
static int add_dns(struct permits *permits, const struct ike_child_policy *child)
{
    int error = 0;
    for (size_t i = 0; error == 0 && i < child->remote_ts.fixed.n; i++)
        error = add_range(permits, PERMIT_DNS, &child->remote_ts.fixed.ts[i].range);
    if (error == 0 && child->remote_ts.n_dynamic > 0)
        error = add_any(permits, PERMIT_DNS, ADDRESS_V4);
    if (error == 0 && child->remote_ts.n_dynamic > 0)
        error = add_any(permits, PERMIT_DNS, ADDRESS_V6);
    return error;
}

static int add_paths(struct permits *permits, const struct ike_conn *conn)
{
    bool any = conn->n_paths == 0;
    int error = 0;
    for (uint8_t i = 0; error == 0 && i < conn->n_paths; i++) {
        struct permit permit = {.kind = PERMIT_LINK};
        memcpy(permit.link, conn->paths[i].interface, sizeof(permit.link));
        if (permit.link[0] == '\0' || strcmp(permit.link, "auto") == 0)
            any = true;
        else
            error = permits_add(permits, &permit);
    }
    return error == 0 && any ? add_kind(permits, PERMIT_LINKS_ALL) : error;
}

static int add_conn(const struct tree *section, struct permits *permits, struct build_error *error)
{
    struct ike_conn *conn = NULL;
    struct conn_credentials credentials;
    int err = conn_build(section, &conn, &credentials, error);
    conn_credentials_done(&credentials);
    for (uint8_t i = 0; err == 0 && i < conn->n_children; i++)
        err = add_child(permits, conn, &conn->children[i]);
    for (uint8_t i = 0; err == 0 && i < conn->n_shunts; i++)
        err = add_shunt(permits, &conn->children[conn->n_children + i]);
    if (err == 0)
        err = add_pools(permits, conn);
    for (uint8_t i = 0; err == 0 && i < conn->n_vips; i++)
        err = add_family(permits, conn->vips[i].family);
    for (uint8_t i = 0; err == 0 && conn->install_dns && conn->n_vips > 0 && i < conn->n_children;
         i++)
        err = add_dns(permits, &conn->children[i]);
    uint8_t open = err == 0 ? selectors_open_family(conn) : ADDRESS_NONE;
    /* the other family is blocked beside a tunnel for all of one family */
    if (open != ADDRESS_NONE)
        err = add_any(permits, PERMIT_ROUTE, open);
    if (err == 0 && selectors_lan(conn) == IKE_LAN_BLOCK)
        permits->lan = false;
    if (err == 0)
        err = add_paths(permits, conn);
    ike_conn_unref(conn);
    return err;
}

static int add_pool(const struct tree *section, struct permits *permits, struct build_error *error)
{
    struct pool_config pool;
    int err = pool_build(section, &pool, error);
    if (err != 0)
        return err;
    const struct address_range network = pools_network(&pool.range);
    return add_range(permits, PERMIT_ROUTE, &network);
}

/* --- the section `permits` --- */

static int item_range(const struct tree *node, const char *text, struct permits *permits,
                      enum permit_kind kind, struct build_error *error)
{
    struct address_range range;
    if (!range_parse(text, &range))
        return build_fail(error, node, "'%.60s' is not a subnet or a range of addresses", text);
    return add_range(permits, kind, &range);
}

static int item_route(const struct tree *node, const char *text, void *target,
                      struct build_error *error)
{
    return item_range(node, text, target, PERMIT_ROUTE, error);
}

static int item_pass(const struct tree *node, const char *text, void *target,
                     struct build_error *error)
{
    return item_range(node, text, target, PERMIT_PASS, error);
}

static int item_drop(const struct tree *node, const char *text, void *target,
                     struct build_error *error)
{
    return item_range(node, text, target, PERMIT_DROP, error);
}

static int item_dns(const struct tree *node, const char *text, void *target,
                    struct build_error *error)
{
    return item_range(node, text, target, PERMIT_DNS, error);
}

static int item_address(const struct tree *node, const char *text, void *target,
                        struct build_error *error)
{
    struct address_range range;
    struct permits *permits = target;
    if (!range_parse(text, &range))
        return build_fail(error, node, "'%.60s' is not a subnet or a range of addresses", text);
    if (address_is_any(&range.first) && address_equal(&range.first, &range.last))
        return add_family(permits, range.first.family); /* with the values of `vips` */
    return add_range(permits, PERMIT_ADDRESS, &range);
}

static int item_script(const struct tree *node, const char *text, void *target,
                       struct build_error *error)
{
    if (strlen(text) >= POLICY_SCRIPT || !hook_script_allowed(text))
        return build_fail(error, node, "'%.60s' is not a script that updown may name", text);
    return add_script(target, text);
}

static int set_scripts(const struct tree *node, void *target, struct build_error *error)
{
    return key_for_items(node, target, error, item_script);
}

static int set_routes(const struct tree *node, void *target, struct build_error *error)
{
    return key_for_items(node, target, error, item_route);
}

static int set_passes(const struct tree *node, void *target, struct build_error *error)
{
    return key_for_items(node, target, error, item_pass);
}

static int set_drops(const struct tree *node, void *target, struct build_error *error)
{
    return key_for_items(node, target, error, item_drop);
}

static int set_dns(const struct tree *node, void *target, struct build_error *error)
{
    return key_for_items(node, target, error, item_dns);
}

static int set_addresses(const struct tree *node, void *target, struct build_error *error)
{
    return key_for_items(node, target, error, item_address);
}

static int set_kind(const struct tree *node, struct permits *permits, enum permit_kind kind,
                    struct build_error *error)
{
    const char *text = tree_value_text(node);
    if (strcmp(text, "no") == 0)
        return 0;
    if (strcmp(text, "yes") != 0)
        return build_fail(error, node, "'%.60s' is neither yes nor no", text);
    return add_kind(permits, kind);
}

static int set_hosts(const struct tree *node, void *target, struct build_error *error)
{
    return set_kind(node, target, PERMIT_HOSTS, error);
}

static int set_devices(const struct tree *node, void *target, struct build_error *error)
{
    return set_kind(node, target, PERMIT_DEVICES_ALL, error);
}

static int apply_section(const struct tree *section, struct permits *permits,
                         struct build_error *error)
{
    static const struct key keys[] = {
        {.name = "remote_ts", .kind = KEY_FUNCTION, .function = set_routes},
        {.name = "pass", .kind = KEY_FUNCTION, .function = set_passes},
        {.name = "drop", .kind = KEY_FUNCTION, .function = set_drops},
        {.name = "vips", .kind = KEY_FUNCTION, .function = set_addresses},
        {.name = "dns", .kind = KEY_FUNCTION, .function = set_dns},
        {.name = "peers", .kind = KEY_FUNCTION, .function = set_hosts},
        {.name = "devices", .kind = KEY_FUNCTION, .function = set_devices},
        {.name = "updown", .kind = KEY_FUNCTION, .function = set_scripts},
    };
    static const struct key_table table = {keys, sizeof(keys) / sizeof(keys[0]), NULL, NULL};
    return keys_apply(&table, section, permits, error);
}

int permits_check(const struct tree *section, struct build_error *error)
{
    struct permits permits = {0};
    int err = apply_section(section, &permits, error);
    permits_done(&permits);
    return err;
}

static int each(const struct tree *top, struct permits *permits, struct build_error *error,
                int (*add)(const struct tree *section, struct permits *permits,
                           struct build_error *error))
{
    int err = 0;
    for (const struct tree *s = top == NULL ? NULL : top->first; err == 0 && s != NULL; s = s->next)
        err = add(s, permits, error);
    return err;
}

int permits_build(const struct tree *root, struct permits *permits, struct build_error *error)
{
    const struct tree *conns = tree_get(root, "connections"), *own = tree_get(root, "permits");
    permits->lan = true; /* unless a connection blocks it */
    int err = each(conns, permits, error, add_conn);
    if (err == 0)
        err = each(tree_get(root, "pools"), permits, error, add_pool);
    if (err == 0 && own != NULL) {
        err = apply_section(own, permits, error);
        permits->links_all = true; /* the paths of VICI clients' connections */
    }
    if (err == 0 && own == NULL && (conns == NULL || conns->first == NULL))
        err = add_kind(permits, PERMIT_ALL); /* all connections come from VICI clients */
    permits_settle(permits);
    return err;
}
