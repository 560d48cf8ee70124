/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_INNER_ADDRESS_H
#define IKE_INNER_ADDRESS_H

/* The inner addresses of an IKE SA: those of its session, or its own (exchanges/clone_address.h). */

#include "ike/core/sa.h"

struct ike_result;

struct inner {
    /* number of the lease, from the counter of session numbers: no session has it */
    ike_session_id owner;
    bool known;          /* `config` is set: leased (Gateway) or received (End User) */
    bool given;          /* Gateway: the End User asked for it */
    ike_session_id twin; /* Gateway: owner of the same addresses in the elder session; 0: none */
    struct ike_config config;
};

/* inner_config - the inner addresses for Child SAs of this IKE SA. inner_owner - the owner of their
 * lease. */
const struct ike_config *inner_config(const struct sa *sa);
ike_session_id inner_owner(const struct sa *sa);
/* inner_own - the IKE SA has its own addresses, not those of the session. */
bool inner_own(const struct sa *sa);
/* inner_waits - an IKE SA of the elder session has the same inner addresses (session_waits). */
bool inner_waits(const struct sa *sa);

/* inner_same - both have the same first address. */
bool inner_same(const struct ike_config *a, const struct ike_config *b);

/* inner_new - gives the IKE SA room for its own addresses. NULL: no memory. */
struct inner *inner_new(struct sa *sa);
/* inner_leased - takes the result of a lease. `sa` NULL: the clone has ended. */
void inner_leased(struct ike *ike, struct sa *sa, ike_session_id owner,
                  const struct ike_result *result);

/* inner_move - the IKE SA was rekeyed: `to` gets the addresses. inner_drop - the IKE SA ended:
 * emits IKE_EV_LEASE_RELEASE. */
void inner_move(struct sa *from, struct sa *to);
void inner_drop(struct sa *sa);

#endif
