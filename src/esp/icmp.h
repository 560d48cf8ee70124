/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_ICMP_H
#define ESP_ICMP_H

#include "esp/inner_packet.h"

#define ESP_ICMP_MAX 1280

/*
 * esp_icmp_too_big - the answer to a packet that does not fit: ICMP "fragmentation needed" (RFC
 * 1191) or ICMPv6 "packet too big" (RFC 4443 section 3.2). It goes to the packet's source. Its own
 * source is the packet's destination, because the data plane has no inner address. Returns its
 * length; 0: such a packet is never answered (RFC 1122 section 3.2.2, RFC 4443 section 2.4 e:
 * errors, multicast, later fragments, no unicast source).
 */
size_t esp_icmp_too_big(struct span packet, const struct esp_inner *inner, uint16_t mtu,
                        uint8_t out[ESP_ICMP_MAX]);

/*
 * esp_icmp_related - RFC 4301 section 6.1.1: an ICMP error may have any source, so the packet that
 * it quotes decides about its Child SA. *ret_related: addresses, protocol and ports of an answer to
 * the quoted packet. false: no "unreachable", "too big", "time exceeded" or "parameter problem";
 * not for the sender of the quoted packet; or unreadable.
 */
bool esp_icmp_related(struct span packet, const struct esp_inner *inner,
                      struct esp_inner *ret_related);

#endif
