/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SIM_PLANE_H
#define TEST_SIM_PLANE_H

/*
 * The data plane of a simulated host: esp/small_plane.h with checkers at its ends. News for the IKE
 * core is handled at once.
 */

#include "sim/sim.h"

struct sim_plane *sim_plane_new(struct sim_host *host);
void sim_plane_free(struct sim_plane *plane);

int sim_plane_install(struct sim_plane *plane, const struct ike_child_install *install) MUST_USE;
void sim_plane_switch(struct sim_plane *plane, ike_child_id child);
void sim_plane_move(struct sim_plane *plane, const struct ike_event *event);
void sim_plane_remove(struct sim_plane *plane, ike_child_id child, nanos linger);
struct data_plane *sim_plane_verbs(const struct sim_plane *plane);
void sim_plane_order(struct sim_plane *plane, const struct path_order *order);
void sim_plane_session_end(struct sim_plane *plane, ike_session_id session);

bool sim_plane_seen(const struct sim_plane *plane, ike_child_id child, nanos *ret_in_ns,
                    nanos *ret_out_ns);
nanos sim_plane_deadline(const struct sim_plane *plane);
void sim_plane_tick(struct sim_plane *plane);

/* sim_plane_send - sends an inner packet of the host. false: no policy takes it, or no child is
 * usable. */
bool sim_plane_send(struct sim_plane *plane, struct span inner);
/* sim_plane_send_wrong - seals the packet for a child whose selectors forbid it, as a hostile peer
 * would. false: no such child. */
bool sim_plane_send_wrong(struct sim_plane *plane, struct span inner);
void sim_plane_recv(struct sim_plane *plane, const struct ike_path *path, bool raw,
                    struct buffer octets);

/* --- looking in --- */

/* struct sim_child - a Child SA; the prints are hashes of keys. */
struct sim_child {
    ike_child_id id;
    ike_session_id session;
    uint32_t spi_in, spi_out;
    uint64_t print_in, print_out;
    bool removed; /* lingers only */
    bool sends;
};
unsigned sim_plane_n(const struct sim_plane *plane); /* with those that linger */
struct sim_child sim_plane_at(const struct sim_plane *plane, unsigned index);

#endif
