/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_NAME_SERVERS_H
#define DAEMON_NAME_SERVERS_H

/*
 * Makes the host use the Gateways' name servers, and undoes that. It uses the first of these ways
 * that exists: systemd-resolved (as servers of our TUN, with the domains or all names routed to
 * them), resolvconf (Debian's or openresolv), or /etc/resolv.conf itself, with the host's own
 * servers behind ours. The last two have only one list of servers, so domains only go in front of
 * the search list.
 */

#include "daemon/common/hook_channel.h"

enum name_server_way {
    NAME_SERVERS_UNSET,
    NAME_SERVERS_RESOLVED,
    NAME_SERVERS_RESOLVCONF,
    NAME_SERVERS_FILE
};

struct name_servers {
    enum name_server_way way; /* how they were set, and how they are removed */
    char device[16];
};

/* name_servers_sound - form only: an interface name without separators, unicast addresses,
 * domains of plain characters. */
bool name_servers_sound(const struct hook_name_servers *wanted);

/* name_servers_begin - removes the lines that a killed daemon left in /etc/resolv.conf. */
void name_servers_begin(void);

/* name_servers_set - replaces the servers that were set before. Without servers only the host's own
 * stay. */
void name_servers_set(struct name_servers *servers, const struct hook_name_servers *wanted);
void name_servers_end(struct name_servers *servers);

#endif
