/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IKE_AUTH of the Gateway; the messages are drawn in login_ask.c.
 *
 * Each request goes through the same steps: the peer's proof is checked (a job for AUTH or EAP);
 * after the last proof a job admits the session, which begins and leases addresses; our own round is
 * signed; the response leaves. answer_step() finds the next step from the state of the login. A session, a
 * lease, a Child SA or a clone exists only after the last AUTH of the peer is verified.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/secret.h"
#include "crypto/prf.h"
#include "ike/core/answer.h"
#include "ike/exchanges/child_terms.h"
#include "ike/exchanges/cp.h"
#include "ike/exchanges/mobike.h"
#include "ike/login/combined.h"
#include "ike/login/login_choose.h"
#include "ike/login/login_eap.h"
#include "ike/login/login_outcome.h"
#include "ike/login/login_ppk.h"
#include "ike/login/login_rounds.h"
#include "ike/login/resumption.h"
#include "ike/terms/identity.h"

static struct answering reply_of(struct sa *sa, struct wire_builder *reply, nanos now)
{
    *reply = wire_builder_of(sa->ike->build, LIMIT_IKE_MESSAGE);
    return (struct answering){
        .path = &sa->login->answer_path,
        .message_id = sa->login->message_id,
        .exchange = WIRE_IKE_AUTH,
        .now = now,
        .reply = reply,
    };
}

/* --- refusals --- */

static void notice_refusal(struct sa *sa, const char *why)
{
    char peer[IDENTITY_TEXT_MAX];
    event_refused(sa, identity_print(&sa->login->remote_id, peer), why);
}

/* refuse - RFC 7296 section 2.21.2: refuses in the response, and the IKE SA ends. */
static void refuse(struct sa *sa, uint16_t notify, const char *why, nanos now)
{
    struct wire_builder reply;
    struct answering answering = reply_of(sa, &reply, now);
    notice_refusal(sa, why);
    (void)answer_refuse(&answering, notify);
    answer_later_send(sa, &answering);
    if (sa->life != IKE_DEAD)
        sa_down(sa, IKE_PEER_AUTH_FAILED, now);
}

/* refuse_later - AUTH or EAP failed. The refusal leaves after the wait of auth_wait.h, the same for
 * every reason. Until then the IKE SA stays half-open. */
static void refuse_later(struct sa *sa, const char *why, nanos now)
{
    struct login *login = sa->login;
    struct ike *ike = sa->ike;
    notice_refusal(sa, why);
    nanos wait = auth_wait_failed(&ike->auth_wait, ike->hash_key,
                                  &login->answer_path.remote.address, &login->remote_id, now);
    login_phase_set(login, LOGIN_REFUSED);
    login->refuse_at_ns = nanos_after(login->auth_came_ns, wait);
    if (sa->expires_ns <= login->refuse_at_ns)
        sa->expires_ns = nanos_after(login->refuse_at_ns, NANOS_PER_SEC);
    sa_touch(sa);
}

void login_refuse_later(struct sa *sa, const char *why, nanos now)
{
    refuse_later(sa, why, now);
}

/* add_failure - adds EAP-Failure: the packet of the method, or one of our own. */
static void add_failure(const struct login_eap *eap, struct wire_builder *reply)
{
    const uint8_t failure[] = {EAP_FAILURE, eap->identifier, 0, 4};
    wire_add(reply, WIRE_PAYLOAD_EAP,
             eap->n_packet > 0 ? span_of(eap->packet, eap->n_packet)
                               : span_of(failure, sizeof(failure)));
}

void login_refusal_due(struct sa *sa, nanos now)
{
    struct wire_builder reply;
    struct answering answering = reply_of(sa, &reply, now);
    if (login_is_refused(sa)) { /* the refusal was sent, and the IKE SA has stayed long enough */
        sa_down(sa, IKE_PEER_AUTH_FAILED, now);
        return;
    }
    sa->login->refuse_at_ns = 0;
    if (sa->login->eap_refused)
        add_failure(&sa->login->eap, &reply);
    else
        (void)answer_refuse(&answering, N_AUTHENTICATION_FAILED);
    answer_later_send(sa, &answering);
    if (sa->life != IKE_DEAD && !login_refused_stays(sa, now))
        sa_down(sa, IKE_PEER_AUTH_FAILED, now);
}

/* --- the session --- */

/* last_response - the response to this request ends the login. */
static bool last_response(const struct login *login)
{
    if (login->resumption != NULL)
        return login->theirs.over;
    bool confirms = login->eap.stage == LOGIN_EAP_CONFIRMS;
    bool eap_only = !login->ours.over && login_own_policy(login)->method == IKE_AUTH_EAP;
    return login->theirs.over &&
           (login->ours.over || (login_own_last(login) && confirms == eap_only));
}

/* session_resumes - continues the ticket family of the old session. false: no memory. */
static bool session_resumes(struct session *session, const struct login *login, nanos now)
{
    session->ticket = calloc(1, sizeof(*session->ticket));
    if (session->ticket == NULL)
        return false;
    session->ticket->family = login->resumption->ticket.family;
    session->ticket->peer_id = login->remote_id;
    session_family_end(session, now);
    return true;
}

/* ask_session - the peer has proven all rounds: creates its session, and asks whether it begins. ERR_NO_MEMORY. */
static int ask_session(struct sa *sa)
{
    const struct login *login = sa->login;
    struct session *session = session_new(sa->ike, login->conn, IKE_GATEWAY);
    if (session == NULL)
        return ERR_NO_MEMORY;
    session_attach(session, sa);
    session->fragmentation = login->fragmentation;
    session->childless = login->childless;
    session->redirects = login->redirects;
    session->peer_keep_old = login->keep_old;
    session->peer_notify = login->keep_old_notify;
    return login_admit_ask(sa);
}

/* begin_session - the session is admitted, and not established yet. false: the peer was refused. */
static bool begin_session(struct sa *sa, nanos now)
{
    struct login *login = sa->login;
    struct session *session = sa->session;
    struct wire_message first;

    if (login->resumption != NULL && !session_resumes(session, login, now)) {
        sa_down(sa, IKE_LIMIT, now);
        return false;
    }
    login_ppk_audit(sa);
    kept_message_get(&login->first, &first);
    bool alone = wire_notify_has(&first, N_INITIAL_CONTACT);
    session->elder = alone ? 0 : session_elder_find(session, &login->answer_path.remote.address);
    if (login->conn->unique == IKE_UNIQUE_KEEP && !alone && session->elder == 0 &&
        session_duplicate(session)) {
        refuse(sa, N_AUTHENTICATION_FAILED, "it has a session already (unique = keep)", now);
        return false;
    }
    if (!alone && session_peer_full(session)) {
        refuse(sa, N_AUTHENTICATION_FAILED, "it has max_sessions sessions already", now);
        return false;
    }
    /* RFC 4555 section 3.9: the peer forbids NATs, and a NAT is on the path. */
    uint16_t refusal =
        login->conn->mobike ? mobike_refusal(sa, &first, &login->answer_path, false) : 0;
    if (refusal != 0) {
        refuse(sa, refusal, "it forbids NATs, and its addresses were changed", now);
        return false;
    }
    if (alone) /* before the lease, so the peer can get its previous address again */
        session_initial_contact(session, now);
    return true;
}

/* ask_lease - emits the job. false: the peer asks for no address, or we have none to give. */
static bool ask_lease(struct sa *sa)
{
    struct login *login = sa->login;
    struct ike_lease_job lease = {0};
    struct wire_message first;
    kept_message_get(&login->first, &first);
    const struct wire_payload *cp = wire_find(&first, WIRE_PAYLOAD_CP, NULL);
    if (cp == NULL || login->conn->n_pools == 0 || !cp_request_read(cp->body, &lease) ||
        lease.n_requested == 0)
        return false;
    lease.conn = sa->session->conn;
    lease.identity = sa->session->remote_id;
    lease.grant = sa->session->grant;
    lease.beside = sa->session->elder;
    struct ike_event *event = event_job(sa, IKE_EV_LEASE, 0, (struct span){0});
    login->lease_failed = event == NULL;
    if (event == NULL)
        return false; /* no memory: treated like an empty pool */
    event->lease = lease;
    login_phase_set(login, LOGIN_WAITS_LEASE);
    return true;
}

/* --- each response --- */

static void add_proof(struct sa *sa, struct wire_builder *reply)
{
    struct login *login = sa->login;
    const struct login_outgoing *out = &login->out;
    if (out->id)
        wire_add_id(reply, WIRE_PAYLOAD_IDr, login->local_id.type,
                    span_of(login->local_id.data, login->local_id.len));
    if (out->auth)
        login_proof_add(login, reply);
    if (out->eap)
        wire_add(reply, WIRE_PAYLOAD_EAP, span_of(login->eap.packet, login->eap.n_packet));
    if (login->ppk.mixed && !login->ppk.told) /* RFC 8784 section 3 */
        wire_add_notify(reply, N_PPK_IDENTITY, (struct span){0});
    login->ppk.told = login->ppk.mixed;
    if (out->id && out->auth && !login_own_last(login)) /* RFC 4739 section 2.1 */
        wire_add_notify(reply, N_ANOTHER_AUTH_FOLLOWS, (struct span){0});
}

/* own_round_sent - a response was sent that proves a round of ours, or confirms EAP. */
static void own_round_sent(struct sa *sa)
{
    struct login *login = sa->login;
    bool confirmed = login->eap.stage == LOGIN_EAP_CONFIRMS;
    bool proven =
        login->out.auth && (login->out.id || login_own_policy(login)->method == IKE_AUTH_EAP);
    if (confirmed)
        login_eap_end(sa->ike, login);
    if (proven)
        login->own_id_sent = false;
    if (proven && login_own_last(login))
        login->ours.over = true;
    else if (proven)
        login->ours.round++;
}

static void respond(struct sa *sa, nanos now)
{
    struct login *login = sa->login;
    struct wire_builder reply;
    struct answering answering = reply_of(sa, &reply, now);
    sa->path = login->answer_path; /* the request may have come from port 4500 */
    add_proof(sa, &reply);
    if (last_response(login)) {
        login_outcome_send(sa, &answering);
        return;
    }
    uint32_t expected = sa->theirs.next_id;
    own_round_sent(sa);
    login_phase_set(login, LOGIN_WAITS_AUTH);
    answer_later_send(sa, &answering);
    if (sa->theirs.next_id == expected) /* no memory for the response, but the state has changed */
        sa_down(sa, IKE_LIMIT, now);
}

/* own_round_due - this response begins a round of ours, unless it holds AUTH by the key of EAP. */
static bool own_round_due(const struct login *login)
{
    return !login->ours.over && !login->out.id && !login->out.auth &&
           login->eap.stage != LOGIN_EAP_CONFIRMS && !login->own_id_sent;
}

/* begin_own_round - true: emitted a job for our AUTH. */
static bool begin_own_round(struct sa *sa)
{
    struct login *login = sa->login;
    login->out.id = true;
    if (login_own_policy(login)->method == IKE_AUTH_EAP) {
        login->own_id_sent = true; /* RFC 5998: AUTH comes when EAP is over */
        return false;
    }
    login_phase_set(login, LOGIN_WAITS_SIGN);
    return true;
}

/* answer_step - takes the next step of the current request. After the last step the response
 * leaves. */
static void answer_step(struct sa *sa, nanos now)
{
    struct login *login = sa->login;
    int error = 0;
    if (login->resumption != NULL && login->resumption->over) {
        refuse(sa, N_AUTHENTICATION_FAILED, "its session ticket ended meanwhile", now);
        return;
    }
    if (last_response(login) && sa->session == NULL) {
        if (ask_session(sa) != 0)
            sa_down(sa, IKE_LIMIT, now);
        return;
    }
    if (login->eap.stage == LOGIN_EAP_CONFIRMS && !login->out.auth) {
        login->out.auth = true;
        error = login_proof_key(sa) ? 0 : ERR_CRYPTO;
    }
    if (error == 0 && own_round_due(login)) {
        error = login_own_id(sa);
        if (error == 0 && begin_own_round(sa)) {
            error = login_sign(sa);
            if (error == 0)
                return;
        }
    }
    if (error == 0 && login->eap_due) {
        login->eap_due = false;
        login_patience(sa, now); /* the user may have to type before the first Response */
        login_phase_set(login, LOGIN_WAITS_EAP);
        error = login_eap_begin(sa);
        if (error == 0)
            return;
    }
    if (error == 0 && last_response(login) && ticket_due(sa) && ticket_ask(sa) == 0)
        return; /* without memory the peer gets TICKET_NACK */
    if (error != 0)
        sa_down(sa, IKE_LIMIT, now);
    else
        respond(sa, now);
}

/* --- the request --- */

/* conn_choose - chooses the connection at the first request. false: the peer was refused. */
static bool conn_choose(struct sa *sa, const struct login_claim *claim, nanos now)
{
    struct login *login = sa->login;
    struct ike_conn *conn = login_choose(sa, claim);
    if (conn == NULL) {
        struct login_claim any = *claim;
        any.any_auth = true;
        refuse_later(sa,
                     login_choose(sa, &any) == NULL
                         ? "no connection for its identity, address and algorithms"
                         : "it does not authenticate as the connection demands",
                     now);
        return false;
    }
    login_take(login, conn);
    if (!login->ppk.agreed && conn->ppk_required) {
        refuse_later(sa, "a PPK is required, and it does not use PPKs", now);
        return false;
    }
    /* before our first round begins: its secret depends on our identity, which the session keeps */
    if (login_own_id(sa) == 0)
        return true;
    refuse_later(sa, "we have no identity for it", now);
    return false;
}

/* conn_fits - checks a later request against the connection. If it does not fit, the login switches
 * to the next connection that does. false: no connection fits, and the peer was refused. */
static bool conn_fits(struct sa *sa, const struct login_claim *claim, nanos now)
{
    static const char why[] = "it does not authenticate as the connection demands"; /* A17 */
    if (login_claim_fits(sa, claim) || login_next(sa, claim, why))
        return true;
    refuse_later(sa, why, now);
    return false;
}

static enum answer_verdict fail(struct answering *answering, uint16_t notify)
{
    answer_refuse(answering, notify);
    answering->fatal = true; /* RFC 7296 section 2.21.2: an error here ends the IKE SA */
    return ANSWER_SEND;
}

static enum answer_verdict fail_auth(struct sa *sa, const char *why, nanos now)
{
    refuse_later(sa, why, now);
    return ANSWER_LATER;
}

/* peer_round_over - the proof of the peer's round is verified. */
static void peer_round_over(struct login *login)
{
    if (login_peer_last(login))
        login->theirs.over = true;
    else
        login->theirs.round++;
}

/* check_confirmation - verifies AUTH by the key of EAP (RFC 7296 section 2.16). */
static void check_confirmation(struct sa *sa, const struct wire_auth *auth, nanos now)
{
    struct login *login = sa->login;
    uint8_t own[AUTH_OCTETS_PRF] = {0};
    size_t len = crypto_prf_find(sa->prf)->len;
    bool same = login_shared_auth(sa, false, own) == 0 && auth->method == AUTH_SHARED_KEY &&
                auth->data.len == len && ct_equal(auth->data.ptr, own, len);
    wipe(own, sizeof(own));
    if (!same) {
        refuse_later(sa, "its AUTH is not made with the key of EAP", now);
        return;
    }
    login->eap.stage = LOGIN_EAP_CONFIRMS;
    peer_round_over(login);
    answer_step(sa, now);
}

/* verify_begin - a full table must not end a login before its verification has a result. The same
 * AUTH may be verified for several connections, one after the other. */
static void verify_begin(struct sa *sa, nanos now)
{
    nanos least = nanos_min(nanos_after(now, LOGIN_VERIFY_NS),
                            nanos_after(sa->login->auth_came_ns, 2 * LOGIN_VERIFY_NS));
    login_phase_set(sa->login, LOGIN_WAITS_VERIFY);
    if (sa->expires_ns < least)
        sa->expires_ns = least;
    sa_touch(sa);
}

/* check_auth - verifies the AUTH payload of the current request. ERR_NO_MEMORY. */
static int check_auth(struct sa *sa, nanos now)
{
    struct login *login = sa->login;
    struct wire_message request;
    struct wire_auth auth;
    kept_message_get(&login->message, &request);
    bool readable = wire_auth_read(wire_find(&request, WIRE_PAYLOAD_AUTH, NULL)->body, &auth);
    ASSERT(readable); /* read_request() found it readable */
    auth.data = login_ppk_auth(login, &request, auth.data);
    if (login->eap.stage == LOGIN_EAP_PROVEN) {
        check_confirmation(sa, &auth, now);
        return 0;
    }
    verify_begin(sa, now);
    return login_verify(sa, &auth);
}

/* read_auth - reads the AUTH payload of the request, which proves a round once its PPK is mixed
 * in. */
static enum answer_verdict read_auth(struct sa *sa, nanos now)
{
    struct login *login = sa->login;
    int error = ERR_NO_MEMORY;
    switch (login_ppk_read(sa)) {
    case LOGIN_PPK_ASKED: login_phase_set(login, LOGIN_WAITS_PPK); return ANSWER_LATER;
    case LOGIN_PPK_REFUSED: return fail_auth(sa, login->ppk.why, now);
    case LOGIN_PPK_NONE: error = check_auth(sa, now); break;
    case LOGIN_PPK_FAILED: break;
    }
    if (error == 0)
        return ANSWER_LATER;
    login_phase_set(login, LOGIN_WAITS_AUTH); /* no memory: the peer repeats the request */
    return ANSWER_SILENT;
}

/* read_round - reads IDi of a round, and AUTH unless EAP proves the round. */
static enum answer_verdict read_round(struct sa *sa, struct answering *answering)
{
    struct login *login = sa->login;
    const struct wire_message *request = answering->request;
    const struct wire_payload *payload = wire_find(request, WIRE_PAYLOAD_IDr, NULL);
    struct wire_id wire;
    struct ike_id idr;
    if (!login_peer_id(login, wire_find(request, WIRE_PAYLOAD_IDi, NULL)) ||
        (payload != NULL &&
         (!wire_id_read(payload->body, &wire) || !identity_from_wire(&wire, &idr))))
        return fail(answering, N_INVALID_SYNTAX);
    const struct login_claim claim = login_claim_read(login, request);
    if (login->chosen ? !conn_fits(sa, &claim, answering->now)
                      : !conn_choose(sa, &claim, answering->now))
        return ANSWER_LATER;
    if (!claim.auth) {
        login->eap.stage = LOGIN_EAP_TALKS;
        login->eap_due = true;
        answer_step(sa, answering->now);
        return ANSWER_LATER;
    }
    return read_auth(sa, answering->now);
}

/* read_confirmation - reads AUTH by the key of EAP, which tells whether a further round follows. */
static enum answer_verdict read_confirmation(struct sa *sa, const struct answering *answering)
{
    const struct login_claim claim = login_claim_read(sa->login, answering->request);
    return conn_fits(sa, &claim, answering->now) ? read_auth(sa, answering->now) : ANSWER_LATER;
}

static enum answer_verdict read_eap(struct sa *sa, struct answering *answering)
{
    const struct wire_payload *eap = wire_find(answering->request, WIRE_PAYLOAD_EAP, NULL);
    login_patience(sa, answering->now);
    login_phase_set(sa->login, LOGIN_WAITS_EAP);
    struct span packet = eap == NULL ? (struct span){0} : eap->body;
    bool anew = login_hear(sa, &packet);
    if ((anew ? login_eap_anew(sa) : login_eap_recv(sa, packet)) == LOGIN_EAP_ASKED)
        return ANSWER_LATER;
    notice_refusal(sa, "its EAP packet is not one that can come now");
    return fail(answering, N_INVALID_SYNTAX);
}

/* in_order - the login waits for a request of this kind. */
static bool in_order(const struct login *login, enum message_kind kind)
{
    if (login->theirs.over)
        return kind == MESSAGE_AUTH_NEXT; /* our own rounds continue */
    switch (login->eap.stage) {
    case LOGIN_EAP_NONE: return kind == MESSAGE_AUTH_ROUND || kind == MESSAGE_AUTH_ROUND_BY_EAP;
    case LOGIN_EAP_TALKS: return kind == MESSAGE_AUTH_EAP;
    case LOGIN_EAP_PROVEN: return kind == MESSAGE_AUTH_CONFIRM;
    case LOGIN_EAP_CONFIRMS: return false;
    }
    return false;
}

bool login_request_fits(const struct sa *sa, const struct answering *answering)
{
    struct wire_message own, group;
    return message_split(answering->request, combined_number(sa->login), &own, &group) &&
           message_rules_fit(answering->kind, &own) &&
           (wire_find(&own, WIRE_PAYLOAD_SA, NULL) == NULL || child_request_readable(&own));
}

/* request_keep - keeps the request for its jobs, and the group of the request with the last AUTH.
 * false: a group in another request (docs/protocol.md section 6), or no memory. */
static bool request_keep(struct login *login, const struct wire_message *request, bool auth)
{
    struct wire_message own, group;
    bool last = auth && !wire_notify_has(request, N_ANOTHER_AUTH_FOLLOWS);
    if (!message_split(request, combined_number(login), &own, &group) || (group.n > 0 && !last))
        return false;
    return kept_message_set(&login->message, &own) &&
           (login->first.octets != NULL || kept_message_set(&login->first, &own)) &&
           (!last || kept_message_set(&login->group_message, &group));
}

static enum answer_verdict read_request(struct sa *sa, struct answering *answering)
{
    struct login *login = sa->login;
    const struct wire_message *request = answering->request;
    const struct wire_payload *payload = wire_find(request, WIRE_PAYLOAD_AUTH, NULL);
    struct wire_auth auth = {0};
    if ((payload != NULL && !wire_auth_read(payload->body, &auth)) ||
        !in_order(login, answering->kind) || !request_keep(login, request, payload != NULL))
        return fail(answering, N_INVALID_SYNTAX);
    if (login->resumption != NULL && !login->theirs.over)
        return resumption_answer(sa, answering, payload == NULL ? NULL : &auth);
    if (!login->chosen)
        login_peer_read(login, request);
    if (login->theirs.over) {
        answer_step(sa, answering->now);
        return ANSWER_LATER;
    }
    if (login->eap.stage == LOGIN_EAP_TALKS)
        return read_eap(sa, answering);
    if (login->eap.stage == LOGIN_EAP_PROVEN)
        return read_confirmation(sa, answering);
    return read_round(sa, answering);
}

enum answer_verdict answer_auth(struct sa *sa, struct answering *answering)
{
    struct login *login = sa->login;
    if (login_is_refused(sa))
        return answer_refuse(answering, N_AUTHENTICATION_FAILED);
    login->out = (struct login_outgoing){0};
    login->message_id = answering->message_id;
    login->answer_path = *answering->path;
    login->auth_came_ns = answering->now;
    sa->answering_later = true; /* the response may leave within this call */
    enum answer_verdict verdict = read_request(sa, answering);
    if (verdict == ANSWER_LATER && !sa->answering_later)
        return ANSWER_SILENT; /* it has left */
    if (verdict != ANSWER_LATER)
        sa->answering_later = false;
    return verdict;
}

/* --- the jobs --- */

static void ppk_mixed(struct sa *sa, const struct ike_result *result, nanos now)
{
    bool mixed = login_ppk_mixed(sa, result);
    if (mixed)
        login_ppk_apply(sa);
    if (!mixed && result->error == ERR_NOT_FOUND && login_ppk_unknown(sa) == LOGIN_PPK_REFUSED)
        refuse_later(sa, sa->login->ppk.why, now);
    else if ((!mixed && result->error != ERR_NOT_FOUND) || check_auth(sa, now) != 0)
        sa_down(sa, IKE_LIMIT, now); /* a fault here must not lead to a login without the PPK */
}

/* demands_more - the proof has the identity that the connection demands. So the connection makes
 * another demand that is not met, and connections with the same policy are skipped. */
static bool demands_more(const struct login *login, const struct ike_proof *proof)
{
    return proof == NULL ||
           login_eap_identity_fits(login_peer_policy(login), &login->remote_id, proof);
}

/* ask_for_next - checks the same proof, by AUTH or by EAP, against the policy of the next
 * connection. false: no connection is left. */
static bool ask_for_next(struct sa *sa, const struct ike_result *result, const char *why, nanos now)
{
    struct wire_message request;
    kept_message_get(&sa->login->message, &request);
    struct login_claim claim = login_claim_read(sa->login, &request);
    bool eap = sa->login->eap.stage == LOGIN_EAP_TALKS;
    claim.proof = eap ? &result->proof : NULL;
    if (demands_more(sa->login, claim.proof))
        login_unfit(sa->login);
    if (!login_next(sa, &claim, why))
        return false;
    if ((eap ? login_eap_again(sa) : check_auth(sa, now)) != 0)
        sa_down(sa, IKE_LIMIT, now);
    return true;
}

static void verified(struct sa *sa, const struct ike_result *result, nanos now)
{
    struct login *login = sa->login;
    if (result->error != 0 || !login_proven(login, &result->proof, now)) {
        const char *why = result->reason != NULL           ? result->reason
                          : result->error == ERR_NOT_FOUND ? "no secret for this pair of identities"
                                                           : "its secret is another one";
        if (!result->unfit || !ask_for_next(sa, result, why, now))
            refuse_later(sa, why, now);
        return;
    }
    peer_round_over(login);
    answer_step(sa, now);
}

static void eap_said(struct sa *sa, const struct ike_result *result, nanos now)
{
    const char *why = result->reason != NULL ? result->reason : "EAP failed";
    if (result->error == 0 && result->unfit && result->eap_state == IKE_EAP_FAILURE &&
        ask_for_next(sa, result, why, now))
        return;
    if (login_eap_said(sa, result, now) == LOGIN_EAP_REFUSES) {
        sa->login->eap_refused = true;
        refuse_later(sa, why, now);
        return;
    }
    sa->login->out.eap = true;
    answer_step(sa, now);
}

/* admitted - a refusal here is an error of ours in the steps before (daemon/engine/proofs.h). */
static void admitted(struct sa *sa, const struct ike_result *result, nanos now)
{
    if (result->error != 0)
        refuse(sa, N_AUTHENTICATION_FAILED, "nothing but the IKE core says that it is proven", now);
    else if (begin_session(sa, now) && !ask_lease(sa))
        answer_step(sa, now);
}

static void leased(struct sa *sa, const struct ike_result *result, nanos now)
{
    if (result->error == 0) {
        sa->session->config = result->config;
        sa->session->leased = true;
    } else {
        sa->login->lease_failed = true;
    }
    answer_step(sa, now);
}

static void signed_by(struct sa *sa, const struct ike_result *result, nanos now)
{
    if (result->error != 0 || !login_proof_keep(sa->login, result)) {
        refuse_later(
            sa, result->reason != NULL ? result->reason : "no secret for this pair of identities",
            now);
        return;
    }
    sa->login->out.auth = true;
    answer_step(sa, now);
}

static void used(struct sa *sa, const struct ike_result *result, nanos now)
{
    if (result->error != 0)
        refuse_later(
            sa, result->reason != NULL ? result->reason : "its session ticket does not count", now);
    else if (resumption_used(sa, &result->proof))
        answer_step(sa, now);
    else
        sa_down(sa, IKE_LIMIT, now);
}

void login_answer_job_done(struct sa *sa, enum ike_event_kind kind, const struct ike_result *result,
                           nanos now)
{
    switch ((int)kind) {
    case IKE_EV_AUTH_SIGN: signed_by(sa, result, now); break;
    case IKE_EV_PPK: ppk_mixed(sa, result, now); break;
    case IKE_EV_AUTH_VERIFY: verified(sa, result, now); break;
    case IKE_EV_EAP: eap_said(sa, result, now); break;
    case IKE_EV_ADMIT: admitted(sa, result, now); break;
    case IKE_EV_LEASE: leased(sa, result, now); break;
    case IKE_EV_TICKET_USE: used(sa, result, now); break;
    case IKE_EV_TICKET_SEAL:
        ticket_sealed(sa, result);
        answer_step(sa, now);
        break;
    default: ASSERT_NEVER("a job that is not of a login");
    }
}
