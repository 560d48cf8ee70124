/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINUX_HOST_FACTS_H
#define LINUX_HOST_FACTS_H

/*
 * Addresses that this host lives by: its own, those of its routers and of its resolvers. A peer
 * must not make the host take one of them for itself, nor have it routed away on purpose.
 */

#include "linux/netlink_change.h"

enum host_fact_kind { HOST_FACT_NONE, HOST_FACT_OWN, HOST_FACT_ROUTER, HOST_FACT_RESOLVER };

struct host_facts {
    struct host_fact {
        struct address address;
        uint8_t kind; /* enum host_fact_kind */
        uint8_t net;  /* prefix length of the network of this host that it is in; else of itself */
    } * facts;        /* owned */
    size_t n, cap;
};

/* host_facts_read - reads the addresses of all interfaces but `without`, the routes that ikat did not
 * set, and the files of the resolver. The result replaces the former facts; they stay after an
 * error. ERR_SYSTEM, ERR_NO_MEMORY. */
int host_facts_read(struct netlink *netlink, uint32_t without, struct host_facts *facts) MUST_USE;
void host_facts_done(struct host_facts *facts);

/* host_facts_address - what that address is to this host. */
enum host_fact_kind host_facts_address(const struct host_facts *facts,
                                       const struct address *address);

/* host_facts_piece - what a prefix has in it that is less than the network where it is. */
enum host_fact_kind host_facts_piece(const struct host_facts *facts, const struct address *address,
                                     unsigned prefix_len);

/* lan_network - a network that this host may be in and leave out of a tunnel for everything: private
 * or link-local (RFC 1918, 3927, 4193, 4291), and not larger than such a network is. A network that
 * claims public addresses is none: who runs it chooses which packets it gets. */
bool lan_network(const struct address *address, unsigned prefix_len);

#endif
