/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_TLS_KEY_H
#define EAP_TLS_KEY_H

/*
 * A private key that OpenSSL's TLS uses and that is somewhere else. It is an EVP_PKEY of an OpenSSL
 * provider of ours: it holds the public key, and each signature is asked of struct eap_tls.
 *
 *     libssl -> EVP_DigestSign -> provider "ikat" -> eap_tls.sign -> the holder of the key
 *
 * The provider is loaded into a library context of its own, beside OpenSSL's default provider,
 * which does all the rest.
 */

#include <openssl/ssl.h>

#include "eap/eap.h"

struct tls_library {
    OSSL_LIB_CTX *context;
    OSSL_PROVIDER *standard, *ours;
};

/* false: no memory; tls_library_done() must be called nevertheless */
bool tls_library_init(struct tls_library *library);
void tls_library_done(struct tls_library *library);

/* tls_key_new - the key of the certificate. `tls` is borrowed while the key lives. NULL: no memory,
 * or the kind of key cannot sign here. */
EVP_PKEY *tls_key_new(struct tls_library *library, const struct eap_tls *tls, X509 *certificate);

#endif
