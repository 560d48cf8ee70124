/* SPDX-License-Identifier: Apache-2.0 */
/* Which traffic a Child SA is for (RFC 7296 section 2.9), between two endpoints. */
#include "exchange/scenario.h"
#include "ike/terms/identity.h"
#include "ike/terms/narrow.h"
#include "wire/payloads.h"

/* The policy that takes the first selectors, not the first policy that takes any. */
static void first_selector_decides(void **state)
{
    (void)state;
    struct world *world = world_new(8);
    struct ike_ts_fixed *asked = &world->conn_a->children[0].remote_ts.fixed;
    struct ike_child_policy *other = &world->conn_b->children[0];
    struct ike_child_info child;
    ike_child_set(&world->conn_b->children[1], other);
    world->conn_b->n_children = 2;
    strcpy(other->name, "other");
    assert_true(range_parse("10.2.0.0/16", &other->local_ts.fixed.ts[0].range));
    asked->n = 2;
    asked->ts[1] = asked->ts[0];
    assert_true(range_parse("10.1.0.5/32", &asked->ts[0].range));
    assert_true(range_parse("10.0.0.0/8", &asked->ts[1].range));
    scenario_login(world);
    assert_true(ike_child_get(world->b.ike, world_child(&world->b, 0), &child));
    assert_string_equal(child.policy->name, "net");
    assert_true(range_contains(&child.local_ts.ts[0].range, &asked->ts[0].range.first));
    scenario_end(world);
}

/* --- the packet that asked for the Child SA (section 2.9) --- */

static struct ike_ts_list asked_i, asked_r;
static enum scenario_fate look_for_selectors(struct world *world, bool to_b, struct message *m)
{
    size_t tsi = message_find(m, WIRE_PAYLOAD_TSi), tsr = message_find(m, WIRE_PAYLOAD_TSr);
    (void)world;
    if (!to_b || tsi == m->n)
        return SCENARIO_PASS;
    assert_true(ts_from_wire(message_body(m, tsi), &asked_i));
    assert_true(ts_from_wire(message_body(m, tsr), &asked_r));
    return SCENARIO_NOTED;
}

static struct ike_packet packet_of(const char *src, const char *dst)
{
    struct ike_packet packet = {.src_port = 4001, .dst_port = 80, .protocol = 6};
    assert_true(address_parse(src, &packet.src) && address_parse(dst, &packet.dst));
    return packet;
}

static enum ike_outcome login_for(struct world *world, const struct ike_packet *packet)
{
    return world_command(&world->a, (struct ike_command){.kind = IKE_CMD_CONNECT,
                                                         .conn = "office",
                                                         .packet = *packet,
                                                         .path = world_path(0)});
}

static void assert_first(const struct ike_ts_list *list, const struct address *host, uint16_t port)
{
    assert_int_equal(list->n, 2);
    assert_int_equal(list->ts[0].protocol, 6);
    assert_int_equal(list->ts[0].start_port, port);
    assert_int_equal(list->ts[0].end_port, port);
    assert_true(address_equal(&list->ts[0].range.first, host));
    assert_true(address_equal(&list->ts[0].range.last, host));
}

static void packet_comes_first(void **state)
{
    (void)state;
    struct world *world = world_new(17);
    struct ike_packet packet = packet_of("10.9.0.1", "10.1.0.5");
    struct ike_child_info child;
    world_start(world);
    scenario_edit(world, look_for_selectors);
    assert_int_equal(login_for(world, &packet), IKE_OK);
    assert_int_equal(asked_i.n, 1); /* the inner address is not known yet: any */
    assert_first(&asked_r, &packet.dst, 80);
    /* what was agreed on is the policy, not the packet beside it: other IKE SAs carry for it */
    assert_true(ike_child_get(world->a.ike, world_child(&world->a, 0), &child));
    assert_int_equal(child.remote_ts.n, 1);
    assert_int_equal(child.remote_ts.ts[0].protocol, 0);

    packet.src = child.local_ts.ts[0].range.first;
    struct ike_command create = {
        .kind = IKE_CMD_CREATE_CHILD, .sa = world_sa(&world->a, 0), .packet = packet};
    assert_int_equal(world_command(&world->a, create), IKE_OK);
    assert_first(&asked_i, &packet.src, 4001);
    assert_first(&asked_r, &packet.dst, 80);
    /* section 2.9.2: a rekey asks for what is in use, and for no packet */
    assert_int_equal(scenario_on_child(&world->a, IKE_CMD_REKEY_CHILD, world_child(&world->a, 1)),
                     IKE_OK);
    assert_int_equal(asked_i.n, 1);
    assert_int_equal(asked_r.n, 1);
    create.packet = packet_of("10.9.0.1", "10.77.0.5"); /* the policy does not take it */
    assert_int_equal(world_command(&world->a, create), IKE_OK);
    assert_int_equal(asked_r.n, 1);
    scenario_end(world);
}

/* A Gateway with a policy for each net: the packet says which. */
static void packet_decides(void **state)
{
    (void)state;
    struct world *world = world_new(18);
    struct ike_packet packet = packet_of("10.9.0.1", "10.1.0.5");
    struct ike_child_policy *other = &world->conn_b->children[0];
    struct ike_child_info child;
    ike_child_set(&world->conn_b->children[1], other);
    world->conn_b->n_children = 2;
    strcpy(other->name, "other");
    assert_true(range_parse("10.2.0.0/16", &other->local_ts.fixed.ts[0].range));
    assert_true(range_parse("10.0.0.0/8", &world->conn_a->children[0].remote_ts.fixed.ts[0].range));
    world_start(world);
    assert_int_equal(login_for(world, &packet), IKE_OK);
    assert_true(ike_child_get(world->b.ike, world_child(&world->b, 0), &child));
    assert_string_equal(child.policy->name, "net");
    scenario_end(world);
}

/* A responder that takes the packet and nothing else. */
static enum scenario_fate only_the_packet(struct world *world, bool to_b, struct message *m)
{
    size_t tsr = message_find(m, WIRE_PAYLOAD_TSr);
    (void)world;
    if (!to_b || tsr == m->n)
        return SCENARIO_PASS;
    uint8_t *count = message_octets(m, tsr);
    count[0] = 1; /* of two */
    struct span body = message_body(m, tsr);
    uint8_t first[4 + 16];
    memcpy(first, body.ptr, sizeof(first));
    message_remove(m, tsr);
    message_insert(m, tsr, WIRE_PAYLOAD_TSr, span_of(first, sizeof(first)));
    return SCENARIO_CHANGED;
}

static void narrowed_to_the_packet(void **state)
{
    (void)state;
    struct world *world = world_new(19);
    struct ike_packet packet = packet_of("10.9.0.1", "10.1.0.5");
    struct ike_child_info child;
    world_start(world);
    scenario_edit(world, only_the_packet);
    assert_int_equal(login_for(world, &packet), IKE_OK);
    assert_true(ike_child_get(world->a.ike, world_child(&world->a, 0), &child));
    assert_int_equal(child.remote_ts.n, 1);
    assert_int_equal(child.remote_ts.ts[0].start_port, 80);
    assert_true(address_equal(&child.remote_ts.ts[0].range.first, &packet.dst));
    scenario_end(world);
}

/* Without inner addresses the selectors are outer ones. They move with the only IKE SA of the session,
 * at both ends and through a rekey, whether the peer can clone or not. Once there was a clone, they
 * are those of the session, even after the clone has ended. */
static void selectors_follow(void **state)
{
    (void)state;
    static const struct {
        enum ike_clone clone;
        bool cloned, ended;
    } rows[] = {
        {IKE_CLONE_OFF, false, false},
        {IKE_CLONE_BOTH, false, false},
        {IKE_CLONE_BOTH, true, false},
        {IKE_CLONE_BOTH, true, true},
    };
    for (unsigned row = 0; row < ARRAY_LEN(rows); row++) {
        struct world *world = world_new(61 + row);
        world->conn_a->n_vips = 0;
        world->conn_b->n_pools = 0;
        world->conn_b->clone = rows[row].clone;
        scenario_login(world);
        ike_sa_id sa = world_sa(&world->a, 0);
        ike_sa_id clone = rows[row].cloned ? scenario_clone(&world->a, sa) : 0;
        if (rows[row].ended)
            assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_DELETE_IKE, clone), IKE_OK);
        for (unsigned i = 1; i <= 2; i++) {
            struct ike_child_info a = {0}, b = {0};
            scenario_move(world, sa, i);
            assert_int_equal(scenario_on_child(i == 1 ? &world->a : &world->b, IKE_CMD_REKEY_CHILD,
                                               world_child(i == 1 ? &world->a : &world->b, 0)),
                             IKE_OK);
            world_run(world, 10 * NANOS_PER_SEC);
            assert_true(ike_child_next(world->a.ike, 0, &a) && ike_child_next(world->b.ike, 0, &b));
            const struct address home = world_path(rows[row].cloned ? 0 : i).local.address;
            assert_int_equal(a.local_ts.n, 1);
            assert_true(address_equal(&a.local_ts.ts[0].range.first, &home));
            assert_true(address_equal(&a.local_ts.ts[0].range.last, &home));
            assert_memory_equal(&a.local_ts, &b.remote_ts, sizeof(a.local_ts));
            assert_memory_equal(&a.remote_ts, &b.local_ts, sizeof(a.remote_ts));
        }
        scenario_end(world);
    }
}

/* A move, then a clone while the request by which the Gateway checks the new address is lost. The Gateway's
 * half of the clone comes first, and its half of the move later. */
static enum scenario_fate lose_the_check(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    bool check =
        !to_b && !ike_header_response(&m->header) && message_find_notify(m, N_COOKIE2) != m->n;
    return check ? SCENARIO_LOST : SCENARIO_PASS;
}

static void cloned_before_the_check(void **state)
{
    (void)state;
    struct world *world = world_new(66);
    struct ike_child_info a = {0}, b = {0};
    world->conn_a->n_vips = 0;
    world->conn_b->n_pools = 0;
    scenario_login(world);
    struct ike_command move = {
        .kind = IKE_CMD_MOVE, .sa = world_sa(&world->a, 0), .path = world_path(1)};
    scenario_edit(world, lose_the_check);
    assert_int_equal(world_command(&world->a, move), IKE_OK);
    (void)scenario_clone(&world->a, move.sa);
    assert_int_equal(world->b.counts[IKE_EV_CHILD_MOVE], 0);
    scenario_edit(world, NULL);
    world_run(world, 30 * NANOS_PER_SEC);
    assert_int_equal(world->b.counts[IKE_EV_CHILD_MOVE], 1);
    assert_true(ike_child_next(world->a.ike, 0, &a) && ike_child_next(world->b.ike, 0, &b));
    assert_true(address_equal(&a.local_ts.ts[0].range.first, &move.path.local.address));
    assert_memory_equal(&a.local_ts, &b.remote_ts, sizeof(a.local_ts));
    assert_memory_equal(&a.remote_ts, &b.local_ts, sizeof(a.remote_ts));
    scenario_end(world);
}

/* strongSwan rekeys before it answers the move that made it do so. */
static bool answers_are_lost;

static enum scenario_fate lose_answers_to_a(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    return answers_are_lost && !to_b && ike_header_response(&m->header) ? SCENARIO_LOST
                                                                        : SCENARIO_PASS;
}

static void rekey_before_the_answer(void **state)
{
    (void)state;
    struct world *world = world_new(63);
    struct ike_child_info a = {0}, b = {0};
    world->conn_a->n_vips = 0;
    world->conn_b->n_pools = 0;
    world->conn_b->clone = IKE_CLONE_OFF;
    scenario_login(world);
    scenario_edit(world, lose_answers_to_a);
    answers_are_lost = true;
    uint64_t move = world_post(&world->a, (struct ike_command){.kind = IKE_CMD_MOVE,
                                                               .sa = world_sa(&world->a, 0),
                                                               .path = world_path(1)});
    world_run(world, NANOS_PER_SEC);
    assert_int_equal(scenario_on_child(&world->b, IKE_CMD_REKEY_CHILD, world_child(&world->b, 0)),
                     IKE_OK);
    assert_null(world_done(&world->a, move));
    answers_are_lost = false;
    world_run(world, 30 * NANOS_PER_SEC);
    assert_int_equal(world_done(&world->a, move)->outcome, IKE_OK);
    assert_true(ike_child_next(world->a.ike, 0, &a) && ike_child_next(world->b.ike, 0, &b));
    const struct address there = world_path(1).local.address;
    assert_true(address_equal(&a.local_ts.ts[0].range.first, &there));
    assert_memory_equal(&a.local_ts, &b.remote_ts, sizeof(a.local_ts));
    assert_memory_equal(&a.remote_ts, &b.local_ts, sizeof(a.remote_ts));
    scenario_end(world);
}

/* --- what a peer may have --- */

static unsigned children_of_b(struct world *world)
{
    struct ike_child_info child = {0};
    unsigned n = 0;
    while (ike_child_next(world->b.ike, child.id, &child))
        n++;
    return n;
}

/* T3: the NAT's address stands for all hosts behind it: none of them is given it. */
static void no_outer_address_behind_a_nat(void **state)
{
    (void)state;
    for (int nat = 0; nat < 2; nat++) {
        struct world *world = world_new(71);
        world->conn_a->n_vips = 0;
        world->conn_b->n_pools = 0;
        world->nat_port = nat ? 20000 : 0;
        if (nat) /* it asks for more than it has */
            assert_true(range_parse("203.0.113.0/24",
                                    &world->conn_a->children[0].local_ts.fixed.ts[0].range));
        world->conn_a->children[0].local_ts.fixed.n = (uint8_t)nat;
        world_start(world);
        assert_int_equal(world_connect(world), nat ? IKE_TS_REFUSED : IKE_OK);
        assert_int_equal(world->b.counts[IKE_EV_NOTICE], nat); /* which says why */
        assert_int_equal(children_of_b(world), nat ? 0 : 1);
        world_free(world);
    }
}

/* second_login - another login from `a`, as somebody else if `user` is given. */
static void second_login(struct world *world, unsigned path, const char *user,
                         enum ike_outcome expected)
{
    struct ike_conn *conn = ike_conn_new();
    ike_conn_set(conn, world->conn_a);
    strcpy(conn->name, "second");
    if (user != NULL)
        assert_int_equal(identity_parse(user, &conn->local[0].id), 0);
    assert_int_equal(ike_conn_add(world->a.ike, conn), 0);
    struct ike_command connect = {
        .kind = IKE_CMD_CONNECT, .conn = "second", .path = world_path(path)};
    enum ike_outcome outcome = world_command(&world->a, connect);
    assert_int_equal(outcome, expected);
    ike_conn_unref(conn);
}

/* A peer that forces encapsulation gets its own address if it asks for this address alone, with the
 * ports of a host without a NAT. */
static void own_address_with_encap(void **state)
{
    static const struct {
        uint16_t nat_port;
        const char *asked; /* instead of its address; NULL: its address alone */
        bool beside;       /* its address as well */
        enum ike_outcome want;
    } rows[] = {
        {0, NULL, false, IKE_OK},
        {0, "203.0.113.0/24", true, IKE_TS_REFUSED},
        {20000, "203.0.113.7", false, IKE_TS_REFUSED}, /* the address of the NAT */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world *world = world_new(74);
        struct ike_ts_policy *asked = &world->conn_a->children[0].local_ts;
        world->conn_a->n_vips = 0;
        world->conn_b->n_pools = 0;
        world->conn_a->encap = true;
        world->nat_port = rows[i].nat_port;
        if (rows[i].asked != NULL) {
            assert_true(range_parse(rows[i].asked, &asked->fixed.ts[0].range));
            asked->fixed.n = 1;
            asked->n_dynamic = rows[i].beside;
        }
        world_start(world);
        assert_int_equal(world_connect(world), rows[i].want);
        assert_int_equal(children_of_b(world), rows[i].want == IKE_OK);
        assert_true(scenario_sa(&world->b, world_sa(&world->b, 0)).nat_remote);
        world_free(world);
    }
}

/* Behind one address the first identity keeps it. */
static void own_address_of_two(void **state)
{
    (void)state;
    struct world *world = world_new(74);
    world->conn_a->n_vips = 0;
    world->conn_b->n_pools = 0;
    world->conn_a->encap = true;
    world_start(world);
    assert_int_equal(world_connect(world), IKE_OK);
    second_login(world, 0, "bert.user.example", IKE_TS_REFUSED);
    assert_int_equal(children_of_b(world), 1);
    world_free(world);
}

/* T3: nor by a move there. What it had before is all that it has. */
static void no_nat_address_by_a_move(void **state)
{
    (void)state;
    struct world *world = world_new(73);
    struct ike_child_info b = {0};
    world->conn_a->n_vips = 0;
    world->conn_b->n_pools = 0;
    world->conn_b->clone = IKE_CLONE_OFF;
    scenario_login(world);
    world->nat_port = 20000;
    scenario_move(world, world_sa(&world->a, 0), 1);
    world_run(world, 10 * NANOS_PER_SEC); /* the Gateway asks the new address first */
    assert_int_equal(scenario_sa(&world->b, world_sa(&world->b, 0)).path.remote.port, 20001);
    assert_true(ike_child_next(world->b.ike, 0, &b));
    const struct address before = world_path(0).local.address;
    assert_int_equal(b.remote_ts.n, 1);
    assert_true(address_equal(&b.remote_ts.ts[0].range.first, &before));
    assert_true(address_equal(&b.remote_ts.ts[0].range.last, &before));
    world_free(world);
}

/* RFC 7296 section 3.15.4: where pools are served, a peer has to ask for an inner address. */
static void pools_demand_cp(void **state)
{
    (void)state;
    struct world *world = world_new(72);
    world->conn_a->n_vips = 0;
    world_start(world);
    scenario_watch(world);
    assert_int_equal(world_connect(world), IKE_ADDRESS_FAILURE);
    assert_true(scenario_count(world, "N(FAILED_CP_REQUIRED)") > 0);
    assert_int_equal(children_of_b(world), 0);
    world_free(world);
}

/* T6: of two peers that want the same network the first one keeps it; the same peer may move. With
 * %unique each peer has packets of its own: then both have it. */
static void first_keeps_its_network(void **state)
{
    (void)state;
    for (int other = 0; other < 3; other++) {
        struct world *world = world_new(73);
        struct ike_child_policy *a = &world->conn_a->children[0], *b = &world->conn_b->children[0];
        world->conn_a->n_vips = 0;
        world->conn_b->n_pools = 0;
        world->conn_b->unique = IKE_UNIQUE_NEVER;
        if (other == 2)
            b->mark_out = (struct ike_mark){.kind = IKE_MARK_UNIQUE, .mask = UINT32_MAX};
        struct ike_ts_policy *alike[] = {&a->local_ts, &b->remote_ts};
        for (size_t i = 0; i < 2; i++) {
            alike[i]->n_dynamic = 0;
            alike[i]->fixed.n = 1;
            alike[i]->fixed.ts[0] = b->local_ts.fixed.ts[0];
        }
        assert_true(range_parse("10.7.0.0/16", &b->remote_ts.fixed.ts[0].range));
        assert_true(range_parse("10.7.3.0/24", &a->local_ts.fixed.ts[0].range));
        world_start(world);
        assert_int_equal(world_connect(world), IKE_OK);
        assert_true(range_parse("10.7.0.0/16", &a->local_ts.fixed.ts[0].range));
        second_login(world, 1, other != 0 ? "bert.user.example" : NULL,
                     other == 1 ? IKE_TS_REFUSED : IKE_OK);
        assert_int_equal(children_of_b(world), other == 1 ? 1 : 2);
        world_free(world);
    }
}

/* T7: a rekey is held to the connection that is loaded now, whoever asks for it. */
static void rekey_after_the_policy_shrank(void **state)
{
    (void)state;
    for (int by_b = 0; by_b < 2; by_b++) {
        struct world *world = scenario_up(74);
        struct peer *by = by_b ? &world->b : &world->a;
        struct ike_conn *conn = ike_conn_copy(world->conn_b);
        struct ike_child_info child = {0};
        assert_true(range_parse("10.1.7.0/24", &conn->children[0].local_ts.fixed.ts[0].range));
        assert_int_equal(ike_conn_add(world->b.ike, conn), 0);
        assert_int_equal(scenario_on_child(by, IKE_CMD_REKEY_CHILD, world_child(by, 0)), IKE_OK);
        assert_true(ike_child_get(world->b.ike, world_child(&world->b, 0), &child));
        assert_int_equal(child.local_ts.n, 1);
        assert_memory_equal(&child.local_ts.ts[0].range,
                            &conn->children[0].local_ts.fixed.ts[0].range,
                            sizeof(struct address_range));
        conn->children[0].local_ts.fixed.ts[0].range.first.octets[1] = 99; /* nothing in common */
        conn->children[0].local_ts.fixed.ts[0].range.last.octets[1] = 99;
        assert_int_equal(scenario_on_child(by, IKE_CMD_REKEY_CHILD, world_child(by, 0)),
                         IKE_TS_REFUSED);
        ike_conn_unref(conn);
        scenario_end(world);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_selector_decides),   cmocka_unit_test(packet_comes_first),
        cmocka_unit_test(packet_decides),           cmocka_unit_test(narrowed_to_the_packet),
        cmocka_unit_test(selectors_follow),         cmocka_unit_test(cloned_before_the_check),
        cmocka_unit_test(rekey_before_the_answer),  cmocka_unit_test(no_outer_address_behind_a_nat),
        cmocka_unit_test(own_address_with_encap),   cmocka_unit_test(own_address_of_two),
        cmocka_unit_test(no_nat_address_by_a_move), cmocka_unit_test(pools_demand_cp),
        cmocka_unit_test(first_keeps_its_network),  cmocka_unit_test(rekey_after_the_policy_shrank),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
