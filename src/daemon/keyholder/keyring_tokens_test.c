/* SPDX-License-Identifier: Apache-2.0 */
/* Keys on tokens: the requests of the keyholder, and its checks of the answers. The test plays the
 * token process, and a hostile engine, eap process and loader. */
#include <openssl/ec.h>
#include <openssl/x509.h>

#include "base/unit_test.h"
#include "crypto/key_id.h"
#include "daemon/keyholder/keyring.h"
#include "daemon/token/token_key.h"
#include "daemon/token/token_queue.h"
#include "ike/terms/identity.h"

static struct crypto_provider *crypto;
static struct keyring *keyring;
static struct key_request request;
static struct key_answer answer;
static struct token_request wanted; /* of the token */
static struct span wanted_octets;
static uint8_t out[TOKEN_ANSWER], behind[KEY_OCTETS];
static struct writer made;
static EVP_PKEY *key;

static int setup(void **state)
{
    (void)state;
    crypto = crypto_new();
    keyring = keyring_new(crypto);
    key = EVP_EC_gen("P-256");
    return crypto != NULL && keyring != NULL && key != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    keyring_free(keyring);
    crypto_free(crypto);
    EVP_PKEY_free(key);
    return 0;
}

static int ask(struct span octets)
{
    made = writer_of(out, sizeof(out));
    keyring_answer(keyring, &request, octets, &answer, &made);
    return answer.error;
}

static int stage_ask(void)
{
    keyring_stage_answer(keyring, &request, (struct span){0}, &answer);
    return answer.error;
}

static bool token_asked(void)
{
    return keyring_token_request(keyring, &wanted, &wanted_octets);
}

static enum keyring_asker token_says(int error, struct span octets)
{
    const struct token_answer from = {.job = wanted.job, .error = error, .reason = "why"};
    made = writer_of(out, sizeof(out));
    return keyring_token_answer(keyring, &from, octets, &answer, &made);
}

static void module_fill(const char *name, const char *path)
{
    memset(&request, 0, sizeof(request));
    request.kind = KEY_MODULE;
    strcpy(request.module.name, name);
    strcpy(request.module.path, path);
}

static void token_fill(const char *module, enum key_request_kind kind)
{
    memset(&request, 0, sizeof(request));
    request.kind = kind;
    request.job = 7;
    strcpy(request.token.module, module);
    request.token.slot = -1;
    request.token.handle[0] = 0xab;
    request.token.handle_len = 1;
    memcpy(request.token.pin, "1234", 4);
    request.token.pin_len = 4;
}

static int commit(uint64_t number)
{
    memset(&request, 0, sizeof(request));
    request.kind = KEY_STAGE_COMMIT;
    request.load_number = number;
    return ask((struct span){0});
}

static struct span public_of(EVP_PKEY *of, uint8_t room[TOKEN_ANSWER])
{
    struct writer w = writer_of(room, TOKEN_ANSWER);
    assert_int_equal(token_key_write(of, &w), 0);
    return writer_span(&w);
}

/* begin - a loader names the module and the key, and commits. */
static void begin(void)
{
    uint8_t room[TOKEN_ANSWER];
    assert_int_equal(keyring_stage_begin(keyring, 1), 0);
    module_fill("card", "/lib/card.so");
    assert_int_equal(stage_ask(), 0);
    token_fill("card", KEY_TOKEN_LOAD);
    assert_int_equal(stage_ask(), ERR_AGAIN);
    assert_true(token_asked());
    assert_int_equal(wanted.kind, TOKEN_OPEN);
    assert_string_equal(wanted.ref.module, "/lib/card.so");
    assert_int_equal(token_says(0, public_of(key, room)), KEYRING_LOADER);
    assert_int_equal(answer.error, 0);
    assert_int_equal(answer.job, 7);
    uint8_t id[KEY_ID_SIZE];
    memcpy(id, answer.key_id, sizeof(id));
    assert_int_equal(commit(1), 0);
    memcpy(answer.key_id, id, sizeof(id));
}

/* auth_fill - a signature with the key that answer.key_id names. */
static struct span auth_fill(void)
{
    static uint8_t message[300], nonce[32], sk_p[32], id_room[4 + LIMIT_ID];
    struct writer w = writer_of(behind, sizeof(behind));
    struct auth_octets octets = {
        .prf = 5,
        .message = span_of(message, sizeof(message)),
        .nonce = span_of(nonce, sizeof(nonce)),
        .sk_p = span_of(sk_p, sizeof(sk_p)),
    };
    memcpy(message + 16, "\x21\x20\x22\x08\0\0\0\0\0\0\x01\x2c", 12);
    memset(&request, 0, sizeof(request));
    request.kind = KEY_PRIVATE_SIGN;
    request.job = 9;
    memcpy(request.auth.sign.key_id, answer.key_id, KEY_ID_SIZE);
    request.auth.sign.hashes = 1u << SIGNATURE_SHA2_256;
    assert_int_equal(identity_parse("gw.example", &request.auth.local), 0);
    octets.id_body = identity_body(&request.auth.local, id_room);
    auth_parts_write(&octets, (struct span){0}, &request.auth.lengths, &w);
    return writer_span(&w);
}

/* raw_sign - r and s, as a token gives them. */
static size_t raw_sign(EVP_PKEY *with, struct span octets, uint8_t raw[64])
{
    const struct signature_scheme scheme = {SIGNATURE_ECDSA, SIGNATURE_SHA2_256};
    uint8_t room[SIGNATURE_MAX];
    struct writer der = writer_of(room, sizeof(room)), w = writer_of(raw, 64);
    assert_int_equal(signature_sign(with, &scheme, octets, &der), 0);
    assert_int_equal(signature_present(with, 9, &scheme, writer_span(&der), &w), 0);
    return w.len;
}

static void test_signs(void **state)
{
    uint8_t raw[64];
    struct signature_scheme scheme;
    (void)state;
    begin();
    assert_int_equal(ask(auth_fill()), ERR_AGAIN);
    assert_int_equal(made.len, 0);
    assert_true(token_asked());
    assert_false(token_asked() && wanted.job != 0);
    assert_int_equal(wanted.kind, TOKEN_SIGN);
    assert_int_equal(wanted_octets.len, 300 + 32 + 32); /* as RFC 7296 section 2.15 composes them */
    uint8_t octets[400];
    memcpy(octets, wanted_octets.ptr, wanted_octets.len);
    size_t len = raw_sign(key, wanted_octets, raw);
    assert_int_equal(token_says(0, span_of(raw, len)), KEYRING_ENGINE);
    assert_int_equal(answer.error, 0);
    assert_int_equal(answer.job, 9);
    assert_int_equal(answer.auth_method, 14);
    const struct signature_claim claim = {14, 1u << SIGNATURE_SHA2_256, writer_span(&made)};
    assert_int_equal(signature_check(key, &claim, span_of(octets, 364), &scheme), 0);
}

/* A wrong answer of a token becomes an error. A second answer, or one without a request, is
 * ignored. */
static void test_hostile_token(void **state)
{
    EVP_PKEY *other = EVP_EC_gen("P-256");
    uint8_t raw[TOKEN_ANSWER] = {0};
    static const size_t lengths[] = {0, 1, 63, 64, 65, 2048, TOKEN_ANSWER};
    (void)state;
    begin();
    uint8_t id[KEY_ID_SIZE];
    memcpy(id, answer.key_id, sizeof(id));
    for (size_t i = 0; i <= ARRAY_LEN(lengths); i++) {
        memcpy(answer.key_id, id, sizeof(id));
        assert_int_equal(ask(auth_fill()), ERR_AGAIN);
        assert_true(token_asked());
        size_t len = i < ARRAY_LEN(lengths) ? lengths[i] : raw_sign(other, wanted_octets, raw);
        assert_int_equal(token_says(0, span_of(raw, len)), KEYRING_ENGINE);
        assert_int_equal(answer.error, ERR_CRYPTO);
        assert_int_equal(answer.n_octets, 0);
        assert_int_equal(token_says(0, span_of(raw, len)), KEYRING_NOBODY);
    }
    memcpy(answer.key_id, id, sizeof(id));
    assert_int_equal(ask(auth_fill()), ERR_AGAIN);
    assert_true(token_asked());
    assert_int_equal(token_says(ERR_NOT_FOUND, (struct span){0}), KEYRING_ENGINE);
    assert_int_equal(answer.error, ERR_NOT_FOUND);
    assert_string_equal(answer.reason, "why");
    EVP_PKEY_free(other);
}

/* Only the files name libraries, and only the keyholder composes the octets to sign. */
static void test_hostile_engine(void **state)
{
    (void)state;
    token_fill("card", KEY_TOKEN_LOAD);
    assert_int_equal(ask((struct span){0}), ERR_DENIED);
    begin();
    uint8_t id[KEY_ID_SIZE];
    memcpy(id, answer.key_id, sizeof(id));
    module_fill("own", "/tmp/own.so");
    assert_int_equal(ask((struct span){0}), ERR_INVALID);
    static const char *const names[] = {"own", "/tmp/own.so", "/lib/card.so", "CARD"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        token_fill(names[i], KEY_TOKEN_LOAD);
        assert_int_equal(ask((struct span){0}), ERR_DENIED);
    }
    token_fill("card", KEY_TOKEN_CERT);
    assert_int_equal(ask((struct span){0}), ERR_INVALID);
    token_fill("card", KEY_TOKEN_LOAD);
    request.token.handle_len = TOKEN_HANDLE + 1;
    assert_int_equal(ask((struct span){0}), ERR_INVALID);
    token_fill("card", KEY_TOKEN_LOAD);
    request.token.pin_len = UINT32_MAX;
    assert_int_equal(ask((struct span){0}), ERR_INVALID);
    memset(&request, 0xff, sizeof(request));
    request.kind = KEY_TOKEN_LOAD;
    assert_int_equal(ask((struct span){0}), ERR_INVALID);
    memset(&request, 0, sizeof(request));
    request.kind = KEY_PRIVATE_SIGN;
    memcpy(request.auth.sign.key_id, id, KEY_ID_SIZE);
    assert_int_equal(ask(span_text("anything")), ERR_INVALID);
    assert_false(token_asked());
}

/* The eap process has TLS signed, and only with keys that the engine has named. */
static void test_hostile_eap(void **state)
{
    uint8_t octets[130], raw[64];
    (void)state;
    begin();
    memset(octets, ' ', 64);
    memcpy(octets + 64, "TLS 1.3, client CertificateVerify", 34);
    struct key_request tls = {.kind = KEY_TLS_SIGN, .job = 3};
    tls.tls.kind = SIGNATURE_ECDSA, tls.tls.hash = SIGNATURE_SHA2_256;
    memcpy(tls.tls.key_id, answer.key_id, KEY_ID_SIZE);
    made = writer_of(out, sizeof(out));
    keyring_tls_answer(keyring, &tls, span_of(octets, 130), &answer, &made);
    assert_int_equal(answer.error, ERR_INVALID);
    memset(&request, 0, sizeof(request));
    request.kind = KEY_TLS_ALLOW;
    memcpy(request.private.key_id, tls.tls.key_id, KEY_ID_SIZE);
    assert_int_equal(ask((struct span){0}), 0);
    keyring_tls_answer(keyring, &tls, span_text("anything"), &answer, &made);
    assert_int_equal(answer.error, ERR_INVALID);
    assert_false(token_asked());
    keyring_tls_answer(keyring, &tls, span_of(octets, 130), &answer, &made);
    assert_int_equal(answer.error, ERR_AGAIN);
    assert_true(token_asked());
    size_t len = raw_sign(key, wanted_octets, raw);
    assert_int_equal(token_says(0, span_of(raw, len)), KEYRING_EAP);
    assert_int_equal(answer.error, 0);
    assert_true(made.len > 64);
}

/* A loader that has gone, or a later loader, gets no answer to an earlier one. */
static void test_loaders(void **state)
{
    uint8_t room[TOKEN_ANSWER];
    (void)state;
    begin();
    assert_int_equal(keyring_stage_begin(keyring, 2), 0);
    token_fill("card", KEY_TOKEN_LOAD);
    assert_int_equal(stage_ask(), ERR_DENIED); /* its own files name no module */
    module_fill("card", "/lib/card.so");
    assert_int_equal(stage_ask(), 0);
    token_fill("", KEY_TOKEN_LOAD);
    assert_int_equal(stage_ask(), ERR_AGAIN);
    assert_true(token_asked());
    assert_int_equal(keyring_stage_begin(keyring, 3), 0);
    assert_int_equal(token_says(0, public_of(key, room)), KEYRING_NOBODY);
    module_fill("card", "relative.so");
    assert_int_equal(stage_ask(), ERR_INVALID);
    for (int i = 0; i < 8; i++) {
        module_fill("card", "/lib/card.so");
        assert_int_equal(stage_ask(), 0);
    }
    assert_int_equal(stage_ask(), ERR_FULL);
    token_fill("", KEY_TOKEN_CERT);
    assert_int_equal(stage_ask(), ERR_DENIED);
    assert_non_null(strstr(answer.reason, "'module' is missing"));
}

/* A load without the key removes it. A load with another PIN changes the PIN. */
static void test_reload(void **state)
{
    uint8_t room[TOKEN_ANSWER], id[KEY_ID_SIZE];
    (void)state;
    begin();
    memcpy(id, answer.key_id, sizeof(id));
    assert_int_equal(keyring_stage_begin(keyring, 2), 0);
    module_fill("card", "/lib/card.so");
    assert_int_equal(stage_ask(), 0);
    token_fill("", KEY_TOKEN_LOAD);
    request.token.pin[0] = '9';
    assert_int_equal(stage_ask(), ERR_AGAIN);
    assert_true(token_asked());
    assert_int_equal(token_says(0, public_of(key, room)), KEYRING_LOADER);
    assert_int_equal(commit(2), 0);
    memcpy(answer.key_id, id, sizeof(id));
    assert_int_equal(ask(auth_fill()), ERR_AGAIN);
    assert_true(token_asked());
    assert_int_equal(wanted.ref.pin[0], '9');
    assert_int_equal(keyring_stage_begin(keyring, 3), 0);
    assert_int_equal(commit(3), 0);
    memcpy(answer.key_id, id, sizeof(id));
    assert_int_equal(ask(auth_fill()), ERR_NOT_FOUND);
}

/* Keys that cannot sign here, and octets that are no key. */
static void test_hostile_keys(void **state)
{
    EVP_PKEY *weak = EVP_RSA_gen(1024);
    uint8_t room[TOKEN_ANSWER];
    (void)state;
    begin();
    for (int i = 0; i < 3; i++) {
        token_fill("card", KEY_TOKEN_LOAD);
        assert_int_equal(ask((struct span){0}), ERR_AGAIN);
        assert_true(token_asked());
        struct span octets = public_of(weak, room);
        octets.len = i == 0 ? octets.len : i == 1 ? 20 : 0;
        assert_int_equal(token_says(0, octets), KEYRING_ENGINE);
        assert_int_equal(answer.error, ERR_INVALID);
    }
    EVP_PKEY_free(weak);
    static const uint8_t curve[] = {6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7};
    uint8_t point[67] = {4, 65, 4};
    assert_null(token_key_ec(span_of(curve, sizeof(curve)), span_of(point, 67))); /* not on it */
    for (size_t n = 0; n < sizeof(curve); n++)
        assert_null(token_key_ec(span_of(curve, n), span_of(point, 67)));
    assert_null(token_key_ec(span_of(point, 67), span_of(curve, sizeof(curve))));
    assert_null(token_key_rsa((struct span){0}, span_of(curve, 3)));
    assert_null(token_key_of_certificate(span_of(curve, sizeof(curve))));
}

/* The DigestInfo of RFC 8017 section 9.2, as libcrypto makes it. */
static void test_input(void **state)
{
    EVP_PKEY *rsa = EVP_RSA_gen(2048);
    uint8_t input[TOKEN_KEY_INPUT], room[SIGNATURE_MAX], plain[SIGNATURE_MAX];
    (void)state;
    for (enum signature_hash hash = SIGNATURE_SHA2_256; hash <= SIGNATURE_SHA2_512; hash++) {
        const struct signature_scheme scheme = {SIGNATURE_RSA_PKCS1, hash};
        struct writer w = writer_of(room, sizeof(room));
        size_t n = token_key_input(&scheme, span_text("text"), input), len = sizeof(plain);
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(rsa, NULL);
        assert_int_equal(signature_sign(rsa, &scheme, span_text("text"), &w), 0);
        assert_int_equal(EVP_PKEY_verify_recover_init(ctx), 1);
        assert_int_equal(EVP_PKEY_verify_recover(ctx, plain, &len, room, w.len), 1);
        assert_int_equal(len, n);
        assert_memory_equal(plain, input, n);
        EVP_PKEY_CTX_free(ctx);
    }
    const struct signature_scheme ed = {SIGNATURE_ED25519, SIGNATURE_IDENTITY},
                                  old = {SIGNATURE_RSA_PKCS1, SIGNATURE_SHA1};
    assert_int_equal(token_key_input(&ed, span_text("text"), input), 0);
    assert_int_equal(token_key_input(&old, span_text("text"), input), 0);
    EVP_PKEY_free(rsa);
}

/* A refused PIN is remembered for its module and slot, until a later load. */
static void test_refusals(void **state)
{
    struct token_refusals refusals = {.n = 0};
    struct token_ref ref = {.module = "/lib/card.so", .slot = -1, .pin = "1234", .pin_len = 4};
    struct token_ref others[] = {ref, ref, ref};
    (void)state;
    others[0].slot = 1, others[1].pin[0] = '2', others[2].module[1] = 'x';
    token_refusals_add(&refusals, &ref, 5);
    ref.handle[0] = 1; /* for any key */
    assert_true(token_refusals_has(&refusals, &ref));
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_false(token_refusals_has(&refusals, &others[i]));
    token_refusals_forget(&refusals, &ref, 5); /* the next key of the same load */
    assert_true(token_refusals_has(&refusals, &ref));
    token_refusals_forget(&refusals, &ref, 6);
    assert_false(token_refusals_has(&refusals, &ref));
    token_refusals_add(&refusals, &ref, 0);
    token_refusals_forget(&refusals, &ref, 0); /* load-token */
    assert_false(token_refusals_has(&refusals, &ref));
    for (int i = 0; i < 3 * TOKEN_REFUSED; i++) {
        ref.slot = i;
        token_refusals_add(&refusals, &ref, 1);
        assert_true(token_refusals_has(&refusals, &ref));
    }
}

/* Each asker has its own limit and its turn, and no request waits for ever. */
static void test_queue(void **state)
{
    struct token_queue queue;
    struct token_job *job;
    (void)state;
    token_queue_init(&queue);
    assert_int_equal(token_queue_deadline(&queue), NANOS_NEVER);
    wanted = (struct token_request){.kind = TOKEN_SIGN, .asker = TOKEN_FOR_IKE};
    for (int i = 0; i < TOKEN_WAITING; i++)
        assert_int_equal(token_queue_add(&queue, &wanted, span_text("x"), 10 + i), 0);
    assert_int_equal(token_queue_add(&queue, &wanted, span_text("x"), 999), ERR_FULL);
    wanted.asker = TOKEN_FOR_TLS;
    assert_int_equal(token_queue_add(&queue, &wanted, span_text("x"), 999), 0);
    unsigned turns = 0;
    do {
        job = token_queue_take(&queue);
        assert_non_null(job);
        wanted.asker = job->request.asker;
        token_job_free(job);
    } while (turns++ < TOKEN_ASKERS && wanted.asker != TOKEN_FOR_TLS);
    assert_int_equal(wanted.asker, TOKEN_FOR_TLS);
    nanos first = token_queue_deadline(&queue);
    assert_null(token_queue_late(&queue, first - 1));
    job = token_queue_late(&queue, first);
    assert_non_null(job);
    token_job_free(job);
    assert_int_equal(token_queue_deadline(&queue), first + 1);
    token_queue_clear(&queue);
    assert_int_equal(queue.n, 0);
    assert_null(token_queue_take(&queue));
}

/* A token answers after clear-creds or after a load: the client's key does not come back. */
static void test_late_key(void **state)
{
    uint8_t room[TOKEN_ANSWER], id[KEY_ID_SIZE];
    (void)state;
    begin();
    memcpy(id, answer.key_id, sizeof(id));
    for (int reload = 0; reload < 2; reload++) {
        token_fill("card", KEY_TOKEN_LOAD);
        assert_int_equal(ask((struct span){0}), ERR_AGAIN);
        assert_true(token_asked());
        if (reload) {
            assert_int_equal(keyring_stage_begin(keyring, 2), 0);
            assert_int_equal(commit(2), 0);
        } else {
            memset(&request, 0, sizeof(request));
            request.kind = KEY_CLEAR;
            assert_int_equal(ask((struct span){0}), 0);
        }
        assert_int_equal(token_says(0, public_of(key, room)), KEYRING_ENGINE);
        assert_int_equal(answer.error, ERR_WRONG_STATE);
        memcpy(answer.key_id, id, sizeof(id));
        assert_int_equal(ask(auth_fill()), ERR_NOT_FOUND);
    }
}

/* A token that says it has the key of a file is not asked for its signatures. */
static void test_displaced(void **state)
{
    uint8_t room[TOKEN_ANSWER], *at = behind;
    (void)state;
    begin();
    memset(&request, 0, sizeof(request));
    request.kind = KEY_CLEAR;
    assert_int_equal(ask((struct span){0}), 0);
    memset(&request, 0, sizeof(request));
    request.kind = KEY_PRIVATE_LOAD;
    int len = i2d_PrivateKey(key, &at);
    request.private.octets_len = (uint32_t)len;
    assert_int_equal(ask(span_of(behind, (size_t)len)), 0);
    token_fill("card", KEY_TOKEN_LOAD);
    assert_int_equal(ask((struct span){0}), ERR_AGAIN);
    assert_true(token_asked());
    assert_int_equal(token_says(0, public_of(key, room)), KEYRING_ENGINE);
    assert_int_equal(answer.error, 0);
    assert_int_equal(ask(auth_fill()), 0);
    assert_false(token_asked());
}

/* One asker cannot use up the requests of the others. */
static void test_shares(void **state)
{
    (void)state;
    begin();
    for (int i = 0; i < TOKEN_CALLS; i++) {
        token_fill("card", KEY_TOKEN_LOAD);
        assert_int_equal(ask((struct span){0}), ERR_AGAIN);
    }
    assert_int_equal(ask((struct span){0}), ERR_FULL);
    assert_int_equal(keyring_stage_begin(keyring, 2), 0);
    module_fill("card", "/lib/card.so");
    assert_int_equal(stage_ask(), 0);
    token_fill("card", KEY_TOKEN_LOAD);
    assert_int_equal(stage_ask(), ERR_AGAIN);
    assert_true(token_asked());
    assert_int_equal(wanted.asker, TOKEN_FOR_IKE);
    assert_int_equal(wanted.load, 0);
    assert_int_equal(token_says(ERR_SYSTEM, (struct span){0}), KEYRING_ENGINE);
    while (token_asked())
        continue;
    assert_int_equal(wanted.asker, TOKEN_FOR_LOADER);
    assert_int_equal(wanted.load, 2);
    token_fill("card", KEY_TOKEN_LOAD);
    assert_int_equal(ask((struct span){0}), ERR_AGAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_signs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile_token, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile_engine, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile_eap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loaders, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reload, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile_keys, setup, teardown),
        cmocka_unit_test(test_input),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_queue),
        cmocka_unit_test_setup_teardown(test_late_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_displaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shares, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
