/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_HOOKS_H
#define DAEMON_HOOKS_H

/*
 * The process that runs updown scripts. It is forked before the supervisor restricts itself,
 * because Landlock, system call filters and no-new-privileges survive exec, and scripts change
 * firewalls. It runs one script at a time, in the order of events, with a time limit and without a
 * shell. When the engine has ended, it runs `down` for each script that ran with `up`, the newest
 * first, and ends. It also sets the name servers of the host (name_servers.h), if the supervisor
 * permits them.
 */

#include "daemon/process/spawn.h"

/* hooks_run - serves its end of the channel. Returns the exit status. */
int hooks_run(const struct spawn_start *start);

#endif
