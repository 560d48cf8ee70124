/* SPDX-License-Identifier: Apache-2.0 */
/* The holds of a child on this host: routes for its packets until a Child SA carries them, and a
 * block for packets that must not leave without one. */
#include "daemon/common/log.h"
#include "daemon/config/selectors.h"
#include "daemon/engine/engine_devices.h"
#include "daemon/engine/engine_state.h"
#include "daemon/engine/engine_traps.h"
#include "ike/terms/narrow.h"

/* hold_open_family - blocks the address family that would bypass the tunnel. */
static void hold_open_family(const struct ike_conn *conn, const struct ike_child_policy *child,
                             struct ike_ts_list *list)
{
    struct address any = {.family = selectors_open_family(conn)};
    uint8_t taken = any.family == ADDRESS_V6 ? ADDRESS_V4 : ADDRESS_V6;
    struct ike_ts ts = {.end_port = UINT16_MAX};
    struct ike_ts_list fixed;
    ts_fixed(&child->remote_ts, &fixed);
    if (any.family == ADDRESS_NONE || list->n == POLICY_TS || !selectors_whole(&fixed, taken) ||
        !range_from_prefix(&any, 0, &ts.range))
        return;
    list->ts[list->n++] = ts;
}

/* trap_and_held - a Child SA may be narrower than the trap that asked for it. The rest of the trap
 * stays: its packets would leave in the clear. */
static struct ike_ts_list trap_and_held(const struct ike_conn *conn,
                                        const struct ike_child_policy *child,
                                        const struct ike_ts_list *held)
{
    struct ike_ts_list list = engine_trap_selectors(conn, child);
    for (size_t i = 0; i < held->n; i++) {
        bool there = false;
        for (size_t j = 0; !there && j < list.n; j++)
            there = range_within(&held->ts[i].range, &list.ts[j].range);
        if (!there && list.n < POLICY_TS)
            list.ts[list.n++] = held->ts[i];
        else if (!there)
            log_line(LOG_LEVEL_ERROR, "event=hold-incomplete conn=%s child=%s error=%s", conn->name,
                     child->name, error_text(ERR_FULL));
    }
    return list;
}

void engine_hold(struct engine *e, const struct ike_conn *conn,
                 const struct ike_child_policy *child, const struct engine_held *held)
{
    static const struct ike_config none;
    uint16_t device;
    /* a session may have an earlier loading of the connection */
    const struct ike_conn *loaded = ike_conn_find(e->ike, conn->name);
    const struct ike_child_policy *trap = engine_trap_named(e, loaded, child->name);
    if (trap != NULL) {
        conn = loaded;
        child = trap;
    }
    if (!engine_routed_device(e, child, &device))
        return;
    struct ike_ts_list list = held == NULL ? engine_trap_selectors(conn, child) : *held->remote_ts;
    if (held != NULL && trap != NULL)
        list = trap_and_held(conn, child, held->remote_ts);
    hold_open_family(conn, child, &list);
    const struct host_hold wanted = {.conn = conn->name,
                                     .child = child->name,
                                     .named = conn,
                                     .remote_ts = &list,
                                     .config = held == NULL ? &none : held->config,
                                     .device = device,
                                     .block_device = engine_block_device(e, device),
                                     .block = conn->on_failure == IKE_ON_FAILURE_BLOCK};
    /* a trap works only if packets reach the device */
    if (wanted.block || trap != NULL)
        host_hold(e->host, &wanted);
    else /* on_failure was another one before a reload */
        host_release(e->host, conn->name, child->name);
}

/* remote_ts_of_all - the remote selectors of all Child SAs of the child, and the inner addresses of their session. */
static struct ike_ts_list remote_ts_of_all(const struct engine *e, const struct ike_conn *conn,
                                           const char *name, struct ike_config *ret_config)
{
    struct ike_ts_list list = {0};
    struct ike_child_info child = {0};
    struct ike_session_info session;
    while (ike_child_next(e->ike, child.id, &child)) {
        if (strcmp(child.policy->name, name) != 0 ||
            !ike_session_get(e->ike, child.session, &session) || session.role != IKE_END_USER ||
            strcmp(session.conn->name, conn->name) != 0)
            continue;
        for (size_t i = 0; i < child.remote_ts.n && list.n < POLICY_TS; i++)
            list.ts[list.n++] = child.remote_ts.ts[i];
        *ret_config = session.config;
    }
    return list;
}

void engine_hold_traps(struct engine *e, const struct ike_conn *conn)
{
    for (uint8_t c = 0; c < conn->n_children; c++) {
        const struct ike_child_policy *child = &conn->children[c];
        struct ike_config config = {0};
        if (!engine_is_trap(e, conn, child))
            continue;
        struct ike_ts_list list = remote_ts_of_all(e, conn, child->name, &config);
        engine_hold(e, conn, child, &(struct engine_held){&list, &config});
    }
}

void engine_release(struct engine *e, const char *conn, const char *child)
{
    const char *held_conn, *held_child;
    for (size_t i = 0; host_hold_at(e->host, i, &held_conn, &held_child); i++) {
        if (held_conn[0] == '\0' || (conn != NULL && strcmp(held_conn, conn) != 0) ||
            (child != NULL && strcmp(held_child, child) != 0))
            continue;
        const struct ike_conn *loaded = ike_conn_find(e->ike, held_conn);
        const struct ike_child_policy *trap = engine_trap_named(e, loaded, held_child);
        if (trap != NULL)
            engine_hold(e, loaded, trap, NULL);
        else
            host_release(e->host, held_conn, held_child);
    }
}

bool engine_is_held(const struct engine *e, const char *conn, const char *child)
{
    const char *held_conn, *held_child;
    for (size_t i = 0; host_hold_at(e->host, i, &held_conn, &held_child); i++)
        if (strcmp(held_conn, conn) == 0 && strcmp(held_child, child) == 0)
            return true;
    return false;
}
