/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SIGNALS_H
#define DAEMON_SIGNALS_H

/* supervisor_signals_open - a descriptor (signalfd) of the signals that the supervisor handles. They are blocked, and
 * SIGPIPE is ignored. ERR_SYSTEM. */
int supervisor_signals_open(void);

#endif
