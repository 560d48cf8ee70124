/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/supervisor/signals.h"

#include <signal.h>
#include <sys/signalfd.h>

#include "base/error.h"

int supervisor_signals_open(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGCHLD);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return ERR_SYSTEM;
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}
