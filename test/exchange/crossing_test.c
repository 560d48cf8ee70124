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

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(crossing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
