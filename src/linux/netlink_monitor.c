/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/netlink_monitor.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "linux/netlink_change.h"

#define DUMP_TRIES 5

struct netlink_monitor {
    struct mnl_socket *bell, *dump;
    unsigned port, sequence;
    char buf[32768];
};

static struct mnl_socket *socket_open(int flags, unsigned groups)
{
    struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | flags);
    if (socket != NULL && mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0) {
        mnl_socket_close(socket);
        return NULL;
    }
    return socket;
}

int netlink_monitor_open(struct netlink_monitor **ret_monitor)
{
    struct netlink_monitor *monitor = calloc(1, sizeof(*monitor));
    if (monitor == NULL)
        return ERR_NO_MEMORY;
    struct timeval patience = {.tv_sec = 2};
    monitor->bell =
        socket_open(SOCK_NONBLOCK, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
                                       RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE);
    monitor->dump = socket_open(0, 0);
    if (monitor->bell == NULL || monitor->dump == NULL ||
        setsockopt(mnl_socket_get_fd(monitor->dump), SOL_SOCKET, SO_RCVTIMEO, &patience,
                   sizeof(patience)) < 0) {
        netlink_monitor_free(monitor);
        return ERR_SYSTEM;
    }
    monitor->port = mnl_socket_get_portid(monitor->dump);
    *ret_monitor = monitor;
    return 0;
}

struct netlink_monitor *netlink_monitor_free(struct netlink_monitor *monitor)
{
    if (monitor != NULL) {
        if (monitor->bell != NULL)
            mnl_socket_close(monitor->bell);
        if (monitor->dump != NULL)
            mnl_socket_close(monitor->dump);
        free(monitor);
    }
    return NULL;
}

int netlink_monitor_fd(const struct netlink_monitor *monitor)
{
    return mnl_socket_get_fd(monitor->bell);
}

/* ours_only - the message is about routes that ikat set. No snapshot shows them. A Gateway sets
 * routes at logins, and each dump costs more the more of them exist. */
static bool ours_only(const void *octets, size_t len)
{
    int left = (int)len;
    const struct nlmsghdr *header = octets;
    for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
        const struct rtmsg *body = mnl_nlmsg_get_payload(header);
        if ((header->nlmsg_type != RTM_NEWROUTE && header->nlmsg_type != RTM_DELROUTE) ||
            mnl_nlmsg_get_payload_len(header) < sizeof(*body) ||
            body->rtm_protocol != NETLINK_PROTOCOL)
            return false;
    }
    return left == 0;
}

bool netlink_monitor_changed(struct netlink_monitor *monitor)
{
    bool changed = false;
    for (;;) {
        struct sockaddr_nl from = {0};
        socklen_t len = sizeof(from);
        ssize_t got = recvfrom(netlink_monitor_fd(monitor), monitor->buf, sizeof(monitor->buf), 0,
                               (struct sockaddr *)&from, &len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno != ENOBUFS)
            return changed;
        /* port 0 is the kernel; messages of other processes are ignored */
        if (got < 0 || (from.nl_pid == 0 && !ours_only(monitor->buf, (size_t)got)))
            changed = true;
    }
}

/* --- the snapshot --- */

struct snapshot {
    uint32_t without;
    struct path_link *links;
    size_t cap, n;
};

static struct path_link *link_find(struct snapshot *snapshot, uint32_t index)
{
    for (size_t i = 0; i < snapshot->n; i++)
        if (snapshot->links[i].index == index)
            return &snapshot->links[i];
    return NULL;
}

#define ATTRIBUTES 32
struct attributes {
    const struct nlattr *of[ATTRIBUTES];
};

static int attribute_note(const struct nlattr *attr, void *context)
{
    struct attributes *attributes = context;
    if (mnl_attr_get_type(attr) < ATTRIBUTES)
        attributes->of[mnl_attr_get_type(attr)] = attr;
    return MNL_CB_OK;
}

static void attributes_read(const struct nlmsghdr *header, size_t body_len,
                            struct attributes *ret_attributes)
{
    *ret_attributes = (struct attributes){0};
    (void)mnl_attr_parse(header, (unsigned)body_len, attribute_note, ret_attributes);
}

static struct span attribute_span(const struct attributes *attributes, unsigned type)
{
    const struct nlattr *attr = attributes->of[type];
    return attr == NULL ? (struct span){0}
                        : span_of(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
}

static uint32_t attribute_u32(const struct attributes *attributes, unsigned type, uint32_t other)
{
    struct span octets = attribute_span(attributes, type);
    uint32_t value = other;
    if (octets.len >= sizeof(value))
        memcpy(&value, octets.ptr, sizeof(value));
    return value;
}

static int link_seen(const struct nlmsghdr *header, void *context)
{
    struct snapshot *snapshot = context;
    const struct ifinfomsg *body = mnl_nlmsg_get_payload(header);
    if (header->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(header) < sizeof(*body))
        return MNL_CB_OK;
    uint32_t index = (uint32_t)body->ifi_index;
    if ((body->ifi_flags & IFF_LOOPBACK) || index == snapshot->without ||
        snapshot->n == snapshot->cap || link_find(snapshot, index) != NULL)
        return MNL_CB_OK;
    struct path_link *link = &snapshot->links[snapshot->n];
    *link = (struct path_link){.index = index};
    link->up = (body->ifi_flags & IFF_UP) && (body->ifi_flags & IFF_LOWER_UP);
    struct attributes attributes;
    attributes_read(header, sizeof(*body), &attributes);
    link->mtu = attribute_u32(&attributes, IFLA_MTU, 0);
    struct span name = attribute_span(&attributes, IFLA_IFNAME);
    if (name.len > 1 && name.len <= sizeof(link->name))
        memcpy(link->name, name.ptr, name.len - 1);
    if (link->name[0] != '\0')
        snapshot->n++;
    return MNL_CB_OK;
}

static int address_seen(const struct nlmsghdr *header, void *context)
{
    struct snapshot *snapshot = context;
    const struct ifaddrmsg *body = mnl_nlmsg_get_payload(header);
    if (header->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(header) < sizeof(*body))
        return MNL_CB_OK;
    struct path_link *link = link_find(snapshot, body->ifa_index);
    struct address address = {0}, local = {0};
    struct attributes attributes;
    attributes_read(header, sizeof(*body), &attributes);
    (void)address_from(attribute_span(&attributes, IFA_ADDRESS), &address);
    (void)address_from(attribute_span(&attributes, IFA_LOCAL), &local);
    uint32_t flags = attribute_u32(&attributes, IFA_FLAGS, body->ifa_flags);
    if (local.family != ADDRESS_NONE)
        address = local; /* point-to-point: IFA_ADDRESS is the peer's */
    /* an address that is still checked, or failed the check, must not be a source */
    if (link == NULL || address.family == ADDRESS_NONE || body->ifa_scope >= RT_SCOPE_HOST ||
        (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED)) ||
        address_is_link_local(&address) || link->n_addresses == PATH_LINK_ADDRESSES)
        return MNL_CB_OK;
    link->addresses[link->n_addresses++] = address;
    return MNL_CB_OK;
}

/* Routes of all tables count: a host with several uplinks has its second default route in another
 * table, and our sockets are bound to the interface. */
static int route_seen(const struct nlmsghdr *header, void *context)
{
    struct snapshot *snapshot = context;
    const struct rtmsg *body = mnl_nlmsg_get_payload(header);
    if (header->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(header) < sizeof(*body))
        return MNL_CB_OK;
    if (body->rtm_type != RTN_UNICAST || body->rtm_protocol == NETLINK_PROTOCOL ||
        (body->rtm_family != AF_INET && body->rtm_family != AF_INET6) ||
        (body->rtm_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)))
        return MNL_CB_OK;
    struct attributes attributes;
    attributes_read(header, sizeof(*body), &attributes);
    struct address destination = {0};
    if (!address_from(attribute_span(&attributes, RTA_DST), &destination))
        destination.family = body->rtm_family == AF_INET6 ? ADDRESS_V6 : ADDRESS_V4;
    struct path_link *link = link_find(snapshot, attribute_u32(&attributes, RTA_OIF, 0));
    if (attribute_u32(&attributes, RTA_TABLE, body->rtm_table) == RT_TABLE_LOCAL || link == NULL ||
        link->n_routes == PATH_LINK_ROUTES || address_is_link_local(&destination) ||
        address_is_multicast(&destination))
        return MNL_CB_OK;
    struct path_route *route = &link->routes[link->n_routes];
    if (range_from_prefix(&destination, body->rtm_dst_len, &route->destination)) {
        route->metric = attribute_u32(&attributes, RTA_PRIORITY, 0);
        link->n_routes++;
    }
    return MNL_CB_OK;
}

/* ERR_AGAIN: the kernel's tables changed under the dump. */
static int dump_run(struct netlink_monitor *monitor, uint16_t type, mnl_cb_t each,
                    struct snapshot *snapshot)
{
    char request[64] = {0};
    struct nlmsghdr *header = mnl_nlmsg_put_header(request);
    header->nlmsg_type = type;
    header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    header->nlmsg_seq = ++monitor->sequence;
    struct rtgenmsg *body = mnl_nlmsg_put_extra_header(header, sizeof(*body));
    body->rtgen_family = AF_UNSPEC;
    if (mnl_socket_sendto(monitor->dump, header, header->nlmsg_len) < 0)
        return ERR_SYSTEM;
    int rc = 1;
    while (rc > 0) {
        ssize_t got = mnl_socket_recvfrom(monitor->dump, monitor->buf, sizeof(monitor->buf));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ERR_SYSTEM;
        rc =
            mnl_cb_run(monitor->buf, (size_t)got, monitor->sequence, monitor->port, each, snapshot);
        if (rc < 0 && (errno == EPROTO || errno == ESRCH))
            rc = 1; /* messages that remain of an older dump, which was broken off */
        else if (rc < 0)
            return errno == EINTR ? ERR_AGAIN : ERR_SYSTEM;
    }
    return 0;
}

int netlink_monitor_snapshot(struct netlink_monitor *monitor, uint32_t without,
                             struct path_link *ret_links, size_t cap, size_t *ret_n)
{
    int error = ERR_AGAIN;
    for (unsigned try = 0; try < DUMP_TRIES && error == ERR_AGAIN; try++) {
        struct snapshot snapshot = {.without = without, .links = ret_links, .cap = cap};
        error = dump_run(monitor, RTM_GETLINK, link_seen, &snapshot);
        if (error == 0)
            error = dump_run(monitor, RTM_GETADDR, address_seen, &snapshot);
        if (error == 0)
            error = dump_run(monitor, RTM_GETROUTE, route_seen, &snapshot);
        *ret_n = snapshot.n;
    }
    return error == ERR_AGAIN ? 0 : error; /* further changes make the socket readable again */
}
