/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_EXCHANGE_MOVER_H
#define TEST_EXCHANGE_MOVER_H

/* Sessions of one end of a world leave its process and continue in another one. */

#include "exchange/world.h"
#include "ike/session_export.h"

/* mover_new - an endpoint for another process, with the same connection and no session. */
struct ike *mover_new(const struct peer *peer);

/* mover_export - takes the only session out of the process. false: it did not become quiet in time,
 * and stays. */
bool mover_export(struct peer *peer, nanos time, struct ike_exported *ret_exported);

/* mover_move - replaces the process of the end. false: the session did not become quiet in time,
 * and stays in the old process. */
bool mover_move(struct peer *peer, nanos time);
/* mover_moved - moves the process within five seconds; asserts. */
void mover_moved(struct peer *peer);

/* mover_with_clone - adds a second IKE SA on another path, with a Child SA. */
void mover_with_clone(struct world *world);
/* mover_goes_on - runs all operations on the session, from either end, without another login; then
 * ends it. Asserts. */
void mover_goes_on(struct world *world);

#endif
