/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_HOST_VIEW_H
#define CTL_HOST_VIEW_H

/*
 * What `ikat check` and `ikat doctor` look up on this host: its networks, its routes, and whether
 * it forwards and lets IKE in. It is the view of the network namespace in which `ikat` runs.
 */

#include <net/if.h>
#include <stdio.h>

#include "base/address.h"

/* struct host_network - an address of an interface, with its prefix. */
struct host_network {
    char interface[IF_NAMESIZE];
    struct address address;
    struct address_range range;
};

/* struct host_route - of the main table. */
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

/* host_view_read - what cannot be read stays unknown or empty. */
void host_view_read(struct host_view *ret_view);
void host_view_done(struct host_view *view);

/* host_route_find - the route that packets to the whole range take; NULL: none is known. */
const struct host_route *host_route_find(const struct host_view *view,
                                         const struct address_range *to);

/* host_number_read - the number in a file of /proc or /sys; -1: none. */
long host_number_read(const char *path);

/* host_routes_read - adds the routes of a file in the form of /proc/net/route. */
void host_routes_read(struct host_view *view, FILE *file);
/* host_routes6_read - the same of /proc/net/ipv6_route. */
void host_routes6_read(struct host_view *view, FILE *file);

/* host_firewall_lets_in - whether a new UDP packet for the port passes the text of `nft list
 * ruleset`. ikatd's own table does not count. The rules are read, not executed: the first rule for
 * the port decides, else the policy of the input chains. */
enum host_answer host_firewall_lets_in(FILE *rules, unsigned port);

#endif
