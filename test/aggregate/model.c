/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define FLIGHTS 65536

static uint64_t random_next(struct world *w)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random;
}

double world_share(struct world *w)
{
    return (double)(random_next(w) >> 11) / 9007199254740992.0;
}

/* --- packets in the air --- */

static bool before(const struct flight *a, const struct flight *b)
{
    return a->due != b->due ? a->due < b->due : a->serial < b->serial;
}

static void heap_push(struct world *w, struct flight *f)
{
    unsigned i = w->n++;
    ASSERT(w->n < FLIGHTS);
    for (; i > 0 && before(f, w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = f;
}

static struct flight *heap_pop(struct world *w)
{
    struct flight *first = w->heap[0], *last = w->heap[--w->n];
    unsigned i = 0;
    for (unsigned child; (child = 2 * i + 1) < w->n; i = child) {
        child += child + 1 < w->n && before(w->heap[child + 1], w->heap[child]);
        if (before(last, w->heap[child]))
            break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = last;
    return first;
}

/* flight_copy - reports are long, and rare. */
static void flight_copy(struct flight *to, const struct flight *from)
{
    memcpy(to, from, offsetof(struct flight, report));
    memcpy(to->report, from->report, from->report_len);
}

static struct flight *flight_new(struct world *w)
{
    struct flight *f = w->unused;
    if (f == NULL)
        return malloc(sizeof(*f));
    w->unused = f->next;
    return f;
}

static void flight_drop(struct world *w, struct flight *f)
{
    f->next = w->unused;
    w->unused = f;
}

void link_carry(struct world *w, const struct flight *flight)
{
    struct link *link = &w->links[flight->up][flight->path];
    uint64_t now = (uint64_t)w->now, octets = flight->len + flight->report_len + OUTER;
    octets += flight->order.present ? ESP_ORDER_LEN : 0;
    w->carried[flight->path] += flight->up ? octets : 0;
    if (link->set.cut || link_full(&link->state, &link->set, now) ||
        world_share(w) * 1e6 < (double)link->set.loss_ppm)
        return;
    uint64_t delay = link->set.delay_ns;
    if (link->set.jitter_ns != 0)
        delay = link_delay_ns(&link->set, world_share(w), world_share(w));
    struct flight *f = flight_new(w);
    ASSERT(f != NULL);
    flight_copy(f, flight);
    f->due = (nanos)link_due_ns(&link->state, &link->set, octets, now, delay);
    f->serial = w->serial++;
    link->state.n++;
    heap_push(w, f);
}

/* --- world --- */

static void end_begin(struct world *w, struct end *end)
{
    end->aggregate = esp_aggregate_new((uint32_t)random_next(w));
    ASSERT(end->aggregate != NULL);
    end->look_at = NANOS_NEVER;
    for (unsigned k = 0; k < PATHS; k++) {
        end->windows[k] = replay_window_new(8192);
        (void)path_scheduler_path(&end->aggregate->scheduler, k + 1);
    }
}

struct world *world_new(const struct link_settings *up, unsigned usable, uint64_t seed)
{
    struct world *w = calloc(1, sizeof(*w));
    ASSERT(w != NULL);
    w->now = NANOS_PER_SEC;
    w->random = 88172645463325252u + seed * 0x9e3779b97f4a7c15u;
    w->usable = usable;
    w->mode = ESP_MODE_AGGREGATE;
    w->heap = calloc(FLIGHTS, sizeof(struct flight *));
    w->flows = calloc(FLOWS, sizeof(*w->flows));
    ASSERT(w->heap != NULL && w->flows != NULL);
    for (unsigned i = 0; i < PATHS; i++)
        w->links[true][i].set = up[i];
    for (int i = 0; i < 2; i++)
        end_begin(w, &w->ends[i]);
    for (int i = 0; i < 64; i++)
        (void)random_next(w);
    return w;
}

struct world *world_free(struct world *w)
{
    while (w->n > 0)
        free(heap_pop(w));
    while (w->unused != NULL)
        free(flight_new(w));
    for (int i = 0; i < 2; i++) {
        esp_aggregate_free(w->ends[i].aggregate);
        for (unsigned k = 0; k < PATHS; k++)
            free(w->ends[i].windows[k]);
    }
    for (unsigned i = 0; i < w->n_flows; i++)
        free(w->flows[i].delays);
    free(w->flows);
    free(w->heap);
    free(w);
    return NULL;
}

struct flow *world_flow(struct world *w, enum control control, nanos starts)
{
    ASSERT(w->n_flows < FLOWS);
    struct flow *f = &w->flows[w->n_flows];
    f->index = (uint16_t)w->n_flows++;
    f->control = control;
    f->starts = starts;
    f->rto_at = f->reorder_at = f->ack_at = NANOS_NEVER;
    f->pace_at = starts;
    f->oldest = f->newest = UINT32_MAX;
    control_begin(f);
    return f;
}

static nanos next_event(const struct world *w)
{
    nanos next = w->n > 0 ? w->heap[0]->due : NANOS_NEVER;
    for (int i = 0; i < 2; i++)
        next = nanos_min(next, w->ends[i].look_at);
    for (unsigned i = 0; i < w->n_flows; i++)
        next = nanos_min(next, flow_deadline(&w->flows[i]));
    return next > w->now ? next : w->now;
}

void world_run(struct world *w, nanos until)
{
    for (nanos next; (next = next_event(w)) <= until;) {
        w->now = next;
        while (w->n > 0 && w->heap[0]->due <= w->now) {
            struct flight *f = heap_pop(w);
            w->links[f->up][f->path].state.n--;
            end_take(w, f);
            flight_drop(w, f);
        }
        for (int i = 0; i < 2; i++)
            if (w->ends[i].look_at <= w->now)
                end_look(w, i == 1);
        for (unsigned i = 0; i < w->n_flows; i++)
            if (flow_deadline(&w->flows[i]) <= w->now)
                flow_tick(w, &w->flows[i]);
    }
    w->now = until;
}
