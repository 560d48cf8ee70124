/* SPDX-License-Identifier: Apache-2.0 */
/* EAP in IKE_AUTH (RFC 7296 section 2.16, RFC 5998), with a scripted method (party_eap.h). */
#include "exchange/party.h"
#include "exchange/scenario.h"
#include "ike/terms/identity.h"

static struct world *eap_world(uint64_t seed)
{
    struct world *world = world_new(seed);
    world->conn_a->local[0].method = world->conn_b->remote[0].method = IKE_AUTH_EAP;
    world->conn_a->remote[0].method = world->conn_b->local[0].method = IKE_AUTH_PUBKEY;
    return world;
}

static struct world *eap_only_world(uint64_t seed)
{
    struct world *world = eap_world(seed);
    world->conn_a->remote[0].method = world->conn_b->local[0].method = IKE_AUTH_EAP;
    return world;
}

static enum ike_outcome login(struct world *world)
{
    world_start(world);
    return world_connect(world);
}

/* expect_nothing - after the patience that the Gateway has with people (A27). */
static void expect_nothing(struct world *world)
{
    world_run(world, 4 * 60 * NANOS_PER_SEC);
    assert_int_equal(world_n_sas(&world->a) + world_n_sas(&world->b), 0);
    assert_int_equal(world->a.counts[IKE_EV_SESSION_UP], 0);
    assert_int_equal(world->b.counts[IKE_EV_SESSION_UP], 0);
    assert_int_equal(world->b.counts[IKE_EV_LEASE], 0);
    assert_int_equal(world->b.counts[IKE_EV_CHILD_INSTALL], 0);
    world_free(world);
}

static void the_exchange(void **state)
{
    (void)state;
    struct world *world = eap_world(1);
    scenario_watch(world);
    scenario_login(world);
    EXPECT_MESSAGES(
        world,
        "#1 a:500 -> b:500 IKE_SA_INIT request: SA(IKE) KE NONCE N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP) N(IKEV2_FRAGMENTATION_SUPPORTED) "
        "N(SIGNATURE_HASH_ALGORITHMS) V",
        "#1 b:500 -> a:500 IKE_SA_INIT response: SA(IKE) KE NONCE N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP) N(IKEV2_FRAGMENTATION_SUPPORTED) "
        "N(CHILDLESS_IKEV2_SUPPORTED) V",
        "#1 a -> b IKE_AUTH request: IDi N(INITIAL_CONTACT) CERTREQ IDr CP(REQUEST) SA(ESP) TSi "
        "TSr N(MOBIKE_SUPPORTED) N(CLONE_IKE_SA_SUPPORTED) N(SUPPORTED_AUTH_METHODS)",
        "#1 b -> a IKE_AUTH response: IDr CERT AUTH EAP", "#1 a -> b IKE_AUTH request: EAP",
        "#1 b -> a IKE_AUTH response: EAP", "#1 a -> b IKE_AUTH request: EAP",
        "#1 b -> a IKE_AUTH response: EAP", "#1 a -> b IKE_AUTH request: AUTH",
        "#1 b -> a IKE_AUTH response: AUTH CP(REPLY) SA(ESP) TSi TSr N(MOBIKE_SUPPORTED) "
        "N(CLONE_IKE_SA_SUPPORTED)");
    assert_int_equal(world->a.eap.conversations, 1);
    assert_int_equal(world->b.eap.conversations, 1);
    scenario_clone(&world->a, world_sa(&world->a, 0)); /* without a word of EAP */
    assert_int_equal(world->b.counts[IKE_EV_EAP], 3);
    assert_int_equal(world->a.eap.ended + world->b.eap.ended, 0);
    scenario_end(world);
}

/* Each message is lost once: IKE repeats it, EAP never. */
static void repeated_by_ike(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < 10; lost++) {
        struct world *world = eap_world(10 + lost);
        scenario_watch(world);
        scenario_lose(world, lost);
        scenario_login(world);
        assert_int_equal(world->b.counts[IKE_EV_EAP], 3);
        assert_int_equal(world->a.counts[IKE_EV_EAP], 3);
        scenario_end(world);
    }
}

/* RFC 7296 section 2.16: without a key SK_pi and SK_pr take its place. */
static void method_without_a_key(void **state)
{
    (void)state;
    struct world *world = eap_world(20);
    world->a.eap.no_key = world->b.eap.no_key = true;
    scenario_login(world);
    scenario_end(world);
}

/* The Identifier of Success is that of the next packet, as some servers of RADIUS have it with SIM. */
static void success_that_counts_on(void **state)
{
    (void)state;
    struct world *world = eap_world(19);
    world->b.eap.counts_on = true;
    scenario_login(world);
    scenario_end(world);
}

/* A22: keys that differ, one side without, or too short ones. */
static void a22_keys_that_differ(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        struct world *world = eap_world(21 + i);
        switch (i) {
        case 0: world->a.eap.key = "another"; break;
        case 1: world->a.eap.no_key = true; break;
        case 2: world->b.eap.no_key = true; break;
        case 3: world->b.eap.short_key = true; break;
        default: world->a.eap.short_key = true; break;
        }
        assert_int_not_equal(login(world), IKE_OK);
        expect_nothing(world);
    }
}

/* RFC 7296 section 2.16 demands a signature of the Gateway. One with a pre-shared key is accepted only where the
 * connection names that method. Otherwise the End User says nothing of its EAP identity or password. */
static void gateway_by_shared_key(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct world *world = eap_world(26 + i);
        bool named = i & 1, has = i & 2;
        world->conn_a->remote[0].method = named ? IKE_AUTH_PSK : IKE_AUTH_PUBKEY;
        world->conn_b->local[0].method = has ? IKE_AUTH_PSK : IKE_AUTH_PUBKEY;
        assert_int_equal(login(world), named == has ? IKE_OK : IKE_PEER_AUTH_FAILED);
        if (named == has) {
            scenario_end(world);
            continue;
        }
        assert_int_equal(world->a.counts[IKE_EV_EAP], 0);
        expect_nothing(world);
    }
}

static uint16_t said_instead; /* of AUTHENTICATION_FAILED; 0: the request is lost */

static enum scenario_fate edit_the_end(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (!to_b || m->header.exchange != WIRE_INFORMATIONAL)
        return SCENARIO_PASS;
    size_t i = message_find_notify(m, N_AUTHENTICATION_FAILED);
    assert_int_not_equal(i, m->n);
    if (said_instead == 0)
        return SCENARIO_LOST;
    message_remove(m, i);
    message_append_notify(m, said_instead, (struct span){0});
    return SCENARIO_CHANGED;
}

/* RFC 7296 section 2.21.2: an End User that refuses the Gateway before EAP says so in an INFORMATIONAL
 * request. It is answered, and the login ends at once; any other one ends nothing. */
/* refusals - notices that a login was refused here: watchers of the log block such addresses. */
static unsigned refusals(const struct peer *peer)
{
    unsigned n = 0;
    for (unsigned i = 0; i < peer->n_events; i++)
        n += peer->events[i].kind == IKE_EV_NOTICE &&
             peer->events[i].outcome == IKE_PEER_AUTH_FAILED;
    return n;
}

static void user_refuses_the_gateway(void **state)
{
    static const struct {
        uint16_t said;
        bool ends;
    } rows[] = {{N_AUTHENTICATION_FAILED, true},
                {N_INVALID_SYNTAX, true},
                {N_UNSUPPORTED_CRITICAL_PAYLOAD, true},
                {N_NO_PROPOSAL_CHOSEN, false},
                {0, false}};
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct world *world = eap_world(27);
        struct ike_stats stats;
        world->conn_b->local[0].method = IKE_AUTH_PSK;
        said_instead = rows[i].said;
        scenario_edit(world, edit_the_end);
        assert_int_equal(login(world), IKE_PEER_AUTH_FAILED);
        world_run(world, NANOS_PER_SEC);
        ike_stats_get(world->b.ike, &stats);
        assert_int_equal(world_n_sas(&world->b), rows[i].ends ? 0 : 1);
        assert_int_equal(stats.logins_failed[IKE_AUTH_FAILED], rows[i].ends ? 1 : 0);
        assert_int_equal(stats.sent, rows[i].ends ? 3 : 2); /* IKE_SA_INIT, IKE_AUTH, this */
        assert_int_equal(refusals(&world->b), 0);
        expect_nothing(world);
    }
}

/* --- EAP only (RFC 5998) --- */

static void eap_only(void **state)
{
    (void)state;
    struct world *world = eap_only_world(30);
    scenario_watch(world);
    scenario_login(world);
    assert_int_equal(scenario_count(world, "N(EAP_ONLY_AUTHENTICATION)"), 1);
    assert_int_equal(scenario_count(world, "IKE_AUTH response: IDr EAP"), 1);
    assert_int_equal(scenario_count(world, "IKE_AUTH response: AUTH CP(REPLY)"), 1);
    assert_int_equal(world->a.counts[IKE_EV_AUTH_VERIFY] + world->b.counts[IKE_EV_AUTH_SIGN], 0);
    scenario_end(world);
}

/* A21: nothing but the key proves the Gateway. */
static void a21_eap_only_without_a_key(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct world *world = eap_only_world(31 + i);
        world->a.eap.no_key = true;
        world->b.eap.no_key = i == 0; /* it says so itself, or only the End User notices */
        assert_int_not_equal(login(world), IKE_OK);
        expect_nothing(world);
    }
}

/* One side wants EAP to prove the Gateway, the other one does not. */
static void eap_only_of_one_side(void **state)
{
    (void)state;
    struct world *world = eap_world(33);
    world->conn_a->remote[0].method = IKE_AUTH_EAP;
    assert_int_equal(login(world), IKE_PEER_AUTH_FAILED);
    expect_nothing(world);
    world = eap_world(34);
    world->conn_b->local[0].method = IKE_AUTH_EAP;
    assert_int_equal(login(world), IKE_AUTH_FAILED);
    expect_nothing(world);
}

/* --- what goes wrong in the conversation --- */

static void refused_by_the_method(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 3; i++) {
        struct world *world = eap_world(40 + i);
        world->b.eap.fail_at = i;
        scenario_watch(world);
        assert_int_equal(login(world), IKE_AUTH_FAILED);
        assert_int_equal(scenario_count(world, "AUTH CP(REPLY)"), 0);
        expect_nothing(world);
        world = eap_world(50 + i);
        world->a.eap.fail_at = i;
        assert_int_equal(login(world), IKE_PEER_AUTH_FAILED);
        expect_nothing(world);
    }
}

/* A20: the End User's method says that all is well, and the Gateway has not said Success. */
static void a20_success_of_the_method_alone(void **state)
{
    (void)state;
    struct world *world = eap_world(60);
    world->a.eap.succeed_at = 1;
    assert_int_equal(login(world), IKE_PEER_AUTH_FAILED);
    expect_nothing(world);
}

static void garbage_of_the_method(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 3; i++) {
        struct world *world = eap_world(61 + i);
        world->b.eap.garbage_at = i;
        assert_int_not_equal(login(world), IKE_OK);
        expect_nothing(world);
        world = eap_world(65 + i);
        world->a.eap.garbage_at = i;
        enum ike_outcome outcome = login(world);
        assert_true(i == 3 ? outcome == IKE_OK : outcome != IKE_OK); /* Success has no answer */
        world_free(world);
    }
}

/* --- hostile twins: packets of the other side --- */

static unsigned twin;
static bool twin_to_b;

/* twin_packet - what stands instead of the nth EAP packet. */
static size_t twin_packet(uint8_t identifier, uint8_t out[16])
{
    uint8_t code = twin_to_b ? EAP_RESPONSE : EAP_REQUEST;
    const uint8_t packets[][9] = {
        {code, identifier, 0, 3},                     /* length field too small */
        {code, identifier, 0, 10, 254, 1, 1, 1, 1},   /* too large */
        {code, identifier, 0, 4},                     /* no Type */
        {(uint8_t)(3 - code), identifier, 0, 9, 254}, /* the other side's code */
        {5, identifier, 0, 9, 254},                   /* no code */
        {0, identifier, 0, 9, 254},
        {code, (uint8_t)(identifier + 1), 0, 9, 254},   /* A20: another Identifier */
        {EAP_SUCCESS, (uint8_t)(identifier + 1), 0, 4}, /* of nothing that was asked */
        {EAP_SUCCESS, identifier, 0, 9, 254},           /* with data */
        {EAP_FAILURE, identifier, 0, 4},
        {EAP_SUCCESS, identifier, 0, 4}, /* too early */
    };
    size_t len = twin == 2 || twin == 0 || twin == 7 || twin >= 9 ? 4 : 9;
    memcpy(out, packets[twin], 9);
    return len;
}

static enum scenario_fate packet_twin(struct world *world, bool to_b, struct message *m)
{
    uint8_t packet[16];
    (void)world;
    size_t i = message_find(m, WIRE_PAYLOAD_EAP);
    if (to_b != twin_to_b || i == m->n || m->header.message_id > (to_b ? 2 : 1))
        return SCENARIO_PASS;
    uint8_t identifier = message_octets(m, i)[1];
    message_remove(m, i);
    message_insert(m, i, WIRE_PAYLOAD_EAP, span_of(packet, twin_packet(identifier, packet)));
    return SCENARIO_CHANGED;
}

static void packet_twins(void **state)
{
    (void)state;
    for (unsigned side = 0; side < 2; side++)
        for (twin = 0; twin < 11; twin++) {
            struct world *world = eap_world(70 + twin);
            twin_to_b = side == 0;
            scenario_watch(world);
            scenario_edit(world, packet_twin);
            enum ike_outcome outcome = login(world);
            /* to the End User another Identifier is another Request: its answer does not fit */
            assert_int_not_equal(outcome, IKE_OK);
            expect_nothing(world);
        }
}

static enum scenario_fate order_twin(struct world *world, bool to_b, struct message *m)
{
    static const uint8_t id[] = {ID_FQDN, 0, 0, 0, 'x'}, auth[36] = {AUTH_SHARED_KEY};
    static const uint8_t request[] = {EAP_REQUEST, 1, 0, 5, 1};
    (void)world;
    if (m->header.exchange != WIRE_IKE_AUTH || to_b != (twin < 5))
        return SCENARIO_PASS;
    uint32_t n = m->header.message_id;
    size_t i = message_find(m, WIRE_PAYLOAD_EAP), a = message_find(m, WIRE_PAYLOAD_AUTH);
    if (twin == 0 && n == 2)
        message_append(m, WIRE_PAYLOAD_AUTH, span_of(auth, sizeof(auth))); /* before Success */
    else if (twin == 1 && n == 2)
        message_append(m, WIRE_PAYLOAD_IDi, span_of(id, sizeof(id))); /* a second identity */
    else if (twin == 2 && n == 2)
        message_remove(m, i);
    else if (twin == 3 && n == 4)
        message_remove(m, a); /* AUTH is missing */
    else if (twin == 4 && n == 4)
        message_append(m, WIRE_PAYLOAD_EAP, span_of(request, sizeof(request)));
    else if (twin == 5 && n == 1)
        message_remove(m, a); /* A19: the Gateway begins EAP without AUTH of its own */
    else if (twin == 6 && n == 1)
        message_octets(m, a)[10] ^= 1; /* A19: with a wrong one */
    else if (twin == 7 && n == 4)
        message_remove(m, a); /* the Gateway's AUTH by the key is missing */
    else if (twin == 8 && n == 4)
        message_octets(m, a)[10] ^= 1;
    else if (twin == 9 && n == 1)
        message_append(m, WIRE_PAYLOAD_EAP, span_of(request, sizeof(request)));
    else if (twin == 10 && n == 2)
        message_append(m, WIRE_PAYLOAD_AUTH, span_of(auth, sizeof(auth)));
    else if (twin == 11 && n == 2)
        message_clear(m);
    else
        return SCENARIO_PASS;
    return SCENARIO_CHANGED;
}

static void order_twins(void **state)
{
    (void)state;
    for (twin = 0; twin < 12; twin++) {
        struct world *world = eap_world(90 + twin);
        scenario_watch(world);
        scenario_edit(world, order_twin);
        assert_int_not_equal(login(world), IKE_OK);
        /* A19: no identity for a Gateway that has not proven itself */
        if (twin == 5 || twin == 6)
            assert_int_equal(world->a.counts[IKE_EV_EAP], 0);
        world_run(world, 4 * 60 * NANOS_PER_SEC);
        assert_int_equal(world_n_sas(&world->a), 0);
        assert_int_equal(world->a.counts[IKE_EV_SESSION_UP], 0);
        if (world_n_sas(&world->b) != 0)
            fail_msg("twin %u", twin);
        world_free(world);
    }
}

/* --- time --- */

/* A21: a conversation that never ends. */
static void a21_too_many_packets(void **state)
{
    (void)state;
    struct world *world = eap_world(110);
    world->b.eap.requests = 100000;
    assert_int_not_equal(login(world), IKE_OK);
    assert_true(world->a.counts[IKE_EV_EAP] <= LIMIT_EAP_PACKETS);
    assert_true(world->b.counts[IKE_EV_EAP] <= LIMIT_EAP_PACKETS + 1);
    expect_nothing(world);
}

static uint64_t begin(struct world *world)
{
    world_start(world);
    return world_post(
        &world->a,
        (struct ike_command){.kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0)});
}

/* A person takes two minutes: the Gateway waits, and does not count the login as half open. */
static void a_person_types(void **state)
{
    (void)state;
    struct ike_stats stats;
    struct world *world = eap_world(111);
    world->a.hold_eap = true;
    uint64_t tag = begin(world);
    world_run(world, 2 * 60 * NANOS_PER_SEC);
    assert_null(world_done(&world->a, tag));
    ike_stats_get(world->b.ike, &stats);
    assert_int_equal(stats.half_open, 0);
    world->a.hold_eap = false;
    world_eap_release(&world->a);
    world_run(world, 2 * NANOS_PER_SEC);
    assert_non_null(world_done(&world->a, tag));
    assert_int_equal(world_done(&world->a, tag)->outcome, IKE_OK);
    scenario_end(world);
}

/* ... and goes away: A27, the Gateway forgets it. */
static void a27_a_person_goes_away(void **state)
{
    (void)state;
    struct world *world = eap_world(112);
    world->a.hold_eap = true;
    uint64_t tag = begin(world);
    world_run(world, 11 * 60 * NANOS_PER_SEC);
    assert_null(world_done(&world->a, tag));
    assert_int_equal(world->b.eap.ended, 1); /* the method is told */
    struct ike_sa_info info;
    assert_false(ike_sa_next(world->b.ike, 0, &info));
    world_free(world);
}

/* One IPv6 /48 begins as many logins in EAP as may wait, and goes on with none of them. A person from elsewhere can
 * take two minutes all the same. */
static void one_network_types(void **state)
{
    (void)state;
    struct world *world = eap_world(114);
    world->a.hold_eap = true;
    world_start(world);
    for (unsigned i = 0; i < LIMIT_PATIENT + 20; i++) {
        struct ike_path path = world_path6(0);
        path.local.address.octets[6] = (uint8_t)(i >> 8);
        path.local.address.octets[7] = (uint8_t)i;
        world_post(&world->a,
                   (struct ike_command){.kind = IKE_CMD_CONNECT, .conn = "office", .path = path});
        world_run(world, NANOS_PER_SEC / 20);
    }
    uint64_t tag = world_post(
        &world->a,
        (struct ike_command){.kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0)});
    world_run(world, 2 * 60 * NANOS_PER_SEC);
    assert_null(world_done(&world->a, tag));
    assert_true(world_n_sas(&world->b) >= LIMIT_PATIENT);
    world->a.hold_eap = false;
    world_eap_release(&world->a);
    world_run(world, 2 * NANOS_PER_SEC);
    assert_non_null(world_done(&world->a, tag));
    assert_int_equal(world_done(&world->a, tag)->outcome, IKE_OK);
    world_free(world);
}

/* The slow side is the Gateway: RADIUS, for example. The End User repeats, EAP goes on once. */
static void a_slow_server(void **state)
{
    (void)state;
    struct world *world = eap_world(113);
    world->b.hold_eap = true;
    uint64_t tag = begin(world);
    world_run(world, 8 * NANOS_PER_SEC);
    assert_int_equal(world->b.counts[IKE_EV_EAP], 1);
    world->b.hold_eap = false;
    world_eap_release(&world->b);
    world_run(world, 20 * NANOS_PER_SEC);
    assert_non_null(world_done(&world->a, tag));
    assert_int_equal(world_done(&world->a, tag)->outcome, IKE_OK);
    assert_int_equal(world->b.counts[IKE_EV_EAP], 3);
    scenario_end(world);
}

/* --- the identity that the session carries --- */

struct identity_row {
    const char *idi, *pattern; /* pattern: of the Gateway's connection */
    const char *eap_id;        /* of the Gateway's connection; "": none */
    const char *proven;        /* by EAP; NULL: as IDi says */
    const char *carried;       /* NULL: refused */
    uint8_t type;
};

static void one_identity(const struct identity_row *row, uint64_t seed)
{
    struct world *world = eap_world(seed);
    char text[IDENTITY_TEXT_MAX];
    assert_int_equal(identity_parse(row->idi, &world->conn_a->local[0].id), 0);
    strcpy(world->conn_b->remote[0].id_pattern, row->pattern);
    strcpy(world->conn_b->remote[0].eap_id, row->eap_id);
    world->b.eap.identity = row->proven;
    if (row->carried == NULL) {
        assert_int_equal(login(world), IKE_AUTH_FAILED);
        expect_nothing(world);
        return;
    }
    scenario_login(world);
    struct ike_session_info session = scenario_session(&world->b);
    assert_int_equal(session.remote_id.type, row->type);
    assert_string_equal(identity_print(&session.remote_id, text), row->carried);
    assert_string_equal(session.eap_identity, row->type == ID_EAP ? row->proven : "");
    assert_true(identity_equal(&session.claimed_id, &world->conn_a->local[0].id));
    /* a clone inherits it */
    scenario_clone(&world->a, world_sa(&world->a, 0));
    session = scenario_session(&world->b);
    assert_string_equal(identity_print(&session.remote_id, text), row->carried);
    scenario_end(world);
}

static void identity_table(void **state)
{
    static const struct identity_row rows[] = {
        /* IDi stands for the EAP identity */
        {"anna.user.example", "*.user.example", "", NULL, "anna.user.example", ID_FQDN},
        {"anna.user.example", "*.user.example", "", "anna.user.example", "anna.user.example",
         ID_EAP},
        {"anna.user.example", "*.user.example", "", "bob.user.example", NULL, 0},
        {"anna.user.example", "*.user.example", "", "ANNA.user.example", NULL, 0},
        {"anna.user.example", "*.user.example", "", "anna.user.example.evil", NULL, 0},
        /* the EAP identity is asked for: any, one, a pattern */
        {"192.0.2.1", "%any", "%any", "anna", "anna", ID_EAP},
        {"gw.example", "%any", "%any", "anna", "anna", ID_EAP},
        {"192.0.2.1", "%any", "anna", "anna", "anna", ID_EAP},
        {"192.0.2.1", "%any", "anna", "anna2", NULL, 0},
        {"192.0.2.1", "%any", "anna", "ann", NULL, 0},
        {"192.0.2.1", "%any", "*@a.example", "x@a.example", "x@a.example", ID_EAP},
        {"192.0.2.1", "%any", "*@a.example", "x@b.example", NULL, 0},
        {"192.0.2.1", "%any", "*@a.example", "x@a.example.b", NULL, 0},
        /* as the engine prints it */
        {"192.0.2.1", "%any", "LAB\\anna", "LAB\\x5canna", "LAB\\x5cx5canna", ID_EAP},
        {"192.0.2.1", "%any", "LAB\\anna", "LAB\\x5cbob", NULL, 0},
        /* IDi is checked as well */
        {"anna.other.example", "*.user.example", "%any", "anna", NULL, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        one_identity(&rows[i], 120 + i);
}

/* A certificate of the machine, then EAP of the person: the session is the person's, whatever the
 * ID payloads of the two rounds say. */
static void identity_of_two_rounds(void **state)
{
    static const char *const ids[] = {"machine.user.example", "anna.user.example"};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct world *world = eap_world(150 + i);
        party_rounds(world->conn_a, world->conn_b);
        assert_int_equal(identity_parse("machine.user.example", &world->conn_a->local[0].id), 0);
        assert_int_equal(identity_parse(ids[i], &world->conn_a->local[1].id), 0);
        strcpy(world->conn_b->remote[1].eap_id, "%any");
        world->b.eap.identity = "anna";
        scenario_login(world);
        assert_string_equal(scenario_session(&world->b).eap_identity, "anna");
        scenario_end(world);
    }
}

/* An EAP user who is named as a certificate's subject is somebody else: no session of the other is
 * replaced, no lease is shared. */
static void eap_name_is_no_other_name(void **state)
{
    struct ike_id dns, eap = {.type = ID_EAP, .len = 4, .data = "anna"};
    (void)state;
    assert_int_equal(identity_parse("anna", &dns), 0);
    assert_false(identity_equal(&dns, &eap));
    struct wire_id wire = {.type = ID_EAP, .data = span_text("anna")};
    assert_false(identity_from_wire(&wire, &dns)); /* nobody says so by a payload */
}

/* A24: the proof of the peer ends, and the session and its clones with it. */
static void proof_ends(void **state)
{
    (void)state;
    struct world *world = eap_world(140);
    world->b.eap.valid_ns = 3600 * NANOS_PER_SEC;
    world->b.eap.grant = 77;
    scenario_login(world);
    assert_int_equal(scenario_session(&world->b).grant, 77);
    scenario_clone(&world->a, world_sa(&world->a, 0));
    assert_int_equal(world->a.counts[IKE_EV_REAUTH], 0);
    world_run(world, 3500 * NANOS_PER_SEC);
    assert_int_equal(world->a.counts[IKE_EV_REAUTH], 1); /* the End User was told in time */
    assert_int_equal(world_n_sas(&world->b), 2);
    world_run(world, 200 * NANOS_PER_SEC);
    assert_int_equal(world_n_sas(&world->b), 0);
    world_free(world);
}

/* A server that made a grant can give more time. It cannot outlive a certificate of the login. */
static void proof_is_prolonged(void **state)
{
    (void)state;
    for (uint64_t grant = 0; grant < 2; grant++) {
        struct world *world = eap_world(150 + grant);
        world->b.eap.valid_ns = 3600 * NANOS_PER_SEC;
        world->b.eap.grant = grant;
        scenario_login(world);
        const struct ike_command longer = {.kind = IKE_CMD_REAUTH,
                                           .session = scenario_session(&world->b).id,
                                           .lifetime_ns = 7200 * NANOS_PER_SEC};
        assert_int_equal(world_command(&world->b, longer), IKE_OK);
        nanos left = scenario_session(&world->b).auth_deadline_ns - world->now;
        assert_true(grant == 0 ? left <= 3600 * NANOS_PER_SEC : left > 7100 * NANOS_PER_SEC);
        world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exchange),
        cmocka_unit_test(repeated_by_ike),
        cmocka_unit_test(method_without_a_key),
        cmocka_unit_test(success_that_counts_on),
        cmocka_unit_test(a22_keys_that_differ),
        cmocka_unit_test(gateway_by_shared_key),
        cmocka_unit_test(user_refuses_the_gateway),
        cmocka_unit_test(eap_only),
        cmocka_unit_test(a21_eap_only_without_a_key),
        cmocka_unit_test(eap_only_of_one_side),
        cmocka_unit_test(refused_by_the_method),
        cmocka_unit_test(a20_success_of_the_method_alone),
        cmocka_unit_test(garbage_of_the_method),
        cmocka_unit_test(packet_twins),
        cmocka_unit_test(order_twins),
        cmocka_unit_test(a21_too_many_packets),
        cmocka_unit_test(a_person_types),
        cmocka_unit_test(a27_a_person_goes_away),
        cmocka_unit_test(one_network_types),
        cmocka_unit_test(a_slow_server),
        cmocka_unit_test(identity_table),
        cmocka_unit_test(identity_of_two_rounds),
        cmocka_unit_test(eap_name_is_no_other_name),
        cmocka_unit_test(proof_ends),
        cmocka_unit_test(proof_is_prolonged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
