/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SIM_REPLACE_H
#define TEST_SIM_REPLACE_H

#include "sim/sim.h"

/* sim_replace - the IKE core of a host ends, and another one goes on with all its sessions, as soon as
 * all of them are quiet and no login is under way. If that takes too long, the host keeps what it has.
 * The path manager is replaced, too, unless it has a wish without a session. The Child SAs leave the data plane and
 * come back. */
void sim_replace(struct sim *sim, uint64_t argument);

#endif
