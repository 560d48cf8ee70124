/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SIM_LEASE_H
#define TEST_SIM_LEASE_H

/*
 * Inner addresses. A Gateway leases them out of the daemon's pools (10.9.0.0/24 and
 * 2001:db8:9::/112 for users, 10.1.0.0/16 and 2001:db8:1::/48 behind it), and whatever they give is
 * held against what may be: an address has one user.
 */

#include "sim/sim.h"

/* sim_inner_families - which of the two a host has, or asks for; at first IPv4. Before it starts.
 */
void sim_inner_families(struct sim_host *host, bool v4, bool v6);

/* sim_children - how many a host has, all like the first one; of which each has a network of its
 * own behind the Gateway: after everything else is configured. sim_behind - the address of the
 * first one's network becomes the same one of the child's. */
void sim_children(struct sim_host *host, uint8_t n);
void sim_behind(struct address *address, uint8_t child);

void sim_lease_start(struct sim_host *host);
void sim_lease_done(struct sim_host *host); /* forgets all of them */

int sim_lease_give(struct sim_host *host, const struct ike_event *event,
                   struct ike_config *ret_config) MUST_USE;
void sim_lease_release(struct sim_host *host, ike_session_id owner);

/* sim_lease_of - who has the address; NULL: nobody. */
const struct sim_lease *sim_lease_of(const struct sim_host *host, const struct address *address);

/* sim_inner_own - the inner addresses that an End User has: of its sessions, and of clones. At
 * most `room`. */
size_t sim_inner_own(const struct sim_host *host, struct address *out, size_t room);

#endif
