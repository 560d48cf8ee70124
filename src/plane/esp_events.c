/* SPDX-License-Identifier: Apache-2.0 */
/* Events for the control thread, sockets of paths, and timers. */
#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "plane/esp_control.h"
#include "plane/esp_plane.h"

#define IKE_MARKER_LEN 4

/* --- sockets of paths --- */

/* routes_renew - a socket was added or removed, so its Child SAs get new routes. */
static void routes_renew(struct esp_plane *plane)
{
    const struct map *records = &plane->control->records;
    for (size_t i = 0; i < records->cap; i++) {
        struct plane_record *r = map_at(records, i);
        /* no other socket: no child may use the one that is closed */
        if (r != NULL && plane_route_set(plane, r) != 0)
            plane_route_drop(plane, r);
    }
}

static struct plane_sockets *path_find(struct plane_control *c, uint32_t path_id)
{
    for (size_t i = 0; i < PLANE_PATH_SOCKETS; i++)
        if (c->paths[i].used && c->paths[i].path_id == path_id)
            return &c->paths[i];
    return NULL;
}

int esp_plane_path_socket_add(struct esp_plane *plane, uint32_t path_id, uint32_t interface,
                              const struct endpoint *local, const int *fds, unsigned n)
{
    struct plane_control *c = plane->control;
    struct plane_sockets *s = NULL;
    if (n == 0 || n > LIMIT_WORKERS || path_find(c, path_id) != NULL)
        return ERR_INVALID;
    for (size_t i = 0; i < PLANE_PATH_SOCKETS && s == NULL; i++)
        if (!c->paths[i].used)
            s = &c->paths[i];
    if (s == NULL)
        return ERR_FULL;
    *s = (struct plane_sockets){.path_id = path_id,
                                .interface = interface,
                                .family = local->address.family,
                                .port = local->port};
    int err = plane_sockets_watch(plane, s, fds, n, SOURCE_UDP);
    if (err != 0)
        return err;
    routes_renew(plane); /* the Child SAs that cannot keep their old socket */
    return 0;
}

int esp_plane_path_socket_remove(struct esp_plane *plane, uint32_t path_id)
{
    struct plane_control *c = plane->control;
    struct plane_sockets *s = path_find(c, path_id);
    if (s == NULL)
        return ERR_NOT_FOUND;
    s->used = false; /* workers no longer find it */
    routes_renew(plane);
    s->used = true;
    plane_sockets_drop(plane, s);
    plane_garbage_collect(plane, false);
    return 0;
}

/* --- IKE --- */

int esp_plane_fd(const struct esp_plane *plane)
{
    return plane->inbox.event_fd;
}

int esp_plane_ike_next(struct esp_plane *plane, struct esp_path *ret_path, struct buffer buffer,
                       size_t *ret_len)
{
    struct plane_ike_slot *slot = plane->control->slot;
    if (!plane_ike_take(&plane->inbox, slot)) {
        plane_inbox_clear(&plane->inbox);
        if (!plane_ike_take(&plane->inbox, slot)) /* it arrived after the first look */
            return ERR_AGAIN;
    }
    if (slot->len > buffer.len)
        return ERR_TRUNCATED;
    memcpy(buffer.ptr, slot->octets, slot->len);
    *ret_path = slot->path;
    *ret_len = slot->len;
    return 0;
}

static int path_send(const struct esp_plane *plane, const struct esp_path *path, uint8_t tos,
                     struct iovec *iov, size_t n)
{
    const struct plane_sockets *sockets = plane_sockets_for(plane, path, true);
    if (sockets == NULL)
        return ERR_NOT_FOUND;
    struct sockaddr_storage remote;
    _Alignas(struct cmsghdr) uint8_t control[PACKET_INFO_CONTROL];
    struct msghdr message = {.msg_name = &remote,
                             .msg_namelen = endpoint_to_sockaddr(&path->remote, &remote),
                             .msg_iov = iov,
                             .msg_iovlen = n,
                             .msg_control = control};
    struct packet_info info = {
        .local = path->local.address, .interface = path->interface, .tos = tos};
    packet_info_write(&message, remote.ss_family, &info);
    ssize_t sent = -1;
    /* the call may first report an ICMP error of an earlier packet */
    for (int i = 0; i < 3 && sent < 0; i++)
        sent = sendmsg(sockets->fds[0], &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0)
        return 0;
    return errno == EAGAIN ? ERR_AGAIN : ERR_SYSTEM;
}

int esp_plane_ike_send(struct esp_plane *plane, const struct esp_path *path, uint8_t dscp,
                       struct span message)
{
    uint8_t marker[IKE_MARKER_LEN] = {0}; /* RFC 3948 section 2.2 */
    struct iovec iov[2] = {{marker, sizeof(marker)}, {(void *)(uintptr_t)message.ptr, message.len}};
    return path_send(plane, path, (uint8_t)(dscp << 2), iov, 2);
}

/* --- events --- */

/* mtu_of - the path MTU of one child by a report; 0: the report does not concern it. */
static uint32_t mtu_of(const struct plane_record *r, const struct plane_mtu_report *report)
{
    /* MTUs that occur in practice (RFC 1191 section 7, and tunnels) */
    static const uint16_t plateaus[] = {8000, 4000, 1492, 1480, 1460, 1420,
                                        1400, 1360, 1320, 1280, 1006, 576};
    if (report->mtu != 0)
        return report->mtu;
    if (report->failed > r->mtu_now) /* the packet was built before the last report took effect */
        return 0;
    uint32_t mtu = plane_mtu_probe(&r->path);
    if (mtu != 0 && mtu < report->failed)
        return mtu;
    for (size_t i = 0; i < sizeof(plateaus) / sizeof(plateaus[0]); i++)
        if (plateaus[i] < report->failed)
            return plateaus[i];
    return 0;
}

/* mtu_learn - the path towards report->remote is narrower. The new MTU applies to all its Child
 * SAs; the first one that it changes becomes an event. */
static bool mtu_learn(struct esp_plane *plane, const struct plane_mtu_report *report, nanos now,
                      struct esp_event *ret)
{
    struct plane_control *c = plane->control;
    bool told = false;
    for (struct plane_record *r = plane_records_towards(c, &report->remote); r != NULL;
         r = r->remote_next) {
        if (!address_equal(&r->path.remote.address, &report->remote))
            continue;
        uint32_t mtu = mtu_of(r, report);
        if (mtu != 0 && mtu <= UINT16_MAX)
            mtu = esp_mtu_clamp((uint16_t)mtu, r->path.remote.address.family == ADDRESS_V6);
        if (mtu == 0 || mtu >= r->mtu_now)
            continue;
        r->mtu_now = (uint16_t)mtu;
        r->mtu_until = nanos_after(now, PLANE_MTU_MEMORY);
        plane_inner_max_set(r);
        plane_record_due(c, r);
        if (!told)
            *ret =
                (struct esp_event){.kind = ESP_EVENT_MTU, .child = r->child->id, .mtu = r->mtu_now};
        told = true;
    }
    return told;
}

static bool news_tell(struct esp_plane *plane, struct esp_event *ret)
{
    struct plane_control *c = plane->control;
    if (c->news == NULL)
        c->news = plane_news_take(&plane->inbox);
    while (c->news != NULL) {
        struct esp_child *child = c->news;
        struct esp_child *next = child->news_next;
        if (esp_child_news_take(child, ret))
            return true;
        /* a bit that is set after this queues the child again */
        c->news = next;
        atomic_store(&child->news_queued, false);
        if (atomic_load(&child->news) != 0 && !atomic_exchange(&child->news_queued, true)) {
            child->news_next = c->news;
            c->news = child;
        }
        if (c->news == NULL)
            c->news = plane_news_take(&plane->inbox);
    }
    return false;
}

static bool acquire_tell(struct esp_plane *plane, struct esp_event *ret)
{
    *ret = (struct esp_event){.kind = ESP_EVENT_ACQUIRE};
    return plane_acquire_take(&plane->inbox, &ret->acquire);
}

static bool hint_tell(struct esp_plane *plane, struct esp_event *ret)
{
    struct plane_hint hint;
    if (!plane_hint_take(&plane->inbox, &hint))
        return false;
    *ret = (struct esp_event){.kind = hint.kind, .endpoint = hint.from, .spi = hint.spi};
    return true;
}

static bool any_tell(struct esp_plane *plane, struct esp_event *ret)
{
    return news_tell(plane, ret) || acquire_tell(plane, ret) || hint_tell(plane, ret);
}

bool plane_event_next(struct data_plane *verbs, nanos now, struct esp_event *ret)
{
    struct esp_plane *plane = plane_of(verbs);
    struct plane_mtu_report report;
    while (plane_mtu_take(&plane->inbox, &report))
        if (mtu_learn(plane, &report, now, ret))
            return true;
    if (any_tell(plane, ret))
        return true;
    plane_inbox_clear(&plane->inbox);
    return any_tell(plane, ret);
}

void plane_acquire_set(struct data_plane *verbs, bool wanted)
{
    struct esp_plane *plane = plane_of(verbs);
    atomic_store(&plane->acquire, wanted);
}

/* --- time --- */

static nanos keepalive_due(const struct plane_record *r)
{
    if (!r->keepalive || !r->udp_encap || r->removed)
        return NANOS_NEVER;
    nanos sent =
        (nanos)atomic_load_explicit(&r->child->counts[ESP_COUNT_LAST_OUT_NS], memory_order_relaxed);
    return nanos_after(sent > r->alive_at ? sent : r->alive_at, r->keepalive_ns);
}

static nanos record_due(const struct plane_record *r)
{
    return r->removed ? r->gone_at : nanos_min(keepalive_due(r), r->mtu_until);
}

void plane_record_due(struct plane_control *c, struct plane_record *r)
{
    deadline_heap_set(&c->deadlines, &r->due, record_due(r));
}

nanos plane_deadline(const struct data_plane *verbs)
{
    const struct esp_plane *plane = plane_of_const(verbs);
    const struct plane_control *c = plane->control;
    const struct deadline *first = deadline_heap_first(&c->deadlines);
    nanos due = first != NULL ? first->at : NANOS_NEVER;
    bool garbage = c->garbage.first != NULL || c->sources.first != NULL;
    return garbage ? nanos_min(due, c->reclaim_at) : due;
}

/* record_tick - handles what is due for one child. */
static void record_tick(struct esp_plane *plane, struct plane_record *r, nanos now)
{
    static uint8_t octet = 0xff; /* RFC 3948 section 2.3 */
    if (r->mtu_until <= now) {
        r->mtu_now = r->mtu;
        r->mtu_until = NANOS_NEVER;
        plane_inner_max_set(r);
    }
    if (keepalive_due(r) <= now) {
        struct iovec iov = {&octet, 1};
        r->alive_at = now;
        (void)path_send(plane, &r->path, 0, &iov, 1); /* a lost keepalive is repeated anyway */
    }
    plane_record_due(plane->control, r);
}

void plane_tick(struct data_plane *verbs, nanos now)
{
    struct esp_plane *plane = plane_of(verbs);
    const struct deadline *first;
    while ((first = deadline_heap_first(&plane->control->deadlines)) != NULL && first->at <= now) {
        struct plane_record *r = first->owner;
        if (r->removed)
            plane_record_drop(plane, r);
        else
            record_tick(plane, r, now);
    }
    plane_garbage_collect(plane, false);
}
