/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/inner_packet.h"

#include "base/reader.h"
#include "esp/checksum.h"

#define EXTENSION_HEADERS_MAX 8

static void address_read(struct reader *r, size_t len, struct address *ret_address)
{
    struct span octets = read_bytes(r, len);
    memset(ret_address, 0, sizeof(*ret_address));
    if (octets.len != len)
        return;
    ret_address->family = len == 4 ? ADDRESS_V4 : ADDRESS_V6;
    memcpy(ret_address->octets, octets.ptr, len);
}

/* ports_parse - the selectors that the transport header gives (RFC 4301 section 4.4.1.1). */
static bool ports_parse(struct span l4, struct esp_inner *inner)
{
    struct reader r = reader_of(l4);
    switch (inner->protocol) {
    case ESP_PROTO_TCP:
    case ESP_PROTO_UDP:
    case 132: /* SCTP */
    case 136: /* UDP-Lite */
        inner->src_port = read_u16(&r);
        inner->dst_port = read_u16(&r);
        (void)read_bytes(&r, inner->protocol == ESP_PROTO_TCP ? 16 : 4);
        break;
    case ESP_PROTO_ICMP:
    case ESP_PROTO_ICMPV6: inner->src_port = inner->dst_port = read_u16(&r); break;
    default: return true;
    }
    inner->has_ports = !reader_failed(&r);
    return inner->has_ports;
}

static bool ipv4_parse(struct span packet, struct esp_inner *inner)
{
    struct reader r = reader_of(packet);
    unsigned header_len = (read_u8(&r) & 15u) * 4u;
    inner->tos = read_u8(&r);
    inner->total_len = read_u16(&r);
    (void)read_u16(&r);
    uint16_t fragment = read_u16(&r);
    inner->ttl = read_u8(&r);
    inner->protocol = read_u8(&r);
    (void)read_u16(&r);
    address_read(&r, 4, &inner->src);
    address_read(&r, 4, &inner->dst);
    if (reader_failed(&r) || header_len < IPV4_HEADER_LEN || header_len > inner->total_len ||
        inner->total_len > packet.len)
        return false;
    inner->l4_offset = (uint16_t)header_len;
    inner->dont_fragment = (fragment & 0x4000) != 0;
    inner->fragment = (fragment & 0x3fff) != 0;
    if ((fragment & 0x1fff) != 0)
        return true;
    return ports_parse(span_of(packet.ptr + header_len, inner->total_len - header_len), inner);
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
    struct reader r = reader_of(packet);
    uint32_t first = read_u32(&r);
    inner->tos = (uint8_t)(first >> 20);
    uint16_t payload_len = read_u16(&r);
    inner->protocol = read_u8(&r);
    inner->ttl = read_u8(&r);
    address_read(&r, 16, &inner->src);
    address_read(&r, 16, &inner->dst);
    /* a payload length of 0 with octets behind it is a jumbogram (RFC 2675) */
    if (reader_failed(&r) || payload_len > r.left ||
        (payload_len == 0 && inner->protocol != ESP_PROTO_NONE) ||
        payload_len > UINT16_MAX - IPV6_HEADER_LEN)
        return false;
    inner->total_len = (uint16_t)(payload_len + IPV6_HEADER_LEN);
    inner->dont_fragment = true;
    struct reader chain = reader_sub(&r, payload_len);
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
    if (packet[0] >> 4 != 4)
        return true;
    return checksum_fold(checksum_add(0, packet, (packet[0] & 15u) * 4u)) == 0xffff;
}
