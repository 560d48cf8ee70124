/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_POOL_H
#define DAEMON_POOL_H

/* One address pool and its leases. Internal to pools.c, which keeps the set of pools. */

#include "base/map.h"
#include "base/siphash.h"
#include "daemon/tables/pools.h"

#define HOLDERS 4 /* a session, its successor, and failed attempts */

struct lease {
    struct address address;
    ike_session_id sessions[HOLDERS]; /* the sessions that have it; [0] is 0: offline */
    struct lease *address_next;       /* with the same key of the address */
    size_t index;                     /* in pool->leases */
    /* offline leases: of the pool, and those with the same key of the identity */
    struct lease *older, *newer, *identity_older, *identity_newer;
    struct ike_id *identity; /* owned; kept as long as the lease is; NULL: no identity had it yet */
};

struct pool {
    struct pool_config config;
    struct address_range usable; /* of config.range */
    struct address next;         /* lowest address that was never given out */
    bool used_up;                /* none is left */
    size_t n, cap;
    struct lease **leases; /* owned, in order of first use */
    struct map by_address; /* address_key -> first lease */
    /* session -> lease; a session has at most one lease of each pool */
    struct map by_session;
    struct map by_identity;          /* identity_key -> its offline lease that went offline last */
    struct lease *oldest, *youngest; /* offline, in the order of going offline */
    uint32_t online;
    struct map owners;      /* identity_key -> how many of its leases are online */
    struct pool *name_next; /* with the same key of the name (pools.c) */
    uint8_t hash_key[SIPHASH_KEY_LEN];
    char former[LIMIT_NAME]; /* name before a rename, until that name is unloaded; empty: none */
    /* a lease ends with its sessions: a RADIUS server remembers the address instead */
    bool forgets;
};

/* pool_new - `hash_key` as of pools_new. NULL: no memory. */
struct pool *pool_new(const struct pool_config *config, const uint8_t hash_key[SIPHASH_KEY_LEN]);
struct pool *pool_free(struct pool *pool); /* takes NULL; returns NULL */

/* pool_lease - an address for a session that has none of this pool. ERR_FULL, ERR_NO_MEMORY. */
int pool_lease(struct pool *pool, const struct ike_lease_job *job, const struct address *wish,
               ike_session_id session, struct address *ret_address) MUST_USE;
/* pool_lease_exact - this address, which lies in the pool. ERR_FULL: another session has it. */
int pool_lease_exact(struct pool *pool, const struct ike_lease_job *job,
                     const struct address *address, ike_session_id session,
                     struct address *ret_address) MUST_USE;
/* pool_copy_lease - of another pool; an offline one is left out if the pool forgets. ERR_NO_MEMORY:
 * the pool can only be freed now. */
int pool_copy_lease(struct pool *pool, const struct lease *lease) MUST_USE;
void pool_release(struct pool *pool, ike_session_id session); /* no effect without a lease */

#endif
