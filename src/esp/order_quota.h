/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_ORDER_QUOTA_H
#define ESP_ORDER_QUOTA_H

/*
 * How many order spaces have state at once. A peer with a valid login can have one for each Child SA, so one half of
 * the places is for first spaces of sessions: a session with many spaces leaves room for the others.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct order_quota {
    uint32_t most;
    _Atomic uint32_t used;
};

/* struct order_share - the spaces with state of one session; owned by its spaces. */
struct order_share {
    unsigned spaces; /* that own it; of the thread that makes and frees them */
    _Atomic uint32_t used;
};

/* order_quota_take - true: one more space of the session may have state, until order_quota_give(). Any thread. */
bool order_quota_take(struct order_quota *quota, struct order_share *share);
void order_quota_give(struct order_quota *quota, struct order_share *share);

#endif
