/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SIM_HOST_H
#define TEST_SIM_HOST_H

#include "sim/sim.h"

/* sim_host_add - adds a machine that is not running yet. Its connection (party_conn) and interfaces
 * may be changed until it starts; each interface needs an `address`. */
struct sim_host *sim_host_add(struct sim *sim, bool gateway);

/* sim_host_start - starts new cores without state; an End User that is wanted connects.
 * sim_host_crash - ends them without a message. */
void sim_host_start(struct sim_host *host);
void sim_host_crash(struct sim_host *host);
void sim_host_done(struct sim_host *host);

/* sim_host_join - the host wants its session again. */
void sim_host_join(struct sim_host *host);
/* sim_host_reload - loads the configuration again, with its children in another order. */
void sim_host_reload(struct sim_host *host);
/* sim_host_leave - the host no longer connects, and deletes its sessions. */
void sim_host_leave(struct sim_host *host);

void sim_host_links_changed(struct sim_host *host);
/* sim_host_core_renew, sim_host_paths_renew - replace the IKE core or the path manager by an empty
 * one. The sessions have left before, and the path manager knows the links. */
void sim_host_core_renew(struct sim_host *host);
void sim_host_paths_renew(struct sim_host *host);
int sim_host_command(struct sim_host *host, struct ike_command command);

/* --- called by the world --- */

void sim_host_recv(struct sim_host *host, const struct ike_path *path, bool raw,
                   struct buffer octets);
void sim_host_tick(struct sim_host *host);
void sim_host_job_done(struct sim_host *host, const struct sim_event *event);
void sim_host_pump(struct sim_host *host);

/* sim_host_user - the End User with that identity; NULL: none. */
struct sim_host *sim_host_user(struct sim *sim, const struct ike_id *id);

#endif
