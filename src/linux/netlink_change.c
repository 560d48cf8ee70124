/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/netlink_change.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "linux/udp_socket.h"

#define SWEEP_MAX  64
#define ANSWER_MAX 32768 /* what the kernel packs into one message of a dump */

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
        setsockopt(netlink_fd(netlink), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0) {
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

int netlink_fd(const struct netlink *netlink)
{
    return mnl_socket_get_fd(netlink->socket);
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

/* Sends a request, and reads its answers until the last one. A message with another sequence number
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

int netlink_route(struct netlink *netlink, enum netlink_change change,
                  const struct netlink_route *route)
{
    char buf[256] = {0};
    struct nlmsghdr *header =
        change == NETLINK_ADD
            ? request_begin(netlink, buf, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE)
            : request_begin(netlink, buf, RTM_DELROUTE, NLM_F_ACK);
    struct rtmsg *body = mnl_nlmsg_put_extra_header(header, sizeof(*body));
    body->rtm_family = family_of(&route->destination);
    body->rtm_dst_len = route->prefix_len;
    body->rtm_protocol = NETLINK_PROTOCOL;
    body->rtm_type = RTN_UNICAST;
    body->rtm_scope = route->destination.family == ADDRESS_V6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    put_address(header, RTA_DST, &route->destination);
    mnl_attr_put_u32(header, RTA_TABLE, route->table);
    mnl_attr_put_u32(header, RTA_OIF, route->interface);
    mnl_attr_put_u32(header, RTA_PRIORITY, route->metric);
    if (change == NETLINK_ADD && route->source.family != ADDRESS_NONE)
        put_address(header, RTA_PREFSRC, &route->source);
    return change_run(netlink, change, header);
}

int netlink_rule(struct netlink *netlink, enum netlink_change change, enum address_family family,
                 uint32_t table, uint32_t priority)
{
    char buf[256] = {0};
    struct nlmsghdr *header =
        change == NETLINK_ADD
            ? request_begin(netlink, buf, RTM_NEWRULE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)
            : request_begin(netlink, buf, RTM_DELRULE, NLM_F_ACK);
    struct fib_rule_hdr *body = mnl_nlmsg_put_extra_header(header, sizeof(*body));
    body->family = family == ADDRESS_V6 ? AF_INET6 : AF_INET;
    body->action = FR_ACT_TO_TBL;
    body->flags = FIB_RULE_INVERT; /* all but what is marked */
    mnl_attr_put_u32(header, FRA_FWMARK, OUTER_MARK);
    mnl_attr_put_u32(header, FRA_TABLE, table);
    mnl_attr_put_u32(header, FRA_PRIORITY, priority);
    mnl_attr_put_u8(header, FRA_PROTOCOL, NETLINK_PROTOCOL);
    return change_run(netlink, change, header);
}

/* --- what a killed daemon left --- */

struct sweep {
    uint32_t base;
    size_t n;
    struct {
        enum address_family family;
        uint32_t table, priority;
    } rules[SWEEP_MAX];
};

struct rule_facts {
    uint32_t table, priority;
    uint8_t protocol;
};

static int rule_attribute(const struct nlattr *attr, void *context)
{
    struct rule_facts *facts = context;
    uint16_t type = mnl_attr_get_type(attr), len = mnl_attr_get_payload_len(attr);
    if (type == FRA_TABLE && len >= 4)
        facts->table = mnl_attr_get_u32(attr);
    else if (type == FRA_PRIORITY && len >= 4)
        facts->priority = mnl_attr_get_u32(attr);
    else if (type == FRA_PROTOCOL && len >= 1)
        facts->protocol = mnl_attr_get_u8(attr);
    return MNL_CB_OK;
}

static int rule_seen(const struct nlmsghdr *header, void *context)
{
    struct sweep *sweep = context;
    struct rule_facts facts = {0};
    char name[IF_NAMESIZE];
    if (header->nlmsg_type != RTM_NEWRULE ||
        mnl_nlmsg_get_payload_len(header) < sizeof(struct fib_rule_hdr))
        return MNL_CB_OK;
    const struct fib_rule_hdr *body = mnl_nlmsg_get_payload(header);
    if (mnl_attr_parse(header, sizeof(*body), rule_attribute, &facts) < 0)
        return MNL_CB_OK;
    if (facts.protocol != NETLINK_PROTOCOL || facts.table <= sweep->base ||
        facts.table - sweep->base > 0x10000 || sweep->n == SWEEP_MAX)
        return MNL_CB_OK;
    if (if_indextoname(facts.table - sweep->base, name) != NULL)
        return MNL_CB_OK; /* of a daemon that runs */
    sweep->rules[sweep->n].family = body->family == AF_INET6 ? ADDRESS_V6 : ADDRESS_V4;
    sweep->rules[sweep->n].table = facts.table;
    sweep->rules[sweep->n].priority = facts.priority;
    sweep->n++;
    return MNL_CB_OK;
}

static int rules_find(struct netlink *netlink, uint8_t family, struct sweep *sweep)
{
    char buf[256] = {0};
    struct nlmsghdr *header = request_begin(netlink, buf, RTM_GETRULE, NLM_F_DUMP);
    struct fib_rule_hdr *body = mnl_nlmsg_put_extra_header(header, sizeof(*body));
    body->family = family;
    return request_run(netlink, header, rule_seen, sweep);
}

int netlink_rules_sweep(struct netlink *netlink, uint32_t base)
{
    struct sweep sweep = {.base = base};
    if (rules_find(netlink, AF_INET, &sweep) != 0 || rules_find(netlink, AF_INET6, &sweep) != 0)
        return ERR_SYSTEM;
    for (size_t i = 0; i < sweep.n; i++) {
        int error = netlink_rule(netlink, NETLINK_DELETE, sweep.rules[i].family,
                                 sweep.rules[i].table, sweep.rules[i].priority);
        if (error != 0)
            return error;
    }
    return (int)sweep.n;
}
