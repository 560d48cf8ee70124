/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/terms/auth_octets.h"

#include "base/secret.h"
#include "crypto/algorithm.h"
#include "crypto/prf.h"

_Static_assert(AUTH_OCTETS_PRF == CRYPTO_HASH_MAX, "each hash fits");

int auth_octets_parts(struct crypto_provider *crypto, const struct auth_octets *octets,
                      uint8_t room[AUTH_OCTETS_PRF], struct span ret_parts[AUTH_OCTETS_PARTS])
{
    const struct crypto_prf *prf = crypto_prf_find(octets->prf);
    if (prf == NULL ||
        crypto_prf(crypto, octets->prf, octets->sk_p, &octets->id_body, 1, room) != 0)
        return ERR_CRYPTO;
    ret_parts[0] = octets->message;
    ret_parts[1] = octets->nonce;
    ret_parts[2] = span_of(room, prf->len);
    ret_parts[3] = octets->int_auth;
    return 0;
}

/* RFC 7296 section 2.15: AUTH = prf( prf(Shared Secret, "Key Pad for IKEv2"), <SignedOctets>) */
int auth_octets_shared(struct crypto_provider *crypto, const struct auth_octets *octets,
                       struct span secret, uint8_t out[AUTH_OCTETS_PRF])
{
    const struct span pad = span_text("Key Pad for IKEv2");
    uint8_t room[AUTH_OCTETS_PRF], padded[AUTH_OCTETS_PRF];
    struct span parts[AUTH_OCTETS_PARTS];
    int error = auth_octets_parts(crypto, octets, room, parts);
    if (error == 0)
        error = crypto_prf(crypto, octets->prf, secret, &pad, 1, padded);
    if (error == 0)
        error = crypto_prf(crypto, octets->prf, span_of(padded, crypto_prf_find(octets->prf)->len),
                           parts, AUTH_OCTETS_PARTS, out);
    wipe(padded, sizeof(padded));
    wipe(room, sizeof(room));
    return error;
}
