/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/login/kept_message.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/secret.h"
#include "wire/builder.h"

#define GENERIC_HEADER 4

bool kept_message_set(struct kept_message *kept, const struct wire_message *message)
{
    size_t len = 0;
    for (size_t i = 0; i < message->n; i++)
        len += GENERIC_HEADER + message->payloads[i].body.len;
    uint8_t *octets = malloc(len + 1); /* malloc(0) may be NULL, and a message may be empty */
    if (octets == NULL)
        return false;
    struct wire_builder b = wire_builder_of(octets, len);
    for (size_t i = 0; i < message->n; i++)
        wire_add(&b, message->payloads[i].type, message->payloads[i].body);
    ASSERT(!writer_failed(&b.w) && b.w.len == len);
    kept_message_done(kept);
    *kept = (struct kept_message){message->header, b.first, len, octets};
    return true;
}

void kept_message_get(const struct kept_message *kept, struct wire_message *ret_message)
{
    uint8_t critical, inner;
    enum wire_fault fault = wire_chain_read(span_of(kept->octets, kept->len), kept->first,
                                            ret_message, &critical, &inner);
    ASSERT(fault == WIRE_OK); /* it was well-formed on its arrival */
    ret_message->header = kept->header;
    ret_message->octets = (struct span){0};
}

void kept_message_done(struct kept_message *kept)
{
    if (kept->octets != NULL)
        wipe(kept->octets, kept->len);
    free(kept->octets);
    *kept = (struct kept_message){0};
}
