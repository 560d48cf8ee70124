/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link_emulator LEFT RIGHT - passes Ethernet frames between two interfaces, with delay, loss and a
 * rate. A line on standard input sets them, and is answered with "ok":
 *
 *   DELAY_US LOSS_PPM RATE_KBPS CUT [JITTER_US OVERTAKES LIMIT DIRECTIONS]
 *
 * JITTER_US: standard deviation of a normal distribution around the delay. OVERTAKES 0: packets keep
 * their order, and each is due a packet time behind the last one, as with netem's `rate`. LIMIT:
 * packets in flight; 0: 4,096, and at most 200 ms of the rate. DIRECTIONS: 1 left to right, 2 right
 * to left, 3 (the default) both.
 *
 * Frames carry their virtio header, so that segmentation and checksum offloads pass through as they
 * are; such a frame is lost or late as a whole.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "link_model.h"

#define FRAME_MAX (sizeof(struct virtio_net_hdr) + 65536 + 64)
#define QUEUE_MAX 4096 /* frames in flight per direction; beyond that they are lost */

struct frame {
    uint64_t due_ns;
    size_t len;
    uint8_t *bytes;
};

struct direction {
    int from, to;
    struct frame queue[QUEUE_MAX];
    unsigned head;
    struct link_state link;
};

static struct direction directions[2];

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int open_packet(const char *name)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0), on = 1;
    struct sockaddr_ll where = {.sll_family = AF_PACKET,
                                .sll_protocol = htons(ETH_P_ALL),
                                .sll_ifindex = (int)if_nametoindex(name)};
    struct packet_mreq promiscuous = {.mr_ifindex = where.sll_ifindex,
                                      .mr_type = PACKET_MR_PROMISC};
    int buffer = 16 << 20;
    if (fd < 0 || where.sll_ifindex == 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) != 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) != 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) != 0 ||
        bind(fd, (const struct sockaddr *)&where, sizeof(where)) != 0) {
        perror(name);
        exit(1);
    }
    return fd;
}

static double random_share(void)
{
    return (double)random() / 2147483648.0;
}

/* queue_add - in the order in which frames are due. */
static void queue_add(struct direction *d, const struct frame *frame)
{
    unsigned at = d->link.n++;
    for (; at > 0 && d->queue[(d->head + at - 1) % QUEUE_MAX].due_ns > frame->due_ns; at--)
        d->queue[(d->head + at) % QUEUE_MAX] = d->queue[(d->head + at - 1) % QUEUE_MAX];
    d->queue[(d->head + at) % QUEUE_MAX] = *frame;
}

static void take(struct direction *d, const struct link_settings *s, const uint8_t *bytes,
                 size_t len)
{
    uint64_t now = now_ns();
    if (s->cut || d->link.n == QUEUE_MAX || link_full(&d->link, s, now) ||
        (uint64_t)(random() % 1000000) < s->loss_ppm)
        return;
    uint64_t delay = link_delay_ns(s, random_share(), random_share());
    uint64_t due = link_due_ns(&d->link, s, len - sizeof(struct virtio_net_hdr), now, delay);
    struct frame f = {.due_ns = due, .len = len, .bytes = malloc(len)};
    if (f.bytes == NULL)
        return;
    memcpy(f.bytes, bytes, len);
    queue_add(d, &f);
}

static void receive(struct direction *d, const struct link_settings *s)
{
    static uint8_t buffer[FRAME_MAX];
    for (int i = 0; i < 64; i++) {
        ssize_t n = recv(d->from, buffer, sizeof(buffer), 0);
        if (n <= 0)
            return;
        take(d, s, buffer, (size_t)n);
    }
}

/* Sends what is due; returns when the next frame is, UINT64_MAX: none waits. */
static uint64_t flush(struct direction *d)
{
    while (d->link.n > 0) {
        struct frame *f = &d->queue[d->head];
        if (f->due_ns > now_ns())
            return f->due_ns;
        (void)!send(d->to, f->bytes, f->len, 0);
        free(f->bytes);
        d->head = (d->head + 1) % QUEUE_MAX;
        d->link.n--;
    }
    return UINT64_MAX;
}

static bool command(struct link_settings settings[2])
{
    char line[128];
    unsigned delay_us, loss_ppm, rate_kbps, cut, jitter_us = 0, overtakes = 0, limit = 0, which = 3;
    if (fgets(line, sizeof(line), stdin) == NULL)
        return false;
    if (sscanf(line, "%u %u %u %u %u %u %u %u", &delay_us, &loss_ppm, &rate_kbps, &cut, &jitter_us,
               &overtakes, &limit, &which) < 4)
        return false;
    for (int i = 0; i < 2; i++)
        if ((which >> i & 1) != 0)
            settings[i] = (struct link_settings){.delay_ns = delay_us * 1000ull,
                                                 .loss_ppm = loss_ppm,
                                                 .rate_kbps = rate_kbps,
                                                 .jitter_ns = jitter_us * 1000ull,
                                                 .limit = limit,
                                                 .cut = cut != 0,
                                                 .overtakes = overtakes != 0};
    return puts("ok") >= 0;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: link_emulator LEFT RIGHT\n", stderr);
        return 2;
    }
    struct link_settings settings[2] = {0};
    int left = open_packet(argv[1]), right = open_packet(argv[2]);
    directions[0].from = directions[1].to = left;
    directions[0].to = directions[1].from = right;
    setvbuf(stdin, NULL, _IONBF, 0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct pollfd fds[] = {{left, POLLIN, 0}, {right, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    for (;;) {
        uint64_t a = flush(&directions[0]), b = flush(&directions[1]), due = a < b ? a : b,
                 now = now_ns();
        struct timespec timeout = {0};
        if (due > now) {
            uint64_t wait_ns = due - now < 1000000000u ? due - now : 1000000000u;
            timeout =
                (struct timespec){(time_t)(wait_ns / 1000000000u), (long)(wait_ns % 1000000000u)};
        }
        if (ppoll(fds, 3, &timeout, NULL) < 0)
            return 1;
        for (int i = 0; i < 2; i++)
            if (fds[i].revents != 0)
                receive(&directions[i], &settings[i]);
        if (fds[2].revents != 0 && !command(settings))
            fds[2].fd = -1; /* nobody left to change anything */
    }
}
