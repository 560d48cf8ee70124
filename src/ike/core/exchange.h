/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_EXCHANGE_H
#define IKE_EXCHANGE_H

/*
 * How exchanges run. A wish is an intent; the first runnable one of an IKE SA becomes `asking`
 * when the window is free. Each kind of intent has a row of functions (exchange.c holds the table),
 * written in exchange_<name>.c in protocol order: ask, answered; and, for the other side, answer.
 *
 * Our side:   intent -> ops->ask() writes the payloads -> sealed, sent, retransmitted (window.c)
 *             -> ops->answered() looks at the response and returns what comes next.
 * Their side: request -> classify() -> answer function writes the reply, and leaves a commit
 *             function that changes state once the reply is sealed.
 */

#include "ike/core/child_sa.h"
#include "ike/core/intent.h"
#include "ike/core/sa.h"
#include "ike/core/session.h"
#include "wire/builder.h"
#include "wire/message.h"

/* --- our side --- */

/* intent_end - COMMAND_DONE for an intent that will not be asked (any more). */
void intent_end(struct sa *sa, const struct intent *intent, enum ike_outcome outcome);

/* struct verdict - what comes after a response. */
enum verdict_kind {
    VERDICT_DONE,   /* the intent is over, with `outcome` */
    VERDICT_NEXT,   /* the next request of the same intent: ops->ask with step + 1 */
    VERDICT_REPEAT, /* the same step at once: ops->ask is called again */
    VERDICT_AGAIN,  /* the same intent once more, not before `not_before_ns`, with its attempt count
                     */
    VERDICT_LATER,  /* waits for a job; the exchange goes on through exchange_resume() */
};
struct verdict {
    enum verdict_kind kind;
    enum ike_outcome outcome;
    uint16_t notify; /* the error notify behind it */
    bool we_sent_notify;
    nanos not_before_ns;
    ike_sa_id new_sa;       /* clone, rekey */
    ike_child_id new_child; /* create, rekey */
    const char *detail;     /* for a person; static or living until the end of the call; NULL */
};

/* An intent is allocated as the asking that it becomes, so that what is wished can be asked, asked
 * again and handed over without memory. */
struct asking {
    struct intent intent; /* first */
    const struct exchange_ops *ops;
    unsigned step;    /* 0: first request */
    uint8_t exchange; /* exchange type of the current request: ops->exchange, or set by ask */
    bool running;     /* inside ops->ask or ops->answered */
    bool parked;      /* given up by its caller, but outstanding: see wake() in exchange.c */
    bool woken;       /* sent again for the first intent in the queue of the kind ... */
    enum intent_kind woken_for;
    bool woken_at_leisure;  /* a PROBE: for liveness, which takes its time */
    bool strayed;           /* the current request was sent over more than one path */
    void *state;            /* the exchange's own, freed by ops->release */
    nanos asked_ns, rtt_ns; /* of the current and of the last answered request */
    struct ike_path path;   /* where the current request goes: sa->path, or set by ask */
};

struct exchange_ops {
    const char *what; /* IKE_EV_EXCHANGE.what: "clone", "move", "path-test"... */
    uint8_t exchange; /* exchange type */
    /* ask - payloads of the request. IKE_OK: send it. Otherwise the intent ends with that outcome.
     */
    enum ike_outcome (*ask)(struct sa *sa, struct asking *asking, struct wire_builder *request,
                            nanos now);
    struct verdict (*answered)(struct sa *sa, struct asking *asking,
                               const struct wire_message *response, const struct ike_path *from,
                               nanos now);
    void (*release)(struct asking *asking); /* frees asking->state; NULL: nothing there */
};

/* exchange_run - asks the first runnable intent, if the window is free. */
void exchange_run(struct sa *sa, nanos now);
/* exchange_response - an authentic response for the outstanding request. */
void exchange_response(struct sa *sa, const struct wire_message *response,
                       const struct ike_path *from, nanos now);
/* exchange_resume - after VERDICT_LATER: goes on with `verdict`. */
void exchange_resume(struct sa *sa, struct verdict verdict, nanos now);
/* exchange_tick - retransmits or gives up: the IKE SA is then dead (RFC 7296 section 2.4), except
 * for a probe, path test, move or M13 whose command said how long to try. */
void exchange_tick(struct sa *sa, nanos now);
nanos exchange_deadline(const struct sa *sa);
/* exchange_hurry - before a Delete is queued: a question about a path is given up, so that its
 * request, which the window wants answered, goes out for the Delete and over the path of the SA. */
void exchange_hurry(struct sa *sa);
/* exchange_cancel_all - the SA goes down: the live exchange and all intents end with `outcome`. */
void exchange_cancel_all(struct sa *sa, enum ike_outcome outcome);
void exchange_forget(struct sa *sa); /* frees what is left, without an event */
/* exchange_bequeath - what is being asked goes to the SA that replaces this one, unless it is about
 * this one alone. */
void exchange_bequeath(struct sa *from, struct sa *to);
/* exchange_redirect - the outstanding request (if any) goes on over `path`, at once (RFC 4555
 * section 3.5: requests in flight are retransmitted with the new addresses). */
void exchange_redirect(struct sa *sa, const struct ike_path *path, nanos now);

static inline struct verdict verdict_done(enum ike_outcome outcome)
{
    return (struct verdict){.kind = VERDICT_DONE, .outcome = outcome};
}

/* exchange_acknowledged - `answered` where the response says no more than that it came. */
struct verdict exchange_acknowledged(struct sa *sa, struct asking *asking,
                                     const struct wire_message *response,
                                     const struct ike_path *from, nanos now);

/* verdict_error - the error notify of a response as outcome; IKE_INVALID_SYNTAX if there is none.
 */
/* response_grants - of CREATE_CHILD_SA: an SA, and no error beside it. Section 3.10.1: an error of
 * whatever type means that the request failed entirely. */
bool response_grants(const struct wire_message *response);
struct verdict verdict_error(const struct wire_message *response);
struct verdict verdict_notify(uint16_t notify);

/* exchange_other_ke - after INVALID_KE_PAYLOAD: the same intent with the group that the peer wants,
 * a few times at most; else IKE_KE_REFUSED. */
struct verdict exchange_other_ke(struct asking *asking, const struct ike_proposal_list *ours,
                                 const struct wire_notify *notify);
/* verdict_retry - TEMPORARY_FAILURE: again with back-off (1 s doubling, 6 attempts, jitter), then
 * IKE_TEMPORARY_FAILURE. */
struct verdict verdict_retry(struct sa *sa, const struct asking *asking, nanos now);

/* exchange_out_of_sync - the peer answered TEMPORARY_FAILURE to a rekey until we gave up: the IKE
 * SA is closed (RFC 7296 section 2.25). Not for clones and new Child SAs: what there is, is healthy
 * (SUP-09). */
void exchange_out_of_sync(struct sa *sa);

/* --- their side --- */

enum answer_verdict {
    ANSWER_SEND,   /* seal the reply, commit, send */
    ANSWER_SILENT, /* as if it had never come; only where the RFC wants it */
    ANSWER_LATER,  /* waits for a job; goes on through answer_resume() */
};

struct answering {
    const struct wire_message *request;
    const struct ike_path *path; /* the request came over it, the response goes back on it */
    uint32_t message_id;
    uint8_t exchange;
    bool fatal; /* the IKE SA goes once the response left (RFC 7296 section 2.21.3) */
    nanos now;
    struct wire_builder *reply;
    /* commit - changes state, after the reply is sealed; NULL: nothing to do. Runs at most once. */
    void (*commit)(struct sa *sa, struct answering *answering);
    /* drop - undoes what `state` refers to if the reply could not be sealed; NULL: nothing to do */
    void (*drop)(struct sa *sa, struct answering *answering);
    void *state; /* owned: freed with free() afterwards */
};

/* answer_refuse - throws away what was written and answers with one error notify (no data, protocol
 * 0). Always ANSWER_SEND. */
enum answer_verdict answer_refuse(struct answering *answering, uint16_t notify);
enum answer_verdict answer_refuse_data(struct answering *answering, uint16_t notify,
                                       struct span data);

/* one function per kind of request (answer.c dispatches) */
enum answer_verdict answer_create_child(struct sa *sa, struct answering *answering);
/* create_child_deleted - the peer deletes a Child SA that we do not have: perhaps the one of its
 * response that is on its way to us. */
void create_child_deleted(struct sa *sa, uint32_t spi_out);
enum answer_verdict answer_rekey_child(struct sa *sa, struct answering *answering);
enum answer_verdict answer_rekey_ike(struct sa *sa, struct answering *answering); /* and clones */
enum answer_verdict answer_informational(struct sa *sa, struct answering *answering);
enum answer_verdict answer_auth(struct sa *sa, struct answering *answering);

extern const struct exchange_ops exchange_login, exchange_create_child, exchange_rekey_child,
    exchange_rekey_ike, exchange_clone, exchange_create_moved, exchange_move, exchange_path_test,
    exchange_probe, exchange_stray, exchange_addresses, exchange_routability, exchange_delete_child,
    exchange_delete_ike, exchange_auth_lifetime;

#endif
