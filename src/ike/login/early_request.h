/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_EARLY_H
#define IKE_EARLY_H

/*
 * Requests of a Gateway that overtake its last IKE_AUTH response, or arrive while we verify its
 * AUTH. They are the first clone of the Gateway (draft-mglt-ipsecme-keep-old-ike-sa-00 B.2, D-05),
 * and M13 on the clone that came with the login (B.5, D-08 b). We keep one of each and read it when
 * the login succeeded. Otherwise the Gateway would have to retransmit it, a second later.
 */

#include "ike/core/upper.h"
#include "ike/ike.h"
#include "wire/message.h"

struct sa;
struct login;
struct early;

/* early_due - the login succeeded: early_replay() will read the requests that were kept. */
void early_due(struct ike *ike, struct login *login);
struct early *early_free(struct early *early); /* takes NULL; returns NULL */

#endif
