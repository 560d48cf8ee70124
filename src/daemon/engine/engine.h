/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_ENGINE_H
#define DAEMON_ENGINE_H

#include <sys/types.h>

#include "daemon/process/engine_start.h"

/*
 * engine_run - the process that speaks with the network: IKE core, path manager, VICI and the link
 * monitor in one thread, ESP in worker threads. It gives up its rights, serves until the supervisor
 * orders the end or has ended, and returns the exit status. Takes the descriptors.
 */
int engine_run(const struct engine_start *start, pid_t parent);

#endif
