/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_HELD_TICKET_H
#define IKE_HELD_TICKET_H

/*
 * The session tickets of an End User (RFC 5723 section 4.2), one for each connection at most. A
 * ticket is of a session, since all IKE SAs of a session are one authentication. It goes when the
 * session is ended by a word of either side, when a newer one comes, or when it was used. It stays
 * when the Gateway just fell silent. Then the certificate chains of the session stay with it, and go
 * on to the session that resumes: a certificate of the Gateway that is revoked still ends it.
 */

#include "ike/core/ike_state.h"

/* struct held_ticket - the ticket, and what it says to the Gateway alone (section 5). */
struct held_ticket {
    unsigned refs;
    struct held_ticket *next; /* in ike->tickets */
    struct ike *ike;
    struct ike_conn *conn;    /* a reference */
    ike_session_id session;   /* it is of */
    struct ike_chains chains; /* of that session, as the one that resumes has them */
    bool has_chains;          /* the session is over: with the ticket its chains end */
    bool doubted;             /* a Gateway that is up did not answer it: the next try is the last */
    bool ppk;
    struct ike_id local_id, remote_id, proven_id; /* IDi, IDr, and what was proven of the Gateway */
    uint16_t encr, encr_key_bits, integ, prf, ke;
    uint8_t sk_d[SK_HASH_MAX];
    nanos expires_ns, valid_until_ns; /* of the ticket; of the proof of the Gateway */
    struct ike_config config;         /* addresses that the session had */
    uint8_t n_remotes;
    struct address remotes[LIMIT_ADDITIONAL + 1]; /* addresses of that Gateway */
    size_t n_octets;
    uint8_t octets[];
};

/* held_ticket_keep - takes the ticket of the notification data (section 7.1), for the IKE SA and
 * its session. `peer_id`: IDr. The ticket before it goes. */
void held_ticket_keep(struct sa *sa, const struct ike_id *peer_id, struct span data);

/* held_ticket_find - a ticket for a login of the connection with that Gateway. NULL: none, or it has
 * expired. A ticket of another configuration is none. */
struct held_ticket *held_ticket_find(struct ike *ike, const struct ike_conn *conn,
                                     const struct address *gateway);

/* held_ticket_drop - it was used or refused; takes one that was dropped already. */
void held_ticket_drop(struct ike *ike, struct held_ticket *ticket);
struct held_ticket *held_ticket_ref(struct held_ticket *ticket);
struct held_ticket *held_ticket_unref(struct held_ticket *ticket); /* takes NULL; returns NULL */

/* held_ticket_forget - section 6.2: the session is to end by a word (ticket_end.h). */
void held_ticket_forget(const struct session *session);
/* held_ticket_session_ended - emits IKE_EV_CHAINS_END now, or when the ticket that is left goes. */
void held_ticket_session_ended(const struct session *session);
void held_tickets_done(struct ike *ike);

#endif
