/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/login/login.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "ike/core/keymat.h"
#include "ike/login/combined.h"
#include "ike/login/early_request.h"
#include "ike/terms/identity.h"

struct login *login_new(struct sa *sa, struct ike_conn *conn)
{
    struct login *login = calloc(1, sizeof(*login));
    if (login == NULL)
        return NULL;
    login->conn = ike_conn_ref(conn);
    login->sa = sa;
    sa->login = login;
    return login;
}

struct login *login_free(struct ike *ike, struct login *login)
{
    if (login == NULL)
        return NULL;
    if (login->half_open.buckets[0] != NULL) {
        half_open_remove(&ike->half_open, &login->half_open);
        ike->stats.half_open--;
    }
    if (login->request_key != 0)
        (void)map_take(&ike->logins_by_request, login->request_key);
    ke_free(login->ke);
    combined_release(login);
    early_free(login->early[0]);
    early_free(login->early[1]);
    ike_conn_unref(login->conn);
    free(login->init_request);
    free(login->init_response);
    if (login->chain != NULL)
        wipe(login->chain, login->n_chain);
    free(login->chain);
    wipe(login, sizeof(*login));
    free(login);
    return NULL;
}

static int start(struct ike *ike, struct ike_conn *conn, const struct ike_path *path,
                 const struct intent *intent, ike_session_id replaces, nanos now)
{
    struct sa *sa = sa_new(ike, IKE_SA_INITIATOR, path, now);
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
        .give_up_ns = command->give_up_ns,
        .clone = command->clone,
        .packet = command->packet,
    };
    if (command->child != NULL)
        (void)snprintf(intent.child_name, sizeof(intent.child_name), "%s", command->child);
    return start(ike, conn, &command->path, &intent, command->replaces, now);
}

static bool remote_matches(const struct ike_remote *remotes, uint8_t n,
                           const struct address *address, unsigned *ret_rank)
{
    *ret_rank = 1;
    if (n == 0)
        return true;
    bool found = false;
    for (uint8_t i = 0; i < n; i++) {
        /* a name is resolved for connecting; for a peer that comes to us it is as %any */
        bool any = remotes[i].range.first.family == ADDRESS_NONE;
        if (any) {
            found = true;
        } else if (range_contains(&remotes[i].range, address)) {
            *ret_rank = 2;
            return true;
        }
    }
    return found;
}

unsigned login_conn_rank(const struct ike_conn *conn, const struct ike_path *path)
{
    unsigned local, remote;
    if (!remote_matches(conn->local_addrs, conn->n_local_addrs, &path->local.address, &local) ||
        !remote_matches(conn->remote_addrs, conn->n_remote_addrs, &path->remote.address, &remote))
        return 0;
    return 2 * remote + local;
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

/* --- jobs --- */

/* keep - a copy of `octets` behind what is in `w`. */
static struct span keep(struct writer *w, struct span octets)
{
    uint8_t *at = w->buf + w->len;
    write_bytes(w, octets);
    return span_of(at, octets.len);
}

/* emit_auth_job - the AUTH of one side, with copies of all octets that it covers. */
static int emit_auth_job(struct sa *sa, enum ike_event_kind kind, bool of_initiator,
                         struct span id_body, const struct wire_auth *auth)
{
    struct login *login = sa->login;
    struct span message = of_initiator ? span_of(login->init_request, login->n_init_request)
                                       : span_of(login->init_response, login->n_init_response);
    struct span nonce =
        of_initiator ? span_of(login->nr, login->n_nr) : span_of(login->ni, login->n_ni);
    struct span sk_p = sa_sk_p(sa, of_initiator),
                data = auth == NULL ? (struct span){0} : auth->data;
    size_t total = message.len + nonce.len + sk_p.len + id_body.len + data.len;
    uint8_t *all = malloc(total);
    if (all == NULL)
        return ERR_NO_MEMORY;
    struct writer w = writer_of(all, total);
    struct ike_event *event = event_sa(sa, kind);
    event_octets(sa->ike, all, total);
    event->job = job_add(sa, kind, 0);
    const struct ike_auth_policy *policy =
        kind == IKE_EV_AUTH_SIGN ? &login->conn->local[0] : &login->conn->remote[0];
    event->auth = (struct ike_auth_job){
        .method = policy->method,
        .credentials = policy->credentials,
        .policy = policy,
        .conn = login->conn->name,
        .local_id = login->local_id,
        .remote_id = login->remote_id,
        .octets = {.prf = sa->prf,
                   .message = keep(&w, message),
                   .nonce = keep(&w, nonce),
                   .sk_p = keep(&w, sk_p),
                   .id_body = keep(&w, id_body)},
        .auth_method = auth == NULL ? 0 : auth->method,
        .auth = keep(&w, data),
    };
    return 0;
}

int login_sign(struct sa *sa)
{
    uint8_t body[4 + LIMIT_ID];
    const struct ike_id *id = &sa->login->local_id;
    struct writer w = writer_of(body, sizeof(body));
    write_u8(&w, id->type);
    write_zeros(&w, 3);
    write_bytes(&w, span_of(id->data, id->len));
    return emit_auth_job(sa, IKE_EV_AUTH_SIGN, sa_original_initiator(sa), writer_span(&w), NULL);
}

int login_verify(struct sa *sa, struct span peer_id_body, const struct wire_auth *auth)
{
    return emit_auth_job(sa, IKE_EV_AUTH_VERIFY, !sa_original_initiator(sa), peer_id_body, auth);
}

static void signing_failed(struct sa *sa, nanos now)
{
    struct verdict verdict = verdict_done(IKE_NO_SECRET);
    if (sa_original_initiator(sa)) {
        exchange_resume(sa, verdict, now);
        sa_down(sa, IKE_NO_SECRET, now);
    } else {
        login_auth_verified(sa, ERR_NOT_FOUND, now);
    }
}

void login_job_done(struct sa *sa, enum ike_event_kind kind, const struct ike_result *result,
                    nanos now)
{
    struct login *login = sa->login;
    if (login == NULL || sa->life != IKE_AUTHENTICATING)
        return;
    sa_touch(sa);
    switch ((int)kind) {
    case IKE_EV_AUTH_SIGN:
        if (result->error != 0 || result->auth.len == 0 || result->auth.len > LOGIN_AUTH_MAX) {
            signing_failed(sa, now);
            return;
        }
        login->n_auth = (uint16_t)result->auth.len;
        memcpy(login->auth, result->auth.ptr, result->auth.len);
        login_auth_signed(sa, now);
        break;
    case IKE_EV_AUTH_VERIFY: login_auth_verified(sa, result->error, now); break;
    case IKE_EV_LEASE: login_auth_leased(sa, result, now); break;
    default: ASSERT_NEVER("a job that is not of a login");
    }
}

void login_lease_orphaned(struct ike *ike, const struct job *job)
{
    /* The session that asked is gone, and with it the way to name the lease: the session id was in
     * the job's event, so the pools release by it. */
    struct ike_event *event = event_add(ike, IKE_EV_LEASE_RELEASE);
    event->session = job->session;
}

/* --- our side, as one intent of two steps --- */

void login_cancel_sa(struct sa *sa, nanos now)
{
    struct asking *asking = sa->asking;
    if (sa->life != IKE_AUTHENTICATING || asking == NULL || !window_busy(&sa->mine)) {
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

static enum ike_outcome ask(struct sa *sa, struct asking *asking, struct wire_builder *request,
                            nanos now)
{
    (void)now;
    asking->path = sa->path;
    if (asking->step == 0) {
        asking->exchange = WIRE_IKE_SA_INIT;
        return login_ask_init(sa, request);
    }
    asking->exchange = WIRE_IKE_AUTH;
    return login_ask_auth(sa, request);
}

/*
 * again_without - the peer announced the extension and yet cannot read what we made of it: once
 * more from the start, without the clone. The wish of the caller goes along.
 */
static void again_without(struct sa *sa, struct asking *asking, nanos now)
{
    struct login *login = sa->login;
    struct intent intent = asking->intent;
    struct ike_path path = sa->path;
    ike_session_id replaces = login->replaces;
    if (path.local.port == 4500 && path.remote.port == 4500)
        path.local.port = path.remote.port = 0;
    intent.clone = false;
    if (start(sa->ike, login->conn, &path, &intent, replaces, now) != 0)
        return;
    event_notice(sa, "the peer cannot read a login with a clone: once more without");
    asking->intent.tag = 0; /* answered there */
}

static struct verdict answered(struct sa *sa, struct asking *asking,
                               const struct wire_message *response, const struct ike_path *from,
                               nanos now)
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
    struct verdict verdict = asking->step == 0 ? login_init_answered(sa, response, from, now)
                                               : login_auth_answered(sa, response, now);
    if (verdict.kind == VERDICT_DONE && verdict.notify == N_INVALID_SYNTAX && asking->step == 1 &&
        sa->login->group != NULL)
        again_without(sa, asking, now);
    if (verdict.kind == VERDICT_DONE && verdict.outcome != IKE_OK && sa->life != IKE_DEAD)
        sa_down(sa, verdict.outcome, now);
    return verdict;
}

const struct exchange_ops exchange_login = {
    .what = "login", .exchange = WIRE_IKE_SA_INIT, .ask = ask, .answered = answered};
