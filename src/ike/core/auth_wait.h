/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_AUTH_WAIT_H
#define IKE_AUTH_WAIT_H

/*
 * How long a peer waits for the refusal of its AUTH. Each failure of its source, or of the identity
 * that it names, doubles the wait. The IKE SA stays half-open meanwhile, so the limit of half-open
 * IKE SAs of a source bounds its guesses. A correct secret never waits: nobody can lock out an
 * identity by failing in its name. The wait begins when IKE_AUTH arrives and is the same for every
 * reason. So its length does not show whether an identity exists.
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

/* struct auth_wait - counts of failures by a keyed hash. Sources and identities in one slot share
 * their failures. */
struct auth_wait {
    struct auth_wait_slot sources[AUTH_WAIT_SLOTS], identities[AUTH_WAIT_SLOTS];
};

/* auth_wait_failed - counts a failure and returns how long its response waits. */
nanos auth_wait_failed(struct auth_wait *wait, const uint8_t key[SIPHASH_KEY_LEN],
                       const struct address *source, const struct ike_id *identity, nanos now);

#endif
