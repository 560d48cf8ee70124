/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/esp_control.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/assert.h"

/* --- records --- */

struct plane_record *plane_record_find(const struct plane_control *c, esp_child_id child)
{
    return map_get(&c->records, child);
}

/* remote_key - a key of the map of remote addresses. Different addresses may share one key: the
 * caller compares them. */
static uint64_t remote_key(const struct address *remote)
{
    uint64_t words[2];
    memcpy(words, remote->octets, sizeof(words));
    return (words[0] * 0x9e3779b97f4a7c15u) ^ words[1];
}

struct plane_record *plane_records_towards(const struct plane_control *c,
                                           const struct address *remote)
{
    return map_get(&c->remotes, remote_key(remote));
}

static void remote_link(struct plane_control *c, struct plane_record *r)
{
    uint64_t key = remote_key(&r->path.remote.address);
    struct plane_record *first = map_get(&c->remotes, key);
    r->remote_next = first;
    r->remote_previous = NULL;
    if (first != NULL)
        first->remote_previous = r;
    int err = map_set(&c->remotes, key, r); /* plane_record_room() made room for each record */
    ASSERT(err == 0);
}

static void remote_unlink(struct plane_control *c, struct plane_record *r)
{
    uint64_t key = remote_key(&r->path.remote.address);
    if (r->remote_next != NULL)
        r->remote_next->remote_previous = r->remote_previous;
    if (r->remote_previous != NULL)
        r->remote_previous->remote_next = r->remote_next;
    else
        map_replace(&c->remotes, key, r->remote_next);
}

int plane_record_room(struct plane_control *c)
{
    size_t n = c->records.n + 1;
    if (map_reserve(&c->records, n) != 0 || map_reserve(&c->remotes, n) != 0)
        return ERR_NO_MEMORY;
    return deadline_heap_join(&c->deadlines);
}

void plane_record_room_not(struct plane_control *c, struct plane_record *r)
{
    deadline_heap_leave(&c->deadlines, &r->due);
}

void plane_record_add(struct plane_control *c, struct plane_record *r)
{
    int err = map_put(&c->records, r->child->id, r);
    ASSERT(err == 0);
    r->due = (struct deadline){.owner = r};
    remote_link(c, r);
    plane_record_due(c, r);
}

void plane_record_drop(struct esp_plane *plane, struct plane_record *r)
{
    struct plane_control *c = plane->control;
    (void)map_take(&c->records, r->child->id);
    deadline_heap_leave(&c->deadlines, &r->due);
    remote_unlink(c, r);
    esp_policy_remove(plane->policy, r->child);
    plane_space_leave(plane, r->child);
    plane_garbage_settle(plane);
    plane_garbage_put(plane, GARBAGE_CHILD, &r->child->retired);
    free(r);
}

void plane_record_path(struct plane_control *c, struct plane_record *r, const struct esp_path *path)
{
    remote_unlink(c, r);
    r->path = *path;
    remote_link(c, r);
}

/* --- garbage --- */

void plane_garbage_put(struct esp_plane *plane, enum plane_garbage_kind kind,
                       struct retired *retired)
{
    struct plane_control *c = plane->control;
    if (c->garbage.first == NULL)
        c->reclaim_at = plane_now() + PLANE_RECLAIM;
    retired->kind = kind;
    retired->epoch = atomic_fetch_add(&plane->epoch, 1) + 1;
    retired_add(&c->garbage, retired);
}

void plane_garbage_settle(struct esp_plane *plane)
{
    struct retired_list *list = esp_policy_retired(plane->policy);
    for (struct retired *retired; (retired = retired_take(list)) != NULL;)
        plane_garbage_put(plane, GARBAGE_MEMORY, retired);
}

void plane_kick(struct esp_plane *plane)
{
    uint64_t one = 1;
    atomic_fetch_add(&plane->kicks, 1); /* first: a worker that wakes finds it raised */
    for (unsigned i = 0; i < plane->n_workers; i++)
        if (write(plane->workers[i].kick.fd, &one, sizeof(one)) < 0)
            ASSERT(false); /* the counter of an eventfd holds 2^64, so it is never full */
}

/* epoch_seen - each awake worker has seen this epoch. kicks_done - each has answered this many
 * kicks of this thread. */
static uint64_t epoch_seen(const struct esp_plane *plane)
{
    uint64_t oldest = WORKER_IDLE;
    for (unsigned i = 0; i < plane->n_workers; i++) {
        uint64_t seen = atomic_load(&plane->workers[i].seen);
        oldest = plane->workers[i].running && seen < oldest ? seen : oldest;
    }
    return oldest;
}

static uint64_t kicks_done(const struct esp_plane *plane)
{
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < plane->n_workers; i++) {
        uint64_t done = atomic_load(&plane->workers[i].kicks_done);
        least = plane->workers[i].running && done < least ? done : least;
    }
    return least;
}

/* news_forget - a worker may have queued news of the child just before it was removed. */
static void news_forget(struct esp_plane *plane, const struct esp_child *child)
{
    struct plane_control *c = plane->control;
    struct esp_child **last = &c->news;
    if (!atomic_load(&child->news_queued))
        return;
    while (*last != NULL)
        last = &(*last)->news_next;
    *last = plane_news_take(&plane->inbox);
    for (struct esp_child **at = &c->news; *at != NULL; at = &(*at)->news_next)
        if (*at == child) {
            *at = child->news_next;
            return;
        }
}

static void garbage_free(struct esp_plane *plane, struct retired *retired)
{
    if (retired->kind != GARBAGE_CHILD) {
        free(retired);
        return;
    }
    struct esp_child *child =
        (struct esp_child *)((uint8_t *)retired - offsetof(struct esp_child, retired));
    news_forget(plane, child);
    free(atomic_load(&child->route));
    esp_child_free(child);
}

void plane_garbage_collect(struct esp_plane *plane, bool all)
{
    struct plane_control *c = plane->control;
    uint64_t seen = all ? UINT64_MAX : epoch_seen(plane);
    while (c->garbage.first != NULL && c->garbage.first->epoch <= seen)
        garbage_free(plane, retired_take(&c->garbage));
    uint64_t kicks = all ? UINT64_MAX : kicks_done(plane);
    while (c->sources.first != NULL && c->sources.first->epoch <= kicks) {
        struct plane_source *source = (struct plane_source *)retired_take(&c->sources);
        close(source->fd);
        free(source);
    }
    while (c->spaces.first != NULL && c->spaces.first->epoch <= kicks)
        plane_space_free(plane, retired_take(&c->spaces));
    c->reclaim_at = plane_now() + PLANE_RECLAIM;
}

/* --- sockets --- */

static bool sockets_match(const struct plane_sockets *s, const struct esp_path *path)
{
    return s->used && s->family == path->local.address.family && s->port == path->local.port &&
           s->interface == path->interface;
}

const struct plane_sockets *plane_sockets_for(const struct esp_plane *plane,
                                              const struct esp_path *path, bool udp_encap)
{
    const struct plane_control *c = plane->control;
    bool v6 = path->remote.address.family == ADDRESS_V6;
    const struct plane_sockets *any =
        udp_encap ? (v6 ? &c->udp6 : &c->udp4) : (v6 ? &c->raw6 : &c->raw4);
    for (size_t i = 0; udp_encap && i < PLANE_PATH_SOCKETS; i++)
        if (sockets_match(&c->paths[i], path))
            return &c->paths[i];
    return any->used ? any : NULL;
}

/* source_new - makes a descriptor for one worker to wait for. */
static int source_new(struct esp_plane *plane, struct plane_sockets *s, unsigned index,
                      enum plane_source_kind kind)
{
    struct plane_source *source = malloc(sizeof(*source));
    if (source == NULL)
        return ERR_NO_MEMORY;
    *source = (struct plane_source){
        .kind = kind, .fd = s->fds[index], .port = s->port, .interface = s->interface};
    int err = plane_worker_watch(&plane->workers[index], source);
    if (err != 0) {
        free(source);
        return err;
    }
    s->sources[index] = source;
    return 0;
}

int plane_sockets_watch(struct esp_plane *plane, struct plane_sockets *s, const int *fds,
                        unsigned n, enum plane_source_kind kind)
{
    if (n == 0 || fds[0] < 0)
        return 0;
    for (unsigned i = 0; i < plane->n_workers; i++)
        s->fds[i] = i < n && fds[i] >= 0 ? fds[i] : fds[0];
    for (unsigned i = 0; i < plane->n_workers; i++) {
        if (i > 0 && s->fds[i] == s->fds[0])
            continue;
        int err = source_new(plane, s, i, kind);
        if (err == 0)
            continue;
        for (unsigned k = 0; k < i; k++) {
            if (s->sources[k] != NULL)
                (void)epoll_ctl(plane->workers[k].epoll_fd, EPOLL_CTL_DEL, s->fds[k], NULL);
            free(s->sources[k]);
            s->sources[k] = NULL;
        }
        return err;
    }
    s->used = true;
    return 0;
}

void plane_sockets_drop(struct esp_plane *plane, struct plane_sockets *s)
{
    if (!s->used)
        return;
    for (unsigned i = 0; i < plane->n_workers; i++)
        if (s->sources[i] != NULL)
            (void)epoll_ctl(plane->workers[i].epoll_fd, EPOLL_CTL_DEL, s->fds[i], NULL);
    plane_kick(plane);
    for (unsigned i = 0; i < plane->n_workers; i++)
        if (s->sources[i] != NULL) {
            s->sources[i]->retired.epoch = atomic_load(&plane->kicks);
            retired_add(&plane->control->sources, &s->sources[i]->retired);
        }
    memset(s, 0, sizeof(*s));
}

/* --- TUN devices --- */

/* device_hide - hides the device from the first `n` workers. A worker that uses it keeps it until a
 * kick. */
static void device_hide(struct esp_plane *plane, uint16_t number, unsigned n)
{
    struct plane_control *c = plane->control;
    struct plane_source *gone[LIMIT_WORKERS];
    for (unsigned i = 0; i < n; i++) {
        struct plane_worker *w = &plane->workers[i];
        gone[i] = atomic_exchange(&w->devices[number % LIMIT_DEVICES], NULL);
        (void)epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, gone[i]->fd, NULL);
    }
    plane_kick(plane);
    for (unsigned i = 0; i < n; i++) {
        gone[i]->retired.epoch = atomic_load(&plane->kicks);
        retired_add(&c->sources, &gone[i]->retired);
    }
}

/* device_show - shows the device to one worker. */
static int device_show(struct plane_worker *w, uint16_t number, int fd)
{
    struct plane_source *source = calloc(1, sizeof(*source));
    if (source == NULL)
        return ERR_NO_MEMORY;
    *source = (struct plane_source){.kind = SOURCE_TUN, .fd = fd, .device = number};
    int err = plane_worker_watch(w, source);
    if (err == 0)
        atomic_store(&w->devices[number % LIMIT_DEVICES], source);
    else
        free(source);
    return err;
}

int esp_plane_device_add(struct esp_plane *plane, uint16_t number, const int *fds, unsigned n)
{
    unsigned shown = 0;
    int err = number % LIMIT_DEVICES == 0 || n != plane->n_workers ? ERR_INVALID : 0;
    if (err == 0 && atomic_load(&plane->workers[0].devices[number % LIMIT_DEVICES]) != NULL)
        err = ERR_FULL;
    while (err == 0 && shown < n) {
        err = device_show(&plane->workers[shown], number, fds[shown]);
        shown += err == 0;
    }
    if (err == 0)
        return 0;
    if (shown > 0)
        device_hide(plane, number, shown);
    for (unsigned i = shown; i < n; i++)
        close(fds[i]);
    return err;
}

int esp_plane_device_remove(struct esp_plane *plane, uint16_t number)
{
    const struct plane_source *source =
        atomic_load(&plane->workers[0].devices[number % LIMIT_DEVICES]);
    if (source == NULL || source->device != number)
        return ERR_NOT_FOUND;
    device_hide(plane, number, plane->n_workers);
    plane_garbage_collect(plane, false);
    return 0;
}

/* --- routes --- */

void plane_inner_max_set(struct plane_record *r)
{
    bool v6 = r->path.remote.address.family == ADDRESS_V6;
    uint16_t inner = esp_child_inner_max(r->child->key_out, r->mtu_now, v6, r->udp_encap);
    uint16_t trailer = r->child->order ? ESP_ORDER_LEN : 0;
    atomic_store(&r->child->inner_max, (uint16_t)(inner - trailer));
}

static void route_replace(struct esp_plane *plane, struct plane_record *r,
                          struct plane_route *route)
{
    struct plane_route *old = atomic_exchange(&r->child->route, route);
    if (old != NULL)
        plane_garbage_put(plane, GARBAGE_MEMORY, &old->retired);
}

int plane_route_set(struct esp_plane *plane, struct plane_record *r)
{
    const struct plane_sockets *sockets = plane_sockets_for(plane, &r->path, r->udp_encap);
    if (sockets == NULL)
        return ERR_NOT_FOUND;
    struct plane_route *route = calloc(1, sizeof(*route));
    if (route == NULL)
        return ERR_NO_MEMORY;
    struct endpoint remote = r->path.remote;
    if (!r->udp_encap)
        remote.port = 0; /* raw IPv6 sockets take the port for a protocol number */
    route->path = r->path;
    route->udp_encap = r->udp_encap;
    route->family = remote.address.family == ADDRESS_V6 ? AF_INET6 : AF_INET;
    route->remote_len = endpoint_to_sockaddr(&remote, &route->remote);
    memcpy(route->fds, sockets->fds, sizeof(route->fds));
    plane_inner_max_set(r);
    route_replace(plane, r, route);
    return 0;
}

void plane_route_drop(struct esp_plane *plane, struct plane_record *r)
{
    route_replace(plane, r, NULL);
}

uint16_t plane_mtu_probe(const struct esp_path *path)
{
    struct sockaddr_storage address;
    bool v6 = path->remote.address.family == ADDRESS_V6;
    int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int mtu = 0;
    socklen_t size = sizeof(mtu);
    if (fd < 0)
        return 0;
    struct endpoint local = {.address = path->local.address};
    socklen_t len = endpoint_to_sockaddr(&local, &address);
    bool ok =
        local.address.family == ADDRESS_NONE || bind(fd, (struct sockaddr *)&address, len) == 0;
    len = endpoint_to_sockaddr(&path->remote, &address);
    int index = (int)path->interface;
    if (index != 0 && !v6)
        (void)setsockopt(fd, IPPROTO_IP, IP_UNICAST_IF, &(int){(int)htonl((uint32_t)index)},
                         sizeof(index));
    ok = ok && connect(fd, (struct sockaddr *)&address, len) == 0 &&
         getsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_MTU : IP_MTU, &mtu, &size) == 0;
    close(fd);
    return ok && mtu > 0 ? (uint16_t)(mtu > UINT16_MAX ? UINT16_MAX : mtu) : 0;
}
