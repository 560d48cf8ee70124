/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_SIGNATURE_H
#define CRYPTO_SIGNATURE_H

/*
 * Signatures of IKE_AUTH: the methods 1, 9, 10 and 11 (RFC 7296 section 3.8, RFC 4754), and 14 with
 * an AlgorithmIdentifier in front of the signature (RFC 7427, RFC 8420). SHA-1 is not accepted and
 * not made, nor are RSA keys below 2048 bits.
 */

#include <openssl/evp.h>

#include "base/error.h"
#include "base/reader.h"
#include "base/writer.h"
#include "crypto/algorithm.h"

#define SIGNATURE_RSA_BITS_MIN 2048
#define SIGNATURE_RSA_BITS_MAX 8192 /* the time of a verification grows with the square */
/* of a CA: its signatures are in certificates only, and libcrypto verifies none by a longer key */
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
    SIGNATURE_KEY_NONE, /* of a kind that signs nothing here */
    SIGNATURE_KEY_RSA,
    SIGNATURE_KEY_P256,
    SIGNATURE_KEY_P384,
    SIGNATURE_KEY_P521,
    SIGNATURE_KEY_ED25519,
    SIGNATURE_KEY_ED448,
};

/* signature_key_kind - NONE also for RSA keys outside of the bounds above, and for elliptic curves
 * that are not named in the key. */
enum signature_key signature_key_kind(const EVP_PKEY *key);
/* signature_ca_key_kind - the same for the key of a CA, which may be longer. */
enum signature_key signature_ca_key_kind(const EVP_PKEY *key);

/* signature_scheme_name - "RSA_EMSA_PKCS1_SHA2_256" and its like: for people. */
const char *signature_scheme_name(const struct signature_scheme *scheme);

/* signature_scheme_write - the AlgorithmIdentifier in DER. */
void signature_scheme_write(const struct signature_scheme *scheme, struct writer *w);

/* signature_scheme_read - false: not DER, unknown, SHA-1, or parameters that differ from those of
 * enum signature_kind. */
bool signature_scheme_read(struct span algorithm, struct signature_scheme *ret_scheme);

/* signature_method - a signature method as the peer announces it (RFC 9593 section 3.2), as one bit.
 * `rest`: the octets behind the Cert Link. 0: unknown, or not of the form that the method has. */
uint16_t signature_method(uint8_t method, struct span rest);

/* struct signature_wish - what the two ends can. hashes: bits of enum signature_hash that the peer
 * announced; 0: it knows the old methods only. `own` narrows them, 0: no wish. `methods`: bits of
 * signature_method() that the peer announced; 0: it announced none, and may verify all. */
struct signature_wish {
    uint16_t hashes, own, methods;
    bool pss; /* RSASSA-PSS instead of PKCS#1 v1.5 */
};

/* signature_choose - how our key signs for the peer. Of all that the peer verifies, our order counts.
 * RSA uses PSS without `pss` only if the peer announced PSS, and no PKCS#1 v1.5 that fits.
 * ERR_NOT_FOUND: no scheme that both know. */
int signature_choose(const EVP_PKEY *key, const struct signature_wish *wish, uint8_t *ret_method,
                     struct signature_scheme *ret_scheme) MUST_USE;

/* signature_make - the AUTH data of that method over `octets`. ERR_CRYPTO, ERR_INVALID: the scheme
 * does not fit the key. */
int signature_make(EVP_PKEY *key, uint8_t method, const struct signature_scheme *scheme,
                   struct span octets, struct writer *ret_auth) MUST_USE;

/* signature_sign - the plain signature, with nothing in front; ECDSA in DER. Errors as above. */
int signature_sign(EVP_PKEY *key, const struct signature_scheme *scheme, struct span octets,
                   struct writer *ret_signature) MUST_USE;

/* signature_present - a plain signature (ECDSA in DER) as the AUTH data of that method. ERR_INVALID,
 * ERR_TRUNCATED. */
int signature_present(const EVP_PKEY *key, uint8_t method, const struct signature_scheme *scheme,
                      struct span signature, struct writer *ret_auth) MUST_USE;

/* signature_from_token - the plain signature of what a token made, of ECDSA r and s side by side, once
 * it is verified: a wrong one, besides being of no use, could give a key away. ERR_CRYPTO. */
int signature_from_token(EVP_PKEY *public, const struct signature_scheme *scheme,
                         struct span octets, struct span raw,
                         struct writer *ret_signature) MUST_USE;

/* signature_check - the AUTH data of a peer. `hashes`: bits of those that we accept.
 * *ret_scheme: how it was signed, also of a wrong one if it could be read.
 * ERR_INVALID: not readable, or a method that does not fit the key; ERR_NOT_FOUND: an algorithm
 * that we do not accept; ERR_AUTH: another key or other octets. */
struct signature_claim {
    uint8_t method;
    uint16_t hashes;
    struct span auth;
};
int signature_check(EVP_PKEY *key, const struct signature_claim *claim, struct span octets,
                    struct signature_scheme *ret_scheme) MUST_USE;

#endif
