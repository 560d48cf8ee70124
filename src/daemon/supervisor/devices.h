/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_DEVICES_H
#define DAEMON_DEVICES_H

/* The descriptors that need privilege to be opened, once, at start. */

#include "daemon/process/spawn.h"
#include "daemon/supervisor/supervisor.h"

/* devices_open - opens all descriptors of `start` but the channels; logs failures. ERR_SYSTEM: the
 * open ones stay open until the process exits. The kernel may lack IPv6. */
int devices_open(const struct supervisor_options *options, struct engine_start *start) MUST_USE;

/* state_open - opens the files of the folder, for our use alone while they are open: "accounting"
 * (account_queue.h) for the aaa process, "usim" (usim_book.h) for the eap process, "tickets"
 * (ticket_file.h) for the keyholder. -1: the folder is missing, the log has another reason, or the
 * process uses no file. */
void state_open(const char *folder, int ret_fds[N_PROCESSES]);

#endif
