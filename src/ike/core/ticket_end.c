/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/ticket_end.h"

#include "ike/core/held_ticket.h"
#include "ike/core/upper.h"

bool tickets_outlive(enum ike_outcome why)
{
    switch (why) {
    /* the peer may have restarted or lost its network: tickets serve this case */
    case IKE_TIMEOUT:
    case IKE_NO_PATH: return true;
    /* RFC 5723 section 6.2: either side ended the session explicitly. The administrator, a RADIUS
     * server, a revoked certificate and the idle time of a session use a command. */
    case IKE_PEER_DELETED:
    case IKE_CANCELLED:
    case IKE_REDIRECTED: return false;
    /* the authentication has expired: the ticket has the same end */
    case IKE_EXPIRED: return false;
    /* a later login has tickets of its own */
    case IKE_REPLACED: return false;
    /* the peer breaks the rules, or lacks what we require: it has to authenticate again */
    case IKE_AUTH_FAILED:
    case IKE_PEER_AUTH_FAILED:
    case IKE_NO_SECRET:
    case IKE_ID_MISMATCH:
    case IKE_NO_PROPOSAL:
    case IKE_KE_REFUSED:
    case IKE_TS_REFUSED:
    case IKE_UNACCEPTABLE_ADDRESSES:
    case IKE_UNEXPECTED_NAT:
    case IKE_ROUTABILITY_FAILED:
    case IKE_INVALID_SYNTAX:
    case IKE_PROTOCOL_ERROR:
    case IKE_NO_PPK: return false;
    /* one end had no room: its state of the session is not certain */
    case IKE_ADDRESS_FAILURE:
    case IKE_NO_ADDITIONAL_SAS:
    case IKE_TEMPORARY_FAILURE:
    case IKE_CLONE_UNSUPPORTED:
    case IKE_INSTALL_FAILED:
    case IKE_LIMIT: return false;
    case IKE_OK: return false;
    }
    return false;
}

void session_tickets_end(struct session *session)
{
    struct ike *ike = session->ike;
    if (session->ticket == NULL || session->ticket->family == 0 || ike->closing)
        return;
    struct ike_event *event = event_add(ike, IKE_EV_TICKET_END);
    event->session = session->id;
    event->tag = session->ticket->family;
    login_tickets_ended(ike, session->ticket->family);
    session->ticket->family = 0;
}

void session_tickets_decide(struct session *session, enum ike_outcome why)
{
    bool goes_on = why == IKE_REPLACED && session->ticket != NULL && session->ticket->continued;
    if (tickets_outlive(why))
        return;
    held_ticket_forget(session);
    if (!goes_on)
        session_tickets_end(session);
}

void session_tickets_decide_sa(const struct sa *sa, enum ike_outcome why)
{
    const struct session *session = sa->session;
    for (const struct sa *other = session == NULL ? NULL : session->sas; other != NULL;
         other = other->session_next)
        if (other != sa && session_sa_lives(other))
            return;
    if (session != NULL && session->established)
        session_tickets_decide(sa->session, why);
}
