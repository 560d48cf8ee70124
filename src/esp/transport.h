/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TRANSPORT_H
#define ESP_TRANSPORT_H

/*
 * ESP in transport mode (RFC 4303 section 3.1.1) with a TUN device. The IP header of an outbound
 * packet is left out. That of an inbound packet is made of the Child SA's two addresses and the
 * outer header. Fragments, IPv4 options and IPv6 extension headers cannot be carried.
 */

#include "esp/esp.h"
#include "esp/inner_packet.h"

#define ESP_TRANSPORT_ROOM IPV6_HEADER_LEN /* octets in addition to the payload */

/* esp_transport_fits - transport mode can carry the packet. */
static inline bool esp_transport_fits(const struct esp_inner *inner)
{
    return !inner->fragment &&
           inner->l4_offset == (inner->version == 6 ? IPV6_HEADER_LEN : IPV4_HEADER_LEN);
}

/* esp_transport_strip - moves the octets behind the IP header to the front. Returns their length;
 * *ret_next is their protocol. Call esp_transport_fits before. */
size_t esp_transport_strip(uint8_t *packet, size_t len, uint8_t *ret_next);

/* esp_transport_restore - writes header and payload to `room`. With `in_udp` a NAT may have changed
 * addresses, so checksums that cover them are computed anew (RFC 3948 section 3.1.2). Returns the
 * length; 0: too long for an IP packet. */
struct esp_transport {
    struct address src, dst;
    uint8_t next, tos;
    bool in_udp;
};
size_t esp_transport_restore(const struct esp_transport *transport, struct span payload,
                             uint8_t *room);

#endif
