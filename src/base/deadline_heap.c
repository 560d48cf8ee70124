/* SPDX-License-Identifier: Apache-2.0 */
#include "base/deadline_heap.h"

#include <stdlib.h>

#include "base/assert.h"

static void place(struct deadline_heap *heap, size_t index, struct deadline *deadline)
{
    heap->slots[index] = deadline;
    deadline->index = index;
}

static void sift_up(struct deadline_heap *heap, size_t index, struct deadline *deadline)
{
    while (index > 1 && heap->slots[index / 2]->at > deadline->at) {
        place(heap, index, heap->slots[index / 2]);
        index /= 2;
    }
    place(heap, index, deadline);
}

static void sift_down(struct deadline_heap *heap, size_t index, struct deadline *deadline)
{
    for (;;) {
        size_t below = 2 * index;
        if (below > heap->n)
            break;
        if (below < heap->n && heap->slots[below + 1]->at < heap->slots[below]->at)
            below++;
        if (heap->slots[below]->at >= deadline->at)
            break;
        place(heap, index, heap->slots[below]);
        index = below;
    }
    place(heap, index, deadline);
}

void deadline_heap_remove(struct deadline_heap *heap, struct deadline *deadline)
{
    size_t index = deadline->index;
    if (index == 0)
        return;
    ASSERT(index <= heap->n && heap->slots[index] == deadline);
    struct deadline *last = heap->slots[heap->n--];
    deadline->index = 0;
    if (last == deadline)
        return;
    if (index > 1 && heap->slots[index / 2]->at > last->at)
        sift_up(heap, index, last);
    else
        sift_down(heap, index, last);
}

int deadline_heap_join(struct deadline_heap *heap)
{
    if (heap->members + 2 > heap->cap) {
        size_t cap = heap->cap == 0 ? 64 : 2 * heap->cap;
        struct deadline **slots = realloc(heap->slots, cap * sizeof(*slots));
        if (slots == NULL)
            return ERR_NO_MEMORY;
        heap->slots = slots;
        heap->cap = cap;
    }
    heap->members++;
    return 0;
}

void deadline_heap_leave(struct deadline_heap *heap, struct deadline *deadline)
{
    deadline_heap_remove(heap, deadline);
    ASSERT(heap->members > 0);
    heap->members--;
}

void deadline_heap_set(struct deadline_heap *heap, struct deadline *deadline, nanos at)
{
    if (deadline->index != 0 && deadline->at == at)
        return;
    deadline_heap_remove(heap, deadline);
    deadline->at = at;
    if (at == NANOS_NEVER)
        return;
    ASSERT(heap->n < heap->members);
    sift_up(heap, ++heap->n, deadline);
}

struct deadline *deadline_heap_first(const struct deadline_heap *heap)
{
    return heap->n == 0 ? NULL : heap->slots[1];
}

void deadline_heap_done(struct deadline_heap *heap)
{
    free(heap->slots);
    *heap = (struct deadline_heap){0};
}
