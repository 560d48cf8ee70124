/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_TLS_CONTEXT_H
#define CRYPTO_TLS_CONTEXT_H

/*
 * TLS as EAP methods (RFC 5216, RFC 5281) and RADIUS (RFC 6614) both use it: versions, algorithms, our
 * certificates and the other side's chain. OpenSSL knows no CA here: the caller checks the chain.
 */

#include <openssl/ssl.h>

#include "base/span.h"

#define TLS_CHAIN 8 /* certificates of one side */

/* tls_context_new - TLS 1.2 and 1.3 with forward secrecy; no renegotiation, tickets, compression or
 * resumption. `library` NULL: OpenSSL's default one. NULL: no memory. */
SSL_CTX *tls_context_new(OSSL_LIB_CTX *library, const SSL_METHOD *method);

/*
 * tls_context_allow_dhe - also takes TLS 1.2 with Diffie-Hellman modulo a prime (DHE), after elliptic
 * curves. It is for EAP, where old peers have nothing else. RFC 9325 section 4.1 advises against DHE,
 * so RADIUS/TLS does without: administrators choose those servers. CBC cipher suites stay off for all:
 * each peer of TLS 1.2 that we met has GCM. As a server we use a group of RFC 3526 with 2048 bits or
 * more, by the strength of our certificate's key. false: no memory.
 */
bool tls_context_allow_dhe(SSL_CTX *context);

/* tls_group_known - after a handshake as client: the server chose elliptic curves or a group of RFC
 * 3526 or RFC 7919, not a prime of its own. */
bool tls_group_known(SSL *ssl);

/* tls_certificate_read - from DER; the caller frees it. NULL: malformed, or no memory. */
X509 *tls_certificate_read(OSSL_LIB_CTX *library, struct span der);

/* tls_context_present - sets our chain in DER, our own certificate first, and its key. OpenSSL keeps
 * copies. false: a certificate is malformed, or the key is not that of the first. */
bool tls_context_present(SSL_CTX *context, OSSL_LIB_CTX *library, const struct span *certs,
                         size_t n, EVP_PKEY *key);

/* struct tls_chain - the other side's certificates in DER, its own certificate first. */
struct tls_chain {
    size_t n; /* 0: the chain could not be read */
    struct span certs[TLS_CHAIN];
    unsigned char *octets[TLS_CHAIN]; /* owned */
};

/* tls_chain_read - for a callback of SSL_CTX_set_cert_verify_callback(). Certificates after the first
 * TLS_CHAIN are left out. */
void tls_chain_read(X509_STORE_CTX *ctx, struct tls_chain *ret);
void tls_chain_done(struct tls_chain *chain);

#endif
