/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_CONFINE_H
#define DAEMON_CONFINE_H

/* What the small processes beside the engine give up, once they have what they need. */

#include "daemon/process/spawn.h"

/* struct confinement - what a process keeps. */
struct confinement {
    enum process process; /* its user */
    enum sandbox_files files;
    enum sandbox_profile calls;
    unsigned descriptors; /* at most */
    bool threads;         /* it may start some */
};

/* confine - the process dies with `parent`. ERR_SYSTEM: with errno; it must end. */
int confine(const struct confinement *what, pid_t parent) MUST_USE;

#endif
