/* SPDX-License-Identifier: Apache-2.0 */
#include "eap/packet.h"

bool eap_packet_read(struct span octets, struct eap_packet *ret)
{
    struct reader r = reader_of(octets);
    uint8_t code = read_u8(&r);
    uint8_t identifier = read_u8(&r);
    uint16_t len = read_u16(&r);
    bool typed = code == EAP_REQUEST || code == EAP_RESPONSE;
    uint8_t type = typed ? read_u8(&r) : 0;
    struct span data = read_rest(&r);
    if (reader_failed(&r) || len != octets.len || code < EAP_REQUEST || code > EAP_FAILURE)
        return false;
    if (typed ? type == 0 : data.len > 0)
        return false;
    *ret = (struct eap_packet){.code = (enum eap_code)code,
                               .identifier = identifier,
                               .type = type,
                               .octets = octets,
                               .data = data};
    return true;
}

void eap_packet_begin(struct writer *w, enum eap_code code, uint8_t identifier, uint8_t type)
{
    write_u8(w, (uint8_t)code);
    write_u8(w, identifier);
    write_u16(w, 0);
    write_u8(w, type);
}

void eap_packet_end(struct writer *w)
{
    if (!writer_failed(w))
        writer_patch_u16(w, 2, (uint16_t)w->len);
}

void eap_packet_short(struct writer *w, enum eap_code code, uint8_t identifier)
{
    write_u8(w, (uint8_t)code);
    write_u8(w, identifier);
    write_u16(w, EAP_HEADER);
}
