/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SIM_LEASE_H
#define TEST_SIM_LEASE_H

/*
 * Inner addresses. A Gateway leases them from the daemon's pools (10.9.0.0/24 and 2001:db8:9::/112
 * for users, 10.1.0.0/16 and 2001:db8:1::/48 behind it). Every lease is checked: an address has one
 * user.
 */

#include "sim/sim.h"

/* sim_inner_families - which families a host has, or asks for; initially IPv4. Call it before the
 * host starts. */
void sim_inner_families(struct sim_host *host, bool v4, bool v6);

/* sim_children - the number of children of a host, all like the first one. Each has a network of
 * its own behind the Gateway. Call it after all other configuration. sim_behind - moves an address
 * of the first child's network into the child's network. */
void sim_children(struct sim_host *host, uint8_t n);
void sim_behind(struct address *address, uint8_t child);

void sim_lease_start(struct sim_host *host);
void sim_lease_done(struct sim_host *host); /* forgets all of them */

int sim_lease_give(struct sim_host *host, const struct ike_event *event,
                   struct ike_config *ret_config) MUST_USE;
void sim_lease_release(struct sim_host *host, ike_session_id owner);

/* sim_lease_of - the user that has the address; NULL: none. */
const struct sim_lease *sim_lease_of(const struct sim_host *host, const struct address *address);

/* sim_inner_own - the inner addresses of an End User: of its sessions, and of clones. At most
 * `room`. */
size_t sim_inner_own(const struct sim_host *host, struct address *out, size_t room);

#endif
