/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_HOST_H
#define DAEMON_HOST_H

/*
 * The changes to the host that our SAs need: inner addresses on the TUN device, routes to it, and
 * blocks, in a table of our own. Sessions, Child SAs and holds claim them. Each exists as long as
 * it is claimed, so clones and rekeyed Child SAs cause no change. The supervisor makes the changes.
 * No function here waits for it: host_answer() returns the results.
 */

#include "daemon/common/channel.h"

struct host;

/* host_new - priv_fd: the channel to the supervisor, borrowed. NULL: no memory. */
struct host *host_new(int priv_fd);
struct host *host_free(struct host *host); /* entries in the kernel belong to the supervisor */

/* host_answer - takes one answer when priv_fd is readable; false: no more. If `id` is not 0, the
 * answer is to host_path_sockets; if `device` is not 0, to host_device_open. */
#define HOST_DENIED_MAX 192
struct host_sockets {
    uint32_t id;
    uint16_t device; /* of host_device_open: its number; else 0 */
    int error;
    unsigned n;
    int fds[LIMIT_WORKERS]; /* one per worker; they belong to the caller */
    /* the refused request and the reason; empty: none */
    char denied[HOST_DENIED_MAX];
};
bool host_answer(struct host *host, struct host_sockets *ret_sockets);

/* host_asked, host_answered - numbers of requests. A claim is decided when host_answered() reaches
 * the value that host_asked() had after the claim. */
uint64_t host_asked(const struct host *host);
uint64_t host_answered(const struct host *host);

/* host_ready - tells the supervisor that the engine serves. host_mtu - sets the MTU of the inner
 * device, unless the administrator did. host_path_sockets - asks for UDP sockets bound to a path. */
void host_ready(struct host *host);
void host_upgrade(struct host *host); /* PRIV_UPGRADE */
void host_mtu(struct host *host, uint16_t mtu);
void host_path_sockets(struct host *host, uint32_t id, uint32_t interface,
                       const struct endpoint *local);

/* host_lan - sets whether the current networks of this host bypass default routes. */
void host_lan(struct host *host, bool bypass);
/* host_device_open - opens a further TUN device; the caller chooses its number. host_device_close -
 * closes it; its routes and blocks are released before. */
void host_device_open(struct host *host, uint16_t number, const struct inner_device *device);
void host_device_close(struct host *host, uint16_t number);

/* host_shunt - PRIV_SHUNT_ADD, PRIV_SHUNT_REMOVE or PRIV_SHUNTS_ALL. */
void host_shunt(struct host *host, const struct priv_request *request);

/* host_addresses - claims the inner addresses of a session, and keeps its name servers inside
 * (PRIV_INSIDE_ADD). The same call again changes nothing. */
void host_addresses(struct host *host, ike_session_id session, const struct ike_config *config);

/* struct host_own - own addresses of the host within the local selectors of a Child SA; packets of
 * the host must come from them. Family NONE: none. */
struct host_own {
    struct address v4, v6;
};

/*
 * host_routes - claims routes to a Child SA's remote selectors. Their source is our inner address
 * (`config`, may be NULL), or without one `own` (may be NULL). The kernel removes a route with its
 * source address, so a second route without a source replaces it then. Routes of a hold are not
 * doubled. A further call replaces the former routes. ERR_FULL: more than 64 prefixes, or 256 of
 * the session; ERR_INVALID: a prefix that no session may have; ERR_NO_MEMORY: some may be missing.
 */
struct host_child {
    ike_child_id id;
    ike_session_id session;
    uint16_t device;              /* to which the routes lead; 0: the first one */
    const struct ike_conn *named; /* a peer that it names may be the router of this host */
    const struct ike_config *config;
    const struct host_own *own;
};
int host_routes(struct host *host, const struct host_child *child,
                const struct ike_ts_list *remote_ts) MUST_USE;

/* host_child_error - call it once the routes are decided. 0, or the error if the Child SA lacks a
 * route or an inner address of `owner` (of host_addresses; 0: none). */
int host_child_error(const struct host *host, ike_child_id child, ike_session_id owner) MUST_USE;

void host_session_gone(struct host *host, ike_session_id session);
void host_child_gone(struct host *host, ike_child_id child);

/*
 * host_hold - claims routes and addresses as above, for a child that the user or the configuration
 * wants. They stay after the loss of its Child SAs and its session. So the inner device drops
 * protected packets, which do not leave in the clear. With `block` (on_failure = block), blocks of
 * the same selectors stay even without the device, when processes are killed. A further call
 * replaces the former hold. host_release - ends the hold. NULL: all connections, all children.
 * host_unblock - removes blocks of an earlier engine, unless a hold of ours claims them.
 */
struct host_hold {
    const char *conn, *child;     /* names */
    const struct ike_conn *named; /* as for host_routes; may be NULL */
    const struct ike_ts_list *remote_ts;
    const struct ike_config *config; /* inner addresses; may be empty */
    const struct host_own *own;      /* as for host_routes; may be NULL */
    uint16_t device;                 /* as for host_routes */
    uint16_t block_device;           /* of its blocks: devices without a mark share those of 0 */
    bool block;
    bool standing; /* lasts as long as the configuration has it, even if no session is wanted */
};
void host_hold(struct host *host, const struct host_hold *wanted);
void host_release(struct host *host, const char *conn, const char *child);
void host_unload(struct host *host, const char *conn, const char *child); /* standing ones, too */
void host_unblock(struct host *host, const struct ike_ts_list *remote_ts, uint16_t block_device);
/* host_hold_at - the names of a hold; true while `index` is below the number of places. Empty
 * names: a free place. Borrowed until the next call that changes holds. */
bool host_hold_at(const struct host *host, size_t index, const char **ret_conn,
                  const char **ret_child);

#endif
