/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_TOKEN_KEY_H
#define DAEMON_TOKEN_KEY_H

/* Public keys in the form of PKCS#11, and what is given to a token to sign: pure functions. */

#include "base/span.h"
#include "base/writer.h"
#include "crypto/signature.h"

/* token_key_rsa - CKA_MODULUS and CKA_PUBLIC_EXPONENT. token_key_ec - CKA_EC_PARAMS, the name of a
 * curve in DER, and CKA_EC_POINT, an OCTET STRING. token_key_of_certificate - of DER. NULL: they make
 * no key. The caller frees it. */
EVP_PKEY *token_key_rsa(struct span modulus, struct span exponent);
EVP_PKEY *token_key_ec(struct span params, struct span point);
EVP_PKEY *token_key_of_certificate(struct span der);

/* token_key_write - the SubjectPublicKeyInfo. ERR_CRYPTO. */
int token_key_write(const EVP_PKEY *key, struct writer *w) MUST_USE;

/* token_key_input - what the mechanisms CKM_RSA_PKCS (a DigestInfo, RFC 8017 section 9.2),
 * CKM_RSA_PKCS_PSS and CKM_ECDSA (the hash) sign. 0: a scheme that tokens do not have. */
#define TOKEN_KEY_INPUT 128
size_t token_key_input(const struct signature_scheme *scheme, struct span octets,
                       uint8_t ret[TOKEN_KEY_INPUT]);

#endif
