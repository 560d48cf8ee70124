/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/terms/narrow.h"

static bool same(const struct ike_ts *a, const struct ike_ts *b)
{
    return a->protocol == b->protocol && a->start_port == b->start_port &&
           a->end_port == b->end_port && address_equal(&a->range.first, &b->range.first) &&
           address_equal(&a->range.last, &b->range.last);
}

static void ts_list_add(struct ike_ts_list *list, const struct ike_ts *ts)
{
    for (size_t i = 0; i < list->n; i++)
        if (same(&list->ts[i], ts))
            return;
    if (list->n < POLICY_TS)
        list->ts[list->n++] = *ts;
}

void ts_fixed(const struct ike_ts_policy *policy, struct ike_ts_list *ret_list)
{
    *ret_list = (struct ike_ts_list){.n = policy->fixed.n};
    for (size_t i = 0; i < ret_list->n; i++)
        ret_list->ts[i] = policy->fixed.ts[i];
}

void ts_resolve(const struct ike_ts_policy *policy, const struct address *addresses, size_t n,
                struct ike_ts_list *ret_list)
{
    ts_fixed(policy, ret_list);
    for (uint8_t i = 0; i < policy->n_dynamic; i++)
        for (size_t j = 0; j < n; j++) {
            struct ike_ts ts = {
                .protocol = policy->dynamic[i].protocol,
                .start_port = policy->dynamic[i].start_port,
                .end_port = policy->dynamic[i].end_port,
                .range = {addresses[j], addresses[j]},
            };
            ts_list_add(ret_list, &ts);
        }
}

static bool opaque(const struct ike_ts *ts)
{
    return ts->start_port == 65535 && ts->end_port == 0;
}

static bool intersect(const struct ike_ts *a, const struct ike_ts *b, struct ike_ts *ret_ts)
{
    struct ike_ts ts = {.protocol = a->protocol != 0 ? a->protocol : b->protocol};
    if (a->protocol != 0 && b->protocol != 0 && a->protocol != b->protocol)
        return false;
    if (!range_intersect(&a->range, &b->range, &ts.range))
        return false;
    if (opaque(a) || opaque(b)) {
        /* only "any port" and OPAQUE itself contain OPAQUE (65535 - 0) */
        const struct ike_ts *other = opaque(a) ? b : a;
        if (!opaque(other) && !(other->start_port == 0 && other->end_port == 65535))
            return false;
        ts.start_port = 65535;
        ts.end_port = 0;
    } else {
        ts.start_port = a->start_port > b->start_port ? a->start_port : b->start_port;
        ts.end_port = a->end_port < b->end_port ? a->end_port : b->end_port;
        if (ts.start_port > ts.end_port)
            return false;
    }
    *ret_ts = ts;
    return true;
}

/* ts_inside - `b` allows all packets that `a` allows. */
static bool ts_inside(const struct ike_ts *a, const struct ike_ts *b)
{
    struct ike_ts both;
    return intersect(a, b, &both) && same(&both, a);
}

/* ts_join - extends the list by the packets that `ts` allows. */
static void ts_join(struct ike_ts_list *list, const struct ike_ts *ts)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->n; i++)
        if (ts_inside(ts, &list->ts[i]))
            return;
    for (size_t i = 0; i < list->n; i++)
        if (!ts_inside(&list->ts[i], ts))
            list->ts[kept++] = list->ts[i];
    list->n = kept;
    ts_list_add(list, ts);
}

void ts_reduce(struct ike_ts_list *list)
{
    struct ike_ts_list all = *list;
    list->n = 0;
    for (size_t i = 0; i < all.n; i++)
        ts_join(list, &all.ts[i]);
}

void ts_first(const struct address *host, uint8_t protocol, uint16_t port, struct ike_ts_list *list)
{
    struct ike_ts_list first = {.n = 1};
    first.ts[0] = (struct ike_ts){
        .protocol = protocol,
        .start_port = port,
        .end_port = port == 0 ? UINT16_MAX : port,
        .range = {*host, *host},
    };
    if (list->n == POLICY_TS || !ts_within(&first, list) || same(&first.ts[0], &list->ts[0]))
        return;
    memmove(&list->ts[1], &list->ts[0], list->n * sizeof(list->ts[0]));
    list->ts[0] = first.ts[0];
    list->n++;
}

void ts_narrow(const struct ike_ts_list *asked, const struct ike_ts_list *allowed,
               struct ike_ts_list *ret_list)
{
    struct ike_ts ts;
    ret_list->n = 0;
    for (size_t i = 0; i < asked->n; i++)
        for (size_t j = 0; j < allowed->n; j++)
            if (intersect(&asked->ts[i], &allowed->ts[j], &ts))
                ts_join(ret_list, &ts);
}

bool ts_within(const struct ike_ts_list *inner, const struct ike_ts_list *outer)
{
    for (size_t i = 0; i < inner->n; i++) {
        bool found = false;
        for (size_t j = 0; !found && j < outer->n; j++)
            found = ts_inside(&inner->ts[i], &outer->ts[j]);
        if (!found)
            return false;
    }
    return inner->n > 0;
}

void ts_to_wire(const struct ike_ts_list *list, struct wire_ts_list *ret_list)
{
    ret_list->n = list->n;
    for (size_t i = 0; i < list->n; i++)
        ret_list->ts[i] = (struct wire_ts){list->ts[i].protocol, list->ts[i].start_port,
                                           list->ts[i].end_port, list->ts[i].range};
}

bool ts_from_wire(struct span body, struct ike_ts_list *ret_list)
{
    struct wire_ts_list list;
    if (!wire_ts_read(body, &list))
        return false;
    ret_list->n = list.n;
    for (size_t i = 0; i < list.n; i++)
        ret_list->ts[i] = (struct ike_ts){list.ts[i].protocol, list.ts[i].start_port,
                                          list.ts[i].end_port, list.ts[i].range};
    return true;
}
