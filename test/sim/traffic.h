/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SIM_TRAFFIC_H
#define TEST_SIM_TRAFFIC_H

#include "esp/inner_packet.h"
#include "sim/sim.h"

/*
 * Inner packets: UDP over IPv4 or IPv6, with a number in them that is never used twice and a mark
 * that no packet on the wire may show. An End User sends from each of its inner addresses to
 * 10.1.0.<its number> or 2001:db8:1::<its number>, a host behind the Gateway, which answers each;
 * the Gateway also sends to every lease on its own. Now and then somebody sends what the selectors
 * of the Child SA forbid: from an address that is nobody's, another user's or another path's, or to
 * one. That must never arrive.
 */

/* sim_traffic_tick - the host's next packets; called again after its traffic_interval. */
void sim_traffic_tick(struct sim_host *host);

/* sim_traffic_arrived - out of a Child SA, past its selectors. */
void sim_traffic_arrived(struct sim_host *host, const struct esp_inner *inner, struct span packet);

/* sim_traffic_marked - the octets show plaintext of an inner packet. */
bool sim_traffic_marked(struct span octets);

#endif
