/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_PROCESSES_H
#define DAEMON_PROCESSES_H

/*
 * The processes below the supervisor and the channels between them. This file says which process gets
 * an end of which channel; the supervisor decides when a process starts and ends.
 */

#include <limits.h>

#include "daemon/process/spawn.h"
#include "daemon/supervisor/supervisor.h"

struct processes {
    const struct supervisor_options *options;
    int exe_fd;                 /* the program of the processes */
    char exe_path[PATH_MAX];    /* path from which it was started: an upgrade is installed there */
    int state_fds[N_PROCESSES]; /* of the state directory, for the process that each belongs to */
    int audit_fds
        [SPAWN_AUDITS];      /* files for the audit process, which outlive it; -1: no audit file */
    pid_t pids[N_PROCESSES]; /* 0: does not run */
    int door_fds[SPAWN_DOORS]; /* to the processes that keep secrets: loaders are handed over */
    int fetch_door_fd;         /* to the verifier: fetchers are handed over */
    uint64_t fetchers, loads;  /* how many of them were started */
    struct gate gate;          /* at which new processes wait; -1: they do not */
};

/* struct engine_ends - the supervisor's ends of the engine's channels; -1: not open. */
struct engine_ends {
    int priv_fd;  /* requests of the engine, not blocking */
    int order_fd; /* orders to the engine */
};

/* struct loader_ends - the far ends of two channels of the loader. */
struct loader_ends {
    int permit_fd; /* for the supervisor, not blocking: what the files allow */
    int engine_fd; /* for the engine: a VICI connection */
};

/* processes_follow - *ret_next: for processes of the program `exe_fd` that are to follow. */
void processes_follow(const struct processes *processes, int exe_fd, struct processes *ret_next);

void processes_init(struct processes *processes, const struct supervisor_options *options);

/* Errors of all functions that start processes: ERR_SYSTEM with errno. The caller owns the returned
 * descriptors, also after an error; a descriptor that is not open is -1. */

/* processes_servers_start - all processes that serve permanently. `devices`: what the engine gets
 * besides its channels; borrowed. */
int processes_servers_start(struct processes *processes, const struct engine_start *devices,
                            struct engine_ends *ret_ends) MUST_USE;

/* processes_hooks_start - *ret_fd is the engine's end of its channel. *ret_permit_fd is the
 * supervisor's end of another one, not blocking: over it the process asks for permissions. */
int processes_hooks_start(struct processes *processes, int *ret_fd, int *ret_permit_fd) MUST_USE;

/* processes_audit_start - gives it the file and the channels of this struct. */
int processes_audit_start(struct processes *processes) MUST_USE;

/* processes_fetcher_start - the verifier gets a channel to the new fetcher. If the verifier does not
 * take it, the fetcher ends. processes_resolver_start - *ret_fd is the engine's end. */
int processes_fetcher_start(struct processes *processes) MUST_USE;
int processes_resolver_start(struct processes *processes, int *ret_fd) MUST_USE;

/* processes_loader_start - the next load of the configuration, and an unpacker beside it. */
int processes_loader_start(struct processes *processes, struct loader_ends *ret_ends) MUST_USE;

/* processes_probe_start - starts the program `exe_fd`, which may become our successor. */
int processes_probe_start(struct processes *processes, int exe_fd) MUST_USE;

/* processes_kill - ends the engine and its helpers. They start and end together, since their
 * channels cannot be handed to another process. SIGCHLD reports their end. */
void processes_kill(const struct processes *processes);
bool processes_gone(const struct processes *processes); /* all permanent processes have ended */

/* processes_close - the supervisor's channels to processes that have ended. */
void processes_close(struct processes *processes);

#endif
