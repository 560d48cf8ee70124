/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/flow_queue.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/pages.h"
#include "esp/ecn.h"

#define NONE      UINT16_MAX
#define NO_LINE   UINT8_MAX
#define QUANTUM   1514 /* octets of a turn, RFC 8290 section 5.2.2 */
#define TARGET    (5 * NANOS_PER_MS)
#define INTERVAL  (100 * NANOS_PER_MS) /* both: RFC 8289 section 4.2 */
#define DROPS_MAX 1000
#define STALE     (500 * NANOS_PER_MS)

_Static_assert(FLOW_QUEUE_LINES < NO_LINE, "a line has a number");
_Static_assert(FLOW_QUEUE_SLOTS < NONE, "a slot has a number");

struct flow_queue *flow_queue_new(void)
{
    struct flow_queue *q = calloc(1, sizeof(*q));
    if (q == NULL)
        return NULL;
    q->packets = pages_new(FLOW_QUEUE_OCTETS);
    if (q->packets == NULL)
        return flow_queue_free(q);
    for (uint16_t i = 0; i < FLOW_QUEUE_SLOTS; i++)
        q->slots[i].next = i + 1 < FLOW_QUEUE_SLOTS ? (uint16_t)(i + 1) : NONE;
    q->lent = NONE;
    q->limit = UINT32_MAX;
    q->fresh = q->old = (struct flow_queue_list){NO_LINE, NO_LINE};
    for (unsigned i = 0; i < FLOW_QUEUE_LINES; i++)
        q->lines[i].first = q->lines[i].last = NONE;
    return q;
}

struct flow_queue *flow_queue_free(struct flow_queue *q)
{
    if (q != NULL)
        pages_free(q->packets, FLOW_QUEUE_OCTETS);
    free(q);
    return NULL;
}

/* --- lists of lines --- */

static void list_add(struct flow_queue *q, struct flow_queue_list *list, uint8_t line)
{
    q->lines[line].next = NO_LINE;
    if (list->first == NO_LINE)
        list->first = line;
    else
        q->lines[list->last].next = line;
    list->last = line;
}

static uint8_t list_take(struct flow_queue *q, struct flow_queue_list *list)
{
    uint8_t line = list->first;
    list->first = q->lines[line].next;
    return line;
}

/* --- packets of a line --- */

static void slot_free(struct flow_queue *q, uint16_t slot)
{
    q->slots[slot].next = q->free;
    q->free = slot;
}

static void lent_free(struct flow_queue *q)
{
    if (q->lent != NONE)
        slot_free(q, q->lent);
    q->lent = NONE;
}

/* line_pop - the oldest packet; NONE. */
static uint16_t line_pop(struct flow_queue *q, struct flow_line *line)
{
    uint16_t slot = line->first;
    if (slot == NONE)
        return NONE;
    line->first = q->slots[slot].next;
    if (line->first == NONE)
        line->last = NONE;
    line->n--;
    line->octets -= q->slots[slot].len;
    q->octets -= q->slots[slot].len;
    return slot;
}

static void drop(struct flow_queue *q, uint16_t slot)
{
    q->dropped++;
    slot_free(q, slot);
}

/* push_out - the oldest packet of the longest line makes room. */
static void push_out(struct flow_queue *q)
{
    struct flow_line *longest = &q->lines[0];
    for (unsigned i = 1; i < FLOW_QUEUE_LINES; i++)
        if (q->lines[i].octets > longest->octets)
            longest = &q->lines[i];
    drop(q, line_pop(q, longest));
}

uint8_t *flow_queue_put(struct flow_queue *q, unsigned number, size_t len, nanos now)
{
    ASSERT(number < FLOW_QUEUE_LINES && len <= FLOW_QUEUE_PACKET);
    struct flow_line *line = &q->lines[number];
    lent_free(q);
    while (q->octets > 0 && (q->free == NONE || q->octets + len > q->limit))
        push_out(q);
    uint16_t slot = q->free;
    q->free = q->slots[slot].next;
    q->slots[slot] = (struct flow_slot){.since = now, .len = (uint16_t)len, .next = NONE};
    if (line->first == NONE)
        line->first = slot;
    else
        q->slots[line->last].next = slot;
    line->last = slot;
    line->n++;
    line->octets += (uint32_t)len;
    q->octets += (uint32_t)len;
    if (!line->listed) {
        line->listed = true;
        line->deficit = QUANTUM;
        list_add(q, &q->fresh, (uint8_t)number);
    }
    return q->packets[slot];
}

/* --- controlled delay, RFC 8289 section 5 --- */

static nanos next_drop(const struct flow_line *line, nanos from)
{
    uint32_t root = 1;
    while ((root + 1) * (root + 1) <= line->drops)
        root++;
    return from + INTERVAL / root;
}

/* above_target - packets of the line have waited too long for an interval. */
static bool above_target(const struct flow_queue *q, struct flow_line *line, uint16_t slot,
                         nanos now)
{
    if (now - q->slots[slot].since < TARGET || line->octets < QUANTUM) {
        line->above_at = 0;
        return false;
    }
    if (line->above_at == 0)
        line->above_at = now + INTERVAL;
    return now >= line->above_at;
}

/* mark - true: the transport understands ECN (RFC 3168), so the packet is marked instead. */
static bool mark(struct flow_queue *q, uint16_t slot)
{
    uint8_t *packet = q->packets[slot];
    uint8_t tos = packet[0] >> 4 == 4 ? packet[1] : (uint8_t)(packet[0] << 4 | packet[1] >> 4);
    if ((tos & 3) == 0)
        return false;
    esp_tos_rewrite(packet, tos | 3);
    q->marked++;
    return true;
}

static bool drop_due(struct flow_line *line, nanos now)
{
    if (line->dropping && now < line->drop_at)
        return false;
    if (!line->dropping) {
        bool again = line->drops > 2 && now - line->drop_at < 8 * INTERVAL;
        line->dropping = true;
        line->drops = again ? line->drops - 2 : 0;
        line->drop_at = now;
    }
    line->drops += line->drops < DROPS_MAX;
    line->drop_at = next_drop(line, line->drop_at);
    return true;
}

/* line_next - the packet to send; NONE: the line is empty. */
static uint16_t line_next(struct flow_queue *q, struct flow_line *line, nanos now)
{
    uint16_t slot;
    while ((slot = line_pop(q, line)) != NONE) {
        if (now - q->slots[slot].since > STALE) {
            drop(q, slot);
            continue;
        }
        if (!above_target(q, line, slot, now)) {
            line->dropping = false;
            return slot;
        }
        if (!drop_due(line, now) || mark(q, slot))
            return slot;
        drop(q, slot);
    }
    line->dropping = false;
    return NONE;
}

/* --- turns --- */

/* line_empty - a fresh line keeps its place for one more turn, so that a flow that always comes
 * back as a fresh one cannot starve the others (RFC 8290 section 4.2). */
static void line_empty(struct flow_queue *q, struct flow_queue_list *list)
{
    uint8_t line = list_take(q, list);
    if (list == &q->fresh)
        list_add(q, &q->old, line);
    else
        q->lines[line].listed = false;
}

bool flow_queue_next(struct flow_queue *q, nanos now, struct span *ret_packet, unsigned *ret_line)
{
    lent_free(q);
    for (;;) {
        struct flow_queue_list *list = q->fresh.first != NO_LINE ? &q->fresh : &q->old;
        if (list->first == NO_LINE)
            return false;
        uint8_t number = list->first;
        struct flow_line *line = &q->lines[number];
        if (line->deficit <= 0) {
            line->deficit += QUANTUM;
            list_add(q, &q->old, list_take(q, list));
            continue;
        }
        uint16_t slot = line_next(q, line, now);
        if (slot == NONE) {
            line_empty(q, list);
            continue;
        }
        line->deficit -= q->slots[slot].len;
        q->lent = slot;
        *ret_packet = span_of(q->packets[slot], q->slots[slot].len);
        *ret_line = number;
        return true;
    }
}
