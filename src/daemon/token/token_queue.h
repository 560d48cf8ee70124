/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_TOKEN_QUEUE_H
#define DAEMON_TOKEN_QUEUE_H

/* Requests that wait for a worker of the token process, and PINs that a token has refused. */

#include <stdbool.h>

#include "base/error.h"
#include "base/span.h"
#include "base/time.h"
#include "daemon/common/token_channel.h"

#define TOKEN_WAITING 256 /* of one asker for one module: more logins than any token signs */
#define TOKEN_REFUSED 64

/* struct token_job - one request, wiped when freed. */
struct token_job {
    struct token_job *next;
    nanos deadline; /* nobody waits for it any more then */
    struct token_request request;
    uint8_t octets[]; /* request.n_octets */
};

/* struct token_line - what one asker wants, the oldest first. */
struct token_line {
    struct token_job *first, **last;
    unsigned n;
};

/* struct token_queue - of a module: the askers take turns. */
struct token_queue {
    struct token_line lines[TOKEN_ASKERS];
    unsigned turn, n;
};

void token_queue_init(struct token_queue *queue);
void token_queue_clear(struct token_queue *queue); /* wipes */
/* token_queue_add - a copy. Deadlines rise. ERR_FULL: that asker has enough there; ERR_NO_MEMORY. */
int token_queue_add(struct token_queue *queue, const struct token_request *request,
                    struct span octets, nanos deadline) MUST_USE;
/* token_queue_take - the oldest of the asker whose turn it is. token_queue_late - one whose deadline
 * has passed. NULL: none. The caller frees it. */
struct token_job *token_queue_take(struct token_queue *queue);
struct token_job *token_queue_late(struct token_queue *queue, nanos now);
nanos token_queue_deadline(const struct token_queue *queue); /* NANOS_NEVER: it is empty */
void token_job_free(struct token_job *job);                  /* takes NULL */

/* struct token_refusals - digests of module, slot and PIN, the oldest goes first. A PIN that was
 * refused is not tried again by itself: after a few attempts, cards lock themselves. */
struct token_refusals {
    uint8_t digests[TOKEN_REFUSED][32];
    uint64_t loads[TOKEN_REFUSED]; /* in which it was refused; 0: in none */
    unsigned n;                    /* that there ever were */
};

void token_refusals_add(struct token_refusals *refusals, const struct token_ref *ref,
                        uint64_t load);
bool token_refusals_has(const struct token_refusals *refusals, const struct token_ref *ref);
/* token_refusals_forget - a person has loaded it anew: in a load of all files only what an earlier
 * one refused, since a load may name the PIN for many keys. */
void token_refusals_forget(struct token_refusals *refusals, const struct token_ref *ref,
                           uint64_t load);

#endif
