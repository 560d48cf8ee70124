/* SPDX-License-Identifier: Apache-2.0 */
/* IKE_SA_INIT and IKE_AUTH: what they agree on, and every way in which they do not. */
#include <stdio.h>

#include "exchange/scenario.h"
#include "ike/terms/identity.h"
#include "ike/terms/proposal.h"
#include "wire/payloads.h"

static void ike_proposal(struct ike_conn *conn, const char *text)
{
    char error[PROPOSAL_TEXT_MAX];
    conn->proposals.n = 1;
    assert_int_equal(proposal_parse(WIRE_PROTO_IKE, text, &conn->proposals.proposals[0], error), 0);
}

static void expect_nothing_left(struct world *world)
{
    world_run(world, 60 * NANOS_PER_SEC);
    assert_int_equal(world_n_sas(&world->a) + world_n_sas(&world->b), 0);
    assert_int_equal(world->b.n_leases, 0);
    struct ike_stats stats;
    ike_stats_get(world->b.ike, &stats);
    assert_int_equal(stats.half_open + stats.sessions + stats.children, 0);
    scenario_end(world);
}

/* --- IKE_SA_INIT --- */

static void another_group(void **state)
{
    (void)state;
    struct world *world = world_new(1);
    ike_proposal(world->conn_a, "aes128gcm16-prfsha256-x25519-ecp256-ecp384");
    ike_proposal(world->conn_b, "aes128gcm16-prfsha256-ecp384");
    scenario_watch(world);
    scenario_login(world);
    assert_int_equal(scenario_count(world, "IKE_SA_INIT request"), 2);
    assert_int_equal(scenario_count(world, "IKE_SA_INIT response: N(INVALID_KE_PAYLOAD)"), 1);
    assert_int_equal(scenario_sa(&world->a, world_sa(&world->a, 0)).ke, 20);
    scenario_end(world);
}

static uint8_t named_group; /* 0: now this one, now that one */
static uint8_t asked_group;
static enum scenario_fate refuse_group(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (m->header.exchange != WIRE_IKE_SA_INIT)
        return SCENARIO_PASS;
    if (to_b) {
        const uint8_t *ke = message_octets(m, message_find(m, WIRE_PAYLOAD_KE));
        assert_true(ke[0] == 0 && (ke[1] == 31 || ke[1] == 19)); /* what we offer */
        return SCENARIO_PASS;
    }
    uint8_t other = asked_group == 31 ? 19 : 31;
    asked_group = other;
    message_clear(m);
    m->header.spi_r = 0;
    message_append_notify(m, N_INVALID_KE_PAYLOAD,
                          span_of((uint8_t[2]){0, named_group != 0 ? named_group : other}, 2));
    return SCENARIO_CHANGED;
}

/* groups that we did not offer, the one that we sent (hints: another answer may come, for two
 * seconds), and a responder that never settles. */
static void group_loop(void **state)
{
    (void)state;
    static const uint8_t groups[] = {1, 14, 31, 19, 0};
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        struct world *world = world_new(2);
        ike_proposal(world->conn_a, "aes128gcm16-prfsha256-x25519-ecp256");
        named_group = groups[i];
        asked_group = 31;
        scenario_edit(world, refuse_group);
        scenario_watch(world);
        world_start(world);
        assert_int_equal(world_connect(world), IKE_KE_REFUSED);
        assert_true(scenario_count(world, "IKE_SA_INIT request") <= 8);
        expect_nothing_left(world);
    }
}

/* notice_of - the last one; NULL: none. */
static const char *notice_of(const struct peer *peer)
{
    const char *text = NULL;
    for (size_t i = 0; i < peer->n_events && i < WORLD_EVENTS; i++)
        if (peer->events[i].kind == IKE_EV_NOTICE)
            text = peer->events[i].notice;
    return text;
}

static void no_proposal(void **state)
{
    (void)state;
    struct world *world = world_new(3);
    ike_proposal(world->conn_a, "aes128gcm16-prfsha256-x25519");
    ike_proposal(world->conn_b, "aes256-sha256-ecp256");
    scenario_watch(world);
    world_start(world);
    uint64_t tag = world_post(
        &world->a,
        (struct ike_command){.kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(0)});
    world_run(world, 3 * NANOS_PER_SEC);
    const struct ike_event *done = world_done(&world->a, tag);
    assert_non_null(done);
    assert_int_equal(done->outcome, IKE_NO_PROPOSAL);
    assert_int_equal(done->notify, N_NO_PROPOSAL_CHOSEN);
    assert_int_equal(scenario_count(world, "IKE_SA_INIT response: N(NO_PROPOSAL_CHOSEN)"), 2);
    assert_non_null(strstr(notice_of(&world->a), "for IKE the peer takes: aes256-sha256-prfsha256-"
                                                 "ecp256"));
    expect_nothing_left(world);
}

/* the same for the first Child SA; a peer without our Vendor ID gets the bare notify */
static void no_child_proposal(void **state)
{
    (void)state;
    for (int known = 0; known < 2; known++) {
        struct world *world = world_new(4);
        world->conn_a->clone = known ? IKE_CLONE_BOTH : IKE_CLONE_RFC7791;
        char error[PROPOSAL_TEXT_MAX];
        struct ike_proposal_list *list = &world->conn_b->children[0].proposals;
        list->n = 1;
        assert_int_equal(
            proposal_parse(WIRE_PROTO_ESP, "aes256-sha512", &list->proposals[0], error), 0);
        world->conn_a->children[0].proposals.n = 1;
        world_start(world);
        assert_int_equal(world_connect(world), IKE_NO_PROPOSAL);
        assert_int_equal(world_n_sas(&world->a), 1);
        if (known)
            assert_non_null(
                strstr(notice_of(&world->a), "for the Child SA the peer takes: aes256-sha512"));
        else
            assert_null(notice_of(&world->a));
        scenario_end(world);
    }
}

/* The value of a pre-shared key under the name of another method (section 3.8). */
static enum scenario_fate other_method(struct world *world, bool to_b, struct message *m)
{
    size_t auth = message_find(m, WIRE_PAYLOAD_AUTH);
    (void)world;
    if (!to_b || m->header.exchange != WIRE_IKE_AUTH || auth == m->n)
        return SCENARIO_PASS;
    message_octets(m, auth)[0] = 1; /* RSA Digital Signature */
    return SCENARIO_CHANGED;
}

static void method_of_another(void **state)
{
    (void)state;
    struct world *world = world_new(6);
    scenario_edit(world, other_method);
    world_start(world);
    assert_int_equal(world_connect(world), IKE_AUTH_FAILED);
    expect_nothing_left(world);
}

/* what anyone may claim to take: never more than algorithms, and nothing at all if it is malformed
 */
static const struct span *claimed;
static enum scenario_fate claim(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (to_b || m->header.exchange != WIRE_IKE_SA_INIT)
        return SCENARIO_PASS;
    message_clear(m);
    m->header.spi_r = 0;
    message_append_notify(m, N_NO_PROPOSAL_CHOSEN, *claimed);
    return SCENARIO_CHANGED;
}

static void forged_list(void **state)
{
    (void)state;
    static const uint8_t short_body[] = {0, 0, 0, 12, 1, 1, 0, 1, 3, 0, 0};
    static const uint8_t unknown[] = {0, 0, 0, 16, 1, 1, 0, 1, 0, 0, 0, 8, 1, 0, 0xff, 0xff};
    const struct span claims[] = {span_of(short_body, sizeof(short_body)), span_of("%s%s%n\n", 7),
                                  span_of(unknown, sizeof(unknown))};
    for (size_t i = 0; i < ARRAY_LEN(claims); i++) {
        struct world *world = world_new(5);
        claimed = &claims[i];
        scenario_edit(world, claim);
        world_start(world);
        assert_int_equal(world_connect(world), IKE_NO_PROPOSAL);
        const char *text = notice_of(&world->a);
        if (i == 2)
            assert_string_equal(text, "for IKE the peer takes: ");
        else
            assert_null(text);
        expect_nothing_left(world);
    }
}

/* somebody on the way says no before the responder says yes. */
static bool said_no;
static enum scenario_fate say_no_first(struct world *world, bool to_b, struct message *m)
{
    uint8_t octets[64];
    if (!to_b || m->header.exchange != WIRE_IKE_SA_INIT || said_no)
        return SCENARIO_PASS;
    said_no = true;
    struct wire_builder b = wire_builder_of(octets + IKE_HEADER_LEN, 32);
    wire_add_notify(&b, N_NO_PROPOSAL_CHOSEN, (struct span){0});
    struct ike_header header = m->header;
    header.next_payload = b.first;
    header.flags = IKE_FLAG_RESPONSE;
    header.length = (uint32_t)(IKE_HEADER_LEN + b.w.len);
    ike_header_write(&header, octets);
    struct ike_path path = world_path(0);
    for (int i = 0; i < 10; i++)
        ike_recv(world->a.ike, &path, span_of(octets, header.length), world->now);
    return SCENARIO_NOTED;
}

static void forged_refusal(void **state)
{
    (void)state;
    struct world *world = world_new(20);
    said_no = false;
    scenario_edit(world, say_no_first);
    scenario_login(world);
    assert_true(said_no);
    scenario_end(world);
}

static enum scenario_fate lose_auth_of_first(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    (void)to_b;
    return m->sa == 1 && m->header.exchange == WIRE_IKE_AUTH ? SCENARIO_LOST : SCENARIO_PASS;
}

static void cookie(void **state)
{
    (void)state;
    struct world *world = world_new(4);
    world_restart(&world->b, (struct ike_options){.cookie_threshold = 1});
    world_start(world);
    scenario_edit(world, lose_auth_of_first);
    scenario_watch(world);
    world_post(&world->a, (struct ike_command){
                              .kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(1)});
    world_run(world, 100 * NANOS_PER_MS);
    scenario_watch(world);
    assert_int_equal(world_connect(world), IKE_OK);
    assert_int_equal(scenario_count(world, "#2 a:500 -> b:500 IKE_SA_INIT request: SA(IKE)"), 1);
    assert_int_equal(scenario_count(world, "#2 b:500 -> a:500 IKE_SA_INIT response: N(COOKIE)"), 1);
    /* RFC 7296 section 2.6: the cookie comes first, and all else is as it was */
    assert_int_equal(
        scenario_count(world, "#2 a:500 -> b:500 IKE_SA_INIT request: N(COOKIE) SA(IKE) KE NONCE"),
        1);
    world_run(world, 400 * NANOS_PER_SEC);
    struct ike_stats stats;
    ike_stats_get(world->b.ike, &stats);
    assert_int_equal(stats.half_open, 0);
    assert_int_equal(stats.cookies_sent, 1);
    world_free(world);
}

static enum scenario_fate demand_cookies(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (to_b || m->header.exchange != WIRE_IKE_SA_INIT)
        return SCENARIO_PASS;
    message_clear(m);
    m->header.spi_r = 0;
    message_append_notify(m, N_COOKIE, span_of("give me another one", 19));
    return SCENARIO_CHANGED;
}

static void cookie_loop(void **state)
{
    (void)state;
    struct world *world = world_new(5);
    scenario_edit(world, demand_cookies);
    scenario_watch(world);
    world_start(world);
    assert_int_equal(world_connect(world), IKE_INVALID_SYNTAX);
    assert_int_equal(scenario_count(world, "IKE_SA_INIT request"), 4);
    expect_nothing_left(world);
}

/* --- identities and secrets --- */

static void gateway_refuses_identity(void **state)
{
    (void)state;
    struct world *world = world_new(6);
    strcpy(world->conn_b->remote[0].id_pattern, "*.staff.example");
    scenario_watch(world);
    world_start(world);
    assert_int_equal(world_connect(world), IKE_AUTH_FAILED);
    /* the same as with a wrong secret */
    assert_int_equal(scenario_count(world, "IKE_AUTH response: N(AUTHENTICATION_FAILED)"), 1);
    expect_nothing_left(world);
}

static void wanted_gateway_is_another(void **state)
{
    (void)state;
    struct world *world = world_new(7);
    assert_int_equal(identity_parse("gw2.example", &world->conn_a->remote[0].id), 0);
    world_start(world);
    assert_int_equal(world_connect(world), IKE_AUTH_FAILED);
    expect_nothing_left(world);
}

/* RFC 7296 section 2.15: IDr names one identity, so there is none for a pattern. */
static void one_of_many_gateways(void **state)
{
    (void)state;
    struct world *world = world_new(7);
    assert_int_equal(identity_parse("*.example", &world->conn_a->remote[0].id), 0);
    strcpy(world->conn_a->remote[0].id_pattern, "*.example");
    scenario_watch(world);
    scenario_login(world);
    assert_int_equal(scenario_count(world, "IKE_AUTH request: IDi N(INITIAL_CONTACT) AUTH"), 1);
    assert_int_equal(scenario_count(world, "IKE_AUTH response: IDr AUTH"), 1);
    scenario_end(world);
}

/* A26, RFC 7296 section 2.21.2: the Gateway believes that all is well, and is told. */
static void user_refuses_identity(void **state)
{
    (void)state;
    struct world *world = world_new(8);
    world->conn_a->remote[0].id = (struct ike_id){0};
    strcpy(world->conn_a->remote[0].id_pattern, "gw2.example");
    scenario_watch(world);
    world_start(world);
    assert_int_equal(world_connect(world), IKE_ID_MISMATCH);
    assert_int_equal(
        scenario_count(world, "a -> b INFORMATIONAL request: N(AUTHENTICATION_FAILED)"), 1);
    assert_int_equal(world_n_sas(&world->b), 0);
    expect_nothing_left(world);
}

static void wrong_secret(void **state)
{
    (void)state;
    struct world *world = world_new(9);
    world->a.psk = "a secret of botH";
    scenario_watch(world);
    world_start(world);
    assert_int_equal(world_connect(world), IKE_AUTH_FAILED);
    assert_int_equal(scenario_count(world, "IKE_AUTH response: N(AUTHENTICATION_FAILED)"), 1);
    expect_nothing_left(world);
}

static enum scenario_fate spoil_auth_of_b(struct world *world, bool to_b, struct message *m)
{
    size_t at = message_find(m, WIRE_PAYLOAD_AUTH);
    (void)world;
    if (to_b || at == m->n)
        return SCENARIO_PASS;
    message_octets(m, at)[10] ^= 1;
    return SCENARIO_CHANGED;
}

static void gateway_does_not_prove_itself(void **state)
{
    (void)state;
    struct world *world = world_new(10);
    scenario_edit(world, spoil_auth_of_b);
    world_start(world);
    assert_int_equal(world_connect(world), IKE_PEER_AUTH_FAILED);
    assert_int_equal(world->a.counts[IKE_EV_SESSION_UP], 0);
    expect_nothing_left(world);
}

/* nothing but IKE_AUTH is answered before authentication. */
static enum scenario_fate clone_early(struct world *world, bool to_b, struct message *m)
{
    static bool done;
    if (!to_b || m->header.exchange != WIRE_IKE_AUTH || world->hook_context == &done)
        return SCENARIO_PASS;
    world->hook_context = &done;
    m->header.exchange = WIRE_CREATE_CHILD_SA;
    return SCENARIO_CHANGED;
}

static void nothing_before_authentication(void **state)
{
    (void)state;
    struct world *world = world_new(11);
    scenario_edit(world, clone_early);
    scenario_watch(world);
    scenario_login(world);
    assert_int_equal(scenario_count(world, "CREATE_CHILD_SA request"), 1);
    assert_int_equal(scenario_count(world, "CREATE_CHILD_SA response"), 0);
    scenario_end(world);
}

/* --- the first Child SA --- */

static void childless(void **state)
{
    (void)state;
    struct world *world = world_new(12);
    world->conn_a->childless = IKE_CHILDLESS_FORCE;
    scenario_watch(world);
    scenario_login(world);
    assert_int_equal(
        scenario_count(world, "IKE_AUTH request: IDi N(INITIAL_CONTACT) IDr AUTH CP(REQUEST) N("),
        1);
    assert_int_equal(world_n_children(&world->a), 0);
    assert_int_equal(scenario_session(&world->a).config.n_addresses, 1);
    scenario_create(&world->a, world_sa(&world->a, 0));
    scenario_end(world);
}

/* RFC 6023: on request the IKE SA only. A responder that did not announce it gets no such request. */
static enum scenario_fate announces_nothing(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    size_t at = message_find_notify(m, N_CHILDLESS_IKEV2_SUPPORTED);
    if (to_b || m->header.exchange != WIRE_IKE_SA_INIT || at == m->n)
        return SCENARIO_PASS;
    message_remove(m, at);
    return SCENARIO_CHANGED;
}

static void alone_on_request(void **state)
{
    (void)state;
    for (int announced = 0; announced < 2; announced++) {
        struct world *world = world_new(12);
        if (!announced)
            scenario_edit(world, announces_nothing);
        scenario_watch(world);
        world_start(world);
        enum ike_outcome outcome =
            world_command(&world->a, (struct ike_command){.kind = IKE_CMD_CONNECT,
                                                          .conn = world->conn_a->name,
                                                          .alone = true,
                                                          .path = world_path(0)});
        assert_int_equal(outcome, announced ? IKE_OK : IKE_PROTOCOL_ERROR);
        assert_int_equal(scenario_count(world, "IKE_AUTH request"), announced ? 1 : 0);
        assert_int_equal(world_n_children(&world->a), 0);
        assert_int_equal(world_n_sas(&world->a), announced);
        if (announced)
            scenario_create(&world->a, world_sa(&world->a, 0));
        else
            world_run(world, 60 * NANOS_PER_SEC); /* the Gateway forgets it */
        scenario_end(world);
    }
}

static void both_families(void **state)
{
    (void)state;
    struct world *world = world_new(13);
    struct ike_config lease = {.n_addresses = 2, .n_dns = 1};
    assert_true(address_parse("10.9.0.7", &lease.addresses[0]));
    assert_true(address_parse("2001:db8:9::7", &lease.addresses[1]));
    assert_true(address_parse("10.1.0.53", &lease.dns[0]));
    world->b.lease = &lease;
    world->conn_a->n_vips = 2;
    world->conn_a->vips[1].family = ADDRESS_V6;
    scenario_login(world);
    struct ike_config got = scenario_session(&world->a).config;
    assert_memory_equal(&got, &lease, sizeof(got));
    struct ike_child_info child;
    assert_true(ike_child_get(world->a.ike, world_child(&world->a, 0), &child));
    assert_int_equal(child.local_ts.n, 2);
    assert_true(address_equal(&child.local_ts.ts[0].range.first, &lease.addresses[0]));
    assert_true(address_equal(&child.local_ts.ts[0].range.last, &lease.addresses[0]));
    scenario_end(world);
}

/* --- split DNS (RFC 8598) --- */

static size_t n_domain_requests;

static enum scenario_fate count_domain_requests(struct world *world, bool to_b, struct message *m)
{
    struct wire_cfg cfg;
    (void)world;
    size_t at = message_find(m, WIRE_PAYLOAD_CP);
    if (!to_b || at == m->n || !wire_cfg_read(message_body(m, at), &cfg))
        return SCENARIO_PASS;
    for (size_t i = 0; i < cfg.n; i++)
        n_domain_requests += cfg.attributes[i].type == INTERNAL_DNS_DOMAIN;
    return SCENARIO_CHANGED;
}

/* lease_dns - what the Gateway of the world gives: a server if `server`, and these domains. */
static struct ike_config lease_dns(bool server, const char *domains)
{
    struct ike_config lease = {.n_addresses = 1, .n_dns = server ? 1 : 0};
    assert_true(address_parse("10.9.0.7", &lease.addresses[0]));
    assert_true(address_parse("10.1.0.53", &lease.dns[0]));
    (void)snprintf(lease.domains.text, sizeof(lease.domains.text), "%s", domains);
    return lease;
}

/* domains_got - the domains that the End User has after a login. */
static void domains_got(bool asks, const char *accepted, struct ike_config *lease, const char *want)
{
    struct world *world = world_new(15);
    n_domain_requests = 0;
    world->b.lease = lease;
    world->conn_a->split_dns = asks;
    (void)snprintf(world->conn_a->dns_domains->text, sizeof(world->conn_a->dns_domains->text), "%s",
                   accepted);
    scenario_edit(world, count_domain_requests);
    scenario_login(world);
    assert_int_equal(n_domain_requests, asks ? 1 : 0);
    assert_string_equal(scenario_session(&world->a).config.domains.text, want);
    scenario_end(world);
}

static void split_dns(void **state)
{
    (void)state;
    struct ike_config lease = lease_dns(true, "corp.example city.other.test");
    domains_got(true, "", &lease, "corp.example city.other.test");
    domains_got(false, "", &lease, ""); /* it did not ask */
    lease = lease_dns(true, "");
    domains_got(true, "", &lease, ""); /* a Gateway without split DNS */
}

/* The connection says which domains it takes, and without its word no top-level domain is. */
static void split_dns_policy(void **state)
{
    (void)state;
    struct ike_config lease = lease_dns(true, "com eng.corp.example lan other.example");
    domains_got(true, "", &lease, "eng.corp.example other.example");
    domains_got(true, "corp.example lan", &lease, "eng.corp.example lan");
    domains_got(true, "nothing.example", &lease, "nothing.example");
    lease = lease_dns(true, "");
    domains_got(true, "corp.example", &lease, "corp.example");
}

/* What would be a line of /etc/resolv.conf or an option of resolvectl is not a domain. */
static void split_dns_hostile(void **state)
{
    (void)state;
    struct ike_config lease = lease_dns(true, "a.b\nnameserver -x.y c.d ~. a..b");
    domains_got(true, "", &lease, "c.d");
    lease = lease_dns(false, "corp.example"); /* nothing to ask for it */
    domains_got(true, "", &lease, "");
    domains_got(true, "corp.example", &lease, "");
}

/* --- encrypted DNS (RFC 9464) --- */

/* add_resolver - one more of another priority at the end of the CFG_REPLY. */
static enum scenario_fate add_resolver(struct world *world, bool to_b, struct message *m)
{
    static const uint8_t attribute[] = {0,   27,  0,   19, 0, 2, 1, 3, 10,  1,   0,  54,
                                        'a', '.', 'b', 0,  1, 0, 4, 3, 'd', 'o', 't'};
    uint8_t octets[512];
    (void)world;
    size_t at = message_find(m, WIRE_PAYLOAD_CP);
    if (to_b || at == m->n)
        return SCENARIO_PASS;
    struct writer w = writer_of(octets, sizeof(octets));
    write_bytes(&w, message_body(m, at));
    write_bytes(&w, span_of(attribute, sizeof(attribute)));
    message_remove(m, at);
    message_insert(m, at, WIRE_PAYLOAD_CP, span_of(octets, w.len));
    return SCENARIO_CHANGED;
}

/* An End User that asks gets the resolver of the lowest number; one that does not ask takes none. */
static void encrypted_dns(void **state)
{
    (void)state;
    for (int asks = 0; asks < 2; asks++) {
        struct world *world = world_new(16);
        struct ike_config lease = {.n_addresses = 1,
                                   .encrypted_dns = {.n = 1, .port = 8853, .name = "dns.example"}};
        assert_true(address_parse("10.9.0.7", &lease.addresses[0]));
        assert_true(address_parse("10.1.0.53", &lease.encrypted_dns.servers[0]));
        world->b.lease = &lease;
        world->conn_a->encrypted_dns = asks == 1;
        scenario_edit(world, add_resolver);
        scenario_login(world);
        struct encrypted_dns got = scenario_session(&world->a).config.encrypted_dns;
        assert_true(encrypted_dns_equal(&got, asks == 1 ? &lease.encrypted_dns
                                                        : &(struct encrypted_dns){.n = 0}));
        scenario_end(world);
    }
}

/* what goes wrong with the Child SA alone leaves the IKE SA, and no trace of the rest. */
static void pool_exhausted(void **state)
{
    (void)state;
    for (int without = 0; without < 2; without++) {
        struct world *world = world_new(14);
        world->b.refuse_lease = true;
        if (without)
            world->conn_a->childless = IKE_CHILDLESS_FORCE;
        scenario_watch(world);
        world_start(world);
        assert_int_equal(world_connect(world), IKE_ADDRESS_FAILURE);
        assert_int_equal(scenario_count(world, "response: IDr AUTH N(INTERNAL_ADDRESS_FAILURE) N("),
                         1);
        assert_int_equal(world_n_sas(&world->b), 1);
        assert_int_equal(world_n_children(&world->b), 0);
        assert_int_equal(world->b.n_leases, 0);
        scenario_end(world);
    }
}

static enum scenario_fate drop_address(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    size_t at = message_find(m, WIRE_PAYLOAD_CP);
    if (to_b || at == m->n)
        return SCENARIO_PASS;
    message_remove(m, at);
    return SCENARIO_CHANGED;
}

static void no_address(void **state)
{
    (void)state;
    struct world *world = world_new(15);
    scenario_edit(world, drop_address);
    world_start(world);
    assert_int_equal(world_connect(world), IKE_ADDRESS_FAILURE);
    world_run(world, NANOS_PER_SEC);
    assert_int_equal(world_n_children(&world->a), 0);
    assert_int_equal(world_n_children(&world->b), 0);
    scenario_end(world);
}

static void set_lan(struct ike_conn *conn, bool local, const char *text)
{
    struct ike_ts_policy *lan = local ? &conn->children[0].local_ts : &conn->children[0].remote_ts;
    assert_true(range_parse(text, &lan->fixed.ts[0].range));
}

static void narrowed(void **state)
{
    (void)state;
    struct world *world = world_new(16);
    set_lan(world->conn_a, false, "10.0.0.0/8");
    scenario_login(world);
    struct ike_child_info child;
    struct address_range want;
    assert_true(range_parse("10.1.0.0/16", &want));
    assert_true(ike_child_get(world->a.ike, world_child(&world->a, 0), &child));
    assert_int_equal(child.remote_ts.n, 1);
    assert_memory_equal(&child.remote_ts.ts[0].range, &want, sizeof(want));
    scenario_end(world);
}

static void disjoint(void **state)
{
    (void)state;
    struct world *world = world_new(17);
    set_lan(world->conn_a, false, "172.16.0.0/12");
    scenario_watch(world);
    world_start(world);
    assert_int_equal(world_connect(world), IKE_TS_REFUSED);
    assert_int_equal(scenario_count(world, "IDr AUTH CP(REPLY) N(TS_UNACCEPTABLE)"), 1);
    assert_int_equal(world_n_sas(&world->a), 1);
    assert_int_equal(world_n_children(&world->a), 0);
    assert_int_equal(world->b.n_leases, 1);
    scenario_end(world);
}

/* a responder narrows, it does not widen. An End User gets its own address, no other. */
static uint8_t widened;
static enum scenario_fate widen(struct world *world, bool to_b, struct message *m)
{
    size_t at = message_find(m, widened);
    (void)world;
    if (to_b != (widened == WIRE_PAYLOAD_TSi) || at == m->n)
        return SCENARIO_PASS;
    /* one selector of IPv4: header 4, type 1, protocol 1, length 2, ports 4, first 4, last 4 */
    memcpy(message_octets(m, at) + 12, (uint8_t[8]){10, 9, 0, 99, 10, 9, 0, 99}, 8);
    return SCENARIO_CHANGED;
}

static void selectors_of_a_liar(void **state)
{
    (void)state;
    struct world *world = world_new(18);
    scenario_edit(world, widen);
    scenario_watch(world);
    widened = WIRE_PAYLOAD_TSr;
    world_start(world);
    assert_int_equal(world_connect(world), IKE_TS_REFUSED);
    world_run(world, NANOS_PER_SEC);
    assert_int_equal(scenario_count(world, "a -> b INFORMATIONAL request: D(ESP)"), 1);
    assert_int_equal(world_n_children(&world->a) + world_n_children(&world->b), 0);
    scenario_end(world);

    world = world_new(18);
    scenario_edit(world, widen);
    scenario_watch(world);
    widened = WIRE_PAYLOAD_TSi;
    world_start(world);
    assert_int_equal(world_connect(world), IKE_TS_REFUSED);
    assert_int_equal(scenario_count(world, "N(TS_UNACCEPTABLE)"), 1);
    scenario_end(world);
}

/* --- one user, several logins (A-22) --- */

static bool strip;
static enum scenario_fate strip_initial_contact(struct world *world, bool to_b, struct message *m)
{
    size_t at = message_find_notify(m, N_INITIAL_CONTACT);
    (void)world;
    (void)to_b;
    if (!strip || at == m->n)
        return SCENARIO_PASS;
    message_remove(m, at);
    return SCENARIO_CHANGED;
}

static const struct {
    enum ike_unique unique;
    bool initial_contact;
    enum ike_outcome outcome;
    unsigned sessions, sas; /* at the Gateway, afterwards */
} uniqueness[] = {
    /* from where its session is; from elsewhere: session_test.c */
    {IKE_UNIQUE_NO, true, IKE_OK, 1, 1},      {IKE_UNIQUE_NO, false, IKE_OK, 2, 4},
    {IKE_UNIQUE_REPLACE, true, IKE_OK, 1, 1}, {IKE_UNIQUE_REPLACE, false, IKE_OK, 1, 1},
    {IKE_UNIQUE_KEEP, true, IKE_OK, 1, 1},    {IKE_UNIQUE_KEEP, false, IKE_OK, 1, 1},
    {IKE_UNIQUE_NEVER, true, IKE_OK, 2, 4},   {IKE_UNIQUE_NEVER, false, IKE_OK, 2, 4},
};

static void one_user_twice(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(uniqueness); i++) {
        struct world *world = world_new(30 + i);
        world->conn_b->unique = uniqueness[i].unique;
        strip = !uniqueness[i].initial_contact;
        scenario_edit(world, strip_initial_contact);
        scenario_watch(world);
        scenario_login(world);
        /* a clone is not a second login, and INITIAL_CONTACT is not said within a session */
        scenario_clone(&world->a, scenario_clone(&world->a, world_sa(&world->a, 0)));
        assert_int_equal(world_n_sas(&world->b), 3);
        assert_int_equal(scenario_count(world, "#2"), 2);
        assert_int_equal(world->b.counts[IKE_EV_SESSION_DOWN], 0);
        world_restart(&world->a, (struct ike_options){0});
        assert_int_equal(ike_conn_add(world->a.ike, world->conn_a), 0);
        assert_int_equal(world_connect(world), uniqueness[i].outcome);
        world_run(world, 400 * NANOS_PER_SEC);
        struct ike_stats stats;
        ike_stats_get(world->b.ike, &stats);
        assert_int_equal(stats.sessions, uniqueness[i].sessions);
        assert_int_equal(stats.established, uniqueness[i].sas);
        assert_int_equal(world->b.n_leases, uniqueness[i].sessions);
        world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_group),
        cmocka_unit_test(group_loop),
        cmocka_unit_test(no_proposal),
        cmocka_unit_test(no_child_proposal),
        cmocka_unit_test(method_of_another),
        cmocka_unit_test(forged_list),
        cmocka_unit_test(forged_refusal),
        cmocka_unit_test(cookie),
        cmocka_unit_test(cookie_loop),
        cmocka_unit_test(gateway_refuses_identity),
        cmocka_unit_test(wanted_gateway_is_another),
        cmocka_unit_test(one_of_many_gateways),
        cmocka_unit_test(user_refuses_identity),
        cmocka_unit_test(wrong_secret),
        cmocka_unit_test(gateway_does_not_prove_itself),
        cmocka_unit_test(nothing_before_authentication),
        cmocka_unit_test(childless),
        cmocka_unit_test(alone_on_request),
        cmocka_unit_test(both_families),
        cmocka_unit_test(split_dns),
        cmocka_unit_test(split_dns_policy),
        cmocka_unit_test(split_dns_hostile),
        cmocka_unit_test(encrypted_dns),
        cmocka_unit_test(pool_exhausted),
        cmocka_unit_test(no_address),
        cmocka_unit_test(narrowed),
        cmocka_unit_test(disjoint),
        cmocka_unit_test(selectors_of_a_liar),
        cmocka_unit_test(one_user_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
