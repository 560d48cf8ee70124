/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/icmp.h"

#include "base/reader.h"
#include "base/writer.h"
#include "esp/checksum.h"

#define IPV4_QUOTE_MAX (576 - IPV4_HEADER_LEN - 8) /* RFC 1812 section 4.3.2.3 */
#define TTL            64

static bool is_error(const struct esp_inner *inner)
{
    unsigned type = inner->src_port >> 8;
    if (inner->protocol == ESP_PROTO_ICMP)
        return type != 0 && type != 8 && type != 13 && type != 14;
    return inner->protocol == ESP_PROTO_ICMPV6 && (type < 128 || type == 137);
}

static bool answerable(const struct esp_inner *inner)
{
    return !is_error(inner) && !address_is_multicast(&inner->src) && !address_is_any(&inner->src) &&
           !address_is_multicast(&inner->dst) && !(inner->fragment && !inner->has_ports);
}

static void header_write_v4(struct writer *w, const struct esp_inner *inner, size_t quote)
{
    write_u16(w, 0x4500);
    write_u16(w, (uint16_t)(IPV4_HEADER_LEN + 8 + quote));
    write_u32(w, 0);
    write_u8(w, TTL);
    write_u8(w, ESP_PROTO_ICMP);
    write_u16(w, 0);
    write_bytes(w, address_span(&inner->dst));
    write_bytes(w, address_span(&inner->src));
}

static void header_write_v6(struct writer *w, const struct esp_inner *inner, size_t quote)
{
    write_u32(w, 0x60000000);
    write_u16(w, (uint16_t)(8 + quote));
    write_u8(w, ESP_PROTO_ICMPV6);
    write_u8(w, TTL);
    write_bytes(w, address_span(&inner->dst));
    write_bytes(w, address_span(&inner->src));
}

size_t esp_icmp_too_big(struct span packet, const struct esp_inner *inner, uint16_t mtu,
                        uint8_t out[ESP_ICMP_MAX])
{
    if (!answerable(inner))
        return 0;
    bool ipv4 = inner->version == 4;
    size_t most = ipv4 ? IPV4_QUOTE_MAX : ESP_ICMP_MAX - IPV6_HEADER_LEN - 8;
    size_t quote = packet.len < most ? packet.len : most;
    struct writer w = writer_of(out, ESP_ICMP_MAX);
    if (ipv4)
        header_write_v4(&w, inner, quote);
    else
        header_write_v6(&w, inner, quote);
    size_t icmp = w.len;
    write_u16(&w, ipv4 ? 0x0304 : 0x0200);
    write_u16(&w, 0);
    write_u32(&w, mtu);
    write_bytes(&w, span_of(packet.ptr, quote));
    uint64_t sum = ipv4 ? 0 : checksum_pseudo(out, ESP_PROTO_ICMPV6, w.len - icmp);
    checksum_put(out + icmp + 2,
                 (uint16_t)~checksum_fold(checksum_add(sum, out + icmp, w.len - icmp)));
    if (ipv4)
        checksum_ipv4_header(out);
    return writer_failed(&w) ? 0 : w.len;
}

/* --- errors that come or leave --- */

static bool is_related_error(const struct esp_inner *inner)
{
    unsigned type = inner->src_port >> 8;
    if (inner->fragment || !inner->has_ports)
        return false;
    if (inner->protocol == ESP_PROTO_ICMP)
        return type == 3 || type == 11 || type == 12;
    return inner->protocol == ESP_PROTO_ICMPV6 && type >= 1 && type <= 4;
}

static struct address address_at(struct reader *r, size_t len)
{
    struct address address = {.family = len == 4 ? ADDRESS_V4 : ADDRESS_V6};
    struct span octets = read_bytes(r, len);
    if (octets.len == len)
        memcpy(address.octets, octets.ptr, len);
    return address;
}

/* quote_read - reads the header of the quoted packet, which may be cut off behind it, in the
 * reverse direction. */
static bool quote_read(struct span quote, uint8_t version, struct esp_inner *ret)
{
    struct reader r = reader_of(quote);
    unsigned first = read_u8(&r), header = version == 6 ? IPV6_HEADER_LEN : (first & 15u) * 4u;
    bool later = false;
    if (first >> 4 != version || header < IPV4_HEADER_LEN || header > quote.len)
        return false;
    if (version == 6) {
        (void)read_bytes(&r, 5);
        ret->protocol = read_u8(&r);
        (void)read_u8(&r);
    } else {
        (void)read_bytes(&r, 5);
        later = (read_u16(&r) & 0x1fff) != 0;
        (void)read_u8(&r);
        ret->protocol = read_u8(&r);
        (void)read_u16(&r);
    }
    ret->version = version;
    ret->dst = address_at(&r, version == 6 ? 16 : 4);
    ret->src = address_at(&r, version == 6 ? 16 : 4);
    struct reader l4 = reader_of(span_of(quote.ptr + header, quote.len - header));
    bool ports = ret->protocol == ESP_PROTO_TCP || ret->protocol == ESP_PROTO_UDP;
    if (ports && !later) {
        ret->dst_port = read_u16(&l4);
        ret->src_port = read_u16(&l4);
        ret->has_ports = !reader_failed(&l4);
    }
    return !reader_failed(&r);
}

bool esp_icmp_related(struct span packet, const struct esp_inner *inner,
                      struct esp_inner *ret_related)
{
    struct esp_inner related = {0};
    size_t at = (size_t)inner->l4_offset + 8;
    if (!is_related_error(inner) || inner->total_len > packet.len || at > inner->total_len ||
        !quote_read(span_of(packet.ptr + at, inner->total_len - at), inner->version, &related) ||
        !address_equal(&related.dst, &inner->dst))
        return false;
    related.device = inner->device;
    *ret_related = related;
    return true;
}
