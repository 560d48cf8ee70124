/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_CONFIG_TEXT_H
#define CTL_CONFIG_TEXT_H

/* A configuration as text, and building one. */

#include <stdio.h>

#include "control/tree.h"

/* config_put - sets a key, in the place of an earlier value. NULL or empty text: nothing. */
void config_put(struct tree *section, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* config_section - the subsection of that name; made if it is not there. Its place in a file is that
 * of `from` (NULL: none). NULL: no memory. */
struct tree *config_section(struct tree *parent, const char *name, const struct tree *from);

struct config_line {
    struct tree *node, *parent;
};

/* struct config_map - the nodes by the lines of the text; lines count from 1. */
struct config_map {
    struct config_line *lines; /* owned; [line - 1]; node NULL: a bracket */
    size_t n;
};

/* config_write - the content of `root`, one key a line. Values are quoted where needed. */
void config_write(struct tree *root, FILE *to, struct config_map *ret_map);
void config_map_done(struct config_map *map);

#endif
