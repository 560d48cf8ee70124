/* SPDX-License-Identifier: Apache-2.0 */
#include "eap/conversation.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/secret.h"

/* method_wanted - `type` is one of the configured methods. */
static bool method_wanted(const struct conversation *c, uint8_t type)
{
    for (size_t i = 0; i < c->n_methods; i++)
        if (c->methods[i] == type)
            return true;
    return false;
}

int conversation_begin(struct conversation *c, const struct eap_config *config)
{
    if (config->n_methods == 0 || config->n_methods > EAP_METHODS ||
        !conversation_identify(c, config->identity))
        return ERR_INVALID;
    for (size_t i = 0; i < config->n_methods; i++) {
        if (eap_method_find(config->methods[i]) == NULL)
            return ERR_INVALID;
        c->methods[i] = config->methods[i];
    }
    c->n_methods = config->n_methods;
    c->talk.crypto = config->crypto;
    c->talk.random = config->random;
    c->talk.secrets = config->secrets;
    c->talk.tls = config->tls;
    c->talk.store = config->store;
    c->talk.prime = method_wanted(c, EAP_TYPE_AKA_PRIME);
    return 0;
}

static void method_drop(struct conversation *c)
{
    if (c->method == NULL)
        return;
    if (c->method->done != NULL)
        c->method->done(c->state);
    wipe(c->state, c->method->state_size);
    free(c->state);
    c->method = NULL;
    c->state = NULL;
}

void conversation_end(struct conversation *c)
{
    method_drop(c);
    wipe(c, sizeof(*c));
}

bool conversation_identify(struct conversation *c, struct span identity)
{
    return eap_talk_claim(&c->talk, identity) && eap_talk_identify(&c->talk, identity);
}

int conversation_choose(struct conversation *c, const struct eap_method *method)
{
    ASSERT(!c->proven);
    method_drop(c);
    c->state = calloc(1, method->state_size);
    if (c->state == NULL)
        return ERR_NO_MEMORY;
    c->method = method;
    return 0;
}

static void packet_set(struct eap_result *ret, const struct writer *w)
{
    ret->packet_len = w == NULL || writer_failed(w) ? 0 : w->len;
}

void conversation_reply(struct eap_result *ret, const struct writer *w)
{
    ret->verdict = EAP_REPLY;
    packet_set(ret, w);
}

void conversation_fail(struct conversation *c, struct eap_result *ret, const struct writer *w)
{
    c->over = true;
    ret->verdict = EAP_FAILED;
    ret->type = c->method == NULL ? EAP_TYPE_NONE : c->method->type;
    memcpy(ret->reason, c->talk.reason, sizeof(ret->reason));
    packet_set(ret, w);
}

void conversation_succeed(struct conversation *c, struct eap_result *ret, const struct writer *w)
{
    ASSERT(c->proven && c->method != NULL);
    c->over = true;
    ret->verdict = EAP_SUCCEEDED;
    ret->type = c->method->type;
    ret->msk_len = c->talk.msk_len;
    memcpy(ret->msk, c->talk.msk, c->talk.msk_len);
    ret->not_after = c->talk.vouched.not_after;
    ret->chain = c->talk.vouched.chain;
    ret->identity_len = c->talk.identity.len;
    memcpy(ret->identity, c->talk.identity.ptr, ret->identity_len);
    packet_set(ret, w);
}
