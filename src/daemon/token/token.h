/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_TOKEN_H
#define DAEMON_TOKEN_H

/*
 * The token process: PKCS#11 libraries and the devices behind them. It loads no library itself: each
 * library has a worker, which is a fork of this process. The process ends a worker that crashes or
 * does not answer for ten seconds, and the next request starts another one. So a broken token fails
 * only the logins that need it. When all places for workers are taken, a new library takes the place
 * of an idle one.
 */

#include "daemon/process/spawn.h"

/* token_run - serves the keyholder until it ends. Returns the exit status. */
int token_run(const struct spawn_start *start);

#endif
