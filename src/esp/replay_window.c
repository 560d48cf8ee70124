/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/replay_window.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/limits.h"

struct replay_window *replay_window_new(uint32_t window)
{
    ASSERT(window <= LIMIT_REPLAY_WINDOW);
    /* one word more than the window, so that the word being filled never holds valid old bits */
    uint32_t words = 1;
    while (words * 64 < window + 64)
        words *= 2;
    struct replay_window *w = calloc(1, sizeof(*w) + words * sizeof(uint64_t));
    if (w == NULL)
        return NULL;
    w->window = window;
    w->mask = words - 1;
    return w;
}

bool replay_window_check(const struct replay_window *w, uint64_t sequence)
{
    if (w->window == 0)
        return true;
    if (sequence == 0) /* RFC 4303 section 3.3.3: the first packet has 1 */
        return false;
    if (sequence > w->top)
        return true;
    if (w->top - sequence >= w->window)
        return false;
    return (w->words[(sequence / 64) & w->mask] >> (sequence % 64) & 1) == 0;
}

bool replay_window_commit(struct replay_window *w, uint64_t sequence)
{
    if (!replay_window_check(w, sequence))
        return false;
    if (sequence > w->top) {
        uint64_t from = w->top / 64, to = sequence / 64;
        uint64_t steps = to - from <= w->mask + 1u ? to - from : w->mask + 1u;
        for (uint64_t i = 1; i <= steps; i++)
            w->words[(from + i) & w->mask] = 0;
        w->top = sequence;
    }
    w->words[(sequence / 64) & w->mask] |= (uint64_t)1 << (sequence % 64);
    return true;
}

bool replay_window_extend(const struct replay_window *w, uint32_t low, uint64_t *ret_sequence)
{
    uint32_t top_low = (uint32_t)w->top;
    uint64_t high = w->top >> 32;
    uint32_t bottom = top_low - w->window + 1; /* modulo 2^32 */
    if (top_low >= w->window - 1) {            /* case A: the window is in one subspace */
        if (low < bottom)
            high++;
    } else if (low >= bottom) { /* case B: it straddles two, and this is the lower one */
        if (high == 0)
            return false;
        high--;
    }
    if (high > UINT32_MAX)
        return false;
    *ret_sequence = high << 32 | low;
    return true;
}
