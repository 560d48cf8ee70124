/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINUX_SANDBOX_H
#define LINUX_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

/*
 * What a process gives up once it has what it needs. In this order: sandbox_common, then
 * sandbox_supervisor or sandbox_unprivileged, then sandbox_filter (needs the no_new_privs of the
 * first).
 */

/* sandbox_common - no core dumps, not dumpable, no new privileges; with `parent` the process dies
 * with its parent, and at once when that is gone already. ERR_SYSTEM. */
int sandbox_common(pid_t parent) MUST_USE;

/* sandbox_supervisor - CAP_NET_ADMIN stays, everything else and the bounding set go. ERR_SYSTEM. */
int sandbox_supervisor(void) MUST_USE;

/* sandbox_has_net_admin - checks for the capability first, since the errors of the kernel are
 * vague. */
bool sandbox_has_net_admin(void);

/*
 * sandbox_unprivileged - becomes the user (`ikat`, else `nobody`) without capabilities and
 * supplementary groups. In a user namespace that maps no such user, the uid stays and only the
 * capabilities go: *ret_same_uid. ERR_SYSTEM.
 */
int sandbox_unprivileged(bool *ret_same_uid) MUST_USE;

enum sandbox_files {
    SANDBOX_FILES_NONE,
    SANDBOX_FILES_READ, /* reading all that the user may; no writing, no making, no exec */
};

/* sandbox_files - reduces the visible file system (Landlock), for this thread and threads that it
 * starts later. Open descriptors stay usable. *ret_abi 0: the kernel has no Landlock, and nothing
 * changed. Needs no_new_privs. ERR_SYSTEM. */
int sandbox_files(enum sandbox_files files, int *ret_abi) MUST_USE;

enum sandbox_profile {
    SANDBOX_ENGINE, /* descriptors that are there, threads of its own; no files, no new sockets */
    SANDBOX_KEYHOLDER,  /* one channel and memory */
    SANDBOX_AAA,        /* the same, and UDP sockets of its own */
    SANDBOX_SUPERVISOR, /* opens sockets, forks; no exec, no tracing, no mounting, no modules */
};

/* sandbox_filter - restricts the system calls of all threads to the profile. Other calls fail with
 * EPERM; calls that only an attacker makes (exec, ptrace) end the process. ERR_SYSTEM. */
int sandbox_filter(enum sandbox_profile profile) MUST_USE;

#endif
