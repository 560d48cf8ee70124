/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_PRF_H
#define CRYPTO_PRF_H

#include "base/error.h"
#include "base/span.h"
#include "crypto/provider.h"

#define CRYPTO_HASH_MAX 64

/* crypto_digest - hash of the concatenated parts into `out` (20 to 64 octets by hash). */
int crypto_digest(struct crypto_provider *crypto, enum crypto_hash hash, const struct span *parts,
                  size_t n, uint8_t *out) MUST_USE;

/* crypto_hmac - HMAC of the concatenated parts; `out` has room for CRYPTO_HASH_MAX octets. */
int crypto_hmac(struct crypto_provider *crypto, enum crypto_hash hash, struct span key,
                const struct span *parts, size_t n, uint8_t *out) MUST_USE;

/* crypto_prf - prf(key, parts), RFC 7296 section 2.13; writes the PRF's length. ERR_CRYPTO. */
int crypto_prf(struct crypto_provider *crypto, uint16_t prf, struct span key,
               const struct span *parts, size_t n, uint8_t *out) MUST_USE;

/* crypto_prf_plus - prf+ (key, seed) into `out`, at most 255 blocks (RFC 7296 section 2.13). */
int crypto_prf_plus(struct crypto_provider *crypto, uint16_t prf, struct span key,
                    const struct span *seed, size_t n, struct buffer out) MUST_USE;

#endif
