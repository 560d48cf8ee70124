/* SPDX-License-Identifier: Apache-2.0 */

/* Published vectors, and the two backends of ESP against each other. */

#include <stdio.h>

#include "base/unit_test.h"
#include "crypto/esp_cipher.h"
#include "crypto/ke.h"
#include "crypto/prf.h"
#include "crypto/sk.h"
#include "crypto/test_ke.h"

static size_t unhex(const char *hex, uint8_t *out)
{
    size_t len = strlen(hex) / 2;
    for (size_t i = 0; i < len; i++) {
        unsigned octet;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &octet), 1);
        out[i] = (uint8_t)octet;
    }
    return len;
}

/*
 * RFC 5903 section 8, RFC 7748 sections 6.1 and 6.2. The test makes libcrypto draw the private
 * value as its random octets. libcrypto uses later draws to blind the computation, so they may be
 * any octets.
 */
static const struct {
    uint16_t group;
    const char *private_i, *public_i, *private_r, *public_r, *shared;
} exchanges[] = {
    {19, "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
     "dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c37725811805271a0461cdb8252"
     "d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3",
     "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
     "d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf6356fbf3ca366cc23e"
     "8157854c13c58d6aac23f046ada30f8353e74f33039872ab",
     "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de"},
    {20,
     "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655e35b538041e649ee"
     "3faef896783ab194",
     "667842d7d180ac2cde6f74f37551f55755c7645c20ef73e31634fe72b4c55ee6de3ac808acb4bdb4"
     "c88732aee95f41aa9482ed1fc0eeb9cafc4984625ccfc23f65032149e0e144ada024181535a0f38e"
     "eb9fcff3c2c947dae69b4c634573a81c",
     "41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060855cc9bda0aa2942e0308312916b8ed2"
     "960e4bd55a7448fc",
     "e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d0d1ac43a0336def9"
     "6fda41d0774a3571dcfbec7aacf3196472169e838430367f66eebe3c6e70c416dd5f0c68759dd1ff"
     "f83fa40142209dff5eaad96db9e6386c",
     "11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4d603135569b9e9d0"
     "9cf5d4a270f59746"},
    {21,
     "0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a095aa85a30fe1c295"
     "2c6771d937ba9777f5957b2639bab072462f68c27a57382d4a52",
     "0015417e84dbf28c0ad3c278713349dc7df153c897a1891bd98bab4357c9ecbee1e3bf42e00b8e38"
     "0aeae57c2d107564941885942af5a7f4601723c4195d176ced3e017cae20b6641d2eeb695786d8c9"
     "46146239d099e18e1d5a514c739d7cb4a10ad8a788015ac405d7799dc75e7b7d5b6cf2261a6a7f15"
     "07438bf01beb6ca3926f9582",
     "0145ba99a847af43793fdd0e872e7cdfa16be30fdc780f97bccc3f078380201e9c677d600b343757"
     "a3bdbf2a3163e4c2f869cca7458aa4a4effc311f5cb151685eb9",
     "00d0b3975ac4b799f5bea16d5e13e9af971d5e9b984c9f39728b5e5739735a219b97c356436adc6e"
     "95bb0352f6be64a6c2912d4ef2d0433ced2b6171640012d9460f015c68226383956e3bd066e797b6"
     "23c27ce0eac2f551a10c2c724d9852077b87220b6536c5c408a1d2aebb8e86d678ae49cb57091f47"
     "32296579ab44fcd17f0fc56a",
     "01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04d1427e73ca4baa24"
     "0a34786859810c06b3c715a3a8cc3151f2bee417996d19f3ddea"},
    {31, "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
     "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
     "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
     "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
     "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
    {32,
     "9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28dd9c9baf574a9419744897391"
     "006382a6f127ab1d9ac2d8c0a598726b",
     "9b08f7cc31b7e3e67d22d5aea121074a273bd2b83de09c63faa73d2c22c5d9bbc836647241d953d4"
     "0c5b12da88120d53177f80e532c41fa0",
     "1c306a7ac2a0e2e0990b294470cba339e6453772b075811d8fad0d1d6927c120bb5ee8972b0d3e21"
     "374c9c921b09d1b0366f10b65173992d",
     "3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b43027d8b972fc3e34fb4232a13c"
     "a706dcb57aec3dae07bdc1c67bf33609",
     "07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282bb60c0b56fd2464c335543936"
     "521c24403085d59a449a5037514a879d"},
};

/* drawn_next - draws the octets of the vector first, then other octets. */
static void drawn_next(void *context, void *octets, size_t len)
{
    struct span *left = context;
    size_t n = len < left->len ? len : left->len;
    memset(octets, 0x5a, len);
    memcpy(octets, left->ptr, n);
    *left = span_of(left->ptr + n, left->len - n);
}

static struct ke_job pair_with(uint16_t group, const char *private_value)
{
    static uint8_t octets[KE_PUBLIC_MAX];
    static struct span left;
    static const struct random drawn = {drawn_next, &left};
    left = span_of(octets, unhex(private_value, octets));
    test_ke_random(&drawn);
    return test_ke_pair(group);
}

static void key_exchange_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(exchanges); i++) {
        uint8_t want[KE_PUBLIC_MAX];
        struct secret secret = {0};
        struct ke_job ke_i = pair_with(exchanges[i].group, exchanges[i].private_i);
        struct ke_job ke_r = pair_with(exchanges[i].group, exchanges[i].private_r);
        size_t len = unhex(exchanges[i].public_i, want);
        assert_true(span_equal(ke_public(&ke_i), span_of(want, len)));
        len = unhex(exchanges[i].public_r, want);
        assert_true(span_equal(ke_public(&ke_r), span_of(want, len)));
        len = unhex(exchanges[i].shared, want);
        assert_int_equal(test_ke_secret(&ke_i, ke_public(&ke_r), &secret), 0);
        assert_true(span_equal(secret_span(&secret), span_of(want, len)));
        assert_int_equal(test_ke_secret(&ke_r, ke_public(&ke_i), &secret), 0);
        assert_true(span_equal(secret_span(&secret), span_of(want, len)));
    }
}

/* RFC 4231 section 4.3 */
static const struct {
    uint16_t prf;
    const char *want;
} prfs[] = {
    {5, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {6, "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c7"
        "8b3239ecfab21649"},
    {7, "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a"
        "6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
};

static void prf_vectors(void **state)
{
    (void)state;
    struct crypto_provider *crypto = crypto_new();
    struct span data = span_text("what do ya want for nothing?");
    for (size_t i = 0; i < ARRAY_LEN(prfs); i++) {
        uint8_t want[CRYPTO_HASH_MAX], out[CRYPTO_HASH_MAX];
        size_t len = unhex(prfs[i].want, want);
        assert_int_equal(crypto_prf(crypto, prfs[i].prf, span_text("Jefe"), &data, 1, out), 0);
        assert_memory_equal(out, want, len);
    }
    crypto_free(crypto);
}

/* RFC 7634 appendices A and B */
static const char chacha_key[] =
    "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3";
static const char esp_text[] =
    "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708090a0b"
    "0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233"
    "3435363701020204";
static const char esp_packet[] =
    "0102030400000005101112131415161724039428b97f417e3c13753a4f05087b67c352e6a7fab1b9"
    "82d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3"
    "cbec163fac469b502773f6fb94e664da9165b82829f641e076aaa8266b7fb0f7b11b369907e1ad43";
static const char ike_message[] =
    "c0c1c2c3c4c5c6c7d0d1d2d3d4d5d6d72e2025000000000900000045290000291011121314151617"
    "610394701f8d017f7c129248896b71bfe25236efd7cdc67066906315b2";
static const char ike_payloads[] = "0000000c000040010000000a";
#define CHACHA_IV 0x1011121314151617

static void chacha_ike_vector(void **state)
{
    (void)state;
    struct crypto_provider *crypto = crypto_new();
    uint8_t key[36], want[80], message[80] = {0}, payloads[16];
    struct span opened;
    unhex(chacha_key, key);
    size_t len = unhex(ike_message, want), plain = unhex(ike_payloads, payloads);
    struct sk_keys keys = {crypto_encr_find(28, 0), NULL, key, NULL};
    assert_int_equal(32 + sk_size(&keys, plain), len);
    memcpy(message, want, 32);
    memcpy(message + 32 + 8, payloads, plain);
    assert_int_equal(
        sk_seal(crypto, &keys, (struct buffer){message, len}, 32, plain, CHACHA_IV, NULL), 0);
    assert_memory_equal(message, want, len);
    assert_int_equal(sk_open(crypto, &keys, (struct buffer){message, len}, 32, &opened), 0);
    assert_true(span_equal(opened, span_of(payloads, plain)));
    crypto_free(crypto);
}

/* The vector is only opened: its IV differs from its sequence number, which we use as IV to
 * seal. */
static void chacha_esp_vector(void **state)
{
    (void)state;
    struct esp_crypto *crypto = esp_crypto_new();
    uint8_t octets[36], packet[160], text[96];
    unhex(chacha_key, octets);
    size_t len = unhex(esp_packet, packet), text_len = unhex(esp_text, text);
    struct esp_key *key = esp_key_new(crypto, &(struct esp_algorithms){28, 0, 0},
                                      span_of(octets, 36), (struct span){0});
    assert_int_equal(len, ESP_HEADER_LEN + esp_iv_len(key) + text_len + esp_icv_len(key));
    struct esp_job job = {packet, NULL, text_len, 5, false};
    assert_int_equal(esp_open(crypto, key, &job), 0);
    assert_memory_equal(packet + 16, text, text_len);
    esp_key_free(key);
    esp_crypto_free(crypto);
}

static const struct esp_algorithms suites[] = {{20, 128, 0},  {20, 192, 0},  {20, 256, 0},
                                               {28, 0, 0},    {12, 128, 2},  {12, 192, 12},
                                               {12, 128, 12}, {12, 256, 13}, {12, 256, 14}};

/* compare - one backend seals out of place, the other in place: the octets are the same. Each opens
 * the packet of the other. */
static void compare(struct esp_crypto *fast, struct esp_crypto *portable, const struct esp_key *key,
                    size_t text_len, bool esn)
{
    enum { MAX = 2304 };
    static uint8_t text[MAX], a[MAX], b[MAX];
    const uint8_t iv[16] = {1, 2, 3};
    size_t at = ESP_HEADER_LEN + esp_iv_len(key), len = at + text_len + esp_icv_len(key);
    assert_true(len + 16 <= MAX);
    for (size_t i = 0; i < text_len; i++)
        text[i] = (uint8_t)(i * 7 + text_len);
    memset(a, 0xa5, MAX);
    memset(b, 0xa5, MAX);
    memcpy(b + at, text, text_len);
    struct esp_job job_a = {a, text, text_len, 0x2fffffffe, esn};
    struct esp_job job_b = {b, b + at, text_len, 0x2fffffffe, esn};
    assert_int_equal(esp_seal(fast, key, &job_a, iv), 0);
    assert_int_equal(esp_seal(portable, key, &job_b, iv), 0);
    assert_memory_equal(a, b, MAX); /* the octets behind the ICV are unchanged as well */
    assert_int_equal(a[len], 0xa5);
    assert_int_equal(esp_open(portable, key, &job_a), 0);
    assert_int_equal(esp_open(fast, key, &job_b), 0);
    assert_memory_equal(a + at, text, text_len);
    assert_memory_equal(b + at, text, text_len);
    assert_int_equal(a[len], 0xa5);
}

static void backends_make_the_same_packets(void **state)
{
    (void)state;
    struct esp_crypto *fast = esp_crypto_new(), *portable = esp_crypto_new_portable();
    uint8_t octets[64];
    assert_string_equal(esp_crypto_backend(portable), "libcrypto");
    for (size_t i = 0; i < sizeof(octets); i++)
        octets[i] = (uint8_t)(i * 29 + 11);
    for (size_t s = 0; s < ARRAY_LEN(suites); s++) {
        const struct crypto_encr *encr = crypto_encr_find(suites[s].encr, suites[s].key_bits);
        const struct crypto_integ *integ = crypto_integ_find(suites[s].integ);
        struct esp_key *key = esp_key_new(s % 2 ? fast : portable, &suites[s],
                                          span_of(octets, (size_t)encr->key_len + encr->salt_len),
                                          span_of(octets, integ == NULL ? 0 : integ->key_len));
        struct esp_key *other =
            esp_key_new(fast, &suites[s], span_of(octets, (size_t)encr->key_len + encr->salt_len),
                        span_of(octets, integ == NULL ? 0 : integ->key_len));
        size_t block = esp_block_len(key);
        for (size_t len = block; len <= 2176; len += len < 640 ? block : 64) {
            compare(fast, portable, key, len, false);
            compare(fast, portable, other, len, true);
        }
        esp_key_free(key);
        esp_key_free(other);
    }
    esp_crypto_free(fast);
    esp_crypto_free(portable);
}

static void fill_zero(void *context, void *octets, size_t len)
{
    (void)context;
    memset(octets, 0, len);
}

/* A right ICV and wrong padding: only a peer with the keys can send this. */
static void padding_longer_than_the_text(void **state)
{
    (void)state;
    static const struct {
        uint16_t encr, bits, integ;
    } all[] = {{12, 128, 12}, {12, 192, 12}, {12, 256, 12}};
    struct crypto_provider *crypto = crypto_new();
    const struct random zeroes = {fill_zero, NULL};
    uint8_t key[64] = {4}, message[128];
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct sk_keys keys = {crypto_encr_find(all[i].encr, all[i].bits),
                               crypto_integ_find(all[i].integ), key, key};
        struct span opened;
        size_t len = 32 + sk_size(&keys, 15);
        memset(message, 0, sizeof(message));
        assert_int_equal(sk_seal(crypto, &keys, (struct buffer){message, len}, 32, 15, 1, &zeroes),
                         0);
        message[32 + 15] ^= 16; /* CBC: the IV's bit turns the text's; then a new, right ICV */
        struct span covered = span_of(message, len - keys.integ->icv_len);
        uint8_t tag[CRYPTO_HASH_MAX];
        assert_int_equal(crypto_hmac(crypto, keys.integ->hash, span_of(key, 32), &covered, 1, tag),
                         0);
        memcpy(message + covered.len, tag, keys.integ->icv_len);
        assert_int_equal(sk_open(crypto, &keys, (struct buffer){message, len}, 32, &opened),
                         ERR_AUTH);
    }
    crypto_free(crypto);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_exchange_vectors),
        cmocka_unit_test(prf_vectors),
        cmocka_unit_test(chacha_ike_vector),
        cmocka_unit_test(chacha_esp_vector),
        cmocka_unit_test(backends_make_the_same_packets),
        cmocka_unit_test(padding_longer_than_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
