/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/resend_ring.h"

#include <string.h>

#include "base/pages.h"

struct resend_ring *resend_ring_new(void)
{
    return pages_new(sizeof(struct resend_ring));
}

struct resend_ring *resend_ring_free(struct resend_ring *ring)
{
    return pages_free(ring, sizeof(*ring));
}

/* room - for `len` octets in one piece. */
static uint64_t room(struct resend_ring *ring, size_t len)
{
    size_t at = ring->written % RESEND_OCTETS;
    if (at + len > RESEND_OCTETS)
        ring->written += RESEND_OCTETS - at;
    uint64_t place = ring->written;
    ring->written += len;
    return place;
}

void resend_ring_add(struct resend_ring *ring, unsigned path, const struct resend_entry *entry,
                     const uint8_t *packet)
{
    struct resend_entry *e = &ring->entries[path][entry->sequence % RESEND_PACKETS];
    *e = *entry;
    e->len = packet != NULL ? entry->len : 0;
    if (packet == NULL)
        return;
    e->place = room(ring, entry->len);
    memcpy(ring->octets + e->place % RESEND_OCTETS, packet, entry->len);
}

struct resend_entry *resend_ring_find(struct resend_ring *ring, unsigned path, uint32_t spi,
                                      uint32_t sequence)
{
    struct resend_entry *e = &ring->entries[path][sequence % RESEND_PACKETS];
    return e->spi == spi && e->sequence == sequence && e->sent != 0 ? e : NULL;
}

const uint8_t *resend_ring_octets(const struct resend_ring *ring, const struct resend_entry *entry)
{
    if (entry->len == 0 || ring->written - entry->place > RESEND_OCTETS)
        return NULL;
    return ring->octets + entry->place % RESEND_OCTETS;
}
