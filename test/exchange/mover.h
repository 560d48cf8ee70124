/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_EXCHANGE_MOVER_H
#define TEST_EXCHANGE_MOVER_H

/* Sessions of one end of a world leave its process and go on in another one. */

#include "exchange/world.h"
#include "ike/session_export.h"

/* mover_new - an endpoint as another process would have it: the same connection, and no session. */
struct ike *mover_new(const struct peer *peer);

/* mover_export - takes the only session out of the process. false: it did not become quiet in the
 * time, and goes on. */
bool mover_export(struct peer *peer, nanos time, struct ike_exported *ret_exported);

/* mover_move - the process of the end is replaced. false: the session did not become quiet in the
 * time; it is in the old process, which goes on. */
bool mover_move(struct peer *peer, nanos time);
/* mover_moved - the same in five seconds at most; asserts. */
void mover_moved(struct peer *peer);

/* mover_with_clone - a second IKE SA on another path, with a Child SA. */
void mover_with_clone(struct world *world);
/* mover_goes_on - all that may happen to the session, by either end, without another login; then its
 * end. Asserts. */
void mover_goes_on(struct world *world);

#endif
