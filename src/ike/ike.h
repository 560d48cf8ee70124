/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_IKE_H
#define IKE_IKE_H

/*
 * The IKEv2 endpoint: both roles, all IKE SAs and sessions of one daemon. Sans-I/O and
 * single-threaded: datagrams, time and randomness come in as arguments, events and datagrams are
 * pulled out. One rule of order: after every call that may change something, drain ike_event()
 * first and ike_send() second, so that an inbound Child SA exists before the response that invites
 * traffic leaves.
 *
 *      ike_recv / ike_tick / ike_command / ike_complete
 *          while (ev = ike_event())  act on it; jobs answer through ike_complete, at once or later
 *          while (ike_send(&out))    put it on the wire
 *          wait until ike_deadline() or the next input
 */

#include "base/encrypted_dns.h"
#include "base/error.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/ke.h"
#include "ike/connection.h"
#include "ike/ike_counters.h"
#include "ike/terms/auth_octets.h"
#include "wire/path_terms.h"

struct ike;
struct crypto_provider;

/* Identifiers are never reused while the process lives; 0 is none. One exception: a login that is tried again may keep
 * the number of its IKE SA (struct ike_command: again). */
typedef uint32_t ike_sa_id;
typedef uint32_t ike_child_id;
typedef uint32_t ike_session_id;
typedef uint64_t ike_job_id;

/* struct ike_path - where a datagram came from or goes to. The pair decides the socket: `interface`
 * is the kernel's index of the interface, 0: any. Two paths are the same when all members are
 * equal. */
struct ike_path {
    struct endpoint local;
    struct endpoint remote;
    uint32_t interface;
};

static inline bool ike_path_equal(const struct ike_path *a, const struct ike_path *b)
{
    return a->interface == b->interface && endpoint_equal(&a->local, &b->local) &&
           endpoint_equal(&a->remote, &b->remote);
}

struct ike_options {
    struct crypto_provider *crypto; /* borrowed */
    const struct random *random;    /* borrowed */
    uint32_t max_half_open, cookie_threshold, cookie_per_address,
        block_per_address; /* 0: LIMIT_* */
    nanos ke_budget_ns;    /* of key exchange for logins in a second; 0: LIMIT_KE_BUDGET_NS */
    bool ke_jobs; /* key exchanges are jobs (IKE_EV_KE); otherwise they are computed at once */
    bool silent_at_first;             /* IKE_SA_INIT requests get no answer until ike_serve */
    nanos retransmit_initial_ns;      /* 0: 1 s */
    uint32_t retransmit_base_percent; /* 0: 180 */
    uint32_t retransmit_tries;        /* 0: 6 */
    uint16_t fragment_size;           /* IP datagram octets; 0: 1280 */
    bool allow_loopback;              /* outer addresses 127/8 and ::1 are usable: tests */
};

struct ike *ike_new(const struct ike_options *options); /* NULL: no memory */
struct ike *ike_free(struct ike *ike); /* sends nothing, wipes keys; returns NULL */

/* --- configuration --- */

/* ike_serve - the configuration is loaded: from now on IKE_SA_INIT requests get responses. Before
 * that ike is silent, and the peer tries again. NO_PROPOSAL_CHOSEN would make it give up. */
void ike_serve(struct ike *ike);

/* enum ike_pressure - how short memory is. LOGINS: refuse logins of peers. ALL: refuse their clones
 * and Child SAs too (TEMPORARY_FAILURE). Established SAs stay and are rekeyed. */
enum ike_pressure { IKE_PRESSURE_NONE, IKE_PRESSURE_LOGINS, IKE_PRESSURE_ALL };
void ike_pressure_set(struct ike *ike, enum ike_pressure pressure);

/* ike_conn_add - takes a reference; a connection of the same name is replaced (its SAs keep the old
 * one). ERR_NO_MEMORY; ERR_INVALID: its name has the hash of another one. */
int ike_conn_add(struct ike *ike, struct ike_conn *conn) MUST_USE;
/* ike_ppk_set - at least one PPK is loaded, or none. A Gateway answers USE_PPK, and an End User sends
 * it, only if there is one (RFC 8784 section 3). */
void ike_ppk_set(struct ike *ike, bool any);
/* ike_conn_reserve - makes room: ike_conn_add cannot fail while at most `n` connections are loaded.
 * ERR_NO_MEMORY. */
int ike_conn_reserve(struct ike *ike, size_t n) MUST_USE;
int ike_conn_remove(struct ike *ike, const char *name) MUST_USE;   /* ERR_NOT_FOUND; SAs stay */
struct ike_conn *ike_conn_find(struct ike *ike, const char *name); /* borrowed; NULL: none */
struct ike_conn *ike_conn_at(struct ike *ike, size_t index); /* in order of loading; NULL: end */

/* ike_local_addresses_set - the local addresses of this host that a peer may learn
 * (ADDITIONAL_IP*_ADDRESS, RFC 4555 section 3.4). At most LIMIT_ADDITIONAL are announced.
 * Established MOBIKE SAs announce a change by themselves. */
void ike_local_addresses_set(struct ike *ike, const struct address *addresses, size_t n, nanos now);

/* --- input --- */

/* ike_recv - takes one datagram without the non-ESP marker, whatever its contents. Pull the
 * response, if any. */
void ike_recv(struct ike *ike, const struct ike_path *path, struct span datagram, nanos now);

/* ike_expect - announces datagrams for ike_recv. The memory of their IKE SAs is prefetched in
 * parallel. Changes no state. */
void ike_expect(const struct ike *ike, const struct span *datagrams, size_t n);
nanos ike_deadline(const struct ike *ike); /* NANOS_NEVER: idle */
void ike_tick(struct ike *ike, nanos now);

/* ike_traffic_seen - a Child SA delivered an authentic packet (RFC 7296 section 2.4: evidence of
 * liveness; the rekeying responder's sign to switch outbound). */
void ike_traffic_seen(struct ike *ike, ike_child_id child, nanos now);

/* ike_peer_rebound - the newest authentic packet of a Child SA came from `from`: the NAT in front
 * of the peer has a new mapping. All Child SAs of the IKE SA move there (RFC 7296 section 2.23).
 * With MOBIKE, or without a NAT, nothing happens (RFC 4555 section 3.8). */
void ike_peer_rebound(struct ike *ike, ike_child_id child, const struct endpoint *from, nanos now);

/* ike_peer_encapsulates - the newest authentic packet of a Child SA came in UDP from `from`, while
 * we send without UDP. Both are allowed without a NAT (RFC 7296 section 2.23). But the peer may
 * have a reason, such as a firewall. If its IKE messages come from `from` too, all Child SAs of the
 * IKE SA use UDP from now on. */
void ike_peer_encapsulates(struct ike *ike, ike_child_id child, const struct endpoint *from,
                           nanos now);

/* ike_stray_esp - ESP came from `from` (port 0: not in UDP) with an SPI that no Child SA has.
 * ike_unreachable - an ICMP error says that packets do not reach `remote`. Anybody can forge these
 * hints. So they cause a rate-limited probe, and nothing else (RFC 7296 section 2.21.4). */
void ike_stray_esp(struct ike *ike, const struct endpoint *from, uint32_t spi, nanos now);
void ike_unreachable(struct ike *ike, const struct endpoint *remote, nanos now);

/* ike_child_expiring - the data plane reached the soft (rekey) or hard (delete) volume limit of a
 * Child SA. */
void ike_child_expiring(struct ike *ike, ike_child_id child, bool hard, nanos now);

/* --- outcomes --- */

/* enum ike_outcome - how an exchange ended. Each reason that a user may ask about has a value. */
enum ike_outcome {
    IKE_OK,
    IKE_TIMEOUT,          /* no answer to any retransmission */
    IKE_AUTH_FAILED,      /* the peer refused our AUTH (notify AUTHENTICATION_FAILED) */
    IKE_PEER_AUTH_FAILED, /* we refused the AUTH of the peer */
    IKE_NO_SECRET,        /* no PSK or key for this pair of identities */
    IKE_ID_MISMATCH,      /* the peer's identity is not the configured one */
    IKE_NO_PROPOSAL,      /* NO_PROPOSAL_CHOSEN either way */
    IKE_KE_REFUSED, /* INVALID_KE_PAYLOAD with a group that we do not offer, or again and again */
    IKE_TS_REFUSED, /* TS_UNACCEPTABLE either way */
    IKE_ADDRESS_FAILURE,   /* INTERNAL_ADDRESS_FAILURE, FAILED_CP_REQUIRED */
    IKE_NO_ADDITIONAL_SAS, /* final until an SA of the session goes */
    IKE_TEMPORARY_FAILURE, /* the peer asked to retry later, and bounded retries are used up */
    /* the peer did a plain rekey, or announced no dialect: never ask again in this session */
    IKE_CLONE_UNSUPPORTED,
    IKE_UNACCEPTABLE_ADDRESSES, /* RFC 4555 section 3.5 */
    IKE_UNEXPECTED_NAT,         /* RFC 4555 section 3.9 */
    IKE_ROUTABILITY_FAILED,     /* wrong COOKIE2: the IKE SA is closed (RFC 4555 section 3.7) */
    IKE_PEER_DELETED,           /* Delete received */
    IKE_REPLACED,       /* by a rekeyed or reauthenticated SA, INITIAL_CONTACT or uniqueness */
    IKE_EXPIRED,        /* hard lifetime, authentication deadline */
    IKE_CANCELLED,      /* by a command of ours, or the SA ended first */
    IKE_INVALID_SYNTAX, /* either way */
    IKE_PROTOCOL_ERROR, /* any other error notify; see `notify` */
    IKE_INSTALL_FAILED, /* the data plane refused */
    IKE_LIMIT,          /* a limit of ours */
    IKE_NO_PATH,        /* no usable path */
    IKE_REDIRECTED,     /* the Gateway sends us to another one: IKE_EV_REDIRECT */
    IKE_NO_PPK,         /* a PPK is required, and the peer or we have none (RFC 8784) */
};
#define IKE_OUTCOMES (IKE_NO_PPK + 1)
const char *ike_outcome_name(
    enum ike_outcome outcome); /* "timeout", "auth-failed", ... : stable, for programs */

/* --- commands: what policy or a person wants --- */

/* enum ike_command_kind - which members of struct ike_command each kind reads, beside `kind` and
 * `tag`:
 *
 * CONNECT         conn, path, child, packet: a login on that path, for a new session
 *                 alone, clone, redirected_from, replaces, again, give_up_ns
 * CANCEL          tag of a CONNECT that is not complete: ends it without a message to the peer
 * CREATE_CHILD    sa, child, packet, if_missing REKEY_IKE       sa REKEY_CHILD     child_id CLONE
 * sa, unused_old. COMMAND_DONE names the new IKE SA MOVE            sa, path, path_test, retry_ns,
 * give_up_ns: UPDATE_SA_ADDRESSES CREATE_MOVED    sa, path, child, packet: one exchange creates and
 * moves (draft B.5, D-08). The peer must have
 *                 announced the Vendor ID. A Gateway may do so with reduced = gateway, to an address that the
 *                 peer announced, without a NAT
 * PROBE           sa, retry_ns, give_up_ns: an empty INFORMATIONAL on its path (RFC 7296 section
 * 2.4).
 *                 COMMAND_DONE has the round-trip time
 * PATH_TEST       sa, path, retry_ns, give_up_ns: the same over another path (RFC 4555 section
 * 3.10). The IKE SA
 *                 stays where it is
 * PATH_TERMS      sa, terms: an End User tells its Gateway what the path is worth. ERR_WRONG_STATE:
 * the peer did
 *                 not send the Vendor ID, or we are the Gateway
 * DELETE_IKE      sa, force, reason DELETE_CHILD    child_id, force DELETE_SESSION  session, force,
 * reason: all its IKE SAs. It is done when the last one is gone REDIRECT        session, gateway: a
 * Gateway sends the End User there (RFC 5685 section 5). ERR_WRONG_STATE: the
 *                 peer did not announce that it can be redirected
 * END_TICKETS     session: what was granted to it has changed. Its tickets no longer count, and a
 * login under way
 *                 by one of them is refused
 * REAUTH          session, lifetime_ns: a new login is wanted now. End User: IKE_EV_REAUTH.
 * Gateway: asks the End
 *                 User for it (RFC 4478) */
enum ike_command_kind {
    IKE_CMD_CONNECT,
    IKE_CMD_CANCEL,
    IKE_CMD_CREATE_CHILD,
    IKE_CMD_REKEY_IKE,
    IKE_CMD_REKEY_CHILD,
    IKE_CMD_CLONE,
    IKE_CMD_MOVE,
    IKE_CMD_CREATE_MOVED,
    IKE_CMD_PROBE,
    IKE_CMD_PATH_TEST,
    IKE_CMD_DELETE_IKE,
    IKE_CMD_DELETE_CHILD,
    IKE_CMD_DELETE_SESSION,
    IKE_CMD_REDIRECT,
    IKE_CMD_END_TICKETS,
    IKE_CMD_REAUTH,
    IKE_CMD_PATH_TERMS,
};

/* struct ike_command - pointers are borrowed during the call.
 * tag: chosen by the caller. IKE_EV_COMMAND_DONE returns it.
 * child: its name. CONNECT: empty or NULL is the first child of the connection.
 * packet: the packet that needs the Child SA.
 * path_test: a path test comes before the change (B.4, M9).
 * unused_old: code 1 of KEEP_OLD_IKE_SA, a rekey that also tells the peer how long the old IKE SA may stay. A peer
 *     without that code gets a plain rekey.
 * if_missing: ends with IKE_CANCELLED if the peer creates the Child SA before the request is sent.
 * alone: the IKE SA only, without a Child SA (RFC 6023). Fails with a peer that does not announce it.
 * clone: more than one path is wanted, so a clone may come with the login (draft B.5). Then its IKE_EV_SA_UP comes
 *     before COMMAND_DONE.
 * redirected_from: the Gateway that sent us here. Family NONE: none.
 * replaces: reauthenticates beside this session, which stays. 0: none. The same inner addresses are asked for. The
 *     caller deletes the old IKE SAs once the new ones carry its traffic.
 * again: the number of the IKE SA of a former attempt at this login. The new IKE SA gets that number. 0, or the number
 *     of a living IKE SA: the new IKE SA gets a new number.
 * force: ends at once, without a response of the peer.
 * reason: the outcome of an end with `force`. 0: IKE_CANCELLED. The path manager ends a session with a silent peer by
 *     IKE_TIMEOUT, which keeps session tickets valid.
 * early_ns: of CONNECT: the wait before the first copy of an IKE_SA_INIT request. It doubles until it reaches the
 *     endpoint's first interval; the back-off begins there. For a Gateway that may come up at any moment. 0: none.
 * retry_ns: the constant interval of retransmission. 0: the endpoint's back-off.
 * lifetime_ns: of a Gateway: the new lifetime of the authentication, from now on. It replaces the former one. The End
 *     User learns it, and all tickets are revoked. 0: a login is wanted now.
 * give_up_ns: total time. 0: the endpoint's. With a total time, a PROBE or PATH_TEST without a response does not end
 *     the IKE SA: the caller decides. */
struct ike_command {
    enum ike_command_kind kind;
    uint64_t tag;
    ike_sa_id sa;
    ike_child_id child_id;
    ike_session_id session;
    const char *conn;
    const char *child;
    struct ike_packet packet;
    struct ike_path path;
    bool path_test;
    bool unused_old;
    bool if_missing;
    bool alone;
    bool clone;
    struct ike_gateway gateway;
    struct address redirected_from;
    ike_session_id replaces;
    ike_sa_id again;
    bool force;
    enum ike_outcome reason;
    nanos early_ns;
    nanos retry_ns;
    nanos lifetime_ns;
    nanos give_up_ns;
    struct path_terms terms;
};

/* ike_command - queues the command. Its outcome comes as IKE_EV_COMMAND_DONE with the tag. On an
 * error no event follows: ERR_NOT_FOUND (no such object), ERR_WRONG_STATE (never possible there),
 * ERR_FULL, ERR_INVALID, ERR_NO_MEMORY. */
int ike_command(struct ike *ike, const struct ike_command *command, nanos now) MUST_USE;

/* --- events --- */

enum ike_event_kind {
    /* jobs: answered by ike_complete with `job` */
    IKE_EV_AUTH_SIGN,   /* auth: compute our AUTH */
    IKE_EV_AUTH_VERIFY, /* auth: check the peer's AUTH */
    IKE_EV_PPK,         /* ppk: mix a PPK into the keys of the IKE SA */
    IKE_EV_EAP,         /* eap: the next step of an EAP conversation */
    IKE_EV_KE,          /* ke: a step of a key exchange; any thread may */
    /* session, sa: the core takes all rounds for proven. An error: the session does not begin, and the login fails */
    IKE_EV_ADMIT,
    IKE_EV_LEASE,       /* lease: inner addresses for a session */
    IKE_EV_TICKET_SEAL, /* ticket: a ticket of the session (RFC 5723) */
    IKE_EV_TICKET_OPEN, /* ticket: its contents, and SKEYSEED */
    IKE_EV_TICKET_USE,  /* ticket: check that it is valid, and make it invalid */
    /* install: both directions; `outbound_now` false: receive only until IKE_EV_CHILD_SWITCH */
    IKE_EV_CHILD_INSTALL,
    /* orders */
    IKE_EV_EAP_END,    /* eap_end: the conversation is over early; its number is not used again */
    IKE_EV_TICKET_END, /* tag: a family of tickets, all revoked (ticket_end.h) */
    /* session: it and its ticket have ended: its certificate chains are not needed any more. Not without a chain */
    IKE_EV_CHAINS_END,
    IKE_EV_LEASE_RELEASE, /* session: the last IKE SA is gone */
    IKE_EV_CHILD_SWITCH,  /* child: send on it from now on */
    IKE_EV_CHILD_MOVE,    /* child, path, encap */
    IKE_EV_CHILD_REMOVE,  /* child, outcome; `linger_ns`: keep receiving that long */
    /* news */
    IKE_EV_COMMAND_DONE, /* tag, outcome, notify, sa (new one), child, rtt_ns */
    IKE_EV_SESSION_UP,   /* session, sa: authentication complete in both directions */
    IKE_EV_SESSION_DOWN, /* session, outcome */
    /* session: the End User has to reauthenticate, make before break: CONNECT with `replaces`.
     * It comes once; without a new login the session ends at its deadline */
    IKE_EV_REAUTH,
    /* sa: established: authenticated, or cloned or rekeyed from sa_old. tag: of the command that caused it; 0: none */
    IKE_EV_SA_UP,
    IKE_EV_SA_MOVED, /* sa, path (new), path_old: by us or by the peer, or a NAT rebinding */
    IKE_EV_SA_DOWN,  /* sa, outcome */
    /* child, sa, child_old (rekeyed from; 0: none): it exists. CHILD_INSTALL came before */
    IKE_EV_CHILD_NEW,
    IKE_EV_CHILD_UP,       /* the same members: its CHILD_INSTALL is complete, without an error */
    IKE_EV_CHILD_DOWN,     /* child, outcome */
    IKE_EV_PATH_TERMS,     /* sa: both ends know the terms of its path (ike_sa_info) */
    IKE_EV_PEER_ADDRESSES, /* sa: additional addresses of the peer changed (ike_sa_info) */
    /* session: CFG_REPLY applied (ike_session_info): inner addresses, DNS, subnets */
    IKE_EV_CONFIG,
    /* an exchange of ours was answered: exchange, what, rtt_ns (for demos and control-log) */
    IKE_EV_EXCHANGE,
    /* path.remote.address: the Gateway that the End User shall use; without a family: `notice` is its name. For
     * a session that is up, or with the tag of a CONNECT that ends with IKE_REDIRECTED */
    IKE_EV_REDIRECT,
    /* notice: something worth one rate-limited log line; outcome: of a login that was refused here,
     * IKE_PEER_AUTH_FAILED */
    IKE_EV_NOTICE,
};

/* struct ike_cert - the body of a CERT payload (RFC 7296 section 3.6). */
struct ike_cert {
    uint8_t encoding; /* enum wire_cert_encoding */
    struct span octets;
};

#define IKE_HASHES 8 /* most hash algorithms that we keep of a peer (RFC 7427) */
/* most announcements that we keep of a peer (RFC 9593): for single CAs, and one for any CA */
#define IKE_ANNOUNCED 16

/* struct ike_announced - the signatures that the peer verifies, of certificates of one CA.
 * ca: its place in the peer's CERTREQ, from 1; 0: any CA. methods: bits of signature_method(). */
struct ike_announced {
    uint16_t ca, methods;
};

/*
 * struct ike_auth_job - one AUTH payload to be made (AUTH_SIGN) or verified (AUTH_VERIFY). The
 * signer is the side whose AUTH it is: we, or the peer. The holder of the key composes the octets
 * that AUTH covers from `octets`, and signs nothing else. All spans are borrowed, as the event is.
 */
struct ike_auth_job {
    enum ike_auth_method method; /* of the round: PSK or PUBKEY */
    uint8_t round;               /* of the signer, from 0 */
    uint32_t credentials;        /* of the round's policy */
    const char *conn;
    const struct ike_auth_policy *policy; /* of the round; borrowed */
    struct ike_id local_id, remote_id;    /* remote type 0: not known yet */
    struct auth_octets octets;
    /* AUTH_SIGN: the methods that the peer announced */
    uint8_t n_hashes;
    uint16_t hashes[IKE_HASHES]; /* RFC 7427 section 4; none: not announced, methods 1, 9, 10, 11 */
    uint8_t n_announced;
    struct ike_announced announced[IKE_ANNOUNCED]; /* RFC 9593; none: not announced */
    struct span ca_ids; /* key ids of its CERTREQ payloads, IKE_KEY_ID octets each */
    bool cert_wanted;   /* send certificates: send_cert and CERTREQ of the peer say so */
    bool ocsp_wanted;   /* send an OCSP response about our certificate, too (RFC 4806) */
    bool hash_and_url;  /* the peer fetches encodings 12 and 13 */
    /* AUTH_VERIFY: the peer's payloads */
    uint8_t auth_method; /* AUTH method number: 2 with PSK; 1, 9, 10, 11 or 14 with PUBKEY */
    struct span auth;
    uint8_t n_certs; /* its CERT payloads, in their order */
    struct ike_cert certs[LIMIT_CERTS];
};

/*
 * struct ike_ppk_job - RFC 8784 section 3. The holder of the PPK computes prf+ (PPK, key) of each
 * key (ike/terms/ppk.h). `keys`: SK_d', SK_pi' and SK_pr', each as long as the PRF gives; borrowed.
 */
struct ike_ppk_job {
    struct ike_id id; /* octets of the PPK_ID, as ID_KEY_ID */
    uint16_t prf;
    struct span keys;
};

/*
 * struct ike_eap_job - one step of an EAP conversation. The core checks the framing (RFC 3748
 * section 4: code, length, Identifier) and knows no method. An empty `packet` asks the
 * authenticator for its first Request. If the first packet of a conversation is not empty, it is
 * the peer's Response/Identity, for which a conversation under another policy has asked. A peer
 * gets Requests and Success; a Failure ends the login in the core.
 */
struct ike_eap_job {
    uint32_t conversation; /* never 0, never used again */
    bool authenticator;    /* we are the Gateway */
    uint8_t round;         /* of the side that EAP authenticates, from 0 */
    uint32_t credentials;  /* of the round's policy */
    /* the conversation has ended, and its proof did not meet the policy of that time (ike_result.unfit).
     * The job asks whether it meets this one; `packet` is empty */
    bool again;
    uint32_t other_credentials; /* of the Gateway's round at the same time */
    const char *conn;
    const struct ike_auth_policy *policy; /* of the round; borrowed */
    struct ike_id local_id, remote_id;    /* IDs of the payloads: not proven by themselves */
    bool ocsp;      /* TLS: we answer with an OCSP response (RFC 9190 section 5.4) */
    bool need_key;  /* a method without a key is refused: EAP_ONLY_AUTHENTICATION (RFC 5998) */
    uint64_t grant; /* of the proofs of earlier rounds; 0: none */
    struct span packet;
};

/* struct ike_eap_end - both numbers as in the jobs of the conversation. */
struct ike_eap_end {
    uint32_t conversation, credentials;
};

/* struct ike_ke_job - a step of a key exchange. Classes, the first one served first: established IKE SAs and our
 * own requests; peers that returned a cookie or are known; others. */
enum ike_ke_class { IKE_KE_ESTABLISHED, IKE_KE_PROVEN, IKE_KE_STRANGER, IKE_KE_CLASSES };
struct ike_ke_job {
    enum ike_ke_class class;
    struct ke_job step; /* to be copied; the queue wipes this one */
};

/*
 * struct ike_ticket - the contents of a session ticket, for the Gateway that made it. valid_ns and certs_ns
 * are the remaining validity of the authentication and of the certificates, 0: no bound. `family` names the
 * first login. All sessions that resume from it have the same family, and only its newest ticket is valid.
 */
struct ike_ticket {
    char conn[LIMIT_NAME];
    struct ike_id local_id, remote_id, proven_id; /* IDr, IDi, and the proven identity */
    uint16_t encr, encr_key_bits, integ, prf, ke; /* of the IKE SA */
    bool ppk;                                     /* a PPK is in its keys */
    bool shared; /* the End User proved a pre-shared secret, which must be unchanged */
    nanos valid_ns, certs_ns;
    uint64_t family;   /* SEAL: 0: a new one */
    uint64_t issued;   /* names one ticket of the family; opaque */
    uint64_t grant;    /* SEAL, of struct ike_proof */
    nanos lifetime_ns; /* SEAL: as long as the connection says */
    uint16_t n_extra;  /* octets of the daemon about the grant */
    uint8_t extra[LIMIT_TICKET_EXTRA];
};

/* struct ike_ticket_job - all borrowed. SEAL: ticket, sk_d. OPEN: sealed, ni, nr. USE: ticket. */
struct ike_ticket_job {
    const struct ike_ticket *ticket;
    struct span sk_d, sealed, ni, nr;
};

#define IKE_LEASE_ADDRESSES 4
struct ike_lease_job {
    const struct ike_conn *conn;
    struct ike_id identity;
    uint64_t grant;        /* of the session's proof */
    ike_session_id beside; /* a session of the peer, whose addresses it may ask for; 0: none */
    bool split_dns;        /* the peer takes DNS domains (RFC 8598 section 3.1) */
    /* the peer takes resolvers that answer over TLS, at addresses of this family (RFC 9464 section 4) */
    bool encrypted_dns_v4, encrypted_dns_v6;
    uint8_t n_requested;
    struct address requested[IKE_LEASE_ADDRESSES]; /* 0.0.0.0 / :: = any of the family */
};

/* struct ike_config - the contents of a CFG_REPLY, sent or received (RFC 7296 section 3.15). */
struct ike_config {
    uint8_t n_addresses, n_dns, n_subnets;
    struct address addresses[IKE_LEASE_ADDRESSES];
    struct address dns[8];
    struct address_range subnets[8];
    struct encrypted_dns encrypted_dns; /* to be asked rather than `dns` (RFC 9464 section 4) */
    struct domain_list domains; /* the domains that these servers resolve; empty: all names */
};

struct ike_child_keys {
    uint16_t encr, encr_key_bits, integ; /* integ 0 with AEAD */
    struct secret encr_in, integ_in, encr_out,
        integ_out; /* encr_*: with the salt, as KEYMAT has it */
};

struct ike_child_install {
    ike_child_id child;
    ike_sa_id sa;
    ike_session_id session;
    ike_child_id replaces; /* rekey of; 0: none */
    uint32_t spi_in, spi_out;
    struct ike_child_keys keys; /* wiped when ike_event is called again */
    bool esn, udp_encap, outbound_now;
    bool order;     /* both ends agreed on order trailers: docs/protocol.md section 11 */
    bool transport; /* transport mode, else a tunnel */
    uint32_t replay_window;
    uint64_t soft_packets, soft_octets; /* limits at which to ask for a rekey; 0: none */
    struct ike_path path;
    struct ike_ts_list local_ts, remote_ts;
    const struct ike_conn *conn;
    const struct ike_child_policy *policy;
};

struct ike_gone;

/*
 * struct ike_event - a union by kind: the members behind `what` belong to one kind each. An event that is pulled
 * ends behind the members of its kind, so no other member may be read, and no event be copied as a struct
 * (ike_event_size).
 */
struct ike_event {
    enum ike_event_kind kind;
    enum ike_outcome outcome;
    ike_job_id job;
    uint64_t tag;
    ike_session_id session;
    ike_sa_id sa, sa_old;
    ike_child_id child, child_old;
    uint16_t notify; /* the error notify behind `outcome`, or 0 */
    bool we_sent_notify;
    bool udp_encap;
    /* COMMAND_DONE of a probe: another request that was outstanding served as the probe. So rtt_ns may
     * be shorter than a round trip */
    bool borrowed;
    uint8_t exchange; /* EXCHANGE: exchange type */
    struct ike_path path;
    union {
        nanos rtt_ns;    /* COMMAND_DONE, EXCHANGE */
        nanos linger_ns; /* CHILD_REMOVE */
    };
    /* SA_DOWN, CHILD_DOWN: the last state of the SA; NULL: no memory */
    const struct ike_gone *gone;
    /* NOTICE: printable, escaped, no secrets. COMMAND_DONE: detail for the user, may be empty.
     * REDIRECT: the name of the other Gateway; empty: it has an address, or no memory */
    const char *notice;
    /* EXCHANGE: "clone", "move", "path-test", "rekey-child"... NOTICE of a refused login: the identity
     * that the peer claimed, as identity_print writes it */
    const char *what;
    union {
        struct ike_path path_old; /* SA_MOVED */
        struct ike_eap_end eap_end;
        struct ike_auth_job auth;
        struct ike_ppk_job ppk;
        struct ike_eap_job eap;
        struct ike_lease_job lease;
        struct ike_ticket_job ticket;
        struct ike_ke_job ke;
        struct ike_child_install install;
    };
};

/* ike_event - the oldest event that was not returned yet; NULL: none. The event and what it points to
 * are borrowed until ike_event is called again. */
const struct ike_event *ike_event(struct ike *ike);
/* ike_event_size - the octets of struct ike_event that an event of this kind has. */
size_t ike_event_size(enum ike_event_kind kind);

/* struct ike_chains - the daemon's numbers of the certificate chains that authenticate a session. One for
 * each round with certificates, in both roles. `from`: the session from which this one resumed and took the
 * chains (RFC 5723); 0: a login of this session brought them. */
#define IKE_CHAINS (2 * POLICY_ROUNDS)
struct ike_chains {
    uint8_t n;
    ike_session_id from;
    uint64_t of[IKE_CHAINS];
};

/* struct ike_proof - the results of an authentication, beside its success. */
struct ike_proof {
    nanos valid_ns; /* its validity from now on (certificate, Session-Timeout); 0: no bound */
    /* a number of the daemon for groups and RADIUS attributes; 0: none. The session's lease jobs and
     * ike_session_info return it */
    uint64_t grant;
    /* the daemon's number of the certificate chain of the proof; 0: none. See ike_session_chains */
    uint64_t chain;
    uint8_t eap_type; /* EAP: the method, for ike_session_info; 0: not known */
    /* EAP: the proven identity, printable; empty: that of the ID payload */
    char identity[LIMIT_ID / 2];
};

enum ike_eap_state { IKE_EAP_GOES_ON, IKE_EAP_SUCCESS, IKE_EAP_FAILURE };

/* struct ike_result - spans are borrowed during the call. */
struct ike_result {
    /* 0: done. AUTH: ERR_NOT_FOUND: no secret; ERR_AUTH: the peer's AUTH is wrong. PPK: ERR_NOT_FOUND: no PPK of
     * that PPK_ID. EAP, LEASE, INSTALL: any error */
    int error;
    const char *reason; /* of the error, for the user; NULL: none */
    /* AUTH_VERIFY with an error, EAP with FAILURE: the proof may be right. It does not meet this policy, but may
     * meet another one. EAP: the conversation is kept until EAP_END, for a job that asks about another policy,
     * and proof.identity is the proven identity */
    bool unfit;
    /* AUTH_SIGN: the payloads to send */
    uint8_t auth_method; /* AUTH method number; 0: 2, with PSK */
    struct span auth;
    uint8_t n_certs;
    struct ike_cert certs[LIMIT_CERTS];
    /* AUTH_VERIFY, EAP success */
    struct ike_proof proof;
    /* EAP: the packet to send: a Request or Response. With SUCCESS and FAILURE of the
     * authenticator: that packet; of the peer: empty */
    enum ike_eap_state eap_state;
    struct span eap_packet;
    struct span msk; /* with SUCCESS; empty: the method has no key */

    /* TICKET_SEAL: sealed, ticket_lifetime_ns, family. TICKET_OPEN: ticket, skeyseed; ERR_AUTH: we
     * did not make it; any other error: it is invalid. TICKET_USE: proof.grant */
    struct span sealed, skeyseed;
    nanos ticket_lifetime_ns;
    uint64_t family;
    const struct ike_ticket *ticket;

    struct span ppk_keys;     /* PPK: SK_d, SK_pi and SK_pr, as long as those of the job */
    struct ike_config config; /* LEASE */
    const struct ke_job *ke;  /* KE: as ke_run left it, or NULL; borrowed during the call */
};

/* ike_complete - takes the result of a job. KE with ERR_AGAIN: too many jobs wait. A peer may ask
 * again; a step of our own exchange is computed at once. A job whose IKE SA has ended is ignored. */
void ike_complete(struct ike *ike, ike_job_id job, const struct ike_result *result, nanos now);

/* --- output --- */

struct ike_datagram {
    struct ike_path path;
    uint8_t dscp;
    size_t len;
    uint8_t octets[LIMIT_IKE_MESSAGE]; /* without the non-ESP marker */
};
bool ike_send(struct ike *ike, struct ike_datagram *ret_datagram); /* false: nothing to send */

/* --- queries (list-sas, path manager) --- */

enum ike_sa_role {
    IKE_SA_INITIATOR,
    IKE_SA_RESPONDER
}; /* original initiator: keys, SPI order, I flag */
enum ike_session_role { IKE_END_USER, IKE_GATEWAY }; /* never changes: MOBIKE, CP */
enum ike_sa_life {
    IKE_HALF_OPEN,
    IKE_AUTHENTICATING,
    IKE_ESTABLISHED,
    IKE_SA_REPLACED,
    IKE_DELETING,
    IKE_DEAD
};
enum ike_origin { IKE_ORIGIN_AUTHENTICATED, IKE_ORIGIN_CLONED, IKE_ORIGIN_REKEYED };
enum ike_dialect {
    IKE_DIALECT_NONE,
    IKE_DIALECT_RFC7791,
    IKE_DIALECT_KEEP_OLD,
    IKE_DIALECT_KEEP_OLD_BLIND
};

struct ike_sa_info {
    ike_sa_id id;
    ike_session_id session;
    ike_sa_id parent; /* cloned or rekeyed from; 0: authenticated */
    ike_sa_id line;   /* stays the same through all rekeys of an IKE SA; see ike_line_get */
    enum ike_sa_life life;
    enum ike_sa_role role;
    /* a rekeyed clone stays `cloned`, a rekeyed authenticated SA stays `authenticated` */
    enum ike_origin origin;
    uint64_t spi_i, spi_r;
    struct ike_path path;
    bool nat_local, nat_remote; /* a NAT in front of us / of the peer on this path */
    uint16_t encr, encr_key_bits, integ, prf, ke;
    nanos established_ns, rekey_at_ns, last_heard_ns;
    /* copies of our last answered request without a response, all sent over one path. Responses may still
     * arrive within a round trip after the first one; after that the copies were lost */
    uint8_t unanswered;
    uint8_t n_peer_addresses;
    struct address peer_addresses[LIMIT_ADDITIONAL + 1];
    /* it replaces `parent`. If two rekeys crossed, only the winner does */
    bool rekey;
    /* borrowed: its inner addresses; those of the session unless it has its own */
    const struct ike_config *config;
    ike_session_id config_owner; /* the session, or a number of its own */
    struct path_terms terms; /* of its path: the End User sent them and the Gateway received them */
    bool deleting_soon;      /* code 1: it is unused, and deletes itself soon */
    bool refused;            /* its login has failed; it stays to repeat the response */
};

struct ike_session_info {
    ike_session_id id;
    const struct ike_conn *conn; /* borrowed */
    enum ike_session_role role;
    struct ike_id local_id, remote_id;
    struct ike_id claimed_id; /* of the peer's ID payload; EAP may have proven another */
    bool established;
    char eap_identity[LIMIT_ID / 2];  /* of the End User, as EAP proved it; empty: by its ID */
    uint64_t grant;                   /* of struct ike_proof; 0: none */
    uint8_t eap_types[POLICY_ROUNDS]; /* of struct ike_proof, for each round of the peer */
    uint32_t logins;                  /* IKE_AUTHs that succeeded; clones add nothing */
    uint32_t n_ike_sas, n_children;
    uint32_t n_lines; /* like n_ike_sas, but the IKE SAs of one line count once */
    nanos established_ns, auth_deadline_ns;
    bool mobike, fragmentation;
    bool ppk;               /* a PPK is in the keys of all its IKE SAs and Child SAs (RFC 8784) */
    bool resumed;           /* it began with a session ticket (RFC 5723) */
    uint64_t ticket_family; /* Gateway: of its tickets; 0: no valid ticket */
    struct traffic_classes classes; /* Gateway: of its End User; until the next call of ike_* */
    uint32_t classes_changes;       /* how often they changed */
    bool path_terms;                /* End User: the Gateway accepts PATH_TERMS */
    enum ike_dialect dialect;       /* for requests that we send */
    bool clone_refused;             /* NO_ADDITIONAL_SAS, until an SA goes */
    struct ike_config config;       /* leased or received */
};

enum ike_child_life {
    IKE_CHILD_LARVAL,
    IKE_CHILD_INBOUND_READY,
    IKE_CHILD_ACTIVE,
    IKE_CHILD_REPLACED,
    IKE_CHILD_DELETING
};

struct ike_child_info {
    ike_child_id id;
    ike_sa_id sa;
    ike_sa_id line; /* of `sa`; a rekey of the IKE SA does not change it */
    ike_session_id session;
    const struct ike_child_policy *policy; /* borrowed */
    enum ike_child_life life;
    uint32_t spi_in, spi_out;
    uint16_t encr, encr_key_bits, integ, ke;
    bool esn, udp_encap, order, transport;
    bool up; /* IKE_EV_CHILD_UP has come */
    nanos installed_ns, rekey_at_ns, expires_at_ns;
    struct ike_ts_list local_ts, remote_ts;
};

/* struct ike_gone - the last state of an SA that has ended. No query returns it any more. */
struct ike_gone {
    bool replaced; /* it ended by a rekey, and its successor continues */
    struct ike_sa_info sa;
    struct ike_session_info session; /* conn NULL: the SA had no session */
    struct ike_child_info child;     /* id 0: an IKE SA ended */
    struct ike_config config;        /* sa.config points to it */
    struct ike_conn *conns[2];       /* references: session.conn, and the one of child.policy */
};

/* ike_*_next - the next object in order of id, behind `after` (0: the first). false: no more. */
bool ike_sa_next(const struct ike *ike, ike_sa_id after, struct ike_sa_info *ret_info);
bool ike_session_next(const struct ike *ike, ike_session_id after,
                      struct ike_session_info *ret_info);
bool ike_child_next(const struct ike *ike, ike_child_id after, struct ike_child_info *ret_info);
/* ike_sa_child_next - the same among the Child SAs of one IKE SA. */
bool ike_sa_child_next(const struct ike *ike, ike_sa_id sa, ike_child_id after,
                       struct ike_child_info *ret_info);
/* ike_session_child_next - the same among the Child SAs of one session. */
bool ike_session_child_next(const struct ike *ike, ike_session_id session, ike_child_id after,
                            struct ike_child_info *ret_info);
bool ike_sa_get(const struct ike *ike, ike_sa_id id, struct ike_sa_info *ret_info);
/* ike_line_get - the newest IKE SA of the line. While a rekey is under way, or two have crossed, this is the old
 * IKE SA until the outcome is known. false: the line has ended. */
bool ike_line_get(const struct ike *ike, ike_session_id session, ike_sa_id line,
                  struct ike_sa_info *ret_info);
bool ike_session_get(const struct ike *ike, ike_session_id id, struct ike_session_info *ret_info);
/* ike_session_chains - the chains of a session; NULL: no such session. Borrowed until the next call that is no
 * query. */
const struct ike_chains *ike_session_chains(const struct ike *ike, ike_session_id id);
bool ike_child_get(const struct ike *ike, ike_child_id id, struct ike_child_info *ret_info);

struct ike_stats {
    uint64_t half_open, in_eap; /* logins of peers; in_eap: those that wait for the user */
    uint64_t established, sessions, children;
    uint64_t logins, clones, rekeys_ike, rekeys_child, moves;
    uint64_t received, sent, retransmitted, malformed, unauthenticated, cookies_sent, dropped_limit;
    uint64_t logins_failed[IKE_OUTCOMES]; /* of either role, by enum ike_outcome */
};
void ike_stats_get(const struct ike *ike, struct ike_stats *ret_stats);

/* --- limits and keys --- */

/* ike_fullest_peer - the peer that is nearest to its max_sessions. Visits all sessions. false: no peer has a
 * limit. */
struct ike_fullest {
    ike_session_id session; /* one of that peer */
    uint32_t sessions, most;
};
bool ike_fullest_peer(const struct ike *ike, struct ike_fullest *ret_fullest);

/* struct ike_keylog - SK_* of an IKE SA for a dissector, only if the operator asks for them (ikatd -K). */
struct ike_keylog {
    uint64_t spi_i, spi_r;
    uint16_t encr, encr_key_bits, integ;
    struct secret sk_ei, sk_er, sk_ai, sk_ar;
};
bool ike_keylog_get(const struct ike *ike, ike_sa_id id, struct ike_keylog *ret_keys);

/* ike_check_invariants - asserts the invariants that hold between calls. Tests, simulator and fuzzers call it
 * after each call. */
void ike_check_invariants(const struct ike *ike);

#endif
