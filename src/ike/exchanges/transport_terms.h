/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_TRANSPORT_TERMS_H
#define IKE_TRANSPORT_TERMS_H

/*
 * Transport mode (RFC 7296 sections 1.3.1 and 2.23.1): a Child SA between the two addresses of its
 * IKE SA only. Both ends need `mode = transport`; otherwise the Child SA is a tunnel.
 *
 *   HDR, SK{SA, Ni, TSi, TSr, N(USE_TRANSPORT_MODE)}  -->
 *                                  <--  HDR, SK{SA, Nr, TSi, TSr, N(USE_TRANSPORT_MODE)}
 */

#include "ike/core/child_sa.h"
#include "wire/payloads.h"

/* transport_narrow - reduces the selectors to the part between the two addresses of the IKE SA.
 * false: that part is empty on one side, and the lists are unchanged. */
bool transport_narrow(const struct sa *sa, struct ike_ts_list *own, struct ike_ts_list *peer);

/* transport_seen - replaces the addresses in the peer's selectors with those that this host sees: a
 * NAT changed them. false: an end has not exactly one address, so transport mode is impossible. */
bool transport_seen(const struct sa *sa, struct ike_ts_list *own, struct ike_ts_list *peer);

/* transport_between_hosts - every selector lies within the two addresses of the IKE SA. */
bool transport_between_hosts(const struct sa *sa, const struct ike_ts_list *own,
                             const struct ike_ts_list *peer);

#endif
