/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SERVE_H
#define DAEMON_SERVE_H

/* The loop of a small process beside the engine: it serves the channels that it has until one of them ends. */

#include <poll.h>

#include "base/time.h"
#include "daemon/process/spawn.h"

#define SERVED_MOST        6  /* channels of one process */
#define HELPER_DESCRIPTORS 64 /* open at once in one process */

/* struct served - a channel that a process serves. `serve` takes one message, and answers it. */
struct served {
    int fd; /* -1: none */
    int (*serve)(int fd, void *context);
    void *context;
    bool passing; /* the process goes on after the end of this channel */
};

/* The places of the channels that keyholder and eap process have in common. */
enum { SERVED_ENGINE, SERVED_ORDERS, SERVED_LOADER, SERVED_OTHERS };

/* serve_once - serves the requests that have arrived on all channels; waits until `deadline` at the
 * latest. The engine is polled first and served last. So the order of the supervisor that begins a
 * stage is served before STAGE_COMMIT of the engine, which follows it. ERR_NOT_FOUND: a channel
 * that is not `passing` has ended; ERR_SYSTEM, or the error of `serve`. */
int serve_once(struct served *list, nfds_t n, nanos deadline) MUST_USE;

/* serve_all - serves all channels, until one ends that is not `passing`. Returns its error, never 0. */
int serve_all(struct served *list, nfds_t n) MUST_USE;

/* serve_loader - a new loader takes the place of the last one, which has ended. `fd`: the channel on
 * which the supervisor hands it over, under *ret_number. Errors of load_door_take(). */
int serve_loader(int fd, struct served *loader, uint64_t *ret_number) MUST_USE;

/* serve_confine - for a process that needs only its channels and memory. ERR_SYSTEM with errno. */
int serve_confine(enum process process, pid_t parent) MUST_USE;

/* serve_failed - logs that `what` is not to be had, with errno; serve_ended - of the error that ended
 * the loop. Both return the exit status of the process. */
int serve_failed(const char *what);
int serve_ended(int error);

#endif
