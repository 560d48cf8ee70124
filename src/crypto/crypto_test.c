/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/bn.h>
#include <openssl/crypto.h>

#include "base/unit_test.h"
#include "crypto/esp_cipher.h"
#include "crypto/ke.h"
#include "crypto/prf.h"
#include "crypto/sk.h"
#include "crypto/test_ke.h"

static void fill(void *context, void *octets, size_t len)
{
    uint64_t *state = context;
    for (size_t i = 0; i < len; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)octets)[i] = (uint8_t)(*state >> 56);
    }
}

static uint64_t seed = 1;
static const struct random dice = {fill, &seed};

/* RFC 4231 test case 2 */
static void hmac_vector(void **state)
{
    (void)state;
    struct crypto_provider *crypto = crypto_new();
    assert_non_null(crypto);
    static const uint8_t want[32] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e,
                                     0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
                                     0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83,
                                     0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
    struct span parts[2] = {span_text("what do ya want "), span_text("for nothing?")};
    uint8_t out[CRYPTO_HASH_MAX];
    assert_int_equal(crypto_prf(crypto, 5, span_text("Jefe"), parts, 2, out), 0);
    assert_memory_equal(out, want, 32);
    /* prf+ = T1 | T2 | ..., T1 = prf(K, S | 1), T2 = prf(K, T1 | S | 2) */
    uint8_t plus[70], t2[CRYPTO_HASH_MAX], one = 1, two = 2;
    struct span s = span_text("seed");
    assert_int_equal(
        crypto_prf_plus(crypto, 5, span_text("Jefe"), &s, 1, (struct buffer){plus, sizeof(plus)}),
        0);
    struct span p1[2] = {s, span_of(&one, 1)}, p2[3] = {span_of(out, 32), s, span_of(&two, 1)};
    assert_int_equal(crypto_prf(crypto, 5, span_text("Jefe"), p1, 2, out), 0);
    assert_int_equal(crypto_prf(crypto, 5, span_text("Jefe"), p2, 3, t2), 0);
    assert_memory_equal(plus, out, 32);
    assert_memory_equal(plus + 32, t2, 32);
    crypto_free(crypto);
}

static const uint16_t groups[] = {14, 15, 16, 19, 20, 21, 31, 32};

static void both_ends_agree(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        struct ke_job a = test_ke_pair(groups[i]), b = test_ke_pair(groups[i]);
        struct secret sa = {0}, sb = {0};
        assert_int_equal(test_ke_secret(&a, ke_public(&b), &sa), 0);
        assert_int_equal(test_ke_secret(&b, ke_public(&a), &sb), 0);
        assert_true(sa.len > 0 && span_equal(secret_span(&sa), secret_span(&sb)));
    }
}

/* refused - both the check before the computation and the computation refuse the value. */
static void refused(const struct ke_job *ke, struct span value)
{
    struct secret secret = {0};
    assert_false(ke_public_fits(ke->group, value));
    assert_int_equal(test_ke_secret(ke, value, &secret), ERR_CRYPTO);
}

static void hex(const char *text, uint8_t *out, size_t len)
{
    size_t n;
    assert_int_equal(OPENSSL_hexstr2buf_ex(out, len, &n, text, '\0'), 1);
    assert_int_equal(n, len);
}

/* C5, C6: all encodings of points of small order are refused, also by EVP_PKEY_derive. Values next
 * to them are accepted. */
static void montgomery_small_order(void **state)
{
    static const char *const x25519[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    uint8_t value[56];
    struct secret secret = {0};
    (void)state;
    struct ke_job ke = test_ke_pair(31);
    for (size_t i = 0; i < ARRAY_LEN(x25519); i++) {
        hex(x25519[i], value, 32);
        refused(&ke, span_of(value, 32));
        value[31] |= 0x80; /* RFC 7748 section 5: the top bit is ignored */
        refused(&ke, span_of(value, 32));
        value[0] ^= 8;
        assert_true(ke_public_fits(31, span_of(value, 32)));
        assert_int_equal(test_ke_secret(&ke, span_of(value, 32), &secret), 0);
    }
    ke = test_ke_pair(32);
    for (int which = 0; which < 5; which++) {
        memset(value, which < 2 ? 0 : 0xff, sizeof(value));
        value[28] = which == 2 || which == 3 ? 0xfe : value[28];
        value[0] = which == 1 ? 1 : which == 2 ? 0xfe : value[0];
        if (which == 4)
            memset(value, 0, 28);
        refused(&ke, span_of(value, 56));
        value[0] ^= 8;
        assert_true(ke_public_fits(32, span_of(value, 56)));
        assert_int_equal(test_ke_secret(&ke, span_of(value, 56), &secret), 0);
    }
    assert_false(ke_public_fits(2, span_of(value, 56)));
    assert_int_equal(ke_cost_ns(2), 0);
}

static void hostile_public_values(void **state)
{
    (void)state;
    static uint8_t value[KE_PUBLIC_MAX];
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        struct ke_job ke = test_ke_pair(groups[i]);
        size_t len = ke_public(&ke).len;
        /* zero; the point (0,0); all-zero result of Curve25519/448 */
        memset(value, 0, sizeof(value));
        refused(&ke, span_of(value, len));
        /* one: RFC 6989 for MODP; a point of small order for the Montgomery curves; not on the ECP
         * curves */
        value[groups[i] >= 31 ? 0 : len - 1] = 1;
        refused(&ke, span_of(value, len));
        if (groups[i] < 31) {
            memset(value, 0xff, sizeof(value)); /* beyond the prime */
            refused(&ke, span_of(value, len));
        }
        memcpy(value, ke_public(&ke).ptr, len);
        refused(&ke, span_of(value, len - 1));
        refused(&ke, span_of(value, len + 1));
        refused(&ke, span_of(value, 0));
        if (groups[i] >= 19 && groups[i] <= 21) {
            value[len - 1] ^= 1; /* off the curve */
            refused(&ke, span_of(value, len));
        }
    }
    struct ke_job job;
    assert_false(ke_begin(&job, 2));
}

/* RFC 3526: the primes of all groups begin with these octets. A value a little below is accepted, a
 * value above is refused. */
static void modp_limits(void **state)
{
    static const uint8_t begin[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc9, 0x0f,
                                    0xda, 0xa2, 0x21, 0x68, 0xc2, 0x34, 0xc4, 0xc6, 0x62, 0x8b};
    static uint8_t value[KE_PUBLIC_MAX];
    struct secret secret = {0};
    (void)state;
    for (uint16_t group = 14; group <= 16; group++) {
        struct ke_job ke = test_ke_pair(group);
        size_t len = 256u + 128u * (group - 14u);
        assert_int_equal(ke_public(&ke).len, len);
        memset(value, 0, sizeof(value));
        memcpy(value, begin, sizeof(begin));
        assert_int_equal(test_ke_secret(&ke, span_of(value, len), &secret), 0);
        value[sizeof(begin) - 1]++;
        refused(&ke, span_of(value, len));
        /* p - 1 has the order 2 (RFC 6989 section 2.1). Each prime ends with 64 bits of 1. */
        BIGNUM *p = group == 14   ? BN_get_rfc3526_prime_2048(NULL)
                    : group == 15 ? BN_get_rfc3526_prime_3072(NULL)
                                  : BN_get_rfc3526_prime_4096(NULL);
        assert_int_equal(BN_bn2binpad(p, value, (int)len), len);
        value[len - 1] = 0xfe;
        refused(&ke, span_of(value, len));
        value[len - 1] = 0xfd;
        assert_int_equal(test_ke_secret(&ke, span_of(value, len), &secret), 0);
        BN_free(p);
    }
}

static const struct {
    uint16_t encr, bits, integ;
} suites[] = {{20, 128, 0}, {20, 192, 0},  {20, 256, 0},  {28, 0, 0},   {12, 128, 12},
              {12, 128, 2}, {12, 192, 12}, {12, 256, 13}, {12, 256, 14}};

static void sk_round_trip_and_tampering(void **state)
{
    (void)state;
    struct crypto_provider *crypto = crypto_new();
    uint8_t encr_key[36], integ_key[64], octets[512], copy[512];
    fill(&seed, encr_key, sizeof(encr_key));
    fill(&seed, integ_key, sizeof(integ_key));
    for (size_t s = 0; s < ARRAY_LEN(suites); s++) {
        struct sk_keys keys = {crypto_encr_find(suites[s].encr, suites[s].bits),
                               crypto_integ_find(suites[s].integ), encr_key, integ_key};
        for (size_t plain = 0; plain < 50; plain++) {
            size_t iv = keys.encr->iv_len, len = 32 + sk_size(&keys, plain);
            struct span opened;
            memset(octets, 0x5a, sizeof(octets));
            assert_int_equal(
                sk_seal(crypto, &keys, (struct buffer){octets, len}, 32, plain, plain, &dice), 0);
            memcpy(copy, octets, len);
            assert_int_equal(sk_open(crypto, &keys, (struct buffer){copy, len}, 32, &opened), 0);
            assert_int_equal(opened.len, plain);
            assert_true(sk_plain_max(&keys, sk_size(&keys, plain)) >= plain);
            for (size_t i = 0; i < plain; i++)
                assert_int_equal(copy[32 + iv + i], 0x5a);
            /* no changed octet and no changed length passes */
            for (size_t at = 0; plain == 20 && at < len; at++) {
                memcpy(copy, octets, len);
                copy[at] ^= 0x40;
                assert_int_equal(sk_open(crypto, &keys, (struct buffer){copy, len}, 32, &opened),
                                 ERR_AUTH);
                memcpy(copy, octets, len);
                if (at >= 32)
                    assert_int_equal(sk_open(crypto, &keys, (struct buffer){copy, at}, 32, &opened),
                                     ERR_AUTH);
            }
        }
    }
    crypto_free(crypto);
}

static void esp_round_trip_and_tampering(void **state)
{
    (void)state;
    struct esp_crypto *crypto = esp_crypto_new();
    uint8_t encr_key[36], integ_key[64], text[128], packet[256], copy[256], iv[16] = {7};
    fill(&seed, encr_key, sizeof(encr_key));
    fill(&seed, integ_key, sizeof(integ_key));
    fill(&seed, text, sizeof(text));
    for (size_t s = 0; s < 2 * ARRAY_LEN(suites); s++) {
        const struct crypto_encr *e = crypto_encr_find(suites[s / 2].encr, suites[s / 2].bits);
        const struct crypto_integ *m = crypto_integ_find(suites[s / 2].integ);
        struct esp_key *key =
            esp_key_new(crypto, &(struct esp_algorithms){e->id, e->key_bits, suites[s / 2].integ},
                        span_of(encr_key, (size_t)e->key_len + e->salt_len),
                        span_of(integ_key, m == NULL ? 0 : m->key_len));
        assert_non_null(key);
        memset(packet, 1, sizeof(packet));
        struct esp_job job = {packet, text, 64, 0x100000005, s % 2 == 1};
        size_t len = ESP_HEADER_LEN + esp_iv_len(key) + 64 + esp_icv_len(key);
        assert_int_equal(esp_seal(crypto, key, &job, iv), 0);
        for (size_t at = 0; at <= len; at++) {
            memcpy(copy, packet, len);
            struct esp_job open = {copy, NULL, 64, job.sequence, job.esn};
            if (at < len)
                copy[at] ^= 1;
            assert_int_equal(esp_open(crypto, key, &open), at < len ? ERR_AUTH : 0);
        }
        assert_memory_equal(copy + ESP_HEADER_LEN + esp_iv_len(key), text, 64);
        if (job.esn) { /* the upper half, which is not on the wire, is covered too */
            memcpy(copy, packet, len);
            struct esp_job open = {copy, NULL, 64, 5, true};
            assert_int_equal(esp_open(crypto, key, &open), ERR_AUTH);
        }
        esp_key_free(key);
    }
    assert_null(esp_key_new(crypto, &(struct esp_algorithms){20, 128, 0}, span_of(encr_key, 16),
                            (struct span){0}));
    assert_null(esp_key_new(crypto, &(struct esp_algorithms){12, 128, 0}, span_of(encr_key, 16),
                            (struct span){0}));
    assert_null(esp_key_new(crypto, &(struct esp_algorithms){20, 128, 12}, span_of(encr_key, 20),
                            span_of(integ_key, 32)));
    esp_crypto_free(crypto);
}

/* intel-ipsec-mb and libcrypto must make the same packets. */
static void backends_agree(void **state)
{
    (void)state;
    struct esp_crypto *crypto = esp_crypto_new();
    struct crypto_provider *evp = crypto_new();
    uint8_t key_octets[36], text[64] = {3}, packet[128] = {9}, tag[16], want[64];
    fill(&seed, key_octets, sizeof(key_octets));
    for (int bits = 128; bits <= 256; bits += 128) {
        size_t n = (size_t)bits / 8;
        struct esp_key *key = esp_key_new(crypto, &(struct esp_algorithms){20, (uint16_t)bits, 0},
                                          span_of(key_octets, n + 4), (struct span){0});
        struct esp_job job = {packet, text, 64, 77, false};
        assert_int_equal(esp_seal(crypto, key, &job, NULL), 0);
        uint8_t nonce[12];
        memcpy(nonce, key_octets + n, 4);
        memcpy(nonce + 4, packet + 8, 8);
        int len;
        assert_int_equal(EVP_EncryptInit_ex2(evp->cipher,
                                             bits == 128 ? evp->aes_gcm_128 : evp->aes_gcm_256,
                                             key_octets, nonce, NULL),
                         1);
        assert_int_equal(EVP_EncryptUpdate(evp->cipher, NULL, &len, packet, 8), 1);
        assert_int_equal(EVP_EncryptUpdate(evp->cipher, want, &len, text, 64), 1);
        assert_int_equal(EVP_EncryptFinal_ex(evp->cipher, want, &len), 1);
        assert_int_equal(EVP_CIPHER_CTX_ctrl(evp->cipher, EVP_CTRL_AEAD_GET_TAG, 16, tag), 1);
        assert_memory_equal(packet + 16, want, 64);
        assert_memory_equal(packet + 80, tag, 16);
        esp_key_free(key);
    }
    crypto_free(evp);
    esp_crypto_free(crypto);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hmac_vector),
        cmocka_unit_test(both_ends_agree),
        cmocka_unit_test(hostile_public_values),
        cmocka_unit_test(montgomery_small_order),
        cmocka_unit_test(modp_limits),
        cmocka_unit_test(sk_round_trip_and_tampering),
        cmocka_unit_test(esp_round_trip_and_tampering),
        cmocka_unit_test(backends_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
