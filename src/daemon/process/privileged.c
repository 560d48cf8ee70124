/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/process/privileged.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/common/log.h"
#include "linux/netlink_change.h"
#include "linux/udp_socket.h"

/* how much a taken-over engine can pile up in the kernel */
#define ADDRESSES_MAX 256
#define ROUTES_MAX    32768
#define METRIC        1024 /* of our routes, in a table where there are no others */
#define METRIC_FIRST  512

struct privileged {
    struct netlink *netlink;
    uint32_t index, table;
    unsigned n_workers;
    bool mtu_fixed; /* by the administrator */
    uint32_t n_addresses, n_routes;
};

static int rules_change(struct privileged *p, enum netlink_change change)
{
    int error = netlink_rule(p->netlink, change, ADDRESS_V4, p->table, RULE_PRIORITY);
    if (error != 0)
        return error;
    error = netlink_rule(p->netlink, change, ADDRESS_V6, p->table, RULE_PRIORITY);
    return error != 0 && errno == EAFNOSUPPORT ? 0 : error;
}

int privileged_new(const struct engine_start *start, struct privileged **ret)
{
    struct privileged *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return ERR_NO_MEMORY;
    p->index = start->tun_index;
    p->table = TABLE_BASE + start->tun_index;
    p->n_workers = start->n_workers;
    p->mtu_fixed = start->tun_mtu_fixed;
    int error = netlink_open(&p->netlink);
    int swept = error != 0 ? error : netlink_rules_sweep(p->netlink, TABLE_BASE);
    if (swept > 0)
        log_line(LOG_LEVEL_INFO, "event=leftovers-removed rules=%d", swept);
    if (error == 0 && netlink_address_dummy(p->netlink, p->index) != 0)
        log_line(LOG_LEVEL_WARNING, "event=dummy-address-refused reason=\"%s\"", strerror(errno));
    if (swept < 0 || rules_change(p, NETLINK_ADD) != 0) {
        privileged_free(p);
        return ERR_SYSTEM;
    }
    *ret = p;
    return 0;
}

struct privileged *privileged_free(struct privileged *p)
{
    /* addresses and routes go with the device, which goes with the engine */
    if (p != NULL && p->netlink != NULL && rules_change(p, NETLINK_DELETE) != 0)
        log_line(LOG_LEVEL_WARNING, "event=rules-stay table=%u reason=\"%s\"", p->table,
                 strerror(errno));
    if (p != NULL)
        netlink_free(p->netlink);
    free(p);
    return NULL;
}

static int counted(uint32_t *count, uint32_t max, bool add)
{
    if (add && *count == max)
        return ERR_FULL;
    if (!add && *count == 0)
        return ERR_NOT_FOUND;
    *count += add ? 1 : UINT32_MAX;
    return 0;
}

static int address_change(struct privileged *p, const struct priv_request *r, bool add)
{
    int error = counted(&p->n_addresses, ADDRESSES_MAX, add);
    return error != 0 ? error
                      : netlink_address(p->netlink, add ? NETLINK_ADD : NETLINK_DELETE, p->index,
                                        &r->address);
}

static int route_change(struct privileged *p, const struct priv_request *r, bool add)
{
    struct netlink_route route = {.table = p->table,
                                  .destination = r->address,
                                  .prefix_len = r->prefix_len,
                                  .interface = p->index,
                                  .metric = r->first == 1 ? METRIC_FIRST : METRIC,
                                  .source = r->source};
    int error = counted(&p->n_routes, ROUTES_MAX, add);
    return error != 0 ? error
                      : netlink_route(p->netlink, add ? NETLINK_ADD : NETLINK_DELETE, &route);
}

static int path_sockets(struct privileged *p, const struct priv_request *r, uint32_t *ret_n,
                        int fds[LIMIT_WORKERS])
{
    char device[IF_NAMESIZE];
    if (r->port != NAT_PORT || r->interface == p->index ||
        if_indextoname(r->interface, device) == NULL)
        return ERR_INVALID;
    struct udp_socket_options options = {.local = {.address = r->address, .port = r->port},
                                         .device = device,
                                         .mark = OUTER_MARK,
                                         .reuseport = true,
                                         .gro = true};
    for (unsigned i = 0; i < p->n_workers; i++) {
        fds[i] = udp_socket_open(&options);
        if (fds[i] < 0) {
            int saved = errno;
            while (i-- > 0)
                close(fds[i]);
            errno = saved;
            return ERR_SYSTEM;
        }
    }
    *ret_n = p->n_workers;
    return 0;
}

static int mtu_set(const struct privileged *p, uint16_t mtu)
{
    char device[IF_NAMESIZE];
    if (p->mtu_fixed)
        return ERR_WRONG_STATE;
    return if_indextoname(p->index, device) == NULL ? ERR_SYSTEM : tun_mtu_set(device, mtu);
}

void privileged_answer(struct privileged *p, const struct priv_request *r, struct priv_answer *ret,
                       int ret_fds[LIMIT_WORKERS])
{
    *ret = (struct priv_answer){.error = ERR_INVALID};
    if (!priv_request_check(r))
        return;
    errno = 0;
    switch ((enum priv_kind)r->kind) {
    case PRIV_ADDRESS_ADD:
    case PRIV_ADDRESS_REMOVE: ret->error = address_change(p, r, r->kind == PRIV_ADDRESS_ADD); break;
    case PRIV_ROUTE_ADD:
    case PRIV_ROUTE_REMOVE: ret->error = route_change(p, r, r->kind == PRIV_ROUTE_ADD); break;
    case PRIV_PATH_SOCKETS: ret->error = path_sockets(p, r, &ret->n_fds, ret_fds); break;
    case PRIV_MTU: ret->error = mtu_set(p, r->mtu); break;
    case PRIV_READY: ret->error = 0; break;
    }
    ret->system_error = ret->error == ERR_SYSTEM ? errno : 0;
}
