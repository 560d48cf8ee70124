/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/transport.h"

#include <string.h>

#include "esp/checksum.h"
#include "esp/field.h"

#define HOP_LIMIT 64 /* the outer MTU is not known here */

size_t esp_transport_strip(uint8_t *packet, size_t len, uint8_t *ret_next)
{
    bool v6 = packet[0] >> 4 == 6;
    size_t header = v6 ? IPV6_HEADER_LEN : IPV4_HEADER_LEN;
    *ret_next = packet[v6 ? 6 : 9];
    memmove(packet, packet + header, len - header);
    return len - header;
}

/* checksum_offset - in the transport header; 0: it has none that covers addresses. */
static size_t checksum_offset(uint8_t protocol)
{
    switch (protocol) {
    case ESP_PROTO_TCP: return 16;
    case ESP_PROTO_UDP: return 6;
    case ESP_PROTO_ICMPV6: return 2;
    default: return 0;
    }
}

/* checksum_renew - a UDP datagram without a checksum keeps none. */
static void checksum_renew(uint8_t *packet, size_t header, size_t len, uint8_t protocol)
{
    size_t at = checksum_offset(protocol);
    uint8_t *l4 = packet + header;
    static const uint8_t none[2];
    if (at == 0 || len < at + 2 || (protocol == ESP_PROTO_UDP && memcmp(l4 + at, none, 2) == 0))
        return;
    memset(l4 + at, 0, 2);
    uint64_t sum = checksum_add(checksum_pseudo(packet, protocol, len), l4, len);
    uint16_t folded = (uint16_t)~checksum_fold(sum);
    checksum_put(l4 + at, folded == 0 && protocol == ESP_PROTO_UDP ? 0xffff : folded);
}

size_t esp_transport_restore(const struct esp_transport *t, struct span payload, uint8_t *room)
{
    bool v6 = t->src.family == ADDRESS_V6;
    size_t header = v6 ? IPV6_HEADER_LEN : IPV4_HEADER_LEN, len = header + payload.len;
    if (len > UINT16_MAX)
        return 0;
    memset(room, 0, header);
    memcpy(room + header, payload.ptr, payload.len);
    if (v6) {
        room[0] = (uint8_t)(0x60 | t->tos >> 4);
        room[1] = (uint8_t)(t->tos << 4);
        field_put_u16(room + 4, (uint16_t)payload.len);
        room[6] = t->next;
        room[7] = HOP_LIMIT;
        memcpy(room + 8, t->src.octets, 16);
        memcpy(room + 24, t->dst.octets, 16);
    } else {
        room[0] = 0x45;
        room[1] = t->tos;
        field_put_u16(room + 2, (uint16_t)len);
        room[6] = 0x40; /* DF: RFC 6864 lets the identification be 0 then */
        room[8] = HOP_LIMIT;
        room[9] = t->next;
        memcpy(room + 12, t->src.octets, 4);
        memcpy(room + 16, t->dst.octets, 4);
        checksum_ipv4_header(room);
    }
    if (t->in_udp)
        checksum_renew(room, header, payload.len, t->next);
    return len;
}
