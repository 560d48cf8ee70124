/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_KE_H
#define CRYPTO_KE_H

/*
 * Who begins has a key pair of its own (ke_begin), and finishes with the peer's value (ke_finish).
 * Who answers has the peer's value first: ke_answer_run makes both, which is the order of a key
 * encapsulation as well.
 *
 * Key exchange methods: 14, 15, 16 (MODP), 19, 20, 21 (ECP), 31, 32 (Curve25519, Curve448). The
 * private value comes from a struct random, so that a test or a simulation replays.
 */

#include "base/error.h"
#include "base/random.h"
#include "base/secret.h"
#include "base/time.h"

#define KE_PUBLIC_MAX 512 /* group 16 */
#define KE_SEED_MAX   80

struct ke;

struct ke *ke_begin(uint16_t group, const struct random *random); /* NULL: unsupported, no memory */
struct ke *ke_free(struct ke *ke); /* wipes; takes NULL; returns NULL */
uint16_t ke_group(const struct ke *ke);

/* ke_public - the octets of the KE payload: MODP padded to the prime (RFC 7296 section 3.4), ECP
 * x | y (RFC 5903 section 7), Curve25519/448 as in RFC 8031. */
struct span ke_public(const struct ke *ke);

/*
 * ke_public_fits - the peer's value has the length of the group and passes the checks that
 * ke_finish makes. It costs microseconds, a key exchange hundreds of them: ask before ke_begin.
 */
bool ke_public_fits(uint16_t group, struct span peer);

/* ke_cost_ns - about what a key pair and a shared secret cost; 0: unsupported. */
nanos ke_cost_ns(uint16_t group);

/*
 * ke_finish - the shared secret g^ir. ERR_CRYPTO: the peer's value has the wrong length or fails
 * the checks of RFC 6989 section 2 (1 < y < p-1; point on the curve) or RFC 8031 section 5 (all
 * zero).
 */
int ke_finish(const struct ke *ke, struct span peer, struct secret *ret_shared) MUST_USE;

/*
 * struct ke_answer - the answer to a peer's value, as a job for any thread: it owns all that it
 * needs and refers to nothing. Wipe it as a whole.
 */
struct ke_answer {
    uint16_t group, len; /* len: of `peer` and `public_value` */
    int error;           /* 0, ERR_CRYPTO as of ke_finish, ERR_NO_MEMORY */
    uint8_t seed[KE_SEED_MAX];
    uint8_t peer[KE_PUBLIC_MAX], public_value[KE_PUBLIC_MAX];
    struct secret shared;
};
/* ke_answer_init - draws the private value. false: unsupported, or the peer's value has the wrong
 * length. */
bool ke_answer_init(struct ke_answer *answer, uint16_t group, struct span peer,
                    const struct random *random) MUST_USE;
/* ke_answer_run - writes public_value, shared and error. */
void ke_answer_run(struct ke_answer *answer);

#endif
