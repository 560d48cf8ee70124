/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_WRITER_H
#define BASE_WRITER_H

#include "base/span.h"

/*
 * struct writer - appends to a buffer of fixed size. Overflow is sticky: later writes do nothing,
 * and writer_failed() tells once at the end. Lengths that are known only afterwards are patched.
 */
struct writer {
    uint8_t *buf; /* borrowed */
    size_t cap;
    size_t len;
    bool failed;
};

static inline struct writer writer_of(void *buf, size_t cap)
{
    return (struct writer){.buf = buf, .cap = cap};
}

void write_u8(struct writer *w, uint8_t value);
void write_u16(struct writer *w, uint16_t value); /* network byte order, like all of them */
void write_u32(struct writer *w, uint32_t value);
void write_u64(struct writer *w, uint64_t value);
void write_bytes(struct writer *w, struct span bytes);
void write_zeros(struct writer *w, size_t len);

/* writer_reserve - room for `len` octets that the caller fills in; NULL on overflow. */
uint8_t *writer_reserve(struct writer *w, size_t len);

/* writer_patch_* - overwrites octets at `offset`, which were written before. */
void writer_patch_u8(struct writer *w, size_t offset, uint8_t value);
void writer_patch_u16(struct writer *w, size_t offset, uint16_t value);
void writer_patch_u32(struct writer *w, size_t offset, uint32_t value);

static inline bool writer_failed(const struct writer *w)
{
    return w->failed;
}

static inline struct span writer_span(const struct writer *w)
{
    return w->failed ? (struct span){0} : span_of(w->buf, w->len);
}

#endif
