/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_AGGREGATE_H
#define ESP_AGGREGATE_H

/*
 * A session whose flows use all its paths at once: both directions of the order space, without I/O.
 * The caller serialises the calls (plane/esp_space.h).
 *
 *   out:  choose a path, stamp the packet, seal it, report the sent packet to this module
 *   in:   report the received packet to this module, put it into the order buffer
 *   then: esp_aggregate_next() returns the reports and repeated packets to send
 *
 * A peer that lies in trailers or reports disturbs its own session only.
 */

#include "esp/esp.h"
#include "esp/flow_queue.h"
#include "esp/order_buffer.h"
#include "esp/path_meter.h"
#include "esp/path_scheduler.h"
#include "esp/spread_choice.h"

/* buckets of flows that we send; two flows in one bucket wait for each other */
#define AGGREGATE_BUCKETS 64
#define AGGREGATE_METERS  16
#define AGGREGATE_JOBS    32 /* ranges of lost packets that wait to be resent */

struct aggregate_counters {
    uint64_t sent; /* packets with a place in the order */
    /* lost packets that were resent, and that were not, for want of budget or memory */
    uint64_t repaired, abandoned;
    uint64_t reinjected; /* packets sent again when a path fell silent */
    uint64_t twins;      /* packets sent again on two paths */
    uint64_t copies;     /* packets sent on a second path from the start */
    uint64_t tails;      /* how often the last packets of a path were sent again */
    uint64_t dropped;    /* by controlled delay */
};

struct aggregate_job {
    unsigned path;
    uint32_t spi, first, count;
    bool stalled; /* the path fell silent: its packets are resent without regard to the budget */
    bool twice;   /* the packets are not lost, but are sent over another path as well */
};

/* struct aggregate_text - a packet that the session itself sends: a report, or a packet of a flow
 * again. */
struct aggregate_text {
    unsigned path;
    bool data;          /* has a trailer; otherwise a dummy packet */
    bool wanted;        /* the peer reports on it */
    struct span octets; /* valid until the next call */
    struct esp_order order;
};

struct esp_aggregate {
    struct path_scheduler scheduler;
    struct spread_choice choice;    /* with ESP_MODE_AUTO */
    enum esp_mode mode;             /* of the session, as its owner says */
    struct order_buffer *buffer;    /* owned */
    struct resend_ring *ring;       /* owned */
    struct flow_queue *queue;       /* owned */
    nanos waiting_since, waited_at; /* when packets began to wait, and the newest one did */
    unsigned waits_for;             /* bits of the paths that it may take */
    struct aggregate_counters counters;
    unsigned reports;                    /* reports written; each third takes another path */
    nanos sent_at, came_at, reported_at; /* 0: never */
    bool stranded;                       /* esp_aggregate_next had no usable path */
    bool answer;                         /* the peer waits for a report */
    bool gap;                            /* a packet is missing that no report has named yet */
    int64_t budget;
    bool twice;                 /* the packet that was placed last goes on a second path, too */
    struct aggregate_job again; /* of the packet that esp_aggregate_again returned last */
    nanos looked;               /* until then the peer has used its look-ups of lost packets */
    unsigned n_jobs;
    struct aggregate_job jobs[AGGREGATE_JOBS];
    struct path_meter meters[AGGREGATE_METERS];
    uint32_t numbers[AGGREGATE_BUCKETS];
    uint16_t since_reset[AGGREGATE_BUCKETS];
    uint8_t report[PATH_REPORT_MAX]; /* on its way out */
    struct aggregate_text twin;      /* is also sent on a second path; without octets: nothing is */
};

/* esp_aggregate_new - `seed`: where the numbers begin. NULL: no memory. */
struct esp_aggregate *esp_aggregate_new(uint32_t seed);
struct esp_aggregate *esp_aggregate_free(struct esp_aggregate *aggregate);

/* --- out --- */

/* esp_aggregate_urgent - a small packet on which a user or protocol waits: DNS, SYN, a bare ACK,
 * ICMP, voice by its DSCP. It takes the fastest path and no place in the order. */
bool esp_aggregate_urgent(const uint8_t *packet, const struct esp_inner *inner);

/* esp_aggregate_stamp - the trailer of the next packet of the flow. `hold` false: the packet has no
 * place in the order. */
void esp_aggregate_stamp(struct esp_aggregate *aggregate, uint64_t flow_hash, bool hold, nanos now,
                         struct esp_order *ret_order);

/* struct aggregate_sent - a packet that was sent. `packet` NULL: a dummy packet. `wanted`: the peer
 * reports on it. */
struct aggregate_sent {
    unsigned path;
    uint32_t spi;
    uint64_t sequence;
    struct esp_order order;
    const uint8_t *packet;
    size_t len;
    bool wanted;
};
void esp_aggregate_sent(struct esp_aggregate *aggregate, const struct aggregate_sent *sent,
                        nanos now);

/* struct aggregate_packet - a packet of a flow that asks for a path. */
struct aggregate_packet {
    uint64_t flow_hash;
    size_t len;
    bool urgent; /* esp_aggregate_urgent() */
    /* FAILOVER and BALANCE: it takes its path `home`. AUTO spreads whole flows until it is measured that their
     * packets should be spread; the flow's path is `home`, one of the usable ones. */
    enum esp_mode mode;
    unsigned home;
};
/* esp_aggregate_orders - packets of this mode take several paths, so they have a place in the order. */
static inline bool esp_aggregate_orders(enum esp_mode mode)
{
    switch (mode) {
    case ESP_MODE_FAILOVER:
    case ESP_MODE_BALANCE: return false;
    case ESP_MODE_AGGREGATE:
    case ESP_MODE_REDUNDANT:
    case ESP_MODE_AUTO: break;
    }
    return true;
}

/* esp_aggregate_place - the path among the bits `usable` (not empty), and the trailer. Negative:
 * the packet has to wait (AGGREGATE_WAIT), or controlled delay drops it (AGGREGATE_DROP). */
enum { AGGREGATE_DROP = -1, AGGREGATE_WAIT = -2 };
int esp_aggregate_place(struct esp_aggregate *aggregate, unsigned usable,
                        const struct aggregate_packet *packet, nanos now,
                        struct esp_order *ret_order);

/* esp_aggregate_wait - room for a packet that has to wait; the caller writes it there before the
 * next call. esp_aggregate_next returns it when a path can take it. */
uint8_t *esp_aggregate_wait(struct esp_aggregate *aggregate, unsigned usable,
                            const struct aggregate_packet *packet, nanos now);

/* esp_aggregate_next - the next packet that the session itself sends. false: none now. Call it
 * after each batch in either direction, and at the deadline. */
bool esp_aggregate_next(struct esp_aggregate *aggregate, unsigned usable, nanos now,
                        struct aggregate_text *ret_text);

/* esp_aggregate_again - the next packet to be resent unchanged, with this trailer; false: none. Its
 * octets are valid until the next call. */
bool esp_aggregate_again(struct esp_aggregate *aggregate, nanos now, struct span *ret_packet,
                         struct esp_order *ret_order);

/* esp_aggregate_gone - the path with this key is no longer usable. */
void esp_aggregate_gone(struct esp_aggregate *aggregate, unsigned path);

/* --- in --- */

/* esp_aggregate_came - authentic packets of the Child SA arrived; the newest has this number. */
struct aggregate_came {
    uint32_t spi;
    uint64_t sequence;
    const struct esp_order *order; /* NULL: a dummy packet */
    size_t len;
};
void esp_aggregate_came(struct esp_aggregate *aggregate, const struct aggregate_came *came,
                        nanos now);
/* esp_aggregate_judge - looks for missing packets; call it after each received batch. */
void esp_aggregate_judge(struct esp_aggregate *aggregate, uint32_t spi,
                         const struct replay_window *window, nanos now);

/* esp_aggregate_report_take - the text of a dummy packet that came on the Child SA `spi`. */
void esp_aggregate_report_take(struct esp_aggregate *aggregate, struct span text, uint32_t spi,
                               uint64_t sequence, nanos now);

/* --- reports and time --- */

/* esp_aggregate_report_due - writes a report to `out` (PATH_REPORT_MAX octets), and returns its
 * length; 0: no report is due. `probe`: writes a report in any case, and asks the peer for an
 * answer. */
size_t esp_aggregate_report_due(struct esp_aggregate *aggregate, bool probe, nanos now,
                                uint8_t *out);
/* esp_aggregate_report_path - the path for a report that is no probe: the fastest path. Every third
 * report takes another path, because the fastest path may be dead. */
unsigned esp_aggregate_report_path(const struct esp_aggregate *aggregate, unsigned usable,
                                   nanos now);

/* esp_aggregate_tick - looks for paths that fell silent. */
void esp_aggregate_tick(struct esp_aggregate *aggregate, nanos now);

/* esp_aggregate_deadline - when to call esp_aggregate_tick. esp_aggregate_idle - without packets
 * for so long that the state can be freed. */
nanos esp_aggregate_deadline(const struct esp_aggregate *aggregate);
bool esp_aggregate_idle(const struct esp_aggregate *aggregate, nanos now);

/* esp_aggregate_look - when the thread that keeps its time calls next. Another thread may bring
 * this forward. */
nanos esp_aggregate_look(const struct esp_aggregate *aggregate, nanos now);

#endif
