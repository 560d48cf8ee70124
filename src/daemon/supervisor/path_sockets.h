/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_PATH_SOCKETS_H
#define DAEMON_PATH_SOCKETS_H

/* The sockets of a path, which the supervisor opens for the engine (PRIV_PATH_SOCKETS). */

#include "daemon/common/channel.h"

/* path_sockets - opens sockets bound to the address and the interface: for NAT_PORT one per worker,
 * for IKE_PORT one. *ret_n: how many of `ret_fds` the caller has to close. ERR_INVALID: another
 * port, or no interface; ERR_SYSTEM. */
int path_sockets(const struct priv_request *request, unsigned n_workers, uint32_t *ret_n,
                 int ret_fds[LIMIT_WORKERS]) MUST_USE;

#endif
