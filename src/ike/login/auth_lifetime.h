/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_AUTH_LIFETIME_H
#define IKE_AUTH_LIFETIME_H

/*
 * How long an authentication holds (RFC 4478). It belongs to the session: whatever is cloned or
 * rekeyed ends with it (A-15, D-22). The Gateway says when it wants a new login, N(AUTH_LIFETIME)
 * in its last IKE_AUTH response or at any time in an INFORMATIONAL request, and closes the session
 * a while later; the End User gives IKE_EV_REAUTH in time. Each may also have a `reauth_time` of
 * its own: the earlier one counts.
 */

#include "ike/core/session.h"
#include "wire/builder.h"
#include "wire/message.h"

/* auth_lifetime_begin - the session was authenticated now: what our own configuration says. */
void auth_lifetime_begin(struct session *session, nanos now);

/* auth_lifetime_add - Gateway: what the End User shall know of it; nothing without `reauth_time`.
 */
void auth_lifetime_add(const struct session *session, struct wire_builder *response);

/* auth_lifetime_read - End User: the notify of the Gateway, if there is one, in an authentic
 * message of an established session. */
void auth_lifetime_read(struct session *session, const struct wire_message *message, nanos now);

/* auth_lifetime_due - End User: IKE_EV_REAUTH, once for each time that was set. */
void auth_lifetime_due(struct session *session);

#endif
