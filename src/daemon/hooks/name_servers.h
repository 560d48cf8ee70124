/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_NAME_SERVERS_H
#define DAEMON_NAME_SERVERS_H

/*
 * Has the host ask the Gateways' servers for names, and takes that back. The first of these that is
 * there does it: systemd-resolved (as servers of our TUN, with the domains or all names routed to
 * them), resolvconf (Debian's or openresolv), or /etc/resolv.conf itself, with the host's own servers
 * behind ours. The latter two know one list of servers, so domains only lead the search list there.
 */

#include "daemon/common/hook_channel.h"

enum name_server_way {
    NAME_SERVERS_UNSET,
    NAME_SERVERS_RESOLVED,
    NAME_SERVERS_RESOLVCONF,
    NAME_SERVERS_FILE
};

struct name_servers {
    enum name_server_way way; /* how they were set; they are taken back the same way */
    char device[16];
};

/* name_servers_sound - form only: an interface name without separators, unicast addresses,
 * domains of plain characters. */
bool name_servers_sound(const struct hook_name_servers *wanted);

/* name_servers_begin - takes back the lines that a killed daemon left in /etc/resolv.conf. */
void name_servers_begin(void);

/* name_servers_set - replaces the servers set before; none: only the host's own. */
void name_servers_set(struct name_servers *servers, const struct hook_name_servers *wanted);
void name_servers_end(struct name_servers *servers);

#endif
