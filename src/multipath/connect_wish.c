/* SPDX-License-Identifier: Apache-2.0 */
/* The wishes of persons and of the configuration: a session, and children of the connection. */
#include <stdio.h>

#include "multipath/vpn.h"

static void add_remote(struct address remotes[REMOTES_MAX], uint8_t *n, const struct address *more)
{
    for (uint8_t i = 0; i < *n; i++)
        if (address_equal(&remotes[i], more))
            return;
    if (*n < OWN_REMOTES_MAX)
        remotes[(*n)++] = *more;
}

/* own_remotes - addresses of the connection, resolved or written as addresses, then those of its
 * path sections. */
static uint8_t own_remotes(const struct path_connect *wish, struct address remotes[REMOTES_MAX])
{
    uint8_t n = 0;
    for (uint8_t i = 0; i < wish->n_remotes; i++)
        add_remote(remotes, &n, &wish->remotes[i]);
    if (wish->beside)
        return n;
    for (uint8_t i = 0; wish->n_remotes == 0 && i < wish->conn->n_remote_addrs; i++) {
        const struct address_range *range = &wish->conn->remote_addrs[i].range;
        if (range->first.family != ADDRESS_NONE && address_equal(&range->first, &range->last))
            add_remote(remotes, &n, &range->first);
    }
    for (uint8_t i = 0; i < wish->conn->n_paths; i++)
        for (uint8_t j = 0; j < wish->conn->paths[i].n_remote; j++)
            add_remote(remotes, &n, &wish->conn->paths[i].remote[j]);
    return n;
}

struct vpn *wish_of(const struct path_manager *pm, const char *name, const struct address *only)
{
    for (struct vpn *vpn = pm->vpns; vpn != NULL; vpn = vpn->next)
        if (vpn_end_user(vpn) && strcmp(vpn->conn->name, name) == 0 && !vpn_released(vpn) &&
            !vpn_hidden(vpn) && address_equal(&vpn->wish.only, only) &&
            (vpn->replace.successor == NULL || vpn->replace.successor->session.id == 0))
            return vpn;
    return NULL;
}

static int child_index(const struct ike_conn *conn, const char *name)
{
    for (uint8_t i = 0; i < conn->n_children; i++)
        if (name == NULL || name[0] == '\0' || strcmp(conn->children[i].name, name) == 0)
            return i;
    return -1;
}

uint32_t wish_child(const struct ike_conn *conn, const char *name)
{
    int index = child_index(conn, name);
    return index < 0 ? 0 : UINT32_C(1) << index;
}

uint32_t wish_login_child(const struct vpn *vpn)
{
    return vpn->wish.alone ? 0 : wish_child(vpn->conn, vpn->wish.child);
}

uint32_t wish_children_in(const struct ike_conn *conn, const struct ike_conn *old,
                          uint32_t children)
{
    uint32_t found = 0;
    for (uint8_t i = 0; i < old->n_children; i++)
        if ((children >> i & 1) != 0)
            found |= wish_child(conn, old->children[i].name);
    return found;
}

void wish_begin_with(struct vpn *vpn, uint32_t children)
{
    if (children == 0 || (wish_child(vpn->conn, vpn->wish.child) & children) != 0)
        return;
    uint8_t first = 0;
    while ((children >> first & 1) == 0)
        first++;
    (void)snprintf(vpn->wish.child, sizeof(vpn->wish.child), "%s", vpn->conn->children[first].name);
    vpn->wish.packet = (struct ike_packet){0};
}

/* conn_replace - the connection was loaded again before its login was complete. */
static void conn_replace(struct vpn *vpn, struct ike_conn *conn)
{
    login_cancel(vpn);
    vpn->n_paths = 0;
    vpn->wish.kept = wish_children_in(conn, vpn->conn, vpn->wish.kept);
    vpn->wish.later = wish_children_in(conn, vpn->conn, vpn->wish.later);
    ike_conn_ref(conn);
    ike_conn_unref(vpn->conn);
    vpn->conn = conn;
}

bool wish_conn_renew(struct vpn *vpn, struct ike_conn *conn)
{
    struct address remotes[REMOTES_MAX];
    const struct path_connect wish = {.conn = conn};
    uint32_t wished = wish_children_in(conn, vpn->conn, vpn->wish.kept | vpn->wish.later);
    if (conn->n_children > 0 && child_index(conn, vpn->wish.child) < 0 && wished == 0)
        return false;
    conn_replace(vpn, conn);
    if (child_index(conn, vpn->wish.child) < 0)
        wish_begin_with(vpn, wished);
    uint8_t n = own_remotes(&wish, remotes);
    redirect_home(vpn);
    if (n > 0 && vpn->wish.only.family == ADDRESS_NONE) /* n is 0 if the connection has names only:
                                                         * their addresses stay */
        redirect_configured(vpn, remotes, n);
    return true;
}

void path_manager_conn_loaded(struct path_manager *pm, struct ike_conn *conn, nanos now)
{
    manager_input(pm, now);
    for (struct vpn *vpn = pm->vpns; vpn != NULL; vpn = vpn->next) {
        if (!vpn_end_user(vpn) || strcmp(vpn->conn->name, conn->name) != 0)
            continue;
        vpn->conn_next = ike_conn_unref(vpn->conn_next);
        classes_loaded(vpn);
        vpn_touch(vpn);
        if (vpn->conn == conn)
            continue;
        if (vpn->session.id != 0) {
            vpn->conn_next = ike_conn_ref(conn);
        } else if (vpn->wish.phase != WISH_OVER && wish_conn_renew(vpn, conn)) {
            vpn->wish.round_at_ns = now;
            wanted_plan(vpn, now);
            vpn_touch(vpn);
        }
    }
    manager_settle(pm, now);
}

/* host_login_drop - ends the login to a host that has not answered, to make room for another
 * host. */
static void host_login_drop(struct vpn *vpn)
{
    login_cancel(vpn);
    login_connected(vpn, IKE_TIMEOUT);
    vpn->wish.phase = WISH_OVER;
    vpn_touch(vpn);
}

/* host_answered - the host has answered the IKE_SA_INIT request of its login. */
static bool host_answered(const struct vpn *vpn)
{
    for (unsigned i = 0; i < vpn->n_paths; i++)
        if (vpn->paths[i].login.tag != 0 && vpn->paths[i].login.sa != 0)
            return true;
    return false;
}

/* hosts_room - makes room for a session with a further host. It drops a login that no wish
 * protects: the first to a silent host, or else the first that is under way. false: no room. */
static bool hosts_room(const struct path_manager *pm, const char *name)
{
    unsigned n_up = 0, n_asked = 0;
    struct vpn *silent = NULL, *slow = NULL; /* the list is by age */
    for (struct vpn *vpn = pm->vpns; vpn != NULL; vpn = vpn->next) {
        /* a login beside a session with the same host adds no host */
        if (!vpn_end_user(vpn) || vpn->wish.only.family == ADDRESS_NONE || vpn_hidden(vpn) ||
            strcmp(vpn->conn->name, name) != 0)
            continue;
        n_up += vpn->session.id != 0;
        n_asked += vpn->session.id == 0 && vpn->wish.phase != WISH_OVER;
        if (vpn->session.id != 0 || vpn->wish.phase != WISH_ONCE)
            continue;
        struct vpn **first = host_answered(vpn) ? &slow : &silent;
        if (*first == NULL)
            *first = vpn;
    }
    if (n_asked < LIMIT_TRAP_LOGINS && n_up + n_asked < LIMIT_TRAP_HOSTS)
        return true;
    struct vpn *leaves = silent != NULL ? silent : slow;
    if (n_up >= LIMIT_TRAP_HOSTS || leaves == NULL)
        return false;
    host_login_drop(leaves);
    return true;
}

/* wish_vpn - the vpn of a wish; a new one if there is none. NULL: *ret_error says why. */
static struct vpn *wish_vpn(struct path_manager *pm, const struct path_connect *wish,
                            bool *ret_fresh, int *ret_error)
{
    static const struct address everywhere;
    const struct address *only = wish->beside ? &wish->remotes[0] : &everywhere;
    struct vpn *vpn = wish_of(pm, wish->conn->name, only);
    *ret_fresh = vpn == NULL;
    if (vpn != NULL)
        return vpn;
    *ret_error = wish->beside && !hosts_room(pm, wish->conn->name) ? ERR_FULL : ERR_NO_MEMORY;
    if (*ret_error == ERR_NO_MEMORY)
        vpn = vpn_new(pm, wish->conn, IKE_END_USER);
    if (vpn != NULL)
        vpn->wish.only = *only;
    return vpn;
}

int path_manager_connect(struct path_manager *pm, const struct path_connect *wish, nanos now)
{
    struct address remotes[REMOTES_MAX];
    uint8_t n = own_remotes(wish, remotes);
    bool childless = wish->alone || wish->conn->n_children == 0;
    int child = wish->alone ? -1 : child_index(wish->conn, wish->child);
    if (n == 0 || (child < 0 && !childless))
        return ERR_INVALID;
    manager_input(pm, now);
    bool fresh;
    int error = 0;
    struct vpn *vpn = wish_vpn(pm, wish, &fresh, &error);
    if (vpn == NULL)
        return error;
    /* the session may have an older configuration */
    if (!fresh && vpn->session.id != 0 && !wish->alone)
        child = child_index(vpn->conn, wish->child);
    if (child < 0 && !childless)
        return ERR_WRONG_STATE;
    if (vpn->session.id == 0 && vpn->conn != wish->conn)
        conn_replace(vpn, wish->conn);
    uint32_t bit = child < 0 ? 0 : UINT32_C(1) << child;
    if (vpn->session.id != 0)
        vpn->wish.children |= bit;
    if (vpn->wish.phase != WISH_OVER &&
        (vpn->session.id == 0 ||
         vpn->session.login_tag != 0)) /* a login for another child is under way */
        vpn->wish.later |= wish_login_child(vpn) & ~bit;
    if (wish->keep)
        vpn->wish.kept |= bit;
    if (vpn->wish.phase != WISH_KEPT)
        vpn->wish.phase = wish->keep ? WISH_KEPT : WISH_ONCE;
    vpn->wish.tag = wish->tag;
    vpn->wish.waits = true;
    vpn->wish.alone = wish->alone;
    (void)snprintf(vpn->wish.child, sizeof(vpn->wish.child), "%s",
                   wish->child == NULL ? "" : wish->child);
    vpn->wish.packet = wish->packet;
    redirect_configured(vpn, remotes, n);
    if (!fresh)
        vpn->wish.round_at_ns = now; /* a person does not wait for the back-off */
    wanted_plan(vpn, now);
    for (unsigned i = 0; vpn->session.id != 0 && i < vpn->session.n_legs; i++) {
        vpn->legs[i].job_at_ns = 0;
        if (child < 0 || leg_has(vpn, &vpn->legs[i], (uint8_t)child)) {
            login_connected(vpn, IKE_OK);
            break;
        }
    }
    vpn_touch(vpn);
    manager_settle(pm, now);
    return 0;
}

void path_manager_remotes(struct path_manager *pm, const struct path_connect *resolved, nanos now)
{
    static const struct address everywhere;
    struct address remotes[REMOTES_MAX];
    uint8_t n = own_remotes(resolved, remotes);
    struct vpn *vpn = wish_of(pm, resolved->conn->name, &everywhere);
    if (n == 0 || vpn == NULL || vpn->session.id != 0 || vpn->conn != resolved->conn)
        return;
    manager_input(pm, now);
    redirect_configured(vpn, remotes, n);
    wanted_plan(vpn, now);
    vpn_touch(vpn);
    manager_settle(pm, now);
}

void path_manager_disconnect(struct path_manager *pm, const char *conn_name, nanos now)
{
    manager_input(pm, now);
    for (struct vpn *vpn = pm->vpns; vpn != NULL; vpn = vpn->next) {
        if (!vpn_end_user(vpn) || strcmp(vpn->conn->name, conn_name) != 0)
            continue;
        login_cancel(vpn);
        vpn->wish.phase = WISH_OVER;
        vpn->wish.kept = 0;
        vpn_touch(vpn);
    }
    manager_settle(pm, now);
}

void path_manager_session_release(struct path_manager *pm, ike_session_id session)
{
    struct vpn *vpn = vpn_find(pm, session);
    if (vpn == NULL)
        return;
    vpn_release(vpn);
    if (vpn->replace.successor != NULL && vpn->replace.successor->session.id == 0)
        beside_end(vpn);
    manager_settle(pm, pm->now);
}

void path_manager_child_release(struct path_manager *pm, ike_session_id session, const char *child)
{
    struct vpn *vpn = vpn_find(pm, session);
    if (vpn != NULL)
        vpn->wish.children &= ~wish_child(vpn->conn, child);
}
