/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds out which IKE SAs are alive. Any authentic packet is evidence: ESP on a Child SA, or IKE on
 * the IKE SA. An IKE SA is probed (an empty INFORMATIONAL, RFC 7296 section 2.4) in two cases:
 *
 *   - packets of ours went out after the last evidence, and none came for `quick`;
 *   - the End User received nothing for `probe`. This probe is evidence for the Gateway, too.
 *
 * While the session carries no packet, the second kind of probe waits for `probe_idle_ns`. An idle
 * path is then known to be dead only later. The first packet without an answer causes a probe of
 * the first kind, as at any time.
 *
 * A Gateway probes only the IKE SAs on which it sends. A probe without a response within `grant`
 * means that the IKE SA is dead. The budget B is the smaller of `failover` and five times
 * `probe_interval`: quick is 0.15 B, grant 0.45 B, probe at most 0.5 B. So traffic leaves a black
 * hole after 0.6 B, and an idle path is known to be dead after 0.95 B.
 *
 * B is at most `failover_busy` if another path can take the traffic over. This holds for a
 * conversation, and at an End User also for packets without an answer. If the Gateway merely
 * pauses, it still answers the probes, and the traffic stays on its path. A link that was idle
 * keeps its whole B, because its first packet may take longer (a modem that wakes).
 *
 * A Gateway distinguishes a peer that vanished from a peer that sleeps. Neither answers. A peer
 * that falls silent within a conversation has vanished, and its IKE SAs end. A peer that was silent
 * before the Gateway sent to it sleeps. Its session stays until the IKE core has heard nothing for
 * `dead_peer`.
 */
#include "multipath/vpn.h"

#define BUDGET_DEFAULT_NS (2 * NANOS_PER_SEC)
#define PROBE_DEFAULT_NS  NANOS_PER_SEC
#define RESEND_MIN_NS     (10 * NANOS_PER_MS)
/* as long as an exchange without a response lasts */
#define GATEWAY_LOST_NS (165 * NANOS_PER_SEC)
/* A peer that was silent for longer, when packets for it came, sleeps. */
#define CONVERSATION_NS (60 * NANOS_PER_SEC)
#define ASLEEP_PROBE_NS (60 * NANOS_PER_SEC) /* each question may wake it */
/* after so many probe intervals without a response to a request, a sender probes, though packets
 * arrive */
#define PROOF_ROUNDS 8
#define IDLE_METERED 10 /* factor for the probes of an idle metered path */
/* A session that carried nothing for longer is idle. */
#define IDLE_SESSION_NS (60 * NANOS_PER_SEC)
#define COMPARED_PROBES 3 /* within a probe interval, of a path that carries traffic */

static bool other_alive(const struct vpn *vpn, const struct leg *leg)
{
    for (unsigned i = 0; i < vpn->session.n_legs; i++)
        if (&vpn->legs[i] != leg && leg_alive(&vpn->legs[i]))
            return true;
    return false;
}

/* grant_of - the share of a budget in which a probe is answered. A path that is slower than the
 * budget allows is slow, not dead. */
static nanos grant_of(const struct leg *leg, nanos budget)
{
    nanos grant = budget * 45 / 100, rtt = nanos_min(leg->rtt_ns, FAR_RTT_NS);
    return grant < 2 * rtt ? 2 * rtt : grant;
}

/* resend_of - the interval of retransmissions within a grant. */
static nanos resend_of(const struct leg *leg, nanos grant)
{
    nanos interval = grant / 8, rtt = nanos_min(leg->rtt_ns, FAR_RTT_NS);
    if (interval < rtt + rtt / 4)
        interval = rtt + rtt / 4;
    return interval < RESEND_MIN_NS ? RESEND_MIN_NS : interval;
}

/* hurries - traffic leaves a dead path sooner than the budget says, because another path can take
 * it. */
static bool hurries(const struct vpn *vpn, const struct leg *leg)
{
    return vpn->conn->failover_busy_ns > 0 && other_alive(vpn, leg);
}

/* hurries_alone - the same for packets of ours that nothing answers. Not of a Gateway: it may send
 * to thousands that only listen, and would probe each of them every few round trips. */
static bool hurries_alone(const struct vpn *vpn, const struct leg *leg)
{
    return vpn_end_user(vpn) && hurries(vpn, leg);
}

struct timing health_timing(const struct vpn *vpn, const struct leg *leg)
{
    const struct ike_conn *conn = vpn->conn;
    nanos interval = conn->probe_interval_ns > 0 ? conn->probe_interval_ns : PROBE_DEFAULT_NS;
    nanos failover = conn->failover_ns > 0 ? conn->failover_ns : BUDGET_DEFAULT_NS;
    nanos budget = nanos_min(failover, 5 * interval), busy = budget;
    if (hurries(vpn, leg))
        busy = nanos_min(budget, conn->failover_busy_ns);
    struct timing timing = {
        .probe_ns = nanos_min(interval, budget / 2),
        .quick_ns = busy * 15 / 100,
        .grant_ns = grant_of(leg, budget),
        .quick_grant_ns = grant_of(leg, busy),
    };
    timing.resend_ns = resend_of(leg, timing.grant_ns);
    return timing;
}

void health_rtt(struct leg *leg, nanos rtt_ns)
{
    if (rtt_ns <= 0)
        return;
    rtt_ns = nanos_min(rtt_ns, FAR_RTT_NS); /* a peer cannot raise it further */
    if (leg->rtt_ns == 0) {                 /* one value has no deviation */
        leg->rtt_ns = rtt_ns;
        leg->jitter_ns = 0;
        return;
    }
    nanos off = rtt_ns > leg->rtt_ns ? rtt_ns - leg->rtt_ns : leg->rtt_ns - rtt_ns;
    leg->jitter_ns += (off - leg->jitter_ns) / 4; /* RFC 6298 section 2.3 */
    leg->rtt_ns += (rtt_ns - leg->rtt_ns) / 8;
}

static void leg_dies(struct vpn *vpn, struct leg *leg, nanos now)
{
    if (leg->health == HEALTH_DEAD)
        return;
    leg->health = HEALTH_DEAD;
    leg->dead_since_ns = now;
    leg->fell_silent = leg->asked_ns - leg->heard_ns <= CONVERSATION_NS;
    leg->asked_ns = 0;
    leg->probe_at_ns = now + health_timing(vpn, leg).probe_ns;
    if (leg_home(vpn, leg)) {
        struct path *path = &vpn->paths[leg->path];
        path->use.lost = true;
        path->losses += path->present; /* otherwise path_plan.c has counted the loss */
        path->use.answers_since_ns = 0;
        path->use.test_at_ns = now + health_timing(vpn, leg).probe_ns;
    }
}

void health_heard(struct vpn *vpn, struct leg *leg, nanos at, nanos now)
{
    if (at > leg->heard_ns)
        leg->heard_ns = at;
    if (!leg->strict && leg->heard_ns >= leg->asked_ns)
        leg->asked_ns = 0;
    switch (leg->health) {
    case HEALTH_GOOD:
    case HEALTH_RETURNING: return;
    case HEALTH_SUSPECT:
        if (leg->asked_ns == 0)
            leg->health = HEALTH_GOOD;
        return;
    case HEALTH_DEAD:
        /* An arrival shows the Gateway that the End User uses the path again. The End User needs a
         * response: the other direction may still be dead. */
        if (leg->link_gone || leg->heard_ns <= leg->dead_since_ns ||
            (vpn_end_user(vpn) && leg->proof_ns <= leg->dead_since_ns))
            return;
        leg->health = HEALTH_RETURNING;
        leg->good_since_ns = now;
        return;
    }
}

void health_proof(struct vpn *vpn, struct leg *leg, nanos now)
{
    leg->proof_ns = now;
    leg->probe_at_ns = 0;
    leg->strict = false;
    health_heard(vpn, leg, now, now);
}

void health_moved(struct vpn *vpn, struct leg *leg, const struct ike_path *at, nanos now)
{
    if (!leg_stands(leg, at))
        leg->rtt_ns = 0;
    leg->at = *at;
    leg->link_gone = vpn_end_user(vpn) && !wanted_place_there(vpn->pm, at);
    leg->asked_ns = 0;
    leg->judge_ns = 0;
    leg->heard_ns = now;
    leg->strict = false;
    if (leg->link_gone)
        return;
    leg->proof_ns = now;
    leg->health = HEALTH_GOOD;
    if (!leg_home(vpn, leg))
        return;
    struct path *path = &vpn->paths[leg->path];
    bool stable = path->use.answers_since_ns != 0 &&
                  now - path->use.answers_since_ns >= vpn->conn->stable_for_ns;
    if (path->use.lost && !stable && other_alive(vpn, leg)) {
        leg->health = HEALTH_RETURNING;
        leg->good_since_ns = now;
    }
}

/* probe_measured - learns from an answered probe: the round-trip time now, the loss later. By then
 * the responses to all copies of the probe have come: at most a round trip after the first. */
static void probe_measured(struct vpn *vpn, struct leg *leg, nanos rtt_ns, nanos now)
{
    if (!vpn_end_user(vpn) || !leg_home(vpn, leg) || rtt_ns <= 0)
        return;
    choice_rtt(&vpn->paths[leg->path].quality, rtt_ns, now);
    leg->judge_ns = now + rtt_ns + rtt_ns / 4;
}

/* probe_judge - before the next probe: was a copy of the last one lost? */
static void probe_judge(struct vpn *vpn, struct leg *leg, nanos now)
{
    const struct path_view *view = &vpn->pm->options.view;
    struct ike_sa_info info;
    if (leg->judge_ns != 0 && now >= leg->judge_ns && leg_home(vpn, leg) &&
        view->sa(view->context, leg->id, &info))
        choice_loss(&vpn->paths[leg->path].quality, info.unanswered > 0);
    leg->judge_ns = 0;
}

bool health_probe_done(struct vpn *vpn, const struct ike_event *event, nanos now)
{
    for (unsigned i = 0; i < vpn->session.n_legs; i++) {
        struct leg *leg = &vpn->legs[i];
        if (leg->probe_tag != event->tag)
            continue;
        leg->probe_tag = 0;
        if (event->outcome == IKE_OK) {
            probe_measured(vpn, leg, event->borrowed ? 0 : event->rtt_ns, now);
            health_rtt(leg, event->rtt_ns);
            health_proof(vpn, leg, now);
        } else if (event->outcome == IKE_TIMEOUT) {
            if (vpn_end_user(vpn) && leg_home(vpn, leg))
                choice_loss(&vpn->paths[leg->path].quality, true);
        } else {
            leg->asked_ns = 0; /* the probe was never sent */
            leg->strict = false;
            leg->probe_at_ns = now + health_timing(vpn, leg).probe_ns;
        }
        return true;
    }
    return false;
}

/* ike_heard - the latest evidence that the IKE core or the manager has, not later than `limit`. */
static nanos ike_heard(const struct vpn *vpn, const struct leg *leg, nanos limit)
{
    const struct path_view *view = &vpn->pm->options.view;
    struct ike_sa_info info;
    bool later = view->sa(view->context, leg->id, &info) && info.last_heard_ns > leg->heard_ns &&
                 info.last_heard_ns <= limit;
    return later ? info.last_heard_ns : leg->heard_ns;
}

nanos health_last_heard(const struct vpn *vpn, const struct leg *leg)
{
    const struct path_traffic *traffic = &vpn->pm->options.traffic;
    nanos heard = ike_heard(vpn, leg, NANOS_NEVER), in, out;
    for (unsigned i = 0; traffic->child != NULL && i < vpn->session.n_bearers; i++) {
        const struct bearer *bearer = &vpn->bearers[i];
        if (bearer->line == leg->line && traffic->child(traffic->context, bearer->id, &in, &out))
            heard = in > heard ? in : heard;
    }
    return heard;
}

/* look - reads the counters of the data plane and of the IKE core. */
static void look(struct vpn *vpn, struct leg *leg, nanos now)
{
    const struct path_traffic *traffic = &vpn->pm->options.traffic;
    nanos heard = ike_heard(vpn, leg, now);
    for (unsigned i = 0; traffic->child != NULL && i < vpn->session.n_bearers; i++) {
        struct bearer *bearer = &vpn->bearers[i];
        nanos in = 0, out = 0;
        if (bearer->line != leg->line || !traffic->child(traffic->context, bearer->id, &in, &out))
            continue;
        bearer->in_ns = in;
        bearer->out_ns = out;
        leg->esp_in_ns = in > leg->esp_in_ns ? in : leg->esp_in_ns;
        leg->esp_out_ns = out > leg->esp_out_ns ? out : leg->esp_out_ns;
    }
    heard = leg->esp_in_ns > heard ? leg->esp_in_ns : heard;
    if (heard > leg->heard_ns)
        health_heard(vpn, leg, heard, now);
}

/* parked_beside - another IKE SA is alive and at home where this one is parked. Its probes serve
 * for both. */
static const struct leg *parked_beside(const struct vpn *vpn, const struct leg *leg)
{
    if (!vpn_end_user(vpn) || leg_home(vpn, leg))
        return NULL;
    for (unsigned i = 0; i < vpn->session.n_legs; i++) {
        const struct leg *other = &vpn->legs[i];
        if (other != leg && leg_home(vpn, other) &&
            wanted_at_home(&vpn->paths[other->path], &leg->at))
            return other;
    }
    return NULL;
}

/* replied - ESP is the last that was heard, or nearly. */
static bool replied(const struct leg *leg, nanos quick_ns)
{
    return leg->esp_in_ns > 0 && leg->heard_ns - leg->esp_in_ns < quick_ns;
}

/* compare_at - a path with traffic in both directions is compared with the idle paths that could
 * take the traffic. It is probed more often than those, because its losses hurt now. */
static nanos compare_at(const struct vpn *vpn, const struct leg *leg, nanos probe_ns)
{
    nanos last = leg->proof_ns > leg->probed_ns ? leg->proof_ns : leg->probed_ns;
    nanos interval = probe_ns / COMPARED_PROBES;
    bool busy = leg->esp_in_ns > 0 && leg->esp_out_ns > leg->proof_ns + interval;
    return busy && choice_compares(vpn, leg) ? last + interval : NANOS_NEVER;
}

/* session_idle - no path of the session carried a packet in the minute before `at`. */
static bool session_idle(const struct vpn *vpn, nanos at)
{
    nanos used = vpn->session.up_ns;
    for (unsigned i = 0; i < vpn->session.n_bearers; i++) {
        const struct bearer *bearer = &vpn->bearers[i];
        nanos carried = nanos_max(bearer->in_ns, bearer->out_ns);
        used = nanos_max(used, nanos_max(bearer->since_ns, carried));
    }
    return at - used > IDLE_SESSION_NS;
}

/* curious_at - when to probe an IKE SA that is alive and has no outstanding probe. */
static nanos curious_at(const struct vpn *vpn, const struct leg *leg)
{
    struct timing timing = health_timing(vpn, leg);
    bool unanswered = leg->esp_out_ns > leg->heard_ns;
    nanos silence = timing.probe_ns;
    if (leg->health == HEALTH_RETURNING)
        return nanos_min(leg->heard_ns, leg->proof_ns) + timing.probe_ns;
    /* Packets may arrive while ours are lost. So a sender needs a response from time to time. */
    if (leg->esp_out_ns > leg->proof_ns + PROOF_ROUNDS * timing.probe_ns && leg->esp_in_ns > 0)
        return leg->proof_ns + PROOF_ROUNDS * timing.probe_ns;
    if (unanswered && (replied(leg, timing.quick_ns) || hurries_alone(vpn, leg) ||
                       leg->esp_out_ns - leg->heard_ns > timing.probe_ns))
        silence = timing.quick_ns;
    else if (!vpn_end_user(vpn) && !unanswered)
        return NANOS_NEVER;
    else if (!unanswered && leg->path >= 0 && vpn->paths[leg->path].metered)
        silence = IDLE_METERED * timing.probe_ns;
    if (!unanswered && session_idle(vpn, leg->heard_ns))
        silence = nanos_max(silence, vpn->conn->probe_idle_ns);
    return nanos_min(leg->heard_ns + silence, compare_at(vpn, leg, timing.probe_ns));
}

static nanos ask_at(const struct vpn *vpn, const struct leg *leg)
{
    if (leg->link_gone || leg->probe_tag != 0 || parked_beside(vpn, leg) != NULL)
        return NANOS_NEVER;
    if (leg->health == HEALTH_DEAD)
        return leg->probe_at_ns;
    if (leg->asked_ns != 0)
        return NANOS_NEVER;
    nanos at = curious_at(vpn, leg);
    return at > leg->probe_at_ns ? at : leg->probe_at_ns;
}

/* asleep - on a Gateway: no path of the peer answers, and the peer was silent before the probes. */
static bool asleep(const struct vpn *vpn, const struct leg *leg)
{
    return !vpn_end_user(vpn) && leg->health == HEALTH_DEAD && !leg->fell_silent &&
           !other_alive(vpn, leg);
}

/* dead_probe_wait - at first as often as a living IKE SA; after a minute every five seconds. */
static nanos dead_probe_wait(const struct vpn *vpn, const struct leg *leg, nanos now)
{
    if (asleep(vpn, leg))
        return ASLEEP_PROBE_NS;
    bool long_dead = now - leg->dead_since_ns > LOST_NS;
    return long_dead ? 5 * NANOS_PER_SEC : health_timing(vpn, leg).probe_ns;
}

/* stopped - the leg worked until a moment ago, and packets of ours have had no answer since. */
static bool stopped(const struct vpn *vpn, const struct leg *leg, nanos quick_ns, nanos now)
{
    return leg->health != HEALTH_DEAD && (replied(leg, quick_ns) || hurries_alone(vpn, leg)) &&
           leg->esp_out_ns > leg->heard_ns && now - leg->heard_ns < 2 * quick_ns;
}

static void probe_send(struct vpn *vpn, struct leg *leg, nanos now)
{
    struct timing timing = health_timing(vpn, leg);
    /* a probe that compares: packets arrive, and they prove as well that the IKE SA is alive */
    bool compares = leg->heard_ns + timing.quick_ns > now &&
                    compare_at(vpn, leg, timing.probe_ns) <= now &&
                    now < leg->proof_ns + PROOF_ROUNDS * timing.probe_ns;
    bool quick = compares || stopped(vpn, leg, timing.quick_ns, now);
    probe_judge(vpn, leg, now);
    leg->grant_ns = quick ? timing.quick_grant_ns : timing.grant_ns;
    struct ike_command command = {
        .kind = IKE_CMD_PROBE,
        .sa = leg->id,
        .session = vpn->session.id,
        .retry_ns = resend_of(leg, leg->grant_ns),
        .give_up_ns = leg->grant_ns,
    };
    leg->probe_tag = command_add(vpn, &command);
    leg->probed_ns = moment(now);
    leg->strict = leg->heard_ns + timing.quick_ns > now && !compares;
    if (leg->health == HEALTH_DEAD)
        leg->probe_at_ns = now + timing.grant_ns + dead_probe_wait(vpn, leg, now);
    else
        leg->asked_ns = now;
}

static void judge(struct vpn *vpn, struct leg *leg, nanos now)
{
    const struct leg *host = parked_beside(vpn, leg);
    if (leg->link_gone || (host != NULL && !leg_alive(host))) {
        leg_dies(vpn, leg, now);
        return;
    }
    if (leg->asked_ns != 0 && now - leg->asked_ns >= leg->grant_ns)
        leg_dies(vpn, leg, now);
    else if (leg->asked_ns != 0 && now - leg->asked_ns >= leg->grant_ns / 2 &&
             leg->health == HEALTH_GOOD)
        leg->health = HEALTH_SUSPECT;
    if (leg->health == HEALTH_RETURNING &&
        (now - leg->good_since_ns >= vpn->conn->stable_for_ns || !other_alive(vpn, leg)))
        leg->health = HEALTH_GOOD;
    if (leg->health == HEALTH_GOOD && leg_home(vpn, leg))
        vpn->paths[leg->path].use.lost = false;
}

/* gateway_gives_up_at - a Gateway gives up a dead IKE SA in the end: the End User has vanished, or
 * has replaced it by another clone. */
static nanos gateway_gives_up_at(const struct vpn *vpn, const struct leg *leg)
{
    nanos timeout = vpn->conn->dpd_timeout_ns;
    if (vpn_end_user(vpn) || leg->health != HEALTH_DEAD || leg->job != JOB_NONE ||
        (asleep(vpn, leg) && vpn->conn->dead_peer_ns > 0))
        return NANOS_NEVER;
    return leg->dead_since_ns + (timeout > 0 ? timeout : GATEWAY_LOST_NS);
}

void health_settle(struct vpn *vpn, nanos now)
{
    bool alive = false;
    for (unsigned i = 0; i < vpn->session.n_legs; i++) {
        struct leg *leg = &vpn->legs[i];
        look(vpn, leg, now);
        judge(vpn, leg, now);
        if (ask_at(vpn, leg) <= now)
            probe_send(vpn, leg, now);
        if (now >= gateway_gives_up_at(vpn, leg)) {
            struct ike_command command = {.kind = IKE_CMD_DELETE_IKE,
                                          .sa = leg->id,
                                          .session = vpn->session.id,
                                          .force = true,
                                          .reason = IKE_TIMEOUT};
            leg->job_tag = command_add(vpn, &command);
            leg->job = leg->job_tag != 0 ? JOB_DELETE : JOB_NONE;
            leg->dead_since_ns = now; /* repeated later, in case the command is lost */
        }
        alive |= leg_alive(leg);
    }
    if (alive && vpn->session.all_dead_ns != 0)
        vpn->session.some_alive_ns = now;
    if (alive || vpn->session.n_legs == 0)
        vpn->session.all_dead_ns = 0;
    else if (vpn->session.all_dead_ns == 0)
        vpn->session.all_dead_ns = moment(now);
}

/* look_interval - the data plane counts packets without announcing them, so we look often enough. A
 * Gateway has thousands of idle sessions. It looks at them less often, and still leaves a path that
 * died meanwhile within the budget: probe_ns and grant_ns make at most 0.95 B. */
static nanos look_interval(const struct vpn *vpn, const struct timing *timing, nanos now)
{
    bool rarely = !vpn_end_user(vpn) && session_idle(vpn, now);
    return rarely ? timing->probe_ns : timing->quick_ns;
}

static nanos leg_deadline(const struct vpn *vpn, const struct leg *leg, nanos now)
{
    struct timing timing = health_timing(vpn, leg);
    nanos at = ask_at(vpn, leg);
    if (leg_bears(vpn, leg) && leg->health != HEALTH_DEAD)
        at = nanos_min(at, now + look_interval(vpn, &timing, now));
    if (leg->asked_ns != 0 && leg->health != HEALTH_DEAD)
        at = nanos_min(at, leg->asked_ns +
                               (leg->health == HEALTH_GOOD ? leg->grant_ns / 2 : leg->grant_ns));
    if (leg->health == HEALTH_RETURNING)
        at = nanos_min(at, leg->good_since_ns + vpn->conn->stable_for_ns);
    return nanos_min(at, gateway_gives_up_at(vpn, leg));
}

nanos health_deadline(const struct vpn *vpn, nanos now)
{
    nanos at = NANOS_NEVER;
    for (unsigned i = 0; i < vpn->session.n_legs; i++)
        at = nanos_min(at, leg_deadline(vpn, &vpn->legs[i], now));
    return at;
}
