/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On which path each IKE SA is. A new clone moves to its path. When a path dies, its IKE SA is
 * parked: moved to a path that works. So the IKE SA and its Child SAs survive, and within one round
 * trip the Gateway sends on the working path. The dead path is tested from there. When it has
 * answered for `stable_for`, the IKE SA moves home. A single IKE SA behaves in the same way; its
 * home is the best path that exists.
 */
#include "multipath/vpn.h"

#define MOVE_NS       (3 * NANOS_PER_SEC) /* path test, update and routability check together */
#define MOVE_ROUNDS   4                   /* ... and one more round, since a message may be lost */
#define MOVE_BRIEF_NS NANOS_PER_SEC
/* By then the Gateway's M13 and its first retransmission have arrived. */
#define GATEWAY_MOVES_NS (500 * NANOS_PER_MS)
#define TEST_MAX_NS      (5 * NANOS_PER_SEC) /* the longest pause between tests of a dead path */
/* the shortest pause, if tests disturb the only IKE SA */
#define TEST_SINGLE_NS (3 * NANOS_PER_SEC)

static struct ike_path path_place(const struct leg *leg, const struct path *path)
{
    return (struct ike_path){
        .local = {.address = path->local, .port = leg->at.local.port},
        .remote = {.address = path->remote, .port = leg->at.remote.port},
        .interface = path->link,
    };
}

/* combined - the Child SA and the move can share one exchange (D-08 a). */
static bool combined(const struct vpn *vpn, const struct leg *leg, uint8_t *ret_policy)
{
    if (vpn->conn->reduced != IKE_REDUCED_END_USER || vpn->session.separate ||
        leg_bears(vpn, leg) || leg->loose_tag != 0)
        return false;
    struct ike_session_info info;
    const struct path_view *view = &vpn->pm->options.view;
    if (!view->session(view->context, vpn->session.id, &info) ||
        info.dialect != IKE_DIALECT_KEEP_OLD)
        return false;
    for (uint8_t i = 0; i < vpn->conn->n_children; i++) {
        *ret_policy = i;
        if ((vpn->wish.children >> i & 1) != 0)
            return true;
    }
    return false;
}

nanos home_gateway_moves(struct vpn *vpn, const struct leg *leg, nanos now)
{
    struct ike_session_info info;
    struct ike_sa_info sa;
    const struct path_view *view = &vpn->pm->options.view;
    if (vpn->conn->reduced != IKE_REDUCED_GATEWAY || vpn->session.separate ||
        !vpn->session.mobike || vpn->conn->encap || leg->parent == 0 || leg->job != JOB_NONE ||
        vpn->wish.children == 0 || leg_bears(vpn, leg) || leg_home(vpn, leg) || !leg_alive(leg) ||
        !view->session(view->context, vpn->session.id, &info) ||
        info.dialect != IKE_DIALECT_KEEP_OLD || !view->sa(view->context, leg->id, &sa) ||
        sa.nat_local)
        return 0;
    nanos until = leg->up_ns + GATEWAY_MOVES_NS + 2 * leg->rtt_ns;
    /* the Gateway does not or cannot move: later clones do not wait for it */
    vpn->session.separate |= now >= until;
    return now < until ? until : 0;
}

void home_chosen(struct vpn *vpn, struct leg *leg, nanos now)
{
    int from = leg->path;
    if (vpn->conn->reduced != IKE_REDUCED_GATEWAY || leg->job != JOB_NONE || leg->parent == 0 ||
        leg_bears(vpn, leg))
        return;
    leg->chosen = true; /* its VPN is being installed, so we ask for none */
    leg->job_at_ns = now + RETRY_MIN_NS;
    if (leg_home(vpn, leg))
        return;
    for (unsigned i = 0; i < vpn->n_paths; i++) {
        struct path *path = &vpn->paths[i];
        struct leg *other = leg_of(vpn, path->use.line);
        if (!wanted_at_home(path, &leg->at))
            continue;
        if (other != NULL && (leg_home(vpn, other) || other->job != JOB_NONE))
            return;
        if (other != NULL)
            leg_assign(vpn, other, -1);
        repair_clone_forget(path); /* the clone that is under way becomes spare */
        leg_assign(vpn, leg, (int)i);
        if (other != NULL && from >= 0)
            leg_assign(vpn, other, from);
        return;
    }
}

/* move_time - how long a move may take: three round trips, even on a slow path. If no IKE SA
 * answers, the time is short, so that each path is tried soon. */
static nanos move_time(const struct vpn *vpn, const struct leg *leg, const struct path *path)
{
    nanos brief = 2 * health_timing(vpn, leg).grant_ns, slow = MOVE_ROUNDS * path->test_rtt_ns;
    if (vpn->replace.successor == NULL || vpn_reauthenticates(vpn->replace.successor))
        return slow > MOVE_NS ? slow : MOVE_NS;
    return nanos_min(MOVE_NS, brief > MOVE_BRIEF_NS ? brief : MOVE_BRIEF_NS);
}

static void start_move(struct vpn *vpn, struct leg *leg, int index, nanos now)
{
    const struct path *path = &vpn->paths[index];
    struct ike_command command = {
        .kind = IKE_CMD_MOVE,
        .sa = leg->id,
        .session = vpn->session.id,
        .path = path_place(leg, path),
        .path_test = true,
        .retry_ns = health_timing(vpn, leg).resend_ns,
        .give_up_ns = move_time(vpn, leg, path),
    };
    enum job job = JOB_MOVE;
    uint8_t policy;
    if (index == leg->path && !path->use.lost && combined(vpn, leg, &policy)) {
        command.kind = IKE_CMD_CREATE_MOVED;
        repair_creates(vpn, leg, policy, &command);
        job = JOB_CREATE_MOVED;
    }
    leg->job_path = index;
    if (!repair_job(vpn, leg, job, &command))
        leg->job_at_ns = now + RETRY_MIN_NS;
}

static bool at_place(const struct leg *leg, const struct path *path)
{
    return wanted_at_home(path, &leg->at);
}

static bool ranks_before(const struct path *a, const struct path *b)
{
    if (a->priority != b->priority)
        return a->priority < b->priority;
    return a->metered != b->metered ? b->metered : a->cost < b->cost;
}

/* in_common - counts what the path shares with the dead place of the leg: interface, remote
 * address. */
static unsigned in_common(const struct leg *leg, const struct path *path)
{
    unsigned n = leg->at.interface == path->link ? 1 : 0;
    return n + (address_equal(&leg->at.remote.address, &path->remote) ? 1 : 0);
}

/* path_sooner - tries `a` before `b`, two paths without an IKE SA: `a` failed less often, or shares
 * less with the dead place. */
static bool path_sooner(const struct leg *leg, const struct path *a, const struct path *b)
{
    if (a->use.failures != b->use.failures)
        return a->use.failures < b->use.failures;
    unsigned common_a = in_common(leg, a), common_b = in_common(leg, b);
    return common_a != common_b ? common_a < common_b : ranks_before(a, b);
}

/* refuge - the path on which to park. A path with a living IKE SA at home comes first, then one
 * that was not tried recently. -1: none now; *at says when to look again. */
static int refuge(struct vpn *vpn, const struct leg *leg, nanos now, nanos *at)
{
    int best = -1;
    for (unsigned i = 0; i < vpn->session.n_legs; i++) {
        const struct leg *other = &vpn->legs[i];
        if (other == leg || other->health != HEALTH_GOOD || !leg_home(vpn, other) ||
            at_place(leg, &vpn->paths[other->path]) || !vpn->paths[other->path].present)
            continue;
        if (best < 0 || ranks_before(&vpn->paths[other->path], &vpn->paths[best]))
            best = other->path;
    }
    if (best >= 0)
        return best;
    for (unsigned i = 0; i < vpn->n_paths; i++) {
        const struct path *path = &vpn->paths[i];
        if (!path->present || at_place(leg, path) ||
            (path->use.line != 0 && path->use.line != leg->line))
            continue;
        if (path->use.retry_ns > now)
            *at = nanos_min(*at, path->use.retry_ns);
        else if (best < 0 || path_sooner(leg, path, &vpn->paths[best]))
            best = (int)i;
    }
    return best;
}

/* retarget - gives a single IKE SA the best path as its home. It stays where it is until tests of
 * that path succeeded for `stable_for`. */
static void retarget(struct vpn *vpn, struct leg *leg)
{
    int best = leg->path;
    for (unsigned i = 0; i < vpn->n_paths; i++) {
        const struct path *path = &vpn->paths[i];
        if (path->present && path->use.line == 0 &&
            (best < 0 || ranks_before(path, &vpn->paths[best])))
            best = (int)i;
    }
    if (best == leg->path)
        return;
    leg_assign(vpn, leg, best);
    if (at_place(leg, &vpn->paths[best]))
        return;
    vpn->paths[best].use.lost = true;
    vpn->paths[best].use.answers_since_ns = 0;
}

/* test_timing - the round-trip time of the leg comes from another path. This path may be slower, so
 * later tests wait longer until one is answered. */
static struct timing test_timing(const struct vpn *vpn, const struct leg *leg,
                                 const struct path *path)
{
    struct timing timing = health_timing(vpn, leg);
    nanos rtt = path->test_rtt_ns;
    /* A test blocks the probes of its IKE SA, so the only IKE SA has longer pauses between
     * tests. */
    if (vpn->session.n_legs > 1)
        timing.grant_ns =
            nanos_min(timing.grant_ns << nanos_min(path->use.test_failures, 2), MOVE_NS);
    if (timing.grant_ns < 2 * rtt)
        timing.grant_ns = 2 * rtt;
    if (timing.resend_ns < rtt + rtt / 4)
        timing.resend_ns = rtt + rtt / 4;
    return timing;
}

static void start_test(struct vpn *vpn, const struct leg *leg, struct path *path, nanos now)
{
    struct timing timing = test_timing(vpn, leg, path);
    struct ike_command command = {
        .kind = IKE_CMD_PATH_TEST,
        .sa = leg->id,
        .session = vpn->session.id,
        .path = path_place(leg, path),
        .retry_ns = timing.resend_ns,
        .give_up_ns = timing.grant_ns,
    };
    path->use.test_tag = command_add(vpn, &command);
    path->use.test_at_ns = now + timing.probe_ns;
}

static nanos test_home(struct vpn *vpn, const struct leg *leg, struct path *path, nanos now)
{
    if (path->use.test_tag != 0 || !leg_alive(leg))
        return NANOS_NEVER;
    if (path->use.test_at_ns <= now)
        start_test(vpn, leg, path, now);
    return path->use.test_tag != 0 ? NANOS_NEVER : path->use.test_at_ns;
}

/* go_home - moves a leg to the path that it serves, when that path is ready. */
static nanos go_home(struct vpn *vpn, struct leg *leg, nanos now)
{
    struct path *path = &vpn->paths[leg->path];
    nanos may = path->use.retry_ns > leg->job_at_ns ? path->use.retry_ns : leg->job_at_ns;
    bool fresh = !path->use.lost;
    if (fresh && vpn->conn->create_then_move && !leg_bears(vpn, leg) && leg_alive(leg) &&
        vpn->wish.children != 0)
        return NANOS_NEVER; /* path_setup.c creates first */
    nanos stable = path->use.answers_since_ns == 0
                       ? NANOS_NEVER
                       : path->use.answers_since_ns + vpn->conn->stable_for_ns;
    if (fresh || !leg_alive(leg) || now >= stable) {
        nanos cloned_at = repair_cloning(vpn, leg, now);
        if (cloned_at > may)
            may = cloned_at;
        cloned_at = fresh ? home_gateway_moves(vpn, leg, now) : 0;
        if (cloned_at > may)
            may = cloned_at;
        if (may > now)
            return may;
        start_move(vpn, leg, leg->path, now);
        return leg->job == JOB_NONE ? leg->job_at_ns : NANOS_NEVER;
    }
    return nanos_min(stable, test_home(vpn, leg, path, now));
}

/* let_go - a creation without a response must not keep the IKE SA on a dead path. Its request moves
 * along (loose_tag). */
static void let_go(struct vpn *vpn, struct leg *leg, nanos now)
{
    nanos at = NANOS_NEVER;
    if (leg->job != JOB_CREATE || leg->health != HEALTH_DEAD || refuge(vpn, leg, now, &at) < 0)
        return;
    leg->loose_tag = leg->job_tag;
    leg->job = JOB_NONE;
    leg->job_tag = 0;
}

static nanos settle_leg(struct vpn *vpn, struct leg *leg, nanos now)
{
    let_go(vpn, leg, now);
    if (leg->job != JOB_NONE)
        return NANOS_NEVER;
    if (vpn_single(vpn) && vpn->session.n_legs == 1 && leg_alive(leg))
        retarget(vpn, leg);
    nanos at = NANOS_NEVER;
    /* A spare IKE SA is parked as well: then a path without an IKE SA can take it, or the Gateway
     * hears of its end. */
    if (leg->health == HEALTH_DEAD) {
        int shelter = refuge(vpn, leg, now, &at);
        if (shelter >= 0 && leg->job_at_ns > now)
            return leg->job_at_ns;
        if (shelter >= 0) {
            start_move(vpn, leg, shelter, now);
            return leg->job == JOB_NONE ? leg->job_at_ns : NANOS_NEVER;
        }
    }
    if (leg->path >= 0 && !leg_home(vpn, leg) && vpn->paths[leg->path].present)
        at = nanos_min(at, go_home(vpn, leg, now));
    return at;
}

nanos home_settle(struct vpn *vpn, nanos now)
{
    nanos at = NANOS_NEVER;
    if (!vpn->session.mobike)
        return at;
    for (unsigned i = 0; i < vpn->session.n_legs; i++)
        at = nanos_min(at, settle_leg(vpn, &vpn->legs[i], now));
    return at;
}

/* first_rtt - sets the round-trip time after a move; the first probe needs it. A path without a
 * test takes the time of the last exchange of the move. */
static void first_rtt(const struct vpn *vpn, struct leg *leg, int index, nanos move_rtt_ns)
{
    if (leg->rtt_ns != 0 || index < 0 || index != leg->path)
        return;
    nanos tested_ns = vpn->paths[index].test_rtt_ns;
    health_rtt(leg, tested_ns != 0 ? tested_ns : move_rtt_ns);
}

static void move_done(struct vpn *vpn, struct leg *leg, const struct ike_event *event, nanos now)
{
    int index = leg->job_path;
    leg->job_path = -1;
    if (event->outcome == IKE_OK) {
        leg->job_failures = 0;
        leg->job_at_ns = 0;
        if (index >= 0)
            vpn->paths[index].use.failures = 0;
        first_rtt(vpn, leg, index, event->rtt_ns);
        return;
    }
    leg->job_failures++;
    leg->job_at_ns = now + RETRY_MIN_NS;
    if (index < 0)
        return;
    struct path *path = &vpn->paths[index];
    path->use.failures++;
    path->use.retry_ns = retry_after(vpn->pm, path->use.failures, now);
    path->use.answers_since_ns = 0;
    if (index == leg->path && path->use.failures >= 2)
        wanted_rotate(vpn, path);
}

static void test_done(struct vpn *vpn, struct path *path, const struct ike_event *event, nanos now)
{
    struct leg *leg = leg_of(vpn, path->use.line);
    nanos pause = leg == NULL ? NANOS_PER_SEC : health_timing(vpn, leg).probe_ns;
    path->use.test_tag = 0;
    if (event->outcome == IKE_OK) {
        path->use.test_failures = 0;
        path->test_rtt_ns = nanos_min(event->rtt_ns, FAR_RTT_NS);
        if (path->use.answers_since_ns == 0)
            path->use.answers_since_ns = moment(now);
    } else {
        path->use.answers_since_ns = 0;
        path->use.test_failures++;
        pause = nanos_min(pause << (path->use.test_failures < 8 ? path->use.test_failures : 8),
                          TEST_MAX_NS);
        if (path->use.test_failures % 4 == 0)
            wanted_rotate(vpn, path);
    }
    if (vpn->session.n_legs == 1 && pause < TEST_SINGLE_NS)
        pause = nanos_min(TEST_SINGLE_NS, vpn->conn->stable_for_ns / 2 + 1);
    path->use.test_at_ns = now + pause;
}

bool home_done(struct vpn *vpn, const struct ike_event *event, nanos now)
{
    for (unsigned i = 0; i < vpn->n_paths; i++) {
        if (vpn->paths[i].use.test_tag == event->tag) {
            test_done(vpn, &vpn->paths[i], event, now);
            return true;
        }
    }
    for (unsigned i = 0; i < vpn->session.n_legs; i++) {
        struct leg *leg = &vpn->legs[i];
        if (leg->job_tag != event->tag || (leg->job != JOB_MOVE && leg->job != JOB_CREATE_MOVED))
            continue;
        vpn->session.separate |= leg->job == JOB_CREATE_MOVED && event->outcome != IKE_OK;
        leg->job = JOB_NONE;
        leg->job_tag = 0;
        move_done(vpn, leg, event, now);
        return true;
    }
    return false;
}
