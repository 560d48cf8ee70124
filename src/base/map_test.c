/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include "base/unit_test.h"

#define KEYS 600

static bool starved; /* there is no memory */

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return starved ? NULL : __real_aligned_alloc(alignment, size);
}

static uint64_t key_of(size_t i, unsigned kind)
{
    /* in a row; with equal low bits; with equal high bits of the product */
    return kind == 0 ? i : kind == 1 ? (uint64_t)i << 40 : i * 0xf1de83e19937733du;
}

/* random puts and takes; an array shows the expected contents */
static void test_against_array(void **state)
{
    (void)state;
    static char objects[KEYS];
    for (unsigned kind = 0; kind < 3; kind++) {
        struct map map = {.beside = sizeof(uint64_t)};
        bool there[KEYS] = {false};
        size_t n = 0;
        uint64_t dice = 7;
        for (unsigned step = 0; step < 40000; step++) {
            dice = dice * 6364136223846793005u + 1442695040888963407u;
            size_t i = (size_t)(dice >> 33) % KEYS;
            /* fills, then empties */
            bool put = (dice >> 20 & 3) != 0 ? step < 20000 : step >= 20000;
            if (put && !there[i]) {
                assert_int_equal(map_put(&map, key_of(i, kind), &objects[i]), 0);
                assert_int_equal(*(uint64_t *)map_beside(&map, key_of(i, kind)), 0);
                *(uint64_t *)map_beside(&map, key_of(i, kind)) = i + 1;
            } else if (!put)
                assert_ptr_equal(map_take(&map, key_of(i, kind)), there[i] ? &objects[i] : NULL);
            n = n + (put && !there[i]) - (!put && there[i]);
            there[i] = put;
            assert_int_equal(map.n, n);
            size_t other = (i * 7 + step) % KEYS;
            assert_ptr_equal(map_get(&map, key_of(other, kind)),
                             there[other] ? &objects[other] : NULL);
        }
        size_t seen = 0;
        for (size_t i = 0; i < map.cap; i++)
            seen += map_at(&map, i) != NULL;
        assert_int_equal(seen, n);
        for (size_t i = 0; i < KEYS; i++) {
            const uint64_t *beside = map_beside(&map, key_of(i, kind));
            assert_ptr_equal(map_get(&map, key_of(i, kind)), there[i] ? &objects[i] : NULL);
            assert_int_equal(beside != NULL, there[i]);
            assert_true(beside == NULL || *beside == i + 1); /* it moves along */
        }
        map_done(&map);
    }
}

static void test_empty(void **state)
{
    (void)state;
    struct map map = {0};
    int object;
    assert_null(map_get(&map, 0));
    assert_null(map_take(&map, 0));
    assert_int_equal(map_put(&map, 0, &object), 0);
    assert_ptr_equal(map_take(&map, 0), &object);
    assert_null(map_get(&map, 0));
    map_done(&map);
    assert_null(map_get(&map, 0));
}

/* Without memory nothing is lost: objects can be replaced and removed. New ones fit where room was
 * reserved. */
static void test_no_memory(void **state)
{
    (void)state;
    static char objects[KEYS];
    struct map map = {0};
    starved = true;
    assert_int_equal(map_put(&map, 1, &objects[1]), ERR_NO_MEMORY);
    assert_int_equal(map_set(&map, 1, &objects[1]), ERR_NO_MEMORY);
    assert_int_equal(map_reserve(&map, 100), ERR_NO_MEMORY);
    starved = false;
    assert_int_equal(map_put(&map, 1, &objects[1]), 0);
    starved = true;
    size_t n = 1;
    while (map_put(&map, n + 1, &objects[n + 1]) == 0)
        n++;
    assert_int_equal(map.n, n);
    for (size_t i = 1; i <= n; i++)
        assert_ptr_equal(map_get(&map, i), &objects[i]);
    assert_null(map_get(&map, n + 1));
    assert_int_equal(map_set(&map, 1, &objects[0]), 0);
    assert_ptr_equal(map_take(&map, 1), &objects[0]);
    assert_int_equal(map_put(&map, n + 1, &objects[n + 1]), 0);
    map_replace(&map, n + 1, NULL);
    assert_null(map_get(&map, n + 1));
    starved = false;
    assert_int_equal(map_reserve(&map, KEYS - 1), 0);
    for (size_t i = 2; i <= n; i++)
        assert_non_null(map_take(&map, i)); /* the table does not shrink */
    starved = true;
    for (size_t i = 1; i < KEYS; i++)
        assert_int_equal(map_put(&map, i, &objects[i]), 0);
    assert_int_equal(map_reserve(&map, 0), 0);
    for (size_t i = 1; i < KEYS; i++)
        assert_ptr_equal(map_take(&map, i), &objects[i]); /* shrinking fails */
    assert_int_equal(map.n, 0);
    starved = false;
    map_done(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_against_array),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
