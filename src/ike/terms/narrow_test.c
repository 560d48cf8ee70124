/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/terms/narrow.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/unit_test.h"

/* ts_of - "10.1.0.0/16", "10.1.0.0/16 tcp 80", "10.1.0.0/16 17 1-1023", "... 6 opaque" */
static struct ike_ts ts_of(const char *text)
{
    struct ike_ts ts = {.end_port = 65535};
    char range[64], protocol[8], ports[16];
    unsigned from, to;
    int n = sscanf(text, "%63s %7s %15s", range, protocol, ports);
    assert_true(n >= 1 && range_parse(range, &ts.range));
    if (n >= 2)
        ts.protocol = (uint8_t)atoi(protocol);
    if (n >= 3 && strcmp(ports, "opaque") == 0) {
        ts.start_port = 65535;
        ts.end_port = 0;
    } else if (n >= 3) {
        int m = sscanf(ports, "%u-%u", &from, &to);
        assert_true(m >= 1);
        ts.start_port = (uint16_t)from;
        ts.end_port = (uint16_t)(m == 2 ? to : from);
    }
    return ts;
}

/* list_of - selectors with ", " between them; empty: none */
static struct ike_ts_list list_of(const char *text)
{
    struct ike_ts_list list = {0};
    char copy[512], *save, *one;
    (void)snprintf(copy, sizeof(copy), "%s", text);
    for (one = strtok_r(copy, ",", &save); one != NULL; one = strtok_r(NULL, ",", &save))
        list.ts[list.n++] = ts_of(one);
    return list;
}

static void assert_same(const struct ike_ts_list *a, const struct ike_ts_list *b)
{
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        assert_int_equal(a->ts[i].protocol, b->ts[i].protocol);
        assert_int_equal(a->ts[i].start_port, b->ts[i].start_port);
        assert_int_equal(a->ts[i].end_port, b->ts[i].end_port);
        assert_true(address_equal(&a->ts[i].range.first, &b->ts[i].range.first));
        assert_true(address_equal(&a->ts[i].range.last, &b->ts[i].range.last));
    }
}

static void narrow(void **state)
{
    static const struct {
        const char *asked, *allowed, *result;
    } rows[] = {
        {"10.1.0.0/16", "10.1.0.0/16", "10.1.0.0/16"},
        {"0.0.0.0/0", "10.1.0.0/16", "10.1.0.0/16"},
        {"10.1.2.0/24", "10.1.0.0/16", "10.1.2.0/24"},
        {"10.2.0.0/16", "10.1.0.0/16", ""},
        {"10.1.0.5-10.1.0.20", "10.1.0.16/28", "10.1.0.16-10.1.0.20"},
        {"::/0", "10.1.0.0/16", ""},
        {"0.0.0.0/0,::/0", "2001:db8::/32", "2001:db8::/32"},
        /* protocol and ports */
        {"10.1.0.0/16", "10.1.0.0/16 6", "10.1.0.0/16 6"},
        {"10.1.0.0/16 6", "10.1.0.0/16", "10.1.0.0/16 6"},
        {"10.1.0.0/16 6", "10.1.0.0/16 17", ""},
        {"10.1.0.0/16 6 80-90", "10.1.0.0/16 6 85-100", "10.1.0.0/16 6 85-90"},
        {"10.1.0.0/16 6 80-84", "10.1.0.0/16 6 85-100", ""},
        {"10.1.0.0/16 6 opaque", "10.1.0.0/16 6", "10.1.0.0/16 6 opaque"},
        {"10.1.0.0/16 6 opaque", "10.1.0.0/16 6 80", ""},
        {"10.1.0.0/16 6 opaque", "10.1.0.0/16 6 opaque", "10.1.0.0/16 6 opaque"},
        /* ICMP: type and code as ports, 8/0 */
        {"10.1.0.0/16 1 2048-2048", "10.1.0.0/16 1", "10.1.0.0/16 1 2048"},
        /* section 2.9: the selector of the triggering packet comes first, and is in the result:
         * inside of a wider one, or alone */
        {"10.1.0.7/32 6 80,10.0.0.0/8", "10.1.0.0/16", "10.1.0.0/16"},
        {"10.1.0.7/32 6 80,10.2.0.0/16", "10.0.0.0/8", "10.1.0.7/32 6 80,10.2.0.0/16"},
        {"10.1.0.7/32 6 80,10.0.0.0/8", "10.1.0.0/24,10.2.0.0/24", "10.1.0.0/24,10.2.0.0/24"},
        {"10.1.0.7/32 6 80,10.0.0.0/8", "10.1.0.7/32 6,10.1.0.0/24 17",
         "10.1.0.7/32 6,10.1.0.0/24 17"},
        /* duplicates collapse */
        {"10.0.0.0/8,10.1.0.0/16", "10.1.0.0/16", "10.1.0.0/16"},
        {"0.0.0.0/0", "10.1.0.0/16,10.3.0.0/16", "10.1.0.0/16,10.3.0.0/16"},
        {"", "10.1.0.0/16", ""},
        {"10.1.0.0/16", "", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ike_ts_list asked = list_of(rows[i].asked), allowed = list_of(rows[i].allowed);
        struct ike_ts_list want = list_of(rows[i].result), got;
        ts_narrow(&asked, &allowed, &got);
        assert_same(&got, &want);
        /* the result lies inside of both */
        assert_int_equal(ts_within(&got, &asked), got.n > 0);
        assert_int_equal(ts_within(&got, &allowed), got.n > 0);
    }
}

static void within(void **state)
{
    static const struct {
        const char *inner, *outer;
        bool within;
    } rows[] = {
        {"10.1.0.0/16", "10.1.0.0/16", true},
        {"10.1.2.0/24", "10.1.0.0/16", true},
        {"10.0.0.0/8", "10.1.0.0/16", false}, /* a responder that widens */
        {"10.1.0.0/16,10.2.0.0/16", "10.1.0.0/16", false},
        {"10.1.0.0/16", "10.1.0.0/16 6", false},
        {"10.1.0.0/16 6", "10.1.0.0/16", true},
        {"10.1.0.0/16 6 1-2", "10.1.0.0/16 6 1-1", false},
        {"10.1.0.0/16 6 opaque", "10.1.0.0/16 6 80", false},
        {"", "10.1.0.0/16", false}, /* an empty list is no answer */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ike_ts_list inner = list_of(rows[i].inner), outer = list_of(rows[i].outer);
        assert_int_equal(ts_within(&inner, &outer), rows[i].within);
    }
}

/* 16 x 16 selectors overlap: the result has no more than fit. */
static void bounded(void **state)
{
    struct ike_ts_list asked = {.n = POLICY_TS}, allowed = {.n = POLICY_TS}, got;
    (void)state;
    for (size_t i = 0; i < POLICY_TS; i++) {
        asked.ts[i] = ts_of("10.0.0.0/8 6");
        allowed.ts[i] = ts_of("10.0.0.0/8");
        asked.ts[i].start_port = asked.ts[i].end_port = (uint16_t)(1 + i);
        allowed.ts[i].range.first.octets[3] = (uint8_t)(i + 1);
        allowed.ts[i].range.last = allowed.ts[i].range.first;
    }
    ts_narrow(&asked, &allowed, &got);
    assert_int_equal(got.n, POLICY_TS);
    assert_true(ts_within(&got, &asked));
}

/* The selector of the triggering packet goes first, if the policy allows it. */
static void packet_first(void **state)
{
    static const struct {
        const char *host;
        uint8_t protocol;
        uint16_t port;
        const char *list, *result;
    } rows[] = {
        {"10.1.0.7", 6, 80, "10.1.0.0/16", "10.1.0.7/32 6 80,10.1.0.0/16"},
        {"10.1.0.7", 6, 80, "10.2.0.0/16,10.1.0.0/16", "10.1.0.7/32 6 80,10.2.0.0/16,10.1.0.0/16"},
        {"10.1.0.7", 50, 0, "10.1.0.0/16", "10.1.0.7/32 50,10.1.0.0/16"}, /* has no ports */
        {"10.1.0.7", 1, 2048, "10.1.0.0/16", "10.1.0.7/32 1 2048,10.1.0.0/16"},
        {"10.1.0.7", 6, 80, "10.1.0.7/32 6 80,10.1.0.8/32", "10.1.0.7/32 6 80,10.1.0.8/32"},
        {"10.1.0.7", 6, 80, "10.1.0.0/16 6 80", "10.1.0.7/32 6 80,10.1.0.0/16 6 80"},
        /* the policy does not allow it, so it is not requested */
        {"10.2.0.7", 6, 80, "10.1.0.0/16", "10.1.0.0/16"},
        {"10.1.0.7", 17, 80, "10.1.0.0/16 6", "10.1.0.0/16 6"},
        {"10.1.0.7", 6, 81, "10.1.0.0/16 6 80", "10.1.0.0/16 6 80"},
        {"10.1.0.7", 6, 0, "10.1.0.0/16 6 80", "10.1.0.0/16 6 80"},
        {"2001:db8::1", 6, 80, "10.1.0.0/16", "10.1.0.0/16"},
        {"10.1.0.7", 6, 80, "", ""},
    };
    struct ike_ts_list full = {.n = POLICY_TS};
    struct address host;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ike_ts_list list = list_of(rows[i].list), want = list_of(rows[i].result);
        assert_true(address_parse(rows[i].host, &host));
        ts_first(&host, rows[i].protocol, rows[i].port, &list);
        assert_same(&list, &want);
    }
    for (size_t i = 0; i < POLICY_TS; i++)
        full.ts[i] = ts_of("10.1.0.0/16");
    assert_true(address_parse("10.1.0.7", &host));
    ts_first(&host, 6, 80, &full);
    assert_int_equal(full.n, POLICY_TS); /* no room: the policy is requested without it */
    assert_int_equal(full.ts[0].protocol, 0);
}

static void dynamic(void **state)
{
    struct ike_ts_list one = list_of("10.1.0.0/16");
    struct ike_ts_policy policy = {.fixed = {1, one.ts}, .n_dynamic = 2};
    struct ike_ts_list want = list_of("10.1.0.0/16,10.9.0.1/32,2001:db8::1/128,10.9.0.1/32 6 80,"
                                      "2001:db8::1/128 6 80");
    struct address inner[2];
    struct ike_ts_list got;
    (void)state;
    policy.dynamic[0].end_port = 65535;
    policy.dynamic[1].protocol = 6;
    policy.dynamic[1].start_port = policy.dynamic[1].end_port = 80;
    assert_true(address_parse("10.9.0.1", &inner[0]));
    assert_true(address_parse("2001:db8::1", &inner[1]));
    ts_resolve(&policy, inner, 2, &got);
    assert_same(&got, &want);
    ts_resolve(&policy, inner, 0, &got);
    assert_int_equal(got.n, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(narrow),       cmocka_unit_test(within),  cmocka_unit_test(bounded),
        cmocka_unit_test(packet_first), cmocka_unit_test(dynamic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
