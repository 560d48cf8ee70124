/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_FUZZ_PAYLOADS_H
#define TEST_FUZZ_PAYLOADS_H

/* Reads a payload body; what is accepted is written again, and must read the same.
 */

#include <stdlib.h>

#include "base/assert.h"
#include "wire/builder.h"
#include "wire/encdns.h"

/* fuzz_again - the body of the only payload that the builder holds. */
static inline struct span fuzz_again(const struct wire_builder *b)
{
    ASSERT(!writer_failed(&b->w) && b->w.len >= 4);
    return span_of(b->w.buf + 4, b->w.len - 4);
}

static inline void fuzz_sa(struct span body, struct wire_builder *b)
{
    static struct wire_sa sa, back;
    if (!wire_sa_read(body, &sa))
        return;
    wire_add_sa(b, &sa);
    ASSERT(wire_sa_read(fuzz_again(b), &back) && back.n == sa.n);
    for (size_t i = 0; i < sa.n; i++) {
        ASSERT(back.proposals[i].n == sa.proposals[i].n &&
               span_equal(back.proposals[i].spi, sa.proposals[i].spi));
        for (size_t j = 0; j < sa.proposals[i].n; j++)
            ASSERT(back.proposals[i].transforms[j].id == sa.proposals[i].transforms[j].id &&
                   back.proposals[i].transforms[j].key_bits ==
                       sa.proposals[i].transforms[j].key_bits);
    }
}

static inline void fuzz_ts(struct span body, struct wire_builder *b)
{
    static struct wire_ts_list list, back;
    if (!wire_ts_read(body, &list) || list.n == 0)
        return;
    wire_add_ts(b, WIRE_PAYLOAD_TSi, &list);
    ASSERT(wire_ts_read(fuzz_again(b), &back) && back.n == list.n);
    for (size_t i = 0; i < list.n; i++)
        ASSERT(address_equal(&back.ts[i].range.first, &list.ts[i].range.first) &&
               address_compare(&list.ts[i].range.first, &list.ts[i].range.last) <= 0);
}

/* fuzz_cfg - every value is read as a resolver of both families, whatever its type. */
static inline void fuzz_cfg(const struct wire_cfg *cfg)
{
    struct encrypted_dns dns;
    uint16_t priority;
    ASSERT(cfg->n <= LIMIT_CP_ATTRIBUTES);
    for (size_t i = 0; i < 2 * cfg->n; i++)
        if (wire_encrypted_dns_read(cfg->attributes[i / 2].value,
                                    i % 2 == 0 ? ADDRESS_V4 : ADDRESS_V6, &priority, &dns))
            ASSERT(priority != 0 && dns.n > 0 && encrypted_dns_sound(&dns));
}

/* fuzz_proof - the payloads of certificates and of EAP. */
static inline void fuzz_proof(uint8_t type, struct span body, struct wire_builder *b)
{
    struct wire_cert cert;
    struct wire_eap eap;
    if (type == WIRE_PAYLOAD_CERT && wire_cert_read(body, &cert)) {
        wire_add_cert(b, cert.encoding, cert.data);
        ASSERT(span_equal(fuzz_again(b), body));
    }
    if (type == WIRE_PAYLOAD_CERTREQ && wire_certreq_read(body, &cert)) {
        wire_add_certreq(b, cert.encoding, cert.data);
        ASSERT(span_equal(fuzz_again(b), body));
    }
    if (type == WIRE_PAYLOAD_EAP && wire_eap_read(body, &eap))
        ASSERT(body.len >= 4 && eap.code >= EAP_REQUEST && eap.code <= EAP_FAILURE);
}

static inline void fuzz_payload(uint8_t type, struct span body)
{
    static uint8_t buffer[131072];
    struct wire_builder b = wire_builder_of(buffer, sizeof(buffer));
    struct wire_ke ke;
    struct wire_id id;
    struct wire_auth auth;
    struct wire_notify notify;
    struct wire_delete d;
    static struct wire_cfg cfg;
    struct keep_old keep_old;
    struct span nonce;
    uint16_t number;
    switch (type) {
    case WIRE_PAYLOAD_SA: fuzz_sa(body, &b); break;
    case WIRE_PAYLOAD_TSi:
    case WIRE_PAYLOAD_TSr: fuzz_ts(body, &b); break;
    case WIRE_PAYLOAD_KE:
        if (wire_ke_read(body, &ke)) {
            wire_add_ke(&b, ke.group, ke.public_value);
            ASSERT(fuzz_again(&b).len == body.len);
        }
        break;
    case WIRE_PAYLOAD_IDi:
    case WIRE_PAYLOAD_IDr:
        if (wire_id_read(body, &id))
            ASSERT(id.data.len > 0 && id.data.len <= LIMIT_ID);
        break;
    case WIRE_PAYLOAD_AUTH:
        if (wire_auth_read(body, &auth))
            ASSERT(auth.data.len == body.len - 4);
        break;
    case WIRE_PAYLOAD_CERT:
    case WIRE_PAYLOAD_CERTREQ:
    case WIRE_PAYLOAD_EAP: fuzz_proof(type, body, &b); break;
    case WIRE_PAYLOAD_NONCE:
        if (wire_nonce_read(body, &nonce))
            ASSERT(nonce.len >= 16 && nonce.len <= 256);
        break;
    case WIRE_PAYLOAD_N:
        if (wire_notify_read(body, &notify)) {
            ASSERT(notify.spi.len + notify.data.len + 4 == body.len);
            (void)keep_old_read(notify.data, &keep_old);
        }
        break;
    case WIRE_PAYLOAD_D:
        if (wire_delete_read(body, &d))
            ASSERT(d.n <= LIMIT_DELETE_SPIS && body.len == 4 + 4 * d.n);
        break;
    case WIRE_PAYLOAD_V: (void)keep_old_vendor_id_read(body, &number); break;
    case WIRE_PAYLOAD_CP:
        if (wire_cfg_read(body, &cfg))
            ASSERT(cfg.n <= LIMIT_CP_ATTRIBUTES);
        break;
    default: break;
    }
}

#endif
