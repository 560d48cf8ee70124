/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/window.h"

#include <stdlib.h>

#include "base/assert.h"

struct packet *packet_new(size_t n_parts, size_t octets)
{
    struct packet *packet = malloc(sizeof(*packet) + n_parts * sizeof(struct packet_part) + octets);
    if (packet == NULL)
        return NULL;
    *packet = (struct packet){.n = n_parts};
    packet->parts = (struct packet_part *)(packet + 1);
    packet->octets = (uint8_t *)(packet->parts + n_parts);
    return packet;
}

struct packet *packet_free(struct packet *packet)
{
    free(packet);
    return NULL;
}

struct span packet_part(const struct packet *packet, size_t index)
{
    ASSERT(index < packet->n);
    return span_of(packet->octets + packet->parts[index].offset, packet->parts[index].len);
}

struct packet *window_take(struct window *mine)
{
    struct packet *packet = mine->packet;
    ASSERT(packet != NULL);
    mine->packet = NULL;
    mine->next_id++;
    mine->unanswered = mine->tries > 0 ? (uint8_t)(mine->tries - 1) : 0;
    return packet;
}

void window_clear(struct window *window)
{
    window->packet = packet_free(window->packet);
}

static nanos window_interval(const struct window *mine, const struct retransmit_policy *policy)
{
    if (mine->interval_ns > 0)
        return mine->interval_ns;
    double factor = 1; /* RFC 7296 section 2.4: exponential back-off */
    for (unsigned i = 1; i < mine->tries; i++)
        factor *= policy->base_percent / 100.0;
    return (nanos)((double)policy->initial_ns * factor);
}

nanos retransmit_total(const struct retransmit_policy *policy)
{
    struct window window = {0};
    nanos total = 0;
    for (unsigned i = 0; i <= policy->tries && i < UINT8_MAX; i++) {
        window.tries = (uint8_t)(i + 1);
        total = nanos_after(total, window_interval(&window, policy));
    }
    return total;
}

/* early_wait - how long to wait for the next early copy. */
static nanos early_wait(struct window *mine, const struct retransmit_policy *policy)
{
    nanos wait = mine->early_ns;
    mine->early_ns = 2 * wait < policy->initial_ns ? 2 * wait : 0;
    return wait;
}

void window_sent(struct window *mine, const struct retransmit_policy *policy, nanos now)
{
    bool first = mine->tries == 0, early = mine->early_ns > 0;
    if (first)
        mine->paced_ns = now;
    if (mine->tries < UINT8_MAX && (first || !early))
        mine->tries++;
    nanos wait = early ? early_wait(mine, policy) : window_interval(mine, policy);
    /* Jitter of an eighth: after an outage a thousand IKE SAs must not retransmit at the same
     * time. */
    if (mine->interval_ns == 0)
        wait += (nanos)random_below(policy->random, (uint32_t)(wait / 8 / NANOS_PER_US) + 1) *
                NANOS_PER_US;
    mine->resend_at_ns = nanos_after(now, wait);
}

static bool window_exhausted(const struct window *mine, const struct retransmit_policy *policy,
                             nanos now)
{
    if (mine->pace != WINDOW_TRIES)
        return now >= mine->end_ns;
    return mine->tries > policy->tries && now >= mine->resend_at_ns;
}

enum window_time window_time(const struct window *mine, const struct retransmit_policy *policy,
                             nanos now)
{
    if (!window_busy(mine))
        return WINDOW_EARLY;
    if (window_exhausted(mine, policy, now))
        return WINDOW_OVER;
    return now >= mine->resend_at_ns ? WINDOW_DUE : WINDOW_EARLY;
}

void window_end_by(struct window *mine, nanos at)
{
    if (mine->pace == WINDOW_TRIES) {
        mine->pace = WINDOW_UNTIL;
        mine->end_ns = at;
    }
    mine->end_ns = nanos_min(mine->end_ns, at);
}
