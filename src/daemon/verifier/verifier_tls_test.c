/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates of TLS: the verifier's answers, and a compromised eap process. */
#include <openssl/sha.h>

#include "base/unit_test.h"
#include "daemon/verifier/verifier.h"
#include "daemon/verifier/waiting_checks.h"
#include "eap/test_certificates.h"
#include "ike/terms/identity.h"

static struct crypto_provider *crypto;
static struct verifier *verifier;
static struct verifier_request request;
static struct verifier_answer answer;
static uint8_t octets[VERIFIER_CERT_MAX];
static struct test_ca ca, other_ca;

static void ask(struct span behind)
{
    static uint8_t room[VERIFIER_ANSWER_MAX];
    struct writer w = writer_of(room, sizeof(room));
    verifier_answer(verifier, &request, behind, &answer, &w);
}

static int setup(void **state)
{
    uint8_t *der = NULL;
    (void)state;
    crypto = crypto_new();
    verifier = verifier_new(crypto);
    test_ca_make(&ca, "CA");
    test_ca_make(&other_ca, "CA");
    int n = i2d_X509(ca.certificate, &der);
    memset(&request, 0, sizeof(request));
    request.kind = VERIFIER_CERT;
    request.cert.role = CERT_ROLE_CA;
    SHA256(der, (size_t)n, request.cert.digest);
    ask(span_of(der, (size_t)n));
    OPENSSL_free(der);
    return answer.error;
}

static int teardown(void **state)
{
    (void)state;
    verifier = verifier_free(verifier);
    crypto = crypto_free(crypto);
    test_ca_end(&ca);
    test_ca_end(&other_ca);
    return 0;
}

/* check_as - of a certificate made on the spot. */
static int check_as(const struct test_ca *issuer, const struct test_leaf *leaf,
                    const char *identity, enum verifier_tls_of of)
{
    struct test_tls side;
    test_tls_make(&side, issuer, leaf, issuer);
    size_t n = side.tls.certs[0].len;
    memcpy(octets, side.tls.certs[0].ptr, n);
    test_tls_end(&side);
    memset(&request, 0, sizeof(request));
    request.kind = VERIFIER_TLS;
    request.job = 11;
    request.tls.of = of;
    request.tls.n_certs = 1;
    request.tls.cert_lengths[0] = (uint32_t)n;
    strcpy(request.tls.conn, "office");
    assert_int_equal(identity_parse(identity, &request.tls.identity), 0);
    verifier_tls_answer(verifier, &request, span_of(octets, n), &answer);
    assert_int_equal(answer.job, 11);
    assert_int_equal(answer.n_octets, 0);
    assert_true(answer.error != 0 || answer.not_after > 0);
    return answer.error;
}

static const struct test_leaf plain = {.name = "gw.example"};

static void certificates(void **state)
{
    static const struct test_leaf client = {.name = "gw.example", .eku = "clientAuth"};
    static const struct test_leaf server = {.name = "gw.example", .eku = "serverAuth"};
    static const struct test_leaf old = {.name = "gw.example", .from_s = -100, .to_s = -10};
    (void)state;
    assert_int_equal(check_as(&ca, &plain, "gw.example", true), 0);
    assert_int_equal(check_as(&ca, &plain, "gw.example", false), 0);
    assert_int_equal(check_as(&ca, &plain, "GW.example", true), 0);
    assert_int_equal(check_as(&ca, &plain, "GW.example", false), ERR_AUTH);
    assert_int_equal(check_as(&ca, &plain, "other.example", true), ERR_AUTH);
    assert_non_null(strstr(answer.reason, "is not that of other.example"));
    assert_int_equal(check_as(&ca, &plain, "cn.example", true), ERR_AUTH); /* RFC 4945 3.1 */
    assert_int_equal(check_as(&ca, &plain, "%any", true), ERR_INVALID);
    assert_int_equal(check_as(&ca, &client, "gw.example", false), 0);
    assert_int_equal(check_as(&ca, &client, "gw.example", true), ERR_AUTH);
    assert_int_equal(check_as(&ca, &server, "gw.example", true), 0);
    assert_int_equal(check_as(&ca, &server, "gw.example", false), ERR_AUTH);
    assert_int_equal(check_as(&ca, &old, "gw.example", true), ERR_AUTH);
    assert_int_equal(check_as(&other_ca, &plain, "gw.example", true), ERR_AUTH);
}

/* TLS cannot wait for a revocation status: it is fetched for the next attempt. */
static void words_for_later(void **state)
{
    static const struct test_leaf asked = {.name = "gw.example", .aia = "OCSP;URI:http://a/x"};
    static uint8_t body[FETCH_BODY];
    struct fetch_request fetch;
    (void)state;
    assert_int_equal(check_as(&other_ca, &asked, "gw.example", false), ERR_AUTH);
    assert_false(verifier_fetch(verifier, &fetch, body)); /* of a stranger: never */
    assert_int_equal(check_as(&ca, &asked, "gw.example", false), 0);
    assert_true(verifier_fetch(verifier, &fetch, body));
    assert_string_equal(fetch.url, "http://a/x");
    request.tls.policy.revocation = CERT_REVOCATION_IFURI;
    verifier_tls_answer(verifier, &request, span_of(octets, request.tls.cert_lengths[0]), &answer);
    assert_int_equal(answer.error, ERR_AUTH);
    verifier_tick(verifier, WAITING_PATIENCE_NS);
    struct writer none = writer_of(octets, 0);
    assert_false(verifier_late(verifier, &answer, &none));
}

/* RFC 6614 section 2.3: the configured name of a RADIUS server. No login depends on its
 * certificate, so no chain is watched. */
static void radius_servers(void **state)
{
    static const struct test_leaf named = {.name = "aaa.example"};
    static const struct {
        const char *name;
        int error;
    } rows[] = {{"aaa.example", 0},
                {"AAA.example", 0},
                {"other.example", ERR_AUTH},
                {"aaa.example.org", ERR_AUTH},
                {"192.0.2.1", ERR_AUTH},
                {".example", ERR_AUTH}}; /* libcrypto takes this for a whole domain */
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (check_as(&ca, &named, rows[i].name, TLS_OF_RADIUS_SERVER) != rows[i].error)
            fail_msg("%s: %s", rows[i].name, answer.reason);
    assert_int_equal(check_as(&other_ca, &named, "aaa.example", TLS_OF_RADIUS_SERVER), ERR_AUTH);
    assert_non_null(strstr(answer.reason, "the RADIUS server's certificate"));
    assert_int_equal(verifier_deadline(verifier), NANOS_NEVER);
}

/* A compromised eap process may ask for nothing else, and gives false lengths. */
static void requests_that_lie(void **state)
{
    const uint32_t lies[] = {0, 9, 0x80000000u, UINT32_MAX};
    (void)state;
    assert_int_equal(check_as(&ca, &plain, "gw.example", true), 0);
    uint32_t len = request.tls.cert_lengths[0];
    struct span behind = span_of(octets, len);
    for (size_t i = 0; i < 2 * ARRAY_LEN(lies); i++) {
        request.tls.n_certs = i % 2 == 0 ? lies[i / 2] : 1;
        request.tls.cert_lengths[0] = i % 2 == 0 ? len : lies[i / 2];
        verifier_tls_answer(verifier, &request, behind, &answer);
        assert_int_equal(answer.error, ERR_INVALID);
    }
    request.tls.n_certs = 1;
    request.tls.cert_lengths[0] = len;
    for (uint32_t kind = 0; kind < 16; kind++) {
        request.kind = kind;
        verifier_tls_answer(verifier, &request, behind, &answer);
        assert_int_equal(answer.error, kind == VERIFIER_TLS ? 0 : ERR_INVALID);
    }
    request.kind = VERIFIER_TLS;
    ask(behind); /* the engine may not */
    assert_int_equal(answer.error, ERR_INVALID);
    for (size_t n = 0; n < len; n += 7) { /* cut */
        request.tls.cert_lengths[0] = (uint32_t)n;
        verifier_tls_answer(verifier, &request, span_of(octets, n), &answer);
        assert_int_equal(answer.error, ERR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(certificates, setup, teardown),
        cmocka_unit_test_setup_teardown(words_for_later, setup, teardown),
        cmocka_unit_test_setup_teardown(radius_servers, setup, teardown),
        cmocka_unit_test_setup_teardown(requests_that_lie, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
