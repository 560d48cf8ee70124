/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/supervisor/host_networks.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/common/log.h"
#include "daemon/supervisor/privileged_state.h"
#include "linux/host_facts.h"

/* lan_inside - the network must stay in the tunnel. Either a route or block of ours covers it;
 * default routes do not count. Or it contains an inner address or a name server of the Gateway: the
 * operator of a Wi-Fi chooses its network, and must not get packets for them. */
static bool lan_inside(const struct privileged *p, const struct address_range *network)
{
    struct entry *entry, *next;
    struct address_range range;
    HASH_ITER(hh, p->entries, entry, next)
    {
        const struct entry_key *key = &entry->key;
        bool names = key->kind == ENTRY_ROUTE || key->kind == ENTRY_BLOCK;
        bool given = key->kind == ENTRY_ADDRESS || key->kind == ENTRY_INSIDE;
        if (given && range_contains(network, &key->address))
            return true;
        if (names && key->prefix_len >= PROTECTED_LEAST &&
            range_from_prefix(&key->address, key->prefix_len, &range) &&
            range_within(network, &range))
            return true;
    }
    return false;
}

struct lan_list {
    struct packet_filter_prefix networks[LANS_MAX];
    size_t n;
};

static int lan_note(void *context, const struct address *address, unsigned prefix_len)
{
    struct lan_list *list = context;
    struct address_range network;
    if (list->n < LANS_MAX && lan_network(address, prefix_len) &&
        range_from_prefix(address, prefix_len, &network))
        list->networks[list->n++] =
            (struct packet_filter_prefix){network.first, (uint8_t)prefix_len};
    return 0;
}

/* lan_take - adds the network. If the kernel refuses its route, its packets use the tunnel, as with
 * `block`. */
static void lan_take(struct privileged *p, const struct packet_filter_prefix *network)
{
    struct address_range range;
    struct entry_key key;
    memset(&key, 0, sizeof(key)); /* keys are compared as octets */
    key.kind = ENTRY_LAN;
    key.prefix_len = network->prefix_len;
    key.address = network->address;
    if (!range_from_prefix(&key.address, key.prefix_len, &range) || lan_inside(p, &range))
        return;
    struct entry *known = entry_find(p, &key);
    if (known != NULL) {
        known->stale = false;
    } else if (entry_add(p, &key) == 0 &&
               entry_run(p, NETLINK_ADD, &key, &(struct address){0}) != 0) {
        entry_drop(p, entry_find(p, &key));
    }
}

static void lans_drop_stale(struct privileged *p)
{
    struct entry *entry, *next;
    HASH_ITER(hh, p->entries, entry, next)
    {
        if (entry->key.kind != ENTRY_LAN || !entry->stale)
            continue;
        if (entry_run(p, NETLINK_DELETE, &entry->key, &(struct address){0}) != 0)
            log_line(LOG_LEVEL_WARNING, "event=host-network-stays reason=\"%s\"", strerror(errno));
        entry_drop(p, entry);
    }
}

/* lan_inside() reads entries of these kinds. */
bool host_networks_concern(uint32_t kind)
{
    return (kind >= PRIV_ADDRESS_ADD && kind <= PRIV_BLOCK_REMOVE) || kind == PRIV_INSIDE_ADD ||
           kind == PRIV_INSIDE_REMOVE;
}

/* Link-local networks exist on each link. */
int host_networks_settle(struct privileged *p)
{
    struct lan_list list = {
        .networks = {{{.family = ADDRESS_V4, .octets = {169, 254}}, 16},
                     {{.family = ADDRESS_V6, .octets = {0xfe, 0x80}}, 10}},
        .n = 2,
    };
    struct entry *entry, *next;
    p->lan_old = false;
    int error = p->lan ? netlink_own_each(p->netlink, p->index, lan_note, &list) : 0;
    HASH_ITER(hh, p->entries, entry, next)
    entry->stale |= entry->key.kind == ENTRY_LAN;
    for (size_t i = 0; p->lan && i < list.n; i++)
        lan_take(p, &list.networks[i]);
    lans_drop_stale(p);
    return error;
}

int host_networks_forget(struct privileged *p)
{
    struct netlink_route *routes = NULL;
    size_t n = 0;
    int error = netlink_routes_list(p->netlink, ROUTE_TABLE, NETLINK_THROW, &routes, &n);
    for (size_t i = 0; error == 0 && i < n; i++)
        error = netlink_throw(p->netlink, NETLINK_DELETE, &routes[i]);
    free(routes);
    return error;
}
