/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/inner_packet.h"

#include "base/reader.h"
#include "esp/checksum.h"
#include "esp/field.h"

#define EXTENSION_HEADERS_MAX 8

static struct address address_at(const uint8_t *octets, bool ipv6)
{
    struct address address = {.family = ipv6 ? ADDRESS_V6 : ADDRESS_V4};
    memcpy(address.octets, octets, ipv6 ? 16 : 4);
    return address;
}

/* ports_parse - the selectors that the transport header gives (RFC 4301 section 4.4.1.1). false: the
 * header is incomplete. */
static bool ports_parse(struct span l4, struct esp_inner *inner)
{
    bool icmp = false;
    size_t header;
    switch (inner->protocol) {
    case ESP_PROTO_TCP: header = 20; break;
    case ESP_PROTO_UDP:
    case 132: /* SCTP */
    case 136: /* UDP-Lite */ header = 8; break;
    case ESP_PROTO_ICMP:
    case ESP_PROTO_ICMPV6:
        icmp = true;
        header = 2;
        break;
    default: return true;
    }
    if (l4.len < header)
        return false;
    inner->src_port = field_u16(l4.ptr);
    inner->dst_port = icmp ? inner->src_port : field_u16(l4.ptr + 2);
    inner->has_ports = true;
    return true;
}

static bool ipv4_parse(struct span packet, struct esp_inner *inner)
{
    if (packet.len < IPV4_HEADER_LEN)
        return false;
    const uint8_t *header = packet.ptr;
    unsigned header_len = (header[0] & 15u) * 4u;
    uint16_t fragment = field_u16(header + 6);
    inner->tos = header[1];
    inner->total_len = field_u16(header + 2);
    inner->ttl = header[8];
    inner->protocol = header[9];
    inner->src = address_at(header + 12, false);
    inner->dst = address_at(header + 16, false);
    if (header_len < IPV4_HEADER_LEN || header_len > inner->total_len ||
        inner->total_len > packet.len)
        return false;
    inner->l4_offset = (uint16_t)header_len;
    inner->dont_fragment = (fragment & 0x4000) != 0;
    inner->fragment = (fragment & 0x3fff) != 0;
    if ((fragment & 0x1fff) != 0)
        return true;
    return ports_parse(span_of(header + header_len, inner->total_len - header_len), inner);
}

/* extensions_skip - walks the extension headers; *ret_later: a fragment without the transport
 * header. */
static bool extensions_skip(struct reader *r, struct esp_inner *inner, bool *ret_later)
{
    *ret_later = false;
    for (unsigned i = 0; i < EXTENSION_HEADERS_MAX; i++) {
        uint8_t kind = inner->protocol;
        bool plain =
            kind == ESP_PROTO_HOPOPTS || kind == ESP_PROTO_ROUTING || kind == ESP_PROTO_DSTOPTS;
        if (!plain && kind != ESP_PROTO_FRAGMENT)
            return true;
        if (kind == ESP_PROTO_HOPOPTS && i != 0) /* RFC 8200 section 4.1: only the first */
            return false;
        inner->protocol = read_u8(r);
        unsigned len = read_u8(r);
        if (kind == ESP_PROTO_FRAGMENT) {
            uint16_t offset = read_u16(r);
            (void)read_u32(r);
            inner->fragment = true;
            *ret_later = (offset & 0xfff8) != 0;
        } else {
            (void)read_bytes(r, len * 8 + 6);
        }
        if (reader_failed(r) || *ret_later)
            return !reader_failed(r);
    }
    return false;
}

static bool ipv6_parse(struct span packet, struct esp_inner *inner)
{
    if (packet.len < IPV6_HEADER_LEN)
        return false;
    const uint8_t *header = packet.ptr;
    inner->tos = (uint8_t)(field_u16(header) >> 4);
    uint16_t payload_len = field_u16(header + 4);
    inner->protocol = header[6];
    inner->ttl = header[7];
    inner->src = address_at(header + 8, true);
    inner->dst = address_at(header + 24, true);
    /* a payload length of 0 with octets behind it is a jumbogram (RFC 2675) */
    if (payload_len > packet.len - IPV6_HEADER_LEN ||
        (payload_len == 0 && inner->protocol != ESP_PROTO_NONE) ||
        payload_len > UINT16_MAX - IPV6_HEADER_LEN)
        return false;
    inner->total_len = (uint16_t)(payload_len + IPV6_HEADER_LEN);
    inner->dont_fragment = true;
    struct reader chain = reader_of(span_of(header + IPV6_HEADER_LEN, payload_len));
    bool later;
    if (!extensions_skip(&chain, inner, &later))
        return false;
    inner->l4_offset = (uint16_t)(inner->total_len - chain.left);
    return later || ports_parse(read_rest(&chain), inner);
}

bool esp_inner_parse(struct span packet, struct esp_inner *ret_inner)
{
    struct esp_inner inner = {0};
    if (packet.len == 0)
        return false;
    inner.version = packet.ptr[0] >> 4;
    bool ok = inner.version == 4   ? ipv4_parse(packet, &inner)
              : inner.version == 6 ? ipv6_parse(packet, &inner)
                                   : false;
    inner.segment_len = inner.total_len;
    if (ok)
        *ret_inner = inner;
    return ok;
}

bool esp_inner_ipv4_checksum_ok(const uint8_t *packet)
{
    return packet[0] >> 4 != 4 || checksum_ipv4_header_ok(packet);
}
