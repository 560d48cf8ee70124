/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hooks/hook_list.h"

#include "base/unit_test.h"

static struct hook_request request(uint32_t uniqueid)
{
    struct hook_request r = {.up = 1,
                             .uniqueid = uniqueid,
                             .script = "/etc/ikat/open one",
                             .conn = "home",
                             .child = "net"};
    assert_true(range_parse("10.3.0.7", &r.local_ts.range));
    assert_true(range_parse("10.1.0.0/16", &r.remote_ts.range));
    return r;
}

static void empty(struct hook_list *list)
{
    struct hook_request r;
    while (hook_list_pop(list, &r))
        ;
    assert_int_equal(list->n, 0);
}

/* `down` runs without a permit of the files, so it must equal an earlier `up`. Otherwise a
 * compromised engine could run another program with it. */
static void other_down(void **state)
{
    (void)state;
    struct hook_list list = {0};
    const struct hook_request up = request(7);
    assert_true(hook_list_add(&list, &up));
    struct hook_request down = up;
    strcpy(down.script, "/etc/ikat/open two");
    assert_false(hook_list_take(&list, &down));
    down = up;
    down.uniqueid = 8;
    assert_false(hook_list_take(&list, &down));
    down = up;
    strcpy(down.child, "other");
    assert_false(hook_list_take(&list, &down));
    down = up;
    assert_true(range_parse("10.2.0.0/16", &down.remote_ts.range));
    assert_false(hook_list_take(&list, &down));
    down = up;
    down.up = 0;
    assert_true(hook_list_take(&list, &down));
    assert_false(hook_list_take(&list, &down));
    assert_int_equal(list.n, 0);
}

static void newest_first(void **state)
{
    (void)state;
    struct hook_list list = {0};
    struct hook_request r;
    for (uint32_t i = 1; i <= 3; i++) {
        r = request(i);
        assert_true(hook_list_add(&list, &r));
    }
    r = request(2);
    assert_true(hook_list_take(&list, &r));
    assert_true(hook_list_pop(&list, &r));
    assert_int_equal(r.uniqueid, 3);
    assert_true(hook_list_pop(&list, &r));
    assert_int_equal(r.uniqueid, 1);
    assert_false(hook_list_pop(&list, &r));
}

/* A compromised engine sends `up` without end. */
static void bounded(void **state)
{
    (void)state;
    struct hook_list list = {0};
    struct hook_request r = request(1);
    for (uint32_t i = 0; i < HOOK_UP_MAX; i++)
        if (!hook_list_add(&list, &r))
            fail_msg("%u", i);
    assert_false(hook_list_add(&list, &r));
    assert_true(hook_list_take(&list, &r));
    assert_true(hook_list_add(&list, &r));
    empty(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(other_down), cmocka_unit_test(newest_first),
                                       cmocka_unit_test(bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
