/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/scenario.h"

static void basic(struct sim *sim)
{
    (void)sim_gateway(sim, 1);
    struct sim_host *user = sim_user(sim, 2);
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(5), "two paths are not up");
    sim_run(sim, SIM_SECONDS(10));
    sim_expect(sim, user->logins == 1);
    sim_expect(sim, sim->counts.esp_delivered > 100);
    sim_expect(sim, sim->counts.esp_refused > 0);
}

static const struct sim_scenario scenarios[] = {
    {"basic", basic},
};

const struct sim_scenario *sim_scenario_at(size_t index)
{
    return index < sizeof(scenarios) / sizeof(scenarios[0]) ? &scenarios[index] : NULL;
}
