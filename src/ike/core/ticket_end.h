/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_TICKET_END_H
#define IKE_TICKET_END_H

/*
 * When the session tickets of a session stop to count (RFC 5723 section 6.2), at both ends.
 *
 * The reason for which a session ends decides, and it alone. Tickets outlive a session whose peer
 * fell silent, and no other. They end once the reason is known, before the session does: its Deletes
 * may take ten seconds, in which a ticket would bring the peer in again. A later reason may end the
 * tickets that an earlier one kept; no reason brings them back.
 *
 * A ticket says what its session was granted. So a change of that ends the tickets as well, while the
 * session goes on. A login under way by one of them goes no further, however far it is.
 */

#include "ike/core/session.h"

/* tickets_outlive - a session that ends for this reason leaves its tickets. */
bool tickets_outlive(enum ike_outcome why);

/* session_tickets_end - no ticket of the session counts any more: IKE_EV_TICKET_END. */
void session_tickets_end(struct session *session);

/* session_tickets_decide - ends the tickets of a session that ends, or has ended, for the reason
 * `why`, unless they outlive it. session_tickets_decide_sa - does so if `sa` is the last IKE SA of its
 * session. */
void session_tickets_decide(struct session *session, enum ike_outcome why);
void session_tickets_decide_sa(const struct sa *sa, enum ike_outcome why);

#endif
