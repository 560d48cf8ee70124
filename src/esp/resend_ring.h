/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_RESEND_RING_H
#define ESP_RESEND_RING_H

/*
 * Keeps the newest packets that were sent, by path and ESP sequence number: the time and the
 * octets, so that a lost packet can be resent. Bounded: new packets replace the oldest.
 */

#include "base/time.h"
#include "esp/order_trailer.h"

#define RESEND_PATHS   8
#define RESEND_PACKETS 4096      /* remembered for each path: 480 ms of 100 Mbit/s */
#define RESEND_OCTETS  (4 << 20) /* of all paths: 320 ms of 100 Mbit/s */

/* struct resend_entry - one packet that was sent. */
struct resend_entry {
    uint32_t spi, sequence; /* lower half */
    uint32_t total;         /* octets sent on the path up to this packet, modulo 2^32 */
    nanos sent;
    struct esp_order order;
    uint16_t len; /* 0: its octets are not kept */
    bool resent;
    uint64_t place; /* position of the octets: how many were written before them */
};

struct resend_ring {
    uint64_t written;
    struct resend_entry entries[RESEND_PATHS][RESEND_PACKETS];
    uint8_t octets[RESEND_OCTETS];
};

struct resend_ring *resend_ring_new(void); /* NULL: no memory; pages are allocated as they fill */
struct resend_ring *resend_ring_free(struct resend_ring *ring);

/* resend_ring_add - `packet` has entry->len octets; NULL: its octets are not kept. */
void resend_ring_add(struct resend_ring *ring, unsigned path, const struct resend_entry *entry,
                     const uint8_t *packet);

/* resend_ring_find - NULL: unknown or forgotten. */
struct resend_entry *resend_ring_find(struct resend_ring *ring, unsigned path, uint32_t spi,
                                      uint32_t sequence);

/* resend_ring_octets - NULL: not kept, or overwritten. */
const uint8_t *resend_ring_octets(const struct resend_ring *ring, const struct resend_entry *entry);

#endif
