/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct client {
    int fd;
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
    if (client != NULL && client->fd >= 0)
        (void)close(client->fd);
    free(client);
    return NULL;
}

static bool send_frame(struct client *client, struct vici_writer *w)
{
    struct span frame = vici_writer_frame(w);
    bool ok = frame.len > 0;
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

static bool read_exactly(struct client *client, uint8_t *out, size_t len, long long deadline_ms)
{
    while (len > 0) {
        struct pollfd poll_fd = {.fd = client->fd, .events = POLLIN};
        long long left = deadline_ms == 0 ? -1 : deadline_ms - now_ms();
        if (deadline_ms != 0 && left <= 0)
            return false;
        int ready = poll(&poll_fd, 1, (int)left);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return false;
        ssize_t n = recv(client->fd, out, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        out += n;
        len -= (size_t)n;
    }
    return true;
}

/* read_frame - the caller owns `octets`, into which the frame points. */
static uint8_t *read_frame(struct client *client, struct vici_frame *frame, long long deadline_ms)
{
    uint8_t length[4];
    if (!read_exactly(client, length, sizeof(length), deadline_ms))
        return NULL;
    size_t len =
        (size_t)length[0] << 24 | (size_t)length[1] << 16 | (size_t)length[2] << 8 | length[3];
    uint8_t *octets = len == 0 || len > VICI_FRAME_MAX ? NULL : malloc(len);
    if (octets != NULL && read_exactly(client, octets, len, deadline_ms) &&
        vici_frame_read(span_of(octets, len), frame))
        return octets;
    free(octets);
    return NULL;
}

bool client_register(struct client *client, const char *event)
{
    struct vici_writer w;
    struct vici_frame frame;
    vici_begin(&w, VICI_EVENT_REGISTER, event);
    if (!send_frame(client, &w))
        return false;
    uint8_t *octets = read_frame(client, &frame, 0);
    bool ok = octets != NULL && frame.type == VICI_EVENT_CONFIRM;
    free(octets);
    return ok;
}

struct tree *client_request(struct client *client, struct vici_writer *w, client_event *handler,
                            void *context, int timeout_ms)
{
    long long deadline = timeout_ms == 0 ? 0 : now_ms() + timeout_ms;
    if (!send_frame(client, w))
        return NULL;
    for (;;) {
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

bool client_event_take(struct client *client, client_event *handler, void *context)
{
    struct vici_frame frame;
    uint8_t *octets = read_frame(client, &frame, 0);
    struct tree *message =
        octets == NULL || frame.type != VICI_EVENT ? NULL : vici_message_read(frame.message);
    if (message != NULL)
        handler(context, frame.name, message);
    bool ok = message != NULL;
    tree_free(message);
    free(octets);
    return ok;
}

static void collect(void *context, const char *name, struct tree *message)
{
    struct tree *all = context;
    struct tree *children = message->first;
    (void)name;
    /* the caller frees the message, so its elements move to the list */
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
    struct tree *response = client_request(client, &w, collect, all, 10000);
    if (response == NULL)
        return tree_free(all);
    tree_free(response);
    return all;
}
