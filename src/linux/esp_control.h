/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINUX_ESP_CONTROL_H
#define LINUX_ESP_CONTROL_H

/* The control thread's own state of the data plane. */

#include "linux/esp_worker.h"

#define PLANE_PATH_SOCKETS 64
#define PLANE_MTU_DEFAULT  1500
#define PLANE_MTU_MEMORY   ((nanos)600 * NANOS_PER_SEC) /* RFC 1191 section 6.3: 10 minutes */
#define PLANE_RECLAIM      (10 * NANOS_PER_MS) /* between looks at what waits to be freed */

/* struct plane_record - a Child SA. */
struct plane_record {
    struct esp_child *child; /* owned */
    struct esp_path path;
    bool udp_encap, keepalive;
    bool sends;       /* in its group */
    bool removed;     /* only lingering */
    nanos gone_at;    /* with `removed` */
    uint16_t mtu;     /* as configured */
    uint16_t mtu_now; /* at most `mtu`: learned */
    nanos mtu_until;  /* the learned one is forgotten; NANOS_NEVER: nothing learned */
    nanos alive_at;   /* the last keepalive */
    nanos keepalive_ns;
};

struct plane_session {
    esp_session_id id;
    enum esp_mode mode;
    bool follow;
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

enum plane_garbage_kind { GARBAGE_CHILD, GARBAGE_ROUTE, GARBAGE_POLICY, GARBAGE_SOURCE };

struct plane_garbage {
    enum plane_garbage_kind kind;
    void *ptr;
    uint64_t epoch, kick;
};

struct plane_control {
    struct plane_record *records; /* sorted by child id */
    size_t n_records, room_records;
    struct plane_session *sessions; /* sorted by id */
    size_t n_sessions, room_sessions;
    struct plane_garbage *garbage;
    size_t n_garbage, room_garbage;
    nanos reclaim_at; /* the next look at the garbage, if there is some */
    struct plane_sockets udp4, udp6, raw4, raw6, paths[PLANE_PATH_SOCKETS];
    struct esp_crypto *crypto;
    struct esp_child *news;      /* taken off the inbox, not told yet */
    struct plane_ike_slot *slot; /* one datagram on its way out */
    uint64_t kicks;
    uint16_t last_tag;
    nanos keepalive_ns;
    int tun_fds[LIMIT_WORKERS];
};

/* --- esp_control.c --- */

/* array_room - makes room for one more element of `size`; doubles. ERR_NO_MEMORY. */
int plane_array_room(void **array, size_t n, size_t *room, size_t size) MUST_USE;

struct plane_record *plane_record_find(const struct plane_control *c, esp_child_id child);
/* plane_session_place - where it is, or would be, among the sorted sessions. */
size_t plane_session_place(const struct plane_control *c, esp_session_id session);
struct plane_session *plane_session_find(const struct plane_control *c, esp_session_id session);

/* plane_publish - a new policy from the records; the old one becomes garbage. */
int plane_publish(struct esp_plane *plane) MUST_USE;

/* plane_route_set - the child sends as its record says from now on. ERR_NOT_FOUND: no such socket;
 * ERR_NO_MEMORY. */
int plane_route_set(struct esp_plane *plane, struct plane_record *record) MUST_USE;
void plane_inner_max_set(struct plane_record *record);

/* plane_garbage_put - frees it when no worker can hold it any more. Room must be there: reserve
 * first. */
int plane_garbage_reserve(struct plane_control *c, size_t n) MUST_USE;
void plane_garbage_put(struct esp_plane *plane, enum plane_garbage_kind kind, void *ptr);
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
