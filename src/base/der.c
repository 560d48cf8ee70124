/* SPDX-License-Identifier: Apache-2.0 */
#include "base/der.h"

#define LONG_FORM    0x80
#define HIGH_TAG     0x1f /* tag number 31: the tag goes on in the next octet */
#define LENGTH_WIDTH 3    /* octets of a long length: 16 MiB */

/* X.690 sections 8.1.3 and 10.1: DER has only the shortest form. */
static size_t length_read(struct reader *r)
{
    uint8_t first = read_u8(r);
    if (first < LONG_FORM)
        return first;
    size_t width = first & 0x7f, length = 0;
    if (width == 0 || width > LENGTH_WIDTH) {
        reader_fail(r);
        return 0;
    }
    for (size_t i = 0; i < width; i++) {
        length = length << 8 | read_u8(r);
        if (length == 0)
            reader_fail(r);
    }
    if (length < LONG_FORM)
        reader_fail(r);
    return length;
}

struct span der_element(struct reader *r, struct span *ret_contents)
{
    const uint8_t *start = r->pos;
    if ((read_u8(r) & HIGH_TAG) == HIGH_TAG)
        reader_fail(r);
    size_t length = length_read(r);
    struct span contents = read_bytes(r, length);
    if (ret_contents != NULL)
        *ret_contents = contents;
    return r->failed ? (struct span){0} : span_of(start, (size_t)(r->pos - start));
}

struct reader der_read(struct reader *r, uint8_t tag)
{
    struct span contents;
    if (der_next(r) != tag)
        reader_fail(r);
    (void)der_element(r, &contents);
    struct reader inner = reader_of(contents);
    if (r->failed)
        reader_fail(&inner);
    return inner;
}
