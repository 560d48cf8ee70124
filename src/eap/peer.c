/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer's side of RFC 3748 section 4. The authenticator chooses the method. If the peer lacks
 * it, the peer answers with a Nak that lists its methods. A method that has begun is never changed.
 */
#include <stdlib.h>

#include "eap/conversation.h"
#include "eap/sim_auth.h"

struct eap_peer {
    struct conversation c;
    unsigned identities, notifications; /* Requests received */
    bool doomed; /* the method failed, and its last Response reports that; the reason is kept */
};

int eap_peer_new(const struct eap_config *config, struct eap_peer **ret_peer)
{
    struct eap_peer *peer = calloc(1, sizeof(*peer));
    if (peer == NULL)
        return ERR_NO_MEMORY;
    int error = conversation_begin(&peer->c, config);
    for (size_t i = 0; error == 0 && i < config->n_methods; i++)
        if (eap_method_find(config->methods[i])->peer_recv == NULL)
            error = ERR_INVALID;
    if (error != 0) {
        eap_peer_free(peer);
        return error;
    }
    *ret_peer = peer;
    return 0;
}

struct eap_peer *eap_peer_free(struct eap_peer *peer)
{
    if (peer != NULL)
        conversation_end(&peer->c);
    free(peer);
    return NULL;
}

bool eap_peer_proven(const struct eap_peer *peer)
{
    return peer->c.proven;
}

static void fail(struct eap_peer *peer, struct eap_result *ret, const char *reason)
{
    (void)eap_failed(&peer->c.talk, "%s", reason);
    conversation_fail(&peer->c, ret, NULL);
}

static void reply(struct eap_peer *peer, struct eap_result *ret, struct writer *w)
{
    eap_packet_end(w);
    if (writer_failed(w))
        fail(peer, ret, "a response does not fit into a packet");
    else
        conversation_reply(ret, w);
}

static void answer_identity(struct eap_peer *peer, const struct eap_packet *request,
                            struct eap_result *ret)
{
    struct writer w = writer_of(ret->packet, sizeof(ret->packet));
    if (peer->c.method != NULL || ++peer->identities > EAP_ASKED) {
        fail(peer, ret, "the authenticator asks for the identity again and again");
        return;
    }
    eap_packet_begin(&w, EAP_RESPONSE, request->identifier, EAP_TYPE_IDENTITY);
    write_bytes(&w, sim_identity_first(&peer->c.talk, peer->c.methods, peer->c.n_methods));
    reply(peer, ret, &w);
}

/* answer_notification - RFC 3748 section 5.2: the peer acknowledges a Notification; it has no
 * effect. */
static void answer_notification(struct eap_peer *peer, const struct eap_packet *request,
                                struct eap_result *ret)
{
    struct writer w = writer_of(ret->packet, sizeof(ret->packet));
    if (++peer->notifications > EAP_ASKED) {
        fail(peer, ret, "the authenticator notifies again and again");
        return;
    }
    eap_packet_begin(&w, EAP_RESPONSE, request->identifier, EAP_TYPE_NOTIFICATION);
    reply(peer, ret, &w);
}

/* vendor_type_write - RFC 3748 section 5.7: Vendor-Id (24 bits; 0 for the Types of the IETF) and
 * Vendor-Type. */
static void vendor_type_write(struct writer *w, uint8_t type)
{
    write_u8(w, 0), write_u16(w, 0);
    write_u32(w, type);
}

/* answer_nak - RFC 3748 section 5.3: a Legacy Nak lists the methods of the peer. A Request of Type
 * 254 gets an Expanded Nak. */
static void answer_nak(struct eap_peer *peer, const struct eap_packet *request,
                       struct eap_result *ret)
{
    struct writer w = writer_of(ret->packet, sizeof(ret->packet));
    bool expanded = request->type == EAP_TYPE_EXPANDED;
    eap_packet_begin(&w, EAP_RESPONSE, request->identifier,
                     expanded ? EAP_TYPE_EXPANDED : EAP_TYPE_NAK);
    if (expanded)
        vendor_type_write(&w, EAP_TYPE_NAK);
    for (size_t i = 0; i < peer->c.n_methods; i++) {
        if (expanded)
            write_u8(&w, EAP_TYPE_EXPANDED),
                vendor_type_write(&w, eap_type_wire(peer->c.methods[i]));
        else
            write_u8(&w, eap_type_wire(peer->c.methods[i]));
    }
    reply(peer, ret, &w);
}

static void answer_method(struct eap_peer *peer, const struct eap_packet *request,
                          struct eap_result *ret)
{
    struct conversation *c = &peer->c;
    struct writer w = writer_of(ret->packet, sizeof(ret->packet));
    eap_packet_begin(&w, EAP_RESPONSE, request->identifier, request->type);
    size_t empty = w.len;
    enum eap_step step = c->method->peer_recv(&c->talk, c->state, request, &w);
    c->proven = step == EAP_STEP_DONE || step == EAP_STEP_READY;
    c->open = step == EAP_STEP_READY;
    switch (step) {
    case EAP_STEP_DONE:
    case EAP_STEP_READY: reply(peer, ret, &w); return;
    case EAP_STEP_REPLY: reply(peer, ret, &w); return;
    case EAP_STEP_FAILED:
        peer->doomed = w.len > empty;
        if (peer->doomed) {
            reply(peer, ret, &w);
            memcpy(ret->reason, c->talk.reason, sizeof(ret->reason));
        } else {
            conversation_fail(c, ret, NULL);
        }
        return;
    }
}

/* method_wanted - the configured method that has that Type in packets. NULL: none. */
static const struct eap_method *method_wanted(const struct conversation *c, uint8_t type)
{
    for (size_t i = 0; i < c->n_methods; i++)
        if (eap_type_wire(c->methods[i]) == type)
            return eap_method_find(c->methods[i]);
    return NULL;
}

static void answer_request(struct eap_peer *peer, const struct eap_packet *request,
                           struct eap_result *ret)
{
    struct conversation *c = &peer->c;
    if (c->proven && !c->open)
        fail(peer, ret, "the authenticator goes on after the method is over");
    else if (request->type == EAP_TYPE_IDENTITY)
        answer_identity(peer, request, ret);
    else if (request->type == EAP_TYPE_NOTIFICATION)
        answer_notification(peer, request, ret);
    else if (c->method == NULL && method_wanted(c, request->type) == NULL)
        answer_nak(peer, request, ret);
    else if (c->method != NULL && eap_type_wire(c->method->type) != request->type)
        /* RFC 3748 section 2.1: a conversation has one method */
        fail(peer, ret, "the authenticator changes the method midway");
    else if (c->method == NULL && conversation_choose(c, method_wanted(c, request->type)) != 0)
        fail(peer, ret, "no memory");
    else
        answer_method(peer, request, ret);
}

/* end - the Identifier of Success and Failure is not compared. IKE delivers each packet once and in
 * order, and some authenticators increment it (against RFC 3748 section 4.2). */
static void end(struct eap_peer *peer, enum eap_code code, struct eap_result *ret)
{
    struct eap_talk *talk = &peer->c.talk;
    bool succeeds = code == EAP_SUCCESS && peer->c.proven;
    if (succeeds && talk->names_new)
        talk->store->put(talk->store->context, talk->identity, &talk->names);
    if (succeeds)
        conversation_succeed(&peer->c, ret, NULL);
    else if (code == EAP_SUCCESS)
        /* RFC 3748 section 4.2: "the peer MUST silently discard" it. IKE would then wait forever,
         * so the login ends instead. */
        fail(peer, ret, "EAP-Success came before the authenticator was proven");
    else
        fail(peer, ret, "the authenticator refuses the login (EAP-Failure)");
}

void eap_peer_recv(struct eap_peer *peer, struct span octets, struct eap_result *ret)
{
    struct eap_packet packet;
    *ret = (struct eap_result){0};
    if (peer->c.over || ++peer->c.rounds > EAP_ROUNDS)
        fail(peer, ret, "the conversation has too many packets");
    else if (peer->doomed)
        conversation_fail(&peer->c, ret, NULL);
    else if (!eap_packet_read(octets, &packet) || packet.code == EAP_RESPONSE)
        fail(peer, ret, "the authenticator's packet is malformed");
    else if (packet.code == EAP_REQUEST)
        answer_request(peer, &packet, ret);
    else
        end(peer, packet.code, ret);
}
