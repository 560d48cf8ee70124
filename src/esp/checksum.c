/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/checksum.h"

#include <arpa/inet.h>

/* add_carry - the one's complement sum of two 64-bit numbers. */
static inline uint64_t add_carry(uint64_t a, uint64_t b)
{
    uint64_t sum = a + b;
    return sum + (sum < b);
}

static inline uint64_t load64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, 8);
    return value;
}

/* tail - fewer than 8 octets as a number whose missing octets are zero. */
static inline uint64_t tail(const uint8_t *at, size_t len)
{
    uint64_t value = 0;
    memcpy(&value, at, len);
    return value;
}

uint64_t checksum_add(uint64_t sum, const void *octets, size_t len)
{
    const uint8_t *at = octets;
    /* the halves are summed apart: 32 octets a turn without a carry chain, so that the compiler can
     * use vector registers; 2^32 turns cannot overflow */
    uint64_t low[4] = {0}, high[4] = {0};
    for (; len >= 32; at += 32, len -= 32)
        for (unsigned i = 0; i < 4; i++) {
            uint64_t value = load64(at + 8 * i);
            low[i] += (uint32_t)value;
            high[i] += value >> 32;
        }
    for (unsigned i = 0; i < 4; i++)
        sum = add_carry(add_carry(sum, low[i]), high[i]);
    for (; len >= 8; at += 8, len -= 8)
        sum = add_carry(sum, load64(at));
    return add_carry(sum, tail(at, len));
}

uint64_t checksum_copy(uint64_t sum, void *to, const void *from, size_t len)
{
    memcpy(to, from, len);
    return checksum_add(sum, to, len);
}

uint16_t checksum_fold(uint64_t sum)
{
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t)sum;
}

uint64_t checksum_pseudo(const uint8_t *packet, uint8_t protocol, size_t l4_len)
{
    bool ipv4 = packet[0] >> 4 == 4;
    uint64_t sum = checksum_add(0, packet + (ipv4 ? 12 : 8), ipv4 ? 8 : 32);
    sum = add_carry(sum, htonl((uint32_t)l4_len));
    return add_carry(sum, htons(protocol));
}

void checksum_ipv4_header(uint8_t *packet)
{
    size_t len = (packet[0] & 15u) * 4u;
    memset(packet + 10, 0, 2);
    checksum_put(packet + 10, (uint16_t)~checksum_fold(checksum_add(0, packet, len)));
}
