/* SPDX-License-Identifier: Apache-2.0 */
#include "multipath/test_world.h"

#define SECONDS(n) ((nanos)(n)*NANOS_PER_SEC)

static struct world *up(void)
{
    struct world *world = world_new(2, 1);
    world->conn->children[0].inactivity_ns = SECONDS(10);
    world_start(world);
    world_connect(world, true);
    world->flow = true;
    world_until(world, world_all_up, SECONDS(5));
    return world;
}

/* One VPN carries the flow, the other one is idle: the child is in use. */
static void test_in_use(void **state)
{
    (void)state;
    struct world *world = up();
    world_run(world, SECONDS(60));
    assert_true(world_all_up(world));
    assert_int_equal(world->creates, 1); /* the first one came with the login */
    world_free(world);
}

/* Without packets both Child SAs end, once and for good. Their IKE SAs stay, and get new Child SAs. */
static void test_idle(void **state)
{
    (void)state;
    struct world *world = up();
    world_run(world, SECONDS(20));
    world->flow = false;
    world_run(world, SECONDS(9));
    assert_true(world_all_up(world));
    world_run(world, SECONDS(2));
    assert_int_equal(world_carrier_link(world), -1);
    world_run(world, SECONDS(60));
    assert_int_equal(world_carrier_link(world), -1);
    assert_int_equal(world_established(world), 2);
    assert_int_equal(world->creates, 1);
    world_connect(world, true);
    world_until(world, world_all_up, SECONDS(5));
    assert_int_equal(world->creates, 3);
    assert_int_equal(world->logins, 1);
    world_run(world, SECONDS(9));
    assert_true(world_all_up(world));
    world_run(world, SECONDS(2));
    assert_int_equal(world_carrier_link(world), -1);
    world_free(world);
}

/* A rekey does not count as use. */
static void test_rekeyed(void **state)
{
    (void)state;
    struct world *world = up();
    world->flow = false;
    world_run(world, SECONDS(8));
    world_child_rekey(world);
    world_run(world, SECONDS(1));
    assert_int_not_equal(world_carrier_link(world), -1);
    world_run(world, SECONDS(2));
    assert_int_equal(world_carrier_link(world), -1);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_use),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_rekeyed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
