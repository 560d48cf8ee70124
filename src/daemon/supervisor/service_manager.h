/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SERVICE_MANAGER_H
#define DAEMON_SERVICE_MANAGER_H

/* Messages to a service manager, by the protocol of sd_notify(3). */

#include <stdbool.h>

#include "base/error.h"
#include "base/time.h"

/* manager_notify - sends `text` in one datagram, if a service manager has asked for it. */
void manager_notify(const char *text);

/* manager_socket - the listening socket at `path` that the service manager has opened for us
 * (sd_listen_fds(3)). 0 and *ret_fd -1: it has opened none. ERR_INVALID: its descriptor is another
 * one. */
int manager_socket(const char *path, int *ret_fd) MUST_USE;

/* struct watchdog - the service manager ends a daemon from which no WATCHDOG=1 comes
 * (sd_watchdog_enabled(3)). We send it after an answer of the engine, so a hanging engine ends the
 * whole daemon. */
struct watchdog {
    nanos interval_ns; /* 0: no watchdog */
    nanos at;          /* when the engine is asked next; NANOS_NEVER */
    bool asked;        /* it has not answered yet */
};

/* watchdog_init - reads the environment. */
void watchdog_init(struct watchdog *watchdog);

#endif
