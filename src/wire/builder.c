/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/builder.h"

void wire_builder_reset(struct wire_builder *b)
{
    *b = wire_builder_of(b->w.buf, b->w.cap);
}

struct writer *wire_begin(struct wire_builder *b, uint8_t type)
{
    if (b->first == 0)
        b->first = type;
    else
        writer_patch_u8(&b->w, b->next_at, type);
    b->next_at = b->w.len;
    b->length_at = b->w.len + 2;
    write_u32(&b->w, 0);
    return &b->w;
}

void wire_end(struct wire_builder *b)
{
    size_t length = b->w.len - b->next_at;
    if (length > UINT16_MAX)
        b->w.failed = true;
    writer_patch_u16(&b->w, b->length_at, (uint16_t)length);
}

void wire_add(struct wire_builder *b, uint8_t type, struct span body)
{
    write_bytes(wire_begin(b, type), body);
    wire_end(b);
}

static void write_transform(struct writer *w, const struct wire_transform *t, bool last)
{
    write_u8(w, last ? 0 : 3);
    write_u8(w, 0);
    write_u16(w, t->key_bits == 0 ? 8 : 12);
    write_u8(w, t->type);
    write_u8(w, 0);
    write_u16(w, t->id);
    if (t->key_bits != 0) {
        write_u16(w, 0x8000 | 14); /* Key Length, TV form */
        write_u16(w, t->key_bits);
    }
}

void wire_add_sa(struct wire_builder *b, const struct wire_sa *sa)
{
    struct writer *w = wire_begin(b, WIRE_PAYLOAD_SA);
    for (size_t i = 0; i < sa->n; i++) {
        const struct wire_proposal *p = &sa->proposals[i];
        size_t start = w->len;
        write_u8(w, i + 1 == sa->n ? 0 : 2);
        write_u8(w, 0);
        write_u16(w, 0);
        write_u8(w, p->number);
        write_u8(w, p->protocol);
        write_u8(w, (uint8_t)p->spi.len);
        write_u8(w, (uint8_t)p->n);
        write_bytes(w, p->spi);
        for (size_t j = 0; j < p->n; j++)
            write_transform(w, &p->transforms[j], j + 1 == p->n);
        writer_patch_u16(w, start + 2, (uint16_t)(w->len - start));
    }
    wire_end(b);
}

void wire_add_ke(struct wire_builder *b, uint16_t group, struct span public_value)
{
    struct writer *w = wire_begin(b, WIRE_PAYLOAD_KE);
    write_u16(w, group);
    write_u16(w, 0);
    write_bytes(w, public_value);
    wire_end(b);
}

static void add_tagged(struct wire_builder *b, uint8_t type, uint8_t tag, struct span data)
{
    struct writer *w = wire_begin(b, type);
    write_u8(w, tag);
    write_zeros(w, 3);
    write_bytes(w, data);
    wire_end(b);
}

void wire_add_id(struct wire_builder *b, uint8_t payload_type, uint8_t id_type, struct span data)
{
    add_tagged(b, payload_type, id_type, data);
}

void wire_add_auth(struct wire_builder *b, uint8_t method, struct span data)
{
    add_tagged(b, WIRE_PAYLOAD_AUTH, method, data);
}

static void add_encoded(struct wire_builder *b, uint8_t type, uint8_t encoding, struct span data)
{
    struct writer *w = wire_begin(b, type);
    write_u8(w, encoding);
    write_bytes(w, data);
    wire_end(b);
}

void wire_add_cert(struct wire_builder *b, uint8_t encoding, struct span data)
{
    add_encoded(b, WIRE_PAYLOAD_CERT, encoding, data);
}

void wire_add_certreq(struct wire_builder *b, uint8_t encoding, struct span key_ids)
{
    add_encoded(b, WIRE_PAYLOAD_CERTREQ, encoding, key_ids);
}

void wire_add_notify(struct wire_builder *b, uint16_t type, struct span data)
{
    struct writer *w = wire_begin(b, WIRE_PAYLOAD_N);
    write_u16(w, 0); /* protocol and SPI size 0: the IKE SA itself */
    write_u16(w, type);
    write_bytes(w, data);
    wire_end(b);
}

void wire_add_notify_spi(struct wire_builder *b, uint8_t protocol, uint32_t spi, uint16_t type,
                         struct span data)
{
    struct writer *w = wire_begin(b, WIRE_PAYLOAD_N);
    write_u8(w, protocol);
    write_u8(w, 4);
    write_u16(w, type);
    write_u32(w, spi);
    write_bytes(w, data);
    wire_end(b);
}

void wire_add_delete_ike(struct wire_builder *b)
{
    struct writer *w = wire_begin(b, WIRE_PAYLOAD_D);
    write_u8(w, WIRE_PROTO_IKE);
    write_u8(w, 0);
    write_u16(w, 0);
    wire_end(b);
}

void wire_add_delete_esp(struct wire_builder *b, const uint32_t *spis, size_t n)
{
    struct writer *w = wire_begin(b, WIRE_PAYLOAD_D);
    write_u8(w, WIRE_PROTO_ESP);
    write_u8(w, 4);
    write_u16(w, (uint16_t)n);
    for (size_t i = 0; i < n; i++)
        write_u32(w, spis[i]);
    wire_end(b);
}

void wire_add_ts(struct wire_builder *b, uint8_t payload_type, const struct wire_ts_list *list)
{
    struct writer *w = wire_begin(b, payload_type);
    write_u8(w, (uint8_t)list->n);
    write_zeros(w, 3);
    for (size_t i = 0; i < list->n; i++) {
        const struct wire_ts *ts = &list->ts[i];
        bool v4 = ts->range.first.family == ADDRESS_V4;
        write_u8(w, v4 ? TS_IPV4_ADDR_RANGE : TS_IPV6_ADDR_RANGE);
        write_u8(w, ts->protocol);
        write_u16(w, v4 ? 16 : 40);
        write_u16(w, ts->start_port);
        write_u16(w, ts->end_port);
        write_bytes(w, address_span(&ts->range.first));
        write_bytes(w, address_span(&ts->range.last));
    }
    wire_end(b);
}

void wire_add_keep_old(struct wire_builder *b, uint16_t notify, struct keep_old value)
{
    uint8_t data[4];
    keep_old_write(&value, data);
    wire_add_notify(b, notify, span_of(data, sizeof(data)));
}
