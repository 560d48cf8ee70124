/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_TICKET_END_H
#define IKE_TICKET_END_H

/*
 * When the session tickets of a session become invalid (RFC 5723 section 6.2), at both ends.
 *
 * Only the reason for which a session ends decides. Tickets stay valid after a session whose peer
 * fell silent, and after no other. They become invalid as soon as the reason is known, before the
 * session has ended. Its Deletes may take ten seconds, and a ticket could resume the session
 * meanwhile. A later reason may revoke tickets that an earlier one kept. No reason makes them valid
 * again.
 *
 * A ticket holds what its session was granted. So a changed grant also revokes the tickets, while
 * the session goes on. A login with such a ticket that is under way is refused at its next step.
 */

#include "ike/core/session.h"

/* tickets_outlive - the tickets of a session that ends for this reason stay valid. */
bool tickets_outlive(enum ike_outcome why);

/* session_tickets_end - revokes all tickets of the session: emits IKE_EV_TICKET_END. */
void session_tickets_end(struct session *session);

/* session_tickets_decide - the session ends, or has ended, for the reason `why`: revokes its
 * tickets unless they outlive it. session_tickets_decide_sa - the same, if `sa` is the last IKE SA
 * of its session. */
void session_tickets_decide(struct session *session, enum ike_outcome why);
void session_tickets_decide_sa(const struct sa *sa, enum ike_outcome why);

#endif
