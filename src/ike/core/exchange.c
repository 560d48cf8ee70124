/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/exchange.h"

#include <stdlib.h>

#include "base/assert.h"
#include "ike/core/ike_state.h"
#include "ike/core/seal.h"
#include "ike/exchanges/mobike.h"
#include "ike/login/login.h"

/* How each kind of intent is asked. */
static const struct exchange_ops *const table[INTENT_KINDS] = {
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
    [INTENT_REKEY_IKE] = &exchange_rekey_ike,
};

#define REKEY_AGAIN_NS  (30 * NANOS_PER_SEC)
#define MEMORY_ATTEMPTS 16 /* of a wish that may be given up */

/* --- the end of an intent --- */

static void emit_done(struct sa *sa, const struct intent *intent, const struct verdict *verdict,
                      nanos rtt_ns)
{
    if (intent->tag == 0)
        return;
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
        (void)snprintf(event->notice, sizeof(event->notice), "%s", verdict->detail);
}

void intent_end(struct sa *sa, const struct intent *intent, enum ike_outcome outcome)
{
    struct verdict verdict = verdict_done(outcome);
    emit_done(sa, intent, &verdict, 0);
}

void exchange_bequeath(struct sa *from, struct sa *to)
{
    struct asking *asking = from->asking;
    if (asking == NULL || asking->running || asking->intent.unused_old ||
        asking->intent.kind == INTENT_LOGIN || asking->intent.kind == INTENT_REKEY_IKE ||
        asking->intent.kind == INTENT_DELETE_IKE)
        return;
    struct intent again = asking->intent;
    again.give_up_at_ns = 0;
    again.told = again.kind == INTENT_MOVE;
    if (intent_add(to, &again) == 0)
        asking->intent.tag = 0; /* answered there */
}

/* --- our side of an exchange --- */

static void asking_release(struct asking *asking)
{
    if (asking->ops->release != NULL)
        asking->ops->release(asking);
}

static struct asking *asking_free(struct asking *asking)
{
    asking_release(asking);
    free(asking);
    return NULL;
}

/* send_request - the first time or again: the same octets (RFC 7296 section 2.1). */
static void send_request(struct sa *sa, nanos now)
{
    window_sent(&sa->mine, &sa->ike->retransmit, now);
    output_packet(sa, sa->mine.packet, &sa->mine.path);
}

/* seal_and_send - the request that ops->ask wrote. */
static bool seal_and_send(struct sa *sa, struct asking *asking, struct wire_builder *request,
                          nanos now)
{
    struct packet *packet =
        seal_message(sa, request, asking->exchange, SEAL_REQUEST, sa->mine.next_id);
    if (packet == NULL)
        return false;
    sa->mine.packet = packet;
    sa->mine.path = asking->path;
    asking->strayed = false;
    sa->mine.tries = 0;
    sa->mine.interval_ns = asking->intent.retry_ns;
    if (asking->intent.give_up_at_ns == 0)
        asking->intent.give_up_at_ns = asking->intent.give_up_ns > 0
                                           ? nanos_after(now, asking->intent.give_up_ns)
                                           : NANOS_NEVER;
    sa->mine.give_up_at_ns = asking->intent.give_up_at_ns;
    asking->asked_ns = now;
    send_request(sa, now);
    return true;
}

static void conclude(struct sa *sa, struct verdict verdict, nanos now);

/* not_asked - with the memory that was missing it may be: a Delete is said in any case, and where
 * nobody waits for the outcome nobody would wish it again. */
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

/* there - where the peer is reached: a Gateway goes after an End User that has moved, whose address
 * has yet to be checked (RFC 4555 section 3.7), since nobody is left where it was. */
static const struct ike_path *there(const struct sa *sa)
{
    return sa->pending_ns > sa->moved_ns ? &sa->pending_path : &sa->path;
}

static void ask(struct sa *sa, nanos now)
{
    struct asking *asking = sa->asking;
    struct wire_builder request = wire_builder_of(sa->ike->build, LIMIT_IKE_MESSAGE);
    asking->path = *there(sa);
    asking->exchange = asking->ops->exchange;
    asking->running = true;
    enum ike_outcome outcome = asking->ops->ask(sa, asking, &request, now);
    asking->running = false;
    if (outcome == IKE_OK && sa->life != IKE_DEAD && !seal_and_send(sa, asking, &request, now))
        outcome = IKE_LIMIT; /* no memory, or a message that does not fit */
    if (sa->life == IKE_DEAD && outcome == IKE_OK)
        outcome = sa->down_reason;
    if (outcome == IKE_OK && sa->life != IKE_DEAD)
        return;
    bool login = asking->intent.kind == INTENT_LOGIN;
    conclude(sa, not_asked(asking, outcome, now), now);
    if (login && sa->life != IKE_DEAD)
        sa_down(sa, outcome, now);
}

/* rekey_failed - a rekey of our own accord came to nothing: once more, before the hard lifetime. */
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

/* again - what is being asked waits in the queue once more. */
static void again(struct sa *sa, nanos not_before_ns)
{
    struct asking *asking = sa->asking;
    struct intent *intent = &asking->intent;
    bool of_this_one = intent->kind == INTENT_REKEY_IKE || intent->kind == INTENT_DELETE_IKE;
    if (intent->attempt < UINT8_MAX)
        intent->attempt++;
    intent->not_before_ns = not_before_ns;
    asking_release(asking);
    sa->asking = NULL;
    *asking = (struct asking){.intent = *intent};
    /* D-12: what crossed a rekey of the peer goes on where the Child SAs went */
    struct sa *heir = of_this_one ? NULL : sa_heir(sa);
    if (heir == NULL)
        heir = sa;
    if (intent_enqueue(heir, intent))
        return;
    intent_end(sa, intent, IKE_LIMIT);
    free(asking);
}

/* conclude - what the verdict asks for. Loops through `ask` at most once per step. */
static void conclude(struct sa *sa, struct verdict verdict, nanos now)
{
    struct asking *asking = sa->asking;
    nanos rtt_ns = asking->rtt_ns;
    sa_touch(sa);
    if (sa->life == IKE_DEAD && verdict.kind != VERDICT_DONE)
        verdict = verdict_done(sa->down_reason);
    switch (verdict.kind) {
    case VERDICT_NEXT:
        asking->step++;
        ask(sa, now);
        return;
    case VERDICT_REPEAT: ask(sa, now); return;
    case VERDICT_LATER: return;
    case VERDICT_AGAIN: again(sa, verdict.not_before_ns); return;
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

/* is_question - about a path: whoever asked repeats it, or asks another one. */
static bool is_question(enum intent_kind kind)
{
    return kind == INTENT_PROBE || kind == INTENT_PATH_TEST || kind == INTENT_MOVE;
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

/*
 * wake - a request is outstanding to which nobody waits any more (its probe was given up). The
 * window allows no other before it is answered, so that it is what goes out for the sake of
 * `intent`: the same octets, over the path that the intent is about (RFC 4555 section 3.5).
 */
static void wake(struct sa *sa, struct intent *intent, nanos now)
{
    struct asking *asking = sa->asking;
    bool other_path = intent->kind == INTENT_MOVE || intent->kind == INTENT_PATH_TEST ||
                      intent->kind == INTENT_CREATE_MOVED;
    struct ike_path path = other_path ? mobike_fill_path(sa, &intent->path) : *there(sa);
    asking->parked = false;
    asking->woken = true;
    asking->woken_for = intent->kind;
    asking->woken_at_leisure = intent_at_leisure(intent);
    /* what interrupts it does not put off its end */
    if (intent_at_leisure(intent) && intent->give_up_at_ns == 0)
        intent->give_up_at_ns = nanos_after(now, retransmit_total(&sa->ike->retransmit));
    asking->strayed |= !ike_path_equal(&sa->mine.path, &path);
    sa->mine.path = path;
    sa->mine.tries = 0;
    sa->mine.interval_ns = intent->retry_ns;
    sa->mine.give_up_at_ns = intent->give_up_ns > 0      ? nanos_after(now, intent->give_up_ns)
                             : intent_at_leisure(intent) ? intent->give_up_at_ns
                                                         : NANOS_NEVER;
    send_request(sa, now);
}

/* hastens - what is outstanding, without an end, where the IKE SA lives, keeps a question waiting
 * whether anything answers there. Its own answer tells, so that it is repeated as the question
 * would be. */
static bool hastens(const struct sa *sa, const struct intent *intent)
{
    const struct asking *asking = sa->asking;
    bool slow =
        sa->mine.give_up_at_ns == NANOS_NEVER || (asking->woken && asking->woken_at_leisure);
    return intent->kind == INTENT_PROBE && intent->give_up_ns > 0 && window_busy(&sa->mine) &&
           slow && sa->life == IKE_ESTABLISHED && ike_path_equal(&sa->mine.path, there(sa));
}

static void hasten(struct sa *sa, const struct intent *intent, nanos now)
{
    sa->asking->woken = true;
    sa->asking->woken_for = intent->kind;
    sa->asking->woken_at_leisure = false;
    sa->mine.interval_ns = intent->retry_ns;
    sa->mine.give_up_at_ns = nanos_after(now, intent->give_up_ns);
    sa->mine.resend_at_ns = nanos_min(sa->mine.resend_at_ns, nanos_after(now, intent->retry_ns));
    sa_touch(sa);
}

/* leaves_path - what is outstanding, without an end but that of a question, was sent more than once
 * over a path that the next intent leaves: until it is answered nothing else can be sent, so it
 * goes along (RFC 4555 section 3.5). */
static bool leaves_path(const struct sa *sa, const struct intent *intent)
{
    const struct asking *asking = sa->asking;
    bool questioned = asking->woken && asking->woken_for == INTENT_PROBE;
    if (!window_busy(&sa->mine) || (sa->mine.give_up_at_ns != NANOS_NEVER && !questioned) ||
        sa->life != IKE_ESTABLISHED || asking->intent.kind == INTENT_LOGIN ||
        (intent->kind != INTENT_MOVE && intent->kind != INTENT_CREATE_MOVED) ||
        intent->give_up_ns == 0)
        return false;
    struct ike_path to = mobike_fill_path(sa, &intent->path);
    return !ike_path_equal(&sa->mine.path, &to);
}

/* message_ids_end - RFC 7296 section 2.2: before they are used up there is another IKE SA. */
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

/* woken_by - the intent for which the outstanding request was sent again; NULL: it is gone. */
static struct intent **woken_by(struct sa *sa, nanos now)
{
    const struct asking *asking = sa->asking;
    struct intent **link = &sa->intents;
    while (*link != NULL && ((*link)->kind != asking->woken_for || !runnable(sa, *link, now) ||
                             intent_at_leisure(*link) !=
                                 (asking->woken_for == INTENT_PROBE && asking->woken_at_leisure)))
        link = &(*link)->next;
    return *link != NULL ? link : NULL;
}

/* own_pace - what changes something is asked until it is answered, though whoever hurried it or
 * waited for it does so no more. */
static void own_pace(struct sa *sa, nanos now)
{
    sa->asking->strayed |= !ike_path_equal(&sa->mine.path, there(sa));
    sa->mine.path = *there(sa);
    sa->mine.interval_ns = 0;
    sa->mine.tries = 0;
    window_sent(&sa->mine, &sa->ike->retransmit, now); /* the last copy went out just now */
}

/* park - the caller of a probe has its answer ("none"), the request stays outstanding. */
static void park(struct sa *sa, nanos now)
{
    struct asking *asking = sa->asking;
    if (asking->woken) {
        struct intent *first = *first_runnable(sa, now), **link = woken_by(sa, now);
        if (first != NULL && first->kind == INTENT_DELETE_IKE) {
            /* it came while somebody else waited; the peer cannot be told, as it does not answer */
            sa_down(sa, first->reason, now);
            return;
        }
        if (link != NULL) {
            struct intent *intent = intent_take(sa, link);
            intent_end(sa, intent, IKE_TIMEOUT);
            free(intent);
        }
    } else {
        intent_end(sa, &asking->intent, IKE_TIMEOUT);
        asking->intent.tag = 0;
    }
    asking->woken = false;
    asking->parked = is_question(asking->intent.kind);
    sa->mine.resend_at_ns = NANOS_NEVER;
    sa->mine.give_up_at_ns = NANOS_NEVER;
    if (!asking->parked)
        own_pace(sa, now);
    sa_touch(sa);
}

/* overtaken - a test of another path, which has not been answered at once, keeps the question
 * waiting whether the IKE SA lives where it is. */
static bool overtaken(const struct sa *sa, const struct intent *intent)
{
    return window_busy(&sa->mine) && sa->asking->intent.kind == INTENT_PATH_TEST &&
           !sa->asking->parked && !sa->asking->woken && sa->mine.tries > 2 &&
           intent->kind == INTENT_PROBE && intent->give_up_ns > 0;
}

void exchange_run(struct sa *sa, nanos now)
{
    message_ids_end(sa, now);
    if (now >= sa->owed.at_ns)
        intents_pay(sa, sa);
    while (sa->life != IKE_DEAD) {
        struct intent **link = first_runnable(sa, now);
        if (*link == NULL)
            return;
        if (sa->asking != NULL) {
            if (overtaken(sa, *link))
                park(sa, now);
            if (sa->asking->parked || (sa->mine.tries > 1 && leaves_path(sa, *link)))
                wake(sa, *link, now);
            else if (hastens(sa, *link))
                hasten(sa, *link, now);
            return;
        }
        sa->asking = (struct asking *)intent_take(sa, link);
        sa->asking->ops = table[sa->asking->intent.kind];
        ask(sa, now);
    }
}

static void emit_exchange(struct sa *sa, const struct asking *asking)
{
    struct ike_event *event = event_sa(sa, IKE_EV_EXCHANGE);
    event->tag = asking->intent.tag;
    event->exchange = asking->exchange;
    event->rtt_ns = asking->rtt_ns;
    event->path = asking->path;
    (void)snprintf(event->what, sizeof(event->what), "%s", asking->ops->what);
}

/* finish_woken - the woken request was answered: a probe wanted no more than that. */
static void finish_woken(struct sa *sa, nanos now)
{
    struct intent **link = woken_by(sa, now);
    if (link == NULL || sa->asking->woken_for != INTENT_PROBE)
        return;
    struct intent *probe = intent_take(sa, link);
    struct verdict verdict = verdict_done(IKE_OK);
    emit_done(sa, probe, &verdict, sa->asking->rtt_ns);
    free(probe);
}

void exchange_response(struct sa *sa, const struct wire_message *response,
                       const struct ike_path *from, nanos now)
{
    struct asking *asking = sa->asking;
    ASSERT(asking != NULL && window_busy(&sa->mine));
    bool woken = asking->woken;
    /* Of a request that was sent more than once it is unknown which sending was answered: the time
     * since the last one would flatter, since the first is safe. */
    asking->rtt_ns = now - sa->mine.first_sent_ns;
    asking->parked = asking->woken = false;
    for (struct intent *intent = sa->intents; intent != NULL; intent = intent->next)
        if (intent_at_leisure(intent))
            intent->give_up_at_ns = 0; /* the peer lives: it may take as long again */
    sa->last_request = window_take(&sa->mine);
    emit_exchange(sa, asking);
    if (woken)
        finish_woken(sa, now);
    asking->running = true;
    struct verdict verdict = verdict_done(IKE_INVALID_SYNTAX);
    if (asking->intent.kind != INTENT_LOGIN && wire_notify_has(response, N_INVALID_SYNTAX)) {
        /* RFC 7296 section 2.21.3: fatal for both ends, without a Delete */
        verdict.notify = N_INVALID_SYNTAX;
        sa_down(sa, IKE_INVALID_SYNTAX, now);
    } else {
        verdict = asking->ops->answered(sa, asking, response, from, now);
    }
    asking->running = false;
    sa->last_request = packet_free(sa->last_request);
    conclude(sa, verdict, now);
}

void exchange_resume(struct sa *sa, struct verdict verdict, nanos now)
{
    ASSERT(sa->asking != NULL && !window_busy(&sa->mine));
    conclude(sa, verdict, now);
}

void exchange_hurry(struct sa *sa)
{
    struct asking *asking = sa->asking;
    if (asking == NULL || asking->running || asking->parked || !window_busy(&sa->mine) ||
        !is_question(asking->intent.kind))
        return;
    if (!asking->woken)
        intent_end(sa, &asking->intent, IKE_CANCELLED);
    asking->intent.tag = 0;
    asking->woken = false;
    asking->parked = true;
    sa->mine.resend_at_ns = sa->mine.give_up_at_ns = NANOS_NEVER;
    sa_touch(sa);
}

/* survives_timeout - who asked said how long, and decides what it means. A replaced IKE SA stays
 * for the sake of the peer, which may still ask for our response. */
static bool survives_timeout(const struct sa *sa)
{
    const struct asking *asking = sa->asking;
    bool leisure = asking->woken && asking->woken_at_leisure;
    return (sa->life == IKE_ESTABLISHED || sa->life == IKE_SA_REPLACED) &&
           sa->mine.give_up_at_ns != NANOS_NEVER && !leisure &&
           (asking->woken || asking->intent.give_up_ns > 0) &&
           (is_question(asking->intent.kind) || asking->woken ||
            /* M13: the End User may never have heard of it, and is where it was */
            (asking->intent.kind == INTENT_CREATE_MOVED && sa->session->role == IKE_GATEWAY));
}

/* refused_unprotected - nobody contradicted the hint. */
static void refused_unprotected(struct sa *sa, nanos now)
{
    struct verdict verdict = verdict_notify(sa->login->hint);
    window_clear(&sa->mine);
    sa->asking->running = true;
    sa_down(sa, verdict.outcome, now);
    sa->asking->running = false;
    conclude(sa, verdict, now);
}

void exchange_tick(struct sa *sa, nanos now)
{
    struct window *mine = &sa->mine;
    if (sa->asking == NULL || !window_busy(mine) || sa->asking->parked)
        return;
    if (window_exhausted(mine, &sa->ike->retransmit, now)) {
        if (sa->login != NULL && sa->login->hint != 0) {
            refused_unprotected(sa, now);
            return;
        }
        if (survives_timeout(sa))
            park(sa, now);
        else
            sa_down(sa, sa->life == IKE_DELETING ? sa->down_reason : IKE_TIMEOUT, now);
        return;
    }
    if (now < mine->resend_at_ns)
        return;
    struct intent **next = first_runnable(sa, now);
    sa->ike->stats.retransmitted++;
    bool parted = *next != NULL && overtaken(sa, *next);
    if (parted)
        park(sa, now);
    if (parted || (*next != NULL && leaves_path(sa, *next)))
        wake(sa, *next, now);
    else
        send_request(sa, now);
}

nanos exchange_deadline(const struct sa *sa)
{
    nanos at = sa->owed.at_ns;
    if (sa->asking != NULL) {
        if (!window_busy(&sa->mine))
            return at; /* waits for a job */
        at = nanos_min(at, nanos_min(sa->mine.resend_at_ns, sa->mine.give_up_at_ns));
        if (!sa->asking->parked)
            return at;
    }
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
    if (sa->asking->parked)
        sa->mine.resend_at_ns = NANOS_NEVER; /* once: nobody waits for it */
    sa_touch(sa);
}

void exchange_cancel_all(struct sa *sa, enum ike_outcome outcome)
{
    while (sa->intents != NULL) {
        struct intent *intent = intent_take(sa, &sa->intents);
        intent_end(sa, intent, intent->kind == INTENT_DELETE_IKE ? IKE_OK : outcome);
        free(intent);
    }
    if (sa->asking == NULL || sa->asking->running)
        return; /* running: conclude() ends it */
    enum intent_kind kind = sa->asking->intent.kind;
    intent_end(sa, &sa->asking->intent, kind == INTENT_DELETE_IKE ? IKE_OK : outcome);
    sa->asking = asking_free(sa->asking);
}

void exchange_forget(struct sa *sa)
{
    if (sa->asking != NULL)
        sa->asking = asking_free(sa->asking);
}
