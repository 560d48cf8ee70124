/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the workers to the control thread: news of children, IKE datagrams, path MTUs. */
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "plane/esp_worker.h"

int plane_inbox_init(struct plane_inbox *inbox)
{
    inbox->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (inbox->event_fd < 0)
        return ERR_SYSTEM;
    inbox->ike = calloc(PLANE_IKE_QUEUE, sizeof(*inbox->ike));
    if (inbox->ike == NULL || pthread_mutex_init(&inbox->mutex, NULL) != 0) {
        free(inbox->ike);
        close(inbox->event_fd);
        return ERR_NO_MEMORY;
    }
    return 0;
}

void plane_inbox_done(struct plane_inbox *inbox)
{
    close(inbox->event_fd);
    free(inbox->ike);
    pthread_mutex_destroy(&inbox->mutex);
}

static void signal_control(struct plane_inbox *inbox)
{
    if (atomic_exchange(&inbox->signalled, true))
        return;
    uint64_t one = 1;
    /* the counter is never full: no worker writes to it while `signalled` is set */
    if (write(inbox->event_fd, &one, sizeof(one)) < 0)
        atomic_store(&inbox->signalled, false);
}

/* queues_wait - a queue is not empty, so the descriptor stays readable. */
static bool queues_wait(struct plane_inbox *inbox)
{
    pthread_mutex_lock(&inbox->mutex);
    bool some = inbox->ike_n > 0 || inbox->mtu_n > 0;
    pthread_mutex_unlock(&inbox->mutex);
    return some;
}

void plane_inbox_clear(struct plane_inbox *inbox)
{
    uint64_t count;
    if (read(inbox->event_fd, &count, sizeof(count)) < 0)
        return;
    atomic_store(&inbox->signalled, false);
    /* the reader was woken for another message, or read before this one arrived */
    if (queues_wait(inbox))
        signal_control(inbox);
}

void plane_news(struct esp_plane *plane, struct esp_child *child, enum esp_event_kind kind)
{
    struct plane_inbox *inbox = &plane->inbox;
    uint32_t bit = UINT32_C(1) << kind;
    if ((atomic_fetch_or(&child->news, bit) & bit) != 0 ||
        atomic_exchange(&child->news_queued, true))
        return;
    struct esp_child *top = atomic_load(&inbox->news);
    do
        child->news_next = top;
    while (!atomic_compare_exchange_weak(&inbox->news, &top, child));
    signal_control(inbox);
}

struct esp_child *plane_news_take(struct plane_inbox *inbox)
{
    return atomic_exchange(&inbox->news, NULL);
}

bool plane_ike_put(struct esp_plane *plane, const struct esp_path *path, struct span message)
{
    struct plane_inbox *inbox = &plane->inbox;
    if (message.len > LIMIT_IKE_MESSAGE)
        return false;
    pthread_mutex_lock(&inbox->mutex);
    bool room = inbox->ike_n < PLANE_IKE_QUEUE;
    if (room) {
        struct plane_ike_slot *slot =
            &inbox->ike[(inbox->ike_first + inbox->ike_n++) % PLANE_IKE_QUEUE];
        slot->path = *path;
        slot->len = message.len;
        memcpy(slot->octets, message.ptr, message.len);
    }
    pthread_mutex_unlock(&inbox->mutex);
    signal_control(inbox);
    return room;
}

bool plane_ike_take(struct plane_inbox *inbox, struct plane_ike_slot *ret)
{
    pthread_mutex_lock(&inbox->mutex);
    bool some = inbox->ike_n > 0;
    if (some) {
        const struct plane_ike_slot *slot = &inbox->ike[inbox->ike_first];
        ret->path = slot->path;
        ret->len = slot->len;
        memcpy(ret->octets, slot->octets, slot->len);
        inbox->ike_first = (inbox->ike_first + 1) % PLANE_IKE_QUEUE;
        inbox->ike_n--;
    }
    pthread_mutex_unlock(&inbox->mutex);
    return some;
}

void plane_mtu_put(struct esp_plane *plane, const struct plane_mtu_report *report)
{
    struct plane_inbox *inbox = &plane->inbox;
    pthread_mutex_lock(&inbox->mutex);
    if (inbox->mtu_n < PLANE_MTU_QUEUE) /* the ring is full: a later report repeats it */
        inbox->mtu[inbox->mtu_n++] = *report;
    pthread_mutex_unlock(&inbox->mutex);
    signal_control(inbox);
}

bool plane_mtu_take(struct plane_inbox *inbox, struct plane_mtu_report *ret)
{
    pthread_mutex_lock(&inbox->mutex);
    bool some = inbox->mtu_n > 0;
    if (some)
        *ret = inbox->mtu[--inbox->mtu_n];
    pthread_mutex_unlock(&inbox->mutex);
    return some;
}

void plane_acquire_put(struct esp_plane *plane, const struct esp_acquire *acquire)
{
    struct plane_inbox *inbox = &plane->inbox;
    pthread_mutex_lock(&inbox->mutex);
    if (inbox->acquire_n < PLANE_ACQUIRE_QUEUE) /* full: the peer retransmits */
        inbox->acquire[inbox->acquire_n++] = *acquire;
    pthread_mutex_unlock(&inbox->mutex);
    signal_control(inbox);
}

void plane_hint_put(struct esp_plane *plane, const struct plane_hint *hint)
{
    struct plane_inbox *inbox = &plane->inbox;
    pthread_mutex_lock(&inbox->mutex);
    if (inbox->hint_n < PLANE_HINT_QUEUE) /* the ring is full: this is a hint, and others follow */
        inbox->hint[inbox->hint_n++] = *hint;
    pthread_mutex_unlock(&inbox->mutex);
    signal_control(inbox);
}

bool plane_hint_take(struct plane_inbox *inbox, struct plane_hint *ret)
{
    pthread_mutex_lock(&inbox->mutex);
    bool some = inbox->hint_n > 0;
    if (some)
        *ret = inbox->hint[--inbox->hint_n];
    pthread_mutex_unlock(&inbox->mutex);
    return some;
}

bool plane_acquire_take(struct plane_inbox *inbox, struct esp_acquire *ret)
{
    pthread_mutex_lock(&inbox->mutex);
    bool some = inbox->acquire_n > 0;
    if (some)
        *ret = inbox->acquire[--inbox->acquire_n];
    pthread_mutex_unlock(&inbox->mutex);
    return some;
}
