/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer to IKE_SA_INIT (login_init.c has the messages). Anybody can send this request with any
 * source address, so the cheap checks come first:
 *
 *   repeated?   the response once more
 *   cookie      while many are half-open or failed, in all or of this source (half_open.h)
 *   proposals   one search, whatever the number of connections (conn_index.h)
 *   KE          group, length and range of the peer's value, before we have a key pair
 *   budget      key exchange time of this second; known sources and returned cookies go first
 *
 * A refused request counts against its source, and leaves no IKE SA. Its answer, if any, is not
 * larger than the request.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "ike/core/conn_index.h"
#include "ike/core/half_open.h"
#include "ike/core/key_exchange.h"
#include "ike/core/keymat.h"
#include "ike/core/seal.h"
#include "ike/core/trace.h"
#include "ike/login/answer_init.h"
#include "ike/login/login.h"
#include "ike/login/redirect.h"

/* --- refusals --- */

/* refuse - answers with one notify that is never larger than the request. */
static void refuse(struct ike *ike, const struct init_request *request, uint16_t type,
                   struct span data)
{
    uint8_t octets[IKE_HEADER_LEN + 8 + PROPOSAL_REFUSAL_MAX + REDIRECT_DATA_MAX];
    const struct ike_header *asked = &request->message->header;
    if (IKE_HEADER_LEN + 8 + data.len > request->message->octets.len)
        data = (struct span){0};
    struct wire_builder b =
        wire_builder_of(octets + IKE_HEADER_LEN, sizeof(octets) - IKE_HEADER_LEN);
    wire_add_notify(&b, type, data);
    struct ike_header header = {
        .spi_i = asked->spi_i,
        .next_payload = b.first,
        .version = IKE_VERSION,
        .exchange = asked->exchange,
        .flags = IKE_FLAG_RESPONSE,
        .length = (uint32_t)(IKE_HEADER_LEN + b.w.len),
    };
    if (header.length > asked->length)
        return;
    ike_header_write(&header, octets);
    output_add(ike, request->path, 0, span_of(octets, header.length));
    trace_refused(ike, request->path, request->message, type, header.length);
    if (type != N_COOKIE)
        count_message(ike, NULL, COUNT_OUT, WIRE_IKE_SA_INIT, true);
}

void init_refuse_limited(struct ike *ike, const struct init_request *request, uint16_t type,
                         struct span data)
{
    if (source_rate_take(&ike->refusals, ike->hash_key, &request->path->remote.address,
                         LIMIT_REFUSALS_PER_SECOND, request->now))
        refuse(ike, request, type, data);
    else
        ike->stats.dropped_limit++;
}

/* refuse_proposals - NO_PROPOSAL_CHOSEN. A peer with the Vendor ID also learns our proposals. */
static void refuse_proposals(struct ike *ike, const struct init_request *request)
{
    uint8_t octets[PROPOSAL_REFUSAL_MAX];
    struct span data = {0};
    uint16_t number;
    const struct ike_conn *conn = login_vendor_id_find(request->message, &number)
                                      ? conn_index_find(ike, request->path, NULL, 0, NULL)
                                      : NULL;
    if (conn != NULL)
        data = proposal_refusal(&conn->proposals, (struct buffer){octets, sizeof(octets)});
    ike->stats.logins_failed[IKE_NO_PROPOSAL]++;
    init_refuse_limited(ike, request, N_NO_PROPOSAL_CHOSEN, data);
}

/* --- admission --- */

bool init_repeated(struct ike *ike, const struct init_request *request)
{
    const struct login *login = map_get(&ike->logins_by_request, request->key);
    if (login == NULL)
        return false;
    if (login->init_response == NULL)
        return true; /* its key exchange is still being computed */
    if (!sa_may_repeat(login->sa, request->now))
        return true;
    ike->stats.retransmitted++;
    output_add(ike, request->path, 0, span_of(login->init_response, login->n_init_response));
    trace_init_repeated(login->half_open.owner, request->path, request->message,
                        login->n_init_response);
    return true;
}

static void ask_for_cookie(struct ike *ike, const struct init_request *request)
{
    struct cookie_input input = {request->ni, request->path->remote,
                                 request->message->header.spi_i};
    uint8_t cookie[COOKIE_LEN];
    if (!cookie_make(&ike->cookies, ike->crypto, ike->random, &input, request->now, cookie))
        return;
    ike->stats.cookies_sent++;
    refuse(ike, request, N_COOKIE, span_of(cookie, sizeof(cookie)));
}

static bool cookie_returned(const struct ike *ike, const struct init_request *request)
{
    struct cookie_input input = {request->ni, request->path->remote,
                                 request->message->header.spi_i};
    struct wire_notify notify;
    return wire_notify_find(request->message, N_COOKIE, &notify) &&
           cookie_check(&ike->cookies, ike->crypto, &input, notify.data, request->now);
}

bool init_admitted(struct ike *ike, struct init_request *request)
{
    request->proven = cookie_returned(ike, request);
    if (ike->pressure != IKE_PRESSURE_NONE || ike->stats.sessions >= LIMIT_SESSIONS) {
        ike->stats.dropped_limit++; /* no response: the peer tries again */
        return false;
    }
    switch (half_open_judge(&ike->half_open, &request->path->remote.address, request->proven,
                            request->now)) {
    case HALF_OPEN_WELCOME:
    case HALF_OPEN_FULL: return true;
    case HALF_OPEN_COOKIE: ask_for_cookie(ike, request); return false;
    case HALF_OPEN_REFUSED: break;
    }
    ike->stats.dropped_limit++;
    return false;
}

/* budget_take - takes one key exchange from the budget. `first`: the source has priority and may
 * use all of it; other sources must leave one half. */
static bool budget_take(struct ke_budget *budget, nanos share, nanos cost, bool first, nanos now)
{
    nanos passed_us = nanos_min(now - budget->at_ns, NANOS_PER_SEC) / NANOS_PER_US;
    budget->at_ns = now;
    budget->left_ns =
        nanos_min(share, budget->left_ns + passed_us * share / (NANOS_PER_SEC / NANOS_PER_US));
    if (budget->left_ns - cost < (first ? 0 : share / 2))
        return false;
    budget->left_ns -= cost;
    return true;
}

bool init_affordable(struct ike *ike, const struct init_request *request, nanos cost)
{
    bool first =
        request->proven || half_open_knows(&ike->half_open, &request->path->remote.address);
    if (budget_take(&ike->ke_budget, ike->options.ke_budget_ns, cost, first, request->now))
        return true;
    if (!first)
        ask_for_cookie(ike, request);
    else
        ike->stats.dropped_limit++;
    return false;
}

bool init_evict(struct ike *ike, const struct init_request *request)
{
    if (half_open_judge(&ike->half_open, &request->path->remote.address, request->proven,
                        request->now) != HALF_OPEN_FULL)
        return true;
    return login_evict(ike, &ike->half_open, request->now);
}

/* --- the answer --- */

static void write_response(struct sa *sa, const struct proposal_choice *choice, struct span public)
{
    struct login *login = sa->login;
    struct wire_builder reply = wire_builder_of(sa->ike->build, LIMIT_IKE_MESSAGE);
    struct wire_sa answer;
    proposal_choice_to_wire(choice, WIRE_PROTO_IKE, (struct span){0}, &answer);
    wire_add_sa(&reply, &answer);
    wire_add_ke(&reply, choice->ke, public);
    wire_add(&reply, WIRE_PAYLOAD_NONCE, span_of(login->nr, login->n_nr));
    login_add_abilities(sa, &reply, true);
    struct packet *packet = seal_message(sa, &reply, WIRE_IKE_SA_INIT, SEAL_RESPONSE, 0);
    if (packet == NULL)
        return;
    login->init_response = login_copy(packet_part(packet, 0), &login->n_init_response);
    packet_free(packet);
}

struct sa *init_half_open_begin(struct ike *ike, const struct init_request *request,
                                struct ike_conn *conn)
{
    struct sa *sa = sa_new(ike, IKE_SA_RESPONDER, request->path, request->now);
    struct login *login = sa == NULL ? NULL : login_new(sa, conn);
    if (login != NULL && half_open_add(&ike->half_open, &login->half_open,
                                       &request->path->remote.address, request->now)) {
        login->half_open.owner = sa;
        login->table = &ike->half_open;
        if (map_put(&ike->logins_by_request, request->key, login) == 0) {
            login->request_key = request->key;
            return sa;
        }
    }
    if (sa != NULL)
        sa_down(sa, IKE_LIMIT, request->now);
    return NULL;
}

static void give_up(struct sa *sa, bool failed, nanos now)
{
    const struct login *login = sa->login;
    if (failed)
        half_open_failed(&sa->ike->half_open, &sa->path.remote.address, login->proven, now);
    sa_down(sa, failed ? IKE_KE_REFUSED : IKE_LIMIT, now);
}

void login_init_agreed(struct sa *sa, nanos now)
{
    struct login *login = sa->login;
    struct ike *ike = sa->ike;
    const struct ke_job *ke = &sa->key_exchange->ke;
    if (ke->error != 0) {
        give_up(sa, ke->error == ERR_CRYPTO, now);
        return;
    }
    write_response(sa, &login->choice, ke_public(ke));
    if (login->init_response == NULL ||
        keymat_initial(sa, span_of(login->ni, login->n_ni), span_of(login->nr, login->n_nr),
                       &ke->shared) != 0) {
        give_up(sa, false, now);
        return;
    }
    sa->key_exchange = key_exchange_free(sa->key_exchange);
    login->half_open.busy = false;
    sa->theirs.next_id = 1;
    login_phase_set(login, LOGIN_WAITS_AUTH);
    sa->expires_ns = nanos_after(now, half_open_patience(&ike->half_open));
    output_add(ike, &sa->path, 0, span_of(login->init_response, login->n_init_response));
    sa_life_set(sa, IKE_AUTHENTICATING, now);
}

static void accept_init(struct ike *ike, const struct init_request *request, struct ike_conn *conn,
                        const struct proposal_choice *choice)
{
    const struct wire_message *message = request->message;
    struct sa *sa = init_half_open_begin(ike, request, conn);
    if (sa == NULL)
        return;
    struct login *login = sa->login;
    sa_spi_set(sa, message->header.spi_i, sa->spi_r);
    sa_algorithms_set(sa, choice);
    sa->expires_ns = nanos_after(request->now, half_open_patience(&ike->half_open));
    login->choice = *choice;
    login->choice.spi = (struct span){0};
    login->proven = request->proven;
    login->redirects = redirect_announced(message);
    login->n_ni = (uint16_t)request->ni.len;
    memcpy(login->ni, request->ni.ptr, request->ni.len);
    login->n_nr = LOGIN_NONCE_LEN;
    random_fill(ike->random, login->nr, login->n_nr);
    login->init_request = login_copy(message->octets, &login->n_init_request);
    login_read_abilities(sa, message, request->path);
    trace_received(sa, request->path, message);
    bool first = request->proven || login->half_open.known;
    enum key_exchange_state state = KEY_EXCHANGE_FAILED;
    if (login->init_request != NULL)
        state = key_exchange_answer(sa, choice->ke, request->ke.public_value,
                                    first ? IKE_KE_PROVEN : IKE_KE_STRANGER);
    switch (state) {
    case KEY_EXCHANGE_DONE: login_init_agreed(sa, request->now); break;
    case KEY_EXCHANGE_LATER: login->half_open.busy = true; break;
    case KEY_EXCHANGE_FAILED: give_up(sa, false, request->now); break;
    }
}

/* --- the request --- */

/* read_nonce - checks the payload rules, and reads the nonce, which the cookie needs. */
static bool read_nonce(const struct wire_message *message, struct init_request *request)
{
    return message_rules_fit(message_kind(message), message) &&
           wire_nonce_read(wire_find(message, WIRE_PAYLOAD_NONCE, NULL)->body, &request->ni);
}

static bool read_offer(const struct wire_message *message, struct init_request *request)
{
    return wire_sa_read(wire_find(message, WIRE_PAYLOAD_SA, NULL)->body, &request->sa) &&
           wire_ke_read(wire_find(message, WIRE_PAYLOAD_KE, NULL)->body, &request->ke);
}

uint64_t init_request_key(const struct ike *ike, const struct init_request *request)
{
    uint8_t source[16 + 2 + sizeof(uint64_t)];
    const struct endpoint *from = &request->path->remote;
    uint64_t octets = siphash(ike->hash_key, request->message->octets);
    memcpy(source, from->address.octets, 16);
    memcpy(source + 16, &from->port, sizeof(from->port));
    memcpy(source + 18, &octets, sizeof(octets));
    return siphash(ike->hash_key, span_of(source, sizeof(source))) | 1;
}

static void init_answer(struct ike *ike, struct init_request *request)
{
    struct proposal_choice choice;
    request->key = init_request_key(ike, request);
    if (init_repeated(ike, request) || !init_admitted(ike, request))
        return;
    count_message(ike, NULL, COUNT_IN, WIRE_IKE_SA_INIT, false);
    if (!read_offer(request->message, request)) {
        ike->stats.malformed++;
        count(ike, NULL, IKE_COUNT_INVALID);
        init_refuse_limited(ike, request, N_INVALID_SYNTAX, (struct span){0});
        return;
    }
    struct ike_conn *conn =
        conn_index_find(ike, request->path, &request->sa, request->ke.group, &choice);
    if (conn == NULL) {
        refuse_proposals(ike, request);
        return;
    }
    if (redirect_at_once(ike, request->path, conn, request->message)) {
        uint8_t octets[REDIRECT_DATA_MAX];
        init_refuse_limited(ike, request, N_REDIRECT,
                            redirect_write(conn->redirect_to, request->ni, octets));
        return;
    }
    if (choice.ke != request->ke.group) {
        /* Section 1.3: the group that we want, in network order */
        uint8_t group[2] = {(uint8_t)(choice.ke >> 8), (uint8_t)choice.ke};
        init_refuse_limited(ike, request, N_INVALID_KE_PAYLOAD, span_of(group, 2));
        return;
    }
    if (!ke_public_fits(choice.ke, request->ke.public_value)) {
        half_open_failed(&ike->half_open, &request->path->remote.address, request->proven,
                         request->now);
        init_refuse_limited(ike, request, N_INVALID_SYNTAX, (struct span){0});
        return;
    }
    if (init_affordable(ike, request, ke_cost_ns(choice.ke)) && init_evict(ike, request))
        accept_init(ike, request, conn, &choice);
}

void login_answer_init(struct ike *ike, const struct ike_path *path,
                       const struct wire_message *message, nanos now)
{
    const struct ike_header *header = &message->header;
    struct init_request request;

    if (!ike->serving || header->spi_r != 0 || header->message_id != 0 || header->spi_i == 0 ||
        (header->flags & IKE_FLAG_INITIATOR) == 0 ||
        !address_usable_outer(&path->remote.address, ike->options.allow_loopback))
        return;
    request.path = path;
    request.message = message;
    request.proven = false;
    request.now = now;
    if (read_nonce(message, &request)) {
        if (header->exchange == WIRE_IKE_SESSION_RESUME)
            resume_answer(ike, &request);
        else
            init_answer(ike, &request);
        return;
    }
    ike->stats.malformed++;
    count(ike, NULL, IKE_COUNT_INVALID);
    init_refuse_limited(ike, &request, N_INVALID_SYNTAX, (struct span){0});
}
