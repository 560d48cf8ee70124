/* SPDX-License-Identifier: Apache-2.0 */
/* N(ORDERED_ESP): two ends agree on order trailers for a Child SA, or both do without. */
#include "exchange/scenario.h"
#include "ike/connection.h"
#include "wire/ordered_esp.h"
#include "wire/payloads.h"

/* What becomes of the notify on its way. */
enum spoil { NOT, REMOVED, OTHER_VERSION, TOO_SHORT, WITH_FLAGS, LONGER, BESIDE_NO_TFC };

struct row {
    const char *what;
    enum ike_multipath a, b;
    enum ike_clone clone_b;
    bool spoil_response;
    enum spoil spoil;
    bool a_has, b_has; /* trailers */
};

#define AGGREGATE IKE_MULTIPATH_AGGREGATE
#define AUTO      IKE_MULTIPATH_AUTO
#define BALANCE   IKE_MULTIPATH_BALANCE

static const struct row rows[] = {
    {"both want them", AGGREGATE, AGGREGATE, IKE_CLONE_BOTH, false, NOT, true, true},
    {"both want them where they help", AUTO, AUTO, IKE_CLONE_BOTH, false, NOT, true, true},
    {"one of them always", AUTO, AGGREGATE, IKE_CLONE_BOTH, false, NOT, true, true},
    {"the End User does not", BALANCE, AGGREGATE, IKE_CLONE_BOTH, false, NOT, false, false},
    {"the Gateway does not", AGGREGATE, BALANCE, IKE_CLONE_BOTH, false, NOT, false, false},
    {"no Vendor ID", AGGREGATE, AGGREGATE, IKE_CLONE_RFC7791, false, NOT, false, false},
    {"not asked", AGGREGATE, AGGREGATE, IKE_CLONE_BOTH, false, REMOVED, false, false},
    {"another version", AGGREGATE, AGGREGATE, IKE_CLONE_BOTH, false, OTHER_VERSION, false, false},
    {"too short", AGGREGATE, AGGREGATE, IKE_CLONE_BOTH, false, TOO_SHORT, false, false},
    {"flags", AGGREGATE, AGGREGATE, IKE_CLONE_BOTH, false, WITH_FLAGS, true, true},
    {"longer", AGGREGATE, AGGREGATE, IKE_CLONE_BOTH, false, LONGER, true, true},
    {"no TFC padding", AGGREGATE, AGGREGATE, IKE_CLONE_BOTH, false, BESIDE_NO_TFC, false, false},
    /* a response that was changed: the End User believes what it says */
    {"not answered", AGGREGATE, AGGREGATE, IKE_CLONE_BOTH, true, REMOVED, false, true},
    {"answered otherwise", AGGREGATE, AGGREGATE, IKE_CLONE_BOTH, true, OTHER_VERSION, false, true},
};

static const struct row *current;

static enum scenario_fate spoil(struct world *world, bool to_b, struct message *m)
{
    static const uint8_t data[6] = {ORDERED_ESP_VERSION, 0x55};
    size_t at = message_find_notify(m, ORDERED_ESP_NOTIFY);
    (void)world;
    if (at == m->n || to_b == current->spoil_response)
        return SCENARIO_PASS;
    switch (current->spoil) {
    case NOT: return SCENARIO_PASS;
    case REMOVED: message_remove(m, at); break;
    case OTHER_VERSION: message_octets(m, at)[4] = ORDERED_ESP_VERSION + 1; break;
    case TOO_SHORT:
        message_remove(m, at);
        message_insert_notify(m, at, ORDERED_ESP_NOTIFY, span_of(data, 1));
        break;
    case WITH_FLAGS: message_octets(m, at)[5] = 0xff; break;
    case LONGER:
        message_remove(m, at);
        message_insert_notify(m, at, ORDERED_ESP_NOTIFY, span_of(data, sizeof(data)));
        break;
    case BESIDE_NO_TFC:
        message_insert_notify(m, at, N_ESP_TFC_PADDING_NOT_SUPPORTED, (struct span){0});
        break;
    }
    return SCENARIO_CHANGED;
}

static unsigned children_expect(const struct peer *peer, bool order)
{
    struct ike_child_info child = {0};
    unsigned n = 0;
    for (; ike_child_next(peer->ike, child.id, &child); n++)
        assert_int_equal(child.order, order);
    return n;
}

static void both_expect(struct world *world, const struct row *row, unsigned n)
{
    world_run(world, NANOS_PER_SEC);
    assert_int_equal(children_expect(&world->a, row->a_has), n);
    assert_int_equal(children_expect(&world->b, row->b_has), n);
}

/* In IKE_AUTH, with a further Child SA on a clone, and with rekeys by either end. */
static void agreement(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct world *world = world_new(i + 1);
        current = &rows[i];
        world->conn_a->multipath = current->a;
        world->conn_b->multipath = current->b;
        world->conn_b->clone = current->clone_b;
        if (current->spoil != NOT)
            scenario_edit(world, spoil);
        scenario_login(world);
        both_expect(world, current, 1);
        ike_sa_id clone = scenario_clone(&world->a, world_sa(&world->a, 0));
        scenario_create(&world->a, clone);
        both_expect(world, current, 2);
        struct ike_child_info child = {0};
        assert_true(ike_child_next(world->a.ike, 0, &child));
        assert_int_equal(scenario_on_child(&world->a, IKE_CMD_REKEY_CHILD, child.id), IKE_OK);
        both_expect(world, current, 2);
        scenario_end(world);
    }
}

static void class_add(struct ike_conn *conn, bool redundant)
{
    conn->classes[conn->n_classes++] = (struct traffic_class){.redundant = redundant};
}

/* A class of traffic that takes two paths wants them as well, at both ends. One that takes a single path does not. */
static void of_a_class(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct world *world = world_new(50 + i);
        bool both = i == 3;
        const struct row row = {.a_has = both, .b_has = both};
        class_add(world->conn_a, false);
        class_add(world->conn_a, (i & 1) != 0);
        class_add(world->conn_b, (i & 2) != 0);
        scenario_login(world);
        both_expect(world, &row, 1);
        scenario_end(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(agreement), cmocka_unit_test(of_a_class)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
