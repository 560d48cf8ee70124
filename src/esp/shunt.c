/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/shunt.h"

#include <stdlib.h>
#include <string.h>

#include "esp/selector.h"

/* common_bits - the length of the prefix that covers the range. */
static uint32_t common_bits(const struct address_range *range)
{
    size_t len = address_len(&range->first);
    for (size_t i = 0; i < len; i++) {
        unsigned differ = (unsigned)(range->first.octets[i] ^ range->last.octets[i]);
        if (differ != 0)
            return (uint32_t)(i * 8) + (uint32_t)__builtin_clz(differ) - 24;
    }
    return (uint32_t)(len * 8);
}

static uint32_t port_bits(const struct esp_ts *ts)
{
    uint32_t bits = 16;
    for (unsigned differ = ts->start_port ^ ts->end_port; differ != 0; differ >>= 1)
        bits--;
    return bits;
}

uint32_t esp_shunt_rank(uint32_t base, const struct esp_ts *local, const struct esp_ts *remote)
{
    uint32_t bits = common_bits(&local->range) + common_bits(&remote->range);
    uint32_t limited = local->protocol != 0 || remote->protocol != 0;
    return base - bits * 256 - limited * 64 - port_bits(local) - port_bits(remote);
}

static int by_rank(const void *left, const void *right)
{
    const struct esp_shunt *a = left, *b = right;
    return a->rank < b->rank ? -1 : a->rank > b->rank;
}

struct esp_shunts *esp_shunts_new(const struct esp_shunt *shunts, size_t n)
{
    struct esp_shunts *copy = calloc(1, sizeof(*copy) + n * sizeof(shunts[0]));
    if (copy == NULL)
        return NULL;
    copy->n = n;
    if (n > 0) {
        memcpy(copy->shunts, shunts, n * sizeof(shunts[0]));
        qsort(copy->shunts, n, sizeof(copy->shunts[0]), by_rank);
    }
    return copy;
}

const struct esp_shunt *esp_shunts_out(const struct esp_shunts *shunts,
                                       const struct esp_inner *inner, uint32_t rank)
{
    for (size_t i = 0; shunts != NULL && i < shunts->n && shunts->shunts[i].rank < rank; i++) {
        const struct esp_shunt *shunt = &shunts->shunts[i];
        if (esp_ts_match(&shunt->remote, &inner->dst, inner, inner->dst_port) &&
            esp_ts_match(&shunt->local, &inner->src, inner, inner->src_port))
            return shunt;
    }
    return NULL;
}

/* A pass policy of a lower rank matches too: the packet was protected although it need not be. */
const struct esp_shunt *esp_shunts_in(const struct esp_shunts *shunts,
                                      const struct esp_inner *inner, uint32_t rank)
{
    for (size_t i = 0; shunts != NULL && i < shunts->n && shunts->shunts[i].rank < rank; i++) {
        const struct esp_shunt *shunt = &shunts->shunts[i];
        if (esp_ts_match(&shunt->remote, &inner->src, inner, inner->src_port) &&
            esp_ts_match(&shunt->local, &inner->dst, inner, inner->dst_port))
            return shunt->pass ? NULL : shunt;
    }
    return NULL;
}
