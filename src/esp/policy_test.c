/* SPDX-License-Identifier: Apache-2.0 */
/* Which Child SA: by SPI, by selectors, by flow. */
#include "esp/policy.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/unit_test.h"

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

/* struct entry - one child to put in. */
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
    /* a session that cannot send stands back, and is still chosen when there is no other */
    struct esp_inner narrow = packet_to("192.168.1.7", 1);
    entries[3].child->usable = false;
    assert_int_equal(esp_policy_group(policy, &narrow)->children[0]->id, 3);
    entries[0].child->usable = entries[1].child->usable = entries[2].child->usable = false;
    assert_int_equal(esp_policy_group(policy, &narrow)->children[0]->id, 4);
    struct esp_inner inner = packet_to("8.8.8.8", 1);
    assert_true(address_parse("11.0.0.1", &inner.src)); /* the source is nobody's */
    assert_null(esp_policy_group(policy, &inner));
    esp_policy_free(policy);
    for (size_t i = 0; i < 5; i++)
        esp_child_free(entries[i].child);
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

static void test_failover(void **state)
{
    (void)state;
    struct paths p;
    paths_init(&p, ESP_MODE_FAILOVER, true);
    for (uint32_t i = 0; i < 3; i++)
        p.entries[i].child->priority = 3 - i;
    assert_int_equal(esp_group_choose(p.group, hash_of(1), 0)->id, 3);
    p.entries[2].child->usable = false;
    assert_int_equal(esp_group_choose(p.group, hash_of(1), 0)->id, 2);
    assert_int_equal(esp_group_choose(p.group, hash_of(1), 1)->id, 1); /* came in there */
    assert_int_equal(esp_group_choose(p.group, hash_of(1), 3)->id, 2); /* ... but not usable */
    assert_int_equal(esp_group_choose(p.group, hash_of(1), 4)->id, 2); /* another session's tag */
    p.entries[1].child->exhausted = true;
    assert_int_equal(esp_group_choose(p.group, hash_of(1), 0)->id, 1);
    p.entries[0].child->usable = false;
    assert_null(esp_group_choose(p.group, hash_of(1), 0));
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
        chosen[i] = esp_group_choose(p.group, hash_of(i), 3)->id;
        n[chosen[i]]++;
    }
    /* weights 1 : 2 : 1, within 5 % of all flows */
    assert_in_range(n[1], FLOWS / 4 - FLOWS / 20, FLOWS / 4 + FLOWS / 20);
    assert_in_range(n[2], FLOWS / 2 - FLOWS / 20, FLOWS / 2 + FLOWS / 20);
    /* a path that goes moves its own flows only, and that comes back gets them back */
    p.entries[1].child->usable = false;
    for (uint32_t i = 0; i < FLOWS; i++) {
        uint32_t now = esp_group_choose(p.group, hash_of(i), 0)->id;
        assert_int_not_equal(now, 2);
        if (chosen[i] != 2)
            assert_int_equal(now, chosen[i]);
    }
    p.entries[1].child->usable = true;
    p.entries[2].child->priority = 2; /* a reserve: not used while others are */
    for (uint32_t i = 0; i < FLOWS; i++)
        assert_int_not_equal(esp_group_choose(p.group, hash_of(i), 0)->id, 3);
    paths_done(&p);
}

static void test_flow_table(void **state)
{
    (void)state;
    struct flow_table *t = flow_table_new();
    assert_non_null(t);
    nanos now = 70000 * NANOS_PER_SEC;
    assert_int_equal(flow_table_find(t, hash_of(1), now), 0);
    flow_table_learn(t, hash_of(1), 5, now);
    assert_int_equal(flow_table_find(t, hash_of(1), now), 5);
    flow_table_learn(t, hash_of(1), 6, now);
    assert_int_equal(flow_table_find(t, hash_of(1), now + 300 * NANOS_PER_SEC), 6);
    assert_int_equal(flow_table_find(t, hash_of(1), now + 301 * NANOS_PER_SEC), 0);
    /* a flood of flows: bounded, and a flow that keeps talking stays */
    unsigned kept = 0;
    for (uint32_t i = 0; i < 400000; i++) {
        flow_table_learn(t, hash_of(i + 10), (uint16_t)(i % 9 + 1), now + i * NANOS_PER_MS);
        if (i % 100 == 0) {
            kept += flow_table_find(t, hash_of(1), now + i * NANOS_PER_MS) == 6;
            flow_table_learn(t, hash_of(1), 6, now + i * NANOS_PER_MS);
        }
    }
    assert_true(kept > 3990);
    flow_table_free(t);
}

static void test_flow_hash(void **state)
{
    (void)state;
    struct esp_inner out = packet_to("10.5.0.1", 1234), in = out;
    out.dst_port = 53;
    in.src = out.dst;
    in.dst = out.src;
    in.src_port = 53;
    in.dst_port = 1234;
    uint64_t hash = esp_flow_hash(HASH_KEY, &out, false);
    assert_true(hash == esp_flow_hash(HASH_KEY, &in, true));
    assert_true(hash != esp_flow_hash(HASH_KEY, &in, false));
    assert_true(hash != esp_flow_hash(HASH_KEY + 2, &out, false));
    /* echo request and reply are one flow */
    out.protocol = in.protocol = 1;
    out.src_port = out.dst_port = 0x0800;
    in.src_port = in.dst_port = 0;
    assert_true(esp_flow_hash(HASH_KEY, &out, false) == esp_flow_hash(HASH_KEY, &in, true));
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
        cmocka_unit_test(test_many_children), cmocka_unit_test(test_narrow_before_wide),
        cmocka_unit_test(test_failover),      cmocka_unit_test(test_balance),
        cmocka_unit_test(test_flow_table),    cmocka_unit_test(test_flow_hash),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
