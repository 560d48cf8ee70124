/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives each path its VPN: clones IKE SAs for paths that have none, and creates Child SAs. Any
 * living IKE SA may be cloned, each one by one clone at a time. Moves are in placement.c.
 */
#include "multipath/vpn.h"

#define SURPLUS_NS (10 * NANOS_PER_SEC) /* then a clone that serves no path is deleted */
#define CLONING_NS NANOS_PER_SEC        /* how long other exchanges wait for a clone */

bool repair_job(struct vpn *vpn, struct leg *leg, enum job job, const struct ike_command *command)
{
    leg->job_tag = command_add(vpn, command);
    leg->job = leg->job_tag != 0 ? job : JOB_NONE;
    return leg->job_tag != 0;
}

static bool wished_for(const struct vpn *vpn, uint8_t policy)
{
    return vpn->wish.child[0] == '\0'
               ? policy == 0
               : strcmp(vpn->wish.child, vpn->conn->children[policy].name) == 0;
}

void repair_creates(const struct vpn *vpn, struct leg *leg, uint8_t policy,
                    struct ike_command *command)
{
    leg->job_policy = policy;
    command->child = vpn->conn->children[policy].name;
    if (wished_for(vpn, policy))
        command->packet = vpn->wish.packet;
}

static void path_failed(struct vpn *vpn, struct path *path, nanos now)
{
    path->use.failures++;
    path->use.retry_ns = retry_after(vpn->pm, path->use.failures, now);
}

/* repair_clone_forget - the path needs no clone any more. A clone that is under way becomes
 * spare. */
void repair_clone_forget(struct path *path)
{
    path->use.clone_tag = 0;
}

static struct leg *leg_spare(struct vpn *vpn)
{
    for (unsigned i = 0; i < vpn->session.n_legs; i++) {
        struct leg *leg = &vpn->legs[i];
        if (leg->path < 0 && leg->job == JOB_NONE && leg_alive(leg))
            return leg;
    }
    return NULL;
}

/* leg_to_clone - the IKE SA to clone: alive, not being cloned, idle if possible. */
static struct leg *leg_to_clone(struct vpn *vpn)
{
    struct leg *best = NULL;
    for (unsigned i = 0; i < vpn->session.n_legs; i++) {
        struct leg *leg = &vpn->legs[i];
        /* The Gateway is about to move it. The two ends could put a clone of it on different
         * paths. */
        bool busy = leg->clone_tag != 0 || home_gateway_moves(vpn, leg, vpn->pm->now) != 0;
        if (busy || !leg_alive(leg) || leg->health == HEALTH_SUSPECT || leg->job == JOB_DELETE)
            continue;
        /* a clone would have to wait for the exchange under way */
        if (best == NULL || (best->job != JOB_NONE && leg->job == JOB_NONE))
            best = leg;
    }
    return best;
}

/* While paths lack an IKE SA, all IKE SAs are cloned again and again: k paths take log2(k) round
 * trips. A move or a creation in between would cost more than it gains. */
nanos repair_cloning(const struct vpn *vpn, const struct leg *leg, nanos now)
{
    for (unsigned i = 0; leg_alive(leg) && i < vpn->n_paths; i++) {
        const struct path *path = &vpn->paths[i];
        if (leg_cloned_for(vpn, path) == leg && now - path->use.clone_ns < CLONING_NS)
            return path->use.clone_ns + CLONING_NS;
    }
    return 0;
}

static unsigned legs_and_clones(const struct vpn *vpn)
{
    unsigned n = vpn->session.n_legs;
    for (unsigned i = 0; i < vpn->n_paths; i++)
        n += vpn->paths[i].use.clone_tag != 0;
    return n;
}

/* take_theirs - lets a clone that the peer began serve a path at once. A clone of ours that is
 * under way for that path becomes spare. */
static void take_theirs(struct vpn *vpn)
{
    for (unsigned k = 0; k < vpn->session.n_legs; k++) {
        struct leg *leg = &vpn->legs[k];
        int best = -1;
        if (!leg->theirs || leg->path >= 0 || leg->job != JOB_NONE || !leg_alive(leg))
            continue;
        for (unsigned i = 0; i < vpn->n_paths; i++) {
            const struct path *path = &vpn->paths[i];
            const struct path *than = best < 0 ? NULL : &vpn->paths[best];
            if (path->present && path->use.line == 0 &&
                (than == NULL || (path->use.clone_tag == 0) > (than->use.clone_tag == 0) ||
                 ((path->use.clone_tag == 0) == (than->use.clone_tag == 0) &&
                  path->priority < than->priority)))
                best = (int)i;
        }
        if (best < 0)
            return;
        repair_clone_forget(&vpn->paths[best]);
        leg_assign(vpn, leg, best);
    }
}

/* unheard - the core has a line whose event has not come yet: the Gateway began a clone. */
static bool unheard(const struct vpn *vpn)
{
    struct ike_session_info info;
    const struct path_view *view = &vpn->pm->options.view;
    return view->session(view->context, vpn->session.id, &info) &&
           info.n_lines > legs_and_clones(vpn);
}

static void path_serve(struct vpn *vpn, unsigned index, nanos now)
{
    struct path *path = &vpn->paths[index];
    struct leg *leg = leg_spare(vpn);
    if (leg != NULL) {
        leg_assign(vpn, leg, (int)index);
        return;
    }
    uint32_t max = vpn->conn->max_ike_sas > 0 ? vpn->conn->max_ike_sas : LIMIT_IKE_SAS_SESSION;
    if (vpn->session.clones == CLONES_FULL || legs_and_clones(vpn) >= max ||
        legs_and_clones(vpn) >= LEGS_MAX)
        return;
    leg = unheard(vpn) ? NULL : leg_to_clone(vpn);
    if (leg == NULL)
        return;
    struct ike_command command = {.kind = IKE_CMD_CLONE, .sa = leg->id, .session = vpn->session.id};
    path->use.clone_tag = leg->clone_tag = command_add(vpn, &command);
    path->use.clone_ns = now;
    if (path->use.clone_tag == 0)
        path_failed(vpn, path, now);
}

/* clone_abandon - the IKE SA that was being cloned has died: another one is cloned for the path. */
static void clone_abandon(struct vpn *vpn, struct path *path, nanos now)
{
    const struct leg *leg = leg_cloned_for(vpn, path);
    if (path->use.clone_tag == 0 || (leg != NULL && leg_alive(leg)))
        return;
    repair_clone_forget(path);
    path_failed(vpn, path, now);
}

static bool wants_leg(const struct path *path)
{
    return path->present && path->use.line == 0 && path->use.clone_tag == 0;
}

/* served - counts paths with an IKE SA, or one under way, on the same interface or to the same
 * remote address. */
static unsigned served(const struct vpn *vpn, const struct path *path, bool by_remote)
{
    unsigned n = 0;
    for (unsigned i = 0; i < vpn->n_paths; i++) {
        const struct path *other = &vpn->paths[i];
        if (other->use.line != 0 || other->use.clone_tag != 0)
            n += by_remote ? address_equal(&other->remote, &path->remote)
                           : strcmp(other->interface, path->interface) == 0;
    }
    return n;
}

/* path_rather - `a` gets the next IKE SA before `b`. There may be fewer IKE SAs than paths (mesh,
 * max_ike_sas). Paths on another interface come first, then paths to another address of the
 * Gateway. */
static bool path_rather(const struct vpn *vpn, const struct path *a, const struct path *b)
{
    unsigned by_link_a = served(vpn, a, false), by_link_b = served(vpn, b, false);
    if (by_link_a != by_link_b)
        return by_link_a < by_link_b;
    if (a->priority != b->priority)
        return a->priority < b->priority;
    return served(vpn, a, true) < served(vpn, b, true);
}

static nanos clone_all(struct vpn *vpn, nanos now)
{
    nanos at = NANOS_NEVER;
    for (unsigned i = 0; i < vpn->n_paths; i++)
        clone_abandon(vpn, &vpn->paths[i], now);
    take_theirs(vpn);
    for (;;) { /* in order of priority */
        int best = -1;
        for (unsigned i = 0; i < vpn->n_paths; i++) {
            const struct path *path = &vpn->paths[i];
            if (!wants_leg(path))
                continue;
            if (path->use.retry_ns > now)
                at = nanos_min(at, path->use.retry_ns);
            else if (best < 0 || path_rather(vpn, path, &vpn->paths[best]))
                best = (int)i;
        }
        if (best < 0)
            return at;
        path_serve(vpn, (unsigned)best, now);
        if (wants_leg(&vpn->paths[best]))
            return at; /* no IKE SA can be cloned now: the next event calls again */
    }
}

static bool created_where_it_is(const struct vpn *vpn, const struct leg *leg)
{
    if (leg_home(vpn, leg) || vpn_single(vpn))
        return true;
    return leg->path >= 0 && vpn->conn->create_then_move && !vpn->paths[leg->path].use.lost;
}

static nanos create_on(struct vpn *vpn, struct leg *leg, struct ike_command *command, nanos now)
{
    command->kind = IKE_CMD_CREATE_CHILD;
    command->sa = leg->id;
    command->session = vpn->session.id;
    leg->job_further = !command->if_missing;
    if (!repair_job(vpn, leg, JOB_CREATE, command))
        leg->job_at_ns = now + RETRY_MIN_NS;
    return leg->job == JOB_NONE ? leg->job_at_ns : NANOS_NEVER;
}

/* create_further - asks for a further Child SA of a child, where the replaced session has one with other selectors.
 * Each child of the connection has a Child SA already. */
static nanos create_further(struct vpn *vpn, struct leg *leg, nanos now)
{
    struct ike_command command = {0};
    uint8_t policy;
    if (!reauth_further(vpn, &policy, &command.packet))
        return NANOS_NEVER;
    if (leg->job_at_ns > now)
        return leg->job_at_ns;
    leg->job_policy = policy;
    command.child = vpn->conn->children[policy].name;
    nanos at = create_on(vpn, leg, &command, now);
    if (leg->job == JOB_CREATE)
        reauth_further_asked(vpn);
    return at;
}

static nanos create_missing(struct vpn *vpn, struct leg *leg, nanos now)
{
    if (leg->job != JOB_NONE || leg->loose_tag != 0 || !leg_alive(leg) ||
        !created_where_it_is(vpn, leg))
        return NANOS_NEVER;
    for (uint8_t i = 0; i < vpn->conn->n_children; i++) {
        if ((vpn->wish.children >> i & 1) == 0 || leg_has(vpn, leg, i))
            continue;
        if (leg->job_at_ns > now)
            return leg->job_at_ns;
        nanos cloned_at = repair_cloning(vpn, leg, now);
        if (cloned_at != 0)
            return cloned_at;
        struct ike_command command = {.if_missing = true};
        repair_creates(vpn, leg, i, &command);
        return create_on(vpn, leg, &command, now);
    }
    return create_further(vpn, leg, now);
}

static void delete_leg(struct vpn *vpn, struct leg *leg)
{
    bool dead = leg->health == HEALTH_DEAD;
    struct ike_command command = {.kind = IKE_CMD_DELETE_IKE,
                                  .sa = leg->id,
                                  .session = vpn->session.id,
                                  .force = dead,
                                  .reason = dead ? IKE_TIMEOUT : IKE_OK};
    (void)repair_job(vpn, leg, JOB_DELETE, &command);
}

static bool others_live(const struct vpn *vpn, const struct leg *leg)
{
    for (unsigned i = 0; i < vpn->session.n_legs; i++)
        if (&vpn->legs[i] != leg && leg_alive(&vpn->legs[i]))
            return true;
    return false;
}

/* redundant - other legs, which serve paths, have a Child SA for each child of this one. */
static bool redundant(const struct vpn *vpn, const struct leg *leg)
{
    for (unsigned i = 0; i < vpn->session.n_bearers; i++) {
        bool elsewhere = vpn->bearers[i].line != leg->line;
        for (unsigned k = 0; !elsewhere && k < vpn->session.n_legs; k++)
            elsewhere = &vpn->legs[k] != leg && vpn->legs[k].path >= 0 &&
                        leg_alive(&vpn->legs[k]) &&
                        leg_has(vpn, &vpn->legs[k], vpn->bearers[i].policy);
        if (!elsewhere)
            return false;
    }
    return true;
}

/* bury - deletes IKE SAs without use: dead for LOST_NS, or spare clones (D-12: the End User deletes
 * the surplus). */
static nanos bury(struct vpn *vpn, struct leg *leg, nanos now)
{
    if (leg->job == JOB_DELETE)
        return NANOS_NEVER;
    if (leg->health == HEALTH_DEAD && others_live(vpn, leg)) {
        /* After a loss of all paths, this path may return a little later than the others. */
        nanos since = leg->dead_since_ns > vpn->session.some_alive_ns ? leg->dead_since_ns
                                                                      : vpn->session.some_alive_ns;
        if (now - since < LOST_NS)
            return since + LOST_NS;
        leg->job = JOB_NONE;
        leg->job_tag = 0;
        delete_leg(vpn, leg);
    }
    if (leg->path >= 0 || vpn->session.n_legs == 1 || !redundant(vpn, leg))
        return NANOS_NEVER;
    if (now - leg->up_ns < SURPLUS_NS)
        return leg->up_ns + SURPLUS_NS;
    delete_leg(vpn, leg);
    return NANOS_NEVER;
}

nanos repair_lost_at(const struct vpn *vpn, nanos patience)
{
    if (vpn->session.all_dead_ns == 0)
        return NANOS_NEVER;
    nanos at = NANOS_NEVER;
    for (unsigned i = 0; i < vpn->n_paths; i++) {
        const struct path *path = &vpn->paths[i];
        nanos since = path->present_ns > vpn->session.all_dead_ns ? path->present_ns
                                                                  : vpn->session.all_dead_ns;
        if (path->present)
            at = nanos_min(at, since + patience);
    }
    return at;
}

nanos repair_settle(struct vpn *vpn, nanos now)
{
    nanos patience = vpn->wish.phase == WISH_KEPT ? TOTAL_LOSS_NS : TOTAL_LOSS_RELEASED_NS;
    nanos lost = repair_lost_at(vpn, patience);
    if (now >= lost) {
        struct ike_command command = {.kind = IKE_CMD_DELETE_SESSION,
                                      .session = vpn->session.id,
                                      .force = true,
                                      .reason = IKE_TIMEOUT};
        vpn->session.all_dead_ns = moment(now); /* lost commands are repeated later */
        (void)command_add(vpn, &command);
        lost = repair_lost_at(vpn, patience);
    }
    nanos at = nanos_min(lost, vpn->pm->behind_ns);
    if (vpn->pm->behind_ns != NANOS_NEVER)
        return at; /* a missing SA may exist: its event was not noted yet */
    if (!vpn_single(vpn))
        at = nanos_min(at, clone_all(vpn, now));
    for (unsigned i = 0; i < vpn->session.n_legs; i++) {
        at = nanos_min(at, create_missing(vpn, &vpn->legs[i], now));
        at = nanos_min(at, bury(vpn, &vpn->legs[i], now));
    }
    return at;
}

/* clone_ended - the IKE SA that was cloned can be cloned again. */
static void clone_ended(struct vpn *vpn, uint64_t tag)
{
    for (unsigned i = 0; i < vpn->session.n_legs; i++)
        if (vpn->legs[i].clone_tag == tag)
            vpn->legs[i].clone_tag = 0;
}

void repair_cloned(struct vpn *vpn, struct leg *leg, uint64_t tag)
{
    clone_ended(vpn, tag);
    for (unsigned i = 0; leg->path < 0 && i < vpn->n_paths; i++) {
        if (vpn->paths[i].use.clone_tag != tag)
            continue;
        repair_clone_forget(&vpn->paths[i]);
        leg_assign(vpn, leg, (int)i);
    }
}

static void clone_done(struct vpn *vpn, unsigned index, const struct ike_event *event, nanos now)
{
    struct path *path = &vpn->paths[index];
    repair_clone_forget(path);
    struct leg *leg = event->outcome == IKE_OK ? leg_find(vpn, event->sa) : NULL;
    if (leg != NULL && leg->path < 0) {
        leg_assign(vpn, leg, (int)index);
        return;
    }
    if (event->outcome == IKE_CLONE_UNSUPPORTED)
        vpn->session.clones = CLONES_NEVER;
    if (event->outcome == IKE_NO_ADDITIONAL_SAS)
        vpn->session.clones = CLONES_FULL;
    path_failed(vpn, path, now);
}

/* answer_wish - tells the caller who wished for another child. The first outcome counts. */
static void answer_wish(struct vpn *vpn, uint8_t policy, enum ike_outcome outcome)
{
    if (wished_for(vpn, policy) && vpn->wish.waits && vpn->session.login_tag == 0)
        login_connected(vpn, outcome);
}

static void creation_done(struct vpn *vpn, struct leg *leg, const struct ike_event *event,
                          nanos now)
{
    if (event->outcome == IKE_OK) {
        answer_wish(vpn, leg->job_policy, IKE_OK);
        leg->job_failures = 0;
        leg->job_at_ns = 0;
        if (leg->job_further)
            reauth_further_done(vpn, leg);
        /* The Child SA may have ended already, so the next attempt comes soon. */
        if (!leg_has(vpn, leg, leg->job_policy))
            leg->job_at_ns = now + RETRY_MIN_NS;
        return;
    }
    if (leg->job_further)
        return; /* it is asked for once; a later packet of a trap asks again */
    leg->job_failures++;
    /* After a permanent refusal the next attempt is a minute away. */
    bool temporary = event->outcome == IKE_TEMPORARY_FAILURE || event->outcome == IKE_CANCELLED ||
                     event->outcome == IKE_INSTALL_FAILED;
    if (!temporary)
        answer_wish(vpn, leg->job_policy, event->outcome);
    leg->job_at_ns = temporary ? retry_after(vpn->pm, leg->job_failures, now) : now + RETRY_MAX_NS;
}

bool repair_done(struct vpn *vpn, const struct ike_event *event, nanos now)
{
    clone_ended(vpn, event->tag);
    for (unsigned i = 0; i < vpn->n_paths; i++) {
        if (vpn->paths[i].use.clone_tag == event->tag) {
            clone_done(vpn, i, event, now);
            return true;
        }
    }
    for (unsigned i = 0; i < vpn->session.n_legs; i++) {
        struct leg *leg = &vpn->legs[i];
        if (event->tag != 0 && leg->loose_tag == event->tag) {
            leg->loose_tag = 0;
            return true;
        }
        if (leg->job_tag != event->tag || (leg->job != JOB_CREATE && leg->job != JOB_DELETE))
            continue;
        bool creation = leg->job == JOB_CREATE;
        leg->job = JOB_NONE;
        leg->job_tag = 0;
        if (creation)
            creation_done(vpn, leg, event, now);
        else if (event->outcome != IKE_OK)
            leg->dead_since_ns = leg->up_ns = now; /* repeated after the same time */
        return true;
    }
    return false;
}
