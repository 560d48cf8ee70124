/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include "base/span.h"

enum address_family {
    ADDRESS_NONE = 0, /* unset, "any" */
    ADDRESS_V4 = 4,
    ADDRESS_V6 = 6,
};

/* struct address - an IP address in network byte order; unused octets are zero, so that memcmp
 * orders and compares. */
struct address {
    uint8_t family; /* enum address_family */
    uint8_t octets[16];
};

struct endpoint {
    struct address address;
    uint16_t port; /* host byte order */
};

/* struct address_range - first..last inclusive, one family; first <= last. */
struct address_range {
    struct address first;
    struct address last;
};

#define ADDRESS_TEXT_MAX  46 /* INET6_ADDRSTRLEN */
#define ENDPOINT_TEXT_MAX 56 /* [v6]:port */
#define RANGE_TEXT_MAX    96

/* address_len - 4, 16, or 0 for ADDRESS_NONE. */
size_t address_len(const struct address *a);
struct span address_span(const struct address *a);

/* address_from - 4 or 16 octets in network order; false for any other length. */
bool address_from(struct span octets, struct address *ret_address);

static inline bool address_equal(const struct address *a, const struct address *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && address_equal(&a->address, &b->address);
}

/* address_compare - <0, 0, >0; orders by family first. */
int address_compare(const struct address *a, const struct address *b);

/* address_sound - the octets of the struct, which came from another process, are an IPv4 or IPv6
 * address: unused octets are zero. */
bool address_sound(const struct address *a);

bool address_is_any(const struct address *a); /* NONE, 0.0.0.0, :: */
bool address_is_multicast(const struct address *a);
bool address_is_loopback(const struct address *a);
bool address_is_link_local(const struct address *a);

/* address_usable_outer - may be the outer address of a peer: unicast, not loopback (unless
 * `allow_loopback`), not any, not broadcast. */
bool address_usable_outer(const struct address *a, bool allow_loopback);

/* address_parse - "192.0.2.1", "2001:db8::1"; the whole text must match. */
bool address_parse(const char *text, struct address *ret_address);

/* address_print - writes at most ADDRESS_TEXT_MAX octets, returns `out`. */
const char *address_print(const struct address *a, char out[ADDRESS_TEXT_MAX]);
const char *endpoint_print(const struct endpoint *e, char out[ENDPOINT_TEXT_MAX]);

/* address_next / address_previous - the neighbour; false where it would wrap around. */
bool address_next(const struct address *a, struct address *ret_next);
bool address_previous(const struct address *a, struct address *ret_previous);

/* range_from_prefix - host bits may be set and are cleared in `first`, set in `last`. */
bool range_from_prefix(const struct address *a, unsigned prefix_len,
                       struct address_range *ret_range);

/* range_parse - "10.0.0.0/8", "10.0.0.1", "10.0.0.1-10.0.0.9". */
bool range_parse(const char *text, struct address_range *ret_range);

/* range_to_prefix - false when the range is not exactly one prefix. */
bool range_to_prefix(const struct address_range *range, unsigned *ret_prefix_len);

/*
 * range_first_prefix - the largest prefix that starts at range->first and stays inside; `ret_rest`
 * is what follows it. Walk a range as routes: do { more = range_first_prefix(&r, &len, &rest);
 * use(r.first, len); r = rest; } while (more).
 */
bool range_first_prefix(const struct address_range *range, unsigned *ret_prefix_len,
                        struct address_range *ret_rest);
const char *range_print(const struct address_range *range, char out[RANGE_TEXT_MAX]);

bool range_contains(const struct address_range *range, const struct address *a);
bool range_within(const struct address_range *inner, const struct address_range *outer);
bool range_intersect(const struct address_range *a, const struct address_range *b,
                     struct address_range *ret_common);

#endif
