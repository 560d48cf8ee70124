/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINUX_ESP_PLANE_H
#define LINUX_ESP_PLANE_H

/*
 * The userspace data plane: ESP between TUN queues and UDP or raw sockets, by worker threads. One
 * control thread calls everything in this header; the workers see what it publishes and never wait
 * for it. All descriptors come in open (linux/tun.h, linux/udp_socket.h, plane/raw_esp.h), so that
 * the process that runs this needs no privilege.
 *
 *   plane = esp_plane_new(&options); esp_plane_start(plane);
 *   poll esp_plane_fd(plane):  while (esp_plane_ike_next(...) == 0) ike_recv(...);
 *                              while (esp_plane_event_next(plane, now, &event)) ...
 *   at esp_plane_deadline():   esp_plane_tick(plane, now)
 *
 * Every worker can receive for every Child SA. That SPI % n_workers names the worker is an
 * optimisation (linux/udp_socket.h steers by it); random SPIs spread evenly.
 */

#include "base/random.h"
#include "esp/esp.h"
#include "esp/shunt.h"

struct esp_plane;

struct esp_plane_options {
    unsigned n_workers; /* 1..LIMIT_WORKERS */
    /* TUN queues with IFF_VNET_HDR (tun_open), one per worker; -1: none (tests of sockets only) */
    int tun_fds[LIMIT_WORKERS];
    /* UDP sockets on the NAT port, wildcard address, one per worker (a SO_REUSEPORT group), or one
     * for all: the rest -1. A family that is off: all -1. */
    int udp4_fds[LIMIT_WORKERS], udp6_fds[LIMIT_WORKERS];
    int raw4_fd, raw6_fd;        /* protocol 50; -1: none */
    uint16_t nat_port;           /* local port of udp*_fds, 4500; 0: 4500 */
    nanos keepalive_ns;          /* 0: 20 s */
    const struct random *random; /* borrowed; thread-safe (the kernel's is) */
    bool tun_offload;            /* the TUN queues have TUN_F_CSUM | TUN_F_TSO* set */
    bool tun_uso;                /* and take UDP GSO (tun_open tells) */
};

/* esp_plane_new - takes the descriptors and closes them in esp_plane_free. No thread runs before
 * esp_plane_start. ERR_NO_MEMORY, ERR_SYSTEM, ERR_INVALID: the descriptors stay the caller's. */
int esp_plane_new(const struct esp_plane_options *options, struct esp_plane **ret_plane) MUST_USE;
int esp_plane_start(struct esp_plane *plane) MUST_USE; /* ERR_SYSTEM */
/* esp_plane_free - stops the workers, wipes keys. Takes NULL, returns NULL. */
struct esp_plane *esp_plane_free(struct esp_plane *plane);

/* --- the verbs --- */

/*
 * esp_plane_child_install - from now on packets of spi_in are taken, and with `outbound_now` the
 * child is a choice for sending. `replaces` hands the flows and, once this one sends, the place of
 * the old child over; the old one receives on until it is removed. ERR_FULL, ERR_NO_MEMORY,
 * ERR_CRYPTO, ERR_INVALID (unknown algorithm, key length, spi < 256, spi_in or child already
 * there).
 */
int esp_plane_child_install(struct esp_plane *plane, const struct esp_child_config *config,
                            nanos now) MUST_USE;

/* esp_plane_child_switch - sends on it; the child that it replaces stops sending in the same
 * moment. */
int esp_plane_child_switch(struct esp_plane *plane, esp_child_id child) MUST_USE;

/* esp_plane_child_move - changes addresses (MOBIKE, NAT rebinding). The MTU starts anew; 0:
 * 1500. */
int esp_plane_child_move(struct esp_plane *plane, esp_child_id child, const struct esp_path *path,
                         bool udp_encap, uint16_t mtu) MUST_USE;

/* esp_plane_child_selectors - changes the selectors of a Child SA whose selectors follow the
 * addresses. ERR_NOT_FOUND; ERR_INVALID, ERR_NO_MEMORY: it has the old ones, or does not send. */
int esp_plane_child_selectors(struct esp_plane *plane, esp_child_id child,
                              const struct esp_ts_list *local,
                              const struct esp_ts_list *remote) MUST_USE;

/* esp_plane_child_keepalive - turns NAT keepalives on or off (after a move). */
int esp_plane_child_keepalive(struct esp_plane *plane, esp_child_id child, bool on) MUST_USE;

/* esp_plane_child_remove - stops sending at once, receives for `linger` more. Packets of the flow
 * go on to the other children of the group. ERR_NOT_FOUND. */
int esp_plane_child_remove(struct esp_plane *plane, esp_child_id child, nanos linger,
                           nanos now) MUST_USE;

/* esp_plane_child_state - health and rank of the path under a child, as the path manager sees them.
 * Takes effect with the next packet. weight 0 counts as 1. */
int esp_plane_child_state(struct esp_plane *plane, esp_child_id child, uint32_t priority,
                          uint32_t weight, bool usable) MUST_USE;

/* esp_plane_child_mtu - MTU of the outer path; clamped to 576 (IPv4) or 1280 (IPv6) .. 65535. */
int esp_plane_child_mtu(struct esp_plane *plane, esp_child_id child, uint16_t mtu) MUST_USE;

/*
 * esp_plane_session_mode - how the children of a session share traffic; may come before the first
 * child. `follow`: a flow is answered over the child on which it came in last, as long as that is
 * usable (the Gateway). Without a call: failover, follow. The session is forgotten with
 * esp_plane_session_end.
 */
int esp_plane_session_mode(struct esp_plane *plane, esp_session_id session, enum esp_mode mode,
                           bool follow) MUST_USE;
void esp_plane_session_end(struct esp_plane *plane, esp_session_id session);

/* esp_plane_child_counters - ERR_NOT_FOUND. */
int esp_plane_child_counters(const struct esp_plane *plane, esp_child_id child,
                             struct esp_counters *ret_counters) MUST_USE;

/* struct esp_plane_lane - a Child SA that carries packets of flows together with others
 * (ESP_MODE_AGGREGATE), as its sender sees it; and what happened in its session, both directions. */
struct esp_plane_lane {
    uint64_t rate; /* octets of inner packets a second: measured, or 4,000,000 until it is */
    nanos rtt;     /* smoothed, with the time in queues; 0: unknown */
    nanos queue;   /* of the last report */
    uint32_t loss; /* smoothed, packets of a million */
    bool measured; /* a report told of it */
    bool stalled;  /* fell silent; others carry its packets */
    /* of the session */
    uint64_t repaired, abandoned, reinjected, tails, twins; /* sent: struct aggregate_counters */
    uint64_t dropped, marked; /* by controlled delay, which marks packets that understand ECN */
    uint64_t waiting;         /* octets that wait for a path */
    uint64_t held, late, skipped, duplicates, restored; /* received: struct order_counters */
};
/* esp_plane_child_lane - ERR_NOT_FOUND: it does not, or its session is silent. */
int esp_plane_child_lane(const struct esp_plane *plane, esp_child_id child,
                         struct esp_plane_lane *ret_lane) MUST_USE;

/* struct esp_plane_stats - packets that no Child SA can be charged with. */
struct esp_plane_stats {
    uint64_t no_policy, bad_inner, not_usable; /* out: dropped */
    uint64_t shunted; /* either way: dropped, because a pass or drop policy names the packet */
    uint64_t unknown_spi, runt, queue_full; /* in: dropped */
    uint64_t tun_errors, send_errors, keepalives_in, ike_in, too_big_sent;
    uint64_t tun_reads, tun_writes, sends,
        recvs; /* system calls: their ratio to packets is the batch size */
};
void esp_plane_stats_get(const struct esp_plane *plane, struct esp_plane_stats *ret_stats);

/* esp_plane_inner_mtu - the largest inner packet for an outer path of `mtu` octets with the
 * algorithms of a Child SA: an upper bound for the MTU of the TUN device. */
uint16_t esp_plane_inner_mtu(uint16_t outer_mtu, const struct esp_child_config *config);

/* esp_plane_shunts_set - all pass and drop policies, instead of those before. ERR_NO_MEMORY: those
 * before stay. */
int esp_plane_shunts_set(struct esp_plane *plane, const struct esp_shunt *shunts,
                         size_t n) MUST_USE;

/* --- sockets of single paths --- */

/*
 * esp_plane_path_socket_add - UDP sockets bound to an interface (udp_socket_open with `device`),
 * one per worker or one (n == 1). Children whose path has this interface, address family and local
 * port send from them. Takes the descriptors. path_id: the caller's, unique. ERR_FULL,
 * ERR_NO_MEMORY, ERR_SYSTEM, ERR_INVALID: they stay the caller's.
 */
int esp_plane_path_socket_add(struct esp_plane *plane, uint32_t path_id, uint32_t interface,
                              const struct endpoint *local, const int *fds, unsigned n) MUST_USE;
int esp_plane_path_socket_remove(struct esp_plane *plane, uint32_t path_id) MUST_USE;

/* --- what the workers tell --- */

/* esp_plane_fd - readable when esp_plane_ike_next or esp_plane_event_next have something. Level
 * triggered: drain both, or come back for the rest. */
int esp_plane_fd(const struct esp_plane *plane);

/* esp_plane_ike_next - the next IKE datagram that came to a NAT port socket, without its marker.
 * Returns its length in *ret_len. ERR_AGAIN: none; ERR_TRUNCATED: longer than the buffer, dropped.
 */
int esp_plane_ike_next(struct esp_plane *plane, struct esp_path *ret_path, struct buffer buffer,
                       size_t *ret_len) MUST_USE;

/* esp_plane_ike_send - sends an IKE datagram from the NAT port, with the non-ESP marker in front.
 * The path names the source address, port and interface. ERR_SYSTEM (errno kept), ERR_AGAIN. */
int esp_plane_ike_send(struct esp_plane *plane, const struct esp_path *path, uint8_t dscp,
                       struct span message) MUST_USE;

enum esp_event_kind {
    ESP_EVENT_TRAFFIC, /* an authentic packet came in: the first one, then at most one event a
                          second */
    ESP_EVENT_SOFT,    /* a soft volume limit: time to rekey; once */
    ESP_EVENT_HARD, /* a hard limit, or the sequence numbers are used up: nothing is sent any more;
                       once */
    ESP_EVENT_REBOUND, /* an authentic, newest packet came from `endpoint`, not from the path's
                          remote one */
    ESP_EVENT_ENCAP,   /* the same in UDP, from `endpoint`, on a child that sends without */
    ESP_EVENT_MTU,     /* the outer path got narrower: `mtu`; already in effect */
    ESP_EVENT_ACQUIRE, /* `acquire`: a packet from the inner side that no Child SA takes */
    /* Anybody can forge these: at most one of each per worker in 10 ms, none while eight wait. */
    ESP_EVENT_STRAY, /* ESP came from `endpoint` (port 0: not in UDP) with the SPI `spi`, which
                        no Child SA has */
    ESP_EVENT_UNREACHABLE, /* an ICMP message says that nothing arrives at `endpoint` */
};

/* struct esp_acquire - what the packet was; ports as in struct esp_inner. */
struct esp_acquire {
    struct address src, dst;
    uint16_t src_port, dst_port;
    uint8_t protocol;
};

struct esp_plane_event {
    enum esp_event_kind kind;
    esp_child_id child;
    struct endpoint endpoint;
    uint16_t mtu;
    uint32_t spi;
    struct esp_acquire acquire;
};

/* esp_plane_acquire - whether ESP_EVENT_ACQUIRE is wanted: at most one per worker in 10 ms, and
 * none while eight others wait. Off at first. */
void esp_plane_acquire(struct esp_plane *plane, bool wanted);

/* esp_plane_event_next - false: none. */
bool esp_plane_event_next(struct esp_plane *plane, nanos now, struct esp_plane_event *ret_event);

/* esp_plane_deadline - when esp_plane_tick is due next: keepalives, end of lingering, reclamation.
 * `now` is of the clock CLOCK_MONOTONIC, as are all times here. */
nanos esp_plane_deadline(const struct esp_plane *plane);
void esp_plane_tick(struct esp_plane *plane, nanos now);

#endif
