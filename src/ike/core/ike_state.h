/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_ENDPOINT_H
#define IKE_ENDPOINT_H

/* The contents of struct ike: tables, queues, half-open accounting. Internal to ike/. */

#include "base/deadline_heap.h"
#include "base/map.h"
#include "crypto/provider.h"
#include "ike/core/auth_wait.h"
#include "ike/core/child_sa.h"
#include "ike/core/cookie.h"
#include "ike/core/counters.h"
#include "ike/core/half_open.h"
#include "ike/core/sa.h"
#include "ike/core/session.h"
#include "ike/core/source_rate.h"

/* struct event_node - `event` ends behind the members of its kind. */
struct event_node {
    struct event_node *next;
    uint8_t *octets; /* owned, wiped: for the spans of a job and for the text of a notice */
    size_t n_octets;
    struct ike_gone *gone; /* of event.gone; owned */
    bool pooled;           /* from ike->event_pool */
    struct ike_event event;
};

struct output_node {
    struct output_node *next;
    struct ike_path path;
    uint8_t dscp;
    uint32_t len;
    uint8_t octets[];
};

/* struct ke_budget - key exchange time that is left for logins. */
struct ke_budget {
    nanos left_ns, at_ns;
};

struct held_ticket;
struct resumption;

struct ike {
    struct ike_options options;
    struct crypto_provider *crypto;
    const struct random *random;
    struct retransmit_policy retransmit;
    nanos now; /* of the current call */

    struct ike_conn **conns;
    uint64_t *conn_numbers; /* the numbers of `conns`, rising: conns.c */
    uint64_t last_conn;
    size_t n_conns, conns_cap;
    struct map conns_by_name; /* conns.c */

    struct sa *sas, *sas_last;
    struct sa *touched; /* by touched_next */
    struct sa *dead;    /* to be freed when the call ends, by `next` */
    struct session *sessions, *sessions_last;
    struct child *children, *children_last;
    struct map sas_by_id, sas_by_spi; /* by_spi: ours */
    /* endpoint of the peer -> the youngest established: unprotected_hint.c */
    struct map sas_by_remote;
    struct map sessions_by_id;
    struct map sessions_by_peer; /* hash of the identities -> newest: session.c */
    struct map children_by_id, children_by_spi;
    struct deadline_heap deadlines;
    bool serving; /* IKE_SA_INIT is answered */
    bool ppk;     /* a PPK is loaded */
    enum ike_pressure pressure;
    uint8_t hash_key[SIPHASH_KEY_LEN]; /* of all tables whose keys a peer can choose */
    struct half_open_table half_open;
    struct half_open_table patient; /* the same, of logins in EAP: login_patience */
    struct half_open_table refused; /* the same, of logins that have their refusal: given_up.c */
    struct map logins_by_request;   /* octets and source of IKE_SA_INIT -> login: answer_init.c */
    struct conn_index *conn_index;  /* owned; NULL: to be built (conn_index.h) */
    struct ke_budget ke_budget;
    struct auth_wait auth_wait;
    struct source_rate refusals, clear; /* answers to IKE_SA_INIT; other unprotected ones */
    unsigned n_groups;                  /* logins of ours that asked for a clone */
    struct early *early[2];             /* to be replayed: early_request.h */
    struct cookie_jar cookies;
    struct held_ticket *tickets; /* owned; of End Users: held_ticket.h */
    struct resumption *resuming; /* logins of peers by tickets, by `next`: resumption.h */

    struct map jobs;     /* jobs.h */
    struct map imported; /* numbers of exports that were imported */
    bool exported;       /* a session left: an unknown SPI may belong to another process */

    ike_sa_id last_sa;
    ike_child_id last_child;
    ike_session_id last_session;
    ike_job_id last_job;
    uint32_t last_eap; /* conversation */

    struct event_node *events, *events_last, *event_taken;
    uint8_t *event_pool; /* owned; LIMIT_EVENTS nodes without a job */
    struct event_node *events_free;
    size_t n_pool_used; /* nodes of the pool that were ever used */
    size_t n_pool_free; /* nodes of the pool that are free */
    bool closing;       /* in ike_free(): no more events */
    struct output_node *outputs, *outputs_last;

    uint8_t n_local;
    struct address local[LIMIT_ADDITIONAL + 1];

    nanos hints_ns; /* rate_second: unprotected_hint.c */

    struct ike_stats stats;
    struct trace *trace; /* owned; NULL: no memory (trace.h) */
    struct counters counters;
    uint8_t *scratch; /* LIMIT_DATAGRAM octets: plaintext of the message being read */
    uint8_t *build;   /* LIMIT_IKE_MESSAGE octets: the message being written */
};

/* ike_settle - ends each call that may have changed something. Each touched IKE SA runs its intents
 * and computes its deadline. Dead IKE SAs are freed. If too many events wait to be pulled, the next
 * call settles the rest (ike_deadline). */
void ike_settle(struct ike *ike);

/* --- events and output (event_queue.c) --- */

/*
 * event_add - a zeroed event at the end of the queue, to be filled in. Not for jobs. Never NULL: the pool has room
 * for all that one ike_* call does, since events are pulled after each call. A call that might do more stops at
 * events_room(), and goes on with the next one.
 */
struct ike_event *event_add(struct ike *ike, enum ike_event_kind kind);
/* event_job - adds the event of a job and registers the job (jobs.h); event->job is set. `octets`:
 * from malloc or NULL; the event owns them, and its end wipes and frees them. NULL: no memory,
 * `octets` are wiped and freed. */
struct ike_event *event_job(struct sa *sa, enum ike_event_kind kind, ike_child_id child,
                            struct span octets);
bool event_pool_init(struct ike *ike) MUST_USE; /* false: no memory */
/* events_room - the pool has room for the end of another session. */
bool events_room(const struct ike *ike);
/* info_gone - copies all that is known about the Child SA, and takes references of connections.
 * `child` NULL: about the IKE SA itself. */
void info_gone(const struct sa *sa, const struct child *child, struct ike_gone *ret_gone);
/* event_gone - the newest event reports the end of the Child SA or IKE SA. */
void event_gone(const struct sa *sa, const struct child *child, bool replaced);
/* event_text - copies the text into the newest event as its notice. Without memory the notice stays
 * empty. */
void event_text(struct ike *ike, const char *text);
struct ike_event *event_sa(struct sa *sa,
                           enum ike_event_kind kind); /* sa, session, path filled in */
/* event_refused - adds a notice: the login of `peer` (as identity_print writes it) was refused
 * here. Its number is not limited, unlike other notices. A peer could otherwise hide its refusal
 * behind them. */
void event_refused(struct sa *sa, const char *peer, const char *why);
void event_notice(struct sa *sa, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* output_add - copies a datagram into the send queue. */
void output_add(struct ike *ike, const struct ike_path *path, uint8_t dscp, struct span octets);
void output_packet(struct sa *sa, struct packet *packet, const struct ike_path *path);

void queues_done(struct ike *ike);

#endif
