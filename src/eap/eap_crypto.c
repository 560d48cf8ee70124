/* SPDX-License-Identifier: Apache-2.0 */
#include "eap/eap_crypto.h"

#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/provider.h>

static bool fetch(struct eap_crypto *c)
{
    c->library = OSSL_LIB_CTX_new();
    if (c->library == NULL || !tls_library_init(&c->tls))
        return false;
    c->standard = OSSL_PROVIDER_load(c->library, "default");
    c->legacy = OSSL_PROVIDER_load(c->library, "legacy");
    c->md4 = EVP_MD_fetch(c->library, "MD4", NULL);
    c->md5 = EVP_MD_fetch(c->library, "MD5", NULL);
    c->sha1 = EVP_MD_fetch(c->library, "SHA1", NULL);
    c->sha256 = EVP_MD_fetch(c->library, "SHA256", NULL);
    c->hmac = EVP_MAC_fetch(c->library, "HMAC", NULL);
    c->des = EVP_CIPHER_fetch(c->library, "DES-ECB", NULL);
    c->aes_128_ecb = EVP_CIPHER_fetch(c->library, "AES-128-ECB", NULL);
    c->aes_128_cbc = EVP_CIPHER_fetch(c->library, "AES-128-CBC", NULL);
    c->digest = EVP_MD_CTX_new();
    c->cipher = EVP_CIPHER_CTX_new();
    return c->standard != NULL && c->legacy != NULL && c->md4 != NULL && c->md5 != NULL &&
           c->sha1 != NULL && c->sha256 != NULL && c->hmac != NULL && c->des != NULL &&
           c->aes_128_ecb != NULL && c->aes_128_cbc != NULL && c->digest != NULL &&
           c->cipher != NULL;
}

struct eap_crypto *eap_crypto_new(void)
{
    struct eap_crypto *crypto = calloc(1, sizeof(*crypto));
    if (crypto == NULL || fetch(crypto))
        return crypto;
    return eap_crypto_free(crypto);
}

struct eap_crypto *eap_crypto_free(struct eap_crypto *c)
{
    if (c == NULL)
        return NULL;
    EVP_CIPHER_CTX_free(c->cipher);
    EVP_MD_CTX_free(c->digest);
    EVP_CIPHER_free(c->aes_128_cbc);
    EVP_CIPHER_free(c->aes_128_ecb);
    EVP_CIPHER_free(c->des);
    EVP_MAC_free(c->hmac);
    EVP_MD_free(c->sha256);
    EVP_MD_free(c->sha1);
    EVP_MD_free(c->md5);
    EVP_MD_free(c->md4);
    if (c->legacy != NULL)
        OSSL_PROVIDER_unload(c->legacy);
    if (c->standard != NULL)
        OSSL_PROVIDER_unload(c->standard);
    OSSL_LIB_CTX_free(c->library);
    tls_library_done(&c->tls);
    free(c);
    return NULL;
}

int eap_digest(struct eap_crypto *crypto, const EVP_MD *md, const struct span *parts, size_t n,
               uint8_t *out)
{
    bool ok = EVP_DigestInit_ex2(crypto->digest, md, NULL) == 1;
    for (size_t i = 0; ok && i < n; i++)
        ok = EVP_DigestUpdate(crypto->digest, parts[i].ptr, parts[i].len) == 1;
    ok = ok && EVP_DigestFinal_ex(crypto->digest, out, NULL) == 1;
    (void)EVP_MD_CTX_reset(crypto->digest);
    return ok ? 0 : ERR_CRYPTO;
}

int eap_hmac(struct eap_crypto *crypto, const char *digest, struct span key,
             const struct span *parts, size_t n, struct buffer out)
{
    static const uint8_t empty_key = 0;     /* OpenSSL takes a NULL key for the one set before */
    char *name = (char *)(uintptr_t)digest; /* OSSL_PARAM holds char *, and does not write there */
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };
    uint8_t whole[EVP_MAX_MD_SIZE];
    size_t len = 0;
    EVP_MAC_CTX *mac = EVP_MAC_CTX_new(crypto->hmac);
    bool ok =
        mac != NULL && EVP_MAC_init(mac, key.len > 0 ? key.ptr : &empty_key, key.len, params) == 1;
    for (size_t i = 0; ok && i < n; i++)
        ok = EVP_MAC_update(mac, parts[i].ptr, parts[i].len) == 1;
    ok = ok && EVP_MAC_final(mac, whole, &len, sizeof(whole)) == 1 && len >= out.len;
    if (ok)
        memcpy(out.ptr, whole, out.len);
    EVP_MAC_CTX_free(mac);
    OPENSSL_cleanse(whole, sizeof(whole));
    return ok ? 0 : ERR_CRYPTO;
}

int eap_cipher(struct eap_crypto *crypto, const EVP_CIPHER *cipher, bool encrypt,
               const uint8_t *key, const uint8_t *iv, struct span in, uint8_t *out)
{
    int len = 0, last = 0;
    bool ok = EVP_CipherInit_ex2(crypto->cipher, cipher, key, iv, encrypt ? 1 : 0, NULL) == 1 &&
              EVP_CIPHER_CTX_set_padding(crypto->cipher, 0) == 1 &&
              EVP_CipherUpdate(crypto->cipher, out, &len, in.ptr, (int)in.len) == 1 &&
              EVP_CipherFinal_ex(crypto->cipher, out + len, &last) == 1 &&
              (size_t)len + (size_t)last == in.len;
    (void)EVP_CIPHER_CTX_reset(crypto->cipher);
    return ok ? 0 : ERR_CRYPTO;
}
