/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/path_meter.h"

/* a least delay is forgotten after one to two of these periods */
#define PERIOD_NS      (10 * NANOS_PER_SEC)
#define REORDER_MIN_NS (2 * NANOS_PER_MS)
#define REORDER_MAX_NS (40 * NANOS_PER_MS)

void path_meter_begin(struct path_meter *m, uint32_t spi, nanos now)
{
    *m = (struct path_meter){
        .spi = spi, .came = now, .period_at = now, .mark_at = now, .reorder = REORDER_MIN_NS};
}

void path_meter_take(struct path_meter *m, uint64_t sequence, uint32_t octets, nanos now)
{
    m->packets++;
    m->octets += octets;
    if (sequence <= m->judged && m->reorder < REORDER_MAX_NS)
        m->reorder += m->reorder / 4; /* the number was only late */
    if (m->top == 0)
        m->judged = m->mark_top = sequence;
    if (sequence > m->top) {
        m->top = sequence;
        m->came = now;
    }
}

static int16_t ticks_between(uint16_t a, uint16_t b)
{
    return (int16_t)(uint16_t)(a - b);
}

static uint16_t least_of(const struct path_meter *m)
{
    return ticks_between(m->least[1], m->least[0]) < 0 ? m->least[1] : m->least[0];
}

static void least_learn(struct path_meter *m, uint16_t delay, nanos now)
{
    if (!m->timed)
        m->least[0] = m->least[1] = delay;
    if (now - m->period_at > PERIOD_NS) {
        m->period_at = now;
        m->least[1] = m->least[0];
        m->least[0] = delay;
    }
    if (ticks_between(delay, m->least[0]) < 0)
        m->least[0] = delay;
}

void path_meter_time(struct path_meter *m, uint64_t sequence, uint16_t sent, nanos now)
{
    uint16_t delay = (uint16_t)(esp_order_time(now) - sent);
    least_learn(m, delay, now);
    m->timed = true;
    if (sequence >= m->top)
        m->delay_last = delay;
    nanos above = ticks_between(delay, least_of(m)) * ESP_ORDER_TICK, off = above - m->smooth;
    m->smooth += off / 8;
    m->deviation += ((off < 0 ? -off : off) - m->deviation) / 16;
}

static void gap_add(struct path_meter *m, uint64_t sequence)
{
    struct path_gap *last = &m->gaps[(m->n_gaps + PATH_METER_GAPS - 1) % PATH_METER_GAPS];
    m->missing++;
    if (m->n_gaps > 0 && (uint32_t)sequence == last->first + last->count &&
        last->count < UINT16_MAX) {
        last->count++;
        return;
    }
    m->gaps[m->n_gaps % PATH_METER_GAPS] = (struct path_gap){(uint32_t)sequence, 1};
    m->n_gaps++;
}

bool path_meter_judge(struct path_meter *m, const struct replay_window *window, nanos now)
{
    if (now - m->mark_at < m->reorder)
        return false;
    uint64_t edge = m->mark_top, before = m->missing;
    m->mark_top = m->top;
    m->mark_at = now;
    if (window->window == 0)
        return false;
    if (edge > m->judged && edge - m->judged > window->window)
        m->judged = edge - window->window;
    while (m->judged < edge) {
        m->judged++;
        if (m->top - m->judged < window->window && replay_window_check(window, m->judged))
            gap_add(m, m->judged);
    }
    return m->missing != before;
}

void path_meter_report(struct path_meter *m, struct path_report_entry *e, nanos now)
{
    nanos age = (now - m->came) / ESP_ORDER_TICK;
    *e = (struct path_report_entry){.spi = m->spi,
                                    .highest = (uint32_t)m->top,
                                    .packets = m->packets,
                                    .octets = m->octets,
                                    .delay_min = least_of(m),
                                    .delay_last = m->delay_last,
                                    .age = (uint16_t)nanos_min(age, UINT16_MAX)};
    unsigned kept = m->n_gaps < PATH_REPORT_GAPS ? m->n_gaps : PATH_REPORT_GAPS;
    for (unsigned i = 0; i < kept; i++)
        e->gaps[e->n_gaps++] = m->gaps[(m->n_gaps - 1 - i) % PATH_METER_GAPS];
    m->fresh = false;
}
