/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SIM_FAULT_H
#define TEST_SIM_FAULT_H

/*
 * Faults as actions: for scenarios at chosen moments, for random runs at random ones. The argument
 * of an action names a host and one of its interfaces.
 */

#include "sim/sim.h"

static inline uint64_t sim_argument(const struct sim_host *host, unsigned interface)
{
    return (uint64_t)(host - host->sim->hosts) << 8 | interface;
}

/* struct sim_fault - a fault that begins and ends; `end` NULL: it ends by itself. */
struct sim_fault {
    const char *name;
    sim_action begin, end;
    unsigned weight; /* how often it is drawn */
    bool gateways;   /* it may hit Gateways, too */
    nanos longest;
};

void sim_fault_at(struct sim *sim, const char *name, nanos wait, nanos duration,
                  const struct sim_host *host, unsigned interface);
/* sim_fault_random - a random fault at a time before `within`. */
void sim_fault_random(struct sim *sim, nanos within);

/*
 * sim_fault_judge - a user may log in once more if two or all of its paths, or its Gateway, were
 * impaired within some seconds. Called after each fault.
 */
void sim_fault_judge(struct sim *sim);

#endif
