/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/token/token_key.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

/* key_from - frees the parameters. */
static EVP_PKEY *key_from(const char *type, OSSL_PARAM *params)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = params == NULL ? NULL : EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return key;
}

EVP_PKEY *token_key_rsa(struct span modulus, struct span exponent)
{
    if (modulus.len == 0 || exponent.len == 0)
        return NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *n = BN_bin2bn(modulus.ptr, (int)modulus.len, NULL);
    BIGNUM *e = BN_bin2bn(exponent.ptr, (int)exponent.len, NULL);
    bool ok = build != NULL && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
              OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1;
    EVP_PKEY *key = ok ? key_from("RSA", OSSL_PARAM_BLD_to_param(build)) : NULL;
    OSSL_PARAM_BLD_free(build);
    BN_free(n);
    BN_free(e);
    return key;
}

/* curve_name - of a curve that is named; NULL: of one that is given by its parameters. */
static const char *curve_name(struct span params)
{
    const uint8_t *at = params.ptr;
    ASN1_OBJECT *object = params.len == 0 ? NULL : d2i_ASN1_OBJECT(NULL, &at, (long)params.len);
    int nid = object == NULL ? NID_undef : OBJ_obj2nid(object);
    ASN1_OBJECT_free(object);
    return nid == NID_undef ? NULL : OBJ_nid2sn(nid);
}

EVP_PKEY *token_key_ec(struct span params, struct span point)
{
    const char *curve = curve_name(params);
    const uint8_t *at = point.ptr;
    ASN1_OCTET_STRING *octets =
        point.len == 0 ? NULL : d2i_ASN1_OCTET_STRING(NULL, &at, (long)point.len);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    bool ok = curve != NULL && octets != NULL && build != NULL &&
              OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) == 1 &&
              OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY,
                                               ASN1_STRING_get0_data(octets),
                                               (size_t)ASN1_STRING_length(octets)) == 1;
    EVP_PKEY *key = ok ? key_from("EC", OSSL_PARAM_BLD_to_param(build)) : NULL;
    OSSL_PARAM_BLD_free(build);
    ASN1_OCTET_STRING_free(octets);
    return key;
}

EVP_PKEY *token_key_of_certificate(struct span der)
{
    const uint8_t *at = der.ptr;
    X509 *certificate = d2i_X509(NULL, &at, (long)der.len);
    EVP_PKEY *key = certificate == NULL ? NULL : X509_get_pubkey(certificate);
    X509_free(certificate);
    return key;
}

int token_key_write(const EVP_PKEY *key, struct writer *w)
{
    uint8_t *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    if (len <= 0)
        return ERR_CRYPTO;
    write_bytes(w, span_of(der, (size_t)len));
    OPENSSL_free(der);
    return 0;
}

/* struct digest_row - `prefix`: the DigestInfo before the hash (RFC 8017 section 9.2 note 1). */
static const struct digest_row {
    enum signature_hash hash;
    const char *name;
    uint8_t prefix[19];
} digests[] = {
    {SIGNATURE_SHA2_256,
     "SHA2-256",
     {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
      0x05, 0x00, 0x04, 0x20}},
    {SIGNATURE_SHA2_384,
     "SHA2-384",
     {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02,
      0x05, 0x00, 0x04, 0x30}},
    {SIGNATURE_SHA2_512,
     "SHA2-512",
     {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03,
      0x05, 0x00, 0x04, 0x40}},
};

size_t token_key_input(const struct signature_scheme *scheme, struct span octets,
                       uint8_t ret[TOKEN_KEY_INPUT])
{
    struct writer w = writer_of(ret, TOKEN_KEY_INPUT);
    for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
        uint8_t hash[EVP_MAX_MD_SIZE];
        size_t len = 0;
        if (digests[i].hash != scheme->hash || scheme->kind > SIGNATURE_ECDSA ||
            EVP_Q_digest(NULL, digests[i].name, NULL, octets.ptr, octets.len, hash, &len) != 1)
            continue;
        if (scheme->kind == SIGNATURE_RSA_PKCS1)
            write_bytes(&w, span_of(digests[i].prefix, sizeof(digests[i].prefix)));
        write_bytes(&w, span_of(hash, len));
    }
    return writer_span(&w).len;
}
