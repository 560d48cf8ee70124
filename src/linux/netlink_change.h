/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINUX_NETLINK_CHANGE_H
#define LINUX_NETLINK_CHANGE_H

/*
 * The changes that the supervisor makes to the host's network, over one rtnetlink socket:
 * addresses, routes and rules. Each request waits for the kernel's verdict. Our routes and rules
 * carry NETLINK_PROTOCOL, so that they can be told from others, also after a crash.
 */

#include <sys/types.h>

#include "base/address.h"
#include "base/error.h"

struct netlink;

#define NETLINK_PROTOCOL 171 /* rtm_protocol of our routes; not in iproute2's rt_protos */

int netlink_open(struct netlink **ret_netlink) MUST_USE; /* ERR_SYSTEM, ERR_NO_MEMORY */
struct netlink *netlink_free(struct netlink *netlink);   /* takes NULL; returns NULL */

enum netlink_change { NETLINK_ADD, NETLINK_DELETE };

/* netlink_address - an address on an interface, without a prefix route and without DAD. Adding an
 * existing address and deleting a missing one succeed. ERR_SYSTEM (errno: the kernel's). */
int netlink_address(struct netlink *netlink, enum netlink_change change, uint32_t interface,
                    const struct address *address) MUST_USE;

/* netlink_address_dummy - 192.0.0.8 (RFC 7600: the IPv4 dummy address) of scope host, so that it is
 * never chosen as a source. Linux drops all IPv4 routes of an interface with its last IPv4 address;
 * with this one, that never happens. ERR_SYSTEM. */
int netlink_address_dummy(struct netlink *netlink, uint32_t interface) MUST_USE;

/* netlink_link_silence - keeps the kernel from making an IPv6 link-local address. Call it before
 * the interface is up. ERR_SYSTEM. */
int netlink_link_silence(struct netlink *netlink, uint32_t interface) MUST_USE;

/* netlink_link_delete - removes the interface, even if other processes have descriptors of it.
 * ERR_SYSTEM. */
int netlink_link_delete(struct netlink *netlink, uint32_t interface) MUST_USE;

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

/* netlink_rule - "packets without OUTER_MARK use `table`", with our protocol. A rule that exists
 * already counts as added. */
int netlink_rule(struct netlink *netlink, enum netlink_change change, enum address_family family,
                 uint32_t table, uint32_t priority) MUST_USE;

/* netlink_rule_mark - "packets whose mark has these bits: look into `table`". netlink_rule_outer -
 * packets with OUTER_MARK skip the rules up to `landing` (netlink_rule_landing). */
struct netlink_mark {
    uint32_t mark, mask;
    uint32_t table, priority;
};
int netlink_rule_mark(struct netlink *netlink, enum netlink_change change,
                      enum address_family family, const struct netlink_mark *rule) MUST_USE;
int netlink_rule_outer(struct netlink *netlink, enum netlink_change change,
                       enum address_family family, uint32_t priority, uint32_t landing) MUST_USE;

/* netlink_rule_user - "packets of this user: look into the host's main table". */
int netlink_rule_user(struct netlink *netlink, enum netlink_change change,
                      enum address_family family, uid_t uid, uint32_t priority) MUST_USE;

/*
 * netlink_rule_landing - a rule without effect at `priority`. netlink_rule_pass - packets with
 * these addresses, protocol and ports skip the rules between `priority` and `landing`. A prefix of
 * length 0 matches all addresses of the family; protocol 0 and ports 0 to 65535 match all.
 * netlink_rules_flush - removes all our rules at `priority`.
 */
struct netlink_pass {
    struct address local, remote;
    uint8_t local_len, remote_len, protocol;
    uint16_t local_ports[2], remote_ports[2]; /* first, last */
    uint32_t priority, landing;
};
int netlink_rule_landing(struct netlink *netlink, enum netlink_change change,
                         enum address_family family, uint32_t priority) MUST_USE;
int netlink_rule_pass(struct netlink *netlink, enum netlink_change change,
                      const struct netlink_pass *pass) MUST_USE;
int netlink_rules_flush(struct netlink *netlink, enum address_family family,
                        uint32_t priority) MUST_USE;

/* netlink_block - an "unreachable" route. It needs no device, so it outlives our device and the
 * daemon. */
int netlink_block(struct netlink *netlink, enum netlink_change change,
                  const struct netlink_route *route) MUST_USE;

/* netlink_throw - ends the look-up in its table: the rules behind it decide. */
int netlink_throw(struct netlink *netlink, enum netlink_change change,
                  const struct netlink_route *route) MUST_USE;

/*
 * netlink_routes_list - our routes in a table: unicast ones, or those of netlink_block or
 * netlink_throw. *ret_routes: the caller's, for free(); may be NULL. ERR_SYSTEM, ERR_NO_MEMORY.
 */
enum netlink_route_kind { NETLINK_UNICAST, NETLINK_BLOCK, NETLINK_THROW };
int netlink_routes_list(struct netlink *netlink, uint32_t table, enum netlink_route_kind kind,
                        struct netlink_route **ret_routes, size_t *ret_n) MUST_USE;

/* netlink_blocks_list - the same: blocks in the tables `first` to `last`. */
int netlink_blocks_list(struct netlink *netlink, uint32_t first, uint32_t last,
                        struct netlink_route **ret_routes, size_t *ret_n) MUST_USE;

/* netlink_marks_list - IPv4 rules of netlink_rule_mark with this priority, `max` at most.
 * ERR_SYSTEM. */
int netlink_marks_list(struct netlink *netlink, uint32_t priority, struct netlink_mark *ret_marks,
                       size_t max, size_t *ret_n) MUST_USE;

/*
 * netlink_own_each - all addresses of the host but those of the interface `without`, with the
 * prefix lengths of their networks. netlink_routers_each - the next hops of all routes that ikat
 * did not set. If `each` returns an error, the walk ends with it. ERR_SYSTEM.
 */
typedef int (*netlink_each)(void *context, const struct address *address, unsigned prefix_len);
int netlink_own_each(struct netlink *netlink, uint32_t without, netlink_each each,
                     void *context) MUST_USE;
int netlink_routers_each(struct netlink *netlink, netlink_each each, void *context) MUST_USE;

#endif
