/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_DEAD_HOSTS_H
#define DAEMON_DEAD_HOSTS_H

/*
 * Hosts of revocation status that do not answer. The first login that needs such a host waits for it.
 * For DEAD_HOST_TIME the others pass it over: they try the next URL, or do without.
 */

#include "base/time.h"
#include "daemon/common/fetch_channel.h"

#define DEAD_HOSTS     64
#define DEAD_HOST_TIME (30 * NANOS_PER_SEC)

/* What a host serves. A responder that hangs tells nothing of the lists on the same host. */
enum host_service { HOST_OCSP = 1, HOST_LISTS = 2 };

struct dead_host {
    char name[FETCH_URL]; /* of the URL: host and port */
    unsigned services;    /* that are dead, of enum host_service */
    nanos until;
    char reason[FETCH_REASON];
};

struct dead_hosts {
    size_t n;
    struct dead_host of[DEAD_HOSTS];
};

/* dead_hosts_add - the host of `url` does not answer, from `now` on. The one that is retried first
 * makes room. */
void dead_hosts_add(struct dead_hosts *dead, const char *url, unsigned services, const char *reason,
                    nanos now);

/* dead_hosts_find - why the host of `url` is not asked for that service now; NULL: it may be. */
const char *dead_hosts_find(const struct dead_hosts *dead, const char *url,
                            enum host_service service, nanos now);

/* dead_hosts_same - both URLs lead to the same host and port. */
bool dead_hosts_same(const char *url, const char *other);

#endif
