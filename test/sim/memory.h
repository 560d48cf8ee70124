/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SIM_MEMORY_H
#define TEST_SIM_MEMORY_H

/*
 * The allocator of the cores (ld --wrap, so libcrypto's own allocations are not affected). It
 * counts memory that is not freed, and lets some allocations fail.
 */

#include "sim/sim.h"

long sim_memory_live(void); /* number of allocations that were not freed */

/* sim_memory_fail - from now on allocations fail as `faults` says (borrowed; NULL: none fails). */
void sim_memory_fail(struct sim *sim, struct sim_faults *faults);

#endif
