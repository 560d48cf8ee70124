/* SPDX-License-Identifier: Apache-2.0 */
/* Time, chance, and pending events. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "crypto/provider.h"
#include "crypto/test_ke.h"
#include "exchange/party.h"
#include "sim/checker.h"
#include "sim/host.h"
#include "sim/network.h"
#include "sim/sim.h"
#include "sim/traffic.h"

#define STEPS_AT_ONCE 20000 /* more events at one moment are an endless loop */

bool sim_chance(struct sim *sim, unsigned per_mille)
{
    return per_mille > 0 && dice_next(&sim->dice) % 1000 < per_mille;
}

uint64_t sim_below(struct sim *sim, uint64_t bound)
{
    ASSERT(bound > 0);
    return dice_next(&sim->dice) % bound;
}

/* --- what happened --- */

uint64_t sim_hash(const uint8_t *octets, size_t len, uint64_t start)
{
    uint64_t hash = start ^ len * 0x9e3779b97f4a7c15;
    for (size_t i = 0; i < len; i += 8) {
        uint64_t word = 0;
        memcpy(&word, octets + i, len - i < 8 ? len - i : 8);
        hash = (hash ^ word) * 0xff51afd7ed558ccd;
        hash ^= hash >> 32;
    }
    return hash;
}

void sim_mix(struct sim *sim, uint64_t value)
{
    sim->hash = sim_hash((const uint8_t *)&value, sizeof(value), sim->hash);
}

void sim_mix_octets(struct sim *sim, const uint8_t *octets, size_t len)
{
    sim->hash = sim_hash(octets, len, sim->hash);
}

void sim_log(const struct sim *sim, const struct sim_host *host, const char *format, ...)
{
    va_list args;
    if (!sim->trace)
        return;
    printf("%12.6fs %-3s ", (double)sim->now / 1e9, host != NULL ? host->name : "-");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

void sim_violation(struct sim *sim, const char *format, ...)
{
    va_list args;
    char text[sizeof(sim->violation) - 32];
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    sim_log(sim, NULL, "VIOLATION %s", text);
    if (sim->n_violations++ == 0)
        (void)snprintf(sim->violation, sizeof(sim->violation), "%.6fs %s", (double)sim->now / 1e9,
                       text);
}

/* --- what is due: a heap by time, then by serial number --- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->serial < b->serial;
}

static void heap_put(struct sim *sim, struct sim_event *event)
{
    if (sim->n_heap == sim->heap_room) {
        sim->heap_room = sim->heap_room == 0 ? 256 : sim->heap_room * 2;
        sim->heap = reallocarray(sim->heap, sim->heap_room, sizeof(struct sim_event *));
        ASSERT(sim->heap != NULL);
    }
    size_t at = sim->n_heap++;
    for (; at > 0 && before(event, sim->heap[(at - 1) / 2]); at = (at - 1) / 2)
        sim->heap[at] = sim->heap[(at - 1) / 2];
    sim->heap[at] = event;
}

static struct sim_event *heap_take(struct sim *sim)
{
    struct sim_event *first = sim->heap[0], *last = sim->heap[--sim->n_heap];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < sim->n_heap; at = child) {
        if (child + 1 < sim->n_heap && before(sim->heap[child + 1], sim->heap[child]))
            child++;
        if (!before(sim->heap[child], last))
            break;
        sim->heap[at] = sim->heap[child];
    }
    sim->heap[at] = last;
    return first;
}

struct sim_event *sim_event_new(struct sim *sim, enum sim_event_kind kind, nanos wait,
                                const struct sim_host *host)
{
    struct sim_event *event = calloc(1, sizeof(*event));
    ASSERT(event != NULL);
    event->at = nanos_after(sim->now, wait);
    event->serial = ++sim->serial;
    event->kind = kind;
    if (host != NULL) {
        event->host = (unsigned)(host - sim->hosts);
        event->incarnation = host->incarnation;
    }
    heap_put(sim, event);
    return event;
}

void sim_at(struct sim *sim, nanos wait, sim_action action, uint64_t argument)
{
    struct sim_event *event = sim_event_new(sim, SIM_ACTION, wait, NULL);
    event->action = action;
    event->argument = argument;
}

static void event_free(struct sim_event *event)
{
    free(event->packet);
    free(event);
}

/* --- the loop --- */

static void event_run(struct sim *sim, struct sim_event *event)
{
    struct sim_host *host = &sim->hosts[event->host];
    sim_mix(sim, (uint64_t)event->at ^ (uint64_t)event->kind << 60);
    switch (event->kind) {
    case SIM_DELIVER: sim_network_deliver(sim, event->packet); return;
    case SIM_JOB:
        if (host->running && host->incarnation == event->incarnation)
            sim_host_job_done(host, event);
        return;
    case SIM_TRAFFIC:
        if (host->incarnation == event->incarnation)
            sim_traffic_tick(host);
        return;
    case SIM_ACTION: event->action(sim, event->argument); return;
    }
}

/* step - runs the next event up to `until`; false: none. */
static bool step(struct sim *sim, nanos until)
{
    struct sim_host *due = NULL;
    nanos at = sim->n_heap > 0 ? sim->heap[0]->at : NANOS_NEVER;
    for (unsigned i = 0; i < sim->n_hosts; i++)
        if (sim->hosts[i].running && sim->hosts[i].deadline < at) {
            due = &sim->hosts[i];
            at = due->deadline;
        }
    if (at > until)
        return false;
    if (at > sim->now)
        sim->now = at;
    sim->counts.events++;
    if (due != NULL) {
        sim_mix(sim, (uint64_t)(due - sim->hosts) ^ (uint64_t)sim->now);
        sim_host_tick(due);
    } else {
        struct sim_event *event = heap_take(sim);
        event_run(sim, event);
        event_free(event);
    }
    return true;
}

void sim_run(struct sim *sim, nanos duration)
{
    nanos until = nanos_after(sim->now, duration), last = sim->now;
    for (unsigned steps = 0; sim->n_violations == 0 && step(sim, until); steps++) {
        if (sim->now != last)
            steps = 0;
        last = sim->now;
        if (steps > STEPS_AT_ONCE)
            sim_violation(sim, "time stands still");
    }
    if (sim->n_violations == 0)
        sim->now = until;
}

void sim_until(struct sim *sim, bool (*condition)(struct sim *sim), nanos limit, const char *what)
{
    nanos end = nanos_after(sim->now, limit);
    while (sim->n_violations == 0 && !condition(sim)) {
        const char *wrong = sim->now >= end ? sim_check_healed(sim) : NULL;
        if (sim->now >= end)
            sim_violation(sim, "%s, after %.0f s%s%s", what, (double)limit / 1e9,
                          wrong != NULL ? ": " : "", wrong != NULL ? wrong : "");
        else
            sim_run(sim, SIM_MS(100));
    }
}

struct sim *sim_new(uint64_t seed, bool trace)
{
    struct sim *sim = calloc(1, sizeof(*sim));
    ASSERT(sim != NULL);
    sim->seed = sim->dice = sim->private_dice = seed;
    sim->private_values = dice_random(&sim->private_dice);
    test_ke_random(&sim->private_values);
    sim->trace = trace;
    sim->now = SIM_SECONDS(1000);
    sim->crypto = crypto_new();
    ASSERT(sim->crypto != NULL);
    sim->checks = sim_checks_new();
    return sim;
}

void sim_free(struct sim *sim)
{
    for (unsigned i = 0; i < sim->n_hosts; i++)
        sim_host_done(&sim->hosts[i]);
    for (size_t i = 0; i < sim->n_heap; i++)
        event_free(sim->heap[i]);
    for (size_t i = 0; i < SIM_RECENT; i++)
        free(sim->recent[i]);
    free(sim->heap);
    sim_checks_free(sim->checks);
    crypto_free(sim->crypto);
    free(sim);
}
