/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_REKEY_IKE_H
#define IKE_REKEY_IKE_H

/* Between exchange_rekey_ike.c (asks) and answer_rekey_ike.c (answers). */

#include "ike/core/exchange.h"
#include "ike/core/keymat.h"
#include "ike/core/upper.h"
#include "ike/terms/collision.h"
#include "ike/terms/proposal.h"

#define REKEY_NONCE_LEN 32

struct rekeying {
    struct ike *ike;  /* borrowed */
    ike_sa_id larval; /* the IKE SA to be created, HALF_OPEN until the response */
    enum ike_dialect dialect;
    uint8_t ni[REKEY_NONCE_LEN];
    /* of the response, while the shared secret is made */
    uint16_t n_nr;
    uint8_t nr[LIMIT_NONCE];
    uint64_t spi_r;
    struct proposal_choice choice;
    bool old_kept; /* a clone: the old IKE SA stays */
    /* The peer's plain rekey of the same IKE SA that crossed ours (RFC 7296 section 2.8.2). */
    struct crossing crossed;
};

/* rekey_ike_hand_over - `to` inherits the Child SAs and intents of `from`. `from` waits for its
 * Delete. */
void rekey_ike_hand_over(struct sa *from, struct sa *to, nanos now);

/* rekey_ike_surely_clone - the Child SAs stay on this IKE SA, whatever the response is. For other
 * forms only the response tells whether it was a rekey. */
bool rekey_ike_surely_clone(const struct asking *asking);

/* rekey_ike_read - reads SA, Nonce and KE of the response. *ret_peer: the peer's value, borrowed.
 * false: they do not match our request. */
bool rekey_ike_read(struct sa *sa, struct rekeying *rekeying, const struct wire_message *response,
                    struct span *ret_peer);

/* rekey_ike_derive - makes the keys of `fresh` from the response and the shared secret (may be
 * NULL). */
bool rekey_ike_derive(struct sa *sa, const struct rekeying *rekeying, struct sa *fresh,
                      const struct secret *shared);

/* rekey_ike_answer_group - answers N, SA, Nonce and KE of a clone in `reply`. The new IKE SA is
 * HALF_OPEN. 0: no clone, and `reply` is unchanged. */
ike_sa_id rekey_ike_answer_group(struct sa *sa, const struct wire_message *group,
                                 struct wire_builder *reply, nanos now);

/* The notify's number: each side sends the one that the other announced (D-01), else its own. */
uint16_t keep_old_number_own(const struct session *session);
uint16_t keep_old_number_peer(const struct session *session);
/* keep_old_find - KEEP_OLD_IKE_SA in front of the SA payload that it qualifies (KO-06). */
bool keep_old_find(const struct wire_message *message, uint16_t number, struct keep_old *ret_value);

#endif
