/* SPDX-License-Identifier: Apache-2.0 */
#include "control/name_index.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    const struct tree *parent;
    struct tree *node;
    struct entry *next; /* of the same hash */
};

static uint64_t hash_of(const struct name_index *index, const struct tree *parent, const char *name)
{
    if (index->hash != NULL)
        return index->hash(parent, name);
    uint64_t hash = 14695981039346656037u ^ (uintptr_t)parent; /* FNV-1a */
    for (; *name != '\0'; name++)
        hash = (hash ^ (uint8_t)*name) * 1099511628211u;
    return hash;
}

struct tree *name_index_find(const struct name_index *index, const struct tree *parent,
                             const char *name)
{
    const struct entry *entry = map_get(&index->entries, hash_of(index, parent, name));
    while (entry != NULL && (entry->parent != parent || strcmp(entry->node->name, name) != 0))
        entry = entry->next;
    return entry != NULL ? entry->node : NULL;
}

int name_index_add(struct name_index *index, const struct tree *parent, struct tree *node)
{
    uint64_t hash = hash_of(index, parent, node->name);
    struct entry *entry = malloc(sizeof(*entry));
    if (entry == NULL)
        return ERR_NO_MEMORY;
    *entry = (struct entry){parent, node, map_get(&index->entries, hash)};
    int err = map_set(&index->entries, hash, entry);
    if (err != 0)
        free(entry);
    return err;
}

void name_index_done(struct name_index *index)
{
    for (size_t i = 0; i < index->entries.cap; i++) {
        struct entry *entry = map_at(&index->entries, i);
        while (entry != NULL) {
            struct entry *next = entry->next;
            free(entry);
            entry = next;
        }
    }
    map_done(&index->entries);
    index->entries = (struct map){0};
}
