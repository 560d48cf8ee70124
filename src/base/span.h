/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* struct span - borrowed, read-only bytes. The owner is stated where the span is handed over. */
struct span {
    const uint8_t *ptr;
    size_t len;
};

/* struct buffer - borrowed, writable bytes. */
struct buffer {
    uint8_t *ptr;
    size_t len;
};

static inline struct span span_of(const void *ptr, size_t len)
{
    return (struct span){.ptr = ptr, .len = len};
}

static inline struct span span_text(const char *text)
{
    return span_of(text, strlen(text));
}

/* span_equal - for public bytes only; secrets are compared with ct_equal (base/secret.h). */
static inline bool span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

#endif
