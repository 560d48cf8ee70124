/* SPDX-License-Identifier: Apache-2.0 */
/* What is answered to a request that crossed one of ours (RFC 7296 sections 1.4.1 and 2.25). What
 * becomes of the SAs afterwards: the explorer. */
#include <stdio.h>

#include "exchange/scenario.h"

#define LATER "CREATE_CHILD_SA response: N(TEMPORARY_FAILURE)"

static uint64_t post(struct peer *peer, enum ike_command_kind kind)
{
    return world_post(peer, (struct ike_command){.kind = kind,
                                                 .sa = world_sa(peer, 0),
                                                 .child_id = world_child(peer, 0)});
}

static void crossing(void **state)
{
    static const struct {
        enum ike_command_kind a, b;
        const char *b_answers, *a_answers;
    } rows[] = {
        /* section 2.25.1 */
        {IKE_CMD_REKEY_CHILD, IKE_CMD_DELETE_CHILD, LATER, "INFORMATIONAL response: D(ESP)"},
        {IKE_CMD_REKEY_CHILD, IKE_CMD_REKEY_CHILD, "CREATE_CHILD_SA response: SA(ESP)",
         "CREATE_CHILD_SA response: SA(ESP)"},
        {IKE_CMD_DELETE_CHILD, IKE_CMD_DELETE_CHILD, "INFORMATIONAL response: -",
         "INFORMATIONAL response: -"},
        {IKE_CMD_REKEY_IKE, IKE_CMD_DELETE_CHILD, LATER, "INFORMATIONAL response: D(ESP)"},
        {IKE_CMD_REKEY_IKE, IKE_CMD_CREATE_CHILD, LATER, LATER},
        {IKE_CMD_REKEY_IKE, IKE_CMD_REKEY_CHILD, LATER, LATER},
        /* section 2.25.2 */
        {IKE_CMD_REKEY_IKE, IKE_CMD_REKEY_IKE, "CREATE_CHILD_SA response: SA(IKE)",
         "CREATE_CHILD_SA response: SA(IKE)"},
        {IKE_CMD_REKEY_IKE, IKE_CMD_DELETE_IKE, LATER, "INFORMATIONAL response: -"},
        {IKE_CMD_CREATE_CHILD, IKE_CMD_DELETE_IKE, LATER, "INFORMATIONAL response: -"},
        {IKE_CMD_DELETE_IKE, IKE_CMD_DELETE_IKE, "INFORMATIONAL response: -",
         "INFORMATIONAL response: -"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world *world = scenario_up(1 + i);
        char line[128];
        scenario_watch(world);
        post(&world->a, rows[i].a);
        post(&world->b, rows[i].b);
        world_run(world,
                  WORLD_LATENCY_NS + WORLD_LATENCY_NS / 2); /* both answers are on their way */
        (void)snprintf(line, sizeof(line), "#1 b -> a %s", rows[i].b_answers);
        assert_int_equal(scenario_count(world, line), 1);
        (void)snprintf(line, sizeof(line), "#1 a -> b %s", rows[i].a_answers);
        assert_int_equal(scenario_count(world, line), 1);
        world_run(world, 60 * NANOS_PER_SEC);
        scenario_end(world);
    }
}

static struct ike_sa_info line_now(const struct peer *peer, ike_sa_id line)
{
    struct ike_session_info session;
    struct ike_sa_info info;
    assert_true(ike_session_next(peer->ike, 0, &session));
    assert_int_equal(session.n_lines, 1);
    assert_true(ike_line_get(peer->ike, session.id, line, &info));
    assert_int_equal(info.line, line);
    return info;
}

/* An IKE SA keeps its line through rekeys, also through those that cross: both ends agree on the IKE
 * SA at which the line is, and the Child SA is of that line. */
static void line_of_rekeys(void **state)
{
    (void)state;
    for (unsigned both = 0; both < 2; both++) {
        struct world *world = scenario_up(50 + both);
        ike_sa_id line_a = scenario_sa(&world->a, world_sa(&world->a, 0)).line;
        ike_sa_id line_b = scenario_sa(&world->b, world_sa(&world->b, 0)).line;
        struct ike_sa_info was = line_now(&world->a, line_a);
        for (unsigned i = 0; i < 5; i++) {
            post(&world->a, IKE_CMD_REKEY_IKE);
            if (both)
                post(&world->b, IKE_CMD_REKEY_IKE);
            world_run(world, 10 * NANOS_PER_SEC);
            struct ike_sa_info a = line_now(&world->a, line_a), b = line_now(&world->b, line_b);
            struct ike_child_info child;
            assert_true(a.spi_i == b.spi_i && a.spi_r == b.spi_r && a.spi_i != was.spi_i);
            assert_true(ike_child_get(world->a.ike, world_child(&world->a, 0), &child));
            assert_int_equal(child.line, line_a);
            assert_int_equal(child.sa, a.id);
            was = a;
        }
        scenario_end(world);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(crossing),
        cmocka_unit_test(line_of_rekeys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
