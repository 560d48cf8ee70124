/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_HELPERS_H
#define DAEMON_HELPERS_H

/* The small processes beside the engine. Each gives up its rights, serves its channel until the
 * other end closes, and returns the exit status. */

#include "daemon/process/eap_doors.h"
#include "daemon/process/spawn.h"

/* eap_fd: the channel to the eap process, which asks while it runs TLS. */
int keyholder_run(int fd, int eap_fd, pid_t parent);
int verifier_run(int fd, int eap_fd, pid_t parent);
int eap_run(int fd, struct eap_channels channels, pid_t parent);
int aaa_run(int fd, int accounts_fd, pid_t parent); /* -1: account_queue.h has no file */
int resolver_run(int fd, pid_t parent);

/* loader_run - reads the configuration, tells the supervisor by permit_fd what it allows, and loads
 * it over `fd`, a VICI connection to the engine. Returns the exit status. */
int loader_run(const struct spawn_start *start);

#endif
