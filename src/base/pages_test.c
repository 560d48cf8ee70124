/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pages.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/unit_test.h"

#define SIZE ((size_t)1 << 22)

/* present - how many pages of the table the system has given. */
static size_t present(void *pages)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 0;
    unsigned char map[SIZE / 4096];
    assert_true(SIZE / page <= sizeof(map));
    assert_int_equal(mincore(pages, SIZE, map), 0);
    for (size_t i = 0; i < SIZE / page; i++)
        n += map[i] & 1;
    return n;
}

/* Again and again, because freed memory may be written to make it zero. */
static void pages_come_when_written(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        uint8_t *table = pages_new(SIZE);
        assert_non_null(table);
        assert_int_equal(present(table), 0);
        assert_int_equal(table[SIZE - 1], 0);
        memset(table, 1, SIZE);
        assert_null(pages_free(table, SIZE));
    }
    assert_null(pages_free(NULL, SIZE));
}

static void no_memory(void **state)
{
    (void)state;
    assert_null(pages_new(SIZE_MAX / 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_come_when_written),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
