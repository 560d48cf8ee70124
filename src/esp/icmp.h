/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_ICMP_H
#define ESP_ICMP_H

#include "esp/inner_packet.h"

#define ESP_ICMP_MAX 1280

/*
 * esp_icmp_too_big - the answer to a packet that does not fit: ICMP "fragmentation needed" (RFC
 * 1191) or ICMPv6 "packet too big" (RFC 4443 section 3.2), to its source, from its destination,
 * because the data plane has no inner address of its own. Returns its length; 0: must not be
 * answered (RFC 1122 section 3.2.2, RFC 4443 section 2.4 e: errors, multicast, later fragments, no
 * unicast source).
 */
size_t esp_icmp_too_big(struct span packet, const struct esp_inner *inner, uint16_t mtu,
                        uint8_t out[ESP_ICMP_MAX]);

#endif
