/* SPDX-License-Identifier: Apache-2.0 */
/* The choice of the Child SA: by SPI, by selectors, by flow. */
#include "esp/policy.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/unit_test.h"
#include "esp/selector.h"
#include "esp/shunt.h"

#define HASH_KEY 0x0123456789abcdefu
#define MANY     5000

static struct esp_crypto *crypto;
static const uint8_t key_octets[20];

static struct esp_child *child_new(uint32_t id, uint32_t session, const char *remote)
{
    struct esp_child_config c = {
        .child = id,
        .session = session,
        .spi_in = 1000 + id,
        .spi_out = 5000 + id,
        .encr = 20,
        .encr_key_bits = 128,
        .encr_in = span_of(key_octets, 20),
        .encr_out = span_of(key_octets, 20),
        .local_ts = {.n = 1, .ts = {{.end_port = UINT16_MAX}}},
        .remote_ts = {.n = 1, .ts = {{.end_port = UINT16_MAX}}},
        .replay_window = 32,
    };
    struct esp_child *child;
    assert_true(range_parse("10.0.0.0/8", &c.local_ts.ts[0].range));
    assert_true(range_parse(remote, &c.remote_ts.ts[0].range));
    assert_int_equal(esp_child_new(crypto, &c, &child), 0);
    child->flow_tag = (uint16_t)id;
    child->priority = 1;
    child->weight = 1;
    child->usable = true;
    return child;
}

static struct esp_inner packet_to(const char *dst, uint16_t port)
{
    struct esp_inner inner = {.version = 4, .protocol = 17, .has_ports = true, .src_port = port};
    assert_true(address_parse("10.1.2.3", &inner.src));
    assert_true(address_parse(dst, &inner.dst));
    return inner;
}

/* struct entry - one child to add. */
struct entry {
    struct esp_child *child;
    bool sends;
    enum esp_mode mode;
    bool follow;
};

static struct esp_policy *policy_of(const struct entry *entries, size_t n)
{
    struct esp_policy *policy = esp_policy_new(HASH_KEY);
    assert_non_null(policy);
    for (size_t i = 0; i < n; i++) {
        const struct entry *e = &entries[i];
        assert_int_equal(esp_policy_mode(policy, e->child->session, e->mode, e->follow), 0);
        assert_int_equal(esp_policy_add(policy, e->child), 0);
        if (e->sends)
            assert_int_equal(esp_policy_send(policy, e->child, NULL), 0);
    }
    return policy;
}

static void test_many_children(void **state)
{
    (void)state;
    struct entry *entries = calloc(MANY, sizeof(*entries));
    assert_non_null(entries);
    char text[64];
    for (uint32_t i = 0; i < MANY; i++) {
        snprintf(text, sizeof(text), "10.200.%u.%u", i / 250, i % 250 + 1);
        entries[i] =
            (struct entry){child_new(i + 1, i + 1, text), i % 7 != 0, ESP_MODE_FAILOVER, true};
    }
    struct esp_policy *policy = policy_of(entries, MANY);
    assert_non_null(policy);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_ptr_equal(esp_policy_spi(policy, 1001 + i), entries[i].child);
        snprintf(text, sizeof(text), "10.200.%u.%u", i / 250, i % 250 + 1);
        struct esp_inner inner = packet_to(text, 1);
        const struct esp_group *group = esp_policy_group(policy, &inner);
        if (entries[i].sends)
            assert_ptr_equal(group->children[0], entries[i].child);
        else
            assert_null(group);
    }
    assert_null(esp_policy_spi(policy, 0));
    assert_null(esp_policy_spi(policy, 255));
    assert_null(esp_policy_spi(policy, 1000));
    assert_null(esp_policy_spi(policy, UINT32_MAX));
    for (uint32_t i = 0; i < MANY; i++)
        assert_null(esp_policy_spi(policy, 5001 + MANY + i * 7919));
    esp_policy_free(policy);
    for (uint32_t i = 0; i < MANY; i++)
        esp_child_free(entries[i].child);
    free(entries);
}

static void test_narrow_before_wide(void **state)
{
    (void)state;
    static const char *const remotes[] = {"0.0.0.0/0", "192.168.0.0/16", "192.168.1.0/24",
                                          "192.168.1.7", "192.168.1.8-192.168.1.20"};
    struct entry entries[5];
    for (uint32_t i = 0; i < 5; i++)
        entries[i] =
            (struct entry){child_new(i + 1, 10 - i, remotes[i]), true, ESP_MODE_FAILOVER, true};
    struct esp_policy *policy = policy_of(entries, 5);
    static const struct {
        const char *dst;
        uint32_t child;
    } rows[] = {{"8.8.8.8", 1},     {"192.168.2.1", 2}, {"192.168.1.1", 3},
                {"192.168.1.7", 4}, {"192.168.1.9", 5}, {"192.168.1.21", 3}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct esp_inner inner = packet_to(rows[i].dst, 1);
        assert_int_equal(esp_policy_group(policy, &inner)->children[0]->id, rows[i].child);
    }
    /* a session that cannot send comes last, and is still chosen if it is the only one */
    struct esp_inner narrow = packet_to("192.168.1.7", 1);
    entries[3].child->usable = false;
    assert_int_equal(esp_policy_group(policy, &narrow)->children[0]->id, 3);
    entries[0].child->usable = entries[1].child->usable = entries[2].child->usable = false;
    assert_int_equal(esp_policy_group(policy, &narrow)->children[0]->id, 4);
    struct esp_inner inner = packet_to("8.8.8.8", 1);
    assert_true(address_parse("11.0.0.1", &inner.src)); /* the source matches no selector */
    assert_null(esp_policy_group(policy, &inner));
    esp_policy_free(policy);
    for (size_t i = 0; i < 5; i++)
        esp_child_free(entries[i].child);
}

/* Child SAs of two devices have the same selectors, and of one session at that. */
static void test_devices(void **state)
{
    (void)state;
    struct entry entries[2];
    for (uint32_t i = 0; i < 2; i++) {
        entries[i] = (struct entry){child_new(i + 1, 1, "192.168.0.0/16"), true, 0, true};
        entries[i].child->device_out = (uint16_t)(i * 7);
    }
    struct esp_policy *policy = policy_of(entries, 2);
    for (uint16_t device = 0; device < 9; device++) {
        struct esp_inner inner = packet_to("192.168.1.7", 1);
        inner.device = device;
        const struct esp_group *group = esp_policy_group(policy, &inner);
        assert_int_equal(group != NULL, device == 0 || device == 7);
        assert_true(group == NULL ||
                    (group->n == 1 && group->children[0]->id == 1u + (device == 7)));
    }
    esp_policy_free(policy);
    for (size_t i = 0; i < 2; i++)
        esp_child_free(entries[i].child);
}

/* Selectors that a peer chose to get in the way: under the prefix of others and for other ports, or
 * for two addresses in the middle of a prefix. Their cost is bounded, and the groups behind them
 * are found again. */
/* `priority` of the configuration: the lowest number counts, among equals the narrowest prefix. */
static void test_priority(void **state)
{
    (void)state;
    static const struct {
        const char *remote;
        uint32_t rank;
    } rows[] = {{"10.20.0.0/16", 7}, {"10.20.0.0/24", 9}, {"10.20.0.0/24", 8}, {"10.0.0.0/8", 7}};
    struct entry entries[ARRAY_LEN(rows)];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct esp_child *child = child_new((uint32_t)i + 1, (uint32_t)i + 1, rows[i].remote);
        assert_int_equal(child->rank, ESP_RANK_CHILD);
        child->rank = rows[i].rank;
        entries[i] = (struct entry){child, true, ESP_MODE_FAILOVER, true};
    }
    struct esp_policy *policy = policy_of(entries, ARRAY_LEN(rows));
    struct esp_inner inner = packet_to("10.20.0.5", 1);
    assert_ptr_equal(esp_policy_group(policy, &inner)->children[0], entries[0].child);
    esp_policy_silence(policy, entries[0].child);
    assert_ptr_equal(esp_policy_group(policy, &inner)->children[0], entries[3].child);
    esp_policy_silence(policy, entries[3].child);
    assert_ptr_equal(esp_policy_group(policy, &inner)->children[0], entries[2].child);
    esp_policy_free(policy);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        esp_child_free(entries[i].child);
}

/* A selector with multicast addresses only; one with all addresses is none. */
static void test_multicast(void **state)
{
    (void)state;
    static const char *const remotes[] = {"224.0.0.0/24", "0.0.0.0/0", "10.0.0.0-224.0.0.9"};
    struct address to;
    assert_true(address_parse("224.0.0.5", &to));
    for (size_t i = 0; i < ARRAY_LEN(remotes); i++) {
        struct entry one = {child_new(1, 1, remotes[i]), true, ESP_MODE_FAILOVER, true};
        struct esp_policy *policy = policy_of(&one, 1);
        struct esp_inner inner = packet_to("224.0.0.5", 1);
        const struct esp_group *group = esp_policy_group(policy, &inner);
        assert_non_null(group);
        assert_true(esp_group_multicast(group, &to) == (i == 0));
        esp_policy_free(policy);
        esp_child_free(one.child);
    }
}

static void test_in_the_way(void **state)
{
    (void)state;
    enum { BEFORE = LIMIT_COMPARISONS };
    struct entry *entries = calloc(BEFORE + 1, sizeof(*entries));
    assert_non_null(entries);
    for (uint32_t i = 0; i <= BEFORE; i++) {
        const char *remote = i % 2 == 0 ? "172.16.0.0/12" : "172.23.255.255-172.24.0.0";
        entries[i] = (struct entry){child_new(i + 1, i + 1, i < BEFORE ? remote : "172.16.0.0/12"),
                                    true, ESP_MODE_FAILOVER, true};
        struct esp_ts *ts = &entries[i].child->selectors->remote.ts[0];
        if (i < BEFORE)
            ts->start_port = ts->end_port = 7;
    }
    struct esp_policy *policy = policy_of(entries, BEFORE + 1);
    struct esp_inner inner = packet_to("172.16.1.1", 1);
    inner.dst_port = 80;
    assert_null(esp_policy_group(policy, &inner));
    esp_policy_silence(policy, entries[BEFORE / 2].child);
    assert_int_equal(esp_policy_group(policy, &inner)->children[0]->id, BEFORE + 1);
    /* earlier groups are found, whatever follows them */
    inner.dst_port = 7;
    assert_int_equal(esp_policy_group(policy, &inner)->children[0]->id, 1);
    esp_policy_free(policy);
    for (uint32_t i = 0; i <= BEFORE; i++)
        esp_child_free(entries[i].child);
    free(entries);
}

/* fixture: one session with three paths, and another one with the same selectors */
struct paths {
    struct entry entries[4];
    struct esp_policy *policy;
    const struct esp_group *group;
};

static void paths_init(struct paths *p, enum esp_mode mode, bool follow)
{
    for (uint32_t i = 0; i < 4; i++)
        p->entries[i] =
            (struct entry){child_new(i + 1, i < 3 ? 1 : 2, i < 3 ? "10.5.0.0/16" : "10.6.0.0/16"),
                           true, mode, follow};
    p->policy = policy_of(p->entries, 4);
    struct esp_inner inner = packet_to("10.5.0.1", 1);
    p->group = esp_policy_group(p->policy, &inner);
    assert_int_equal(p->group->n, 3);
}

static void paths_done(struct paths *p)
{
    esp_policy_free(p->policy);
    for (size_t i = 0; i < 4; i++)
        esp_child_free(p->entries[i].child);
}

static uint64_t hash_of(uint32_t flow)
{
    struct esp_inner inner = packet_to("10.5.0.1", (uint16_t)flow);
    inner.dst_port = (uint16_t)(flow >> 16);
    return esp_flow_hash(HASH_KEY, &inner, false);
}

/* chosen_for - the child for a flow that has just arrived on the child with this tag. */
static const struct esp_child *chosen_for(const struct esp_group *group, uint64_t hash,
                                          uint16_t tag)
{
    return esp_group_choose(group, hash, (struct flow_origin){.tag = tag, .recent = true});
}

static void test_failover(void **state)
{
    (void)state;
    struct paths p;
    paths_init(&p, ESP_MODE_FAILOVER, true);
    for (uint32_t i = 0; i < 3; i++)
        p.entries[i].child->priority = 3 - i;
    assert_int_equal(chosen_for(p.group, hash_of(1), 0)->id, 3);
    p.entries[2].child->usable = false;
    assert_int_equal(chosen_for(p.group, hash_of(1), 0)->id, 2);
    assert_int_equal(chosen_for(p.group, hash_of(1), 1)->id, 1); /* came in there */
    assert_int_equal(chosen_for(p.group, hash_of(1), 3)->id, 2); /* ... but not usable */
    assert_int_equal(chosen_for(p.group, hash_of(1), 4)->id, 2); /* another session's tag */
    /* some time ago: only on a path with the best priority */
    struct flow_origin before = {.tag = 1};
    assert_int_equal(esp_group_choose(p.group, hash_of(1), before)->id, 2);
    p.entries[0].child->priority = 2;
    before.tag = 2;
    assert_int_equal(esp_group_choose(p.group, hash_of(1), before)->id, 2);
    before.tag = 1;
    assert_int_equal(esp_group_choose(p.group, hash_of(1), before)->id, 1);
    p.entries[1].child->exhausted = true;
    assert_int_equal(chosen_for(p.group, hash_of(1), 0)->id, 1);
    p.entries[0].child->usable = false;
    assert_null(chosen_for(p.group, hash_of(1), 0));
    paths_done(&p);
}

static void test_balance(void **state)
{
    (void)state;
    enum { FLOWS = 20000 };
    static uint32_t chosen[FLOWS];
    struct paths p;
    unsigned n[4] = {0};
    paths_init(&p, ESP_MODE_BALANCE, false);
    p.entries[1].child->weight = 2;
    for (uint32_t i = 0; i < FLOWS; i++) {
        chosen[i] = chosen_for(p.group, hash_of(i), 3)->id;
        n[chosen[i]]++;
    }
    /* weights 1 : 2 : 1, within 5 % of all flows */
    assert_in_range(n[1], FLOWS / 4 - FLOWS / 20, FLOWS / 4 + FLOWS / 20);
    assert_in_range(n[2], FLOWS / 2 - FLOWS / 20, FLOWS / 2 + FLOWS / 20);
    /* a path that goes moves only its own flows, which return with it */
    p.entries[1].child->usable = false;
    for (uint32_t i = 0; i < FLOWS; i++) {
        uint32_t now = chosen_for(p.group, hash_of(i), 0)->id;
        assert_int_not_equal(now, 2);
        if (chosen[i] != 2)
            assert_int_equal(now, chosen[i]);
    }
    p.entries[1].child->usable = true;
    p.entries[2].child->priority = 2; /* a reserve: not used while others are */
    for (uint32_t i = 0; i < FLOWS; i++)
        assert_int_not_equal(chosen_for(p.group, hash_of(i), 0)->id, 3);
    paths_done(&p);
}

/* --- beside a naive one --- */

#define MODEL_CHILDREN 96
#define MODEL_SESSIONS 12

/* struct model - the expected state: the children, and the groups by age. */
struct model {
    struct esp_policy *policy;
    struct model_child {
        struct esp_child *child; /* NULL: free */
        uint64_t group;          /* 0: only receives */
    } children[MODEL_CHILDREN];
    uint64_t ages; /* numbers of groups */
    uint32_t ids;
    uint64_t dice;
};

static uint32_t model_dice(struct model *m, uint32_t n)
{
    m->dice = m->dice * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(m->dice >> 33) % n;
}

static struct esp_child *model_child_new(struct model *m)
{
    static const char *const remotes[] = {
        "0.0.0.0/0",   "10.5.0.0/16", "10.5.1.0/24",         "10.5.1.1",
        "10.5.1.2",    "10.5.1.1",    "10.5.1.2-10.5.1.200", "10.5.1.0-10.5.1.3",
        "10.5.1.0/31", "128.0.0.0/1", "10.5.1.1-10.5.1.2",   "10.4.0.0-10.5.255.255",
    };
    uint32_t kind = model_dice(m, ARRAY_LEN(remotes));
    struct esp_child *child = child_new(++m->ids, model_dice(m, MODEL_SESSIONS) + 1, remotes[kind]);
    child->selectors->remote.ts[0].end_port = kind == 5 ? 1023 : UINT16_MAX;
    if (model_dice(m, 4) == 0) { /* a second selector, maybe under the same prefix */
        child->selectors->remote.ts[1] = child->selectors->remote.ts[0];
        child->selectors->remote.ts[child->selectors->remote.n++].protocol = 6;
        assert_true(range_parse(remotes[model_dice(m, ARRAY_LEN(remotes))],
                                &child->selectors->remote.ts[1].range));
    }
    return child;
}

static bool model_same(const struct esp_child *a, const struct esp_child *b)
{
    return a->session == b->session &&
           memcmp(&a->selectors->remote, &b->selectors->remote, sizeof(a->selectors->remote)) == 0;
}

static void model_join(struct model *m, struct model_child *one)
{
    uint64_t group = 0;
    for (size_t i = 0; i < MODEL_CHILDREN && group == 0; i++)
        if (m->children[i].group != 0 && model_same(m->children[i].child, one->child))
            group = m->children[i].group;
    one->group = group != 0 ? group : ++m->ages;
}

static void model_send(struct model *m, struct model_child *one, struct model_child *instead)
{
    model_join(m, one);
    if (instead != NULL)
        instead->group = 0;
    assert_int_equal(
        esp_policy_send(m->policy, one->child, instead == NULL ? NULL : instead->child), 0);
}

/* model_width - host bits of the smallest prefix around the selectors that take the packet at
 * all. */
static unsigned model_width(const struct esp_child *child, const struct esp_inner *inner)
{
    unsigned least = UINT_MAX;
    for (size_t i = 0; i < child->selectors->remote.n; i++) {
        const struct address_range *range = &child->selectors->remote.ts[i].range;
        unsigned width = 0;
        struct address_range prefix;
        do
            assert_true(range_from_prefix(&range->first, 32 - width++, &prefix));
        while (!range_contains(&prefix, &range->last));
        if (range_contains(&prefix, &inner->dst) && width < least)
            least = width;
    }
    return least;
}

/* model_group - the number of the group for the packet; 0: none. */
static uint64_t model_group(const struct model *m, const struct esp_inner *inner)
{
    const struct model_child *best = NULL;
    bool best_sends = false;
    unsigned best_width = 0;
    for (size_t i = 0; i < MODEL_CHILDREN; i++) {
        const struct model_child *one = &m->children[i];
        if (one->group == 0 ||
            !esp_selector_out(&one->child->selectors->local, &one->child->selectors->remote, inner))
            continue;
        bool sends = false;
        for (size_t k = 0; k < MODEL_CHILDREN; k++)
            sends |= m->children[k].group == one->group && m->children[k].child->usable;
        unsigned width = model_width(one->child, inner);
        /* hosts: the youngest first; networks: the oldest */
        bool before = best == NULL || width < best_width ||
                      (width == best_width &&
                       (width == 1 ? one->group > best->group : one->group < best->group));
        if (best == NULL || (sends && !best_sends) || (sends == best_sends && before)) {
            best = one;
            best_sends = sends;
            best_width = width;
        }
    }
    return best != NULL ? best->group : 0;
}

static const struct model_child *model_find(const struct model *m, const struct esp_child *child)
{
    for (size_t i = 0; i < MODEL_CHILDREN; i++)
        if (child != NULL && m->children[i].child == child)
            return &m->children[i];
    return NULL;
}

static void model_check(struct model *m)
{
    char text[32];
    snprintf(text, sizeof(text), model_dice(m, 4) == 0 ? "10.%u.7.9" : "10.5.1.%u",
             model_dice(m, 6));
    struct esp_inner inner = packet_to(text, 1);
    inner.dst_port = model_dice(m, 2) == 0 ? 80 : 8080;
    inner.protocol = model_dice(m, 2) == 0 ? 6 : 17;
    const struct esp_group *group = esp_policy_group(m->policy, &inner);
    uint64_t wanted = model_group(m, &inner);
    assert_true((group != NULL) == (wanted != 0));
    size_t members = 0, n = 0;
    for (uint32_t i = 0; group != NULL && i < group->n; i++) {
        const struct model_child *one = model_find(m, group->children[i]);
        assert_true(one == NULL ? group->children[i] == NULL : one->group == wanted);
        members += one != NULL;
    }
    for (size_t i = 0; i < MODEL_CHILDREN; i++) {
        const struct model_child *one = &m->children[i];
        n += wanted != 0 && one->group == wanted;
        if (one->child == NULL)
            continue;
        assert_ptr_equal(esp_policy_spi(m->policy, one->child->spi_in), one->child);
        assert_int_equal(esp_policy_sends(one->child), one->group != 0);
    }
    assert_int_equal(members, n);
}

/* model_reselect - gives it the selectors of another child, or its own again. */
static void model_reselect(struct model *m, struct model_child *one, const struct model_child *like)
{
    const struct esp_ts_list local = one->child->selectors->local,
                             remote = like->child->selectors->remote;
    bool same = memcmp(&remote, &one->child->selectors->remote, sizeof(remote)) == 0;
    assert_int_equal(esp_policy_reselect(m->policy, one->child, &local, &remote), 0);
    retired_free(esp_policy_retired(m->policy));
    if (same || one->group == 0)
        return;
    one->group = 0;
    model_join(m, one);
}

static void model_step(struct model *m)
{
    struct model_child *one = &m->children[model_dice(m, MODEL_CHILDREN)];
    struct model_child *other = &m->children[model_dice(m, MODEL_CHILDREN)];
    if (one->child == NULL) {
        one->child = model_child_new(m);
        if (other->child != NULL && model_dice(m, 2) == 0) { /* a rekey, maybe narrowed */
            uint32_t narrow = model_dice(m, 3);
            one->child->session = other->child->session;
            if (narrow != 0)
                one->child->selectors->remote = other->child->selectors->remote;
        }
        assert_int_equal(esp_policy_add(m->policy, one->child), 0);
        return;
    }
    switch (model_dice(m, 7)) {
    case 6: model_reselect(m, one, other->child == NULL ? one : other); return;
    case 0: /* goes */
        esp_policy_remove(m->policy, one->child);
        retired_free(esp_policy_retired(m->policy));
        assert_null(esp_policy_spi(m->policy, one->child->spi_in));
        esp_child_free(one->child);
        *one = (struct model_child){0};
        return;
    case 1: /* receives only */
        esp_policy_silence(m->policy, one->child);
        one->group = 0;
        return;
    case 2: one->child->usable = !one->child->usable; return;
    case 3: /* takes over */
        if (other->child == NULL || other == one || other->child->session != one->child->session)
            other = NULL;
        model_send(m, one, other);
        return;
    default: model_send(m, one, NULL); return;
    }
}

static void test_against_a_naive_one(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct model m = {.policy = esp_policy_new(HASH_KEY), .dice = seed};
        assert_non_null(m.policy);
        for (unsigned step = 0; step < 4000; step++) {
            model_step(&m);
            model_check(&m);
        }
        for (size_t i = 0; i < MODEL_CHILDREN; i++)
            if (m.children[i].child != NULL) {
                esp_policy_remove(m.policy, m.children[i].child);
                esp_child_free(m.children[i].child);
            }
        struct esp_inner inner = packet_to("10.5.1.1", 1);
        assert_null(esp_policy_group(m.policy, &inner));
        esp_policy_free(m.policy);
    }
}

static void test_modes(void **state)
{
    (void)state;
    struct paths p;
    paths_init(&p, ESP_MODE_FAILOVER, false);
    uint32_t first = chosen_for(p.group, hash_of(1), 2)->id, others = 0;
    assert_int_equal(first, 1); /* nothing follows */
    assert_int_equal(esp_policy_mode(p.policy, 1, ESP_MODE_BALANCE, true), 0);
    assert_int_equal(chosen_for(p.group, hash_of(1), 2)->id, 2);
    for (uint32_t i = 0; i < 100; i++)
        others += chosen_for(p.group, hash_of(i), 0)->id != 1;
    assert_in_range(others, 40, 90);
    /* a new child gets the mode of the session; a child that left is not chosen */
    esp_policy_silence(p.policy, p.entries[1].child);
    assert_int_equal(esp_policy_send(p.policy, p.entries[1].child, NULL), 0);
    struct esp_inner inner = packet_to("10.5.0.1", 1);
    assert_int_equal(chosen_for(esp_policy_group(p.policy, &inner), hash_of(1), 2)->id, 2);
    esp_policy_silence(p.policy, p.entries[1].child);
    assert_int_not_equal(chosen_for(esp_policy_group(p.policy, &inner), hash_of(1), 2)->id, 2);
    esp_policy_mode_end(p.policy, 1);
    paths_done(&p);
}

static void test_tags(void **state)
{
    (void)state;
    struct paths p;
    paths_init(&p, ESP_MODE_FAILOVER, true);
    /* all tags are used, except those that the session has */
    for (uint32_t i = 0; i < 70000; i++) {
        uint16_t tag = esp_policy_tag(p.policy, 1);
        assert_true(tag > 3);
    }
    paths_done(&p);
}

/* --- readers and a writer --- */

#define READERS      2
#define CHURN_ROUNDS 800
#define CHURN_FLOCK  200 /* children that come and go in the background */

/* struct churn - what readers look at; `seen` as in plane/esp_worker.h. */
struct churn {
    struct esp_policy *policy;
    struct esp_inner packets[2];
    _Atomic bool stop;
    _Atomic uint64_t epoch;
    struct churn_reader {
        struct churn *churn;
        pthread_t thread;
        _Atomic uint64_t seen;
        _Atomic uint64_t lookups;
        uint64_t wrong;
    } readers[READERS];
};

/* churn_look - looks up one packet to a host or network that always has a sending child. */
static bool churn_look(const struct churn *churn, uint32_t n)
{
    struct esp_inner inner = churn->packets[n % 2];
    inner.src_port = (uint16_t)n;
    const struct esp_group *group = esp_policy_group(churn->policy, &inner);
    const struct esp_child *out = group == NULL ? NULL : chosen_for(group, n, 0);
    uint32_t spi = 1001 + n % 5000;
    const struct esp_child *in = esp_policy_spi(churn->policy, spi);
    return out != NULL &&
           esp_selector_out(&out->selectors->local, &out->selectors->remote, &inner) &&
           (in == NULL || in->spi_in == spi);
}

static void *churn_read(void *argument)
{
    struct churn_reader *reader = argument;
    for (uint32_t n = 0; !atomic_load(&reader->churn->stop); n++) {
        atomic_store(&reader->seen, atomic_load(&reader->churn->epoch));
        reader->wrong += !churn_look(reader->churn, n);
        atomic_store(&reader->seen, UINT64_MAX);
        atomic_fetch_add(&reader->lookups, 1);
    }
    return NULL;
}

/* churn_settle - waits until no reader can hold a removed object. */
static void churn_settle(struct churn *churn, struct esp_child *const gone[3])
{
    uint64_t epoch = atomic_fetch_add(&churn->epoch, 1) + 1;
    for (size_t i = 0; i < READERS; i++)
        while (atomic_load(&churn->readers[i].seen) < epoch)
            sched_yield();
    retired_free(esp_policy_retired(churn->policy));
    for (size_t i = 0; i < 3; i++)
        esp_child_free(gone[i]);
}

/* churn_goes_on - until every reader has looked often enough. */
static bool churn_goes_on(const struct churn *churn, uint32_t round)
{
    bool more = round < CHURN_ROUNDS;
    for (size_t i = 0; i < READERS; i++)
        more |= atomic_load(&churn->readers[i].lookups) < CHURN_ROUNDS;
    return more;
}

static struct esp_child *churn_next(const struct churn *churn, uint32_t *id, const char *remote,
                                    struct esp_child *old)
{
    struct esp_child *child = child_new(++*id, 1, remote);
    assert_int_equal(esp_policy_add(churn->policy, child), 0);
    assert_int_equal(esp_policy_send(churn->policy, child, old), 0);
    return child;
}

static void churn_write(struct churn *churn, uint32_t *id)
{
    /* a rekey with the same selectors, wider and narrower ones, and a second path beside it */
    static const char *const nets[] = {"10.6.0.0/16", "10.6.0.0/16", "10.6.7.0/24", "10.6.7.8",
                                       "10.0.0.0/8"};
    struct esp_child *host = churn_next(churn, id, "10.5.0.1", NULL), *flock[CHURN_FLOCK] = {NULL};
    struct esp_child *net = churn_next(churn, id, nets[0], NULL);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(
            pthread_create(&churn->readers[i].thread, NULL, churn_read, &churn->readers[i]), 0);
    for (uint32_t round = 0; churn_goes_on(churn, round); round++) {
        struct esp_child **one = &flock[round * 7919 % CHURN_FLOCK];
        struct esp_child *gone[3] = {host, net, *one};
        host = churn_next(churn, id, "10.5.0.1", round % 3 != 0 ? host : NULL);
        net = churn_next(churn, id, nets[round % ARRAY_LEN(nets)], net);
        /* tables grow, and shrink */
        *one = round / 200 % 2 == 0 ? churn_next(churn, id, "10.77.0.0/16", NULL) : NULL;
        for (size_t i = 0; i < 3; i++)
            if (gone[i] != NULL)
                esp_policy_remove(churn->policy, gone[i]);
        churn_settle(churn, gone);
    }
    atomic_store(&churn->stop, true);
    for (size_t i = 0; i < READERS; i++)
        pthread_join(churn->readers[i].thread, NULL);
    struct esp_child *rest[] = {host, net};
    for (size_t i = 0; i < ARRAY_LEN(rest) + CHURN_FLOCK; i++) {
        struct esp_child *child = i < CHURN_FLOCK ? flock[i] : rest[i - CHURN_FLOCK];
        if (child != NULL)
            esp_policy_remove(churn->policy, child);
        esp_child_free(child);
    }
}

static void test_readers_and_a_writer(void **state)
{
    (void)state;
    static struct churn churn;
    uint32_t id = 0;
    churn.policy = esp_policy_new(HASH_KEY);
    assert_non_null(churn.policy);
    churn.packets[0] = packet_to("10.5.0.1", 1);
    churn.packets[1] = packet_to("10.6.7.8", 1);
    for (size_t i = 0; i < READERS; i++) {
        churn.readers[i].churn = &churn;
        atomic_store(&churn.readers[i].seen, UINT64_MAX);
    }
    churn_write(&churn, &id);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(churn.readers[i].wrong, 0);
    esp_policy_free(churn.policy);
}

static int setup(void **state)
{
    (void)state;
    crypto = esp_crypto_new();
    return crypto == NULL;
}

static int teardown(void **state)
{
    (void)state;
    crypto = esp_crypto_free(crypto);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_children),
        cmocka_unit_test(test_narrow_before_wide),
        cmocka_unit_test(test_priority),
        cmocka_unit_test(test_multicast),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_in_the_way),
        cmocka_unit_test(test_failover),
        cmocka_unit_test(test_balance),
        cmocka_unit_test(test_against_a_naive_one),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_readers_and_a_writer),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
