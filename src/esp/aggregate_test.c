/* SPDX-License-Identifier: Apache-2.0 */
/* Two ends of one session on virtual time: links with rate, delay, jitter, loss and death between
 * them, and a TCP-like flow inside. */
#include "esp/aggregate.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/unit_test.h"
#include "esp/packet_test_util.h"

#define PATHS    3
#define FLIGHTS  200000
#define SEGMENT  1400
#define SEGMENTS 400000
#define MS(n)    ((n)*NANOS_PER_MS)
#define BACKLOG  (200 * NANOS_PER_MS) /* what a link queues */
#define STREAM   1                    /* flow hash */

struct link {
    uint64_t rate; /* octets a second; 0: there is no such link */
    nanos delay, jitter;
    uint32_t loss; /* of a million */
    bool overtakes;
    nanos dies_at; /* 0: never */
    nanos free_at, last_due;
};

/* struct flight - a packet in the air. */
struct flight {
    nanos due;
    unsigned path;
    bool up, ack; /* `up`: from the sender to the receiver */
    uint32_t cumulative;
    uint64_t sequence;
    struct esp_order order;
    uint32_t segment; /* or what is acknowledged */
    size_t len;       /* 0: a dummy packet */
    size_t report_len;
    uint8_t report[PATH_REPORT_MAX];
};

struct side {
    struct esp_aggregate *aggregate;
    struct replay_window *windows[PATHS];
    uint64_t sequences[PATHS];
};

enum traffic { RENO, PACED };

struct scene {
    const char *name;
    struct link links[PATHS];
    enum traffic traffic;
    double of_best, of_sum; /* at least so much of the best link alone; of what all carry */
};

struct world {
    nanos now;
    uint64_t random;
    unsigned usable;
    struct link links[2][PATHS]; /* up, down */
    struct side ends[2];         /* sender, receiver */
    struct flight **heap;
    unsigned n;
    enum traffic traffic;
    uint64_t pace; /* octets a second */
    nanos pace_at;
    /* the flow */
    uint32_t next, acked, recover, outstanding, lost_from;
    double window, threshold;
    nanos rto_at, srtt, newest, sent_at[SEGMENTS];
    bool got[SEGMENTS], sacked[SEGMENTS], lost[SEGMENTS];
    uint32_t expected, disorder, delivered, most;
    nanos delivered_at, longest_gap;
};

static uint64_t chance(struct world *w, uint64_t n)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random % n;
}

/* --- links --- */

static void heap_push(struct world *w, struct flight *f)
{
    unsigned i = w->n++;
    assert_true(w->n < FLIGHTS);
    for (; i > 0 && w->heap[(i - 1) / 2]->due > f->due; i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = f;
}

static struct flight *heap_pop(struct world *w)
{
    struct flight *first = w->heap[0], *last = w->heap[--w->n];
    unsigned i = 0;
    for (unsigned child; (child = 2 * i + 1) < w->n; i = child) {
        child += child + 1 < w->n && w->heap[child + 1]->due < w->heap[child]->due;
        if (last->due <= w->heap[child]->due)
            break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = last;
    return first;
}

static void launch(struct world *w, const struct flight *flight)
{
    struct link *link = &w->links[!flight->up][flight->path];
    nanos start = link->free_at > w->now ? link->free_at : w->now;
    if ((link->dies_at != 0 && w->now >= link->dies_at) || start - w->now > BACKLOG ||
        chance(w, 1000000) < link->loss)
        return;
    size_t octets = flight->len + flight->report_len + 60;
    start += (nanos)(octets * (uint64_t)NANOS_PER_SEC / link->rate);
    link->free_at = start;
    nanos jitter = link->jitter == 0 ? 0 : (nanos)chance(w, (uint64_t)link->jitter * 2);
    struct flight *f = malloc(sizeof(*f));
    *f = *flight;
    f->due = start + link->delay + jitter;
    if (!link->overtakes && f->due < link->last_due)
        f->due = link->last_due;
    link->last_due = f->due;
    heap_push(w, f);
}

/* --- what the data plane does with a packet --- */

static void transmit(struct world *w, bool up, unsigned path, struct flight *f, size_t kept)
{
    static uint8_t octets[SEGMENT];
    struct side *from = &w->ends[!up];
    memcpy(octets, &f->segment, sizeof(f->segment));
    f->up = up;
    f->path = path;
    f->sequence = ++from->sequences[path];
    struct aggregate_sent sent = {.path = path,
                                  .spi = 100 + path,
                                  .sequence = f->sequence,
                                  .order = f->order,
                                  .packet = f->len > 0 ? octets : NULL,
                                  .len = kept,
                                  .wanted = f->len > 0};
    esp_aggregate_sent(from->aggregate, &sent, w->now);
    launch(w, f);
}

static void reports(struct world *w, bool up)
{
    struct esp_aggregate *a = w->ends[!up].aggregate;
    struct flight f = {0};
    nanos active = a->sent_at;
    int path = w->now - active < NANOS_PER_SEC
                   ? path_scheduler_probe(&a->scheduler, w->usable, w->now)
                   : -1;
    if (path >= 0) {
        f.report_len = esp_aggregate_report_due(a, true, w->now, f.report);
        transmit(w, up, (unsigned)path, &f, 0);
    }
    f.report_len = esp_aggregate_report_due(a, false, w->now, f.report);
    if (f.report_len > 0)
        transmit(w, up, esp_aggregate_report_path(a, w->usable, w->now), &f, 0);
}

static void again(struct world *w, bool up)
{
    struct esp_aggregate *a = w->ends[!up].aggregate;
    struct span packet;
    struct flight f = {0};
    while (esp_aggregate_again(a, w->now, &packet, &f.order)) {
        memcpy(&f.segment, packet.ptr, sizeof(f.segment));
        f.len = packet.len;
        transmit(w, up, path_scheduler_fastest(&a->scheduler, w->usable, w->now), &f, f.len);
    }
}

static void segment_send(struct world *w, uint32_t segment)
{
    struct esp_aggregate *a = w->ends[0].aggregate;
    struct flight f = {.segment = segment, .len = SEGMENT};
    w->sent_at[segment] = w->now;
    w->most = segment + 1 > w->most ? segment + 1 : w->most;
    if (path_scheduler_drop(&a->scheduler, w->usable, w->now)) {
        a->counters.dropped++;
        return;
    }
    unsigned path = path_scheduler_pick(&a->scheduler, w->usable, SEGMENT, w->now);
    esp_aggregate_stamp(a, STREAM << 7, (w->usable & (w->usable - 1)) != 0, w->now, &f.order);
    transmit(w, true, path, &f, SEGMENT);
    reports(w, true);
}

/* --- the flow --- */

/* retransmit - the first segment that is lost. */
static bool retransmit(struct world *w)
{
    for (; w->lost_from < w->next; w->lost_from++)
        if (w->lost[w->lost_from] && !w->sacked[w->lost_from]) {
            w->lost[w->lost_from] = false;
            w->outstanding++;
            segment_send(w, w->lost_from++);
            return true;
        }
    return false;
}

static void flow_send(struct world *w)
{
    while (w->traffic == RENO && w->outstanding < (uint32_t)w->window && w->next < SEGMENTS) {
        if (retransmit(w))
            continue;
        w->outstanding++;
        segment_send(w, w->next++);
    }
    for (; w->traffic == PACED && w->now >= w->pace_at && w->next < SEGMENTS;
         w->pace_at += (nanos)(SEGMENT * (uint64_t)NANOS_PER_SEC / w->pace))
        segment_send(w, w->next++);
}

static void acknowledge(struct world *w, uint32_t segment)
{
    struct esp_aggregate *a = w->ends[1].aggregate;
    struct flight f = {.ack = true, .segment = segment, .cumulative = w->expected, .len = 52};
    esp_aggregate_stamp(a, STREAM << 7, false, w->now, &f.order);
    transmit(w, false, path_scheduler_fastest(&a->scheduler, w->usable, w->now), &f, 52);
}

static void segment_take(struct world *w, uint32_t segment)
{
    assert_true(segment < w->most); /* nothing is invented */
    if (w->traffic == PACED)
        assert_false(w->got[segment]); /* nothing comes twice */
    w->disorder += segment < w->expected;
    w->delivered += !w->got[segment];
    w->got[segment] = true;
    if (w->delivered_at != 0 && w->now - w->delivered_at > w->longest_gap)
        w->longest_gap = w->now - w->delivered_at;
    w->delivered_at = w->now;
    while (w->expected < SEGMENTS && w->got[w->expected])
        w->expected++;
    if (w->traffic == RENO)
        acknowledge(w, segment);
}

/* losses_find - RFC 8985: sent a quarter of the round-trip time before one that came. */
static void losses_find(struct world *w)
{
    bool found = false;
    for (uint32_t i = w->acked; i < w->next; i++) {
        if (w->sacked[i] || w->lost[i] || w->sent_at[i] + w->srtt / 4 >= w->newest)
            continue;
        w->lost[i] = found = true;
        w->outstanding--;
        w->lost_from = i < w->lost_from ? i : w->lost_from;
    }
    if (!found || w->acked < w->recover)
        return;
    w->window = w->threshold = w->window * 0.7 < 2 ? 2 : w->window * 0.7;
    w->recover = w->next;
}

static void segment_done(struct world *w, uint32_t segment)
{
    if (w->sacked[segment])
        return;
    w->sacked[segment] = true;
    w->outstanding -= !w->lost[segment];
    w->lost[segment] = false;
    w->window += w->window < w->threshold ? 1 : 2 / w->window;
}

static void ack_take(struct world *w, uint32_t segment, uint32_t cumulative)
{
    nanos rtt = w->now - w->sent_at[segment];
    segment_done(w, segment);
    for (uint32_t i = w->acked; i < cumulative; i++)
        segment_done(w, i);
    w->newest = w->sent_at[segment] > w->newest ? w->sent_at[segment] : w->newest;
    w->srtt = w->srtt == 0 ? rtt : w->srtt + (rtt - w->srtt) / 8;
    w->acked = cumulative > w->acked ? cumulative : w->acked;
    w->rto_at = w->now + 200 * NANOS_PER_MS + 2 * w->srtt;
    losses_find(w);
}

static void timeout(struct world *w)
{
    w->rto_at = w->now + 400 * NANOS_PER_MS;
    for (uint32_t i = w->acked; i < w->next; i++)
        w->lost[i] = !w->sacked[i];
    w->outstanding = 0;
    w->lost_from = w->acked;
    w->threshold = w->window / 2;
    w->window = 2;
}

static void hand_on(struct world *w, struct order_packet *packet)
{
    uint32_t segment;
    memcpy(&segment, packet->octets, sizeof(segment));
    segment_take(w, segment);
}

static void drain(struct world *w, struct order_buffer *buffer)
{
    struct order_packet packet;
    while (order_buffer_next(buffer, w->now, &packet))
        hand_on(w, &packet);
    order_buffer_recycle(buffer);
}

static void arrive(struct world *w, struct flight *f)
{
    struct side *to = &w->ends[f->up];
    struct esp_aggregate *a = to->aggregate;
    if (!replay_window_commit(to->windows[f->path], f->sequence))
        return;
    uint32_t spi = 100 + f->path;
    struct aggregate_came came = {spi, f->sequence, f->len > 0 ? &f->order : NULL, f->len};
    esp_aggregate_came(a, &came, w->now);
    if (f->len == 0)
        esp_aggregate_report_take(a, span_of(f->report, f->report_len), spi, f->sequence, w->now);
    esp_aggregate_judge(a, spi, to->windows[f->path], w->now);
    if (f->ack) {
        ack_take(w, f->segment, f->cumulative);
    } else if (f->len > 0) {
        struct order_packet p = {.octets = (uint8_t *)&f->segment, .len = sizeof(f->segment)};
        enum order_fate fate;
        while ((fate = order_buffer_put(a->buffer, &f->order, &p, w->now)) == ORDER_RETRY)
            drain(w, a->buffer);
        if (fate == ORDER_DELIVER)
            hand_on(w, &p);
    }
    drain(w, a->buffer);
}

static nanos next_event(const struct world *w)
{
    nanos next = w->n > 0 ? w->heap[0]->due : NANOS_NEVER;
    for (int i = 0; i < 2; i++) {
        nanos due = esp_aggregate_deadline(w->ends[i].aggregate);
        next = nanos_min(next, due > w->now ? due : w->now + NANOS_PER_MS / 10);
    }
    next = nanos_min(next, w->traffic == PACED ? w->pace_at : w->rto_at);
    return next > w->now ? next : w->now;
}

static void step(struct world *w, nanos end)
{
    nanos next = next_event(w);
    w->now = next < end ? next : end;
    while (w->n > 0 && w->heap[0]->due <= w->now) {
        struct flight *f = heap_pop(w);
        arrive(w, f);
        free(f);
    }
    for (int i = 0; i < 2; i++) {
        esp_aggregate_tick(w->ends[i].aggregate, w->now);
        drain(w, w->ends[i].aggregate->buffer);
        reports(w, i == 0);
        again(w, i == 0);
    }
    if (w->traffic == RENO && w->now >= w->rto_at)
        timeout(w);
    flow_send(w);
}

static struct world *world_new(const struct scene *scene, unsigned usable)
{
    struct world *w = calloc(1, sizeof(*w));
    w->now = NANOS_PER_SEC;
    w->random = 88172645463325252u;
    w->usable = usable;
    w->traffic = scene->traffic;
    w->heap = calloc(FLIGHTS, sizeof(*w->heap));
    w->window = 10;
    w->threshold = 1e9;
    w->rto_at = w->pace_at = w->now;
    for (unsigned i = 0; i < PATHS; i++) {
        w->links[0][i] = scene->links[i];
        w->links[1][i] = (struct link){.rate = 100000000, .dies_at = scene->links[i].dies_at};
        if ((usable >> i & 1) != 0)
            w->pace += scene->links[i].rate * 9 / 10 * 1400 / 1460;
    }
    for (int i = 0; i < 2; i++) {
        w->ends[i].aggregate = esp_aggregate_new(UINT32_MAX - 100);
        for (unsigned k = 0; k < PATHS; k++) {
            w->ends[i].windows[k] = replay_window_new(8192);
            (void)path_scheduler_path(&w->ends[i].aggregate->scheduler, k + 1);
        }
    }
    return w;
}

static void world_free(struct world *w)
{
    while (w->n > 0)
        free(heap_pop(w));
    for (int i = 0; i < 2; i++) {
        esp_aggregate_free(w->ends[i].aggregate);
        for (unsigned k = 0; k < PATHS; k++)
            free(w->ends[i].windows[k]);
    }
    free(w->heap);
    free(w);
}

/* run - octets a second that the flow got over these paths in `seconds`. */
static double run(const struct scene *scene, unsigned usable, nanos seconds, nanos *ret_longest_gap)
{
    struct world *w = world_new(scene, usable);
    nanos end = w->now + seconds * NANOS_PER_SEC;
    while (w->now < end)
        step(w, end);
    double got = w->delivered * (double)SEGMENT / (double)seconds;
    if (ret_longest_gap != NULL)
        *ret_longest_gap = w->longest_gap;
    world_free(w);
    return got;
}

/* Mbit/s, ms, ms, of a million */
#define LINK(r, d, j, l)                                                                           \
    {                                                                                              \
        .rate = (uint64_t)(r)*125000, .delay = MS(d), .jitter = MS(j), .loss = (l)                 \
    }
#define LINK_OVERTAKES(r, d, j, l)                                                                 \
    {                                                                                              \
        .rate = (uint64_t)(r)*125000, .delay = MS(d), .jitter = MS(j), .loss = (l),                \
        .overtakes = true                                                                          \
    }

static const struct scene scenes[] = {
    {"equal", {LINK(50, 20, 0, 0), LINK(50, 20, 0, 0)}, PACED, 1.8, 0.9},
    {"4 to 1", {LINK(50, 20, 0, 0), LINK(12, 20, 0, 0)}, PACED, 1.1, 0.9},
    {"10 to 1", {LINK(100, 20, 0, 0), LINK(10, 20, 0, 0)}, PACED, 1.0, 0.9},
    {"slower first", {LINK(10, 20, 0, 0), LINK(100, 20, 0, 0)}, PACED, 1.0, 0.9},
    {"far", {LINK(50, 20, 0, 0), LINK(50, 70, 0, 0)}, PACED, 1.8, 0.9},
    {"loss", {LINK(50, 20, 0, 5000), LINK(50, 20, 0, 5000)}, PACED, 1.8, 0.9},
    {"jitter", {LINK(50, 20, 5, 0), LINK(50, 20, 5, 0)}, PACED, 1.8, 0.9},
    {"overtaking", {LINK_OVERTAKES(50, 20, 10, 0), LINK_OVERTAKES(50, 20, 10, 0)}, PACED, 1.8, 0.9},
    {"three", {LINK(30, 20, 0, 0), LINK(30, 30, 0, 0), LINK(30, 40, 0, 0)}, PACED, 2.5, 0.9},
    {"tcp equal", {LINK(50, 20, 0, 0), LINK(50, 20, 0, 0)}, RENO, 1.5, 0.75},
    {"tcp 4 to 1", {LINK(50, 20, 0, 0), LINK(12, 20, 0, 0)}, RENO, 1.0, 0.75},
    {"tcp 10 to 1", {LINK(100, 20, 0, 0), LINK(10, 20, 0, 0)}, RENO, 0.97, 0.75},
    {"tcp rtt_40", {LINK(50, 20, 0, 0), LINK(50, 40, 0, 0)}, RENO, 1.3, 0.7},
    {"tcp rtt_70", {LINK(50, 20, 0, 0), LINK(50, 70, 0, 0)}, RENO, 1.0, 0.5},
    {"tcp rtt_320", {LINK(50, 20, 0, 0), LINK(50, 320, 0, 0)}, RENO, 0.97, 0.4},
    {"tcp loss", {LINK(50, 20, 0, 5000), LINK(50, 20, 0, 5000)}, RENO, 2.2, 0.55},
    {"tcp loss 2 %", {LINK(50, 20, 0, 20000), LINK(50, 20, 0, 20000)}, RENO, 2, 0.2},
    {"tcp jitter", {LINK(50, 20, 5, 0), LINK(50, 20, 5, 0)}, RENO, 1.3, 0.6},
};

static void adds_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
        const struct scene *s = &scenes[i];
        double best = 0, sum = 0;
        unsigned all = 0;
        for (unsigned k = 0; k < PATHS && s->links[k].rate != 0; k++) {
            double alone = run(s, 1u << k, 8, NULL);
            best = alone > best ? alone : best;
            sum += (double)s->links[k].rate * 0.9 * 1400 / 1460;
            all |= 1u << k;
        }
        double together = run(s, all, 8, NULL);
        printf("%-14s %6.1f of best %5.2f (%4.2f) of sum %4.2f (%4.2f)\n", s->name, together * 8e-6,
               together / best, s->of_best, together / sum, s->of_sum);
        assert_true(together >= best * s->of_best);
        assert_true(together >= sum * s->of_sum);
    }
}

static void path_dies(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct scene s = {"death", {LINK(50, 20, 0, 0), LINK(50, 20, 0, 0)}, RENO, 0, 0};
        nanos gap;
        s.links[i].dies_at = 4 * NANOS_PER_SEC;
        (void)run(&s, 3, 8, &gap);
        printf("longest gap when path %d dies: %ld ms\n", i, (long)(gap / NANOS_PER_MS));
        assert_true(gap <= MS(250));
    }
}

static struct path_report report_like(uint64_t seed)
{
    struct path_report report = {.answer = (seed & 1) != 0, .n = (uint8_t)(seed % 9), .time = 7};
    for (uint8_t i = 0; i < report.n; i++) {
        report.entries[i] = (struct path_report_entry){.spi = (uint32_t)(100 + i),
                                                       .highest = (uint32_t)(seed * 977 + i),
                                                       .packets = (uint32_t)seed,
                                                       .octets = UINT32_MAX - i,
                                                       .delay_min = 65000,
                                                       .delay_last = 10,
                                                       .age = 3,
                                                       .n_gaps = (uint8_t)((seed + i) % 9)};
        for (uint8_t k = 0; k < report.entries[i].n_gaps; k++)
            report.entries[i].gaps[k] = (struct path_gap){(uint32_t)seed + k, (uint16_t)(k * 9000)};
    }
    return report;
}

/* What is written is read again; anything shorter is refused, anything behind it is padding. */
static void report_codec(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct path_report report = report_like(seed), again;
        uint8_t octets[PATH_REPORT_MAX + 8] = {0};
        size_t len = path_report_write(&report, octets);
        assert_true(octets[0] >> 4 != 4 && octets[0] >> 4 != 6); /* no IP packet */
        assert_true(path_report_read(span_of(octets, len + 8), &again));
        uint8_t copy[PATH_REPORT_MAX];
        assert_int_equal(path_report_write(&again, copy), len);
        assert_memory_equal(copy, octets, len);
        for (size_t shorter = 0; shorter < len; shorter++)
            assert_false(path_report_read(span_of(octets, shorter), &again));
        octets[0] = 0x20;
        assert_false(path_report_read(span_of(octets, len), &again));
    }
}

/* Reports that lie: about numbers that were never sent, with gaps of all there is, again and again.
 * What is sent once more stays within the budget, and nothing is sent twice more. */
static void lying_reports(void **state)
{
    (void)state;
    struct esp_aggregate *a = esp_aggregate_new(1);
    uint8_t packet[SEGMENT] = {0x45};
    uint32_t sent = 0, again = 0;
    nanos now = NANOS_PER_SEC;
    assert_int_equal(path_scheduler_path(&a->scheduler, 1), 0);
    for (uint64_t seed = 1; seed < 3000; seed++, now += MS(1)) {
        struct aggregate_sent s = {
            .spi = 100, .sequence = ++sent, .packet = packet, .len = SEGMENT, .wanted = true};
        esp_aggregate_stamp(a, 0, true, now, &s.order);
        esp_aggregate_sent(a, &s, now);
        struct path_report report = report_like(seed);
        report.entries[0].highest = seed % 3 == 0 ? sent : report.entries[0].highest;
        report.entries[0].delay_last = report.entries[0].delay_min; /* no queue: all is repaired */
        report.entries[0].gaps[0] = (struct path_gap){1, UINT16_MAX};
        uint8_t octets[PATH_REPORT_MAX];
        size_t len = path_report_write(&report, octets);
        esp_aggregate_report_take(a, span_of(octets, len), 200, seed, now);
        struct span octets_again;
        struct esp_order order;
        for (; esp_aggregate_again(a, now, &octets_again, &order); again++) {
            assert_true(order.copy);
            assert_int_equal(octets_again.len, SEGMENT);
        }
        assert_true(esp_order_ahead(a->scheduler.paths[0].highest, sent) <= 0);
    }
    assert_true(again <= sent);
    assert_true(a->counters.abandoned > 0); /* the budget: a lie does not double the traffic */
    esp_aggregate_free(a);
}

/* Reports whose gaps are all that was sent: few octets of a peer cause few look-ups, however many reports come. */
static void reports_of_gaps(void **state)
{
    (void)state;
    enum { REPORTS = 100 };
    struct esp_aggregate *a = esp_aggregate_new(1);
    uint8_t packet[SEGMENT] = {0x45}, octets[PATH_REPORT_MAX];
    uint32_t looks = 0;
    nanos now = NANOS_PER_SEC;
    assert_int_equal(path_scheduler_path(&a->scheduler, 1), 0);
    for (uint32_t i = 1; i <= RESEND_PACKETS; i++) {
        struct aggregate_sent s = {
            .spi = 100, .sequence = i, .packet = packet, .len = SEGMENT, .wanted = true};
        esp_aggregate_stamp(a, 0, true, now, &s.order);
        esp_aggregate_sent(a, &s, now);
    }
    struct path_report report = {.n = PATH_REPORT_ENTRIES};
    for (uint8_t i = 0; i < report.n; i++) {
        report.entries[i] = (struct path_report_entry){
            .spi = 100, .highest = RESEND_PACKETS, .n_gaps = PATH_REPORT_GAPS};
        for (uint8_t k = 0; k < PATH_REPORT_GAPS; k++)
            report.entries[i].gaps[k] = (struct path_gap){0u - i - k, UINT16_MAX};
    }
    size_t len = path_report_write(&report, octets);
    for (uint32_t i = 1; i <= REPORTS; i++, now += MS(1) / REPORTS) {
        struct span again;
        struct esp_order order;
        esp_aggregate_report_take(a, span_of(octets, len), 200, i, now);
        for (unsigned k = 0; k < a->n_jobs; k++)
            looks += a->jobs[k].count;
        while (esp_aggregate_again(a, now, &again, &order))
            ;
    }
    assert_true(looks >= RESEND_PACKETS); /* what may be lost was looked up */
    assert_true(looks <= 9 * RESEND_PACKETS);
    esp_aggregate_free(a);
}

/* struct urgent_row - a packet, and whether it goes ahead of the others. */
struct urgent_row {
    uint8_t protocol, flags, tos;
    uint16_t dst_port;
    size_t payload;
    bool urgent;
};

static void urgent_packets(void **state)
{
    static const struct urgent_row rows[] = {
        {6, 0x02, 0, 80, 0, true},
        {6, 0x10, 0, 80, 0, true},
        {6, 0x10, 0, 80, 1, false},
        {6, 0x11, 0, 80, 0, false},
        {6, 0x14, 0, 80, 0, false},
        {6, 0x18, 0, 80, 1000, false},
        {17, 0, 0, 53, 40, true},
        {17, 0, 0, 53, 1000, false},
        {17, 0, 0, 5004, 160, false},
        {17, 0, 46 << 2, 5004, 160, true},
        {17, 0, 46 << 2, 5004, 1000, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t octets[2000];
        struct esp_inner inner;
        struct test_packet p = {.protocol = rows[i].protocol,
                                .flags = rows[i].flags,
                                .tos = rows[i].tos,
                                .src_port = 4000,
                                .dst_port = rows[i].dst_port,
                                .payload = rows[i].payload};
        size_t len = test_packet_write(octets, &p);
        assert_true(esp_inner_parse(span_of(octets, len), &inner));
        assert_int_equal(esp_aggregate_urgent(octets, &inner), rows[i].urgent);
    }
}

/* Without a usable path, what waits to leave asks for no time; with one, it does again. */
static void stranded(void **state)
{
    (void)state;
    struct esp_aggregate *a = esp_aggregate_new(1);
    const struct aggregate_packet packet = {.len = SEGMENT};
    struct aggregate_text text;
    nanos now = NANOS_PER_SEC;
    assert_int_equal(path_scheduler_path(&a->scheduler, 1), 0);
    struct aggregate_came came = {
        .spi = 200, .sequence = 1, .order = &(struct esp_order){.present = true}, .len = SEGMENT};
    esp_aggregate_came(a, &came, now); /* a report is due for it */
    memset(esp_aggregate_wait(a, 1, &packet, now), 0x45, SEGMENT);
    a->sent_at = now;
    now += MS(20);
    assert_true(esp_aggregate_deadline(a) <= now);
    assert_false(esp_aggregate_next(a, 0, now, &text));
    assert_int_equal(esp_aggregate_look(a, now), now + MS(5));
    while (esp_aggregate_next(a, 1, now, &text))
        ;
    assert_int_equal(a->queue->octets, 0);
    memset(esp_aggregate_wait(a, 1, &packet, now), 0x45, SEGMENT);
    assert_true(esp_aggregate_deadline(a) <= now);
    esp_aggregate_free(a);
}

/* A class of traffic has other paths than the rest of its session: what waits leaves them alone. */
static void classes_of_traffic(void **state)
{
    (void)state;
    struct esp_aggregate *a = esp_aggregate_new(1);
    struct aggregate_packet packet = {.len = SEGMENT, .mode = ESP_MODE_BALANCE, .home = 1};
    struct aggregate_text text;
    struct esp_order order;
    nanos now = NANOS_PER_SEC;
    assert_int_equal(path_scheduler_path(&a->scheduler, 1), 0);
    assert_int_equal(path_scheduler_path(&a->scheduler, 2), 1);
    /* one path: no place in the order, whatever else is usable */
    assert_int_equal(esp_aggregate_place(a, 3, &packet, now, &order), 1);
    assert_true(order.no_hold && !a->twice);
    packet.mode = ESP_MODE_REDUNDANT;
    packet.urgent = true;
    assert_true(esp_aggregate_place(a, 3, &packet, now, &order) >= 0);
    assert_true(!order.no_hold && a->twice);
    for (unsigned queued = 1; queued <= 2; queued++) {
        for (int i = 0; i < 20; i++)
            memset(esp_aggregate_wait(a, queued, &packet, now), 0x45, SEGMENT);
        while (a->queue->octets > 0) {
            now += MS(1);
            while (esp_aggregate_next(a, 3, now, &text))
                assert_true(!text.data || text.path == queued - 1);
        }
    }
    /* ... unless no other one is left */
    memset(esp_aggregate_wait(a, 1, &packet, now), 0x45, SEGMENT);
    while (esp_aggregate_next(a, 2, now, &text))
        ;
    assert_int_equal(a->queue->octets, 0);
    esp_aggregate_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_of_traffic), cmocka_unit_test(adds_up),
        cmocka_unit_test(path_dies),          cmocka_unit_test(report_codec),
        cmocka_unit_test(lying_reports),      cmocka_unit_test(urgent_packets),
        cmocka_unit_test(reports_of_gaps),    cmocka_unit_test(stranded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
