/* SPDX-License-Identifier: Apache-2.0 */
#include "explorer/order.h"

#include "base/assert.h"

static bool has(const struct order_set *set, uint32_t event)
{
    for (unsigned i = 0; i < set->n; i++)
        if (set->events[i] == event)
            return true;
    return false;
}

static void add(struct order_set *set, uint32_t event)
{
    ASSERT(set->n < ORDER_EVENTS);
    set->events[set->n++] = event;
}

/* first_awake - ORDER_PRUNED: all sleep. */
static uint32_t first_awake(const struct order_node *node)
{
    for (unsigned i = 0; i < node->enabled.n; i++)
        if (!has(&node->sleep, node->enabled.events[i]))
            return node->enabled.events[i];
    return ORDER_PRUNED;
}

static bool out_of_turn(const struct order_node *node)
{
    return node->chosen != node->enabled.events[0];
}

/* within - the chosen event keeps the bounds. */
static bool within(const struct order *order, const struct order_node *node)
{
    return node->branches_before < order->branches &&
           (order->deviations == ORDER_ANY ||
            node->deviations_before + out_of_turn(node) <= order->deviations);
}

bool order_cut(const struct order *order)
{
    if (order->depth == 0 || order->branches == ORDER_ANY)
        return false;
    const struct order_node *last = &order->nodes[order->depth - 1];
    return last->branches_before + (last->enabled.n > 1) > order->branches;
}

void order_begin(struct order *order)
{
    order->at = 0;
}

uint32_t order_choose(struct order *order, const struct order_set *enabled)
{
    if (order->at < order->depth) {
        struct order_node *node = &order->nodes[order->at++];
        ASSERT(has(enabled, node->chosen)); /* otherwise a repeated run differs */
        node->enabled = *enabled;
        return node->chosen;
    }
    ASSERT(order->depth < ORDER_DEPTH);
    struct order_node *node = &order->nodes[order->depth];
    node->enabled = *enabled;
    node->sleep.n = 0;
    node->branches_before = node->deviations_before = 0;
    if (order->depth > 0) {
        const struct order_node *before = node - 1;
        bool reduce = order->deviations == ORDER_ANY;
        for (unsigned i = 0; reduce && i < before->sleep.n; i++)
            if (order_host(before->sleep.events[i]) != order_host(before->chosen))
                add(&node->sleep, before->sleep.events[i]);
        node->branches_before = before->branches_before + (before->enabled.n > 1);
        node->deviations_before = before->deviations_before + out_of_turn(before);
    }
    node->chosen = first_awake(node);
    if (node->chosen == ORDER_PRUNED)
        return ORDER_PRUNED;
    order->at = ++order->depth;
    return node->chosen;
}

bool order_next(struct order *order)
{
    while (order->depth > 0) {
        struct order_node *node = &order->nodes[order->depth - 1];
        add(&node->sleep, node->chosen);
        node->chosen = first_awake(node);
        if (node->chosen != ORDER_PRUNED && within(order, node))
            return true;
        order->depth--;
    }
    return false;
}
