/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_INNER_H
#define IKE_INNER_H

/*
 * Inner addresses of a clone's own (draft-mglt-ipsecme-keep-old-ike-sa-00 section B.3: KO-27,
 * KO-28), where both ends have `inner = per-path`; otherwise all IKE SAs have those of the session
 * (KO-25). The Gateway leases them when the clone comes into being, so that a request for a Child
 * SA finds them, and releases them with the clone; they go along when it is rekeyed.
 *
 * After a login anew beside a session (RFC 7296 section 2.8.3) they are those that its clones have:
 * the Gateway leases each of them for one clone of the new session, too, and when the End User asks
 * for the one that it has on the same path, the clones that got each other's change them.
 *
 *   HDR, SK{CP(CFG_REQUEST), SA, Ni, ... TSi, TSr}  -->
 *                           <--  HDR, SK{CP(CFG_REPLY), SA, Nr, ... TSi, TSr}
 */

#include "ike/core/sa.h"
#include "wire/builder.h"
#include "wire/message.h"

struct ike_result;

struct inner {
    /* number of the lease: from the numbers of sessions, but no session has it */
    ike_session_id owner;
    bool known;          /* `config` is set: leased (Gateway) or received (End User) */
    bool given;          /* Gateway: the End User asked for it */
    ike_session_id twin; /* Gateway: owner in the elder session with the same addresses; 0 */
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

/* End User. inner_asks - the next request for a Child SA asks for addresses. inner_ask - writes the
 * CFG_REQUEST for a VPN on `path`. inner_read - takes the CFG_REPLY. Without one, or with the
 * session's addresses, the IKE SA uses those of the session. false: no memory. */
bool inner_asks(const struct sa *sa);
void inner_ask(const struct sa *sa, const struct ike_path *path, struct wire_builder *request);
bool inner_read(struct sa *sa, const struct wire_message *response) MUST_USE;

/* Gateway. inner_lease - a clone was created: emits IKE_EV_LEASE. inner_leased - takes the result.
 * inner_give - call it before the selectors of a request with CFG_REQUEST are read. inner_answer -
 * writes the CFG_REPLY. */
void inner_lease(struct sa *sa);
void inner_leased(struct ike *ike, struct sa *sa, ike_session_id owner,
                  const struct ike_result *result);
void inner_give(struct sa *sa, const struct wire_message *request);
void inner_answer(const struct sa *sa, const struct wire_message *request,
                  struct wire_builder *reply);

/* inner_move - the IKE SA was rekeyed: `to` gets the addresses. inner_drop - the IKE SA ended:
 * emits IKE_EV_LEASE_RELEASE. */
void inner_move(struct sa *from, struct sa *to);
void inner_drop(struct sa *sa);

#endif
