/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_SIGNATURE_H
#define CRYPTO_SIGNATURE_H

/*
 * Signatures of IKE_AUTH: the methods 1, 9, 10 and 11 (RFC 7296 section 3.8, RFC 4754), and 14 with
 * an AlgorithmIdentifier in front of the signature (RFC 7427, RFC 8420). SHA-1 and RSA keys below
 * 2048 bits are neither used nor accepted.
 */

#include <openssl/evp.h>

#include "base/error.h"
#include "base/reader.h"
#include "base/writer.h"
#include "crypto/algorithm.h"

#define SIGNATURE_RSA_BITS_MIN 2048
#define SIGNATURE_RSA_BITS_MAX 8192 /* the time of a verification grows with the square */
/* for the key of a CA, which signs certificates only; libcrypto's limit */
#define SIGNATURE_CA_RSA_BITS_MAX 16384
#define SIGNATURE_MAX             1024 /* octets of an RSA signature with that many bits */
#define SIGNATURE_AUTH_MAX        (SIGNATURE_MAX + 80) /* with an AlgorithmIdentifier in front */

/* Hash algorithms of SIGNATURE_HASH_ALGORITHMS (RFC 7427 section 7), as bits 1 << number. */
enum signature_hash {
    SIGNATURE_SHA1 = 1,
    SIGNATURE_SHA2_256 = 2,
    SIGNATURE_SHA2_384 = 3,
    SIGNATURE_SHA2_512 = 4,
    SIGNATURE_IDENTITY = 5, /* RFC 8420: the scheme hashes by itself */
};

enum signature_kind {
    SIGNATURE_RSA_PKCS1, /* RSASSA-PKCS1-v1_5 */
    SIGNATURE_RSA_PSS,   /* the salt as long as the hash, MGF1 with the same hash */
    SIGNATURE_ECDSA,
    SIGNATURE_ED25519,
    SIGNATURE_ED448,
};

struct signature_scheme {
    enum signature_kind kind;
    enum signature_hash hash;
};

enum signature_key {
    SIGNATURE_KEY_NONE, /* a kind of key that cannot sign here */
    SIGNATURE_KEY_RSA,
    SIGNATURE_KEY_P256,
    SIGNATURE_KEY_P384,
    SIGNATURE_KEY_P521,
    SIGNATURE_KEY_ED25519,
    SIGNATURE_KEY_ED448,
};

/* signature_key_kind - SIGNATURE_KEY_NONE also for RSA keys outside of the bounds above, and for
 * keys that spell out their curve in place of its name. */
enum signature_key signature_key_kind(const EVP_PKEY *key);
/* signature_ca_key_kind - the same for the key of a CA, which may be longer. */
enum signature_key signature_ca_key_kind(const EVP_PKEY *key);

/* signature_scheme_name - a name for people, such as "RSA_EMSA_PKCS1_SHA2_256"; static text. */
const char *signature_scheme_name(const struct signature_scheme *scheme);

/* signature_scheme_write - writes the AlgorithmIdentifier in DER. */
void signature_scheme_write(const struct signature_scheme *scheme, struct writer *w);

/* signature_scheme_read - reads an AlgorithmIdentifier. false: malformed, unknown, SHA-1, or with
 * parameters that enum signature_kind does not have. */
bool signature_scheme_read(struct span algorithm, struct signature_scheme *ret_scheme);

/* signature_method - one bit for a signature method that the peer announces (RFC 9593 section 3.2).
 * `rest`: the octets behind Cert Link. 0: the method is unknown, or `rest` does not fit it. */
uint16_t signature_method(uint8_t method, struct span rest);

/*
 * struct signature_wish - the limits on our signature:
 * hashes: bits of enum signature_hash that the peer announced; 0: the peer knows old methods only.
 * own: the bits that our configuration allows; 0: all.
 * methods: bits of signature_method() that the peer announced; 0: none, so all may be used.
 */
struct signature_wish {
    uint16_t hashes, own, methods;
    bool pss; /* RSASSA-PSS instead of PKCS#1 v1.5 */
};

/* signature_choose - the scheme with which our key signs for the peer: the first in our order that
 * the peer verifies. Without `pss`, RSA uses PSS only if the peer announced PSS and no PKCS#1 v1.5
 * fits. ERR_NOT_FOUND: no scheme fits both ends. */
int signature_choose(const EVP_PKEY *key, const struct signature_wish *wish, uint8_t *ret_method,
                     struct signature_scheme *ret_scheme) MUST_USE;

/* signature_make - writes the AUTH data of the method over `octets`. ERR_INVALID: the scheme does
 * not fit the key; ERR_CRYPTO. */
int signature_make(EVP_PKEY *key, uint8_t method, const struct signature_scheme *scheme,
                   struct span octets, struct writer *ret_auth) MUST_USE;

/* signature_sign - writes the plain signature, without an AlgorithmIdentifier; ECDSA in DER. Errors
 * as signature_make(). */
int signature_sign(EVP_PKEY *key, const struct signature_scheme *scheme, struct span octets,
                   struct writer *ret_signature) MUST_USE;

/* signature_present - writes the AUTH data of the method from a plain signature (ECDSA in DER).
 * ERR_INVALID: the signature does not fit the method; ERR_TRUNCATED. */
int signature_present(const EVP_PKEY *key, uint8_t method, const struct signature_scheme *scheme,
                      struct span signature, struct writer *ret_auth) MUST_USE;

/* signature_from_token - writes the plain signature from `raw`, the output of a token (ECDSA: r and
 * s side by side). It verifies the signature first, because a faulty signature can reveal the
 * private key. ERR_CRYPTO. */
int signature_from_token(EVP_PKEY *public, const struct signature_scheme *scheme,
                         struct span octets, struct span raw,
                         struct writer *ret_signature) MUST_USE;

/* signature_check - checks the AUTH data of a peer. `hashes`: bits of the hashes that we accept.
 * *ret_scheme: the scheme of the signature, also of a wrong signature if it was readable.
 * ERR_INVALID: malformed, or the method does not fit the key; ERR_NOT_FOUND: an algorithm that we
 * do not accept; ERR_AUTH: another key signed, or other octets were signed. */
struct signature_claim {
    uint8_t method;
    uint16_t hashes;
    struct span auth;
};
int signature_check(EVP_PKEY *key, const struct signature_claim *claim, struct span octets,
                    struct signature_scheme *ret_scheme) MUST_USE;

#endif
