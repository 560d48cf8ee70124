/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/esp_child.h"

#include <sched.h>
#include <stdlib.h>

#include "base/assert.h"
#include "esp/ecn.h"
#include "esp/field.h"
#include "esp/icmp.h"
#include "esp/overhead.h"
#include "esp/selector.h"
#include "esp/shunt.h"
#include "esp/transport.h"

#define SPI_RESERVED 255 /* RFC 4303 section 2.1: 0..255 are reserved */
#define SPINS_MAX    100

/* A key is renewed after this many octets, unless the configuration says otherwise. AES-GCM and
 * ChaCha20-Poly1305 allow 2^64 and 2^90 blocks; the sequence number bounds packets. */
#define HARD_PACKETS_ESN ((uint64_t)1 << 48)
#define HARD_PACKETS     ((uint64_t)UINT32_MAX) /* RFC 4303 section 3.3.3: never cycle */

static bool config_valid(const struct esp_child_config *c)
{
    return c->child != 0 && c->spi_in > SPI_RESERVED && c->spi_out > SPI_RESERVED &&
           c->replay_window <= LIMIT_REPLAY_WINDOW && c->local_ts.n > 0 && c->remote_ts.n > 0 &&
           c->local_ts.n <= ESP_TS_MAX && c->remote_ts.n <= ESP_TS_MAX &&
           /* without a window the upper half of the number cannot be inferred: RFC 4303 section
            * 3.4.3 */
           !(c->esn && c->replay_window == 0);
}

static void limits_set(struct esp_child *child, const struct esp_child_config *c)
{
    uint64_t most = c->esn ? HARD_PACKETS_ESN : HARD_PACKETS;
    child->hard_packets = c->hard_packets != 0 && c->hard_packets < most ? c->hard_packets : most;
    uint64_t soft = child->hard_packets - child->hard_packets / 8;
    child->soft_packets = c->soft_packets != 0 && c->soft_packets < soft ? c->soft_packets : soft;
    child->hard_octets = c->hard_octets != 0 ? c->hard_octets : UINT64_MAX;
    child->soft_octets = c->soft_octets != 0 ? c->soft_octets : child->hard_octets;
}

static int keys_new(struct esp_crypto *crypto, const struct esp_child_config *c,
                    struct esp_child *child)
{
    struct esp_algorithms algorithms = {c->encr, c->encr_key_bits, c->integ};
    child->key_in = esp_key_new(crypto, &algorithms, c->encr_in, c->integ_in);
    child->key_out = esp_key_new(crypto, &algorithms, c->encr_out, c->integ_out);
    return child->key_in != NULL && child->key_out != NULL ? 0 : ERR_INVALID;
}

int esp_child_new(struct esp_crypto *crypto, const struct esp_child_config *c,
                  struct esp_child **ret_child)
{
    if (!config_valid(c))
        return ERR_INVALID;
    struct esp_child *child = aligned_alloc(64, sizeof(*child));
    if (child == NULL)
        return ERR_NO_MEMORY;
    memset(child, 0, sizeof(*child));
    child->id = c->child;
    child->session = c->session;
    child->replaces = c->replaces;
    child->spi_in = c->spi_in;
    child->spi_out = c->spi_out;
    child->esn = c->esn;
    child->order = c->order;
    child->transport = c->transport;
    child->icmp = c->icmp;
    child->rank = c->rank != 0 ? c->rank : ESP_RANK_CHILD;
    child->device_out = c->device_out;
    child->device_in = c->device_in;
    child->copy_ecn = c->copy_ecn;
    child->copy_dscp_out = c->copy_dscp_out;
    child->copy_dscp_in = c->copy_dscp_in;
    child->first_selectors.local = c->local_ts;
    child->first_selectors.remote = c->remote_ts;
    atomic_store(&child->selectors, &child->first_selectors);
    atomic_flag_clear(&child->lock);
    limits_set(child, c);
    int err = keys_new(crypto, c, child);
    if (err == 0 && (child->replay = replay_window_new(c->replay_window)) == NULL)
        err = ERR_NO_MEMORY;
    if (err != 0) {
        esp_child_free(child);
        return err;
    }
    *ret_child = child;
    return 0;
}

struct esp_child *esp_child_free(struct esp_child *child)
{
    if (child == NULL)
        return NULL;
    esp_key_free(child->key_in);
    esp_key_free(child->key_out);
    free(child->replay);
    if (atomic_load(&child->selectors) != &child->first_selectors)
        free(atomic_load(&child->selectors));
    free(child);
    return NULL;
}

void esp_child_counters(const struct esp_child *child, struct esp_counters *ret_counters)
{
    uint64_t n[ESP_COUNT_ALL];
    for (unsigned i = 0; i < ESP_COUNT_ALL; i++)
        n[i] = atomic_load_explicit(&child->counts[i], memory_order_relaxed);
    *ret_counters = (struct esp_counters){
        .packets_in = n[ESP_COUNT_PACKETS_IN],
        .octets_in = n[ESP_COUNT_OCTETS_IN],
        .packets_out = n[ESP_COUNT_PACKETS_OUT],
        .octets_out = n[ESP_COUNT_OCTETS_OUT],
        .last_in_ns = (nanos)n[ESP_COUNT_LAST_IN_NS],
        .last_out_ns = (nanos)n[ESP_COUNT_LAST_OUT_NS],
        .replayed = n[ESP_COUNT_REPLAYED],
        .auth_failed = n[ESP_COUNT_AUTH_FAILED],
        .malformed = n[ESP_COUNT_MALFORMED],
        .wrong_selector = n[ESP_COUNT_WRONG_SELECTOR],
        .out_errors = n[ESP_COUNT_OUT_ERRORS],
        .too_big = n[ESP_COUNT_TOO_BIG],
    };
}

static size_t text_len(const struct esp_key *key, size_t len)
{
    size_t block = esp_block_len(key);
    return (len + 2 + block - 1) / block * block;
}

size_t esp_child_sealed_len(const struct esp_key *key, size_t len)
{
    return esp_child_text_offset(key) + text_len(key, len) + esp_icv_len(key);
}

uint16_t esp_child_inner_max(const struct esp_key *key, uint16_t mtu, bool ipv6_outer,
                             bool udp_encap)
{
    const struct esp_algorithms algorithms = esp_key_algorithms(key);
    uint16_t inner =
        esp_overhead_inner_max(esp_overhead_of(&algorithms, ipv6_outer, udp_encap, false), mtu);
    ASSERT(inner > 0);
    return inner;
}

bool esp_child_reserve(struct esp_child *child, unsigned n, uint64_t *ret_first,
                       bool *ret_crossed_soft)
{
    *ret_crossed_soft = false;
    /* `sent` may exceed the limit by the packets in flight, but never wraps: the limit is far below
     * 2^64, and `exhausted` stops sending */
    if (atomic_load_explicit(&child->exhausted, memory_order_relaxed))
        return false;
    uint64_t before = atomic_fetch_add_explicit(&child->sent, n, memory_order_relaxed);
    if (before + n > child->hard_packets) {
        atomic_store_explicit(&child->exhausted, true, memory_order_relaxed);
        return false;
    }
    *ret_crossed_soft = before < child->soft_packets && before + n >= child->soft_packets;
    *ret_first = before + 1;
    return true;
}

static uint8_t next_header(uint8_t first_octet)
{
    if (first_octet >> 4 == 6)
        return ESP_PROTO_IPV6;
    return first_octet >> 4 == 4 ? ESP_PROTO_IPV4 : ESP_PROTO_NONE;
}

int esp_child_seal_text(struct esp_crypto *crypto, struct esp_child *child, uint64_t sequence,
                        const struct esp_text *packet, const uint8_t *cbc_iv)
{
    const struct esp_key *key = child->key_out;
    uint8_t *text = packet->ptr + esp_child_text_offset(key);
    size_t text_octets = text_len(key, packet->len), pad = text_octets - packet->len - 2;
    uint8_t *trailer = text + packet->len;
    for (size_t i = 0; i < pad; i++) /* RFC 4303 section 2.4: 1, 2, 3, ... */
        trailer[i] = (uint8_t)(i + 1);
    trailer[pad] = (uint8_t)pad;
    trailer[pad + 1] = packet->next;
    field_put_u32(packet->ptr, child->spi_out);
    field_put_u32(packet->ptr + 4, (uint32_t)sequence);
    struct esp_job job = {.packet = packet->ptr,
                          .text = text,
                          .text_len = text_octets,
                          .sequence = sequence,
                          .esn = child->esn};
    return esp_seal(crypto, key, &job, cbc_iv);
}

int esp_child_seal(struct esp_crypto *crypto, struct esp_child *child, uint64_t sequence,
                   struct buffer packet, const uint8_t *cbc_iv)
{
    const uint8_t *text = packet.ptr + esp_child_text_offset(child->key_out);
    const struct esp_text whole = {packet.ptr, packet.len, next_header(text[0])};
    return esp_child_seal_text(crypto, child, sequence, &whole, cbc_iv);
}

bool esp_child_news_take(struct esp_child *child, struct esp_event *ret_event)
{
    for (int kind = ESP_EVENT_TRAFFIC; kind <= ESP_EVENT_HARD; kind++) {
        uint32_t bit = UINT32_C(1) << kind;
        if ((atomic_fetch_and(&child->news, ~bit) & bit) == 0)
            continue;
        *ret_event = (struct esp_event){.kind = (enum esp_event_kind)kind, .child = child->id};
        esp_child_lock(child);
        ret_event->endpoint = child->seen_from;
        esp_child_unlock(child);
        return true;
    }
    return false;
}

void esp_child_state_set(struct esp_child *child, uint32_t priority, uint32_t weight, bool usable)
{
    atomic_store(&child->priority, priority);
    atomic_store(&child->weight, weight);
    atomic_store(&child->usable, usable);
}

void esp_child_succeed(struct esp_child *child, const struct esp_child *old)
{
    child->flow_tag = old->flow_tag;
    esp_child_state_set(child, atomic_load(&old->priority), atomic_load(&old->weight),
                        atomic_load(&old->usable));
    atomic_store(&child->classes, atomic_load(&old->classes));
}

void esp_child_lock(struct esp_child *child)
{
    unsigned spins = 0;
    while (atomic_flag_test_and_set_explicit(&child->lock, memory_order_acquire))
        if (++spins > SPINS_MAX)
            sched_yield();
}

void esp_child_unlock(struct esp_child *child)
{
    atomic_flag_clear_explicit(&child->lock, memory_order_release);
}

/* sequence_check - before any cryptography: the packet is long enough, and the window accepts its
 * number. */
static enum esp_verdict sequence_check(const struct esp_child *child, struct esp_opened *p)
{
    const struct esp_key *key = child->key_in;
    size_t least = esp_child_text_offset(key) + esp_block_len(key) + esp_icv_len(key);
    if (p->len < least || (p->len - least) % esp_block_len(key) != 0)
        return ESP_MALFORMED;
    uint32_t low = field_u32(p->packet + 4);
    p->sequence = low;
    if (child->esn && !replay_window_extend(child->replay, low, &p->sequence))
        return ESP_REPLAYED;
    return replay_window_check(child->replay, p->sequence) ? ESP_PASS : ESP_REPLAYED;
}

static enum esp_verdict decrypt(struct esp_crypto *crypto, const struct esp_child *child,
                                const struct esp_opened *p)
{
    const struct esp_key *key = child->key_in;
    struct esp_job job = {.packet = p->packet,
                          .text_len = p->len - esp_child_text_offset(key) - esp_icv_len(key),
                          .sequence = p->sequence,
                          .esn = child->esn};
    return esp_open(crypto, key, &job) == 0 ? ESP_PASS : ESP_AUTH_FAILED;
}

/* trailer_strip - padding must be 1, 2, 3, ... (RFC 4303 section 2.4); the inner packet remains. */
static enum esp_verdict trailer_strip(const struct esp_key *key, struct esp_opened *p,
                                      uint8_t *ret_next)
{
    uint8_t *text = p->packet + esp_child_text_offset(key);
    size_t len = p->len - esp_child_text_offset(key) - esp_icv_len(key);
    size_t pad = text[len - 2];
    *ret_next = text[len - 1];
    if (pad + 2 > len)
        return ESP_MALFORMED;
    for (size_t i = 0; i < pad; i++)
        if (text[len - 2 - pad + i] != i + 1)
            return ESP_MALFORMED;
    p->packet = text;
    p->len = len - 2 - pad;
    return *ret_next == ESP_PROTO_NONE ? ESP_DUMMY : ESP_PASS;
}

/* order_take - the trailer stands in the last octets; real TFC padding may be in front of it. */
static void order_take(const struct esp_child *child, struct esp_opened *p)
{
    p->order = (struct esp_order){0};
    if (child->order && p->len >= (size_t)p->inner.total_len + ESP_ORDER_LEN)
        esp_order_read(p->packet + p->len - ESP_ORDER_LEN, &p->order);
}

/* transport_open - writes an IP header with the Child SA's addresses in front of the packet. A
 * fragment is refused: its addresses were not those of this header. */
static enum esp_verdict transport_open(const struct esp_child *child, struct esp_opened *p,
                                       uint8_t next)
{
    const struct esp_selectors *selectors = atomic_load(&child->selectors);
    const struct esp_transport transport = {.src = selectors->remote.ts[0].range.first,
                                            .dst = selectors->local.ts[0].range.first,
                                            .next = next,
                                            .tos = p->tos,
                                            .in_udp = p->in_udp};
    if (p->room == NULL)
        return ESP_MALFORMED;
    size_t len = esp_transport_restore(&transport, span_of(p->packet, p->len), p->room);
    if (len == 0 || !esp_inner_parse(span_of(p->room, len), &p->inner) || p->inner.fragment)
        return ESP_MALFORMED;
    p->packet = p->room;
    p->len = len;
    p->order = (struct esp_order){0};
    return esp_selector_in(&selectors->local, &selectors->remote, &p->inner) ? ESP_PASS
                                                                             : ESP_WRONG_SELECTOR;
}

/* related_error - RFC 4301 section 6.1.1, where the configuration says `icmp = yes`. */
static bool related_error(const struct esp_child *child, const struct esp_selectors *selectors,
                          const struct esp_opened *p)
{
    struct esp_inner related;
    return child->icmp && !address_is_any(&p->inner.src) && !address_is_loopback(&p->inner.src) &&
           !address_is_multicast(&p->inner.src) &&
           esp_icmp_related(span_of(p->packet, p->len), &p->inner, &related) &&
           esp_selector_in(&selectors->local, &selectors->remote, &related);
}

static enum esp_verdict inner_check(const struct esp_child *child, struct esp_opened *p)
{
    uint8_t next;
    enum esp_verdict verdict = trailer_strip(child->key_in, p, &next);
    if (verdict != ESP_PASS)
        return verdict;
    if (child->transport)
        return transport_open(child, p, next);
    if (!esp_inner_parse(span_of(p->packet, p->len), &p->inner) ||
        next != (p->inner.version == 6 ? ESP_PROTO_IPV6 : ESP_PROTO_IPV4) ||
        !esp_inner_ipv4_checksum_ok(p->packet))
        return ESP_MALFORMED;
    order_take(child, p);
    p->len = p->inner.total_len; /* octets behind it are TFC padding: RFC 4303 section 2.7 */
    const struct esp_selectors *selectors = atomic_load(&child->selectors);
    if (!esp_selector_in(&selectors->local, &selectors->remote, &p->inner) &&
        !related_error(child, selectors, p))
        return ESP_WRONG_SELECTOR;
    uint8_t tos;
    if (!esp_tos_in(p->inner.tos, p->tos, child->copy_ecn, child->copy_dscp_in, &tos))
        return ESP_MALFORMED;
    if (tos != p->inner.tos)
        esp_tos_rewrite(p->packet, tos);
    return ESP_PASS;
}

static void count_in(struct esp_child *child, const struct esp_opened *packets, size_t n)
{
    static const enum esp_count charged[] = {
        [ESP_REPLAYED] = ESP_COUNT_REPLAYED,
        [ESP_AUTH_FAILED] = ESP_COUNT_AUTH_FAILED,
        [ESP_MALFORMED] = ESP_COUNT_MALFORMED,
        [ESP_WRONG_SELECTOR] = ESP_COUNT_WRONG_SELECTOR,
    };
    uint64_t passed = 0, octets = 0;
    for (size_t i = 0; i < n; i++) {
        if (packets[i].verdict == ESP_PASS) {
            passed++;
            octets += packets[i].len;
        } else if (packets[i].verdict != ESP_DUMMY) {
            esp_child_count(child, charged[packets[i].verdict], 1);
        }
    }
    if (passed == 0)
        return;
    esp_child_count(child, ESP_COUNT_PACKETS_IN, passed);
    esp_child_count(child, ESP_COUNT_OCTETS_IN, octets);
}

void esp_child_open(struct esp_crypto *crypto, struct esp_child *child, struct esp_opened *packets,
                    size_t n)
{
    esp_child_lock(child);
    for (size_t i = 0; i < n; i++)
        packets[i].verdict = sequence_check(child, &packets[i]);
    esp_child_unlock(child);

    for (size_t i = 0; i < n; i++)
        if (packets[i].verdict == ESP_PASS)
            packets[i].verdict = decrypt(crypto, child, &packets[i]);

    esp_child_lock(child);
    for (size_t i = 0; i < n; i++) {
        struct esp_opened *p = &packets[i];
        if (p->verdict != ESP_PASS)
            continue;
        p->newest = p->sequence > child->replay->top;
        if (!replay_window_commit(child->replay, p->sequence))
            p->verdict = ESP_REPLAYED;
    }
    esp_child_unlock(child);

    for (size_t i = 0; i < n; i++)
        if (packets[i].verdict == ESP_PASS)
            packets[i].verdict = inner_check(child, &packets[i]);
    count_in(child, packets, n);
}
