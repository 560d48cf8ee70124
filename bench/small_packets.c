/* SPDX-License-Identifier: Apache-2.0 */
/* A sender and a counter of small UDP datagrams, both faster than the tunnels that bench/speed.py measures.
 *
 * small_packets send ADDRESS RATE SECONDS: sends RATE datagrams a second of 36 octets (64 with UDP and IPv4)
 * to ADDRESS, port 5202, and prints how many it sent.
 * small_packets count: counts datagrams at port 5202 from the first one on. Prints the number once none
 * arrives for half a second.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#define PORT    5202
#define PAYLOAD 36
#define BATCH   32
#define SECOND  1000000000LL

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

static long long now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static void batch_prepare(struct mmsghdr *messages, struct iovec *parts, uint8_t *octets,
                          size_t len)
{
    for (unsigned i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){octets + i * len, len};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
    }
}

/* send_at_rate - sends all that is due, then sleeps 0.2 ms: a sleep after each datagram would cost more than
 * the datagrams. */
static long long send_at_rate(int fd, long long rate, long long seconds)
{
    static uint8_t octets[BATCH * PAYLOAD];
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    long long begin = now(), end = begin + seconds * SECOND, sent = 0;
    batch_prepare(messages, parts, octets, PAYLOAD);
    for (long long t = begin; t < end; t = now()) {
        long long due = (t - begin) * rate / SECOND - sent;
        for (int n; due > 0; due -= n, sent += n) {
            n = sendmmsg(fd, messages, due < BATCH ? (unsigned)due : BATCH, 0);
            if (n < 0)
                fail("sendmmsg");
        }
        struct timespec pause = {.tv_nsec = 200000};
        (void)nanosleep(&pause, NULL);
    }
    return sent;
}

static long long count(int fd)
{
    static uint8_t octets[BATCH * 2048];
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    struct timeval quiet = {.tv_usec = 500000};
    long long received = 0;
    batch_prepare(messages, parts, octets, 2048);
    int n = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &quiet, sizeof(quiet)) != 0)
        fail("SO_RCVTIMEO");
    for (; n > 0; n = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL))
        received += n;
    return received;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), room = 16 << 20;
    if (fd < 0)
        fail("socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
    if (argc == 2 && strcmp(argv[1], "count") == 0) {
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
            fail("bind");
        printf("%lld\n", count(fd));
    } else if (argc == 5 && strcmp(argv[1], "send") == 0 &&
               inet_pton(AF_INET, argv[2], &address.sin_addr) == 1) {
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
            fail("connect");
        printf("%lld\n", send_at_rate(fd, atoll(argv[3]), atoll(argv[4])));
    } else {
        (void)fprintf(stderr,
                      "usage: small_packets send ADDRESS RATE SECONDS, or small_packets count\n");
        return 2;
    }
    return 0;
}
