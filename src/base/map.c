/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <stdlib.h>

#include "base/assert.h"

#define CAP_MIN 16

/* scatter - Fibonacci hashing: neighbours in number are not neighbours in the table. */
static size_t scatter(const struct map *map, uint64_t key)
{
    return (size_t)((key * 0x9e3779b97f4a7c15u) >> 32) & (map->cap - 1);
}

/* place - of the key, or of the free slot where it would be. */
static size_t place(const struct map *map, uint64_t key)
{
    size_t at = scatter(map, key);
    while (map->slots[at].value != NULL && map->slots[at].key != key)
        at = (at + 1) & (map->cap - 1);
    return at;
}

static void resize(struct map *map, size_t cap)
{
    struct map old = *map;
    map->slots = calloc(cap, sizeof(map->slots[0]));
    ASSERT(map->slots != NULL);
    map->cap = cap;
    for (size_t i = 0; i < old.cap; i++)
        if (old.slots[i].value != NULL)
            map->slots[place(map, old.slots[i].key)] = old.slots[i];
    free(old.slots);
}

void *map_get(const struct map *map, uint64_t key)
{
    return map->n == 0 ? NULL : map->slots[place(map, key)].value;
}

void map_prefetch(const struct map *map, uint64_t key)
{
    if (map->n > 0)
        __builtin_prefetch(&map->slots[scatter(map, key)]);
}

void map_put(struct map *map, uint64_t key, void *value)
{
    ASSERT(value != NULL);
    if (4 * (map->n + 1) > 3 * map->cap)
        resize(map, map->cap == 0 ? CAP_MIN : 2 * map->cap);
    struct map_slot *slot = &map->slots[place(map, key)];
    ASSERT(slot->value == NULL);
    *slot = (struct map_slot){key, value};
    map->n++;
}

/* close_gap - what was pushed past the slot that became free moves back (Knuth, volume 3, 6.4,
 * algorithm R), so that there are no tombstones. */
static void close_gap(struct map *map, size_t gap)
{
    size_t mask = map->cap - 1;
    for (size_t at = (gap + 1) & mask; map->slots[at].value != NULL; at = (at + 1) & mask) {
        size_t home = scatter(map, map->slots[at].key);
        if (((at - home) & mask) < ((at - gap) & mask))
            continue; /* its home lies behind the gap */
        map->slots[gap] = map->slots[at];
        gap = at;
    }
    map->slots[gap] = (struct map_slot){0};
}

void *map_take(struct map *map, uint64_t key)
{
    if (map->n == 0)
        return NULL;
    size_t at = place(map, key);
    void *value = map->slots[at].value;
    if (value == NULL)
        return NULL;
    close_gap(map, at);
    map->n--;
    if (map->cap > CAP_MIN && 8 * map->n < map->cap)
        resize(map, map->cap / 2);
    return value;
}

void map_done(struct map *map)
{
    free(map->slots);
    *map = (struct map){0};
}
