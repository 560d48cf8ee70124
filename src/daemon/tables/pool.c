/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/tables/pool.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/assert.h"
#include "ike/terms/identity.h"

/* The first and the last address of an IPv4 subnet have a special meaning, and other hosts refuse
 * them. A range that is no subnet is used as a whole. */
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

/* identity_key - a keyed hash, since a peer chooses its identity. */
static uint64_t identity_key(const struct pool *pool, const struct ike_id *identity)
{
    return identity_keyed_hash(identity, pool->hash_key, identity->type);
}

struct pool *pool_new(const struct pool_config *config, const uint8_t hash_key[SIPHASH_KEY_LEN])
{
    struct pool *pool = malloc(sizeof(*pool));
    struct address_range usable = range_usable(&config->range);
    if (pool != NULL)
        *pool = (struct pool){.config = *config, .usable = usable, .next = usable.first};
    if (pool != NULL)
        memcpy(pool->hash_key, hash_key, sizeof(pool->hash_key));
    return pool;
}

struct pool *pool_free(struct pool *pool)
{
    if (pool == NULL)
        return NULL;
    for (size_t i = 0; i < pool->n; i++) {
        free(pool->leases[i]->identity);
        free(pool->leases[i]);
    }
    free(pool->leases);
    map_done(&pool->by_address);
    map_done(&pool->by_session);
    map_done(&pool->by_identity);
    map_done(&pool->owners);
    free(pool);
    return NULL;
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

/* --- the number of leases of each identity --- */

static size_t owner_count(const struct pool *pool, const struct ike_id *identity)
{
    return (uintptr_t)map_get(&pool->owners, identity_key(pool, identity));
}

/* owner_set - sets the count; pool_lease has made room. */
static void owner_set(struct pool *pool, const struct ike_id *identity, size_t count)
{
    uint64_t key = identity_key(pool, identity);
    if (count == 0) {
        (void)map_take(&pool->owners, key);
        return;
    }
    int err = map_set(&pool->owners, key, (void *)(uintptr_t)count);
    ASSERT(err == 0);
}

/* --- the order in which leases went offline --- */

static void offline_add(struct pool *pool, struct lease *lease)
{
    uint64_t hash = identity_key(pool, lease->identity);
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
    owner_set(pool, lease->identity, owner_count(pool, lease->identity) - 1);
    pool->online--;
}

static void offline_remove(struct pool *pool, struct lease *lease)
{
    uint64_t hash = identity_key(pool, lease->identity);
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

/* lease_add - a new lease, online. NULL: no memory. */
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
    lease->index = pool->n;
    pool->leases[pool->n++] = lease;
    return lease;
}

/* the next address that was never given out; requests may have taken some before */
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
    lease = map_get(&pool->by_identity, identity_key(pool, identity));
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

/* lease_shared - the lease of the session that the peer is about to replace. */
static struct lease *lease_shared(struct pool *pool, const struct ike_lease_job *job,
                                  const struct address *wish)
{
    struct lease *lease = job->beside == 0 ? NULL : lease_of_address(pool, wish);
    return lease != NULL && lease_held(lease, job->beside) && lease->sessions[HOLDERS - 1] == 0 &&
                   identity_equal(lease->identity, &job->identity)
               ? lease
               : NULL;
}

/* lease_choose - NULL: no address is free, the identity has its maximum, or no memory. */
static struct lease *lease_choose(struct pool *pool, const struct ike_lease_job *job,
                                  const struct address *wish)
{
    struct lease *lease = lease_shared(pool, job, wish);
    uint32_t most = job->conn->max_leases;
    if (lease == NULL && most != 0 && owner_count(pool, &job->identity) >= most)
        return NULL;
    if (lease == NULL)
        lease = lease_sticky(pool, &job->identity, wish);
    if (lease == NULL && range_contains(&pool->usable, wish) &&
        lease_of_address(pool, wish) == NULL)
        lease = lease_add(pool, wish);
    if (lease == NULL)
        lease = lease_fresh(pool);
    return lease != NULL ? lease : pool->oldest;
}

static struct ike_id *identity_copy(const struct ike_id *identity)
{
    size_t size = offsetof(struct ike_id, data) + identity->len;
    struct ike_id *copy = malloc(size);
    if (copy != NULL)
        memcpy(copy, identity, size);
    return copy;
}

/* lease_take - gives the lease to `identity`. by_session and owners have room. */
static void lease_take(struct pool *pool, struct lease *lease, struct ike_id *identity,
                       ike_session_id session)
{
    size_t holder = 0;
    if (lease->identity == NULL)
        pool->online++;
    else if (lease->sessions[0] == 0)
        offline_remove(pool, lease);
    if (lease->sessions[0] == 0)
        owner_set(pool, identity, owner_count(pool, identity) + 1);
    free(lease->identity);
    lease->identity = identity;
    while (lease->sessions[holder] != 0)
        holder++;
    lease->sessions[holder] = session;
    int err = map_put(&pool->by_session, session, lease);
    ASSERT(err == 0);
}

/* lease_exact - NULL: the address is taken, or no memory. */
static struct lease *lease_exact(struct pool *pool, const struct ike_lease_job *job,
                                 const struct address *address)
{
    struct lease *lease = lease_of_address(pool, address);
    uint32_t most = job->conn->max_leases;
    if (lease == NULL || lease->sessions[0] == 0) {
        if (most != 0 && owner_count(pool, &job->identity) >= most)
            return NULL;
        return lease == NULL ? lease_add(pool, address) : lease;
    }
    /* the session with the address ends as soon as this login is complete */
    bool replaced = job->conn->unique == IKE_UNIQUE_REPLACE || lease_held(lease, job->beside);
    return replaced && lease->sessions[HOLDERS - 1] == 0 &&
                   identity_equal(lease->identity, &job->identity)
               ? lease
               : NULL;
}

/* struct lease_wish - `exact`: this address or none. */
struct lease_wish {
    const struct address *address;
    bool exact;
};

static int lease_begin(struct pool *pool, const struct ike_lease_job *job, struct lease_wish wish,
                       ike_session_id session, struct address *ret_address)
{
    if (map_reserve(&pool->by_session, pool->by_session.n + 1) != 0 ||
        map_reserve(&pool->owners, pool->owners.n + 1) != 0)
        return ERR_NO_MEMORY;
    struct ike_id *identity = identity_copy(&job->identity);
    if (identity == NULL)
        return ERR_NO_MEMORY;
    struct lease *lease =
        wish.exact ? lease_exact(pool, job, wish.address) : lease_choose(pool, job, wish.address);
    if (lease == NULL) {
        free(identity);
        return ERR_FULL;
    }
    lease_take(pool, lease, identity, session);
    *ret_address = lease->address;
    return 0;
}

int pool_lease(struct pool *pool, const struct ike_lease_job *job, const struct address *wish,
               ike_session_id session, struct address *ret_address)
{
    return lease_begin(pool, job, (struct lease_wish){wish, false}, session, ret_address);
}

int pool_lease_exact(struct pool *pool, const struct ike_lease_job *job,
                     const struct address *address, ike_session_id session,
                     struct address *ret_address)
{
    return lease_begin(pool, job, (struct lease_wish){address, true}, session, ret_address);
}

int pool_copy_lease(struct pool *pool, const struct lease *from)
{
    bool offline = from->sessions[0] == 0;
    if (offline && pool->forgets)
        return 0;
    if (map_reserve(&pool->by_session, pool->by_session.n + HOLDERS) != 0 ||
        map_reserve(&pool->owners, pool->owners.n + 1) != 0)
        return ERR_NO_MEMORY;
    struct ike_id *identity = identity_copy(from->identity);
    struct lease *lease = identity == NULL ? NULL : lease_add(pool, &from->address);
    if (lease == NULL) {
        free(identity);
        return ERR_NO_MEMORY;
    }
    lease->identity = identity;
    owner_set(pool, identity, owner_count(pool, identity) + 1);
    pool->online++;
    for (size_t i = 0; i < HOLDERS && from->sessions[i] != 0; i++) {
        lease->sessions[i] = from->sessions[i];
        int err = map_put(&pool->by_session, from->sessions[i], lease);
        ASSERT(err == 0);
    }
    if (offline)
        offline_add(pool, lease);
    return 0;
}

/* lease_forget - frees a lease without sessions. */
static void lease_forget(struct pool *pool, struct lease *lease)
{
    uint64_t key = address_key(&lease->address);
    struct lease *first = map_get(&pool->by_address, key), **link = &first;
    while (*link != lease)
        link = &(*link)->address_next;
    *link = lease->address_next;
    map_replace(&pool->by_address, key, first);
    owner_set(pool, lease->identity, owner_count(pool, lease->identity) - 1);
    pool->online--;
    pool->leases[lease->index] = pool->leases[--pool->n];
    pool->leases[lease->index]->index = lease->index;
    free(lease->identity);
    free(lease);
}

static void lease_leave(struct pool *pool, struct lease *lease, ike_session_id session)
{
    size_t n = 0;
    for (size_t i = 0; i < HOLDERS; i++)
        if (lease->sessions[i] != 0 && lease->sessions[i] != session)
            lease->sessions[n++] = lease->sessions[i];
    memset(lease->sessions + n, 0, (HOLDERS - n) * sizeof(lease->sessions[0]));
    if (n == 0 && pool->forgets)
        lease_forget(pool, lease);
    else if (n == 0)
        offline_add(pool, lease);
}

void pool_release(struct pool *pool, ike_session_id session)
{
    struct lease *lease = map_take(&pool->by_session, session);
    if (lease != NULL)
        lease_leave(pool, lease, session);
}
