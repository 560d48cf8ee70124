/* SPDX-License-Identifier: Apache-2.0 */

/* C18: each allocation of libcrypto fails once. Each operation then ends with an error, or with the
 * right octets; it never uses the result of a failed call. */

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/unit_test.h"
#include "crypto/algorithm.h"
#include "crypto/ke.h"
#include "crypto/prf.h"
#include "crypto/signature.h"
#include "crypto/sk.h"

#define OUT 1024

static bool armed;
static size_t n_asked, fails_at; /* allocations of the operation so far; the one that fails */

static bool fails(void)
{
    return armed && n_asked++ == fails_at;
}

static void *memory_new(size_t len, const char *file, int line)
{
    (void)file, (void)line;
    return fails() ? NULL : malloc(len);
}

static void *memory_resize(void *memory, size_t len, const char *file, int line)
{
    (void)file, (void)line;
    return fails() ? NULL : realloc(memory, len);
}

static void memory_free(void *memory, const char *file, int line)
{
    (void)file, (void)line;
    free(memory);
}

struct bench {
    struct crypto_provider *crypto;
    EVP_PKEY *key;
    struct ke_job peer; /* the other end of a key exchange */
    uint16_t group;
};

static void dice_fill(void *context, void *octets, size_t len)
{
    (void)context;
    memset(octets, 5, len);
}
static const struct random dice = {dice_fill, NULL};

/* The operations under test return an error, or 0 with the result in `out`. */
static int digest(struct bench *b, uint8_t out[OUT])
{
    const struct span parts[] = {span_text("one"), span_text("two")};
    int error = crypto_digest(b->crypto, CRYPTO_SHA2_256, parts, 2, out);
    return error != 0 ? error
                      : crypto_hmac(b->crypto, CRYPTO_SHA2_256, parts[0], parts, 2, out + 64);
}

static int prf_plus(struct bench *b, uint8_t out[OUT])
{
    const struct span seed = span_text("seed");
    return crypto_prf_plus(b->crypto, 5, span_text("key"), &seed, 1, (struct buffer){out, 200});
}

static int seal_with(struct bench *b, uint8_t out[OUT], struct sk_keys *keys)
{
    static const uint8_t octets[64] = {1, 2, 3};
    struct span plain;
    keys->encr_key = keys->integ_key = octets;
    struct buffer message = {out, 32 + sk_size(keys, 100)};
    memset(out, 7, 32 + 100);
    int error = sk_seal(b->crypto, keys, message, 32, 100, 1, &dice);
    uint8_t copy[OUT];
    memcpy(copy, out, sizeof(copy));
    if (error == 0)
        error = sk_open(b->crypto, keys, (struct buffer){copy, message.len}, 32, &plain);
    return error;
}

static int seal_gcm(struct bench *b, uint8_t out[OUT])
{
    struct sk_keys keys = {.encr = crypto_encr_find(20, 256)};
    return seal_with(b, out, &keys);
}

static int seal_cbc(struct bench *b, uint8_t out[OUT])
{
    struct sk_keys keys = {.encr = crypto_encr_find(12, 256), .integ = crypto_integ_find(12)};
    return seal_with(b, out, &keys);
}

/* key_exchange - returns 0 only if both ends have the same secret. */
static int key_exchange(struct bench *b, uint8_t out[OUT])
{
    struct ke_job job, other = b->peer;
    if (!ke_answer(&job, b->group, ke_public(&b->peer)))
        return ERR_INVALID;
    ke_run(&job);
    if (job.error != 0)
        return job.error;
    armed = false; /* allocations of the other end do not fail */
    assert_true(ke_finish(&other, ke_public(&job)));
    ke_run(&other);
    assert_int_equal(other.error, 0);
    assert_true(span_equal(secret_span(&other.shared), secret_span(&job.shared)));
    (void)out;
    return 0;
}

static int sign(struct bench *b, uint8_t out[OUT])
{
    static const struct signature_scheme scheme = {SIGNATURE_ED25519, SIGNATURE_IDENTITY};
    struct writer w = writer_of(out, OUT);
    return signature_sign(b->key, &scheme, span_text("what is signed"), &w);
}

/* each_fails - runs the operation once for each of its allocations, which then fails. It runs once
 * before, because libcrypto allocates more on the first use of an algorithm. */
static void each_fails(struct bench *b, int (*operation)(struct bench *, uint8_t[OUT]))
{
    uint8_t want[OUT] = {0};
    assert_int_equal(operation(b, want), 0);
    size_t n_errors = 0;
    for (fails_at = 0;; fails_at++) {
        uint8_t got[OUT] = {0};
        n_asked = 0;
        armed = true;
        int error = operation(b, got);
        armed = false;
        if (error == 0)
            assert_memory_equal(got, want, sizeof(want));
        n_errors += error != 0;
        if (n_asked <= fails_at)
            break;
    }
    assert_true(fails_at == 0 || n_errors > 0);
    assert_int_equal(operation(b, want), 0); /* no failure has a lasting effect */
}

static struct bench bench;

static void prf_operations(void **state)
{
    (void)state;
    each_fails(&bench, digest);
    each_fails(&bench, prf_plus);
}

static void sealing(void **state)
{
    (void)state;
    each_fails(&bench, seal_gcm);
    each_fails(&bench, seal_cbc);
}

static void key_exchanges(void **state)
{
    (void)state;
    static const uint16_t groups[] = {14, 19, 31, 32};
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        bench.group = groups[i];
        assert_true(ke_begin(&bench.peer, groups[i]));
        ke_run(&bench.peer);
        assert_int_equal(bench.peer.error, 0);
        each_fails(&bench, key_exchange);
    }
}

static void signatures(void **state)
{
    (void)state;
    bench.key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    assert_non_null(bench.key);
    each_fails(&bench, sign);
    EVP_PKEY_free(bench.key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prf_operations),
        cmocka_unit_test(sealing),
        cmocka_unit_test(key_exchanges),
        cmocka_unit_test(signatures),
    };
    if (CRYPTO_set_mem_functions(memory_new, memory_resize, memory_free) != 1)
        return EXIT_FAILURE;
    bench.crypto = crypto_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    crypto_free(bench.crypto);
    return failed;
}
