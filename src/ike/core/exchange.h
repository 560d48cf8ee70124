/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_EXCHANGE_H
#define IKE_EXCHANGE_H

/*
 * How exchanges run. Each thing that we want of the peer is an intent (intent.h). An exchange has
 * two sides:
 *
 * Ours:   an intent reaches the head of the queue and the window is free (turn.h)
 *         -> our key pair is made, if the request has a KE payload
 *         -> ops->ask() writes the payloads -> the request is sealed, sent and retransmitted
 *         -> ops->answered() reads the response and returns a verdict: what comes next.
 *            With a KE payload it checks the response, and ops->agreed() acts on it once the shared
 *            secret is made. A key pair or secret may be a job on another thread.
 * Theirs: a request arrives -> message_kind() says what it is -> an answer function writes the reply and
 *         leaves a commit function -> the reply is sealed -> commit changes the state.
 *
 * exchange.c holds the table: one row of functions for each kind of intent. The functions are in
 * exchange_<name>.c, in the order of the protocol.
 */

#include "ike/core/child_sa.h"
#include "ike/core/intent.h"
#include "ike/core/key_exchange.h"
#include "ike/core/sa.h"
#include "ike/core/session.h"
#include "ike/core/turn.h"
#include "ike/terms/message_kind.h"
#include "wire/builder.h"
#include "wire/message.h"

/* --- our side --- */

/* intent_end - emits IKE_EV_COMMAND_DONE for an intent that ends without a response. */
void intent_end(struct sa *sa, const struct intent *intent, enum ike_outcome outcome);

/* enum verdict_kind - what comes after a response. */
enum verdict_kind {
    VERDICT_DONE,   /* the intent ends with `outcome` */
    VERDICT_NEXT,   /* the next request of the same intent: ops->ask with step + 1 */
    VERDICT_REPEAT, /* the same step at once: ops->ask is called again */
    VERDICT_AGAIN,  /* the intent returns to the queue, not to run before `not_before_ns` */
    VERDICT_LATER,  /* the exchange waits for a job and continues in exchange_resume() */
};
struct verdict {
    enum verdict_kind kind;
    enum ike_outcome outcome;
    uint16_t notify; /* the error notify that caused the outcome; 0: none */
    bool we_sent_notify;
    nanos not_before_ns;
    ike_sa_id new_sa;       /* clone, rekey */
    ike_child_id new_child; /* create, rekey */
    const char *detail;     /* for the log; static, or valid until the call ends; NULL: none */
};

/* struct asking - our exchange under way. An intent is allocated as the `asking` that it will become.
 * So sending it, queueing it again and handing it to another IKE SA need no memory. */
struct asking {
    struct intent intent; /* first */
    const struct exchange_ops *ops;
    unsigned step;    /* 0: first request */
    uint8_t exchange; /* exchange type of the current request: ops->exchange, or set by ask */
    enum turn_holder holder; /* whose turn the window is: turn.h */
    /* HOLDER_LENT: the window belongs to the first such intent in the queue */
    struct {
        enum intent_kind kind;
        bool liveness; /* intent_is_liveness() */
    } lent;
    bool several_paths; /* copies of the current request were sent over more than one path */
    void *state;        /* of the exchange, freed by ops->release */
    struct key_exchange *key_exchange; /* owned; ours: pair, then secret; NULL: none */
    bool answered;                     /* the response came, and its key exchange is a job */
    /* asked_ns: the first copy of the current request left; rtt_ns: the last answered request took */
    nanos asked_ns, rtt_ns;
    struct ike_path path; /* the path of the current request: sa->path, or set by ask */
};

struct exchange_ops {
    const char *what; /* IKE_EV_EXCHANGE.what: "clone", "move", "path-test"... */
    uint8_t exchange; /* exchange type */
    /* group - the key exchange method of the next request; 0: it has no KE payload. The key pair is
     * made before `ask` is called: exchange_pair(). NULL: no request has a KE payload. */
    uint16_t (*group)(const struct sa *sa, const struct asking *asking);
    /* ask - writes the payloads of the request. IKE_OK: it is sent. Otherwise the intent ends with
     * the outcome. */
    enum ike_outcome (*ask)(struct sa *sa, struct asking *asking, struct wire_builder *request,
                            nanos now);
    struct verdict (*answered)(struct sa *sa, struct asking *asking,
                               const struct wire_message *response, const struct ike_path *from,
                               nanos now);
    /* agreed - follows exchange_agree(): the shared secret is made, or could not be made. */
    struct verdict (*agreed)(struct sa *sa, struct asking *asking, nanos now);
    void (*release)(struct asking *asking); /* frees asking->state; NULL: not needed */
};

/* exchange_run - sends what may be sent now: see turn.h. */
void exchange_run(struct sa *sa, nanos now);
/* exchange_response - reads an authentic response to the outstanding request. */
void exchange_response(struct sa *sa, const struct wire_message *response,
                       const struct ike_path *from, nanos now);
/* exchange_resume - continues an exchange that waited for a job (VERDICT_LATER). */
void exchange_resume(struct sa *sa, struct verdict verdict, nanos now);
/* exchange_keys_done - continues an exchange whose key pair or shared secret is made. */
void exchange_keys_done(struct sa *sa, nanos now);
/* exchange_tick - retransmits, or gives up. Without a response the IKE SA ends (RFC 7296 section
 * 2.4), unless the caller of a question said how long to wait for one. */
void exchange_tick(struct sa *sa, nanos now);
nanos exchange_deadline(const struct sa *sa);
/* exchange_make_way - call this before a Delete is queued. An outstanding question is abandoned.
 * The Delete borrows its request at once, over the path of the IKE SA. */
void exchange_make_way(struct sa *sa);
/* exchange_cancel_all - ends the exchange and all intents of an IKE SA that ends, with
 * `outcome`. */
void exchange_cancel_all(struct sa *sa, enum ike_outcome outcome);
void exchange_forget(struct sa *sa); /* frees the exchange without an event */
/* exchange_bequeath - `to` replaces `from`: the intent of the outstanding request is queued there
 * again, unless it concerns `from` alone. */
void exchange_bequeath(struct sa *from, struct sa *to);
/* exchange_redirect - resends the outstanding request, if any, over `path`. Later copies use `path`
 * too (RFC 4555 section 3.5: requests in flight are retransmitted with the new addresses). */
void exchange_redirect(struct sa *sa, const struct ike_path *path, nanos now);

/* exchange_pair - our key pair, for `ask`. NULL: unsupported group, or no memory. */
const struct ke_job *exchange_pair(const struct asking *asking);
/* exchange_agree - begins the shared secret of our key pair and the peer's value. Returns the
 * verdict of ops->agreed, or VERDICT_LATER while a job makes the secret. */
struct verdict exchange_agree(struct sa *sa, struct asking *asking, struct span peer, nanos now);
/* exchange_secret - the shared secret, for `agreed`. NULL: the peer's value was refused, or no
 * memory. */
const struct secret *exchange_secret(const struct asking *asking);

/* exchange_open - our request is outstanding, or its response waits for a key exchange. */
static inline bool exchange_open(const struct sa *sa)
{
    return sa->asking != NULL && (window_busy(&sa->mine) || sa->asking->answered);
}

static inline struct verdict verdict_done(enum ike_outcome outcome)
{
    return (struct verdict){.kind = VERDICT_DONE, .outcome = outcome};
}

/* exchange_acknowledged - `answered` of exchanges whose response carries no information. */
struct verdict exchange_acknowledged(struct sa *sa, struct asking *asking,
                                     const struct wire_message *response,
                                     const struct ike_path *from, nanos now);

/* response_grants - the response to a CREATE_CHILD_SA request grants it (message_kind.h). */
bool response_grants(const struct wire_message *response);
/* verdict_error - the error notify of the response as an outcome; IKE_INVALID_SYNTAX if none. */
struct verdict verdict_error(const struct wire_message *response);
struct verdict verdict_notify(uint16_t notify);

/* exchange_other_ke - after INVALID_KE_PAYLOAD: asks again with the group that the peer wants, a few
 * times at most; then IKE_KE_REFUSED. */
struct verdict exchange_other_ke(struct asking *asking, const struct ike_proposal_list *ours,
                                 const struct wire_notify *notify);
/* verdict_retry - after TEMPORARY_FAILURE: asks again with back-off (1 s doubling, 6 attempts,
 * jitter); then IKE_TEMPORARY_FAILURE. */
struct verdict verdict_retry(struct sa *sa, const struct asking *asking, nanos now);

/* exchange_out_of_sync - the peer answered TEMPORARY_FAILURE to every attempt of a rekey: the IKE SA
 * is closed (RFC 7296 section 2.25). Not for clones and new Child SAs: the existing SAs are intact
 * (SUP-09). */
void exchange_out_of_sync(struct sa *sa);

/* --- their side --- */

enum answer_verdict {
    ANSWER_SEND,   /* seal the reply, commit, send */
    ANSWER_SILENT, /* no response; only where the RFC demands it */
    ANSWER_LATER,  /* waits for a job; answer_auth() and login.c continue */
};

struct answering {
    const struct wire_message *request;
    const struct ike_path *path; /* the request came over it, the response goes back on it */
    uint32_t message_id;
    uint8_t exchange;
    enum message_kind kind; /* of the request */
    bool fatal;             /* the IKE SA ends after the response (RFC 7296 section 2.21.3) */
    nanos now;
    struct wire_builder *reply;
    /* commit - changes the state, once the reply is sealed; NULL: nothing to do. At most once. */
    void (*commit)(struct sa *sa, struct answering *answering);
    /* drop - undoes `state` if the reply could not be sealed; NULL: nothing to do */
    void (*drop)(struct sa *sa, struct answering *answering);
    void *state; /* owned; freed with free() */
};

/* answer_refuse - discards the reply so far and answers with one error notify (Protocol ID 0, no
 * data). Always ANSWER_SEND. */
enum answer_verdict answer_refuse(struct answering *answering, uint16_t notify);
enum answer_verdict answer_refuse_data(struct answering *answering, uint16_t notify,
                                       struct span data);

/* One function for each kind of request; answer.c calls them. */
enum answer_verdict answer_create_child(struct sa *sa, struct answering *answering);
/* create_child_deleted - the peer deletes a Child SA that we do not know. The response that creates
 * it may still be in flight. */
void create_child_deleted(struct sa *sa, uint32_t spi_out);
enum answer_verdict answer_rekey_child(struct sa *sa, struct answering *answering);
enum answer_verdict answer_rekey_ike(struct sa *sa, struct answering *answering); /* and clones */
enum answer_verdict answer_informational(struct sa *sa, struct answering *answering);
enum answer_verdict answer_auth(struct sa *sa, struct answering *answering);
/* answer_given_up - answers an INFORMATIONAL request in the middle of a login. Silent, unless the
 * initiator ends the login with this request. */
enum answer_verdict answer_given_up(struct sa *sa, struct answering *answering);

extern const struct exchange_ops exchange_login, exchange_create_child, exchange_rekey_child,
    exchange_rekey_ike, exchange_clone, exchange_create_moved, exchange_move, exchange_path_test,
    exchange_probe, exchange_stray, exchange_addresses, exchange_routability, exchange_delete_child,
    exchange_delete_ike, exchange_auth_lifetime, exchange_redirect_session, exchange_path_terms;

#endif
