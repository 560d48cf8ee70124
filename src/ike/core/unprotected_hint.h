/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_HINT_H
#define IKE_HINT_H

/*
 * Unprotected signs of trouble with a peer (RFC 7296 sections 1.5 and 2.21.4). Anybody can forge
 * them, so they change nothing. They cause one probe over an existing IKE SA, at most every ten
 * seconds for each IKE SA. The number of hints that we follow in a second is bounded for all peers
 * together. The one exception: a Delete of an IKE SA is repeated for a shorter time.
 */

#include "ike/core/ike_state.h"
#include "wire/message.h"

/* hint_enter - an established IKE SA is on this path: hints from its peer's endpoint concern it.
 * hint_leave - they no longer do. */
void hint_enter(struct sa *sa);
void hint_leave(struct sa *sa);
bool hint_entered(const struct sa *sa); /* for checks: the table has the IKE SA under its path */

/* hint_stray - ESP arrived with an SPI that no Child SA has. The peer gets INVALID_SPI over an IKE
 * SA, once stray packets last longer than packets in flight after the end of a Child SA. */
void hint_stray(struct ike *ike, const struct endpoint *from, uint32_t spi, nanos now);

/* hint_unreachable - an ICMP error says that packets do not reach `remote`. */
void hint_unreachable(struct ike *ike, const struct endpoint *remote, nanos now);

/* hint_in_the_open - INVALID_SPI or INVALID_IKE_SPI arrived outside of an IKE SA. `sa`: the IKE SA
 * with the SPIs of the message; NULL: none. We send no response. */
void hint_in_the_open(struct ike *ike, struct sa *sa, const struct ike_path *path,
                      const struct wire_message *message, nanos now);

#endif
