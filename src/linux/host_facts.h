/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINUX_HOST_FACTS_H
#define LINUX_HOST_FACTS_H

/*
 * Addresses that this host depends on: its own, and those of its routers and resolvers. A peer must
 * not make the host take one of them as an inner address, nor route it into the tunnel on purpose.
 */

#include "linux/netlink_change.h"

enum host_fact_kind { HOST_FACT_NONE, HOST_FACT_OWN, HOST_FACT_ROUTER, HOST_FACT_RESOLVER };

struct host_facts {
    struct host_fact {
        struct address address;
        uint8_t kind; /* enum host_fact_kind */
        /* prefix length of the network of this host that contains the address; otherwise its full
         * length */
        uint8_t net;
    } * facts; /* owned */
    size_t n, cap;
};

/* host_facts_read - reads the addresses of all interfaces but `without`, the routes that ikat did
 * not set, and the resolver's files. The result replaces the former facts; after an error they
 * stay. ERR_SYSTEM, ERR_NO_MEMORY. */
int host_facts_read(struct netlink *netlink, uint32_t without, struct host_facts *facts) MUST_USE;
void host_facts_done(struct host_facts *facts);

/* host_facts_address - the role of that address on this host. */
enum host_fact_kind host_facts_address(const struct host_facts *facts,
                                       const struct address *address);

/* host_facts_piece - the addresses of this host that lie in a prefix smaller than their own
 * network. */
enum host_fact_kind host_facts_piece(const struct host_facts *facts, const struct address *address,
                                     unsigned prefix_len);

/* lan_network - a network that this host may be in and leave out of a tunnel for everything:
 * private or link-local (RFC 1918, 3927, 4193, 4291), and not larger than such a network is. A
 * network that claims public addresses is never left out: its operator would choose which packets
 * it gets. */
bool lan_network(const struct address *address, unsigned prefix_len);

#endif
