/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_CHANGE_REQUESTS_H
#define DAEMON_CHANGE_REQUESTS_H

/*
 * Disconnect-Requests and CoA-Requests of RADIUS servers (RFC 5176), without sockets. ikat obeys a
 * request if its authenticator is right, its server may send it, and its Event-Timestamp is at most
 * CHANGE_WINDOW_S old. A duplicate within that time gets the first reply again. RADIUS/TLS (RFC
 * 6614 section 2.5) delivers each packet once and in order, so it needs no timestamp.
 */

#include "daemon/common/aaa_channel.h"

/* section 6.3: maximum age of timestamps, and how long duplicates are remembered */
#define CHANGE_WINDOW_S 300
/* within that time, from all servers together; further requests are dropped */
#define CHANGE_REQUESTS 1024
#define CHANGE_REPLY    640 /* octets: Proxy-State and Error-Cause */

struct change_requests;

struct change_requests *change_requests_new(void); /* NULL: no memory */
struct change_requests *change_requests_free(struct change_requests *requests); /* takes NULL */

/* struct change_from - the origin of a datagram. */
struct change_from {
    unsigned server; /* by its address; enabled */
    struct endpoint source;
    struct address local; /* where it came to */
    const struct radius_key *key;
    bool undated; /* requests without an Event-Timestamp are accepted */
    /* stream: over RADIUS/TLS, which knows no duplicates and no old packets; `source` and `local` do
     * not count. !allowed: the server is told that it may not */
    bool stream, allowed;
    unsigned lane;
    struct span octets;
};

struct change_reply {
    struct endpoint to;
    struct address local; /* from there */
    uint16_t port;        /* the caller's own value, as given with the request */
    bool stream;          /* over that lane of the server */
    unsigned server, lane;
    struct span octets; /* borrowed until the next call */
};

/* struct change_when - the time now, on two clocks. */
struct change_when {
    nanos now;
    int64_t wall_s; /* seconds since 1970 */
};

/*
 * change_requests_recv - CHANGE_DROP: the request is forged, stale, malformed, or in progress.
 * CHANGE_REPLY_NOW: send *ret_reply. CHANGE_ASK: ask the engine for *ret_change with the job
 * *ret_job.
 */
enum change_verdict { CHANGE_DROP, CHANGE_REPLY_NOW, CHANGE_ASK };
struct change_result {
    uint64_t job;
    struct aaa_change change;
    struct change_reply reply;
};
enum change_verdict change_requests_recv(struct change_requests *requests,
                                         const struct change_from *from, uint16_t port,
                                         const struct change_when *when, struct change_result *ret);

/* change_requests_done - the engine has answered. false: no such job waits. `key` is that of
 * change_requests_server(), which returns UINT_MAX if no such job waits. */
unsigned change_requests_server(struct change_requests *requests, uint64_t job);
bool change_requests_done(struct change_requests *requests, uint64_t job, uint32_t cause,
                          const struct radius_key *key, struct change_reply *ret_reply);

#endif
