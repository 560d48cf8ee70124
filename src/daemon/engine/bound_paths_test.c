/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine/bound_paths.h"

#include <stdlib.h>

#include "base/unit_test.h"

static struct bound_paths paths;
static struct ike_datagram datagram;

static int setup(void **state)
{
    (void)state;
    paths = (struct bound_paths){0};
    datagram = (struct ike_datagram){.path = {.interface = 2, .local.port = 500}};
    assert_true(address_parse("fd02::2", &datagram.path.local.address));
    return 0;
}

/* Datagrams leave in the order of arrival. One without room is lost, and none overtakes another. */
static void test_wait(void **state)
{
    (void)state;
    assert_true(bound_path_add(&paths, &datagram.path, 7));
    for (size_t i = 0; i < BOUND_WAITING + 2; i++) {
        datagram.len = i + 1;
        assert_true(bound_path_delay(&paths, &datagram));
    }
    struct bound_path *path = bound_path_by_id(&paths, 7);
    path->there = true;
    assert_false(bound_path_delay(&paths, &datagram));
    for (size_t i = 0; i < BOUND_WAITING; i++) {
        struct ike_datagram *oldest = bound_path_waiting(path);
        assert_non_null(oldest);
        assert_int_equal(oldest->len, i + 1);
        free(oldest);
    }
    assert_null(bound_path_waiting(path));
}

/* The sockets of one path do not concern another path. */
static void test_others_are_sent(void **state)
{
    (void)state;
    assert_false(bound_path_delay(&paths, &datagram));
    assert_true(bound_path_add(&paths, &datagram.path, 7));
    struct ike_datagram other = datagram;
    other.path.local.port = 4500;
    assert_false(bound_path_delay(&paths, &other));
    other = datagram;
    other.path.interface = 3;
    assert_false(bound_path_delay(&paths, &other));
    other = datagram;
    assert_true(address_parse("fd02::3", &other.path.local.address));
    assert_false(bound_path_delay(&paths, &other));
    /* Linux follows the interface that an IPv4 send names */
    assert_true(address_parse("10.2.0.2", &other.path.local.address));
    assert_true(bound_path_add(&paths, &other.path, 8));
    assert_false(bound_path_delay(&paths, &other));
}

/* The supervisor refuses, or the address goes before it answers. */
static void test_forget(void **state)
{
    (void)state;
    assert_true(bound_path_add(&paths, &datagram.path, 7));
    assert_true(bound_path_delay(&paths, &datagram));
    bound_path_forget(bound_path_by_id(&paths, 7));
    assert_null(bound_path_by_id(&paths, 7));
    assert_null(bound_path_find(&paths, &datagram.path));
    assert_false(bound_path_delay(&paths, &datagram));
    assert_true(bound_path_add(&paths, &datagram.path, 8));
    assert_null(bound_path_waiting(bound_path_by_id(&paths, 8)));
}

static void test_full(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= BOUND_PATHS; i++) {
        datagram.path.interface = i;
        assert_true(bound_path_add(&paths, &datagram.path, i));
        assert_false(bound_path_add(&paths, &datagram.path, i + 1000));
    }
    datagram.path.interface = BOUND_PATHS + 1;
    assert_false(bound_path_add(&paths, &datagram.path, BOUND_PATHS + 1));
    assert_false(bound_path_delay(&paths, &datagram));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_wait, setup),
        cmocka_unit_test_setup(test_others_are_sent, setup),
        cmocka_unit_test_setup(test_forget, setup),
        cmocka_unit_test_setup(test_full, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
