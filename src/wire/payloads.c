/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/payloads.h"

#include "base/reader.h"
#include "base/writer.h"

/* Transform attributes, section 3.3.5: only Key Length (14, TV form) is defined. A type may occur
 * once (section 3.3). */
static bool read_attributes(struct reader *r, struct wire_transform *transform)
{
    while (r->left > 0) {
        uint16_t type = read_u16(r);
        uint16_t value = read_u16(r);
        if ((type & 0x8000) == 0)
            (void)read_bytes(r, value);
        if (type == (0x8000 | 14) && transform->key_bits == 0 && value != 0)
            transform->key_bits = value;
        else
            transform->odd = true;
    }
    return !reader_failed(r);
}

static bool read_transform(struct reader *r, bool last, struct wire_transform *ret_transform)
{
    uint8_t more = read_u8(r);
    (void)read_u8(r);
    uint16_t length = read_u16(r);
    if (reader_failed(r) || length < 8 || more != (last ? 0 : 3))
        return false;
    struct reader inner = reader_sub(r, length - 4u);
    struct wire_transform transform = {0};
    transform.type = read_u8(&inner);
    (void)read_u8(&inner);
    transform.id = read_u16(&inner);
    if (!read_attributes(&inner, &transform))
        return false;
    *ret_transform = transform;
    return true;
}

static bool read_proposal(struct reader *r, struct wire_proposal *proposal, bool *ret_last)
{
    uint8_t more = read_u8(r);
    (void)read_u8(r);
    uint16_t length = read_u16(r);
    if (reader_failed(r) || length < 8 || (more != 0 && more != 2))
        return false;
    struct reader inner = reader_sub(r, length - 4u);
    proposal->number = read_u8(&inner);
    proposal->protocol = read_u8(&inner);
    uint8_t spi_len = read_u8(&inner);
    uint8_t n = read_u8(&inner);
    proposal->spi = read_bytes(&inner, spi_len);
    proposal->n = 0;
    if (reader_failed(&inner) || n == 0 || n > LIMIT_TRANSFORMS)
        return false;
    for (uint8_t i = 0; i < n; i++)
        if (!read_transform(&inner, i + 1 == n, &proposal->transforms[proposal->n++]))
            return false;
    *ret_last = more == 0;
    return reader_done(&inner);
}

bool wire_sa_read(struct span body, struct wire_sa *ret_sa)
{
    struct reader r = reader_of(body);
    bool last = false;
    ret_sa->n = 0;
    while (!last) {
        if (ret_sa->n == LIMIT_PROPOSALS ||
            !read_proposal(&r, &ret_sa->proposals[ret_sa->n], &last))
            return false;
        ret_sa->n++;
        /* Section 3.3.1: the first number is 1. We do not check that the others count up. */
        if (ret_sa->proposals[ret_sa->n - 1].number == 0)
            return false;
    }
    return reader_done(&r);
}

bool wire_ke_read(struct span body, struct wire_ke *ret_ke)
{
    struct reader r = reader_of(body);
    ret_ke->group = read_u16(&r);
    (void)read_u16(&r);
    ret_ke->public_value = read_rest(&r);
    return !reader_failed(&r) && ret_ke->public_value.len > 0;
}

bool wire_nonce_read(struct span body, struct span *ret_nonce)
{
    *ret_nonce = body;
    return body.len >= 16 && body.len <= LIMIT_NONCE;
}

bool wire_id_read(struct span body, struct wire_id *ret_id)
{
    struct reader r = reader_of(body);
    ret_id->type = read_u8(&r);
    (void)read_bytes(&r, 3);
    ret_id->data = read_rest(&r);
    if (reader_failed(&r))
        return false;
    switch (ret_id->type) {
    case ID_IPV4_ADDR: return ret_id->data.len == 4;
    case ID_IPV6_ADDR: return ret_id->data.len == 16;
    default: return ret_id->data.len > 0 && ret_id->data.len <= LIMIT_ID;
    }
}

bool wire_auth_read(struct span body, struct wire_auth *ret_auth)
{
    struct reader r = reader_of(body);
    ret_auth->method = read_u8(&r);
    (void)read_bytes(&r, 3);
    ret_auth->data = read_rest(&r);
    return !reader_failed(&r);
}

bool wire_cert_read(struct span body, struct wire_cert *ret_cert)
{
    struct reader r = reader_of(body);
    ret_cert->encoding = read_u8(&r);
    ret_cert->data = read_rest(&r);
    return !reader_failed(&r) && ret_cert->data.len > 0;
}

bool wire_certreq_read(struct span body, struct wire_cert *ret_request)
{
    struct reader r = reader_of(body);
    ret_request->encoding = read_u8(&r);
    ret_request->data = read_rest(&r);
    /* the Certification Authority field is a list of SHA-1 hashes (section 3.7, RFC 4806 section
     * 4.1) */
    bool hashes = ret_request->encoding == CERT_X509 || ret_request->encoding == CERT_OCSP;
    return !reader_failed(&r) && (!hashes || ret_request->data.len % 20 == 0);
}

bool wire_eap_read(struct span body, struct wire_eap *ret_eap)
{
    struct reader r = reader_of(body);
    ret_eap->code = read_u8(&r);
    ret_eap->identifier = read_u8(&r);
    uint16_t len = read_u16(&r);
    bool ends = ret_eap->code == EAP_SUCCESS || ret_eap->code == EAP_FAILURE;
    bool talks = ret_eap->code == EAP_REQUEST || ret_eap->code == EAP_RESPONSE;
    return !reader_failed(&r) && len == body.len && ((ends && len == 4) || (talks && len > 4));
}

bool wire_notify_read(struct span body, struct wire_notify *ret_notify)
{
    struct reader r = reader_of(body);
    ret_notify->protocol = read_u8(&r);
    uint8_t spi_len = read_u8(&r);
    ret_notify->type = read_u16(&r);
    ret_notify->spi = read_bytes(&r, spi_len);
    ret_notify->data = read_rest(&r);
    return !reader_failed(&r);
}

bool wire_notify_find(const struct wire_message *message, uint16_t type,
                      struct wire_notify *ret_notify)
{
    const struct wire_payload *p = NULL;
    struct wire_notify notify;
    while ((p = wire_find(message, WIRE_PAYLOAD_N, p)) != NULL)
        if (wire_notify_read(p->body, &notify) && notify.type == type) {
            *ret_notify = notify;
            return true;
        }
    return false;
}

bool wire_notify_has(const struct wire_message *message, uint16_t type)
{
    struct wire_notify notify;
    return wire_notify_find(message, type, &notify);
}

bool wire_notify_error(const struct wire_message *message, struct wire_notify *ret_notify)
{
    const struct wire_payload *p = NULL;
    struct wire_notify notify;
    while ((p = wire_find(message, WIRE_PAYLOAD_N, p)) != NULL)
        if (wire_notify_read(p->body, &notify) && notify.type < WIRE_FIRST_STATUS_NOTIFY) {
            *ret_notify = notify;
            return true;
        }
    return false;
}

bool wire_delete_read(struct span body, struct wire_delete *ret_delete)
{
    struct reader r = reader_of(body);
    ret_delete->protocol = read_u8(&r);
    uint8_t spi_len = read_u8(&r);
    uint16_t n = read_u16(&r);
    ret_delete->n = 0;
    if (reader_failed(&r))
        return false;
    if (ret_delete->protocol == WIRE_PROTO_IKE)
        return spi_len == 0 && n == 0 && r.left == 0;
    if (spi_len != 4 || n > LIMIT_DELETE_SPIS)
        return false;
    while (ret_delete->n < n)
        ret_delete->spis[ret_delete->n++] = read_u32(&r);
    return reader_done(&r);
}

static bool read_selector(struct reader *r, uint8_t type, struct wire_ts *ret_ts)
{
    ret_ts->protocol = read_u8(r);
    uint16_t length = read_u16(r);
    size_t octets = type == TS_IPV4_ADDR_RANGE ? 4 : 16;
    if (reader_failed(r) || length < 4)
        return false;
    struct reader inner = reader_sub(r, length - 4u);
    if (type != TS_IPV4_ADDR_RANGE && type != TS_IPV6_ADDR_RANGE) {
        ret_ts->range.first.family = ADDRESS_NONE;
        return !reader_failed(r);
    }
    ret_ts->start_port = read_u16(&inner);
    ret_ts->end_port = read_u16(&inner);
    struct span first = read_bytes(&inner, octets), last = read_bytes(&inner, octets);
    if (!reader_done(&inner))
        return false;
    (void)address_from(first, &ret_ts->range.first);
    (void)address_from(last, &ret_ts->range.last);
    if (address_compare(&ret_ts->range.first, &ret_ts->range.last) > 0)
        return false;
    /* Section 3.13.1: OPAQUE is written 65535 - 0 and allowed. */
    return ret_ts->start_port <= ret_ts->end_port ||
           (ret_ts->start_port == 65535 && ret_ts->end_port == 0);
}

bool wire_ts_read(struct span body, struct wire_ts_list *ret_list)
{
    struct reader r = reader_of(body);
    uint8_t n = read_u8(&r);
    (void)read_bytes(&r, 3);
    ret_list->n = 0;
    if (reader_failed(&r) || n == 0)
        return false;
    for (uint8_t i = 0; i < n; i++) {
        struct wire_ts ts = {0};
        uint8_t type = read_u8(&r);
        if (!read_selector(&r, type, &ts))
            return false;
        if (ts.range.first.family != ADDRESS_NONE && ret_list->n < LIMIT_TRAFFIC_SELECTORS)
            ret_list->ts[ret_list->n++] = ts;
    }
    return reader_done(&r);
}

bool wire_cfg_read(struct span body, struct wire_cfg *ret_cfg)
{
    struct reader r = reader_of(body);
    ret_cfg->type = read_u8(&r);
    (void)read_bytes(&r, 3);
    ret_cfg->n = 0;
    while (r.left > 0) {
        uint16_t type = read_u16(&r) & 0x7fff;
        uint16_t length = read_u16(&r);
        struct span value = read_bytes(&r, length);
        if (reader_failed(&r))
            return false;
        if (ret_cfg->n < LIMIT_CP_ATTRIBUTES)
            ret_cfg->attributes[ret_cfg->n++] = (struct wire_cfg_value){type, value};
    }
    return reader_done(&r);
}

/*
 *  0                   1                   2                   3
 * |Q|  RESERVED   |  Code Values  |           RESERVED            |
 */
bool keep_old_read(struct span data, struct keep_old *ret_value)
{
    if (data.len < 2)
        return false;
    ret_value->question = (data.ptr[0] & 0x80) != 0;
    ret_value->code = data.ptr[1];
    return true;
}

void keep_old_write(const struct keep_old *value, uint8_t out[4])
{
    out[0] = value->question ? 0x80 : 0;
    out[1] = value->code;
    out[2] = out[3] = 0;
}

static const uint8_t vendor_id_hash[16] = {0x46, 0x6e, 0x4d, 0x6e, 0x5c, 0x3c, 0x40, 0x7d,
                                           0x23, 0x50, 0x37, 0x80, 0x4c, 0xd2, 0x5d, 0x9c};

void keep_old_vendor_id_write(uint16_t notify, uint8_t out[KEEP_OLD_VENDOR_ID_LEN])
{
    struct writer w = writer_of(out, KEEP_OLD_VENDOR_ID_LEN);
    write_bytes(&w, span_of(vendor_id_hash, sizeof(vendor_id_hash)));
    write_u16(&w, notify);
}

bool keep_old_vendor_id_read(struct span vendor_id, uint16_t *ret_notify)
{
    struct reader r = reader_of(vendor_id);
    struct span hash = read_bytes(&r, sizeof(vendor_id_hash));
    uint16_t notify = read_u16(&r);
    if (!reader_done(&r) || !span_equal(hash, span_of(vendor_id_hash, sizeof(vendor_id_hash))))
        return false;
    if (notify < WIRE_FIRST_STATUS_NOTIFY)
        return false; /* an error type cannot mean "keep" */
    *ret_notify = notify;
    return true;
}
