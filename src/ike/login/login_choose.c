/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/login/login_choose.h"

#include "ike/core/conn_index.h"
#include "ike/core/ike_state.h"
#include "ike/login/login_rounds.h"
#include "ike/terms/identity.h"

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

/* auth_fits - several connections may differ in authentication only. */
static bool auth_fits(const struct ike_conn *conn, const struct sa *sa,
                      const struct login_claim *claim)
{
    const struct login_peer *peer = &sa->login->peer;
    bool eap = claim->auth_method == 0;
    bool several = conn->n_local_rounds + conn->n_remote_rounds > 2;
    if (claim->any_auth)
        return true;
    if (several && !peer->multiple_auth)
        return false;
    /* RFC 5998: EAP alone proves us only to an initiator that asked for it */
    if (conn->local[0].method == IKE_AUTH_EAP && (!eap || !peer->eap_only))
        return false;
    if (eap)
        return conn->remote[0].method == IKE_AUTH_EAP;
    return login_method_fits(conn->remote[0].method, claim->auth_method) &&
           claim->more_rounds == (conn->n_remote_rounds > 1);
}

struct ike_conn *login_choose(const struct sa *sa, const struct login_claim *claim)
{
    struct ike_conn *best = NULL;
    unsigned best_rank = 0;
    for (size_t i = 0; i < sa->ike->n_conns; i++) {
        struct ike_conn *conn = sa->ike->conns[i];
        const struct ike_id *own = &conn->local[0].id;
        bool named = claim->idr != NULL && own->type != ID_ANY;
        unsigned rank = conn_rank(conn, &sa->path);
        enum identity_rank remote = identity_match(conn->remote[0].id_pattern, claim->idi);
        if (rank == 0 || remote == IDENTITY_NO || !algorithms_fit(conn, sa) ||
            !auth_fits(conn, sa, claim) || (named && !identity_equal(own, claim->idr)))
            continue;
        rank += 16 * (unsigned)remote + (named ? 8 : 0);
        if (rank > best_rank) {
            best = conn;
            best_rank = rank;
        }
    }
    return best;
}
