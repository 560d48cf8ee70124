/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAB_LINK_MODEL_H
#define LAB_LINK_MODEL_H

/*
 * One direction of an emulated link: when a packet that it takes is due at the other side, and when
 * its queue is full. lab/link_emulator.c applies it to frames, test/aggregate to virtual time.
 */

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define LINK_BACKLOG_NS 200000000ull /* what a rate-limited link without a limit buffers at most */

struct link_settings {
    uint64_t delay_ns, loss_ppm, rate_kbps; /* rate 0: unlimited */
    uint64_t jitter_ns;                     /* standard deviation of a normal distribution */
    unsigned limit;                         /* packets in flight; 0: LINK_BACKLOG_NS */
    bool cut, overtakes;
};

struct link_state {
    uint64_t free_ns; /* when the link has sent what it already took */
    uint64_t last_ns; /* when the last packet is due */
    unsigned n;       /* packets in flight; the caller counts them */
};

static inline bool link_full(const struct link_state *l, const struct link_settings *s,
                             uint64_t now)
{
    if (s->limit != 0)
        return l->n >= s->limit;
    return s->rate_kbps != 0 && l->free_ns > now + LINK_BACKLOG_NS;
}

/* link_delay_ns - the delay of one packet (Box and Muller) from two random numbers of [0, 1); never
 * negative. */
static inline uint64_t link_delay_ns(const struct link_settings *s, double u, double v)
{
    double off = sqrt(-2 * log(1 - u)) * cos(2 * 3.14159265358979323846 * v);
    double delay = (double)s->delay_ns + off * (double)s->jitter_ns;
    return delay > 0 ? (uint64_t)delay : 0;
}

/* link_due_ns - when a packet of `octets` that comes now is passed on. Without overtaking, each
 * packet is due a packet time behind the last one, as with netem's `rate`. */
static inline uint64_t link_due_ns(struct link_state *l, const struct link_settings *s,
                                   uint64_t octets, uint64_t now, uint64_t delay_ns)
{
    uint64_t takes = s->rate_kbps != 0 ? octets * 8 * 1000000 / s->rate_kbps : 0;
    uint64_t due = now + delay_ns;
    l->free_ns = (l->free_ns > now ? l->free_ns : now) + takes;
    if (s->overtakes || s->jitter_ns == 0)
        due = l->free_ns + delay_ns;
    else
        due = (due > l->last_ns ? due : l->last_ns) + takes;
    l->last_ns = due > l->last_ns ? due : l->last_ns;
    return due;
}

#endif
