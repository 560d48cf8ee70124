/* SPDX-License-Identifier: Apache-2.0 */
/* Authentication rounds of both sides: certificates, methods, several rounds (RFC 4739), and the
 * clone that comes with such a login. */
#include "exchange/party.h"
#include "exchange/scenario.h"
#include "ike/terms/identity.h"

static struct ike_id id_of(const char *text)
{
    struct ike_id id;
    assert_int_equal(identity_parse(text, &id), 0);
    return id;
}

/* by - both sides authenticate each other so. */
static void by(struct world *world, enum ike_auth_method user, enum ike_auth_method gateway)
{
    world->conn_a->local[0].method = world->conn_b->remote[0].method = user;
    world->conn_a->remote[0].method = world->conn_b->local[0].method = gateway;
}

static struct world *pubkey_world(uint64_t seed)
{
    struct world *world = world_new(seed);
    by(world, IKE_AUTH_PUBKEY, IKE_AUTH_PUBKEY);
    return world;
}

/* add_user_round - a further round of the End User, known to both; add_gateway_round: of the Gateway.
 */
static void add_user_round(struct world *world, enum ike_auth_method method, const char *id)
{
    struct ike_auth_policy *own = &world->conn_a->local[world->conn_a->n_local_rounds++];
    struct ike_auth_policy *peer = &world->conn_b->remote[world->conn_b->n_remote_rounds++];
    own->method = peer->method = method;
    own->id = id_of(id);
    strcpy(peer->id_pattern, id);
}

static void add_gateway_round(struct world *world, enum ike_auth_method method, const char *id)
{
    struct ike_auth_policy *own = &world->conn_b->local[world->conn_b->n_local_rounds++];
    struct ike_auth_policy *peer = &world->conn_a->remote[world->conn_a->n_remote_rounds++];
    own->method = peer->method = method;
    own->id = id_of(id);
    strcpy(peer->id_pattern, id);
}

static enum ike_outcome login(struct world *world)
{
    world_start(world);
    return world_connect(world);
}

/* expect_nothing - the login left nothing behind on either side. */
static void expect_nothing(struct world *world, bool b_only)
{
    world_run(world, 60 * NANOS_PER_SEC);
    assert_int_equal(world_n_sas(&world->b), 0);
    assert_int_equal(world->b.counts[IKE_EV_SESSION_UP], 0);
    assert_int_equal(world->b.n_leases, 0);
    assert_int_equal(world->b.counts[IKE_EV_CHILD_INSTALL], 0);
    if (!b_only) {
        assert_int_equal(world_n_sas(&world->a), 0);
        assert_int_equal(world->a.counts[IKE_EV_SESSION_UP], 0);
    }
    world_free(world);
}

/* --- certificates --- */

static void certificates(void **state)
{
    (void)state;
    struct world *world = pubkey_world(1);
    scenario_watch(world);
    scenario_login(world);
    EXPECT_MESSAGES(
        world,
        "#1 a:500 -> b:500 IKE_SA_INIT request: SA(IKE) KE NONCE N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP) N(IKEV2_FRAGMENTATION_SUPPORTED) "
        "N(SIGNATURE_HASH_ALGORITHMS) V",
        "#1 b:500 -> a:500 IKE_SA_INIT response: SA(IKE) KE NONCE N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP) N(IKEV2_FRAGMENTATION_SUPPORTED) "
        "N(SIGNATURE_HASH_ALGORITHMS) CERTREQ N(SUPPORTED_AUTH_METHODS) "
        "N(CHILDLESS_IKEV2_SUPPORTED) V",
        "#1 a -> b IKE_AUTH request: IDi N(INITIAL_CONTACT) CERTREQ IDr CERT AUTH CP(REQUEST) "
        "SA(ESP) TSi TSr N(MOBIKE_SUPPORTED) N(CLONE_IKE_SA_SUPPORTED) N(SUPPORTED_AUTH_METHODS)",
        "#1 b -> a IKE_AUTH response: IDr CERT AUTH CP(REPLY) SA(ESP) TSi TSr N(MOBIKE_SUPPORTED) "
        "N(CLONE_IKE_SA_SUPPORTED)");
    scenario_clone(&world->a, world_sa(&world->a, 0));
    assert_int_equal(world->a.counts[IKE_EV_AUTH_SIGN], 1); /* the clone costs no signature */
    assert_int_equal(world->b.counts[IKE_EV_AUTH_VERIFY], 1);
    scenario_end(world);
}

static enum scenario_fate without_certreq(struct world *world, bool to_b, struct message *m)
{
    (void)world, (void)to_b;
    size_t i = message_find(m, WIRE_PAYLOAD_CERTREQ);
    if (i == m->n || m->header.exchange != WIRE_IKE_AUTH)
        return SCENARIO_PASS;
    message_remove(m, i);
    return SCENARIO_CHANGED;
}

/* send_cert = ifasked, never, always. */
static void certificates_as_asked(void **state)
{
    (void)state;
    struct world *world = pubkey_world(2);
    scenario_watch(world);
    scenario_edit(world, without_certreq);
    scenario_login(world);
    assert_int_equal(scenario_count(world, " CERT "), 1); /* the Gateway was not asked */
    scenario_end(world);

    world = pubkey_world(3);
    world->conn_b->send_cert = IKE_CERT_ALWAYS;
    world->conn_a->send_cert = IKE_CERT_NEVER;
    world->conn_a->no_certreq = true;
    scenario_watch(world);
    scenario_login(world);
    assert_int_equal(scenario_count(world, "IDr CERT AUTH"), 1);
    assert_int_equal(scenario_count(world, "IDi N(INITIAL_CONTACT) IDr AUTH"), 1);
    scenario_end(world);
}

/* RFC 7296 section 1.2: without an id the Gateway takes the identity that the initiator asks for. */
static void identity_that_is_asked_for(void **state)
{
    (void)state;
    struct world *world = pubkey_world(4);
    struct ike_id gateway = world->conn_b->local[0].id;
    world->conn_b->local[0].id = (struct ike_id){.type = ID_ANY};
    scenario_login(world);
    struct ike_session_info session = scenario_session(&world->b);
    assert_true(identity_equal(&session.local_id, &gateway));
    scenario_end(world);

    world = pubkey_world(5); /* the initiator asks for none: the address is the identity */
    world->conn_b->local[0].id = world->conn_a->remote[0].id = (struct ike_id){.type = ID_ANY};
    strcpy(world->conn_a->remote[0].id_pattern, "%any");
    scenario_login(world);
    session = scenario_session(&world->b);
    assert_int_equal(session.local_id.type, ID_IPV4_ADDR);
    scenario_end(world);

    world =
        world_new(6); /* the identity chooses the shared secret, so the peer must not choose it */
    world->conn_b->local[0].id = (struct ike_id){.type = ID_ANY};
    assert_int_equal(login(world), IKE_ID_MISMATCH);
    world_free(world);
}

static bool asks(enum ike_ocsp ocsp)
{
    return ocsp == IKE_OCSP_REQUEST || ocsp == IKE_OCSP_BOTH;
}

static bool replies(enum ike_ocsp ocsp)
{
    return ocsp == IKE_OCSP_REPLY || ocsp == IKE_OCSP_BOTH;
}

/* RFC 4806: who asks gets an OCSP response from a peer that replies, in both directions. */
static void ocsp_content(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        struct world *world = pubkey_world(200 + i);
        enum ike_ocsp a = world->conn_a->ocsp = (enum ike_ocsp)(i % 4);
        enum ike_ocsp b = world->conn_b->ocsp = (enum ike_ocsp)(i / 4);
        scenario_watch(world);
        scenario_login(world);
        assert_int_equal(scenario_count(world, "a -> b IKE_AUTH request: IDi N(INITIAL_CONTACT) "
                                               "CERTREQ CERTREQ IDr CERT"),
                         asks(a));
        assert_int_equal(scenario_count(world, "CERTREQ CERTREQ"), asks(a) + asks(b));
        assert_int_equal(scenario_count(world, "IDr CERT CERT AUTH CP(REQUEST)"),
                         asks(b) && replies(a));
        assert_int_equal(scenario_count(world, "IDr CERT CERT AUTH CP(REPLY)"),
                         asks(a) && replies(b));
        scenario_end(world);
    }
}

static enum scenario_fate other_response(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (!to_b || message_find(m, WIRE_PAYLOAD_CERT) == m->n)
        return SCENARIO_PASS;
    message_append(m, WIRE_PAYLOAD_CERT, span_of("\x0erevoked", 8));
    return SCENARIO_CHANGED;
}

/* A response that nobody asked for is not looked at. */
static void ocsp_unasked(void **state)
{
    (void)state;
    for (unsigned asked = 0; asked < 2; asked++) {
        struct world *world = pubkey_world(220 + asked);
        world->conn_b->ocsp = asked ? IKE_OCSP_REQUEST : IKE_OCSP_REPLY;
        scenario_edit(world, other_response);
        assert_int_equal(login(world), asked ? IKE_AUTH_FAILED : IKE_OK);
        if (asked)
            expect_nothing(world, true);
        else
            scenario_end(world);
    }
}

/* A4: the certificate is that of somebody else. */
static enum scenario_fate other_certificate(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    size_t i = message_find(m, WIRE_PAYLOAD_CERT);
    if (!to_b || i == m->n)
        return SCENARIO_PASS;
    message_octets(m, i)[1] = 'X';
    return SCENARIO_CHANGED;
}

static void a4_certificate_of_another(void **state)
{
    (void)state;
    struct world *world = pubkey_world(4);
    scenario_watch(world);
    scenario_edit(world, other_certificate);
    assert_int_equal(login(world), IKE_AUTH_FAILED);
    expect_nothing(world, false);
}

/* --- hostile twins of CERT and CERTREQ --- */

static unsigned twin;

static enum scenario_fate cert_twin(struct world *world, bool to_b, struct message *m)
{
    static const uint8_t bad[64] = {4};
    (void)world;
    if (!to_b || m->header.exchange != WIRE_IKE_AUTH)
        return SCENARIO_PASS;
    switch (twin) {
    case 0: message_append(m, WIRE_PAYLOAD_CERT, span_of(bad, 1)); break; /* no octets */
    case 1: message_append(m, WIRE_PAYLOAD_CERT, span_of(bad, 0)); break;
    case 2: message_append(m, WIRE_PAYLOAD_CERTREQ, span_of(bad, 0)); break;
    case 3: message_append(m, WIRE_PAYLOAD_CERTREQ, span_of(bad, 20)); break; /* 19 octets */
    case 4: message_append(m, WIRE_PAYLOAD_CERTREQ, span_of(bad, 1)); break;  /* any CA */
    case 5: /* Hash and URL that nobody asked for */
        message_append(m, WIRE_PAYLOAD_CERT, span_of("\x0cxxxxxxxxxxxxxxxxxxxxhttp://x", 29));
        break;
    case 6:
        for (unsigned i = 0; i < LIMIT_CERTS; i++) /* one more than there may be */
            message_append(m, WIRE_PAYLOAD_CERT, span_of(bad, 2));
        break;
    case 7:
        for (unsigned i = 0; i < LIMIT_CERTREQS; i++)
            message_append(m, WIRE_PAYLOAD_CERTREQ, span_of(bad, 1));
        break;
    default: break;
    }
    return SCENARIO_CHANGED;
}

static void certificate_twins(void **state)
{
    (void)state;
    for (twin = 0; twin < 8; twin++) {
        struct world *world = pubkey_world(10 + twin);
        scenario_watch(world);
        scenario_edit(world, cert_twin);
        assert_int_equal(login(world), twin < 6 ? IKE_OK : IKE_INVALID_SYNTAX);
        if (twin >= 6)
            expect_nothing(world, false);
        else
            scenario_end(world);
    }
}

/* A15: more key ids than are remembered; the login goes on. */
static enum scenario_fate many_key_ids(struct world *world, bool to_b, struct message *m)
{
    static uint8_t body[1 + 200 * IKE_KEY_ID];
    (void)world;
    body[0] = 4;
    if (!to_b || m->header.exchange != WIRE_IKE_AUTH)
        return SCENARIO_PASS;
    message_append(m, WIRE_PAYLOAD_CERTREQ, span_of(body, sizeof(body)));
    return SCENARIO_CHANGED;
}

static void a15_many_key_ids(void **state)
{
    (void)state;
    struct world *world = pubkey_world(20);
    scenario_watch(world);
    scenario_edit(world, many_key_ids);
    scenario_login(world);
    scenario_end(world);
}

/* --- A17: the method is that of the configuration --- */

static void a17_no_other_method(void **state)
{
    static const enum ike_auth_method methods[] = {IKE_AUTH_PSK, IKE_AUTH_PUBKEY, IKE_AUTH_EAP};
    (void)state;
    for (unsigned said = 0; said < 3; said++)
        for (unsigned wanted = 0; wanted < 3; wanted++) {
            struct world *world = world_new(30 + 3 * said + wanted);
            by(world, methods[wanted], IKE_AUTH_PSK);
            world->conn_a->local[0].method = methods[said];
            assert_int_equal(login(world), said == wanted ? IKE_OK : IKE_AUTH_FAILED);
            if (said == wanted)
                scenario_end(world);
            else
                expect_nothing(world, false);
        }
}

static void a17_no_other_method_of_the_gateway(void **state)
{
    (void)state;
    for (unsigned wanted = 0; wanted < 2; wanted++) {
        struct world *world = world_new(40 + wanted);
        by(world, IKE_AUTH_PSK, wanted == 0 ? IKE_AUTH_PSK : IKE_AUTH_PUBKEY);
        world->conn_b->local[0].method = wanted == 0 ? IKE_AUTH_PUBKEY : IKE_AUTH_PSK;
        assert_int_equal(login(world), IKE_PEER_AUTH_FAILED);
        world_run(world, 60 * NANOS_PER_SEC);
        assert_int_equal(world_n_sas(&world->a), 0);
        assert_int_equal(world_n_sas(&world->b), 0); /* it was told */
        world_free(world);
    }
}

/* The Gateway has three connections that differ in nothing but the End User's authentication. */
static void chosen_by_method(void **state)
{
    static const enum ike_auth_method methods[] = {IKE_AUTH_PSK, IKE_AUTH_PUBKEY, IKE_AUTH_EAP};
    static const char *const names[] = {"by-psk", "by-key", "by-eap"};
    (void)state;
    for (unsigned said = 0; said < 3; said++) {
        struct world *world = world_new(50 + said);
        struct ike_conn *others[3];
        world->conn_a->local[0].method = methods[said];
        for (unsigned i = 0; i < 3; i++) {
            others[i] = party_conn(true);
            strcpy(others[i]->name, names[i]);
            others[i]->remote[0].method = methods[i];
            assert_int_equal(ike_conn_add(world->b.ike, others[i]), 0);
        }
        assert_int_equal(ike_conn_add(world->a.ike, world->conn_a), 0);
        assert_int_equal(world_connect(world), IKE_OK);
        assert_string_equal(scenario_session(&world->b).conn->name, names[said]);
        for (unsigned i = 0; i < 3; i++)
            ike_conn_unref(others[i]);
        scenario_end(world);
    }
}

/* --- several rounds (RFC 4739) --- */

static void two_rounds_of_the_end_user(void **state)
{
    (void)state;
    struct world *world = pubkey_world(60);
    add_user_round(world, IKE_AUTH_PSK, "person.user.example");
    scenario_watch(world);
    scenario_login(world);
    EXPECT_MESSAGES(
        world,
        "#1 a:500 -> b:500 IKE_SA_INIT request: SA(IKE) KE NONCE N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP) N(IKEV2_FRAGMENTATION_SUPPORTED) "
        "N(SIGNATURE_HASH_ALGORITHMS) V",
        "#1 b:500 -> a:500 IKE_SA_INIT response: SA(IKE) KE NONCE N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP) N(IKEV2_FRAGMENTATION_SUPPORTED) "
        "N(SIGNATURE_HASH_ALGORITHMS) CERTREQ N(SUPPORTED_AUTH_METHODS) N(MULTIPLE_AUTH_SUPPORTED) "
        "N(CHILDLESS_IKEV2_SUPPORTED) V",
        "#1 a -> b IKE_AUTH request: IDi N(INITIAL_CONTACT) CERTREQ IDr CERT AUTH CP(REQUEST) "
        "SA(ESP) TSi TSr N(MOBIKE_SUPPORTED) N(CLONE_IKE_SA_SUPPORTED) "
        "N(SUPPORTED_AUTH_METHODS) N(MULTIPLE_AUTH_SUPPORTED) N(ANOTHER_AUTH_FOLLOWS)",
        "#1 b -> a IKE_AUTH response: IDr CERT AUTH", "#1 a -> b IKE_AUTH request: IDi AUTH",
        "#1 b -> a IKE_AUTH response: CP(REPLY) SA(ESP) TSi TSr N(MOBIKE_SUPPORTED) "
        "N(CLONE_IKE_SA_SUPPORTED)");
    struct ike_id last = id_of("person.user.example");
    struct ike_session_info session = scenario_session(&world->b);
    assert_true(identity_equal(&session.remote_id, &last));
    scenario_end(world);
}

static unsigned n_multiple, n_another;

/* bare - counts that notify in the message, whose body must be its type and nothing else. */
static unsigned bare(const struct message *m, uint16_t notify)
{
    const uint8_t body[] = {0, 0, (uint8_t)(notify >> 8), (uint8_t)notify};
    size_t i = message_find_notify(m, notify);
    if (i == m->n)
        return 0;
    struct span found = message_body(m, i);
    assert_int_equal(found.len, sizeof(body));
    assert_memory_equal(found.ptr, body, sizeof(body));
    return 1;
}

static enum scenario_fate notifies_are_bare(struct world *world, bool to_b, struct message *m)
{
    (void)world, (void)to_b;
    unsigned multiple = bare(m, N_MULTIPLE_AUTH_SUPPORTED),
             another = bare(m, N_ANOTHER_AUTH_FOLLOWS);
    n_multiple += multiple;
    n_another += another;
    return multiple + another > 0 ? SCENARIO_NOTED : SCENARIO_PASS;
}

/* RFC 4739 sections 3.1 and 3.2: Protocol ID and SPI Size are zero, and no data follows. */
static void notifies_of_rounds(void **state)
{
    (void)state;
    struct world *world = pubkey_world(62);
    add_user_round(world, IKE_AUTH_PSK, "person.user.example");
    add_gateway_round(world, IKE_AUTH_PSK, "second.example");
    n_multiple = n_another = 0;
    scenario_watch(world);
    scenario_edit(world, notifies_are_bare);
    scenario_login(world);
    assert_int_equal(n_multiple, 2); /* of each side */
    assert_int_equal(n_another, 2);
    scenario_end(world);
}

static void two_rounds_of_the_gateway(void **state)
{
    (void)state;
    struct world *world = world_new(61);
    add_gateway_round(world, IKE_AUTH_PUBKEY, "second.example");
    scenario_watch(world);
    scenario_login(world);
    assert_int_equal(scenario_count(world, "IKE_AUTH response: IDr AUTH N(ANOTHER_AUTH_FOLLOWS)"),
                     1);
    assert_int_equal(scenario_count(world, "IKE_AUTH request: "), 2);
    assert_int_equal(scenario_count(world, "IKE_AUTH response: IDr CERT AUTH CP(REPLY)"), 1);
    scenario_end(world);
}

static void rounds_of_both(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        struct world *world = pubkey_world(70 + i);
        for (unsigned n = 0; n < i % 4; n++)
            add_user_round(world, n % 2 == 0 ? IKE_AUTH_EAP : IKE_AUTH_PUBKEY, "p.user.example");
        for (unsigned n = 0; n < i / 4; n++)
            add_gateway_round(world, n % 2 == 0 ? IKE_AUTH_PSK : IKE_AUTH_PUBKEY, "gw.example");
        scenario_login(world);
        assert_int_equal(world->b.counts[IKE_EV_SESSION_UP], 1);
        assert_int_equal(world->b.counts[IKE_EV_LEASE], 1);
        scenario_clone(&world->a, world_sa(&world->a, 0));
        scenario_end(world);
    }
}

/* The number of rounds is that of the connection: fewer would be a way around one. */
static void rounds_that_differ(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct world *world = pubkey_world(90 + i);
        add_user_round(world, IKE_AUTH_PSK, "person.user.example");
        add_gateway_round(world, IKE_AUTH_PSK, "second.example");
        switch (i) {
        case 0: world->conn_a->n_local_rounds = 1; break;
        case 1: world->conn_b->n_remote_rounds = 1; break;
        case 2: world->conn_a->n_remote_rounds = 1; break;
        default: world->conn_b->n_local_rounds = 1; break;
        }
        assert_int_not_equal(login(world), IKE_OK);
        world_run(world, 60 * NANOS_PER_SEC);
        assert_int_equal(world_n_sas(&world->a) + world_n_sas(&world->b), 0);
        world_free(world);
    }
}

/* A second round with another identity, method or secret than the connection demands. */
static void second_round_checked(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct world *world = pubkey_world(100 + i);
        add_user_round(world, IKE_AUTH_PSK, "person.user.example");
        if (i == 0)
            world->conn_a->local[1].id = id_of("other.user.example");
        if (i == 1)
            world->conn_a->local[1].method = IKE_AUTH_PUBKEY;
        if (i == 2)
            world->a.psk = "another";
        assert_int_equal(login(world), IKE_AUTH_FAILED);
        expect_nothing(world, false);
    }
}

static enum scenario_fate no_multiple(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    size_t i = message_find_notify(m, N_MULTIPLE_AUTH_SUPPORTED);
    if (!to_b || i == m->n)
        return SCENARIO_PASS;
    message_remove(m, i);
    return SCENARIO_CHANGED;
}

static void rounds_unannounced(void **state)
{
    (void)state;
    struct world *world = pubkey_world(110);
    add_user_round(world, IKE_AUTH_PSK, "person.user.example");
    scenario_watch(world);
    scenario_edit(world, no_multiple);
    assert_int_equal(login(world), IKE_AUTH_FAILED);
    expect_nothing(world, false);
}

/* --- hostile order --- */

static enum scenario_fate order_twin(struct world *world, bool to_b, struct message *m)
{
    static const uint8_t id[] = {ID_FQDN, 0, 0, 0, 'x'}, auth[36] = {AUTH_SHARED_KEY};
    static const uint8_t success[] = {EAP_SUCCESS, 41, 0, 4};
    (void)world;
    if (!to_b || m->header.exchange != WIRE_IKE_AUTH)
        return SCENARIO_PASS;
    bool second = m->header.message_id == 2;
    if (twin < 3 && second) {
        size_t i = message_find(m, twin == 0 ? WIRE_PAYLOAD_AUTH : WIRE_PAYLOAD_IDi);
        if (twin == 0 || twin == 1)
            message_remove(m, i); /* AUTH, or the ID payload, is missing */
        else
            message_clear(m);
        return SCENARIO_CHANGED;
    }
    if (twin == 3 && second)
        message_append(m, WIRE_PAYLOAD_IDi, span_of(id, sizeof(id)));
    else if (twin == 4 && second)
        message_append(m, WIRE_PAYLOAD_AUTH, span_of(auth, sizeof(auth)));
    else if (twin == 5 && second)
        message_append(m, WIRE_PAYLOAD_EAP, span_of(success, sizeof(success)));
    else if (twin == 6 && !second)
        message_append(m, WIRE_PAYLOAD_EAP, span_of(success, sizeof(success)));
    else if (twin == 7 && second)
        message_append_notify(m, N_ANOTHER_AUTH_FOLLOWS, (struct span){0});
    else
        return SCENARIO_PASS;
    return SCENARIO_CHANGED;
}

static void order_twins(void **state)
{
    (void)state;
    for (twin = 0; twin < 8; twin++) {
        struct world *world = pubkey_world(120 + twin);
        add_user_round(world, IKE_AUTH_PSK, "person.user.example");
        scenario_watch(world);
        scenario_edit(world, order_twin);
        enum ike_outcome outcome = login(world);
        assert_true(outcome == IKE_INVALID_SYNTAX || outcome == IKE_AUTH_FAILED);
        expect_nothing(world, false);
    }
}

/* --- KE and Nonce payloads of peers without the extension --- */

static enum scenario_fate with_ke(struct world *world, bool to_b, struct message *m)
{
    static const uint8_t ke[36] = {0, 31}, nonce[32] = {7};
    (void)world;
    if (!to_b || m->header.exchange != WIRE_IKE_AUTH)
        return SCENARIO_PASS;
    message_append(m, WIRE_PAYLOAD_KE, span_of(ke, sizeof(ke)));
    message_append(m, WIRE_PAYLOAD_NONCE, span_of(nonce, sizeof(nonce)));
    return SCENARIO_CHANGED;
}

static void ke_in_ike_auth(void **state)
{
    (void)state;
    for (unsigned announced = 0; announced < 2; announced++) {
        struct world *world = world_new(130 + announced);
        if (!announced)
            world->conn_a->clone = IKE_CLONE_RFC7791;
        scenario_watch(world);
        scenario_edit(world, with_ke);
        assert_int_equal(login(world), announced ? IKE_INVALID_SYNTAX : IKE_OK); /* D-06 */
        world_free(world);
    }
}

/* --- the clone that comes with the login (B.5) --- */

static struct world *combined_world(uint64_t seed)
{
    struct world *world = pubkey_world(seed);
    world->conn_a->combined_auth = world->conn_b->combined_auth = true;
    add_user_round(world, IKE_AUTH_EAP, "person.user.example");
    return world;
}

static enum ike_outcome connect_with_clone(struct world *world)
{
    world_start(world);
    return world_command(&world->a, (struct ike_command){.kind = IKE_CMD_CONNECT,
                                                         .conn = "office",
                                                         .path = world_path(0),
                                                         .clone = true});
}

/* The group travels with the last AUTH of the End User, and its answer with the last response. */
static void clone_with_several_rounds(void **state)
{
    (void)state;
    struct world *world = combined_world(140);
    scenario_watch(world);
    assert_int_equal(connect_with_clone(world), IKE_OK);
    assert_int_equal(scenario_count(world, "KEEP_OLD_IKE_SA"), 2);
    assert_int_equal(scenario_count(world, "IKE_AUTH request: AUTH N(KEEP_OLD_IKE_SA Q=1 code=0) "
                                           "SA(IKE) NONCE KE"),
                     1);
    assert_int_equal(scenario_count(world, "IKE_AUTH response: AUTH CP(REPLY) SA(ESP)"), 1);
    assert_int_equal(world_n_sas(&world->a), 2);
    assert_int_equal(world_n_sas(&world->b), 2);
    scenario_end(world);
}

static enum scenario_fate early_group(struct world *world, bool to_b, struct message *m)
{
    static const uint8_t sa_ike[] = {0, 0, 0, 8, 1, 1, 0, 0}, nonce[32] = {7}, ke[36] = {0, 31};
    static const uint8_t value[4] = {0x80};
    (void)world;
    if (!to_b || m->header.exchange != WIRE_IKE_AUTH || m->header.message_id != 1)
        return SCENARIO_PASS;
    message_append_notify(m, KEEP_OLD_DEFAULT_NOTIFY, span_of(value, sizeof(value)));
    message_append(m, WIRE_PAYLOAD_SA, span_of(sa_ike, sizeof(sa_ike)));
    message_append(m, WIRE_PAYLOAD_NONCE, span_of(nonce, sizeof(nonce)));
    message_append(m, WIRE_PAYLOAD_KE, span_of(ke, sizeof(ke)));
    return SCENARIO_CHANGED;
}

static void group_before_the_last_auth(void **state)
{
    (void)state;
    struct world *world = combined_world(141);
    scenario_watch(world);
    scenario_edit(world, early_group);
    assert_int_equal(login(world), IKE_INVALID_SYNTAX);
    expect_nothing(world, false);
}

/* The last round fails: no clone was ever there. */
static void clone_only_after_the_last_auth(void **state)
{
    (void)state;
    struct world *world = combined_world(142);
    world->a.eap.key = "another";
    assert_int_not_equal(connect_with_clone(world), IKE_OK);
    world_run(world, 60 * NANOS_PER_SEC);
    assert_int_equal(world->b.counts[IKE_EV_SA_UP] + world->a.counts[IKE_EV_SA_UP], 0);
    expect_nothing(world, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates),
        cmocka_unit_test(certificates_as_asked),
        cmocka_unit_test(identity_that_is_asked_for),
        cmocka_unit_test(ocsp_content),
        cmocka_unit_test(ocsp_unasked),
        cmocka_unit_test(a4_certificate_of_another),
        cmocka_unit_test(certificate_twins),
        cmocka_unit_test(a15_many_key_ids),
        cmocka_unit_test(a17_no_other_method),
        cmocka_unit_test(a17_no_other_method_of_the_gateway),
        cmocka_unit_test(chosen_by_method),
        cmocka_unit_test(two_rounds_of_the_end_user),
        cmocka_unit_test(notifies_of_rounds),
        cmocka_unit_test(two_rounds_of_the_gateway),
        cmocka_unit_test(rounds_of_both),
        cmocka_unit_test(rounds_that_differ),
        cmocka_unit_test(second_round_checked),
        cmocka_unit_test(rounds_unannounced),
        cmocka_unit_test(order_twins),
        cmocka_unit_test(ke_in_ike_auth),
        cmocka_unit_test(clone_with_several_rounds),
        cmocka_unit_test(group_before_the_last_auth),
        cmocka_unit_test(clone_only_after_the_last_auth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
