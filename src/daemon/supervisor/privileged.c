/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/supervisor/privileged.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/common/log.h"
#include "daemon/process/spawn.h"
#include "daemon/supervisor/host_networks.h"
#include "daemon/supervisor/path_sockets.h"
#include "daemon/supervisor/privileged_state.h"
#include "linux/clock.h"
#include "linux/host_facts.h"

/* limits for a compromised engine */
#define ADDRESSES_MAX 256
#define ROUTES_MAX    32768
#define BLOCKS_MAX    32768
#define SHUNTS_MAX    512
#define INSIDES_MAX   256
#define METRIC        1024 /* of our routes, in a table where there are no others */
#define METRIC_FIRST  512
#define RULE_PASS     (RULE_PRIORITY - 2)
#define RULE_LANDING  (RULE_PRIORITY + 1)
#define METRIC_BLOCK  0xffff0000u /* used only without a route to the device */
#define METRIC_LAN    0xffff0001u /* used only without a block of the same network, too */

static const uint32_t entries_max[N_ENTRY_KINDS] = {ADDRESSES_MAX, ROUTES_MAX, BLOCKS_MAX,
                                                    SHUNTS_MAX,    LANS_MAX,   INSIDES_MAX};

/* family_rules_change - adds or removes the rules of one family that lead to our table. Exempt are
 * outer packets of our tunnels, and those of the resolver and the fetcher: both must work while all
 * other traffic is blocked. */
static int family_rules_change(struct privileged *p, enum netlink_change change,
                               enum address_family family)
{
    static const enum process spared[] = {PROCESS_RESOLVER, PROCESS_FETCHER};
    uid_t uid;
    gid_t gid;
    int error = 0;
    for (size_t i = 0; error == 0 && i < sizeof(spared) / sizeof(spared[0]); i++) {
        sandbox_user_find(process_user(spared[i]), &uid, &gid);
        error = netlink_rule_user(p->netlink, change, family, uid, RULE_PRIORITY - 1);
    }
    if (error == 0)
        error = netlink_rule_landing(p->netlink, change, family, RULE_LANDING);
    return error != 0 ? error
                      : netlink_rule(p->netlink, change, family, ROUTE_TABLE, RULE_PRIORITY);
}

static int rules_change(struct privileged *p, enum netlink_change change)
{
    int error = family_rules_change(p, change, ADDRESS_V4);
    if (error != 0)
        return error;
    error = family_rules_change(p, change, ADDRESS_V6);
    return error != 0 && errno == EAFNOSUPPORT ? 0 : error;
}

/* --- our entries in the kernel --- */

struct entry *entry_find(struct privileged *p, const struct entry_key *key)
{
    struct entry *entry;
    HASH_FIND(hh, p->entries, key, sizeof(*key), entry);
    return entry;
}

int entry_add(struct privileged *p, const struct entry_key *key)
{
    if (entry_find(p, key) != NULL)
        return 0;
    struct entry *entry =
        p->n[key->kind] == entries_max[key->kind] ? NULL : calloc(1, sizeof(*entry));
    if (entry == NULL)
        return ERR_FULL;
    entry->key = *key;
    HASH_ADD(hh, p->entries, key, sizeof(entry->key), entry);
    if (!TABLE_HAS(entry)) {
        free(entry);
        return ERR_FULL;
    }
    p->filter_old = true;
    p->n[key->kind]++;
    return 0;
}

void entry_drop(struct privileged *p, struct entry *entry)
{
    p->n[entry->key.kind]--;
    HASH_DEL(p->entries, entry);
    free(entry);
    p->filter_old = true;
}

/* rule_shared - another pass policy has the same selectors. The kernel has one rule for both: a rule
 * has no rank. */
static bool rule_shared(const struct privileged *p, const struct entry_key *key)
{
    struct entry *entry, *next;
    HASH_ITER(hh, p->entries, entry, next)
    {
        struct entry_key other = entry->key;
        other.policy.rank = key->policy.rank;
        if (entry->key.policy.rank != key->policy.rank && memcmp(&other, key, sizeof(other)) == 0)
            return true;
    }
    return false;
}

/* shunt_run - a pass policy is a routing rule. The packet filter reads the rest from the list.
 * Without a filter, drop policies are impossible. */
static int shunt_run(struct privileged *p, enum netlink_change change, const struct entry_key *key)
{
    const struct priv_policy *policy = &key->policy;
    const struct netlink_pass pass = {.local = policy->local,
                                      .remote = key->address,
                                      .local_len = policy->local_len,
                                      .remote_len = key->prefix_len,
                                      .protocol = policy->protocol,
                                      .local_ports = {policy->local_start, policy->local_end},
                                      .remote_ports = {policy->remote_start, policy->remote_end},
                                      .priority = RULE_PASS,
                                      .landing = RULE_LANDING};
    if (policy->action == PRIV_PASS)
        return change == NETLINK_DELETE && rule_shared(p, key)
                   ? 0
                   : netlink_rule_pass(p->netlink, change, &pass);
    if (change == NETLINK_DELETE || p->filter != NULL)
        return 0;
    errno = EOPNOTSUPP;
    return ERR_SYSTEM;
}

/* metric_of - devices without a mark share a table, and may have the same prefix. Each device has
 * its own metric, so its route does not replace that of another. The route of the first device is
 * preferred. */
static uint32_t metric_of(const struct entry_key *key)
{
    if (key->place == 0)
        return key->first == 1 ? METRIC_FIRST : METRIC;
    return METRIC + 2u * key->place + (key->first == 1 ? 0 : 1);
}

/* entry_run - changes the entry in the kernel; only routes need `source`. */
int entry_run(struct privileged *p, enum netlink_change change, const struct entry_key *key,
              const struct address *source)
{
    const struct inner_tun *tun = &p->tuns.tuns[key->place];
    struct netlink_route route = {.table = inner_tun_table(&p->tuns, tun),
                                  .destination = key->address,
                                  .prefix_len = key->prefix_len,
                                  .interface = key->place == 0 ? p->index : tun->index,
                                  .metric = metric_of(key),
                                  .source = *source};
    if (key->kind == ENTRY_INSIDE)
        return 0;
    if (key->kind == ENTRY_ADDRESS)
        return netlink_address(p->netlink, change, p->index, &key->address);
    if (key->kind == ENTRY_SHUNT)
        return shunt_run(p, change, key);
    if (key->kind == ENTRY_ROUTE)
        return netlink_route(p->netlink, change, &route);
    if (key->kind == ENTRY_LAN) {
        route.metric = METRIC_LAN;
        return netlink_throw(p->netlink, change, &route);
    }
    route.metric = METRIC_BLOCK;
    return netlink_block(p->netlink, change, &route);
}

/* place_of - the place of the device that the request names. A block needs no device: all blocks of
 * a table are the same. Addresses are on the first device. */
static uint8_t place_of(struct privileged *p, const struct priv_request *r, enum entry_kind kind)
{
    const struct inner_tun *tun = inner_tun_find(&p->tuns, r->device);
    bool routed =
        kind == ENTRY_ROUTE || (kind == ENTRY_BLOCK && tun != NULL && tun->what.mask_out != 0);
    return routed && tun != NULL ? (uint8_t)(tun - p->tuns.tuns) : 0;
}

static struct entry_key entry_key_of(struct privileged *p, const struct priv_request *r,
                                     enum entry_kind kind)
{
    struct entry_key key;
    memset(&key, 0, sizeof(key)); /* keys are compared as octets */
    key.kind = (uint8_t)kind;
    key.prefix_len = kind == ENTRY_ADDRESS || kind == ENTRY_INSIDE
                         ? (uint8_t)(address_len(&r->address) * 8)
                         : r->prefix_len;
    key.first = kind == ENTRY_ROUTE ? r->first : 0;
    key.place = place_of(p, r, kind);
    key.address = r->address;
    if (kind == ENTRY_SHUNT)
        key.policy = r->policy;
    return key;
}

static int entry_change(struct privileged *p, const struct priv_request *r, enum entry_kind kind,
                        bool add)
{
    struct entry_key key = entry_key_of(p, r, kind);
    bool known = entry_find(p, &key) != NULL;
    if (!add && !known)
        return ERR_NOT_FOUND;
    int error = add ? entry_add(p, &key) : 0;
    if (error != 0)
        return error;
    error = entry_run(p, add ? NETLINK_ADD : NETLINK_DELETE, &key, &r->source);
    if (add ? error != 0 && !known : error == 0)
        entry_drop(p, entry_find(p, &key));
    else if (add)
        entry_find(p, &key)->stale = false;
    return error;
}

/* device_close - closes the device, with its entries. */
static int device_close(struct privileged *p, struct inner_tun *tun)
{
    const struct address none = {0};
    struct entry *entry, *next;
    if (tun == NULL)
        return ERR_NOT_FOUND;
    HASH_ITER(hh, p->entries, entry, next)
    {
        if (entry->key.place != tun - p->tuns.tuns)
            continue;
        if (entry_run(p, NETLINK_DELETE, &entry->key, &none) != 0)
            log_line(LOG_LEVEL_WARNING, "event=leftovers-stay device=%s reason=\"%s\"",
                     tun->what.name, strerror(errno));
        entry_drop(p, entry);
    }
    inner_tun_close(&p->tuns, tun);
    p->filter_old = true;
    return 0;
}

/* devices_close - closes all devices, or only those that the engine has not asked for. */
static void devices_close(struct privileged *p, bool all)
{
    for (size_t i = 1; i < LIMIT_DEVICES; i++)
        if (p->tuns.tuns[i].used && (all || p->tuns.tuns[i].stale))
            (void)device_close(p, &p->tuns.tuns[i]);
}

/* stale_remove - removes entries of an earlier engine that this one has not asked for again:
 * routes, or all others. */
static int stale_remove(struct privileged *p, bool routes)
{
    struct entry *entry, *next;
    int failure = 0;
    HASH_ITER(hh, p->entries, entry, next)
    {
        if (!entry->stale || (entry->key.kind == ENTRY_ROUTE) != routes)
            continue;
        int error = entry_run(p, NETLINK_DELETE, &entry->key, &(struct address){0});
        failure = error != 0 ? error : failure;
        entry_drop(p, entry);
    }
    return failure;
}

static int stale_settle(struct privileged *p)
{
    int routes = stale_remove(p, true); /* before the addresses that some of them prefer */
    int others = stale_remove(p, false);
    return routes != 0 ? routes : others;
}

/* --- entries of an earlier engine --- */

static void entries_age(struct privileged *p, unsigned kinds)
{
    struct entry *entry, *next;
    HASH_ITER(hh, p->entries, entry, next)
    entry->stale = (kinds >> entry->key.kind & 1) != 0;
    for (size_t i = 1; i < LIMIT_DEVICES; i++)
        p->tuns.tuns[i].stale = p->tuns.tuns[i].used;
}

/* entries_remove - removes the entries of one kind from the kernel and from our list. */
static void entries_remove(struct privileged *p, enum entry_kind kind)
{
    struct entry *entry, *next;
    int failure = 0;
    HASH_ITER(hh, p->entries, entry, next)
    {
        if (entry->key.kind != kind)
            continue;
        int error = entry_run(p, NETLINK_DELETE, &entry->key, &(struct address){0});
        failure = error != 0 ? error : failure;
        entry_drop(p, entry);
    }
    if (failure != 0)
        log_line(LOG_LEVEL_WARNING, "event=leftovers-stay kind=%d reason=\"%s\"", (int)kind,
                 strerror(errno));
}

/* blocks_inherit - keeps the blocks of a killed daemon. They end when a connection that claims them
 * releases them, or when the administrator ends this daemon. */
static int blocks_inherit(struct privileged *p)
{
    struct netlink_route *routes = NULL;
    size_t n = 0;
    int error =
        netlink_blocks_list(p->netlink, ROUTE_TABLE, ROUTE_TABLE + LIMIT_DEVICES - 1, &routes, &n);
    for (size_t i = 0; error == 0 && i < n; i++) {
        const struct entry_key key = {.kind = ENTRY_BLOCK,
                                      .prefix_len = routes[i].prefix_len,
                                      .place = (uint8_t)(routes[i].table - ROUTE_TABLE),
                                      .address = routes[i].destination};
        bool led = key.place == 0 || p->tuns.tuns[key.place].used;
        error = led ? entry_add(p, &key) : netlink_block(p->netlink, NETLINK_DELETE, &routes[i]);
    }
    free(routes);
    if (error == 0 && n > 0)
        log_line(LOG_LEVEL_WARNING, "event=blocks-inherited blocks=%zu", n);
    return error;
}

/* --- the packet filter --- */

static struct packet_filter_shunt filter_shunt(const struct entry_key *key)
{
    const struct priv_policy *policy = &key->policy;
    struct packet_filter_shunt shunt = {
        .rank = policy->rank,
        .pass = policy->action == PRIV_PASS,
        .protocol = policy->protocol,
        .local_ports = {policy->local_start, policy->local_end},
        .remote_ports = {policy->remote_start, policy->remote_end},
        .local = {policy->local, policy->local_len},
        .remote = {key->address, key->prefix_len},
    };
    memcpy(shunt.device, policy->device, sizeof(shunt.device));
    return shunt;
}

/* by_mark - a route for packets with a mark. The same network may also be reachable without a mark:
 * those packets are legitimate in the clear. */
static bool by_mark(const struct privileged *p, const struct entry_key *key)
{
    return p->tuns.tuns[key->place].what.mask_out != 0;
}

static size_t filter_devices(const struct privileged *p,
                             struct packet_filter_device devices[LIMIT_DEVICES])
{
    size_t n = 0;
    for (size_t i = 1; i < LIMIT_DEVICES; i++) {
        const struct inner_device *what = &p->tuns.tuns[i].what;
        if (!p->tuns.tuns[i].used || p->tuns.tuns[i].bare)
            continue;
        devices[n] = (struct packet_filter_device){.mark = what->mark_in, .mask = what->mask_in};
        memcpy(devices[n++].name, what->name, sizeof(what->name));
    }
    return n;
}

/* lists_fill - routes and blocks of the same prefix make one element: the filter sees to that. */
static void lists_fill(struct privileged *p, struct packet_filter_lists *lists)
{
    struct entry *entry, *next;
    HASH_ITER(hh, p->entries, entry, next)
    {
        const struct packet_filter_prefix prefix = {entry->key.address, entry->key.prefix_len};
        if (entry->key.kind == ENTRY_ADDRESS)
            lists->inner[lists->n_inner++] = prefix;
        else if (entry->key.kind == ENTRY_SHUNT)
            lists->shunts[lists->n_shunts++] = filter_shunt(&entry->key);
        else if (entry->key.kind != ENTRY_LAN && entry->key.kind != ENTRY_INSIDE &&
                 prefix.prefix_len >= PROTECTED_LEAST && !by_mark(p, &entry->key))
            lists->protected[lists->n_protected++] = prefix;
    }
}

static int filter_set(struct privileged *p)
{
    size_t n = HASH_COUNT(p->entries) + 1;
    struct packet_filter_device devices[LIMIT_DEVICES];
    struct packet_filter_lists lists = {.devices = devices,
                                        .n_devices = filter_devices(p, devices)};
    lists.inner = calloc(n, sizeof(lists.inner[0]));
    lists.protected = calloc(n, sizeof(lists.protected[0]));
    lists.shunts = calloc((size_t)p->n[ENTRY_SHUNT] + 1, sizeof(lists.shunts[0]));
    int error = ERR_NO_MEMORY;
    if (lists.inner != NULL && lists.protected != NULL && lists.shunts != NULL) {
        lists_fill(p, &lists);
        error = packet_filter_set(p->filter, &lists);
    }
    free(lists.inner);
    free(lists.protected);
    free(lists.shunts);
    return error;
}

static void filter_open(struct privileged *p, const char *device)
{
    int error = packet_filter_new(device, &p->filter);
    if (error == 0)
        error = filter_set(p);
    p->filter_old = false;
    if (error == 0)
        return;
    p->filter = packet_filter_free(p->filter, true);
    log_line(LOG_LEVEL_WARNING,
             "event=no-packet-filter reason=\"%s\" text=\"packets in the clear are not kept from "
             "protected networks\"",
             strerror(errno));
}

struct permission *privileged_permission(struct privileged *p)
{
    return &p->permission;
}

bool privileged_filters(const struct privileged *p)
{
    return p->filter != NULL;
}

/* A filter with thousands of elements is slow. Then nine tenths of the time are left for requests.
 * Only our own time counts: a busy host does not delay the filter. */
#define FILTER_QUICK (5 * NANOS_PER_MS)
#define FILTER_PAUSE 9
#define FILTER_AGAIN NANOS_PER_SEC /* after a failure */

void privileged_settle(struct privileged *p)
{
    nanos begin = clock_now();
    if (p->lan && p->lan_old && host_networks_settle(p) != 0)
        log_line(LOG_LEVEL_WARNING, "event=host-networks-unread");
    if (!p->filter_old || p->filter == NULL || begin < p->filter_at)
        return;
    nanos used = clock_thread();
    bool failed = filter_set(p) != 0;
    if (failed && !p->filter_fails)
        log_line(LOG_LEVEL_ERROR, "event=packet-filter-old reason=\"%s\"", strerror(errno));
    used = clock_thread() - used;
    nanos pause = used < FILTER_QUICK ? 0 : FILTER_PAUSE * used;
    p->filter_old = p->filter_fails = failed;
    p->filter_at = nanos_after(clock_now(), failed ? FILTER_AGAIN : pause);
}

nanos privileged_deadline(const struct privileged *p)
{
    return p == NULL || !p->filter_old || p->filter == NULL ? NANOS_NEVER : p->filter_at;
}

int privileged_new(const struct engine_start *start, struct privileged **ret)
{
    struct privileged *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return ERR_NO_MEMORY;
    p->index = start->tun_index;
    p->n_workers = start->n_workers;
    p->mtu_fixed = start->tun_mtu_fixed;
    p->tuns.n_workers = start->n_workers;
    p->tuns.mtu = start->tun_mtu != 0 ? start->tun_mtu : TUN_MTU;
    p->tuns.landing = RULE_LANDING;
    int error = netlink_open(&p->netlink);
    p->tuns.netlink = p->netlink;
    if (error == 0 && netlink_address_dummy(p->netlink, p->index) != 0)
        log_line(LOG_LEVEL_WARNING, "event=dummy-address-refused reason=\"%s\"", strerror(errno));
    if (error == 0)
        error = inner_tuns_inherit(&p->tuns);
    if (error == 0)
        error = blocks_inherit(p);
    if (error == 0)
        error = host_networks_forget(p);
    if (error == 0)
        error = netlink_rules_flush(p->netlink, ADDRESS_V4, RULE_PASS);
    if (error == 0)
        error = netlink_rules_flush(p->netlink, ADDRESS_V6, RULE_PASS);
    if (error != 0 || rules_change(p, NETLINK_ADD) != 0) {
        privileged_free(p, true);
        return ERR_SYSTEM;
    }
    filter_open(p, start->tun_name);
    *ret = p;
    return 0;
}

void privileged_reset(struct privileged *p)
{
    entries_remove(p, ENTRY_ROUTE); /* before the addresses that some of them prefer */
    entries_remove(p, ENTRY_ADDRESS);
    entries_remove(p, ENTRY_INSIDE);
    entries_age(p, 1u << ENTRY_SHUNT);
    privileged_settle(p);
}

void privileged_hand_over(struct privileged *p)
{
    entries_age(p,
                1u << ENTRY_SHUNT | 1u << ENTRY_ROUTE | 1u << ENTRY_ADDRESS | 1u << ENTRY_INSIDE);
}

struct privileged *privileged_free(struct privileged *p, bool keep_blocks)
{
    if (p == NULL)
        return NULL;
    bool keep = keep_blocks && (p->n[ENTRY_BLOCK] > 0 || p->n[ENTRY_SHUNT] > 0);
    if (p->netlink != NULL && !keep) {
        devices_close(p, true);
        if (inner_tuns_flush(&p->tuns) != 0)
            log_line(LOG_LEVEL_WARNING, "event=rules-stay reason=\"%s\"", strerror(errno));
        /* addresses and routes go with the device */
        if (rules_change(p, NETLINK_DELETE) != 0)
            log_line(LOG_LEVEL_WARNING, "event=rules-stay reason=\"%s\"", strerror(errno));
        entries_remove(p, ENTRY_BLOCK);
        entries_remove(p, ENTRY_SHUNT);
        entries_remove(p, ENTRY_LAN);
    }
    inner_tuns_done(&p->tuns);
    p->filter = packet_filter_free(p->filter, keep);
    netlink_free(p->netlink);
    permission_done(&p->permission);
    struct entry *entry, *next;
    HASH_ITER(hh, p->entries, entry, next)
    entry_drop(p, entry);
    free(p);
    return NULL;
}

/* device_make - opens the device. The filter knows it before its first packet can arrive. */
static int device_make(struct privileged *p, struct inner_tun *tun, struct priv_answer *ret,
                       int fds[LIMIT_WORKERS])
{
    if (p->filter == NULL && tun->what.mask_in != 0) {
        errno = EOPNOTSUPP; /* nothing writes the mark */
        return ERR_SYSTEM;
    }
    int error = inner_tun_open(&p->tuns, tun);
    if (error == 0 && p->filter != NULL)
        error = filter_set(p);
    if (error == 0)
        error = inner_tun_up(&p->tuns, tun);
    for (unsigned i = 0; error == 0 && i < p->n_workers; i++) {
        fds[i] = fcntl(tun->fds[i], F_DUPFD_CLOEXEC, 0);
        error = fds[i] < 0 ? ERR_SYSTEM : 0;
        ret->n_fds += fds[i] >= 0;
    }
    ret->interface = tun->index;
    return error;
}

/* device_open - even if the device cannot be made, packets with its mark are blocked. */
static int device_open(struct privileged *p, const struct priv_request *r, struct priv_answer *ret,
                       int fds[LIMIT_WORKERS])
{
    struct inner_tun *tun = NULL;
    int error = inner_tun_take(&p->tuns, r->device, &r->inner, &tun);
    bool ruled = error == 0 && tun->what.mask_out != 0;
    if (error == 0)
        error = device_make(p, tun, ret, fds);
    if (error == 0 || tun == NULL)
        return error;
    int saved = errno;
    while (ret->n_fds > 0)
        close(fds[--ret->n_fds]);
    p->filter_old = true;
    if (ruled)
        inner_tun_strip(&p->tuns, tun);
    else
        (void)device_close(p, tun);
    errno = saved;
    return error;
}

static int mtu_set(struct privileged *p, uint16_t mtu)
{
    char device[IF_NAMESIZE];
    if (p->mtu_fixed)
        return ERR_WRONG_STATE;
    inner_tuns_mtu(&p->tuns, mtu);
    return if_indextoname(p->index, device) == NULL ? ERR_SYSTEM : tun_mtu_set(device, mtu);
}

/* entry_kept - the entry exists already, so the request changes nothing. */
static bool entry_kept(struct privileged *p, const struct priv_request *r)
{
    static const int kinds[] = {[PRIV_ADDRESS_ADD] = ENTRY_ADDRESS + 1,
                                [PRIV_ROUTE_ADD] = ENTRY_ROUTE + 1,
                                [PRIV_BLOCK_ADD] = ENTRY_BLOCK + 1};
    int kind = r->kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[r->kind] : 0;
    if (kind == 0)
        return false;
    const struct entry_key key = entry_key_of(p, r, (enum entry_kind)(kind - 1));
    return entry_find(p, &key) != NULL;
}

void privileged_answer(struct privileged *p, const struct priv_request *r, struct priv_answer *ret,
                       int ret_fds[LIMIT_WORKERS])
{
    *ret = (struct priv_answer){.error = ERR_INVALID};
    if (!priv_request_check(r))
        return;
    if (!entry_kept(p, r))
        ret->reason = permission_reason(&p->permission, r, p->netlink, p->index);
    if (ret->reason != PRIV_REASON_NONE) {
        ret->error = ERR_DENIED;
        return;
    }
    const struct inner_tun *tun = inner_tun_find(&p->tuns, r->device);
    bool device_gone = r->device != 0 && r->kind != PRIV_DEVICE_OPEN &&
                       (tun == NULL || (tun->bare && r->kind == PRIV_ROUTE_ADD));
    errno = 0;
    if (device_gone) {
        ret->error = ERR_NOT_FOUND;
        return;
    }
    switch ((enum priv_kind)r->kind) {
    case PRIV_ADDRESS_ADD:
    case PRIV_ADDRESS_REMOVE:
        ret->error = entry_change(p, r, ENTRY_ADDRESS, r->kind == PRIV_ADDRESS_ADD);
        break;
    case PRIV_ROUTE_ADD:
    case PRIV_ROUTE_REMOVE:
        ret->error = entry_change(p, r, ENTRY_ROUTE, r->kind == PRIV_ROUTE_ADD);
        break;
    case PRIV_BLOCK_ADD:
    case PRIV_BLOCK_REMOVE:
        ret->error = entry_change(p, r, ENTRY_BLOCK, r->kind == PRIV_BLOCK_ADD);
        break;
    case PRIV_SHUNT_ADD:
    case PRIV_SHUNT_REMOVE:
        ret->error = entry_change(p, r, ENTRY_SHUNT, r->kind == PRIV_SHUNT_ADD);
        break;
    case PRIV_INSIDE_ADD:
    case PRIV_INSIDE_REMOVE:
        ret->error = entry_change(p, r, ENTRY_INSIDE, r->kind == PRIV_INSIDE_ADD);
        break;
    case PRIV_SHUNTS_ALL:
        ret->error = stale_settle(p);
        devices_close(p, false);
        break;
    case PRIV_DEVICE_OPEN: ret->error = device_open(p, r, ret, ret_fds); break;
    case PRIV_DEVICE_CLOSE:
        ret->error = device_close(p, inner_tun_find(&p->tuns, r->device));
        break;
    case PRIV_PATH_SOCKETS:
        ret->error = r->interface == p->index ? ERR_INVALID
                                              : path_sockets(r, p->n_workers, &ret->n_fds, ret_fds);
        break;
    case PRIV_MTU: ret->error = mtu_set(p, r->mtu); break;
    case PRIV_UPGRADE: /* the caller does it */
    case PRIV_READY: ret->error = 0; break;
    case PRIV_LAN_BYPASS:
    case PRIV_LAN_BLOCK:
        p->lan = r->kind == PRIV_LAN_BYPASS;
        ret->error = host_networks_settle(p);
        break;
    }
    p->lan_old |= host_networks_concern(r->kind);
    ret->system_error = ret->error == ERR_SYSTEM ? errno : 0;
}
