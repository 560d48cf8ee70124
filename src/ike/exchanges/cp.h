/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_CP_H
#define IKE_CP_H

/* Configuration payloads (RFC 7296 sections 2.19 and 3.15): the End User asks, the Gateway answers.
 */

#include "ike/core/session.h"
#include "wire/builder.h"

/* cp_request_add - adds CFG_REQUEST for the connection's vips, if it has any. `held`: addresses of
 * the session to be replaced, requested instead of any address; NULL: none. */
void cp_request_add(const struct ike_conn *conn, const struct ike_config *held,
                    struct wire_builder *message);

/* cp_request_read - reads the addresses that the peer asks for. false: malformed, or not a
 * CFG_REQUEST. */
bool cp_request_read(struct span body, struct ike_lease_job *ret_job);

void cp_reply_add(const struct ike_config *config, struct wire_builder *message);

/* cp_reply_read - reads the answers to our request (CP5) and skips unusable ones: it takes unicast
 * addresses of the families in the connection's vips, DNS servers, subnets. false: malformed, or
 * not a CFG_REPLY. */
bool cp_reply_read(struct span body, const struct ike_conn *conn, struct ike_config *ret_config);

#endif
