/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_UPGRADE_H
#define DAEMON_UPGRADE_H

/*
 * An upgrade ends all processes that serve permanently, and starts them from the installed program. The
 * supervisor, the hooks process and the audit process are not replaced.
 *
 *   PROBING    a probe runs: does the installed program run, speak our messages and take the configuration?
 *              If not, nothing has changed.
 *   LEAVING    the engine writes the sessions that it hands over to a file, deletes the others, and ends;
 *              its helpers end with it
 *   STARTING   the processes run the installed program, and its engine does not serve yet. If one of them
 *              ends, or time is over, the earlier program starts again.
 */

#include "daemon/supervisor/processes.h"

enum upgrade_phase { UPGRADE_IDLE, UPGRADE_PROBING, UPGRADE_LEAVING, UPGRADE_STARTING };

struct upgrade {
    enum upgrade_phase phase;
    enum upgrade_outcome outcome;
    int other_fd; /* PROBING, LEAVING: the installed program; STARTING: the earlier one; else -1 */
    int sessions_fd; /* LEAVING: the file of the sessions; else -1 */
    nanos by;        /* end of the phase; NANOS_NEVER: IDLE */
    bool restart;    /* the whole daemon ends, and another one starts at once */
};

void upgrade_init(struct upgrade *upgrade);

/* upgrade_begin - starts the probe, and returns 0. Otherwise it returns an answer that is final. */
enum upgrade_answer upgrade_begin(struct upgrade *upgrade, struct processes *processes, nanos now);

/* upgrade_probed - the probe has ended with this status of waitpid(2). UPGRADE_GO: LEAVING begins. */
enum upgrade_answer upgrade_probed(struct upgrade *upgrade, int status, nanos now);

/* upgrade_sessions - the engine has ended. LEAVING: the file, if it has sessions. The caller owns it, hands it to one
 * engine and closes it: no two engines may get the same sessions. -1: none. */
int upgrade_sessions(struct upgrade *upgrade);

/* upgrade_turn - all processes that serve permanently have ended. Goes from LEAVING to STARTING, or back to the
 * earlier program. false: the processes start again as they were. */
bool upgrade_turn(struct upgrade *upgrade, struct processes *processes, nanos now);

/* upgrade_served - an engine serves. */
void upgrade_served(struct upgrade *upgrade);

/* upgrade_holds - true: the request of an engine that leaves is not carried out, because it would let packets
 * leave in the clear. */
bool upgrade_holds(const struct upgrade *upgrade, const struct priv_request *request);

const char *upgrade_answer_name(enum upgrade_answer answer); /* for the log */

#endif
