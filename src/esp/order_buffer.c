/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/order_buffer.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/pages.h"

#define NONE         UINT16_MAX
#define PATIENCE     8 /* gaps given up without a copy that helped, until waits for repair shrink */
#define LATE_MEMORY  8192 /* packets held until a late one is half forgotten, nearly */
#define REPAIR_FIRST (150 * NANOS_PER_MS) /* until it is known */
#define REPAIR_SLACK (5 * NANOS_PER_MS)
#define PACKET_ROOM  (ORDER_PACKET - 64)

struct order_buffer *order_buffer_new(void)
{
    struct order_buffer *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return NULL;
    b->octets = pages_new(ORDER_OCTETS);
    if (b->octets == NULL)
        return order_buffer_free(b);
    b->wait = ORDER_WAIT_MIN;
    b->repair = REPAIR_FIRST;
    b->used = NONE;
    for (uint16_t i = 0; i < ORDER_SLOTS; i++) {
        b->hash[i] = NONE;
        b->slots[i].next = i + 1 < ORDER_SLOTS ? (uint16_t)(i + 1) : NONE;
    }
    return b;
}

struct order_buffer *order_buffer_free(struct order_buffer *b)
{
    if (b != NULL)
        pages_free(b->octets, ORDER_OCTETS);
    free(b);
    return NULL;
}

/* --- packets that were handed on --- */

static uint64_t *seen_word(struct order_bucket *k, uint32_t number)
{
    return &k->seen[number % ORDER_SEEN / 64];
}

static bool seen(struct order_bucket *k, uint32_t number)
{
    return (*seen_word(k, number) >> number % 64 & 1) != 0;
}

static void seen_set(struct order_bucket *k, uint32_t number)
{
    *seen_word(k, number) |= (uint64_t)1 << number % 64;
}

/* advance - makes the next number due, after a number was handed on or given up. */
static void advance(struct order_bucket *k, bool handed_on)
{
    if (handed_on)
        seen_set(k, k->next);
    else
        *seen_word(k, k->next) &= ~((uint64_t)1 << k->next % 64);
    k->next++;
}

/* skip_to - gives up the numbers before `first`. */
static void skip_to(struct order_bucket *k, uint32_t first)
{
    if (first - k->next >= ORDER_SEEN) {
        memset(k->seen, 0, sizeof(k->seen));
        k->next = first;
    }
    while (k->next != first)
        advance(k, false);
}

static void bucket_begin(struct order_bucket *k, uint32_t number)
{
    *k = (struct order_bucket){.next = number, .live = true};
}

/* --- packets that are held --- */

static uint64_t *held_word(struct order_bucket *k, uint32_t number)
{
    return &k->held[number % ORDER_WINDOW / 64];
}

/* holds - in constant time. The peer chooses the numbers, so a chain of slots may be long. */
static bool holds(struct order_bucket *k, uint32_t number)
{
    return (*held_word(k, number) >> number % 64 & 1) != 0;
}

static void held_flip(struct order_bucket *k, uint32_t number)
{
    *held_word(k, number) ^= (uint64_t)1 << number % 64;
}

/* first_held - the lowest number that the bucket holds. All of them are less than ORDER_WINDOW ahead. */
static uint32_t first_held(struct order_bucket *k)
{
    uint32_t number = k->next;
    uint64_t bits = *held_word(k, number) >> number % 64;
    ASSERT(k->n > 0);
    while (bits == 0) {
        number += 64 - number % 64;
        bits = *held_word(k, number);
    }
    return number + (uint32_t)__builtin_ctzll(bits);
}

/* --- the slots --- */

static uint16_t *chain_of(struct order_buffer *b, unsigned bucket, uint32_t number)
{
    return &b->hash[(number + bucket * 257u) % ORDER_SLOTS];
}

static uint16_t *slot_find(struct order_buffer *b, unsigned bucket, uint32_t number)
{
    uint16_t *at = chain_of(b, bucket, number);
    while (*at != NONE && (b->slots[*at].number != number || b->slots[*at].bucket != bucket))
        at = &b->slots[*at].next;
    return at;
}

static void slot_take(struct order_buffer *b, const struct esp_order *order,
                      const struct order_packet *packet, nanos now)
{
    uint16_t i = b->free, *chain = chain_of(b, order->bucket, order->number);
    struct order_slot *slot = &b->slots[i];
    b->free = slot->next;
    *slot = (struct order_slot){.packet = *packet,
                                .came = now,
                                .number = order->number,
                                .next = *chain,
                                .bucket = order->bucket};
    slot->packet.octets = b->octets[i];
    memcpy(slot->packet.octets, packet->octets, packet->len);
    *chain = i;
    held_flip(&b->buckets[order->bucket], order->number);
}

/* slot_release - the held packet is handed on. The octets stay until order_buffer_recycle(). */
static void slot_release(struct order_buffer *b, unsigned bucket, uint32_t number,
                         struct order_packet *ret_packet)
{
    uint16_t *at = slot_find(b, bucket, number), i = *at;
    held_flip(&b->buckets[bucket], number);
    *at = b->slots[i].next;
    b->slots[i].next = b->used;
    b->used = i;
    *ret_packet = b->slots[i].packet;
}

void order_buffer_recycle(struct order_buffer *b)
{
    while (b->used != NONE) {
        uint16_t i = b->used;
        b->used = b->slots[i].next;
        b->slots[i].next = b->free;
        b->free = i;
    }
}

/* --- waiting --- */

static nanos patience(const struct order_buffer *b)
{
    nanos wait = b->wait > b->repair ? b->wait : b->repair;
    wait = wait > b->late ? wait : b->late;
    return wait < ORDER_WAIT_MIN ? ORDER_WAIT_MIN : nanos_min(wait, ORDER_WAIT_MAX);
}

static void blocked_set(struct order_buffer *b, unsigned bucket, bool on)
{
    uint64_t bit = (uint64_t)1 << bucket % 64;
    if (on)
        b->blocked[bucket / 64] |= bit;
    else
        b->blocked[bucket / 64] &= ~bit;
}

static bool due(struct order_buffer *b, const struct order_bucket *k, nanos now)
{
    return k->force || now - k->since >= patience(b);
}

/* gap_give_up - the missing numbers before the first held one are no longer awaited. */
static void gap_give_up(struct order_buffer *b, struct order_bucket *k)
{
    uint32_t first = first_held(k);
    k->gave_up = k->since;
    b->counters.skipped += first - k->next;
    skip_to(k, first);
    if (++b->given_up > PATIENCE)
        b->repair -= b->repair / 8;
}

/* gap_begin - the wait for the next gap began when the packet behind it came. */
static void gap_begin(struct order_buffer *b, unsigned bucket)
{
    struct order_bucket *k = &b->buckets[bucket];
    k->since = b->slots[*slot_find(b, bucket, first_held(k))].came;
}

static bool bucket_next(struct order_buffer *b, unsigned bucket, nanos now,
                        struct order_packet *ret_packet)
{
    struct order_bucket *k = &b->buckets[bucket];
    if (!holds(k, k->next)) {
        if (!due(b, k, now))
            return false;
        gap_give_up(b, k);
    }
    slot_release(b, bucket, k->next, ret_packet);
    advance(k, true);
    if (--k->n == 0) {
        blocked_set(b, bucket, false);
        k->force = false;
    } else if (!holds(k, k->next)) {
        gap_begin(b, bucket);
    }
    return true;
}

bool order_buffer_next(struct order_buffer *b, nanos now, struct order_packet *ret_packet)
{
    for (unsigned word = 0; word < ORDER_BUCKETS / 64; word++)
        for (uint64_t left = b->blocked[word]; left != 0; left &= left - 1)
            if (bucket_next(b, word * 64 + (unsigned)__builtin_ctzll(left), now, ret_packet))
                return true;
    return false;
}

nanos order_buffer_deadline(const struct order_buffer *b)
{
    nanos first = NANOS_NEVER;
    for (unsigned word = 0; word < ORDER_BUCKETS / 64; word++)
        for (uint64_t left = b->blocked[word]; left != 0; left &= left - 1)
            first = nanos_min(first, b->buckets[word * 64 + (unsigned)__builtin_ctzll(left)].since);
    return nanos_after(first, first == NANOS_NEVER ? 0 : patience(b));
}

/* --- taking packets in --- */

/* repair_learn - a copy closed a gap, or would have closed it: measures the time since the gap was
 * seen. */
static void repair_learn(struct order_buffer *b, nanos took)
{
    took = nanos_min(took + took / 2 + REPAIR_SLACK, ORDER_WAIT_MAX);
    b->given_up = 0;
    b->repair = took > b->repair ? took : b->repair - (b->repair - took) / 64;
}

/* late_learn - a packet arrived after its gap was given up: waits grow. The effect decays over
 * time. */
static void late_learn(struct order_buffer *b, nanos took)
{
    took = nanos_min(took + took / 4, ORDER_WAIT_MAX);
    b->late = took > b->late ? took : b->late;
}

/* late_put - the number was passed: the packet is a duplicate, or its gap was given up. */
static enum order_fate late_put(struct order_buffer *b, const struct esp_order *order,
                                uint32_t behind, nanos now)
{
    struct order_bucket *k = &b->buckets[order->bucket];
    bool known = behind <= ORDER_SEEN;
    if (known ? seen(k, order->number) : order->copy) {
        b->counters.duplicates++;
        return ORDER_DROP;
    }
    if (known) {
        seen_set(k, order->number);
        if (order->copy && k->gave_up != 0)
            repair_learn(b, now - k->gave_up);
        else if (k->gave_up != 0)
            late_learn(b, now - k->gave_up);
    }
    b->counters.late++;
    return ORDER_DELIVER;
}

static enum order_fate next_put(struct order_buffer *b, const struct esp_order *order, nanos now)
{
    struct order_bucket *k = &b->buckets[order->bucket];
    if (holds(k, k->next)) {
        b->counters.duplicates++; /* it is held, and handed on next */
        return ORDER_DROP;
    }
    if (order->copy && k->n > 0) {
        b->counters.repaired++;
        repair_learn(b, now - k->since);
    }
    advance(k, true);
    if (k->n > 0 && !holds(k, k->next))
        gap_begin(b, order->bucket);
    return ORDER_DELIVER;
}

/* far_put - the number is outside of the window: the sender began anew, or lost more than we hold. */
static enum order_fate far_put(struct order_buffer *b, const struct esp_order *order)
{
    struct order_bucket *k = &b->buckets[order->bucket];
    if (k->n > 0) {
        k->force = true;
        return ORDER_RETRY;
    }
    bucket_begin(k, order->number);
    advance(k, true);
    return ORDER_DELIVER;
}

static enum order_fate early_put(struct order_buffer *b, const struct esp_order *order,
                                 const struct order_packet *packet, nanos now)
{
    struct order_bucket *k = &b->buckets[order->bucket];
    if (packet->len > PACKET_ROOM)
        return ORDER_DELIVER; /* counted as skipped, and never as a duplicate later */
    if (holds(k, order->number)) {
        b->counters.duplicates++;
        return ORDER_DROP;
    }
    if (b->free == NONE) {
        for (unsigned i = 0; i < ORDER_BUCKETS; i++)
            b->buckets[i].force = b->buckets[i].n > 0;
        return ORDER_RETRY;
    }
    slot_take(b, order, packet, now);
    b->late -= b->late / LATE_MEMORY;
    b->counters.held++;
    if (k->n++ == 0) {
        blocked_set(b, order->bucket, true);
        k->since = now;
    }
    return ORDER_HELD;
}

enum order_fate order_buffer_put(struct order_buffer *b, const struct esp_order *order,
                                 const struct order_packet *packet, nanos now)
{
    if (!order->present || order->no_hold)
        return ORDER_DELIVER;
    struct order_bucket *k = &b->buckets[order->bucket];
    if (!k->live)
        bucket_begin(k, order->number);
    int32_t ahead = esp_order_ahead(order->number, k->next);
    if (ahead == 0)
        return next_put(b, order, now);
    if (ahead >= ORDER_WINDOW || (order->reset && ahead < -ORDER_WINDOW))
        return far_put(b, order);
    if (ahead < 0)
        return late_put(b, order, 0u - (uint32_t)ahead, now);
    return early_put(b, order, packet, now);
}
