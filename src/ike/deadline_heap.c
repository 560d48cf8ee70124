/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/deadline_heap.h"

#include <stdlib.h>

#include "base/assert.h"
#include "ike/sa.h"

static void place(struct deadline_heap *heap, size_t index, struct sa *sa)
{
    heap->slots[index] = sa;
    sa->heap_index = index;
}

static void sift_up(struct deadline_heap *heap, size_t index, struct sa *sa)
{
    while (index > 1 && heap->slots[index / 2]->deadline_ns > sa->deadline_ns) {
        place(heap, index, heap->slots[index / 2]);
        index /= 2;
    }
    place(heap, index, sa);
}

static void sift_down(struct deadline_heap *heap, size_t index, struct sa *sa)
{
    for (;;) {
        size_t below = 2 * index;
        if (below > heap->n)
            break;
        if (below < heap->n &&
            heap->slots[below + 1]->deadline_ns < heap->slots[below]->deadline_ns)
            below++;
        if (heap->slots[below]->deadline_ns >= sa->deadline_ns)
            break;
        place(heap, index, heap->slots[below]);
        index = below;
    }
    place(heap, index, sa);
}

void deadline_heap_remove(struct deadline_heap *heap, struct sa *sa)
{
    size_t index = sa->heap_index;
    if (index == 0)
        return;
    ASSERT(index <= heap->n && heap->slots[index] == sa);
    struct sa *last = heap->slots[heap->n--];
    sa->heap_index = 0;
    if (last == sa)
        return;
    if (index > 1 && heap->slots[index / 2]->deadline_ns > last->deadline_ns)
        sift_up(heap, index, last);
    else
        sift_down(heap, index, last);
}

void deadline_heap_set(struct deadline_heap *heap, struct sa *sa, nanos deadline_ns)
{
    if (sa->heap_index != 0 && sa->deadline_ns == deadline_ns)
        return;
    deadline_heap_remove(heap, sa);
    sa->deadline_ns = deadline_ns;
    if (deadline_ns == NANOS_NEVER)
        return;
    if (heap->n + 2 > heap->cap) {
        size_t cap = heap->cap == 0 ? 64 : 2 * heap->cap;
        struct sa **slots = realloc(heap->slots, cap * sizeof(*slots));
        ASSERT(slots != NULL); /* an IKE SA without a timer would live for ever */
        heap->slots = slots;
        heap->cap = cap;
    }
    sift_up(heap, ++heap->n, sa);
}

struct sa *deadline_heap_first(const struct deadline_heap *heap)
{
    return heap->n == 0 ? NULL : heap->slots[1];
}

void deadline_heap_done(struct deadline_heap *heap)
{
    free(heap->slots);
    *heap = (struct deadline_heap){0};
}
