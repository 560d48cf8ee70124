/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_ANSWER_H
#define IKE_ANSWER_H

#include "ike/core/exchange.h"

/* answer_request - an authentic request with a parsed chain, or one with `fault`: dispatches it,
 * seals and sends the response, commits. */
void answer_request(struct sa *sa, const struct wire_message *request, enum wire_fault fault,
                    uint8_t critical, const struct ike_path *path, nanos now);

/* answer_again - answers the request that waited for a key exchange, which has ended. answer_forget
 * - drops the request that waits, if any; the peer may send it again. */
void answer_again(struct sa *sa, nanos now);
void answer_forget(struct sa *sa);

/* answer_later_send - sends the response to a request that returned ANSWER_LATER. */
void answer_later_send(struct sa *sa, struct answering *answering);

#endif
