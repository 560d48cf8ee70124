/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/signature.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "base/assert.h"
#include "base/der.h"

#define METHOD_RSA        1
#define METHOD_ECDSA_256  9
#define METHOD_ECDSA_384  10
#define METHOD_ECDSA_521  11
#define METHOD_SIGNATURE  14
#define PARAMETERS_ABSENT 0
#define BIT(hash)         ((uint16_t)(1u << (hash)))

/* RFC 7427 appendix A, RFC 8420 appendix A: the object identifiers, without tag and length. */
static const struct algorithm {
    struct signature_scheme scheme;
    const char *name;
    uint8_t parameters; /* the tag that follows the object identifier */
    uint8_t n;
    uint8_t oid[9];
} algorithms[] = {
    {{SIGNATURE_RSA_PKCS1, SIGNATURE_SHA2_256},
     "RSA_EMSA_PKCS1_SHA2_256",
     DER_NULL,
     9,
     {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b}},
    {{SIGNATURE_RSA_PKCS1, SIGNATURE_SHA2_384},
     "RSA_EMSA_PKCS1_SHA2_384",
     DER_NULL,
     9,
     {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c}},
    {{SIGNATURE_RSA_PKCS1, SIGNATURE_SHA2_512},
     "RSA_EMSA_PKCS1_SHA2_512",
     DER_NULL,
     9,
     {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d}},
    {{SIGNATURE_RSA_PSS, SIGNATURE_SHA2_256},
     "RSA_EMSA_PSS_SHA2_256",
     DER_SEQUENCE,
     9,
     {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a}},
    {{SIGNATURE_RSA_PSS, SIGNATURE_SHA2_384},
     "RSA_EMSA_PSS_SHA2_384",
     DER_SEQUENCE,
     9,
     {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a}},
    {{SIGNATURE_RSA_PSS, SIGNATURE_SHA2_512},
     "RSA_EMSA_PSS_SHA2_512",
     DER_SEQUENCE,
     9,
     {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a}},
    {{SIGNATURE_ECDSA, SIGNATURE_SHA2_256},
     "ECDSA_WITH_SHA2_256",
     PARAMETERS_ABSENT,
     8,
     {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02}},
    {{SIGNATURE_ECDSA, SIGNATURE_SHA2_384},
     "ECDSA_WITH_SHA2_384",
     PARAMETERS_ABSENT,
     8,
     {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03}},
    {{SIGNATURE_ECDSA, SIGNATURE_SHA2_512},
     "ECDSA_WITH_SHA2_512",
     PARAMETERS_ABSENT,
     8,
     {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04}},
    {{SIGNATURE_ED25519, SIGNATURE_IDENTITY}, "ED25519", PARAMETERS_ABSENT, 3, {0x2b, 0x65, 0x70}},
    {{SIGNATURE_ED448, SIGNATURE_IDENTITY}, "ED448", PARAMETERS_ABSENT, 3, {0x2b, 0x65, 0x71}},
};
#define ALGORITHMS (sizeof(algorithms) / sizeof(algorithms[0]))

static const struct hash_row {
    enum signature_hash hash;
    const char *name; /* of libcrypto; NULL: none */
    uint8_t len;
    uint8_t oid[9]; /* 2.16.840.1.101.3.4.2.x */
} hashes[] = {
    {SIGNATURE_SHA2_256, "SHA2-256", 32, {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01}},
    {SIGNATURE_SHA2_384, "SHA2-384", 48, {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02}},
    {SIGNATURE_SHA2_512, "SHA2-512", 64, {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03}},
    {SIGNATURE_IDENTITY, NULL, 0, {0}},
};
#define HASHES (sizeof(hashes) / sizeof(hashes[0]))

static const uint8_t mgf1_oid[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08};

static const struct algorithm *algorithm_of(const struct signature_scheme *scheme)
{
    for (size_t i = 0; i < ALGORITHMS; i++)
        if (algorithms[i].scheme.kind == scheme->kind && algorithms[i].scheme.hash == scheme->hash)
            return &algorithms[i];
    return NULL;
}

static const struct hash_row *hash_of(enum signature_hash hash)
{
    for (size_t i = 0; i < HASHES; i++)
        if (hashes[i].hash == hash)
            return &hashes[i];
    ASSERT_NEVER("hash");
}

const char *signature_scheme_name(const struct signature_scheme *scheme)
{
    const struct algorithm *algorithm = algorithm_of(scheme);
    return algorithm == NULL ? "unknown" : algorithm->name;
}

/* --- AlgorithmIdentifier --- */

/* element_write - writes a DER element. Its contents have at most 127 octets, so Length is one
 * octet. */
static void element_write(struct writer *w, uint8_t tag, struct span contents)
{
    ASSERT(contents.len < 0x80);
    write_u8(w, tag);
    write_u8(w, (uint8_t)contents.len);
    write_bytes(w, contents);
}

/* hash_write - RFC 4055 section 2.1: the AlgorithmIdentifier of a hash has NULL as parameters. */
static void hash_write(struct writer *w, const struct hash_row *hash)
{
    uint8_t octets[16];
    struct writer inner = writer_of(octets, sizeof(octets));
    element_write(&inner, DER_OID, span_of(hash->oid, sizeof(hash->oid)));
    element_write(&inner, DER_NULL, (struct span){0});
    element_write(w, DER_SEQUENCE, writer_span(&inner));
}

/*
 * RSASSA-PSS-params ::= SEQUENCE { [0] hashAlgorithm, [1] maskGenAlgorithm, [2] saltLength,
 *                                  [3] trailerField DEFAULT 1 }         (RFC 4055 section 3.1)
 */
static void pss_write(struct writer *w, const struct hash_row *hash)
{
    uint8_t all_room[64], digest_room[32], mgf_room[32], mask_room[40];
    struct writer all = writer_of(all_room, sizeof(all_room));
    struct writer digest = writer_of(digest_room, sizeof(digest_room));
    struct writer mgf = writer_of(mgf_room, sizeof(mgf_room));
    struct writer mask = writer_of(mask_room, sizeof(mask_room));
    const uint8_t salt[] = {DER_INTEGER, 1, hash->len};
    hash_write(&digest, hash);
    element_write(&mgf, DER_OID, span_of(mgf1_oid, sizeof(mgf1_oid)));
    write_bytes(&mgf, writer_span(&digest));
    element_write(&mask, DER_SEQUENCE, writer_span(&mgf));
    element_write(&all, DER_CONTEXT, writer_span(&digest));
    element_write(&all, DER_CONTEXT + 1, writer_span(&mask));
    element_write(&all, DER_CONTEXT + 2, span_of(salt, sizeof(salt)));
    element_write(w, DER_SEQUENCE, writer_span(&all));
}

void signature_scheme_write(const struct signature_scheme *scheme, struct writer *w)
{
    const struct algorithm *algorithm = algorithm_of(scheme);
    uint8_t octets[96];
    struct writer inner = writer_of(octets, sizeof(octets));
    ASSERT(algorithm != NULL);
    element_write(&inner, DER_OID, span_of(algorithm->oid, algorithm->n));
    if (algorithm->parameters == DER_NULL)
        element_write(&inner, DER_NULL, (struct span){0});
    else if (algorithm->parameters == DER_SEQUENCE)
        pss_write(&inner, hash_of(scheme->hash));
    element_write(w, DER_SEQUENCE, writer_span(&inner));
}

/* parameters_none - the parameters are NULL or absent. RFC 4055 tells receivers to accept both. */
static bool parameters_none(struct reader *r)
{
    if (r->left > 0) {
        struct reader null = der_read(r, DER_NULL);
        return reader_done(&null) && reader_done(r);
    }
    return reader_done(r);
}

static bool hash_read(struct reader *r, enum signature_hash *ret_hash)
{
    struct reader algorithm = der_read(r, DER_SEQUENCE);
    struct reader oid = der_read(&algorithm, DER_OID);
    struct span value = read_rest(&oid);
    if (reader_failed(r) || !parameters_none(&algorithm))
        return false;
    for (size_t i = 0; i < HASHES; i++)
        if (hashes[i].name != NULL && span_equal(value, span_of(hashes[i].oid, 9))) {
            *ret_hash = hashes[i].hash;
            return true;
        }
    return false;
}

/* small_read - a positive INTEGER of one octet in a context tag; 0: something else. */
static uint8_t small_read(struct reader *r, uint8_t tag)
{
    struct reader context = der_read(r, tag);
    struct reader integer = der_read(&context, DER_INTEGER);
    uint8_t value = read_u8(&integer);
    return reader_done(&integer) && reader_done(&context) && value < 0x80 ? value : 0;
}

/* pss_read - hash, mask and salt must all be present, because the defaults of RFC 4055 use
 * SHA-1. */
static bool pss_read(struct reader *r, struct signature_scheme *scheme)
{
    struct reader all = der_read(r, DER_SEQUENCE);
    struct reader digest = der_read(&all, DER_CONTEXT);
    struct reader mask = der_read(&all, DER_CONTEXT + 1);
    struct reader mgf = der_read(&mask, DER_SEQUENCE);
    struct reader oid = der_read(&mgf, DER_OID);
    enum signature_hash mask_hash;
    if (!hash_read(&digest, &scheme->hash) || !reader_done(&digest) ||
        !span_equal(read_rest(&oid), span_of(mgf1_oid, sizeof(mgf1_oid))) ||
        !hash_read(&mgf, &mask_hash) || !reader_done(&mgf) || !reader_done(&mask))
        return false;
    if (mask_hash != scheme->hash ||
        small_read(&all, DER_CONTEXT + 2) != hash_of(scheme->hash)->len)
        return false;
    if (der_next(&all) == DER_CONTEXT + 3 && small_read(&all, DER_CONTEXT + 3) != 1)
        return false;
    return reader_done(&all) && reader_done(r);
}

bool signature_scheme_read(struct span algorithm, struct signature_scheme *ret_scheme)
{
    struct reader outer = reader_of(algorithm);
    struct reader r = der_read(&outer, DER_SEQUENCE);
    struct reader oid = der_read(&r, DER_OID);
    struct span value = read_rest(&oid);
    if (!reader_done(&outer) || reader_failed(&r))
        return false;
    for (size_t i = 0; i < ALGORITHMS; i++) {
        if (!span_equal(value, span_of(algorithms[i].oid, algorithms[i].n)))
            continue;
        struct signature_scheme scheme = algorithms[i].scheme;
        bool sound = scheme.kind == SIGNATURE_RSA_PSS                ? pss_read(&r, &scheme)
                     : algorithms[i].parameters == PARAMETERS_ABSENT ? reader_done(&r)
                                                                     : parameters_none(&r);
        if (sound)
            *ret_scheme = scheme;
        return sound;
    }
    return false;
}

/* --- keys --- */

static enum signature_key curve_of(const EVP_PKEY *key)
{
    char name[32];
    int explicit = 0;
    size_t len;
    if (EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &explicit) ==
            1 &&
        explicit)
        return SIGNATURE_KEY_NONE; /* CVE-2020-0601: the peer defines its own curve */
    if (EVP_PKEY_get_group_name(key, name, sizeof(name), &len) != 1)
        return SIGNATURE_KEY_NONE;
    switch (OBJ_sn2nid(name)) {
    case NID_X9_62_prime256v1: return SIGNATURE_KEY_P256;
    case NID_secp384r1: return SIGNATURE_KEY_P384;
    case NID_secp521r1: return SIGNATURE_KEY_P521;
    default: return SIGNATURE_KEY_NONE;
    }
}

static enum signature_key kind_up_to(const EVP_PKEY *key, int rsa_bits_max)
{
    int bits = EVP_PKEY_get_bits(key);
    if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS"))
        return bits >= SIGNATURE_RSA_BITS_MIN && bits <= rsa_bits_max ? SIGNATURE_KEY_RSA
                                                                      : SIGNATURE_KEY_NONE;
    if (EVP_PKEY_is_a(key, "EC"))
        return curve_of(key);
    if (EVP_PKEY_is_a(key, "ED25519"))
        return SIGNATURE_KEY_ED25519;
    return EVP_PKEY_is_a(key, "ED448") ? SIGNATURE_KEY_ED448 : SIGNATURE_KEY_NONE;
}

enum signature_key signature_key_kind(const EVP_PKEY *key)
{
    return kind_up_to(key, SIGNATURE_RSA_BITS_MAX);
}

enum signature_key signature_ca_key_kind(const EVP_PKEY *key)
{
    return kind_up_to(key, SIGNATURE_CA_RSA_BITS_MAX);
}

static bool kind_fits(enum signature_kind kind, enum signature_key key)
{
    switch (key) {
    case SIGNATURE_KEY_NONE: return false;
    case SIGNATURE_KEY_RSA: return kind == SIGNATURE_RSA_PKCS1 || kind == SIGNATURE_RSA_PSS;
    case SIGNATURE_KEY_P256:
    case SIGNATURE_KEY_P384:
    case SIGNATURE_KEY_P521: return kind == SIGNATURE_ECDSA;
    case SIGNATURE_KEY_ED25519: return kind == SIGNATURE_ED25519;
    case SIGNATURE_KEY_ED448: return kind == SIGNATURE_ED448;
    }
    return false;
}

/* The methods of RFC 4754, each with one curve and one hash. RFC 7427 tries this hash first,
 * too. */
static const struct curve_row {
    enum signature_key key;
    uint8_t method;
    enum signature_hash hash;
    uint8_t width; /* of r and of s */
} curves[] = {
    {SIGNATURE_KEY_P256, METHOD_ECDSA_256, SIGNATURE_SHA2_256, 32},
    {SIGNATURE_KEY_P384, METHOD_ECDSA_384, SIGNATURE_SHA2_384, 48},
    {SIGNATURE_KEY_P521, METHOD_ECDSA_521, SIGNATURE_SHA2_512, 66},
};

static const struct curve_row *curve_row(enum signature_key key)
{
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++)
        if (curves[i].key == key)
            return &curves[i];
    return NULL;
}

/* --- the choice of a scheme --- */

static uint16_t old_method(uint8_t method)
{
    static const uint8_t old[] = {METHOD_RSA, METHOD_ECDSA_256, METHOD_ECDSA_384, METHOD_ECDSA_521};
    for (size_t i = 0; i < sizeof(old); i++)
        if (old[i] == method)
            return (uint16_t)(1u << (ALGORITHMS + i));
    return 0;
}

static uint16_t scheme_bit(const struct signature_scheme *scheme)
{
    return (uint16_t)(1u << (algorithm_of(scheme) - algorithms));
}

uint16_t signature_method(uint8_t method, struct span rest)
{
    struct signature_scheme scheme;
    if (method != METHOD_SIGNATURE)
        return rest.len == 0 ? old_method(method) : 0;
    return signature_scheme_read(rest, &scheme) ? scheme_bit(&scheme) : 0;
}

static bool announced(const struct signature_wish *wish, uint16_t method)
{
    return wish->methods == 0 || (wish->methods & method) != 0;
}

/* choose_old - for a peer without RFC 7427, or one that announced an old method. Method 1 allows
 * any hash and recommends SHA-1 (RFC 7296 section 3.8); we use SHA-256. */
static int choose_old(enum signature_key kind, const struct signature_wish *wish,
                      uint8_t *ret_method, struct signature_scheme *ret)
{
    const struct curve_row *curve = curve_row(kind);
    uint8_t method = curve != NULL ? curve->method : METHOD_RSA;
    struct signature_scheme scheme = {SIGNATURE_RSA_PKCS1, SIGNATURE_SHA2_256};
    if (curve != NULL)
        scheme = (struct signature_scheme){SIGNATURE_ECDSA, curve->hash};
    else if (kind != SIGNATURE_KEY_RSA || wish->pss)
        return ERR_NOT_FOUND;
    if ((wish->own != 0 && !(wish->own & BIT(scheme.hash))) || !announced(wish, old_method(method)))
        return ERR_NOT_FOUND;
    *ret_method = method;
    *ret = scheme;
    return 0;
}

/* choose_hash - the first hash that both ends have, in a scheme that the peer verifies. */
static int choose_hash(const struct signature_wish *wish, enum signature_kind kind,
                       enum signature_hash first, struct signature_scheme *ret)
{
    const enum signature_hash order[] = {first, SIGNATURE_SHA2_256, SIGNATURE_SHA2_384,
                                         SIGNATURE_SHA2_512};
    uint16_t both = wish->own != 0 ? wish->hashes & wish->own : wish->hashes;
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        const struct signature_scheme scheme = {kind, order[i]};
        if ((both & BIT(order[i])) && announced(wish, scheme_bit(&scheme))) {
            *ret = scheme;
            return 0;
        }
    }
    return ERR_NOT_FOUND;
}

static int choose_edwards(enum signature_key kind, const struct signature_wish *wish,
                          struct signature_scheme *ret)
{
    const struct signature_scheme scheme = {
        kind == SIGNATURE_KEY_ED25519 ? SIGNATURE_ED25519 : SIGNATURE_ED448, SIGNATURE_IDENTITY};
    if (!(wish->hashes & BIT(SIGNATURE_IDENTITY)) || !announced(wish, scheme_bit(&scheme)))
        return ERR_NOT_FOUND;
    *ret = scheme;
    return 0;
}

/* choose_new - a scheme for the Digital Signature of RFC 7427. */
static int choose_new(enum signature_key kind, const struct signature_wish *wish,
                      struct signature_scheme *ret)
{
    const struct curve_row *curve = curve_row(kind);
    if (kind == SIGNATURE_KEY_ED25519 || kind == SIGNATURE_KEY_ED448)
        return choose_edwards(kind, wish, ret);
    if (curve != NULL)
        return choose_hash(wish, SIGNATURE_ECDSA, curve->hash, ret);
    if (!wish->pss && choose_hash(wish, SIGNATURE_RSA_PKCS1, SIGNATURE_SHA2_256, ret) == 0)
        return 0;
    return wish->pss || wish->methods != 0
               ? choose_hash(wish, SIGNATURE_RSA_PSS, SIGNATURE_SHA2_256, ret)
               : ERR_NOT_FOUND;
}

int signature_choose(const EVP_PKEY *key, const struct signature_wish *wish, uint8_t *ret_method,
                     struct signature_scheme *ret_scheme)
{
    enum signature_key kind = signature_key_kind(key);
    if (kind == SIGNATURE_KEY_NONE)
        return ERR_NOT_FOUND;
    if (wish->hashes != 0 && choose_new(kind, wish, ret_scheme) == 0) {
        *ret_method = METHOD_SIGNATURE;
        return 0;
    }
    return wish->hashes == 0 || wish->methods != 0 ? choose_old(kind, wish, ret_method, ret_scheme)
                                                   : ERR_NOT_FOUND;
}

/* --- signing and checking --- */

static bool scheme_set(EVP_PKEY_CTX *ctx, const struct signature_scheme *scheme)
{
    if (scheme->kind != SIGNATURE_RSA_PSS)
        return true;
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, hash_of(scheme->hash)->len) == 1;
}

/* raw_from_der - writes r and s side by side, in the form of RFC 4754 section 7. */
static int raw_from_der(struct span der, size_t width, struct writer *w)
{
    const uint8_t *at = der.ptr;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)der.len);
    uint8_t *out = writer_reserve(w, 2 * width);
    bool ok = sig != NULL && out != NULL &&
              BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, (int)width) == (int)width &&
              BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + width, (int)width) == (int)width;
    ECDSA_SIG_free(sig);
    return ok ? 0 : ERR_CRYPTO;
}

/* der_from_raw - the reverse of raw_from_der. Returns the length; 0: malformed, or no memory. */
static size_t der_from_raw(struct span raw, uint8_t out[SIGNATURE_MAX])
{
    int half = (int)(raw.len / 2);
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw.ptr, half, NULL), *s = BN_bin2bn(raw.ptr + half, half, NULL);
    int len = 0;
    if (sig == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(sig, r, s) != 1) {
        BN_free(r);
        BN_free(s);
    } else {
        uint8_t *at = out;
        len = i2d_ECDSA_SIG(sig, NULL);
        len = len > 0 && len <= SIGNATURE_MAX ? i2d_ECDSA_SIG(sig, &at) : 0;
    }
    ECDSA_SIG_free(sig);
    return len > 0 ? (size_t)len : 0;
}

static int sign(EVP_PKEY *key, const struct signature_scheme *scheme, struct span octets,
                struct writer *ret)
{
    uint8_t signature[SIGNATURE_MAX];
    size_t len = sizeof(signature);
    EVP_PKEY_CTX *ctx;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool ok = digest != NULL &&
              EVP_DigestSignInit_ex(digest, &ctx, hash_of(scheme->hash)->name, NULL, NULL, key,
                                    NULL) == 1 &&
              scheme_set(ctx, scheme) &&
              EVP_DigestSign(digest, signature, &len, octets.ptr, octets.len) == 1;
    EVP_MD_CTX_free(digest);
    if (!ok)
        return ERR_CRYPTO;
    write_bytes(ret, span_of(signature, len));
    return 0;
}

int signature_present(const EVP_PKEY *key, uint8_t method, const struct signature_scheme *scheme,
                      struct span signature, struct writer *ret_auth)
{
    const struct curve_row *curve = curve_row(signature_key_kind(key));
    uint8_t room[96];
    struct writer algorithm = writer_of(room, sizeof(room));
    if (curve != NULL && method == curve->method)
        return raw_from_der(signature, curve->width, ret_auth);
    if (method != METHOD_SIGNATURE && method != METHOD_RSA)
        return ERR_INVALID;
    if (method == METHOD_SIGNATURE) {
        signature_scheme_write(scheme, &algorithm);
        write_u8(ret_auth, (uint8_t)algorithm.len);
        write_bytes(ret_auth, writer_span(&algorithm));
    }
    write_bytes(ret_auth, signature);
    return writer_failed(ret_auth) ? ERR_TRUNCATED : 0;
}

int signature_make(EVP_PKEY *key, uint8_t method, const struct signature_scheme *scheme,
                   struct span octets, struct writer *ret_auth)
{
    uint8_t room[SIGNATURE_MAX];
    struct writer plain = writer_of(room, sizeof(room));
    int error = signature_sign(key, scheme, octets, &plain);
    return error != 0 ? error
                      : signature_present(key, method, scheme, writer_span(&plain), ret_auth);
}

int signature_sign(EVP_PKEY *key, const struct signature_scheme *scheme, struct span octets,
                   struct writer *ret_signature)
{
    if (!kind_fits(scheme->kind, signature_key_kind(key)) || algorithm_of(scheme) == NULL)
        return ERR_INVALID;
    int error = sign(key, scheme, octets, ret_signature);
    return error == 0 && writer_failed(ret_signature) ? ERR_TRUNCATED : error;
}

static int check(EVP_PKEY *key, const struct signature_scheme *scheme, struct span octets,
                 struct span signature)
{
    EVP_PKEY_CTX *ctx;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    /* 1 is yes; 0 and all negative values are no (CVE-2013-2944) */
    bool ok = digest != NULL &&
              EVP_DigestVerifyInit_ex(digest, &ctx, hash_of(scheme->hash)->name, NULL, NULL, key,
                                      NULL) == 1 &&
              scheme_set(ctx, scheme) &&
              EVP_DigestVerify(digest, signature.ptr, signature.len, octets.ptr, octets.len) == 1;
    EVP_MD_CTX_free(digest);
    return ok ? 0 : ERR_AUTH;
}

int signature_from_token(EVP_PKEY *public, const struct signature_scheme *scheme,
                         struct span octets, struct span raw, struct writer *ret_signature)
{
    uint8_t room[SIGNATURE_MAX];
    if (scheme->kind == SIGNATURE_ECDSA)
        raw = span_of(room, raw.len == 0 || raw.len % 2 != 0 || raw.len > SIGNATURE_MAX / 2
                                ? 0
                                : der_from_raw(raw, room));
    if (raw.len == 0 || !kind_fits(scheme->kind, signature_key_kind(public)) ||
        algorithm_of(scheme) == NULL || check(public, scheme, octets, raw) != 0)
        return ERR_CRYPTO;
    write_bytes(ret_signature, raw);
    return writer_failed(ret_signature) ? ERR_TRUNCATED : 0;
}

/* check_rsa - method 1 does not name the hash, so each hash that we accept is tried. */
static int check_rsa(EVP_PKEY *key, const struct signature_claim *claim, struct span octets,
                     struct signature_scheme *ret)
{
    if (signature_key_kind(key) != SIGNATURE_KEY_RSA)
        return ERR_INVALID;
    for (enum signature_hash hash = SIGNATURE_SHA2_256; hash <= SIGNATURE_SHA2_512; hash++) {
        *ret = (struct signature_scheme){SIGNATURE_RSA_PKCS1, hash};
        if ((claim->hashes & BIT(hash)) && check(key, ret, octets, claim->auth) == 0)
            return 0;
    }
    return ERR_AUTH;
}

static int check_raw(EVP_PKEY *key, const struct signature_claim *claim, struct span octets,
                     struct signature_scheme *ret)
{
    const struct curve_row *curve = curve_row(signature_key_kind(key));
    uint8_t room[SIGNATURE_MAX];
    if (curve == NULL || curve->method != claim->method || claim->auth.len != 2 * curve->width)
        return ERR_INVALID;
    *ret = (struct signature_scheme){SIGNATURE_ECDSA, curve->hash};
    if (!(claim->hashes & BIT(curve->hash)))
        return ERR_NOT_FOUND;
    size_t len = der_from_raw(claim->auth, room);
    return len == 0 ? ERR_AUTH : check(key, ret, octets, span_of(room, len));
}

int signature_check(EVP_PKEY *key, const struct signature_claim *claim, struct span octets,
                    struct signature_scheme *ret_scheme)
{
    if (claim->method == METHOD_RSA)
        return check_rsa(key, claim, octets, ret_scheme);
    if (claim->method != METHOD_SIGNATURE)
        return check_raw(key, claim, octets, ret_scheme);
    /* RFC 7427 section 3: a length of one octet, the AlgorithmIdentifier, the signature */
    struct reader r = reader_of(claim->auth);
    struct span algorithm = read_bytes(&r, read_u8(&r));
    struct span signature = read_rest(&r);
    if (reader_failed(&r) || signature.len == 0)
        return ERR_INVALID;
    if (!signature_scheme_read(algorithm, ret_scheme))
        return ERR_NOT_FOUND;
    if (!kind_fits(ret_scheme->kind, signature_key_kind(key)))
        return ERR_INVALID;
    if (!(claim->hashes & BIT(ret_scheme->hash)))
        return ERR_NOT_FOUND;
    return check(key, ret_scheme, octets, signature);
}
