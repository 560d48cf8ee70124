/* SPDX-License-Identifier: Apache-2.0 */
#include "base/deadline_heap.h"

#include <stdlib.h>

#include "base/unit_test.h"

#define N 300

static bool starved; /* there is no memory */

void *__real_realloc(void *ptr, size_t size);
void *__wrap_realloc(void *ptr, size_t size);

void *__wrap_realloc(void *ptr, size_t size)
{
    return starved ? NULL : __real_realloc(ptr, size);
}

static void first_is_least(const struct deadline_heap *heap, const struct deadline *all, size_t n)
{
    nanos least = NANOS_NEVER;
    for (size_t i = 0; i < n; i++)
        least = nanos_min(least, all[i].index != 0 ? all[i].at : NANOS_NEVER);
    const struct deadline *first = deadline_heap_first(heap);
    assert_int_equal(first == NULL ? NANOS_NEVER : first->at, least);
}

/* Random members change, leave and come back, without any memory. */
static void test_against_array(void **state)
{
    (void)state;
    static struct deadline all[N];
    struct deadline_heap heap = {0};
    uint64_t dice = 7;
    for (size_t i = 0; i < N; i++)
        assert_int_equal(deadline_heap_join(&heap), 0);
    starved = true;
    for (unsigned step = 0; step < 20000; step++) {
        dice = dice * 6364136223846793005u + 1442695040888963407u;
        struct deadline *one = &all[(dice >> 33) % N];
        if ((dice >> 20 & 7) == 0)
            deadline_heap_remove(&heap, one);
        else
            deadline_heap_set(&heap, one,
                              (dice >> 20 & 7) == 1 ? NANOS_NEVER : (nanos)(dice >> 40));
        if (step % 16 == 0)
            first_is_least(&heap, all, N);
    }
    for (size_t i = 0; i < N; i++)
        deadline_heap_leave(&heap, &all[i]);
    assert_null(deadline_heap_first(&heap));
    starved = false;
    deadline_heap_done(&heap);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct deadline_heap heap = {0};
    struct deadline one = {0};
    starved = true;
    assert_int_equal(deadline_heap_join(&heap), ERR_NO_MEMORY);
    starved = false;
    assert_int_equal(deadline_heap_join(&heap), 0);
    starved = true;
    size_t more = 0;
    while (deadline_heap_join(&heap) == 0)
        more++;
    deadline_heap_set(&heap, &one, 5); /* a member needs no memory */
    assert_ptr_equal(deadline_heap_first(&heap), &one);
    deadline_heap_leave(&heap, &one);
    assert_int_equal(deadline_heap_join(&heap), 0); /* the room of the one that left */
    assert_int_equal(deadline_heap_join(&heap), ERR_NO_MEMORY);
    assert_int_equal(heap.members, more + 1);
    starved = false;
    deadline_heap_done(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_array),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
