/* SPDX-License-Identifier: Apache-2.0 */
/* Which classes of traffic may take which Child SA, as the data plane is told. */
#include <stdio.h>

#include "multipath/test_world.h"

#define SECONDS(n) ((nanos)(n)*NANOS_PER_SEC)

static void class_add(struct ike_conn *conn, const char *path, uint32_t priority)
{
    struct ike_class_paths *class = &conn->class_paths[conn->n_classes];
    *class = (struct ike_class_paths){0};
    conn->classes[conn->n_classes++] = (struct traffic_class){.strict = true};
    class->first_priority = priority;
    class->last_priority = priority == 0 ? UINT32_MAX : priority;
    if (path != NULL)
        (void)snprintf(class->paths[class->n_paths++], LIMIT_NAME, "%s", path);
}

/* carries - the classes that may take the link, as last ordered for its Child SA. */
static int carries(const struct world *world, unsigned link)
{
    for (unsigned i = 0; i < WORLD_SAS; i++) {
        const struct world_sa *sa = &world->sas[i];
        if (sa->id != 0 && sa->child != 0 && sa->path.interface == link + 1)
            return sa->child_carries;
    }
    return -1;
}

static struct world *with_classes(void)
{
    struct world *world = world_new(2, 1);
    class_add(world->conn, "eth1", 0);
    class_add(world->conn, world->conn->paths[0].name, 0);
    class_add(world->conn, NULL, world->conn->paths[1].priority);
    class_add(world->conn, NULL, 0);
    class_add(world->conn, "eth9", 0);
    world_start(world);
    world_connect(world, true);
    world_until(world, world_all_up, SECONDS(5));
    return world;
}

static void test_by_name_and_priority(void **state)
{
    (void)state;
    struct world *world = with_classes();
    assert_int_not_equal(world->conn->paths[0].priority, world->conn->paths[1].priority);
    assert_int_equal(world->classes_told, 1);
    assert_int_equal(carries(world, 0), 2 | 8);
    assert_int_equal(carries(world, 1), 1 | 4 | 8);
    world_free(world);
}

/* An IKE SA that is parked elsewhere carries the classes of the path where it is. */
static void test_parked(void **state)
{
    (void)state;
    struct world *world = with_classes();
    world_link_set(world, 1, false);
    world_run(world, SECONDS(10));
    for (unsigned i = 0; i < WORLD_SAS; i++)
        if (world->sas[i].id != 0 && world->sas[i].child != 0)
            assert_int_equal(world->sas[i].child_carries, 2 | 8);
    world_link_set(world, 1, true);
    world_until(world, world_all_up, SECONDS(30));
    world_run(world, SECONDS(10));
    assert_int_equal(carries(world, 1), 1 | 4 | 8);
    assert_int_equal(world->logins, 1);
    world_free(world);
}

/* A reload changes the classes of a session that is up, without a login. It can also remove them. */
static void test_reload(void **state)
{
    (void)state;
    struct world *world = with_classes();
    struct ike_conn *next = ike_conn_new();
    assert_non_null(next);
    ike_conn_set(next, world->conn);
    next->n_classes = 0;
    class_add(next, "eth0", 0);
    path_manager_conn_loaded(world->pm, next, world->now);
    world_run(world, SECONDS(1));
    assert_int_equal(world->classes_told, 2);
    assert_int_equal(carries(world, 0), 1);
    assert_int_equal(carries(world, 1), 0);
    struct ike_conn *none = ike_conn_new();
    assert_non_null(none);
    ike_conn_set(none, world->conn);
    none->n_classes = 0;
    path_manager_conn_loaded(world->pm, none, world->now);
    world_run(world, SECONDS(1));
    assert_int_equal(world->classes_told, 3);
    assert_int_equal(carries(world, 0), 0);
    path_manager_conn_loaded(world->pm, world->conn, world->now);
    world_run(world, SECONDS(1));
    assert_int_equal(carries(world, 0), 2 | 8);
    assert_int_equal(world->logins, 1);
    ike_conn_unref(next);
    ike_conn_unref(none);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_name_and_priority),
        cmocka_unit_test(test_parked),
        cmocka_unit_test(test_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
