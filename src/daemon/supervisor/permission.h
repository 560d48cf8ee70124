/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_PERMISSION_H
#define DAEMON_PERMISSION_H

/*
 * Decides whether the supervisor carries out a request of the engine. The configuration files must
 * allow it, and it must not take over an address that the host needs. Neither fact comes from the
 * engine.
 */

#include "base/time.h"
#include "daemon/common/channel.h"
#include "daemon/common/hook_channel.h"
#include "daemon/common/permits.h"
#include "linux/host_facts.h"

struct permission {
    /* while a load is under way, the old or the new permits may allow a request */
    struct permits now, next;
    struct host_facts facts;
    bool known;     /* facts were read */
    nanos facts_ns; /* when */
};

void permission_done(struct permission *permission);

/* permission_load - takes over the permits of a load that is about to be switched on. Permits of an
 * earlier load that never ended are dropped. permission_loaded - the load has ended. If it was
 * `good`, its permits replace all earlier ones. */
void permission_load(struct permission *permission, struct permits *permits);
void permission_loaded(struct permission *permission, bool good);

/* permission_dns - this host may use these name servers. `device`: the first TUN device. */
bool permission_dns(const struct permission *permission,
                    const struct name_server_question *question, const char *device);

/* permission_script - the files name this script with these arguments. */
bool permission_script(const struct permission *permission, const char script[HOOK_SCRIPT]);

/* permission_hook - the answer to a question of the hooks process, which may be compromised. */
bool permission_hook(const struct permission *permission, const struct hook_question *question,
                     const char *device);

/* permission_reason - the reason to refuse a well-formed request that adds something;
 * PRIV_REASON_NONE: it is allowed. Facts older than a second are read again. */
enum priv_reason permission_reason(struct permission *permission,
                                   const struct priv_request *request, struct netlink *netlink,
                                   uint32_t tun_index);

#endif
