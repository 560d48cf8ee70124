/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/exchanges/transport_terms.h"

#include "ike/core/sa.h"
#include "ike/terms/narrow.h"

static void narrow_to(const struct address *host, const struct ike_ts_list *from,
                      struct ike_ts_list *ret_list)
{
    const struct ike_ts_list one = {.n = 1,
                                    .ts = {{.end_port = UINT16_MAX, .range = {*host, *host}}}};
    ts_narrow(from, &one, ret_list);
}

bool transport_narrow(const struct sa *sa, struct ike_ts_list *own, struct ike_ts_list *peer)
{
    struct ike_ts_list own_host, peer_host;
    narrow_to(&sa->path.local.address, own, &own_host);
    narrow_to(&sa->path.remote.address, peer, &peer_host);
    if (own_host.n == 0 || peer_host.n == 0)
        return false;
    *own = own_host;
    *peer = peer_host;
    return true;
}

static bool of_one_host(const struct ike_ts_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        if (!address_equal(&list->ts[i].range.first, &list->ts[i].range.last) ||
            !address_equal(&list->ts[i].range.first, &list->ts[0].range.first))
            return false;
    return list->n > 0;
}

static void address_set(struct ike_ts_list *list, const struct address *address)
{
    for (size_t i = 0; i < list->n; i++)
        list->ts[i].range = (struct address_range){*address, *address};
}

bool transport_seen(const struct sa *sa, struct ike_ts_list *own, struct ike_ts_list *peer)
{
    if (!of_one_host(own) || !of_one_host(peer))
        return false;
    if (sa->nat_local)
        address_set(own, &sa->path.local.address);
    if (sa->nat_remote)
        address_set(peer, &sa->path.remote.address);
    return true;
}

bool transport_between_hosts(const struct sa *sa, const struct ike_ts_list *own,
                             const struct ike_ts_list *peer)
{
    return of_one_host(own) && of_one_host(peer) &&
           address_equal(&own->ts[0].range.first, &sa->path.local.address) &&
           address_equal(&peer->ts[0].range.first, &sa->path.remote.address);
}
