/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINUX_ESP_WORKER_H
#define LINUX_ESP_WORKER_H

/*
 * Inside of the data plane: the state that the control thread (esp_plane.c) shares with the workers
 * (esp_worker.c, esp_send.c, esp_recv.c).
 *
 * Workers read tables, groups, routes, children and sockets without a lock, so memory is freed by
 * quiescence. Each worker publishes in `seen` the epoch that it has seen, or WORKER_IDLE while it
 * waits. The control thread removes an object from its table, then raises the epoch. When each
 * worker is idle or has seen the new epoch, no worker can still hold the object. The pointers and
 * `seen` are sequentially consistent atomics: a worker that wakes after the removal cannot find the
 * object.
 *
 * A descriptor's source needs more. epoll returns its pointer before the worker says that it is
 * awake. So a source is freed only after a kick that each worker answers at the end of a turn.
 */

#include <pthread.h>

#include "esp/coalesce.h"
#include "esp/esp_child.h"
#include "esp/order_quota.h"
#include "esp/policy.h"
#include "linux/udp_socket.h"
#include "plane/esp_plane.h"

#define WORKER_IDLE UINT64_MAX

#define PLANE_IKE_QUEUE     256 /* IKE datagrams that wait for the control thread */
#define PLANE_MTU_QUEUE     16
#define PLANE_ACQUIRE_QUEUE 8
#define PLANE_HINT_QUEUE    8
#define PLANE_SEND_SEGMENTS 64    /* UDP_MAX_SEGMENTS of the oldest kernels */
#define PLANE_SEND_OCTETS   65000 /* below the 65,507 of one UDP datagram over IPv4 */
#define PLANE_RECV_OCTETS   65536 /* one receive */
/* received before other descriptors have their turn; the end of a drain splits a super-packet */
#define PLANE_DRAIN_OCTETS  (6 * PLANE_RECV_OCTETS)
#define PLANE_RECV_PACKETS  512 /* packets decrypted in one batch */
#define PLANE_RECV_MESSAGES 64  /* receives in one batch */
#define PLANE_RAW_MESSAGES  32  /* packets that one call takes from a raw socket */
/* larger than any packet; the extra octets keep the slots out of the same cache sets */
#define PLANE_RAW_STRIDE (PLANE_RECV_OCTETS + 320)
/* all packets of a batch, each with one IP header more */
#define PLANE_ROOMS_OCTETS (PLANE_RAW_MESSAGES * PLANE_RAW_STRIDE + 40 * PLANE_RECV_PACKETS)
#define PLANE_TUN_READS    32 /* frames read before other descriptors have their turn */

enum plane_source_kind { SOURCE_TUN, SOURCE_UDP, SOURCE_RAW4, SOURCE_RAW6, SOURCE_KICK };

/* struct plane_source - a descriptor that workers wait for. epoll returns a pointer to it. */
struct plane_source {
    struct retired retired; /* first: free() takes it */
    enum plane_source_kind kind;
    int fd;
    uint16_t port;      /* local one, UDP */
    uint16_t device;    /* number of the TUN device */
    uint32_t interface; /* bound to; 0: none */
};

/* struct plane_route - the outer header of a child's packets; immutable, replaced as a whole. */
struct plane_route {
    struct retired retired; /* first: free() takes it */
    struct esp_path path;
    bool udp_encap;
    int family;
    struct sockaddr_storage remote;
    socklen_t remote_len;
    int fds[LIMIT_WORKERS]; /* each worker's; borrowed */
};

/* struct plane_send - packets of one child that leave in one system call. */
struct plane_send {
    struct esp_child *child; /* NULL: empty */
    const struct plane_route *route;
    uint8_t tos;
    bool closed; /* a shorter packet ended it */
    unsigned n;
    size_t segment; /* octets of each, but the last */
    size_t len;
    uint8_t *octets; /* PLANE_SEND_OCTETS + slack */
};

/* struct plane_slot - what the kernel writes beside a packet. */
struct plane_slot {
    struct sockaddr_storage from;
    struct iovec iov;
    _Alignas(struct cmsghdr) uint8_t control[PACKET_INFO_CONTROL];
};

/* struct plane_recv - received packets on their way through decryption. */
struct plane_recv {
    /* PLANE_RAW_MESSAGES * PLANE_RAW_STRIDE octets; most of them are never touched */
    uint8_t *octets;
    size_t used; /* UDP messages lie one behind the other */
    unsigned n, n_messages;
    struct esp_opened packets[PLANE_RECV_PACKETS];
    struct esp_child *children[PLANE_RECV_PACKETS];
    uint8_t message_of[PLANE_RECV_PACKETS];
    uint8_t *rooms; /* owned; NULL: no packet in transport mode has come yet */
    size_t rooms_used;
    struct endpoint from[PLANE_RECV_MESSAGES];
    struct plane_slot slots[PLANE_RAW_MESSAGES];
    struct mmsghdr messages[PLANE_RAW_MESSAGES];
};

enum plane_stat {
    STAT_NO_POLICY,
    STAT_BAD_INNER,
    STAT_NOT_USABLE,
    STAT_SHUNTED,
    STAT_AUTH_FAILED,
    STAT_REPLAYED,
    STAT_MALFORMED,
    STAT_WRONG_SELECTOR,
    STAT_UNKNOWN_SPI,
    STAT_RUNT,
    STAT_QUEUE_FULL,
    STAT_TUN_ERRORS,
    STAT_SEND_ERRORS,
    STAT_KEEPALIVES_IN,
    STAT_IKE_IN,
    STAT_TOO_BIG_SENT,
    STAT_TUN_READS,
    STAT_TUN_WRITES,
    STAT_SENDS,
    STAT_RECVS,
    STAT_ALL,
};

struct plane_worker {
    struct esp_plane *plane;
    unsigned index;
    pthread_t thread;
    bool running; /* the thread exists */
    int epoll_fd;
    struct plane_source tun, kick;
    /* further TUN devices, by number % LIMIT_DEVICES; changed by the control thread */
    _Atomic(struct plane_source *) devices[LIMIT_DEVICES];
    _Atomic uint64_t kicks_done;
    _Atomic bool stop;
    struct esp_crypto *crypto;
    _Alignas(64) _Atomic uint64_t seen; /* WORKER_IDLE, or an epoch */
    _Alignas(64) _Atomic uint64_t stats[STAT_ALL];

    /* of this thread only */
    nanos now;
    uint8_t *frame; /* one TUN frame */
    struct plane_send send;
    struct iovec send_iov[PLANE_SEND_SEGMENTS];
    struct mmsghdr send_messages[PLANE_SEND_SEGMENTS];
    struct plane_recv recv;
    struct esp_coalesce coalesce;
    uint8_t iv_pool[64 * 16]; /* random IVs for CBC */
    unsigned ivs_left;
    nanos too_big_ns;   /* rate_second: ICMP messages */
    nanos acquired_ns;  /* when the last ESP_EVENT_ACQUIRE was made */
    nanos hinted_ns[2]; /* the same for ESP_EVENT_UNREACHABLE and ESP_EVENT_STRAY */
    uint64_t kicks_taken;
    struct plane_space *spaces; /* the spaces at home here that have something due */
    /* a stack: other threads add spaces that are to be looked at */
    _Atomic(struct plane_space *) woken;
};

struct plane_ike_slot {
    struct esp_path path;
    size_t len;
    uint8_t octets[LIMIT_IKE_MESSAGE];
};

/* struct plane_mtu_report - the MTU of a path. With mtu 0: the kernel refused to send an outer
 * packet of `failed` octets in one piece. */
struct plane_mtu_report {
    struct address remote;
    uint32_t mtu, failed;
};

/* struct plane_hint - ESP_EVENT_STRAY or ESP_EVENT_UNREACHABLE. */
struct plane_hint {
    enum esp_event_kind kind;
    struct endpoint from;
    uint32_t spi;
};

/* struct plane_inbox - from the workers to the control thread. */
struct plane_inbox {
    int event_fd;
    _Atomic bool signalled;
    _Atomic(struct esp_child *) news; /* a stack */
    pthread_mutex_t mutex;            /* guards what follows */
    unsigned ike_first, ike_n;
    struct plane_ike_slot *ike; /* a ring of PLANE_IKE_QUEUE */
    unsigned mtu_n;
    struct plane_mtu_report mtu[PLANE_MTU_QUEUE];
    unsigned acquire_n;
    struct esp_acquire acquire[PLANE_ACQUIRE_QUEUE];
    unsigned hint_n;
    struct plane_hint hint[PLANE_HINT_QUEUE];
};

struct plane_control; /* the control thread's own: esp_plane.c */

struct esp_plane {
    struct data_plane verbs; /* first: plane_of */
    unsigned n_workers;
    const struct random *random;
    uint16_t nat_port;
    bool uso;
    uint64_t hash_key;
    struct flow_table *flows;
    _Atomic uint64_t epoch;
    _Atomic uint64_t kicks;              /* by the control thread, of all workers */
    struct esp_policy *policy;           /* written by the control thread */
    struct order_quota order_quota;      /* of the spaces with state */
    _Atomic(struct esp_shunts *) shunts; /* NULL: there are none */
    _Atomic bool acquire;                /* ESP_EVENT_ACQUIRE is on */
    pthread_mutex_t gate;                /* workers pass it before they begin */
    bool held;                           /* the control thread has the gate */
    struct plane_inbox inbox;
    struct plane_worker *workers;
    struct plane_control *control;
};

static inline struct esp_plane *plane_of(struct data_plane *verbs)
{
    return (struct esp_plane *)verbs;
}

static inline const struct esp_plane *plane_of_const(const struct data_plane *verbs)
{
    return (const struct esp_plane *)verbs;
}

nanos plane_now(void); /* CLOCK_MONOTONIC */

static inline void worker_count(struct plane_worker *w, enum plane_stat stat, uint64_t n)
{
    atomic_fetch_add_explicit(&w->stats[stat], n, memory_order_relaxed);
}

/* plane_worker_init - creates buffers, crypto context, and epoll with the sources of all workers. */
int plane_worker_init(struct plane_worker *w, struct esp_plane *plane, unsigned index) MUST_USE;
void plane_worker_done(struct plane_worker *w);
int plane_worker_watch(struct plane_worker *w, struct plane_source *source) MUST_USE;
void *plane_worker_run(void *worker);

/* esp_send.c: reads frames from a TUN queue and sends them. */
void plane_tun_drain(struct plane_worker *w, const struct plane_source *tun);

/* esp_recv.c: reads a socket and writes to the TUN queue. */
void plane_socket_drain(struct plane_worker *w, const struct plane_source *source);
void plane_socket_errors(struct plane_worker *w, const struct plane_source *source);

/* plane_send_room - where the next packet of `len` octets goes; first sends packets that cannot
 * leave together with it. plane_send_added - the packet is there. plane_send_flush - sends all. */
uint8_t *plane_send_room(struct plane_worker *w, struct esp_child *child, uint8_t tos, size_t len);
void plane_send_added(struct plane_send *send, size_t len);
void plane_send_flush(struct plane_worker *w);
const uint8_t *plane_iv_next(struct plane_worker *w); /* for CBC */

/* plane_send_count - `packets` with `octets` were sealed: updates counters and limits. */
void plane_send_count(struct plane_worker *w, struct esp_child *child, uint64_t packets,
                      uint64_t octets);

/* plane_deliver - queues a packet for the TUN device; borrowed until plane_frames_write. */
void plane_deliver(struct plane_worker *w, uint8_t *packet, const struct esp_inner *inner);
void plane_frames_write(struct plane_worker *w);

/* plane_tun_write - writes a frame of `n` parts, the vnet header first, to the device of that
 * number. */
void plane_tun_write(struct plane_worker *w, uint16_t device, struct iovec *iov, unsigned n);

/* esp_inbox.c: called by workers */
int plane_inbox_init(struct plane_inbox *inbox) MUST_USE;
void plane_inbox_done(struct plane_inbox *inbox);
void plane_news(struct esp_plane *plane, struct esp_child *child, enum esp_event_kind kind);
bool plane_ike_put(struct esp_plane *plane, const struct esp_path *path, struct span message);
void plane_mtu_put(struct esp_plane *plane, const struct plane_mtu_report *report);
void plane_acquire_put(struct esp_plane *plane, const struct esp_acquire *acquire);
void plane_hint_put(struct esp_plane *plane, const struct plane_hint *hint);

/* called by the control thread */
bool plane_ike_take(struct plane_inbox *inbox, struct plane_ike_slot *ret_slot);
bool plane_mtu_take(struct plane_inbox *inbox, struct plane_mtu_report *ret_report);
bool plane_acquire_take(struct plane_inbox *inbox, struct esp_acquire *ret_acquire);
bool plane_hint_take(struct plane_inbox *inbox, struct plane_hint *ret_hint);
struct esp_child *plane_news_take(struct plane_inbox *inbox); /* a list by news_next */
void plane_inbox_clear(struct plane_inbox *inbox);

#endif
