/* SPDX-License-Identifier: Apache-2.0 */
/* A session leaves its process and goes on in another one: from each state, at each moment. The other
 * end notices nothing. */
#include "exchange/mover.h"
#include "exchange/party.h"
#include "exchange/scenario.h"
#include "exchange/ticket_world.h"

#define SECONDS(n) ((nanos)(n)*NANOS_PER_SEC)
#define MS(n)      ((nanos)(n)*NANOS_PER_MS)
#define DIGEST     32

/* --- from each state --- */

static void nothing_else(struct world *world)
{
    (void)world;
}

static void with_a_clone_of_the_gateway(struct world *world)
{
    scenario_clone(&world->b, world_sa(&world->b, 0));
}

static void rekeyed_by_the_user(struct world *world)
{
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_REKEY_IKE, world_sa(&world->a, 0)), IKE_OK);
    assert_int_equal(scenario_on_child(&world->a, IKE_CMD_REKEY_CHILD, world_child(&world->a, 0)),
                     IKE_OK);
}

static void rekeyed_by_the_gateway(struct world *world)
{
    assert_int_equal(scenario_on_child(&world->b, IKE_CMD_REKEY_CHILD, world_child(&world->b, 0)),
                     IKE_OK);
    assert_int_equal(scenario_on_sa(&world->b, IKE_CMD_REKEY_IKE, world_sa(&world->b, 0)), IKE_OK);
}

static void with_addresses_of_peers(struct world *world)
{
    struct address more[2] = {world_path(0).remote.address, world_path(0).remote.address};
    more[1].octets[3] = 2;
    ike_local_addresses_set(world->b.ike, more, 2, world->now);
    world_run(world, SECONDS(1));
    assert_int_equal(world->a.counts[IKE_EV_PEER_ADDRESSES], 1);
}

/* lose_delete - of the old IKE SA, once it is rekeyed. */
static enum scenario_fate lose_delete(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    (void)to_b;
    return message_find(m, WIRE_PAYLOAD_D) < m->n ? SCENARIO_LOST : SCENARIO_PASS;
}

/* The Gateway has an IKE SA that was replaced, and waits for its Delete. */
static void with_a_replaced_one(struct world *world)
{
    scenario_edit(world, lose_delete);
    (void)world_post(&world->a,
                     (struct ike_command){.kind = IKE_CMD_REKEY_IKE, .sa = world_sa(&world->a, 0)});
    world_run(world, MS(100));
    assert_int_equal(world_n_sas(&world->b), 2);
    if (!mover_move(&world->b, 0))
        fail_msg("the replaced IKE SA did not leave");
    assert_int_equal(world_n_sas(&world->b), 2);
    scenario_edit(world, NULL);
    world_run(world, SECONDS(5));
    assert_int_equal(world_n_sas(&world->b), 1);
}

static void conn_plain(struct world *world)
{
    (void)world;
}

static void conn_inner(struct world *world)
{
    world->conn_a->inner_per_path = world->conn_b->inner_per_path = true;
}

static void conn_rounds(struct world *world)
{
    party_rounds(world->conn_a, world->conn_b);
}

static void conn_lifetimes(struct world *world)
{
    world->conn_b->reauth_ns = SECONDS(100000);
    world->conn_a->dpd_delay_ns = world->conn_b->dpd_delay_ns = SECONDS(30);
    world->conn_a->lifetime.rekey_ns = SECONDS(5000);
    world->conn_b->lifetime.life_ns = SECONDS(9000);
}

static void conn_tickets(struct world *world)
{
    world->conn_a->session_tickets = world->conn_b->session_tickets = IKE_TICKETS_YES;
}

static void each_state(void **state)
{
    static const struct {
        void (*conn)(struct world *world);
        void (*then)(struct world *world);
    } cases[] = {
        {conn_plain, nothing_else},
        {conn_plain, mover_with_clone},
        {conn_plain, with_a_clone_of_the_gateway},
        {conn_plain, rekeyed_by_the_user},
        {conn_plain, rekeyed_by_the_gateway},
        {conn_plain, with_addresses_of_peers},
        {conn_plain, with_a_replaced_one},
        {conn_inner, mover_with_clone},
        {conn_rounds, nothing_else},
        {conn_lifetimes, mover_with_clone},
        {conn_tickets, nothing_else},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (unsigned who = 1; who < 4; who++) {
            struct world *world = world_new(100 + i);
            cases[i].conn(world);
            scenario_login(world);
            cases[i].then(world);
            for (unsigned twice = 0; twice < 2; twice++) {
                if (who & 1)
                    mover_moved(&world->a);
                if (who & 2)
                    mover_moved(&world->b);
                world_run(world, SECONDS(1));
                world_check(world);
            }
            mover_goes_on(world);
            world_free(world);
        }
}

/* all_the_same - what a caller may know of a session is the same as before. */
static void all_the_same(const struct ike *before, const struct ike *after)
{
    struct ike_session_info was = {0}, is = {0};
    struct ike_sa_info sa_was = {0}, sa_is = {0};
    struct ike_child_info child_was = {0}, child_is = {0};
    assert_true(ike_session_next(before, 0, &was));
    assert_true(ike_session_next(after, 0, &is));
    assert_memory_equal(&was, &is, sizeof(is));
    for (ike_sa_id id = 0; ike_sa_next(before, id, &sa_was); id = sa_was.id) {
        assert_true(ike_sa_next(after, id, &sa_is));
        assert_true((sa_was.config_owner == was.id) == (sa_is.config_owner == is.id));
        sa_was.config = sa_is.config = NULL;
        assert_memory_equal(&sa_was, &sa_is, sizeof(sa_is));
    }
    for (ike_child_id id = 0; ike_child_next(before, id, &child_was); id = child_was.id) {
        assert_true(ike_child_next(after, id, &child_is));
        assert_memory_equal(&child_was, &child_is, sizeof(child_is));
    }
}

/* Two processes with the same octets, for this test alone: both know the same, and export it in the
 * same way again. */
static void nothing_is_forgotten(void **state)
{
    (void)state;
    struct world *world = world_new(7);
    conn_inner(world);
    conn_lifetimes(world);
    conn_tickets(world);
    scenario_login(world);
    mover_with_clone(world);
    world_run(world, SECONDS(10));
    struct peer *peers[2] = {&world->a, &world->b};
    for (int i = 0; i < 2; i++) {
        struct ike_exported first, second;
        ike_session_id id;
        assert_true(mover_export(peers[i], 0, &first));
        struct ike *one = mover_new(peers[i]), *other = mover_new(peers[i]);
        struct span octets = span_of(first.octets, first.len);
        assert_int_equal(ike_session_import(one, octets, &id, world->now), 0);
        assert_int_equal(ike_session_freeze(one, id, world->now), 0);
        assert_int_equal(ike_session_import(other, octets, &id, world->now), 0);
        all_the_same(one, other);
        assert_int_equal(ike_session_export(one, id, &second, world->now), 0);
        assert_int_equal(first.len, second.len);
        /* but for the number of the export, the explicit IVs that are left out, and the digest */
        unsigned differ = 0;
        for (size_t at = 13; at < first.len - DIGEST; at++)
            differ += first.octets[at] != second.octets[at];
        assert_true(differ <= 8 * world_n_sas(&(struct peer){.ike = other}));
        ike_exported_done(&first);
        ike_exported_done(&second);
        ike_free(one);
        ike_free(peers[i]->ike);
        peers[i]->ike = other;
    }
    mover_goes_on(world);
    world_free(world);
}

/* --- at each moment of an exchange --- */

/* at_moment - `mover` leaves `wait` after `worker` was told to do something. When it asks itself,
 * it leaves when that is over. */
static bool at_moment(enum ike_command_kind kind, bool worker_b, bool mover_b, nanos wait)
{
    struct world *world = scenario_up(200);
    struct peer *worker = worker_b ? &world->b : &world->a;
    struct peer *mover = mover_b ? &world->b : &world->a;
    uint64_t tag = world_post(worker, (struct ike_command){.kind = kind,
                                                           .sa = world_sa(worker, 0),
                                                           .child_id = world_child(worker, 0),
                                                           .path = world_path(1)});
    world_run(world, wait);
    bool under_way = world_done(worker, tag) == NULL;
    if (mover == worker)
        mover_moved(mover);
    else if (!mover_move(mover, 0))
        mover_moved(
            mover); /* one that answers waits for its job at most, which is done at once here */
    world_run(world, SECONDS(4));
    assert_non_null(world_done(worker, tag));
    enum ike_outcome outcome = world_done(worker, tag)->outcome;
    if (outcome != IKE_OK && (outcome != IKE_CANCELLED || kind != IKE_CMD_PROBE))
        fail_msg("command %d by %s, %s leaves: %s", kind, worker->name, mover->name,
                 ike_outcome_name(outcome));
    world_check(world);
    mover_goes_on(world);
    world_free(world);
    return under_way;
}

static void each_moment(void **state)
{
    static const enum ike_command_kind kinds[] = {IKE_CMD_CLONE,        IKE_CMD_REKEY_IKE,
                                                  IKE_CMD_CREATE_CHILD, IKE_CMD_REKEY_CHILD,
                                                  IKE_CMD_MOVE,         IKE_CMD_PROBE};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        for (unsigned which = 0; which < 4; which++) {
            if (kinds[i] == IKE_CMD_MOVE && which & 1)
                continue; /* the End User alone moves */
            nanos wait = 0;
            while (at_moment(kinds[i], which & 1, which & 2, wait))
                wait += MS(4);
            assert_true(wait > 0);
        }
}

/* --- windows --- */

static struct {
    unsigned n;
    bool lose; /* the first one */
    uint8_t octets[2][2000];
    size_t len[2];
} responses;

/* to_user - keeps the first two datagrams to the End User. */
static bool to_user(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    if (to_b || responses.n >= 2)
        return true;
    memcpy(responses.octets[responses.n], d->octets, d->len);
    responses.len[responses.n++] = d->len;
    return responses.n > 1 || !responses.lose;
}

/* RFC 7296 section 2.1: a repeated request gets the response that was given, octet by octet, and is not
 * carried out twice. */
static void kept_response(void **state)
{
    static const enum ike_command_kind kinds[] = {IKE_CMD_CLONE, IKE_CMD_REKEY_IKE,
                                                  IKE_CMD_CREATE_CHILD, IKE_CMD_REKEY_CHILD};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct world *world = scenario_up(300);
        memset(&responses, 0, sizeof(responses));
        responses.lose = true;
        world->hook = to_user;
        uint64_t tag =
            world_post(&world->a, (struct ike_command){.kind = kinds[i],
                                                       .sa = world_sa(&world->a, 0),
                                                       .child_id = world_child(&world->a, 0)});
        world_run(world, MS(100));
        assert_int_equal(responses.n, 1);
        mover_moved(&world->b);
        world_run(world, SECONDS(3));
        assert_int_equal(responses.len[0], responses.len[1]);
        assert_memory_equal(responses.octets[0], responses.octets[1], responses.len[0]);
        assert_int_equal(world_done(&world->a, tag)->outcome, IKE_OK);
        world_check(world);
        mover_goes_on(world);
        world_free(world);
    }
}

static bool nothing_arrives(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world, (void)to_b, (void)d;
    return false;
}

static struct {
    unsigned n;
    uint8_t first[2000];
    size_t len;
} requests;

/* from_user - the requests of the End User, all of which have to be the same octets. */
static bool from_user(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    if (!to_b || requests.n > 1)
        return true;
    if (requests.n == 0) {
        memcpy(requests.first, d->octets, d->len);
        requests.len = d->len;
        requests.n++;
        return false;
    }
    requests.n++;
    assert_int_equal(d->len, requests.len);
    assert_memory_equal(d->octets, requests.first, d->len);
    return true;
}

/* The request that is with the peer leaves with the IKE SA. The importer sends the same octets again
 * before it asks anything else: the window is one (RFC 7296 section 2.3). */
static void outstanding_question(void **state)
{
    static const enum ike_command_kind kinds[] = {IKE_CMD_PROBE, IKE_CMD_PATH_TEST};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct world *world = scenario_up(310);
        memset(&requests, 0, sizeof(requests));
        world->hook = from_user;
        uint64_t tag = world_post(&world->a, (struct ike_command){.kind = kinds[i],
                                                                  .sa = world_sa(&world->a, 0),
                                                                  .path = world_path(0)});
        assert_int_equal(requests.n, 1);
        if (!mover_move(&world->a, 0))
            fail_msg("a question keeps the session from leaving");
        assert_int_equal(world_done(&world->a, tag)->outcome, IKE_CANCELLED);
        world_run(world, SECONDS(100));
        assert_int_equal(requests.n, 1); /* nothing needs the window */
        assert_int_equal(
            scenario_on_child(&world->a, IKE_CMD_REKEY_CHILD, world_child(&world->a, 0)), IKE_OK);
        assert_int_equal(requests.n, 2);
        mover_goes_on(world);
        world_free(world);
    }
}

/* Its response comes to the importer as it would have come to the source. */
static void late_response(void **state)
{
    (void)state;
    struct world *world = scenario_up(311);
    (void)world_post(&world->a,
                     (struct ike_command){.kind = IKE_CMD_PROBE, .sa = world_sa(&world->a, 0)});
    world_run(world, MS(5));
    if (!mover_move(&world->a, 0))
        fail_msg("a question keeps the session from leaving");
    unsigned answered = world->a.counts[IKE_EV_EXCHANGE];
    world_run(world, SECONDS(1));
    assert_int_equal(world->a.counts[IKE_EV_EXCHANGE], answered + 1);
    mover_goes_on(world);
    world_free(world);
}

/* A peer that fell silent is noticed by the importer, as by the source. */
static void silent_peer(void **state)
{
    (void)state;
    struct world *world = world_new(312);
    conn_lifetimes(world);
    scenario_login(world);
    world->hook = nothing_arrives;
    world_run(world, SECONDS(32)); /* a liveness check is out */
    mover_moved(&world->b);
    world_run(world, SECONDS(300));
    assert_int_equal(world_n_sas(&world->b), 0);
    assert_int_equal(world->b.counts[IKE_EV_SESSION_DOWN], 1);
    assert_int_equal(world->b.n_leases, 0);
    world_free(world);
}

static struct {
    uint64_t last; /* explicit IV of the newest datagram */
    unsigned n;
} nonces;

/* nonce_grows - RFC 5282 section 3.1: no explicit IV comes twice with one key. The requests of the End
 * User on its first IKE SA have it behind the header and the head of SK. */
static bool nonce_grows(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    uint64_t iv = 0;
    for (size_t i = 0; i < sizeof(iv); i++)
        iv = iv << 8 | d->octets[28 + 4 + i];
    if (!to_b)
        return true;
    assert_true(nonces.n == 0 || iv > nonces.last);
    nonces.last = iv;
    nonces.n++;
    return true;
}

static void nonces_never_repeat(void **state)
{
    (void)state;
    struct world *world = scenario_up(313);
    memset(&nonces, 0, sizeof(nonces));
    world->hook = nonce_grows;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t last = nonces.last;
        assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, world_sa(&world->a, 0)), IKE_OK);
        assert_true(i == 0 || nonces.last > last + 1000); /* some are left out */
        mover_moved(&world->a);
    }
    assert_int_equal(nonces.n, 4);
    world_free(world);
}

/* --- export moves --- */

/* silent - the source says nothing, whatever comes. */
static void silent(struct ike *source, const struct ike_datagram *d, nanos now)
{
    static struct ike_datagram out;
    struct ike_path path = {.local = d->path.remote, .remote = d->path.local};
    ike_recv(source, &path, span_of(d->octets, d->len), now);
    ike_tick(source, now);
    assert_true(ike_event(source) == NULL);
    assert_false(ike_send(source, &out));
    assert_true(ike_deadline(source) == NANOS_NEVER);
}

static struct ike *sources[2]; /* of the End User, of the Gateway; NULL: none */
static bool also_to_source(struct world *world, bool to_b, struct ike_datagram *d)
{
    if (sources[to_b] != NULL)
        silent(sources[to_b], d, world->now);
    return true;
}

/* All that the peer sends comes to the source as well. */
static void source_is_silent(void **state)
{
    (void)state;
    for (int by_b = 0; by_b < 2; by_b++) {
        struct world *world = scenario_up(320);
        struct peer *mover = by_b ? &world->b : &world->a;
        struct ike_exported exported;
        struct ike_child_info child;
        struct ike_session_info info = scenario_session(mover);
        ike_session_id id;
        mover_with_clone(world);
        assert_true(ike_child_get(mover->ike, world_child(mover, 0), &child));
        assert_true(mover_export(mover, SECONDS(1), &exported));
        sources[by_b] = mover->ike;
        mover->ike = mover_new(mover);
        assert_int_equal(
            ike_session_import(mover->ike, span_of(exported.octets, exported.len), &id, world->now),
            0);
        ike_exported_done(&exported);
        struct ike *source = sources[by_b];
        assert_int_equal(ike_session_freeze(source, info.id, world->now), ERR_NOT_FOUND);
        assert_int_equal(ike_session_export(source, info.id, &exported, world->now), ERR_NOT_FOUND);
        struct ike_command command = {.kind = IKE_CMD_DELETE_SESSION, .session = info.id};
        assert_int_equal(ike_command(source, &command, world->now), ERR_NOT_FOUND);
        ike_traffic_seen(source, child.id, world->now);
        const struct ike_path path = world_path(0);
        for (nanos at = 0; at < SECONDS(5); at += SECONDS(1))
            ike_stray_esp(source, &path.remote, child.spi_in, world->now + at);
        world->hook = also_to_source;
        mover_goes_on(world);
        assert_true(ike_deadline(source) == NANOS_NEVER);
        ike_check_invariants(source);
        ike_free(source);
        sources[by_b] = NULL;
        world_free(world);
    }
}

/* A session that left comes back to the process where it was. */
static void there_and_back(void **state)
{
    (void)state;
    struct world *world = scenario_up(321);
    struct ike *home = world->b.ike, *away = mover_new(&world->b);
    for (int i = 0; i < 6; i++) {
        struct ike_exported exported;
        ike_session_id id;
        assert_true(mover_export(&world->b, SECONDS(1), &exported));
        world->b.ike = i % 2 ? home : away;
        assert_int_equal(ike_session_import(world->b.ike, span_of(exported.octets, exported.len),
                                            &id, world->now),
                         0);
        ike_exported_done(&exported);
        assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, world_sa(&world->a, 0)), IKE_OK);
        assert_int_equal(
            scenario_on_child(&world->b, IKE_CMD_REKEY_CHILD, world_child(&world->b, 0)), IKE_OK);
    }
    mover_goes_on(world);
    ike_free(away);
    world_free(world);
}

/* --- freezing --- */

static void frozen(void **state)
{
    (void)state;
    struct world *world = world_new(330);
    world->conn_a->lifetime.rekey_ns = SECONDS(50);
    world->conn_a->children[0].lifetime.rekey_ns = SECONDS(60);
    world->conn_a->dpd_delay_ns = SECONDS(20);
    scenario_login(world);
    ike_session_id id = scenario_session(&world->a).id;
    ike_sa_id sa = world_sa(&world->a, 0);
    struct ike_exported exported;
    struct ike_command refused[] = {
        {.kind = IKE_CMD_CLONE, .sa = sa},
        {.kind = IKE_CMD_REKEY_CHILD, .child_id = world_child(&world->a, 0)},
        {.kind = IKE_CMD_REAUTH, .session = id},
    };
    assert_int_equal(ike_session_export(world->a.ike, id, &exported, world->now), ERR_WRONG_STATE);
    assert_int_equal(ike_session_freeze(world->a.ike, id + 7, world->now), ERR_NOT_FOUND);
    assert_int_equal(ike_session_freeze(world->a.ike, id, world->now), 0);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        assert_int_equal(ike_command(world->a.ike, &refused[i], world->now), ERR_WRONG_STATE);
    /* what is due waits; the peer gets its answers */
    scenario_watch(world);
    world_run(world, SECONDS(100));
    assert_int_equal(scenario_count(world, "a -> b"), 0);
    assert_int_equal(scenario_on_sa(&world->b, IKE_CMD_PROBE, world_sa(&world->b, 0)), IKE_OK);
    assert_int_equal(scenario_on_child(&world->b, IKE_CMD_REKEY_CHILD, world_child(&world->b, 0)),
                     IKE_OK);
    /* a limit by volume is reached */
    ike_child_expiring(world->a.ike, world_child(&world->a, 0), false, world->now);
    world_run(world, SECONDS(1));
    assert_int_equal(scenario_count(world, "a -> b CREATE_CHILD_SA request"), 0);
    ike_session_thaw(world->a.ike, id, world->now);
    world_run(world, SECONDS(1));
    assert_true(scenario_count(world, "a -> b CREATE_CHILD_SA request") >= 1);
    /* a Delete is never refused, and ends the matter */
    assert_int_equal(ike_session_freeze(world->a.ike, id, world->now), 0);
    (void)world_post(&world->a,
                     (struct ike_command){.kind = IKE_CMD_DELETE_SESSION, .session = id});
    assert_int_equal(ike_session_export(world->a.ike, id, &exported, world->now), ERR_WRONG_STATE);
    world_run(world, SECONDS(1));
    assert_int_equal(world_n_sas(&world->a), 0);
    world_free(world);
}

/* What the host has to do for a session is done before it leaves. */
static void job_under_way(void **state)
{
    (void)state;
    struct world *world = scenario_up(331);
    struct ike_exported exported;
    world->b.hold_ke = true;
    (void)world_post(&world->a,
                     (struct ike_command){.kind = IKE_CMD_CLONE, .sa = world_sa(&world->a, 0)});
    world_run(world, MS(50));
    assert_false(mover_export(&world->b, SECONDS(1), &exported));
    world->b.hold_ke = false;
    world_ke_run(&world->b, 0);
    mover_moved(&world->b);
    world->b.hold_install = true;
    (void)world_post(&world->a, (struct ike_command){.kind = IKE_CMD_CREATE_CHILD,
                                                     .sa = world_sa(&world->a, 0)});
    world_run(world, MS(100));
    assert_false(mover_export(&world->b, SECONDS(1), &exported));
    world->b.hold_install = false;
    world_eap_release(&world->b);
    mover_moved(&world->b);
    mover_goes_on(world);
    world_free(world);
}

/* Two sessions of which one is to replace the other wait for each other, so neither leaves. */
static void login_anew(void **state)
{
    (void)state;
    struct world *world = scenario_up(332);
    ike_session_id first = scenario_session(&world->a).id;
    struct ike_command again = {
        .kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0), .replaces = first};
    struct ike_exported exported;
    assert_int_equal(world_command(&world->a, again), IKE_OK);
    assert_false(mover_export(&world->a, SECONDS(1), &exported));
    assert_false(mover_export(&world->b, SECONDS(1), &exported));
    struct ike_command end = {.kind = IKE_CMD_DELETE_SESSION, .session = first};
    assert_int_equal(world_command(&world->a, end), IKE_OK);
    world_run(world, SECONDS(1));
    mover_moved(&world->a);
    mover_moved(&world->b);
    world_run(world, SECONDS(1));
    world_check(world);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_state),
        cmocka_unit_test(nothing_is_forgotten),
        cmocka_unit_test(each_moment),
        cmocka_unit_test(kept_response),
        cmocka_unit_test(outstanding_question),
        cmocka_unit_test(late_response),
        cmocka_unit_test(silent_peer),
        cmocka_unit_test(nonces_never_repeat),
        cmocka_unit_test(source_is_silent),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(frozen),
        cmocka_unit_test(job_under_way),
        cmocka_unit_test(login_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
