/* SPDX-License-Identifier: Apache-2.0 */
/* The counters that VICI shows: each message once, by exchange and direction, and by connection. */
#include "exchange/scenario.h"

static uint64_t counted(const struct peer *peer, const char *conn, enum ike_counter counter)
{
    struct ike_counters counters;
    return ike_counters_get(peer->ike, conn, &counters) ? counters.n[counter] : UINT64_MAX;
}

static void messages_and_rekeys(void **state)
{
    (void)state;
    struct world *world = world_new(1);
    scenario_login(world);
    const char *a = world->conn_a->name, *b = world->conn_b->name;
    assert_int_equal(counted(&world->a, a, IKE_COUNT_INIT_OUT_REQ), 1);
    assert_int_equal(counted(&world->a, a, IKE_COUNT_INIT_IN_RESP), 1);
    assert_int_equal(counted(&world->a, NULL, IKE_COUNT_AUTH_OUT_REQ), 1);
    assert_int_equal(counted(&world->b, NULL, IKE_COUNT_INIT_IN_REQ), 1);
    assert_int_equal(counted(&world->b, NULL, IKE_COUNT_INIT_OUT_RESP), 1);
    assert_int_equal(counted(&world->b, NULL, IKE_COUNT_AUTH_IN_REQ), 1);
    assert_int_equal(counted(&world->b, NULL, IKE_COUNT_INIT_OUT_REQ), 0);
    /* the Gateway knows no connection before the peer is authenticated */
    assert_int_equal(counted(&world->b, "nobody", IKE_COUNT_INIT_IN_REQ), UINT64_MAX);

    uint64_t tag = world_post(
        &world->a, (struct ike_command){.kind = IKE_CMD_REKEY_IKE, .sa = world_sa(&world->a, 0)});
    world_run(world, NANOS_PER_SEC);
    assert_int_equal(world_done(&world->a, tag)->outcome, IKE_OK);
    assert_int_equal(counted(&world->a, a, IKE_COUNT_REKEY_INIT), 1);
    assert_int_equal(counted(&world->a, a, IKE_COUNT_REKEY_RESP), 0);
    assert_int_equal(counted(&world->b, b, IKE_COUNT_REKEY_RESP), 1);
    assert_int_equal(counted(&world->b, b, IKE_COUNT_CREATE_IN_REQ), 1);
    assert_int_equal(counted(&world->b, b, IKE_COUNT_CREATE_OUT_RESP), 1);
    assert_int_equal(counted(&world->b, b, IKE_COUNT_INFO_IN_REQ), 1); /* Delete of the old one */

    tag = world_post(&world->b, (struct ike_command){.kind = IKE_CMD_REKEY_CHILD,
                                                     .child_id = world_child(&world->b, 0)});
    world_run(world, NANOS_PER_SEC);
    assert_int_equal(world_done(&world->b, tag)->outcome, IKE_OK);
    assert_int_equal(counted(&world->a, a, IKE_COUNT_CHILD_REKEY), 1);
    assert_int_equal(counted(&world->b, b, IKE_COUNT_CHILD_REKEY), 1);

    assert_true(ike_counters_reset(world->b.ike, b));
    assert_int_equal(counted(&world->b, b, IKE_COUNT_CHILD_REKEY), 0);
    assert_int_equal(counted(&world->b, NULL, IKE_COUNT_CHILD_REKEY), 1);
    assert_true(ike_counters_reset(world->b.ike, NULL));
    assert_int_equal(counted(&world->b, NULL, IKE_COUNT_CHILD_REKEY), 0);
    assert_false(ike_counters_reset(world->b.ike, "nobody"));
    assert_string_equal(ike_counters_next(world->b.ike, NULL), b);
    assert_null(ike_counters_next(world->b.ike, b));
    scenario_end(world);
}

/* A copy of a message is no second message, whoever made it. */
static void copies_are_not_counted(void **state)
{
    (void)state;
    struct world *world = world_new(2);
    world->duplicate_percent = 100;
    scenario_login(world);
    assert_int_equal(counted(&world->b, NULL, IKE_COUNT_INIT_IN_REQ), 1);
    assert_int_equal(counted(&world->b, NULL, IKE_COUNT_AUTH_IN_REQ), 1);
    assert_int_equal(counted(&world->b, NULL, IKE_COUNT_AUTH_OUT_RESP), 1);
    assert_int_equal(counted(&world->a, NULL, IKE_COUNT_INIT_IN_RESP), 1);
    assert_int_equal(counted(&world->a, NULL, IKE_COUNT_AUTH_IN_RESP), 1);
    scenario_end(world);
}

/* alter - what the peer sends in the IKE SA is not authentic, or for an IKE SA that is none. */
static unsigned altered_octet;
static bool alter(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    if (to_b)
        d->octets[altered_octet == 0 ? d->len - 1 : altered_octet] ^= 1;
    return true;
}

static void what_is_invalid(void **state)
{
    (void)state;
    struct world *world = world_new(3);
    scenario_login(world);
    world->hook = alter;
    altered_octet = 0;
    (void)world_post(&world->a, (struct ike_command){.kind = IKE_CMD_PROBE,
                                                     .sa = world_sa(&world->a, 0),
                                                     .retry_ns = NANOS_PER_SEC,
                                                     .give_up_ns = NANOS_PER_SEC / 2});
    world_run(world, NANOS_PER_SEC / 2);
    assert_true(counted(&world->b, world->conn_b->name, IKE_COUNT_INVALID) >= 1);
    assert_int_equal(counted(&world->b, NULL, IKE_COUNT_INVALID_SPI), 0);
    assert_int_equal(counted(&world->b, NULL, IKE_COUNT_INFO_IN_REQ), 0);
    altered_octet = 15; /* in the SPI of the responder */
    (void)world_post(&world->a, (struct ike_command){.kind = IKE_CMD_PROBE,
                                                     .sa = world_sa(&world->a, 0),
                                                     .retry_ns = NANOS_PER_SEC,
                                                     .give_up_ns = NANOS_PER_SEC / 2});
    world_run(world, 5 * NANOS_PER_SEC);
    assert_true(counted(&world->b, NULL, IKE_COUNT_INVALID_SPI) >= 1);
    assert_int_equal(counted(&world->b, NULL, IKE_COUNT_INFO_IN_REQ), 0);
    world_free(world);
}

/* failed_logins - of an endpoint, with that outcome; all others have none. */
static uint64_t failed_logins(const struct peer *party, enum ike_outcome outcome)
{
    struct ike_stats stats;
    ike_stats_get(party->ike, &stats);
    for (int other = 0; other < IKE_OUTCOMES; other++)
        if (other != (int)outcome)
            assert_int_equal(stats.logins_failed[other], 0);
    return stats.logins_failed[outcome];
}

/* A login that fails is counted once at each end, by its outcome there. */
static void logins_that_fail(void **state)
{
    (void)state;
    struct world *world = world_new(6);
    strcpy(world->conn_b->remote[0].id_pattern, "*.staff.example");
    world_start(world);
    assert_int_equal(world_connect(world), IKE_AUTH_FAILED);
    assert_int_equal(failed_logins(&world->a, IKE_AUTH_FAILED), 1);
    assert_int_equal(failed_logins(&world->b, IKE_PEER_AUTH_FAILED), 1);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logins_that_fail),
        cmocka_unit_test(messages_and_rekeys),
        cmocka_unit_test(copies_are_not_counted),
        cmocka_unit_test(what_is_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
