/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_DATA_PLANE_H
#define ESP_DATA_PLANE_H

/*
 * The verbs of a data plane. Two data planes exist: plane/esp_plane.h has worker threads, and
 * esp/small_plane.h runs on one thread. Only the code that made a data plane knows which one it is.
 *
 *      an IKE event or a path order    a verb, with its result at once
 *      data_plane_event                news of the packets, pulled until there are none
 *      data_plane_deadline             when data_plane_tick is due
 *
 * If a data plane lacks an ability, the verb returns ERR_INVALID. Callers look at `abilities` before they
 * agree with a peer on something that needs one. All times are of one clock, which never goes back.
 */

#include "base/traffic_class.h"
#include "base/writer.h"
#include "esp/esp.h"

enum data_plane_ability {
    DATA_PLANE_RAW = 1,       /* ESP without UDP */
    DATA_PLANE_TRANSPORT = 2, /* transport mode */
    DATA_PLANE_ORDER = 4,     /* order trailers: one flow over several Child SAs, copies, repair */
    DATA_PLANE_ACQUIRE = 8,   /* ESP_EVENT_ACQUIRE */
};

enum esp_event_kind {
    /* an authentic packet arrived: for the first packet, then at most once a second */
    ESP_EVENT_TRAFFIC,
    /* the newest authentic packet came from `endpoint`, not from the remote address of the path */
    ESP_EVENT_REBOUND,
    ESP_EVENT_ENCAP, /* the same, in UDP, on a child that sends without UDP */
    ESP_EVENT_SOFT,  /* a soft volume limit is reached: time to rekey; once */
    /* a hard limit is reached, or the sequence numbers are used up: the child sends no more; once */
    ESP_EVENT_HARD,
    /* the kinds above are news of a Child SA (esp_child_news_take) */
    ESP_EVENT_MTU,     /* the path MTU fell to `mtu`; the data plane uses it already */
    ESP_EVENT_ACQUIRE, /* `acquire`: a packet from the inner side for which no Child SA exists */
    /* an attacker can forge the causes of the next two kinds, so their number is limited */
    /* ESP arrived from `endpoint` (port 0: not in UDP) with the SPI `spi`, which no Child SA has */
    ESP_EVENT_STRAY,
    ESP_EVENT_UNREACHABLE, /* an ICMP message says that packets do not reach `endpoint` */
};

/* struct esp_acquire - addresses, protocol and ports of the packet; ports as in struct esp_inner. */
struct esp_acquire {
    struct address src, dst;
    uint16_t src_port, dst_port;
    uint8_t protocol;
    uint16_t device; /* that it came from */
};

struct esp_event {
    enum esp_event_kind kind;
    esp_child_id child;
    struct endpoint endpoint;
    uint16_t mtu;
    uint32_t spi;
    struct esp_acquire acquire;
};

/* struct data_plane - the first member of every data plane. */
struct data_plane {
    const struct data_plane_ops *ops;
    unsigned abilities; /* enum data_plane_ability */
};

/* struct data_plane_ops - callers use the functions below; the comments are there. */
struct data_plane_ops {
    int (*install)(struct data_plane *plane, const struct esp_child_config *config, nanos now);
    int (*send_on)(struct data_plane *plane, esp_child_id child);
    int (*move)(struct data_plane *plane, esp_child_id child, const struct esp_path *path,
                bool udp_encap, uint16_t mtu);
    int (*select)(struct data_plane *plane, esp_child_id child, const struct esp_ts_list *local,
                  const struct esp_ts_list *remote);
    int (*keepalive)(struct data_plane *plane, esp_child_id child, bool on);
    int (*mtu)(struct data_plane *plane, esp_child_id child, uint16_t mtu);
    int (*state)(struct data_plane *plane, esp_child_id child, uint32_t priority, uint32_t weight,
                 bool usable);
    int (*carries)(struct data_plane *plane, esp_child_id child, uint16_t classes);
    int (*remove)(struct data_plane *plane, esp_child_id child, nanos linger, nanos now);
    int (*leave)(struct data_plane *plane, esp_child_id child, struct writer *w, nanos now);
    int (*enter)(struct data_plane *plane, struct span octets, nanos now);
    int (*mode)(struct data_plane *plane, esp_session_id session, enum esp_mode mode, bool follow);
    int (*classes)(struct data_plane *plane, esp_session_id session,
                   const struct traffic_classes *classes);
    void (*session_end)(struct data_plane *plane, esp_session_id session);
    int (*counters)(const struct data_plane *plane, esp_child_id child, struct esp_counters *ret);
    void (*acquire)(struct data_plane *plane, bool wanted);
    bool (*event)(struct data_plane *plane, nanos now, struct esp_event *ret_event);
    nanos (*deadline)(const struct data_plane *plane);
    void (*tick)(struct data_plane *plane, nanos now);
};

static inline bool data_plane_can(const struct data_plane *plane, enum data_plane_ability ability)
{
    return (plane->abilities & (unsigned)ability) != 0;
}

/* --- Child SAs --- */

/*
 * data_plane_install - packets with the SPI spi_in are accepted from now on. With `outbound_now` the
 * child also sends. `replaces`: the new child takes over the flows of the old one, and its place once it
 * sends. The old one receives until it is removed. ERR_FULL, ERR_NO_MEMORY, ERR_CRYPTO, ERR_INVALID
 * (unknown algorithm, key length, spi < 256, spi_in or child already installed).
 */
static inline int MUST_USE data_plane_install(struct data_plane *plane,
                                              const struct esp_child_config *config, nanos now)
{
    return plane->ops->install(plane, config, now);
}

/* data_plane_switch - the child sends from now on. The child that it replaces stops sending at the same
 * moment. ERR_NOT_FOUND, also for one that only lingers; ERR_NO_MEMORY. */
static inline int MUST_USE data_plane_switch(struct data_plane *plane, esp_child_id child)
{
    return plane->ops->send_on(plane, child);
}

/* data_plane_move - changes the addresses (MOBIKE, NAT rebinding). `mtu` replaces the learned path MTU;
 * 0: 1500. ERR_NOT_FOUND; ERR_INVALID, ERR_NO_MEMORY: it stays where it was. */
static inline int MUST_USE data_plane_move(struct data_plane *plane, esp_child_id child,
                                           const struct esp_path *path, bool udp_encap,
                                           uint16_t mtu)
{
    return plane->ops->move(plane, child, path, udp_encap, mtu);
}

/* data_plane_select - changes the selectors of a Child SA whose selectors follow the addresses.
 * ERR_NOT_FOUND; ERR_INVALID, ERR_NO_MEMORY: it has the old ones, or does not send. */
static inline int MUST_USE data_plane_select(struct data_plane *plane, esp_child_id child,
                                             const struct esp_ts_list *local,
                                             const struct esp_ts_list *remote)
{
    return plane->ops->select(plane, child, local, remote);
}

/* data_plane_keepalive - turns NAT keepalives on or off (after a move). ERR_NOT_FOUND. */
static inline int MUST_USE data_plane_keepalive(struct data_plane *plane, esp_child_id child,
                                                bool on)
{
    return plane->ops->keepalive(plane, child, on);
}

/* data_plane_mtu - MTU of the outer path; clamped to 576 (IPv4) or 1280 (IPv6) .. 65535. 0: 1500.
 * ERR_NOT_FOUND. */
static inline int MUST_USE data_plane_mtu(struct data_plane *plane, esp_child_id child,
                                          uint16_t mtu)
{
    return plane->ops->mtu(plane, child, mtu);
}

/* data_plane_state - health and rank of the path under a child, as the path manager sees them. Takes
 * effect with the next packet. weight 0 counts as 1. ERR_NOT_FOUND. */
static inline int MUST_USE data_plane_state(struct data_plane *plane, esp_child_id child,
                                            uint32_t priority, uint32_t weight, bool usable)
{
    return plane->ops->state(plane, child, priority, weight, usable);
}

/* data_plane_carries - a bit for each class of traffic that may take the path of the child. At first, and
 * after data_plane_classes, none may. ERR_NOT_FOUND. */
static inline int MUST_USE data_plane_carries(struct data_plane *plane, esp_child_id child,
                                              uint16_t classes)
{
    return plane->ops->carries(plane, child, classes);
}

/* data_plane_remove - the child stops sending at once and receives for `linger` more. Its flows move to
 * other children of the group. ERR_NOT_FOUND. */
static inline int MUST_USE data_plane_remove(struct data_plane *plane, esp_child_id child,
                                             nanos linger, nanos now)
{
    return plane->ops->remove(plane, child, linger, now);
}

/* the most octets of a Child SA's section */
#define DATA_PLANE_EXPORT                                                                          \
    (1024 + 2 * ESP_TS_MAX * sizeof(struct esp_ts) + LIMIT_REPLAY_WINDOW / 4 + 64)

/*
 * data_plane_export - removes the child from this data plane, and appends its section to `w`, with
 * its keys, for a data plane that may be in another process (esp/child_octets.h). This cannot be
 * undone. ERR_NOT_FOUND: no such child, or it only lingers; ERR_TRUNCATED: no room, and nothing has
 * changed.
 */
static inline int MUST_USE data_plane_export(struct data_plane *plane, esp_child_id child,
                                             struct writer *w, nanos now)
{
    return plane->ops->leave(plane, child, w, now);
}

/* data_plane_import - the child goes on here, with the path, state and place that it had. A child that it
 * replaces comes first. ERR_INVALID: as for data_plane_install, or the octets make no sense; ERR_NOT_FOUND: no
 * socket for its path; ERR_NO_MEMORY. */
static inline int MUST_USE data_plane_import(struct data_plane *plane, struct span octets,
                                             nanos now)
{
    return plane->ops->enter(plane, octets, now);
}

/* data_plane_counters - ERR_NOT_FOUND. */
static inline int MUST_USE data_plane_counters(const struct data_plane *plane, esp_child_id child,
                                               struct esp_counters *ret_counters)
{
    return plane->ops->counters(plane, child, ret_counters);
}

/* --- sessions --- */

/*
 * data_plane_mode - how the children of a session share its traffic; may be called before the first
 * child. `follow`: a flow is answered over the child on which it last arrived, while that one is usable
 * (the Gateway). Default: failover, follow. ERR_NO_MEMORY. data_plane_session_end forgets the mode.
 */
static inline int MUST_USE data_plane_mode(struct data_plane *plane, esp_session_id session,
                                           enum esp_mode mode, bool follow)
{
    return plane->ops->mode(plane, session, mode, follow);
}

/* data_plane_classes - the classes of traffic of a session, in place of those before; copied. n 0: none.
 * ERR_NO_MEMORY. data_plane_session_end forgets them. */
static inline int MUST_USE data_plane_classes(struct data_plane *plane, esp_session_id session,
                                              const struct traffic_classes *classes)
{
    return plane->ops->classes(plane, session, classes);
}

static inline void data_plane_session_end(struct data_plane *plane, esp_session_id session)
{
    plane->ops->session_end(plane, session);
}

/* --- news --- */

/* data_plane_acquire - turns ESP_EVENT_ACQUIRE on or off. It is off at first. The number of events is
 * bounded. */
static inline void data_plane_acquire(struct data_plane *plane, bool wanted)
{
    plane->ops->acquire(plane, wanted);
}

/* data_plane_event - false: none. */
static inline bool data_plane_event(struct data_plane *plane, nanos now,
                                    struct esp_event *ret_event)
{
    return plane->ops->event(plane, now, ret_event);
}

/* data_plane_deadline - when data_plane_tick is due: for a keepalive, the end of lingering, or
 * memory to free. NANOS_NEVER: for none of these. */
static inline nanos data_plane_deadline(const struct data_plane *plane)
{
    return plane->ops->deadline(plane);
}

static inline void data_plane_tick(struct data_plane *plane, nanos now)
{
    plane->ops->tick(plane, now);
}

#endif
