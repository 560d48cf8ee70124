/* SPDX-License-Identifier: Apache-2.0 */
#include "base/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

size_t address_len(const struct address *a)
{
    if (a->family == ADDRESS_V4)
        return 4;
    return a->family == ADDRESS_V6 ? 16 : 0;
}

struct span address_span(const struct address *a)
{
    return span_of(a->octets, address_len(a));
}

bool address_from(struct span octets, struct address *ret_address)
{
    if (octets.len != 4 && octets.len != 16)
        return false;
    struct address a = {.family = octets.len == 4 ? ADDRESS_V4 : ADDRESS_V6};
    memcpy(a.octets, octets.ptr, octets.len);
    *ret_address = a;
    return true;
}

int address_compare(const struct address *a, const struct address *b)
{
    return memcmp(a, b, sizeof(*a));
}

static bool all_octets(const struct address *a, uint8_t value)
{
    for (size_t i = 0; i < address_len(a); i++) {
        if (a->octets[i] != value)
            return false;
    }
    return true;
}

bool address_is_any(const struct address *a)
{
    return all_octets(a, 0);
}

bool address_is_multicast(const struct address *a)
{
    if (a->family == ADDRESS_V4)
        return (a->octets[0] & 0xf0) == 0xe0;
    return a->family == ADDRESS_V6 && a->octets[0] == 0xff;
}

bool address_is_loopback(const struct address *a)
{
    static const uint8_t v6_loopback[16] = {[15] = 1};
    if (a->family == ADDRESS_V4)
        return a->octets[0] == 127;
    return a->family == ADDRESS_V6 && memcmp(a->octets, v6_loopback, sizeof(v6_loopback)) == 0;
}

bool address_is_link_local(const struct address *a)
{
    if (a->family == ADDRESS_V4)
        return a->octets[0] == 169 && a->octets[1] == 254;
    return a->family == ADDRESS_V6 && a->octets[0] == 0xfe && (a->octets[1] & 0xc0) == 0x80;
}

bool address_sound(const struct address *a)
{
    size_t len = address_len(a);
    for (size_t i = len; i < sizeof(a->octets); i++)
        if (a->octets[i] != 0)
            return false;
    return len != 0;
}

bool address_usable_outer(const struct address *a, bool allow_loopback)
{
    if (a->family == ADDRESS_NONE || address_is_any(a) || address_is_multicast(a))
        return false;
    if (a->family == ADDRESS_V4 && (a->octets[0] == 0 || a->octets[0] >= 240))
        return false;
    return allow_loopback || !address_is_loopback(a);
}

bool address_parse(const char *text, struct address *ret_address)
{
    struct address a = {0};
    if (inet_pton(AF_INET, text, a.octets) == 1)
        a.family = ADDRESS_V4;
    else if (inet_pton(AF_INET6, text, a.octets) == 1)
        a.family = ADDRESS_V6;
    else
        return false;
    *ret_address = a;
    return true;
}

const char *address_print(const struct address *a, char out[ADDRESS_TEXT_MAX])
{
    const char *text = NULL;
    if (a->family != ADDRESS_NONE)
        text = inet_ntop(a->family == ADDRESS_V4 ? AF_INET : AF_INET6, a->octets, out,
                         ADDRESS_TEXT_MAX);
    if (text == NULL)
        snprintf(out, ADDRESS_TEXT_MAX, "%%any");
    return out;
}

const char *endpoint_print(const struct endpoint *e, char out[ENDPOINT_TEXT_MAX])
{
    char address[ADDRESS_TEXT_MAX];
    address_print(&e->address, address);
    bool v6 = e->address.family == ADDRESS_V6;
    snprintf(out, ENDPOINT_TEXT_MAX, "%s%s%s:%u", v6 ? "[" : "", address, v6 ? "]" : "",
             (unsigned)e->port);
    return out;
}

bool address_next(const struct address *a, struct address *ret_next)
{
    struct address next = *a;
    for (size_t i = address_len(a); i-- > 0;) {
        if (++next.octets[i] != 0) {
            *ret_next = next;
            return true;
        }
    }
    return false;
}

bool address_previous(const struct address *a, struct address *ret_previous)
{
    struct address previous = *a;
    for (size_t i = address_len(a); i-- > 0;) {
        if (previous.octets[i]-- != 0) {
            *ret_previous = previous;
            return true;
        }
    }
    return false;
}

bool range_from_prefix(const struct address *a, unsigned prefix_len,
                       struct address_range *ret_range)
{
    size_t len = address_len(a);
    if (len == 0 || prefix_len > len * 8)
        return false;
    struct address_range range = {.first = *a, .last = *a};
    for (size_t i = 0; i < len; i++) {
        unsigned bits = prefix_len > i * 8 ? prefix_len - (unsigned)i * 8 : 0;
        uint8_t mask = (uint8_t)(bits >= 8 ? 0xff : 0xff00 >> bits);
        range.first.octets[i] &= mask;
        range.last.octets[i] |= (uint8_t)~mask;
    }
    *ret_range = range;
    return true;
}

static bool parse_prefix_len(const char *text, unsigned max, unsigned *ret_len)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    unsigned long value = strtoul(text, &end, 10);
    if (*end != '\0' || value > max)
        return false;
    *ret_len = (unsigned)value;
    return true;
}

bool range_parse(const char *text, struct address_range *ret_range)
{
    char first[ADDRESS_TEXT_MAX];
    size_t len = strcspn(text, "/-");
    if (len >= sizeof(first))
        return false;
    memcpy(first, text, len);
    first[len] = '\0';

    struct address_range range;
    if (!address_parse(first, &range.first))
        return false;
    range.last = range.first;
    unsigned prefix_len;
    switch (text[len]) {
    case '\0': break;
    case '/':
        if (!parse_prefix_len(text + len + 1, (unsigned)address_len(&range.first) * 8, &prefix_len))
            return false;
        return range_from_prefix(&range.first, prefix_len, ret_range);
    default:
        if (!address_parse(text + len + 1, &range.last) ||
            range.last.family != range.first.family ||
            address_compare(&range.first, &range.last) > 0)
            return false;
    }
    *ret_range = range;
    return true;
}

bool range_to_prefix(const struct address_range *range, unsigned *ret_prefix_len)
{
    unsigned prefix_len;
    struct address_range rest;
    if (range_first_prefix(range, &prefix_len, &rest))
        return false;
    *ret_prefix_len = prefix_len;
    return true;
}

bool range_first_prefix(const struct address_range *range, unsigned *ret_prefix_len,
                        struct address_range *ret_rest)
{
    unsigned bits = (unsigned)address_len(&range->first) * 8;
    struct address_range prefix = {.first = range->first, .last = range->first};
    unsigned prefix_len = bits;
    while (prefix_len > 0) {
        struct address_range wider;
        (void)range_from_prefix(&range->first, prefix_len - 1, &wider);
        if (!address_equal(&wider.first, &range->first) ||
            address_compare(&wider.last, &range->last) > 0)
            break;
        prefix = wider;
        prefix_len--;
    }
    *ret_prefix_len = prefix_len;
    if (address_equal(&prefix.last, &range->last))
        return false;
    *ret_rest = *range;
    return address_next(&prefix.last, &ret_rest->first);
}

const char *range_print(const struct address_range *range, char out[RANGE_TEXT_MAX])
{
    char first[ADDRESS_TEXT_MAX];
    char last[ADDRESS_TEXT_MAX];
    unsigned prefix_len;
    address_print(&range->first, first);
    if (range_to_prefix(range, &prefix_len))
        snprintf(out, RANGE_TEXT_MAX, "%s/%u", first, prefix_len);
    else
        snprintf(out, RANGE_TEXT_MAX, "%s..%s", first, address_print(&range->last, last));
    return out;
}

bool range_contains(const struct address_range *range, const struct address *a)
{
    return a->family == range->first.family && address_compare(&range->first, a) <= 0 &&
           address_compare(a, &range->last) <= 0;
}

bool range_within(const struct address_range *inner, const struct address_range *outer)
{
    return range_contains(outer, &inner->first) && range_contains(outer, &inner->last);
}

bool range_intersect(const struct address_range *a, const struct address_range *b,
                     struct address_range *ret_common)
{
    if (a->first.family != b->first.family)
        return false;
    struct address_range common = {
        .first = address_compare(&a->first, &b->first) > 0 ? a->first : b->first,
        .last = address_compare(&a->last, &b->last) < 0 ? a->last : b->last,
    };
    if (address_compare(&common.first, &common.last) > 0)
        return false;
    *ret_common = common;
    return true;
}
