/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chooses the path that carries the traffic among several paths of equal rank, with `multipath =
 * failover`: the best one by measurement. Rank is `priority`, then `metered`. Measuring costs no
 * messages: health.c sends the probes anyway.
 *
 * Loss is compared first. A probe whose request or response was lost counts 1, any other probe
 * counts 0. The loss of a path is the mean of about the last sixteen probes. A late response is no
 * loss: each copy of the request has its own response, and ike_sa_info.unanswered counts the
 * missing ones. A path is better than another one if its loss is lower by a tenth, and sixteen of
 * its own probes have counted: the estimate begins without loss. A probe that times out counts 1.
 * So a path that returns must first show that it loses no packets.
 *
 * The round-trip time is compared second: the least of the last minute. A queue of our own traffic
 * comes and goes, and must not move the traffic. A path is better if its time is lower by a quarter
 * and by 10 ms, unless its loss is higher by a thirty-second.
 *
 * The traffic moves to a path that has been better for `stable_for` without a break, and for at
 * least a second. A second is enough while the path of the traffic loses much: a fifth more of its
 * last eight probes or so than the other path. Each change within ten minutes of the last one
 * doubles that time, up to 320 s, or to `stable_for` if that is longer. So the traffic changes
 * rarely between paths whose quality goes up and down. The traffic leaves a dead path at once, for
 * the best of the others.
 */
#include "multipath/vpn.h"

#define LOSS_ONE       65536
#define LOSS_GAIN      (LOSS_ONE / 10)
#define LOSS_MUCH      (LOSS_ONE / 5)
#define LOSS_LIKE      (LOSS_ONE / 32)
#define LOSS_SAMPLES   16
#define RECENT_SAMPLES 8
#define RTT_SPAN_NS    (30 * NANOS_PER_SEC) /* the last minute: this one and the one before */
#define RTT_GAIN_NS    (10 * NANOS_PER_MS)
#define CALM_NS        (600 * NANOS_PER_SEC)
#define LASTS_MIN_NS   NANOS_PER_SEC /* with `stable_for = 0s`, since twice 0 is 0 */
#define LASTS_MAX_NS   (320 * NANOS_PER_SEC)

/* --- measurements --- */

void choice_loss(struct path_quality *quality, bool lost)
{
    int32_t sample = lost ? LOSS_ONE : 0;
    quality->loss += (sample - quality->loss) / LOSS_SAMPLES;
    quality->recent_loss += (sample - quality->recent_loss) / RECENT_SAMPLES;
    quality->samples += quality->samples < LOSS_SAMPLES;
}

void choice_rtt(struct path_quality *quality, nanos rtt_ns, nanos now)
{
    nanos age = now - quality->since_ns;
    if (age >= RTT_SPAN_NS) {
        quality->before_ns = age < 2 * RTT_SPAN_NS ? quality->rtt_ns : 0;
        quality->rtt_ns = 0;
        quality->since_ns = now;
    }
    if (quality->rtt_ns == 0 || rtt_ns < quality->rtt_ns)
        quality->rtt_ns = rtt_ns;
}

/* least_rtt - 0: not measured. */
static nanos least_rtt(const struct path_quality *quality)
{
    bool before = quality->before_ns != 0 && quality->before_ns < quality->rtt_ns;
    return before ? quality->before_ns : quality->rtt_ns;
}

int32_t choice_loss_ppm(const struct path_quality *quality)
{
    if (quality->samples < LOSS_SAMPLES)
        return LOSS_UNKNOWN;
    return (int32_t)((int64_t)quality->loss * 1000000 / LOSS_ONE);
}

/* --- the choice --- */

static bool takes_part(const struct vpn *vpn, const struct leg *leg)
{
    return leg_usable(leg) && leg_home(vpn, leg) && leg_carries(vpn, leg) &&
           vpn->paths[leg->path].present;
}

/* outranks - `a` comes before `b`, whatever is measured. */
static bool outranks(const struct path *a, const struct path *b)
{
    return a->priority != b->priority ? a->priority < b->priority : !a->metered && b->metered;
}

/* loses_much - the path `on` loses so much more than `path` that its traffic suffers. */
static bool loses_much(const struct path *on, const struct path *path)
{
    return path->quality.samples >= LOSS_SAMPLES &&
           path->quality.loss + LOSS_MUCH <= on->quality.recent_loss;
}

static bool gains(const struct path *path, const struct path *on)
{
    const struct path_quality *a = &path->quality, *b = &on->quality;
    nanos rtt_a = least_rtt(a), rtt_b = least_rtt(b);
    if (a->samples >= LOSS_SAMPLES && a->loss + LOSS_GAIN <= b->loss)
        return true;
    if (loses_much(on, path))
        return true;
    return a->loss <= b->loss + LOSS_LIKE && rtt_a != 0 && rtt_a + RTT_GAIN_NS < rtt_b &&
           rtt_a + rtt_b / 4 < rtt_b;
}

/* best - the usable path of the first rank that measures best. If several are alike, it is `chosen`,
 * or else the first one in the configuration. NULL: no path is usable. */
static const struct path *best(const struct vpn *vpn, const struct path *chosen)
{
    for (unsigned i = 0; i < vpn->n_paths; i++) {
        const struct path *path = &vpn->paths[i];
        const struct leg *leg = leg_of(vpn, path->use.line);
        if (leg == NULL || !takes_part(vpn, leg))
            continue;
        if (chosen == NULL || outranks(path, chosen) ||
            (!outranks(chosen, path) && gains(path, chosen)))
            chosen = path;
    }
    return chosen;
}

/* lasts - how long `path` must gain on `on` without a break. */
static nanos lasts(const struct vpn *vpn, const struct path *path, const struct path *on)
{
    nanos stable_for = loses_much(on, path) ? 0 : vpn->conn->stable_for_ns;
    nanos time = stable_for > LASTS_MIN_NS ? stable_for : LASTS_MIN_NS;
    for (unsigned i = 0; i < vpn->session.choice.changes && time < LASTS_MAX_NS; i++)
        time *= 2;
    time = nanos_min(time, LASTS_MAX_NS);
    return time > stable_for ? time : stable_for;
}

static void choose(struct vpn *vpn, const struct path *path, nanos now)
{
    struct vpn_choice *choice = &vpn->session.choice;
    bool calm = choice->changed_ns == 0 || now - choice->changed_ns > CALM_NS;
    choice->changes = calm ? 0 : choice->changes + 1;
    choice->changed_ns = moment(now);
    choice->line = path->use.line;
    choice->worse_ns = 0;
}

bool choice_made(const struct vpn *vpn)
{
    return vpn_end_user(vpn) && vpn->conn->multipath == IKE_MULTIPATH_FAILOVER;
}

bool choice_compares(const struct vpn *vpn, const struct leg *leg)
{
    if (!choice_made(vpn) || !takes_part(vpn, leg))
        return false;
    const struct path *path = &vpn->paths[leg->path];
    for (unsigned i = 0; !path->metered && i < vpn->session.n_legs; i++) {
        const struct leg *other = &vpn->legs[i];
        if (other != leg && takes_part(vpn, other) && !outranks(&vpn->paths[other->path], path) &&
            !outranks(path, &vpn->paths[other->path]))
            return true;
    }
    return false;
}

nanos choice_settle(struct vpn *vpn, nanos now)
{
    struct vpn_choice *choice = &vpn->session.choice;
    if (!choice_made(vpn))
        return NANOS_NEVER;
    const struct leg *leg = leg_of(vpn, choice->line);
    const struct path *chosen = leg != NULL && takes_part(vpn, leg) ? &vpn->paths[leg->path] : NULL;
    const struct path *path = best(vpn, chosen);
    if (path == NULL)
        return NANOS_NEVER;
    if (chosen == NULL || outranks(path, chosen)) {
        choice->line = path->use.line;
        choice->worse_ns = 0;
    } else if (path == chosen) {
        choice->worse_ns = 0;
    } else if (choice->worse_ns == 0) {
        choice->worse_ns = moment(now);
    } else if (now - choice->worse_ns >= lasts(vpn, path, chosen)) {
        choose(vpn, path, now);
    }
    return choice->worse_ns == 0 ? NANOS_NEVER : choice->worse_ns + lasts(vpn, path, chosen);
}
