/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/aaa/aaa_streams.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/common/log.h"
#include "linux/udp_socket.h"

#define HANDSHAKE_NS   (10 * NANOS_PER_SEC) /* for TCP and TLS together */
#define PAUSE_FIRST_NS NANOS_PER_SEC
#define IDLE_NS        (60 * NANOS_PER_SEC) /* a further connection without requests is closed */
#define READ_OCTETS    16384 /* read at once; then other descriptors have their turn */

/* TCP reports a vanished host after this time. */
#define KEEPALIVE_IDLE_S     30
#define KEEPALIVE_INTERVAL_S 10
#define KEEPALIVE_PROBES     3
#define UNACKNOWLEDGED_MS    20000

struct stream {
    struct aaa_streams *all;
    unsigned server, lane;
    int fd; /* -1: closed */
    struct radius_link *link;
    bool connected; /* TCP */
    bool up;        /* TLS; the client knows */
    bool heard;     /* a packet came */
    nanos try_at;   /* closed: not before */
    nanos pause;    /* after the next failure */
    nanos patience; /* !up: until then */
    nanos used;     /* up: the last time that it had requests */
};

struct aaa_streams {
    struct aaa_streams_config config;
    struct stream streams[RADIUS_SERVERS][RADIUS_LANES];
    struct aaa_tls_terms terms[RADIUS_SERVERS];
    /* the last reason that was logged; empty: connected, or not known */
    char why[RADIUS_SERVERS][RADIUS_TLS_REASON];
};

struct aaa_streams *aaa_streams_new(const struct aaa_streams_config *config)
{
    struct aaa_streams *all = calloc(1, sizeof(*all));
    if (all == NULL)
        return NULL;
    all->config = *config;
    for (unsigned server = 0; server < RADIUS_SERVERS; server++)
        for (unsigned lane = 0; lane < RADIUS_LANES; lane++)
            all->streams[server][lane] =
                (struct stream){.all = all, .server = server, .lane = lane, .fd = -1};
    return all;
}

static const struct aaa_server *server_of(const struct aaa_streams *all, unsigned server)
{
    const struct aaa_server *s = aaa_service_server(all->config.service, server);
    return s != NULL && s->stream ? s : NULL;
}

static struct radius_client *client_of(const struct stream *s)
{
    return aaa_service_client(s->all->config.service);
}

static nanos now_of(const struct stream *s)
{
    return *s->all->config.now;
}

/* --- ends --- */

static void stream_close(struct stream *s)
{
    if (s->fd < 0)
        return;
    event_loop_remove(s->all->config.loop, s->fd);
    close(s->fd);
    s->fd = -1;
    s->link = radius_link_free(s->link);
    if (s->up)
        radius_client_lost(client_of(s), s->server, s->lane);
    s->up = s->connected = false;
}

/* pause_next - RFC 6614 section 2.3: exponentially growing intervals, as long as a dead server's. */
static nanos pause_next(struct stream *s)
{
    const struct aaa_server *server = server_of(s->all, s->server);
    nanos most = nanos_min(server == NULL ? RADIUS_WATCH_NS : server->dead_ns, RADIUS_WATCH_NS);
    nanos pause = nanos_min(s->pause == 0 ? PAUSE_FIRST_NS : s->pause, most);
    uint32_t chance;
    s->pause = nanos_min(2 * pause, most);
    random_fill(s->all->config.random, &chance, sizeof(chance));
    return pause + (nanos)(chance % 1024) * pause / 8192;
}

/* failure_tell - logs a reason once, however often the attempt is repeated. */
static void failure_tell(struct stream *s, const char *reason)
{
    const struct aaa_server *server = server_of(s->all, s->server);
    char *why = s->all->why[s->server];
    bool known = strncmp(why, reason, RADIUS_TLS_REASON - 1) == 0;
    (void)snprintf(why, RADIUS_TLS_REASON, "%s", reason);
    aaa_service_why_set(s->all->config.service, s->server, reason);
    if (server != NULL)
        log_line(known ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING,
                 "event=radius-tls-down server=%s reason=\"%s\"", server->name, reason);
}

/* stream_fail - the connection has ended, or could not be made. A connection that worked is made
 * again at once; only if that fails, too, is the server down. */
static void stream_fail(struct stream *s, const char *reason)
{
    char copy[RADIUS_TLS_REASON];
    bool again = s->up && s->heard;
    (void)snprintf(copy, sizeof(copy), "%s", reason); /* it may be the link's */
    stream_close(s);
    s->try_at = again ? now_of(s) : nanos_after(now_of(s), pause_next(s));
    if (s->lane != 0)
        return;
    if (again) {
        log_line(LOG_LEVEL_INFO, "event=radius-tls-lost server=%s reason=\"%s\"",
                 server_of(s->all, s->server)->name, copy);
        return;
    }
    failure_tell(s, copy);
    radius_client_down(client_of(s), s->server, now_of(s));
}

void aaa_streams_renew(struct aaa_streams *all, unsigned server)
{
    for (unsigned lane = 0; lane < RADIUS_LANES; lane++) {
        struct stream *s = &all->streams[server][lane];
        s->up = false; /* the client has forgotten about it */
        stream_close(s);
        s->pause = s->try_at = 0;
    }
    aaa_tls_terms_end(&all->terms[server]);
    all->why[server][0] = '\0';
}

/* --- octets --- */

/* stream_flush - writes as much as the socket takes. false: the connection has failed. */
static bool stream_flush(struct stream *s)
{
    struct span out;
    while (s->connected && (out = radius_link_pending(s->link)).len > 0) {
        ssize_t n = send(s->fd, out.ptr, out.len, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n < 0) {
            stream_fail(s, strerror(errno));
            return false;
        }
        radius_link_sent(s->link, (size_t)n);
    }
    bool more = !s->connected || radius_link_pending(s->link).len > 0;
    if (event_loop_change(s->all->config.loop, s->fd, EVENT_READ | (more ? EVENT_WRITE : 0)) == 0)
        return true;
    stream_fail(s, "no memory");
    return false;
}

static void up_tell(struct stream *s)
{
    const struct aaa_server *server = server_of(s->all, s->server);
    s->up = true;
    s->used = now_of(s);
    radius_client_up(client_of(s), s->server, s->lane, now_of(s));
    if (s->lane == 0 && !server->watched)
        log_line(LOG_LEVEL_INFO, "event=radius-tls-up server=%s", server->name);
}

/* heard_note - a packet came, so the server has accepted our certificate: with TLS 1.3 it may still
 * refuse it after the handshake. A watched server sends a packet at once. */
static void heard_note(struct stream *s)
{
    const struct aaa_server *server = server_of(s->all, s->server);
    s->heard = true;
    s->pause = 0;
    s->all->why[s->server][0] = '\0';
    aaa_service_why_set(s->all->config.service, s->server, "");
    if (s->lane == 0 && server->watched)
        log_line(LOG_LEVEL_INFO, "event=radius-tls-up server=%s", server->name);
}

static void packets_take(struct stream *s)
{
    struct radius_packet packet;
    while (s->fd >= 0 && radius_link_next(s->link, &packet)) {
        const struct radius_datagram from = {
            .server = s->server, .lane = s->lane, .octets = packet.octets};
        if (!s->heard)
            heard_note(s);
        s->all->config.packet(s->all->config.context, &from);
    }
}

static const char *reason_of(const struct stream *s)
{
    return s->all->terms[s->server].refused
               ? "the private key of 'certs' is not loaded, or does not sign"
               : radius_link_reason(s->link);
}

/* stream_settle - after octets have come or gone. */
static void stream_settle(struct stream *s)
{
    if (radius_link_state(s->link) == RADIUS_LINK_UP && !s->up)
        up_tell(s);
    packets_take(s);
    if (s->fd < 0 || !stream_flush(s)) /* an alert leaves before the end */
        return;
    enum radius_link_state state = radius_link_state(s->link);
    if (state == RADIUS_LINK_FAILED || state == RADIUS_LINK_CLOSED)
        stream_fail(s, reason_of(s));
}

/* connected_check - reads the result of connect(). false: it failed. */
static bool connected_check(struct stream *s)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (error != 0) {
        stream_fail(s, strerror(error));
        return false;
    }
    s->connected = true;
    return true;
}

static void on_stream(void *context, int fd, unsigned events)
{
    struct stream *s = context;
    uint8_t octets[READ_OCTETS];
    if (!s->connected && !connected_check(s))
        return;
    ssize_t n = (events & (EVENT_READ | EVENT_GONE)) == 0
                    ? -1
                    : recv(fd, octets, sizeof(octets), MSG_DONTWAIT);
    if (n == 0) {
        stream_fail(s, s->heard ? "the server closed the connection"
                       : s->up
                           ? "the server closed the connection after the TLS handshake: it may "
                             "not accept our certificate"
                           : "the server closed the connection within the TLS handshake: it may "
                             "not accept our certificate");
        return;
    }
    if (n < 0 && (events & (EVENT_READ | EVENT_GONE)) != 0 && errno != EAGAIN && errno != EINTR) {
        stream_fail(s, strerror(errno));
        return;
    }
    if (n > 0 && radius_link_recv(s->link, span_of(octets, (size_t)n)) != 0) {
        stream_fail(s, "no memory");
        return;
    }
    stream_settle(s);
}

void aaa_streams_send(struct aaa_streams *all, const struct radius_datagram *datagram)
{
    struct stream *s = &all->streams[datagram->server][datagram->lane];
    if (s->fd < 0 || !s->up || radius_link_write(s->link, datagram->octets) != 0)
        return;
    (void)stream_flush(s);
}

/* --- connecting --- */

/* options_set - errors do not matter: the options only make failures known earlier. */
static void options_set(int fd)
{
    static const struct {
        int level, name, value;
    } rows[] = {{IPPROTO_TCP, TCP_NODELAY, 1},
                {SOL_SOCKET, SO_KEEPALIVE, 1},
                {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
                {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
                {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
                {IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        (void)setsockopt(fd, rows[i].level, rows[i].name, &rows[i].value, sizeof(rows[i].value));
}

/* socket_connect - begins. -1: with errno. */
static int socket_connect(const struct aaa_server *server)
{
    const struct endpoint remote = {.address = server->address, .port = server->tls_port};
    struct sockaddr_storage sockaddr;
    socklen_t len = endpoint_to_sockaddr(&remote, &sockaddr);
    int fd = socket(sockaddr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    options_set(fd);
    if (connect(fd, (const struct sockaddr *)&sockaddr, len) == 0 || errno == EINPROGRESS)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static bool terms_ready(struct stream *s, const struct aaa_server *server)
{
    struct aaa_tls_terms *terms = &s->all->terms[s->server];
    if (terms->tls == NULL && aaa_tls_terms_begin(terms, s->all->config.tls, server) != 0) {
        stream_fail(s, "the certificate in 'certs' cannot be used for TLS");
        return false;
    }
    terms->refused = false;
    return true;
}

static void stream_open(struct stream *s, const struct aaa_server *server)
{
    if (!terms_ready(s, server))
        return;
    s->fd = socket_connect(server);
    if (s->fd < 0) {
        stream_fail(s, strerror(errno));
        return;
    }
    s->heard = s->connected = s->up = false;
    s->patience = nanos_after(now_of(s), HANDSHAKE_NS);
    s->link = radius_link_new(s->all->terms[s->server].tls);
    if (s->link == NULL ||
        event_loop_add(s->all->config.loop, s->fd, EVENT_READ | EVENT_WRITE, on_stream, s) != 0)
        stream_fail(s, "no memory");
}

/* --- time --- */

static bool stream_wanted(const struct stream *s)
{
    return s->lane == 0 || radius_client_wants(client_of(s), s->server, s->lane);
}

static void stream_tick(struct stream *s, const struct aaa_server *server)
{
    nanos now = now_of(s);
    bool wanted = stream_wanted(s);
    if (s->fd < 0 && wanted && s->try_at <= now)
        stream_open(s, server);
    else if (s->fd >= 0 && !s->up && s->patience <= now)
        stream_fail(s, s->connected ? "the server does not answer the TLS handshake"
                                    : "the server does not answer: no TCP connection");
    else if (s->up && wanted)
        s->used = now;
    else if (s->up && nanos_after(s->used, IDLE_NS) <= now) {
        radius_link_close(s->link);
        if (stream_flush(s))
            stream_close(s);
    }
}

void aaa_streams_settle(struct aaa_streams *all)
{
    for (unsigned i = 0; i < RADIUS_SERVERS; i++) {
        const struct aaa_server *server = server_of(all, i);
        if (server == NULL)
            continue;
        bool broken = radius_client_broken(aaa_service_client(all->config.service), i);
        for (unsigned lane = 0; lane < RADIUS_LANES; lane++) {
            struct stream *s = &all->streams[i][lane];
            if (broken && s->up)
                stream_fail(s, "the server does not answer Status-Server, or not as RFC 6614 says");
            stream_tick(s, server);
        }
    }
}

static nanos stream_deadline(const struct stream *s)
{
    bool wanted = stream_wanted(s);
    if (s->up && radius_client_broken(client_of(s), s->server))
        return now_of(s);
    if (s->fd < 0)
        return wanted ? s->try_at : NANOS_NEVER;
    if (!s->up)
        return s->patience;
    return wanted ? NANOS_NEVER : nanos_after(s->used, IDLE_NS);
}

nanos aaa_streams_deadline(const struct aaa_streams *all)
{
    nanos deadline = NANOS_NEVER;
    for (unsigned i = 0; i < RADIUS_SERVERS; i++)
        for (unsigned lane = 0; server_of(all, i) != NULL && lane < RADIUS_LANES; lane++)
            deadline = nanos_min(deadline, stream_deadline(&all->streams[i][lane]));
    return deadline;
}
