/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_AUTH_WAIT_H
#define IKE_AUTH_WAIT_H

/*
 * How long a peer waits for the word that its AUTH is wrong. Each failure of its source or of the
 * identity that it names doubles the wait. The IKE SA stays half-open meanwhile, so that the limit
 * of half-open IKE SAs per source bounds the guesses. Right secrets never wait: the back-off locks
 * nobody out, whoever fails in whose name. The wait begins when IKE_AUTH arrives, and every reason
 * has the same one: its length does not tell a known identity from an unknown one.
 */

#include "base/address.h"
#include "base/siphash.h"
#include "base/time.h"
#include "ike/connection.h"

#define AUTH_WAIT_SLOTS 1024

struct auth_wait_slot {
    nanos at_ns; /* of the last failure */
    uint8_t failures;
};

/* Sources and identities that fall together in a slot share their failures. */
struct auth_wait {
    struct auth_wait_slot sources[AUTH_WAIT_SLOTS], identities[AUTH_WAIT_SLOTS];
};

/* auth_wait_failed - counts a failure; returns the wait for its answer. */
nanos auth_wait_failed(struct auth_wait *wait, const uint8_t key[SIPHASH_KEY_LEN],
                       const struct address *source, const struct ike_id *identity, nanos now);

#endif
