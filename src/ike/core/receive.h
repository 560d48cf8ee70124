/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_RECEIVE_H
#define IKE_RECEIVE_H

#include "ike/core/ike_state.h"

/* receive_datagram - whatever came from outside: finds the IKE SA, checks window and integrity, and
 * hands authentic messages to exchange.h. Everything else is counted and dropped, but for the few
 * unprotected answers of RFC 7296 section 2.21.4. */
void receive_datagram(struct ike *ike, const struct ike_path *path, struct span datagram,
                      nanos now);

/* receive_follow_nat - something new and authentic came from there (RFC 7296 section 2.23). */
void receive_follow_nat(struct sa *sa, const struct endpoint *from);

/* receive_follow_encap - new and authentic ESP came in UDP from there, and ours goes without. */
void receive_follow_encap(struct sa *sa, const struct endpoint *from);

#endif
