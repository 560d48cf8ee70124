/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OCSP responses that a peer sends (RFC 4806). The first octet chooses: the input is the response,
 * or it changes a sound one: pairs of a place (2 octets) and what is added there. Of octets that
 * nobody signed none may count.
 */
#include <openssl/err.h>
#include <openssl/ocsp.h>

#include "base/assert.h"
#include "daemon/verifier/revocation.h"
#include "eap/test_certificates.h"

#define RESPONSE 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct test_ca ca;
static X509 *leaf;
static struct revocation *revocation;
static struct cert_store store;
static uint8_t sound[RESPONSE];
static size_t n_sound;

static void response_make(void)
{
    uint8_t *out = sound;
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), leaf, ca.certificate);
    ASN1_TIME *from = X509_gmtime_adj(NULL, 0), *next = X509_gmtime_adj(NULL, 86400);
    ASSERT(OCSP_basic_add1_status(basic, id, V_OCSP_CERTSTATUS_GOOD, 0, NULL, from, next) != NULL);
    ASSERT(OCSP_basic_sign(basic, ca.certificate, ca.key, EVP_sha256(), NULL, 0) == 1);
    OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    int len = i2d_OCSP_RESPONSE(response, NULL);
    ASSERT(len > 0 && len <= RESPONSE);
    n_sound = (size_t)i2d_OCSP_RESPONSE(response, &out);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(from);
    ASN1_TIME_free(next);
}

static int take(struct span octets)
{
    const struct revocation_of of = {.cert = leaf, .issuer = ca.certificate};
    char reason[VERIFIER_REASON] = "";
    int error = revocation_sent(revocation, &of, &store, octets, reason);
    ASSERT(memchr(reason, '\0', sizeof(reason)) != NULL && (error == 0) == (reason[0] == '\0'));
    revocation_flush(revocation);
    ERR_clear_error();
    return error;
}

static void setup(void)
{
    struct test_tls side;
    test_ca_make(&ca, "CA");
    test_tls_make(&side, &ca, &(struct test_leaf){.name = "gw.example"}, &ca);
    const uint8_t *at = side.der;
    leaf = d2i_X509(NULL, &at, (long)side.tls.certs[0].len);
    test_tls_end(&side);
    revocation = revocation_new();
    ASSERT(leaf != NULL && revocation != NULL && cert_store_init(&store) == 0);
    response_make();
    ASSERT(take(span_of(sound, n_sound)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t changed[RESPONSE];
    if (leaf == NULL)
        setup();
    if (size == 0)
        return 0;
    if (data[0] % 2 == 0) {
        ASSERT(take(span_of(data + 1, size - 1)) != 0);
        return 0;
    }
    memcpy(changed, sound, n_sound);
    for (size_t i = 1; i + 2 < size; i += 3) {
        size_t place = ((size_t)data[i] << 8 | data[i + 1]) % n_sound;
        changed[place] = (uint8_t)(changed[place] + data[i + 2]);
    }
    (void)take(span_of(changed, n_sound));
    return 0;
}
