/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/scenario.h"

void sim_random_play(struct sim *sim)
{
    (void)sim_gateway(sim, 1);
    (void)sim_user(sim, 1 + (unsigned)sim_below(sim, 3));
    sim_start(sim);
    sim_run(sim, SIM_SECONDS(20));
}
