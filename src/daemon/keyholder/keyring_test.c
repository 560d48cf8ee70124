/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/keyholder/keyring.h"

#include <openssl/pem.h>
#include <stdio.h>

#include "base/unit_test.h"
#include "crypto/key_id.h"
#include "crypto/prf.h"
#include "crypto/signature.h"
#include "ike/terms/identity.h"

static struct crypto_provider *crypto;
static struct keyring *keyring;
static struct key_request request;
static struct key_answer answer;
static uint8_t behind[KEY_OCTETS], auth[KEY_ANSWER];
static struct writer made;

static void ask(struct span octets)
{
    made = writer_of(auth, sizeof(auth));
    keyring_answer(keyring, &request, octets, &answer, &made);
}

static struct ike_id id_of(const char *text)
{
    struct ike_id id;
    assert_int_equal(identity_parse(text, &id), 0);
    return id;
}

static void load_fill(const char *name, const char *secret, const char *a, const char *b)
{
    memset(&request, 0, sizeof(request));
    request.kind = KEY_LOAD;
    strcpy(request.load.name, name);
    request.load.secret_len = (uint32_t)strlen(secret);
    const char *owners[] = {a, b};
    for (size_t i = 0; i < 2; i++)
        if (owners[i] != NULL)
            request.load.owners[request.load.n_owners++] = id_of(owners[i]);
}

static int load(const char *name, const char *secret, const char *a, const char *b)
{
    load_fill(name, secret, a, b);
    ask(span_text(secret));
    return answer.error;
}

static int stage(const char *name, const char *secret, const char *a, const char *b)
{
    load_fill(name, secret, a, b);
    keyring_stage_answer(keyring, &request, span_text(secret), &answer);
    return answer.error;
}

static int stage_end(uint64_t number, bool commit)
{
    memset(&request, 0, sizeof(request));
    request.kind = commit ? KEY_STAGE_COMMIT : KEY_STAGE_DROP;
    request.load_number = number;
    ask((struct span){0});
    return answer.error;
}

/* The parts of RFC 7296 section 2.15; the message is an IKE_SA_INIT request of 300 octets. */
static uint8_t message[300], nonce[32], sk_p[32], id_room[4 + LIMIT_ID];
static struct span id_body;

static struct span auth_fill(enum key_request_kind kind, const char *local, const char *remote,
                             struct span claimed)
{
    struct writer w = writer_of(behind, sizeof(behind));
    struct auth_octets octets = {
        .prf = 5,
        .message = span_of(message, sizeof(message)),
        .nonce = span_of(nonce, sizeof(nonce)),
        .sk_p = span_of(sk_p, sizeof(sk_p)),
    };
    memset(&request, 0, sizeof(request));
    request.kind = kind;
    request.job = 7;
    request.auth.local = id_of(local);
    request.auth.remote = id_of(remote);
    memset(message, 0xaa, sizeof(message));
    memcpy(message + 16, "\x21\x20\x22\x08\0\0\0\0\0\0\x01\x2c", 12);
    memset(nonce, 0xbb, sizeof(nonce));
    memset(sk_p, 0xcc, sizeof(sk_p));
    octets.id_body = id_body =
        identity_body(kind == KEY_VERIFY ? &request.auth.remote : &request.auth.local, id_room);
    auth_parts_write(&octets, claimed, &request.auth.lengths, &w);
    return writer_span(&w);
}

static int sign(const char *local, const char *remote)
{
    ask(auth_fill(KEY_SIGN, local, remote, (struct span){0}));
    return answer.error;
}

static int verify(struct span claimed)
{
    ask(auth_fill(KEY_VERIFY, "a", "b", claimed));
    assert_int_equal(answer.n_octets, 0); /* the right value does not leave */
    assert_int_equal(made.len, 0);
    return answer.error;
}

/* octets_of - what AUTH covers, composed here in another way. */
static struct span octets_of(uint8_t octets[364])
{
    struct span key = span_of(sk_p, 32);
    memcpy(octets, message, 300);
    memcpy(octets + 300, nonce, 32);
    assert_int_equal(crypto_hmac(crypto, CRYPTO_SHA2_256, key, &id_body, 1, octets + 332), 0);
    return span_of(octets, 364);
}

/* Checks which secret was chosen: computes AUTH independently (RFC 7296 section 2.15). */
static void assert_secret(const char *secret)
{
    uint8_t key[64], octets[364], expected[64];
    struct span pad = span_text("Key Pad for IKEv2"), all = octets_of(octets);
    assert_int_equal(crypto_hmac(crypto, CRYPTO_SHA2_256, span_text(secret), &pad, 1, key), 0);
    assert_int_equal(crypto_hmac(crypto, CRYPTO_SHA2_256, span_of(key, 32), &all, 1, expected), 0);
    assert_int_equal(answer.n_octets, 32);
    assert_memory_equal(auth, expected, 32);
    assert_int_equal(answer.job, 7);
}

static int setup(void **state)
{
    (void)state;
    crypto = crypto_new();
    keyring = keyring_new(crypto);
    return crypto == NULL || keyring == NULL;
}

static int teardown(void **state)
{
    (void)state;
    keyring = keyring_free(keyring);
    crypto = crypto_free(crypto);
    return 0;
}

static void test_choice(void **state)
{
    (void)state;
    assert_int_equal(sign("gw", "alice"), ERR_NOT_FOUND);
    assert_int_equal(load("any", "for-all", NULL, NULL), 0);
    assert_int_equal(load("own", "only-gw", "gw", NULL), 0);
    assert_int_equal(load("alice", "of-alice", "alice", NULL), 0);
    assert_int_equal(load("bob", "of-bob", "bob", "gw"), 0);
    assert_int_equal(load("bob2", "of-bob-elsewhere", "bob", "gw2"), 0);
    assert_int_equal(sign("gw", "alice"), 0);
    assert_secret("of-alice");
    assert_int_equal(sign("gw", "bob"), 0);
    assert_secret("of-bob");
    assert_int_equal(sign("gw2", "bob"), 0);
    assert_secret("of-bob-elsewhere");
    assert_int_equal(sign("gw3", "carol"), 0);
    assert_secret("for-all");
}

/* A secret that names us and bob does not let alice in. */
static void test_of_somebody_else(void **state)
{
    (void)state;
    assert_int_equal(load("bob", "of-bob", "bob", "gw"), 0);
    assert_int_equal(sign("gw", "carol"), ERR_NOT_FOUND);
    assert_int_equal(sign("gw", "gw"), ERR_NOT_FOUND); /* nor does it let bob in under our name */
    assert_int_equal(load("own", "mine", "gw", NULL), 0);
    assert_int_equal(sign("gw", "gw"), 0);
    assert_secret("mine");
    assert_int_equal(sign("gw", "carol"), 0);
    assert_secret("mine");
}

/* The responder is not known yet: a secret that names us is enough, one that names only others is
 * not. */
static void test_of_whoever_answers(void **state)
{
    (void)state;
    assert_int_equal(load("bob", "of-bob", "bob", "gw2"), 0);
    assert_int_equal(sign("gw", "%any"), ERR_NOT_FOUND);
    assert_int_equal(load("alice", "of-alice", "alice", "gw"), 0);
    assert_int_equal(sign("gw", "%any"), 0);
    assert_secret("of-alice");
}

static void test_verify(void **state)
{
    uint8_t good[33];
    (void)state;
    assert_int_equal(load("any", "secret", NULL, NULL), 0);
    assert_int_equal(sign("b", "a"), 0);
    memcpy(good, auth, 32);
    for (unsigned bit = 0; bit <= 32 * 8; bit++) {
        if (bit < 32 * 8)
            good[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(verify(span_of(good, 32)), bit < 32 * 8 ? ERR_AUTH : 0);
        if (bit < 32 * 8)
            good[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(verify(span_of(good, 31)), ERR_AUTH);
    assert_int_equal(verify(span_of(good, 33)), ERR_AUTH);
    assert_int_equal(verify((struct span){0}), ERR_AUTH);
}

static void test_replace_and_unload(void **state)
{
    (void)state;
    assert_int_equal(load("k", "old", NULL, NULL), 0);
    assert_int_equal(load("k", "new", NULL, NULL), 0);
    assert_int_equal(sign("a", "b"), 0);
    assert_secret("new");
    memset(&request, 0, sizeof(request));
    request.kind = KEY_UNLOAD;
    strcpy(request.load.name, "k");
    ask((struct span){0});
    assert_int_equal(answer.error, 0);
    ask((struct span){0});
    assert_int_equal(answer.error, ERR_NOT_FOUND);
    assert_int_equal(sign("a", "b"), ERR_NOT_FOUND);
}

/* 20,000 users with a secret each, and a gateway that is named in all of them. */
static void test_many(void **state)
{
    char name[32], user[32], secret[32];
    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        (void)snprintf(name, sizeof(name), "ike-%u", i);
        (void)snprintf(user, sizeof(user), "u%u.example", i);
        (void)snprintf(secret, sizeof(secret), "secret of %u", i);
        assert_int_equal(load(name, secret, "gw.example", user), 0);
    }
    for (unsigned i = 0; i < 20000; i += 1999) {
        (void)snprintf(user, sizeof(user), "U%u.example", i);
        (void)snprintf(secret, sizeof(secret), "secret of %u", i);
        assert_int_equal(sign("gw.example", user), 0);
        assert_secret(secret);
    }
    assert_int_equal(sign("gw.example", "u20000.example"), ERR_NOT_FOUND);
    request.kind = KEY_CLEAR;
    ask((struct span){0});
    assert_int_equal(sign("gw.example", "u0.example"), ERR_NOT_FOUND);
}

/* With random owners the choice equals that of a walk over all secrets. */
static void test_choice_of_first(void **state)
{
    (void)state;
    assert_int_equal(load("a", "first", NULL, NULL), 0);
    assert_int_equal(load("b", "second", NULL, NULL), 0);
    assert_int_equal(sign("x", "y"), 0);
    assert_secret("first");
    assert_int_equal(load("c", "pattern", "*.example", NULL), 0);
    assert_int_equal(load("a", "first again", NULL, NULL), 0);
    assert_int_equal(sign("x", "y.example"), 0);
    assert_secret("pattern");
    assert_int_equal(sign("x", "y"), 0);
    assert_secret("first again");
    assert_int_equal(load("d", "exact", "y.example", NULL), 0);
    assert_int_equal(sign("x", "y.example"), 0);
    assert_secret("exact");
}

/* --- private keys --- */

/* private_fill - fills in a request; returns the octets behind it. */
static struct span private_fill(struct span octets, const char *passphrase)
{
    struct writer w = writer_of(behind, sizeof(behind));
    memset(&request, 0, sizeof(request));
    request.kind = KEY_PRIVATE_LOAD;
    request.private.octets_len = (uint32_t)octets.len;
    request.private.passphrase_len = (uint32_t)strlen(passphrase);
    write_bytes(&w, octets);
    write_bytes(&w, span_text(passphrase));
    return writer_span(&w);
}

static int private_load(struct span octets, const char *passphrase)
{
    ask(private_fill(octets, passphrase));
    return answer.error;
}

static int private_sign(const uint8_t *key_id, uint16_t hashes)
{
    struct span octets = auth_fill(KEY_PRIVATE_SIGN, "a", "b", (struct span){0});
    memcpy(request.auth.sign.key_id, key_id, KEY_ID_SIZE);
    request.auth.sign.hashes = hashes;
    ask(octets);
    return answer.error;
}

/* private_try - the same, and nothing is kept. */
static int private_try(struct span octets)
{
    struct writer w = writer_of(behind, sizeof(behind));
    memset(&request, 0, sizeof(request));
    request.kind = KEY_PRIVATE_TRY;
    request.private.octets_len = (uint32_t)octets.len;
    write_bytes(&w, octets);
    ask(writer_span(&w));
    return answer.error;
}

/* enum form - of a private key in a file. */
enum form { PEM_PKCS8, PEM_OLD, PEM_ENCRYPTED, DER_PKCS8, DER_ENCRYPTED, DER_OLD, FORMS };

static struct span key_write(EVP_PKEY *key, enum form form, uint8_t *out, size_t cap)
{
    const EVP_CIPHER *cipher = EVP_aes_256_cbc();
    BIO *bio = BIO_new(BIO_s_mem());
    int ok = 0;
    switch (form) {
    case PEM_PKCS8: ok = PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL); break;
    case PEM_OLD:
        ok = PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL);
        break;
    case PEM_ENCRYPTED:
        ok = PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, "open", 4, NULL, NULL);
        break;
    case DER_PKCS8: ok = i2d_PKCS8PrivateKey_bio(bio, key, NULL, NULL, 0, NULL, NULL); break;
    case DER_ENCRYPTED:
        ok = i2d_PKCS8PrivateKey_bio(bio, key, cipher, "open", 4, NULL, NULL);
        break;
    case DER_OLD: ok = i2d_PrivateKey_bio(bio, key); break;
    case FORMS: break;
    }
    assert_int_equal(ok, 1);
    int n = BIO_read(bio, out, (int)cap);
    BIO_free(bio);
    assert_true(n > 0);
    return span_of(out, (size_t)n);
}

static void test_private_forms(void **state)
{
    EVP_PKEY *keys[] = {EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048),
                        EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"),
                        EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};
    uint8_t file[8192], octets[364], info_id[CRYPTO_KEY_ID], key_id[CRYPTO_KEY_ID];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        assert_int_equal(crypto_key_ids(keys[i], key_id, info_id), 0);
        for (int form = 0; form < FORMS; form++) {
            if (i == 2 && (form == PEM_OLD || form == DER_OLD))
                continue; /* Ed25519 has no such form */
            bool encrypted = form == PEM_ENCRYPTED || form == DER_ENCRYPTED;
            struct span key = key_write(keys[i], (enum form)form, file, sizeof(file));
            assert_int_equal(private_try(key), encrypted ? ERR_DENIED : 0);
            assert_int_equal(private_sign(key_id, 0x3e), ERR_NOT_FOUND);
            assert_int_equal(private_load(key, encrypted ? "open" : ""), 0);
            assert_memory_equal(answer.key_id, key_id, KEY_ID_SIZE);
            assert_int_equal(private_sign(key_id, 0x3e), 0);
            struct signature_claim claim = {.method = (uint8_t)answer.auth_method,
                                            .hashes = 0x3e,
                                            .auth = span_of(auth, answer.n_octets)};
            struct signature_scheme scheme;
            assert_int_equal(signature_check(keys[i], &claim, octets_of(octets), &scheme), 0);
            assert_int_equal(private_sign(key_id, 1u << SIGNATURE_SHA1), ERR_NOT_FOUND);
            assert_true(answer.reason[0] != '\0');
            request.kind = KEY_PRIVATE_UNLOAD;
            memcpy(request.private.key_id, key_id, KEY_ID_SIZE);
            ask((struct span){0});
            assert_int_equal(answer.error, 0);
            if (!encrypted)
                continue;
            assert_int_equal(private_load(key, "wrong"), ERR_INVALID);
            assert_int_equal(private_load(key, ""), ERR_DENIED);
        }
        EVP_PKEY_free(keys[i]);
    }
}

/* Every truncation of a key's file, and keys that sign nothing here. */
static void test_private_hostile(void **state)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    EVP_PKEY *weak = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
    uint8_t file[8192];
    (void)state;
    for (int form = 0; form < FORMS; form++) {
        size_t len = key_write(key, (enum form)form, file, sizeof(file)).len;
        size_t pem_end = form <= PEM_ENCRYPTED ? 4 : 0; /* the newline and dashes may be missing */
        for (size_t n = 0; n + pem_end < len; n += 3)
            assert_int_equal(private_load(span_of(file, n), "open"), ERR_INVALID);
    }
    assert_int_equal(private_load(key_write(weak, PEM_PKCS8, file, sizeof(file)), ""), ERR_INVALID);
    assert_non_null(strstr(answer.reason, "2,048"));
    assert_int_equal(private_load(span_text("-----BEGIN PRIVATE KEY-----\n"), ""), ERR_INVALID);
    request.kind = KEY_PRIVATE_UNLOAD;
    ask((struct span){0});
    assert_int_equal(answer.error, ERR_NOT_FOUND);
    EVP_PKEY_free(key);
    EVP_PKEY_free(weak);
}

/* A28: a compromised engine can have only IKE_AUTH signed. */
static void test_signs_nothing_else(void **state)
{
    (void)state;
    assert_int_equal(load("any", "secret", NULL, NULL), 0);
    const size_t places[] = {18, 20, 23, 24, 27}; /* exchange type, message ID, length */
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        struct span octets = auth_fill(KEY_SIGN, "a", "b", (struct span){0});
        behind[places[i]] ^= 0x10;
        ask(octets);
        assert_int_equal(answer.error, ERR_INVALID);
        assert_int_equal(answer.n_octets, 0);
    }
    for (uint32_t kind = KEY_SIGN; kind <= KEY_VERIFY; kind++) { /* AUTH covers another identity */
        struct span octets = auth_fill((enum key_request_kind)kind, "a", "b", (struct span){0});
        *(kind == KEY_SIGN ? &request.auth.local : &request.auth.remote) = id_of("mallory");
        ask(octets);
        assert_int_equal(answer.error, ERR_INVALID);
    }
}

/* A compromised engine gives false lengths. */
static void test_hostile(void **state)
{
    struct auth_lengths *l = &request.auth.lengths;
    uint32_t *members[] = {&l->prf,     &l->message,  &l->nonce, &l->sk_p,
                           &l->id_body, &l->int_auth, &l->auth};
    const uint32_t lies[] = {UINT32_MAX, 0x80000000u, 16385, 65, 1};
    (void)state;
    assert_int_equal(load("any", "secret", NULL, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        for (size_t j = 0; j < ARRAY_LEN(lies); j++) {
            struct span octets = auth_fill(KEY_SIGN, "a", "b", (struct span){0});
            *members[i] = lies[j];
            ask(octets);
            assert_int_equal(answer.error, ERR_INVALID);
        }
    struct span octets = auth_fill(KEY_SIGN, "a", "b", (struct span){0});
    request.auth.local.len = UINT16_MAX;
    ask(octets);
    assert_int_equal(answer.error, ERR_INVALID);
    for (uint32_t kind = 0; kind < 12; kind++) {
        memset(&request, 0xff, sizeof(request));
        request.kind = kind;
        ask(span_of(behind, 300));
        if (kind != KEY_CLEAR)
            assert_true(answer.error == ERR_INVALID || answer.error == ERR_NOT_FOUND);
    }
}

/* --- TLS of EAP --- */

/* verify_13 - writes the octets that TLS 1.3 signs to `behind`. */
static struct span verify_13(void)
{
    memset(behind, ' ', 64);
    memcpy(behind + 64, "TLS 1.3, client CertificateVerify", 34);
    memset(behind + 98, 0x55, 32);
    return span_of(behind, 130);
}

static int tls_ask(enum key_request_kind kind, const uint8_t *key_id, struct span octets)
{
    made = writer_of(auth, sizeof(auth));
    memset(&request, 0, sizeof(request));
    request.kind = kind;
    request.tls.kind = SIGNATURE_ECDSA;
    request.tls.hash = SIGNATURE_SHA2_256;
    memcpy(request.tls.key_id, key_id, KEY_ID_SIZE);
    keyring_tls_answer(keyring, &request, octets, &answer, &made);
    return answer.error;
}

static int tls_allow(const uint8_t *key_id)
{
    memset(&request, 0, sizeof(request));
    request.kind = KEY_TLS_ALLOW;
    memcpy(request.private.key_id, key_id, KEY_ID_SIZE);
    ask((struct span){0});
    return answer.error;
}

static EVP_PKEY *ec_load(uint8_t key_id[KEY_ID_SIZE])
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    uint8_t file[8192];
    assert_int_equal(private_load(key_write(key, DER_PKCS8, file, sizeof(file)), ""), 0);
    memcpy(key_id, answer.key_id, KEY_ID_SIZE);
    return key;
}

/* --- PPKs --- */

static int ppk_load(const char *name, const char *ppk, const char *id)
{
    memset(&request, 0, sizeof(request));
    request.kind = KEY_LOAD;
    strcpy(request.load.name, name);
    request.load.ppk = 1;
    request.load.secret_len = (uint32_t)strlen(ppk);
    if (id != NULL)
        request.load.owners[request.load.n_owners++] =
            (struct ike_id){.type = ID_KEY_ID, .len = (uint16_t)strlen(id)};
    if (id != NULL)
        memcpy(request.load.owners[0].data, id, strlen(id));
    ask(span_text(ppk));
    return answer.error;
}

static int mix(const char *id, size_t n_keys)
{
    memset(&request, 0, sizeof(request));
    request.kind = KEY_PPK;
    request.job = 7;
    request.ppk.prf = 5;
    request.ppk.id = (struct ike_id){.type = ID_KEY_ID, .len = (uint16_t)strlen(id)};
    memcpy(request.ppk.id.data, id, strlen(id));
    memset(behind, 0xee, sizeof(behind));
    ask(span_of(behind, n_keys));
    assert_int_equal(answer.kind, KEY_PPK);
    assert_int_equal(made.len, answer.n_octets);
    return answer.error;
}

/* assert_mixed - RFC 8784 section 3: SK = prf (PPK, SK' | 0x01), three times. */
static void assert_mixed(const char *ppk)
{
    uint8_t input[33], expected[64];
    struct span part = span_of(input, 33);
    memset(input, 0xee, 32);
    input[32] = 1;
    assert_int_equal(crypto_hmac(crypto, CRYPTO_SHA2_256, span_text(ppk), &part, 1, expected), 0);
    assert_int_equal(answer.n_octets, 96);
    for (size_t i = 0; i < 3; i++)
        assert_memory_equal(auth + 32 * i, expected, 32);
}

static void test_ppk(void **state)
{
    (void)state;
    assert_int_equal(mix("anna", 96), ERR_NOT_FOUND);
    assert_int_equal(ppk_load("a", "ppk of anna", "anna"), 0);
    assert_int_equal(ppk_load("b", "ppk of bert", "bert"), 0);
    assert_int_equal(mix("anna", 96), 0);
    assert_mixed("ppk of anna");
    assert_int_equal(mix("bert", 96), 0);
    assert_mixed("ppk of bert");
    assert_int_equal(mix("carl", 96), ERR_NOT_FOUND);
    assert_int_equal(ppk_load("any", "ppk of all others", NULL), 0);
    assert_int_equal(mix("carl", 96), 0);
    assert_mixed("ppk of all others");
    assert_int_equal(mix("anna", 96), 0);
    assert_mixed("ppk of anna");
    /* requests of a hostile engine */
    assert_int_equal(mix("anna", 95), ERR_INVALID);
    assert_int_equal(mix("anna", 0), ERR_INVALID);
    assert_int_equal(mix("anna", 4000), ERR_INVALID);
    memset(&request, 0, sizeof(request));
    request.kind = KEY_PPK;
    request.ppk.prf = 5;
    request.ppk.id.len = sizeof(request.ppk.id.data) + 1;
    ask(span_of(behind, 96));
    assert_int_equal(answer.error, ERR_INVALID);
    request.ppk.id.len = 0;
    request.ppk.prf = UINT32_MAX;
    ask(span_of(behind, 96));
    assert_int_equal(answer.error, ERR_INVALID);
    assert_int_equal(made.len, 0);
}

/* A PPK proves no identity, and a secret for identities is no PPK. */
static void test_ppk_and_psk_are_apart(void **state)
{
    (void)state;
    assert_int_equal(ppk_load("p", "ppk", NULL), 0);
    assert_int_equal(sign("a", "b"), ERR_NOT_FOUND);
    assert_int_equal(ppk_load("q", "ppk", "b"), 0);
    assert_int_equal(sign("a", "b"), ERR_NOT_FOUND);
    assert_int_equal(load("p", "psk", NULL, NULL), 0); /* the same name: replaces it */
    assert_int_equal(sign("a", "b"), 0);
    assert_secret("psk");
    assert_int_equal(mix("x", 96), ERR_NOT_FOUND);
    memset(&request, 0, sizeof(request));
    request.kind = KEY_LOAD;
    request.load.name[0] = 'z';
    request.load.ppk = 2;
    request.load.secret_len = 3;
    ask(span_text("psk"));
    assert_int_equal(answer.error, ERR_INVALID);
}

static void test_tls_signs(void **state)
{
    uint8_t key_id[KEY_ID_SIZE];
    (void)state;
    EVP_PKEY *key = ec_load(key_id);
    assert_int_equal(tls_ask(KEY_TLS_SIGN, key_id, verify_13()), ERR_INVALID); /* not allowed yet */
    assert_int_equal(tls_allow(key_id), 0);
    assert_int_equal(tls_ask(KEY_TLS_SIGN, key_id, verify_13()), 0);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestVerify(ctx, auth, answer.n_octets, behind, 130), 1);
    EVP_MD_CTX_free(ctx);
    request.tls.kind = SIGNATURE_RSA_PSS; /* a scheme of other keys */
    made = writer_of(auth, sizeof(auth));
    keyring_tls_answer(keyring, &request, verify_13(), &answer, &made);
    assert_int_equal(answer.error, ERR_INVALID);
    request.kind = KEY_PRIVATE_UNLOAD; /* loaded anew, it may sign for IKE alone */
    memcpy(request.private.key_id, key_id, KEY_ID_SIZE);
    ask((struct span){0});
    assert_int_equal(tls_ask(KEY_TLS_SIGN, key_id, verify_13()), ERR_NOT_FOUND);
    assert_int_equal(tls_allow(key_id), ERR_NOT_FOUND);
    EVP_PKEY_free(key);
}

/* A compromised eap process cannot have AUTH signed, nor a compromised engine TLS. */
static void test_tls_and_ike_are_apart(void **state)
{
    uint8_t key_id[KEY_ID_SIZE], octets[364];
    (void)state;
    EVP_PKEY *key = ec_load(key_id);
    assert_int_equal(load("any", "secret", NULL, NULL), 0);
    assert_int_equal(tls_allow(key_id), 0);
    (void)auth_fill(KEY_SIGN, "a", "b", (struct span){0});
    assert_int_equal(tls_ask(KEY_TLS_SIGN, key_id, octets_of(octets)), ERR_INVALID);
    for (uint32_t kind = 0; kind < 16; kind++) {
        struct span parts = auth_fill((enum key_request_kind)kind, "a", "b", (struct span){0});
        memcpy(request.auth.sign.key_id, key_id, KEY_ID_SIZE);
        request.auth.sign.hashes = 0x3e;
        made = writer_of(auth, sizeof(auth));
        keyring_tls_answer(keyring, &request, parts, &answer, &made);
        assert_true(answer.error == ERR_INVALID || answer.error == ERR_NOT_FOUND);
        assert_int_equal(answer.n_octets, 0);
    }
    memset(&request, 0, sizeof(request));
    request.kind = KEY_TLS_SIGN;
    request.tls.kind = SIGNATURE_ECDSA;
    request.tls.hash = SIGNATURE_SHA2_256;
    memcpy(request.tls.key_id, key_id, KEY_ID_SIZE);
    ask(verify_13());
    assert_int_equal(answer.error, ERR_INVALID);
    EVP_PKEY_free(key);
}

static void test_tls_hostile(void **state)
{
    uint8_t key_id[KEY_ID_SIZE];
    const uint32_t lies[] = {99, 0x80000000u, UINT32_MAX};
    (void)state;
    EVP_PKEY *key = ec_load(key_id);
    assert_int_equal(tls_allow(key_id), 0);
    for (size_t len = 0; len < 130; len++)
        assert_int_equal(tls_ask(KEY_TLS_SIGN, key_id, span_of(verify_13().ptr, len)), ERR_INVALID);
    for (size_t i = 0; i < 2 * ARRAY_LEN(lies); i++) {
        (void)tls_ask(KEY_TLS_SIGN, key_id, (struct span){0});
        *(i % 2 == 0 ? &request.tls.kind : &request.tls.hash) = lies[i / 2];
        made = writer_of(auth, sizeof(auth));
        keyring_tls_answer(keyring, &request, verify_13(), &answer, &made);
        assert_int_equal(answer.error, ERR_INVALID);
    }
    EVP_PKEY_free(key);
}

/* --- loads of whole configurations --- */

/* Staged secrets count from the commit on; others with a name are gone then. */
static void test_staged_by_a_loader(void **state)
{
    (void)state;
    assert_int_equal(load("bob", "of-bob", "bob", NULL), 0);
    assert_int_equal(load("alice", "old", "alice", NULL), 0);
    assert_int_equal(load("\x01"
                          "7",
                          "of-carol", "carol", NULL),
                     0); /* a client gave no name */
    assert_int_equal(keyring_stage_begin(keyring, 1), 0);
    assert_int_equal(stage("alice", "new", "alice", NULL), 0);
    assert_int_equal(stage("dave", "of-dave", "dave", "gw"), 0);
    assert_int_equal(sign("gw", "alice"), 0);
    assert_secret("old");
    assert_int_equal(sign("gw", "dave"), ERR_NOT_FOUND);
    assert_int_equal(stage_end(1, true), 0);
    assert_int_equal(sign("gw", "alice"), 0);
    assert_secret("new");
    assert_int_equal(sign("gw", "dave"), 0);
    assert_secret("of-dave");
    assert_int_equal(sign("gw", "carol"), 0);
    assert_secret("of-carol");
    assert_int_equal(sign("gw", "bob"), ERR_NOT_FOUND);
    assert_int_equal(stage_end(1, true), ERR_NOT_FOUND); /* once */
}

/* A load that is dropped, or displaced by later ones, leaves nothing. A load that waits for its
 * commit survives the beginning of the next one. */
static void test_stages_of_two_loaders(void **state)
{
    (void)state;
    assert_int_equal(stage("early", "x", NULL, NULL), ERR_NOT_FOUND); /* no loader has come */
    assert_int_equal(keyring_stage_begin(keyring, 1), 0);
    assert_int_equal(stage("k", "first", NULL, NULL), 0);
    assert_int_equal(keyring_stage_begin(keyring, 2), 0);
    assert_int_equal(stage("k", "second", NULL, NULL), 0);
    assert_int_equal(stage_end(1, true), 0);
    assert_int_equal(sign("a", "b"), 0);
    assert_secret("first");
    assert_int_equal(stage_end(2, false), 0);
    assert_int_equal(stage_end(2, true), ERR_NOT_FOUND);
    assert_int_equal(stage("late", "x", NULL, NULL), ERR_NOT_FOUND); /* its place is given back */
    for (uint64_t number = 3; number < 6; number++)
        assert_int_equal(keyring_stage_begin(keyring, number), 0);
    assert_int_equal(stage_end(3, true), ERR_NOT_FOUND);
    assert_int_equal(sign("a", "b"), 0);
    assert_secret("first");
    assert_int_equal(stage_end(5, true), 0); /* it was empty */
    assert_int_equal(sign("a", "b"), ERR_NOT_FOUND);
    assert_int_equal(stage_end(0, true), ERR_NOT_FOUND); /* a free place is not a load */
}

/* A private key that stays keeps its permissions. A key that the load lacks is gone. */
static void test_staged_private_keys(void **state)
{
    EVP_PKEY *keys[] = {EVP_EC_gen("P-256"), EVP_EC_gen("P-256")};
    uint8_t ids[2][KEY_ID_SIZE], file[8192];
    (void)state;
    assert_int_equal(keyring_stage_begin(keyring, 1), 0);
    for (int i = 0; i < 2; i++) {
        struct span key = private_fill(key_write(keys[i], PEM_PKCS8, file, sizeof(file)), "");
        keyring_stage_answer(keyring, &request, key, &answer);
        assert_int_equal(answer.error, 0);
        memcpy(ids[i], answer.key_id, KEY_ID_SIZE);
        assert_int_equal(private_sign(ids[i], 0x3e), ERR_NOT_FOUND);
    }
    assert_int_equal(stage_end(1, true), 0);
    assert_int_equal(private_sign(ids[0], 0x3e), 0);
    assert_int_equal(private_sign(ids[1], 0x3e), 0);
    memset(&request, 0, sizeof(request));
    request.kind = KEY_TLS_ALLOW;
    memcpy(request.private.key_id, ids[0], KEY_ID_SIZE);
    ask((struct span){0});
    assert_int_equal(answer.error, 0);
    assert_int_equal(keyring_stage_begin(keyring, 2), 0);
    struct span again = private_fill(key_write(keys[0], PEM_PKCS8, file, sizeof(file)), "");
    keyring_stage_answer(keyring, &request, again, &answer);
    assert_int_equal(stage_end(2, true), 0);
    assert_int_equal(private_sign(ids[0], 0x3e), 0);
    assert_int_equal(private_sign(ids[1], 0x3e), ERR_NOT_FOUND);
    assert_int_equal(tls_ask(KEY_TLS_SIGN, ids[0], verify_13()), 0);
    for (int i = 0; i < 2; i++)
        EVP_PKEY_free(keys[i]);
}

/* A loader can only stage. In particular it can have nothing signed. */
static void test_loader_stages_alone(void **state)
{
    (void)state;
    assert_int_equal(load("k", "secret", NULL, NULL), 0);
    assert_int_equal(keyring_stage_begin(keyring, 1), 0);
    for (uint32_t kind = 0; kind < KEY_STAGE_DROP + 2; kind++) {
        if (kind == KEY_LOAD || kind == KEY_PRIVATE_LOAD)
            continue;
        memset(&request, 0, sizeof(request));
        request.kind = kind;
        keyring_stage_answer(keyring, &request, (struct span){0}, &answer);
        assert_int_equal(answer.error, ERR_INVALID);
    }
    assert_int_equal(sign("a", "b"), 0);
    assert_secret("secret");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_choice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_of_somebody_else, setup, teardown),
        cmocka_unit_test_setup_teardown(test_of_whoever_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verify, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_choice_of_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_private_forms, setup, teardown),
        cmocka_unit_test_setup_teardown(test_private_hostile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signs_nothing_else, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replace_and_unload, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ppk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ppk_and_psk_are_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tls_signs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tls_and_ike_are_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tls_hostile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_staged_by_a_loader, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stages_of_two_loaders, setup, teardown),
        cmocka_unit_test_setup_teardown(test_staged_private_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loader_stages_alone, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
