/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/gate.h"

#include <endian.h>

#include "base/assert.h"
#include "ike/core/exchange.h"

#define FLAGS_AT 19 /* in the header */

/* Half of an SPI. Two SPIs of a peer have the same half once in four billion. A message for the
 * wrong one is dropped without INVALID_IKE_SPI. */
static uint32_t folded(uint64_t spi)
{
    return (uint32_t)(spi ^ spi >> 32);
}

struct gate gate_of(const struct sa *sa)
{
    bool waits = sa->asking != NULL && window_busy(&sa->mine);
    return (struct gate){
        .peer = folded(sa_spi_peers(sa)),
        .request = sa->theirs.next_id,
        .response = sa->mine.next_id,
        .exchange = waits ? sa->asking->exchange : 0,
        .unanswered = sa->mine.unanswered,
        .known = sa->life != IKE_HALF_OPEN,
        .initiator = sa_original_initiator(sa),
        .later = sa->answering_later,
        .kept = sa->theirs.packet != NULL,
    };
}

void gate_renew(struct sa *sa)
{
    struct gate *gate = map_beside(&sa->ike->sas_by_spi, sa_spi_ours(sa));
    ASSERT(gate != NULL);
    *gate = gate_of(sa);
}

bool gate_current(const struct sa *sa)
{
    const struct gate now = gate_of(sa);
    const struct gate *gate = map_beside(&sa->ike->sas_by_spi, sa_spi_ours(sa));
    return gate != NULL && gate->peer == now.peer && gate->request == now.request &&
           gate->response == now.response && gate->exchange == now.exchange &&
           gate->unanswered == now.unanswered && gate->known == now.known &&
           gate->initiator == now.initiator && gate->later == now.later && gate->kept == now.kept;
}

enum gate_verdict gate_judge(const struct gate *gate, const struct ike_header *header)
{
    if (ike_header_response(header)) {
        bool fits = gate->exchange != 0 && header->message_id == gate->response &&
                    header->exchange == gate->exchange;
        if (gate->unanswered > 0 && header->message_id + 1 == gate->response)
            return GATE_ECHO;
        return fits ? GATE_NEW : GATE_NOT;
    }
    if (header->message_id == gate->request)
        return gate->later ? GATE_NOT : GATE_NEW;
    /* RFC 7296 section 2.1: the response is kept until the next request comes */
    if (gate->kept && header->message_id + 1 == gate->request)
        return GATE_REPEATED;
    return GATE_NOT;
}

const struct gate *gate_find(const struct ike *ike, const struct ike_header *header)
{
    bool from_initiator = (header->flags & IKE_FLAG_INITIATOR) != 0;
    const struct gate *gate =
        map_beside(&ike->sas_by_spi, from_initiator ? header->spi_r : header->spi_i);
    if (gate == NULL || !gate->known || gate->initiator == from_initiator ||
        gate->peer != folded(from_initiator ? header->spi_i : header->spi_r))
        return NULL;
    return gate;
}

void gate_expect(const struct ike *ike, struct span message)
{
    uint64_t ours;
    if (message.len < IKE_HEADER_LEN)
        return;
    bool from_initiator = (message.ptr[FLAGS_AT] & IKE_FLAG_INITIATOR) != 0;
    memcpy(&ours, message.ptr + (from_initiator ? sizeof(ours) : 0), sizeof(ours));
    map_prefetch(&ike->sas_by_spi, be64toh(ours));
}
