/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/port_ask.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h>

#include "base/outer_mark.h"

#define TRIES      3
#define TRY_MS     700
#define MARKER_LEN 4 /* RFC 3948 section 2.2: the non-ESP marker */
#define HEADER_LEN 28
#define VENDOR_LEN 36 /* a Vendor ID payload; the question may not be shorter than its answer */
#define SPI_LEN    8

/* struct question - one socket for each, so that an answer or ICMP error tells which it is about. */
struct question {
    struct port_ask *ask;
    int fd;
    uint8_t octets[MARKER_LEN + HEADER_LEN + VENDOR_LEN];
    size_t len;
};

static long long now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* question_write - RFC 7296 section 3.1: a request of IKE_SA_INIT of version 3.0. */
static void question_write(struct question *q)
{
    static const uint8_t rest[] = {
        43, 0x30, 34, 0x08, 0, 0, 0, 0, 0, 0, 0, HEADER_LEN + VENDOR_LEN, 0, 0, 0, VENDOR_LEN};
    uint8_t *header = q->octets + (q->ask->bare ? 0 : MARKER_LEN);
    memset(q->octets, 0, sizeof(q->octets));
    if (getrandom(header, SPI_LEN, 0) != SPI_LEN)
        header[0] = 1;
    memcpy(header + (size_t)2 * SPI_LEN, rest, sizeof(rest));
    q->len = (size_t)(header - q->octets) + HEADER_LEN + VENDOR_LEN;
}

static socklen_t peer_write(const struct port_ask *ask, struct sockaddr_storage *ret_peer)
{
    struct sockaddr_in *in = (struct sockaddr_in *)ret_peer;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_peer;
    memset(ret_peer, 0, sizeof(*ret_peer));
    if (ask->to.family == ADDRESS_V4) {
        in->sin_family = AF_INET;
        in->sin_port = htons(ask->port);
        memcpy(&in->sin_addr, ask->to.octets, 4);
        return sizeof(*in);
    }
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(ask->port);
    memcpy(&in6->sin6_addr, ask->to.octets, 16);
    return sizeof(*in6);
}

/* unasked - the kernel refuses the question. EPERM: a rule of the output chain drops it. */
static void unasked(struct question *q)
{
    q->ask->answer = errno == EPERM ? PORT_FILTERED : PORT_UNASKED;
    (void)snprintf(q->ask->why, sizeof(q->ask->why), "%s", strerror(errno));
    (void)close(q->fd);
    q->fd = -1;
}

static void question_open(struct question *q)
{
    struct sockaddr_storage peer;
    socklen_t len = peer_write(q->ask, &peer);
    const char *interface = q->ask->interface;
    const uint32_t mark = OUTER_MARK;
    const int on = 1;
    bool v4 = q->ask->to.family == ADDRESS_V4;
    q->fd = socket(peer.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* without rights to mark it, the question goes as the packets of other programs do */
    (void)setsockopt(q->fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
    (void)setsockopt(q->fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR, &on,
                     sizeof(on));
    if ((interface[0] != '\0' && setsockopt(q->fd, SOL_SOCKET, SO_BINDTODEVICE, interface,
                                            (socklen_t)strlen(interface)) != 0) ||
        connect(q->fd, (struct sockaddr *)&peer, len) != 0)
        unasked(q);
}

/* question_send - an error of an earlier ICMP message is read from the error queue, not here. */
static void question_send(struct question *q)
{
    if (q->fd >= 0 && q->ask->answer == PORT_SILENT && send(q->fd, q->octets, q->len, 0) < 0 &&
        (errno == EPERM || errno == ENETUNREACH || errno == EINVAL))
        unasked(q);
}

static void offender_read(struct port_ask *ask, const struct sock_extended_err *error)
{
    const struct sockaddr_storage *from = (const void *)SO_EE_OFFENDER(error);
    const struct sockaddr_in *in = (const void *)from;
    const struct sockaddr_in6 *in6 = (const void *)from;
    bool port = error->ee_errno == ECONNREFUSED;
    (void)snprintf(ask->why, sizeof(ask->why), "ICMP: %s",
                   port ? "port unreachable" : strerror((int)error->ee_errno));
    if (from->ss_family == AF_INET)
        (void)address_from(span_of(&in->sin_addr, 4), &ask->by);
    else if (from->ss_family == AF_INET6)
        (void)address_from(span_of(&in6->sin6_addr, 16), &ask->by);
}

/* error_read - takes one message off the error queue. false: it is empty. */
static bool error_read(struct question *q)
{
    _Alignas(struct cmsghdr) uint8_t control[512];
    uint8_t quoted[sizeof(q->octets)];
    struct iovec iov = {quoted, sizeof(quoted)};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    if (recvmsg(q->fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
        return false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
        bool error = (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
                     (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR);
        if (!error ||
            c->cmsg_len < CMSG_LEN(sizeof(struct sock_extended_err)) + sizeof(struct sockaddr_in))
            continue;
        const struct sock_extended_err *e = (const void *)CMSG_DATA(c);
        if (e->ee_origin != SO_EE_ORIGIN_ICMP && e->ee_origin != SO_EE_ORIGIN_ICMP6)
            continue;
        q->ask->answer = PORT_REFUSED;
        offender_read(q->ask, e);
    }
    return true;
}

/* answer_read - an answer has our SPI in front. It counts more than an ICMP error. */
static void answer_read(struct question *q)
{
    size_t skip = q->ask->bare ? 0 : MARKER_LEN;
    uint8_t octets[512];
    ssize_t n;
    while (error_read(q))
        ;
    do {
        n = recv(q->fd, octets, sizeof(octets), MSG_DONTWAIT);
        if (n >= (ssize_t)(skip + HEADER_LEN) && memcmp(octets, q->octets, skip + SPI_LEN) == 0)
            q->ask->answer = PORT_ANSWERS;
    } while (n >= 0);
}

/* hear - until that time, or until every question has its answer. */
static void hear(struct question *questions, size_t n, long long until_ms)
{
    struct pollfd poll_fds[PORT_ASKS];
    long long left;
    while ((left = until_ms - now_ms()) > 0) {
        size_t open = 0;
        for (size_t i = 0; i < n; i++) {
            bool waits = questions[i].fd >= 0 && questions[i].ask->answer == PORT_SILENT;
            poll_fds[i] = (struct pollfd){.fd = waits ? questions[i].fd : -1, .events = POLLIN};
            open += waits;
        }
        if (open == 0 || poll(poll_fds, n, (int)left) < 0)
            return;
        for (size_t i = 0; i < n; i++)
            if (poll_fds[i].fd >= 0 && poll_fds[i].revents != 0)
                answer_read(&questions[i]);
    }
}

void ports_ask(struct port_ask *asks, size_t n)
{
    struct question questions[PORT_ASKS];
    for (size_t i = 0; i < n; i++) {
        questions[i] = (struct question){.ask = &asks[i], .fd = -1};
        asks[i].answer = PORT_SILENT;
        question_write(&questions[i]);
        question_open(&questions[i]);
    }
    for (unsigned try = 0; try < TRIES; try++) {
        for (size_t i = 0; i < n; i++)
            question_send(&questions[i]);
        hear(questions, n, now_ms() + TRY_MS);
    }
    for (size_t i = 0; i < n; i++)
        if (questions[i].fd >= 0)
            (void)close(questions[i].fd);
}
