/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_ORDER_BUFFER_H
#define ESP_ORDER_BUFFER_H

/*
 * Restores the order of packets that came over several paths. Each flow bucket has its own numbers,
 * so no flow waits for another. A packet that is next in its bucket passes without a copy. An early
 * packet is copied. It waits until the missing ones have come, or until `wait` is over.
 *
 *   order_buffer_put(...)            DELIVER: hand the packet on; DROP; HELD: it is copied;
 *                                    RETRY: take what is due first, recycle, and put it again
 *   while (order_buffer_next(...))   hand on what is due now
 *   order_buffer_recycle()           the packets handed on are not needed any more
 *   order_buffer_deadline()          when something falls due next
 */

#include "base/span.h"
#include "esp/inner_packet.h"
#include "esp/order_trailer.h"

#define ORDER_BUCKETS 256
#define ORDER_SLOTS   4096 /* packets held; at 100 Mbit/s the longest wait needs 1,700 */
#define ORDER_WINDOW  4096 /* a packet may be this many numbers ahead of the next one */
#define ORDER_PACKET  2048 /* octets of a held packet; a longer packet is not held */
#define ORDER_SEEN    1024 /* numbers behind the next one that are remembered, to find duplicates */
#define ORDER_OCTETS  ((size_t)ORDER_PACKET * ORDER_SLOTS)

#define ORDER_WAIT_MIN (2 * NANOS_PER_MS)
#define ORDER_WAIT_MAX (200 * NANOS_PER_MS)

struct order_packet {
    uint8_t *octets; /* borrowed; if it lies in a slot, until order_buffer_recycle() */
    size_t len;
    struct esp_inner inner;
};

enum order_fate { ORDER_DELIVER, ORDER_HELD, ORDER_DROP, ORDER_RETRY };

struct order_counters {
    uint64_t held;       /* packets that waited */
    uint64_t late;       /* handed on after a later one, because the wait was over */
    uint64_t skipped;    /* numbers that did not come within the wait */
    uint64_t duplicates; /* dropped */
    uint64_t repaired;   /* gaps that a copy closed */
};

struct order_slot {
    struct order_packet packet;
    nanos came;
    uint32_t number;
    uint16_t next; /* in the chain of its hash, or the free list */
    uint8_t bucket;
};

struct order_bucket {
    uint32_t next;                    /* the number that is due */
    uint32_t n;                       /* packets held */
    bool live;                        /* a packet came */
    bool force;                       /* the buffer is full: `next` is not awaited */
    nanos since;                      /* with n > 0: when the first packet behind the gap came */
    nanos gave_up;                    /* `since` of the last gap that was given up */
    uint64_t seen[ORDER_SEEN / 64];   /* bit number % ORDER_SEEN: handed on */
    uint64_t held[ORDER_WINDOW / 64]; /* bit number % ORDER_WINDOW: a slot has it */
};

struct order_buffer {
    nanos wait;        /* the difference of the paths' delays; the caller sets it */
    nanos repair;      /* time that a repair takes, learned here */
    nanos late;        /* how late packets came whose gap was given up */
    uint32_t given_up; /* gaps since a copy was last useful */
    struct order_counters counters;
    uint64_t blocked[ORDER_BUCKETS / 64]; /* bits of the buckets with n > 0 */
    uint16_t free, used;                  /* lists of slots: unused, handed on */
    uint16_t hash[ORDER_SLOTS];
    struct order_bucket buckets[ORDER_BUCKETS];
    struct order_slot slots[ORDER_SLOTS];
    uint8_t (*octets)[ORDER_PACKET]; /* owned */
};

struct order_buffer *order_buffer_new(void); /* NULL: no memory */
struct order_buffer *order_buffer_free(struct order_buffer *buffer);

enum order_fate order_buffer_put(struct order_buffer *buffer, const struct esp_order *order,
                                 const struct order_packet *packet, nanos now);
bool order_buffer_next(struct order_buffer *buffer, nanos now, struct order_packet *ret_packet);
void order_buffer_recycle(struct order_buffer *buffer);
nanos order_buffer_deadline(const struct order_buffer *buffer);

#endif
