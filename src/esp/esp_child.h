/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CHILD_H
#define ESP_CHILD_H

/*
 * A Child SA as workers see it. The control thread creates and frees it. Meanwhile all threads use
 * it, so each member is atomic, under `lock`, or constant after esp_child_new.
 */

#include "base/retired.h"
#include "crypto/esp_cipher.h"
#include "esp/data_plane.h"
#include "esp/inner_packet.h"
#include "esp/order_trailer.h"
#include "esp/replay_window.h"

/* counters of struct esp_counters that workers add to */
enum esp_count {
    ESP_COUNT_PACKETS_IN,
    ESP_COUNT_OCTETS_IN,
    ESP_COUNT_PACKETS_OUT,
    ESP_COUNT_OCTETS_OUT,
    ESP_COUNT_LAST_IN_NS,
    ESP_COUNT_LAST_OUT_NS,
    ESP_COUNT_REPLAYED,
    ESP_COUNT_AUTH_FAILED,
    ESP_COUNT_MALFORMED,
    ESP_COUNT_WRONG_SELECTOR,
    ESP_COUNT_OUT_ERRORS,
    ESP_COUNT_TOO_BIG,
    ESP_COUNT_ALL,
};

struct esp_bundle; /* policy.c */

/* struct esp_selectors - immutable; esp_policy_reselect replaces the whole struct. */
struct esp_selectors {
    struct retired retired; /* first: free() takes it */
    struct esp_ts_list local, remote;
};

struct esp_child {
    esp_child_id id;
    esp_session_id session;
    esp_child_id replaces;
    uint16_t flow_tag; /* identifies it to the flow table; a rekey keeps it; never 0 */
    uint32_t spi_in, spi_out;
    struct esp_key *key_in, *key_out; /* owned */
    bool esn, copy_ecn, copy_dscp_out, copy_dscp_in;
    uint32_t rank; /* against shunts */
    uint16_t device_out, device_in;
    bool transport;               /* esp/transport.h */
    bool icmp;                    /* accepts ICMP errors about its packets */
    bool order;                   /* every packet has an order trailer, in both directions */
    void *space;                  /* the order space, which the layer above owns; NULL: none */
    struct esp_child *space_next; /* of the layer above */
    struct esp_selectors first_selectors;
    _Atomic(struct esp_selectors *) selectors;                     /* those, or owned */
    uint64_t soft_packets, hard_packets, soft_octets, hard_octets; /* UINT64_MAX: none */

    /* path state, written by the control thread */
    _Atomic uint32_t priority, weight;
    _Atomic bool usable;
    _Atomic uint16_t classes;   /* bits: the classes of traffic that may take its path */
    _Atomic uint16_t inner_max; /* largest inner packet that fits the outer path */
    /* of the layer above: addresses and sockets; the object never changes */
    _Atomic(void *) route;

    /* sending */
    _Alignas(64) _Atomic uint64_t sent; /* sequence numbers given out so far */
    _Atomic bool exhausted;             /* the hard limit is reached: it sends no more packets */

    /* receiving */
    _Alignas(64)
        /* guards `replay` and `seen_from`; rarely contended when the SPI names the worker */
        atomic_flag lock;
    struct replay_window *replay; /* owned */
    /* source of the newest packet, if it was not the route's address */
    struct endpoint seen_from;

    _Alignas(64) _Atomic uint64_t counts[ESP_COUNT_ALL];

    /* news for the control thread */
    _Atomic uint32_t news;       /* bits 1 << enum esp_event_kind */
    _Atomic nanos traffic_told;  /* when traffic was reported last */
    _Atomic nanos rebound_told;  /* when another source address was reported last */
    _Atomic bool news_queued;    /* it is in the queue of news */
    struct esp_child *news_next; /* owned by the queue */

    /* for the policy's writer */
    struct esp_bundle *bundle; /* group in which it sends; NULL: it only receives */
    struct esp_child *session_next, **session_link;

    struct retired retired; /* of the layer above, when it was removed */
};

/* esp_child_new - expands the keys with `crypto`. ERR_INVALID: algorithms, key lengths, window,
 * SPI; ERR_NO_MEMORY. */
int esp_child_new(struct esp_crypto *crypto, const struct esp_child_config *config,
                  struct esp_child **ret_child) MUST_USE;
struct esp_child *esp_child_free(struct esp_child *child); /* wipes; takes NULL; returns NULL */

void esp_child_counters(const struct esp_child *child, struct esp_counters *ret_counters);

static inline void esp_child_count(struct esp_child *child, enum esp_count which, uint64_t n)
{
    atomic_fetch_add_explicit(&child->counts[which], n, memory_order_relaxed);
}

/* esp_child_inner_max - the largest inner packet that fits an outer packet of `mtu` octets, without an
 * order trailer. */
uint16_t esp_child_inner_max(const struct esp_key *key, uint16_t mtu, bool ipv6_outer,
                             bool udp_encap);

/* esp_mtu_clamp - the MTU to use for an outer path: 1500 for 0, and at least the minimum of the IP
 * version (RFC 791, RFC 8200 section 5). */
static inline uint16_t esp_mtu_clamp(uint16_t mtu, bool ipv6_outer)
{
    uint16_t least = ipv6_outer ? 1280 : 576;
    mtu = mtu != 0 ? mtu : 1500;
    return mtu < least ? least : mtu;
}

/* esp_child_state_set - health and rank of its path (data_plane_state). esp_child_succeed - a rekey keeps
 * the path, so the child takes over the state and the flow tag of the one that it replaces. */
void esp_child_state_set(struct esp_child *child, uint32_t priority, uint32_t weight, bool usable);
void esp_child_succeed(struct esp_child *child, const struct esp_child *old);

/* esp_child_can_send - its path is usable and its limits are not reached. */
static inline bool esp_child_can_send(const struct esp_child *child)
{
    return atomic_load_explicit(&child->usable, memory_order_relaxed) &&
           !atomic_load_explicit(&child->exhausted, memory_order_relaxed);
}

/* --- sealing --- */

/* esp_child_text_offset - octets before the inner packet: ESP header and IV. */
static inline size_t esp_child_text_offset(const struct esp_key *key)
{
    return ESP_HEADER_LEN + esp_iv_len(key);
}

/* esp_child_sealed_len - octets of the ESP packet that carries an inner packet of `len`. */
size_t esp_child_sealed_len(const struct esp_key *key, size_t len);

/*
 * esp_child_reserve - reserves `n` sequence numbers from *ret_first on. false: they would pass the
 * hard limit or wrap (RFC 4303 section 3.3.3). *ret_crossed_soft, *ret_crossed_hard: this call
 * reached that limit of packets.
 */
bool esp_child_reserve(struct esp_child *child, unsigned n, uint64_t *ret_first,
                       bool *ret_crossed_soft);

/*
 * esp_child_seal - `packet` has the inner packet of `len` octets at esp_child_text_offset() and
 * room for esp_child_sealed_len(); writes header, trailer, and encrypts. `cbc_iv`: 16 unpredictable
 * octets, used by CBC. A text that is neither IPv4 nor IPv6 becomes a dummy packet (RFC 4303
 * section 2.6).
 */
struct esp_text {
    uint8_t *ptr; /* the ESP packet */
    size_t len;   /* octets of the text */
    uint8_t next; /* its next header */
};
int esp_child_seal_text(struct esp_crypto *crypto, struct esp_child *child, uint64_t sequence,
                        const struct esp_text *packet, const uint8_t *cbc_iv) MUST_USE;
int esp_child_seal(struct esp_crypto *crypto, struct esp_child *child, uint64_t sequence,
                   struct buffer packet, const uint8_t *cbc_iv) MUST_USE;

/* --- opening --- */

/* The fate of one received packet. */
enum esp_verdict {
    ESP_PASS,
    ESP_DUMMY,    /* next header 59: authentic, and dropped silently */
    ESP_REPLAYED, /* outside of the window, already seen, or sequence number 0 */
    ESP_AUTH_FAILED,
    /* too short for ESP; or authentic, with invalid padding, next header or inner header */
    ESP_MALFORMED,
    ESP_WRONG_SELECTOR, /* authentic, but not for this Child SA: RFC 4301 section 5.2 */
};

struct esp_opened {
    uint8_t *packet; /* in: the ESP packet; out: the inner packet, inside of it */
    size_t len;      /* in, out */
    uint8_t tos;     /* in: of the outer header */
    bool in_udp;     /* in: it arrived in UDP; transport mode only */
    /* in, transport mode only: room for `len` octets and ESP_TRANSPORT_ROOM, where the inner packet
     * is written */
    uint8_t *room;
    bool newest;              /* out: its sequence number is higher than all before */
    enum esp_verdict verdict; /* out */
    uint64_t sequence;        /* of esp_child_open */
    struct esp_inner inner;   /* out, with ESP_PASS */
    struct esp_order order;   /* out, with ESP_PASS; not `present` unless agreed on */
};

/* esp_child_open - decrypts `n` packets of one Child SA in place and judges each. The replay window
 * moves only after the ICV passed. */
void esp_child_open(struct esp_crypto *crypto, struct esp_child *child, struct esp_opened *packets,
                    size_t n);

/* esp_child_tells - news of a kind is due: it was never told (0), or a second ago. Then *told becomes `now`. */
static inline bool esp_child_tells(_Atomic nanos *told, nanos now)
{
    nanos last = atomic_load_explicit(told, memory_order_relaxed);
    if (last != 0 && now - last < NANOS_PER_SEC)
        return false;
    atomic_store_explicit(told, now, memory_order_relaxed);
    return true;
}

/* esp_child_news_take - removes the first item from `news`, and makes an event of it. false: no
 * item. */
bool esp_child_news_take(struct esp_child *child, struct esp_event *ret_event);

/* esp_child_lock - for `seen_from`. Held for a few instructions. */
void esp_child_lock(struct esp_child *child);
void esp_child_unlock(struct esp_child *child);

#endif
