/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINUX_SANDBOX_H
#define LINUX_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/*
 * A process gives up its rights once it has opened its files and sockets. The order of the calls:
 * sandbox_common, then sandbox_supervisor or sandbox_unprivileged, then sandbox_filter, which needs
 * the no_new_privs of the first call.
 */

/* sandbox_common - no core dumps, not dumpable, no new privileges; with `parent` the process dies
 * with its parent, and at once when that is gone already. ERR_SYSTEM. */
int sandbox_common(pid_t parent) MUST_USE;

/* sandbox_supervisor - keeps CAP_NET_ADMIN, and CAP_SETUID, CAP_SETGID and CAP_SETPCAP, which start
 * processes of other users. It keeps two more if the process has them: CAP_IPC_LOCK for the
 * keyholder's memory, and CAP_NET_BIND_SERVICE for sockets of single paths at port 500. It gives up
 * all others. ERR_SYSTEM. */
int sandbox_supervisor(void) MUST_USE;

/* sandbox_memory_lockable - lets this process and those that it starts lock so much memory. It
 * needs CAP_SYS_RESOURCE, unless the limit is that high already. ERR_SYSTEM. */
int sandbox_memory_lockable(uint64_t octets) MUST_USE;

/* sandbox_limits - limits the descriptors and the octets of address space (0: no limit), and
 * forbids further processes; further threads unless `threads`. For a process with a user of its
 * own. ERR_SYSTEM. */
int sandbox_limits(unsigned descriptors, uint64_t memory, bool threads) MUST_USE;

/* sandbox_seconds - limits the processor time. A process that uses up more is killed. ERR_SYSTEM. */
int sandbox_seconds(unsigned seconds) MUST_USE;

/* sandbox_has_net_admin - lets the caller name the missing right; the kernel's error is vague. */
bool sandbox_has_net_admin(void);

/* struct sandbox_user - each process has one of its own, so that none can signal or trace another.
 */
struct sandbox_user {
    const char *name; /* its user and group, where the host has that user */
    uid_t number;     /* else of both; no host gives such numbers out */
};

/* sandbox_user_find - the numbers that the user has here. */
void sandbox_user_find(const struct sandbox_user *user, uid_t *ret_uid, gid_t *ret_gid);

/* sandbox_user_kill - SIGKILL to a process of that user, or of our own. It takes CAP_SETUID instead
 * of CAP_KILL: for the moment of the signal we have the user's rights. ERR_SYSTEM. */
int sandbox_user_kill(const struct sandbox_user *user, pid_t pid) MUST_USE;

/*
 * sandbox_unprivileged - becomes the user, without capabilities and supplementary groups. In a user
 * namespace that maps no such user, the uid stays and only the capabilities go: *ret_same_uid.
 * ERR_SYSTEM.
 */
int sandbox_unprivileged(const struct sandbox_user *user, bool *ret_same_uid) MUST_USE;

enum sandbox_files {
    SANDBOX_FILES_NONE,
    SANDBOX_FILES_OWN,  /* reading and changing all that the user may; no exec, no devices */
    SANDBOX_FILES_READ, /* reading all that the user may; no writing, no making, no exec */
};

/* sandbox_files - reduces the visible file system (Landlock), for this thread and threads that it
 * starts later. Open descriptors stay usable. *ret_abi 0: the kernel has no Landlock, and nothing
 * changed. Needs no_new_privs. ERR_SYSTEM. */
int sandbox_files(enum sandbox_files files, int *ret_abi) MUST_USE;

/* sandbox_supervisor_files - reading and starting programs everywhere; changing nothing but
 * removing `socket` and its neighbours, and making and writing `audit` and its neighbours (NULL:
 * there is none). As sandbox_files. */
int sandbox_supervisor_files(const char *socket, const char *audit, int *ret_abi) MUST_USE;

enum sandbox_profile {
    SANDBOX_ENGINE, /* descriptors that are there, threads of its own; no files, no new sockets */
    SANDBOX_KEYHOLDER, /* one channel and memory */
    SANDBOX_AAA, /* as the keyholder, with sockets that it opens and files that are open already */
    /* opens sockets, forks, starts programs that are open (execveat); no other exec, no tracing, no mounting, no
     * modules. Its processes inherit it */
    SANDBOX_SUPERVISOR,
    SANDBOX_READER, /* the same without any exec */
};

/* sandbox_filter - restricts the system calls of all threads to the profile. Other calls fail with
 * EPERM; calls that only an attacker makes (exec, ptrace) end the process. ERR_SYSTEM. */
int sandbox_filter(enum sandbox_profile profile) MUST_USE;

/* sandbox_no_signals - no more signals to other processes, not even to those of the same user. After
 * sandbox_filter. ERR_SYSTEM. */
int sandbox_no_signals(void) MUST_USE;

#endif
