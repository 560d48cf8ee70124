/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine/bound_paths.h"

#include <stdlib.h>

#define NOWHERE SIZE_MAX

static size_t place_of(const struct bound_paths *paths, const struct ike_path *path)
{
    for (size_t i = 0; i < BOUND_PATHS; i++) {
        const struct bound_path *b = &paths->paths[i];
        if (b->id != 0 && b->interface == path->interface &&
            endpoint_equal(&b->local, &path->local))
            return i;
    }
    return NOWHERE;
}

const struct bound_path *bound_path_find(const struct bound_paths *paths,
                                         const struct ike_path *path)
{
    size_t place = place_of(paths, path);
    return place == NOWHERE ? NULL : &paths->paths[place];
}

struct bound_path *bound_path_by_id(struct bound_paths *paths, uint32_t id)
{
    for (size_t i = 0; i < BOUND_PATHS; i++)
        if (paths->paths[i].id == id)
            return &paths->paths[i];
    return NULL;
}

bool bound_path_add(struct bound_paths *paths, const struct ike_path *path, uint32_t id)
{
    struct bound_path *unused = bound_path_by_id(paths, 0);
    if (unused == NULL || place_of(paths, path) != NOWHERE)
        return false;
    *unused = (struct bound_path){
        .id = id, .ike_fd = -1, .interface = path->interface, .local = path->local};
    return true;
}

bool bound_path_delay(struct bound_paths *paths, const struct ike_datagram *datagram)
{
    size_t place = place_of(paths, &datagram->path);
    if (place == NOWHERE || paths->paths[place].there ||
        datagram->path.local.address.family != ADDRESS_V6)
        return false;
    struct bound_path *b = &paths->paths[place];
    struct ike_datagram *copy = b->n_waiting < BOUND_WAITING ? malloc(sizeof(*copy)) : NULL;
    if (copy != NULL) {
        *copy = *datagram;
        b->waiting[b->n_waiting++] = copy;
    }
    return true;
}

struct ike_datagram *bound_path_waiting(struct bound_path *path)
{
    if (path->n_waiting == 0)
        return NULL;
    struct ike_datagram *oldest = path->waiting[0];
    path->n_waiting--;
    memmove(path->waiting, path->waiting + 1, path->n_waiting * sizeof(oldest));
    return oldest;
}

void bound_path_forget(struct bound_path *path)
{
    for (size_t i = 0; i < path->n_waiting; i++)
        free(path->waiting[i]);
    *path = (struct bound_path){.ike_fd = -1};
}
