/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_TLS_KEY_H
#define EAP_TLS_KEY_H

/*
 * A key for OpenSSL's TLS whose private half is in another process. It is an EVP_PKEY of our own
 * OpenSSL provider. The EVP_PKEY holds the public key; struct eap_tls makes each signature.
 *
 *     libssl -> EVP_DigestSign -> provider "ikat" -> eap_tls.sign -> the holder of the key
 *
 * The provider is loaded into a separate library context, together with OpenSSL's default provider,
 * which does all other work.
 */

#include <openssl/ssl.h>

#include "eap/eap.h"

struct tls_library {
    OSSL_LIB_CTX *context;
    OSSL_PROVIDER *standard, *ours;
};

/* tls_library_init - false: no memory. Call tls_library_done() in both cases. */
bool tls_library_init(struct tls_library *library);
void tls_library_done(struct tls_library *library);

/* tls_key_new - the key of the certificate, which borrows `tls`. NULL: no memory, or an unsupported
 * kind of key. */
EVP_PKEY *tls_key_new(struct tls_library *library, const struct eap_tls *tls, X509 *certificate);

#endif
