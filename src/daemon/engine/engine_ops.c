/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/vici/engine_ops.h"

#include <stdio.h>

#include "daemon/common/log.h"
#include "daemon/engine/accounts.h"
#include "daemon/engine/engine_aaa.h"
#include "daemon/engine/engine_devices.h"
#include "daemon/engine/reqids.h"
#include "ike/terms/identity.h"
#include "ike/terms/narrow.h"

/* These functions do not drain the cores. The loop does so after the handler returns. So no answer
 * comes before its question is stored. */

/* how long a terminate waits at most for responses to its Deletes */
#define TERMINATE_NS (30 * NANOS_PER_SEC)

static nanos op_now(void *engine)
{
    return ((struct engine *)engine)->now;
}

static struct ike *op_ike(void *engine)
{
    return ((struct engine *)engine)->ike;
}

static struct pools *op_pools(void *engine)
{
    return ((struct engine *)engine)->pools;
}

static void op_pools_changed(void *engine)
{
    engine_pools_check(engine);
}

/* --- connections --- */

static bool conn_wanted(const struct engine *e, const char *name)
{
    struct path_status status;
    for (size_t i = 0; path_manager_status(e->paths, i, &status); i++)
        if (strcmp(status.conn, name) == 0 && status.role == IKE_END_USER &&
            (status.session != 0 || status.state != PATH_IDLE))
            return true;
    for (size_t i = 0; i < ENGINE_RESOLVING; i++)
        if (e->resolving[i].job != 0 && strcmp(e->resolving[i].wish.conn->name, name) == 0)
            return true;
    return false;
}

bool engine_conn_connecting(const struct engine *e, const char *name)
{
    struct path_status status;
    bool some = false;
    for (size_t i = 0; path_manager_status(e->paths, i, &status); i++) {
        if (strcmp(status.conn, name) != 0 || status.role != IKE_END_USER)
            continue;
        if (status.session != 0)
            return false;
        some |= status.state != PATH_IDLE;
    }
    for (size_t i = 0; i < ENGINE_RESOLVING; i++)
        some |= e->resolving[i].job != 0 && strcmp(e->resolving[i].wish.conn->name, name) == 0;
    return some;
}

/* conn_start - runs start_action. `connect`: the connection has no session and no wish yet. */
static void conn_start(struct engine *e, struct ike_conn *conn, bool connect)
{
    if (engine_is_down(e, conn->name))
        return;
    for (size_t i = 0; i < conn->n_children; i++) {
        const struct ike_child_policy *child = &conn->children[i];
        if (child->start_action == IKE_START_NONE)
            continue;
        if (engine_trap_set(e, conn, child))
            continue;
        if (child->start_action == IKE_START_TRAP)
            log_line(LOG_LEVEL_WARNING,
                     "event=trap-started conn=%s child=%s text=\"a trap needs remote selectors and "
                     "hosts that are known, or networks of hosts: connecting at once\"",
                     conn->name, child->name);
        engine_hold(e, conn, child, NULL);
        if (!connect)
            continue;
        struct path_connect wish = {
            .conn = conn, .child = child->name, .tag = engine_number(e), .keep = true};
        int error = engine_connect(e, &wish);
        if (error != 0)
            log_line(LOG_LEVEL_WARNING, "event=start-refused conn=%s child=%s error=%s", conn->name,
                     child->name, error_text(error));
    }
}

static const struct ike_child_policy *conn_child(const struct ike_conn *conn, const char *child)
{
    for (size_t i = 0; i < conn->n_children; i++)
        if (strcmp(conn->children[i].name, child) == 0)
            return &conn->children[i];
    return NULL;
}

static bool command_send(struct engine *e, struct ike_command *command, uint64_t tag,
                         struct watching *w)
{
    command->tag = tag;
    if (ike_command(e->ike, command, e->now) != 0)
        return false;
    if (w != NULL)
        w->open++;
    return true;
}

/* conn_end - ends the sessions that this connection began. Their traffic stays blocked until their
 * successors carry it. */
static void conn_end(struct engine *e, const char *name)
{
    struct ike_session_info session = {0};
    log_line(LOG_LEVEL_INFO, "event=conn-restarted conn=%s", name);
    engine_connect_forget(e, name);
    path_manager_disconnect(e->paths, name, e->now);
    while (ike_session_next(e->ike, session.id, &session)) {
        struct ike_command command = {
            .kind = IKE_CMD_DELETE_SESSION, .session = session.id, .tag = engine_number(e)};
        if (session.role != IKE_END_USER || strcmp(session.conn->name, name) != 0)
            continue;
        path_manager_session_release(e->paths, session.id);
        (void)command_send(e, &command, command.tag, NULL);
    }
}

/* conn_changed - replaces `old`. Returns true if a session or wish of it was ended and has to begin
 * anew. */
static bool conn_changed(struct engine *e, const struct ike_conn *old, struct ike_conn *conn,
                         bool wanted)
{
    bool restart = false, unloaded = false;
    wanted = wanted && !ike_conn_same_but_classes(old, conn); /* these need no other session */
    for (uint8_t i = 0; i < old->n_children; i++)
        restart |= wanted && old->children[i].start_action == IKE_START_START;
    for (uint8_t i = 0; i < old->n_children; i++) {
        const struct ike_child_policy *now = conn_child(conn, old->children[i].name);
        if (now != NULL && !engine_is_unrouted(now) &&
            (!restart || now->start_action != IKE_START_NONE))
            continue;
        host_unload(e->host, conn->name, old->children[i].name);
        unloaded = true;
    }
    if (unloaded) /* Child SAs may have had their routes from a hold */
        engine_routes_renew(e);
    if (restart)
        conn_end(e, conn->name);
    else
        path_manager_conn_loaded(e->paths, conn, e->now);
    return restart;
}

static int conn_replace(struct engine *e, struct ike_conn *old, struct ike_conn *conn)
{
    bool wanted = conn_wanted(e, conn->name);
    bool changed = old != NULL && !ike_conn_same(old, conn);
    int error = old == NULL || changed ? ike_conn_add(e->ike, conn) : 0;
    if (error != 0)
        return error;
    conn = old == NULL || changed ? conn : old;
    log_line(LOG_LEVEL_INFO, "event=conn-loaded conn=%s%s", conn->name,
             old == NULL || changed ? "" : " unchanged=yes");
    engine_devices_conn(e, conn);
    bool restart = changed && !e->stopping && conn_changed(e, old, conn, wanted);
    /* if the user took it down, a load without changes keeps it down */
    bool fresh = old == NULL || changed;
    if (fresh && (!wanted || restart) && !e->stopping && !e->arriving)
        conn_start(e, conn, true);
    else if (changed && !e->stopping)
        engine_hold_traps(e, conn);
    if (!e->load_switching) /* once for all of a load */
        engine_traps_renew(e);
    engine_shunts_load(e, conn, fresh && !e->stopping);
    engine_conn_networks_hold(e, conn);
    if (changed && !wanted && !e->stopping) /* after the new holds, so that no packet finds a gap */
        engine_traps_forget(e, conn);
    if (changed && !e->load_switching)
        engine_devices_settle(e);
    if (!e->load_switching)
        engine_lan_check(e);
    return 0;
}

void engine_conn_begin(struct engine *e, struct ike_conn *conn)
{
    conn_start(e, conn, !conn_wanted(e, conn->name));
}

static int op_conn_credentials(void *engine, const struct conn_credentials *credentials,
                               struct ike_conn *conn, bool staged)
{
    return engine_conn_credentials(engine, credentials, conn, staged);
}

static int op_conn_load(void *engine, struct ike_conn *conn)
{
    struct engine *e = engine;
    struct ike_conn *old = ike_conn_find(e->ike, conn->name);
    if (old != NULL)
        ike_conn_ref(old);
    int error = conn_replace(e, old, conn);
    ike_conn_unref(old);
    return error;
}

static int op_conn_unload(void *engine, const char *name)
{
    struct engine *e = engine;
    struct ike_conn *conn = ike_conn_find(e->ike, name);
    if (conn != NULL) /* `name` may lie in the connection */
        ike_conn_ref(conn);
    engine_connect_forget(e, name);
    path_manager_disconnect(e->paths, name, e->now);
    host_unload(e->host, name, NULL);
    engine_traps_unload(e, name);
    engine_shunts_unload(e, name);
    int error = ike_conn_remove(e->ike, name);
    if (error == 0)
        log_line(LOG_LEVEL_INFO, "event=conn-unloaded conn=%s", name);
    engine_traps_renew(e);
    engine_routes_renew(e);
    if (!e->load_switching)
        engine_devices_settle(e);
    ike_conn_unref(conn);
    return error;
}

static int op_load_all(void *engine, const struct engine_load *load,
                       const struct engine_reply *reply, char ret_why[ENGINE_ERROR_MAX])
{
    return engine_load_all(engine, load, reply, ret_why);
}

static void op_load_drop(void *engine, uint64_t number)
{
    engine_load_drop(engine, number);
}

/* --- secrets --- */

static int op_secret_load(void *engine, const struct engine_secret *secret,
                          const struct engine_reply *reply)
{
    return engine_secret_load(engine, secret, reply);
}

static int op_secret_unload(void *engine, const char *id)
{
    return engine_secret_unload(engine, id);
}

static int op_radius_load(void *engine, const struct aaa_server *server)
{
    return engine_radius_load(engine, server);
}

static int op_radius_unload(void *engine, const char *name)
{
    return engine_radius_unload(engine, name);
}

static bool op_radius_at(void *engine, size_t index, char ret_name[LIMIT_NAME])
{
    const struct engine *e = engine;
    if (index >= e->n_radius)
        return false;
    memcpy(ret_name, e->radius[index].name, LIMIT_NAME);
    return true;
}

static bool op_secret_at(void *engine, size_t index, char ret_id[LIMIT_NAME])
{
    return engine_secret_at(engine, index, ret_id);
}

static int op_key_load(void *engine, struct span octets, struct span passphrase,
                       const struct engine_reply *reply)
{
    return engine_key_load(engine, octets, passphrase, reply);
}

static int op_token_load(void *engine, const struct key_token *token,
                         const struct engine_reply *reply)
{
    return engine_token_load(engine, token, reply);
}

static int op_key_unload(void *engine, const uint8_t key_id[KEY_ID_SIZE])
{
    return engine_key_unload(engine, key_id);
}

static int op_cert_check(void *engine, const struct engine_cert *cert,
                         const struct engine_reply *reply)
{
    return engine_cert_check(engine, cert, reply);
}

static int op_key_check(void *engine, struct span octets, struct span passphrase,
                        const struct engine_reply *reply)
{
    return engine_key_check(engine, octets, passphrase, reply);
}

static int op_cert_load(void *engine, enum cert_role role, struct span octets,
                        const struct engine_reply *reply)
{
    return engine_cert_load(engine, role, octets, reply);
}

static int op_cert_unload(void *engine, enum cert_role role, const uint8_t digest[CERT_DIGEST])
{
    return engine_cert_unload(engine, role, digest);
}

static int op_crl_load(void *engine, struct span octets, const struct engine_reply *reply)
{
    return engine_crl_load(engine, octets, reply);
}

static int op_crls_flush(void *engine, uint32_t what)
{
    return engine_crls_flush(engine, what);
}

static int op_cached_show(void *engine, const struct verifier_show *what,
                          const struct engine_reply *reply)
{
    return engine_cached_show(engine, what, reply);
}

static int op_authority_load(void *engine, const struct engine_authority *authority,
                             const struct engine_reply *reply)
{
    return engine_authority_load(engine, authority, reply);
}

static int op_authority_unload(void *engine, const char *name)
{
    return engine_authority_unload(engine, name);
}

static const struct engine_authority *op_authority_at(void *engine, size_t index)
{
    return engine_authority_at(engine, index);
}

static void op_credentials_clear(void *engine)
{
    engine_credentials_clear(engine);
}

static const struct credentials *op_credentials(void *engine)
{
    return ((struct engine *)engine)->credentials;
}

/* --- initiate --- */

static struct ike_conn *conn_choose(struct engine *e, const char *name, const char *child)
{
    struct ike_conn *conn;
    for (size_t i = 0; (conn = ike_conn_at(e->ike, i)) != NULL; i++)
        if ((name == NULL || strcmp(conn->name, name) == 0) &&
            (child == NULL || conn_child(conn, child) != NULL))
            return conn;
    return NULL;
}

static int op_initiate(void *engine, const struct engine_initiate *what)
{
    struct engine *e = engine;
    const char *child = what->child;
    const struct engine_watch *watch = what->watch;
    struct ike_conn *conn = conn_choose(e, what->conn, child);
    uint64_t tag = engine_number(e);
    if (conn == NULL)
        return ERR_NOT_FOUND;
    engine_down_end(e, conn->name);
    struct watching *w =
        watch == NULL ? NULL : engine_watch_add(e, WATCH_INITIATE, tag, what->timeout, watch);
    if (watch != NULL && w == NULL)
        return ERR_FULL;
    if (w != NULL)
        (void)snprintf(w->conn, sizeof(w->conn), "%s", conn->name);
    struct path_connect wish = {.conn = conn,
                                .child = child,
                                .alone = what->alone,
                                .tag = tag,
                                .keep = !what->alone && engine_conn_kept(e, conn, child)};
    int error = engine_connect(e, &wish);
    if (error != 0 && w != NULL)
        w->kind = WATCH_FREE;
    return error;
}

/* --- install and uninstall --- */

static int op_install(void *engine, const char *name, const char *child)
{
    struct engine *e = engine;
    struct ike_conn *conn;
    for (size_t i = 0; (conn = ike_conn_at(e->ike, i)) != NULL; i++) {
        const struct ike_child_policy *shunt = engine_shunt_find(conn, child);
        const struct ike_child_policy *policy = conn_child(conn, child);
        if ((name != NULL && strcmp(conn->name, name) != 0) || (shunt == NULL && policy == NULL))
            continue;
        if (shunt != NULL)
            return engine_shunt_install(e, conn, shunt, true);
        return engine_trap_install(e, conn, policy) ? 0 : ERR_WRONG_STATE;
    }
    return ERR_NOT_FOUND;
}

static int op_uninstall(void *engine, const char *name, const char *child)
{
    struct engine *e = engine;
    struct ike_conn *conn;
    if (engine_shunt_uninstall(e, name, child))
        return 0;
    for (size_t i = 0; (conn = ike_conn_at(e->ike, i)) != NULL; i++) {
        const struct ike_child_policy *policy = conn_child(conn, child);
        if ((name == NULL || strcmp(conn->name, name) == 0) && policy != NULL &&
            engine_trap_uninstall(e, conn, policy))
            return 0;
    }
    return ERR_NOT_FOUND;
}

/* --- terminate and rekey --- */

static bool session_matches(const struct ike_session_info *session, const struct engine_filter *f)
{
    return (f->ike == NULL || strcmp(session->conn->name, f->ike) == 0) &&
           (f->session_id == 0 || session->id == f->session_id) &&
           (f->remote_id == NULL ||
            identity_match(f->remote_id, &session->remote_id) != IDENTITY_NO);
}

/* child_elsewhere - the session has the same child on another IKE SA. */
static bool child_elsewhere(const struct engine *e, const struct ike_child_info *child)
{
    struct ike_child_info other = {0};
    while (ike_child_next(e->ike, other.id, &other))
        if (other.session == child->session && other.sa != child->sa &&
            other.policy == child->policy && other.life == IKE_CHILD_ACTIVE)
            return true;
    return false;
}

static unsigned children_each(struct engine *e, const struct engine_filter *f,
                              struct ike_command *command, uint64_t tag, struct watching *w)
{
    struct ike_child_info child = {0};
    struct ike_session_info session;
    unsigned n = 0;
    while (ike_child_next(e->ike, child.id, &child)) {
        if ((f->child_id != 0 && child.id != f->child_id) ||
            (f->ike_id != 0 && child.sa != f->ike_id) ||
            (f->child != NULL && strcmp(child.policy->name, f->child) != 0) ||
            !ike_session_get(e->ike, child.session, &session) || !session_matches(&session, f))
            continue;
        /* if the child has several VPNs, the path gets another one; with the last one, the child is
         * no longer wanted */
        if (command->kind == IKE_CMD_DELETE_CHILD &&
            (f->child_id == 0 || !child_elsewhere(e, &child))) {
            path_manager_child_release(e->paths, child.session, child.policy->name);
            engine_release(e, session.conn->name, child.policy->name);
        }
        command->child_id = child.id;
        n += command_send(e, command, tag, w);
    }
    return n;
}

/* session_release - the user ends the session: only its traps stay, and no login follows. */
static void session_release(struct engine *e, const struct ike_session_info *session)
{
    path_manager_session_release(e->paths, session->id);
    if (session->role == IKE_END_USER)
        engine_release(e, session->conn->name, NULL);
}

static unsigned sas_each(struct engine *e, const struct engine_filter *f,
                         struct ike_command *command, uint64_t tag, struct watching *w)
{
    struct ike_sa_info sa = {0};
    struct ike_session_info session;
    unsigned n = 0;
    while (ike_sa_next(e->ike, sa.id, &sa)) {
        if ((f->ike_id != 0 && sa.id != f->ike_id) ||
            !ike_session_get(e->ike, sa.session, &session) || !session_matches(&session, f))
            continue;
        /* if the session has several IKE SAs, the path gets another one; with the last one the
         * session ends */
        if (command->kind == IKE_CMD_DELETE_IKE && session.n_ike_sas <= 1)
            session_release(e, &session);
        command->sa = sa.id;
        n += command_send(e, command, tag, w);
    }
    return n;
}

static unsigned sessions_each(struct engine *e, const struct engine_filter *f,
                              struct ike_command *command, uint64_t tag, struct watching *w)
{
    struct ike_session_info session = {0};
    unsigned n = 0;
    while (ike_session_next(e->ike, session.id, &session)) {
        if (!session_matches(&session, f))
            continue;
        bool end = command->kind == IKE_CMD_DELETE_SESSION;
        if (end)
            session_release(e, &session);
        command->session = session.id;
        if (command_send(e, command, tag, w))
            n += end && session.n_ike_sas > 0 ? session.n_ike_sas : 1; /* as swanctl counts */
    }
    return n;
}

static void child_unblock(struct engine *e, const struct ike_child_policy *child)
{
    uint16_t device;
    struct ike_ts_list remote;
    ts_fixed(&child->remote_ts, &remote);
    if (engine_routed_device(e, child, &device))
        host_unblock(e->host, &remote, engine_block_device(e, device));
}

/* conn_unblock - an administrator takes a connection down. Blocks that an earlier engine left for
 * it go as well. */
static void conn_unblock(struct engine *e, const char *name)
{
    struct ike_conn *conn;
    for (size_t i = 0; (conn = ike_conn_at(e->ike, i)) != NULL; i++)
        for (uint8_t c = 0; c < conn->n_children; c++)
            if (name == NULL || strcmp(conn->name, name) == 0)
                child_unblock(e, &conn->children[c]);
}

static unsigned op_terminate(void *engine, const struct engine_filter *filter, bool force,
                             const struct engine_watch *watch)
{
    struct engine *e = engine;
    uint64_t tag = engine_number(e);
    struct ike_command command = {.force = force};
    struct watching *w =
        watch == NULL ? NULL : engine_watch_add(e, WATCH_TERMINATE, tag, TERMINATE_NS, watch);
    unsigned n;
    if (filter->child != NULL || filter->child_id != 0) {
        command.kind = IKE_CMD_DELETE_CHILD;
        n = children_each(e, filter, &command, tag, w);
    } else if (filter->ike_id != 0) {
        command.kind = IKE_CMD_DELETE_IKE;
        n = sas_each(e, filter, &command, tag, w);
    } else {
        bool conn = filter->session_id == 0 && filter->remote_id == NULL;
        if (conn && filter->hold && ike_conn_find(e->ike, filter->ike) != NULL)
            engine_down(e, filter->ike);
        if (conn && filter->ike != NULL) {
            engine_connect_forget(e, filter->ike);
            path_manager_disconnect(e->paths, filter->ike, e->now);
        }
        if (conn) {
            engine_release(e, filter->ike, NULL);
            conn_unblock(e, filter->ike);
        }
        command.kind = IKE_CMD_DELETE_SESSION;
        n = sessions_each(e, filter, &command, tag, w);
    }
    engine_traps_renew(e);
    if (w != NULL) {
        w->matches = n;
        if (n == 0)
            w->kind = WATCH_FREE;
    }
    return n;
}

static unsigned op_rekey(void *engine, const struct engine_filter *filter, bool reauth)
{
    struct engine *e = engine;
    struct ike_command command = {0};
    unsigned n;
    if (filter->child != NULL || filter->child_id != 0) {
        command.kind = IKE_CMD_REKEY_CHILD;
        n = children_each(e, filter, &command, engine_number(e), NULL);
    } else if (reauth) {
        command.kind = IKE_CMD_REAUTH;
        n = sessions_each(e, filter, &command, engine_number(e), NULL);
    } else {
        command.kind = filter->unused_old ? IKE_CMD_CLONE : IKE_CMD_REKEY_IKE;
        command.unused_old = filter->unused_old;
        n = sas_each(e, filter, &command, engine_number(e), NULL);
    }
    return n;
}

static bool redirect_matches(const struct engine *e, const struct ike_session_info *session,
                             const struct engine_redirect *what)
{
    struct ike_sa_info sa = {0};
    bool any = what->ike_id == 0 && what->peers.first.family == ADDRESS_NONE;
    if (session->role != IKE_GATEWAY || !session->established ||
        (what->ike != NULL && strcmp(session->conn->name, what->ike) != 0) ||
        (what->peer_id != NULL &&
         identity_match(what->peer_id, &session->remote_id) == IDENTITY_NO))
        return false;
    while (!any && ike_sa_next(e->ike, sa.id, &sa))
        any = sa.session == session->id && (what->ike_id == 0 || sa.id == what->ike_id) &&
              (what->peers.first.family == ADDRESS_NONE ||
               range_contains(&what->peers, &sa.path.remote.address));
    return any;
}

static unsigned op_redirect(void *engine, struct engine_redirect *what)
{
    struct engine *e = engine;
    struct ike_session_info session = {0};
    struct ike_command command = {.kind = IKE_CMD_REDIRECT, .gateway = what->gateway};
    unsigned n = 0;
    while (ike_session_next(e->ike, session.id, &session)) {
        if (!redirect_matches(e, &session, what))
            continue;
        n++;
        command.session = session.id;
        what->refused += ike_command(e->ike, &command, e->now) != 0;
    }
    return n;
}

void engine_delete_all(struct engine *e)
{
    struct ike_conn *conn;
    struct map leaving = {0}; /* by address */
    engine_leaving_conns(e, &leaving);
    for (size_t i = 0; (conn = ike_conn_at(e->ike, i)) != NULL; i++)
        if (map_get(&leaving, (uintptr_t)conn) == NULL)
            path_manager_disconnect(e->paths, conn->name, e->now);
    map_done(&leaving);
    if (e->leave.fd < 0) { /* else the next engine decides */
        engine_release(e, NULL, NULL);
        conn_unblock(e, NULL);
    }
    struct ike_session_info session = {0};
    struct ike_command command = {.kind = IKE_CMD_DELETE_SESSION};
    const uint64_t tag = engine_number(e);
    while (ike_session_next(e->ike, session.id, &session)) {
        /* An End User with a ticket of ours resumes after a restart. A Delete would end it (RFC
         * 5723 section 6.2). */
        if ((session.role == IKE_GATEWAY && session.ticket_family != 0) ||
            engine_may_leave(e, &session))
            continue;
        session_release(e, &session);
        command.session = session.id;
        (void)command_send(e, &command, tag, NULL);
    }
    engine_traps_renew(e);
}

static void op_asked(void *engine, const struct engine_asked *asked)
{
    engine_audit_command(engine, asked);
}

static int op_upgrade(void *engine, const struct engine_reply *reply)
{
    return engine_upgrade(engine, reply);
}

static enum upgrade_outcome op_upgraded(void *engine)
{
    return ((const struct engine *)engine)->start->upgraded;
}

static void op_unwatch(void *engine, void *context)
{
    engine_unwatch(engine, context);
    engine_loading_forget(engine, context);
}

/* --- looking in --- */

static bool op_limit_at(void *engine, size_t index, struct engine_limit *ret_limit)
{
    return engine_limit_at(engine, index, ret_limit);
}

static struct engine_loads op_loads(void *engine)
{
    return ((const struct engine *)engine)->loads;
}

static bool op_filtered(void *engine)
{
    return ((const struct engine *)engine)->start->filtered;
}

static uint32_t op_reqid(void *engine, ike_child_id child)
{
    const struct engine *e = engine;
    return child == e->gone_child ? e->gone_reqid : reqids_get(e->reqids, child);
}

static bool op_marks(void *engine, ike_child_id child, struct engine_child_marks *ret)
{
    const struct engine *e = engine;
    (void)snprintf(ret->device, sizeof(ret->device), "%s", engine_child_device_name(e, child));
    if (child != e->gone_child || !e->gone_marked)
        return engine_child_marks(e, child, &ret->marks);
    ret->marks = e->gone_marks;
    return true;
}

static bool op_traffic(void *engine, ike_child_id child, struct engine_child_traffic *ret)
{
    const struct engine *e = engine;
    struct esp_counters c;
    if (child == e->gone_child) {
        *ret = e->gone_traffic;
        return true;
    }
    if (data_plane_counters(e->plane, child, &c) != 0)
        return false;
    *ret = (struct engine_child_traffic){c.packets_in, c.octets_in,  c.packets_out,
                                         c.octets_out, c.last_in_ns, c.last_out_ns};
    return true;
}

static struct engine_child_traffic op_path_traffic(void *engine, ike_session_id session,
                                                   const struct ike_path *path)
{
    return accounts_path(((const struct engine *)engine)->accounts, session, path);
}

static bool op_lane(void *engine, ike_child_id child, struct esp_plane_lane *ret)
{
    return esp_plane_child_lane(((const struct engine *)engine)->esp, child, ret) == 0;
}

static void op_plane_stats(void *engine, struct esp_plane_stats *ret)
{
    esp_plane_stats_get(((const struct engine *)engine)->esp, ret);
}

static void op_name_servers(void *engine, const struct ike_session_info *session,
                            struct hook_name_servers *ret)
{
    engine_name_servers_usable(engine, session, ret);
}

static bool op_path_at(void *engine, size_t index, struct path_status *ret)
{
    return path_manager_status(((const struct engine *)engine)->paths, index, ret);
}

static struct path_failovers op_failovers(void *engine)
{
    return path_manager_failovers(((const struct engine *)engine)->paths);
}

static bool op_is_trap(void *engine, const struct ike_conn *conn,
                       const struct ike_child_policy *child)
{
    return engine_is_trap(engine, conn, child);
}

static bool op_shunt_at(void *engine, size_t index, const char **ret_conn,
                        const struct ike_child_policy **ret_child)
{
    return engine_shunt_at(engine, index, ret_conn, ret_child);
}

/* The engine's sandbox has no socket to ask the kernel for the name: the link monitor knows it. */
static bool op_interface_name(void *engine, uint32_t index, char ret_name[16])
{
    const struct engine *e = engine;
    for (size_t i = 0; i < PATH_LINKS; i++)
        if (index != 0 && e->links[i].index == index) {
            memcpy(ret_name, e->links[i].name, sizeof(e->links[i].name));
            return true;
        }
    return false;
}

void engine_ops_init(struct engine *e)
{
    e->ops = (struct engine_ops)ENGINE_OPS(e);
}
