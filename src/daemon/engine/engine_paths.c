/* SPDX-License-Identifier: Apache-2.0 */

/*
 * UDP sockets of single paths, bound to interface and address. So the routing table cannot send a
 * packet of the path out of another interface. A packet that arrives on another interface does not
 * count for the path. The supervisor opens the sockets. The data plane owns those of NAT_PORT, the
 * engine that of IKE_PORT. If the supervisor refuses, or too many exist, packets leave by the
 * wildcard sockets, and each send names the interface. Linux follows that name for IPv4. For IPv6
 * it may take the route of another interface, so that a datagram waits until the sockets are there
 * (bound_paths.h).
 */

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/common/log.h"
#include "daemon/engine/engine_state.h"

void engine_path_bind(struct engine *e, const struct ike_path *path)
{
    bool ours = path->local.port == NAT_PORT || path->local.port == IKE_PORT;
    uint32_t id = (uint32_t)engine_number(e);
    if (path->interface != 0 && ours && bound_path_add(&e->bound, path, id))
        host_path_sockets(e->host, id, path->interface, &path->local);
}

int engine_path_socket(const struct engine *e, const struct ike_path *path)
{
    const struct bound_path *b = bound_path_find(&e->bound, path);
    return b == NULL ? -1 : b->ike_fd;
}

/* bound_close - the path has no sockets of its own any more. */
static void bound_close(struct engine *e, struct bound_path *b)
{
    if (b->ike_fd >= 0) {
        event_loop_remove(e->loop, b->ike_fd);
        close(b->ike_fd);
    }
    bound_path_forget(b);
}

/* bound_open - takes the sockets that the supervisor opened. Errors leave them to the caller. */
static int bound_open(struct engine *e, struct bound_path *b, const struct host_sockets *sockets)
{
    if (b->local.port == NAT_PORT)
        return esp_plane_path_socket_add(e->esp, b->id, b->interface, &b->local, sockets->fds,
                                         sockets->n);
    int error = sockets->n == 1 ? engine_ike_port_add(e, sockets->fds[0]) : ERR_NOT_FOUND;
    if (error == 0)
        b->ike_fd = sockets->fds[0];
    return error;
}

void engine_path_bound(struct engine *e, const struct host_sockets *sockets)
{
    struct bound_path *b = bound_path_by_id(&e->bound, sockets->id);
    int error = sockets->error != 0 ? sockets->error : ERR_NOT_FOUND;
    struct ike_datagram *datagram;
    if (b != NULL && sockets->error == 0)
        error = bound_open(e, b, sockets);
    for (unsigned i = 0; error != 0 && i < sockets->n; i++)
        close(sockets->fds[i]);
    log_line(LOG_LEVEL_DEBUG, "event=path-sockets interface=%u result=%s",
             b == NULL ? 0 : b->interface, error_text(error));
    if (b == NULL)
        return;
    b->there = true; /* or the wildcard sockets serve */
    while ((datagram = bound_path_waiting(b)) != NULL) {
        engine_datagram_send(e, datagram);
        free(datagram);
    }
    if (error != 0)
        bound_close(e, b);
}

static bool address_there(const struct engine *e, size_t n_links, const struct bound_path *b)
{
    for (size_t i = 0; i < n_links; i++)
        for (size_t j = 0; e->links[i].index == b->interface && j < e->links[i].n_addresses; j++)
            if (address_equal(&e->links[i].addresses[j], &b->local.address))
                return true;
    return false;
}

void engine_paths_check(struct engine *e, size_t n_links)
{
    for (size_t i = 0; i < BOUND_PATHS; i++) {
        struct bound_path *b = &e->bound.paths[i];
        if (b->id == 0 || address_there(e, n_links, b))
            continue;
        if (!b->there || b->ike_fd >= 0 || esp_plane_path_socket_remove(e->esp, b->id) == 0)
            bound_close(e, b);
    }
}

void engine_paths_done(struct engine *e)
{
    for (size_t i = 0; i < BOUND_PATHS; i++)
        if (e->bound.paths[i].id != 0)
            bound_close(e, &e->bound.paths[i]);
}
