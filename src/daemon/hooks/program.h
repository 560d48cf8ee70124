/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_PROGRAM_H
#define DAEMON_PROGRAM_H

/* Runs another program and waits for its end. */

#include "base/span.h"
#include "base/time.h"

/* program_run - argv[0] is the path; no shell is involved. `input` is its standard input, at most
 * PROGRAM_INPUT octets. After `patience` its process group is killed. false, with a line in the
 * log: it could not start, was killed, or its exit status was not 0. */
#define PROGRAM_INPUT 4096
bool program_run(char *const argv[], char *const envp[], struct span input, nanos patience);

#endif
