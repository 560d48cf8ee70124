/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sentences of RFC 7296 that no other test is about; docs/rfc/rfc7296.txt says which test is about
 * which sentence.
 */
#include <stdio.h>

#include "exchange/scenario.h"
#include "ike/core/gate.h"
#include "ike/core/sa.h"
#include "ike/terms/proposal.h"
#include "wire/payloads.h"

#define SECONDS(n) ((nanos)(n)*NANOS_PER_SEC)

static bool is_request(const struct message *m, uint8_t exchange)
{
    return m->header.exchange == exchange && !ike_header_response(&m->header);
}

static void set_proposal(struct ike_proposal_list *list, uint8_t protocol, const char *text)
{
    char error[PROPOSAL_TEXT_MAX];
    list->n = 1;
    assert_int_equal(proposal_parse(protocol, text, &list->proposals[0], error), 0);
}

/* --- sizes, repetitions, Message IDs (sections 2, 2.1, 2.2) --- */

static enum scenario_fate enlarge(struct world *world, bool to_b, struct message *m)
{
    static const uint8_t octets[3000];
    (void)world;
    if (!to_b || !is_request(m, WIRE_INFORMATIONAL))
        return SCENARIO_PASS;
    message_append(m, WIRE_PAYLOAD_V, span_of(octets, sizeof(octets)));
    return SCENARIO_CHANGED;
}

static void large_message(void **state)
{
    (void)state;
    struct world *world = scenario_up(1);
    scenario_edit(world, enlarge);
    scenario_watch(world);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, world_sa(&world->a, 0)), IKE_OK);
    assert_int_equal(scenario_count(world, "request"), 1);
    scenario_end(world);
}

static struct ike_datagram sent[8];
static unsigned n_sent;
static bool lose_and_keep(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    if (to_b && n_sent < ARRAY_LEN(sent))
        sent[n_sent++] = *d;
    return !to_b || n_sent == ARRAY_LEN(sent);
}

static void bitwise_identical(void **state)
{
    (void)state;
    struct world *world = scenario_up(2);
    world->conn_a->fragmentation = IKE_FRAGMENTATION_NO;
    n_sent = 0;
    world->hook = lose_and_keep;
    world_post(&world->a,
               (struct ike_command){.kind = IKE_CMD_PROBE, .sa = world_sa(&world->a, 0)});
    world_run(world, SECONDS(20));
    assert_true(n_sent >= 3);
    for (unsigned i = 1; i < n_sent; i++) {
        assert_int_equal(sent[i].len, sent[0].len);
        assert_memory_equal(sent[i].octets, sent[0].octets, sent[0].len);
    }
    world_free(world);
}

/* --- responses to the copies of a request: which were lost --- */

static unsigned lose_first;              /* requests */
static struct ike_datagram responses[8]; /* that came */
static unsigned n_responses;
static bool keep_responses(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    if (!to_b && n_responses < ARRAY_LEN(responses))
        responses[n_responses++] = *d;
    if (!to_b || lose_first == 0)
        return true;
    lose_first--;
    return false;
}

/* A probe that is sent again before its answer can be there: each copy has a response of its own, and the
 * ones that were lost have none. The octets of a response count once for each copy, spoiled ones never. */
static void copies_without_response(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < 3; lost++) {
        struct world *world = scenario_up(30 + lost);
        ike_sa_id sa = world_sa(&world->a, 0);
        lose_first = lost;
        n_responses = 0;
        world->hook = keep_responses;
        /* a round trip takes 20 ms: copies leave at 0, 8, 16, ... until the first response is there */
        world_post(&world->a, (struct ike_command){.kind = IKE_CMD_PROBE,
                                                   .sa = sa,
                                                   .retry_ns = 8 * NANOS_PER_MS,
                                                   .give_up_ns = SECONDS(1)});
        world_run(world, (22 + 8 * lost) * NANOS_PER_MS); /* the first response is there */
        assert_int_equal(scenario_sa(&world->a, sa).unanswered, 2 + lost);
        struct ike_datagram *first = &responses[0];
        first->octets[first->len - 1] ^= 1; /* forged */
        world_deliver_raw(world, false, &first->path, span_of(first->octets, first->len));
        assert_int_equal(scenario_sa(&world->a, sa).unanswered, 2 + lost);
        world_run(world, SECONDS(1));
        assert_int_equal(scenario_sa(&world->a, sa).unanswered, lost);
        first->octets[first->len - 1] ^= 1;
        for (unsigned i = 0; i < 5; i++) /* replayed: never below 0 */
            world_deliver_raw(world, false, &first->path, span_of(first->octets, first->len));
        assert_int_equal(scenario_sa(&world->a, sa).unanswered, 0);
        world->hook = NULL;
        assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, sa), IKE_OK);
        assert_int_equal(scenario_sa(&world->a, sa).unanswered, 0);
        scenario_end(world);
    }
}

static enum scenario_fate lose_rekeys(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    (void)to_b;
    return is_request(m, WIRE_CREATE_CHILD_SA) ? SCENARIO_LOST : SCENARIO_PASS;
}

static void set_ids(struct world *world, uint32_t id)
{
    struct sa *asks = sa_find(world->a.ike, world_sa(&world->a, 0));
    struct sa *answers = sa_find(world->b.ike, world_sa(&world->b, 0));
    asks->mine.next_id = answers->theirs.next_id = id;
    gate_renew(asks);
    gate_renew(answers);
}

static void message_ids_run_out(void **state)
{
    (void)state;
    struct world *world = scenario_up(3);
    ike_sa_id first = world_sa(&world->a, 0);
    set_ids(world, MESSAGE_ID_REKEY - 1);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, first), IKE_OK);
    world_run(world, SECONDS(10));
    /* another IKE SA with the Child SA */
    assert_int_equal(world_n_sas(&world->a), 1);
    assert_int_equal(world_n_children(&world->b), 1);
    assert_true(sa_find(world->a.ike, world_sa(&world->a, 0))->mine.next_id < 10);
    assert_int_equal(world->a.counts[IKE_EV_SESSION_DOWN], 0);
    /* where that is impossible it ends, before an ID comes again */
    scenario_edit(world, lose_rekeys);
    set_ids(world, UINT32_MAX - 1);
    (void)scenario_on_sa(&world->a, IKE_CMD_PROBE, world_sa(&world->a, 0));
    world_run(world, SECONDS(1));
    assert_int_equal(world_n_sas(&world->b), 0);
    assert_int_equal(world_n_sas(&world->a), 0);
    world_free(world);
}

/* --- lifetimes (section 2.8) --- */

static bool nothing_arrives(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    (void)to_b;
    (void)d;
    return false;
}

/* What is over is not used, also when the peer cannot be told. */
static void over_is_over(void **state)
{
    (void)state;
    for (int of_ike = 0; of_ike < 2; of_ike++) {
        struct world *world = world_new(22);
        struct ike_lifetime *lifetime =
            of_ike ? &world->conn_a->lifetime : &world->conn_a->children[0].lifetime;
        lifetime->life_ns = SECONDS(100);
        scenario_login(world);
        world_run(world, SECONDS(50));
        world->hook = nothing_arrives;
        world_run(world, SECONDS(49));
        assert_int_equal(world->a.installed, 1);
        world_run(world, SECONDS(2));
        assert_int_equal(world->a.installed, 0);
        assert_int_equal(world->b.installed, 1);
        world->hook = NULL;
        world_run(world, SECONDS(60));
        assert_int_equal(world->b.installed, 0);
        assert_int_equal(world_n_sas(&world->b), !of_ike);
        scenario_end(world);
    }
}

/* --- in the open (sections 2.5, 2.21.4) --- */

static struct ike_datagram reply;
static unsigned n_replies;
static bool keep_reply(struct world *world, bool to_b, struct ike_datagram *d)
{
    (void)world;
    if (!to_b) {
        reply = *d;
        n_replies++;
    }
    return to_b;
}

static uint8_t encrypted = WIRE_PAYLOAD_SK;

static void in_the_open(struct world *world, uint8_t exchange, uint64_t spi_r, bool critical)
{
    uint8_t octets[IKE_HEADER_LEN + 12] = {0}; /* as large as the largest answer */
    struct ike_header header = {.spi_i = 0x0102030405060708,
                                .spi_r = spi_r,
                                .next_payload = exchange == WIRE_IKE_SA_INIT ? 200 : encrypted,
                                .version = IKE_VERSION,
                                .exchange = exchange,
                                .flags = IKE_FLAG_INITIATOR,
                                .message_id = spi_r == 0 ? 0 : 7,
                                .length = sizeof(octets)};
    struct ike_path path = world_path(0);
    path = (struct ike_path){path.remote, path.local, 0};
    path.remote.port = 1234;
    path.local.port = 500;
    ike_header_write(&header, octets);
    octets[IKE_HEADER_LEN + 1] = critical ? 0x80 : 0;
    octets[IKE_HEADER_LEN + 3] = 12;
    n_replies = 0;
    world->hook = keep_reply;
    world_deliver_raw(world, true, &path, span_of(octets, sizeof(octets)));
}

static void expect_reply(const struct ike_header *want, uint16_t notify)
{
    struct ike_header header;
    assert_int_equal(n_replies, 1);
    assert_int_equal(reply.path.remote.port, 1234);
    assert_int_equal(reply.path.local.port, 500);
    assert_true(ike_header_read(span_of(reply.octets, reply.len), &header));
    assert_int_equal(header.spi_i, 0x0102030405060708);
    assert_int_equal(header.spi_r, want->spi_r);
    assert_int_equal(header.message_id, want->message_id);
    assert_int_equal(header.exchange, want->exchange);
    assert_int_equal(header.flags, IKE_FLAG_RESPONSE);
    assert_int_equal(header.next_payload, WIRE_PAYLOAD_N); /* not encrypted */
    assert_int_equal(reply.octets[IKE_HEADER_LEN + 6] << 8 | reply.octets[IKE_HEADER_LEN + 7],
                     notify);
}

static void clear_answer(void **state)
{
    (void)state;
    struct world *world = world_new(4);
    world_start(world);
    in_the_open(world, WIRE_INFORMATIONAL, 99, false);
    struct ike_header want = {.spi_r = 99, .message_id = 7, .exchange = WIRE_INFORMATIONAL};
    expect_reply(&want, N_INVALID_IKE_SPI);
    /* what is not encrypted may be such an answer itself (section 1.5) */
    encrypted = WIRE_PAYLOAD_N;
    in_the_open(world, WIRE_INFORMATIONAL, 99, false);
    assert_int_equal(n_replies, 0);
    encrypted = WIRE_PAYLOAD_SK;
    world_free(world);
}

/* A critical payload that nobody knows, in the first message of all. */
static void critical_at_first(void **state)
{
    (void)state;
    struct world *world = world_new(5);
    world_start(world);
    in_the_open(world, WIRE_IKE_SA_INIT, 0, true);
    struct ike_header want = {.exchange = WIRE_IKE_SA_INIT};
    expect_reply(&want, N_UNSUPPORTED_CRITICAL_PAYLOAD);
    assert_int_equal(reply.octets[reply.len - 1], 200);
    in_the_open(world, WIRE_IKE_SA_INIT, 0,
                false); /* skipped; without an SA it is INVALID_SYNTAX */
    expect_reply(&want, N_INVALID_SYNTAX);
    for (int i = 0; i < 100; i++)
        in_the_open(world, WIRE_IKE_SA_INIT, 0, true);
    assert_int_equal(n_replies, 0); /* not more than ten in a second to one source */
    world_free(world);
}

/* Section 3.1: an initiator without an SPI, and one that knows the responder's already. */
static void spi_of_zero(void **state)
{
    (void)state;
    struct world *world = scenario_up(19);
    struct ike_stats before, after;
    in_the_open(world, WIRE_IKE_SA_INIT, 5, true);
    assert_int_equal(n_replies, 0);
    ike_stats_get(world->b.ike, &before);
    struct ike_datagram d = {.path = world_path(0)};
    struct ike_header header = {.version = IKE_VERSION,
                                .exchange = WIRE_IKE_SA_INIT,
                                .flags = IKE_FLAG_INITIATOR,
                                .length = IKE_HEADER_LEN};
    struct ike_path path = {d.path.remote, d.path.local, 0};
    ike_header_write(&header, d.octets);
    world_deliver_raw(world, true, &path, span_of(d.octets, IKE_HEADER_LEN));
    assert_int_equal(n_replies, 0);
    ike_stats_get(world->b.ike, &after);
    assert_int_equal(after.half_open, before.half_open);
    assert_true(scenario_sa(&world->a, world_sa(&world->a, 0)).spi_i != 0);
    world_free(world);
}

/* Section 3.1: the flags X and V. */
static enum scenario_fate add_flags(struct world *world, bool to_b, struct message *m)
{
    const uint8_t known = IKE_FLAG_INITIATOR | IKE_FLAG_RESPONSE;
    (void)world;
    (void)to_b;
    assert_int_equal(m->header.flags & ~known, 0);
    if (m->header.exchange == WIRE_IKE_SA_INIT) /* AUTH is about its octets */
        return SCENARIO_PASS;
    m->header.flags |= (uint8_t)~known;
    return SCENARIO_CHANGED;
}

static void flags_that_mean_nothing(void **state)
{
    (void)state;
    struct world *world = world_new(20);
    scenario_edit(world, add_flags);
    scenario_login(world);
    ike_sa_id clone = scenario_clone(&world->b, world_sa(&world->b, 0));
    assert_int_equal(scenario_on_sa(&world->b, IKE_CMD_PROBE, clone), IKE_OK);
    scenario_end(world);
}

/* --- payloads in any order (section 2.5) --- */

static enum scenario_fate turn_around(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    (void)to_b;
    if (m->header.exchange == WIRE_IKE_SA_INIT || m->n < 2) /* AUTH is about its octets */
        return SCENARIO_PASS;
    for (size_t i = 0; i < m->n / 2; i++) {
        struct message_item item = m->items[i];
        m->items[i] = m->items[m->n - 1 - i];
        m->items[m->n - 1 - i] = item;
    }
    return SCENARIO_CHANGED;
}

static void any_order(void **state)
{
    (void)state;
    struct world *world = world_new(6);
    scenario_edit(world, turn_around);
    scenario_watch(world);
    scenario_login(world);
    assert_int_equal(scenario_count(world, " TSr TSi SA(ESP) "), 2);
    ike_sa_id sa = world_sa(&world->a, 0);
    ike_child_id child = scenario_create(&world->a, sa);
    assert_int_equal(scenario_on_child(&world->a, IKE_CMD_REKEY_CHILD, child), IKE_OK);
    scenario_move(world, sa, 1);
    assert_int_equal(scenario_on_sa(&world->b, IKE_CMD_REKEY_IKE, world_sa(&world->b, 0)), IKE_OK);
    assert_int_equal(world_n_children(&world->b), 2);
    scenario_end(world);
}

/* --- the login (sections 2.6.1, 2.9, 2.19) --- */

static enum scenario_fate lose_auth_of_the_first(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    return to_b && m->sa == 1 && m->header.exchange == WIRE_IKE_AUTH ? SCENARIO_LOST
                                                                     : SCENARIO_PASS;
}

/* Three round trips, not four: the cookie stays good with another KE payload. */
static void cookie_and_group(void **state)
{
    (void)state;
    struct world *world = world_new(7);
    world_restart(&world->b, (struct ike_options){.cookie_threshold = 1});
    set_proposal(&world->conn_a->proposals, WIRE_PROTO_IKE,
                 "aes128gcm16-prfsha256-x25519-ecp256-ecp384");
    set_proposal(&world->conn_b->proposals, WIRE_PROTO_IKE, "aes128gcm16-prfsha256-ecp384");
    world_start(world);
    scenario_edit(world, lose_auth_of_the_first);
    scenario_watch(world);
    world_post(&world->a, (struct ike_command){
                              .kind = IKE_CMD_CONNECT, .conn = "office", .path = world_path(1)});
    world_run(world, 100 * NANOS_PER_MS);
    scenario_watch(world);
    assert_int_equal(world_connect(world), IKE_OK);
    assert_int_equal(scenario_count(world, "#2 a:500 -> b:500 IKE_SA_INIT request"), 3);
    assert_int_equal(scenario_count(world, "IKE_SA_INIT response: N(COOKIE)"), 1);
    assert_int_equal(scenario_count(world, "IKE_SA_INIT response: N(INVALID_KE_PAYLOAD)"), 1);
    assert_int_equal(scenario_count(world, "IKE_SA_INIT request: N(COOKIE) SA(IKE) KE NONCE"), 2);
    world_free(world);
}

static void no_reply_unasked(void **state)
{
    (void)state;
    struct world *world = world_new(9);
    world->conn_a->n_vips = 0;
    world->conn_b->n_pools = 0;
    scenario_watch(world);
    scenario_login(world);
    assert_int_equal(scenario_count(world, "CP("), 0);
    assert_int_equal(world->b.n_leases, 0);
    scenario_end(world);
}

/* Section 1.2: no method of key exchange in SAi2, also with PFS. */
static unsigned n_seen;
static enum scenario_fate look_for_methods(struct world *world, bool to_b, struct message *m)
{
    static struct wire_sa sa;
    (void)world;
    (void)to_b;
    if (m->header.exchange != WIRE_IKE_AUTH)
        return SCENARIO_PASS;
    assert_true(wire_sa_read(message_body(m, message_find(m, WIRE_PAYLOAD_SA)), &sa));
    for (size_t i = 0; i < sa.n; i++)
        for (size_t j = 0; j < sa.proposals[i].n; j++)
            assert_int_not_equal(sa.proposals[i].transforms[j].type, WIRE_KE);
    n_seen++;
    return SCENARIO_NOTED;
}

static void no_method_in_the_login(void **state)
{
    (void)state;
    struct world *world = world_new(16);
    set_proposal(&world->conn_a->children[0].proposals, WIRE_PROTO_ESP, "aes128gcm16-x25519");
    set_proposal(&world->conn_b->children[0].proposals, WIRE_PROTO_ESP, "aes128gcm16-x25519");
    n_seen = 0;
    scenario_edit(world, look_for_methods);
    scenario_login(world);
    assert_int_equal(n_seen, 2);
    assert_int_equal(world_n_children(&world->a), 1);
    scenario_end(world);
}

/* Attributes that nobody knows, and 5, which had a meaning once (section 1.7). */
static enum scenario_fate add_attributes(struct world *world, bool to_b, struct message *m)
{
    static const uint8_t more[] = {0, 5, 0, 4, 0, 0, 1, 0, 0x40, 0, 0, 2, 'x', 'y', 0, 10, 0, 0};
    uint8_t octets[256];
    (void)world;
    (void)to_b;
    size_t at = message_find(m, WIRE_PAYLOAD_CP);
    if (at == m->n)
        return SCENARIO_PASS;
    struct span body = message_body(m, at);
    memcpy(octets, body.ptr, body.len);
    memcpy(octets + body.len, more, sizeof(more));
    size_t len = body.len + sizeof(more);
    message_remove(m, at);
    message_insert(m, at, WIRE_PAYLOAD_CP, span_of(octets, len));
    return SCENARIO_CHANGED;
}

static void attributes_of_old(void **state)
{
    (void)state;
    struct world *world = world_new(17);
    scenario_edit(world, add_attributes);
    scenario_login(world);
    assert_int_equal(scenario_session(&world->a).config.n_addresses, 1);
    assert_int_equal(scenario_session(&world->a).config.n_dns, 0);
    assert_int_equal(world->b.n_leases, 1);
    scenario_end(world);
}

/* --- CREATE_CHILD_SA (sections 1.3, 2.9.2, 2.18, 2.25, 3.10.1) --- */

static void other_group_of_a_child(void **state)
{
    (void)state;
    struct world *world = world_new(10);
    struct ike_child_info child;
    set_proposal(&world->conn_a->children[0].proposals, WIRE_PROTO_ESP,
                 "aes128gcm16-x25519-ecp256");
    set_proposal(&world->conn_b->children[0].proposals, WIRE_PROTO_ESP, "aes128gcm16-ecp256");
    scenario_login(world);
    scenario_watch(world);
    assert_true(
        ike_child_get(world->a.ike, scenario_create(&world->a, world_sa(&world->a, 0)), &child));
    EXPECT_MESSAGES(world, "#1 a -> b CREATE_CHILD_SA request: SA(ESP) NONCE KE TSi TSr",
                    "#1 b -> a CREATE_CHILD_SA response: N(INVALID_KE_PAYLOAD)",
                    "#1 a -> b CREATE_CHILD_SA request: SA(ESP) NONCE KE TSi TSr",
                    "#1 b -> a CREATE_CHILD_SA response: SA(ESP) NONCE KE TSi TSr");
    assert_int_equal(child.ke, 19);
    scenario_end(world);
}

/* Section 3.3.6: the responder takes NONE, so that the request's KE payload is nothing. */
static void none_instead_of_a_group(void **state)
{
    (void)state;
    struct world *world = world_new(18);
    struct ike_child_info child;
    set_proposal(&world->conn_a->children[0].proposals, WIRE_PROTO_ESP,
                 "aes128gcm16-x25519-modpnone");
    set_proposal(&world->conn_b->children[0].proposals, WIRE_PROTO_ESP, "aes128gcm16");
    scenario_login(world);
    scenario_watch(world);
    assert_true(ike_child_get(world->b.ike, world_child(&world->b, 0), &child));
    assert_true(
        ike_child_get(world->a.ike, scenario_create(&world->a, world_sa(&world->a, 0)), &child));
    EXPECT_MESSAGES(world, "#1 a -> b CREATE_CHILD_SA request: SA(ESP) NONCE KE TSi TSr",
                    "#1 b -> a CREATE_CHILD_SA response: SA(ESP) NONCE TSi TSr");
    assert_int_equal(child.ke, 0);
    scenario_end(world);
}

/* Selectors of outer addresses: they stay what they were when the IKE SA moves. */
static void rekeyed_after_a_move(void **state)
{
    (void)state;
    struct world *world = world_new(11);
    struct ike_child_info before, after;
    world->conn_a->n_vips = 0;
    world->conn_b->n_pools = 0;
    scenario_login(world);
    assert_true(ike_child_get(world->a.ike, world_child(&world->a, 0), &before));
    (void)scenario_clone(&world->a, world_sa(&world->a, 0)); /* the selectors are of the session */
    scenario_move(world, world_sa(&world->a, 0), 1);
    for (int by_b = 0; by_b < 2; by_b++) {
        struct peer *peer = by_b ? &world->b : &world->a;
        assert_int_equal(scenario_on_child(peer, IKE_CMD_REKEY_CHILD, world_child(peer, 0)),
                         IKE_OK);
        world_run(world, SECONDS(1));
        assert_int_equal(world_n_children(&world->a), 1);
        assert_true(ike_child_get(world->a.ike, world_child(&world->a, 0), &after));
        assert_int_not_equal(after.spi_in, before.spi_in);
        assert_memory_equal(&after.local_ts.ts[0], &before.local_ts.ts[0],
                            sizeof(before.local_ts.ts[0]));
    }
    scenario_end(world);
}

static enum scenario_fate remove_ke(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    size_t ke = message_find(m, WIRE_PAYLOAD_KE);
    if (!to_b || ke == m->n || !is_request(m, WIRE_CREATE_CHILD_SA))
        return SCENARIO_PASS;
    message_remove(m, ke);
    return SCENARIO_CHANGED;
}

static void rekey_without_ke(void **state)
{
    (void)state;
    struct world *world = scenario_up(12);
    scenario_edit(world, remove_ke);
    scenario_watch(world);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_REKEY_IKE, world_sa(&world->a, 0)),
                     IKE_INVALID_SYNTAX);
    assert_int_equal(scenario_count(world, "CREATE_CHILD_SA response: N(INVALID_SYNTAX)"), 1);
    assert_int_equal(world_n_sas(&world->b), 0);
    scenario_end(world);
}

static enum scenario_fate always_later(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (to_b || m->header.exchange != WIRE_CREATE_CHILD_SA)
        return SCENARIO_PASS;
    message_clear(m);
    message_append_notify(m, N_TEMPORARY_FAILURE, (struct span){0});
    return SCENARIO_CHANGED;
}

/* A peer that says "later" for minutes is out of step; one that says it to clones is not. */
static void out_of_sync(void **state)
{
    (void)state;
    for (int clone = 0; clone < 2; clone++) {
        struct world *world = scenario_up(13);
        ike_sa_id sa = world_sa(&world->a, 0);
        scenario_edit(world, always_later);
        scenario_watch(world);
        nanos began = world->now;
        enum ike_command_kind kind = clone ? IKE_CMD_CLONE : IKE_CMD_REKEY_IKE;
        assert_int_equal(scenario_on_sa(&world->a, kind, sa), IKE_TEMPORARY_FAILURE);
        assert_true(world->now - began > SECONDS(clone ? 30 : 120));
        assert_true(scenario_count(world, "request") < 12);
        world_run(world, SECONDS(2));
        assert_int_equal(scenario_count(world, "#1 a -> b INFORMATIONAL request: D(IKE)") > 0,
                         !clone);
        assert_int_equal(scenario_sa(&world->a, sa).life,
                         clone ? IKE_ESTABLISHED : IKE_DELETING); /* `b` has forgotten it */
        world_free(world);
    }
}

static enum scenario_fate add_error(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (to_b || m->header.exchange != WIRE_CREATE_CHILD_SA)
        return SCENARIO_PASS;
    message_append_notify(m, 8000, (struct span){0}); /* an error type that nobody knows */
    return SCENARIO_CHANGED;
}

static void error_beside_an_answer(void **state)
{
    (void)state;
    static const enum ike_command_kind kinds[] = {IKE_CMD_CREATE_CHILD, IKE_CMD_CLONE,
                                                  IKE_CMD_CREATE_MOVED};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct world *world = scenario_up(14);
        struct ike_command command = {
            .kind = kinds[i], .sa = world_sa(&world->a, 0), .path = world_path(1)};
        scenario_edit(world, add_error);
        assert_int_equal(world_command(&world->a, command), IKE_PROTOCOL_ERROR);
        assert_int_equal(world_n_sas(&world->a), 1);
        assert_int_equal(world_n_children(&world->a), 1);
        assert_int_equal(world->a.counts[IKE_EV_SA_MOVED], 0);
        assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, command.sa), IKE_OK);
        world_free(world);
    }
}

/* Section 1.4.1: two Deletes of one Child SA cross: neither answer has a Delete payload. */
static void both_delete(void **state)
{
    (void)state;
    struct world *world = scenario_up(21);
    scenario_watch(world);
    world_post(&world->a, (struct ike_command){.kind = IKE_CMD_DELETE_CHILD,
                                               .child_id = world_child(&world->a, 0)});
    world_post(&world->b, (struct ike_command){.kind = IKE_CMD_DELETE_CHILD,
                                               .child_id = world_child(&world->b, 0)});
    world_run(world, SECONDS(1));
    EXPECT_MESSAGES(world, "#1 a -> b INFORMATIONAL request: D(ESP)",
                    "#1 b -> a INFORMATIONAL request: D(ESP)",
                    "#1 b -> a INFORMATIONAL response: -", "#1 a -> b INFORMATIONAL response: -");
    assert_int_equal(world_n_children(&world->a) + world_n_children(&world->b), 0);
    assert_int_equal(world->a.installed + world->b.installed, 0);
    scenario_end(world);
}

/* Section 2.23: whatever speaks for UDP, not on port 500. */
static void no_udp_on_port_500(void **state)
{
    (void)state;
    struct world *world = scenario_up(23);
    struct sa *sa = sa_find(world->a.ike, world_sa(&world->a, 0));
    sa->nat_remote = true;
    assert_true(sa_udp_encap(sa));
    sa->path.local.port = sa->path.remote.port = 500;
    assert_false(sa_udp_encap(sa));
    world_free(world);
}

/* --- INFORMATIONAL (sections 2.20, 2.21.4, 3.10.1) --- */

static enum scenario_fate add_problems(struct world *world, bool to_b, struct message *m)
{
    static const uint8_t version[8] = {CFG_REQUEST, 0, 0, 0, 0, 7 /* APPLICATION_VERSION */, 0, 0};
    (void)world;
    if (!to_b || !is_request(m, WIRE_INFORMATIONAL))
        return SCENARIO_PASS;
    message_append_notify(m, N_INVALID_SPI, span_text("\1\2\3\4"));
    message_append_notify(m, N_INVALID_SELECTORS, span_text("a packet"));
    message_append_notify(m, N_INVALID_IKE_SPI, (struct span){0});
    message_append_notify(m, 8000, (struct span){0});
    message_append_notify(m, 60000, (struct span){0});
    message_append(m, WIRE_PAYLOAD_CP, span_of(version, sizeof(version)));
    return SCENARIO_CHANGED;
}

static void notifies_of_problems(void **state)
{
    (void)state;
    struct world *world = scenario_up(15);
    unsigned before = world->b.counts[IKE_EV_CHILD_REMOVE];
    scenario_edit(world, add_problems);
    scenario_watch(world);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, world_sa(&world->a, 0)), IKE_OK);
    assert_int_equal(scenario_count(world, "b -> a INFORMATIONAL response: -"), 1);
    assert_int_equal(world->b.counts[IKE_EV_CHILD_REMOVE], before);
    scenario_edit(world, NULL);
    scenario_end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_message),
        cmocka_unit_test(bitwise_identical),
        cmocka_unit_test(copies_without_response),
        cmocka_unit_test(message_ids_run_out),
        cmocka_unit_test(over_is_over),
        cmocka_unit_test(clear_answer),
        cmocka_unit_test(critical_at_first),
        cmocka_unit_test(any_order),
        cmocka_unit_test(cookie_and_group),
        cmocka_unit_test(no_reply_unasked),
        cmocka_unit_test(other_group_of_a_child),
        cmocka_unit_test(rekeyed_after_a_move),
        cmocka_unit_test(rekey_without_ke),
        cmocka_unit_test(out_of_sync),
        cmocka_unit_test(error_beside_an_answer),
        cmocka_unit_test(no_udp_on_port_500),
        cmocka_unit_test(notifies_of_problems),
        cmocka_unit_test(both_delete),
        cmocka_unit_test(none_instead_of_a_group),
        cmocka_unit_test(attributes_of_old),
        cmocka_unit_test(no_method_in_the_login),
        cmocka_unit_test(flags_that_mean_nothing),
        cmocka_unit_test(spi_of_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
