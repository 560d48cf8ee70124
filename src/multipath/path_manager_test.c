/* SPDX-License-Identifier: Apache-2.0 */
#include "multipath/test_world.h"

#define SECONDS(n) ((nanos)(n)*NANOS_PER_SEC)
#define MS(n)      ((nanos)(n)*NANOS_PER_MS)

static bool connected(const struct world *world)
{
    return world->connected > 0;
}

static bool failed(const struct world *world)
{
    return world->failed > 0;
}

/* One login, then clones until each path has its VPN. */
static void test_each_path_gets_its_vpn(void **state)
{
    (void)state;
    struct world *world = world_up(3, 1);
    assert_int_equal(world->clones, 2);
    assert_int_equal(world->moves, 2);
    assert_int_equal(world->creates, 2);
    assert_int_equal(world->connected, 1);
    assert_int_equal(world_carrier_link(world), 0);
    assert_int_equal(world_established(world), 3);
    struct path_status status; /* in any order */
    for (size_t i = 6; i-- > 0;) {
        assert_true(path_manager_status(world->pm, i * 2 % 3, &status));
        assert_int_equal(status.path[1] - '0', i * 2 % 3);
    }
    assert_false(path_manager_status(world->pm, 3, &status));
    assert_true(path_manager_status(world->pm, 2, &status));
    world_free(world);
}

/* The Child SA of each path is created for the packet that asked for the session. The packet is
 * forgotten with the session. */
static void test_packet_that_asked(void **state)
{
    (void)state;
    struct world *world = world_new(3, 1);
    struct path_connect wish = {.conn = world->conn, .tag = 7, .keep = true};
    assert_true(address_parse("10.9.0.1", &wish.packet.src));
    assert_true(address_parse("10.1.0.5", &wish.packet.dst));
    world_start(world);
    assert_int_equal(path_manager_connect(world->pm, &wish, world->now), 0);
    world_until(world, world_all_up, SECONDS(5));
    assert_int_equal(world->for_packets, world->connects + 2);
    for (unsigned link = 0; link < 3; link++)
        world_sa_kill(world, link, IKE_PEER_DELETED);
    unsigned before = world->for_packets;
    world_until(world, world_all_up, SECONDS(60));
    assert_int_equal(world->logins, 2);
    assert_int_equal(world->for_packets, before);
    world_free(world);
}

static void test_create_then_move(void **state)
{
    (void)state;
    struct world *world = world_new(2, 2);
    world->conn->create_then_move = true;
    world_start(world);
    world_connect(world, true);
    world_until(world, world_all_up, SECONDS(5));
    assert_int_equal(world->moves, 1);
    assert_int_equal(world->creates, 1);
    world_free(world);
}

/* A first path that is dead at the start costs a quarter of a second, not the login. */
static void test_dead_first_path_does_not_block(void **state)
{
    (void)state;
    struct world *world = world_new(3, 3);
    world->links[0].hole = true;
    world_start(world);
    world_connect(world, true);
    world_until(world, connected, SECONDS(1));
    assert_int_equal(world->logins, 1);
    world_run(world, SECONDS(20));
    assert_int_equal(world->logins, 1);
    assert_int_equal(world_path(world, "p1").state, PATH_UP);
    assert_int_equal(world_path(world, "p2").state, PATH_UP);
    assert_int_not_equal(world_path(world, "p0").state, PATH_UP);
    world->links[0].hole = false;
    world_until(world, world_all_up, SECONDS(70));
    assert_int_equal(world->logins, 1);
    world_free(world);
}

/* Both answer at about the same time: one login all the same. */
static void test_race_has_one_winner(void **state)
{
    (void)state;
    for (unsigned rtt = 200; rtt < 320; rtt += 5) {
        struct world *world = world_new(2, rtt);
        world->links[0].rtt = MS(rtt + 5);
        world->links[1].rtt = MS(rtt - 190);
        world_start(world);
        world_connect(world, true);
        world_until(world, connected, SECONDS(5));
        world_run(world, SECONDS(5));
        assert_int_equal(world->logins, 1);
        world_free(world);
    }
}

/* A link goes down: the flow takes another path at once. */
static void test_link_down(void **state)
{
    (void)state;
    struct world *world = world_up(2, 4);
    world->worst_gap = 0;
    world_link_set(world, 0, false);
    world_run(world, SECONDS(3));
    assert_true(world->worst_gap <= MS(50));
    assert_int_equal(world_carrier_link(world), 1);
    assert_int_equal(world_path(world, "p0").state, PATH_DOWN);
    assert_true(world_path(world, "p0").parked);  /* its IKE SA waits on the other link ... */
    assert_false(world_path(world, "p0").usable); /* ... and carries nothing there */
    /* it is back for less than stable_for: not used */
    world_link_set(world, 0, true);
    world_run(world, MS(4900));
    assert_int_equal(world_carrier_link(world), 1);
    world_run(world, SECONDS(3));
    assert_int_equal(world_carrier_link(world), 0);
    assert_true(world_all_up(world));
    assert_int_equal(world->logins, 1);
    assert_int_equal(world->clones, 1); /* nothing was lost, so nothing was cloned */
    assert_true(world->worst_gap <= MS(50));
    world_free(world);
}

/* An IKE SA that ended is cloned again, from any other one. */
static void test_lost_sa_is_cloned_anew(void **state)
{
    (void)state;
    struct world *world = world_up(3, 7);
    for (unsigned link = 0; link < 3; link++) {
        world_sa_kill(world, link, IKE_PEER_DELETED);
        assert_false(world_all_up(world));
        world_until(world, world_all_up, SECONDS(20));
    }
    assert_int_equal(world->clones, 2 + 3);
    assert_int_equal(world->logins, 1);
    world_free(world);
}

static bool cloning(const struct world *world)
{
    return world->clones > 0;
}

static bool second_up(const struct world *world)
{
    return world_path(world, "p1").state == PATH_UP;
}

/* The link goes while the IKE SA on it is being cloned. The clone begins on the dead link and serves
 * the other path. The connection allows no further IKE SA. */
static void test_clone_of_a_dead_link(void **state)
{
    (void)state;
    for (unsigned ms = 5; ms < 60; ms += 5) {
        struct world *world = world_new(2, 30 + ms);
        world->conn->max_ike_sas = 2;
        world_start(world);
        world_connect(world, true);
        world_until(world, cloning, SECONDS(5));
        world_run(world, MS(ms));
        world_link_set(world, 0, false);
        world_until(world, second_up, SECONDS(5));
        assert_int_equal(world->logins, 1);
        world_free(world);
    }
}

/* An IKE SA timed out: its path must answer for a while before it is used. */
static void test_timed_out_path_proves_itself(void **state)
{
    (void)state;
    struct world *world = world_up(2, 16);
    world_sa_kill(world, 0, IKE_TIMEOUT);
    world_run(world, SECONDS(5));
    assert_int_equal(world->clones, 2);
    assert_int_equal(world_carrier_link(world), 1);
    world_until(world, world_all_up, SECONDS(20));
    assert_int_equal(world_carrier_link(world), 0);
    assert_int_equal(world->logins, 1);
    world_free(world);
}

/* A route goes, and its link stays. */
static void test_route_lost(void **state)
{
    (void)state;
    struct world *world = world_up(2, 17);
    world->worst_gap = 0;
    world->links[0].no_route = world->links[0].hole = true;
    world_link_set(world, 0, true);
    world_run(world, SECONDS(3));
    assert_true(world->worst_gap <= MS(50));
    assert_int_equal(world_path(world, "p0").state, PATH_DOWN);
    world->links[0].no_route = world->links[0].hole = false;
    world_link_set(world, 0, true);
    world_until(world, world_all_up, SECONDS(20));
    world_free(world);
}

/* Nothing answers on any path: the session is given up after five minutes, as one that timed out. */
static void test_total_loss(void **state)
{
    (void)state;
    struct world *world = world_up(2, 19);
    world->links[0].hole = world->links[1].hole = true;
    world_run(world, SECONDS(290));
    assert_int_equal(world->deletes, 0);
    world_run(world, SECONDS(20));
    assert_int_equal(world_established(world), 0);
    assert_int_equal(world->deletes, 1);
    assert_int_equal(world->timeouts, 1);
    world_free(world);
}

/* A path that never works is tried again with growing pauses only. */
static void test_back_off(void **state)
{
    (void)state;
    struct world *world = world_new(2, 18);
    world->links[1].hole = true;
    world_start(world);
    world_connect(world, true);
    world_run(world, SECONDS(300));
    assert_in_range(world->moves, 4, 14);
    assert_int_equal(world->clones, 1);
    assert_int_equal(world_path(world, "p1").state, PATH_BACKOFF);
    world_free(world);
}

static void test_no_additional_sas_is_final(void **state)
{
    (void)state;
    struct world *world = world_new(3, 8);
    world->peer_max_sas = 2;
    world_start(world);
    world_connect(world, true);
    world_run(world, SECONDS(120));
    assert_true(world->clones <= 3); /* one that succeeded, one or two that were refused */
    unsigned before = world->clones;
    world_sa_kill(world, 1, IKE_PEER_DELETED);
    world_run(world, SECONDS(30));
    assert_true(world->clones > before);
    assert_true(world->clones <= before + 3);
    assert_int_equal(world->logins, 1);
    world_free(world);
}

/* A peer without clones: one IKE SA, moved by MOBIKE, and back. */
static void test_mobility(void **state)
{
    (void)state;
    struct world *world = world_new(2, 9);
    world->peer_clones = false;
    world_start(world);
    world_connect(world, true);
    world_until(world, connected, SECONDS(5));
    world->flow = true;
    world_run(world, SECONDS(10));
    assert_int_equal(world_carrier_link(world), 0);
    world_link_set(world, 0, false);
    world_run(world, SECONDS(1));
    assert_int_equal(world_carrier_link(world), 1);
    world_link_set(world, 0, true);
    world_run(world, SECONDS(4));
    assert_int_equal(world_carrier_link(world), 1);
    world_run(world, SECONDS(12));
    assert_int_equal(world_carrier_link(world), 0);
    assert_int_equal(world->logins, 1);
    assert_int_equal(world->clones, 0);
    assert_int_equal(world->moves, 2);
    world_free(world);
}

static void test_mobility_out_of_a_black_hole(void **state)
{
    (void)state;
    struct world *world = world_new(2, 10);
    world->conn->clone = IKE_CLONE_OFF;
    world_start(world);
    world_connect(world, true);
    world_until(world, connected, SECONDS(5));
    world->flow = true;
    world_run(world, SECONDS(10));
    world->links[0].hole = true;
    world_run(world, SECONDS(3));
    assert_int_equal(world_carrier_link(world), 1);
    assert_true(world->worst_gap <= SECONDS(2));
    world->links[0].hole = false;
    world_run(world, SECONDS(20));
    assert_int_equal(world_carrier_link(world), 0);
    assert_int_equal(world->logins, 1);
    world_free(world);
}

/* a link that flaps makes few moves and no logins. */
static void test_flapping(void **state)
{
    (void)state;
    struct world *world = world_up(2, 11);
    world->moves = world->clones = world->worst_second = 0;
    for (unsigned i = 0; i < 100; i++) {
        world_link_set(world, 0, i % 2 != 0);
        world_run(world, MS(100));
    }
    assert_true(world->moves <= 12);
    assert_int_equal(world->clones, 0);
    assert_true(world->worst_second <= 30);
    world_link_set(world, 0, true);
    world_until(world, world_all_up, SECONDS(20));
    assert_int_equal(world->logins, 1);
    world_free(world);
}

/* the only address goes and comes back: no new authentication. */
static void test_total_loss_and_return(void **state)
{
    (void)state;
    struct world *world = world_up(2, 12);
    world_link_set(world, 0, false);
    world_link_set(world, 1, false);
    world_run(world, SECONDS(60));
    assert_int_equal(world_established(world), 2);
    world_link_set(world, 1, true);
    world_run(world, SECONDS(2));
    assert_int_equal(world_carrier_link(world), 1);
    world_link_set(world, 0, true);
    world_until(world, world_all_up, SECONDS(20));
    assert_int_equal(world->logins, 1);
    world_free(world);
}

/* Links are there, but nobody answers: a new login once the patience is over, with back-off. */
static void test_peer_gone(void **state)
{
    (void)state;
    struct world *world = world_new(2, 13);
    world->conn->keyingtries = 0;
    world_start(world);
    world_connect(world, true);
    world_until(world, world_all_up, SECONDS(5));
    world->peer_up = false;
    world->connects = 0;
    world_run(world, SECONDS(600));
    assert_int_equal(world_established(world), 0);
    assert_in_range(world->connects, 60, 120);
    world->connects = 0;
    world_run(world, SECONDS(600));
    assert_in_range(world->connects, 2, 40); /* that is once in half a minute over each link */
    world->peer_up = true;
    world_until(world, world_all_up, SECONDS(200));
    assert_int_equal(world->logins, 2);
    world_free(world);
}

static struct world *up_kept(unsigned n_links, uint64_t seed)
{
    struct world *world = world_new(n_links, seed);
    world->conn->keyingtries = 0;
    world->flow = true;
    world_start(world);
    world_connect(world, true);
    world_until(world, world_all_up, SECONDS(5));
    return world;
}

/* The Gateway restarts without state: one login beside the old session, soon. */
static void test_gateway_restarted(void **state)
{
    (void)state;
    static const int away[] = {0, 1, 5, 33, 120};
    for (unsigned i = 0; i < ARRAY_LEN(away); i++) {
        struct world *world = up_kept(2, 40 + i);
        world->peer_up = false;
        world_run(world, SECONDS(away[i]));
        assert_int_equal(world->logins, 1);
        world->peer_started = world->now;
        world->peer_up = true;
        world_run(world, SECONDS(away[i] < 2 ? 7 : 5));
        assert_int_equal(world->logins, 2);
        world_until(world, world_all_up, SECONDS(3));
        world_run(world, SECONDS(10));
        assert_int_equal(world_established(world), 2); /* the old session is gone */
        assert_int_equal(world->logins, 2);
        assert_true(world->now - world->flow_ok <= 2 * WORLD_STEP);
        world_free(world);
    }
}

/* All links are black holes for a minute or two, and the Gateway keeps its state: the old session
 * goes on, over the first link that returns. */
static void test_black_hole_of_all_paths(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        struct world *world = up_kept(2, 60 + i);
        ike_session_id session = world->session;
        world->links[0].hole = world->links[1].hole = true;
        world_run(world, SECONDS(60) + MS(137 * i));
        assert_in_range(world->connects, 10, 60); /* it knocked, gently */
        world->links[i % 2].hole = false;
        world_run(world, SECONDS(5));
        assert_true(world->now - world->flow_ok <= 2 * WORLD_STEP);
        world->links[0].hole = world->links[1].hole = false;
        world_until(world, world_all_up, SECONDS(20));
        assert_int_equal(world->logins, 1);
        assert_int_equal(world->session, session);
        assert_int_equal(world_established(world), 2);
        unsigned connects = world->connects;
        world_run(world, SECONDS(30));
        assert_int_equal(world->connects, connects);
        world_free(world);
    }
}

/* An attacker lets only logins pass: sessions that do not last are replaced at growing intervals. */
static void test_no_storm_of_logins(void **state)
{
    (void)state;
    struct world *world = up_kept(2, 90);
    for (unsigned i = 0; i < 600; i++) {
        world->peer_started = world->now; /* forgets all the time */
        world_run(world, SECONDS(1));
    }
    assert_in_range(world->logins, 5, 25);
    assert_true(world_established(world) <= 4);
    world_until(world, world_all_up, SECONDS(100));
    world_run(world, SECONDS(70));
    assert_int_equal(world_established(world), 2);
    world_free(world);
}

/* The user disconnects while a login beside the session knocks. */
static void test_disconnect_while_knocking(void **state)
{
    (void)state;
    struct world *world = up_kept(2, 91);
    world->peer_up = false;
    world_run(world, SECONDS(10));
    path_manager_disconnect(world->pm, "home", world->now);
    world->connects = 0;
    world_run(world, SECONDS(10));
    assert_int_equal(world->connects, 0);
    struct path_status status;
    unsigned n = 0;
    while (path_manager_status(world->pm, n, &status))
        n++;
    assert_int_equal(n, 2);
    world_run(world, SECONDS(200));
    assert_int_equal(world_established(world), 0);
    assert_false(path_manager_status(world->pm, 0, &status));
    world_free(world);
}

/* A reload during the login: the new configuration counts. */
static void test_conn_replaced(void **state)
{
    (void)state;
    struct world *world = world_new(2, 21);
    world->peer_up = false;
    world_start(world);
    world_connect(world, true);
    world_run(world, SECONDS(1));
    struct ike_conn *fresh = ike_conn_new();
    assert_non_null(fresh);
    ike_conn_set(fresh, world->conn);
    fresh->n_paths = 1;
    ike_conn_unref(world->conn); /* as the core does when the name is loaded again */
    world->conn = fresh;
    world->peer_up = true;
    world_connect(world, true);
    world_until(world, world_all_up, SECONDS(5));
    assert_int_equal(world->logins, 1);
    assert_int_equal(world_established(world), 1);
    world_free(world);
}

/* A session that a user ended stays ended, even with `keep`. */
static void test_released(void **state)
{
    (void)state;
    struct world *world = world_up(2, 19);
    path_manager_session_release(world->pm, world->session);
    world_sa_kill(world, 0, IKE_CANCELLED);
    world_sa_kill(world, 1, IKE_CANCELLED);
    world_run(world, SECONDS(60));
    assert_int_equal(world->logins, 1);
    assert_int_equal(world->clones, 1);
    assert_int_equal(world->connects, 1);
    world_free(world);
}

/* A user ends one child of a session: it is not created again on any path. */
static void test_child_released(void **state)
{
    (void)state;
    struct world *world = world_up(2, 20);
    path_manager_child_release(world->pm, world->session, "net");
    world_child_kill(world);
    world_run(world, SECONDS(60));
    assert_int_equal(world->creates, 1);
    assert_int_equal(world_established(world), 2);
    world_connect(world, true); /* wanted again */
    world_until(world, world_all_up, SECONDS(5));
    assert_int_equal(world->connected, 2);
    assert_int_equal(world->logins, 1);
    world_free(world);
}

static void test_no_path_at_all(void **state)
{
    (void)state;
    struct world *world = world_new(2, 14);
    world->links[0].up = world->links[1].up = false;
    world_start(world);
    world_connect(world, false);
    world_until(world, failed, SECONDS(1));
    assert_int_equal(world->outcome, IKE_NO_PATH);
    assert_int_equal(world->connects, 0);
    world_connect(world, true); /* with `keep`, the wish waits for a link */
    world_run(world, SECONDS(30));
    world_link_set(world, 1, true);
    world_until(world, connected, SECONDS(1));
    world_free(world);
}

static void test_disconnect_cancels(void **state)
{
    (void)state;
    struct world *world = world_new(2, 15);
    world->peer_up = false;
    world_start(world);
    world_connect(world, true);
    world_run(world, SECONDS(1));
    path_manager_disconnect(world->pm, "home", world->now);
    world->peer_up = true;
    world_run(world, SECONDS(30));
    assert_int_equal(world->logins, 0);
    struct path_status status;
    assert_false(path_manager_status(world->pm, 0, &status));
    world_free(world);
}

/* mesh: two links and two addresses of the peer. */
static void test_mesh(void **state)
{
    (void)state;
    static const struct {
        enum ike_mesh mesh;
        unsigned links, remotes, paths;
    } table[] = {
        {IKE_MESH_PAIRS, 2, 2, 2}, {IKE_MESH_PAIRS, 1, 2, 2}, {IKE_MESH_PAIRS, 2, 1, 2},
        {IKE_MESH_FULL, 2, 2, 4},  {IKE_MESH_FIRST, 2, 2, 2}, {IKE_MESH_FIRST, 1, 3, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct world *world = world_new(table[i].links, i);
        world->conn->mesh = table[i].mesh;
        world->n_remotes = table[i].remotes;
        world->conn->n_paths = 1;
        strcpy(world->conn->paths[0].interface, "auto");
        world_start(world);
        world_connect(world, true);
        world_until(world, world_all_up, SECONDS(10));
        world_run(world, SECONDS(5));
        assert_true(world_all_up(world));
        assert_int_equal(world_established(world), table[i].paths);
        world_free(world);
    }
}

static bool reachable_all_up(const struct world *world)
{
    struct path_status status;
    for (size_t i = 0; path_manager_status(world->pm, i, &status); i++) {
        unsigned link = (unsigned)(status.path[1] - '0');
        if (world->links[link].up && !world->links[link].hole &&
            (status.state != PATH_UP || status.child == 0))
            return false;
    }
    return true;
}

/* Without other rules the route of the kernel counts: the narrowest network first. */
static void test_narrow_route_first(void **state)
{
    (void)state;
    for (unsigned near = 0; near < 3; near++) {
        struct world *world = world_new(3, near);
        world->conn->n_paths = 0;
        world->links[near].near = true;
        world_start(world);
        world_connect(world, true);
        world_until(world, connected, SECONDS(5));
        world_run(world, SECONDS(10));
        assert_int_equal(world_carrier_link(world), near);
        assert_int_equal(world->moves, 0);
        world_free(world);
    }
}

/* local_addrs without path sections: the login uses these addresses, and a session that can move
 * returns to them. While they are missing, any other address will do. */
static void test_local_addrs(void **state)
{
    (void)state;
    struct world *world = world_new(2, 11);
    world->conn->n_paths = 0;
    world->conn->n_local_addrs = 1;
    assert_true(range_parse("10.0.1.2", &world->conn->local_addrs[0].range));
    world_start(world);
    world_link_set(world, 1, false);
    world_connect(world, true);
    world->flow = true;
    world_run(world, SECONDS(5));
    assert_int_equal(world->connects, 0);
    world_link_set(world, 1, true);
    world_until(world, connected, SECONDS(5));
    world_run(world, SECONDS(10));
    assert_int_equal(world_carrier_link(world), 1);
    assert_int_equal(world->moves, 0);
    world_link_set(world, 1, false);
    world_run(world, SECONDS(1));
    assert_int_equal(world_carrier_link(world), 0);
    world_link_set(world, 1, true);
    world_run(world, SECONDS(12));
    assert_int_equal(world_carrier_link(world), 1);
    assert_int_equal(world->moves, 2);
    assert_int_equal(world->logins, 1);
    world_free(world);
}

/* Random faults: the checks of the world hold and there is no storm. Afterwards each possible path
 * has its VPN, without a login as long as one IKE SA lived. */
static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct world *world = world_new(2 + (unsigned)(seed % 3), seed);
        world->conn->keyingtries = 0;
        world->conn->create_then_move = seed % 2 == 0;
        world->conn->multipath = seed % 5 == 0 ? IKE_MULTIPATH_BALANCE : IKE_MULTIPATH_FAILOVER;
        world_start(world);
        world_connect(world, true);
        world->flow = world->chaos = true;
        for (unsigned step = 0; step < 100; step++) {
            unsigned link = random_below(&world->random, world->n_links);
            switch (random_below(&world->random, 6)) {
            case 0: world_link_set(world, link, false); break;
            case 1:
            case 2: world_link_set(world, link, true); break;
            case 3: world->links[link].hole = !world->links[link].hole; break;
            case 4: world->links[link].rtt = MS(1 + random_below(&world->random, 200)); break;
            case 5:
                if (world_established(world) > 1)
                    world_sa_kill(world, link, IKE_PEER_DELETED);
                break;
            }
            unsigned before = world_established(world), logins = world->logins;
            world_run(world, MS(random_below(&world->random, 3000)));
            assert_true(before == 0 || world_established(world) == 0 || logins == world->logins ||
                        world->logins == logins + 1);
        }
        assert_in_range(world->logins, 1, 10); /* in two and a half minutes of this */
        world->chaos = false;
        assert_true(world->worst_second <= 20 * (world->n_links + 1));
        for (unsigned i = 0; i < world->n_links; i++) {
            world->links[i].hole = false;
            world_link_set(world, i, true);
        }
        world_until(world, reachable_all_up, SECONDS(300));
        world_run(world, SECONDS(20));
        unsigned logins = world->logins, clones = world->clones, moves = world->moves;
        assert_true(world_all_up(world));
        world_run(world, SECONDS(100));
        assert_int_equal(world->logins, logins);
        assert_int_equal(world->clones, clones);
        assert_int_equal(world->moves, moves);
        world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_path_gets_its_vpn),
        cmocka_unit_test(test_packet_that_asked),
        cmocka_unit_test(test_create_then_move),
        cmocka_unit_test(test_dead_first_path_does_not_block),
        cmocka_unit_test(test_race_has_one_winner),
        cmocka_unit_test(test_link_down),
        cmocka_unit_test(test_lost_sa_is_cloned_anew),
        cmocka_unit_test(test_clone_of_a_dead_link),
        cmocka_unit_test(test_timed_out_path_proves_itself),
        cmocka_unit_test(test_route_lost),
        cmocka_unit_test(test_back_off),
        cmocka_unit_test(test_no_additional_sas_is_final),
        cmocka_unit_test(test_mobility),
        cmocka_unit_test(test_mobility_out_of_a_black_hole),
        cmocka_unit_test(test_narrow_route_first),
        cmocka_unit_test(test_local_addrs),
        cmocka_unit_test(test_flapping),
        cmocka_unit_test(test_total_loss_and_return),
        cmocka_unit_test(test_peer_gone),
        cmocka_unit_test(test_gateway_restarted),
        cmocka_unit_test(test_black_hole_of_all_paths),
        cmocka_unit_test(test_no_storm_of_logins),
        cmocka_unit_test(test_disconnect_while_knocking),
        cmocka_unit_test(test_conn_replaced),
        cmocka_unit_test(test_released),
        cmocka_unit_test(test_total_loss),
        cmocka_unit_test(test_child_released),
        cmocka_unit_test(test_no_path_at_all),
        cmocka_unit_test(test_disconnect_cancels),
        cmocka_unit_test(test_mesh),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
