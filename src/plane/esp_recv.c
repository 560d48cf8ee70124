/* SPDX-License-Identifier: Apache-2.0 */
/* From the wire to the TUN queue. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "esp/transport.h"
#include "plane/esp_space.h"

#define ERRORS_MAX      64 /* messages taken off an error queue at once */
#define KEEPALIVE_OCTET 0xff
#define HINT_PAUSE_NS   (10 * NANOS_PER_MS)

/* tun_of - the TUN queue of the device. NULL: the device was removed, or is not open yet. */
static const struct plane_source *tun_of(const struct plane_worker *w, uint16_t device)
{
    if (device == 0)
        return &w->tun;
    const struct plane_source *tun = atomic_load(&w->devices[device % LIMIT_DEVICES]);
    return tun != NULL && tun->device == device ? tun : NULL;
}

void plane_tun_write(struct plane_worker *w, uint16_t device, struct iovec *iov, unsigned n)
{
    const struct plane_source *tun = tun_of(w, device);
    worker_count(w, STAT_TUN_WRITES, 1);
    if (tun == NULL || tun->fd < 0 || writev(tun->fd, iov, (int)n) < 0)
        worker_count(w, STAT_TUN_ERRORS, 1);
}

void plane_frames_write(struct plane_worker *w)
{
    esp_coalesce_finish(&w->coalesce);
    for (unsigned i = 0; i < w->coalesce.n; i++) {
        struct esp_frame *frame = &w->coalesce.frames[i];
        plane_tun_write(w, frame->inner.device, frame->iov, frame->parts + 1);
    }
    esp_coalesce_reset(&w->coalesce);
}

void plane_deliver(struct plane_worker *w, uint8_t *packet, const struct esp_inner *inner)
{
    if (esp_coalesce_add(&w->coalesce, packet, inner))
        return;
    plane_frames_write(w);
    (void)esp_coalesce_add(&w->coalesce, packet, inner);
}

/* source_check - the newest authentic packet has another source address: a NAT rebinding, a peer
 * that moved, or a peer that prefers UDP. The control thread decides. */
static void source_check(struct plane_worker *w, struct esp_child *child,
                         const struct endpoint *from)
{
    const struct plane_route *route = atomic_load(&child->route);
    if (route == NULL || from->port == 0 /* not in UDP */ ||
        (route->udp_encap && endpoint_equal(&route->path.remote, from)))
        return;
    if (!esp_child_tells(&child->rebound_told, w->now))
        return; /* the control thread knows the address, and may have refused it */
    esp_child_lock(child);
    child->seen_from = *from;
    esp_child_unlock(child);
    plane_news(w->plane, child, route->udp_encap ? ESP_EVENT_REBOUND : ESP_EVENT_ENCAP);
}

static void traffic_tell(struct plane_worker *w, struct esp_child *child, uint64_t octets)
{
    atomic_store_explicit(&child->counts[ESP_COUNT_LAST_IN_NS], (uint64_t)w->now,
                          memory_order_relaxed);
    if (esp_child_tells(&child->traffic_told, w->now))
        plane_news(w->plane, child, ESP_EVENT_TRAFFIC);
    uint64_t after =
        atomic_load_explicit(&child->counts[ESP_COUNT_OCTETS_IN], memory_order_relaxed);
    if (after >= child->soft_octets && after - octets < child->soft_octets)
        plane_news(w->plane, child, ESP_EVENT_SOFT);
    if (after >= child->hard_octets && after - octets < child->hard_octets)
        plane_news(w->plane, child, ESP_EVENT_HARD);
}

static bool same_flow(const struct esp_inner *a, const struct esp_inner *b)
{
    return a->src_port == b->src_port && a->dst_port == b->dst_port && a->protocol == b->protocol &&
           address_equal(&a->src, &b->src) && address_equal(&a->dst, &b->dst);
}

/* drops_count - counts drops in the data plane: a Child SA's own counters end with it. */
static void drops_count(struct plane_worker *w, const struct esp_opened *packets, size_t n)
{
    static const enum plane_stat reasons[] = {
        [ESP_REPLAYED] = STAT_REPLAYED,
        [ESP_AUTH_FAILED] = STAT_AUTH_FAILED,
        [ESP_MALFORMED] = STAT_MALFORMED,
        [ESP_WRONG_SELECTOR] = STAT_WRONG_SELECTOR,
    };
    for (size_t i = 0; i < n; i++)
        if (packets[i].verdict != ESP_PASS && packets[i].verdict != ESP_DUMMY)
            worker_count(w, reasons[packets[i].verdict], 1);
}

/* shunts_check - drops a packet of the Child SA if a drop policy of a lower rank matches it. */
static void shunts_check(struct plane_worker *w, struct esp_child *child,
                         struct esp_opened *packets, size_t n)
{
    const struct esp_shunts *shunts = atomic_load(&w->plane->shunts);
    for (size_t i = 0; shunts != NULL && i < n; i++)
        if (packets[i].verdict == ESP_PASS &&
            esp_shunts_in(shunts, &packets[i].inner, child->rank) != NULL) {
            packets[i].verdict = ESP_WRONG_SELECTOR;
            worker_count(w, STAT_SHUNTED, 1);
        }
}

/* rooms_assign - gives packets in transport mode room for their IP header. Without memory a packet
 * is dropped. */
static void rooms_assign(struct plane_worker *w, unsigned first, unsigned last)
{
    struct plane_recv *r = &w->recv;
    if (r->rooms == NULL)
        r->rooms = malloc(PLANE_ROOMS_OCTETS);
    for (unsigned i = first; i < last; i++) {
        struct esp_opened *p = &r->packets[i];
        size_t len = p->len + ESP_TRANSPORT_ROOM;
        p->in_udp = r->from[r->message_of[i]].port != 0;
        if (r->rooms == NULL || len > PLANE_ROOMS_OCTETS - r->rooms_used)
            continue;
        p->room = r->rooms + r->rooms_used;
        r->rooms_used += len;
    }
}

/* run_open - opens packets first..last, which belong to one Child SA. */
static void run_open(struct plane_worker *w, unsigned first, unsigned last)
{
    struct plane_recv *r = &w->recv;
    struct esp_child *child = r->children[first];
    if (child->transport)
        rooms_assign(w, first, last);
    esp_child_open(w->crypto, child, r->packets + first, last - first);
    const struct esp_inner *learned = NULL;
    drops_count(w, r->packets + first, last - first);
    shunts_check(w, child, r->packets + first, last - first);
    bool authentic = false;
    uint64_t octets = 0;
    for (unsigned i = first; i < last; i++) {
        struct esp_opened *p = &r->packets[i];
        if (p->verdict == ESP_DUMMY || p->verdict == ESP_PASS) {
            authentic = true;
            if (p->newest)
                source_check(w, child, &r->from[r->message_of[i]]);
        }
        if (p->verdict != ESP_PASS)
            continue;
        octets += p->len;
        p->inner.device = child->device_out; /* the flow's answers leave there */
        if (learned == NULL || !same_flow(learned, &p->inner)) {
            flow_table_learn(w->plane->flows, esp_flow_hash(w->plane->hash_key, &p->inner, true),
                             child->flow_tag, w->now);
            learned = &p->inner;
        }
        p->inner.device = child->device_in;
        if (child->space == NULL)
            plane_deliver(w, p->packet, &p->inner);
    }
    if (child->space != NULL)
        plane_space_recv(w, child, r->packets + first, last - first);
    if (authentic)
        traffic_tell(w, child, octets);
}

/* batch_open - opens the packets of a batch. Their octets stay in use until batches_end(). */
static void batch_open(struct plane_worker *w)
{
    struct plane_recv *r = &w->recv;
    for (unsigned first = 0, last; first < r->n; first = last) {
        for (last = first + 1; last < r->n && r->children[last] == r->children[first];)
            last++;
        run_open(w, first, last);
    }
    r->n = 0;
    r->n_messages = 0;
}

static void batches_end(struct plane_worker *w)
{
    plane_frames_write(w);
    w->recv.rooms_used = 0;
    w->recv.used = 0;
}

/* hint - reports a packet that may be forged, at a bounded rate. */
static void hint(struct plane_worker *w, enum esp_event_kind kind, const struct endpoint *from,
                 uint32_t spi)
{
    nanos *last = &w->hinted_ns[kind == ESP_EVENT_STRAY];
    if (w->now - *last < HINT_PAUSE_NS)
        return;
    *last = w->now;
    plane_hint_put(w->plane, &(struct plane_hint){.kind = kind, .from = *from, .spi = spi});
}

/* packet_queue - takes ESP with and without UDP, no matter which form we send (RFC 7296 section
 * 2.23). */
static void packet_queue(struct plane_worker *w, struct buffer packet, uint8_t tos)
{
    struct plane_recv *r = &w->recv;
    if (packet.len < ESP_HEADER_LEN) {
        worker_count(w, STAT_RUNT, 1);
        return;
    }
    uint32_t spi = (uint32_t)packet.ptr[0] << 24 | (uint32_t)packet.ptr[1] << 16 |
                   (uint32_t)packet.ptr[2] << 8 | packet.ptr[3];
    struct esp_child *child = esp_policy_spi(w->plane->policy, spi);
    if (child == NULL) {
        worker_count(w, STAT_UNKNOWN_SPI, 1);
        hint(w, ESP_EVENT_STRAY, &r->from[r->n_messages - 1], spi);
        return;
    }
    if (r->n == PLANE_RECV_PACKETS) {
        worker_count(w, STAT_QUEUE_FULL, 1);
        return;
    }
    r->packets[r->n] = (struct esp_opened){.packet = packet.ptr, .len = packet.len, .tos = tos};
    r->children[r->n] = child;
    r->message_of[r->n] = (uint8_t)(r->n_messages - 1);
    r->n++;
}

/* datagram_sort - RFC 3948 section 2: ESP, IKE behind four zero octets, or a keepalive. */
static void datagram_sort(struct plane_worker *w, const struct plane_source *source,
                          struct buffer datagram, const struct packet_info *info)
{
    static const uint8_t marker[4];
    if (datagram.len == 1 && datagram.ptr[0] == KEEPALIVE_OCTET) {
        worker_count(w, STAT_KEEPALIVES_IN, 1);
        return;
    }
    if (datagram.len < sizeof(marker) || memcmp(datagram.ptr, marker, sizeof(marker)) != 0) {
        packet_queue(w, datagram, info->tos);
        return;
    }
    worker_count(w, STAT_IKE_IN, 1);
    struct esp_path path = {.local = {.address = info->local, .port = source->port},
                            .remote = w->recv.from[w->recv.n_messages - 1],
                            .interface = info->interface};
    struct span message = span_of(datagram.ptr + sizeof(marker), datagram.len - sizeof(marker));
    if (!plane_ike_put(w->plane, &path, message))
        worker_count(w, STAT_QUEUE_FULL, 1);
}

/* message_split - UDP_GRO hands several datagrams over as one. */
static void message_split(struct plane_worker *w, const struct plane_source *source,
                          struct buffer message, const struct packet_info *info)
{
    size_t segment = info->segment != 0 ? info->segment : message.len;
    for (size_t at = 0; at < message.len; at += segment) {
        size_t left = message.len - at;
        struct buffer datagram = {message.ptr + at, left < segment ? left : segment};
        if (source->kind == SOURCE_UDP)
            datagram_sort(w, source, datagram, info);
        else
            packet_queue(w, datagram, info->tos);
    }
}

/* ipv4_strip - raw IPv4 sockets deliver the IP header. false: too short. */
static bool ipv4_strip(struct buffer *message)
{
    size_t len = message->len > 0 ? (message->ptr[0] & 15u) * 4u : 0;
    if (len < IPV4_HEADER_LEN || message->len < len)
        return false;
    message->ptr += len;
    message->len -= len;
    return true;
}

static void slot_prepare(struct plane_slot *slot, struct msghdr *message, uint8_t *octets)
{
    slot->iov = (struct iovec){octets, PLANE_RECV_OCTETS};
    *message = (struct msghdr){.msg_name = &slot->from,
                               .msg_namelen = sizeof(slot->from),
                               .msg_iov = &slot->iov,
                               .msg_iovlen = 1,
                               .msg_control = slot->control,
                               .msg_controllen = sizeof(slot->control)};
}

/* message_take - `n` octets that arrived in the slot. */
static void message_take(struct plane_worker *w, const struct plane_source *source,
                         struct plane_slot *slot, struct msghdr *message, size_t n)
{
    struct plane_recv *r = &w->recv;
    struct buffer octets = {slot->iov.iov_base, n};
    struct packet_info info;
    packet_info_read(message, &info);
    if ((message->msg_flags & MSG_TRUNC) != 0 ||
        !endpoint_from_sockaddr(&slot->from, &r->from[r->n_messages]) ||
        (source->kind == SOURCE_RAW4 && !ipv4_strip(&octets))) {
        worker_count(w, STAT_RUNT, 1);
        return;
    }
    r->n_messages++;
    message_split(w, source, octets, &info);
}

/* udp_read - reads one message into the batch. false: none. */
static bool udp_read(struct plane_worker *w, const struct plane_source *source)
{
    struct plane_recv *r = &w->recv;
    struct msghdr *message = &r->messages[0].msg_hdr;
    slot_prepare(&r->slots[0], message, r->octets + r->used);
    ssize_t n = recvmsg(source->fd, message, MSG_DONTWAIT);
    if (n < 0)
        return false;
    worker_count(w, STAT_RECVS, 1);
    message_take(w, source, &r->slots[0], message, (size_t)n);
    r->used += ((size_t)n + 63) / 64 * 64;
    return true;
}

/* udp_batch_read - reads messages until they are as long as one super-packet. false: the socket has
 * no more. */
static bool udp_batch_read(struct plane_worker *w, const struct plane_source *source)
{
    const struct plane_recv *r = &w->recv;
    size_t most = r->used + PLANE_RECV_OCTETS;
    bool more = true;
    while (more && r->n_messages < PLANE_RECV_MESSAGES && r->used < most &&
           r->n + PLANE_SEND_SEGMENTS <= PLANE_RECV_PACKETS) {
        more = udp_read(w, source);
        /* an ICMP error of an earlier packet is reported in between, and does not end the loop */
        if (!more && errno != EAGAIN && errno != EINTR)
            plane_socket_errors(w, source);
    }
    return more;
}

static_assert(PLANE_DRAIN_OCTETS + 2 * PLANE_RECV_OCTETS <= PLANE_RAW_MESSAGES * PLANE_RAW_STRIDE,
              "all messages of a drain have room");

/* udp_drain - the peer's super-packet fills more than one message. The next message arrives while this
 * worker opens the packets of the first, so that both become one frame. */
static void udp_drain(struct plane_worker *w, const struct plane_source *source)
{
    bool more = true;
    while (more && w->recv.used < PLANE_DRAIN_OCTETS) {
        more = udp_batch_read(w, source);
        batch_open(w);
    }
    batches_end(w);
}

static void raw_drain(struct plane_worker *w, const struct plane_source *source)
{
    struct plane_recv *r = &w->recv;
    for (size_t i = 0; i < PLANE_RAW_MESSAGES; i++)
        slot_prepare(&r->slots[i], &r->messages[i].msg_hdr, r->octets + i * PLANE_RAW_STRIDE);
    int n = recvmmsg(source->fd, r->messages, PLANE_RAW_MESSAGES, MSG_DONTWAIT, NULL);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        plane_socket_errors(w, source);
    worker_count(w, STAT_RECVS, 1);
    for (int i = 0; i < n; i++)
        message_take(w, source, &r->slots[i], &r->messages[i].msg_hdr, r->messages[i].msg_len);
    batch_open(w);
    batches_end(w);
}

void plane_socket_drain(struct plane_worker *w, const struct plane_source *source)
{
    if (source->kind == SOURCE_UDP)
        udp_drain(w, source);
    else
        raw_drain(w, source);
}

void plane_socket_errors(struct plane_worker *w, const struct plane_source *source)
{
    struct socket_error error;
    for (int i = 0; i < ERRORS_MAX && socket_error_next(source->fd, &error); i++) {
        struct plane_mtu_report report = {.remote = error.remote.address, .mtu = error.mtu};
        if (error.mtu != 0)
            plane_mtu_put(w->plane, &report);
        else if (error.unreachable)
            hint(w, ESP_EVENT_UNREACHABLE, &error.remote, 0);
    }
}
