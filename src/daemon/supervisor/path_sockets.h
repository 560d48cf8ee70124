/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_PATH_SOCKETS_H
#define DAEMON_PATH_SOCKETS_H

/* The sockets of a path, which the supervisor opens for the engine (PRIV_PATH_SOCKETS). */

#include "daemon/common/channel.h"

#define PATH_SOCKETS_KEPT 16

/*
 * struct path_sockets - those that were opened last. They stay open beside the engine's copies, so that datagrams wait
 * for the engine that follows (ikat upgrade). It asks for the same paths, and gets the same sockets: others beside them
 * would share the datagrams of the path. Zeroed: none.
 */
struct path_sockets {
    struct path_sockets_of {
        uint32_t interface;
        uint16_t port;
        struct address address;
        unsigned n; /* 0: free */
        int fds[LIMIT_WORKERS];
        uint64_t used;
    } kept[PATH_SOCKETS_KEPT];
    uint64_t uses;
};

/* path_sockets_get - sockets bound to the address and the interface: for NAT_PORT one per worker, for
 * IKE_PORT one. *ret_n: how many of `ret_fds` the caller has to close. ERR_INVALID: another port, or no
 * interface; ERR_SYSTEM. path_sockets_done - closes those that were kept. */
int path_sockets_get(struct path_sockets *sockets, const struct priv_request *request,
                     unsigned n_workers, uint32_t *ret_n, int ret_fds[LIMIT_WORKERS]) MUST_USE;
void path_sockets_done(struct path_sockets *sockets);

#endif
