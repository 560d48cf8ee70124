/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SPAWN_H
#define DAEMON_SPAWN_H

/*
 * The processes below the supervisor. Each is a fork and an exec of our own program. So no two
 * share an address layout, and none inherits memory or descriptors of another.
 */

#include <sys/types.h>

#include "daemon/process/engine_start.h"
#include "linux/sandbox.h"

#define SPAWN_PATH_MAX 256

/* exit statuses: of a process whose supervisor has other messages, and of a probe. No other program ends
 * with PROBE_FITS by accident, as it would with 0. */
#define SPAWN_OTHER  75
#define PROBE_FITS   76
#define PROBE_CONFIG 77

enum process {
    PROCESS_KEYHOLDER,
    PROCESS_TOKEN,
    PROCESS_VERIFIER,
    PROCESS_EAP,
    PROCESS_AAA,
    PROCESS_FETCHER,
    PROCESS_RESOLVER,
    PROCESS_ENGINE,
    /* the processes before this one serve permanently. They are started again together, but fetcher
     * and resolver alone */
    PROCESS_LOADER,
    PROCESS_HOOKS,
    PROCESS_UNPACKER, /* beside each loader */
    PROCESS_AUDIT,    /* outlives engines; starts again alone */
    PROCESS_PROBE,    /* of a program that is to follow ours: does it fit? */
    N_PROCESSES
};

/* the places of struct spawn_start, eap_fds and aaa_fds */
enum { SPAWN_TLS_KEY, SPAWN_TLS_VERIFIER };

/* those that keep secrets: the places of struct spawn_start, door_fds */
enum { SPAWN_DOOR_KEY, SPAWN_DOOR_EAP, SPAWN_DOOR_AAA, SPAWN_DOORS };

/* the places of struct spawn_start, audit_fds: the sender of the records */
enum { SPAWN_AUDIT_ENGINE, SPAWN_AUDIT_SUPERVISOR, SPAWN_AUDITS };

const char *process_name(enum process process);
const struct sandbox_user *process_user(enum process process); /* all but the loader and hooks */

/* struct spawn_start - what a new process gets from the supervisor, in a memory file whose number
 * is on the command line. Descriptors keep their numbers. */
struct spawn_start {
    uint64_t version;  /* SPAWN_VERSION of the supervisor */
    uint32_t process;  /* enum process */
    int32_t parent;    /* process id of the supervisor */
    int32_t fd;        /* its channel; not for the engine */
    int32_t permit_fd; /* of loader and hooks, to the supervisor; else -1 */
    /* aaa: of account_queue.h; eap: of usim_book.h; keyholder: of ticket_file.h; audit: the audit
     * file; else -1 */
    int32_t state_fd;
    int32_t audit_fds[SPAWN_AUDITS]; /* audit: what it reads; else -1 */
    /* keyholder, eap, aaa: the supervisor hands over loaders (load_door.h); verifier: fetchers */
    int32_t load_fd;
    int32_t door_fds[SPAWN_DOORS]; /* of the loader; else -1 */
    int32_t unpack_fd;             /* of the loader: the channel to the unpacker; else -1 */
    /* keyholder, verifier: the channel to the eap process, at its own index; eap: both. -1: none.
     * aaa_fds: the same with the aaa process */
    int32_t eap_fds[2], aaa_fds[2];
    int32_t token_fd; /* keyholder: the channel to the token process; else -1 */
    int32_t fetch_fd; /* verifier: the channel to the fetcher; else -1 */
    struct gate gate;
    bool handed; /* aaa: sessions of the engine before this one go on */
    bool debug;
    char config[SPAWN_PATH_MAX], socket[SPAWN_PATH_MAX];
    struct engine_start engine; /* for the engine only */
};

/* spawn - starts a process. `exe_fd` is our program. The process keeps the descriptors that `start`
 * names, whatever their close-on-exec flags are. Returns the process id, or ERR_SYSTEM. */
pid_t spawn(int exe_fd, const struct spawn_start *start) MUST_USE;

/* spawn_start_read - reads in the new process what spawn() handed over. `text` is the value of the
 * option --handed. ERR_INVALID: the supervisor is of a program with other messages. */
int spawn_start_read(const char *text, struct spawn_start *ret_start) MUST_USE;

#endif
