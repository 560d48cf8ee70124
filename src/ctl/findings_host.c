/* SPDX-License-Identifier: Apache-2.0 */
/* Findings that depend on the interfaces, routes and firewall of this host. */
#include <stdio.h>
#include <strings.h>

#include "ctl/config_view.h"
#include "ctl/findings.h"

/* --- interfaces --- */

static void find_interfaces(struct findings *findings, const struct tree *conn)
{
    char where[FINDING_WHERE];
    const struct tree *paths = config_key(conn, "paths");
    for (const struct tree *path = paths == NULL ? NULL : paths->first; path != NULL;
         path = path->next) {
        const char *name = config_text(path, "interface", "auto");
        if (strcasecmp(name, "auto") != 0 && if_nametoindex(name) == 0)
            findings_add(findings, "no-interface", findings_where(path, where),
                         "this host has no interface %s: the path stays down until it is there",
                         name);
    }
}

/* --- routes --- */

static const struct host_network *network_of(const struct host_view *host,
                                             const struct address_range *range)
{
    struct address_range common;
    for (size_t i = 0; i < host->n_networks; i++)
        if (range_intersect(range, &host->networks[i].range, &common))
            return &host->networks[i];
    return NULL;
}

/* other_router - another default router in a network of this host. The hosts of the network
 * probably send to it, not to this host. NULL: none. */
static const struct host_route *other_router(const struct host_view *host,
                                             const struct host_network *network)
{
    for (size_t i = 0; i < host->n_routes; i++)
        if (host->routes[i].prefix_len == 0 && host->routes[i].via.family != ADDRESS_NONE &&
            range_contains(&network->range, &host->routes[i].via))
            return &host->routes[i];
    return NULL;
}

/* find_route - looks for a route from this host to the network that peers may reach. */
static void find_route(struct findings *findings, const struct tree *child,
                       const struct address_range *to, const struct host_view *host)
{
    char where[FINDING_WHERE], range[RANGE_TEXT_MAX];
    const struct host_route *route = host_route_find(host, to);
    (void)range_print(to, range);
    if (route == NULL)
        findings_add(findings, "no-route", findings_where(child, where),
                     "this host has no route to %s, which peers may reach: add one", range);
    else if (route->prefix_len == 0)
        findings_add(findings, "no-route", findings_where(child, where),
                     "this host has only its default route, over %s, to %s, which peers may reach",
                     route->interface, range);
}

/* find_return - looks for a way back from the hosts of the network to the peers. */
static void find_return(struct findings *findings, const struct tree *conn,
                        const struct tree *child, const struct host_network *network,
                        const struct host_view *host)
{
    char where[FINDING_WHERE], range[RANGE_TEXT_MAX], own[ADDRESS_TEXT_MAX],
        other[ADDRESS_TEXT_MAX];
    const struct host_route *router = other_router(host, network);
    const char *peers = config_text(conn, "pools", NULL) != NULL
                            ? "the pool"
                            : config_text(child, "remote_ts", NULL);
    if (router == NULL || peers == NULL)
        return;
    findings_add(findings, "no-return-route", findings_where(child, where),
                 "hosts of %s have another router, as this host has (%s): it needs a route for %s "
                 "to %s, or answers do not come back",
                 range_print(&network->range, range), address_print(&router->via, other), peers,
                 address_print(&network->address, own));
}

static void find_routes(struct findings *findings, const struct tree *conn,
                        const struct tree *child, const struct host_view *host)
{
    struct tree *items = tree_items(config_key(child, "local_ts"));
    for (const struct tree *item = items == NULL ? NULL : items->first; item != NULL;
         item = item->next) {
        struct address_range to;
        unsigned len;
        if (!config_ts(tree_value_text(item), &to) || (range_to_prefix(&to, &len) && len == 0))
            continue;
        const struct host_network *network = network_of(host, &to);
        if (network == NULL)
            find_route(findings, child, &to, host);
        else
            find_return(findings, conn, child, network, host);
    }
    tree_free(items);
}

/* --- forwarding, firewall --- */

static bool carries(const struct tree *child, enum address_family family)
{
    struct tree *items = tree_items(config_key(child, "local_ts"));
    struct address_range range;
    bool found = false;
    for (const struct tree *item = items == NULL ? NULL : items->first; item != NULL;
         item = item->next)
        found |= config_ts(tree_value_text(item), &range) && range.first.family == family;
    tree_free(items);
    return found;
}

static void find_forwarding(struct findings *findings, const struct tree *child,
                            const struct host_view *host)
{
    char where[FINDING_WHERE];
    if (host->forwards_v4 == HOST_NO && carries(child, ADDRESS_V4))
        findings_add(findings, "no-forwarding", findings_where(child, where),
                     "this host forwards no IPv4: sysctl -w net.ipv4.ip_forward=1");
    if (host->forwards_v6 == HOST_NO && carries(child, ADDRESS_V6))
        findings_add(findings, "no-forwarding", findings_where(child, where),
                     "this host forwards no IPv6: sysctl -w net.ipv6.conf.all.forwarding=1");
}

static void find_firewall(struct findings *findings, const struct tree *conn,
                          const struct host_view *host)
{
    const struct {
        enum host_answer answer;
        unsigned port;
    } ports[] = {{host->lets_in_500, 500}, {host->lets_in_4500, 4500}};
    char where[FINDING_WHERE];
    for (size_t i = 0; i < 2; i++)
        if (ports[i].answer == HOST_NO)
            findings_add(findings, "firewall", findings_where(conn, where),
                         "nftables of this host drops UDP port %u: peers cannot log in; let "
                         "'udp dport { 500, 4500 } accept' come first",
                         ports[i].port);
}

void findings_host(struct findings *findings, const struct tree *conn, const struct host_view *host)
{
    enum config_role role = config_role(conn);
    const struct tree *children = config_key(conn, "children");
    find_interfaces(findings, conn);
    if (role == CONFIG_GATEWAY || role == CONFIG_SITE)
        find_firewall(findings, conn, host);
    for (const struct tree *child = children == NULL ? NULL : children->first; child != NULL;
         child = child->next) {
        if (!config_forwards(child))
            continue;
        find_forwarding(findings, child, host);
        find_routes(findings, conn, child, host);
    }
}

void findings_pools(struct findings *findings, const struct tree *pools,
                    const struct host_view *host)
{
    char where[FINDING_WHERE], range[RANGE_TEXT_MAX];
    for (const struct tree *pool = pools->first; pool != NULL; pool = pool->next) {
        struct address_range addresses;
        const struct host_network *network =
            config_pool_range(pool, &addresses) ? network_of(host, &addresses) : NULL;
        if (network != NULL)
            findings_add(findings, "pool-in-network", findings_where(pool, where),
                         "the pool lies in the network of %s (%s): hosts there look for its "
                         "addresses on their own link; take a network that is nowhere else",
                         network->interface, range_print(&network->range, range));
    }
}
