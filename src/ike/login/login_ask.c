/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IKE_AUTH of the End User (RFC 7296 sections 1.2 and 2.16; RFC 4555, 4739, 5998, 6023, 7791,
 * 8784):
 *
 *   HDR, SK{IDi, [CERT+,] [N(INITIAL_CONTACT),] [CERTREQ,] [IDr,] [AUTH,] [CP(CFG_REQUEST),]
 *           [SAi2, TSi, TSr,] N(MOBIKE_SUPPORTED), N(ADDITIONAL_IP*_ADDRESS)*, ...}          -->
 *                            <--  HDR, SK{IDr, [CERT+,] AUTH, [EAP,] ...}
 *   ... further rounds: EAP, AUTH by its key, or IDi, [CERT+,] AUTH ...
 *                            <--  HDR, SK{[AUTH,] [CP(CFG_REPLY),] [SAr2, TSi, TSr,] ...}
 *
 * At the end of the request with our last AUTH, and of the last response, a clone may follow
 * (combined.c).
 *
 * A response waits in login->message for the jobs: the Gateway's AUTH is verified before EAP goes
 * on, so that no secret reaches a Gateway that has not proven its identity.
 */
#include "base/assert.h"
#include "base/secret.h"
#include "crypto/prf.h"
#include "ike/core/seal.h"
#include "ike/exchanges/auth_lifetime.h"
#include "ike/exchanges/child_terms.h"
#include "ike/exchanges/cp.h"
#include "ike/exchanges/ordered_esp_terms.h"
#include "ike/login/combined.h"
#include "ike/login/early_request.h"
#include "ike/login/login_abilities.h"
#include "ike/login/login_eap.h"
#include "ike/login/login_ppk.h"
#include "ike/login/login_rounds.h"
#include "ike/login/redirect.h"
#include "ike/login/resumption.h"
#include "ike/terms/identity.h"

static const struct verdict later = {.kind = VERDICT_LATER}, next = {.kind = VERDICT_NEXT};

/* --- the request --- */

static bool wants_child(const struct sa *sa)
{
    const struct session *session = sa->session;
    const struct ike_conn *conn = session->conn;
    bool childless = conn->childless == IKE_CHILDLESS_FORCE ||
                     (conn->childless == IKE_CHILDLESS_PREFER && session->childless);
    return conn->n_children > 0 && !childless && !sa->login->alone;
}

static bool first_contact(const struct sa *sa)
{
    if (sa->session->conn->unique == IKE_UNIQUE_NEVER || sa->login->replaces != 0)
        return false;
    for (const struct session *other = sa->ike->sessions; other != NULL; other = other->next)
        if (other->established && identity_equal(&other->local_id, &sa->login->local_id) &&
            identity_equal(&other->remote_id, &sa->login->remote_id))
            return false;
    return true;
}

static void add_child(struct sa *sa, struct wire_builder *request)
{
    struct login *login = sa->login;
    const struct ike_child_policy *policy = child_policy_find(login->conn, login->child);
    struct ike_ts_list local, remote;
    if (!wants_child(sa) || policy == NULL)
        return;
    login->spi_in = child_spi_new(sa->ike);
    child_ts_own(sa, policy, &local);
    child_ts_peer(sa, policy, &remote);
    login->transport = child_transport_offer(sa, policy, &local, &remote, request);
    child_ts_packet(sa, policy, &login->packet, &local, &remote);
    child_offer_sa(policy, login->spi_in, false, request);
    child_offer_ts(&local, &remote, request);
    ordered_esp_offer(sa, request);
}

/* add_terms - adds the payloads that concern the login as a whole, to the first request behind
 * AUTH. */
static void add_terms(struct sa *sa, struct wire_builder *request)
{
    struct login *login = sa->login;
    const struct ike_conn *conn = login->conn;
    const struct session *old = session_find(sa->ike, login->replaces);
    const struct ike_config *held = login->resumption != NULL ? &login->resumption->held->config
                                    : old == NULL             ? NULL
                                                              : &old->config;
    cp_request_add(conn, held, request);
    add_child(sa, request);
    login_abilities_add(sa, conn, request);
    if (conn->session_tickets != IKE_TICKETS_NO)
        wire_add_notify(request, N_TICKET_REQUEST, (struct span){0});
    if (login->resumption != NULL)
        return;
    login_methods_add(&conn, 1, request);
    if (conn->n_local_rounds + conn->n_remote_rounds > 2)
        wire_add_notify(request, N_MULTIPLE_AUTH_SUPPORTED, (struct span){0});
    if (conn->remote[0].method == IKE_AUTH_EAP) /* RFC 5998 section 3 */
        wire_add_notify(request, N_EAP_ONLY_AUTHENTICATION, (struct span){0});
}

enum ike_outcome login_ask_auth(struct sa *sa, struct wire_builder *request)
{
    struct login *login = sa->login;
    const struct login_outgoing *out = &login->out;
    bool first = login->ours.round == 0 && out->id;

    if (out->id)
        wire_add_id(request, WIRE_PAYLOAD_IDi, login->local_id.type,
                    span_of(login->local_id.data, login->local_id.len));
    /* Section 2.4: only without another IKE SA with this peer. */
    if (first && first_contact(sa))
        wire_add_notify(request, N_INITIAL_CONTACT, (struct span){0});
    if (first && login->resumption == NULL) {
        const struct ike_conn *conn = login->conn;
        login_certreq_add(&conn, 1, request);
    }
    if (first && login->remote_id.type != ID_ANY)
        wire_add_id(request, WIRE_PAYLOAD_IDr, login->remote_id.type,
                    span_of(login->remote_id.data, login->remote_id.len));
    if (out->auth)
        login_proof_add(login, request);
    if (out->eap)
        wire_add(request, WIRE_PAYLOAD_EAP, span_of(login->eap.packet, login->eap.n_packet));
    if (first)
        add_terms(sa, request);
    if (out->auth && login->ppk.offered)
        login_ppk_add(login, request);
    if (out->auth && !login_own_last(login)) /* RFC 4739 section 2.1 */
        wire_add_notify(request, N_ANOTHER_AUTH_FOLLOWS, (struct span){0});
    if (out->auth && login_own_last(login))
        combined_ask(sa, request);
    login_phase_set(login, LOGIN_WAITS_AUTH);
    return IKE_OK;
}

/* --- the next step --- */

static struct verdict failed(enum ike_outcome outcome)
{
    return verdict_done(outcome);
}

/* ask_ppk - emits the job for the PPK. Its result makes AUTH. */
static struct verdict ask_ppk(struct sa *sa)
{
    login_phase_set(sa->login, LOGIN_WAITS_PPK);
    return login_ppk_ask(sa) == 0 ? later : failed(IKE_LIMIT);
}

static struct verdict sign(struct sa *sa)
{
    (void)login_ppk_plain(sa->login);
    login_phase_set(sa->login, LOGIN_WAITS_SIGN);
    return login_sign(sa) == 0 ? later : failed(IKE_LIMIT);
}

/* prove_key - makes our AUTH by the key of EAP. */
static struct verdict prove_key(struct sa *sa)
{
    struct login *login = sa->login;
    if (login_ppk_plain(login) && (!login_proof_key(sa) || !login_ppk_keep_plain(login)))
        return failed(IKE_LIMIT);
    if (!login_proof_key(sa))
        return failed(IKE_LIMIT);
    login->eap.stage = LOGIN_EAP_CONFIRMS;
    login->out.auth = true;
    return next;
}

/* begin_round - begins a round of ours: with AUTH at once, or with EAP, in which the Gateway sends
 * the first packet. */
static struct verdict begin_round(struct sa *sa)
{
    struct login *login = sa->login;
    login->out.id = true;
    if (login_own_id(sa) != 0)
        return failed(IKE_NO_PATH);
    if (login_own_policy(login)->method == IKE_AUTH_EAP) {
        login->eap.stage = LOGIN_EAP_TALKS;
        return next;
    }
    return login_ppk_due(login) ? ask_ppk(sa) : sign(sa);
}

struct verdict login_ask_begin(struct sa *sa, nanos now)
{
    (void)now;
    struct login *login = sa->login;
    if (login->resumption != NULL)
        return resumption_prove(sa) ? next : failed(IKE_LIMIT);
    if (login->conn->n_local_rounds + login->conn->n_remote_rounds > 2 &&
        !login->peer.multiple_auth) {
        event_notice(sa, "the peer does not authenticate in several rounds (RFC 4739)");
        return failed(IKE_PEER_AUTH_FAILED);
    }
    /* RFC 6023 section 3: only if the responder announced it */
    if (login->alone && login->conn->n_children > 0 && !login->childless) {
        event_notice(sa, "the peer creates no IKE SA without a Child SA (RFC 6023)");
        return failed(IKE_PROTOCOL_ERROR);
    }
    return begin_round(sa);
}

/* ask_admit - continues in login_through(). */
static struct verdict ask_admit(struct sa *sa)
{
    return login_admit_ask(sa) == 0 ? later : failed(IKE_LIMIT);
}

/* login_go_on - the response is proven: sends the next request or ends the login. */
static struct verdict login_go_on(struct sa *sa)
{
    struct login *login = sa->login;
    struct login_eap *eap = &login->eap;
    if (login->out.eap)
        return next;
    if (eap->stage == LOGIN_EAP_PROVEN)
        return login_ppk_due(login) ? ask_ppk(sa) : prove_key(sa);
    if (!login->ours.over)
        return begin_round(sa);
    return login->theirs.over ? ask_admit(sa)
                              : next; /* an empty request asks for the Gateway's next round */
}

/* own_round_over - the Gateway continues, so it accepted our proof of this round. */
static void own_round_over(struct login *login)
{
    if (login_own_last(login))
        login->ours.over = true;
    else
        login->ours.round++;
}

static void peer_round_over(struct login *login)
{
    if (login_peer_last(login))
        login->theirs.over = true;
    else
        login->theirs.round++;
}

/* --- the response --- */

/* tell_and_leave - we refuse the peer after it believes that the login succeeded. Sends one
 * INFORMATIONAL request (RFC 7296 section 2.21.2) and waits for no response. */
static void tell_and_leave(struct sa *sa, uint16_t notify)
{
    struct wire_builder request = wire_builder_of(sa->ike->build, LIMIT_IKE_MESSAGE);
    wire_add_notify(&request, notify, (struct span){0});
    struct packet *packet =
        seal_message(sa, &request, WIRE_INFORMATIONAL, SEAL_REQUEST, sa->mine.next_id);
    if (packet != NULL)
        output_packet(sa, packet, &sa->path);
    packet_free(packet);
}

static struct verdict not_accepted(struct sa *sa, enum ike_outcome outcome, uint16_t notify)
{
    tell_and_leave(sa, notify);
    struct verdict verdict = verdict_done(outcome);
    verdict.notify = notify;
    verdict.we_sent_notify = true;
    return verdict;
}

static struct verdict not_proven(struct sa *sa, enum ike_outcome outcome, const char *reason)
{
    char peer[IDENTITY_TEXT_MAX];
    event_notice(sa, "the peer %s is refused: %s", identity_print(&sa->login->remote_id, peer),
                 reason);
    return not_accepted(sa, outcome, N_AUTHENTICATION_FAILED);
}

/* read_eap - reads the EAP packet of the response, after the Gateway's AUTH in it was verified
 * (A19). */
static struct verdict read_eap(struct sa *sa)
{
    struct login *login = sa->login;
    struct wire_message response;
    kept_message_get(&login->message, &response);
    const struct wire_payload *eap = wire_find(&response, WIRE_PAYLOAD_EAP, NULL);
    if ((eap != NULL) != (login->eap.stage == LOGIN_EAP_TALKS))
        return failed(IKE_INVALID_SYNTAX);
    if (eap == NULL)
        return login_go_on(sa);
    login_phase_set(login, LOGIN_WAITS_EAP);
    switch (login_eap_recv(sa, eap->body)) {
    case LOGIN_EAP_ASKED: return later;
    case LOGIN_EAP_FAILED: return failed(IKE_AUTH_FAILED);
    case LOGIN_EAP_BAD: break;
    }
    return failed(IKE_INVALID_SYNTAX);
}

/* check_confirmation - verifies the Gateway's AUTH by the key of EAP (RFC 7296 section 2.16). */
static struct verdict check_confirmation(struct sa *sa, const struct wire_auth *auth)
{
    struct login *login = sa->login;
    uint8_t own[AUTH_OCTETS_PRF];
    size_t len = crypto_prf_find(sa->prf)->len;
    bool same = login_shared_auth(sa, false, own) == 0 && auth->method == AUTH_SHARED_KEY &&
                auth->data.len == len && ct_equal(auth->data.ptr, own, len);
    wipe(own, sizeof(own));
    if (!same)
        return not_proven(sa, IKE_PEER_AUTH_FAILED, "its AUTH is not made with the key of EAP");
    if (login->theirs_eap)
        peer_round_over(login); /* RFC 5998: EAP proves both sides */
    login->theirs_eap = false;
    login_eap_end(sa->ike, login);
    own_round_over(login);
    return read_eap(sa);
}

/* read_round - reads IDr and AUTH of a round of the Gateway. */
static struct verdict read_round(struct sa *sa, const struct wire_message *response,
                                 const struct wire_auth *auth)
{
    struct login *login = sa->login;
    const struct ike_auth_policy *policy = login_peer_policy(login);
    if (!login_peer_id(login, wire_find(response, WIRE_PAYLOAD_IDr, NULL)))
        return failed(IKE_INVALID_SYNTAX);
    if (!login_peer_id_fits(login))
        return not_accepted(sa, IKE_ID_MISMATCH, N_AUTHENTICATION_FAILED);
    if (!login_method_fits(policy->method, auth->method)) /* A17 */
        return not_proven(sa, IKE_PEER_AUTH_FAILED,
                          "it does not authenticate as the connection demands");
    if (wire_notify_has(response, N_ANOTHER_AUTH_FOLLOWS) == login_peer_last(login))
        return not_proven(sa, IKE_PEER_AUTH_FAILED, "its number of rounds is another one");
    login_phase_set(login, LOGIN_WAITS_VERIFY);
    return login_verify(sa, auth) == 0 ? later : failed(IKE_LIMIT);
}

/* round_due - the response must hold a round of the Gateway. Its first response always does; a
 * later one does once our own rounds are over. */
static bool round_due(const struct login *login)
{
    return !login->theirs.over &&
           (login->theirs.round == 0 ? login->eap.stage != LOGIN_EAP_CONFIRMS : login->ours.over);
}

/* refused_by_eap - the response has EAP-Failure, perhaps without a proof of the Gateway. */
static bool refused_by_eap(const struct login *login, const struct wire_message *response)
{
    const struct wire_payload *eap = wire_find(response, WIRE_PAYLOAD_EAP, NULL);
    struct wire_eap wire;
    return login->eap.stage == LOGIN_EAP_TALKS && eap != NULL && wire_eap_read(eap->body, &wire) &&
           wire.code == EAP_FAILURE;
}

/* eap_only - RFC 5998: EAP proves the Gateway's first round, so the response has only IDr. */
static struct verdict eap_only(struct sa *sa, const struct wire_message *response)
{
    struct login *login = sa->login;
    if (!login_peer_id(login, wire_find(response, WIRE_PAYLOAD_IDr, NULL)))
        return failed(IKE_INVALID_SYNTAX);
    if (!login_peer_id_fits(login))
        return not_accepted(sa, IKE_ID_MISMATCH, N_AUTHENTICATION_FAILED);
    login->theirs_eap = true;
    return read_eap(sa);
}

/* unconfirmed - AUTH by the key of EAP is missing. Without an error notify the peer believes that
 * the login succeeded, so we send it the refusal. */
static struct verdict unconfirmed(struct sa *sa, const struct wire_message *response)
{
    struct wire_notify notify;
    return wire_notify_error(response, &notify)
               ? verdict_error(response)
               : not_proven(sa, IKE_PEER_AUTH_FAILED, "its AUTH is missing");
}

/* resumed - RFC 5723: the one response of a login by a session ticket. */
static struct verdict resumed(struct sa *sa, const struct wire_message *response,
                              const struct wire_auth *auth)
{
    const char *why = resumption_check(sa, response, auth);
    if (why != NULL)
        return not_proven(sa, IKE_PEER_AUTH_FAILED, why);
    sa->login->ours.over = true;
    sa->login->out = (struct login_outgoing){0};
    return ask_admit(sa);
}

static struct verdict read_response(struct sa *sa, const struct wire_message *response)
{
    struct login *login = sa->login;
    const struct wire_payload *payload = wire_find(response, WIRE_PAYLOAD_AUTH, NULL);
    enum login_eap_stage stage = login->eap.stage;
    struct wire_auth auth;
    bool only_eap = !login->theirs.over && login_peer_policy(login)->method == IKE_AUTH_EAP;

    if (payload != NULL && !wire_auth_read(payload->body, &auth))
        return failed(IKE_INVALID_SYNTAX);
    if (login->resumption != NULL)
        return payload == NULL ? verdict_error(response) : resumed(sa, response, &auth);
    if (login->ppk.offered && !login_ppk_answered(sa, response))
        return not_proven(sa, IKE_NO_PPK, login->ppk.why);
    if (stage == LOGIN_EAP_NONE && login->out.auth)
        own_round_over(login);
    login->out = (struct login_outgoing){0};
    if (stage == LOGIN_EAP_CONFIRMS)
        return payload == NULL ? unconfirmed(sa, response) : check_confirmation(sa, &auth);
    if (only_eap && !login->theirs_eap && payload == NULL && stage == LOGIN_EAP_TALKS)
        return eap_only(sa, response);
    if (payload != NULL)
        return login->theirs.over || login->theirs_eap ? failed(IKE_INVALID_SYNTAX)
                                                       : read_round(sa, response, &auth);
    if (round_due(login) && !login->theirs_eap)
        return verdict_error(response);
    return read_eap(sa);
}

struct verdict login_auth_answered(struct sa *sa, const struct wire_message *response)
{
    struct login *login = sa->login;
    struct wire_message own, group;

    if (message_kind(response) == MESSAGE_AUTH_REFUSAL)
        return verdict_error(response);
    if (refused_by_eap(login, response))
        return failed(IKE_AUTH_FAILED);
    if (!message_split(response, combined_number(login), &own, &group) ||
        !message_rules_fit(MESSAGE_AUTH_ANSWER, &own))
        return not_accepted(sa, IKE_INVALID_SYNTAX, N_INVALID_SYNTAX);
    if (!kept_message_set(&login->message, &own) ||
        !kept_message_set(&login->group_message, &group))
        return failed(IKE_LIMIT);
    return read_response(sa, response);
}

/* --- the jobs --- */

static void not_signed(struct sa *sa, const struct ike_result *result)
{
    char own[IDENTITY_TEXT_MAX], peer[IDENTITY_TEXT_MAX];
    if (result->reason != NULL)
        event_notice(sa, "no AUTH of ours: %s", result->reason);
    else if (result->error == ERR_NOT_FOUND)
        event_notice(sa, "no AUTH of ours: no secret for %s and %s",
                     identity_print(&sa->login->local_id, own),
                     identity_print(&sa->login->remote_id, peer));
}

static struct verdict signed_by(struct sa *sa, const struct ike_result *result)
{
    if (result->error != 0 || !login_proof_keep(sa->login, result)) {
        not_signed(sa, result);
        return failed(IKE_NO_SECRET);
    }
    struct login *login = sa->login;
    if (login->ppk.plain)
        return login_ppk_keep_plain(login) ? sign(sa) : failed(IKE_LIMIT);
    /* the key was replaced between the two jobs */
    if (login->ppk.plain_auth != NULL && login->ppk.plain_method != login->proof.method)
        return failed(IKE_NO_SECRET);
    login->out.auth = true;
    return next;
}

/* ppk_mixed - the keys have the PPK now: makes AUTH with them. */
static struct verdict ppk_mixed(struct sa *sa, const struct ike_result *result)
{
    struct login *login = sa->login;
    if (!login_ppk_mixed(sa, result)) {
        bool missing = result->error == ERR_NOT_FOUND;
        if (missing && login->conn->ppk_required)
            event_notice(sa, "a PPK is required: the PPK of 'ppk_id' is not loaded");
        login->ppk.not_loaded = missing && !login->conn->ppk_required;
        return failed(IKE_NO_PPK);
    }
    login->ppk.offered = true;
    return login->eap.stage == LOGIN_EAP_PROVEN ? prove_key(sa) : sign(sa);
}

/* sent_away - the first of several IKE_AUTH responses has a REDIRECT, and the Gateway's AUTH in
 * that response is verified. A REDIRECT in a response between the first and the last one MUST NOT
 * be accepted (RFC 5685 section 6). No Delete is sent, since no IKE SA is established yet. */
static bool sent_away(struct sa *sa)
{
    const struct login *login = sa->login;
    struct wire_message response;
    kept_message_get(&login->message, &response);
    if ((login->ours.over && login->theirs.over) || !redirect_found(sa, &response, false))
        return false; /* login_through() reads it in the last response */
    redirect_follow(sa, &response);
    return true;
}

static struct verdict verified(struct sa *sa, const struct ike_result *result, nanos now)
{
    bool first = sa->login->theirs.round == 0; /* its proof is in the first response: round_due() */
    if (result->error != 0 || !login_proven(sa->login, &result->proof, now)) {
        bool missing = result->error == ERR_NOT_FOUND;
        return not_proven(sa, missing ? IKE_NO_SECRET : IKE_PEER_AUTH_FAILED,
                          result->reason != NULL ? result->reason
                          : missing              ? "no secret for this pair of identities"
                                                 : "its secret is another one");
    }
    peer_round_over(sa->login);
    return first && sent_away(sa) ? verdict_done(IKE_REDIRECTED) : read_eap(sa);
}

static struct verdict eap_said(struct sa *sa, const struct ike_result *result, nanos now)
{
    switch (login_eap_said(sa, result, now)) {
    case LOGIN_EAP_SENDS: sa->login->out.eap = true; return next;
    case LOGIN_EAP_PROVES: return login_go_on(sa);
    case LOGIN_EAP_REFUSES: break;
    }
    event_notice(sa, "EAP failed: %s", result->reason != NULL ? result->reason : "no reason given");
    return failed(IKE_PEER_AUTH_FAILED);
}

/* admitted - a refusal here is an error of ours in the steps before (daemon/engine/proofs.h). */
static struct verdict admitted(struct sa *sa, const struct ike_result *result, nanos now)
{
    return result->error == 0 ? login_through(sa, now)
                              : not_proven(sa, IKE_PEER_AUTH_FAILED,
                                           "nothing but the IKE core says that it is proven");
}

struct verdict login_ask_job_done(struct sa *sa, enum ike_event_kind kind,
                                  const struct ike_result *result, nanos now)
{
    switch ((int)kind) {
    case IKE_EV_PPK: return ppk_mixed(sa, result);
    case IKE_EV_AUTH_SIGN: return signed_by(sa, result);
    case IKE_EV_AUTH_VERIFY: return verified(sa, result, now);
    case IKE_EV_EAP: return eap_said(sa, result, now);
    case IKE_EV_ADMIT: return admitted(sa, result, now);
    default: ASSERT_NEVER("a job that an initiator does not wait for");
    }
}

/* --- the end --- */

/* first_child - accepts the Child SA of the response, if it has one. An error here refuses the
 * Child SA, not the IKE SA (section 1.2). */
static enum ike_outcome first_child(struct sa *sa, const struct wire_message *response, nanos now,
                                    struct child **ret_child, uint16_t *ret_notify)
{
    struct login *login = sa->login;
    const struct ike_conn *conn = sa->session->conn;
    struct child_terms terms = {.policy = child_policy_find(conn, login->child),
                                .spi_in = login->spi_in,
                                .transport = login->transport};
    struct ike_ts_list local, remote;
    *ret_child = NULL;
    *ret_notify = 0;
    if (login->spi_in == 0)
        return IKE_OK; /* childless */
    if (conn->n_vips > 0 && sa->session->config.n_addresses == 0 &&
        wire_find(response, WIRE_PAYLOAD_SA, NULL) != NULL)
        return IKE_ADDRESS_FAILURE; /* the Child SA is useless without the requested address */
    if (wire_find(response, WIRE_PAYLOAD_SA, NULL) == NULL) {
        struct wire_notify why;
        if (wire_notify_error(response, &why))
            login_notice_refusal(sa, "the Child SA", &why);
        struct verdict verdict = verdict_error(response);
        *ret_notify = verdict.notify;
        return verdict.outcome;
    }
    if (conn->n_vips > 0)
        /* our offer was made before the address was known */
        child_ts_any(sa, terms.policy, &local);
    else
        child_ts_own(sa, terms.policy, &local);
    child_ts_peer(sa, terms.policy, &remote);
    enum ike_outcome outcome = child_terms_accept(sa, response, false, &local, &remote, &terms);
    if (outcome != IKE_OK)
        return outcome;
    struct child_keying keying = {
        .ni = span_of(login->ni, login->n_ni),
        .nr = span_of(login->nr, login->n_nr),
        .exchange_initiator = true,
        .outbound_now = true,
    };
    *ret_child = child_from_terms(sa, &terms, &keying, now);
    return *ret_child == NULL ? IKE_LIMIT : IKE_OK;
}

/* ticket_take - keeps the next session ticket, which replaces the used one. */
static void ticket_take(struct sa *sa, const struct wire_message *response)
{
    const struct login *login = sa->login;
    struct wire_notify notify;
    if (login->resumption != NULL)
        held_ticket_drop(sa->ike, login->resumption->held);
    if (login->conn->session_tickets != IKE_TICKETS_NO &&
        wire_notify_find(response, N_TICKET_LT_OPAQUE, &notify))
        held_ticket_keep(sa, &login->remote_id, notify.data);
}

struct verdict login_through(struct sa *sa, nanos now)
{
    struct login *login = sa->login;
    struct session *session = sa->session;
    struct wire_message response, group;
    struct child *child;
    struct span peer;
    uint16_t notify;

    kept_message_get(&login->message, &response);
    kept_message_get(&login->group_message, &group);
    if (redirect_found(sa, &response, false)) { /* it is authentic, and in the last response */
        redirect_follow(sa, &response);
        sa_delete_send(sa);
        return verdict_done(IKE_REDIRECTED);
    }
    if (combined_read(sa, &group, &peer))
        return exchange_agree(sa, sa->asking, peer, now); /* continues here with the result */
    login_ppk_audit(sa);
    login_abilities_read(sa, &response, &sa->path);
    const struct wire_payload *cp = wire_find(&response, WIRE_PAYLOAD_CP, NULL);
    if (cp != NULL)
        (void)cp_reply_read(cp->body, session->conn, &session->config);
    ticket_take(sa, &response);
    const struct session *old = session_find(sa->ike, login->replaces);
    session->logins = old == NULL ? 0 : old->logins;
    session->replaces = login->replaces;
    session_authenticated(session, sa, false, now);
    login_supersede(sa->ike, session->conn, now);
    auth_lifetime_read(session, &response, now);
    enum ike_outcome outcome = IKE_OK;
    if (session->conn->n_vips > 0 && session->config.n_addresses == 0)
        outcome = IKE_ADDRESS_FAILURE;
    sa_life_set(sa, IKE_ESTABLISHED, now);
    enum ike_outcome child_outcome = first_child(sa, &response, now, &child, &notify);
    if (child_outcome != IKE_OK && login->spi_in != 0 &&
        wire_find(&response, WIRE_PAYLOAD_SA, NULL) != NULL)
        login_delete_unwanted(sa, login->spi_in);
    combined_accept(sa, now);
    early_due(sa);
    early_clone_due(sa->ike, login);
    sa->login = login_free(sa->ike, sa->login);
    struct verdict verdict = verdict_done(outcome != IKE_OK ? outcome : child_outcome);
    verdict.notify = notify;
    verdict.new_child = child == NULL ? 0 : child->id;
    return verdict;
}
