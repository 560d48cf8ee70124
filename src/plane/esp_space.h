/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PLANE_ESP_SPACE_H
#define PLANE_ESP_SPACE_H

/*
 * The order space of the Child SAs of one session that have the same selectors: esp/aggregate.h
 * between the workers. Its packets fit each of these Child SAs and no others. Its state is
 * allocated for the first packet that needs it, and freed after half a minute of silence. A spin
 * lock, taken once for a frame or a batch, serialises the workers; the answers of a flow arrive at
 * the worker that wrote the flow to its TUN queue, so the lock is rarely contended.
 *
 * One worker, the home, watches the time of a space. Another worker that wakes a space puts it on
 * the home's stack.
 */

#include "esp/aggregate.h"
#include "plane/esp_worker.h"

struct plane_space {
    struct retired retired; /* first member: plane_space_free takes it */
    esp_session_id session;
    unsigned home;                     /* index of the worker */
    struct esp_child *members;         /* of the control thread, by space_next */
    struct plane_space *beside;        /* of the control thread: another space of the session */
    struct order_share *share;         /* owned with the other spaces of the session */
    atomic_flag lock;                  /* guards `live`, `spis_in` and `live_at` */
    struct esp_aggregate *live;        /* owned; NULL: not needed now */
    uint32_t spis_in[SCHEDULER_PATHS]; /* the Child SA to send on, by path; 0: none */
    _Atomic bool ended;                /* the last Child SA is gone */
    _Atomic bool woken;                /* on the home's stack */
    _Atomic bool active;               /* on the home's list */
    _Atomic bool lives;                /* has `live`; read without the lock as a hint */
    struct plane_space *woken_next, *next;
    nanos due; /* of the home */
};

/* --- control thread --- */

/* plane_space_join - gives the child its space, if order trailers were agreed on. A child with the
 * selectors of another one and another TUN device gets none: its flows are spread as with balance.
 * ERR_NO_MEMORY. plane_space_leave - the child no longer needs it. */
int plane_space_join(struct esp_plane *plane, struct esp_child *child) MUST_USE;
void plane_space_leave(struct esp_plane *plane, struct esp_child *child);
/* plane_space_lane - false: the space has no state now, or the child sends none of its packets. */
bool plane_space_lane(const struct esp_child *child, struct esp_plane_lane *ret_lane);
void plane_space_free(struct esp_plane *plane, struct retired *retired);
void plane_spaces_free(struct esp_plane *plane); /* all, when no worker runs */

/* --- workers --- */

/* plane_space_mode - how the packets of this class (or ESP_CLASS_NONE) are spread. With FAILOVER or
 * BALANCE they take the path of `child`. */
enum esp_mode plane_space_mode(const struct esp_group *group, const struct esp_child *child,
                               int class);
/* plane_space_takes - the packets go through the space: it spreads them, or it has state and
 * measures all traffic of its paths. plane_space_inner_max - the largest inner packet that fits
 * each path. */
bool plane_space_takes(const struct esp_child *child, enum esp_mode mode);
uint16_t plane_space_inner_max(const struct esp_group *group);

/* struct plane_outgoing - a frame of the TUN device that is to be sent; all borrowed. */
struct plane_outgoing {
    const struct esp_group *group;
    struct esp_child *child;
    int class; /* of traffic, or ESP_CLASS_NONE */
    enum esp_mode mode;
    const struct esp_inner *inner;
    const uint8_t *frame;
    struct esp_segments *segments;
};
/* plane_space_send - false: one path carries all, or no memory. The caller sends as usual. */
bool plane_space_send(struct plane_worker *w, const struct plane_outgoing *out);

/* plane_space_recv - `n` opened packets of one Child SA. */
void plane_space_recv(struct plane_worker *w, struct esp_child *child, struct esp_opened *packets,
                      size_t n);

/* plane_spaces_tick - handles what is due. plane_spaces_deadline - when it is due next. */
void plane_spaces_tick(struct plane_worker *w);
nanos plane_spaces_deadline(const struct plane_worker *w);

#endif
