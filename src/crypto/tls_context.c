/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/tls_context.h"

/* RFC 6614 section 2.3 also asks for 3DES and RC4, which RFC 9325 section 4.1 forbids. */
#define CIPHERS_12     "ECDHE+AESGCM:ECDHE+CHACHA20"
#define CIPHERS_12_DHE CIPHERS_12 ":DHE+aRSA+AESGCM:DHE+aRSA+CHACHA20"
#define GROUPS         "X25519:P-256:P-384:P-521"
#define SIGNATURES                                                                                 \
    "ed25519:ed448:ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:rsa_pss_rsae_sha256:"                    \
    "rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:RSA+SHA256:RSA+SHA384:RSA+SHA512"
#define SECURITY_LEVEL 2 /* 112 bits, as for IKE */

static bool algorithms_set(SSL_CTX *context)
{
    SSL_CTX_set_security_level(context, SECURITY_LEVEL);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(context, CIPHERS_12) == 1 &&
           SSL_CTX_set1_groups_list(context, GROUPS) == 1 &&
           SSL_CTX_set1_sigalgs_list(context, SIGNATURES) == 1;
}

SSL_CTX *tls_context_new(OSSL_LIB_CTX *library, const SSL_METHOD *method)
{
    SSL_CTX *context = SSL_CTX_new_ex(library, NULL, method);
    if (context == NULL || !algorithms_set(context) || SSL_CTX_set_num_tickets(context, 0) != 1) {
        SSL_CTX_free(context);
        return NULL;
    }
    (void)SSL_CTX_set_options(context,
                              SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    return context;
}

bool tls_context_allow_dhe(SSL_CTX *context)
{
    (void)SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
    return SSL_CTX_set_cipher_list(context, CIPHERS_12_DHE) == 1 &&
           SSL_CTX_set_dh_auto(context, 1) == 1;
}

/* OpenSSL itself refuses groups below the security level. The groups of RFC 5114 have names as well,
 * and small subgroups. */
bool tls_group_known(SSL *ssl)
{
    EVP_PKEY *key = NULL;
    char name[32] = "";
    if (SSL_get_peer_tmp_key(ssl, &key) != 1)
        return true;
    bool known = !EVP_PKEY_is_a(key, "DH") ||
                 (EVP_PKEY_get_group_name(key, name, sizeof(name), NULL) == 1 &&
                  (strncmp(name, "modp_", 5) == 0 || strncmp(name, "ffdhe", 5) == 0));
    EVP_PKEY_free(key);
    return known;
}

X509 *tls_certificate_read(OSSL_LIB_CTX *library, struct span der)
{
    X509 *x509 = X509_new_ex(library, NULL);
    const unsigned char *at = der.ptr;
    if (x509 != NULL && (der.len > INT32_MAX || d2i_X509(&x509, &at, (long)der.len) == NULL)) {
        X509_free(x509);
        return NULL;
    }
    return x509;
}

bool tls_context_present(SSL_CTX *context, OSSL_LIB_CTX *library, const struct span *certs,
                         size_t n, EVP_PKEY *key)
{
    X509 *ours = n == 0 ? NULL : tls_certificate_read(library, certs[0]);
    bool ok = ours != NULL && SSL_CTX_use_cert_and_key(context, ours, key, NULL, 1) == 1;
    for (size_t i = 1; ok && i < n; i++) {
        X509 *ca = tls_certificate_read(library, certs[i]);
        ok = ca != NULL && SSL_CTX_add1_chain_cert(context, ca) == 1;
        X509_free(ca);
    }
    X509_free(ours);
    return ok;
}

void tls_chain_read(X509_STORE_CTX *ctx, struct tls_chain *ret)
{
    const STACK_OF(X509) *given = X509_STORE_CTX_get0_untrusted(ctx);
    X509 *leaf = X509_STORE_CTX_get0_cert(ctx);
    *ret = (struct tls_chain){0};
    for (int i = -1; ret->n < TLS_CHAIN && i < sk_X509_num(given); i++) {
        X509 *x509 = i < 0 ? leaf : sk_X509_value(given, i);
        if (i >= 0 && X509_cmp(x509, leaf) == 0)
            continue;
        int len = i2d_X509(x509, &ret->octets[ret->n]);
        if (len <= 0)
            break;
        ret->certs[ret->n] = span_of(ret->octets[ret->n], (size_t)len);
        ret->n++;
    }
}

void tls_chain_done(struct tls_chain *chain)
{
    for (size_t i = 0; i < chain->n; i++)
        OPENSSL_free(chain->octets[i]);
    *chain = (struct tls_chain){0};
}
