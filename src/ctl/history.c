/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct history *history_of(struct history_set *set, const char *name)
{
    for (size_t i = 0; i < set->n; i++)
        if (strncmp(set->items[i].name, name, HISTORY_NAME - 1) == 0)
            return &set->items[i];
    if (set->n == set->cap) {
        size_t cap = set->cap == 0 ? 16 : 2 * set->cap;
        struct history *grown = reallocarray(set->items, cap, sizeof(grown[0]));
        if (grown == NULL)
            return NULL;
        set->items = grown;
        set->cap = cap;
    }
    struct history *added = &set->items[set->n++];
    *added = (struct history){0};
    (void)snprintf(added->name, sizeof(added->name), "%s", name);
    return added;
}

void history_set_done(struct history_set *set)
{
    free(set->items);
    *set = (struct history_set){0};
}

static double rate_of(uint64_t before, uint64_t now, long long elapsed_ms)
{
    return elapsed_ms <= 0 || now < before ? 0 : (double)(now - before) * 1000 / (double)elapsed_ms;
}

static void samples_push(double *samples, size_t n, double value)
{
    if (n == HISTORY_SAMPLES)
        memmove(samples, samples + 1, (HISTORY_SAMPLES - 1) * sizeof(samples[0]));
    samples[n == HISTORY_SAMPLES ? n - 1 : n] = value;
}

void history_add(struct history *history, double rtt_ms, uint64_t octets_in, uint64_t octets_out,
                 long long now_ms)
{
    if (history->sampled_ms != 0) {
        long long elapsed = now_ms - history->sampled_ms;
        history->rate_in = rate_of(history->octets_in, octets_in, elapsed);
        history->rate_out = rate_of(history->octets_out, octets_out, elapsed);
    }
    history->octets_in = octets_in;
    history->octets_out = octets_out;
    history->sampled_ms = now_ms;
    samples_push(history->rtt_ms, history->n, rtt_ms);
    samples_push(history->rate, history->n, history->rate_in + history->rate_out);
    if (history->n < HISTORY_SAMPLES)
        history->n++;
}

void history_graph(const double *samples, size_t n, size_t width, bool utf8, char *out)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char ascii[] = "_.-:=+*#";
    size_t shown = n < width ? n : width;
    double largest = 0;
    for (size_t i = n - shown; i < n; i++)
        largest = samples[i] > largest ? samples[i] : largest;
    for (size_t i = shown; i < width; i++)
        *out++ = ' ';
    for (size_t i = n - shown; i < n; i++) {
        size_t level = largest <= 0 ? 0 : (size_t)(samples[i] / largest * 7.0 + 0.5);
        if (utf8) {
            memcpy(out, blocks[level], 3);
            out += 3;
        } else {
            *out++ = ascii[level];
        }
    }
    *out = '\0';
}
