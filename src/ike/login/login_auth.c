/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IKE_AUTH (RFC 7296 section 1.2), with RFC 4555, RFC 6023 and RFC 7791:
 *
 *   HDR, SK{IDi, [N(INITIAL_CONTACT),] [IDr,] AUTH, [CP(CFG_REQUEST),] [SAi2, TSi, TSr,]
 *           N(MOBIKE_SUPPORTED), N(ADDITIONAL_IP*_ADDRESS)*, N(CLONE_IKE_SA_SUPPORTED)}  -->
 *   <-- HDR, SK{IDr, AUTH, [CP(CFG_REPLY),] [SAr2, TSi, TSr,] N(MOBIKE_SUPPORTED), ...}
 *
 * and at the end of both perhaps a clone (combined.c).
 *
 * The peer's message waits in login->chain for the jobs: AUTH of the peer is verified first, then
 * comes the address lease, then our own AUTH; nothing exists before.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "ike/core/answer.h"
#include "ike/core/seal.h"
#include "ike/exchanges/child_terms.h"
#include "ike/exchanges/mobike.h"
#include "ike/exchanges/ordered_esp_terms.h"
#include "ike/login/auth_lifetime.h"
#include "ike/login/combined.h"
#include "ike/login/cp.h"
#include "ike/login/early_request.h"
#include "ike/login/login.h"
#include "ike/terms/identity.h"
#include "ike/terms/narrow.h"

static bool keep_chain(struct login *login, const struct wire_message *message)
{
    /* The payloads are views into one decrypted chain: copied as it was, with its headers. */
    const struct wire_payload *first = &message->payloads[0];
    if (message->n == 0)
        return false;
    const struct wire_payload *last = &message->payloads[message->n - 1];
    const uint8_t *start = first->body.ptr - 4;
    size_t len = (size_t)(last->body.ptr + last->body.len - start);
    uint8_t *copy = malloc(len);
    if (copy == NULL)
        return false;
    memcpy(copy, start, len);
    /* unknown payloads behind the last known one are not copied: end the chain there */
    copy[last->body.ptr - 4 - start] = WIRE_PAYLOAD_NONE;
    free(login->chain);
    login->chain = copy;
    login->n_chain = len;
    login->chain_first = first->type;
    login->chain_header = message->header;
    return true;
}

static void kept_chain(const struct login *login, struct wire_message *ret_message,
                       struct wire_message *ret_group)
{
    struct wire_message all;
    uint8_t critical, inner;
    enum wire_fault fault = wire_chain_read(span_of(login->chain, login->n_chain),
                                            login->chain_first, &all, &critical, &inner);
    ASSERT(fault == WIRE_OK);
    all.header = login->chain_header;
    bool ok = combined_split(&all, combined_number(login), ret_message, ret_group);
    ASSERT(ok); /* as when it came */
}

static void add_abilities(struct sa *sa, const struct ike_conn *conn, struct wire_builder *message)
{
    if (conn->mobike) {
        wire_add_notify(message, N_MOBIKE_SUPPORTED, (struct span){0});
        mobike_add_addresses(sa, &sa->path, false, message);
    }
    if (ike_conn_rfc7791(conn)) /* RFC 7791 section 5.1 */
        wire_add_notify(message, N_CLONE_IKE_SA_SUPPORTED, (struct span){0});
}

static void read_abilities(struct sa *sa, const struct wire_message *message,
                           const struct ike_path *path)
{
    struct session *session = sa->session;
    session->mobike = session->conn->mobike && wire_notify_has(message, N_MOBIKE_SUPPORTED);
    session->peer_rfc7791 =
        ike_conn_rfc7791(session->conn) && wire_notify_has(message, N_CLONE_IKE_SA_SUPPORTED);
    sa->peer_addresses[0] = path->remote.address;
    sa->n_peer_addresses = 1;
    if (session->mobike)
        mobike_read_addresses(sa, message, path);
}

static bool wants_child(const struct session *session)
{
    const struct ike_conn *conn = session->conn;
    bool childless = conn->childless == IKE_CHILDLESS_FORCE ||
                     (conn->childless == IKE_CHILDLESS_PREFER && session->childless);
    return conn->n_children > 0 && !childless;
}

/* --- our side: the request --- */

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

enum ike_outcome login_ask_auth(struct sa *sa, struct wire_builder *request)
{
    struct login *login = sa->login;
    const struct ike_conn *conn = login->conn;

    wire_add_id(request, WIRE_PAYLOAD_IDi, login->local_id.type,
                span_of(login->local_id.data, login->local_id.len));
    /* Section 2.4: only if we know of no other IKE SA with this peer. */
    if (first_contact(sa))
        wire_add_notify(request, N_INITIAL_CONTACT, (struct span){0});
    if (login->remote_id.type != ID_ANY)
        wire_add_id(request, WIRE_PAYLOAD_IDr, login->remote_id.type,
                    span_of(login->remote_id.data, login->remote_id.len));
    wire_add_auth(request, AUTH_SHARED_KEY, span_of(login->auth, login->n_auth));
    const struct session *old = session_find(sa->ike, login->replaces);
    cp_request_add(conn, old == NULL ? NULL : &old->config, request);
    const struct ike_child_policy *policy = child_policy_find(conn, login->child);
    if (wants_child(sa->session) && policy != NULL) {
        struct ike_ts_list local, remote;
        login->spi_in = child_spi_new(sa->ike);
        child_ts_own(sa, policy, &local);
        child_ts_peer(sa, policy, &remote);
        child_ts_packet(sa, policy, &login->packet, &local, &remote);
        child_offer_sa(policy, login->spi_in, false, request);
        child_offer_ts(&local, &remote, request);
        ordered_esp_offer(sa, request);
    }
    add_abilities(sa, conn, request);
    combined_ask(sa, request);
    return IKE_OK;
}

/* tell_and_leave - we do not accept the peer, which believes that all is well: it is told (RFC 7296
 * section 2.21.2), once; an answer is not waited for. */
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

struct verdict login_auth_answered(struct sa *sa, const struct wire_message *response, nanos now)
{
    struct login *login = sa->login;
    const struct wire_payload *idr = wire_find(response, WIRE_PAYLOAD_IDr, NULL);
    const struct wire_payload *auth_payload = wire_find(response, WIRE_PAYLOAD_AUTH, NULL);
    struct wire_message own, group;
    struct wire_id id;
    struct wire_auth auth;
    (void)now;

    if (auth_payload == NULL)
        return verdict_error(response);
    if (!combined_split(response, combined_number(login), &own, &group) || !answer_counts_fit(&own))
        return not_accepted(sa, IKE_INVALID_SYNTAX, N_INVALID_SYNTAX);
    if (idr == NULL || !wire_id_read(idr->body, &id) || !wire_auth_read(auth_payload->body, &auth))
        return verdict_done(IKE_INVALID_SYNTAX);
    if (!identity_from_wire(&id, &login->remote_id) ||
        identity_match(login->conn->remote[0].id_pattern, &login->remote_id) == IDENTITY_NO)
        return not_accepted(sa, IKE_ID_MISMATCH, N_AUTHENTICATION_FAILED);
    if (auth.method != AUTH_SHARED_KEY) /* A17: the method is that of the configuration */
        return not_accepted(sa, IKE_PEER_AUTH_FAILED, N_AUTHENTICATION_FAILED);
    if (!keep_chain(login, response) || login_verify(sa, idr->body, &auth) != 0)
        return verdict_done(IKE_LIMIT);
    return (struct verdict){.kind = VERDICT_LATER};
}

/* first_child - the Child SA of the response, if it has one. An error here costs the Child SA, not
 * the IKE SA (section 1.2). */
static enum ike_outcome first_child(struct sa *sa, const struct wire_message *response, nanos now,
                                    struct child **ret_child, uint16_t *ret_notify)
{
    struct login *login = sa->login;
    struct child_terms terms = {.policy = child_policy_find(sa->session->conn, login->child),
                                .spi_in = login->spi_in};
    struct ike_ts_list local, remote;
    *ret_child = NULL;
    *ret_notify = 0;
    if (login->spi_in == 0)
        return IKE_OK; /* childless */
    if (sa->session->conn->n_vips > 0 && sa->session->config.n_addresses == 0 &&
        wire_find(response, WIRE_PAYLOAD_SA, NULL) != NULL)
        return IKE_ADDRESS_FAILURE; /* without the address that was asked for there is no use */
    if (wire_find(response, WIRE_PAYLOAD_SA, NULL) == NULL) {
        struct wire_notify why;
        if (wire_notify_error(response, &why))
            login_notice_refusal(sa, "the Child SA", &why);
        struct verdict verdict = verdict_error(response);
        *ret_notify = verdict.notify;
        return verdict.outcome;
    }
    struct ike_config config = sa->session->config;
    sa->session->config.n_addresses = 0; /* what was offered did not know the address yet */
    child_ts_own(sa, terms.policy, &local);
    sa->session->config = config;
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

/* delete_unwanted - the peer has a Child SA of which there is no half here: it has to go there as
 * well. */
static void delete_unwanted(struct sa *sa, uint32_t spi_in)
{
    struct intent intent = {.kind = INTENT_DELETE_CHILD, .spi_in = spi_in};
    intent_owe(sa, &intent);
}

static void initiator_done(struct sa *sa, nanos now)
{
    struct login *login = sa->login;
    struct session *session = sa->session;
    struct wire_message response, group;
    struct child *child;
    uint16_t notify;

    kept_chain(login, &response, &group);
    session->local_id = login->local_id;
    session->remote_id = login->remote_id;
    read_abilities(sa, &response, &sa->path);
    const struct wire_payload *cp = wire_find(&response, WIRE_PAYLOAD_CP, NULL);
    if (cp != NULL)
        (void)cp_reply_read(cp->body, session->conn, &session->config);
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
        delete_unwanted(sa, login->spi_in);
    combined_accept(sa, &group, now);
    early_due(sa->ike, login);
    sa->login = login_free(sa->ike, sa->login);
    struct verdict verdict = verdict_done(outcome != IKE_OK ? outcome : child_outcome);
    verdict.notify = notify;
    verdict.new_child = child == NULL ? 0 : child->id;
    exchange_resume(sa, verdict, now);
}

/* --- their side --- */

static bool parse_ids(const struct wire_message *request, struct ike_id *ret_idi, bool *ret_has_idr,
                      struct ike_id *ret_idr)
{
    const struct wire_payload *idi = wire_find(request, WIRE_PAYLOAD_IDi, NULL);
    const struct wire_payload *idr = wire_find(request, WIRE_PAYLOAD_IDr, NULL);
    struct wire_id id;
    *ret_has_idr = idr != NULL;
    if (idi == NULL || !wire_id_read(idi->body, &id) || !identity_from_wire(&id, ret_idi))
        return false;
    return idr == NULL || (wire_id_read(idr->body, &id) && identity_from_wire(&id, ret_idr));
}

static bool conn_accepts_algorithms(const struct ike_conn *conn, const struct sa *sa)
{
    struct proposal_choice own = {.number = 1,
                                  .encr = sa->encr,
                                  .encr_key_bits = sa->encr_key_bits,
                                  .prf = sa->prf,
                                  .integ = sa->integ,
                                  .ke = sa->ke};
    struct proposal_choice choice;
    struct wire_sa wire;
    struct proposal_wish wish = {.with_ke = true, .ke_sent = sa->ke};
    proposal_choice_to_wire(&own, WIRE_PROTO_IKE, (struct span){0}, &wire);
    return proposal_select(&conn->proposals, &wire, WIRE_PROTO_IKE, wish, &choice);
}

/* choose_conn - by identities among those that fit addresses and algorithms; most specific first.
 */
static struct ike_conn *choose_conn(const struct sa *sa, const struct ike_id *idi, bool has_idr,
                                    const struct ike_id *idr)
{
    struct ike_conn *best = NULL;
    unsigned best_rank = 0;
    for (size_t i = 0; i < sa->ike->n_conns; i++) {
        struct ike_conn *conn = sa->ike->conns[i];
        unsigned rank = login_conn_rank(conn, &sa->path);
        enum identity_rank remote = identity_match(conn->remote[0].id_pattern, idi);
        if (rank == 0 || remote == IDENTITY_NO || !conn_accepts_algorithms(conn, sa))
            continue;
        if (has_idr && conn->local[0].id.type != ID_ANY && !identity_equal(&conn->local[0].id, idr))
            continue;
        rank += 16 * (unsigned)remote + (has_idr && conn->local[0].id.type != ID_ANY ? 8 : 0);
        if (rank > best_rank) {
            best = conn;
            best_rank = rank;
        }
    }
    return best;
}

/* refuse_later - AUTH is wrong. The peer hears it when auth_wait.h says so, whatever the reason is;
 * until then the IKE SA stays half-open. */
static void refuse_later(struct sa *sa, const char *why, nanos now)
{
    struct login *login = sa->login;
    struct ike *ike = sa->ike;
    char peer[IDENTITY_TEXT_MAX];
    event_notice(sa, "login of %s refused: %s", identity_print(&login->remote_id, peer), why);
    nanos wait = auth_wait_failed(&ike->auth_wait, ike->hash_key,
                                  &login->answer_path.remote.address, &login->remote_id, now);
    login->half_open.busy = false;
    login->refuse_at_ns = nanos_after(login->auth_came_ns, wait);
    if (sa->expires_ns <= login->refuse_at_ns)
        sa->expires_ns = nanos_after(login->refuse_at_ns, NANOS_PER_SEC);
    sa_touch(sa);
}

enum answer_verdict answer_auth(struct sa *sa, struct answering *answering)
{
    struct login *login = sa->login;
    const struct wire_message *request = answering->request;
    const struct wire_payload *auth_payload = wire_find(request, WIRE_PAYLOAD_AUTH, NULL);
    struct ike_id idr = {0};
    struct wire_auth auth;
    bool has_idr;

    answering->fatal = true; /* RFC 7296 section 2.21.2: an error here ends the IKE SA */
    if (!parse_ids(request, &login->remote_id, &has_idr, &idr))
        return answer_refuse(answering, N_INVALID_SYNTAX);
    if (!keep_chain(login, request))
        return ANSWER_SILENT;
    login->answer_path = *answering->path;
    login->auth_came_ns = answering->now;
    struct ike_conn *conn = choose_conn(sa, &login->remote_id, has_idr, &idr);
    bool ok = conn != NULL && auth_payload != NULL && wire_auth_read(auth_payload->body, &auth) &&
              auth.method == AUTH_SHARED_KEY && conn->remote[0].method == IKE_AUTH_PSK;
    if (!ok) {
        refuse_later(sa,
                     conn == NULL ? "no connection for its identity, address and algorithms"
                                  : "it does not authenticate as the connection demands",
                     answering->now);
        return ANSWER_LATER;
    }
    ike_conn_unref(login->conn);
    login->conn = ike_conn_ref(conn);
    login->local_id = conn->local[0].id;
    if (login->local_id.type == ID_ANY &&
        identity_from_address(&sa->path.local.address, &login->local_id) != 0)
        return ANSWER_SILENT;
    if (login_verify(sa, wire_find(request, WIRE_PAYLOAD_IDi, NULL)->body, &auth) != 0)
        return ANSWER_SILENT;
    login->half_open.busy = true;
    return ANSWER_LATER;
}

static struct answering later(struct sa *sa, struct wire_builder *reply, nanos now)
{
    *reply = wire_builder_of(sa->ike->build, LIMIT_IKE_MESSAGE);
    return (struct answering){
        .path = &sa->login->answer_path,
        .message_id = sa->login->chain_header.message_id,
        .exchange = WIRE_IKE_AUTH,
        .now = now,
        .reply = reply,
    };
}

static void refuse_login(struct sa *sa, uint16_t notify, const char *why, nanos now)
{
    struct wire_builder reply;
    struct answering answering = later(sa, &reply, now);
    char peer[IDENTITY_TEXT_MAX];
    event_notice(sa, "login of %s refused: %s", identity_print(&sa->login->remote_id, peer), why);
    (void)answer_refuse(&answering, notify);
    answer_later_send(sa, &answering);
    if (sa->life != IKE_DEAD)
        sa_down(sa, IKE_PEER_AUTH_FAILED, now);
}

void login_refusal_due(struct sa *sa, nanos now)
{
    struct wire_builder reply;
    struct answering answering = later(sa, &reply, now);
    sa->login->refuse_at_ns = 0;
    (void)answer_refuse(&answering, N_AUTHENTICATION_FAILED);
    answer_later_send(sa, &answering);
    if (sa->life != IKE_DEAD)
        sa_down(sa, IKE_PEER_AUTH_FAILED, now);
}

/* The peer is who it says: from here on there is a session, though not yet an established one. */
static void responder_verified(struct sa *sa, nanos now)
{
    struct login *login = sa->login;
    struct session *session = session_new(sa->ike, login->conn, IKE_GATEWAY);
    struct wire_message request, group;
    struct ike_lease_job lease = {0};

    if (session == NULL) {
        sa_down(sa, IKE_LIMIT, now);
        return;
    }
    session_attach(session, sa);
    session->local_id = login->local_id;
    session->remote_id = login->remote_id;
    session->fragmentation = login->fragmentation;
    session->childless = login->childless;
    session->peer_keep_old = login->keep_old;
    session->peer_notify = login->keep_old_notify;
    kept_chain(login, &request, &group);
    bool alone = wire_notify_has(&request, N_INITIAL_CONTACT);
    session->elder = alone ? 0 : session_elder_find(session, &login->answer_path.remote.address);
    if (login->conn->unique == IKE_UNIQUE_KEEP && !alone && session->elder == 0 &&
        session_duplicate(session)) {
        refuse_login(sa, N_AUTHENTICATION_FAILED, "it has a session already (unique = keep)", now);
        return;
    }
    /* RFC 4555 section 3.9: the peer forbids NATs, and there is one */
    uint16_t refusal =
        login->conn->mobike ? mobike_refusal(sa, &request, &login->answer_path, false) : 0;
    if (refusal != 0) {
        refuse_login(sa, refusal, "it forbids NATs, and its addresses were changed", now);
        return;
    }
    if (alone) /* before the lease: what it had is free again, for it before all others */
        session_initial_contact(session, now);
    const struct wire_payload *cp = wire_find(&request, WIRE_PAYLOAD_CP, NULL);
    if (cp == NULL || login->conn->n_pools == 0 || !cp_request_read(cp->body, &lease) ||
        lease.n_requested == 0) {
        if (login_sign(sa) != 0)
            sa_down(sa, IKE_LIMIT, now);
        return;
    }
    lease.conn = session->conn;
    lease.identity = login->remote_id;
    lease.beside = session->elder;
    struct ike_event *event = event_sa(sa, IKE_EV_LEASE);
    event->job = job_add(sa, IKE_EV_LEASE, 0);
    event->lease = lease;
}

void login_auth_leased(struct sa *sa, const struct ike_result *result, nanos now)
{
    if (result->error == 0) {
        sa->session->config = result->config;
        sa->session->leased = true;
    } else {
        sa->login->lease_failed = true;
    }
    if (login_sign(sa) != 0)
        sa_down(sa, IKE_LIMIT, now);
}

struct auth_commit {
    struct child_terms terms;
    bool child;
    ike_sa_id clone; /* 0: none */
};

static void responder_drop(struct sa *sa, struct answering *answering)
{
    const struct auth_commit *commit = answering->state;
    combined_drop(sa, commit->clone, answering->now);
}

static void responder_commit(struct sa *sa, struct answering *answering)
{
    struct auth_commit *commit = answering->state;
    struct login *login = sa->login;
    struct wire_message request, group;
    kept_chain(login, &request, &group);
    sa->path = login->answer_path;
    sa->expires_ns = NANOS_NEVER;
    half_open_know(&sa->ike->half_open, &sa->path.remote.address, answering->now);
    session_authenticated(sa->session, sa, wire_notify_has(&request, N_INITIAL_CONTACT),
                          answering->now);
    sa_life_set(sa, IKE_ESTABLISHED, answering->now);
    if (commit->child) {
        struct child_keying keying = {
            .ni = span_of(login->ni, login->n_ni),
            .nr = span_of(login->nr, login->n_nr),
            .outbound_now = true,
        };
        if (child_from_terms(sa, &commit->terms, &keying, answering->now) == NULL)
            delete_unwanted(sa, commit->terms.spi_in);
    }
    combined_commit(sa, commit->clone, answering->now);
    sa->login = login_free(sa->ike, sa->login);
}

/* add_child - the Child SA of the response, or the notify why there is none. */
static void add_child(struct sa *sa, const struct wire_message *request, struct wire_builder *reply,
                      struct auth_commit *commit)
{
    struct child_request wanted = {.message = request};
    bool childless = wire_find(request, WIRE_PAYLOAD_SA, NULL) == NULL; /* RFC 6023 */
    uint16_t refused = N_INTERNAL_ADDRESS_FAILURE;
    if (childless && !sa->login->lease_failed)
        return;
    if (!sa->login->lease_failed)
        refused = child_terms_answer(sa, &wanted, &commit->terms);
    if (refused != 0) {
        uint8_t octets[PROPOSAL_REFUSAL_MAX];
        struct span data = {0};
        if (refused == N_NO_PROPOSAL_CHOSEN && sa->login->keep_old)
            data = proposal_refusal(&commit->terms.policy->proposals,
                                    (struct buffer){octets, sizeof(octets)});
        wire_add_notify(reply, refused, data);
        return;
    }
    child_answer_sa(&commit->terms, reply);
    child_answer_ts(&commit->terms, reply);
    commit->child = true;
}

static void responder_signed(struct sa *sa, nanos now)
{
    struct login *login = sa->login;
    struct wire_message request, group;
    struct wire_builder reply;
    struct answering answering = later(sa, &reply, now);
    struct auth_commit *commit = calloc(1, sizeof(*commit));
    if (commit == NULL) {
        sa_down(sa, IKE_LIMIT, now); /* what is verified once is not verified again */
        return;
    }
    answering.state = commit;

    kept_chain(login, &request, &group);
    sa->path = login->answer_path; /* it may have come from port 4500 */
    wire_add_id(&reply, WIRE_PAYLOAD_IDr, login->local_id.type,
                span_of(login->local_id.data, login->local_id.len));
    wire_add_auth(&reply, AUTH_SHARED_KEY, span_of(login->auth, login->n_auth));
    if (sa->session->config.n_addresses > 0)
        cp_reply_add(&sa->session->config, &reply);
    read_abilities(sa, &request, &login->answer_path);
    add_child(sa, &request, &reply, commit);
    if (sa->session->mobike || ike_conn_rfc7791(login->conn))
        add_abilities(sa, login->conn, &reply);
    auth_lifetime_add(sa->session, &reply);
    /* where the address or the Child SA was refused, there is nothing to clone for */
    if (commit->child ||
        (wire_find(&request, WIRE_PAYLOAD_SA, NULL) == NULL && !login->lease_failed))
        commit->clone = combined_answer(sa, &group, &reply, now);
    answering.commit = responder_commit;
    answering.drop = responder_drop;
    answer_later_send(sa, &answering);
    /* no memory for the answer: what is verified once is not verified again */
    if (sa->life == IKE_AUTHENTICATING)
        sa_down(sa, IKE_LIMIT, now);
}

/* --- after the jobs --- */

void login_auth_signed(struct sa *sa, nanos now)
{
    if (sa_original_initiator(sa))
        exchange_resume(sa, (struct verdict){.kind = VERDICT_NEXT}, now);
    else
        responder_signed(sa, now);
}

void login_auth_verified(struct sa *sa, int error, nanos now)
{
    if (!sa_original_initiator(sa)) {
        if (error != 0)
            refuse_later(sa,
                         error == ERR_NOT_FOUND ? "no secret for this pair of identities"
                                                : "its secret is another one",
                         now);
        else
            responder_verified(sa, now);
        return;
    }
    if (error == 0) {
        initiator_done(sa, now);
        return;
    }
    enum ike_outcome outcome = error == ERR_NOT_FOUND ? IKE_NO_SECRET : IKE_PEER_AUTH_FAILED;
    exchange_resume(sa, not_accepted(sa, outcome, N_AUTHENTICATION_FAILED), now);
    sa_down(sa, outcome, now);
}
