/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_POOLS_H
#define DAEMON_POOLS_H

/*
 * Address pools of a Gateway. An identity gets its former address again, unless another identity
 * has needed it. New identities get addresses that were never given out, then those that are
 * offline for the longest time. A session holds at most one lease of each pool. A lease belongs to
 * one session, and for a while also to the logins that replace it.
 *
 * POOL_RADIUS is not a range of addresses: peers of a connection with it get any address that a
 * RADIUS server names. A lease of it ends with the session.
 */

#include "ike/ike.h"

struct pools;

#define POOL_RADIUS  "radius"
#define POOL_DHCP    "dhcp" /* charon asks a DHCP server; ikat refuses the name */
#define POOL_DNS     8
#define POOL_SUBNETS 8

struct pool_config {
    char name[LIMIT_NAME];
    struct address_range range;
    uint8_t n_dns, n_subnets;
    struct address dns[POOL_DNS];
    struct address_range subnets[POOL_SUBNETS];
    struct encrypted_dns encrypted_dns; /* RFC 9464 */
    struct domain_list domains;         /* the domains that these servers resolve (RFC 8598) */
};

/* pools_network - a pool leaves out the first and the last address of its network, but its route
 * contains them: one prefix instead of one for each bit. */
struct address_range pools_network(const struct address_range *range);

/* pools_new - `hash_key` (SIPHASH_KEY_LEN octets, random) keeps peers from choosing identities with
 * equal keys. NULL: no memory. */
struct pools *pools_new(const uint8_t *hash_key);
struct pools *pools_free(struct pools *pools); /* takes NULL; returns NULL */

/* struct pools_fault - the pool for which a load was refused. */
struct pools_fault {
    char name[LIMIT_NAME];
    char other[LIMIT_NAME]; /* the pool that it overlaps; empty: another fault */
};

/*
 * pools_load - adds a pool or replaces the one of the same name. Leases stay with their range: a
 * pool with the range of an existing one renames it. ERR_INVALID: overlaps another pool;
 * ERR_WRONG_STATE: another range while leases are online, or a session has an address of the range
 * from a server, or from a former pool (fault->other: POOL_RADIUS); ERR_NO_MEMORY. `fault` may be
 * NULL.
 */
int pools_load(struct pools *pools, const struct pool_config *config,
               struct pools_fault *fault) MUST_USE;

/* struct pools_left - the pools with leases that a switch removed, and the number of leases without
 * a pool now. */
#define POOLS_LEFT 16
struct pools_left {
    uint32_t n, n_leases;
    char names[POOLS_LEFT][LIMIT_NAME]; /* of more pools the first ones */
};

/* pools_switch - replaces all pools; after an error the old ones are unchanged. Each lease goes to
 * the new pool of its address. Without one, the session keeps its address, and no later session
 * gets it (*ret_left). ERR_INVALID: overlap, or two with one name; ERR_NO_MEMORY. */
int pools_switch(struct pools *pools, const struct pool_config *configs, size_t n,
                 struct pools_fault *fault, struct pools_left *ret_left) MUST_USE;
int pools_unload(struct pools *pools, const char *name) MUST_USE; /* ERR_NOT_FOUND, _WRONG_STATE */

/*
 * struct pools_grant - the addresses, pools and name servers that a RADIUS server names for the
 * login. No other address or pool replaces a named one. The pools must be pools of the connection.
 * The addresses lie in one of them, or with POOL_RADIUS in no pool at all. The first of each pair
 * is for IPv4, the second for IPv6; NONE and empty: not named. `dns` replaces the name servers of
 * the pools, and their domains with them.
 */
struct pools_grant {
    struct address addresses[2];
    const char *pools[2]; /* NULL: not named */
    uint8_t n_dns;
    struct address dns[POOL_DNS];
};

/*
 * pools_lease - leases addresses from the named pools for a session: one of each family that the
 * peer asked for. 0.0.0.0 and :: ask for any address. A requested address is given if it is free
 * and belonged to no other identity; otherwise another one is. An address of session job->beside is
 * granted to the same identity if it asks for it: both have it until one of them ends. `grant`
 * NULL: no grant of a server. An address of a grant may be leased already only with unique =
 * replace, to the same identity. ERR_NOT_FOUND: no pool has that family or name. ERR_FULL: no
 * address is free, or the granted address is in use; then nothing is leased.
 */
int pools_lease(struct pools *pools, const struct ike_lease_job *job,
                const struct pools_grant *grant, ike_session_id session,
                struct ike_config *ret_config) MUST_USE;
void pools_release(struct pools *pools, ike_session_id session);

/* pools_keep - keeps the addresses of a session of another engine: all of job->requested.
 * ERR_NOT_FOUND: no pool of its connection has one of them any more; ERR_FULL: another session has
 * it; then nothing is leased. */
int pools_keep(struct pools *pools, const struct ike_lease_job *job,
               ike_session_id session) MUST_USE;

struct pool_status {
    const struct pool_config *config; /* borrowed until the next pools_* call */
    struct address base;              /* the first address that can be given out */
    uint64_t size;                    /* saturates */
    uint32_t online, offline;
};
bool pools_status(const struct pools *pools, size_t index, struct pool_status *ret_status);

struct pool_lease {
    struct address address;
    struct ike_id identity;
    bool online;
};
bool pools_lease_at(const struct pools *pools, size_t pool, size_t index,
                    struct pool_lease *ret_lease);

#endif
