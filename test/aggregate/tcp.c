/* SPDX-License-Identifier: Apache-2.0 */
#include "aggregate/model.h"

#include <string.h>

#include "base/assert.h"

#define NONE       UINT32_MAX
#define BURST_MAX  44 /* segments of a GSO frame */
#define DELACK_NS  MS(40)
#define RTO_MIN_NS MS(200)
#define PERIOD_NS  (10 * NANOS_PER_SEC) /* a least round-trip time is forgotten after one to two */
#define CALL_NS    MS(20)
#define SCAN       16 /* segments around one that is told of with it */

static struct segment *at(struct flow *f, uint32_t n)
{
    return &f->segments[n % SEGMENTS];
}

/* --- the list of outstanding segments, by the time they were sent --- */

static void list_add(struct flow *f, uint32_t n)
{
    struct segment *s = at(f, n);
    s->before = f->newest;
    s->after = NONE;
    if (f->newest == NONE)
        f->oldest = n;
    else
        at(f, f->newest)->after = n;
    f->newest = n;
    s->outstanding = true;
    f->inflight++;
}

static void list_remove(struct flow *f, uint32_t n)
{
    struct segment *s = at(f, n);
    if (s->before == NONE)
        f->oldest = s->after;
    else
        at(f, s->before)->after = s->after;
    if (s->after == NONE)
        f->newest = s->before;
    else
        at(f, s->after)->before = s->before;
    s->outstanding = false;
    f->inflight--;
}

/* --- sending --- */

static struct parcel segment_send(struct flow *f, uint32_t n, bool again, nanos now)
{
    struct segment *s = at(f, n);
    if (!again)
        *s = (struct segment){0};
    if (f->inflight == 0)
        f->first_sent = f->delivered_at = now;
    s->sent = now;
    s->first_sent = f->first_sent;
    s->delivered_at = f->delivered_at;
    s->delivered = f->delivered;
    s->limited = f->limited_until != 0;
    s->again |= again;
    list_add(f, n);
    if (again) {
        f->retransmits++;
        f->undo++;
        f->undo_at = f->undo_at == 0 ? now : f->undo_at;
    }
    f->prr_out++;
    return (struct parcel){.flow = f->index, .segment = n, .sent = now, .again = again};
}

/* lost_next - the first segment that is lost; NONE. */
static uint32_t lost_next(struct flow *f)
{
    if (f->lost_from < f->una)
        f->lost_from = f->una;
    for (; f->n_lost > 0 && f->lost_from < f->next; f->lost_from++) {
        struct segment *s = at(f, f->lost_from);
        if (s->lost && !s->sacked) {
            s->lost = false;
            f->n_lost--;
            return f->lost_from++;
        }
    }
    return NONE;
}

/* burst_of - what one frame carries: a millisecond of the pace, at least two. */
static unsigned burst_of(const struct flow *f)
{
    double octets = f->pace / 1000;
    if (f->control == CUBIC && f->srtt > 0)
        octets = 1.2e6 * f->window * PAYLOAD / (double)f->srtt;
    double n = octets / PAYLOAD;
    return n < 2 ? 2 : n > BURST_MAX ? BURST_MAX : (unsigned)n;
}

static void call_send(struct world *w, struct flow *f)
{
    struct parcel p = {.flow = f->index, .segment = f->next++, .sent = w->now};
    end_send(w, true, &p, 1);
}

static void datagrams_send(struct world *w, struct flow *f)
{
    for (; f->pace_at <= w->now; f->pace_at += (nanos)(PAYLOAD * 1e9 / f->pace)) {
        struct parcel p = {.flow = f->index, .segment = f->next++, .sent = w->now};
        end_send(w, true, &p, 1);
    }
}

static unsigned allowance(const struct flow *f, unsigned burst)
{
    double left = f->window - f->inflight;
    if (left < 1)
        return 0;
    double least = f->window / 3 < burst ? f->window / 3 : burst;
    if (f->n_lost == 0 && f->inflight > 0 && !f->recovering && left < least)
        return 0; /* a larger frame is worth to wait for */
    return left < burst ? (unsigned)left : burst;
}

void flow_send(struct world *w, struct flow *f)
{
    struct parcel parcels[BURST_MAX];
    if (f->call || f->control == UDP)
        return;
    f->paced = false;
    while (f->control != BBR || f->pace_at <= w->now) {
        unsigned n = 0, burst = burst_of(f), most = allowance(f, burst);
        for (uint32_t lost; n < most && (lost = lost_next(f)) != NONE;)
            parcels[n++] = segment_send(f, lost, true, w->now);
        for (; n < most && f->next - f->una < WINDOW; n++)
            parcels[n] = segment_send(f, f->next++, false, w->now);
        if (n == 0)
            return;
        if (f->rto_at == NANOS_NEVER)
            f->rto_at = w->now + f->srtt + RTO_MIN_NS + 4 * f->rttvar;
        if (f->control == BBR)
            f->pace_at = w->now + (nanos)(n * PAYLOAD * 1e9 / f->pace);
        end_send(w, true, parcels, n);
    }
    f->paced = true;
}

/* --- what is acknowledged --- */

nanos flow_least_rtt(const struct flow *f)
{
    return f->least_rtt[1] != 0 && f->least_rtt[1] < f->least_rtt[0] ? f->least_rtt[1]
                                                                     : f->least_rtt[0];
}

static void rtt_learn(struct flow *f, nanos rtt, nanos now)
{
    nanos off = rtt - f->srtt;
    if (now - f->least_period > PERIOD_NS) {
        f->least_period = now;
        f->least_rtt[1] = f->least_rtt[0];
        f->least_rtt[0] = rtt;
    }
    if (f->least_rtt[0] == 0 || rtt < f->least_rtt[0])
        f->least_rtt[0] = rtt;
    if (f->srtt == 0) {
        f->srtt = rtt;
        f->rttvar = rtt / 2;
        return;
    }
    f->srtt += off / 8;
    f->rttvar += ((off < 0 ? -off : off) - f->rttvar) / 4;
}

static bool sent_after(nanos a, uint32_t a_number, nanos b, uint32_t b_number)
{
    return a != b ? a > b : esp_order_ahead(a_number, b_number) > 0;
}

static void segment_done(struct flow *f, uint32_t n, struct rate_sample *rs, nanos now)
{
    struct segment *s = at(f, n);
    if (s->outstanding)
        list_remove(f, n);
    if (s->lost)
        f->n_lost--;
    s->lost = false;
    s->sacked = true;
    f->delivered++;
    rs->acked++;
    if (!s->again && n < f->fack)
        f->reordered = true;
    f->fack = n + 1 > f->fack ? n + 1 : f->fack;
    if (!s->again || now - s->sent >= flow_least_rtt(f)) {
        if (sent_after(s->sent, n, f->rack_sent, f->rack_segment)) {
            f->rack_sent = s->sent;
            f->rack_segment = n;
            f->rack_rtt = now - s->sent;
        }
        if (!s->again)
            rs->rtt = rs->rtt == 0 || now - s->sent < rs->rtt ? now - s->sent : rs->rtt;
    }
    if (rs->took == 0 || s->delivered >= rs->prior_delivered) {
        rs->prior_delivered = s->delivered;
        nanos send = s->sent - s->first_sent, ack = now - s->delivered_at;
        rs->took = send > ack ? send : ack;
        rs->took = rs->took > 0 ? rs->took : 1;
        rs->limited = s->limited;
        f->first_sent = s->sent;
    }
}

static nanos reorder_window(const struct flow *f)
{
    if (!f->reordered && (f->recovering || f->n_sacked >= 3))
        return 0;
    return nanos_min(flow_least_rtt(f) / 4 * (f->reorder_steps + 1), f->srtt);
}

/* losses_find - RFC 8985 section 6.2, step 5. */
static uint32_t losses_find(struct flow *f, nanos now)
{
    nanos window = reorder_window(f);
    uint32_t found = 0;
    f->reorder_at = NANOS_NEVER;
    for (uint32_t n = f->oldest, next; n != NONE; n = next) {
        struct segment *s = at(f, n);
        next = s->after;
        if (!sent_after(f->rack_sent, f->rack_segment, s->sent, n))
            break;
        nanos due = s->sent + f->rack_rtt + window;
        if (due > now) {
            f->reorder_at = due;
            break;
        }
        list_remove(f, n);
        s->lost = true;
        f->n_lost++;
        f->lost_from = n < f->lost_from ? n : f->lost_from;
        found++;
    }
    return found;
}

static void recovery_begin(struct flow *f, nanos now)
{
    f->recovering = true;
    f->high = f->next;
    f->undoable = true;
    f->undo = 0;
    f->undo_at = 0;
    f->undo_window = f->window;
    f->undo_threshold = f->threshold;
    f->prr_delivered = f->prr_out = 0;
    f->prr_flight = f->next - f->una;
    control_lost(f, now);
}

/* undo - the losses were none: RFC 3708 (DSACK) and RFC 3522 (timestamps). */
static void undo(struct flow *f)
{
    f->undoable = false;
    f->recovering = f->timed_out = false;
    f->spurious++;
    f->window = f->undo_window > f->window ? f->undo_window : f->window;
    f->threshold = f->undo_threshold > f->threshold ? f->undo_threshold : f->threshold;
}

static void undo_look(struct flow *f, const struct parcel *p, bool advanced)
{
    if (p->duplicate && f->delivered >= f->steps_at) {
        f->reorder_steps++;
        f->steps_at = f->delivered + f->inflight;
    }
    if (p->duplicate && f->undo > 0)
        f->undo--;
    bool needless = p->duplicate && f->undo == 0 && f->undo_at != 0;
    bool early = advanced && f->undo_at != 0 && !p->again && p->sent < f->undo_at - MS(1);
    if (f->undoable && (needless || (early && f->recovering)))
        undo(f);
}

static void ack_take(struct world *w, struct flow *f, const struct parcel *p)
{
    struct rate_sample rs = {.inflight_before = f->inflight};
    bool advanced = p->segment > f->una;
    for (uint32_t n = f->una; n < p->segment; n++) {
        struct segment *s = at(f, n);
        if (!s->sacked)
            segment_done(f, n, &rs, w->now);
        else if (f->n_sacked > 0)
            f->n_sacked--;
    }
    f->una = p->segment > f->una ? p->segment : f->una;
    for (unsigned i = 0; i < p->n; i++)
        for (uint32_t n = p->ranges[i].first > f->una ? p->ranges[i].first : f->una;
             n < p->ranges[i].end; n++)
            if (!at(f, n)->sacked) {
                segment_done(f, n, &rs, w->now);
                f->n_sacked++;
            }
    if (rs.acked > 0)
        f->delivered_at = w->now;
    if (f->delivered > f->limited_until)
        f->limited_until = 0;
    rs.delivered = f->delivered - rs.prior_delivered;
    if (rs.rtt > 0)
        rtt_learn(f, rs.rtt, w->now);
    undo_look(f, p, advanced);
    if (f->recovering && f->una >= f->high) {
        f->recovering = f->timed_out = false;
        control_recovered(f);
    }
    rs.lost = losses_find(f, w->now);
    f->prr_delivered += rs.acked;
    if (rs.lost > 0 && !f->recovering)
        recovery_begin(f, w->now);
    if (advanced)
        f->backoff = 0;
    if (rs.acked > 0) {
        f->rto_at =
            f->una == f->next
                ? NANOS_NEVER
                : w->now + f->srtt + (4 * f->rttvar > RTO_MIN_NS ? 4 * f->rttvar : RTO_MIN_NS);
        control_acked(f, &rs, w->now);
    }
    flow_send(w, f);
}

static void timeout(struct flow *f, nanos now)
{
    f->timeouts++;
    while (f->oldest != NONE) {
        uint32_t n = f->oldest;
        list_remove(f, n);
        at(f, n)->lost = true;
        f->n_lost++;
    }
    f->lost_from = f->una;
    f->backoff++;
    f->rto_at = now + (f->srtt + RTO_MIN_NS) * (1 << (f->backoff < 6 ? f->backoff : 6));
    if (!f->recovering)
        recovery_begin(f, now);
    f->high = f->next;
    f->timed_out = true;
    f->undo_at = 0;
    f->undo = 0;
    control_timeout(f, now);
}

/* --- receiving --- */

static void ack_send(struct world *w, struct flow *f)
{
    f->ack.flow = f->index;
    f->ack.ack = true;
    f->ack.segment = f->expected;
    f->unacked = 0;
    f->ack_at = NANOS_NEVER;
    struct parcel p = f->ack;
    f->ack.duplicate = false;
    end_send(w, false, &p, 1);
}

/* range_note - what is told of a segment that is early, newest first. */
static void range_note(struct flow *f, uint32_t n)
{
    struct range r = {n, n + 1};
    while (r.first > f->expected && n - r.first < SCAN && f->got[(r.first - 1) % SEGMENTS])
        r.first--;
    while (r.end < f->top && r.end - n < SCAN && f->got[r.end % SEGMENTS])
        r.end++;
    memmove(&f->ack.ranges[1], &f->ack.ranges[0], sizeof(r) * (RANGES - 1));
    f->ack.ranges[0] = r;
    if (f->ack.n < RANGES)
        f->ack.n++;
}

static void came(struct world *w, struct flow *f)
{
    if (f->came_at != 0 && w->now - f->came_at > f->longest_gap)
        f->longest_gap = w->now - f->came_at;
    f->came_at = w->now;
}

static void datagram_take(struct world *w, struct flow *f, const struct parcel *p)
{
    f->octets += PAYLOAD;
    if (f->delays != NULL)
        f->delays[f->n_delays++] = w->now - p->sent;
    came(w, f);
}

static void segment_take(struct world *w, struct flow *f, const struct parcel *p)
{
    uint32_t n = p->segment;
    ASSERT(n < f->next); /* nothing is invented */
    f->disorder += n < f->top;
    if (n < f->expected || f->got[n % SEGMENTS]) {
        f->ack.duplicate = true;
        ack_send(w, f);
        return;
    }
    came(w, f);
    bool hole = f->top > f->expected;
    f->got[n % SEGMENTS] = true;
    f->top = n + 1 > f->top ? n + 1 : f->top;
    if (n == f->expected) {
        f->ack.sent = p->sent;
        f->ack.again = p->again;
    }
    for (; f->got[f->expected % SEGMENTS]; f->expected++) {
        f->got[f->expected % SEGMENTS] = false;
        f->octets += PAYLOAD;
    }
    if (n >= f->expected)
        range_note(f, n);
    f->unacked++;
    if (hole || n >= f->expected || f->unacked >= 2)
        ack_send(w, f);
    else if (f->ack_at == NANOS_NEVER)
        f->ack_at = w->now + DELACK_NS;
}

void flow_take(struct world *w, const struct parcel *p)
{
    struct flow *f = &w->flows[p->flow];
    if (f->call || f->control == UDP)
        datagram_take(w, f, p);
    else if (p->ack)
        ack_take(w, f, p);
    else
        segment_take(w, f, p);
}

/* --- time --- */

nanos flow_deadline(const struct flow *f)
{
    if (!f->active)
        return f->starts;
    nanos due = nanos_min(nanos_min(f->rto_at, f->reorder_at), f->ack_at);
    if (f->call || f->control == UDP)
        return f->pace_at;
    return f->paced ? nanos_min(due, f->pace_at) : due;
}

static void reorder_tick(struct world *w, struct flow *f)
{
    uint32_t lost = losses_find(f, w->now);
    if (lost > 0 && !f->recovering)
        recovery_begin(f, w->now);
}

void flow_tick(struct world *w, struct flow *f)
{
    f->active = true;
    if (f->call) {
        f->pace_at += CALL_NS;
        call_send(w, f);
        return;
    }
    if (f->control == UDP) {
        datagrams_send(w, f);
        return;
    }
    if (f->ack_at <= w->now)
        ack_send(w, f);
    if (f->reorder_at <= w->now)
        reorder_tick(w, f);
    if (f->rto_at <= w->now)
        timeout(f, w->now);
    flow_send(w, f);
}
