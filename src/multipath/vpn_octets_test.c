/* SPDX-License-Identifier: Apache-2.0 */
/* A session goes over to another path manager, with its paths as they are. */
#include <stdio.h>

#include "multipath/test_world.h"

#define SECONDS(n) ((nanos)(n)*NANOS_PER_SEC)

static uint8_t room[PATH_EXPORT];

static struct span exported(struct world *world)
{
    struct writer w = writer_of(room, sizeof(room));
    assert_int_equal(path_manager_export(world->pm, world->session, &w, world->now), 0);
    return span_of(room, w.len);
}

static struct path_manager *other_manager(struct world *world)
{
    struct path_manager *old = world->pm;
    world_start(world);
    struct path_manager *other = world->pm;
    world->pm = old;
    return other;
}

/* goes_over - the session leaves the path manager of the world and comes into a new one. */
static void goes_over(struct world *world)
{
    struct span octets = exported(world);
    struct path_manager *other = other_manager(world);
    assert_int_equal(path_manager_import(other, octets, world->now), 0);
    path_manager_check_invariants(other);
    path_manager_free(world->pm);
    world->pm = other;
    world_run(world, WORLD_STEP); /* the data plane gets its orders */
}

static void same_path(const struct path_status *a, const struct path_status *b)
{
    assert_string_equal(a->path, b->path);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->sa, b->sa);
    assert_int_equal(a->child, b->child);
    assert_int_equal(a->parked, b->parked);
    assert_int_equal(a->usable, b->usable);
    assert_int_equal(a->priority, b->priority);
    assert_int_equal(a->losses, b->losses);
    assert_int_equal(a->rtt_ns, b->rtt_ns);
    assert_int_equal(a->since_ns, b->since_ns);
}

/* Nothing is logged in, cloned, moved or created; traffic stays where it is. */
static void test_paths_stay(void **state)
{
    (void)state;
    struct world *world = world_up(2, 3);
    struct path_status before[2] = {world_path(world, "p0"), world_path(world, "p1")};
    unsigned ups = world->ups;
    int carrier = world_carrier_link(world);
    goes_over(world);
    world->connects = world->clones = world->moves = world->creates = 0;
    struct path_status after[2] = {world_path(world, "p0"), world_path(world, "p1")};
    same_path(&before[0], &after[0]);
    same_path(&before[1], &after[1]);
    world_run(world, SECONDS(60));
    assert_int_equal(world->connects + world->clones + world->moves + world->creates, 0);
    assert_int_equal(world->ups, ups); /* no path came up: none was down */
    assert_int_equal(world_carrier_link(world), carrier);
    world_free(world);
}

/* The IKE SA of a dead path is parked on the other one. It goes home when its path answers again. */
static bool parked(const struct world *world)
{
    return world_path(world, "p0").parked;
}

static void test_parked(void **state)
{
    (void)state;
    struct world *world = world_up(2, 4);
    world->links[0].hole = true;
    world_until(world, parked, SECONDS(20));
    world_run(world, SECONDS(5));
    struct path_status before = world_path(world, "p0");
    goes_over(world);
    struct path_status after = world_path(world, "p0");
    same_path(&before, &after);
    world->connects = world->clones = 0;
    world->links[0].hole = false;
    world_until(world, world_all_up, SECONDS(60));
    assert_int_equal(world->connects + world->clones, 0);
    world_free(world);
}

/* A path that has just failed carries nothing afterwards, either. */
static bool dead(const struct world *world)
{
    return world_path(world, "p0").state == PATH_DEAD;
}

static void test_dead_stays_dead(void **state)
{
    (void)state;
    struct world *world = world_up(2, 5);
    world->links[0].hole = true;
    world_until(world, dead, SECONDS(20));
    assert_int_equal(world_path(world, "p0").usable, false);
    goes_over(world);
    assert_int_equal(world_path(world, "p0").usable, false);
    world_until(world, parked, SECONDS(5));
    world_free(world);
}

/* The wish goes over: a session that ends is followed by a login to the same Gateway. */
static void test_wish(void **state)
{
    (void)state;
    struct world *world = world_up(2, 6);
    goes_over(world);
    for (unsigned i = 0; i < 2; i++)
        world_sa_kill(world, i, IKE_PEER_DELETED);
    world_until(world, world_all_up, SECONDS(30));
    assert_int_equal(world->logins, 2);
    world_free(world);
}

/* A login that was not answered yet, or is to take the place of the session: the session cannot leave now. */
static void test_not_now(void **state)
{
    (void)state;
    struct world *world = world_up(2, 7);
    struct writer w = writer_of(room, sizeof(room));
    assert_int_equal(path_manager_export(world->pm, 12345, &w, world->now), ERR_NOT_FOUND);
    struct writer small = writer_of(room, 100);
    assert_int_equal(path_manager_export(world->pm, world->session, &small, world->now),
                     ERR_TRUNCATED);
    struct ike_event reauth = {.kind = IKE_EV_REAUTH, .session = world->session};
    path_manager_event(world->pm, &reauth, world->now);
    assert_int_equal(path_manager_export(world->pm, world->session, &w, world->now), ERR_AGAIN);
    path_manager_session_release(world->pm, world->session);
    assert_int_equal(path_manager_export(world->pm, world->session, &w, world->now),
                     ERR_WRONG_STATE);
    world_free(world);
}

/* The importer has the session already, or a wish for its connection; or its IKE core has no such session. */
static void test_not_there(void **state)
{
    (void)state;
    struct world *world = world_up(2, 8);
    struct span octets = exported(world);
    assert_int_equal(path_manager_import(world->pm, octets, world->now), ERR_WRONG_STATE);
    struct path_manager *other = other_manager(world);
    struct path_connect wish = {.conn = world->conn, .keep = true};
    assert_int_equal(path_manager_connect(other, &wish, world->now), 0);
    assert_int_equal(path_manager_import(other, octets, world->now), ERR_WRONG_STATE);
    path_manager_free(other);
    other = other_manager(world);
    world->session++;
    octets = span_of(room, octets.len);
    room[9]++; /* the number of the session, behind version, tag and length */
    assert_int_equal(path_manager_import(other, octets, world->now), ERR_NOT_FOUND);
    world->session--;
    path_manager_free(other);
    world_free(world);
}

/* The importer's configuration names its paths otherwise: they are new paths, which the IKE SAs serve. */
static void test_other_sections(void **state)
{
    (void)state;
    struct world *world = world_up(2, 10);
    struct span octets = exported(world);
    struct path_manager *other = other_manager(world);
    (void)snprintf(world->conn->paths[0].name, sizeof(world->conn->paths[0].name), "first");
    assert_int_equal(path_manager_import(other, octets, world->now), 0);
    path_manager_check_invariants(other);
    path_manager_free(world->pm);
    world->pm = other;
    world->connects = world->clones = 0;
    world_until(world, world_all_up, SECONDS(10));
    assert_int_equal(world_path(world, "first").state, PATH_UP);
    assert_int_equal(world->connects + world->clones, 0);
    world_free(world);
}

/* Octets that are cut or changed: refused, or a session as it could be; and never anything else. */
static void test_hostile(void **state)
{
    (void)state;
    struct world *world = world_up(2, 9);
    struct span octets = exported(world);
    struct path_manager *other = other_manager(world);
    struct path_status status;
    for (size_t len = 0; len < octets.len; len++)
        assert_int_equal(path_manager_import(other, span_of(room, len), world->now), ERR_INVALID);
    assert_false(path_manager_status(other, 0, &status));
    path_manager_free(other);
    for (size_t i = 0; i < octets.len; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            room[i] ^= (uint8_t)(1u << bit);
            other = other_manager(world);
            int error = path_manager_import(other, octets, world->now);
            assert_int_equal(path_manager_status(other, 0, &status), error == 0);
            path_manager_check_invariants(other);
            path_manager_tick(other, world->now + SECONDS(1));
            path_manager_check_invariants(other);
            path_manager_free(other);
            room[i] ^= (uint8_t)(1u << bit);
        }
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_stay),      cmocka_unit_test(test_parked),
        cmocka_unit_test(test_dead_stays_dead), cmocka_unit_test(test_wish),
        cmocka_unit_test(test_not_now),         cmocka_unit_test(test_not_there),
        cmocka_unit_test(test_other_sections),  cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
