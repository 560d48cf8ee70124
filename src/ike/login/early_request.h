/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_EARLY_H
#define IKE_EARLY_H

/*
 * Requests of a Gateway that reach the End User before it is through with the IKE_AUTH response
 * that left before them: the clone that the Gateway begins (draft-mglt-ipsecme-keep-old-ike-sa-00
 * B.2, D-05), and M13 on the clone that came with the login (B.5, D-08 b). The check of the
 * Gateway's AUTH takes a moment, and datagrams overtake each other. One of each is kept, and looked
 * at when the login succeeded; otherwise the Gateway would repeat them, a second later.
 */

#include "ike/ike.h"
#include "wire/message.h"

struct sa;
struct login;
struct early;

/* early_request - true: kept (or dropped, if there is one already). For an authentic request on an
 * IKE SA of which we are the initiator, in IKE_AUTH. */
bool early_request(struct sa *sa, const struct ike_path *path, const struct wire_message *outer);
/* early_on_clone - the same for a request to an SPI that we gave out for a clone. Its octets are
 * not authenticated yet. */
bool early_on_clone(struct ike *ike, const struct ike_path *path, const struct wire_message *outer);

/* early_due - the login succeeded: what was kept is replayed by early_replay. */
void early_due(struct ike *ike, struct login *login);
void early_replay(struct ike *ike, nanos now);
struct early *early_free(struct early *early); /* takes NULL; returns NULL */

#endif
