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

/*
 * esp_icmp_related - RFC 4301 section 6.1.1: an ICMP error may have any source; what it quotes says
 * whether it belongs to a Child SA. *ret_related has addresses, protocol and ports of an answer to
 * the quoted packet. false: it is no "unreachable", "too big", "time exceeded" or "parameter
 * problem"; it is not for the sender of the quoted packet; or that cannot be read.
 */
bool esp_icmp_related(struct span packet, const struct esp_inner *inner,
                      struct esp_inner *ret_related);

#endif
