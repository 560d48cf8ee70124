/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_AGGREGATE_SCENE_H
#define TEST_AGGREGATE_SCENE_H

/* Links and flows that change while they run. */

#include "aggregate/model.h"

#define LIMIT 1000 /* packets that a link holds, as netem does */

/* ms, ms, %, Mbit/s */
#define LINK(d, j, l, r)                                                                           \
    {                                                                                              \
        .delay_ns = (d)*1000000ull, .jitter_ns = (j)*1000000ull,                                   \
        .loss_ppm = (uint64_t)((l)*10000), .rate_kbps = (r)*1000, .limit = LIMIT                   \
    }
#define OVERTAKES(d, j, r)                                                                         \
    {                                                                                              \
        .delay_ns = (d)*1000000ull, .jitter_ns = (j)*1000000ull, .rate_kbps = (r)*1000,            \
        .limit = LIMIT, .overtakes = true                                                          \
    }

struct scene {
    const char *name, *unit;
    bool most; /* the bar is the most that is allowed; else the least */
    double bar;
    double (*play)(uint64_t seed);
};

extern const struct scene scene_table[]; /* ends with a name of NULL */

/* world_rate - Mbit/s of a flow in `nanos` behind `warm`. */
double world_rate(struct world *world, const struct flow *flow, nanos warm, nanos time);

#endif
