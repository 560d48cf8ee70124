/* SPDX-License-Identifier: Apache-2.0 */
#include "control/vici.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/reader.h"
#include "base/secret.h"

enum element { SECTION_START = 1, SECTION_END, KEY_VALUE, LIST_START, LIST_ITEM, LIST_END };

/* vici_packet_named - requests, registrations and events carry a name. */
static bool vici_packet_named(uint8_t type)
{
    return type == VICI_CMD_REQUEST || type == VICI_EVENT_REGISTER ||
           type == VICI_EVENT_UNREGISTER || type == VICI_EVENT;
}

static bool read_name(struct reader *r, char name[256])
{
    uint8_t len = read_u8(r);
    struct span octets = read_bytes(r, len);
    if (reader_failed(r))
        return false;
    for (size_t i = 0; i < octets.len; i++)
        if (octets.ptr[i] < 0x20 || octets.ptr[i] > 0x7e)
            return false;
    if (octets.len > 0)
        memcpy(name, octets.ptr, octets.len);
    name[octets.len] = '\0';
    return true;
}

bool vici_frame_read(struct span octets, struct vici_frame *ret_frame)
{
    struct reader r = reader_of(octets);
    ret_frame->type = read_u8(&r);
    ret_frame->name[0] = '\0';
    if (reader_failed(&r) || ret_frame->type > VICI_EVENT)
        return false;
    if (vici_packet_named(ret_frame->type) && !read_name(&r, ret_frame->name))
        return false;
    ret_frame->message = read_rest(&r);
    return true;
}

static bool read_value(struct reader *r, const char *name, struct tree *parent)
{
    uint16_t len = read_u16(r);
    struct span value = read_bytes(r, len);
    struct tree *node = reader_failed(r) ? NULL : tree_value(name, value);
    if (node == NULL)
        return false;
    tree_append(parent, node);
    return true;
}

static bool read_list(struct reader *r, struct tree *list)
{
    for (;;) {
        switch (read_u8(r)) {
        case LIST_ITEM:
            if (!read_value(r, "", list))
                return false;
            break;
        case LIST_END: return true;
        default: return false; /* also at the end of the octets */
        }
    }
}

static struct tree *append_new(struct tree *parent, enum tree_kind kind, const char *name)
{
    struct tree *node = tree_new(kind, name);
    if (node != NULL)
        tree_append(parent, node);
    return node;
}

static bool read_elements(struct reader *r, struct tree *section)
{
    struct tree *stack[VICI_DEPTH_MAX];
    size_t depth = 0;
    char name[256];
    struct tree *node;
    while (r->left > 0) {
        switch (read_u8(r)) {
        case SECTION_START:
            if (depth == VICI_DEPTH_MAX || !read_name(r, name) ||
                (node = append_new(section, TREE_SECTION, name)) == NULL)
                return false;
            stack[depth++] = section;
            section = node;
            break;
        case SECTION_END:
            if (depth == 0)
                return false;
            section = stack[--depth];
            break;
        case KEY_VALUE:
            if (!read_name(r, name) || !read_value(r, name, section))
                return false;
            break;
        case LIST_START:
            if (!read_name(r, name) || (node = append_new(section, TREE_LIST, name)) == NULL ||
                !read_list(r, node))
                return false;
            break;
        default: return false;
        }
    }
    return depth == 0 && !reader_failed(r);
}

struct tree *vici_message_read(struct span message)
{
    struct reader r = reader_of(message);
    struct tree *root = tree_new(TREE_SECTION, "");
    if (root == NULL || read_elements(&r, root))
        return root;
    return tree_free(root);
}

/* --- writing --- */

/* grow - room for `len` octets more. The octets may be secrets, so the old copy is wiped. */
static void grow(struct vici_writer *w, size_t len)
{
    size_t cap = w->cap == 0 ? 512 : w->cap;
    while (cap < w->len + len)
        cap *= 2;
    uint8_t *grown = cap > 2 * VICI_FRAME_MAX ? NULL : malloc(cap);
    if (grown == NULL) {
        w->failed = true;
        return;
    }
    if (w->len > 0)
        memcpy(grown, w->octets, w->len);
    wipe(w->octets, w->len);
    free(w->octets);
    w->octets = grown;
    w->cap = cap;
}

static void append(struct vici_writer *w, const void *octets, size_t len)
{
    if (!w->failed && w->len + len > w->cap)
        grow(w, len);
    if (w->failed)
        return;
    if (len > 0)
        memcpy(w->octets + w->len, octets, len);
    w->len += len;
}

static void append_u8(struct vici_writer *w, uint8_t value)
{
    append(w, &value, 1);
}

static void append_name(struct vici_writer *w, const char *name)
{
    size_t len = strlen(name);
    len = len > 255 ? 255 : len;
    append_u8(w, (uint8_t)len);
    append(w, name, len);
}

static void append_value(struct vici_writer *w, struct span value)
{
    if (value.len > UINT16_MAX) {
        w->failed = true;
        return;
    }
    append_u8(w, (uint8_t)(value.len >> 8));
    append_u8(w, (uint8_t)value.len);
    append(w, value.ptr, value.len);
}

void vici_begin(struct vici_writer *w, uint8_t type, const char *name)
{
    static const uint8_t length[4];
    *w = (struct vici_writer){0};
    append(w, length, sizeof(length));
    append_u8(w, type);
    if (vici_packet_named(type))
        append_name(w, name);
}

void vici_section(struct vici_writer *w, const char *name)
{
    append_u8(w, SECTION_START);
    append_name(w, name);
}

void vici_section_end(struct vici_writer *w)
{
    append_u8(w, SECTION_END);
}

void vici_list(struct vici_writer *w, const char *name)
{
    append_u8(w, LIST_START);
    append_name(w, name);
}

void vici_item(struct vici_writer *w, const char *text)
{
    vici_item_span(w, span_text(text));
}

void vici_item_span(struct vici_writer *w, struct span text)
{
    append_u8(w, LIST_ITEM);
    append_value(w, text);
}

void vici_list_end(struct vici_writer *w)
{
    append_u8(w, LIST_END);
}

void vici_octets(struct vici_writer *w, const char *name, struct span value)
{
    append_u8(w, KEY_VALUE);
    append_name(w, name);
    append_value(w, value);
}

void vici_put(struct vici_writer *w, const char *name, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (len < 0)
        len = 0;
    vici_octets(w, name,
                span_of(text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1));
}

static void put_node(struct vici_writer *w, const struct tree *node)
{
    switch (node->kind) {
    case TREE_SECTION:
        vici_section(w, node->name);
        vici_tree(w, node);
        vici_section_end(w);
        break;
    case TREE_LIST:
        vici_list(w, node->name);
        for (const struct tree *item = node->first; item != NULL; item = item->next) {
            append_u8(w, LIST_ITEM);
            append_value(w, span_of(item->value, item->len));
        }
        vici_list_end(w);
        break;
    case TREE_VALUE: vici_octets(w, node->name, span_of(node->value, node->len)); break;
    }
}

void vici_tree(struct vici_writer *w, const struct tree *section)
{
    for (const struct tree *node = section->first; node != NULL; node = node->next)
        put_node(w, node);
}

struct span vici_writer_frame(struct vici_writer *w)
{
    if (w->failed || w->len - 4 > VICI_FRAME_MAX)
        return (struct span){0};
    size_t len = w->len - 4;
    for (int i = 0; i < 4; i++)
        w->octets[i] = (uint8_t)(len >> (24 - 8 * i));
    return span_of(w->octets, w->len);
}

void vici_writer_done(struct vici_writer *w)
{
    if (w->octets != NULL)
        wipe(w->octets, w->cap);
    free(w->octets);
    *w = (struct vici_writer){0};
}
