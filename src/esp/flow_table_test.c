/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/flow_table.h"

#include "base/unit_test.h"

#define HASH_KEY 0x0123456789abcdefu

static struct esp_inner packet(uint16_t src_port)
{
    struct esp_inner inner = {
        .version = 4, .protocol = 17, .has_ports = true, .src_port = src_port};
    assert_true(address_parse("10.1.2.3", &inner.src));
    assert_true(address_parse("10.5.0.1", &inner.dst));
    return inner;
}

static uint64_t hash_of(uint32_t flow)
{
    struct esp_inner inner = packet((uint16_t)flow);
    inner.dst_port = (uint16_t)(flow >> 16);
    return esp_flow_hash(HASH_KEY, &inner, false);
}

static void remembers(void **state)
{
    (void)state;
    struct flow_table *t = flow_table_new();
    assert_non_null(t);
    nanos now = 70000 * NANOS_PER_SEC;
    assert_int_equal(flow_table_find(t, hash_of(1), now).tag, 0);
    flow_table_learn(t, hash_of(1), 5, now);
    assert_int_equal(flow_table_find(t, hash_of(1), now).tag, 5);
    flow_table_learn(t, hash_of(1), 6, now);
    assert_true(flow_table_find(t, hash_of(1), now + 5 * NANOS_PER_SEC).recent);
    assert_false(flow_table_find(t, hash_of(1), now + 6 * NANOS_PER_SEC).recent);
    assert_int_equal(flow_table_find(t, hash_of(1), now + 300 * NANOS_PER_SEC).tag, 6);
    assert_int_equal(flow_table_find(t, hash_of(1), now + 301 * NANOS_PER_SEC).tag, 0);
    /* a flood of flows: bounded, and a flow that keeps talking stays */
    unsigned kept = 0;
    for (uint32_t i = 0; i < 400000; i++) {
        flow_table_learn(t, hash_of(i + 10), (uint16_t)(i % 9 + 1), now + i * NANOS_PER_MS);
        if (i % 100 == 0) {
            kept += flow_table_find(t, hash_of(1), now + i * NANOS_PER_MS).tag == 6;
            flow_table_learn(t, hash_of(1), 6, now + i * NANOS_PER_MS);
        }
    }
    assert_true(kept > 3990);
    flow_table_free(t);
}

static void hash_of_both_directions(void **state)
{
    (void)state;
    struct esp_inner out = packet(1234), in = out;
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(remembers),
                                       cmocka_unit_test(hash_of_both_directions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
