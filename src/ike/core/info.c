/* SPDX-License-Identifier: Apache-2.0 */
/* Queries: copies of the state for the daemon, the path manager and the tests. */
#include "base/assert.h"
#include "ike/core/exchange.h"
#include "ike/core/gate.h"
#include "ike/core/ike_state.h"
#include "ike/core/inner_address.h"
#include "ike/core/unprotected_hint.h"
#include "ike/core/upper.h"
#include "wire/traffic_classes.h"

static void sa_info(const struct sa *sa, struct ike_sa_info *ret_info)
{
    *ret_info = (struct ike_sa_info){
        .id = sa->id,
        .session = sa->session == NULL ? 0 : sa->session->id,
        .parent = sa->parent,
        .line = sa->line,
        .life = sa->life,
        .role = sa->role,
        .origin = sa->origin,
        .rekey = sa->rekey,
        .spi_i = sa->spi_i,
        .spi_r = sa->spi_r,
        .path = sa->path,
        .nat_local = sa->nat_local,
        .nat_remote = sa->nat_remote,
        .encr = sa->encr,
        .encr_key_bits = sa->encr_key_bits,
        .integ = sa->integ,
        .prf = sa->prf,
        .ke = sa->ke,
        .established_ns = sa->established_ns,
        .rekey_at_ns = sa->rekey_at_ns,
        .last_heard_ns = sa->last_heard_ns,
        .unanswered = sa->mine.unanswered,
        .n_peer_addresses = sa->n_peer_addresses,
        .config = sa->session == NULL ? NULL : inner_config(sa),
        .config_owner = sa->session == NULL ? 0 : inner_owner(sa),
        .terms = sa->terms,
        .deleting_soon = sa->unused_at_ns != NANOS_NEVER,
        .refused = login_is_refused(sa),
    };
    memcpy(ret_info->peer_addresses, sa->peer_addresses,
           sa->n_peer_addresses * sizeof(sa->peer_addresses[0]));
}

/* eap_identity - the EAP identity as text. It was text before, so it fits. */
static void eap_identity(const struct ike_id *id, char out[LIMIT_ID / 2])
{
    out[0] = '\0';
    if (id->type != ID_EAP || id->len >= LIMIT_ID / 2)
        return;
    memcpy(out, id->data, id->len);
    out[id->len] = '\0';
}

static struct traffic_classes session_classes(const struct session *session)
{
    const struct traffic_list *list = session->classes;
    return list == NULL
               ? (struct traffic_classes){0}
               : (struct traffic_classes){.n = list->n, .mirrored = true, .classes = list->classes};
}

static void session_info(const struct session *session, struct ike_session_info *ret_info)
{
    *ret_info = (struct ike_session_info){
        .id = session->id,
        .conn = session->conn,
        .role = session->role,
        .local_id = session->local_id,
        .remote_id = session->remote_id,
        .claimed_id = session->claimed_id,
        .established = session->established,
        .grant = session->grant,
        .logins = session->logins,
        .n_ike_sas = session_live_sas(session),
        .n_lines = session_lines(session),
        .n_children = session->n_children,
        .established_ns = session->established_ns,
        .auth_deadline_ns = session->auth_deadline_ns,
        .mobike = session->mobike,
        .fragmentation = session->fragmentation,
        .ppk = session->ppk,
        .resumed = session->resumed,
        .ticket_family = session->ticket == NULL ? 0 : session->ticket->family,
        .classes = session_classes(session),
        .classes_changes = session->classes_changes,
        .path_terms =
            session->role == IKE_END_USER && session->peer_keep_old && !session->terms_refused,
        .dialect = session_dialect(session),
        .clone_refused = session->clone_refused,
        .config = session->config,
    };
    memcpy(ret_info->eap_types, session->eap_types, sizeof(ret_info->eap_types));
    eap_identity(&session->remote_id, ret_info->eap_identity);
}

static void child_info(const struct child *child, struct ike_child_info *ret_info)
{
    *ret_info = (struct ike_child_info){
        .id = child->id,
        .sa = child->sa->id,
        .line = child->sa->line,
        .session = child->sa->session->id,
        .policy = child->policy,
        .life = child->life,
        .spi_in = child->spi_in,
        .spi_out = child->spi_out,
        .encr = child->encr,
        .encr_key_bits = child->encr_key_bits,
        .integ = child->integ,
        .ke = child->ke,
        .esn = child->esn,
        .order = child->order,
        .transport = child->transport,
        .udp_encap = child->udp_encap,
        .up = child->up,
        .installed_ns = child->installed_ns,
        .rekey_at_ns = child->rekey_at_ns,
        .expires_at_ns = child->expires_ns,
        .local_ts.n = child->n_local_ts,
        .remote_ts.n = child->n_remote_ts,
    };
    memcpy(ret_info->local_ts.ts, child->ts, child->n_local_ts * sizeof(child->ts[0]));
    memcpy(ret_info->remote_ts.ts, child->ts + child->n_local_ts,
           child->n_remote_ts * sizeof(child->ts[0]));
}

void info_gone(const struct sa *sa, const struct child *child, struct ike_gone *ret_gone)
{
    sa_info(sa, &ret_gone->sa);
    if (sa->session != NULL) {
        session_info(sa->session, &ret_gone->session);
        ret_gone->config = *inner_config(sa);
        ret_gone->sa.config = &ret_gone->config;
        ret_gone->conns[0] = ike_conn_ref(sa->session->conn);
    }
    if (child != NULL) {
        child_info(child, &ret_gone->child);
        ret_gone->conns[1] = ike_conn_ref(child->conn);
    }
}

bool ike_line_get(const struct ike *ike, ike_session_id session_id, ike_sa_id line,
                  struct ike_sa_info *ret_info)
{
    const struct session *session = session_find(ike, session_id);
    const struct sa *now = NULL;
    for (const struct sa *sa = session == NULL ? NULL : session->sas; sa != NULL;
         sa = sa->session_next)
        if (sa->line == line && sa->life == IKE_ESTABLISHED && sa->unused_at_ns == NANOS_NEVER &&
            (now == NULL || sa->id < now->id))
            now = sa;
    if (now == NULL)
        return false;
    sa_info(now, ret_info);
    return true;
}

bool ike_sa_next(const struct ike *ike, ike_sa_id after, struct ike_sa_info *ret_info)
{
    const struct sa *previous = sa_find(ike, after);
    const struct sa *sa = previous != NULL ? previous->next : ike->sas;
    while (sa != NULL && sa->id <= after)
        sa = sa->next;
    if (sa == NULL)
        return false;
    sa_info(sa, ret_info);
    return true;
}

bool ike_session_next(const struct ike *ike, ike_session_id after,
                      struct ike_session_info *ret_info)
{
    const struct session *previous = session_find(ike, after);
    const struct session *session = previous != NULL ? previous->next : ike->sessions;
    while (session != NULL && session->id <= after)
        session = session->next;
    if (session == NULL)
        return false;
    session_info(session, ret_info);
    return true;
}

bool ike_child_next(const struct ike *ike, ike_child_id after, struct ike_child_info *ret_info)
{
    const struct child *previous = child_find(ike, after);
    const struct child *child = previous != NULL ? previous->next : ike->children;
    while (child != NULL && child->id <= after)
        child = child->next;
    if (child == NULL)
        return false;
    child_info(child, ret_info);
    return true;
}

/* child_behind - the Child SA of `sa` with the least id that is above `after` and below the id of
 * `next`. */
static const struct child *child_behind(const struct sa *sa, ike_child_id after,
                                        const struct child *next)
{
    for (const struct child *child = sa->children; child != NULL; child = child->sa_next)
        if (child->id > after && (next == NULL || child->id < next->id))
            next = child;
    return next;
}

bool ike_session_child_next(const struct ike *ike, ike_session_id id, ike_child_id after,
                            struct ike_child_info *ret_info)
{
    const struct session *session = session_find(ike, id);
    const struct child *next = NULL;
    for (const struct sa *sa = session == NULL ? NULL : session->sas; sa != NULL;
         sa = sa->session_next)
        next = child_behind(sa, after, next);
    if (next == NULL)
        return false;
    child_info(next, ret_info);
    return true;
}

bool ike_sa_child_next(const struct ike *ike, ike_sa_id id, ike_child_id after,
                       struct ike_child_info *ret_info)
{
    const struct sa *sa = sa_find(ike, id);
    const struct child *next = sa == NULL ? NULL : child_behind(sa, after, NULL);
    if (next == NULL)
        return false;
    child_info(next, ret_info);
    return true;
}

bool ike_sa_get(const struct ike *ike, ike_sa_id id, struct ike_sa_info *ret_info)
{
    const struct sa *sa = sa_find(ike, id);
    if (sa != NULL)
        sa_info(sa, ret_info);
    return sa != NULL;
}

bool ike_session_get(const struct ike *ike, ike_session_id id, struct ike_session_info *ret_info)
{
    const struct session *session = session_find(ike, id);
    if (session != NULL)
        session_info(session, ret_info);
    return session != NULL;
}

const struct ike_chains *ike_session_chains(const struct ike *ike, ike_session_id id)
{
    const struct session *session = session_find(ike, id);
    return session == NULL ? NULL : &session->chains;
}

bool ike_child_get(const struct ike *ike, ike_child_id id, struct ike_child_info *ret_info)
{
    const struct child *child = child_find(ike, id);
    if (child != NULL)
        child_info(child, ret_info);
    return child != NULL;
}

void ike_stats_get(const struct ike *ike, struct ike_stats *ret_stats)
{
    *ret_stats = ike->stats;
    ret_stats->half_open = ike->half_open.n;
    ret_stats->in_eap = ike->patient.n;
}

static void check_sa(const struct sa *sa)
{
    ASSERT(sa->life != IKE_DEAD && sa->id != 0 && sa_spi_ours(sa) != 0);
    ASSERT(map_get(&sa->ike->sas_by_spi, sa_spi_ours(sa)) == sa);
    ASSERT(gate_current(sa));
    ASSERT(!sa->touched && (sa->asking == NULL || sa->asking->holder != HOLDER_CALLING));
    bool outstanding = sa->asking != NULL && sa->asking->holder != HOLDER_JOB;
    ASSERT(window_busy(&sa->mine) == outstanding);
    ASSERT(sa->deadline.index == 0 ||
           sa->ike->deadlines.slots[sa->deadline.index] == &sa->deadline);
    ASSERT(sa->n_intents <= LIMIT_INTENTS + 1);
    unsigned intents = 0;
    for (const struct intent *intent = sa->intents; intent != NULL; intent = intent->next)
        intents++;
    ASSERT(intents == sa->n_intents);
    ASSERT(sa->life == IKE_ESTABLISHED ? hint_entered(sa) : sa->remote_key == 0);
    if (sa->life == IKE_ESTABLISHED) {
        ASSERT(sa->session != NULL && sa->login == NULL);
        /* every IKE SA descends from one that completed AUTH */
        ASSERT(sa->session->established && sa->session->logins > 0);
    }
    for (const struct child *child = sa->children; child != NULL; child = child->sa_next)
        ASSERT(child->sa == sa && child->spi_in > 255 && child->n_local_ts > 0 &&
               child->n_remote_ts > 0);
}

void ike_check_invariants(const struct ike *ike)
{
    uint64_t sas = 0, established = 0, children = 0, sessions = 0;
    for (const struct sa *sa = ike->sas; sa != NULL; sa = sa->next) {
        check_sa(sa);
        sas++;
        established += sa->life == IKE_ESTABLISHED;
        ASSERT(sa->next == NULL || sa->next->id > sa->id);
    }
    for (const struct child *child = ike->children; child != NULL; child = child->next)
        children++;
    for (const struct session *session = ike->sessions; session != NULL; session = session->next) {
        uint32_t n = 0;
        for (const struct sa *sa = session->sas; sa != NULL; sa = sa->session_next) {
            ASSERT(sa->session == session);
            n++;
        }
        ASSERT(n == session->n_sas && n > 0);
        /* a rekey doubles a Child SA for a while */
        ASSERT(session->n_children <= 2 * LIMIT_CHILD_SAS_SESSION);
        sessions++;
    }
    ASSERT(sas == ike->sas_by_id.n && sas == ike->sas_by_spi.n && sas == ike->deadlines.members);
    ASSERT(children == ike->children_by_id.n && children == ike->children_by_spi.n);
    ASSERT(sessions == ike->sessions_by_id.n);
    ASSERT(established == ike->stats.established);
    ASSERT(children == ike->stats.children && sessions == ike->stats.sessions);
    ASSERT(ike->touched == NULL && ike->dead == NULL);
}

bool ike_keylog_get(const struct ike *ike, ike_sa_id id, struct ike_keylog *ret_keys)
{
    const struct sa *sa = sa_find(ike, id);
    if (sa == NULL || sa->encr == 0)
        return false;
    ret_keys->spi_i = sa->spi_i;
    ret_keys->spi_r = sa->spi_r;
    ret_keys->encr = sa->encr;
    ret_keys->encr_key_bits = sa->encr_key_bits;
    ret_keys->integ = sa->integ;
    sa_keys_export(sa, ret_keys);
    return true;
}
