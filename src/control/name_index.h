/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_NAME_INDEX_H
#define CONTROL_NAME_INDEX_H

/* A section and a name -> the node in it. A section may have tens of thousands of nodes. */

#include "base/map.h"
#include "control/tree.h"

struct name_index {
    struct map entries;
    uint64_t (*hash)(const struct tree *parent, const char *name); /* NULL: FNV-1a */
};

/* name_index_find - NULL: the section has no such node. */
struct tree *name_index_find(const struct name_index *index, const struct tree *parent,
                             const char *name);
/* name_index_add - the node, by its name. Borrows it. ERR_NO_MEMORY: nothing changed. */
int name_index_add(struct name_index *index, const struct tree *parent, struct tree *node) MUST_USE;
void name_index_done(struct name_index *index);

#endif
