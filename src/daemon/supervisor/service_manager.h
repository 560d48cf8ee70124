/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SERVICE_MANAGER_H
#define DAEMON_SERVICE_MANAGER_H

/* What a service manager is told, by the protocol of sd_notify(3). */

#include <stdbool.h>

#include "base/error.h"
#include "base/time.h"

/* manager_notify - sends `text` in one datagram, if a service manager has asked for it. */
void manager_notify(const char *text);

/* manager_socket - the listening socket at `path` that the service manager has opened for us
 * (sd_listen_fds(3)). 0 and *ret_fd -1: it has opened none. ERR_INVALID: it has opened something else. */
int manager_socket(const char *path, int *ret_fd) MUST_USE;

/* struct watchdog - the service manager ends a daemon from which no WATCHDOG=1 comes
 * (sd_watchdog_enabled(3)). It is sent when the engine has answered, so an engine that hangs is ended
 * with the rest. */
struct watchdog {
    nanos interval_ns; /* 0: nobody watches */
    nanos at;          /* the engine is asked then; NANOS_NEVER */
    bool asked;        /* it has not answered yet */
};

/* watchdog_init - from the environment. */
void watchdog_init(struct watchdog *watchdog);

#endif
