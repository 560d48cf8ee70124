/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_EXPLORER_ORDER_H
#define TEST_EXPLORER_ORDER_H

/*
 * Every order in which a set of events can happen, by repeating a run from its beginning with other
 * choices (stateless search, depth first). Two events on different hosts commute. One of the orders
 * that differ only in such events is enough. Sleep sets (Godefroid, Partial-Order Methods for the
 * Verification of Concurrent Systems, 1996) leave out the others.
 *
 * Each of the two searches has a bound. `branches`: all choices are tried at this many points, and
 * later events happen in turn. `deviations`: this many events happen out of turn, at any points of
 * the run; no order is left out as a repetition then, since the repetition may lie beyond the
 * bound.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ORDER_EVENTS 16  /* events that can happen next at one point */
#define ORDER_DEPTH  192 /* events of one run */
#define ORDER_PRUNED UINT32_MAX
#define ORDER_ANY    UINT32_MAX

/* struct order_event as a number: a name that is the same in every run, and the host (0, 1). */
static inline uint32_t order_event(unsigned host, unsigned kind, unsigned ordinal, unsigned copy)
{
    return (uint32_t)host << 30 | (uint32_t)kind << 24 | (uint32_t)ordinal << 8 | copy;
}
static inline unsigned order_host(uint32_t event)
{
    return event >> 30;
}

struct order_set {
    unsigned n;
    uint32_t events[ORDER_EVENTS];
};

struct order {
    unsigned depth, at;
    unsigned branches, deviations; /* ORDER_ANY: no limit */
    struct order_node {
        struct order_set enabled, sleep; /* sleep: explored elsewhere; events done here are added */
        uint32_t chosen;
        unsigned branches_before, deviations_before;
    } nodes[ORDER_DEPTH];
};

/* order_begin - a run begins. */
void order_begin(struct order *order);
/* order_choose - chooses the next of `enabled` (at least one); ORDER_PRUNED: this run would only
 * repeat another one. */
uint32_t order_choose(struct order *order, const struct order_set *enabled);
/* order_cut - beyond the bound of the last run there were further choices. */
bool order_cut(const struct order *order);
/* order_next - prepares the next run; false: that was the last one. The first one: depth 0. */
bool order_next(struct order *order);

#endif
