/* SPDX-License-Identifier: Apache-2.0 */
/* When a Gateway forgets an End User that is gone without a farewell (RFC 7296 section 2.4), and how an End User
 * asks for a Gateway that is not there. */
#include "exchange/scenario.h"
#include "wire/iana.h"

#define SECONDS(n) ((nanos)(n)*NANOS_PER_SEC)

static bool cut(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    (void)to_b;
    (void)d;
    return false;
}

static enum ike_outcome how_it_ended(const struct peer *peer)
{
    enum ike_outcome outcome = IKE_OK;
    for (size_t i = 0; i < peer->n_events && i < WORLD_EVENTS; i++)
        if (peer->events[i].kind == IKE_EV_SA_DOWN)
            outcome = peer->events[i].outcome;
    return outcome;
}

/* vanished - after how many seconds the Gateway forgets an End User that is gone. */
static nanos vanished(nanos dpd_delay, nanos dpd_timeout, nanos dead_peer)
{
    struct world *world = world_new(3);
    world->conn_b->dpd_delay_ns = dpd_delay;
    world->conn_b->dpd_timeout_ns = dpd_timeout;
    world->conn_b->dead_peer_ns = dead_peer;
    world->conn_a->dpd_delay_ns = dpd_delay + dead_peer > 0 ? SECONDS(1) : 0;
    scenario_login(world);
    nanos since = world->now;
    world->hook = cut;
    while (world_n_sas(&world->b) > 0 && world->now - since < SECONDS(4000))
        world_run(world, NANOS_PER_SEC / 2);
    nanos took = (world->now - since) / NANOS_PER_SEC;
    if (world_n_sas(&world->b) == 0) {
        assert_int_equal(how_it_ended(&world->b), IKE_TIMEOUT);
        assert_int_equal(world->b.n_leases, 0);
        world_run(world, SECONDS(100)); /* the End User notices as well */
    }
    scenario_end(world);
    return took;
}

/* A Gateway asks a silent peer in the end, and gives it the time that is configured. */
static void peer_that_vanished_in_silence(void **state)
{
    (void)state;
    assert_in_range(vanished(SECONDS(1), SECONDS(5), 0), 6, 7);
    assert_in_range(vanished(SECONDS(1), 0, 0), 70, 90);
    assert_in_range(vanished(0, 0, SECONDS(3600)), 3670, 3690);
    assert_in_range(vanished(0, SECONDS(10), SECONDS(60)), 70, 72);
    assert_in_range(vanished(0, SECONDS(5), 0), 4000, 4001); /* never asked */
}

/* One answer in the time is enough, though copies are lost. */
static void silence_with_losses(void **state)
{
    (void)state;
    struct world *world = world_new(3);
    world->conn_b->dpd_delay_ns = SECONDS(1);
    world->conn_b->dpd_timeout_ns = SECONDS(5);
    scenario_login(world);
    for (int i = 0; i < 20; i++) {
        world->hook = cut;
        world_run(world, SECONDS(4));
        world->hook = NULL;
        world_run(world, SECONDS(2));
    }
    assert_int_equal(world_n_sas(&world->b), 1);
    scenario_end(world);
}

static unsigned auth_copies;

/* late_gateway - it is not there for 300 ms, and never hears an IKE_AUTH request. */
static bool late_gateway(struct world *world, bool to_b, struct ike_datagram *d)
{
    bool auth = to_b && d->octets[18] == WIRE_IKE_AUTH;
    auth_copies += auth;
    return !auth && world->now >= NANOS_PER_SEC + 300 * NANOS_PER_MS; /* the time begins with 1 s */
}

/* The first request is repeated early, and finds the Gateway as soon as it is there; the next one is not. */
static void gateway_that_comes_late(void **state)
{
    (void)state;
    struct world *world = world_new(1);
    world_start(world);
    world->hook = late_gateway;
    world_post(&world->a, (struct ike_command){.kind = IKE_CMD_CONNECT,
                                               .conn = "office",
                                               .path = world_path(0),
                                               .early_ns = 50 * NANOS_PER_MS});
    world_run(world, 500 * NANOS_PER_MS);
    assert_int_equal(auth_copies, 1); /* the copy at 350 ms was answered */
    world_run(world, 700 * NANOS_PER_MS);
    assert_int_equal(auth_copies, 1);
    world->hook = NULL;
    world_run(world, SECONDS(5));
    scenario_end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peer_that_vanished_in_silence),
        cmocka_unit_test(silence_with_losses),
        cmocka_unit_test(gateway_that_comes_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
