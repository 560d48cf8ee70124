/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SIM_HOSTILE_H
#define TEST_SIM_HOSTILE_H

#include "sim/sim.h"

/* sim_hostile_sees - who sits in the middle of the network sees every packet there, and may send
 * copies of this or older ones again, from where they came or from elsewhere, altered copies, and
 * unprotected lies about it. It has no keys. */
void sim_hostile_sees(struct sim *sim, const struct sim_packet *packet);

#endif
