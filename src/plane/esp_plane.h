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
 *                              while (data_plane_event(esp_plane_verbs(plane), now, &event)) ...
 *   at data_plane_deadline(esp_plane_verbs(plane)):   data_plane_tick(esp_plane_verbs(plane), now)
 *
 * Every worker can receive for every Child SA. As an optimisation, linux/udp_socket.h steers each
 * packet to worker SPI % n_workers; random SPIs spread evenly.
 */

#include "base/random.h"
#include "esp/data_plane.h"
#include "esp/shunt.h"

struct esp_plane;

struct esp_plane_options {
    unsigned n_workers; /* 1..LIMIT_WORKERS */
    /* TUN queues with IFF_VNET_HDR (tun_open), one per worker. -1: no queue; tests of sockets have
     * none */
    int tun_fds[LIMIT_WORKERS];
    /* UDP sockets on the NAT port, wildcard address, one per worker (a SO_REUSEPORT group), or one
     * for all: the rest -1. A family that is off: all -1. */
    int udp4_fds[LIMIT_WORKERS], udp6_fds[LIMIT_WORKERS];
    int raw4_fd, raw6_fd;        /* protocol 50; -1: none */
    uint16_t nat_port;           /* local port of udp*_fds, 4500; 0: 4500 */
    nanos keepalive_ns;          /* 0: 20 s */
    const struct random *random; /* borrowed; thread-safe (the kernel's is) */
    bool tun_offload;            /* the TUN queues have TUN_F_CSUM | TUN_F_TSO* set */
    bool tun_uso;                /* the TUN queues also take UDP GSO (tun_open says so) */
    uint32_t order_spaces;       /* order spaces with state, at most; 0: LIMIT_ORDER_SPACES */
};

/* esp_plane_new - takes the descriptors and closes them in esp_plane_free. No thread runs before
 * esp_plane_start. ERR_NO_MEMORY, ERR_SYSTEM, ERR_INVALID: the descriptors stay the caller's. */
int esp_plane_new(const struct esp_plane_options *options, struct esp_plane **ret_plane) MUST_USE;
int esp_plane_start(struct esp_plane *plane) MUST_USE; /* ERR_SYSTEM */
/* esp_plane_hold - before esp_plane_start: the workers take no packet until esp_plane_go. Packets wait in the sockets
 * and devices. esp_plane_stop - the workers end, and packets wait again. The verbs still work. */
void esp_plane_hold(struct esp_plane *plane);
void esp_plane_go(struct esp_plane *plane);
void esp_plane_stop(struct esp_plane *plane);
/* esp_plane_free - stops the workers, wipes keys. Takes NULL, returns NULL. */
struct esp_plane *esp_plane_free(struct esp_plane *plane);

/* esp_plane_verbs - the verbs of the data plane; it has all capabilities of esp/data_plane.h. A
 * worker makes at most one ESP_EVENT_ACQUIRE, ESP_EVENT_STRAY and ESP_EVENT_UNREACHABLE each in 10
 * ms, and none while eight of them wait. */
struct data_plane *esp_plane_verbs(struct esp_plane *plane);

/* struct esp_plane_lane - the sender's view of a Child SA that shares flows with others
 * (ESP_MODE_AGGREGATE, ESP_MODE_REDUNDANT, ESP_MODE_AUTO), and counters of its session in both directions. */
struct esp_plane_lane {
    uint64_t rate; /* octets of inner packets a second: measured, or 4,000,000 until it is */
    nanos rtt;     /* smoothed, with the time in queues; 0: unknown */
    nanos queue;   /* of the last report */
    uint32_t loss; /* smoothed, packets of a million */
    bool measured; /* true: `rate` and `rtt` come from a report of the peer */
    bool stalled;  /* the path fell silent, and other paths carry its packets */
    bool by_flow;  /* ESP_MODE_AUTO: now whole flows are spread, not packets */
    /* of the session */
    uint64_t repaired, abandoned, reinjected, tails, twins,
        copies;               /* sent: struct aggregate_counters */
    uint64_t dropped, marked; /* by controlled delay, which marks packets that understand ECN */
    uint64_t waiting;         /* octets that wait for a path */
    uint64_t held, late, skipped, duplicates, restored; /* received: struct order_counters */
};
/* esp_plane_child_lane - ERR_NOT_FOUND: the child shares no flows, or its session is silent. */
int esp_plane_child_lane(const struct esp_plane *plane, esp_child_id child,
                         struct esp_plane_lane *ret_lane) MUST_USE;

/* esp_plane_order_octets - memory of the order spaces, which is not on the heap. */
uint64_t esp_plane_order_octets(const struct esp_plane *plane);

/* struct esp_plane_stats - packets without a Child SA, and drops of Child SAs, ended ones
 * included. */
struct esp_plane_stats {
    uint64_t auth_failed, replayed, malformed, wrong_selector; /* in: dropped by Child SAs */
    uint64_t no_policy, bad_inner, not_usable;                 /* out: dropped */
    uint64_t shunted; /* both directions: dropped because of a pass or drop policy */
    uint64_t unknown_spi, runt, queue_full; /* in: dropped */
    uint64_t tun_errors, send_errors, keepalives_in, ike_in, too_big_sent;
    uint64_t tun_reads, tun_writes, sends,
        recvs; /* system calls: their ratio to packets is the batch size */
};
void esp_plane_stats_get(const struct esp_plane *plane, struct esp_plane_stats *ret_stats);

/* esp_plane_shunts_set - replaces all pass and drop policies. ERR_NO_MEMORY: the former ones stay. */
int esp_plane_shunts_set(struct esp_plane *plane, const struct esp_shunt *shunts,
                         size_t n) MUST_USE;

/* --- further TUN devices --- */

/*
 * esp_plane_device_add - a TUN device with policies of its own: struct esp_child_config says which
 * Child SAs are its. `fds`: one queue for each worker, as struct esp_plane_options has them. They
 * are taken, and closed after a failure. `number`: no multiple of LIMIT_DEVICES, and no number of
 * an earlier device, whose late packets would come out here. ERR_INVALID; ERR_FULL: a device has
 * the same number modulo LIMIT_DEVICES; ERR_NO_MEMORY, ERR_SYSTEM. esp_plane_device_remove - closes
 * them. ERR_NOT_FOUND.
 */
int esp_plane_device_add(struct esp_plane *plane, uint16_t number, const int *fds,
                         unsigned n) MUST_USE;
int esp_plane_device_remove(struct esp_plane *plane, uint16_t number) MUST_USE;

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

/* esp_plane_fd - readable while esp_plane_ike_next or data_plane_event has something. Level
 * triggered: call both until they return nothing. */
int esp_plane_fd(const struct esp_plane *plane);

/* esp_plane_ike_next - the next IKE datagram that arrived at a NAT port socket, without its marker.
 * *ret_len: its length. ERR_AGAIN: none; ERR_TRUNCATED: longer than the buffer, dropped. */
int esp_plane_ike_next(struct esp_plane *plane, struct esp_path *ret_path, struct buffer buffer,
                       size_t *ret_len) MUST_USE;

/* esp_plane_ike_send - sends an IKE datagram from the NAT port, with the non-ESP marker in front.
 * The path names the source address, port and interface. ERR_SYSTEM (errno kept), ERR_AGAIN. */
int esp_plane_ike_send(struct esp_plane *plane, const struct esp_path *path, uint8_t dscp,
                       struct span message) MUST_USE;

#endif
