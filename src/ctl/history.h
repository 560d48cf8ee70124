/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_HISTORY_H
#define CTL_HISTORY_H

/* The last samples of one path, for the small graphs of `ikat watch`. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_SAMPLES 60
#define HISTORY_NAME    128

struct history {
    char name[HISTORY_NAME]; /* session and path */
    uint64_t octets_in, octets_out;
    long long sampled_ms;     /* 0: never */
    double rate_in, rate_out; /* octets per second between the last two samples */
    size_t n;
    double rtt_ms[HISTORY_SAMPLES], rate[HISTORY_SAMPLES]; /* oldest first */
};

struct history_set {
    size_t n, cap;
    struct history *items; /* owned */
};

/* history_of - the entry of that name, made if it is missing; borrowed until the next call. NULL:
 * no memory. */
struct history *history_of(struct history_set *set, const char *name);
void history_set_done(struct history_set *set);

/* history_add - adds a sample. Counters that decreased (a new Child SA) count as no traffic. */
void history_add(struct history *history, double rtt_ms, uint64_t octets_in, uint64_t octets_out,
                 long long now_ms);

/*
 * history_graph - draws the newest `width` samples, scaled to the largest of them, in UTF-8 blocks
 * or, without `utf8`, in ASCII. Missing samples are blanks. `out` has room for 3 octets a column
 * and a NUL.
 */
void history_graph(const double *samples, size_t n, size_t width, bool utf8, char *out);

#endif
