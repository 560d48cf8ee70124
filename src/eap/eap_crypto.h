/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_CRYPTO_H
#define EAP_CRYPTO_H

/*
 * The algorithms that only EAP methods need. MD4 and DES come from OpenSSL's legacy provider, which
 * is loaded into a separate library context. So no other code of the process can use them by
 * mistake.
 */

#include <openssl/evp.h>

#include "base/error.h"
#include "base/span.h"
#include "eap/eap.h"
#include "eap/tls_key.h"

struct eap_crypto {
    struct tls_library tls; /* of libssl */
    OSSL_LIB_CTX *library;
    OSSL_PROVIDER *legacy, *standard;
    EVP_MD *md4, *md5, *sha1, *sha256;
    EVP_MAC *hmac;
    EVP_CIPHER *des, *aes_128_ecb, *aes_128_cbc;
    EVP_MD_CTX *digest;
    EVP_CIPHER_CTX *cipher;
};

/* eap_digest - the hash of all parts, one after the other; `out` has room for it. ERR_CRYPTO. */
int eap_digest(struct eap_crypto *crypto, const EVP_MD *md, const struct span *parts, size_t n,
               uint8_t *out) MUST_USE;

/* eap_hmac - HMAC with "SHA1", "SHA256" or "MD5". ERR_CRYPTO. */
int eap_hmac(struct eap_crypto *crypto, const char *digest, struct span key,
             const struct span *parts, size_t n, struct buffer out) MUST_USE;

/* eap_cipher - encrypts or decrypts whole blocks, without padding. `iv` NULL: ECB. ERR_CRYPTO. */
int eap_cipher(struct eap_crypto *crypto, const EVP_CIPHER *cipher, bool encrypt,
               const uint8_t *key, const uint8_t *iv, struct span in, uint8_t *out) MUST_USE;

#endif
