/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/sa.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/rate.h"
#include "ike/core/answer.h"
#include "ike/core/exchange.h"
#include "ike/core/fragment.h"
#include "ike/core/ike_state.h"
#include "ike/core/inner_address.h"
#include "ike/core/key_exchange.h"
#include "ike/core/seal.h"
#include "ike/core/ticket_end.h"
#include "ike/core/trace.h"
#include "ike/core/unprotected_hint.h"
#include "ike/core/upper.h"
#include "ike/terms/proposal.h"

/* How long a rekeyed IKE SA waits for the Delete of the peer, which rekeyed it. */
#define REPLACED_LINGER_NS (90 * NANOS_PER_SEC)

#define LIVENESS_COPIES   5 /* of a liveness check with a time-out below LIVENESS_SHORT_NS */
#define LIVENESS_SHORT_NS (60 * NANOS_PER_SEC)

static bool spi_taken(const struct ike *ike, uint64_t spi)
{
    return map_get(&ike->sas_by_spi, spi) != NULL;
}

/* RFC 7296 sections 2.6 and 3.1: unique, and never zero. */
uint64_t sa_spi_new(const struct ike *ike)
{
    uint64_t spi;
    do
        spi = random_u64(ike->random);
    while (spi == 0 || spi_taken(ike, spi));
    return spi;
}

static int spi_begin(struct sa *sa, uint64_t spi)
{
    if (map_put(&sa->ike->sas_by_spi, spi, sa) != 0)
        return ERR_NO_MEMORY;
    if (sa->role == IKE_SA_INITIATOR)
        sa->spi_i = spi;
    else
        sa->spi_r = spi;
    return 0;
}

bool sa_spi_own(struct sa *sa, uint64_t spi)
{
    ASSERT(sa->life == IKE_HALF_OPEN);
    if (spi_taken(sa->ike, spi))
        return false;
    (void)map_take(&sa->ike->sas_by_spi, sa_spi_ours(sa));
    int err = spi_begin(sa, spi); /* reuses the room of the entry that was taken out */
    ASSERT(err == 0);
    return true;
}

/* tables_enter - adds the IKE SA to the tables of `ike`. */
static int tables_enter(struct ike *ike, struct sa *sa)
{
    if (map_reserve(&ike->sas_by_remote, ike->deadlines.members + 1) != 0 ||
        deadline_heap_join(&ike->deadlines) != 0)
        return ERR_NO_MEMORY;
    if (map_put(&ike->sas_by_id, sa->id, sa) == 0) {
        if (spi_begin(sa, sa_spi_new(ike)) == 0)
            return 0;
        (void)map_take(&ike->sas_by_id, sa->id);
    }
    deadline_heap_leave(&ike->deadlines, &sa->deadline);
    return ERR_NO_MEMORY;
}

/* list_enter - adds the IKE SA to the list, which is in the order of numbers. */
static void list_enter(struct ike *ike, struct sa *sa)
{
    struct sa *before = ike->sas_last;
    while (before != NULL && before->id > sa->id)
        before = before->previous;
    sa->previous = before;
    sa->next = before == NULL ? ike->sas : before->next;
    *(before == NULL ? &ike->sas : &before->next) = sa;
    *(sa->next == NULL ? &ike->sas_last : &sa->next->previous) = sa;
}

static struct sa *sa_make(struct ike *ike, ike_sa_id number, enum ike_sa_role role,
                          const struct ike_path *path, nanos now)
{
    struct sa *sa = calloc(1, sizeof(*sa));
    if (sa == NULL)
        return NULL;
    sa->id = sa->line = number;
    sa->ike = ike;
    sa->role = role;
    sa->path = *path;
    sa->life = IKE_HALF_OPEN;
    sa->deadline.owner = sa;
    sa->deadline.at = sa->rekey_at_ns = sa->expires_ns = sa->unused_at_ns = NANOS_NEVER;
    sa->last_heard_ns = now;
    sa->mine.resend_at_ns = sa->owed.at_ns = NANOS_NEVER;
    if (tables_enter(ike, sa) != 0) {
        free(sa);
        return NULL;
    }
    list_enter(ike, sa);
    sa_touch(sa);
    return sa;
}

struct sa *sa_new(struct ike *ike, enum ike_sa_role role, const struct ike_path *path, nanos now)
{
    return sa_make(ike, ++ike->last_sa, role, path, now);
}

struct sa *sa_new_again(struct ike *ike, ike_sa_id number, const struct ike_path *path, nanos now)
{
    bool ours = number != 0 && number <= ike->last_sa && sa_find(ike, number) == NULL;
    return sa_make(ike, ours ? number : ++ike->last_sa, IKE_SA_INITIATOR, path, now);
}

struct sa *sa_derive(struct sa *old, enum ike_sa_role role, enum ike_origin origin, nanos now)
{
    struct sa *sa = sa_new(old->ike, role, &old->path, now);
    if (sa == NULL)
        return NULL;
    sa->parent = old->id;
    /* `origin` tells how the lineage began: a rekeyed clone is still a clone. */
    sa->origin = origin == IKE_ORIGIN_REKEYED ? old->origin : origin;
    sa->rekey = origin == IKE_ORIGIN_REKEYED;
    if (sa->rekey) {
        sa->line = old->line;
        sa->terms = old->terms;
    }
    sa->moved_ns = old->moved_ns;
    sa->nat_local = old->nat_local;
    sa->nat_remote = old->nat_remote;
    sa->peer_encap = old->peer_encap;
    sa->n_peer_addresses = old->n_peer_addresses;
    memcpy(sa->peer_addresses, old->peer_addresses, sizeof(sa->peer_addresses));
    session_attach(old->session, sa);
    return sa;
}

void sa_spi_set(struct sa *sa, uint64_t spi_i, uint64_t spi_r)
{
    ASSERT(sa_spi_ours(sa) == (sa_original_initiator(sa) ? spi_i : spi_r));
    sa->spi_i = spi_i;
    sa->spi_r = spi_r;
}

void sa_algorithms_set(struct sa *sa, const struct proposal_choice *choice)
{
    sa->encr = choice->encr;
    sa->encr_key_bits = choice->encr_key_bits;
    sa->integ = choice->integ;
    sa->prf = choice->prf;
    sa->ke = choice->ke;
}

static bool edge_exists(enum ike_sa_life from, enum ike_sa_life to)
{
    switch (from) {
    case IKE_HALF_OPEN: /* derived SAs are established at once */
        return to == IKE_AUTHENTICATING || to == IKE_ESTABLISHED || to == IKE_DEAD;
    case IKE_AUTHENTICATING: return to == IKE_ESTABLISHED || to == IKE_DELETING || to == IKE_DEAD;
    case IKE_ESTABLISHED: return to == IKE_SA_REPLACED || to == IKE_DELETING || to == IKE_DEAD;
    case IKE_SA_REPLACED: return to == IKE_DELETING || to == IKE_DEAD;
    case IKE_DELETING: return to == IKE_DEAD;
    case IKE_DEAD: return false;
    }
    return false;
}

/* lifetimes_start - sets rekey_at_ns and expires_ns from the connection, with jitter. */
static void lifetimes_start(struct sa *sa, nanos now)
{
    const struct ike_lifetime *lifetime = &sa->session->conn->lifetime;
    sa->rekey_at_ns = ike_lifetime_rekey_at(lifetime, sa->ike->random, now);
    sa->expires_ns = lifetime->life_ns > 0 ? nanos_after(now, lifetime->life_ns) : NANOS_NEVER;
}

/* command_tag - the tag of the command that created this IKE SA: a login, a clone or a rekey. A
 * clone that came with a login has the tag of that login. 0: the peer or the core began it. */
static uint64_t command_tag(const struct sa *sa)
{
    const struct sa *from = sa->asking != NULL ? sa : sa_find(sa->ike, sa->parent);
    if (sa->role != IKE_SA_INITIATOR || from == NULL || from->asking == NULL)
        return 0;
    const struct intent *intent = &from->asking->intent;
    bool creates = intent->kind == INTENT_LOGIN || intent->kind == INTENT_CLONE ||
                   intent->kind == INTENT_REKEY_IKE;
    return creates ? intent->tag : 0;
}

static void become_established(struct sa *sa, nanos now)
{
    sa->established_ns = now;
    sa->announced = true;
    sa->last_heard_ns = now;
    sa->ike->stats.established++;
    sa->session->cloned |= sa->origin == IKE_ORIGIN_CLONED;
    lifetimes_start(sa, now);
    struct ike_event *event = event_sa(sa, IKE_EV_SA_UP);
    event->sa_old = sa->parent;
    event->tag = command_tag(sa);
    struct intent intent = {.kind = INTENT_DELETE_IKE, .reason = sa->session->end_reason};
    if (sa->session->ending)
        intent_owe(sa, &intent);
}

void sa_life_set(struct sa *sa, enum ike_sa_life life, nanos now)
{
    ASSERT(edge_exists(sa->life, life));
    if (sa->life == IKE_ESTABLISHED) {
        sa->ike->stats.established--;
        hint_leave(sa);
    }
    sa->life = life;
    sa_touch(sa);
    switch (life) {
    case IKE_ESTABLISHED:
        hint_enter(sa);
        become_established(sa, now);
        break;
    case IKE_SA_REPLACED:
        sa->rekey_at_ns = NANOS_NEVER;
        sa->unused_at_ns = NANOS_NEVER;
        sa->expires_ns = nanos_after(now, REPLACED_LINGER_NS);
        break;
    case IKE_DELETING:
        sa->rekey_at_ns = sa->expires_ns = sa->unused_at_ns = NANOS_NEVER;
        session_tickets_decide_sa(sa, sa->down_reason);
        break;
    case IKE_HALF_OPEN:
    case IKE_AUTHENTICATING:
    case IKE_DEAD: break;
    }
}

struct sa *sa_heir(const struct sa *sa)
{
    struct sa *heir = NULL, *next = sa_find(sa->ike, sa->replaced_by);
    while (next != NULL) {
        heir = next;
        next = sa_find(heir->ike, heir->replaced_by);
    }
    return heir != NULL && heir->life == IKE_ESTABLISHED ? heir : NULL;
}

/* heirs_pass_on - this IKE SA ends. Each IKE SA that it replaced now counts as replaced by the heir
 * of this one. */
static void heirs_pass_on(const struct sa *sa)
{
    if (sa->session == NULL || sa->replaced_by == 0)
        return;
    for (struct sa *other = sa->session->sas; other != NULL; other = other->session_next)
        if (other->replaced_by == sa->id)
            other->replaced_by = sa->replaced_by;
}

/*
 * doubt_clones - probes the clones that the peer created through this IKE SA and never used. If our
 * response got lost, the peer does not know such a clone, and can no longer ask for it.
 */
static void doubt_clones(const struct sa *sa)
{
    struct intent probe = {.kind = INTENT_PROBE};
    struct sa *other = sa->session == NULL ? NULL : sa->session->sas;
    /* A peer that ends the IKE SA after its own rekey knows the heir. */
    bool we_end_it = sa->life == IKE_DELETING;
    for (; other != NULL; other = other->session_next)
        if (other->parent == sa->id && (other->id != sa->replaced_by || we_end_it) &&
            other->life == IKE_ESTABLISHED && !sa_original_initiator(other) &&
            other->theirs.next_id == 0 && !intent_pending(other, INTENT_PROBE, 0))
            (void)!intent_add(other, &probe); /* no memory: the next liveness check finds out */
}

/* unlink_sa - takes the IKE SA out of the tables; it is freed when the current call ends. */
static void unlink_sa(struct sa *sa)
{
    struct ike *ike = sa->ike;
    deadline_heap_leave(&ike->deadlines, &sa->deadline);
    (void)map_take(&ike->sas_by_id, sa->id);
    (void)map_take(&ike->sas_by_spi, sa_spi_ours(sa));
    if (sa->previous == NULL)
        ike->sas = sa->next;
    else
        sa->previous->next = sa->next;
    if (sa->next == NULL)
        ike->sas_last = sa->previous;
    else
        sa->next->previous = sa->previous;
    sa->next = ike->dead;
    ike->dead = sa;
}

void sa_leave(struct sa *sa, nanos now)
{
    while (sa->children != NULL)
        child_leave(sa->children);
    free(sa->inner);
    sa->inner = NULL;
    sa_life_set(sa, IKE_DEAD, now);
    unlink_sa(sa);
}

void sa_enter(struct sa *sa)
{
    struct ike *ike = sa->ike;
    list_enter(ike, sa);
    int err = map_put(&ike->sas_by_id, sa->id, sa);
    ASSERT(err == 0);
    err = map_put(&ike->sas_by_spi, sa_spi_ours(sa), sa);
    ASSERT(err == 0);
    sa->deadline = (struct deadline){.owner = sa, .at = NANOS_NEVER};
    sa->owed.at_ns = NANOS_NEVER;
    if (sa->life == IKE_ESTABLISHED) {
        ike->stats.established++;
        hint_enter(sa);
    }
    for (struct child *child = sa->children; child != NULL; child = child->sa_next)
        child_enter(child);
    sa_touch(sa);
}

void sa_down(struct sa *sa, enum ike_outcome outcome, nanos now)
{
    struct ike *ike = sa->ike;
    if (sa->life == IKE_DEAD)
        return;
    struct sa *heir = sa_heir(sa);
    if (heir != NULL && outcome != IKE_CANCELLED) {
        /* RFC 7296 section 2.8.2: the peer rekeyed this SA and deletes it. Our own attempt ends,
         * and everything else continues on the heir. */
        sa_children_move(sa, heir);
        exchange_bequeath(sa, heir);
    }
    doubt_clones(sa);
    heirs_pass_on(sa);
    sa->down_reason = outcome;
    if (sa->login != NULL)
        login_count_failure(sa, outcome);
    trace_ended(sa, outcome);
    while (sa->children != NULL)
        child_down(sa->children, outcome, 0);
    inner_drop(sa);
    sa_life_set(sa, IKE_DEAD, now);
    exchange_cancel_all(sa, outcome);
    if (sa->announced) {
        struct ike_event *event = event_sa(sa, IKE_EV_SA_DOWN);
        event->outcome = outcome;
        event->sa_old = sa->parent;
        event_gone(sa, NULL, heir != NULL);
    }
    if (sa->session != NULL)
        session_detach(sa->session, sa, outcome);
    sa->login = login_free(ike, sa->login);
    unlink_sa(sa);
}

void sa_delete_send(struct sa *sa)
{
    struct wire_builder request = wire_builder_of(sa->ike->build, LIMIT_IKE_MESSAGE);
    wire_add_delete_ike(&request);
    struct packet *packet =
        seal_message(sa, &request, WIRE_INFORMATIONAL, SEAL_REQUEST, sa->mine.next_id);
    if (packet != NULL)
        output_packet(sa, packet, &sa->path);
    packet_free(packet);
}

void sa_say_delete(struct sa *sa)
{
    if ((sa->life == IKE_ESTABLISHED || sa->life == IKE_SA_REPLACED) && !window_busy(&sa->mine))
        sa_delete_send(sa);
}

void sa_free(struct sa *sa)
{
    ASSERT(sa->life == IKE_DEAD && sa->children == NULL && sa->intents == NULL);
    exchange_forget(sa);
    early_free(sa->early);
    reassembly_free(sa->reassembly);
    window_clear(&sa->mine);
    window_clear(&sa->theirs);
    answer_forget(sa);
    sa->key_exchange = key_exchange_free(sa->key_exchange);
    wipe(&sa->keys, sizeof(sa->keys));
    free(sa);
}

void sa_children_move(struct sa *from, struct sa *to)
{
    ASSERT(from->session == to->session);
    inner_move(from, to);
    struct child **end = &to->children;
    while (*end != NULL)
        end = &(*end)->sa_next;
    *end = from->children;
    for (struct child *child = from->children; child != NULL; child = child->sa_next)
        child->sa = to;
    from->children = NULL;
    struct intent check = {.kind = INTENT_ROUTABILITY, .path = from->pending_path};
    /* The heir takes over a routability check, even one in flight. It must not replace a later
     * check of `to`. */
    if (intent_pending(from, INTENT_ROUTABILITY, 0) && from->pending_ns > to->pending_ns) {
        if (!intent_pending(to, INTENT_ROUTABILITY, 0))
            intent_owe(to, &check);
        to->pending_path = from->pending_path;
        to->pending_ns = from->pending_ns;
        to->pending_nat_local = from->pending_nat_local;
        to->pending_nat_remote = from->pending_nat_remote;
        to->pending_follows = from->pending_follows;
    }
    intents_move(from, to);
    sa_touch(from);
    sa_touch(to);
}

bool sa_may_repeat(struct sa *sa, nanos now)
{
    bool may = rate_second(&sa->repeats_ns, LIMIT_REPEATS_PER_SECOND, now);
    sa->ike->stats.dropped_limit += !may;
    return may;
}

void sa_touch(struct sa *sa)
{
    if (sa->touched)
        return;
    sa->touched = true;
    sa->touched_next = sa->ike->touched;
    sa->ike->touched = sa;
}

/* liveness_delay - how long a peer may be silent before a probe. A Gateway always sends one in the
 * end. So the session of a vanished peer ends before its lifetime. */
static nanos liveness_delay(const struct session *session)
{
    const struct ike_conn *conn = session->conn;
    bool asks_itself = conn->dpd_delay_ns > 0 || session->role != IKE_GATEWAY;
    return asks_itself ? conn->dpd_delay_ns : conn->dead_peer_ns;
}

/* liveness_intent - a connection with its own time-out has LIVENESS_COPIES of the request within
 * it. */
static struct intent liveness_intent(const struct sa *sa)
{
    nanos timeout = sa->session->conn->dpd_timeout_ns;
    return (struct intent){
        .kind = INTENT_PROBE,
        .retry_ns = timeout > 0 && timeout < LIVENESS_SHORT_NS ? timeout / LIVENESS_COPIES : 0};
}

/* liveness_at - when a silent peer is probed. A request that is sent for its own intent already
 * tests the peer. An abandoned or lent request does not, so a probe borrows it. */
static nanos liveness_at(const struct sa *sa)
{
    nanos delay = liveness_delay(sa->session);
    bool asks = sa->asking != NULL && sa->asking->holder != HOLDER_ABANDONED &&
                sa->asking->holder != HOLDER_LENT;
    for (const struct intent *next = sa->intents; next != NULL; next = next->next)
        asks |= intent_is_liveness(next);
    if (sa->life != IKE_ESTABLISHED || delay <= 0 || asks)
        return NANOS_NEVER;
    return nanos_after(sa->last_heard_ns, delay);
}

/* rekey_due - when a rekey by lifetime is due. A rekey that waits for a frozen session is due once
 * the session is no longer frozen. */
static nanos rekey_due(const struct sa *sa)
{
    bool waits = sa->session != NULL && sa->session->frozen;
    return waits ? NANOS_NEVER : sa->rekey_at_ns;
}

nanos sa_deadline(const struct sa *sa)
{
    if (sa->life == IKE_DEAD)
        return NANOS_NEVER;
    nanos at = nanos_min(sa->expires_ns, exchange_deadline(sa));
    at = nanos_min(at, login_refusal_at(sa));
    at = nanos_min(at, reassembly_until(sa->reassembly));
    at = nanos_min(at, nanos_min(rekey_due(sa), sa->unused_at_ns));
    if (sa->session != NULL && sa->session->ending) {
        at = nanos_min(at, sa->session->end_at_ns);
        at = nanos_min(at, sa->detoured ? NANOS_NEVER : sa->session->end_detour_ns);
        at = nanos_min(at, sa->children != NULL ? sa->session->auth_deadline_ns : NANOS_NEVER);
    } else if (sa->session != NULL) {
        at = nanos_min(at, sa->session->auth_deadline_ns);
    }
    bool stays = sa->session != NULL && !sa->session->ending && !sa->session->frozen;
    if (stays && sa->life == IKE_ESTABLISHED) {
        at = nanos_min(at, liveness_at(sa));
        at = nanos_min(at, nanos_min(sa->session->reauth_at_ns, sa->session->yield_at_ns));
    }
    for (const struct child *child = sa->children; child != NULL; child = child->sa_next)
        at = nanos_min(at, child_deadline(child));
    return at;
}

static void tick_lifetimes(struct sa *sa, nanos now)
{
    if (now >= sa->expires_ns) {
        sa->expires_ns = NANOS_NEVER;
        struct intent intent = {.kind = INTENT_DELETE_IKE, .reason = IKE_EXPIRED};
        while (sa->life == IKE_ESTABLISHED && sa->children != NULL) /* their traffic has moved */
            child_down(sa->children, IKE_EXPIRED, 0);
        if (sa->life == IKE_ESTABLISHED) {
            intent_owe(sa, &intent);
            return;
        }
        enum ike_outcome outcome = sa->life == IKE_SA_REPLACED ? IKE_REPLACED : IKE_EXPIRED;
        sa_down(sa,
                sa->life == IKE_HALF_OPEN || sa->life == IKE_AUTHENTICATING ? IKE_TIMEOUT : outcome,
                now);
        return;
    }
    if (now >= sa->unused_at_ns) {
        /* KO-21, D-11: the peer said that it would not use this SA again. */
        sa->unused_at_ns = NANOS_NEVER;
        struct intent intent = {.kind = INTENT_DELETE_IKE, .reason = IKE_REPLACED};
        intent_owe(sa, &intent);
        return;
    }
    if (now >= rekey_due(sa)) {
        sa->rekey_at_ns = NANOS_NEVER;
        struct intent intent = {.kind = INTENT_REKEY_IKE};
        if (sa->life == IKE_ESTABLISHED && !intent_pending(sa, INTENT_REKEY_IKE, 0) &&
            intent_add(sa, &intent) != 0)
            sa->rekey_at_ns = nanos_after(now, NANOS_PER_SEC);
    }
}

static void tick_session(struct sa *sa, nanos now)
{
    struct session *session = sa->session;
    if (session->frozen)
        return;
    if (now >= session->yield_at_ns) {
        session_yield(session, now);
        return;
    }
    if (now >= session->reauth_at_ns)
        auth_lifetime_due(session);
    if (now >= liveness_at(sa)) {
        struct intent intent = liveness_intent(sa);
        if (intent_add(sa, &intent) != 0)
            /* the queue is full of requests, and each of them is a liveness check */
            sa->last_heard_ns = now;
    }
}

/* tick_end - the session is ending, and this IKE SA still exists. */
static void tick_end(struct sa *sa, nanos now)
{
    const struct session *session = sa->session;
    if (now >= session->end_at_ns) {
        sa_down(sa, session->end_reason, now);
        return;
    }
    while (now >= session->auth_deadline_ns && sa->children != NULL)
        child_down(sa->children, IKE_EXPIRED, 0);
    if (now >= session->end_detour_ns && !sa->detoured) {
        sa->detoured = true;
        exchange_redirect(sa, &session->end_path, now);
    }
}

void sa_tick(struct sa *sa, nanos now)
{
    sa_touch(sa);
    if (now >= reassembly_until(sa->reassembly)) /* RFC 7383 section 2.6: MUST discard */
        sa->reassembly = reassembly_free(sa->reassembly);
    exchange_tick(sa, now);
    if (now >= login_refusal_at(sa))
        login_refusal_due(sa, now);
    if (sa->life != IKE_DEAD)
        tick_lifetimes(sa, now);
    if (sa->life != IKE_DEAD && sa->session != NULL && sa->session->ending)
        tick_end(sa, now);
    else if (sa->life != IKE_DEAD && sa->session != NULL && now >= sa->session->auth_deadline_ns)
        session_expired(sa->session,
                        now); /* ends every IKE SA of the session, even with a Delete unanswered */
    else if (sa->life == IKE_ESTABLISHED && sa->session != NULL)
        tick_session(sa, now);
    struct child *child = sa->children;
    while (sa->life != IKE_DEAD && child != NULL) {
        struct child *next = child->sa_next;
        child_tick(child, now);
        child = next;
    }
}

struct ike_path sa_path_fill(const struct sa *sa, const struct ike_path *wanted)
{
    struct ike_path path = *wanted;
    if (path.local.port == 0)
        path.local.port = sa->path.local.port == 500 ? 4500 : sa->path.local.port;
    if (path.remote.port == 0)
        path.remote.port = sa->path.remote.port == 500 ? 4500 : sa->path.remote.port;
    return path;
}

void sa_heard(struct sa *sa, nanos now)
{
    sa->last_heard_ns = now;
    if (sa->unused_at_ns != NANOS_NEVER)
        sa->unused_at_ns = nanos_after(now, session_unused_timeout(sa->session));
    sa_touch(sa);
}

void sa_suspect(struct sa *sa, nanos now)
{
    if (sa->life != IKE_ESTABLISHED || now - sa->suspected_ns < 10 * NANOS_PER_SEC)
        return;
    sa->suspected_ns = now;
    struct intent intent = {.kind = INTENT_PROBE};
    if (!intent_pending(sa, INTENT_PROBE, 0))
        (void)!intent_add(sa, &intent); /* if the queue is full, its requests test the peer */
}

bool sa_udp_encap(const struct sa *sa)
{
    /* A peer with our Vendor ID gets ESP in UDP even without a NAT: the kernel can segment it and
     * spread it over processors. A peer that itself uses UDP gets it, too. Port 500 never carries
     * ESP (RFC 7296 section 2.23): it has no marker that tells ESP from IKE. */
    if (sa->path.local.port == 500)
        return false;
    return sa->nat_local || sa->nat_remote || sa->session->conn->encap ||
           ((sa->session->peer_keep_old || sa->peer_encap) && sa->path.remote.port != 500);
}

void sa_path_follow(struct sa *sa, const struct ike_path *path, bool follows)
{
    struct ike_event *event = event_sa(sa, IKE_EV_SA_MOVED);
    const struct ike_path before = sa->path;
    event->path_old = before;
    event->path = *path;
    hint_leave(sa);
    sa->path = *path;
    if (sa->life == IKE_ESTABLISHED)
        hint_enter(sa);
    sa->moved_ns = sa->ike->now;
    sa->ike->stats.moves++;
    for (struct child *child = sa->children; child != NULL; child = child->sa_next)
        child_path_changed(child, &before, follows);
    sa_touch(sa);
}

void sa_path_set(struct sa *sa, const struct ike_path *path)
{
    sa_path_follow(sa, path, !sa->session->cloned);
}

struct sa *sa_find(const struct ike *ike, ike_sa_id id)
{
    return map_get(&ike->sas_by_id, id);
}
