/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_SEGMENT_H
#define ESP_SEGMENT_H

/*
 * Cuts a frame of the TUN device into packets that fit the path. The frame is a TSO or USO
 * super-packet, a packet with a partial checksum, or a plain packet.
 */

#include "esp/inner_packet.h"

/* struct esp_vnet - the header before each frame of the TUN device: struct virtio_net_hdr, in the
 * byte order of the machine. */
struct esp_vnet {
    uint8_t flags;
    uint8_t gso_type;
    uint16_t hdr_len;
    uint16_t gso_size;
    uint16_t csum_start, csum_offset;
};

#define ESP_VNET_NEEDS_CSUM 1 /* flags */
#define ESP_VNET_GSO_NONE   0 /* gso_type */
#define ESP_VNET_GSO_TCPV4  1
#define ESP_VNET_GSO_TCPV6  4
#define ESP_VNET_GSO_UDP_L4 5
#define ESP_VNET_GSO_ECN    0x80

enum esp_segment_plan {
    ESP_SEGMENT_OK,
    ESP_SEGMENT_INVALID, /* the frame and its header contradict each other: drop */
    ESP_SEGMENT_TOO_BIG, /* larger than `inner_max`, and must not be fragmented: answer with ICMP */
};

/* struct esp_segments - walks over the packets of a frame. */
struct esp_segments {
    const uint8_t *frame; /* borrowed */
    size_t header_len;    /* octets repeated in front of each packet */
    size_t payload_len;   /* behind them */
    size_t chunk;         /* payload of all packets but the last */
    size_t done;          /* payload handed out */
    uint32_t index;
    uint32_t count; /* packets altogether */
    enum { ESP_SPLIT_NONE, ESP_SPLIT_TCP, ESP_SPLIT_UDP, ESP_SPLIT_FRAGMENT } split;
    uint16_t l4_offset;
    uint64_t fixed_sum; /* sum of the fields that all segments share */
};

/*
 * esp_segments_begin - `frame` is completed in place if its checksum is partial and it is not
 * split. TCP super-packets are cut at gso_size or at the path's maximum, whichever is less. IPv4
 * packets that are too large are fragmented if they may be (RFC 791 section 2.3).
 */
enum esp_segment_plan esp_segments_begin(struct esp_segments *segments, const struct esp_vnet *vnet,
                                         struct buffer frame, const struct esp_inner *inner,
                                         size_t inner_max);

/* esp_segment_len - octets of each packet of the frame, before esp_segments_begin. As the header of the
 * frame says: at most inner->total_len. */
uint16_t esp_segment_len(const struct esp_vnet *vnet, struct span frame,
                         const struct esp_inner *inner);

/* esp_segments_next_len - octets of the packet that esp_segments_next writes next; 0: no more. */
size_t esp_segments_next_len(const struct esp_segments *segments);

/* esp_segments_next - writes it to `out`. Returns its length; 0: no more. */
size_t esp_segments_next(struct esp_segments *segments, uint8_t *out);

#endif
