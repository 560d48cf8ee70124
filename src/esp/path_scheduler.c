/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/path_scheduler.h"

#include "base/assert.h"

#define RATE_FIRST    ((uint64_t)4000000) /* octets a second, until it is measured */
#define RATE_LEAST    ((uint64_t)250000)  /* from which a sample says more than the guess */
#define RATE_MIN      ((uint64_t)8000)
#define RATE_SAMPLE   (30 * NANOS_PER_MS) /* at least between two samples */
#define RATE_PERIOD   (300 * NANOS_PER_MS)
#define FLOOR_NS      NANOS_PER_SEC
#define STANDING_NS   (50 * NANOS_PER_MS)
#define RATE_OCTETS   6000 /* at least in a sample of a path that is busy */
#define RATE_IDLE     (500 * NANOS_PER_MS)
#define RATE_STALE    (2 * NANOS_PER_SEC) /* below the 4.2 s after which times wrap */
#define BACKLOG_NS    (2 * NANOS_PER_MS)  /* a queue this long shows the rate of the path itself */
#define STICKY_NS     NANOS_PER_MS        /* a burst stays on a path for so long */
#define LOSSY         50000 /* losses of a million packets; the choice does not rely on such a path */
#define LOSS_SAMPLE   128   /* packets */
#define LOSS_FIRST    32
#define LOSS_QUEUE    (10 * NANOS_PER_MS) /* a queue that may cause losses itself */
#define LOSS_MEMORY   (500 * NANOS_PER_MS)
#define LOSS_COST     (5 * NANOS_PER_US)  /* of a loss of one in a million: 1 % counts as 50 ms */
#define TAIL_NS       (15 * NANOS_PER_MS) /* what a report takes beside the round-trip time */
#define CROWDED_NS    (60 * NANOS_PER_MS)
#define STALL_MIN_NS  (80 * NANOS_PER_MS)
#define STALL_MAX_NS  (600 * NANOS_PER_MS)
#define PROBE_NS      (100 * NANOS_PER_MS)
#define QUIET_NS      (500 * NANOS_PER_MS) /* a path is probed after this time without a packet */
#define DROP_TARGET   (25 * NANOS_PER_MS)  /* RFC 8289's 5 ms, and the error of measurement */
#define DROPS_MAX     400
#define BURST_NS      NANOS_PER_MS       /* what a path takes at once; at least two packets */
#define QUEUE_LOW     (1 * NANOS_PER_MS) /* queue in the path, below which the pace is faster */
#define JITTER_LOW    (2 * NANOS_PER_MS) /* a path without jitter shows as much when it is paced */
#define JITTER_SURE   (5 * NANOS_PER_MS) /* only a path with jitter shows more */
#define JITTER_PEAK   3                  /* a peak of the jitter, in means of the jitter */
#define JITTER_MEAN   4                  /* the mean of the jitter, in deviations, at most */
#define FULL_NS       (5 * NANOS_PER_MS) /* a longer queue shows that the path is at its limit */
#define LITTLE        4 /* a path with less than a fourth of the rate adds little */
#define SPREAD_MAX    (100 * NANOS_PER_MS)
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
    s->paths[oldest] = (struct path_model){.key = key, .rate = RATE_FIRST, .guessed = true};
    return oldest;
}

/* --- when a packet arrives --- */

static nanos queue_of(const struct path_model *p, nanos now)
{
    return p->free_at > now ? p->free_at - now : 0;
}

/* jitter_of - the mean of jitter, which is no queue. A path that is never idle never shows it; it is
 * a few times the deviation at most. */
static nanos jitter_of(const struct path_model *p)
{
    return nanos_min(p->floor, JITTER_MEAN * p->deviation);
}

/* standing_queue - the time that packets wait in the path's queue, without the jitter. */
static nanos standing_queue(const struct path_model *p)
{
    nanos jitter = jitter_of(p);
    return p->standing > jitter ? p->standing - jitter : 0;
}

/* wire_time - at a little more than the measured rate, unless a queue stands in the path: so a path
 * that can do more shows it. */
static nanos wire_time(const struct path_model *p, size_t len)
{
    bool more = standing_queue(p) < QUEUE_LOW + 3 * p->deviation / 4;
    uint64_t rate = more ? p->rate + p->rate / 8 : p->rate;
    return (nanos)((uint64_t)len * (uint64_t)NANOS_PER_SEC / rate);
}

static bool ready(const struct path_model *p)
{
    return p->measured && !p->stalled;
}

/* delay_of - delay of a path, relative to the path `to`. */
static nanos delay_of(const struct path_model *p, const struct path_model *to)
{
    return (int16_t)(uint16_t)(p->base - to->base) * ESP_ORDER_TICK + p->floor - to->floor;
}

/* first_ready - the usable path with the lowest index that is ready, with `all` ready or not; -1:
 * none. */
static int first_ready(const struct path_scheduler *s, unsigned usable, bool all)
{
    for (unsigned i = 0; i < SCHEDULER_PATHS; i++)
        if ((usable >> i & 1) != 0 && (all || ready(&s->paths[i])))
            return (int)i;
    return -1;
}

/* distance - the delay of a packet on path `i` without its queue, less the delay of `reference`. Losses
 * count as delay. */
static nanos distance(const struct path_scheduler *s, unsigned i, unsigned reference)
{
    return delay_of(&s->paths[i], &s->paths[reference]) + s->paths[i].loss * LOSS_COST;
}

static nanos arrival(const struct path_scheduler *s, unsigned i, unsigned reference, size_t len,
                     nanos now)
{
    const struct path_model *p = &s->paths[i];
    return queue_of(p, now) + wire_time(p, len) + distance(s, i, reference);
}

/* spread_of - how much later than on `best` a packet may arrive on `p`: the lower the rate of `p`, the
 * less. */
static nanos spread_of(const struct path_model *p, const struct path_model *best)
{
    uint64_t rate = p->loss > LOSSY ? 0 : p->proven ? p->rate : 2 * p->rate;
    uint64_t most = (uint64_t)SPREAD_MAX * rate / best->rate;
    return most > (uint64_t)SPREAD_MAX ? SPREAD_MAX : (nanos)most;
}

/* nearest - the ready path on which a packet arrives first if no path has a queue; `first` is the
 * ready path with the lowest index. */
static unsigned nearest(const struct path_scheduler *s, unsigned usable, unsigned first)
{
    unsigned best = first;
    for (unsigned i = first + 1; i < SCHEDULER_PATHS; i++)
        if ((usable >> i & 1) != 0 && ready(&s->paths[i]) &&
            distance(s, i, best) < distance(s, best, best))
            best = i;
    return best;
}

/* too_far - path `i` adds little rate to the path `near`, and delays packets by too much for it. */
static bool too_far(const struct path_scheduler *s, unsigned i, unsigned near)
{
    const struct path_model *p = &s->paths[i], *best = &s->paths[near];
    nanos behind = distance(s, i, near) - distance(s, near, near);
    return ready(p) && p->rate < best->rate / LITTLE && behind > spread_of(p, best);
}

/* worthwhile - the usable paths that are not too far, however long the queue of the nearest path is.
 * The receiver holds packets until those of the far path arrive. The sender inside then waits for its
 * window, and the nearest path is idle. */
static unsigned worthwhile(const struct path_scheduler *s, unsigned usable)
{
    int first = first_ready(s, usable, false);
    if (first < 0)
        return usable;
    unsigned near = nearest(s, usable, (unsigned)first), worth = usable;
    for (unsigned i = 0; i < SCHEDULER_PATHS; i++)
        if (too_far(s, i, near))
            worth &= ~(1u << i);
    return worth;
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

unsigned path_scheduler_second(const struct path_scheduler *s, unsigned usable, unsigned first)
{
    unsigned carries = path_scheduler_other(s, usable, first), others = usable & ~(1u << first);
    if (carries != first || others == 0)
        return carries;
    return (unsigned)__builtin_ctz(others);
}

/* pick - the path on which the packet arrives first; a burst stays on its path. */
static unsigned pick(struct path_scheduler *s, unsigned usable, size_t len, nanos now)
{
    unsigned best = earliest(s, usable, len, now), old = s->current;
    nanos burst = 2 * wire_time(&s->paths[old], len);
    burst = burst > STICKY_NS ? burst : STICKY_NS;
    bool stays = (usable >> old & 1) != 0 && ready(&s->paths[old]) &&
                 arrival(s, old, best, len, now) <= arrival(s, best, best, len, now) + burst;
    return s->current = stays ? old : best;
}

unsigned path_scheduler_pick(struct path_scheduler *s, unsigned usable, size_t len, nanos now)
{
    ASSERT(usable != 0);
    return pick(s, worthwhile(s, usable), len, now);
}

/* --- pacing: packets that a path cannot take now wait in flow_queue.h, not in the path --- */

/* paced - until a path was busy, its rate is a guess, which holds nothing back. */
static bool paced(const struct path_model *p)
{
    return p->proven && ready(p);
}

/* reserve - how much a path with jitter may hold beyond a burst, as time. Jitter hides a part of the
 * queue. Without a reserve, the path has nothing to send after each peak of its jitter. */
static nanos reserve(const struct path_model *p)
{
    nanos jitter = jitter_of(p), hidden = jitter - JITTER_LOW, peak = jitter - JITTER_SURE;
    return (hidden > 0 ? hidden : 0) + (peak > 0 ? JITTER_PEAK * peak : 0);
}

/* credit_at - the time from which the path may take a packet: its queue is shorter than a burst and the
 * reserve then. */
static nanos credit_at(const struct path_model *p)
{
    nanos two = 2 * wire_time(p, SCHEDULER_PACKET), burst = two > BURST_NS ? two : BURST_NS;
    return paced(p) ? p->free_at - burst - reserve(p) : 0;
}

uint64_t path_scheduler_rate(const struct path_scheduler *s, unsigned usable)
{
    uint64_t rate = 0;
    for (unsigned i = 0; i < SCHEDULER_PATHS; i++) {
        if ((usable >> i & 1) == 0 || !ready(&s->paths[i]))
            continue;
        if (!paced(&s->paths[i]))
            return 0;
        rate += s->paths[i].rate;
    }
    return rate;
}

/* later - how much later than on the best path a packet may arrive on `p`. The best path needs this
 * time for the backlog. The time that the backlog has waited is added, up to spread_of(). */
static nanos later(const struct path_model *p, const struct path_model *best,
                   const struct scheduler_backlog *b, nanos now)
{
    nanos stands = b->waiting_since == 0 ? 0 : now - b->waiting_since;
    return wire_time(best, b->waiting) + nanos_min(stands, spread_of(p, best));
}

int path_scheduler_take(struct path_scheduler *s, unsigned usable, size_t len,
                        const struct scheduler_backlog *backlog, nanos now)
{
    ASSERT(usable != 0);
    usable = worthwhile(s, usable);
    unsigned best = pick(s, usable, len, now);
    struct path_model *p = &s->paths[best];
    if (credit_at(p) <= now)
        return (int)best;
    p->asked = true;
    nanos first = arrival(s, best, best, len, now), least = NANOS_NEVER;
    int other = -1;
    for (unsigned i = 0; i < SCHEDULER_PATHS; i++) {
        if ((usable >> i & 1) == 0 || !ready(&s->paths[i]) || credit_at(&s->paths[i]) > now)
            continue;
        nanos at = arrival(s, i, best, len, now);
        if (at >= least || at > first + later(&s->paths[i], p, backlog, now))
            continue;
        least = at;
        other = (int)i;
    }
    s->credit_at = credit_at(p);
    return other;
}

/* --- controlled delay: the sender inside learns by a loss that all paths are full --- */

/* all_full - the paths that carry nearly all traffic have had a queue for an interval. Then packets
 * wait here, where flow_queue.h controls their delay. */
static bool all_full(const struct path_scheduler *s, unsigned usable)
{
    uint64_t full = 0, all = 0;
    for (unsigned i = 0; i < SCHEDULER_PATHS; i++) {
        const struct path_model *p = &s->paths[i];
        if ((usable >> i & 1) == 0 || !ready(p) || p->loss > LOSSY)
            continue;
        if (paced(p))
            return false;
        all += p->proven || p->rate > RATE_FIRST ? p->rate : RATE_FIRST;
        full += p->standing >= DROP_TARGET + 4 * p->deviation ? p->rate : 0;
    }
    return all > 0 && full >= all - all / 8;
}

/* drop_interval - gets shorter with each drop (RFC 8289 section 4.2), and with a longer queue. */
static nanos drop_interval(const struct path_scheduler *s, unsigned usable)
{
    uint32_t root = 1;
    nanos least = NANOS_NEVER;
    while ((root + 1) * (root + 1) <= s->drops)
        root++;
    for (unsigned i = 0; i < SCHEDULER_PATHS; i++)
        if ((usable >> i & 1) != 0 && ready(&s->paths[i]))
            least = nanos_min(least, s->paths[i].standing);
    nanos times = least == NANOS_NEVER ? 0 : least / DROP_TARGET;
    return DROP_INTERVAL / root / (1 + times * times);
}

bool path_scheduler_drop(struct path_scheduler *s, unsigned usable, nanos now)
{
    if ((usable & (usable - 1)) == 0 || !all_full(s, usable)) {
        s->above_since = 0;
        s->drops -= s->drops > 0 && now - s->drop_at > DROP_INTERVAL;
        return false;
    }
    if (s->above_since == 0) {
        s->above_since = now;
        s->drop_at = now + drop_interval(s, usable);
        return false;
    }
    if (now < s->drop_at)
        return false;
    s->drops += s->drops < DROPS_MAX;
    s->drop_at = now + drop_interval(s, usable);
    return true;
}

/* --- packets that were sent, and reports about them --- */

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
    p->tailed = false;
}

/* floor_learn - learns the part of the delay that is jitter: it delays packets of an idle path too. */
static void floor_learn(struct path_model *p, nanos now)
{
    p->smooth += (p->queue - p->smooth) / 8;
    if (now - p->low_at > FLOOR_NS) {
        p->low[1] = now - p->low_at > 2 * FLOOR_NS ? p->smooth : p->low[0];
        p->low[0] = p->smooth;
        p->settled = p->low_at != 0;
        p->low_at = now;
    }
    p->low[0] = nanos_min(p->low[0], p->smooth);
    p->floor = nanos_min(p->low[0], p->low[1]);
}

/* queue_learn - jitter is no queue: only a delay that persists is one. */
static void queue_learn(struct path_model *p, const struct path_report_entry *e, nanos now)
{
    nanos queue = (int16_t)(uint16_t)(e->delay_last - e->delay_min) * ESP_ORDER_TICK;
    queue = queue > 0 ? queue : 0;
    nanos moved = queue > p->queue ? queue - p->queue : p->queue - queue;
    p->deviation += (moved - p->deviation) / 16;
    p->base = e->delay_min;
    p->queue = queue;
    if (now - p->least_at > STANDING_NS) {
        p->least[1] = now - p->least_at > 2 * STANDING_NS ? queue : p->least[0];
        p->least[0] = queue;
        p->least_at = now;
    }
    p->least[0] = nanos_min(p->least[0], queue);
    p->standing = nanos_min(p->least[0], p->least[1]);
    floor_learn(p, now);
}

/* overfull - the path has a queue that its jitter does not explain. */
static bool overfull(const struct path_model *p)
{
    nanos jitter = p->settled ? 0 : JITTER_MEAN * p->deviation;
    return standing_queue(p) > FULL_NS + reserve(p) + jitter;
}

/* sample_take - learns the rate of the path. The highest sample of a period is the rate, since a stall
 * lowers a sample and nothing raises it. The rate falls only after a period in which the path always
 * had a queue and packets always waited for the path. A queue alone may be jitter, while the sender
 * inside waits for its window: the rate of that sender would become its limit for ever. */
static void sample_take(struct path_model *p, uint64_t sample, nanos now)
{
    p->slack |= standing_queue(p) < BACKLOG_NS + p->deviation;
    p->unasked |= !p->asked && !overfull(p);
    p->asked = false;
    p->most[0] = sample > p->most[0] ? sample : p->most[0];
    p->rate = sample > p->rate ? sample : p->rate;
    if (now - p->most_at < RATE_PERIOD)
        return;
    uint64_t most = p->most[0] > p->most[1] ? p->most[0] : p->most[1];
    p->proven |= !p->slack;
    if (!p->slack && !p->unasked)
        p->rate = most;
    else if (p->guessed && most > RATE_LEAST && 2 * most < p->rate)
        p->rate = 2 * most;
    p->most[1] = p->most[0];
    p->most[0] = 0;
    p->most_at = now;
    p->guessed &= most <= RATE_LEAST;
    p->slack = p->unasked = false;
}

static void rate_learn(struct path_model *p, const struct path_report_entry *e, uint16_t time,
                       nanos now)
{
    nanos took = (uint16_t)(time - p->time) * ESP_ORDER_TICK;
    bool known = p->reported && now - p->rate_at < RATE_STALE;
    uint64_t octets = (uint32_t)(e->octets - p->octets);
    bool few = octets < RATE_OCTETS;
    if (known && (took < RATE_SAMPLE || (few && took < RATE_IDLE)))
        return;
    p->slack |= few || !known;
    if (known)
        sample_take(p, octets * (uint64_t)NANOS_PER_SEC / (uint64_t)took, now);
    p->rate = p->rate < RATE_MIN ? RATE_MIN : p->rate;
    p->octets = e->octets;
    p->time = time;
    p->rate_at = now;
}

bool path_model_crowded(const struct path_model *p)
{
    return p->queue > CROWDED_NS + 4 * p->deviation;
}

/* loss_forget - the loss of a path that is hardly used decays, so that the path is tried again. */
static void loss_forget(struct path_model *p, nanos now)
{
    if (now - p->loss_at < LOSS_MEMORY)
        return;
    p->loss -= p->loss / 8;
    p->loss_at = now;
}

/* loss_learn - averages over many packets: a packet that another one overtook is not lost. Losses
 * of a full queue or a dead link say nothing about later packets. */
static void loss_learn(struct path_model *p, const struct path_report_entry *e, nanos now)
{
    uint32_t sent = e->highest - p->loss_highest, came = e->packets - p->loss_packets;
    bool good = p->reported && !p->stalled && standing_queue(p) < LOSS_QUEUE;
    uint32_t sample = p->loss_samples == 0 ? LOSS_FIRST : LOSS_SAMPLE;
    if (good && sent < sample) {
        loss_forget(p, now);
        return;
    }
    p->loss_at = now;
    if (good && sent <= RESEND_PACKETS) {
        uint32_t share = came < sent ? (uint32_t)((uint64_t)(sent - came) * 1000000 / sent) : 0;
        p->loss_samples += p->loss_samples < 8;
        p->loss = p->loss - p->loss / p->loss_samples + share / p->loss_samples;
    }
    p->loss_highest = e->highest;
    p->loss_packets = e->packets;
}

/* model_correct - computes the queue anew from the report: octets that the path had taken when
 * `newest` was sent, and octets sent since then. */
static void model_correct(struct path_model *p, const struct path_report_entry *e,
                          const struct resend_entry *newest, nanos now)
{
    nanos since = now - newest->sent;
    nanos jitter = jitter_of(p), queue = p->queue > jitter ? p->queue - jitter : 0;
    nanos left = queue + wire_time(p, p->total - newest->total) - since;
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
        /* the report is about a Child SA that no longer sends, or is older than the last one */
        return;
    bool news = !p->reported || e->highest != p->highest;
    p->delivered += p->reported ? (uint32_t)(e->octets - p->came) : 0;
    p->came = e->octets;
    queue_learn(p, e, now);
    rate_learn(p, e, time, now);
    loss_learn(p, e, now);
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
        p->loss -= p->loss / 16; /* an unused measurement is forgotten, and made again */
        return (int)i;
    }
    return -1;
}

static nanos tail_at(const struct path_model *p)
{
    if (p->key == 0 || !p->outstanding || p->tailed || !ready(p))
        return NANOS_NEVER;
    nanos since = p->waits_since > p->sent_at ? p->waits_since : p->sent_at;
    return since + p->rtt + 4 * p->deviation + TAIL_NS;
}

int path_scheduler_tail(struct path_scheduler *s, nanos now)
{
    for (unsigned i = 0; i < SCHEDULER_PATHS; i++)
        if (tail_at(&s->paths[i]) <= now) {
            s->paths[i].tailed = true;
            return (int)i;
        }
    return -1;
}

/* stall_at - when silence about outstanding packets means that the path is dead. */
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
        first = nanos_min(first, nanos_min(stall_at(&s->paths[i]), tail_at(&s->paths[i])));
    return first;
}
