/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/memory.h"

#include <stdlib.h>

static long live;
static struct sim *failing_sim;
static struct sim_faults *failing; /* NULL: none fails */

long sim_memory_live(void)
{
    return live;
}

void sim_memory_fail(struct sim *sim, struct sim_faults *faults)
{
    failing_sim = sim;
    failing = faults;
}

static bool its_turn(struct sim_faults *faults)
{
    if (faults->memory_run == 0)
        return faults->memory_fail > 0 && sim_chance(failing_sim, faults->memory_fail);
    if (faults->memory_skip > 0) {
        faults->memory_skip--;
        return false;
    }
    faults->memory_run--;
    return true;
}

static bool fails(void)
{
    if (failing == NULL || !its_turn(failing))
        return false;
    failing_sim->counts.failed_allocations++;
    sim_log(failing_sim, NULL, "  an allocation fails");
    return true;
}

static void *counted(void *ptr)
{
    live += ptr != NULL;
    return ptr;
}

/* The names are the linker's: __wrap_f is called for f, __real_f is f. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__real_reallocarray(void *ptr, size_t n, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *ptr);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
void *__wrap_reallocarray(void *ptr, size_t n, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *ptr);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : counted(__real_calloc(n, size));
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : counted(__real_aligned_alloc(alignment, size));
}

void *__wrap_realloc(void *ptr, size_t size)
{
    if (fails())
        return NULL;
    void *grown = __real_realloc(ptr, size);
    live += ptr == NULL && grown != NULL;
    return grown;
}

void *__wrap_reallocarray(void *ptr, size_t n, size_t size)
{
    if (fails())
        return NULL;
    void *grown = __real_reallocarray(ptr, n, size);
    live += ptr == NULL && grown != NULL;
    return grown;
}

void __wrap_free(void *ptr)
{
    live -= ptr != NULL;
    __real_free(ptr);
}
