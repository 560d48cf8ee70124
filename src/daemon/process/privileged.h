/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_PRIVILEGED_H
#define DAEMON_PRIVILEGED_H

/* The supervisor's hands: carries out requests of the engine, which it does not trust. */

#include "daemon/common/channel.h"
#include "daemon/process/permission.h"
#include "daemon/process/supervisor.h"

struct privileged;

/* privileged_new - takes over the blocks that a killed daemon left, and adds the rules for our
 * table. The device is start->tun_index. ERR_SYSTEM, ERR_NO_MEMORY. */
int privileged_new(const struct engine_start *start, struct privileged **ret_privileged) MUST_USE;

/* privileged_permission - what the files allow the engine to ask for. Borrowed. */
struct permission *privileged_permission(struct privileged *privileged);

/* privileged_filters - whether packets that come in the clear are dropped (linux/packet_filter.h). */
bool privileged_filters(const struct privileged *privileged);

/* privileged_settle - after a batch of requests: brings the packet filter into line with them, or
 * not before privileged_deadline(), when the last time took long. */
void privileged_settle(struct privileged *privileged);
nanos privileged_deadline(const struct privileged *privileged);

/* privileged_reset - the engine has ended: its addresses and routes go, its blocks stay. So do its
 * shunts until the next engine has said which ones it has. */
void privileged_reset(struct privileged *privileged);

/* privileged_free - removes all that was added; with `keep_blocks` the blocks and the rules that
 * lead to them stay for the next daemon. Takes NULL; returns NULL. */
struct privileged *privileged_free(struct privileged *privileged, bool keep_blocks);

/* privileged_answer - checks the request and carries it out. The descriptors of PATH_SOCKETS are
 * the caller's, to send and to close. */
void privileged_answer(struct privileged *privileged, const struct priv_request *request,
                       struct priv_answer *ret_answer, int ret_fds[LIMIT_WORKERS]);

#endif
