/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/login/resumption.h"

#include <stdio.h>
#include <stdlib.h>

#include "crypto/prf.h"
#include "ike/core/keymat.h"
#include "ike/exchanges/auth_lifetime.h"
#include "ike/login/login_rounds.h"
#include "ike/login/redirect.h"
#include "ike/terms/identity.h"

void resumption_free(struct resumption *resumption)
{
    if (resumption == NULL)
        return;
    if (resumption->next != NULL)
        resumption->next->previous = resumption->previous;
    if (resumption->previous != NULL)
        resumption->previous->next = resumption->next;
    else if (resumption->ike != NULL)
        resumption->ike->resuming = resumption->next;
    held_ticket_unref(resumption->held);
    free(resumption);
}

bool resumption_grants(const struct ike_conn *conn)
{
    return conn->session_tickets == IKE_TICKETS_YES && conn->n_remote_rounds == 1 &&
           !login_conn_signs(conn);
}

/* --- End User: IKE_SESSION_RESUME --- */

void resumption_begin(struct sa *sa, const struct intent *intent)
{
    struct login *login = sa->login;
    if (login->conn->session_tickets == IKE_TICKETS_NO || intent->without_ticket ||
        login->replaces != 0 || intent->give_up_ns != 0 ||
        ike_gateway_given(&(struct ike_gateway){.address = intent->redirected_from}))
        return;
    struct held_ticket *held = held_ticket_find(sa->ike, login->conn, &sa->path.remote.address);
    if (held == NULL || (login->conn->ppk_required && !held->ppk))
        return;
    login->resumption = calloc(1, sizeof(*login->resumption));
    if (login->resumption != NULL)
        login->resumption->held = held_ticket_ref(held);
}

enum ike_outcome resumption_ask(struct sa *sa, struct wire_builder *request)
{
    struct login *login = sa->login;
    const struct held_ticket *held = login->resumption->held;
    if (login->n_ni == 0) {
        login->n_ni = LOGIN_NONCE_LEN;
        random_fill(sa->ike->random, login->ni, login->n_ni);
    }
    if (login->n_cookie > 0)
        wire_add_notify(request, N_COOKIE, span_of(login->cookie, login->n_cookie));
    wire_add(request, WIRE_PAYLOAD_NONCE, span_of(login->ni, login->n_ni));
    wire_add_notify(request, N_TICKET_OPAQUE, span_of(held->octets, held->n_octets));
    login_add_abilities(sa, request, false);
    redirect_announce(sa, request);
    return IKE_OK;
}

/* keys_set - section 5.1. */
static int keys_set(struct sa *sa)
{
    const struct login *login = sa->login;
    const struct held_ticket *held = login->resumption->held;
    const struct proposal_choice choice = {.encr = held->encr,
                                           .encr_key_bits = held->encr_key_bits,
                                           .prf = held->prf,
                                           .integ = held->integ,
                                           .ke = held->ke};
    sa_algorithms_set(sa, &choice);
    return keymat_resumed(sa, span_of(held->sk_d, crypto_prf_find(held->prf)->len),
                          span_of(login->ni, login->n_ni), span_of(login->nr, login->n_nr));
}

struct verdict resumption_answered(struct sa *sa, const struct wire_message *response,
                                   const struct ike_path *from, nanos now)
{
    struct login *login = sa->login;
    struct span nr;
    if (!message_rules_fit(MESSAGE_RESUME_ANSWER, response) || response->header.spi_r == 0 ||
        !wire_nonce_read(wire_find(response, WIRE_PAYLOAD_NONCE, NULL)->body, &nr) ||
        !login_keep_request(sa))
        return verdict_done(IKE_INVALID_SYNTAX);
    login->n_nr = (uint16_t)nr.len;
    memcpy(login->nr, nr.ptr, nr.len);
    login->init_response = login_copy(response->octets, &login->n_init_response);
    sa_spi_set(sa, sa->spi_i, response->header.spi_r);
    if (login->init_response == NULL || keys_set(sa) != 0)
        return verdict_done(IKE_LIMIT);
    login_read_response_abilities(sa, response, from);
    return login_keys_made(sa, now);
}

/* --- End User: IKE_AUTH --- */

bool resumption_prove(struct sa *sa)
{
    struct login *login = sa->login;
    const struct held_ticket *held = login->resumption->held;
    login->local_id = held->local_id;
    login->remote_id = held->remote_id;
    login->out.id = login->out.auth = true;
    return login_proof_resumed(sa);
}

/* same_id - section 4.3.3: the identity is identical to the value in the ticket. */
static bool same_id(const struct ike_id *a, const struct ike_id *b)
{
    return a->type == b->type && a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static bool auth_fits(struct sa *sa, const struct wire_auth *auth)
{
    uint8_t own[AUTH_OCTETS_PRF];
    size_t len = crypto_prf_find(sa->prf)->len;
    bool fits = login_resumed_auth(sa, false, own) == 0 && auth->method == AUTH_SHARED_KEY &&
                auth->data.len == len && ct_equal(auth->data.ptr, own, len);
    wipe(own, sizeof(own));
    return fits;
}

const char *resumption_check(struct sa *sa, const struct wire_message *response,
                             const struct wire_auth *auth)
{
    struct login *login = sa->login;
    if (!login_peer_id(login, wire_find(response, WIRE_PAYLOAD_IDr, NULL)) ||
        !same_id(&login->remote_id, &login->resumption->held->remote_id))
        return "its identity is not the one of the ticket";
    if (!auth_fits(sa, auth))
        return "its AUTH is not made with the keys of the ticket";
    login->proven_id = login->resumption->held->proven_id;
    login->valid_until_ns = login->resumption->held->valid_until_ns;
    login->chains = login->resumption->held->chains;
    login->ppk.mixed = login->resumption->held->ppk;
    login->theirs.over = true;
    return NULL;
}

bool resumption_doubted(struct sa *sa)
{
    struct login *login = sa->login;
    struct held_ticket *held =
        login->ticket_silent ? held_ticket_find(sa->ike, login->conn, &sa->path.remote.address)
                             : NULL;
    if (held == NULL || held->doubted)
        return false;
    held->doubted = true;
    return true;
}

void resumption_again(struct sa *sa, struct intent *intent, bool silent)
{
    struct held_ticket *held = sa->login->resumption->held;
    intent->without_ticket = true;
    intent->ticket_silent = silent && !held->doubted;
    if (!intent->ticket_silent)
        held_ticket_drop(sa->ike, held);
}

/* --- Gateway: which tickets are valid --- */

void resumption_opened(struct sa *sa, const struct ike_ticket *ticket, nanos now)
{
    struct resumption *resumption = sa->login->resumption;
    resumption->ticket = *ticket;
    resumption->opened_ns = now;
    resumption->ike = sa->ike;
    resumption->next = sa->ike->resuming;
    if (resumption->next != NULL)
        resumption->next->previous = resumption;
    sa->ike->resuming = resumption;
}

void login_tickets_ended(struct ike *ike, uint64_t family)
{
    for (struct resumption *r = ike->resuming; r != NULL; r = r->next)
        r->over |= r->ticket.family == family;
}

/* --- Gateway: IKE_AUTH --- */

/* use_ask - emits the job that marks the ticket as used. ERR_NO_MEMORY. */
static int use_ask(struct sa *sa)
{
    struct ike_ticket *copy = malloc(sizeof(*copy));
    if (copy == NULL)
        return ERR_NO_MEMORY;
    *copy = sa->login->resumption->ticket;
    struct ike_event *event = event_job(sa, IKE_EV_TICKET_USE, 0, span_of(copy, sizeof(*copy)));
    if (event == NULL)
        return ERR_NO_MEMORY;
    event->ticket = (struct ike_ticket_job){.ticket = copy};
    return 0;
}

static enum answer_verdict refuse(struct answering *answering, uint16_t notify)
{
    (void)answer_refuse(answering, notify);
    answering->fatal = true;
    return ANSWER_SEND;
}

enum answer_verdict resumption_answer(struct sa *sa, struct answering *answering,
                                      const struct wire_auth *auth)
{
    struct login *login = sa->login;
    const struct ike_ticket *ticket = &login->resumption->ticket;
    const struct wire_message *request = answering->request;
    const struct wire_payload *idr = wire_find(request, WIRE_PAYLOAD_IDr, NULL);
    struct wire_id wire;
    struct ike_id id;
    if (auth == NULL || wire_find(request, WIRE_PAYLOAD_CERT, NULL) != NULL ||
        !login_peer_id(login, wire_find(request, WIRE_PAYLOAD_IDi, NULL)) ||
        (idr != NULL && (!wire_id_read(idr->body, &wire) || !identity_from_wire(&wire, &id))))
        return refuse(answering, N_INVALID_SYNTAX);
    if (!same_id(&login->remote_id, &ticket->remote_id) ||
        (idr != NULL && !same_id(&id, &ticket->local_id)) || !auth_fits(sa, auth)) {
        login_refuse_later(sa, "its AUTH or identity is not the one of the ticket", answering->now);
        return ANSWER_LATER;
    }
    login_phase_set(login, LOGIN_WAITS_TICKET);
    if (use_ask(sa) == 0)
        return ANSWER_LATER;
    login_phase_set(login, LOGIN_WAITS_AUTH); /* no memory: the peer repeats the request */
    return ANSWER_SILENT;
}

static nanos until(nanos left, nanos now)
{
    return left > 0 ? nanos_after(now, left) : NANOS_NEVER;
}

bool resumption_used(struct sa *sa, const struct ike_proof *proof)
{
    struct login *login = sa->login;
    const struct ike_ticket *ticket = &login->resumption->ticket;
    login->theirs.over = true;
    login->proven_id = ticket->proven_id;
    login->grant = proof->grant;
    login->valid_until_ns = until(ticket->valid_ns, login->resumption->opened_ns);
    login->certs_until_ns = until(ticket->certs_ns, login->resumption->opened_ns);
    login->ppk.mixed = login->ppk.told = ticket->ppk;
    login->out.id = login->out.auth = true;
    return login_proof_resumed(sa);
}

/* --- Gateway: the next ticket --- */

static bool asked_for(const struct login *login)
{
    struct wire_message first;
    kept_message_get(&login->first, &first);
    return wire_notify_has(&first, N_TICKET_REQUEST);
}

bool ticket_due(const struct sa *sa)
{
    const struct login *login = sa->login;
    return sa->session != NULL && !login->ticket.asked && resumption_grants(login->conn) &&
           sa->session->chains.n == 0 &&
           !(ike_gateway_given(login->conn->redirect_to) && login->redirects) && asked_for(login);
}

static nanos left(nanos at, nanos now)
{
    return at == NANOS_NEVER ? 0 : at <= now ? 1 : at - now;
}

/* ticket_of - fills in the ticket of the session. */
static void ticket_of(const struct sa *sa, struct ike_ticket *ret)
{
    const struct session *session = sa->session;
    const struct ike_conn *conn = session->conn;
    nanos now = sa->ike->now;
    *ret = (struct ike_ticket){
        .local_id = session->local_id,
        .remote_id = session->ticket->peer_id,
        .proven_id = session->remote_id,
        .encr = sa->encr,
        .encr_key_bits = sa->encr_key_bits,
        .integ = sa->integ,
        .prf = sa->prf,
        .ke = sa->ke,
        .ppk = session->ppk,
        .shared = conn->remote[0].method == IKE_AUTH_PSK,
        .valid_ns = left(auth_lifetime_end(session), now),
        .certs_ns = left(session->certs_until_ns, now),
        .family = session->ticket->family,
        .grant = session->grant,
        .lifetime_ns = conn->ticket_lifetime_ns,
    };
    (void)snprintf(ret->conn, sizeof(ret->conn), "%s", conn->name);
}

int ticket_ask(struct sa *sa)
{
    struct login *login = sa->login;
    size_t len = crypto_prf_find(sa->prf)->len;
    login->ticket.asked = true;
    if (sa->session->ticket == NULL)
        sa->session->ticket = calloc(1, sizeof(*sa->session->ticket));
    uint8_t *octets = malloc(sizeof(struct ike_ticket) + len);
    if (sa->session->ticket == NULL || octets == NULL) {
        free(octets);
        return ERR_NO_MEMORY;
    }
    sa->session->ticket->peer_id = login->remote_id;
    struct ike_ticket *ticket = (struct ike_ticket *)(void *)octets;
    ticket_of(sa, ticket);
    memcpy(octets + sizeof(*ticket), sa->keys.sk_d, len);
    struct ike_event *event =
        event_job(sa, IKE_EV_TICKET_SEAL, 0, span_of(octets, sizeof(struct ike_ticket) + len));
    if (event == NULL)
        return ERR_NO_MEMORY;
    event->ticket = (struct ike_ticket_job){
        .ticket = ticket, .sk_d = span_of(octets + sizeof(struct ike_ticket), len)};
    login_phase_set(login, LOGIN_WAITS_TICKET);
    return 0;
}

void ticket_sealed(struct sa *sa, const struct ike_result *result)
{
    struct login *login = sa->login;
    nanos seconds = result->ticket_lifetime_ns / NANOS_PER_SEC;
    size_t n;
    if (result->error != 0 || result->sealed.len == 0 || seconds <= 0)
        return;
    login->ticket.octets = login_copy(result->sealed, &n);
    if (login->ticket.octets == NULL)
        return;
    login->ticket.n_octets = n;
    login->ticket.lifetime_s = seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds;
    sa->session->ticket->family = result->family;
}

void ticket_add(const struct sa *sa, struct wire_builder *reply)
{
    const struct login *login = sa->login;
    uint8_t data[4 + LIMIT_TICKET];
    struct writer w = writer_of(data, sizeof(data));
    if (!asked_for(login))
        return;
    write_u32(&w, login->ticket.lifetime_s);
    write_bytes(&w, span_of(login->ticket.octets, login->ticket.n_octets));
    if (login->ticket.octets == NULL || writer_failed(&w))
        wire_add_notify(reply, N_TICKET_NACK, (struct span){0});
    else
        wire_add_notify(reply, N_TICKET_LT_OPAQUE, writer_span(&w));
}

void ticket_refuse(const struct sa *sa, const struct wire_message *request,
                   struct wire_builder *reply)
{
    if (sa->session->role == IKE_GATEWAY && wire_notify_has(request, N_TICKET_REQUEST))
        wire_add_notify(reply, N_TICKET_NACK, (struct span){0});
}
