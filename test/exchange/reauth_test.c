/* SPDX-License-Identifier: Apache-2.0 */
/* Reauthentication of a whole session, make before break: see both.h and multipath/reauth.c. */
#include "exchange/both.h"

#include <stdio.h>

static struct both *connected(unsigned n_links, uint64_t seed)
{
    struct both *both = both_new(n_links, seed);
    both_connect(both);
    both_until_all_up(both, SECONDS(5));
    assert_int_equal(both_logins(both), 1);
    both->flow = both->down_flow = true;
    both_run(both, SECONDS(3));
    return both;
}

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
        both_run(both, MS(5));
    assert_int_equal(session_of(&both->a, 0).logins, n);
    assert_int_equal(session_of(&both->a, 1).id, 0);
    assert_int_equal(session_of(&both->b, 1).id, 0);
    both_until_all_up(both, SECONDS(1));
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
        both_until_all_up(both, SECONDS(5));
        both->flow = both->down_flow = true;
        both_run(both, SECONDS(3));
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

/* inner_on - the inner address of the End User's VPN on the link. */
static struct address inner_on(const struct both *both, unsigned link)
{
    struct ike_child_info child;
    struct ike_sa_info sa;
    struct address local = world_path(link).local.address;
    for (ike_child_id id = 0; ike_child_next(both->a.peer->ike, id, &child); id = child.id)
        if (ike_sa_get(both->a.peer->ike, child.sa, &sa) &&
            address_equal(&sa.path.local.address, &local))
            return child.local_ts.ts[0].range.first;
    return (struct address){0};
}

/* inner = per-path: each path has the address that it had, and not a packet is lost. */
static void test_reauthentication_per_path(void **state)
{
    (void)state;
    for (int variant = 0; variant < 8; variant++) {
        struct both *both = both_new(4, 80 + (uint64_t)variant);
        struct world *world = both->world;
        struct address inner[4];
        world->conn_a->inner_per_path = world->conn_b->inner_per_path = true;
        world->conn_b->unique = (enum ike_unique)(variant % 4);
        world->conn_a->combined_auth = world->conn_b->combined_auth = variant & 1;
        world->conn_a->reduced = variant & 2 ? IKE_REDUCED_END_USER : IKE_REDUCED_OFF;
        (variant < 4 ? world->conn_a : world->conn_b)->reauth_ns = SECONDS(100);
        both_connect(both);
        both_until_all_up(both, SECONDS(5));
        both->flow = both->down_flow = true;
        both_run(both, SECONDS(3));
        for (unsigned i = 0; i < 4; i++)
            inner[i] = inner_on(both, i);
        assert_false(address_equal(&inner[1], &inner[2]));
        both->worst_gap = both->worst_down_gap = 0;
        for (uint32_t n = 2; n < 5; n++) {
            until_replaced(both, n, SECONDS(110));
            for (unsigned i = 0; i < 4; i++) {
                struct address now = inner_on(both, i);
                assert_true(address_equal(&now, &inner[i]));
            }
            assert_int_equal(world->b.n_leases, 4);
        }
        assert_int_equal(both->worst_gap, 0);
        assert_int_equal(both->worst_down_gap, 0);
        both_free(both);
    }
}

/* remotes_of - how many Child SAs of the End User are for exactly this network. */
static unsigned remotes_of(const struct both *both, const char *network)
{
    struct ike_child_info child = {0};
    struct address_range range;
    unsigned n = 0;
    assert_true(range_parse(network, &range));
    while (ike_child_next(both->a.peer->ike, child.id, &child))
        n += child.remote_ts.n == 1 &&
             address_equal(&child.remote_ts.ts[0].range.first, &range.first) &&
             address_equal(&child.remote_ts.ts[0].range.last, &range.last);
    return n;
}

/* ask_for - a packet of the inner side asks for a further Child SA, as a trap does. */
static void ask_for(struct both *both, const char *host)
{
    struct ike_command create = {.kind = IKE_CMD_CREATE_CHILD,
                                 .sa = world_sa(&both->world->a, 0),
                                 .child = "net",
                                 .tag = UINT64_C(1) << 40};
    create.packet.src = session_of(&both->a, 0).config.addresses[0];
    assert_true(address_parse(host, &create.packet.dst));
    assert_int_equal(ike_command(both->a.peer->ike, &create, both->world->now), 0);
    both_run(both, SECONDS(1));
}

/* The Gateway divided the network of the End User's child among three of its own, and packets asked
 * for two of them: the next session has both as well, and not the third one. A Gateway that no
 * longer gives one of them is asked for it once, and the session is replaced all the same. */
static void test_reauthentication_of_narrowed_children(void **state)
{
    (void)state;
    for (int gone = 0; gone < 2; gone++) {
        struct both *both = both_new(2, 110);
        struct world *world = both->world;
        struct ike_conn *gw = world->conn_b;
        gw->n_children = 3;
        for (unsigned i = 0; i < 3; i++) {
            if (i > 0)
                ike_child_set(&gw->children[i], &gw->children[0]);
            (void)snprintf(gw->children[i].name, sizeof(gw->children[i].name), "part%u", i);
        }
        assert_true(range_parse("10.1.0.0/28", &gw->children[0].local_ts.fixed.ts[0].range));
        assert_true(range_parse("10.1.1.0/24", &gw->children[1].local_ts.fixed.ts[0].range));
        assert_true(range_parse("10.1.2.0/24", &gw->children[2].local_ts.fixed.ts[0].range));
        world->conn_a->reauth_ns = SECONDS(100);
        both_connect(both);
        both_until_all_up(both, SECONDS(5));
        ask_for(both, "10.1.1.9");
        assert_int_equal(remotes_of(both, "10.1.0.0/28"), 2); /* one on each path */
        assert_int_equal(remotes_of(both, "10.1.1.0/24"), 1);
        if (gone)
            assert_true(range_parse("10.1.3.0/24", &gw->children[1].local_ts.fixed.ts[0].range));
        for (uint32_t n = 2; n < 4; n++) {
            until_replaced(both, n, SECONDS(110));
            /* the part that is gone is asked for once: the answer is a second one of the first
             * part, which is deleted at once */
            assert_int_equal(remotes_of(both, "10.1.0.0/28"), 2);
            assert_int_equal(remotes_of(both, "10.1.1.0/24"), !gone);
            assert_int_equal(remotes_of(both, "10.1.2.0/24"), 0);
        }
        both_free(both);
    }
}

/* It fails: the old session is as it was until its deadline, and a later attempt succeeds. */
static void test_reauthentication_fails(void **state)
{
    (void)state;
    for (int for_good = 0; for_good < 2; for_good++) {
        struct both *both = both_new(2, 71);
        struct world *world = both->world;
        world->conn_a->reauth_ns = SECONDS(100);
        world->conn_a->reauth_over_ns = SECONDS(60);
        both_connect(both);
        both_until_all_up(both, SECONDS(5));
        both->flow = both->down_flow = true;
        both_run(both, SECONDS(3));
        both->worst_gap = both->worst_down_gap = 0;
        world->b.psk = "another";
        both_run(both, SECONDS(130));
        assert_true(world->a.counts[IKE_EV_COMMAND_DONE] > 0);
        assert_int_equal(session_of(&both->a, 0).logins, 1);
        assert_true(both_all_up(both));
        if (!for_good) {
            world->b.psk = world->a.psk;
            until_replaced(both, 2, SECONDS(28));
            assert_int_equal(both->worst_gap, 0);
            assert_int_equal(both->worst_down_gap, 0);
        } else {
            both_run(both, SECONDS(40));
            assert_int_equal(world->a.counts[IKE_EV_SESSION_DOWN], 1);
            struct ike_stats stats; /* a login may be waiting for its refusal */
            ike_stats_get(world->b.ike, &stats);
            assert_int_equal(stats.established, 0);
            assert_int_equal(world->b.n_leases, 0);
            world->b.psk = world->a.psk; /* it is still wanted */
            both_until_all_up(both, SECONDS(90));
        }
        both_free(both);
    }
}

/* It fails until shortly before the deadline: retries are not so rare by then that the session ends first. */
static void test_reauthentication_late(void **state)
{
    (void)state;
    for (uint64_t seed = 75; seed < 85; seed++) {
        struct both *both = both_new(2, seed);
        struct world *world = both->world;
        world->conn_a->reauth_ns = SECONDS(100);
        world->conn_a->reauth_over_ns = SECONDS(300);
        both_connect(both);
        both_until_all_up(both, SECONDS(5));
        world->b.psk = "another";
        both_run(both, SECONDS(375));
        assert_int_equal(session_of(&both->a, 0).logins, 1);
        world->b.psk = world->a.psk;
        until_replaced(both, 2, SECONDS(19));
        assert_true(both_all_up(both));
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
            both_until_all_up(both, SECONDS(5));
            both->flow = both->down_flow = true;
            both_run(both, SECONDS(80));
            if (link)
                both_link_set(both, dead, false);
            else
                both->hole[dead] = true;
            both_run(both, SECONDS(10));
            both->worst_gap = both->worst_down_gap = 0;
            both_run(both, SECONDS(50));
            assert_int_equal(session_of(&both->a, 0).logins, 2);
            assert_int_equal(session_of(&both->a, 1).id, 0);
            assert_int_equal(session_of(&both->b, 1).id, 0);
            assert_int_equal(both->worst_gap, 0);
            assert_int_equal(both->worst_down_gap, 0);
            both->hole[dead] = false;
            both_link_set(both, dead, true);
            both_until_all_up(both, SECONDS(40));
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
        both_run(both, MS(wait_ms));
        path_manager_disconnect(both->a.pm, "office", world->now);
        command.kind = IKE_CMD_DELETE_SESSION;
        struct ike_session_info info = {0};
        while (ike_session_next(world->a.ike, info.id, &info)) {
            path_manager_session_release(both->a.pm, info.id);
            command.session = info.id;
            world_post(&world->a, command);
        }
        both_run(both, SECONDS(35)); /* a login that was not finished is forgotten after 30 s */
        assert_int_equal(world_n_sas(&world->a) + world_n_sas(&world->b), 0);
        assert_int_equal(world->b.n_leases, 0);
        both_free(both);
    }
}

/* Whatever the links do meanwhile: afterwards there is one session with all its paths, and nothing
 * is left of those before. */
static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = 200; seed < 212; seed++) {
        struct both *both = both_new(2 + (unsigned)(seed % 2), seed);
        struct world *world = both->world;
        const struct random *random = &world->a.random;
        (seed % 4 < 2 ? world->conn_a : world->conn_b)->reauth_ns = SECONDS(40);
        world->conn_b->unique = (enum ike_unique)(seed % 4);
        world->conn_b->dpd_delay_ns = SECONDS(10); /* a Delete may be lost */
        world->conn_a->inner_per_path = world->conn_b->inner_per_path = seed % 5 == 0;
        both_connect(both);
        both_until_all_up(both, SECONDS(5));
        both->flow = both->down_flow = true;
        world->loss_percent = seed % 3 == 0 ? 5 : 0;
        for (unsigned step = 0; step < 60; step++) {
            unsigned link = random_below(random, both->n_links);
            switch (random_below(random, 4)) {
            case 0: both_link_set(both, link, false); break;
            case 1:
            case 2: both_link_set(both, link, true); break;
            case 3: both->hole[link] = !both->hole[link]; break;
            }
            both_run(both, MS(random_below(random, 6000)));
        }
        world->loss_percent = 0;
        for (unsigned i = 0; i < both->n_links; i++) {
            both->hole[i] = false;
            both_link_set(both, i, true);
        }
        world->conn_a->reauth_ns = world->conn_b->reauth_ns = 0; /* of the logins to come */
        both_run(both, SECONDS(300));
        both_until_all_up(both, SECONDS(60));
        assert_int_equal(session_of(&both->a, 1).id, 0);
        assert_int_equal(session_of(&both->b, 1).id, 0);
        assert_int_equal(world_n_sas(&world->a), both->n_links);
        assert_int_equal(world->b.n_leases, seed % 5 == 0 ? both->n_links : 1);
        both_free(both);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reauthentication),
        cmocka_unit_test(test_reauthentication_per_path),
        cmocka_unit_test(test_reauthentication_of_narrowed_children),
        cmocka_unit_test(test_reauthentication_fails),
        cmocka_unit_test(test_reauthentication_late),
        cmocka_unit_test(test_reauthentication_over_what_lives),
        cmocka_unit_test(test_reauthentication_and_terminate),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
