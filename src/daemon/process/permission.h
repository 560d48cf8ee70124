/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_PERMISSION_H
#define DAEMON_PERMISSION_H

/*
 * Whether the supervisor does what the engine asks for: the configuration's files must allow it,
 * and it must not take from the host what it lives by. Neither is known from the engine.
 */

#include "base/time.h"
#include "daemon/common/channel.h"
#include "daemon/common/permits.h"
#include "linux/host_facts.h"

struct permission {
    struct permits now, next; /* while a load is under way, either of them allows it */
    struct host_facts facts;
    bool known;     /* facts were read */
    nanos facts_ns; /* when */
};

void permission_done(struct permission *permission);

/* permission_load - the permits of a load that is about to be switched on; takes them over. Those of
 * an earlier load that never ended are dropped. permission_loaded - it has ended: `good` ones take
 * the place of all before. */
void permission_load(struct permission *permission, struct permits *permits);
void permission_loaded(struct permission *permission, bool good);

/* permission_reason - why a sound request that adds something is refused; PRIV_REASON_NONE: it is
 * not. Facts are read anew when they are older than a second. */
enum priv_reason permission_reason(struct permission *permission,
                                   const struct priv_request *request, struct netlink *netlink,
                                   uint32_t tun_index);

#endif
