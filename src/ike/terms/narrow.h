/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_NARROW_H
#define IKE_NARROW_H

/* Traffic selectors: a policy resolved for one peer, and narrowing (RFC 7296 section 2.9). */

#include "ike/connection.h"
#include "wire/payloads.h"

/* ts_fixed - the configured selectors that have addresses, as a list. */
void ts_fixed(const struct ike_ts_policy *policy, struct ike_ts_list *ret_list);

/* ts_resolve - the policy with its dynamic entries replaced by `addresses` (inner ones, or the
 * outer one). At most POLICY_TS. */
void ts_resolve(const struct ike_ts_policy *policy, const struct address *addresses, size_t n,
                struct ike_ts_list *ret_list);

/* ts_narrow - the intersection of the peer's selectors with the allowed ones, in the peer's order,
 * without selectors inside of others. Empty: TS_UNACCEPTABLE. */
void ts_narrow(const struct ike_ts_list *asked, const struct ike_ts_list *allowed,
               struct ike_ts_list *ret_list);

/* ts_reduce - drops selectors that lie inside of others: the same traffic in a shorter list. */
void ts_reduce(struct ike_ts_list *list);

/* ts_first - puts the selector of one host, protocol and port to the front, if the list contains
 * its traffic and has room. port 0: any. */
void ts_first(const struct address *host, uint8_t protocol, uint16_t port,
              struct ike_ts_list *list);

/* ts_within - each selector of `inner` lies inside one of `outer`. Checks the answer of a
 * responder. */
bool ts_within(const struct ike_ts_list *inner, const struct ike_ts_list *outer);

void ts_to_wire(const struct ike_ts_list *list, struct wire_ts_list *ret_list);
bool ts_from_wire(struct span body, struct ike_ts_list *ret_list);

#endif
