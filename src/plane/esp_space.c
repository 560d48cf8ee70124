/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/esp_space.h"

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "esp/ecn.h"
#include "esp/selector.h"
#include "plane/esp_control.h"

#define SPINS_MAX 100

static void space_lock(struct plane_space *space)
{
    unsigned spins = 0;
    while (atomic_flag_test_and_set_explicit(&space->lock, memory_order_acquire))
        if (++spins > SPINS_MAX)
            sched_yield();
}

static void space_unlock(struct plane_space *space)
{
    atomic_flag_clear_explicit(&space->lock, memory_order_release);
}

/* --- control thread --- */

/* space_suits - the space has these selectors, by which both ends tell spaces apart. */
static bool space_suits(const struct plane_space *space, const struct esp_child *child)
{
    const struct esp_selectors *theirs = &space->members->first_selectors;
    return esp_ts_list_equal(&theirs->local, &child->first_selectors.local) &&
           esp_ts_list_equal(&theirs->remote, &child->first_selectors.remote);
}

static struct plane_space *space_new(struct esp_plane *plane, esp_session_id session)
{
    struct map *spaces = &plane->control->space_of;
    struct plane_space *space = calloc(1, sizeof(*space)), *first = map_get(spaces, session);
    struct order_share *share = first != NULL ? first->share : calloc(1, sizeof(*share));
    if (space == NULL || share == NULL || (first == NULL && map_put(spaces, session, space) != 0)) {
        if (first == NULL)
            free(share);
        free(space);
        return NULL;
    }
    space->session = session;
    space->home = session % plane->n_workers;
    space->share = share;
    share->spaces++;
    atomic_flag_clear(&space->lock);
    if (first != NULL) {
        space->beside = first->beside;
        first->beside = space;
    }
    return space;
}

int plane_space_join(struct esp_plane *plane, struct esp_child *child)
{
    if (!child->order)
        return 0;
    struct plane_space *space = map_get(&plane->control->space_of, child->session);
    while (space != NULL && !space_suits(space, child))
        space = space->beside;
    if (space == NULL && (space = space_new(plane, child->session)) == NULL)
        return ERR_NO_MEMORY;
    if (space->members != NULL && space->members->device_out != child->device_out)
        return 0; /* the peer knows no devices, so it would take both spaces for one */
    child->space_next = space->members;
    space->members = child;
    child->space = space;
    return 0;
}

/* space_unlist - removes the space from its session. */
static void space_unlist(struct map *spaces, struct plane_space *space)
{
    struct plane_space *first = map_get(spaces, space->session);
    if (first == space && space->beside == NULL) {
        (void)map_take(spaces, space->session);
    } else if (first == space) {
        map_replace(spaces, space->session, space->beside);
    } else {
        while (first->beside != space)
            first = first->beside;
        first->beside = space->beside;
    }
}

static void wake(struct plane_worker *home, struct plane_space *space)
{
    if (atomic_exchange(&space->woken, true))
        return;
    space->woken_next = atomic_load(&home->woken);
    while (!atomic_compare_exchange_weak(&home->woken, &space->woken_next, space))
        ;
}

static void member_remove(struct plane_space *space, const struct esp_child *child)
{
    struct esp_child **at = &space->members;
    while (*at != child)
        at = &(*at)->space_next;
    *at = child->space_next;
}

void plane_space_leave(struct esp_plane *plane, struct esp_child *child)
{
    struct plane_control *c = plane->control;
    struct plane_space *space = child->space;
    if (space == NULL)
        return;
    member_remove(space, child);
    if (space->members != NULL)
        return;
    space_unlist(&c->space_of, space);
    /* under the lock, so that no worker adds it to the stack after the kick */
    space_lock(space);
    atomic_store(&space->ended, true);
    space_unlock(space);
    wake(&plane->workers[space->home], space);
    plane_kick(plane);
    space->retired.epoch = atomic_load(&plane->kicks);
    retired_add(&c->spaces, &space->retired);
}

static void lane_fill(const struct esp_aggregate *a, const struct path_model *model,
                      struct esp_plane_lane *ret_lane)
{
    const struct order_counters *in = &a->buffer->counters;
    *ret_lane = (struct esp_plane_lane){
        .rate = model->rate,
        .rtt = model->rtt,
        .queue = model->queue,
        .loss = model->loss,
        .measured = model->measured,
        .stalled = model->stalled,
        .by_flow = !esp_aggregate_orders(a->mode) ||
                   (a->mode == ESP_MODE_AUTO && spread_choice_by_flow(&a->choice)),
        .repaired = a->counters.repaired,
        .abandoned = a->counters.abandoned,
        .reinjected = a->counters.reinjected,
        .tails = a->counters.tails,
        .twins = a->counters.twins,
        .copies = a->counters.copies,
        .dropped = a->counters.dropped + a->queue->dropped,
        .marked = a->queue->marked,
        .waiting = a->queue->octets,
        .held = in->held,
        .late = in->late,
        .skipped = in->skipped,
        .duplicates = in->duplicates,
        .restored = in->repaired};
}

bool plane_space_lane(const struct esp_child *child, struct esp_plane_lane *ret_lane)
{
    struct plane_space *space = child->space;
    bool found = false;
    if (space == NULL)
        return false;
    space_lock(space);
    for (unsigned i = 0; space->live != NULL && i < SCHEDULER_PATHS; i++)
        if (space->live->scheduler.paths[i].key == child->flow_tag) {
            lane_fill(space->live, &space->live->scheduler.paths[i], ret_lane);
            found = true;
        }
    space_unlock(space);
    return found;
}

uint64_t esp_plane_order_octets(const struct esp_plane *plane)
{
    return (uint64_t)LIMIT_ORDER_SPACE_OCTETS * atomic_load(&plane->order_quota.used);
}

static void live_free(struct esp_plane *plane, struct plane_space *space)
{
    if (space->live != NULL)
        order_quota_give(&plane->order_quota, space->share);
    space->live = esp_aggregate_free(space->live);
    atomic_store(&space->lives, false);
}

void plane_space_free(struct esp_plane *plane, struct retired *retired)
{
    struct plane_space *space = (struct plane_space *)retired;
    live_free(plane, space);
    if (--space->share->spaces == 0)
        free(space->share);
    free(space);
}

void plane_spaces_free(struct esp_plane *plane)
{
    struct plane_control *c = plane->control;
    while (c->spaces.first != NULL)
        plane_space_free(plane, retired_take(&c->spaces));
    for (size_t i = 0; i < c->space_of.cap; i++)
        for (struct plane_space *space = map_at(&c->space_of, i), *next; space != NULL;
             space = next) {
            next = space->beside;
            plane_space_free(plane, &space->retired);
        }
    map_done(&c->space_of);
}

/* --- the state of a space; the lock is held --- */

static struct esp_aggregate *live_of(struct plane_worker *w, struct plane_space *space)
{
    struct esp_plane *plane = w->plane;
    if (space->live != NULL || atomic_load(&space->ended) ||
        !order_quota_take(&plane->order_quota, space->share))
        return space->live;
    space->live = esp_aggregate_new(random_u32(plane->random));
    if (space->live == NULL)
        order_quota_give(&plane->order_quota, space->share);
    atomic_store(&space->lives, space->live != NULL);
    return space->live;
}

/* home_wake - makes the home look at the space at once. */
static void home_wake(struct plane_worker *w, struct plane_space *space)
{
    struct plane_worker *home = &w->plane->workers[space->home];
    uint64_t one = 1;
    if (atomic_load(&space->ended))
        return;
    wake(home, space);
    if (home != w && write(home->kick.fd, &one, sizeof(one)) < 0)
        worker_count(w, STAT_TUN_ERRORS, 1);
}

/* watch - adds the space to the home's list. */
static void watch(struct plane_worker *w, struct plane_space *space)
{
    if (!atomic_load(&space->active))
        home_wake(w, space);
}

/* struct lanes - the Child SAs that the space sends on at the moment. */
struct lanes {
    unsigned usable; /* bits of paths */
    struct esp_child *children[SCHEDULER_PATHS];
};

static void lanes_load(const struct plane_worker *w, const struct plane_space *space,
                       struct lanes *ret_lanes)
{
    *ret_lanes = (struct lanes){0};
    for (unsigned i = 0; i < SCHEDULER_PATHS; i++) {
        struct esp_child *child =
            space->spis_in[i] != 0 ? esp_policy_spi(w->plane->policy, space->spis_in[i]) : NULL;
        if (child == NULL || child->space != space || !esp_child_can_send(child) ||
            atomic_load(&child->route) == NULL)
            continue;
        ret_lanes->children[i] = child;
        ret_lanes->usable |= 1u << i;
    }
}

static void lane_set(struct plane_space *space, const struct esp_child *child)
{
    unsigned path = path_scheduler_path(&space->live->scheduler, child->flow_tag);
    space->spis_in[path] = child->spi_in;
}

/* classes_of - the bit of the class of the frame, if the chosen child may carry it. 0: no child
 * may. */
static unsigned classes_of(const struct plane_outgoing *out)
{
    unsigned bit = out->class == ESP_CLASS_NONE ? 0 : 1u << out->class;
    return atomic_load(&out->child->classes) & bit;
}

static bool lane_member(const struct plane_outgoing *out, uint32_t i, struct esp_child **ret_child)
{
    struct esp_child *child = atomic_load(&out->group->children[i]);
    unsigned classes = classes_of(out);
    *ret_child = child;
    return child != NULL && child->space == out->child->space && esp_child_can_send(child) &&
           (atomic_load(&child->classes) & classes) == classes &&
           atomic_load(&child->route) != NULL;
}

/* lanes_last - the last rank that a class with copies uses: that of its second best child. */
static uint32_t lanes_last(const struct plane_outgoing *out)
{
    uint32_t best = atomic_load(&out->child->priority), second = UINT32_MAX;
    struct esp_child *child;
    for (uint32_t i = 0; i < out->group->n; i++)
        if (lane_member(out, i, &child) && child != out->child &&
            atomic_load(&child->priority) < second)
            second = atomic_load(&child->priority);
    return second > best ? second : best;
}

static void lane_add(struct plane_space *space, struct esp_child *child, struct lanes *lanes)
{
    unsigned path = path_scheduler_path(&space->live->scheduler, child->flow_tag);
    space->spis_in[path] = child->spi_in;
    lanes->children[path] = child;
    lanes->usable |= 1u << path;
}

/* lanes_of - the Child SAs that the frame may take. */
static void lanes_of(struct plane_space *space, const struct plane_outgoing *out,
                     struct lanes *ret_lanes)
{
    struct esp_child *child;
    *ret_lanes = (struct lanes){0};
    if (!esp_aggregate_orders(out->mode)) {
        lane_add(space, out->child, ret_lanes);
        return;
    }
    bool class = out->class != ESP_CLASS_NONE;
    uint32_t rank = class ? lanes_last(out) : atomic_load(&out->child->priority);
    for (uint32_t i = 0; i < out->group->n; i++) {
        if (!lane_member(out, i, &child))
            continue;
        uint32_t priority = atomic_load(&child->priority);
        if (priority == rank || (class && priority < rank))
            lane_add(space, child, ret_lanes);
    }
}

enum esp_mode plane_space_mode(const struct esp_group *group, const struct esp_child *child,
                               int class)
{
    const struct esp_classes *classes = atomic_load(&group->classes);
    if (child->space == NULL || group->n == 1)
        return ESP_MODE_FAILOVER;
    if (classes == NULL || class == ESP_CLASS_NONE || (unsigned)class >= classes->n)
        return atomic_load_explicit(&group->mode, memory_order_relaxed);
    return classes->list[class].redundant ? ESP_MODE_REDUNDANT : ESP_MODE_BALANCE;
}

bool plane_space_takes(const struct esp_child *child, enum esp_mode mode)
{
    const struct plane_space *space = child->space;
    return space != NULL && (esp_aggregate_orders(mode) || atomic_load(&space->lives));
}

uint16_t plane_space_inner_max(const struct esp_group *group)
{
    uint16_t least = UINT16_MAX;
    for (uint32_t i = 0; i < group->n; i++) {
        const struct esp_child *child = atomic_load(&group->children[i]);
        uint16_t fits = child == NULL ? UINT16_MAX : atomic_load(&child->inner_max);
        least = child != NULL && esp_child_can_send(child) && fits < least ? fits : least;
    }
    return least;
}

/* --- out --- */

/* struct text - the octets behind ESP header and IV of a packet. */
struct text {
    struct esp_child *child;
    unsigned path;
    uint8_t *packet; /* of the send buffer */
    size_t len;      /* without the trailer */
    uint8_t tos;
    bool wanted; /* the peer reports on it */
    struct esp_order order;
};

static uint8_t *text_room(struct plane_worker *w, struct text *t)
{
    const struct esp_key *key = t->child->key_out;
    size_t trailer = t->order.present ? ESP_ORDER_LEN : 0;
    t->packet = plane_send_room(w, t->child, t->tos, esp_child_sealed_len(key, t->len + trailer));
    return t->packet + esp_child_text_offset(key);
}

/* text_seal - numbers, remembers and seals the text, which is already in its buffer. */
static void text_seal(struct plane_worker *w, struct plane_space *space, struct text *t, nanos now)
{
    const struct esp_key *key = t->child->key_out;
    uint8_t *octets = t->packet + esp_child_text_offset(key);
    uint64_t sequence;
    bool soft, data = t->order.present;
    size_t len = t->len + (data ? ESP_ORDER_LEN : 0);
    if (!esp_child_reserve(t->child, 1, &sequence, &soft)) {
        plane_news(w->plane, t->child, ESP_EVENT_HARD);
        worker_count(w, STAT_NOT_USABLE, 1);
        w->send.child = w->send.n == 0 ? NULL : w->send.child;
        return;
    }
    if (soft)
        plane_news(w->plane, t->child, ESP_EVENT_SOFT);
    struct aggregate_sent sent = {.path = t->path,
                                  .spi = t->child->spi_out,
                                  .sequence = sequence,
                                  .order = t->order,
                                  .packet = data ? octets : NULL,
                                  .len = data ? t->len : 0,
                                  .wanted = t->wanted};
    esp_aggregate_sent(space->live, &sent, now);
    if (data)
        esp_order_write(octets + t->len, &t->order);
    struct buffer text = {t->packet, len};
    bool cbc = esp_block_len(key) > 4;
    if (esp_child_seal(w->crypto, t->child, sequence, text, cbc ? plane_iv_next(w) : NULL) != 0) {
        esp_child_count(t->child, ESP_COUNT_OUT_ERRORS, 1);
        w->send.child = w->send.n == 0 ? NULL : w->send.child;
        return;
    }
    plane_send_added(&w->send, esp_child_sealed_len(key, len));
    if (data)
        plane_send_count(w, t->child, 1, t->len);
}

/* texts_send - sends reports and repeated packets. */
static void texts_send(struct plane_worker *w, struct plane_space *space, const struct lanes *lanes)
{
    struct aggregate_text text;
    struct esp_inner inner = {0};
    bool stranded = space->live->stranded;
    while (esp_aggregate_next(space->live, lanes->usable, w->now, &text)) {
        struct text t = {.child = lanes->children[text.path],
                         .path = text.path,
                         .len = text.octets.len,
                         .wanted = text.wanted,
                         .order = text.order};
        if (text.data && !esp_inner_parse(text.octets, &inner))
            continue;
        if (text.data)
            t.tos = esp_tos_out(inner.tos, t.child->copy_ecn, t.child->copy_dscp_out);
        memcpy(text_room(w, &t), text.octets.ptr, t.len);
        text_seal(w, space, &t, w->now);
    }
    if (stranded && !space->live->stranded)
        home_wake(w, space); /* without a usable path it had asked for no time */
}

/* gone - drops paths that the control thread removed, so nothing waits for them. */
static void gone(struct plane_space *space, const struct lanes *lanes)
{
    for (unsigned i = 0; i < SCHEDULER_PATHS; i++)
        if (space->spis_in[i] != 0 && (lanes->usable >> i & 1) == 0) {
            esp_aggregate_gone(space->live, i);
            space->spis_in[i] = 0;
        }
}

/* segment_send - sends the next segment over this path; a negative path: controlled delay drops
 * it. */
static void segment_send(struct plane_worker *w, struct plane_space *space,
                         const struct plane_outgoing *out, const struct lanes *lanes,
                         struct text *t)
{
    bool drop = (int)t->path < 0;
    t->path = drop ? (unsigned)__builtin_ctz(lanes->usable) : t->path;
    t->child = lanes->children[t->path];
    t->tos = esp_tos_out(out->inner->tos, t->child->copy_ecn, t->child->copy_dscp_out);
    t->order.present = true;
    esp_segments_next(out->segments, text_room(w, t));
    if (drop)
        w->send.child = w->send.n == 0 ? NULL : w->send.child;
    else
        text_seal(w, space, t, plane_now());
}

static void segments_spread(struct plane_worker *w, struct plane_space *space,
                            const struct plane_outgoing *out, const struct lanes *lanes)
{
    struct esp_aggregate *a = space->live;
    struct aggregate_packet packet = {
        .flow_hash = esp_flow_hash(w->plane->hash_key, out->inner, false),
        .urgent = esp_aggregate_urgent(out->frame, out->inner),
        .mode = out->mode,
        .home = path_scheduler_path(&a->scheduler, out->child->flow_tag)};
    nanos now = plane_now();
    a->mode = atomic_load_explicit(&out->group->mode, memory_order_relaxed);
    while ((packet.len = esp_segments_next_len(out->segments)) != 0) {
        struct text t = {.len = packet.len, .wanted = true};
        int path = esp_aggregate_place(a, lanes->usable, &packet, now, &t.order);
        t.path = (unsigned)path;
        if (path == AGGREGATE_WAIT)
            esp_segments_next(out->segments, esp_aggregate_wait(a, lanes->usable, &packet, now));
        else
            segment_send(w, space, out, lanes, &t);
    }
}

/* others_load - the lanes for reports and repeated packets after the frame; drops removed lanes.
 * With classes of traffic a frame may use fewer lanes. */
static void others_load(struct plane_worker *w, struct plane_space *space,
                        const struct plane_outgoing *out, const struct lanes *own,
                        struct lanes *ret_lanes)
{
    bool classes = atomic_load(&out->group->classes) != NULL || !esp_aggregate_orders(out->mode);
    struct lanes all = *own;
    if (classes)
        lanes_load(w, space, &all);
    gone(space, &all);
    /* copies stay on the lanes of their class */
    *ret_lanes = esp_aggregate_orders(out->mode) ? *own : all;
}

bool plane_space_send(struct plane_worker *w, const struct plane_outgoing *out)
{
    struct plane_space *space = out->child->space;
    struct lanes lanes, others;
    space_lock(space);
    bool spread = live_of(w, space) != NULL;
    bool waited = spread && space->live->queue->octets > 0;
    if (spread) {
        lanes_of(space, out, &lanes);
        others_load(w, space, out, &lanes, &others);
        spread = lanes.usable != 0;
    }
    if (spread) {
        segments_spread(w, space, out, &lanes);
        esp_aggregate_tick(space->live, w->now);
        texts_send(w, space, &others);
        if (!waited && space->live->queue->octets > 0)
            home_wake(w, space); /* it sends what waits in time */
        else
            watch(w, space);
    }
    space_unlock(space);
    return spread;
}

/* --- in --- */

/* drain - delivers packets that are next in order. They are written before their buffers are
 * reused. */
static void drain(struct plane_worker *w, struct order_buffer *buffer)
{
    struct order_packet packet;
    bool any = false;
    for (; order_buffer_next(buffer, w->now, &packet); any = true)
        plane_deliver(w, packet.octets, &packet.inner);
    if (any)
        plane_frames_write(w);
    order_buffer_recycle(buffer);
}

static void packet_put(struct plane_worker *w, struct order_buffer *buffer, struct esp_opened *p)
{
    struct order_packet packet = {.octets = p->packet, .len = p->len, .inner = p->inner};
    enum order_fate fate;
    while ((fate = order_buffer_put(buffer, &p->order, &packet, w->now)) == ORDER_RETRY)
        drain(w, buffer);
    if (fate == ORDER_DELIVER)
        plane_deliver(w, p->packet, &p->inner);
}

static void packet_take(struct plane_worker *w, struct plane_space *space,
                        const struct esp_child *child, struct esp_opened *p)
{
    bool data = p->verdict == ESP_PASS;
    struct aggregate_came came = {.spi = child->spi_in,
                                  .sequence = p->sequence,
                                  .order = data ? &p->order : NULL,
                                  .len = data ? p->len : 0};
    esp_aggregate_came(space->live, &came, w->now);
    if (data)
        packet_put(w, space->live->buffer, p);
    else
        esp_aggregate_report_take(space->live, span_of(p->packet, p->len), child->spi_in,
                                  p->sequence, w->now);
}

/* needs_live - a packet has a place in the order, or asks for a report. */
static bool needs_live(const struct esp_opened *packets, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct esp_opened *p = &packets[i];
        if (p->verdict == ESP_PASS && p->order.present && !p->order.no_hold)
            return true;
        if (p->verdict == ESP_DUMMY && path_report_asks(span_of(p->packet, p->len)))
            return true;
    }
    return false;
}

static void batch_take(struct plane_worker *w, struct plane_space *space, struct esp_child *child,
                       struct esp_opened *packets, size_t n)
{
    struct esp_aggregate *a = space->live;
    struct lanes lanes;
    for (size_t i = 0; i < n; i++)
        if (packets[i].verdict == ESP_PASS || packets[i].verdict == ESP_DUMMY)
            packet_take(w, space, child, &packets[i]);
    drain(w, a->buffer);
    esp_child_lock(child);
    esp_aggregate_judge(a, child->spi_in, child->replay, w->now);
    esp_child_unlock(child);
    lane_set(space, child);
    lanes_load(w, space, &lanes);
    texts_send(w, space, &lanes);
    plane_send_flush(w);
    watch(w, space);
}

void plane_space_recv(struct plane_worker *w, struct esp_child *child, struct esp_opened *packets,
                      size_t n)
{
    struct plane_space *space = child->space;
    space_lock(space);
    if (space->live != NULL || (needs_live(packets, n) && live_of(w, space) != NULL)) {
        batch_take(w, space, child, packets, n);
    } else {
        for (size_t i = 0; i < n; i++)
            if (packets[i].verdict == ESP_PASS)
                plane_deliver(w, packets[i].packet, &packets[i].inner);
    }
    space_unlock(space);
}

/* --- time --- */

/* space_tick - does what is due. false: the space needs no further time. */
static bool space_tick(struct plane_worker *w, struct plane_space *space)
{
    struct lanes lanes;
    if (atomic_load(&space->ended))
        return false;
    space_lock(space);
    if (space->live != NULL && esp_aggregate_idle(space->live, w->now))
        live_free(w->plane, space);
    if (space->live != NULL) {
        lanes_load(w, space, &lanes);
        gone(space, &lanes);
        esp_aggregate_tick(space->live, w->now);
        drain(w, space->live->buffer);
        texts_send(w, space, &lanes);
        plane_send_flush(w);
        space->due = esp_aggregate_look(space->live, w->now);
    }
    bool on = space->live != NULL;
    if (!on)
        atomic_store(&space->active, false);
    space_unlock(space);
    return on;
}

static void woken_take(struct plane_worker *w)
{
    struct plane_space *space = atomic_exchange(&w->woken, NULL);
    while (space != NULL) {
        struct plane_space *next = space->woken_next;
        space->due = 0;
        if (!atomic_exchange(&space->active, true)) {
            space->next = w->spaces;
            w->spaces = space;
        }
        atomic_store(&space->woken, false);
        space = next;
    }
}

void plane_spaces_tick(struct plane_worker *w)
{
    woken_take(w);
    for (struct plane_space **at = &w->spaces; *at != NULL;) {
        struct plane_space *space = *at;
        bool due = space->due <= w->now || atomic_load(&space->ended);
        if (due && !space_tick(w, space))
            *at = space->next;
        else
            at = &space->next;
    }
}

nanos plane_spaces_deadline(const struct plane_worker *w)
{
    nanos first = NANOS_NEVER;
    for (const struct plane_space *space = w->spaces; space != NULL; space = space->next)
        first = nanos_min(first, space->due);
    return first;
}
