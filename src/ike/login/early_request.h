/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_EARLY_H
#define IKE_EARLY_H

/*
 * Requests of the peer that arrive before we are ready for them:
 *
 *   - on the IKE SA of a login, while we verify the Gateway's AUTH: the first clone of the Gateway
 *     (draft-mglt-ipsecme-keep-old-ike-sa-00 B.2, D-05);
 *   - on the clone that comes with the login: M13 (B.5, D-08 b);
 *   - on an IKE SA that we rekey or clone, while a job makes its shared secret.
 *
 * We keep one of each and read it when the IKE SA is established. Otherwise the peer would have to
 * retransmit it, a second later.
 */

#include "ike/core/upper.h"
#include "ike/ike.h"
#include "wire/message.h"

struct login;

/* early_clone_due - the login succeeded: early_replay() reads the request that came on its
 * clone. */
void early_clone_due(struct ike *ike, struct login *login);

#endif
