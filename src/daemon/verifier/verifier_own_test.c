/* SPDX-License-Identifier: Apache-2.0 */
/* Which certificate of ours the verifier presents, and in which form. */
#include <openssl/sha.h>
#include <stdio.h>

#include "base/unit_test.h"
#include "crypto/key_id.h"
#include "crypto/signature.h"
#include "daemon/verifier/verifier.h"
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

static void key_tell_of(const EVP_PKEY *key, bool present)
{
    uint8_t info_id[CRYPTO_KEY_ID];
    memset(&request, 0, sizeof(request));
    request.key.present = present;
    assert_int_equal(crypto_key_ids(key, request.key.key_id, info_id), 0);
    ask(VERIFIER_KEY, (struct span){0});
}

static void key_tell(bool present)
{
    key_tell_of(own.key, present);
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

/* --- several certificates of ours --- */

enum { OWN_EC, OWN_RSA, OWN_ED, N_OWN };

/* struct announcer - a peer. ca: which CA its CERTREQ names; 0: none, 1: the CA of the EC and Ed25519 certificates,
 * 2: the CA of the RSA certificate. */
struct announcer {
    uint16_t hashes;
    int ca;
    uint8_t n;
    struct ike_announced announced[2];
    int chosen; /* our certificate */
    uint16_t methods;
};

#define SHA2      (1u << SIGNATURE_SHA2_256 | 1u << SIGNATURE_SHA2_384 | 1u << SIGNATURE_SHA2_512)
#define ALL       (SHA2 | 1u << SIGNATURE_IDENTITY)
#define IDENTITY  (1u << SIGNATURE_IDENTITY)
#define PKCS1_BIT 1u /* the order of the schemes in signature.c */
#define PSS_BIT   (1u << 3)
#define ECDSA_BIT (1u << 6)
#define ED_BIT    (1u << 9)
#define OLD_RSA   (1u << 11)

static const struct announcer announcers[] = {
    {ALL, 0, 0, {{0}}, OWN_EC, 0}, /* silent: the first */
    {ALL, 2, 0, {{0}}, OWN_RSA, 0},
    {ALL, 0, 1, {{0, PKCS1_BIT}}, OWN_RSA, PKCS1_BIT},
    {ALL, 0, 1, {{0, PSS_BIT}}, OWN_RSA, PSS_BIT},
    {ALL, 0, 1, {{0, ED_BIT}}, OWN_ED, ED_BIT},
    {ALL, 0, 1, {{0, ED_BIT | ECDSA_BIT}}, OWN_EC, ED_BIT | ECDSA_BIT},
    {ALL, 1, 1, {{0, PKCS1_BIT}}, OWN_RSA, PKCS1_BIT}, /* the method counts more than the CA */
    {ALL, 2, 1, {{0, PKCS1_BIT | ECDSA_BIT}}, OWN_RSA, PKCS1_BIT | ECDSA_BIT},
    {0, 0, 1, {{0, OLD_RSA}}, OWN_RSA, OLD_RSA},
    /* a link is about the certificates of that CA, the first and only in CERTREQ */
    {ALL, 2, 2, {{1, PKCS1_BIT}, {0, ED_BIT}}, OWN_RSA, PKCS1_BIT | ED_BIT},
    {ALL, 1, 2, {{1, PKCS1_BIT}, {0, ED_BIT}}, OWN_ED, PKCS1_BIT | ED_BIT},
    {ALL, 1, 1, {{1, PKCS1_BIT}}, OWN_EC, 0},
    {ALL, 1, 2, {{2, PKCS1_BIT}, {UINT16_MAX, PKCS1_BIT}}, OWN_EC, 0}, /* links to nothing */
    /* no key of ours fits: as without announcements */
    {ALL, 0, 1, {{0, 1u << 10}}, OWN_EC, 0},
    {ALL, 2, 1, {{0, 1u << 15}}, OWN_RSA, 0},
    /* SIGNATURE_HASH_ALGORITHMS alone tells as much */
    {IDENTITY, 0, 0, {{0}}, OWN_ED, 0},
};

static void choose_for(const struct announcer *peer, const struct test_ca cas[2])
{
    uint8_t key_id[KEY_ID_SIZE], ca_id[KEY_ID_SIZE];
    memset(&request, 0, sizeof(request));
    assert_int_equal(identity_parse("gw.example", &request.choose.local), 0);
    request.choose.for_auth = 1;
    request.choose.hashes = peer->hashes;
    request.choose.n_announced = peer->n;
    memcpy(request.choose.announced, peer->announced, sizeof(peer->announced));
    request.choose.n_ca_ids = peer->ca != 0;
    if (peer->ca != 0)
        assert_int_equal(crypto_key_ids(cas[peer->ca - 1].key, key_id, ca_id), 0);
    ask(VERIFIER_CHOOSE, span_of(ca_id, peer->ca != 0 ? KEY_ID_SIZE : 0));
    assert_int_equal(answer.error, 0);
}

/* RFC 9593 section 3: the certificate whose signature the peer verifies. */
static void certificate_that_the_peer_verifies(void **state)
{
    static const struct test_leaf leaves[N_OWN] = {{.name = "gw.example"},
                                                   {.name = "gw.example", .key = "RSA"},
                                                   {.name = "gw.example", .key = "ED25519"}};
    uint8_t ids[N_OWN][KEY_ID_SIZE], info_id[KEY_ID_SIZE], *der = NULL;
    struct test_ca cas[2] = {ca};
    struct test_tls sides[N_OWN];
    (void)state;
    test_ca_make(&cas[1], "other CA");
    int n = i2d_X509(cas[1].certificate, &der);
    load(span_of(der, (size_t)n), CERT_ROLE_CA);
    OPENSSL_free(der);
    for (int i = 0; i < N_OWN; i++) {
        test_tls_make(&sides[i], &cas[i == OWN_RSA], &leaves[i], &ca);
        load(sides[i].tls.certs[0], CERT_ROLE_PLAIN);
        key_tell_of(sides[i].key, true);
        assert_int_equal(crypto_key_ids(sides[i].key, ids[i], info_id), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(announcers); i++) {
        choose_for(&announcers[i], cas);
        assert_memory_equal(answer.key_id, ids[announcers[i].chosen], KEY_ID_SIZE);
        assert_int_equal(answer.methods, announcers[i].methods);
    }
    request.choose.n_announced = IKE_ANNOUNCED + 1;
    ask(VERIFIER_CHOOSE, (struct span){0});
    assert_int_equal(answer.error, ERR_INVALID);
    for (int i = 0; i < N_OWN; i++)
        test_tls_end(&sides[i]);
    test_ca_end(&cas[1]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(own_certificate, setup, teardown),
        cmocka_unit_test_setup_teardown(certificate_by_url, setup, teardown),
        cmocka_unit_test_setup_teardown(certificate_that_the_peer_verifies, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
