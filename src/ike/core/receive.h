/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_RECEIVE_H
#define IKE_RECEIVE_H

#include "ike/core/ike_state.h"

/* receive_datagram - reads any datagram from the network: finds its IKE SA, checks window and
 * integrity, and hands authentic messages to exchange.h. Other datagrams are counted and dropped,
 * except for the few unprotected answers of RFC 7296 section 2.21.4. */
void receive_datagram(struct ike *ike, const struct ike_path *path, struct span datagram,
                      nanos now);

/* receive_follow_nat - a new and authentic packet came from `from` (RFC 7296 section 2.23). */
void receive_follow_nat(struct sa *sa, const struct endpoint *from);

/* receive_follow_encap - new and authentic ESP came in UDP from `from`, while we send ESP without
 * UDP. */
void receive_follow_encap(struct sa *sa, const struct endpoint *from);

#endif
