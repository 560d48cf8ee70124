/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A clone that comes with the login (draft-mglt-ipsecme-keep-old-ike-sa-00 section B.5, in the
 * order of M3' and M4'):
 *
 *   HDR, SK{IDi, AUTH, ... SAi2, TSi, TSr, ...
 *           N(KEEP_OLD_IKE_SA, Q=1), SA, Ni, KEi}      -->
 *                                                     <--  HDR, SK{IDr, AUTH, ... SAr2, TSi, TSr, ...
 *                                                                  N(KEEP_OLD_IKE_SA), SA, Nr, KEr}
 *
 * Only between peers that announced it in IKE_SA_INIT (D-04). The new IKE SA begins when both AUTH
 * payloads are verified. Until then the initiator holds an SPI, a nonce and a key exchange, and the
 * responder holds no state for it. A faulty offer costs the clone, not the login (D-07).
 */
#include "ike/login/combined.h"

#include <stdlib.h>

#include "base/assert.h"
#include "ike/core/ike_state.h"
#include "ike/exchanges/clone_address.h"
#include "ike/exchanges/rekey_ike.h"
#include "ike/login/login_rounds.h"

uint16_t combined_number(const struct login *login)
{
    return login->keep_old ? login->own_notify : 0;
}

/* --- our side --- */

static bool clone_wanted(const struct sa *sa)
{
    const struct login *login = sa->login;
    const struct ike_conn *conn = login->conn;
    return login->clone && login->keep_old && conn->combined_auth && conn->mobike &&
           conn->max_ike_sas != 1 && session_dialect(sa->session) == IKE_DIALECT_KEEP_OLD &&
           !(conn->clone == IKE_CLONE_BOTH && conn->prefer == IKE_CLONE_RFC7791);
}

uint16_t combined_group(const struct sa *sa)
{
    const struct login *login = sa->login;
    return login->out.auth && login_own_last(login) && clone_wanted(sa) ? sa->ke : 0; /* D-23 */
}

void combined_ask(struct sa *sa, struct wire_builder *request)
{
    struct login *login = sa->login;
    const struct ke_job *pair = exchange_pair(sa->asking);
    struct keep_old value = {.question = true, .code = KEEP_OLD_KEEP};
    struct wire_sa offer;
    uint8_t spi[8];
    if (pair == NULL)
        return;
    struct rekeying *group = calloc(1, sizeof(*group));
    if (group == NULL)
        return;
    group->ike = sa->ike;
    group->dialect = IKE_DIALECT_KEEP_OLD;
    combined_release(login);
    login->group = group;
    sa->ike->n_groups++;
    random_fill(sa->ike->random, group->ni, sizeof(group->ni));
    login->group_spi = sa_spi_new(sa->ike);
    struct writer w = writer_of(spi, sizeof(spi));
    write_u64(&w, login->group_spi);
    wire_add_keep_old(request, login->keep_old_notify, value);
    proposal_to_wire(&login->conn->proposals, span_of(spi, sizeof(spi)), true, &offer);
    wire_add_sa(request, &offer);
    wire_add(request, WIRE_PAYLOAD_NONCE, span_of(group->ni, sizeof(group->ni)));
    wire_add_ke(request, pair->group, ke_public(pair));
}

bool combined_read(struct sa *sa, const struct wire_message *group, struct span *ret_peer)
{
    struct login *login = sa->login;
    if (login->group == NULL || login->group_read || group->n == 0)
        return false;
    login->group_read = rekey_ike_read(sa, login->group, group, ret_peer);
    if (!login->group_read)
        event_notice(sa, "the clone that came with the login is not what was asked for");
    return login->group_read;
}

void combined_accept(struct sa *sa, nanos now)
{
    const struct login *login = sa->login;
    if (!login->group_read || !sa->session->mobike)
        return;
    struct sa *clone = sa_derive(sa, IKE_SA_INITIATOR, IKE_ORIGIN_CLONED, now);
    if (clone == NULL)
        return;
    if (!sa_spi_own(clone, login->group_spi) ||
        !rekey_ike_derive(sa, login->group, clone, exchange_secret(sa->asking))) {
        event_notice(sa, "the clone that came with the login failed");
        sa_down(clone, IKE_CANCELLED, now);
        return;
    }
    combined_commit(sa, clone->id, now);
}

/* --- their side --- */

ike_sa_id combined_answer(struct sa *sa, const struct wire_message *group,
                          struct wire_builder *reply, nanos now)
{
    const struct session *session = sa->session;
    const struct ike_conn *conn = session->conn;
    /* a clone is useless if it cannot be moved */
    if (group->n == 0 || !ike_conn_keep_old(conn) || !conn->combined_auth || !session->mobike)
        return 0;
    return rekey_ike_answer_group(sa, group, reply, now);
}

void combined_commit(struct sa *sa, ike_sa_id clone, nanos now)
{
    struct sa *fresh = sa_find(sa->ike, clone);
    if (fresh == NULL)
        return;
    sa_life_set(fresh, IKE_ESTABLISHED, now);
    inner_lease(fresh);
    sa->ike->stats.clones++;
}

void combined_drop(struct sa *sa, ike_sa_id clone, nanos now)
{
    struct sa *fresh = sa_find(sa->ike, clone);
    if (fresh != NULL)
        sa_down(fresh, IKE_CANCELLED, now);
}

void combined_release(struct login *login)
{
    if (login->group != NULL)
        login->group->ike->n_groups--;
    free(login->group);
    login->group = NULL;
}
