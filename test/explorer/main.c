/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collision explorer: every pair of operations, begun by either end or by both, in every order
 * of their datagrams, and again with every single one of them lost, doubled or late (RFC 7296
 * sections 2.1, 2.8 and 2.25; draft-mglt-ipsecme-keep-old-ike-sa-00 section 4).
 *
 * usage: explorer [-v] [-j PROCESSES] [-b BRANCHES] [-o EVENTS] [-f FATE] [-d DATAGRAMS]
 *        explorer [-b BRANCHES] [-o EVENTS] VARIANT OF_A OF_B FATE HOST ORDINAL
 *
 * Two searches, for each pair of operations, without and with a fate of one datagram:
 *      BRANCHES (6): at so many points of a run everything that can happen next is tried;
 *      EVENTS (1): so many events come out of turn, each of them at every point of the run.
 * The first one is cut where a run goes on behind those points; how often is printed. The second
 * one is never cut. FATE: only this one, and none. DATAGRAMS: so many of each host have a fate. The
 * second form: one pair.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "explorer/play.h"

static struct schedule now; /* printed when a check fails, since checks end the process */
static bool done, verbose;
static struct counts {
    unsigned long schedules, pruned, cut, turned; /* turned: runs of the second search */
    unsigned pairs;
} counts;
static unsigned branches = 6, events = 1;

static void say_where(void)
{
    if (!done)
        (void)fprintf(stderr, "explorer: failed in: explorer %s %s %s %s %u %u (schedule %lu)\n",
                      variants[now.variant].name, operations[now.of_a].name,
                      operations[now.of_b].name, fate_names[now.fate], now.fate_host,
                      now.fate_ordinal, counts.schedules);
}

/* search - false: the datagram of that fate is never sent. */
static bool search(unsigned max_branches, unsigned max_deviations)
{
    static struct order order;
    bool any = false, hit;
    order.depth = 0;
    order.branches = max_branches;
    order.deviations = max_deviations;
    do {
        bool played = play(&now, &order, &hit);
        counts.schedules += played;
        counts.pruned += !played;
        counts.cut += played && order_cut(&order);
        counts.turned += played && max_deviations != ORDER_ANY;
        any |= hit;
    } while (order_next(&order));
    return any;
}

static bool all_orders(void)
{
    bool any = branches > 0 && search(branches, ORDER_ANY);
    return (events > 0 && search(ORDER_ANY, events)) || any;
}

static void explore_pair(unsigned variant, unsigned of_a, unsigned of_b, unsigned datagrams,
                         int only)
{
    now = (struct schedule){variant, of_a, of_b, FATE_NONE, 0, 0};
    (void)all_orders();
    for (int fate = FATE_LOST; fate < FATES; fate++)
        for (unsigned host = 0; host < 2 && (only < 0 || only == fate); host++)
            for (unsigned ordinal = 0; ordinal < datagrams; ordinal++) {
                now = (struct schedule){variant, of_a, of_b, (enum fate)fate, host, ordinal};
                if (!all_orders())
                    break;
            }
}

static int find(const char *what, const char *name, const char *(*at)(unsigned), unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(at(i), name) == 0)
            return (int)i;
    (void)fprintf(stderr, "explorer: no %s '%s'\n", what, name);
    done = true;
    exit(2);
}

static const char *variant_name(unsigned i)
{
    return variants[i].name;
}
static const char *operation_name(unsigned i)
{
    return operations[i].name;
}
static const char *fate_name(unsigned i)
{
    return fate_names[i];
}

static void one(char **words)
{
    now = (struct schedule){
        .variant = (unsigned)find("variant", words[0], variant_name, n_variants),
        .of_a = (unsigned)find("operation", words[1], operation_name, n_operations),
        .of_b = (unsigned)find("operation", words[2], operation_name, n_operations),
        .fate = (enum fate)find("fate", words[3], fate_name, FATES),
        .fate_host = (unsigned)strtoul(words[4], NULL, 10),
        .fate_ordinal = (unsigned)strtoul(words[5], NULL, 10),
    };
    (void)all_orders();
}

static unsigned explore(unsigned part, unsigned parts, unsigned datagrams, int only)
{
    unsigned pairs = 0, taken = 0;
    for (unsigned variant = 0; variant < n_variants; variant++)
        for (unsigned a = 0; a < n_operations; a++)
            for (unsigned b = 0; b < n_operations; b++) {
                if (!operation_fits(&variants[variant], &operations[a], 0) ||
                    !operation_fits(&variants[variant], &operations[b], 1) ||
                    (operations[a].nothing && operations[b].nothing) || pairs++ % parts != part)
                    continue;
                unsigned long before = counts.schedules;
                explore_pair(variant, a, b, datagrams, only);
                taken++;
                if (verbose)
                    printf("%s %s x %s: %lu schedules\n", variants[variant].name,
                           operations[a].name, operations[b].name, counts.schedules - before);
            }
    return taken;
}

/* explore_all - in `processes`, each with a part of the pairs. Returns the number of failed pairs. */
static int explore_all(unsigned processes, unsigned datagrams, int only)
{
    int ends[2], failed = 0, status;
    if (pipe(ends) != 0)
        return 1;
    for (unsigned i = 0; i < processes; i++)
        if (fork() == 0) {
            counts.pairs = explore(i, processes, datagrams, only);
            done = write(ends[1], &counts, sizeof(counts)) == (ssize_t)sizeof(counts);
            exit(done ? 0 : 1);
        }
    close(ends[1]);
    struct counts part;
    while (read(ends[0], &part, sizeof(part)) == (ssize_t)sizeof(part)) {
        counts.schedules += part.schedules;
        counts.pruned += part.pruned;
        counts.cut += part.cut;
        counts.turned += part.turned;
        counts.pairs += part.pairs;
    }
    while (wait(&status) > 0)
        failed += status != 0;
    return failed;
}

int main(int argc, char **argv)
{
    unsigned processes = 1, datagrams = 16;
    int option, only = -1, failed = 0;
    while ((option = getopt(argc, argv, "j:d:f:b:o:v")) != -1)
        switch (option) {
        case 'j': processes = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'd': datagrams = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'f': only = find("fate", optarg, fate_name, FATES); break;
        case 'b': branches = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'o': events = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'v': verbose = true; break;
        default: done = true; return 2;
        }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)atexit(say_where);
    if (argc - optind == 6) {
        one(argv + optind);
        counts.pairs = 1;
    } else {
        failed = explore_all(processes, datagrams, only);
    }
    done = true;
    printf("explorer: %lu schedules of %u pairs of operations, %lu others left out as repetitions, "
           "%d violations\n"
           "explorer: %lu of them all orders at the first %u points of choice (%lu went on in turn "
           "behind them), %lu with up to %u events out of turn, at every point\n",
           counts.schedules, counts.pairs, counts.pruned, failed, counts.schedules - counts.turned,
           branches, counts.cut, counts.turned, events);
    return failed == 0 ? 0 : 1;
}
