/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_HOOK_CHANNEL_H
#define DAEMON_HOOK_CHANNEL_H

/* The messages from the engine to the hooks process, without answers, and the questions of the
 * hooks process to the supervisor, which allows or denies. The receiver checks every member. */

#include "daemon/common/inner_device.h"
#include "ike/ike.h"

#define HOOK_SCRIPT  POLICY_SCRIPT
#define HOOK_DNS     8
#define HOOK_DNS_ALL (HOOK_DNS + ENCRYPTED_DNS_SERVERS)
#define HOOK_UP_MAX  65536                /* pairs that are up at once: 120 MiB of the process */
#define HOOK_TIME_NS (10 * NANOS_PER_SEC) /* a script that runs longer is killed */

/* struct hook_request - tells a script that a pair of selectors came up or went down. */
struct hook_request {
    uint32_t up; /* 0: down, 1: up */
    uint32_t hostaccess, udp_encap, end_user;
    uint32_t reqid, uniqueid; /* of the IKE SA */
    uint32_t own_device;      /* 1: `device` is of this child, and its marks are in `marks` */
    struct inner_marks marks;
    char script[HOOK_SCRIPT]; /* path and arguments, blanks between them */
    char conn[LIMIT_NAME], child[LIMIT_NAME];
    char interface[16], device[16];
    struct address local, remote; /* outer ones */
    struct ike_ts local_ts, remote_ts;
    uint32_t n_inner, n_dns;
    struct address inner[IKE_LEASE_ADDRESSES], dns[HOOK_DNS];
    struct ike_id local_id, remote_id;
};

/* struct hook_name_servers - the servers that this host asks from now on, before its own servers,
 * through the device. domains: the names for which it asks them; empty: all names. n = 0 without
 * encrypted servers: only its own servers. encrypted_dns: replaces `servers` if the host can ask
 * over TLS. */
struct hook_name_servers {
    char device[16];
    uint32_t n;
    struct address servers[HOOK_DNS];
    struct encrypted_dns encrypted_dns;
    struct domain_list domains;
};

/* hook_name_server_usable - the address may be given to a resolver. */
static inline bool hook_name_server_usable(const struct address *server)
{
    return (server->family == ADDRESS_V4 || server->family == ADDRESS_V6) &&
           !address_is_any(server) && !address_is_multicast(server) &&
           !address_is_loopback(server) && !address_is_link_local(server);
}

/* --- hooks process -> supervisor, and its answer --- */

/* struct name_server_question - asks whether this host may use these name servers through the
 * device. The supervisor knows which servers the files allow, and which devices are ours. */
struct name_server_question {
    char device[16];
    uint32_t n; /* 1 to HOOK_DNS_ALL */
    struct address servers[HOOK_DNS_ALL];
};

enum hook_question_kind {
    HOOK_QUESTION_SERVERS = 1,
    HOOK_QUESTION_SCRIPT, /* may this script run, with these arguments? */
};
struct hook_question {
    uint32_t kind; /* enum hook_question_kind */
    union {
        struct name_server_question servers;
        char script[HOOK_SCRIPT];
    };
};
struct hook_permission {
    int32_t error; /* 0; ERR_DENIED: no, or not all of the servers */
};

/* --- engine -> hooks process --- */

enum hook_kind {
    HOOK_SCRIPT_RUN = 1,
    HOOK_NAME_SERVERS,
    HOOK_ENGINE_BEGINS, /* the settings of an earlier engine are taken back */
    HOOK_ENGINE_FOLLOWS, /* the same, but its name servers stay until a message about name servers comes */
};

struct hook_message {
    uint32_t kind; /* enum hook_kind */
    union {
        struct hook_request request;
        struct hook_name_servers name_servers;
    };
};

#endif
