/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A login beside a session of which no path answers: the Gateway may have lost it. The heir is a
 * second wish for the same connection. It knocks first: an IKE_SA_INIT that is cancelled as soon
 * as it is answered, since all it shall tell is that the Gateway is there again. Then the old
 * session is asked once more. If it lives, the heir goes without having authenticated; if it does
 * not, the heir logs in, and the old session ends only after that. So a black hole costs no login,
 * and a restarted Gateway costs one. Nothing here believes an unprotected message: who can forge
 * the answer of an IKE_SA_INIT gains a question to the old session.
 */
#include "base/assert.h"
#include "multipath/vpn.h"

#define BESIDE_NS   (2 * NANOS_PER_SEC) /* all IKE SAs dead for that long */
#define BESIDE_MOST 5                   /* doublings of it, for sessions that do not last */
#define LASTING_NS  (300 * NANOS_PER_SEC)
#define KNOCK_NS    (3 * NANOS_PER_SEC)
#define KNOCK_PAUSE (NANOS_PER_SEC / 2)
/* an IKE SA on its way to another path, where it may live, is waited for */
#define DOUBT_NS (5 * NANOS_PER_SEC / 2)
#define STALE_NS (2 * NANOS_PER_SEC)
#define KNOCKS   40 /* rounds without a longer pause: about two minutes */

nanos beside_knock_time(const struct vpn *vpn)
{
    return vpn->elder != NULL && !vpn->confirmed ? KNOCK_NS : 0;
}

void beside_end(struct vpn *vpn, nanos now)
{
    struct vpn *heir = vpn->heir;
    if (heir == NULL)
        return;
    if (heir->id != 0) { /* it stands on its own feet */
        reauth_pass_on(vpn, heir);
        return;
    }
    login_cancel(heir);
    heir->wanted = heir->keep = false; /* freed by its next tick: somebody may walk the list now */
    heir->elder = vpn->heir = NULL;
    deadline_heap_set(&vpn->pm->deadlines, &heir->deadline, now);
}

bool beside_begin(struct vpn *vpn, bool reauth, nanos now)
{
    struct vpn *heir = vpn_new(vpn->pm, vpn->conn);
    if (heir == NULL)
        return false;
    heir->role = IKE_END_USER;
    heir->beside = heir->wanted = heir->keep = true;
    heir->confirmed = heir->reauth = reauth;
    heir->elder = vpn;
    vpn->heir = heir;
    memcpy(heir->child, vpn->child, sizeof(heir->child));
    heir->packet = vpn->packet;
    memcpy(heir->remotes, vpn->remotes, sizeof(heir->remotes));
    heir->n_own_remotes = vpn->n_own_remotes;
    heir->n_remotes = vpn->n_remotes; /* also those that the peer told of */
    heir->kept = vpn->kept;
    if (vpn->conn_next != NULL)
        (void)wish_conn_renew(heir, vpn->conn_next);
    wish_begin_with(heir, wish_children_in(heir->conn, vpn->conn, vpn->children));
    wanted_plan(heir, now);
    vpn_settle(heir, now);
    return true;
}

nanos beside_settle(struct vpn *vpn, nanos now)
{
    if (vpn->heir != NULL && vpn->heir->reauth)
        return NANOS_NEVER; /* it logs in whether this session answers or not */
    if (!vpn->wanted || !vpn->keep || vpn->all_dead_ns == NANOS_NEVER || vpn->n_own_remotes == 0) {
        beside_end(vpn, now);
        return NANOS_NEVER;
    }
    nanos at = repair_lost_at(vpn, BESIDE_NS << vpn->replacements);
    if (vpn->heir != NULL || at > now)
        return vpn->heir != NULL ? NANOS_NEVER : at;
    return !beside_begin(vpn, false, now) ? now + NANOS_PER_SEC : NANOS_NEVER;
}

/* question - all IKE SAs of the session are asked at once, and may move to where there is an
 * answer. Returns how long that may take. */
static nanos question(struct vpn *vpn, nanos now)
{
    nanos grant = 0;
    for (unsigned i = 0; i < vpn->n_legs; i++) {
        struct leg *leg = &vpn->legs[i];
        struct timing timing = health_timing(vpn, leg);
        grant = timing.grant_ns > grant ? timing.grant_ns : grant;
        leg->probe_at_ns = nanos_min(leg->probe_at_ns, now);
        leg->job_at_ns = nanos_min(leg->job_at_ns, now);
    }
    for (unsigned i = 0; i < vpn->n_paths; i++)
        vpn->paths[i].retry_ns = nanos_min(vpn->paths[i].retry_ns, now);
    vpn_settle(vpn, now);
    return grant;
}

bool beside_answered(struct vpn *heir, nanos now)
{
    if (heir->elder == NULL || heir->confirmed)
        return false;
    login_cancel(heir); /* before it authenticates */
    heir->confirmed = true;
    heir->doubt_until_ns = now + DOUBT_NS;
    heir->round_at_ns = now + question(heir->elder, now);
    return true;
}

bool beside_waits(struct vpn *heir, nanos now)
{
    struct vpn *vpn = heir->elder;
    if (heir->reauth)
        return false;
    if (now >= heir->doubt_until_ns + STALE_NS)
        heir->confirmed = false; /* so long without a login: the links went. Knocks again */
    if (vpn == NULL || !heir->confirmed || now >= heir->doubt_until_ns)
        return false;
    for (unsigned i = 0; i < vpn->n_legs; i++) {
        const struct leg *leg = &vpn->legs[i];
        if (leg->job == JOB_MOVE || leg->job == JOB_CREATE_MOVED || leg->job_at_ns > now) {
            heir->round_at_ns = now + question(vpn, now);
            return true;
        }
    }
    return false;
}

nanos beside_failed(struct vpn *heir, enum ike_outcome outcome, nanos now)
{
    if (heir->reauth)
        return retry_after(heir->pm, ++heir->short_lives, now);
    heir->confirmed = false;
    if (outcome != IKE_TIMEOUT && outcome != IKE_NO_PATH)
        return retry_after(heir->pm, ++heir->short_lives, now);
    return heir->round <= KNOCKS ? now + KNOCK_PAUSE
                                 : retry_after(heir->pm, heir->round - KNOCKS, now);
}

void beside_children(struct vpn *heir, const struct vpn *vpn)
{
    heir->later = wish_children_in(heir->conn, vpn->conn, vpn->children | vpn->later);
    heir->kept = wish_children_in(heir->conn, vpn->conn, vpn->kept);
}

void beside_logged_in(struct vpn *heir, nanos now)
{
    struct vpn *vpn = heir->elder;
    heir->beside = heir->confirmed = false;
    if (vpn == NULL)
        return;
    ASSERT(vpn->heir == heir && vpn->id != 0);
    if (heir->reauth) {
        reauth_logged_in(heir);
        return;
    }
    reauth_pass_on(vpn, heir);
    beside_children(heir, vpn);
    heir->tag = vpn->tag;
    heir->waits = vpn->waits;
    heir->n_remotes = heir->n_own_remotes;
    if (now - vpn->up_ns < LASTING_NS)
        heir->replacements = vpn->replacements < BESIDE_MOST ? vpn->replacements + 1 : BESIDE_MOST;
    vpn->waits = vpn->wanted = vpn->keep = false;
    vpn->released = true;
    struct ike_command command = {
        .kind = IKE_CMD_DELETE_SESSION, .session = vpn->id, .force = true};
    (void)command_add(vpn, &command);
}
