/* SPDX-License-Identifier: Apache-2.0 */
#include "eap/test_certificates.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509v3.h>

#include "base/assert.h"
#include "crypto/key_id.h"
#include "eap/tls_signed.h"

static void extension_add(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    ASSERT(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static X509 *certificate_new(EVP_PKEY *key, const char *name, long serial)
{
    X509 *certificate = X509_new();
    ASSERT(certificate != NULL && key != NULL);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -86400);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_pubkey(certificate, key);
    return certificate;
}

void test_ca_make(struct test_ca *ca, const char *name)
{
    ca->key = EVP_EC_gen("P-256");
    ca->certificate = certificate_new(ca->key, name, 1);
    X509_set_issuer_name(ca->certificate, X509_get_subject_name(ca->certificate));
    extension_add(ca->certificate, ca->certificate, NID_basic_constraints, "critical,CA:TRUE");
    ASSERT(X509_sign(ca->certificate, ca->key, EVP_sha256()) > 0);
}

void test_ca_end(struct test_ca *ca)
{
    X509_free(ca->certificate);
    EVP_PKEY_free(ca->key);
}

static EVP_PKEY *key_make(const char *kind)
{
    if (kind == NULL)
        return EVP_EC_gen("P-256");
    if (strcmp(kind, "RSA") == 0)
        return EVP_RSA_gen(2048);
    return kind[0] == 'P' ? EVP_EC_gen(kind) : EVP_PKEY_Q_keygen(NULL, NULL, kind);
}

/* sign - as the process that holds the key: the key must match, and the octets must be those of
 * TLS. */
static int sign(void *context, const struct eap_signature *wanted, struct writer *ret)
{
    struct test_tls *side = context;
    uint8_t key_id[EAP_KEY_ID], info_id[EAP_KEY_ID];
    ASSERT(crypto_key_ids(side->key, key_id, info_id) == 0);
    ASSERT(memcmp(key_id, wanted->key_id, EAP_KEY_ID) == 0);
    ASSERT(tls_signed_is(wanted->octets));
    side->signatures++;
    return signature_sign(side->key, &wanted->scheme, wanted->octets, ret);
}

static bool named(X509 *x509, struct span name)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    bool found = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const ASN1_STRING *text = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), NULL);
        found |= span_equal(name,
                            span_of(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text)));
    }
    GENERAL_NAMES_free(names);
    return found;
}

/* check - a short form of the verifier process. */
static int check(void *context, const struct eap_chain *chain, struct eap_vouched *ret_vouched,
                 char *reason)
{
    const struct test_tls *side = context;
    const unsigned char *at = chain->certs[0].ptr;
    X509 *leaf = d2i_X509(NULL, &at, (long)chain->certs[0].len);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    bool right = leaf != NULL && X509_STORE_add_cert(store, side->trusted) == 1 &&
                 X509_STORE_CTX_init(ctx, store, leaf, NULL) == 1 &&
                 X509_STORE_CTX_set_purpose(ctx, chain->of_server ? X509_PURPOSE_SSL_SERVER
                                                                  : X509_PURPOSE_SSL_CLIENT) == 1 &&
                 X509_verify_cert(ctx) == 1;
    if (right && chain->of_server)
        right = side->server == NULL || named(leaf, span_text(side->server));
    else if (right)
        right = named(leaf, chain->identity);
    if (!right)
        (void)snprintf(reason, EAP_REASON, "the certificate is refused");
    *ret_vouched = (struct eap_vouched){.not_after = 1234567890, .chain = 7};
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    X509_free(leaf);
    return right ? 0 : ERR_AUTH;
}

void test_tls_make(struct test_tls *side, const struct test_ca *issuer,
                   const struct test_leaf *leaf, const struct test_ca *trusted)
{
    char text[128];
    EVP_PKEY *key = key_make(leaf->key);
    X509 *certificate = certificate_new(key, "cn.example", 2);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer->certificate));
    (void)snprintf(text, sizeof(text), "DNS:%s", leaf->name == NULL ? "" : leaf->name);
    if (leaf->name != NULL)
        extension_add(certificate, issuer->certificate, NID_subject_alt_name, text);
    if (leaf->eku != NULL)
        extension_add(certificate, issuer->certificate, NID_ext_key_usage, leaf->eku);
    if (leaf->aia != NULL)
        extension_add(certificate, issuer->certificate, NID_info_access, leaf->aia);
    if (leaf->from_s != 0 || leaf->to_s != 0) {
        X509_gmtime_adj(X509_getm_notBefore(certificate), leaf->from_s);
        X509_gmtime_adj(X509_getm_notAfter(certificate), leaf->to_s);
    }
    ASSERT(X509_sign(certificate, issuer->key, EVP_sha256()) > 0);
    *side = (struct test_tls){.key = key};
    int len = i2d_X509(certificate, &side->der);
    ASSERT(len > 0 && X509_up_ref(trusted->certificate) == 1);
    side->trusted = trusted->certificate;
    side->tls = (struct eap_tls){.n_certs = 1, .sign = sign, .check = check, .context = side};
    side->tls.certs[0] = span_of(side->der, (size_t)len);
    X509_free(certificate);
}

void test_tls_end(struct test_tls *side)
{
    EVP_PKEY_free(side->key);
    OPENSSL_free(side->der);
    X509_free(side->trusted);
    *side = (struct test_tls){0};
}

EVP_PKEY *test_rsa_make(int bits)
{
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *n = BN_new(), *phi = BN_new(), *p = BN_new(), *e = BN_new(), *d = BN_new();
    ASSERT(BN_set_word(e, 65537) + BN_one(n) + BN_one(phi) == 3);
    while (BN_num_bits(n) < bits) {
        ASSERT(BN_generate_prime_ex(p, 256, 0, NULL, NULL, NULL) == 1);
        ASSERT(BN_mul(n, n, p, ctx) == 1);
        ASSERT(BN_sub_word(p, 1) + BN_mul(phi, phi, p, ctx) == 2);
    }
    ASSERT(BN_mod_inverse(d, e, phi, ctx) != NULL);
    OSSL_PARAM_BLD *parts = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_BN(parts, OSSL_PKEY_PARAM_RSA_N, n);
    OSSL_PARAM_BLD_push_BN(parts, OSSL_PKEY_PARAM_RSA_E, e);
    OSSL_PARAM_BLD_push_BN(parts, OSSL_PKEY_PARAM_RSA_D, d);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(parts);
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *rsa = NULL;
    ASSERT(EVP_PKEY_fromdata_init(maker) == 1);
    ASSERT(EVP_PKEY_fromdata(maker, &rsa, EVP_PKEY_KEYPAIR, params) == 1);
    EVP_PKEY_CTX_free(maker);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(parts);
    BIGNUM *all[] = {n, phi, p, e, d};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        BN_free(all[i]);
    BN_CTX_free(ctx);
    return rsa;
}
