/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/traffic_classes.h"

#include "base/reader.h"
#include "base/writer.h"

#define FLAG_REDUNDANT 0x80
#define FLAG_STRICT    0x40

static void numbers_write(struct writer *w, struct number_range range)
{
    write_u16(w, range.first);
    write_u16(w, range.last);
}

static void class_write(struct writer *w, const struct traffic_class *class)
{
    write_u8(
        w, (uint8_t)((class->redundant ? FLAG_REDUNDANT : 0) | (class->strict ? FLAG_STRICT : 0)));
    write_u8(w, class->protocol);
    write_u8(w, class->n_remote);
    write_u8(w, 0);
    write_u64(w, class->dscp);
    numbers_write(w, class->local_port);
    numbers_write(w, class->remote_port);
    numbers_write(w, class->size);
    for (uint8_t i = 0; i < class->n_remote; i++) {
        const struct address_range *range = &class->remote[i];
        size_t len = address_len(&range->first);
        write_u8(w, range->first.family == ADDRESS_V4 ? 4 : 6);
        write_zeros(w, 3);
        write_bytes(w, span_of(range->first.octets, len));
        write_bytes(w, span_of(range->last.octets, len));
    }
}

size_t traffic_classes_write(const struct traffic_class *classes, uint8_t n,
                             uint8_t out[TRAFFIC_CLASSES_MAX])
{
    struct writer w = writer_of(out, TRAFFIC_CLASSES_MAX);
    write_u8(&w, TRAFFIC_CLASSES_VERSION);
    write_u8(&w, n);
    write_zeros(&w, 2);
    for (uint8_t i = 0; i < n; i++)
        class_write(&w, &classes[i]);
    return writer_span(&w).len;
}

static bool numbers_read(struct reader *r, struct number_range *ret_range)
{
    ret_range->first = read_u16(r);
    ret_range->last = read_u16(r);
    return ret_range->first <= ret_range->last;
}

static void address_read(struct reader *r, uint8_t family, struct address *ret_address)
{
    struct span octets = read_bytes(r, family == ADDRESS_V4 ? 4 : 16);
    if (reader_failed(r))
        return;
    ret_address->family = family;
    memcpy(ret_address->octets, octets.ptr, octets.len);
}

static bool range_read(struct reader *r, struct address_range *ret_range)
{
    uint8_t version = read_u8(r);
    (void)read_bytes(r, 3); /* reserved */
    if (version != 4 && version != 6)
        return false;
    uint8_t family = version == 4 ? ADDRESS_V4 : ADDRESS_V6;
    address_read(r, family, &ret_range->first);
    address_read(r, family, &ret_range->last);
    return memcmp(ret_range->first.octets, ret_range->last.octets,
                  sizeof(ret_range->first.octets)) <= 0;
}

static bool class_read(struct reader *r, struct traffic_class *ret_class)
{
    uint8_t flags = read_u8(r);
    ret_class->redundant = (flags & FLAG_REDUNDANT) != 0;
    ret_class->strict = (flags & FLAG_STRICT) != 0;
    ret_class->protocol = read_u8(r);
    ret_class->n_remote = read_u8(r);
    (void)read_u8(r); /* reserved */
    ret_class->dscp = read_u64(r);
    bool sound = numbers_read(r, &ret_class->local_port);
    sound &= numbers_read(r, &ret_class->remote_port);
    sound &= numbers_read(r, &ret_class->size);
    if (!sound || ret_class->n_remote > LIMIT_CLASS_RANGES)
        return false;
    for (uint8_t i = 0; i < ret_class->n_remote; i++)
        if (!range_read(r, &ret_class->remote[i]))
            return false;
    return !reader_failed(r);
}

bool traffic_classes_read(struct span data, struct traffic_list *ret_list)
{
    struct reader r = reader_of(data);
    memset(ret_list, 0, sizeof(*ret_list)); /* padding too: lists are compared as octets */
    uint8_t version = read_u8(&r), n = read_u8(&r);
    (void)read_u16(&r); /* reserved */
    if (reader_failed(&r) || version != TRAFFIC_CLASSES_VERSION || n > LIMIT_CLASSES)
        return false;
    for (; ret_list->n < n; ret_list->n++)
        if (!class_read(&r, &ret_list->classes[ret_list->n]))
            return false;
    return true;
}

bool traffic_lists_equal(const struct traffic_list *a, const struct traffic_list *b)
{
    uint8_t octets_a[TRAFFIC_CLASSES_MAX], octets_b[TRAFFIC_CLASSES_MAX];
    size_t len = traffic_classes_write(a->classes, a->n, octets_a);
    return len == traffic_classes_write(b->classes, b->n, octets_b) &&
           memcmp(octets_a, octets_b, len) == 0;
}
