/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/clock.h"

#include <time.h>

#include "base/assert.h"

static nanos clock_read(clockid_t clock)
{
    struct timespec ts;
    int rc = clock_gettime(clock, &ts);
    ASSERT(rc == 0);
    return (nanos)ts.tv_sec * NANOS_PER_SEC + (nanos)ts.tv_nsec;
}

nanos clock_now(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

nanos clock_thread(void)
{
    return clock_read(CLOCK_THREAD_CPUTIME_ID);
}
