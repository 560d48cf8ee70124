/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/model.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"

#define HEADERS  40
#define ACK_LEN  52
#define CALL_LEN 188
#define SPI      100 /* and the path; both directions have their own meters */

/* --- out --- */

/* packet_write - an inner packet with the headers that esp_aggregate_urgent() looks at. */
static void packet_write(const struct parcel *p, const struct flow *flow, uint8_t *octets,
                         struct esp_inner *ret_inner)
{
    size_t len = p->ack ? ACK_LEN : flow->call ? CALL_LEN : SEGMENT;
    memset(octets, 0, HEADERS);
    octets[0] = 0x45;
    octets[20 + 12] = 8 << 4; /* with timestamps */
    memcpy(octets + ACK_LEN, p, sizeof(*p));
    *ret_inner =
        (struct esp_inner){.version = 4,
                           .protocol = flow->control == UDP ? ESP_PROTO_UDP : ESP_PROTO_TCP,
                           .l4_offset = 20,
                           .total_len = (uint16_t)len,
                           .src_port = 5000,
                           .dst_port = 5001,
                           .has_ports = true};
}

static void transmit(struct world *w, struct flight *f, const uint8_t *octets, bool wanted)
{
    struct end *from = &w->ends[f->up];
    f->sequence = ++from->sequences[f->path];
    struct aggregate_sent sent = {.path = f->path,
                                  .spi = SPI + f->path,
                                  .sequence = f->sequence,
                                  .order = f->order,
                                  .packet = octets,
                                  .len = f->len,
                                  .wanted = wanted};
    esp_aggregate_sent(from->aggregate, &sent, w->now);
    link_carry(w, f);
}

static void texts_send(struct world *w, bool up)
{
    struct aggregate_text text;
    while (esp_aggregate_next(w->ends[up].aggregate, w->usable, w->now, &text)) {
        struct flight f = {.path = text.path, .up = up, .order = text.order};
        if (text.data) {
            f.len = text.octets.len;
            memcpy(&f.parcel, text.octets.ptr + ACK_LEN, sizeof(f.parcel));
        } else {
            f.report_len = text.octets.len;
            memcpy(f.report, text.octets.ptr, text.octets.len);
        }
        f.order.present = text.data;
        transmit(w, &f, text.data ? text.octets.ptr : NULL, text.wanted);
    }
    w->ends[up].look_at = esp_aggregate_look(w->ends[up].aggregate, w->now);
}

/* alone - one path carries all: nothing is added to the packet. */
static bool alone(const struct world *w)
{
    return (w->usable & (w->usable - 1)) == 0;
}

/* home_of - the path of a flow, as balance has it. */
static unsigned home_of(const struct world *w, unsigned flow)
{
    unsigned n = (unsigned)__builtin_popcount(w->usable), left = flow % n;
    for (unsigned i = 0;; i++)
        if ((w->usable >> i & 1) != 0 && left-- == 0)
            return i;
}

void end_send(struct world *w, bool up, const struct parcel *parcels, unsigned n)
{
    static uint8_t octets[SEGMENT];
    struct esp_aggregate *a = w->ends[up].aggregate;
    struct esp_inner inner;
    for (unsigned i = 0; i < n; i++) {
        packet_write(&parcels[i], &w->flows[parcels[i].flow], octets, &inner);
        struct flight f = {.up = up,
                           .path = (unsigned)__builtin_ctz(w->usable),
                           .len = inner.total_len,
                           .parcel = parcels[i]};
        if (alone(w)) {
            link_carry(w, &f);
            continue;
        }
        struct aggregate_packet packet = {.flow_hash = (uint64_t)parcels[i].flow << 7,
                                          .len = inner.total_len,
                                          .urgent = esp_aggregate_urgent(octets, &inner),
                                          .mode = w->mode,
                                          .home = home_of(w, parcels[i].flow)};
        int path = esp_aggregate_place(a, w->usable, &packet, w->now, &f.order);
        f.path = (unsigned)path;
        if (path >= 0)
            transmit(w, &f, octets, true);
        else if (path == AGGREGATE_WAIT)
            memcpy(esp_aggregate_wait(a, w->usable, &packet, w->now), octets, packet.len);
    }
    if (alone(w))
        return;
    esp_aggregate_tick(a, w->now);
    texts_send(w, up);
}

/* --- in --- */

static void hand_on(struct world *w, const uint8_t *octets)
{
    struct parcel p;
    memcpy(&p, octets + ACK_LEN, sizeof(p));
    flow_take(w, &p);
}

static void drain(struct world *w, struct order_buffer *buffer)
{
    struct order_packet packet;
    while (order_buffer_next(buffer, w->now, &packet))
        hand_on(w, packet.octets);
    order_buffer_recycle(buffer);
}

static void packet_put(struct world *w, struct order_buffer *buffer, struct flight *f)
{
    uint8_t octets[ACK_LEN + sizeof(f->parcel)];
    struct order_packet p = {.octets = octets, .len = sizeof(octets)};
    enum order_fate fate;
    memcpy(octets + ACK_LEN, &f->parcel, sizeof(f->parcel));
    while ((fate = order_buffer_put(buffer, &f->order, &p, w->now)) == ORDER_RETRY)
        drain(w, buffer);
    if (fate == ORDER_DELIVER)
        hand_on(w, octets);
}

void end_take(struct world *w, struct flight *f)
{
    struct end *to = &w->ends[!f->up];
    struct esp_aggregate *a = to->aggregate;
    if (alone(w)) {
        flow_take(w, &f->parcel);
        return;
    }
    if (!replay_window_commit(to->windows[f->path], f->sequence))
        return;
    uint32_t spi = SPI + f->path;
    struct aggregate_came came = {spi, f->sequence, f->len > 0 ? &f->order : NULL, f->len};
    esp_aggregate_came(a, &came, w->now);
    if (f->len > 0)
        packet_put(w, a->buffer, f);
    else
        esp_aggregate_report_take(a, span_of(f->report, f->report_len), spi, f->sequence, w->now);
    drain(w, a->buffer);
    esp_aggregate_judge(a, spi, to->windows[f->path], w->now);
    texts_send(w, !f->up);
}

static void trace(struct world *w)
{
    printf("%7.3f", (double)w->now / 1e9);
    for (unsigned i = 0; i < PATHS; i++) {
        struct path_model *p = &w->ends[1].aggregate->scheduler.paths[i];
        nanos free_at = (nanos)w->links[1][i].state.free_ns;
        if ((w->usable >> i & 1) != 0)
            printf("  | %6.1f Mbit q %5.1f (is %5.1f) model %5.1f base %6.1f loss %5u%s",
                   MBIT((double)p->rate), (double)p->queue / 1e6,
                   free_at > w->now ? (double)(free_at - w->now) / 1e6 : 0,
                   p->free_at > w->now ? (double)(p->free_at - w->now) / 1e6 : 0, p->base * 0.064,
                   p->loss, p->stalled ? " STALLED" : "");
    }
    struct esp_aggregate *a = w->ends[0].aggregate, *s = w->ends[1].aggregate;
    printf("  | wait %5.1f repair %5.1f held %lu late %lu skipped %lu repaired %lu dropped %lu + "
           "%lu queue %u | "
           "cwnd %5.0f in %5u srtt %5.1f retx %u\n",
           (double)a->buffer->wait / 1e6, (double)a->buffer->repair / 1e6, a->buffer->counters.held,
           a->buffer->counters.late, a->buffer->counters.skipped, s->counters.repaired,
           s->counters.dropped, s->queue->dropped, s->queue->octets / 1400, w->flows[0].window,
           w->flows[0].inflight, (double)w->flows[0].srtt / 1e6, w->flows[0].retransmits);
}

void end_look(struct world *w, bool up)
{
    struct end *end = &w->ends[up];
    esp_aggregate_tick(end->aggregate, w->now);
    drain(w, end->aggregate->buffer);
    texts_send(w, up);
    static nanos shown;
    if (w->trace && up && (w->now - shown >= MS(100) || w->now < shown)) {
        shown = w->now;
        trace(w);
    }
}
