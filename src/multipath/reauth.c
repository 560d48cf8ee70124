/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reauthentication of a session, make before break (RFC 7296 section 2.8.3). The successor is a
 * second wish for the same connection. It logs in while the old session (the elder) lives, and asks
 * for the same inner addresses. It clones and moves until it has a VPN on each path where the elder
 * has one. Where the peer narrowed the selectors of a child, the elder may have several Child SAs of
 * it: the successor asks once for each of them, and deletes an answer that repeats another one. Then
 * the VPNs of the elder stop sending. They still receive for a while, and then the elder is deleted.
 * A login that fails is tried again, sooner the nearer the deadline of the elder is. If none succeeds, the
 * elder ends then.
 */
#include "base/assert.h"
#include "ike/terms/narrow.h"
#include "multipath/vpn.h"

#define HANDOVER_NS                                                                                \
    (15 * NANOS_PER_SEC)       /* how long to wait for a path that the successor does not get */
#define DRAIN_NS NANOS_PER_SEC /* and two round trips */
#define AGAIN_NS (5 * NANOS_PER_SEC)

void reauth_due(struct vpn *vpn, nanos now)
{
    if (!vpn_end_user(vpn) || vpn_released(vpn))
        return;
    struct vpn *successor = vpn->replace.successor;
    if (successor == NULL) {
        vpn->replace.reauth_again_ns = beside_begin(vpn, true, now) ? 0 : now + AGAIN_NS;
    } else if (successor->redirect.only) {
        successor->redirect.only = false; /* the reauthentication needs this login, too */
    } else if (!vpn_reauthenticates(successor)) {
        /* It knocks, since no path answers. The reauthentication does not wait for that. */
        successor->replace.phase = REPLACES_LIVING;
        successor->wish.round_at_ns = now;
        vpn_touch(successor);
    }
}

void reauth_logged_in(struct vpn *successor)
{
    struct vpn *vpn = successor->replace.elder;
    beside_children(successor, vpn);
    successor->wish.tag = vpn->wish.tag;
    successor->wish.waits = vpn->wish.waits;
    successor->wish.phase = vpn->wish.phase;
    successor->n_remotes = successor->n_own_remotes;
    successor->wish.short_lives = 0;
    vpn->wish.waits = false;
    vpn->wish.phase = WISH_OVER;
}

void reauth_pass_on(struct vpn *vpn, struct vpn *successor)
{
    struct vpn *elder = vpn_reauthenticates(vpn) ? vpn->replace.elder : NULL;
    vpn->replace.successor = NULL;
    successor->replace.elder = elder;
    successor->replace.phase = elder != NULL ? REPLACES_HANDOVER : REPLACES_NONE;
    if (elder == NULL)
        return;
    elder->replace.successor = successor;
    vpn->replace.elder = NULL;
    vpn->replace.phase = REPLACES_NONE;
    vpn_touch(elder);
}

static unsigned carrying(const struct vpn *vpn, nanos now)
{
    unsigned n = 0;
    for (unsigned i = 0; i < vpn->n_paths; i++)
        n += orders_path_state(vpn, &vpn->paths[i], now) == PATH_UP;
    return n;
}

static bool child_info(const struct vpn *vpn, const struct bearer *bearer,
                       struct ike_child_info *ret_info)
{
    const struct path_view *view = &vpn->pm->options.view;
    return view->child(view->context, bearer->id, ret_info);
}

/* takes - the Child SA `by` is of the same child as `child`, and for all of its traffic. Dynamic
 * selectors name an address of the session, which may be another one in the successor. */
static bool takes(const struct ike_child_info *by, const struct ike_child_info *child)
{
    const struct ike_child_policy *policy = child->policy;
    return strcmp(by->policy->name, policy->name) == 0 &&
           (policy->remote_ts.n_dynamic > 0 || ts_within(&child->remote_ts, &by->remote_ts)) &&
           (policy->local_ts.n_dynamic > 0 || ts_within(&child->local_ts, &by->local_ts));
}

static bool taken(const struct vpn *vpn, const struct ike_child_info *child)
{
    struct ike_child_info info;
    for (unsigned i = 0; i < vpn->session.n_bearers; i++)
        if (child_info(vpn, &vpn->bearers[i], &info) && takes(&info, child))
            return true;
    return false;
}

/* lacks - a Child SA of the elder has traffic for which the successor has no Child SA and has not asked
 * for one. *ret_child describes the Child SA of the elder. */
static bool lacks(const struct vpn *successor, const struct bearer *bearer,
                  struct ike_child_info *ret_child)
{
    return bearer->up && !bearer->renewed && !bearer->ending &&
           child_info(successor->replace.elder, bearer, ret_child) && ret_child->local_ts.n > 0 &&
           ret_child->remote_ts.n > 0 &&
           (wish_child(successor->conn, ret_child->policy->name) & successor->wish.children) != 0 &&
           !taken(successor, ret_child);
}

/* a_packet - a packet of the Child SA. The peer narrows the selectors for that packet as it did before
 * (RFC 7296 section 2.9). */
static struct ike_packet a_packet(const struct ike_child_info *child)
{
    const struct ike_ts *local = &child->local_ts.ts[0], *remote = &child->remote_ts.ts[0];
    return (struct ike_packet){local->range.first, remote->range.first, local->start_port,
                               remote->start_port,
                               local->protocol != 0 ? local->protocol : remote->protocol};
}

bool reauth_further(const struct vpn *successor, uint8_t *ret_policy, struct ike_packet *ret_packet)
{
    const struct vpn *elder = successor->replace.elder;
    struct ike_child_info child;
    if (!vpn_reauthenticates(successor) || elder == NULL || elder->session.phase >= SESSION_DRAINS)
        return false;
    for (unsigned i = 0; i < elder->session.n_bearers; i++) {
        if (!lacks(successor, &elder->bearers[i], &child))
            continue;
        *ret_packet = a_packet(&child);
        *ret_policy = 0;
        while ((wish_child(successor->conn, child.policy->name) >> *ret_policy & 1) == 0)
            (*ret_policy)++;
        return true;
    }
    return false;
}

void reauth_further_asked(const struct vpn *successor)
{
    const struct vpn *elder = successor->replace.elder;
    struct ike_child_info child, other;
    unsigned i = 0;
    while (i < elder->session.n_bearers && !lacks(successor, &elder->bearers[i], &child))
        i++;
    for (; i < elder->session.n_bearers; i++) /* the Child SA may exist on each path */
        elder->bearers[i].renewed |=
            child_info(elder, &elder->bearers[i], &other) && takes(&child, &other);
}

/* has_twin - an older Child SA on the same IKE SA has the same selectors. */
static bool has_twin(const struct vpn *vpn, const struct bearer *bearer)
{
    for (unsigned i = 0; i < vpn->session.n_bearers; i++) {
        const struct bearer *other = &vpn->bearers[i];
        if (other != bearer && other->line == bearer->line && other->policy == bearer->policy &&
            other->up && !other->ending && other->selectors == bearer->selectors)
            return true;
    }
    return false;
}

void reauth_further_done(struct vpn *successor, const struct leg *leg)
{
    struct bearer *newest = NULL;
    for (unsigned i = 0; i < successor->session.n_bearers; i++) {
        struct bearer *bearer = &successor->bearers[i];
        if (bearer->line == leg->line && bearer->policy == leg->job_policy && bearer->up &&
            (newest == NULL || bearer->since_ns >= newest->since_ns))
            newest = bearer;
    }
    if (newest == NULL || newest->ending || !has_twin(successor, newest))
        return;
    struct ike_command command = {.kind = IKE_CMD_DELETE_CHILD, .child_id = newest->id};
    newest->ending = command_add(successor, &command) != 0;
}

/* renewed - the successor has asked for each Child SA that reauth_further() names, and each request is
 * answered. */
static bool renewed(const struct vpn *successor)
{
    uint8_t policy;
    struct ike_packet packet;
    for (unsigned i = 0; i < successor->session.n_legs; i++)
        if (successor->legs[i].job == JOB_CREATE && successor->legs[i].job_further)
            return false;
    return !reauth_further(successor, &policy, &packet);
}

/* complete - the successor carries all children of the elder, on as many paths. */
static bool complete(const struct vpn *successor, nanos now)
{
    const struct vpn *vpn = successor->replace.elder;
    uint32_t children = wish_children_in(successor->conn, vpn->conn, vpn->wish.children);
    return (children & ~successor->wish.children) == 0 && successor->session.n_bearers > 0 &&
           successor->session.login_tag == 0 && carrying(successor, now) >= carrying(vpn, now) &&
           renewed(successor);
}

static nanos drained_at(const struct vpn *vpn)
{
    nanos rtt = 0;
    for (unsigned i = 0; i < vpn->session.n_legs; i++)
        if (vpn->legs[i].rtt_ns > rtt)
            rtt = vpn->legs[i].rtt_ns;
    return vpn->session.drained_ns + DRAIN_NS + 2 * nanos_min(rtt, FAR_RTT_NS);
}

/* hands_over - the elder stops sending now. false: *ret_again says when to look again. */
static bool hands_over(struct vpn *vpn, nanos now, nanos *ret_again)
{
    const struct vpn *successor = vpn->replace.successor;
    *ret_again = NANOS_NEVER;
    if (successor == NULL || !vpn_reauthenticates(successor) || successor->session.id == 0)
        return false;
    if (complete(successor, now))
        return true;
    if (now < successor->session.up_ns + HANDOVER_NS)
        *ret_again = successor->session.up_ns + HANDOVER_NS;
    else if (carrying(successor, now) == 0)
        *ret_again = now + NANOS_PER_SEC;
    return *ret_again == NANOS_NEVER;
}

nanos reauth_settle(struct vpn *vpn, nanos now)
{
    nanos again;
    if (vpn->replace.successor == NULL && vpn->replace.reauth_again_ns != 0 &&
        now >= vpn->replace.reauth_again_ns)
        reauth_due(vpn, now);
    if (vpn->replace.successor == NULL && vpn->replace.reauth_again_ns != 0)
        return vpn->replace.reauth_again_ns;
    if (vpn->session.phase < SESSION_DRAINS && !hands_over(vpn, now, &again))
        return again;
    if (vpn->session.phase < SESSION_DRAINS) {
        vpn->session.phase = SESSION_DRAINS; /* plane_orders.c: its Child SAs send no more */
        vpn->session.drained_ns = now;
    }
    /* From here on the elder ends, even if the successor fails. */
    if (vpn->session.phase == SESSION_LEAVES)
        return NANOS_NEVER;
    if (now < drained_at(vpn))
        return drained_at(vpn);
    struct ike_command command = {.kind = IKE_CMD_DELETE_SESSION, .session = vpn->session.id};
    if (command_add(vpn, &command) == 0)
        return now + NANOS_PER_SEC;
    vpn->session.phase = SESSION_LEAVES;
    if (vpn->replace.successor != NULL)
        reauth_pass_on(vpn, vpn->replace.successor);
    return NANOS_NEVER;
}

void reauth_progress(const struct vpn *successor, nanos now)
{
    struct vpn *vpn = successor->replace.elder;
    if (vpn_reauthenticates(successor) && successor->session.id != 0 && vpn != NULL &&
        vpn->session.phase < SESSION_DRAINS && complete(successor, now))
        vpn_touch(vpn);
}

bool reauth_lost(struct vpn *successor, nanos now)
{
    struct vpn *vpn = successor->replace.elder;
    if (!vpn_reauthenticates(successor) || vpn == NULL)
        return false;
    successor->replace.elder = vpn->replace.successor = NULL;
    successor->replace.phase = REPLACES_NONE;
    if (vpn->session.phase >= SESSION_DRAINS)
        return false; /* too late: the elder is ending */
    vpn->wish.phase = successor->wish.phase;
    vpn->replace.reauth_again_ns = now + AGAIN_NS;
    vpn_touch(vpn);
    return true;
}
