/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_AUTH_OCTETS_H
#define IKE_AUTH_OCTETS_H

/*
 * The octets that an AUTH payload covers (RFC 7296 section 2.15, RFC 9242 section 3.3.2):
 *
 *      message | nonce | prf(SK_p, id_body) | int_auth
 *
 * as parts. The core, the keyholder and the verifier share the one function that composes them. So
 * a compromised engine cannot get other octets signed.
 */

#include "base/error.h"
#include "base/span.h"

struct crypto_provider;

struct auth_octets {
    uint16_t prf;         /* PRF of the IKE SA */
    struct span message;  /* the signer's IKE_SA_INIT message, as it went over the wire */
    struct span nonce;    /* Nonce of the other side */
    struct span sk_p;     /* SK_pi or SK_pr, of the signer */
    struct span id_body;  /* body of the signer's ID payload: type, reserved octets, data */
    struct span int_auth; /* IntAuth of RFC 9242; empty: no IKE_INTERMEDIATE */
};

/* auth_octets_parts - the octets as a list of spans for a hash or signature. The result points into
 * `room`. ERR_CRYPTO. */
#define AUTH_OCTETS_PARTS 4
#define AUTH_OCTETS_PRF   64 /* the longest output of a PRF */
int auth_octets_parts(struct crypto_provider *crypto, const struct auth_octets *octets,
                      uint8_t room[AUTH_OCTETS_PRF],
                      struct span ret_parts[AUTH_OCTETS_PARTS]) MUST_USE;

/* auth_octets_shared - AUTH by a shared secret: a PSK, an MSK, or SK_p with an EAP method without a
 * key (sections 2.15, 2.16). `out` takes as many octets as the PRF gives. ERR_CRYPTO. */
int auth_octets_shared(struct crypto_provider *crypto, const struct auth_octets *octets,
                       struct span secret, uint8_t out[AUTH_OCTETS_PRF]) MUST_USE;

#endif
