/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/process/keyring.h"

#include "base/unit_test.h"
#include "crypto/prf.h"
#include "ike/terms/identity.h"

static struct crypto_provider *crypto;
static struct keyring *keyring;
static struct key_request request;
static struct key_answer answer;

static struct ike_id id_of(const char *text)
{
    struct ike_id id;
    assert_int_equal(identity_parse(text, &id), 0);
    return id;
}

static int load(const char *name, const char *secret, const char *a, const char *b)
{
    memset(&request, 0, sizeof(request));
    request.kind = KEY_LOAD;
    strcpy(request.load.name, name);
    strcpy((char *)request.load.secret, secret);
    request.load.secret_len = (uint32_t)strlen(secret);
    const char *owners[] = {a, b};
    for (size_t i = 0; i < 2; i++)
        if (owners[i] != NULL)
            request.load.owners[request.load.n_owners++] = id_of(owners[i]);
    keyring_answer(keyring, &request, &answer);
    for (size_t i = 0; i < KEY_SECRET; i++) /* wiped in the message, whatever the answer is */
        assert_int_equal(request.load.secret[i], 0);
    return answer.error;
}

static void auth_fill(enum key_kind kind, const char *local, const char *remote)
{
    memset(&request, 0, sizeof(request));
    request.kind = kind;
    request.job = 7;
    request.auth.prf = 5;
    request.auth.local = id_of(local);
    request.auth.remote = id_of(remote);
    request.auth.message_len = 300;
    request.auth.nonce_len = 32;
    request.auth.sk_p_len = 32;
    request.auth.id_body_len = 12;
    memset(request.auth.message, 0xaa, 300);
    memset(request.auth.nonce, 0xbb, 32);
    memset(request.auth.sk_p, 0xcc, 32);
    memset(request.auth.id_body, 0xdd, 12);
}

static int sign(const char *local, const char *remote)
{
    auth_fill(KEY_SIGN, local, remote);
    keyring_answer(keyring, &request, &answer);
    return answer.error;
}

/* Which secret was taken: AUTH computed here in another way, RFC 7296 section 2.15. */
static void assert_secret(const char *secret)
{
    uint8_t key[64], octets[364], expected[64];
    struct span pad = span_text("Key Pad for IKEv2"), all = span_of(octets, 364);
    struct span sk_p = span_of(request.auth.sk_p, 32), id = span_of(request.auth.id_body, 12);
    memset(octets, 0xaa, 300);
    memset(octets + 300, 0xbb, 32);
    assert_int_equal(crypto_hmac(crypto, CRYPTO_SHA2_256, sk_p, &id, 1, octets + 332), 0);
    assert_int_equal(crypto_hmac(crypto, CRYPTO_SHA2_256, span_text(secret), &pad, 1, key), 0);
    assert_int_equal(crypto_hmac(crypto, CRYPTO_SHA2_256, span_of(key, 32), &all, 1, expected), 0);
    assert_int_equal(answer.auth_len, 32);
    assert_memory_equal(answer.auth, expected, 32);
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

/* A secret that names us and bob must never let alice in as a third. */
static void test_of_somebody_else(void **state)
{
    (void)state;
    assert_int_equal(load("bob", "of-bob", "bob", "gw"), 0);
    assert_int_equal(sign("gw", "carol"), ERR_NOT_FOUND);
    assert_int_equal(sign("gw", "gw"), ERR_NOT_FOUND); /* nor bob in with our name */
    assert_int_equal(load("own", "mine", "gw", NULL), 0);
    assert_int_equal(sign("gw", "gw"), 0);
    assert_secret("mine");
    assert_int_equal(sign("gw", "carol"), 0);
    assert_secret("mine");
}

/* Who answers is not known yet: what names us will do, but never what is only of others. */
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
    (void)state;
    uint8_t good[64];
    assert_int_equal(load("any", "secret", NULL, NULL), 0);
    assert_int_equal(sign("a", "b"), 0);
    memcpy(good, answer.auth, 32);
    for (unsigned bit = 0; bit <= 32 * 8; bit++) {
        auth_fill(KEY_VERIFY, "a", "b");
        memcpy(request.auth.auth, good, 32);
        request.auth.auth_len = 32;
        if (bit < 32 * 8)
            request.auth.auth[bit / 8] ^= (uint8_t)(1u << bit % 8);
        keyring_answer(keyring, &request, &answer);
        assert_int_equal(answer.error, bit < 32 * 8 ? ERR_AUTH : 0);
        assert_int_equal(answer.auth_len, 0); /* the right value does not leave */
    }
    auth_fill(KEY_VERIFY, "a", "b");
    memcpy(request.auth.auth, good, 32);
    request.auth.auth_len = 31;
    keyring_answer(keyring, &request, &answer);
    assert_int_equal(answer.error, ERR_AUTH);
    request.auth.auth_len = 0;
    keyring_answer(keyring, &request, &answer);
    assert_int_equal(answer.error, ERR_AUTH);
}

static void test_replace_and_unload(void **state)
{
    (void)state;
    assert_int_equal(load("k", "old", NULL, NULL), 0);
    assert_int_equal(load("k", "new", NULL, NULL), 0);
    assert_int_equal(sign("a", "b"), 0);
    assert_secret("new");
    request.kind = KEY_UNLOAD;
    memset(&request.load, 0, sizeof(request.load));
    strcpy(request.load.name, "k");
    keyring_answer(keyring, &request, &answer);
    assert_int_equal(answer.error, 0);
    keyring_answer(keyring, &request, &answer);
    assert_int_equal(answer.error, ERR_NOT_FOUND);
    assert_int_equal(sign("a", "b"), ERR_NOT_FOUND);
    for (unsigned i = 0; i < 1024; i++) {
        char name[16] = {(char)('a' + i % 16), (char)('a' + i / 16 % 16), (char)('a' + i / 256)};
        assert_int_equal(load(name, "x", NULL, NULL), 0);
    }
    assert_int_equal(load("one-too-many", "x", NULL, NULL), ERR_FULL);
    request.kind = KEY_CLEAR;
    keyring_answer(keyring, &request, &answer);
    assert_int_equal(sign("a", "b"), ERR_NOT_FOUND);
}

/* An engine that was taken over lies in every length. */
static void test_hostile(void **state)
{
    (void)state;
    assert_int_equal(load("any", "secret", NULL, NULL), 0);
    uint32_t *members[] = {&request.auth.prf,      &request.auth.nonce_len,
                           &request.auth.sk_p_len, &request.auth.id_body_len,
                           &request.auth.auth_len, &request.auth.message_len};
    const uint32_t lies[] = {UINT32_MAX, 0x80000000u, 16385, 65};
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        for (size_t j = 0; j < ARRAY_LEN(lies); j++) {
            if (members[i] == &request.auth.message_len && lies[j] == 65)
                continue; /* a length that may be */
            if ((members[i] == &request.auth.nonce_len ||
                 members[i] == &request.auth.id_body_len) &&
                lies[j] == 65)
                continue;
            auth_fill(KEY_SIGN, "a", "b");
            *members[i] = lies[j];
            keyring_answer(keyring, &request, &answer);
            assert_int_equal(answer.error, ERR_INVALID);
        }
    auth_fill(KEY_SIGN, "a", "b");
    request.auth.local.len = UINT16_MAX;
    keyring_answer(keyring, &request, &answer);
    assert_int_equal(answer.error, ERR_INVALID);
    memset(&request, 0xff, sizeof(request));
    for (uint32_t kind = 0; kind < 10; kind++) {
        request.kind = kind;
        keyring_answer(keyring, &request, &answer);
        if (kind != KEY_CLEAR)
            assert_true(answer.error == ERR_INVALID || answer.error == ERR_NOT_FOUND);
        memset(&request, 0xff, sizeof(request));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_choice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_of_somebody_else, setup, teardown),
        cmocka_unit_test_setup_teardown(test_of_whoever_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verify, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replace_and_unload, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
