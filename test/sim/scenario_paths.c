/* SPDX-License-Identifier: Apache-2.0 */
/* The path manager's scenarios, after those of picoquic's multipath tests. */
#include "sim/fault.h"
#include "sim/host.h"
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

/* One path by a satellite: slower than the budget in which paths are given up. */
static void satellite(struct sim *sim)
{
    (void)sim_gateway(sim, 1);
    struct sim_host *user = sim_user(sim, 2);
    user->interfaces[1].link.delay = SIM_MS(600);
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(30), "the far path is not up");
}

/* A path that gets so slow is dead for a while, and comes back. */
static void slower(struct sim *sim)
{
    (void)sim_gateway(sim, 1);
    struct sim_host *user = sim_user(sim, 2);
    sim_start(sim);
    sim_until(sim, sim_healed, SIM_SECONDS(5), "two paths are not up");
    user->interfaces[1].link.delay = SIM_MS(600);
    sim_run(sim, SIM_SECONDS(30));
    sim_until(sim, sim_healed, SIM_SECONDS(60), "the slow path is not back");
    sim_expect(sim, user->logins == 1);
}

static const struct sim_scenario scenarios[] = {
    {"basic", basic},
    {"satellite", satellite},
    {"slower", slower},
};

const struct sim_scenario *sim_scenario_at(size_t index)
{
    return index < sizeof(scenarios) / sizeof(scenarios[0]) ? &scenarios[index] : NULL;
}
