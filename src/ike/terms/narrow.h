/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_NARROW_H
#define IKE_NARROW_H

/* Traffic selectors: what policy means for this peer, and narrowing (RFC 7296 section 2.9). */

#include "ike/connection.h"
#include "wire/payloads.h"

/* ts_fixed - the configured selectors that name addresses, as a list of its own. */
void ts_fixed(const struct ike_ts_policy *policy, struct ike_ts_list *ret_list);

/* ts_resolve - the policy with its dynamic entries replaced by `addresses` (inner ones, or the
 * outer one). At most POLICY_TS. */
void ts_resolve(const struct ike_ts_policy *policy, const struct address *addresses, size_t n,
                struct ike_ts_list *ret_list);

/* ts_narrow - the intersection of what the peer asks for with what policy allows, in the peer's
 * order, without what lies inside of others. Empty: TS_UNACCEPTABLE. */
void ts_narrow(const struct ike_ts_list *asked, const struct ike_ts_list *allowed,
               struct ike_ts_list *ret_list);

/* ts_reduce - without selectors that lie inside of others: the same traffic, said shorter. */
void ts_reduce(struct ike_ts_list *list);

/* ts_first - the selector for one host, protocol and port goes to the front, if it lies inside of
 * the list, and there is room. port 0: any. */
void ts_first(const struct address *host, uint8_t protocol, uint16_t port,
              struct ike_ts_list *list);

/* ts_within - every selector of `inner` lies inside one of `outer`: the check of a responder's
 * answer. */
bool ts_within(const struct ike_ts_list *inner, const struct ike_ts_list *outer);

void ts_to_wire(const struct ike_ts_list *list, struct wire_ts_list *ret_list);
bool ts_from_wire(struct span body, struct ike_ts_list *ret_list);

#endif
