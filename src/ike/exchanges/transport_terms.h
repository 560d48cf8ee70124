/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_TRANSPORT_TERMS_H
#define IKE_TRANSPORT_TERMS_H

/*
 * Transport mode (RFC 7296 sections 1.3.1 and 2.23.1): a Child SA between the two addresses of its
 * IKE SA and no others. Both ends have `mode = transport`, or there is a tunnel.
 *
 *   HDR, SK{SA, Ni, TSi, TSr, N(USE_TRANSPORT_MODE)}  -->
 *                                  <--  HDR, SK{SA, Nr, TSi, TSr, N(USE_TRANSPORT_MODE)}
 */

#include "ike/core/child_sa.h"
#include "wire/payloads.h"

/* transport_narrow - what of the selectors lies between the two addresses of the IKE SA. false:
 * nothing on one side, and the lists are unchanged. */
bool transport_narrow(const struct sa *sa, struct ike_ts_list *own, struct ike_ts_list *peer);

/* transport_seen - selectors as the peer sent them, with the addresses that this host sees: a NAT
 * changed those of the IKE SA. false: an end has not exactly one address, so it is no transport
 * mode. */
bool transport_seen(const struct sa *sa, struct ike_ts_list *own, struct ike_ts_list *peer);

/* transport_between_hosts - every selector is of the two addresses of the IKE SA. */
bool transport_between_hosts(const struct sa *sa, const struct ike_ts_list *own,
                             const struct ike_ts_list *peer);

#endif
