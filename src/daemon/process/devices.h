/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_DEVICES_H
#define DAEMON_DEVICES_H

/* What needs privilege to be opened, once at start. */

#include "daemon/process/supervisor.h"

/* devices_open - fills the descriptors of `start` but the channels; says on the log what failed.
 * ERR_SYSTEM; what is open stays open for the exit. IPv6 may be missing in the kernel. */
int devices_open(const struct supervisor_options *options, struct engine_start *start) MUST_USE;

/* accounts_open - the file of account_queue.h in the folder, ours alone as long as it is open. -1:
 * the folder is not there, or the log says why not. */
int accounts_open(const char *folder);

#endif
