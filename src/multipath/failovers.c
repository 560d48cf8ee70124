/* SPDX-License-Identifier: Apache-2.0 */
/* Counts failovers: a path that carried traffic fails, and after a gap another path carries the traffic. */
#include "multipath/vpn.h"

static bool works(const struct leg *leg)
{
    return leg_usable(leg) && !leg->link_gone;
}

/* carried - the leg carried traffic: the data plane preferred no other leg to it. */
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

/* taken_over - the leg has moved off the place of its failure and works, or a leg at another place carries. A leg that
 * is parked at the place of the failure is cut off as well, even if its health does not show it yet. */
static bool taken_over(const struct vpn *vpn, const struct leg *leg)
{
    const struct ike_path *failed = &leg->failure.at;
    for (unsigned i = 0; i < vpn->session.n_legs; i++) {
        const struct leg *other = &vpn->legs[i];
        if (works(other) && !leg_stands(other, failed) && (other == leg || leg_carries(vpn, other)))
            return true;
    }
    return false;
}

/* noted - another leg has failed at the same place. A path that fails is one failover, however many legs it has. */
static bool noted(const struct vpn *vpn, const struct leg *leg)
{
    for (unsigned i = 0; i < vpn->session.n_legs; i++) {
        const struct leg *other = &vpn->legs[i];
        if (other != leg && other->failure.phase != FAILURE_NONE &&
            leg_stands(leg, &other->failure.at))
            return true;
    }
    return false;
}

static void count(struct path_failovers *failovers, nanos gap_ns)
{
    failovers->n++;
    failovers->gaps_ns += gap_ns;
    if (gap_ns > failovers->longest_ns)
        failovers->longest_ns = gap_ns;
}

/* leg_settle - a leg that works again where it failed was no failover. A leg that has moved was one. */
static void leg_settle(struct vpn *vpn, struct leg *leg, nanos now)
{
    struct failure *failure = &leg->failure;
    bool again = works(leg);
    if (!again && failure->phase == FAILURE_NONE && carried(vpn, leg))
        *failure = (struct failure){
            .phase = noted(vpn, leg) ? FAILURE_COUNTED : FAILURE_OPEN,
            .since_ns = leg->health == HEALTH_DEAD && !leg->link_gone ? leg->heard_ns : now,
            .at = leg->at,
        };
    if (failure->phase == FAILURE_OPEN && taken_over(vpn, leg)) {
        count(&vpn->pm->failovers, now - failure->since_ns);
        failure->phase = FAILURE_COUNTED;
    }
    if (again)
        failure->phase = FAILURE_NONE;
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
