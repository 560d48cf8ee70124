/* SPDX-License-Identifier: Apache-2.0 */
/* N(PATH_TERMS): the Gateway learns the terms of a path from the End User alone. */
#include "exchange/mover.h"
#include "exchange/scenario.h"
#include "ike/connection.h"
#include "wire/path_terms.h"
#include "wire/payloads.h"

static const struct path_terms dear = {.rank = 7, .weight = 3, .metered = true};

static int tell(struct peer *peer, ike_sa_id sa)
{
    struct ike_command command = {.kind = IKE_CMD_PATH_TERMS, .sa = sa, .terms = dear};
    return ike_command(peer->ike, &command, peer->world->now);
}

static void expect(const struct peer *peer, ike_sa_id sa, struct path_terms terms)
{
    struct path_terms known = path_terms_meant(scenario_sa(peer, sa).terms);
    assert_true(path_terms_equal(known, terms));
}

/* The terms belong to one IKE SA: its clone does not get them, the IKE SA that replaces it does. */
static void told(void **state)
{
    (void)state;
    struct world *world = scenario_up(1);
    ike_sa_id clone = scenario_clone(&world->a, world_sa(&world->a, 0));
    assert_int_equal(tell(&world->b, world_sa(&world->b, 0)), ERR_WRONG_STATE);
    assert_int_equal(tell(&world->a, world_sa(&world->a, 0)), 0);
    world_run(world, NANOS_PER_SEC);
    assert_int_equal(world->b.counts[IKE_EV_PATH_TERMS], 1);
    expect(&world->a, world_sa(&world->a, 0), dear);
    expect(&world->b, world_sa(&world->b, 0), dear);
    expect(&world->a, clone, PATH_TERMS_UNSAID);
    expect(&world->b, world_sa(&world->b, 1), PATH_TERMS_UNSAID);
    mover_moved(&world->b);
    expect(&world->b, world_sa(&world->b, 0), dear);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_REKEY_IKE, world_sa(&world->a, 0)), IKE_OK);
    world_run(world, NANOS_PER_SEC);
    expect(&world->a, world_sa(&world->a, 1), dear);
    expect(&world->b, world_sa(&world->b, 1), dear);
    scenario_end(world);
}

enum spoil { OTHER_VERSION, TOO_SHORT, EMPTY, NO_WEIGHT, LONGER, RESERVED, SPOILS };
static enum spoil spoil_now;

static enum scenario_fate spoil(struct world *world, bool to_b, struct message *m)
{
    uint8_t longer[PATH_TERMS_LEN + 4] = {0};
    size_t at = message_find_notify(m, PATH_TERMS_NOTIFY);
    (void)world;
    (void)to_b;
    if (at == m->n)
        return SCENARIO_PASS;
    path_terms_write(dear, longer);
    switch (spoil_now) {
    case OTHER_VERSION: message_octets(m, at)[4]++; return SCENARIO_CHANGED;
    case NO_WEIGHT: memset(message_octets(m, at) + 12, 0, 4); return SCENARIO_CHANGED;
    case RESERVED: message_octets(m, at)[5] |= 0x7f; return SCENARIO_CHANGED;
    case TOO_SHORT:
    case EMPTY:
    case LONGER:
    case SPOILS: break;
    }
    size_t len = spoil_now == LONGER ? sizeof(longer) : spoil_now == EMPTY ? 0 : PATH_TERMS_LEN - 1;
    message_remove(m, at);
    message_insert_notify(m, at, PATH_TERMS_NOTIFY, span_of(longer, len));
    return SCENARIO_CHANGED;
}

/* A notify that cannot be read is answered and logged. It changes nothing. */
static void hostile(void **state)
{
    (void)state;
    for (spoil_now = 0; spoil_now < SPOILS; spoil_now++) {
        bool read = spoil_now == LONGER || spoil_now == RESERVED;
        struct world *world = scenario_up(10 + spoil_now);
        unsigned notices = world->b.counts[IKE_EV_NOTICE];
        scenario_edit(world, spoil);
        assert_int_equal(tell(&world->a, world_sa(&world->a, 0)), 0);
        world_run(world, NANOS_PER_SEC);
        assert_int_equal(world->a.counts[IKE_EV_PATH_TERMS], 1);
        assert_int_equal(world->b.counts[IKE_EV_PATH_TERMS], read);
        assert_int_equal(world->b.counts[IKE_EV_NOTICE] - notices, !read);
        expect(&world->b, world_sa(&world->b, 0), read ? dear : PATH_TERMS_UNSAID);
        scenario_end(world);
    }
}

static bool asked;

static enum scenario_fate refuse(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    bool refused = !to_b && asked;
    asked = to_b && message_find_notify(m, PATH_TERMS_NOTIFY) != m->n;
    if (!refused)
        return SCENARIO_PASS;
    message_insert_notify(m, 0, 8191, span_of(NULL, 0)); /* an error type that nobody knows */
    return SCENARIO_CHANGED;
}

/* After an error notify the End User is silent, also in another process. */
static void refused(void **state)
{
    (void)state;
    struct world *world = scenario_up(20);
    scenario_edit(world, refuse);
    assert_int_equal(tell(&world->a, world_sa(&world->a, 0)), 0);
    world_run(world, NANOS_PER_SEC);
    assert_int_equal(world->a.counts[IKE_EV_PATH_TERMS], 0);
    assert_int_equal(tell(&world->a, world_sa(&world->a, 0)), ERR_WRONG_STATE);
    mover_moved(&world->a);
    assert_int_equal(tell(&world->a, world_sa(&world->a, 0)), ERR_WRONG_STATE);
    scenario_end(world);
}

/* A peer without the Vendor ID never sees the notify. */
static void without_vendor_id(void **state)
{
    (void)state;
    struct world *world = world_new(30);
    world->conn_b->clone = IKE_CLONE_RFC7791;
    scenario_login(world);
    assert_int_equal(tell(&world->a, world_sa(&world->a, 0)), ERR_WRONG_STATE);
    scenario_end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(told), cmocka_unit_test(hostile),
                                       cmocka_unit_test(refused),
                                       cmocka_unit_test(without_vendor_id)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
