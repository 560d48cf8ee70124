/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_CHILD_H
#define IKE_CHILD_H

/* A Child SA (ESP), both directions. It belongs to one IKE SA, follows it on a rekey, and uses its
 * path. */

#include "ike/ike.h"

struct sa;

struct child {
    ike_child_id id;
    ike_child_id replaces;    /* rekeyed from; 0 */
    ike_child_id replaced_by; /* 0 */
    struct sa *sa;
    struct child *sa_next;
    struct child *next, *previous; /* all, by id */
    struct ike_conn *conn;         /* a reference: `policy` points into it */
    const struct ike_child_policy *policy;
    enum ike_child_life life;
    uint32_t spi_in, spi_out; /* as numbers */
    uint16_t encr, encr_key_bits, integ, ke;
    bool esn, udp_encap;
    bool up;        /* the data plane and the host have all of it */
    bool order;     /* packets have order trailers */
    bool transport; /* transport mode: selectors are of the path's two addresses */
    bool outbound;  /* sends: installed with outbound_now, or switched */
    bool waits;     /* sends only after the elder session ended; a rekey of it waits, too */
    nanos installed_ns, rekey_at_ns, expires_ns;
    uint8_t n_local_ts, n_remote_ts;
    struct ike_ts ts[]; /* local ones first */
};

/* struct child_spec - the result of a negotiation, for child_install(). */
struct child_spec {
    const struct ike_child_policy *policy; /* of session->conn */
    uint32_t spi_in, spi_out;
    uint16_t encr, encr_key_bits, integ, ke;
    bool esn, order, transport;
    const struct ike_ts_list *local_ts, *remote_ts;
    ike_child_id replaces; /* 0: none */
    bool outbound_now; /* false: the rekeying responder: receive only until IKE_EV_CHILD_SWITCH */
};

/* child_spi_new - an inbound SPI, at least 256, that no Child SA of ours has. */
uint32_t child_spi_new(struct ike *ike);

/*
 * child_install - makes the Child SA and emits IKE_EV_CHILD_INSTALL (job) and IKE_EV_CHILD_NEW.
 * `keys` are copied into the event and wiped there. If the data plane refuses (ike_complete with an
 * error), the Child SA is deleted with the peer. Returns NULL without memory, or if another Child
 * SA has taken the SPI meanwhile.
 */
struct child *child_install(struct sa *sa, const struct child_spec *spec,
                            const struct ike_child_keys *keys, nanos now);

/* child_switch - outbound traffic uses this Child SA from now on (rekey). Idempotent. */
void child_switch(struct child *child);
/* child_wait_over - the elder session ended. The Child SAs of the IKE SA that waited for its end
 * send from now on. A rekeyed Child SA does not send while the old one still exists. */
void child_wait_over(struct sa *sa);

/* child_down - removes the Child SA and frees it. Emits IKE_EV_CHILD_REMOVE and IKE_EV_CHILD_DOWN.
 * `linger_ns`: how long the data plane still receives on it, for packets in flight at a rekey. */
void child_down(struct child *child, enum ike_outcome outcome, nanos linger_ns);

/* child_leave - removes a Child SA that is in another process now, without an event. child_enter -
 * the opposite: adds a Child SA that is in the list of its IKE SA and in no table. The caller has
 * made room. */
void child_leave(struct child *child);
void child_enter(struct child *child);

/* child_replaced - marks a Child SA that we rekeyed, and that waits for our Delete. */
void child_replaced(struct child *old, struct child *by);

struct child *child_find(const struct ike *ike, ike_child_id id);
struct child *child_find_outbound(const struct sa *sa, uint32_t spi_out);

/*
 * child_path_changed - the IKE SA moved from `before`: emits IKE_EV_CHILD_MOVE for the Child SA.
 * Without inner addresses a `dynamic` selector is an outer address. In a session that never had a
 * clone, the selector follows the one IKE SA to its new address, as it does in strongSwan. In a
 * session with clones, the selector keeps the address of the session wherever its IKE SAs are. The
 * order of the End User's requests decides (`follows`): it moves and clones in one window. The Gateway
 * may answer a clone before it has checked the address of an earlier move. Where a clone of the Gateway
 * crosses a move, the next rekey brings both ends together. In transport mode all selectors follow:
 * there is no other address.
 */
void child_path_changed(struct child *child, const struct ike_path *before, bool follows);

/* child_rekey - the soft limit is reached: queues the rekey, unless one is under way. */
void child_rekey(struct child *child);
/* child_expire - sends a Delete to the peer and removes the Child SA after the response. */
void child_expire(struct child *child);
/* child_installed - takes the result of IKE_EV_CHILD_INSTALL: emits IKE_EV_CHILD_UP, or deletes the
 * Child SA with the peer. */
void child_installed(struct child *child, int error);

/* child_deadline, child_tick - the soft and the hard lifetime. */
nanos child_deadline(const struct child *child);
void child_tick(struct child *child, nanos now);

#endif
