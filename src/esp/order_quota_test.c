/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/order_quota.h"

#include "base/unit_test.h"

#define MOST 16

/* A session takes what it can, and others still get their first space each. */
static void one_takes_all(void **state)
{
    (void)state;
    struct order_quota quota = {.most = MOST};
    struct order_share greedy = {0}, others[MOST] = {0};
    uint32_t taken = 0;
    for (int i = 0; i < 100; i++)
        taken += order_quota_take(&quota, &greedy);
    assert_int_equal(taken, MOST / 2);
    for (int i = 0; i < MOST / 2; i++) {
        assert_true(order_quota_take(&quota, &others[i]));
        assert_false(order_quota_take(&quota, &others[i])); /* a second one is not for now */
    }
    assert_false(order_quota_take(&quota, &others[MOST / 2]));
    assert_int_equal(quota.used, MOST);
}

/* What is given back is there for others, and refusals take nothing. */
static void given_back(void **state)
{
    (void)state;
    struct order_quota quota = {.most = 2};
    struct order_share a = {0}, b = {0}, c = {0};
    assert_true(order_quota_take(&quota, &a) && order_quota_take(&quota, &b));
    assert_false(order_quota_take(&quota, &c));
    assert_int_equal(c.used, 0);
    order_quota_give(&quota, &a);
    assert_true(order_quota_take(&quota, &c));
    order_quota_give(&quota, &b);
    order_quota_give(&quota, &c);
    assert_int_equal(quota.used, 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(order_quota_take(&quota, &a), i == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_takes_all),
        cmocka_unit_test(given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
