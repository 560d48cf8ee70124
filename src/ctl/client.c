/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct client {
    int fd;
    bool silent; /* a deadline has passed without an answer */
    /* the frame that is arriving */
    uint8_t length[4];
    uint8_t *octets; /* owned; `len` octets of room; NULL: the length has not arrived yet */
    size_t len, n;   /* n: octets of the length, or else of the frame, that have arrived */
};

struct client *client_open(const char *socket_path, char error[512])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(socket_path) >= sizeof(address.sun_path)) {
        (void)snprintf(error, 512, "the path of the socket is too long: %.200s", socket_path);
        return NULL;
    }
    strcpy(address.sun_path, socket_path);
    struct client *client = calloc(1, sizeof(*client));
    if (client == NULL)
        return NULL;
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* a daemon that has stopped must not block us forever */
    const struct timeval patience = {.tv_sec = CLIENT_ANSWER_MS / 1000};
    (void)setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        const char *next = errno == EACCES ? "only root and the socket's group may talk to ikatd"
                           : errno == ENOENT || errno == ECONNREFUSED
                               ? "is ikatd running? (another socket: ikat -s PATH)"
                               : "";
        (void)snprintf(error, 512, "cannot reach ikatd at %.200s: %s; %s", socket_path,
                       strerror(errno), next);
        return client_close(client);
    }
    return client;
}

struct client *client_close(struct client *client)
{
    if (client == NULL)
        return NULL;
    if (client->fd >= 0)
        (void)close(client->fd);
    free(client->octets);
    free(client);
    return NULL;
}

static bool send_frame(struct client *client, struct vici_writer *w)
{
    struct span frame = vici_writer_frame(w);
    bool ok = frame.len > 0 && !client->silent;
    while (ok && frame.len > 0) {
        ssize_t n = send(client->fd, frame.ptr, frame.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        ok = n > 0;
        if (ok) {
            frame.ptr += n;
            frame.len -= (size_t)n;
        }
    }
    vici_writer_done(w);
    return ok;
}

static long long now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

enum arrival { ARRIVAL_BROKEN, ARRIVAL_PART, ARRIVAL_WHOLE };

/* begin_frame - makes room for a frame whose length has arrived. false: the length is not allowed,
 * or no memory. */
static bool begin_frame(struct client *client)
{
    const uint8_t *l = client->length;
    client->len = (size_t)l[0] << 24 | (size_t)l[1] << 16 | (size_t)l[2] << 8 | l[3];
    client->n = 0;
    if (client->len > 0 && client->len <= VICI_FRAME_MAX)
        client->octets = malloc(client->len);
    return client->octets != NULL;
}

/* frame_receive - reads the octets of one frame that have arrived, and never waits for the rest. */
static enum arrival frame_receive(struct client *client)
{
    for (;;) {
        bool head = client->octets == NULL;
        uint8_t *to = head ? client->length : client->octets;
        size_t len = head ? sizeof(client->length) : client->len;
        ssize_t n = recv(client->fd, to + client->n, len - client->n, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return ARRIVAL_PART;
        if (n <= 0)
            return ARRIVAL_BROKEN;
        client->n += (size_t)n;
        if (client->n == len && !head)
            return ARRIVAL_WHOLE;
        if (client->n == len && !begin_frame(client))
            return ARRIVAL_BROKEN;
    }
}

/* frame_take - reads a frame that has arrived whole. The caller owns the octets, into which `frame`
 * points. NULL: the octets are no frame. */
static uint8_t *frame_take(struct client *client, struct vici_frame *frame)
{
    uint8_t *octets = client->octets;
    client->octets = NULL;
    client->n = 0;
    if (vici_frame_read(span_of(octets, client->len), frame))
        return octets;
    free(octets);
    return NULL;
}

/* await - waits until octets arrive. false: the deadline has passed (0: there is none), or poll
 * failed. */
static bool await(struct client *client, long long deadline_ms)
{
    for (;;) {
        struct pollfd poll_fd = {.fd = client->fd, .events = POLLIN};
        long long left = deadline_ms == 0 ? -1 : deadline_ms - now_ms();
        if (deadline_ms != 0 && left <= 0)
            return false;
        int ready = poll(&poll_fd, 1, (int)left);
        if (ready < 0 && errno == EINTR)
            continue;
        return ready > 0;
    }
}

/* read_frame - waits for the next frame and reads it as frame_take() does. */
static uint8_t *read_frame(struct client *client, struct vici_frame *frame, long long deadline_ms)
{
    enum arrival arrival;
    while ((arrival = frame_receive(client)) == ARRIVAL_PART)
        if (!await(client, deadline_ms)) {
            client->silent = true;
            return NULL;
        }
    return arrival == ARRIVAL_WHOLE ? frame_take(client, frame) : NULL;
}

bool client_register(struct client *client, const char *event)
{
    struct vici_writer w;
    struct vici_frame frame;
    vici_begin(&w, VICI_EVENT_REGISTER, event);
    if (!send_frame(client, &w))
        return false;
    uint8_t *octets = read_frame(client, &frame, now_ms() + CLIENT_ANSWER_MS);
    bool ok = octets != NULL && frame.type == VICI_EVENT_CONFIRM;
    free(octets);
    return ok;
}

struct tree *client_request(struct client *client, struct vici_writer *w, client_event *handler,
                            void *context, int timeout_ms)
{
    if (!send_frame(client, w))
        return NULL;
    for (;;) {
        long long deadline = timeout_ms == 0 ? 0 : now_ms() + timeout_ms;
        struct vici_frame frame;
        uint8_t *octets = read_frame(client, &frame, deadline);
        if (octets == NULL)
            return NULL;
        struct tree *message = vici_message_read(frame.message);
        uint8_t type = frame.type;
        if (type == VICI_EVENT && message != NULL && handler != NULL)
            handler(context, frame.name, message);
        free(octets);
        if (type == VICI_CMD_RESPONSE)
            return message;
        tree_free(message);
        if (type != VICI_EVENT)
            return NULL;
    }
}

int client_descriptor(const struct client *client)
{
    return client->fd;
}

/* event_give - gives the event to `handler`, and frees the octets. */
static bool event_give(const struct vici_frame *frame, uint8_t *octets, client_event *handler,
                       void *context)
{
    struct tree *message =
        octets == NULL || frame->type != VICI_EVENT ? NULL : vici_message_read(frame->message);
    if (message != NULL)
        handler(context, frame->name, message);
    bool ok = message != NULL;
    tree_free(message);
    free(octets);
    return ok;
}

bool client_event_wait(struct client *client, client_event *handler, void *context)
{
    struct vici_frame frame;
    uint8_t *octets = read_frame(client, &frame, 0);
    return event_give(&frame, octets, handler, context);
}

bool client_event_take(struct client *client, client_event *handler, void *context)
{
    struct vici_frame frame;
    enum arrival arrival = frame_receive(client);
    if (arrival != ARRIVAL_WHOLE)
        return arrival == ARRIVAL_PART;
    uint8_t *octets = frame_take(client, &frame);
    return event_give(&frame, octets, handler, context);
}

static void collect(void *context, const char *name, struct tree *message)
{
    struct tree *all = context;
    struct tree *children = message->first;
    (void)name;
    /* the caller frees the message, so its elements are moved to the list */
    if (children == NULL)
        return;
    if (all->last == NULL)
        all->first = children;
    else
        all->last->next = children;
    all->last = message->last;
    message->first = message->last = NULL;
}

struct tree *client_list(struct client *client, const char *command, const char *event)
{
    struct tree *all = tree_new(TREE_SECTION, "");
    struct vici_writer w;
    if (all == NULL || !client_register(client, event))
        return tree_free(all);
    vici_begin(&w, VICI_CMD_REQUEST, command);
    struct tree *response = client_request(client, &w, collect, all, CLIENT_ANSWER_MS);
    if (response == NULL)
        return tree_free(all);
    tree_free(response);
    return all;
}
