/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_CONVERSATION_H
#define EAP_CONVERSATION_H

/* The part of a conversation that both roles share. */

#include "eap/method.h"

struct conversation {
    struct eap_talk talk;
    size_t n_methods;
    enum eap_type methods[EAP_METHODS];
    const struct eap_method *method; /* the method in progress; NULL: none yet */
    void *state;                     /* of `method`, owned */
    unsigned rounds;                 /* packets received */
    bool proven;                     /* the method has succeeded: talk.msk is the key */
    /* peer: the authenticator is proven, and may still continue with the method */
    bool open;
    bool over; /* a success or a failure was reported */
};

/* eap_peer_proven - the method has succeeded, and only the Success is missing. */
bool eap_peer_proven(const struct eap_peer *peer);

/* conversation_begin - copies the configuration. ERR_INVALID: see eap_peer_new. */
int conversation_begin(struct conversation *c, const struct eap_config *config) MUST_USE;
void conversation_end(struct conversation *c); /* wipes */

/* conversation_identify - keeps the identity that the peer sent. false: too long. */
bool conversation_identify(struct conversation *c, struct span identity);

/* conversation_choose - starts `method` with fresh state. ERR_NO_MEMORY. */
int conversation_choose(struct conversation *c, const struct eap_method *method) MUST_USE;

/* conversation_reply, conversation_fail, conversation_succeed - fill in the result. The caller has
 * written the packet: `w` is the writer over ret->packet. */
void conversation_reply(struct eap_result *ret, const struct writer *w);
void conversation_fail(struct conversation *c, struct eap_result *ret, const struct writer *w);
void conversation_succeed(struct conversation *c, struct eap_result *ret, const struct writer *w);

#endif
