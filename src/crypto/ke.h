/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_KE_H
#define CRYPTO_KE_H

/*
 * A key exchange in steps. The side that begins makes a key pair (ke_begin), and later the shared
 * secret from the peer's value (ke_finish). The side that answers has the peer's value first, so it
 * makes both at once (ke_answer). These steps also fit a key encapsulation.
 *
 * ke_begin, ke_answer and ke_finish only prepare a step. ke_run() computes it, on any thread.
 *
 * Key exchange methods: 5, 14, 15, 16 (MODP), 19, 20, 21 (ECP), 31, 32 (Curve25519, Curve448).
 * libcrypto's generator makes the private value. Tests replace that generator (test_ke.h).
 */

#include "base/error.h"
#include "base/secret.h"
#include "base/time.h"

#define KE_PUBLIC_MAX  512 /* group 16 */
#define KE_PRIVATE_MAX 80

/*
 * ke_public_fits - the peer's value has the length of the group and passes the checks of ke_run().
 * It costs microseconds, a key exchange hundreds of them, so callers check first.
 */
bool ke_public_fits(uint16_t group, struct span peer);

/* ke_cost_ns - roughly the CPU time of a key pair and a shared secret; 0: unsupported. */
nanos ke_cost_ns(uint16_t group);

enum ke_step {
    KE_PAIR,   /* -> public_value */
    KE_SECRET, /* after KE_PAIR: peer -> shared */
    KE_ANSWER, /* peer -> public_value, shared */
};

/*
 * struct ke_job - one step, as a job for any thread. It has no pointers, so it may be copied. Wipe
 * it as a whole.
 *
 * error: 0; ERR_NO_MEMORY: libcrypto lacks memory or random octets; ERR_CRYPTO: the peer's value
 * fails the checks of RFC 6989 section 2 (1 < y < p-1; point on the curve) or RFC 8031 section 5
 * (all zero).
 */
struct ke_job {
    enum ke_step step;
    uint16_t group, len; /* len: of `peer` and `public_value` */
    int error;
    /* from KE_PAIR to KE_SECRET, in libcrypto's form; wiped once the shared secret is made */
    uint8_t private_value[KE_PRIVATE_MAX];
    /* The octets of the KE payload: MODP padded to the prime (RFC 7296 section 3.4), ECP x | y
     * (RFC 5903 section 7), Curve25519/448 as in RFC 8031. */
    uint8_t peer[KE_PUBLIC_MAX], public_value[KE_PUBLIC_MAX];
    struct secret shared;
};

/* ke_begin - prepares KE_PAIR. false: unsupported group. */
bool ke_begin(struct ke_job *job, uint16_t group) MUST_USE;

/* ke_finish - prepares KE_SECRET. KE_PAIR must have run without an error. false: the peer's value
 * has the wrong length, and the job is as it was. */
bool ke_finish(struct ke_job *job, struct span peer) MUST_USE;

/* ke_answer - prepares KE_ANSWER. false: unsupported group, or wrong length. */
bool ke_answer(struct ke_job *job, uint16_t group, struct span peer) MUST_USE;

void ke_run(struct ke_job *job);

static inline struct span ke_public(const struct ke_job *job)
{
    return span_of(job->public_value, job->len);
}

#endif
