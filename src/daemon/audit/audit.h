/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_AUDIT_H
#define DAEMON_AUDIT_H

/*
 * The audit process. It has the audit file, open for appending, and the reading ends of two
 * channels. Its sandbox allows no other use of the file: it cannot even truncate it. It outlives
 * engines, and ends after the supervisor and the engine, once it has written all records in the
 * channels.
 */

#include "daemon/process/spawn.h"

int audit_run(const struct spawn_start *start); /* returns the exit status */

#endif
