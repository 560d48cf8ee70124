/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_START_GATE_H
#define DAEMON_START_GATE_H

/*
 * The gate of an upgrade: the processes of the installed program start beside the processes that they replace, and
 * wait here. The gate is a pipe. A second pipe tells the supervisor when all processes wait: each closes its end.
 */

#include <stdbool.h>

/* struct gate - the ends of the process; -1: it need not wait. */
struct gate {
    int gate_fd; /* end of file: the process goes on; an octet: it ends */
    int warm_fd; /* the process closes it at the gate */
};

/* gate_pass - waits, and closes both descriptors. false: the process has to end. */
bool gate_pass(const struct gate *gate);

#endif
