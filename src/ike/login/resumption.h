/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_RESUMPTION_H
#define IKE_RESUMPTION_H

/*
 * A login by a session ticket (RFC 5723): the proofs of the first login count again, and the user
 * is asked for nothing.
 *
 *   HDR, [N(COOKIE),] Ni, N(TICKET_OPAQUE), N(NAT_DETECTION_*), N(...), V  -->     IKE_SESSION_RESUME
 *                                <--  HDR, Nr, N(NAT_DETECTION_*), N(...), V
 *                            or  <--  HDR, N(COOKIE)
 *                            or  <--  HDR, N(TICKET_NACK)
 *   HDR, SK{IDi, IDr, AUTH, [CP,] SAi2, TSi, TSr, N(TICKET_REQUEST), ...}  -->     IKE_AUTH
 *                                <--  HDR, SK{IDr, AUTH, [CP,] SAr2, TSi, TSr, N(TICKET_LT_OPAQUE), ...}
 *
 * AUTH is prf(SK_p, octets) (section 4.3.3). SKEYSEED comes from SK_d of the old IKE SA. The End
 * User has kept it, and the Gateway finds it in the ticket.
 *
 * The End User falls back to a login without the ticket when the Gateway refuses it, when IKE_AUTH
 * fails, and when no answer comes for RESUMPTION_SILENT_NS. In that last case the Gateway may be
 * down. Once it answers IKE_SA_INIT, the End User tries the ticket again, for the last time.
 */

#include "ike/core/held_ticket.h"
#include "ike/login/login.h"

#define RESUMPTION_SILENT_NS (8 * NANOS_PER_SEC)
#define RESUMPTION_LAST_NS   (4 * NANOS_PER_SEC)

struct resumption {
    struct held_ticket *held; /* End User: a reference */
    struct ike_ticket ticket; /* Gateway: the contents of the ticket */
    nanos opened_ns;          /* ticket.valid_ns and certs_ns begin at this time */
    struct ike *ike;          /* Gateway: `next` is a list there; NULL: not in the list yet */
    struct resumption *next, *previous;
    bool over; /* Gateway: its tickets were revoked meanwhile (ticket_end.h) */
};

void resumption_free(struct resumption *resumption); /* takes NULL */

/* resumption_grants - the Gateway gives tickets for sessions of the connection. A session with a
 * certificate of the peer gets none, even in EAP: its ticket outlives the process that watches for
 * the revocation of the certificate. A session with several rounds gets none either: a ticket has
 * the proof of one round. */
bool resumption_grants(const struct ike_conn *conn);

/* --- End User --- */

/* resumption_begin - the login resumes, if a ticket for it exists. */
void resumption_begin(struct sa *sa, const struct intent *intent);
/* resumption_ask - adds the payloads of IKE_SESSION_RESUME. */
enum ike_outcome resumption_ask(struct sa *sa, struct wire_builder *request);
/* resumption_answered - reads a response that is no refusal. */
struct verdict resumption_answered(struct sa *sa, const struct wire_message *response,
                                   const struct ike_path *from, nanos now);
/* resumption_prove - makes our AUTH for the next request. false: no memory. */
bool resumption_prove(struct sa *sa);
/* resumption_check - checks the Gateway's IDr and AUTH. NULL: they are right; otherwise the
 * fault. */
const char *resumption_check(struct sa *sa, const struct wire_message *response,
                             const struct wire_auth *auth);
/* resumption_doubted - a Gateway that did not answer the ticket has answered IKE_SA_INIT. true: the
 * ticket is tried once more. */
bool resumption_doubted(struct sa *sa);
/* resumption_again - prepares the intent to login without the ticket, after an error. */
void resumption_again(struct sa *sa, struct intent *intent, bool silent);

/* --- Gateway --- */

/* resumption_opened - takes the contents of the ticket, which has just been opened. */
void resumption_opened(struct sa *sa, const struct ike_ticket *ticket, nanos now);
/* resumption_answer - answers an IKE_AUTH request after IKE_SESSION_RESUME. `auth` NULL: the
 * request has none. */
enum answer_verdict resumption_answer(struct sa *sa, struct answering *answering,
                                      const struct wire_auth *auth);
/* resumption_used - the ticket was valid and is used now: the peer is proven. false: no memory. */
bool resumption_used(struct sa *sa, const struct ike_proof *proof);

/* --- Gateway: the next ticket, in any login --- */

/* ticket_due - the last response has to wait for a ticket. ticket_ask - emits the job.
 * ERR_NO_MEMORY. */
bool ticket_due(const struct sa *sa);
int ticket_ask(struct sa *sa) MUST_USE;
/* ticket_sealed - takes the result. Without a ticket the peer gets TICKET_NACK. */
void ticket_sealed(struct sa *sa, const struct ike_result *result);
/* ticket_add - adds TICKET_LT_OPAQUE or TICKET_NACK, if the peer asked for a ticket (section
 * 4.1). */
void ticket_add(const struct sa *sa, struct wire_builder *reply);

#endif
