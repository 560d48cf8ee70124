/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_DEADLINE_HEAP_H
#define IKE_DEADLINE_HEAP_H

/* A binary heap of IKE SAs by sa->deadline_ns, so that ten thousand idle SAs cost nothing per tick.
 * sa->heap_index is the position, from 1; 0: not in the heap. */

#include <stdbool.h>
#include <stddef.h>

#include "base/time.h"

struct sa;

struct deadline_heap {
    struct sa **slots; /* owned; slot 0 is unused */
    size_t n, cap;
};

/* deadline_heap_set - puts the SA where deadline_ns says; NANOS_NEVER takes it out. */
void deadline_heap_set(struct deadline_heap *heap, struct sa *sa, nanos deadline_ns);
void deadline_heap_remove(struct deadline_heap *heap, struct sa *sa);
struct sa *deadline_heap_first(const struct deadline_heap *heap); /* NULL: empty */
void deadline_heap_done(struct deadline_heap *heap);

#endif
