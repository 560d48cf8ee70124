/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_AUTH_LIFETIME_H
#define IKE_AUTH_LIFETIME_H

/*
 * How long an authentication is valid (RFC 4478). The deadline belongs to the session, so cloned
 * and rekeyed SAs end with it (A-15, D-22). The Gateway sends AUTH_LIFETIME in its last IKE_AUTH
 * response or in an INFORMATIONAL request. It closes the session some time after that deadline. The
 * End User emits IKE_EV_REAUTH before it. Each end may have its own `reauth_time`; the earlier
 * deadline counts.
 */

#include "ike/core/session.h"
#include "ike/core/upper.h"
#include "wire/builder.h"
#include "wire/message.h"

/* auth_lifetime_end - when the session ends at the latest, or would end if it were established
 * now. */
nanos auth_lifetime_end(const struct session *session);

/* auth_lifetime_add - Gateway: adds AUTH_LIFETIME, if the connection has `reauth_time`. */
void auth_lifetime_add(const struct session *session, struct wire_builder *response);

/* auth_lifetime_read - End User: reads AUTH_LIFETIME in an authentic message of an established
 * session. */
void auth_lifetime_read(struct session *session, const struct wire_message *message, nanos now);

#endif
