/* SPDX-License-Identifier: Apache-2.0 */
/* When session tickets stop to count (ike/core/ticket_end.h). */
#include "exchange/ticket_world.h"

/* login_ends_full - the login under way by a ticket does not come in; its peer logs in anew. */
static void login_ends_full(struct world *world, uint64_t tag)
{
    unsigned eap = world->b.counts[IKE_EV_EAP], up = world->b.counts[IKE_EV_SESSION_UP];
    world_eap_release(&world->b);
    for (int i = 0; i < 60 && world_done(&world->a, tag) == NULL; i++)
        world_run(world, SECONDS(1));
    assert_non_null(world_done(&world->a, tag));
    assert_int_equal(world_done(&world->a, tag)->outcome, IKE_OK);
    assert_int_equal(world->b.counts[IKE_EV_EAP], eap + 3);
    assert_int_equal(world->b.counts[IKE_EV_SESSION_UP], up + 1);
    expect_resumed(world, false);
}

/* newest_session - of the Gateway, established or not. */
static ike_session_id newest_session(const struct world *world)
{
    struct ike_session_info session = {0};
    while (ike_session_next(world->b.ike, session.id, &session))
        ;
    return session.id;
}

/* What the session was granted changes (RFC 5176) while its ticket is being used: at no step of that
 * login does it bring in what was granted before. */
static void changed_while_used(void **state)
{
    (void)state;
    static const struct {
        enum ike_event_kind step;
        enum ike_command_kind word;
    } rows[] = {
        {IKE_EV_TICKET_OPEN, IKE_CMD_END_TICKETS},    {IKE_EV_TICKET_USE, IKE_CMD_END_TICKETS},
        {IKE_EV_LEASE, IKE_CMD_END_TICKETS},          {IKE_EV_TICKET_SEAL, IKE_CMD_END_TICKETS},
        {IKE_EV_TICKET_OPEN, IKE_CMD_DELETE_SESSION}, {IKE_EV_TICKET_USE, IKE_CMD_DELETE_SESSION},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct world *world = ticket_world(100 + i);
        (void)still_there(world);
        world->b.hold = rows[i].step;
        struct ike_command connect = {
            .kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0)};
        uint64_t tag = world_post(&world->a, connect);
        world_run(world, SECONDS(1));
        assert_int_not_equal(world->b.held_job, 0);
        world->b.hold = 0;
        struct ike_command change = {.kind = rows[i].word, .session = newest_session(world)};
        (void)world_post(&world->b, change);
        assert_true(world->b.tickets.tickets[0].over);
        login_ends_full(world, tag);
        world_run(world, SECONDS(30));
        world_free(world);
    }
}

/* A login whose ticket is open and whose IKE_AUTH is on its way, though the keyholder forgot the word. */
static void changed_before_use(void **state)
{
    (void)state;
    struct world *world = ticket_world(110);
    ike_session_id old = still_there(world);
    world->b.hold = IKE_EV_TICKET_USE;
    struct ike_command connect = {.kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0)};
    uint64_t tag = world_post(&world->a, connect);
    world_run(world, 3 * WORLD_LATENCY_NS - 1); /* IKE_AUTH has left, and has not come */
    assert_int_equal(world->b.counts[IKE_EV_TICKET_OPEN], 1);
    assert_int_equal(world->b.counts[IKE_EV_TICKET_USE], 0);
    struct ike_command change = {.kind = IKE_CMD_END_TICKETS, .session = old};
    (void)world_post(&world->b, change);
    assert_int_equal(scenario_session(&world->b).ticket_family, 0);
    world->b.tickets.tickets[0].over = false;
    world_run(world, SECONDS(1));
    assert_int_equal(world->b.counts[IKE_EV_TICKET_USE], 1);
    world->b.hold = 0;
    login_ends_full(world, tag);
    scenario_end(world);
}

/* Each change of what was granted ends the tickets of the session, which goes on. */
static void changed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct world *world = ticket_world(112 + i);
        scenario_login(world);
        struct ike_command change = {.kind = i == 0 ? IKE_CMD_END_TICKETS : IKE_CMD_REAUTH,
                                     .session = scenario_session(&world->b).id,
                                     .lifetime_ns = i == 0 ? 0 : SECONDS(3000)};
        assert_int_equal(world_command(&world->b, change), IKE_OK);
        assert_int_equal(world_n_sas(&world->b), 1);
        assert_int_equal(scenario_session(&world->b).ticket_family, 0);
        assert_int_equal(world->b.counts[IKE_EV_TICKET_END], 1);
        crash(world);
        scenario_watch(world);
        expect_full(world);
        assert_true(scenario_count(world, "IKE_SESSION_RESUME response: N(TICKET_NACK)") > 0);
        scenario_end(world);
    }
}

/* A session ends by a word, and its Delete is not answered: the ticket does not count meanwhile. Row 2: a
 * probe of before keeps the Delete from being sent. */
static void word_counts_at_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct world *world = ticket_world(116 + i);
        ike_session_id old = still_there(world);
        struct ike_command probe = {.kind = IKE_CMD_PROBE, .sa = world_sa(&world->b, 0)};
        if (i == 2)
            (void)world_post(&world->b, probe);
        struct ike_command end = {.kind = i == 0 ? IKE_CMD_DELETE_SESSION : IKE_CMD_DELETE_IKE,
                                  .session = old,
                                  .sa = world_sa(&world->b, 0)};
        (void)world_post(&world->b, end);
        assert_int_equal(world_n_sas(&world->b), 1); /* it waits for its response */
        assert_true(world->b.tickets.tickets[0].over);
        expect_full(world);
        world_free(world);
    }
}

/* The same where nobody commands: the lifetime of the only IKE SA is over. */
static void last_ike_sa_expires(void **state)
{
    (void)state;
    struct world *world = ticket_world(130);
    world->conn_b->lifetime.life_ns = SECONDS(300);
    (void)still_there(world);
    for (int i = 0; i < 300 && !world->b.tickets.tickets[0].over; i++)
        world_run(world, SECONDS(1));
    assert_true(world->b.tickets.tickets[0].over);
    assert_int_equal(world_n_sas(&world->b), 1);
    expect_full(world);
    world_free(world);
}

/* The session ends because its peer is silent, and a Delete of another IKE SA still waits. Then a person
 * ends it: that counts as well. */
static void word_after_silence(void **state)
{
    (void)state;
    struct world *world = ticket_world(131);
    scenario_login(world);
    scenario_clone(&world->a, world_sa(&world->a, 0));
    world->hook = cut;
    struct ike_command probe = {.kind = IKE_CMD_PROBE, .sa = world_sa(&world->b, 1)};
    struct ike_command one = {.kind = IKE_CMD_DELETE_IKE, .sa = world_sa(&world->b, 0)};
    (void)world_post(&world->b, probe);
    world_run(world, SECONDS(3));
    (void)world_post(&world->b, one);
    assert_int_equal(world_n_sas(&world->b), 2);
    for (int i = 0; i < 300 && world_n_sas(&world->b) > 1; i++)
        world_run(world, SECONDS(1));
    assert_int_equal(world_n_sas(&world->b), 1);
    assert_false(world->b.tickets.tickets[0].over);
    struct ike_command end = {.kind = IKE_CMD_DELETE_SESSION,
                              .session = scenario_session(&world->b).id};
    (void)world_post(&world->b, end);
    assert_true(world->b.tickets.tickets[0].over);
    world_free(world);
}

/* The End User fell silent: the ticket stays at both ends. */
static void ended_by_silence(void **state)
{
    (void)state;
    struct world *world = ticket_world(120);
    world->conn_b->dpd_delay_ns = SECONDS(5);
    world->conn_b->dpd_timeout_ns = SECONDS(20);
    scenario_login(world);
    world->hook = cut;
    for (int i = 0; i < 600 && world_n_sas(&world->a) + world_n_sas(&world->b) > 0; i++)
        world_run(world, SECONDS(1));
    world->hook = NULL;
    assert_int_equal(world_n_sas(&world->b), 0);
    assert_int_equal(world->b.counts[IKE_EV_TICKET_END], 0);
    expect_by_ticket(world);
    scenario_end(world);
}

/* end_of_session - the reason that the latest end of a session has. */
static enum ike_outcome end_of_session(const struct peer *peer)
{
    size_t i = peer->n_events;
    while (peer->events[(i - 1) % WORLD_EVENTS].kind != IKE_EV_SESSION_DOWN)
        i--;
    return peer->events[(i - 1) % WORLD_EVENTS].outcome;
}

/* The path manager of one end gives up a peer that is silent: what it says is the reason of the end, and
 * the ticket stays. A word ends it, by force too. Reasons are for force alone. */
static void given_up(void **state)
{
    (void)state;
    static const struct {
        bool gateway;
        enum ike_command_kind kind;
        enum ike_outcome reason, want;
    } rows[] = {
        {true, IKE_CMD_DELETE_IKE, IKE_TIMEOUT, IKE_TIMEOUT},
        {true, IKE_CMD_DELETE_SESSION, IKE_TIMEOUT, IKE_TIMEOUT},
        {false, IKE_CMD_DELETE_SESSION, IKE_TIMEOUT, IKE_TIMEOUT},
        {true, IKE_CMD_DELETE_IKE, IKE_OK, IKE_CANCELLED},
        {true, IKE_CMD_DELETE_SESSION, IKE_OK, IKE_CANCELLED},
        {false, IKE_CMD_DELETE_SESSION, IKE_OK, IKE_CANCELLED},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct world *world = ticket_world(140 + i);
        struct peer *peer = rows[i].gateway ? &world->b : &world->a;
        scenario_login(world);
        struct ike_command end = {.kind = rows[i].kind,
                                  .session = scenario_session(peer).id,
                                  .sa = world_sa(peer, 0),
                                  .reason = IKE_TIMEOUT};
        assert_int_equal(ike_command(peer->ike, &end, world->now), ERR_INVALID);
        world->hook = cut;
        end.force = true;
        end.reason = rows[i].reason;
        assert_int_equal(world_command(peer, end), IKE_OK);
        assert_int_equal(world_n_sas(peer), 0);
        assert_int_equal(end_of_session(peer), rows[i].want);
        world->conn_b->dpd_delay_ns = SECONDS(1000);
        for (int k = 0; k < 600 && world_n_sas(&world->a) > 0; k++)
            world_run(world, SECONDS(1));
        world->hook = NULL;
        if (rows[i].reason == IKE_TIMEOUT)
            expect_by_ticket(world);
        else
            expect_full(world);
        world_free(world);
    }
}

/* The authentication is over: so is the ticket, at both ends. */
static void ended_by_time(void **state)
{
    (void)state;
    struct world *world = ticket_world(121);
    world->b.eap.valid_ns = SECONDS(1000);
    scenario_login(world);
    world_run(world, SECONDS(1200));
    assert_int_equal(world_n_sas(&world->b), 0);
    assert_int_equal(world->b.counts[IKE_EV_TICKET_END], 1);
    scenario_watch(world);
    expect_full(world);
    assert_int_equal(scenario_count(world, "IKE_SESSION_RESUME"), 0);
    scenario_end(world);
}

/* A later login replaces the session: the ticket of the later one counts, and no other. */
static void ended_by_successor(void **state)
{
    (void)state;
    struct world *world = ticket_world(122);
    scenario_login(world);
    ike_session_id old = scenario_session(&world->a).id;
    struct ike_command again = {
        .kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0), .replaces = old};
    assert_int_equal(world_command(&world->a, again), IKE_OK);
    struct ike_command end = {.kind = IKE_CMD_DELETE_SESSION, .session = old};
    assert_int_equal(world_command(&world->a, end), IKE_OK);
    assert_true(world->b.tickets.tickets[0].over);
    assert_false(world->b.tickets.tickets[1].over);
    crash(world);
    expect_by_ticket(world);
    scenario_end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changed_while_used),
        cmocka_unit_test(changed_before_use),
        cmocka_unit_test(changed),
        cmocka_unit_test(word_counts_at_once),
        cmocka_unit_test(last_ike_sa_expires),
        cmocka_unit_test(word_after_silence),
        cmocka_unit_test(ended_by_silence),
        cmocka_unit_test(given_up),
        cmocka_unit_test(ended_by_time),
        cmocka_unit_test(ended_by_successor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
