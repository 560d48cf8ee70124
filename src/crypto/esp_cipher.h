/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_ESP_CIPHER_H
#define CRYPTO_ESP_CIPHER_H

/*
 * The cryptography of ESP packets (RFC 4303, RFC 4106, RFC 7634, RFC 3602 with RFC 4868). A struct
 * esp_key has the keys of one direction of a Child SA, expanded once, and all workers read it. Each
 * worker has a struct esp_crypto of its own. AES-GCM and ChaCha20-Poly1305 run on intel-ipsec-mb if
 * the library and the CPU have it, all else on libcrypto.
 *
 *   packet:  SPI (4) | sequence (4) | IV | text: payload, padding, pad length, next header | ICV
 */

#include "base/error.h"
#include "base/span.h"
#include "crypto/provider.h"

#define ESP_HEADER_LEN   8
#define ESP_OVERHEAD_MAX (ESP_HEADER_LEN + 16 + 32) /* header, IV, ICV */

struct esp_key;    /* immutable after esp_key_new, so that threads may share it */
struct esp_crypto; /* one per thread */

struct esp_algorithms {
    uint16_t encr, key_bits, integ; /* transform ids; integ 0 with AEAD */
};
/* esp_key_new - copies the keys; `encr_key` is the key and the salt, as in KEYMAT. `crypto` must
 * belong to the calling thread. NULL: unsupported, a wrong length, or no memory. */
struct esp_key *esp_key_new(struct esp_crypto *crypto, const struct esp_algorithms *algorithms,
                            struct span encr_key, struct span integ_key);
struct esp_key *esp_key_free(struct esp_key *key); /* wipes; takes NULL; returns NULL */

/* The arguments of esp_key_new(), for a Child SA that moves to another process; borrowed. */
struct esp_algorithms esp_key_algorithms(const struct esp_key *key);
struct span esp_key_encr(const struct esp_key *key);  /* with the salt */
struct span esp_key_integ(const struct esp_key *key); /* empty with AEAD */

size_t esp_iv_len(const struct esp_key *key);
size_t esp_icv_len(const struct esp_key *key);
size_t esp_block_len(const struct esp_key *key); /* the text is a multiple of it, and of 4 */

struct esp_crypto *esp_crypto_new(void); /* NULL: no memory */
/* esp_crypto_new_portable - a context that uses libcrypto alone. Both kinds of context can use the
 * same keys. NULL: no memory. */
struct esp_crypto *esp_crypto_new_portable(void);
struct esp_crypto *esp_crypto_free(struct esp_crypto *crypto);
const char *esp_crypto_backend(const struct esp_crypto *crypto); /* "ipsec-mb" or "libcrypto" */

struct esp_job {
    uint8_t *packet;     /* ESP header, already written when sealing */
    const uint8_t *text; /* sealing: the plain text; it may already lie at its place in `packet` */
    size_t text_len;
    /* sealing with AEAD: all 64 bits are the explicit IV. With ESN the ICV covers the upper
     * half. */
    uint64_t sequence;
    bool esn;
};

/* esp_seal - writes IV, ciphertext and ICV. ERR_CRYPTO: libcrypto failed. `cbc_iv`: 16
 * unpredictable octets, for CBC only. */
int esp_seal(struct esp_crypto *crypto, const struct esp_key *key, const struct esp_job *job,
             const uint8_t *cbc_iv) MUST_USE;
/* esp_open - verifies the ICV, and decrypts in place. ERR_AUTH: the ICV is wrong, and the text is
 * now garbage. */
int esp_open(struct esp_crypto *crypto, const struct esp_key *key,
             const struct esp_job *job) MUST_USE;

#endif
