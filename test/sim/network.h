/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SIM_NETWORK_H
#define TEST_SIM_NETWORK_H

#include "sim/sim.h"

/*
 * sim_network_send - a packet leaves the host by the interface that the path names (its index is 1
 * + its place; 0: the one with the local address). No packet leaves from an address that the
 * interface does not have.
 */
void sim_network_send(struct sim_host *host, const struct ike_path *path, bool raw,
                      struct span octets);

/* sim_network_inject - a replayed or forged packet enters in the middle of the network. */
void sim_network_inject(struct sim *sim, struct sim_packet *packet, nanos wait);
struct sim_packet *sim_packet_new(const struct endpoint *src, const struct endpoint *dst, bool raw,
                                  struct span octets);

/* sim_network_deliver - the packet reaches its destination, where a NAT may translate it once more. */
void sim_network_deliver(struct sim *sim, struct sim_packet *packet);

/* sim_nat_forget - forgets all mappings, so new ones get other ports. sim_nat_swap - two of them
 * exchange their ports. */
void sim_nat_forget(struct sim_nat *nat);
void sim_nat_swap(struct sim *sim, struct sim_nat *nat);

#endif
