/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_CLONE_ADDRESS_H
#define IKE_CLONE_ADDRESS_H

/*
 * A clone's own inner addresses (draft-mglt-ipsecme-keep-old-ike-sa-00 section B.3: KO-27, KO-28),
 * if both ends have `inner = per-path`. Otherwise all IKE SAs use those of the session (KO-25). The
 * Gateway leases them when the clone is created, so a request for a Child SA finds them. It
 * releases them at the end of the clone. A rekeyed clone keeps them.
 *
 * A reauthentication beside a session (RFC 7296 section 2.8.3) keeps the addresses of the elder
 * clones. The Gateway leases each address to one clone of the new session, too. The End User asks
 * for the address that it has on the same path. If another clone got that address, the two clones
 * swap theirs.
 *
 *   HDR, SK{CP(CFG_REQUEST), SA, Ni, ... TSi, TSr}  -->
 *                           <--  HDR, SK{CP(CFG_REPLY), SA, Nr, ... TSi, TSr}
 */

#include "ike/core/inner_address.h"
#include "wire/builder.h"
#include "wire/message.h"

/* End User. inner_asks - the next request for a Child SA asks for addresses. inner_ask - writes the
 * CFG_REQUEST for a VPN on `path`. inner_read - reads the CFG_REPLY. Without a reply, or if it has
 * the session's addresses, the IKE SA uses those of the session. false: no memory. */
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
