/* SPDX-License-Identifier: Apache-2.0 */
#include "base/writer.h"

#include "base/assert.h"

uint8_t *writer_reserve(struct writer *w, size_t len)
{
    if (w->failed || w->cap - w->len < len) {
        w->failed = true;
        return NULL;
    }
    uint8_t *at = w->buf + w->len;
    w->len += len;
    return at;
}

static void put_number(uint8_t *at, uint64_t value, size_t width)
{
    for (size_t i = width; i-- > 0; value >>= 8)
        at[i] = (uint8_t)value;
}

static void write_number(struct writer *w, uint64_t value, size_t width)
{
    uint8_t *at = writer_reserve(w, width);
    if (at != NULL)
        put_number(at, value, width);
}

void write_u8(struct writer *w, uint8_t value)
{
    write_number(w, value, 1);
}

void write_u16(struct writer *w, uint16_t value)
{
    write_number(w, value, 2);
}

void write_u32(struct writer *w, uint32_t value)
{
    write_number(w, value, 4);
}

void write_u64(struct writer *w, uint64_t value)
{
    write_number(w, value, 8);
}

void write_bytes(struct writer *w, struct span bytes)
{
    if (bytes.len == 0)
        return;
    uint8_t *at = writer_reserve(w, bytes.len);
    if (at != NULL)
        memcpy(at, bytes.ptr, bytes.len);
}

void write_zeros(struct writer *w, size_t len)
{
    uint8_t *at = writer_reserve(w, len);
    if (at != NULL && len > 0)
        memset(at, 0, len);
}

static void patch_number(struct writer *w, size_t offset, uint64_t value, size_t width)
{
    if (w->failed)
        return;
    ASSERT(offset <= w->len && width <= w->len - offset);
    put_number(w->buf + offset, value, width);
}

void writer_patch_u8(struct writer *w, size_t offset, uint8_t value)
{
    patch_number(w, offset, value, 1);
}

void writer_patch_u16(struct writer *w, size_t offset, uint16_t value)
{
    patch_number(w, offset, value, 2);
}

void writer_patch_u32(struct writer *w, size_t offset, uint32_t value)
{
    patch_number(w, offset, value, 4);
}
