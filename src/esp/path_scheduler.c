/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/path_scheduler.h"

#include "base/assert.h"

#define RATE_FIRST    ((uint64_t)4000000) /* octets a second, until it is measured */
#define RATE_MIN      ((uint64_t)8000)
#define RATE_SAMPLE   (30 * NANOS_PER_MS) /* at least between two samples */
#define RATE_STALE    (2 * NANOS_PER_SEC) /* below the 4.2 s after which times wrap */
#define BACKLOG_NS    (3 * NANOS_PER_MS)  /* a queue this long shows the rate of the path itself */
#define STICKY_NS     NANOS_PER_MS        /* a burst stays on a path for so long */
#define LOSS_SAMPLE   128                 /* packets */
#define LOSS_COST     NANOS_PER_US        /* of a loss of one in a million: 1 % counts as 10 ms */
#define STALL_MIN_NS  (80 * NANOS_PER_MS)
#define STALL_MAX_NS  (600 * NANOS_PER_MS)
#define PROBE_NS      (100 * NANOS_PER_MS)
#define QUIET_NS      (500 * NANOS_PER_MS) /* without a packet, a path is probed */
#define DROP_TARGET   (25 * NANOS_PER_MS)  /* RFC 8289's 5 ms, and what measuring adds */
#define DROP_INTERVAL (100 * NANOS_PER_MS) /* RFC 8289 section 4.2 */

unsigned path_scheduler_path(struct path_scheduler *s, uint32_t key)
{
    unsigned oldest = 0;
    for (unsigned i = 0; i < SCHEDULER_PATHS; i++) {
        if (s->paths[i].key == key)
            return i;
        bool older = s->paths[i].sent_at < s->paths[oldest].sent_at;
        if (s->paths[oldest].key != 0 && (s->paths[i].key == 0 || older))
            oldest = i;
    }
    s->paths[oldest] = (struct path_model){.key = key, .rate = RATE_FIRST};
    return oldest;
}

/* --- when a packet arrives --- */

static nanos wire_time(const struct path_model *p, size_t len)
{
    return (nanos)((uint64_t)len * (uint64_t)NANOS_PER_SEC / p->rate);
}

static nanos queue_of(const struct path_model *p, nanos now)
{
    return p->free_at > now ? p->free_at - now : 0;
}

static bool ready(const struct path_model *p)
{
    return p->measured && !p->stalled;
}

/* delay_of - relative to the path `to`. */
static nanos delay_of(const struct path_model *p, const struct path_model *to)
{
    return (int16_t)(uint16_t)(p->base - to->base) * ESP_ORDER_TICK;
}

/* first_ready - with `all` also a path that was not measured, or stalls. */
static int first_ready(const struct path_scheduler *s, unsigned usable, bool all)
{
    for (unsigned i = 0; i < SCHEDULER_PATHS; i++)
        if ((usable >> i & 1) != 0 && (all || ready(&s->paths[i])))
            return (int)i;
    return -1;
}

static nanos arrival(const struct path_scheduler *s, unsigned i, unsigned reference, size_t len,
                     nanos now)
{
    const struct path_model *p = &s->paths[i];
    return queue_of(p, now) + wire_time(p, len) + delay_of(p, &s->paths[reference]) +
           p->loss * LOSS_COST;
}

static unsigned earliest(const struct path_scheduler *s, unsigned usable, size_t len, nanos now)
{
    int first = first_ready(s, usable, false);
    if (first < 0) {
        bool in_use = (usable >> s->current & 1) != 0 && !s->paths[s->current].stalled;
        return in_use ? s->current : (unsigned)first_ready(s, usable, true);
    }
    unsigned best = (unsigned)first;
    for (unsigned i = best + 1; i < SCHEDULER_PATHS; i++)
        if ((usable >> i & 1) != 0 && ready(&s->paths[i]) &&
            arrival(s, i, best, len, now) < arrival(s, best, best, len, now))
            best = i;
    return best;
}

unsigned path_scheduler_fastest(const struct path_scheduler *s, unsigned usable, nanos now)
{
    ASSERT(usable != 0);
    return earliest(s, usable, 0, now);
}

unsigned path_scheduler_other(const struct path_scheduler *s, unsigned usable, unsigned not )
{
    for (unsigned i = 1; i < SCHEDULER_PATHS; i++) {
        unsigned k = (not +i) % SCHEDULER_PATHS;
        if ((usable >> k & 1) != 0 && ready(&s->paths[k]))
            return k;
    }
    return not ;
}

unsigned path_scheduler_pick(struct path_scheduler *s, unsigned usable, size_t len, nanos now)
{
    ASSERT(usable != 0);
    unsigned best = earliest(s, usable, len, now), old = s->current;
    nanos burst = 2 * wire_time(&s->paths[old], len);
    burst = burst > STICKY_NS ? burst : STICKY_NS;
    bool stays = (usable >> old & 1) != 0 && ready(&s->paths[old]) &&
                 arrival(s, old, best, len, now) <= arrival(s, best, best, len, now) + burst;
    return s->current = stays ? old : best;
}

/* --- controlled delay: the sender inside learns by a loss that all paths are full --- */

static nanos shortest_queue(const struct path_scheduler *s, unsigned usable, nanos now)
{
    nanos least = NANOS_NEVER;
    for (unsigned i = 0; i < SCHEDULER_PATHS; i++)
        if ((usable >> i & 1) != 0 && ready(&s->paths[i]))
            least = nanos_min(least, queue_of(&s->paths[i], now));
    return least == NANOS_NEVER ? 0 : least;
}

static nanos drop_interval(uint32_t drops)
{
    uint32_t root = 1;
    while ((root + 1) * (root + 1) <= drops)
        root++;
    return DROP_INTERVAL / root;
}

bool path_scheduler_drop(struct path_scheduler *s, unsigned usable, nanos now)
{
    if ((usable & (usable - 1)) == 0 || shortest_queue(s, usable, now) < DROP_TARGET) {
        s->above_since = 0;
        s->drops -= s->drops > 0 && now - s->drop_at > DROP_INTERVAL;
        return false;
    }
    if (s->above_since == 0) {
        s->above_since = now;
        s->drop_at = now + drop_interval(s->drops + 1);
        return false;
    }
    if (now < s->drop_at || s->drops >= 1000)
        return false;
    s->drops++;
    s->drop_at = now + drop_interval(s->drops);
    return true;
}

/* --- what was sent, and what came of it --- */

void path_scheduler_sent(struct path_scheduler *s, unsigned path, const struct resend_entry *entry,
                         size_t len, bool wanted)
{
    struct path_model *p = &s->paths[path];
    nanos now = entry->sent;
    if (p->spi != entry->spi) /* after a rekey numbers and totals of reports begin anew */
        p->reported = false;
    p->spi = entry->spi;
    p->free_at = now + queue_of(p, now) + wire_time(p, len);
    p->total = entry->total;
    p->newest = entry->sequence;
    p->sent_at = now;
    if (!wanted)
        return;
    p->wanted = entry->sequence;
    if (!p->outstanding)
        p->waits_since = now;
    p->outstanding = true;
}

/* rate_learn - a sender that was idle may only raise the rate. Jitter of the delay is not a
 * queue. */
static void rate_learn(struct path_model *p, const struct path_report_entry *e, uint16_t time,
                       nanos now)
{
    nanos took = (uint16_t)(time - p->time) * ESP_ORDER_TICK;
    nanos noise = 4 * p->deviation > BACKLOG_NS ? 4 * p->deviation : BACKLOG_NS;
    bool backlogged = p->queue > noise, known = p->reported && now - p->rate_at < RATE_STALE;
    if (known && took < RATE_SAMPLE)
        return;
    uint64_t octets = (uint32_t)(e->octets - p->octets);
    uint64_t sample = known ? octets * (uint64_t)NANOS_PER_SEC / (uint64_t)took : 0;
    if (known && (sample > p->rate || (backlogged && p->backlogged)))
        p->rate = (p->rate * 3 + sample) / 4;
    p->rate = p->rate < RATE_MIN ? RATE_MIN : p->rate;
    p->octets = e->octets;
    p->time = time;
    p->rate_at = now;
    p->backlogged = backlogged;
}

/* loss_learn - averages over many packets: a packet that another one overtook is not lost. */
static void loss_learn(struct path_model *p, const struct path_report_entry *e)
{
    uint32_t sent = e->highest - p->loss_highest, came = e->packets - p->loss_packets;
    if (p->reported && sent < LOSS_SAMPLE)
        return;
    if (p->reported && sent <= RESEND_PACKETS) {
        uint32_t share = came < sent ? (uint32_t)((uint64_t)(sent - came) * 1000000 / sent) : 0;
        p->loss = p->loss - p->loss / 8 + share / 8;
    }
    p->loss_highest = e->highest;
    p->loss_packets = e->packets;
}

/* model_correct - what the path had taken when `newest` was sent, and what was sent since then. */
static void model_correct(struct path_model *p, const struct path_report_entry *e,
                          const struct resend_entry *newest, nanos now)
{
    nanos since = now - newest->sent;
    nanos left = p->queue + wire_time(p, p->total - newest->total) - since;
    p->free_at = now + (left > 0 ? left : 0);
    nanos rtt = since - e->age * ESP_ORDER_TICK;
    if (rtt > 0)
        p->rtt = p->rtt == 0 ? rtt : p->rtt + (rtt - p->rtt) / 8;
}

void path_scheduler_report(struct path_scheduler *s, unsigned path,
                           const struct path_report_entry *e, uint16_t time,
                           const struct resend_entry *newest, nanos now)
{
    struct path_model *p = &s->paths[path];
    if (e->spi != p->spi || (p->reported && esp_order_ahead(e->highest, p->highest) < 0))
        return; /* for a Child SA that no longer sends, or older than the last report */
    bool news = !p->reported || e->highest != p->highest;
    nanos queue = (int16_t)(uint16_t)(e->delay_last - e->delay_min) * ESP_ORDER_TICK;
    queue = queue > 0 ? queue : 0;
    nanos moved = queue > p->queue ? queue - p->queue : p->queue - queue;
    p->deviation += (moved - p->deviation) / 16;
    p->base = e->delay_min;
    p->queue = queue;
    rate_learn(p, e, time, now);
    loss_learn(p, e);
    p->reported = true;
    p->highest = e->highest;
    if (!news)
        return;
    p->measured = true;
    p->stalled = false;
    p->waits_since = now;
    p->outstanding = esp_order_ahead(p->wanted, e->highest) > 0;
    if (newest != NULL)
        model_correct(p, e, newest, now);
}

int path_scheduler_probe(struct path_scheduler *s, unsigned usable, nanos now)
{
    for (unsigned i = 0; i < SCHEDULER_PATHS; i++) {
        struct path_model *p = &s->paths[i];
        if ((usable >> i & 1) == 0 || now - p->probed_at < PROBE_NS ||
            (ready(p) && now - p->sent_at < QUIET_NS))
            continue;
        p->probed_at = now;
        return (int)i;
    }
    return -1;
}

/* stall_at - when silence about outstanding packets means that the path does not carry. */
static nanos stall_at(const struct path_model *p)
{
    nanos patience = 2 * p->rtt + 20 * NANOS_PER_MS;
    if (p->key == 0 || !p->outstanding || p->stalled || !p->measured)
        return NANOS_NEVER;
    return p->waits_since +
           (patience < STALL_MIN_NS ? STALL_MIN_NS : nanos_min(patience, STALL_MAX_NS));
}

int path_scheduler_stall(struct path_scheduler *s, nanos now)
{
    for (unsigned i = 0; i < SCHEDULER_PATHS; i++)
        if (stall_at(&s->paths[i]) <= now) {
            s->paths[i].stalled = true;
            return (int)i;
        }
    return -1;
}

nanos path_scheduler_deadline(const struct path_scheduler *s)
{
    nanos first = NANOS_NEVER;
    for (unsigned i = 0; i < SCHEDULER_PATHS; i++)
        first = nanos_min(first, stall_at(&s->paths[i]));
    return first;
}
