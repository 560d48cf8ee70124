/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_ENGINE_START_H
#define DAEMON_ENGINE_START_H

/* The supervisor opens devices, sockets and channels, and hands them to the engine when it starts. */

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "daemon/common/channel.h"
#include "daemon/process/start_gate.h"
#include "linux/tun.h"

#define IKE_PORT 500
#define NAT_PORT 4500

/* struct engine_start - the descriptors and values that the engine gets. Missing descriptors are
 * -1. */
struct engine_start {
    unsigned n_workers;
    int tun_fds[LIMIT_WORKERS];
    char tun_name[TUN_NAME_MAX];
    uint32_t tun_index;
    bool tun_mtu_fixed; /* by the administrator */
    uint16_t tun_mtu;   /* that it was made with */
    bool tun_uso;
    uint64_t memory_most; /* octets; 0: not known */
    bool initiator_only;  /* IKE_SA_INIT requests get no answer */
    bool filtered;        /* packets in the clear are dropped where IPsec protects */
    int ike4_fd, ike6_fd; /* port 500 */
    int udp4_fds[LIMIT_WORKERS], udp6_fds[LIMIT_WORKERS]; /* port 4500 */
    int raw4_fd, raw6_fd;
    int vici_fd;     /* listens */
    bool vici_given; /* the service manager has opened it, and keeps it */
    int keylog_fd;
    int priv_fd;  /* requests, blocking */
    int order_fd; /* orders */
    int key_fd;   /* the keyholder */
    int verifier_fd;
    int eap_fd; /* the eap process */
    int aaa_fd; /* the aaa process */
    int resolver_fd;
    int hooks_fd; /* updown scripts */
    int audit_fd; /* the audit process; -1: there is no audit file */
    struct gate gate;
    int sessions_fd; /* of the engine before this one (hand_over.h); -1: none come */
    enum upgrade_outcome upgraded;
};

#endif
