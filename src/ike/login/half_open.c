/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/login/half_open.h"

#include "base/table.h"
#include <stdlib.h>

#include "base/assert.h"

struct half_open_source {
    struct address prefix;
    unsigned count;
    UT_hash_handle hh;
};

static struct address prefix_of(const struct address *source)
{
    struct address prefix = *source;
    if (prefix.family == ADDRESS_V6)
        memset(prefix.octets + 8, 0, 8);
    return prefix;
}

static struct half_open_source *find(const struct half_open_source *table,
                                     const struct address *source)
{
    struct address prefix = prefix_of(source);
    struct half_open_source *found;
    HASH_FIND(hh, table, &prefix, sizeof(prefix), found);
    return found;
}

bool half_open_add(struct half_open_source **table, const struct address *source)
{
    struct half_open_source *entry = find(*table, source);
    if (entry == NULL) {
        entry = calloc(1, sizeof(*entry));
        if (entry == NULL)
            return false;
        entry->prefix = prefix_of(source);
        HASH_ADD(hh, *table, prefix, sizeof(entry->prefix), entry);
    }
    entry->count++;
    return true;
}

void half_open_remove(struct half_open_source **table, const struct address *source)
{
    struct half_open_source *entry = find(*table, source);
    ASSERT(entry != NULL && entry->count > 0);
    if (--entry->count == 0) {
        HASH_DEL(*table, entry);
        free(entry);
    }
}

unsigned half_open_count(const struct half_open_source *table, const struct address *source)
{
    const struct half_open_source *entry = find(table, source);
    return entry == NULL ? 0 : entry->count;
}

void half_open_done(struct half_open_source **table)
{
    struct half_open_source *entry, *next;
    HASH_ITER(hh, *table, entry, next)
    {
        HASH_DEL(*table, entry);
        free(entry);
    }
}
