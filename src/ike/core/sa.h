/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_SA_H
#define IKE_SA_H

/*
 * An IKE SA. At most two exchanges are alive on it, one that we ask (`asking`) and one that we
 * answer (`answering`), over two windows of size one. Requests that are to be sent wait in
 * `intents`. Rekeying, cloning and moving are exchanges, not states: `life` has six values and only
 * sa_life_set() changes it.
 *
 * Two roles, two variables: `role` says who began this IKE SA (keys, SPI order, the I flag);
 * session->role says which end logged in (MOBIKE, CP). They differ when the Gateway clones (A-09 of the
 * draft).
 *
 * Pointers stay valid during one ike_* call: an SA that dies is unlinked and freed at its end.
 */

#include "base/deadline_heap.h"
#include "ike/core/keymat.h"
#include "ike/core/window.h"
#include "ike/ike.h"

struct session;
struct child;
struct intent;
struct asking;
struct login;
struct proposal_choice;
struct reassembly;

/* struct owed - facts that the peer must learn, and that no memory could be had to queue
 * (intent_owe). */
struct owed {
    nanos at_ns; /* when to queue them; NANOS_NEVER: nothing is owed */
    uint8_t n_spis;
    bool delete_ike, routability, addresses;
    enum ike_outcome reason; /* of delete_ike */
    uint32_t spis[8];        /* removed Child SAs; if there are more, the whole IKE SA goes */
};

struct sa {
    uint64_t spi_i, spi_r; /* as numbers, from network byte order */
    enum ike_sa_life life;
    enum ike_sa_role role;
    struct asking *asking;             /* owned; NULL: none */
    struct kept_request *kept;         /* owned; the request that waits: answer.c */
    struct key_exchange *key_exchange; /* owned; key_exchange.h; NULL: none */
    bool answering_later; /* a request waits for a job; `theirs` knows its message ID */
    bool touched;
    bool rekey;                 /* of `parent` */
    bool nat_local, nat_remote; /* a NAT in front of us / of the peer on `path` */
    bool announced;             /* IKE_EV_SA_UP was emitted, so IKE_EV_SA_DOWN will be */
    uint8_t notices;            /* IKE_EV_NOTICEs given: a peer cannot fill the log */
    uint8_t n_peer_addresses;   /* of peer_addresses */
    struct window theirs, mine;
    struct ike *ike;

    ike_sa_id id;
    ike_sa_id parent;        /* the IKE SA from which it was cloned or rekeyed; 0: authenticated */
    ike_sa_id line;          /* id of the IKE SA with which its line of rekeys began */
    struct session *session; /* NULL while a responder is HALF_OPEN */
    ike_session_id of;       /* number of its session, even after it has left the session */
    enum ike_origin origin;
    uint16_t encr, encr_key_bits, integ, prf, ke;
    struct ike_path path;
    nanos established_ns, rekey_at_ns, expires_ns;
    nanos last_heard_ns; /* authentic packet, IKE or ESP */
    nanos suspected_ns;  /* last hint that was followed */
    nanos repeats_ns;    /* rate_second: sa_may_repeat */
    nanos stray_ns;      /* when the peer's stray ESP began; in the future: the end of a pause */
    /* the IKE SA is deleted then, after code 1 of KEEP_OLD_IKE_SA; NANOS_NEVER */
    nanos unused_at_ns;

    struct sa *next, *previous; /* all IKE SAs, by id */
    struct sa *session_next;    /* those of the session */
    struct sa *remote_next,
        *remote_previous; /* established ones with that key: unprotected_hint.c */
    uint64_t remote_key;  /* 0: not among them */
    struct sa *touched_next;
    struct deadline deadline; /* in ike->deadlines */

    struct ike_sa_keys keys;
    uint64_t iv_counter; /* explicit IV of AEAD algorithms: never used twice with one key */

    struct packet *last_request; /* our request, while ops->answered reads its response */
    struct intent *intents;      /* owned, first is next */
    unsigned n_intents;
    struct owed owed;
    struct login *login;           /* owned; until IKE_AUTH is over */
    struct early *early;           /* owned; early_request.h; NULL: none */
    struct reassembly *reassembly; /* owned; RFC 7383 fragments of one message, either direction */
    struct child *children;        /* owned, by child->sa_next */
    struct inner *inner;           /* owned; inner_address.h; NULL: the session's addresses */

    struct address peer_addresses[LIMIT_ADDITIONAL + 1]; /* RFC 4555: primary first */
    nanos moved_ns;                                      /* when `path` changed last; 0: never */
    struct ike_path pending_path; /* path to which the peer moved, until it proves its address */
    nanos pending_ns;             /* when the peer named this path */
    bool pending_nat_local, pending_nat_remote;
    bool pending_follows; /* child_path_changed(): the session had no clone when the peer moved */
    bool peer_encap;      /* the peer sent ESP in UDP while we sent it without */
    bool nat_mapping_known;
    uint8_t nat_mapping[20]; /* hash of our address as the Gateway sees it */

    struct path_terms terms; /* of `path`, as both ends know them; weight 0: the peer sent none */
    bool detoured;           /* the Delete was sent over session->end_path */
    ike_sa_id replaced_by;   /* REPLACED: the IKE SA that now has the Child SAs */
    enum ike_outcome down_reason;
};

static inline bool sa_original_initiator(const struct sa *sa)
{
    return sa->role == IKE_SA_INITIATOR;
}
static inline uint64_t sa_spi_ours(const struct sa *sa)
{
    return sa_original_initiator(sa) ? sa->spi_i : sa->spi_r;
}
static inline uint64_t sa_spi_peers(const struct sa *sa)
{
    return sa_original_initiator(sa) ? sa->spi_r : sa->spi_i;
}

/* sa_new - a HALF_OPEN IKE SA in the tables of `ike`, with its own SPI chosen (unique). NULL: no
 * memory. */
struct sa *sa_new(struct ike *ike, enum ike_sa_role role, const struct ike_path *path, nanos now);
/* sa_new_again - makes the IKE SA of a login that was tried before. It gets the number of the
 * former attempt. If that number is 0, was never given, or belongs to a living IKE SA, it gets a
 * new one. */
struct sa *sa_new_again(struct ike *ike, ike_sa_id number, const struct ike_path *path, nanos now);

/*
 * sa_derive - the IKE SA that a CREATE_CHILD_SA rekey or clone on `old` makes: same session, path,
 * NAT state, peer addresses and negotiated abilities, fresh windows and lifetimes
 * no children. `role`: who sent the request. The caller fills SPIs, algorithms and
 * keys, then calls sa_life_set(ESTABLISHED). NULL: no memory.
 */
struct sa *sa_derive(struct sa *old, enum ike_sa_role role, enum ike_origin origin, nanos now);

/* sa_spi_new - an SPI that no IKE SA has. sa_spi_own - gives it to a HALF_OPEN IKE SA whose own SPI
 * no peer knows yet. false: another IKE SA took it meanwhile. */
uint64_t sa_spi_new(const struct ike *ike);
bool sa_spi_own(struct sa *sa, uint64_t spi) MUST_USE;

/* sa_spi_set - sets the SPIs, initiator's first; ours must have come from sa_new/sa_derive. */
void sa_spi_set(struct sa *sa, uint64_t spi_i, uint64_t spi_r);

/* sa_algorithms_set - sets the negotiated algorithms. */
void sa_algorithms_set(struct sa *sa, const struct proposal_choice *choice);

/* sa_life_set - the only function that changes `life`; asserts that the edge exists, keeps the
 * counters, and emits IKE_EV_SA_UP on ESTABLISHED. */
void sa_life_set(struct sa *sa, enum ike_sa_life life, nanos now);

/*
 * sa_down - the end of an IKE SA, for every reason: its Child SAs are removed, intents and the
 * exchange end with `outcome`, events are emitted, and with the last IKE SA the session goes.
 * Touches no other IKE SA. The memory is freed when the current ike_* call ends.
 */
void sa_down(struct sa *sa, enum ike_outcome outcome, nanos now);

/* sa_delete_send - sends one Delete of the IKE SA, and waits for no response. */
void sa_delete_send(struct sa *sa);

/* sa_say_delete - sends one Delete of an established IKE SA, and waits for no response. While
 * another request is outstanding it sends none: the peer would drop it (window of one). */
void sa_say_delete(struct sa *sa);

void sa_free(struct sa *sa); /* after sa_down; for ike.c only */

/* sa_leave - the session is in another process now: removes the IKE SA and its Child SAs, without
 * an event or a message to the peer. The caller takes the IKE SA out of its session. sa_enter - the
 * opposite: adds an IKE SA that is in no table, with its Child SAs. The caller has made room for
 * all of them. */
void sa_leave(struct sa *sa, nanos now);
void sa_enter(struct sa *sa);

/* sa_heir - the established IKE SA that a rekey gave the Child SAs of this one. NULL: this one was
 * not rekeyed. */
struct sa *sa_heir(const struct sa *sa);

/* sa_children_move - every Child SA of `from` now belongs to `to` (IKE SA rekey, RFC 7296
 * section 2.8). */
void sa_children_move(struct sa *from, struct sa *to);

/* sa_may_repeat - the response to a repeated request may leave once more. false: the limit is
 * reached, and the caller drops the request. */
bool sa_may_repeat(struct sa *sa, nanos now) MUST_USE;

/* sa_touch - marks the IKE SA as changed. At the end of the current ike_* call it runs its intents
 * and computes its deadline. Idempotent. */
void sa_touch(struct sa *sa);

/* sa_deadline - when this SA wants sa_tick; computed from its state, never armed. */
nanos sa_deadline(const struct sa *sa);

/* sa_tick - does the work that is due: retransmission, intents, lifetimes, liveness. */
void sa_tick(struct sa *sa, nanos now);

/* sa_udp_encap - ESP goes in UDP on this path. It does so behind a NAT, by configuration, and if
 * the peer announced or sends ESP in UDP. RFC 7296 section 2.23: both ends accept UDP-encapsulated
 * ESP at any time. */
bool sa_udp_encap(const struct sa *sa);

/* sa_path_set - sets the path of the IKE SA and its Child SAs: emits IKE_EV_SA_MOVED and
 * IKE_EV_CHILD_MOVE. */
void sa_path_set(struct sa *sa, const struct ike_path *path);
/* sa_path_follow - the same for a move that the peer requested earlier. `follows`: see
 * child_path_changed(). */
void sa_path_follow(struct sa *sa, const struct ike_path *path, bool follows);

/* sa_path_fill - replaces the ports that a command left open with those of NAT traversal. */
struct ike_path sa_path_fill(const struct sa *sa, const struct ike_path *wanted);

/* sa_heard - an authentic packet of the peer (IKE or ESP) arrived. */
void sa_heard(struct sa *sa, nanos now);

/* sa_suspect - an unprotected hint says that the peer is gone: probes it, at most every 10 s. */
void sa_suspect(struct sa *sa, nanos now);

struct sa *sa_find(const struct ike *ike, ike_sa_id id); /* NULL: none */

#endif
