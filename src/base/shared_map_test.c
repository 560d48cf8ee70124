/* SPDX-License-Identifier: Apache-2.0 */
#include "base/shared_map.h"

#include <pthread.h>
#include <stdbool.h>

#include "base/unit_test.h"

#define KEYS 600

static char objects[KEYS + 1];

static uint64_t key_of(size_t i, unsigned kind)
{
    /* in a row; with equal low bits; with equal high bits of the product */
    return kind == 0 ? i : kind == 1 ? (uint64_t)i << 40 : i * 0xf1de83e19937733du;
}

static size_t dice_next(uint64_t *dice)
{
    *dice = *dice * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(*dice >> 33);
}

/* random changes; an array shows the expected contents */
static void test_against_array(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 3; kind++) {
        struct shared_map map = {.n = 0};
        struct retired_list retired = {0};
        char *there[KEYS + 1] = {NULL};
        size_t n = 0;
        uint64_t dice = 7;
        for (unsigned step = 0; step < 40000; step++) {
            size_t i = dice_next(&dice) % KEYS + 1;
            bool fills = step < 20000; /* then empties */
            bool put = dice_next(&dice) % 4 != 0 ? fills : !fills;
            char *object = put ? &objects[dice_next(&dice) % KEYS] : NULL;
            n = n + (put && there[i] == NULL) - (!put && there[i] != NULL);
            assert_int_equal(shared_map_set(&map, key_of(i, kind), object, &retired), 0);
            there[i] = object;
            assert_int_equal(map.n, n);
            size_t other = (i * 7 + step) % KEYS + 1;
            assert_ptr_equal(shared_map_get(&map, key_of(other, kind)), there[other]);
        }
        for (size_t i = 1; i <= KEYS; i++)
            assert_ptr_equal(shared_map_get(&map, key_of(i, kind)), there[i]);
        retired_free(&retired);
        shared_map_done(&map);
    }
}

/* Each key comes once, as an SPI does: the table does not grow with their number. */
static void test_passing_keys(void **state)
{
    (void)state;
    struct shared_map map = {.n = 0};
    struct retired_list retired = {0};
    assert_null(shared_map_get(&map, 1));
    assert_null(shared_map_get(&map, 0));
    assert_int_equal(shared_map_set(&map, 1, NULL, &retired), 0);
    for (uint64_t key = 1; key < 100000; key++) {
        assert_int_equal(shared_map_set(&map, key, &objects[key % KEYS], &retired), 0);
        if (key > 100)
            assert_int_equal(shared_map_set(&map, key - 100, NULL, &retired), 0);
        assert_null(shared_map_get(&map, key > 100 ? key - 100 : 0));
    }
    assert_int_equal(map.n, 100);
    assert_true(atomic_load(&map.table)->mask < 1024);
    retired_free(&retired);
    shared_map_done(&map);
}

/* --- with readers --- */

#define STABLE 64 /* keys that always have a value */
#define ROUNDS 60000

struct shared {
    struct shared_map map;
    _Atomic bool stop;
    _Atomic uint64_t lookups, wrong;
};

static void *reader_run(void *argument)
{
    struct shared *shared = argument;
    uint64_t dice = 1, seen = 0;
    while (!atomic_load(&shared->stop)) {
        uint64_t key = dice_next(&dice) % (3 * STABLE) + 1;
        const char *object = shared_map_get(&shared->map, key);
        if (key <= STABLE ? object != &objects[key]
                          : object != NULL && object != &objects[key % KEYS])
            atomic_fetch_add(&shared->wrong, 1);
        atomic_store(&shared->lookups, ++seen);
    }
    return NULL;
}

static void test_readers(void **state)
{
    (void)state;
    static struct shared shared;
    struct retired_list retired = {0}; /* freed after the reader has ended */
    pthread_t thread;
    uint64_t dice = 5;
    for (size_t key = 1; key <= STABLE; key++)
        assert_int_equal(shared_map_set(&shared.map, key, &objects[key], &retired), 0);
    assert_int_equal(pthread_create(&thread, NULL, reader_run, &shared), 0);
    for (unsigned round = 0; round < ROUNDS || atomic_load(&shared.lookups) < ROUNDS; round++) {
        uint64_t key = STABLE + 1 + dice_next(&dice) % (10 * STABLE);
        char *object = dice_next(&dice) % 2 == 0 ? &objects[key % KEYS] : NULL;
        /* growing and shrinking again and again */
        if (round / 1000 % 2 == 1)
            object = NULL;
        assert_int_equal(shared_map_set(&shared.map, key, object, &retired), 0);
    }
    atomic_store(&shared.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(shared.wrong, 0);
    assert_non_null(retired.first); /* tables were replaced */
    retired_free(&retired);
    shared_map_done(&shared.map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_array),
        cmocka_unit_test(test_passing_keys),
        cmocka_unit_test(test_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
