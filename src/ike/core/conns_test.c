/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/unit_test.h"
#include "ike/core/ike_state.h"

#define NAMES 60

static uint64_t dice = 1;

static unsigned roll(unsigned sides)
{
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(dice >> 33) % sides;
}

static struct ike_conn *named(unsigned name)
{
    struct ike_conn *conn = ike_conn_new();
    assert_non_null(conn);
    (void)snprintf(conn->name, sizeof(conn->name), "c%u", name);
    return conn;
}

/* struct model - what is loaded, in order. */
struct model {
    size_t n;
    struct {
        unsigned name;
        struct ike_conn *conn;
    } loaded[NAMES];
};

static size_t place_in(const struct model *m, unsigned name)
{
    size_t i = 0;
    while (i < m->n && m->loaded[i].name != name)
        i++;
    return i;
}

static void check(struct ike *ike, const struct model *m)
{
    char name[16];
    for (size_t i = 0; i < m->n; i++)
        assert_ptr_equal(ike_conn_at(ike, i), m->loaded[i].conn);
    assert_null(ike_conn_at(ike, m->n));
    for (unsigned i = 0; i < NAMES; i++) {
        size_t place = place_in(m, i);
        (void)snprintf(name, sizeof(name), "c%u", i);
        assert_ptr_equal(ike_conn_find(ike, name), place < m->n ? m->loaded[place].conn : NULL);
    }
}

/* Random loads, replacements and unloads: the order of loading stays, and each connection is found. */
static void order(void **state)
{
    (void)state;
    struct ike *ike = calloc(1, sizeof(*ike));
    struct model m = {0};
    assert_non_null(ike);
    for (unsigned step = 0; step < 3000; step++) {
        unsigned name = roll(NAMES);
        size_t place = place_in(&m, name);
        struct ike_conn *conn = named(name);
        if (roll(2) == 0) {
            assert_int_equal(ike_conn_add(ike, conn), 0);
            m.loaded[place].name = name;
            m.loaded[place].conn = conn;
            m.n += place == m.n;
        } else {
            assert_int_equal(ike_conn_remove(ike, conn->name), place < m.n ? 0 : ERR_NOT_FOUND);
            m.n -= place < m.n;
            for (; place < m.n; place++)
                m.loaded[place] = m.loaded[place + 1];
        }
        ike_conn_unref(conn);
        check(ike, &m);
    }
    while (ike->n_conns > 0)
        assert_int_equal(ike_conn_remove(ike, ike->conns[0]->name), 0);
    free(ike->conns);
    free(ike->conn_numbers);
    map_done(&ike->conns_by_name);
    free(ike);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
