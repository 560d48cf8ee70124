/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_LOGIN_OUTCOME_H
#define IKE_LOGIN_OUTCOME_H

/* The last response of the Gateway in IKE_AUTH: addresses, abilities, Child SA and clone. */

#include "ike/core/answer.h"

/* login_outcome_send - completes the response, which has the proof of our round already, and sends it. The session
 * is established when it is sealed. */
void login_outcome_send(struct sa *sa, struct answering *answering);

#endif
