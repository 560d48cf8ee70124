/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_HELD_TICKET_H
#define IKE_HELD_TICKET_H

/*
 * The session tickets of an End User (RFC 5723 section 4.2), at most one for each connection. A
 * ticket belongs to a session, since all IKE SAs of a session share one authentication. The ticket
 * is dropped when a login uses it, when a newer one comes, or when either side ends the session
 * explicitly. The ticket stays when the Gateway falls silent. Then the certificate chains of the
 * session stay with it and pass to the session that resumes: a revoked certificate of the Gateway
 * still ends that session.
 */

#include "ike/core/ike_state.h"

/* struct held_ticket - the ticket, and the state that only the End User keeps (section 5). */
struct held_ticket {
    unsigned refs;
    struct held_ticket *next; /* in ike->tickets */
    struct ike *ike;
    struct ike_conn *conn;    /* a reference */
    ike_session_id session;   /* it is of */
    struct ike_chains chains; /* of that session; the resuming session inherits them */
    bool has_chains;          /* the session is over: its chains end with the ticket */
    bool doubted;             /* a reachable Gateway did not answer it: the next try is the last */
    bool ppk;
    /* IDi, IDr, and the proven identity of the Gateway */
    struct ike_id local_id, remote_id, proven_id;
    uint16_t encr, encr_key_bits, integ, prf, ke;
    uint8_t sk_d[SK_HASH_MAX];
    nanos expires_ns, valid_until_ns; /* end of the ticket; end of the Gateway's proof */
    struct ike_config config;         /* addresses that the session had */
    uint8_t n_remotes;
    struct address remotes[LIMIT_ADDITIONAL + 1]; /* addresses of that Gateway */
    size_t n_octets;
    uint8_t octets[];
};

/* held_ticket_keep - keeps the ticket from the notification data (section 7.1), for the IKE SA and
 * its session. `peer_id`: IDr. Replaces the previous ticket. */
void held_ticket_keep(struct sa *sa, const struct ike_id *peer_id, struct span data);

/* held_ticket_find - a ticket for a login of the connection with that Gateway. NULL: none, it has
 * expired, or it was given under another configuration. */
struct held_ticket *held_ticket_find(struct ike *ike, const struct ike_conn *conn,
                                     const struct address *gateway);

/* held_ticket_drop - drops a ticket that was used or refused. Dropping it again does nothing. */
void held_ticket_drop(struct ike *ike, struct held_ticket *ticket);
struct held_ticket *held_ticket_ref(struct held_ticket *ticket);
struct held_ticket *held_ticket_unref(struct held_ticket *ticket); /* takes NULL; returns NULL */

/* held_ticket_forget - drops the ticket of a session that either side ends explicitly (section 6.2,
 * ticket_end.h). */
void held_ticket_forget(const struct session *session);
/* held_ticket_session_ended - emits IKE_EV_CHAINS_END now, or later when the kept ticket is
 * dropped. */
void held_ticket_session_ended(const struct session *session);
void held_tickets_done(struct ike *ike);

#endif
