/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_ORDER_TRAILER_H
#define ESP_ORDER_TRAILER_H

/*
 * The order trailer: 8 octets behind the inner packet, in front of the ESP padding. Both ends agree
 * on it for each Child SA (docs/protocol.md section 11). RFC 4303 section 2.7 makes it TFC padding
 * for every other receiver.
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |Version|0|C|N|R|    Bucket     |             Time              |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                             Order                             |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */

#include "base/time.h"
#include "esp/field.h"

#include <stdbool.h>

#define ESP_ORDER_LEN     8
#define ESP_ORDER_VERSION 1
#define ESP_ORDER_TICK    (64 * NANOS_PER_US) /* unit of all times on the wire */

/* struct esp_order - the trailer of one packet; `number` in host order. */
struct esp_order {
    bool present; /* the packet has a trailer of our version */
    bool copy;    /* the packet was sent before, with another ESP sequence number */
    bool no_hold; /* the packet has no place in the order, and `number` has no meaning */
    bool reset;   /* the sender began to number this bucket a short time ago */
    uint8_t bucket;
    uint16_t time;   /* when the packet was sent: ticks of the sender's clock, modulo 2^16 */
    uint32_t number; /* of the bucket; serial number arithmetic (RFC 1982) */
};

static inline uint16_t esp_order_time(nanos now)
{
    return (uint16_t)(now / ESP_ORDER_TICK);
}

/* esp_order_ahead - how far `a` is behind `b` in the order; negative: `a` comes first. */
static inline int32_t esp_order_ahead(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b);
}

static inline void esp_order_write(uint8_t *at, const struct esp_order *order)
{
    at[0] =
        (uint8_t)(ESP_ORDER_VERSION << 4 | order->copy << 2 | order->no_hold << 1 | order->reset);
    at[1] = order->bucket;
    field_put_u16(at + 2, order->time);
    field_put_u32(at + 4, order->number);
}

/* esp_order_read - `present` is false for another version. */
static inline void esp_order_read(const uint8_t *at, struct esp_order *ret_order)
{
    *ret_order = (struct esp_order){.present = at[0] >> 4 == ESP_ORDER_VERSION,
                                    .copy = (at[0] & 4) != 0,
                                    .no_hold = (at[0] & 2) != 0,
                                    .reset = (at[0] & 1) != 0,
                                    .bucket = at[1],
                                    .time = field_u16(at + 2),
                                    .number = field_u32(at + 4)};
}

#endif
