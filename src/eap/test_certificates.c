/* SPDX-License-Identifier: Apache-2.0 */
#include "eap/test_certificates.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "base/assert.h"

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

static struct span der_of(unsigned char *der, int len)
{
    ASSERT(len > 0);
    return span_of(der, (size_t)len);
}

struct eap_tls *test_tls(const struct test_ca *issuer, const struct test_leaf *leaf,
                         const struct test_ca *trusted)
{
    char text[128];
    unsigned char *ours = NULL, *key_der = NULL, *ca = NULL;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = certificate_new(key, "cn.example", 2);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer->certificate));
    (void)snprintf(text, sizeof(text), "DNS:%s", leaf->name == NULL ? "" : leaf->name);
    if (leaf->name != NULL)
        extension_add(certificate, issuer->certificate, NID_subject_alt_name, text);
    if (leaf->eku != NULL)
        extension_add(certificate, issuer->certificate, NID_ext_key_usage, leaf->eku);
    if (leaf->from_s != 0 || leaf->to_s != 0) {
        X509_gmtime_adj(X509_getm_notBefore(certificate), leaf->from_s);
        X509_gmtime_adj(X509_getm_notAfter(certificate), leaf->to_s);
    }
    ASSERT(X509_sign(certificate, issuer->key, EVP_sha256()) > 0);
    struct eap_tls *tls = eap_tls_new();
    ASSERT(tls != NULL);
    int len = i2d_X509(certificate, &ours);
    int error = eap_tls_certificate_add(tls, der_of(ours, len));
    ASSERT(error == 0);
    len = i2d_PrivateKey(key, &key_der);
    error = eap_tls_key_set(tls, der_of(key_der, len));
    ASSERT(error == 0);
    len = i2d_X509(trusted->certificate, &ca);
    error = eap_tls_ca_add(tls, der_of(ca, len));
    ASSERT(error == 0);
    OPENSSL_free(ours);
    OPENSSL_free(key_der);
    OPENSSL_free(ca);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return tls;
}
