/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_SUPERVISOR_H
#define DAEMON_SUPERVISOR_H

/*
 * The process that keeps CAP_NET_ADMIN and sees no packet. It opens everything, starts the others
 * and then serves one small set of requests (daemon/common/channel.h), each of which touches only
 * the TUN device that it made, our routing table and the NAT port.
 *
 *      supervisor --+-- engine     IKE, ESP, VICI: no privilege, no files, no new sockets
 *                   +-- keyholder  long-term secrets; asked by the engine
 *                   +-- token      PKCS#11 tokens; asked by the keyholder
 *                   +-- verifier   certificates of peers; asked by the engine
 *                   +-- eap        EAP methods and their passwords; asked by the engine
 *                   +-- aaa        RADIUS secrets and sockets; asked by the engine
 *                   +-- fetcher    lists of revocations; asked by the verifier
 *                   +-- resolver   names of peers; asked by the engine
 *                   +-- hooks      runs updown scripts; asked by the engine
 *                   +-- loader     at start and on SIGHUP: reads the configuration, loads it
 *                   +-- unpacker   beside each loader: opens PKCS#12 containers
 *                   +-- audit      writes the audit file; told by engine and supervisor
 *
 * When fetcher or resolver ends, it restarts alone: the process that asks it gets a channel to the new
 * one. When another one of the first eight ends, the supervisor ends the others and restarts all
 * eight: the process held secrets, certificates or sessions, and the others know only some of them.
 * The audit process restarts alone, and reads the same channels as the one before.
 * The TUN device, the sockets and the blocked selectors stay meanwhile. Only an engine that never
 * came up ends the daemon, with a status for the service manager. When the supervisor is killed,
 * the kernel ends the others; the blocks stay for the next daemon.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/process/engine_start.h"

#define ROUTE_TABLE   0x494b0000u /* table of our routes; UDP port 500 allows one daemon per host */
#define RULE_PRIORITY 220

struct supervisor_options {
    const char *config; /* file or directory; NULL: no configuration is loaded */
    const char *socket; /* path of the VICI socket */
    const char *group;  /* group that may use the control socket; NULL: "ikat" if it exists */
    const char *state;  /* directory for files that outlive the daemon; it may be missing */
    const char *keylog; /* file for SK_* keys; NULL: none */
    const char *audit;  /* the audit file; NULL: none */
    const char *device; /* name of the TUN device, may have a %d */
    unsigned n_workers;
    uint64_t memory_most; /* octets that the engine may use; 0: three quarters of the memory */
    uint16_t mtu;         /* of the TUN device; 0: what ESP packets carry over the links in use */
    bool initiator_only;  /* IKE_SA_INIT requests get no answer */
    bool debug;
};

/* supervisor_run - until a signal ends it. Returns the exit status. */
int supervisor_run(const struct supervisor_options *options);

#endif
