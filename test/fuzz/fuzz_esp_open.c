/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that octets from outside reach in the data plane. The first octet chooses the door:
 *   0  an ESP packet as it came from the wire (it will fail its ICV, or its length)
 *   1  the text of an authentic packet: what a peer with the keys may send
 *   2  a frame of the TUN device with its vnet header
 *   3  many inner packets, to be coalesced and segmented again
 *   4  order trailers and reports of a peer that lies
 */
#include <stdlib.h>

#include "base/assert.h"
#include "esp/aggregate.h"
#include "esp/coalesce.h"
#include "esp/esp_child.h"
#include "esp/icmp.h"
#include "esp/segment.h"

#define PACKET_MAX 4096
#define INNER_MAX  1400

struct world {
    struct esp_crypto *crypto;
    struct esp_child *child;
    uint8_t packet[PACKET_MAX + 256];
    uint8_t frame[70000];
    uint8_t out[70000];
    uint8_t store[64][PACKET_MAX];
    struct esp_coalesce coalesce;
};

static struct world *world_new(void)
{
    static const uint8_t key[20] = {1};
    struct world *w = calloc(1, sizeof(*w));
    struct esp_child_config c = {
        .child = 1,
        .spi_in = 0x1000,
        .spi_out = 0x1000,
        .encr = 20,
        .encr_key_bits = 128,
        .encr_in = span_of(key, sizeof(key)),
        .encr_out = span_of(key, sizeof(key)),
        .replay_window = 64,
        .copy_ecn = true,
        .copy_dscp_in = true,
        .local_ts = {.n = 2, .ts = {{.end_port = UINT16_MAX}, {.end_port = UINT16_MAX}}},
    };
    ASSERT(w != NULL && (w->crypto = esp_crypto_new()) != NULL);
    ASSERT(range_parse("0.0.0.0/0", &c.local_ts.ts[0].range) &&
           range_parse("::/0", &c.local_ts.ts[1].range));
    c.remote_ts = c.local_ts;
    ASSERT(esp_child_new(w->crypto, &c, &w->child) == 0);
    return w;
}

/* opened_check - what came out is inside of what went in, and parses again as the same thing. */
static void opened_check(const struct world *w, const struct esp_opened *p)
{
    struct esp_inner again;
    if (p->verdict != ESP_PASS)
        return;
    ASSERT(p->packet >= w->packet && p->packet + p->len <= w->packet + sizeof(w->packet));
    ASSERT(esp_inner_parse(span_of(p->packet, p->len), &again));
    ASSERT(again.total_len == p->len && address_equal(&again.src, &p->inner.src));
    ASSERT(esp_inner_ipv4_checksum_ok(p->packet));
    ASSERT(!address_is_loopback(&again.src) && !address_is_multicast(&again.src));
}

static void wire_door(struct world *w, const uint8_t *data, size_t size)
{
    memcpy(w->packet, data, size);
    struct esp_opened p = {.packet = w->packet, .len = size};
    esp_child_open(w->crypto, w->child, &p, 1);
    opened_check(w, &p);
}

static void text_door(struct world *w, const uint8_t *data, size_t size)
{
    if (size < 2)
        return;
    uint8_t tos = data[0];
    size_t len = (size - 1) / 4 * 4;
    if (len == 0)
        return;
    uint32_t sequence = (uint32_t)w->child->replay->top + 1;
    memcpy(w->packet, "\x00\x00\x10\x00", 4);
    for (unsigned i = 0; i < 4; i++)
        w->packet[4 + i] = (uint8_t)(sequence >> (24 - 8 * i));
    memcpy(w->packet + 16, data + 1, len);
    struct esp_job job = {
        .packet = w->packet, .text = w->packet + 16, .text_len = len, .sequence = sequence};
    ASSERT(esp_seal(w->crypto, w->child->key_out, &job, NULL) == 0);
    struct esp_opened p = {.packet = w->packet, .len = len + 32, .tos = tos};
    esp_child_open(w->crypto, w->child, &p, 1);
    ASSERT(p.verdict != ESP_AUTH_FAILED && p.verdict != ESP_REPLAYED);
    opened_check(w, &p);
}

static void tun_door(struct world *w, const uint8_t *data, size_t size)
{
    struct esp_vnet vnet;
    struct esp_inner inner;
    struct esp_segments s;
    uint8_t answer[ESP_ICMP_MAX];
    if (size < sizeof(vnet))
        return;
    memcpy(&vnet, data, sizeof(vnet));
    size_t len = size - sizeof(vnet);
    memcpy(w->frame, data + sizeof(vnet), len);
    if (!esp_inner_parse(span_of(w->frame, len), &inner))
        return;
    (void)esp_icmp_too_big(span_of(w->frame, len), &inner, INNER_MAX, answer);
    if (esp_segments_begin(&s, &vnet, (struct buffer){w->frame, len}, &inner, INNER_MAX) !=
        ESP_SEGMENT_OK)
        return;
    size_t n, next = esp_segments_next_len(&s);
    while ((n = esp_segments_next(&s, w->out)) != 0) {
        ASSERT(n == next && n <= INNER_MAX);
        ASSERT(esp_inner_parse(span_of(w->out, n), &inner) && inner.total_len == n);
        next = esp_segments_next_len(&s);
    }
}

/* frame_check - what a merged frame says of itself survives the way back. */
static void frame_check(struct world *w, const struct esp_frame *f)
{
    struct esp_inner inner;
    struct esp_segments s;
    size_t len = 0, parts = 0;
    for (unsigned i = 1; i <= f->parts; i++) {
        memcpy(w->frame + len, f->iov[i].iov_base, f->iov[i].iov_len);
        len += f->iov[i].iov_len;
    }
    ASSERT(len == f->total_len && esp_inner_parse(span_of(w->frame, len), &inner));
    if (f->parts == 1)
        return;
    ASSERT(esp_segments_begin(&s, &f->vnet, (struct buffer){w->frame, len}, &inner, 65535) ==
           ESP_SEGMENT_OK);
    while (esp_segments_next(&s, w->out) != 0)
        parts++;
    ASSERT(parts == f->parts);
}

static void coalesce_door(struct world *w, const uint8_t *data, size_t size)
{
    w->coalesce.uso = true;
    esp_coalesce_reset(&w->coalesce);
    for (unsigned i = 0; i < 64 && size > 2; i++) {
        size_t len = (size_t)data[0] * 8u + data[1];
        struct esp_inner inner;
        data += 2;
        size -= 2;
        len = len < size ? len : size;
        memcpy(w->store[i], data, len);
        data += len;
        size -= len;
        if (esp_inner_parse(span_of(w->store[i], len), &inner))
            ASSERT(esp_coalesce_add(&w->coalesce, w->store[i], &inner));
    }
    esp_coalesce_finish(&w->coalesce);
    for (unsigned i = 0; i < w->coalesce.n; i++)
        frame_check(w, &w->coalesce.frames[i]);
}

/* order_put - one order trailer; octet 8 is the time that passes. */
static void order_put(struct esp_aggregate *a, const uint8_t *data, nanos now)
{
    struct esp_order order;
    struct order_packet packet = {.octets = (uint8_t[8]){0}, .len = 8}, out;
    enum order_fate fate;
    esp_order_read(data, &order);
    struct aggregate_came came = {.spi = data[1] % 3, .sequence = data[7], .order = &order};
    esp_aggregate_came(a, &came, now);
    while ((fate = order_buffer_put(a->buffer, &order, &packet, now)) == ORDER_RETRY) {
        while (order_buffer_next(a->buffer, now, &out))
            ASSERT(out.len == 8);
        order_buffer_recycle(a->buffer);
    }
}

/* An aggregate is some megabytes, which are slow to get. libFuzzer has a new one for each input, so that an input
 * fails by itself; the inputs of the generator are the same ones in each run, and share it. */
#ifdef ROUNDS
#define ORDER_INPUTS 64
#else
#define ORDER_INPUTS 1
#endif

struct order_world {
    struct esp_aggregate *aggregate;
    unsigned inputs;
    uint64_t sequence;
    nanos now;
};

static void order_renew(struct order_world *o)
{
    if (o->inputs++ % ORDER_INPUTS != 0)
        return;
    o->aggregate = esp_aggregate_free(o->aggregate);
    *o = (struct order_world){.aggregate = esp_aggregate_new(1), .inputs = 1, .now = NANOS_PER_SEC};
    ASSERT(o->aggregate != NULL);
    (void)path_scheduler_path(&o->aggregate->scheduler, 1);
}

static void order_door(const uint8_t *data, size_t size)
{
    static struct order_world o;
    struct span packet;
    struct esp_order order;
    order_renew(&o);
    for (; size >= 9; data += 9, size -= 9) {
        struct aggregate_sent sent = {
            .spi = 1, .sequence = ++o.sequence, .packet = data, .len = 9, .wanted = true};
        o.now += data[8] * NANOS_PER_MS;
        esp_aggregate_stamp(o.aggregate, 0, true, o.now, &sent.order);
        esp_aggregate_sent(o.aggregate, &sent, o.now);
        order_put(o.aggregate, data, o.now);
        esp_aggregate_report_take(o.aggregate, span_of(data, size), 1, o.sequence, o.now);
        esp_aggregate_tick(o.aggregate, o.now);
        while (esp_aggregate_again(o.aggregate, o.now, &packet, &order))
            ASSERT(packet.len == 9);
        ASSERT(esp_aggregate_deadline(o.aggregate) > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world *w;
    if (w == NULL)
        w = world_new();
    if (size < 1 || size > PACKET_MAX)
        return 0;
    switch (data[0] % 5) {
    case 0: wire_door(w, data + 1, size - 1); break;
    case 1: text_door(w, data + 1, size - 1); break;
    case 2: tun_door(w, data + 1, size - 1); break;
    case 3: coalesce_door(w, data + 1, size - 1); break;
    default: order_door(data + 1, size - 1); break;
    }
    return 0;
}
