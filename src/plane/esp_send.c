/* SPDX-License-Identifier: Apache-2.0 */
/* From the TUN queue to the wire. */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/rate.h"
#include "esp/ecn.h"
#include "esp/icmp.h"
#include "esp/transport.h"
#include "plane/esp_space.h"

#define ACQUIRE_PAUSE_NS (10 * NANOS_PER_MS)
/* how long to wait for room in a full socket buffer before packets are dropped */
#define SEND_WAIT_MS       2
#define TOO_BIG_PER_SECOND 100 /* ICMP messages of each worker */

/* send_message - fills in everything but the octets. */
static void send_message(const struct plane_send *s, uint16_t segment,
                         struct sockaddr_storage *remote, uint8_t *control,
                         struct msghdr *ret_message)
{
    const struct plane_route *route = s->route;
    struct packet_info info = {.local = route->path.local.address,
                               .interface = route->path.interface,
                               .tos = s->tos,
                               .segment = segment};
    *remote = route->remote;
    *ret_message = (struct msghdr){
        .msg_name = remote, .msg_namelen = route->remote_len, .msg_control = control};
    packet_info_write(ret_message, route->family, &info);
}

/* wait_room - waits for room in the full socket buffer. A short wait costs less than lost
 * packets. */
static bool wait_room(int fd)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    return (errno == EAGAIN || errno == ENOBUFS) && poll(&room, 1, SEND_WAIT_MS) == 1;
}

/* past_error - the kernel reports an ICMP error of an earlier packet once, on the next call. */
static bool past_error(void)
{
    return errno != EAGAIN && errno != ENOBUFS && errno != EMSGSIZE && errno != EINVAL &&
           errno != EIO;
}

static bool send_segmented(const struct plane_worker *w, const struct plane_send *s)
{
    struct sockaddr_storage remote;
    _Alignas(struct cmsghdr) uint8_t control[PACKET_INFO_CONTROL];
    struct msghdr message;
    struct iovec iov = {s->octets, s->len};
    int fd = s->route->fds[w->index];
    send_message(s, (uint16_t)s->segment, &remote, control, &message);
    message.msg_iov = &iov;
    message.msg_iovlen = 1;
    for (int i = 0; i < 3; i++)
        if (sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return true;
        else if (!past_error() && !wait_room(fd))
            return false;
    return false;
}

static void refused_tell(struct plane_worker *w, const struct plane_send *s)
{
    const struct plane_route *route = s->route;
    size_t headers = (route->family == AF_INET6 ? IPV6_HEADER_LEN : IPV4_HEADER_LEN) +
                     (route->udp_encap ? 8u : 0u);
    plane_mtu_put(w->plane, &(struct plane_mtu_report){.remote = route->path.remote.address,
                                                       .failed = (uint32_t)(s->segment + headers)});
}

/* send_singly - sends packet by packet: raw ESP has no segmentation, and a device or a narrower
 * path may refuse it. true: all were sent. */
static bool send_singly(struct plane_worker *w, const struct plane_send *s)
{
    struct sockaddr_storage remote;
    _Alignas(struct cmsghdr) uint8_t control[PACKET_INFO_CONTROL];
    struct mmsghdr *messages = w->send_messages;
    struct msghdr message;
    int fd = s->route->fds[w->index];
    unsigned done = 0, tries = 0, n = s->n;
    bool lost = false;
    send_message(s, 0, &remote, control, &message);
    for (unsigned i = 0; i < n; i++) {
        size_t at = i * s->segment;
        w->send_iov[i] = (struct iovec){s->octets + at, i + 1 < n ? s->segment : s->len - at};
        messages[i].msg_hdr = message;
        messages[i].msg_hdr.msg_iov = &w->send_iov[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    while (done < n) {
        worker_count(w, STAT_SENDS, 1);
        int sent = sendmmsg(fd, messages + done, n - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            done += (unsigned)sent;
            tries = 0;
            continue;
        }
        if (++tries < 3 && (past_error() || wait_room(fd)))
            continue;
        if (errno == EMSGSIZE)
            refused_tell(w, s);
        worker_count(w, STAT_SEND_ERRORS, 1);
        esp_child_count(s->child, ESP_COUNT_OUT_ERRORS, 1);
        done++; /* this one is lost */
        lost = true;
        tries = 0;
    }
    return !lost;
}

void plane_send_flush(struct plane_worker *w)
{
    struct plane_send *s = &w->send;
    if (s->child == NULL)
        return;
    if (s->route->udp_encap && s->n > 1) {
        worker_count(w, STAT_SENDS, 1);
        if (!send_segmented(w, s)) {
            if (errno == EINVAL || errno == EIO || errno == EMSGSIZE) {
                /* they pass in fragments, so their size was the reason */
                if (send_singly(w, s))
                    refused_tell(w, s);
            } else {
                worker_count(w, STAT_SEND_ERRORS, 1);
                esp_child_count(s->child, ESP_COUNT_OUT_ERRORS, s->n);
            }
        }
    } else {
        (void)send_singly(w, s);
    }
    s->child = NULL;
    s->n = 0;
    s->len = 0;
    s->closed = false;
}

uint8_t *plane_send_room(struct plane_worker *w, struct esp_child *child, uint8_t tos, size_t len)
{
    struct plane_send *s = &w->send;
    const struct plane_route *route = atomic_load(&child->route);
    if (s->child != NULL &&
        (s->child != child || s->route != route || s->tos != tos || s->closed || len > s->segment ||
         s->n == PLANE_SEND_SEGMENTS || s->len + len > PLANE_SEND_OCTETS))
        plane_send_flush(w);
    if (s->child == NULL) {
        s->child = child;
        s->route = route;
        s->tos = tos;
        s->segment = len;
    }
    return s->octets + s->len;
}

void plane_send_added(struct plane_send *s, size_t len)
{
    s->closed = len < s->segment;
    s->len += len;
    s->n++;
}

const uint8_t *plane_iv_next(struct plane_worker *w)
{
    if (w->ivs_left == 0) {
        random_fill(w->plane->random, w->iv_pool, sizeof(w->iv_pool));
        w->ivs_left = sizeof(w->iv_pool) / 16;
    }
    return w->iv_pool + 16 * --w->ivs_left;
}

/* limits_check - tells the control thread when octets passed a limit in this step. */
static void limits_check(struct plane_worker *w, struct esp_child *child, uint64_t before,
                         uint64_t octets)
{
    uint64_t after = before + octets;
    if (before < child->soft_octets && after >= child->soft_octets)
        plane_news(w->plane, child, ESP_EVENT_SOFT);
    if (after >= child->hard_octets && before < child->hard_octets) {
        atomic_store(&child->exhausted, true);
        plane_news(w->plane, child, ESP_EVENT_HARD);
    }
}

void plane_send_count(struct plane_worker *w, struct esp_child *child, uint64_t packets,
                      uint64_t octets)
{
    esp_child_count(child, ESP_COUNT_PACKETS_OUT, packets);
    atomic_store_explicit(&child->counts[ESP_COUNT_LAST_OUT_NS], (uint64_t)w->now,
                          memory_order_relaxed);
    uint64_t before = atomic_fetch_add_explicit(&child->counts[ESP_COUNT_OCTETS_OUT], octets,
                                                memory_order_relaxed);
    limits_check(w, child, before, octets);
}

/* text_of - the packet that starts at the place of the text. */
static struct esp_text text_of(const struct esp_child *child, uint8_t *packet, size_t len)
{
    uint8_t *text = packet + esp_child_text_offset(child->key_out);
    struct esp_text whole = {packet, len, text[0] >> 4 == 6 ? ESP_PROTO_IPV6 : ESP_PROTO_IPV4};
    if (child->transport)
        whole.len = esp_transport_strip(text, len, &whole.next);
    return whole;
}

/* segments_send - seals all packets of a frame. */
static void segments_send(struct plane_worker *w, struct esp_child *child,
                          struct esp_segments *segments, uint8_t tos)
{
    const struct esp_key *key = child->key_out;
    uint64_t sequence, octets = 0, packets = 0;
    bool soft;
    if (!esp_child_reserve(child, segments->count, &sequence, &soft)) {
        plane_news(w->plane, child, ESP_EVENT_HARD);
        worker_count(w, STAT_NOT_USABLE, 1);
        return;
    }
    if (soft)
        plane_news(w->plane, child, ESP_EVENT_SOFT);
    bool cbc = esp_block_len(key) > 4;
    const struct esp_order unordered = {.no_hold = true, .time = esp_order_time(w->now)};
    size_t trailer = child->order ? ESP_ORDER_LEN : 0;
    bool v6 = segments->frame[0] >> 4 == 6;
    /* transport mode leaves the IP header out */
    size_t header = v6 ? IPV6_HEADER_LEN : IPV4_HEADER_LEN;
    header = child->transport ? header : 0;
    for (size_t len; (len = esp_segments_next_len(segments)) != 0; sequence++) {
        size_t sealed = esp_child_sealed_len(key, len + trailer - header);
        uint8_t *packet = plane_send_room(w, child, tos, sealed);
        esp_segments_next(segments, packet + esp_child_text_offset(key));
        if (trailer != 0)
            esp_order_write(packet + esp_child_text_offset(key) + len, &unordered);
        struct esp_text text = text_of(child, packet, len + trailer);
        const uint8_t *iv = cbc ? plane_iv_next(w) : NULL;
        if (esp_child_seal_text(w->crypto, child, sequence, &text, iv) != 0) {
            esp_child_count(child, ESP_COUNT_OUT_ERRORS, 1);
            if (w->send.n == 0)
                w->send.child = NULL;
            continue;
        }
        plane_send_added(&w->send, sealed);
        octets += len;
        packets++;
    }
    plane_send_count(w, child, packets, octets);
}

static void too_big_answer(struct plane_worker *w, struct esp_child *child, struct span frame,
                           const struct esp_inner *inner, uint16_t inner_max)
{
    esp_child_count(child, ESP_COUNT_TOO_BIG, 1);
    if (!rate_second(&w->too_big_ns, TOO_BIG_PER_SECOND, w->now))
        return;
    uint8_t answer[ESP_ICMP_MAX];
    struct esp_vnet vnet = {0};
    /* RFC 8200 section 5: no link may be narrower than 1280 */
    uint16_t mtu = inner->version == 6 && inner_max < 1280 ? 1280 : inner_max;
    struct iovec iov[2] = {{&vnet, sizeof(vnet)},
                           {answer, esp_icmp_too_big(frame, inner, mtu, answer)}};
    if (iov[1].iov_len == 0)
        return;
    worker_count(w, STAT_TOO_BIG_SENT, 1);
    plane_tun_write(w, inner->device, iov, 2);
}

/* own_packet - our own ESP or IKE packet, which a wrong route sent into the tunnel. It would circle
 * for ever. */
static bool own_packet(const struct plane_route *route, const struct esp_inner *inner)
{
    return address_equal(&inner->dst, &route->path.remote.address) &&
           (inner->protocol == IPPROTO_ESP ||
            (inner->protocol == ESP_PROTO_UDP && inner->dst_port == route->path.remote.port));
}

/* link_of_its_own - the device is a link between two routers. So packets of routing daemons, from
 * link-local addresses and to multicast groups, are for the peer. The first device is no such
 * link. */
static bool link_of_its_own(const struct esp_inner *inner)
{
    return inner->device != 0;
}

static bool leaves_the_link(const struct esp_inner *inner)
{
    bool local = address_is_link_local(&inner->dst) || address_is_link_local(&inner->src);
    return (!local || link_of_its_own(inner)) && !address_is_loopback(&inner->src) &&
           !address_is_loopback(&inner->dst) && !address_is_any(&inner->src);
}

/* acquire - no Child SA takes the packet: reports it if ESP_EVENT_ACQUIRE is on. */
static void acquire(struct plane_worker *w, const struct esp_inner *inner)
{
    if (!atomic_load_explicit(&w->plane->acquire, memory_order_relaxed) ||
        address_is_multicast(&inner->dst) || !leaves_the_link(inner) ||
        w->now - w->acquired_ns < ACQUIRE_PAUSE_NS)
        return;
    w->acquired_ns = w->now;
    const struct esp_acquire wanted = {inner->src,      inner->dst,      inner->src_port,
                                       inner->dst_port, inner->protocol, inner->device};
    plane_acquire_put(w->plane, &wanted);
}

/* shunted - a pass or drop policy has a lower rank than the group (NULL: no group). A packet with a
 * pass policy arrives here only if the host has no other route for it. */
static bool shunted(const struct plane_worker *w, const struct esp_inner *inner,
                    const struct esp_group *group)
{
    const struct esp_shunts *shunts = atomic_load(&w->plane->shunts);
    return shunts != NULL &&
           esp_shunts_out(shunts, inner, group == NULL ? UINT32_MAX : group->rank) != NULL;
}

/* related_group - the group whose Child SAs take this ICMP error (`icmp = yes`). */
static const struct esp_group *related_group(const struct plane_worker *w, struct span packet,
                                             const struct esp_inner *inner)
{
    struct esp_inner related;
    if (!leaves_the_link(inner) || !esp_icmp_related(packet, inner, &related))
        return NULL;
    const struct esp_group *group = esp_policy_group(w->plane->policy, &related);
    return group != NULL && group->icmp ? group : NULL;
}

static struct esp_child *child_choose(struct plane_worker *w, struct span packet,
                                      const struct esp_inner *inner,
                                      const struct esp_group **ret_group, int *ret_class)
{
    const struct esp_group *group =
        leaves_the_link(inner) ? esp_policy_group(w->plane->policy, inner) : NULL;
    /* multicast, for example of routing daemons, is sent only where a selector names it */
    if (group != NULL && address_is_multicast(&inner->dst) && !link_of_its_own(inner) &&
        !esp_group_multicast(group, &inner->dst))
        group = NULL;
    if (group == NULL)
        group = related_group(w, packet, inner);
    *ret_group = group;
    if (shunted(w, inner, group)) {
        worker_count(w, STAT_SHUNTED, 1);
        return NULL;
    }
    if (group == NULL) {
        worker_count(w, STAT_NO_POLICY, 1);
        acquire(w, inner);
        return NULL;
    }
    uint64_t hash = 0;
    struct flow_origin origin = {0};
    if (group->n > 1) {
        hash = esp_flow_hash(w->plane->hash_key, inner, false);
        if (group->follow)
            origin = flow_table_find(w->plane->flows, hash, w->now);
    }
    *ret_class = esp_group_class(group, inner);
    struct esp_child *child = esp_group_choose_class(group, *ret_class, hash, origin);
    const struct plane_route *route = child != NULL ? atomic_load(&child->route) : NULL;
    if (route == NULL || own_packet(route, inner)) {
        worker_count(w, STAT_NOT_USABLE, 1);
        return NULL;
    }
    return child;
}

static void frame_send(struct plane_worker *w, const struct esp_vnet *vnet, struct buffer frame,
                       uint16_t device)
{
    struct esp_inner inner;
    if (!esp_inner_parse(span_of(frame.ptr, frame.len), &inner)) {
        worker_count(w, STAT_BAD_INNER, 1);
        return;
    }
    inner.device = device;
    inner.segment_len = esp_segment_len(vnet, span_of(frame.ptr, frame.len), &inner);
    const struct esp_group *group;
    int class = ESP_CLASS_NONE;
    struct esp_child *child =
        child_choose(w, span_of(frame.ptr, frame.len), &inner, &group, &class);
    if (child == NULL)
        return;
    if (child->transport && !esp_transport_fits(&inner)) {
        esp_child_count(child, ESP_COUNT_OUT_ERRORS, 1);
        return;
    }
    enum esp_mode mode = plane_space_mode(group, child, class);
    uint16_t inner_max = esp_aggregate_orders(mode)
                             ? plane_space_inner_max(group)
                             : atomic_load_explicit(&child->inner_max, memory_order_relaxed);
    struct esp_segments segments;
    enum esp_segment_plan plan = esp_segments_begin(&segments, vnet, frame, &inner, inner_max);
    if (plan == ESP_SEGMENT_OK && child->transport && segments.split == ESP_SPLIT_FRAGMENT)
        plan = ESP_SEGMENT_TOO_BIG; /* transport mode carries no fragments */
    switch (plan) {
    case ESP_SEGMENT_OK: break;
    case ESP_SEGMENT_TOO_BIG:
        too_big_answer(w, child, span_of(frame.ptr, frame.len), &inner, inner_max);
        return;
    case ESP_SEGMENT_INVALID: worker_count(w, STAT_BAD_INNER, 1); return;
    }
    struct plane_outgoing out = {group, child, class, mode, &inner, frame.ptr, &segments};
    if (plane_space_takes(child, mode) && plane_space_send(w, &out))
        return;
    segments_send(w, child, &segments,
                  esp_tos_out(inner.tos, child->copy_ecn || child->transport,
                              child->copy_dscp_out || child->transport));
}

void plane_tun_drain(struct plane_worker *w, const struct plane_source *tun)
{
    for (int i = 0; i < PLANE_TUN_READS; i++) {
        struct esp_vnet vnet;
        struct iovec iov[2] = {{&vnet, sizeof(vnet)}, {w->frame, PLANE_RECV_OCTETS}};
        ssize_t n = readv(tun->fd, iov, 2);
        if (n < 0) {
            if (errno != EAGAIN && errno != EINTR)
                worker_count(w, STAT_TUN_ERRORS, 1);
            break;
        }
        worker_count(w, STAT_TUN_READS, 1);
        if ((size_t)n > sizeof(vnet))
            frame_send(w, &vnet, (struct buffer){w->frame, (size_t)n - sizeof(vnet)}, tun->device);
    }
    plane_send_flush(w);
}
