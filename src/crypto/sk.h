/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_SK_H
#define CRYPTO_SK_H

/*
 * The protection of SK and SKF payloads (RFC 7296 section 3.14, RFC 5282, RFC 7383 section 2.5), on
 * a whole message in place:
 *
 *   IKE header | ... | SK header (| fragment header) | IV | ciphertext | ICV
 *   '-------------- associated data ---------------'
 *
 *   ciphertext: the payloads, padding, Pad Length
 */

#include "base/error.h"
#include "base/random.h"
#include "base/span.h"
#include "crypto/provider.h"

struct sk_keys {
    const struct crypto_encr *encr;
    const struct crypto_integ *integ; /* NULL with AEAD */
    const uint8_t *encr_key;          /* with the salt behind it */
    const uint8_t *integ_key;
};

/* sk_size - octets behind the associated data for `plain` octets of payloads: IV to ICV. */
size_t sk_size(const struct sk_keys *keys, size_t plain);

/* sk_plain_max - the most octets of payloads for which sk_size() is at most `size`. */
size_t sk_plain_max(const struct sk_keys *keys, size_t size);

/*
 * sk_seal - encrypts in place, and writes the IV, the padding and the ICV. `message` holds the
 * associated data, room for the IV, and `plain` octets of payloads; its length is `associated` +
 * sk_size(). `iv` is the explicit IV of AEAD algorithms, which must be new for these keys. CBC
 * takes a random IV. ERR_CRYPTO.
 */
int sk_seal(struct crypto_provider *crypto, const struct sk_keys *keys, struct buffer message,
            size_t associated, size_t plain, uint64_t iv, const struct random *random) MUST_USE;

/* sk_open - verifies and decrypts in place; *ret_plain is inside `message`. ERR_AUTH: the ICV or
 * the padding is wrong, or the length is impossible. */
int sk_open(struct crypto_provider *crypto, const struct sk_keys *keys, struct buffer message,
            size_t associated, struct span *ret_plain) MUST_USE;

#endif
