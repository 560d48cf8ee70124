/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_ESP_H
#define ESP_ESP_H

/*
 * ESP (RFC 4303) in tunnel mode, sans-I/O. The way of a packet through the files:
 *
 *   out: inner_packet.h (parse) -> policy.h (selectors -> group, flow -> Child SA) ->
 *        segment.h (a TSO frame -> packets) -> esp_child.h (seal) -> wire
 *   in:  wire -> policy.h (SPI -> Child SA) -> esp_child.h (window, ICV, trailer) ->
 *        inner_packet.h, selector.h (RFC 4301 section 5.2) -> ecn.h ->
 *        coalesce.h (packets -> a GSO frame)
 *
 * This header has the types that the layers above fill in.
 */

#include <stdatomic.h>

#include "base/address.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/time.h"

#define ESP_TS_MAX LIMIT_TRAFFIC_SELECTORS

/* Identifiers given by the IKE core; 0 is none. */
typedef uint32_t esp_child_id;
typedef uint32_t esp_session_id;

/* struct esp_ts - a traffic selector (RFC 7296 section 3.13.1); protocol 0: any. For ICMP the ports
 * are type * 256 + code (RFC 4301 section 4.4.1.1); start 65535, end 0 is OPAQUE. */
struct esp_ts {
    uint8_t protocol;
    uint16_t start_port, end_port; /* host order */
    struct address_range range;
};

struct esp_ts_list {
    size_t n;
    struct esp_ts ts[ESP_TS_MAX];
};

/* struct esp_path - where the packets of a Child SA go. `interface`: the kernel's index, 0: any.
 * Ports are used in UDP encapsulation only. */
struct esp_path {
    struct endpoint local, remote;
    uint32_t interface;
};

/* How the Child SAs of one session with the same selectors share the traffic. */
enum esp_mode {
    ESP_MODE_FAILOVER, /* the usable Child SA with the lowest priority number */
    ESP_MODE_BALANCE, /* per flow, by weight, among the usable ones of the lowest priority number */
    /* the next three need a peer that agreed on order trailers; with others they act as balance */
    ESP_MODE_AGGREGATE, /* per packet */
    ESP_MODE_REDUNDANT, /* each packet over two Child SAs */
    ESP_MODE_AUTO,      /* per packet or per flow, as measured (spread_choice.h) */
};

/* struct esp_child_config - a Child SA, both directions. Borrowed during the call. */
struct esp_child_config {
    esp_child_id child;
    esp_session_id session;
    /* rekeys that Child SA, and takes over its place for flows; 0: none */
    esp_child_id replaces;
    uint32_t spi_in, spi_out;                           /* host order */
    uint16_t encr, encr_key_bits, integ;                /* IANA transform ids; integ 0 with AEAD */
    struct span encr_in, integ_in, encr_out, integ_out; /* encr_*: the salt behind the key */
    bool esn;
    bool udp_encap; /* packets are in UDP (RFC 3948); otherwise in IP as protocol 50 */
    bool icmp;      /* accepts ICMP errors about its packets, from any source */
    /* transport mode: its selectors are two addresses, and packets have no inner IP header */
    bool transport;
    bool order;             /* both ends agreed on order trailers (esp/order_trailer.h) */
    bool outbound_now;      /* send on it at once; else from data_plane_switch() on */
    uint32_t replay_window; /* packets, at most LIMIT_REPLAY_WINDOW; 0: no protection */
    struct esp_path path;
    struct esp_ts_list local_ts, remote_ts;
    uint16_t mtu; /* of the outer path, in octets of an IP packet; 0: 1500 */
    bool copy_ecn, copy_dscp_out, copy_dscp_in;
    nanos keepalive_ns; /* interval of keepalives; 0: the data plane's */
    bool keepalive;     /* sends NAT keepalives (RFC 3948 section 2.3): a NAT is in front of us */
    /* volume limits of each direction; 0: the limit of the algorithm */
    uint64_t soft_packets, hard_packets, soft_octets, hard_octets;
    uint32_t rank; /* against shunts (esp/shunt.h); 0: ESP_RANK_CHILD */
    /* TUN devices by number: packets from device_out are sent on the Child SA, received ones go to
     * device_in. 0: the first device */
    uint16_t device_out, device_in;
    /* first path state, as for data_plane_state(). With `replaces` the old child's state stays */
    uint32_t priority, weight;
    bool usable;
};

/* struct esp_counters - of a Child SA. Octets are of inner packets. */
struct esp_counters {
    uint64_t packets_in, octets_in, packets_out, octets_out;
    nanos last_in_ns, last_out_ns; /* 0: never; as precise as a batch */
    uint64_t replayed, auth_failed, malformed, wrong_selector, out_errors, too_big;
};

#endif
