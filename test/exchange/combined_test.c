/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A clone that comes with the login: draft-mglt-ipsecme-keep-old-ike-sa-00 section B.5, and who
 * else may begin a clone (B.2).
 */
#include <stdio.h>

#include "exchange/scenario.h"
#include "ike/terms/proposal.h"
#include "wire/payloads.h"

/* it stays with the first */
#define INIT_REQUEST                                                                               \
    "a:500 -> b:500 IKE_SA_INIT request: SA(IKE) KE NONCE N(NAT_DETECTION_SOURCE_IP) "             \
    "N(NAT_DETECTION_DESTINATION_IP) N(IKEV2_FRAGMENTATION_SUPPORTED) V"
#define INIT_RESPONSE                                                                              \
    "b:500 -> a:500 IKE_SA_INIT response: SA(IKE) KE NONCE N(NAT_DETECTION_SOURCE_IP) "            \
    "N(NAT_DETECTION_DESTINATION_IP) N(IKEV2_FRAGMENTATION_SUPPORTED) "                            \
    "N(CHILDLESS_IKEV2_SUPPORTED) V"
#define AUTH_REQUEST                                                                               \
    "a -> b IKE_AUTH request: IDi N(INITIAL_CONTACT) IDr AUTH CP(REQUEST) SA(ESP) TSi TSr "        \
    "N(MOBIKE_SUPPORTED) N(CLONE_IKE_SA_SUPPORTED)"
#define AUTH_RESPONSE                                                                              \
    "b -> a IKE_AUTH response: IDr AUTH CP(REPLY) SA(ESP) TSi TSr N(MOBIKE_SUPPORTED) "            \
    "N(CLONE_IKE_SA_SUPPORTED)"
#define GROUP_REQUEST  " N(KEEP_OLD_IKE_SA Q=1 code=0) SA(IKE) NONCE KE"
#define GROUP_RESPONSE " N(KEEP_OLD_IKE_SA Q=0 code=0) SA(IKE) NONCE KE"

static struct world *combined_world(uint64_t seed)
{
    struct world *world = world_new(seed);
    world->conn_a->combined_auth = world->conn_b->combined_auth = true;
    scenario_watch(world);
    return world;
}

static uint64_t post_login(struct world *world)
{
    return world_post(&world->a, (struct ike_command){.kind = IKE_CMD_CONNECT,
                                                      .conn = "office",
                                                      .path = world_path(0),
                                                      .clone = true});
}

/* login_started - of a world that was started. */
static enum ike_outcome login_started(struct world *world)
{
    uint64_t tag = post_login(world);
    for (int i = 0; i < 4000 && world_done(&world->a, tag) == NULL; i++)
        world_run(world, 50 * NANOS_PER_MS);
    assert_non_null(world_done(&world->a, tag));
    world_run(world, NANOS_PER_SEC);
    return world_done(&world->a, tag)->outcome;
}

static enum ike_outcome login(struct world *world)
{
    world_start(world);
    return login_started(world);
}

static void expect_sas(struct world *world, unsigned n)
{
    assert_int_equal(world_n_sas(&world->a), n);
    assert_int_equal(world_n_sas(&world->b), n);
}

/* M1, M2, M3', M4', and D-08 (a): two VPNs after three round trips and one authentication. */
static void the_draft(void **state)
{
    (void)state;
    struct world *world = combined_world(1);
    assert_int_equal(login(world), IKE_OK);
    EXPECT_MESSAGES(world, "#1 " INIT_REQUEST, "#1 " INIT_RESPONSE,
                    "#1 " AUTH_REQUEST GROUP_REQUEST, "#1 " AUTH_RESPONSE GROUP_RESPONSE);
    expect_sas(world, 2);
    for (int by_b = 0; by_b < 2; by_b++) {
        struct peer *peer = by_b ? &world->b : &world->a;
        struct ike_sa_info first = scenario_sa(peer, world_sa(peer, 0));
        struct ike_sa_info second = scenario_sa(peer, world_sa(peer, 1));
        assert_int_equal(second.origin, IKE_ORIGIN_CLONED);
        assert_int_equal(second.parent, first.id);
        assert_int_equal(second.session, first.session);
        assert_int_equal(second.role, by_b ? IKE_SA_RESPONDER : IKE_SA_INITIATOR);
        assert_true(second.spi_i != first.spi_i && second.spi_r != first.spi_r);
        assert_int_equal(scenario_session(peer).logins, 1);
        assert_int_equal(world_n_children(peer), 1);
        assert_true(ike_path_equal(&second.path, &first.path));
    }
    ike_sa_id second = world_sa(&world->a, 1);
    scenario_watch(world);
    struct ike_command command = {
        .kind = IKE_CMD_CREATE_MOVED, .sa = second, .path = world_path(1)};
    assert_int_equal(world_command(&world->a, command), IKE_OK);
    world_run(world, NANOS_PER_SEC);
    assert_int_equal(scenario_count(world, "#2 a1 -> b CREATE_CHILD_SA request"), 1);
    assert_int_equal(world_n_children(&world->b), 2);
    assert_int_equal(scenario_session(&world->b).logins, 1);
    scenario_end(world);
}

/* Both new IKE SAs have keys that work: each is cloned and rekeyed, and lives without the other. */
static void lives_alone(void **state)
{
    (void)state;
    struct world *world = combined_world(2);
    assert_int_equal(login(world), IKE_OK);
    ike_sa_id first = world_sa(&world->a, 0), second = world_sa(&world->a, 1);
    scenario_create(&world->a, second);
    scenario_clone(&world->a, second);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_DELETE_IKE, first), IKE_OK);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_REKEY_IKE, second), IKE_OK);
    world_run(world, NANOS_PER_SEC);
    expect_sas(world, 2);
    assert_int_equal(world_n_children(&world->b), 1);
    assert_int_equal(world->b.n_leases, 1);
    scenario_end(world);
}

/* Whoever does not want it, or cannot: a login as ever, and the separate exchange afterwards. */
static void not_wanted(void **state)
{
    (void)state;
    for (unsigned what = 0; what < 9; what++) {
        struct world *world = combined_world(10 + what);
        bool asked = false, cloneable = true;
        switch (what) {
        case 0: world->conn_a->combined_auth = false; break;
        case 1: world->conn_a->prefer = IKE_CLONE_RFC7791; break;
        case 2: world->conn_b->clone = IKE_CLONE_OFF, cloneable = false; break; /* announces none */
        case 3: world->conn_b->clone = IKE_CLONE_RFC7791; break;
        case 4: world->conn_a->mobike = false, cloneable = false; break;
        case 5: world->conn_a->max_ike_sas = 1, cloneable = false; break;
        case 6: world->conn_b->combined_auth = false, asked = true; break;
        case 7: world->conn_b->mobike = false, asked = true, cloneable = false; break;
        case 8: world->conn_b->max_ike_sas = 1, asked = true, cloneable = false; break;
        default: break;
        }
        assert_int_equal(login(world), IKE_OK);
        assert_int_equal(scenario_count(world, "request"), 2);
        assert_int_equal(scenario_count(world, GROUP_REQUEST), asked);
        assert_int_equal(scenario_count(world, GROUP_RESPONSE), 0);
        expect_sas(world, 1);
        assert_int_equal(world_n_children(&world->a), 1);
        if (cloneable)
            scenario_clone(&world->a, world_sa(&world->a, 0));
        scenario_end(world);
    }
}

static void childless(void **state)
{
    (void)state;
    struct world *world = combined_world(3);
    world->conn_a->childless = IKE_CHILDLESS_FORCE;
    assert_int_equal(login(world), IKE_OK);
    assert_int_equal(scenario_count(world, GROUP_REQUEST), 1);
    expect_sas(world, 2);
    assert_int_equal(world_n_children(&world->a), 0);
    scenario_create(&world->a, world_sa(&world->a, 1));
    scenario_end(world);
}

/* D-01: each side writes the number that the other announced. */
static void other_numbers(void **state)
{
    (void)state;
    struct world *world = combined_world(4);
    world->conn_a->keep_old_notify = 50001;
    world->conn_b->keep_old_notify = 50002;
    assert_int_equal(login(world), IKE_OK);
    expect_sas(world, 2);
    scenario_end(world);
}

/* --- a login that fails leaves nothing --- */

static void nothing_left(struct world *world)
{
    world_run(world, 60 * NANOS_PER_SEC);
    expect_sas(world, 0);
    for (int by_b = 0; by_b < 2; by_b++) {
        struct peer *peer = by_b ? &world->b : &world->a;
        struct ike_stats stats;
        struct ike_sa_info info;
        ike_stats_get(peer->ike, &stats);
        assert_int_equal(stats.clones, 0);
        assert_false(ike_sa_next(peer->ike, 0, &info)); /* not even a half one */
        assert_int_equal(peer->counts[IKE_EV_SA_UP], peer->counts[IKE_EV_SA_DOWN]);
        assert_int_equal(peer->n_leases, 0);
    }
    world_free(world);
}

static void wrong_secret(void **state)
{
    (void)state;
    for (int by_b = 0; by_b < 2; by_b++) {
        struct world *world = combined_world(20);
        (by_b ? &world->b : &world->a)->psk = "another one";
        assert_int_not_equal(login(world), IKE_OK);
        assert_int_equal(scenario_count(world, GROUP_RESPONSE), 0);
        assert_int_equal(world->a.counts[IKE_EV_SA_UP] + world->b.counts[IKE_EV_SA_UP], 0);
        nothing_left(world);
    }
}

/* The Gateway is somebody else: its clone must not come to be here. */
static enum scenario_fate spoil_auth(struct world *world, bool to_b, struct message *m)
{
    size_t at = message_find(m, WIRE_PAYLOAD_AUTH);
    (void)world;
    if (to_b || at == m->n)
        return SCENARIO_PASS;
    message_octets(m, at)[6] ^= 1;
    return SCENARIO_CHANGED;
}

static void false_gateway(void **state)
{
    (void)state;
    struct world *world = combined_world(21);
    scenario_edit(world, spoil_auth);
    assert_int_equal(login(world), IKE_PEER_AUTH_FAILED);
    assert_int_equal(world->a.counts[IKE_EV_SA_UP], 0);
    assert_int_equal(world_n_sas(&world->a), 0);
    world_free(world);
}

/* The address or the Child SA is refused: the IKE SA stays, alone. */
static void refused_inside(void **state)
{
    (void)state;
    for (int lease = 0; lease < 2; lease++) {
        struct world *world = combined_world(22);
        if (lease)
            world->b.refuse_lease = true;
        else
            assert_true(range_parse("10.77.0.0/16",
                                    &world->conn_a->children[0].remote_ts.fixed.ts[0].range));
        assert_int_not_equal(login(world), IKE_OK);
        assert_int_equal(scenario_count(world, GROUP_REQUEST), 1);
        assert_int_equal(scenario_count(world, GROUP_RESPONSE), 0);
        assert_true(world_n_sas(&world->b) <= 1);
        world_free(world);
    }
}

/* --- other groups --- */

enum spoil {
    SWAPPED_SAS,     /* the group's SA is for ESP, the login's for IKE */
    BOTH_ESP,        /* */
    BOTH_IKE,        /* */
    ONLY_THE_GROUP,  /* N, SA(ESP) as the only SA */
    NO_NOTIFY,       /* */
    NOTIFY_FIRST,    /* in front of the Child SA's SA */
    TS_BETWEEN,      /* */
    TWO_KE,          /* */
    TWO_NONCES,      /* */
    NO_NONCE,        /* */
    NO_KE,           /* */
    NO_SA,           /* */
    NOTIFY_ALONE,    /* */
    KE_BEFORE_NONCE, /* */
    TWO_GROUPS,      /* */
    A_QUESTION,      /* Q bit the other way round */
    CODE_1,          /* */
    CODE_255,        /* */
    TOO_SHORT,       /* */
    NONCE_BEHIND,    /* of no group */
    SPOILS
};
static enum spoil spoil;
static bool spoil_response;
static unsigned spoiled;

static size_t last_of(const struct message *m, uint8_t type)
{
    size_t at = m->n;
    for (size_t i = 0; i < m->n; i++)
        if (m->items[i].type == type)
            at = i;
    return at;
}

static void copy_item(struct message *m, size_t from, size_t to)
{
    uint8_t octets[2048];
    struct span body = message_body(m, from);
    assert_true(body.len <= sizeof(octets));
    memcpy(octets, body.ptr, body.len);
    message_insert(m, to, m->items[from].type, span_of(octets, body.len));
}

static void swap_behind(struct message *m, size_t at)
{
    copy_item(m, at, at + 2);
    message_remove(m, at);
}

static void spoil_group(struct message *m, size_t notify)
{
    size_t sa = notify + 1, nonce = notify + 2, ke = notify + 3;
    assert_int_equal(last_of(m, WIRE_PAYLOAD_KE), ke);
    switch (spoil) {
    case SWAPPED_SAS:
        copy_item(m, sa, message_find(m, WIRE_PAYLOAD_SA));
        copy_item(m, message_find(m, WIRE_PAYLOAD_SA) + 1, sa + 2);
        message_remove(m, sa + 1);
        break;
    case BOTH_ESP: message_octets(m, sa)[5] = WIRE_PROTO_ESP; break;
    case BOTH_IKE: message_octets(m, message_find(m, WIRE_PAYLOAD_SA))[5] = WIRE_PROTO_IKE; break;
    case ONLY_THE_GROUP:
        message_octets(m, sa)[5] = WIRE_PROTO_ESP;
        message_remove(m, message_find(m, WIRE_PAYLOAD_SA));
        break;
    case NO_NOTIFY: message_remove(m, notify); break;
    case NOTIFY_FIRST:
        copy_item(m, notify, message_find(m, WIRE_PAYLOAD_SA));
        message_remove(m, notify + 1);
        break;
    case TS_BETWEEN: copy_item(m, message_find(m, WIRE_PAYLOAD_TSi), nonce); break;
    case TWO_KE: copy_item(m, ke, ke); break;
    case TWO_NONCES: copy_item(m, nonce, nonce); break;
    case NO_NONCE: message_remove(m, nonce); break;
    case NO_KE: message_remove(m, ke); break;
    case NO_SA: message_remove(m, sa); break;
    case NOTIFY_ALONE:
        message_remove(m, ke);
        message_remove(m, nonce);
        message_remove(m, sa);
        break;
    case KE_BEFORE_NONCE: swap_behind(m, nonce); break;
    case TWO_GROUPS:
        for (size_t i = 0; i < 4; i++)
            copy_item(m, notify + i, m->n);
        break;
    case A_QUESTION: message_octets(m, notify)[4] ^= 0x80; break;
    case CODE_1: message_octets(m, notify)[5] = 1; break;
    case CODE_255: message_octets(m, notify)[5] = 255; break;
    case TOO_SHORT:
        message_remove(m, notify);
        message_insert_notify(m, notify, KEEP_OLD_DEFAULT_NOTIFY, span_of("", 1));
        break;
    case NONCE_BEHIND: copy_item(m, nonce, m->n); break;
    case SPOILS: break;
    }
}

static enum scenario_fate edit_group(struct world *world, bool to_b, struct message *m)
{
    size_t notify = message_find_notify(m, KEEP_OLD_DEFAULT_NOTIFY);
    (void)world;
    if (to_b == spoil_response || m->header.exchange != WIRE_IKE_AUTH || notify == m->n)
        return SCENARIO_PASS;
    spoil_group(m, notify);
    spoiled++;
    return SCENARIO_CHANGED;
}

/* INVALID_SYNTAX, and once more without the group: the login succeeds. */
static void malformed(void **state)
{
    (void)state;
    for (int response = 0; response < 2; response++)
        for (int i = 0; i < SPOILS; i++) {
            struct world *world = combined_world(30);
            spoil = (enum spoil)i;
            spoil_response = response;
            spoiled = 0;
            scenario_edit(world, edit_group);
            assert_int_equal(login(world), IKE_OK);
            assert_int_equal(spoiled, 1);
            assert_int_equal(scenario_count(world, "IKE_SA_INIT request"), 2);
            assert_int_equal(scenario_count(world, "IKE_AUTH request"), 2);
            assert_true(scenario_count(world, " NONCE KE") <=
                        1u + (unsigned)response); /* only the first had a group */
            assert_int_equal(scenario_count(world, "N(INVALID_SYNTAX)"), 1);
            assert_int_equal(world_n_sas(&world->a), 1);
            assert_int_equal(world_n_children(&world->a), 1);
            assert_int_equal(world->a.counts[IKE_EV_SESSION_UP], 1);
            struct ike_stats stats;
            ike_stats_get(world->a.ike, &stats);
            for (int outcome = 0; outcome < IKE_OUTCOMES; outcome++)
                assert_int_equal(stats.logins_failed[outcome], 0); /* it goes on, and succeeds */
            if (!response)
                assert_int_equal(world->b.counts[IKE_EV_SESSION_UP], 1);
            world_run(world, 5 * NANOS_PER_SEC);
            scenario_end(world);
        }
}

/* D-07: what is in the group does not fit: no clone, and the login is as ever. */
static unsigned unfit;
static enum scenario_fate edit_unfit(struct world *world, bool to_b, struct message *m)
{
    static const uint8_t unknown[] = {0xde, 0xad};
    size_t notify = message_find_notify(m, KEEP_OLD_DEFAULT_NOTIFY);
    (void)world;
    if (!to_b || m->header.exchange != WIRE_IKE_AUTH || notify == m->n)
        return SCENARIO_PASS;
    uint8_t *sa = message_octets(m, notify + 1), *ke = message_octets(m, notify + 3);
    switch (unfit) {
    case 0: ke[1] = 1; break;                        /* another group than the first */
    case 1: memset(ke + 4, 0, 32); break;            /* X25519 point of order one */
    case 2: memset(sa + 8, 0, 8); break;             /* SPI 0 */
    case 3: sa[6] = 4; break;                        /* an SPI of four octets */
    case 4: message_octets(m, notify)[6] = 1; break; /* reserved: nothing changes */
    case 5: message_insert_notify(m, notify + 2, 50505, span_of(unknown, 2)); break; /* nor here */
    case 6: message_insert(m, notify + 1, WIRE_PAYLOAD_V, span_of(unknown, 2)); break;
    default: break;
    }
    return SCENARIO_CHANGED;
}

static void of_no_use(void **state)
{
    (void)state;
    for (unfit = 0; unfit < 7; unfit++) {
        struct world *world = combined_world(40);
        scenario_edit(world, edit_unfit);
        assert_int_equal(login(world), IKE_OK);
        assert_int_equal(scenario_count(world, "IKE_SA_INIT request"), 1);
        assert_int_equal(scenario_count(world, GROUP_RESPONSE), unfit >= 4);
        expect_sas(world, unfit >= 4 ? 2 : 1);
        scenario_edit(world, NULL);
        scenario_clone(&world->a, world_sa(&world->a, 0));
        scenario_end(world);
    }
}

/* The peer's number is another one in the response, or it answers nonsense: nothing is believed. */
static enum scenario_fate edit_answer(struct world *world, bool to_b, struct message *m)
{
    size_t notify = message_find_notify(m, KEEP_OLD_DEFAULT_NOTIFY);
    (void)world;
    if (to_b || m->header.exchange != WIRE_IKE_AUTH || notify == m->n)
        return SCENARIO_PASS;
    memset(message_octets(m, notify + 3) + 4, 0, 32);
    return SCENARIO_CHANGED;
}

static void answer_of_no_use(void **state)
{
    (void)state;
    struct world *world = combined_world(41);
    scenario_edit(world, edit_answer);
    assert_int_equal(login(world), IKE_OK);
    assert_int_equal(world_n_sas(&world->a), 1);
    assert_int_equal(world_n_children(&world->a), 1);
    assert_int_equal(world->a.counts[IKE_EV_SA_UP], 1);
    scenario_clone(&world->a, world_sa(&world->a, 0));
    world_free(world);
}

/* A peer that announced it and yet refuses with INVALID_SYNTAX each time: asked twice, not more. */
static enum scenario_fate refuse_auth(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (to_b || m->header.exchange != WIRE_IKE_AUTH)
        return SCENARIO_PASS;
    message_clear(m);
    message_append_notify(m, 7, (struct span){0});
    return SCENARIO_CHANGED;
}

static void refused_twice(void **state)
{
    (void)state;
    struct world *world = combined_world(42);
    scenario_edit(world, refuse_auth);
    assert_int_equal(login(world), IKE_INVALID_SYNTAX);
    assert_int_equal(scenario_count(world, "IKE_SA_INIT request"), 2);
    assert_int_equal(scenario_count(world, GROUP_REQUEST), 1);
    assert_int_equal(world_n_sas(&world->a), 0);
    world_free(world);
}

/* --- the network --- */

static void lost(void **state)
{
    (void)state;
    for (unsigned nth = 0; nth < 4; nth++) {
        struct world *world = combined_world(50 + nth);
        scenario_lose(world, nth);
        assert_int_equal(login(world), IKE_OK);
        assert_int_equal(scenario_count(world, "(lost)"), 1);
        expect_sas(world, 2);
        assert_int_equal(scenario_session(&world->b).logins, 1);
        scenario_end(world);
    }
}

static void noisy(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct world *world = combined_world(60 + seed);
        world->loss_percent = world->duplicate_percent = 20;
        world->jitter_ns = 30 * NANOS_PER_MS;
        assert_int_equal(login(world), IKE_OK);
        expect_sas(world, 2);
        scenario_end(world);
    }
}

/* n IKE SAs after 2 + log2(n / 2) round trips when each that there is makes another one; the
 * last round creates and moves. */
static void tree_of_clones(void **state)
{
    static const struct {
        unsigned paths, round_trips;
    } cases[] = {{2, 3}, {4, 4}, {8, 5}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world *world = combined_world(80 + i);
        world_start(world);
        nanos began = world->now;
        post_login(world);
        world_run(world, 4 * WORLD_LATENCY_NS);
        expect_sas(world, 2);
        for (unsigned n = 2; n < cases[i].paths; n *= 2) {
            for (unsigned k = 0; k < n; k++)
                world_post(&world->a, (struct ike_command){.kind = IKE_CMD_CLONE,
                                                           .sa = world_sa(&world->a, k)});
            world_run(world, 2 * WORLD_LATENCY_NS);
            expect_sas(world, 2 * n);
        }
        for (unsigned k = 1; k < cases[i].paths; k++)
            world_post(&world->a, (struct ike_command){.kind = IKE_CMD_CREATE_MOVED,
                                                       .sa = world_sa(&world->a, k),
                                                       .path = world_path(k)});
        world_run(world, 2 * WORLD_LATENCY_NS);
        assert_int_equal(world_n_children(&world->a), cases[i].paths);
        assert_int_equal((world->now - began) / (2 * WORLD_LATENCY_NS), cases[i].round_trips);
        for (unsigned k = 0; k < cases[i].paths; k++) {
            struct ike_path path = scenario_sa(&world->a, world_sa(&world->a, k)).path;
            struct ike_path home = world_path(k);
            assert_true(address_equal(&path.local.address, &home.local.address));
        }
        world_run(world, NANOS_PER_SEC);
        assert_int_equal(scenario_session(&world->b).logins, 1);
        assert_int_equal(scenario_count(world, "IKE_AUTH request"), 1);
        scenario_end(world);
    }
}

/* --- D-08 (b): the Gateway's M13 --- */

static enum spoil_m13 {
    NOTHING,
    NO_NAT_DETECTION,
    A_NAT,         /* the source is another one */
    NOT_WANTED,    /* by the End User */
    NOT_ANNOUNCED, /* no Vendor ID */
    HAS_CHILD,     /* the clone has its VPN */
    NO_CLONE,      /* the IKE SA of the login */
    UNDER_WAY,     /* the End User clones it just then */
    SPOILS_M13
} spoil_m13;

static enum scenario_fate edit_m13(struct world *world, bool to_b, struct message *m)
{
    size_t at = message_find_notify(m, N_NAT_DETECTION_SOURCE_IP);
    (void)world;
    if (to_b || m->header.exchange != WIRE_CREATE_CHILD_SA || at == m->n ||
        (m->header.flags & IKE_FLAG_RESPONSE) != 0)
        return SCENARIO_PASS;
    if (spoil_m13 == NO_NAT_DETECTION)
        message_remove(m, at);
    if (spoil_m13 == A_NAT)
        message_octets(m, at)[8] ^= 1;
    return SCENARIO_CHANGED;
}

static struct world *m13_world(uint64_t seed)
{
    struct world *world = combined_world(seed);
    struct address own[3] = {world_path(0).local.address, world_path(1).local.address,
                             world_path(2).local.address};
    world->conn_a->reduced = world->conn_b->reduced = IKE_REDUCED_GATEWAY;
    if (spoil_m13 == NOT_WANTED)
        world->conn_a->reduced = IKE_REDUCED_END_USER;
    if (spoil_m13 == NOT_ANNOUNCED)
        world->conn_b->prefer = world->conn_a->clone = IKE_CLONE_RFC7791;
    if (spoil_m13 == A_NAT || spoil_m13 == NO_NAT_DETECTION)
        scenario_edit(world, edit_m13);
    world_start(world);
    ike_local_addresses_set(world->a.ike, own, spoil_m13 == SPOILS_M13 ? 2 : 3, world->now);
    assert_int_equal(login_started(world), IKE_OK);
    if (world_n_sas(&world->a) < 2)
        scenario_clone(&world->a, world_sa(&world->a, 0));
    return world;
}

static enum ike_outcome m13(struct world *world, unsigned sa, unsigned to)
{
    struct ike_command command = {.kind = IKE_CMD_CREATE_MOVED,
                                  .sa = world_sa(&world->b, sa),
                                  .give_up_ns = 3 * NANOS_PER_SEC};
    struct ike_path path = world_path(to);
    command.path.local = path.remote;
    command.path.remote = path.local;
    return world_command(&world->b, command);
}

/* The End User agrees by answering from where the request reached it; without that nothing is made
 * and nothing moves. */
static void gateway_sent(void **state)
{
    (void)state;
    for (int i = 0; i < SPOILS_M13; i++) {
        spoil_m13 = (enum spoil_m13)i;
        struct world *world = m13_world(100);
        if (spoil_m13 == HAS_CHILD)
            scenario_create(&world->a, world_sa(&world->a, 1));
        unsigned before = world_n_children(&world->a);
        if (spoil_m13 == UNDER_WAY)
            world_post(&world->a,
                       (struct ike_command){.kind = IKE_CMD_CLONE, .sa = world_sa(&world->a, 1)});
        enum ike_outcome outcome = m13(world, spoil_m13 == NO_CLONE ? 0 : 1, 1);
        assert_int_equal(outcome, i == NOTHING ? IKE_OK : IKE_UNACCEPTABLE_ADDRESSES);
        world_run(world, NANOS_PER_SEC);
        assert_int_equal(world_n_children(&world->a), before + (i == NOTHING));
        struct ike_sa_info at_a = scenario_sa(&world->a, world_sa(&world->a, 1));
        struct ike_sa_info at_b = scenario_sa(&world->b, world_sa(&world->b, 1));
        struct address home = world_path(i == NOTHING).local.address;
        assert_true(address_equal(&at_a.path.local.address, &home));
        assert_true(address_equal(&at_b.path.remote.address, &home));
        /* the End User goes on as ever */
        scenario_move(world, world_sa(&world->a, 1), 2);
        if (i != NOTHING && i != HAS_CHILD)
            scenario_create(&world->a, world_sa(&world->a, 1));
        scenario_end(world);
    }
}

/* Only to an address that was announced, and never where there is a NAT. */
static void gateway_sends_not(void **state)
{
    (void)state;
    spoil_m13 = SPOILS_M13; /* two addresses */
    struct world *world = m13_world(101);
    unsigned n = world->n_sent;
    assert_int_equal(m13(world, 1, 2), IKE_UNACCEPTABLE_ADDRESSES);
    assert_int_equal(world->n_sent, n);
    assert_int_equal(m13(world, 1, 1), IKE_OK);
    scenario_end(world);
}

/* M13 or M14 is lost for good: the clone stays where it was, and lives. */
static enum scenario_fate lose_m13(struct world *world, bool to_b, struct message *m)
{
    bool m14 = to_b && (m->header.flags & IKE_FLAG_RESPONSE) != 0;
    (void)world;
    return m->header.exchange == WIRE_CREATE_CHILD_SA && (!to_b || m14) ? SCENARIO_LOST
                                                                        : SCENARIO_PASS;
}

static void gateway_unheard(void **state)
{
    (void)state;
    spoil_m13 = NOTHING;
    struct world *world = m13_world(102);
    scenario_edit(world, lose_m13);
    assert_int_equal(m13(world, 1, 1), IKE_TIMEOUT);
    expect_sas(world, 2);
    scenario_edit(world, NULL);
    /* its repetition finds an IKE SA that was moved meanwhile: refused */
    scenario_move(world, world_sa(&world->a, 1), 1);
    scenario_create(&world->a, world_sa(&world->a, 1));
    world_run(world, 5 * NANOS_PER_SEC);
    assert_int_equal(world_n_children(&world->a), 2);
    assert_true(scenario_count(world, "N(UNACCEPTABLE_ADDRESSES)") > 0);
    scenario_end(world);
}

/* --- B.2, third variant: the Gateway begins (D-05, A-09) --- */

static bool cloned_at_once;
static enum scenario_fate clone_at_once(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (to_b || m->header.exchange != WIRE_IKE_AUTH)
        return SCENARIO_PASS;
    cloned_at_once = true;
    return SCENARIO_NOTED;
}

static void gateway_at_once(void **state)
{
    (void)state;
    for (unsigned nth = 0; nth < 3; nth++) { /* what is lost: the response, the request, nothing */
        struct world *world = combined_world(90);
        world->conn_a->combined_auth = false;
        world_start(world);
        cloned_at_once = false;
        scenario_edit(world, clone_at_once);
        uint64_t tag = post_login(world);
        while (!cloned_at_once)
            world_run(world, NANOS_PER_MS);
        if (nth == 1)
            scenario_lose(world, 0);
        world_post(&world->b,
                   (struct ike_command){.kind = IKE_CMD_CLONE, .sa = world_sa(&world->b, 0)});
        assert_null(world_done(&world->a, tag)); /* the response of IKE_AUTH is still on its way */
        world_run(world, 5 * NANOS_PER_SEC);
        assert_int_equal(world_done(&world->a, tag)->outcome, IKE_OK);
        expect_sas(world, 2);
        assert_int_equal(scenario_count(world, "#1 b -> a CREATE_CHILD_SA request:" GROUP_REQUEST),
                         nth == 1 ? 2 : 1);
        ike_sa_id at_a = world_sa(&world->a, 1);
        assert_int_equal(scenario_sa(&world->a, at_a).role, IKE_SA_RESPONDER);
        assert_int_equal(scenario_session(&world->a).role, IKE_END_USER);
        scenario_end(world);
    }
}

/* The Gateway is the original initiator of its clone; the End User moves it and creates on it, also
 * after rekeys by either side. */
static void roles_last(void **state)
{
    (void)state;
    for (int by_b = 0; by_b < 2; by_b++) {
        struct world *world = scenario_up(95);
        scenario_watch(world);
        scenario_clone(&world->b, world_sa(&world->b, 0));
        struct peer *peer = by_b ? &world->b : &world->a;
        assert_int_equal(scenario_on_sa(peer, IKE_CMD_REKEY_IKE, world_sa(peer, 1)), IKE_OK);
        world_run(world, NANOS_PER_SEC);
        expect_sas(world, 2);
        ike_sa_id at_a = world_sa(&world->a, 1), at_b = world_sa(&world->b, 1);
        assert_int_equal(scenario_sa(&world->b, at_b).role,
                         by_b ? IKE_SA_INITIATOR : IKE_SA_RESPONDER);
        assert_int_equal(scenario_sa(&world->b, at_b).origin, IKE_ORIGIN_CLONED);
        scenario_move(world, at_a, 1);
        scenario_create(&world->a, at_a);
        assert_int_equal(scenario_on_sa(&world->b, IKE_CMD_MOVE, at_b), IKE_UNACCEPTABLE_ADDRESSES);
        assert_int_equal(world_n_children(&world->b), 2);
        scenario_end(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_draft),
        cmocka_unit_test(lives_alone),
        cmocka_unit_test(not_wanted),
        cmocka_unit_test(childless),
        cmocka_unit_test(other_numbers),
        cmocka_unit_test(wrong_secret),
        cmocka_unit_test(false_gateway),
        cmocka_unit_test(refused_inside),
        cmocka_unit_test(malformed),
        cmocka_unit_test(of_no_use),
        cmocka_unit_test(answer_of_no_use),
        cmocka_unit_test(refused_twice),
        cmocka_unit_test(lost),
        cmocka_unit_test(noisy),
        cmocka_unit_test(tree_of_clones),
        cmocka_unit_test(gateway_sent),
        cmocka_unit_test(gateway_sends_not),
        cmocka_unit_test(gateway_unheard),
        cmocka_unit_test(gateway_at_once),
        cmocka_unit_test(roles_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
