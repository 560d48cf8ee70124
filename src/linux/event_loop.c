/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/event_loop.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "linux/clock.h"

#define BATCH 64

struct source {
    event_handler *handler; /* NULL: free */
    void *context;
    uint32_t generation; /* of this registration: the number may be used again */
};

struct event_loop {
    int epoll_fd;
    uint32_t generation;
    size_t n;
    struct source *sources; /* by descriptor */
};

struct event_loop *event_loop_new(void)
{
    struct event_loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL)
        return NULL;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        free(loop);
        return NULL;
    }
    return loop;
}

struct event_loop *event_loop_free(struct event_loop *loop)
{
    if (loop != NULL) {
        close(loop->epoll_fd);
        free(loop->sources);
        free(loop);
    }
    return NULL;
}

static int sources_grow(struct event_loop *loop, size_t fd)
{
    size_t n = loop->n == 0 ? 64 : loop->n;
    while (n <= fd)
        n *= 2;
    if (n == loop->n)
        return 0;
    struct source *sources = reallocarray(loop->sources, n, sizeof(*sources));
    if (sources == NULL)
        return ERR_NO_MEMORY;
    memset(sources + loop->n, 0, (n - loop->n) * sizeof(*sources));
    loop->sources = sources;
    loop->n = n;
    return 0;
}

static int source_control(struct event_loop *loop, int op, int fd, unsigned events)
{
    uint32_t generation = loop->sources[fd].generation;
    struct epoll_event event = {
        .events = ((events & EVENT_READ) ? (uint32_t)EPOLLIN : 0) |
                  ((events & EVENT_WRITE) ? (uint32_t)EPOLLOUT : 0),
        .data.u64 = ((uint64_t)generation << 32) | (uint32_t)fd,
    };
    return epoll_ctl(loop->epoll_fd, op, fd, &event) < 0 ? ERR_SYSTEM : 0;
}

static bool source_known(const struct event_loop *loop, int fd)
{
    return fd >= 0 && (size_t)fd < loop->n && loop->sources[fd].handler != NULL;
}

int event_loop_add(struct event_loop *loop, int fd, unsigned events, event_handler *handler,
                   void *context)
{
    if (fd < 0 || handler == NULL || source_known(loop, fd))
        return ERR_INVALID;
    int error = sources_grow(loop, (size_t)fd);
    if (error != 0)
        return error;
    loop->sources[fd] = (struct source){handler, context, ++loop->generation};
    error = source_control(loop, EPOLL_CTL_ADD, fd, events);
    if (error != 0)
        loop->sources[fd] = (struct source){0};
    return error;
}

int event_loop_change(struct event_loop *loop, int fd, unsigned events)
{
    return source_known(loop, fd) ? source_control(loop, EPOLL_CTL_MOD, fd, events) : ERR_NOT_FOUND;
}

void event_loop_remove(struct event_loop *loop, int fd)
{
    if (!source_known(loop, fd))
        return;
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    loop->sources[fd] = (struct source){0};
}

/* rounded up, so that the deadline has passed when the wait ends */
static int wait_ms(nanos deadline)
{
    if (deadline == NANOS_NEVER)
        return -1;
    nanos now = clock_now();
    if (deadline <= now)
        return 0;
    nanos ms = (deadline - now - 1) / NANOS_PER_MS + 1;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

static bool event_deliver(struct event_loop *loop, const struct epoll_event *event)
{
    int fd = (int)(uint32_t)event->data.u64;
    uint32_t generation = (uint32_t)(event->data.u64 >> 32);
    if (!source_known(loop, fd) || loop->sources[fd].generation != generation)
        return false;
    unsigned events = ((event->events & EPOLLIN) ? EVENT_READ : 0) |
                      ((event->events & EPOLLOUT) ? EVENT_WRITE : 0) |
                      ((event->events & (EPOLLERR | EPOLLHUP)) ? EVENT_GONE : 0);
    loop->sources[fd].handler(loop->sources[fd].context, fd, events);
    return true;
}

int event_loop_wait(struct event_loop *loop, nanos deadline, nanos *ret_now)
{
    struct epoll_event events[BATCH];
    int n = epoll_wait(loop->epoll_fd, events, BATCH, wait_ms(deadline));
    *ret_now = clock_now();
    if (n < 0)
        return errno == EINTR ? 0 : ERR_SYSTEM;
    int delivered = 0;
    for (int i = 0; i < n; i++)
        delivered += event_deliver(loop, &events[i]);
    return delivered;
}
