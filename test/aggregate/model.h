/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_AGGREGATE_MODEL_H
#define TEST_AGGREGATE_MODEL_H

/*
 * Two ends of one session on virtual time: emulated links between them (lab/link_model.h), flows of
 * TCP and UDP inside. The ends call esp/aggregate.h as the data plane does. One seed always makes
 * the same run.
 *
 *   model.c    the world: time, links, packets in the air
 *   ends.c     what the data plane does with a packet, on either side
 *   tcp.c      a TCP sender and receiver: SACK, RACK (RFC 8985), RTO, delayed ACKs, bursts
 *   control.c  its congestion control: CUBIC (RFC 9438), BBR version 1
 *   scene.c    links and flows that change while they run
 *   main.c     profiles and their bars
 */

#include "../../lab/link_model.h"
#include "esp/aggregate.h"

#define PATHS    3
#define FLOWS    17
#define SEGMENT  1400 /* octets of an inner packet */
#define PAYLOAD  1348 /* of it, octets of the flow */
#define OUTER    76   /* octets of Ethernet, IP, UDP and ESP around it */
#define WINDOW   4450 /* segments: a receive window of 6 MB */
#define SEGMENTS 8192 /* that a flow remembers; a power of two above WINDOW */
#define MS(n)    ((nanos)(n)*NANOS_PER_MS)
#define MBIT(x)  ((x)*8e-6) /* of octets a second */

enum control { CUBIC, BBR, UDP };

/* --- the contents of a flow's packet --- */

#define RANGES 4

struct range {
    uint32_t first, end;
};

/* struct parcel - it follows the headers of the inner packet, and is carried as its octets. */
struct parcel {
    uint16_t flow;
    bool ack, duplicate; /* `duplicate`: DSACK, RFC 2883 */
    bool again;          /* sent by a retransmission */
    uint8_t n;
    uint32_t segment; /* or what is acknowledged */
    struct range ranges[RANGES];
    nanos sent;
};

/* --- flows --- */

struct segment {
    nanos sent, first_sent, delivered_at;
    uint64_t delivered;
    uint32_t before, after; /* neighbours in the order of sending, among the outstanding ones */
    bool sacked, lost, outstanding, again, limited;
};

/* struct rate_sample - the sample of an ACK (draft-ietf-ccwg-bbr's delivery rate estimation). */
struct rate_sample {
    uint64_t delivered, prior_delivered;
    nanos took, rtt; /* rtt 0: unknown */
    uint32_t acked, lost, inflight_before;
    bool limited, round_start;
};

struct cubic {
    double most, origin, k;
    nanos since;
    /* HyStart */
    uint32_t round_end;
    nanos round_least, least_before;
    unsigned samples;
};

enum bbr_state { STARTUP, DRAIN, PROBE_BW, PROBE_RTT };

struct bbr {
    enum bbr_state state;
    double bandwidth[10], full; /* octets a second, by round */
    unsigned rounds, full_rounds, phase;
    bool is_full, conserve;
    bool fresh; /* a round began, and no sample came yet */
    uint64_t round_delivered, conserve_until;
    nanos least_rtt, least_at, phase_at, done_at;
    bool rtt_round;
    uint32_t prior;
    double gain, window_gain;
    /* ACK aggregation */
    nanos epoch_at;
    uint64_t epoch_acked;
    double extra[2];
    unsigned extra_rounds;
};

struct flow {
    uint16_t index;
    enum control control;
    bool active, call; /* `call`: 50 packets a second of 160 octets */
    nanos starts;
    /* sender */
    uint32_t next, una, inflight, high, lost_from, n_lost;
    uint32_t fack;           /* behind the highest one that is acknowledged in any way */
    uint32_t oldest, newest; /* ends of the list by time; UINT32_MAX: none */
    double window, threshold;
    double pace; /* octets a second; 0: not paced */
    bool paced;  /* it waits for `pace_at` */
    nanos pace_at, rto_at, reorder_at;
    bool recovering, reordered, timed_out;
    unsigned reorder_steps, backoff;
    uint32_t prr_delivered, prr_out, prr_flight; /* RFC 6937 */
    bool undoable;
    int64_t undo;  /* retransmissions not known to be needless */
    nanos undo_at; /* of the first one; 0: none */
    double undo_window, undo_threshold;
    uint32_t n_sacked;
    uint64_t steps_at; /* octets delivered when the reordering window may grow again */
    nanos srtt, rttvar, rack_sent, rack_rtt;
    uint32_t rack_segment;
    nanos least_rtt[2], least_period;
    uint64_t delivered, limited_until;
    nanos delivered_at, first_sent;
    struct segment segments[SEGMENTS];
    struct cubic cubic;
    struct bbr bbr;
    uint32_t retransmits, timeouts, spurious;
    /* receiver */
    uint32_t expected, top;
    bool got[SEGMENTS];
    unsigned unacked;
    nanos ack_at;
    struct parcel ack;
    uint64_t octets; /* in order, or of UDP: all */
    nanos came_at, longest_gap;
    uint32_t disorder;
    nanos *delays; /* of a call */
    unsigned n_delays;
};

/* --- world --- */

struct flight {
    nanos due;
    uint64_t serial;
    unsigned path;
    bool up;
    struct esp_order order;
    uint64_t sequence;
    size_t len, report_len; /* len 0: a dummy packet */
    struct parcel parcel;
    uint8_t report[PATH_REPORT_MAX];
    struct flight *next; /* of the unused ones */
};

struct link {
    struct link_settings set;
    struct link_state state;
};

struct end {
    struct esp_aggregate *aggregate;
    struct replay_window *windows[PATHS];
    uint64_t sequences[PATHS];
    nanos look_at;
};

struct world {
    nanos now;
    uint64_t random;
    unsigned usable;             /* bits of paths; one: no aggregate */
    struct link links[2][PATHS]; /* down, up */
    struct end ends[2];          /* receiver, sender */
    struct flight **heap, *unused;
    unsigned n;
    uint64_t serial;
    unsigned n_flows;
    struct flow *flows;      /* owned */
    uint64_t carried[PATHS]; /* octets passed to the links, upwards */
    bool trace;
    enum esp_mode mode; /* with ESP_MODE_AUTO flows take their paths in turn */
};

struct world *world_new(const struct link_settings *up, unsigned usable, uint64_t seed);
struct world *world_free(struct world *world);
struct flow *world_flow(struct world *world, enum control control, nanos starts);
void world_run(struct world *world, nanos until);
double world_share(struct world *world); /* a random number of [0, 1) */

/* link_carry - `f` is copied. */
void link_carry(struct world *world, const struct flight *f);

/* end_send - parcels of a flow, one burst. end_take - a packet came over a link. */
void end_send(struct world *world, bool up, const struct parcel *parcels, unsigned n);
void end_take(struct world *world, struct flight *f);
void end_look(struct world *world, bool up);

void flow_send(struct world *world, struct flow *flow);
void flow_take(struct world *world, const struct parcel *parcel);
void flow_tick(struct world *world, struct flow *flow);
nanos flow_deadline(const struct flow *flow);
nanos flow_least_rtt(const struct flow *flow);

void control_begin(struct flow *flow);
void control_acked(struct flow *flow, const struct rate_sample *sample, nanos now);
void control_lost(struct flow *flow, nanos now);
void control_timeout(struct flow *flow, nanos now);
void control_recovered(struct flow *flow);

#endif
