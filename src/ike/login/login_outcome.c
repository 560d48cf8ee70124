/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/login/login_outcome.h"

#include <stdlib.h>

#include "ike/core/answer.h"
#include "ike/exchanges/auth_lifetime.h"
#include "ike/exchanges/child_terms.h"
#include "ike/exchanges/cp.h"
#include "ike/login/combined.h"
#include "ike/login/login.h"
#include "ike/login/login_abilities.h"
#include "ike/login/redirect.h"
#include "ike/login/resumption.h"

struct auth_commit {
    struct child_terms terms;
    bool child;
    ike_sa_id clone; /* 0: none */
};

static void login_drop(struct sa *sa, struct answering *answering)
{
    const struct auth_commit *commit = answering->state;
    combined_drop(sa, commit->clone, answering->now);
}

static void commit_login(struct sa *sa, struct answering *answering)
{
    struct auth_commit *commit = answering->state;
    struct login *login = sa->login;
    struct wire_message first;
    kept_message_get(&login->first, &first);
    sa->path = login->answer_path;
    sa->expires_ns = NANOS_NEVER;
    half_open_know(&sa->ike->half_open, &sa->path.remote.address, answering->now);
    session_authenticated(sa->session, sa, wire_notify_has(&first, N_INITIAL_CONTACT),
                          answering->now);
    sa_life_set(sa, IKE_ESTABLISHED, answering->now);
    if (commit->child) {
        struct child_keying keying = {
            .ni = span_of(login->ni, login->n_ni),
            .nr = span_of(login->nr, login->n_nr),
            .outbound_now = true,
        };
        if (child_from_terms(sa, &commit->terms, &keying, answering->now) == NULL)
            login_delete_unwanted(sa, commit->terms.spi_in);
    }
    combined_commit(sa, commit->clone, answering->now);
    sa->login = login_free(sa->ike, sa->login);
}

/* add_child - adds the first Child SA to the response, or the notify that refuses it. */
static void add_child(struct sa *sa, const struct wire_message *first, struct wire_builder *reply,
                      struct auth_commit *commit)
{
    struct child_request wanted = {.message = first};
    bool childless = wire_find(first, WIRE_PAYLOAD_SA, NULL) == NULL; /* RFC 6023 */
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

/* add_outcome - the rest of the last response: addresses, abilities, Child SA and clone. */
static void add_outcome(struct sa *sa, struct answering *answering, struct auth_commit *commit)
{
    struct login *login = sa->login;
    struct wire_builder *reply = answering->reply;
    struct wire_message first, group;
    kept_message_get(&login->first, &first);
    kept_message_get(&login->group_message, &group);
    if (redirect_after_proof(sa, reply))
        return;
    if (sa->session->config.n_addresses > 0)
        cp_reply_add(&sa->session->config, reply);
    login_abilities_read(sa, &first, &login->answer_path);
    ticket_add(sa, reply);
    add_child(sa, &first, reply, commit);
    if (sa->session->mobike || ike_conn_rfc7791(login->conn))
        login_abilities_add(sa, login->conn, reply);
    auth_lifetime_add(sa->session, reply);
    /* a login without its address or Child SA needs no clone */
    if (commit->child || (wire_find(&first, WIRE_PAYLOAD_SA, NULL) == NULL && !login->lease_failed))
        commit->clone = combined_answer(sa, &group, reply, answering->now);
}

void login_outcome_send(struct sa *sa, struct answering *answering)
{
    struct auth_commit *commit = calloc(1, sizeof(*commit));
    if (commit == NULL) {
        sa_down(sa, IKE_LIMIT, answering->now); /* the proof cannot be verified again */
        return;
    }
    answering->state = commit;
    add_outcome(sa, answering, commit);
    answering->commit = commit_login;
    answering->drop = login_drop;
    answer_later_send(sa, answering);
    if (sa->life == IKE_AUTHENTICATING)
        sa_down(sa, IKE_LIMIT, answering->now);
}
