/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine/requests.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/common/log.h"

struct queued {
    struct priv_request request;
    uint32_t id;
};

/* Three counters divide the queue: answered <= sent <= asked. */
struct requests {
    int fd;
    bool gone; /* the supervisor no longer answers */
    uint64_t asked, sent, answered;
    struct queued *queue; /* owned; a ring */
    size_t cap;           /* a power of two; 0: no memory yet */
};

struct requests *requests_new(int fd)
{
    struct requests *requests = calloc(1, sizeof(*requests));
    int flags = fcntl(fd, F_GETFL);
    if (requests == NULL || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        free(requests);
        return NULL;
    }
    requests->fd = fd;
    return requests;
}

struct requests *requests_free(struct requests *requests)
{
    if (requests != NULL)
        free(requests->queue);
    free(requests);
    return NULL;
}

uint64_t requests_asked(const struct requests *requests)
{
    return requests->asked;
}

uint64_t requests_answered(const struct requests *requests)
{
    return requests->answered;
}

static struct queued *queued_at(const struct requests *requests, uint64_t number)
{
    return &requests->queue[number & (requests->cap - 1)];
}

static int queue_grow(struct requests *requests)
{
    struct requests larger = *requests;
    larger.cap = requests->cap == 0 ? REQUESTS_OPEN : requests->cap * 2;
    larger.queue = calloc(larger.cap, sizeof(larger.queue[0]));
    if (larger.queue == NULL)
        return ERR_NO_MEMORY;
    for (uint64_t n = requests->answered; n < requests->asked; n++)
        *queued_at(&larger, n) = *queued_at(requests, n);
    free(requests->queue);
    *requests = larger;
    return 0;
}

static void lost(struct requests *requests)
{
    if (!requests->gone)
        log_line(LOG_LEVEL_ERROR, "event=supervisor-gone");
    requests->gone = true;
}

static void queue_send(struct requests *requests)
{
    while (!requests->gone && requests->sent < requests->asked &&
           requests->sent - requests->answered < REQUESTS_OPEN) {
        const struct queued *next = queued_at(requests, requests->sent);
        int error = channel_send(requests->fd, &next->request, sizeof(next->request), NULL, 0);
        if (error == ERR_AGAIN)
            return; /* the next answer makes room */
        if (error != 0)
            lost(requests);
        else
            requests->sent++;
    }
}

int requests_ask(struct requests *requests, const struct priv_request *request, uint32_t id)
{
    if (requests->asked - requests->answered == requests->cap && queue_grow(requests) != 0)
        return ERR_NO_MEMORY;
    *queued_at(requests, requests->asked++) = (struct queued){*request, id};
    queue_send(requests);
    return 0;
}

/* answer_read - closes descriptors that arrive without an announcement. */
static bool answer_read(struct requests *requests, struct request_answer *ret)
{
    struct priv_answer answer;
    int error = channel_recv(requests->fd, &answer, sizeof(answer), ret->fds, &ret->n_fds);
    if (error == ERR_AGAIN)
        return false;
    if (error != 0) {
        lost(requests);
        return false;
    }
    ret->error = answer.error;
    ret->reason = answer.reason;
    if (answer.error == 0 && ret->n_fds == answer.n_fds)
        return true;
    for (unsigned i = 0; i < ret->n_fds; i++)
        close(ret->fds[i]);
    if (answer.error == 0 && answer.n_fds != 0)
        ret->error = ERR_INVALID; /* announced descriptors are missing */
    ret->n_fds = 0;
    return true;
}

bool requests_answer(struct requests *requests, struct request_answer *ret)
{
    *ret = (struct request_answer){.error = ERR_SYSTEM};
    bool open = requests->answered < (requests->gone ? requests->asked : requests->sent);
    if (!open || (!requests->gone && !answer_read(requests, ret)))
        return false;
    const struct queued *first = queued_at(requests, requests->answered++);
    ret->request = first->request;
    ret->id = first->id;
    queue_send(requests);
    return true;
}
