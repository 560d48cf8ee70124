/* SPDX-License-Identifier: Apache-2.0 */
/* D19: random loads, unloads, switches, leases and releases, compared with a model of lists and
 * loops. */
#include "daemon/tables/pools.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/unit_test.h"
#include "ike/terms/identity.h"

#define RANGES   6
#define NAMES    6
#define SESSIONS 24
#define RUNS     40
#define STEPS    2000

/* Ranges 4 and 5 overlap others. */
static const char *const ranges[RANGES] = {"10.0.0.1-10.0.0.3", "10.0.1.1-10.0.1.4",
                                           "10.0.2.1-10.0.2.2", "10.0.3.1-10.0.3.9",
                                           "10.0.1.4-10.0.2.1", "10.0.0.2-10.0.0.2"};

struct model_pool {
    int name, range; /* name -1: none */
};

struct model {
    uint64_t random;
    struct pools *pools;
    struct model_pool list[NAMES];
    struct address held[SESSIONS]; /* family 0: none */
    int who[SESSIONS];
    struct address_range range[RANGES];
};

static unsigned roll(struct model *m, unsigned n)
{
    m->random = m->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(m->random >> 33) % n;
}

static struct model_pool *find_name(struct model *m, int name)
{
    for (size_t i = 0; i < NAMES; i++)
        if (m->list[i].name == name)
            return &m->list[i];
    return NULL;
}

static struct model_pool *find_range(struct model *m, int range)
{
    for (size_t i = 0; i < NAMES; i++)
        if (m->list[i].name >= 0 && m->list[i].range == range)
            return &m->list[i];
    return NULL;
}

static bool overlaps(const struct model *m, int a, int b)
{
    struct address_range common;
    return range_intersect(&m->range[a], &m->range[b], &common);
}

/* online - addresses of the range that are held. */
static unsigned online(const struct model *m, int range)
{
    unsigned n = 0;
    for (size_t i = 0; i < SESSIONS; i++) {
        bool again = false;
        for (size_t j = 0; j < i; j++)
            again |= address_equal(&m->held[j], &m->held[i]);
        n += !again && range_contains(&m->range[range], &m->held[i]);
    }
    return n;
}

static struct pool_config config_of(const struct model *m, int name, int range)
{
    struct pool_config config = {.range = m->range[range]};
    (void)snprintf(config.name, sizeof(config.name), "p%d", name);
    return config;
}

static int model_load(struct model *m, int name, int range)
{
    struct model_pool *pool = find_name(m, name), *same = find_range(m, range);
    if (same != NULL && (pool == NULL || pool == same)) {
        same->name = name;
        return 0;
    }
    for (size_t i = 0; i < NAMES; i++)
        if (&m->list[i] != pool && m->list[i].name >= 0 && overlaps(m, m->list[i].range, range))
            return ERR_INVALID;
    /* of the former range, and of none: since a switch took the pool from the address */
    if ((pool != NULL && online(m, pool->range) > 0) || online(m, range) > 0)
        return ERR_WRONG_STATE;
    if (pool == NULL)
        pool = find_name(m, -1);
    *pool = (struct model_pool){name, range};
    return 0;
}

static void step_load(struct model *m)
{
    int name = (int)roll(m, NAMES), range = (int)roll(m, RANGES);
    struct pool_config config = config_of(m, name, range);
    assert_int_equal(pools_load(m->pools, &config, NULL), model_load(m, name, range));
}

static void step_unload(struct model *m)
{
    int name = (int)roll(m, NAMES);
    struct model_pool *pool = find_name(m, name);
    char text[16];
    (void)snprintf(text, sizeof(text), "p%d", name);
    int err = pools_unload(m->pools, text);
    if (pool == NULL) { /* 0: the former name of another pool */
        assert_true(err == ERR_NOT_FOUND || err == 0);
        return;
    }
    assert_int_equal(err, online(m, pool->range) > 0 ? ERR_WRONG_STATE : 0);
    if (err == 0)
        pool->name = -1;
}

static int model_switch(struct model *m, const struct model_pool *wanted, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (wanted[i].name == wanted[j].name || overlaps(m, wanted[i].range, wanted[j].range))
                return ERR_INVALID;
    for (size_t i = 0; i < NAMES; i++)
        m->list[i] = i < n ? wanted[i] : (struct model_pool){-1, 0};
    return 0;
}

static void step_switch(struct model *m)
{
    struct model_pool wanted[NAMES];
    struct pool_config configs[NAMES] = {0};
    struct pools_left left;
    size_t n = roll(m, NAMES + 1);
    for (size_t i = 0; i < n; i++) {
        wanted[i] = (struct model_pool){(int)roll(m, NAMES), (int)roll(m, RANGES)};
        configs[i] = config_of(m, wanted[i].name, wanted[i].range);
    }
    assert_int_equal(pools_switch(m->pools, configs, n, NULL, &left), model_switch(m, wanted, n));
}

/* step_lease - checks that the address is free. pools_test.c checks which one it is. */
static void step_lease(struct model *m)
{
    unsigned session = roll(m, SESSIONS);
    int pool = (int)roll(m, NAMES), who = (int)roll(m, 5);
    char name[1][LIMIT_NAME] = {0};
    struct ike_conn conn = {.n_pools = 1, .pools = name};
    struct ike_lease_job job = {.conn = &conn, .n_requested = 1};
    struct ike_config config;
    char text[16];
    const struct model_pool *from = find_name(m, pool);
    (void)snprintf(name[0], sizeof(name[0]), "p%d", pool);
    (void)snprintf(text, sizeof(text), "user%d", who);
    assert_int_equal(identity_parse(text, &job.identity), 0);
    assert_true(address_parse("0.0.0.0", &job.requested[0]));
    m->held[session] = (struct address){0};
    int err = pools_lease(m->pools, &job, NULL, session + 1, &config);
    if (from == NULL) {
        assert_int_equal(err, ERR_NOT_FOUND);
        return;
    }
    unsigned last = m->range[from->range].last.octets[3];
    unsigned size = last - m->range[from->range].first.octets[3] + 1;
    assert_int_equal(err, online(m, from->range) == size ? ERR_FULL : 0);
    if (err != 0)
        return;
    assert_true(range_contains(&m->range[from->range], &config.addresses[0]));
    for (size_t i = 0; i < SESSIONS; i++)
        assert_false(address_equal(&m->held[i], &config.addresses[0]));
    m->held[session] = config.addresses[0];
    m->who[session] = who;
}

static void step_release(struct model *m)
{
    unsigned session = roll(m, SESSIONS);
    pools_release(m->pools, session + 1);
    m->held[session] = (struct address){0};
}

static void check(struct model *m)
{
    struct pool_status status;
    size_t n = 0, expected = 0;
    for (size_t i = 0; i < NAMES; i++)
        expected += m->list[i].name >= 0;
    for (; pools_status(m->pools, n, &status); n++) {
        const struct model_pool *pool = find_name(m, atoi(status.config->name + 1));
        struct pool_lease lease;
        unsigned held = 0;
        assert_non_null(pool);
        assert_true(address_equal(&status.config->range.first, &m->range[pool->range].first));
        assert_int_equal(status.online, online(m, pool->range));
        for (size_t i = 0; pools_lease_at(m->pools, n, i, &lease); i++)
            held += lease.online;
        assert_int_equal(held, status.online);
    }
    assert_int_equal(n, expected);
}

/* Ranges 4 and 5 overlap others. So a switch moves some leases to another pool, and leaves some
 * without a pool. */
static void test_model(void **state)
{
    static void (*const steps[])(struct model *) = {step_load,  step_unload,  step_switch,
                                                    step_lease, step_release, step_lease};
    (void)state;
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        struct model m = {.random = seed, .pools = pools_new((const uint8_t[16]){1})};
        for (size_t i = 0; i < RANGES; i++)
            assert_true(range_parse(ranges[i], &m.range[i]));
        for (size_t i = 0; i < NAMES; i++)
            m.list[i].name = -1;
        for (unsigned i = 0; i < STEPS; i++) {
            steps[roll(&m, sizeof(steps) / sizeof(steps[0]))](&m);
            check(&m);
        }
        pools_free(m.pools);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
