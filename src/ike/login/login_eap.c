/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/login/login_eap.h"

#include <stdlib.h>

#include "base/assert.h"
#include "ike/login/login_rounds.h"

#define EAP_TYPE_OF_IDENTITY 1 /* RFC 3748 section 5.1 */
#define EAP_TYPE_OF_NAK      3 /* RFC 3748 section 5.3.1 */
#define EAP_HEAD             5 /* Code, Identifier, Length, Type */

static void conversation_leave(struct ike *ike, const struct login *login)
{
    const struct login_eap *eap = &login->eap;
    if (eap->conversation == 0)
        return;
    struct ike_event *event = event_add(ike, IKE_EV_EAP_END);
    event->sa = login->sa->id;
    event->eap_end.conversation = eap->conversation;
    event->eap_end.credentials = eap->credentials;
}

/* policy_of - the policy of the round that EAP proves. It is always a round of the End User. */
static const struct ike_auth_policy *policy_of(const struct sa *sa)
{
    return sa_original_initiator(sa) ? login_own_policy(sa->login) : login_peer_policy(sa->login);
}

/* other_policy - the policy of the Gateway's current round, or of its last one. */
static const struct ike_auth_policy *other_policy(const struct sa *sa)
{
    return sa_original_initiator(sa) ? login_peer_policy(sa->login) : login_own_policy(sa->login);
}

bool login_eap_need_key(const struct login *login)
{
    bool initiator = sa_original_initiator(login->sa);
    const struct login_side *gateway = initiator ? &login->theirs : &login->ours;
    return !gateway->over &&
           (initiator ? login_peer_policy(login) : login_own_policy(login))->method == IKE_AUTH_EAP;
}

static int eap_job_emit(struct sa *sa, struct span packet, bool again)
{
    struct login *login = sa->login;
    bool authenticator = !sa_original_initiator(sa);
    const struct ike_auth_policy *policy = policy_of(sa);
    uint8_t *copy = malloc(packet.len + 1);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    if (packet.len > 0)
        memcpy(copy, packet.ptr, packet.len);
    struct ike_event *event = event_job(sa, IKE_EV_EAP, 0, span_of(copy, packet.len));
    if (event == NULL)
        return ERR_NO_MEMORY;
    event->eap = (struct ike_eap_job){
        .conversation = login->eap.conversation,
        .authenticator = authenticator,
        .round = authenticator ? login->theirs.round : login->ours.round,
        .credentials = policy->credentials,
        .again = again,
        .other_credentials = other_policy(sa)->credentials,
        .policy = policy,
        .conn = login->conn->name,
        .local_id = login->local_id,
        .remote_id = login->remote_id,
        .ocsp = authenticator && ike_conn_answers_ocsp(login->conn),
        .need_key = login_eap_need_key(login),
        .grant = login->grant,
        .packet = span_of(copy, packet.len),
    };
    return 0;
}

static void open_conversation(struct sa *sa)
{
    struct login_eap *eap = &sa->login->eap;
    eap->stage = LOGIN_EAP_TALKS;
    if (eap->conversation != 0)
        return;
    eap->conversation = ++sa->ike->last_eap;
    eap->credentials = policy_of(sa)->credentials;
}

int login_eap_begin(struct sa *sa)
{
    open_conversation(sa);
    return eap_job_emit(sa, (struct span){0}, false);
}

int login_eap_again(struct sa *sa)
{
    ASSERT(sa->login->eap.conversation != 0);
    return eap_job_emit(sa, (struct span){0}, true);
}

/* eap_in_order - RFC 3748 section 4: a peer gets Requests, and then Success or Failure; an
 * authenticator gets Responses with the Identifier of its Request. The Identifier of Success and
 * Failure MUST be that of the last Response, but some RADIUS servers increase it in EAP-SIM and
 * EAP-AKA. We do not compare it: SK protects the packet, and the Message ID names the Response that
 * it answers. */
static bool eap_in_order(const struct sa *sa, const struct wire_eap *wire)
{
    const struct login_eap *eap = &sa->login->eap;
    if (!sa_original_initiator(sa))
        return wire->code == EAP_RESPONSE && eap->asked && wire->identifier == eap->identifier;
    if (wire->code == EAP_REQUEST)
        return true;
    return wire->code == EAP_FAILURE || (wire->code == EAP_SUCCESS && eap->asked);
}

bool login_eap_identity(const struct sa *sa, struct span packet, struct span *ret_identity)
{
    struct wire_eap wire;
    if (!wire_eap_read(packet, &wire) || !eap_in_order(sa, &wire) ||
        sa->login->eap.n_packets != 0 || packet.ptr[4] != EAP_TYPE_OF_IDENTITY)
        return false;
    *ret_identity = span_of(packet.ptr + 5, packet.len - 5);
    return packet.len > 5;
}

bool login_eap_nak(const struct sa *sa, struct span packet, struct span *ret_types)
{
    struct wire_eap wire;
    if (!wire_eap_read(packet, &wire) || !eap_in_order(sa, &wire) || sa->login->eap.begun ||
        packet.ptr[4] != EAP_TYPE_OF_NAK)
        return false;
    *ret_types = span_of(packet.ptr + EAP_HEAD, packet.len - EAP_HEAD);
    return packet.len > EAP_HEAD;
}

struct span login_eap_heard(const struct login *login)
{
    const struct login_eap *eap = &login->eap;
    return eap->n_heard == 0 ? (struct span){0}
                             : span_of(eap->heard + EAP_HEAD, eap->n_heard - EAP_HEAD);
}

bool login_eap_say_again(struct login *login, struct span *packet)
{
    struct login_eap *eap = &login->eap;
    if (eap->n_heard == 0)
        return false;
    eap->heard[1] = packet->ptr[1];
    *packet = span_of(eap->heard, eap->n_heard);
    return true;
}

void login_eap_leave(struct sa *sa)
{
    conversation_leave(sa->ike, sa->login);
    sa->login->eap.conversation = 0;
}

/* hear - keeps the identity for the conversation of another connection. Without memory that
 * conversation asks for it again. */
static void hear(struct login_eap *eap, struct span packet)
{
    uint8_t type = packet.len >= EAP_HEAD ? packet.ptr[4] : 0;
    eap->begun |= type != EAP_TYPE_OF_IDENTITY && type != EAP_TYPE_OF_NAK;
    if (type != EAP_TYPE_OF_IDENTITY || packet.len == EAP_HEAD || eap->heard != NULL ||
        packet.len > LOGIN_EAP_MAX)
        return;
    eap->heard = malloc(packet.len);
    if (eap->heard == NULL)
        return;
    memcpy(eap->heard, packet.ptr, packet.len);
    eap->n_heard = packet.len;
}

enum login_eap_came login_eap_recv(struct sa *sa, struct span packet)
{
    struct login_eap *eap = &sa->login->eap;
    struct wire_eap wire;
    if (eap->stage != LOGIN_EAP_TALKS || !wire_eap_read(packet, &wire) ||
        !eap_in_order(sa, &wire) || ++eap->n_packets > LIMIT_EAP_PACKETS)
        return LOGIN_EAP_BAD;
    if (wire.code == EAP_FAILURE)
        return LOGIN_EAP_FAILED;
    if (!sa_original_initiator(sa))
        hear(eap, packet);
    open_conversation(sa);
    eap->success = wire.code == EAP_SUCCESS;
    if (wire.code == EAP_REQUEST) {
        eap->asked = true;
        eap->identifier = wire.identifier;
    }
    return eap_job_emit(sa, packet, false) == 0 ? LOGIN_EAP_ASKED : LOGIN_EAP_BAD;
}

enum login_eap_came login_eap_anew(struct sa *sa)
{
    ASSERT(sa->login->eap.stage == LOGIN_EAP_TALKS && sa->login->eap.conversation == 0);
    return ++sa->login->eap.n_packets <= LIMIT_EAP_PACKETS && login_eap_begin(sa) == 0
               ? LOGIN_EAP_ASKED
               : LOGIN_EAP_BAD;
}

/* keep_packet - checks a packet of our own method, too: its process may be compromised. */
static bool keep_packet(struct login_eap *eap, struct span packet, uint8_t code)
{
    struct wire_eap wire;
    free(eap->packet);
    eap->packet = NULL;
    eap->n_packet = 0;
    if (packet.len > LOGIN_EAP_MAX || !wire_eap_read(packet, &wire) || wire.code != code ||
        (code == EAP_RESPONSE && wire.identifier != eap->identifier))
        return false;
    eap->packet = malloc(packet.len);
    if (eap->packet == NULL)
        return false;
    memcpy(eap->packet, packet.ptr, packet.len);
    eap->n_packet = packet.len;
    if (code == EAP_REQUEST) {
        eap->asked = true;
        eap->identifier = wire.identifier;
    }
    return true;
}

/* close_conversation - the method has finished. */
static void close_conversation(struct login_eap *eap)
{
    eap->conversation = 0;
    eap->asked = false;
}

static enum login_eap_said proven(struct sa *sa, const struct ike_result *result, nanos now)
{
    struct login *login = sa->login;
    struct login_eap *eap = &login->eap;
    bool peer = sa_original_initiator(sa);
    bool key = result->msk.len >= LOGIN_MSK_MIN && result->msk.len <= SECRET_CAP;
    close_conversation(eap);
    /* A20, A22: only the authenticator's Success ends the conversation, with a key if one is
     * needed. */
    if ((result->msk.len > 0 && !key) || (!key && login_eap_need_key(login)) ||
        (peer && !eap->success) || (!peer && !keep_packet(eap, result->eap_packet, EAP_SUCCESS)) ||
        (!peer && !login_proven(login, &result->proof, now))) {
        eap->n_packet = 0; /* the packet may be a Success */
        return LOGIN_EAP_REFUSES;
    }
    if (peer)
        login_chain_keep(login, &result->proof);
    secret_set(&eap->key, result->msk);
    eap->stage = LOGIN_EAP_PROVEN;
    return peer ? LOGIN_EAP_PROVES : LOGIN_EAP_SENDS;
}

enum login_eap_said login_eap_said(struct sa *sa, const struct ike_result *result, nanos now)
{
    struct login_eap *eap = &sa->login->eap;
    bool peer = sa_original_initiator(sa);
    if (result->error == 0 && result->eap_state == IKE_EAP_SUCCESS)
        return proven(sa, result, now);
    if (result->error == 0 && result->eap_state == IKE_EAP_GOES_ON && !eap->success &&
        keep_packet(eap, result->eap_packet, peer ? EAP_RESPONSE : EAP_REQUEST))
        return LOGIN_EAP_SENDS;
    if (result->error == 0 && result->eap_state == IKE_EAP_FAILURE && !result->unfit)
        close_conversation(eap); /* a conversation that is kept ends with the login */
    if (peer || !keep_packet(eap, result->eap_packet, EAP_FAILURE))
        eap->n_packet = 0;
    return LOGIN_EAP_REFUSES;
}

void login_eap_end(struct ike *ike, struct login *login)
{
    struct login_eap *eap = &login->eap;
    conversation_leave(ike, login);
    secret_done(&eap->key);
    if (eap->packet != NULL)
        wipe(eap->packet, eap->n_packet);
    free(eap->packet);
    free(eap->heard);
    *eap = (struct login_eap){0};
}
