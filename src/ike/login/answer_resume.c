/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer to IKE_SESSION_RESUME (resumption.h has the messages). Like IKE_SA_INIT, anybody can
 * send it with any source address. So it passes the same checks in the same order (answer_init.c):
 * repeated, cookie, half-open logins, budget. The keyholder opens the ticket, which costs less than
 * a key exchange, and a ticket that is not ours counts as a key exchange that failed.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "ike/core/conn_index.h"
#include "ike/core/keymat.h"
#include "ike/core/seal.h"
#include "ike/core/trace.h"
#include "ike/login/answer_init.h"
#include "ike/login/login_rounds.h"
#include "ike/login/redirect.h"
#include "ike/login/resumption.h"
#include "ike/terms/identity.h"

#define OPEN_COST_NS (50 * NANOS_PER_US) /* budget for opening a ticket and making keys */

static void refuse_ticket(struct ike *ike, const struct init_request *request)
{
    init_refuse_limited(ike, request, N_TICKET_NACK, (struct span){0});
}

/* refuse - the ticket is invalid: sends TICKET_NACK unprotected, and ends the half-open IKE SA. */
static void refuse(struct sa *sa, const char *why, nanos now)
{
    const struct login *login = sa->login;
    struct wire_message message = {.octets = span_of(login->init_request, login->n_init_request)};
    struct init_request request = {.path = &sa->path, .message = &message, .now = now};
    bool read = ike_header_read(message.octets, &message.header);
    ASSERT(read); /* it was readable before */
    event_notice(sa, "a session ticket is refused: %s", why);
    refuse_ticket(sa->ike, &request);
    sa_down(sa, IKE_PEER_AUTH_FAILED, now);
}

/* --- the current configuration --- */

static bool rounds_fit(const struct ike_conn *conn, const struct ike_ticket *ticket)
{
    const struct ike_auth_policy *own = &conn->local[conn->n_local_rounds - 1],
                                 *peer = &conn->remote[0];
    bool by_eap = ticket->proven_id.type == ID_EAP;
    return (own->id.type == ID_ANY || identity_equal(&own->id, &ticket->local_id)) &&
           identity_match(peer->id_pattern, &ticket->remote_id) != IDENTITY_NO &&
           ticket->shared == (peer->method == IKE_AUTH_PSK) &&
           (!by_eap || (peer->method == IKE_AUTH_EAP &&
                        login_eap_fits(peer, &ticket->remote_id, &ticket->proven_id)));
}

/* refusal - the current connection of the ticket, or the reason why it refuses the session. */
static const char *refusal(const struct sa *sa, const struct ike_ticket *ticket,
                           struct ike_conn **ret_conn)
{
    const struct proposal_choice choice = {.encr = ticket->encr,
                                           .encr_key_bits = ticket->encr_key_bits,
                                           .prf = ticket->prf,
                                           .integ = ticket->integ,
                                           .ke = ticket->ke};
    struct ike_conn *conn = ike_conn_find(sa->ike, ticket->conn);
    *ret_conn = conn;
    if (conn == NULL || !resumption_grants(conn))
        return "its connection takes no tickets any more";
    if (conn_rank(conn, &sa->path) == 0)
        return "its connection is not for these addresses";
    if (!proposal_has(&conn->proposals, &choice))
        return "its algorithms are not those of the connection any more";
    if (conn->ppk_required && !ticket->ppk)
        return "a PPK is required";
    return rounds_fit(conn, ticket) ? NULL
                                    : "its identities are not those of the connection any more";
}

/* --- the opened ticket --- */

static bool keys_set(struct sa *sa, const struct ike_ticket *ticket, struct span skeyseed)
{
    const struct login *login = sa->login;
    const struct proposal_choice choice = {.encr = ticket->encr,
                                           .encr_key_bits = ticket->encr_key_bits,
                                           .prf = ticket->prf,
                                           .integ = ticket->integ,
                                           .ke = ticket->ke};
    sa_algorithms_set(sa, &choice);
    return keymat_from_seed(sa, skeyseed, span_of(login->ni, login->n_ni),
                            span_of(login->nr, login->n_nr)) == 0;
}

static void conn_set(struct sa *sa, struct ike_conn *conn)
{
    struct login *login = sa->login;
    ike_conn_ref(conn);
    ike_conn_unref(login->conn);
    login->conn = conn;
    login->chosen = true;
    login->local_id = login->resumption->ticket.local_id;
}

static bool write_response(struct sa *sa)
{
    struct login *login = sa->login;
    struct wire_builder reply = wire_builder_of(sa->ike->build, LIMIT_IKE_MESSAGE);
    wire_add(&reply, WIRE_PAYLOAD_NONCE, span_of(login->nr, login->n_nr));
    login_add_abilities(sa, &reply, true);
    struct packet *packet = seal_message(sa, &reply, WIRE_IKE_SESSION_RESUME, SEAL_RESPONSE, 0);
    if (packet == NULL)
        return false;
    login->init_response = login_copy(packet_part(packet, 0), &login->n_init_response);
    packet_free(packet);
    return login->init_response != NULL;
}

/* read_request - reads the peer's announcements, now that the connection is known. */
static void read_request(struct sa *sa)
{
    struct login *login = sa->login;
    struct wire_message message;
    uint8_t critical, inner;
    struct span octets = span_of(login->init_request, login->n_init_request);
    bool read =
        ike_header_read(octets, &message.header) &&
        wire_chain_read(span_of(octets.ptr + IKE_HEADER_LEN, octets.len - IKE_HEADER_LEN),
                        message.header.next_payload, &message, &critical, &inner) == WIRE_OK;
    ASSERT(read); /* it was readable before */
    message.octets = octets;
    login_read_abilities(sa, &message, &sa->path);
}

void login_ticket_opened(struct sa *sa, const struct ike_result *result, nanos now)
{
    struct login *login = sa->login;
    struct ike_conn *conn;
    if (result->error != 0 || result->ticket == NULL) {
        if (result->error == ERR_AUTH)
            half_open_failed(&sa->ike->half_open, &sa->path.remote.address, login->proven, now);
        refuse(sa, result->reason != NULL ? result->reason : "it is not ours, or over", now);
        return;
    }
    resumption_opened(sa, result->ticket, now);
    const char *why = refusal(sa, result->ticket, &conn);
    if (why != NULL) {
        refuse(sa, why, now);
        return;
    }
    conn_set(sa, conn);
    read_request(sa);
    if (!keys_set(sa, result->ticket, result->skeyseed) || !write_response(sa)) {
        sa_down(sa, IKE_LIMIT, now);
        return;
    }
    login->half_open.busy = false;
    sa->theirs.next_id = 1;
    login_phase_set(login, LOGIN_WAITS_AUTH);
    sa->expires_ns = nanos_after(now, half_open_patience(&sa->ike->half_open));
    output_add(sa->ike, &sa->path, 0, span_of(login->init_response, login->n_init_response));
    sa_life_set(sa, IKE_AUTHENTICATING, now);
}

/* --- the request --- */

/* open_ask - emits the job that opens the ticket. ERR_NO_MEMORY. */
static int open_ask(struct sa *sa, struct span ticket)
{
    const struct login *login = sa->login;
    size_t n = ticket.len + login->n_ni + login->n_nr;
    uint8_t *octets = malloc(n);
    if (octets == NULL)
        return ERR_NO_MEMORY;
    struct writer w = writer_of(octets, n);
    write_bytes(&w, ticket);
    write_bytes(&w, span_of(login->ni, login->n_ni));
    write_bytes(&w, span_of(login->nr, login->n_nr));
    struct ike_event *event = event_job(sa, IKE_EV_TICKET_OPEN, 0, span_of(octets, n));
    if (event == NULL)
        return ERR_NO_MEMORY;
    event->ticket = (struct ike_ticket_job){
        .sealed = span_of(octets, ticket.len),
        .ni = span_of(octets + ticket.len, login->n_ni),
        .nr = span_of(octets + ticket.len + login->n_ni, login->n_nr),
    };
    return 0;
}

static void accept_ticket(struct ike *ike, const struct init_request *request,
                          struct ike_conn *conn, struct span ticket)
{
    struct sa *sa = init_half_open_begin(ike, request, conn);
    if (sa == NULL)
        return;
    struct login *login = sa->login;
    sa_spi_set(sa, request->message->header.spi_i, sa->spi_r);
    sa->expires_ns = nanos_after(request->now, half_open_patience(&ike->half_open));
    login->proven = request->proven;
    login->redirects = redirect_announced(request->message);
    login->n_ni = (uint16_t)request->ni.len;
    memcpy(login->ni, request->ni.ptr, request->ni.len);
    login->n_nr = LOGIN_NONCE_LEN;
    random_fill(ike->random, login->nr, login->n_nr);
    login->init_request = login_copy(request->message->octets, &login->n_init_request);
    login->resumption = calloc(1, sizeof(*login->resumption));
    login->half_open.busy = true;
    trace_received(sa, request->path, request->message);
    if (login->init_request == NULL || login->resumption == NULL || open_ask(sa, ticket) != 0)
        sa_down(sa, IKE_LIMIT, request->now);
}

/* granting - any connection for these addresses that accepts tickets; NULL: none. The ticket names
 * the right one. */
static struct ike_conn *granting(const struct ike *ike, const struct ike_path *path)
{
    for (size_t i = 0; i < ike->n_conns; i++)
        if (resumption_grants(ike->conns[i]) && conn_rank(ike->conns[i], path) > 0)
            return ike->conns[i];
    return NULL;
}

void resume_answer(struct ike *ike, struct init_request *request)
{
    struct wire_notify ticket;
    request->key = init_request_key(ike, request);
    if (init_repeated(ike, request) || !init_admitted(ike, request))
        return;
    count_message(ike, NULL, COUNT_IN, WIRE_IKE_SESSION_RESUME, false);
    if (!wire_notify_find(request->message, N_TICKET_OPAQUE, &ticket)) {
        init_refuse_limited(ike, request, N_INVALID_SYNTAX, (struct span){0});
        return;
    }
    struct ike_conn *conn = granting(ike, request->path);
    if (conn == NULL || ticket.data.len == 0 || ticket.data.len > LIMIT_TICKET)
        refuse_ticket(ike, request);
    else if (init_affordable(ike, request, OPEN_COST_NS) && init_evict(ike, request))
        accept_ticket(ike, request, conn, ticket.data);
}
