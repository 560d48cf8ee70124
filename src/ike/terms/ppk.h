/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_PPK_H
#define IKE_PPK_H

/*
 * Post-quantum preshared keys (RFC 8784): PPK_IDs, and mixing a PPK into keys. The core knows only
 * PPK_IDs. The keyholder has the PPKs, and mixes them with the same function as the tests.
 */

#include "base/error.h"
#include "base/writer.h"
#include "crypto/prf.h"
#include "ike/connection.h"

struct crypto_provider;

/* ppk_id_parse - the PPK_ID of a configured text: the octets of the identity that it names, as
 * ID_KEY_ID, since PPK_IDs have no types. ret_id->type 0: "%any", "", or a pattern. ERR_INVALID. */
int ppk_id_parse(const char *text, struct ike_id *ret_id) MUST_USE;

/* ppk_id_fits - the Gateway's connection takes this PPK_ID. */
bool ppk_id_fits(const struct ike_conn *conn, const struct ike_id *id);

/* ppk_identity_write, ppk_identity_read - data of PPK_IDENTITY (section 5.1): a type octet and the
 * PPK_ID. false: not PPK_ID_FIXED, empty or too long. */
#define PPK_IDENTITY_MAX (1 + LIMIT_ID / 2)
void ppk_identity_write(const struct ike_id *id, struct writer *w);
bool ppk_identity_read(struct span data, struct ike_id *ret_id);

/* ppk_mix - SK = prf+ (PPK, SK') of the three keys in `keys`, in their order (section 3). `out`
 * takes as many octets. ERR_INVALID: not the length of three keys; ERR_CRYPTO. */
#define PPK_KEYS     3 /* SK_d, SK_pi, SK_pr */
#define PPK_KEYS_MAX (PPK_KEYS * CRYPTO_HASH_MAX)
int ppk_mix(struct crypto_provider *crypto, uint16_t prf, struct span ppk, struct span keys,
            uint8_t out[PPK_KEYS_MAX]) MUST_USE;

#endif
