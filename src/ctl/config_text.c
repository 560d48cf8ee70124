/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/config_text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* --- building --- */

void config_put(struct tree *section, const char *key, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int len = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (len < 0)
        return;
    struct tree *value =
        len == 0 || section == NULL ? NULL : tree_value(key, span_of(text, (size_t)len));
    free(text);
    if (value == NULL)
        return;
    struct tree *old = tree_get(section, key);
    if (old != NULL)
        tree_remove(section, old);
    value->file = section->file;
    value->line = section->line;
    tree_append(section, value);
}

struct tree *config_section(struct tree *parent, const char *name, const struct tree *from)
{
    struct tree *section = parent == NULL ? NULL : tree_get(parent, name);
    if (section != NULL || parent == NULL)
        return section;
    section = tree_new(TREE_SECTION, name);
    if (section == NULL)
        return NULL;
    section->file = from == NULL ? parent->file : from->file;
    section->line = from == NULL ? parent->line : from->line;
    tree_append(parent, section);
    return section;
}

/* --- writing --- */

struct text_writer {
    FILE *to;
    struct config_map *map;
    unsigned depth;
};

static void line_note(struct text_writer *w, struct tree *node, struct tree *parent)
{
    struct config_map *map = w->map;
    struct config_line *grown = reallocarray(map->lines, map->n + 1, sizeof(*grown));
    if (grown == NULL)
        return;
    map->lines = grown;
    map->lines[map->n++] = (struct config_line){node, parent};
}

/* plain - the value needs no quotes. */
static bool plain(const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        if (!isgraph((unsigned char)*c) && *c != ' ')
            return false;
    return text[0] != '\0' && text[0] != ' ' && text[strlen(text) - 1] != ' ' &&
           strpbrk(text, "\"#{}\\=") == NULL && strstr(text, "  ") == NULL;
}

static void value_write(FILE *to, const char *text)
{
    if (plain(text)) {
        (void)fputs(text, to);
        return;
    }
    (void)fputc('"', to);
    for (const char *c = text; *c != '\0'; c++) {
        const char *escaped = *c == '\n' ? "\\n" : *c == '\r' ? "\\r" : *c == '\t' ? "\\t" : NULL;
        if (escaped != NULL)
            (void)fputs(escaped, to);
        else
            (void)fprintf(to, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
    }
    (void)fputc('"', to);
}

static void node_write(struct text_writer *w, struct tree *node, struct tree *parent)
{
    line_note(w, node, parent);
    (void)fprintf(w->to, "%*s%s", (int)(4 * w->depth), "", node->name);
    if (node->kind != TREE_SECTION) {
        (void)fputs(" = ", w->to);
        value_write(w->to, tree_value_text(node));
        (void)fputc('\n', w->to);
        return;
    }
    (void)fputs(" {\n", w->to);
    w->depth++;
    for (struct tree *child = node->first; child != NULL; child = child->next)
        node_write(w, child, node);
    w->depth--;
    line_note(w, NULL, NULL);
    (void)fprintf(w->to, "%*s}\n", (int)(4 * w->depth), "");
}

void config_write(struct tree *root, FILE *to, struct config_map *ret_map)
{
    struct text_writer w = {.to = to, .map = ret_map};
    *ret_map = (struct config_map){0};
    for (struct tree *node = root->first; node != NULL; node = node->next)
        node_write(&w, node, root);
}

void config_map_done(struct config_map *map)
{
    free(map->lines);
    *map = (struct config_map){0};
}
