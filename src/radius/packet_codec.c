/* SPDX-License-Identifier: Apache-2.0 */
#include "radius/radius.h"

bool radius_next(struct reader *attributes, uint8_t *ret_type, struct span *ret_value)
{
    if (attributes->left == 0)
        return false;
    uint8_t type = read_u8(attributes);
    uint8_t len = read_u8(attributes);
    if (len < 2) /* a Length of 0 would make callers loop forever (CVE-2026-35333) */
        reader_fail(attributes);
    struct span value = read_bytes(attributes, (size_t)(len < 2 ? 0 : len - 2));
    if (reader_failed(attributes))
        return false;
    *ret_type = type;
    *ret_value = value;
    return true;
}

bool radius_packet_read(struct span octets, struct radius_packet *ret)
{
    struct reader r = reader_of(octets);
    uint8_t code = read_u8(&r);
    uint8_t identifier = read_u8(&r);
    uint16_t len = read_u16(&r);
    (void)read_bytes(&r, RADIUS_AUTHENTICATOR);
    if (reader_failed(&r) || len != octets.len || len > RADIUS_PACKET)
        return false;
    struct span attributes = span_of(r.pos, r.left), value;
    uint8_t type;
    while (radius_next(&r, &type, &value))
        ;
    if (!reader_done(&r))
        return false;
    *ret = (struct radius_packet){(enum radius_code)code, identifier, octets, attributes};
    return true;
}

bool radius_find(const struct radius_packet *packet, enum radius_attribute wanted,
                 struct span *ret_value)
{
    struct reader r = reader_of(packet->attributes);
    struct span value;
    uint8_t type;
    while (radius_next(&r, &type, &value))
        if (type == (uint8_t)wanted) {
            *ret_value = value;
            return true;
        }
    return false;
}

unsigned radius_count(const struct radius_packet *packet, enum radius_attribute wanted)
{
    struct reader r = reader_of(packet->attributes);
    struct span value;
    uint8_t type;
    unsigned n = 0;
    while (radius_next(&r, &type, &value))
        n += type == (uint8_t)wanted;
    return n;
}

bool radius_find_u32(const struct radius_packet *packet, enum radius_attribute type,
                     uint32_t *ret_value)
{
    struct span value;
    if (!radius_find(packet, type, &value) || value.len != 4)
        return false;
    struct reader r = reader_of(value);
    *ret_value = read_u32(&r);
    return true;
}

/* vendor_search - one Vendor-Specific attribute may hold several attributes of the vendor. */
static bool vendor_search(struct span value, uint32_t vendor, uint8_t wanted, struct span *ret)
{
    struct reader r = reader_of(value);
    struct span found;
    uint8_t type;
    if (read_u32(&r) != vendor || reader_failed(&r))
        return false;
    while (radius_next(&r, &type, &found))
        if (type == wanted) {
            *ret = found;
            return true;
        }
    return false;
}

bool radius_find_vendor(const struct radius_packet *packet, uint32_t vendor, uint8_t wanted,
                        struct span *ret_value)
{
    struct reader r = reader_of(packet->attributes);
    struct span value;
    uint8_t type;
    while (radius_next(&r, &type, &value))
        if (type == RADIUS_VENDOR_SPECIFIC && vendor_search(value, vendor, wanted, ret_value))
            return true;
    return false;
}

size_t radius_eap_join(const struct radius_packet *packet, uint8_t *out, size_t cap)
{
    struct reader r = reader_of(packet->attributes);
    struct writer w = writer_of(out, cap);
    struct span value;
    uint8_t type;
    while (radius_next(&r, &type, &value))
        if (type == RADIUS_EAP_MESSAGE)
            write_bytes(&w, value);
    return writer_failed(&w) ? 0 : w.len;
}

void radius_attribute_write(struct writer *w, enum radius_attribute type, struct span value)
{
    size_t len = value.len > RADIUS_VALUE ? RADIUS_VALUE : value.len;
    write_u8(w, (uint8_t)type);
    write_u8(w, (uint8_t)(2 + len));
    write_bytes(w, span_of(value.ptr, len));
}

void radius_u32_write(struct writer *w, enum radius_attribute type, uint32_t value)
{
    write_u8(w, (uint8_t)type);
    write_u8(w, 6);
    write_u32(w, value);
}

void radius_eap_write(struct writer *w, struct span eap)
{
    for (size_t at = 0; at < eap.len; at += RADIUS_VALUE)
        radius_attribute_write(w, RADIUS_EAP_MESSAGE, span_of(eap.ptr + at, eap.len - at));
}
