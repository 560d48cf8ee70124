/* SPDX-License-Identifier: Apache-2.0 */
/* Which certificate of ours the verifier presents, and in which form. */
#include <openssl/sha.h>
#include <stdio.h>

#include "base/unit_test.h"
#include "crypto/key_id.h"
#include "daemon/process/verifier.h"
#include "eap/test_certificates.h"
#include "ike/terms/identity.h"
#include "wire/iana.h"

static struct crypto_provider *crypto;
static struct verifier *verifier;
static struct verifier_request request;
static struct verifier_answer answer;
static uint8_t room[VERIFIER_ANSWER_MAX];
static struct writer chosen;
static struct test_ca ca;
static struct test_tls own; /* its certificate and key */

static void ask(enum verifier_kind kind, struct span behind)
{
    request.kind = kind;
    chosen = writer_of(room, sizeof(room));
    assert_true(verifier_answer(verifier, &request, behind, &answer, &chosen));
}

static void load(struct span der, enum cert_role role)
{
    memset(&request, 0, sizeof(request));
    request.cert.role = role;
    SHA256(der.ptr, der.len, request.cert.digest);
    ask(VERIFIER_CERT, der);
    assert_int_equal(answer.error, 0);
}

static int setup(void **state)
{
    static const struct test_leaf leaf = {.name = "gw.example"};
    uint8_t *der = NULL;
    (void)state;
    crypto = crypto_new();
    verifier = verifier_new(crypto);
    test_ca_make(&ca, "CA");
    test_tls_make(&own, &ca, &leaf, &ca);
    int n = i2d_X509(ca.certificate, &der);
    load(span_of(der, (size_t)n), CERT_ROLE_CA);
    OPENSSL_free(der);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    verifier = verifier_free(verifier);
    crypto = crypto_free(crypto);
    test_tls_end(&own);
    test_ca_end(&ca);
    return 0;
}

static void key_tell(bool present)
{
    uint8_t info_id[CRYPTO_KEY_ID];
    memset(&request, 0, sizeof(request));
    request.key.present = present;
    assert_int_equal(crypto_key_ids(own.key, request.key.key_id, info_id), 0);
    ask(VERIFIER_KEY, (struct span){0});
}

static int choose(const char *local, const struct cert_policy *policy, bool fetches)
{
    memset(&request, 0, sizeof(request));
    assert_int_equal(identity_parse(local, &request.choose.local), 0);
    if (policy != NULL)
        request.choose.policy = *policy;
    request.choose.hash_and_url = fetches;
    ask(VERIFIER_CHOOSE, (struct span){0});
    return answer.error;
}

static void own_certificate(void **state)
{
    uint8_t ids[2][CRYPTO_KEY_ID];
    struct cert_policy named = {.n_certs = 1};
    const struct span der = own.tls.certs[0];
    (void)state;
    assert_int_equal(choose("gw.example", NULL, false), ERR_NOT_FOUND);
    load(der, CERT_ROLE_PLAIN);
    assert_int_equal(choose("gw.example", NULL, false), ERR_NOT_FOUND); /* no key */
    key_tell(true);
    assert_int_equal(choose("gw.example", NULL, false), 0);
    assert_int_equal(crypto_key_ids(own.key, ids[0], ids[1]), 0);
    assert_memory_equal(answer.key_id, ids[0], KEY_ID_SIZE);
    assert_int_equal(answer.n_certs, 1); /* without the root */
    assert_int_equal(answer.cert_lengths[0], chosen.len);
    SHA256(der.ptr, der.len, named.certs[0]);
    assert_int_equal(choose("anybody", &named, false), 0);
    assert_int_equal(choose("other.example", NULL, false), ERR_NOT_FOUND);
    key_tell(false);
    assert_int_equal(choose("gw.example", NULL, false), ERR_NOT_FOUND);
}

static int authority(const char *base)
{
    uint8_t *der = NULL;
    int n = i2d_X509(ca.certificate, &der);
    memset(&request, 0, sizeof(request));
    SHA256(der, (size_t)n, request.authority.digest);
    OPENSSL_free(der);
    memset(request.authority.cert_uri_base, 'x', AUTHORITY_URI);
    if (base != NULL)
        (void)snprintf(request.authority.cert_uri_base, AUTHORITY_URI, "%s", base);
    ask(VERIFIER_AUTHORITY, (struct span){0});
    return answer.error;
}

/* A peer that fetches certificates gets the URL of ours, if the section of its CA names one. */
static void certificate_by_url(void **state)
{
    char url[128] = "http://c.example/";
    uint8_t digest[SHA_DIGEST_LENGTH];
    const struct span der = own.tls.certs[0];
    (void)state;
    load(der, CERT_ROLE_PLAIN);
    key_tell(true);
    assert_int_equal(authority(NULL), ERR_INVALID); /* it has no end */
    for (int round = 0; round < 4; round++) {
        bool fetches = round / 2 != 0, named = round % 2 != 0;
        assert_int_equal(authority(named ? "http://c.example/" : ""), 0);
        assert_int_equal(choose("gw.example", NULL, fetches), 0);
        assert_int_equal(answer.n_certs, 1);
        assert_int_equal(answer.encodings[0], fetches && named ? CERT_HASH_URL : CERT_X509);
    }
    SHA1(der.ptr, der.len, digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        (void)snprintf(url + strlen(url), 3, "%02x", digest[i]);
    struct span sent = writer_span(&chosen);
    assert_int_equal(sent.len, sizeof(digest) + strlen(url));
    assert_memory_equal(sent.ptr, digest, sizeof(digest));
    assert_memory_equal(sent.ptr + sizeof(digest), url, strlen(url));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(own_certificate, setup, teardown),
        cmocka_unit_test_setup_teardown(certificate_by_url, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
