/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine/proofs.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "ike/terms/identity.h"

#define SWEEP_LEAST 256 /* so many records are kept before those of dead IKE SAs are looked for */

enum proof_kind { PROOF_NONE, PROOF_SHARED_KEY, PROOF_SIGNATURE, PROOF_EAP, PROOF_TICKET };

struct question {
    ike_job_id job;
    ike_sa_id sa;
    uint64_t spi_i, spi_r;
    enum proof_kind kind;
    bool own; /* EAP proves us to the Gateway, and the Gateway to us (RFC 5998) */
    uint8_t round;
    struct ike_id id;
};

/* struct proof - of one round of the peer. */
struct proof {
    enum proof_kind kind;
    struct ike_id id;            /* of its ID payload */
    char identity[LIMIT_ID / 2]; /* proven by EAP; empty: that of the ID payload */
};

/* struct record - of one login. The SPIs tell two attempts apart that have the same number. */
struct record {
    ike_sa_id sa;
    uint64_t spi_i, spi_r;
    bool own_eap; /* a conversation of ours ended with Success */
    bool admitted;
    struct proof rounds[POLICY_ROUNDS];
};

struct proofs {
    struct map questions; /* by job, owned */
    struct map records;   /* by IKE SA, owned */
    size_t sweep_at;
};

struct proofs *proofs_new(void)
{
    struct proofs *proofs = calloc(1, sizeof(*proofs));
    if (proofs != NULL)
        proofs->sweep_at = SWEEP_LEAST;
    return proofs;
}

static void map_free(struct map *map)
{
    for (size_t i = 0; i < map->cap; i++)
        free(map_at(map, i));
    map_done(map);
}

struct proofs *proofs_free(struct proofs *proofs)
{
    if (proofs == NULL)
        return NULL;
    map_free(&proofs->questions);
    map_free(&proofs->records);
    free(proofs);
    return NULL;
}

/* --- logins that ended --- */

static bool is_alive(const struct ike *ike, ike_sa_id id, uint64_t spi_i, uint64_t spi_r)
{
    struct ike_sa_info sa;
    return ike_sa_get(ike, id, &sa) && sa.spi_i == spi_i && sa.spi_r == spi_r;
}

/* sweep - no event tells of the end of a login that failed. So each time the table has doubled, records and
 * questions of IKE SAs that are gone are dropped. */
static void sweep(struct proofs *proofs, const struct ike *ike)
{
    struct map *records = &proofs->records, *questions = &proofs->questions;
    if (records->n < proofs->sweep_at)
        return;
    for (size_t i = 0; i < records->cap;) {
        const struct record *r = map_at(records, i);
        if (r == NULL || is_alive(ike, r->sa, r->spi_i, r->spi_r))
            i++;
        else /* the next one may have moved into this slot */
            free(map_take(records, r->sa));
    }
    for (size_t i = 0; i < questions->cap;) {
        const struct question *q = map_at(questions, i);
        if (q == NULL || is_alive(ike, q->sa, q->spi_i, q->spi_r))
            i++;
        else
            free(map_take(questions, q->job));
    }
    proofs->sweep_at = 2 * records->n > SWEEP_LEAST ? 2 * records->n : SWEEP_LEAST;
}

/* --- questions --- */

/* question_read - false: the event asks for no proof. */
static bool question_read(const struct ike_event *event, struct question *ret)
{
    *ret = (struct question){.job = event->job, .sa = event->sa};
    switch ((int)event->kind) {
    case IKE_EV_AUTH_VERIFY:
        ret->kind = event->auth.method == IKE_AUTH_PSK ? PROOF_SHARED_KEY : PROOF_SIGNATURE;
        ret->round = event->auth.round;
        ret->id = event->auth.remote_id;
        return true;
    case IKE_EV_EAP:
        ret->kind = PROOF_EAP;
        ret->own = !event->eap.authenticator;
        ret->round = event->eap.round;
        ret->id = event->eap.remote_id;
        return true;
    case IKE_EV_TICKET_USE:
        ret->kind = PROOF_TICKET;
        ret->id = event->ticket.ticket->remote_id;
        return true;
    default: return false;
    }
}

/* record_prepare - a record of the login. ERR_NO_MEMORY. */
static int record_prepare(struct proofs *proofs, const struct question *question)
{
    struct record *record = map_get(&proofs->records, question->sa);
    if (record != NULL && record->spi_i == question->spi_i && record->spi_r == question->spi_r)
        return 0;
    struct record *fresh = calloc(1, sizeof(*fresh));
    if (fresh == NULL)
        return ERR_NO_MEMORY;
    *fresh =
        (struct record){.sa = question->sa, .spi_i = question->spi_i, .spi_r = question->spi_r};
    if (map_set(&proofs->records, question->sa, fresh) != 0) {
        free(fresh);
        return ERR_NO_MEMORY;
    }
    free(record);
    return 0;
}

int proofs_ask(struct proofs *proofs, const struct ike *ike, const struct ike_event *event)
{
    struct question question;
    struct ike_sa_info sa;
    if (!question_read(event, &question) || !ike_sa_get(ike, event->sa, &sa))
        return 0;
    question.spi_i = sa.spi_i;
    question.spi_r = sa.spi_r;
    sweep(proofs, ike);
    if (record_prepare(proofs, &question) != 0)
        return ERR_NO_MEMORY;
    struct question *kept = malloc(sizeof(*kept));
    if (kept == NULL)
        return ERR_NO_MEMORY;
    *kept = question;
    if (map_put(&proofs->questions, event->job, kept) != 0) {
        free(kept);
        return ERR_NO_MEMORY;
    }
    return 0;
}

/* --- answers --- */

static bool is_proof(const struct question *question, const struct ike_result *result)
{
    return result->error == 0 && question->round < POLICY_ROUNDS &&
           (question->kind != PROOF_EAP || result->eap_state == IKE_EAP_SUCCESS);
}

static void proof_keep(struct record *record, const struct question *question,
                       const struct ike_result *result)
{
    struct proof *proof = &record->rounds[question->round];
    if (question->own) {
        record->own_eap = true;
        return;
    }
    *proof = (struct proof){.kind = question->kind, .id = question->id};
    if (question->kind == PROOF_EAP)
        memcpy(proof->identity, result->proof.identity, sizeof(proof->identity));
}

void proofs_answer(struct proofs *proofs, ike_job_id job, const struct ike_result *result)
{
    struct question *question = map_take(&proofs->questions, job);
    if (question == NULL)
        return;
    struct record *record = map_get(&proofs->records, question->sa);
    bool same =
        record != NULL && record->spi_i == question->spi_i && record->spi_r == question->spi_r;
    if (same && is_proof(question, result))
        proof_keep(record, question, result);
    free(question);
}

/* --- the verdict --- */

static enum proof_kind kind_demanded(enum ike_auth_method method)
{
    switch (method) {
    case IKE_AUTH_PSK: return PROOF_SHARED_KEY;
    case IKE_AUTH_PUBKEY: return PROOF_SIGNATURE;
    case IKE_AUTH_EAP: return PROOF_EAP;
    }
    return PROOF_NONE;
}

/* eap_names - the session has the identity that EAP proved last, or none if EAP named none. */
static bool eap_names(const struct record *record, const struct ike_session_info *session)
{
    const char *last = "";
    for (uint8_t i = 0; i < session->conn->n_remote_rounds; i++)
        if (record->rounds[i].identity[0] != '\0')
            last = record->rounds[i].identity;
    return strncmp(last, session->eap_identity, sizeof(session->eap_identity)) == 0;
}

static bool gateway_proves(const struct record *record, const struct ike_session_info *session)
{
    const struct ike_conn *conn = session->conn;
    const struct proof *proof = record->rounds;
    for (uint8_t i = 0; i < conn->n_remote_rounds; i++) {
        enum proof_kind demanded = kind_demanded(conn->remote[i].method);
        proof = &record->rounds[i];
        if (demanded == PROOF_EAP ? !record->own_eap : proof->kind != demanded)
            return false;
    }
    return proof->kind == PROOF_NONE || identity_equal(&proof->id, &session->claimed_id);
}

static bool user_proves(const struct record *record, const struct ike_session_info *session)
{
    const struct ike_conn *conn = session->conn;
    uint8_t n = session->resumed ? 1 : conn->n_remote_rounds;
    for (uint8_t i = 0; i < n; i++) {
        enum proof_kind demanded =
            session->resumed ? PROOF_TICKET : kind_demanded(conn->remote[i].method);
        if (record->rounds[i].kind != demanded)
            return false;
    }
    return n > 0 && identity_equal(&record->rounds[n - 1].id, &session->claimed_id) &&
           (session->resumed || eap_names(record, session));
}

/* nobody_tells - no other process can prove the peer: see the head of proofs.h. */
static bool nobody_tells(const struct ike_session_info *session)
{
    return session->role == IKE_END_USER && session->resumed;
}

static struct record *record_find(const struct proofs *proofs, const struct ike *ike, ike_sa_id sa)
{
    struct record *record = map_get(&proofs->records, sa);
    return record != NULL && is_alive(ike, sa, record->spi_i, record->spi_r) ? record : NULL;
}

bool proofs_admit(struct proofs *proofs, const struct ike *ike, const struct ike_event *asked)
{
    struct ike_session_info session;
    struct record *record = record_find(proofs, ike, asked->sa);
    if (!ike_session_get(ike, asked->session, &session))
        return false;
    if (nobody_tells(&session))
        return true;
    if (record == NULL)
        return false;
    record->admitted = session.role == IKE_GATEWAY ? user_proves(record, &session)
                                                   : gateway_proves(record, &session);
    return record->admitted;
}

bool proofs_take(struct proofs *proofs, const struct ike *ike, const struct ike_event *up)
{
    struct ike_session_info session;
    const struct record *record = record_find(proofs, ike, up->sa);
    bool proven = !ike_session_get(ike, up->session, &session) /* it has ended meanwhile */
                  || nobody_tells(&session) || (record != NULL && record->admitted);
    free(map_take(&proofs->records, up->sa));
    return proven;
}

size_t proofs_kept(const struct proofs *proofs)
{
    return proofs->records.n;
}
