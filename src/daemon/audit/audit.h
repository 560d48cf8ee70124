/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_AUDIT_H
#define DAEMON_AUDIT_H

/*
 * The audit process: it has the audit file, open for appending, and the reading ends of two
 * channels; its system calls let it do nothing else, not even cut the file. It outlives engines, and
 * ends when supervisor and engine have: what waits in the channels is written first.
 */

#include "daemon/process/spawn.h"

int audit_run(const struct spawn_start *start); /* returns the exit status */

#endif
