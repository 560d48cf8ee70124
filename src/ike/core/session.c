/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/session.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/rate.h"
#include "ike/core/exchange.h"
#include "ike/core/held_ticket.h"
#include "ike/core/ike_state.h"
#include "ike/core/ticket_end.h"
#include "ike/core/upper.h"
#include "ike/terms/identity.h"

#define UNUSED_TIMEOUT_NS (120 * NANOS_PER_SEC)
/* enough for each live IKE SA to be rekeyed three times before the peer deletes the old ones */
#define OLD_SAS_FACTOR 4
/* a burst, then eight a second: each move costs data-plane work and log lines */
#define MOVES            64
#define MOVE_INTERVAL_NS (NANOS_PER_SEC / 8)
/* an ikat End User moves all its paths within 15 s */
#define YIELD_NS (30 * NANOS_PER_SEC)

struct session *session_new(struct ike *ike, struct ike_conn *conn, enum ike_session_role role)
{
    struct session *session = calloc(1, sizeof(*session));
    /* with room for peer_add, which must not fail after a successful login */
    if (session == NULL || map_reserve(&ike->sessions_by_peer, ike->stats.sessions + 1) != 0 ||
        map_put(&ike->sessions_by_id, ike->last_session + 1, session) != 0) {
        free(session);
        return NULL;
    }
    session->id = ++ike->last_session;
    session->ike = ike;
    session->conn = ike_conn_ref(conn);
    session->role = role;
    session->auth_deadline_ns = session->valid_until_ns = session->certs_until_ns = NANOS_NEVER;
    session->reauth_at_ns = session->own_reauth_ns = session->yield_at_ns = NANOS_NEVER;
    session->previous = ike->sessions_last;
    if (ike->sessions_last == NULL)
        ike->sessions = session;
    else
        ike->sessions_last->next = session;
    ike->sessions_last = session;
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

/* --- sessions of the same identities --- */

static uint64_t peer_hash(const struct session *session)
{
    const uint8_t *key = session->ike->hash_key;
    return identity_keyed_hash(&session->remote_id, key,
                               identity_keyed_hash(&session->local_id, key, 0));
}

static void peer_add(struct session *session)
{
    struct map *by_peer = &session->ike->sessions_by_peer;
    session->peer_hash = peer_hash(session);
    session->peer_next = map_get(by_peer, session->peer_hash);
    session->peer_previous = NULL;
    if (session->peer_next != NULL)
        session->peer_next->peer_previous = session;
    int err = map_set(by_peer, session->peer_hash, session);
    ASSERT(err == 0);
}

static void peer_remove(struct session *session)
{
    struct map *by_peer = &session->ike->sessions_by_peer;
    struct session *next = session->peer_next;
    if (next != NULL)
        next->peer_previous = session->peer_previous;
    if (session->peer_previous != NULL)
        session->peer_previous->peer_next = next;
    else
        map_replace(by_peer, session->peer_hash, next);
}

static bool same_peer(const struct session *a, const struct session *b)
{
    return a != b && a->role == b->role && identity_equal(&a->remote_id, &b->remote_id) &&
           identity_equal(&a->local_id, &b->local_id);
}

/* session_of_peer - the newest established session of the same identities, except `session`. With
 * `after`: the newest one that is older than `after`. NULL: none. */
static struct session *session_of_peer(const struct session *session, const struct session *after)
{
    struct session *other = after != NULL
                                ? after->peer_next
                                : map_get(&session->ike->sessions_by_peer, peer_hash(session));
    while (other != NULL && !same_peer(other, session))
        other = other->peer_next;
    return other;
}

/* --- the end of a session --- */

/* bequeath - the Child SAs of the successor that waited for the end of this session send from now
 * on. */
static void bequeath(const struct session *session)
{
    const struct session *successor = session_find(session->ike, session->successor);
    for (struct sa *sa = successor == NULL ? NULL : successor->sas; sa != NULL;
         sa = sa->session_next)
        child_wait_over(sa);
}

/* unlink_session - takes the session out of the tables and frees it. */
static void unlink_session(struct session *session)
{
    struct ike *ike = session->ike;
    if (session->established)
        peer_remove(session);
    if (session->previous == NULL)
        ike->sessions = session->next;
    else
        session->previous->next = session->next;
    if (session->next == NULL)
        ike->sessions_last = session->previous;
    else
        session->next->previous = session->previous;
    (void)map_take(&ike->sessions_by_id, session->id);
    ike->stats.sessions--;
    ike_conn_unref(session->conn);
    free(session->ticket);
    free(session->classes);
    free(session);
}

static void session_free(struct session *session, enum ike_outcome outcome)
{
    struct ike *ike = session->ike;
    ASSERT(session->n_sas == 0 && session->n_children == 0);
    bequeath(session);
    session_tickets_decide(session, session->ending ? session->end_reason : outcome);
    held_ticket_session_ended(session);
    if (session->leased) {
        struct ike_event *event = event_add(ike, IKE_EV_LEASE_RELEASE);
        event->session = session->id;
    }
    if (session->end_tag != 0) {
        struct ike_event *event = event_add(ike, IKE_EV_COMMAND_DONE);
        event->session = session->id;
        event->tag = session->end_tag;
    }
    if (session->established) {
        struct ike_event *event = event_add(ike, IKE_EV_SESSION_DOWN);
        event->session = session->id;
        event->outcome = outcome;
    }
    unlink_session(session);
}

/* --- a session leaves, or comes --- */

void session_leave(struct session *session, nanos now)
{
    held_ticket_forget(session);
    while (session->sas != NULL) {
        struct sa *sa = session->sas;
        session->sas = sa->session_next;
        sa_leave(sa, now);
        sa->of = session->id;
        sa->session = NULL;
    }
    unlink_session(session);
}

void session_enter(struct session *session)
{
    struct ike *ike = session->ike;
    struct session *before = ike->sessions_last;
    while (before != NULL && before->id > session->id)
        before = before->previous;
    session->previous = before;
    session->next = before == NULL ? ike->sessions : before->next;
    if (session->next == NULL)
        ike->sessions_last = session;
    else
        session->next->previous = session;
    if (before == NULL)
        ike->sessions = session;
    else
        before->next = session;
    int err = map_put(&ike->sessions_by_id, session->id, session);
    ASSERT(err == 0);
    ike->stats.sessions++;
    session->established = true;
    peer_add(session);
}

/* end_begin - sets the time limit for the end of the session, and the path for Deletes. */
static void end_begin(struct session *session, enum ike_outcome outcome, nanos now)
{
    const struct sa *heard = session->sas;
    session_tickets_decide(session, outcome);
    if (session->ending)
        return;
    session->ending = true;
    session->end_reason = outcome;
    session->end_at_ns = nanos_after(now, SESSION_END_NS);
    session->end_detour_ns = session->mobike ? nanos_after(now, SESSION_DETOUR_NS) : NANOS_NEVER;
    for (const struct sa *sa = session->sas; sa != NULL; sa = sa->session_next)
        if (sa->life == IKE_ESTABLISHED && sa->last_heard_ns > heard->last_heard_ns)
            heard = sa;
    session->end_path = heard->path;
    for (struct sa *sa = session->sas; sa != NULL; sa = sa->session_next)
        sa_touch(sa);
}

void session_detach(struct session *session, struct sa *sa, enum ike_outcome outcome)
{
    struct sa **link = &session->sas;
    while (*link != sa)
        link = &(*link)->session_next;
    *link = sa->session_next;
    sa->of = session->id;
    sa->session = NULL;
    /* RFC 7791 section 5.3: an IKE SA is gone, so the peer may have room again */
    if (sa->announced)
        session->clone_refused = session->child_refused = false;
    if (--session->n_sas == 0)
        session_free(session, outcome);
    else if (session->established && session_live_sas(session) == 0)
        end_begin(session, outcome, session->ike->now); /* only SAs being deleted are left */
}

struct session *session_find(const struct ike *ike, ike_session_id id)
{
    return map_get(&ike->sessions_by_id, id);
}

bool session_duplicate(const struct session *session)
{
    return session_of_peer(session, NULL) != NULL;
}

/* peer_sessions - established sessions of the peer beside this one and its elder, up to `most`. */
static uint32_t peer_sessions(const struct session *session, uint32_t most)
{
    uint32_t n = 0;
    const struct session *other = session_of_peer(session, NULL);
    for (; n < most && other != NULL; other = session_of_peer(session, other))
        n += !other->ending && other->id != session->elder;
    return n;
}

bool session_peer_full(const struct session *session)
{
    uint32_t most = session->conn->max_sessions;
    return most != 0 && peer_sessions(session, most) >= most;
}

bool ike_fullest_peer(const struct ike *ike, struct ike_fullest *ret_fullest)
{
    struct ike_fullest fullest = {0};
    for (size_t i = 0; i < ike->sessions_by_id.cap; i++) {
        const struct session *session = map_at(&ike->sessions_by_id, i);
        uint32_t most = session == NULL ? 0 : session->conn->max_sessions;
        if (most == 0 || session->role != IKE_GATEWAY)
            continue;
        uint32_t n = 1 + peer_sessions(session, most);
        if ((uint64_t)n * fullest.most >= (uint64_t)fullest.sessions * most)
            fullest = (struct ike_fullest){session->id, n, most};
    }
    *ret_fullest = fullest;
    return fullest.most != 0;
}

static bool seen_at(const struct session *session, const struct address *address)
{
    for (const struct sa *sa = session->sas; sa != NULL; sa = sa->session_next) {
        if (address_equal(&sa->path.remote.address, address))
            return true;
        for (uint8_t i = 0; i < sa->n_peer_addresses; i++)
            if (address_equal(&sa->peer_addresses[i], address))
                return true;
    }
    return false;
}

ike_session_id session_elder_find(const struct session *session, const struct address *from)
{
    const struct session *other = session_of_peer(session, NULL);
    while (other != NULL && (other->ending || !seen_at(other, from)))
        other = session_of_peer(session, other);
    return other == NULL ? 0 : other->id;
}

bool session_waits(const struct session *session)
{
    const struct session *elder = session_find(session->ike, session->elder);
    return elder != NULL && elder->config.n_addresses > 0 && session->config.n_addresses > 0 &&
           address_equal(&elder->config.addresses[0], &session->config.addresses[0]);
}

void session_yield(struct session *session, nanos now)
{
    const struct session *successor = session_find(session->ike, session->successor);
    session->yield_at_ns = NANOS_NEVER;
    if (successor != NULL && successor->established && !successor->ending)
        session_down(session, IKE_REPLACED, false, now);
}

/* succeed - handles the elder session. Normally the peer ends it. If `unique` allows one session
 * only, we end it after YIELD_NS. */
static void succeed(struct session *session, nanos now)
{
    struct session *elder = session_find(session->ike, session->elder);
    if (elder == NULL)
        return;
    elder->successor = session->id;
    session->logins = elder->logins;
    if (session->conn->unique == IKE_UNIQUE_REPLACE || session->conn->unique == IKE_UNIQUE_KEEP)
        elder->yield_at_ns = nanos_after(now, YIELD_NS);
    for (struct sa *sa = elder->sas; sa != NULL; sa = sa->session_next)
        sa_touch(sa);
}

/* replace - ends the session at once, or with the next call. */
static void replace(struct session *old, const struct session *successor, bool silent, nanos now)
{
    if (events_room(old->ike)) {
        session_down(old, IKE_REPLACED, silent, now);
        return;
    }
    old->successor = successor->id;
    old->yield_at_ns = now;
    sa_touch(old->sas);
}

void session_family_end(struct session *session, nanos now)
{
    struct session *other = session_of_peer(session, NULL);
    while (other != NULL) {
        struct session *next = session_of_peer(session, other);
        if (other->ticket != NULL && other->ticket->family == session->ticket->family) {
            other->ticket->continued = true;
            replace(other, session, true, now);
        }
        other = next;
    }
}

static void replace_others(struct session *session, bool silent, nanos now)
{
    struct session *other = session_of_peer(session, NULL);
    while (other != NULL) {
        struct session *next = session_of_peer(session, other);
        if (other->id != session->elder)
            replace(other, session, silent, now);
        other = next;
    }
}

void session_initial_contact(struct session *session, nanos now)
{
    if (session->conn->unique != IKE_UNIQUE_NEVER)
        replace_others(session, true, now);
}

void session_authenticated(struct session *session, struct sa *sa, bool initial_contact, nanos now)
{
    ASSERT(!session->established);
    succeed(session, now);
    session->logins++;
    session->ike->stats.logins++;
    /* RFC 7296 section 2.4: INITIAL_CONTACT concerns the SAs of the same authenticated identities.
     * We end whole sessions, and never a clone of this one. */
    if (initial_contact)
        session_initial_contact(session, now);
    else if (session->conn->unique == IKE_UNIQUE_REPLACE)
        replace_others(session, false, now);
    session->established = true;
    peer_add(session);
    session->established_ns = now;
    auth_lifetime_begin(session, now);
    struct ike_event *event = event_sa(sa, IKE_EV_SESSION_UP);
    event->session = session->id;
    if (session->role == IKE_END_USER &&
        session->config.n_addresses + session->config.n_dns + session->config.n_subnets > 0)
        event_sa(sa, IKE_EV_CONFIG);
}

void session_down(struct session *session, enum ike_outcome outcome, bool silent, nanos now)
{
    struct sa *sa = session->sas;
    if (silent)
        session_tickets_decide(session, outcome);
    else
        end_begin(session, outcome, now);
    while (sa != NULL) {
        /* read it first: sa_down of the last IKE SA frees the session */
        struct sa *next = sa->session_next;
        struct intent intent = {.kind = INTENT_DELETE_IKE, .reason = outcome};
        bool ask = !silent && (sa->life == IKE_ESTABLISHED || sa->life == IKE_SA_REPLACED);
        /* a clone or rekey without a response yet: sa_life_set deletes it after the response */
        bool comes = !silent && sa->life == IKE_HALF_OPEN && sa->parent != 0;
        sa_touch(sa);
        if (ask)
            exchange_make_way(sa);
        if (!silent && sa->login != NULL && sa_original_initiator(sa))
            login_cancel_sa(sa, now); /* the Gateway may already have a session */
        else if (ask)
            intent_owe(sa, &intent);
        else if (!comes && (silent || sa->life != IKE_DELETING))
            sa_down(sa, outcome, now);
        sa = next;
    }
}

void session_expired(struct session *session, nanos now)
{
    for (struct sa *sa = session->sas; sa != NULL; sa = sa->session_next)
        while (sa->children != NULL)
            child_down(sa->children, IKE_EXPIRED, 0);
    session_down(session, IKE_EXPIRED, false, now);
}

nanos session_unused_timeout(const struct session *session)
{
    nanos configured = session->conn->unused_old_timeout_ns;
    return configured > 0 ? configured : UNUSED_TIMEOUT_NS;
}

bool session_sa_lives(const struct sa *sa)
{
    return sa->life == IKE_ESTABLISHED || sa->life == IKE_AUTHENTICATING ||
           sa->life == IKE_HALF_OPEN;
}

uint32_t session_live_sas(const struct session *session)
{
    uint32_t n = 0;
    for (const struct sa *sa = session->sas; sa != NULL; sa = sa->session_next)
        n += session_sa_lives(sa);
    return n;
}

uint32_t session_lines(const struct session *session)
{
    uint32_t n = 0;
    for (const struct sa *sa = session->sas; sa != NULL; sa = sa->session_next) {
        bool first = session_sa_lives(sa);
        for (const struct sa *other = session->sas; first && other != sa;
             other = other->session_next)
            first = !session_sa_lives(other) || other->line != sa->line;
        n += first;
    }
    return n;
}

bool session_full(const struct session *session)
{
    uint32_t max = session->conn->max_ike_sas;
    return session_live_sas(session) >= (max != 0 ? max : LIMIT_IKE_SAS_SESSION);
}

bool session_crowded(const struct session *session)
{
    uint32_t max = session->conn->max_ike_sas;
    return session->n_sas >= OLD_SAS_FACTOR * ((max != 0 ? max : LIMIT_IKE_SAS_SESSION) + 1);
}

bool session_moves(struct session *session, nanos now)
{
    return rate_take(&session->moves_ns, MOVES, MOVE_INTERVAL_NS, now);
}

bool session_full_for_good(const struct session *session)
{
    uint32_t max = session->conn->max_ike_sas, asked_for = 0;
    for (const struct sa *sa = session->sas; sa != NULL; sa = sa->session_next)
        asked_for += sa->life == IKE_HALF_OPEN && sa_original_initiator(sa);
    return session_live_sas(session) - asked_for >= (max != 0 ? max : LIMIT_IKE_SAS_SESSION);
}

bool session_children_full(const struct session *session)
{
    uint32_t max = session->conn->max_child_sas;
    return session->n_children >= (max != 0 ? max : LIMIT_CHILD_SAS_SESSION);
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
