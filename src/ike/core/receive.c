/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/receive.h"

#include "base/assert.h"
#include "base/reader.h"
#include "ike/core/answer.h"
#include "ike/core/exchange.h"
#include "ike/core/fragment.h"
#include "ike/core/gate.h"
#include "ike/core/seal.h"
#include "ike/core/trace.h"
#include "ike/core/unprotected_hint.h"
#include "ike/core/upper.h"

/* send_clear_notify - sends an unprotected notify: SPIs, exchange and Message ID copied. It is
 * never larger than the request, and limited by source. */
static void send_clear_notify(struct ike *ike, const struct ike_path *path,
                              const struct ike_header *request, uint16_t type, struct span data,
                              nanos now)
{
    uint8_t octets[IKE_HEADER_LEN + 16];
    struct wire_builder b = wire_builder_of(octets + IKE_HEADER_LEN, 16);
    wire_add_notify(&b, type, data);
    if (IKE_HEADER_LEN + b.w.len > request->length ||
        !source_rate_take(&ike->clear, ike->hash_key, &path->remote.address, LIMIT_HINTS_PER_SECOND,
                          now))
        return;
    struct ike_header header = *request;
    header.next_payload = b.first;
    header.version = IKE_VERSION;
    header.flags = (uint8_t)(IKE_FLAG_RESPONSE | (~request->flags & IKE_FLAG_INITIATOR));
    header.length = (uint32_t)(IKE_HEADER_LEN + b.w.len);
    ike_header_write(&header, octets);
    output_add(ike, path, 0, span_of(octets, header.length));
}

static struct sa *find_sa(const struct ike *ike, const struct ike_header *header)
{
    bool from_initiator = (header->flags & IKE_FLAG_INITIATOR) != 0;
    uint64_t theirs = from_initiator ? header->spi_i : header->spi_r;
    struct sa *sa = map_get(&ike->sas_by_spi, from_initiator ? header->spi_r : header->spi_i);
    if (sa == NULL || sa_original_initiator(sa) == from_initiator)
        return NULL;
    if (sa_spi_peers(sa) != theirs && !(sa->life == IKE_HALF_OPEN && sa_spi_peers(sa) == 0))
        return NULL;
    return sa;
}

static void invalid(struct ike *ike, const struct sa *sa)
{
    ike->stats.malformed++;
    count(ike, sa, IKE_COUNT_INVALID);
}

/* receive_inner - an authentic message with its decrypted chain. */
static void receive_inner(struct sa *sa, const struct ike_path *path,
                          const struct wire_message *outer, struct span plain, uint8_t first,
                          nanos now)
{
    struct wire_message inner;
    uint8_t critical, inner_first;
    enum wire_fault fault = wire_chain_read(plain, first, &inner, &critical, &inner_first);
    inner.header = outer->header;
    inner.octets = outer->octets;
    sa_heard(sa, now);
    /* an SK payload must not contain another one */
    if (fault == WIRE_OK && (wire_find(&inner, WIRE_PAYLOAD_SK, NULL) != NULL ||
                             wire_find(&inner, WIRE_PAYLOAD_SKF, NULL) != NULL))
        fault = WIRE_MALFORMED;
    bool response = ike_header_response(&outer->header);
    count_message(sa->ike, sa, COUNT_IN, outer->header.exchange, response);
    trace_received(sa, path, &inner);
    if (fault != WIRE_OK)
        invalid(sa->ike, sa);
    if (response) {
        if (fault != WIRE_OK)
            inner.n = 0; /* the exchange fails for want of payloads */
        exchange_response(sa, &inner, path, now);
        return;
    }
    answer_request(sa, &inner, fault, critical, path, now);
}

static void receive_fragment(struct sa *sa, const struct ike_path *path,
                             const struct wire_message *outer, struct span plain, uint8_t first,
                             nanos now)
{
    struct reader r = reader_of(outer->payloads[outer->n - 1].body);
    struct fragment fragment = {
        .message_id = outer->header.message_id,
        .response = ike_header_response(&outer->header),
        .number = read_u16(&r),
        .total = read_u16(&r),
        .first_payload = first,
        .plain = plain,
        /* RFC 7383 section 2.6: as long as we would repeat a request */
        .until_ns = nanos_after(now, retransmit_total(&sa->ike->retransmit)),
    };
    struct span whole;
    uint8_t whole_first;
    sa_touch(sa);
    if (fragment_add(sa, &fragment, &whole, &whole_first) != FRAGMENT_COMPLETE)
        return;
    receive_inner(sa, path, outer, whole, whole_first, now);
    sa->reassembly = reassembly_free(sa->reassembly); /* memory per IKE SA counts */
}

static uint16_t fragment_number(const struct wire_message *outer)
{
    struct reader r = reader_of(outer->payloads[outer->n - 1].body);
    return read_u16(&r);
}

/*
 * receive_follow_nat - RFC 7296 section 2.23: a NAT may give the peer a new address or port. An end
 * without a NAT in front of it sends to the source of the last authentic packet. With MOBIKE the
 * peer announces its moves itself (RFC 4555 section 3.8). Only new messages count, never a replay.
 */
void receive_follow_nat(struct sa *sa, const struct endpoint *from)
{
    if (sa->life != IKE_ESTABLISHED || sa->session->mobike || !sa->nat_remote || sa->nat_local ||
        endpoint_equal(&sa->path.remote, from) ||
        !address_usable_outer(&from->address, sa->ike->options.allow_loopback) ||
        !session_moves(sa->session, sa->ike->now))
        return;
    struct ike_path moved = sa->path;
    moved.remote = *from;
    sa->peer_addresses[0] = from->address;
    sa->mine.path.remote = *from; /* retransmissions of the outstanding request go there too */
    sa_path_set(sa, &moved);
}

void receive_follow_encap(struct sa *sa, const struct endpoint *from)
{
    if (sa->peer_encap || !endpoint_equal(&sa->path.remote, from))
        return;
    sa->peer_encap = true;
    for (struct child *child = sa->children; child != NULL; child = child->sa_next)
        if (child->udp_encap != sa_udp_encap(sa))
            child_path_changed(child, &sa->path, false);
}

/* repeat_response - answers a repeated request. The request is authentic, its source address is not: a host that saw
 * the request can send it with any source. The number of responses to other addresses than the peer's is bounded. */
static void repeat_response(struct sa *sa, const struct ike_path *path,
                            const struct wire_message *request, nanos now)
{
    if (!address_equal(&path->remote.address, &sa->path.remote.address) && !sa_may_repeat(sa, now))
        return;
    sa->ike->stats.retransmitted++;
    trace_repeated(sa, path, request);
    output_packet(sa, sa->theirs.packet, path);
}

static void receive_protected(struct sa *sa, const struct ike_path *path,
                              const struct wire_message *outer, uint8_t first, nanos now)
{
    struct span plain;
    struct gate gate = gate_of(sa);
    enum gate_verdict what = gate_judge(&gate, &outer->header);
    bool fragmented = outer->payloads[outer->n - 1].type == WIRE_PAYLOAD_SKF;

    if (what == GATE_NOT)
        return;
    if (fragmented &&
        (sa->session == NULL ? !login_fragmentation(sa) : !sa->session->fragmentation))
        return; /* RFC 7383 section 2.3: not agreed on */
    if (open_message(sa, outer, &plain) != 0) {
        sa->ike->stats.unauthenticated++;
        count(sa->ike, sa, IKE_COUNT_INVALID);
        return;
    }
    if (what == GATE_ECHO) {
        if (!fragmented || fragment_number(outer) == 1)
            sa->mine.unanswered--;
        sa_touch(sa);
        return;
    }
    if (what == GATE_REPEATED) {
        /* RFC 7383 section 2.6.1: only the first fragment asks for the response again. */
        if (!fragmented || fragment_number(outer) == 1)
            repeat_response(sa, path, outer, now);
        return;
    }
    if (!fragmented && early_request(sa, path, outer))
        return;
    receive_follow_nat(sa, &path->remote);
    if (fragmented)
        receive_fragment(sa, path, outer, plain, first, now);
    else
        receive_inner(sa, path, outer, plain, first, now);
}

static void receive_init_response(struct sa *sa, const struct ike_path *path,
                                  const struct wire_message *message, nanos now)
{
    bool waiting = sa->life == IKE_HALF_OPEN && sa->asking != NULL && window_busy(&sa->mine) &&
                   sa->asking->exchange == message->header.exchange &&
                   message->header.message_id == 0;
    if (waiting) {
        count_message(sa->ike, sa, COUNT_IN, WIRE_IKE_SA_INIT, true);
        trace_received(sa, path, message);
    }
    if (waiting && !login_is_hint(sa, message, now))
        exchange_response(sa, message, path, now);
}

/* begins_ike_sa - nothing protects the message: there is no IKE SA yet. */
static bool begins_ike_sa(const struct ike_header *header)
{
    return header->exchange == WIRE_IKE_SA_INIT || header->exchange == WIRE_IKE_SESSION_RESUME;
}

void receive_datagram(struct ike *ike, const struct ike_path *path, struct span datagram, nanos now)
{
    struct wire_message outer;
    uint8_t critical, inner_first;

    if (datagram.len > LIMIT_IKE_MESSAGE || !ike_header_read(datagram, &outer.header)) {
        invalid(ike, NULL);
        return;
    }
    bool response = ike_header_response(&outer.header);
    if (outer.header.version >> 4 != 2) {
        /* RFC 7296 section 2.5: a higher major version is answered, IKEv1 is not spoken to */
        if (outer.header.version >> 4 > 2 && !response && (ike->serving || outer.header.spi_r != 0))
            send_clear_notify(ike, path, &outer.header, N_INVALID_MAJOR_VERSION, (struct span){0},
                              now);
        return;
    }
    outer.octets = datagram;
    enum wire_fault fault =
        wire_chain_read(span_of(datagram.ptr + IKE_HEADER_LEN, datagram.len - IKE_HEADER_LEN),
                        outer.header.next_payload, &outer, &critical, &inner_first);
    if (fault != WIRE_OK) {
        invalid(ike, NULL);
        /* section 2.5: an unprotected refusal, only where no keys exist */
        if (fault == WIRE_UNKNOWN_CRITICAL && begins_ike_sa(&outer.header) && !response &&
            outer.header.spi_r == 0 && ike->serving)
            send_clear_notify(ike, path, &outer.header, N_UNSUPPORTED_CRITICAL_PAYLOAD,
                              span_of(&critical, 1), now);
        return;
    }
    if (begins_ike_sa(&outer.header) && !response) {
        login_answer_init(ike, path, &outer, now);
        return;
    }
    if (outer.header.exchange < WIRE_IKE_SA_INIT || outer.header.exchange > WIRE_IKE_SESSION_RESUME)
        return; /* an extension that was not negotiated */
    bool protected = outer.n > 0 && (outer.payloads[outer.n - 1].type == WIRE_PAYLOAD_SK ||
                                     outer.payloads[outer.n - 1].type == WIRE_PAYLOAD_SKF);
    const struct gate *gate = protected ? gate_find(ike, &outer.header) : NULL;
    if (gate != NULL && gate_judge(gate, &outer.header) == GATE_NOT)
        return;
    struct sa *sa = find_sa(ike, &outer.header);
    if (sa == NULL && protected)
        count(ike, NULL, IKE_COUNT_INVALID_SPI);
    if (sa != NULL && begins_ike_sa(&outer.header))
        receive_init_response(sa, path, &outer, now);
    else if (!protected)
        hint_in_the_open(ike, sa, path, &outer, now);
    else if (sa == NULL && !response && !early_on_clone(ike, path, &outer) && !ike->exported)
        send_clear_notify(ike, path, &outer.header, N_INVALID_IKE_SPI, (struct span){0}, now);
    else if (sa != NULL && sa->life != IKE_HALF_OPEN)
        receive_protected(sa, path, &outer, inner_first, now);
    else if (sa != NULL)
        (void)early_request(sa, path, &outer);
}
