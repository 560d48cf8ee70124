/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/sk.h"

#include "base/assert.h"
#include "base/secret.h"
#include "crypto/prf.h"

#define NONCE_LEN 12

static size_t padded(const struct crypto_encr *encr, size_t plain)
{
    size_t len = plain + 1; /* Pad Length */
    return (len + encr->block_len - 1) / encr->block_len * encr->block_len;
}

static size_t icv_len(const struct sk_keys *keys)
{
    return keys->encr->aead ? keys->encr->icv_len : keys->integ->icv_len;
}

size_t sk_size(const struct sk_keys *keys, size_t plain)
{
    return keys->encr->iv_len + padded(keys->encr, plain) + icv_len(keys);
}

size_t sk_plain_max(const struct sk_keys *keys, size_t size)
{
    size_t fixed = keys->encr->iv_len + icv_len(keys);
    if (size < fixed + keys->encr->block_len)
        return 0;
    return (size - fixed) / keys->encr->block_len * keys->encr->block_len - 1;
}

static const EVP_CIPHER *cipher_of(const struct crypto_provider *crypto,
                                   const struct crypto_encr *encr)
{
    if (encr->id == 28)
        return crypto->chacha20_poly1305;
    if (encr->aead)
        return crypto_aes_gcm(crypto, encr->key_len);
    return crypto_aes_cbc(crypto, encr->key_len);
}

static void nonce_of(const struct sk_keys *keys, const uint8_t *iv, uint8_t nonce[NONCE_LEN])
{
    memcpy(nonce, keys->encr_key + keys->encr->key_len, keys->encr->salt_len);
    memcpy(nonce + keys->encr->salt_len, iv, keys->encr->iv_len);
}

static bool aead_seal(struct crypto_provider *crypto, const struct sk_keys *keys, struct span aad,
                      const uint8_t *iv, struct buffer text)
{
    EVP_CIPHER_CTX *ctx = crypto->cipher;
    uint8_t nonce[NONCE_LEN];
    int len;
    nonce_of(keys, iv, nonce);
    return EVP_EncryptInit_ex2(ctx, cipher_of(crypto, keys->encr), keys->encr_key, nonce, NULL) ==
               1 &&
           EVP_EncryptUpdate(ctx, NULL, &len, aad.ptr, (int)aad.len) == 1 &&
           EVP_EncryptUpdate(ctx, text.ptr, &len, text.ptr, (int)text.len) == 1 &&
           EVP_EncryptFinal_ex(ctx, text.ptr + text.len, &len) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, keys->encr->icv_len,
                               text.ptr + text.len) == 1;
}

static bool aead_open(struct crypto_provider *crypto, const struct sk_keys *keys, struct span aad,
                      const uint8_t *iv, struct buffer text)
{
    EVP_CIPHER_CTX *ctx = crypto->cipher;
    uint8_t nonce[NONCE_LEN];
    int len;
    nonce_of(keys, iv, nonce);
    return EVP_DecryptInit_ex2(ctx, cipher_of(crypto, keys->encr), keys->encr_key, nonce, NULL) ==
               1 &&
           EVP_DecryptUpdate(ctx, NULL, &len, aad.ptr, (int)aad.len) == 1 &&
           EVP_DecryptUpdate(ctx, text.ptr, &len, text.ptr, (int)text.len) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, keys->encr->icv_len,
                               text.ptr + text.len) == 1 &&
           EVP_DecryptFinal_ex(ctx, text.ptr + text.len, &len) == 1;
}

static bool cbc(struct crypto_provider *crypto, const struct sk_keys *keys, const uint8_t *iv,
                struct buffer text, int encrypt)
{
    EVP_CIPHER_CTX *ctx = crypto->cipher;
    int len;
    return EVP_CipherInit_ex2(ctx, cipher_of(crypto, keys->encr), keys->encr_key, iv, encrypt,
                              NULL) == 1 &&
           EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
           EVP_CipherUpdate(ctx, text.ptr, &len, text.ptr, (int)text.len) == 1;
}

static bool mac(struct crypto_provider *crypto, const struct sk_keys *keys, struct span octets,
                uint8_t out[CRYPTO_HASH_MAX])
{
    return crypto_hmac(crypto, keys->integ->hash, span_of(keys->integ_key, keys->integ->key_len),
                       &octets, 1, out) == 0;
}

int sk_seal(struct crypto_provider *crypto, const struct sk_keys *keys, struct buffer message,
            size_t associated, size_t plain, uint64_t iv, const struct random *random)
{
    const struct crypto_encr *encr = keys->encr;
    ASSERT(message.len == associated + sk_size(keys, plain));
    uint8_t *iv_at = message.ptr + associated;
    struct buffer text = {iv_at + encr->iv_len, padded(encr, plain)};
    size_t padding = text.len - plain - 1;

    memset(text.ptr + plain, 0, padding);
    text.ptr[text.len - 1] = (uint8_t)padding;
    if (encr->aead) {
        for (int i = 0; i < 8; i++)
            iv_at[i] = (uint8_t)(iv >> (56 - 8 * i));
        return aead_seal(crypto, keys, span_of(message.ptr, associated), iv_at, text) ? 0
                                                                                      : ERR_CRYPTO;
    }
    uint8_t tag[CRYPTO_HASH_MAX];
    random_fill(random, iv_at, encr->iv_len);
    if (!cbc(crypto, keys, iv_at, text, 1) ||
        !mac(crypto, keys, span_of(message.ptr, associated + encr->iv_len + text.len), tag))
        return ERR_CRYPTO;
    memcpy(text.ptr + text.len, tag, keys->integ->icv_len);
    return 0;
}

int sk_open(struct crypto_provider *crypto, const struct sk_keys *keys, struct buffer message,
            size_t associated, struct span *ret_plain)
{
    const struct crypto_encr *encr = keys->encr;
    size_t fixed = associated + encr->iv_len + icv_len(keys);
    if (message.len < fixed + encr->block_len || (message.len - fixed) % encr->block_len != 0)
        return ERR_AUTH;
    uint8_t *iv = message.ptr + associated;
    struct buffer text = {iv + encr->iv_len, message.len - fixed};

    if (encr->aead) {
        if (!aead_open(crypto, keys, span_of(message.ptr, associated), iv, text))
            return ERR_AUTH;
    } else {
        uint8_t tag[CRYPTO_HASH_MAX];
        if (!mac(crypto, keys, span_of(message.ptr, associated + encr->iv_len + text.len), tag) ||
            !ct_equal(tag, text.ptr + text.len, keys->integ->icv_len) ||
            !cbc(crypto, keys, iv, text, 0))
            return ERR_AUTH;
    }
    size_t padding = text.ptr[text.len - 1];
    if (padding + 1 > text.len)
        return ERR_AUTH;
    *ret_plain = span_of(text.ptr, text.len - padding - 1);
    return 0;
}
