/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_FLOW_QUEUE_H
#define ESP_FLOW_QUEUE_H

/*
 * Packets of one session that wait for a path. Each flow bucket has a line of its own. Lines take
 * turns by octets, and a flow that begins to wait comes first (RFC 8290). Each line is under
 * controlled delay (RFC 8289): a packet that waited too long is marked by ECN, or dropped.
 *
 * Bounded: beyond `limit` octets, or without a free slot, the oldest packet of the longest line is
 * dropped. So is a packet that waited half a second, since no path was there.
 */

#include "base/span.h"
#include "base/time.h"

#include <stdbool.h>

#define FLOW_QUEUE_LINES  64
#define FLOW_QUEUE_SLOTS  2048 /* 20 ms of 1 Gbit/s */
#define FLOW_QUEUE_PACKET 2048 /* octets of the longest packet that waits */
#define FLOW_QUEUE_OCTETS ((size_t)FLOW_QUEUE_PACKET * FLOW_QUEUE_SLOTS)

struct flow_queue_list {
    uint8_t first, last;
};

/* struct flow_line - the packets of one flow bucket, and the state of its controlled delay. */
struct flow_line {
    uint16_t first, last; /* slots */
    uint32_t n, octets;
    int32_t deficit; /* octets that it may send in this turn */
    bool listed;
    uint8_t next; /* in the list of lines */
    bool dropping;
    uint32_t drops;
    nanos above_at, drop_at;
};

struct flow_slot {
    nanos since;
    uint16_t len, next;
};

struct flow_queue {
    uint32_t octets;          /* of all packets that wait */
    uint32_t limit;           /* the most of them; set by the owner */
    uint64_t dropped, marked; /* packets */
    uint16_t free, lent;      /* slots; `lent` is the one that flow_queue_next returned */
    struct flow_queue_list fresh, old;
    struct flow_line lines[FLOW_QUEUE_LINES];
    struct flow_slot slots[FLOW_QUEUE_SLOTS];
    uint8_t (*packets)[FLOW_QUEUE_PACKET]; /* owned */
};

struct flow_queue *flow_queue_new(void); /* NULL: no memory; pages are taken as they fill */
struct flow_queue *flow_queue_free(struct flow_queue *queue);

/* flow_queue_put - room for a packet of `len` octets, at most FLOW_QUEUE_PACKET, of this line. The
 * caller writes the whole packet before the next call. */
uint8_t *flow_queue_put(struct flow_queue *queue, unsigned line, size_t len, nanos now);

/* flow_queue_next - the next packet to send, valid until the next call. false: no packet waits. */
bool flow_queue_next(struct flow_queue *queue, nanos now, struct span *ret_packet,
                     unsigned *ret_line);

#endif
