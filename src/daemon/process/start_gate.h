/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_START_GATE_H
#define DAEMON_START_GATE_H

/*
 * Where a process waits that was started ahead of its time, beside the process that it replaces. All processes of an
 * upgrade wait at one gate, a pipe. The supervisor sees by a second pipe that all have come: each closes its end.
 */

#include <stdbool.h>

/* struct gate - the ends of the process; -1: it need not wait. */
struct gate {
    int gate_fd; /* its end: go on. An octet: end */
    int warm_fd; /* to be closed at the gate */
};

/* gate_pass - waits, and closes both. false: the process ends. */
bool gate_pass(const struct gate *gate);

#endif
