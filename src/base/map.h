/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

/*
 * Number -> object, for tables of a hundred thousand. All keys lie in one array, so a look-up
 * touches one cache line before the object. Open addressing with linear probing, at most three
 * quarters full. Keys are chosen by us or random, so a peer cannot make them collide. Only an
 * insertion needs memory.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct map {
    uint8_t *slots; /* owned; each a struct map_slot and what lies beside it */
    size_t n;
    size_t cap;      /* a power of two; 0: none yet */
    size_t reserved; /* map_put cannot fail while there are fewer entries */
    size_t beside;   /* octets, a multiple of eight; set while the table is empty */
};

void *map_get(const struct map *map, uint64_t key); /* NULL: none */
/* map_beside - octets of the caller, stored beside the key, for fields that are read often: no
 * access to the object is needed. Zero after map_put, valid until the next map_put or map_take.
 * NULL: no such key. */
void *map_beside(const struct map *map, uint64_t key);
/* map_prefetch - map_get will ask for the key: its slot is fetched from memory meanwhile. */
void map_prefetch(const struct map *map, uint64_t key);
/* map_put - the key must be new. ERR_NO_MEMORY: nothing happened. */
int map_put(struct map *map, uint64_t key, void *value) MUST_USE;
/* map_set - replaces the object of the key, if any. ERR_NO_MEMORY: nothing changed; never for a key
 * that exists. */
int map_set(struct map *map, uint64_t key, void *value) MUST_USE;
/* map_replace - replaces the object of a key that exists; NULL removes the key. */
void map_replace(struct map *map, uint64_t key, void *value);
/* map_reserve - from now on map_put cannot fail while there are at most `n` entries. A later call
 * changes `n`. ERR_NO_MEMORY: nothing happened; never for a smaller `n`. */
int map_reserve(struct map *map, size_t n) MUST_USE;
/* map_at - for a walk over all entries: the value in slot `index`, below `cap`. NULL: the slot is
 * free. */
void *map_at(const struct map *map, size_t index);
void *map_take(struct map *map, uint64_t key); /* out of the table; NULL: none */
void map_done(struct map *map);

#endif
