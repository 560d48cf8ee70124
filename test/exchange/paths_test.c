/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The path manager on both ends of real IKE endpoints: logins raced, IKE SAs cloned, moved, parked
 * and brought home by the messages that really travel, over links that go down or swallow packets.
 */
#include <stdio.h>
#include <stdlib.h>

#include "exchange/world.h"
#include "multipath/path_manager.h"

#define SECONDS(n) ((nanos)(n)*NANOS_PER_SEC)
#define MS(n)      ((nanos)(n)*NANOS_PER_MS)
#define LINKS      3
#define CHILDREN   256 /* ids of one run */

struct end {
    struct peer *peer;
    struct path_manager *pm;
    size_t seen; /* events that the manager got */
    struct {
        bool usable;
        uint32_t priority;
        nanos in, out;
    } child[CHILDREN];
};

struct both {
    struct world *world;
    struct end a, b;
    bool up[LINKS], hole[LINKS];
    unsigned n_links;
    unsigned connected, failed;
    nanos flow_ok, worst_gap;      /* upstream packets, each answered */
    nanos down_ok, worst_down_gap; /* a downstream flow without an answer */
    bool flow, down_flow;
};

static unsigned link_of(const struct address *local)
{
    return (unsigned)local->octets[3] - 1;
}

static bool passes(const struct both *both, const struct address *local)
{
    unsigned link = link_of(local);
    return link < both->n_links && both->up[link] && !both->hole[link];
}

static bool network(struct world *world, bool to_b, struct ike_datagram *d)
{
    const struct address *user = to_b ? &d->path.local.address : &d->path.remote.address;
    return passes(world->hook_context, user);
}

static bool view_session(const void *context, ike_session_id id, struct ike_session_info *ret_info)
{
    return ike_session_get(((const struct end *)context)->peer->ike, id, ret_info);
}

static bool view_sa(const void *context, ike_sa_id id, struct ike_sa_info *ret_info)
{
    return ike_sa_get(((const struct end *)context)->peer->ike, id, ret_info);
}

static bool view_child(const void *context, ike_child_id id, struct ike_child_info *ret_info)
{
    return ike_child_get(((const struct end *)context)->peer->ike, id, ret_info);
}

static bool view_traffic(const void *context, ike_child_id id, nanos *ret_in_ns, nanos *ret_out_ns)
{
    const struct end *end = context;
    *ret_in_ns = end->child[id % CHILDREN].in;
    *ret_out_ns = end->child[id % CHILDREN].out;
    return true;
}

static void links_tell(struct both *both)
{
    struct path_link links[LINKS] = {0};
    for (unsigned i = 0; i < both->n_links; i++) {
        links[i].index = i + 1;
        links[i].up = both->up[i];
        (void)snprintf(links[i].name, sizeof(links[i].name), "eth%u", i);
        links[i].n_addresses = links[i].n_routes = both->up[i];
        links[i].addresses[0] = world_path(i).local.address;
        assert_true(range_parse("0.0.0.0/0", &links[i].routes[0].destination));
    }
    path_manager_links_set(both->a.pm, links, both->n_links, both->world->now);
}

static void end_pull(struct both *both, struct end *end)
{
    struct ike_command command;
    struct path_order order;
    struct path_news news;
    for (bool busy = true; busy;) {
        busy = false;
        assert_true(end->peer->n_events - end->seen < WORLD_EVENTS);
        while (end->seen < end->peer->n_events) {
            path_manager_event(end->pm, &end->peer->events[end->seen++ % WORLD_EVENTS],
                               both->world->now);
            path_manager_check_invariants(end->pm);
        }
        if (path_manager_command(end->pm, &command)) {
            busy = true;
            int err = ike_command(end->peer->ike, &command, both->world->now);
            if (err != 0)
                path_manager_refused(end->pm, command.tag, err, both->world->now);
            world_drain(both->world);
        }
        while (path_manager_order(end->pm, &order)) {
            if (order.kind == PATH_ORDER_CHILD) {
                end->child[order.child % CHILDREN].usable = order.usable;
                end->child[order.child % CHILDREN].priority = order.priority;
            }
        }
        while (path_manager_news(end->pm, &news)) {
            both->connected += news.kind == PATH_NEWS_CONNECTED;
            both->failed += news.kind == PATH_NEWS_CONNECT_FAILED;
            if (getenv("WORLD_TRACE") != NULL && news.kind == PATH_NEWS_STATE)
                printf("%10.3f %s %s: %s -> %s\n", (double)both->world->now / 1e9, end->peer->name,
                       news.path, path_state_name(news.from), path_state_name(news.to));
        }
    }
}

/* carrier - the Child SA that a new flow of this end takes; 0: none. */
static ike_child_id carrier(const struct end *end)
{
    struct ike_child_info info;
    ike_child_id best = 0;
    for (ike_child_id id = 0; ike_child_next(end->peer->ike, id, &info); id = info.id)
        if (end->child[info.id % CHILDREN].usable && info.life != IKE_CHILD_REPLACED &&
            (best == 0 ||
             end->child[info.id % CHILDREN].priority < end->child[best % CHILDREN].priority))
            best = info.id;
    return best;
}

/* other_child - what the other end knows the Child SA as. */
static ike_child_id other_child(const struct end *one, const struct end *other, ike_child_id child)
{
    struct ike_child_info info, found;
    if (!ike_child_get(one->peer->ike, child, &info))
        return 0;
    for (ike_child_id id = 0; ike_child_next(other->peer->ike, id, &found); id = found.id)
        if (found.spi_in == info.spi_out)
            return found.id;
    return 0;
}

/* packet - from one end to the other, on a Child SA; false: it did not arrive. */
static bool packet(struct both *both, struct end *from, struct end *to, ike_child_id child)
{
    struct ike_child_info info;
    struct ike_sa_info sa;
    if (child == 0 || !ike_child_get(from->peer->ike, child, &info) ||
        !ike_sa_get(from->peer->ike, info.sa, &sa))
        return false;
    from->child[child % CHILDREN].out = both->world->now;
    ike_child_id there = other_child(from, to, child);
    if (there == 0 ||
        !passes(both, from == &both->a ? &sa.path.local.address : &sa.path.remote.address))
        return false;
    to->child[there % CHILDREN].in = both->world->now;
    return true;
}

static void gap(const struct both *both, bool arrived, nanos *ok, nanos *worst)
{
    if (!arrived && *ok != 0 && both->world->now - *ok > *worst)
        *worst = both->world->now - *ok;
    if (arrived)
        *ok = both->world->now;
}

static void flows(struct both *both)
{
    ike_child_id child = carrier(&both->a);
    if (both->flow) /* the Gateway answers on the Child SA on which it came */
        gap(both,
            packet(both, &both->a, &both->b, child) &&
                packet(both, &both->b, &both->a, other_child(&both->a, &both->b, child)),
            &both->flow_ok, &both->worst_gap);
    if (both->down_flow)
        gap(both, packet(both, &both->b, &both->a, carrier(&both->b)), &both->down_ok,
            &both->worst_down_gap);
}

static void run(struct both *both, nanos duration)
{
    struct end *ends[2] = {&both->a, &both->b};
    for (nanos until = both->world->now + duration; both->world->now < until;) {
        world_run(both->world, MS(5));
        for (int i = 0; i < 2; i++) {
            if (path_manager_deadline(ends[i]->pm) <= both->world->now)
                path_manager_tick(ends[i]->pm, both->world->now);
            end_pull(both, ends[i]);
        }
        flows(both);
    }
}

static bool all_up(const struct both *both)
{
    struct path_status status;
    size_t i = 0;
    for (; path_manager_status(both->a.pm, i, &status); i++)
        if (status.state != PATH_UP || status.child == 0 || status.parked)
            return false;
    return i == both->n_links;
}

static void until_all_up(struct both *both, nanos limit)
{
    for (nanos end = both->world->now + limit; !all_up(both) && both->world->now < end;)
        run(both, MS(5));
    assert_true(all_up(both));
    run(both, MS(500));
    world_check(both->world);
}

static unsigned logins(const struct both *both)
{
    struct ike_session_info info;
    unsigned n = 0;
    for (ike_session_id id = 0; ike_session_next(both->world->b.ike, id, &info); id = info.id)
        n += info.logins;
    return n;
}

static int carrier_link(const struct both *both)
{
    struct ike_child_info child;
    struct ike_sa_info sa;
    if (!ike_child_get(both->a.peer->ike, carrier(&both->a), &child) ||
        !ike_sa_get(both->a.peer->ike, child.sa, &sa))
        return -1;
    return (int)link_of(&sa.path.local.address);
}

static struct both *both_new(unsigned n_links, uint64_t seed)
{
    struct both *both = calloc(1, sizeof(*both));
    assert_non_null(both);
    struct world *world = both->world = world_new(seed);
    both->n_links = n_links;
    world->hook = network;
    world->hook_context = both;
    both->a.peer = &world->a;
    both->b.peer = &world->b;
    struct ike_conn *conn = world->conn_a;
    conn->n_remote_addrs = 1;
    conn->remote_addrs[0].range.first = conn->remote_addrs[0].range.last =
        world_path(0).remote.address;
    for (unsigned i = 0; i < n_links; i++) {
        struct ike_path_policy *path = &conn->paths[conn->n_paths++];
        (void)snprintf(path->name, sizeof(path->name), "p%u", i);
        (void)snprintf(path->interface, sizeof(path->interface), "eth%u", i);
        path->priority = i + 1;
        path->weight = 1;
        both->up[i] = true;
    }
    conn->stable_for_ns = world->conn_b->stable_for_ns = SECONDS(5);
    struct end *ends[2] = {&both->a, &both->b};
    for (int i = 0; i < 2; i++) {
        struct path_options options = {.random = &ends[i]->peer->random,
                                       .view = {.context = ends[i],
                                                .session = view_session,
                                                .sa = view_sa,
                                                .child = view_child,
                                                .traffic = view_traffic}};
        ends[i]->pm = path_manager_new(&options);
        assert_non_null(ends[i]->pm);
    }
    return both;
}

static void both_connect(struct both *both)
{
    world_start(both->world);
    links_tell(both);
    struct path_connect wish = {.conn = both->world->conn_a, .keep = true};
    assert_int_equal(path_manager_connect(both->a.pm, &wish, both->world->now), 0);
    end_pull(both, &both->a);
}

static void both_free(struct both *both)
{
    if (getenv("WORLD_TRACE") != NULL)
        printf("gaps: answered %.3f s, downstream only %.3f s\n", (double)both->worst_gap / 1e9,
               (double)both->worst_down_gap / 1e9);
    path_manager_free(both->a.pm);
    path_manager_free(both->b.pm);
    world_free(both->world);
    free(both);
}

static void link_set(struct both *both, unsigned link, bool up)
{
    both->up[link] = up;
    links_tell(both);
    end_pull(both, &both->a);
}

static struct both *connected(unsigned n_links, uint64_t seed)
{
    struct both *both = both_new(n_links, seed);
    both_connect(both);
    until_all_up(both, SECONDS(5));
    assert_int_equal(logins(both), 1);
    both->flow = both->down_flow = true;
    run(both, SECONDS(3));
    return both;
}

static void test_one_login_a_vpn_per_path(void **state)
{
    (void)state;
    struct both *both = connected(3, 1);
    assert_int_equal(world_n_sas(&both->world->a), 3);
    assert_int_equal(world_n_children(&both->world->a), 3);
    assert_int_equal(both->connected, 1);
    assert_int_equal(carrier_link(both), 0);
    both_free(both);
}

static void test_variants(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        struct both *both = both_new(2, (uint64_t)variant);
        both->world->conn_a->create_then_move = variant == 1;
        both->world->conn_a->prefer = variant == 2 ? IKE_CLONE_RFC7791 : IKE_CLONE_KEEP_OLD;
        both->world->conn_a->reduced = variant == 3 ? IKE_REDUCED_END_USER : IKE_REDUCED_OFF;
        both_connect(both);
        until_all_up(both, SECONDS(5));
        assert_int_equal(logins(both), 1);
        both_free(both);
    }
}

/* Two VPNs with one login, in round trips (draft B.5): each takes up to 5 ms more here, since that
 * is how often the manager looks. */
static void test_round_trips(void **state)
{
    static const struct {
        bool combined_a, combined_b;
        enum ike_reduced reduced;
        unsigned round_trips;
    } cases[] = {
        {true, true, IKE_REDUCED_END_USER, 3}, /* IKE_SA_INIT, IKE_AUTH, create and move */
        {true, false, IKE_REDUCED_END_USER,
         4}, /* the Gateway does not want it: a clone of its own */
        {false, true, IKE_REDUCED_END_USER, 4}, /* nor does the End User */
        {true, true, IKE_REDUCED_OFF, 5},       /* path test, move, create */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct both *both = both_new(2, 5);
        nanos round_trip = 2 * WORLD_LATENCY_NS;
        both->world->conn_a->combined_auth = cases[i].combined_a;
        both->world->conn_b->combined_auth = cases[i].combined_b;
        both->world->conn_a->reduced = cases[i].reduced;
        nanos began = both->world->now;
        both_connect(both);
        while (world_n_children(&both->world->a) < 2 && both->world->now - began < SECONDS(1))
            run(both, MS(5));
        assert_in_range(both->world->now - began, cases[i].round_trips * round_trip,
                        cases[i].round_trips * (round_trip + MS(5)) - 1);
        until_all_up(both, SECONDS(1));
        run(both, SECONDS(20));
        assert_int_equal(logins(both), 1);
        assert_int_equal(world_n_sas(&both->world->a), 2);
        both_free(both);
    }
}

static void test_dead_first_path(void **state)
{
    (void)state;
    struct both *both = both_new(2, 5);
    both->hole[0] = true;
    both_connect(both);
    run(both, SECONDS(1));
    assert_int_equal(both->connected, 1);
    assert_int_equal(logins(both), 1);
    both->hole[0] = false;
    until_all_up(both, SECONDS(30));
    assert_int_equal(logins(both), 1);
    both_free(both);
}

static void test_link_down(void **state)
{
    (void)state;
    struct both *both = connected(2, 6);
    both->worst_gap = both->worst_down_gap = 0;
    link_set(both, 0, false);
    run(both, SECONDS(5));
    assert_int_equal(carrier_link(both), 1);
    assert_true(both->worst_gap <= MS(50));
    assert_true(both->worst_down_gap <= MS(50)); /* a move: a round trip, and COOKIE2 */
    link_set(both, 0, true);
    run(both, SECONDS(4));
    assert_int_equal(carrier_link(both), 1);
    until_all_up(both, SECONDS(5));
    assert_int_equal(carrier_link(both), 0);
    assert_int_equal(logins(both), 1);
    assert_int_equal(world_n_sas(&both->world->a), 2);
    both_free(both);
}

static void test_black_hole(void **state)
{
    (void)state;
    for (unsigned offset = 0; offset < 8; offset++) {
        struct both *both = connected(2, 7 + offset);
        run(both, MS(93) * offset);
        both->worst_gap = both->worst_down_gap = 0;
        both->hole[0] = true;
        run(both, SECONDS(6));
        assert_int_equal(carrier_link(both), 1);
        assert_true(both->worst_gap <= SECONDS(2));
        assert_true(both->worst_down_gap <= SECONDS(2));
        both->hole[0] = false;
        until_all_up(both, SECONDS(30));
        assert_int_equal(logins(both), 1);
        both_free(both);
    }
}

/* The Gateway deletes an IKE SA: the path gets another one, cloned from the survivor. */
static void test_black_hole_during_a_rekey(void **state)
{
    (void)state;
    for (int variant = 0; variant < 3; variant++) {
        struct both *both = both_new(2, 50);
        both->world->conn_a->dpd_delay_ns = variant == 0 ? SECONDS(1) : 0;
        both_connect(both);
        until_all_up(both, SECONDS(5));
        both->flow = both->down_flow = true;
        run(both, SECONDS(3));
        both->worst_gap = both->worst_down_gap = 0;
        both->hole[0] = true;
        ike_sa_id sa = world_sa(&both->world->a, 0);
        if (variant == 1)
            world_post(&both->world->a, (struct ike_command){.kind = IKE_CMD_REKEY_IKE, .sa = sa});
        if (variant == 2)
            world_post(&both->world->a,
                       (struct ike_command){.kind = IKE_CMD_REKEY_CHILD,
                                            .child_id = world_child(&both->world->a, 0)});
        run(both, SECONDS(20));
        assert_int_equal(carrier_link(both), 1);
        assert_true(both->worst_gap <= SECONDS(2));
        assert_true(both->worst_down_gap <= SECONDS(2));
        both->hole[0] = false;
        until_all_up(both, SECONDS(200));
        assert_int_equal(logins(both), 1);
        both_free(both);
    }
}

static void test_deleted_by_the_gateway(void **state)
{
    (void)state;
    struct both *both = connected(2, 20);
    for (unsigned i = 0; i < 2; i++) {
        world_post(&both->world->b, (struct ike_command){.kind = IKE_CMD_DELETE_IKE,
                                                         .sa = world_sa(&both->world->b, 0)});
        run(both, SECONDS(1));
        until_all_up(both, SECONDS(10));
    }
    assert_int_equal(logins(both), 1);
    both_free(both);
}

static void test_rekeys_change_nothing(void **state)
{
    (void)state;
    struct both *both = connected(2, 21);
    for (unsigned i = 0; i < 2; i++) {
        struct peer *peer = i == 0 ? &both->world->a : &both->world->b;
        world_post(peer, (struct ike_command){.kind = IKE_CMD_REKEY_IKE, .sa = world_sa(peer, 0)});
        world_post(peer, (struct ike_command){.kind = IKE_CMD_REKEY_CHILD,
                                              .child_id = world_child(peer, 1)});
        run(both, SECONDS(3));
    }
    until_all_up(both, SECONDS(5));
    assert_int_equal(world_n_sas(&both->world->a), 2);
    assert_int_equal(world_n_children(&both->world->a), 2);
    /* and what was rekeyed still fails over */
    link_set(both, 0, false);
    run(both, SECONDS(2));
    assert_int_equal(carrier_link(both), 1);
    link_set(both, 0, true);
    until_all_up(both, SECONDS(12));
    assert_int_equal(logins(both), 1);
    both_free(both);
}

/* A peer that cannot clone: one IKE SA, moved by MOBIKE. */
static void test_mobility(void **state)
{
    (void)state;
    struct both *both = both_new(2, 22);
    both->world->conn_b->clone = IKE_CLONE_OFF;
    both_connect(both);
    run(both, SECONDS(2));
    both->flow = true;
    run(both, SECONDS(8));
    assert_int_equal(carrier_link(both), 0);
    link_set(both, 0, false);
    run(both, SECONDS(2));
    assert_int_equal(carrier_link(both), 1);
    link_set(both, 0, true);
    run(both, SECONDS(20));
    assert_int_equal(carrier_link(both), 0);
    assert_int_equal(logins(both), 1);
    assert_int_equal(world_n_sas(&both->world->a), 1);
    both_free(both);
}

static void test_no_additional_sas(void **state)
{
    (void)state;
    struct both *both = both_new(3, 23);
    both->world->conn_b->max_ike_sas = 2;
    both_connect(both);
    run(both, SECONDS(60));
    assert_int_equal(world_n_sas(&both->world->a), 2);
    assert_int_equal(logins(both), 1);
    both_free(both);
}

static void test_lossy(void **state)
{
    (void)state;
    for (uint64_t seed = 30; seed < 34; seed++) {
        struct both *both = both_new(3, seed);
        both->world->loss_percent = 20;
        both->world->duplicate_percent = 10;
        both->world->jitter_ns = MS(15);
        /* a Delete may be lost as well: what the End User gave up ends at the Gateway by liveness
         */
        both->world->conn_b->dpd_delay_ns = SECONDS(10);
        both_connect(both);
        run(both, SECONDS(120));
        both->world->loss_percent = 0;
        run(both, SECONDS(150));
        until_all_up(both, SECONDS(90));
        assert_int_equal(logins(both), 1);
        both_free(both);
    }
}

/* --- reauthentication of a whole session --- */

static struct ike_session_info session_of(const struct end *end, unsigned index)
{
    struct ike_session_info info = {0};
    for (unsigned i = 0; i <= index; i++)
        if (!ike_session_next(end->peer->ike, info.id, &info))
            return (struct ike_session_info){0};
    return info;
}

/* until_replaced - a session with this many logins has all paths, and is the only one. */
static void until_replaced(struct both *both, uint32_t n, nanos limit)
{
    for (nanos end = both->world->now + limit;
         (session_of(&both->a, 0).logins != n || session_of(&both->b, 0).logins != n) &&
         both->world->now < end;)
        run(both, MS(5));
    assert_int_equal(session_of(&both->a, 0).logins, n);
    assert_int_equal(session_of(&both->a, 1).id, 0);
    assert_int_equal(session_of(&both->b, 1).id, 0);
    until_all_up(both, SECONDS(1));
}

/* Whoever wants it, and whatever the Gateway thinks of two sessions of one identity: not a packet
 * is lost on any path, the inner address stays, and each time it is one login. */
static void test_reauthentication(void **state)
{
    (void)state;
    for (int variant = 0; variant < 8; variant++) {
        struct both *both = both_new(3, 60 + (uint64_t)variant);
        struct world *world = both->world;
        world->conn_b->unique = (enum ike_unique)(variant % 4);
        (variant < 4 ? world->conn_a : world->conn_b)->reauth_ns = SECONDS(100);
        both_connect(both);
        until_all_up(both, SECONDS(5));
        both->flow = both->down_flow = true;
        run(both, SECONDS(3));
        struct address inner = session_of(&both->a, 0).config.addresses[0];
        both->worst_gap = both->worst_down_gap = 0;
        for (uint32_t n = 2; n < 5; n++) {
            until_replaced(both, n, SECONDS(110));
            struct ike_session_info now = session_of(&both->a, 0);
            assert_true(address_equal(&now.config.addresses[0], &inner));
            assert_int_equal(now.n_ike_sas, 3);
            assert_int_equal(world->b.n_leases, 1);
            assert_true(now.auth_deadline_ns > world->now + SECONDS(80));
        }
        assert_int_equal(world->a.counts[IKE_EV_SESSION_UP], 4);
        assert_int_equal(both->worst_gap, 0);
        assert_int_equal(both->worst_down_gap, 0);
        assert_int_equal(both->failed, 0);
        both_free(both);
    }
}

/* It fails: the old session is as it was until its deadline, and a later attempt succeeds. */
static void test_reauthentication_fails(void **state)
{
    (void)state;
    for (int for_good = 0; for_good < 2; for_good++) {
        struct both *both = both_new(2, 70);
        struct world *world = both->world;
        world->conn_a->reauth_ns = SECONDS(100);
        world->conn_a->reauth_over_ns = SECONDS(60);
        both_connect(both);
        until_all_up(both, SECONDS(5));
        both->flow = both->down_flow = true;
        run(both, SECONDS(3));
        both->worst_gap = both->worst_down_gap = 0;
        world->b.psk = "another";
        run(both, SECONDS(130));
        assert_true(world->a.counts[IKE_EV_COMMAND_DONE] > 0);
        assert_int_equal(session_of(&both->a, 0).logins, 1);
        assert_true(all_up(both));
        if (!for_good) {
            world->b.psk = world->a.psk;
            until_replaced(both, 2, SECONDS(28));
            assert_int_equal(both->worst_gap, 0);
            assert_int_equal(both->worst_down_gap, 0);
        } else {
            run(both, SECONDS(40));
            assert_int_equal(world->a.counts[IKE_EV_SESSION_DOWN], 1);
            assert_int_equal(world_n_sas(&world->b), 0);
            assert_int_equal(world->b.n_leases, 0);
            world->b.psk = world->a.psk; /* it is still wanted */
            until_all_up(both, SECONDS(90));
        }
        both_free(both);
    }
}

/* One of the paths is dead meanwhile: the other one carries all. */
static void test_reauthentication_over_what_lives(void **state)
{
    (void)state;
    for (unsigned dead = 0; dead < 2; dead++)
        for (int link = 0; link < 2; link++) {
            struct both *both = both_new(2, 80 + dead);
            struct world *world = both->world;
            world->conn_a->reauth_ns = SECONDS(100);
            both_connect(both);
            until_all_up(both, SECONDS(5));
            both->flow = both->down_flow = true;
            run(both, SECONDS(80));
            if (link)
                link_set(both, dead, false);
            else
                both->hole[dead] = true;
            run(both, SECONDS(10));
            both->worst_gap = both->worst_down_gap = 0;
            run(both, SECONDS(50));
            assert_int_equal(session_of(&both->a, 0).logins, 2);
            assert_int_equal(session_of(&both->a, 1).id, 0);
            assert_int_equal(session_of(&both->b, 1).id, 0);
            assert_int_equal(both->worst_gap, 0);
            assert_int_equal(both->worst_down_gap, 0);
            both->hole[dead] = false;
            link_set(both, dead, true);
            until_all_up(both, SECONDS(40));
            assert_int_equal(world->a.counts[IKE_EV_SESSION_UP], 2);
            both_free(both);
        }
}

/* A person ends it all while two sessions are there. */
static void test_reauthentication_and_terminate(void **state)
{
    (void)state;
    for (int wait_ms = 0; wait_ms < 400; wait_ms += 15) {
        struct both *both = connected(2, 90);
        struct world *world = both->world;
        struct ike_command command = {.kind = IKE_CMD_REAUTH,
                                      .session = session_of(&both->a, 0).id};
        world_post(&world->a, command);
        run(both, MS(wait_ms));
        path_manager_disconnect(both->a.pm, "office", world->now);
        command.kind = IKE_CMD_DELETE_SESSION;
        struct ike_session_info info = {0};
        while (ike_session_next(world->a.ike, info.id, &info)) {
            path_manager_session_release(both->a.pm, info.id);
            command.session = info.id;
            world_post(&world->a, command);
        }
        run(both, SECONDS(35)); /* a login that was not finished is forgotten after 30 s */
        assert_int_equal(world_n_sas(&world->a) + world_n_sas(&world->b), 0);
        assert_int_equal(world->b.n_leases, 0);
        both_free(both);
    }
}

/* Whatever the links do: both ends agree afterwards, and each path has its VPN again. */
static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 112; seed++) {
        struct both *both = both_new(2 + (unsigned)(seed % 2), seed);
        /* as in test_lossy: a Delete may be lost */
        both->world->conn_b->dpd_delay_ns = SECONDS(10);
        both_connect(both);
        until_all_up(both, SECONDS(5));
        both->flow = both->down_flow = true;
        const struct random *random = &both->world->a.random;
        both->world->loss_percent = seed % 3 == 0 ? 5 : 0;
        for (unsigned step = 0; step < 40; step++) {
            unsigned link = random_below(random, both->n_links);
            switch (random_below(random, 5)) {
            case 0: link_set(both, link, false); break;
            case 1:
            case 2: link_set(both, link, true); break;
            case 3: both->hole[link] = !both->hole[link]; break;
            case 4:
                if (world_sa(&both->world->b, 1) != 0)
                    world_post(&both->world->b,
                               (struct ike_command){.kind = IKE_CMD_DELETE_IKE,
                                                    .sa = world_sa(&both->world->b, 0)});
                break;
            }
            run(both, MS(random_below(random, 3000)));
        }
        both->world->loss_percent = 0;
        for (unsigned i = 0; i < both->n_links; i++) {
            both->hole[i] = false;
            link_set(both, i, true);
        }
        run(both, SECONDS(300)); /* the Gateway forgets what nobody answers for */
        until_all_up(both, SECONDS(60));
        assert_int_equal(world_n_sas(&both->world->a), both->n_links);
        both_free(both);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_login_a_vpn_per_path),
        cmocka_unit_test(test_variants),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_dead_first_path),
        cmocka_unit_test(test_link_down),
        cmocka_unit_test(test_black_hole),
        cmocka_unit_test(test_black_hole_during_a_rekey),
        cmocka_unit_test(test_deleted_by_the_gateway),
        cmocka_unit_test(test_rekeys_change_nothing),
        cmocka_unit_test(test_mobility),
        cmocka_unit_test(test_no_additional_sas),
        cmocka_unit_test(test_reauthentication),
        cmocka_unit_test(test_reauthentication_fails),
        cmocka_unit_test(test_reauthentication_over_what_lives),
        cmocka_unit_test(test_reauthentication_and_terminate),
        cmocka_unit_test(test_lossy),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
