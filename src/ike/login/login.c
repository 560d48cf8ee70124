/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/login/login.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "ike/core/keymat.h"
#include "ike/login/combined.h"
#include "ike/login/early_request.h"
#include "ike/login/login_eap.h"
#include "ike/login/login_ppk.h"
#include "ike/login/login_rounds.h"
#include "ike/login/resumption.h"
#include "ike/terms/identity.h"

struct login *login_new(struct sa *sa, struct ike_conn *conn)
{
    struct login *login = calloc(1, sizeof(*login));
    if (login == NULL)
        return NULL;
    login->conn = ike_conn_ref(conn);
    login->sa = sa;
    login->valid_until_ns = login->certs_until_ns = NANOS_NEVER;
    sa->login = login;
    return login;
}

/* leave_half_open - the login no longer counts as half-open. */
static void leave_half_open(struct login *login)
{
    if (login->table == NULL)
        return;
    half_open_remove(login->table, &login->half_open);
    login->table = NULL;
}

const struct ike_conn *login_conn(const struct sa *sa)
{
    return sa->login->conn;
}

struct login *login_free(struct ike *ike, struct login *login)
{
    if (login == NULL)
        return NULL;
    leave_half_open(login);
    if (login->request_key != 0)
        (void)map_take(&ike->logins_by_request, login->request_key);
    combined_release(login);
    early_free(login->early);
    ike_conn_unref(login->conn);
    free(login->init_request);
    free(login->init_response);
    kept_message_done(&login->message);
    kept_message_done(&login->first);
    kept_message_done(&login->group_message);
    login_proof_done(login);
    login_ppk_done(login);
    resumption_free(login->resumption);
    free(login->ticket.octets);
    login_eap_end(ike, login);
    wipe(login, sizeof(*login));
    free(login);
    return NULL;
}

bool login_evict(struct ike *ike, struct half_open_table *table, nanos now)
{
    struct half_open *victim = half_open_victim(table);
    ike->stats.dropped_limit++;
    if (victim == NULL)
        return false;
    sa_down(victim->owner, IKE_LIMIT, now);
    return true;
}

bool login_table_change(struct sa *sa, struct half_open_table *table, nanos now)
{
    struct login *login = sa->login;
    struct ike *ike = sa->ike;
    const struct address *source = &login->answer_path.remote.address;
    struct half_open entry = {.owner = login->half_open.owner};
    bool known = login->half_open.known; /* only the table of half-open logins knows sources */
    if (login->table == table)
        return true;
    enum half_open_verdict verdict = half_open_judge(table, source, true, now);
    if (verdict == HALF_OPEN_FULL ? !login_evict(ike, table, now) : verdict != HALF_OPEN_WELCOME)
        return false;
    leave_half_open(login);
    login->half_open = entry;
    login->table = half_open_add(table, &login->half_open, source, now) ? table : NULL;
    login->half_open.known = known;
    return login->table != NULL;
}

void login_patience(struct sa *sa, nanos now)
{
    struct login *login = sa->login;
    /* A login in EAP may take minutes instead of seconds. So its table has limits of its own. */
    if (!login_table_change(sa, &sa->ike->patient, now))
        return; /* it keeps the time limit of a login without EAP */
    if (login->began_ns == 0)
        login->began_ns = now;
    sa->expires_ns = nanos_min(nanos_after(now, LOGIN_EAP_STEP_NS),
                               nanos_after(login->began_ns, LOGIN_EAP_TOTAL_NS));
    sa_touch(sa);
}

static int login_begin(struct ike *ike, struct ike_conn *conn, const struct ike_path *path,
                       const struct intent *intent, ike_session_id replaces, nanos now)
{
    struct sa *sa = sa_new_again(ike, intent->again, path, now);
    if (sa == NULL)
        return ERR_NO_MEMORY;
    if (sa->path.local.port == 0)
        sa->path.local.port = conn->local_port != 0 ? conn->local_port : 500;
    if (sa->path.remote.port == 0)
        sa->path.remote.port = conn->remote_port != 0 ? conn->remote_port : 500;
    struct session *session = session_new(ike, conn, IKE_END_USER);
    struct login *login = session == NULL ? NULL : login_new(sa, conn);
    if (session != NULL)
        session_attach(session, sa);
    int err = login == NULL ? ERR_NO_MEMORY : intent_add(sa, intent);
    if (err != 0) {
        sa_down(sa, IKE_LIMIT, now);
        return err;
    }
    login->replaces = replaces;
    login->clone = intent->clone;
    login->alone = intent->alone;
    login->redirected_from = intent->redirected_from;
    login->ticket_silent = intent->ticket_silent;
    login_ppk_begin(login, intent->without_ppk);
    resumption_begin(sa, intent);
    login->packet = intent->packet;
    (void)snprintf(login->child, sizeof(login->child), "%s", intent->child_name);
    return 0;
}

static bool child_exists(const struct ike_conn *conn, const char *name)
{
    for (uint8_t i = 0; i < conn->n_children; i++)
        if (strcmp(conn->children[i].name, name) == 0)
            return true;
    return false;
}

int login_start(struct ike *ike, const struct ike_command *command, nanos now)
{
    struct ike_conn *conn = command->conn == NULL ? NULL : ike_conn_find(ike, command->conn);
    if (conn == NULL || (command->child != NULL && !child_exists(conn, command->child)))
        return ERR_NOT_FOUND;
    if (address_is_any(&command->path.remote.address) ||
        command->path.local.address.family != command->path.remote.address.family)
        return ERR_INVALID;
    struct intent intent = {
        .kind = INTENT_LOGIN,
        .tag = command->tag,
        .early_ns = command->early_ns,
        .give_up_ns = command->give_up_ns,
        .clone = command->clone && !command->alone,
        .alone = command->alone,
        .redirected_from = command->redirected_from,
        .again = command->again,
        .packet = command->packet,
    };
    if (command->child != NULL)
        (void)snprintf(intent.child_name, sizeof(intent.child_name), "%s", command->child);
    return login_begin(ike, conn, &command->path, &intent, command->replaces, now);
}

static void proofs_give(const struct login *login, struct session *session)
{
    session->resumed = login->resumption != NULL;
    session->local_id = login->local_id;
    session->claimed_id = login->remote_id;
    session->remote_id = login->proven_id.type != ID_ANY ? login->proven_id : login->remote_id;
    session->valid_until_ns = login->valid_until_ns;
    session->certs_until_ns = login->certs_until_ns;
    session->grant = login->grant;
    memcpy(session->eap_types, login->eap_types, sizeof(session->eap_types));
    session->chains = login->chains;
    session->ppk = login->ppk.mixed;
}

int login_admit_ask(struct sa *sa)
{
    proofs_give(sa->login, sa->session);
    if (event_job(sa, IKE_EV_ADMIT, 0, (struct span){0}) == NULL)
        return ERR_NO_MEMORY;
    login_phase_set(sa->login, LOGIN_WAITS_ADMIT);
    return 0;
}

void login_notice_refusal(struct sa *sa, const char *what, const struct wire_notify *notify)
{
    char text[2 * PROPOSAL_TEXT_MAX];
    if (notify->type == N_NO_PROPOSAL_CHOSEN &&
        proposal_refusal_print(notify->data, text, sizeof(text)))
        event_notice(sa, "for %s the peer takes: %s", what, text);
}

bool login_fragmentation(const struct sa *sa)
{
    return sa->login != NULL && sa->login->fragmentation;
}

bool login_sends_fragments(const struct sa *sa)
{
    return login_fragmentation(sa) && sa->login->conn->fragmentation == IKE_FRAGMENTATION_YES;
}

/* --- phases and jobs --- */

/* phase_edge - the order of phases: AUTH is verified before EAP, a lease or our own AUTH. A lease belongs to a
 * session that was admitted. */
static bool phase_edge(enum login_phase from, enum login_phase to)
{
    switch (to) {
    case LOGIN_WAITS_INIT: return false;
    case LOGIN_WAITS_AUTH: return true;
    case LOGIN_WAITS_PPK:
        return from == LOGIN_WAITS_AUTH || from == LOGIN_WAITS_VERIFY || from == LOGIN_WAITS_EAP;
    case LOGIN_WAITS_VERIFY: /* once more, for another connection */
        return from == LOGIN_WAITS_AUTH || from == LOGIN_WAITS_PPK || from == LOGIN_WAITS_VERIFY;
    case LOGIN_WAITS_EAP:
        return from == LOGIN_WAITS_AUTH || from == LOGIN_WAITS_VERIFY || from == LOGIN_WAITS_SIGN;
    case LOGIN_WAITS_LEASE: return from == LOGIN_WAITS_ADMIT;
    case LOGIN_WAITS_ADMIT:
        return from == LOGIN_WAITS_AUTH || from == LOGIN_WAITS_VERIFY || from == LOGIN_WAITS_EAP ||
               from == LOGIN_WAITS_PPK || from == LOGIN_WAITS_TICKET;
    case LOGIN_WAITS_SIGN:
    case LOGIN_WAITS_TICKET: return true;
    case LOGIN_REFUSED: return true;
    }
    return false;
}

void login_phase_set(struct login *login, enum login_phase phase)
{
    ASSERT(phase_edge(login->phase, phase));
    login->phase = phase;
    login->half_open.busy = phase != LOGIN_WAITS_AUTH && phase != LOGIN_REFUSED;
}

static enum login_phase phase_of(enum ike_event_kind kind)
{
    switch ((int)kind) {
    case IKE_EV_AUTH_SIGN: return LOGIN_WAITS_SIGN;
    case IKE_EV_AUTH_VERIFY: return LOGIN_WAITS_VERIFY;
    case IKE_EV_PPK: return LOGIN_WAITS_PPK;
    case IKE_EV_EAP: return LOGIN_WAITS_EAP;
    case IKE_EV_ADMIT: return LOGIN_WAITS_ADMIT;
    case IKE_EV_LEASE: return LOGIN_WAITS_LEASE;
    case IKE_EV_TICKET_SEAL:
    case IKE_EV_TICKET_USE: return LOGIN_WAITS_TICKET;
    default: ASSERT_NEVER("a job that is not of a login");
    }
}

/*
 * login_again - starts the login once more, with the current intent. The new login takes over the
 * caller's intent.
 */
static void login_again(struct sa *sa, struct asking *asking, const char *why, nanos now)
{
    struct login *login = sa->login;
    struct intent intent = asking->intent;
    struct ike_path path = sa->path;
    ike_session_id replaces = login->replaces;
    if (path.local.port == 4500 && path.remote.port == 4500)
        path.local.port = path.remote.port = 0;
    if (login_begin(sa->ike, login->conn, &path, &intent, replaces, now) != 0)
        return;
    event_notice(sa, "%s", why);
    login->goes_on = true;
    asking->intent.tag = 0; /* answered there */
}

void login_count_failure(struct sa *sa, enum ike_outcome outcome)
{
    bool succeeded = sa->session != NULL && sa->session->established;
    if (!succeeded && !sa->login->goes_on && !login_is_refused(sa))
        sa->ike->stats.logins_failed[outcome]++;
}

/* without_ticket - continues the login without its session ticket. */
static void without_ticket(struct sa *sa, struct asking *asking, bool silent, nanos now)
{
    resumption_again(sa, &asking->intent, silent);
    login_again(sa, asking,
                silent ? "no answer to the session ticket: once more without"
                       : "the session ticket is refused: once more without",
                now);
}

void login_sent(struct sa *sa, nanos now)
{
    const struct login *login = sa->login;
    if (login->resumption == NULL || login->phase != LOGIN_WAITS_INIT)
        return;
    window_end_by(&sa->mine,
                  nanos_after(now, login->resumption->held->doubted ? RESUMPTION_LAST_NS
                                                                    : RESUMPTION_SILENT_NS));
}

bool login_tries_again(struct sa *sa, nanos now)
{
    const struct login *login = sa->login;
    if (login == NULL || login->resumption == NULL || !sa_original_initiator(sa) ||
        login->phase != LOGIN_WAITS_INIT || sa->asking->intent.tag == 0)
        return false;
    without_ticket(sa, sa->asking, login->hint == 0, now);
    return true;
}

/* exchange_continue - continues the exchange after a job. If the login failed, its IKE SA ends. */
static void exchange_continue(struct sa *sa, struct verdict verdict, nanos now)
{
    if (verdict.kind == VERDICT_DONE && sa->login != NULL && sa->login->ppk.not_loaded) {
        sa->asking->intent.without_ppk = true;
        login_again(sa, sa->asking, "the PPK of 'ppk_id' is not loaded: once more without", now);
    }
    exchange_resume(sa, verdict, now);
    if (verdict.kind == VERDICT_DONE && sa->login != NULL && sa->life != IKE_DEAD)
        sa_down(sa, verdict.outcome, now);
}

void login_job_done(struct sa *sa, enum ike_event_kind kind, const struct ike_result *result,
                    nanos now)
{
    if (kind == IKE_EV_TICKET_OPEN) {
        if (sa->login != NULL && sa->login->resumption != NULL && sa->life == IKE_HALF_OPEN)
            login_ticket_opened(sa, result, now);
        return;
    }
    if (sa->login == NULL || sa->life != IKE_AUTHENTICATING || sa->login->phase != phase_of(kind))
        return;
    sa_touch(sa);
    if (!sa_original_initiator(sa)) {
        login_answer_job_done(sa, kind, result, now);
        return;
    }
    struct verdict verdict = login_ask_job_done(sa, kind, result, now);
    if (verdict.kind != VERDICT_LATER)
        exchange_continue(sa, verdict, now);
}

void login_lease_orphaned(struct ike *ike, const struct job *job)
{
    /* The session of the job is gone. Its number, which the job keeps, releases the lease. */
    struct ike_event *event = event_add(ike, IKE_EV_LEASE_RELEASE);
    event->session = job->session;
}

/* --- our side: one intent --- */

void login_cancel_sa(struct sa *sa, nanos now)
{
    struct asking *asking = sa->asking;
    if (sa->life != IKE_AUTHENTICATING || asking == NULL || !window_busy(&sa->mine) ||
        !sa->login->out.auth || !login_own_last(sa->login)) {
        sa_down(sa, IKE_CANCELLED, now);
        return;
    }
    intent_end(sa, &asking->intent, IKE_CANCELLED);
    asking->intent.tag = 0;
    sa->login->cancelled = true;
}

void login_supersede(struct ike *ike, const struct ike_conn *conn, nanos now)
{
    for (struct sa *sa = ike->sas, *next; sa != NULL; sa = next) {
        next = sa->next;
        if (sa->login != NULL && sa->login->cancelled && sa->login->conn == conn)
            sa_down(sa, IKE_CANCELLED, now);
    }
}

static uint16_t login_group(const struct sa *sa, const struct asking *asking)
{
    const struct login *login = sa->login;
    (void)asking;
    if (login->phase != LOGIN_WAITS_INIT)
        return combined_group(sa);
    if (login->resumption != NULL)
        return 0;
    if (login->ke_group != 0 || login->conn->proposals.n == 0)
        return login->ke_group;
    return login->conn->proposals.proposals[0].ke[0];
}

static enum ike_outcome login_ask(struct sa *sa, struct asking *asking,
                                  struct wire_builder *request, nanos now)
{
    (void)now;
    asking->path = sa->path;
    if (sa->login->phase == LOGIN_WAITS_INIT) {
        asking->exchange =
            sa->login->resumption != NULL ? WIRE_IKE_SESSION_RESUME : WIRE_IKE_SA_INIT;
        return sa->login->resumption != NULL ? resumption_ask(sa, request)
                                             : login_ask_init(sa, request);
    }
    asking->exchange = WIRE_IKE_AUTH;
    return login_ask_auth(sa, request);
}

static struct verdict login_answered(struct sa *sa, struct asking *asking,
                                     const struct wire_message *response,
                                     const struct ike_path *from, nanos now)
{
    if (sa->login->cancelled) {
        struct intent intent = {.kind = INTENT_DELETE_IKE, .reason = IKE_CANCELLED};
        sa_life_set(sa, IKE_DELETING, now);
        if (wire_notify_has(response, N_AUTHENTICATION_FAILED))
            sa_down(sa, IKE_CANCELLED, now);
        else
            intent_owe(sa, &intent);
        return verdict_done(IKE_CANCELLED);
    }
    if (message_kind(response) == MESSAGE_INIT_ANSWER && resumption_doubted(sa)) {
        asking->intent.without_ticket = asking->intent.ticket_silent = false;
        login_again(sa, asking, "the Gateway is up: once more with the session ticket", now);
        sa_down(sa, IKE_CANCELLED, now);
        return verdict_done(IKE_CANCELLED);
    }
    bool init = sa->login->phase == LOGIN_WAITS_INIT;
    struct verdict verdict =
        init ? login_init_answered(sa, response, from, now) : login_auth_answered(sa, response);
    if (verdict.kind != VERDICT_DONE || sa->login == NULL)
        return verdict;
    if (verdict.outcome != IKE_OK && verdict.outcome != IKE_REDIRECTED &&
        sa->login->resumption != NULL) {
        without_ticket(sa, asking, false, now);
    } else if (verdict.notify == N_INVALID_SYNTAX && !init && sa->login->group != NULL) {
        asking->intent.clone = false;
        login_again(sa, asking, "the peer cannot read a login with a clone: once more without",
                    now);
    }
    if (verdict.outcome != IKE_OK && sa->life != IKE_DEAD)
        sa_down(sa, verdict.outcome, now);
    return verdict;
}

static struct verdict login_agreed(struct sa *sa, struct asking *asking, nanos now)
{
    (void)asking;
    bool init = sa->login->phase == LOGIN_WAITS_INIT;
    struct verdict verdict = init ? login_init_keys(sa, now) : login_through(sa, now);
    if (verdict.kind == VERDICT_DONE && sa->login != NULL && sa->life != IKE_DEAD)
        sa_down(sa, verdict.outcome, now);
    return verdict;
}

const struct exchange_ops exchange_login = {.what = "login",
                                            .exchange = WIRE_IKE_SA_INIT,
                                            .group = login_group,
                                            .ask = login_ask,
                                            .answered = login_answered,
                                            .agreed = login_agreed};
