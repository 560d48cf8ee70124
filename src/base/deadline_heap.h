/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_DEADLINE_HEAP_H
#define BASE_DEADLINE_HEAP_H

/* A binary heap of deadlines, so that ten thousand idle objects cost nothing per tick. A struct
 * deadline is a member of the object that it wakes. Room for it is made when the object joins:
 * after that nothing needs memory. */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/time.h"

struct deadline {
    nanos at;
    size_t index; /* position in the heap, from 1; 0: not in it */
    void *owner;
};

struct deadline_heap {
    struct deadline **slots; /* owned; slot 0 is unused */
    size_t n, cap;
    size_t members; /* that joined, in it or not */
};

/* deadline_heap_join - makes room for one more deadline. ERR_NO_MEMORY. deadline_heap_leave - gives
 * the room back, and removes the deadline from the heap. */
int deadline_heap_join(struct deadline_heap *heap) MUST_USE;
void deadline_heap_leave(struct deadline_heap *heap, struct deadline *deadline);

/* deadline_heap_set - puts a deadline that has joined to the place of `at`; NANOS_NEVER removes it. */
void deadline_heap_set(struct deadline_heap *heap, struct deadline *deadline, nanos at);
void deadline_heap_remove(struct deadline_heap *heap, struct deadline *deadline);
struct deadline *deadline_heap_first(const struct deadline_heap *heap); /* NULL: empty */
void deadline_heap_done(struct deadline_heap *heap);

#endif
