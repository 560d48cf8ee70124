/* SPDX-License-Identifier: Apache-2.0 */
/* MOBIKE (RFC 4555) on the IKE SAs of a session, NATs, and requests that nobody waits for. */
#include <stdio.h>

#include "exchange/scenario.h"
#include "wire/payloads.h"

static enum ike_outcome move_to(struct world *world, ike_sa_id sa, struct ike_path path)
{
    struct ike_command command = {.kind = IKE_CMD_MOVE, .sa = sa, .path = path};
    return world_command(&world->a, command);
}

/* --- return routability (RFC 4555 section 3.7; M5) --- */

static bool at_b; /* whose check is spoiled */
static size_t cookie2_len;
static enum scenario_fate spoil_cookie2(struct world *world, bool to_b, struct message *m)
{
    size_t at = message_find_notify(m, N_COOKIE2);
    (void)world;
    if (to_b != at_b || !ike_header_response(&m->header) || at == m->n)
        return SCENARIO_PASS;
    uint8_t copy[16];
    memcpy(copy, message_octets(m, at) + 4, sizeof(copy));
    copy[0] ^= 1;
    message_remove(m, at);
    if (cookie2_len > 0)
        message_append_notify(m, N_COOKIE2, span_of(copy, cookie2_len));
    return SCENARIO_CHANGED;
}

static void wrong_cookie2(void **state)
{
    (void)state;
    static const size_t lengths[] = {16, 15, 0};
    for (int b = 0; b < 2; b++)
        for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
            struct world *world = scenario_up(1);
            ike_sa_id first = world_sa(&world->a, 0);
            ike_sa_id second = scenario_clone(&world->a, first);
            scenario_create(&world->a, second);
            at_b = b == 1;
            cookie2_len = lengths[i];
            scenario_edit(world, spoil_cookie2);
            enum ike_outcome outcome = move_to(world, second, world_path(1));
            assert_int_equal(outcome, at_b ? IKE_OK : IKE_ROUTABILITY_FAILED);
            /* that IKE SA is closed; its sibling lives */
            struct peer *closer = at_b ? &world->b : &world->a;
            assert_int_equal(world_n_sas(closer), 1);
            assert_int_equal(world_n_children(closer), 1);
            assert_int_equal(closer->counts[IKE_EV_SESSION_DOWN], 0);
            assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, first), IKE_OK);
            world_free(world);
        }
}

/* OpenIKED reflects COOKIE2 with Protocol ID 1. */
static enum scenario_fate cookie2_of_openiked(struct world *world, bool to_b, struct message *m)
{
    size_t at = message_find_notify(m, N_COOKIE2);
    (void)world;
    if (to_b || !ike_header_response(&m->header) || at == m->n)
        return SCENARIO_PASS;
    message_octets(m, at)[0] = WIRE_PROTO_IKE;
    return SCENARIO_CHANGED;
}

static void liberal_cookie2(void **state)
{
    (void)state;
    struct world *world = scenario_up(2);
    scenario_edit(world, cookie2_of_openiked);
    scenario_move(world, world_sa(&world->a, 0), 1);
    scenario_end(world);
}

/* M6: nothing goes to the new address before it answered from there. */
static enum scenario_fate lose_answers_to_b(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    return to_b && ike_header_response(&m->header) ? SCENARIO_LOST : SCENARIO_PASS;
}

static void no_traffic_before_the_check(void **state)
{
    (void)state;
    struct world *world = scenario_up(3);
    scenario_edit(world, lose_answers_to_b);
    scenario_watch(world);
    assert_int_equal(move_to(world, world_sa(&world->a, 0), world_path(1)), IKE_OK);
    world_run(world, 5 * NANOS_PER_SEC);
    assert_int_equal(world->b.counts[IKE_EV_CHILD_MOVE], 0);
    assert_int_equal(world->b.counts[IKE_EV_SA_MOVED], 0);
    /* M7: what a third party at that address would get */
    assert_true(scenario_count(world, "b -> a1 INFORMATIONAL request: N(COOKIE2)") <= 4);
    scenario_edit(world, NULL);
    world_run(world, 30 * NANOS_PER_SEC);
    assert_int_equal(world->b.counts[IKE_EV_CHILD_MOVE], 1);
    scenario_end(world);
}

/* --- who may move, and where to --- */

static enum scenario_fate add_update(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (to_b || ike_header_response(&m->header))
        return SCENARIO_PASS;
    message_append_notify(m, N_UPDATE_SA_ADDRESSES, (struct span){0});
    return SCENARIO_CHANGED;
}

static void gateway_does_not_move(void **state)
{
    (void)state;
    struct world *world = scenario_up(4);
    scenario_edit(world, add_update);
    scenario_watch(world);
    assert_int_equal(scenario_on_sa(&world->b, IKE_CMD_PROBE, world_sa(&world->b, 0)), IKE_OK);
    EXPECT_MESSAGES(world, "#1 b -> a INFORMATIONAL request: N(UPDATE_SA_ADDRESSES)",
                    "#1 a -> b INFORMATIONAL response: -");
    assert_int_equal(world->a.counts[IKE_EV_SA_MOVED], 0);
    scenario_end(world);
}

static void unacceptable(void **state)
{
    (void)state;
    struct world *world = scenario_up(5);
    ike_sa_id sa = world_sa(&world->a, 0);
    struct ike_path path = world_path(0);
    assert_true(address_parse("169.254.1.1", &path.local.address));
    scenario_watch(world);
    assert_int_equal(move_to(world, sa, path), IKE_UNACCEPTABLE_ADDRESSES);
    /* section 4.2.5: COOKIE2 goes back also with a refusal */
    assert_int_equal(scenario_count(world, "response: N(UNACCEPTABLE_ADDRESSES) N(COOKIE2)"), 1);
    assert_int_equal(world->a.counts[IKE_EV_SA_MOVED], 0);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, sa), IKE_OK);
    scenario_end(world);
}

static void to_another_family_and_back(void **state)
{
    (void)state;
    struct world *world = scenario_up(6);
    ike_sa_id sa = world_sa(&world->a, 0);
    scenario_watch(world);
    assert_int_equal(move_to(world, sa, world_path6(1)), IKE_OK);
    assert_int_equal(scenario_count(world, "#1 a1/v6 -> b/v6 INFORMATIONAL request"), 1);
    world_check(world);
    assert_int_equal(scenario_on_sa(&world->b, IKE_CMD_PROBE, world_sa(&world->b, 0)), IKE_OK);
    assert_int_equal(move_to(world, sa, world_path(0)), IKE_OK);
    assert_int_equal(scenario_on_child(&world->a, IKE_CMD_REKEY_CHILD, world_child(&world->a, 0)),
                     IKE_OK);
    scenario_end(world);
}

/* A move is of one IKE SA, and the last of two moves counts, at both ends. */
static void siblings_stay(void **state)
{
    (void)state;
    struct world *world = scenario_up(7);
    ike_sa_id first = world_sa(&world->a, 0);
    ike_sa_id second = scenario_clone(&world->a, first);
    for (unsigned i = 1; i <= 2; i++)
        world_post(&world->a,
                   (struct ike_command){.kind = IKE_CMD_MOVE, .sa = second, .path = world_path(i)});
    world_run(world, 2 * NANOS_PER_SEC);
    assert_int_equal(scenario_sa(&world->a, first).path.local.address.octets[3], 1);
    assert_int_equal(scenario_sa(&world->a, second).path.local.address.octets[3], 3);
    assert_int_equal(scenario_sa(&world->b, world_sa(&world->b, 1)).path.remote.address.octets[3],
                     3);
    assert_int_equal(world->b.counts[IKE_EV_CHILD_MOVE], 0);
    scenario_end(world);
}

/* --- additional addresses (section 3.4, 3.6; M9, M10) --- */

static void additional_addresses(void **state)
{
    (void)state;
    struct world *world = scenario_up(8);
    struct address list[12];
    static const char *const texts[12] = {"192.0.2.1", "192.0.2.2", "192.0.2.2",   "127.0.0.1",
                                          "224.0.0.1", "0.0.0.0",   "2001:db8::1", "fe80::1",
                                          "192.0.2.3", "192.0.2.4", "192.0.2.5",   "192.0.2.6"};
    for (size_t i = 0; i < 12; i++)
        assert_true(address_parse(texts[i], &list[i]));
    scenario_watch(world);
    ike_local_addresses_set(world->a.ike, list, 9, world->now);
    world_run(world, NANOS_PER_SEC);
    EXPECT_MESSAGES(world,
                    "#1 a -> b INFORMATIONAL request: N(ADDITIONAL_IP4_ADDRESS) "
                    "N(ADDITIONAL_IP4_ADDRESS) N(ADDITIONAL_IP6_ADDRESS) "
                    "N(ADDITIONAL_IP4_ADDRESS)",
                    "#1 b -> a INFORMATIONAL response: -");
    struct ike_sa_info info = scenario_sa(&world->b, world_sa(&world->b, 0));
    assert_int_equal(info.n_peer_addresses, 4); /* with the primary one, without doubles */
    assert_int_equal(world->b.counts[IKE_EV_PEER_ADDRESSES], 1);
    /* a clone has a copy */
    ike_sa_id clone = scenario_clone(&world->b, info.id);
    assert_int_equal(scenario_sa(&world->b, clone).n_peer_addresses, 4);
    scenario_watch(world);
    ike_local_addresses_set(world->a.ike, NULL, 0, world->now);
    world_run(world, NANOS_PER_SEC);
    assert_int_equal(scenario_count(world, "request: N(NO_ADDITIONAL_ADDRESSES)"), 2);
    assert_int_equal(scenario_sa(&world->b, info.id).n_peer_addresses, 1);
    scenario_end(world);
}

/* Section 3.6: what was sent from several addresses is sent once more. */
static void additional_addresses_from_two(void **state)
{
    (void)state;
    struct world *world = scenario_up(20);
    ike_sa_id sa = world_sa(&world->b, 0);
    struct ike_path other = world_path(0);
    struct address list[2] = {other.remote.address};
    assert_true(address_parse("198.51.100.2", &list[1]));
    scenario_watch(world);
    scenario_lose(world, 0);
    ike_local_addresses_set(world->b.ike, list, 2, world->now);
    world_drain(world);
    /* the End User goes to the Gateway's other address while the request is outstanding */
    other.remote.address = list[1];
    world_post(&world->a, (struct ike_command){
                              .kind = IKE_CMD_MOVE, .sa = world_sa(&world->a, 0), .path = other});
    world_run(world, 5 * NANOS_PER_SEC);
    EXPECT_MESSAGES(
        world, "#1 b -> a INFORMATIONAL request: N(ADDITIONAL_IP4_ADDRESS) (lost)",
        "#1 a -> b INFORMATIONAL request: N(UPDATE_SA_ADDRESSES) N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP) N(COOKIE2)",
        "#1 b -> a INFORMATIONAL response: N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP) N(COOKIE2)",
        "#1 b -> a INFORMATIONAL request: N(ADDITIONAL_IP4_ADDRESS)",
        "#1 a -> b INFORMATIONAL response: -", "#1 b -> a INFORMATIONAL request: N(COOKIE2)",
        "#1 a -> b INFORMATIONAL response: N(COOKIE2)",
        /* the new one, in its turn */
        "#1 b -> a INFORMATIONAL request: N(ADDITIONAL_IP4_ADDRESS)",
        "#1 a -> b INFORMATIONAL response: -");
    struct ike_sa_info info = scenario_sa(&world->a, world_sa(&world->a, 0));
    assert_int_equal(info.n_peer_addresses, 2);
    assert_int_equal(scenario_sa(&world->b, sa).path.local.address.octets[3], 2);
    scenario_end(world);
}

/* --- NATs --- */

/* Section 3.8: a mapping that changed since the last move is noticed by the first probe. */
static void rebound_since_the_move(void **state)
{
    (void)state;
    struct world *world = world_new(21);
    world->nat_port = 20000;
    scenario_login(world);
    ike_sa_id a = world_sa(&world->a, 0);
    assert_int_equal(move_to(world, a, world_path(0)), IKE_OK);
    scenario_watch(world);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, a), IKE_OK);
    assert_int_equal(scenario_count(world, "N(UPDATE_SA_ADDRESSES)"), 0);
    assert_int_equal(move_to(world, a, world_path(0)), IKE_OK);
    world->nat_port = 30000;
    scenario_watch(world);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, a), IKE_OK);
    world_run(world, NANOS_PER_SEC);
    assert_int_equal(scenario_count(world, "N(UPDATE_SA_ADDRESSES)"), 1);
    assert_int_equal(scenario_sa(&world->b, world_sa(&world->b, 0)).path.remote.port, 30001);
    world_free(world);
}

static void behind_a_nat(void **state)
{
    (void)state;
    for (int mobike = 0; mobike < 2; mobike++) {
        struct world *world = world_new(9);
        world->conn_a->mobike = mobike == 1;
        world->nat_port = 20000;
        scenario_login(world);
        ike_sa_id a = world_sa(&world->a, 0), b = world_sa(&world->b, 0);
        assert_true(scenario_sa(&world->a, a).nat_local && !scenario_sa(&world->a, a).nat_remote);
        assert_true(scenario_sa(&world->b, b).nat_remote && !scenario_sa(&world->b, b).nat_local);
        struct ike_child_info child;
        assert_true(ike_child_get(world->b.ike, world_child(&world->b, 0), &child));
        assert_true(child.udp_encap);
        assert_int_equal(scenario_sa(&world->b, b).path.remote.port, 20001);
        /* before the Gateway's view of our address is known: it comes with the first probe */
        world->nat_port = 30000;
        scenario_watch(world);
        assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, a), IKE_OK);
        /* RFC 4555 section 3.8: an update; RFC 7296 section 2.23: the Gateway follows */
        assert_int_equal(scenario_count(world, "N(UPDATE_SA_ADDRESSES)"), mobike);
        assert_int_equal(scenario_sa(&world->b, b).path.remote.port, 30001);
        assert_int_equal(world->b.counts[IKE_EV_CHILD_MOVE], 1);
        assert_int_equal(scenario_on_sa(&world->b, IKE_CMD_PROBE, b), IKE_OK);
        world_free(world);
    }
}

/* The same, seen by ESP: followed where it is the only word of it, and only then. */
static void rebound_seen_by_esp(void **state)
{
    (void)state;
    for (int mobike = 0; mobike < 2; mobike++) {
        struct world *world = world_new(10);
        world->conn_a->mobike = mobike == 1;
        world->nat_port = 20000;
        scenario_login(world);
        ike_sa_id b = world_sa(&world->b, 0);
        ike_child_id child = world_child(&world->b, 0);
        struct endpoint from = scenario_sa(&world->b, b).path.remote, nobody = {0};
        unsigned moves = world->b.counts[IKE_EV_CHILD_MOVE];
        from.port = 30001;
        ike_peer_rebound(world->b.ike, child, &nobody, world->now);
        ike_peer_rebound(world->b.ike, child + 1000, &from, world->now);
        world_run(world, NANOS_PER_MS);
        assert_int_equal(scenario_sa(&world->b, b).path.remote.port, 20001);
        world->nat_port = 30000;
        ike_peer_rebound(world->b.ike, child, &from, world->now);
        world_run(world, NANOS_PER_MS);
        assert_int_equal(scenario_sa(&world->b, b).path.remote.port, mobike ? 20001 : 30001);
        assert_int_equal(world->b.counts[IKE_EV_CHILD_MOVE], moves + (mobike ? 0 : 1));
        /* who is behind the NAT does not follow the other one */
        from.port = 40000;
        ike_peer_rebound(world->a.ike, world_child(&world->a, 0), &from, world->now);
        world_run(world, NANOS_PER_MS);
        assert_int_equal(world->a.counts[IKE_EV_SA_MOVED], 0);
        world_free(world);
    }
}

/* RFC 7296 section 2.23, of encapsulation: "Either side can decide"; without a NAT and a word of
 * what the peer likes we send without, until it shows that it does otherwise. */
static void encapsulation_follows(void **state)
{
    (void)state;
    struct world *world = world_new(10);
    world->conn_a->clone = world->conn_b->clone = IKE_CLONE_RFC7791;
    scenario_login(world);
    ike_child_id child = world_child(&world->b, 0);
    struct ike_child_info info;
    struct endpoint from = scenario_sa(&world->b, world_sa(&world->b, 0)).path.remote;
    struct endpoint elsewhere = from;
    assert_int_equal(from.port, 4500);
    elsewhere.port = 666; /* where nothing of IKE came from: it may be anybody's doing */
    ike_peer_encapsulates(world->b.ike, child, &elsewhere, world->now);
    ike_peer_encapsulates(world->b.ike, child + 1000, &from, world->now);
    assert_true(ike_child_get(world->b.ike, child, &info) && !info.udp_encap);
    unsigned moves = world->b.counts[IKE_EV_CHILD_MOVE];
    for (int i = 0; i < 2; i++) {
        ike_peer_encapsulates(world->b.ike, child, &from, world->now);
        world_run(world, NANOS_PER_MS);
        assert_true(ike_child_get(world->b.ike, child, &info) && info.udp_encap);
        assert_int_equal(world->b.counts[IKE_EV_CHILD_MOVE], moves + 1);
    }
    /* and so do those that come after it */
    assert_int_equal(scenario_on_sa(&world->b, IKE_CMD_REKEY_IKE, world_sa(&world->b, 0)), IKE_OK);
    child = world_child(&world->b, 0);
    assert_int_equal(scenario_on_child(&world->b, IKE_CMD_REKEY_CHILD, child), IKE_OK);
    world_run(world, NANOS_PER_SEC);
    assert_true(ike_child_get(world->b.ike, world_child(&world->b, 0), &info) && info.udp_encap);
    assert_true(world_child(&world->b, 0) != child);
    world_free(world);
}

/* A host behind a NAT itself does not follow, nor one whose peer is not behind one; nor after a
 * message that is a replay. */
static struct ike_datagram kept;
static bool keep_requests_of_a(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    if (to_b && d->octets[18] == WIRE_INFORMATIONAL)
        kept = *d;
    return true;
}

static bool stays(const struct world *world, ike_sa_id sa, const struct ike_path *path)
{
    struct ike_sa_info info = scenario_sa(&world->b, sa);
    return memcmp(&info.path, path, sizeof(*path)) == 0;
}

static void follows_nobody_else(void **state)
{
    (void)state;
    for (int nat = 0; nat < 2; nat++) {
        struct world *world = world_new(10);
        world->conn_a->mobike = false;
        world->nat_port = nat ? 20000 : 0;
        scenario_login(world);
        ike_sa_id a = world_sa(&world->a, 0), b = world_sa(&world->b, 0);
        world->hook = keep_requests_of_a;
        assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, a), IKE_OK);
        struct ike_path before = scenario_sa(&world->b, b).path, elsewhere = before;
        elsewhere.remote.port = 666;
        /* a replay, and one with a wrong ICV */
        world_deliver_raw(world, true, &elsewhere, span_of(kept.octets, kept.len));
        kept.octets[23]++;
        world_deliver_raw(world, true, &elsewhere, span_of(kept.octets, kept.len));
        assert_true(stays(world, b, &before));
        if (!nat) {
            /* no NAT was there: a new and authentic request from elsewhere changes nothing */
            world->nat_port = 20000;
            world_post(&world->a, (struct ike_command){.kind = IKE_CMD_PROBE, .sa = a});
            world_run(world, 100 * NANOS_PER_MS);
            assert_true(stays(world, b, &before));
        }
        world_free(world);
    }
}

static enum scenario_fate forbid_nats(struct world *world, bool to_b, struct message *m)
{
    static const uint8_t pair[12] = {192, 0, 2, 2, 198, 51, 100, 1, 0x11, 0x94, 0x11, 0x94};
    (void)world;
    if (!to_b || message_find_notify(m, N_UPDATE_SA_ADDRESSES) == m->n)
        return SCENARIO_PASS;
    message_append_notify(m, N_NO_NATS_ALLOWED, span_of(pair, sizeof(pair)));
    return SCENARIO_CHANGED;
}

/* M4, section 3.9 */
static void no_nats_allowed(void **state)
{
    (void)state;
    struct world *world = scenario_up(11);
    ike_sa_id sa = world_sa(&world->a, 0);
    scenario_edit(world, forbid_nats);
    scenario_watch(world);
    assert_int_equal(move_to(world, sa, world_path(1)), IKE_OK);
    assert_int_equal(move_to(world, sa, world_path(2)), IKE_UNEXPECTED_NAT);
    assert_int_equal(scenario_count(world, "response: N(UNEXPECTED_NAT_DETECTED) N(COOKIE2)"), 1);
    assert_int_equal(scenario_sa(&world->a, sa).path.local.address.octets[3], 2);
    scenario_end(world);
}

/* Section 3.9: the first IKE_AUTH request may forbid NATs as well. */
static enum scenario_fate forbid_nats_at_login(struct world *world, bool to_b, struct message *m)
{
    static const uint8_t pair[12] = {192, 0, 2, 1, 198, 51, 100, 1, 0x11, 0x94, 0x11, 0x94};
    (void)world;
    if (!to_b || m->header.exchange != WIRE_IKE_AUTH)
        return SCENARIO_PASS;
    message_append_notify(m, N_NO_NATS_ALLOWED, span_of(pair, sizeof(pair)));
    return SCENARIO_CHANGED;
}

static void no_nats_allowed_at_login(void **state)
{
    (void)state;
    for (int nat = 0; nat < 2; nat++) {
        struct world *world = world_new(17);
        world->nat_port = nat ? 20000 : 0;
        scenario_watch(world);
        scenario_edit(world, forbid_nats_at_login);
        world_start(world);
        assert_int_equal(world_connect(world), nat ? IKE_UNEXPECTED_NAT : IKE_OK);
        assert_int_equal(scenario_count(world, "response: N(UNEXPECTED_NAT_DETECTED)"), nat);
        assert_int_equal(world_n_sas(&world->b), !nat);
        assert_int_equal(world->b.n_leases, !nat);
        scenario_end(world);
    }
}

/* The same of the exchange that creates and moves, and an address that is none. */
static void create_moved_refused(void **state)
{
    (void)state;
    for (int nat = 0; nat < 2; nat++) {
        struct world *world = scenario_up(18);
        ike_sa_id second = scenario_clone(&world->a, world_sa(&world->a, 0));
        struct ike_command command = {
            .kind = IKE_CMD_CREATE_MOVED, .sa = second, .path = world_path(2)};
        if (nat)
            scenario_edit(world, forbid_nats);
        else
            assert_true(address_parse("169.254.1.1", &command.path.local.address));
        assert_int_equal(world_command(&world->a, command),
                         nat ? IKE_UNEXPECTED_NAT : IKE_UNACCEPTABLE_ADDRESSES);
        assert_int_equal(world_n_children(&world->b), 1);
        assert_int_equal(world->b.counts[IKE_EV_SA_MOVED], 0);
        scenario_edit(world, NULL);
        assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, second), IKE_OK);
        scenario_end(world);
    }
}

/* Section 4.2.1: what is in MOBIKE_SUPPORTED does not matter. */
static enum scenario_fate fill_mobike_supported(struct world *world, bool to_b, struct message *m)
{
    size_t at = message_find_notify(m, N_MOBIKE_SUPPORTED);
    (void)world;
    (void)to_b;
    if (at == m->n)
        return SCENARIO_PASS;
    assert_int_equal(message_body(m, at).len, 4); /* sent without data */
    message_remove(m, at);
    message_append_notify(m, N_MOBIKE_SUPPORTED, span_text("version 2"));
    return SCENARIO_CHANGED;
}

static void supported_with_data(void **state)
{
    (void)state;
    struct world *world = world_new(19);
    scenario_edit(world, fill_mobike_supported);
    scenario_login(world);
    scenario_edit(world, NULL);
    scenario_move(world, world_sa(&world->a, 0), 1);
    scenario_end(world);
}

/* --- create and move in one exchange (A-11, D-08 a) --- */

static void create_moved(void **state)
{
    (void)state;
    struct world *world = scenario_up(12);
    ike_sa_id second = scenario_clone(&world->a, world_sa(&world->a, 0));
    scenario_watch(world);
    struct ike_command command = {
        .kind = IKE_CMD_CREATE_MOVED, .sa = second, .path = world_path(1)};
    assert_int_equal(world_command(&world->a, command), IKE_OK);
    EXPECT_MESSAGES(
        world,
        "#2 a1 -> b CREATE_CHILD_SA request: SA(ESP) NONCE TSi TSr N(UPDATE_SA_ADDRESSES) "
        "N(NAT_DETECTION_SOURCE_IP) N(NAT_DETECTION_DESTINATION_IP)",
        "#2 b -> a1 CREATE_CHILD_SA response: SA(ESP) NONCE TSi TSr N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP)",
        "#2 b -> a1 INFORMATIONAL request: N(COOKIE2)",
        "#2 a1 -> b INFORMATIONAL response: N(COOKIE2)");
    assert_int_equal(world_n_children(&world->b), 2);
    scenario_end(world);
}

static enum scenario_fate move_by_create(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (!to_b || message_find(m, WIRE_PAYLOAD_TSi) == m->n)
        return SCENARIO_PASS;
    message_append_notify(m, N_UPDATE_SA_ADDRESSES, (struct span){0});
    return SCENARIO_CHANGED;
}

/* M3, A-11: from a peer that did not announce itself the notify is nothing. */
static void create_moved_unannounced(void **state)
{
    (void)state;
    struct world *world = world_new(16);
    world->conn_a->clone = IKE_CLONE_RFC7791;
    scenario_edit(world, move_by_create);
    scenario_login(world);
    scenario_create(&world->a, world_sa(&world->a, 0));
    assert_int_equal(world->b.counts[IKE_EV_SA_MOVED], 0);
    assert_int_equal(world_n_children(&world->b), 2);
    scenario_end(world);
}

/* --- requests that nobody waits for any more --- */

static bool path1_dead;
static bool dead_path(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    const struct address *a = to_b ? &d->path.local.address : &d->path.remote.address;
    return !path1_dead || a->octets[3] != 2;
}

static uint64_t patient(struct world *world, enum ike_command_kind kind, ike_sa_id sa, unsigned i)
{
    return world_post(&world->a, (struct ike_command){.kind = kind,
                                                      .sa = sa,
                                                      .path = world_path(i),
                                                      .path_test = true,
                                                      .retry_ns = 200 * NANOS_PER_MS,
                                                      .give_up_ns = NANOS_PER_SEC});
}

static void parked(void **state)
{
    (void)state;
    struct world *world = scenario_up(13);
    ike_sa_id sa = world_sa(&world->a, 0);
    scenario_move(world, sa, 1);
    world->hook = dead_path;
    path1_dead = true;
    uint64_t probe = patient(world, IKE_CMD_PROBE, sa, 1);
    world_run(world, 2 * NANOS_PER_SEC);
    assert_int_equal(world_done(&world->a, probe)->outcome, IKE_TIMEOUT);
    /* no answer, but the caller decides: the IKE SA is there, and is quiet */
    scenario_watch(world);
    world_run(world, 100 * NANOS_PER_SEC);
    assert_int_equal(scenario_count(world, "request"), 0);
    assert_int_equal(world_n_sas(&world->a), 1);
    /* a second probe is the same request once more */
    probe = patient(world, IKE_CMD_PROBE, sa, 1);
    world_run(world, 2 * NANOS_PER_SEC);
    assert_int_equal(world_done(&world->a, probe)->outcome, IKE_TIMEOUT);
    assert_int_equal(scenario_count(world, "#1 a1 -> b INFORMATIONAL request: -"), 5);
    /* the move takes it along over the new path, then tests and moves */
    scenario_watch(world);
    uint64_t move = patient(world, IKE_CMD_MOVE, sa, 2);
    world_run(world, 2 * NANOS_PER_SEC);
    assert_int_equal(world_done(&world->a, move)->outcome, IKE_OK);
    assert_int_equal(scenario_count(world, "#1 a2 -> b INFORMATIONAL request: -"), 1);
    assert_int_equal(scenario_count(world, "N(UPDATE_SA_ADDRESSES)"), 1);
    scenario_end(world);
}

/* A Delete that comes while a woken request waits is not lost. */
static void deleted_while_parked(void **state)
{
    (void)state;
    struct world *world = scenario_up(14);
    ike_sa_id sa = world_sa(&world->a, 0);
    scenario_move(world, sa, 1);
    world->hook = dead_path;
    path1_dead = true;
    patient(world, IKE_CMD_PROBE, sa, 1);
    world_run(world, 2 * NANOS_PER_SEC);
    uint64_t probe = patient(world, IKE_CMD_PROBE, sa, 1);
    world_run(world, 100 * NANOS_PER_MS);
    uint64_t deleting =
        world_post(&world->a, (struct ike_command){.kind = IKE_CMD_DELETE_IKE, .sa = sa});
    world_run(world, 3 * NANOS_PER_SEC);
    assert_int_equal(world_n_sas(&world->a), 0);
    assert_int_equal(world_done(&world->a, deleting)->outcome, IKE_OK);
    assert_int_not_equal(world_done(&world->a, probe)->outcome, IKE_OK);
    world_free(world);
}

static void woken_by_the_answer(void **state)
{
    (void)state;
    struct world *world = scenario_up(15);
    ike_sa_id sa = world_sa(&world->a, 0);
    scenario_move(world, sa, 1);
    world->hook = dead_path;
    path1_dead = true;
    patient(world, IKE_CMD_PATH_TEST, sa, 1);
    world_run(world, 2 * NANOS_PER_SEC);
    path1_dead = false;
    uint64_t probe = patient(world, IKE_CMD_PROBE, sa, 1);
    world_run(world, 200 * NANOS_PER_MS);
    assert_int_equal(world_done(&world->a, probe)->outcome, IKE_OK);
    assert_int_equal(world_done(&world->a, probe)->rtt_ns, 2 * WORLD_LATENCY_NS);
    assert_true(world_done(&world->a, probe)->borrowed); /* it may be of an earlier copy */
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, sa), IKE_OK);
    scenario_end(world);
}

/* A late response to an early copy is not a short round trip, though the pace of the copies began anew. */
static void measured_from_the_first_copy(void **state)
{
    (void)state;
    struct world *world = scenario_up(78);
    ike_sa_id sa = world_sa(&world->a, 0);
    scenario_move(world, sa, 1);
    world->hook = dead_path;
    path1_dead = true;
    const nanos begun = world->now;
    struct ike_command command = {.kind = IKE_CMD_CREATE_CHILD, .sa = sa};
    uint64_t create = world_post(&world->a, command);
    world_run(world, 100 * NANOS_PER_MS);
    uint64_t probe = patient(world, IKE_CMD_PROBE, sa, 1);
    world_run(world, 3 * NANOS_PER_SEC);
    assert_int_equal(world_done(&world->a, probe)->outcome, IKE_TIMEOUT);
    path1_dead = false;
    while (world->now < begun + 60 * NANOS_PER_SEC && world_done(&world->a, create) == NULL)
        world_run(world, 10 * NANOS_PER_MS);
    assert_int_equal(world_done(&world->a, create)->outcome, IKE_OK);
    assert_in_range(world_done(&world->a, create)->rtt_ns, world->now - begun - 50 * NANOS_PER_MS,
                    world->now - begun);
    scenario_end(world);
}

/* The NAT changes while a request of the Gateway is outstanding that nobody waits for: it goes to
 * the new port, once, and nothing keeps the endpoint awake. */
static bool nothing_of_b(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    return to_b || (d->octets[19] & IKE_FLAG_RESPONSE) != 0;
}

static void parked_at_the_gateway(void **state)
{
    (void)state;
    struct world *world = world_new(17);
    world->nat_port = 20000;
    scenario_login(world);
    world->hook = nothing_of_b;
    uint64_t tag = world_post(&world->b, (struct ike_command){.kind = IKE_CMD_PROBE,
                                                              .sa = world_sa(&world->b, 0),
                                                              .retry_ns = NANOS_PER_SEC / 2,
                                                              .give_up_ns = NANOS_PER_SEC});
    world_run(world, 2 * NANOS_PER_SEC);
    assert_int_equal(world_done(&world->b, tag)->outcome, IKE_TIMEOUT);
    scenario_watch(world);
    world->nat_port = 30000;
    assert_int_equal(move_to(world, world_sa(&world->a, 0), world_path(0)), IKE_OK);
    assert_int_equal(scenario_count(world, "30001 INFORMATIONAL request: -"), 1);
    world_run(world, 60 * NANOS_PER_SEC);
    assert_int_equal(scenario_count(world, "30001 INFORMATIONAL request: -"), 1);
    assert_int_equal(ike_deadline(world->b.ike), NANOS_NEVER);
    assert_int_equal(world_n_sas(&world->b), 1);
    world_free(world);
}

/* RFC 7296 section 2.23: a host that does not know which address it leaves by sends several hashes;
 * one that fits is enough. */
static enum scenario_fate add_hashes(struct world *world, bool to_b, struct message *m)
{
    static const uint8_t other[20] = {1, 2, 3};
    size_t source = message_find_notify(m, N_NAT_DETECTION_SOURCE_IP);
    (void)world;
    if (!to_b || m->header.exchange != WIRE_INFORMATIONAL || source == m->n)
        return SCENARIO_PASS;
    message_insert_notify(m, source, N_NAT_DETECTION_SOURCE_IP, span_of(other, sizeof(other)));
    message_append_notify(m, N_NAT_DETECTION_SOURCE_IP, span_of(other, sizeof(other)));
    return SCENARIO_CHANGED;
}

static void several_hashes(void **state)
{
    (void)state;
    struct world *world = scenario_up(77);
    scenario_edit(world, add_hashes);
    scenario_move(world, world_sa(&world->a, 0), 1);
    assert_false(scenario_sa(&world->b, world_sa(&world->b, 0)).nat_remote);
    scenario_end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_cookie2),
        cmocka_unit_test(liberal_cookie2),
        cmocka_unit_test(no_traffic_before_the_check),
        cmocka_unit_test(gateway_does_not_move),
        cmocka_unit_test(unacceptable),
        cmocka_unit_test(to_another_family_and_back),
        cmocka_unit_test(siblings_stay),
        cmocka_unit_test(additional_addresses),
        cmocka_unit_test(behind_a_nat),
        cmocka_unit_test(rebound_seen_by_esp),
        cmocka_unit_test(encapsulation_follows),
        cmocka_unit_test(follows_nobody_else),
        cmocka_unit_test(no_nats_allowed),
        cmocka_unit_test(no_nats_allowed_at_login),
        cmocka_unit_test(create_moved_refused),
        cmocka_unit_test(supported_with_data),
        cmocka_unit_test(additional_addresses_from_two),
        cmocka_unit_test(rebound_since_the_move),
        cmocka_unit_test(create_moved),
        cmocka_unit_test(create_moved_unannounced),
        cmocka_unit_test(parked),
        cmocka_unit_test(deleted_while_parked),
        cmocka_unit_test(woken_by_the_answer),
        cmocka_unit_test(measured_from_the_first_copy),
        cmocka_unit_test(several_hashes),
        cmocka_unit_test(parked_at_the_gateway),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
