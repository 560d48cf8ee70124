/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/unit_test.h"
#include "control/name_index.h"

static uint64_t same(const struct tree *parent, const char *name)
{
    (void)parent, (void)name;
    return 1;
}

/* Names of one hash, in one section and in two, are told apart. */
static void test_collision(void **state)
{
    (void)state;
    struct name_index index = {.hash = same};
    struct tree *one = tree_new(TREE_SECTION, "one"), *other = tree_new(TREE_SECTION, "other");
    struct tree *a = tree_new(TREE_LIST, "a"), *b = tree_new(TREE_LIST, "b");
    struct tree *far = tree_new(TREE_LIST, "a");
    assert_int_equal(name_index_add(&index, one, a), 0);
    assert_null(name_index_find(&index, one, "b"));
    assert_null(name_index_find(&index, other, "a"));
    assert_int_equal(name_index_add(&index, one, b), 0);
    assert_int_equal(name_index_add(&index, other, far), 0);
    assert_ptr_equal(name_index_find(&index, one, "a"), a);
    assert_ptr_equal(name_index_find(&index, one, "b"), b);
    assert_ptr_equal(name_index_find(&index, other, "a"), far);
    name_index_done(&index);
    assert_null(name_index_find(&index, one, "a"));
    tree_append(one, a);
    tree_append(one, b);
    tree_append(other, far);
    tree_free(one);
    tree_free(other);
}

static void test_many(void **state)
{
    (void)state;
    struct name_index index = {0};
    struct tree *section = tree_new(TREE_SECTION, "section");
    char name[16];
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof(name), "n%d", i);
        tree_append(section, tree_new(TREE_LIST, name));
        assert_int_equal(name_index_add(&index, section, section->last), 0);
    }
    for (struct tree *node = section->first; node != NULL; node = node->next)
        assert_ptr_equal(name_index_find(&index, section, node->name), node);
    name_index_done(&index);
    tree_free(section);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_collision),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
