/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/session.h"

#include <stdlib.h>

#include "base/assert.h"
#include "ike/endpoint.h"
#include "ike/exchange.h"

#define UNUSED_TIMEOUT_NS (120 * NANOS_PER_SEC)

struct session *session_new(struct ike *ike, struct ike_conn *conn, enum ike_session_role role)
{
    struct session *session = calloc(1, sizeof(*session));
    if (session == NULL)
        return NULL;
    session->id = ++ike->last_session;
    session->ike = ike;
    session->conn = ike_conn_ref(conn);
    session->role = role;
    session->auth_deadline_ns = NANOS_NEVER;
    session->reauth_at_ns = NANOS_NEVER;
    session->previous = ike->sessions_last;
    if (ike->sessions_last == NULL)
        ike->sessions = session;
    else
        ike->sessions_last->next = session;
    ike->sessions_last = session;
    HASH_ADD(by_id, ike->sessions_by_id, id, sizeof(session->id), session);
    ike->stats.sessions++;
    return session;
}

void session_attach(struct session *session, struct sa *sa)
{
    ASSERT(sa->session == NULL);
    sa->session = session;
    sa->session_next = session->sas;
    session->sas = sa;
    session->n_sas++;
}

static void session_free(struct session *session, enum ike_outcome outcome)
{
    struct ike *ike = session->ike;
    ASSERT(session->n_sas == 0 && session->n_children == 0);
    if (session->leased) {
        struct ike_event *event = event_add(ike, IKE_EV_LEASE_RELEASE);
        event->session = session->id;
    }
    if (session->established) {
        struct ike_event *event = event_add(ike, IKE_EV_SESSION_DOWN);
        event->session = session->id;
        event->outcome = outcome;
    }
    if (session->previous == NULL)
        ike->sessions = session->next;
    else
        session->previous->next = session->next;
    if (session->next == NULL)
        ike->sessions_last = session->previous;
    else
        session->next->previous = session->previous;
    HASH_DELETE(by_id, ike->sessions_by_id, session);
    ike->stats.sessions--;
    ike_conn_unref(session->conn);
    free(session);
}

void session_detach(struct session *session, struct sa *sa, enum ike_outcome outcome)
{
    struct sa **link = &session->sas;
    while (*link != sa)
        link = &(*link)->session_next;
    *link = sa->session_next;
    sa->session = NULL;
    if (sa->announced)
        session->clone_refused =
            false; /* RFC 7791 section 5.3: one went, there may be room again */
    if (--session->n_sas == 0)
        session_free(session, outcome);
}

struct session *session_find(const struct ike *ike, ike_session_id id)
{
    struct session *session;
    HASH_FIND(by_id, ike->sessions_by_id, &id, sizeof(id), session);
    return session;
}

static bool same_peer(const struct session *a, const struct session *b)
{
    return a != b && a->established && a->role == b->role &&
           a->remote_id.type == b->remote_id.type && a->remote_id.len == b->remote_id.len &&
           memcmp(a->remote_id.data, b->remote_id.data, a->remote_id.len) == 0 &&
           a->local_id.type == b->local_id.type && a->local_id.len == b->local_id.len &&
           memcmp(a->local_id.data, b->local_id.data, a->local_id.len) == 0;
}

bool session_duplicate(const struct session *session)
{
    for (const struct session *other = session->ike->sessions; other != NULL; other = other->next)
        if (same_peer(other, session))
            return true;
    return false;
}

static void replace_others(struct session *session, bool silent, nanos now)
{
    struct session *other = session->ike->sessions;
    while (other != NULL) {
        struct session *next = other->next;
        if (same_peer(other, session))
            session_down(other, IKE_REPLACED, silent, now);
        other = next;
    }
}

void session_authenticated(struct session *session, struct sa *sa, bool initial_contact, nanos now)
{
    ASSERT(!session->established);
    session->logins++;
    session->ike->stats.logins++;
    /* RFC 7296 section 2.4: INITIAL_CONTACT acts on the SAs of the same authenticated identities;
     * here on whole sessions, and never on a clone of this one. */
    if (initial_contact && session->conn->unique != IKE_UNIQUE_NEVER)
        replace_others(session, true, now);
    else if (session->conn->unique == IKE_UNIQUE_REPLACE)
        replace_others(session, false, now);
    session->established = true;
    session->established_ns = now;
    if (session->conn->reauth_ns > 0 && session->conn->reauth_ns != NANOS_NEVER) {
        session->auth_deadline_ns =
            nanos_after(now, session->conn->reauth_ns + session->conn->reauth_ns / 10);
        if (session->role == IKE_END_USER)
            session->reauth_at_ns = nanos_after(now, session->conn->reauth_ns);
    }
    struct ike_event *event = event_sa(sa, IKE_EV_SESSION_UP);
    event->session = session->id;
    if (session->role == IKE_END_USER &&
        session->config.n_addresses + session->config.n_dns + session->config.n_subnets > 0)
        event_sa(sa, IKE_EV_CONFIG);
}

void session_down(struct session *session, enum ike_outcome outcome, bool silent, nanos now)
{
    struct sa *sa = session->sas;
    while (sa != NULL) {
        struct sa *next = sa->session_next; /* with the last one the session is freed */
        struct intent intent = {.kind = INTENT_DELETE_IKE, .reason = outcome};
        bool ask = !silent && (sa->life == IKE_ESTABLISHED || sa->life == IKE_SA_REPLACED);
        if (!ask || intent_add(sa, &intent) != 0) {
            if (silent || sa->life != IKE_DELETING)
                sa_down(sa, outcome, now);
        }
        sa = next;
    }
}

nanos session_unused_timeout(const struct session *session)
{
    nanos configured = session->conn->unused_old_timeout_ns;
    return configured > 0 ? configured : UNUSED_TIMEOUT_NS;
}

uint32_t session_live_sas(const struct session *session)
{
    uint32_t n = 0;
    for (const struct sa *sa = session->sas; sa != NULL; sa = sa->session_next)
        n += sa->life == IKE_ESTABLISHED || sa->life == IKE_AUTHENTICATING ||
             sa->life == IKE_HALF_OPEN;
    return n;
}

bool session_full(const struct session *session)
{
    uint32_t max = session->conn->max_ike_sas;
    return session_live_sas(session) >= (max != 0 ? max : LIMIT_IKE_SAS_SESSION);
}

enum ike_dialect session_dialect(const struct session *session)
{
    const struct ike_conn *conn = session->conn;
    bool keep_old = ike_conn_keep_old(conn) && session->peer_keep_old;
    bool rfc7791 = ike_conn_rfc7791(conn) && session->peer_rfc7791;

    if (session->clone_never)
        return IKE_DIALECT_NONE;
    if (keep_old && rfc7791)
        return conn->prefer == IKE_CLONE_RFC7791 ? IKE_DIALECT_RFC7791 : IKE_DIALECT_KEEP_OLD;
    if (keep_old)
        return IKE_DIALECT_KEEP_OLD;
    if (rfc7791)
        return IKE_DIALECT_RFC7791;
    if (conn->keep_old_blind && ike_conn_keep_old(conn))
        return IKE_DIALECT_KEEP_OLD_BLIND;
    return IKE_DIALECT_NONE;
}
