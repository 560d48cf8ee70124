/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINUX_ESP_CONTROL_H
#define LINUX_ESP_CONTROL_H

/* The state of the data plane that belongs to the control thread. */

#include "base/deadline_heap.h"
#include "base/map.h"
#include "plane/esp_space.h"

#define PLANE_PATH_SOCKETS 64
#define PLANE_MTU_MEMORY   ((nanos)600 * NANOS_PER_SEC) /* RFC 1191 section 6.3: 10 minutes */
/* time between two looks at the memory that waits to be freed */
#define PLANE_RECLAIM (10 * NANOS_PER_MS)

/* struct plane_record - a Child SA. */
struct plane_record {
    struct esp_child *child; /* owned */
    struct esp_path path;
    bool udp_encap, keepalive;
    bool removed;     /* only lingering */
    nanos gone_at;    /* with `removed` */
    uint16_t mtu;     /* as configured */
    uint16_t mtu_now; /* at most `mtu`: learned */
    nanos mtu_until;  /* the learned path MTU is forgotten then; NANOS_NEVER: none was learned */
    nanos alive_at;   /* the last keepalive */
    nanos keepalive_ns;
    /* the control thread looks at this child again by then. Packets sent postpone a keepalive. */
    struct deadline due;
    /* next record with the same remote address */
    struct plane_record *remote_next, *remote_previous;
};

/* struct plane_sockets - the sockets of one address family on one port: the wildcard ones, or those
 * of a path. */
struct plane_sockets {
    bool used;
    uint32_t path_id, interface;
    uint8_t family; /* enum address_family */
    uint16_t port;
    /* one for each worker; with fewer sockets, workers share the last one */
    int fds[LIMIT_WORKERS];
    /* owned; NULL: the socket has no further descriptor */
    struct plane_source *sources[LIMIT_WORKERS];
};

enum plane_garbage_kind {
    GARBAGE_MEMORY, /* the object whose first member is `retired` */
    GARBAGE_CHILD,
};

struct plane_control {
    struct map records;             /* child id -> struct plane_record */
    struct map remotes;             /* remote address -> the first record towards it */
    struct deadline_heap deadlines; /* of records */
    struct retired_list garbage;    /* to be freed after their epoch */
    struct retired_list sources;    /* to be freed after their kick */
    struct retired_list spaces;     /* the same */
    struct map space_of;            /* session id -> its first struct plane_space */
    nanos reclaim_at;               /* time of the next look at the garbage, if any */
    struct plane_sockets udp4, udp6, raw4, raw6, paths[PLANE_PATH_SOCKETS];
    struct esp_crypto *crypto;
    struct esp_child *news;      /* taken off the inbox, not yet returned as an event */
    struct plane_ike_slot *slot; /* holds one datagram while it is sent */
    nanos keepalive_ns;
    int tun_fds[LIMIT_WORKERS]; /* of the first device */
};

/* --- esp_control.c --- */

struct plane_record *plane_record_find(const struct plane_control *c, esp_child_id child);

/* plane_record_room - makes room for one more record; ERR_NO_MEMORY. plane_record_add - takes that
 * room. plane_record_room_not - gives the room back. plane_record_drop - removes the record; the
 * child is freed when no worker can hold it any more. */
int plane_record_room(struct plane_control *c) MUST_USE;
void plane_record_room_not(struct plane_control *c, struct plane_record *record);
void plane_record_add(struct plane_control *c, struct plane_record *record);
void plane_record_drop(struct esp_plane *plane, struct plane_record *record);

/* plane_record_path - the Child SA has another path; its route stays the same. */
void plane_record_path(struct plane_control *c, struct plane_record *record,
                       const struct esp_path *path);

/* plane_record_due - the record has another deadline now. */
void plane_record_due(struct plane_control *c, struct plane_record *record);

/* plane_records_towards - the first record whose remote address may be this one; the rest follow by
 * `remote_next`. The caller compares addresses. */
struct plane_record *plane_records_towards(const struct plane_control *c,
                                           const struct address *remote);

/* plane_route_set - from now on the child sends as its record says. ERR_NOT_FOUND: no such socket;
 * ERR_NO_MEMORY. plane_route_drop - the child no longer sends. */
int plane_route_set(struct esp_plane *plane, struct plane_record *record) MUST_USE;
void plane_route_drop(struct esp_plane *plane, struct plane_record *record);
void plane_inner_max_set(struct plane_record *record);

/* plane_garbage_put - frees the object when no worker can hold it any more. plane_garbage_settle -
 * does the same for the objects that the policy removed. */
void plane_garbage_put(struct esp_plane *plane, enum plane_garbage_kind kind,
                       struct retired *retired);
void plane_garbage_settle(struct esp_plane *plane);
void plane_garbage_collect(struct esp_plane *plane, bool all);
void plane_kick(struct esp_plane *plane);

/* plane_sockets_for - the path's own sockets, otherwise the wildcard ones; NULL: none. */
const struct plane_sockets *plane_sockets_for(const struct esp_plane *plane,
                                              const struct esp_path *path, bool udp_encap);

/* plane_sockets_watch - adds the sockets to those that the workers wait for. */
int plane_sockets_watch(struct esp_plane *plane, struct plane_sockets *sockets, const int *fds,
                        unsigned n, enum plane_source_kind kind) MUST_USE;
void plane_sockets_drop(struct esp_plane *plane, struct plane_sockets *sockets);

/* plane_mtu_probe - the path MTU that the kernel knows. 0: it knows none, or a sandbox forbids the
 * question. */
uint16_t plane_mtu_probe(const struct esp_path *path);

/* --- esp_events.c: verbs of esp/data_plane.h --- */

void plane_acquire_set(struct data_plane *verbs, bool wanted);
bool plane_event_next(struct data_plane *verbs, nanos now, struct esp_event *ret_event);
nanos plane_deadline(const struct data_plane *verbs);
void plane_tick(struct data_plane *verbs, nanos now);

#endif
