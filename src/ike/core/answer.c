/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/answer.h"

#include <stdlib.h>

#include "base/assert.h"
#include "ike/core/ike_state.h"
#include "ike/core/key_exchange.h"
#include "ike/core/seal.h"
#include "ike/core/upper.h"

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

/* closing - RFC 7296 section 2.25.2: the IKE SA is being rekeyed or deleted, or will be deleted as
 * soon as the window is free. */
static bool closing(const struct sa *sa)
{
    return sa->life != IKE_ESTABLISHED || intent_pending(sa, INTENT_DELETE_IKE, 0);
}

static enum answer_verdict answer_dispatch(struct sa *sa, struct answering *answering)
{
    bool creates = answering->exchange == WIRE_CREATE_CHILD_SA;
    if (creates || answering->kind == MESSAGE_DELETE_CHILDREN)
        rekey_ike_adopt(sa);
    if (creates && closing(sa))
        return answer_refuse(answering, N_TEMPORARY_FAILURE);
    if (!message_rules_fit(answering->kind, answering->request))
        return answer_refuse(answering, N_INVALID_SYNTAX);
    switch ((int)answering->kind) {
    case MESSAGE_CREATE_CHILD: return answer_create_child(sa, answering);
    case MESSAGE_REKEY_CHILD: return answer_rekey_child(sa, answering);
    case MESSAGE_REKEY_IKE: return answer_rekey_ike(sa, answering);
    case MESSAGE_INFORMATIONAL:
    case MESSAGE_DELETE_CHILDREN: return answer_informational(sa, answering);
    default: return answer_refuse(answering, N_INVALID_SYNTAX); /* IKE_AUTH again */
    }
}

static enum answer_verdict exchange_answer(struct sa *sa, struct answering *answering,
                                           enum wire_fault fault, uint8_t critical)
{
    uint8_t exchange = answering->request->header.exchange;
    if (sa->life == IKE_AUTHENTICATING) {
        /* before authentication only IKE_AUTH gets a response, and a request that ends the login */
        if (sa_original_initiator(sa))
            return ANSWER_SILENT;
        if (exchange == WIRE_INFORMATIONAL && fault == WIRE_OK)
            return answer_given_up(sa, answering);
        if (exchange != WIRE_IKE_AUTH)
            return ANSWER_SILENT;
        if (fault == WIRE_OK && login_request_fits(sa, answering))
            return answer_auth(sa, answering);
    }
    if (fault == WIRE_UNKNOWN_CRITICAL)
        return answer_refuse_data(answering, N_UNSUPPORTED_CRITICAL_PAYLOAD, span_of(&critical, 1));
    if (fault == WIRE_MALFORMED || sa->life == IKE_AUTHENTICATING)
        return answer_refuse(answering, N_INVALID_SYNTAX);
    return answer_dispatch(sa, answering);
}

static void answer_finish(struct sa *sa, struct answering *answering)
{
    struct packet *packet = seal_message(sa, answering->reply, answering->exchange, SEAL_RESPONSE,
                                         answering->message_id);
    if (packet == NULL) {
        /* no memory: the request counts as lost, and the peer sends it again */
        if (answering->drop != NULL)
            answering->drop(sa, answering);
        free(answering->state);
        return;
    }
    /* RFC 7296 section 2.1: the response is kept until the next request, to repeat it */
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

/* wait_for_job - the request waits until a job has ended. A login has its own copy of the request;
 * for a key exchange the copy is made here. */
static void wait_for_job(struct sa *sa, struct answering *answering)
{
    free(answering->state);
    if (sa->key_exchange != NULL && !kept_request_set(sa, answering)) {
        sa->key_exchange = key_exchange_free(sa->key_exchange); /* the request counts as lost */
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
        .kind = fault == WIRE_OK ? message_kind(request) : MESSAGE_NONE,
        .now = now,
        .reply = &reply,
    };
    switch (exchange_answer(sa, &answering, fault, critical)) {
    case ANSWER_SEND: answer_finish(sa, &answering); break;
    case ANSWER_LATER: wait_for_job(sa, &answering); return;
    case ANSWER_SILENT: break;
    }
    sa->key_exchange = key_exchange_free(sa->key_exchange);
}

void answer_later_send(struct sa *sa, struct answering *answering)
{
    ASSERT(sa->answering_later);
    sa->answering_later = false;
    answer_finish(sa, answering);
}
