/* SPDX-License-Identifier: Apache-2.0 */
/* How often a path that carried traffic failed while another one took over, and after how long. */
#include "multipath/vpn.h"

static bool works(const struct leg *leg)
{
    return leg_usable(leg) && !leg->link_gone;
}

/* carried - packets left on it: none of its rivals that the data plane knows goes before it. */
static bool carried(const struct vpn *vpn, const struct leg *leg)
{
    uint32_t own = UINT32_MAX, best = UINT32_MAX;
    for (unsigned i = 0; i < vpn->session.n_bearers; i++) {
        const struct bearer *bearer = &vpn->bearers[i];
        if (!bearer->told || !bearer->usable || !bearer->up)
            continue;
        if (bearer->priority < best)
            best = bearer->priority;
        if (bearer->line == leg->line && bearer->priority < own)
            own = bearer->priority;
    }
    return own != UINT32_MAX && own == best;
}

static bool another_works(const struct vpn *vpn, const struct leg *leg)
{
    for (unsigned i = 0; i < vpn->session.n_legs; i++)
        if (&vpn->legs[i] != leg && works(&vpn->legs[i]) && leg_carries(vpn, &vpn->legs[i]))
            return true;
    return false;
}

static void count(struct path_failovers *failovers, nanos gap_ns)
{
    failovers->n++;
    failovers->gaps_ns += gap_ns;
    if (gap_ns > failovers->longest_ns)
        failovers->longest_ns = gap_ns;
}

/* leg_settle - a leg that works again where it failed was no failover; one that has moved was. */
static void leg_settle(struct vpn *vpn, struct leg *leg, nanos now)
{
    bool again = works(leg);
    if (!again && !leg->failed && carried(vpn, leg)) {
        leg->failed = true;
        leg->failed_at = leg->at;
        leg->failed_ns = leg->health == HEALTH_DEAD && !leg->link_gone ? leg->heard_ns : now;
    }
    bool elsewhere = again && !leg_stands(leg, &leg->failed_at);
    if (leg->failed && leg->failed_ns != 0 && (elsewhere || (!again && another_works(vpn, leg)))) {
        count(&vpn->pm->failovers, now - leg->failed_ns);
        leg->failed_ns = 0;
    }
    leg->failed &= !again;
}

void failovers_settle(struct vpn *vpn, nanos now)
{
    for (unsigned i = 0; i < vpn->session.n_legs; i++)
        leg_settle(vpn, &vpn->legs[i], now);
}

struct path_failovers path_manager_failovers(const struct path_manager *pm)
{
    return pm->failovers;
}
