/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_CLONE_ADDRESS_H
#define IKE_CLONE_ADDRESS_H

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

#include "ike/core/inner_address.h"
#include "wire/builder.h"
#include "wire/message.h"

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
void inner_give(struct sa *sa, const struct wire_message *request);
void inner_answer(const struct sa *sa, const struct wire_message *request,
                  struct wire_builder *reply);

#endif
