/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine/pools.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/map.h"
#include "ike/terms/identity.h"

#define POOLS   32
#define HOLDERS 4 /* a session, its successor, and attempts that came to nothing */

struct lease {
    struct address address;
    ike_session_id sessions[HOLDERS]; /* who has it; [0] is 0: offline */
    struct lease *address_next;       /* with the same key of the address */
    /* of those that are offline: all of the pool, and those with the same key of the identity */
    struct lease *older, *newer, *identity_older, *identity_newer;
    struct ike_id *identity; /* owned, no longer than it must be; NULL: nobody's yet */
};

struct pool {
    struct pool_config config;
    struct address_range usable; /* of config.range */
    struct address next;         /* lowest address that never was given out */
    bool used_up;                /* none is left */
    size_t n, cap;
    struct lease **leases;           /* owned, in order of first use */
    struct map by_address;           /* address_key -> first lease */
    struct map by_session;           /* who has it -> lease; one of each pool */
    struct map by_identity;          /* hash -> offline lease that was left last */
    struct lease *oldest, *youngest; /* offline, in order of leaving */
    uint32_t online;
};

struct pools {
    size_t n;
    struct pool pools[POOLS];
};

struct pools *pools_new(void)
{
    return calloc(1, sizeof(struct pools));
}

static void pool_clear(struct pool *pool)
{
    for (size_t i = 0; i < pool->n; i++) {
        free(pool->leases[i]->identity);
        free(pool->leases[i]);
    }
    free(pool->leases);
    map_done(&pool->by_address);
    map_done(&pool->by_session);
    map_done(&pool->by_identity);
}

struct pools *pools_free(struct pools *pools)
{
    for (size_t i = 0; pools != NULL && i < pools->n; i++)
        pool_clear(&pools->pools[i]);
    free(pools);
    return NULL;
}

static struct pool *pool_find(struct pools *pools, const char *name)
{
    for (size_t i = 0; i < pools->n; i++)
        if (strcmp(pools->pools[i].config.name, name) == 0)
            return &pools->pools[i];
    return NULL;
}

/* The first and the last address of an IPv4 subnet have a meaning of their own: hosts that get them
 * are refused by others. A range that is no subnet is taken as it is. */
static struct address_range range_usable(const struct address_range *range)
{
    struct address_range usable = *range;
    unsigned prefix_len;
    if (range->first.family == ADDRESS_V4 && range_to_prefix(range, &prefix_len) &&
        prefix_len < 31) {
        bool inside = address_next(&range->first, &usable.first) &&
                      address_previous(&range->last, &usable.last);
        ASSERT(inside);
    }
    return usable;
}

static bool config_sound(const struct pools *pools, const struct pool_config *config)
{
    struct address_range common;
    size_t len = strnlen(config->name, LIMIT_NAME);
    if (len == 0 || len == LIMIT_NAME || config->n_dns > POOL_DNS ||
        config->n_subnets > POOL_SUBNETS || config->range.first.family == ADDRESS_NONE ||
        config->range.first.family != config->range.last.family ||
        address_compare(&config->range.first, &config->range.last) > 0)
        return false;
    for (size_t i = 0; i < pools->n; i++)
        if (strcmp(pools->pools[i].config.name, config->name) != 0 &&
            range_intersect(&pools->pools[i].config.range, &config->range, &common))
            return false;
    return true;
}

int pools_load(struct pools *pools, const struct pool_config *config)
{
    if (!config_sound(pools, config))
        return ERR_INVALID;
    struct pool *pool = pool_find(pools, config->name);
    if (pool != NULL && address_equal(&pool->config.range.first, &config->range.first) &&
        address_equal(&pool->config.range.last, &config->range.last)) {
        pool->config = *config;
        return 0;
    }
    if (pool != NULL && pool->online > 0)
        return ERR_WRONG_STATE;
    if (pool == NULL && pools->n == POOLS)
        return ERR_FULL;
    if (pool == NULL)
        pool = &pools->pools[pools->n++];
    pool_clear(pool);
    struct address_range usable = range_usable(&config->range);
    *pool = (struct pool){.config = *config, .usable = usable, .next = usable.first};
    return 0;
}

int pools_unload(struct pools *pools, const char *name)
{
    struct pool *pool = pool_find(pools, name);
    if (pool == NULL)
        return ERR_NOT_FOUND;
    if (pool->online > 0)
        return ERR_WRONG_STATE;
    pool_clear(pool);
    struct pool *last = &pools->pools[--pools->n];
    memmove(pool, pool + 1, (size_t)(last - pool) * sizeof(*pool));
    return 0;
}

/* --- leases --- */

static uint64_t address_key(const struct address *address)
{
    uint64_t key = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < address_len(address); i++)
        key = (key ^ address->octets[i]) * 1099511628211u;
    return key;
}

static struct lease *lease_of_address(const struct pool *pool, const struct address *address)
{
    struct lease *lease = map_get(&pool->by_address, address_key(address));
    while (lease != NULL && !address_equal(&lease->address, address))
        lease = lease->address_next;
    return lease;
}

/* --- the order of leaving --- */

static void offline_add(struct pool *pool, struct lease *lease)
{
    uint32_t hash = identity_hash(lease->identity, 0);
    lease->newer = NULL;
    lease->older = pool->youngest;
    *(lease->older != NULL ? &lease->older->newer : &pool->oldest) = lease;
    pool->youngest = lease;
    lease->identity_newer = NULL;
    lease->identity_older = map_get(&pool->by_identity, hash);
    if (lease->identity_older != NULL)
        lease->identity_older->identity_newer = lease;
    int err = map_set(&pool->by_identity, hash, lease); /* lease_add made room */
    ASSERT(err == 0);
    pool->online--;
}

static void offline_remove(struct pool *pool, struct lease *lease)
{
    uint32_t hash = identity_hash(lease->identity, 0);
    *(lease->older != NULL ? &lease->older->newer : &pool->oldest) = lease->newer;
    *(lease->newer != NULL ? &lease->newer->older : &pool->youngest) = lease->older;
    if (lease->identity_older != NULL)
        lease->identity_older->identity_newer = lease->identity_newer;
    if (lease->identity_newer != NULL)
        lease->identity_newer->identity_older = lease->identity_older;
    else
        map_replace(&pool->by_identity, hash, lease->identity_older);
    pool->online++;
}

/* lease_add - online, as whoever asks for a new one takes it. NULL: no memory. */
static struct lease *lease_add(struct pool *pool, const struct address *address)
{
    if (pool->n == pool->cap) {
        size_t cap = pool->cap == 0 ? 16 : pool->cap * 2;
        struct lease **leases = reallocarray(pool->leases, cap, sizeof(leases[0]));
        if (leases == NULL)
            return NULL;
        pool->leases = leases;
        pool->cap = cap;
    }
    struct lease *lease = calloc(1, sizeof(*lease));
    if (lease == NULL || map_reserve(&pool->by_identity, pool->n + 1) != 0) {
        free(lease);
        return NULL;
    }
    lease->address = *address;
    lease->address_next = map_get(&pool->by_address, address_key(address));
    if (map_set(&pool->by_address, address_key(address), lease) != 0) {
        free(lease);
        return NULL;
    }
    pool->leases[pool->n++] = lease;
    return lease;
}

/* the next address that nobody ever had; wishes may have taken some ahead */
static struct lease *lease_fresh(struct pool *pool)
{
    while (!pool->used_up) {
        struct address address = pool->next;
        if (address_equal(&address, &pool->usable.last) || !address_next(&address, &pool->next))
            pool->used_up = true;
        if (lease_of_address(pool, &address) == NULL)
            return lease_add(pool, &address);
    }
    return NULL;
}

static struct lease *lease_sticky(const struct pool *pool, const struct ike_id *identity,
                                  const struct address *wish)
{
    struct lease *lease = lease_of_address(pool, wish);
    if (lease != NULL && lease->sessions[0] == 0 && identity_equal(lease->identity, identity))
        return lease;
    lease = map_get(&pool->by_identity, identity_hash(identity, 0));
    while (lease != NULL && !identity_equal(lease->identity, identity))
        lease = lease->identity_older;
    return lease;
}

static bool lease_held(const struct lease *lease, ike_session_id session)
{
    for (size_t i = 0; i < HOLDERS; i++)
        if (session != 0 && lease->sessions[i] == session)
            return true;
    return false;
}

/* lease_shared - what the peer has on the session that it is about to replace. */
static struct lease *lease_shared(struct pool *pool, const struct ike_lease_job *job,
                                  const struct address *wish)
{
    struct lease *lease = job->beside == 0 ? NULL : lease_of_address(pool, wish);
    return lease != NULL && lease_held(lease, job->beside) && lease->sessions[HOLDERS - 1] == 0 &&
                   identity_equal(lease->identity, &job->identity)
               ? lease
               : NULL;
}

static struct lease *lease_choose(struct pool *pool, const struct ike_lease_job *job,
                                  const struct address *wish)
{
    struct lease *lease = lease_shared(pool, job, wish);
    if (lease == NULL)
        lease = lease_sticky(pool, &job->identity, wish);
    if (lease == NULL && range_contains(&pool->usable, wish) &&
        lease_of_address(pool, wish) == NULL)
        lease = lease_add(pool, wish);
    if (lease == NULL)
        lease = lease_fresh(pool);
    return lease != NULL ? lease : pool->oldest;
}

static void config_append(const struct pool_config *pool, struct ike_config *config)
{
    for (size_t i = 0; i < pool->n_dns && config->n_dns < POOL_DNS; i++)
        config->dns[config->n_dns++] = pool->dns[i];
    for (size_t i = 0; i < pool->n_subnets && config->n_subnets < POOL_SUBNETS; i++)
        config->subnets[config->n_subnets++] = pool->subnets[i];
}

static struct ike_id *identity_copy(const struct ike_id *identity)
{
    size_t size = offsetof(struct ike_id, data) + identity->len;
    struct ike_id *copy = malloc(size);
    if (copy != NULL)
        memcpy(copy, identity, size);
    return copy;
}

/* lease_take - `identity` is the lease's from now on. In by_session is room. */
static void lease_take(struct pool *pool, struct lease *lease, struct ike_id *identity,
                       ike_session_id session)
{
    size_t holder = 0;
    if (lease->identity == NULL)
        pool->online++;
    else if (lease->sessions[0] == 0)
        offline_remove(pool, lease);
    free(lease->identity);
    lease->identity = identity;
    while (lease->sessions[holder] != 0)
        holder++;
    lease->sessions[holder] = session;
    int err = map_put(&pool->by_session, session, lease);
    ASSERT(err == 0);
}

/* one address of the family of `wish` from the first pool that still has one */
static int lease_one(struct pools *pools, const struct ike_lease_job *job,
                     const struct address *wish, ike_session_id session, struct ike_config *config)
{
    int error = ERR_NOT_FOUND;
    for (size_t i = 0; i < job->conn->n_pools; i++) {
        struct pool *pool = pool_find(pools, job->conn->pools[i]);
        if (pool == NULL || pool->config.range.first.family != wish->family)
            continue;
        if (map_reserve(&pool->by_session, pool->by_session.n + 1) != 0) {
            error = ERR_NO_MEMORY;
            continue;
        }
        struct ike_id *identity = identity_copy(&job->identity);
        struct lease *lease = identity == NULL ? NULL : lease_choose(pool, job, wish);
        if (lease == NULL) {
            free(identity);
            error = identity == NULL ? ERR_NO_MEMORY : ERR_FULL;
            continue;
        }
        lease_take(pool, lease, identity, session);
        config->addresses[config->n_addresses++] = lease->address;
        config_append(&pool->config, config);
        return 0;
    }
    return error;
}

int pools_lease(struct pools *pools, const struct ike_lease_job *job, ike_session_id session,
                struct ike_config *ret_config)
{
    struct ike_config config = {0};
    bool done_v4 = false, done_v6 = false;
    int error = ERR_NOT_FOUND;
    ASSERT(session != 0 && job->n_requested <= IKE_LEASE_ADDRESSES);
    pools_release(pools, session); /* asked again: the same addresses, by identity */
    for (size_t i = 0; i < job->n_requested; i++) {
        const struct address *wish = &job->requested[i];
        bool *done = wish->family == ADDRESS_V6 ? &done_v6 : &done_v4;
        if (*done || wish->family == ADDRESS_NONE)
            continue;
        *done = true;
        int one = lease_one(pools, job, wish, session, &config);
        if (one != 0 && one != ERR_NOT_FOUND)
            error = one;
    }
    if (config.n_addresses == 0)
        return error;
    *ret_config = config;
    return 0;
}

static void lease_leave(struct pool *pool, struct lease *lease, ike_session_id session)
{
    size_t n = 0;
    for (size_t i = 0; i < HOLDERS; i++)
        if (lease->sessions[i] != 0 && lease->sessions[i] != session)
            lease->sessions[n++] = lease->sessions[i];
    memset(lease->sessions + n, 0, (HOLDERS - n) * sizeof(lease->sessions[0]));
    if (n == 0)
        offline_add(pool, lease);
}

void pools_release(struct pools *pools, ike_session_id session)
{
    for (size_t i = 0; i < pools->n; i++) {
        struct lease *lease = map_take(&pools->pools[i].by_session, session);
        if (lease != NULL)
            lease_leave(&pools->pools[i], lease, session);
    }
}

/* --- looking in --- */

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
    const struct pool *pool = &pools->pools[index];
    *ret = (struct pool_status){&pool->config, range_size(&pool->usable), pool->online,
                                (uint32_t)pool->n - pool->online};
    return true;
}

bool pools_lease_at(const struct pools *pools, size_t pool, size_t index, struct pool_lease *ret)
{
    if (pool >= pools->n || index >= pools->pools[pool].n)
        return false;
    const struct lease *lease = pools->pools[pool].leases[index];
    *ret = (struct pool_lease){.address = lease->address, .online = lease->sessions[0] != 0};
    memcpy(&ret->identity, lease->identity, offsetof(struct ike_id, data) + lease->identity->len);
    return true;
}
