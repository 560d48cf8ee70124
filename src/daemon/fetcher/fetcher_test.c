/* SPDX-License-Identifier: Apache-2.0 */
/* A server that answers, but more slowly than the fetches arrive: it must not count as dead. */
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"
#include "base/unit_test.h"
#include "daemon/common/channel.h"
#include "daemon/common/fetch_channel.h"
#include "daemon/process/confine.h"
#include "daemon/process/helpers.h"
#include "linux/clock.h"

#define FETCHES 26 /* the third eight begin late, and two never begin */
#define ANSWER_NS                                                                                  \
    (5 * NANOS_PER_SEC / 2) /* two answers take less than the time of a fetch, three more */

int __wrap_confine(const struct confinement *what, pid_t parent);
int __wrap_confine(const struct confinement *what, pid_t parent)
{
    (void)what;
    (void)parent;
    return 0;
}

static int listener;

/* serve - answers each request ANSWER_NS after its connection came. */
static void *serve(void *unused)
{
    static const char answer[] = "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx";
    struct {
        int fd;
        nanos at;
    } open[FETCHES];
    size_t n = 0, first = 0;
    (void)unused;
    while (first < FETCHES) {
        struct pollfd door = {.fd = n < FETCHES ? listener : -1, .events = POLLIN};
        nanos now = clock_now();
        int wait = first == n              ? -1
                   : open[first].at <= now ? 0
                                           : (int)((open[first].at - now) / NANOS_PER_MS) + 1;
        if (poll(&door, 1, wait) > 0) {
            open[n].fd = accept(listener, NULL, NULL);
            if (open[n].fd < 0)
                return NULL;
            open[n++].at = clock_now() + ANSWER_NS;
        }
        for (; first < n && open[first].at <= clock_now(); first++) {
            (void)!send(open[first].fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
            (void)close(open[first].fd);
        }
    }
    return NULL;
}

/* fetcher_start - a process, as in the daemon: what the fetcher has allocated goes with it. */
static pid_t fetcher_start(const int ends[2])
{
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        _exit(fetcher_run(ends[1], 0));
    }
    (void)close(ends[1]);
    return pid;
}

static void slow_is_not_dead(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    pthread_t server;
    int ends[2], status;
    unsigned whole = 0, dead = 0, waited = 0;
    (void)state;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(listener, FETCHES), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(channel_pair(ends, 1 << 20), 0);
    pid_t fetcher = fetcher_start(ends);
    assert_true(fetcher > 0);
    assert_int_equal(pthread_create(&server, NULL, serve, NULL), 0);
    for (unsigned i = 1; i <= FETCHES; i++) {
        struct fetch_request request = {.job = i, .local = 1};
        (void)snprintf(request.url, sizeof(request.url), "http://127.0.0.1:%u/%u",
                       ntohs(at.sin_port), i);
        assert_int_equal(
            channel_send_tail(ends[0], span_of(&request, sizeof(request)), (struct span){0}), 0);
    }
    for (unsigned i = 1; i <= FETCHES; i++) {
        struct fetch_answer answer;
        uint8_t octets[16];
        size_t n;
        struct pollfd door = {.fd = ends[0], .events = POLLIN};
        assert_int_equal(poll(&door, 1, 20000), 1);
        assert_int_equal(channel_recv_tail(ends[0], &answer, sizeof(answer),
                                           (struct buffer){octets, sizeof(octets)}, &n),
                         0);
        whole += answer.error == 0;
        waited += strstr(answer.reason, "go first") != NULL;
        dead += answer.error == ERR_NOT_FOUND || answer.error == ERR_AGAIN;
    }
    assert_int_equal(whole, 16);
    assert_int_equal(dead, 0);
    assert_int_equal(waited, 2);
    (void)close(ends[0]);
    assert_int_equal(waitpid(fetcher, &status, 0), fetcher);
    assert_int_equal(status, 0);
    (void)shutdown(listener, SHUT_RDWR);
    pthread_join(server, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(slow_is_not_dead)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
