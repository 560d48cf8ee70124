/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_HINT_H
#define IKE_HINT_H

/*
 * Signs without authentication that something is wrong between us and a peer (RFC 7296 sections 1.5
 * and 2.21.4). Anybody can forge them, so that none changes anything: what follows is one question
 * over an IKE SA that is there, at most every ten seconds on each, and what is looked at in a
 * second is bounded for all together. Only the Delete of an IKE SA has less patience after one.
 */

#include "ike/core/ike_state.h"
#include "wire/message.h"

/* hint_enter - an IKE SA that is established, and has this path: hints from there concern it.
 * hint_leave - not any more. */
void hint_enter(struct sa *sa);
void hint_leave(struct sa *sa);
bool hint_entered(const struct sa *sa); /* where its path says: for checks */

/* hint_stray - ESP with an SPI that no Child SA has. The peer is told over an IKE SA, if it goes on
 * for longer than packets are on their way after a Child SA ended. */
void hint_stray(struct ike *ike, const struct endpoint *from, uint32_t spi, nanos now);

/* hint_unreachable - an ICMP message says that nothing arrives at `remote`. */
void hint_unreachable(struct ike *ike, const struct endpoint *remote, nanos now);

/* hint_in_the_open - INVALID_SPI or INVALID_IKE_SPI outside of an IKE SA. `sa`: whose SPIs the
 * message has; NULL: none. Never answered. */
void hint_in_the_open(struct ike *ike, struct sa *sa, const struct ike_path *path,
                      const struct wire_message *message, nanos now);

#endif
