/* SPDX-License-Identifier: Apache-2.0 */
/* A table without memory: the object is left out, and the others stay. */
#include <stdlib.h>

#include "base/unit_test.h"

static unsigned allowed; /* allocations until one fails */

static void *scarce(size_t size)
{
    return allowed == 0 || --allowed == 0 ? NULL : malloc(size);
}
#define uthash_malloc(size) scarce(size)
#include "base/table.h"

struct object {
    uint32_t id;
    UT_hash_handle hh;
};

#define OBJECTS 2000

static void memory_runs_out(void **state)
{
    static struct object objects[OBJECTS];
    struct object *table = NULL, *found;
    unsigned n = 0;
    (void)state;
    for (unsigned i = 0; i < OBJECTS; i++) {
        objects[i].id = i;
        allowed = i % 3 == 0 ? 1 : i % 3 == 1 ? 2 : 100; /* the first, the second, none */
        HASH_ADD(hh, table, id, sizeof(objects[i].id), &objects[i]);
        n += TABLE_HAS(&objects[i]);
        assert_int_equal(HASH_COUNT(table), n);
    }
    assert_true(n > 0 && n < OBJECTS);
    for (unsigned i = 0; i < OBJECTS; i++) {
        HASH_FIND(hh, table, &i, sizeof(i), found);
        assert_ptr_equal(found, TABLE_HAS(&objects[i]) ? &objects[i] : NULL);
    }
    for (unsigned i = 0; i < OBJECTS; i++)
        if (TABLE_HAS(&objects[i]))
            HASH_DEL(table, &objects[i]);
    assert_null(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_runs_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
