/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SIM_TRAFFIC_H
#define TEST_SIM_TRAFFIC_H

#include "esp/inner_packet.h"
#include "sim/sim.h"

/*
 * Inner packets: UDP over IPv4 or IPv6. Each contains a number that is never used twice, and a mark
 * that no packet on the wire may show. An End User sends from each of its inner addresses to
 * 10.1.0.<its number> or 2001:db8:1::<its number>, a host behind the Gateway, which answers each
 * packet. The Gateway also sends to every lease. Some packets violate the selectors of the Child
 * SA: from or to an unused address, another user's, or another path's. Those must never arrive.
 */

/* sim_traffic_tick - sends the host's next packets; called again after its traffic_interval. */
void sim_traffic_tick(struct sim_host *host);

/* sim_traffic_arrived - a packet came out of a Child SA and passed its selectors. */
void sim_traffic_arrived(struct sim_host *host, const struct esp_inner *inner, struct span packet);

/* sim_traffic_marked - the octets show plaintext of an inner packet. */
bool sim_traffic_marked(struct span octets);

#endif
