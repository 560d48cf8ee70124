/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_INNER_H
#define ESP_INNER_H

/* The inner packet: the fields of its IPv4 or IPv6 header, and the place of the transport header. */

#include "base/address.h"

#define IPV4_HEADER_LEN 20
#define IPV6_HEADER_LEN 40

/* protocol numbers (IANA) that the data plane knows by name */
enum esp_protocol {
    ESP_PROTO_HOPOPTS = 0,
    ESP_PROTO_ICMP = 1,
    ESP_PROTO_IPV4 = 4, /* next header of tunnel mode, RFC 4303 section 2.6 */
    ESP_PROTO_TCP = 6,
    ESP_PROTO_UDP = 17,
    ESP_PROTO_IPV6 = 41,
    ESP_PROTO_ROUTING = 43,
    ESP_PROTO_FRAGMENT = 44,
    ESP_PROTO_ICMPV6 = 58,
    ESP_PROTO_NONE = 59, /* dummy packet, RFC 4303 section 2.6 */
    ESP_PROTO_DSTOPTS = 60,
};

struct esp_inner {
    struct address src, dst;
    uint16_t src_port, dst_port; /* host order, 0 without has_ports; ICMP: both type * 256 + code */
    uint16_t total_len;          /* as the header says: at most the length of the packet */
    /* octets of each packet, where the kernel joined several to one frame; parsing: total_len */
    uint16_t segment_len;
    uint16_t l4_offset; /* octets of headers before the transport header */
    uint16_t device;    /* the TUN device that it comes from or goes to; parsing: 0 */
    uint8_t version;    /* 4 or 6 */
    uint8_t protocol;   /* of the transport header, behind IPv6 extension headers */
    uint8_t tos;        /* TOS or traffic class */
    uint8_t ttl;
    bool has_ports;     /* the transport header is complete and has ports */
    bool fragment;      /* a fragment, the first one included */
    bool dont_fragment; /* IPv4 DF; always true for IPv6 */
};

/*
 * esp_inner_parse - false: the packet must not pass. Its version, header length or total length is
 * wrong, it is a jumbogram, it has more than 8 extension headers, or its transport header is cut
 * off. Octets behind total_len are padding (TFC, RFC 4303 section 2.7) and are ignored.
 */
bool esp_inner_parse(struct span packet, struct esp_inner *ret_inner);

/* esp_inner_ipv4_checksum_ok - the checksum of the IPv4 header; true for IPv6. */
bool esp_inner_ipv4_checksum_ok(const uint8_t *packet);

#endif
