/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange/message.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/reader.h"
#include "crypto/algorithm.h"
#include "crypto/sk.h"
#include "wire/payloads.h"

static bool ask_endpoint(const struct ike *ike, uint64_t spi_i, struct ike_keylog *ret)
{
    struct ike_sa_info info;
    for (ike_sa_id id = 0; ike != NULL && ike_sa_next(ike, id, &info); id = info.id)
        if (info.spi_i == spi_i && info.spi_r != 0)
            return ike_keylog_get(ike, info.id, ret);
    return false;
}

static unsigned number_of(struct message_keys *keys, uint64_t spi_i)
{
    for (unsigned i = 0; i < keys->n; i++)
        if (keys->sas[i].spi_i == spi_i)
            return i + 1;
    ASSERT(keys->n < MESSAGE_SAS);
    keys->sas[keys->n].spi_i = spi_i;
    return ++keys->n;
}

static struct sk_keys sk_keys_from(const struct ike_keylog *log, bool initiator)
{
    return (struct sk_keys){
        .encr = crypto_encr_find(log->encr, log->encr_key_bits),
        .integ = crypto_integ_find(log->integ),
        .encr_key = initiator ? log->sk_ei.octets : log->sk_er.octets,
        .integ_key = initiator ? log->sk_ai.octets : log->sk_ar.octets,
    };
}

static bool take_chain(struct message *m, struct span octets, uint8_t first)
{
    struct wire_message parsed;
    uint8_t critical, inner;
    if (wire_chain_read(octets, first, &parsed, &critical, &inner) != WIRE_OK)
        return false;
    for (size_t i = 0; i < parsed.n; i++)
        message_append(m, parsed.payloads[i].type, parsed.payloads[i].body);
    return true;
}

bool message_read(struct message_keys *keys, const struct ike *one, const struct ike *other,
                  struct crypto_provider *crypto, const struct ike_datagram *d, struct message *m)
{
    struct wire_message outer;
    uint8_t critical, inner_first, octets[LIMIT_IKE_MESSAGE];
    struct span plain, datagram = span_of(d->octets, d->len);

    *m = (struct message){0};
    if (!ike_header_read(datagram, &m->header))
        return false;
    m->sa = number_of(keys, m->header.spi_i);
    struct span chain = span_of(d->octets + IKE_HEADER_LEN, d->len - IKE_HEADER_LEN);
    if (wire_chain_read(chain, m->header.next_payload, &outer, &critical, &inner_first) != WIRE_OK)
        return false;
    const struct wire_payload *last = outer.n == 0 ? NULL : &outer.payloads[outer.n - 1];
    if (last == NULL || (last->type != WIRE_PAYLOAD_SK && last->type != WIRE_PAYLOAD_SKF))
        return take_chain(m, chain, m->header.next_payload);
    struct ike_keylog *log = &keys->sas[m->sa - 1];
    bool *known = &keys->known[m->sa - 1];
    if (!*known)
        *known =
            ask_endpoint(one, m->header.spi_i, log) || ask_endpoint(other, m->header.spi_i, log);
    if (!*known)
        return false;
    size_t associated = (size_t)(last->body.ptr - d->octets);
    if (last->type == WIRE_PAYLOAD_SKF) {
        struct reader r = reader_of(last->body);
        m->fragment = read_u16(&r);
        m->fragment_total = read_u16(&r);
        return true;
    }
    memcpy(octets, d->octets, d->len);
    struct sk_keys sk = sk_keys_from(log, (m->header.flags & IKE_FLAG_INITIATOR) != 0);
    return sk_open(crypto, &sk, (struct buffer){octets, d->len}, associated, &plain) == 0 &&
           take_chain(m, plain, inner_first);
}

static void finish_header(const struct ike_header *header, uint8_t first, struct ike_datagram *d)
{
    struct ike_header whole = *header;
    whole.next_payload = first;
    whole.length = (uint32_t)d->len;
    ike_header_write(&whole, d->octets);
}

void message_seal(const struct ike_keylog *log, struct crypto_provider *crypto,
                  const struct ike_header *header, uint8_t first, struct span chain,
                  struct ike_datagram *d)
{
    static uint64_t iv = 1ull << 40; /* never one that the endpoint used */
    struct sk_keys sk = sk_keys_from(log, (header->flags & IKE_FLAG_INITIATOR) != 0);
    size_t associated = IKE_HEADER_LEN + 4;
    if (chain.len > 0) /* memmove() takes no NULL, not even for no octets */
        memmove(d->octets + associated + sk.encr->iv_len, chain.ptr, chain.len);
    d->len = associated + sk_size(&sk, chain.len);
    ASSERT(d->len <= sizeof(d->octets));
    finish_header(header, WIRE_PAYLOAD_SK, d);
    struct writer w = writer_of(d->octets + IKE_HEADER_LEN, 4);
    write_u8(&w, first);
    write_u8(&w, 0);
    write_u16(&w, (uint16_t)(d->len - IKE_HEADER_LEN));
    int err =
        sk_seal(crypto, &sk, (struct buffer){d->octets, d->len}, associated, chain.len, iv++, NULL);
    ASSERT(err == 0);
}

void message_write(const struct message_keys *keys, struct crypto_provider *crypto,
                   const struct message *m, struct ike_datagram *d)
{
    uint8_t chain[MESSAGE_ROOM + 4 * 64];
    struct wire_builder b = wire_builder_of(chain, sizeof(chain));
    for (size_t i = 0; i < m->n; i++)
        wire_add(&b, m->items[i].type, message_body(m, i));
    ASSERT(!writer_failed(&b.w));
    if (m->header.exchange != WIRE_IKE_SA_INIT && keys->known[m->sa - 1]) {
        message_seal(&keys->sas[m->sa - 1], crypto, &m->header, b.first, writer_span(&b.w), d);
        return;
    }
    d->len = IKE_HEADER_LEN + b.w.len;
    memcpy(d->octets + IKE_HEADER_LEN, chain, b.w.len);
    finish_header(&m->header, b.first, d);
}

/* --- as a line --- */

static void add(char *out, size_t cap, const char *text)
{
    size_t len = strlen(out);
    (void)snprintf(out + len, cap - len, "%s", text);
}

static void print_notify(struct span body, char *out, size_t cap)
{
    struct wire_notify notify;
    struct keep_old value;
    char text[96];
    if (!wire_notify_read(body, &notify))
        (void)snprintf(text, sizeof(text), " N(?)");
    else if (notify.type == KEEP_OLD_DEFAULT_NOTIFY && keep_old_read(notify.data, &value))
        (void)snprintf(text, sizeof(text), " N(KEEP_OLD_IKE_SA Q=%d code=%u)", value.question,
                       value.code);
    else
        (void)snprintf(text, sizeof(text), " N(%s)", wire_notify_name(notify.type));
    add(out, cap, text);
}

static const char *protocol_name(uint8_t protocol)
{
    return protocol == WIRE_PROTO_IKE ? "IKE" : protocol == WIRE_PROTO_ESP ? "ESP" : "?";
}

static void print_payload(const struct message *m, size_t index, char *out, size_t cap)
{
    struct span body = message_body(m, index);
    char text[64];
    switch (m->items[index].type) {
    case WIRE_PAYLOAD_N: print_notify(body, out, cap); return;
    case WIRE_PAYLOAD_SA:
        (void)snprintf(text, sizeof(text), " SA(%s)",
                       protocol_name(body.len > 5 ? body.ptr[5] : 0));
        break;
    case WIRE_PAYLOAD_D:
        (void)snprintf(text, sizeof(text), " D(%s)", protocol_name(body.len > 0 ? body.ptr[0] : 0));
        break;
    case WIRE_PAYLOAD_CP:
        (void)snprintf(text, sizeof(text), " CP(%s)",
                       body.len > 0 && body.ptr[0] == CFG_REQUEST ? "REQUEST" : "REPLY");
        break;
    default:
        (void)snprintf(text, sizeof(text), " %s", wire_payload_name(m->items[index].type));
        break;
    }
    add(out, cap, text);
}

void message_print(const struct message *m, char *out, size_t cap)
{
    (void)snprintf(out, cap, "%s %s:", wire_exchange_name(m->header.exchange),
                   ike_header_response(&m->header) ? "response" : "request");
    if (m->fragment > 0) {
        char text[32];
        (void)snprintf(text, sizeof(text), " SKF(%u/%u)", m->fragment, m->fragment_total);
        add(out, cap, text);
        return;
    }
    for (size_t i = 0; i < m->n; i++)
        print_payload(m, i, out, cap);
    if (m->n == 0)
        add(out, cap, " -");
}

/* --- changing it --- */

struct span message_body(const struct message *m, size_t index)
{
    ASSERT(index < m->n);
    return span_of(m->room + m->items[index].offset, m->items[index].len);
}

uint8_t *message_octets(struct message *m, size_t index)
{
    ASSERT(index < m->n);
    return m->room + m->items[index].offset;
}

size_t message_find(const struct message *m, uint8_t type)
{
    size_t i = 0;
    while (i < m->n && m->items[i].type != type)
        i++;
    return i;
}

size_t message_find_notify(const struct message *m, uint16_t type)
{
    struct wire_notify notify;
    for (size_t i = 0; i < m->n; i++)
        if (m->items[i].type == WIRE_PAYLOAD_N && wire_notify_read(message_body(m, i), &notify) &&
            notify.type == type)
            return i;
    return m->n;
}

void message_remove(struct message *m, size_t index)
{
    ASSERT(index < m->n);
    m->n--;
    memmove(m->items + index, m->items + index + 1, (m->n - index) * sizeof(m->items[0]));
}

void message_clear(struct message *m)
{
    m->n = m->used = 0;
    m->fragment = 0;
}

void message_insert(struct message *m, size_t index, uint8_t type, struct span body)
{
    ASSERT(m->n < sizeof(m->items) / sizeof(m->items[0]) && index <= m->n &&
           m->used + body.len <= sizeof(m->room));
    memmove(m->items + index + 1, m->items + index, (m->n - index) * sizeof(m->items[0]));
    m->items[index] = (struct message_item){type, m->used, body.len};
    if (body.len > 0)
        memcpy(m->room + m->used, body.ptr, body.len);
    m->used += body.len;
    m->n++;
}

void message_insert_notify(struct message *m, size_t index, uint16_t notify, struct span data)
{
    uint8_t body[2048];
    struct writer w = writer_of(body, sizeof(body));
    write_zeros(&w, 2); /* Protocol ID, SPI Size */
    write_u16(&w, notify);
    write_bytes(&w, data);
    ASSERT(!writer_failed(&w));
    message_insert(m, index, WIRE_PAYLOAD_N, writer_span(&w));
}

void message_append(struct message *m, uint8_t type, struct span body)
{
    message_insert(m, m->n, type, body);
}

void message_append_notify(struct message *m, uint16_t notify, struct span data)
{
    message_insert_notify(m, m->n, notify, data);
}
