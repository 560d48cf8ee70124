/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/aaa/aaa_grant.h"

#define VENDOR_MS        311 /* RFC 2548 sections 2.7.1 and 2.7.2 */
#define MS_DNS_FIRST     28
#define MS_DNS_SECOND    29
#define INTERFACE_ID     8
#define PREFIX_HEAD      2 /* Reserved, Prefix-Length */
#define PREFIX_LEN_WHOLE 128

static bool text_of(struct span value, char *out, size_t cap)
{
    if (value.len == 0 || value.len >= cap || memchr(value.ptr, 0, value.len) != NULL)
        return false;
    memcpy(out, value.ptr, value.len);
    out[value.len] = '\0';
    return true;
}

void aaa_text_find(const struct radius_packet *packet, enum radius_attribute type, char *out,
                   size_t cap)
{
    struct span value;
    if (radius_find(packet, type, &value))
        (void)text_of(value, out, cap);
}

/* --- addresses --- */

static bool host_address(const struct address *a)
{
    return !address_is_any(a) && !address_is_multicast(a) && !address_is_loopback(a) &&
           !address_is_link_local(a);
}

static void address_take(struct span value, size_t len, struct address *ret)
{
    struct address address;
    if (value.len == len && address_from(value, &address) && host_address(&address))
        *ret = address;
}

/* RFC 2865 section 5.8: 255.255.255.255 and 255.255.255.254 leave the choice to us. */
static void framed4_read(const struct radius_packet *packet, struct aaa_grant *ret)
{
    struct span value;
    if (radius_find(packet, RADIUS_FRAMED_IP_ADDRESS, &value) && value.len == 4 &&
        !(value.ptr[0] == 255 && value.ptr[1] == 255))
        address_take(value, 4, &ret->framed4);
}

/* RFC 3162 section 2.3: | Reserved (1) | Prefix-Length (1) | Prefix, up to 16 octets |. A peer gets
 * one address of the prefix: the one with Framed-Interface-Id, or else the first one. */
static void prefix_read(const struct radius_packet *packet, struct aaa_grant *ret)
{
    uint8_t octets[16] = {0};
    struct span value, id;
    if (!radius_find(packet, RADIUS_FRAMED_IPV6_PREFIX, &value) || value.len < PREFIX_HEAD ||
        value.len > PREFIX_HEAD + sizeof(octets))
        return;
    unsigned len = value.ptr[1];
    if (len == 0 || len > PREFIX_LEN_WHOLE || (value.len - PREFIX_HEAD) * 8 < len)
        return;
    memcpy(octets, value.ptr + PREFIX_HEAD, value.len - PREFIX_HEAD);
    for (unsigned bit = len; bit < PREFIX_LEN_WHOLE; bit++)
        octets[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
    bool named = radius_find(packet, RADIUS_FRAMED_INTERFACE_ID, &id) && id.len == INTERFACE_ID;
    if (len <= 64 && named)
        memcpy(octets + 8, id.ptr, INTERFACE_ID);
    else if (len < PREFIX_LEN_WHOLE)
        octets[15] |= 1;
    address_take(span_of(octets, sizeof(octets)), sizeof(octets), &ret->framed6);
}

static void framed6_read(const struct radius_packet *packet, struct aaa_grant *ret)
{
    struct span value;
    if (radius_find(packet, RADIUS_FRAMED_IPV6_ADDRESS, &value))
        address_take(value, 16, &ret->framed6);
    if (ret->framed6.family == ADDRESS_NONE)
        prefix_read(packet, ret);
}

/* --- lists --- */

static void dns_add(struct span value, size_t len, struct aaa_grant *ret)
{
    struct address *next = &ret->dns[ret->n_dns];
    if (ret->n_dns == AAA_DNS)
        return;
    address_take(value, len, next);
    ret->n_dns += next->family != ADDRESS_NONE;
}

static void group_add(struct span value, struct aaa_groups *groups)
{
    if (groups->n < AAA_GROUPS && text_of(value, groups->names[groups->n], LIMIT_NAME))
        groups->n++;
}

/* RFC 2865 section 5.25: Class goes to the accounting server unchanged. */
static void class_add(struct span value, struct aaa_grant *ret)
{
    struct writer w = writer_of(ret->classes + ret->n_classes, AAA_CLASSES - ret->n_classes);
    radius_attribute_write(&w, RADIUS_CLASS, value);
    if (!writer_failed(&w))
        ret->n_classes += (uint32_t)w.len;
}

static void lists_read(const struct radius_packet *packet, bool class_group, struct aaa_grant *ret)
{
    struct reader r = reader_of(packet->attributes);
    struct span value;
    uint8_t type;
    while (radius_next(&r, &type, &value)) {
        if (type == RADIUS_FILTER_ID || (type == RADIUS_CLASS && class_group))
            group_add(value, &ret->groups);
        if (type == RADIUS_CLASS)
            class_add(value, ret);
        if (type == RADIUS_DNS_SERVER_IPV6_ADDRESS)
            dns_add(value, 16, ret);
    }
}

void aaa_grant_read(const struct radius_packet *packet, bool class_group, struct aaa_grant *ret)
{
    struct span value;
    (void)radius_find_u32(packet, RADIUS_SESSION_TIMEOUT, &ret->session_timeout_s);
    (void)radius_find_u32(packet, RADIUS_IDLE_TIMEOUT, &ret->idle_timeout_s);
    (void)radius_find_u32(packet, RADIUS_ACCT_INTERIM_INTERVAL, &ret->interim_s);
    framed4_read(packet, ret);
    framed6_read(packet, ret);
    aaa_text_find(packet, RADIUS_FRAMED_POOL, ret->pool4, sizeof(ret->pool4));
    aaa_text_find(packet, RADIUS_FRAMED_IPV6_POOL, ret->pool6, sizeof(ret->pool6));
    aaa_text_find(packet, RADIUS_STATEFUL_IPV6_ADDRESS_POOL, ret->pool6, sizeof(ret->pool6));
    if (radius_find_vendor(packet, VENDOR_MS, MS_DNS_FIRST, &value))
        dns_add(value, 4, ret);
    if (radius_find_vendor(packet, VENDOR_MS, MS_DNS_SECOND, &value))
        dns_add(value, 4, ret);
    lists_read(packet, class_group, ret);
}

bool aaa_grant_names(const struct aaa_grant *grant, const struct aaa_groups *groups)
{
    for (uint32_t i = 0; i < groups->n; i++)
        for (uint32_t j = 0; j < grant->groups.n; j++)
            if (strcmp(groups->names[i], grant->groups.names[j]) == 0)
                return true;
    return groups->n == 0;
}
