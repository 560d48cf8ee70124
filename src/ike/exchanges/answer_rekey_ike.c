/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to an IKE SA rekey or clone: see exchange_rekey_ike.c for the messages. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/rate.h"
#include "base/reader.h"
#include "ike/core/ike_state.h"
#include "ike/core/key_exchange.h"
#include "ike/core/upper.h"
#include "ike/exchanges/clone_address.h"
#include "ike/exchanges/mobike.h"
#include "ike/exchanges/rekey_ike.h"

/* D-21: each new IKE SA, cloned or rekeyed, costs a key exchange. A session may ask for that many
 * at once, and then for one per interval. */
#define KEY_EXCHANGES            16
#define KEY_EXCHANGE_INTERVAL_NS NANOS_PER_SEC

/* The longest time that a request is in flight, with its retransmissions. */
#define MOVE_IN_FLIGHT_NS (120 * NANOS_PER_SEC)
/* for a move whose caller set no time: its third copy leaves after 3.4 s at the latest */
#define MOVE_NS (4 * NANOS_PER_SEC)

uint16_t keep_old_number_own(const struct session *session)
{
    uint16_t number = session->conn->keep_old_notify;
    return number != 0 ? number : KEEP_OLD_DEFAULT_NOTIFY;
}

uint16_t keep_old_number_peer(const struct session *session)
{
    return session->peer_keep_old ? session->peer_notify : keep_old_number_own(session);
}

bool keep_old_find(const struct wire_message *message, uint16_t number, struct keep_old *ret_value)
{
    for (size_t i = 0; i < message->n && message->payloads[i].type != WIRE_PAYLOAD_SA; i++) {
        struct wire_notify notify;
        if (message->payloads[i].type == WIRE_PAYLOAD_N &&
            wire_notify_read(message->payloads[i].body, &notify) && notify.type == number &&
            keep_old_read(notify.data, ret_value))
            return true;
    }
    return false;
}

void rekey_ike_hand_over(struct sa *from, struct sa *to, nanos now)
{
    to->terms = from->terms; /* with PATH_TERMS that arrived during the rekey */
    from->replaced_by = to->id;
    to->peer_addresses[0] = from->peer_addresses[0];
    sa_children_move(from, to);
    if (from->life == IKE_ESTABLISHED)
        sa_life_set(from, IKE_SA_REPLACED, now);
}

bool rekey_ike_surely_clone(const struct asking *asking)
{
    const struct rekeying *rekeying = asking->state;
    return asking->intent.kind == INTENT_CLONE && !asking->intent.unused_old &&
           (rekeying->dialect == IKE_DIALECT_RFC7791 || rekeying->dialect == IKE_DIALECT_KEEP_OLD);
}

enum form { FORM_REKEY, FORM_KEEP, FORM_UNUSED, FORM_RFC7791, FORM_UNWELCOME };

/* form_of - KO-18 to KO-22, A-02 to A-05: a notify that we do not understand makes the request a
 * plain rekey. The response then has no notify. */
static enum form form_of(struct sa *sa, const struct wire_message *request)
{
    const struct session *session = sa->session;
    const struct ike_conn *conn = session->conn;
    struct keep_old value;
    bool keep_old = ike_conn_keep_old(conn);
    bool rfc7791 = wire_notify_has(request, N_CLONE_IKE_SA);
    if (rfc7791 && !session->peer_rfc7791) {
        /* SUP-01: the peer believes that the Child SAs stay; a plain rekey would move ours. */
        event_notice(sa, "CLONE_IKE_SA from a peer with which it was not negotiated: refused");
        return FORM_UNWELCOME;
    }
    if (keep_old && keep_old_find(request, keep_old_number_own(session), &value)) {
        /* SUP-04: with both notifies RFC 7791 decides. A peer that announced KEEP_OLD_IKE_SA gets
         * it in the response. */
        if (value.question && value.code == KEEP_OLD_KEEP)
            return rfc7791 && !session->peer_keep_old ? FORM_RFC7791 : FORM_KEEP;
        if (value.question && value.code == KEEP_OLD_UNUSED)
            return rfc7791 ? FORM_RFC7791 : FORM_UNUSED;
        event_notice(sa, "KEEP_OLD_IKE_SA with question bit %d and code %u: a plain rekey",
                     value.question, value.code);
    }
    /* RFC 7791 section 5.2: only after both announced it */
    return rfc7791 ? FORM_RFC7791 : FORM_REKEY;
}

static bool is_clone(enum form form)
{
    return form == FORM_KEEP || form == FORM_RFC7791;
}

/* standing_refusal - the refusal that follows from the state of the session and the IKE SA. 0: no
 * refusal. */
static uint16_t standing_refusal(const struct sa *sa, enum form form, nanos now)
{
    if (form == FORM_UNWELCOME)
        return N_NO_ADDITIONAL_SAS;
    if (now >= sa->session->auth_deadline_ns)
        return N_TEMPORARY_FAILURE; /* D-22 */
    if (is_clone(form)) {
        if (sa->ike->pressure == IKE_PRESSURE_ALL)
            return N_TEMPORARY_FAILURE;
        /* a clone has to wait for a plain rekey of ours. It also waits while we do not know
         * whether the End User agreed to our move of this SA (D-08 b). */
        if (sa->asking != NULL &&
            (sa->asking->intent.kind == INTENT_REKEY_IKE ||
             (sa->asking->intent.kind == INTENT_CREATE_MOVED && sa->session->role == IKE_GATEWAY)))
            return N_TEMPORARY_FAILURE;
        if (sa->unused_at_ns != NANOS_NEVER)
            return N_TEMPORARY_FAILURE;
        if (!session_full(sa->session))
            return 0;
        return session_full_for_good(sa->session) ? N_NO_ADDITIONAL_SAS /* D-20 */
                                                  : N_TEMPORARY_FAILURE;
    }
    /* The peer's previous rekey of this IKE SA is not over yet. */
    if (sa_heir(sa) != NULL)
        return N_TEMPORARY_FAILURE;
    /* The peer keeps its old IKE SAs, and goes on replacing them. */
    if (session_crowded(sa->session))
        return N_TEMPORARY_FAILURE;
    /* Section 2.25.2: a rekey would move the Child SAs, while a request of ours creates, rekeys or
     * deletes one. */
    if (exchange_open(sa))
        switch (sa->asking->intent.kind) {
        case INTENT_CREATE_CHILD:
        case INTENT_CREATE_MOVED:
        case INTENT_REKEY_CHILD:
        case INTENT_DELETE_CHILD: return N_TEMPORARY_FAILURE;
        case INTENT_LOGIN:
        case INTENT_REKEY_IKE:
        case INTENT_CLONE:
        case INTENT_MOVE:
        case INTENT_PATH_TEST:
        case INTENT_PROBE:
        case INTENT_STRAY:
        case INTENT_ADDRESSES:
        case INTENT_PATH_TERMS:
        case INTENT_ROUTABILITY:
        case INTENT_DELETE_IKE:
        case INTENT_REDIRECT:
        case INTENT_AUTH_LIFETIME:
        case INTENT_KINDS: break;
        }
    return 0;
}

/* rekey_refusal - the refusal before any key exchange is computed. 0: no refusal. */
static uint16_t rekey_refusal(struct sa *sa, enum form form, nanos now)
{
    uint16_t notify = standing_refusal(sa, form, now);
    if (notify == 0 && !key_exchange_ready(sa) &&
        !rate_take(&sa->session->key_exchanges_ns, KEY_EXCHANGES, KEY_EXCHANGE_INTERVAL_NS, now))
        notify = N_TEMPORARY_FAILURE;
    return notify;
}

struct rekeyed {
    enum form form;
    ike_sa_id fresh;
    struct nonce_pair nonces;
};

static void rekey_drop(struct sa *sa, struct answering *answering)
{
    const struct rekeyed *what = answering->state;
    struct sa *fresh = sa_find(sa->ike, what->fresh);
    if (fresh != NULL)
        sa_down(fresh, IKE_CANCELLED, answering->now);
}

/*
 * tell_path - the Gateway's request crossed a move of ours. Its new SA has the path that the old
 * one had at that moment. We do not know that path, so we tell the Gateway ours. If a move
 * is outstanding, the old path may be dead: the new SA moves to the same target. Its move ends with
 * the outstanding one, so the path manager's next move is not delayed.
 */
static void tell_path(struct sa *sa, struct sa *fresh, nanos now)
{
    struct intent update = {.kind = INTENT_MOVE, .path = sa->path};
    const struct asking *asking = window_busy(&sa->mine) ? sa->asking : NULL;
    const struct intent *asked = asking != NULL ? &asking->intent : NULL;
    bool moving =
        asked != NULL && (asked->kind == INTENT_CREATE_MOVED ||
                          (asked->kind == INTENT_MOVE && (asking->step > 0 || !asked->path_test)));
    bool recently = sa->moved_ns != 0 && now - sa->moved_ns < MOVE_IN_FLIGHT_NS;
    if (sa->session->role != IKE_END_USER || !sa->session->mobike || !(recently || moving))
        return;
    if (moving) {
        update.path = asked->path;
        update.give_up_ns = asked->give_up_ns > 0 ? asked->give_up_ns : MOVE_NS;
    }
    /* no memory: the path manager moves the new SA once its path fails */
    (void)!intent_add(fresh, &update);
}

/* follow_move - the End User moved the old SA and then asked for a clone. We still check that the
 * new address is reachable. The End User has already moved the clone, so ours follows after the
 * same check. */
static void follow_move(const struct sa *sa, struct sa *fresh, nanos now)
{
    struct nat_seen nat = {
        .present = true, .local = sa->pending_nat_local, .remote = sa->pending_nat_remote};
    if (intent_pending(sa, INTENT_ROUTABILITY, 0))
        mobike_moved(fresh, &sa->pending_path, &nat, now);
}

static void rekey_commit(struct sa *sa, struct answering *answering)
{
    const struct rekeyed *what = answering->state;
    struct sa *fresh = sa_find(sa->ike, what->fresh);
    ASSERT(fresh != NULL);
    sa_life_set(fresh, IKE_ESTABLISHED, answering->now);
    tell_path(sa, fresh, answering->now);
    if (is_clone(what->form)) {
        follow_move(sa, fresh, answering->now);
        inner_lease(fresh);
        sa->ike->stats.clones++; /* KO-20: the old IKE SA stays as it is */
        return;
    }
    sa->ike->stats.rekeys_ike++;
    count(sa->ike, sa, IKE_COUNT_REKEY_RESP);
    struct asking *asking = sa->asking;
    bool crossing =
        exchange_open(sa) && asking->state != NULL &&
        (asking->intent.kind == INTENT_REKEY_IKE || asking->intent.kind == INTENT_CLONE);
    if (crossing) {
        struct rekeying *rekeying = asking->state;
        crossing_set(&rekeying->crossed, fresh->id, span_of(what->nonces.ni, what->nonces.n_ni),
                     span_of(what->nonces.nr, what->nonces.n_nr));
        /* The response to our request will decide which new SA inherits. If the peer deletes this
         * SA before that, it did not notice that the two requests crossed. Its SA inherits then
         * (section 2.8.2). */
        fresh->terms = sa->terms;
        sa->replaced_by = fresh->id;
        if (!rekey_ike_surely_clone(asking))
            return;
    }
    if (what->form == FORM_UNUSED) {
        /* KO-21, D-11: the peer deletes the old SA. If it does not, we do. */
        sa_children_move(sa, fresh);
        fresh->terms = sa->terms;
        sa->replaced_by = fresh->id;
        sa->rekey_at_ns = NANOS_NEVER;
        sa->unused_at_ns = nanos_after(answering->now, session_unused_timeout(sa->session));
        sa_touch(sa);
        return;
    }
    rekey_ike_hand_over(sa, fresh, answering->now);
}

void rekey_ike_adopt(struct sa *sa)
{
    struct sa *old = sa_find(sa->ike, sa->parent);
    if (old != NULL && old->replaced_by == sa->id && old->children != NULL)
        sa_children_move(old, sa);
}

struct request {
    struct wire_sa sa;
    struct wire_ke ke;
    struct span ni;
};

static bool read_request(const struct wire_message *message, struct request *ret_request)
{
    const struct wire_payload *sa = wire_find(message, WIRE_PAYLOAD_SA, NULL);
    const struct wire_payload *ke = wire_find(message, WIRE_PAYLOAD_KE, NULL);
    const struct wire_payload *ni = wire_find(message, WIRE_PAYLOAD_NONCE, NULL);
    if (!wire_sa_read(sa->body, &ret_request->sa) || !wire_ke_read(ke->body, &ret_request->ke) ||
        !wire_nonce_read(ni->body, &ret_request->ni))
        return false;
    for (size_t i = 0; i < ret_request->sa.n; i++)
        if (ret_request->sa.proposals[i].protocol != WIRE_PROTO_IKE ||
            ret_request->sa.proposals[i].spi.len != 8)
            return false;
    return true;
}

static void add_form(struct sa *sa, enum form form, struct wire_builder *reply)
{
    struct keep_old value = {.code = form == FORM_UNUSED ? KEEP_OLD_UNUSED : KEEP_OLD_KEEP};
    switch (form) {
    case FORM_KEEP:
    case FORM_UNUSED: wire_add_keep_old(reply, keep_old_number_peer(sa->session), value); break;
    case FORM_RFC7791: /* RFC 7791 section 5.2: no additional notify in the response */
    case FORM_UNWELCOME:
    case FORM_REKEY: break;
    }
}

/* fresh_derive - the new IKE SA with its keys, after the key exchange. 0, or the notify. */
static uint16_t fresh_derive(struct sa *sa, const struct request *request,
                             const struct proposal_choice *choice, struct rekeyed *what,
                             struct wire_builder *reply, nanos now)
{
    const struct ke_job *agreed = &sa->key_exchange->ke;
    uint8_t nr[REKEY_NONCE_LEN], spi[8];
    struct wire_sa answer;
    if (agreed->error != 0) /* a failed allocation here is not the peer's fault */
        return agreed->error == ERR_CRYPTO ? N_INVALID_SYNTAX : N_TEMPORARY_FAILURE;
    struct sa *fresh = sa_derive(
        sa, IKE_SA_RESPONDER, is_clone(what->form) ? IKE_ORIGIN_CLONED : IKE_ORIGIN_REKEYED, now);
    if (fresh == NULL)
        return N_TEMPORARY_FAILURE;
    what->fresh = fresh->id;
    struct reader r = reader_of(choice->spi);
    uint64_t spi_i = read_u64(&r);
    random_fill(sa->ike->random, nr, sizeof(nr));
    sa_algorithms_set(fresh, choice);
    sa_spi_set(fresh, spi_i, fresh->spi_r);
    nonce_pair_set(&what->nonces, request->ni, span_of(nr, sizeof(nr)));
    if (spi_i == 0 ||
        keymat_derived(fresh, sa, request->ni, span_of(nr, sizeof(nr)), &agreed->shared) != 0)
        return N_INVALID_SYNTAX;
    struct writer w = writer_of(spi, sizeof(spi));
    write_u64(&w, fresh->spi_r);
    proposal_choice_to_wire(choice, WIRE_PROTO_IKE, span_of(spi, sizeof(spi)), &answer);
    add_form(sa, what->form, reply);
    wire_add_sa(reply, &answer);
    wire_add(reply, WIRE_PAYLOAD_NONCE, span_of(nr, sizeof(nr)));
    wire_add_ke(reply, choice->ke, ke_public(agreed));
    return 0;
}

enum answer_verdict answer_rekey_ike(struct sa *sa, struct answering *answering)
{
    struct request request;
    struct proposal_choice choice;
    struct proposal_wish wish = {.with_ke = true};

    if (!read_request(answering->request, &request))
        return answer_refuse(answering, N_INVALID_SYNTAX);
    enum form form = form_of(sa, answering->request);
    uint16_t notify = rekey_refusal(sa, form, answering->now);
    if (notify != 0)
        return answer_refuse(answering, notify);
    wish.ke_sent = request.ke.group;
    if (!proposal_select(&sa->session->conn->proposals, &request.sa, WIRE_PROTO_IKE, wish, &choice))
        return answer_refuse(answering, N_NO_PROPOSAL_CHOSEN);
    if (choice.ke != request.ke.group) {
        uint8_t group[2] = {(uint8_t)(choice.ke >> 8), (uint8_t)choice.ke};
        return answer_refuse_data(answering, N_INVALID_KE_PAYLOAD, span_of(group, sizeof(group)));
    }
    switch (key_exchange_answer(sa, choice.ke, request.ke.public_value, IKE_KE_ESTABLISHED)) {
    case KEY_EXCHANGE_LATER: return ANSWER_LATER;
    case KEY_EXCHANGE_FAILED: return answer_refuse(answering, N_INVALID_SYNTAX);
    case KEY_EXCHANGE_DONE: break;
    }
    struct rekeyed *what = answering->state = calloc(1, sizeof(*what));
    if (what == NULL)
        return ANSWER_SILENT;
    what->form = form;
    answering->drop = rekey_drop;
    notify = fresh_derive(sa, &request, &choice, what, answering->reply, answering->now);
    if (notify != 0) {
        if (what->fresh != 0)
            rekey_drop(sa, answering);
        return answer_refuse(answering, notify);
    }
    ticket_refuse(sa, answering->request, answering->reply);
    answering->commit = rekey_commit;
    return ANSWER_SEND;
}

ike_sa_id rekey_ike_answer_group(struct sa *sa, const struct wire_message *group,
                                 struct wire_builder *reply, nanos now)
{
    struct rekeyed what = {.form = FORM_KEEP};
    struct proposal_wish wish = {.with_ke = true};
    struct proposal_choice choice;
    struct request request;

    if (!read_request(group, &request))
        return 0;
    wish.ke_sent = request.ke.group;
    if (!proposal_select(&sa->session->conn->proposals, &request.sa, WIRE_PROTO_IKE, wish,
                         &choice) ||
        choice.ke != request.ke.group || rekey_refusal(sa, FORM_KEEP, now) != 0)
        return 0;
    /* B.5: the login is verified and brings one clone at most, so it is computed at once */
    if (!key_exchange_at_once(sa, choice.ke, request.ke.public_value))
        return 0;
    bool made = fresh_derive(sa, &request, &choice, &what, reply, now) == 0;
    sa->key_exchange = key_exchange_free(sa->key_exchange);
    if (made)
        return what.fresh;
    struct sa *fresh = sa_find(sa->ike, what.fresh);
    if (fresh != NULL)
        sa_down(fresh, IKE_CANCELLED, now);
    return 0;
}
