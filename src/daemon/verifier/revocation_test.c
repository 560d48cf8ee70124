/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Revocation: which URLs are asked for, and which answers of OCSP responders count. A8 of the
 * threat catalogue.
 */
#include "daemon/verifier/revocation.h"

#include <openssl/x509v3.h>

#include "base/unit_test.h"
#include "daemon/verifier/dead_hosts.h"
#include "daemon/verifier/waiting_checks.h"

#define DAY 86400

static struct revocation *revocation;
static struct cert_store store;
static EVP_PKEY *ca_key, *key;
static X509 *ca, *leaf;
static struct fetch_request request;
static uint8_t body[FETCH_BODY];

/* --- certificates --- */

static void extension_add(X509 *x509, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, x509, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* make - signed by itself, or by the CA; with the extension, if `value` is not NULL. */
static X509 *make(const char *name, EVP_PKEY *of, const X509 *issuer, int nid, const char *value)
{
    static long serial = 1;
    X509 *x509 = X509_new();
    assert_int_equal(X509_set_version(x509, X509_VERSION_3), 1);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x509), -DAY);
    X509_gmtime_adj(X509_getm_notAfter(x509), DAY);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                               (const uint8_t *)name, -1, -1, 0);
    X509_set_issuer_name(x509, X509_get_subject_name(issuer == NULL ? x509 : issuer));
    X509_set_pubkey(x509, of);
    if (value != NULL)
        extension_add(x509, nid, value);
    assert_true(X509_sign(x509, issuer == NULL ? of : ca_key, EVP_sha256()) > 0);
    return x509;
}

static X509 *leaf_with(int nid, const char *value)
{
    return make("gw", key, ca, nid, value);
}

static int setup(void **state)
{
    (void)state;
    revocation = revocation_new();
    ca_key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    ca = make("CA", ca_key, NULL, NID_basic_constraints, "critical,CA:TRUE");
    leaf = leaf_with(NID_info_access, "OCSP;URI:http://ocsp.example/");
    return cert_store_init(&store);
}

static int teardown(void **state)
{
    (void)state;
    revocation = revocation_free(revocation);
    cert_store_done(&store);
    X509_free(leaf);
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    return 0;
}

static void forget(void)
{
    revocation_flush(revocation);
    revocation_retry(revocation);
}

/* --- answers --- */

/* struct say - the answer of a responder. Zeros: the CA says that the certificate is good now. */
struct say {
    int status; /* V_OCSP_CERTSTATUS_* */
    long this_s, next_s;
    bool without_next, without_nonce, other_nonce, other_serial, sha1;
    X509 *signer; /* NULL: the CA */
    EVP_PKEY *signer_key;
};

static OCSP_CERTID *id_of(const struct say *say, OCSP_REQUEST *asked)
{
    if (say->other_serial)
        return OCSP_cert_to_id(EVP_sha1(), ca, ca);
    return OCSP_CERTID_dup(OCSP_onereq_get0_id(OCSP_request_onereq_get0(asked, 0)));
}

static size_t say(const struct say *say, uint8_t *out)
{
    const uint8_t *at = body;
    OCSP_REQUEST *asked = d2i_OCSP_REQUEST(NULL, &at, request.n_octets);
    assert_non_null(asked);
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = id_of(say, asked);
    ASN1_TIME *revoked = X509_gmtime_adj(NULL, -DAY);
    ASN1_TIME *this_update = X509_gmtime_adj(NULL, say->this_s);
    ASN1_TIME *next = X509_gmtime_adj(NULL, say->next_s == 0 ? 3600 : say->next_s);
    bool gone = say->status == V_OCSP_CERTSTATUS_REVOKED;
    assert_non_null(OCSP_basic_add1_status(basic, id, say->status, 0, gone ? revoked : NULL,
                                           this_update, say->without_next ? NULL : next));
    if (say->other_nonce)
        assert_int_equal(OCSP_basic_add1_nonce(basic, NULL, 32), 1);
    else if (!say->without_nonce)
        assert_true(OCSP_copy_nonce(basic, asked) > 0);
    assert_int_equal(OCSP_basic_sign(basic, say->signer == NULL ? ca : say->signer,
                                     say->signer_key == NULL ? ca_key : say->signer_key,
                                     say->sha1 ? EVP_sha1() : EVP_sha256(), NULL, 0),
                     1);
    OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    int len = i2d_OCSP_RESPONSE(response, &out);
    assert_true(len > 0);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    OCSP_REQUEST_free(asked);
    ASN1_TIME_free(revoked);
    ASN1_TIME_free(this_update);
    ASN1_TIME_free(next);
    return (size_t)len;
}

static const struct ocsp_response *response(void)
{
    const struct revocation_of of = {.cert = leaf, .issuer = ca};
    return revocation_response(revocation, &of, (int64_t)time(NULL));
}

/* hear - asks for the status of `leaf`, and gets this answer. Returns the reason if it is refused. */
static const char *hear(const struct say *what)
{
    static char why[VERIFIER_REASON];
    static nanos now = NANOS_PER_SEC;
    static uint8_t octets[4096];
    const struct revocation_of of = {.cert = leaf, .issuer = ca};
    now += REVOCATION_CALM + 1;
    uint64_t job = revocation_ask(revocation, &of, false, now);
    assert_int_not_equal(job, 0);
    assert_true(revocation_running(revocation, job));
    assert_true(revocation_send(revocation, &request, body));
    assert_int_equal(request.job, job);
    const struct fetch_answer answer = {.job = job};
    revocation_take(revocation, &store, &answer, span_of(octets, say(what, octets)), now);
    assert_false(revocation_running(revocation, job));
    revocation_why(revocation, &of, now, why);
    return why;
}

#define COUNTS(...)                                                                                \
    do {                                                                                           \
        assert_string_equal(hear(&(struct say){__VA_ARGS__}), "");                                 \
        assert_non_null(response());                                                               \
        forget();                                                                                  \
    } while (false)

#define COUNTS_NOT(text, ...)                                                                      \
    do {                                                                                           \
        assert_non_null(strstr(hear(&(struct say){__VA_ARGS__}), text));                           \
        assert_null(response());                                                                   \
        forget();                                                                                  \
    } while (false)

/* --- tests --- */

static void answers(void **state)
{
    (void)state;
    COUNTS(.status = V_OCSP_CERTSTATUS_GOOD);
    COUNTS(.without_next = true);
    COUNTS(.without_nonce = true);
    COUNTS(.without_nonce = true, .without_next = true, .this_s = -100);
    COUNTS_NOT("is not of now", .without_nonce = true, .without_next = true, .this_s = -1000);
    COUNTS(.this_s = -DAY, .next_s = 10 - CERT_STORE_SKEW_S);
    COUNTS(.this_s = CERT_STORE_SKEW_S - 10);
    COUNTS_NOT("is not of now", .this_s = -DAY, .next_s = -10 - CERT_STORE_SKEW_S);
    COUNTS_NOT("is not of now", .this_s = -9 * DAY, .next_s = -DAY);
    COUNTS_NOT("is not of now", .this_s = DAY, .next_s = 2 * DAY);
    COUNTS_NOT("nonce of another request", .other_nonce = true);
    COUNTS_NOT("is not about the certificate", .other_serial = true);
    COUNTS_NOT("MD5 or SHA-1", .sha1 = true);
    COUNTS_NOT("does not know the certificate", .status = V_OCSP_CERTSTATUS_UNKNOWN);
}

static void signers(void **state)
{
    EVP_PKEY *other_key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *delegated = make("ocsp", other_key, ca, NID_ext_key_usage, "OCSPSigning");
    X509 *plain = make("ocsp", other_key, ca, NID_ext_key_usage, "clientAuth");
    X509 *foreign = make("ocsp", other_key, NULL, NID_ext_key_usage, "OCSPSigning");
    struct verifier_cert cert = {.role = CERT_ROLE_OCSP};
    uint8_t *der = NULL;
    (void)state;
    COUNTS(.signer = delegated, .signer_key = other_key);
    COUNTS_NOT("not signed by the CA", .signer = plain, .signer_key = other_key);
    COUNTS_NOT("not signed by the CA", .signer = foreign, .signer_key = other_key);
    unsigned len = CERT_DIGEST;
    int n = i2d_X509(foreign, &der);
    assert_int_equal(X509_digest(foreign, EVP_sha256(), cert.digest, &len), 1);
    assert_int_equal(cert_store_add(&store, &cert, span_of(der, (size_t)n)), 0);
    COUNTS(.signer = foreign, .signer_key = other_key); /* trusted by x509ocsp */
    cert_store_remove(&store, &cert);
    COUNTS_NOT("not signed by the CA", .signer = foreign, .signer_key = other_key);
    OPENSSL_free(der);
    X509_free(delegated);
    X509_free(plain);
    X509_free(foreign);
    EVP_PKEY_free(other_key);
}

static void replays(void **state)
{
    (void)state;
    (void)hear(&(struct say){.status = V_OCSP_CERTSTATUS_REVOKED});
    assert_int_equal(response()->status, OCSP_REVOKED);
    assert_true(strncmp(response()->revoked_on, "20", 2) == 0);
    assert_non_null(strstr(hear(&(struct say){.without_nonce = true, .this_s = -3600}),
                           "older than one that was here"));
    assert_int_equal(response()->status, OCSP_REVOKED);
    (void)hear(&(struct say){.status = V_OCSP_CERTSTATUS_GOOD}); /* a hold that ended */
    assert_int_equal(response()->status, OCSP_GOOD);
}

/* list_fetched - a list of the CA for `leaf`. */
static int list_fetched(long this_s, long next_s)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *this_update = X509_gmtime_adj(NULL, this_s), *next = X509_gmtime_adj(NULL, next_s);
    uint8_t *der = NULL;
    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca));
    X509_CRL_set1_lastUpdate(crl, this_update);
    X509_CRL_set1_nextUpdate(crl, next);
    assert_true(X509_CRL_sign(crl, ca_key, EVP_sha256()) > 0);
    int len = i2d_X509_CRL(crl, &der);
    int error = cert_store_fetched(&store, span_of(der, (size_t)len), ca);
    cert_store_flush(&store);
    OPENSSL_free(der);
    X509_CRL_free(crl);
    ASN1_TIME_free(this_update);
    ASN1_TIME_free(next);
    return error;
}

static void times_of_lists(void **state)
{
    (void)state;
    assert_int_equal(list_fetched(-DAY, DAY), 0);
    assert_int_equal(list_fetched(-DAY, 10 - CERT_STORE_SKEW_S), 0);
    assert_int_equal(list_fetched(CERT_STORE_SKEW_S - 10, DAY), 0);
    assert_int_equal(list_fetched(-DAY, -10 - CERT_STORE_SKEW_S), ERR_WRONG_STATE);
    assert_int_equal(list_fetched(CERT_STORE_SKEW_S + 10, DAY), ERR_WRONG_STATE);
}

static void damaged_answers(void **state)
{
    static uint8_t octets[4096];
    static nanos now;
    const struct revocation_of of = {.cert = leaf, .issuer = ca};
    const struct say good = {.status = V_OCSP_CERTSTATUS_GOOD};
    size_t len = 1;
    (void)state;
    for (size_t i = 0; i < len;
         i++) { /* each octet is damaged once, and it is cut off there once */
        for (int cut = 0; cut < 2; cut++) {
            now += REVOCATION_CALM + 1;
            uint64_t job = revocation_ask(revocation, &of, false, now);
            assert_true(revocation_send(revocation, &request, body));
            len = say(&good, octets);
            octets[i] ^= cut ? 0 : 0xff;
            const struct fetch_answer answer = {.job = job};
            revocation_take(revocation, &store, &answer,
                            span_of(octets, cut ? (i < len ? i : len - 1) : len), now);
            /* unsigned octets may differ: the certificate of the signer */
            if (cut)
                assert_null(response());
            forget();
        }
    }
}

static unsigned asked_for(int nid, const char *value, const struct cert_uris *uris)
{
    X509 *x509 = leaf_with(nid, value);
    const struct revocation_of of = {.cert = x509, .issuer = ca, .uris = uris};
    unsigned n = 0;
    uint64_t job;
    while ((job = revocation_ask(revocation, &of, false, NANOS_PER_SEC)) != 0) {
        const struct fetch_answer answer = {.error = ERR_SYSTEM, .job = job, .reason = "no"};
        n++;
        assert_true(revocation_send(revocation, &request, body));
        revocation_take(revocation, &store, &answer, (struct span){0}, NANOS_PER_SEC);
    }
    assert_false(revocation_send(revocation, &request, body));
    forget();
    X509_free(x509);
    return n;
}

static void urls(void **state)
{
    struct cert_uris uris = {.crl = {.n = 1, .text = {"http://localhost/crl"}}};
    (void)state;
    assert_int_equal(asked_for(NID_crl_distribution_points, "URI:http://a/x", NULL), 1);
    assert_string_equal(request.url, "http://a/x");
    assert_int_equal(request.local, 0);
    assert_int_equal(asked_for(NID_crl_distribution_points, "URI:http://a/x,URI:HTTP://b/x", NULL),
                     2);
    assert_int_equal(asked_for(NID_info_access, "OCSP;URI:http://a/x", NULL), 1);
    assert_true(request.n_octets > 0);
    assert_int_equal(asked_for(NID_info_access, "caIssuers;URI:http://a/x", NULL), 0);
    assert_int_equal(asked_for(NID_crl_distribution_points, "URI:file:///etc/passwd", NULL), 0);
    assert_int_equal(asked_for(NID_crl_distribution_points, "URI:https://a/x", NULL), 0);
    assert_int_equal(asked_for(NID_crl_distribution_points, "URI:ldap://a/x", NULL), 0);
    assert_int_equal(asked_for(NID_crl_distribution_points, "URI:http://a/x y", NULL), 0);
    assert_int_equal(asked_for(NID_crl_distribution_points, "URI:http://", NULL), 0);
    assert_int_equal(asked_for(NID_basic_constraints, NULL, &uris), 1);
    assert_int_equal(request.local, 1); /* the administrator may name this host */
}

/* `ifuri` demands a status where the certificate or its CA names a server that has one. */
static bool has_uris(int nid, const char *value, const struct cert_uris *uris)
{
    X509 *x509 = leaf_with(nid, value);
    const struct revocation_of of = {.cert = x509, .issuer = ca, .uris = uris};
    bool has = revocation_has_uris(&of);
    X509_free(x509);
    return has;
}

static void named_servers(void **state)
{
    const struct cert_uris uris = {.ocsp = {.n = 1, .text = {"http://a/"}}};
    (void)state;
    assert_false(has_uris(NID_basic_constraints, NULL, NULL));
    assert_true(has_uris(NID_basic_constraints, NULL, &uris));
    assert_true(has_uris(NID_crl_distribution_points, "URI:http://a/x", NULL));
    assert_true(has_uris(NID_info_access, "OCSP;URI:http://a/x", NULL));
    assert_true(has_uris(NID_info_access, "caIssuers;URI:http://a/x,OCSP;URI:http://a/x", NULL));
    assert_false(has_uris(NID_info_access, "caIssuers;URI:http://a/ca.cer", NULL));
}

/* A URL is tried again only after a while. Other certificates have their own answers, and other CAs
 * their own lists. */
static void attempts(void **state)
{
    X509 *listed = leaf_with(NID_crl_distribution_points, "URI:http://a/x");
    X509 *same = leaf_with(NID_crl_distribution_points, "URI:http://a/x");
    const struct revocation_of of = {.cert = listed, .issuer = ca};
    const struct revocation_of other = {.cert = same, .issuer = ca};
    const struct revocation_of of_other_ca = {.cert = same, .issuer = leaf};
    (void)state;
    uint64_t job = revocation_ask(revocation, &of, false, 1);
    assert_int_equal(revocation_ask(revocation, &other, false, 1), job);
    assert_int_equal(revocation_ask(revocation, &of, true, 1), 0); /* a list is here */
    assert_int_not_equal(revocation_ask(revocation, &of_other_ca, false, 1), job);
    const struct fetch_answer answer = {.error = ERR_SYSTEM, .job = job};
    revocation_take(revocation, &store, &answer, (struct span){0}, 1);
    assert_int_equal(revocation_ask(revocation, &of, false, REVOCATION_CALM), 0);
    assert_int_not_equal(revocation_ask(revocation, &of, false, REVOCATION_CALM + 1), 0);
    X509_free(listed);
    X509_free(same);
}

/* ask - about a new certificate with that extension. */
static uint64_t ask(int nid, const char *value, nanos now)
{
    X509 *x509 = leaf_with(nid, value);
    const struct revocation_of of = {.cert = x509, .issuer = ca};
    uint64_t job = revocation_ask(revocation, &of, false, now);
    X509_free(x509);
    return job;
}

static void fetch_fails(uint64_t job, int error, const char *reason, nanos now)
{
    struct fetch_answer answer = {.error = error, .job = job};
    (void)snprintf(answer.reason, sizeof(answer.reason), "%s", reason);
    revocation_take(revocation, &store, &answer, (struct span){0}, now);
}

#define OCSP NID_info_access
#define CRL  NID_crl_distribution_points

/* A host without a connection is not asked for a while, for any certificate. Logins that wait for
 * it end together, and later ones do not wait. */
static void dead_host(void **state)
{
    const nanos over = 7 + DEAD_HOST_TIME;
    (void)state;
    uint64_t first = ask(OCSP, "OCSP;URI:http://dead.example:80/1", 7);
    uint64_t second = ask(OCSP, "OCSP;URI:http://x@DEAD.example:80?2", 7);
    uint64_t list = ask(CRL, "URI:http://dead.example:80/x", 7);
    uint64_t other = ask(CRL, "URI:http://dead.example:8080/x", 7);
    assert_true(first != 0 && second != 0 && list != 0 && other != 0);
    fetch_fails(first, ERR_NOT_FOUND, "no route", 7);
    assert_false(revocation_running(revocation, first));
    assert_false(revocation_running(revocation, second));
    assert_false(revocation_running(revocation, list));
    assert_true(revocation_running(revocation, other)); /* another port is another server */
    assert_int_equal(ask(OCSP, "OCSP;URI:http://dead.example:80/3", over - 1), 0);
    assert_int_equal(ask(CRL, "URI:http://dead.example:80/y", over - 1), 0);
    assert_int_not_equal(ask(CRL, "URI:http://dead.example:80/y,URI:http://b/x", over - 1), 0);
    assert_int_not_equal(ask(OCSP, "OCSP;URI:http://dead.example:80/3", over), 0);
    fetch_fails(second, ERR_NOT_FOUND, "late",
                over); /* the answer to an ended fetch has no effect */
    assert_int_not_equal(ask(CRL, "URI:http://dead.example:80/y", over), 0);
    forget();
}

/* A responder that hangs does not block the lists of its host. An error blocks neither. */
static void hanging_responder(void **state)
{
    char why[VERIFIER_REASON];
    X509 *x509 = leaf_with(CRL, "URI:http://a/y");
    const struct revocation_of of = {.cert = x509, .issuer = ca};
    (void)state;
    fetch_fails(ask(OCSP, "OCSP;URI:http://a/1", 7), ERR_AGAIN, "slow", 7);
    assert_int_equal(ask(OCSP, "OCSP;URI:http://a/2", 7), 0);
    uint64_t list = ask(CRL, "URI:http://a/x", 7);
    assert_int_not_equal(list, 0);
    fetch_fails(list, ERR_SYSTEM, "404", 7);
    assert_int_not_equal(revocation_ask(revocation, &of, false, 7), 0);
    fetch_fails(ask(CRL, "URI:http://a/z", 7), ERR_AGAIN, "slow list", 7);
    revocation_why(revocation, &of, 7, why);
    assert_string_equal(why, "http://a/y: slow list");
    revocation_retry(revocation); /* as an administrator asks */
    assert_int_not_equal(ask(OCSP, "OCSP;URI:http://a/3", 8), 0);
    X509_free(x509);
    forget();
}

/* Of many dead hosts the newest are remembered. */
static void many_dead_hosts(void **state)
{
    char value[64];
    (void)state;
    for (int i = 0; i < 3 * DEAD_HOSTS; i++) {
        (void)snprintf(value, sizeof(value), "URI:http://h%d/x", i);
        fetch_fails(ask(CRL, value, 7 + i), ERR_NOT_FOUND, "", 7 + i);
        (void)snprintf(value, sizeof(value), "URI:http://h%d/y", i);
        assert_int_equal(ask(CRL, value, 7 + i), 0);
    }
    assert_int_not_equal(ask(CRL, "URI:http://h0/z", 7 + 3 * DEAD_HOSTS), 0);
    forget();
}

/* Checks in the background get a small share of the fetches, and none while logins use all. */
static void background_waits(void **state)
{
    X509 *many[REVOCATION_BACKGROUND + 1];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(many); i++) {
        many[i] = leaf_with(NID_info_access, "OCSP;URI:http://ocsp.example/");
        const struct revocation_of of = {.cert = many[i], .issuer = ca, .background = true};
        uint64_t job = revocation_ask(revocation, &of, false, 1);
        assert_int_equal(job != REVOCATION_FULL, i < REVOCATION_BACKGROUND);
    }
    const struct revocation_of of_login = {.cert = many[REVOCATION_BACKGROUND], .issuer = ca};
    assert_int_not_equal(revocation_ask(revocation, &of_login, false, 1), REVOCATION_FULL);
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        X509_free(many[i]);
}

static void number_set(X509_CRL *list, int nid, long number)
{
    ASN1_INTEGER *integer = ASN1_INTEGER_new();
    ASN1_INTEGER_set(integer, number);
    assert_int_equal(X509_CRL_add1_ext_i2d(list, nid, integer, nid == NID_delta_crl, 0), 1);
    ASN1_INTEGER_free(integer);
}

/* numbered - a list of the CA with that CRL number; base not 0: a delta to that one. */
static int numbered(long number, long base)
{
    uint8_t *der = NULL;
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *at = ASN1_TIME_set(NULL, time(NULL) / DAY * DAY - DAY);
    X509_CRL_set_version(list, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(list, X509_get_subject_name(ca));
    X509_CRL_set1_lastUpdate(list, at);
    X509_gmtime_adj(at, DAY);
    X509_CRL_set1_nextUpdate(list, at);
    ASN1_TIME_free(at);
    number_set(list, NID_crl_number, number);
    if (base != 0)
        number_set(list, NID_delta_crl, base);
    assert_true(X509_CRL_sign(list, ca_key, EVP_sha256()) > 0);
    int len = i2d_X509_CRL(list, &der);
    X509_CRL_free(list);
    int error = cert_store_fetched(&store, span_of(der, (size_t)len), ca);
    OPENSSL_free(der);
    return error;
}

/* RFC 5280 section 5.2.4: a delta counts with a base that is not older than its BaseCRLNumber; with an
 * older one the base is fetched again. */
static void deltas_and_bases(void **state)
{
    (void)state;
    X509 *listed = leaf_with(NID_crl_distribution_points, "URI:http://lists.example/base");
    const struct revocation_of of = {.cert = listed, .issuer = ca, .behind = true};
    assert_int_equal(cert_store_deltas(&store, ca), CERT_DELTAS_NONE);
    assert_int_equal(numbered(9, 7), 0);
    assert_int_equal(cert_store_deltas(&store, ca), CERT_DELTAS_NONE);
    assert_int_equal(numbered(5, 0), 0);
    assert_int_equal(cert_store_deltas(&store, ca), CERT_DELTAS_AHEAD);
    assert_int_not_equal(revocation_ask(revocation, &of, true, 1), 0);
    assert_true(revocation_send(revocation, &request, body));
    assert_string_equal(request.url, "http://lists.example/base");
    assert_int_equal(numbered(7, 0), 0); /* of the same second: the higher number counts */
    assert_int_equal(cert_store_deltas(&store, ca), CERT_DELTAS_FIT);
    assert_int_equal(numbered(5, 0), ERR_WRONG_STATE);
    assert_int_equal(cert_store_deltas(&store, ca), CERT_DELTAS_FIT);
    X509_free(listed);
}

static void too_many(void **state)
{
    X509 *many[REVOCATION_RUNNING + 1];
    uint64_t last = 0;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(many); i++) {
        many[i] = leaf_with(NID_info_access, "OCSP;URI:http://ocsp.example/");
        const struct revocation_of of = {.cert = many[i], .issuer = ca};
        uint64_t job = revocation_ask(revocation, &of, false, 1);
        assert_int_not_equal(job, 0);
        assert_int_equal(job != REVOCATION_FULL, i < REVOCATION_RUNNING);
        last = job != REVOCATION_FULL ? job : last;
    }
    /* a check waits until a fetch can begin, and its next turn begins it */
    const struct revocation_of late = {.cert = many[REVOCATION_RUNNING], .issuer = ca};
    const struct fetch_answer answer = {.error = ERR_SYSTEM, .job = last};
    struct waiting_checks checks;
    const struct verifier_request wanted = {.job = 1};
    const uint64_t full = REVOCATION_FULL;
    const struct waiting_for what = {&full, 1, WAITING_PATIENCE_NS};
    waiting_checks_init(&checks);
    assert_int_equal(waiting_checks_add(&checks, &wanted, (struct span){0}, &what), 0);
    assert_null(waiting_checks_take(&checks, revocation, 2));
    revocation_take(revocation, &store, &answer, (struct span){0}, 2);
    struct waiting_check *turn = waiting_checks_take(&checks, revocation, 2);
    assert_non_null(turn);
    waiting_check_free(turn);
    assert_int_not_equal(revocation_ask(revocation, &late, false, 2), REVOCATION_FULL);
    assert_true(revocation_running(revocation, REVOCATION_FULL));
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        X509_free(many[i]);
}

/* A check waits for its own fetch, and no longer than its patience. */
static void waiting(void **state)
{
    const struct revocation_of of = {.cert = leaf, .issuer = ca},
                               other = {.cert = ca, .issuer = ca};
    const struct cert_uris uris = {.ocsp = {.n = 1, .text = {"http://a/"}}};
    struct revocation_of second = other;
    struct waiting_checks checks;
    struct verifier_request wanted = {.job = 1};
    uint64_t job;
    const struct waiting_for what = {&job, 1, 5 + WAITING_PATIENCE_NS};
    (void)state;
    second.uris = &uris;
    waiting_checks_init(&checks);
    job = revocation_ask(revocation, &of, false, 5);
    assert_int_equal(waiting_checks_add(&checks, &wanted, (struct span){0}, &what), 0);
    wanted.job = 2;
    job = revocation_ask(revocation, &second, false, 5);
    assert_int_equal(waiting_checks_add(&checks, &wanted, span_of("octets", 6), &what), 0);
    assert_null(waiting_checks_take(&checks, revocation, 6));
    const struct fetch_answer answer = {.error = ERR_SYSTEM, .job = job};
    revocation_take(revocation, &store, &answer, (struct span){0}, 6);
    struct waiting_check *done = waiting_checks_take(&checks, revocation, 6);
    assert_int_equal(done->request.job, 2);
    assert_true(span_equal(span_of(done->octets, done->n_octets), span_of("octets", 6)));
    waiting_check_free(done);
    assert_null(waiting_checks_take(&checks, revocation, 6));
    assert_int_equal(waiting_checks_deadline(&checks), 5 + WAITING_PATIENCE_NS);
    done = waiting_checks_take(&checks, revocation, 5 + WAITING_PATIENCE_NS);
    assert_int_equal(done->request.job, 1);
    waiting_check_free(done);
    for (int i = 0; i <= WAITING_CHECKS; i++)
        assert_int_equal(waiting_checks_add(&checks, &wanted, (struct span){0}, &what),
                         i < WAITING_CHECKS ? 0 : ERR_FULL);
    waiting_checks_done(&checks);
}

/* The fetcher ends: checks that wait for it continue without it. Requests that it has not read
 * stay. */
static void fetcher_lost(void **state)
{
    (void)state;
    char why[VERIFIER_REASON];
    X509 *other = leaf_with(NID_info_access, "OCSP;URI:http://ocsp.example/other");
    const struct revocation_of sent = {.cert = leaf, .issuer = ca};
    const struct revocation_of unsent = {.cert = other, .issuer = ca};
    uint64_t lost = revocation_ask(revocation, &sent, false, 1);
    assert_true(revocation_send(revocation, &request, body));
    uint64_t kept = revocation_ask(revocation, &unsent, false, 1);
    uint64_t ended = revocation_ended(revocation);
    revocation_lost(revocation, 1);
    assert_false(revocation_running(revocation, lost));
    assert_true(revocation_running(revocation, kept));
    assert_int_equal(revocation_ended(revocation), ended + 1);
    revocation_why(revocation, &sent, 1, why);
    assert_non_null(strstr(why, "the fetcher process ended"));
    assert_int_equal(revocation_ask(revocation, &sent, false, 2), 0); /* not at once again */
    assert_true(revocation_send(revocation, &request, body));
    assert_int_equal(request.job, kept);
    X509_free(other);
}

/* deltas - a list says where its deltas are; they are fetched while none is here. */
static void deltas(void **state)
{
    (void)state;
    X509V3_CTX ctx;
    X509_CRL *base = X509_CRL_new();
    X509V3_set_ctx(&ctx, ca, NULL, NULL, base, 0);
    X509_EXTENSION *extension =
        X509V3_EXT_nconf_nid(NULL, &ctx, NID_freshest_crl, "URI:http://lists.example/delta");
    assert_int_equal(X509_CRL_add_ext(base, extension, -1), 1);
    X509_EXTENSION_free(extension);
    X509 *plain = leaf_with(NID_undef, NULL);
    struct revocation_of of = {.cert = plain, .issuer = ca};
    assert_int_equal(revocation_ask(revocation, &of, true, 1), 0);
    of.base = base;
    assert_int_equal(revocation_ask(revocation, &of, false, 1),
                     0); /* without its list: of no use */
    assert_true(revocation_lacks_delta(&of));
    assert_int_not_equal(revocation_ask(revocation, &of, true, 1), 0);
    assert_true(revocation_send(revocation, &request, body));
    assert_string_equal(request.url, "http://lists.example/delta");
    assert_int_equal(request.local, 0); /* the CA wrote it, not the administrator */
    X509_CRL_free(base);
    X509_free(plain);
}

/* flushes - a flush drops responses, and keeps which URLs were tried recently; a retry does the
 * opposite. */
static void flushes(void **state)
{
    (void)state;
    const struct revocation_of of = {.cert = leaf, .issuer = ca};
    const struct say good = {.status = V_OCSP_CERTSTATUS_GOOD};
    assert_string_equal(hear(&good), "");
    revocation_retry(revocation);
    assert_non_null(response());
    revocation_flush(revocation);
    assert_null(response());
    assert_int_not_equal(revocation_ask(revocation, &of, false, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fetcher_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(deltas, setup, teardown),
        cmocka_unit_test_setup_teardown(flushes, setup, teardown),
        cmocka_unit_test_setup_teardown(answers, setup, teardown),
        cmocka_unit_test_setup_teardown(signers, setup, teardown),
        cmocka_unit_test_setup_teardown(replays, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(times_of_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(urls, setup, teardown),
        cmocka_unit_test_setup_teardown(named_servers, setup, teardown),
        cmocka_unit_test_setup_teardown(attempts, setup, teardown),
        cmocka_unit_test_setup_teardown(dead_host, setup, teardown),
        cmocka_unit_test_setup_teardown(hanging_responder, setup, teardown),
        cmocka_unit_test_setup_teardown(many_dead_hosts, setup, teardown),
        cmocka_unit_test_setup_teardown(background_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(deltas_and_bases, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many, setup, teardown),
        cmocka_unit_test_setup_teardown(waiting, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
