/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/outbox.h"

#include <stdlib.h>

#include "base/secret.h"
#include "daemon/common/channel.h"

struct waiting {
    struct waiting *next;
    size_t n_message, n_tail;
    uint8_t octets[];
};

struct outbox {
    int fd;
    size_t n, octets;
    struct waiting *first, *last;
};

struct outbox *outbox_new(int fd)
{
    struct outbox *outbox = calloc(1, sizeof(*outbox));
    if (outbox != NULL)
        outbox->fd = fd;
    return outbox;
}

static void first_drop(struct outbox *outbox)
{
    struct waiting *first = outbox->first;
    size_t len = first->n_message + first->n_tail;
    outbox->first = first->next;
    if (outbox->first == NULL)
        outbox->last = NULL;
    outbox->n--;
    outbox->octets -= len;
    wipe(first->octets, len); /* SK_p, secrets */
    free(first);
}

struct outbox *outbox_free(struct outbox *outbox)
{
    while (outbox != NULL && outbox->first != NULL)
        first_drop(outbox);
    free(outbox);
    return NULL;
}

static int keep(struct outbox *outbox, struct span message, struct span tail)
{
    size_t len = message.len + tail.len;
    if (outbox->n >= OUTBOX_MESSAGES || outbox->octets + len > OUTBOX_OCTETS)
        return ERR_FULL;
    struct waiting *waiting = malloc(sizeof(*waiting) + len);
    if (waiting == NULL)
        return ERR_NO_MEMORY;
    *waiting = (struct waiting){.n_message = message.len, .n_tail = tail.len};
    memcpy(waiting->octets, message.ptr, message.len);
    if (tail.len > 0)
        memcpy(waiting->octets + message.len, tail.ptr, tail.len);
    if (outbox->last == NULL)
        outbox->first = waiting;
    else
        outbox->last->next = waiting;
    outbox->last = waiting;
    outbox->n++;
    outbox->octets += len;
    return 0;
}

int outbox_send(struct outbox *outbox, struct span message, struct span tail)
{
    int error = outbox->n > 0 ? ERR_AGAIN : channel_send_tail(outbox->fd, message, tail);
    return error == ERR_AGAIN ? keep(outbox, message, tail) : error;
}

int outbox_flush(struct outbox *outbox)
{
    while (outbox->first != NULL) {
        const struct waiting *first = outbox->first;
        int error = channel_send_tail(outbox->fd, span_of(first->octets, first->n_message),
                                      span_of(first->octets + first->n_message, first->n_tail));
        if (error != 0)
            return error;
        first_drop(outbox);
    }
    return 0;
}

size_t outbox_waiting(const struct outbox *outbox)
{
    return outbox->n;
}
