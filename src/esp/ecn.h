/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_ECN_H
#define ESP_ECN_H

#include <stdbool.h>
#include <stdint.h>

/* TOS octet: DSCP (6 bits) and ECN (2 bits: 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE). */

/* esp_tos_out - TOS of the outer header (RFC 6040 section 4.1, normal mode; RFC 2983). */
static inline uint8_t esp_tos_out(uint8_t inner, bool copy_ecn, bool copy_dscp)
{
    return (uint8_t)((copy_dscp ? inner & 0xfc : 0) | (copy_ecn ? inner & 3 : 0));
}

/*
 * esp_tos_in - TOS of the inner header after decapsulation (RFC 6040 section 4.2). false: drop, the
 * outer header says congestion and the inner one cannot carry it (inner Not-ECT, outer CE).
 */
bool esp_tos_in(uint8_t inner, uint8_t outer, bool copy_ecn, bool copy_dscp, uint8_t *ret_tos);

/* esp_tos_rewrite - writes a new TOS into an IPv4 or IPv6 header, with its checksum. */
void esp_tos_rewrite(uint8_t *packet, uint8_t tos);

#endif
