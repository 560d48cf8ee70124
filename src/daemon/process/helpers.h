/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_HELPERS_H
#define DAEMON_HELPERS_H

/* The small processes beside the engine. Each gives up its rights, serves its channel until the
 * other end closes, and returns the exit status. */

#include "daemon/process/spawn.h"

int keyholder_run(const struct spawn_start *start);
int verifier_run(const struct spawn_start *start);
int eap_run(const struct spawn_start *start);
int aaa_run(const struct spawn_start *start);
int fetcher_run(int fd, pid_t parent); /* fd: the verifier */
int resolver_run(int fd, pid_t parent);

/* loader_run - reads the configuration, tells the supervisor by permit_fd what it allows, hands the
 * secrets to their processes by door_fds, and loads the rest over `fd`, a VICI connection to the
 * engine. Returns the exit status. */
int loader_run(const struct spawn_start *start);

/* probe_run - see upgrade.h. Returns PROBE_FITS, PROBE_CONFIG or another exit status. */
int probe_run(const struct spawn_start *start);

#endif
