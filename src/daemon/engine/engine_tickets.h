/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_ENGINE_TICKETS_H
#define DAEMON_ENGINE_TICKETS_H

/* Session tickets (RFC 5723): jobs of the IKE core for the keyholder. */

#include "daemon/engine/engine_state.h"

void engine_ticket(struct engine *e, const struct ike_event *event);
/* engine_ticket_end - revokes all tickets of the family. */
void engine_ticket_end(struct engine *e, uint64_t family);
/* engine_ticket_answered - the keyholder's answer to a KEY_TICKET_* request. */
void engine_ticket_answered(struct engine *e, const struct key_answer *answer, struct span octets);
void engine_tickets_done(struct engine *e);

#endif
