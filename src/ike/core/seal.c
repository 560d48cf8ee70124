/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/seal.h"

#include "base/assert.h"
#include "ike/core/keymat.h"
#include "ike/core/trace.h"
#include "ike/core/upper.h"

#define PAYLOAD_HEADER_LEN  4
#define FRAGMENT_HEADER_LEN 4

static void write_header(const struct sa *sa, uint8_t *out, uint8_t first, uint8_t exchange,
                         enum seal_direction direction, uint32_t message_id, size_t length)
{
    struct ike_header header = {
        .spi_i = sa->spi_i,
        .spi_r = sa->spi_r,
        .next_payload = first,
        .version = IKE_VERSION,
        .exchange = exchange,
        .flags = (uint8_t)((sa_original_initiator(sa) ? IKE_FLAG_INITIATOR : 0) |
                           (direction == SEAL_RESPONSE ? IKE_FLAG_RESPONSE : 0)),
        .message_id = message_id,
        .length = (uint32_t)length,
    };
    ike_header_write(&header, out);
}

/* fragment_plain - octets of payloads in one datagram. `fragment_size` is the size of the IP
 * datagram. */
static size_t fragment_plain(const struct sa *sa, const struct sk_keys *keys)
{
    size_t ip = sa->path.remote.address.family == ADDRESS_V6 ? 40 : 20;
    size_t fixed =
        ip + 8 + 4 /* non-ESP marker */ + IKE_HEADER_LEN + PAYLOAD_HEADER_LEN + FRAGMENT_HEADER_LEN;
    size_t size = sa->ike->options.fragment_size;
    return size <= fixed ? 0 : sk_plain_max(keys, size - fixed);
}

struct part {
    uint16_t number, total; /* total 0: SK */
    struct span plain;
    uint8_t first;
};

static int seal_part(struct sa *sa, const struct sk_keys *keys, const struct part *part,
                     uint8_t *out, size_t len, uint8_t exchange, enum seal_direction direction,
                     uint32_t message_id)
{
    bool fragment = part->total > 0;
    size_t associated = IKE_HEADER_LEN + PAYLOAD_HEADER_LEN + (fragment ? FRAGMENT_HEADER_LEN : 0);
    write_header(sa, out, fragment ? WIRE_PAYLOAD_SKF : WIRE_PAYLOAD_SK, exchange, direction,
                 message_id, len);
    struct writer w = writer_of(out + IKE_HEADER_LEN, associated - IKE_HEADER_LEN);
    write_u8(&w, part->first);
    write_u8(&w, 0);
    write_u16(&w, (uint16_t)(len - IKE_HEADER_LEN));
    if (fragment) {
        write_u16(&w, part->number);
        write_u16(&w, part->total);
    }
    ASSERT(!writer_failed(&w));
    memcpy(out + associated + keys->encr->iv_len, part->plain.ptr, part->plain.len);
    return sk_seal(sa->ike->crypto, keys, (struct buffer){out, len}, associated, part->plain.len,
                   sa->iv_counter++, sa->ike->random);
}

static struct packet *seal_clear(struct sa *sa, const struct wire_builder *chain, uint8_t exchange,
                                 enum seal_direction direction, uint32_t message_id)
{
    size_t len = IKE_HEADER_LEN + chain->w.len;
    struct packet *packet = packet_new(1, len);
    if (packet == NULL)
        return NULL;
    packet->parts[0] = (struct packet_part){0, (uint32_t)len};
    write_header(sa, packet->octets, chain->first, exchange, direction, message_id, len);
    memcpy(packet->octets + IKE_HEADER_LEN, chain->w.buf, chain->w.len);
    return packet;
}

static struct packet *seal_protected(struct sa *sa, const struct wire_builder *chain,
                                     uint8_t exchange, enum seal_direction direction,
                                     uint32_t message_id)
{
    struct sk_keys keys = sk_keys_of(sa, sa_original_initiator(sa));
    size_t per = fragment_plain(sa, &keys), n = 1, extra = 0;
    size_t whole = IKE_HEADER_LEN + PAYLOAD_HEADER_LEN + sk_size(&keys, chain->w.len);
    /* fragmentation = accept: we read fragments and send none */
    bool may = sa->session == NULL ? login_sends_fragments(sa)
                                   : sa->session->fragmentation &&
                                         sa->session->conn->fragmentation == IKE_FRAGMENTATION_YES;
    if (may && per > 0 && whole + 60 > sa->ike->options.fragment_size) {
        n = (chain->w.len + per - 1) / per;
        extra = FRAGMENT_HEADER_LEN;
    }
    if (n > LIMIT_FRAGMENTS)
        return NULL;
    if (extra == 0)
        per = chain->w.len;
    size_t fixed = IKE_HEADER_LEN + PAYLOAD_HEADER_LEN + extra;
    struct packet *packet = packet_new(n, n * (fixed + sk_size(&keys, per)));
    if (packet == NULL)
        return NULL;
    uint32_t offset = 0;
    for (size_t i = 0; i < n; i++) {
        size_t from = i * per, plain = chain->w.len - from < per ? chain->w.len - from : per;
        size_t len = fixed + sk_size(&keys, plain);
        struct part part = {
            .number = (uint16_t)(i + 1),
            .total = extra == 0 ? 0 : (uint16_t)n,
            .plain = span_of(chain->w.buf + from, plain),
            /* RFC 7383 section 2.5: only the first fragment names the first payload */
            .first = i == 0 ? chain->first : 0,
        };
        packet->parts[i] = (struct packet_part){offset, (uint32_t)len};
        if (seal_part(sa, &keys, &part, packet->octets + offset, len, exchange, direction,
                      message_id) != 0)
            return packet_free(packet);
        offset += (uint32_t)len;
    }
    return packet;
}

struct packet *seal_message(struct sa *sa, const struct wire_builder *chain, uint8_t exchange,
                            enum seal_direction direction, uint32_t message_id)
{
    struct packet *packet = NULL;
    if (!writer_failed(&chain->w))
        packet = exchange == WIRE_IKE_SA_INIT || exchange == WIRE_IKE_SESSION_RESUME
                     ? seal_clear(sa, chain, exchange, direction, message_id)
                     : seal_protected(sa, chain, exchange, direction, message_id);
    if (packet != NULL) {
        count_message(sa->ike, sa, COUNT_OUT, exchange, direction == SEAL_RESPONSE);
        trace_sealed(sa, chain, packet);
    }
    return packet;
}

int open_message(struct sa *sa, const struct wire_message *outer, struct span *ret_plain)
{
    struct sk_keys keys = sk_keys_of(sa, !sa_original_initiator(sa));
    const struct wire_payload *last = &outer->payloads[outer->n - 1];
    size_t skip = last->type == WIRE_PAYLOAD_SKF ? FRAGMENT_HEADER_LEN : 0;
    if (last->body.len < skip)
        return ERR_AUTH;
    size_t associated = (size_t)(last->body.ptr - outer->octets.ptr) + skip;
    ASSERT(outer->octets.len <= LIMIT_DATAGRAM);
    memcpy(sa->ike->scratch, outer->octets.ptr, outer->octets.len);
    return sk_open(sa->ike->crypto, &keys, (struct buffer){sa->ike->scratch, outer->octets.len},
                   associated, ret_plain);
}
