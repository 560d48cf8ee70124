/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/vici/vici_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/rate.h"
#include "base/secret.h"
#include "daemon/common/log.h"
#include "daemon/vici/vici_alert.h"
#include "daemon/vici/vici_log.h"
#include "daemon/vici/vici_news.h"
#include "daemon/vici/vici_stage.h"
#include "daemon/vici/vici_status.h"
#include "daemon/vici/vici_trace.h"

#define CLIENTS_MAX       256
#define CLIENTS_ROOT      16                /* further clients, of root only */
#define OUTPUT_MAX        (2 * 1024 * 1024) /* octets of events that a client has not read */
#define ALERTS_PER_SECOND 20
#define READ_SIZE         65536
#define LISTING_HELD      65536 /* octets of a listing that wait to be read */
#define LISTING_TURN      64    /* events of a listing in one turn of the loop */

struct vici_client {
    struct vici_client *next;
    struct vici_server *server;
    int fd;
    bool busy, gone;
    bool resume;     /* the loop handles the frames that arrived meanwhile */
    bool held;       /* the next request waits for the first load */
    uint32_t events; /* bits of enum vici_event_id */
    uint8_t *in;     /* owned: one frame */
    size_t n_in, in_cap;
    uint8_t *out; /* owned: octets that the client has not read yet */
    size_t n_out, out_sent, out_cap;
    struct tree *message; /* owned: state of the command that runs */
    vici_listing listing; /* the listing that runs; NULL: none */
    uint64_t listing_at;
    struct vici_cached cached;
    int level;                /* of control-log */
    struct vici_stage *stage; /* owned; NULL: no load is prepared */
    uid_t uid;                /* user id of the process that connected */
    /* it came through the supervisor, and does not count against the limit */
    bool loader;
    uint64_t load;    /* its number */
    nanos used_ns;    /* time of the last command */
    char change[256]; /* the command that runs, if it changes something; else empty */
};

struct vici_server {
    const struct engine_ops *ops;
    struct event_loop *loop;
    int listen_fd;
    nanos started_ns;
    nanos alerts_ns;          /* rate_second */
    struct vici_log *log;     /* owned */
    struct vici_files *files; /* owned */
    uint64_t traced;          /* number of the last trace entry that was sent */
    struct vici_client *clients;
    unsigned n_clients;
    bool loading; /* the first load has not ended */
};

static const char *const event_names[VICI_EV_COUNT] = {
    [VICI_EV_LOG] = "log",
    [VICI_EV_CONTROL_LOG] = "control-log",
    [VICI_EV_LIST_SA] = "list-sa",
    [VICI_EV_LIST_POLICY] = "list-policy",
    [VICI_EV_LIST_CONN] = "list-conn",
    [VICI_EV_LIST_CERT] = "list-cert",
    [VICI_EV_LIST_AUTHORITY] = "list-authority",
    [VICI_EV_IKE_UPDOWN] = "ike-updown",
    [VICI_EV_IKE_REKEY] = "ike-rekey",
    [VICI_EV_IKE_UPDATE] = "ike-update",
    [VICI_EV_CHILD_UPDOWN] = "child-updown",
    [VICI_EV_CHILD_REKEY] = "child-rekey",
    [VICI_EV_ALERT] = "alert",
    [VICI_EV_LIST_SESSION] = "list-session",
    [VICI_EV_LIST_PATH] = "list-path",
    [VICI_EV_PATH] = "path",
    [VICI_EV_LIST_LOG] = "list-log",
    [VICI_EV_LIST_LEASE] = "list-lease",
    [VICI_EV_LIST_TRACE] = "list-trace",
    [VICI_EV_TRACE] = "trace",
};

const char *vici_event_name(enum vici_event_id id)
{
    return event_names[id];
}

const struct engine_ops *vici_client_ops(const struct vici_client *client)
{
    return client->server->ops;
}

struct vici_log *vici_client_log(const struct vici_client *client)
{
    return client->server->log;
}

struct vici_files *vici_client_files(const struct vici_client *client)
{
    return client->server->files;
}

bool vici_server_conn_of_files(const struct vici_server *server, const char *conn)
{
    return vici_files_have(server->files, VICI_FILE_CONN, conn);
}

void vici_client_files_set(struct vici_client *client, struct vici_files *files)
{
    vici_files_free(client->server->files);
    client->server->files = files;
}

nanos vici_client_started(const struct vici_client *client)
{
    return client->server->started_ns;
}

struct vici_stage *vici_client_stage(const struct vici_client *client)
{
    return client->stage;
}

void vici_client_stage_set(struct vici_client *client, struct vici_stage *stage)
{
    vici_stage_free(client->stage);
    client->stage = stage;
}

uint64_t vici_client_load(const struct vici_client *client)
{
    return client->load;
}

void vici_client_level_set(struct vici_client *client, int level)
{
    client->level = level;
}

int vici_client_level(const struct vici_client *client)
{
    return client->level;
}

bool vici_client_registered(const struct vici_client *client, enum vici_event_id id)
{
    return (client->events & UINT32_C(1) << id) != 0;
}

/* --- a client's buffers --- */

/* result_tell - tells the engine, for the audit file, the result of the client's change. */
static void result_tell(struct vici_client *client, const char *result)
{
    const struct engine_ops *ops = client->server->ops;
    const struct engine_asked asked = {
        .command = client->change, .uid = (uint32_t)client->uid, .result = result};
    ops->asked(ops->engine, &asked);
    client->change[0] = '\0';
}

/* response_tell - the same with the result in a response frame. Events are no response. */
static void response_tell(struct vici_client *client, struct span frame)
{
    struct vici_frame response;
    if (client->change[0] == '\0' || frame.len < 4 ||
        !vici_frame_read(span_of(frame.ptr + 4, frame.len - 4), &response) ||
        (response.type != VICI_CMD_RESPONSE && response.type != VICI_CMD_UNKNOWN))
        return;
    struct tree *message = vici_message_read(response.message);
    const char *success = message == NULL ? NULL : tree_text(message, "success");
    const char *why = message == NULL ? NULL : tree_text(message, "errmsg");
    bool refused = success != NULL && strcmp(success, "yes") != 0;
    result_tell(client, !refused ? "ok" : why != NULL && why[0] != '\0' ? why : "failed");
    tree_free(message);
}

static void client_free(struct vici_client *client)
{
    struct vici_server *server = client->server;
    struct vici_client **link = &server->clients;
    if (client->change[0] != '\0')
        result_tell(client, "not known: the client went before the answer");
    while (*link != client)
        link = &(*link)->next;
    *link = client->next;
    server->n_clients -= !client->loader;
    vici_stage_free(client->stage);
    if (client->loader)
        server->ops->load_drop(server->ops->engine, client->load);
    server->ops->unwatch(server->ops->engine, client);
    event_loop_remove(server->loop, client->fd);
    (void)close(client->fd);
    if (client->in != NULL)
        wipe(client->in, client->in_cap); /* the buffer may have held a secret */
    tree_free(client->message);
    free(client->in);
    free(client->out);
    free(client);
}

/* cut - shuts the connection down. The loop gets a hang-up, and frees the client. */
static void cut(struct vici_client *client)
{
    client->gone = true;
    (void)shutdown(client->fd, SHUT_RDWR);
}

static bool flush(struct vici_client *client)
{
    while (client->out_sent < client->n_out) {
        ssize_t n = send(client->fd, client->out + client->out_sent,
                         client->n_out - client->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK;
        client->out_sent += (size_t)n;
    }
    client->n_out = client->out_sent = 0;
    return true;
}

static void update_interest(struct vici_client *client)
{
    bool write = client->resume || client->listing != NULL || client->n_out > client->out_sent;
    unsigned events = EVENT_READ | (write ? EVENT_WRITE : 0);
    if (event_loop_change(client->server->loop, client->fd, events) != 0)
        cut(client);
}

static bool grow(uint8_t **buffer, size_t *cap, size_t need, size_t max)
{
    if (need <= *cap)
        return true;
    size_t size = *cap == 0 ? 4096 : *cap;
    while (size < need)
        size *= 2;
    uint8_t *grown = need > max ? NULL : malloc(size);
    if (grown == NULL)
        return false;
    if (*cap > 0) {
        memcpy(grown, *buffer, *cap);
        wipe(*buffer, *cap);
    }
    free(*buffer);
    *buffer = grown;
    *cap = size;
    return true;
}

void vici_client_send(struct vici_client *client, struct vici_writer *w)
{
    struct span frame = vici_writer_frame(w);
    response_tell(client, frame);
    if (frame.len == 0 ||
        !grow(&client->out, &client->out_cap, client->n_out + frame.len, OUTPUT_MAX)) {
        cut(client); /* the client does not read, so it is cut off */
    } else {
        memcpy(client->out + client->n_out, frame.ptr, frame.len);
        client->n_out += frame.len;
    }
    vici_writer_done(w);
    if (!client->gone && !flush(client))
        cut(client);
    if (!client->gone)
        update_interest(client);
}

void vici_client_busy(struct vici_client *client, bool busy)
{
    client->busy = busy;
    client->resume = !busy && client->n_in > 0;
    if (client->resume && !client->gone)
        update_interest(client);
}

struct vici_cached *vici_client_cached(struct vici_client *client)
{
    return &client->cached;
}

/* --- listings --- */

static void listing_end(struct vici_client *client)
{
    struct vici_writer w;
    client->listing = NULL;
    client->message = tree_free(client->message);
    vici_client_busy(client, false);
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    vici_client_send(client, &w);
}

/* listing_go_on - sends as much as the client reads, within the share of one turn of the loop. */
static void listing_go_on(struct vici_client *client)
{
    for (unsigned n = 0; !client->gone && client->listing != NULL && n < LISTING_TURN &&
                         client->n_out - client->out_sent < LISTING_HELD;
         n++)
        if (!client->listing(client, client->message, &client->listing_at))
            listing_end(client);
}

void vici_client_list(struct vici_client *client, enum vici_event_id id, vici_listing next)
{
    client->listing = next;
    client->listing_at = 0;
    vici_client_busy(client, true);
    if (vici_client_registered(client, id))
        listing_go_on(client);
    else
        listing_end(client);
}

/* --- requests --- */

static void simple(struct vici_client *client, uint8_t type)
{
    struct vici_writer w;
    vici_begin(&w, type, "");
    vici_client_send(client, &w);
}

static void registration(struct vici_client *client, const struct vici_frame *frame)
{
    for (int id = 0; id < VICI_EV_COUNT; id++) {
        uint32_t bit = UINT32_C(1) << id;
        if (strcmp(frame->name, event_names[id]) != 0)
            continue;
        if (frame->type == VICI_EVENT_UNREGISTER && (client->events & bit) == 0)
            break;
        if (frame->type == VICI_EVENT_REGISTER)
            client->events |= bit;
        else
            client->events &= ~bit;
        simple(client, VICI_EVENT_CONFIRM);
        return;
    }
    simple(client, VICI_EVENT_UNKNOWN);
}

/* change_tell - tells the engine the change, for the log and the audit file. Each part of a load
 * has its own line. */
static void change_tell(struct vici_client *client, const char *command)
{
    const struct engine_ops *ops = client->server->ops;
    const struct engine_asked asked = {
        .command = command, .uid = (uint32_t)client->uid, .message = client->message};
    log_line(strncmp(command, "load-", 5) == 0 ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
             "event=control command=%s uid=%u", command, (unsigned)client->uid);
    ops->asked(ops->engine, &asked);
    (void)snprintf(client->change, sizeof(client->change), "%s", command);
}

static void request_run(struct vici_client *client, const struct vici_frame *frame)
{
    client->used_ns = client->server->ops->now(client->server->ops->engine);
    client->message = vici_message_read(frame->message);
    if (client->message == NULL) {
        struct vici_writer w;
        vici_begin(&w, VICI_CMD_RESPONSE, "");
        vici_put(&w, "success", "no");
        vici_put(&w, "errmsg", "the message is malformed");
        vici_client_send(client, &w);
        return;
    }
    if (!client->loader && vici_command_changes(frame->name))
        change_tell(client, frame->name);
    if (!vici_command_run(client, frame->name, client->message))
        simple(client, VICI_CMD_UNKNOWN);
    if (client->listing == NULL)
        client->message = tree_free(client->message);
}

/* must_wait - a change arrived before the end of the first load, which would overwrite it. */
static bool must_wait(const struct vici_client *client, const struct vici_frame *frame)
{
    return client->server->loading && !client->loader && frame->type == VICI_CMD_REQUEST &&
           vici_command_changes(frame->name);
}

/* handle - runs the command in the frame. false: the frame must wait. */
static bool handle(struct vici_client *client, struct span octets)
{
    struct vici_frame frame;
    if (!vici_frame_read(octets, &frame))
        return true; /* as in charon: it is ignored, and the connection stays */
    client->held = must_wait(client, &frame);
    if (frame.type == VICI_EVENT_REGISTER || frame.type == VICI_EVENT_UNREGISTER)
        registration(client, &frame);
    else if (frame.type == VICI_CMD_REQUEST && !client->held)
        request_run(client, &frame);
    return !client->held;
}

static size_t frame_len(const uint8_t *in)
{
    return (size_t)in[0] << 24 | (size_t)in[1] << 16 | (size_t)in[2] << 8 | in[3];
}

/* consume - handles complete frames, but none while a command runs or waits. */
static void consume(struct vici_client *client)
{
    size_t at = 0;
    while (!client->gone && !client->busy && client->n_in - at >= 4) {
        size_t len = frame_len(client->in + at);
        if (len == 0 || len > VICI_FRAME_MAX) {
            cut(client);
            return;
        }
        if (client->n_in - at - 4 < len || !handle(client, span_of(client->in + at + 4, len)))
            break;
        at += 4 + len;
    }
    if (at == 0)
        return;
    memmove(client->in, client->in + at, client->n_in - at);
    client->n_in -= at;
    wipe(client->in + client->n_in, at);
}

static void receive(struct vici_client *client)
{
    if (!grow(&client->in, &client->in_cap, client->n_in + READ_SIZE,
              2 * VICI_FRAME_MAX + READ_SIZE)) {
        cut(client);
        return;
    }
    ssize_t n = recv(client->fd, client->in + client->n_in, READ_SIZE, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
        cut(client);
        return;
    }
    if (n > 0)
        client->n_in += (size_t)n;
    consume(client);
}

static void client_ready(void *context, int fd, unsigned events)
{
    struct vici_client *client = context;
    (void)fd;
    if ((events & EVENT_WRITE) != 0 && !client->gone && !flush(client))
        cut(client);
    if (!client->gone)
        listing_go_on(client);
    if (client->resume && !client->gone) {
        client->resume = false;
        consume(client);
    }
    if ((events & (EVENT_READ | EVENT_GONE)) != 0 && !client->gone)
        receive(client);
    if (client->gone)
        client_free(client);
    else
        update_interest(client);
}

/* client_new - takes the descriptor, also on failure. It may be a blocking one, so we send and
 * receive with MSG_DONTWAIT. */
static struct vici_client *client_new(struct vici_server *server, int fd)
{
    struct vici_client *client = calloc(1, sizeof(*client));
    if (client == NULL || event_loop_add(server->loop, fd, EVENT_READ, client_ready, client) != 0) {
        free(client);
        (void)close(fd);
        return NULL;
    }
    client->server = server;
    client->fd = fd;
    client->used_ns = server->ops->now(server->ops->engine);
    client->next = server->clients;
    server->clients = client;
    server->n_clients++;
    return client;
}

/* idle_drop - drops the client that has been without a command for the longest time. A client that
 * waits for a response or for events stays. */
static void idle_drop(struct vici_server *server)
{
    struct vici_client *oldest = NULL;
    for (struct vici_client *client = server->clients; client != NULL; client = client->next)
        if (!client->loader && !client->busy && !client->held && client->events == 0 &&
            client->n_out == 0 && client->stage == NULL &&
            (oldest == NULL || client->used_ns <= oldest->used_ns))
            oldest = client;
    if (oldest != NULL)
        client_free(oldest);
}

/* peer_uid - the user id of the process that connected; the socket's mode has let it in. false:
 * unknown. */
static bool peer_uid(int fd, uid_t *ret_uid)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 || peer.pid == 0)
        return false;
    *ret_uid = peer.uid;
    return true;
}

static void accept_client(void *context, int fd, unsigned events)
{
    struct vici_server *server = context;
    struct vici_client *client;
    (void)events;
    int client_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client_fd < 0)
        return;
    if (server->n_clients >= CLIENTS_MAX)
        idle_drop(server);
    uid_t uid = 0;
    bool known = peer_uid(client_fd, &uid);
    unsigned most = known && uid == 0 ? CLIENTS_MAX + CLIENTS_ROOT : CLIENTS_MAX;
    if (server->n_clients >= most || !known)
        (void)close(client_fd);
    else if ((client = client_new(server, client_fd)) != NULL)
        client->uid = uid;
}

void vici_server_loading(struct vici_server *server, bool loading)
{
    server->loading = loading;
    for (struct vici_client *client = server->clients; client != NULL; client = client->next)
        if (client->held && !loading && !client->gone) {
            client->held = false;
            client->resume = true;
            update_interest(client);
        }
}

void vici_server_loader(struct vici_server *server, int fd, uint64_t number)
{
    struct vici_client *client = client_new(server, fd);
    if (client == NULL)
        return;
    client->loader = true;
    client->load = number;
    server->n_clients--;
}

struct vici_server *vici_server_new(const struct engine_ops *ops, struct event_loop *loop,
                                    int listen_fd)
{
    struct vici_server *server = calloc(1, sizeof(*server));
    if (server == NULL)
        return NULL;
    server->ops = ops;
    server->loop = loop;
    server->listen_fd = listen_fd;
    server->started_ns = ops->now(ops->engine);
    server->log = vici_log_new();
    if (server->log == NULL ||
        event_loop_add(loop, listen_fd, EVENT_READ, accept_client, server) != 0) {
        vici_log_free(server->log);
        free(server);
        return NULL;
    }
    return server;
}

struct vici_server *vici_server_free(struct vici_server *server)
{
    if (server == NULL)
        return NULL;
    while (server->clients != NULL)
        client_free(server->clients);
    event_loop_remove(server->loop, server->listen_fd);
    (void)close(server->listen_fd);
    vici_log_free(server->log);
    vici_files_free(server->files);
    free(server);
    return NULL;
}

/* --- events --- */

/* alert_send - sends an alert. Peers can cause many, so their rate is limited. */
static void alert_send(struct vici_server *server, const struct ike_event *event, const char *type)
{
    if (!rate_second(&server->alerts_ns, ALERTS_PER_SECOND, server->ops->now(server->ops->engine)))
        return;
    for (struct vici_client *client = server->clients; client != NULL; client = client->next) {
        struct vici_writer w;
        if (client->gone || !vici_client_registered(client, VICI_EV_ALERT))
            continue;
        vici_begin(&w, VICI_EVENT, event_names[VICI_EV_ALERT]);
        vici_alert_body(&w, server->ops, event, type);
        vici_client_send(client, &w);
    }
}

void vici_server_alert(struct vici_server *server, const char *type)
{
    alert_send(server, NULL, type);
}

void vici_server_event(struct vici_server *server, const struct ike_event *event)
{
    enum vici_event_id id;
    const char *alert = vici_alert_of(server->ops, event);
    if (alert != NULL)
        alert_send(server, event, alert);
    if (!vici_news_of(server->ops, event, &id))
        return;
    for (struct vici_client *client = server->clients; client != NULL; client = client->next) {
        struct vici_writer w;
        if (client->gone || !vici_client_registered(client, id))
            continue;
        vici_begin(&w, VICI_EVENT, event_names[id]);
        vici_news_body(&w, server->ops, event, id);
        vici_client_send(client, &w);
    }
}

void vici_put_line(struct vici_writer *w, const struct engine_line *line)
{
    vici_put(w, "group", "%s", line->group);
    vici_put(w, "level", "%u", line->level);
    if (line->conn != NULL) {
        vici_put(w, "ikesa-name", "%s", line->conn);
        vici_put(w, "ikesa-uniqueid", "%u", line->sa);
    }
    vici_put(w, "msg", "%s", line->text);
}

void vici_server_log(struct vici_server *server, const struct engine_line *line)
{
    vici_log_add(server->log, line);
    for (struct vici_client *client = server->clients; client != NULL; client = client->next) {
        struct vici_writer w;
        if (client->gone || !vici_client_registered(client, VICI_EV_LOG))
            continue;
        vici_begin(&w, VICI_EVENT, event_names[VICI_EV_LOG]);
        vici_put(&w, "thread", "1"); /* the event is about a line of the engine */
        vici_put_line(&w, line);
        vici_client_send(client, &w);
    }
}

void vici_client_say(const struct vici_client *client, const struct engine_line *line)
{
    vici_server_log(client->server, line);
}

/* traced_by - a client has registered for the event. */
static bool traced_by(const struct vici_server *server)
{
    for (const struct vici_client *client = server->clients; client != NULL; client = client->next)
        if (!client->gone && vici_client_registered(client, VICI_EV_TRACE))
            return true;
    return false;
}

void vici_server_trace(struct vici_server *server)
{
    const struct ike *ike = server->ops->ike(server->ops->engine);
    struct ike_trace_entry entry;
    if (!traced_by(server)) {
        server->traced = ike_trace_last(ike);
        return;
    }
    while (ike_trace_next(ike, server->traced, &entry)) {
        server->traced = entry.number;
        for (struct vici_client *client = server->clients; client != NULL; client = client->next)
            if (!client->gone && vici_client_registered(client, VICI_EV_TRACE))
                vici_trace_event(client, &entry);
    }
}

void vici_server_path_news(struct vici_server *server, const struct path_news *news)
{
    if (news->kind != PATH_NEWS_STATE)
        return;
    for (struct vici_client *client = server->clients; client != NULL; client = client->next) {
        struct vici_writer w;
        if (client->gone || !vici_client_registered(client, VICI_EV_PATH))
            continue;
        vici_begin(&w, VICI_EVENT, event_names[VICI_EV_PATH]);
        vici_put(&w, "conn", "%s", news->conn);
        vici_put(&w, "path", "%s", news->path);
        vici_put(&w, "from", "%s", path_state_name(news->from));
        vici_put(&w, "to", "%s", path_state_name(news->to));
        vici_put(&w, "reason", "%s", news->reason);
        vici_client_send(client, &w);
    }
}
