/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_UPGRADE_H
#define DAEMON_UPGRADE_H

/*
 * An upgrade ends all processes that serve permanently, and starts them from the installed program. The
 * supervisor, the hooks process and the audit process are not replaced.
 *
 *   PROBING    a probe runs: does the installed program run, speak our messages and take the configuration?
 *              If not, nothing has changed.
 *   WARMING    the processes of the installed program start beside those that run. They load libraries, the
 *              engine makes its threads, and the loader reads the files; then they wait at a gate. If one of
 *              them ends, or time is over, nothing has changed.
 *   LEAVING    the engine writes the sessions that it hands over to a file, deletes the others, and ends;
 *              its helpers end with it
 *   STARTING   the gate is open, and the engine of the installed program does not serve yet. If one of the
 *              processes ends, or time is over, the earlier program starts again.
 */

#include "daemon/supervisor/processes.h"

enum upgrade_phase {
    UPGRADE_IDLE,
    UPGRADE_PROBING,
    UPGRADE_WARMING,
    UPGRADE_LEAVING,
    UPGRADE_STARTING
};

struct upgrade {
    enum upgrade_phase phase;
    enum upgrade_outcome outcome;
    int other_fd;    /* STARTING: the earlier program; other phases: the installed one; IDLE: -1 */
    int sessions_fd; /* WARMING, LEAVING: the file of the sessions; else -1 */
    /* WARMING, LEAVING: the processes that wait, and our ends of their channels */
    struct processes next;
    struct engine_ends engine;
    struct loader_ends loader; /* -1: there are no files */
    int gate_fd,
        warm_fd;  /* gate_fd: to be closed, to open the gate. warm_fd: it ends when all are there */
    nanos by;     /* end of the phase; NANOS_NEVER: IDLE */
    bool restart; /* the whole daemon ends, and another one starts at once */
};

void upgrade_init(struct upgrade *upgrade);

/* upgrade_begin - starts the probe, and returns 0. Otherwise it returns an answer that is final. */
enum upgrade_answer upgrade_begin(struct upgrade *upgrade, struct processes *processes, nanos now);

/* upgrade_probed - the probe has ended with this status of waitpid(2). UPGRADE_GO: upgrade_warm is next. */
enum upgrade_answer upgrade_probed(struct upgrade *upgrade, int status);

/* upgrade_warm - WARMING begins. upgrade_warmed - all processes are at the gate: LEAVING begins. upgrade_next_ended -
 * true: it was one of them, and in WARMING the caller gives up. upgrade_give_up - nothing changes: they end.
 * Errors: ERR_SYSTEM. */
int upgrade_warm(struct upgrade *upgrade, const struct processes *processes,
                 const struct engine_start *devices, nanos now) MUST_USE;
void upgrade_warmed(struct upgrade *upgrade, nanos now);
bool upgrade_next_ended(struct upgrade *upgrade, pid_t pid);
void upgrade_give_up(struct upgrade *upgrade);

/* upgrade_take - LEAVING, and all processes that serve permanently have ended: those at the gate take their places.
 * STARTING begins. true: the engine has left sessions for them. The gate is still shut. */
bool upgrade_take(struct upgrade *upgrade, struct processes *processes,
                  struct engine_ends *ret_engine, struct loader_ends *ret_loader, nanos now);
void upgrade_gate_open(struct upgrade *upgrade);

/* upgrade_back - STARTING, and all processes that serve permanently have ended: the earlier program starts again.
 * false: another phase, so the processes start again as they were. */
bool upgrade_back(struct upgrade *upgrade, struct processes *processes);

/* upgrade_served - an engine serves. */
void upgrade_served(struct upgrade *upgrade);

/* upgrade_holds - true: the request of an engine that leaves is not carried out, because it would let packets
 * leave in the clear. */
bool upgrade_holds(const struct upgrade *upgrade, const struct priv_request *request);

const char *upgrade_answer_name(enum upgrade_answer answer); /* for the log */

#endif
