/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_RESUMPTION_H
#define IKE_RESUMPTION_H

/*
 * A login by a session ticket (RFC 5723): what the first login proved counts again, and nobody is
 * asked for anything.
 *
 *   HDR, [N(COOKIE),] Ni, N(TICKET_OPAQUE), N(NAT_DETECTION_*), N(...), V  -->     IKE_SESSION_RESUME
 *                                <--  HDR, Nr, N(NAT_DETECTION_*), N(...), V
 *                            or  <--  HDR, N(COOKIE)
 *                            or  <--  HDR, N(TICKET_NACK)
 *   HDR, SK{IDi, IDr, AUTH, [CP,] SAi2, TSi, TSr, N(TICKET_REQUEST), ...}  -->     IKE_AUTH
 *                                <--  HDR, SK{IDr, AUTH, [CP,] SAr2, TSi, TSr, N(TICKET_LT_OPAQUE), ...}
 *
 * AUTH is prf(SK_p, octets) (section 4.3.3). SKEYSEED comes from SK_d of the old IKE SA, which the
 * End User kept, and which the ticket has for the Gateway.
 *
 * The End User falls back to a login without the ticket when the Gateway refuses it, when IKE_AUTH
 * fails, and when no answer comes for RESUMPTION_SILENT_NS. In that last case the Gateway may be
 * down. So once it answers IKE_SA_INIT, the ticket is tried once more, for the last time.
 */

#include "ike/core/held_ticket.h"
#include "ike/login/login.h"

#define RESUMPTION_SILENT_NS (8 * NANOS_PER_SEC)
#define RESUMPTION_LAST_NS   (4 * NANOS_PER_SEC)

struct resumption {
    struct held_ticket *held; /* End User: a reference */
    struct ike_ticket ticket; /* Gateway: what the ticket says */
    nanos opened_ns;          /* since then ticket.valid_ns and certs_ns count */
    struct ike *ike;          /* Gateway: `next` is a list there; NULL: it is not in it yet */
    struct resumption *next, *previous;
    bool over; /* Gateway: meanwhile its tickets ended (ticket_end.h) */
};

void resumption_free(struct resumption *resumption); /* takes NULL */

/* resumption_grants - the Gateway gives tickets for sessions of the connection. A session that rests
 * on a certificate of the peer gets none, in EAP as well: its ticket outlives the process that
 * watches whether the certificate is revoked. One of several rounds gets none either: a ticket says
 * what one round proved. */
bool resumption_grants(const struct ike_conn *conn);

/* --- End User --- */

/* resumption_begin - the login resumes if there is a ticket for it. */
void resumption_begin(struct sa *sa, const struct intent *intent);
/* resumption_ask - the payloads of IKE_SESSION_RESUME. */
enum ike_outcome resumption_ask(struct sa *sa, struct wire_builder *request);
/* resumption_answered - the response, which is no refusal. */
struct verdict resumption_answered(struct sa *sa, const struct wire_message *response,
                                   const struct ike_path *from, nanos now);
/* resumption_prove - our AUTH for the next request. false: no memory. */
bool resumption_prove(struct sa *sa);
/* resumption_check - the Gateway's IDr and AUTH. NULL: they are right; else why not. */
const char *resumption_check(struct sa *sa, const struct wire_message *response,
                             const struct wire_auth *auth);
/* resumption_doubted - a Gateway that did not answer the ticket has answered IKE_SA_INIT: true: the
 * ticket is to be tried once more. */
bool resumption_doubted(struct sa *sa);
/* resumption_again - how the login goes on without its ticket, after an error. */
void resumption_again(struct sa *sa, struct intent *intent, bool silent);

/* --- Gateway --- */

/* resumption_opened - what the ticket says, which was opened now. */
void resumption_opened(struct sa *sa, const struct ike_ticket *ticket, nanos now);
/* resumption_answer - an IKE_AUTH request behind IKE_SESSION_RESUME. `auth` NULL: it has none. */
enum answer_verdict resumption_answer(struct sa *sa, struct answering *answering,
                                      const struct wire_auth *auth);
/* resumption_used - the ticket counted, until now: the peer is proven. false: no memory. */
bool resumption_used(struct sa *sa, const struct ike_proof *proof);

/* --- Gateway: the next ticket, in any login --- */

/* ticket_due - the last response needs a ticket first. ticket_ask - emits the job. ERR_NO_MEMORY. */
bool ticket_due(const struct sa *sa);
int ticket_ask(struct sa *sa) MUST_USE;
/* ticket_sealed - the result. Without a ticket the peer gets TICKET_NACK. */
void ticket_sealed(struct sa *sa, const struct ike_result *result);
/* ticket_add - TICKET_LT_OPAQUE or TICKET_NACK, if the peer asked for a ticket (section 4.1). */
void ticket_add(const struct sa *sa, struct wire_builder *reply);

#endif
