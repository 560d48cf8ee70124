/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PATH_SCHEDULER_H
#define ESP_PATH_SCHEDULER_H

/*
 * Chooses the path of each packet: the one on which it should arrive first. A model of each path
 * predicts this from three times: until the path has sent the packets that it took, to send the
 * packet itself at the path's rate, and the path's delay. Reports of the receiver correct the
 * model. So a slow path is used only once the queue of the fast one is longer than the difference
 * of their delays, and it gets as much as its rate allows.
 *
 * Delays are differences between two clocks, so they can be compared between paths of one peer
 * only.
 */

#include "esp/path_report.h"
#include "esp/resend_ring.h"

#define SCHEDULER_PATHS  RESEND_PATHS
#define SCHEDULER_PACKET 1400 /* octets of a usual packet */

struct path_model {
    uint32_t key; /* the caller's number; 0: unused */
    uint32_t spi; /* of the newest packet sent on it */
    bool measured, stalled;
    uint64_t rate;   /* octets of inner packets a second */
    uint16_t base;   /* least delay, ticks */
    nanos queue;     /* measured by the last report */
    nanos deviation; /* variation of the queue from report to report, smoothed */
    nanos standing;  /* the least queue of the last STANDING_NS to 2 * STANDING_NS */
    nanos least[2];  /* of this period and the one before */
    nanos least_at;  /* when this period began */
    nanos smooth;    /* the queue, smoothed */
    nanos floor;     /* delay that remains on an idle path: the mean jitter */
    nanos low[2];    /* the least `smooth` of this period and the one before */
    nanos low_at;    /* when this period began */
    bool settled;    /* `floor` is of a whole period */
    nanos free_at;   /* when it has sent the packets that it took */
    nanos rtt;       /* smoothed; 0: unknown */
    uint32_t loss;   /* smoothed, packets of a million */
    uint32_t total;  /* octets sent, modulo 2^32 */
    uint32_t newest; /* the highest sequence number sent, lower half */
    nanos sent_at, probed_at;
    /* packets about which reports are expected */
    bool outstanding;
    uint32_t wanted;   /* the newest of them */
    nanos waits_since; /* for news of them */
    bool tailed;       /* the last of them were sent again */
    /* the last report */
    bool reported;
    uint32_t highest, octets;
    uint32_t came;                       /* octets of it */
    uint64_t delivered;                  /* octets, of all reports */
    uint32_t loss_highest, loss_packets; /* where the last sample of losses ended */
    uint32_t loss_samples;               /* at most 8 */
    nanos loss_at;                       /* when `loss` changed */
    uint16_t time;                       /* time of the report that gave the last rate */
    nanos rate_at;
    uint64_t most[2]; /* samples of the rate: of this period and the one before */
    nanos most_at;    /* when this period began */
    bool guessed;     /* the rate is not measured yet */
    bool proven;      /* the path was busy for a whole period: this is its limit */
    bool slack;       /* the path was idle for a part of this period */
    bool unasked;     /* no packet waited for the path during a part of this period */
    bool asked;       /* a packet has waited for the path since the last sample */
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

/* path_scheduler_path - the model with this key; the model that was idle longest makes room. */
unsigned path_scheduler_path(struct path_scheduler *scheduler, uint32_t key);

/* path_scheduler_pick - chooses among the paths in the bit set `usable`, which is not empty. */
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
/* path_scheduler_second - a path for the copy of a packet that took `first`: one that carries, or
 * was not measured yet; `first` if there is no other. */
unsigned path_scheduler_second(const struct path_scheduler *scheduler, unsigned usable,
                               unsigned first);
/* path_scheduler_other - another usable path, in turn; `not` if there is no other. */
unsigned path_scheduler_other(const struct path_scheduler *scheduler, unsigned usable,
                              unsigned not );

/* path_scheduler_drop - every path had a queue for too long: drop the next packet. */
bool path_scheduler_drop(struct path_scheduler *scheduler, unsigned usable, nanos now);

/* path_scheduler_sent - `len` 0: a dummy packet. `wanted`: the receiver will report on it. */
void path_scheduler_sent(struct path_scheduler *scheduler, unsigned path,
                         const struct resend_entry *entry, size_t len, bool wanted);

/* path_scheduler_report - `newest`: the packet with the highest number that came; NULL: unknown. */
void path_scheduler_report(struct path_scheduler *scheduler, unsigned path,
                           const struct path_report_entry *entry, uint16_t time,
                           const struct resend_entry *newest, nanos now);

/* path_scheduler_probe - the path that a dummy packet should test now; -1: none. */
int path_scheduler_probe(struct path_scheduler *scheduler, unsigned usable, nanos now);

/* path_scheduler_tail - a path whose newest packets should have been reported by now; -1: none. The
 * path need not be silent: no later packets show whether they were lost. */
int path_scheduler_tail(struct path_scheduler *scheduler, nanos now);

/* path_scheduler_stall - a path that has just stopped answering; its outstanding packets should be
 * resent. -1: none. */
int path_scheduler_stall(struct path_scheduler *scheduler, nanos now);
nanos path_scheduler_deadline(const struct path_scheduler *scheduler); /* of the next of both */

#endif
