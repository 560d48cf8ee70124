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

/* struct nonce_pair - Ni and Nr of one exchange, as the answering side keeps them until it commits.
 */
struct nonce_pair {
    uint16_t n_ni, n_nr;
    uint8_t ni[LIMIT_NONCE], nr[LIMIT_NONCE];
};

void nonce_pair_set(struct nonce_pair *pair, struct span ni, struct span nr);

/* nonce_lower - octet by octet from the first; where one ends, it is the lower one. */
bool nonce_lower(struct span a, struct span b);

/* struct crossing - what the peer's exchange made while ours was outstanding. */
struct crossing {
    uint32_t object; /* id of the new IKE SA or Child SA; 0: nothing crossed */
    uint16_t n_low;
    uint8_t low[LIMIT_NONCE]; /* the lower nonce of the peer's exchange */
};

void crossing_set(struct crossing *theirs, uint32_t object, struct span ni, struct span nr);

/* crossing_ours_redundant - the lowest of the four nonces is in our exchange. Equal nonces: false,
 * on both sides, so that nothing is lost. */
bool crossing_ours_redundant(const struct crossing *theirs, struct span ni, struct span nr);

#endif
