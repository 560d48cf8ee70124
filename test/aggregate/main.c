/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aggregate_model [-s SEEDS] [-t] [PROFILE...] - what one TCP flow gets over two links, each alone
 * and both together, in Mbit/s. `UDP` is the sum of what paced UDP gets over each link alone.
 * -t shows what the sender knows of its paths, ten times a second.
 *
 * aggregate_model -c [-s SEEDS] - compares with the bars, and plays the scenes; 1: something is
 * below its bar.
 */
#include "aggregate/scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WARM    (4 * NANOS_PER_SEC) /* a flow's start is not measured */
#define SECONDS 20

/* struct bars - the least share that one flow over both links gets: of the better link alone, and of
 * what paced UDP gets over both. The bars hold for the two seeds that the test sim_aggregate plays. Of
 * ten seeds, single ones of dual_lte with BBR, of congested with CUBIC, of jit_20 with BBR and of
 * overtaking are below.
 *
 * BBR takes the least round-trip time of ten seconds for the time of the path, and has twice as much
 * in flight as that time needs. So two links do not add up for BBR if their delays differ by more than
 * the shorter round trip (rtt_70 and up, fiber_lte), or if they jitter much (jit_20, congested). CUBIC
 * leaves its slow start at the first jitter (jit_20, lte_starlink), with one link as with two. Its
 * window then needs about 8 s to fill the path. */
struct bars {
    double cubic_best, bbr_best, bbr_sum;
};

struct profile {
    const char *name;
    struct link_settings links[PATHS];
    struct bars bars;
};

static const struct profile profiles[] = {
    {"baseline", {LINK(20, 0, 0, 50), LINK(20, 0, 0, 50)}, {1.90, 1.90, 0.93}},
    {"rtt_40", {LINK(20, 0, 0, 50), LINK(40, 0, 0, 50)}, {1.70, 1.90, 0.91}},
    {"rtt_70", {LINK(20, 0, 0, 50), LINK(70, 0, 0, 50)}, {0.97, 1.35, 0.66}},
    {"rtt_120", {LINK(20, 0, 0, 50), LINK(120, 0, 0, 50)}, {0.97, 0.97, 0.45}},
    {"rtt_320", {LINK(20, 0, 0, 50), LINK(320, 0, 0, 50)}, {0.97, 0.97, 0.50}},
    {"jit_5", {LINK(20, 5, 0, 50), LINK(20, 5, 0, 50)}, {1.45, 1.70, 0.80}},
    {"jit_20", {LINK(20, 20, 0, 50), LINK(20, 20, 0, 50)}, {1.00, 0.60, 0.10}},
    {"loss_05", {LINK(20, 0, 0.5, 50), LINK(20, 0, 0.5, 50)}, {7.00, 1.80, 0.88}},
    {"loss_2", {LINK(20, 0, 2, 50), LINK(20, 0, 2, 50)}, {4.50, 1.80, 0.85}},
    {"bw_4to1", {LINK(20, 0, 0, 50), LINK(20, 0, 0, 12)}, {1.15, 1.18, 0.92}},
    {"bw_10to1", {LINK(20, 0, 0, 100), LINK(20, 0, 0, 10)}, {0.97, 1.05, 0.92}},
    {"dual_lte", {LINK(30, 5, 0.5, 40), LINK(45, 8, 0.5, 25)}, {5.50, 1.25, 0.72}},
    {"fiber_lte", {LINK(8, 0, 0, 300), LINK(40, 8, 0.5, 30)}, {0.93, 0.97, 0.83}},
    {"lte_starlink", {LINK(35, 8, 0, 40), LINK(50, 25, 1, 100)}, {0.70, 0.65, 0.20}},
    {"lte_geo", {LINK(35, 0, 0, 40), LINK(320, 20, 0.5, 20)}, {0.95, 0.97, 0.60}},
    {"congested", {LINK(50, 20, 2, 20), LINK(60, 25, 2, 15)}, {3.00, 0.45, 0.18}},
    {"one_lossy", {LINK(20, 0, 0, 50), LINK(20, 0, 30, 50)}, {0.97, 0.97, 0.50}},
    {"overtaking", {OVERTAKES(20, 10, 50), OVERTAKES(20, 10, 50)}, {2.00, 2.00, 0.10}},
};

static struct {
    uint64_t seed, seeds;
    bool trace, check, failed, automatic;
} options = {.seeds = 3};

/* one_flow - Mbit/s over these paths. */
static double one_flow(const struct profile *p, unsigned usable, enum control control)
{
    struct world *w = world_new(p->links, usable, options.seed);
    struct flow *f = world_flow(w, control, w->now);
    w->trace = options.trace && usable == 3;
    w->mode = options.automatic ? ESP_MODE_AUTO : ESP_MODE_AGGREGATE;
    if (control == UDP)
        f->pace = (double)p->links[__builtin_ctz(usable)].rate_kbps * 125;
    double got = world_rate(w, f, WARM, SECONDS * NANOS_PER_SEC);
    world_free(w);
    return got;
}

/* struct figure - of several seeds. */
struct figure {
    double a, b, both, of_best, least_of_best, of_sum, least_of_sum;
};

static void measure(const struct profile *p, enum control c, struct figure *ret_f)
{
    struct figure f = {.least_of_best = 1e9, .least_of_sum = 1e9};
    for (options.seed = 1; options.seed <= options.seeds; options.seed++) {
        double udp = one_flow(p, 1, UDP) + one_flow(p, 2, UDP), n = (double)options.seeds;
        double a = one_flow(p, 1, c), b = one_flow(p, 2, c), both = one_flow(p, 3, c);
        double of_best = both / (a > b ? a : b), of_sum = both / udp;
        f.a += a / n;
        f.b += b / n;
        f.both += both / n;
        f.of_best += of_best / n;
        f.of_sum += of_sum / n;
        f.least_of_best = of_best < f.least_of_best ? of_best : f.least_of_best;
        f.least_of_sum = of_sum < f.least_of_sum ? of_sum : f.least_of_sum;
    }
    *ret_f = f;
}

static void hold(const char *name, const char *what, double got, double bar)
{
    if (!options.check || got >= bar)
        return;
    printf("%s: %s is %.2f, at least %.2f was expected\n", name, what, got, bar);
    options.failed = true;
}

static void row(const struct profile *p)
{
    struct figure f[2];
    printf("%-13s", p->name);
    for (enum control c = CUBIC; c <= BBR; c++) {
        measure(p, c, &f[c]);
        printf(" | %6.1f %6.1f %6.1f %6.2f (%5.2f) %5.2f", f[c].a, f[c].b, f[c].both, f[c].of_best,
               f[c].least_of_best, f[c].of_sum);
    }
    printf("\n");
    hold(p->name, "cubic, of the better link,", f[CUBIC].least_of_best, p->bars.cubic_best);
    hold(p->name, "BBR, of the better link,", f[BBR].least_of_best, p->bars.bbr_best);
    hold(p->name, "BBR, of the sum of UDP,", f[BBR].least_of_sum, p->bars.bbr_sum);
    fflush(stdout);
}

static void scenes(void)
{
    for (const struct scene *s = scene_table; s->name != NULL; s++)
        for (uint64_t seed = 1; seed <= options.seeds; seed++) {
            double got = s->play(seed);
            printf("%-40s %6.2f %s\n", s->name, got, s->unit);
            if (s->most) /* no more than the bar */
                hold(s->name, "-", -got, -s->bar);
            else
                hold(s->name, s->unit, got, s->bar);
        }
}

static bool wanted(const struct profile *p, char **names)
{
    bool named = *names == NULL;
    for (; *names != NULL; names++)
        named |= strcmp(*names, p->name) == 0;
    return named;
}

int main(int argc, char **argv)
{
    for (int o; (o = getopt(argc, argv, "s:tca")) != -1;) {
        if (o == '?')
            return 2;
        options.seeds = o == 's' ? strtoull(optarg, NULL, 10) : options.seeds;
        options.trace |= o == 't';
        options.automatic |= o == 'a';
        options.check |= o == 'c';
    }
    printf("%-13s | %6s %6s %6s %6s %7s %5s | %6s %6s %6s %6s %7s %5s\n", "Mbit/s", "CUBIC: A", "B",
           "both", "/best", "(least)", "/UDP", "BBR: A", "B", "both", "/best", "(least)", "/UDP");
    for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
        if (wanted(&profiles[i], argv + optind))
            row(&profiles[i]);
    if (argv[optind] == NULL || strcmp(argv[optind], "scenes") == 0)
        scenes();
    return options.failed;
}
