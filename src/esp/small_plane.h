/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_SMALL_PLANE_H
#define ESP_SMALL_PLANE_H

/*
 * A data plane on one thread, without sockets and devices. Packets come in as arguments; packets
 * for the network leave through a function of the owner. It has the same tables as the data plane
 * with workers (esp/policy.h), but frees removed objects at once. The simulator uses it, and
 * programs that have a network of their own (lib/ikat.h).
 *
 * This data plane spreads whole flows. It has no order trailers, no transport mode and no acquires,
 * and does not learn path MTUs.
 */

#include "base/deadline_heap.h"
#include "base/random.h"
#include "esp/data_plane.h"
#include "esp/policy.h"

/* struct small_child - a Child SA. Callers only read it. */
struct small_child {
    struct esp_child *esp; /* owned */
    struct esp_path path;
    bool udp_encap, keepalive;
    bool removed;       /* it receives until gone_at */
    nanos gone_at;      /* with `removed` */
    nanos alive_at;     /* of the last keepalive, or of the installation */
    nanos keepalive_ns; /* interval */
    uint16_t mtu;       /* of the outer path, as configured; 0: 1500 */
    struct deadline
        due; /* when it is looked at again. Packets that are sent postpone a keepalive */
    struct small_child *next_child, **link_child; /* among all, in order of installation */
};

/* struct small_packet - a packet for the network. If `sequence` is 0, the packet is a NAT keepalive. */
struct small_packet {
    const struct small_child *child; /* its path says where the packet goes */
    struct span octets;
    uint64_t sequence;
};

struct small_plane_options {
    const struct random *random; /* borrowed */
    bool raw;                    /* ESP may leave without UDP */
    /* sends a packet, whose octets are borrowed. An error of its own is that of small_plane_send */
    int (*send)(void *context, const struct small_packet *packet);
    void *context;
};

struct small_plane;

struct small_plane *
small_plane_new(const struct small_plane_options *options);      /* NULL: no memory */
struct small_plane *small_plane_free(struct small_plane *plane); /* takes NULL; returns NULL */
struct data_plane *small_plane_verbs(struct small_plane *plane);

/* small_plane_send - seals and sends an inner packet of this host. ERR_INVALID: it is no IP packet;
 * ERR_NOT_FOUND: no Child SA may carry it, or the sequence numbers of the Child SA are used up;
 * ERR_TRUNCATED: it does not fit the path; ERR_CRYPTO; or the error of the function `send`.
 * small_plane_seal - does the same on this Child SA, whatever its selectors say. */
int small_plane_send(struct small_plane *plane, struct span inner, nanos now) MUST_USE;
int small_plane_seal(struct small_plane *plane, struct small_child *child, struct span inner,
                     nanos now) MUST_USE;

/* small_plane_recv - opens an ESP packet from the network in place. `from` is the source of the packet; its
 * port is 0 if the packet came without UDP. Returns the Child SA; *ret_opened has the verdict about the
 * packet. Returns NULL for noise, and for an SPI that no Child SA has (ESP_EVENT_STRAY). */
const struct small_child *small_plane_recv(struct small_plane *plane, const struct endpoint *from,
                                           struct buffer octets, nanos now,
                                           struct esp_opened *ret_opened);

/* --- looking in --- */

/* small_plane_find - NULL: none. small_plane_first - the one that was installed first; the others follow
 * by `next_child`. */
struct small_child *small_plane_find(const struct small_plane *plane, esp_child_id child);
struct small_child *small_plane_first(const struct small_plane *plane);

#endif
