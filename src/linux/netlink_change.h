/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINUX_NETLINK_CHANGE_H
#define LINUX_NETLINK_CHANGE_H

/*
 * What the supervisor changes in the host's network, over one rtnetlink socket: addresses, routes
 * and rules. Each request waits for the kernel's verdict. All routes and rules carry
 * NETLINK_PROTOCOL, so that ours can be told from others', also after a crash.
 */

#include "base/address.h"
#include "base/error.h"

struct netlink;

#define NETLINK_PROTOCOL 171 /* rtm_protocol of ours; not in iproute2's rt_protos */

int netlink_open(struct netlink **ret_netlink) MUST_USE; /* ERR_SYSTEM, ERR_NO_MEMORY */
struct netlink *netlink_free(struct netlink *netlink);   /* takes NULL; returns NULL */
int netlink_fd(const struct netlink *netlink);

enum netlink_change { NETLINK_ADD, NETLINK_DELETE };

/* netlink_address - an address on an interface, without a prefix route and without DAD. Adding an
 * existing address and deleting a missing one succeed. ERR_SYSTEM (errno: the kernel's). */
int netlink_address(struct netlink *netlink, enum netlink_change change, uint32_t interface,
                    const struct address *address) MUST_USE;

/* netlink_address_dummy - 192.0.0.8 (RFC 7600: the IPv4 dummy address) of scope host, so that it is
 * never chosen as a source. Linux drops all IPv4 routes of an interface with its last IPv4 address;
 * with this one, that never happens. ERR_SYSTEM. */
int netlink_address_dummy(struct netlink *netlink, uint32_t interface) MUST_USE;

struct netlink_route {
    uint32_t table;
    struct address destination;
    uint8_t prefix_len;
    uint32_t interface;
    uint32_t metric;
    struct address source; /* preferred source address; NONE: the kernel's choice */
};
int netlink_route(struct netlink *netlink, enum netlink_change change,
                  const struct netlink_route *route) MUST_USE;

/* netlink_rule - "all packets without OUTER_MARK: look into `table`", with our protocol. */
int netlink_rule(struct netlink *netlink, enum netlink_change change, enum address_family family,
                 uint32_t table, uint32_t priority) MUST_USE;

/* netlink_rules_sweep - deletes our rules into tables base+1 .. base+2^16 whose interface (number:
 * table - base) does not exist: a killed daemon leaves them. Returns how many, or ERR_SYSTEM. */
int netlink_rules_sweep(struct netlink *netlink, uint32_t base) MUST_USE;

#endif
