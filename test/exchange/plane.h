/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_EXCHANGE_PLANE_H
#define TEST_EXCHANGE_PLANE_H

/* A model of one end's data plane: the Child SA on which it sends, and those on which it
 * receives. */

#include "exchange/world.h"

#define PLANE_SPIS 64

struct plane {
    size_t seen;          /* events looked at */
    ike_child_id sending; /* 0: none */
    uint32_t spi_out;
    struct inbound {
        ike_child_id child;
        uint32_t spi, spi_out;
        nanos until_ns; /* NANOS_NEVER: not removed */
    } inbound[PLANE_SPIS];
    size_t n_inbound;
};

/* plane_follow - reads the events since the last call. */
void plane_follow(struct plane *plane, const struct peer *peer);

/* plane_gets_through - a packet that `from` sends now arrives at a Child SA of `to`. */
bool plane_gets_through(const struct plane *from, const struct plane *to, nanos now);

#endif
