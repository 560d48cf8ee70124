/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/spread_choice.h"

#define PERIOD_NS   (250 * NANOS_PER_MS)
#define SETTLE_NS   NANOS_PER_SEC         /* of whole flows, before they are compared */
#define TRIAL_NS    (2 * NANOS_PER_SEC)   /* of packets that are spread, likewise */
#define CHANGE_NS   (500 * NANOS_PER_MS)  /* ENTERS and LEAVES at most */
#define PENALTY_MIN (10 * NANOS_PER_SEC)  /* after an attempt without a gain */
#define PENALTY_MAX (320 * NANOS_PER_SEC) /* after several */
#define BUSY_RATE   ((uint64_t)64000)     /* octets a second: more than a few calls */

static uint64_t delivered(const struct path_scheduler *s)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < SCHEDULER_PATHS; i++)
        sum += s->paths[i].delivered;
    return sum;
}

/* rate_look - true: a period ended, and `rate` is new. */
static bool rate_look(struct spread_choice *c, const struct path_scheduler *s, nanos now)
{
    nanos took = now - c->counted_at;
    if (c->counted_at != 0 && took < PERIOD_NS)
        return false;
    uint64_t sum = delivered(s), octets = sum > c->counted ? sum - c->counted : 0;
    c->rate = c->counted_at == 0 ? 0 : octets * (uint64_t)NANOS_PER_SEC / (uint64_t)took;
    c->counted = sum;
    c->counted_at = now;
    return true;
}

static bool several_carry(const struct path_scheduler *s, unsigned usable)
{
    unsigned n = 0;
    for (unsigned i = 0; i < SCHEDULER_PATHS; i++)
        n += (usable >> i & 1) != 0 && s->paths[i].measured && !s->paths[i].stalled;
    return n > 1;
}

static void state_set(struct spread_choice *c, const struct path_scheduler *s, enum spread state,
                      nanos now)
{
    c->state = state;
    c->since = now;
    for (unsigned i = 0; i < SCHEDULER_PATHS; i++)
        c->marks[i] = (struct spread_mark){s->paths[i].spi, s->paths[i].newest};
}

/* changed - all packets from before the state have been reported, or will not be. */
static bool changed(const struct spread_choice *c, const struct path_scheduler *s, nanos now)
{
    if (now - c->since > CHANGE_NS)
        return true;
    for (unsigned i = 0; i < SCHEDULER_PATHS; i++) {
        const struct path_model *p = &s->paths[i];
        if (p->key == 0 || p->stalled || !p->outstanding || p->spi != c->marks[i].spi)
            continue;
        if (!p->reported || esp_order_ahead(c->marks[i].newest, p->highest) > 0)
            return false;
    }
    return true;
}

static void flows_look(struct spread_choice *c, const struct path_scheduler *s, unsigned usable,
                       nanos now)
{
    if (c->rate < BUSY_RATE || now < c->not_before || !several_carry(s, usable))
        return;
    c->before = c->rate;
    state_set(c, s, SPREAD_ENTERS, now);
}

/* trial_judge - true: spreading packets delivered less than whole flows did. */
static bool trial_judge(struct spread_choice *c, nanos now)
{
    if (c->judged || now - c->since < TRIAL_NS)
        return false;
    c->judged = true;
    if (c->rate >= c->before - c->before / 10) {
        c->penalty = 0;
        return false;
    }
    c->penalty = c->penalty == 0 ? PENALTY_MIN : nanos_min(2 * c->penalty, PENALTY_MAX);
    c->not_before = now + c->penalty;
    return true;
}

static void packets_look(struct spread_choice *c, const struct path_scheduler *s, unsigned usable,
                         bool waiting, nanos now)
{
    bool worse = trial_judge(c, now) || c->not_before > now;
    bool idle = c->judged && c->rate < BUSY_RATE / 2;
    /* later packets would overtake the packets that wait */
    if (waiting || (!worse && !idle && several_carry(s, usable)))
        return;
    state_set(c, s, SPREAD_LEAVES, now);
}

void spread_choice_look(struct spread_choice *c, const struct path_scheduler *s, unsigned usable,
                        bool waiting, nanos now)
{
    bool fresh = rate_look(c, s, now);
    switch (c->state) {
    case SPREAD_FLOWS:
        if (fresh)
            flows_look(c, s, usable, now);
        return;
    case SPREAD_ENTERS:
        if (!changed(c, s, now))
            return;
        c->judged = false;
        state_set(c, s, SPREAD_PACKETS, now);
        return;
    case SPREAD_PACKETS:
        if (fresh || c->not_before > now)
            packets_look(c, s, usable, waiting, now);
        return;
    case SPREAD_LEAVES:
        if (!changed(c, s, now))
            return;
        c->not_before = c->not_before > now + SETTLE_NS ? c->not_before : now + SETTLE_NS;
        state_set(c, s, SPREAD_FLOWS, now);
        return;
    }
}
