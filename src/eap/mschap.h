/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_MSCHAP_H
#define EAP_MSCHAP_H

/* The computations of MS-CHAPv2: RFC 2759 section 8 and RFC 3079 section 3. */

#include "eap/eap_crypto.h"

#define MSCHAP_CHALLENGE   16
#define MSCHAP_HASH        16
#define MSCHAP_NT_RESPONSE 24
#define MSCHAP_AUTH        42 /* "S=" and 40 hexadecimal digits, no NUL */

/* struct mschap_exchange - the values that both sides know after the Response. */
struct mschap_exchange {
    uint8_t authenticator_challenge[MSCHAP_CHALLENGE];
    uint8_t peer_challenge[MSCHAP_CHALLENGE];
    uint8_t nt_response[MSCHAP_NT_RESPONSE];
};

/* mschap_password_hash - NtPasswordHash. ERR_INVALID: the text is not UTF-8; ERR_CRYPTO. */
int mschap_password_hash(struct eap_crypto *crypto, struct span password,
                         uint8_t ret_hash[MSCHAP_HASH]) MUST_USE;

/* mschap_secret_hash - the NT hash of a secret that is a password or already an NT hash.
 * ERR_INVALID: another kind of secret. */
int mschap_secret_hash(struct eap_crypto *crypto, const struct eap_secret *secret,
                       uint8_t ret_hash[MSCHAP_HASH]) MUST_USE;

/* mschap_nt_response - GenerateNTResponse. `name` may contain a domain ("DOMAIN\user"), which is
 * not hashed. ERR_CRYPTO. */
int mschap_nt_response(struct eap_crypto *crypto, const struct mschap_exchange *exchange,
                       struct span name, const uint8_t hash[MSCHAP_HASH],
                       uint8_t ret_response[MSCHAP_NT_RESPONSE]) MUST_USE;

/* mschap_authenticator_response - GenerateAuthenticatorResponse. ERR_CRYPTO. */
int mschap_authenticator_response(struct eap_crypto *crypto, const struct mschap_exchange *exchange,
                                  struct span name, const uint8_t hash[MSCHAP_HASH],
                                  uint8_t ret_response[MSCHAP_AUTH]) MUST_USE;

/* mschap_msk - the MSK: the peer's MasterSendKey, the authenticator's, and 32 zeros. ERR_CRYPTO. */
int mschap_msk(struct eap_crypto *crypto, const uint8_t nt_response[MSCHAP_NT_RESPONSE],
               const uint8_t hash[MSCHAP_HASH], uint8_t ret_msk[EAP_MSK]) MUST_USE;

#endif
