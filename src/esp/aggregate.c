/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/aggregate.h"

#include <stdlib.h>

#include "base/assert.h"

#define REPORT_NS (10 * NANOS_PER_MS)
/* a loss is reported earlier than the next regular report */
#define REPORT_GAP_NS (3 * NANOS_PER_MS)
#define ACTIVE_NS     NANOS_PER_SEC /* paths are not tested after this time without a packet */
#define LOOK_LEAST_NS (NANOS_PER_MS / 5)
#define LOOK_BUSY_NS  (5 * NANOS_PER_MS)
#define LOOK_IDLE_NS  NANOS_PER_SEC
#define IDLE_NS       (30 * NANOS_PER_SEC)
/* a path counts for the wait if it carried a packet this recently */
#define RECENT_NS     (500 * NANOS_PER_MS)
#define RESET_NUMBERS 256 /* packets with the reset flag after the numbers begin */
#define BUDGET_MAX    (256 << 10)
#define BUDGET_FIRST  (64 << 10)
#define BUDGET_PPM    10000 /* 1 % in addition to the measured loss */
#define DSCP_EF       46    /* RFC 3246 */
#define PORT_DNS      53
#define SMALL_OCTETS  256
#define STANDS_NS     (500 * NANOS_PER_MS) /* a backlog stands until no packet waited for so long */
#define QUEUE_MS      20                   /* of the paths' rate, what waits at most */
#define QUEUE_OCTETS  (2 << 20)
#define QUEUE_LEAST   24000 /* for the first packets of a flow on slow paths */
/* time that a packet in a reported gap counts, and how much of it the peer may use ahead: 8 full rings */
#define LOOK_NS  (NANOS_PER_US / 4)
#define LOOKS_NS (8 * RESEND_PACKETS * LOOK_NS)

_Static_assert(sizeof(struct esp_aggregate) + sizeof(struct order_buffer) + ORDER_OCTETS +
                       sizeof(struct resend_ring) + sizeof(struct flow_queue) + FLOW_QUEUE_OCTETS <=
                   LIMIT_ORDER_SPACE_OCTETS,
               "what a space takes is known");

struct esp_aggregate *esp_aggregate_new(uint32_t seed)
{
    struct esp_aggregate *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return NULL;
    a->buffer = order_buffer_new();
    a->ring = resend_ring_new();
    a->queue = flow_queue_new();
    if (a->buffer == NULL || a->ring == NULL || a->queue == NULL)
        return esp_aggregate_free(a);
    a->budget = BUDGET_FIRST;
    for (unsigned i = 0; i < AGGREGATE_BUCKETS; i++)
        a->numbers[i] = seed;
    return a;
}

struct esp_aggregate *esp_aggregate_free(struct esp_aggregate *a)
{
    if (a == NULL)
        return NULL;
    order_buffer_free(a->buffer);
    resend_ring_free(a->ring);
    flow_queue_free(a->queue);
    free(a);
    return NULL;
}

/* --- out --- */

static bool tcp_urgent(const uint8_t *tcp, size_t len)
{
    enum { FIN = 1, SYN = 2, RST = 4 };
    if (len < 20)
        return false;
    size_t header = (tcp[12] >> 4) * 4u;
    return (tcp[13] & SYN) != 0 || (len == header && (tcp[13] & (FIN | RST)) == 0);
}

bool esp_aggregate_urgent(const uint8_t *packet, const struct esp_inner *inner)
{
    if (inner->total_len > SMALL_OCTETS || inner->fragment)
        return false;
    if (inner->tos >> 2 == DSCP_EF || inner->protocol == ESP_PROTO_ICMP ||
        inner->protocol == ESP_PROTO_ICMPV6)
        return true;
    if (inner->protocol == ESP_PROTO_UDP)
        return inner->src_port == PORT_DNS || inner->dst_port == PORT_DNS;
    return inner->protocol == ESP_PROTO_TCP &&
           tcp_urgent(packet + inner->l4_offset, inner->total_len - (size_t)inner->l4_offset);
}

static unsigned bucket_of(uint64_t flow_hash)
{
    return (unsigned)(flow_hash >> 7) % AGGREGATE_BUCKETS;
}

void esp_aggregate_stamp(struct esp_aggregate *a, uint64_t flow_hash, bool hold, nanos now,
                         struct esp_order *ret_order)
{
    unsigned bucket = bucket_of(flow_hash);
    *ret_order = (struct esp_order){
        .present = true, .no_hold = !hold, .bucket = (uint8_t)bucket, .time = esp_order_time(now)};
    if (!hold)
        return;
    ret_order->reset = a->since_reset[bucket] < RESET_NUMBERS;
    a->since_reset[bucket] += ret_order->reset;
    ret_order->number = a->numbers[bucket]++;
}

static void job_add(struct esp_aggregate *a, const struct aggregate_job *job)
{
    if (a->n_jobs < AGGREGATE_JOBS && job->count > 0)
        a->jobs[a->n_jobs++] = *job;
}

/* second_add - the packet takes another path as well, behind the rest of its frame. */
static void second_add(struct esp_aggregate *a, const struct aggregate_sent *sent)
{
    struct aggregate_job *last = a->n_jobs > 0 ? &a->jobs[a->n_jobs - 1] : NULL;
    uint32_t number = (uint32_t)sent->sequence;
    if (last != NULL && last->twice && last->path == sent->path && last->spi == sent->spi &&
        last->first + last->count == number)
        last->count++;
    else
        job_add(
            a,
            &(struct aggregate_job){
                .path = sent->path, .spi = sent->spi, .first = number, .count = 1, .twice = true});
}

void esp_aggregate_sent(struct esp_aggregate *a, const struct aggregate_sent *sent, nanos now)
{
    struct path_model *model = &a->scheduler.paths[sent->path];
    bool keep = sent->packet != NULL && !sent->order.no_hold && !sent->order.copy;
    struct resend_entry entry = {.spi = sent->spi,
                                 .sequence = (uint32_t)sent->sequence,
                                 .total = model->total + (uint32_t)sent->len,
                                 .sent = now,
                                 .order = sent->order,
                                 .len = (uint16_t)sent->len};
    resend_ring_add(a->ring, sent->path, &entry, keep ? sent->packet : NULL);
    path_scheduler_sent(&a->scheduler, sent->path, &entry, sent->len, sent->wanted);
    a->budget += (int64_t)sent->len * (BUDGET_PPM + model->loss) / 1000000;
    a->budget = a->budget < BUDGET_MAX ? a->budget : BUDGET_MAX;
    if (sent->packet == NULL)
        return;
    if (a->twice && keep)
        second_add(a, sent);
    a->twice = false;
    a->sent_at = now;
    a->counters.sent += !sent->order.no_hold;
}

static bool several(unsigned usable)
{
    return (usable & (usable - 1)) != 0;
}

static struct scheduler_backlog backlog_of(const struct esp_aggregate *a, nanos now)
{
    bool stands = now - a->waited_at <= STANDS_NS;
    return (struct scheduler_backlog){a->queue->octets, stands ? a->waiting_since : 0};
}

/* home_of - the path of the flow, or the fastest one while that is silent. */
static unsigned home_of(const struct esp_aggregate *a, unsigned usable, unsigned home, nanos now)
{
    const struct path_model *model = &a->scheduler.paths[home];
    bool silent = (usable >> home & 1) == 0 || model->stalled;
    return silent ? path_scheduler_fastest(&a->scheduler, usable, now) : home;
}

/* place_by_flow - `multipath = auto`, while whole flows are spread. */
static unsigned place_by_flow(struct esp_aggregate *a, unsigned usable,
                              const struct aggregate_packet *packet, nanos now,
                              struct esp_order *ret_order)
{
    bool hold = spread_choice_numbers(&a->choice) && several(usable) && !packet->urgent;
    a->twice = false;
    esp_aggregate_stamp(a, packet->flow_hash, hold, now, ret_order);
    return home_of(a, usable, packet->home, now);
}

/* place_plain - a packet on the path of its flow, without a place in the order. */
static unsigned place_plain(struct esp_aggregate *a, unsigned usable,
                            const struct aggregate_packet *packet, nanos now,
                            struct esp_order *ret_order)
{
    a->twice = false;
    esp_aggregate_stamp(a, packet->flow_hash, false, now, ret_order);
    return home_of(a, usable, packet->home, now);
}

int esp_aggregate_place(struct esp_aggregate *a, unsigned usable,
                        const struct aggregate_packet *packet, nanos now,
                        struct esp_order *ret_order)
{
    struct scheduler_backlog backlog = backlog_of(a, now);
    int path = -1;
    if (!esp_aggregate_orders(packet->mode))
        return (int)place_plain(a, usable, packet, now, ret_order);
    if (packet->mode == ESP_MODE_AUTO) {
        spread_choice_look(&a->choice, &a->scheduler, usable, a->queue->octets > 0, now);
        if (spread_choice_by_flow(&a->choice))
            return (int)place_by_flow(a, usable, packet, now, ret_order);
    }
    a->twice = packet->mode == ESP_MODE_REDUNDANT && several(usable);
    if (packet->urgent || a->twice || !several(usable)) {
        path = (int)path_scheduler_fastest(&a->scheduler, usable, now);
    } else if (packet->len > FLOW_QUEUE_PACKET) {
        path = (int)path_scheduler_pick(&a->scheduler, usable, packet->len, now);
    } else if (path_scheduler_drop(&a->scheduler, usable, now)) {
        a->counters.dropped++;
        return AGGREGATE_DROP;
    } else if (a->queue->octets == 0) {
        path = path_scheduler_take(&a->scheduler, usable, packet->len, &backlog, now);
    }
    if (path < 0)
        return AGGREGATE_WAIT;
    bool hold = several(usable) && (!packet->urgent || a->twice); /* copies are told by numbers */
    esp_aggregate_stamp(a, packet->flow_hash, hold, now, ret_order);
    return path;
}

uint8_t *esp_aggregate_wait(struct esp_aggregate *a, unsigned usable,
                            const struct aggregate_packet *packet, nanos now)
{
    uint64_t rate = path_scheduler_rate(&a->scheduler, usable);
    uint64_t most = rate * QUEUE_MS / 1000;
    a->queue->limit = (uint32_t)(rate == 0 || most > QUEUE_OCTETS ? QUEUE_OCTETS : most);
    if (a->queue->limit < QUEUE_LEAST)
        a->queue->limit = QUEUE_LEAST;
    if (now - a->waited_at > STANDS_NS)
        a->waiting_since = now;
    a->waited_at = now;
    a->waits_for = usable;
    return flow_queue_put(a->queue, bucket_of(packet->flow_hash), packet->len, now);
}

/* job_next - the next packet of a job that is worth resending. NULL: the job is done. */
static struct resend_entry *job_next(struct esp_aggregate *a, struct aggregate_job *job)
{
    while (job->count > 0) {
        struct resend_entry *entry = resend_ring_find(a->ring, job->path, job->spi, job->first);
        job->first++;
        job->count--;
        if (entry != NULL && !entry->resent && entry->len > 0)
            return entry;
    }
    return NULL;
}

static bool affordable(struct esp_aggregate *a, const struct aggregate_job *job,
                       struct resend_entry *entry)
{
    entry->resent = true;
    if (job->twice) {
        a->counters.copies++;
        return true;
    }
    if (job->stalled) {
        a->counters.reinjected++;
        return true;
    }
    if (a->budget < entry->len) {
        a->counters.abandoned++;
        return false;
    }
    a->budget -= entry->len;
    a->counters.repaired++;
    return true;
}

bool esp_aggregate_again(struct esp_aggregate *a, nanos now, struct span *ret_packet,
                         struct esp_order *ret_order)
{
    while (a->n_jobs > 0) {
        struct aggregate_job *job = &a->jobs[a->n_jobs - 1];
        struct resend_entry *entry = job_next(a, job);
        if (entry == NULL) {
            a->n_jobs--;
            continue;
        }
        const uint8_t *octets = resend_ring_octets(a->ring, entry);
        if (octets == NULL || !affordable(a, job, entry))
            continue;
        a->again = *job;
        *ret_packet = span_of(octets, entry->len);
        *ret_order = entry->order;
        ret_order->copy = true;
        ret_order->time = esp_order_time(now);
        return true;
    }
    return false;
}

/* outstanding_again - resends the outstanding packets of a path on the others. */
static void outstanding_again(struct esp_aggregate *a, unsigned path, bool stalled)
{
    struct path_model *model = &a->scheduler.paths[path];
    uint32_t first = model->highest + 1, count = model->wanted - model->highest;
    if (!model->reported || count > RESEND_PACKETS) {
        first = model->wanted - (RESEND_PACKETS - 1);
        count = RESEND_PACKETS;
    }
    struct aggregate_job job = {
        .path = path, .spi = model->spi, .first = first, .count = count, .stalled = stalled};
    job_add(a, &job);
}

void esp_aggregate_gone(struct esp_aggregate *a, unsigned path)
{
    struct path_model *model = &a->scheduler.paths[path];
    if (!model->outstanding || model->stalled)
        return;
    model->stalled = true;
    outstanding_again(a, path, true);
}

/* --- in --- */

static struct path_meter *meter_of(struct esp_aggregate *a, uint32_t spi, nanos now)
{
    struct path_meter *oldest = &a->meters[0];
    for (unsigned i = 0; i < AGGREGATE_METERS; i++) {
        if (a->meters[i].spi == spi)
            return &a->meters[i];
        if (a->meters[i].came < oldest->came)
            oldest = &a->meters[i];
    }
    path_meter_begin(oldest, spi, now);
    return oldest;
}

void esp_aggregate_came(struct esp_aggregate *a, const struct aggregate_came *came, nanos now)
{
    struct path_meter *meter = meter_of(a, came->spi, now);
    path_meter_take(meter, came->sequence, (uint32_t)came->len, now);
    if (came->order == NULL || !came->order->present)
        return;
    path_meter_time(meter, came->sequence, came->order->time, now);
    meter->fresh = true;
    a->came_at = now;
}

void esp_aggregate_judge(struct esp_aggregate *a, uint32_t spi, const struct replay_window *window,
                         nanos now)
{
    a->gap |= path_meter_judge(meter_of(a, spi, now), window, now);
}

/* looks_take - how many of `n` packets may be looked up now. Gaps take few octets of a report, and many look-ups. */
static uint32_t looks_take(struct esp_aggregate *a, uint32_t n, nanos now)
{
    a->looked = a->looked > now ? a->looked : now;
    nanos left = (LOOKS_NS - (a->looked - now)) / LOOK_NS;
    n = n < left ? n : (uint32_t)left;
    a->looked += n * LOOK_NS;
    return n;
}

/* gap_take - resends the packets of the gap that the ring can have. A packet for which no look-up is left is in the
 * next report again. */
static void gap_take(struct esp_aggregate *a, unsigned path, const struct path_gap *gap, nanos now)
{
    const struct path_model *model = &a->scheduler.paths[path];
    uint32_t first = gap->first, end = gap->first + gap->count;
    uint32_t oldest = model->newest - (RESEND_PACKETS - 1);
    first = esp_order_ahead(oldest, first) > 0 ? oldest : first;
    end = esp_order_ahead(end, model->newest) > 0 ? model->newest + 1 : end;
    if (esp_order_ahead(end, first) <= 0)
        return;
    struct aggregate_job job = {
        .path = path, .spi = model->spi, .first = first, .count = looks_take(a, end - first, now)};
    job_add(a, &job);
}

static void entry_take(struct esp_aggregate *a, const struct path_report_entry *e, uint16_t time,
                       nanos now)
{
    for (unsigned i = 0; i < SCHEDULER_PATHS; i++) {
        const struct path_model *model = &a->scheduler.paths[i];
        if (model->key == 0 || model->spi != e->spi)
            continue;
        if (esp_order_ahead(e->highest, model->newest) > 0)
            return; /* a number that we never sent */
        path_scheduler_report(&a->scheduler, i, e, time,
                              resend_ring_find(a->ring, i, e->spi, e->highest), now);
        for (uint8_t k = e->n_gaps; k-- > 0 && !path_model_crowded(model);)
            gap_take(a, i, &e->gaps[k], now);
        return;
    }
}

void esp_aggregate_report_take(struct esp_aggregate *a, struct span text, uint32_t spi,
                               uint64_t sequence, nanos now)
{
    struct path_report report;
    if (!path_report_read(text, &report))
        return;
    struct path_meter *meter = meter_of(a, spi, now);
    path_meter_time(meter, sequence, report.time, now);
    meter->fresh |= report.answer;
    a->answer |= report.answer;
    for (uint8_t i = 0; i < report.n; i++)
        entry_take(a, &report.entries[i], report.time, now);
}

/* --- reports and time --- */

/* wait_learn - the wait for missing packets follows the difference of delays of the paths in
 * use. */
static void wait_learn(struct esp_aggregate *a, nanos now)
{
    const struct path_meter *first = NULL;
    nanos low = 0, high = 0;
    for (unsigned i = 0; i < AGGREGATE_METERS; i++) {
        const struct path_meter *m = &a->meters[i];
        if (m->spi == 0 || !m->timed || now - m->came > RECENT_NS)
            continue;
        first = first == NULL ? m : first;
        nanos least = (int16_t)(uint16_t)(m->least[0] - first->least[0]) * ESP_ORDER_TICK;
        nanos late = least + m->smooth + 4 * m->deviation;
        low = m == first ? least : nanos_min(low, least);
        high = m == first || late > high ? late : high;
    }
    a->buffer->wait = nanos_min(high - low + ORDER_WAIT_MIN, ORDER_WAIT_MAX);
}

static bool report_wanted(const struct esp_aggregate *a, nanos now)
{
    nanos since = now - a->reported_at;
    if (a->answer || (a->gap && since >= REPORT_GAP_NS))
        return since >= REPORT_GAP_NS;
    bool fresh = false;
    for (unsigned i = 0; i < AGGREGATE_METERS; i++)
        fresh |= a->meters[i].fresh;
    return fresh && since >= REPORT_NS;
}

size_t esp_aggregate_report_due(struct esp_aggregate *a, bool probe, nanos now, uint8_t *out)
{
    if (!probe && !report_wanted(a, now))
        return 0;
    struct path_report report = {.answer = probe, .time = esp_order_time(now)};
    for (unsigned i = 0; i < AGGREGATE_METERS && report.n < PATH_REPORT_ENTRIES; i++) {
        struct path_meter *m = &a->meters[i];
        if (m->spi != 0 && m->timed && (m->fresh || now - m->came < RECENT_NS))
            path_meter_report(m, &report.entries[report.n++], now);
    }
    a->reported_at = now;
    a->gap = a->answer = false;
    a->reports++;
    wait_learn(a, now);
    return path_report_write(&report, out);
}

unsigned esp_aggregate_report_path(const struct esp_aggregate *a, unsigned usable, nanos now)
{
    unsigned fastest = path_scheduler_fastest(&a->scheduler, usable, now);
    return a->reports % 3 == 0 ? path_scheduler_other(&a->scheduler, usable, fastest) : fastest;
}

/* report_next - tests a path that we know little of, or sends the report that the peer waits
 * for. */
static bool report_next(struct esp_aggregate *a, unsigned usable, nanos now,
                        struct aggregate_text *ret_text)
{
    bool sends = a->sent_at != 0 && now - a->sent_at < ACTIVE_NS;
    int probed = sends ? path_scheduler_probe(&a->scheduler, usable, now) : -1;
    size_t len = esp_aggregate_report_due(a, probed >= 0, now, a->report);
    if (len == 0)
        return false;
    unsigned path = probed >= 0 ? (unsigned)probed : esp_aggregate_report_path(a, usable, now);
    *ret_text = (struct aggregate_text){.path = path, .octets = span_of(a->report, len)};
    return true;
}

/* twin_keep - a flow waits for the packet: it takes two paths, as long as the budget is not half
 * spent, since the one that is expected to be faster may just be late. */
static void twin_keep(struct esp_aggregate *a, unsigned usable, const struct aggregate_text *text)
{
    unsigned other = path_scheduler_other(&a->scheduler, usable, text->path);
    if (other == text->path || a->budget < BUDGET_FIRST)
        return;
    a->budget -= (int64_t)text->octets.len;
    a->counters.twins++;
    a->twin = *text;
    a->twin.path = other;
}

static bool twin_next(struct esp_aggregate *a, struct aggregate_text *ret_text)
{
    *ret_text = a->twin;
    a->twin = (struct aggregate_text){0};
    return ret_text->octets.ptr != NULL;
}

/* waiting_next - a packet that waited, if a path can take it. */
static bool waiting_next(struct esp_aggregate *a, unsigned usable, nanos now,
                         struct aggregate_text *ret_text)
{
    struct scheduler_backlog backlog = backlog_of(a, now);
    unsigned line;
    if (a->queue->octets == 0)
        return false;
    /* a class of traffic may use further paths, which these packets leave alone */
    usable = (usable & a->waits_for) != 0 ? usable & a->waits_for : usable;
    int path = several(usable)
                   ? path_scheduler_take(&a->scheduler, usable, SCHEDULER_PACKET, &backlog, now)
                   : (int)path_scheduler_fastest(&a->scheduler, usable, now);
    if (path < 0)
        return false;
    struct aggregate_text text = {.path = (unsigned)path, .data = true, .wanted = true};
    bool found = flow_queue_next(a->queue, now, &text.octets, &line);
    if (!found)
        return false;
    esp_aggregate_stamp(a, (uint64_t)line << 7, several(usable), now, &text.order);
    *ret_text = text;
    return true;
}

bool esp_aggregate_next(struct esp_aggregate *a, unsigned usable, nanos now,
                        struct aggregate_text *ret_text)
{
    a->stranded = usable == 0;
    if (a->stranded)
        return false;
    struct aggregate_text text = {.data = true, .wanted = true};
    if (twin_next(a, ret_text) || report_next(a, usable, now, ret_text))
        return true;
    if (!esp_aggregate_again(a, now, &text.octets, &text.order))
        return waiting_next(a, usable, now, ret_text);
    text.path = a->again.twice ? path_scheduler_second(&a->scheduler, usable, a->again.path)
                               : path_scheduler_fastest(&a->scheduler, usable, now);
    *ret_text = text;
    if (!a->again.twice)
        twin_keep(a, usable, &text);
    return true;
}

void esp_aggregate_tick(struct esp_aggregate *a, nanos now)
{
    int path;
    while ((path = path_scheduler_tail(&a->scheduler, now)) >= 0) {
        a->counters.tails++;
        outstanding_again(a, (unsigned)path, false);
    }
    while ((path = path_scheduler_stall(&a->scheduler, now)) >= 0)
        outstanding_again(a, (unsigned)path, true);
}

nanos esp_aggregate_deadline(const struct esp_aggregate *a)
{
    nanos due = nanos_min(order_buffer_deadline(a->buffer), path_scheduler_deadline(&a->scheduler));
    if (a->stranded) /* reports and packets cannot leave, so no time is due for them */
        return due;
    bool fresh = a->gap || a->answer;
    for (unsigned i = 0; i < AGGREGATE_METERS; i++)
        fresh |= a->meters[i].fresh;
    if (fresh)
        due = nanos_min(due, a->reported_at + REPORT_NS);
    if (a->queue->octets > 0)
        due = nanos_min(due, a->scheduler.credit_at);
    return due;
}

bool esp_aggregate_idle(const struct esp_aggregate *a, nanos now)
{
    nanos last = a->sent_at > a->came_at ? a->sent_at : a->came_at;
    return now - last > IDLE_NS;
}

nanos esp_aggregate_look(const struct esp_aggregate *a, nanos now)
{
    nanos last = a->sent_at > a->came_at ? a->sent_at : a->came_at;
    nanos due = esp_aggregate_deadline(a);
    due = due > now ? due : now + LOOK_LEAST_NS;
    return nanos_min(due, now + (now - last < ACTIVE_NS ? LOOK_BUSY_NS : LOOK_IDLE_NS));
}
