/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/scene.h"

#include <stdlib.h>

#include "base/assert.h"

#define S(n) ((nanos)(n)*NANOS_PER_SEC)

static const struct link_settings equal[PATHS] = {LINK(20, 0, 0, 50), LINK(20, 0, 0, 50)};

double world_rate(struct world *w, const struct flow *f, nanos warm, nanos time)
{
    world_run(w, w->now + warm);
    uint64_t from = f->octets;
    world_run(w, w->now + time);
    return MBIT((double)(f->octets - from) * 1e9 / (double)time);
}

/* Sixteen flows share both links. */
static double sixteen(uint64_t seed)
{
    struct world *w = world_new(equal, 3, seed);
    for (int i = 0; i < 16; i++)
        (void)world_flow(w, i % 2 == 0 ? CUBIC : BBR, w->now + MS(10 * i));
    world_run(w, S(6));
    uint64_t from = 0, to = 0;
    for (int i = 0; i < 16; i++)
        from += w->flows[i].octets;
    world_run(w, S(16));
    for (int i = 0; i < 16; i++)
        to += w->flows[i].octets;
    world_free(w);
    return MBIT((double)(to - from) / 10);
}

static void cut(struct world *w, unsigned path, bool on)
{
    w->links[0][path].set.cut = w->links[1][path].set.cut = on;
}

/* A link is black for 3 s, in the middle of a flow: the longest silence, in ms. */
static double black(uint64_t seed)
{
    struct world *w = world_new(equal, 3, seed);
    struct flow *f = world_flow(w, CUBIC, w->now);
    world_run(w, S(6));
    f->longest_gap = 0;
    cut(w, seed % 2, true);
    world_run(w, S(9));
    nanos gap = f->longest_gap;
    cut(w, seed % 2, false);
    world_free(w);
    return (double)gap / 1e6;
}

/* It carries again: Mbit/s from 2 s behind its return on. */
static double returned(uint64_t seed)
{
    struct world *w = world_new(equal, 3, seed);
    struct flow *f = world_flow(w, BBR, w->now);
    world_run(w, S(6));
    cut(w, seed % 2, true);
    world_run(w, S(9));
    cut(w, seed % 2, false);
    double got = world_rate(w, f, S(2), S(4));
    world_free(w);
    return got;
}

/* A link falls from 100 to 20 Mbit/s and rises again, every 5 s: of what both links could carry. */
static double changing(uint64_t seed)
{
    static const struct link_settings links[PATHS] = {LINK(20, 0, 0, 40), LINK(30, 0, 0, 100)};
    struct world *w = world_new(links, 3, seed);
    struct flow *f = world_flow(w, BBR, w->now);
    world_run(w, S(4));
    uint64_t from = f->octets;
    for (int i = 0; i < 4; i++) {
        w->links[1][1].set.rate_kbps = i % 2 == 0 ? 20000 : 100000;
        world_run(w, w->now + S(5));
    }
    double got = MBIT((double)(f->octets - from) / 20);
    world_free(w);
    return got / (100 * 0.91);
}

static int by_time(const void *a, const void *b)
{
    const nanos *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* A call beside a bulk flow: the 99th percentile of its delay above the least one, in ms. */
static double call(uint64_t seed)
{
    struct world *w = world_new(equal, 3, seed);
    (void)world_flow(w, CUBIC, w->now);
    struct flow *c = world_flow(w, UDP, S(4));
    c->call = true;
    c->delays = calloc(1000, sizeof(nanos));
    ASSERT(c->delays != NULL);
    world_run(w, S(16));
    ASSERT(c->n_delays > 500);
    qsort(c->delays, c->n_delays, sizeof(nanos), by_time);
    nanos above = c->delays[c->n_delays * 99 / 100] - c->delays[0];
    world_free(w);
    return (double)above / 1e6;
}

/* The same links, the other way round in the configuration. */
static double reversed(uint64_t seed)
{
    static const struct link_settings links[PATHS] = {LINK(20, 0, 0, 10), LINK(20, 0, 0, 100)};
    struct world *w = world_new(links, 3, seed);
    double got = world_rate(w, world_flow(w, BBR, w->now), S(4), S(10));
    world_free(w);
    return got;
}

/* lost - of a paced flow whose packets take two paths, in percent. */
static double lost(const struct link_settings *links, uint64_t seed, bool cuts)
{
    struct world *w = world_new(links, 3, seed);
    struct flow *f = world_flow(w, UDP, w->now);
    w->mode = ESP_MODE_REDUNDANT;
    f->pace = 4e5;
    world_run(w, S(6));
    cut(w, seed % 2, cuts);
    world_run(w, S(12));
    uint64_t sent = f->next;
    f->pace_at = f->starts = NANOS_NEVER;
    world_run(w, S(13));
    double percent = 100.0 - 100.0 * (double)(f->octets / PAYLOAD) / (double)sent;
    ASSERT(f->octets / PAYLOAD <= sent); /* nothing twice */
    world_free(w);
    return percent;
}

/* Both links lose 5 %. */
static double both_lossy(uint64_t seed)
{
    static const struct link_settings links[PATHS] = {LINK(20, 0, 5, 50), LINK(30, 0, 5, 50)};
    return lost(links, seed, false);
}

/* One of them is cut. */
static double one_cut(uint64_t seed)
{
    return lost(equal, seed, true);
}

/* --- multipath = auto --- */

/* A trickle: how many of its packets have a place in the order. */
static double automatic_trickle(uint64_t seed)
{
    struct world *w = world_new(equal, 3, seed);
    w->mode = ESP_MODE_AUTO;
    struct flow *f = world_flow(w, UDP, w->now);
    f->pace = 4e4;
    world_run(w, S(8));
    ASSERT(f->octets > 100000);
    double numbered = (double)w->ends[1].aggregate->counters.sent;
    world_free(w);
    return numbered;
}

/* One flow over two links: it gets both. */
static double automatic_one(uint64_t seed)
{
    struct world *w = world_new(equal, 3, seed);
    w->mode = ESP_MODE_AUTO;
    double got = world_rate(w, world_flow(w, CUBIC, w->now), S(5), S(10));
    world_free(w);
    return got;
}

/* A paced flow, more than one link carries, that pauses every second: packets that came behind a
 * later one of the flow. Each pause makes it change from whole flows to packets and back. */
static double automatic_changes(uint64_t seed)
{
    static const struct link_settings links[PATHS] = {LINK(40, 0, 0, 100), LINK(10, 0, 0, 100)};
    struct world *w = world_new(links, 3, seed);
    w->mode = ESP_MODE_AUTO;
    struct flow *f = world_flow(w, UDP, w->now);
    unsigned changes = 0;
    enum spread before = SPREAD_FLOWS;
    f->pace = 2e6;
    for (int i = 0; i < 4000; i++) {
        f->pace = i / 400 % 2 == 0 ? 2e6 : 4e3;
        world_run(w, w->now + MS(10));
        enum spread state = w->ends[1].aggregate->choice.state;
        changes += state != before;
        before = state;
    }
    ASSERT(changes >= 12 && f->octets > 1000000);
    double disorder = f->disorder;
    world_free(w);
    return disorder;
}

/* A path that loses 30 % beside a clean one: of what the clean one carries alone. */
static double automatic_lossy(uint64_t seed)
{
    static const struct link_settings links[PATHS] = {LINK(20, 0, 30, 50), LINK(20, 0, 0, 50)};
    struct world *w = world_new(links, 3, seed);
    w->mode = ESP_MODE_AUTO;
    double got = world_rate(w, world_flow(w, CUBIC, w->now), S(5), S(10));
    world_free(w);
    w = world_new(links, 2, seed);
    double alone = world_rate(w, world_flow(w, CUBIC, w->now), S(5), S(10));
    world_free(w);
    return got / alone;
}

const struct scene scene_table[] = {
    {"auto: numbered packets of a trickle", "", true, 0, automatic_trickle},
    {"auto: one flow over 50 and 50", "Mbit/s", false, 80, automatic_one},
    {"auto: out of order, over many changes", "", true, 0, automatic_changes},
    {"auto: 30 % loss beside a clean link", "of that", false, 0.97, automatic_lossy},
    {"redundant, 5 % loss on both links", "% lost", true, 0.5, both_lossy},
    {"redundant, one link is cut", "% lost", true, 0, one_cut},
    {"16 flows over 50 and 50", "Mbit/s", false, 86, sixteen},
    {"a link is black for 3 s: longest gap", "ms", true, 120, black},
    {"2 s behind its return", "Mbit/s", false, 85, returned},
    {"100 and 20 in turn, beside 40", "of both", false, 0.84, changing},
    {"a call beside a bulk flow: p99 jitter", "ms", true, 10, call},
    {"10 and 100, the slower one first", "Mbit/s", false, 90, reversed},
    {0},
};
