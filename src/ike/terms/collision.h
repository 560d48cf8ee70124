/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_COLLISION_H
#define IKE_COLLISION_H

/*
 * Two exchanges that rekey the same SA and cross each other (RFC 7296 sections 2.8.1 and 2.8.2).
 * The SA made by the exchange with the lowest of the four nonces is redundant: the end that began
 * that exchange deletes it. The other end deletes the old SA.
 */

#include "base/limits.h"
#include "base/span.h"

/* struct nonce_pair - Ni and Nr of one exchange. The answering side keeps them until it commits. */
struct nonce_pair {
    uint16_t n_ni, n_nr;
    uint8_t ni[LIMIT_NONCE], nr[LIMIT_NONCE];
};

void nonce_pair_set(struct nonce_pair *pair, struct span ni, struct span nr);

/* nonce_lower - compares octet by octet from the first. A nonce that is a prefix of the other is
 * lower. */
bool nonce_lower(struct span a, struct span b);

/* struct crossing - the result of the peer's exchange, which was answered while ours was
 * outstanding. */
struct crossing {
    uint32_t object; /* id of the new IKE SA or Child SA; 0: nothing crossed */
    uint16_t n_low;
    uint8_t low[LIMIT_NONCE]; /* the lower nonce of the peer's exchange */
};

void crossing_set(struct crossing *theirs, uint32_t object, struct span ni, struct span nr);

/* crossing_ours_redundant - the lowest of the four nonces is in our exchange. Equal nonces: false
 * on both sides, so no SA is lost. */
bool crossing_ours_redundant(const struct crossing *theirs, struct span ni, struct span nr);

#endif
