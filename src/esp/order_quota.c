/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/order_quota.h"

bool order_quota_take(struct order_quota *quota, struct order_share *share)
{
    bool first = atomic_fetch_add(&share->used, 1) == 0;
    if (atomic_fetch_add(&quota->used, 1) < (first ? quota->most : quota->most / 2))
        return true;
    order_quota_give(quota, share);
    return false;
}

void order_quota_give(struct order_quota *quota, struct order_share *share)
{
    atomic_fetch_sub(&quota->used, 1);
    atomic_fetch_sub(&share->used, 1);
}
