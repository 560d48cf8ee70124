/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "daemon/common/log.h"
#include "daemon/engine/engine_devices.h"
#include "daemon/engine/engine_state.h"
#include "linux/udp_socket.h"
#include "multipath/install.h"

#define RECV_BATCHES 2 /* datagrams of one source, before other sources and timers get their turn */

static struct ike_path ike_path_of(const struct esp_path *path)
{
    return (struct ike_path){path->local, path->remote, path->interface};
}

/* --- port 500 --- */

/* ike_port_error - takes one message off the error queue. false: it is empty. */
static bool ike_port_error(struct engine *e, int fd)
{
    struct socket_error error;
    if (!socket_error_next(fd, &error))
        return false;
    if (error.unreachable) {
        ike_unreachable(e->ike, &error.remote, e->now);
        engine_watch_unreachable(e, &error.remote);
        engine_pump(e);
    }
    return true;
}

/* struct arrival - the control data that the kernel adds to a datagram. */
struct arrival {
    struct sockaddr_storage from;
    struct iovec iov;
    _Alignas(struct cmsghdr) uint8_t control[PACKET_INFO_CONTROL];
};

static void batch_add(struct engine_batch *batch, const struct ike_path *path, struct span datagram)
{
    batch->paths[batch->n] = *path;
    batch->datagrams[batch->n++] = datagram;
}

static void batch_handle(struct engine *e)
{
    struct engine_batch *batch = &e->batch;
    ike_expect(e->ike, batch->datagrams, batch->n);
    for (size_t i = 0; i < batch->n; i++) {
        ike_recv(e->ike, &batch->paths[i], batch->datagrams[i], e->now);
        engine_pump(e);
    }
    batch->n = 0;
}

static void arrived(struct engine *e, const struct arrival *arrival, struct mmsghdr *message,
                    size_t index)
{
    struct packet_info info;
    struct ike_path path = {0};
    packet_info_read(&message->msg_hdr, &info);
    if ((message->msg_hdr.msg_flags & MSG_TRUNC) ||
        !endpoint_from_sockaddr(&arrival->from, &path.remote))
        return;
    path.local = (struct endpoint){.address = info.local, .port = IKE_PORT};
    path.interface = info.interface;
    batch_add(&e->batch, &path, span_of(e->batch.octets[index], message->msg_len));
}

/* ike_port_recv - receives datagrams. false: no more wait. */
static bool ike_port_recv(struct engine *e, int fd)
{
    struct arrival arrivals[ENGINE_BATCH];
    struct mmsghdr messages[ENGINE_BATCH];
    for (size_t i = 0; i < ENGINE_BATCH; i++) {
        arrivals[i].iov = (struct iovec){e->batch.octets[i], sizeof(e->batch.octets[i])};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &arrivals[i].from,
                                              .msg_namelen = sizeof(arrivals[i].from),
                                              .msg_iov = &arrivals[i].iov,
                                              .msg_iovlen = 1,
                                              .msg_control = arrivals[i].control,
                                              .msg_controllen = sizeof(arrivals[i].control)};
    }
    int n = recvmmsg(fd, messages, ENGINE_BATCH, MSG_DONTWAIT, NULL);
    if (n < 0) {
        /* an ICMP error is reported once; its details wait in the error queue */
        return errno != EAGAIN && ike_port_error(e, fd);
    }
    for (int i = 0; i < n; i++)
        arrived(e, &arrivals[i], &messages[i], (size_t)i);
    batch_handle(e);
    return true;
}

static void on_ike_port(void *context, int fd, unsigned events)
{
    struct engine *e = context;
    if (events & EVENT_GONE)
        while (ike_port_error(e, fd))
            ;
    for (int i = 0; i < RECV_BATCHES && ike_port_recv(e, fd); i++)
        ;
}

static int ike_port_send(struct engine *e, const struct ike_datagram *datagram)
{
    _Alignas(struct cmsghdr) uint8_t control[PACKET_INFO_CONTROL];
    bool v6 = datagram->path.remote.address.family == ADDRESS_V6;
    int own = engine_path_socket(e, &datagram->path);
    int shared = v6 ? e->start->ike6_fd : e->start->ike4_fd;
    int fd = own >= 0 ? own : shared;
    struct sockaddr_storage to;
    struct iovec iov = {(void *)(uintptr_t)datagram->octets, datagram->len};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
    struct packet_info info = {.local = datagram->path.local.address,
                               .interface = datagram->path.interface,
                               .tos = (uint8_t)(datagram->dscp << 2)};
    message.msg_namelen = endpoint_to_sockaddr(&datagram->path.remote, &to);
    message.msg_name = &to;
    packet_info_write(&message, v6 ? AF_INET6 : AF_INET, &info);
    ssize_t sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    /* the call reports an ICMP error of an earlier datagram, once */
    if (sent < 0 && errno != EAGAIN)
        sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? ERR_SYSTEM : 0;
}

void engine_datagram_send(struct engine *e, const struct ike_datagram *datagram)
{
    char to[ENDPOINT_TEXT_MAX], from[ENDPOINT_TEXT_MAX];
    int error;
    if (bound_path_delay(&e->bound, datagram))
        return;
    if (datagram->path.local.port == IKE_PORT) {
        error = ike_port_send(e, datagram);
    } else {
        struct esp_path path = install_path(&datagram->path);
        error = esp_plane_ike_send(e->esp, &path, datagram->dscp,
                                   span_of(datagram->octets, datagram->len));
    }
    /* the datagram is lost, as on the network: IKE sends it again */
    log_line(LOG_LEVEL_DEBUG, "event=ike-send from=%s to=%s interface=%u octets=%zu result=\"%s\"",
             endpoint_print(&datagram->path.local, from),
             endpoint_print(&datagram->path.remote, to), datagram->path.interface, datagram->len,
             error == 0 ? "ok" : strerror(errno));
}

/* --- the data plane --- */

static void plane_event(struct engine *e, const struct esp_event *event)
{
    install_tell(e->ike, event, e->now);
    if (event->kind == ESP_EVENT_UNREACHABLE)
        engine_watch_unreachable(e, &event->endpoint);
    if (event->kind == ESP_EVENT_MTU)
        log_line(LOG_LEVEL_DEBUG, "event=path-mtu child=%u mtu=%u", event->child,
                 (unsigned)event->mtu);
    if (event->kind == ESP_EVENT_ACQUIRE)
        engine_trap_acquire(e, &event->acquire);
    engine_pump(e);
}

/* plane_batch - takes datagrams that arrived at the NAT port. false: none. */
static bool plane_batch(struct engine *e)
{
    struct engine_batch *batch = &e->batch;
    int error = 0;
    for (size_t i = 0; i < ENGINE_BATCH && error != ERR_AGAIN; i++) {
        struct buffer octets = {batch->octets[i], sizeof(batch->octets[i])};
        struct esp_path from;
        size_t len;
        error = esp_plane_ike_next(e->esp, &from, octets, &len);
        if (error != 0)
            continue;
        struct ike_path path = ike_path_of(&from);
        batch_add(batch, &path, span_of(octets.ptr, len));
    }
    bool some = batch->n > 0;
    batch_handle(e);
    return some || error != ERR_AGAIN;
}

static void on_plane(void *context, int fd, unsigned events)
{
    struct engine *e = context;
    struct esp_event event;
    (void)fd, (void)events;
    /* the descriptor stays readable while datagrams wait */
    for (int i = 0; i < RECV_BATCHES && plane_batch(e); i++)
        ;
    while (data_plane_event(e->plane, e->now, &event))
        plane_event(e, &event);
}

/* --- links --- */

static size_t local_addresses(const struct engine *e, size_t n_links, struct address *ret,
                              size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < n_links; i++)
        for (size_t j = 0; e->links[i].up && j < e->links[i].n_addresses && n < cap; j++)
            ret[n++] = e->links[i].addresses[j];
    return n;
}

/* links_outer - without our further devices, over which no path leads. */
static size_t links_outer(struct engine *e, size_t n_links)
{
    size_t n = 0;
    for (size_t i = 0; i < n_links; i++)
        if (!engine_is_device(e, e->links[i].name))
            e->links[n++] = e->links[i];
    memset(&e->links[n], 0, (n_links - n) * sizeof(e->links[0]));
    return n;
}

void engine_links_read(struct engine *e)
{
    struct address addresses[PATH_LINKS * PATH_LINK_ADDRESSES];
    size_t n_links;
    struct path_link before[PATH_LINKS];
    memcpy(before, e->links, sizeof(before));
    if (netlink_monitor_snapshot(e->monitor, e->start->tun_index, e->links, PATH_LINKS, &n_links) !=
        0) {
        log_line(LOG_LEVEL_WARNING, "event=links-unread reason=\"%s\"", strerror(errno));
        return;
    }
    n_links = links_outer(e, n_links);
    size_t n = local_addresses(e, n_links, addresses, PATH_LINKS * PATH_LINK_ADDRESSES);
    engine_paths_check(e, n_links);
    engine_mtu_check(e, before);
    engine_routes_check(e, before);
    /* the path manager comes first: IKE SAs leave a dead path before news is sent over it */
    path_manager_links_set(e->paths, e->links, n_links, e->now);
    engine_pump(e);
    ike_local_addresses_set(e->ike, addresses, n, e->now);
    engine_pump(e);
}

static void on_links(void *context, int fd, unsigned events)
{
    struct engine *e = context;
    (void)fd, (void)events;
    if (netlink_monitor_changed(e->monitor))
        engine_links_read(e);
}

static int source_add(struct engine *e, int fd, event_handler *handler)
{
    return fd < 0 ? 0 : event_loop_add(e->loop, fd, EVENT_READ, handler, e);
}

int engine_ike_port_add(struct engine *e, int fd)
{
    return source_add(e, fd, on_ike_port);
}

int engine_io_add(struct engine *e)
{
    int error = source_add(e, e->start->ike4_fd, on_ike_port);
    if (error == 0)
        error = source_add(e, e->start->ike6_fd, on_ike_port);
    if (error == 0)
        error = source_add(e, esp_plane_fd(e->esp), on_plane);
    if (error == 0)
        error = source_add(e, netlink_monitor_fd(e->monitor), on_links);
    return error;
}
