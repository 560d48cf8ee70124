/* SPDX-License-Identifier: Apache-2.0 */
/* start_action = trap: the routes of a child lead to the inner device before a session exists. Which children
 * are traps, by the configuration and by later commands of the user. */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/config/selectors.h"
#include "daemon/engine/engine_devices.h"
#include "daemon/engine/engine_state.h"
#include "daemon/engine/engine_traps.h"
#include "ike/terms/narrow.h"

static struct trap_choice *choice_of(const struct engine *e, const char *conn, const char *child)
{
    for (size_t i = 0; i < e->n_choices; i++)
        if (strcmp(e->choices[i].conn, conn) == 0 && strcmp(e->choices[i].child, child) == 0)
            return &e->choices[i];
    return NULL;
}

struct trap_peers {
    const struct ike_child_policy *child;
    struct ike_ts_list *list;
};

/* add_peer - adds a selector for `range`, the address of the peer or a range of possible peers, for
 * each dynamic entry of the child. selectors_trapped() has checked the room. */
static int add_peer(void *context, const struct address_range *range)
{
    const struct trap_peers *peers = context;
    const struct ike_ts_policy *of = &peers->child->remote_ts;
    for (uint8_t d = 0; d < of->n_dynamic && peers->list->n < POLICY_TS; d++)
        peers->list->ts[peers->list->n++] = (struct ike_ts){.protocol = of->dynamic[d].protocol,
                                                            .start_port = of->dynamic[d].start_port,
                                                            .end_port = of->dynamic[d].end_port,
                                                            .range = *range};
    return 0;
}

struct ike_ts_list engine_trap_selectors(const struct ike_conn *conn,
                                         const struct ike_child_policy *child)
{
    struct ike_ts_list list;
    struct trap_peers peers = {child, &list};
    ts_fixed(&child->remote_ts, &list);
    if (selectors_any_peer(conn, child)) {
        (void)!selectors_peers(conn, add_peer, &peers);
        return list;
    }
    for (uint8_t i = 0; conn->n_vips == 0 && i < conn->n_remote_addrs; i++) {
        const struct address_range *range = &conn->remote_addrs[i].range;
        if (range->first.family != ADDRESS_NONE && address_equal(&range->first, &range->last))
            (void)!add_peer(&peers, range);
    }
    return list;
}

static bool can_trap(const struct engine *e, const struct ike_conn *conn,
                     const struct ike_child_policy *child)
{
    uint16_t device;
    bool any = selectors_any_peer(conn, child);
    /* the supervisor permits the routes to all peers only where the files have the trap */
    if ((any && child->start_action != IKE_START_TRAP) ||
        selectors_name_among_networks(conn, child) || selectors_trapped(conn, child) > POLICY_TS)
        return false;
    return (conn->n_remote_addrs > 0 || any) && engine_trap_selectors(conn, child).n > 0 &&
           engine_policy_device(e, child, &device);
}

bool engine_is_trap(const struct engine *e, const struct ike_conn *conn,
                    const struct ike_child_policy *child)
{
    const struct trap_choice *choice = choice_of(e, conn->name, child->name);
    bool on = choice != NULL ? choice->on : child->start_action == IKE_START_TRAP;
    return on && !engine_is_down(e, conn->name) && can_trap(e, conn, child);
}

bool engine_conn_kept(const struct engine *e, const struct ike_conn *conn, const char *child)
{
    for (uint8_t i = 0; i < conn->n_children; i++) {
        const struct ike_child_policy *policy = &conn->children[i];
        if ((child == NULL || strcmp(policy->name, child) == 0) &&
            (policy->dpd_action == IKE_DPD_RESTART ||
             (policy->dpd_action == IKE_DPD_TRAP && !engine_is_trap(e, conn, policy))))
            return true;
    }
    return false;
}

const struct ike_child_policy *engine_trap_named(const struct engine *e,
                                                 const struct ike_conn *conn, const char *child)
{
    for (uint8_t c = 0; conn != NULL && c < conn->n_children; c++)
        if (strcmp(conn->children[c].name, child) == 0 &&
            engine_is_trap(e, conn, &conn->children[c]))
            return &conn->children[c];
    return NULL;
}

bool engine_trap_set(struct engine *e, const struct ike_conn *conn,
                     const struct ike_child_policy *child)
{
    if (!engine_is_trap(e, conn, child))
        return false;
    engine_hold(e, conn, child, NULL);
    data_plane_acquire(e->plane, true);
    return true;
}

bool engine_trap_is_up(struct engine *e, const struct ike_conn *conn, const char *name,
                       const struct address *to)
{
    struct ike_child_info child = {0};
    struct ike_session_info session;
    struct ike_sa_info sa;
    while (ike_child_next(e->ike, child.id, &child))
        if (strcmp(child.policy->name, name) == 0 &&
            ike_session_get(e->ike, child.session, &session) &&
            strcmp(session.conn->name, conn->name) == 0 &&
            (to->family == ADDRESS_NONE ||
             (ike_sa_get(e->ike, child.sa, &sa) && address_equal(&sa.path.remote.address, to))))
            return true;
    return false;
}

static bool choose(struct engine *e, const char *conn, const char *child, bool on)
{
    struct trap_choice *choice = choice_of(e, conn, child);
    if (choice == NULL) {
        struct trap_choice *choices =
            reallocarray(e->choices, e->n_choices + 1, sizeof(choices[0]));
        if (choices == NULL)
            return false;
        e->choices = choices;
        choice = &choices[e->n_choices++];
        (void)snprintf(choice->conn, sizeof(choice->conn), "%s", conn);
        (void)snprintf(choice->child, sizeof(choice->child), "%s", child);
    }
    choice->on = on;
    return true;
}

bool engine_trap_install(struct engine *e, const struct ike_conn *conn,
                         const struct ike_child_policy *child)
{
    return can_trap(e, conn, child) && choose(e, conn->name, child->name, true) &&
           (engine_is_held(e, conn->name, child->name) || engine_trap_set(e, conn, child));
}

/* Routes that a session or a wish still needs stay until that ends. */
bool engine_trap_uninstall(struct engine *e, const struct ike_conn *conn,
                           const struct ike_child_policy *child)
{
    if (!engine_is_trap(e, conn, child) || !choose(e, conn->name, child->name, false))
        return false;
    if (!engine_trap_is_up(e, conn, child->name, &(struct address){0}) &&
        !engine_conn_connecting(e, conn->name))
        host_release(e->host, conn->name, child->name);
    engine_traps_renew(e);
    return true;
}

void engine_traps_unload(struct engine *e, const char *conn)
{
    for (size_t i = e->n_choices; i-- > 0;)
        if (strcmp(e->choices[i].conn, conn) == 0)
            e->choices[i] = e->choices[--e->n_choices];
}

void engine_traps_renew(struct engine *e)
{
    const struct ike_conn *conn;
    bool any = false;
    for (size_t i = 0; (conn = ike_conn_at(e->ike, i)) != NULL; i++)
        for (uint8_t c = 0; c < conn->n_children; c++)
            if (engine_is_trap(e, conn, &conn->children[c])) {
                any = true;
                if (!engine_is_held(e, conn->name, conn->children[c].name))
                    (void)engine_trap_set(e, conn, &conn->children[c]);
            }
    data_plane_acquire(e->plane, any);
}

/* is_held_anyway - the child is a trap, or the load begins the connection. */
static bool is_held_anyway(const struct engine *e, const struct ike_conn *conn, const char *name)
{
    for (uint8_t c = 0; c < conn->n_children; c++)
        if (strcmp(conn->children[c].name, name) == 0)
            return engine_is_trap(e, conn, &conn->children[c]) ||
                   (conn->children[c].start_action != IKE_START_NONE &&
                    !engine_is_down(e, conn->name));
    return false;
}

void engine_traps_forget(struct engine *e, const struct ike_conn *conn)
{
    const char *held_conn, *held_child;
    for (size_t i = 0; host_hold_at(e->host, i, &held_conn, &held_child); i++) {
        if (strcmp(held_conn, conn->name) == 0 && !is_held_anyway(e, conn, held_child))
            host_release(e->host, conn->name, held_child);
    }
}
