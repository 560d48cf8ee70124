/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define CAP_MIN 16 /* slots of 8 * n octets: whole cache lines */
#define LINE    64 /* octets */

struct map_slot {
    uint64_t key;
    void *value; /* NULL: free */
};

static size_t stride(const struct map *map)
{
    return sizeof(struct map_slot) + map->beside;
}

static struct map_slot *slot(const struct map *map, size_t at)
{
    return (struct map_slot *)(void *)(map->slots + at * stride(map));
}

/* scatter - Fibonacci hashing: neighbours in number are not neighbours in the table. */
static size_t scatter(const struct map *map, uint64_t key)
{
    return (size_t)((key * 0x9e3779b97f4a7c15u) >> 32) & (map->cap - 1);
}

/* place - the slot of the key, or the free slot where the key would be. */
static size_t place(const struct map *map, uint64_t key)
{
    size_t at = scatter(map, key);
    while (slot(map, at)->value != NULL && slot(map, at)->key != key)
        at = (at + 1) & (map->cap - 1);
    return at;
}

static int resize(struct map *map, size_t cap)
{
    struct map old = *map;
    uint8_t *slots = aligned_alloc(LINE, cap * stride(map));
    if (slots == NULL)
        return ERR_NO_MEMORY;
    memset(slots, 0, cap * stride(map));
    map->slots = slots;
    map->cap = cap;
    for (size_t i = 0; i < old.cap; i++)
        if (slot(&old, i)->value != NULL)
            memcpy(slot(map, place(map, slot(&old, i)->key)), slot(&old, i), stride(map));
    free(old.slots);
    return 0;
}

/* make_room - makes the table large enough for `n` entries. */
static int make_room(struct map *map, size_t n)
{
    size_t cap = map->cap == 0 ? CAP_MIN : map->cap;
    while (4 * n > 3 * cap)
        cap *= 2;
    return cap == map->cap ? 0 : resize(map, cap);
}

void *map_get(const struct map *map, uint64_t key)
{
    return map->n == 0 ? NULL : slot(map, place(map, key))->value;
}

void *map_at(const struct map *map, size_t index)
{
    return slot(map, index)->value;
}

void *map_beside(const struct map *map, uint64_t key)
{
    struct map_slot *at = map->n == 0 ? NULL : slot(map, place(map, key));
    return at == NULL || at->value == NULL ? NULL : at + 1;
}

void map_prefetch(const struct map *map, uint64_t key)
{
    if (map->n > 0)
        __builtin_prefetch(slot(map, scatter(map, key)));
}

int map_put(struct map *map, uint64_t key, void *value)
{
    ASSERT(value != NULL);
    if (make_room(map, map->n + 1) != 0)
        return ERR_NO_MEMORY;
    struct map_slot *at = slot(map, place(map, key));
    ASSERT(at->value == NULL);
    *at = (struct map_slot){key, value};
    memset(at + 1, 0, map->beside);
    map->n++;
    return 0;
}

void map_replace(struct map *map, uint64_t key, void *value)
{
    ASSERT(map_get(map, key) != NULL);
    if (value == NULL)
        (void)map_take(map, key);
    else
        slot(map, place(map, key))->value = value;
}

int map_set(struct map *map, uint64_t key, void *value)
{
    if (map_get(map, key) == NULL)
        return map_put(map, key, value);
    map_replace(map, key, value);
    return 0;
}

int map_reserve(struct map *map, size_t n)
{
    if (n > map->reserved && make_room(map, n) != 0)
        return ERR_NO_MEMORY;
    map->reserved = n;
    return 0;
}

/* close_gap - moves entries back that were pushed past the freed slot (Knuth, volume 3, 6.4,
 * algorithm R), so that tombstones are not needed. */
static void close_gap(struct map *map, size_t gap)
{
    size_t mask = map->cap - 1;
    for (size_t at = (gap + 1) & mask; slot(map, at)->value != NULL; at = (at + 1) & mask) {
        size_t home = scatter(map, slot(map, at)->key);
        if (((at - home) & mask) < ((at - gap) & mask))
            continue; /* its home lies behind the gap */
        memcpy(slot(map, gap), slot(map, at), stride(map));
        gap = at;
    }
    *slot(map, gap) = (struct map_slot){0};
}

void *map_take(struct map *map, uint64_t key)
{
    if (map->n == 0)
        return NULL;
    size_t at = place(map, key);
    void *value = slot(map, at)->value;
    if (value == NULL)
        return NULL;
    close_gap(map, at);
    map->n--;
    size_t kept = map->n > map->reserved ? map->n : map->reserved;
    if (map->cap > CAP_MIN && 8 * kept < map->cap)
        (void)!resize(map, map->cap / 2); /* without memory it stays large */
    return value;
}

void map_done(struct map *map)
{
    free(map->slots);
    *map = (struct map){.beside = map->beside};
}
