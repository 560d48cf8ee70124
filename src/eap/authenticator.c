/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The authenticator's side of RFC 3748 section 4: identity, then one method. A peer that lacks the
 * method sends a Nak and names others; each configured method is offered at most once.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "eap/conversation.h"

struct eap_authenticator {
    struct conversation c;
    uint8_t identifier; /* Identifier of the outstanding Request */
    bool begun;
    bool asking; /* the outstanding Request asks for the identity */
    /* the outstanding Request is the first of the method, so the peer may refuse it */
    bool offered;
    uint32_t tried; /* a bit for each method of the configuration that was offered */
};

int eap_authenticator_new(const struct eap_config *config, struct eap_authenticator **ret)
{
    struct eap_authenticator *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return ERR_NO_MEMORY;
    int error = conversation_begin(&a->c, config);
    for (size_t i = 0; error == 0 && i < config->n_methods; i++)
        if (eap_method_find(config->methods[i])->authenticator_begin == NULL)
            error = ERR_INVALID;
    a->c.talk.settled = config->identity.len > 0;
    if (error != 0) {
        eap_authenticator_free(a);
        return error;
    }
    *ret = a;
    return 0;
}

struct eap_authenticator *eap_authenticator_free(struct eap_authenticator *a)
{
    if (a != NULL)
        conversation_end(&a->c);
    free(a);
    return NULL;
}

static void fail(struct eap_authenticator *a, struct eap_result *ret)
{
    struct writer w = writer_of(ret->packet, sizeof(ret->packet));
    eap_packet_short(&w, EAP_FAILURE, a->identifier);
    conversation_fail(&a->c, ret, &w);
}

static void refuse(struct eap_authenticator *a, struct eap_result *ret, const char *reason)
{
    (void)eap_failed(&a->c.talk, "%s", reason);
    fail(a, ret);
}

static struct writer request_begin(struct eap_authenticator *a, struct eap_result *ret,
                                   uint8_t type)
{
    struct writer w = writer_of(ret->packet, sizeof(ret->packet));
    eap_packet_begin(&w, EAP_REQUEST, ++a->identifier, type);
    return w;
}

static void request_end(struct eap_authenticator *a, struct eap_result *ret, struct writer *w)
{
    eap_packet_end(w);
    if (writer_failed(w))
        refuse(a, ret, "a request does not fit into a packet");
    else
        conversation_reply(ret, w);
    /* the method reports the failure itself, and waits for the peer's last Response */
    memcpy(ret->reason, a->c.talk.reason, sizeof(ret->reason));
}

static void succeed(struct eap_authenticator *a, struct eap_result *ret)
{
    struct writer w = writer_of(ret->packet, sizeof(ret->packet));
    a->c.proven = true;
    eap_packet_short(&w, EAP_SUCCESS, a->identifier);
    conversation_succeed(&a->c, ret, &w);
}

static void method_offer(struct eap_authenticator *a, size_t index, struct eap_result *ret)
{
    const struct eap_method *method = eap_method_find(a->c.methods[index]);
    a->tried |= 1u << index;
    /* the method before may have taken the claimed identity for a pseudonym */
    if (!eap_talk_identify(&a->c.talk, a->c.talk.claimed) ||
        conversation_choose(&a->c, method) != 0) {
        refuse(a, ret, "no memory");
        return;
    }
    struct writer w = request_begin(a, ret, (uint8_t)method->type);
    a->offered = true;
    if (method->authenticator_begin(&a->c.talk, a->c.state, a->identifier, &w) == EAP_STEP_REPLY)
        request_end(a, ret, &w);
    else
        fail(a, ret);
}

void eap_authenticator_begin(struct eap_authenticator *a, struct eap_result *ret)
{
    ASSERT(!a->begun);
    a->begun = true;
    *ret = (struct eap_result){0};
    random_fill(a->c.talk.random, &a->identifier, sizeof(a->identifier));
    if (a->c.talk.identity.len > 0) {
        method_offer(a, 0, ret);
        return;
    }
    a->asking = true;
    struct writer w = request_begin(a, ret, EAP_TYPE_IDENTITY);
    request_end(a, ret, &w);
}

void eap_authenticator_asked(struct eap_authenticator *a, uint8_t identifier)
{
    ASSERT(!a->begun && a->c.talk.identity.len == 0);
    a->begun = a->asking = true;
    a->identifier = identifier;
}

static void identity_recv(struct eap_authenticator *a, const struct eap_packet *response,
                          struct eap_result *ret)
{
    a->asking = false;
    if (response->type != EAP_TYPE_IDENTITY || response->data.len == 0 ||
        !conversation_identify(&a->c, response->data))
        refuse(a, ret, "the peer does not say its identity");
    else
        method_offer(a, 0, ret);
}

/* RFC 3748 section 5.3.1: the peer lists the Types that it accepts. */
static void nak_recv(struct eap_authenticator *a, struct span types, struct eap_result *ret)
{
    for (size_t i = 0; i < a->c.n_methods; i++) {
        bool tried = (a->tried & 1u << i) != 0;
        if (!tried && types.len > 0 && memchr(types.ptr, (int)a->c.methods[i], types.len) != NULL) {
            method_offer(a, i, ret);
            return;
        }
    }
    refuse(a, ret, "the peer has none of the methods that the connection allows");
}

static void method_recv(struct eap_authenticator *a, const struct eap_packet *response,
                        struct eap_result *ret)
{
    struct conversation *c = &a->c;
    a->offered = false;
    struct writer w = request_begin(a, ret, response->type);
    switch (c->method->authenticator_recv(&c->talk, c->state, response, &w)) {
    case EAP_STEP_REPLY: request_end(a, ret, &w); return;
    case EAP_STEP_DONE:
    case EAP_STEP_READY: a->identifier--, succeed(a, ret); return;
    case EAP_STEP_FAILED: a->identifier--, fail(a, ret); return;
    }
}

void eap_authenticator_recv(struct eap_authenticator *a, struct span octets, struct eap_result *ret)
{
    struct eap_packet packet;
    ASSERT(a->begun);
    *ret = (struct eap_result){0};
    if (a->c.over || ++a->c.rounds > EAP_ROUNDS)
        refuse(a, ret, "the conversation has too many packets");
    else if (!eap_packet_read(octets, &packet) || packet.code != EAP_RESPONSE)
        refuse(a, ret, "the peer's packet is malformed");
    else if (packet.identifier != a->identifier)
        refuse(a, ret, "the peer answers another request");
    else if (a->asking)
        identity_recv(a, &packet, ret);
    else if (packet.type == EAP_TYPE_NAK && a->offered)
        nak_recv(a, packet.data, ret);
    else if (a->c.method == NULL || packet.type != (uint8_t)a->c.method->type)
        refuse(a, ret, "the peer answers with another method");
    else
        method_recv(a, &packet, ret);
}
