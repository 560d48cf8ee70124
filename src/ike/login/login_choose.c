/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/login/login_choose.h"

#include "base/assert.h"
#include "ike/core/conn_index.h"
#include "ike/core/ike_state.h"
#include "ike/login/login_eap.h"
#include "ike/login/login_ppk.h"
#include "ike/login/login_rounds.h"
#include "ike/terms/identity.h"

struct login_claim login_claim_read(const struct login *login, const struct wire_message *request)
{
    struct login_claim claim = {.idi = &login->remote_id};
    const struct wire_payload *auth = wire_find(request, WIRE_PAYLOAD_AUTH, NULL);
    const struct wire_payload *idr = wire_find(request, WIRE_PAYLOAD_IDr, NULL);
    struct wire_auth auth_wire;
    struct wire_id id_wire;
    if (auth != NULL && wire_auth_read(auth->body, &auth_wire)) {
        claim.auth = true;
        claim.auth_method = auth_wire.method;
        claim.more_rounds = wire_notify_has(request, N_ANOTHER_AUTH_FOLLOWS);
    }
    if (idr == NULL || !wire_id_read(idr->body, &id_wire) ||
        !identity_from_wire(&id_wire, &claim.idr))
        claim.idr = (struct ike_id){.type = ID_ANY};
    return claim;
}

static bool algorithms_fit(const struct ike_conn *conn, const struct sa *sa)
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

/* --- compared with the proofs and identities so far --- */

/* peer_proven - the number of rounds that the peer has proven. */
static uint8_t peer_proven(const struct login *login)
{
    bool by_eap = login->eap.stage == LOGIN_EAP_PROVEN || login->eap.stage == LOGIN_EAP_CONFIRMS;
    return (uint8_t)(login->theirs.round + by_eap);
}

/* own_shown - the number of our rounds whose identity the peer knows. */
static uint8_t own_shown(const struct login *login)
{
    return (uint8_t)(login->ours.round + (login->ours.over || login->own_id_sent));
}

/* same_demands - a proof of a round that meets one policy meets the other one, too. */
static bool same_demands(const struct ike_auth_policy *a, const struct ike_auth_policy *b)
{
    return a->method == b->method && a->credentials == b->credentials &&
           strcmp(a->id_pattern, b->id_pattern) == 0 && strcmp(a->eap_id, b->eap_id) == 0;
}

static bool same_own(const struct ike_auth_policy *a, const struct ike_auth_policy *b)
{
    return a->method == b->method && a->credentials == b->credentials &&
           identity_equal(&a->id, &b->id);
}

/* goes_on - the login can continue as one of that connection. */
static bool goes_on(const struct login *login, const struct ike_conn *conn)
{
    const struct ike_conn *old = login->conn;
    uint8_t proven = peer_proven(login), shown = own_shown(login);
    bool rounds =
        conn->n_remote_rounds > login->theirs.round &&
        (login->ours.over ? conn->n_local_rounds == shown : conn->n_local_rounds >= shown) &&
        conn->n_local_rounds > login->ours.round; /* ANOTHER_AUTH_FOLLOWS was sent */
    for (uint8_t i = 0; rounds && i < proven; i++)
        rounds = same_demands(&old->remote[i], &conn->remote[i]);
    for (uint8_t i = 0; rounds && i < shown; i++)
        rounds = same_own(&old->local[i], &conn->local[i]);
    return rounds && login_ppk_fits(login, conn);
}

/* known_unfit - a policy like the connection's has refused the proof of the current round. */
static bool known_unfit(const struct login *login, const struct ike_conn *conn)
{
    const struct login_unfit *unfit = &login->unfit;
    for (uint8_t i = 0; i < unfit->n; i++)
        if (unfit->of[i].round == login->theirs.round &&
            unfit->of[i].credentials == conn->remote[login->theirs.round].credentials)
            return true;
    return false;
}

/* --- compared with the request --- */

/* rounds_fit - RFC 4739: the number of the peer's rounds, as far as the request tells it. */
static bool rounds_fit(const struct login *login, const struct ike_conn *conn,
                       const struct login_claim *claim)
{
    return !claim->auth || claim->more_rounds == (conn->n_remote_rounds > login->theirs.round + 1);
}

/* method_fits - A17: the current round is proven by the method that the connection demands. */
static bool method_fits(const struct login *login, const struct ike_conn *conn,
                        const struct login_claim *claim)
{
    enum ike_auth_method method = conn->remote[login->theirs.round].method;
    if (!claim->auth || login->eap.stage == LOGIN_EAP_PROVEN)
        return method == IKE_AUTH_EAP;
    return login_method_fits(method, claim->auth_method);
}

/* auth_fits - the authentication fits: several connections may differ only there. */
static bool auth_fits(const struct ike_conn *conn, const struct login *login,
                      const struct login_claim *claim)
{
    bool several = conn->n_local_rounds + conn->n_remote_rounds > 2;
    /* RFC 5998: EAP alone proves us only to an initiator that asked for it */
    bool eap_only = conn->local[0].method == IKE_AUTH_EAP;
    if (several && !login->peer.multiple_auth)
        return false;
    if (eap_only && (conn->remote[0].method != IKE_AUTH_EAP || !login->peer.eap_only))
        return false;
    return method_fits(login, conn, claim) && rounds_fit(login, conn, claim);
}

/* name_fits - the connection asks for an EAP identity, and accepts the peer's. */
static bool name_fits(const struct login *login, const struct ike_conn *conn,
                      const struct login_claim *claim)
{
    const char *eap_id = conn->remote[login->theirs.round].eap_id;
    return claim->eap_identity.len == 0 ||
           (eap_id[0] != '\0' && identity_fits_eap(eap_id, claim->eap_identity));
}

/* type_fits - RFC 3748 section 5.3.1: the connection accepts a method that the peer wants. */
static bool type_fits(const struct login *login, const struct ike_conn *conn,
                      const struct login_claim *claim)
{
    uint8_t type = conn->remote[login->theirs.round].eap_type;
    return claim->eap_types.len == 0 || type == 0 ||
           memchr(claim->eap_types.ptr, type, claim->eap_types.len) != NULL;
}

/* same_conversation - one EAP conversation proves the current round for both connections. */
static bool same_conversation(const struct login *login, const struct ike_conn *conn)
{
    return conn->remote[login->theirs.round].conversation == login_peer_policy(login)->conversation;
}

/* proof_fits - no EAP conversation has ended, or the connection uses it and accepts the identity
 * that it proved. */
static bool proof_fits(const struct login *login, const struct ike_conn *conn,
                       const struct login_claim *claim)
{
    const struct ike_auth_policy *policy = &conn->remote[login->theirs.round];
    return claim->proof == NULL || (same_conversation(login, conn) &&
                                    login_eap_identity_fits(policy, claim->idi, claim->proof));
}

/* fit - how well the connection fits; 0: not at all. */
static unsigned fit(const struct sa *sa, const struct ike_conn *conn,
                    const struct login_claim *claim)
{
    const struct login *login = sa->login;
    const struct ike_id *own = &conn->local[0].id;
    bool named = claim->idr.type != ID_ANY && own->type != ID_ANY;
    unsigned rank = conn_rank(conn, &sa->path);
    if (rank == 0 || !algorithms_fit(conn, sa) || (login->chosen && !goes_on(login, conn)))
        return 0;
    enum identity_rank remote =
        identity_match(conn->remote[login->theirs.round].id_pattern, claim->idi);
    if (remote == IDENTITY_NO || (!claim->any_auth && !auth_fits(conn, login, claim)) ||
        (named && !identity_equal(own, &claim->idr)) || !name_fits(login, conn, claim) ||
        !type_fits(login, conn, claim) || !proof_fits(login, conn, claim))
        return 0;
    return rank + 16 * (unsigned)remote + (named ? 8 : 0);
}

struct ike_conn *login_choose(const struct sa *sa, const struct login_claim *claim)
{
    struct ike_conn *best = NULL;
    unsigned best_rank = 0;
    for (size_t i = 0; i < sa->ike->n_conns; i++) {
        struct ike_conn *conn = sa->ike->conns[i];
        unsigned rank = fit(sa, conn, claim);
        if (rank > best_rank && !known_unfit(sa->login, conn)) {
            best = conn;
            best_rank = rank;
        }
    }
    return best;
}

bool login_claim_fits(const struct sa *sa, const struct login_claim *claim)
{
    return login_peer_id_fits(sa->login) && method_fits(sa->login, sa->login->conn, claim) &&
           rounds_fit(sa->login, sa->login->conn, claim);
}

/* --- the switch to another connection --- */

void login_take(struct login *login, struct ike_conn *conn)
{
    ike_conn_unref(login->conn);
    login->conn = ike_conn_ref(conn);
    login->chosen = true;
    if (!login->ppk.agreed)
        login->ppk.why = conn->ppk_pattern[0] != '\0' ? "it does not use PPKs" : NULL;
}

void login_unfit(struct login *login)
{
    struct login_unfit *unfit = &login->unfit;
    if (unfit->n == LIMIT_LOGIN_CONNS)
        return; /* login_next() ends the login */
    unfit->of[unfit->n].round = login->theirs.round;
    unfit->of[unfit->n++].credentials = login_peer_policy(login)->credentials;
}

bool login_next(struct sa *sa, const struct login_claim *claim, const char *why)
{
    struct login *login = sa->login;
    char peer[IDENTITY_TEXT_MAX];
    ASSERT(login->chosen && sa->session == NULL);
    if (++login->unfit.tried >= LIMIT_LOGIN_CONNS)
        return false;
    struct ike_conn *next = login_choose(sa, claim);
    if (next == NULL)
        return false;
    event_notice(sa, "connection '%s' does not take %s: %s; switching to connection '%s'",
                 login->conn->name, identity_print(&login->remote_id, peer), why, next->name);
    login_take(login, next);
    return own_shown(login) > 0 || login_own_id(sa) == 0;
}

/* hear_identity - the peer sent its EAP identity. */
static void hear_identity(struct sa *sa, struct login_claim *claim)
{
    struct login *login = sa->login;
    if (!login_peer_policy(login)->eap_says || name_fits(login, login->conn, claim))
        return;
    const struct ike_conn *next = login_choose(sa, claim);
    if (next != NULL && !same_conversation(login, next) &&
        login_next(sa, claim, "its EAP identity is not one of eap_id"))
        login_eap_leave(sa);
}

/* hear_nak - the peer refuses the EAP method and names others (RFC 3748 section 5.3.1). true: no
 * identity is known, so the method of the next connection begins with its own Request. */
static bool hear_nak(struct sa *sa, struct span *packet, struct login_claim *claim)
{
    struct login *login = sa->login;
    claim->eap_identity = login_eap_heard(login);
    bool unheard = login_peer_policy(login)->eap_id[0] != '\0' && claim->eap_identity.len == 0;
    if (unheard || type_fits(login, login->conn, claim) ||
        !login_next(sa, claim, "it refuses the EAP method"))
        return false;
    login_eap_leave(sa);
    return login_peer_policy(login)->eap_id[0] == '\0' || !login_eap_say_again(login, packet);
}

bool login_hear(struct sa *sa, struct span *packet)
{
    struct login_claim claim = {.idi = &sa->login->remote_id};
    if (login_eap_identity(sa, *packet, &claim.eap_identity)) {
        hear_identity(sa, &claim);
        return false;
    }
    return login_eap_nak(sa, *packet, &claim.eap_types) && hear_nak(sa, packet, &claim);
}
