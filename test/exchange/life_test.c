/* SPDX-License-Identifier: Apache-2.0 */
/* How long an IKE SA lives: liveness, lifetimes, reauthentication, ends that are fatal or forced.
 */
#include <stdio.h>

#include "exchange/scenario.h"
#include "ike/terms/proposal.h"
#include "wire/payloads.h"

#define SECONDS(n) ((nanos)(n)*NANOS_PER_SEC)

static const struct ike_event *last_event(const struct peer *peer, enum ike_event_kind kind)
{
    const struct ike_event *found = NULL;
    for (size_t i = 0; i < peer->n_events && i < WORLD_EVENTS; i++)
        if (peer->events[i].kind == kind)
            found = &peer->events[i];
    assert_non_null(found);
    return found;
}

/* --- liveness (RFC 7296 section 2.4) --- */

static unsigned dead_interface;
static bool cut_interface(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    const struct address *a = to_b ? &d->path.local.address : &d->path.remote.address;
    return a->octets[3] != 1 + dead_interface;
}

static void quiet_peer_is_asked(void **state)
{
    (void)state;
    struct world *world = world_new(1);
    world->conn_a->dpd_delay_ns = SECONDS(30);
    scenario_login(world);
    scenario_watch(world);
    world_run(world, SECONDS(29));
    assert_int_equal(scenario_count(world, "request"), 0);
    world_run(world, SECONDS(2));
    EXPECT_MESSAGES(world, "#1 a -> b INFORMATIONAL request: -",
                    "#1 b -> a INFORMATIONAL response: -");
    /* traffic is evidence as well */
    for (int i = 0; i < 6; i++) {
        world_run(world, SECONDS(20));
        ike_traffic_seen(world->a.ike, world_child(&world->a, 0), world->now);
    }
    assert_int_equal(scenario_count(world, "request"), 1);
    scenario_end(world);
}

static void dead_path_of_one(void **state)
{
    (void)state;
    struct world *world = world_new(2);
    world->conn_a->dpd_delay_ns = world->conn_b->dpd_delay_ns = SECONDS(10);
    scenario_login(world);
    ike_sa_id first = world_sa(&world->a, 0);
    ike_sa_id second = scenario_clone(&world->a, first);
    scenario_move(world, second, 1);
    scenario_create(&world->a, second);
    world->hook = cut_interface;
    dead_interface = 1;
    world_run(world, SECONDS(200));
    assert_int_equal(world_n_sas(&world->a), 1);
    assert_int_equal(world_sa(&world->a, 0), first);
    assert_int_equal(last_event(&world->a, IKE_EV_SA_DOWN)->outcome, IKE_TIMEOUT);
    assert_int_equal(world_n_children(&world->b), 1);
    assert_int_equal(world->b.n_leases, 1);
    world_check(world);
    /* all of them: the session ends, once */
    dead_interface = 0;
    world_run(world, SECONDS(200));
    assert_int_equal(world_n_sas(&world->a) + world_n_sas(&world->b), 0);
    assert_int_equal(world->b.counts[IKE_EV_SESSION_DOWN], 1);
    assert_int_equal(world->b.n_leases, 0);
    scenario_end(world);
}

static uint64_t short_question(struct peer *peer, ike_sa_id sa)
{
    return world_post(peer, (struct ike_command){.kind = IKE_CMD_PROBE,
                                                 .sa = sa,
                                                 .retry_ns = 100 * NANOS_PER_MS,
                                                 .give_up_ns = SECONDS(1)});
}

/* Whatever waits behind a question that was not answered, a rekey or the liveness check, takes its
 * time; short questions are asked beside it, and do not put off the end. */
static void short_questions(void **state)
{
    (void)state;
    for (int rekeys = 0; rekeys < 2; rekeys++) {
        struct world *world = world_new(4 + (unsigned)rekeys);
        world->conn_a->dpd_delay_ns = SECONDS(10);
        scenario_login(world);
        ike_sa_id sa = world_sa(&world->a, 0);
        world->hook = cut_interface;
        dead_interface = 0;
        nanos since = world->now;
        (void)short_question(&world->a, sa);
        if (rekeys)
            (void)world_post(&world->a, (struct ike_command){.kind = IKE_CMD_REKEY_IKE, .sa = sa});
        world_run(world, SECONDS(30));
        while (world_n_sas(&world->a) > 0 && world->now - since < SECONDS(400)) {
            uint64_t tag = short_question(&world->a, sa);
            world_run(world, SECONDS(2));
            assert_non_null(world_done(&world->a, tag));
            assert_int_equal(world_done(&world->a, tag)->outcome, IKE_TIMEOUT);
        }
        assert_int_equal(world_n_sas(&world->a), 0);
        assert_true(world->now - since < SECONDS(200));
        world_free(world);
    }
}

/* an unprotected notify makes us ask, at most once in ten seconds. */
static void spoofed_hint(void **state)
{
    (void)state;
    struct world *world = scenario_up(3);
    struct ike_sa_info info = scenario_sa(&world->a, world_sa(&world->a, 0));
    uint8_t octets[64];
    struct wire_builder b = wire_builder_of(octets + IKE_HEADER_LEN, 32);
    wire_add_notify(&b, N_INVALID_IKE_SPI, (struct span){0});
    struct ike_header header = {.spi_i = info.spi_i,
                                .spi_r = info.spi_r,
                                .next_payload = b.first,
                                .version = IKE_VERSION,
                                .exchange = WIRE_INFORMATIONAL,
                                .flags = IKE_FLAG_RESPONSE,
                                .length = (uint32_t)(IKE_HEADER_LEN + b.w.len)};
    ike_header_write(&header, octets);
    world_run(world, SECONDS(20));
    scenario_watch(world);
    for (int i = 0; i < 1000; i++) {
        world_deliver_raw(world, false, &info.path, span_of(octets, header.length));
        world_run(world, 10 * NANOS_PER_MS);
    }
    assert_int_equal(scenario_count(world, "request"), 1);
    scenario_end(world);
}

static bool lose_answers;
static bool lose_to_a(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    bool open = d->octets[16] == WIRE_PAYLOAD_N; /* not encrypted */
    return to_b || open || !lose_answers;
}

static ike_sa_id delete_first(struct world *world)
{
    ike_sa_id sa = world_sa(&world->a, 0);
    (void)world_post(&world->a, (struct ike_command){.kind = IKE_CMD_DELETE_IKE, .sa = sa});
    return sa;
}

/* The answer to a Delete is lost: what the peer says in the open makes us say it a few times more,
 * and not for minutes. */
static void deleted_there(void **state)
{
    (void)state;
    struct world *world = scenario_up(6);
    struct ike_sa_info info;
    lose_answers = true;
    world->hook = lose_to_a;
    scenario_watch(world);
    ike_sa_id sa = delete_first(world);
    world_run(world, SECONDS(3));
    assert_int_equal(world_n_sas(&world->b), 0);
    assert_true(ike_sa_get(world->a.ike, sa, &info)); /* a hint is no proof */
    world_run(world, SECONDS(3));
    assert_false(ike_sa_get(world->a.ike, sa, &info));
    assert_int_equal(scenario_count(world, "INFORMATIONAL request: D"), 4);
    world_free(world);
}

static bool deaf;
static bool lose_to_b(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    (void)d;
    return !to_b || !deaf;
}

/* hint_forged - INVALID_IKE_SPI for the request with that message ID, from the place of the peer or
 * from elsewhere. */
static void hint_forged(struct world *world, const struct ike_sa_info *info, uint32_t message_id,
                        bool elsewhere)
{
    uint8_t octets[64];
    struct wire_builder b = wire_builder_of(octets + IKE_HEADER_LEN, 32);
    wire_add_notify(&b, N_INVALID_IKE_SPI, (struct span){0});
    struct ike_header header = {.spi_i = info->spi_i,
                                .spi_r = info->spi_r,
                                .next_payload = b.first,
                                .version = IKE_VERSION,
                                .exchange = WIRE_INFORMATIONAL,
                                .flags = IKE_FLAG_RESPONSE,
                                .message_id = message_id,
                                .length = (uint32_t)(IKE_HEADER_LEN + b.w.len)};
    struct ike_path path = info->path;
    ike_header_write(&header, octets);
    if (elsewhere)
        path.remote.port ^= 1;
    world_deliver_raw(world, false, &path, span_of(octets, header.length));
}

/* ... and a forged one, while the peer hears nothing, does not keep the Delete from it: from
 * elsewhere, or about another request, it is none; and what follows one says it again. */
static void deleted_there_forged(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 3; how++) {
        struct world *world = scenario_up(7 + how);
        struct ike_sa_info info = scenario_sa(&world->a, world_sa(&world->a, 0));
        deaf = true;
        world->hook = lose_to_b;
        (void)delete_first(world);
        world_run(world, 100 * NANOS_PER_MS);
        hint_forged(world, &info, how == 1 ? 7 : 2, how == 0);
        world_run(world, how == 2 ? 1500 * NANOS_PER_MS : SECONDS(20));
        assert_int_equal(world_n_sas(&world->b), 1);
        assert_true(ike_sa_get(world->a.ike, info.id, &info));
        deaf = false;
        world_run(world, how == 2 ? SECONDS(1) : SECONDS(60));
        assert_int_equal(world_n_sas(&world->b), 0);
        world_run(world, SECONDS(1));
        assert_false(ike_sa_get(world->a.ike, info.id, &info));
        world_free(world);
    }
}

/* --- lifetimes --- */

static void rekeyed_in_time(void **state)
{
    (void)state;
    struct world *world = world_new(4);
    world->conn_a->lifetime = (struct ike_lifetime){
        .rekey_ns = SECONDS(100), .life_ns = SECONDS(110), .jitter_ns = SECONDS(20)};
    world->conn_b->children[0].lifetime = (struct ike_lifetime){
        .rekey_ns = SECONDS(40), .life_ns = SECONDS(50), .jitter_ns = SECONDS(5)};
    scenario_login(world);
    ike_sa_id first = world_sa(&world->a, 0);
    nanos at =
        scenario_sa(&world->a, first).rekey_at_ns - scenario_sa(&world->a, first).established_ns;
    assert_true(at > SECONDS(80) && at <= SECONDS(100));
    scenario_clone(&world->a, first);
    world_run(world, SECONDS(1000));
    struct ike_stats stats;
    ike_stats_get(world->a.ike, &stats);
    /* both IKE SAs, each by itself; the Child SA; and nothing was lost */
    assert_true(stats.rekeys_ike >= 18 && stats.rekeys_ike <= 30);
    assert_true(stats.rekeys_child >= 20);
    assert_int_equal(world_n_sas(&world->a), 2);
    assert_int_equal(world_n_children(&world->a), 1);
    assert_int_equal(scenario_sa(&world->a, world_sa(&world->a, 1)).origin !=
                         scenario_sa(&world->a, world_sa(&world->a, 0)).origin,
                     1);
    assert_int_equal(scenario_session(&world->b).logins, 1);
    scenario_end(world);
}

static bool refusing;
static enum scenario_fate refuse_rekeys(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    /* a request that cannot be granted: no transforms that both have */
    size_t at = message_find(m, WIRE_PAYLOAD_SA);
    if (!refusing || !to_b || ike_header_response(&m->header) || at == m->n)
        return SCENARIO_PASS;
    size_t spi = message_octets(m, at)[6];
    message_octets(m, at)[8 + spi + 7] = 99; /* ENCR of the first proposal */
    return SCENARIO_CHANGED;
}

/* a rekey that is refused is tried again, before the hard lifetime */
static void refused_rekey(void **state)
{
    (void)state;
    struct world *world = world_new(5);
    char error[PROPOSAL_TEXT_MAX];
    world->conn_a->lifetime =
        (struct ike_lifetime){.rekey_ns = SECONDS(100), .life_ns = SECONDS(200)};
    world->conn_a->children[0].lifetime =
        (struct ike_lifetime){.rekey_ns = SECONDS(50), .life_ns = SECONDS(200)};
    world->conn_a->proposals.n = world->conn_a->children[0].proposals.n = 1;
    assert_int_equal(proposal_parse(WIRE_PROTO_IKE, "aes128gcm16-prfsha256-x25519",
                                    &world->conn_a->proposals.proposals[0], error),
                     0);
    assert_int_equal(proposal_parse(WIRE_PROTO_ESP, "aes128gcm16",
                                    &world->conn_a->children[0].proposals.proposals[0], error),
                     0);
    scenario_login(world);
    refusing = true;
    scenario_edit(world, refuse_rekeys);
    scenario_watch(world);
    world_run(world, SECONDS(120));
    assert_true(scenario_count(world, "N(NO_PROPOSAL_CHOSEN)") >= 3);
    refusing = false;
    world_run(world, SECONDS(60));
    struct ike_stats stats;
    ike_stats_get(world->a.ike, &stats);
    assert_int_equal(stats.rekeys_ike, 1);
    assert_true(stats.rekeys_child >= 1);
    assert_int_equal(world->a.counts[IKE_EV_SESSION_DOWN], 0);
    scenario_end(world);
}

static void hard_lifetime(void **state)
{
    (void)state;
    struct world *world = world_new(6);
    world->conn_a->lifetime.life_ns = SECONDS(100);
    world->conn_b->children[0].lifetime.life_ns = SECONDS(50);
    scenario_login(world);
    scenario_watch(world);
    world_run(world, SECONDS(60));
    EXPECT_MESSAGES(world, "#1 b -> a INFORMATIONAL request: D(ESP)",
                    "#1 a -> b INFORMATIONAL response: D(ESP)");
    assert_int_equal(world_n_children(&world->a) + world_n_children(&world->b), 0);
    scenario_watch(world);
    world_run(world, SECONDS(60));
    EXPECT_MESSAGES(world, "#1 a -> b INFORMATIONAL request: D(IKE)",
                    "#1 b -> a INFORMATIONAL response: -");
    assert_int_equal(last_event(&world->a, IKE_EV_SESSION_DOWN)->outcome, IKE_EXPIRED);
    assert_int_equal(last_event(&world->b, IKE_EV_SESSION_DOWN)->outcome, IKE_PEER_DELETED);
    scenario_end(world);
}

/* volume limits of the data plane; a second sign of the same limit changes nothing */
static void volume(void **state)
{
    (void)state;
    struct world *world = scenario_up(7);
    ike_child_id child = world_child(&world->a, 0);
    ike_child_expiring(world->a.ike, child, false, world->now);
    ike_child_expiring(world->a.ike, child, false, world->now);
    world_run(world, SECONDS(1));
    assert_int_equal(world_n_children(&world->b), 1);
    assert_int_not_equal(world_child(&world->a, 0), child);
    ike_child_expiring(world->b.ike, world_child(&world->b, 0), true, world->now);
    world_run(world, SECONDS(1));
    assert_int_equal(world_n_children(&world->a), 0);
    scenario_end(world);
}

/* the data plane asks for a rekey at the limit less a random part of the jitter */
static void volume_jitter(void **state)
{
    (void)state;
    uint64_t seen[2] = {0};
    for (uint64_t seed = 0; seed < 2; seed++) {
        struct world *world = world_new(70 + seed);
        struct ike_lifetime *lifetime = &world->conn_a->children[0].lifetime;
        lifetime->rekey_bytes = 1000000;
        lifetime->jitter_bytes = 400000;
        lifetime->rekey_packets = 10;
        lifetime->jitter_packets = 1000; /* more than there is: never none */
        scenario_login(world);
        const struct ike_child_install *a = &last_event(&world->a, IKE_EV_CHILD_INSTALL)->install;
        assert_in_range(a->soft_octets, 600001, 1000000);
        assert_in_range(a->soft_packets, 1, 10);
        seen[seed] = a->soft_octets;
        assert_int_equal(last_event(&world->b, IKE_EV_CHILD_INSTALL)->install.soft_octets, 0);
        scenario_end(world);
    }
    assert_int_not_equal(seen[0], seen[1]);
}

/* --- how long an authentication holds (RFC 4478, RFC 7296 section 2.8.3) --- */

/* again - the login beside the first session of `a`, as the path manager does it. */
static enum ike_outcome again(struct world *world)
{
    return world_command(&world->a,
                         (struct ike_command){.kind = IKE_CMD_CONNECT,
                                              .conn = "office",
                                              .path = world_path(1),
                                              .replaces = scenario_session(&world->a).id});
}

static void reauthentication(void **state)
{
    (void)state;
    for (int fails = 0; fails < 2; fails++) {
        struct world *world = world_new(8);
        world->conn_a->reauth_ns = SECONDS(1000); /* deadline: a tenth more */
        scenario_login(world);
        struct ike_session_info first = scenario_session(&world->a);
        scenario_clone(&world->a, world_sa(&world->a, 0));
        world_run(world, SECONDS(990));
        assert_int_equal(world->a.counts[IKE_EV_REAUTH], 0);
        world_run(world, SECONDS(50));
        assert_int_equal(world->a.counts[IKE_EV_REAUTH], 1);
        if (fails)
            world->b.psk = "another";
        scenario_watch(world);
        assert_int_equal(again(world), fails ? IKE_AUTH_FAILED : IKE_OK);
        assert_int_equal(scenario_count(world, "N(INITIAL_CONTACT)"), 0);
        /* whatever became of it, the old one is as it was */
        assert_int_equal(scenario_session(&world->a).id, first.id);
        assert_int_equal(scenario_session(&world->b).n_ike_sas, 2);
        assert_int_equal(world_n_sas(&world->a), fails ? 2 : 3);
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, world_sa(&world->a, i)),
                             IKE_OK);
        /* until its deadline */
        world_run(world, SECONDS(58));
        assert_int_equal(scenario_session(&world->a).id, first.id);
        world_run(world, SECONDS(10));
        assert_int_equal(world_n_sas(&world->a), fails ? 0 : 1);
        assert_int_equal(world->b.n_leases, fails ? 0 : 1);
        if (!fails) {
            assert_int_equal(scenario_session(&world->a).logins, 2);
            assert_int_equal(world->a.counts[IKE_EV_SESSION_UP], 2);
        }
        scenario_end(world);
    }
}

/* What the Gateway says counts as what is configured. */
static void lifetime_of_the_gateway(void **state)
{
    (void)state;
    struct world *world = world_new(9);
    world->conn_b->reauth_ns = SECONDS(1000);
    world->conn_b->reauth_over_ns = SECONDS(60);
    world_start(world);
    scenario_watch(world);
    assert_int_equal(world_connect(world), IKE_OK);
    assert_int_equal(scenario_count(world, "IKE_AUTH response"), 1);
    assert_int_equal(scenario_count(world, "N(AUTH_LIFETIME)"), 1);
    world_run(world, SECONDS(799));
    assert_int_equal(world->a.counts[IKE_EV_REAUTH], 0);
    world_run(world, SECONDS(101)); /* within the time: 80 to 90 % of it */
    assert_int_equal(world->a.counts[IKE_EV_REAUTH], 1);
    world_run(world, SECONDS(159));
    assert_int_equal(world_n_sas(&world->a), 1);
    scenario_watch(world);
    world_run(world, SECONDS(5)); /* nobody logged in anew */
    EXPECT_MESSAGES(world, "#1 b -> a INFORMATIONAL request: D(IKE)",
                    "#1 a -> b INFORMATIONAL response: -");
    scenario_end(world);
}

/* Who wants more time for it than a tenth has it, up to half of what the Gateway says. */
static void lifetime_with_a_margin(void **state)
{
    (void)state;
    static const nanos of[][2] = {{SECONDS(300), SECONDS(600)}, {SECONDS(501), SECONDS(800)}};
    for (size_t i = 0; i < ARRAY_LEN(of); i++) {
        struct world *world = world_new(95 + i);
        world->conn_a->reauth_margin_ns = of[i][0];
        world->conn_b->reauth_ns = SECONDS(1000);
        world_start(world);
        assert_int_equal(world_connect(world), IKE_OK);
        world_run(world, of[i][1] - SECONDS(1));
        assert_int_equal(world->a.counts[IKE_EV_REAUTH], 0);
        world_run(world, SECONDS(101));
        assert_int_equal(world->a.counts[IKE_EV_REAUTH], 1);
        scenario_end(world);
    }
}

/* The earlier one of two counts; a Gateway without one says nothing. */
static void lifetimes_of_both(void **state)
{
    (void)state;
    static const nanos of[][3] = {/* a, b, at the latest */
                                  {SECONDS(500), SECONDS(1000), SECONDS(500)},
                                  {SECONDS(1000), SECONDS(500), SECONDS(450)},
                                  {SECONDS(500), 0, SECONDS(500)}};
    for (size_t i = 0; i < ARRAY_LEN(of); i++) {
        struct world *world = world_new(90 + i);
        world->conn_a->reauth_ns = of[i][0];
        world->conn_b->reauth_ns = of[i][1];
        world_start(world);
        scenario_watch(world);
        assert_int_equal(world_connect(world), IKE_OK);
        assert_int_equal(scenario_count(world, "N(AUTH_LIFETIME)"), of[i][1] != 0);
        nanos deadline = scenario_session(&world->a).auth_deadline_ns;
        assert_in_range(deadline, SECONDS(549), SECONDS(553));
        world_run(world, of[i][2] - SECONDS(60));
        assert_int_equal(world->a.counts[IKE_EV_REAUTH], 0);
        world_run(world, SECONDS(61));
        assert_int_equal(world->a.counts[IKE_EV_REAUTH], 1);
        scenario_end(world);
    }
}

/* The Gateway wants a new login now, by the path on which it heard the End User last. */
static void asked_for(void **state)
{
    (void)state;
    struct world *world = world_new(10);
    world->conn_b->reauth_ns = SECONDS(1000);
    scenario_login(world);
    ike_sa_id second = scenario_clone(&world->a, world_sa(&world->a, 0));
    scenario_move(world, second, 1);
    nanos deadline = scenario_session(&world->a).auth_deadline_ns;
    struct ike_command command = {.kind = IKE_CMD_REAUTH,
                                  .session = scenario_session(&world->b).id};
    for (int i = 1; i <= 3; i++) {
        scenario_watch(world);
        assert_int_equal(world_command(&world->b, command), IKE_OK);
        EXPECT_MESSAGES(world, "#1 b -> a1 INFORMATIONAL request: N(AUTH_LIFETIME)",
                        "#1 a1 -> b INFORMATIONAL response: -");
        world_run(world,
                  SECONDS(11)); /* a Gateway that asks all the time is not followed at once */
        assert_int_equal(world->a.counts[IKE_EV_REAUTH], i);
    }
    assert_int_equal(scenario_session(&world->a).auth_deadline_ns, deadline);
    /* the End User needs to ask nobody */
    scenario_watch(world);
    command.session = scenario_session(&world->a).id;
    assert_int_equal(world_command(&world->a, command), IKE_OK);
    assert_int_equal(world->a.counts[IKE_EV_REAUTH], 4);
    assert_int_equal(scenario_count(world, "->"), 0);
    scenario_end(world);
}

static uint8_t lifetime_octets[8];
static size_t lifetime_len;
static enum scenario_fate say_lifetime(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (ike_header_response(&m->header) || m->header.exchange != WIRE_INFORMATIONAL || to_b != 0)
        return SCENARIO_PASS;
    message_append_notify(m, N_AUTH_LIFETIME, span_of(lifetime_octets, lifetime_len));
    return SCENARIO_CHANGED;
}

/* Hostile twin: malformed notifies, absurd values, and from an End User to a Gateway. */
static void lifetime_malformed(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        uint8_t octets[8];
        unsigned events; /* within a minute */
        bool limits;
    } cases[] = {
        {0, {0}, 0, false},          {3, {0, 0, 9}, 0, false},
        {5, {0, 0, 0, 9}, 0, false}, {4, {0xff, 0xff, 0xff, 0xff}, 0, true},
        {4, {0, 0, 0, 1}, 1, true},  {4, {0, 0, 0, 0}, 1, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world *world = scenario_up(100 + i);
        memcpy(lifetime_octets, cases[i].octets, 8);
        lifetime_len = cases[i].len;
        scenario_edit(world, say_lifetime);
        assert_int_equal(scenario_on_sa(&world->b, IKE_CMD_PROBE, world_sa(&world->b, 0)), IKE_OK);
        scenario_edit(world, NULL);
        assert_int_equal(scenario_session(&world->a).auth_deadline_ns != NANOS_NEVER,
                         cases[i].limits);
        world_run(world, SECONDS(8)); /* never sooner than ten seconds after the login */
        assert_int_equal(world->a.counts[IKE_EV_REAUTH], 0);
        world_run(world, SECONDS(60));
        assert_int_equal(world->a.counts[IKE_EV_REAUTH], cases[i].events);
        scenario_end(world);
    }
}

static void reauthentication_never(void **state)
{
    (void)state;
    struct world *world = world_new(9);
    world->conn_a->reauth_ns = SECONDS(1000);
    world->conn_a->lifetime.rekey_ns = SECONDS(70);
    scenario_login(world);
    ike_sa_id sa = world_sa(&world->a, 0);
    for (int i = 0; i < 4; i++) { /* clones of clones, each rekeyed again and again */
        sa = scenario_clone(&world->a, sa);
        world_run(world, SECONDS(100));
        sa = world_sa(&world->a, (unsigned)i + 1);
    }
    world_run(world, SECONDS(650));
    assert_int_equal(world_n_sas(&world->b), 5);
    world_run(world, SECONDS(60));
    /* so it ends at the deadline, whatever was rekeyed or cloned */
    assert_int_equal(world_n_sas(&world->a) + world_n_sas(&world->b), 0);
    assert_int_equal(world->b.n_leases, 0);
    scenario_end(world);
}

/* --- ends --- */

static enum scenario_fate without_nonce(struct world *world, bool to_b, struct message *m)
{
    size_t at = message_find(m, WIRE_PAYLOAD_NONCE);
    (void)world;
    if (!to_b || ike_header_response(&m->header) || at == m->n)
        return SCENARIO_PASS;
    message_remove(m, at);
    return SCENARIO_CHANGED;
}

/* RFC 7296 section 2.21.3: fatal for both ends, and for this IKE SA alone */
static void fatal_syntax(void **state)
{
    (void)state;
    struct world *world = scenario_up(10);
    ike_sa_id first = world_sa(&world->a, 0);
    ike_sa_id second = scenario_clone(&world->a, first);
    scenario_edit(world, without_nonce);
    scenario_watch(world);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_CREATE_CHILD, second), IKE_INVALID_SYNTAX);
    EXPECT_MESSAGES(world, "#2 a -> b CREATE_CHILD_SA request: SA(ESP) TSi TSr",
                    "#2 b -> a CREATE_CHILD_SA response: N(INVALID_SYNTAX)");
    assert_int_equal(world_n_sas(&world->a), 1);
    assert_int_equal(world_n_sas(&world->b), 1);
    assert_int_equal(world_sa(&world->a, 0), first);
    scenario_edit(world, NULL);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, first), IKE_OK);
    scenario_end(world);
}

/* who does not wait for the answer still says it once */
static void forced(void **state)
{
    (void)state;
    for (int whole = 0; whole < 2; whole++) {
        struct world *world = scenario_up(11);
        ike_sa_id first = world_sa(&world->a, 0);
        scenario_clone(&world->a, first);
        scenario_watch(world);
        struct ike_command command = {.kind = whole ? IKE_CMD_DELETE_SESSION : IKE_CMD_DELETE_IKE,
                                      .sa = first,
                                      .session = scenario_session(&world->a).id,
                                      .force = true};
        uint64_t tag = world_post(&world->a, command);
        assert_int_equal(world_done(&world->a, tag)->outcome, IKE_OK);
        assert_int_equal(world_n_sas(&world->a), whole ? 0 : 1);
        world_run(world, SECONDS(1));
        assert_int_equal(scenario_count(world, "a -> b INFORMATIONAL request: D(IKE)"),
                         whole ? 2 : 1);
        assert_int_equal(world_n_sas(&world->b), whole ? 0 : 1);
        scenario_end(world);
    }
}

/* nobody answers our Delete */
static bool nothing_passes(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    (void)to_b;
    (void)d;
    return false;
}

static void delete_unanswered(void **state)
{
    (void)state;
    struct world *world = scenario_up(12);
    world->hook = nothing_passes;
    unsigned before = world->n_sent;
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_DELETE_IKE, world_sa(&world->a, 0)), IKE_OK);
    assert_int_equal(world->n_sent - before, 7); /* once, and six times more */
    assert_int_equal(world_n_sas(&world->a), 0);
    assert_int_equal(last_event(&world->a, IKE_EV_SA_DOWN)->outcome, IKE_CANCELLED);
    world_free(world);
}

/* IKE_EV_SA_UP names the command that asked for the IKE SA; the other end asked for nothing. */
static void command_of_an_ike_sa(void **state)
{
    (void)state;
    struct world *world = scenario_up(14);
    struct ike_command clone = {.kind = IKE_CMD_CLONE, .sa = world_sa(&world->a, 0)};
    uint64_t tag = world_post(&world->a, clone);
    world_run(world, SECONDS(1));
    assert_int_equal(last_event(&world->a, IKE_EV_SA_UP)->tag, tag);
    assert_int_equal(last_event(&world->b, IKE_EV_SA_UP)->tag, 0);
    tag = world_post(&world->b,
                     (struct ike_command){.kind = IKE_CMD_REKEY_IKE, .sa = world_sa(&world->b, 0)});
    world_run(world, SECONDS(1));
    assert_int_equal(last_event(&world->b, IKE_EV_SA_UP)->tag, tag);
    assert_int_equal(last_event(&world->a, IKE_EV_SA_UP)->tag, 0);
    world_free(world);
}

/* after an outage of ten minutes, a thousandth of the packets of an outage without back-off */
static void outage(void **state)
{
    (void)state;
    struct world *world = world_new(13);
    world->conn_a->dpd_delay_ns = SECONDS(10);
    scenario_login(world);
    for (int i = 0; i < 6; i++)
        scenario_clone(&world->a, world_sa(&world->a, 0));
    world->hook = nothing_passes;
    unsigned before = world->n_sent;
    world_run(world, SECONDS(600));
    assert_int_equal(world->n_sent - before, 7 * 7);
    assert_int_equal(world_n_sas(&world->a), 0);
    world_free(world);
}

/* --- repeated requests: the same octets come back, and nothing happens twice --- */

static struct ike_datagram request, answers[2];
static unsigned n_answers;
static bool keep_both(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    if (to_b)
        request = *d;
    else if (n_answers < 2)
        answers[n_answers++] = *d;
    return true;
}

static void repeated(void **state)
{
    (void)state;
    struct world *world = scenario_up(14);
    world->hook = keep_both;
    n_answers = 0;
    scenario_clone(&world->a, world_sa(&world->a, 0));
    struct ike_path path = {request.path.remote, request.path.local, 0};
    for (int i = 0; i < 100; i++) {
        world_deliver_raw(world, true, &path, span_of(request.octets, request.len));
        assert_int_equal(n_answers, 2);
        assert_int_equal(answers[0].len, answers[1].len);
        assert_memory_equal(answers[0].octets, answers[1].octets, answers[0].len);
        n_answers = 1;
    }
    /* with one bit changed it is nobody's */
    request.octets[request.len - 1] ^= 1;
    world_deliver_raw(world, true, &path, span_of(request.octets, request.len));
    assert_int_equal(n_answers, 1);
    assert_int_equal(world_n_sas(&world->b), 2);
    /* later than the next request it is not answered any more */
    request.octets[request.len - 1] ^= 1;
    struct ike_datagram old = request;
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, world_sa(&world->a, 0)), IKE_OK);
    n_answers = 0;
    world_deliver_raw(world, true, &path, span_of(old.octets, old.len));
    assert_int_equal(n_answers, 0);
    scenario_end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quiet_peer_is_asked),
        cmocka_unit_test(dead_path_of_one),
        cmocka_unit_test(short_questions),
        cmocka_unit_test(spoofed_hint),
        cmocka_unit_test(deleted_there),
        cmocka_unit_test(deleted_there_forged),
        cmocka_unit_test(rekeyed_in_time),
        cmocka_unit_test(refused_rekey),
        cmocka_unit_test(hard_lifetime),
        cmocka_unit_test(volume),
        cmocka_unit_test(volume_jitter),
        cmocka_unit_test(reauthentication),
        cmocka_unit_test(lifetime_of_the_gateway),
        cmocka_unit_test(lifetime_with_a_margin),
        cmocka_unit_test(lifetimes_of_both),
        cmocka_unit_test(asked_for),
        cmocka_unit_test(lifetime_malformed),
        cmocka_unit_test(reauthentication_never),
        cmocka_unit_test(fatal_syntax),
        cmocka_unit_test(forced),
        cmocka_unit_test(delete_unanswered),
        cmocka_unit_test(command_of_an_ike_sa),
        cmocka_unit_test(outage),
        cmocka_unit_test(repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
