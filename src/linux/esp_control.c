/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/esp_control.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/assert.h"

int plane_array_room(void **array, size_t n, size_t *room, size_t size)
{
    if (n < *room)
        return 0;
    size_t more = *room == 0 ? 16 : *room * 2;
    void *grown = reallocarray(*array, more, size);
    if (grown == NULL)
        return ERR_NO_MEMORY;
    *array = grown;
    *room = more;
    return 0;
}

struct plane_record *plane_record_find(const struct plane_control *c, esp_child_id child)
{
    size_t low = 0, high = c->n_records;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c->records[middle].child->id < child)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->n_records && c->records[low].child->id == child ? &c->records[low] : NULL;
}

size_t plane_session_place(const struct plane_control *c, esp_session_id session)
{
    size_t low = 0, high = c->n_sessions;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c->sessions[middle].id < session)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct plane_session *plane_session_find(const struct plane_control *c, esp_session_id session)
{
    size_t at = plane_session_place(c, session);
    return at < c->n_sessions && c->sessions[at].id == session ? &c->sessions[at] : NULL;
}

int plane_publish(struct esp_plane *plane)
{
    struct plane_control *c = plane->control;
    struct esp_policy_entry *entries = calloc(c->n_records + 1, sizeof(*entries));
    if (entries == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < c->n_records; i++) {
        const struct plane_record *r = &c->records[i];
        const struct plane_session *session = plane_session_find(c, r->child->session);
        entries[i] = (struct esp_policy_entry){
            .child = r->child,
            .sends = r->sends,
            .mode = session != NULL ? session->mode : ESP_MODE_FAILOVER,
            .follow = session == NULL || session->follow,
        };
    }
    struct esp_policy *policy = esp_policy_new(plane->hash_key, entries, c->n_records);
    free(entries);
    if (policy == NULL || plane_garbage_reserve(c, 1) != 0) {
        esp_policy_free(policy);
        return ERR_NO_MEMORY;
    }
    struct esp_policy *old = atomic_exchange(&plane->policy, policy);
    plane_garbage_put(plane, GARBAGE_POLICY, old);
    return 0;
}

/* --- garbage --- */

int plane_garbage_reserve(struct plane_control *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (plane_array_room((void **)&c->garbage, c->n_garbage + i, &c->room_garbage,
                             sizeof(*c->garbage)) != 0)
            return ERR_NO_MEMORY;
    return 0;
}

void plane_garbage_put(struct esp_plane *plane, enum plane_garbage_kind kind, void *ptr)
{
    struct plane_control *c = plane->control;
    if (ptr == NULL)
        return;
    ASSERT(c->n_garbage < c->room_garbage);
    if (c->n_garbage == 0)
        c->reclaim_at = plane_now() + PLANE_RECLAIM;
    uint64_t epoch = atomic_fetch_add(&plane->epoch, 1) + 1;
    c->garbage[c->n_garbage++] =
        (struct plane_garbage){.kind = kind, .ptr = ptr, .epoch = epoch, .kick = c->kicks};
}

void plane_kick(struct esp_plane *plane)
{
    uint64_t one = 1;
    plane->control->kicks++;
    for (unsigned i = 0; i < plane->n_workers; i++)
        if (write(plane->workers[i].kick.fd, &one, sizeof(one)) < 0)
            ASSERT(false); /* an eventfd that counts to 2^64 */
}

static bool released(const struct esp_plane *plane, const struct plane_garbage *g)
{
    for (unsigned i = 0; i < plane->n_workers; i++) {
        const struct plane_worker *w = &plane->workers[i];
        if (!w->running)
            continue;
        uint64_t seen = atomic_load(&w->seen);
        if (g->kind == GARBAGE_SOURCE ? atomic_load(&w->kicks_done) < g->kick
                                      : seen != WORKER_IDLE && seen < g->epoch)
            return false;
    }
    return true;
}

/* news_forget - a worker may have queued the child a moment before it went. */
static void news_forget(struct esp_plane *plane, const struct esp_child *child)
{
    struct plane_control *c = plane->control;
    struct esp_child **last = &c->news;
    while (*last != NULL)
        last = &(*last)->news_next;
    *last = plane_news_take(&plane->inbox);
    for (struct esp_child **at = &c->news; *at != NULL; at = &(*at)->news_next)
        if (*at == child) {
            *at = child->news_next;
            return;
        }
}

static void child_free(struct esp_plane *plane, struct esp_child *child)
{
    news_forget(plane, child);
    free(atomic_load(&child->route));
    esp_child_free(child);
}

static void garbage_free(struct esp_plane *plane, const struct plane_garbage *g)
{
    switch (g->kind) {
    case GARBAGE_CHILD: child_free(plane, g->ptr); return;
    case GARBAGE_ROUTE: free(g->ptr); return;
    case GARBAGE_POLICY: esp_policy_free(g->ptr); return;
    case GARBAGE_SOURCE:
        close(((struct plane_source *)g->ptr)->fd);
        free(g->ptr);
        return;
    }
}

void plane_garbage_collect(struct esp_plane *plane, bool all)
{
    struct plane_control *c = plane->control;
    size_t kept = 0;
    for (size_t i = 0; i < c->n_garbage; i++)
        if (all || released(plane, &c->garbage[i]))
            garbage_free(plane, &c->garbage[i]);
        else
            c->garbage[kept++] = c->garbage[i];
    c->n_garbage = kept;
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

/* source_new - one descriptor for one worker. */
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
        plane_garbage_put(plane, GARBAGE_SOURCE, s->sources[i]);
    memset(s, 0, sizeof(*s));
}

/* --- routes --- */

void plane_inner_max_set(struct plane_record *r)
{
    bool v6 = r->path.remote.address.family == ADDRESS_V6;
    uint16_t inner = esp_child_inner_max(r->child->key_out, r->mtu_now, v6, r->udp_encap);
    atomic_store(&r->child->inner_max, inner);
}

int plane_route_set(struct esp_plane *plane, struct plane_record *r)
{
    struct plane_control *c = plane->control;
    const struct plane_sockets *sockets = plane_sockets_for(plane, &r->path, r->udp_encap);
    if (sockets == NULL)
        return ERR_NOT_FOUND;
    struct plane_route *route = calloc(1, sizeof(*route));
    if (route == NULL || plane_garbage_reserve(c, 1) != 0) {
        free(route);
        return ERR_NO_MEMORY;
    }
    struct endpoint remote = r->path.remote;
    if (!r->udp_encap)
        remote.port = 0; /* raw IPv6 sockets take it for a protocol number */
    route->path = r->path;
    route->udp_encap = r->udp_encap;
    route->family = remote.address.family == ADDRESS_V6 ? AF_INET6 : AF_INET;
    route->remote_len = endpoint_to_sockaddr(&remote, &route->remote);
    memcpy(route->fds, sockets->fds, sizeof(route->fds));
    plane_inner_max_set(r);
    plane_garbage_put(plane, GARBAGE_ROUTE, atomic_exchange(&r->child->route, route));
    return 0;
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
