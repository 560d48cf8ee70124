/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SIM_MEMORY_H
#define TEST_SIM_MEMORY_H

/*
 * The allocator as the cores see it (ld --wrap, so libcrypto's own allocations are not touched):
 * what is not given back is counted, and some allocations fail.
 */

#include "sim/sim.h"

long sim_memory_live(void); /* allocations that were not freed */

/* sim_memory_fail - from now on so many of a thousand allocations return NULL, by the dice of the
 * sim; 0: none. */
void sim_memory_fail(struct sim *sim, unsigned per_mille);

#endif
