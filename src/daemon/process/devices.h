/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_DEVICES_H
#define DAEMON_DEVICES_H

/* The descriptors that need privilege to be opened, once, at start. */

#include "daemon/process/supervisor.h"

/* devices_open - opens all descriptors of `start` but the channels; logs failures. ERR_SYSTEM: the
 * open ones stay open until the process exits. The kernel may lack IPv6. */
int devices_open(const struct supervisor_options *options, struct engine_start *start) MUST_USE;

/* state_open - opens a file of the folder, for our use alone while it is open: "accounting"
 * (account_queue.h) or "usim" (usim_book.h). The disk has `room` octets for it. -1: the folder is
 * missing, or the log has the reason. */
int state_open(const char *folder, const char *name, size_t room);

#endif
