/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's second opinion on logins (daemon/engine/proofs.h). All other tests here use it too: world_free asserts
 * that each of their sessions was proven. */
#include "daemon/engine/proofs.h"

#include "exchange/party.h"
#include "exchange/scenario.h"
#include "exchange/world.h"
#include "ike/terms/identity.h"
#include "wire/iana.h"

/* The core believes a wrong AUTH, as by an error in the order of its steps. */
static void believes_a_wrong_secret(void **state)
{
    (void)state;
    struct world *world = world_new(9);
    struct peer *victims[] = {&world->b, &world->a};
    world->a.psk = "another one";
    world->a.believes = world->b.believes = true;
    world_start(world);
    for (size_t i = 0; i < ARRAY_LEN(victims); i++) {
        assert_int_equal(world_connect(world), i == 0 ? IKE_AUTH_FAILED : IKE_PEER_AUTH_FAILED);
        assert_int_equal(victims[i]->unproven, 1);
        assert_int_equal(victims[i]->counts[IKE_EV_SESSION_UP], 0);
        world->b.admits = true; /* the next victim is the End User */
    }
    assert_int_equal(world->a.counts[IKE_EV_CHILD_INSTALL], 0);
    world_free(world);
}

/* A core that does not wait for the admission has a session, which the daemon ends. */
static void not_admitted(void **state)
{
    (void)state;
    struct world *world = world_new(9);
    world->a.psk = "another one";
    world->a.believes = world->b.believes = world->a.admits = world->b.admits = true;
    world_start(world);
    assert_int_equal(world_connect(world), IKE_OK);
    assert_int_equal(world->a.counts[IKE_EV_SESSION_UP], 1);
    assert_int_equal(world->b.counts[IKE_EV_SESSION_UP], 1);
    assert_int_equal(world->a.unproven, 1);
    assert_int_equal(world->b.unproven, 1);
    world_free(world);
}

/* no_last_response - no IKE_AUTH response is longer than the refusal. */
static bool no_last_response(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    bool auth_response = d->octets[18] == WIRE_IKE_AUTH && (d->octets[19] & 0x20) != 0;
    assert_true(to_b || !auth_response || d->len < 100);
    return true;
}

/* Before the admission the Gateway gives no lease, and ends no session of the same identity: INITIAL_CONTACT and
 * `unique` count only then. */
static void nothing_before_the_admission(void **state)
{
    (void)state;
    struct world *world = world_new(9);
    struct ike_stats stats;
    world_start(world);
    assert_int_equal(world_connect(world), IKE_OK);
    assert_int_equal(world->b.counts[IKE_EV_LEASE], 1);
    world_restart(&world->a, (struct ike_options){0});
    assert_int_equal(ike_conn_add(world->a.ike, world->conn_a), 0);
    world->a.psk = "a guess";
    world->b.believes = true;
    world->hook = no_last_response;
    assert_int_equal(world_connect(world), IKE_AUTH_FAILED);
    assert_int_equal(world->b.unproven, 1);
    assert_int_equal(world->b.counts[IKE_EV_LEASE], 1);
    assert_int_equal(world->b.counts[IKE_EV_SESSION_DOWN], 0);
    ike_stats_get(world->b.ike, &stats);
    assert_int_equal(stats.sessions, 1);
    assert_int_equal(stats.established, 1);
    world_free(world);
}

/* struct story - a question about the peer of the only session, and its answer. */
struct story {
    enum ike_auth_method method; /* AUTH_VERIFY */
    uint8_t round;
    bool other_id, other_sa;
    int error;
    bool by_eap, goes_on; /* EAP instead; its conversation goes on */
    const char *eap_id;
};

/* judge - whether the session of `peer` is proven by that story alone. */
static bool judge(const struct peer *peer, const struct story *story)
{
    struct ike_session_info session;
    struct proofs *proofs = proofs_new();
    struct ike_event asked = {.kind = story->by_eap ? IKE_EV_EAP : IKE_EV_AUTH_VERIFY, .job = 7};
    struct ike_event up = {.kind = IKE_EV_ADMIT, .sa = world_sa((struct peer *)peer, 0)};
    struct ike_result result = {.error = story->error};
    assert_non_null(proofs);
    assert_true(ike_session_next(peer->ike, 0, &session));
    up.session = session.id;
    asked.sa = up.sa + story->other_sa;
    struct ike_id id = session.claimed_id;
    id.data[0] ^= story->other_id;
    if (story->by_eap)
        asked.eap =
            (struct ike_eap_job){.authenticator = true, .round = story->round, .remote_id = id};
    else
        asked.auth =
            (struct ike_auth_job){.method = story->method, .round = story->round, .remote_id = id};
    result.eap_state = story->goes_on ? IKE_EAP_GOES_ON : IKE_EAP_SUCCESS;
    if (story->eap_id != NULL)
        strcpy(result.proof.identity, story->eap_id);
    assert_int_equal(proofs_ask(proofs, peer->ike, &asked), 0);
    proofs_answer(proofs, 7, &result);
    proofs_answer(proofs, 7, &result); /* without a question */
    bool proven = proofs_admit(proofs, peer->ike, &up);
    assert_int_equal(proofs_take(proofs, peer->ike, &up), proven);
    assert_false(proofs_take(proofs, peer->ike, &up)); /* an admission counts once */
    proofs_free(proofs);
    return proven;
}

static void one_round(void **state)
{
    static const struct {
        struct story story;
        bool proven;
    } rows[] = {
        {{.method = IKE_AUTH_PSK}, true},
        {{.method = IKE_AUTH_PSK, .error = ERR_AUTH}, false},
        {{.method = IKE_AUTH_PSK, .other_id = true}, false},
        {{.method = IKE_AUTH_PSK, .other_sa = true}, false},
        {{.method = IKE_AUTH_PSK, .round = 1}, false},
        {{.method = IKE_AUTH_PSK, .round = UINT8_MAX}, false},
        {{.method = IKE_AUTH_PUBKEY}, false},
        {{.by_eap = true}, false},
    };
    (void)state;
    struct world *world = world_new(3);
    world_start(world);
    assert_int_equal(world_connect(world), IKE_OK);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(judge(&world->a, &rows[i].story), rows[i].proven);
        assert_int_equal(judge(&world->b, &rows[i].story), rows[i].proven);
    }
    world_free(world);
}

/* The Gateway's connection demands EAP. Its session has the identity of the ID payload. */
static void by_eap(void **state)
{
    const struct story rows[] = {
        {.by_eap = true},
        {.by_eap = true, .goes_on = true},
        {.by_eap = true, .error = ERR_AUTH},
        {.by_eap = true, .eap_id = "somebody"},
        {.by_eap = true, .other_id = true},
        {.method = IKE_AUTH_PSK},
    };
    (void)state;
    struct world *world = world_new(3);
    world_start(world);
    assert_int_equal(world_connect(world), IKE_OK);
    world->conn_b->remote[0].method = IKE_AUTH_EAP;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(judge(&world->b, &rows[i]), i == 0);
    world_free(world);
}

/* The answer to a question of an attempt that has ended proves nothing to the next one, which has its number. */
static void answer_of_an_earlier_attempt(void **state)
{
    (void)state;
    struct world *world = world_new(3), *earlier = world_new(4);
    struct ike_session_info session;
    world_start(world);
    world_start(earlier);
    assert_int_equal(world_connect(world), IKE_OK);
    assert_int_equal(world_connect(earlier), IKE_OK);
    struct ike_event up = {.kind = IKE_EV_ADMIT, .sa = world_sa(&world->b, 0)};
    struct ike_event asked = {.kind = IKE_EV_AUTH_VERIFY, .job = 7, .sa = up.sa};
    const struct ike_result right = {.error = 0};
    assert_int_equal(world_sa(&earlier->b, 0), up.sa);
    assert_true(ike_session_next(world->b.ike, 0, &session));
    up.session = session.id;
    asked.auth = (struct ike_auth_job){.method = IKE_AUTH_PSK, .remote_id = session.claimed_id};
    for (int late = 0; late < 2; late++) {
        struct proofs *proofs = proofs_new();
        assert_int_equal(proofs_ask(proofs, earlier->b.ike, &asked), 0);
        if (!late)
            proofs_answer(proofs, 7, &right);
        asked.job = 8;
        assert_int_equal(proofs_ask(proofs, world->b.ike, &asked), 0);
        asked.job = 7;
        if (late)
            proofs_answer(proofs, 7, &right);
        assert_false(proofs_admit(proofs, world->b.ike, &up));
        proofs_free(proofs);
    }
    world_free(world);
    world_free(earlier);
}

/* Logins that fail leave nothing behind for long. */
static void failed_logins(void **state)
{
    (void)state;
    struct world *world = world_new(9);
    world->a.psk = "a guess";
    world_start(world);
    for (int i = 0; i < 700; i++) {
        assert_int_not_equal(world_connect(world), IKE_OK);
        world_run(world, 60 * NANOS_PER_SEC);
        assert_in_range(proofs_kept(world->b.proofs), 0, 260);
    }
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(believes_a_wrong_secret),
        cmocka_unit_test(not_admitted),
        cmocka_unit_test(nothing_before_the_admission),
        cmocka_unit_test(one_round),
        cmocka_unit_test(by_eap),
        cmocka_unit_test(answer_of_an_earlier_attempt),
        cmocka_unit_test(failed_logins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
