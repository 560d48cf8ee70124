/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_EAP_SERVICE_H
#define DAEMON_EAP_SERVICE_H

/* The EAP conversations of all logins, and the passwords. Lives in the eap process. */

#include "daemon/common/eap_channel.h"

struct eap_service;

/* eap_service_new - `crypto` and `random` are borrowed; NULL: no memory. */
struct eap_service *eap_service_new(struct eap_crypto *crypto, const struct random *random);
struct eap_service *eap_service_free(struct eap_service *service); /* wipes; takes NULL */

/*
 * eap_service_answer - does what a request of a hostile engine asks; wipes the secret of a LOAD in
 * place. true: there is an answer to send. ERR_INVALID: lengths, kind or methods make no sense;
 * ERR_FULL: too many secrets or conversations; ERR_NO_MEMORY; ERR_NOT_FOUND.
 *
 * The secret of an identity is the one with that owner, else one without owners. A conversation
 * that has succeeded or failed is gone.
 */
bool eap_service_answer(struct eap_service *service, struct eap_request *request,
                        struct eap_answer *ret_answer);

#endif
