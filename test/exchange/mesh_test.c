/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many paths: how quickly they come up, who begins their IKE SAs, and which of the pairs of
 * addresses are taken (draft-mglt-ipsecme-keep-old-ike-sa-00, figures 2 and 3, B.2, B.5).
 */
#include <stdio.h>

#include "exchange/both.h"
#include "exchange/scenario.h"

#define ROUND_TRIP_NS (2 * WORLD_LATENCY_NS)

/* round_trips - until there are `n` Child SAs at the End User. */
static unsigned round_trips(struct both *both, unsigned n)
{
    nanos began = both->world->now;
    both->step = MS(1);
    both_connect(both);
    while (world_n_children(&both->world->a) < n && both->world->now - began < SECONDS(3))
        both_run(both, MS(1));
    assert_int_equal(world_n_children(&both->world->a), n);
    return (unsigned)((both->world->now - began) / ROUND_TRIP_NS);
}

static void settled(struct both *both)
{
    both_until_all_up(both, SECONDS(1));
    both_run(both, SECONDS(20));
    assert_true(both_all_up(both));
    assert_int_equal(both_logins(both), 1);
    assert_int_equal(world_n_sas(&both->world->a), both->n_paths);
    assert_int_equal(world_n_children(&both->world->a), both->n_paths);
}

/* Each IKE SA of the session is cloned at the same time: k VPNs need log2(k) round trips more than
 * one. With combined_auth and reduced = end-user: IKE_SA_INIT, IKE_AUTH with the first
 * clone, log2(k) - 1 times a clone of each, create-and-move. */
static void test_growth(void **state)
{
    static const struct {
        unsigned paths, combined, separate;
    } cases[] = {{2, 3, 6}, {4, 4, 7}, {8, 5, 8}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (int separate = 0; separate < 2; separate++) {
            struct both *both = both_new(cases[i].paths, 70 + i);
            both->world->conn_a->combined_auth = both->world->conn_b->combined_auth = !separate;
            both->world->conn_a->reduced = separate ? IKE_REDUCED_OFF : IKE_REDUCED_END_USER;
            unsigned n = round_trips(both, cases[i].paths);
            printf("%u VPNs, %s: %u round trips\n", cases[i].paths,
                   separate ? "separate exchanges" : "combined", n);
            assert_int_equal(n, separate ? cases[i].separate : cases[i].combined);
            settled(both);
            both_free(both);
        }
}

/* --- the Gateway sends the last leg (D-08 b) --- */

#define M13 "b -> a1 CREATE_CHILD_SA request: SA(ESP) NONCE TSi TSr N(UPDATE_SA_ADDRESSES)"

static struct both *gateway_moves(unsigned paths, uint64_t seed)
{
    struct both *both = both_new(paths, seed);
    struct world *world = both->world;
    world->conn_a->combined_auth = world->conn_b->combined_auth = true;
    world->conn_a->reduced = world->conn_b->reduced = IKE_REDUCED_GATEWAY;
    both->announce = true;
    scenario_watch(world);
    return both;
}

/* M1, M2, M3', M4', M13, M14: the Gateway's request comes right behind its response. */
static void test_gateway_moves(void **state)
{
    (void)state;
    for (unsigned paths = 2; paths <= 4; paths++) {
        struct both *both = gateway_moves(paths, 80 + paths);
        unsigned n = round_trips(both, 2);
        assert_int_equal(n, 2);
        settled(both);
        assert_int_equal(scenario_count(both->world, M13), 1);
        assert_int_equal(scenario_count(both->world, "b -> a1 CREATE_CHILD_SA request"), 1);
        assert_int_equal(scenario_count(both->world, "N(UPDATE_SA_ADDRESSES)"), paths - 1);
        assert_int_equal(scenario_count(both->world, "CP(REQUEST)"), 1); /* of the login */
        assert_int_equal(scenario_count(both->world, "INFORMATIONAL request: N(UPDATE"), 0);
        both_free(both);
    }
}

/* Whatever is missing costs half a second at most, once. */
static void test_gateway_does_not(void **state)
{
    (void)state;
    for (unsigned what = 0; what < 9; what++) {
        struct both *both = gateway_moves(2, 90 + what);
        struct world *world = both->world;
        unsigned sent = 0;
        switch (what) {
        case 0: world->conn_a->reduced = IKE_REDUCED_OFF, sent = 1; break;
        case 1: world->conn_a->reduced = IKE_REDUCED_END_USER, sent = 1; break;
        case 2: world->conn_b->reduced = IKE_REDUCED_OFF; break;
        case 3: world->conn_b->reduced = IKE_REDUCED_END_USER; break;
        case 4: both->announce = false; break;
        case 5: world->conn_a->encap = true; break; /* looks like a NAT */
        case 6: world->conn_a->clone = IKE_CLONE_RFC7791; break;
        case 7: world->conn_a->combined_auth = false, sent = 1; break; /* M13 behind M6 */
        case 8: world->conn_b->clone = IKE_CLONE_RFC7791; break;
        default: break;
        }
        unsigned n = round_trips(both, 2);
        assert_true(n <= 6 + 25);
        settled(both);
        assert_int_equal(scenario_count(world, M13), sent);
        assert_int_equal(scenario_count(world, "N(UNACCEPTABLE_ADDRESSES)"), what < 2);
        both_free(both);
    }
}

/* Any message from IKE_AUTH on is lost: the same in the end. */
static void test_gateway_moves_lossy(void **state)
{
    (void)state;
    for (unsigned nth = 2; nth < 16; nth++) {
        struct both *both = gateway_moves(2, 110 + nth);
        scenario_lose(both->world, nth);
        both_connect(both);
        both_run(both, SECONDS(8));
        settled(both);
        both_free(both);
    }
}

static void test_gateway_cannot_reach(void **state)
{
    (void)state;
    struct both *both = gateway_moves(2, 130);
    both->hole[1] = true;
    both_connect(both);
    both_run(both, SECONDS(20));
    assert_int_equal(world_n_children(&both->world->b), 1);
    assert_true(both->connected == 1);
    both->hole[1] = false;
    both_until_all_up(both, SECONDS(70));
    settled(both);
    both_free(both);
}

/* --- the Gateway begins a clone (B.2, third variant) --- */

static void rekey_all(struct both *both, struct peer *peer)
{
    for (unsigned i = 0; i < both->n_paths; i++) {
        (void)world_post(peer,
                         (struct ike_command){.kind = IKE_CMD_REKEY_IKE, .sa = world_sa(peer, 0)});
        both_run(both, SECONDS(1)); /* the oldest goes, its heir is the youngest */
    }
}

static void test_gateway_clones(void **state)
{
    (void)state;
    for (unsigned variant = 0; variant < 12; variant++) {
        unsigned paths = 2 + variant % 3;
        struct both *both = both_new(paths, 140 + variant);
        struct world *world = both->world;
        bool standard = variant / 3 % 2 == 1, reduced = variant >= 6;
        world->conn_b->gateway_clones = both->announce = true;
        world->conn_a->reduced = reduced ? IKE_REDUCED_END_USER : IKE_REDUCED_OFF;
        world->conn_a->clone = standard ? IKE_CLONE_RFC7791 : IKE_CLONE_KEEP_OLD;
        scenario_watch(world);
        both_connect(both);
        both_run(both, SECONDS(15)); /* the surplus goes */
        settled(both);
        assert_int_equal(scenario_count(world, standard ? "b -> a CREATE_CHILD_SA request: "
                                                          "N(CLONE_IKE_SA) SA(IKE) NONCE KE"
                                                        : "b -> a CREATE_CHILD_SA request: "
                                                          "N(KEEP_OLD_IKE_SA Q=1 code=0) SA(IKE)"),
                         1);
        /* the roles are those of the session, also after rekeys by either end */
        rekey_all(both, &world->a);
        rekey_all(both, &world->b);
        settled(both);
        both_link_set(both, 0, false);
        both_run(both, SECONDS(5));
        assert_int_not_equal(both_carrier_link(both), 0);
        both_link_set(both, 0, true);
        both_until_all_up(both, SECONDS(20));
        settled(both);
        both_free(both);
    }
}

/* The Gateway's request overtakes the response to IKE_AUTH, and is not repeated: it was kept. */
static unsigned auths, requests;
static enum scenario_fate overtake(struct world *world, bool to_b, struct message *m)
{
    bool response = (m->header.flags & IKE_FLAG_RESPONSE) != 0;
    (void)world;
    if (!to_b && response && m->header.exchange == WIRE_IKE_AUTH)
        return auths++ == 0 ? SCENARIO_LOST : SCENARIO_PASS;
    if (!to_b && !response && m->header.exchange == WIRE_CREATE_CHILD_SA)
        return requests++ == 0 ? SCENARIO_PASS : SCENARIO_LOST;
    return SCENARIO_PASS;
}

static void test_overtaken(void **state)
{
    (void)state;
    for (int reduced = 0; reduced < 2; reduced++) {
        struct both *both = gateway_moves(2, 170);
        struct world *world = both->world;
        auths = requests = 0;
        if (!reduced) {
            world->conn_a->reduced = world->conn_b->reduced = IKE_REDUCED_OFF;
            world->conn_a->combined_auth = false;
            world->conn_b->gateway_clones = true;
        }
        scenario_edit(world, overtake);
        both_connect(both);
        both_run(both, SECONDS(8));
        settled(both);
        assert_int_equal(scenario_count(world, "a1 -> b CREATE_CHILD_SA response: SA(ESP)"),
                         reduced);
        assert_int_equal(
            scenario_count(world, "a -> b CREATE_CHILD_SA response: N(KEEP_OLD_IKE_SA"), !reduced);
        both_free(both);
    }
}

/* A clone that came with the login is enough, and one address of the peer is as well. */
static void test_gateway_need_not_clone(void **state)
{
    (void)state;
    for (int with_login = 0; with_login < 2; with_login++) {
        struct both *both = both_new(2, 160);
        both->world->conn_b->gateway_clones = true;
        both->announce = with_login;
        both->world->conn_a->combined_auth = both->world->conn_b->combined_auth = with_login;
        scenario_watch(both->world);
        both_connect(both);
        both_run(both, SECONDS(2));
        settled(both);
        assert_int_equal(scenario_count(both->world, "b -> a CREATE_CHILD_SA request"), 0);
        both_free(both);
    }
}

/* --- figures 2 and 3: n x m pairs of addresses --- */

/* pairs_taken - asserts that no two IKE SAs have the same pair of addresses; counts what of each
 * end is used. */
static unsigned pairs_taken(const struct both *both, unsigned *ret_links, unsigned *ret_remotes)
{
    struct ike_sa_info sas[16], info;
    unsigned n = 0;
    for (ike_sa_id id = 0; ike_sa_next(both->world->a.ike, id, &info); id = info.id)
        if (info.life == IKE_ESTABLISHED && n < ARRAY_LEN(sas))
            sas[n++] = info;
    *ret_links = *ret_remotes = 0;
    for (unsigned i = 0; i < n; i++) {
        bool new_link = true, new_remote = true;
        for (unsigned k = 0; k < i; k++) {
            bool link = address_equal(&sas[i].path.local.address, &sas[k].path.local.address);
            bool remote = address_equal(&sas[i].path.remote.address, &sas[k].path.remote.address);
            assert_false(link && remote);
            new_link &= !link;
            new_remote &= !remote;
        }
        *ret_links += new_link;
        *ret_remotes += new_remote;
    }
    return n;
}

static void test_figures(void **state)
{
    static const struct {
        unsigned links, remotes, max;
        enum ike_mesh mesh;
        unsigned paths, up, links_used, remotes_used;
    } cases[] = {
        {1, 2, 8, IKE_MESH_PAIRS, 2, 2, 1, 2}, /* figure 2 */
        {1, 2, 8, IKE_MESH_FULL, 2, 2, 1, 2},  {1, 2, 8, IKE_MESH_FIRST, 1, 1, 1, 1},
        {2, 2, 8, IKE_MESH_FULL, 4, 4, 2, 2}, /* figure 3 */
        {2, 2, 8, IKE_MESH_PAIRS, 2, 2, 2, 2}, {2, 2, 8, IKE_MESH_FIRST, 2, 2, 2, 1},
        {3, 3, 16, IKE_MESH_FULL, 9, 9, 3, 3}, {2, 4, 8, IKE_MESH_FULL, 8, 8, 2, 4},
        {3, 2, 8, IKE_MESH_PAIRS, 3, 3, 3, 2}, {2, 3, 8, IKE_MESH_PAIRS, 3, 3, 2, 3},
        {2, 2, 2, IKE_MESH_FULL, 4, 2, 2, 2}, /* max_ike_sas: what fails together counts less */
        {2, 2, 3, IKE_MESH_FULL, 4, 3, 2, 2},  {3, 3, 3, IKE_MESH_FULL, 9, 3, 3, 3},
        {4, 8, 4, IKE_MESH_FULL, 16, 4, 4, 4},
    };
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
        size_t k = i / 2;
        struct both *both = both_new(cases[k].links, 200 + i);
        struct world *world = both->world;
        unsigned links, remotes;
        struct path_status status;
        size_t n = 0;
        world->conn_a->mesh = cases[k].mesh;
        world->conn_a->max_ike_sas = world->conn_b->max_ike_sas = cases[k].max;
        both->n_remotes = cases[k].remotes;
        both->announce = i % 2 == 0;
        /* learned, or configured */
        for (unsigned r = 1; !both->announce && r < both->n_remotes; r++) {
            struct ike_remote *remote =
                &world->conn_a->remote_addrs[world->conn_a->n_remote_addrs++];
            remote->range.first = remote->range.last = both_remote(r);
        }
        /* with the same rank as each other */
        for (uint8_t p = 0; p < world->conn_a->n_paths; p++)
            world->conn_a->paths[p].priority = 1;
        both_connect(both);
        both_run(both, SECONDS(20));
        assert_int_equal(pairs_taken(both, &links, &remotes), cases[k].up);
        assert_int_equal(links, cases[k].links_used);
        assert_int_equal(remotes, cases[k].remotes_used);
        assert_int_equal(world_n_children(&world->a), cases[k].up);
        while (path_manager_status(both->a.pm, n, &status))
            n++;
        assert_int_equal(n, cases[k].paths);
        assert_int_equal(both_logins(both), 1);
        both_free(both);
    }
}

/* Both ends clone, and there are several addresses at both: no pair is used twice. */
static void test_no_duplicates(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 12; seed++) {
        struct both *both = both_new(2, 300 + seed);
        struct world *world = both->world;
        unsigned links, remotes;
        world->conn_a->mesh = IKE_MESH_FULL;
        world->conn_b->gateway_clones = both->announce = true;
        both->n_remotes = 2;
        both->n_paths = 4;
        world->jitter_ns = MS(seed);
        world->duplicate_percent = seed % 3 * 10;
        both_connect(both);
        both_until_all_up(both, SECONDS(20));
        both_run(both, SECONDS(15));
        assert_int_equal(pairs_taken(both, &links, &remotes), 4);
        settled(both);
        both_free(both);
    }
}

/* The Gateway gets another address while all is up, and loses it again. */
static void test_new_address(void **state)
{
    (void)state;
    struct both *both = both_new(2, 320);
    struct address gateway[2] = {both_remote(0), both_remote(1)};
    both->world->conn_a->mesh = IKE_MESH_FULL;
    both->announce = true;
    both_connect(both);
    both_until_all_up(both, SECONDS(5));
    ike_local_addresses_set(both->world->b.ike, gateway, 2, both->world->now);
    both->n_paths = 4;
    both_until_all_up(both, SECONDS(5));
    settled(both);
    both_free(both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_gateway_moves),
        cmocka_unit_test(test_gateway_does_not),
        cmocka_unit_test(test_gateway_moves_lossy),
        cmocka_unit_test(test_gateway_cannot_reach),
        cmocka_unit_test(test_gateway_clones),
        cmocka_unit_test(test_overtaken),
        cmocka_unit_test(test_gateway_need_not_clone),
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_no_duplicates),
        cmocka_unit_test(test_new_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
