/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PATH_METER_H
#define ESP_PATH_METER_H

/*
 * The receiver's measurements of one inbound Child SA: delays from the send times in order
 * trailers, packets and octets received, and missing ESP sequence numbers. A number counts as
 * missing when later ones came a reordering window ago (as in RACK, RFC 8985). The window grows if
 * the path turns out to reorder.
 */

#include "esp/path_report.h"
#include "esp/replay_window.h"

#define PATH_METER_GAPS 16

struct path_meter {
    uint32_t spi; /* 0: unused */
    bool timed;   /* a packet with a send time came */
    bool fresh;   /* packets came since the last report */
    uint64_t top; /* the highest sequence number */
    nanos came;   /* when it came */
    uint32_t packets, octets;
    uint16_t delay_last;
    uint16_t least[2]; /* least delays of this period and the one before */
    nanos period_at;
    nanos smooth, deviation; /* of the delay, relative to the least one */
    /* missing numbers */
    uint64_t judged;   /* numbers up to here are known to have come or to be missing */
    uint64_t mark_top; /* the highest number at `mark_at` */
    nanos mark_at, reorder;
    uint64_t missing;
    unsigned n_gaps; /* reported so far; the newest is gaps[(n_gaps - 1) % PATH_METER_GAPS] */
    struct path_gap gaps[PATH_METER_GAPS];
};

void path_meter_begin(struct path_meter *meter, uint32_t spi, nanos now);

/* path_meter_take - an authentic packet arrived; `octets`: of the inner packet. */
void path_meter_take(struct path_meter *meter, uint64_t sequence, uint32_t octets, nanos now);
/* path_meter_time - the packet had this send time. */
void path_meter_time(struct path_meter *meter, uint64_t sequence, uint16_t sent, nanos now);

/* path_meter_judge - looks for missing numbers; true: it found new ones. */
bool path_meter_judge(struct path_meter *meter, const struct replay_window *window, nanos now);

void path_meter_report(struct path_meter *meter, struct path_report_entry *ret_entry, nanos now);

#endif
