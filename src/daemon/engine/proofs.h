/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_PROOFS_H
#define DAEMON_PROOFS_H

/*
 * The proofs of peers' identities that other processes gave: the keyholder of pre-shared keys and session tickets,
 * the verifier of signatures, the eap and the aaa process of EAP.
 *
 * The IKE core alone follows the states of a login, and says when it is complete. This table is a second opinion. It
 * knows none of these states: it has the questions that left for other processes, and their answers. A session is not
 * admitted if a round that its connection demands has no proof here, or if the proof is of another identity or another
 * IKE SA. Then it gets no lease, replaces no other session, and its peer gets a refusal. So an error in the order of a
 * login's steps gives nobody a session.
 *
 *      IKE_EV_AUTH_VERIFY, _EAP, _TICKET_USE    proofs_ask
 *      the answer of the process                proofs_answer, then ike_complete
 *      IKE_EV_ADMIT                             proofs_admit, then ike_complete
 *      IKE_EV_SESSION_UP                        proofs_take: the core did ask
 *
 * Two checks remain with the core, because it has the keys: AUTH by the key of EAP (RFC 7296 section 2.16), and AUTH
 * of a Gateway that takes a session ticket (RFC 5723 section 4.3.3).
 */

#include "ike/ike.h"

struct proofs;

struct proofs *proofs_new(void);                   /* NULL: no memory */
struct proofs *proofs_free(struct proofs *proofs); /* takes NULL; returns NULL */

/* proofs_ask - the question of this event leaves for another process. Takes any event. ERR_NO_MEMORY: the job must
 * fail. */
int proofs_ask(struct proofs *proofs, const struct ike *ike,
               const struct ike_event *event) MUST_USE;

/* proofs_answer - the process answered the question of that job. Takes any job. */
void proofs_answer(struct proofs *proofs, ike_job_id job, const struct ike_result *result);

/* proofs_admit - the session of IKE_EV_ADMIT is proven. */
bool proofs_admit(struct proofs *proofs, const struct ike *ike,
                  const struct ike_event *asked) MUST_USE;

/* proofs_take - the session of IKE_EV_SESSION_UP was admitted. Forgets its proofs. */
bool proofs_take(struct proofs *proofs, const struct ike *ike, const struct ike_event *up) MUST_USE;

/* proofs_kept - the number of logins of which something is kept. Failed logins are forgotten later. */
size_t proofs_kept(const struct proofs *proofs);

#endif
