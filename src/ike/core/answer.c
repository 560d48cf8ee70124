/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/answer.h"

#include <stdlib.h>

#include "base/assert.h"
#include "ike/core/ike_state.h"
#include "ike/core/key_exchange.h"
#include "ike/core/seal.h"
#include "ike/exchanges/child_terms.h"
#include "ike/exchanges/rekey_ike.h"
#include "ike/login/combined.h"

enum answer_verdict answer_refuse_data(struct answering *answering, uint16_t notify,
                                       struct span data)
{
    wire_builder_reset(answering->reply);
    wire_add_notify(answering->reply, notify, data);
    answering->commit = NULL;
    answering->fatal = notify == N_INVALID_SYNTAX;
    return ANSWER_SEND;
}

enum answer_verdict answer_refuse(struct answering *answering, uint16_t notify)
{
    return answer_refuse_data(answering, notify, (struct span){0});
}

bool answer_counts_fit(const struct wire_message *message)
{
    static const uint8_t single[] = {
        WIRE_PAYLOAD_SA,    WIRE_PAYLOAD_KE,  WIRE_PAYLOAD_IDi, WIRE_PAYLOAD_IDr, WIRE_PAYLOAD_AUTH,
        WIRE_PAYLOAD_NONCE, WIRE_PAYLOAD_TSi, WIRE_PAYLOAD_TSr, WIRE_PAYLOAD_CP,  WIRE_PAYLOAD_EAP,
    };
    for (size_t i = 0; i < sizeof(single); i++)
        if (wire_count(message, single[i]) > 1)
            return false;
    return wire_count(message, WIRE_PAYLOAD_N) <= LIMIT_NOTIFIES &&
           wire_count(message, WIRE_PAYLOAD_D) <= LIMIT_DELETES &&
           wire_count(message, WIRE_PAYLOAD_V) <= LIMIT_VENDOR_IDS &&
           wire_count(message, WIRE_PAYLOAD_CERT) <= LIMIT_CERTS &&
           wire_count(message, WIRE_PAYLOAD_CERTREQ) <= LIMIT_CERTREQS;
}

/* login_fits - of an IKE_AUTH request, without the group. A Child SA that cannot be read ends the
 * login: to the peer INVALID_SYNTAX says that there is no IKE SA (RFC 7296 section 2.21.2). */
static bool login_fits(const struct wire_message *login)
{
    return answer_counts_fit(login) &&
           (wire_find(login, WIRE_PAYLOAD_SA, NULL) == NULL || child_request_readable(login));
}

/* "Concerns an IKE SA rekey": the proposals are for IKE, and nothing in it is of a Child SA.
 */
static bool is_ike_rekey(const struct wire_message *request)
{
    static const uint8_t child_only[] = {WIRE_PAYLOAD_TSi, WIRE_PAYLOAD_TSr};
    const struct wire_payload *sa = wire_find(request, WIRE_PAYLOAD_SA, NULL);
    for (size_t i = 0; i < sizeof(child_only); i++)
        if (wire_find(request, child_only[i], NULL) != NULL)
            return false;
    /* the protocol of the first proposal; the rest is checked where it is read */
    return sa != NULL && sa->body.len > 5 && sa->body.ptr[5] == WIRE_PROTO_IKE &&
           !wire_notify_has(request, N_REKEY_SA);
}

static bool deletes_children(const struct wire_message *request)
{
    const struct wire_payload *d = wire_find(request, WIRE_PAYLOAD_D, NULL);
    return d != NULL && d->body.len > 0 && d->body.ptr[0] == WIRE_PROTO_ESP;
}

static enum answer_verdict answer_dispatch(struct sa *sa, struct answering *answering)
{
    const struct wire_message *request = answering->request;
    switch (request->header.exchange) {
    case WIRE_CREATE_CHILD_SA:
        rekey_ike_adopt(sa);
        if (sa->life != IKE_ESTABLISHED)
            /* RFC 7296 section 2.25.2: it is being rekeyed or deleted */
            return answer_refuse(answering, N_TEMPORARY_FAILURE);
        if (intent_pending(sa, INTENT_DELETE_IKE, 0)) /* as soon as the window is free */
            return answer_refuse(answering, N_TEMPORARY_FAILURE);
        if (is_ike_rekey(request))
            return answer_rekey_ike(sa, answering);
        return wire_notify_has(request, N_REKEY_SA) ? answer_rekey_child(sa, answering)
                                                    : answer_create_child(sa, answering);
    case WIRE_INFORMATIONAL:
        if (deletes_children(request))
            rekey_ike_adopt(sa);
        return answer_informational(sa, answering);
    default: /* IKE_AUTH again, or an exchange that we do not know */
        return answer_refuse(answering, N_INVALID_SYNTAX);
    }
}

static enum answer_verdict exchange_answer(struct sa *sa, struct answering *answering,
                                           enum wire_fault fault, uint8_t critical)
{
    uint8_t exchange = answering->request->header.exchange;
    if (sa->life == IKE_AUTHENTICATING) {
        /* before authentication nothing but IKE_AUTH is answered */
        if (exchange != WIRE_IKE_AUTH || sa_original_initiator(sa))
            return ANSWER_SILENT;
        if (fault == WIRE_OK && combined_fits(sa->login, answering->request, login_fits))
            return answer_auth(sa, answering);
    }
    if (fault == WIRE_UNKNOWN_CRITICAL)
        return answer_refuse_data(answering, N_UNSUPPORTED_CRITICAL_PAYLOAD, span_of(&critical, 1));
    if (fault == WIRE_MALFORMED || sa->life == IKE_AUTHENTICATING ||
        !answer_counts_fit(answering->request))
        return answer_refuse(answering, N_INVALID_SYNTAX);
    return answer_dispatch(sa, answering);
}

static void answer_finish(struct sa *sa, struct answering *answering)
{
    struct packet *packet = seal_message(sa, answering->reply, answering->exchange, SEAL_RESPONSE,
                                         answering->message_id);
    if (packet == NULL) {
        /* no memory: as if the request had been lost; the peer sends it again */
        if (answering->drop != NULL)
            answering->drop(sa, answering);
        free(answering->state);
        return;
    }
    /* RFC 7296 section 2.1: kept until the next request, in case this one comes again */
    packet_free(sa->theirs.packet);
    sa->theirs.packet = packet;
    sa->theirs.next_id = answering->message_id + 1;
    output_packet(sa, packet, answering->path);
    if (answering->commit != NULL)
        answering->commit(sa, answering);
    free(answering->state);
    if (answering->fatal && sa->life != IKE_DEAD)
        sa_down(sa, IKE_INVALID_SYNTAX, answering->now);
    sa_touch(sa);
}

/* struct kept_request - an authentic request that waits for its key exchange. */
struct kept_request {
    struct ike_header header;
    struct ike_path path;
    uint8_t first;
    size_t len;
    uint8_t chain[];
};

void answer_forget(struct sa *sa)
{
    if (sa->kept != NULL)
        wipe(sa->kept->chain, sa->kept->len);
    free(sa->kept);
    sa->kept = NULL;
}

/* kept_request_set - false: no memory. */
static bool kept_request_set(struct sa *sa, const struct answering *answering)
{
    const struct wire_message *request = answering->request;
    answer_forget(sa);
    sa->kept = malloc(sizeof(*sa->kept) + request->chain.len);
    if (sa->kept == NULL)
        return false;
    *sa->kept = (struct kept_request){.header = request->header,
                                      .path = *answering->path,
                                      .first = request->first,
                                      .len = request->chain.len};
    memcpy(sa->kept->chain, request->chain.ptr, request->chain.len);
    return true;
}

/* wait_for_job - the request waits for a job: of the login, which keeps it itself, or a key exchange. */
static void wait_for_job(struct sa *sa, struct answering *answering)
{
    free(answering->state);
    if (sa->key_exchange != NULL && !kept_request_set(sa, answering)) {
        key_exchange_drop(sa); /* as if the request had been lost */
        return;
    }
    sa->answering_later = true;
}

void answer_again(struct sa *sa, nanos now)
{
    struct kept_request *kept = sa->kept;
    struct wire_message request;
    uint8_t critical, inner;
    if (kept == NULL)
        return;
    sa->kept = NULL;
    sa->answering_later = false;
    enum wire_fault fault =
        wire_chain_read(span_of(kept->chain, kept->len), kept->first, &request, &critical, &inner);
    request.header = kept->header;
    request.octets = (struct span){0};
    answer_request(sa, &request, fault, critical, &kept->path, now);
    wipe(kept->chain, kept->len);
    free(kept);
    sa_touch(sa);
}

void answer_request(struct sa *sa, const struct wire_message *request, enum wire_fault fault,
                    uint8_t critical, const struct ike_path *path, nanos now)
{
    struct wire_builder reply = wire_builder_of(sa->ike->build, LIMIT_IKE_MESSAGE);
    struct answering answering = {
        .request = request,
        .path = path,
        .message_id = request->header.message_id,
        .exchange = request->header.exchange,
        .now = now,
        .reply = &reply,
    };
    switch (exchange_answer(sa, &answering, fault, critical)) {
    case ANSWER_SEND: answer_finish(sa, &answering); break;
    case ANSWER_LATER: wait_for_job(sa, &answering); return;
    case ANSWER_SILENT: break;
    }
    key_exchange_drop(sa);
}

void answer_later_send(struct sa *sa, struct answering *answering)
{
    ASSERT(sa->answering_later);
    sa->answering_later = false;
    answer_finish(sa, answering);
}
