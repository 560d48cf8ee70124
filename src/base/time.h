/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include <stdint.h>

/*
 * nanos - a moment on a monotonic clock, or a duration, in nanoseconds. Signed, so that a moment in
 * the past stays representable after a subtraction. The cores get `now` as an argument; only
 * linux/clock.c reads a clock.
 */
typedef int64_t nanos;

#define NANOS_NEVER   INT64_MAX
#define NANOS_PER_US  ((nanos)1000)
#define NANOS_PER_MS  ((nanos)1000000)
#define NANOS_PER_SEC ((nanos)1000000000)

static inline nanos nanos_min(nanos a, nanos b)
{
    return a < b ? a : b;
}

static inline nanos nanos_max(nanos a, nanos b)
{
    return a > b ? a : b;
}

/* nanos_after - now + wait, saturating at NANOS_NEVER (so a wait of NANOS_NEVER means "not at
 * all"). */
static inline nanos nanos_after(nanos now, nanos wait)
{
    return wait >= NANOS_NEVER - (now > 0 ? now : 0) ? NANOS_NEVER : now + wait;
}

#endif
