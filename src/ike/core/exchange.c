/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/exchange.h"

#include <stdlib.h>

#include "base/assert.h"
#include "ike/core/ike_state.h"
#include "ike/core/seal.h"
#include "ike/core/turn.h"
#include "ike/core/upper.h"

/* The functions of each kind of intent. */
static const struct exchange_ops *const ops_of[INTENT_KINDS] = {
    [INTENT_LOGIN] = &exchange_login,
    [INTENT_DELETE_IKE] = &exchange_delete_ike,
    [INTENT_MOVE] = &exchange_move,
    [INTENT_PATH_TEST] = &exchange_path_test,
    [INTENT_PROBE] = &exchange_probe,
    [INTENT_STRAY] = &exchange_stray,
    [INTENT_ROUTABILITY] = &exchange_routability,
    [INTENT_DELETE_CHILD] = &exchange_delete_child,
    [INTENT_CREATE_MOVED] = &exchange_create_moved,
    [INTENT_CLONE] = &exchange_clone,
    [INTENT_CREATE_CHILD] = &exchange_create_child,
    [INTENT_REKEY_CHILD] = &exchange_rekey_child,
    [INTENT_ADDRESSES] = &exchange_addresses,
    [INTENT_AUTH_LIFETIME] = &exchange_auth_lifetime,
    [INTENT_PATH_TERMS] = &exchange_path_terms,
    [INTENT_REDIRECT] = &exchange_redirect_session,
    [INTENT_REKEY_IKE] = &exchange_rekey_ike,
};

#define REKEY_AGAIN_NS (30 * NANOS_PER_SEC)
/* an intent that may be dropped: attempts that fail for want of memory */
#define MEMORY_ATTEMPTS 16

/* --- the end of an intent --- */

/* emit_done - the outcome of an intent. NULL: no caller waits for it. */
static struct ike_event *emit_done(struct sa *sa, const struct intent *intent,
                                   const struct verdict *verdict, nanos rtt_ns)
{
    if (intent->tag == 0)
        return NULL;
    struct ike_event *event = event_sa(sa, IKE_EV_COMMAND_DONE);
    event->tag = intent->tag;
    event->outcome = verdict->outcome;
    event->notify = verdict->notify;
    event->we_sent_notify = verdict->we_sent_notify;
    event->rtt_ns = rtt_ns;
    event->child = verdict->new_child;
    if (verdict->new_sa != 0) {
        event->sa_old = sa->id;
        event->sa = verdict->new_sa;
    }
    if (verdict->detail != NULL)
        event_text(sa->ike, verdict->detail);
    return event;
}

void intent_end(struct sa *sa, const struct intent *intent, enum ike_outcome outcome)
{
    struct verdict verdict = verdict_done(outcome);
    emit_done(sa, intent, &verdict, 0);
}

void exchange_bequeath(struct sa *from, struct sa *to)
{
    struct asking *asking = from->asking;
    if (asking == NULL || asking->holder == HOLDER_CALLING || asking->answered ||
        asking->intent.unused_old || asking->intent.kind == INTENT_LOGIN ||
        asking->intent.kind == INTENT_REKEY_IKE || asking->intent.kind == INTENT_DELETE_IKE)
        return;
    struct intent again = asking->intent;
    again.give_up_at_ns = 0;
    again.told = again.kind == INTENT_MOVE;
    if (intent_add(to, &again) == 0)
        asking->intent.tag = 0; /* the intent ends on `to`, not here */
}

/* --- our side of an exchange --- */

static void asking_release(struct asking *asking)
{
    if (asking->ops->release != NULL)
        asking->ops->release(asking);
    asking->key_exchange = key_exchange_free(asking->key_exchange);
}

static struct asking *asking_free(struct asking *asking)
{
    asking_release(asking);
    free(asking);
    return NULL;
}

/* send_request - sends the request for the first time or again: the same octets (RFC 7296 section
 * 2.1). */
static void send_request(struct sa *sa, nanos now)
{
    window_sent(&sa->mine, &sa->ike->retransmit, now);
    output_packet(sa, sa->mine.packet, &sa->mine.path);
}

/* pace_set - the outstanding request follows the retransmission times of `intent`, until `end_ns`;
 * 0: no end. */
static void pace_set(struct window *mine, const struct intent *intent, nanos end_ns)
{
    mine->tries = 0;
    mine->interval_ns = intent->retry_ns;
    mine->end_ns = end_ns;
    if (end_ns == 0)
        mine->pace = WINDOW_TRIES;
    else
        mine->pace = intent->give_up_ns > 0 ? WINDOW_CALLER : WINDOW_UNTIL;
}

/* liveness_time - how long the peer may leave the liveness check unanswered. */
static nanos liveness_time(const struct sa *sa)
{
    nanos timeout = sa->session->conn->dpd_timeout_ns;
    return timeout > 0 ? timeout : retransmit_total(&sa->ike->retransmit);
}

/* give_up_at - when `intent`, which is sent for the first time now, times out. 0: after the last
 * retransmission. */
static nanos give_up_at(const struct sa *sa, const struct intent *intent, nanos now)
{
    if (intent->give_up_at_ns != 0)
        return intent->give_up_at_ns;
    if (intent->give_up_ns > 0)
        return nanos_after(now, intent->give_up_ns);
    bool bounded = intent_is_liveness(intent) && sa->session->conn->dpd_timeout_ns > 0;
    return bounded ? nanos_after(now, liveness_time(sa)) : 0;
}

/* seal_and_send - seals and sends the request that ops->ask wrote. */
static bool seal_and_send(struct sa *sa, struct asking *asking, struct wire_builder *request,
                          nanos now)
{
    struct packet *packet =
        seal_message(sa, request, asking->exchange, SEAL_REQUEST, sa->mine.next_id);
    if (packet == NULL)
        return false;
    sa->mine.packet = packet;
    sa->mine.path = asking->path;
    asking->holder = HOLDER_OWN;
    asking->several_paths = false;
    asking->asked_ns = now;
    asking->intent.give_up_at_ns = give_up_at(sa, &asking->intent, now);
    pace_set(&sa->mine, &asking->intent, asking->intent.give_up_at_ns);
    sa->mine.early_ns = sa->mine.next_id == 0 ? asking->intent.early_ns : 0;
    send_request(sa, now);
    if (asking->intent.kind == INTENT_LOGIN)
        login_sent(sa, now);
    return true;
}

static void exchange_conclude(struct sa *sa, struct verdict verdict, nanos now);

/* not_asked - the verdict if the request could not be built. After a failed allocation a Delete
 * returns to the queue. So does an intent without a tag, since no caller would repeat it. */
static struct verdict not_asked(const struct asking *asking, enum ike_outcome outcome, nanos now)
{
    const struct intent *intent = &asking->intent;
    bool must = intent->kind == INTENT_DELETE_IKE || intent->kind == INTENT_DELETE_CHILD;
    bool again = must || (intent->tag == 0 && intent->kind != INTENT_LOGIN &&
                          intent->attempt < MEMORY_ATTEMPTS);
    if (outcome != IKE_LIMIT || !again)
        return verdict_done(outcome);
    return (struct verdict){.kind = VERDICT_AGAIN,
                            .not_before_ns = nanos_after(now, MEMORY_AGAIN_NS)};
}

/* peer_path - the path over which the peer is reached now. An End User that has moved is reached at
 * its new address before that is verified (RFC 4555 section 3.7): its old address is dead. */
static const struct ike_path *peer_path(const struct sa *sa)
{
    return sa->pending_ns > sa->moved_ns ? &sa->pending_path : &sa->path;
}

/* pair_waits - a job makes the key pair for the KE payload of the next request. A retry with the
 * same group keeps the pair: after COOKIE the request stays the same (RFC 7296 section 2.6). */
static bool pair_waits(struct sa *sa, struct asking *asking)
{
    uint16_t group = asking->ops->group == NULL ? 0 : asking->ops->group(sa, asking);
    const struct key_exchange *pair = asking->key_exchange;
    if (group == 0 || (pair != NULL && pair->ke.step == KE_PAIR && pair->ke.group == group))
        return false;
    asking->key_exchange = key_exchange_free(asking->key_exchange);
    return key_exchange_begin(sa, group, &asking->key_exchange) == KEY_EXCHANGE_LATER;
}

const struct ke_job *exchange_pair(const struct asking *asking)
{
    const struct key_exchange *pair = asking->key_exchange;
    return pair != NULL && pair->ke.step == KE_PAIR && pair->ke.error == 0 ? &pair->ke : NULL;
}

static void exchange_ask(struct sa *sa, nanos now)
{
    struct asking *asking = sa->asking;
    if (pair_waits(sa, asking)) {
        asking->holder = HOLDER_JOB;
        return;
    }
    struct wire_builder request = wire_builder_of(sa->ike->build, LIMIT_IKE_MESSAGE);
    asking->path = *peer_path(sa);
    asking->exchange = asking->ops->exchange;
    asking->holder = HOLDER_CALLING;
    enum ike_outcome outcome = asking->ops->ask(sa, asking, &request, now);
    if (outcome == IKE_OK && sa->life != IKE_DEAD && !seal_and_send(sa, asking, &request, now))
        outcome = IKE_LIMIT; /* no memory, or a message that does not fit */
    if (sa->life == IKE_DEAD && outcome == IKE_OK)
        outcome = sa->down_reason;
    if (outcome == IKE_OK && sa->life != IKE_DEAD)
        return;
    bool login = asking->intent.kind == INTENT_LOGIN;
    exchange_conclude(sa, not_asked(asking, outcome, now), now);
    if (login && sa->life != IKE_DEAD)
        sa_down(sa, outcome, now);
}

/* rekey_failed - our rekey failed: try again before the hard lifetime. */
static void rekey_failed(struct sa *sa, const struct intent *intent, nanos now)
{
    struct child *child = child_find(sa->ike, intent->child);
    if (intent->tag != 0 || sa->life != IKE_ESTABLISHED)
        return;
    if (intent->kind == INTENT_REKEY_IKE && sa->rekey_at_ns == NANOS_NEVER)
        sa->rekey_at_ns = nanos_after(now, REKEY_AGAIN_NS);
    if (intent->kind == INTENT_REKEY_CHILD && child != NULL && child->sa == sa &&
        child->life == IKE_CHILD_ACTIVE && child->replaced_by == 0 &&
        child->rekey_at_ns == NANOS_NEVER)
        child->rekey_at_ns = nanos_after(now, REKEY_AGAIN_NS);
}

/* of_this_sa - the intent concerns this IKE SA alone, and has no meaning on the heir. */
static bool of_this_sa(const struct intent *intent)
{
    return intent->kind == INTENT_REKEY_IKE || intent->kind == INTENT_DELETE_IKE;
}

/* exchange_again - returns the intent of the exchange to the queue. */
static void exchange_again(struct sa *sa, nanos not_before_ns)
{
    struct asking *asking = sa->asking;
    struct intent *intent = &asking->intent;
    if (intent->attempt < UINT8_MAX)
        intent->attempt++;
    intent->not_before_ns = not_before_ns;
    asking_release(asking);
    sa->asking = NULL;
    *asking = (struct asking){.intent = *intent};
    /* D-12: after a rekey by the peer the exchange continues on the IKE SA that has the Child SAs */
    struct sa *heir = of_this_sa(intent) ? NULL : sa_heir(sa);
    if (heir == NULL)
        heir = sa;
    if (intent_enqueue(heir, intent))
        return;
    intent_end(sa, intent, IKE_LIMIT);
    free(asking);
}

/* exchange_conclude - acts on the verdict. Calls `exchange_ask` at most once per step. */
static void exchange_conclude(struct sa *sa, struct verdict verdict, nanos now)
{
    struct asking *asking = sa->asking;
    nanos rtt_ns = asking->rtt_ns;
    sa_touch(sa);
    if (sa->life == IKE_DEAD && verdict.kind != VERDICT_DONE)
        verdict = verdict_done(sa->down_reason);
    switch (verdict.kind) {
    case VERDICT_NEXT:
        asking->step++;
        exchange_ask(sa, now);
        return;
    case VERDICT_REPEAT: exchange_ask(sa, now); return;
    case VERDICT_LATER: asking->holder = HOLDER_JOB; return;
    case VERDICT_AGAIN: exchange_again(sa, verdict.not_before_ns); return;
    case VERDICT_DONE:
        emit_done(sa, &asking->intent, &verdict, rtt_ns);
        if (verdict.outcome != IKE_OK)
            rekey_failed(sa, &asking->intent, now);
        sa->asking = asking_free(asking);
        return;
    }
}

struct verdict exchange_acknowledged(struct sa *sa, struct asking *asking,
                                     const struct wire_message *response,
                                     const struct ike_path *from, nanos now)
{
    (void)sa, (void)asking, (void)response, (void)from, (void)now;
    return verdict_done(IKE_OK);
}

static bool runnable(const struct sa *sa, const struct intent *intent, nanos now)
{
    if (intent->not_before_ns > now)
        return false;
    return sa->life == IKE_ESTABLISHED || intent->kind == INTENT_LOGIN ||
           intent->kind == INTENT_DELETE_IKE;
}

static struct intent **first_runnable(struct sa *sa, nanos now)
{
    struct intent **link = &sa->intents;
    while (*link != NULL && !runnable(sa, *link, now))
        link = &(*link)->next;
    return link;
}

struct verdict exchange_agree(struct sa *sa, struct asking *asking, struct span peer, nanos now)
{
    if (key_exchange_finish(sa, asking->key_exchange, peer) != KEY_EXCHANGE_LATER)
        return asking->ops->agreed(sa, asking, now);
    asking->answered = true;
    return (struct verdict){.kind = VERDICT_LATER};
}

const struct secret *exchange_secret(const struct asking *asking)
{
    const struct key_exchange *agreed = asking->key_exchange;
    return agreed != NULL && agreed->ke.step == KE_SECRET && agreed->ke.error == 0
               ? &agreed->ke.shared
               : NULL;
}

void exchange_keys_done(struct sa *sa, nanos now)
{
    struct asking *asking = sa->asking;
    ASSERT(asking->holder == HOLDER_JOB);
    sa_touch(sa);
    asking->holder = HOLDER_CALLING;
    if (asking->answered) {
        asking->answered = false;
        exchange_conclude(sa, asking->ops->agreed(sa, asking, now), now);
    } else if (runnable(sa, &asking->intent, now)) {
        exchange_ask(sa, now);
    } else if (sa_heir(sa) != NULL && !of_this_sa(&asking->intent)) {
        /* The peer rekeyed the IKE SA before our request was sent: the heir sends it. */
        exchange_conclude(sa, (struct verdict){.kind = VERDICT_AGAIN, .not_before_ns = now}, now);
    } else { /* the peer replaced or deleted the IKE SA meanwhile */
        exchange_conclude(
            sa, verdict_done(sa->life == IKE_SA_REPLACED ? IKE_REPLACED : IKE_CANCELLED), now);
    }
}

/* --- whose turn the window is: turn.h decides --- */

static bool intent_moves(enum intent_kind kind)
{
    return kind == INTENT_MOVE || kind == INTENT_CREATE_MOVED;
}

static struct turn_state turn_state_of(const struct sa *sa)
{
    const struct asking *asking = sa->asking;
    if (asking == NULL)
        return (struct turn_state){.holder = HOLDER_NONE};
    return (struct turn_state){
        .holder = asking->holder,
        .kind = asking->intent.kind,
        .lent_to = asking->lent.kind,
        .pace = sa->mine.pace,
        .tries = sa->mine.tries,
        .established = sa->life == IKE_ESTABLISHED,
        .replaced = sa->life == IKE_SA_REPLACED,
        .gateway = sa->session != NULL && sa->session->role == IKE_GATEWAY,
        .current_path = ike_path_equal(&sa->mine.path, peer_path(sa)),
    };
}

static struct turn_intent turn_intent_of(const struct sa *sa, const struct intent *intent)
{
    struct turn_intent next = {.kind = intent->kind, .patient = intent->give_up_ns == 0};
    if (intent_moves(intent->kind)) {
        struct ike_path to = sa_path_fill(sa, &intent->path);
        next.other_path = !ike_path_equal(&sa->mine.path, &to);
    }
    return next;
}

/* outstanding_lend - sends the outstanding request for the sake of `intent`, over its path. */
static void outstanding_lend(struct sa *sa, struct intent *intent, nanos now)
{
    struct asking *asking = sa->asking;
    bool own_path = intent_moves(intent->kind) || intent->kind == INTENT_PATH_TEST;
    struct ike_path path = own_path ? sa_path_fill(sa, &intent->path) : *peer_path(sa);
    asking->holder = HOLDER_LENT;
    asking->lent.kind = intent->kind;
    asking->lent.liveness = intent_is_liveness(intent);
    asking->several_paths |= !ike_path_equal(&sa->mine.path, &path);
    sa->mine.path = path;
    if (intent_is_liveness(intent) && intent->give_up_at_ns == 0)
        intent->give_up_at_ns = nanos_after(now, liveness_time(sa));
    pace_set(&sa->mine, intent,
             intent->give_up_ns > 0 ? nanos_after(now, intent->give_up_ns) : intent->give_up_at_ns);
    send_request(sa, now);
}

/* outstanding_hasten - resends the outstanding request as early as the probe would leave. */
static void outstanding_hasten(struct sa *sa, const struct intent *probe, nanos now)
{
    sa->asking->holder = HOLDER_LENT;
    sa->asking->lent.kind = probe->kind;
    sa->asking->lent.liveness = false;
    sa->mine.interval_ns = probe->retry_ns;
    sa->mine.pace = WINDOW_CALLER;
    sa->mine.end_ns = nanos_after(now, probe->give_up_ns);
    sa->mine.resend_at_ns = nanos_min(sa->mine.resend_at_ns, nanos_after(now, probe->retry_ns));
    sa_touch(sa);
}

/* message_ids_end - RFC 7296 section 2.2: the IKE SA is rekeyed before its Message IDs end. */
static void message_ids_end(struct sa *sa, nanos now)
{
    uint32_t mine = sa->mine.next_id, theirs = sa->theirs.next_id;
    struct intent rekey = {.kind = INTENT_REKEY_IKE};
    if (mine == UINT32_MAX || theirs == UINT32_MAX)
        sa_down(sa, IKE_EXPIRED, now);
    else if ((mine >= MESSAGE_ID_REKEY || theirs >= MESSAGE_ID_REKEY) &&
             sa->life == IKE_ESTABLISHED && !intent_pending(sa, INTENT_REKEY_IKE, 0))
        (void)!intent_add(sa, &rekey); /* no memory: asked for again with the next message */
}

/* borrower - the intent to which the outstanding request is lent; NULL: it has left the queue. */
static struct intent **borrower(struct sa *sa, nanos now)
{
    const struct asking *asking = sa->asking;
    struct intent **link = &sa->intents;
    while (*link != NULL && ((*link)->kind != asking->lent.kind || !runnable(sa, *link, now) ||
                             intent_is_liveness(*link) != asking->lent.liveness))
        link = &(*link)->next;
    return *link != NULL ? link : NULL;
}

/* own_pace - a state-changing request is never abandoned: without a response we cannot know whether
 * the peer acted. It returns to the normal retransmission schedule. */
static void own_pace(struct sa *sa, nanos now)
{
    sa->asking->holder = HOLDER_OWN;
    sa->asking->several_paths |= !ike_path_equal(&sa->mine.path, peer_path(sa));
    sa->mine.path = *peer_path(sa);
    sa->mine.pace = WINDOW_TRIES;
    sa->mine.interval_ns = 0;
    sa->mine.tries = 0;
    window_sent(&sa->mine, &sa->ike->retransmit, now); /* the last copy left just now */
}

/* borrower_times_out - the intent that borrowed the outstanding request ends. */
static void borrower_times_out(struct sa *sa, nanos now)
{
    struct intent **link = borrower(sa, now);
    if (link == NULL)
        return;
    struct intent *intent = intent_take(sa, link);
    intent_end(sa, intent, IKE_TIMEOUT);
    free(intent);
}

/* outstanding_give_up - the intent for which the request is sent times out. The request stays
 * outstanding. */
static void outstanding_give_up(struct sa *sa, nanos now)
{
    struct asking *asking = sa->asking;
    const struct intent *first = *first_runnable(sa, now);
    if (asking->holder == HOLDER_LENT && first != NULL && first->kind == INTENT_DELETE_IKE) {
        /* the Delete was queued behind the borrower. The peer answers nothing, so the Delete is not
         * sent. */
        sa_down(sa, first->reason, now);
        return;
    }
    if (asking->holder == HOLDER_LENT) {
        borrower_times_out(sa, now);
    } else {
        intent_end(sa, &asking->intent, IKE_TIMEOUT);
        asking->intent.tag = 0;
    }
    if (turn_question(asking->intent.kind))
        asking->holder = HOLDER_ABANDONED;
    else
        own_pace(sa, now);
    sa_touch(sa);
}

/* refused_unprotected - nothing contradicted the unprotected refusal of the login. */
static void refused_unprotected(struct sa *sa, struct verdict verdict, nanos now)
{
    window_clear(&sa->mine);
    sa->asking->holder = HOLDER_CALLING;
    sa_down(sa, verdict.outcome, now);
    exchange_conclude(sa, verdict, now);
}

static void peer_dead(struct sa *sa, nanos now)
{
    struct verdict verdict;
    if (login_tries_again(sa, now))
        sa_down(sa, IKE_TIMEOUT, now);
    else if (login_hint(sa, &verdict))
        refused_unprotected(sa, verdict, now);
    else
        sa_down(sa, sa->life == IKE_DELETING ? sa->down_reason : IKE_TIMEOUT, now);
}

/* turn_take - acts on one decision of turn_decide(). true: there may be another one. */
static bool turn_take(struct sa *sa, nanos now)
{
    struct intent **link = first_runnable(sa, now);
    struct turn_state state = turn_state_of(sa);
    struct turn_intent next = {0};
    if (*link != NULL)
        next = turn_intent_of(sa, *link);
    switch (turn_decide(&state, *link == NULL ? NULL : &next,
                        window_time(&sa->mine, &sa->ike->retransmit, now))) {
    case TURN_WAIT: return false;
    case TURN_SEND:
        sa->asking = (struct asking *)intent_take(sa, link);
        sa->asking->ops = ops_of[sa->asking->intent.kind];
        exchange_ask(sa, now);
        return true;
    case TURN_RESEND:
        sa->ike->stats.retransmitted++;
        send_request(sa, now);
        return false;
    case TURN_LEND:
        sa->ike->stats.retransmitted++;
        outstanding_lend(sa, *link, now);
        return false;
    case TURN_HASTEN: outstanding_hasten(sa, *link, now); return false;
    case TURN_GIVE_UP: outstanding_give_up(sa, now); return true;
    case TURN_PEER_DEAD: peer_dead(sa, now); return false;
    }
    return false;
}

void exchange_run(struct sa *sa, nanos now)
{
    message_ids_end(sa, now);
    if (now >= sa->owed.at_ns)
        intents_pay(sa, sa);
    while (sa->life != IKE_DEAD && turn_take(sa, now))
        ;
}

void exchange_tick(struct sa *sa, nanos now)
{
    while (sa->life != IKE_DEAD && window_busy(&sa->mine) && turn_take(sa, now))
        ;
}

static void emit_exchange(struct sa *sa, const struct asking *asking)
{
    struct ike_event *event = event_sa(sa, IKE_EV_EXCHANGE);
    event->tag = asking->intent.tag;
    event->exchange = asking->exchange;
    event->rtt_ns = asking->rtt_ns;
    event->path = asking->path;
    event->what = asking->ops->what;
}

/* borrower_answered - the outstanding request was lent to a probe. Any response answers the
 * probe, though it may answer a copy that left long before the probe. */
static void borrower_answered(struct sa *sa, nanos rtt_ns, nanos now)
{
    struct intent **link = borrower(sa, now);
    if (link == NULL || sa->asking->lent.kind != INTENT_PROBE)
        return;
    struct intent *probe = intent_take(sa, link);
    struct verdict verdict = verdict_done(IKE_OK);
    struct ike_event *event = emit_done(sa, probe, &verdict, rtt_ns);
    if (event != NULL)
        event->borrowed = true;
    free(probe);
}

/* login_sent_away - the response redirects the login before the Gateway has proven its identity. It
 * is no answer to the request (RFC 5685 section 3). */
static bool login_sent_away(const struct sa *sa, const struct wire_message *response)
{
    return sa->asking->intent.kind == INTENT_LOGIN && sa->life == IKE_HALF_OPEN &&
           wire_notify_has(response, N_REDIRECT);
}

void exchange_response(struct sa *sa, const struct wire_message *response,
                       const struct ike_path *from, nanos now)
{
    struct asking *asking = sa->asking;
    ASSERT(asking != NULL && window_busy(&sa->mine));
    bool lent = asking->holder == HOLDER_LENT;
    /* The response does not say which copy it answers. The time since the first copy is an upper
     * bound, at whatever pace the later copies left; the time since the last would be too short. */
    asking->rtt_ns = now - asking->asked_ns;
    nanos lent_ns = now - sa->mine.paced_ns;
    asking->holder = HOLDER_CALLING;
    for (struct intent *intent = sa->intents; intent != NULL; intent = intent->next)
        if (intent_is_liveness(intent))
            intent->give_up_at_ns = 0; /* the peer lives: the time to answer begins anew */
    sa->last_request = window_take(&sa->mine);
    if (asking->several_paths)
        /* the copies may have taken several paths, so their loss tells nothing about one path */
        sa->mine.unanswered = 0;
    if (!login_sent_away(sa, response))
        emit_exchange(sa, asking);
    if (lent)
        borrower_answered(sa, lent_ns, now);
    struct verdict verdict = verdict_done(IKE_INVALID_SYNTAX);
    if (asking->intent.kind != INTENT_LOGIN && wire_notify_has(response, N_INVALID_SYNTAX)) {
        /* RFC 7296 section 2.21.3: fatal for both ends, without a Delete */
        verdict.notify = N_INVALID_SYNTAX;
        sa_down(sa, IKE_INVALID_SYNTAX, now);
    } else {
        verdict = asking->ops->answered(sa, asking, response, from, now);
    }
    sa->last_request = packet_free(sa->last_request);
    exchange_conclude(sa, verdict, now);
}

void exchange_resume(struct sa *sa, struct verdict verdict, nanos now)
{
    ASSERT(sa->asking != NULL && !window_busy(&sa->mine));
    exchange_conclude(sa, verdict, now);
}

void exchange_make_way(struct sa *sa)
{
    struct asking *asking = sa->asking;
    if (asking == NULL || !turn_question(asking->intent.kind) ||
        (asking->holder != HOLDER_OWN && asking->holder != HOLDER_LENT))
        return;
    if (asking->holder == HOLDER_OWN)
        intent_end(sa, &asking->intent, IKE_CANCELLED);
    asking->intent.tag = 0;
    asking->holder = HOLDER_ABANDONED;
    sa_touch(sa);
}

/* outstanding_deadline - when the outstanding request is sent again or given up. */
static nanos outstanding_deadline(const struct window *mine)
{
    return mine->pace == WINDOW_TRIES ? mine->resend_at_ns
                                      : nanos_min(mine->resend_at_ns, mine->end_ns);
}

nanos exchange_deadline(const struct sa *sa)
{
    nanos at = sa->owed.at_ns;
    if (sa->asking != NULL && sa->asking->holder != HOLDER_ABANDONED)
        return window_busy(&sa->mine) ? nanos_min(at, outstanding_deadline(&sa->mine)) : at;
    for (const struct intent *intent = sa->intents; intent != NULL; intent = intent->next)
        if (runnable(sa, intent, NANOS_NEVER))
            at = nanos_min(at, intent->not_before_ns);
    return at;
}

void exchange_redirect(struct sa *sa, const struct ike_path *path, nanos now)
{
    if (sa->asking == NULL || !window_busy(&sa->mine))
        return;
    sa->mine.path = *path;
    sa->mine.tries = 0;
    send_request(sa, now);
    sa_touch(sa);
}

void exchange_cancel_all(struct sa *sa, enum ike_outcome outcome)
{
    while (sa->intents != NULL) {
        struct intent *intent = intent_take(sa, &sa->intents);
        intent_end(sa, intent, intent->kind == INTENT_DELETE_IKE ? IKE_OK : outcome);
        free(intent);
    }
    if (sa->asking == NULL || sa->asking->holder == HOLDER_CALLING)
        return; /* CALLING: exchange_conclude() ends it */
    enum intent_kind kind = sa->asking->intent.kind;
    intent_end(sa, &sa->asking->intent, kind == INTENT_DELETE_IKE ? IKE_OK : outcome);
    sa->asking = asking_free(sa->asking);
}

void exchange_forget(struct sa *sa)
{
    if (sa->asking != NULL)
        sa->asking = asking_free(sa->asking);
}
