/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the verifier. The first octet chooses: a certificate or CRL in DER, the AUTH of a
 * peer with that certificate (or TLS with it), or a request struct as a hostile engine would send it.
 */
#include <openssl/err.h>
#include <openssl/sha.h>

#include "base/assert.h"
#include "daemon/verifier/verifier.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct verifier *verifier;
static uint8_t room[VERIFIER_ANSWER_MAX], behind[VERIFIER_OCTETS];

/* ends_a_session - the answer names a session that must end, and no job. */
static bool ends_a_session(const struct verifier_request *request,
                           const struct verifier_answer *answer)
{
    bool claims = request->kind == VERIFIER_CLAIM || request->kind == VERIFIER_PASS ||
                  request->kind == VERIFIER_KEEP;
    return claims && answer->job == 0;
}

static void ask(const struct verifier_request *request, struct span octets)
{
    struct verifier_answer answer;
    struct writer w = writer_of(room, sizeof(room));
    verifier_answer(verifier, request, octets, &answer, &w);
    ASSERT(!writer_failed(&w));
    ASSERT(answer.job == request->job || ends_a_session(request, &answer));
    ASSERT(memchr(answer.reason, '\0', sizeof(answer.reason)) != NULL);
    ERR_clear_error();
}

static void certificate(struct span octets, uint32_t role)
{
    struct verifier_request request = {.kind = VERIFIER_CERT, .cert = {.role = role % CERT_ROLES}};
    SHA256(octets.ptr, octets.len, request.cert.digest);
    ask(&request, octets);
    request.kind = VERIFIER_UNCERT;
    ask(&request, (struct span){0});
}

/* login - of a peer whose certificate the input is; nothing of it is signed well. */
static void login(struct span octets)
{
    static const uint8_t init[28] = {[17] = 0x20, [18] = 34, [19] = 8, [27] = 28}, zero[64];
    static const uint8_t id_body[5] = {2, 0, 0, 0, 'g'};
    struct verifier_request request = {.kind = VERIFIER_CHECK};
    struct writer w = writer_of(behind, sizeof(behind));
    const struct auth_octets parts = {
        .prf = 5,
        .message = span_of(init, sizeof(init)),
        .nonce = span_of(zero, 32),
        .sk_p = span_of(zero, 32),
        .id_body = span_of(id_body, sizeof(id_body)),
    };
    request.check.remote = (struct ike_id){.type = 2, .len = 1, .data = "g"};
    request.check.auth_method = 14;
    request.check.n_certs = 1;
    request.check.encodings[0] = 4;
    request.check.cert_lengths[0] = (uint32_t)octets.len;
    auth_parts_write(&parts, span_of(zero, 64), &request.check.lengths, &w);
    write_bytes(&w, octets);
    ask(&request, writer_span(&w));
}

/* tls - the same as a certificate in TLS. */
static void tls(struct span octets)
{
    struct verifier_request request = {.kind = VERIFIER_TLS};
    struct verifier_answer answer;
    request.tls.identity = (struct ike_id){.type = 2, .len = 1, .data = "g"};
    request.tls.n_certs = 1;
    request.tls.cert_lengths[0] = (uint32_t)octets.len;
    verifier_tls_answer(verifier, &request, octets, &answer);
    ASSERT(memchr(answer.reason, '\0', sizeof(answer.reason)) != NULL);
    ERR_clear_error();
}

static void raw(struct span octets)
{
    struct verifier_request request = {.kind = 0};
    size_t n = octets.len < sizeof(request) ? octets.len : sizeof(request);
    memcpy(&request, octets.ptr, n);
    ask(&request, span_of(octets.ptr + n, octets.len - n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct verifier_request list = {.kind = VERIFIER_CRL};
    if (verifier == NULL)
        verifier = verifier_new(crypto_new());
    ASSERT(verifier != NULL);
    if (size == 0 || size > VERIFIER_CERT_MAX)
        return 0;
    const struct span octets = span_of(data + 1, size - 1);
    switch (data[0] % 4) {
    case 0: certificate(octets, data[0] / 4); break;
    case 1: ask(&list, octets); break;
    case 2: data[0] & 0x80 ? tls(octets) : login(octets); break;
    default: raw(octets); break;
    }
    return 0;
}
