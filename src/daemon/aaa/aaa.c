/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The aaa process: sockets and clock for aaa_service.c. Each server, lane and port has a connected
 * socket, so the kernel drops datagrams of others. A socket is opened when it is first needed.
 * Servers with RADIUS/TLS have connections instead (aaa_streams.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "daemon/aaa/aaa_service.h"
#include "daemon/aaa/aaa_streams.h"
#include "daemon/common/channel.h"
#include "daemon/common/log.h"
#include "daemon/process/confine.h"
#include "daemon/process/helpers.h"
#include "daemon/process/load_door.h"
#include "linux/clock.h"
#include "linux/entropy.h"
#include "linux/event_loop.h"
#include "linux/udp_socket.h"

#define DESCRIPTORS 1024 /* sockets of all servers and their lanes, and few others */

enum { PORT_ACCESS, PORT_ACCOUNTING, N_PORTS };

/* Time for the last accounting records after the engine has ended. Records without an
 * acknowledgement by then stay in the file. */
#define FAREWELL_NS (2 * NANOS_PER_SEC)

struct aaa;

struct aaa_socket {
    struct aaa *aaa;
    unsigned server, lane;
    int port; /* PORT_* */
    int fd;   /* -1: none */
};

/* struct aaa_listener - where servers ask for changes; one for each port and family in use. */
struct aaa_listener {
    struct aaa *aaa;
    uint16_t port;
    enum address_family family;
    int fd; /* -1: free */
};

struct aaa {
    struct aaa_service *service;
    struct event_loop *loop;
    int channel;
    int loader_fd; /* channel of the newest loader; -1: that loader has ended */
    bool done;
    int status;
    nanos now;
    struct aaa_socket sockets[RADIUS_SERVERS][RADIUS_LANES][N_PORTS];
    struct aaa_listener listeners[RADIUS_SERVERS];
    struct aaa_tls_home tls;
    struct aaa_streams *streams;
    bool refused[RADIUS_SERVERS];       /* accounting, as the log says */
    bool dead[RADIUS_SERVERS][N_PORTS]; /* as the log says */
    uint64_t lost, unwritten;           /* the same */
    nanos end_at;                       /* the engine has ended; NANOS_NEVER: it serves */
    struct aaa_request request;
    struct aaa_server server; /* behind the request */
    struct aaa_answer answer;
};

static void answer_send(struct aaa *a)
{
    if (a->end_at == NANOS_NEVER &&
        channel_send(a->channel, &a->answer, sizeof(a->answer), NULL, 0) != 0)
        a->done = true;
    eap_result_done(&a->answer.result);
}

/* reply_take - a packet of a server, which may answer a request. */
static void reply_take(struct aaa *a, const struct radius_datagram *from)
{
    struct radius_outcome outcome;
    if (radius_client_recv(aaa_service_client(a->service), from, a->now, &outcome) &&
        aaa_service_outcome(a->service, &outcome, a->now, &a->answer))
        answer_send(a);
    wipe(&outcome, sizeof(outcome));
}

static void on_socket(void *context, int fd, unsigned events)
{
    struct aaa_socket *s = context;
    uint8_t octets[RADIUS_PACKET + 1];
    (void)events;
    ssize_t len = recv(fd, octets, sizeof(octets), MSG_DONTWAIT);
    if (len < 0)
        return; /* an ICMP error: the request is repeated */
    const struct radius_datagram from = {.server = s->server,
                                         .lane = s->lane,
                                         .accounting = s->port == PORT_ACCOUNTING,
                                         .octets = span_of(octets, (size_t)len)};
    reply_take(s->aaa, &from);
}

static void socket_close(struct aaa_socket *s)
{
    if (s->fd < 0)
        return;
    event_loop_remove(s->aaa->loop, s->fd);
    close(s->fd);
    s->fd = -1;
}

static int socket_open(struct aaa_socket *s)
{
    const struct aaa_server *server = aaa_service_server(s->aaa->service, s->server);
    struct endpoint remote = {.address = server->address,
                              .port =
                                  s->port == PORT_ACCESS ? server->auth_port : server->acct_port};
    struct sockaddr_storage sockaddr;
    socklen_t len = endpoint_to_sockaddr(&remote, &sockaddr);
    s->fd = socket(sockaddr.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd >= 0 && (connect(s->fd, (const struct sockaddr *)&sockaddr, len) < 0 ||
                       event_loop_add(s->aaa->loop, s->fd, EVENT_READ, on_socket, s) != 0)) {
        close(s->fd);
        s->fd = -1;
    }
    return s->fd < 0 ? ERR_SYSTEM : 0;
}

static void datagram_send(struct aaa *a, const struct radius_datagram *d)
{
    struct aaa_socket *s =
        &a->sockets[d->server][d->lane][d->accounting ? PORT_ACCOUNTING : PORT_ACCESS];
    if (aaa_service_server(a->service, d->server)->stream)
        aaa_streams_send(a->streams, d);
    else if ((s->fd < 0 && socket_open(s) != 0) || send(s->fd, d->octets.ptr, d->octets.len, 0) < 0)
        /* lost, like any datagram: the request is repeated */
        log_line(LOG_LEVEL_DEBUG, "event=radius-send reason=\"%s\"", strerror(errno));
}

static void deaths_log(struct aaa *a)
{
    static const char *const names[N_PORTS] = {"access", "accounting"};
    for (unsigned i = 0; i < RADIUS_SERVERS; i++)
        for (int port = 0; port < N_PORTS; port++) {
            const struct aaa_server *server = aaa_service_server(a->service, i);
            const char *name = server != NULL && server->stream ? "tls" : names[port];
            bool dead = radius_client_dead(aaa_service_client(a->service), i,
                                           port == PORT_ACCOUNTING, a->now);
            if (server == NULL || (server->stream && port != PORT_ACCESS))
                continue;
            if (dead && !a->dead[i][port])
                log_line(LOG_LEVEL_WARNING, "event=radius-silent server=%s port=%s", server->name,
                         name);
            if (!dead && a->dead[i][port])
                log_line(LOG_LEVEL_INFO, "event=radius-answers server=%s port=%s", server->name,
                         name);
            a->dead[i][port] = dead;
        }
}

/* refusals_log - RFC 6614 section 2.5: a server that takes no accounting is named once. */
static void refusals_log(struct aaa *a)
{
    for (unsigned i = 0; i < RADIUS_SERVERS; i++) {
        const struct aaa_server *server = aaa_service_server(a->service, i);
        bool refuses = radius_client_refuses(aaa_service_client(a->service), i);
        if (server != NULL && refuses && !a->refused[i])
            log_line(LOG_LEVEL_WARNING,
                     "event=radius-accounting-refused server=%s text=\"it gets no more\"",
                     server->name);
        a->refused[i] = refuses;
    }
}

static void accounts_log(struct aaa *a)
{
    const struct account_queue *accounts = aaa_service_accounts(a->service);
    uint64_t lost = account_queue_lost(accounts), unwritten = account_queue_unwritten(accounts);
    if (lost != a->lost)
        log_line(LOG_LEVEL_WARNING, "event=accounting-lost records=%llu waiting=%zu",
                 (unsigned long long)lost, account_queue_waiting(accounts));
    if (unwritten != 0 && a->unwritten == 0)
        log_line(LOG_LEVEL_WARNING, "event=accounting-not-kept");
    a->lost = lost;
    a->unwritten = unwritten;
}

/* Handles all that is due: retransmissions, changes of the server, and failed requests. */
static void settle(struct aaa *a)
{
    struct radius_client *client = aaa_service_client(a->service);
    struct radius_datagram datagram;
    struct radius_outcome outcome;
    aaa_service_tick(a->service, a->now, time(NULL));
    aaa_streams_settle(a->streams);
    while (radius_client_send(client, a->now, &datagram))
        datagram_send(a, &datagram);
    while (radius_client_failed(client, &outcome))
        if (aaa_service_outcome(a->service, &outcome, a->now, &a->answer))
            answer_send(a);
    deaths_log(a);
    refusals_log(a);
    accounts_log(a);
    if (a->end_at != NANOS_NEVER &&
        (a->now >= a->end_at || !account_queue_busy(aaa_service_accounts(a->service), a->now)))
        a->done = true;
}

static void sockets_close(struct aaa *a, unsigned server)
{
    aaa_streams_renew(a->streams, server);
    for (unsigned lane = 0; lane < RADIUS_LANES; lane++)
        for (int port = 0; port < N_PORTS; port++)
            socket_close(&a->sockets[server][lane][port]);
}

/* --- requests of servers --- */

static void stream_reply(struct aaa *a, const struct change_reply *reply)
{
    const struct radius_datagram d = {
        .server = reply->server, .lane = reply->lane, .octets = reply->octets};
    aaa_streams_send(a->streams, &d);
}

static void reply_send(struct aaa *a, const struct change_reply *reply)
{
    uint8_t control[PACKET_INFO_CONTROL];
    struct sockaddr_storage to;
    struct iovec part = {.iov_base = (void *)(uintptr_t)reply->octets.ptr,
                         .iov_len = reply->octets.len};
    struct msghdr message = {.msg_name = &to, .msg_iov = &part, .msg_iovlen = 1};
    const struct packet_info info = {.local = reply->local};
    if (reply->stream) {
        stream_reply(a, reply);
        return;
    }
    message.msg_namelen = endpoint_to_sockaddr(&reply->to, &to);
    message.msg_control = control;
    packet_info_write(&message, to.ss_family, &info);
    for (unsigned i = 0; i < RADIUS_SERVERS; i++) {
        const struct aaa_listener *l = &a->listeners[i];
        if (l->fd >= 0 && l->port == reply->port && l->family == reply->to.address.family &&
            sendmsg(l->fd, &message, 0) < 0)
            log_line(LOG_LEVEL_DEBUG, "event=radius-send reason=\"%s\"", strerror(errno));
    }
}

static void change_take(struct aaa *a, struct change_from *from, uint16_t port)
{
    static struct change_result result;
    const struct change_when when = {a->now, (int64_t)time(NULL)};
    switch (aaa_service_change(a->service, from, port, &when, &result)) {
    case CHANGE_DROP: break;
    case CHANGE_REPLY_NOW: reply_send(a, &result.reply); break;
    case CHANGE_ASK:
        a->answer =
            (struct aaa_answer){.kind = AAA_CHANGE, .job = result.job, .change = result.change};
        answer_send(a);
        break;
    }
}

/* on_packet - over a connection come replies, and requests of the server (RFC 6614 section 2.5). */
static void on_packet(void *context, const struct radius_datagram *from)
{
    struct aaa *a = context;
    uint8_t code = from->octets.ptr[0];
    if (code != RADIUS_DISCONNECT_REQUEST && code != RADIUS_COA_REQUEST) {
        reply_take(a, from);
        return;
    }
    struct change_from request = {
        .stream = true, .server = from->server, .lane = from->lane, .octets = from->octets};
    change_take(a, &request, 0);
}

static void on_listener(void *context, int fd, unsigned events)
{
    struct aaa_listener *l = context;
    uint8_t octets[RADIUS_PACKET + 1], control[PACKET_INFO_CONTROL];
    struct sockaddr_storage source;
    struct iovec part = {.iov_base = octets, .iov_len = sizeof(octets)};
    struct msghdr message = {.msg_name = &source,
                             .msg_namelen = sizeof(source),
                             .msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    struct socket_error error;
    struct packet_info info;
    struct change_from from = {0};
    (void)events;
    ssize_t len = recvmsg(fd, &message, MSG_DONTWAIT);
    while (len < 0 && socket_error_next(fd, &error))
        ; /* if the reply is lost, the server asks again */
    if (len < 0 || !endpoint_from_sockaddr(&source, &from.source))
        return;
    packet_info_read(&message, &info);
    from.local = info.local;
    from.octets = span_of(octets, (size_t)len);
    change_take(l->aaa, &from, l->port);
}

static bool listener_wanted(const struct aaa *a, const struct aaa_listener *l)
{
    for (unsigned i = 0; i < RADIUS_SERVERS; i++) {
        const struct aaa_server *server = aaa_service_server(a->service, i);
        if (server != NULL && server->dae && !server->stream && server->dae_port == l->port &&
            server->address.family == l->family)
            return true;
    }
    return false;
}

static void listener_open(struct aaa *a, const struct aaa_server *server)
{
    struct aaa_listener *free_one = NULL;
    for (unsigned i = 0; i < RADIUS_SERVERS; i++) {
        struct aaa_listener *l = &a->listeners[i];
        if (l->fd >= 0 && l->port == server->dae_port && l->family == server->address.family)
            return;
        if (l->fd < 0)
            free_one = l;
    }
    const struct udp_socket_options options = {
        .local = {.address = {.family = server->address.family}, .port = server->dae_port}};
    *free_one =
        (struct aaa_listener){a, server->dae_port, (enum address_family)server->address.family,
                              udp_socket_open(&options)}; /* there is one per server */
    if (free_one->fd >= 0 &&
        event_loop_add(a->loop, free_one->fd, EVENT_READ, on_listener, free_one) == 0)
        return;
    log_line(LOG_LEVEL_WARNING, "event=dae-not-listening server=%s port=%u reason=\"%s\"",
             server->name, server->dae_port, strerror(errno));
    if (free_one->fd >= 0)
        close(free_one->fd);
    free_one->fd = -1;
}

/* listeners_settle - call it after a server was replaced. */
static void listeners_settle(struct aaa *a)
{
    for (unsigned i = 0; i < RADIUS_SERVERS; i++) {
        struct aaa_listener *l = &a->listeners[i];
        if (l->fd < 0 || listener_wanted(a, l))
            continue;
        event_loop_remove(a->loop, l->fd);
        close(l->fd);
        l->fd = -1;
    }
    for (unsigned i = 0; i < RADIUS_SERVERS; i++) {
        const struct aaa_server *server = aaa_service_server(a->service, i);
        if (server != NULL && server->dae && !server->stream)
            listener_open(a, server);
    }
}

/* --- the engine --- */

static bool is_load(const struct aaa *a)
{
    return a->request.kind == AAA_SERVER_LOAD;
}

/* request_recv - only a load has something behind it: a whole server. */
static int request_recv(struct aaa *a, int fd)
{
    size_t n;
    int error = channel_recv_tail(fd, &a->request, sizeof(a->request),
                                  (struct buffer){(uint8_t *)&a->server, sizeof(a->server)}, &n);
    return error == 0 && n != (is_load(a) ? sizeof(a->server) : 0) ? ERR_INVALID : error;
}

static bool request_answer(struct aaa *a, uint32_t *ret_changed)
{
    if (!is_load(a))
        return aaa_service_ask(a->service, &a->request, a->now, &a->answer, ret_changed);
    a->answer = (struct aaa_answer){.job = a->request.job};
    a->answer.error = aaa_service_load(a->service, &a->server, ret_changed);
    return true;
}

static void on_request(void *context, int fd, unsigned events)
{
    struct aaa *a = context;
    uint32_t changed;
    (void)events;
    int error = request_recv(a, fd);
    if (error != 0) {
        event_loop_remove(a->loop, fd);
        a->end_at = nanos_after(a->now, FAREWELL_NS);
        a->status = error == ERR_NOT_FOUND ? EXIT_SUCCESS : EXIT_FAILURE;
        return;
    }
    if (a->request.kind == AAA_CHANGED) {
        struct change_reply reply;
        if (aaa_service_changed(a->service, &a->request, &reply))
            reply_send(a, &reply);
        return;
    }
    bool known = request_answer(a, &changed);
    for (unsigned i = 0; i < RADIUS_SERVERS; i++)
        if ((changed & UINT32_C(1) << i) != 0)
            sockets_close(a, i);
    if (changed != 0)
        listeners_settle(a);
    if (known)
        answer_send(a);
}

/* --- loaders --- */

static void loader_drop(struct aaa *a)
{
    if (a->loader_fd < 0)
        return;
    event_loop_remove(a->loop, a->loader_fd);
    close(a->loader_fd);
    a->loader_fd = -1;
}

static void on_loader(void *context, int fd, unsigned events)
{
    struct aaa *a = context;
    (void)events;
    int error = request_recv(a, fd);
    if (error == 0) {
        a->answer = (struct aaa_answer){.job = a->request.job, .error = ERR_INVALID};
        if (is_load(a))
            a->answer.error = aaa_service_stage_load(a->service, &a->server);
        error = channel_send(fd, &a->answer, sizeof(a->answer), NULL, 0);
    }
    if (error != 0)
        loader_drop(a);
}

static void on_load_order(void *context, int fd, unsigned events)
{
    struct aaa *a = context;
    uint64_t number;
    int loader_fd;
    (void)events;
    int error = load_door_take(fd, &loader_fd, &number);
    if (error != 0) {
        event_loop_remove(a->loop, fd); /* the supervisor is gone, and ends us */
        return;
    }
    loader_drop(a);
    aaa_service_stage_begin(a->service, number);
    if (event_loop_add(a->loop, loader_fd, EVENT_READ, on_loader, a) == 0)
        a->loader_fd = loader_fd;
    else
        close(loader_fd);
}

/* --- start --- */

static struct aaa_streams *streams_new(struct aaa *a)
{
    const struct aaa_streams_config config = {.service = a->service,
                                              .loop = a->loop,
                                              .random = entropy_random(),
                                              .tls = &a->tls,
                                              .now = &a->now,
                                              .packet = on_packet,
                                              .context = a};
    return aaa_streams_new(&config);
}

static int aaa_init(struct aaa *a, const struct spawn_start *start)
{
    uint8_t digest[16];
    a->channel = start->fd;
    a->loader_fd = -1;
    a->service = aaa_service_new(entropy_random(), start->state_fd, start->handed);
    a->loop = event_loop_new();
    for (unsigned i = 0; i < RADIUS_SERVERS; i++)
        a->listeners[i].fd = -1;
    for (unsigned server = 0; server < RADIUS_SERVERS; server++)
        for (unsigned lane = 0; lane < RADIUS_LANES; lane++)
            for (int port = 0; port < N_PORTS; port++)
                a->sockets[server][lane][port] = (struct aaa_socket){a, server, lane, port, -1};
    /* libcrypto reads its configuration at the first use, so use it before file access goes */
    bool warm = EVP_Q_digest(NULL, "MD5", NULL, "", 0, digest, NULL) == 1 &&
                aaa_tls_home_init(&a->tls, start->aaa_fds[SPAWN_TLS_KEY],
                                  start->aaa_fds[SPAWN_TLS_VERIFIER]);
    if (a->service != NULL && a->loop != NULL)
        a->streams = streams_new(a);
    if (!warm || a->streams == NULL || a->service == NULL || a->loop == NULL)
        return ERR_NO_MEMORY;
    int error = event_loop_add(a->loop, start->load_fd, EVENT_READ, on_load_order, a);
    return error != 0 ? error : event_loop_add(a->loop, start->fd, EVENT_READ, on_request, a);
}

int aaa_run(const struct spawn_start *start)
{
    static struct aaa aaa = {.status = EXIT_FAILURE, .end_at = NANOS_NEVER};
    const struct confinement kept = {.process = PROCESS_AAA,
                                     .files = SANDBOX_FILES_NONE,
                                     .calls = SANDBOX_AAA,
                                     .descriptors = DESCRIPTORS};
    if (aaa_init(&aaa, start) != 0 || confine(&kept, start->parent) != 0) {
        log_line(LOG_LEVEL_ERROR, "event=helper-failed what=aaa reason=\"%s\"", strerror(errno));
        return EXIT_FAILURE;
    }
    while (!aaa.done) {
        nanos deadline = nanos_min(aaa_service_deadline(aaa.service), aaa.end_at);
        deadline = nanos_min(deadline, aaa_streams_deadline(aaa.streams));
        if (event_loop_wait(aaa.loop, deadline, &aaa.now) < 0)
            break;
        settle(&aaa);
    }
    aaa_service_free(aaa.service);
    return aaa.status;
}
