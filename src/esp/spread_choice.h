/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_SPREAD_CHOICE_H
#define ESP_SPREAD_CHOICE_H

/*
 * Decides for `multipath = auto` whether a session spreads the packets of each flow, or only whole
 * flows. It spreads packets once the session is busy and at least two paths are measured. It goes
 * back if that delivers less than whole flows did, and tries again later and later.
 *
 *   FLOWS    each flow has its path; its packets have no place in the order
 *   ENTERS   each flow has its path; its packets have a place in the order
 *   PACKETS  each packet takes the path on which it arrives first
 *   LEAVES   as ENTERS
 *
 * ENTERS and LEAVES last until all packets of the state before have been reported. So no numbered
 * packet overtakes an unnumbered one of its flow, nor the other way round.
 */

#include "esp/path_scheduler.h"

enum spread { SPREAD_FLOWS, SPREAD_ENTERS, SPREAD_PACKETS, SPREAD_LEAVES };

/* struct spread_mark - the newest packet of a path when a state began. */
struct spread_mark {
    uint32_t spi, newest;
};

struct spread_choice {
    enum spread state;
    nanos since;      /* when the state began */
    nanos not_before; /* packets are not spread before this */
    nanos penalty;    /* how long the last attempt without a gain was held against them */
    bool judged;      /* this attempt was compared with `before` */
    uint64_t before;  /* octets a second that whole flows delivered, before packets were spread */
    uint64_t rate;    /* octets a second of the last period */
    uint64_t counted; /* octets delivered when it began */
    nanos counted_at; /* 0: never */
    struct spread_mark marks[SCHEDULER_PATHS];
};

/* spread_choice_look - call it for each packet. `usable`: bits of paths. `waiting`: packets wait for
 * a path. */
void spread_choice_look(struct spread_choice *choice, const struct path_scheduler *scheduler,
                        unsigned usable, bool waiting, nanos now);

/* spread_choice_by_flow - each flow keeps its path. spread_choice_numbers - packets have a place in
 * the order. */
static inline bool spread_choice_by_flow(const struct spread_choice *choice)
{
    return choice->state != SPREAD_PACKETS;
}
static inline bool spread_choice_numbers(const struct spread_choice *choice)
{
    return choice->state != SPREAD_FLOWS;
}

#endif
