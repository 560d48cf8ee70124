/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_COMBINED_H
#define IKE_COMBINED_H

/* A clone within the login (draft-mglt-ipsecme-keep-old-ike-sa-00 section B.5): see combined.c. */

#include "ike/login/login.h"

/*
 * combined_split - separates the payloads of the login from the group that N(KEEP_OLD_IKE_SA)
 * opens. Both results are views into `message`. Without a group ret_group->n is 0. `number`: our
 * notify; 0: the peer did not announce the extension. false: INVALID_SYNTAX (D-06).
 */
bool combined_split(const struct wire_message *message, uint16_t number,
                    struct wire_message *ret_login, struct wire_message *ret_group);

/* combined_number - the notify type that opens a group; 0: the peer did not announce the
 * extension. */
uint16_t combined_number(const struct login *login);

/* combined_fits - an IKE_AUTH request that can be split, with each payload of the login at most as
 * often as `fits` allows. */
bool combined_fits(const struct login *login, const struct wire_message *request,
                   bool (*fits)(const struct wire_message *login));

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
