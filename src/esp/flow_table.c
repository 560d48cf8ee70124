/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/flow_table.h"

#include <stdlib.h>

#include "base/assert.h"

#define BUCKETS      8192 /* a power of two: 64 Ki flows in 512 KiB */
#define WAYS         8    /* one cache line */
#define FLOW_AGE_MAX 300  /* seconds; NATs and firewalls forget UDP flows sooner */
#define FLOW_RECENT  5    /* seconds; a sender that acknowledges sends sooner */

/* entry: hash 32 | tag 16 | second 16; 0: free */
struct flow_table {
    _Alignas(64) _Atomic uint64_t entries[BUCKETS][WAYS];
};

struct flow_table *flow_table_new(void)
{
    struct flow_table *table = aligned_alloc(64, sizeof(*table));
    if (table != NULL)
        memset(table, 0, sizeof(*table));
    return table;
}

struct flow_table *flow_table_free(struct flow_table *table)
{
    free(table);
    return NULL;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t esp_flow_hash(uint64_t key, const struct esp_inner *inner, bool reversed)
{
    const struct address *from = reversed ? &inner->dst : &inner->src;
    const struct address *to = reversed ? &inner->src : &inner->dst;
    uint64_t words[5];
    memcpy(words, from->octets, 16);
    memcpy(words + 2, to->octets, 16);
    bool icmp = inner->protocol == ESP_PROTO_ICMP || inner->protocol == ESP_PROTO_ICMPV6;
    uint16_t a = reversed ? inner->dst_port : inner->src_port;
    uint16_t b = reversed ? inner->src_port : inner->dst_port;
    /* request and answer of ICMP have different types */
    words[4] = (uint64_t)inner->device << 40 | (uint64_t)inner->protocol << 32 |
               (icmp ? 0 : (uint64_t)a << 16 | b);
    uint64_t hash = key;
    for (unsigned i = 0; i < 5; i++)
        hash = mix(hash ^ words[i] ^ 0x9e3779b97f4a7c15u, key ^ 0xd6e8feb86659fd93u) + words[i];
    return mix(hash, key | 1);
}

static const _Atomic uint64_t *bucket_of(const struct flow_table *table, uint64_t hash)
{
    return table->entries[(hash >> 32) % BUCKETS];
}

static uint16_t second_of(nanos now)
{
    return (uint16_t)(now / NANOS_PER_SEC);
}

void flow_table_learn(struct flow_table *table, uint64_t hash, uint16_t tag, nanos now)
{
    ASSERT(tag != 0);
    _Atomic uint64_t *bucket = table->entries[(hash >> 32) % BUCKETS];
    uint16_t second = second_of(now);
    uint64_t fresh = hash << 32 | (uint64_t)tag << 16 | second;
    unsigned oldest = 0, oldest_age = 0;
    for (unsigned i = 0; i < WAYS; i++) {
        uint64_t entry = atomic_load_explicit(&bucket[i], memory_order_relaxed);
        if (entry != 0 && entry >> 32 == (uint32_t)hash) {
            if (entry != fresh)
                atomic_store_explicit(&bucket[i], fresh, memory_order_relaxed);
            return;
        }
        unsigned age = entry == 0 ? UINT16_MAX + 1u : (uint16_t)(second - (uint16_t)entry);
        if (age >= oldest_age) {
            oldest = i;
            oldest_age = age;
        }
    }
    atomic_store_explicit(&bucket[oldest], fresh, memory_order_relaxed);
}

struct flow_origin flow_table_find(const struct flow_table *table, uint64_t hash, nanos now)
{
    const _Atomic uint64_t *bucket = bucket_of(table, hash);
    for (unsigned i = 0; i < WAYS; i++) {
        uint64_t entry = atomic_load_explicit(&bucket[i], memory_order_relaxed);
        if (entry == 0 || entry >> 32 != (uint32_t)hash)
            continue;
        uint16_t age = (uint16_t)(second_of(now) - (uint16_t)entry);
        return (struct flow_origin){.tag = age <= FLOW_AGE_MAX ? (uint16_t)(entry >> 16) : 0,
                                    .recent = age <= FLOW_RECENT};
    }
    return (struct flow_origin){0};
}
