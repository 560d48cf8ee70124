/* SPDX-License-Identifier: Apache-2.0 */
/* What is answered to a request that crossed one of ours (RFC 7296 sections 1.4.1 and 2.25). What
 * becomes of the SAs afterwards: the explorer. */
#include <stdio.h>

#include "base/reader.h"
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

/* --- a check of the predecessor that ends late --- */

static uint64_t predecessor; /* its SPI of the initiator */
static bool checks_pass;

/* late_check - the Gateway's check of a new address is lost on the predecessor, and so is the Delete. */
static bool late_check(struct world *world, bool to_b, struct ike_datagram *d)
{
    struct reader r = reader_of(span_of(d->octets, d->len));
    uint64_t spi_i = read_u64(&r);
    bool response = (d->octets[19] & 0x20) != 0;
    (void)world;
    if (spi_i != predecessor || d->octets[18] != WIRE_INFORMATIONAL || response)
        return true;
    bool is_delete = to_b && world_n_sas(&world->a) > 1;
    return to_b ? !is_delete : checks_pass;
}

/* The End User moves an IKE SA, rekeys it, and moves the heir on. The check of the first move ends last:
 * it leads the heir nowhere (RFC 4555 section 3.5). */
static void old_check_ends_last(void **state)
{
    (void)state;
    struct world *world = scenario_up(40);
    ike_sa_id old = world_sa(&world->a, 0);
    predecessor = scenario_sa(&world->a, old).spi_i;
    checks_pass = false;
    world->hook = late_check;
    struct ike_command move = {.kind = IKE_CMD_MOVE, .sa = old, .path = world_path(1)};
    assert_int_equal(world_command(&world->a, move), IKE_OK);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_REKEY_IKE, old), IKE_OK);
    assert_int_equal(world_n_sas(&world->b), 2); /* the Delete does not arrive */
    struct ike_command on = {
        .kind = IKE_CMD_MOVE, .sa = world_sa(&world->a, 0), .path = world_path(2)};
    assert_int_equal(world_command(&world->a, on), IKE_OK);
    ike_sa_id heir = world_sa(&world->b, 0);
    assert_int_equal(scenario_sa(&world->b, heir).path.remote.address.octets[3], 3);
    checks_pass = true;
    unsigned before = world->b.counts[IKE_EV_EXCHANGE];
    for (int i = 0; i < 60 && world->b.counts[IKE_EV_EXCHANGE] == before; i++)
        world_run(world, NANOS_PER_SEC);
    assert_int_equal(world->b.counts[IKE_EV_EXCHANGE], before + 1);
    assert_int_equal(scenario_sa(&world->b, heir).path.remote.address.octets[3], 3);
    world->hook = NULL;
    world_run(world, 200 * NANOS_PER_SEC);
    scenario_end(world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(crossing),
        cmocka_unit_test(line_of_rekeys),
        cmocka_unit_test(old_check_ends_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
