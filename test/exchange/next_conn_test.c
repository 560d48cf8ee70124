/* SPDX-License-Identifier: Apache-2.0 */
/* A Gateway with several connections that fit a peer until it shows its certificate, its further
 * rounds or its EAP identity. The End User is anna.ca2.user.example: her certificate is of CA 2, and
 * credentials 2 demand that. */
#include "exchange/party.h"
#include "exchange/scenario.h"
#include "ike/terms/identity.h"
#include "ike/terms/ppk.h"

static struct ike_id id_of(const char *text)
{
    struct ike_id id;
    assert_int_equal(identity_parse(text, &id), 0);
    return id;
}

/* struct office - connections of the Gateway, beside those of the world, in the order of loading. */
struct office {
    struct world *world;
    size_t n;
    struct ike_conn *conns[40];
};

/* conn_add - one with a certificate on both sides, with these demands. */
static struct ike_conn *conn_add(struct office *office, const char *name, uint32_t credentials)
{
    struct ike_conn *conn = party_conn(true);
    strcpy(conn->name, name);
    strcpy(conn->children[0].name, name);
    conn->remote[0].method = conn->local[0].method = IKE_AUTH_PUBKEY;
    conn->remote[0].credentials = credentials;
    office->conns[office->n++] = conn;
    return conn;
}

static struct office office_of(uint64_t seed, const char *user)
{
    struct office office = {.world = world_new(seed)};
    struct ike_conn *own = office.world->conn_a;
    own->local[0].method = own->remote[0].method = IKE_AUTH_PUBKEY;
    own->local[0].id = id_of(user);
    scenario_watch(office.world);
    return office;
}

static enum ike_outcome login(struct office *office)
{
    struct world *world = office->world;
    assert_int_equal(ike_conn_add(world->a.ike, world->conn_a), 0);
    for (size_t i = 0; i < office->n; i++)
        assert_int_equal(ike_conn_add(world->b.ike, office->conns[i]), 0);
    ike_serve(world->b.ike);
    return world_connect(world);
}

static void office_free(struct office *office)
{
    for (size_t i = 0; i < office->n; i++)
        ike_conn_unref(office->conns[i]);
}

/* expect_conn - the login succeeds, after so many checks of the peer's AUTH, and all that came of it
 * is of this connection. */
static void expect_conn(struct office *office, const char *name, unsigned checks)
{
    struct world *world = office->world;
    struct ike_child_info child;
    assert_int_equal(login(office), IKE_OK);
    struct ike_session_info session = scenario_session(&world->b);
    assert_string_equal(session.conn->name, name);
    assert_true(ike_child_next(world->b.ike, 0, &child));
    assert_string_equal(child.policy->name, name);
    assert_int_equal(world->b.counts[IKE_EV_AUTH_VERIFY], checks);
    assert_int_equal(world->b.counts[IKE_EV_LEASE], 1);
    scenario_clone(&world->a, world_sa(&world->a, 0));
    office_free(office);
    scenario_end(world);
}

/* expect_refused - as every other peer that fails: the same notify, and nothing is left. */
static void expect_refused(struct office *office, unsigned checks)
{
    struct world *world = office->world;
    assert_int_equal(login(office), IKE_AUTH_FAILED);
    assert_int_equal(scenario_count(world, "b -> a IKE_AUTH response: N(AUTHENTICATION_FAILED)"),
                     1);
    assert_int_equal(world->b.counts[IKE_EV_AUTH_VERIFY], checks);
    world_run(world, 60 * NANOS_PER_SEC);
    assert_int_equal(world_n_sas(&world->a) + world_n_sas(&world->b), 0);
    assert_int_equal(world->b.counts[IKE_EV_SESSION_UP] + world->b.counts[IKE_EV_LEASE], 0);
    assert_int_equal(world->b.counts[IKE_EV_CHILD_INSTALL], 0);
    office_free(office);
    world_free(world);
}

/* --- the peer's certificate --- */

static void certificate_of_the_second(void **state)
{
    (void)state;
    struct office office = office_of(1, "anna.ca2.user.example");
    (void)conn_add(&office, "first", 1);
    (void)conn_add(&office, "second", 2);
    expect_conn(&office, "second", 2);

    office = office_of(2, "anna.ca1.user.example"); /* who fits the first stays there */
    (void)conn_add(&office, "first", 1);
    (void)conn_add(&office, "second", 2);
    expect_conn(&office, "first", 1);
}

/* The more specific identity is tried first, wherever it is loaded. */
static void specific_first(void **state)
{
    (void)state;
    struct office office = office_of(3, "anna.ca2.user.example");
    strcpy(conn_add(&office, "anybody", 2)->remote[0].id_pattern, "");
    (void)conn_add(&office, "users", 2);
    strcpy(conn_add(&office, "anna", 1)->remote[0].id_pattern, "anna.ca2.user.example");
    expect_conn(&office, "users", 2);
}

static void no_connection_fits(void **state)
{
    (void)state;
    struct office office = office_of(4, "anna.ca9.user.example");
    (void)conn_add(&office, "first", 1);
    (void)conn_add(&office, "second", 2);
    (void)conn_add(&office, "third", 3);
    expect_refused(&office, 3);
}

/* Connections with the same demands, another identity or another method are not asked again. */
static void tried_once(void **state)
{
    (void)state;
    struct office office = office_of(5, "anna.ca2.user.example");
    (void)conn_add(&office, "first", 1);
    (void)conn_add(&office, "the same", 1);
    strcpy(conn_add(&office, "of Ben", 2)->remote[0].id_pattern, "ben.ca2.user.example");
    conn_add(&office, "by psk", 2)->remote[0].method = IKE_AUTH_PSK;
    conn_add(&office, "by eap", 2)->remote[0].method = IKE_AUTH_EAP;
    conn_add(&office, "by another gateway", 2)->local[0].id = id_of("gw2.example"); /* IDr: gw */
    expect_refused(&office, 1);
}

static void bounded(void **state)
{
    (void)state;
    struct office office = office_of(6, "anna.ca99.user.example");
    for (uint32_t i = 0; i < 40; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "number %u", i);
        (void)conn_add(&office, name, i + 1);
    }
    expect_refused(&office, LIMIT_LOGIN_CONNS);
}

/* --- a wrong proof is no reason to look further --- */

static enum scenario_fate wrong_auth(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    size_t i = message_find(m, WIRE_PAYLOAD_AUTH);
    if (!to_b || i == m->n)
        return SCENARIO_PASS;
    message_octets(m, i)[8] ^= 1;
    return SCENARIO_CHANGED;
}

static void wrong_signature(void **state)
{
    (void)state;
    struct office office = office_of(7, "anna.ca2.user.example");
    (void)conn_add(&office, "first", 1);
    (void)conn_add(&office, "second", 2);
    scenario_edit(office.world, wrong_auth);
    expect_refused(&office, 1);
}

/* One pre-shared secret is compared, whatever connections there are. */
static void wrong_secret(void **state)
{
    (void)state;
    struct office office = office_of(8, "anna.ca2.user.example");
    office.world->conn_a->local[0].method = IKE_AUTH_PSK;
    office.world->conn_a->remote[0].id_pattern[0] = '\0';
    office.world->a.psk = "a guess";
    for (unsigned i = 0; i < 3; i++) {
        struct ike_conn *conn = conn_add(&office, i == 0 ? "one" : i == 1 ? "two" : "three", i);
        conn->remote[0].method = IKE_AUTH_PSK;
        conn->local[0].id = id_of(i == 1 ? "gw2.example" : "gw.example");
    }
    expect_refused(&office, 1);
}

/* --- rounds (RFC 4739) --- */

/* second_round - a further round of the End User by certificate. */
static void second_round(struct ike_conn *conn, bool gateway, const char *id, uint32_t credentials)
{
    struct ike_auth_policy *round = gateway ? &conn->remote[1] : &conn->local[1];
    round->method = IKE_AUTH_PUBKEY;
    round->credentials = gateway ? credentials : 0;
    if (gateway) {
        strcpy(round->id_pattern, id);
        conn->n_remote_rounds = 2;
    } else {
        round->id = id_of(id);
        conn->n_local_rounds = 2;
    }
}

/* The certificate fits the second connection, which demands a second round. */
static void second_demands_more(void **state)
{
    (void)state;
    struct office office = office_of(10, "anna.ca2.user.example");
    (void)conn_add(&office, "first", 1);
    second_round(conn_add(&office, "second", 2), true, "*.user.example", 0);
    expect_refused(&office, 1);
}

static void second_round_of_another(void **state)
{
    (void)state;
    struct office office = office_of(11, "anna.ca2.user.example");
    second_round(office.world->conn_a, false, "phone.ca5.user.example", 0);
    second_round(conn_add(&office, "first", 2), true, "*.user.example", 4);
    second_round(conn_add(&office, "second", 2), true, "*.user.example", 5);
    expect_conn(&office, "second", 3);

    office = office_of(12, "anna.ca2.user.example"); /* by the identity of the round */
    second_round(office.world->conn_a, false, "phone.ca5.user.example", 0);
    second_round(conn_add(&office, "first", 2), true, "tablet.ca5.user.example", 5);
    second_round(conn_add(&office, "second", 2), true, "phone.ca5.user.example", 5);
    expect_conn(&office, "second", 2);

    office = office_of(13, "anna.ca2.user.example"); /* by the number of rounds */
    second_round(office.world->conn_a, false, "phone.ca5.user.example", 0);
    struct ike_conn *three = conn_add(&office, "first", 2);
    second_round(three, true, "*.user.example", 5);
    three->remote[2] = three->remote[1];
    three->n_remote_rounds = 3;
    second_round(conn_add(&office, "second", 2), true, "*.user.example", 5);
    expect_conn(&office, "second", 2);
}

/* What the first round proved to the first connection is not enough for the second one. */
static void earlier_round_counts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct office office = office_of(20 + i, "anna.ca2.user.example");
        second_round(office.world->conn_a, false, "phone.ca5.user.example", 0);
        second_round(conn_add(&office, "first", 2), true, "*.user.example", 4);
        struct ike_conn *second = conn_add(&office, "second", i == 0 ? 3 : 2);
        second_round(second, true, "*.user.example", 5);
        if (i == 1)
            strcpy(second->remote[0].id_pattern, "ben.ca2.user.example");
        if (i == 2)
            second->remote[0].method = IKE_AUTH_PSK;
        expect_refused(&office, 2);
    }
}

/* --- what we have shown of ourselves --- */

/* Nothing was shown yet: the Gateway is what the second connection says. */
static void another_gateway(void **state)
{
    (void)state;
    struct office office = office_of(30, "anna.ca2.user.example");
    struct ike_conn *own = office.world->conn_a;
    strcpy(own->remote[0].id_pattern, "*.example");
    own->remote[0].id = (struct ike_id){.type = ID_ANY};
    (void)conn_add(&office, "first", 1);
    conn_add(&office, "second", 2)->local[0].id = id_of("gw2.example");
    struct ike_id gw2 = id_of("gw2.example");
    assert_int_equal(login(&office), IKE_OK);
    struct ike_session_info session = scenario_session(&office.world->a);
    assert_true(identity_equal(&session.remote_id, &gw2));
    session = scenario_session(&office.world->b);
    assert_true(identity_equal(&session.local_id, &gw2));
    office_free(&office);
    scenario_end(office.world);
}

/* The Gateway has proven itself for the first connection. The second one has another certificate,
 * another identity, another method, or one round more. */
static void another_certificate_of_ours(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct office office = office_of(40 + i, "anna.ca2.user.example");
        struct ike_conn *own = office.world->conn_a;
        strcpy(own->remote[0].id_pattern, "*.example");
        own->remote[0].id = (struct ike_id){.type = ID_ANY};
        second_round(own, false, "phone.ca5.user.example", 0);
        second_round(conn_add(&office, "first", 2), true, "*.user.example", 4);
        struct ike_conn *second = conn_add(&office, "second", 2);
        second_round(second, true, "*.user.example", 5);
        switch (i) {
        case 0: second->local[0].credentials = 8; break;
        case 1: second->local[0].id = id_of("gw2.example"); break;
        case 2: second->local[0].method = IKE_AUTH_PSK; break;
        default:
            second->local[1] = second->local[0];
            second->n_local_rounds = 2;
            break;
        }
        expect_refused(&office, 2);
    }
}

/* --- groups, by EAP --- */

/* eap_conn - one by EAP, with these demands on what it proves. */
static struct ike_conn *eap_conn(struct office *office, const char *name, uint32_t credentials)
{
    struct ike_conn *conn = conn_add(office, name, credentials);
    conn->remote[0].method = IKE_AUTH_EAP;
    return conn;
}

static struct office eap_office(uint64_t seed, uint32_t member)
{
    struct office office = office_of(seed, "anna.ca2.user.example");
    office.world->conn_a->local[0].method = IKE_AUTH_EAP;
    office.world->b.eap.member = member;
    return office;
}

static void group_of_the_third(void **state)
{
    (void)state;
    struct office office = eap_office(60, 3);
    struct peer *gateway = &office.world->b;
    (void)eap_conn(&office, "first", 1);
    (void)eap_conn(&office, "second", 2);
    (void)eap_conn(&office, "third", 3);
    assert_int_equal(login(&office), IKE_OK);
    assert_string_equal(scenario_session(gateway).conn->name, "third");
    assert_int_equal(gateway->eap.conversations, 1); /* whoever is in it proves itself once */
    assert_int_equal(scenario_count(office.world, "IKE_AUTH response: EAP"), 2);
    office_free(&office);
    scenario_end(office.world);
}

/* expect_no_group - EAP-Failure as ever, after one conversation, which is ended everywhere. */
static void expect_no_group(struct office *office)
{
    struct world *world = office->world;
    assert_int_not_equal(login(office), IKE_OK);
    assert_int_equal(world->b.eap.conversations, 1);
    assert_int_equal(world->b.eap.ended, 1);
    world_run(world, 60 * NANOS_PER_SEC);
    assert_int_equal(world_n_sas(&world->a) + world_n_sas(&world->b), 0);
    assert_int_equal(world->b.counts[IKE_EV_SESSION_UP] + world->b.counts[IKE_EV_LEASE], 0);
    office_free(office);
    world_free(world);
}

static void group_of_none(void **state)
{
    (void)state;
    struct office office = eap_office(61, 9);
    for (uint32_t i = 0; i < 40; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "number %u", i);
        (void)eap_conn(&office, name, i + 1);
    }
    office.world->b.eap.member = 99;
    expect_no_group(&office);
}

/* The group fits the second connection. It differs in what was shown already, or demands another
 * EAP identity of who is in the group, or a further round. */
static void group_is_not_all(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct office office = eap_office(62 + i, 2);
        (void)eap_conn(&office, "first", 1);
        struct ike_conn *second = eap_conn(&office, "second", 2);
        switch (i) {
        case 0: second->local[0].credentials = 8; break;
        case 1: strcpy(second->remote[0].id_pattern, "ben.ca2.user.example"); break;
        case 2: second->remote[0].method = IKE_AUTH_PUBKEY; break;
        default: second->local[0].method = IKE_AUTH_EAP; break;
        }
        expect_no_group(&office);
    }
    struct office office = eap_office(70, 2);
    office.world->b.eap.identity = "anna";
    (void)eap_conn(&office, "first", 1);
    strcpy(eap_conn(&office, "second", 2)->remote[0].eap_id, "ben");
    assert_int_not_equal(login(&office), IKE_OK);
    assert_int_equal(office.world->b.counts[IKE_EV_SESSION_UP], 0);
    office_free(&office);
    world_free(office.world);
}

/* --- the EAP identity --- */

/* says_conn - one for people with such EAP identities. */
static struct ike_conn *says_conn(struct office *office, const char *name, const char *eap_id)
{
    struct ike_conn *conn = eap_conn(office, name, (uint32_t)office->n + 1);
    strcpy(conn->remote[0].eap_id, eap_id);
    conn->remote[0].eap_says = true;
    conn->remote[0].conversation = conn->remote[0].credentials;
    return conn;
}

static struct office says_office(uint64_t seed, const char *identity)
{
    struct office office = eap_office(seed, 0);
    office.world->a.eap.says = office.world->b.eap.says = identity;
    office.world->b.eap.identity = identity;
    return office;
}

static void identity_of_the_second(void **state)
{
    static const struct {
        const char *says, *first, *second, *taken;
        unsigned conversations;
    } rows[] = {
        {"anna@sales", "*@research", "%any", "second", 2},
        {"anna@sales", "*@research", "*@sales", "second", 2},
        {"anna@research", "*@research", "%any", "first", 1},
        {"anna@sales", "%any", "*@sales", "first", 1},
        {"CN=anna", "CN=*", "%any", "first", 1},
        {"CN=anna", "O=Lab, CN=*", "CN=*", "second", 2},
        {"anna", "CN=*", "%any", "second", 2},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct office office = says_office(80 + i, rows[i].says);
        struct peer *gateway = &office.world->b;
        (void)says_conn(&office, "first", rows[i].first);
        (void)says_conn(&office, "second", rows[i].second);
        assert_int_equal(login(&office), IKE_OK);
        assert_string_equal(scenario_session(gateway).conn->name, rows[i].taken);
        assert_int_equal(gateway->eap.conversations, rows[i].conversations);
        assert_int_equal(gateway->eap.ended, rows[i].conversations - 1);
        assert_int_equal(scenario_count(office.world, "IDr CERT AUTH EAP"), 1); /* asked once */
        office_free(&office);
        scenario_end(office.world);
    }
}

/* nobody_gets_in - the login is refused within the EAP conversation of the first connection. */
static void nobody_gets_in(struct office *office)
{
    assert_int_not_equal(login(office), IKE_OK);
    assert_int_equal(office->world->b.eap.conversations, 1);
    assert_int_equal(office->world->b.counts[IKE_EV_SESSION_UP], 0);
    office_free(office);
    world_free(office->world);
}

/* No connection is for the identity, or only one that may not be next: the first one goes on, and
 * what it proves is refused as ever. */
static void identity_of_none(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        struct office office = says_office(90 + i, "anna@sales");
        (void)says_conn(&office, "first", "*@research");
        struct ike_conn *second = says_conn(&office, "second", i == 0 ? "*@other" : "*@sales");
        switch (i) {
        case 1: second->local[0].credentials = 8; break;
        case 2: strcpy(second->remote[0].id_pattern, "ben.ca2.user.example"); break;
        case 3: second->remote[0].method = IKE_AUTH_PUBKEY; break;
        case 4: office.conns[0]->remote[0].eap_says = false; break;
        default: break;
        }
        nobody_gets_in(&office);
    }
}

/* --- the identity that is proven in the end --- */

/* proves_office - the peer says one identity and proves another one: inside of TLS, in place of a
 * pseudonym, or by the User-Name of a server. */
static struct office proves_office(uint64_t seed, const char *says, const char *proves)
{
    struct office office = says_office(seed, says);
    office.world->b.eap.identity = proves;
    office.world->b.eap.judges = true;
    return office;
}

/* proves_conn - one of those whose round one EAP conversation proves. */
static struct ike_conn *proves_conn(struct office *office, const char *name, const char *eap_id)
{
    struct ike_conn *conn = says_conn(office, name, eap_id);
    conn->remote[0].credentials = conn->remote[0].conversation = 7;
    return conn;
}

/* The first loaded connection that is for the proven identity, whatever the peer has said before. */
static void proven_identity_chooses(void **state)
{
    static const struct {
        const char *says, *proves, *first, *second, *third, *taken;
    } rows[] = {
        {"anonymous@sales", "anna@sales", "*@research", "anna@*", "*@sales", "third"},
        {"anonymous@sales", "anna@sales", "*@research", "anna@sales", "%any", "second"},
        {"anonymous@sales", "anna@research", "*@research", "*@sales", "%any", "first"},
        {"anna@sales", "anna@research", "*@research", "*@sales", "%any", "first"},
        {"7pseudo@sales", "0232@sales", "0232@sales", "*@sales", "%any", "first"},
        {"7pseudo@sales", "0232@sales", "0233@sales", "7pseudo@sales", "*@sales", "third"},
        {"ben@sales", "anna@sales", "ben@sales", "*@research", "anna@sales", "third"},
        {"anna@sales", "anna@sales", "*@research", "*@sales", "%any", "second"},
        {"ben@sales", "anna@sales", "ben@sales", "*@research", "carl@sales", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct office office = proves_office(300 + i, rows[i].says, rows[i].proves);
        struct peer *gateway = &office.world->b;
        (void)proves_conn(&office, "first", rows[i].first);
        (void)proves_conn(&office, "second", rows[i].second);
        (void)proves_conn(&office, "third", rows[i].third);
        if (rows[i].taken == NULL) {
            nobody_gets_in(&office);
            continue;
        }
        assert_int_equal(login(&office), IKE_OK);
        struct ike_session_info session = scenario_session(gateway);
        assert_string_equal(session.conn->name, rows[i].taken);
        assert_string_equal(session.eap_identity, rows[i].proves);
        assert_int_equal(gateway->eap.conversations, 1); /* the peer proves itself once */
        office_free(&office);
        scenario_end(office.world);
    }
}

/* Of forty connections for one person each, the one is asked that is for this person. */
static void proven_identity_of_many(void **state)
{
    (void)state;
    struct office office = proves_office(320, "anonymous@sales", "user39@sales");
    for (unsigned i = 0; i < 40; i++) {
        char name[16], eap_id[32];
        (void)snprintf(name, sizeof(name), "number %u", i);
        (void)snprintf(eap_id, sizeof(eap_id), "user%u@sales", i);
        (void)proves_conn(&office, name, eap_id);
    }
    assert_int_equal(login(&office), IKE_OK);
    assert_string_equal(scenario_session(&office.world->b).conn->name, "number 39");
    office_free(&office);
    scenario_end(office.world);
}

/* The connection for the proven identity demands another method, group, Gateway or IDi: no way in. */
static void proven_identity_is_not_all(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        struct office office = proves_office(330 + i, "anonymous@sales", "anna@sales");
        (void)proves_conn(&office, "first", "*@research");
        struct ike_conn *second = proves_conn(&office, "second", "anna@sales");
        switch (i) {
        case 0: second->remote[0].conversation = 8; break;
        case 1:
            second->remote[0].credentials = 8;
            office.world->b.eap.member = 9;
            break;
        case 2: second->local[0].credentials = 8; break;
        case 3: strcpy(second->remote[0].id_pattern, "ben.ca2.user.example"); break;
        default: second->remote[0].method = IKE_AUTH_PUBKEY; break;
        }
        nobody_gets_in(&office);
    }
}

/* --- a Nak of the method (RFC 3748 section 5.3.1) --- */

enum { MD5 = 4, TLS = 13, MSCHAPV2 = 26 };

/* nak_office - two connections with one method each (0: any), and a peer that wants one. */
static struct office nak_office(uint64_t seed, const char *eap_id, const uint8_t types[2],
                                uint8_t wants)
{
    struct office office = says_office(seed, eap_id[0] == '\0' ? NULL : "anna@sales");
    says_conn(&office, "first", eap_id)->remote[0].eap_type = types[0];
    says_conn(&office, "second", eap_id)->remote[0].eap_type = types[1];
    office.world->a.eap.wants = wants;
    return office;
}

/* The peer refuses the method of the first connection: the login is one of the second, which has it. */
static void nak_of_the_first(void **state)
{
    static const struct {
        const char *eap_id;
        uint8_t types[2], wants;
        const char *taken;
        unsigned conversations;
    } rows[] = {
        {"%any", {MSCHAPV2, MD5}, MD5, "second", 2},
        {"", {MSCHAPV2, MD5}, MD5, "second", 2},
        {"%any", {MSCHAPV2, 0}, TLS, "second", 2},
        {"%any", {MSCHAPV2, MD5}, MSCHAPV2, "first", 1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct office office = nak_office(200 + i, rows[i].eap_id, rows[i].types, rows[i].wants);
        struct peer *gateway = &office.world->b;
        if (rows[i].types[1] == 0) /* a server chooses the method that the peer wants */
            office.world->a.eap.wants = 254;
        assert_int_equal(login(&office), IKE_OK);
        assert_string_equal(scenario_session(gateway).conn->name, rows[i].taken);
        assert_int_equal(gateway->eap.conversations, rows[i].conversations);
        assert_int_equal(gateway->eap.ended, rows[i].conversations - 1);
        office_free(&office);
        scenario_end(office.world);
    }
}

/* No connection has the method, or only one that may not be next; or the first one has several methods
 * and deals with the Nak itself. The peer gets in nowhere. */
static void nak_of_all(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        const uint8_t types[2] = {i == 5 ? 0 : MSCHAPV2, i == 0 ? TLS : MD5};
        struct office office = nak_office(210 + i, "%any", types, MD5);
        struct ike_conn *second = office.conns[1];
        switch (i) {
        case 1: second->local[0].credentials = 8; break;
        case 2: strcpy(second->remote[0].id_pattern, "ben.ca2.user.example"); break;
        case 3: second->remote[0].method = IKE_AUTH_PUBKEY; break;
        case 4: strcpy(second->remote[0].eap_id, "*@research"); break;
        default: break;
        }
        nobody_gets_in(&office);
    }
}

/* --- PPKs (RFC 8784) --- */

#define PPK "a PPK of at least 32 octets, which both ends know"

static void ppk_set(struct ike_conn *conn, const char *id, bool required)
{
    assert_int_equal(ppk_id_parse(id, conn->ppk_id), 0);
    strcpy(conn->ppk_pattern, id);
    conn->ppk_required = required;
}

static void ppk_of_the_second(void **state)
{
    static const struct {
        bool used;
        const char *second;
        bool required, taken;
    } rows[] = {
        {true, "anna-ppk", true, true},   {true, "ben-ppk", false, false},
        {true, "ben-ppk", true, false},   {true, "%any", false, true},
        {false, "anna-ppk", true, false}, {false, "anna-ppk", false, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct office office = office_of(50 + i, "anna.ca2.user.example");
        struct world *world = office.world;
        world->a.ppk_id = world->b.ppk_id = "anna-ppk";
        world->a.ppk = world->b.ppk = PPK;
        if (rows[i].used)
            ppk_set(world->conn_a, "anna-ppk", false);
        ppk_set(conn_add(&office, "first", 1), "%any", false);
        ppk_set(conn_add(&office, "second", 2), rows[i].second, rows[i].required);
        ike_ppk_set(world->a.ike, true);
        ike_ppk_set(world->b.ike, true);
        if (rows[i].taken)
            expect_conn(&office, "second", 2);
        else
            expect_refused(&office, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificate_of_the_second),
        cmocka_unit_test(specific_first),
        cmocka_unit_test(no_connection_fits),
        cmocka_unit_test(tried_once),
        cmocka_unit_test(bounded),
        cmocka_unit_test(wrong_signature),
        cmocka_unit_test(wrong_secret),
        cmocka_unit_test(second_demands_more),
        cmocka_unit_test(second_round_of_another),
        cmocka_unit_test(earlier_round_counts),
        cmocka_unit_test(another_gateway),
        cmocka_unit_test(another_certificate_of_ours),
        cmocka_unit_test(group_of_the_third),
        cmocka_unit_test(group_of_none),
        cmocka_unit_test(group_is_not_all),
        cmocka_unit_test(identity_of_the_second),
        cmocka_unit_test(identity_of_none),
        cmocka_unit_test(proven_identity_chooses),
        cmocka_unit_test(proven_identity_of_many),
        cmocka_unit_test(proven_identity_is_not_all),
        cmocka_unit_test(nak_of_the_first),
        cmocka_unit_test(nak_of_all),
        cmocka_unit_test(ppk_of_the_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
