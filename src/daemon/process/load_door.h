/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_LOAD_DOOR_H
#define DAEMON_LOAD_DOOR_H

/*
 * How secrets of the files reach the processes that keep them:
 *
 *   supervisor --(load_order: number, descriptor)--> keyholder, eap, aaa
 *   loader     --(secrets, over that descriptor)---> the same: they are staged, beside those in use
 *   engine     --(STAGE_COMMIT number)-------------> the same: what is staged takes their place
 *
 * The engine never sees them, and what they are for (names, owners) is the loader's word as well.
 */

#include <stdint.h>

#include "base/error.h"

/* load_door_take - a loader comes: its descriptor, and its number. ERR_NOT_FOUND: the supervisor is
 * gone; ERR_INVALID; ERR_SYSTEM. */
int load_door_take(int orders_fd, int *ret_fd, uint64_t *ret_number) MUST_USE;

/* struct load_stages - which loader staged at which place. Two, since the engine may commit a load
 * when the next one has begun. */
#define LOAD_STAGES 2
struct load_stages {
    uint64_t numbers[LOAD_STAGES]; /* 0: free */
};

/* load_stages_begin - the place of a new one: a free place, or the one of the oldest, which the
 * caller empties. */
unsigned load_stages_begin(struct load_stages *stages, uint64_t number);
/* load_stages_end - gives the place back. LOAD_STAGES: that loader has none. */
unsigned load_stages_end(struct load_stages *stages, uint64_t number);

#endif
