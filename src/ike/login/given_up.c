/* SPDX-License-Identifier: Apache-2.0 */
/* An initiator that refuses our part of a login, in the middle of it. */
#include "ike/core/exchange.h"
#include "ike/core/ike_state.h"
#include "ike/login/login.h"
#include "ike/terms/identity.h"

static void commit_given_up(struct sa *sa, struct answering *answering)
{
    char peer[IDENTITY_TEXT_MAX];
    event_refused(sa, identity_print(&sa->login->remote_id, peer),
                  "the peer does not accept this Gateway's proof");
    sa_down(sa, IKE_AUTH_FAILED, answering->now);
}

/* RFC 7296 section 2.21.2: in the INFORMATIONAL exchange that immediately follows IKE_AUTH these
 * notifies end the IKE SA without a Delete payload. The response is empty. */
enum answer_verdict answer_given_up(struct sa *sa, struct answering *answering)
{
    const struct wire_message *request = answering->request;
    bool follows = sa->login != NULL && sa->login->first.octets != NULL;
    if (!follows || (!wire_notify_has(request, N_AUTHENTICATION_FAILED) &&
                     !wire_notify_has(request, N_INVALID_SYNTAX) &&
                     !wire_notify_has(request, N_UNSUPPORTED_CRITICAL_PAYLOAD)))
        return ANSWER_SILENT;
    answering->commit = commit_given_up;
    return ANSWER_SEND;
}
