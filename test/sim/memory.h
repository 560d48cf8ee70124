/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SIM_MEMORY_H
#define TEST_SIM_MEMORY_H

/*
 * The allocator as the cores see it (ld --wrap, so libcrypto's own allocations are not touched):
 * what is not given back is counted, and some allocations fail.
 */

#include "sim/sim.h"

long sim_memory_live(void); /* allocations that were not freed */

/* sim_memory_fail - from now on allocations return NULL as `faults` (borrowed; NULL: none) have it.
 */
void sim_memory_fail(struct sim *sim, struct sim_faults *faults);

#endif
