/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_EXCHANGE_TICKET_WORLD_H
#define TEST_EXCHANGE_TICKET_WORLD_H

/* A world whose Gateway gives session tickets (RFC 5723), and its faults. */

#include "exchange/scenario.h"

#define SECONDS(n) ((nanos)(n)*NANOS_PER_SEC)

/* ticket_world - the End User proves itself by EAP, the Gateway by a certificate. */
struct world *ticket_world(uint64_t seed);

/* cut - a hook: nothing arrives. */
bool cut(struct world *world, bool to_b, struct ike_datagram *d);

/* crash - the Gateway loses all state except its keyholder's, and is silent until the End User
 * notices. crashed - a world after a login and a crash. */
void crash(struct world *world);
struct world *crashed(uint64_t seed);

/* still_there - the End User has lost its session by silence, and has the ticket. Returns the
 * session, which the Gateway still has. */
ike_session_id still_there(struct world *world);

/* expect_full - asserts that the next login uses EAP. expect_by_ticket - asserts that it uses the
 * ticket. expect_resumed - asserts whether the current session began with a ticket. */
void expect_full(struct world *world);
void expect_by_ticket(struct world *world);
void expect_resumed(struct world *world, bool resumed);

#endif
