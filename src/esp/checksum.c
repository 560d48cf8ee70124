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

typedef uint64_t words4 __attribute__((vector_size(32)));

/*
 * blocks_add - adds whole blocks of 64 octets. It sums the halves of the words apart: without a
 * carry chain the compiler uses vector registers. 2^31 blocks cannot overflow.
 */
static inline __attribute__((always_inline)) uint64_t blocks_add(const uint8_t *at, size_t blocks)
{
    words4 high[2] = {{0}}, low[2] = {{0}};
    for (; blocks > 0; at += 64, blocks--)
        for (unsigned i = 0; i < 2; i++) {
            words4 words;
            memcpy(&words, at + 32 * i, sizeof(words));
            high[i] += words >> 32;
            low[i] += words & 0xffffffff;
        }
    words4 sums = high[0] + low[0] + high[1] + low[1];
    return add_carry(add_carry(sums[0], sums[1]), add_carry(sums[2], sums[3]));
}

#ifdef __x86_64__
static __attribute__((target("avx2"))) uint64_t blocks_add_avx2(const uint8_t *at, size_t blocks)
{
    return blocks_add(at, blocks);
}
#endif

static uint64_t blocks_add_any(const uint8_t *at, size_t blocks)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2"))
        return blocks_add_avx2(at, blocks);
#endif
    return blocks_add(at, blocks);
}

uint64_t checksum_add(uint64_t sum, const void *octets, size_t len)
{
    const uint8_t *at = octets;
    size_t blocks = len / 64;
    if (blocks > 0)
        sum = add_carry(sum, blocks_add_any(at, blocks));
    at += blocks * 64;
    len -= blocks * 64;
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
