/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim                          all named scenarios, then SEEDS random runs from seed FIRST on
 * sim NAME...                  these scenarios; `none`: none, but the random runs
 * environment: SEED=n one random run; SEEDS=n (300); FIRST=n (1); TRACE=1 a line per event;
 * TWICE=1 each run twice, with the same hash; REPLACE=ms: in random runs the IKE core of each host is
 * replaced that often, with the path manager, and its Child SAs leave the data plane and come back
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "sim/memory.h"
#include "sim/scenario.h"

struct totals {
    uint64_t runs, failed, events, hash;
    struct sim_counts counts;
};

static char running[64];

/* on_abort - after a failed assertion of the cores: prints which run it was. */
static void on_abort(int signal)
{
    (void)signal;
    static const char text[] = "aborted in ";
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)!write(STDERR_FILENO, running, strlen(running));
    (void)!write(STDERR_FILENO, "\n", 1);
}

static void add(struct sim_counts *sum, const struct sim_counts *one)
{
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)one;
    for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
        to[i] += from[i];
}

static uint64_t number(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    return text != NULL && *text != '\0' ? strtoull(text, NULL, 10) : fallback;
}

/* play - one run; returns its hash. */
static uint64_t play(struct totals *totals, uint64_t seed, const struct sim_scenario *scenario)
{
    long before = sim_memory_live();
    (void)snprintf(running, sizeof(running), "%s SEED=%llu",
                   scenario != NULL ? scenario->name : "random", (unsigned long long)seed);
    struct sim *sim = sim_new(seed, number("TRACE", 0) != 0);
    sim->replace = SIM_MS((nanos)number("REPLACE", 0));
    sim_scenario_run(sim, scenario);
    uint64_t hash = sim->hash;
    bool failed = sim->n_violations > 0;
    if (failed)
        printf("FAILED %s: %s\n", running, sim->violation);
    totals->runs++;
    totals->events += sim->counts.events;
    add(&totals->counts, &sim->counts);
    totals->hash = sim_hash((const uint8_t *)&hash, sizeof(hash), totals->hash);
    sim_free(sim);
    if (sim_memory_live() != before) {
        printf("FAILED %s: %ld allocations were not given back\n", running,
               sim_memory_live() - before);
        failed = true;
    }
    totals->failed += failed;
    return hash;
}

static void play_checked(struct totals *totals, uint64_t seed, const struct sim_scenario *scenario)
{
    uint64_t hash = play(totals, seed, scenario);
    if (number("TWICE", 0) == 0 || play(totals, seed, scenario) == hash)
        return;
    printf("FAILED %s: the second run was another one\n", running);
    totals->failed++;
}

static bool chosen(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return argc == 1;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void report(const struct totals *t, double took)
{
    const struct sim_counts *c = &t->counts;
    printf("%llu datagrams, %llu lost, %llu replayed, %llu altered; %llu ESP packets sealed, %llu "
           "delivered, %llu of them inner IPv6, %llu refused\n",
           (unsigned long long)c->datagrams, (unsigned long long)c->lost,
           (unsigned long long)c->replayed, (unsigned long long)c->mutated,
           (unsigned long long)c->esp_sealed, (unsigned long long)c->esp_delivered,
           (unsigned long long)c->inner_v6, (unsigned long long)c->esp_refused);
    printf("%llu logins, %llu clones and rekeys, %llu inner addresses of clones, %llu moves, %llu "
           "crashes, %llu cores and %llu path managers replaced, %llu failed allocations\n",
           (unsigned long long)c->logins, (unsigned long long)c->clones,
           (unsigned long long)c->inner_own, (unsigned long long)c->moves,
           (unsigned long long)c->crashes, (unsigned long long)c->replaced,
           (unsigned long long)c->paths_replaced, (unsigned long long)c->failed_allocations);
    printf("%llu runs, %llu failed, %llu events in %.1f s: %.0f a second; trace hash %016llx\n",
           (unsigned long long)t->runs, (unsigned long long)t->failed,
           (unsigned long long)t->events, took, (double)t->events / took,
           (unsigned long long)t->hash);
}

int main(int argc, char **argv)
{
    struct totals totals = {0};
    double began = seconds();
    uint64_t first = number("FIRST", 1), seeds = number("SEEDS", 300);
    bool one = number("SEED", UINT64_MAX) != UINT64_MAX;
    const struct sim_scenario *scenario;
    (void)signal(SIGABRT, on_abort);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; !one && (scenario = sim_scenario_at(i)) != NULL; i++)
        if (chosen(argc, argv, scenario->name))
            play_checked(&totals, 1, scenario);
    if (one)
        play_checked(&totals, number("SEED", 0), NULL);
    bool random = !one && (argc == 1 || strcmp(argv[1], "none") == 0);
    for (uint64_t seed = first; random && seed < first + seeds; seed++)
        play_checked(&totals, seed, NULL);
    if (random && seeds > 0)
        printf("seeds %llu to %llu\n", (unsigned long long)first,
               (unsigned long long)(first + seeds - 1));
    report(&totals, seconds() - began);
    return totals.failed == 0 && totals.runs > 0 ? 0 : 1;
}
