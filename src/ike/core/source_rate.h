/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_SOURCE_RATE_H
#define IKE_SOURCE_RATE_H

/*
 * How often we answer a source whose address is unproven. Each source, an IPv4 address or IPv6 /64,
 * has a rate. Its IPv4 /24 or IPv6 /48 has SOURCE_RATE_WIDER times that rate. A keyed hash picks
 * the slot of a source: sources in one slot share its rate, and a source cannot choose its slot.
 * All sources together have SOURCE_RATE_SLOTS times one rate.
 */

#include "base/address.h"
#include "base/error.h"
#include "base/siphash.h"
#include "base/time.h"

#define SOURCE_RATE_SLOTS 1024
#define SOURCE_RATE_WIDER 4

struct source_rate {
    nanos narrow[SOURCE_RATE_SLOTS], wide[SOURCE_RATE_SLOTS]; /* rate_take */
};

/* source_rate_take - takes one of `per_second` answers, which may also leave at once. false: the
 * rate is used up. */
bool source_rate_take(struct source_rate *rate, const uint8_t key[SIPHASH_KEY_LEN],
                      const struct address *source, unsigned per_second, nanos now) MUST_USE;

#endif
