/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_OVERHEAD_H
#define ESP_OVERHEAD_H

/* The octets that tunnel mode adds to an inner packet. */

#include <stdbool.h>
#include <stdint.h>

#include "crypto/esp_cipher.h"

/* struct esp_overhead - block 0: unknown. */
struct esp_overhead {
    uint16_t fixed;   /* outer headers, ESP header, IV, ICV */
    uint16_t block;   /* the text between IV and ICV is a multiple of it */
    uint16_t trailer; /* of the text: order trailer, pad length, next header */
};

/* esp_overhead_of - `order`: with order trailers. block 0: unknown algorithms. */
struct esp_overhead esp_overhead_of(const struct esp_algorithms *algorithms, bool ipv6_outer,
                                    bool udp_encap, bool order);

/* esp_overhead_inner_max - the largest inner packet that fits an outer packet of `mtu` octets; 0: none. */
uint16_t esp_overhead_inner_max(struct esp_overhead overhead, uint16_t mtu);

#endif
