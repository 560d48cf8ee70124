/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_TEXT_TABLE_H
#define CTL_TEXT_TABLE_H

/* Rows for a terminal; a column is as wide as its widest cell. */

#include <stdbool.h>
#include <stddef.h>

#define TABLE_COLUMNS 16
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

/* table_begin - `heads` are separated by '|'. A head that begins with '>' aligns its column to the
 * right. */
void table_begin(struct table *table, const char *heads);
/* table_put - adds the next cell; an empty cell is shown as "-". Without memory it adds none. */
void table_put(struct table *table, const char *style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* table_end - prints the table to standard output, and frees it. */
void table_end(struct table *table, const char *indent, bool colour);

#endif
