/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_ENGINE_EAP_H
#define DAEMON_ENGINE_EAP_H

/* The engine's side of EAP. The eap process, or a RADIUS server, holds the conversations. */

#include "daemon/common/aaa_channel.h"
#include "daemon/engine/engine_state.h"

int engine_eap_add(struct engine *e) MUST_USE;

/* engine_eap - IKE_EV_EAP and IKE_EV_EAP_END. */
void engine_eap(struct engine *e, const struct ike_event *event);

/* struct eap_news - the answer of a process to a step. It may be hostile, so `result` is checked. */
struct eap_news {
    uint64_t job;
    int32_t error;
    uint32_t verdict;
    const struct eap_result *result;
    nanos valid_ns; /* Session-Timeout; 0: none */
    uint64_t grant; /* grants.h; 0: none */
    bool unfit;     /* as in struct ike_result */
};
void engine_eap_answered(struct engine *e, const struct eap_news *news);

/* engine_eap_secret_load - loads a secret under its name; see struct engine_ops. Unload: NULL means
 * all of them. */
int engine_eap_secret_load(struct engine *e, const char *name, const struct engine_secret *secret,
                           const struct engine_reply *reply) MUST_USE;
int engine_eap_secret_unload(struct engine *e, const char *name) MUST_USE;

/* --- engine_eap_tls.c: the certificate that we present in a method of TLS ---
 *
 *   engine -> verifier (which certificate) -> engine -> keyholder (its key may sign for TLS)
 *          -> engine -> eap (the first step of the conversation)
 */

/* engine_eap_open - `request` is the first step of a conversation, and is copied. It is sent once
 * our certificate is found. Without one, methods that need it are left out. ERR_NO_MEMORY,
 * ERR_AGAIN. */
int engine_eap_open(struct engine *e, const struct eap_request *request,
                    const struct verifier_choose *choose) MUST_USE;
/* engine_eap_chosen, engine_eap_allowed - true: the answer was to a question of this file. */
bool engine_eap_chosen(struct engine *e, const struct verifier_answer *answer, struct span octets);
bool engine_eap_allowed(struct engine *e, const struct key_answer *answer);
void engine_eap_forget(struct engine *e, uint32_t conversation); /* it is over */
void engine_eap_done(struct engine *e);

/* engine_helpers.c */
int engine_eap_send(struct engine *e, struct eap_request *request, struct span octets) MUST_USE;

#endif
