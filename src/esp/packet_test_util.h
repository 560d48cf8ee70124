/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PACKET_TEST_UTIL_H
#define ESP_PACKET_TEST_UTIL_H

/* Packets for the tests, and a checksum in the plainest way, to check the fast one against. */

#include "base/address.h"

struct test_packet {
    bool v6;
    uint8_t protocol, tos, flags; /* flags: of TCP */
    bool dont_fragment;
    uint16_t identification, src_port, dst_port;
    uint32_t sequence;
    size_t options; /* octets of TCP options */
    size_t payload;
    uint8_t fill; /* payload octet i is fill + i */
};

static inline uint16_t naive_sum(const uint8_t *at, size_t len, uint32_t sum)
{
    for (size_t i = 0; i < len; i++)
        sum += i % 2 == 0 ? (uint32_t)at[i] << 8 : at[i];
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static inline void test_put16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline uint16_t test_get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline size_t test_header_len(const uint8_t *packet)
{
    return packet[0] >> 4 == 4 ? (packet[0] & 15u) * 4u : 40u;
}

/* naive_l4_sum - 0xffff when the transport checksum of a TCP or UDP packet is right. */
static inline uint16_t naive_l4_sum(const uint8_t *packet, size_t len)
{
    bool v4 = packet[0] >> 4 == 4;
    size_t header = test_header_len(packet);
    uint32_t sum = naive_sum(packet + (v4 ? 12 : 8), v4 ? 8 : 32, 0);
    sum += (uint32_t)(len - header) + packet[v4 ? 9 : 6];
    return naive_sum(packet + header, len - header, sum);
}

static inline size_t test_ip_write(uint8_t *out, const struct test_packet *p, size_t l4_len)
{
    memset(out, 0, 40);
    if (p->v6) {
        out[0] = (uint8_t)(0x60 | p->tos >> 4);
        out[1] = (uint8_t)(p->tos << 4);
        test_put16(out + 4, l4_len);
        out[6] = p->protocol;
        out[7] = 64;
        out[8] = out[24] = 0xfd;
        out[23] = 1;
        out[39] = 2;
        return 40;
    }
    out[0] = 0x45;
    out[1] = p->tos;
    test_put16(out + 2, 20 + l4_len);
    test_put16(out + 4, p->identification);
    out[6] = p->dont_fragment ? 0x40 : 0;
    out[8] = 64;
    out[9] = p->protocol;
    memcpy(out + 12, "\x0a\x08\x00\x01\x0a\x08\x00\x02", 8);
    test_put16(out + 10, (uint16_t)~naive_sum(out, 20, 0));
    return 20;
}

/* test_packet_write - a TCP (6) or UDP (17) packet with right checksums, from 10.8.0.1 or fd00::1
 * to 10.8.0.2 or fd00::2. Returns its length. */
static inline size_t test_packet_write(uint8_t *out, const struct test_packet *p)
{
    bool tcp = p->protocol == 6;
    size_t l4_header = tcp ? 20 + p->options : 8;
    size_t ip = test_ip_write(out, p, l4_header + p->payload);
    uint8_t *l4 = out + ip;
    memset(l4, 0, l4_header);
    test_put16(l4, p->src_port);
    test_put16(l4 + 2, p->dst_port);
    if (tcp) {
        test_put16(l4 + 4, p->sequence >> 16);
        test_put16(l4 + 6, p->sequence & 0xffff);
        l4[12] = (uint8_t)(l4_header / 4 << 4);
        l4[13] = p->flags;
        test_put16(l4 + 14, 1000);
        memset(l4 + 20, 1, p->options);
    } else {
        test_put16(l4 + 4, l4_header + p->payload);
    }
    for (size_t i = 0; i < p->payload; i++)
        l4[l4_header + i] = (uint8_t)(p->fill + i);
    size_t len = ip + l4_header + p->payload;
    test_put16(l4 + (tcp ? 16 : 6), (uint16_t)~naive_l4_sum(out, len));
    return len;
}

#endif
