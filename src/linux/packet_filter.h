/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINUX_PACKET_FILTER_H
#define LINUX_PACKET_FILTER_H

/*
 * A table of nftables that drops packets in the clear that IPsec should protect (RFC 4301 section
 * 5.2): packets to an inner address, and packets from a protected network, if they arrive on
 * another interface than the inner device. IKE, ESP and neighbour discovery pass. Router
 * advertisements through the inner device are dropped as well.
 */

#include "base/address.h"
#include "base/error.h"

struct packet_filter;

struct packet_filter_prefix {
    struct address address;
    uint8_t prefix_len;
};

/* packet_filter_new - `device`: the inner one. ERR_SYSTEM: this kernel lacks nftables or a part of
 * it that we need, or we may not change its tables; ERR_NO_MEMORY. */
int packet_filter_new(const char *device, struct packet_filter **ret_filter) MUST_USE;

/* packet_filter_free - with `keep` the table stays. Takes NULL; returns NULL. */
struct packet_filter *packet_filter_free(struct packet_filter *filter, bool keep);

/* struct packet_filter_shunt - packets between two prefixes, in both directions. They pass although
 * IPsec protects one of the prefixes, or they are dropped. Ports 0 to 65535 and protocol 0 match
 * all. */
struct packet_filter_shunt {
    uint32_t rank; /* the lowest counts */
    bool pass;     /* else drop */
    uint8_t protocol;
    uint16_t local_ports[2], remote_ports[2]; /* first, last */
    struct packet_filter_prefix local, remote;
    char device[16]; /* the interface on which they arrive or leave; empty: any but the inner one */
};

/* struct packet_filter_device - an inner device beside the first one. Packets that come out of it
 * get the mark, if `mask` is not 0. */
struct packet_filter_device {
    char name[16];
    uint32_t mark, mask;
};

/* packet_filter_set - makes the table equal to the lists in one step, so that it is never missing.
 * If only prefixes have changed, it sends only these to the kernel. Sorts the lists. `inner`: our
 * inner addresses; `protected`: networks that may come through the inner devices only. ERR_SYSTEM,
 * ERR_NO_MEMORY. */
struct packet_filter_lists {
    struct packet_filter_prefix *inner, *protected;
    struct packet_filter_shunt *shunts;
    const struct packet_filter_device *devices;
    size_t n_inner, n_protected, n_shunts, n_devices;
};
int packet_filter_set(struct packet_filter *filter,
                      const struct packet_filter_lists *lists) MUST_USE;

#endif
