/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "daemon/engine/engine_eap.h"
#include "wire/iana.h"

/* struct eap_opening - the first step of a conversation, while its certificate is sought. */
struct eap_opening {
    UT_hash_handle hh;
    uint64_t job;
    struct eap_request request;
    size_t n_certs_octets;
    uint8_t *certs; /* owned: our certificates */
};

static struct eap_opening *opening_find(const struct engine *e, uint64_t job)
{
    struct eap_opening *opening;
    HASH_FIND(hh, e->eap_openings, &job, sizeof(job), opening);
    return opening;
}

static void opening_free(struct engine *e, struct eap_opening *opening)
{
    HASH_DEL(e->eap_openings, opening);
    free(opening->certs);
    free(opening);
}

static void refuse(struct engine *e, struct eap_opening *opening, int error, const char *reason)
{
    const struct ike_result result = {.error = error, .reason = reason[0] == '\0' ? NULL : reason};
    engine_complete(e, opening->job, &result);
    opening_free(e, opening);
}

static void step_send(struct engine *e, struct eap_opening *opening)
{
    int error =
        engine_eap_send(e, &opening->request, span_of(opening->certs, opening->n_certs_octets));
    if (error != 0)
        refuse(e, opening, error, "more logins at once than the process takes");
    else
        opening_free(e, opening);
}

int engine_eap_open(struct engine *e, const struct eap_request *request,
                    const struct verifier_choose *choose)
{
    struct verifier_request question = {
        .kind = VERIFIER_CHOOSE, .job = request->job, .choose = *choose};
    struct eap_opening *opening = calloc(1, sizeof(*opening));
    if (opening == NULL)
        return ERR_NO_MEMORY;
    opening->job = request->job;
    opening->request = *request;
    HASH_ADD(hh, e->eap_openings, job, sizeof(opening->job), opening);
    if (!TABLE_HAS(opening)) {
        free(opening);
        return ERR_NO_MEMORY;
    }
    int error = engine_verifier_send(e, &question, (struct span){0});
    if (error != 0)
        opening_free(e, opening);
    return error;
}

/* without_certificate - the methods that need no certificate of ours. */
static void without_certificate(struct engine *e, struct eap_opening *opening,
                                const struct verifier_answer *answer)
{
    struct eap_step_request *step = &opening->request.step;
    uint32_t n = 0;
    for (uint32_t i = 0; i < step->n_methods; i++)
        if (!eap_type_presents((enum eap_type)step->methods[i], step->authenticator != 0))
            step->methods[n++] = step->methods[i];
    step->n_methods = n;
    if (n == 0)
        refuse(e, opening, answer->error, answer->reason);
    else
        step_send(e, opening);
}

static int certificates_take(struct eap_opening *opening, const struct verifier_answer *answer,
                             struct span octets)
{
    struct eap_tls_terms *terms = &opening->request.tls;
    struct reader r = reader_of(octets);
    for (uint32_t i = 0; i < answer->n_certs && i < VERIFIER_CHAIN; i++) {
        (void)read_bytes(&r, answer->cert_lengths[i]);
        if (answer->encodings[i] == CERT_OCSP && i + 1 == answer->n_certs)
            terms->ocsp_length = answer->cert_lengths[i];
        else if (answer->encodings[i] != CERT_X509 || terms->n_certs == EAP_CERTS)
            return ERR_INVALID; /* the verifier chose a raw key, but TLS needs a certificate */
        else
            terms->cert_lengths[terms->n_certs++] = answer->cert_lengths[i];
    }
    opening->certs = malloc(octets.len + 1);
    if (opening->certs == NULL || !reader_done(&r))
        return opening->certs == NULL ? ERR_NO_MEMORY : ERR_INVALID;
    if (octets.len > 0)
        memcpy(opening->certs, octets.ptr, octets.len);
    opening->n_certs_octets = octets.len;
    return 0;
}

bool engine_eap_chosen(struct engine *e, const struct verifier_answer *answer, struct span octets)
{
    struct eap_opening *opening = opening_find(e, answer->job);
    struct key_request request = {.kind = KEY_TLS_ALLOW, .job = answer->job};
    if (opening == NULL)
        return false;
    if (answer->error != 0) {
        without_certificate(e, opening, answer);
        return true;
    }
    int error = certificates_take(opening, answer, octets);
    memcpy(request.private.key_id, answer->key_id, KEY_ID_SIZE);
    if (error == 0)
        error = engine_key_send(e, &request, (struct span){0});
    if (error != 0)
        refuse(e, opening, error, "");
    return true;
}

bool engine_eap_allowed(struct engine *e, const struct key_answer *answer)
{
    struct eap_opening *opening = opening_find(e, answer->job);
    if (opening != NULL && answer->error != 0)
        refuse(e, opening, answer->error, answer->reason);
    else if (opening != NULL)
        step_send(e, opening);
    return opening != NULL;
}

void engine_eap_forget(struct engine *e, uint32_t conversation)
{
    struct eap_opening *opening, *next;
    HASH_ITER(hh, e->eap_openings, opening, next)
    if (opening->request.step.conversation == conversation)
        opening_free(e, opening);
}

void engine_eap_done(struct engine *e)
{
    struct eap_opening *opening, *next;
    HASH_ITER(hh, e->eap_openings, opening, next)
    opening_free(e, opening);
}
