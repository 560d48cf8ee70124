/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_EARLY_H
#define IKE_EARLY_H

/*
 * Requests of a Gateway that overtake its last IKE_AUTH response, or arrive while we verify its
 * AUTH. They are the first clone of the Gateway (draft-mglt-ipsecme-keep-old-ike-sa-00 B.2, D-05),
 * and M13 on the clone that came with the login (B.5, D-08 b). We keep one of each and read it when
 * the login succeeded. Otherwise the Gateway would have to retransmit it, a second later.
 */

#include "ike/ike.h"
#include "wire/message.h"

struct sa;
struct login;
struct early;

/* early_request - true: the request was kept, or dropped because one is kept already. Call it for
 * an authentic request on an IKE SA that we began and that is in IKE_AUTH. */
bool early_request(struct sa *sa, const struct ike_path *path, const struct wire_message *outer);
/* early_on_clone - the same for a request to an SPI that we offered for a clone. Its octets are not
 * authenticated yet. */
bool early_on_clone(struct ike *ike, const struct ike_path *path, const struct wire_message *outer);

/* early_due - the login succeeded: early_replay() will read the requests that were kept. */
void early_due(struct ike *ike, struct login *login);
void early_replay(struct ike *ike, nanos now);
struct early *early_free(struct early *early); /* takes NULL; returns NULL */

#endif
