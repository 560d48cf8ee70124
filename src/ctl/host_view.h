/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_HOST_VIEW_H
#define CTL_HOST_VIEW_H

/*
 * The facts about this host that `ikat check` and `ikat doctor` need: its networks and routes,
 * whether it forwards packets, and whether its firewall lets IKE in. All are of the network
 * namespace in which `ikat` runs.
 */

#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>

#include "base/address.h"

/* struct host_network - an address of an interface, with its prefix. */
struct host_network {
    char interface[IF_NAMESIZE];
    struct address address;
    struct address_range range;
};

/* struct host_route - a route of the main table. */
struct host_route {
    char interface[IF_NAMESIZE];
    struct address_range to;
    unsigned prefix_len;
    struct address via; /* ADDRESS_NONE: on the link */
};

enum host_answer { HOST_UNKNOWN, HOST_YES, HOST_NO };

struct host_view {
    struct host_network *networks; /* owned; without loopback and point-to-point interfaces */
    size_t n_networks;
    struct host_route *routes; /* owned */
    size_t n_routes;
    enum host_answer forwards_v4, forwards_v6;
    enum host_answer lets_in_500, lets_in_4500; /* UDP; UNKNOWN without rights to look */
};

/* host_view_read - reads all facts; a fact that cannot be read stays unknown or empty. */
void host_view_read(struct host_view *ret_view);
void host_view_done(struct host_view *view);

/* host_route_find - the route for packets to the whole range, borrowed; NULL: none is known. */
const struct host_route *host_route_find(const struct host_view *view,
                                         const struct address_range *to);

/* host_interface_trouble - why an interface cannot send; NULL: it can. `all`: of getifaddrs(3). */
const char *host_interface_trouble(const struct ifaddrs *all, const char *interface);

/* host_number_read - the number in a file of /proc or /sys; -1: no file, or no number. */
long host_number_read(const char *path);

/* host_routes_read - adds the routes of a file in the form of /proc/net/route. */
void host_routes_read(struct host_view *view, FILE *file);
/* host_routes6_read - the same for /proc/net/ipv6_route. */
void host_routes6_read(struct host_view *view, FILE *file);

/* host_firewall_lets_in - whether the rules, the output of `nft list ruleset`, let in a new UDP
 * packet for the port. This is an estimate: the first rule for the port decides, or else the policy
 * of the input chains. ikatd's own table does not count. */
enum host_answer host_firewall_lets_in(FILE *rules, unsigned port);

#endif
