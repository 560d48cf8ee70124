/* SPDX-License-Identifier: Apache-2.0 */
/* N(TRAFFIC_CLASSES): the Gateway learns the classes of traffic of its End User, and which path each may take. */
#include "exchange/mover.h"
#include "exchange/scenario.h"
#include "ike/connection.h"
#include "wire/payloads.h"
#include "wire/traffic_classes.h"

static struct traffic_class class_of(uint8_t protocol)
{
    struct traffic_class class;
    memset(&class, 0, sizeof(class));
    class.protocol = protocol;
    class.dscp = UINT64_C(1) << 46;
    class.local_port = class.size = NUMBER_ANY;
    class.remote_port = (struct number_range){5060, 5080};
    class.n_remote = 2;
    assert_true(range_parse("10.0.0.0/8", &class.remote[0]));
    assert_true(range_parse("2001:db8::1-2001:db8::9", &class.remote[1]));
    return class;
}

static struct ike_conn *conn_with(struct world *world, uint8_t n)
{
    struct ike_conn *conn = ike_conn_new();
    assert_non_null(conn);
    ike_conn_set(conn, world->conn_a);
    for (conn->n_classes = 0; conn->n_classes < n; conn->n_classes++)
        conn->classes[conn->n_classes] = class_of((uint8_t)(conn->n_classes + 6));
    return conn;
}

/* load - the End User has this connection now, for sessions that are up as well. */
static void load(struct world *world, uint8_t n)
{
    struct ike_conn *conn = conn_with(world, n);
    assert_int_equal(ike_conn_add(world->a.ike, conn), 0);
    ike_conn_unref(conn);
}

static void tell(struct world *world, ike_sa_id sa, uint16_t classes)
{
    struct ike_command command = {.kind = IKE_CMD_PATH_TERMS,
                                  .sa = sa,
                                  .terms = {.rank = 1, .weight = 1, .classes = classes}};
    assert_int_equal(ike_command(world->a.ike, &command, world->now), 0);
    world_run(world, NANOS_PER_SEC);
}

static void expect_list(const struct peer *peer, uint8_t n)
{
    struct ike_session_info info = scenario_session(peer);
    assert_int_equal(info.classes.n, n);
    for (uint8_t i = 0; i < n; i++) {
        struct traffic_class class = class_of((uint8_t)(i + 6));
        assert_memory_equal(&info.classes.classes[i], &class, sizeof(class));
    }
}

static int classes_of(const struct peer *peer, unsigned nth)
{
    return scenario_sa(peer, world_sa(peer, nth)).terms.classes;
}

/* The list is of the session, and what each path may carry of its IKE SA. Another list makes void what was said of
 * paths. */
static void told(void **state)
{
    (void)state;
    struct world *world = scenario_up(1);
    ike_sa_id clone = scenario_clone(&world->a, world_sa(&world->a, 0));
    load(world, LIMIT_CLASSES);
    tell(world, world_sa(&world->a, 0), 0x8001);
    tell(world, clone, 6);
    expect_list(&world->b, LIMIT_CLASSES);
    expect_list(&world->a, 0);
    assert_true(scenario_session(&world->b).classes.mirrored);
    assert_int_equal(classes_of(&world->b, 0), 0x8001);
    assert_int_equal(classes_of(&world->b, 1), 6);
    assert_int_equal(scenario_session(&world->b).classes_changes, 1);
    mover_moved(&world->b); /* to another process */
    expect_list(&world->b, LIMIT_CLASSES);
    assert_int_equal(classes_of(&world->b, 1), 6);
    tell(world, clone, 2); /* the same list again */
    assert_int_equal(classes_of(&world->b, 0), 0x8001);
    load(world, 2);
    tell(world, clone, 3);
    expect_list(&world->b, 2);
    assert_int_equal(classes_of(&world->b, 0), 0);
    assert_int_equal(classes_of(&world->b, 1), 3);
    load(world, 0);
    tell(world, clone, 0);
    expect_list(&world->b, 0);
    scenario_end(world);
}

/* A rekey keeps what was said. After a move it has to be said anew, since the path is another one. */
static void moved(void **state)
{
    (void)state;
    struct world *world = scenario_up(2);
    load(world, 2);
    tell(world, world_sa(&world->a, 0), 3);
    assert_int_equal(scenario_on_sa(&world->a, IKE_CMD_REKEY_IKE, world_sa(&world->a, 0)), IKE_OK);
    world_run(world, NANOS_PER_SEC);
    assert_int_equal(classes_of(&world->a, 0), 3);
    assert_int_equal(classes_of(&world->b, 0), 3);
    struct ike_command move = {
        .kind = IKE_CMD_MOVE, .sa = world_sa(&world->a, 0), .path = world_path(1)};
    assert_int_equal(ike_command(world->a.ike, &move, world->now), 0);
    world_run(world, NANOS_PER_SEC);
    assert_int_equal(classes_of(&world->a, 0), 0);
    assert_int_equal(classes_of(&world->b, 0), 0);
    expect_list(&world->b, 2);
    scenario_end(world);
}

static uint32_t seed;

/* spoil - changes, cuts or lengthens the notify at random. */
static enum scenario_fate spoil(struct world *world, bool to_b, struct message *m)
{
    uint8_t data[TRAFFIC_CLASSES_MAX + 8] = {0};
    struct traffic_class classes[LIMIT_CLASSES];
    size_t at = message_find_notify(m, TRAFFIC_CLASSES_NOTIFY);
    (void)world;
    if (at == m->n || !to_b)
        return SCENARIO_PASS;
    for (unsigned i = 0; i < LIMIT_CLASSES; i++)
        classes[i] = class_of(17);
    size_t len = traffic_classes_write(classes, LIMIT_CLASSES, data);
    for (unsigned i = 0; i < seed % 4; i++)
        data[(seed * 2654435761u >> i * 7) % len] ^= (uint8_t)(1u << seed % 8);
    if (seed % 3 == 0)
        len = seed * 40503u % (len + 8);
    message_remove(m, at);
    message_insert_notify(m, at, TRAFFIC_CLASSES_NOTIFY, span_of(data, len));
    return SCENARIO_CHANGED;
}

/* What cannot be read changes nothing. What is read is sound, whatever it says: the data plane compares with it. */
static void hostile(void **state)
{
    (void)state;
    unsigned read = 0, ignored = 0;
    for (seed = 1; seed < 150; seed++) {
        struct world *world = scenario_up(100 + seed);
        load(world, 1);
        scenario_edit(world, spoil);
        unsigned notices = world->b.counts[IKE_EV_NOTICE];
        tell(world, world_sa(&world->a, 0), 1);
        struct ike_session_info info = scenario_session(&world->b);
        assert_true(info.classes.n <= LIMIT_CLASSES);
        for (uint8_t i = 0; i < info.classes.n; i++) {
            const struct traffic_class *class = &info.classes.classes[i];
            assert_true(class->n_remote <= LIMIT_CLASS_RANGES);
            assert_true(class->remote_port.first <= class->remote_port.last);
            for (uint8_t k = 0; k < class->n_remote; k++)
                assert_true(range_contains(&class->remote[k], &class->remote[k].last));
        }
        bool refused = world->b.counts[IKE_EV_NOTICE] > notices;
        assert_true(!refused || (info.classes.n == 0 && classes_of(&world->b, 0) == 0));
        ignored += refused;
        read += info.classes.n > 0;
        scenario_end(world);
    }
    assert_true(read > 20 && ignored > 20);
}

/* Each rule of the list, and octets of another version. */
static void rules(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        bool taken;
    } rows[] = {
        {0, 2, false},           /* version */
        {1, 17, false},          /* classes */
        {1, 3, false},           /* more than there are */
        {1, 1, true},            /* less: octets behind them */
        {4, 0x3f, true},         /* flags that mean nothing */
        {6, 5, false},           /* addresses */
        {6, 3, false},           /* ... which are not there */
        {7, 0xff, true},         /* reserved */
        {16, 0xff, false},       /* the first local port is above the last one */
        {4 + 24, 7, false},      /* neither 4 nor 6 */
        {4 + 24 + 4, 11, false}, /* 11.0.0.0 to 10.255.255.255 */
    };
    (void)state;
    struct traffic_class classes[2] = {class_of(6), class_of(17)};
    struct traffic_list list;
    classes[0].local_port.last = 1000;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t data[TRAFFIC_CLASSES_MAX];
        size_t len = traffic_classes_write(classes, 2, data);
        data[rows[i].at] = rows[i].value;
        if (traffic_classes_read(span_of(data, len), &list) != rows[i].taken)
            fail_msg("row %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(told),
        cmocka_unit_test(moved),
        cmocka_unit_test(hostile),
        cmocka_unit_test(rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
