/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_ALGORITHM_H
#define CRYPTO_ALGORITHM_H

/* The supported algorithms and their lengths in octets, by IANA transform id (RFC 8247, RFC
 * 8221). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum crypto_hash { CRYPTO_SHA1, CRYPTO_SHA2_256, CRYPTO_SHA2_384, CRYPTO_SHA2_512 };

struct crypto_encr {
    uint16_t id, key_bits; /* key_bits 0: no Key Length attribute */
    uint8_t key_len;       /* without the salt */
    uint8_t salt_len;      /* AEAD: KEYMAT has the salt behind the key (RFC 5282 section 7.1) */
    uint8_t iv_len, icv_len, block_len;
    bool aead;
};
struct crypto_integ {
    uint16_t id;
    enum crypto_hash hash;
    uint8_t key_len, icv_len;
};
struct crypto_prf {
    uint16_t id;
    enum crypto_hash hash;
    uint8_t len; /* output, and preferred key length */
};

/* These functions return static rows; NULL: not supported. */
const struct crypto_encr *crypto_encr_find(uint16_t id, uint16_t key_bits);
const struct crypto_integ *crypto_integ_find(uint16_t id);
const struct crypto_prf *crypto_prf_find(uint16_t id);

#endif
