/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/segment.h"

#include "esp/checksum.h"
#include "esp/field.h"

#define UDP_HEADER_LEN 8
#define TCP_HEADER_MIN 20
#define TCP_FIN        0x01
#define TCP_PSH        0x08
#define TCP_CWR        0x80

/* checksum_complete - the field holds the sum of the pseudo-header; adds the octets from csum_start
 * on. */
static bool checksum_complete(const struct esp_vnet *vnet, struct buffer frame)
{
    size_t start = vnet->csum_start, field = start + vnet->csum_offset;
    if (start < IPV4_HEADER_LEN || field + 2 > frame.len)
        return false;
    uint16_t sum = (uint16_t)~checksum_fold(checksum_add(0, frame.ptr + start, frame.len - start));
    /* 0 means "none" in UDP; it and 0xffff are the same number */
    checksum_put(frame.ptr + field, sum == 0 ? 0xffff : sum);
    return true;
}

static enum esp_segment_plan fragment_begin(struct esp_segments *s, struct buffer frame,
                                            const struct esp_inner *inner, size_t inner_max)
{
    size_t header = (frame.ptr[0] & 15u) * 4u;
    /* options must be copied selectively, so the sender has to fragment such packets */
    if (inner->dont_fragment || header != IPV4_HEADER_LEN || inner_max < header + 8)
        return ESP_SEGMENT_TOO_BIG;
    s->split = ESP_SPLIT_FRAGMENT;
    s->header_len = header;
    s->payload_len = frame.len - header;
    s->chunk = (inner_max - header) / 8 * 8;
    s->count = (uint32_t)((s->payload_len + s->chunk - 1) / s->chunk);
    return ESP_SEGMENT_OK;
}

static enum esp_segment_plan plain_begin(struct esp_segments *s, const struct esp_vnet *vnet,
                                         struct buffer frame, const struct esp_inner *inner,
                                         size_t inner_max)
{
    if (frame.len > inner_max && (inner->dont_fragment || inner->version == 6))
        return ESP_SEGMENT_TOO_BIG;
    if ((vnet->flags & ESP_VNET_NEEDS_CSUM) != 0 && !checksum_complete(vnet, frame))
        return ESP_SEGMENT_INVALID;
    if (frame.len > inner_max)
        return fragment_begin(s, frame, inner, inner_max);
    s->split = ESP_SPLIT_NONE;
    s->payload_len = frame.len;
    s->chunk = frame.len;
    s->count = 1;
    return ESP_SEGMENT_OK;
}

/* l4_header_len - of the transport header; 0: it does not fit gso_type. */
static size_t l4_header_len(struct span frame, const struct esp_inner *inner, uint8_t gso_type)
{
    size_t left = frame.len - inner->l4_offset;
    if (inner->fragment || !inner->has_ports)
        return 0;
    if (gso_type == ESP_VNET_GSO_UDP_L4)
        return inner->protocol == ESP_PROTO_UDP ? UDP_HEADER_LEN : 0;
    if (inner->protocol != ESP_PROTO_TCP ||
        inner->version != (gso_type == ESP_VNET_GSO_TCPV4 ? 4 : 6) ||
        (gso_type != ESP_VNET_GSO_TCPV4 && gso_type != ESP_VNET_GSO_TCPV6))
        return 0;
    size_t len = (frame.ptr[inner->l4_offset + 12] >> 4) * 4u;
    return len >= TCP_HEADER_MIN && len <= left ? len : 0;
}

uint16_t esp_segment_len(const struct esp_vnet *vnet, struct span frame,
                         const struct esp_inner *inner)
{
    uint8_t gso_type = vnet->gso_type & (uint8_t)~ESP_VNET_GSO_ECN;
    if (gso_type == ESP_VNET_GSO_NONE)
        return inner->total_len;
    size_t len = inner->l4_offset + l4_header_len(frame, inner, gso_type) + vnet->gso_size;
    return len < inner->total_len ? (uint16_t)len : inner->total_len;
}

/* fixed_sum - the part of the transport checksum that all segments share. Header fields that differ
 * are added per segment, so they count as zero here. */
static uint64_t fixed_sum(const struct esp_segments *s)
{
    uint8_t header[60];
    size_t len = s->header_len - s->l4_offset;
    bool tcp = s->split == ESP_SPLIT_TCP;
    memcpy(header, s->frame + s->l4_offset, len);
    if (tcp) {
        memset(header + 4, 0, 4);  /* sequence number */
        header[13] = 0;            /* flags */
        memset(header + 16, 0, 2); /* checksum */
    } else {
        memset(header + 4, 0, 4); /* length, checksum */
    }
    return checksum_add(checksum_pseudo(s->frame, tcp ? ESP_PROTO_TCP : ESP_PROTO_UDP, 0), header,
                        len);
}

enum esp_segment_plan esp_segments_begin(struct esp_segments *s, const struct esp_vnet *vnet,
                                         struct buffer frame, const struct esp_inner *inner,
                                         size_t inner_max)
{
    memset(s, 0, sizeof(*s));
    s->frame = frame.ptr;
    s->l4_offset = inner->l4_offset;
    if (inner->total_len != frame.len)
        return ESP_SEGMENT_INVALID;
    uint8_t gso_type = vnet->gso_type & (uint8_t)~ESP_VNET_GSO_ECN;
    if (gso_type == ESP_VNET_GSO_NONE)
        return plain_begin(s, vnet, frame, inner, inner_max);
    size_t l4_len = l4_header_len(span_of(frame.ptr, frame.len), inner, gso_type);
    if (l4_len == 0 || vnet->gso_size == 0)
        return ESP_SEGMENT_INVALID;
    s->split = gso_type == ESP_VNET_GSO_UDP_L4 ? ESP_SPLIT_UDP : ESP_SPLIT_TCP;
    s->header_len = inner->l4_offset + l4_len;
    s->payload_len = frame.len - s->header_len;
    s->chunk = vnet->gso_size;
    if (s->payload_len == 0)
        return ESP_SEGMENT_INVALID;
    if (s->header_len + s->chunk > inner_max && s->payload_len + s->header_len > inner_max) {
        if (s->split == ESP_SPLIT_UDP || inner_max <= s->header_len)
            return ESP_SEGMENT_TOO_BIG;
        s->chunk = inner_max - s->header_len;
    }
    s->count = (uint32_t)((s->payload_len + s->chunk - 1) / s->chunk);
    s->fixed_sum = fixed_sum(s);
    return ESP_SEGMENT_OK;
}

static size_t next_payload(const struct esp_segments *s)
{
    size_t left = s->payload_len - s->done;
    return left < s->chunk ? left : s->chunk;
}

size_t esp_segments_next_len(const struct esp_segments *s)
{
    return s->index == s->count ? 0 : s->header_len + next_payload(s);
}

/* ip_patch - length, and for IPv4 identification and checksum, of the packet at `out`. */
static void ip_patch(const struct esp_segments *s, uint8_t *out, size_t len)
{
    if (out[0] >> 4 == 6) {
        field_put_u16(out + 4, len - IPV6_HEADER_LEN);
        return;
    }
    field_put_u16(out + 2, len);
    if (s->split != ESP_SPLIT_FRAGMENT)
        field_put_u16(out + 4, field_u16(out + 4) + s->index);
    checksum_ipv4_header(out);
}

static void tcp_patch(const struct esp_segments *s, uint8_t *tcp, bool last)
{
    field_put_u32(tcp + 4, field_u32(tcp + 4) + (uint32_t)s->done);
    if (!last)
        tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    if (s->index != 0)
        tcp[13] &= (uint8_t)~TCP_CWR; /* RFC 3168: only the first packet of the window */
}

/* l4_patch - writes the header fields that differ between segments, and the checksum. `sum`: of the
 * payload. */
static void l4_patch(const struct esp_segments *s, uint8_t *out, size_t payload, uint64_t sum)
{
    uint8_t *l4 = out + s->l4_offset;
    size_t l4_len = s->header_len - s->l4_offset + payload;
    uint8_t varying[8] = {0};
    uint8_t *field;
    if (s->split == ESP_SPLIT_TCP) {
        tcp_patch(s, l4, s->done + payload == s->payload_len);
        memcpy(varying, l4 + 4, 4);
        varying[5] = l4[13];
        field = l4 + 16;
    } else {
        field_put_u16(l4 + 4, l4_len);
        memcpy(varying, l4 + 4, 2);
        field = l4 + 6;
    }
    field_put_u16(varying + 6, l4_len); /* of the pseudo-header */
    uint64_t total = checksum_add(0, varying, sizeof(varying)) + checksum_fold(sum) +
                     checksum_fold(s->fixed_sum);
    uint16_t checksum = (uint16_t)~checksum_fold(total);
    /* RFC 768: 0 would say "no checksum"; for TCP both are right */
    checksum_put(field, checksum == 0 && s->split == ESP_SPLIT_UDP ? 0xffff : checksum);
}

static void fragment_patch(const struct esp_segments *s, uint8_t *out, bool last)
{
    uint16_t was = field_u16(s->frame + 6);
    bool more = !last || (was & 0x2000) != 0;
    field_put_u16(out + 6, (was & 0x1fffu) + s->done / 8u + (more ? 0x2000u : 0u));
}

size_t esp_segments_next(struct esp_segments *s, uint8_t *out)
{
    if (s->index == s->count)
        return 0;
    size_t payload = next_payload(s), len = s->header_len + payload;
    memcpy(out, s->frame, s->header_len);
    const uint8_t *from = s->frame + s->header_len + s->done;
    if (s->split == ESP_SPLIT_TCP || s->split == ESP_SPLIT_UDP) {
        uint64_t sum = checksum_copy(0, out + s->header_len, from, payload);
        ip_patch(s, out, len);
        l4_patch(s, out, payload, sum);
    } else {
        memcpy(out + s->header_len, from, payload);
        if (s->split == ESP_SPLIT_FRAGMENT) {
            fragment_patch(s, out, s->done + payload == s->payload_len);
            ip_patch(s, out, len);
        }
    }
    s->done += payload;
    s->index++;
    return len;
}
