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

static void take_marked(struct reqids *reqids, ike_child_id child, ike_session_id session,
                        const struct ike_child_policy *policy)
{
    struct ike_child_install install = {.child = child, .session = session, .policy = policy};
    install.local_ts = install.remote_ts = list_of("10.9.0.1/32", 0);
    reqids_take(reqids, &install);
}

static void take(struct reqids *reqids, ike_child_id child, const struct ike_ts_list *local,
                 const struct ike_ts_list *remote)
{
    static const struct ike_child_policy plain = {.reqid = 0};
    const struct ike_child_install install = {
        .child = child, .policy = &plain, .local_ts = *local, .remote_ts = *remote};
    reqids_take(reqids, &install);
}

static void same_selectors(void **state)
{
    (void)state;
    struct reqids *reqids = reqids_new();
    struct ike_ts_list inner = list_of("10.9.0.1/32", 0), net = list_of("10.1.0.0/16", 0);
    struct ike_ts_list web = list_of("10.1.0.0/16", 80), other = list_of("10.2.0.0/16", 0);
    assert_int_equal(reqids_get(reqids, 1), 0);
    take(reqids, 1, &inner, &net);
    take(reqids, 2, &inner, &web);
    take(reqids, 3, &net, &inner); /* not the same the other way round */
    take(reqids, 4, &inner, &net); /* a rekey, or the VPN of another path */
    static const uint32_t numbers[] = {0, 1, 2, 3, 1};
    for (ike_child_id child = 0; child < ARRAY_LEN(numbers); child++)
        assert_int_equal(reqids_get(reqids, child), numbers[child]);
    reqids_drop(reqids, 1);
    assert_int_equal(reqids_get(reqids, 1), 0);
    assert_int_equal(reqids_get(reqids, 4), 1);
    take(reqids, 5, &inner, &net); /* its number is still in use */
    assert_int_equal(reqids_get(reqids, 5), 1);
    reqids_drop(reqids, 4);
    reqids_drop(reqids, 5);
    reqids_drop(reqids, 5); /* nothing to drop */
    take(reqids, 6, &inner, &other);
    assert_int_equal(reqids_get(reqids, 6), 1); /* free again */
    take(reqids, 7, &inner, &net);
    assert_int_equal(reqids_get(reqids, 7), 4);
    assert_null(reqids_free(reqids));
    assert_null(reqids_free(NULL));
}

/* Two networks with the same addresses, distinguished by a mark or an interface. */
static void marks_and_interfaces(void **state)
{
    (void)state;
    struct reqids *reqids = reqids_new();
    const struct ike_mark ten = {IKE_MARK_FIXED, 10, UINT32_MAX};
    const struct ike_mark some = {IKE_MARK_FIXED, 10, 0xff}, each = {.kind = IKE_MARK_UNIQUE};
    const struct ike_child_policy policies[] = {
        {.reqid = 0},      {.mark_in = ten},  {.mark_out = ten},  {.mark_in = ten, .mark_out = ten},
        {.mark_in = some}, {.if_id_in = ten}, {.if_id_out = ten}, {.mark_out = each},
    };
    for (uint32_t i = 0; i < ARRAY_LEN(policies); i++) {
        take_marked(reqids, 1 + 3 * i, 1, &policies[i]);
        assert_int_equal(reqids_get(reqids, 1 + 3 * i), 1 + i);
        take_marked(reqids, 2 + 3 * i, 1, &policies[i]); /* a rekey */
        assert_int_equal(reqids_get(reqids, 2 + 3 * i), 1 + i);
    }
    for (uint32_t i = 0; i < ARRAY_LEN(policies); i++) { /* of %unique, each session has its own */
        take_marked(reqids, 3 + 3 * i, 2, &policies[i]);
        bool own = policies[i].mark_out.kind == IKE_MARK_UNIQUE;
        assert_int_equal(reqids_get(reqids, 3 + 3 * i), own ? ARRAY_LEN(policies) + 1 : 1 + i);
    }
    assert_null(reqids_free(reqids));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_selectors),
                                       cmocka_unit_test(marks_and_interfaces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
