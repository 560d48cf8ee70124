/* SPDX-License-Identifier: Apache-2.0 */
/* The early end of a login: the initiator refuses our proof, or EAP refuses the initiator. */
#include "ike/core/exchange.h"
#include "ike/core/ike_state.h"
#include "ike/login/login.h"
#include "ike/login/login_eap.h"
#include "ike/terms/identity.h"

/* How long a refused IKE SA stays: long enough for two or three copies of a request. */
#define REFUSED_STAYS_NS (10 * NANOS_PER_SEC)

nanos login_refusal_at(const struct sa *sa)
{
    bool refused = sa->login != NULL && sa->login->refuse_at_ns != 0;
    return refused ? sa->login->refuse_at_ns : NANOS_NEVER;
}

bool login_is_refused(const struct sa *sa)
{
    return sa->login != NULL && sa->login->table == &sa->ike->refused;
}

/* RFC 7296 section 2.1: the response MUST be kept for a repeated request. A peer may also answer
 * EAP-Failure with an INFORMATIONAL request. Until then the IKE SA counts in a table of its own,
 * and takes no room of other logins. */
bool login_refused_stays(struct sa *sa, nanos now)
{
    struct login *login = sa->login;
    if (sa->session != NULL || !login_table_change(sa, &sa->ike->refused, now))
        return false;
    sa->ike->stats.logins_failed[IKE_PEER_AUTH_FAILED]++; /* it ends later, and counts now */
    login_eap_leave(sa);
    login->refuse_at_ns = nanos_after(now, REFUSED_STAYS_NS);
    sa->expires_ns = NANOS_NEVER;
    sa_touch(sa);
    return true;
}

/* This does not count as a refused login: the peer ended it, and has not proven its identity. */
static void commit_given_up(struct sa *sa, struct answering *answering)
{
    char peer[IDENTITY_TEXT_MAX];
    event_notice(sa, "%s ends its login: it does not accept this Gateway's proof",
                 identity_print(&sa->login->remote_id, peer));
    sa_down(sa, IKE_AUTH_FAILED, answering->now);
}

/* RFC 7296 section 2.21.2: in the INFORMATIONAL exchange that immediately follows IKE_AUTH these
 * notifies end the IKE SA without a Delete payload. The response is empty. */
enum answer_verdict answer_given_up(struct sa *sa, struct answering *answering)
{
    const struct wire_message *request = answering->request;
    bool refused = login_is_refused(sa);
    bool follows = sa->login != NULL && sa->login->first.octets != NULL;
    if (refused && wire_find(request, WIRE_PAYLOAD_D, NULL) != NULL)
        return ANSWER_SEND;
    if (!follows || (!wire_notify_has(request, N_AUTHENTICATION_FAILED) &&
                     !wire_notify_has(request, N_INVALID_SYNTAX) &&
                     !wire_notify_has(request, N_UNSUPPORTED_CRITICAL_PAYLOAD)))
        return ANSWER_SILENT;
    if (!refused)
        answering->commit = commit_given_up;
    return ANSWER_SEND;
}
