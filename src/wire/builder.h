/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_BUILDER_H
#define WIRE_BUILDER_H

/*
 * struct wire_builder - writes a payload chain in one pass: each payload's type goes into the Next
 * Payload field of the one before, the first into `first`. Overflow is sticky, as in struct writer.
 */

#include "base/writer.h"
#include "wire/payloads.h"

struct wire_builder {
    struct writer w;
    uint8_t first;    /* type of the first payload; 0: none yet */
    size_t next_at;   /* where the Next Payload octet of the last payload is */
    size_t length_at; /* of the payload that is open */
};

static inline struct wire_builder wire_builder_of(void *buffer, size_t cap)
{
    return (struct wire_builder){.w = writer_of(buffer, cap)};
}
/* wire_builder_reset - discards everything that was written. */
void wire_builder_reset(struct wire_builder *b);

struct writer *wire_begin(struct wire_builder *b, uint8_t type);
void wire_end(struct wire_builder *b);
void wire_add(struct wire_builder *b, uint8_t type, struct span body);

/* wire_add_sa - proposals[i].spi is written as it is. */
void wire_add_sa(struct wire_builder *b, const struct wire_sa *sa);
void wire_add_ke(struct wire_builder *b, uint16_t group, struct span public_value);
void wire_add_id(struct wire_builder *b, uint8_t payload_type, uint8_t id_type, struct span data);
void wire_add_auth(struct wire_builder *b, uint8_t method, struct span data);
void wire_add_cert(struct wire_builder *b, uint8_t encoding, struct span data);
void wire_add_certreq(struct wire_builder *b, uint8_t encoding, struct span key_ids);
void wire_add_notify(struct wire_builder *b, uint16_t type, struct span data);
void wire_add_notify_spi(struct wire_builder *b, uint8_t protocol, uint32_t spi, uint16_t type,
                         struct span data);
void wire_add_delete_ike(struct wire_builder *b);
void wire_add_delete_esp(struct wire_builder *b, const uint32_t *spis, size_t n);
void wire_add_ts(struct wire_builder *b, uint8_t payload_type, const struct wire_ts_list *list);
void wire_add_keep_old(struct wire_builder *b, uint16_t notify, struct keep_old value);

#endif
