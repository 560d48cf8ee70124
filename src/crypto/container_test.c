/* SPDX-License-Identifier: Apache-2.0 */
/* PKCS#12 containers as openssl, Windows and macOS write them, and hostile ones. */
#include "crypto/container.h"

#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include "base/assert.h"
#include "base/unit_test.h"

#define ITEMS_MOST 8

struct container {
    uint8_t octets[CONTAINER_MAX];
    size_t len;
};

/* struct make - how a container is made. cert, key: ciphers; mac: its iterations, or -1: no MAC. */
struct make {
    const char *passphrase;
    int key, cert, mac;
    bool without_key;
    int others;
};

static EVP_PKEY *private_key;

static int key_make(void **state)
{
    (void)state;
    private_key = EVP_EC_gen("P-256");
    return private_key != NULL && container_init() ? 0 : -1;
}

static int key_free(void **state)
{
    (void)state;
    EVP_PKEY_free(private_key);
    return 0;
}

static X509 *cert_make(const char *name, EVP_PKEY *key)
{
    X509 *cert = X509_new();
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    return cert;
}

static void container_of(PKCS12 *pkcs12, struct container *ret)
{
    uint8_t *at = ret->octets;
    assert_non_null(pkcs12);
    assert_true(i2d_PKCS12(pkcs12, NULL) <= CONTAINER_MAX);
    ret->len = (size_t)i2d_PKCS12(pkcs12, &at);
    PKCS12_free(pkcs12);
}

static struct container made(const struct make *make)
{
    struct container container;
    EVP_PKEY *ca_key = EVP_EC_gen("P-256");
    X509 *cert = cert_make("leaf", private_key);
    STACK_OF(X509) *others = sk_X509_new_null();
    for (int i = 0; i < make->others; i++)
        sk_X509_push(others, cert_make("CA", ca_key));
    container_of(PKCS12_create(make->passphrase, "friendly", make->without_key ? NULL : private_key,
                               cert, others, make->key, make->cert, 2000, make->mac, 0),
                 &container);
    sk_X509_pop_free(others, X509_free);
    X509_free(cert);
    EVP_PKEY_free(ca_key);
    return container;
}

/* struct unpacked - the result of container_unpack(). */
struct unpacked {
    int error;
    const char *why;
    unsigned keys, certs;
    bool right_key; /* the key is the one that the test packed */
};

static bool is_ours(struct span der)
{
    const uint8_t *at = der.ptr;
    EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &at, (long)der.len);
    bool ours = key != NULL && EVP_PKEY_eq(key, private_key) == 1;
    EVP_PKEY_free(key);
    return ours;
}

static struct unpacked unpack(struct span octets, const char *passphrase)
{
    static uint8_t room[CONTAINER_MAX];
    struct writer w = writer_of(room, sizeof(room));
    struct unpacked ret = {0};
    enum container_item kind;
    struct span item;
    ret.error = container_unpack(octets, span_text(passphrase), &w, &ret.why);
    struct reader r = reader_of(ret.error == 0 ? writer_span(&w) : (struct span){0});
    while (container_next(&r, &kind, &item)) {
        ret.keys += kind == CONTAINER_KEY;
        ret.certs += kind == CONTAINER_CERT;
        ret.right_key |= kind == CONTAINER_KEY && is_ours(item);
    }
    assert_true(reader_done(&r));
    assert_true(ret.error == 0 || ret.why != NULL);
    return ret;
}

static void test_ciphers(void **state)
{
    static const struct make makes[] = {
        {.passphrase = "secret", .mac = 2048, .others = 2},
        {"secret", NID_aes_256_cbc, NID_aes_256_cbc, 1, false, 0},
        /* as Windows and macOS export them */
        {"secret", NID_pbe_WithSHA1And3_Key_TripleDES_CBC, NID_pbe_WithSHA1And40BitRC2_CBC, 2000,
         false, 1},
        {"secret", -1, -1, 2048, false, 0}, /* only the MAC protects it */
        {.passphrase = "p\xc3\xa4ss", .mac = 1},
        {.passphrase = "secret", .mac = 1, .without_key = true, .others = 3},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(makes); i++) {
        struct container container = made(&makes[i]);
        struct unpacked all = unpack(span_of(container.octets, container.len), makes[i].passphrase);
        assert_int_equal(all.error, 0);
        assert_int_equal(all.keys, makes[i].without_key ? 0 : 1);
        assert_int_equal(all.right_key, !makes[i].without_key);
        assert_int_equal(all.certs, 1 + makes[i].others);
    }
}

static void test_passphrases(void **state)
{
    static const struct make locked = {.passphrase = "secret", .mac = 1},
                             empty = {.passphrase = "", .mac = 1},
                             none = {.passphrase = NULL, .mac = 1};
    struct container container = made(&locked);
    struct span octets = span_of(container.octets, container.len);
    (void)state;
    assert_int_equal(unpack(octets, "").error, ERR_DENIED);
    assert_int_equal(unpack(octets, "Secret").error, ERR_AUTH);
    assert_int_equal(unpack(octets, "secret ").error, ERR_AUTH);
    container = made(&empty);
    assert_int_equal(unpack(span_of(container.octets, container.len), "").keys, 1);
    assert_int_equal(unpack(span_of(container.octets, container.len), "x").error, ERR_AUTH);
    container = made(&none);
    assert_int_equal(unpack(span_of(container.octets, container.len), "").keys, 1);
    uint8_t room[64];
    char long_one[CONTAINER_PASSPHRASE + 2];
    const char *why;
    struct writer w = writer_of(room, sizeof(room));
    assert_int_equal(container_unpack(octets, span_of("secret\0x", 8), &w, &why), ERR_INVALID);
    memset(long_one, 'x', sizeof(long_one) - 1);
    long_one[sizeof(long_one) - 1] = '\0';
    assert_int_equal(unpack(octets, long_one).error, ERR_INVALID);
}

static void test_room(void **state)
{
    static const struct make make = {.passphrase = "secret", .mac = 1};
    struct container container = made(&make);
    uint8_t room[100];
    const char *why;
    struct writer w = writer_of(room, sizeof(room));
    (void)state;
    assert_int_equal(
        container_unpack(span_of(container.octets, container.len), span_text("secret"), &w, &why),
        ERR_TRUNCATED);
}

/* CVE-2024-0727: containers with missing members. */
static void test_hostile(void **state)
{
    static const struct make whole = {.passphrase = "secret", .mac = 1},
                             no_mac = {.passphrase = "secret", .mac = -1};
    static const uint8_t sequence[] = {0x30, 0x80, 0x02, 0x01, 0x03};
    struct container container = made(&no_mac);
    (void)state;
    assert_string_equal(unpack(span_of(container.octets, container.len), "secret").why,
                        "is a PKCS#12 container without a MAC");
    container = made(&whole);
    for (size_t len = 0; len < container.len; len++)
        assert_int_equal(unpack(span_of(container.octets, len), "secret").error, ERR_INVALID);
    container.octets[container.len] = 0; /* something behind it */
    assert_int_equal(unpack(span_of(container.octets, container.len + 1), "secret").error,
                     ERR_INVALID);
    for (size_t i = 0; i < container.len; i++) {
        container.octets[i] ^= 1;
        struct unpacked all = unpack(span_of(container.octets, container.len), "secret");
        assert_true(all.error != 0 || all.right_key); /* the OID of the outer version, and such */
        container.octets[i] ^= 1;
    }
    assert_int_equal(unpack(span_of(sequence, sizeof(sequence)), "secret").error, ERR_INVALID);
}

static void test_iterations(void **state)
{
    static const struct make slow = {.passphrase = "secret", .mac = 1};
    struct container container = made(&slow);
    const uint8_t *at = container.octets;
    PKCS12 *pkcs12 = d2i_PKCS12(NULL, &at, (long)container.len);
    const ASN1_INTEGER *iterations;
    static const int64_t numbers[] = {0, -1, CONTAINER_ITERATIONS + 1, INT64_MAX};
    (void)state;
    assert_int_equal(PKCS12_set_mac(pkcs12, "secret", -1, NULL, 0, 2, NULL), 1);
    PKCS12_get0_mac(NULL, NULL, NULL, &iterations, pkcs12);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        uint8_t *out = container.octets;
        assert_int_equal(ASN1_INTEGER_set_int64((ASN1_INTEGER *)iterations, numbers[i]), 1);
        container.len = (size_t)i2d_PKCS12(pkcs12, &out);
        assert_string_equal(unpack(span_of(container.octets, container.len), "secret").why,
                            "wants more than 10 million iterations");
    }
    PKCS12_free(pkcs12);
}

static void test_items(void **state)
{
    static const struct {
        uint8_t octets[8];
        size_t len;
        bool one;
    } rows[] = {
        {{1, 0, 0, 0, 1, 7}, 6, true},
        {{2, 0, 0, 0, 0}, 5, true},
        {{3, 0, 0, 0, 0}, 5, false},
        {{0, 0, 0, 0, 0}, 5, false},
        {{1, 0, 0, 0}, 4, false},
        {{1, 0, 0, 0, 2, 7}, 6, false},
        {{1, 255, 255, 255, 255, 7}, 6, false},
        {{0}, 0, false},
    };
    enum container_item kind;
    struct span item;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct reader r = reader_of(span_of(rows[i].octets, rows[i].len));
        assert_int_equal(container_next(&r, &kind, &item), rows[i].one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ciphers),    cmocka_unit_test(test_passphrases),
        cmocka_unit_test(test_room),       cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_iterations), cmocka_unit_test(test_items),
    };
    return cmocka_run_group_tests(tests, key_make, key_free);
}
