/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/collision.h"

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

static struct span lowest_of(const struct nonce_pair *pair)
{
    struct span ni = span_of(pair->ni, pair->n_ni), nr = span_of(pair->nr, pair->n_nr);
    return nonce_lower(nr, ni) ? nr : ni;
}

bool collision_ours_loses(const struct nonce_pair *ours, const struct nonce_pair *theirs)
{
    ASSERT(ours->n_ni > 0 && theirs->n_ni > 0);
    return nonce_lower(lowest_of(ours), lowest_of(theirs));
}
