/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/tables/pools.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "daemon/tables/pool.h"

/* The ranges of two pools never overlap, so the order of first addresses is the order of pools. */
struct pools {
    size_t n, cap;
    struct pool **list; /* owned, by first address */
    struct map by_name; /* name_key -> first pool */
    /* owned: leases of POOL_RADIUS, IPv4 and IPv6, and leases whose pool a load has removed. No
     * pool of the list gives out one of their addresses. */
    struct pool *framed[2];
    uint8_t hash_key[SIPHASH_KEY_LEN];
};

static void fault_set(struct pools_fault *fault, const char *name, const char *other)
{
    if (fault == NULL)
        return;
    (void)snprintf(fault->name, sizeof(fault->name), "%s", name);
    (void)snprintf(fault->other, sizeof(fault->other), "%s", other);
}

static void list_free(struct pool **list, size_t n)
{
    for (size_t i = 0; list != NULL && i < n; i++)
        pool_free(list[i]);
    free(list);
}

/* framed_new - a pool of all addresses of a family. NULL: no memory. */
static struct pool *framed_new(const char *range, const uint8_t *hash_key)
{
    struct pool_config config = {.name = POOL_RADIUS};
    bool sound = range_parse(range, &config.range);
    ASSERT(sound);
    struct pool *pool = pool_new(&config, hash_key);
    if (pool != NULL)
        pool->forgets = true;
    return pool;
}

struct pools *pools_new(const uint8_t *hash_key)
{
    struct pools *pools = calloc(1, sizeof(*pools));
    if (pools == NULL)
        return NULL;
    memcpy(pools->hash_key, hash_key, sizeof(pools->hash_key));
    pools->framed[0] = framed_new("0.0.0.0/0", hash_key);
    pools->framed[1] = framed_new("::/0", hash_key);
    return pools->framed[0] != NULL && pools->framed[1] != NULL ? pools : pools_free(pools);
}

struct pools *pools_free(struct pools *pools)
{
    if (pools == NULL)
        return NULL;
    list_free(pools->list, pools->n);
    pool_free(pools->framed[0]);
    pool_free(pools->framed[1]);
    map_done(&pools->by_name);
    free(pools);
    return NULL;
}

/* --- names --- */

static uint64_t name_key(const char *name)
{
    uint64_t key = 14695981039346656037u; /* FNV-1a */
    for (; *name != '\0'; name++)
        key = (key ^ (uint8_t)*name) * 1099511628211u;
    return key;
}

static struct pool *name_find(const struct map *names, const char *name)
{
    struct pool *pool = map_get(names, name_key(name));
    while (pool != NULL && strcmp(pool->config.name, name) != 0)
        pool = pool->name_next;
    return pool;
}

static int name_add(struct map *names, struct pool *pool)
{
    uint64_t key = name_key(pool->config.name);
    pool->name_next = map_get(names, key);
    return map_set(names, key, pool);
}

static void name_remove(struct map *names, struct pool *pool)
{
    uint64_t key = name_key(pool->config.name);
    struct pool *first = map_get(names, key);
    struct pool **link = &first;
    while (*link != pool)
        link = &(*link)->name_next;
    *link = pool->name_next;
    map_replace(names, key, first);
}

/* --- the order of addresses --- */

/* list_place - the place of the first pool that does not end before the address. */
static size_t list_place(struct pool *const *list, size_t n, const struct address *address)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (address_compare(&list[middle]->config.range.last, address) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool range_equal(const struct address_range *a, const struct address_range *b)
{
    return address_equal(&a->first, &b->first) && address_equal(&a->last, &b->last);
}

/* list_same - the pool with exactly this range; NULL: none. */
static struct pool *list_same(struct pool *const *list, size_t n, const struct address_range *range)
{
    size_t at = list_place(list, n, &range->first);
    return at < n && range_equal(&list[at]->config.range, range) ? list[at] : NULL;
}

/* list_overlap - a pool other than `but` that has an address of the range; NULL: none. */
static struct pool *list_overlap(struct pool *const *list, size_t n,
                                 const struct address_range *range, const struct pool *but)
{
    for (size_t i = list_place(list, n, &range->first);
         i < n && address_compare(&list[i]->config.range.first, &range->last) <= 0; i++)
        if (list[i] != but)
            return list[i];
    return NULL;
}

/* framed_within - a session has an address of the range from a RADIUS server. */
static bool framed_within(const struct pools *pools, const struct address_range *range)
{
    const struct pool *framed = pools->framed[range->first.family == ADDRESS_V6];
    for (size_t i = 0; i < framed->n; i++)
        if (range_contains(range, &framed->leases[i]->address))
            return true;
    return false;
}

static bool config_sound(const struct pool_config *config)
{
    size_t len = strnlen(config->name, LIMIT_NAME);
    return len > 0 && len < LIMIT_NAME && config->n_dns <= POOL_DNS &&
           config->n_subnets <= POOL_SUBNETS && config->range.first.family != ADDRESS_NONE &&
           config->range.first.family == config->range.last.family &&
           address_compare(&config->range.first, &config->range.last) <= 0;
}

/* --- one pool --- */

static int list_reserve(struct pools *pools, size_t n)
{
    if (n <= pools->cap)
        return 0;
    size_t cap = pools->cap == 0 ? 16 : pools->cap * 2;
    struct pool **list = reallocarray(pools->list, cap, sizeof(struct pool *));
    if (list == NULL)
        return ERR_NO_MEMORY;
    pools->list = list;
    pools->cap = cap;
    return 0;
}

static void list_remove(struct pools *pools, struct pool *pool)
{
    size_t at = list_place(pools->list, pools->n, &pool->config.range.first);
    ASSERT(pools->list[at] == pool);
    pools->n--;
    memmove(pools->list + at, pools->list + at + 1, (pools->n - at) * sizeof(struct pool *));
    name_remove(&pools->by_name, pool);
    pool_free(pool);
}

/* list_add - adds a pool. `replaced` is dropped once no step can fail. */
static int list_add(struct pools *pools, const struct pool_config *config, struct pool *replaced)
{
    struct pool *pool = pool_new(config, pools->hash_key);
    if (pool == NULL || list_reserve(pools, pools->n + 1) != 0 ||
        map_reserve(&pools->by_name, pools->n + 1) != 0) {
        pool_free(pool);
        return ERR_NO_MEMORY;
    }
    if (replaced != NULL)
        list_remove(pools, replaced);
    size_t at = list_place(pools->list, pools->n, &config->range.first);
    memmove(pools->list + at + 1, pools->list + at, (pools->n - at) * sizeof(struct pool *));
    pools->list[at] = pool;
    pools->n++;
    int err = name_add(&pools->by_name, pool); /* room was reserved */
    ASSERT(err == 0);
    return 0;
}

/* pool_rename - the range and its leases stay. The former name can be unloaded once. */
static int pool_rename(struct pools *pools, struct pool *pool, const struct pool_config *config)
{
    if (map_reserve(&pools->by_name, pools->n + 1) != 0)
        return ERR_NO_MEMORY;
    name_remove(&pools->by_name, pool);
    (void)snprintf(pool->former, sizeof(pool->former), "%s", pool->config.name);
    pool->config = *config;
    int err = name_add(&pools->by_name, pool);
    ASSERT(err == 0);
    return 0;
}

int pools_load(struct pools *pools, const struct pool_config *config, struct pools_fault *fault)
{
    if (!config_sound(config)) {
        fault_set(fault, config->name, "");
        return ERR_INVALID;
    }
    struct pool *pool = name_find(&pools->by_name, config->name);
    struct pool *same = list_same(pools->list, pools->n, &config->range);
    if (pool != NULL && pool == same) {
        pool->config = *config;
        return 0;
    }
    if (pool == NULL && same != NULL)
        return pool_rename(pools, same, config);
    const struct pool *other = list_overlap(pools->list, pools->n, &config->range, pool);
    if (other != NULL) {
        fault_set(fault, config->name, other->config.name);
        return ERR_INVALID;
    }
    bool framed = framed_within(pools, &config->range);
    fault_set(fault, config->name, framed ? POOL_RADIUS : "");
    return (pool != NULL && pool->online > 0) || framed ? ERR_WRONG_STATE
                                                        : list_add(pools, config, pool);
}

int pools_unload(struct pools *pools, const char *name)
{
    struct pool *pool = name_find(&pools->by_name, name);
    for (size_t i = 0; pool == NULL && i < pools->n; i++)
        if (name[0] != '\0' && strcmp(pools->list[i]->former, name) == 0) {
            pools->list[i]->former[0] = '\0';
            return 0;
        }
    if (pool == NULL)
        return ERR_NOT_FOUND;
    if (pool->online > 0)
        return ERR_WRONG_STATE;
    list_remove(pools, pool);
    return 0;
}

/* --- all pools at once --- */

static int by_first(const void *a, const void *b)
{
    const struct pool *const *one = a, *const *other = b;
    return address_compare(&(*one)->config.range.first, &(*other)->config.range.first);
}

/* set_check - the sorted pools have no address and no name in common. */
static int set_check(struct pool **list, size_t n, struct map *names, struct pools_fault *fault)
{
    for (size_t i = 0; i < n; i++) {
        const struct pool_config *config = &list[i]->config;
        bool overlap =
            i > 0 && address_compare(&list[i - 1]->config.range.last, &config->range.first) >= 0;
        const struct pool *namesake = name_find(names, config->name);
        fault_set(fault, config->name, overlap ? list[i - 1]->config.name : "");
        if (overlap || namesake != NULL)
            return ERR_INVALID;
        if (name_add(names, list[i]) != 0)
            return ERR_NO_MEMORY;
    }
    return 0;
}

/* set_build - new pools, without leases, sorted. */
static int set_build(const struct pools *pools, const struct pool_config *configs, size_t n,
                     struct pool **list, struct pools_fault *fault)
{
    for (size_t i = 0; i < n; i++) {
        fault_set(fault, configs[i].name, "");
        if (!config_sound(&configs[i]))
            return ERR_INVALID;
        list[i] = pool_new(&configs[i], pools->hash_key);
        if (list[i] == NULL)
            return ERR_NO_MEMORY;
    }
    if (n > 0)
        qsort(list, n, sizeof(list[0]), by_first);
    return 0;
}

/* struct pool_set - the new pools, and those of POOL_RADIUS if leases move (else NULL). */
struct pool_set {
    struct pool **list;
    size_t n;
    struct map names;
    struct pool *framed[2];
};

/* set_home - the new pool of the lease of an address; NULL: unchanged. A pool does not give out the
 * first and last address of its network, so a session that has one of them keeps it outside of the
 * pool. */
static struct pool *set_home(const struct pool_set *set, const struct address *address)
{
    size_t at = list_place(set->list, set->n, address);
    return at < set->n && range_contains(&set->list[at]->usable, address)
               ? set->list[at]
               : set->framed[address->family == ADDRESS_V6];
}

/* leases_move - copies the leases to their new pools: first the offline ones, in their order. */
static int leases_move(const struct pool *from, const struct pool_set *set)
{
    int err = 0;
    for (const struct lease *lease = from->oldest; err == 0 && lease != NULL; lease = lease->newer)
        err = pool_copy_lease(set_home(set, &lease->address), lease);
    for (size_t i = 0; err == 0 && i < from->n; i++)
        if (from->leases[i]->sessions[0] != 0)
            err = pool_copy_lease(set_home(set, &from->leases[i]->address), from->leases[i]);
    return err;
}

static void left_note(struct pools_left *left, const struct pool *pool, const struct pool_set *set)
{
    uint32_t n = 0;
    for (size_t i = 0; i < pool->n; i++)
        n += pool->leases[i]->sessions[0] != 0 && set_home(set, &pool->leases[i]->address)->forgets;
    left->n_leases += n;
    if (n > 0 && left->n < POOLS_LEFT)
        (void)snprintf(left->names[left->n++], LIMIT_NAME, "%s", pool->config.name);
}

/* set_moves - a pool with leases has lost its range, or a new pool has addresses of sessions. */
static bool set_moves(const struct pools *pools, const struct pool_set *set)
{
    bool moves = false;
    for (size_t i = 0; i < pools->n; i++)
        moves |= pools->list[i]->n > 0 &&
                 list_same(set->list, set->n, &pools->list[i]->config.range) == NULL;
    for (size_t i = 0; i < set->n; i++)
        moves |= framed_within(pools, &set->list[i]->config.range);
    return moves;
}

/* set_fill - keeps all leases: each moves to the new pool of its address. */
static int set_fill(const struct pools *pools, struct pool_set *set, struct pools_left *left)
{
    if (!set_moves(pools, set))
        return 0;
    set->framed[0] = framed_new("0.0.0.0/0", pools->hash_key);
    set->framed[1] = framed_new("::/0", pools->hash_key);
    int err = set->framed[0] == NULL || set->framed[1] == NULL ? ERR_NO_MEMORY : 0;
    for (size_t i = 0; err == 0 && i < 2; i++)
        err = leases_move(pools->framed[i], set);
    for (size_t i = 0; err == 0 && i < pools->n; i++) {
        const struct pool *pool = pools->list[i];
        if (list_same(set->list, set->n, &pool->config.range) != NULL)
            continue;
        err = leases_move(pool, set);
        left_note(left, pool, set);
    }
    return err;
}

static void set_done(struct pool_set *set)
{
    list_free(set->list, set->n);
    pool_free(set->framed[0]);
    pool_free(set->framed[1]);
    map_done(&set->names);
}

/* set_commit - an old pool whose range stays replaces the new one, with its leases. */
static void set_commit(struct pools *pools, struct pool_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct address_range *range = &set->list[i]->config.range;
        size_t at = list_place(pools->list, pools->n, &range->first);
        if (at == pools->n || !range_equal(&pools->list[at]->config.range, range))
            continue;
        struct pool *fresh = set->list[i], *old = pools->list[at];
        name_remove(&set->names, fresh);
        old->config = fresh->config;
        old->former[0] = '\0';
        int err = name_add(&set->names, old); /* the number of names never grows here */
        ASSERT(err == 0);
        set->list[i] = old;
        pools->list[at] = fresh; /* freed with the rest; the old pool has its range */
    }
    struct pool_set old = {pools->list, pools->n, pools->by_name, {NULL, NULL}};
    for (size_t i = 0; i < 2 && set->framed[i] != NULL; i++) {
        old.framed[i] = pools->framed[i];
        pools->framed[i] = set->framed[i];
    }
    pools->list = set->list;
    pools->n = pools->cap = set->n;
    pools->by_name = set->names;
    set_done(&old);
}

int pools_switch(struct pools *pools, const struct pool_config *configs, size_t n,
                 struct pools_fault *fault, struct pools_left *left)
{
    struct pool_set set = {.list = calloc(n + 1, sizeof(struct pool *)), .n = n};
    *left = (struct pools_left){.n = 0};
    int err = set.list == NULL || map_reserve(&set.names, n) != 0 ? ERR_NO_MEMORY : 0;
    if (err == 0)
        err = set_build(pools, configs, n, set.list, fault);
    if (err == 0)
        err = set_check(set.list, n, &set.names, fault);
    if (err == 0)
        err = set_fill(pools, &set, left);
    if (err == 0)
        set_commit(pools, &set);
    else
        set_done(&set);
    return err;
}

/* --- leases --- */

struct pools_one {
    const struct address *wish;
    struct ike_config *config;
};

static void config_append(const struct pool_config *pool, struct ike_config *config)
{
    for (size_t i = 0; i < pool->n_dns && config->n_dns < POOL_DNS; i++)
        config->dns[config->n_dns++] = pool->dns[i];
    encrypted_dns_add(&config->encrypted_dns, &pool->encrypted_dns);
    struct span domain = {0};
    while ((domain = domain_list_next(&pool->domains, domain)).len > 0)
        if (domain_list_add(&config->domains, domain) != 0)
            break;
    for (size_t i = 0; i < pool->n_subnets && config->n_subnets < POOL_SUBNETS; i++)
        config->subnets[config->n_subnets++] = pool->subnets[i];
}

/*
 * pool_named - the pool with that name in a connection; NULL: none. POOL_RADIUS covers the
 * addresses that a server names, except those of pools: a pool gives its addresses only to
 * connections that name it.
 */
static struct pool *pool_named(const struct pools *pools, const char *name,
                               const struct address *exact)
{
    if (strcmp(name, POOL_RADIUS) != 0)
        return name_find(&pools->by_name, name);
    if (exact == NULL)
        return NULL;
    const struct address_range one = {*exact, *exact};
    return list_overlap(pools->list, pools->n, &one, NULL) != NULL
               ? NULL
               : pools->framed[exact->family == ADDRESS_V6];
}

/* pool_serves - the pool may give an address of that family to this login. */
static bool pool_serves(const struct pool *pool, uint8_t family, const struct address *exact,
                        const char *name)
{
    return pool != NULL && pool->config.range.first.family == family &&
           (name == NULL || strcmp(pool->config.name, name) == 0) &&
           (exact == NULL || range_contains(&pool->usable, exact));
}

/* one address of the family of `wish`, from the first pool that has one */
static int lease_one(struct pools *pools, const struct ike_lease_job *job,
                     const struct pools_grant *grant, ike_session_id session, struct pools_one *one)
{
    int error = ERR_NOT_FOUND, i6 = one->wish->family == ADDRESS_V6 ? 1 : 0;
    const char *name = grant == NULL ? NULL : grant->pools[i6];
    const struct address *exact =
        grant == NULL || grant->addresses[i6].family == ADDRESS_NONE ? NULL : &grant->addresses[i6];
    struct ike_config *config = one->config;
    for (size_t i = 0; i < job->conn->n_pools; i++) {
        struct pool *pool = pool_named(pools, job->conn->pools[i], exact);
        if (!pool_serves(pool, one->wish->family, exact, name))
            continue;
        struct address *ret = &config->addresses[config->n_addresses];
        error = exact != NULL ? pool_lease_exact(pool, job, exact, session, ret)
                              : pool_lease(pool, job, one->wish, session, ret);
        if (error != 0)
            continue;
        config->n_addresses++;
        config_append(&pool->config, config);
        return 0;
    }
    return error;
}

/* grant_names - the server names the address or pool of that family. */
static bool grant_names(const struct pools_grant *grant, uint8_t family)
{
    size_t i = family == ADDRESS_V6 ? 1 : 0;
    return grant != NULL && (grant->pools[i] != NULL || grant->addresses[i].family != ADDRESS_NONE);
}

/* family_asked - the peer accepts encrypted resolvers at addresses of this family. */
static bool family_asked(const struct address *server, const void *context)
{
    const struct ike_lease_job *job = context;
    return server->family == ADDRESS_V6 ? job->encrypted_dns_v6 : job->encrypted_dns_v4;
}

int pools_lease(struct pools *pools, const struct ike_lease_job *job,
                const struct pools_grant *grant, ike_session_id session,
                struct ike_config *ret_config)
{
    struct ike_config config = {0};
    bool done_v4 = false, done_v6 = false;
    int error = ERR_NOT_FOUND;
    ASSERT(session != 0 && job->n_requested <= IKE_LEASE_ADDRESSES);
    pools_release(pools, session); /* asked again: the same identity gets the same addresses */
    for (size_t i = 0; i < job->n_requested; i++) {
        struct pools_one one = {&job->requested[i], &config};
        bool *done = one.wish->family == ADDRESS_V6 ? &done_v6 : &done_v4;
        if (*done || one.wish->family == ADDRESS_NONE)
            continue;
        *done = true;
        int err = lease_one(pools, job, grant, session, &one);
        if (err != 0 && grant_names(grant, one.wish->family)) {
            pools_release(pools, session);
            return err;
        }
        if (err != 0 && err != ERR_NOT_FOUND)
            error = err;
    }
    if (config.n_addresses == 0)
        return error;
    if (grant != NULL && grant->n_dns > 0) {
        config.n_dns = grant->n_dns;
        memcpy(config.dns, grant->dns, grant->n_dns * sizeof(config.dns[0]));
    }
    encrypted_dns_keep(&config.encrypted_dns, family_asked, job);
    if (grant != NULL && grant->n_dns > 0)
        config.encrypted_dns = (struct encrypted_dns){.n = 0};
    /* RFC 8598 section 3.3: all servers resolve all domains, and those of a grant need not. Section 3.2: no domains
     * without servers */
    if (!job->split_dns || (grant != NULL && grant->n_dns > 0) ||
        (config.n_dns == 0 && config.encrypted_dns.n == 0))
        config.domains = (struct domain_list){.text = ""};
    *ret_config = config;
    return 0;
}

void pools_release(struct pools *pools, ike_session_id session)
{
    for (size_t i = 0; i < pools->n; i++)
        pool_release(pools->list[i], session);
    pool_release(pools->framed[0], session);
    pool_release(pools->framed[1], session);
}

static int keep_one(struct pools *pools, const struct ike_lease_job *job,
                    const struct address *address, ike_session_id session)
{
    struct address kept;
    for (size_t i = 0; i < job->conn->n_pools; i++) {
        struct pool *pool = pool_named(pools, job->conn->pools[i], address);
        if (pool_serves(pool, address->family, address, NULL))
            return pool_lease_exact(pool, job, address, session, &kept);
    }
    return ERR_NOT_FOUND;
}

int pools_keep(struct pools *pools, const struct ike_lease_job *job, ike_session_id session)
{
    int error = 0;
    for (size_t i = 0; error == 0 && i < job->n_requested; i++)
        error = keep_one(pools, job, &job->requested[i], session);
    if (error != 0)
        pools_release(pools, session);
    return error;
}

/* --- queries --- */

static uint64_t range_size(const struct address_range *range)
{
    uint64_t first = 0, last = 0;
    size_t len = address_len(&range->first);
    for (size_t i = 0; i < len; i++) {
        if (i + 8 < len && range->first.octets[i] != range->last.octets[i])
            return UINT64_MAX;
        first = first << 8 | range->first.octets[i];
        last = last << 8 | range->last.octets[i];
    }
    return last - first == UINT64_MAX ? UINT64_MAX : last - first + 1;
}

bool pools_status(const struct pools *pools, size_t index, struct pool_status *ret)
{
    if (index >= pools->n)
        return false;
    const struct pool *pool = pools->list[index];
    *ret = (struct pool_status){.config = &pool->config,
                                .base = pool->usable.first,
                                .size = range_size(&pool->usable),
                                .online = pool->online,
                                .offline = (uint32_t)pool->n - pool->online};
    return true;
}

bool pools_lease_at(const struct pools *pools, size_t pool, size_t index, struct pool_lease *ret)
{
    if (pool >= pools->n || index >= pools->list[pool]->n)
        return false;
    const struct lease *lease = pools->list[pool]->leases[index];
    *ret = (struct pool_lease){.address = lease->address, .online = lease->sessions[0] != 0};
    memcpy(&ret->identity, lease->identity, offsetof(struct ike_id, data) + lease->identity->len);
    return true;
}

struct address_range pools_network(const struct address_range *range)
{
    struct address_range net = *range;
    struct address second, last_but_one;
    unsigned len = (unsigned)address_len(&range->first) * 8;
    while (!range_from_prefix(&range->first, len, &net) || !range_contains(&net, &range->last))
        len--;
    bool begins = address_equal(&net.first, &range->first) ||
                  (address_next(&net.first, &second) && address_equal(&second, &range->first));
    bool ends =
        address_equal(&net.last, &range->last) ||
        (address_previous(&net.last, &last_but_one) && address_equal(&last_but_one, &range->last));
    return begins && ends ? net : *range;
}
