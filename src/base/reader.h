/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_READER_H
#define BASE_READER_H

#include "base/span.h"

/*
 * struct reader - the only way to look into bytes from outside. Getters are total: after a failure
 * they return 0 or an empty span, failure is sticky, and `left` drops to 0, so that loops end.
 * Parse the whole structure first, ask reader_done() (or reader_failed()) once, and act only then.
 */
struct reader {
    const uint8_t *pos; /* borrowed */
    size_t left;
    bool failed;
};

static inline struct reader reader_of(struct span bytes)
{
    return (struct reader){.pos = bytes.ptr, .left = bytes.len};
}

void reader_fail(struct reader *r);
uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r); /* network byte order, like all of them */
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
struct span read_bytes(struct reader *r, size_t len);

/* read_rest - all that is left; never fails. */
struct span read_rest(struct reader *r);

/* reader_sub - a reader over the next `len` bytes, which the outer one skips. The inner length
 * cannot leave the outer one: too long fails both. */
struct reader reader_sub(struct reader *r, size_t len);

static inline bool reader_failed(const struct reader *r)
{
    return r->failed;
}

/* reader_done - everything read, nothing failed, nothing left over. */
static inline bool reader_done(const struct reader *r)
{
    return !r->failed && r->left == 0;
}

#endif
