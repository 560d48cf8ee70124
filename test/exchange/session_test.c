/* SPDX-License-Identifier: Apache-2.0 */
/* What belongs to the session and not to an IKE SA of it: one per identity, its end, its limits. */
#include "exchange/scenario.h"
#include "ike/terms/proposal.h"
#include "wire/iana.h"

#define SECONDS(n) ((nanos)(n)*NANOS_PER_SEC)

static const struct ike_event *last_event(const struct peer *peer, enum ike_event_kind kind)
{
    const struct ike_event *last = NULL;
    for (size_t i = peer->n_events < WORLD_EVENTS ? 0 : peer->n_events - WORLD_EVENTS;
         i < peer->n_events; i++)
        if (peer->events[i % WORLD_EVENTS].kind == kind)
            last = &peer->events[i % WORLD_EVENTS];
    assert_non_null(last);
    return last;
}

/* --- one session of an identity (A-22) --- */

static enum ike_outcome login_again(struct world *world, unsigned path, ike_session_id replaces)
{
    return world_command(&world->a, (struct ike_command){.kind = IKE_CMD_CONNECT,
                                                         .conn = "office",
                                                         .path = world_path(path),
                                                         .replaces = replaces});
}

/* A second login of the same identity: from where its session is, it may be a login anew, and the
 * old session has time to hand over; from elsewhere it is somebody else. */
static void uniqueness(void **state)
{
    static const struct {
        enum ike_unique unique;
        unsigned path;
        enum ike_outcome outcome;
        unsigned sessions, later; /* at the Gateway: soon, and after a minute */
    } cases[] = {
        {IKE_UNIQUE_NO, 0, IKE_OK, 2, 2},      {IKE_UNIQUE_NO, 7, IKE_OK, 2, 2},
        {IKE_UNIQUE_NEVER, 0, IKE_OK, 2, 2},   {IKE_UNIQUE_NEVER, 7, IKE_OK, 2, 2},
        {IKE_UNIQUE_REPLACE, 0, IKE_OK, 2, 1}, {IKE_UNIQUE_REPLACE, 7, IKE_OK, 1, 1},
        {IKE_UNIQUE_REPLACE, 1, IKE_OK, 2, 1}, /* where the clone is */
        {IKE_UNIQUE_KEEP, 0, IKE_OK, 2, 1},    {IKE_UNIQUE_KEEP, 7, IKE_AUTH_FAILED, 1, 1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world *world = world_new(10 + i);
        world->conn_b->unique = cases[i].unique;
        scenario_login(world);
        ike_session_id first = scenario_session(&world->b).id;
        scenario_move(world, scenario_clone(&world->a, world_sa(&world->a, 0)), 1);
        assert_int_equal(login_again(world, cases[i].path, 0), cases[i].outcome);
        struct ike_stats stats;
        ike_stats_get(world->b.ike, &stats);
        assert_int_equal(stats.sessions, cases[i].sessions);
        bool kept = cases[i].sessions == 2 || cases[i].outcome != IKE_OK;
        assert_int_equal(scenario_session(&world->b).id == first, kept);
        if (kept) /* with all that it has */
            assert_int_equal(scenario_session(&world->b).n_ike_sas, 2);
        world_run(world, SECONDS(60));
        ike_stats_get(world->b.ike, &stats);
        assert_int_equal(stats.sessions, cases[i].later);
        scenario_end(world);
    }
}

/* The successor goes before the old session had to: then that one stays. */
static void successor_gone(void **state)
{
    (void)state;
    struct world *world = world_new(30);
    world->conn_b->unique = IKE_UNIQUE_REPLACE;
    scenario_login(world);
    ike_session_id first = scenario_session(&world->b).id;
    assert_int_equal(login_again(world, 0, 0), IKE_OK);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_DELETE_IKE, world_sa(&world->a, 1)), IKE_OK);
    world_run(world, SECONDS(60));
    assert_int_equal(scenario_session(&world->b).id, first);
    assert_int_equal(world_n_sas(&world->b), 1);
    scenario_end(world);
}

/* The inner address is asked for and given again; the Gateway goes on sending on the old session
 * until the End User does on the new one, or the old one goes. */
static void shared_address(void **state)
{
    (void)state;
    for (int traffic = 0; traffic < 2; traffic++) {
        struct world *world = scenario_up(31);
        struct ike_session_info first = scenario_session(&world->a), second;
        assert_int_equal(login_again(world, 0, first.id), IKE_OK);
        assert_true(ike_session_next(world->a.ike, first.id, &second));
        assert_true(address_equal(&first.config.addresses[0], &second.config.addresses[0]));
        assert_int_equal(world->b.n_leases, 2);
        ike_child_id fresh = world_child(&world->b, 1);
        assert_false(last_event(&world->b, IKE_EV_CHILD_INSTALL)->install.outbound_now);
        assert_true(last_event(&world->a, IKE_EV_CHILD_INSTALL)->install.outbound_now);
        assert_int_equal(world->b.counts[IKE_EV_CHILD_SWITCH], 0);
        if (traffic)
            ike_traffic_seen(world->b.ike, fresh, world->now);
        world_drain(world);
        assert_int_equal(world->b.counts[IKE_EV_CHILD_SWITCH], traffic);
        struct ike_command command = {.kind = IKE_CMD_DELETE_SESSION, .session = first.id};
        assert_int_equal(world_command(&world->a, command), IKE_OK);
        world_run(world, SECONDS(1));
        assert_int_equal(world->b.counts[IKE_EV_CHILD_SWITCH], 1);
        assert_int_equal(last_event(&world->b, IKE_EV_CHILD_SWITCH)->child, fresh);
        assert_int_equal(world->b.n_leases, 1);
        scenario_end(world);
    }
}

/* Hostile twin: others do not get an address by asking for it. */
static void address_of_another(void **state)
{
    (void)state;
    struct world *world = scenario_up(32);
    struct ike_session_info first = scenario_session(&world->a), second;
    assert_int_equal(login_again(world, 7, first.id), IKE_OK); /* from another host */
    assert_true(ike_session_next(world->a.ike, first.id, &second));
    assert_false(address_equal(&first.config.addresses[0], &second.config.addresses[0]));
    assert_true(last_event(&world->b, IKE_EV_CHILD_INSTALL)->install.outbound_now);
    scenario_end(world);
}

/* --- the end of a session: all of it, in a bounded time --- */

#define SAS 3

/* three IKE SAs, each on a path of its own with a Child SA */
static struct world *three_paths(uint64_t seed)
{
    struct world *world = scenario_up(seed);
    for (unsigned i = 1; i < SAS; i++) {
        ike_sa_id sa = scenario_clone(&world->a, world_sa(&world->a, i - 1));
        scenario_move(world, sa, i);
        scenario_create(&world->a, sa);
    }
    assert_int_equal(world_n_children(&world->b), SAS);
    return world;
}

static bool dead[SAS];
static bool dead_paths(struct world *world, bool to_b, struct ike_datagram *d)
{
    const struct address *user = to_b ? &d->path.local.address : &d->path.remote.address;
    (void)world;
    unsigned path = user->octets[3] - 1u;
    return path >= SAS || !dead[path];
}

static uint64_t end_session(struct peer *peer)
{
    return world_post(peer, (struct ike_command){.kind = IKE_CMD_DELETE_SESSION,
                                                 .session = scenario_session(peer).id});
}

static void ended(struct world *world)
{
    assert_int_equal(world_n_sas(&world->a) + world_n_sas(&world->b), 0);
    assert_int_equal(world->a.installed + world->b.installed, 0);
    assert_int_equal(world->b.n_leases, 0);
    assert_int_equal(world->a.counts[IKE_EV_SESSION_DOWN], 1);
    assert_int_equal(world->b.counts[IKE_EV_SESSION_DOWN], 1);
}

/* Each IKE SA is told once on its path; what a dead path does not answer is asked over one that
 * lives. */
static void terminated(void **state)
{
    (void)state;
    for (unsigned which = 0; which < 1u << SAS; which++)
        for (int by_b = 0; by_b < 2; by_b++) {
            struct world *world = three_paths(40 + which);
            unsigned n_dead = 0;
            for (unsigned i = 0; i < SAS; i++)
                n_dead += dead[i] = which >> i & 1;
            /* those that live were heard of since */
            world->hook = dead_paths;
            world_run(world, SECONDS(1));
            for (unsigned i = 0; i < SAS; i++)
                if (!dead[i])
                    assert_int_equal(
                        scenario_on_sa(&world->a, IKE_CMD_PROBE, world_sa(&world->a, i)), IKE_OK);
            scenario_watch(world);
            end_session(by_b ? &world->b : &world->a);
            world_run(world, SECONDS(1));
            if (n_dead == 0)
                ended(world);
            unsigned said = scenario_count(world, "INFORMATIONAL request: D(IKE)");
            assert_int_equal(said, SAS);
            if (n_dead < SAS) {
                world_run(world, SECONDS(2));
                ended(world);
                assert_true(scenario_count(world, "INFORMATIONAL request: D(IKE)") <=
                            SAS + 2 * n_dead);
            } else { /* nobody can be told: here it is over all the same */
                world_run(world, SECONDS(10));
                assert_int_equal(world_n_sas(by_b ? &world->b : &world->a), 0);
                assert_int_equal(world->b.n_leases, !by_b);
                assert_int_equal(world_n_sas(by_b ? &world->a : &world->b), SAS);
            }
            world_free(world);
        }
}

/* Whatever is under way on it, and whichever one message is lost. */
static void terminated_at_work(void **state)
{
    static const enum ike_command_kind works[] = {IKE_CMD_CLONE, IKE_CMD_REKEY_IKE,
                                                  IKE_CMD_CREATE_CHILD, IKE_CMD_PROBE};
    (void)state;
    for (size_t i = 0; i < 4 * ARRAY_LEN(works); i++)
        for (unsigned wait_ms = 0; wait_ms < 60; wait_ms += 5)
            for (unsigned nth = 0; nth < 6; nth++) {
                struct world *world = scenario_up(50);
                struct peer *worker = i % 2 ? &world->b : &world->a;
                scenario_watch(world);
                scenario_lose(world, nth);
                world_post(worker,
                           (struct ike_command){.kind = works[i / 4], .sa = world_sa(worker, 0)});
                world_run(world, wait_ms * NANOS_PER_MS);
                end_session(i % 4 < 2 ? &world->a : &world->b);
                world_run(world, SECONDS(25));
                if (world_n_sas(&world->a) + world_n_sas(&world->b) != 0)
                    fail_msg("work %zu, after %u ms, without message %u", i, wait_ms, nth);
                ended(world);
                world_free(world);
            }
}

/* At the deadline nothing may pass from one moment to the next, also where the peer does not
 * answer. */
static void expired(void **state)
{
    (void)state;
    struct world *world = world_new(60);
    world->conn_b->reauth_ns = SECONDS(100);
    scenario_login(world);
    for (unsigned i = 1; i < SAS; i++)
        scenario_create(&world->a, scenario_clone(&world->a, world_sa(&world->a, i - 1)));
    assert_int_equal(world->b.installed, SAS);
    nanos deadline = scenario_session(&world->b).auth_deadline_ns;
    dead[0] = true;
    world->hook = dead_paths;
    world_run(world, deadline - world->now);
    assert_int_equal(world->b.installed, 0);
    assert_int_equal(world_n_sas(&world->b), SAS);
    world_run(world, SECONDS(10));
    assert_int_equal(world_n_sas(&world->b), 0);
    assert_int_equal(world->b.n_leases, 0);
    assert_int_equal(last_event(&world->b, IKE_EV_SESSION_DOWN)->outcome, IKE_EXPIRED);
    /* the other end knows it by itself */
    world_run(world, SECONDS(15));
    assert_int_equal(world_n_sas(&world->a), 0);
    world_free(world);
}

/* --- limits: a refusal is obeyed, hurts nothing, and starts no login (A-12, D-20, D-21) --- */

/* unharmed - the first IKE SA of both ends works, with its Child SA, and nobody logged in. */
static void unharmed(struct world *world, unsigned n_children)
{
    assert_int_equal(world_n_children(&world->a), n_children);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, world_sa(&world->a, 0)), IKE_OK);
    assert_int_equal(scenario_on_sa(&world->b, IKE_CMD_PROBE, world_sa(&world->b, 0)), IKE_OK);
    assert_int_equal(scenario_on_child(&world->a, IKE_CMD_REKEY_CHILD, world_child(&world->a, 0)),
                     IKE_OK);
    assert_int_equal(world->a.counts[IKE_EV_REAUTH], 0);
    assert_int_equal(world->a.counts[IKE_EV_SESSION_UP], 1);
    assert_int_equal(world->a.counts[IKE_EV_SESSION_DOWN], 0);
    assert_int_equal(scenario_session(&world->b).logins, 1);
}

/* Child SAs count for the session, whoever creates them, and on whichever IKE SA. */
static void quota_of_children(void **state)
{
    (void)state;
    for (int by_b = 0; by_b < 2; by_b++) {
        struct world *world = world_new(70);
        struct peer *asker = by_b ? &world->b : &world->a;
        (by_b ? world->conn_a : world->conn_b)->max_child_sas = 3;
        scenario_login(world);
        ike_sa_id clone = scenario_clone(&world->a, world_sa(&world->a, 0));
        scenario_create(&world->a, clone);
        ike_child_id third = scenario_create(asker, world_sa(asker, 0));
        scenario_watch(world);
        for (unsigned i = 0; i < 2; i++) /* the second one is not asked for any more */
            assert_int_equal(scenario_on_sa(asker, IKE_CMD_CREATE_CHILD, world_sa(asker, i)),
                             IKE_NO_ADDITIONAL_SAS);
        world_run(world, SECONDS(300));
        assert_int_equal(scenario_count(world, "CREATE_CHILD_SA request"), 1);
        assert_int_equal(scenario_count(world, "response: N(NO_ADDITIONAL_SAS)"), 1);
        unharmed(world, 3);
        /* until one goes */
        assert_int_equal(scenario_on_child(asker, IKE_CMD_DELETE_CHILD, third), IKE_OK);
        scenario_create(asker, world_sa(asker, 1));
        unharmed(world, 3);
        scenario_end(world);
    }
}

static void quota_of_our_own(void **state)
{
    (void)state;
    struct world *world = world_new(71);
    world->conn_a->max_child_sas = 1;
    scenario_login(world);
    scenario_watch(world);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_CREATE_CHILD, world_sa(&world->a, 0)),
                     IKE_LIMIT);
    assert_int_equal(scenario_count(world, "request"), 0);
    unharmed(world, 1);
    scenario_end(world);
}

static struct peer *refuser;
static uint16_t refusal;
static enum scenario_fate refuse(struct world *world, bool to_b, struct message *m)
{
    if (to_b != (refuser == &world->a) || !ike_header_response(&m->header) ||
        m->header.exchange != WIRE_CREATE_CHILD_SA)
        return SCENARIO_PASS;
    while (m->n > 0)
        message_remove(m, m->n - 1);
    message_append_notify(m, refusal, (struct span){0});
    return SCENARIO_CHANGED;
}

/* TEMPORARY_FAILURE without end: asked again later and later, a few times. NO_ADDITIONAL_SAS: never
 * again. From both ends, for a clone and for code 1. */
static void refused_clones(void **state)
{
    (void)state;
    for (unsigned variant = 0; variant < 8; variant++) {
        struct world *world = scenario_up(72);
        struct peer *asker = variant & 1 ? &world->b : &world->a;
        bool final = variant & 2;
        refuser = variant & 1 ? &world->a : &world->b;
        refusal = final ? N_NO_ADDITIONAL_SAS : N_TEMPORARY_FAILURE;
        /* what the one that refused has made of it is not looked at here */
        ike_sa_id first = world_sa(asker, 0);
        struct ike_command command = {
            .kind = IKE_CMD_CLONE, .sa = first, .unused_old = variant & 4};
        scenario_watch(world);
        scenario_edit(world, refuse);
        nanos began = world->now;
        assert_int_equal(world_command(asker, command),
                         final ? IKE_NO_ADDITIONAL_SAS : IKE_TEMPORARY_FAILURE);
        unsigned asked = scenario_count(world, "CREATE_CHILD_SA request");
        assert_in_range(asked, final ? 1 : 4, final ? 1 : 8);
        if (!final) /* 1 s, doubling */
            assert_true(world->now - began > SECONDS(10));
        assert_int_equal(world_sa(asker, 0), first);
        assert_int_equal(world_n_sas(asker), 1);
        assert_int_equal(world_n_children(asker), 1);
        scenario_edit(world, NULL);
        world_run(world, SECONDS(200));
        assert_int_equal(scenario_count(world, "CREATE_CHILD_SA request"), asked);
        assert_int_equal(world->a.counts[IKE_EV_REAUTH], 0);
        assert_int_equal(world->a.counts[IKE_EV_SESSION_UP], 1);
        world_free(world);
    }
}

/* D-21: the bucket of the session, from both ends. */
static void rate_of_clones(void **state)
{
    (void)state;
    for (int by_b = 0; by_b < 2; by_b++) {
        struct world *world = world_new(73);
        struct peer *asker = by_b ? &world->b : &world->a;
        world->conn_a->max_ike_sas = world->conn_b->max_ike_sas = 64;
        scenario_login(world);
        scenario_watch(world);
        for (int i = 0; i < 16; i++)
            world_post(asker,
                       (struct ike_command){.kind = IKE_CMD_CLONE, .sa = world_sa(asker, 0)});
        world_run(world, NANOS_PER_SEC / 2);
        assert_int_equal(scenario_count(world, "N(TEMPORARY_FAILURE)"), 0);
        /* of another IKE SA: it is one bucket */
        uint64_t more[4];
        for (unsigned i = 0; i < 4; i++)
            more[i] = world_post(
                asker, (struct ike_command){.kind = IKE_CMD_CLONE, .sa = world_sa(asker, 1 + i)});
        world_run(world, NANOS_PER_SEC / 2);
        assert_true(scenario_count(world, "N(TEMPORARY_FAILURE)") > 0);
        unharmed(world, 1);
        world_run(world, SECONDS(60));
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(world_done(asker, more[i])->outcome, IKE_OK);
        assert_int_equal(world_n_sas(&world->b), 21);
        scenario_end(world);
    }
}

/* --- code 1 and the codes that nobody has given a meaning, from both ends (KO-15, KO-21) --- */

static enum scenario_fate lose_deletes(struct world *world, bool to_b, struct message *m)
{
    return to_b == (refuser == &world->a) && !ike_header_response(&m->header) &&
                   message_find(m, WIRE_PAYLOAD_D) < m->n
               ? SCENARIO_LOST
               : SCENARIO_PASS;
}

static void unused_old(void **state)
{
    (void)state;
    for (int by_b = 0; by_b < 2; by_b++)
        for (int heard = 0; heard < 2; heard++) {
            struct world *world = world_new(74);
            struct peer *asker = by_b ? &world->b : &world->a,
                        *other = by_b ? &world->a : &world->b;
            world->conn_a->unused_old_timeout_ns = SECONDS(by_b ? 30 : 600);
            world->conn_b->unused_old_timeout_ns = SECONDS(by_b ? 600 : 30);
            scenario_login(world);
            ike_sa_id old = world_sa(other, 0);
            struct ike_command command = {
                .kind = IKE_CMD_CLONE, .sa = world_sa(asker, 0), .unused_old = true};
            refuser = asker; /* its Deletes are lost */
            scenario_edit(world, lose_deletes);
            assert_int_equal(world_command(asker, command), IKE_OK);
            assert_true(scenario_sa(other, old).deleting_soon);
            /* what it had is on the new one at once */
            struct ike_child_info child;
            assert_true(ike_child_get(other->ike, world_child(other, 0), &child));
            assert_int_not_equal(child.sa, old);
            if (heard) { /* each message on the old one begins the time anew */
                world_run(world, SECONDS(20));
                assert_int_equal(scenario_on_sa(other, IKE_CMD_PROBE, old), IKE_OK);
                world_run(world, SECONDS(20));
                assert_int_equal(world_n_sas(other), 2);
            }
            scenario_watch(world);
            world_run(world, SECONDS(heard ? 12 : 32));
            assert_int_equal(scenario_count(world, by_b ? "a -> b INFORMATIONAL request: D(IKE)"
                                                        : "b -> a INFORMATIONAL request: D(IKE)"),
                             1);
            scenario_edit(world, NULL);
            world_run(world, SECONDS(1));
            assert_int_equal(world_n_sas(&world->a), 1);
            assert_int_equal(world_n_sas(&world->b), 1);
            unharmed(world, 1);
            scenario_end(world);
        }
}

/* unused_old = yes: a rekey of either end's own accord says code 1, and both ends obey. */
static void unused_old_always(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        bool by_b = variant & 1, announced = variant & 2;
        struct world *world = world_new(77);
        struct peer *asker = by_b ? &world->b : &world->a, *other = by_b ? &world->a : &world->b;
        struct ike_conn *conn = by_b ? world->conn_b : world->conn_a;
        struct ike_conn *others = by_b ? world->conn_a : world->conn_b;
        conn->unused_old = true;
        conn->lifetime = (struct ike_lifetime){.rekey_ns = SECONDS(60), .life_ns = SECONDS(200)};
        others->unused_old_timeout_ns = SECONDS(30);
        others->clone = announced ? IKE_CLONE_BOTH : IKE_CLONE_RFC7791;
        scenario_login(world);
        ike_sa_id old = world_sa(other, 0);
        refuser = asker; /* its Deletes are lost */
        scenario_edit(world, lose_deletes);
        scenario_watch(world);
        world_run(world, SECONDS(62));
        assert_int_equal(
            scenario_count(world, "CREATE_CHILD_SA request: N(KEEP_OLD_IKE_SA Q=1 code=1)"),
            announced);
        assert_int_equal(
            scenario_count(world, "CREATE_CHILD_SA response: N(KEEP_OLD_IKE_SA Q=0 code=1)"),
            announced);
        assert_int_equal(scenario_sa(other, old).deleting_soon, announced);
        scenario_edit(world, NULL);
        world_run(world, SECONDS(40));
        unharmed(world, 1);
        scenario_end(world);
    }
}

/* Code 1 to a peer without the extension, or with the other dialect: a plain rekey. */
static void unused_old_elsewhere(void **state)
{
    (void)state;
    for (int variant = 0; variant < 3; variant++) {
        struct world *world = world_new(75);
        world->conn_b->clone = variant == 0 ? IKE_CLONE_OFF : IKE_CLONE_RFC7791;
        world->conn_a->mobike = variant != 2;
        scenario_login(world);
        struct ike_command command = {
            .kind = IKE_CMD_CLONE, .sa = world_sa(&world->a, 0), .unused_old = true};
        scenario_watch(world);
        assert_int_equal(world_command(&world->a, command), IKE_OK);
        assert_int_equal(scenario_count(world, "CREATE_CHILD_SA request: SA(IKE) NONCE KE"), 1);
        assert_int_equal(scenario_count(world, "CREATE_CHILD_SA response: SA(IKE) NONCE KE"), 1);
        assert_int_equal(scenario_count(world, "INFORMATIONAL request: D(IKE)"), 1);
        unharmed(world, 1);
        scenario_end(world);
    }
}

static uint8_t code;
static bool in_response;
static enum scenario_fate other_code(struct world *world, bool to_b, struct message *m)
{
    size_t at = message_find_notify(m, KEEP_OLD_DEFAULT_NOTIFY);
    (void)world;
    (void)to_b;
    if (at == m->n || ike_header_response(&m->header) != in_response ||
        m->header.exchange != WIRE_CREATE_CHILD_SA)
        return SCENARIO_PASS;
    message_octets(m, at)[5] = code;
    return SCENARIO_CHANGED;
}

static void unassigned_codes(void **state)
{
    (void)state;
    for (unsigned variant = 0; variant < 4; variant++)
        for (unsigned value = 2; value < 256; value++) {
            struct world *world = scenario_up(76);
            struct peer *asker = variant & 1 ? &world->b : &world->a;
            code = (uint8_t)value;
            in_response = variant & 2;
            scenario_edit(world, other_code);
            scenario_watch(world);
            /* in a request: nothing but a plain rekey; in a response: not kept */
            assert_int_equal(scenario_on_sa(asker, IKE_CMD_CLONE, world_sa(asker, 0)),
                             IKE_CLONE_UNSUPPORTED);
            assert_int_equal(scenario_count(world, "response: N(KEEP"), in_response);
            scenario_edit(world, NULL);
            world_run(world, SECONDS(1));
            if (!in_response) {
                assert_int_equal(world_n_sas(&world->a), 1);
                unharmed(world, 1);
                world_check(world);
            }
            assert_int_equal(world->a.counts[IKE_EV_SESSION_DOWN], 0);
            world_free(world);
        }
}

/* One identity has no more sessions than max_sessions; a login that replaces one is let in. */
static void sessions_of_one_identity(void **state)
{
    (void)state;
    struct world *world = world_new(90);
    world->conn_b->max_sessions = 2;
    world->conn_a->unique = IKE_UNIQUE_NEVER; /* no INITIAL_CONTACT */
    world->conn_b->unique = IKE_UNIQUE_NEVER;
    world_start(world);
    for (unsigned i = 0; i < 4; i++) {
        struct ike_command connect = {
            .kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(i % 3)};
        /* the fourth comes from where the first is, and is taken for its successor */
        enum ike_outcome outcome = world_command(&world->a, connect);
        assert_int_equal(outcome, i == 2 ? IKE_AUTH_FAILED : IKE_OK);
    }
    world_free(world);
}

/* A Gateway is told that the authentication holds shorter, or longer, than it said. The session ends
 * then with all its IKE SAs, if nobody logs in anew. */
static void lifetime_changed(void **state)
{
    static const int lifetimes[] = {200, 50};
    (void)state;
    struct world *world = world_new(10);
    world->conn_b->reauth_ns = SECONDS(100);
    scenario_login(world);
    ike_sa_id second = scenario_clone(&world->a, world_sa(&world->a, 0));
    scenario_move(world, second, 1);
    struct ike_command command = {.kind = IKE_CMD_REAUTH,
                                  .session = scenario_session(&world->b).id};
    for (size_t i = 0; i < ARRAY_LEN(lifetimes); i++) {
        scenario_watch(world);
        command.lifetime_ns = SECONDS(lifetimes[i]);
        assert_int_equal(world_command(&world->b, command), IKE_OK);
        EXPECT_MESSAGES(world, "#1 b -> a1 INFORMATIONAL request: N(AUTH_LIFETIME)",
                        "#1 a1 -> b INFORMATIONAL response: -");
        nanos left = scenario_session(&world->b).auth_deadline_ns - world->now;
        /* reauth_time and a tenth of it is the most that a Gateway gives */
        assert_true(left <= SECONDS(lifetimes[i] > 110 ? 110 : lifetimes[i]));
        assert_true(left >= SECONDS(lifetimes[i] > 110 ? 105 : lifetimes[i] - 1));
        assert_true(scenario_session(&world->a).auth_deadline_ns - world->now <= left);
    }
    world_run(world, SECONDS(52));
    assert_int_equal(world_n_sas(&world->a) + world_n_sas(&world->b), 0);
    world_free(world);
}

/* A Child SA comes up when the host has its routes; one that gets none never does, and goes. */
static void up_when_installed(void **state)
{
    (void)state;
    for (int refused = 0; refused < 2; refused++)
        for (int by_b = 0; by_b < 2; by_b++) {
            struct world *world = world_new(70);
            struct peer *slow = by_b ? &world->b : &world->a;
            struct ike_child_info child;
            slow->hold_install = true;
            slow->refuse_install = refused;
            scenario_login(world);
            assert_int_equal(slow->counts[IKE_EV_CHILD_NEW], 1);
            assert_int_equal(slow->counts[IKE_EV_CHILD_UP], 0);
            assert_true(ike_child_next(slow->ike, 0, &child));
            assert_false(child.up);
            world_eap_release(slow);
            world_run(world, SECONDS(1));
            assert_int_equal(slow->counts[IKE_EV_CHILD_UP], !refused);
            assert_int_equal(slow->counts[IKE_EV_CHILD_DOWN], refused);
            assert_int_equal(ike_child_next(slow->ike, 0, &child), !refused);
            assert_true(refused || child.up);
            scenario_end(world);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lifetime_changed),
        cmocka_unit_test(uniqueness),
        cmocka_unit_test(successor_gone),
        cmocka_unit_test(shared_address),
        cmocka_unit_test(address_of_another),
        cmocka_unit_test(terminated),
        cmocka_unit_test(terminated_at_work),
        cmocka_unit_test(expired),
        cmocka_unit_test(quota_of_children),
        cmocka_unit_test(quota_of_our_own),
        cmocka_unit_test(refused_clones),
        cmocka_unit_test(rate_of_clones),
        cmocka_unit_test(unused_old),
        cmocka_unit_test(unused_old_always),
        cmocka_unit_test(unused_old_elsewhere),
        cmocka_unit_test(unassigned_codes),
        cmocka_unit_test(sessions_of_one_identity),
        cmocka_unit_test(up_when_installed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
