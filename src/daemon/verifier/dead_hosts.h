/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_DEAD_HOSTS_H
#define DAEMON_DEAD_HOSTS_H

/*
 * Hosts of revocation status that do not answer. The first login that needs such a host waits for
 * it. Later logins skip it for DEAD_HOST_TIME: they try the next URL, or continue without a status.
 */

#include "base/time.h"
#include "daemon/common/fetch_channel.h"

#define DEAD_HOSTS     64
#define DEAD_HOST_TIME (30 * NANOS_PER_SEC)

/* enum host_service - the services of a host. A hanging responder does not imply that the lists on
 * its host are unavailable. */
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

/* dead_hosts_add - the host of `url` does not answer, from `now` on. A full table drops the host
 * that is retried first. */
void dead_hosts_add(struct dead_hosts *dead, const char *url, unsigned services, const char *reason,
                    nanos now);

/* dead_hosts_find - the reason why the host of `url` is not asked for that service now; NULL: it
 * may be asked. */
const char *dead_hosts_find(const struct dead_hosts *dead, const char *url,
                            enum host_service service, nanos now);

/* dead_hosts_same - both URLs lead to the same host and port. */
bool dead_hosts_same(const char *url, const char *other);

#endif
