/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_REPLAY_WINDOW_H
#define ESP_REPLAY_WINDOW_H

/*
 * The anti-replay window (RFC 4303 section 3.4.3) over 64-bit sequence numbers: a ring of words
 * that is never shifted (RFC 6479). `check` is pure. Only a packet whose ICV is correct is
 * committed.
 */

#include "base/span.h"

struct replay_window {
    uint64_t top;    /* the highest sequence number committed; 0: none */
    uint32_t window; /* packets; 0: no protection */
    uint32_t mask;   /* number of words - 1; a power of two - 1 */
    uint64_t words[];
};

/* replay_window_new - `window` at most LIMIT_REPLAY_WINDOW. NULL: no memory. */
struct replay_window *replay_window_new(uint32_t window);

/* replay_window_check - the number may be accepted: not 0, not too old, not seen. */
bool replay_window_check(const struct replay_window *window, uint64_t sequence);

/* replay_window_commit - checks again and marks as seen; false: another packet was faster. */
bool replay_window_commit(struct replay_window *window, uint64_t sequence);

/*
 * replay_window_extend - the 64-bit sequence number of which 32 bits were sent (RFC 4303 appendix
 * A2.2): the value nearest to the window. false: it would be negative.
 */
bool replay_window_extend(const struct replay_window *window, uint32_t low, uint64_t *ret_sequence);

#endif
