/* SPDX-License-Identifier: Apache-2.0 */
#include "eap/ttls_avp.h"

#define HEADER         8
#define FLAG_VENDOR    0x80
#define FLAG_MANDATORY 0x40

bool avp_read(struct reader *r, struct avp *ret)
{
    if (r->left == 0 || reader_failed(r))
        return false;
    uint32_t code = read_u32(r);
    uint8_t flags = read_u8(r);
    uint32_t high = read_u8(r);
    uint32_t len = high << 16 | read_u16(r);
    bool vendor = (flags & FLAG_VENDOR) != 0;
    size_t header = HEADER + (vendor ? 4u : 0u);
    uint32_t vendor_id = vendor ? read_u32(r) : 0;
    if (len < header)
        reader_fail(r);
    struct span data = read_bytes(r, reader_failed(r) ? 0 : len - header);
    size_t padding = -(size_t)len & 3;
    (void)read_bytes(r, padding < r->left ? padding : r->left); /* the last one may have none */
    *ret = (struct avp){code, vendor_id, (flags & FLAG_MANDATORY) != 0, data};
    return !reader_failed(r);
}

void avp_write(struct writer *w, const struct avp *avp)
{
    uint32_t len = HEADER + (avp->vendor != 0 ? 4u : 0u) + (uint32_t)avp->data.len;
    uint32_t flags = FLAG_MANDATORY | (avp->vendor != 0 ? FLAG_VENDOR : 0u);
    write_u32(w, avp->code);
    write_u32(w, flags << 24 | len);
    if (avp->vendor != 0)
        write_u32(w, avp->vendor);
    write_bytes(w, avp->data);
    write_zeros(w, -(size_t)len & 3);
}
