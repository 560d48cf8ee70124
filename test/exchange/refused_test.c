/* SPDX-License-Identifier: Apache-2.0 */
/* An IKE SA whose login the Gateway has refused stays for a while (src/ike/login/given_up.c). */
#include "exchange/scenario.h"

static struct world *eap_world(uint64_t seed)
{
    struct world *world = world_new(seed);
    world->conn_a->local[0].method = world->conn_b->remote[0].method = IKE_AUTH_EAP;
    world->conn_a->remote[0].method = world->conn_b->local[0].method = IKE_AUTH_PUBKEY;
    return world;
}

static struct ike_datagram asked, answered; /* the last IKE_AUTH request, and any last response */
static unsigned n_answered;

static bool keep_both(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    if (to_b) {
        asked = *d;
    } else {
        answered = *d;
        n_answered++;
    }
    return true;
}

static void send_to_b(struct world *world, const struct ike_datagram *d)
{
    world_deliver_raw(world, true, &(struct ike_path){d->path.remote, d->path.local, 0},
                      span_of(d->octets, d->len));
}

/* send_next - an authentic request with the next Message ID, which has one payload. */
static void send_next(struct world *world, uint8_t exchange, uint8_t first, struct span payload)
{
    struct ike_datagram d = {.path = asked.path};
    struct ike_sa_info info;
    struct ike_keylog keys;
    struct ike_header header;
    assert_true(ike_sa_next(world->b.ike, 0, &info));
    assert_true(ike_keylog_get(world->b.ike, info.id, &keys));
    assert_true(ike_header_read(span_of(asked.octets, asked.len), &header));
    header.exchange = exchange;
    header.message_id++;
    message_seal(&keys, world->a.crypto, &header, first, payload, &d);
    send_to_b(world, &d);
}

static uint64_t refused_logins(const struct world *world)
{
    struct ike_stats stats;
    uint64_t n = 0;
    ike_stats_get(world->b.ike, &stats);
    for (size_t i = 0; i < IKE_OUTCOMES; i++)
        n += stats.logins_failed[i];
    return n;
}

static struct world *refused_world(uint64_t seed)
{
    struct world *world = eap_world(seed);
    world->b.eap.fail_at = 2;
    scenario_watch(world);
    world->hook = keep_both;
    world_start(world);
    assert_int_equal(world_connect(world), IKE_AUTH_FAILED);
    assert_int_equal(world_n_sas(&world->b), 1);
    assert_int_equal(world->b.eap.ended, 0); /* the method itself has ended the conversation */
    assert_int_equal(refused_logins(world), 1);
    return world;
}

/* refused_end - the login was counted once, and its IKE SA goes after ten seconds. */
static void refused_end(struct world *world)
{
    world_run(world, 11 * NANOS_PER_SEC);
    assert_int_equal(refused_logins(world), 1);
    assert_int_equal(scenario_count(world, "INVALID_IKE_SPI"), 0);
    assert_int_equal(world_n_sas(&world->b), 0);
    world_free(world);
}

/* RFC 7296 section 2.1: EAP-Failure got lost, and the End User repeats its request. */
static void refusal_is_repeated(void **state)
{
    (void)state;
    struct world *world = refused_world(160);
    const struct ike_datagram failure = answered;
    for (unsigned i = 0; i < 3; i++) {
        n_answered = 0;
        send_to_b(world, &asked);
        assert_int_equal(n_answered, 1);
        assert_int_equal(answered.len, failure.len);
        assert_memory_equal(answered.octets, failure.octets, failure.len);
    }
    assert_int_equal(world->b.counts[IKE_EV_EAP], 2); /* the method hears nothing of it */
    refused_end(world);
}

/* The same with a wrong pre-shared key: AUTHENTICATION_FAILED got lost. */
static void refusal_by_key_is_repeated(void **state)
{
    (void)state;
    struct world *world = world_new(166);
    world->b.psk = "another";
    scenario_watch(world);
    world->hook = keep_both;
    world_start(world);
    assert_int_equal(world_connect(world), IKE_AUTH_FAILED);
    const struct ike_datagram failure = answered;
    n_answered = 0;
    send_to_b(world, &asked);
    assert_int_equal(n_answered, 1);
    assert_int_equal(answered.len, failure.len);
    assert_memory_equal(answered.octets, failure.octets, failure.len);
    refused_end(world);
}

/* Many logins of one address fail. Few of their IKE SAs stay: others have room in the table. */
static void refusals_of_one_address(void **state)
{
    (void)state;
    const unsigned n = LIMIT_REFUSED_PER_ADDRESS + 8;
    struct world *world = eap_world(167);
    world->b.eap.fail_at = 1;
    world_start(world);
    for (unsigned i = 0; i < n; i++)
        world_post(
            &world->a,
            (struct ike_command){.kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0)});
    while (refused_logins(world) < n)
        world_run(world, NANOS_PER_SEC / 10);
    assert_int_equal(world_n_sas(&world->b), LIMIT_REFUSED_PER_ADDRESS);
    world_run(world, 11 * NANOS_PER_SEC);
    assert_int_equal(refused_logins(world), n);
    assert_int_equal(world_n_sas(&world->b), 0);
    world_free(world);
}

/* The End User ends the IKE SA that was refused. The same request is answered twice, in the same
 * way. A liveness check is not answered: nobody shall take the IKE SA for a living one. */
static void request_after_refusal(void **state)
{
    static const uint8_t notify[] = {0, 0, 0, 8, 0, 0, 0, N_AUTHENTICATION_FAILED};
    static const uint8_t delete[] = {0, 0, 0, 8, 1, 0, 0, 0};
    static const uint8_t auth[] = {0, 0, 0, 12, AUTH_SHARED_KEY, 0, 0, 0, 1, 2, 3, 4};
    static const struct {
        uint8_t exchange, first;
        struct span payload;
        const char *answer; /* NULL: silence */
    } rows[] = {
        {WIRE_INFORMATIONAL, WIRE_PAYLOAD_N, {notify, sizeof(notify)}, "INFORMATIONAL response:"},
        {WIRE_INFORMATIONAL, WIRE_PAYLOAD_D, {delete, sizeof(delete)}, "INFORMATIONAL response:"},
        {WIRE_IKE_AUTH,
         WIRE_PAYLOAD_AUTH,
         {auth, sizeof(auth)},
         "IKE_AUTH response: N(AUTHENTICATION_FAILED)"},
        {WIRE_INFORMATIONAL, WIRE_PAYLOAD_NONE, {NULL, 0}, NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world *world = refused_world(161 + i);
        unsigned n = rows[i].answer == NULL ? 0 : 1;
        n_answered = 0;
        for (unsigned copy = 1; copy <= 2; copy++) {
            send_next(world, rows[i].exchange, rows[i].first, rows[i].payload);
            assert_int_equal(n_answered, copy * n);
            assert_int_equal(n == 0 ? 0 : scenario_count(world, rows[i].answer), copy * n);
        }
        refused_end(world);
    }
}

/* Each of many networks fails. The IKE SAs that stay are bounded, and no good peer waits. */
static void flood_of_refusals(void **state)
{
    (void)state;
    struct ike_stats stats;
    struct world *world = eap_world(165);
    world->b.eap.fail_at = 1;
    world_start(world);
    for (unsigned i = 0; i < LIMIT_REFUSED + 40; i++) {
        struct ike_path path = world_path6(0);
        path.local.address.octets[5] = (uint8_t)i;
        world_post(&world->a,
                   (struct ike_command){.kind = IKE_CMD_CONNECT, .conn = "office", .path = path});
        world_run(world, NANOS_PER_SEC / 50);
    }
    world_run(world, LIMIT_AUTH_WAIT_MOST_NS + NANOS_PER_SEC / 10);
    ike_stats_get(world->b.ike, &stats);
    assert_int_equal(stats.half_open, 0);
    assert_int_equal(world_n_sas(&world->b), LIMIT_REFUSED);
    assert_int_equal(refused_logins(world), LIMIT_REFUSED + 40);
    world->b.eap.fail_at = 0;
    assert_int_equal(world_connect(world), IKE_OK);
    world_run(world, 11 * NANOS_PER_SEC);
    assert_int_equal(world_n_sas(&world->b), 1);
    assert_int_equal(refused_logins(world), LIMIT_REFUSED + 40);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusal_is_repeated),     cmocka_unit_test(refusal_by_key_is_repeated),
        cmocka_unit_test(refusals_of_one_address), cmocka_unit_test(request_after_refusal),
        cmocka_unit_test(flood_of_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
