/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges that wait for a key exchange on another thread, and what happens meanwhile. */
#include <stdlib.h>

#include "exchange/scenario.h"

/* waiting_world - the key exchanges of `b` are jobs, and wait for world_ke_run. */
static struct world *waiting_world(void)
{
    struct world *world = world_new(1);
    world_restart(&world->b, (struct ike_options){.ke_jobs = true});
    world->b.hold_ke = true;
    return world;
}

static struct world *waiting_up(void)
{
    struct world *world = waiting_world();
    world->b.hold_ke = false;
    scenario_login(world);
    world->b.hold_ke = true;
    return world;
}

static struct ike_stats stats_of(const struct peer *peer)
{
    struct ike_stats stats;
    ike_stats_get(peer->ike, &stats);
    return stats;
}

static void release(struct world *world)
{
    world_ke_run(&world->b, 0);
    world_drain(world);
}

static enum ike_outcome outcome_of(struct world *world, uint64_t tag)
{
    world_run(world, 10 * NANOS_PER_SEC);
    const struct ike_event *done = world_done(&world->a, tag);
    assert_non_null(done);
    return done->outcome;
}

static uint64_t ask(struct world *world, enum ike_command_kind kind)
{
    struct ike_command command = {.kind = kind, .sa = world_sa(&world->a, 0), .child = "net"};
    uint64_t tag = world_post(&world->a, command);
    world_run(world, 4 * NANOS_PER_SEC); /* it is repeated at least once */
    assert_int_equal(world->b.n_ke, 1);
    assert_null(world_done(&world->a, tag));
    return tag;
}

/* IKE_SA_INIT: repetitions start no second key exchange. */
static void login_waits(void **state)
{
    (void)state;
    struct world *world = waiting_world();
    world_start(world);
    struct ike_command connect = {.kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0)};
    uint64_t tag = world_post(&world->a, connect);
    world_run(world, 5 * NANOS_PER_SEC);
    assert_int_equal(world->b.n_ke, 1);
    assert_int_equal(stats_of(&world->b).half_open, 1);
    release(world);
    assert_int_equal(outcome_of(world, tag), IKE_OK);
    scenario_end(world);
}

/* The IKE SA is gone when its key exchange is done. */
static void for_the_dead(void **state)
{
    (void)state;
    struct world *world = waiting_world();
    world_start(world);
    struct ike_command connect = {.kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0)};
    uint64_t tag = world_post(&world->a, connect);
    world_run(world, 100 * NANOS_PER_MS);
    struct ike_command cancel = {.kind = IKE_CMD_CANCEL, .tag = tag};
    assert_int_equal(ike_command(world->a.ike, &cancel, world->now), 0);
    world_run(world, 31 * NANOS_PER_SEC);
    assert_int_equal(stats_of(&world->b).half_open, 0);
    release(world);
    assert_int_equal(world_n_sas(&world->b), 0);
    world_free(world);
}

static struct {
    bool begins; /* logins that begin now are among them */
    size_t n;
    uint8_t spi_i[8][8];
} stuck;

/* auth_lost - the IKE_AUTH requests of some logins never arrive: they stay half-open. */
static bool auth_lost(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    for (size_t i = 0; i < stuck.n; i++)
        if (to_b && memcmp(d->octets, stuck.spi_i[i], 8) == 0)
            return d->octets[18] != WIRE_IKE_AUTH;
    if (stuck.begins && to_b && stuck.n < ARRAY_LEN(stuck.spi_i))
        memcpy(stuck.spi_i[stuck.n++], d->octets, 8);
    return true;
}

/* Others fill the table of half-open logins, which leaves 5 seconds to this one. Its verification
 * takes longer, as the word of a CA does, and the login succeeds. */
static void verification_takes_long(void **state)
{
    (void)state;
    struct world *world = world_new(1);
    struct ike_command connect = {.kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0)};
    world_restart(&world->b, (struct ike_options){.max_half_open = 4});
    world_start(world);
    memset(&stuck, 0, sizeof(stuck));
    world->hook = auth_lost;
    stuck.begins = true;
    for (int i = 0; i < 3; i++)
        (void)world_post(&world->a, connect);
    world_run(world, 100 * NANOS_PER_MS);
    assert_int_equal(stats_of(&world->b).half_open, 3);
    stuck.begins = false;
    world->b.hold_verify = true;
    uint64_t tag = world_post(&world->a, connect);
    world_run(world, 10 * NANOS_PER_SEC);
    assert_int_not_equal(world->b.held_job, 0);
    world_eap_release(&world->b);
    assert_int_equal(outcome_of(world, tag), IKE_OK);
    world_free(world);
}

/* A login that is tried again has the number of the attempt before. What is still under way for that attempt is not
 * taken for its own: neither the word that AUTH is wrong, nor a key exchange. */
static void tried_again(void **state)
{
    (void)state;
    struct world *world = world_new(1);
    struct ike_command connect = {.kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0)};
    world_start(world);
    world->a.hold_verify = true;
    uint64_t first = world_post(&world->a, connect);
    world_run(world, NANOS_PER_SEC);
    ike_job_id late = world->a.held_job;
    assert_int_not_equal(late, 0);
    connect.again = 1;
    (void)world_post(&world->a, connect); /* the first one is there still */
    struct ike_command end = {.kind = IKE_CMD_DELETE_IKE, .sa = 1, .force = true};
    assert_int_equal(ike_command(world->a.ike, &end, world->now), 0);
    end.sa = 2;
    assert_int_equal(ike_command(world->a.ike, &end, world->now), 0);
    world_drain(world);
    assert_int_equal(world_done(&world->a, first)->sa, 1);

    uint64_t again = world_post(&world->a, connect);
    world_run(world, NANOS_PER_SEC);
    assert_int_not_equal(world->a.held_job, late);
    struct ike_result wrong = {.error = ERR_CRYPTO};
    ike_complete(world->a.ike, late, &wrong, world->now);
    world_drain(world);
    assert_null(world_done(&world->a, again));
    world_eap_release(&world->a);
    assert_int_equal(outcome_of(world, again), IKE_OK);
    assert_int_equal(world_done(&world->a, again)->sa, 1);
    assert_int_equal(world_sa(&world->a, 0), 1);

    world->a.hold_verify =
        false; /* neither a number of an IKE SA that lives, nor one that nobody had */
    for (ike_sa_id number = 3; number <= 4; number++) {
        connect.again = number == 3 ? 1 : 99;
        uint64_t other = world_post(&world->a, connect);
        assert_int_equal(outcome_of(world, other), IKE_OK);
        assert_int_equal(world_done(&world->a, other)->sa, number);
    }
    world_free(world);
}

static const enum ike_command_kind kinds[] = {IKE_CMD_REKEY_IKE, IKE_CMD_CLONE};

/* A rekey and a clone wait; the other direction of requests does not. */
static void requests_wait(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct world *world = waiting_up();
        uint64_t tag = ask(world, kinds[i]);
        assert_int_equal(scenario_on_sa(&world->b, IKE_CMD_PROBE, world_sa(&world->b, 0)), IKE_OK);
        release(world);
        assert_int_equal(outcome_of(world, tag), IKE_OK);
        assert_int_equal(world_n_sas(&world->b), kinds[i] == IKE_CMD_CLONE ? 2 : 1);
        scenario_end(world);
    }
}

/* Too many wait: the request counts as lost, and its repetition is answered. */
static void too_many(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct world *world = waiting_up();
        uint64_t tag = ask(world, kinds[i]);
        world_ke_run(&world->b, ERR_AGAIN);
        world->b.hold_ke = false;
        assert_int_equal(outcome_of(world, tag), IKE_OK);
        scenario_end(world);
    }
}

/* Meanwhile `b` deletes, or loses, what the request is about. */
static void deleted_meanwhile(void **state)
{
    (void)state;
    for (int force = 0; force < 2; force++) {
        struct world *world = waiting_up();
        (void)ask(world, IKE_CMD_REKEY_IKE);
        struct ike_command end = {
            .kind = IKE_CMD_DELETE_IKE, .sa = world_sa(&world->b, 0), .force = force != 0};
        world_post(&world->b, end);
        world_run(world, NANOS_PER_SEC / 2);
        release(world);
        world_run(world, 200 * NANOS_PER_SEC);
        assert_int_equal(world_n_sas(&world->b), 0);
        assert_int_equal(world->b.n_leases, 0);
        world_free(world);
    }
}

/* Meanwhile `b` rekeys the IKE SA: the two cross, and one inherits (S34). */
static void rekeyed_meanwhile(void **state)
{
    (void)state;
    struct world *world = waiting_up();
    uint64_t tag = ask(world, IKE_CMD_REKEY_IKE);
    struct ike_command rekey = {.kind = IKE_CMD_REKEY_IKE, .sa = world_sa(&world->b, 0)};
    world_post(&world->b, rekey);
    world_run(world, 5 * NANOS_PER_MS); /* on its way */
    release(world);
    world->b.hold_ke = false;
    (void)outcome_of(world, tag);
    world_run(world, 100 * NANOS_PER_SEC);
    assert_int_equal(world_n_sas(&world->b), 1);
    assert_int_equal(world_n_children(&world->b), 1);
    scenario_end(world);
}

/* A Child SA with a key exchange of its own (PFS), new and rekeyed. */
static void child_waits(void **state)
{
    (void)state;
    struct world *world = waiting_world();
    struct ike_proposal_list *lists[] = {&world->conn_a->children[0].proposals,
                                         &world->conn_b->children[0].proposals};
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < lists[i]->n; j++) {
            lists[i]->proposals[j].n_ke = 1;
            lists[i]->proposals[j].ke[0] = 31;
        }
    world->b.hold_ke = false;
    scenario_login(world);
    world->b.hold_ke = true;
    uint64_t tag = ask(world, IKE_CMD_CREATE_CHILD);
    release(world);
    assert_int_equal(outcome_of(world, tag), IKE_OK);
    assert_int_equal(world_n_children(&world->b), 2);
    struct ike_command rekey = {.kind = IKE_CMD_REKEY_CHILD, .child_id = world_child(&world->a, 0)};
    tag = world_post(&world->a, rekey);
    world_run(world, 4 * NANOS_PER_SEC);
    assert_int_equal(world->b.n_ke, 1);
    release(world);
    assert_int_equal(outcome_of(world, tag), IKE_OK);
    assert_int_equal(world_n_children(&world->b), 2);
    scenario_end(world);
}

/* --- exchanges that we begin: `a` waits for its key pair, and then for the shared secret --- */

static struct world *own_up(bool pfs)
{
    struct world *world = world_new(1);
    for (size_t j = 0; pfs && j < world->conn_a->children[0].proposals.n; j++) {
        struct ike_proposal *pair[] = {&world->conn_a->children[0].proposals.proposals[j],
                                       &world->conn_b->children[0].proposals.proposals[j]};
        for (size_t i = 0; i < 2; i++) {
            pair[i]->n_ke = 1;
            pair[i]->ke[0] = 31;
        }
    }
    scenario_login(world);
    world->a.hold_ke = true;
    return world;
}

/* own_step - the job of `a` that waits is done, or refused. */
static void own_step(struct world *world, int error)
{
    assert_int_equal(world->a.n_ke, 1);
    world_ke_run(&world->a, error);
    world_drain(world);
    world_run(world, NANOS_PER_SEC / 4);
}

static uint64_t own_begin(struct world *world, enum ike_command_kind kind)
{
    struct ike_command command = {.kind = kind,
                                  .sa = world_sa(&world->a, 0),
                                  .child = "net",
                                  .child_id = world_child(&world->a, 0)};
    uint64_t tag = world_post(&world->a, command);
    unsigned sent = world->n_sent;
    world_run(world, NANOS_PER_SEC);
    assert_int_equal(world->n_sent, sent); /* no request without a key pair */
    return tag;
}

static void own_login(void **state)
{
    (void)state;
    struct world *world = world_new(1);
    world->a.hold_ke = true;
    world_start(world);
    struct ike_command connect = {.kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0)};
    uint64_t tag = world_post(&world->a, connect);
    own_step(world, 0);
    assert_null(world_done(&world->a, tag));
    own_step(world, 0);
    assert_int_equal(outcome_of(world, tag), IKE_OK);
    scenario_end(world);
}

static const enum ike_command_kind own_kinds[] = {IKE_CMD_REKEY_IKE, IKE_CMD_CLONE,
                                                  IKE_CMD_CREATE_CHILD, IKE_CMD_REKEY_CHILD};

/* Each exchange waits twice. Requests of `b` are answered meanwhile. With too many jobs, the steps
 * are computed at once. */
static void own_waits(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(own_kinds); i++)
        for (int error = ERR_AGAIN; error <= 0; error -= ERR_AGAIN) {
            struct world *world = own_up(true);
            uint64_t tag = own_begin(world, own_kinds[i]);
            for (int step = 0; step < 2; step++) {
                ike_sa_id peer = world_sa(&world->b, 0);
                assert_null(world_done(&world->a, tag));
                if (step == 0 || own_kinds[i] != IKE_CMD_REKEY_IKE) /* else it is replaced there */
                    assert_int_equal(scenario_on_sa(&world->b, IKE_CMD_PROBE, peer), IKE_OK);
                own_step(world, error);
            }
            assert_int_equal(world->a.n_ke, 0);
            assert_int_equal(outcome_of(world, tag), IKE_OK);
            world->a.hold_ke = false;
            scenario_end(world);
        }
}

/* The peer uses the new IKE SA before `a` has its keys: the request is kept, not repeated. */
static void own_early(void **state)
{
    (void)state;
    struct world *world = own_up(false);
    uint64_t tag = own_begin(world, IKE_CMD_CLONE);
    own_step(world, 0);
    struct ike_command probe = {.kind = IKE_CMD_PROBE, .sa = world_sa(&world->b, 1)};
    uint64_t probed = world_post(&world->b, probe);
    world_run(world, NANOS_PER_SEC / 8);
    assert_null(world_done(&world->b, probed));
    uint64_t repeated = stats_of(&world->b).retransmitted;
    own_step(world, 0);
    assert_int_equal(outcome_of(world, tag), IKE_OK);
    assert_int_equal(world_done(&world->b, probed)->outcome, IKE_OK);
    assert_int_equal(stats_of(&world->b).retransmitted, repeated);
    world->a.hold_ke = false;
    scenario_end(world);
}

/* The IKE SA ends at each step: the result of the job comes for the dead. */
static void own_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(own_kinds); i++)
        for (int step = 0; step < (own_kinds[i] == IKE_CMD_REKEY_IKE ? 1 : 2); step++) {
            struct world *world = own_up(true);
            uint64_t tag = own_begin(world, own_kinds[i]);
            for (int k = 0; k < step; k++)
                own_step(world, 0);
            struct ike_command end = {.kind = IKE_CMD_DELETE_IKE, .sa = world_sa(&world->b, 0)};
            world_post(&world->b, end);
            world_run(world, NANOS_PER_SEC);
            world_ke_run(&world->a, 0);
            assert_int_not_equal(outcome_of(world, tag), IKE_OK);
            world->a.hold_ke = false;
            world_run(world, 200 * NANOS_PER_SEC);
            assert_int_equal(world_n_sas(&world->a), 0);
            world_free(world);
        }
}

/* The peer deletes the new Child SA before `a` has its keys: `a` does not keep it. */
static void own_child_deleted(void **state)
{
    (void)state;
    struct world *world = own_up(true);
    uint64_t tag = own_begin(world, IKE_CMD_CREATE_CHILD);
    own_step(world, 0);
    struct ike_command end = {.kind = IKE_CMD_DELETE_CHILD, .child_id = world_child(&world->b, 1)};
    world_post(&world->b, end);
    world_run(world, NANOS_PER_SEC / 4);
    own_step(world, 0);
    assert_int_equal(outcome_of(world, tag), IKE_PEER_DELETED);
    assert_int_equal(world_n_children(&world->a), 1);
    assert_int_equal(world_n_children(&world->b), 1);
    world->a.hold_ke = false;
    scenario_end(world);
}

/* The peer rekeys the IKE SA at each step: one IKE SA and one Child SA remain. */
static void own_crossed(void **state)
{
    (void)state;
    for (int step = 0; step < 2; step++) {
        struct world *world = own_up(true);
        uint64_t tag = own_begin(world, IKE_CMD_REKEY_IKE);
        for (int k = 0; k < step; k++)
            own_step(world, 0);
        struct ike_command rekey = {.kind = IKE_CMD_REKEY_IKE, .sa = world_sa(&world->b, 0)};
        world_post(&world->b, rekey);
        world->a.hold_ke = false;
        world_run(world, NANOS_PER_SEC / 4);
        world_ke_run(&world->a, 0);
        world_drain(world);
        (void)outcome_of(world, tag);
        world_run(world, 200 * NANOS_PER_SEC);
        assert_int_equal(world_n_sas(&world->a), 1);
        assert_int_equal(world_n_sas(&world->b), 1);
        assert_int_equal(world_n_children(&world->b), 1);
        scenario_end(world);
    }
}

/* The peer rekeys the IKE SA while `a` waits for the key pair of a Child SA's rekey: the heir rekeys
 * the Child SA. Its soft lifetime asks for that, or a command. */
static void own_child_moved(void **state)
{
    (void)state;
    for (int soft = 0; soft < 2; soft++) {
        struct world *world = own_up(true);
        ike_sa_id before = world_sa(&world->a, 0);
        ike_child_id child = world_child(&world->a, 0);
        uint64_t tag = 0;
        struct ike_command rekey = {.kind = IKE_CMD_REKEY_IKE, .sa = world_sa(&world->b, 0)};
        world_post(&world->b, rekey);
        world_run(world, NANOS_PER_SEC / 8);
        assert_int_equal(world->a.n_ke, 1); /* the answer to `b` */
        struct ike_command again = {.kind = IKE_CMD_REKEY_CHILD, .child_id = child};
        if (soft == 0)
            tag = world_post(&world->a, again);
        else
            ike_child_expiring(world->a.ike, child, false, world->now);
        world_run(world, NANOS_PER_SEC / 8);
        assert_int_equal(world->a.n_ke, 2);
        world->a.hold_ke = false;
        world_ke_run(&world->a, 0);
        world_drain(world);
        world_run(world, 20 * NANOS_PER_SEC);
        assert_int_equal(world_n_sas(&world->a), 1);
        assert_int_not_equal(world_sa(&world->a, 0), before);
        assert_int_equal(world_n_children(&world->a), 1);
        assert_int_not_equal(world_child(&world->a, 0), child);
        if (soft == 0)
            assert_int_equal(world_done(&world->a, tag)->outcome, IKE_OK);
        scenario_end(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(login_waits),
        cmocka_unit_test(for_the_dead),
        cmocka_unit_test(verification_takes_long),
        cmocka_unit_test(tried_again),
        cmocka_unit_test(requests_wait),
        cmocka_unit_test(too_many),
        cmocka_unit_test(deleted_meanwhile),
        cmocka_unit_test(rekeyed_meanwhile),
        cmocka_unit_test(child_waits),
        cmocka_unit_test(own_login),
        cmocka_unit_test(own_waits),
        cmocka_unit_test(own_early),
        cmocka_unit_test(own_ends),
        cmocka_unit_test(own_crossed),
        cmocka_unit_test(own_child_deleted),
        cmocka_unit_test(own_child_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
