/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_PROVIDER_H
#define CRYPTO_PROVIDER_H

/*
 * The algorithms of libcrypto, fetched once, with contexts that get a new key for each use. So an
 * IKE SA needs memory for its keys only. Not thread-safe: each thread has its own provider.
 */

#include <openssl/evp.h>

#include "crypto/algorithm.h"

#define CRYPTO_HASHES 4

struct crypto_provider {
    EVP_MD *md[CRYPTO_HASHES];        /* by enum crypto_hash */
    EVP_MAC_CTX *hmac[CRYPTO_HASHES]; /* with its digest set; keyed for each use */
    EVP_MD_CTX *digest;
    EVP_CIPHER *aes_gcm_128, *aes_gcm_192, *aes_gcm_256, *chacha20_poly1305;
    EVP_CIPHER *aes_cbc_128, *aes_cbc_192, *aes_cbc_256;
    EVP_CIPHER_CTX *cipher;
};

struct crypto_provider *crypto_new(void); /* NULL: no memory, or libcrypto lacks an algorithm */
struct crypto_provider *crypto_free(struct crypto_provider *crypto); /* takes NULL; returns NULL */

/* crypto_forget - makes the contexts wipe the keys that they used last. Call it when the owner of
 * the keys is gone. */
void crypto_forget(struct crypto_provider *crypto);

/* crypto_aes_gcm, crypto_aes_cbc - the cipher for a key of 16, 24 or 32 octets. */
static inline const EVP_CIPHER *crypto_aes_gcm(const struct crypto_provider *crypto, size_t key_len)
{
    return key_len == 16   ? crypto->aes_gcm_128
           : key_len == 24 ? crypto->aes_gcm_192
                           : crypto->aes_gcm_256;
}
static inline const EVP_CIPHER *crypto_aes_cbc(const struct crypto_provider *crypto, size_t key_len)
{
    return key_len == 16   ? crypto->aes_cbc_128
           : key_len == 24 ? crypto->aes_cbc_192
                           : crypto->aes_cbc_256;
}

#endif
