/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_TOKEN_QUEUE_H
#define DAEMON_TOKEN_QUEUE_H

/* Requests that wait for a worker of the token process, and PINs that a token has refused. */

#include <stdbool.h>

#include "base/error.h"
#include "base/span.h"
#include "daemon/common/token_channel.h"

#define TOKEN_WAITING 256 /* requests for one module: more logins at once than any token signs */
#define TOKEN_REFUSED 64

/* struct token_job - one request, wiped when freed. */
struct token_job {
    struct token_job *next;
    struct token_request request;
    uint8_t octets[]; /* request.n_octets */
};

struct token_queue {
    struct token_job *first, **last;
    unsigned n;
};

void token_queue_init(struct token_queue *queue);
/* token_queue_add - a copy. ERR_FULL, ERR_NO_MEMORY. */
int token_queue_add(struct token_queue *queue, const struct token_request *request,
                    struct span octets) MUST_USE;
struct token_job *
token_queue_take(struct token_queue *queue); /* NULL: empty. The caller frees it */
void token_job_free(struct token_job *job);  /* takes NULL */

/* struct token_refusals - digests of module, slot and PIN, the oldest goes first. A PIN that was
 * refused is not tried again by itself: after a few attempts, cards lock themselves. */
struct token_refusals {
    uint8_t digests[TOKEN_REFUSED][32];
    unsigned n; /* that there ever were */
};

void token_refusals_add(struct token_refusals *refusals, const struct token_ref *ref);
bool token_refusals_has(const struct token_refusals *refusals, const struct token_ref *ref);
/* token_refusals_forget - a person has loaded it anew. */
void token_refusals_forget(struct token_refusals *refusals, const struct token_ref *ref);

#endif
