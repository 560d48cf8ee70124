/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_SESSION_H
#define IKE_SESSION_H

/*
 * A session: what one authentication created. Everything that concerns authorisation lives here;
 * IKE SAs refer to it, and the last one out ends it (lease released, IKE_EV_SESSION_DOWN).
 * Negotiated abilities are the session's, since clones and rekeyed SAs inherit them.
 */

#include "ike/ike.h"

struct sa;

struct session {
    ike_session_id id;
    struct ike *ike;
    struct session *next, *previous;           /* by id */
    uint64_t peer_hash;                        /* of both identities */
    struct session *peer_next, *peer_previous; /* established ones with that hash, newest first */
    struct sa *sas;                            /* by sa->session_next */
    uint32_t n_sas;                            /* all that are not DEAD */
    uint32_t n_children;

    struct ike_conn *conn; /* a reference */
    enum ike_session_role role;
    struct ike_id local_id, remote_id; /* remote_id: as proven; ID_EAP: by EAP */
    uint64_t grant;                    /* of the proof; 0 */
    nanos valid_until_ns;              /* the proof; NANOS_NEVER */
    bool established;
    uint32_t logins;
    nanos established_ns, auth_deadline_ns;
    nanos reauth_at_ns;           /* End User: IKE_EV_REAUTH then */
    nanos own_reauth_ns;          /* the same by our own configuration; NANOS_NEVER */
    enum ike_outcome down_reason; /* of the IKE SA that went last */

    /* abilities of the peer */
    bool mobike, fragmentation, childless;
    bool esp_tfc_not_supported;
    bool peer_rfc7791;      /* CLONE_IKE_SA_SUPPORTED was in IKE_AUTH (RFC 7791 section 4) */
    bool peer_keep_old;     /* the Vendor ID of D-01 was in IKE_SA_INIT */
    uint16_t peer_notify;   /* the number that it announced */
    bool clone_never;       /* the peer did a plain rekey: never ask again */
    bool clone_refused;     /* NO_ADDITIONAL_SAS, until an SA of the session goes */
    bool child_refused;     /* the same for Child SAs */
    nanos key_exchanges_ns; /* D-21: what the peer may ask for in a time: rate_take */
    nanos new_children_ns;  /* the same */
    nanos moves_ns;         /* the same */

    /* all of it goes: session_down */
    bool ending;
    enum ike_outcome end_reason;
    nanos end_at_ns;          /* what is left is dropped without an answer */
    nanos end_detour_ns;      /* what is not answered is asked over `end_path` */
    uint64_t end_tag;         /* of the command that wanted it; 0: none */
    struct ike_path end_path; /* of the IKE SA that was heard last */

    /*
     * Gateway: a login anew, make before break (RFC 7296 section 2.8.3), looks like any other. One
     * of the same identities that comes from where the elder session is, and does not say
     * INITIAL_CONTACT, is taken for that.
     */
    ike_session_id elder;     /* this session probably replaces that one; 0: none */
    ike_session_id successor; /* and the other way round */
    ike_session_id replaces;  /* End User: logged in beside that one; 0 */
    nanos yield_at_ns;        /* `unique` ends this session then, if its successor still lives */

    bool leased;              /* Gateway: IKE_EV_LEASE gave `config` */
    struct ike_config config; /* leased or received */
};

struct session *session_new(struct ike *ike, struct ike_conn *conn,
                            enum ike_session_role role); /* NULL: no memory */
void session_attach(struct session *session, struct sa *sa);
/* session_detach - the SA left; with the last one the session ends and is freed. */
void session_detach(struct session *session, struct sa *sa, enum ike_outcome outcome);
struct session *session_find(const struct ike *ike, ike_session_id id);

/* session_elder_find - the newest session that a login from `from` may be meant to replace; 0. */
ike_session_id session_elder_find(const struct session *session, const struct address *from);

/* session_waits - the peer has this session's inner address on the elder session too, which carries
 * the traffic until the peer sends on this one, or the elder is gone. */
bool session_waits(const struct session *session);

/* session_yield - the time has come for the elder session. */
void session_yield(struct session *session, nanos now);

/* session_duplicate - an established session with the same identities exists (unique = keep). */
bool session_duplicate(const struct session *session);

/* session_peer_full - the peer has max_sessions established sessions beside this one and its elder.
 */
bool session_peer_full(const struct session *session);

/* session_initial_contact - the authenticated peer says that it has no other session: those that
 * are here go, unless `unique` is never. */
void session_initial_contact(struct session *session, nanos now);

/* session_authenticated - both AUTHs are verified: IKE_EV_SESSION_UP; counts the login; applies
 * `unique` and INITIAL_CONTACT to other sessions of the same peer. */
void session_authenticated(struct session *session, struct sa *sa, bool initial_contact, nanos now);

/*
 * session_down - ends all IKE SAs of the session: with a Delete each, or at once if `silent`. What
 * comes out of an exchange that was under way is deleted as well. A Delete that is not answered
 * goes once more over the path on which the peer was heard last, and after SESSION_END_NS all is
 * over.
 */
#define SESSION_DETOUR_NS (2 * NANOS_PER_SEC)
#define SESSION_END_NS    (10 * NANOS_PER_SEC)
void session_down(struct session *session, enum ike_outcome outcome, bool silent, nanos now);

/* session_expired - the authentication is over: nothing may pass any more, and all of it ends. */
void session_expired(struct session *session, nanos now);

/* session_dialect - how a clone is asked for: by the configuration and what the peer announced. */
enum ike_dialect session_dialect(const struct session *session);

/* session_unused_timeout - how long an IKE SA stays that the peer said not to use again (KO-21,
 * D-11). */
nanos session_unused_timeout(const struct session *session);

/* session_full - no further IKE SA: max_ike_sas (D-20). session_full_for_good - also if nothing
 * comes of what we have asked for: two ends that ask for the last one at the same time must not
 * refuse each other for ever. */
bool session_full(const struct session *session);
bool session_full_for_good(const struct session *session);

/* session_crowded - so many old IKE SAs are left beside the live ones that no further one is made
 * by a rekey. */
bool session_crowded(const struct session *session);

/* session_moves - the peer may move one of the IKE SAs once more now. */
bool session_moves(struct session *session, nanos now) MUST_USE;

/* session_children_full - no further Child SA, whichever IKE SA it is for (RFC 7791 section 8). */
bool session_children_full(const struct session *session);

/* session_live_sas - the IKE SAs that count against max_ike_sas. */
uint32_t session_live_sas(const struct session *session);

#endif
