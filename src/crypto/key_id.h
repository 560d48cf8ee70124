/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_KEY_ID_H
#define CRYPTO_KEY_ID_H

#include <openssl/evp.h>

#include "base/error.h"
#include "base/span.h"

/* Identifiers of public keys: SHA-1, as RFC 5280 and RFC 7296 demand. A collision is harmless: it
 * finds a wrong key, with which no signature verifies. */
#define CRYPTO_KEY_ID 20

/* crypto_key_ids - *ret_key_id: SHA-1 of the subjectPublicKey (RFC 5280 section 4.2.1.2).
 * *ret_info_id: SHA-1 of the whole SubjectPublicKeyInfo (CERTREQ, RFC 7296 section 3.7).
 * ERR_CRYPTO. */
int crypto_key_ids(const EVP_PKEY *key, uint8_t ret_key_id[CRYPTO_KEY_ID],
                   uint8_t ret_info_id[CRYPTO_KEY_ID]) MUST_USE;

#endif
