/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_TOKEN_H
#define DAEMON_TOKEN_H

/*
 * The token process: PKCS#11 libraries and the devices behind them. It loads none itself: a worker,
 * a fork of it, does so for each library. A worker that crashes or does not answer for ten seconds is
 * ended, and the next request starts another one. So a broken token fails logins that need it, and
 * nothing else.
 */

#include "daemon/process/spawn.h"

/* token_run - serves the keyholder until it ends. Returns the exit status. */
int token_run(const struct spawn_start *start);

#endif
