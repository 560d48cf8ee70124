/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_INTENT_H
#define IKE_INTENT_H

/*
 * What we wish of a peer, and the queue in which wishes wait on their IKE SA until the window is
 * free; exchange.h asks. What the peer has to be told in any case is owed where there is no memory.
 */

#include "ike/core/sa.h"

#define MEMORY_AGAIN_NS NANOS_PER_SEC /* what there was no memory for is tried again */

enum intent_kind {
    INTENT_LOGIN, /* IKE_SA_INIT and IKE_AUTH */
    INTENT_CREATE_CHILD,
    INTENT_REKEY_CHILD,
    INTENT_REKEY_IKE,
    INTENT_CLONE,
    INTENT_CREATE_MOVED,
    INTENT_MOVE,
    INTENT_PATH_TEST,
    INTENT_PROBE,       /* also liveness of our own, then with tag 0 */
    INTENT_ADDRESSES,   /* our additional addresses changed (RFC 4555 section 3.6) */
    INTENT_STRAY,       /* ESP came with an SPI that no Child SA has (RFC 7296 section 2.21.4) */
    INTENT_ROUTABILITY, /* COOKIE2 to the new address of the peer (RFC 4555 section 3.7) */
    INTENT_DELETE_CHILD,
    INTENT_DELETE_IKE,
    INTENT_AUTH_LIFETIME, /* the Gateway asks for a new login (RFC 4478) */
    INTENT_KINDS
};

struct intent {
    struct intent *next;
    enum intent_kind kind;
    uint64_t tag; /* 0: nobody waits for IKE_EV_COMMAND_DONE */
    struct ike_path path;
    ike_child_id child;
    uint32_t spi_in; /* DELETE_CHILD of a Child SA that is already gone here; STRAY; 0 */
    char child_name[LIMIT_NAME]; /* CREATE_CHILD, CREATE_MOVED; empty: the first */
    struct ike_packet packet;    /* CREATE_CHILD, CREATE_MOVED: wanted for it */
    bool path_test, unused_old, if_missing;
    bool told;  /* MOVE: the peer may have done it already, on an IKE SA that this one inherits from
                 */
    bool clone; /* LOGIN */
    enum ike_outcome reason; /* DELETE_*: what the Child SA or IKE SA ends with */
    nanos retry_ns, give_up_ns;
    nanos give_up_at_ns; /* set when it is first asked, or woke what was; 0: not yet */
    nanos not_before_ns;
    uint8_t attempt;   /* how often it was asked before */
    uint16_t ke_group; /* from INVALID_KE_PAYLOAD; 0: the first of the proposal */
};

/* intent_add - queues a copy. ERR_FULL, ERR_NO_MEMORY. DELETE_IKE goes first, probes and moves
 * before rekeys and creations: the order of enum intent_kind is not the order of urgency, see
 * intent.c. */
int intent_add(struct sa *sa, const struct intent *intent) MUST_USE;
/*
 * intent_owe - the same for what the peer has to be told in any case, or the two ends would differ:
 * if there is no room now, the IKE SA notes it (struct owed) and wishes it again. DELETE_CHILD by
 * spi_in, DELETE_IKE, ROUTABILITY to pending_path, ADDRESSES.
 */
void intent_owe(struct sa *sa, const struct intent *intent);
/* intent_pending - one of this kind (and Child SA, if not 0) is queued or being asked. */
bool intent_pending(const struct sa *sa, enum intent_kind kind, ike_child_id child);
/* intent_at_leisure - the liveness of the peer is asked for (RFC 7296 section 2.4), with the
 * endpoint's back-off and until the IKE SA is given up. Questions of the path manager are short. */
static inline bool intent_at_leisure(const struct intent *intent)
{
    return intent->kind == INTENT_PROBE && intent->give_up_ns == 0;
}

/* --- for exchange.c and the hand-over of a rekey --- */

/* intent_enqueue - one that was allocated, and is taken. false: the queue is full, of one Delete of
 * the IKE SA excepted, and it is the caller's as before. */
bool intent_enqueue(struct sa *sa, struct intent *intent) MUST_USE;
struct intent *intent_take(struct sa *sa, struct intent **link); /* out of the queue */
void intents_pay(struct sa *from, struct sa *to); /* what is owed on `from` is wished on `to` */
/* intents_move - all but the Delete of what was replaced, and its rekey, go to the SA that replaces
 * it: who wanted the old one to go did not want a new one. */
void intents_move(struct sa *from, struct sa *to);

#endif
