/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SIM_SCENARIO_H
#define TEST_SIM_SCENARIO_H

#include "sim/sim.h"

/* struct sim_scenario - one named run. `play` builds the hosts and runs events; afterwards the
 * world is healed, checked, and taken down. */
struct sim_scenario {
    const char *name;
    void (*play)(struct sim *sim);
};
/* sim_scenarios_* - the index-th of the file; NULL: no more. */
const struct sim_scenario *sim_scenarios_paths(size_t index);
const struct sim_scenario *sim_scenarios_peers(size_t index);
const struct sim_scenario *sim_scenarios_found(size_t index);
/* sim_scenario_at - of all files; NULL: no more. */
const struct sim_scenario *sim_scenario_at(size_t index);

/* sim_random_play - hosts, configurations, networks and faults follow from the seed. */
void sim_random_play(struct sim *sim);

/*
 * sim_scenario_run - plays (NULL: sim_random_play), heals, and checks that the wanted state is
 * reached, and that nothing remains after the End Users have left. The outcome is in
 * sim->n_violations.
 */
void sim_scenario_run(struct sim *sim, const struct sim_scenario *scenario);

/* --- building worlds --- */

struct sim_host *sim_gateway(struct sim *sim, unsigned addresses);
/* sim_user - an End User with this many interfaces, 10, 20, ... ms from the middle. */
struct sim_host *sim_user(struct sim *sim, unsigned interfaces);
/* sim_goes_to - which Gateway the End User knows, and how many of its addresses; the Gateway
 * announces the others. */
void sim_goes_to(struct sim_host *user, const struct sim_host *gateway, unsigned addresses);
struct sim_nat *sim_nat_before(struct sim *sim, struct sim_interface *interface);
void sim_start(struct sim *sim); /* all hosts, Gateways first */
/* sim_pair - a Gateway (the first host) and an End User whose paths are all up. */
struct sim_host *sim_pair(struct sim *sim, unsigned interfaces);

/* sim_healed - the condition of sim_check_healed, for sim_until. */
bool sim_healed(struct sim *sim);

/* sim_expect - a scenario's own fact. */
#define sim_expect(sim, fact)                                                                      \
    ((fact) ? (void)0 : sim_violation(sim, "not so: %s (%s:%d)", #fact, __FILE__, __LINE__))

void sim_link_set(struct sim_host *host, unsigned interface, bool up);

#endif
