/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_COLLISION_H
#define IKE_COLLISION_H

/*
 * Two exchanges that rekey the same thing and cross each other (RFC 7296 sections 2.8.1 and 2.8.2):
 * what the exchange with the lowest of the four nonces made is redundant, and is deleted by whoever
 * began that exchange; who began the other one deletes what was rekeyed.
 */

#include "base/limits.h"
#include "base/span.h"

/* struct nonce_pair - Ni and Nr of one exchange, kept until the one that crossed it is over too. */
struct nonce_pair {
    uint16_t n_ni, n_nr;
    uint8_t ni[LIMIT_NONCE], nr[LIMIT_NONCE];
};

void nonce_pair_set(struct nonce_pair *pair, struct span ni, struct span nr);

/* nonce_lower - octet by octet from the first; where one ends, it is the lower one. */
bool nonce_lower(struct span a, struct span b);

/* collision_ours_loses - the lowest of the four nonces is in our exchange. Equal nonces: false, on
 * both sides, so that nothing is lost. */
bool collision_ours_loses(const struct nonce_pair *ours, const struct nonce_pair *theirs);

#endif
