/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_INTENT_H
#define IKE_INTENT_H

/*
 * Intents: requests that we are going to send. They wait in the queue of their IKE SA until the
 * window is free; exchange.h sends them. A fact that the peer must learn is never dropped for want
 * of memory: the IKE SA remembers it (struct owed) and queues the intent later.
 */

#include "ike/core/sa.h"

#define MEMORY_AGAIN_NS NANOS_PER_SEC /* after a failed allocation, try again */

enum intent_kind {
    INTENT_LOGIN, /* IKE_SA_INIT and IKE_AUTH */
    INTENT_CREATE_CHILD,
    INTENT_REKEY_CHILD,
    INTENT_REKEY_IKE,
    INTENT_CLONE,
    INTENT_CREATE_MOVED,
    INTENT_MOVE,
    INTENT_PATH_TEST,
    INTENT_PROBE,       /* an empty INFORMATIONAL; with tag 0 the liveness check of the core */
    INTENT_ADDRESSES,   /* our additional addresses changed (RFC 4555 section 3.6) */
    INTENT_PATH_TERMS,  /* the terms of our path (weight, price) */
    INTENT_STRAY,       /* ESP arrived with an unknown SPI (RFC 7296 section 2.21.4) */
    INTENT_ROUTABILITY, /* COOKIE2 to the new address of the peer (RFC 4555 section 3.7) */
    INTENT_DELETE_CHILD,
    INTENT_DELETE_IKE,
    INTENT_REDIRECT,      /* a Gateway sends the End User elsewhere (RFC 5685) */
    INTENT_AUTH_LIFETIME, /* a Gateway asks for a new login (RFC 4478) */
    INTENT_KINDS
};

struct intent {
    struct intent *next;
    enum intent_kind kind;
    uint64_t tag; /* of the command, for IKE_EV_COMMAND_DONE; 0: no event */
    struct ike_path path;
    ike_child_id child;
    uint32_t spi_in; /* STRAY; DELETE_CHILD of a Child SA that was already removed here; or 0 */
    char child_name[LIMIT_NAME]; /* CREATE_CHILD, CREATE_MOVED; empty: the first */
    struct ike_packet packet;    /* CREATE_CHILD, CREATE_MOVED: the packet that needs it */
    bool path_test, unused_old, if_missing;
    /* MOVE: the peer may have acted on it already, on the IKE SA that this one replaced */
    bool told;
    struct path_terms terms;        /* PATH_TERMS */
    struct ike_gateway gateway;     /* REDIRECT */
    struct address redirected_from; /* LOGIN */
    ike_sa_id again;                /* LOGIN: the number of the former attempt */
    bool clone, alone, without_ppk; /* LOGIN */
    /* LOGIN: use no session ticket; a Gateway left one unanswered, perhaps because it was down */
    bool without_ticket, ticket_silent;
    enum ike_outcome reason; /* DELETE_*: why the Child SA or IKE SA ends */
    nanos early_ns;          /* LOGIN */
    nanos retry_ns, give_up_ns;
    nanos give_up_at_ns; /* set when it is first sent or first borrows a request; 0: not yet */
    nanos not_before_ns;
    uint8_t attempt;   /* number of earlier tries */
    uint16_t ke_group; /* from INVALID_KE_PAYLOAD; 0: the first of the proposal */
};

/* intent_add - queues a copy. The order of urgency is in intent.c: DELETE_IKE first, moves and
 * probes before rekeys and creations. ERR_FULL, ERR_NO_MEMORY. */
int intent_add(struct sa *sa, const struct intent *intent) MUST_USE;
/*
 * intent_owe - queues a fact that the peer must learn, or the two ends would differ. If there is no
 * memory, the IKE SA remembers it (struct owed) and queues it later. Kinds: DELETE_CHILD by spi_in,
 * DELETE_IKE, ROUTABILITY to pending_path and ADDRESSES.
 */
void intent_owe(struct sa *sa, const struct intent *intent);
/* intent_pending - an intent of this kind (and Child SA, if not 0) is queued or under way. */
bool intent_pending(const struct sa *sa, enum intent_kind kind, ike_child_id child);
/* intent_is_liveness - the liveness check of RFC 7296 section 2.4. It follows the endpoint's
 * back-off, and without a response the IKE SA ends. A probe of the path manager has its own
 * time-out. */
static inline bool intent_is_liveness(const struct intent *intent)
{
    return intent->kind == INTENT_PROBE && intent->give_up_ns == 0;
}

/* --- for exchange.c and for rekeys --- */

/* intent_enqueue - queues `intent` itself; it is owned by the queue then. false: the queue is full
 * and the caller keeps it. A full queue still takes one Delete of the IKE SA. */
bool intent_enqueue(struct sa *sa, struct intent *intent) MUST_USE;
struct intent *intent_take(struct sa *sa, struct intent **link); /* out of the queue */
/* intents_pay - queues on `to` all facts that `from` owes. */
void intents_pay(struct sa *from, struct sa *to);
/* intents_move - `to` replaces `from` and takes its intents. `from` keeps its own rekey and the
 * Delete that ends it. A Delete that a command ordered moves, since it ends both. */
void intents_move(struct sa *from, struct sa *to);

#endif
