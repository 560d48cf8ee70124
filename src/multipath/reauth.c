/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reauthentication of a whole session, make before break (RFC 7296 section 2.8.3): the heir is a
 * second wish for the same connection, that logs in while the session (the elder) lives, and asks
 * for the same inner addresses. It clones and moves until it has a VPN on each path where the elder
 * has one. Only then the elder's VPNs stop sending; they receive for a while, since packets may be
 * under way, and all of the elder is deleted. A login that fails is tried again; the elder ends at
 * its deadline if none succeeds.
 */
#include "base/assert.h"
#include "multipath/vpn.h"

#define HANDOVER_NS (15 * NANOS_PER_SEC) /* a path that the heir does not get is not waited for */
#define DRAIN_NS    NANOS_PER_SEC        /* and two round trips */
#define AGAIN_NS    (5 * NANOS_PER_SEC)

void reauth_due(struct vpn *vpn, nanos now)
{
    if (!vpn_end_user(vpn) || vpn->released)
        return;
    if (vpn->heir == NULL) {
        vpn->reauth_again_ns = beside_begin(vpn, true, now) ? 0 : now + AGAIN_NS;
    } else if (!vpn->heir->reauth) { /* it knocks, as no path answers: that is not waited for now */
        vpn->heir->reauth = vpn->heir->confirmed = true;
        vpn->heir->round_at_ns = now;
        vpn_settle(vpn->heir, now);
    }
}

void reauth_logged_in(struct vpn *heir)
{
    struct vpn *vpn = heir->elder;
    beside_children(heir, vpn);
    heir->tag = vpn->tag;
    heir->waits = vpn->waits;
    heir->wanted = vpn->wanted;
    heir->keep = vpn->keep;
    heir->n_remotes = heir->n_own_remotes;
    heir->short_lives = 0;
    vpn->waits = vpn->wanted = vpn->keep = false;
}

void reauth_pass_on(struct vpn *vpn, struct vpn *heir)
{
    struct vpn *elder = vpn->reauth ? vpn->elder : NULL;
    vpn->heir = NULL;
    heir->elder = elder;
    heir->reauth = elder != NULL;
    if (elder == NULL)
        return;
    elder->heir = heir;
    vpn->elder = NULL;
    vpn->reauth = false;
    deadline_heap_set(&vpn->pm->deadlines, &elder->deadline, vpn->pm->now);
}

static unsigned carrying(const struct vpn *vpn, nanos now)
{
    unsigned n = 0;
    for (unsigned i = 0; i < vpn->n_paths; i++)
        n += orders_path_state(vpn, &vpn->paths[i], now) == PATH_UP;
    return n;
}

/* complete - whatever the elder can carry, and where, the heir can. */
static bool complete(const struct vpn *heir, nanos now)
{
    const struct vpn *vpn = heir->elder;
    uint32_t children = wish_children_in(heir->conn, vpn->conn, vpn->children);
    return (children & ~heir->children) == 0 && heir->n_bearers > 0 && heir->won_tag == 0 &&
           carrying(heir, now) >= carrying(vpn, now);
}

static nanos drained_at(const struct vpn *vpn)
{
    nanos rtt = 0;
    for (unsigned i = 0; i < vpn->n_legs; i++)
        if (vpn->legs[i].rtt_ns > rtt)
            rtt = vpn->legs[i].rtt_ns;
    return vpn->yield_ns + DRAIN_NS + 2 * nanos_min(rtt, FAR_RTT_NS);
}

/* hands_over - is it time? Else *ret_again: when to look. */
static bool hands_over(struct vpn *vpn, nanos now, nanos *ret_again)
{
    const struct vpn *heir = vpn->heir;
    *ret_again = NANOS_NEVER;
    if (heir == NULL || !heir->reauth || heir->id == 0)
        return false;
    if (complete(heir, now))
        return true;
    if (now < heir->up_ns + HANDOVER_NS)
        *ret_again = heir->up_ns + HANDOVER_NS;
    else if (carrying(heir, now) == 0)
        *ret_again = now + NANOS_PER_SEC;
    return *ret_again == NANOS_NEVER;
}

nanos reauth_settle(struct vpn *vpn, nanos now)
{
    nanos again;
    if (vpn->heir == NULL && vpn->reauth_again_ns != 0 && now >= vpn->reauth_again_ns)
        reauth_due(vpn, now);
    if (vpn->heir == NULL && vpn->reauth_again_ns != 0)
        return vpn->reauth_again_ns;
    if (vpn->yield_ns == 0 && !hands_over(vpn, now, &again))
        return again;
    if (vpn->yield_ns == 0) {
        vpn->yield_ns = now;
        vpn->released = true; /* its VPNs send no more (plane_orders.c), and nothing is repaired */
    }
    /* from here on it goes, whatever becomes of the heir */
    if (vpn->yield_ns == NANOS_NEVER)
        return NANOS_NEVER;
    if (now < drained_at(vpn))
        return drained_at(vpn);
    struct ike_command command = {.kind = IKE_CMD_DELETE_SESSION, .session = vpn->id};
    if (command_add(vpn, &command) == 0)
        return now + NANOS_PER_SEC;
    vpn->yield_ns = NANOS_NEVER;
    if (vpn->heir != NULL)
        reauth_pass_on(vpn, vpn->heir);
    return NANOS_NEVER;
}

void reauth_progress(const struct vpn *heir, nanos now)
{
    struct vpn *vpn = heir->elder;
    if (heir->reauth && heir->id != 0 && vpn != NULL && vpn->yield_ns == 0 && complete(heir, now))
        deadline_heap_set(&vpn->pm->deadlines, &vpn->deadline, now);
}

bool reauth_lost(struct vpn *heir, nanos now)
{
    struct vpn *vpn = heir->elder;
    if (!heir->reauth || vpn == NULL)
        return false;
    heir->elder = vpn->heir = NULL;
    heir->reauth = false;
    if (vpn->yield_ns != 0)
        return false; /* too late for the elder */
    vpn->wanted = heir->wanted;
    vpn->keep = heir->keep;
    vpn->reauth_again_ns = now + AGAIN_NS;
    deadline_heap_set(&vpn->pm->deadlines, &vpn->deadline, now);
    return true;
}
