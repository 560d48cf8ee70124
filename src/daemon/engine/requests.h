/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_REQUESTS_H
#define DAEMON_REQUESTS_H

/*
 * The engine's end of the channel to the supervisor. No call waits: requests are queued, and
 * requests_answer returns the answers that have come, in the order of the requests. At most
 * REQUESTS_OPEN requests are in the channel, so the supervisor can always answer.
 */

#include "daemon/common/channel.h"

#define REQUESTS_OPEN 32

struct requests;

struct request_answer {
    struct priv_request request;
    uint32_t id;     /* of requests_ask */
    int error;       /* 0 or ERR_*; ERR_SYSTEM also if the supervisor has ended */
    uint32_t reason; /* enum priv_reason, of ERR_DENIED */
    unsigned n_fds;
    int fds[LIMIT_WORKERS]; /* the caller's */
};

struct requests *requests_new(int fd); /* borrowed, made non-blocking; NULL: no memory */
struct requests *requests_free(struct requests *requests); /* takes NULL; returns NULL */

/* requests_ask - queues the request; it is sent when the channel has room. ERR_NO_MEMORY. */
int requests_ask(struct requests *requests, const struct priv_request *request,
                 uint32_t id) MUST_USE;

/* requests_answer - the next answer that has come; false: none yet. */
bool requests_answer(struct requests *requests, struct request_answer *ret_answer);

/* requests_asked, requests_answered - numbers so far. A request is answered when the second number
 * reaches the value that the first one had after it was queued. */
uint64_t requests_asked(const struct requests *requests);
uint64_t requests_answered(const struct requests *requests);

#endif
