/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_COMBINED_H
#define IKE_COMBINED_H

/* A clone within the login (draft-mglt-ipsecme-keep-old-ike-sa-00 section B.5): see combined.c. */

#include "ike/login/login.h"

/* combined_number - the notify type that opens a group; 0: the peer did not announce the
 * extension. */
uint16_t combined_number(const struct login *login);

/* combined_ask - adds the group to the request, if the caller wants it and the peer can. Without
 * memory the login continues without it. */
void combined_ask(struct sa *sa, struct wire_builder *request);
/* combined_accept - creates the clone, after both AUTH payloads were verified. */
void combined_accept(struct sa *sa, const struct wire_message *group, nanos now);
/* combined_answer - adds the group to the response; 0: no clone (D-07). The new IKE SA is HALF_OPEN
 * until the caller commits or drops it. */
ike_sa_id combined_answer(struct sa *sa, const struct wire_message *group,
                          struct wire_builder *reply, nanos now);
void combined_commit(struct sa *sa, ike_sa_id clone, nanos now); /* takes 0 */
void combined_drop(struct sa *sa, ike_sa_id clone, nanos now);   /* takes 0 */
void combined_release(struct login *login);

#endif
