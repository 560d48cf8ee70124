/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/coalesce.h"

#include "esp/checksum.h"
#include "esp/field.h"

#define UDP_HEADER_LEN 8
#define TCP_HEADER_MIN 20
#define TCP_PSH        0x08
#define TCP_ACK        0x10
/* number of open frames that a packet is compared with, the newest first */
#define FRAMES_LOOKED 8

void esp_coalesce_reset(struct esp_coalesce *c)
{
    c->n = 0;
}

/* growable - the packet may become part of a super-packet. Fills in header_len and chunk. */
static bool growable(const struct esp_coalesce *c, struct esp_frame *f)
{
    const struct esp_inner *inner = &f->inner;
    size_t plain = inner->version == 4 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN;
    if (!inner->has_ports || inner->fragment || inner->l4_offset != plain)
        return false;
    const uint8_t *l4 = f->packet + plain;
    if (inner->protocol == ESP_PROTO_TCP) {
        size_t len = (l4[12] >> 4) * 4u;
        if (len < TCP_HEADER_MIN || plain + len >= inner->total_len)
            return false;
        f->header_len = plain + len;
        f->next_sequence = field_u32(l4 + 4) + (uint32_t)(inner->total_len - f->header_len);
        f->chunk = inner->total_len - f->header_len;
        return (l4[13] & ~TCP_PSH) == TCP_ACK;
    }
    if (inner->protocol != ESP_PROTO_UDP || !c->uso || field_u16(l4 + 6) == 0)
        return false;
    f->header_len = plain + UDP_HEADER_LEN;
    f->chunk = inner->total_len - f->header_len;
    return f->chunk > 0 && field_u16(l4 + 4) == inner->total_len - plain;
}

static bool same_flow(const struct esp_inner *a, const struct esp_inner *b)
{
    return a->device == b->device && a->protocol == b->protocol && a->src_port == b->src_port &&
           a->dst_port == b->dst_port && address_equal(&a->src, &b->src) &&
           address_equal(&a->dst, &b->dst);
}

static bool l4_checksum_ok(const struct esp_frame *f)
{
    size_t len = f->inner.total_len - f->inner.l4_offset;
    uint64_t sum = checksum_pseudo(f->packet, f->inner.protocol, len);
    return checksum_fold(checksum_add(sum, f->packet + f->inner.l4_offset, len)) == 0xffff;
}

/* headers_agree - the headers are equal except for lengths, identification, checksums, and TCP
 * sequence, PSH and window. */
static bool headers_agree(const struct esp_frame *a, const struct esp_frame *b)
{
    const uint8_t *x = a->packet, *y = b->packet;
    if (a->header_len != b->header_len || a->inner.tos != b->inner.tos ||
        a->inner.ttl != b->inner.ttl || a->inner.dont_fragment != b->inner.dont_fragment)
        return false;
    if (a->inner.version == 6 && memcmp(x, y, 4) != 0)
        return false;
    if (a->inner.protocol != ESP_PROTO_TCP)
        return true;
    x += a->inner.l4_offset;
    y += a->inner.l4_offset;
    size_t options = a->header_len - a->inner.l4_offset - TCP_HEADER_MIN;
    return memcmp(x + 8, y + 8, 4) == 0 && x[12] == y[12] &&
           memcmp(x + TCP_HEADER_MIN, y + TCP_HEADER_MIN, options) == 0;
}

/* append - adds `f` to the frame `to`. false: it does not fit. */
static bool append(struct esp_frame *to, struct esp_frame *f)
{
    bool tcp = f->inner.protocol == ESP_PROTO_TCP;
    if (!to->open || to->parts == ESP_FRAME_PARTS || f->chunk > to->chunk ||
        to->total_len + f->chunk > UINT16_MAX || !headers_agree(to, f))
        return false;
    if (tcp && field_u32(f->packet + f->inner.l4_offset + 4) != to->next_sequence)
        return false;
    /* our checksum would hide the damage of the packet */
    if (!to->verified && !l4_checksum_ok(to))
        return false;
    to->verified = true;
    if (!l4_checksum_ok(f))
        return false;
    to->parts++;
    to->iov[to->parts] = (struct iovec){f->packet + f->header_len, f->chunk};
    to->total_len += f->chunk;
    to->next_sequence = f->next_sequence;
    uint8_t flags = tcp ? f->packet[f->inner.l4_offset + 13] & TCP_PSH : 0;
    if (flags != 0)
        to->packet[to->inner.l4_offset + 13] |= flags;
    to->open = f->chunk == to->chunk;
    return true;
}

bool esp_coalesce_add(struct esp_coalesce *c, uint8_t *packet, const struct esp_inner *inner)
{
    if (c->n == ESP_FRAMES)
        return false;
    struct esp_frame *f = &c->frames[c->n];
    f->packet = packet;
    f->inner = *inner;
    f->verified = false;
    f->parts = 1;
    f->total_len = inner->total_len;
    f->open = growable(c, f);
    if (inner->has_ports) {
        unsigned looked = 0;
        for (unsigned i = c->n; i > 0 && looked < FRAMES_LOOKED; i--, looked++) {
            struct esp_frame *to = &c->frames[i - 1];
            if (!same_flow(&to->inner, inner))
                continue;
            if (f->open && append(to, f))
                return true;
            to->open = false;
            break;
        }
    }
    f->iov[1] = (struct iovec){packet, inner->total_len};
    c->n++;
    return true;
}

static void lengths_patch(struct esp_frame *f)
{
    if (f->inner.version == 4) {
        field_put_u16(f->packet + 2, f->total_len);
        checksum_ipv4_header(f->packet);
    } else {
        field_put_u16(f->packet + 4, f->total_len - IPV6_HEADER_LEN);
    }
}

static void frame_finish(struct esp_frame *f)
{
    memset(&f->vnet, 0, sizeof(f->vnet));
    f->iov[0] = (struct iovec){&f->vnet, sizeof(f->vnet)};
    if (f->parts == 1)
        return;
    bool tcp = f->inner.protocol == ESP_PROTO_TCP;
    size_t l4 = f->inner.l4_offset;
    lengths_patch(f);
    if (!tcp)
        field_put_u16(f->packet + l4 + 4, f->total_len - l4);
    f->vnet.flags = ESP_VNET_NEEDS_CSUM;
    f->vnet.gso_type = !tcp                    ? ESP_VNET_GSO_UDP_L4
                       : f->inner.version == 4 ? ESP_VNET_GSO_TCPV4
                                               : ESP_VNET_GSO_TCPV6;
    f->vnet.hdr_len = (uint16_t)f->header_len;
    f->vnet.gso_size = (uint16_t)f->chunk;
    f->vnet.csum_start = (uint16_t)l4;
    f->vnet.csum_offset = tcp ? 16 : 6;
    uint64_t pseudo = checksum_pseudo(f->packet, f->inner.protocol, f->total_len - l4);
    checksum_put(f->packet + l4 + f->vnet.csum_offset, checksum_fold(pseudo));
}

void esp_coalesce_finish(struct esp_coalesce *c)
{
    for (unsigned i = 0; i < c->n; i++)
        frame_finish(&c->frames[i]);
}
