/* SPDX-License-Identifier: Apache-2.0 */
/* Commands become intents on the IKE SA that they name. */
#include "ike/core/command.h"

#include <stdio.h>

#include "base/assert.h"
#include "ike/core/exchange.h"
#include "ike/core/ticket_end.h"
#include "ike/core/upper.h"

static int intent_command(struct sa *sa, const struct ike_command *command, enum intent_kind kind,
                          ike_child_id child)
{
    struct intent intent = {
        .kind = kind,
        .tag = command->tag,
        .path = command->path,
        .child = child,
        .packet = command->packet,
        .path_test = command->path_test,
        .unused_old = command->unused_old,
        .if_missing = command->if_missing,
        .terms = command->terms,
        .reason = IKE_CANCELLED,
        .retry_ns = command->retry_ns,
        .give_up_ns = command->give_up_ns,
    };
    if (command->child != NULL)
        (void)snprintf(intent.child_name, sizeof(intent.child_name), "%s", command->child);
    return intent_add(sa, &intent);
}

static int sa_command(struct ike *ike, const struct ike_command *command, enum intent_kind kind)
{
    struct sa *sa = sa_find(ike, command->sa);
    if (sa == NULL)
        return ERR_NOT_FOUND;
    if (sa->life != IKE_ESTABLISHED || sa->session->frozen)
        return ERR_WRONG_STATE;
    return intent_command(sa, command, kind, 0);
}

static int child_command(struct ike *ike, const struct ike_command *command, enum intent_kind kind)
{
    struct child *child = child_find(ike, command->child_id);
    if (child == NULL)
        return ERR_NOT_FOUND;
    if (child->sa->session->frozen && kind != INTENT_DELETE_CHILD)
        return ERR_WRONG_STATE;
    return intent_command(child->sa, command, kind, child->id);
}

static int path_terms(struct ike *ike, const struct ike_command *command)
{
    const struct sa *sa = sa_find(ike, command->sa);
    if (sa != NULL && sa->session != NULL &&
        (sa->session->role != IKE_END_USER || !sa->session->peer_keep_old ||
         sa->session->terms_refused))
        return ERR_WRONG_STATE;
    return sa_command(ike, command, INTENT_PATH_TERMS);
}

static void emit_ok(struct ike *ike, const struct ike_command *command)
{
    if (command->tag == 0)
        return;
    struct ike_event *event = event_add(ike, IKE_EV_COMMAND_DONE);
    event->tag = command->tag;
    event->sa = command->sa;
    event->session = command->session;
    event->outcome = IKE_OK;
}

/* reason_of - the reason that a command gives for an end; ike.h says which commands may give one. */
static enum ike_outcome reason_of(const struct ike_command *command)
{
    return command->reason == IKE_OK ? IKE_CANCELLED : command->reason;
}

static bool reason_sound(const struct ike_command *command)
{
    return command->force || command->reason == IKE_OK;
}

static int delete_ike(struct ike *ike, const struct ike_command *command, nanos now)
{
    struct sa *sa = sa_find(ike, command->sa);
    if (sa == NULL)
        return ERR_NOT_FOUND;
    if (!reason_sound(command))
        return ERR_INVALID;
    if (sa->life == IKE_HALF_OPEN && sa->parent != 0)
        return ERR_WRONG_STATE; /* such an IKE SA is still a request on its parent */
    session_tickets_decide_sa(sa, reason_of(command));
    if (!command->force && sa->life == IKE_ESTABLISHED)
        return intent_command(sa, command, INTENT_DELETE_IKE, 0);
    if (command->force)
        sa_say_delete(sa);
    if (!command->force && sa->login != NULL && sa_original_initiator(sa))
        login_cancel_sa(sa, now);
    else
        sa_down(sa, reason_of(command), now);
    emit_ok(ike, command);
    return 0;
}

static int delete_child(struct ike *ike, const struct ike_command *command)
{
    if (!command->force)
        return child_command(ike, command, INTENT_DELETE_CHILD);
    struct child *child = child_find(ike, command->child_id);
    if (child == NULL)
        return ERR_NOT_FOUND;
    /* The peer gets a Delete, but the command does not wait for its response. */
    struct intent intent = {.kind = INTENT_DELETE_CHILD, .reason = IKE_CANCELLED};
    intent.spi_in = child->spi_in;
    intent_owe(child->sa, &intent);
    child_down(child, IKE_CANCELLED, 0);
    emit_ok(ike, command);
    return 0;
}

static int delete_session(struct ike *ike, const struct ike_command *command, nanos now)
{
    struct session *session = session_find(ike, command->session);
    if (session == NULL)
        return ERR_NOT_FOUND;
    if (!reason_sound(command))
        return ERR_INVALID;
    for (struct sa *sa = session->sas; command->force && sa != NULL; sa = sa->session_next)
        sa_say_delete(sa);
    if (session->end_tag == 0)
        session->end_tag = command->tag; /* COMMAND_DONE comes when the last IKE SA is gone */
    else
        emit_ok(ike, command); /* an earlier command already waits for the end of this session */
    session_down(session, reason_of(command), command->force, now);
    return 0;
}

/* session_heard - the established IKE SA of the session that sent the newest packet; NULL: none. */
static struct sa *session_heard(const struct session *session)
{
    struct sa *heard = NULL;
    for (struct sa *sa = session->sas; sa != NULL; sa = sa->session_next)
        if (sa->life == IKE_ESTABLISHED &&
            (heard == NULL || sa->last_heard_ns > heard->last_heard_ns))
            heard = sa;
    return heard;
}

static int redirect(struct ike *ike, const struct ike_command *command)
{
    struct session *session = session_find(ike, command->session);
    struct sa *sa = session == NULL ? NULL : session_heard(session);
    if (session == NULL)
        return ERR_NOT_FOUND;
    /* RFC 5685 section 3: never to a client that did not announce it; section 10: by a responder */
    if (sa == NULL || session->role != IKE_GATEWAY || !session->redirects || session->ending ||
        session->frozen)
        return ERR_WRONG_STATE;
    struct intent intent = {
        .kind = INTENT_REDIRECT, .tag = command->tag, .gateway = command->gateway};
    return intent_add(sa, &intent);
}

static int reauthenticate(struct ike *ike, const struct ike_command *command, nanos now)
{
    struct session *session = session_find(ike, command->session);
    if (session == NULL)
        return ERR_NOT_FOUND;
    if (!session->established || session->ending || session->frozen)
        return ERR_WRONG_STATE;
    if (session->role == IKE_END_USER) {
        auth_lifetime_due(session);
        emit_ok(ike, command);
        return 0;
    }
    struct sa *heard = session_heard(session);
    if (heard == NULL)
        return ERR_WRONG_STATE;
    session->tells_lifetime = command->lifetime_ns > 0;
    if (session->tells_lifetime) {
        session_tickets_end(session);
        auth_lifetime_set(session, command->lifetime_ns, now);
    }
    return intent_command(heard, command, INTENT_AUTH_LIFETIME, 0);
}

static int end_tickets(struct ike *ike, const struct ike_command *command)
{
    struct session *session = session_find(ike, command->session);
    if (session == NULL)
        return ERR_NOT_FOUND;
    session_tickets_end(session);
    emit_ok(ike, command);
    return 0;
}

/* cancel - ends the login with this tag. It lost the race against a login over another path. */
static int cancel(struct ike *ike, uint64_t tag, nanos now)
{
    for (struct sa *sa = ike->sas; sa != NULL; sa = sa->next) {
        const struct intent *intent = sa->asking != NULL ? &sa->asking->intent : sa->intents;
        if (sa->life == IKE_ESTABLISHED || intent == NULL || intent->kind != INTENT_LOGIN ||
            intent->tag != tag)
            continue;
        login_cancel_sa(sa, now);
        return 0;
    }
    return ERR_NOT_FOUND;
}

int command_run(struct ike *ike, const struct ike_command *command, nanos now)
{
    switch (command->kind) {
    case IKE_CMD_CONNECT: return login_start(ike, command, now);
    case IKE_CMD_CANCEL: return cancel(ike, command->tag, now);
    case IKE_CMD_CREATE_CHILD: return sa_command(ike, command, INTENT_CREATE_CHILD);
    case IKE_CMD_REKEY_IKE: return sa_command(ike, command, INTENT_REKEY_IKE);
    case IKE_CMD_REKEY_CHILD: return child_command(ike, command, INTENT_REKEY_CHILD);
    case IKE_CMD_CLONE: return sa_command(ike, command, INTENT_CLONE);
    case IKE_CMD_MOVE: return sa_command(ike, command, INTENT_MOVE);
    case IKE_CMD_CREATE_MOVED: return sa_command(ike, command, INTENT_CREATE_MOVED);
    case IKE_CMD_PROBE: return sa_command(ike, command, INTENT_PROBE);
    case IKE_CMD_PATH_TEST: return sa_command(ike, command, INTENT_PATH_TEST);
    case IKE_CMD_DELETE_IKE: return delete_ike(ike, command, now);
    case IKE_CMD_DELETE_CHILD: return delete_child(ike, command);
    case IKE_CMD_DELETE_SESSION: return delete_session(ike, command, now);
    case IKE_CMD_REDIRECT: return redirect(ike, command);
    case IKE_CMD_END_TICKETS: return end_tickets(ike, command);
    case IKE_CMD_PATH_TERMS: return path_terms(ike, command);
    case IKE_CMD_REAUTH: return reauthenticate(ike, command, now);
    }
    ASSERT_NEVER("an unknown command");
}
