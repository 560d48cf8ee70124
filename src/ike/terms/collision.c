/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/terms/collision.h"

#include "base/assert.h"

void nonce_pair_set(struct nonce_pair *pair, struct span ni, struct span nr)
{
    ASSERT(ni.len > 0 && ni.len <= sizeof(pair->ni) && nr.len > 0 && nr.len <= sizeof(pair->nr));
    pair->n_ni = (uint16_t)ni.len;
    pair->n_nr = (uint16_t)nr.len;
    memcpy(pair->ni, ni.ptr, ni.len);
    memcpy(pair->nr, nr.ptr, nr.len);
}

bool nonce_lower(struct span a, struct span b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);
    return order != 0 ? order < 0 : a.len < b.len;
}

static struct span lower_of(struct span a, struct span b)
{
    return nonce_lower(b, a) ? b : a;
}

void crossing_set(struct crossing *theirs, uint32_t object, struct span ni, struct span nr)
{
    struct span low = lower_of(ni, nr);
    ASSERT(object != 0 && low.len > 0 && low.len <= sizeof(theirs->low));
    theirs->object = object;
    theirs->n_low = (uint16_t)low.len;
    memcpy(theirs->low, low.ptr, low.len);
}

bool crossing_ours_redundant(const struct crossing *theirs, struct span ni, struct span nr)
{
    ASSERT(theirs->object != 0);
    return nonce_lower(lower_of(ni, nr), span_of(theirs->low, theirs->n_low));
}
