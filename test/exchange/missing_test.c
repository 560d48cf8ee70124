/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every payload of every message of a session, and every pair of one message, is missing once, in
 * messages that are authentic. Whatever becomes of the exchange, nothing is left in the end; and
 * who was not shown an AUTH knows nobody.
 */
#include "exchange/scenario.h"

#define SECONDS(n) ((nanos)(n)*NANOS_PER_SEC)
#define NONE       64

static unsigned number, seen;      /* of the message */
static size_t first, second, n_in; /* payloads to remove; how many it has */
static bool auth_removed, to_gateway;

static enum scenario_fate cut(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (seen++ != number)
        return SCENARIO_PASS;
    n_in = m->n;
    if (first >= m->n)
        return SCENARIO_PASS;
    size_t auth = message_find(m, WIRE_PAYLOAD_AUTH);
    auth_removed = auth < m->n && (auth == first || auth == second);
    to_gateway = to_b;
    if (second < m->n)
        message_remove(m, second);
    message_remove(m, first);
    return SCENARIO_CHANGED;
}

static void act(struct peer *peer, enum ike_command_kind kind)
{
    struct ike_command command = {.kind = kind,
                                  .sa = world_sa(peer, 0),
                                  .child_id = world_child(peer, 0),
                                  .path = world_path(1),
                                  .path_test = true};
    if (kind == IKE_CMD_DELETE_SESSION) {
        struct ike_session_info session;
        if (!ike_session_next(peer->ike, 0, &session))
            return;
        command.session = session.id;
    }
    (void)!ike_command(peer->ike, &command, peer->world->now); /* what it is for may not be there */
    world_drain(peer->world);
    world_run(peer->world, SECONDS(3));
}

/* play - false: there is no such message, or it has no such payloads. */
static bool play(unsigned n, size_t i, size_t j)
{
    static const enum ike_command_kind kinds[] = {
        IKE_CMD_REKEY_CHILD, IKE_CMD_CREATE_CHILD, IKE_CMD_CLONE,     IKE_CMD_MOVE,
        IKE_CMD_REKEY_IKE,   IKE_CMD_DELETE_CHILD, IKE_CMD_DELETE_IKE};
    struct world *world = world_new(n * 100 + i);
    number = n;
    first = i;
    second = j;
    seen = 0;
    n_in = 0;
    auth_removed = false;
    world_start(world);
    scenario_edit(world, cut);
    struct ike_command connect = {.kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0)};
    assert_int_equal(ike_command(world->a.ike, &connect, world->now), 0);
    world_drain(world);
    world_run(world, SECONDS(3));
    if (auth_removed)
        assert_int_equal((to_gateway ? &world->b : &world->a)->counts[IKE_EV_SESSION_UP], 0);
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
        act(k % 2 == 0 ? &world->a : &world->b, kinds[k]);
    act(&world->a, IKE_CMD_DELETE_SESSION);
    world_run(world, SECONDS(300));
    act(&world->b, IKE_CMD_DELETE_SESSION);
    world_run(world, SECONDS(300));
    ike_check_invariants(world->a.ike);
    ike_check_invariants(world->b.ike);
    assert_int_equal(world_n_sas(&world->a) + world_n_sas(&world->b), 0);
    assert_int_equal(world->a.installed + world->b.installed, 0);
    assert_int_equal(world->b.n_leases, 0);
    bool there = seen > n && i < n_in && (j == NONE || j < n_in);
    world_free(world);
    return there;
}

static void missing(void **state)
{
    (void)state;
    unsigned n_messages = 0, n_cuts = 0;
    for (unsigned n = 0; n < 40; n++) {
        size_t i = 0;
        for (; play(n, i, NONE); i++, n_cuts++)
            for (size_t j = i + 1; play(n, i, j); j++)
                n_cuts++;
        n_messages += i > 0;
    }
    assert_true(n_messages > 12 && n_cuts > 150); /* the session was played */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
