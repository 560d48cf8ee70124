/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_EAP_SERVICE_H
#define DAEMON_EAP_SERVICE_H

/* The EAP conversations of all logins, and the passwords. Part of the eap process. */

#include "daemon/common/eap_channel.h"
#include "daemon/common/verifier_channel.h"
#include "daemon/eap/usim_book.h"

struct eap_service;

/* struct eap_doors - calls to the keyholder and the verifier. Each waits for the answer: a
 * signature or a check takes about a millisecond. */
struct eap_doors {
    /* Appends the signature. ERR_SYSTEM, or the keyholder's error. */
    int (*sign)(void *context, const struct key_tls *wanted, struct span octets,
                struct writer *ret_signature);
    /* The octets are the certificates. ERR_SYSTEM; the answer has the verifier's error. */
    int (*check)(void *context, const struct verifier_tls *wanted, struct span octets,
                 struct verifier_answer *ret_answer);
    void *context;
};

/* eap_service_new - all borrowed; NULL: no memory. */
struct eap_service *eap_service_new(struct eap_crypto *crypto, const struct random *random,
                                    const struct eap_doors *doors, struct usim_book *usims);
struct eap_service *eap_service_free(struct eap_service *service); /* wipes; takes NULL */

/*
 * eap_service_answer - handles a request of the engine, which may be hostile; wipes the secret of a
 * LOAD in place. true: there is an answer to send. ERR_INVALID: lengths, kind or methods are
 * invalid; ERR_FULL: too many secrets or conversations; ERR_NO_MEMORY; ERR_NOT_FOUND.
 *
 * The secret of an identity is the one with that owner, else one without owners. A conversation
 * that has succeeded or failed is removed.
 */
bool eap_service_answer(struct eap_service *service, struct eap_request *request,
                        struct span octets, struct eap_answer *ret_answer);

/* eap_service_stage_begin - the loader of that number begins. eap_service_stage_answer - handles
 * its request: EAP_LOAD stages a secret beside those in use, and wipes the request; ERR_INVALID for
 * all others. EAP_STAGE_COMMIT of the engine puts the staged secrets in force. */
void eap_service_stage_begin(struct eap_service *service, uint64_t number);
void eap_service_stage_answer(struct eap_service *service, struct eap_request *request,
                              struct eap_answer *ret_answer);

#endif
