/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures of IKE_AUTH. Named rows of the threat catalogue: A6, A13, A16 and CVE-2013-2944. */
#include "crypto/signature.h"

#include "base/unit_test.h"

#define ALL_SHA2 (1u << SIGNATURE_SHA2_256 | 1u << SIGNATURE_SHA2_384 | 1u << SIGNATURE_SHA2_512)
#define ALL      (ALL_SHA2 | 1u << SIGNATURE_IDENTITY)

enum { RSA_2048, P256, P384, P521, ED25519, ED448, N_KEYS };
static EVP_PKEY *keys[N_KEYS], *others[N_KEYS];

static EVP_PKEY *key_new(int kind)
{
    switch (kind) {
    case RSA_2048: return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    case P256: return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    case P384: return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
    case P521: return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-521");
    case ED25519: return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    default: return EVP_PKEY_Q_keygen(NULL, NULL, "ED448");
    }
}

static int make_keys(void **state)
{
    (void)state;
    for (int i = 0; i < N_KEYS; i++) {
        keys[i] = key_new(i);
        others[i] = key_new(i);
        if (keys[i] == NULL || others[i] == NULL)
            return -1;
    }
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    for (int i = 0; i < N_KEYS; i++) {
        EVP_PKEY_free(keys[i]);
        EVP_PKEY_free(others[i]);
    }
    return 0;
}

static const struct row {
    int key;
    struct signature_wish wish;
    uint8_t method;
    const char *name;
} rows[] = {
    {RSA_2048, {.hashes = ALL}, 14, "RSA_EMSA_PKCS1_SHA2_256"},
    {RSA_2048, {.hashes = ALL, .pss = true}, 14, "RSA_EMSA_PSS_SHA2_256"},
    {RSA_2048, {.hashes = 1u << SIGNATURE_SHA2_512, .pss = true}, 14, "RSA_EMSA_PSS_SHA2_512"},
    {RSA_2048, {.hashes = ALL, .own = 1u << SIGNATURE_SHA2_384}, 14, "RSA_EMSA_PKCS1_SHA2_384"},
    {RSA_2048, {.hashes = 0}, 1, "RSA_EMSA_PKCS1_SHA2_256"},
    {P256, {.hashes = ALL}, 14, "ECDSA_WITH_SHA2_256"},
    {P256, {.hashes = 1u << SIGNATURE_SHA2_512}, 14, "ECDSA_WITH_SHA2_512"},
    {P256, {.hashes = 0}, 9, "ECDSA_WITH_SHA2_256"},
    {P384, {.hashes = ALL}, 14, "ECDSA_WITH_SHA2_384"},
    {P384, {.hashes = 0}, 10, "ECDSA_WITH_SHA2_384"},
    {P521, {.hashes = ALL}, 14, "ECDSA_WITH_SHA2_512"},
    {P521, {.hashes = 0}, 11, "ECDSA_WITH_SHA2_512"},
    {ED25519, {.hashes = ALL}, 14, "ED25519"},
    {ED448, {.hashes = ALL}, 14, "ED448"},
};

static struct span sign(const struct row *row, struct span octets, uint8_t *out)
{
    struct signature_scheme scheme;
    struct writer w = writer_of(out, SIGNATURE_AUTH_MAX);
    uint8_t method;
    assert_int_equal(signature_choose(keys[row->key], &row->wish, &method, &scheme), 0);
    assert_int_equal(method, row->method);
    assert_string_equal(signature_scheme_name(&scheme), row->name);
    assert_int_equal(signature_make(keys[row->key], method, &scheme, octets, &w), 0);
    return writer_span(&w);
}

static void each_scheme_is_made_and_checked(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t auth[SIGNATURE_AUTH_MAX];
        struct span octets = span_text("the octets that AUTH covers");
        struct signature_claim claim = {
            .method = rows[i].method, .hashes = ALL, .auth = sign(&rows[i], octets, auth)};
        struct signature_scheme scheme;
        assert_int_equal(signature_check(keys[rows[i].key], &claim, octets, &scheme), 0);
        assert_string_equal(signature_scheme_name(&scheme), rows[i].name);
        /* A16: other octets; A6: another key of the same kind */
        assert_int_not_equal(
            signature_check(keys[rows[i].key], &claim, span_text("others"), &scheme), 0);
        assert_int_not_equal(signature_check(others[rows[i].key], &claim, octets, &scheme), 0);
        /* a hash that we do not accept */
        claim.hashes = 0;
        assert_int_not_equal(signature_check(keys[rows[i].key], &claim, octets, &scheme), 0);
    }
}

/* A signature of each kind is refused at each shorter length, and with each octet changed
 * (CVE-2013-2944: an empty signature was accepted). */
static void what_is_damaged_is_refused(void **state)
{
    struct span octets = span_text("octets");
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t auth[SIGNATURE_AUTH_MAX];
        struct signature_claim claim = {.method = rows[i].method, .hashes = ALL};
        struct signature_scheme scheme;
        size_t len = sign(&rows[i], octets, auth).len;
        for (size_t n = 0; n < len; n += n < 90 ? 1 : 37) {
            claim.auth = span_of(auth, n);
            assert_int_not_equal(signature_check(keys[rows[i].key], &claim, octets, &scheme), 0);
        }
        claim.auth = span_of(auth, len);
        for (size_t n = 0; n < len; n += n < 90 ? 1 : 37) {
            auth[n] ^= 0x01;
            assert_int_not_equal(signature_check(keys[rows[i].key], &claim, octets, &scheme), 0);
            auth[n] ^= 0x01;
        }
        if (len < sizeof(auth)) {
            auth[len] = 0;
            claim.auth = span_of(auth, len + 1);
            assert_int_not_equal(signature_check(keys[rows[i].key], &claim, octets, &scheme), 0);
        }
        memset(auth, 0, sizeof(auth));
        claim.auth = span_of(auth, len);
        assert_int_not_equal(signature_check(keys[rows[i].key], &claim, octets, &scheme), 0);
    }
}

static void a_method_fits_its_key_only(void **state)
{
    struct span octets = span_text("octets");
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t auth[SIGNATURE_AUTH_MAX];
        struct signature_claim claim = {
            .hashes = ALL, .method = rows[i].method, .auth = sign(&rows[i], octets, auth)};
        struct signature_scheme scheme;
        for (int key = 0; key < N_KEYS; key++)
            if (key != rows[i].key)
                assert_int_not_equal(signature_check(keys[key], &claim, octets, &scheme), 0);
        for (unsigned method = 0; method < 16; method++) {
            claim.method = (uint8_t)method;
            if (method != rows[i].method)
                assert_int_not_equal(signature_check(keys[rows[i].key], &claim, octets, &scheme),
                                     0);
        }
    }
}

/* RFC 7427 section 3: PSS signatures whose AlgorithmIdentifier does not fit the signature. */
static void pss_parameters_that_lie(void **state)
{
    uint8_t auth[SIGNATURE_AUTH_MAX], lie[SIGNATURE_AUTH_MAX];
    struct span octets = span_text("octets");
    struct signature_scheme scheme, other = {SIGNATURE_RSA_PSS, SIGNATURE_SHA2_384};
    (void)state;
    size_t len = sign(&rows[1], octets, auth).len;
    struct writer w = writer_of(lie + 1, sizeof(lie) - 1);
    signature_scheme_write(&other, &w);
    lie[0] = (uint8_t)w.len;
    write_bytes(&w, span_of(auth + 1 + auth[0], len - 1 - auth[0]));
    struct signature_claim claim = {.method = 14, .hashes = ALL};
    claim.auth = span_of(lie, 1 + w.len);
    assert_int_equal(signature_check(keys[RSA_2048], &claim, octets, &scheme), ERR_AUTH);
    /* the AlgorithmIdentifier says PKCS#1 v1.5, the signature is PSS */
    other.kind = SIGNATURE_RSA_PKCS1, other.hash = SIGNATURE_SHA2_256;
    w = writer_of(lie + 1, sizeof(lie) - 1);
    signature_scheme_write(&other, &w);
    lie[0] = (uint8_t)w.len;
    write_bytes(&w, span_of(auth + 1 + auth[0], len - 1 - auth[0]));
    claim.auth = span_of(lie, 1 + w.len);
    assert_int_equal(signature_check(keys[RSA_2048], &claim, octets, &scheme), ERR_AUTH);
}

static bool readable(const char *hex)
{
    uint8_t octets[128];
    struct signature_scheme scheme;
    size_t n = 0;
    for (; hex[2 * n] != '\0' && n < sizeof(octets); n++) {
        unsigned value;
        assert_int_equal(sscanf(hex + 2 * n, "%2x", &value), 1);
        octets[n] = (uint8_t)value;
    }
    return signature_scheme_read(span_of(octets, n), &scheme);
}

#define SHA256_NULL "300d06096086480165030402010500"
#define SHA256      "300b0609608648016503040201"
#define SHA384_NULL "300d06096086480165030402020500"
#define MGF1        "06092a864886f70d010108"
#define PSS         "06092a864886f70d01010a"

static void algorithm_identifiers(void **state)
{
    static const struct {
        const char *hex;
        bool ok;
    } ids[] = {
        {"300d06092a864886f70d01010b0500", true},      /* sha256WithRSAEncryption, NULL */
        {"300b06092a864886f70d01010b", true},          /* without parameters */
        {"300d06092a864886f70d01010b0400", false},     /* other parameters */
        {"300f06092a864886f70d01010b05000500", false}, /* junk behind them (CVE-2018-16151) */
        {"300d06092a864886f70d01010b050000", false},   /* junk behind it */
        {"300d06092a864886f70d01010b05", false},       /* cut off */
        {"300d06092a864886f70d0101050500", false},     /* sha1WithRSAEncryption */
        {"300d06092a864886f70d0101040500", false},     /* md5 */
        {"300d06092a864886f70d0101010500", false},     /* rsaEncryption: no hash */
        {"300a06082a8648ce3d040302", true},            /* ecdsa-with-SHA256 */
        {"300c06082a8648ce3d0403020500", false},       /* RFC 5758: without parameters */
        {"300906072a8648ce3d0401", false},             /* ecdsa-with-SHA1 */
        {"300506032b6570", true},                      /* Ed25519 */
        {"300706032b65700500", false},                 /* RFC 8410: without parameters */
        {"300506032b6571", true},                      /* Ed448 */
        {"", false},
        {"3000", false},
        {"30050603", false},
        /* PSS with SHA-256: as RFC 7427 A.4.3 has it, without the NULLs, trailer named */
        {"304106092a864886f70d01010a3034a00f" SHA256_NULL "a11c301a" MGF1 SHA256_NULL "a203020120",
         true},
        {"303d06092a864886f70d01010a3030a00d" SHA256 "a11a3018" MGF1 SHA256 "a203020120", true},
        {"304606092a864886f70d01010a3039a00f" SHA256_NULL "a11c301a" MGF1 SHA256_NULL
         "a203020120a303020101",
         true},
        /* an unknown trailer; another salt; a negative salt (CVE-2021-41990); another mask */
        {"304606092a864886f70d01010a3039a00f" SHA256_NULL "a11c301a" MGF1 SHA256_NULL
         "a203020120a303020102",
         false},
        {"304106092a864886f70d01010a3034a00f" SHA256_NULL "a11c301a" MGF1 SHA256_NULL "a203020114",
         false},
        {"304106092a864886f70d01010a3034a00f" SHA256_NULL "a11c301a" MGF1 SHA256_NULL "a2030201ff",
         false},
        {"304106092a864886f70d01010a3034a00f" SHA256_NULL "a11c301a" MGF1 SHA384_NULL "a203020120",
         false},
        {"300d06092a864886f70d01010a3000", false}, /* the defaults: SHA-1 */
        {"300b06092a864886f70d01010a", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        assert_int_equal(readable(ids[i].hex), ids[i].ok);
}

static void written_as_read(void **state)
{
    (void)state;
    for (int kind = SIGNATURE_RSA_PKCS1; kind <= SIGNATURE_ED448; kind++)
        for (int hash = SIGNATURE_SHA2_256; hash <= SIGNATURE_IDENTITY; hash++) {
            struct signature_scheme scheme = {(enum signature_kind)kind, (enum signature_hash)hash};
            struct signature_scheme read = {0};
            uint8_t octets[128];
            struct writer w = writer_of(octets, sizeof(octets));
            if ((hash == SIGNATURE_IDENTITY) != (kind >= SIGNATURE_ED25519))
                continue;
            signature_scheme_write(&scheme, &w);
            assert_true(signature_scheme_read(writer_span(&w), &read));
            assert_int_equal(read.kind, scheme.kind);
            assert_int_equal(read.hash, scheme.hash);
        }
}

static uint16_t bit(uint8_t method, enum signature_kind kind, enum signature_hash hash)
{
    uint8_t octets[128];
    struct writer w = writer_of(octets, sizeof(octets));
    if (method == 14)
        signature_scheme_write(&(struct signature_scheme){kind, hash}, &w);
    uint16_t bit = signature_method(method, writer_span(&w));
    assert_int_not_equal(bit, 0);
    return bit;
}

/* RFC 9593: our key signs with a method that the peer announced. */
static void announced_methods(void **state)
{
    const uint16_t pkcs1_512 = bit(14, SIGNATURE_RSA_PKCS1, SIGNATURE_SHA2_512);
    const uint16_t pss_384 = bit(14, SIGNATURE_RSA_PSS, SIGNATURE_SHA2_384);
    const uint16_t ecdsa_512 = bit(14, SIGNATURE_ECDSA, SIGNATURE_SHA2_512);
    const uint16_t ed25519 = bit(14, SIGNATURE_ED25519, SIGNATURE_IDENTITY);
    const uint16_t rsa = bit(1, 0, 0), p256 = bit(9, 0, 0), p384 = bit(10, 0, 0);
    const struct {
        int key;
        struct signature_wish wish;
        uint8_t method; /* 0: none fits */
        const char *name;
    } cases[] = {
        {RSA_2048, {.hashes = ALL, .methods = pkcs1_512}, 14, "RSA_EMSA_PKCS1_SHA2_512"},
        {RSA_2048, {.hashes = ALL, .methods = pss_384}, 14, "RSA_EMSA_PSS_SHA2_384"},
        {RSA_2048, {.hashes = ALL, .methods = pss_384 | pkcs1_512}, 14, "RSA_EMSA_PKCS1_SHA2_512"},
        {RSA_2048,
         {.hashes = ALL, .methods = pss_384 | pkcs1_512, .pss = true},
         14,
         "RSA_EMSA_PSS_SHA2_384"},
        {RSA_2048, {.hashes = ALL, .methods = rsa}, 1, "RSA_EMSA_PKCS1_SHA2_256"},
        {P256, {.hashes = ALL, .methods = ecdsa_512 | p256}, 14, "ECDSA_WITH_SHA2_512"},
        {P256, {.hashes = ALL, .methods = p256 | p384}, 9, "ECDSA_WITH_SHA2_256"},
        {P384, {.hashes = 0, .methods = p256 | p384}, 10, "ECDSA_WITH_SHA2_384"},
        {ED25519, {.hashes = ALL, .methods = ed25519 | rsa}, 14, "ED25519"},
        /* SIGNATURE_HASH_ALGORITHMS still counts, and so do our own demands */
        {RSA_2048, {.hashes = 1u << SIGNATURE_SHA2_256, .methods = pkcs1_512}, 0, ""},
        {RSA_2048, {.hashes = ALL, .own = 1u << SIGNATURE_SHA2_256, .methods = pss_384}, 0, ""},
        {RSA_2048, {.hashes = ALL, .methods = pkcs1_512 | rsa, .pss = true}, 0, ""},
        {P256, {.hashes = ALL, .methods = rsa | p384 | ed25519}, 0, ""},
        {P384, {.hashes = 0, .methods = p256}, 0, ""},
        {ED448, {.hashes = ALL, .methods = ed25519}, 0, ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct signature_scheme scheme;
        uint8_t method = 0;
        int error = signature_choose(keys[cases[i].key], &cases[i].wish, &method, &scheme);
        assert_int_equal(error, cases[i].method == 0 ? ERR_NOT_FOUND : 0);
        assert_int_equal(method, cases[i].method);
        if (error == 0)
            assert_string_equal(signature_scheme_name(&scheme), cases[i].name);
    }
    assert_int_equal(signature_method(2, (struct span){0}), 0);
    assert_int_equal(signature_method(1, span_text("x")), 0);
    assert_int_equal(signature_method(14, (struct span){0}), 0);
}

static void no_scheme_in_common(void **state)
{
    static const struct {
        int key;
        struct signature_wish wish;
    } none[] = {
        {RSA_2048, {.hashes = 1u << SIGNATURE_SHA1}},
        {RSA_2048, {.hashes = 1u << SIGNATURE_SHA2_256, .own = 1u << SIGNATURE_SHA2_512}},
        {RSA_2048, {.hashes = 0, .pss = true}},
        {RSA_2048, {.hashes = 0, .own = 1u << SIGNATURE_SHA2_512}},
        {P384, {.hashes = 0, .own = 1u << SIGNATURE_SHA2_256}},
        {ED25519, {.hashes = ALL_SHA2}},
        {ED448, {.hashes = 0}},
    };
    struct signature_scheme scheme;
    uint8_t method;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_int_equal(signature_choose(keys[none[i].key], &none[i].wish, &method, &scheme),
                         ERR_NOT_FOUND);
}

/* A13: RSA of 1,024 bits signs nothing and proves nothing. */
static void weak_keys(void **state)
{
    EVP_PKEY *weak = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
    EVP_PKEY *odd = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1");
    struct signature_scheme scheme = {SIGNATURE_RSA_PKCS1, SIGNATURE_SHA2_256};
    struct signature_claim claim = {.method = 1, .hashes = ALL, .auth = span_text("signature")};
    uint8_t octets[SIGNATURE_AUTH_MAX];
    struct writer w = writer_of(octets, sizeof(octets));
    (void)state;
    assert_int_equal(signature_key_kind(weak), SIGNATURE_KEY_NONE);
    assert_int_equal(signature_key_kind(odd), SIGNATURE_KEY_NONE);
    assert_int_equal(signature_make(weak, 14, &scheme, span_text("x"), &w), ERR_INVALID);
    assert_int_equal(signature_check(weak, &claim, span_text("x"), &scheme), ERR_INVALID);
    EVP_PKEY_free(weak);
    EVP_PKEY_free(odd);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_scheme_is_made_and_checked),
        cmocka_unit_test(what_is_damaged_is_refused),
        cmocka_unit_test(a_method_fits_its_key_only),
        cmocka_unit_test(pss_parameters_that_lie),
        cmocka_unit_test(algorithm_identifiers),
        cmocka_unit_test(written_as_read),
        cmocka_unit_test(announced_methods),
        cmocka_unit_test(no_scheme_in_common),
        cmocka_unit_test(weak_keys),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
