/* SPDX-License-Identifier: Apache-2.0 */
#include "base/carrier.h"

/* No duration of ours is longer. Moments that are farther away mean never, or long ago. */
#define FARTHEST   ((nanos)100 * 366 * 86400 * NANOS_PER_SEC)
#define DIST_NEVER INT64_MAX
#define DIST_NONE  INT64_MIN

struct carrier carrier_writes(struct writer *w, uint8_t version, nanos now)
{
    return (struct carrier){.w = w, .version = version, .now = now};
}

struct carrier carrier_reads(struct span octets, uint8_t version, nanos now)
{
    return (struct carrier){.r = reader_of(octets), .version = version, .now = now};
}

void carrier_fail(struct carrier *c, int error)
{
    if (c->error == 0)
        c->error = error;
    reader_fail(&c->r);
}

void carrier_check(struct carrier *c, bool sound)
{
    if (!sound)
        carrier_fail(c, ERR_INVALID);
}

int carrier_done(const struct carrier *c)
{
    if (c->error != 0)
        return c->error;
    bool whole = c->w != NULL ? !writer_failed(c->w) : reader_done(&c->r);
    if (whole)
        return 0;
    return c->w != NULL ? ERR_TRUNCATED : ERR_INVALID;
}

uint8_t carry_u8(struct carrier *c, uint8_t value)
{
    if (c->w == NULL)
        return read_u8(&c->r);
    write_u8(c->w, value);
    return value;
}

uint16_t carry_u16(struct carrier *c, uint16_t value)
{
    if (c->w == NULL)
        return read_u16(&c->r);
    write_u16(c->w, value);
    return value;
}

uint32_t carry_u32(struct carrier *c, uint32_t value)
{
    if (c->w == NULL)
        return read_u32(&c->r);
    write_u32(c->w, value);
    return value;
}

uint64_t carry_u64(struct carrier *c, uint64_t value)
{
    if (c->w == NULL)
        return read_u64(&c->r);
    write_u64(c->w, value);
    return value;
}

bool carry_bool(struct carrier *c, bool value)
{
    return carry_within(c, value, 0, 1) != 0;
}

uint32_t carry_within(struct carrier *c, uint32_t value, uint32_t least, uint32_t most)
{
    if (c->w == NULL)
        value = most <= UINT8_MAX ? read_u8(&c->r) : read_u32(&c->r);
    carrier_check(c, value >= least && value <= most && (c->w != NULL || !reader_failed(&c->r)));
    if (c->w == NULL)
        return c->error == 0 ? value : 0;
    if (c->error == 0 && most <= UINT8_MAX)
        write_u8(c->w, (uint8_t)value);
    else if (c->error == 0)
        write_u32(c->w, value);
    return value;
}

static int64_t distance(const struct carrier *c, nanos at)
{
    if (at == NANOS_NEVER || (at > 0 && c->now < at - FARTHEST))
        return DIST_NEVER;
    return c->now > 0 && at < c->now - FARTHEST ? -FARTHEST : at - c->now;
}

nanos carry_moment(struct carrier *c, nanos at)
{
    int64_t value = (int64_t)carry_u64(c, c->w == NULL ? 0 : (uint64_t)distance(c, at));
    if (c->w != NULL)
        return at;
    bool never = value == DIST_NEVER;
    carrier_check(c, never || (value >= -FARTHEST && value <= FARTHEST));
    if (c->error != 0)
        return 0;
    return never ? NANOS_NEVER : nanos_after(c->now, value);
}

nanos carry_stamp(struct carrier *c, nanos at)
{
    if (c->w != NULL) {
        write_u64(c->w, (uint64_t)(at == 0 ? DIST_NONE : distance(c, at)));
        return at;
    }
    struct reader ahead = c->r;
    if ((int64_t)read_u64(&ahead) == DIST_NONE) {
        c->r = ahead;
        return 0;
    }
    at = carry_moment(c, 0);
    return at > 0 || c->error != 0 ? at : 1; /* before this clock began */
}

void carry_octets(struct carrier *c, void *octets, size_t len)
{
    if (c->w != NULL) {
        write_bytes(c->w, span_of(octets, len));
        return;
    }
    struct span read = read_bytes(&c->r, len);
    if (read.len > 0)
        memcpy(octets, read.ptr, read.len);
}

void carry_text(struct carrier *c, char *text, size_t cap)
{
    size_t len = c->w != NULL ? strnlen(text, cap) : 0;
    len = carry_within(c, (uint32_t)len, 0, (uint32_t)(cap - 1));
    if (c->w == NULL)
        memset(text, 0, cap);
    carry_octets(c, text, len);
    carrier_check(c, strnlen(text, len) == len);
}

void carry_address(struct carrier *c, struct address *address)
{
    if (c->w == NULL)
        *address = (struct address){0};
    address->family = carry_u8(c, address->family);
    carrier_check(c, address->family == ADDRESS_NONE || address->family == ADDRESS_V4 ||
                         address->family == ADDRESS_V6);
    if (c->w == NULL && c->error != 0)
        address->family = ADDRESS_NONE;
    carry_octets(c, address->octets, address_len(address));
}

void carry_endpoint(struct carrier *c, struct endpoint *endpoint)
{
    carry_address(c, &endpoint->address);
    endpoint->port = carry_u16(c, endpoint->port);
}

void carry_range(struct carrier *c, struct address_range *range)
{
    carry_address(c, &range->first);
    carry_address(c, &range->last);
    carrier_check(c, range->first.family == range->last.family &&
                         address_compare(&range->first, &range->last) <= 0);
}

struct carrier_section carry_begin(struct carrier *c, uint8_t tag)
{
    struct carrier_section section = {0};
    carrier_check(c, carry_u8(c, tag) == tag);
    if (c->w != NULL) {
        section.at = c->w->len;
        write_u32(c->w, 0);
        return section;
    }
    struct reader inner = reader_sub(&c->r, read_u32(&c->r));
    section.outer = c->r;
    c->r = inner;
    return section;
}

void carry_end(struct carrier *c, const struct carrier_section *section)
{
    if (c->w != NULL) {
        size_t len = c->w->len - section->at - 4;
        if (!writer_failed(c->w))
            writer_patch_u32(c->w, section->at, (uint32_t)len);
        return;
    }
    carrier_check(c, reader_done(&c->r));
    c->r = section->outer;
    if (c->error != 0)
        reader_fail(&c->r);
}
