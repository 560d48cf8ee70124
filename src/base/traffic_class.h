/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_TRAFFIC_CLASS_H
#define BASE_TRAFFIC_CLASS_H

/* Classes of traffic (`classes` of a connection): which packets of a session, and what happens to
 * them. All conditions of a class must hold. A packet is of the first class that takes it. */

#include "base/address.h"
#include "base/limits.h"

struct number_range {
    uint16_t first, last;
};

struct traffic_class {
    uint64_t dscp;                               /* a bit for each value that it takes; 0: any */
    struct number_range local_port, remote_port; /* of the End User and of the other end */
    struct number_range size;                    /* octets of the inner packet */
    uint8_t protocol;                            /* 0: any */
    uint8_t n_remote;                            /* 0: any address of the other end */
    bool redundant; /* each packet takes two paths, if the peer agreed on order trailers */
    bool strict;    /* its packets are dropped while none of its paths works */
    struct address_range remote[LIMIT_CLASS_RANGES];
};

#define NUMBER_ANY ((struct number_range){0, UINT16_MAX})

static inline bool number_within(struct number_range range, uint16_t number)
{
    return range.first <= number && number <= range.last;
}

static inline bool number_any(struct number_range range)
{
    return range.first == 0 && range.last == UINT16_MAX;
}

/* struct traffic_classes - a list of them, borrowed. */
struct traffic_classes {
    unsigned n;    /* at most LIMIT_CLASSES */
    bool mirrored; /* we are the other end: the Gateway of the End User that sent them */
    const struct traffic_class *classes;
};

#endif
