/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signs that something is wrong, which anybody can forge (RFC 7296 sections 1.5 and 2.21.4): they
 * lead to a question over an IKE SA that is there, seldom, and to nothing else.
 */
#include "exchange/scenario.h"

#define SECONDS(n) ((nanos)(n)*NANOS_PER_SEC)
#define MS(n)      ((nanos)(n)*NANOS_PER_MS)

static unsigned notices(const struct peer *peer)
{
    return peer->counts[IKE_EV_NOTICE];
}

/* stray - `n` packets, 20 ms apart. */
static void stray(struct world *world, const struct endpoint *from, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        ike_stray_esp(world->b.ike, from, 0x0a0b0c0d + i, world->now);
        world_run(world, MS(20));
    }
}

/* --- ESP with an unknown SPI --- */

static void stray_is_told(void **state)
{
    (void)state;
    struct world *world = scenario_up(1);
    struct ike_sa_info info = scenario_sa(&world->b, world_sa(&world->b, 0));
    world_run(world, SECONDS(20));
    scenario_watch(world);
    /* what is on its way when a Child SA ends is no sign of anything */
    stray(world, &info.path.remote, 25);
    assert_int_equal(scenario_count(world, "request"), 0);
    stray(world, &info.path.remote, 50);
    EXPECT_MESSAGES(world, "#1 b -> a INFORMATIONAL request: N(INVALID_SPI)",
                    "#1 a -> b INFORMATIONAL response: -");
    assert_int_equal(notices(&world->a), 1);
    /* a flood: once in ten seconds, and the log of the peer has an end */
    stray(world, &info.path.remote, 50 * 100);
    assert_in_range(scenario_count(world, "request"), 8, 11);
    assert_in_range(notices(&world->a), 1, 20);
    scenario_end(world);
}

static void stray_without_udp(void **state)
{
    (void)state;
    struct world *world = scenario_up(2);
    struct ike_sa_info info = scenario_sa(&world->b, world_sa(&world->b, 0));
    info.path.remote.port = 0;
    scenario_watch(world);
    stray(world, &info.path.remote, 100);
    assert_int_equal(scenario_count(world, "N(INVALID_SPI)"), 1);
    scenario_end(world);
}

static void stray_of_others(void **state)
{
    (void)state;
    struct world *world = scenario_up(3);
    struct endpoint from = scenario_sa(&world->b, world_sa(&world->b, 0)).path.remote;
    scenario_watch(world);
    from.port++; /* somebody else behind the same NAT */
    stray(world, &from, 200);
    from.port--;
    from.address.octets[3]++;
    stray(world, &from, 200);
    assert_int_equal(scenario_count(world, "INFORMATIONAL"), 0);
    scenario_end(world);
}

/* --- INVALID_SPI in the open --- */

static uint32_t spi_out(const struct peer *peer)
{
    struct ike_child_info child;
    assert_true(ike_child_get(peer->ike, world_child(peer, 0), &child));
    return child.spi_out;
}

static void in_the_open(struct world *world, const struct ike_path *path, uint32_t spi,
                        uint8_t flags)
{
    uint8_t octets[64],
        body[4] = {(uint8_t)(spi >> 24), (uint8_t)(spi >> 16), (uint8_t)(spi >> 8), (uint8_t)spi};
    struct wire_builder b = wire_builder_of(octets + IKE_HEADER_LEN, 32);
    wire_add_notify(&b, N_INVALID_SPI, span_of(body, sizeof(body)));
    struct ike_header header = {.next_payload = b.first,
                                .version = IKE_VERSION,
                                .exchange = WIRE_INFORMATIONAL,
                                .flags = flags,
                                .length = (uint32_t)(IKE_HEADER_LEN + b.w.len)};
    ike_header_write(&header, octets);
    world_deliver_raw(world, false, path, span_of(octets, header.length));
}

static void invalid_spi(void **state)
{
    (void)state;
    struct world *world = scenario_up(4);
    struct ike_path path = scenario_sa(&world->a, world_sa(&world->a, 0)).path;
    struct ike_path elsewhere = path;
    elsewhere.remote.address.octets[3]++;
    world_run(world, SECONDS(20));
    scenario_watch(world);
    for (unsigned i = 0; i < 200; i++) { /* forged by who has not seen our packets, and others */
        in_the_open(world, &path, spi_out(&world->a) + 1 + i, IKE_FLAG_INITIATOR);
        in_the_open(world, &elsewhere, spi_out(&world->a), IKE_FLAG_INITIATOR);
        in_the_open(world, &path, spi_out(&world->a), IKE_FLAG_RESPONSE);
        world_run(world, MS(20));
    }
    EXPECT_MESSAGES(world, NULL); /* nor an answer */
    world_run(world, SECONDS(1));
    for (unsigned i = 0; i < 50 * 50; i++) {
        in_the_open(world, &path, spi_out(&world->a), IKE_FLAG_INITIATOR);
        world_run(world, MS(20));
    }
    assert_in_range(scenario_count(world, "a -> b INFORMATIONAL request: -"), 4, 6);
    assert_int_equal(scenario_count(world, "b -> a INFORMATIONAL response: -"),
                     scenario_count(world, "INFORMATIONAL request"));
    scenario_end(world); /* both have what they had */
}

/* --- ICMP --- */

static void unreachable(void **state)
{
    (void)state;
    struct world *world = scenario_up(5);
    struct endpoint peer = scenario_sa(&world->a, world_sa(&world->a, 0)).path.remote;
    struct endpoint other = peer;
    other.port++;
    world_run(world, SECONDS(20));
    scenario_watch(world);
    for (unsigned i = 0; i < 50 * 50; i++) {
        ike_unreachable(world->a.ike, &other, world->now);
        world_run(world, MS(20));
    }
    assert_int_equal(scenario_count(world, "request"), 0);
    for (unsigned i = 0; i < 50 * 50; i++) {
        ike_unreachable(world->a.ike, &peer, world->now);
        world_run(world, MS(20));
    }
    assert_in_range(scenario_count(world, "a -> b INFORMATIONAL request: -"), 4, 6);
    scenario_end(world);
}

/* Only who is there is asked: where the IKE SA moved to, not where it was. Its sister stays. */
static void unreachable_after_a_move(void **state)
{
    (void)state;
    struct world *world = scenario_up(7);
    ike_sa_id first = world_sa(&world->b, 0);
    struct endpoint before = scenario_sa(&world->b, first).path.remote;
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_CLONE, world_sa(&world->a, 0)), IKE_OK);
    ike_sa_id clone = world_sa(&world->b, 1);
    assert_true(clone != first);
    struct ike_path elsewhere = world_path(1);
    struct ike_command move = {
        .kind = IKE_CMD_MOVE, .sa = world_sa(&world->a, 1), .path = elsewhere, .tag = 77};
    assert_int_equal(ike_command(world->a.ike, &move, world->now), 0);
    world_run(world, SECONDS(20));
    struct endpoint after = scenario_sa(&world->b, clone).path.remote;
    assert_false(endpoint_equal(&before, &after));
    const struct endpoint *where[] = {&before, &after};
    for (unsigned i = 0; i < 2; i++) {
        scenario_watch(world);
        ike_unreachable(world->b.ike, where[i], world->now);
        world_run(world, SECONDS(1));
        EXPECT_MESSAGES(world,
                        i == 0 ? "#1 b -> a INFORMATIONAL request: -"
                               : "#2 b -> a1 INFORMATIONAL request: -",
                        i == 0 ? "#1 a -> b INFORMATIONAL response: -"
                               : "#2 a1 -> b INFORMATIONAL response: -");
        world_run(world, SECONDS(20));
    }
    world_free(world);
}

static bool nothing_passes(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world, (void)to_b, (void)d;
    return false;
}

/* A hint that is right: without one nobody would have asked. */
static void gone(void **state)
{
    (void)state;
    struct world *world = scenario_up(6);
    struct endpoint peer = scenario_sa(&world->a, world_sa(&world->a, 0)).path.remote;
    world->hook = nothing_passes;
    world_run(world, SECONDS(600));
    assert_int_equal(world_n_sas(&world->a), 1);
    ike_unreachable(world->a.ike, &peer, world->now);
    world_run(world, SECONDS(200));
    assert_int_equal(world_n_sas(&world->a), 0);
    world_free(world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(stray_is_told),
        cmocka_unit_test(stray_without_udp),
        cmocka_unit_test(stray_of_others),
        cmocka_unit_test(invalid_spi),
        cmocka_unit_test(unreachable),
        cmocka_unit_test(unreachable_after_a_move),
        cmocka_unit_test(gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
