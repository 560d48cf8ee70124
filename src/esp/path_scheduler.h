/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PATH_SCHEDULER_H
#define ESP_PATH_SCHEDULER_H

/*
 * Chooses the path of each packet: the one on which it is expected to arrive first. A model of each
 * path tells when: the moment at which the path has sent what it already took, the time that the
 * packet itself takes at the path's rate, and the path's delay. Reports of the receiver correct the
 * model. So a slow path takes part only once the queue of the fast one is longer than the
 * difference of their delays, and takes what its rate allows.
 *
 * Delays are differences between two clocks: only comparing the paths of one peer means something.
 */

#include "esp/path_report.h"
#include "esp/resend_ring.h"

#define SCHEDULER_PATHS  RESEND_PATHS
#define SCHEDULER_PACKET 1400 /* octets of a usual packet */

struct path_model {
    uint32_t key; /* of the caller; 0: unused */
    uint32_t spi; /* of the newest packet sent on it */
    bool measured, stalled;
    uint64_t rate;   /* octets of inner packets a second */
    uint16_t base;   /* least delay, ticks */
    nanos queue;     /* measured by the last report */
    nanos deviation; /* how much the queue differs from report to report, smoothed */
    nanos standing;  /* the least queue of the last STANDING_NS to twice that */
    nanos least[2];  /* of this period and the one before */
    nanos least_at;  /* when this period began */
    nanos smooth;    /* the queue, smoothed */
    nanos floor;     /* what is left of it on an idle path: the mean of jitter */
    nanos low[2];    /* the least `smooth` of this period and the one before */
    nanos low_at;    /* when this period began */
    nanos free_at;   /* when it has sent what it took */
    nanos rtt;       /* smoothed; 0: unknown */
    uint32_t loss;   /* smoothed, packets of a million */
    uint32_t total;  /* octets sent, modulo 2^32 */
    uint32_t newest; /* the highest sequence number sent, lower half */
    nanos sent_at, probed_at;
    /* packets that reports are expected about */
    bool outstanding;
    uint32_t wanted;   /* the newest of them */
    nanos waits_since; /* for news of them */
    bool tailed;       /* the last of them were sent once more */
    /* the last report */
    bool reported;
    uint32_t highest, octets;
    uint32_t loss_highest, loss_packets; /* where the last sample of losses ended */
    uint32_t loss_samples;               /* at most 8 */
    nanos loss_at;                       /* when `loss` changed */
    uint16_t time;                       /* time of the report that gave the last rate */
    nanos rate_at;
    uint64_t most[2]; /* samples of the rate: of this period and the one before */
    nanos most_at;    /* when this period began */
    bool guessed;     /* the rate was not measured yet */
    bool proven;      /* the path was busy for a period: it cannot do more */
    bool slack;       /* in this period the path was not always busy */
};

struct path_scheduler {
    struct path_model paths[SCHEDULER_PATHS];
    unsigned current;
    nanos credit_at; /* when a path may take the packet that path_scheduler_take refused */
    /* controlled delay, RFC 8289 */
    nanos above_since, drop_at;
    uint32_t drops;
};

/* path_model_crowded - the queue is so long that it causes the losses. */
bool path_model_crowded(const struct path_model *model);

/* path_scheduler_path - the model under this key; the one that was idle longest makes room. */
unsigned path_scheduler_path(struct path_scheduler *scheduler, uint32_t key);

/* path_scheduler_pick - among the paths in the bit set `usable`, which is not empty. */
unsigned path_scheduler_pick(struct path_scheduler *scheduler, unsigned usable, size_t len,
                             nanos now);
/* path_scheduler_take - the same, paced: negative, if the packet has to wait for a path. `waiting`:
 * octets that wait behind it, since `waiting_since` (0: none did). */
struct scheduler_backlog {
    size_t waiting;
    nanos waiting_since;
};
int path_scheduler_take(struct path_scheduler *scheduler, unsigned usable, size_t len,
                        const struct scheduler_backlog *backlog, nanos now);
/* path_scheduler_rate - octets a second that the paths carry. 0: one of them was not measured under
 * load yet, so nothing waits for it. */
uint64_t path_scheduler_rate(const struct path_scheduler *scheduler, unsigned usable);

/* path_scheduler_fastest - for a packet that should arrive as soon as possible. */
unsigned path_scheduler_fastest(const struct path_scheduler *scheduler, unsigned usable, nanos now);
/* path_scheduler_other - another path that carries, in turn; `not` where there is none. */
unsigned path_scheduler_other(const struct path_scheduler *scheduler, unsigned usable,
                              unsigned not );

/* path_scheduler_drop - every path has a queue for too long: the next packet is to be dropped. */
bool path_scheduler_drop(struct path_scheduler *scheduler, unsigned usable, nanos now);

/* path_scheduler_sent - `len` 0: a dummy packet. `wanted`: the receiver reports on it. */
void path_scheduler_sent(struct path_scheduler *scheduler, unsigned path,
                         const struct resend_entry *entry, size_t len, bool wanted);

/* path_scheduler_report - `newest`: the packet with the highest number that came; NULL: unknown. */
void path_scheduler_report(struct path_scheduler *scheduler, unsigned path,
                           const struct path_report_entry *entry, uint16_t time,
                           const struct resend_entry *newest, nanos now);

/* path_scheduler_probe - a path that a dummy packet should test now; -1: none. */
int path_scheduler_probe(struct path_scheduler *scheduler, unsigned usable, nanos now);

/* path_scheduler_tail - a path whose newest packets should have been reported by now, though it need
 * not be silent: nothing behind them shows whether they were lost; -1: none. */
int path_scheduler_tail(struct path_scheduler *scheduler, nanos now);

/* path_scheduler_stall - a path has just stopped to answer: what is outstanding on it is to be sent
 * again; -1: none. */
int path_scheduler_stall(struct path_scheduler *scheduler, nanos now);
nanos path_scheduler_deadline(const struct path_scheduler *scheduler); /* of the next of both */

#endif
