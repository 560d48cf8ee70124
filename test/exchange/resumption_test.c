/* SPDX-License-Identifier: Apache-2.0 */
/* Logins by session tickets (RFC 5723): a Gateway that has lost all gets its people back. */
#include "exchange/ticket_world.h"
#include "ike/terms/identity.h"
#include "ike/terms/proposal.h"

/* Figures 2 to 5: no key exchange, no EAP, no signature; the same identities, and the next ticket. */
static void the_exchange(void **state)
{
    (void)state;
    struct world *world = ticket_world(1);
    scenario_watch(world);
    scenario_login(world);
    assert_int_equal(scenario_count(world, "N(TICKET_REQUEST)"), 1);
    assert_int_equal(scenario_count(world, "N(TICKET_LT_OPAQUE)"), 1);
    crash(world);
    unsigned ke = world->a.counts[IKE_EV_KE], signs = world->b.counts[IKE_EV_AUTH_SIGN];
    scenario_watch(world);
    expect_by_ticket(world);
    EXPECT_MESSAGES(
        world,
        "#2 a:500 -> b:500 IKE_SESSION_RESUME request: NONCE N(TICKET_OPAQUE) "
        "N(NAT_DETECTION_SOURCE_IP) N(NAT_DETECTION_DESTINATION_IP) "
        "N(IKEV2_FRAGMENTATION_SUPPORTED) V",
        "#2 b:500 -> a:500 IKE_SESSION_RESUME response: NONCE N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP) N(IKEV2_FRAGMENTATION_SUPPORTED) "
        "N(CHILDLESS_IKEV2_SUPPORTED) V",
        "#2 a -> b IKE_AUTH request: IDi N(INITIAL_CONTACT) IDr AUTH CP(REQUEST) SA(ESP) TSi TSr "
        "N(MOBIKE_SUPPORTED) N(CLONE_IKE_SA_SUPPORTED) N(TICKET_REQUEST)",
        "#2 b -> a IKE_AUTH response: IDr AUTH CP(REPLY) N(TICKET_LT_OPAQUE) SA(ESP) TSi TSr "
        "N(MOBIKE_SUPPORTED) N(CLONE_IKE_SA_SUPPORTED)");
    assert_int_equal(world->a.counts[IKE_EV_KE], ke);
    assert_int_equal(world->b.counts[IKE_EV_AUTH_SIGN], signs);
    assert_string_equal(scenario_session(&world->b).eap_identity, "anna");
    scenario_clone(&world->a, world_sa(&world->a, 0)); /* and all paths come back */
    crash(world);
    expect_by_ticket(world); /* with the ticket that the resumption brought */
    scenario_end(world);
}

/* Each message is lost once. */
static void repeated(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < 4; lost++) {
        struct world *world = crashed(10 + lost);
        scenario_watch(world);
        scenario_lose(world, lost);
        expect_by_ticket(world);
        scenario_end(world);
    }
}

static void pre_shared_key(void **state)
{
    (void)state;
    struct world *world = ticket_world(20);
    world->conn_a->local[0].method = world->conn_b->remote[0].method = IKE_AUTH_PSK;
    world->conn_a->remote[0].method = world->conn_b->local[0].method = IKE_AUTH_PSK;
    scenario_login(world);
    crash(world);
    unsigned verified = world->b.counts[IKE_EV_AUTH_VERIFY];
    expect_by_ticket(world);
    assert_int_equal(world->b.counts[IKE_EV_AUTH_VERIFY], verified);
    scenario_end(world);
}

/* RFC 5998 section 3: a login by EAP alone resumes without EAP, and N(EAP_ONLY_AUTHENTICATION) MUST NOT be sent. */
static void eap_alone(void **state)
{
    (void)state;
    struct world *world = ticket_world(22);
    world->conn_a->remote[0].method = world->conn_b->local[0].method = IKE_AUTH_EAP;
    scenario_watch(world);
    scenario_login(world);
    assert_int_equal(scenario_count(world, "N(EAP_ONLY_AUTHENTICATION)"), 1);
    crash(world);
    scenario_watch(world);
    expect_by_ticket(world);
    assert_int_equal(scenario_count(world, "IKE_SESSION_RESUME request"), 1);
    assert_int_equal(scenario_count(world, "N(EAP_ONLY_AUTHENTICATION)"), 0);
    assert_string_equal(scenario_session(&world->b).eap_identity, "anna");
    scenario_end(world);
}

/* Whom a certificate proves gets no ticket: nobody could check it for revocation again. */
static void certificate(void **state)
{
    (void)state;
    struct world *world = ticket_world(21);
    world->conn_a->local[0].method = world->conn_b->remote[0].method = IKE_AUTH_PUBKEY;
    scenario_watch(world);
    scenario_login(world);
    assert_int_equal(scenario_count(world, "N(TICKET_NACK)"), 1);
    crash(world);
    assert_int_equal(world_connect(world), IKE_OK);
    assert_int_equal(scenario_count(world, "IKE_SESSION_RESUME"), 0);
    scenario_end(world);
}

/* The same with EAP-TLS. Only the End User can have its certificate watched from session to session. */
static void certificate_in_eap(void **state)
{
    (void)state;
    struct world *world = ticket_world(24);
    world->b.chain = 7;
    scenario_watch(world);
    scenario_login(world);
    assert_int_equal(scenario_count(world, "N(TICKET_NACK)"), 1);
    crash(world);
    expect_full(world);
    scenario_end(world);
}

/* The Gateway's certificates go from session to session with the tickets, and end with the last. */
static void chains_go_on(void **state)
{
    (void)state;
    struct world *world = ticket_world(25);
    const struct ike_chains *chains;
    world->a.chain = 7;
    scenario_login(world);
    for (unsigned i = 0; i < 2; i++) {
        ike_session_id old = scenario_session(&world->a).id;
        uint8_t n = ike_session_chains(world->a.ike, old)->n;
        crash(world);
        assert_int_equal(world->a.counts[IKE_EV_CHAINS_END], i); /* the ticket has them */
        expect_by_ticket(world);
        assert_int_equal(world->a.counts[IKE_EV_CHAINS_END], i + 1);
        chains = ike_session_chains(world->a.ike, scenario_session(&world->a).id);
        assert_int_equal(chains->from, old);
        assert_int_equal(chains->n, n);
        assert_int_equal(chains->of[0], 7);
    }
    crash(world);
    world->b.tickets.refuse = true;
    expect_full(world);
    chains = ike_session_chains(world->a.ike, scenario_session(&world->a).id);
    assert_int_equal(chains->from, 0); /* of this login */
    assert_int_equal(world->a.counts[IKE_EV_CHAINS_END], 3);
    scenario_end(world);
}

/* A Gateway that only would ask for tickets gives none; an End User without tickets asks for none. */
static void switched_off(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct world *world = ticket_world(22 + i);
        if (i == 0)
            world->conn_b->session_tickets = IKE_TICKETS_ASK;
        else
            world->conn_a->session_tickets = IKE_TICKETS_NO;
        scenario_watch(world);
        scenario_login(world);
        assert_int_equal(scenario_count(world, "N(TICKET_NACK)"), i == 0);
        assert_int_equal(scenario_count(world, "N(TICKET_LT_OPAQUE)"), 0);
        crash(world);
        expect_full(world);
        scenario_end(world);
    }
}

static enum scenario_fate add_request(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (!to_b ||
        (m->header.exchange != WIRE_INFORMATIONAL && m->header.exchange != WIRE_CREATE_CHILD_SA))
        return SCENARIO_PASS;
    message_append_notify(m, N_TICKET_REQUEST, (struct span){0});
    return SCENARIO_CHANGED;
}

/* Section 4.1: who asks later, or in a rekey of the IKE SA, hears that there is no ticket. */
static void asked_later(void **state)
{
    (void)state;
    struct world *world = ticket_world(26);
    scenario_login(world);
    scenario_watch(world);
    scenario_edit(world, add_request);
    ike_sa_id sa = world_sa(&world->a, 0);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, sa), IKE_OK);
    assert_int_equal(scenario_count(world, "INFORMATIONAL response: N(TICKET_NACK)"), 1);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_REKEY_IKE, sa), IKE_OK);
    assert_int_equal(
        scenario_count(world, "CREATE_CHILD_SA response: SA(IKE) NONCE KE N(TICKET_NACK)"), 1);
    scenario_end(world);
}

/* --- the Gateway refuses --- */

/* TICKET_NACK: after the time in which the Gateway could contradict, a full login follows. */
static void refused(void **state)
{
    (void)state;
    struct world *world = crashed(30);
    world->b.tickets.refuse = true;
    scenario_watch(world);
    nanos before = world->now;
    expect_full(world);
    assert_in_range(world->now - before, SECONDS(2), SECONDS(4));
    assert_true(scenario_count(world, "IKE_SESSION_RESUME response: N(TICKET_NACK)") > 0);
    scenario_end(world);
}

/* What the connection says now counts: the ticket widens nothing. */
static void policy_of_today(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct world *world = ticket_world(40 + i);
        char error[PROPOSAL_TEXT_MAX];
        scenario_login(world);
        struct ike_conn *conn = world->conn_b;
        switch (i) {
        case 0: strcpy(conn->remote[0].id_pattern, "bob.user.example"); break;
        case 1: conn->session_tickets = IKE_TICKETS_NO; break;
        case 2:
            conn->proposals.n = 1;
            assert_int_equal(proposal_parse(WIRE_PROTO_IKE, "aes128-sha256-modp2048",
                                            &conn->proposals.proposals[0], error),
                             0);
            break;
        case 3: conn->ppk_required = true; break;
        case 4: assert_int_equal(identity_parse("other.example", &conn->local[0].id), 0); break;
        case 5: strcpy(conn->remote[0].eap_id, "bob"); break;
        case 6:
            conn->remote[1] = conn->remote[0];
            conn->n_remote_rounds = 2;
            break;
        default: conn->remote[0].method = IKE_AUTH_PUBKEY; break;
        }
        crash(world);
        scenario_watch(world);
        (void)world_connect(world);
        assert_true(scenario_count(world, "IKE_SESSION_RESUME response: N(TICKET_NACK)") > 0);
        assert_int_equal(world->b.counts[IKE_EV_TICKET_USE], 0);
        world_free(world);
    }
}

/* Section 4.3.1: a ticket that has expired is not presented; one of a session that was ended by a
 * word is deleted (section 6.2), at both ends. */
static void not_presented(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct world *world = ticket_world(50 + i);
        world->b.tickets.lifetime_ns = i == 0 ? SECONDS(10) : 0;
        scenario_login(world);
        if (i > 0) {
            struct peer *who = i == 1 ? &world->a : &world->b;
            struct ike_command end = {.kind = IKE_CMD_DELETE_SESSION,
                                      .session = scenario_session(who).id};
            assert_int_equal(world_command(who, end), IKE_OK);
            assert_true(world->b.tickets.tickets[0].over);
        } else {
            crash(world);
        }
        scenario_watch(world);
        expect_full(world);
        assert_int_equal(scenario_count(world, "IKE_SESSION_RESUME"), 0);
        scenario_end(world);
    }
}

/* The old IKE SA is still there: it ends silently, and its tickets go on with the new session. */
static void session_still_there(void **state)
{
    (void)state;
    struct world *world = ticket_world(60);
    ike_session_id old = still_there(world);
    scenario_watch(world);
    expect_by_ticket(world);
    world_run(world, SECONDS(20));
    assert_int_not_equal(scenario_session(&world->b).id, old);
    assert_int_equal(world_n_sas(&world->b), 1);
    assert_int_equal(scenario_count(world, "b -> a INFORMATIONAL request"), 0);
    assert_int_equal(world->b.counts[IKE_EV_TICKET_END], 0);
    crash(world);
    expect_by_ticket(world);
    scenario_end(world);
}

/* The authentication holds as long as it did: resuming does not begin it anew. */
static void lifetime_goes_on(void **state)
{
    (void)state;
    struct world *world = ticket_world(62);
    world->b.eap.valid_ns = SECONDS(1000);
    scenario_login(world);
    nanos end = scenario_session(&world->b).auth_deadline_ns;
    assert_int_not_equal(end, NANOS_NEVER);
    crash(world);
    expect_by_ticket(world);
    assert_in_range(scenario_session(&world->b).auth_deadline_ns, end - SECONDS(1), end);
    scenario_end(world);
}

/* --- hostile twins --- */

static enum scenario_fate edit_ticket(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    size_t at = message_find_notify(m, N_TICKET_OPAQUE);
    if (!to_b || at == m->n)
        return SCENARIO_PASS;
    message_octets(m, at)[10] ^= 1;
    return SCENARIO_CHANGED;
}

static enum scenario_fate edit_auth(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    size_t at = message_find(m, WIRE_PAYLOAD_AUTH);
    if (!to_b || at == m->n || scenario_count(world, "IKE_SESSION_RESUME") > 2)
        return SCENARIO_PASS;
    message_octets(m, at)[8] ^= 1;
    return SCENARIO_CHANGED;
}

static enum scenario_fate edit_idi(struct world *world, bool to_b, struct message *m)
{
    size_t at = message_find(m, WIRE_PAYLOAD_IDi);
    (void)world;
    if (!to_b || at == m->n || message_find(m, WIRE_PAYLOAD_AUTH) == m->n)
        return SCENARIO_PASS;
    message_octets(m, at)[4] ^= 1;
    return SCENARIO_CHANGED;
}

static enum scenario_fate edit_answer(struct world *world, bool to_b, struct message *m)
{
    size_t at = message_find(m, WIRE_PAYLOAD_AUTH);
    (void)world;
    if (to_b || at == m->n || message_find(m, WIRE_PAYLOAD_CERT) != m->n ||
        message_find(m, WIRE_PAYLOAD_IDr) == m->n)
        return SCENARIO_PASS;
    message_octets(m, at)[8] ^= 1;
    return SCENARIO_CHANGED;
}

/* A forged ticket, AUTH or identity: no session comes of it, and the End User logs in fully. */
static void forged(void **state)
{
    (void)state;
    const scenario_editor edits[] = {edit_ticket, edit_auth, edit_idi, edit_answer};
    for (unsigned i = 0; i < 4; i++) {
        struct world *world = crashed(70 + i);
        scenario_watch(world);
        scenario_edit(world, edits[i]);
        unsigned before = world->b.counts[IKE_EV_EAP];
        uint64_t tag = world_post(
            &world->a,
            (struct ike_command){.kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0)});
        for (int n = 0; n < 60 && world->b.counts[IKE_EV_EAP] == before; n++)
            world_run(world, NANOS_PER_SEC);
        assert_true(world->b.counts[IKE_EV_EAP] > before);
        if (i != 3)
            assert_int_equal(world->b.counts[IKE_EV_TICKET_USE], 0);
        (void)tag;
        world_free(world);
    }
}

/* A ticket that was used is presented again, by somebody who saw it. */
static struct ike_datagram seen;
static bool record(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    if (to_b && d->octets[18] == WIRE_IKE_SESSION_RESUME && seen.len == 0)
        seen = *d;
    return true;
}

static void replayed(void **state)
{
    (void)state;
    struct world *world = crashed(80);
    seen.len = 0;
    world->hook = record;
    expect_by_ticket(world);
    scenario_watch(world);
    struct ike_path path = {.local = seen.path.remote, .remote = seen.path.local};
    path.remote.port = 5000;
    world_deliver_raw(world, true, &path, span_of(seen.octets, seen.len));
    world_run(world, SECONDS(1));
    assert_int_equal(scenario_count(world, "N(TICKET_NACK)"), 1);
    assert_int_equal(world_n_sas(&world->b), 1);
    scenario_end(world);
}

static bool record_and_drop(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)record(world, to_b, d);
    return false;
}

/* Somebody saw a ticket that was not used, and sends it from many addresses: the half-open IKE SAs
 * make room for others, and the ticket still counts. */
static void seen_by_others(void **state)
{
    (void)state;
    struct world *world = crashed(81);
    world_restart(&world->b, (struct ike_options){.max_half_open = 4, .ke_jobs = true});
    assert_int_equal(ike_conn_add(world->b.ike, world->conn_b), 0);
    ike_serve(world->b.ike);
    seen.len = 0;
    world->hook = record_and_drop;
    struct ike_command connect = {.kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0)};
    uint64_t tag = world_post(&world->a, connect);
    world_run(world, SECONDS(1) / 2);
    struct ike_command cancel = {.kind = IKE_CMD_CANCEL, .tag = tag};
    assert_int_equal(ike_command(world->a.ike, &cancel, world->now), 0);
    world->hook = NULL;
    struct ike_path path = {.local = seen.path.remote, .remote = seen.path.local};
    for (uint8_t i = 0; i < 6; i++) {
        path.remote.address.octets[1] = (uint8_t)(100 + i);
        world_deliver_raw(world, true, &path, span_of(seen.octets, seen.len));
    }
    world_run(world, SECONDS(1) / 10);
    nanos before = world->now;
    expect_by_ticket(world);
    assert_true(world->now - before < SECONDS(1));
    world_free(world);
}

/* --- a Gateway that is silent --- */

static bool without_resume(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    return !to_b || d->octets[18] != WIRE_IKE_SESSION_RESUME;
}

/* It does not know the exchange: the ticket is tried twice, and then the login is a full one. */
static void silent(void **state)
{
    (void)state;
    struct world *world = crashed(90);
    world->hook = without_resume;
    nanos before = world->now;
    unsigned eap = world->b.counts[IKE_EV_EAP];
    uint64_t tag = world_post(
        &world->a,
        (struct ike_command){.kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0)});
    world_run(world, SECONDS(20));
    const struct ike_event *done = world_done(&world->a, tag);
    assert_non_null(done);
    assert_int_equal(done->outcome, IKE_OK);
    assert_int_equal(world->b.counts[IKE_EV_EAP], eap + 3);
    assert_true(world->now - before <= SECONDS(20));
    expect_resumed(world, false);
    world_run(world, SECONDS(60)); /* the half-open IKE SA of the first answer ends */
    scenario_end(world);
}

/* It was down when the login began, and comes back later: the ticket is still used. */
static void down_for_a_while(void **state)
{
    (void)state;
    struct world *world = crashed(91);
    world->hook = cut;
    unsigned eap = world->b.counts[IKE_EV_EAP];
    uint64_t tag = world_post(
        &world->a,
        (struct ike_command){.kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0)});
    world_run(world, SECONDS(40));
    world->hook = NULL;
    world_run(world, SECONDS(60));
    const struct ike_event *done = world_done(&world->a, tag);
    assert_non_null(done);
    assert_int_equal(done->outcome, IKE_OK);
    assert_int_equal(world->b.counts[IKE_EV_EAP], eap);
    expect_resumed(world, true);
    scenario_end(world);
}

static bool deaf(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    (void)d;
    return to_b;
}

/* Section 4.3.2: cookies, as IKE_SA_INIT has them. */
static void cookie(void **state)
{
    (void)state;
    struct world *world = crashed(92);
    world_restart(&world->b, (struct ike_options){.cookie_threshold = 1, .ke_jobs = true});
    assert_int_equal(ike_conn_add(world->b.ike, world->conn_b), 0);
    ike_serve(world->b.ike);
    world->hook = deaf;
    struct ike_command connect = {.kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(1)};
    uint64_t tag = world_post(&world->a, connect);
    world_run(world, SECONDS(1) / 2);
    struct ike_command cancel = {.kind = IKE_CMD_CANCEL, .tag = tag};
    assert_int_equal(ike_command(world->a.ike, &cancel, world->now), 0);
    world->hook = NULL;
    scenario_watch(world);
    expect_by_ticket(world);
    assert_int_equal(scenario_count(world, "IKE_SESSION_RESUME response: N(COOKIE)"), 1);
    assert_int_equal(scenario_count(world, "IKE_SESSION_RESUME request: N(COOKIE) NONCE"), 1);
    world_run(world, SECONDS(60));
    scenario_end(world);
}

/* Two logins by one ticket that cross: only one of them counts. */
static void used_twice_at_once(void **state)
{
    (void)state;
    struct world *world = crashed(93);
    struct ike_command connect = {.kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0)};
    (void)world_post(&world->a, connect);
    connect.path = world_path(1);
    (void)world_post(&world->a, connect);
    world_run(world, SECONDS(30));
    struct ike_session_info session = {0};
    unsigned n = 0;
    while (ike_session_next(world->b.ike, session.id, &session))
        n += session.resumed;
    assert_int_equal(n, 1);
    assert_int_equal(world->b.counts[IKE_EV_TICKET_USE], 2);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exchange),
        cmocka_unit_test(repeated),
        cmocka_unit_test(pre_shared_key),
        cmocka_unit_test(certificate),
        cmocka_unit_test(eap_alone),
        cmocka_unit_test(certificate_in_eap),
        cmocka_unit_test(chains_go_on),
        cmocka_unit_test(switched_off),
        cmocka_unit_test(asked_later),
        cmocka_unit_test(refused),
        cmocka_unit_test(policy_of_today),
        cmocka_unit_test(not_presented),
        cmocka_unit_test(session_still_there),
        cmocka_unit_test(lifetime_goes_on),
        cmocka_unit_test(forged),
        cmocka_unit_test(replayed),
        cmocka_unit_test(seen_by_others),
        cmocka_unit_test(silent),
        cmocka_unit_test(down_for_a_while),
        cmocka_unit_test(cookie),
        cmocka_unit_test(used_twice_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
