/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/clock.h"

#include <time.h>

#include "base/assert.h"

nanos clock_now(void)
{
    struct timespec ts;
    int rc = clock_gettime(CLOCK_MONOTONIC, &ts);
    ASSERT(rc == 0);
    return (nanos)ts.tv_sec * NANOS_PER_SEC + (nanos)ts.tv_nsec;
}
