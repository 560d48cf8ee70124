/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/provider.h"

#include <openssl/core_names.h>
#include <stdlib.h>

static const char *const md_names[CRYPTO_HASHES] = {"SHA1", "SHA2-256", "SHA2-384", "SHA2-512"};

static bool fetch_hashes(struct crypto_provider *crypto)
{
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    bool ok = hmac != NULL;
    for (int i = 0; ok && i < CRYPTO_HASHES; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "%s", md_names[i]);
        OSSL_PARAM params[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
            OSSL_PARAM_construct_end(),
        };
        crypto->md[i] = EVP_MD_fetch(NULL, md_names[i], NULL);
        crypto->hmac[i] = EVP_MAC_CTX_new(hmac);
        ok = crypto->md[i] != NULL && crypto->hmac[i] != NULL &&
             EVP_MAC_CTX_set_params(crypto->hmac[i], params) == 1;
    }
    EVP_MAC_free(hmac);
    return ok;
}

struct crypto_provider *crypto_new(void)
{
    struct crypto_provider *crypto = calloc(1, sizeof(*crypto));
    if (crypto == NULL)
        return NULL;
    crypto->digest = EVP_MD_CTX_new();
    crypto->cipher = EVP_CIPHER_CTX_new();
    crypto->aes_gcm_128 = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
    crypto->aes_gcm_192 = EVP_CIPHER_fetch(NULL, "AES-192-GCM", NULL);
    crypto->aes_gcm_256 = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    crypto->chacha20_poly1305 = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
    crypto->aes_cbc_128 = EVP_CIPHER_fetch(NULL, "AES-128-CBC", NULL);
    crypto->aes_cbc_192 = EVP_CIPHER_fetch(NULL, "AES-192-CBC", NULL);
    crypto->aes_cbc_256 = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    if (crypto->digest == NULL || crypto->cipher == NULL || crypto->aes_gcm_128 == NULL ||
        crypto->aes_gcm_192 == NULL || crypto->aes_cbc_192 == NULL || crypto->aes_gcm_256 == NULL ||
        crypto->chacha20_poly1305 == NULL || crypto->aes_cbc_128 == NULL ||
        crypto->aes_cbc_256 == NULL || !fetch_hashes(crypto))
        return crypto_free(crypto);
    return crypto;
}

struct crypto_provider *crypto_free(struct crypto_provider *crypto)
{
    if (crypto == NULL)
        return NULL;
    for (int i = 0; i < CRYPTO_HASHES; i++) {
        EVP_MD_free(crypto->md[i]);
        EVP_MAC_CTX_free(crypto->hmac[i]);
    }
    EVP_MD_CTX_free(crypto->digest);
    EVP_CIPHER_free(crypto->aes_gcm_128);
    EVP_CIPHER_free(crypto->aes_gcm_192);
    EVP_CIPHER_free(crypto->aes_gcm_256);
    EVP_CIPHER_free(crypto->chacha20_poly1305);
    EVP_CIPHER_free(crypto->aes_cbc_128);
    EVP_CIPHER_free(crypto->aes_cbc_192);
    EVP_CIPHER_free(crypto->aes_cbc_256);
    EVP_CIPHER_CTX_free(crypto->cipher);
    free(crypto);
    return NULL;
}

void crypto_forget(struct crypto_provider *crypto)
{
    static const uint8_t none[1];
    (void)EVP_CIPHER_CTX_reset(crypto->cipher);
    for (int i = 0; i < CRYPTO_HASHES; i++)
        (void)EVP_MAC_init(crypto->hmac[i], none, sizeof(none), NULL);
}
