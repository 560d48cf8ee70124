/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/model.h"

#include <math.h>

#define FIRST_WINDOW 10
#define CUBIC_C      0.4
#define CUBIC_BETA   0.7
#define HIGH_GAIN    2.885
#define ROUNDS       10
#define BBR_LEAST    4
#define RTT_PERIOD   (10 * NANOS_PER_SEC)
#define RTT_TIME     MS(200)

/* --- CUBIC (RFC 9438), HyStart by delay, PRR (RFC 6937) --- */

static void cubic_lost(struct flow *f)
{
    struct cubic *c = &f->cubic;
    c->most = f->window < c->most ? f->window * (1 + CUBIC_BETA) / 2 : f->window;
    f->threshold = f->window * CUBIC_BETA > 2 ? f->window * CUBIC_BETA : 2;
    c->since = 0;
}

/* hystart - the delay of a round grows: the queue begins to fill. */
static void hystart(struct flow *f, nanos rtt)
{
    struct cubic *c = &f->cubic;
    if (f->una >= c->round_end) {
        c->round_end = f->next;
        c->round_least = NANOS_NEVER;
        c->samples = 0;
    }
    if (rtt == 0 || c->samples >= 8)
        return;
    c->round_least = nanos_min(c->round_least, rtt);
    nanos least = flow_least_rtt(f), step = least / 8;
    step = step < MS(4) ? MS(4) : nanos_min(step, MS(16));
    if (++c->samples == 8 && f->window >= 16 && c->round_least >= least + step)
        f->threshold = f->window;
}

static void cubic_grow(struct flow *f, const struct rate_sample *rs, nanos now)
{
    struct cubic *c = &f->cubic;
    if (f->window < f->threshold) {
        hystart(f, rs->rtt);
        f->window += rs->acked;
        return;
    }
    if (c->since == 0) {
        c->since = now;
        c->k = f->window < c->most ? cbrt((c->most - f->window) / CUBIC_C) : 0;
        c->origin = f->window < c->most ? c->most : f->window;
    }
    double t = (double)(now - c->since + f->srtt) / 1e9 - c->k;
    double target = c->origin + CUBIC_C * t * t * t;
    double elapsed = (double)(now - c->since) / (double)(f->srtt > 0 ? f->srtt : 1);
    double reno = c->most * CUBIC_BETA + 3 * (1 - CUBIC_BETA) / (1 + CUBIC_BETA) * elapsed;
    target = target < reno ? reno : target;
    target = target > f->window * 1.5 ? f->window * 1.5 : target;
    if (target > f->window)
        f->window += (target - f->window) / f->window * rs->acked;
}

static void cubic_acked(struct flow *f, const struct rate_sample *rs, nanos now)
{
    if (!f->recovering || f->timed_out) {
        if (rs->inflight_before + 3 * 44 >= (uint32_t)f->window)
            cubic_grow(f, rs, now);
        return;
    }
    double give;
    if (f->inflight > f->threshold)
        give = ceil(f->prr_delivered * f->threshold / f->prr_flight) - f->prr_out;
    else
        give = fmin(f->threshold - f->inflight,
                    fmax((double)f->prr_delivered - f->prr_out, rs->acked) + 1);
    f->window = f->inflight + (give > 0 ? give : 0);
}

/* --- BBR version 1 (draft-cardwell-iccrg-bbr-congestion-control-00, and Linux' ACK aggregation) --- */

static double bbr_bandwidth(const struct flow *f)
{
    double most = 0;
    for (unsigned i = 0; i < ROUNDS; i++)
        most = fmax(most, f->bbr.bandwidth[i]);
    return most;
}

static double bbr_bdp(const struct flow *f, double gain)
{
    if (f->bbr.least_rtt == 0)
        return FIRST_WINDOW;
    return ceil(gain * bbr_bandwidth(f) / PAYLOAD * (double)f->bbr.least_rtt / 1e9);
}

static void bbr_phase(struct flow *f, unsigned phase, nanos now)
{
    static const double gains[8] = {1.25, 0.75, 1, 1, 1, 1, 1, 1};
    f->bbr.phase = phase % 8;
    f->bbr.phase_at = now;
    f->bbr.gain = gains[f->bbr.phase];
    f->bbr.window_gain = 2;
}

static void bbr_round(struct flow *f, const struct rate_sample *rs, bool *ret_start)
{
    struct bbr *b = &f->bbr;
    *ret_start = rs->prior_delivered >= b->round_delivered;
    if (*ret_start) {
        b->round_delivered = f->delivered;
        b->fresh = true;
        b->conserve = false;
    }
    double rate = (double)rs->delivered * PAYLOAD * 1e9 / (double)rs->took;
    if (rs->took < flow_least_rtt(f) || (rs->limited && rate < bbr_bandwidth(f)))
        return;
    if (b->fresh)
        b->bandwidth[++b->rounds % ROUNDS] = 0;
    b->fresh = false;
    b->bandwidth[b->rounds % ROUNDS] = fmax(b->bandwidth[b->rounds % ROUNDS], rate);
}

static void bbr_full(struct bbr *b, double bandwidth)
{
    if (b->is_full)
        return;
    if (bandwidth >= b->full * 1.25) {
        b->full = bandwidth;
        b->full_rounds = 0;
    } else {
        b->is_full = ++b->full_rounds >= 3;
    }
}

static void bbr_cycle(struct flow *f, const struct rate_sample *rs, nanos now)
{
    struct bbr *b = &f->bbr;
    if (b->state != PROBE_BW)
        return;
    bool full = now - b->phase_at > b->least_rtt, next = full;
    if (b->gain > 1)
        next = full && (rs->lost > 0 || rs->inflight_before >= bbr_bdp(f, b->gain));
    else if (b->gain < 1)
        next = full || rs->inflight_before <= bbr_bdp(f, 1);
    if (next)
        bbr_phase(f, b->phase + 1, now);
}

static void bbr_states(struct flow *f, nanos now)
{
    struct bbr *b = &f->bbr;
    if (b->state == STARTUP && b->is_full) {
        b->state = DRAIN;
        b->gain = 1 / HIGH_GAIN;
        b->window_gain = HIGH_GAIN;
    }
    if (b->state == DRAIN && f->inflight <= bbr_bdp(f, 1)) {
        b->state = PROBE_BW;
        bbr_phase(f, 2 + f->index % 6, now);
    }
}

static void bbr_rtt(struct flow *f, const struct rate_sample *rs, bool start, nanos now)
{
    struct bbr *b = &f->bbr;
    bool expired = b->least_at != 0 && now - b->least_at > RTT_PERIOD;
    if (rs->rtt > 0 && (b->least_rtt == 0 || rs->rtt < b->least_rtt || expired)) {
        b->least_rtt = rs->rtt;
        b->least_at = now;
    }
    if (expired && b->state != PROBE_RTT) {
        b->state = PROBE_RTT;
        b->gain = b->window_gain = 1;
        b->prior = (uint32_t)f->window;
        b->done_at = 0;
    }
    if (b->state != PROBE_RTT)
        return;
    f->limited_until = f->delivered + f->inflight;
    if (b->done_at == 0 && f->inflight <= BBR_LEAST) {
        b->done_at = now + RTT_TIME;
        b->rtt_round = false;
        b->round_delivered = f->delivered;
    } else if (b->done_at != 0) {
        b->rtt_round |= start;
        if (b->rtt_round && now > b->done_at) {
            b->least_at = now;
            f->window = fmax(f->window, b->prior);
            b->state = b->is_full ? PROBE_BW : STARTUP;
            b->gain = b->window_gain = HIGH_GAIN;
            if (b->is_full)
                bbr_phase(f, 2, now);
        }
    }
}

/* bbr_aggregation - how much more than the bandwidth ACKs brought at once. */
static double bbr_aggregation(struct flow *f, const struct rate_sample *rs, bool start, nanos now)
{
    struct bbr *b = &f->bbr;
    double bandwidth = bbr_bandwidth(f) / PAYLOAD;
    if (start && ++b->extra_rounds >= 5) {
        b->extra_rounds = 0;
        b->extra[1] = b->extra[0];
        b->extra[0] = 0;
    }
    double expected = bandwidth * (double)(now - b->epoch_at) / 1e9;
    if ((double)b->epoch_acked <= expected || b->epoch_at == 0) {
        b->epoch_acked = 0;
        b->epoch_at = now;
        expected = 0;
    }
    b->epoch_acked += rs->acked;
    double extra = fmin((double)b->epoch_acked - expected, f->window);
    b->extra[0] = fmax(b->extra[0], extra);
    return b->is_full ? fmin(fmax(b->extra[0], b->extra[1]), bandwidth / 10) : 0;
}

static void bbr_window(struct flow *f, const struct rate_sample *rs, double extra)
{
    struct bbr *b = &f->bbr;
    double burst = f->pace / 1000 / PAYLOAD, target = bbr_bdp(f, b->window_gain);
    burst = burst < 2 ? 2 : fmin(burst, 44);
    target += 3 * burst + extra;
    if (rs->lost > 0)
        f->window = fmax(f->window - rs->lost, 1);
    if (b->conserve)
        f->window = fmax(f->window, f->inflight + rs->acked);
    else if (b->is_full)
        f->window = fmin(f->window + rs->acked, target);
    else if (f->window < target || f->delivered < FIRST_WINDOW)
        f->window += rs->acked;
    f->window = fmax(f->window, BBR_LEAST);
    if (b->state == PROBE_RTT)
        f->window = fmin(f->window, BBR_LEAST);
}

static void bbr_acked(struct flow *f, const struct rate_sample *rs, nanos now)
{
    struct bbr *b = &f->bbr;
    bool start;
    bbr_round(f, rs, &start);
    double extra = bbr_aggregation(f, rs, start, now);
    bbr_cycle(f, rs, now);
    if (start)
        bbr_full(b, bbr_bandwidth(f));
    bbr_states(f, now);
    bbr_rtt(f, rs, start, now);
    double pace = 0.99 * b->gain * bbr_bandwidth(f);
    if (pace > 0 && (b->is_full || pace > f->pace))
        f->pace = pace;
    bbr_window(f, rs, extra);
}

/* --- both --- */

void control_begin(struct flow *f)
{
    f->window = FIRST_WINDOW;
    f->threshold = 1e9;
    if (f->control != BBR)
        return;
    f->pace = HIGH_GAIN * FIRST_WINDOW * PAYLOAD * 1000; /* of a round-trip time of 1 ms */
    f->bbr = (struct bbr){.gain = HIGH_GAIN, .window_gain = HIGH_GAIN};
}

void control_lost(struct flow *f, nanos now)
{
    (void)now;
    if (f->control == CUBIC) {
        cubic_lost(f);
        return;
    }
    f->bbr.prior = (uint32_t)f->window;
    f->bbr.conserve = true;
    f->bbr.round_delivered = f->delivered;
    f->window = f->inflight + 1;
}

void control_acked(struct flow *f, const struct rate_sample *rs, nanos now)
{
    if (f->control == CUBIC)
        cubic_acked(f, rs, now);
    else
        bbr_acked(f, rs, now);
}

void control_recovered(struct flow *f)
{
    if (f->control == CUBIC) {
        f->window = f->threshold;
        return;
    }
    f->bbr.conserve = false;
    f->window = fmax(f->window, f->bbr.prior);
}

void control_timeout(struct flow *f, nanos now)
{
    (void)now;
    f->window = f->control == CUBIC ? 1 : f->inflight + 1;
}
