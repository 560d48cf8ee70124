/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/terms/gateway.h"

#include <ctype.h>
#include <string.h>

#include "base/assert.h"
#include "base/reader.h"

/* RFC 5685 section 9.2: GW Identity Type */
enum { GATEWAY_V4 = 1, GATEWAY_V6 = 2, GATEWAY_FQDN = 3 };

struct span redirect_write(const struct ike_gateway *gateway, struct span nonce,
                           uint8_t octets[REDIRECT_DATA_MAX])
{
    struct writer w = writer_of(octets, REDIRECT_DATA_MAX);
    if (gateway->name[0] != '\0') {
        write_u8(&w, GATEWAY_FQDN);
        write_u8(&w, (uint8_t)strlen(gateway->name));
        write_bytes(&w, span_text(gateway->name));
    } else {
        write_u8(&w, gateway->address.family == ADDRESS_V6 ? GATEWAY_V6 : GATEWAY_V4);
        write_u8(&w, (uint8_t)address_len(&gateway->address));
        write_bytes(&w, span_of(gateway->address.octets, address_len(&gateway->address)));
    }
    write_bytes(&w, nonce);
    ASSERT(!writer_failed(&w));
    return writer_span(&w);
}

static bool name_fits(struct span name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum(name.ptr[i]) && memchr("-._", name.ptr[i], 3) == NULL)
            return false;
    return name.len > 0 && name.len < sizeof(((struct ike_gateway *)0)->name);
}

bool redirect_read(struct span data, struct ike_gateway *ret_gateway, struct span *ret_nonce)
{
    struct ike_gateway gateway = {.name = ""};
    struct reader r = reader_of(data);
    uint8_t type = read_u8(&r), len = read_u8(&r);
    struct span identity = read_bytes(&r, len);
    struct span nonce = read_rest(&r);
    if (!reader_done(&r))
        return false;
    if (type == GATEWAY_FQDN && name_fits(identity)) {
        memcpy(gateway.name, identity.ptr, identity.len);
    } else if ((type == GATEWAY_V4 && len == 4) || (type == GATEWAY_V6 && len == 16)) {
        gateway.address.family = type == GATEWAY_V4 ? ADDRESS_V4 : ADDRESS_V6;
        memcpy(gateway.address.octets, identity.ptr, len);
    } else {
        return false;
    }
    *ret_gateway = gateway;
    *ret_nonce = nonce;
    return true;
}

bool gateway_parse(const char *text, struct ike_gateway *ret_gateway)
{
    struct ike_gateway gateway = {.name = ""};
    if (!address_parse(text, &gateway.address)) {
        if (!name_fits(span_text(text)))
            return false;
        memcpy(gateway.name, text, strlen(text));
    }
    *ret_gateway = gateway;
    return true;
}

const char *gateway_print(const struct ike_gateway *gateway, char out[ADDRESS_TEXT_MAX])
{
    return gateway->name[0] != '\0' ? gateway->name : address_print(&gateway->address, out);
}
