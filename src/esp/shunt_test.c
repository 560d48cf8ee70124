/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/shunt.h"

#include <stdlib.h>

#include "base/unit_test.h"

static struct esp_ts ts(const char *range, uint8_t protocol, uint16_t start, uint16_t end)
{
    struct esp_ts ts = {.protocol = protocol, .start_port = start, .end_port = end};
    assert_true(range_parse(range, &ts.range));
    return ts;
}

static struct esp_shunt shunt(bool pass, struct esp_ts local, struct esp_ts remote)
{
    uint32_t base = pass ? ESP_RANK_PASS : ESP_RANK_DROP;
    return (struct esp_shunt){local, remote, esp_shunt_rank(base, &local, &remote), pass};
}

static struct esp_inner packet(const char *src, const char *dst, uint16_t dst_port)
{
    struct esp_inner inner = {
        .protocol = 6, .has_ports = true, .src_port = 1, .dst_port = dst_port};
    assert_true(address_parse(src, &inner.src));
    assert_true(address_parse(dst, &inner.dst));
    return inner;
}

static void test_rank(void **state)
{
    (void)state;
    struct esp_ts all = ts("0.0.0.0/0", 0, 0, 65535), net = ts("10.1.0.0/16", 0, 0, 65535);
    struct esp_ts six = ts("2001:db8::1/128", 6, 22, 22), tcp = ts("0.0.0.0/0", 6, 0, 65535);
    assert_int_equal(esp_shunt_rank(ESP_RANK_PASS, &all, &all), ESP_RANK_PASS);
    assert_true(esp_shunt_rank(ESP_RANK_PASS, &all, &net) < ESP_RANK_PASS);
    assert_true(esp_shunt_rank(ESP_RANK_PASS, &net, &net) <
                esp_shunt_rank(ESP_RANK_PASS, &all, &net));
    assert_true(esp_shunt_rank(ESP_RANK_PASS, &tcp, &all) < ESP_RANK_PASS);
    /* the narrowest drop policy is behind the Child SAs, and before none of them */
    assert_true(esp_shunt_rank(ESP_RANK_DROP, &six, &six) > ESP_RANK_CHILD);
}

static void test_order(void **state)
{
    (void)state;
    const struct esp_shunt list[] = {
        shunt(false, ts("0.0.0.0/0", 0, 0, 65535), ts("0.0.0.0/0", 0, 0, 65535)),
        shunt(true, ts("0.0.0.0/0", 0, 0, 65535), ts("10.1.0.0/16", 6, 22, 22)),
        {ts("0.0.0.0/0", 0, 0, 65535), ts("10.1.9.0/24", 0, 0, 65535), 7, false},
    };
    struct esp_shunts *shunts = esp_shunts_new(list, ARRAY_LEN(list));
    struct esp_inner ssh = packet("10.3.0.1", "10.1.0.5", 22),
                     web = packet("10.3.0.1", "10.1.0.5", 80);
    struct esp_inner narrow = packet("10.3.0.1", "10.1.9.5", 22);
    assert_non_null(shunts);
    assert_true(esp_shunts_out(shunts, &ssh, ESP_RANK_CHILD)->pass);
    assert_null(esp_shunts_out(shunts, &web, ESP_RANK_CHILD)); /* a Child SA comes before */
    assert_false(esp_shunts_out(shunts, &web, UINT32_MAX)->pass);
    assert_int_equal(esp_shunts_out(shunts, &narrow, ESP_RANK_CHILD)->rank, 7);
    assert_null(esp_shunts_out(shunts, &narrow, 7)); /* its `priority` is as low */
    assert_null(esp_shunts_out(NULL, &ssh, UINT32_MAX));
    free(shunts);
}

/* What a Child SA brings: source and destination are the other way round. A pass policy drops none
 * of it. */
static void test_inbound(void **state)
{
    (void)state;
    const struct esp_shunt list[] = {
        shunt(true, ts("10.3.0.0/24", 0, 0, 65535), ts("10.1.0.0/16", 6, 22, 22)),
        {ts("10.3.0.0/24", 0, 0, 65535), ts("10.1.0.0/16", 0, 0, 65535), 300000, false},
    };
    struct esp_shunts *shunts = esp_shunts_new(list, ARRAY_LEN(list));
    struct esp_inner out = packet("10.3.0.1", "10.1.0.5", 80),
                     in = packet("10.1.0.5", "10.3.0.1", 80);
    struct esp_inner ssh = packet("10.1.0.5", "10.3.0.1", 1000);
    ssh.src_port = 22;
    assert_non_null(shunts);
    assert_non_null(esp_shunts_in(shunts, &in, ESP_RANK_CHILD));
    assert_null(esp_shunts_in(shunts, &in, 300000));
    assert_null(esp_shunts_in(shunts, &out, ESP_RANK_CHILD));
    assert_null(esp_shunts_in(shunts, &ssh, ESP_RANK_CHILD));
    free(shunts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rank),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_inbound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
