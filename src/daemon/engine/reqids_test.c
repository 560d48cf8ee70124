/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine/reqids.h"

#include "base/unit_test.h"

static struct ike_ts_list list_of(const char *range, uint16_t port)
{
    struct ike_ts_list list = {.n = 1};
    list.ts[0] = (struct ike_ts){.start_port = port, .end_port = port == 0 ? UINT16_MAX : port};
    assert_true(range_parse(range, &list.ts[0].range));
    return list;
}

static void same_selectors(void **state)
{
    (void)state;
    struct reqids *reqids = reqids_new();
    struct ike_ts_list inner = list_of("10.9.0.1/32", 0), net = list_of("10.1.0.0/16", 0);
    struct ike_ts_list web = list_of("10.1.0.0/16", 80), other = list_of("10.2.0.0/16", 0);
    assert_int_equal(reqids_get(reqids, 1), 0);
    reqids_take(reqids, 1, &inner, &net);
    reqids_take(reqids, 2, &inner, &web);
    reqids_take(reqids, 3, &net, &inner); /* not the same the other way round */
    reqids_take(reqids, 4, &inner, &net); /* a rekey, or the VPN of another path */
    static const uint32_t numbers[] = {0, 1, 2, 3, 1};
    for (ike_child_id child = 0; child < ARRAY_LEN(numbers); child++)
        assert_int_equal(reqids_get(reqids, child), numbers[child]);
    reqids_drop(reqids, 1);
    assert_int_equal(reqids_get(reqids, 1), 0);
    assert_int_equal(reqids_get(reqids, 4), 1);
    reqids_take(reqids, 5, &inner, &net); /* its number is still in use */
    assert_int_equal(reqids_get(reqids, 5), 1);
    reqids_drop(reqids, 4);
    reqids_drop(reqids, 5);
    reqids_drop(reqids, 5); /* nothing to drop */
    reqids_take(reqids, 6, &inner, &other);
    assert_int_equal(reqids_get(reqids, 6), 1); /* free again */
    reqids_take(reqids, 7, &inner, &net);
    assert_int_equal(reqids_get(reqids, 7), 4);
    assert_null(reqids_free(reqids));
    assert_null(reqids_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_selectors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
