/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/tables/pools.h"

#include <stdio.h>

#include "base/unit_test.h"
#include "daemon/tables/pool.h"
#include "ike/terms/identity.h"

static char both[2][LIMIT_NAME] = {"four", "six"};
static struct ike_conn conn = {.n_pools = 2, .pools = both};

static int load(struct pools *pools, const char *name, const char *range)
{
    struct pool_config config = {.n_dns = 1};
    strcpy(config.name, name);
    assert_true(range_parse(range, &config.range));
    assert_true(address_parse("192.0.2.53", &config.dns[0]));
    return pools_load(pools, &config, NULL);
}

/* the address of the first family asked for, as text; NULL: no lease */
static const char *lease_beside(struct pools *pools, const char *who, ike_session_id session,
                                const char *wish, ike_session_id beside)
{
    static char text[ADDRESS_TEXT_MAX];
    struct ike_config config;
    struct ike_lease_job job = {.conn = &conn, .n_requested = 1, .beside = beside};
    assert_int_equal(identity_parse(who, &job.identity), 0);
    assert_true(address_parse(wish, &job.requested[0]));
    if (pools_lease(pools, &job, NULL, session, &config) != 0)
        return NULL;
    assert_int_equal(config.n_addresses, 1);
    assert_int_equal(config.n_dns, 1);
    return address_print(&config.addresses[0], text);
}

static const char *lease(struct pools *pools, const char *who, ike_session_id session,
                         const char *wish)
{
    return lease_beside(pools, who, session, wish, 0);
}

#define ANY "0.0.0.0"

static void test_leases(void **state)
{
    (void)state;
    struct pools *pools = pools_new((const uint8_t[16]){1});
    assert_int_equal(load(pools, "four", "10.3.0.1-10.3.0.3"), 0);
    assert_string_equal(lease(pools, "a", 1, ANY), "10.3.0.1");
    assert_string_equal(lease(pools, "a", 1, ANY), "10.3.0.1"); /* asked twice */
    assert_string_equal(lease(pools, "a", 2, ANY), "10.3.0.2"); /* second device of the same user */
    assert_string_equal(lease(pools, "b", 3, "10.3.0.1"), "10.3.0.3"); /* is taken */
    assert_null(lease(pools, "c", 4, ANY));                            /* exhausted */
    pools_release(pools, 3);
    pools_release(pools, 1);
    assert_string_equal(lease(pools, "a", 5, ANY), "10.3.0.1"); /* sticky */
    assert_string_equal(lease(pools, "c", 6, ANY), "10.3.0.3"); /* b's former address */
    assert_null(lease(pools, "b", 7, ANY));
    pools_release(pools, 0); /* none */
    assert_null(lease(pools, "b", 7, ANY));
    struct pool_status status;
    assert_true(pools_status(pools, 0, &status));
    assert_int_equal(status.size, 3);
    assert_int_equal(status.online, 3);
    pools_free(pools);
}

static void test_wishes(void **state)
{
    (void)state;
    struct pools *pools = pools_new((const uint8_t[16]){1});
    assert_int_equal(load(pools, "four", "10.3.0.1-10.3.0.9"), 0);
    assert_string_equal(lease(pools, "a", 1, "10.3.0.2"), "10.3.0.2");
    assert_string_equal(lease(pools, "b", 2, ANY), "10.3.0.1");
    /* preferred to the requested one */
    assert_string_equal(lease(pools, "c", 3, ANY), "10.3.0.3");
    assert_string_equal(lease(pools, "d", 4, "192.0.2.1"), "10.3.0.4"); /* not of the pool */
    pools_release(pools, 1);
    /* a's former address is not given out while others are free */
    assert_string_equal(lease(pools, "e", 5, "10.3.0.2"), "10.3.0.5");
    pools_free(pools);
}

/* many leases of one identity, and of many identities: each gets its former address, others get the
 * one that is free for longest */
static void test_many(void **state)
{
    (void)state;
    struct pools *pools = pools_new((const uint8_t[16]){1});
    char first[ADDRESS_TEXT_MAX], who[32];
    assert_int_equal(load(pools, "four", "10.3.0.1-10.3.3.232"), 0); /* 1,000 */
    for (ike_session_id i = 1; i <= 500; i++)
        assert_non_null(lease(pools, "Anna.Example", i, ANY));
    for (ike_session_id i = 501; i <= 1000; i++) {
        (void)snprintf(who, sizeof(who), "u%u", i);
        assert_non_null(lease(pools, who, i, ANY));
    }
    assert_null(lease(pools, "one more", 1001, ANY));
    for (ike_session_id i = 1000; i >= 1; i--)
        pools_release(pools, i);
    assert_string_equal(lease(pools, "anna.example", 2001, "10.3.0.77"), "10.3.0.77");
    assert_string_equal(lease(pools, "anna.example", 2002, ANY), "10.3.0.1"); /* left last */
    assert_string_equal(lease(pools, "anna.example", 2003, ANY), "10.3.0.2");
    (void)snprintf(first, sizeof(first), "%s", lease(pools, "stranger", 2004, ANY));
    assert_string_equal(first, "10.3.3.232"); /* left first */
    assert_string_equal(lease(pools, "u999", 2005, ANY), "10.3.3.231");
    /* another session has its address */
    assert_string_equal(lease(pools, "u1000", 2006, ANY), "10.3.3.230");
    assert_string_equal(lease(pools, "u998", 2007, ANY), "10.3.3.229"); /* so is this */
    struct pool_status status;
    assert_true(pools_status(pools, 0, &status));
    assert_int_equal(status.online, 7);
    assert_int_equal(status.offline, 993);
    pools_free(pools);
}

static unsigned online(const struct pools *pools)
{
    struct pool_status status;
    assert_true(pools_status(pools, 0, &status));
    return status.online;
}

/* a session and the one that replaces it: the address is free when both are gone */
static void test_shared(void **state)
{
    (void)state;
    struct pools *pools = pools_new((const uint8_t[16]){1});
    assert_int_equal(load(pools, "four", "10.3.0.1-10.3.0.9"), 0);
    assert_string_equal(lease(pools, "a", 1, ANY), "10.3.0.1");
    assert_string_equal(lease_beside(pools, "a", 2, "10.3.0.1", 1), "10.3.0.1");
    assert_int_equal(online(pools), 1);
    pools_release(pools, 1);
    assert_int_equal(online(pools), 1);
    assert_string_equal(lease(pools, "b", 3, "10.3.0.1"), "10.3.0.2");
    assert_string_equal(lease_beside(pools, "a", 4, "10.3.0.1", 2), "10.3.0.1");
    pools_release(pools, 4); /* the login failed */
    assert_int_equal(online(pools), 2);
    /* only if the same identity asks for it, beside a session that has it */
    assert_string_equal(lease_beside(pools, "a", 5, ANY, 2), "10.3.0.3");
    assert_string_equal(lease_beside(pools, "c", 6, "10.3.0.1", 2), "10.3.0.4");
    assert_string_equal(lease_beside(pools, "a", 7, "10.3.0.1", 3), "10.3.0.5");
    /* no more than a few at once */
    for (ike_session_id i = 8; i < 11; i++)
        assert_string_equal(lease_beside(pools, "a", i, "10.3.0.1", 2), "10.3.0.1");
    assert_string_equal(lease_beside(pools, "a", 11, "10.3.0.1", 2), "10.3.0.6");
    pools_release(pools, 2);
    assert_string_equal(lease_beside(pools, "a", 12, "10.3.0.1", 9), "10.3.0.1");
    for (ike_session_id i = 3; i < 13; i++)
        pools_release(pools, i);
    assert_int_equal(online(pools), 0);
    pools_free(pools);
}

/* the network's own address and the broadcast address are not given out */
static void test_subnet(void **state)
{
    (void)state;
    struct pools *pools = pools_new((const uint8_t[16]){1});
    struct pool_status status;
    assert_int_equal(load(pools, "four", "10.3.0.0/30"), 0);
    assert_string_equal(lease(pools, "a", 1, "10.3.0.0"), "10.3.0.1");
    assert_string_equal(lease(pools, "b", 2, "10.3.0.3"), "10.3.0.2");
    assert_null(lease(pools, "c", 3, ANY));
    assert_true(pools_status(pools, 0, &status));
    assert_int_equal(status.size, 2);
    pools_free(pools);
}

static void test_families(void **state)
{
    (void)state;
    struct pools *pools = pools_new((const uint8_t[16]){1});
    struct ike_config config;
    struct ike_lease_job job = {.conn = &conn, .n_requested = 4};
    assert_int_equal(load(pools, "four", "10.3.0.0/24"), 0);
    assert_null(lease(pools, "a", 1, "::"));
    assert_int_equal(load(pools, "six", "2001:db8::/64"), 0);
    assert_int_equal(identity_parse("a", &job.identity), 0);
    for (size_t i = 0; i < 4; i++)
        assert_true(address_parse(i % 2 ? "::" : ANY, &job.requested[i]));
    assert_int_equal(pools_lease(pools, &job, NULL, 1, &config), 0);
    assert_int_equal(config.n_addresses, 2); /* one of each family, however many were asked for */
    struct pool_status status;
    assert_true(pools_status(pools, 1, &status));
    assert_true(status.size == UINT64_MAX);
    pools_free(pools);
}

/* granted - the address that a RADIUS server grants; NULL: no lease. */
static const char *granted(struct pools *pools, const char *who, ike_session_id session,
                           const struct pools_grant *grant)
{
    static char text[ADDRESS_TEXT_MAX];
    struct ike_config config;
    struct ike_lease_job job = {.conn = &conn, .n_requested = 1};
    assert_int_equal(identity_parse(who, &job.identity), 0);
    /* a requested address does not count */
    assert_true(address_parse("10.3.0.9", &job.requested[0]));
    if (pools_lease(pools, &job, grant, session, &config) != 0)
        return NULL;
    assert_int_equal(config.n_dns, 1);
    return address_print(&config.addresses[0], text);
}

/* Domains go to peers that asked for them, with the servers of their pool only. */
static void test_domains(void **state)
{
    (void)state;
    struct pools *pools = pools_new((const uint8_t[16]){1});
    struct pool_config pool = {.name = "four", .n_dns = 1, .domains = {.text = "corp.example lan"}};
    struct ike_lease_job job = {.conn = &conn, .n_requested = 1};
    struct pools_grant grant = {.n_dns = 1};
    struct ike_config config;
    assert_true(range_parse("10.3.0.0/24", &pool.range));
    assert_true(address_parse("192.0.2.53", &pool.dns[0]));
    assert_true(address_parse("192.0.2.54", &grant.dns[0]));
    assert_true(address_parse(ANY, &job.requested[0]));
    assert_int_equal(identity_parse("a", &job.identity), 0);
    assert_int_equal(pools_load(pools, &pool, NULL), 0);
    assert_int_equal(pools_lease(pools, &job, NULL, 1, &config), 0);
    assert_string_equal(config.domains.text, "");
    job.split_dns = true;
    assert_int_equal(pools_lease(pools, &job, NULL, 1, &config), 0);
    assert_string_equal(config.domains.text, "corp.example lan");
    assert_int_equal(pools_lease(pools, &job, &grant, 1, &config), 0);
    assert_string_equal(config.domains.text, "");
    pools_free(pools);
}

/* A peer gets encrypted resolvers only if it asks for them, and only addresses of the families that it asks for
 * (RFC 9464 section 4). A grant with name servers of its own replaces them. */
static void test_encrypted_dns(void **state)
{
    (void)state;
    struct pools *pools = pools_new((const uint8_t[16]){1});
    struct pool_config pool = {.name = "four",
                               .domains = {.text = "corp.example"},
                               .encrypted_dns = {.n = 2, .port = 853, .name = "dns.example"}};
    struct ike_lease_job job = {.conn = &conn, .n_requested = 1, .split_dns = true};
    struct pools_grant grant = {.n_dns = 1};
    struct ike_config config;
    assert_true(range_parse("10.3.0.0/24", &pool.range));
    assert_true(address_parse("192.0.2.53", &pool.encrypted_dns.servers[0]));
    assert_true(address_parse("2001:db8::53", &pool.encrypted_dns.servers[1]));
    assert_true(address_parse("192.0.2.54", &grant.dns[0]));
    assert_true(address_parse(ANY, &job.requested[0]));
    assert_int_equal(identity_parse("a", &job.identity), 0);
    assert_int_equal(pools_load(pools, &pool, NULL), 0);
    assert_int_equal(pools_lease(pools, &job, NULL, 1, &config), 0);
    assert_int_equal(config.encrypted_dns.n, 0);
    assert_string_equal(config.domains.text, ""); /* without a server */
    job.encrypted_dns_v4 = true;
    assert_int_equal(pools_lease(pools, &job, NULL, 1, &config), 0);
    assert_int_equal(config.encrypted_dns.n, 1);
    assert_int_equal(config.encrypted_dns.servers[0].family, ADDRESS_V4);
    assert_string_equal(config.domains.text, "corp.example");
    job.encrypted_dns_v6 = true;
    assert_int_equal(pools_lease(pools, &job, NULL, 1, &config), 0);
    assert_true(encrypted_dns_equal(&config.encrypted_dns, &pool.encrypted_dns));
    assert_int_equal(pools_lease(pools, &job, &grant, 1, &config), 0);
    assert_int_equal(config.encrypted_dns.n, 0);
    pools_free(pools);
}

static void test_granted(void **state)
{
    (void)state;
    struct pools *pools = pools_new((const uint8_t[16]){1});
    struct pools_grant grant = {.n_dns = 0};
    conn.unique = IKE_UNIQUE_NO;
    assert_int_equal(load(pools, "four", "10.3.0.0/24"), 0);
    assert_int_equal(load(pools, "other", "10.4.0.0/24"), 0);
    assert_true(address_parse("10.3.0.77", &grant.addresses[0]));
    assert_string_equal(granted(pools, "a", 1, &grant), "10.3.0.77");
    assert_null(granted(pools, "b", 2, &grant)); /* another identity has it */
    assert_null(granted(pools, "a", 2, &grant)); /* another device of the same person */
    conn.unique = IKE_UNIQUE_REPLACE;            /* it replaces the first session */
    assert_string_equal(granted(pools, "a", 2, &grant), "10.3.0.77");
    assert_null(granted(pools, "b", 3, &grant));
    pools_release(pools, 1);
    pools_release(pools, 2);
    assert_string_equal(granted(pools, "b", 3, &grant), "10.3.0.77");
    pools_release(pools, 3);
    static const char *const outside[] = {"10.3.0.0", "10.3.0.255", "10.4.0.7", "192.0.2.1"};
    for (size_t i = 0; i < ARRAY_LEN(outside); i++) {
        assert_true(address_parse(outside[i], &grant.addresses[0]));
        assert_null(granted(pools, "a", 4, &grant));
    }
    grant = (struct pools_grant){.pools = {"other"}}; /* not one of the connection's */
    assert_null(granted(pools, "a", 5, &grant));
    grant.pools[0] = "four";
    assert_string_equal(granted(pools, "a", 5, &grant), "10.3.0.9");
    pools_free(pools);
}

static char by_radius[2][LIMIT_NAME] = {POOL_RADIUS, "four"};
static struct ike_conn radius_conn = {.n_pools = 2, .pools = by_radius};

/* framed - as granted(), of the connection with `pools = radius, four`. NULL address: none named. */
static const char *framed(struct pools *pools, const char *who, ike_session_id session,
                          const char *address)
{
    static char text[ADDRESS_TEXT_MAX];
    struct ike_config config;
    struct pools_grant grant = {.n_dns = 0};
    struct ike_lease_job job = {.conn = &radius_conn, .n_requested = 1};
    assert_int_equal(identity_parse(who, &job.identity), 0);
    assert_true(address_parse(ANY, &job.requested[0]));
    if (address != NULL)
        assert_true(address_parse(address, &grant.addresses[address[4] == ':']));
    job.requested[0].family = grant.addresses[1].family == ADDRESS_V6 ? ADDRESS_V6 : ADDRESS_V4;
    if (pools_lease(pools, &job, &grant, session, &config) != 0)
        return NULL;
    assert_int_equal(config.n_addresses, 1);
    return address_print(&config.addresses[0], text);
}

/* RFC 2865 section 5.8, RFC 6911: an address outside of all pools, for one session at a time. */
static void test_radius(void **state)
{
    (void)state;
    struct pools *pools = pools_new((const uint8_t[16]){1});
    assert_int_equal(load(pools, "other", "10.4.0.0/24"), 0);
    assert_string_equal(framed(pools, "a", 1, "192.0.2.7"), "192.0.2.7");
    assert_null(framed(pools, "b", 2, "192.0.2.7")); /* it is a's */
    assert_null(framed(pools, "a", 2, "192.0.2.7")); /* unique = no: of another device of a */
    assert_string_equal(framed(pools, "a", 1, "192.0.2.7"), "192.0.2.7"); /* asked twice */
    assert_string_equal(framed(pools, "b", 2, "192.0.2.8"), "192.0.2.8");
    assert_string_equal(framed(pools, "c", 3, "2001:db8::7"), "2001:db8::7");
    assert_null(framed(pools, "d", 4, "2001:db8::7"));
    pools_release(pools, 1);
    assert_null(framed(pools, "b", 3, "192.0.2.8"));
    assert_string_equal(framed(pools, "b", 4, "192.0.2.7"), "192.0.2.7"); /* nobody's any more */
    /* an address of a pool, the ends of its range too, is given by that pool alone */
    assert_null(framed(pools, "d", 5, "10.4.0.7"));
    assert_null(framed(pools, "d", 5, "10.4.0.0"));
    assert_null(framed(pools, "d", 5, NULL)); /* there is no pool `four` yet */
    assert_int_equal(load(pools, "four", "10.3.0.0/24"), 0);
    assert_string_equal(framed(pools, "d", 5, "10.3.0.1"), "10.3.0.1");
    assert_string_equal(framed(pools, "e", 6, NULL), "10.3.0.2");
    assert_null(framed(pools, "e", 7, "10.3.0.1"));
    assert_null(lease(pools, "e", 8, "::")); /* no server named an address */
    pools_free(pools);
}

/* Of one identity: a session and the ones that replace it, and no more than max_leases. */
static void test_radius_of_one(void **state)
{
    (void)state;
    struct pools *pools = pools_new((const uint8_t[16]){1});
    radius_conn.unique = IKE_UNIQUE_REPLACE;
    radius_conn.max_leases = 2;
    assert_string_equal(framed(pools, "a", 1, "192.0.2.7"), "192.0.2.7");
    assert_string_equal(framed(pools, "a", 2, "192.0.2.7"), "192.0.2.7");
    assert_null(framed(pools, "b", 3, "192.0.2.7"));
    pools_release(pools, 1);
    assert_null(framed(pools, "b", 3, "192.0.2.7")); /* the second session still has it */
    assert_string_equal(framed(pools, "a", 4, "192.0.2.8"), "192.0.2.8");
    assert_null(framed(pools, "a", 5, "192.0.2.9"));
    pools_release(pools, 2);
    assert_string_equal(framed(pools, "a", 5, "192.0.2.9"), "192.0.2.9");
    radius_conn.unique = IKE_UNIQUE_NO;
    radius_conn.max_leases = 0;
    pools_free(pools);
}

/* A session has an address from a server. Only a load of all pools can put the address into a pool,
 * which then knows the session. */
static void test_radius_before_pool(void **state)
{
    (void)state;
    struct pools *pools = pools_new((const uint8_t[16]){1});
    struct pool_config config = {.name = "four", .n_dns = 1};
    struct pools_fault fault;
    struct pools_left left;
    assert_int_equal(load(pools, "other", "10.4.0.0/24"), 0);
    assert_string_equal(framed(pools, "a", 1, "10.3.0.7"), "10.3.0.7");
    assert_true(range_parse("10.3.0.0/24", &config.range));
    assert_int_equal(pools_load(pools, &config, &fault), ERR_WRONG_STATE);
    assert_string_equal(fault.other, POOL_RADIUS);
    assert_int_equal(pools_switch(pools, &config, 1, &fault, &left), 0);
    assert_int_equal(left.n_leases, 0);
    assert_string_equal(lease(pools, "b", 2, "10.3.0.7"), "10.3.0.1");
    pools_release(pools, 1);
    assert_string_equal(lease(pools, "a", 3, ANY), "10.3.0.7");
    assert_int_equal(load(pools, "other", "10.4.0.0/24"), 0);
    pools_free(pools);
}

/* A server may name another address at each login. Released addresses leave no memory behind. */
static void test_radius_forgets(void **state)
{
    (void)state;
    struct pool_config config = {.name = POOL_RADIUS};
    struct ike_lease_job job = {.conn = &radius_conn, .n_requested = 1};
    struct address address, ret;
    assert_true(range_parse("0.0.0.0/0", &config.range));
    assert_int_equal(identity_parse("a", &job.identity), 0);
    struct pool *pool = pool_new(&config, (const uint8_t[16]){1});
    pool->forgets = true;
    assert_true(address_parse("192.0.2.1", &address));
    for (ike_session_id i = 1; i <= 200; i++) {
        assert_int_equal(pool_lease_exact(pool, &job, &address, i, &ret), 0);
        assert_true(address_next(&address, &address));
    }
    assert_int_equal(pool->n, 200);
    for (ike_session_id i = 1; i <= 200; i += 2)
        pool_release(pool, i);
    assert_int_equal(pool->n, 100);
    assert_int_equal(pool->online, 100);
    for (size_t i = 0; i < pool->n; i++)
        assert_int_equal(pool->leases[i]->index, i);
    for (ike_session_id i = 1; i <= 200; i++)
        pool_release(pool, i);
    assert_int_equal(pool->n, 0);
    assert_int_equal(pool->by_address.n, 0);
    assert_int_equal(pool->by_session.n, 0);
    assert_int_equal(pool->owners.n, 0);
    pool_free(pool);
}

static void test_load(void **state)
{
    (void)state;
    struct pools *pools = pools_new((const uint8_t[16]){1});
    struct pool_lease one;
    assert_int_equal(load(pools, "four", "10.3.0.0/24"), 0);
    assert_int_equal(load(pools, "other", "10.3.0.128/25"), ERR_INVALID); /* overlap */
    assert_string_equal(lease(pools, "a", 1, "10.3.0.7"), "10.3.0.7");
    assert_int_equal(load(pools, "four", "10.3.0.0/24"), 0); /* reload keeps the lease */
    assert_true(pools_lease_at(pools, 0, 0, &one));
    assert_true(one.online);
    assert_int_equal(load(pools, "four", "10.4.0.0/24"), ERR_WRONG_STATE);
    assert_int_equal(pools_unload(pools, "four"), ERR_WRONG_STATE);
    pools_release(pools, 1);
    assert_int_equal(load(pools, "four", "10.4.0.0/24"), 0);
    assert_int_equal(pools_unload(pools, "four"), 0);
    assert_int_equal(pools_unload(pools, "four"), ERR_NOT_FOUND);
    assert_null(lease(pools, "a", 2, ANY));
    struct pool_config wrong = {.name = "wrong"};
    assert_int_equal(pools_load(pools, &wrong, NULL), ERR_INVALID);
    pools_free(pools);
}

/* D19: an unloaded pool leaves nothing that a later load could free again. */
static void test_load_again(void **state)
{
    (void)state;
    struct pools *pools = pools_new((const uint8_t[16]){1});
    assert_int_equal(load(pools, "four", "10.3.0.0/24"), 0);
    assert_string_equal(lease(pools, "a", 1, ANY), "10.3.0.1");
    pools_release(pools, 1);
    assert_int_equal(pools_unload(pools, "four"), 0);
    assert_int_equal(load(pools, "four", "10.3.0.0/24"), 0);
    assert_string_equal(lease(pools, "b", 2, ANY), "10.3.0.1");
    pools_free(pools);
}

/* A renamed pool keeps its leases; then the former name is unloaded. */
static void test_rename(void **state)
{
    (void)state;
    struct pools *pools = pools_new((const uint8_t[16]){1});
    struct pool_status status;
    assert_int_equal(load(pools, "old", "10.3.0.0/24"), 0);
    assert_int_equal(load(pools, "four", "10.3.0.0/24"), 0);
    assert_string_equal(lease(pools, "a", 1, "10.3.0.7"), "10.3.0.7");
    assert_int_equal(load(pools, "new", "10.3.0.0/24"), 0);
    assert_int_equal(pools_unload(pools, "four"), 0);
    assert_int_equal(pools_unload(pools, "four"), ERR_NOT_FOUND);
    assert_true(pools_status(pools, 0, &status));
    assert_string_equal(status.config->name, "new");
    assert_int_equal(status.online, 1);
    assert_false(pools_status(pools, 1, &status));
    pools_free(pools);
}

/* An identity has at most max_leases leases, even with more logins. */
static void test_identity_limit(void **state)
{
    (void)state;
    struct pools *pools = pools_new((const uint8_t[16]){1});
    assert_int_equal(load(pools, "four", "10.3.0.0/24"), 0);
    conn.max_leases = 3;
    for (ike_session_id i = 1; i <= 3; i++)
        assert_non_null(lease(pools, "a", i, ANY));
    assert_null(lease(pools, "A", 4, ANY));
    assert_null(lease(pools, "a", 4, "10.3.0.99"));
    assert_non_null(lease(pools, "b", 5, ANY));
    assert_string_equal(lease_beside(pools, "a", 6, "10.3.0.1", 1), "10.3.0.1"); /* the same one */
    pools_release(pools, 6);
    assert_null(lease(pools, "a", 4, ANY));
    pools_release(pools, 2);
    assert_string_equal(lease(pools, "a", 4, ANY), "10.3.0.2");
    conn.max_leases = 0;
    pools_free(pools);
}

static struct pools_left left; /* by the last switch_to */

static int switch_to(struct pools *pools, const char *const (*rows)[2], size_t n,
                     struct pools_fault *fault)
{
    struct pool_config configs[4] = {0};
    for (size_t i = 0; i < n; i++) {
        configs[i].n_dns = 1;
        strcpy(configs[i].name, rows[i][0]);
        assert_true(range_parse(rows[i][1], &configs[i].range));
    }
    return pools_switch(pools, configs, n, fault, &left);
}

static void test_switch(void **state)
{
    (void)state;
    struct pools *pools = pools_new((const uint8_t[16]){1});
    struct pools_fault fault;
    struct pool_status status;
    const char *const good[][2] = {{"six", "2001:db8::/64"}, {"four", "10.3.0.0/24"}};
    const char *const overlap[][2] = {{"x", "10.4.0.0/16"}, {"y", "10.4.3.0/24"}};
    const char *const twins[][2] = {{"four", "10.3.0.0/24"}, {"four", "10.5.0.0/24"}};
    const char *const swapped[][2] = {{"six", "10.3.0.0/24"}, {"four", "2001:db8::/64"}};
    assert_int_equal(switch_to(pools, good, 2, &fault), 0);
    assert_string_equal(lease(pools, "a", 1, "10.3.0.7"), "10.3.0.7");
    assert_int_equal(switch_to(pools, overlap, 2, &fault), ERR_INVALID);
    assert_string_equal(fault.name, "y");
    assert_string_equal(fault.other, "x");
    assert_int_equal(switch_to(pools, twins, 2, &fault), ERR_INVALID);
    assert_true(pools_status(pools, 1, &status)); /* both are as they were */
    assert_int_equal(switch_to(pools, swapped, 2, &fault), 0);
    assert_true(pools_status(pools, 0, &status));
    assert_string_equal(status.config->name, "six");
    assert_int_equal(status.online, 1);
    assert_string_equal(lease(pools, "b", 2, ANY), "10.3.0.1"); /* any of the connection's pools */
    pools_release(pools, 1);
    pools_release(pools, 2);
    assert_int_equal(switch_to(pools, good, 0, &fault), 0);
    assert_false(pools_status(pools, 0, &status));
    pools_free(pools);
}

static int keep(struct pools *pools, const char *who, ike_session_id session, const char *first,
                const char *second)
{
    struct ike_lease_job job = {.conn = &conn, .n_requested = 2};
    assert_int_equal(identity_parse(who, &job.identity), 0);
    assert_true(address_parse(first, &job.requested[0]));
    assert_true(address_parse(second, &job.requested[1]));
    return pools_keep(pools, &job, session);
}

/* A session of another engine gets all its addresses, or none. */
static void test_kept(void **state)
{
    (void)state;
    struct pools *pools = pools_new((const uint8_t[16]){1});
    struct pool_status status;
    assert_int_equal(load(pools, "four", "10.3.0.0/24"), 0);
    assert_int_equal(load(pools, "six", "2001:db8::/64"), 0);
    assert_int_equal(load(pools, "other", "10.4.0.0/24"), 0); /* not of the connection */
    assert_int_equal(keep(pools, "a", 7, "10.3.0.1", "2001:db8::7"), 0);
    assert_int_equal(keep(pools, "b", 8, "10.3.0.2", "10.4.0.1"), ERR_NOT_FOUND);
    assert_int_equal(keep(pools, "b", 8, "10.3.0.2", "192.0.2.1"), ERR_NOT_FOUND);
    assert_int_equal(keep(pools, "b", 8, "10.3.0.2", "2001:db8::7"), ERR_FULL);
    assert_true(pools_status(pools, 0, &status));
    assert_int_equal(status.online, 1);
    assert_string_equal(lease(pools, "c", 9, ANY), "10.3.0.3"); /* .2 was b's last */
    pools_release(pools, 7);
    assert_string_equal(lease(pools, "a", 10, ANY), "10.3.0.1");
    pools_free(pools);
}

/* leases_are - the pool at the index has that many leases. */
static void leases_are(const struct pools *pools, size_t index, unsigned online, unsigned offline)
{
    struct pool_status status;
    assert_true(pools_status(pools, index, &status));
    assert_int_equal(status.online, online);
    assert_int_equal(status.offline, offline);
}

/* A pool changes its range while it has leases: each address goes to the pool that gives it out now. */
static void test_switch_moves_leases(void **state)
{
    (void)state;
    struct pools *pools = pools_new((const uint8_t[16]){1});
    struct pools_fault fault;
    const char *const one[][2] = {{"four", "10.3.0.0/25"}, {"six", "10.4.0.0/24"}};
    const char *const wider[][2] = {{"four", "10.3.0.0/24"}, {"six", "10.4.0.0/24"}};
    const char *const split[][2] = {{"six", "10.3.0.0/30"}, {"four", "10.3.0.64/26"}};
    assert_int_equal(switch_to(pools, one, 2, &fault), 0);
    assert_string_equal(lease(pools, "a", 1, "10.3.0.2"), "10.3.0.2");
    assert_string_equal(lease(pools, "b", 2, "10.3.0.70"), "10.3.0.70");
    assert_string_equal(lease(pools, "c", 3, "10.3.0.127"),
                        "10.3.0.1"); /* the last one of its network */
    assert_string_equal(lease(pools, "d", 4, "10.3.0.9"), "10.3.0.9");
    pools_release(pools, 3);
    assert_int_equal(switch_to(pools, wider, 2, &fault), 0);
    assert_int_equal(left.n, 0);
    leases_are(pools, 0, 3, 1);
    assert_string_equal(lease(pools, "c", 3, ANY),
                        "10.3.0.1"); /* an identity gets its former address again */
    pools_release(pools, 3);

    assert_int_equal(switch_to(pools, split, 2, &fault), 0);
    assert_int_equal(left.n, 1);
    assert_int_equal(left.n_leases, 1); /* of d */
    assert_string_equal(left.names[0], "four");
    leases_are(pools, 0, 1, 1);
    leases_are(pools, 1, 1, 0);
    assert_int_equal(load(pools, "more", "10.3.0.8/29"),
                     ERR_WRONG_STATE); /* d has an address of it */
    pools_release(pools, 4);
    assert_int_equal(load(pools, "more", "10.3.0.8/29"), 0);
    pools_release(pools, 1);
    pools_release(pools, 2);
    leases_are(pools, 0, 0, 2);
    pools_free(pools);
}

/* A lease that moves away and back stays in use: no other session gets its address. */
static void test_switch_and_back(void **state)
{
    (void)state;
    struct pools *pools = pools_new((const uint8_t[16]){1});
    struct pools_fault fault;
    const char *const here[][2] = {{"four", "10.3.0.0/30"}}, *const there[][2] = {
                                                                 {"four", "10.5.0.0/30"}};
    const char *const edge[][2] = {{"four", "10.3.0.0/31"}};
    assert_int_equal(switch_to(pools, here, 1, &fault), 0);
    assert_string_equal(lease(pools, "a", 1, ANY), "10.3.0.1");
    assert_int_equal(switch_to(pools, there, 1, &fault), 0);
    assert_int_equal(left.n_leases, 1);
    assert_string_equal(lease(pools, "b", 2, "10.3.0.1"), "10.5.0.1");
    assert_int_equal(switch_to(pools, edge, 1, &fault), 0);
    assert_int_equal(left.n_leases, 1); /* of b */
    assert_string_equal(lease(pools, "c", 3, "10.3.0.1"), "10.3.0.0");
    assert_int_equal(switch_to(pools, here, 1, &fault), 0);
    assert_int_equal(left.n_leases, 1); /* of c: no pool gives out the first address of a network */
    assert_string_equal(lease(pools, "d", 4, "10.3.0.1"), "10.3.0.2");
    assert_null(lease(pools, "e", 5, ANY));
    assert_int_equal(switch_to(pools, here, 0, &fault), 0);
    pools_free(pools);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_load_again),
        cmocka_unit_test(test_rename),
        cmocka_unit_test(test_identity_limit),
        cmocka_unit_test(test_switch),
        cmocka_unit_test(test_switch_moves_leases),
        cmocka_unit_test(test_switch_and_back),
        cmocka_unit_test(test_leases),
        cmocka_unit_test(test_wishes),
        cmocka_unit_test(test_subnet),
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_domains),
        cmocka_unit_test(test_encrypted_dns),
        cmocka_unit_test(test_granted),
        cmocka_unit_test(test_radius),
        cmocka_unit_test(test_radius_of_one),
        cmocka_unit_test(test_radius_before_pool),
        cmocka_unit_test(test_radius_forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
