/* SPDX-License-Identifier: Apache-2.0 */
#include "base/shared_map.h"

#include <stdlib.h>

#include "base/assert.h"

#define CAP_MIN 16

/* place - the slot of the key, or the free slot where the key would be. At most three quarters of
 * the slots have a key. */
static struct shared_slot *place(struct shared_table *table, uint64_t key)
{
    size_t at = (size_t)((key * 0x9e3779b97f4a7c15u) >> 32) & table->mask; /* Fibonacci hashing */
    for (;; at = (at + 1) & table->mask) {
        uint64_t there = atomic_load(&table->slots[at].key);
        if (there == key || there == 0)
            return &table->slots[at];
    }
}

void *shared_map_get(const struct shared_map *map, uint64_t key)
{
    struct shared_table *table = atomic_load(&map->table);
    if (table == NULL || key == 0)
        return NULL;
    struct shared_slot *slot = place(table, key);
    /* a reader may see the value of a free slot before its key: no key leads to it yet */
    return atomic_load(&slot->key) == key ? atomic_load(&slot->value) : NULL;
}

/* The value first: a reader that sees the key also sees the value. */
static void slot_set(struct shared_slot *slot, uint64_t key, void *value)
{
    atomic_store(&slot->value, value);
    atomic_store(&slot->key, key);
}

/* rebuild - makes a table that is at most half full, without the keys that have no value. */
static int rebuild(struct shared_map *map, struct retired_list *retired)
{
    struct shared_table *old = atomic_load(&map->table);
    size_t cap = CAP_MIN;
    while (cap < 2 * (map->n + 1))
        cap *= 2;
    struct shared_table *table = calloc(1, sizeof(*table) + cap * sizeof(table->slots[0]));
    if (table == NULL)
        return ERR_NO_MEMORY;
    table->mask = cap - 1;
    for (size_t i = 0; old != NULL && i <= old->mask; i++) {
        void *value = atomic_load(&old->slots[i].value);
        uint64_t key = atomic_load(&old->slots[i].key);
        if (value != NULL)
            slot_set(place(table, key), key, value);
    }
    map->used = map->n;
    atomic_store(&map->table, table);
    if (old != NULL)
        retired_add(retired, &old->retired);
    return 0;
}

static void take(struct shared_map *map, uint64_t key, struct retired_list *retired)
{
    struct shared_table *table = atomic_load(&map->table);
    struct shared_slot *slot = table == NULL ? NULL : place(table, key);
    if (slot == NULL || atomic_load(&slot->key) != key || atomic_load(&slot->value) == NULL)
        return;
    atomic_store(&slot->value, NULL);
    map->n--;
    if (table->mask >= CAP_MIN && 8 * map->n < table->mask)
        (void)rebuild(map, retired); /* without memory it stays large */
}

int shared_map_set(struct shared_map *map, uint64_t key, void *value, struct retired_list *retired)
{
    ASSERT(key != 0);
    if (value == NULL) {
        take(map, key, retired);
        return 0;
    }
    struct shared_table *table = atomic_load(&map->table);
    struct shared_slot *slot = table == NULL ? NULL : place(table, key);
    if (slot != NULL && atomic_load(&slot->key) == key) {
        map->n += atomic_load(&slot->value) == NULL;
        atomic_store(&slot->value, value);
        return 0;
    }
    if (table == NULL || 4 * (map->used + 1) > 3 * (table->mask + 1)) {
        if (rebuild(map, retired) != 0)
            return ERR_NO_MEMORY;
        slot = place(atomic_load(&map->table), key);
    }
    slot_set(slot, key, value);
    map->used++;
    map->n++;
    return 0;
}

void shared_map_done(struct shared_map *map)
{
    free(atomic_load(&map->table));
    atomic_store(&map->table, NULL);
    map->used = map->n = 0;
}
