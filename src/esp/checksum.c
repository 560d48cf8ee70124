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

static inline uint64_t load32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, 4);
    return value;
}

static inline uint64_t load16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, 2);
    return value;
}

/* tail_add - adds fewer than 8 octets. The octet behind an odd last one counts as zero. */
static inline uint64_t tail_add(uint64_t sum, const uint8_t *at, size_t len)
{
    uint64_t value = 0;
    if ((len & 4) != 0) {
        value += load32(at);
        at += 4;
    }
    if ((len & 2) != 0) {
        value += load16(at);
        at += 2;
    }
    if ((len & 1) != 0)
        value += load16((const uint8_t[2]){at[0], 0});
    return add_carry(sum, value);
}

/* short_add - for parts that are too short for vectors. The compiler unrolls it for a constant length. */
static inline uint64_t short_add(uint64_t sum, const uint8_t *at, size_t len)
{
    for (; len >= 8; at += 8, len -= 8)
        sum = add_carry(sum, load64(at));
    return tail_add(sum, at, len);
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
    if (len >= 64) {
        sum = add_carry(sum, blocks_add_any(at, len / 64));
        at += len / 64 * 64;
        len %= 64;
    }
    return short_add(sum, at, len);
}

uint64_t checksum_copy(uint64_t sum, void *to, const void *from, size_t len)
{
    memcpy(to, from, len);
    return checksum_add(sum, to, len);
}

uint64_t checksum_pseudo(const uint8_t *packet, uint8_t protocol, size_t l4_len)
{
    bool ipv4 = packet[0] >> 4 == 4;
    uint64_t sum = ipv4 ? short_add(0, packet + 12, 8) : short_add(0, packet + 8, 32);
    sum = add_carry(sum, htonl((uint32_t)l4_len));
    return add_carry(sum, htons(protocol));
}

/* header_add - the sum of an IPv4 header, which seldom has options. */
static inline uint64_t header_add(const uint8_t *packet)
{
    size_t len = (packet[0] & 15u) * 4u;
    return len == 20 ? short_add(0, packet, 20) : short_add(0, packet, len);
}

bool checksum_ipv4_header_ok(const uint8_t *packet)
{
    return checksum_fold(header_add(packet)) == 0xffff;
}

void checksum_ipv4_header(uint8_t *packet)
{
    memset(packet + 10, 0, 2);
    checksum_put(packet + 10, (uint16_t)~checksum_fold(header_add(packet)));
}
