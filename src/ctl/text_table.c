/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/text_table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOLD  "\033[1m"
#define PLAIN "\033[0m"

static struct table_cell *cell_new(struct table *table)
{
    if (table->n_cells == table->cap) {
        size_t cap = table->cap == 0 ? 64 : 2 * table->cap;
        struct table_cell *grown = reallocarray(table->cells, cap, sizeof(grown[0]));
        if (grown == NULL)
            return NULL;
        table->cells = grown;
        table->cap = cap;
    }
    return &table->cells[table->n_cells++];
}

void table_begin(struct table *table, const char *heads)
{
    *table = (struct table){0};
    while (heads != NULL && table->n_columns < TABLE_COLUMNS) {
        size_t len = strcspn(heads, "|");
        if (heads[0] == '>') {
            table->right |= 1u << table->n_columns;
            heads++;
            len--;
        }
        table_put(table, BOLD, "%.*s", (int)len, heads);
        table->n_columns++;
        heads = heads[len] == '|' ? heads + len + 1 : NULL;
    }
}

void table_put(struct table *table, const char *style, const char *format, ...)
{
    struct table_cell *cell = cell_new(table);
    va_list arguments;
    if (cell == NULL)
        return;
    cell->style = style;
    va_start(arguments, format);
    (void)vsnprintf(cell->text, sizeof(cell->text), format, arguments);
    va_end(arguments);
    if (cell->text[0] == '\0')
        strcpy(cell->text, "-");
}

static void cell_print(const struct table *table, size_t column, size_t width,
                       const struct table_cell *cell, bool colour)
{
    bool styled = colour && cell->style != NULL && cell->style[0] != '\0';
    int gap = (int)(width - strlen(cell->text));
    bool right = (table->right & 1u << column) != 0;
    bool last = column + 1 == table->n_columns; /* needs no blanks to fill its width */
    printf("%*s%s%s%s%*s", right ? gap : 0, "", styled ? cell->style : "", cell->text,
           styled ? PLAIN : "", right || last ? 0 : gap, "");
    (void)fputs(last ? "\n" : "  ", stdout);
}

void table_end(struct table *table, const char *indent, bool colour)
{
    size_t width[TABLE_COLUMNS] = {0};
    size_t whole = table->n_columns == 0 ? 0 : table->n_cells - table->n_cells % table->n_columns;
    for (size_t i = 0; i < whole; i++) {
        size_t len = strlen(table->cells[i].text), column = i % table->n_columns;
        if (len > width[column])
            width[column] = len;
    }
    for (size_t i = 0; i < whole; i++) {
        size_t column = i % table->n_columns;
        if (column == 0)
            (void)fputs(indent, stdout);
        cell_print(table, column, width[column], &table->cells[i], colour);
    }
    free(table->cells);
    *table = (struct table){0};
}
