/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AUTH jobs of the IKE core, and those that mix a PPK into keys.
 *
 *      PSK     sign, verify:  engine -> keyholder -> engine
 *      PPK     mix:           engine -> keyholder -> engine
 *      PUBKEY  sign:          engine -> verifier (which certificate) -> engine -> keyholder ->
 * engine verify:        engine -> verifier -> engine
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "base/secret.h"
#include "daemon/common/log.h"
#include "daemon/engine/engine_eap.h"
#include "daemon/engine/engine_tickets.h"
#include "daemon/tables/credentials.h"

/* struct signing - an AUTH_SIGN with a private key, between verifier and keyholder. */
struct signing {
    UT_hash_handle hh;
    ike_job_id job;
    bool cert_wanted;
    struct key_auth auth;
    struct verifier_answer chosen;
    size_t n_certs_octets;
    uint8_t *certs; /* owned: the certificates behind `chosen` */
    size_t n_octets;
    uint8_t octets[]; /* the parts of AUTH */
};

static struct signing *signing_find(const struct engine *e, ike_job_id job)
{
    struct signing *signing;
    HASH_FIND(hh, e->signing, &job, sizeof(job), signing);
    return signing;
}

static void signing_free(struct engine *e, struct signing *signing)
{
    HASH_DEL(e->signing, signing);
    wipe(signing->octets, signing->n_octets); /* SK_p */
    free(signing->certs);
    free(signing);
}

static void complete_error(struct engine *e, ike_job_id job, int error, const char *reason)
{
    const struct ike_result result = {.error = error, .reason = reason[0] == '\0' ? NULL : reason};
    engine_complete(e, job, &result);
}

/* --- pre-shared keys --- */

static int shared_send(struct engine *e, const struct ike_event *event)
{
    const struct ike_auth_job *job = &event->auth;
    bool sign = event->kind == IKE_EV_AUTH_SIGN;
    struct key_request request = {.kind = sign ? KEY_SIGN : KEY_VERIFY, .job = event->job};
    struct writer w = writer_of(e->parts, sizeof(e->parts));
    request.auth.local = job->local_id;
    request.auth.remote = job->remote_id;
    auth_parts_write(&job->octets, sign ? (struct span){0} : job->auth, &request.auth.lengths, &w);
    return writer_failed(&w) ? ERR_AUTH : engine_key_send(e, &request, writer_span(&w));
}

/* --- private keys --- */

static uint16_t hash_bits(const struct ike_auth_job *job)
{
    unsigned bits = 0;
    for (uint8_t i = 0; i < job->n_hashes; i++)
        if (job->hashes[i] < 16)
            bits |= 1u << job->hashes[i];
    return (uint16_t)bits;
}

static int signing_begin(struct engine *e, const struct ike_event *event,
                         const struct cert_policy *policy)
{
    const struct ike_auth_job *job = &event->auth;
    struct writer w = writer_of(e->parts, sizeof(e->parts));
    struct verifier_request request = {.kind = VERIFIER_CHOOSE, .job = event->job};
    struct key_auth auth = {.local = job->local_id, .remote = job->remote_id};
    auth_parts_write(&job->octets, (struct span){0}, &auth.lengths, &w);
    if (writer_failed(&w))
        return ERR_AUTH;
    struct signing *signing = calloc(1, sizeof(*signing) + w.len);
    if (signing == NULL)
        return ERR_NO_MEMORY;
    signing->job = event->job;
    signing->cert_wanted = job->cert_wanted;
    signing->auth = auth;
    signing->auth.sign.hashes = hash_bits(job);
    signing->auth.sign.own = policy->ike_hashes;
    signing->auth.sign.pss = policy->pss;
    signing->n_octets = w.len;
    memcpy(signing->octets, w.buf, w.len);
    HASH_ADD(hh, e->signing, job, sizeof(signing->job), signing);
    if (!TABLE_HAS(signing)) {
        wipe(signing, sizeof(*signing) + w.len);
        free(signing);
        return ERR_NO_MEMORY;
    }
    request.choose.local = job->local_id;
    request.choose.policy = *policy;
    request.choose.ocsp = job->ocsp_wanted;
    request.choose.hash_and_url = job->hash_and_url;
    request.choose.for_auth = 1;
    request.choose.hashes = hash_bits(job);
    request.choose.n_announced = job->n_announced;
    memcpy(request.choose.announced, job->announced, sizeof(job->announced));
    request.choose.n_ca_ids = (uint32_t)(job->ca_ids.len / KEY_ID_SIZE);
    int error = engine_verifier_send(
        e, &request, span_of(job->ca_ids.ptr, request.choose.n_ca_ids * KEY_ID_SIZE));
    if (error != 0)
        signing_free(e, signing);
    return error;
}

static int signing_goes_on(struct engine *e, struct signing *signing,
                           const struct verifier_answer *answer, struct span octets)
{
    struct key_request request = {.kind = KEY_PRIVATE_SIGN, .job = signing->job};
    signing->certs = malloc(octets.len + 1);
    if (signing->certs == NULL)
        return ERR_NO_MEMORY;
    if (octets.len > 0)
        memcpy(signing->certs, octets.ptr, octets.len);
    signing->n_certs_octets = octets.len;
    signing->chosen = *answer;
    memcpy(signing->auth.sign.key_id, answer->key_id, KEY_ID_SIZE);
    signing->auth.sign.methods = (uint16_t)answer->methods;
    request.auth = signing->auth;
    return engine_key_send(e, &request, span_of(signing->octets, signing->n_octets));
}

static void signing_end(struct engine *e, struct signing *signing, const struct key_answer *answer,
                        struct span auth)
{
    struct ike_result result = {.auth_method = (uint8_t)answer->auth_method, .auth = auth};
    struct reader r = reader_of(span_of(signing->certs, signing->n_certs_octets));
    for (uint32_t i = 0; signing->cert_wanted && i < signing->chosen.n_certs; i++)
        result.certs[result.n_certs++] =
            (struct ike_cert){.encoding = signing->chosen.encodings[i],
                              .octets = read_bytes(&r, signing->chosen.cert_lengths[i])};
    ASSERT(!reader_failed(&r)); /* in the order that engine_verifier_answered() expects */
    engine_complete(e, signing->job, &result);
}

/* --- signatures of peers --- */

static int verify_begin(struct engine *e, const struct ike_event *event,
                        const struct cert_policy *policy)
{
    const struct ike_auth_job *job = &event->auth;
    struct writer w = writer_of(e->parts, sizeof(e->parts));
    struct verifier_request *request = &e->verifier_request;
    *request = (struct verifier_request){.kind = VERIFIER_CHECK, .job = event->job};
    struct verifier_check *check = &request->check;
    check->remote = job->remote_id;
    check->auth_method = job->auth_method;
    check->policy = *policy;
    (void)snprintf(check->conn, sizeof(check->conn), "%s", job->conn);
    auth_parts_write(&job->octets, job->auth, &check->lengths, &w);
    for (uint8_t i = 0; i < job->n_certs && i < VERIFIER_CHAIN; i++) {
        check->encodings[i] = job->certs[i].encoding;
        check->cert_lengths[i] = (uint32_t)job->certs[i].octets.len;
        check->n_certs++;
        write_bytes(&w, job->certs[i].octets);
    }
    return writer_failed(&w) ? ERR_AUTH : engine_verifier_send(e, request, writer_span(&w));
}

nanos engine_validity(int64_t not_after)
{
    int64_t left = not_after == 0 ? 0 : not_after - (int64_t)time(NULL);
    if (not_after == 0 || not_after == INT64_MAX)
        return 0;
    return left <= 0                                         ? 1
           : left > (int64_t)(INT64_MAX / NANOS_PER_SEC / 2) ? 0
                                                             : left * NANOS_PER_SEC;
}

void engine_verifier_answered(struct engine *e, const struct verifier_answer *answer,
                              struct span octets)
{
    struct signing *signing = signing_find(e, answer->job);
    struct reader r = reader_of(octets);
    if (engine_eap_chosen(e, answer, octets))
        return;
    if (signing == NULL) {
        const struct ike_result result = {
            .error = answer->error,
            .reason = answer->reason[0] == '\0' ? NULL : answer->reason,
            .unfit = answer->error != 0 && answer->unfit == 1,
            .proof = {.valid_ns = engine_validity(answer->not_after), .chain = answer->chain},
        };
        engine_complete(e, answer->job, &result);
        return;
    }
    int error = answer->n_certs > VERIFIER_CHAIN ? ERR_INVALID : answer->error;
    for (uint32_t i = 0; error == 0 && i < answer->n_certs; i++)
        (void)read_bytes(&r, answer->cert_lengths[i]);
    if (error == 0 && !reader_done(&r))
        error = ERR_INVALID;
    if (error == 0)
        error = signing_goes_on(e, signing, answer, octets);
    if (error == 0)
        return;
    complete_error(e, signing->job, error, answer->reason);
    signing_free(e, signing);
}

void engine_key_answered(struct engine *e, const struct key_answer *answer, struct span octets)
{
    if (answer->kind >= KEY_TICKET_SEAL && answer->kind <= KEY_TICKET_END) {
        engine_ticket_answered(e, answer, octets);
        return;
    }
    struct signing *signing = signing_find(e, answer->job);
    if (engine_eap_allowed(e, answer))
        return;
    if (signing != NULL && answer->error == 0)
        signing_end(e, signing, answer, octets);
    else if (answer->error != 0)
        complete_error(e, answer->job, answer->error, answer->reason);
    else {
        bool mixed = answer->kind == KEY_PPK;
        const struct ike_result result = {.auth = mixed ? (struct span){0} : octets,
                                          .ppk_keys = mixed ? octets : (struct span){0}};
        engine_complete(e, answer->job, &result);
    }
    if (signing != NULL)
        signing_free(e, signing);
}

void engine_ppk(struct engine *e, const struct ike_event *event)
{
    struct key_request request = {.kind = KEY_PPK, .job = event->job};
    request.ppk.id = event->ppk.id;
    request.ppk.prf = event->ppk.prf;
    int error = engine_key_send(e, &request, event->ppk.keys);
    if (error != 0)
        complete_error(e, event->job, error, "");
}

void engine_auth(struct engine *e, const struct ike_event *event)
{
    static const struct cert_policy nothing;
    const struct cert_policy *policy = credentials_policy(e->credentials, event->auth.credentials);
    int error = ERR_NOT_FOUND;
    if (policy == NULL)
        policy = &nothing;
    if (event->auth.method == IKE_AUTH_PSK)
        error = shared_send(e, event);
    else if (event->auth.method == IKE_AUTH_PUBKEY)
        error = event->kind == IKE_EV_AUTH_SIGN ? signing_begin(e, event, policy)
                                                : verify_begin(e, event, policy);
    wipe(e->parts, AUTH_PARTS_MAX);
    if (error != 0)
        complete_error(e, event->job, error, "");
}

void engine_auth_done(struct engine *e)
{
    struct signing *signing, *next;
    engine_tickets_done(e);
    HASH_ITER(hh, e->signing, signing, next)
    signing_free(e, signing);
}
