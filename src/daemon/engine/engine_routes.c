/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Where packets of the host itself go to and come from. With an inner address they come from that.
 * Without one, as between two networks or from host to host, the kernel would choose any address of
 * the host, and the Child SA carries only what its selectors take: so the routes prefer an own
 * address that they do take, the one of the path before others.
 */

#include "daemon/engine/engine_state.h"

static bool takes(const struct ike_ts_list *list, const struct address *address)
{
    for (size_t i = 0; i < list->n; i++)
        if (range_contains(&list->ts[i].range, address))
            return true;
    return false;
}

static void consider(const struct ike_ts_list *local_ts, const struct address *address,
                     struct host_own *own)
{
    struct address *best = address->family == ADDRESS_V6 ? &own->v6 : &own->v4;
    if (best->family == ADDRESS_NONE && !address_is_link_local(address) && takes(local_ts, address))
        *best = *address;
}

static bool has_address(const struct path_link *links, const struct address *address)
{
    for (size_t i = 0; i < PATH_LINKS; i++)
        for (size_t j = 0; links[i].up && j < links[i].n_addresses && j < PATH_LINK_ADDRESSES; j++)
            if (address_equal(&links[i].addresses[j], address))
                return true;
    return false;
}

void engine_routes_set(struct engine *e, const struct engine_route *route)
{
    struct host_own own = {0};
    struct ike_sa_info sa;
    struct ike_session_info session;
    bool there =
        ike_sa_get(e->ike, route->sa, &sa) && ike_session_get(e->ike, route->session, &session);
    if (there && has_address(e->links, &sa.path.local.address))
        consider(route->local_ts, &sa.path.local.address, &own);
    for (size_t i = 0; i < PATH_LINKS; i++)
        for (size_t j = 0; e->links[i].up && j < e->links[i].n_addresses && j < PATH_LINK_ADDRESSES;
             j++)
            consider(route->local_ts, &e->links[i].addresses[j], &own);
    host_routes(e->host, route->child, route->remote_ts,
                there && session.role == IKE_END_USER ? sa.config : NULL, &own);
}

static bool same_addresses(const struct path_link *a, const struct path_link *b)
{
    for (size_t i = 0; i < PATH_LINKS; i++)
        if (a[i].up != b[i].up || a[i].n_addresses != b[i].n_addresses ||
            memcmp(a[i].addresses, b[i].addresses, sizeof(a[i].addresses)) != 0)
            return false;
    return true;
}

void engine_routes_check(struct engine *e, const struct path_link before[PATH_LINKS])
{
    struct ike_child_info child = {0};
    if (same_addresses(before, e->links))
        return;
    while (ike_child_next(e->ike, child.id, &child)) {
        const struct engine_route route = {child.id, child.sa, child.session, &child.local_ts,
                                           &child.remote_ts};
        engine_routes_set(e, &route);
    }
}
