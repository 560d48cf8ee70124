/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_BOUND_PATHS_H
#define DAEMON_BOUND_PATHS_H

/*
 * The paths that have their own sockets, or have asked the supervisor for them. IPv6 datagrams of a
 * path wait for its sockets: Linux obeys the interface of a send only if the socket is bound to it.
 */

#include "ike/ike.h"

#define BOUND_PATHS   64 /* interface, address and port with sockets of their own */
#define BOUND_WAITING 4  /* datagrams that wait for the sockets of one path */

struct bound_path {
    uint32_t id; /* of the request to the supervisor; 0: the place is free */
    bool there;  /* its sockets are open */
    int ike_fd;  /* the socket of IKE_PORT; -1: none, or the data plane has those of NAT_PORT */
    uint32_t interface;
    struct endpoint local;
    size_t n_waiting;
    struct ike_datagram *waiting[BOUND_WAITING];
};

struct bound_paths {
    struct bound_path paths[BOUND_PATHS];
};

/* bound_path_find, bound_path_by_id - NULL: none. */
const struct bound_path *bound_path_find(const struct bound_paths *paths,
                                         const struct ike_path *path);
struct bound_path *bound_path_by_id(struct bound_paths *paths, uint32_t id);

/* bound_path_add - adds a path whose sockets the supervisor was asked for under this id. false: the
 * path exists already, or all places are taken. */
bool bound_path_add(struct bound_paths *paths, const struct ike_path *path, uint32_t id);

/* bound_path_delay - keeps a copy of an IPv6 datagram until the sockets of its path are open.
 * Without room the datagram is lost, and IKE retransmits it. false: send it now. */
bool bound_path_delay(struct bound_paths *paths, const struct ike_datagram *datagram);

/* bound_path_waiting - takes the oldest datagram that waits; the caller frees it. NULL: none. */
struct ike_datagram *bound_path_waiting(struct bound_path *path);

/* bound_path_forget - the path has no sockets of its own. Datagrams that wait are lost. */
void bound_path_forget(struct bound_path *path);

#endif
