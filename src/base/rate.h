/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_RATE_H
#define BASE_RATE_H

/*
 * A token bucket: how often something may happen that others can cause. It is kept as the time at
 * which it is full again. 0: it is full.
 */

#include <stdbool.h>

#include "base/error.h"
#include "base/time.h"

/* rate_take - `burst` at once, then one per interval. false: not now. */
static inline bool MUST_USE rate_take(nanos *full_ns, unsigned burst, nanos interval_ns, nanos now)
{
    if (*full_ns < now)
        *full_ns = now;
    if (*full_ns - now > (burst - 1) * interval_ns)
        return false;
    *full_ns += interval_ns;
    return true;
}

/* rate_second - allows that many in a second, all of them at once if need be. */
static inline bool MUST_USE rate_second(nanos *full_ns, unsigned per_second, nanos now)
{
    return rate_take(full_ns, per_second, NANOS_PER_SEC / per_second, now);
}

#endif
