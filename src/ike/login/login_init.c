/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IKE_SA_INIT (RFC 7296 section 1.2), our side; answer_init.c has the other one:
 *
 *   HDR, [N(COOKIE),] SAi1, KEi, Ni, N(NAT_DETECTION_*), N(...), V  -->
 *                                <--  HDR, SAr1, KEr, Nr, N(NAT_DETECTION_*), N(...), V
 *                            or  <--  HDR, N(COOKIE)
 *                            or  <--  HDR, N(INVALID_KE_PAYLOAD)
 *                            or  <--  HDR, N(NO_PROPOSAL_CHOSEN)
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/reader.h"
#include "ike/core/answer.h"
#include "ike/core/conn_index.h"
#include "ike/core/keymat.h"
#include "ike/core/nat_detection.h"
#include "ike/core/seal.h"
#include "ike/login/login_rounds.h"
#include "ike/login/redirect.h"
#include "ike/login/resumption.h"
#include "ike/terms/identity.h"

#define RETRIES_MAX 3
#define NAT_T_PORT  4500
#define CANDIDATES  32 /* connections that a responder announces for */
#define IKE_PORT    500

/* --- announcements of both sides --- */

/* add_auth_abilities - announces how the peer may authenticate. A responder does not know the
 * connection yet, so it announces for all that fit the addresses. */
static void add_auth_abilities(struct sa *sa, struct wire_builder *message, bool response)
{
    const struct ike_conn *conns[CANDIDATES];
    size_t n = 0;
    bool signs = false, several = false;
    if (!response)
        conns[n++] = sa->login->conn;
    for (size_t i = 0; response && i < sa->ike->n_conns && n < CANDIDATES; i++)
        if (conn_rank(sa->ike->conns[i], &sa->path) > 0)
            conns[n++] = sa->ike->conns[i];
    for (size_t i = 0; i < n; i++) {
        signs |= login_conn_signs(conns[i]);
        several |= conns[i]->n_local_rounds + conns[i]->n_remote_rounds > 2;
    }
    if (signs)
        login_hashes_add(message);
    if (response)
        login_certreq_add(conns, n, message);
    if (response)
        login_methods_add(conns, n, message);
    if (response && several)
        wire_add_notify(message, N_MULTIPLE_AUTH_SUPPORTED, (struct span){0});
}

void login_add_abilities(struct sa *sa, struct wire_builder *message, bool response)
{
    const struct ike_conn *conn = sa->login->conn;
    nat_detection_add(sa, message, &sa->path, conn->encap);
    if (conn->fragmentation != IKE_FRAGMENTATION_NO)
        wire_add_notify(message, N_IKEV2_FRAGMENTATION_SUPPORTED, (struct span){0});
    if (sa->login->resumption == NULL) /* RFC 5723: only the ticket authenticates */
        add_auth_abilities(sa, message, response);
    if (response && conn->childless != IKE_CHILDLESS_NEVER)
        wire_add_notify(message, N_CHILDLESS_IKEV2_SUPPORTED, (struct span){0});
    if (ike_conn_keep_old(conn)) {
        uint8_t vid[KEEP_OLD_VENDOR_ID_LEN];
        uint16_t notify =
            conn->keep_old_notify != 0 ? conn->keep_old_notify : KEEP_OLD_DEFAULT_NOTIFY;
        sa->login->own_notify = notify;
        keep_old_vendor_id_write(notify, vid);
        wire_add(message, WIRE_PAYLOAD_V, span_of(vid, sizeof(vid)));
    }
    if (sa->login->resumption == NULL && (response ? sa->login->ppk.agreed : sa->login->ppk.wanted))
        wire_add_notify(message, N_USE_PPK, (struct span){0});
}

/* login_vendor_id_find - the last announcement of KEEP_OLD_IKE_SA counts. */
bool login_vendor_id_find(const struct wire_message *message, uint16_t *ret_notify)
{
    const struct wire_payload *v = NULL;
    bool found = false;
    while ((v = wire_find(message, WIRE_PAYLOAD_V, v)) != NULL)
        found |= keep_old_vendor_id_read(v->body, ret_notify);
    return found;
}

void login_read_abilities(struct sa *sa, const struct wire_message *message,
                          const struct ike_path *path)
{
    struct login *login = sa->login;
    const struct ike_conn *conn = login->conn;
    struct nat_seen nat = nat_detection_check(sa, message, path);
    login->nat_traversal = nat.present;
    sa->nat_local = nat.local;
    sa->nat_remote = nat.remote;
    login->fragmentation = conn->fragmentation != IKE_FRAGMENTATION_NO &&
                           wire_notify_has(message, N_IKEV2_FRAGMENTATION_SUPPORTED);
    login->childless = wire_notify_has(message, N_CHILDLESS_IKEV2_SUPPORTED);
    login->ppk.agreed = wire_notify_has(message, N_USE_PPK) &&
                        (sa_original_initiator(sa) ? login->ppk.wanted : sa->ike->ppk);
    login_peer_read(login, message);
    login->keep_old =
        ike_conn_keep_old(conn) && login_vendor_id_find(message, &login->keep_old_notify);
}

uint8_t *login_copy(struct span octets, size_t *ret_len)
{
    uint8_t *copy = malloc(octets.len);
    if (copy != NULL)
        memcpy(copy, octets.ptr, octets.len);
    *ret_len = copy == NULL ? 0 : octets.len;
    return copy;
}

/* --- our side --- */

enum ike_outcome login_ask_init(struct sa *sa, struct wire_builder *request)
{
    struct login *login = sa->login;
    const struct ike_conn *conn = login->conn;
    const struct ke_job *pair = exchange_pair(sa->asking);
    struct wire_sa offer;

    if (conn->proposals.n == 0)
        return IKE_NO_PROPOSAL;
    if (conn->ppk_required && !login->ppk.wanted) {
        event_notice(sa, "a PPK is required: %s", login->ppk.why);
        return IKE_NO_PPK;
    }
    if (pair == NULL)
        return IKE_KE_REFUSED;
    login->ke_group = pair->group;
    if (login->n_ni == 0) {
        login->n_ni = LOGIN_NONCE_LEN;
        random_fill(sa->ike->random, login->ni, login->n_ni);
    }
    /* Section 2.6: the cookie comes first, the rest of the request is unchanged. */
    if (login->n_cookie > 0)
        wire_add_notify(request, N_COOKIE, span_of(login->cookie, login->n_cookie));
    proposal_to_wire(&conn->proposals, (struct span){0}, true, &offer);
    wire_add_sa(request, &offer);
    wire_add_ke(request, pair->group, ke_public(pair));
    wire_add(request, WIRE_PAYLOAD_NONCE, span_of(login->ni, login->n_ni));
    login_add_abilities(sa, request, false);
    redirect_announce(sa, request);
    return IKE_OK;
}

static struct verdict again(struct sa *sa)
{
    sa->mine.next_id = 0; /* section 2.2: the retried request has Message ID 0 as well */
    return (struct verdict){.kind = VERDICT_REPEAT};
}

static struct verdict other_group(struct sa *sa, const struct wire_notify *notify)
{
    struct login *login = sa->login;
    uint16_t group = proposal_other_ke(&login->conn->proposals, notify->data, login->ke_group);
    if (group == 0 || ++login->ke_retries > RETRIES_MAX)
        return (struct verdict){
            .kind = VERDICT_DONE, .outcome = IKE_KE_REFUSED, .notify = notify->type};
    login->ke_group = group;
    return again(sa);
}

static bool cookie_fits(const struct wire_notify *notify)
{
    return notify->data.len > 0 && notify->data.len <= LIMIT_COOKIE; /* section 2.6 */
}

static struct verdict init_refused(struct sa *sa, const struct wire_message *response)
{
    struct login *login = sa->login;
    struct wire_notify notify;
    if (wire_notify_find(response, N_COOKIE, &notify)) {
        if (!cookie_fits(&notify) || ++login->cookie_retries > RETRIES_MAX)
            return verdict_done(IKE_INVALID_SYNTAX);
        login->n_cookie = (uint8_t)notify.data.len;
        memcpy(login->cookie, notify.data.ptr, notify.data.len);
        return again(sa);
    }
    if (redirect_found(sa, response, true)) {
        redirect_follow(sa, response);
        return verdict_done(IKE_REDIRECTED);
    }
    if (wire_notify_find(response, N_INVALID_KE_PAYLOAD, &notify))
        return other_group(sa, &notify);
    return verdict_error(response);
}

/* lacks_ppk - after this response the IKE SA would lack the required PPK. RFC 8784 section 6: it
 * may be forged. */
static bool lacks_ppk(const struct login *login, const struct wire_message *response)
{
    return login->conn->ppk_required && message_kind(response) == MESSAGE_INIT_ANSWER &&
           !wire_notify_has(response, N_USE_PPK);
}

/* has_sequel - another request follows the response. */
static bool has_sequel(const struct sa *sa, const struct wire_message *response)
{
    const struct login *login = sa->login;
    struct wire_notify notify;
    enum message_kind kind = message_kind(response);
    if (kind == MESSAGE_INIT_ANSWER)
        return !lacks_ppk(login, response);
    if (kind == MESSAGE_RESUME_ANSWER)
        return true;
    if (wire_notify_find(response, N_COOKIE, &notify))
        return cookie_fits(&notify);
    if (redirect_found(sa, response, true))
        return true;
    return wire_notify_find(response, N_INVALID_KE_PAYLOAD, &notify) &&
           proposal_other_ke(&login->conn->proposals, notify.data, login->ke_group) != 0;
}

bool login_hint(const struct sa *sa, struct verdict *ret_verdict)
{
    const struct login *login = sa->login;
    if (login == NULL || (login->hint == 0 && !login->hint_ppk))
        return false;
    *ret_verdict = login->hint != 0 ? verdict_notify(login->hint) : verdict_done(IKE_NO_PPK);
    return true;
}

bool login_is_hint(struct sa *sa, const struct wire_message *response, nanos now)
{
    struct login *login = sa->login;
    struct wire_notify notify;
    if (has_sequel(sa, response))
        return false;
    if (login->hint != 0 || login->hint_ppk)
        return true;
    login->hint_ppk = lacks_ppk(login, response);
    if (login->hint_ppk) {
        event_notice(sa, "a PPK is required: %s", login->ppk.why);
    } else if (login->resumption != NULL && wire_notify_find(response, N_TICKET_NACK, &notify)) {
        login->hint = notify.type;
    } else if (wire_notify_error(response, &notify)) {
        login->hint = notify.type;
        login_notice_refusal(sa, "IKE", &notify);
    } else {
        return true;
    }
    window_end_by(&sa->mine, nanos_after(now, LOGIN_HINT_NS));
    sa_touch(sa);
    return true;
}

bool login_keep_request(struct sa *sa)
{
    free(sa->login->init_request);
    sa->login->init_request = NULL;
    if (sa->last_request == NULL)
        return false;
    sa->login->init_request =
        login_copy(packet_part(sa->last_request, 0), &sa->login->n_init_request);
    return sa->login->init_request != NULL;
}

static void float_ports(struct sa *sa)
{
    const struct login *login = sa->login;
    /* RFC 4555 section 3.3: with MOBIKE the change to 4500 does not wait for a NAT. */
    if (!login->nat_traversal ||
        !(sa->nat_local || sa->nat_remote || login->conn->mobike || login->conn->encap))
        return;
    if (sa->path.remote.port != IKE_PORT || sa->path.local.port != IKE_PORT)
        return; /* a configured port stays */
    sa->path.local.port = sa->path.remote.port = NAT_T_PORT;
}

void login_read_response_abilities(struct sa *sa, const struct wire_message *response,
                                   const struct ike_path *from)
{
    const struct login *login = sa->login;
    login_read_abilities(sa, response, from);
    sa->session->fragmentation = login->fragmentation;
    sa->session->childless = login->childless;
    sa->session->peer_keep_old = login->keep_old;
    sa->session->peer_notify = login->keep_old_notify;
}

struct verdict login_init_answered(struct sa *sa, const struct wire_message *response,
                                   const struct ike_path *from, nanos now)
{
    struct login *login = sa->login;
    const struct wire_payload *sa_payload = wire_find(response, WIRE_PAYLOAD_SA, NULL);
    const struct wire_payload *ke_payload = wire_find(response, WIRE_PAYLOAD_KE, NULL);
    const struct wire_payload *nonce_payload = wire_find(response, WIRE_PAYLOAD_NONCE, NULL);
    struct wire_sa answer;
    struct wire_ke ke;
    struct span nr;
    struct proposal_choice choice;

    enum message_kind kind = message_kind(response);
    if (kind == MESSAGE_INIT_REFUSAL || kind == MESSAGE_RESUME_REFUSAL)
        return init_refused(sa, response);
    if (kind == MESSAGE_RESUME_ANSWER)
        return resumption_answered(sa, response, from, now);
    if (!message_rules_fit(MESSAGE_INIT_ANSWER, response) || response->header.spi_r == 0 ||
        !wire_sa_read(sa_payload->body, &answer) || !wire_ke_read(ke_payload->body, &ke) ||
        !wire_nonce_read(nonce_payload->body, &nr) || !login_keep_request(sa))
        return verdict_done(IKE_INVALID_SYNTAX);
    if (!proposal_accept(&login->conn->proposals, &answer, WIRE_PROTO_IKE, true, &choice))
        return verdict_done(IKE_NO_PROPOSAL);
    if (choice.ke != login->ke_group || ke.group != login->ke_group)
        return verdict_done(IKE_KE_REFUSED);
    login->n_nr = (uint16_t)nr.len;
    memcpy(login->nr, nr.ptr, nr.len);
    login->init_response = login_copy(response->octets, &login->n_init_response);
    sa_spi_set(sa, sa->spi_i, response->header.spi_r);
    sa_algorithms_set(sa, &choice);
    if (login->init_response == NULL)
        return verdict_done(IKE_KE_REFUSED);
    login_read_response_abilities(sa, response, from);
    return exchange_agree(sa, sa->asking, ke.public_value, now);
}

struct verdict login_init_keys(struct sa *sa, nanos now)
{
    struct login *login = sa->login;
    const struct secret *secret = exchange_secret(sa->asking);
    if (secret == NULL || keymat_initial(sa, span_of(login->ni, login->n_ni),
                                         span_of(login->nr, login->n_nr), secret) != 0)
        return verdict_done(IKE_KE_REFUSED);
    sa->asking->key_exchange = key_exchange_free(sa->asking->key_exchange);
    return login_keys_made(sa, now);
}

struct verdict login_keys_made(struct sa *sa, nanos now)
{
    struct login *login = sa->login;
    float_ports(sa);
    sa_life_set(sa, IKE_AUTHENTICATING, now);
    /* IDr names one identity (RFC 7296 section 2.15). With several allowed, the responder
     * chooses. */
    if (!identity_is_pattern(&login->conn->remote[0].id))
        login->remote_id = login->conn->remote[0].id;
    login_phase_set(login, LOGIN_WAITS_AUTH);
    return login_ask_begin(sa, now);
}
