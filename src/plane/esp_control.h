/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINUX_ESP_CONTROL_H
#define LINUX_ESP_CONTROL_H

/* The control thread's own state of the data plane. */

#include "base/deadline_heap.h"
#include "base/map.h"
#include "plane/esp_space.h"

#define PLANE_PATH_SOCKETS 64
#define PLANE_MTU_DEFAULT  1500
#define PLANE_MTU_MEMORY   ((nanos)600 * NANOS_PER_SEC) /* RFC 1191 section 6.3: 10 minutes */
#define PLANE_RECLAIM      (10 * NANOS_PER_MS) /* between looks at what waits to be freed */

/* struct plane_record - a Child SA. */
struct plane_record {
    struct esp_child *child; /* owned */
    struct esp_path path;
    bool udp_encap, keepalive;
    bool removed;     /* only lingering */
    nanos gone_at;    /* with `removed` */
    uint16_t mtu;     /* as configured */
    uint16_t mtu_now; /* at most `mtu`: learned */
    nanos mtu_until;  /* the learned one is forgotten; NANOS_NEVER: nothing learned */
    nanos alive_at;   /* the last keepalive */
    nanos keepalive_ns;
    struct deadline due; /* not later than what falls due: packets put keepalives off */
    struct plane_record *remote_next, *remote_previous; /* towards the same address */
};

/* struct plane_sockets - sockets of one address family on one port: the wildcard ones, or a path's.
 */
struct plane_sockets {
    bool used;
    uint32_t path_id, interface;
    uint8_t family; /* enum address_family */
    uint16_t port;
    int fds[LIMIT_WORKERS]; /* each worker's, the same one again where there are fewer */
    struct plane_source *sources[LIMIT_WORKERS]; /* owned; NULL: no further descriptor */
};

enum plane_garbage_kind {
    GARBAGE_MEMORY, /* what `retired` is the first member of */
    GARBAGE_CHILD,
};

struct plane_control {
    struct map records;             /* child id -> struct plane_record */
    struct map remotes;             /* remote address -> the first record towards it */
    struct deadline_heap deadlines; /* of records */
    struct retired_list garbage;    /* until its epoch */
    struct retired_list sources;    /* until their kick */
    struct retired_list spaces;     /* the same */
    struct map space_of;            /* session id -> struct plane_space */
    nanos reclaim_at;               /* the next look at the garbage, if there is some */
    struct plane_sockets udp4, udp6, raw4, raw6, paths[PLANE_PATH_SOCKETS];
    struct esp_crypto *crypto;
    struct esp_child *news;      /* taken off the inbox, not told yet */
    struct plane_ike_slot *slot; /* one datagram on its way out */
    uint64_t kicks;
    nanos keepalive_ns;
    int tun_fds[LIMIT_WORKERS];
};

/* --- esp_control.c --- */

struct plane_record *plane_record_find(const struct plane_control *c, esp_child_id child);

/* plane_record_room - for one more; ERR_NO_MEMORY. plane_record_add - takes it, in that room.
 * plane_record_room_not - it did not come. plane_record_drop - out of sight; the child is freed
 * when no worker can hold it any more. */
int plane_record_room(struct plane_control *c) MUST_USE;
void plane_record_room_not(struct plane_control *c, struct plane_record *record);
void plane_record_add(struct plane_control *c, struct plane_record *record);
void plane_record_drop(struct esp_plane *plane, struct plane_record *record);

/* plane_record_path - it has another path; the route is as it was. */
void plane_record_path(struct plane_control *c, struct plane_record *record,
                       const struct esp_path *path);

/* plane_record_due - something that falls due for it has changed. */
void plane_record_due(struct plane_control *c, struct plane_record *record);

/* plane_records_towards - the first of those with this remote address, by `remote_next`; others may
 * be among them. */
struct plane_record *plane_records_towards(const struct plane_control *c,
                                           const struct address *remote);

/* plane_route_set - the child sends as its record says from now on. ERR_NOT_FOUND: no such socket;
 * ERR_NO_MEMORY. plane_route_drop - it does not send. */
int plane_route_set(struct esp_plane *plane, struct plane_record *record) MUST_USE;
void plane_route_drop(struct esp_plane *plane, struct plane_record *record);
void plane_inner_max_set(struct plane_record *record);

/* plane_garbage_put - frees it when no worker can hold it any more. plane_garbage_settle - what the
 * policy took out of sight. */
void plane_garbage_put(struct esp_plane *plane, enum plane_garbage_kind kind,
                       struct retired *retired);
void plane_garbage_settle(struct esp_plane *plane);
void plane_garbage_collect(struct esp_plane *plane, bool all);
void plane_kick(struct esp_plane *plane);

/* plane_sockets_for - a path's own sockets, else the wildcard ones; NULL: none. */
const struct plane_sockets *plane_sockets_for(const struct esp_plane *plane,
                                              const struct esp_path *path, bool udp_encap);

/* plane_sockets_watch - makes the workers wait for them. */
int plane_sockets_watch(struct esp_plane *plane, struct plane_sockets *sockets, const int *fds,
                        unsigned n, enum plane_source_kind kind) MUST_USE;
void plane_sockets_drop(struct esp_plane *plane, struct plane_sockets *sockets);

/* plane_mtu_probe - what the kernel knows of the path's MTU; 0: nothing, or a sandbox forbids to
 * ask. */
uint16_t plane_mtu_probe(const struct esp_path *path);

#endif
