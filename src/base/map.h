/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

/*
 * Number -> object, for tables of a hundred thousand: keys lie beside each other in one array, so
 * that finding an object touches one cache line before the object itself. Open addressing with
 * linear probing; never more than three quarters full. Keys are ours or random: nobody gains by
 * colliding them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map {
    struct map_slot {
        uint64_t key;
        void *value; /* NULL: free */
    } * slots;       /* owned */
    size_t n;
    size_t cap; /* a power of two; 0: none yet */
};

void *map_get(const struct map *map, uint64_t key); /* NULL: none */
/* map_prefetch - map_get will ask for the key: its slot is fetched from memory meanwhile. */
void map_prefetch(const struct map *map, uint64_t key);
/* map_put - the key must be new. Without memory the process ends, as an object that nobody finds
 * would live for ever. */
void map_put(struct map *map, uint64_t key, void *value);
void *map_take(struct map *map, uint64_t key); /* out of the table; NULL: none */
void map_done(struct map *map);

#endif
