/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/prf.h"

#include "base/assert.h"
#include "base/secret.h"

#define SEED_PARTS 8

int crypto_digest(struct crypto_provider *crypto, enum crypto_hash hash, const struct span *parts,
                  size_t n, uint8_t *out)
{
    bool ok = EVP_DigestInit_ex2(crypto->digest, crypto->md[hash], NULL) == 1;
    for (size_t i = 0; ok && i < n; i++)
        ok = EVP_DigestUpdate(crypto->digest, parts[i].ptr, parts[i].len) == 1;
    return ok && EVP_DigestFinal_ex(crypto->digest, out, NULL) == 1 ? 0 : ERR_CRYPTO;
}

int crypto_hmac(struct crypto_provider *crypto, enum crypto_hash hash, struct span key,
                const struct span *parts, size_t n, uint8_t *out)
{
    EVP_MAC_CTX *ctx = crypto->hmac[hash];
    static const uint8_t none[1];
    size_t len = 0;
    /* libcrypto takes a NULL key for "the same key as before", so an empty key needs a pointer */
    bool ok = EVP_MAC_init(ctx, key.len == 0 ? none : key.ptr, key.len, NULL) == 1;
    for (size_t i = 0; ok && i < n; i++)
        ok = parts[i].len == 0 || EVP_MAC_update(ctx, parts[i].ptr, parts[i].len) == 1;
    return ok && EVP_MAC_final(ctx, out, &len, CRYPTO_HASH_MAX) == 1 ? 0 : ERR_CRYPTO;
}

int crypto_prf(struct crypto_provider *crypto, uint16_t prf, struct span key,
               const struct span *parts, size_t n, uint8_t *out)
{
    const struct crypto_prf *info = crypto_prf_find(prf);
    ASSERT(info != NULL);
    return crypto_hmac(crypto, info->hash, key, parts, n, out);
}

int crypto_prf_plus(struct crypto_provider *crypto, uint16_t prf, struct span key,
                    const struct span *seed, size_t n, struct buffer out)
{
    const struct crypto_prf *info = crypto_prf_find(prf);
    ASSERT(info != NULL && n <= SEED_PARTS && out.len <= 255u * info->len);
    struct span parts[SEED_PARTS + 2];
    uint8_t block[CRYPTO_HASH_MAX];
    uint8_t counter = 1;
    int err = 0;

    memcpy(parts + 1, seed, n * sizeof(seed[0]));
    parts[n + 1] = span_of(&counter, 1);
    for (size_t done = 0; err == 0 && done < out.len; counter++) {
        parts[0] = span_of(block, counter == 1 ? 0 : info->len);
        err = crypto_hmac(crypto, info->hash, key, parts, n + 2, block);
        size_t len = out.len - done < info->len ? out.len - done : info->len;
        memcpy(out.ptr + done, block, len);
        done += len;
    }
    wipe(block, sizeof(block));
    return err;
}
