/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_SESSION_H
#define IKE_SESSION_H

/*
 * A session is all that one authentication created. It holds everything that concerns
 * authorisation. IKE SAs refer to it. When its last IKE SA goes, the session ends: the lease is
 * released and IKE_EV_SESSION_DOWN is emitted. Clones and rekeyed SAs inherit the negotiated
 * abilities, so the session holds those too.
 */

#include "ike/ike.h"

struct sa;

/* struct session_ticket - the tickets that a Gateway gave for a session. */
struct session_ticket {
    uint64_t family;       /* 0: none was given, or all have been revoked */
    bool continued;        /* a session that resumed from this one now has the family */
    struct ike_id peer_id; /* IDi as it was sent */
};

struct traffic_list; /* wire/traffic_classes.h */

struct session {
    ike_session_id id;
    struct ike *ike;
    struct session *next, *previous; /* by id */
    uint64_t peer_hash;              /* of both identities */
    /* established sessions with the same hash, newest first */
    struct session *peer_next, *peer_previous;
    struct sa *sas; /* linked by sa->session_next */
    uint32_t n_sas; /* all that are not DEAD */
    uint32_t n_children;

    struct ike_conn *conn; /* a reference */
    enum ike_session_role role;
    struct ike_id local_id, remote_id; /* remote_id: as proven; ID_EAP: by EAP */
    struct ike_id claimed_id;          /* of the peer's ID payload; EAP may have proven another */
    /* the proof's number of the daemon (struct ike_proof); 0: none */
    uint64_t grant;
    uint8_t eap_types[POLICY_ROUNDS]; /* the EAP methods of the proofs; 0: not EAP */
    struct ike_chains chains;         /* of the proofs */
    nanos valid_until_ns;             /* the end of the proof; NANOS_NEVER */
    /* the end of the peer's certificates: valid_until_ns is never later */
    nanos certs_until_ns;
    bool established;
    uint32_t logins;
    nanos established_ns, auth_deadline_ns;
    nanos reauth_at_ns; /* End User: when IKE_EV_REAUTH is due */
    /* Gateway: AUTH_LIFETIME tells the deadline; false: it demands a login now */
    bool tells_lifetime;
    nanos own_reauth_ns;          /* the deadline of our own configuration; NANOS_NEVER */
    enum ike_outcome down_reason; /* the reason of the IKE SA that ended last */

    /* abilities of the peer */
    bool mobike, fragmentation, childless;
    bool redirects; /* Gateway: the peer follows a REDIRECT */
    bool ppk;       /* a PPK is in the keys (RFC 8784), and in all keys derived from them */
    bool esp_tfc_not_supported;
    bool peer_rfc7791;    /* CLONE_IKE_SA_SUPPORTED was in IKE_AUTH (RFC 7791 section 4) */
    bool peer_keep_old;   /* the Vendor ID of D-01 was in IKE_SA_INIT */
    uint16_t peer_notify; /* the notify number that the peer announced */
    bool cloned;          /* it has or had a clone */
    bool clone_never;     /* the peer answered with a plain rekey: never ask again */
    bool clone_refused;   /* NO_ADDITIONAL_SAS, until an SA of the session goes */
    bool child_refused;   /* the same for Child SAs */
    /* Gateway: the classes of traffic of its End User; owned, NULL: none were sent. `classes_changes`: how often they
     * changed */
    struct traffic_list *classes;
    uint32_t classes_changes;
    bool classes_told;  /* End User: it sent some */
    bool terms_refused; /* End User: PATH_TERMS got an error notify: never send them again */
    /* D-21: state of rate_take(): how many key exchanges the peer may ask for */
    nanos key_exchanges_ns;
    nanos new_children_ns; /* the same */
    nanos moves_ns;        /* the same */

    bool frozen; /* it is to leave this process: session_export.h */

    /* ending: session_down() was called */
    bool ending;
    enum ike_outcome end_reason;
    nanos end_at_ns;          /* the remaining IKE SAs then end without a response */
    nanos end_detour_ns;      /* unanswered Deletes are then sent over `end_path` */
    uint64_t end_tag;         /* tag of the command that ends the session; 0: none */
    struct ike_path end_path; /* path of the IKE SA that sent the newest packet */

    /*
     * Gateway: a reauthentication, make before break (RFC 7296 section 2.8.3), looks like any other
     * login. A login counts as one under three conditions: same identities, an address of the elder
     * session as its source, no INITIAL_CONTACT.
     */
    ike_session_id elder;     /* the session that this one probably replaces; 0: none */
    ike_session_id successor; /* the session that probably replaces this one; 0: none */
    ike_session_id replaces;  /* End User: the session beside which this one logged in; 0: none */
    nanos yield_at_ns;        /* `unique` ends this session then, if its successor still lives */

    bool resumed;                  /* the peer logged in with a session ticket */
    struct session_ticket *ticket; /* Gateway; owned; NULL: none was given */
    bool leased;                   /* Gateway: IKE_EV_LEASE gave `config` */
    struct ike_config config;      /* leased or received */
};

struct session *session_new(struct ike *ike, struct ike_conn *conn,
                            enum ike_session_role role); /* NULL: no memory */
void session_attach(struct session *session, struct sa *sa);
/* session_detach - takes an IKE SA out of the session. Without IKE SAs the session ends and is
 * freed. */
void session_detach(struct session *session, struct sa *sa, enum ike_outcome outcome);
struct session *session_find(const struct ike *ike, ike_session_id id);

/* session_leave - removes a session that is in another process now, without an event or a message
 * to the peer. session_enter - the opposite: adds an established session that no table has. The
 * caller has made room in sessions_by_id and sessions_by_peer, and enters the IKE SAs and Child SAs
 * itself. */
void session_leave(struct session *session, nanos now);
void session_enter(struct session *session);

/* session_elder_find - the newest session that a login from `from` probably replaces; 0: none. */
ike_session_id session_elder_find(const struct session *session, const struct address *from);

/* session_waits - the elder session has the same inner address. The elder carries the traffic until
 * the peer sends on this session, or until the elder ends. */
bool session_waits(const struct session *session);

/* session_yield - the time of the elder session is over: it ends if its successor lives. */
void session_yield(struct session *session, nanos now);

/* session_duplicate - an established session with the same identities exists (unique = keep). */
bool session_duplicate(const struct session *session);

/* session_peer_full - the peer has reached max_sessions. This session and its elder do not
 * count. */
bool session_peer_full(const struct session *session);

/* session_initial_contact - the authenticated peer sent INITIAL_CONTACT: it has no other session.
 * Its other sessions end here, unless `unique` is never. */
void session_initial_contact(struct session *session, nanos now);

/* session_family_end - the peer resumed this session from another one. If that one still exists, it
 * ends silently (RFC 5723 section 4.3.4). */
void session_family_end(struct session *session, nanos now);

/* session_authenticated - both AUTHs are verified: IKE_EV_SESSION_UP; counts the login; applies
 * `unique` and INITIAL_CONTACT to other sessions of the same peer. */
void session_authenticated(struct session *session, struct sa *sa, bool initial_contact, nanos now);

/*
 * session_down - ends all IKE SAs of the session, with a Delete each or, if `silent`, at once. IKE
 * SAs and Child SAs that an exchange under way still creates are deleted too. An unanswered Delete
 * is repeated once over the path of the newest packet. SESSION_END_NS later everything ends.
 */
#define SESSION_DETOUR_NS (2 * NANOS_PER_SEC)
#define SESSION_END_NS    (10 * NANOS_PER_SEC)
void session_down(struct session *session, enum ike_outcome outcome, bool silent, nanos now);

/* session_expired - the authentication has expired: the Child SAs end at once, then the session. */
void session_expired(struct session *session, nanos now);

/* session_dialect - the dialect in which we ask for a clone: it follows from our configuration and
 * from the announcements of the peer. */
enum ike_dialect session_dialect(const struct session *session);

/* session_unused_timeout - how long we keep an IKE SA that the peer promised not to use again
 * (KO-21, D-11). */
nanos session_unused_timeout(const struct session *session);

/* session_full - the session has max_ike_sas IKE SAs (D-20), requests of ours for more included.
 * session_full_for_good - the same without our own requests. Two ends that ask for the last IKE SA
 * at the same time must not refuse each other for ever. */
bool session_full(const struct session *session);
bool session_full_for_good(const struct session *session);

/* session_crowded - the session has too many old IKE SAs beside the live ones: a further rekey is
 * refused. */
bool session_crowded(const struct session *session);

/* session_moves - the peer may move an IKE SA of the session now. */
bool session_moves(struct session *session, nanos now) MUST_USE;

/* session_children_full - the session has as many Child SAs as it may (RFC 7791 section 8). */
bool session_children_full(const struct session *session);

/* session_sa_lives - the IKE SA counts against max_ike_sas. session_live_sas - the number of those
 * IKE SAs. */
bool session_sa_lives(const struct sa *sa);
uint32_t session_live_sas(const struct session *session);
/* session_lines - the number of lines: of an IKE SA and all its rekeys only one counts. */
uint32_t session_lines(const struct session *session);

#endif
