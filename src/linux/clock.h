/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINUX_CLOCK_H
#define LINUX_CLOCK_H

#include "base/time.h"

/* clock_now - CLOCK_MONOTONIC, the `now` of every core. A step of the wall clock does not change
 * it. */
nanos clock_now(void);
/* clock_thread - CLOCK_THREAD_CPUTIME_ID: how long this thread has used a processor. */
nanos clock_thread(void);

#endif
