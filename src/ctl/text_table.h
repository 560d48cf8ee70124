/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_TEXT_TABLE_H
#define CTL_TEXT_TABLE_H

/* Rows for a terminal; a column is as wide as its widest cell. */

#include <stdbool.h>
#include <stddef.h>

#define TABLE_COLUMNS 12
#define TABLE_CELL    64

struct table_cell {
    char text[TABLE_CELL];
    const char *style; /* escape sequence; NULL: none */
};

struct table {
    size_t n_columns, n_cells, cap;
    unsigned right;           /* bit i: column i is aligned to the right */
    struct table_cell *cells; /* owned, row after row; the first row is the head */
};

/* table_begin - heads are separated by '|'; one that begins with '>' is aligned to the right. */
void table_begin(struct table *table, const char *heads);
/* table_put - the next cell; an empty one is shown as "-". Nothing is added without memory. */
void table_put(struct table *table, const char *style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* table_end - prints to standard output, and frees. */
void table_end(struct table *table, const char *indent, bool colour);

#endif
