/* SPDX-License-Identifier: Apache-2.0 */
/* OCSP responses in IKE_AUTH (RFC 4806): those of a peer, and the one about our certificate. */
#include "daemon/verifier/verifier.h"

#include <openssl/ocsp.h>
#include <openssl/sha.h>

#include "base/unit_test.h"
#include "crypto/key_id.h"
#include "crypto/signature.h"
#include "daemon/verifier/own_cert.h"
#include "daemon/verifier/waiting_checks.h"
#include "eap/test_certificates.h"
#include "ike/terms/identity.h"
#include "wire/iana.h"

#define DAY      86400
#define ALL      0x3c /* hashes of RFC 7427 */
#define RESPONSE 4096

static struct crypto_provider *crypto;
static struct verifier *verifier;
static struct verifier_request request;
static struct verifier_answer answer;
static struct fetch_request fetch;
static uint8_t octets[VERIFIER_OCTETS], certs[VERIFIER_ANSWER_MAX], body[FETCH_BODY];
static struct writer made;
static struct test_ca ca, other_ca;
static struct test_tls gw, other;
static nanos now;

/* ask - false: the answer comes later. */
static bool ask(struct span behind)
{
    made = writer_of(certs, sizeof(certs));
    return verifier_answer(verifier, &request, behind, &answer, &made);
}

static bool late(void)
{
    made = writer_of(certs, sizeof(certs));
    return verifier_late(verifier, &answer, &made);
}

static void load(struct span der, enum cert_role role)
{
    request = (struct verifier_request){.kind = VERIFIER_CERT, .cert.role = (uint32_t)role};
    SHA256(der.ptr, der.len, request.cert.digest);
    assert_true(ask(der));
    assert_int_equal(answer.error, 0);
}

static int setup(void **state)
{
    const struct test_leaf leaf = {.name = "gw.example", .aia = "OCSP;URI:http://ocsp.example/"};
    uint8_t *der = NULL, info_id[KEY_ID_SIZE];
    (void)state;
    crypto = crypto_new();
    verifier = verifier_new(crypto);
    now = NANOS_PER_SEC;
    verifier_tick(verifier, now);
    test_ca_make(&ca, "CA");
    test_ca_make(&other_ca, "CA");
    test_tls_make(&gw, &ca, &leaf, &ca);
    test_tls_make(&other, &other_ca, &leaf, &other_ca);
    int n = i2d_X509(ca.certificate, &der);
    load(span_of(der, (size_t)n), CERT_ROLE_CA);
    OPENSSL_free(der);
    load(gw.tls.certs[0], CERT_ROLE_PLAIN);
    request = (struct verifier_request){.kind = VERIFIER_KEY, .key.present = 1};
    assert_int_equal(crypto_key_ids(gw.key, request.key.key_id, info_id), 0);
    assert_true(ask((struct span){0}));
    return answer.error;
}

static int teardown(void **state)
{
    (void)state;
    verifier = verifier_free(verifier);
    crypto = crypto_free(crypto);
    test_tls_end(&gw);
    test_tls_end(&other);
    test_ca_end(&ca);
    test_ca_end(&other_ca);
    return 0;
}

/* struct say - the answer of a responder. Zeros: the CA says that the certificate is good, now and
 * for an hour. */
struct say {
    int status; /* V_OCSP_CERTSTATUS_* */
    long this_s, next_s;
    bool without_next, other_serial, nonce;
    const struct test_ca *signer; /* NULL: the CA */
};

static OCSP_CERTID *id_of(bool other_serial)
{
    const uint8_t *at = gw.tls.certs[0].ptr;
    X509 *leaf = d2i_X509(NULL, &at, (long)gw.tls.certs[0].len);
    if (other_serial)
        ASN1_INTEGER_set(X509_get_serialNumber(leaf), 77);
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), leaf, ca.certificate);
    X509_free(leaf);
    return id;
}

static struct span say(const struct say *say)
{
    static uint8_t room[RESPONSE];
    uint8_t *out = room;
    const struct test_ca *signer = say->signer == NULL ? &ca : say->signer;
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = id_of(say->other_serial);
    ASN1_TIME *gone = X509_gmtime_adj(NULL, -DAY), *from = X509_gmtime_adj(NULL, say->this_s),
              *next = X509_gmtime_adj(NULL, say->next_s == 0 ? 3600 : say->next_s);
    assert_non_null(OCSP_basic_add1_status(basic, id, say->status, 0,
                                           say->status == V_OCSP_CERTSTATUS_REVOKED ? gone : NULL,
                                           from, say->without_next ? NULL : next));
    assert_true(!say->nonce || OCSP_basic_add1_nonce(basic, NULL, 32) == 1);
    assert_int_equal(
        OCSP_basic_sign(basic, signer->certificate, signer->key, EVP_sha256(), NULL, OCSP_NOCERTS),
        1);
    OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    int len = i2d_OCSP_RESPONSE(response, &out);
    assert_true(len > 0 && len <= RESPONSE);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(gone);
    ASN1_TIME_free(from);
    ASN1_TIME_free(next);
    return span_of(room, (size_t)len);
}

/* --- the peer's --- */

static struct auth_octets parts(void)
{
    static uint8_t init[28] = {[17] = 0x20, [18] = 34, [19] = 0x20, [27] = 28}, zero[32];
    return (struct auth_octets){.prf = 5,
                                .message = span_of(init, sizeof(init)),
                                .nonce = span_of(zero, sizeof(zero)),
                                .sk_p = span_of(zero, sizeof(zero))};
}

static struct span sign(EVP_PKEY *key, const struct auth_octets *o, uint8_t *out)
{
    const struct signature_wish wish = {.hashes = ALL};
    struct span list[AUTH_OCTETS_PARTS];
    uint8_t prf[AUTH_OCTETS_PRF], all[512], method;
    struct writer w = writer_of(all, sizeof(all)), auth = writer_of(out, SIGNATURE_AUTH_MAX);
    struct signature_scheme scheme;
    assert_int_equal(auth_octets_parts(crypto, o, prf, list), 0);
    for (size_t i = 0; i < AUTH_OCTETS_PARTS; i++)
        write_bytes(&w, list[i]);
    assert_int_equal(signature_choose(key, &wish, &method, &scheme), 0);
    assert_int_equal(signature_make(key, method, &scheme, writer_span(&w), &auth), 0);
    return writer_span(&auth);
}

static void cert_add(uint8_t encoding, struct span cert, struct writer *w)
{
    struct verifier_check *c = &request.check;
    c->encodings[c->n_certs] = encoding;
    c->cert_lengths[c->n_certs++] = (uint32_t)cert.len;
    write_bytes(w, cert);
}

/* login - of the peer, with the response, under `revocation = strict`. false: the answer comes later. */
static bool login(struct span response)
{
    uint8_t auth[SIGNATURE_AUTH_MAX], id_room[4 + LIMIT_ID];
    struct writer w = writer_of(octets, sizeof(octets));
    struct auth_octets o = parts();
    request = (struct verifier_request){.kind = VERIFIER_CHECK, .job = 9};
    request.check.auth_method = 14;
    request.check.policy.revocation = CERT_REVOCATION_STRICT;
    strcpy(request.check.conn, "office");
    assert_int_equal(identity_parse("gw.example", &request.check.remote), 0);
    o.id_body = identity_body(&request.check.remote, id_room);
    auth_parts_write(&o, sign(gw.key, &o, auth), &request.check.lengths, &w);
    if (response.len > 0)
        cert_add(CERT_OCSP, response, &w); /* in any order */
    cert_add(CERT_X509, gw.tls.certs[0], &w);
    assert_false(writer_failed(&w));
    return ask(writer_span(&w));
}

/* counts_not - the response is ignored: a responder is asked, and without one `strict` refuses. */
static void counts_not(struct span response, const char *why)
{
    if (login(response))
        fail_msg("it counts, or is refused at once: %d %s", answer.error, answer.reason);
    while (verifier_fetch(verifier, &fetch, body)) {
        const struct fetch_answer failed = {.error = ERR_SYSTEM, .job = fetch.job};
        verifier_fetched(verifier, &failed, (struct span){0});
    }
    assert_true(late());
    assert_int_equal(answer.error, ERR_AUTH);
    if (strstr(answer.reason, why) == NULL)
        fail_msg("'%s' was expected, not '%s'", why, answer.reason);
    verifier_tick(verifier, now += REVOCATION_CALM + 1);
}

static void of_a_peer(void **state)
{
    (void)state;
    assert_true(login(say(&(struct say){0})));
    assert_int_equal(answer.error, 0);
    assert_false(verifier_fetch(verifier, &fetch, body));
    assert_true(login((struct span){0})); /* it is kept as one that was fetched */
    assert_int_equal(answer.error, 0);
    assert_true(login(say(&(struct say){.status = V_OCSP_CERTSTATUS_REVOKED})));
    assert_int_equal(answer.error, ERR_AUTH);
    assert_non_null(strstr(answer.reason, "was revoked on 20"));
    /* the older one again */
    assert_true(login(say(&(struct say){.this_s = -600})));
    assert_non_null(strstr(answer.reason, "was revoked on 20"));
}

/* Any nonce counts: the responder cannot know ours. */
static void nonces(void **state)
{
    (void)state;
    assert_true(login(say(&(struct say){.nonce = true})));
    assert_int_equal(answer.error, 0);
}

static void hostile(void **state)
{
    const char *none = "no valid CRL or OCSP answer";
    (void)state;
    counts_not(say(&(struct say){.signer = &other_ca}), "not signed by the CA");
    counts_not(say(&(struct say){.other_serial = true}), none);
    counts_not(say(&(struct say){.status = V_OCSP_CERTSTATUS_UNKNOWN}), none);
    counts_not(say(&(struct say){.this_s = -9 * DAY, .next_s = -DAY}), none);
    counts_not(say(&(struct say){.this_s = DAY, .next_s = 2 * DAY}), none);
    counts_not(say(&(struct say){.this_s = -1000, .without_next = true}), none);
    counts_not(span_text("no response"), none);
    counts_not(gw.tls.certs[0], none);
    struct span sound = say(&(struct say){0});
    counts_not(span_of(sound.ptr, sound.len - 1), none);
    uint8_t damaged[RESPONSE];
    memcpy(damaged, sound.ptr, sound.len);
    damaged[sound.len - 1] ^= 1; /* of the signature */
    counts_not(span_of(damaged, sound.len), none);
    assert_true(login(sound));
    assert_int_equal(answer.error, 0);
}

/* A peer that cannot sign AUTH causes no work with responses. */
static void of_a_stranger(void **state)
{
    EVP_PKEY *own = gw.key;
    (void)state;
    gw.key = other.key;
    assert_true(login(say(&(struct say){0})));
    gw.key = own;
    assert_int_equal(answer.error, ERR_AUTH);
    counts_not((struct span){0}, "no valid CRL or OCSP answer");
}

/* --- ours --- */

static bool choose(uint32_t ocsp)
{
    request = (struct verifier_request){.kind = VERIFIER_CHOOSE, .job = 5, .choose.ocsp = ocsp};
    assert_int_equal(identity_parse("gw.example", &request.choose.local), 0);
    return ask((struct span){0});
}

/* chosen - what the peer gets: our certificate, and the response unless it is empty. */
static void chosen(struct span response)
{
    struct span cert = gw.tls.certs[0];
    assert_int_equal(answer.job, 5);
    assert_int_equal(answer.error, 0);
    assert_int_equal(answer.n_certs, response.len > 0 ? 2 : 1);
    assert_int_equal(answer.encodings[0], CERT_X509);
    assert_int_equal(answer.n_octets, cert.len + response.len);
    assert_memory_equal(certs, cert.ptr, cert.len);
    if (response.len == 0)
        return;
    assert_int_equal(answer.encodings[1], CERT_OCSP);
    assert_int_equal(answer.cert_lengths[1], response.len);
    assert_memory_equal(certs + cert.len, response.ptr, response.len);
}

/* fetched - the responder's answer to the waiting request. */
static void fetched(struct span response)
{
    assert_true(verifier_fetch(verifier, &fetch, body));
    assert_string_equal(fetch.url, "http://ocsp.example/");
    const struct fetch_answer said = {.error = response.len == 0 ? ERR_SYSTEM : 0,
                                      .job = fetch.job};
    verifier_fetched(verifier, &said, response);
}

static void of_ours(void **state)
{
    (void)state;
    struct span good = say(&(struct say){0});
    assert_true(choose(0));
    chosen((struct span){0});
    assert_false(choose(1));
    assert_false(late());
    fetched(good);
    assert_true(late());
    chosen(good);
    assert_true(choose(1)); /* from now on it is here */
    chosen(good);
    assert_false(verifier_fetch(verifier, &fetch, body));
    assert_true(choose(0));
    chosen((struct span){0});
}

/* If no response arrives, the peer gets none, after two seconds at most. */
static void silence(void **state)
{
    (void)state;
    assert_false(choose(1));
    assert_true(verifier_fetch(verifier, &fetch, body));
    verifier_tick(verifier, now + OWN_CERT_PATIENCE_NS - 1);
    assert_false(late());
    assert_true(verifier_deadline(verifier) == now + OWN_CERT_PATIENCE_NS);
    verifier_tick(verifier, now + OWN_CERT_PATIENCE_NS);
    assert_true(late());
    chosen((struct span){0});
    const struct fetch_answer failed = {.error = ERR_SYSTEM, .job = fetch.job};
    verifier_fetched(verifier, &failed, (struct span){0});
    assert_true(choose(1)); /* and the URL is not tried again for a while */
    chosen((struct span){0});
}

/* A peer gets no response that is invalid, expired, or says that our certificate is revoked. */
static void unusable(void **state)
{
    const struct say all[] = {{.signer = &other_ca},
                              {.this_s = -DAY, .next_s = -10},
                              {.status = V_OCSP_CERTSTATUS_REVOKED}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        assert_false(choose(1));
        fetched(say(&all[i]));
        assert_true(late());
        chosen((struct span){0});
        verifier_tick(verifier, now += REVOCATION_CALM + 1);
    }
}

/* Half of its validity is over: it is sent, and a newer one is fetched. */
static void getting_old(void **state)
{
    (void)state;
    struct span old = say(&(struct say){.this_s = -2000, .next_s = 1600});
    assert_false(choose(1));
    fetched(old);
    assert_true(late());
    chosen(old);
    verifier_tick(verifier, now += REVOCATION_CALM + 1);
    assert_true(choose(1));
    chosen(old);
    uint8_t room[RESPONSE];
    struct span young = say(&(struct say){0});
    memcpy(room, young.ptr, young.len);
    fetched(span_of(room, young.len));
    assert_true(choose(1));
    chosen(span_of(room, young.len));
}

static int show(uint32_t responses, uint32_t index)
{
    request = (struct verifier_request){.kind = VERIFIER_SHOW,
                                        .show = {.responses = responses, .index = index}};
    assert_true(ask((struct span){0}));
    return answer.error;
}

/* For users: lists the responses, without those that a flush dropped. */
static void shown(void **state)
{
    (void)state;
    assert_int_equal(show(1, 0), ERR_NOT_FOUND);
    assert_int_equal(show(0, 0), ERR_NOT_FOUND);
    struct span good = say(&(struct say){0});
    assert_true(login(good));
    assert_int_equal(show(1, 0), 0);
    assert_true(span_equal(writer_span(&made), good));
    assert_int_equal(show(1, 1), ERR_NOT_FOUND);
    assert_int_equal(show(1, UINT32_MAX), ERR_NOT_FOUND);
    assert_int_equal(answer.n_octets, 0);
    request = (struct verifier_request){.kind = VERIFIER_FLUSH, .flush = VERIFIER_FLUSH_RESPONSES};
    assert_true(ask((struct span){0}));
    assert_int_equal(show(1, 0), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_a_peer, setup, teardown),
        cmocka_unit_test_setup_teardown(nonces, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile, setup, teardown),
        cmocka_unit_test_setup_teardown(of_a_stranger, setup, teardown),
        cmocka_unit_test_setup_teardown(of_ours, setup, teardown),
        cmocka_unit_test_setup_teardown(silence, setup, teardown),
        cmocka_unit_test_setup_teardown(unusable, setup, teardown),
        cmocka_unit_test_setup_teardown(getting_old, setup, teardown),
        cmocka_unit_test_setup_teardown(shown, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
