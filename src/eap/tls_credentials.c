/* SPDX-License-Identifier: Apache-2.0 */
#include "eap/tls_credentials.h"

#include <stdlib.h>

#include <openssl/x509v3.h>

#define TLS_CERTIFICATES 8 /* of our chain; CAs: 64 */
#define TLS_CAS          64

struct eap_tls {
    X509_STORE *roots;
    unsigned n_roots;
    STACK_OF(X509) * chain; /* ours first */
    EVP_PKEY *key;
};

struct eap_tls *eap_tls_new(void)
{
    struct eap_tls *tls = calloc(1, sizeof(*tls));
    if (tls == NULL)
        return NULL;
    tls->roots = X509_STORE_new();
    tls->chain = sk_X509_new_null();
    return tls->roots == NULL || tls->chain == NULL ? eap_tls_free(tls) : tls;
}

struct eap_tls *eap_tls_free(struct eap_tls *tls)
{
    if (tls == NULL)
        return NULL;
    X509_STORE_free(tls->roots);
    sk_X509_pop_free(tls->chain, X509_free);
    EVP_PKEY_free(tls->key);
    free(tls);
    return NULL;
}

static X509 *certificate_read(struct span der)
{
    const unsigned char *at = der.ptr;
    X509 *certificate = der.len > INT32_MAX ? NULL : d2i_X509(NULL, &at, (long)der.len);
    if (certificate != NULL && at != der.ptr + der.len) {
        X509_free(certificate);
        return NULL;
    }
    return certificate;
}

int eap_tls_ca_add(struct eap_tls *tls, struct span der)
{
    X509 *ca = certificate_read(der);
    if (ca == NULL)
        return ERR_INVALID;
    int error = tls->n_roots == TLS_CAS ? ERR_FULL : 0;
    if (error == 0 && X509_STORE_add_cert(tls->roots, ca) != 1)
        error = ERR_NO_MEMORY;
    tls->n_roots += error == 0;
    X509_free(ca);
    return error;
}

int eap_tls_certificate_add(struct eap_tls *tls, struct span der)
{
    X509 *certificate = certificate_read(der);
    if (certificate == NULL)
        return ERR_INVALID;
    if (sk_X509_num(tls->chain) < TLS_CERTIFICATES && sk_X509_push(tls->chain, certificate) > 0)
        return 0;
    X509_free(certificate);
    return ERR_FULL;
}

int eap_tls_key_set(struct eap_tls *tls, struct span der)
{
    const unsigned char *at = der.ptr;
    EVP_PKEY *key = der.len > INT32_MAX ? NULL : d2i_AutoPrivateKey(NULL, &at, (long)der.len);
    if (key == NULL)
        return ERR_INVALID;
    EVP_PKEY_free(tls->key);
    tls->key = key;
    return 0;
}

static bool own_apply(const struct eap_tls *tls, SSL_CTX *context)
{
    if (sk_X509_num(tls->chain) == 0 || tls->key == NULL)
        return false;
    bool ok = SSL_CTX_use_certificate(context, sk_X509_value(tls->chain, 0)) == 1 &&
              SSL_CTX_use_PrivateKey(context, tls->key) == 1;
    for (int i = 1; ok && i < sk_X509_num(tls->chain); i++)
        ok = SSL_CTX_add1_chain_cert(context, sk_X509_value(tls->chain, i)) == 1;
    return ok;
}

int eap_tls_apply(const struct eap_tls *tls, SSL_CTX *context)
{
    if (!own_apply(tls, context) || X509_STORE_up_ref(tls->roots) != 1)
        return ERR_INVALID;
    SSL_CTX_set_cert_store(context, tls->roots);
    return 0;
}

static bool common_name_is(const X509 *certificate, struct span identity)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
        return false;
    const ASN1_STRING *text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
    return span_equal(identity,
                      span_of(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text)));
}

static bool alternative_is(const GENERAL_NAME *name, struct span identity)
{
    int type;
    const ASN1_STRING *text = GENERAL_NAME_get0_value(name, &type);
    if (type != GEN_DNS && type != GEN_EMAIL)
        return false;
    return span_equal(identity,
                      span_of(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text)));
}

bool eap_tls_names(const X509 *certificate, struct span identity)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool any = false, found = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        any |= name->type == GEN_DNS || name->type == GEN_EMAIL;
        found |= alternative_is(name, identity);
    }
    GENERAL_NAMES_free(names);
    return found || (!any && common_name_is(certificate, identity));
}
