/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A login beside a session of which no path answers: the Gateway may have restarted. The successor
 * is a second wish for the same connection. It knocks first: it sends IKE_SA_INIT and cancels the
 * login once that is answered. The answer shows that the Gateway is up, and at which address. Then
 * each IKE SA of the old session is probed once more, or moves to that address. If one answers, the
 * successor ends without having authenticated. If none does, the successor logs in, and the old
 * session ends after that.
 *
 * So a black hole costs no login, and a restarted Gateway costs one. No unprotected message is
 * believed: a forged answer to IKE_SA_INIT only causes probes and moves of the old session, and a
 * move counts when the Gateway has answered it.
 */
#include "base/assert.h"
#include "multipath/vpn.h"

#define BESIDE_NS   (NANOS_PER_SEC / 2) /* how long all IKE SAs must be dead first */
#define BESIDE_MOST 7                   /* how often that time doubles for short-lived sessions */
#define LASTING_NS  (300 * NANOS_PER_SEC)
#define KNOCK_NS    (3 * NANOS_PER_SEC)
#define KNOCK_PAUSE (NANOS_PER_SEC / 2)
/* Time for IKE SAs of the old session to move to a path that answers. */
#define DOUBT_NS (5 * NANOS_PER_SEC / 2)
#define STALE_NS (2 * NANOS_PER_SEC)
#define KNOCKS   40 /* rounds without a longer pause: about two minutes */

nanos beside_knock_time(const struct vpn *vpn)
{
    return vpn->replace.elder != NULL && vpn->replace.phase == REPLACES_KNOCK ? KNOCK_NS : 0;
}

void beside_end(struct vpn *vpn)
{
    struct vpn *successor = vpn->replace.successor;
    if (successor == NULL)
        return;
    if (successor->session.id != 0) { /* the successor has its own session */
        reauth_pass_on(vpn, successor);
        return;
    }
    login_cancel(successor);
    successor->wish.phase = WISH_OVER;
    successor->replace.elder = vpn->replace.successor = NULL;
    vpn_touch(successor);
}

bool beside_begin(struct vpn *vpn, bool reauth, nanos now)
{
    struct vpn *successor = vpn_new(vpn->pm, vpn->conn, IKE_END_USER);
    if (successor == NULL)
        return false;
    successor->wish.phase = WISH_KEPT;
    successor->replace.phase = reauth ? REPLACES_LIVING : REPLACES_KNOCK;
    successor->replace.elder = vpn;
    vpn->replace.successor = successor;
    memcpy(successor->wish.child, vpn->wish.child, sizeof(successor->wish.child));
    successor->wish.packet = vpn->wish.packet;
    successor->wish.only = vpn->wish.only;
    *successor->gateway = *vpn->gateway;
    successor->redirect = vpn->redirect; /* it has the configured addresses, too */
    successor->redirect.from = (struct address){0};
    successor->redirect.only = false;
    successor->n_own_remotes = vpn->n_own_remotes;
    successor->n_remotes = vpn->n_remotes; /* including addresses that the peer announced */
    successor->wish.kept = vpn->wish.kept;
    if (vpn->conn_next != NULL)
        (void)wish_conn_renew(successor, vpn->conn_next);
    wish_begin_with(successor, wish_children_in(successor->conn, vpn->conn, vpn->wish.children));
    wanted_plan(successor, now);
    vpn_touch(successor);
    return true;
}

nanos beside_settle(struct vpn *vpn, nanos now)
{
    if (vpn->replace.successor != NULL && vpn_reauthenticates(vpn->replace.successor))
        return NANOS_NEVER; /* the successor logs in even if this session answers */
    if (vpn->wish.phase != WISH_KEPT || vpn->session.all_dead_ns == 0 || vpn->n_own_remotes == 0) {
        beside_end(vpn);
        return NANOS_NEVER;
    }
    nanos at = repair_lost_at(vpn, BESIDE_NS << vpn->replace.replacements);
    if (vpn->replace.successor != NULL || at > now)
        return vpn->replace.successor != NULL ? NANOS_NEVER : at;
    return !beside_begin(vpn, false, now) ? now + NANOS_PER_SEC : NANOS_NEVER;
}

/* question - probes all IKE SAs of the session now and lets them move to other paths. Returns how
 * long responses may take. */
static nanos question(struct vpn *vpn, nanos now)
{
    nanos grant = 0;
    for (unsigned i = 0; i < vpn->session.n_legs; i++) {
        struct leg *leg = &vpn->legs[i];
        struct timing timing = health_timing(vpn, leg);
        grant = timing.grant_ns > grant ? timing.grant_ns : grant;
        leg->probe_at_ns = nanos_min(leg->probe_at_ns, now);
        leg->job_at_ns = nanos_min(leg->job_at_ns, now);
    }
    for (unsigned i = 0; i < vpn->n_paths; i++)
        vpn->paths[i].use.retry_ns = nanos_min(vpn->paths[i].use.retry_ns, now);
    vpn_touch(vpn);
    return grant;
}

bool beside_answered(struct vpn *successor, const struct path *path, nanos now)
{
    if (successor->replace.elder == NULL || successor->replace.phase != REPLACES_KNOCK)
        return false;
    /* The elder has not tried this address yet. Only MOBIKE can move it there. */
    if (path->login.later && successor->replace.elder->session.mobike)
        wanted_turn(successor->replace.elder, &path->remote);
    login_cancel(successor); /* before it authenticates */
    successor->replace.phase = REPLACES_LOST;
    successor->replace.doubt_until_ns = now + DOUBT_NS;
    successor->wish.round_at_ns = now + question(successor->replace.elder, now);
    return true;
}

/* move_waits - the login waits, since this move may save the session. After the time of doubt it waits only
 * while the Gateway answers the requests of the move: it knows the IKE SA, and round trips are long. */
static bool move_waits(const struct vpn *vpn, const struct leg *leg, nanos doubt_until_ns,
                       nanos now)
{
    bool moves = leg->job == JOB_MOVE || leg->job == JOB_CREATE_MOVED;
    if (now < doubt_until_ns)
        return moves || leg->job_at_ns > now;
    nanos heard_ns = health_last_heard(vpn, leg);
    return moves && heard_ns > doubt_until_ns - DOUBT_NS && now - heard_ns < DOUBT_NS;
}

bool beside_waits(struct vpn *successor, nanos now)
{
    struct vpn *vpn = successor->replace.elder;
    if (successor->replace.phase == REPLACES_LOST &&
        now >= successor->replace.doubt_until_ns + STALE_NS)
        successor->replace.phase = REPLACES_KNOCK; /* the links were lost for long */
    if (vpn == NULL || successor->replace.phase != REPLACES_LOST)
        return false;
    for (unsigned i = 0; i < vpn->session.n_legs; i++) {
        if (move_waits(vpn, &vpn->legs[i], successor->replace.doubt_until_ns, now)) {
            successor->wish.round_at_ns = now + question(vpn, now);
            return true;
        }
    }
    return false;
}

/* living_retry - never more than half of the time that the elder has left: its end must not come
 * while the successor waits. */
static nanos living_retry(struct vpn *successor, nanos now)
{
    const struct vpn *vpn = successor->replace.elder;
    const struct path_view *view = &successor->pm->options.view;
    nanos retry = retry_after(successor->pm, ++successor->wish.short_lives, now);
    struct ike_session_info elder;
    if (vpn == NULL || !view->session(view->context, vpn->session.id, &elder) ||
        elder.auth_deadline_ns <= now)
        return retry;
    nanos half = (elder.auth_deadline_ns - now) / 2;
    return nanos_min(retry, now + (half > RETRY_MIN_NS ? half : RETRY_MIN_NS));
}

nanos beside_failed(struct vpn *successor, enum ike_outcome outcome, nanos now)
{
    if (successor->replace.phase == REPLACES_LIVING)
        return living_retry(successor, now);
    successor->replace.phase = REPLACES_KNOCK;
    if (outcome != IKE_TIMEOUT && outcome != IKE_NO_PATH)
        return retry_after(successor->pm, ++successor->wish.short_lives, now);
    return successor->wish.round <= KNOCKS
               ? now + KNOCK_PAUSE
               : retry_after(successor->pm, successor->wish.round - KNOCKS, now);
}

void beside_children(struct vpn *successor, const struct vpn *vpn)
{
    successor->wish.later =
        wish_children_in(successor->conn, vpn->conn, vpn->wish.children | vpn->wish.later);
    successor->wish.kept = wish_children_in(successor->conn, vpn->conn, vpn->wish.kept);
}

void beside_logged_in(struct vpn *successor, nanos now)
{
    struct vpn *vpn = successor->replace.elder;
    bool living = successor->replace.phase == REPLACES_LIVING;
    successor->replace.phase = living && vpn != NULL ? REPLACES_HANDOVER : REPLACES_NONE;
    if (vpn == NULL)
        return;
    ASSERT(vpn->replace.successor == successor && vpn->session.id != 0);
    if (living) {
        reauth_logged_in(successor);
        return;
    }
    reauth_pass_on(vpn, successor);
    beside_children(successor, vpn);
    successor->wish.tag = vpn->wish.tag;
    successor->wish.waits = vpn->wish.waits;
    successor->n_remotes = successor->n_own_remotes;
    if (now - vpn->session.up_ns < LASTING_NS)
        successor->replace.replacements =
            vpn->replace.replacements < BESIDE_MOST ? vpn->replace.replacements + 1 : BESIDE_MOST;
    vpn->wish.waits = false;
    vpn->wish.phase = WISH_OVER;
    vpn_release(vpn);
    struct ike_command command = {
        .kind = IKE_CMD_DELETE_SESSION, .session = vpn->session.id, .force = true};
    (void)command_add(vpn, &command);
}
