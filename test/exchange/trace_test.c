/* SPDX-License-Identifier: Apache-2.0 */
/* The trace of messages: what it keeps of a session, of probes and of strangers, and what it never has. */
#include "exchange/scenario.h"
#include "ike/message_trace.h"

/* entry_find - the first entry with that kind, exchange and direction. */
static bool entry_find(const struct peer *peer, struct ike_trace_entry wanted,
                       struct ike_trace_entry *ret_entry)
{
    uint64_t after = 0;
    while (ike_trace_next(peer->ike, after, ret_entry)) {
        assert_true(ret_entry->number > after);
        after = ret_entry->number;
        if (ret_entry->kind == wanted.kind && ret_entry->exchange == wanted.exchange &&
            ret_entry->response == wanted.response && ret_entry->again == wanted.again)
            return true;
    }
    return false;
}

static bool has_part(const struct ike_trace_entry *entry, uint8_t payload, uint16_t notify)
{
    for (uint8_t i = 0; i < entry->n_parts; i++)
        if (entry->parts[i].payload == payload && entry->parts[i].notify == notify)
            return true;
    return false;
}

/* crosswise - what one side sent is what the other one received, with the same parts and octets. */
static void crosswise(const struct peer *from, const struct peer *to)
{
    struct ike_trace_entry sent, received;
    uint64_t after = 0, at = 0;
    unsigned n = 0;
    while (ike_trace_next(from->ike, after, &sent)) {
        after = sent.number;
        if (sent.kind != IKE_TRACE_OUT || sent.again)
            continue;
        do {
            assert_true(ike_trace_next(to->ike, at, &received));
            at = received.number;
        } while (received.kind != IKE_TRACE_IN);
        assert_int_equal(sent.exchange, received.exchange);
        assert_int_equal(sent.message_id, received.message_id);
        assert_int_equal(sent.response, received.response);
        assert_int_equal(sent.n_parts, received.n_parts);
        if (sent.datagrams == 1)
            assert_int_equal(sent.octets, received.octets);
        for (uint8_t i = 0; i < sent.n_parts; i++)
            assert_int_equal(sent.parts[i].notify, received.parts[i].notify);
        n++;
    }
    assert_true(n >= 4);
}

static void both_sides_agree(void **state)
{
    (void)state;
    struct ike_trace_entry entry;
    struct world *world = world_new(1);
    assert_int_equal(ike_trace_last(world->a.ike), 0);
    scenario_login(world);
    ike_sa_id clone = scenario_clone(&world->a, world_sa(&world->a, 0));
    scenario_move(world, clone, 1);
    crosswise(&world->a, &world->b);
    crosswise(&world->b, &world->a);
    const struct ike_trace_entry init = {.kind = IKE_TRACE_OUT, .exchange = WIRE_IKE_SA_INIT};
    assert_true(entry_find(&world->a, init, &entry));
    assert_true(has_part(&entry, WIRE_PAYLOAD_KE, 0));
    assert_string_equal(entry.conn, world->conn_a->name);
    const struct ike_trace_entry auth = {
        .kind = IKE_TRACE_IN, .exchange = WIRE_IKE_AUTH, .response = true};
    assert_true(entry_find(&world->a, auth, &entry));
    assert_true(has_part(&entry, WIRE_PAYLOAD_AUTH, 0));
    const struct ike_trace_entry update = {.kind = IKE_TRACE_IN, .exchange = WIRE_INFORMATIONAL};
    bool moved = false;
    uint64_t after = 0;
    while (ike_trace_next(world->b.ike, after, &entry)) {
        after = entry.number;
        moved |= entry.kind == update.kind && entry.sa != 0 &&
                 has_part(&entry, WIRE_PAYLOAD_N, N_UPDATE_SA_ADDRESSES);
    }
    assert_true(moved);
    scenario_end(world);
}

/* A request that gets no answer is there as often as it was sent, and so is its end. */
static void what_is_sent_again(void **state)
{
    (void)state;
    struct world *world = scenario_up(2);
    struct ike_trace_entry entry;
    uint64_t after = ike_trace_last(world->a.ike);
    unsigned firsts = 0, again = 0, ended = 0;
    world->loss_percent = 100;
    (void)world_post(&world->a,
                     (struct ike_command){.kind = IKE_CMD_REKEY_IKE, .sa = world_sa(&world->a, 0)});
    world_run(world, 600 * NANOS_PER_SEC);
    while (ike_trace_next(world->a.ike, after, &entry)) {
        after = entry.number;
        if (entry.exchange == WIRE_CREATE_CHILD_SA)
            assert_true(has_part(&entry, WIRE_PAYLOAD_SA, 0));
        firsts += entry.kind == IKE_TRACE_OUT && !entry.again;
        again += entry.again;
        ended += entry.kind == IKE_TRACE_ENDED && entry.outcome == IKE_TIMEOUT;
    }
    assert_int_equal(firsts, 1);
    assert_true(again >= 3);
    assert_int_equal(ended, 1);
    world_free(world);
}

/* A flood of logins that lead nowhere displaces neither the messages of a session nor their order. */
static void strangers_displace_nothing(void **state)
{
    (void)state;
    struct world *world = scenario_up(3);
    struct ike_trace_entry entry;
    const struct ike_trace_entry auth = {.kind = IKE_TRACE_OUT, .exchange = WIRE_IKE_AUTH};
    struct ike_trace_entry init = {.kind = IKE_TRACE_OUT, .exchange = WIRE_IKE_SA_INIT};
    assert_true(entry_find(&world->a, init, &entry));
    uint8_t request[IKE_HEADER_LEN + 8] = {0};
    struct ike_header header = {.spi_i = 1,
                                .version = IKE_VERSION,
                                .exchange = WIRE_IKE_SA_INIT,
                                .flags = IKE_FLAG_INITIATOR,
                                .next_payload = WIRE_PAYLOAD_N,
                                .length = sizeof(request)};
    struct ike_sa_info sa = scenario_sa(&world->b, world_sa(&world->b, 0));
    request[IKE_HEADER_LEN + 3] = 8; /* an N payload alone: refused with INVALID_SYNTAX */
    for (unsigned i = 0; i < 4 * LIMIT_TRACE_STRANGERS; i++) {
        struct ike_path path = sa.path;
        header.spi_i = i + 1;
        ike_header_write(&header, request);
        path.remote.address.octets[3] = (uint8_t)(1 + i % 250);
        ike_recv(world->b.ike, &path, span_of(request, sizeof(request)),
                 world->now + i * NANOS_PER_MS);
        while (ike_event(world->b.ike) != NULL)
            ;
        struct ike_datagram out;
        while (ike_send(world->b.ike, &out))
            ;
    }
    unsigned strangers = 0;
    uint64_t after = 0;
    while (ike_trace_next(world->b.ike, after, &entry)) {
        after = entry.number;
        strangers += entry.sa == 0;
    }
    assert_int_equal(strangers, LIMIT_TRACE_STRANGERS);
    struct ike_trace_entry response = auth;
    response.response = true;
    assert_true(entry_find(&world->b, response, &entry));
    world_free(world);
}

/* Octets of nobody's session are not in it, whatever they say. */
static void forgeries_are_not_kept(void **state)
{
    (void)state;
    struct world *world = scenario_up(4);
    struct ike_sa_info sa = scenario_sa(&world->b, world_sa(&world->b, 0));
    uint64_t last = ike_trace_last(world->b.ike);
    uint8_t forged[IKE_HEADER_LEN + 64] = {0};
    struct ike_header header = {.spi_i = sa.spi_i,
                                .spi_r = sa.spi_r,
                                .version = IKE_VERSION,
                                .exchange = WIRE_INFORMATIONAL,
                                .flags = IKE_FLAG_INITIATOR,
                                .next_payload = WIRE_PAYLOAD_SK,
                                .message_id = 2,
                                .length = sizeof(forged)};
    ike_header_write(&header, forged);
    forged[IKE_HEADER_LEN + 3] = 64;
    ike_recv(world->b.ike, &sa.path, span_of(forged, sizeof(forged)), world->now);
    assert_int_equal(ike_trace_last(world->b.ike), last);
    scenario_end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_agree),
        cmocka_unit_test(what_is_sent_again),
        cmocka_unit_test(strangers_displace_nothing),
        cmocka_unit_test(forgeries_are_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
