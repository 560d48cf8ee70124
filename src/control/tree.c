/* SPDX-License-Identifier: Apache-2.0 */
#include "control/tree.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/secret.h"

struct tree *tree_new(enum tree_kind kind, const char *name)
{
    struct tree *tree = calloc(1, sizeof(*tree));
    if (tree == NULL)
        return NULL;
    tree->kind = kind;
    tree->name = strdup(name);
    return tree->name == NULL ? tree_free(tree) : tree;
}

struct tree *tree_value(const char *name, struct span value)
{
    struct tree *tree = tree_new(TREE_VALUE, name);
    if (tree == NULL)
        return NULL;
    tree->value = malloc(value.len + 1);
    if (tree->value == NULL)
        return tree_free(tree);
    if (value.len > 0)
        memcpy(tree->value, value.ptr, value.len);
    tree->value[value.len] = '\0';
    tree->len = value.len;
    return tree;
}

struct tree *tree_free(struct tree *tree)
{
    while (tree != NULL) {
        struct tree *next = tree->next;
        tree_free(tree->first);
        if (tree->value != NULL)
            wipe(tree->value, tree->len);
        free(tree->value);
        free(tree->name);
        free(tree);
        tree = next;
    }
    return NULL;
}

void tree_append(struct tree *parent, struct tree *child)
{
    if (parent->last == NULL)
        parent->first = child;
    else
        parent->last->next = child;
    parent->last = child;
}

void tree_remove(struct tree *parent, struct tree *child)
{
    struct tree **link = &parent->first, *before = NULL;
    while (*link != child) {
        before = *link;
        link = &before->next;
    }
    *link = child->next;
    if (parent->last == child)
        parent->last = before;
    child->next = NULL;
    tree_free(child);
}

struct tree *tree_get(const struct tree *parent, const char *name)
{
    struct tree *child = parent == NULL ? NULL : parent->first;
    while (child != NULL && strcmp(child->name, name) != 0)
        child = child->next;
    return child;
}

const char *tree_value_text(const struct tree *node)
{
    return node->kind == TREE_VALUE ? (const char *)node->value : "";
}

const char *tree_text(const struct tree *parent, const char *name)
{
    const struct tree *child = tree_get(parent, name);
    return child == NULL || child->kind != TREE_VALUE ? NULL : (const char *)child->value;
}

const char *tree_text_or(const struct tree *parent, const char *name, const char *otherwise)
{
    const char *text = tree_text(parent, name);
    return text == NULL ? otherwise : text;
}

static bool add_item(struct tree *list, const struct tree *from, const char *start, size_t len)
{
    while (len > 0 && isspace((unsigned char)start[0]))
        start++, len--;
    while (len > 0 && isspace((unsigned char)start[len - 1]))
        len--;
    if (len == 0)
        return true;
    struct tree *item = tree_value("", span_of(start, len));
    if (item == NULL)
        return false;
    item->file = from->file;
    item->line = from->line;
    tree_append(list, item);
    return true;
}

/* quoted - the length of an item in quotation marks, without these; 0: it is in none. */
static size_t quoted(const char *text)
{
    const char *end = text[0] == '\'' || text[0] == '"' ? strchr(text + 1, text[0]) : NULL;
    if (end == NULL)
        return 0;
    size_t after = 1 + strspn(end + 1, " \t\r\n");
    return end[after] == ',' || end[after] == '\0' ? (size_t)(end - text - 1) : 0;
}

struct tree *tree_items(const struct tree *node)
{
    struct tree *list = tree_new(TREE_LIST, "");
    bool ok = list != NULL;
    if (ok && node != NULL && node->kind == TREE_LIST) {
        for (const struct tree *item = node->first; ok && item != NULL; item = item->next)
            ok = add_item(list, item, (const char *)item->value, item->len);
    } else if (ok && node != NULL && node->kind == TREE_VALUE) {
        const char *text = (const char *)node->value;
        while (ok && text != NULL) {
            text += strspn(text, " \t\r\n");
            size_t inside = quoted(text);
            if (inside > 0)
                ok = add_item(list, node, text + 1, inside);
            else
                ok = add_item(list, node, text, strcspn(text, ","));
            text += inside > 0 ? inside + 2 : 0;
            text += strcspn(text, ",");
            text = text[0] == ',' ? text + 1 : NULL;
        }
    }
    return ok ? list : tree_free(list);
}
