/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_COUNTERS_H
#define IKE_COUNTERS_H

/*
 * Messages and rekeys, counted for all IKE SAs together and for each connection by its name.
 * Retransmissions and cookies are not counted. The counters of a connection outlive its reload.
 */

#include "base/map.h"
#include "ike/ike.h"

struct sa;
struct counted; /* one connection */

struct counters {
    struct ike_counters all;
    struct counted *first, *last;
    struct map by_name; /* hash of the name -> struct counted */
};

void counters_done(struct counters *counters);

/* count - `sa` may be NULL. A responder's connection is known once the peer is authenticated. */
void count(struct ike *ike, const struct sa *sa, enum ike_counter counter);

/* count_message - one message with an exchange type of RFC 7296; others count nothing. */
enum count_direction { COUNT_IN, COUNT_OUT };
void count_message(struct ike *ike, const struct sa *sa, enum count_direction direction,
                   uint8_t exchange, bool response);

#endif
