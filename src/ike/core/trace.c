/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/trace.h"

#include <stdlib.h>

#include "base/assert.h"
#include "ike/core/fragment.h"
#include "ike/core/ike_state.h"
#include "ike/core/upper.h"
#include "ike/core/window.h"
#include "wire/payloads.h"

enum ring_kind { RING_SESSIONS, RING_PROBES, RING_STRANGERS, N_RINGS };

#define RING_AT_FIRST 32 /* entries */

struct ring {
    size_t size;   /* allocated entries; it doubles up to the most of the ring */
    uint64_t used; /* entries ever written; entry i is at i % size */
    struct ike_trace_entry *entries;
};

struct trace {
    uint64_t last; /* number */
    struct ring rings[N_RINGS];
};

static const size_t ring_most[N_RINGS] = {LIMIT_TRACE_SESSIONS, LIMIT_TRACE_PROBES,
                                          LIMIT_TRACE_STRANGERS};

static bool ring_resize(struct ring *ring, size_t size)
{
    struct ike_trace_entry *entries = reallocarray(ring->entries, size, sizeof(*entries));
    if (entries == NULL)
        return false;
    ring->entries = entries;
    ring->size = size;
    return true;
}

struct trace *trace_new(void)
{
    struct trace *trace = calloc(1, sizeof(*trace));
    for (size_t i = 0; trace != NULL && i < N_RINGS; i++)
        if (!ring_resize(&trace->rings[i], RING_AT_FIRST))
            return trace_free(trace);
    return trace;
}

struct trace *trace_free(struct trace *trace)
{
    for (size_t i = 0; trace != NULL && i < N_RINGS; i++)
        free(trace->rings[i].entries);
    free(trace);
    return NULL;
}

/* --- rings --- */

/* ring_add - adds an entry. A full ring grows. Without memory it overwrites its oldest entry and
 * keeps its size: a ring that has wrapped around cannot grow. */
static struct ike_trace_entry *ring_add(struct trace *trace, enum ring_kind kind, nanos now)
{
    struct ring *ring = &trace->rings[kind];
    ASSERT(ring->size >= RING_AT_FIRST);
    if (ring->used == ring->size && ring->size < ring_most[kind])
        (void)ring_resize(ring, 2 * ring->size);
    struct ike_trace_entry *entry = &ring->entries[ring->used++ % ring->size];
    *entry = (struct ike_trace_entry){.number = ++trace->last, .at_ns = now};
    return entry;
}

/* ring_above - the oldest entry with a higher number. NULL: none. Numbers grow along the ring. */
static struct ike_trace_entry *ring_above(const struct ring *ring, uint64_t number)
{
    uint64_t low = ring->used > ring->size ? ring->used - ring->size : 0, high = ring->used;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (ring->entries[middle % ring->size].number <= number)
            low = middle + 1;
        else
            high = middle;
    }
    return low == ring->used ? NULL : &ring->entries[low % ring->size];
}

static struct ike_trace_entry *trace_above(const struct trace *trace, uint64_t number)
{
    struct ike_trace_entry *first = NULL;
    for (size_t i = 0; trace != NULL && i < N_RINGS; i++) {
        struct ike_trace_entry *entry = ring_above(&trace->rings[i], number);
        if (entry != NULL && (first == NULL || entry->number < first->number))
            first = entry;
    }
    return first;
}

bool ike_trace_next(const struct ike *ike, uint64_t after, struct ike_trace_entry *ret_entry)
{
    const struct ike_trace_entry *entry = trace_above(ike->trace, after);
    if (entry == NULL)
        return false;
    *ret_entry = *entry;
    return true;
}

uint64_t ike_trace_last(const struct ike *ike)
{
    return ike->trace == NULL ? 0 : ike->trace->last;
}

/* --- entries --- */

/* stranger - the peer began, and has not authenticated. */
static bool stranger(const struct sa *sa)
{
    return sa->session == NULL && !sa_original_initiator(sa);
}

/* ring_of - the ring for a message. n_parts 0: the message has no payload. */
static enum ring_kind ring_of(const struct sa *sa, uint8_t exchange, size_t n_parts)
{
    if (stranger(sa))
        return RING_STRANGERS;
    return exchange == WIRE_INFORMATIONAL && n_parts == 0 ? RING_PROBES : RING_SESSIONS;
}

static void name_set(struct ike_trace_entry *entry, const struct sa *sa)
{
    const struct ike_conn *conn = sa->session != NULL ? sa->session->conn
                                  : sa_original_initiator(sa) && sa->login != NULL ? login_conn(sa)
                                                                                   : NULL;
    if (conn != NULL)
        memcpy(entry->conn, conn->name, sizeof(entry->conn));
    entry->sa = sa->id;
    entry->session = sa->session != NULL ? sa->session->id : sa->of;
}

static void parts_set(struct ike_trace_entry *entry, const struct wire_message *message)
{
    for (size_t i = 0; i < message->n; i++) {
        struct wire_notify notify;
        const struct wire_payload *payload = &message->payloads[i];
        if (entry->n_parts == IKE_TRACE_PARTS) {
            entry->more_parts = true;
            return;
        }
        struct ike_trace_part *part = &entry->parts[entry->n_parts++];
        part->payload = payload->type;
        if (payload->type == WIRE_PAYLOAD_N && wire_notify_read(payload->body, &notify))
            part->notify = notify.type;
    }
}

static void header_set(struct ike_trace_entry *entry, const struct ike_header *header)
{
    entry->exchange = header->exchange;
    entry->response = ike_header_response(header);
    entry->message_id = header->message_id;
}

/* --- ours --- */

static void packet_size(const struct packet *packet, struct ike_trace_entry *entry)
{
    entry->datagrams = (uint16_t)packet->n;
    entry->octets = 0;
    for (size_t i = 0; i < packet->n; i++)
        entry->octets += packet->parts[i].len;
}

void trace_sealed(struct sa *sa, const struct wire_builder *chain, struct packet *packet)
{
    struct wire_message message = {.n = 0};
    struct ike_header header;
    uint8_t critical, inner;
    if (sa->ike->trace == NULL || !ike_header_read(packet_part(packet, 0), &header))
        return;
    if (wire_chain_read(span_of(chain->w.buf, chain->w.len), chain->first, &message, &critical,
                        &inner) != WIRE_OK)
        message.n = 0;
    struct ike_trace_entry *entry =
        ring_add(sa->ike->trace, ring_of(sa, header.exchange, message.n), sa->ike->now);
    name_set(entry, sa);
    header_set(entry, &header);
    parts_set(entry, &message);
    packet_size(packet, entry);
    entry->kind = IKE_TRACE_OUT;
    entry->path = sa->path;
    packet->trace = entry->number;
}

/* again_add - adds the entry of a packet that is sent again. */
static struct ike_trace_entry *again_add(struct sa *sa, const struct packet *packet)
{
    struct trace *trace = sa->ike->trace;
    struct ike_trace_entry first = {0};
    struct ike_header header;
    if (!ike_header_read(packet_part(packet, 0), &header))
        return NULL;
    const struct ike_trace_entry *known = trace_above(trace, packet->trace - 1);
    if (known != NULL && known->number == packet->trace)
        first = *known;
    struct ike_trace_entry *entry =
        ring_add(trace, ring_of(sa, header.exchange, first.n_parts), sa->ike->now);
    first.number = entry->number;
    first.at_ns = entry->at_ns;
    *entry = first;
    name_set(entry, sa);
    header_set(entry, &header);
    packet_size(packet, entry);
    entry->kind = IKE_TRACE_OUT;
    entry->again = true;
    return entry;
}

void trace_sent(struct sa *sa, struct packet *packet, const struct ike_path *path)
{
    struct trace *trace = sa->ike->trace;
    if (trace == NULL || packet->trace == 0)
        return;
    struct ike_trace_entry *entry =
        packet->sent ? again_add(sa, packet) : trace_above(trace, packet->trace - 1);
    packet->sent = true;
    if (entry != NULL)
        entry->path = *path;
}

/* --- the peer's --- */

static struct ike_trace_entry *received_add(struct sa *sa, const struct ike_path *path,
                                            const struct wire_message *message, size_t n_parts)
{
    struct ike_trace_entry *entry =
        ring_add(sa->ike->trace, ring_of(sa, message->header.exchange, n_parts), sa->ike->now);
    name_set(entry, sa);
    header_set(entry, &message->header);
    entry->kind = IKE_TRACE_IN;
    entry->path = *path;
    entry->datagrams = 1;
    entry->octets = (uint32_t)message->octets.len;
    return entry;
}

void trace_received(struct sa *sa, const struct ike_path *path, const struct wire_message *message)
{
    if (sa->ike->trace == NULL)
        return;
    struct ike_trace_entry *entry = received_add(sa, path, message, message->n);
    parts_set(entry, message);
    fragment_traffic(sa, &message->header, &entry->datagrams, &entry->octets);
}

void trace_repeated(struct sa *sa, const struct ike_path *path, const struct wire_message *message)
{
    if (sa->ike->trace != NULL)
        received_add(sa, path, message, 0)->again = true;
}

void trace_init_repeated(struct sa *sa, const struct ike_path *path,
                         const struct wire_message *message, size_t octets)
{
    if (sa->ike->trace == NULL)
        return;
    trace_repeated(sa, path, message);
    struct ike_trace_entry *answer = received_add(sa, path, message, 0);
    answer->kind = IKE_TRACE_OUT;
    answer->response = answer->again = true;
    answer->octets = (uint32_t)octets;
}

void trace_refused(struct ike *ike, const struct ike_path *path, const struct wire_message *request,
                   uint16_t notify, size_t octets)
{
    if (ike->trace == NULL)
        return;
    struct ike_trace_entry *entry = ring_add(ike->trace, RING_STRANGERS, ike->now);
    header_set(entry, &request->header);
    parts_set(entry, request);
    entry->kind = IKE_TRACE_IN;
    entry->path = *path;
    entry->datagrams = 1;
    entry->octets = (uint32_t)request->octets.len;
    entry = ring_add(ike->trace, RING_STRANGERS, ike->now);
    header_set(entry, &request->header);
    entry->kind = IKE_TRACE_OUT;
    entry->path = *path;
    entry->response = true;
    entry->datagrams = 1;
    entry->octets = (uint32_t)octets;
    entry->n_parts = 1;
    entry->parts[0] = (struct ike_trace_part){WIRE_PAYLOAD_N, notify};
}

void trace_ended(struct sa *sa, enum ike_outcome outcome)
{
    if (sa->ike->trace == NULL)
        return;
    struct ike_trace_entry *entry =
        ring_add(sa->ike->trace, stranger(sa) ? RING_STRANGERS : RING_SESSIONS, sa->ike->now);
    name_set(entry, sa);
    entry->kind = IKE_TRACE_ENDED;
    entry->path = sa->path;
    entry->outcome = outcome;
}
