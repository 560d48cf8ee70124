/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_HOOK_CHANNEL_H
#define DAEMON_HOOK_CHANNEL_H

/* Engine -> hooks process: a pair of selectors came up or went down, and this script is to know. No
 * answer comes. The receiver checks every member. */

#include "ike/ike.h"

#define HOOK_SCRIPT  128
#define HOOK_DNS     8
#define HOOK_TIME_NS (10 * NANOS_PER_SEC) /* a script that runs longer is killed */

struct hook_request {
    uint32_t up; /* 0: down, 1: up */
    uint32_t hostaccess, udp_encap, end_user;
    uint32_t reqid, uniqueid; /* of the IKE SA */
    char script[HOOK_SCRIPT]; /* path and arguments, blanks between them */
    char conn[LIMIT_NAME], child[LIMIT_NAME];
    char interface[16], device[16];
    struct address local, remote; /* outer ones */
    struct ike_ts local_ts, remote_ts;
    uint32_t n_inner, n_dns;
    struct address inner[IKE_LEASE_ADDRESSES], dns[HOOK_DNS];
    struct ike_id local_id, remote_id;
};

#endif
