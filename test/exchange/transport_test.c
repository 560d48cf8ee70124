/* SPDX-License-Identifier: Apache-2.0 */
/* Transport mode (RFC 7296 sections 1.3.1 and 2.23.1), between two endpoints. */
#include "exchange/scenario.h"
#include "ike/terms/identity.h"
#include "ike/terms/narrow.h"
#include "wire/payloads.h"

static const struct ike_ts_policy any_host = {.n_dynamic = 1,
                                              .dynamic = {{.end_port = UINT16_MAX}}};

/* policies_set - the same selectors at both ends. */
static void policies_set(struct ike_child_policy *child, const struct ike_ts_policy *policy)
{
    struct ike_ts_policy *both[] = {&child->local_ts, &child->remote_ts};
    for (size_t i = 0; i < 2; i++) {
        struct ike_ts *ts = both[i]->fixed.ts;
        *both[i] = *policy;
        both[i]->fixed.ts = ts; /* the room of the connection */
        for (uint8_t j = 0; j < policy->fixed.n; j++)
            ts[j] = policy->fixed.ts[j];
    }
}

/* hosts - both ends have `mode = transport` between their own addresses. */
static struct world *hosts(uint64_t seed)
{
    struct world *world = world_new(seed);
    struct ike_conn *conns[] = {world->conn_a, world->conn_b};
    world->conn_a->n_vips = 0;
    world->conn_b->n_pools = 0;
    for (size_t i = 0; i < 2; i++) {
        conns[i]->children[0].mode = IKE_MODE_TRANSPORT;
        policies_set(&conns[i]->children[0], &any_host);
    }
    return world;
}

static struct ike_child_info child_of(const struct peer *peer)
{
    struct ike_child_info child = {0};
    assert_true(ike_child_get(peer->ike, world_child(peer, 0), &child));
    return child;
}

static void assert_host(struct ike_ts_list ts, const char *address)
{
    const struct ike_ts_list *list = &ts;
    struct address host;
    assert_true(address_parse(address, &host));
    assert_int_equal(list->n, 1);
    assert_true(address_equal(&list->ts[0].range.first, &host));
    assert_true(address_equal(&list->ts[0].range.last, &host));
}

static void assert_modes(const struct world *world, bool transport)
{
    assert_true(child_of(&world->a).transport == transport);
    assert_true(child_of(&world->b).transport == transport);
}

static void both_want_it(void **state)
{
    (void)state;
    struct world *world = hosts(401);
    world_start(world);
    scenario_watch(world);
    assert_int_equal(world_connect(world), IKE_OK);
    assert_int_equal(scenario_count(world, "N(USE_TRANSPORT_MODE)"), 2);
    assert_modes(world, true);
    assert_host(child_of(&world->b).remote_ts, "192.0.2.1");
    assert_host(child_of(&world->b).local_ts, "198.51.100.1");
    for (int by_b = 0; by_b < 2; by_b++) {
        struct peer *by = by_b ? &world->b : &world->a;
        assert_int_equal(scenario_on_child(by, IKE_CMD_REKEY_CHILD, world_child(by, 0)), IKE_OK);
        assert_modes(world, true);
    }
    scenario_end(world);
}

/* Section 1.3.1: "If the responder declines the request, the Child SA will be established in tunnel
 * mode." And a peer that did not ask gets no transport mode. */
static void one_does_not(void **state)
{
    (void)state;
    for (int a_wants = 0; a_wants < 2; a_wants++) {
        struct world *world = hosts(402);
        struct ike_conn *other = a_wants ? world->conn_b : world->conn_a;
        other->children[0].mode = IKE_MODE_TUNNEL;
        world_start(world);
        assert_int_equal(world_connect(world), IKE_OK);
        assert_modes(world, false);
        scenario_end(world);
    }
}

/* Section 2.23.1, the client behind a NAT: each end has the addresses that it sees. */
static void behind_a_nat(void **state)
{
    (void)state;
    struct world *world = hosts(403);
    world->nat_port = 20000;
    world_start(world);
    assert_int_equal(world_connect(world), IKE_OK);
    assert_modes(world, true);
    assert_host(child_of(&world->a).local_ts, "192.0.2.1");
    assert_host(child_of(&world->a).remote_ts, "198.51.100.1");
    assert_host(child_of(&world->b).local_ts, "198.51.100.1");
    assert_host(child_of(&world->b).remote_ts, "203.0.113.7");
    for (int by_b = 0; by_b < 2; by_b++) {
        struct peer *by = by_b ? &world->b : &world->a;
        assert_int_equal(scenario_on_child(by, IKE_CMD_REKEY_CHILD, world_child(by, 0)), IKE_OK);
        assert_modes(world, true);
    }
    world_free(world);
}

/* Section 2.23.1: two clients behind one NAT have one address. The second one would get packets of
 * the first. */
static void two_behind_a_nat(void **state)
{
    (void)state;
    struct world *world = hosts(405);
    struct ike_conn *second = ike_conn_new();
    const struct ike_command connect = {
        .kind = IKE_CMD_CONNECT, .conn = "second", .path = world_path(0)};
    world->nat_port = 20000;
    world_start(world);
    assert_int_equal(world_connect(world), IKE_OK);
    ike_conn_set(second, world->conn_a);
    strcpy(second->name, "second");
    assert_int_equal(identity_parse("bert.user.example", &second->local[0].id), 0);
    assert_int_equal(ike_conn_add(world->a.ike, second), 0);
    assert_int_equal(world_command(&world->a, connect), IKE_TS_REFUSED);
    assert_int_equal(world_n_children(&world->b), 1);
    assert_host(child_of(&world->b).remote_ts, "203.0.113.7");
    ike_conn_unref(second);
    world_free(world);
}

/* The policy allows more than the two hosts: the client asks for them alone. */
static void wider_policies(void **state)
{
    (void)state;
    struct world *world = hosts(404);
    struct ike_conn *conns[] = {world->conn_a, world->conn_b};
    for (size_t i = 0; i < 2; i++) {
        struct ike_ts tcp = {.protocol = 6, .end_port = UINT16_MAX};
        const struct ike_ts_policy all = {.fixed = {1, &tcp}};
        assert_true(range_parse("0.0.0.0/0", &tcp.range));
        policies_set(&conns[i]->children[0], &all);
    }
    world_start(world);
    assert_int_equal(world_connect(world), IKE_OK);
    assert_modes(world, true);
    assert_host(child_of(&world->a).local_ts, "192.0.2.1");
    assert_host(child_of(&world->a).remote_ts, "198.51.100.1");
    assert_int_equal(child_of(&world->b).remote_ts.ts[0].protocol, 6);
    scenario_end(world);
}

/* The packet that asked for the Child SA comes first in the request, and the rest of the policy
 * behind it. */
static enum scenario_fate look_for_packet(struct world *world, bool to_b, struct message *m)
{
    struct ike_ts_list asked;
    size_t tsr = message_find(m, WIRE_PAYLOAD_TSr);
    (void)world;
    if (!to_b || tsr == m->n)
        return SCENARIO_PASS;
    assert_true(ts_from_wire(message_body(m, tsr), &asked));
    assert_int_equal(asked.n, 2);
    assert_int_equal(asked.ts[0].protocol, 6);
    assert_int_equal(asked.ts[0].start_port, 80);
    assert_int_equal(asked.ts[1].protocol, 0);
    return SCENARIO_NOTED;
}

static void packet_comes_first(void **state)
{
    (void)state;
    struct world *world = hosts(410);
    struct ike_command connect = {.kind = IKE_CMD_CONNECT,
                                  .conn = "office",
                                  .packet = {.src_port = 4001, .dst_port = 80, .protocol = 6},
                                  .path = world_path(0)};
    connect.packet.src = connect.path.local.address;
    connect.packet.dst = connect.path.remote.address;
    world_start(world);
    scenario_edit(world, look_for_packet);
    assert_int_equal(world_command(&world->a, connect), IKE_OK);
    assert_modes(world, true);
    scenario_end(world);
}

/* With an inner address the selectors are not those of the hosts: nobody asks for it. */
static void not_with_inner_addresses(void **state)
{
    (void)state;
    struct world *world = world_new(405);
    world->conn_a->children[0].mode = world->conn_b->children[0].mode = IKE_MODE_TRANSPORT;
    world_start(world);
    scenario_watch(world);
    assert_int_equal(world_connect(world), IKE_OK);
    assert_int_equal(scenario_count(world, "N(USE_TRANSPORT_MODE)"), 0);
    assert_modes(world, false);
    scenario_end(world);
}

/* --- hostile peers --- */

static enum scenario_fate add_to_answer(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (to_b || message_find(m, WIRE_PAYLOAD_TSi) == m->n)
        return SCENARIO_PASS;
    message_append_notify(m, N_USE_TRANSPORT_MODE, (struct span){0});
    return SCENARIO_CHANGED;
}

static void answered_unasked(void **state)
{
    (void)state;
    struct world *world = hosts(406);
    world->conn_a->children[0].mode = IKE_MODE_TUNNEL;
    world_start(world);
    scenario_edit(world, add_to_answer);
    assert_int_equal(world_connect(world), IKE_INVALID_SYNTAX);
    assert_int_equal(world_child(&world->a, 0), 0);
    world_free(world);
}

static void widen(struct message *m, uint8_t type)
{
    size_t at = message_find(m, type);
    struct ike_ts_list list;
    uint8_t *octets = message_octets(m, at);
    assert_true(ts_from_wire(message_body(m, at), &list));
    assert_int_equal(list.n, 1);
    memset(octets + 4 + 8, 0, 4);     /* the first address ... */
    memset(octets + 4 + 12, 0xff, 4); /* ... and the last one */
}

static enum scenario_fate widen_answer(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (to_b || message_find(m, WIRE_PAYLOAD_TSr) == m->n)
        return SCENARIO_PASS;
    widen(m, WIRE_PAYLOAD_TSr);
    return SCENARIO_CHANGED;
}

static void answered_wider(void **state)
{
    (void)state;
    for (int nat = 0; nat < 2; nat++) {
        struct world *world = hosts(407);
        world->nat_port = nat ? 20000 : 0;
        world_start(world);
        scenario_edit(world, widen_answer);
        assert_int_equal(world_connect(world), IKE_TS_REFUSED);
        assert_int_equal(world_child(&world->a, 0), 0);
        world_free(world);
    }
}

static enum scenario_fate widen_request(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (!to_b || message_find(m, WIRE_PAYLOAD_TSi) == m->n)
        return SCENARIO_PASS;
    widen(m, WIRE_PAYLOAD_TSi);
    return SCENARIO_CHANGED;
}

/* "The TSi entries MUST have exactly one IP address": else there is a tunnel, narrowed as any. */
static void asked_wider(void **state)
{
    (void)state;
    struct world *world = hosts(408);
    struct ike_child_info child = {0};
    world_start(world);
    scenario_edit(world, widen_request);
    (void)world_connect(world);
    assert_true(ike_child_next(world->b.ike, 0, &child));
    assert_false(child.transport);
    assert_host(child.remote_ts, "192.0.2.1");
    world_free(world);
}

/* A client behind a NAT that asks for all addresses gets none: no transport mode, and nothing
 * behind the NAT. */
static void asked_wider_behind_a_nat(void **state)
{
    (void)state;
    struct world *world = hosts(409);
    struct ike_child_info child = {0};
    world->nat_port = 20000;
    world_start(world);
    scenario_edit(world, widen_request);
    assert_int_equal(world_connect(world), IKE_TS_REFUSED);
    assert_false(ike_child_next(world->b.ike, 0, &child));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_want_it),
        cmocka_unit_test(one_does_not),
        cmocka_unit_test(behind_a_nat),
        cmocka_unit_test(two_behind_a_nat),
        cmocka_unit_test(wider_policies),
        cmocka_unit_test(packet_comes_first),
        cmocka_unit_test(not_with_inner_addresses),
        cmocka_unit_test(answered_unasked),
        cmocka_unit_test(answered_wider),
        cmocka_unit_test(asked_wider),
        cmocka_unit_test(asked_wider_behind_a_nat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
