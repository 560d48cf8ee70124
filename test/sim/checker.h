/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SIM_CHECKER_H
#define TEST_SIM_CHECKER_H

/*
 * Conditions that must hold whatever the network, the peers and the allocator do. The checkers do
 * not ask the cores about their state. They look at the octets that leave, at the keys that are
 * given to the data plane, and at the packets that come out of it.
 */

#include "sim/sim.h"

struct sim_checks *sim_checks_new(void);
void sim_checks_free(struct sim_checks *checks);

/* --- checker_esp.c --- */

/* sim_check_sealed - no key is used twice with one sequence number, nor with one AEAD nonce. */
void sim_check_sealed(struct sim_host *host, uint64_t key, struct span packet, uint64_t sequence);
/* sim_check_sent - the packet on the wire contains no inner packet in the clear. */
void sim_check_sent(const struct sim_host *host, const struct sim_packet *packet);
/* sim_check_packet_new - the number for a new inner packet from or to a user; `forged`: it must not
 * arrive. */
uint64_t sim_check_packet_new(const struct sim_host *user, size_t len, bool forged);
/* sim_check_packet_arrived - the packet is unchanged, arrives for the first time, and may arrive.
 * Returns its user. NULL: it must not arrive. */
const struct sim_host *sim_check_packet_arrived(const struct sim_host *host, uint64_t number,
                                                size_t len);

/* --- checker_ike.c --- */

/* sim_check_ike - two messages with the same Message ID have the same octets (RFC 7296 section
 * 2.1). */
void sim_check_ike(struct sim_host *host, const struct ike_datagram *d);

/* --- checker_sa.c --- */

/* sim_check_verified - the peer's AUTH on this IKE SA was right. sim_check_session - a session came
 * up on it. sim_check_install - nothing is installed without both; a key is used for one direction
 * of one Child SA. sim_check_login - the session belongs to a user who has the secret. */
void sim_check_verified(struct sim_host *host, ike_sa_id sa);
void sim_check_session(struct sim_host *host, ike_sa_id sa, ike_session_id session);
void sim_check_install(struct sim_host *host, const struct ike_child_install *install);
/* sim_check_refused - the data plane has recently refused that Child SA. */
bool sim_check_refused(const struct sim_host *host, ike_child_id child);
void sim_check_login(struct sim_host *gateway, const struct sim_host *user);
void sim_check_crashed(struct sim_host *host);

/* sim_check_host - limits and deadlines hold, and the data plane agrees with the core. Called after
 * each event of the host. */
void sim_check_host(struct sim_host *host);

/*
 * sim_check_healed - NULL: every End User that wants it has a VPN on each of its paths. The Gateway
 * has the same VPNs crosswise, with the same keys, and neither side has more. Otherwise the text
 * describes the fault.
 */
const char *sim_check_healed(struct sim *sim);
/* sim_check_empty - NULL: no host has a session, a Child SA or a lease. */
const char *sim_check_empty(struct sim *sim);

/* --- checks.c: a set of 64-bit prints, each with a value --- */

/* sim_prints_put - false: the print was there, with another value if `*ret_was` differs. */
struct sim_prints {
    size_t n, room; /* room: a power of two */
    uint64_t *prints, *values;
};
bool sim_prints_put(struct sim_prints *set, uint64_t print, uint64_t value, uint64_t *ret_was);
/* sim_prints_find - the value of the print; NULL: not in the set. */
uint64_t *sim_prints_find(const struct sim_prints *set, uint64_t print);

struct sim_checks {
    struct sim_prints nonces;   /* key and sequence number, key and IV */
    struct sim_prints messages; /* IKE message -> octets */
    struct sim_prints keys;     /* key -> host and direction */
    struct sim_prints verified; /* host, incarnation, session */
    size_t n_packets, packet_room;
    struct sim_inner {
        uint16_t len;
        bool forged, arrived;
        const struct sim_host *user;
    } * packets;
};

#endif
