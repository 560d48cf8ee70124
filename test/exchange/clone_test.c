/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clones of IKE SAs: draft-mglt-ipsecme-keep-old-ike-sa-00 and RFC 7791, message by message. The
 * numbers M1 to M12 are those of the draft's Appendix B.
 */
#include "exchange/scenario.h"
#include "wire/payloads.h"

/* Appendix B.1 to B.4, in the order "move, then create". */
static void the_draft(void **state)
{
    (void)state;
    struct world *world = world_new(1);
    scenario_watch(world);
    scenario_login(world);
    EXPECT_MESSAGES(
        world,
        /* M1, M2 */
        "#1 a:500 -> b:500 IKE_SA_INIT request: SA(IKE) KE NONCE N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP) N(IKEV2_FRAGMENTATION_SUPPORTED) V",
        "#1 b:500 -> a:500 IKE_SA_INIT response: SA(IKE) KE NONCE N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP) N(IKEV2_FRAGMENTATION_SUPPORTED) "
        "N(CHILDLESS_IKEV2_SUPPORTED) V",
        /* M3, M4 */
        "#1 a -> b IKE_AUTH request: IDi N(INITIAL_CONTACT) IDr AUTH CP(REQUEST) SA(ESP) TSi TSr "
        "N(MOBIKE_SUPPORTED) N(CLONE_IKE_SA_SUPPORTED)",
        "#1 b -> a IKE_AUTH response: IDr AUTH CP(REPLY) SA(ESP) TSi TSr N(MOBIKE_SUPPORTED) "
        "N(CLONE_IKE_SA_SUPPORTED)");
    ike_sa_id first = world_sa(&world->a, 0);

    scenario_watch(world);
    ike_sa_id second = scenario_clone(&world->a, first);
    EXPECT_MESSAGES(
        world,
        /* M5, M6 */
        "#1 a -> b CREATE_CHILD_SA request: N(KEEP_OLD_IKE_SA Q=1 code=0) SA(IKE) NONCE KE",
        "#1 b -> a CREATE_CHILD_SA response: N(KEEP_OLD_IKE_SA Q=0 code=0) SA(IKE) NONCE KE");
    assert_int_equal(scenario_sa(&world->a, second).origin, IKE_ORIGIN_CLONED);
    assert_int_equal(scenario_sa(&world->a, second).parent, first);

    scenario_watch(world);
    scenario_move(world, second, 1);
    EXPECT_MESSAGES(
        world,
        /* M9 to M12, and the return routability check of RFC 4555 section 3.7 */
        "#2 a1 -> b INFORMATIONAL request: N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP)",
        "#2 b -> a1 INFORMATIONAL response: N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP)",
        "#2 a1 -> b INFORMATIONAL request: N(UPDATE_SA_ADDRESSES) N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP) N(COOKIE2)",
        "#2 b -> a1 INFORMATIONAL response: N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP) N(COOKIE2)",
        "#2 b -> a1 INFORMATIONAL request: N(COOKIE2)",
        "#2 a1 -> b INFORMATIONAL response: N(COOKIE2)");

    scenario_watch(world);
    scenario_create(&world->a, second);
    EXPECT_MESSAGES(world,
                    /* M7, M8 */
                    "#2 a1 -> b CREATE_CHILD_SA request: SA(ESP) NONCE TSi TSr",
                    "#2 b -> a1 CREATE_CHILD_SA response: SA(ESP) NONCE TSi TSr");
    assert_int_equal(world_n_children(&world->b), 2);
    assert_int_equal(scenario_session(&world->b).logins, 1);
    scenario_end(world);
}

/* --- what the responder makes of the request's notify (KO-18 to KO-22, A-02 to A-06) --- */

static const char plain_response[] = "#1 b -> a CREATE_CHILD_SA response: SA(IKE) NONCE KE";
static const char kept_response[] =
    "#1 b -> a CREATE_CHILD_SA response: N(KEEP_OLD_IKE_SA Q=0 code=0) SA(IKE) NONCE KE";

struct notify_case {
    const char *name;
    struct {
        size_t len;
        uint8_t octets[8];
    } data[2];     /* of the first and of a second notify; len SIZE_MAX: no such notify */
    bool behind;   /* the notify comes after the SA payload */
    bool response; /* the response is changed, not the request */
    enum ike_outcome outcome;
};
static const struct notify_case *tried;

static enum scenario_fate edit_keep_old(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    size_t at = message_find_notify(m, KEEP_OLD_DEFAULT_NOTIFY);
    if (at == m->n || to_b == tried->response)
        return SCENARIO_PASS;
    message_remove(m, at);
    for (size_t i = 0; i < 2; i++)
        if (tried->data[i].len != SIZE_MAX)
            message_insert_notify(m, tried->behind ? m->n : i, KEEP_OLD_DEFAULT_NOTIFY,
                                  span_of(tried->data[i].octets, tried->data[i].len));
    return SCENARIO_CHANGED;
}

/* both ends agree, whatever it was */
#define NO_NOTIFY                                                                                  \
    {                                                                                              \
        SIZE_MAX,                                                                                  \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }
static const struct notify_case notify_cases[] = {
    {"as it should be", {{4, {0x80}}, NO_NOTIFY}, false, false, IKE_OK},
    {"reserved bits", {{4, {0xff, 0, 0xff, 0xff}}, NO_NOTIFY}, false, false, IKE_OK},
    {"two octets", {{2, {0x80}}, NO_NOTIFY}, false, false, IKE_OK},
    {"eight octets", {{8, {0x80, 0, 1, 2, 3, 4, 5, 6}}, NO_NOTIFY}, false, false, IKE_OK},
    {"the first of two", {{4, {0x80}}, {4, {0x80, 1}}}, false, false, IKE_OK},
    {"none", {NO_NOTIFY, NO_NOTIFY}, false, false, IKE_CLONE_UNSUPPORTED},
    {"empty", {{0, {0}}, NO_NOTIFY}, false, false, IKE_CLONE_UNSUPPORTED},
    {"one octet", {{1, {0x80}}, NO_NOTIFY}, false, false, IKE_CLONE_UNSUPPORTED},
    {"no question", {{4, {0}}, NO_NOTIFY}, false, false, IKE_CLONE_UNSUPPORTED},
    {"code 1", {{4, {0x80, 1}}, NO_NOTIFY}, false, false, IKE_CLONE_UNSUPPORTED},
    {"code 2", {{4, {0x80, 2}}, NO_NOTIFY}, false, false, IKE_CLONE_UNSUPPORTED},
    {"code 255", {{4, {0x80, 255}}, NO_NOTIFY}, false, false, IKE_CLONE_UNSUPPORTED},
    {"behind the SA", {{4, {0x80}}, NO_NOTIFY}, true, false, IKE_CLONE_UNSUPPORTED},
    {"answer: with reserved bits", {{4, {0x7f, 0, 9, 9}}, NO_NOTIFY}, false, true, IKE_OK},
    {"answer: a question", {{4, {0x80}}, NO_NOTIFY}, false, true, IKE_CLONE_UNSUPPORTED},
    {"answer: not kept", {{4, {0, 1}}, NO_NOTIFY}, false, true, IKE_CLONE_UNSUPPORTED},
    {"answer: code 2", {{4, {0, 2}}, NO_NOTIFY}, false, true, IKE_CLONE_UNSUPPORTED},
    {"answer: too short", {{1, {0}}, NO_NOTIFY}, false, true, IKE_CLONE_UNSUPPORTED},
    {"answer: behind the SA", {{4, {0}}, NO_NOTIFY}, true, true, IKE_CLONE_UNSUPPORTED},
};

static void the_notify(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(notify_cases); i++) {
        tried = &notify_cases[i];
        struct world *world = scenario_up(20 + i);
        ike_sa_id first = world_sa(&world->a, 0);
        scenario_watch(world);
        scenario_edit(world, edit_keep_old);
        enum ike_outcome outcome = scenario_on_sa(&world->a, IKE_CMD_CLONE, first);
        scenario_edit(world, NULL);
        world_run(world, 5 * NANOS_PER_SEC);
        if (outcome != tried->outcome)
            fail_msg("%s: %s", tried->name, ike_outcome_name(outcome));
        if (!tried->response) {

            bool unused = tried->data[0].len == 4 && tried->data[0].octets[1] == 1;
            assert_int_equal(scenario_count(world, kept_response), outcome == IKE_OK);
            assert_int_equal(scenario_count(world, plain_response), outcome != IKE_OK && !unused);
            world_check(world);
        }
        assert_int_equal(world_n_sas(&world->a), outcome == IKE_OK ? 2 : 1);
        assert_int_equal(world_n_children(&world->a), 1);
        /* never asked again */
        scenario_watch(world);
        outcome = scenario_on_sa(&world->a, IKE_CMD_CLONE, world_sa(&world->a, 0));
        assert_int_equal(outcome, tried->outcome);
        assert_int_equal(scenario_count(world, "CREATE_CHILD_SA request"), outcome == IKE_OK);
        world_free(world);
    }
}

/* --- where the notify does not belong (KO-11, A-28) --- */

static enum scenario_fate add_keep_old(struct world *world, bool to_b, struct message *m)
{
    static const uint8_t question[4] = {0x80};
    static const uint8_t statement[4] = {0};
    bool response = ike_header_response(&m->header);
    (void)world;
    /* to every request of `a`, or to the responses of `b` to a plain rekey */
    if (to_b == response || (response && message_find(m, WIRE_PAYLOAD_KE) == m->n))
        return SCENARIO_PASS;
    message_insert_notify(m, 0, KEEP_OLD_DEFAULT_NOTIFY,
                          span_of(response ? statement : question, 4));
    return SCENARIO_CHANGED;
}

static void out_of_place(void **state)
{
    (void)state;
    struct world *world = scenario_up(3);
    scenario_edit(world, add_keep_old);
    scenario_watch(world);
    ike_child_id child = scenario_create(&world->a, world_sa(&world->a, 0));
    assert_int_equal(scenario_on_child(&world->a, IKE_CMD_REKEY_CHILD, child), IKE_OK);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, world_sa(&world->a, 0)), IKE_OK);
    EXPECT_MESSAGES(
        world,
        "#1 a -> b CREATE_CHILD_SA request: N(KEEP_OLD_IKE_SA Q=1 code=0) SA(ESP) NONCE TSi TSr",
        "#1 b -> a CREATE_CHILD_SA response: SA(ESP) NONCE TSi TSr",
        "#1 a -> b CREATE_CHILD_SA request: N(KEEP_OLD_IKE_SA Q=1 code=0) N(REKEY_SA) SA(ESP) "
        "NONCE TSi TSr",
        "#1 b -> a CREATE_CHILD_SA response: SA(ESP) NONCE TSi TSr",
        "#1 a -> b INFORMATIONAL request: N(KEEP_OLD_IKE_SA Q=1 code=0) D(ESP)",
        "#1 b -> a INFORMATIONAL response: D(ESP)",
        "#1 a -> b INFORMATIONAL request: N(KEEP_OLD_IKE_SA Q=1 code=0)",
        "#1 b -> a INFORMATIONAL response: -");
    assert_int_equal(world_n_sas(&world->b), 1);
    world_check(world);
    /* a plain rekey of `b` that `a` answers with "kept": nobody asked */
    assert_int_equal(scenario_on_sa(&world->b, IKE_CMD_REKEY_IKE, world_sa(&world->b, 0)), IKE_OK);
    world_run(world, NANOS_PER_SEC);
    assert_int_equal(world_n_sas(&world->a), 1);
    assert_int_equal(world_n_children(&world->a), 2);
    scenario_end(world);
}

/* a clone takes everything from its session and nothing from the request. */
static enum scenario_fate add_identity(struct world *world, bool to_b, struct message *m)
{
    static const uint8_t other[] = "\2\0\0\0root.user.example";
    (void)world;
    if (!to_b || message_find(m, WIRE_PAYLOAD_SA) == m->n)
        return SCENARIO_PASS;
    message_append(m, WIRE_PAYLOAD_IDi, span_of(other, sizeof(other) - 1));
    message_append(m, WIRE_PAYLOAD_AUTH, span_of("\2\0\0\0aaaaaaaa", 12));
    message_append(m, WIRE_PAYLOAD_CP, span_of("\1\0\0\0\0\1\0\0", 8));
    message_append_notify(m, N_INITIAL_CONTACT, (struct span){0});
    message_append_notify(m, N_MOBIKE_SUPPORTED, (struct span){0});
    return SCENARIO_CHANGED;
}

static void inherits(void **state)
{
    (void)state;
    struct world *world = scenario_up(4);
    struct ike_session_info before = scenario_session(&world->b);
    scenario_edit(world, add_identity);
    scenario_watch(world);
    ike_sa_id clone = scenario_clone(&world->a, world_sa(&world->a, 0));
    assert_int_equal(scenario_count(world, kept_response), 1);
    struct ike_session_info after = scenario_session(&world->b);
    assert_int_equal(after.id, before.id);
    assert_int_equal(after.n_ike_sas, 2);
    assert_int_equal(after.logins, 1);
    assert_memory_equal(&after.remote_id, &before.remote_id, sizeof(after.remote_id));
    assert_memory_equal(&after.config, &before.config, sizeof(after.config));
    assert_int_equal(world->b.n_leases, 1);
    /* Message ID 0, no Child SAs */
    scenario_edit(world, NULL);
    assert_int_equal(world_n_children(&world->b), 1);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, clone), IKE_OK);
    scenario_end(world);
}

/* on a clone, Child SAs of its siblings do not exist. */
static uint8_t foreign_spi[4];
static enum scenario_fate name_foreign(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    size_t rekey = message_find_notify(m, N_REKEY_SA), d = message_find(m, WIRE_PAYLOAD_D);
    if (!to_b || ike_header_response(&m->header) || m->sa != 2 || (rekey == m->n && d == m->n))
        return SCENARIO_PASS;
    memcpy(message_octets(m, rekey < m->n ? rekey : d) + 4, foreign_spi, 4);
    return SCENARIO_CHANGED;
}

static void foreign_children(void **state)
{
    (void)state;
    struct world *world = scenario_up(5);
    struct ike_child_info child;
    assert_true(ike_child_get(world->a.ike, world_child(&world->a, 0), &child));
    for (int i = 0; i < 4; i++)
        foreign_spi[i] = (uint8_t)(child.spi_in >> (24 - 8 * i));
    ike_sa_id clone = scenario_clone(&world->a, world_sa(&world->a, 0));
    ike_child_id own = scenario_create(&world->a, clone);
    scenario_edit(world, name_foreign);
    scenario_watch(world);
    assert_int_equal(scenario_on_child(&world->a, IKE_CMD_REKEY_CHILD, own), IKE_PEER_DELETED);
    assert_int_equal(scenario_count(world, "response: N(CHILD_SA_NOT_FOUND)"), 1);
    assert_true(ike_child_get(world->a.ike, child.id, &child));
    assert_int_equal(child.life, IKE_CHILD_ACTIVE);
    scenario_watch(world);
    own = scenario_create(&world->a, clone);
    assert_int_equal(scenario_on_child(&world->a, IKE_CMD_DELETE_CHILD, own), IKE_OK);
    assert_int_equal(scenario_count(world, "#2 b -> a INFORMATIONAL response: -"), 1);
    assert_int_equal(world->b.counts[IKE_EV_CHILD_DOWN], 0);
    world_free(world);
}

/* --- code 1 (KO-15, KO-21, D-11) --- */

static enum scenario_fate lose_deletes_of_a(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    return to_b && !ike_header_response(&m->header) && message_find(m, WIRE_PAYLOAD_D) < m->n
               ? SCENARIO_LOST
               : SCENARIO_PASS;
}

static void unused_old(void **state)
{
    (void)state;
    for (int forgets = 0; forgets < 2; forgets++) {
        struct world *world = world_new(6);
        world->conn_b->unused_old_timeout_ns = 30 * NANOS_PER_SEC;
        scenario_login(world);
        scenario_watch(world);
        scenario_edit(world, forgets ? lose_deletes_of_a : NULL);
        ike_sa_id first = world_sa(&world->a, 0);
        struct ike_command command = {.kind = IKE_CMD_CLONE, .sa = first, .unused_old = true};
        assert_int_equal(world_command(&world->a, command), IKE_OK);
        assert_int_equal(world_n_children(&world->b), 1);
        if (!forgets) {
            EXPECT_MESSAGES(world,
                            "#1 a -> b CREATE_CHILD_SA request: N(KEEP_OLD_IKE_SA Q=1 code=1) "
                            "SA(IKE) NONCE KE",
                            "#1 b -> a CREATE_CHILD_SA response: N(KEEP_OLD_IKE_SA Q=0 code=1) "
                            "SA(IKE) NONCE KE",
                            "#1 a -> b INFORMATIONAL request: D(IKE)",
                            "#1 b -> a INFORMATIONAL response: -");
        } else {
            assert_int_equal(world_n_sas(&world->b), 2);
            world_run(world, 32 * NANOS_PER_SEC);
            assert_int_equal(scenario_count(world, "#1 b -> a INFORMATIONAL request: D(IKE)"), 1);
        }
        assert_int_equal(world_n_sas(&world->b), 1);
        assert_int_equal(world_n_sas(&world->a), 1);
        assert_int_equal(world_n_children(&world->a), 1);
        scenario_end(world);
    }
}

/* --- limits (D-20, D-21, A-12) --- */

static void limit_of_the_gateway(void **state)
{
    (void)state;
    struct world *world = world_new(7);
    world->conn_b->max_ike_sas = 3;
    scenario_login(world);
    ike_sa_id first = world_sa(&world->a, 0);
    ike_sa_id second = scenario_clone(&world->a, first);
    scenario_clone(&world->a, second); /* of a clone: all count against the session */
    scenario_watch(world);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_CLONE, second), IKE_NO_ADDITIONAL_SAS);
    assert_int_equal(scenario_count(world, "response: N(NO_ADDITIONAL_SAS)"), 1);
    assert_true(scenario_session(&world->a).clone_refused);
    /* not asked again, and nothing else happens: no login anew */
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_CLONE, first), IKE_NO_ADDITIONAL_SAS);
    assert_int_equal(scenario_count(world, "request"), 1);
    world_check(world);
    /* until one goes */
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_DELETE_IKE, second), IKE_OK);
    scenario_clone(&world->a, first);
    assert_int_equal(world_n_sas(&world->b), 3);
    scenario_end(world);
}

static void limit_of_the_end_user(void **state)
{
    (void)state;
    struct world *world = world_new(8);
    world->conn_a->max_ike_sas = 2;
    scenario_login(world);
    scenario_clone(&world->a, world_sa(&world->a, 0));
    scenario_watch(world);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_CLONE, world_sa(&world->a, 0)), IKE_LIMIT);
    assert_int_equal(scenario_count(world, "request"), 0);
    scenario_end(world);
}

static void token_bucket(void **state)
{
    (void)state;
    struct world *world = world_new(9);
    world->conn_a->max_ike_sas = world->conn_b->max_ike_sas = 64;
    scenario_login(world);
    ike_sa_id first = world_sa(&world->a, 0);
    scenario_watch(world);
    for (int i = 0; i < 16; i++)
        world_post(&world->a, (struct ike_command){.kind = IKE_CMD_CLONE, .sa = first});
    world_run(world, NANOS_PER_SEC);
    assert_int_equal(scenario_count(world, "N(TEMPORARY_FAILURE)"), 0);
    for (int i = 0; i < 4; i++)
        world_post(&world->a, (struct ike_command){.kind = IKE_CMD_CLONE, .sa = first});
    world_run(world, NANOS_PER_SEC);
    assert_true(scenario_count(world, "N(TEMPORARY_FAILURE)") > 0);
    world_run(world, 60 * NANOS_PER_SEC);
    assert_int_equal(world_n_sas(&world->b), 21); /* asked again, until there was room */
    scenario_end(world);
}

/* --- RFC 7791 --- */

static void rfc7791(void **state)
{
    (void)state;
    for (int only = 0; only < 2; only++) {
        struct world *world = world_new(10);
        world->conn_a->prefer = IKE_CLONE_RFC7791;
        if (only)
            world->conn_b->clone = IKE_CLONE_RFC7791;
        scenario_login(world);
        assert_int_equal(scenario_session(&world->a).dialect, IKE_DIALECT_RFC7791);
        scenario_watch(world);
        scenario_clone(&world->a, world_sa(&world->a, 0));
        EXPECT_MESSAGES(world,
                        "#1 a -> b CREATE_CHILD_SA request: N(CLONE_IKE_SA) SA(IKE) NONCE KE",
                        "#1 b -> a CREATE_CHILD_SA response: SA(IKE) NONCE KE");
        assert_int_equal(world_n_sas(&world->a), 2);
        assert_int_equal(world_n_children(&world->b), 1);
        scenario_end(world);
    }
}

static enum scenario_fate to_rfc7791(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    size_t at = message_find_notify(m, KEEP_OLD_DEFAULT_NOTIFY);
    if (!to_b || at == m->n)
        return SCENARIO_PASS;
    message_remove(m, at);
    message_insert_notify(m, at, N_CLONE_IKE_SA, (struct span){0});
    return SCENARIO_CHANGED;
}

/* SUP-01: not negotiated, so refused; a plain rekey would move Child SAs of which the peer believes
 * that they stay. */
static void rfc7791_unasked(void **state)
{
    (void)state;
    struct world *world = world_new(11);
    world->conn_b->clone = IKE_CLONE_KEEP_OLD;
    scenario_login(world);
    scenario_edit(world, to_rfc7791);
    scenario_watch(world);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_CLONE, world_sa(&world->a, 0)),
                     IKE_NO_ADDITIONAL_SAS);
    assert_int_equal(scenario_count(world, "response: N(NO_ADDITIONAL_SAS)"), 1);
    assert_int_equal(world_n_sas(&world->a), 1);
    scenario_end(world);
}

/* RFC 7791 section 5.2: in any other message the notify is ignored. */
static enum scenario_fate add_clone_notify(struct world *world, bool to_b, struct message *m)
{
    (void)world;
    (void)to_b;
    if (m->header.exchange == WIRE_IKE_SA_INIT || message_find_notify(m, N_CLONE_IKE_SA) < m->n ||
        (!ike_header_response(&m->header) && message_find(m, WIRE_PAYLOAD_KE) < m->n))
        return SCENARIO_PASS;
    message_insert_notify(m, 0, N_CLONE_IKE_SA, (struct span){0});
    return SCENARIO_CHANGED;
}

static void rfc7791_out_of_place(void **state)
{
    (void)state;
    struct world *world = world_new(18);
    world->conn_a->prefer = world->conn_b->prefer = IKE_CLONE_RFC7791;
    scenario_watch(world);
    scenario_edit(world, add_clone_notify);
    scenario_login(world); /* in IKE_AUTH too */
    assert_int_equal(scenario_count(world, "IKE_AUTH request: N(CLONE_IKE_SA) "), 1);
    ike_sa_id first = world_sa(&world->a, 0);
    ike_child_id child = scenario_create(&world->a, first);
    assert_int_equal(scenario_on_child(&world->a, IKE_CMD_REKEY_CHILD, child), IKE_OK);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_PROBE, first), IKE_OK);
    assert_int_equal(world_n_sas(&world->b), 1);
    assert_int_equal(world_n_children(&world->b), 2);
    world_check(world);
    /* in a response to a clone, and in one to a plain rekey, which stays one */
    scenario_clone(&world->a, first);
    assert_int_equal(world_n_sas(&world->b), 2);
    scenario_watch(world);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_REKEY_IKE, first), IKE_OK);
    assert_int_equal(
        scenario_count(world, "CREATE_CHILD_SA response: N(CLONE_IKE_SA) SA(IKE) NONCE KE"), 1);
    world_run(world, NANOS_PER_SEC);
    assert_int_equal(world_n_sas(&world->a), 2);
    assert_int_equal(world_n_children(&world->a), 2);
    scenario_end(world);
}

/* RFC 7791 section 5.3: refused for good by NO_ADDITIONAL_SAS, until an IKE SA goes. */
static void rfc7791_limit(void **state)
{
    (void)state;
    struct world *world = world_new(19);
    world->conn_a->prefer = IKE_CLONE_RFC7791;
    world->conn_b->max_ike_sas = 2;
    scenario_login(world);
    ike_sa_id first = world_sa(&world->a, 0), second = scenario_clone(&world->a, first);
    scenario_watch(world);
    for (int i = 0; i < 2; i++)
        assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_CLONE, first), IKE_NO_ADDITIONAL_SAS);
    EXPECT_MESSAGES(world, "#1 a -> b CREATE_CHILD_SA request: N(CLONE_IKE_SA) SA(IKE) NONCE KE",
                    "#1 b -> a CREATE_CHILD_SA response: N(NO_ADDITIONAL_SAS)");
    world_check(world);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_DELETE_IKE, second), IKE_OK);
    scenario_clone(&world->a, first);
    scenario_end(world);
}

/* Both ask for the last one at the same time: neither is told that there never will be one. */
static void last_one_for_both(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 8; seed++) {
        struct world *world = world_new(60 + seed);
        world->conn_a->max_ike_sas = world->conn_b->max_ike_sas = 2;
        scenario_login(world);
        ike_sa_id a = world_sa(&world->a, 0), b = world_sa(&world->b, 0);
        scenario_watch(world);
        uint64_t tag = world_post(&world->a, (struct ike_command){.kind = IKE_CMD_CLONE, .sa = a});
        world_post(&world->b, (struct ike_command){.kind = IKE_CMD_CLONE, .sa = b});
        world_run(world, 20 * NANOS_PER_SEC);
        assert_non_null(world_done(&world->a, tag));
        assert_true(scenario_count(world, "response: N(TEMPORARY_FAILURE)") >= 2);
        assert_int_equal(world_n_sas(&world->a), 2);
        scenario_end(world);
    }
}

static void without_mobike(void **state)
{
    (void)state;
    struct world *world = world_new(12);
    world->conn_b->mobike = false;
    scenario_login(world);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_CLONE, world_sa(&world->a, 0)),
                     IKE_CLONE_UNSUPPORTED);
    scenario_end(world);
}

/* --- who asks, and who goes first --- */

static void by_the_gateway(void **state)
{
    (void)state;
    struct world *world = scenario_up(13);
    scenario_watch(world);
    ike_sa_id at_b = scenario_clone(&world->b, world_sa(&world->b, 0));
    assert_int_equal(scenario_sa(&world->b, at_b).role, IKE_SA_INITIATOR);
    ike_sa_id at_a = world_sa(&world->a, 1);
    assert_int_equal(scenario_sa(&world->a, at_a).role, IKE_SA_RESPONDER);
    /* M2, A-09: MOBIKE stays with who logged in, whoever asked for the clone */
    scenario_move(world, at_a, 1);
    scenario_create(&world->a, at_a);
    assert_int_equal(scenario_on_sa(&world->b, IKE_CMD_MOVE, at_b), IKE_UNACCEPTABLE_ADDRESSES);
    EXPECT_MESSAGES(
        world, "#1 b -> a CREATE_CHILD_SA request: N(KEEP_OLD_IKE_SA Q=1 code=0) SA(IKE) NONCE KE",
        "#1 a -> b CREATE_CHILD_SA response: N(KEEP_OLD_IKE_SA Q=0 code=0) SA(IKE) NONCE KE",
        "#2 a1 -> b INFORMATIONAL request: N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP)",
        "#2 b -> a1 INFORMATIONAL response: N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP)",
        "#2 a1 -> b INFORMATIONAL request: N(UPDATE_SA_ADDRESSES) N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP) N(COOKIE2)",
        "#2 b -> a1 INFORMATIONAL response: N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP) N(COOKIE2)",
        "#2 b -> a1 INFORMATIONAL request: N(COOKIE2)",
        "#2 a1 -> b INFORMATIONAL response: N(COOKIE2)",
        "#2 a1 -> b CREATE_CHILD_SA request: SA(ESP) NONCE TSi TSr",
        "#2 b -> a1 CREATE_CHILD_SA response: SA(ESP) NONCE TSi TSr");
    scenario_end(world);
}

static void any_order_of_ends(void **state)
{
    (void)state;
    static const unsigned orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}};
    for (size_t i = 0; i < ARRAY_LEN(orders); i++)
        for (int by_b = 0; by_b < 2; by_b++) {
            struct world *world = scenario_up(40 + i);
            struct peer *peer = by_b ? &world->b : &world->a;
            ike_sa_id sas[3] = {world_sa(&world->a, 0)};
            for (unsigned j = 1; j < 3; j++) {
                sas[j] = scenario_clone(&world->a, sas[j - 1]);
                scenario_create(&world->a, sas[j]);
            }
            for (unsigned j = 0; j < 3; j++)
                sas[j] = world_sa(peer, j);
            for (unsigned j = 0; j < 3; j++) {
                assert_int_equal(world->b.n_leases, 1);
                assert_int_equal(scenario_on_sa(peer, IKE_CMD_DELETE_IKE, sas[orders[i][j]]),
                                 IKE_OK);
                assert_int_equal(world_n_sas(&world->b), 2 - j);
                assert_int_equal(world_n_children(&world->a), 2 - j);
                world_check(world);
            }
            assert_int_equal(world->b.n_leases, 0);
            assert_int_equal(world->a.counts[IKE_EV_SESSION_DOWN], 1);
            assert_int_equal(world->b.counts[IKE_EV_SESSION_DOWN], 1);
            world_free(world);
        }
}

/* cloning never puts off the end of the authentication. */
static void deadline_of_the_login(void **state)
{
    (void)state;
    struct world *world = world_new(14);
    world->conn_b->reauth_ns = 100 * NANOS_PER_SEC; /* and a tenth of grace */
    scenario_login(world);
    ike_sa_id sa = world_sa(&world->a, 0);
    world_run(world, 108 * NANOS_PER_SEC);
    for (int i = 0; i < 3; i++)
        sa = scenario_clone(&world->a, sa);
    assert_int_equal(world_n_sas(&world->b), 4);
    world_run(world, 3 * NANOS_PER_SEC);
    assert_int_equal(world_n_sas(&world->b), 0);
    assert_int_equal(world_n_sas(&world->a), 0);
    assert_int_equal(world->b.n_leases, 0);
    world_free(world);
}

/* whatever is lost, one clone is one clone. */
static void lost(void **state)
{
    (void)state;
    for (unsigned nth = 0; nth < 2; nth++) {
        struct world *world = scenario_up(15);
        scenario_watch(world);
        scenario_lose(world, nth);
        scenario_clone(&world->a, world_sa(&world->a, 0));
        assert_int_equal(scenario_count(world, "(lost)"), 1);
        assert_int_equal(world_n_sas(&world->b), 2);
        scenario_end(world);
    }
}

/* INVALID_KE_PAYLOAD is answered with the same notify and the group that was named. */
static bool spoiled;
static enum scenario_fate spoil_group(struct world *world, bool to_b, struct message *m)
{
    size_t ke = message_find(m, WIRE_PAYLOAD_KE);
    (void)world;
    if (!to_b || ke == m->n || spoiled)
        return SCENARIO_PASS;
    spoiled = true;
    message_octets(m, ke)[1] = 1; /* 768-bit MODP: nobody wants it */
    return SCENARIO_CHANGED;
}

static void other_group(void **state)
{
    (void)state;
    struct world *world = scenario_up(16);
    scenario_edit(world, spoil_group);
    spoiled = false;
    scenario_watch(world);
    scenario_clone(&world->a, world_sa(&world->a, 0));
    EXPECT_MESSAGES(
        world, "#1 a -> b CREATE_CHILD_SA request: N(KEEP_OLD_IKE_SA Q=1 code=0) SA(IKE) NONCE KE",
        "#1 b -> a CREATE_CHILD_SA response: N(INVALID_KE_PAYLOAD)",
        "#1 a -> b CREATE_CHILD_SA request: N(KEEP_OLD_IKE_SA Q=1 code=0) SA(IKE) NONCE KE",
        "#1 b -> a CREATE_CHILD_SA response: N(KEEP_OLD_IKE_SA Q=0 code=0) SA(IKE) NONCE KE");
    assert_int_equal(world_n_sas(&world->b), 2);
    scenario_end(world);
}

static enum scenario_fate spoil_every_group(struct world *world, bool to_b, struct message *m)
{
    spoiled = false;
    return spoil_group(world, to_b, m);
}

/* "No more" holds until an IKE SA goes: one that never came to be is none. */
static void refused_stays_refused(void **state)
{
    (void)state;
    struct world *world = world_new(17);
    world->conn_b->max_ike_sas = 1;
    scenario_login(world);
    ike_sa_id sa = world_sa(&world->a, 0);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_CLONE, sa), IKE_NO_ADDITIONAL_SAS);
    scenario_edit(world, spoil_every_group);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_REKEY_IKE, sa), IKE_KE_REFUSED);
    scenario_edit(world, NULL);
    assert_true(scenario_session(&world->a).clone_refused);
    scenario_end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_draft),
        cmocka_unit_test(the_notify),
        cmocka_unit_test(out_of_place),
        cmocka_unit_test(inherits),
        cmocka_unit_test(foreign_children),
        cmocka_unit_test(unused_old),
        cmocka_unit_test(limit_of_the_gateway),
        cmocka_unit_test(limit_of_the_end_user),
        cmocka_unit_test(token_bucket),
        cmocka_unit_test(rfc7791),
        cmocka_unit_test(rfc7791_unasked),
        cmocka_unit_test(rfc7791_out_of_place),
        cmocka_unit_test(rfc7791_limit),
        cmocka_unit_test(last_one_for_both),
        cmocka_unit_test(without_mobike),
        cmocka_unit_test(by_the_gateway),
        cmocka_unit_test(any_order_of_ends),
        cmocka_unit_test(deadline_of_the_login),
        cmocka_unit_test(lost),
        cmocka_unit_test(other_group),
        cmocka_unit_test(refused_stays_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
