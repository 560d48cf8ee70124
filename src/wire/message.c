/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/message.h"

#include "base/reader.h"
#include "base/writer.h"

bool ike_header_read(struct span datagram, struct ike_header *ret_header)
{
    struct reader r = reader_of(datagram);
    struct ike_header header = {
        .spi_i = read_u64(&r),
        .spi_r = read_u64(&r),
        .next_payload = read_u8(&r),
        .version = read_u8(&r),
        .exchange = read_u8(&r),
        .flags = read_u8(&r),
        .message_id = read_u32(&r),
        .length = read_u32(&r),
    };
    if (reader_failed(&r) || header.length != datagram.len)
        return false;
    *ret_header = header;
    return true;
}

void ike_header_write(const struct ike_header *header, uint8_t out[IKE_HEADER_LEN])
{
    struct writer w = writer_of(out, IKE_HEADER_LEN);
    write_u64(&w, header->spi_i);
    write_u64(&w, header->spi_r);
    write_u8(&w, header->next_payload);
    write_u8(&w, header->version);
    write_u8(&w, header->exchange);
    write_u8(&w, header->flags);
    write_u32(&w, header->message_id);
    write_u32(&w, header->length);
}

bool wire_type_known(uint8_t type)
{
    return (type >= WIRE_PAYLOAD_SA && type <= WIRE_PAYLOAD_EAP) || type == WIRE_PAYLOAD_SKF;
}

/* notify_whole - the notify contains its whole SPI (RFC 7296 section 3.10). */
static bool notify_whole(struct span body)
{
    return body.len >= 4 && body.len - 4 >= body.ptr[1];
}

enum wire_fault wire_chain_read(struct span octets, uint8_t first, struct wire_message *message,
                                uint8_t *ret_critical, uint8_t *ret_inner_first)
{
    struct reader r = reader_of(octets);
    uint8_t type = first;
    enum wire_fault fault = WIRE_OK;

    message->n = 0;
    message->chain = octets;
    message->first = first;
    *ret_critical = *ret_inner_first = 0;
    while (type != WIRE_PAYLOAD_NONE) {
        uint8_t next = read_u8(&r);
        bool critical = (read_u8(&r) & 0x80) != 0;
        uint16_t length = read_u16(&r);
        if (reader_failed(&r) || length < 4)
            return WIRE_MALFORMED;
        struct span body = read_bytes(&r, length - 4u);
        if (reader_failed(&r) || message->n == LIMIT_PAYLOADS ||
            (type == WIRE_PAYLOAD_N && !notify_whole(body)))
            return WIRE_MALFORMED;
        if (!wire_type_known(type)) {
            if (critical && fault == WIRE_OK) {
                *ret_critical = type;
                fault = WIRE_UNKNOWN_CRITICAL;
            }
        } else {
            message->payloads[message->n++] = (struct wire_payload){type, body};
        }
        if (type == WIRE_PAYLOAD_SK || type == WIRE_PAYLOAD_SKF) {
            *ret_inner_first = next;
            break; /* RFC 7296 section 3.14: it is the last payload of the message */
        }
        type = next;
    }
    return reader_done(&r) ? fault : WIRE_MALFORMED;
}

const struct wire_payload *wire_find(const struct wire_message *message, uint8_t type,
                                     const struct wire_payload *from)
{
    const struct wire_payload *end = message->payloads + message->n;
    for (const struct wire_payload *p = from == NULL ? message->payloads : from + 1; p < end; p++)
        if (p->type == type)
            return p;
    return NULL;
}

size_t wire_count(const struct wire_message *message, uint8_t type)
{
    size_t n = 0;
    for (size_t i = 0; i < message->n; i++)
        n += message->payloads[i].type == type;
    return n;
}
