/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_PACE_H
#define DAEMON_PACE_H

/* Pauses between the starts of processes that end again and again. */

#include "base/time.h"
#include "linux/clock.h"

/* The pause before a restart: none before the first one, then RESTART_LEAST, and twice as long each
 * time. A process that ran for RESTART_CALM resets the pause. */
#define RESTART_LEAST (NANOS_PER_SEC / 4)
#define RESTART_MOST  (30 * NANOS_PER_SEC)
#define RESTART_CALM  (60 * NANOS_PER_SEC)

/* struct pace - when to restart a process, or all processes. */
struct pace {
    nanos at;         /* NANOS_NEVER: no restart is due */
    nanos started_ns; /* the last start */
    nanos pause_ns;   /* before the next restart */
};

static inline void pace_plan(struct pace *pace, nanos now)
{
    if (now - pace->started_ns >= RESTART_CALM)
        pace->pause_ns = 0;
    pace->at = nanos_after(now, pace->pause_ns);
    pace->pause_ns =
        pace->pause_ns == 0 ? RESTART_LEAST : nanos_min(2 * pace->pause_ns, RESTART_MOST);
}

static inline void pace_started(struct pace *pace)
{
    pace->at = NANOS_NEVER;
    pace->started_ns = clock_now();
}

#endif
