/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CHECKSUM_H
#define ESP_CHECKSUM_H

#include "base/span.h"

/*
 * The Internet checksum (RFC 1071). Sums are kept in the byte order of the machine, as the RFC
 * allows, and folded once; parts of odd length may only come last.
 */

/* checksum_add - the sum of `len` octets on top of `sum`. */
uint64_t checksum_add(uint64_t sum, const void *octets, size_t len);

/* checksum_copy - copies `len` octets and sums them on the way. */
uint64_t checksum_copy(uint64_t sum, void *to, const void *from, size_t len);

/* checksum_fold - 16 bits, not complemented, to be stored with checksum_put. */
static inline uint16_t checksum_fold(uint64_t sum)
{
    uint32_t low = (uint32_t)sum, half = low + (uint32_t)(sum >> 32);
    half += half < low; /* the carry comes back in, here and below */
    half = (half >> 16) + (half & 0xffff);
    return (uint16_t)(half + (half >> 16));
}

/* checksum_pseudo - the pseudo-header of the IP packet at `packet` (RFC 793, RFC 8200 section 8.1).
 */
uint64_t checksum_pseudo(const uint8_t *packet, uint8_t protocol, size_t l4_len);

static inline void checksum_put(uint8_t *at, uint16_t sum)
{
    memcpy(at, &sum, 2);
}

/* checksum_ipv4_header_ok - whether the header checksum is right. */
bool checksum_ipv4_header_ok(const uint8_t *packet);

/* checksum_ipv4_header - recomputes the header checksum in place. */
void checksum_ipv4_header(uint8_t *packet);

#endif
