/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_TREE_H
#define CONTROL_TREE_H

/*
 * Named sections, lists and values: the content of a VICI message and of a configuration file.
 * Children keep their order. Values are octets followed by a NUL, so that text can be used
 * directly.
 */

#include "base/error.h"
#include "base/span.h"

enum tree_kind { TREE_SECTION, TREE_LIST, TREE_VALUE };

struct tree {
    enum tree_kind kind;
    char *name;     /* owned; list items have an empty one */
    uint8_t *value; /* TREE_VALUE: owned, NUL behind it */
    size_t len;
    struct tree *first, *last, *next;
    const char *file; /* configuration files: its file, borrowed from struct settings */
    unsigned line;
    bool inherited; /* configuration files: this section inherits keys from that one */
};

struct tree *tree_new(enum tree_kind kind, const char *name); /* NULL: no memory */
struct tree *tree_value(const char *name, struct span value);
struct tree *tree_free(struct tree *tree); /* wipes values; takes NULL; returns NULL */
void tree_append(struct tree *parent, struct tree *child);
/* tree_remove - unlinks and frees a child of `parent`. */
void tree_remove(struct tree *parent, struct tree *child);

/* tree_get - the child of that name; NULL: none. */
struct tree *tree_get(const struct tree *parent, const char *name);
/* tree_value_text - the text of a value; "": the node is not a value. */
const char *tree_value_text(const struct tree *node);
/* tree_text - the value of a child; NULL: none, or not a value. */
const char *tree_text(const struct tree *parent, const char *name);
/* tree_text_or - the value of a child, or the default. */
const char *tree_text_or(const struct tree *parent, const char *name, const char *otherwise);

/* tree_items - the items of a list, or of a comma separated value, as a new list of values; accepts
 * NULL (an empty list). An item of a value may be in ' or ", and contain commas then, as with swanctl.
 * NULL: no memory. */
struct tree *tree_items(const struct tree *node);

#endif
