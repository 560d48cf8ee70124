/* SPDX-License-Identifier: Apache-2.0 */
#include "base/reader.h"

void reader_fail(struct reader *r)
{
    r->failed = true;
    r->left = 0;
}

struct span read_bytes(struct reader *r, size_t len)
{
    if (r->left < len) {
        reader_fail(r);
        return (struct span){0};
    }
    if (len == 0) /* pos may be NULL here, and NULL + 0 is undefined; else it says where */
        return span_of(r->pos, 0);
    struct span bytes = span_of(r->pos, len);
    r->pos += len;
    r->left -= len;
    return bytes;
}

static uint64_t read_number(struct reader *r, size_t width)
{
    struct span bytes = read_bytes(r, width);
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.len; i++)
        value = value << 8 | bytes.ptr[i];
    return value;
}

uint8_t read_u8(struct reader *r)
{
    return (uint8_t)read_number(r, 1);
}

uint16_t read_u16(struct reader *r)
{
    return (uint16_t)read_number(r, 2);
}

uint32_t read_u32(struct reader *r)
{
    return (uint32_t)read_number(r, 4);
}

uint64_t read_u64(struct reader *r)
{
    return read_number(r, 8);
}

struct span read_rest(struct reader *r)
{
    return read_bytes(r, r->left);
}

struct reader reader_sub(struct reader *r, size_t len)
{
    struct span bytes = read_bytes(r, len);
    struct reader inner = reader_of(bytes);
    inner.failed = r->failed;
    return inner;
}
