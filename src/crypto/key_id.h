/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_KEY_ID_H
#define CRYPTO_KEY_ID_H

#include <openssl/evp.h>

#include "base/error.h"
#include "base/span.h"

/* Names of public keys: SHA-1, which RFC 5280 and RFC 7296 demand. A collision is harmless: the key
 * that the name finds is verified by its signature. */
#define CRYPTO_KEY_ID 20

/* crypto_key_ids - of the subjectPublicKey (RFC 5280 section 4.2.1.2), and of the whole
 * SubjectPublicKeyInfo (CERTREQ, RFC 7296 section 3.7). ERR_CRYPTO. */
int crypto_key_ids(const EVP_PKEY *key, uint8_t ret_key_id[CRYPTO_KEY_ID],
                   uint8_t ret_info_id[CRYPTO_KEY_ID]) MUST_USE;

#endif
