/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/esp_space.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 32
/* room behind PLANE_SEND_OCTETS: a packet is built first and measured afterwards */
#define SEND_SLACK 4096

nanos plane_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (nanos)t.tv_sec * NANOS_PER_SEC + t.tv_nsec;
}

int plane_worker_watch(struct plane_worker *w, struct plane_source *source)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};
    return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) == 0 ? 0 : ERR_SYSTEM;
}

int plane_worker_init(struct plane_worker *w, struct esp_plane *plane, unsigned index)
{
    w->plane = plane;
    w->index = index;
    w->coalesce.uso = plane->uso;
    atomic_store(&w->seen, WORKER_IDLE);
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    w->kick =
        (struct plane_source){.kind = SOURCE_KICK, .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    w->crypto = esp_crypto_new();
    w->frame = malloc(PLANE_RECV_OCTETS);
    w->send.octets = malloc(PLANE_SEND_OCTETS + SEND_SLACK + UINT16_MAX);
    w->recv.octets = malloc((size_t)PLANE_RAW_MESSAGES * PLANE_RAW_STRIDE);
    if (w->epoll_fd < 0 || w->kick.fd < 0)
        return ERR_SYSTEM;
    if (w->crypto == NULL || w->frame == NULL || w->send.octets == NULL || w->recv.octets == NULL)
        return ERR_NO_MEMORY;
    if (w->tun.fd >= 0 && plane_worker_watch(w, &w->tun) != 0)
        return ERR_SYSTEM;
    return plane_worker_watch(w, &w->kick);
}

void plane_worker_done(struct plane_worker *w)
{
    if (w->epoll_fd >= 0)
        close(w->epoll_fd);
    if (w->kick.fd >= 0)
        close(w->kick.fd);
    esp_crypto_free(w->crypto);
    free(w->frame);
    free(w->send.octets);
    free(w->recv.octets);
    free(w->recv.rooms);
}

/* kick_take - the descriptor also counts what other workers wrote, so the kicks are counted apart.
 * A kick between the two lines wakes the worker once more. */
static void kick_take(struct plane_worker *w)
{
    uint64_t wakes;
    (void)!read(w->kick.fd, &wakes, sizeof(wakes));
    w->kicks_taken = atomic_load(&w->plane->kicks);
}

static void source_handle(struct plane_worker *w, struct plane_source *source, uint32_t events)
{
    switch (source->kind) {
    case SOURCE_TUN:
        if ((events & EPOLLIN) == 0) { /* the device is gone: no frame will come */
            worker_count(w, STAT_TUN_ERRORS, 1);
            (void)epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
            return;
        }
        plane_tun_drain(w, source);
        return;
    case SOURCE_KICK: kick_take(w); return;
    case SOURCE_UDP:
    case SOURCE_RAW4:
    case SOURCE_RAW6:
        if ((events & EPOLLERR) != 0)
            plane_socket_errors(w, source);
        plane_socket_drain(w, source);
        return;
    }
}

/* wait_events - waits for descriptors, or until an order space has something due. */
static int wait_events(struct plane_worker *w, struct epoll_event *events)
{
    nanos due = plane_spaces_deadline(w);
    if (due == NANOS_NEVER)
        return epoll_wait(w->epoll_fd, events, EVENTS_MAX, -1);
    nanos left = due - plane_now();
    left = left > 0 ? left : 0;
    struct timespec wait = {(time_t)(left / NANOS_PER_SEC), (long)(left % NANOS_PER_SEC)};
    return epoll_pwait2(w->epoll_fd, events, EVENTS_MAX, &wait, NULL);
}

void *plane_worker_run(void *worker)
{
    struct plane_worker *w = worker;
    struct epoll_event events[EVENTS_MAX];
    pthread_mutex_lock(&w->plane->gate);
    pthread_mutex_unlock(&w->plane->gate);
    while (!atomic_load(&w->stop)) {
        atomic_store(&w->seen, WORKER_IDLE);
        int n = wait_events(w, events);
        if (n < 0 && errno != EINTR)
            break;
        /* the order matters, see esp_worker.h: first publish the epoch, then look */
        atomic_store(&w->seen, atomic_load(&w->plane->epoch));
        w->now = plane_now();
        for (int i = 0; i < n; i++)
            source_handle(w, events[i].data.ptr, events[i].events);
        plane_spaces_tick(w);
        atomic_store(&w->kicks_done, w->kicks_taken);
    }
    atomic_store(&w->seen, WORKER_IDLE);
    return NULL;
}
