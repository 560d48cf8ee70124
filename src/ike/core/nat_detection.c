/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/nat_detection.h"

#include "crypto/prf.h"
#include "ike/core/ike_state.h"

#define NAT_HASH_LEN 20

static bool hash(struct sa *sa, uint64_t spi_i, uint64_t spi_r, const struct endpoint *endpoint,
                 uint8_t out[NAT_HASH_LEN])
{
    uint8_t octets[18];
    struct writer w = writer_of(octets, sizeof(octets));
    write_u64(&w, spi_i);
    write_u64(&w, spi_r);
    write_u16(&w, endpoint->port);
    struct span parts[3] = {span_of(octets, 16), address_span(&endpoint->address),
                            span_of(octets + 16, 2)};
    return crypto_digest(sa->ike->crypto, CRYPTO_SHA1, parts, 3, out) == 0;
}

void nat_detection_add(struct sa *sa, struct wire_builder *message, const struct ike_path *path,
                       bool hide_source)
{
    uint8_t octets[NAT_HASH_LEN];
    if (!hash(sa, sa->spi_i, sa->spi_r, &path->local, octets))
        return;
    if (hide_source)
        random_fill(sa->ike->random, octets, sizeof(octets));
    wire_add_notify(message, N_NAT_DETECTION_SOURCE_IP, span_of(octets, sizeof(octets)));
    if (!hash(sa, sa->spi_i, sa->spi_r, &path->remote, octets))
        return;
    wire_add_notify(message, N_NAT_DETECTION_DESTINATION_IP, span_of(octets, sizeof(octets)));
}

struct nat_seen nat_detection_check(struct sa *sa, const struct wire_message *message,
                                    const struct ike_path *path)
{
    struct nat_seen seen = {0};
    uint8_t source[NAT_HASH_LEN], destination[NAT_HASH_LEN];
    bool source_matches = false, destination_matches = false, source_seen = false;
    const struct wire_payload *p = NULL;
    struct wire_notify notify;

    if (!hash(sa, message->header.spi_i, message->header.spi_r, &path->remote, source) ||
        !hash(sa, message->header.spi_i, message->header.spi_r, &path->local, destination))
        return seen;
    while ((p = wire_find(message, WIRE_PAYLOAD_N, p)) != NULL) {
        if (!wire_notify_read(p->body, &notify))
            continue;
        if (notify.type == N_NAT_DETECTION_SOURCE_IP) {
            /* a host that does not know its source address yet may send several */
            source_seen = true;
            source_matches |= span_equal(notify.data, span_of(source, NAT_HASH_LEN));
        } else if (notify.type == N_NAT_DETECTION_DESTINATION_IP) {
            seen.present = true;
            destination_matches |= span_equal(notify.data, span_of(destination, NAT_HASH_LEN));
        }
    }
    seen.present = seen.present && source_seen;
    seen.remote = seen.present && !source_matches;
    seen.local = seen.present && !destination_matches;
    return seen;
}
