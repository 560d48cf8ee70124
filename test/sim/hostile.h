/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SIM_HOSTILE_H
#define TEST_SIM_HOSTILE_H

#include "sim/sim.h"

/* sim_hostile_sees - an attacker in the middle of the network sees every packet there. It may send
 * copies of new or old ones, from the same source or another, altered copies, and unprotected lies
 * about them. It has no keys. */
void sim_hostile_sees(struct sim *sim, const struct sim_packet *packet);

#endif
