/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_PRIVILEGED_H
#define DAEMON_PRIVILEGED_H

/* The part of the supervisor that carries out requests of the engine. It does not trust the
 * engine. */

#include "daemon/common/channel.h"
#include "daemon/supervisor/permission.h"
#include "daemon/supervisor/supervisor.h"

struct privileged;

/* privileged_new - takes over blocks that a killed daemon left, and adds the rules for our table.
 * The device is start->tun_index. ERR_SYSTEM, ERR_NO_MEMORY. */
int privileged_new(const struct engine_start *start, struct privileged **ret_privileged) MUST_USE;

/* privileged_permission - the permissions of the engine by the files. Borrowed. */
struct permission *privileged_permission(struct privileged *privileged);

/* privileged_filters - whether packets in the clear are dropped (linux/packet_filter.h). */
bool privileged_filters(const struct privileged *privileged);

/* privileged_settle - call it after a batch of requests: updates the networks that bypass a tunnel
 * for all addresses, and the packet filter. If the last update of the filter took long, it waits
 * until privileged_deadline(). */
void privileged_settle(struct privileged *privileged);
nanos privileged_deadline(const struct privileged *privileged);

/* privileged_reset - the engine has ended: removes its addresses and routes, and keeps its blocks.
 * Its shunts stay until the next engine has named its own. */
void privileged_reset(struct privileged *privileged);

/* privileged_hand_over - the engine has ended, and the next one continues its sessions. Each entry
 * stays until PRIV_SHUNTS_ALL of the next engine. Then the entries that it has not claimed go. */
void privileged_hand_over(struct privileged *privileged);

/* privileged_free - removes everything that was added. With `keep_blocks` the blocks, and the rules
 * that lead to them, stay for the next daemon. Takes NULL; returns NULL. */
struct privileged *privileged_free(struct privileged *privileged, bool keep_blocks);

/* privileged_answer - checks the request and carries it out. The caller sends and closes the
 * descriptors of PATH_SOCKETS. */
void privileged_answer(struct privileged *privileged, const struct priv_request *request,
                       struct priv_answer *ret_answer, int ret_fds[LIMIT_WORKERS]);

#endif
