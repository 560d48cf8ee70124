/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_COMBINED_H
#define IKE_COMBINED_H

/* A clone within the login (draft-mglt-ipsecme-keep-old-ike-sa-00 section B.5): see combined.c. */

#include "ike/login/login.h"

/* combined_number - the notify type that opens a group; 0: the peer did not announce the
 * extension. */
uint16_t combined_number(const struct login *login);

/* combined_group - the key exchange method of the clone. 0: the next request asks for no clone,
 * since the caller wants none or the peer cannot create one. */
uint16_t combined_group(const struct sa *sa);
/* combined_ask - adds the clone's payloads to the request if its key pair exists. Without memory
 * the login continues without a clone. */
void combined_ask(struct sa *sa, struct wire_builder *request);
/* combined_read - reads the clone in the response. true: the response grants it, and it was not
 * read before. *ret_peer: the peer's public value. */
bool combined_read(struct sa *sa, const struct wire_message *group, struct span *ret_peer);
/* combined_accept - creates the clone that combined_read has read. Both AUTH payloads are verified,
 * and its shared secret is made. */
void combined_accept(struct sa *sa, nanos now);
/* combined_answer - adds the clone's payloads to the response; 0: no clone (D-07). The new IKE SA
 * is HALF_OPEN until the caller commits or drops it. */
ike_sa_id combined_answer(struct sa *sa, const struct wire_message *group,
                          struct wire_builder *reply, nanos now);
void combined_commit(struct sa *sa, ike_sa_id clone, nanos now); /* takes 0 */
void combined_drop(struct sa *sa, ike_sa_id clone, nanos now);   /* takes 0 */
void combined_release(struct login *login);

#endif
