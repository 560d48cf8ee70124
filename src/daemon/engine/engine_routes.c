/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Routes for packets of the host itself. With an inner address they leave from that address.
 * Without one, as between two networks or from host to host, the kernel would choose any address of
 * the host, but the Child SA carries only addresses within its selectors. So our routes prefer an
 * own address that the selectors contain, and of several the address of the path.
 */

#include <stdio.h>
#include <stdlib.h>

#include "daemon/common/log.h"
#include "daemon/config/selectors.h"
#include "daemon/engine/engine_devices.h"
#include "daemon/engine/engine_state.h"
#include "daemon/tables/pools.h"
#include "ike/terms/narrow.h"

static bool takes(const struct ike_ts_list *list, const struct address *address)
{
    for (size_t i = 0; i < list->n; i++)
        if (range_contains(&list->ts[i].range, address))
            return true;
    return false;
}

static void consider(const struct ike_ts_list *local_ts, const struct address *address,
                     struct host_own *own)
{
    struct address *best = address->family == ADDRESS_V6 ? &own->v6 : &own->v4;
    if (best->family == ADDRESS_NONE && !address_is_link_local(address) && takes(local_ts, address))
        *best = *address;
}

bool engine_has_address(const struct engine *e, const struct address *address)
{
    const struct path_link *links = e->links;
    for (size_t i = 0; i < PATH_LINKS; i++)
        for (size_t j = 0; links[i].up && j < links[i].n_addresses && j < PATH_LINK_ADDRESSES; j++)
            if (address_equal(&links[i].addresses[j], address))
                return true;
    return false;
}

static void consider_links(const struct engine *e, const struct ike_ts_list *local_ts,
                           struct host_own *own)
{
    for (size_t i = 0; i < PATH_LINKS; i++)
        for (size_t j = 0; e->links[i].up && j < e->links[i].n_addresses && j < PATH_LINK_ADDRESSES;
             j++)
            consider(local_ts, &e->links[i].addresses[j], own);
}

static void consider_policy(const struct engine *e, const struct ike_ts_policy *local_ts,
                            struct host_own *own)
{
    struct ike_ts_list fixed;
    ts_fixed(local_ts, &fixed);
    consider_links(e, &fixed, own);
}

/* wait_add - waits for the answers to the requests that were just made. */
static int wait_add(struct engine *e, const struct engine_route *route, ike_session_id owner)
{
    if (e->n_waits == e->waits_cap) {
        size_t cap = e->waits_cap == 0 ? 64 : e->waits_cap * 2;
        struct child_wait *waits = reallocarray(e->waits, cap, sizeof(waits[0]));
        if (waits == NULL)
            return ERR_NO_MEMORY;
        e->waits = waits;
        e->waits_cap = cap;
    }
    e->waits[e->n_waits++] =
        (struct child_wait){route->child, owner, route->job, host_asked(e->host)};
    return 0;
}

/* child_decided - a Child SA without its routes is taken down, and the peer gets a Delete. */
static void child_decided(struct engine *e, ike_child_id child, ike_job_id job, int error)
{
    struct ike_child_info info;
    const struct ike_result result = {.error = error};
    if (error != 0) {
        const char *why = error == ERR_DENIED ? e->denied : error_text(error);
        log_line(LOG_LEVEL_WARNING, "event=child-refused child=%u reason=\"%s\"", child, why);
        engine_watch_refused(e, child, why);
    }
    if (job != 0) {
        ike_complete(e->ike, job, &result, e->now);
        return;
    }
    const struct ike_command command = {
        .kind = IKE_CMD_DELETE_CHILD, .child_id = child, .tag = engine_number(e)};
    if (error != 0 && ike_child_get(e->ike, child, &info) &&
        ike_command(e->ike, &command, e->now) != 0)
        log_line(LOG_LEVEL_WARNING, "event=delete-failed child=%u", child);
}

bool engine_gateways_own(const struct ike_config *config, const struct ike_sa_info *sa)
{
    for (size_t i = 0; config != NULL && i < config->n_addresses; i++)
        if (address_equal(&config->addresses[i], &sa->path.remote.address))
            return true;
    return false;
}

/* child_error - the error if the Child SA lacks a device, a route or an inner address; 0: it has
 * them. */
static int child_error(const struct engine *e, ike_child_id child, ike_session_id owner)
{
    int error = engine_devices_error(e, child);
    return error != 0 ? error : host_child_error(e->host, child, owner);
}

void engine_routes_set(struct engine *e, const struct engine_route *route)
{
    struct host_own own = {0};
    struct ike_sa_info sa;
    struct ike_session_info session;
    bool there =
        ike_sa_get(e->ike, route->sa, &sa) && ike_session_get(e->ike, route->session, &session);
    if (there && engine_has_address(e, &sa.path.local.address))
        consider(route->local_ts, &sa.path.local.address, &own);
    consider_links(e, route->local_ts, &own);
    const struct host_child child = {.id = route->child,
                                     .session = route->session,
                                     .device = engine_child_device(e, route->child),
                                     .named = there ? session.conn : NULL,
                                     .config =
                                         there && session.role == IKE_END_USER ? sa.config : NULL,
                                     .own = &own};
    ike_session_id owner = child.config != NULL ? sa.config_owner : 0;
    bool stolen = engine_gateways_own(child.config, &sa);
    int error = stolen ? ERR_DENIED : 0;
    if (!stolen && route->policy->routes != IKE_ROUTES_NO)
        error = host_routes(e->host, &child, route->remote_ts);
    if (stolen)
        (void)snprintf(e->denied, sizeof(e->denied),
                       "the inner address is refused: it is the Gateway's own");
    bool decided = error != 0 || host_answered(e->host) == host_asked(e->host);
    if (!decided)
        error = wait_add(e, route, owner);
    if (decided || error != 0)
        child_decided(e, route->child, route->job,
                      error != 0 ? error : child_error(e, route->child, owner));
}

void engine_routes_decide(struct engine *e)
{
    size_t n = 0;
    while (n < e->n_waits && e->waits[n].asked <= host_answered(e->host)) {
        const struct child_wait wait = e->waits[n++];
        child_decided(e, wait.child, wait.job, child_error(e, wait.child, wait.owner));
    }
    e->n_waits -= n;
    if (n > 0)
        memmove(e->waits, e->waits + n, e->n_waits * sizeof(e->waits[0]));
}

/* --- networks that the configuration names --- */

/* is_default - the range is a default route, or half of one, which names no network to protect. */
static bool is_default(const struct address_range *range)
{
    unsigned prefix_len;
    return range_to_prefix(range, &prefix_len) && prefix_len < 2;
}

bool engine_is_unrouted(const struct ike_child_policy *policy)
{
    return policy->routes == IKE_ROUTES_NO || inner_has_unique(policy);
}

bool engine_routed_device(const struct engine *e, const struct ike_child_policy *policy,
                          uint16_t *ret_device)
{
    return !engine_is_unrouted(policy) && engine_policy_device(e, policy, ret_device);
}

static bool has_pool(const struct ike_conn *conn, const char *name)
{
    for (size_t i = 0; i < conn->n_pools; i++)
        if (strcmp(conn->pools[i], name) == 0)
            return true;
    return false;
}

/* conn_of_pool - NULL: no connection has it. */
static const struct ike_conn *conn_of_pool(struct engine *e, const char *name)
{
    const struct ike_conn *conn;
    for (size_t i = 0; (conn = ike_conn_at(e->ike, i)) != NULL; i++)
        if (has_pool(conn, name))
            return conn;
    return NULL;
}

void engine_pool_hold(struct engine *e, const struct ike_conn *conn, const char *name)
{
    struct pool_status pool;
    static const struct ike_config none;
    struct ike_ts_list list = {.n = 1};
    struct host_own own = {0};
    uint16_t device = 0;
    bool unrouted = conn->n_children > 0 && engine_is_unrouted(&conn->children[0]);
    if (unrouted && conn_of_pool(e, name) == conn) /* it had routes before a reload */
        host_unload(e->host, POOL_HOLD, name);
    if (conn->n_children > 0 && !engine_routed_device(e, &conn->children[0], &device))
        return;
    for (uint8_t i = 0; i < conn->n_children; i++)
        consider_policy(e, &conn->children[i].local_ts, &own);
    for (size_t i = 0; pools_status(e->pools, i, &pool); i++) {
        if (strcmp(pool.config->name, name) != 0)
            continue;
        list.ts[0].range = pools_network(&pool.config->range);
        const struct host_hold wanted = {.conn = POOL_HOLD,
                                         .child = name,
                                         .remote_ts = &list,
                                         .config = &none,
                                         .own = &own,
                                         .device = device,
                                         .block_device = engine_block_device(e, device),
                                         .block = conn->on_failure == IKE_ON_FAILURE_BLOCK,
                                         .standing = true};
        host_hold(e->host, &wanted);
    }
}

void engine_pools_check(struct engine *e)
{
    const char *conn, *name;
    struct pool_status pool;
    for (size_t i = 0; host_hold_at(e->host, i, &conn, &name); i++) {
        bool there = strcmp(conn, POOL_HOLD) != 0;
        for (size_t j = 0; !there && pools_status(e->pools, j, &pool); j++)
            there = strcmp(pool.config->name, name) == 0;
        if (!there)
            host_unload(e->host, POOL_HOLD, name);
    }
    for (size_t i = 0; pools_status(e->pools, i, &pool); i++) {
        const struct ike_conn *user = conn_of_pool(e, pool.config->name);
        if (user != NULL)
            engine_pool_hold(e, user, pool.config->name);
    }
}

void engine_remote_hold(struct engine *e, const struct ike_conn *conn,
                        const struct ike_child_policy *child)
{
    static const struct ike_config none;
    struct host_own own = {0};
    struct ike_ts_list list = {0};
    uint16_t device;
    if (!engine_routed_device(e, child, &device))
        return;
    for (size_t i = 0; i < child->remote_ts.fixed.n; i++)
        if (!is_default(&child->remote_ts.fixed.ts[i].range))
            list.ts[list.n++] = child->remote_ts.fixed.ts[i];
    consider_policy(e, &child->local_ts, &own);
    const struct host_hold wanted = {.conn = conn->name,
                                     .child = child->name,
                                     .named = conn,
                                     .remote_ts = &list,
                                     .config = &none,
                                     .own = &own,
                                     .device = device,
                                     .block_device = engine_block_device(e, device),
                                     .block = true,
                                     .standing = conn->n_remote_addrs == 0};
    if (list.n > 0 && conn->on_failure == IKE_ON_FAILURE_BLOCK)
        host_hold(e->host, &wanted);
}

void engine_conn_networks_hold(struct engine *e, const struct ike_conn *conn)
{
    for (size_t i = 0; i < conn->n_pools; i++)
        engine_pool_hold(e, conn, conn->pools[i]);
    /* a trap already holds more than these selectors */
    for (uint8_t i = 0; conn->n_remote_addrs == 0 && i < conn->n_children; i++)
        if (!engine_is_trap(e, conn, &conn->children[i]))
            engine_remote_hold(e, conn, &conn->children[i]);
}

void engine_lan_check(struct engine *e)
{
    bool everything = false, bypass = true;
    const struct ike_conn *conn;
    for (size_t i = 0; (conn = ike_conn_at(e->ike, i)) != NULL; i++) {
        everything |= selectors_everything(conn);
        bypass &= selectors_lan(conn) == IKE_LAN_BYPASS;
    }
    if (everything || e->lan_bypassed)
        host_lan(e->host, everything && bypass);
    e->lan_bypassed = everything && bypass;
}

static bool same_addresses(const struct path_link *a, const struct path_link *b)
{
    for (size_t i = 0; i < PATH_LINKS; i++)
        if (a[i].up != b[i].up || a[i].n_addresses != b[i].n_addresses ||
            memcmp(a[i].addresses, b[i].addresses, sizeof(a[i].addresses)) != 0)
            return false;
    return true;
}

void engine_routes_renew(struct engine *e)
{
    struct ike_child_info child = {0};
    while (ike_child_next(e->ike, child.id, &child)) {
        const struct engine_route route = {
            child.id, child.sa, child.session, child.policy, &child.local_ts, &child.remote_ts, 0};
        engine_routes_set(e, &route);
    }
}

void engine_routes_check(struct engine *e, const struct path_link before[PATH_LINKS])
{
    struct ike_conn *conn;
    if (same_addresses(before, e->links))
        return;
    for (size_t i = 0; (conn = ike_conn_at(e->ike, i)) != NULL; i++)
        engine_conn_networks_hold(e, conn);
    engine_lan_check(e);
    engine_routes_renew(e);
}
