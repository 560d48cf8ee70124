/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/source_rate.h"

#include "base/rate.h"

static size_t slot_of(const uint8_t key[SIPHASH_KEY_LEN], const struct address *source, bool wide)
{
    uint8_t octets[10] = {source->family, wide};
    size_t len = source->family == ADDRESS_V6 ? (wide ? 6 : 8) : (wide ? 3 : 4);
    memcpy(octets + 2, source->octets, len);
    return siphash(key, span_of(octets, 2 + len)) % SOURCE_RATE_SLOTS;
}

bool source_rate_take(struct source_rate *rate, const uint8_t key[SIPHASH_KEY_LEN],
                      const struct address *source, unsigned per_second, nanos now)
{
    /* The narrow rate comes first: a source above its own rate uses nothing of its neighbours'
     * rate. */
    return rate_second(&rate->narrow[slot_of(key, source, false)], per_second, now) &&
           rate_second(&rate->wide[slot_of(key, source, true)], SOURCE_RATE_WIDER * per_second,
                       now);
}
