/* SPDX-License-Identifier: Apache-2.0 */
/* Post-quantum preshared keys in a login (RFC 8784), and what is derived from them afterwards. */
#include "crypto/provider.h"
#include "exchange/party.h"
#include "exchange/scenario.h"
#include "ike/terms/ppk.h"

#define PPK "a PPK of at least 32 octets, which both ends know"

static void conn_ppk(struct ike_conn *conn, const char *id, bool required)
{
    assert_int_equal(ppk_id_parse(id, conn->ppk_id), 0);
    strcpy(conn->ppk_pattern, id);
    conn->ppk_required = required;
}

/* ppk_world - both ends have the PPK, and the End User asks for it. */
static struct world *ppk_world(uint64_t seed)
{
    struct world *world = world_new(seed);
    world->a.ppk_id = world->b.ppk_id = "ppk-anna@user.example";
    world->a.ppk = world->b.ppk = PPK;
    conn_ppk(world->conn_a, "ppk-anna@user.example", false);
    return world;
}

static void by(struct world *world, enum ike_auth_method user, enum ike_auth_method gateway)
{
    world->conn_a->local[0].method = world->conn_b->remote[0].method = user;
    world->conn_a->remote[0].method = world->conn_b->local[0].method = gateway;
}

static enum ike_outcome login(struct world *world)
{
    world_start(world);
    return world_connect(world);
}

static void expect_nothing(struct world *world)
{
    world_run(world, 60 * NANOS_PER_SEC);
    assert_int_equal(world_n_sas(&world->a) + world_n_sas(&world->b), 0);
    assert_int_equal(world->a.counts[IKE_EV_SESSION_UP], 0);
    assert_int_equal(world->b.counts[IKE_EV_SESSION_UP], 0);
    assert_int_equal(world->b.counts[IKE_EV_LEASE], 0);
    assert_int_equal(world->b.counts[IKE_EV_CHILD_INSTALL], 0);
    world_free(world);
}

static void expect_session(struct world *world, bool ppk)
{
    assert_int_equal(scenario_session(&world->a).ppk, ppk);
    assert_int_equal(scenario_session(&world->b).ppk, ppk);
    scenario_end(world);
}

/* last_notice - the reason in it that no PPK protects a session; "": none was given. */
static const char *last_notice(const struct peer *peer)
{
    for (size_t i = peer->n_events; i-- > 0;)
        if (peer->events[i % WORLD_EVENTS].kind == IKE_EV_NOTICE)
            return peer->notices[i % WORLD_EVENTS];
    return "";
}

static void the_exchange(void **state)
{
    (void)state;
    struct world *world = ppk_world(1);
    scenario_watch(world);
    scenario_login(world);
    EXPECT_MESSAGES(
        world,
        "#1 a:500 -> b:500 IKE_SA_INIT request: SA(IKE) KE NONCE N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP) N(IKEV2_FRAGMENTATION_SUPPORTED) V N(USE_PPK)",
        "#1 b:500 -> a:500 IKE_SA_INIT response: SA(IKE) KE NONCE N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP) N(IKEV2_FRAGMENTATION_SUPPORTED) "
        "N(CHILDLESS_IKEV2_SUPPORTED) V N(USE_PPK)",
        "#1 a -> b IKE_AUTH request: IDi N(INITIAL_CONTACT) IDr AUTH CP(REQUEST) SA(ESP) TSi TSr "
        "N(MOBIKE_SUPPORTED) N(CLONE_IKE_SA_SUPPORTED) N(PPK_IDENTITY) N(NO_PPK_AUTH)",
        "#1 b -> a IKE_AUTH response: IDr AUTH N(PPK_IDENTITY) CP(REPLY) SA(ESP) TSi TSr "
        "N(MOBIKE_SUPPORTED) N(CLONE_IKE_SA_SUPPORTED)");
    scenario_watch(world);
    ike_sa_id clone = scenario_clone(&world->a, world_sa(&world->a, 0));
    scenario_create(&world->a, clone);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_REKEY_IKE, clone), IKE_OK);
    assert_int_equal(scenario_on_sa(&world->b, IKE_CMD_REKEY_IKE, world_sa(&world->b, 0)), IKE_OK);
    assert_int_equal(scenario_count(world, "PPK"), 0); /* only in the login */
    assert_int_equal(world->a.counts[IKE_EV_PPK] + world->b.counts[IKE_EV_PPK], 2);
    assert_string_equal(last_notice(&world->a), "");
    assert_string_equal(last_notice(&world->b), "");
    expect_session(world, true);
}

/* --- the keys --- */

struct keys {
    struct ike_keylog first, clone;
};

/* keys_with - of a login and a clone that differ from others in the PPK alone. */
static struct keys keys_with(const char *ppk, enum ike_clone dialect)
{
    struct world *world = ppk_world(2);
    struct keys keys;
    world->a.ppk = world->b.ppk = ppk;
    world->conn_a->clone = world->conn_b->clone = dialect;
    world->conn_a->prefer = dialect;
    scenario_login(world);
    ike_sa_id clone = scenario_clone(&world->a, world_sa(&world->a, 0));
    assert_true(ike_keylog_get(world->a.ike, world_sa(&world->a, 0), &keys.first));
    assert_true(ike_keylog_get(world->a.ike, clone, &keys.clone));
    expect_session(world, ppk != NULL);
    return keys;
}

static bool same(const struct secret *a, const struct secret *b)
{
    return span_equal(secret_span(a), secret_span(b));
}

/* Section 3: the keys of the first IKE SA do not depend on the PPK; those of a clone do, since they
 * are derived from its SK_d. */
static void keys_of_clones(void **state)
{
    static const enum ike_clone dialects[] = {IKE_CLONE_KEEP_OLD, IKE_CLONE_RFC7791};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct keys one = keys_with(PPK, dialects[i]), again = keys_with(PPK, dialects[i]);
        struct keys other = keys_with("another PPK, which has as many octets", dialects[i]);
        assert_true(same(&one.first.sk_ei, &other.first.sk_ei));
        assert_true(same(&one.clone.sk_ei, &again.clone.sk_ei));
        assert_false(same(&one.clone.sk_ei, &other.clone.sk_ei));
        assert_false(same(&one.clone.sk_er, &other.clone.sk_er));
    }
}

/* SK = prf (PPK, SK' | 0x01), PRF_HMAC_SHA2_256: computed elsewhere, from the octets 0 to 95. */
static void mixed_keys(void **state)
{
    static const uint8_t expected[3][8] = {
        {0x64, 0xe2, 0xbf, 0x1e, 0x48, 0x1a, 0x8e, 0x3b},
        {0x10, 0x27, 0x70, 0xd9, 0x94, 0xc8, 0xa9, 0x8a},
        {0xcd, 0x2d, 0x01, 0xd1, 0x85, 0x84, 0x68, 0xb2},
    };
    uint8_t keys[96], out[PPK_KEYS_MAX];
    (void)state;
    struct crypto_provider *crypto = crypto_new();
    for (size_t i = 0; i < sizeof(keys); i++)
        keys[i] = (uint8_t)i;
    struct span all = span_of(keys, sizeof(keys));
    assert_int_equal(ppk_mix(crypto, 5, span_text("secret"), all, out), 0);
    for (size_t i = 0; i < 3; i++)
        assert_memory_equal(out + 32 * i, expected[i], 8);
    /* an engine that was taken over asks for other lengths, or another PRF */
    assert_int_equal(ppk_mix(crypto, 5, span_text("secret"), span_of(keys, 95), out), ERR_INVALID);
    assert_int_equal(ppk_mix(crypto, 5, span_text("secret"), span_of(keys, 32), out), ERR_INVALID);
    assert_int_equal(ppk_mix(crypto, 999, span_text("secret"), all, out), ERR_INVALID);
    crypto_free(crypto);
}

/* --- every login --- */

static void every_login(void **state)
{
    static const struct {
        enum ike_auth_method user, gateway;
        bool no_key;
    } table[] = {
        {IKE_AUTH_PSK, IKE_AUTH_PSK, false},    {IKE_AUTH_PUBKEY, IKE_AUTH_PUBKEY, false},
        {IKE_AUTH_PSK, IKE_AUTH_PUBKEY, false}, {IKE_AUTH_EAP, IKE_AUTH_PUBKEY, false},
        {IKE_AUTH_EAP, IKE_AUTH_PUBKEY, true},  {IKE_AUTH_EAP, IKE_AUTH_PSK, false},
        {IKE_AUTH_EAP, IKE_AUTH_EAP, false},
    };
    (void)state;
    for (unsigned i = 0; i < 2 * sizeof(table) / sizeof(table[0]); i++) {
        struct world *world = ppk_world(10 + i);
        world->conn_a->ppk_required = i % 2 == 1;
        by(world, table[i / 2].user, table[i / 2].gateway);
        world->a.eap.no_key = world->b.eap.no_key = table[i / 2].no_key;
        scenario_watch(world);
        scenario_login(world);
        assert_int_equal(scenario_count(world, "N(NO_PPK_AUTH)"), i % 2 == 0);
        assert_int_equal(scenario_count(world, "N(PPK_IDENTITY)"), 2);
        scenario_clone(&world->a, world_sa(&world->a, 0));
        expect_session(world, true);
    }
}

/* A Gateway that proves itself before EAP begins does so without the PPK, whose PPK_ID it does not
 * know yet. */
static void eap_exchange(void **state)
{
    (void)state;
    struct world *world = ppk_world(30);
    by(world, IKE_AUTH_EAP, IKE_AUTH_PUBKEY);
    scenario_watch(world);
    scenario_login(world);
    assert_int_equal(scenario_count(world, "IKE_AUTH response: IDr CERT AUTH EAP"), 1);
    assert_int_equal(scenario_count(world, "IKE_AUTH request: AUTH N(PPK_IDENTITY) N(NO_PPK_AUTH)"),
                     1);
    assert_int_equal(scenario_count(world, "IKE_AUTH response: AUTH N(PPK_IDENTITY) CP(REPLY)"), 1);
    expect_session(world, true);
}

static void several_rounds(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct world *world = ppk_world(31 + i);
        world->conn_a->ppk_required = i == 1;
        party_rounds(world->conn_a, world->conn_b);
        scenario_watch(world);
        scenario_login(world);
        assert_int_equal(scenario_count(world, "N(PPK_IDENTITY)"), 2); /* with the first AUTH */
        expect_session(world, true);
    }
}

/* The clone of the combined login is derived from the SK_d that has the PPK in it. */
static void combined_login(void **state)
{
    (void)state;
    struct world *world = ppk_world(33);
    world->conn_a->combined_auth = world->conn_b->combined_auth = true;
    world_start(world);
    struct ike_command connect = {
        .kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0), .clone = true};
    assert_int_equal(world_command(&world->a, connect), IKE_OK);
    assert_int_equal(world_n_sas(&world->a), 2);
    assert_int_equal(world_n_sas(&world->b), 2);
    expect_session(world, true);
}

/* --- who has a PPK, and who needs it --- */

enum has { NO, YES, ANOTHER_ID, ANOTHER_PPK };

static void who_has_it(void **state)
{
    static const struct {
        enum has user, gateway;
        bool user_requires, gateway_requires;
        enum ike_outcome outcome;
        bool ppk;
        const char *user_says, *gateway_says;
    } table[] = {
        {YES, YES, false, false, IKE_OK, true, "", ""},
        {YES, YES, true, true, IKE_OK, true, "", ""},
        {YES, YES, false, true, IKE_OK, true, "", ""},
        {YES, NO, false, false, IKE_OK, false, "the peer does not use PPKs", ""},
        {YES, NO, true, false, IKE_NO_PPK, false, "a PPK is required", ""},
        {YES, NO, false, true, IKE_AUTH_FAILED, false, "", "a PPK is required"},
        {YES, ANOTHER_ID, false, false, IKE_OK, false, "does not have the PPK", "not one of the"},
        {YES, ANOTHER_ID, true, false, IKE_AUTH_FAILED, false, "", "not one of the connection"},
        {YES, ANOTHER_ID, false, true, IKE_AUTH_FAILED, false, "", "not one of the connection"},
        {YES, ANOTHER_PPK, false, false, IKE_AUTH_FAILED, false, "", "refused"},
        {YES, ANOTHER_PPK, true, true, IKE_AUTH_FAILED, false, "", "refused"},
        {NO, YES, false, false, IKE_OK, false, "is not loaded", ""},
        {NO, YES, true, false, IKE_NO_PPK, false, "is not loaded", ""},
        {NO, YES, false, true, IKE_AUTH_FAILED, false, "", "a PPK is required"},
        {ANOTHER_ID, YES, false, false, IKE_OK, false, "is not loaded", ""},
        {ANOTHER_ID, YES, true, false, IKE_NO_PPK, false, "is not loaded", ""},
        {ANOTHER_ID, YES, false, true, IKE_AUTH_FAILED, false, "", "a PPK is required"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct world *world = ppk_world(40 + i);
        struct peer *peers[] = {&world->a, &world->b};
        for (unsigned p = 0; p < 2; p++) {
            enum has has = p == 0 ? table[i].user : table[i].gateway;
            if (has == NO)
                peers[p]->ppk = NULL;
            if (has == ANOTHER_ID)
                peers[p]->ppk_id = "ppk-bert@user.example";
            if (has == ANOTHER_PPK)
                peers[p]->ppk = "another PPK of at least 32 octets";
        }
        world->conn_a->ppk_required = table[i].user_requires;
        world->conn_b->ppk_required = table[i].gateway_requires;
        assert_int_equal(login(world), table[i].outcome);
        assert_non_null(strstr(last_notice(&world->a), table[i].user_says));
        assert_non_null(strstr(last_notice(&world->b), table[i].gateway_says));
        world_run(world, 60 * NANOS_PER_SEC); /* the half-open IKE SA of a first attempt ends */
        if (table[i].outcome == IKE_OK)
            expect_session(world, table[i].ppk);
        else
            expect_nothing(world);
    }
}

/* The Gateway takes the PPK_IDs of its connection: one, those of a pattern, or any. */
static void ppk_ids(void **state)
{
    static const struct {
        const char *id;
        bool fits;
    } table[] = {
        {"ppk-anna@user.example", true},  {"*@user.example", true}, {"%any", true},
        {"ppk-bert@user.example", false}, {"*@example", false},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct world *world = ppk_world(70 + i);
        conn_ppk(world->conn_b, table[i].id, true);
        assert_int_equal(login(world), table[i].fits ? IKE_OK : IKE_AUTH_FAILED);
        if (table[i].fits)
            expect_session(world, true);
        else
            expect_nothing(world);
    }
}

/* An End User cannot ask for a pattern. */
static void a_pattern_names_no_ppk(void **state)
{
    (void)state;
    struct world *world = ppk_world(80);
    conn_ppk(world->conn_a, "*@user.example", true);
    assert_int_equal(login(world), IKE_NO_PPK);
    assert_non_null(strstr(last_notice(&world->a), "'ppk_id' names no PPK"));
    expect_nothing(world);
}

/* --- hostile twins --- */

static unsigned twin;

static void notify_remove(struct message *m, uint16_t type)
{
    size_t i = message_find_notify(m, type);
    if (i < m->n)
        message_remove(m, i);
}

static void notify_replace(struct message *m, uint16_t type, struct span data)
{
    notify_remove(m, type);
    message_append_notify(m, type, data);
}

static enum scenario_fate request_twin(struct world *world, bool to_b, struct message *m)
{
    static const uint8_t opaque[] = "\001ppk-anna@user.example",
                         known[] = "\002ppk-anna@user.example";
    static const uint8_t other[] = "\002ppk-bert@user.example", empty[] = {2}, zeros[300] = {2};
    (void)world;
    if (!to_b || message_find_notify(m, N_PPK_IDENTITY) == m->n)
        return SCENARIO_PASS;
    switch (twin / 2) {
    case 0: notify_remove(m, N_PPK_IDENTITY); break;
    case 1: notify_replace(m, N_PPK_IDENTITY, span_of(other, sizeof(other) - 1)); break;
    case 2: notify_replace(m, N_PPK_IDENTITY, span_of(opaque, sizeof(opaque) - 1)); break;
    case 3: notify_replace(m, N_PPK_IDENTITY, span_of(empty, 1)); break;
    case 4: notify_replace(m, N_PPK_IDENTITY, (struct span){0}); break;
    case 5: notify_replace(m, N_PPK_IDENTITY, span_of(zeros, sizeof(zeros))); break;
    case 6: /* a NUL in it; the first of two counts */
        message_insert_notify(m, 0, N_PPK_IDENTITY, span_of(known, sizeof(known)));
        break;
    default: message_append_notify(m, N_PPK_IDENTITY, span_of(other, sizeof(other) - 1)); break;
    }
    if (twin % 2 == 1)
        notify_remove(m, N_NO_PPK_AUTH);
    return SCENARIO_CHANGED;
}

/* Without a PPK_ID that is known the login goes on by NO_PPK_AUTH alone. It does so on the Gateway
 * only: the End User has the AUTH of both. */
static void twins_of_ppk_identity(void **state)
{
    (void)state;
    for (twin = 0; twin < 2 * 8; twin++) {
        struct world *world = ppk_world(100 + twin);
        bool none = twin / 2 == 0, first = twin / 2 == 7, refused = none || twin % 2 == 1;
        scenario_watch(world);
        scenario_edit(world, request_twin);
        assert_int_equal(login(world), first || !refused ? IKE_OK : IKE_AUTH_FAILED);
        if (!first && refused)
            expect_nothing(world);
        else
            expect_session(world, first);

        world = ppk_world(100 + twin);
        world->conn_b->ppk_required = true;
        scenario_watch(world);
        scenario_edit(world, request_twin);
        assert_int_equal(login(world), first ? IKE_OK : IKE_AUTH_FAILED);
        if (first)
            expect_session(world, true);
        else
            expect_nothing(world);
    }
}

static enum scenario_fate wrong_no_ppk_auth(struct world *world, bool to_b, struct message *m)
{
    static const uint8_t zeros[1300]; /* more than AUTH has in any method */
    (void)world;
    size_t i = message_find_notify(m, N_NO_PPK_AUTH);
    if (!to_b || i == m->n)
        return SCENARIO_PASS;
    switch (twin / 2) {
    case 0: message_octets(m, i)[8] ^= 1; break;
    case 1: notify_replace(m, N_NO_PPK_AUTH, (struct span){0}); break;
    case 2: notify_replace(m, N_NO_PPK_AUTH, span_of(zeros, 31)); break;
    default: notify_replace(m, N_NO_PPK_AUTH, span_of(zeros, sizeof(zeros))); break;
    }
    return SCENARIO_CHANGED;
}

/* It counts where the PPK is not known, and nowhere else. */
static void twins_of_no_ppk_auth(void **state)
{
    (void)state;
    for (twin = 0; twin < 2 * 4; twin++)
        for (unsigned eap = 0; eap < 2; eap++) {
            struct world *world = ppk_world(140 + 2 * twin + eap);
            bool unknown = twin % 2 == 1;
            if (unknown)
                world->b.ppk_id = "ppk-bert@user.example";
            if (eap == 1)
                by(world, IKE_AUTH_EAP, IKE_AUTH_PUBKEY);
            scenario_watch(world);
            scenario_edit(world, wrong_no_ppk_auth);
            assert_int_equal(login(world), unknown ? IKE_AUTH_FAILED : IKE_OK);
            if (unknown)
                expect_nothing(world);
            else
                expect_session(world, true);
        }
}

static enum scenario_fate response_twin(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (to_b || m->header.exchange != WIRE_IKE_AUTH || message_find(m, WIRE_PAYLOAD_AUTH) == m->n ||
        message_find(m, WIRE_PAYLOAD_EAP) < m->n)
        return SCENARIO_PASS;
    if (twin == 0)
        notify_remove(m, N_PPK_IDENTITY);
    else
        notify_replace(m, N_PPK_IDENTITY, span_text("whatever"));
    return SCENARIO_CHANGED;
}

static void expect_gone(struct world *world)
{
    world_run(world, 10 * 60 * NANOS_PER_SEC);
    assert_int_equal(world_n_sas(&world->a) + world_n_sas(&world->b), 0);
    world_free(world);
}

/* A Gateway that says that it used the PPK and did not, or did and does not say so, made its AUTH
 * with other keys. */
static void twins_of_the_response(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct world *world = ppk_world(170 + i);
        bool knows = (i & 1) == 0, required = (i & 2) != 0, eap = (i & 4) != 0;
        if (!knows)
            world->b.ppk_id = "ppk-bert@user.example";
        world->conn_a->ppk_required = required && knows;
        if (eap)
            by(world, IKE_AUTH_EAP, IKE_AUTH_PUBKEY);
        twin = knows ? 0 : 1;
        scenario_watch(world);
        scenario_edit(world, response_twin);
        assert_int_equal(login(world), required && knows ? IKE_NO_PPK : IKE_PEER_AUTH_FAILED);
        assert_int_equal(world->a.counts[IKE_EV_SESSION_UP], 0);
        assert_int_equal(scenario_count(world, "INFORMATIONAL request: N(AUTHENTICATION_FAILED)"),
                         1);
        expect_gone(world);
    }
}

/* The content of PPK_IDENTITY in a response MUST be ignored. */
static void content_of_the_response(void **state)
{
    (void)state;
    struct world *world = ppk_world(180);
    twin = 1;
    scenario_watch(world);
    scenario_edit(world, response_twin);
    assert_int_equal(login(world), IKE_OK);
    expect_session(world, true);
}

/* C14: IKE_SA_INIT is covered by AUTH, so nobody can take USE_PPK out of it, or put it in. */
static enum scenario_fate init_twin(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (m->header.exchange != WIRE_IKE_SA_INIT || to_b != (twin % 2 == 0))
        return SCENARIO_PASS;
    if (twin < 2)
        notify_remove(m, N_USE_PPK);
    else
        message_append_notify(m, N_USE_PPK, (struct span){0});
    return SCENARIO_CHANGED;
}

static void c14_use_ppk(void **state)
{
    (void)state;
    for (twin = 0; twin < 4; twin++)
        for (unsigned method = 0; method < 2; method++) {
            struct world *world = ppk_world(190 + 2 * twin + method);
            by(world, method == 0 ? IKE_AUTH_PSK : IKE_AUTH_PUBKEY, IKE_AUTH_PUBKEY);
            if (twin >= 2)
                conn_ppk(world->conn_a, "", false);
            scenario_watch(world);
            scenario_edit(world, init_twin);
            assert_int_equal(login(world), twin < 3 ? IKE_AUTH_FAILED : IKE_PEER_AUTH_FAILED);
            expect_gone(world);
        }
}

/* Section 6: a forged response without USE_PPK does not end a login that needs it. */
static enum scenario_fate without_use_ppk_once(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (to_b || m->header.exchange != WIRE_IKE_SA_INIT || twin == 0)
        return SCENARIO_PASS;
    twin--;
    notify_remove(m, N_USE_PPK);
    return SCENARIO_CHANGED;
}

static void response_without_use_ppk(void **state)
{
    (void)state;
    struct world *world = ppk_world(200);
    world->conn_a->ppk_required = true;
    twin = 1; /* the Gateway repeats its response */
    scenario_watch(world);
    scenario_edit(world, without_use_ppk_once);
    assert_int_equal(login(world), IKE_OK);
    expect_session(world, true);

    world = ppk_world(201);
    world->conn_a->ppk_required = true;
    twin = 100;
    scenario_watch(world);
    scenario_edit(world, without_use_ppk_once);
    nanos began = world->now;
    assert_int_equal(login(world), IKE_NO_PPK);
    assert_true(world->now - began <= 3 * NANOS_PER_SEC);
    expect_nothing(world);
}

/* A fault of our own does not lead to a session without the PPK, even where it is optional. */
static void keyholder_that_fails(void **state)
{
    (void)state;
    for (unsigned gateway = 0; gateway < 2; gateway++) {
        struct world *world = ppk_world(230 + gateway);
        world->a.ppk_fails = gateway == 0;
        world->b.ppk_fails = gateway == 1;
        assert_int_equal(login(world), gateway == 0 ? IKE_NO_PPK : IKE_TIMEOUT);
        expect_nothing(world);
    }
}

/* Each message is lost once. */
static void repeated(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < 10; lost++) {
        struct world *world = ppk_world(210 + lost);
        if (lost >= 4)
            by(world, IKE_AUTH_EAP, IKE_AUTH_PUBKEY);
        scenario_watch(world);
        scenario_lose(world, lost);
        scenario_login(world);
        expect_session(world, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exchange),
        cmocka_unit_test(keys_of_clones),
        cmocka_unit_test(mixed_keys),
        cmocka_unit_test(every_login),
        cmocka_unit_test(eap_exchange),
        cmocka_unit_test(several_rounds),
        cmocka_unit_test(combined_login),
        cmocka_unit_test(who_has_it),
        cmocka_unit_test(ppk_ids),
        cmocka_unit_test(a_pattern_names_no_ppk),
        cmocka_unit_test(twins_of_ppk_identity),
        cmocka_unit_test(twins_of_no_ppk_auth),
        cmocka_unit_test(twins_of_the_response),
        cmocka_unit_test(content_of_the_response),
        cmocka_unit_test(c14_use_ppk),
        cmocka_unit_test(response_without_use_ppk),
        cmocka_unit_test(keyholder_that_fails),
        cmocka_unit_test(repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
