/* SPDX-License-Identifier: Apache-2.0 */
/* SUPPORTED_AUTH_METHODS (RFC 9593): what each side keeps of the announcements of the other, for the
 * choice of its own signature. */
#include "crypto/signature.h"
#include "exchange/scenario.h"

#define MORE 0xffff /* of row.cas: no CERTREQ at all */

/* the octets of announcements */
#define ECDSA_256(link)                                                                            \
    15, 14, link, 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02
#define ED25519(link) 10, 14, link, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70
#define OLD_RSA(link) 3, 1, link

enum { EC = 1, ED = 2, RSA_1 = 4 };

struct row {
    const char *name;
    unsigned cas; /* key ids in CERTREQ */
    uint8_t n, octets[64];
    struct {
        uint16_t ca, methods;
    } kept[4]; /* until methods 0 */
};

static const struct row rows[] = {
    {"any CA", 2, 25, {ECDSA_256(0), ED25519(0)}, {{0, EC | ED}}},
    {"links", 2, 28, {ECDSA_256(2), ED25519(1), OLD_RSA(2)}, {{2, EC | RSA_1}, {1, ED}}},
    {"order of links", 1, 13, {ED25519(0), OLD_RSA(1)}, {{0, ED}, {1, RSA_1}}},
    {"link out of range", 2, 13, {ED25519(3), OLD_RSA(255)}, {{0, 0}}},
    {"link to an empty CERTREQ", 0, 13, {ED25519(1), OLD_RSA(0)}, {{0, RSA_1}}},
    /* RFC 9593 section 3.2.2: ignored and treated as zero */
    {"link without CERTREQ", MORE, 13, {ED25519(9), OLD_RSA(1)}, {{0, ED | RSA_1}}},
    {"empty", 2, 0, {0}, {{0, 0}}},
    {"no signatures", 2, 4, {2, 2, 2, 13}, {{0, 0}}},
    /* section 3.2: announcements that we do not understand are ignored */
    {"unknown methods", 2, 22, {3, 99, 0, 2, 200, 3, 3, 0, 4, 1, 0, 0, ED25519(0)}, {{0, ED}}},
    {"unknown algorithm", 2, 17, {7, 14, 0, 0x30, 2, 6, 0, ED25519(0)}, {{0, ED}}},
    {"digital signature of none", 2, 6, {3, 14, 0, OLD_RSA(0)}, {{0, RSA_1}}},
    {"algorithm and more", 2, 11, {11, 14, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 0}, {{0, 0}}},
    {"length of 0", 2, 14, {OLD_RSA(0), 0, ED25519(0)}, {{0, RSA_1}}},
    {"length of 1", 2, 14, {OLD_RSA(0), 1, ED25519(0)}, {{0, RSA_1}}},
    {"longer than the notify",
     2,
     13,
     {OLD_RSA(0), 255, 14, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70},
     {{0, RSA_1}}},
};

static const struct row *row;
static bool to_the_gateway;

static void announce(struct message *m)
{
    static const uint8_t certreq[1 + 20 * 4] = {4};
    size_t i = message_find(m, WIRE_PAYLOAD_CERTREQ);
    assert_int_not_equal(i, m->n);
    message_remove(m, i);
    if (row->cas != MORE)
        message_append(m, WIRE_PAYLOAD_CERTREQ, span_of(certreq, 1 + 20 * row->cas));
    i = message_find_notify(m, N_SUPPORTED_AUTH_METHODS);
    assert_int_not_equal(i, m->n);
    message_remove(m, i);
    message_append_notify(m, N_SUPPORTED_AUTH_METHODS, span_of(row->octets, row->n));
}

static enum scenario_fate announce_row(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (to_b != to_the_gateway || m->header.exchange != (to_b ? WIRE_IKE_AUTH : WIRE_IKE_SA_INIT))
        return SCENARIO_PASS;
    announce(m);
    return SCENARIO_CHANGED;
}

static struct world *pubkey_world(uint64_t seed)
{
    struct world *world = world_new(seed);
    world->conn_a->local[0].method = world->conn_b->remote[0].method = IKE_AUTH_PUBKEY;
    world->conn_a->remote[0].method = world->conn_b->local[0].method = IKE_AUTH_PUBKEY;
    return world;
}

static const struct ike_auth_job *signed_by(const struct peer *peer)
{
    for (size_t i = 0; i < WORLD_EVENTS && i < peer->n_events; i++)
        if (peer->events[i].kind == IKE_EV_AUTH_SIGN)
            return &peer->events[i].auth;
    fail_msg("no AUTH was made");
    return NULL;
}

static uint16_t bits_of(unsigned methods)
{
    static const uint8_t ec[] = {ECDSA_256(0)}, ed[] = {ED25519(0)};
    uint16_t bits = 0;
    if (methods & EC)
        bits |= signature_method(14, span_of(ec + 3, sizeof(ec) - 3));
    if (methods & ED)
        bits |= signature_method(14, span_of(ed + 3, sizeof(ed) - 3));
    if (methods & RSA_1)
        bits |= signature_method(1, (struct span){0});
    return bits;
}

static void expect_kept(const struct ike_auth_job *job)
{
    uint8_t n = 0;
    for (; n < 4 && row->kept[n].methods != 0; n++) {
        assert_int_equal(job->announced[n].ca, row->kept[n].ca);
        assert_int_equal(job->announced[n].methods, bits_of(row->kept[n].methods));
    }
    assert_int_equal(job->n_announced, n);
}

/* Announcements of the End User, in IKE_AUTH. None of them, however odd, ends the login. */
static void of_the_end_user(void **state)
{
    (void)state;
    to_the_gateway = true;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        row = &rows[i];
        struct world *world = pubkey_world(1 + i);
        scenario_watch(world);
        scenario_edit(world, announce_row);
        scenario_login(world);
        expect_kept(signed_by(&world->b));
        scenario_end(world);
    }
}

/* Those of the Gateway, in IKE_SA_INIT. Its AUTH covers that message, so a changed one ends the login. */
static void of_the_gateway(void **state)
{
    (void)state;
    to_the_gateway = false;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        row = &rows[i];
        struct world *world = pubkey_world(100 + i);
        scenario_watch(world);
        scenario_edit(world, announce_row);
        world_start(world);
        assert_int_not_equal(world_connect(world), IKE_OK);
        expect_kept(signed_by(&world->a));
        world_free(world);
    }
}

static enum scenario_fate announce_twice(struct world *world, bool to_b, struct message *m)
{
    static const uint8_t more[] = {ECDSA_256(0)};
    enum scenario_fate fate = announce_row(world, to_b, m);
    if (fate == SCENARIO_CHANGED)
        message_append_notify(m, N_SUPPORTED_AUTH_METHODS, span_of(more, sizeof(more)));
    return fate;
}

/* RFC 9593 section 3.1: several notifies "form a single ordered list". */
static void several_notifies(void **state)
{
    (void)state;
    static const struct row one = {"", 0, 10, {ED25519(0)}, {{0, ED | EC}}};
    row = &one;
    to_the_gateway = true;
    struct world *world = pubkey_world(200);
    scenario_watch(world);
    scenario_edit(world, announce_twice);
    scenario_login(world);
    expect_kept(signed_by(&world->b));
    scenario_end(world);
}

static enum scenario_fate announce_many(struct world *world, bool to_b, struct message *m)
{
    uint8_t certreq[1 + 20 * 40] = {4}, octets[3 * 40];
    if (announce_row(world, to_b, m) != SCENARIO_CHANGED)
        return SCENARIO_PASS;
    for (uint8_t i = 0; i < 40; i++) {
        octets[3 * i] = 3;
        octets[3 * i + 1] = 1;
        octets[3 * i + 2] = (uint8_t)(i + 1);
    }
    message_append(m, WIRE_PAYLOAD_CERTREQ, span_of(certreq, sizeof(certreq)));
    message_append_notify(m, N_SUPPORTED_AUTH_METHODS, span_of(octets, sizeof(octets)));
    return SCENARIO_CHANGED;
}

/* More CAs with methods of their own than we keep: the first ones count. */
static void many_links(void **state)
{
    (void)state;
    static const struct row none = {"", 0, 0, {0}, {{0, 0}}};
    row = &none;
    to_the_gateway = true;
    struct world *world = pubkey_world(201);
    scenario_watch(world);
    scenario_edit(world, announce_many);
    scenario_login(world);
    const struct ike_auth_job *job = signed_by(&world->b);
    assert_int_equal(job->n_announced, IKE_ANNOUNCED);
    assert_int_equal(job->announced[IKE_ANNOUNCED - 1].ca, IKE_ANNOUNCED);
    scenario_end(world);
}

static void of_ourselves(void **state)
{
    (void)state;
    struct world *world = pubkey_world(202);
    scenario_login(world);
    const struct ike_auth_job *user = signed_by(&world->a), *gateway = signed_by(&world->b);
    assert_int_equal(user->n_announced, 1);
    assert_int_equal(user->announced[0].methods, 0x07ff); /* all schemes of signature.c */
    assert_memory_equal(user->announced, gateway->announced, sizeof(user->announced));
    scenario_end(world);
}

/* taken - what the policy lets its End User announce; bits as signature_method() has them. */
static uint16_t taken(uint64_t seed, uint16_t hashes, uint8_t kinds)
{
    struct world *world = pubkey_world(seed);
    world->conn_a->remote[0].hashes = hashes;
    world->conn_a->remote[0].signature_kinds = kinds;
    scenario_login(world);
    const struct ike_auth_job *gateway = signed_by(&world->b);
    uint16_t methods = gateway->n_announced == 0 ? 0 : gateway->announced[0].methods;
    assert_in_range(gateway->n_announced, 0, 1);
    scenario_end(world);
    return methods;
}

/* RFC 9593 section 3: `auth` narrows what we announce to what we would take. */
static void narrowed(void **state)
{
    enum { PKCS1 = 1 << SIGNATURE_RSA_PKCS1, PSS = 1 << SIGNATURE_RSA_PSS };
    (void)state;
    assert_int_equal(taken(203, 1 << SIGNATURE_SHA2_256, 1 << SIGNATURE_ECDSA), bits_of(EC));
    assert_int_equal(taken(204, 0, 1 << SIGNATURE_ED25519), bits_of(ED));
    assert_int_equal(taken(205, 1 << SIGNATURE_SHA2_512, 1 << SIGNATURE_ED25519), bits_of(ED));
    assert_int_equal(taken(206, 1 << SIGNATURE_IDENTITY, PKCS1 | PSS), 0); /* no notify at all */
    uint16_t all = taken(207, 0, 0), half = taken(208, 0, PSS | 1 << SIGNATURE_ECDSA);
    assert_int_equal(all, 0x07ff);
    assert_int_equal(__builtin_popcount(half), 6);
    assert_true((half & bits_of(EC)) != 0 && (half & bits_of(ED)) == 0);
}

/* A Gateway does not know the connection yet: it announces what any of its connections takes. */
static void of_several_connections(void **state)
{
    (void)state;
    struct world *world = pubkey_world(209);
    world->conn_b->remote[0].signature_kinds = 1 << SIGNATURE_ECDSA;
    world->conn_b->remote[0].hashes = 1 << SIGNATURE_SHA2_256;
    world_start(world);
    struct ike_conn *second = ike_conn_new();
    ike_conn_set(second, world->conn_b);
    (void)snprintf(second->name, sizeof(second->name), "second");
    second->remote[0].signature_kinds = 1 << SIGNATURE_ED25519;
    assert_int_equal(ike_conn_add(world->b.ike, second), 0);
    assert_int_equal(world_connect(world), IKE_OK);
    assert_int_equal(signed_by(&world->a)->announced[0].methods, bits_of(EC | ED));
    ike_conn_unref(second);
    scenario_end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_the_end_user),        cmocka_unit_test(of_the_gateway),
        cmocka_unit_test(several_notifies),       cmocka_unit_test(many_links),
        cmocka_unit_test(of_ourselves),           cmocka_unit_test(narrowed),
        cmocka_unit_test(of_several_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
