/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_CONFIG_TEXT_H
#define CTL_CONFIG_TEXT_H

/* Building a configuration, and writing it as text. */

#include <stdio.h>

#include "control/tree.h"

/* config_put - sets a key, and replaces an earlier value. NULL or empty text changes nothing. */
void config_put(struct tree *section, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* config_section - the subsection of that name, made if it is missing. It gets the file and line of
 * `from` (NULL: none). NULL: no memory. */
struct tree *config_section(struct tree *parent, const char *name, const struct tree *from);

struct config_line {
    struct tree *node, *parent;
};

/* struct config_map - which node each line of the text has. */
struct config_map {
    struct config_line *lines; /* owned; index: line - 1; its node is NULL for a closing bracket */
    size_t n;
};

/* config_write - writes the content of `root`, one key a line, with quotes where a value needs
 * them. */
void config_write(struct tree *root, FILE *to, struct config_map *ret_map);
void config_map_done(struct config_map *map);

#endif
