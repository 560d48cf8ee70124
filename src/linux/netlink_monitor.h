/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINUX_NETLINK_MONITOR_H
#define LINUX_NETLINK_MONITOR_H

/*
 * Watches links, addresses and routes, without privilege. Multicast messages of the kernel only say
 * that something changed; the state is then read by a full dump. So a lost message (ENOBUFS) cannot
 * leave a wrong state.
 */

#include "multipath/path_manager.h"

struct netlink_monitor;

int netlink_monitor_open(struct netlink_monitor **ret_monitor) MUST_USE;
struct netlink_monitor *netlink_monitor_free(struct netlink_monitor *monitor);

/* netlink_monitor_fd - readable when something changed. */
int netlink_monitor_fd(const struct netlink_monitor *monitor);

/* netlink_monitor_changed - reads the messages that wait. true: take a snapshot, because something
 * other than our own routes changed, or a message was lost. */
bool netlink_monitor_changed(struct netlink_monitor *monitor);

/*
 * netlink_monitor_snapshot - all interfaces but loopback and `without` (an interface index, our
 * TUN; 0: none), with their addresses of global or link scope and with routes that are not ours. At
 * most `cap` links. Repeats a dump that the kernel calls inconsistent. ERR_SYSTEM.
 */
int netlink_monitor_snapshot(struct netlink_monitor *monitor, uint32_t without,
                             struct path_link *ret_links, size_t cap, size_t *ret_n) MUST_USE;

#endif
