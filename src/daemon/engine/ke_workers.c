/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine/ke_workers.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/assert.h"

#define NICE 10

/* Limits of waiting jobs, by class. Strangers wait for 20 ms at most on one core with Curve25519. */
static const unsigned room[IKE_KE_CLASSES] = {256, 256, 64};
#define SLOTS 576

struct slot {
    struct slot *next;
    ike_job_id job;
    enum ike_ke_class class;
    struct ke_job step;
};

struct queue {
    struct slot *first, *last;
    unsigned n;
};

struct ke_workers {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    int event_fd;
    bool stop;
    unsigned n_threads, n_ready;
    pthread_t threads[LIMIT_WORKERS];
    struct queue waiting[IKE_KE_CLASSES], done;
    struct slot *free;
    struct slot slots[SLOTS];
};

static void queue_add(struct queue *queue, struct slot *slot)
{
    slot->next = NULL;
    if (queue->last == NULL)
        queue->first = slot;
    else
        queue->last->next = slot;
    queue->last = slot;
    queue->n++;
}

static struct slot *queue_take(struct queue *queue)
{
    struct slot *slot = queue->first;
    if (slot == NULL)
        return NULL;
    queue->first = slot->next;
    if (queue->first == NULL)
        queue->last = NULL;
    queue->n--;
    return slot;
}

struct ke_workers *ke_workers_new(void)
{
    struct ke_workers *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return NULL;
    w->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (w->event_fd < 0) {
        free(w);
        return NULL;
    }
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->wake, NULL);
    for (size_t i = 0; i < SLOTS; i++) {
        w->slots[i].next = w->free;
        w->free = &w->slots[i];
    }
    return w;
}

/* --- the threads --- */

/* work_take - waits for a job; NULL: the threads end. The mutex is held. */
static struct slot *work_take(struct ke_workers *w)
{
    while (!w->stop) {
        for (size_t i = 0; i < IKE_KE_CLASSES; i++) {
            struct slot *slot = queue_take(&w->waiting[i]);
            if (slot != NULL)
                return slot;
        }
        pthread_cond_wait(&w->wake, &w->mutex);
    }
    return NULL;
}

static void *run(void *workers)
{
    struct ke_workers *w = workers;
    struct slot *slot;
    /* for this thread only; if it fails, the priority stays */
    (void)setpriority(PRIO_PROCESS, 0, NICE);
    pthread_mutex_lock(&w->mutex);
    w->n_ready++;
    pthread_cond_broadcast(&w->wake);
    while ((slot = work_take(w)) != NULL) {
        uint64_t one = 1;
        pthread_mutex_unlock(&w->mutex);
        ke_run(&slot->step);
        pthread_mutex_lock(&w->mutex);
        queue_add(&w->done, slot);
        if (w->done.n == 1 && write(w->event_fd, &one, sizeof(one)) < 0)
            ASSERT_NEVER("the counter of an eventfd is full");
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

int ke_workers_start(struct ke_workers *w, unsigned n)
{
    ASSERT(n <= LIMIT_WORKERS);
    while (w->n_threads < n) {
        if (pthread_create(&w->threads[w->n_threads], NULL, run, w) != 0)
            return ERR_SYSTEM;
        w->n_threads++;
    }
    /* the system call filter, which follows, forbids setpriority */
    pthread_mutex_lock(&w->mutex);
    while (w->n_ready < w->n_threads)
        pthread_cond_wait(&w->wake, &w->mutex);
    pthread_mutex_unlock(&w->mutex);
    return 0;
}

struct ke_workers *ke_workers_free(struct ke_workers *w)
{
    if (w == NULL)
        return NULL;
    pthread_mutex_lock(&w->mutex);
    w->stop = true;
    pthread_cond_broadcast(&w->wake);
    pthread_mutex_unlock(&w->mutex);
    for (unsigned i = 0; i < w->n_threads; i++)
        pthread_join(w->threads[i], NULL);
    pthread_mutex_destroy(&w->mutex);
    pthread_cond_destroy(&w->wake);
    close(w->event_fd);
    wipe(w, sizeof(*w));
    free(w);
    return NULL;
}

/* --- the engine's side --- */

int ke_workers_add(struct ke_workers *w, ike_job_id job, const struct ike_ke_job *ke)
{
    pthread_mutex_lock(&w->mutex);
    struct queue *queue = &w->waiting[ke->class];
    struct slot *slot = queue->n < room[ke->class] ? w->free : NULL;
    if (slot != NULL) {
        w->free = slot->next;
        slot->job = job;
        slot->class = ke->class;
        slot->step = ke->step;
        queue_add(queue, slot);
        pthread_cond_signal(&w->wake);
    }
    pthread_mutex_unlock(&w->mutex);
    return slot == NULL ? ERR_AGAIN : 0;
}

int ke_workers_fd(const struct ke_workers *w)
{
    return w->event_fd;
}

bool ke_workers_next(struct ke_workers *w, ike_job_id *ret_job, struct ke_job *ret_step)
{
    uint64_t count;
    pthread_mutex_lock(&w->mutex);
    struct slot *slot = queue_take(&w->done);
    if (w->done.n == 0 && read(w->event_fd, &count, sizeof(count)) < 0)
        count = 0; /* it was read before */
    if (slot != NULL) {
        *ret_job = slot->job;
        *ret_step = slot->step;
        wipe(&slot->step, sizeof(slot->step));
        slot->next = w->free;
        w->free = slot;
    }
    pthread_mutex_unlock(&w->mutex);
    return slot != NULL;
}
