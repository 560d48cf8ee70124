/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What holds for every message, whichever exchange it is of (RFC 7296): looked at in a session that
 * has them all. And what is not to be said, or not yet.
 */
#include <stdio.h>

#include "exchange/scenario.h"
#include "ike/core/ike_state.h"
#include "ike/terms/proposal.h"
#include "wire/payloads.h"

#define SECONDS(n) ((nanos)(n)*NANOS_PER_SEC)
#define SEEN_MAX   256

/* --- values that are never used twice --- */

struct values {
    size_t n;
    struct {
        size_t len;
        uint8_t octets[64];
    } seen[SEEN_MAX];
};
static struct values nonces, keys, ivs, cookies;

/* is_new - and noted; the beginning of a longer value stands for it. */
static bool is_new(struct values *values, struct span value)
{
    size_t len = value.len < 64 ? value.len : 64;
    for (size_t i = 0; i < values->n; i++)
        if (values->seen[i].len == len && memcmp(values->seen[i].octets, value.ptr, len) == 0)
            return false;
    assert_true(values->n < SEEN_MAX);
    values->seen[values->n].len = len;
    memcpy(values->seen[values->n++].octets, value.ptr, len);
    return true;
}

static uint16_t named_group;  /* by INVALID_KE_PAYLOAD, for the next request; 0: none */
static uint16_t agreed_group; /* of an IKE SA: its next one is asked for with it */

static bool offers_group(const struct wire_sa *sa, uint16_t group)
{
    for (size_t i = 0; i < sa->n; i++)
        for (size_t j = 0; j < sa->proposals[i].n; j++)
            if (sa->proposals[i].transforms[j].type == WIRE_KE &&
                (group == 0 || sa->proposals[i].transforms[j].id == group))
                return true;
    return false;
}

static uint16_t first_group(const struct wire_sa *sa)
{
    for (size_t j = 0; j < sa->proposals[0].n; j++)
        if (sa->proposals[0].transforms[j].type == WIRE_KE)
            return sa->proposals[0].transforms[j].id;
    return 0;
}

/* Sections 1.3 and 3.4: the group of KE is one of the offer: the first, or one of which it is known
 * that the responder takes it; and without a group in the offer there is no KE. */
static void check_ke(const struct message *m, bool response)
{
    static struct wire_sa sa;
    struct wire_ke ke;
    size_t at_sa = message_find(m, WIRE_PAYLOAD_SA), at_ke = message_find(m, WIRE_PAYLOAD_KE);
    if (at_sa == m->n)
        return;
    assert_true(wire_sa_read(message_body(m, at_sa), &sa));
    assert_int_equal(at_ke < m->n, offers_group(&sa, 0));
    if (at_ke == m->n)
        return;
    assert_true(wire_ke_read(message_body(m, at_ke), &ke));
    assert_true(offers_group(&sa, ke.group));
    if (!response && (sa.proposals[0].protocol != WIRE_PROTO_IKE || ke.group != agreed_group))
        assert_int_equal(ke.group, named_group != 0 ? named_group : first_group(&sa));
    if (response && sa.proposals[0].protocol == WIRE_PROTO_IKE)
        agreed_group = ke.group;
    named_group = 0;
    assert_true(is_new(&keys, ke.public_value)); /* section 2.18: each time anew */
}

/* Section 1.2: whatever is answered in the open, each request offers the same. */
static struct span first_offer;
static void check_offer(const struct message *m, bool response)
{
    static uint8_t octets[1024];
    if (m->header.exchange != WIRE_IKE_SA_INIT || response)
        return;
    struct span offer = message_body(m, message_find(m, WIRE_PAYLOAD_SA));
    if (first_offer.len > 0)
        assert_true(span_equal(offer, first_offer));
    assert_true(offer.len <= sizeof(octets));
    memcpy(octets, offer.ptr, offer.len);
    first_offer = span_of(octets, offer.len);
}

/* Sections 2.10 and 3.9: random, long enough for each PRF, and never the same. */
static void check_nonce(const struct message *m, bool response)
{
    size_t at = message_find(m, WIRE_PAYLOAD_NONCE);
    if (at == m->n)
        return;
    assert_in_range(message_body(m, at).len, 32, 256);
    bool again = m->header.exchange == WIRE_IKE_SA_INIT && !response && first_offer.len > 0;
    assert_int_equal(is_new(&nonces, message_body(m, at)), !again);
}

/* Section 3.15: reserved octets and bits are zero. */
static void check_cp(const struct message *m)
{
    size_t at = message_find(m, WIRE_PAYLOAD_CP);
    if (at == m->n)
        return;
    struct span body = message_body(m, at);
    assert_int_equal(body.ptr[1] | body.ptr[2] | body.ptr[3], 0);
    for (size_t i = 4; i < body.len; i += 4u + body.ptr[i + 3])
        assert_int_equal(body.ptr[i] & 0x80, 0);
}

/* RFC 4555 section 4.2.5: 8 to 64 octets that nobody can foresee; they come back as they were. */
static void check_cookie2(const struct message *m, bool response)
{
    size_t at = message_find_notify(m, N_COOKIE2);
    if (at == m->n)
        return;
    assert_in_range(message_body(m, at).len - 4, 8, 64);
    assert_int_equal(is_new(&cookies, message_body(m, at)), !response);
}

static unsigned n_checked;
static enum scenario_fate check_message(struct world *world, bool to_b, struct message *m)
{
    bool response = ike_header_response(&m->header);
    size_t ke = message_find_notify(m, N_INVALID_KE_PAYLOAD);
    (void)world;
    (void)to_b;
    assert_int_equal(m->header.version, IKE_VERSION);
    check_ke(m, response);
    check_nonce(m, response);
    check_offer(m, response);
    check_cp(m);
    check_cookie2(m, response);
    if (ke < m->n)
        named_group = (uint16_t)(message_octets(m, ke)[4] << 8 | message_octets(m, ke)[5]);
    n_checked++;
    return SCENARIO_NOTED;
}

/* Section 3.14: no key sees an IV twice. What is repeated is the same, octet by octet. */
static bool check_iv(struct world *world, bool to_b, struct ike_datagram *d)
{
    uint8_t value[18 + 16];
    (void)world;
    (void)to_b;
    if (d->octets[16] != WIRE_PAYLOAD_SK)
        return true;
    memcpy(value, d->octets, 16); /* SPIs */
    value[16] = d->octets[19] & IKE_FLAG_INITIATOR;
    value[17] = 0;
    memcpy(value + 18, d->octets + IKE_HEADER_LEN + 4, 16);
    /* of AES-GCM 8 octets, of AES-CBC 16; what follows is of the same use */
    assert_true(is_new(&ivs, span_of(value, 18 + 8)));
    return true;
}

static void set_proposals(struct ike_conn *conn, const char *ike, const char *esp)
{
    char error[PROPOSAL_TEXT_MAX];
    struct ike_proposal_list *lists[2] = {&conn->proposals, &conn->children[0].proposals};
    lists[0]->n = lists[1]->n = 1;
    assert_int_equal(proposal_parse(WIRE_PROTO_IKE, ike, &lists[0]->proposals[0], error), 0);
    assert_int_equal(proposal_parse(WIRE_PROTO_ESP, esp, &lists[1]->proposals[0], error), 0);
}

static void play(struct world *world)
{
    struct peer *peers[2] = {&world->a, &world->b};
    scenario_login(world);
    scenario_move(world, scenario_clone(&world->a, world_sa(&world->a, 0)), 1);
    scenario_clone(&world->b, world_sa(&world->b, 0));
    for (int i = 0; i < 4; i++) {
        struct peer *peer = peers[i % 2];
        scenario_create(peer, world_sa(peer, 1));
        assert_int_equal(scenario_on_child(peer, IKE_CMD_REKEY_CHILD, world_child(peer, 0)),
                         IKE_OK);
        assert_int_equal(scenario_on_sa(peer, IKE_CMD_REKEY_IKE, world_sa(peer, 0)), IKE_OK);
        assert_int_equal(scenario_on_sa(peer, IKE_CMD_PROBE, world_sa(peer, 0)), IKE_OK);
    }
    scenario_move(world, world_sa(&world->a, 0), 2);
}

static void every_message(void **state)
{
    static const char *const suites[][4] = {
        /* IKE of `a` and `b`, ESP of `a` and `b` */
        {"aes128gcm16-prfsha512-x25519-ecp256", "aes128gcm16-prfsha512-x25519-ecp256",
         "aes128gcm16-x25519-ecp256", "aes128gcm16-x25519-ecp256"},
        {"aes128gcm16-prfsha256-x25519-ecp256-ecp384", "aes128gcm16-prfsha256-ecp256",
         "aes128gcm16-x25519-ecp256", "aes128gcm16-ecp256"},
        {"aes128-sha256-ecp256-x25519", "aes128-sha256-ecp256", "aes128gcm16", "aes128gcm16"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
        struct world *world = world_new(1 + i);
        nonces.n = keys.n = ivs.n = cookies.n = 0;
        first_offer = (struct span){0};
        n_checked = named_group = agreed_group = 0;
        world->conn_a->fragmentation = IKE_FRAGMENTATION_NO;
        set_proposals(world->conn_a, suites[i][0], suites[i][2]);
        set_proposals(world->conn_b, suites[i][1], suites[i][3]);
        scenario_edit(world, check_message);
        world->hook = check_iv;
        play(world);
        assert_true(n_checked > 60 && nonces.n > 20 && keys.n > 12 && ivs.n > 50 && cookies.n >= 4);
        scenario_end(world);
    }
}

/* --- section 2.4: who may be there twice does not say that there is only one --- */

static void not_the_only_one(void **state)
{
    (void)state;
    for (int never = 0; never < 2; never++) {
        struct world *world = world_new(10);
        if (never)
            world->conn_a->unique = IKE_UNIQUE_NEVER;
        scenario_watch(world);
        scenario_login(world);
        assert_int_equal(scenario_count(world, "N(INITIAL_CONTACT)"), !never);
        scenario_end(world);
    }
}

/* --- section 2.23: with a NAT ESP goes in UDP, with a peer that is not known to like it only then
 * --- */

static void udp_where_there_is_a_nat(void **state)
{
    (void)state;
    for (int nat = 0; nat < 2; nat++) {
        struct world *world = world_new(11);
        world->conn_a->clone = IKE_CLONE_RFC7791; /* no Vendor ID */
        world->nat_port = nat ? 20000 : 0;
        scenario_login(world);
        for (int by_b = 0; by_b < 2; by_b++) {
            struct peer *peer = by_b ? &world->b : &world->a;
            struct ike_child_info child;
            assert_true(ike_child_get(peer->ike, world_child(peer, 0), &child));
            assert_int_equal(child.udp_encap, nat);
        }
        world_free(world);
    }
}

/* --- section 2.3: the window is one --- */

static void one_at_a_time(void **state)
{
    (void)state;
    struct world *world = scenario_up(12);
    ike_sa_id sa = world_sa(&world->a, 0);
    scenario_watch(world);
    for (int i = 0; i < 3; i++) {
        world_post(&world->a, (struct ike_command){.kind = IKE_CMD_CREATE_CHILD, .sa = sa});
        world_post(&world->a, (struct ike_command){.kind = IKE_CMD_CLONE, .sa = sa});
    }
    for (unsigned i = 1; i <= 6; i++) {
        assert_int_equal(scenario_count(world, "#1 a -> b CREATE_CHILD_SA request"), i);
        assert_int_equal(scenario_count(world, "#1 b -> a CREATE_CHILD_SA response"), i - 1);
        world_run(world, 2 * WORLD_LATENCY_NS);
    }
    scenario_end(world);
}

/* --- section 1.4.1: a Child SA stays until both ends closed it --- */

static bool nothing_arrives(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world, (void)to_b, (void)d;
    return false;
}

static void half_closed(void **state)
{
    (void)state;
    struct world *world = scenario_up(13);
    struct ike_child_info before, after;
    ike_child_id child = world_child(&world->a, 0);
    assert_true(ike_child_get(world->a.ike, child, &before));
    world->hook = nothing_arrives;
    world_post(&world->a, (struct ike_command){.kind = IKE_CMD_DELETE_CHILD, .child_id = child});
    world_run(world, SECONDS(5));
    assert_true(ike_child_get(world->a.ike, child, &after)); /* its SPI is not free */
    assert_int_equal(after.spi_in, before.spi_in);
    assert_int_equal(world->a.installed, 1);
    world->hook = NULL;
    world_run(world, SECONDS(20));
    assert_int_equal(world->a.installed + world->b.installed, 0);
    scenario_end(world);
}

static const struct ike_event *removal(const struct peer *peer)
{
    for (size_t i = peer->n_events; i-- > 0;)
        if (peer->events[i % WORLD_EVENTS].kind == IKE_EV_CHILD_REMOVE)
            return &peer->events[i % WORLD_EVENTS];
    return NULL;
}

/* Both close it at the same time: nothing is sent on it from the other's request on, but what is on
 * its way is taken until the other's response is here. */
static void both_close(void **state)
{
    (void)state;
    for (int both = 0; both < 2; both++) {
        struct world *world = scenario_up(14);
        for (int by_b = 0; by_b <= both; by_b++) {
            struct peer *peer = by_b ? &world->b : &world->a;
            world_post(peer, (struct ike_command){.kind = IKE_CMD_DELETE_CHILD,
                                                  .child_id = world_child(peer, 0)});
        }
        world_run(world, SECONDS(1));
        assert_int_equal(removal(&world->a)->linger_ns > 2 * WORLD_LATENCY_NS, both);
        assert_int_equal(removal(&world->b)->linger_ns > 2 * WORLD_LATENCY_NS, both);
        scenario_end(world);
    }
}

/* --- section 1.3.2: nothing new on an IKE SA that is being rekeyed --- */

static void nothing_new_on_the_old_one(void **state)
{
    (void)state;
    struct world *world = scenario_up(15);
    ike_sa_id sa = world_sa(&world->a, 0);
    scenario_watch(world);
    /* what waits behind a probe, while the peer's request is on its way */
    world_post(&world->a, (struct ike_command){.kind = IKE_CMD_PROBE, .sa = sa});
    uint64_t create =
        world_post(&world->a, (struct ike_command){.kind = IKE_CMD_CREATE_CHILD, .sa = sa});
    world_post(&world->b,
               (struct ike_command){.kind = IKE_CMD_REKEY_IKE, .sa = world_sa(&world->b, 0)});
    world_run(world, SECONDS(2));
    assert_int_equal(world_done(&world->a, create)->outcome, IKE_OK);
    assert_int_equal(scenario_count(world, "#1 a -> b CREATE_CHILD_SA request"), 0);
    assert_int_equal(scenario_count(world, "#2 a -> b CREATE_CHILD_SA request: SA(ESP)"), 1);
    scenario_end(world);
}

/* --- section 2.25: CHILD_SA_NOT_FOUND --- */

static enum scenario_fate not_found(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (to_b || m->header.exchange != WIRE_CREATE_CHILD_SA ||
        message_find(m, WIRE_PAYLOAD_SA) == m->n)
        return SCENARIO_PASS;
    message_clear(m);
    message_append_notify(m, N_CHILD_SA_NOT_FOUND, (struct span){0});
    return SCENARIO_CHANGED;
}

/* The Child SA that the peer does not have goes, without a Delete, and another one is created. */
static void created_anew(void **state)
{
    (void)state;
    struct world *world = scenario_up(16);
    ike_child_id old = world_child(&world->a, 0);
    uint64_t tag =
        world_post(&world->a, (struct ike_command){.kind = IKE_CMD_REKEY_CHILD, .child_id = old});
    scenario_edit(world, not_found);
    scenario_watch(world);
    world_run(world, 2 * WORLD_LATENCY_NS);
    scenario_edit(world, NULL);
    world_run(world, SECONDS(1));
    assert_int_equal(world_done(&world->a, tag)->outcome, IKE_PEER_DELETED);
    EXPECT_MESSAGES(world, "#1 b -> a CREATE_CHILD_SA response: N(CHILD_SA_NOT_FOUND)",
                    "#1 a -> b CREATE_CHILD_SA request: SA(ESP) NONCE TSi TSr",
                    "#1 b -> a CREATE_CHILD_SA response: SA(ESP) NONCE TSi TSr");
    assert_int_equal(world_n_children(&world->a), 1);
    assert_int_not_equal(world_child(&world->a, 0), old);
    world_free(world);
}

/* --- section 2.21.3: what is wrong with a response is told to nobody --- */

static enum scenario_fate tear(struct world *world, bool to_b, struct message *m)
{
    static const uint8_t torn[4] = {3, 9, 0, 1}; /* an SPI that does not end within it */
    (void)world;
    if (to_b || !ike_header_response(&m->header) || m->header.exchange != WIRE_CREATE_CHILD_SA)
        return SCENARIO_PASS;
    message_append(m, WIRE_PAYLOAD_N, span_of(torn, sizeof(torn)));
    return SCENARIO_CHANGED;
}

static void no_answer_to_an_answer(void **state)
{
    static const enum ike_command_kind kinds[] = {IKE_CMD_CREATE_CHILD, IKE_CMD_CLONE};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct world *world = scenario_up(17);
        scenario_edit(world, tear);
        scenario_watch(world);
        assert_int_equal(scenario_on_sa(&world->a, kinds[i], world_sa(&world->a, 0)),
                         IKE_INVALID_SYNTAX);
        world_run(world, SECONDS(10));
        assert_int_equal(scenario_count(world, "a -> b INFORMATIONAL request: N("), 0);
        assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, world_sa(&world->a, 0)), IKE_OK);
        world_free(world);
    }
}

/* --- sections 2.6 and 3.1, RFC 4303 section 2.1: SPIs --- */

struct script {
    const uint64_t *values;
    size_t at, width;
};

static void scripted_fill(void *context, void *octets, size_t len)
{
    struct script *script = context;
    assert_int_equal(len, script->width);
    if (len == 8)
        memcpy(octets, &script->values[script->at], 8);
    else
        memcpy(octets, &(uint32_t){(uint32_t)script->values[script->at]}, 4);
    script->at++;
}

/* Neither zero, nor reserved, nor one that is in use; whatever the source of randomness says. */
static void spis_are_new(void **state)
{
    (void)state;
    struct world *world = scenario_up(18);
    struct ike *ike = world->a.ike;
    const struct random *before = ike->random;
    struct ike_child_info child;
    struct sa *sa = sa_find(ike, world_sa(&world->a, 0));
    assert_true(ike_child_get(ike, world_child(&world->a, 0), &child));
    const uint64_t of_ike[] = {0, sa->spi_i, 77}, of_esp[] = {0, 1, 255, child.spi_in, 256};
    struct script script = {.values = of_ike, .width = 8};
    struct random random = {scripted_fill, &script};
    ike->random = &random;
    assert_int_equal(sa_spi_new(ike), 77);
    script = (struct script){.values = of_esp, .width = 4};
    assert_int_equal(child_spi_new(ike), 256);
    assert_int_equal(script.at, 5);
    ike->random = before;
    world_free(world);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message),
        cmocka_unit_test(not_the_only_one),
        cmocka_unit_test(udp_where_there_is_a_nat),
        cmocka_unit_test(one_at_a_time),
        cmocka_unit_test(half_closed),
        cmocka_unit_test(both_close),
        cmocka_unit_test(nothing_new_on_the_old_one),
        cmocka_unit_test(created_anew),
        cmocka_unit_test(no_answer_to_an_answer),
        cmocka_unit_test(spis_are_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
