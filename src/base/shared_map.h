/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SHARED_MAP_H
#define BASE_SHARED_MAP_H

/*
 * Number -> object. One thread writes, and other threads read without a lock or a wait. Open
 * addressing: a key stays in its slot, with or without an object, until the whole table is
 * replaced. So a probe sequence never breaks under a reader. A change costs O(1) amortised;
 * replaced tables are retired.
 */

#include <stdatomic.h>

#include "base/error.h"
#include "base/retired.h"

struct shared_slot {
    _Atomic uint64_t key;  /* 0: free */
    _Atomic(void *) value; /* NULL: taken out */
};

struct shared_table {
    struct retired retired; /* first: free() takes it */
    size_t mask;
    struct shared_slot slots[];
};

struct shared_map {
    _Atomic(struct shared_table *) table; /* NULL: empty */
    size_t used;                          /* slots with a key */
    size_t n;                             /* ... and a value */
};

/* shared_map_get - NULL: none. Any thread. */
void *shared_map_get(const struct shared_map *map, uint64_t key);

/* shared_map_set - replaces the object of the key; NULL removes it. The key is not 0. Removed
 * memory is added to `retired`. ERR_NO_MEMORY: nothing changed; never for a key that has an
 * object. */
int shared_map_set(struct shared_map *map, uint64_t key, void *value,
                   struct retired_list *retired) MUST_USE;

void shared_map_done(struct shared_map *map); /* no reader is left */

#endif
