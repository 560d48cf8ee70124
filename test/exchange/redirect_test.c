/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 5685: a Gateway sends an End User to another one. */
#include <stdio.h>

#include "exchange/party.h"
#include "exchange/scenario.h"
#include "ike/terms/gateway.h"

static struct ike_gateway other(void)
{
    struct ike_gateway gateway;
    assert_true(gateway_parse("198.51.100.77", &gateway));
    return gateway;
}

static const struct ike_event *told(const struct peer *peer)
{
    for (size_t i = 0; i < peer->n_events && i < WORLD_EVENTS; i++)
        if (peer->events[i].kind == IKE_EV_REDIRECT)
            return &peer->events[i];
    return NULL;
}

/* answered - the End User's race of paths is told that this one won. */
static bool answered(const struct peer *peer)
{
    for (size_t i = 0; i < peer->n_events && i < WORLD_EVENTS; i++)
        if (peer->events[i].kind == IKE_EV_EXCHANGE)
            return true;
    return false;
}

static struct world *world_of(bool follows)
{
    struct world *world = world_new(1);
    world->conn_a->follow_redirects = follows;
    return world;
}

static void expect_target(const struct world *world)
{
    struct ike_gateway gateway = other();
    assert_non_null(told(&world->a));
    assert_true(address_equal(&told(&world->a)->path.remote.address, &gateway.address));
}

/* Section 3: without the announcement the Gateway MUST NOT send a REDIRECT. */
static void in_the_first_response(void **state)
{
    (void)state;
    for (int follows = 0; follows < 2; follows++) {
        struct world *world = world_of(follows);
        *world->conn_b->redirect_to = other();
        scenario_watch(world);
        world_start(world);
        assert_int_equal(world_connect(world), follows ? IKE_REDIRECTED : IKE_OK);
        assert_int_equal(scenario_count(world, "N(REDIRECT)"), follows);
        assert_int_equal(world_n_sas(&world->b), !follows);
        assert_int_equal(answered(&world->a), !follows);
        if (follows)
            expect_target(world);
        else
            assert_null(told(&world->a));
        scenario_end(world);
    }
}

static struct ike_gateway by_name(void)
{
    struct ike_gateway gateway;
    assert_true(gateway_parse("gw-2.lab.example", &gateway));
    return gateway;
}

/* Section 9.2: the other Gateway may be named. The core hands the name on. */
static void to_a_name(void **state)
{
    (void)state;
    struct world *world = world_of(true);
    *world->conn_b->redirect_to = by_name();
    world_start(world);
    assert_int_equal(world_connect(world), IKE_REDIRECTED);
    assert_non_null(told(&world->a));
    assert_string_equal(told(&world->a)->notice, "gw-2.lab.example");
    assert_int_equal(told(&world->a)->path.remote.address.family, ADDRESS_NONE);
    scenario_end(world);
}

/* A REDIRECT whose nonce is not ours, or that does not come to an end, is as if it were not there. */
static unsigned spoiled;
static enum scenario_fate spoil(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    size_t at = message_find_notify(m, N_REDIRECT);
    if (to_b || at == m->n)
        return SCENARIO_PASS;
    uint8_t *octets = message_octets(m, at);
    switch (spoiled) {
    case 0: octets[4 + 2 + 4] ^= 1; break; /* the nonce */
    case 1: octets[4] = 9; break;          /* the kind of Gateway */
    case 2: octets[4 + 1] = 200; break;    /* its length */
    case 3: octets[4 + 2] = 127; break;    /* an address that is none outside of a host */
    case 4: octets[4 + 2] = 0; break;      /* of names: it begins with a NUL, ... */
    case 5: octets[4 + 5] = 0; break;      /* ... has one inside, ... */
    case 6: octets[4 + 5] = '\n'; break;
    case 7: octets[4 + 5] = 0xc3; break;
    case 8: octets[4 + 5] = '%'; break;
    case 9: octets[4 + 1] = 0; break;        /* ... is empty, ... */
    case 10: octets[4 + 1] = 255; break;     /* ... longer than its payload, ... */
    case 11: octets[4 + 1]--; break;         /* ... shorter, so that the nonce is not ours */
    default: octets[4 + 2 + 16] ^= 1; break; /* ... or with the nonce of somebody else */
    }
    return SCENARIO_CHANGED;
}

static void forged(void **state)
{
    (void)state;
    for (spoiled = 0; spoiled < 13; spoiled++) {
        struct world *world = world_of(true);
        *world->conn_b->redirect_to = spoiled < 4 ? other() : by_name();
        scenario_edit(world, spoil);
        world_start(world);
        assert_int_equal(world_connect(world), IKE_TIMEOUT); /* it waits for another response */
        assert_null(told(&world->a));
        scenario_end(world);
    }
}

/* Several connections with different targets: the peer is sent away once it is known. */
static void behind_the_proof(void **state)
{
    (void)state;
    struct world *world = world_of(true);
    struct ike_conn *second = ike_conn_new();
    assert_non_null(second);
    ike_conn_set(second, world->conn_b);
    (void)snprintf(second->name, sizeof(second->name), "second");
    (void)snprintf(second->remote[0].id_pattern, POLICY_TEXT, "nobody");
    *world->conn_b->redirect_to = other();
    scenario_watch(world);
    world_start(world);
    assert_int_equal(ike_conn_add(world->b.ike, second), 0);
    assert_int_equal(world_connect(world), IKE_REDIRECTED);
    assert_int_equal(scenario_count(world, "IKE_SA_INIT response: N(REDIRECT)"), 0);
    assert_int_equal(scenario_count(world, "IKE_AUTH response: IDr AUTH N(REDIRECT)"), 1);
    expect_target(world);
    world_run(world, NANOS_PER_SEC);
    assert_int_equal(world_n_sas(&world->a) + world_n_sas(&world->b), 0); /* its Delete came */
    assert_int_equal(world->b.n_leases, 0);
    ike_conn_unref(second);
    scenario_end(world);
}

/* --- several IKE_AUTH exchanges --- */

enum where { FIRST, BETWEEN, BEFORE_LAST };
static struct {
    enum where where;
    bool alone;   /* instead of the EAP packet, not beside it */
    bool spoiled; /* the Gateway's AUTH is not its own */
    unsigned seen;
} sending;

/* send_away - a REDIRECT comes into one of the responses in which an EAP packet goes on. */
static enum scenario_fate send_away(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    uint8_t octets[REDIRECT_DATA_MAX];
    struct ike_gateway to = other();
    size_t eap = message_find(m, WIRE_PAYLOAD_EAP);
    if (to_b || eap == m->n || sending.seen++ != (unsigned)sending.where)
        return SCENARIO_PASS;
    if (sending.alone)
        message_remove(m, eap);
    size_t auth = message_find(m, WIRE_PAYLOAD_AUTH);
    if (sending.spoiled)
        message_octets(m, auth)[message_body(m, auth).len - 1] ^= 1;
    message_append_notify(m, N_REDIRECT, redirect_write(&to, (struct span){0}, octets));
    return SCENARIO_CHANGED;
}

static struct world *eap_world(enum ike_auth_method gateway)
{
    struct world *world = world_of(true);
    world->conn_a->local[0].method = world->conn_b->remote[0].method = IKE_AUTH_EAP;
    world->conn_a->remote[0].method = world->conn_b->local[0].method = gateway;
    return world;
}

static void expect_login(struct world *world, enum where where, enum ike_outcome outcome)
{
    sending.where = where;
    sending.seen = 0;
    scenario_edit(world, send_away);
    world_start(world);
    assert_int_equal(world_connect(world), outcome);
    if (outcome == IKE_REDIRECTED)
        expect_target(world);
    else
        assert_null(told(&world->a));
    assert_int_equal(scenario_count(world, "INFORMATIONAL") > 0, outcome == IKE_PEER_AUTH_FAILED);
}

/* Section 6: a REDIRECT in the first response of several counts, behind the proof of the Gateway. */
static void in_the_first_of_several(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        sending.alone = i & 1;
        sending.spoiled = i & 2;
        struct world *world = eap_world(i & 4 ? IKE_AUTH_PSK : IKE_AUTH_PUBKEY);
        expect_login(world, FIRST, sending.spoiled ? IKE_PEER_AUTH_FAILED : IKE_REDIRECTED);
        world_run(world, 4 * 60 * NANOS_PER_SEC); /* the Gateway waits for a person (A27) */
        assert_int_equal(world_n_sas(&world->a) + world_n_sas(&world->b), 0);
        assert_int_equal(world->a.counts[IKE_EV_SESSION_UP], 0);
        scenario_edit(world, NULL);
        world_free(world);
    }
    sending.spoiled = false;
}

/* It MUST NOT be accepted in an intermediate response, without a proof of the Gateway (RFC 5998), or
 * where redirects are not followed. */
static void in_a_response_that_does_not_count(void **state)
{
    (void)state;
    sending.alone = false;
    for (enum where where = BETWEEN; where <= BEFORE_LAST; where++) {
        struct world *world = eap_world(IKE_AUTH_PUBKEY);
        expect_login(world, where, IKE_OK);
        scenario_end(world);
    }
    struct world *world = eap_world(IKE_AUTH_EAP);
    expect_login(world, FIRST, IKE_OK);
    scenario_end(world);
    world = eap_world(IKE_AUTH_PUBKEY);
    world->conn_a->follow_redirects = false;
    expect_login(world, FIRST, IKE_OK);
    scenario_end(world);
}

/* away_behind_auth - a REDIRECT comes into the nth response with AUTH. */
static enum scenario_fate away_behind_auth(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    uint8_t octets[REDIRECT_DATA_MAX];
    struct ike_gateway to = other();
    if (to_b || message_find(m, WIRE_PAYLOAD_AUTH) == m->n ||
        sending.seen++ != (unsigned)sending.where)
        return SCENARIO_PASS;
    message_append_notify(m, N_REDIRECT, redirect_write(&to, (struct span){0}, octets));
    return SCENARIO_CHANGED;
}

/* RFC 4739: of the Gateway's proofs, the one in the first response alone lets it send us away before
 * the end. */
static void in_several_rounds(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct world *world = world_of(true);
        party_rounds(world->conn_a, world->conn_b);
        sending.where = (enum where)i;
        sending.seen = 0;
        scenario_edit(world, away_behind_auth);
        world_start(world);
        assert_int_equal(world_connect(world), i == 0 ? IKE_REDIRECTED : IKE_OK);
        assert_int_equal(told(&world->a) != NULL, i == 0);
        scenario_edit(world, NULL);
        world_free(world);
    }
}

/* Of several responses, the Gateway has a REDIRECT in the last one: both are proven then. */
static void the_gateway_waits_for_the_last(void **state)
{
    (void)state;
    for (int several = 0; several < 2; several++) {
        struct world *world = eap_world(IKE_AUTH_PUBKEY);
        struct ike_conn *second = ike_conn_new();
        assert_non_null(second);
        if (several)
            party_rounds(world->conn_a, world->conn_b);
        ike_conn_set(second, world->conn_b); /* the first response of all cannot redirect */
        (void)snprintf(second->name, sizeof(second->name), "second");
        (void)snprintf(second->remote[0].id_pattern, POLICY_TEXT, "nobody");
        *world->conn_b->redirect_to = other();
        scenario_watch(world);
        world_start(world);
        assert_int_equal(ike_conn_add(world->b.ike, second), 0);
        assert_int_equal(world_connect(world), IKE_REDIRECTED);
        assert_int_equal(scenario_count(world, "N(REDIRECT)"), 1);
        assert_int_equal(scenario_count(world, "AUTH N(REDIRECT)"), 1);
        assert_int_equal(scenario_count(world, "INFORMATIONAL request: D"), 1);
        expect_target(world);
        assert_int_equal(world->b.counts[IKE_EV_EAP], 3);
        ike_conn_unref(second);
        scenario_end(world);
    }
}

static int redirect(struct peer *peer, ike_session_id session)
{
    return ike_command(
        peer->ike,
        &(struct ike_command){.kind = IKE_CMD_REDIRECT, .session = session, .gateway = other()},
        peer->world->now);
}

static void of_a_session(void **state)
{
    (void)state;
    for (int follows = 0; follows < 2; follows++) {
        struct world *world = world_of(follows);
        scenario_login(world);
        struct ike_sa_info sa;
        assert_true(ike_sa_get(world->b.ike, world_sa(&world->b, 0), &sa));
        assert_int_equal(redirect(&world->b, sa.session), follows ? 0 : ERR_WRONG_STATE);
        assert_int_equal(redirect(&world->b, 99), ERR_NOT_FOUND);
        /* section 10: only the responder of the login redirects */
        assert_true(ike_sa_get(world->a.ike, world_sa(&world->a, 0), &sa));
        assert_int_equal(redirect(&world->a, sa.session), ERR_WRONG_STATE);
        world_drain(world);
        world_run(world, NANOS_PER_SEC);
        assert_int_equal(told(&world->a) != NULL, follows);
        if (follows) {
            expect_target(world);
            assert_int_equal(told(&world->a)->tag, 0);
        }
        assert_int_equal(world_n_sas(&world->a), 1); /* where it goes is not the core's to say */
        scenario_end(world);
    }
}

static void data(void **state)
{
    (void)state;
    static const char *const texts[] = {"192.0.2.1", "2001:db8::7", "gw-1.example.org"};
    uint8_t octets[REDIRECT_DATA_MAX];
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct ike_gateway gateway, got;
        struct span nonce;
        char text[ADDRESS_TEXT_MAX];
        assert_true(gateway_parse(texts[i], &gateway));
        struct span written = redirect_write(&gateway, span_text("0123456789abcdef"), octets);
        assert_true(redirect_read(written, &got, &nonce));
        assert_string_equal(gateway_print(&got, text), texts[i]);
        assert_int_equal(nonce.len, 16);
        for (size_t cut = 0; cut + 16 < written.len; cut++)
            assert_false(redirect_read(span_of(octets, cut), &got, &nonce));
    }
    struct ike_gateway gateway;
    static const char *const bad[] = {"", "a b", "x/y", "1.2.3.4/24", "a\n", "a%b"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(gateway_parse(bad[i], &gateway));
    char name[256];
    memset(name, 'a', sizeof(name));
    for (size_t len = 252; len < sizeof(name); len++) {
        uint8_t notify[2 + sizeof(name)] = {3, (uint8_t)len};
        struct span nonce;
        memcpy(notify + 2, name, len);
        name[len] = '\0';
        assert_int_equal(gateway_parse(name, &gateway), len < 254); /* RFC 1035 section 2.3.4 */
        assert_int_equal(redirect_read(span_of(notify, 2 + len), &gateway, &nonce), len < 254);
        name[len] = 'a';
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_the_first_response),
        cmocka_unit_test(to_a_name),
        cmocka_unit_test(forged),
        cmocka_unit_test(behind_the_proof),
        cmocka_unit_test(in_the_first_of_several),
        cmocka_unit_test(in_a_response_that_does_not_count),
        cmocka_unit_test(in_several_rounds),
        cmocka_unit_test(the_gateway_waits_for_the_last),
        cmocka_unit_test(of_a_session),
        cmocka_unit_test(data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
