/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/rate.h"
#include "daemon/common/keylog.h"
#include "daemon/common/log.h"
#include "daemon/engine/accounts.h"
#include "daemon/engine/engine_aaa.h"
#include "daemon/engine/engine_devices.h"
#include "daemon/engine/engine_eap.h"
#include "daemon/engine/engine_tickets.h"
#include "daemon/engine/reqids.h"
#include "daemon/vici/vici_server.h"
#include "multipath/install.h"

#define NOTICES_PER_SECOND 20

/* --- Child SAs --- */

/* host_prepare - the End User's addresses come before the routes that prefer them. */
static void host_prepare(struct engine *e, const struct ike_child_install *install,
                         const struct ike_session_info *session)
{
    struct ike_sa_info sa;
    bool there = ike_sa_get(e->ike, install->sa, &sa), ours = session->role == IKE_END_USER;
    bool sound = there && ours && !engine_gateways_own(sa.config, &sa);
    if (sound)
        host_addresses(e->host, sa.config_owner, sa.config);
    if (sound && sa.config_owner == install->session)
        engine_hold(e, session->conn, install->policy,
                    &(struct engine_held){&install->remote_ts, &session->config});
    else if (there && !ours && session->conn->n_remote_addrs > 0 &&
             !engine_is_held(e, session->conn->name, install->policy->name))
        engine_remote_hold(e, session->conn, install->policy);
}

void engine_child_installed(struct engine *e, const struct ike_child_install *install,
                            ike_job_id job)
{
    struct ike_session_info session;
    engine_mtu_carrier(e, install->child, &install->path);
    accounts_child(e->accounts, install->session, install->child, &install->path);
    reqids_take(e->reqids, install);
    if (ike_session_get(e->ike, install->session, &session))
        host_prepare(e, install, &session);
    const struct engine_route route = {
        install->child,      install->sa, install->session, install->policy, &install->local_ts,
        &install->remote_ts, job};
    engine_routes_set(e, &route);
}

static void child_install(struct engine *e, const struct ike_event *event)
{
    const struct ike_child_install *install = &event->install;
    struct esp_child_config config;
    struct ike_session_info session;
    bool known = ike_session_get(e->ike, install->session, &session);
    install_config(e->ike, install, &config);
    config.mtu = engine_link_mtu(e, install->path.interface);
    /* a Gateway responds on the path that the End User chose, whichever socket received the request */
    if (known && session.role == IKE_END_USER)
        engine_path_bind(e, &install->path);
    /* the session may have ended because it was not admitted (proofs.h) */
    struct ike_result result = {.error = known && session.established ? 0 : ERR_DENIED};
    if (result.error == 0)
        result.error = engine_devices_child(e, install, &config);
    if (result.error == 0)
        result.error = data_plane_install(e->plane, &config, e->now);
    wipe(&config, sizeof(config));
    if (result.error == 0) {
        engine_child_installed(e, install, event->job); /* completes the job */
        return;
    }
    engine_devices_child_gone(e, install->child);
    log_line(LOG_LEVEL_WARNING, "event=install-failed child=%u error=%s", install->child,
             error_text(result.error));
    ike_complete(e->ike, event->job, &result, e->now);
}

static void child_move(struct engine *e, const struct ike_event *event)
{
    struct ike_child_info child;
    struct ike_session_info session;
    bool known = ike_session_get(e->ike, event->session, &session);
    if (known && session.role == IKE_END_USER)
        engine_path_bind(e, &event->path);
    accounts_moved(e->accounts, event->child, &event->path);
    engine_mtu_carrier(e, event->child, &event->path);
    int error = install_move(e->ike, e->plane, event, engine_link_mtu(e, event->path.interface));
    if (error == 0 && ike_child_get(e->ike, event->child, &child)) {
        /* selectors may be outer addresses, and routes follow selectors */
        const struct engine_route route = {
            child.id, child.sa, child.session, child.policy, &child.local_ts, &child.remote_ts, 0};
        engine_routes_set(e, &route);
    }
    if (error != 0 && error != ERR_NOT_FOUND) /* the child may have ended meanwhile */
        log_line(LOG_LEVEL_WARNING, "event=move-failed child=%u error=%s", event->child,
                 error_text(error));
}

static void child_remove(struct engine *e, const struct ike_event *event)
{
    e->gone_child = 0;
    if (e->ops.traffic(e, event->child, &e->gone_traffic))
        e->gone_child = event->child;
    e->gone_reqid = reqids_get(e->reqids, event->child);
    e->gone_marked = engine_child_marks(e, event->child, &e->gone_marks);
    accounts_child_gone(e->accounts, event->child);
    reqids_drop(e->reqids, event->child);
    int error = data_plane_remove(e->plane, event->child, event->linger_ns, e->now);
    if (error != 0)
        log_line(LOG_LEVEL_DEBUG, "event=remove-failed child=%u error=%s", event->child,
                 error_text(error));
    host_child_gone(e->host, event->child);
    engine_devices_child_gone(e, event->child);
}

void engine_order(struct engine *e, const struct path_order *order)
{
    int error = install_order(e->plane, order);
    if (error != 0 && error != ERR_NOT_FOUND) /* the child may have ended meanwhile */
        log_line(LOG_LEVEL_WARNING, "event=order-failed child=%u session=%u error=%s", order->child,
                 order->session, error_text(error));
}

/* --- jobs --- */

void engine_complete(struct engine *e, ike_job_id job, const struct ike_result *result)
{
    proofs_answer(e->proofs, job, result);
    ike_complete(e->ike, job, result, e->now);
}

/* admit - a session without a proof of another process is an error of ours, of which a peer may know. */
static void admit(struct engine *e, const struct ike_event *event)
{
    const bool proven = proofs_admit(e->proofs, e->ike, event);
    const struct ike_result result = {.error = proven ? 0 : ERR_DENIED};
    if (!proven)
        engine_log_unproven(event->session);
    ike_complete(e->ike, event->job, &result, e->now);
}

static void lease(struct engine *e, const struct ike_event *event)
{
    struct ike_result result = {0};
    struct pools_grant room;
    const struct pools_grant *grant;
    result.error = engine_grant_lease(e, event, &room, &grant);
    if (result.error == 0)
        result.error = pools_lease(e->pools, &event->lease, grant, event->session, &result.config);
    if (result.error != 0)
        log_line(LOG_LEVEL_WARNING, "event=lease-failed session=%u conn=%s error=%s",
                 event->session, event->lease.conn->name, error_text(result.error));
    ike_complete(e->ike, event->job, &result, e->now);
}

/* lease_release - a Gateway returns the lease to its pool. An End User has such numbers for the
 * addresses of its clones, and no pool. */
static void lease_release(struct engine *e, ike_session_id owner)
{
    pools_release(e->pools, owner);
    host_session_gone(e->host, owner);
}

/* --- news --- */

static void session_config(struct engine *e, const struct ike_event *event)
{
    struct ike_session_info session;
    struct ike_sa_info sa;
    if (ike_session_get(e->ike, event->session, &session) && session.role == IKE_END_USER &&
        ike_sa_get(e->ike, event->sa, &sa) && !engine_gateways_own(&session.config, &sa))
        host_addresses(e->host, event->session, &session.config);
}

static void keylog(struct engine *e, ike_sa_id sa)
{
    struct ike_keylog keys;
    if (e->start->keylog_fd < 0 || !ike_keylog_get(e->ike, sa, &keys))
        return;
    bool written = keylog_write(e->start->keylog_fd, &keys);
    if (!written && !e->keylog_fails)
        log_line(LOG_LEVEL_WARNING, "event=keylog-failed reason=\"%s\"", strerror(errno));
    e->keylog_fails = !written;
    wipe(&keys, sizeof(keys));
}

static void sa_log(struct engine *e, const char *what, const struct ike_event *event)
{
    char local[ENDPOINT_TEXT_MAX], remote[ENDPOINT_TEXT_MAX];
    struct ike_sa_info sa = {.path = event->path};
    (void)ike_sa_get(e->ike, event->sa, &sa);
    log_line(LOG_LEVEL_INFO,
             "event=%s sa=%u session=%u from=%u local=%s remote=%s interface=%u reason=%s", what,
             event->sa, event->session, event->sa_old, endpoint_print(&sa.path.local, local),
             endpoint_print(&sa.path.remote, remote), sa.path.interface,
             ike_outcome_name(event->outcome));
    engine_say_sa(e, event);
}

/* terms_log - the terms of a path that both ends know now. A peer can send them at will. */
static void terms_log(struct engine *e, const struct ike_event *event)
{
    struct ike_sa_info sa;
    if (!ike_sa_get(e->ike, event->sa, &sa) ||
        !rate_second(&e->notices_ns, NOTICES_PER_SECOND, e->now))
        return;
    log_line(LOG_LEVEL_INFO,
             "event=path-terms sa=%u session=%u priority=%u weight=%u metered=%s classes=%04x",
             event->sa, event->session, sa.terms.rank, sa.terms.weight,
             sa.terms.metered ? "yes" : "no", sa.terms.classes);
}

/* notice - logs a text that peers can cause at will, at a bounded rate. */
static void notice(struct engine *e, const struct ike_event *event)
{
    if (!rate_second(&e->notices_ns, NOTICES_PER_SECOND, e->now))
        return;
    /* a refused login: watchers of the log block addresses that try often */
    bool refused = event->outcome == IKE_PEER_AUTH_FAILED;
    char remote[ENDPOINT_TEXT_MAX];
    log_line(refused ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
             "event=notice sa=%u session=%u%s%s text=\"%s\"", event->sa, event->session,
             refused ? " remote=" : "", refused ? endpoint_print(&event->path.remote, remote) : "",
             event->notice);
    engine_say_notice(e, event);
}

static void child_log(struct engine *e, const char *what, const struct ike_event *event)
{
    log_line(LOG_LEVEL_INFO, "event=%s child=%u sa=%u session=%u was=%u reason=%s", what,
             event->child, event->sa, event->session, event->child_old,
             ike_outcome_name(event->outcome));
    engine_say_child(e, event);
}

static void news(struct engine *e, const struct ike_event *event)
{
    switch (event->kind) {
    case IKE_EV_COMMAND_DONE:
        log_line(LOG_LEVEL_DEBUG, "event=command-done sa=%u result=%s detail=\"%s\"", event->sa,
                 ike_outcome_name(event->outcome), event->notice);
        if (!(event->tag & PATH_TAG))
            engine_watch_command_done(e, event);
        engine_trap_done(e, event);
        break;
    case IKE_EV_SESSION_UP: engine_session_up(e, event); break;
    case IKE_EV_SESSION_DOWN: engine_session_down(e, event); break;
    case IKE_EV_REDIRECT: engine_log_redirected(e, event); break;
    case IKE_EV_REAUTH: engine_session_log(e, "session-reauth", event); break;
    case IKE_EV_SA_UP:
        keylog(e, event->sa);
        sa_log(e, "sa-up", event);
        break;
    case IKE_EV_SA_MOVED:
        sa_log(e, "sa-moved", event);
        engine_audit_moved(e, event);
        break;
    case IKE_EV_SA_DOWN: sa_log(e, "sa-down", event); break;
    case IKE_EV_PATH_TERMS: terms_log(e, event); break;
    case IKE_EV_CHILD_UP:
        child_log(e, "child-up", event);
        engine_hooks_child_up(e, event->child);
        engine_name_servers_child_up(e, event->child);
        break;
    case IKE_EV_CHILD_DOWN:
        child_log(e, "child-down", event);
        engine_hooks_child_down(e, event->child);
        engine_name_servers_child_down(e, event->child);
        break;
    case IKE_EV_CONFIG: session_config(e, event); break;
    case IKE_EV_EXCHANGE:
        log_line(LOG_LEVEL_DEBUG, "event=exchange sa=%u what=%s rtt-us=%lld", event->sa,
                 event->what, (long long)(event->rtt_ns / NANOS_PER_US));
        break;
    case IKE_EV_NOTICE:
        notice(e, event);
        engine_audit_refused(e, event);
        break;
    case IKE_EV_AUTH_SIGN:
    case IKE_EV_AUTH_VERIFY:
    case IKE_EV_PPK:
    case IKE_EV_EAP:
    case IKE_EV_EAP_END:
    case IKE_EV_KE:
    case IKE_EV_ADMIT:
    case IKE_EV_TICKET_SEAL:
    case IKE_EV_TICKET_OPEN:
    case IKE_EV_TICKET_USE:
    case IKE_EV_TICKET_END:
    case IKE_EV_CHAINS_END:
    case IKE_EV_LEASE:
    case IKE_EV_CHILD_INSTALL:
    case IKE_EV_LEASE_RELEASE:
    case IKE_EV_CHILD_SWITCH:
    case IKE_EV_CHILD_MOVE:
    case IKE_EV_CHILD_REMOVE:
    case IKE_EV_CHILD_NEW:
    case IKE_EV_PEER_ADDRESSES: break;
    }
}

static void order(struct engine *e, const struct ike_event *event)
{
    const struct ike_result no_memory = {.error = ERR_NO_MEMORY};
    if (proofs_ask(e->proofs, e->ike, event) != 0)
        ike_complete(e->ike, event->job, &no_memory, e->now);
    else if (event->kind == IKE_EV_AUTH_SIGN || event->kind == IKE_EV_AUTH_VERIFY)
        engine_auth(e, event);
    else if (event->kind == IKE_EV_PPK)
        engine_ppk(e, event);
    else if (event->kind == IKE_EV_TICKET_SEAL || event->kind == IKE_EV_TICKET_OPEN ||
             event->kind == IKE_EV_TICKET_USE)
        engine_ticket(e, event);
    else if (event->kind == IKE_EV_TICKET_END)
        engine_ticket_end(e, event->tag);
    else if (event->kind == IKE_EV_CHAINS_END)
        engine_chains_forget(e, event->session);
    else if (event->kind == IKE_EV_EAP || event->kind == IKE_EV_EAP_END)
        engine_eap(e, event);
    else if (event->kind == IKE_EV_KE)
        engine_key_exchange(e, event);
    else if (event->kind == IKE_EV_ADMIT)
        admit(e, event);
    else if (event->kind == IKE_EV_LEASE)
        lease(e, event);
    else if (event->kind == IKE_EV_CHILD_INSTALL)
        child_install(e, event);
    else if (event->kind == IKE_EV_LEASE_RELEASE)
        lease_release(e, event->session);
    else if (event->kind == IKE_EV_CHILD_SWITCH && data_plane_switch(e->plane, event->child))
        log_line(LOG_LEVEL_WARNING, "event=switch-failed child=%u", event->child);
    else if (event->kind == IKE_EV_CHILD_MOVE)
        child_move(e, event);
    else if (event->kind == IKE_EV_CHILD_REMOVE)
        child_remove(e, event);
}

void engine_event(struct engine *e, const struct ike_event *event)
{
    engine_about(e, event);
    order(e, event);
    news(e, event);
    vici_server_event(e->vici, event);
    engine_about(e, NULL);
}
