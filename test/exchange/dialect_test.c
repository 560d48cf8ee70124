/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two dialects of cloning, RFC 7791 and KEEP_OLD_IKE_SA: which one is spoken, what is announced,
 * and what is made of each by the other end.
 */
#include "exchange/scenario.h"
#include "ike/connection.h"
#include "wire/payloads.h"

#define SUPPORTED    "N(CLONE_IKE_SA_SUPPORTED)"
#define CLONE_RFC    "CREATE_CHILD_SA request: N(CLONE_IKE_SA) SA(IKE) NONCE KE"
#define CLONE_KEEP   "CREATE_CHILD_SA request: N(KEEP_OLD_IKE_SA Q=1 code=0) SA(IKE) NONCE KE"
#define PLAIN_ANSWER "CREATE_CHILD_SA response: SA(IKE) NONCE KE"
#define KEPT_ANSWER  "CREATE_CHILD_SA response: N(KEEP_OLD_IKE_SA Q=0 code=0) SA(IKE) NONCE KE"

static struct world *dialect_world(uint64_t seed, enum ike_clone a, enum ike_clone b,
                                   enum ike_clone prefer)
{
    struct world *world = world_new(seed);
    world->conn_a->clone = a;
    world->conn_b->clone = b;
    world->conn_a->prefer = world->conn_b->prefer = prefer;
    scenario_watch(world);
    return world;
}

static struct world *standard_world(uint64_t seed)
{
    return dialect_world(seed, IKE_CLONE_RFC7791, IKE_CLONE_RFC7791, IKE_CLONE_RFC7791);
}

static enum ike_outcome clone_first(struct peer *peer)
{
    return scenario_on_sa(peer, IKE_CMD_CLONE, world_sa(peer, 0));
}

static void expect_sas(struct world *world, unsigned n)
{
    world_run(world, NANOS_PER_SEC);
    assert_int_equal(world_n_sas(&world->a), n);
    assert_int_equal(world_n_sas(&world->b), n);
    assert_int_equal(world_n_children(&world->a), 1);
}

static bool speaks(enum ike_clone clone, enum ike_clone dialect)
{
    return clone == dialect || clone == IKE_CLONE_BOTH;
}

/* expected - SUP-03, for the requests of one end. */
static enum ike_dialect expected(const struct ike_conn *own, const struct ike_conn *peer)
{
    bool keep = speaks(own->clone, IKE_CLONE_KEEP_OLD) && speaks(peer->clone, IKE_CLONE_KEEP_OLD);
    bool rfc = speaks(own->clone, IKE_CLONE_RFC7791) && speaks(peer->clone, IKE_CLONE_RFC7791);
    if (keep && (!rfc || own->prefer == IKE_CLONE_KEEP_OLD))
        return IKE_DIALECT_KEEP_OLD;
    return rfc ? IKE_DIALECT_RFC7791 : IKE_DIALECT_NONE;
}

static void expect_clone(struct world *world, struct peer *peer, enum ike_dialect dialect)
{
    unsigned before = world_n_sas(peer);
    scenario_watch(world);
    enum ike_outcome outcome = clone_first(peer);
    bool rfc = dialect == IKE_DIALECT_RFC7791, none = dialect == IKE_DIALECT_NONE;
    assert_int_equal(outcome, none ? IKE_CLONE_UNSUPPORTED : IKE_OK);
    assert_int_equal(scenario_count(world, CLONE_RFC), rfc);
    assert_int_equal(scenario_count(world, PLAIN_ANSWER), rfc);
    assert_int_equal(scenario_count(world, CLONE_KEEP), !rfc && !none);
    assert_int_equal(scenario_count(world, KEPT_ANSWER), !rfc && !none);
    assert_int_equal(scenario_count(world, "request"), !none); /* nothing is sent */
    expect_sas(world, before + !none);
}

/* SUP-02, SUP-03, SUP-05: every pair of settings; both ends clone. */
static void every_pair(void **state)
{
    static const enum ike_clone clones[] = {IKE_CLONE_OFF, IKE_CLONE_KEEP_OLD, IKE_CLONE_RFC7791,
                                            IKE_CLONE_BOTH};
    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        enum ike_clone a = clones[i & 3], b = clones[i >> 2 & 3];
        struct world *world = dialect_world(i, a, b, IKE_CLONE_KEEP_OLD);
        if (i & 16)
            world->conn_a->prefer = IKE_CLONE_RFC7791;
        if (i & 32)
            world->conn_b->prefer = IKE_CLONE_RFC7791;
        scenario_login(world);
        /* the announcements: the standard's in IKE_AUTH, the draft's as a Vendor ID before it */
        assert_int_equal(scenario_count(world, "FRAGMENTATION_SUPPORTED) V"),
                         speaks(a, IKE_CLONE_KEEP_OLD));
        assert_int_equal(scenario_count(world, "CHILDLESS_IKEV2_SUPPORTED) V"),
                         speaks(b, IKE_CLONE_KEEP_OLD));
        unsigned announced = scenario_count(world, SUPPORTED);
        assert_int_equal(announced, speaks(a, IKE_CLONE_RFC7791) + speaks(b, IKE_CLONE_RFC7791));
        enum ike_dialect of_a = expected(world->conn_a, world->conn_b);
        enum ike_dialect of_b = expected(world->conn_b, world->conn_a);
        assert_int_equal(scenario_session(&world->a).dialect, of_a);
        assert_int_equal(scenario_session(&world->b).dialect, of_b);
        expect_clone(world, &world->a, of_a);
        expect_clone(world, &world->b, of_b);
        scenario_end(world);
    }
}

/* --- the announcement --- */

static struct {
    bool strip_request, strip_response, with_data;
} announcement;

static enum scenario_fate edit_announcement(struct world *world, bool to_b, struct message *m)
{
    size_t at = message_find_notify(m, N_CLONE_IKE_SA_SUPPORTED);
    (void)world;
    if (at == m->n || m->header.exchange != WIRE_IKE_AUTH)
        return SCENARIO_PASS;
    if (to_b ? announcement.strip_request : announcement.strip_response) {
        message_remove(m, at);
        return SCENARIO_CHANGED;
    }
    if (!announcement.with_data)
        return SCENARIO_PASS;
    message_remove(m, at);
    message_insert_notify(m, at, N_CLONE_IKE_SA_SUPPORTED, span_of("data", 4));
    return SCENARIO_CHANGED;
}

/* One end alone announced it: neither clones; and who was not told refuses (SUP-01). */
static void announced_by_one(void **state)
{
    (void)state;
    for (int response = 0; response < 2; response++) {
        struct world *world = standard_world(100);
        announcement.strip_request = !response;
        announcement.strip_response = response;
        announcement.with_data = false;
        scenario_edit(world, edit_announcement);
        scenario_login(world);
        struct peer *untold = response ? &world->a : &world->b;
        struct peer *told = response ? &world->b : &world->a;
        expect_clone(world, untold, IKE_DIALECT_NONE);
        assert_int_equal(clone_first(told), IKE_NO_ADDITIONAL_SAS);
        assert_int_equal(scenario_count(world, "response: N(NO_ADDITIONAL_SAS)"), 1);
        expect_sas(world, 1);
        scenario_end(world);
    }
}

static void announced_with_data(void **state)
{
    (void)state;
    struct world *world = standard_world(101);
    announcement.strip_request = announcement.strip_response = false;
    announcement.with_data = true;
    scenario_edit(world, edit_announcement);
    scenario_login(world);
    expect_clone(world, &world->a, IKE_DIALECT_RFC7791);
    scenario_end(world);
}

/* --- the notify of the request (SUP-04) --- */

enum form { WITH_DATA, OF_IKE, TWICE, AT_THE_END, BOTH_NOTIFIES, FORMS };
static enum form form;

static enum scenario_fate edit_request(struct world *world, bool to_b, struct message *m)
{
    static const uint8_t keep[4] = {0x80};
    size_t at = message_find_notify(m, N_CLONE_IKE_SA);
    (void)world;
    (void)to_b;
    if (at == m->n)
        return SCENARIO_PASS;
    switch (form) {
    case WITH_DATA:
        message_remove(m, at);
        message_insert_notify(m, at, N_CLONE_IKE_SA, span_of("data", 4));
        break;
    case OF_IKE: message_octets(m, at)[0] = WIRE_PROTO_IKE; break;
    case TWICE: message_insert_notify(m, at, N_CLONE_IKE_SA, (struct span){0}); break;
    case AT_THE_END:
        message_remove(m, at);
        message_append_notify(m, N_CLONE_IKE_SA, (struct span){0});
        break;
    case BOTH_NOTIFIES:
        message_insert_notify(m, at, KEEP_OLD_DEFAULT_NOTIFY, span_of(keep, 4));
        break;
    case FORMS: break;
    }
    return SCENARIO_CHANGED;
}

static void other_forms(void **state)
{
    (void)state;
    for (int i = 0; i < FORMS; i++) {
        struct world *world = standard_world(110);
        form = (enum form)i;
        scenario_login(world);
        scenario_edit(world, edit_request);
        assert_int_equal(clone_first(&world->a), IKE_OK);
        assert_int_equal(scenario_count(world, PLAIN_ANSWER), 1);
        expect_sas(world, 2);
        scenario_end(world);
    }
}

/* SUP-04: with both notifies and both negotiated the standard's meaning holds, and the draft's
 * notify goes back to who announced the Vendor ID. SUP-06: which changes nothing here. */
static void both_notifies(void **state)
{
    (void)state;
    struct world *world = dialect_world(111, IKE_CLONE_BOTH, IKE_CLONE_BOTH, IKE_CLONE_RFC7791);
    form = BOTH_NOTIFIES;
    scenario_login(world);
    scenario_edit(world, edit_request);
    assert_int_equal(clone_first(&world->a), IKE_OK);
    assert_int_equal(scenario_count(world, KEPT_ANSWER), 1);
    expect_sas(world, 2);
    scenario_end(world);
}

/* --- the response (SUP-06) --- */

static uint16_t added;
static uint8_t added_data[4];
static bool strip;

static enum scenario_fate edit_response(struct world *world, bool to_b, struct message *m)
{
    size_t at = message_find_notify(m, KEEP_OLD_DEFAULT_NOTIFY);
    (void)world;
    (void)to_b;
    if (!ike_header_response(&m->header) || m->header.exchange != WIRE_CREATE_CHILD_SA)
        return SCENARIO_PASS;
    if (strip && at < m->n)
        message_remove(m, at);
    if (!strip)
        message_insert_notify(m, 0, added, span_of(added_data, sizeof(added_data)));
    return SCENARIO_CHANGED;
}

/* A response of the standard's dialect means "cloned", whatever status notify is in it. */
static void notify_in_the_response(void **state)
{
    static const uint16_t types[] = {N_CLONE_IKE_SA, KEEP_OLD_DEFAULT_NOTIFY, 50000,
                                     N_CLONE_IKE_SA_SUPPORTED};
    (void)state;
    strip = false;
    for (size_t i = 0; i < 2 * ARRAY_LEN(types); i++) {
        struct world *world = standard_world(120);
        added = types[i / 2];
        added_data[1] = i % 2; /* of KEEP_OLD_IKE_SA: code 0, 1 */
        scenario_login(world);
        scenario_edit(world, edit_response);
        assert_int_equal(clone_first(&world->a), IKE_OK);
        expect_sas(world, 2);
        scenario_end(world);
    }
}

/* The same octets in the draft's dialect mean "rekeyed": Child SAs move, the old IKE SA goes, and
 * it is not asked for again. */
static void no_notify_in_the_response(void **state)
{
    (void)state;
    struct world *world =
        dialect_world(121, IKE_CLONE_KEEP_OLD, IKE_CLONE_KEEP_OLD, IKE_CLONE_KEEP_OLD);
    strip = true;
    scenario_login(world);
    scenario_edit(world, edit_response);
    ike_sa_id old = world_sa(&world->a, 0);
    assert_int_equal(clone_first(&world->a), IKE_CLONE_UNSUPPORTED);
    world_run(world, NANOS_PER_SEC);
    assert_int_equal(world_n_sas(&world->a), 1);
    assert_int_not_equal(world_sa(&world->a, 0), old);
    assert_int_equal(scenario_sa(&world->a, world_sa(&world->a, 0)).line, old);
    assert_int_equal(world_n_children(&world->a), 1);
    assert_int_equal(scenario_session(&world->a).dialect, IKE_DIALECT_NONE);
    world_free(world);
}

/* --- a peer that announced nothing --- */

static void blind(void **state)
{
    (void)state;
    for (int may = 0; may < 2; may++) {
        struct world *world = dialect_world(130, IKE_CLONE_BOTH, IKE_CLONE_OFF, IKE_CLONE_KEEP_OLD);
        world->conn_a->keep_old_blind = may;
        scenario_login(world);
        assert_int_equal(scenario_session(&world->a).dialect,
                         may ? IKE_DIALECT_KEEP_OLD_BLIND : IKE_DIALECT_NONE);
        scenario_watch(world);
        assert_int_equal(clone_first(&world->a), IKE_CLONE_UNSUPPORTED);
        assert_int_equal(scenario_count(world, CLONE_KEEP), may); /* the draft as it is written */
        expect_sas(world, 1);
        assert_int_equal(clone_first(&world->a), IKE_CLONE_UNSUPPORTED);
        assert_int_equal(scenario_count(world, CLONE_KEEP), may); /* once */
        scenario_end(world);
    }
}

/* --- SUP-07: code 1 is the draft's alone --- */

static void unused_old(void **state)
{
    (void)state;
    struct world *world = standard_world(140);
    scenario_login(world);
    scenario_watch(world);
    struct ike_command command = {
        .kind = IKE_CMD_CLONE, .sa = world_sa(&world->a, 0), .unused_old = true};
    assert_int_equal(world_command(&world->a, command), IKE_OK);
    assert_int_equal(scenario_count(world, "CREATE_CHILD_SA request: SA(IKE) NONCE KE"), 1);
    assert_int_equal(scenario_count(world, "N(CLONE_IKE_SA)"), 0);
    expect_sas(world, 1);
    scenario_end(world);
}

/* --- errors (SUP-08, SUP-09) --- */

static uint16_t error_notify;

static enum scenario_fate edit_error(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    if (to_b || m->header.exchange != WIRE_CREATE_CHILD_SA || !ike_header_response(&m->header))
        return SCENARIO_PASS;
    message_clear(m);
    message_append_notify(m, error_notify, (struct span){0});
    return SCENARIO_CHANGED;
}

/* Refused for now, or for good: the old IKE SA stays as it is, and nobody logs in again. */
static void refused(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        bool rfc = i & 1, for_good = i & 2;
        struct world *world = dialect_world(150, IKE_CLONE_BOTH, IKE_CLONE_BOTH,
                                            rfc ? IKE_CLONE_RFC7791 : IKE_CLONE_KEEP_OLD);
        error_notify = for_good ? N_NO_ADDITIONAL_SAS : N_TEMPORARY_FAILURE;
        scenario_login(world);
        ike_sa_id old = world_sa(&world->a, 0);
        scenario_edit(world, edit_error);
        scenario_watch(world);
        assert_int_equal(clone_first(&world->a),
                         for_good ? IKE_NO_ADDITIONAL_SAS : IKE_TEMPORARY_FAILURE);
        unsigned asked = scenario_count(world, "CREATE_CHILD_SA request");
        assert_int_equal(asked, for_good ? 1 : 1 + 6); /* again, later, not for ever */
        if (for_good) {
            assert_int_equal(clone_first(&world->a), IKE_NO_ADDITIONAL_SAS);
            assert_int_equal(scenario_count(world, "CREATE_CHILD_SA request"), 1);
        }
        world_run(world, 600 * NANOS_PER_SEC);
        assert_int_equal(world_sa(&world->a, 0), old);
        assert_int_equal(world_n_sas(&world->a), 1);
        assert_int_equal(world_n_children(&world->a), 1);
        assert_int_equal(scenario_count(world, "IKE_SA_INIT"), 0);
        assert_int_equal(scenario_count(world, "request: D"), 0);
        assert_int_equal(scenario_session(&world->a).logins, 1);
        world_free(world); /* the Gateway made clones and told nobody */
    }
}

/* --- whose clone of what (A-21) --- */

static void of_any(void **state)
{
    (void)state;
    for (int by_b = 0; by_b < 2; by_b++) {
        struct world *world = standard_world(160);
        scenario_login(world);
        struct peer *peer = by_b ? &world->b : &world->a;
        ike_child_id child = world_child(&world->a, 0);
        ike_sa_id clone = scenario_clone(peer, world_sa(peer, 0)); /* "either peer" */
        assert_int_equal(scenario_on_sa(peer, IKE_CMD_REKEY_IKE, clone), IKE_OK);
        world_run(world, NANOS_PER_SEC);
        scenario_clone(&world->a, world_sa(&world->a, 1)); /* of a clone that was rekeyed */
        scenario_clone(&world->b, world_sa(&world->b, 2)); /* of a clone of it, by the other end */
        expect_sas(world, 4);
        /* the Child SA is where it was */
        struct ike_child_info info;
        assert_true(ike_child_get(world->a.ike, child, &info));
        assert_int_equal(info.sa, world_sa(&world->a, 0));
        scenario_end(world);
    }
}

/* Both at once: two clones, both live. Any message is lost: none more, none less. */
static void at_once(void **state)
{
    (void)state;
    for (unsigned nth = 0; nth < 5; nth++) {
        struct world *world = standard_world(170);
        scenario_login(world);
        scenario_lose(world, nth);
        uint64_t a = world_post(
            &world->a, (struct ike_command){.kind = IKE_CMD_CLONE, .sa = world_sa(&world->a, 0)});
        uint64_t b = world_post(
            &world->b, (struct ike_command){.kind = IKE_CMD_CLONE, .sa = world_sa(&world->b, 0)});
        world_run(world, 20 * NANOS_PER_SEC);
        assert_int_equal(world_done(&world->a, a)->outcome, IKE_OK);
        assert_int_equal(world_done(&world->b, b)->outcome, IKE_OK);
        expect_sas(world, 3);
        scenario_end(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair),
        cmocka_unit_test(announced_by_one),
        cmocka_unit_test(announced_with_data),
        cmocka_unit_test(other_forms),
        cmocka_unit_test(both_notifies),
        cmocka_unit_test(notify_in_the_response),
        cmocka_unit_test(no_notify_in_the_response),
        cmocka_unit_test(blind),
        cmocka_unit_test(unused_old),
        cmocka_unit_test(refused),
        cmocka_unit_test(of_any),
        cmocka_unit_test(at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
