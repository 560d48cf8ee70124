/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/netlink_change.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "linux/udp_socket.h"

#define ANSWER_MAX 32768 /* the most that the kernel packs into one message of a dump */

struct netlink {
    struct mnl_socket *socket;
    unsigned port, sequence;
};

int netlink_open(struct netlink **ret_netlink)
{
    struct netlink *netlink = calloc(1, sizeof(*netlink));
    if (netlink == NULL)
        return ERR_NO_MEMORY;
    struct timeval patience = {.tv_sec = 2}; /* the kernel answers at once or never */
    netlink->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (netlink->socket == NULL || mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
        setsockopt(mnl_socket_get_fd(netlink->socket), SOL_SOCKET, SO_RCVTIMEO, &patience,
                   sizeof(patience)) < 0) {
        netlink_free(netlink);
        return ERR_SYSTEM;
    }
    netlink->port = mnl_socket_get_portid(netlink->socket);
    *ret_netlink = netlink;
    return 0;
}

struct netlink *netlink_free(struct netlink *netlink)
{
    int saved = errno;
    if (netlink != NULL && netlink->socket != NULL)
        mnl_socket_close(netlink->socket);
    free(netlink);
    errno = saved;
    return NULL;
}

static struct nlmsghdr *request_begin(struct netlink *netlink, void *buf, uint16_t type,
                                      uint16_t flags)
{
    struct nlmsghdr *header = mnl_nlmsg_put_header(buf);
    header->nlmsg_type = type;
    header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    header->nlmsg_seq = ++netlink->sequence;
    return header;
}

/* Sends a request and reads its answers up to the last one. A message with another sequence number
 * or port ends the request: only the kernel may write to this socket. */
static int request_run(struct netlink *netlink, struct nlmsghdr *header, mnl_cb_t each,
                       void *context)
{
    char *buf = malloc(ANSWER_MAX);
    int rc = buf == NULL ? -1 : (int)mnl_socket_sendto(netlink->socket, header, header->nlmsg_len);
    while (rc > 0) {
        ssize_t got = mnl_socket_recvfrom(netlink->socket, buf, ANSWER_MAX);
        if (got < 0 && errno == EINTR)
            continue;
        rc = got < 0
                 ? -1
                 : mnl_cb_run(buf, (size_t)got, netlink->sequence, netlink->port, each, context);
    }
    int saved = errno;
    free(buf);
    errno = saved;
    return rc < 0 ? ERR_SYSTEM : 0;
}

static int change_run(struct netlink *netlink, enum netlink_change change, struct nlmsghdr *header)
{
    int error = request_run(netlink, header, NULL, NULL);
    if (error == 0)
        return 0;
    if (change == NETLINK_ADD && errno == EEXIST)
        return 0;
    if (change == NETLINK_DELETE &&
        (errno == ESRCH || errno == ENOENT || errno == EADDRNOTAVAIL || errno == ENODEV))
        return 0;
    return error;
}

static uint8_t family_of(const struct address *address)
{
    return address->family == ADDRESS_V6 ? AF_INET6 : AF_INET;
}

static void put_address(struct nlmsghdr *header, uint16_t type, const struct address *address)
{
    mnl_attr_put(header, type, address_len(address), address->octets);
}

static int address_change(struct netlink *netlink, enum netlink_change change, uint32_t interface,
                          const struct address *address, uint8_t scope)
{
    char buf[256] = {0};
    struct nlmsghdr *header =
        change == NETLINK_ADD
            ? request_begin(netlink, buf, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)
            : request_begin(netlink, buf, RTM_DELADDR, NLM_F_ACK);
    struct ifaddrmsg *body = mnl_nlmsg_put_extra_header(header, sizeof(*body));
    body->ifa_family = family_of(address);
    body->ifa_prefixlen = (uint8_t)(address_len(address) * 8);
    body->ifa_scope = scope;
    body->ifa_index = interface;
    put_address(header, IFA_LOCAL, address);
    put_address(header, IFA_ADDRESS, address);
    if (change == NETLINK_ADD)
        mnl_attr_put_u32(header, IFA_FLAGS, IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
    return change_run(netlink, change, header);
}

int netlink_address(struct netlink *netlink, enum netlink_change change, uint32_t interface,
                    const struct address *address)
{
    return address_change(netlink, change, interface, address, RT_SCOPE_UNIVERSE);
}

int netlink_address_dummy(struct netlink *netlink, uint32_t interface)
{
    static const struct address dummy = {.family = ADDRESS_V4, .octets = {192, 0, 0, 8}};
    return address_change(netlink, NETLINK_ADD, interface, &dummy, RT_SCOPE_HOST);
}

int netlink_link_silence(struct netlink *netlink, uint32_t interface)
{
    char buf[256] = {0};
    struct nlmsghdr *header = request_begin(netlink, buf, RTM_NEWLINK, NLM_F_ACK);
    struct ifinfomsg *body = mnl_nlmsg_put_extra_header(header, sizeof(*body));
    body->ifi_family = AF_UNSPEC;
    body->ifi_index = (int)interface;
    struct nlattr *families = mnl_attr_nest_start(header, IFLA_AF_SPEC);
    struct nlattr *six = mnl_attr_nest_start(header, AF_INET6);
    mnl_attr_put_u8(header, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    mnl_attr_nest_end(header, six);
    mnl_attr_nest_end(header, families);
    return change_run(netlink, NETLINK_ADD, header);
}

int netlink_link_delete(struct netlink *netlink, uint32_t interface)
{
    char buf[256] = {0};
    struct nlmsghdr *header = request_begin(netlink, buf, RTM_DELLINK, NLM_F_ACK);
    struct ifinfomsg *body = mnl_nlmsg_put_extra_header(header, sizeof(*body));
    body->ifi_family = AF_UNSPEC;
    body->ifi_index = (int)interface;
    return change_run(netlink, NETLINK_DELETE, header);
}

static int route_change(struct netlink *netlink, enum netlink_change change,
                        const struct netlink_route *route, uint8_t type)
{
    char buf[256] = {0};
    struct nlmsghdr *header =
        change == NETLINK_ADD
            ? request_begin(netlink, buf, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE)
            : request_begin(netlink, buf, RTM_DELROUTE, NLM_F_ACK);
    struct rtmsg *body = mnl_nlmsg_put_extra_header(header, sizeof(*body));
    bool link = type == RTN_UNICAST && route->destination.family != ADDRESS_V6;
    body->rtm_family = family_of(&route->destination);
    body->rtm_dst_len = route->prefix_len;
    body->rtm_protocol = NETLINK_PROTOCOL;
    body->rtm_type = type;
    body->rtm_scope = link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    put_address(header, RTA_DST, &route->destination);
    mnl_attr_put_u32(header, RTA_TABLE, route->table);
    if (type == RTN_UNICAST)
        mnl_attr_put_u32(header, RTA_OIF, route->interface);
    mnl_attr_put_u32(header, RTA_PRIORITY, route->metric);
    if (change == NETLINK_ADD && route->source.family != ADDRESS_NONE)
        put_address(header, RTA_PREFSRC, &route->source);
    return change_run(netlink, change, header);
}

int netlink_route(struct netlink *netlink, enum netlink_change change,
                  const struct netlink_route *route)
{
    return route_change(netlink, change, route, RTN_UNICAST);
}

int netlink_block(struct netlink *netlink, enum netlink_change change,
                  const struct netlink_route *route)
{
    return route_change(netlink, change, route, RTN_UNREACHABLE);
}

int netlink_throw(struct netlink *netlink, enum netlink_change change,
                  const struct netlink_route *route)
{
    return route_change(netlink, change, route, RTN_THROW);
}

static struct nlmsghdr *rule_begin(struct netlink *netlink, void *buf, enum netlink_change change,
                                   enum address_family family)
{
    struct nlmsghdr *header =
        change == NETLINK_ADD
            ? request_begin(netlink, buf, RTM_NEWRULE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)
            : request_begin(netlink, buf, RTM_DELRULE, NLM_F_ACK);
    struct fib_rule_hdr *body = mnl_nlmsg_put_extra_header(header, sizeof(*body));
    body->family = family == ADDRESS_V6 ? AF_INET6 : AF_INET;
    body->action = FR_ACT_TO_TBL;
    mnl_attr_put_u8(header, FRA_PROTOCOL, NETLINK_PROTOCOL);
    return header;
}

int netlink_rule(struct netlink *netlink, enum netlink_change change, enum address_family family,
                 uint32_t table, uint32_t priority)
{
    char buf[256] = {0};
    struct nlmsghdr *header = rule_begin(netlink, buf, change, family);
    struct fib_rule_hdr *body = mnl_nlmsg_get_payload(header);
    body->flags = FIB_RULE_INVERT; /* all but what is marked */
    mnl_attr_put_u32(header, FRA_FWMARK, OUTER_MARK);
    mnl_attr_put_u32(header, FRA_TABLE, table);
    mnl_attr_put_u32(header, FRA_PRIORITY, priority);
    return change_run(netlink, change, header);
}

int netlink_rule_mark(struct netlink *netlink, enum netlink_change change,
                      enum address_family family, const struct netlink_mark *rule)
{
    char buf[256] = {0};
    struct nlmsghdr *header = rule_begin(netlink, buf, change, family);
    mnl_attr_put_u32(header, FRA_FWMARK, rule->mark);
    mnl_attr_put_u32(header, FRA_FWMASK, rule->mask);
    mnl_attr_put_u32(header, FRA_TABLE, rule->table);
    mnl_attr_put_u32(header, FRA_PRIORITY, rule->priority);
    return change_run(netlink, change, header);
}

int netlink_rule_outer(struct netlink *netlink, enum netlink_change change,
                       enum address_family family, uint32_t priority, uint32_t landing)
{
    char buf[256] = {0};
    struct nlmsghdr *header = rule_begin(netlink, buf, change, family);
    struct fib_rule_hdr *body = mnl_nlmsg_get_payload(header);
    body->action = FR_ACT_GOTO;
    mnl_attr_put_u32(header, FRA_FWMARK, OUTER_MARK);
    mnl_attr_put_u32(header, FRA_GOTO, landing);
    mnl_attr_put_u32(header, FRA_PRIORITY, priority);
    return change_run(netlink, change, header);
}

int netlink_rule_user(struct netlink *netlink, enum netlink_change change,
                      enum address_family family, uid_t uid, uint32_t priority)
{
    char buf[256] = {0};
    const struct fib_rule_uid_range range = {uid, uid};
    struct nlmsghdr *header = rule_begin(netlink, buf, change, family);
    mnl_attr_put(header, FRA_UID_RANGE, sizeof(range), &range);
    mnl_attr_put_u32(header, FRA_TABLE, RT_TABLE_MAIN);
    mnl_attr_put_u32(header, FRA_PRIORITY, priority);
    return change_run(netlink, change, header);
}

int netlink_rule_landing(struct netlink *netlink, enum netlink_change change,
                         enum address_family family, uint32_t priority)
{
    char buf[256] = {0};
    struct nlmsghdr *header = rule_begin(netlink, buf, change, family);
    struct fib_rule_hdr *body = mnl_nlmsg_get_payload(header);
    body->action = FR_ACT_NOP;
    mnl_attr_put_u32(header, FRA_PRIORITY, priority);
    return change_run(netlink, change, header);
}

static void put_ports(struct nlmsghdr *header, uint16_t type, const uint16_t ports[2])
{
    const struct fib_rule_port_range range = {ports[0], ports[1]};
    if (ports[0] != 0 || ports[1] != UINT16_MAX) /* the kernel takes no port 0 */
        mnl_attr_put(header, type, sizeof(range), &range);
}

int netlink_rule_pass(struct netlink *netlink, enum netlink_change change,
                      const struct netlink_pass *pass)
{
    char buf[512] = {0};
    struct nlmsghdr *header =
        rule_begin(netlink, buf, change, (enum address_family)pass->remote.family);
    struct fib_rule_hdr *body = mnl_nlmsg_get_payload(header);
    body->action = FR_ACT_GOTO;
    body->dst_len = pass->remote_len;
    body->src_len = pass->local_len;
    if (pass->remote_len > 0)
        put_address(header, FRA_DST, &pass->remote);
    if (pass->local_len > 0)
        put_address(header, FRA_SRC, &pass->local);
    if (pass->protocol != 0)
        mnl_attr_put_u8(header, FRA_IP_PROTO, pass->protocol);
    put_ports(header, FRA_SPORT_RANGE, pass->local_ports);
    put_ports(header, FRA_DPORT_RANGE, pass->remote_ports);
    mnl_attr_put_u32(header, FRA_GOTO, pass->landing);
    mnl_attr_put_u32(header, FRA_PRIORITY, pass->priority);
    return change_run(netlink, change, header);
}

int netlink_rules_flush(struct netlink *netlink, enum address_family family, uint32_t priority)
{
    for (;;) {
        char buf[256] = {0};
        struct nlmsghdr *header = rule_begin(netlink, buf, NETLINK_DELETE, family);
        struct fib_rule_hdr *body = mnl_nlmsg_get_payload(header);
        body->action = FR_ACT_UNSPEC;
        mnl_attr_put_u32(header, FRA_PRIORITY, priority);
        int error = request_run(netlink, header, NULL, NULL);
        if (error != 0)
            return errno == ENOENT || errno == EAFNOSUPPORT ? 0 : error;
    }
}

/* --- what a killed daemon left behind --- */

struct listing {
    uint32_t table, last_table;
    uint8_t type;
    struct netlink_route *routes;
    size_t n, cap;
};

static int listing_add(struct listing *listing, const struct netlink_route *route)
{
    if (listing->n == listing->cap) {
        size_t cap = listing->cap == 0 ? 16 : listing->cap * 2;
        struct netlink_route *routes =
            reallocarray(listing->routes, cap, sizeof(listing->routes[0]));
        if (routes == NULL)
            return MNL_CB_ERROR;
        listing->routes = routes;
        listing->cap = cap;
    }
    listing->routes[listing->n++] = *route;
    return MNL_CB_OK;
}

static int route_attribute(const struct nlattr *attr, void *context)
{
    struct netlink_route *route = context;
    uint16_t type = mnl_attr_get_type(attr), len = mnl_attr_get_payload_len(attr);
    if (type == RTA_TABLE && len >= 4)
        route->table = mnl_attr_get_u32(attr);
    else if (type == RTA_PRIORITY && len >= 4)
        route->metric = mnl_attr_get_u32(attr);
    else if (type == RTA_OIF && len >= 4)
        route->interface = mnl_attr_get_u32(attr);
    else if (type == RTA_DST)
        (void)address_from(span_of(mnl_attr_get_payload(attr), len), &route->destination);
    return MNL_CB_OK;
}

static int route_seen(const struct nlmsghdr *header, void *context)
{
    struct listing *listing = context;
    const struct rtmsg *body = mnl_nlmsg_get_payload(header);
    if (header->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(header) < sizeof(*body) ||
        body->rtm_protocol != NETLINK_PROTOCOL || body->rtm_type != listing->type)
        return MNL_CB_OK;
    struct netlink_route route = {.table = body->rtm_table, .prefix_len = body->rtm_dst_len};
    route.destination.family = body->rtm_family == AF_INET6 ? ADDRESS_V6 : ADDRESS_V4;
    if (mnl_attr_parse(header, sizeof(*body), route_attribute, &route) < 0 ||
        route.table < listing->table || route.table > listing->last_table)
        return MNL_CB_OK;
    return listing_add(listing, &route);
}

static int routes_find(struct netlink *netlink, uint8_t family, struct listing *listing)
{
    char buf[256] = {0};
    struct nlmsghdr *header = request_begin(netlink, buf, RTM_GETROUTE, NLM_F_DUMP);
    struct rtmsg *body = mnl_nlmsg_put_extra_header(header, sizeof(*body));
    body->rtm_family = family;
    return request_run(netlink, header, route_seen, listing);
}

static int routes_list(struct netlink *netlink, struct listing *listing,
                       struct netlink_route **ret_routes, size_t *ret_n)
{
    if (routes_find(netlink, AF_INET, listing) != 0 ||
        routes_find(netlink, AF_INET6, listing) != 0) {
        free(listing->routes);
        return ERR_SYSTEM;
    }
    *ret_routes = listing->routes;
    *ret_n = listing->n;
    return 0;
}

int netlink_routes_list(struct netlink *netlink, uint32_t table, enum netlink_route_kind kind,
                        struct netlink_route **ret_routes, size_t *ret_n)
{
    static const uint8_t types[] = {[NETLINK_UNICAST] = RTN_UNICAST,
                                    [NETLINK_BLOCK] = RTN_UNREACHABLE,
                                    [NETLINK_THROW] = RTN_THROW};
    struct listing listing = {.table = table, .last_table = table, .type = types[kind]};
    return routes_list(netlink, &listing, ret_routes, ret_n);
}

int netlink_blocks_list(struct netlink *netlink, uint32_t first, uint32_t last,
                        struct netlink_route **ret_routes, size_t *ret_n)
{
    struct listing listing = {.table = first, .last_table = last, .type = RTN_UNREACHABLE};
    return routes_list(netlink, &listing, ret_routes, ret_n);
}

struct mark_listing {
    struct netlink_mark *marks;
    size_t n, max;
    uint32_t priority;
};

static int mark_attribute(const struct nlattr *attr, void *context)
{
    struct netlink_mark *mark = context;
    if (mnl_attr_get_payload_len(attr) < 4)
        return MNL_CB_OK;
    switch (mnl_attr_get_type(attr)) {
    case FRA_FWMARK: mark->mark = mnl_attr_get_u32(attr); break;
    case FRA_FWMASK: mark->mask = mnl_attr_get_u32(attr); break;
    case FRA_TABLE: mark->table = mnl_attr_get_u32(attr); break;
    case FRA_PRIORITY: mark->priority = mnl_attr_get_u32(attr); break;
    default: break;
    }
    return MNL_CB_OK;
}

static int mark_seen(const struct nlmsghdr *header, void *context)
{
    struct mark_listing *listing = context;
    const struct fib_rule_hdr *body = mnl_nlmsg_get_payload(header);
    struct netlink_mark mark = {0};
    if (header->nlmsg_type != RTM_NEWRULE || mnl_nlmsg_get_payload_len(header) < sizeof(*body) ||
        mnl_attr_parse(header, sizeof(*body), mark_attribute, &mark) < 0)
        return MNL_CB_OK;
    if (mark.priority == listing->priority && mark.mask != 0 && listing->n < listing->max)
        listing->marks[listing->n++] = mark;
    return MNL_CB_OK;
}

int netlink_marks_list(struct netlink *netlink, uint32_t priority, struct netlink_mark *ret_marks,
                       size_t max, size_t *ret_n)
{
    char buf[256] = {0};
    struct mark_listing listing = {.marks = ret_marks, .max = max, .priority = priority};
    struct nlmsghdr *header = request_begin(netlink, buf, RTM_GETRULE, NLM_F_DUMP);
    struct fib_rule_hdr *body = mnl_nlmsg_put_extra_header(header, sizeof(*body));
    body->family = AF_INET;
    int error = request_run(netlink, header, mark_seen, &listing);
    *ret_n = listing.n;
    return error;
}

/* --- addresses and routers of the host --- */

struct visit {
    uint32_t without;
    netlink_each each;
    void *context;
    int error;
};

static int visit(struct visit *visit, const struct address *address, unsigned prefix_len)
{
    visit->error = visit->each(visit->context, address, prefix_len);
    return visit->error == 0 ? MNL_CB_OK : MNL_CB_ERROR;
}

static int own_attribute(const struct nlattr *attr, void *context)
{
    struct address *pair = context;
    uint16_t type = mnl_attr_get_type(attr), len = mnl_attr_get_payload_len(attr);
    if (type == IFA_ADDRESS || type == IFA_LOCAL)
        (void)address_from(span_of(mnl_attr_get_payload(attr), len), &pair[type == IFA_LOCAL]);
    return MNL_CB_OK;
}

static int own_seen(const struct nlmsghdr *header, void *context)
{
    struct visit *v = context;
    const struct ifaddrmsg *body = mnl_nlmsg_get_payload(header);
    struct address pair[2] = {0};
    if (header->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(header) < sizeof(*body) ||
        body->ifa_index == v->without ||
        mnl_attr_parse(header, sizeof(*body), own_attribute, pair) < 0)
        return MNL_CB_OK;
    /* point-to-point: IFA_ADDRESS is the peer's */
    const struct address *own = pair[1].family != ADDRESS_NONE ? &pair[1] : &pair[0];
    return own->family == ADDRESS_NONE ? MNL_CB_OK : visit(v, own, body->ifa_prefixlen);
}

static int hop_attribute(const struct nlattr *attr, void *context)
{
    struct visit *v = context;
    struct address hop;
    struct span octets = span_of(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
    size_t family = mnl_attr_get_type(attr) == RTA_VIA ? sizeof(uint16_t) : 0;
    if ((mnl_attr_get_type(attr) != RTA_GATEWAY && mnl_attr_get_type(attr) != RTA_VIA) ||
        octets.len < family ||
        !address_from(span_of(octets.ptr + family, octets.len - family), &hop))
        return MNL_CB_OK;
    return visit(v, &hop, (unsigned)address_len(&hop) * 8);
}

/* hops_seen - a route over several routers has a list of next hops, each with attributes. */
static int hops_seen(const struct nlattr *list, struct visit *v)
{
    const uint8_t *octets = mnl_attr_get_payload(list);
    size_t left = mnl_attr_get_payload_len(list);
    int rc = MNL_CB_OK;
    while (rc > 0 && left >= sizeof(struct rtnexthop)) {
        struct rtnexthop hop;
        memcpy(&hop, octets, sizeof(hop));
        size_t whole = ((size_t)hop.rtnh_len + 3) & ~(size_t)3;
        if (hop.rtnh_len < sizeof(hop) || whole > left)
            break;
        rc = mnl_attr_parse_payload(octets + sizeof(hop), hop.rtnh_len - sizeof(hop), hop_attribute,
                                    v);
        octets += whole;
        left -= whole;
    }
    return rc;
}

static int router_attribute(const struct nlattr *attr, void *context)
{
    return mnl_attr_get_type(attr) == RTA_MULTIPATH ? hops_seen(attr, context)
                                                    : hop_attribute(attr, context);
}

static int router_seen(const struct nlmsghdr *header, void *context)
{
    const struct rtmsg *body = mnl_nlmsg_get_payload(header);
    if (header->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(header) < sizeof(*body) ||
        body->rtm_protocol == NETLINK_PROTOCOL)
        return MNL_CB_OK;
    return mnl_attr_parse(header, sizeof(*body), router_attribute, context);
}

static int visit_run(struct netlink *netlink, uint16_t type, mnl_cb_t seen, struct visit *v)
{
    char buf[256] = {0};
    struct nlmsghdr *header = request_begin(netlink, buf, type, NLM_F_DUMP);
    struct rtmsg *body = mnl_nlmsg_put_extra_header(header, sizeof(*body));
    body->rtm_family = AF_UNSPEC;
    int error = request_run(netlink, header, seen, v);
    return v->error != 0 ? v->error : error;
}

int netlink_own_each(struct netlink *netlink, uint32_t without, netlink_each each, void *context)
{
    struct visit v = {.without = without, .each = each, .context = context};
    return visit_run(netlink, RTM_GETADDR, own_seen, &v);
}

int netlink_routers_each(struct netlink *netlink, netlink_each each, void *context)
{
    struct visit v = {.each = each, .context = context};
    return visit_run(netlink, RTM_GETROUTE, router_seen, &v);
}
