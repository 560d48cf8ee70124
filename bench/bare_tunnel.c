/* SPDX-License-Identifier: Apache-2.0 */
/* The least that a tunnel in user space costs: a TUN with one queue, UDP with GSO and GRO, and nothing
 * else. It reads no packet header, encrypts nothing, and computes no checksum. bench/speed.py compares
 * ikatd with it.
 *
 * bare_tunnel TUN LOCAL REMOTE SEGMENT: creates the device TUN and exchanges its frames with REMOTE, both
 * ends at UDP port 4789. SEGMENT: octets of a datagram.
 *
 * A frame travels as a train of datagrams of SEGMENT octets, of which the last may be shorter:
 * TRAIN_MAGIC and the length of the rest, both 32 bits in network byte order; struct virtio_net_hdr; the
 * frame. Frames of two trains never share a datagram. If a datagram is lost, its train is dropped.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT          4789
#define TRAIN_MAGIC   0x62617265u
#define TRAIN_HEADER  8
#define TRAIN_MAX     65000 /* what one UDP datagram of a super-frame can carry, with room to spare */
#define DATAGRAMS_MAX 64    /* of one sendmsg() with UDP_SEGMENT */

struct tunnel {
    int tun, udp;
    unsigned segment;
};

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int tun_open(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0)
        fail("TUN");
    if (ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) != 0)
        fail("TUNSETOFFLOAD");
    return fd;
}

static struct sockaddr_in address_of(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    if (inet_pton(AF_INET, text, &address.sin_addr) != 1) {
        (void)fprintf(stderr, "%s is no IPv4 address\n", text);
        exit(1);
    }
    return address;
}

static int udp_open(const char *local, const char *remote, unsigned segment)
{
    struct sockaddr_in from = address_of(local), to = address_of(remote);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1, room = 8 << 20;
    if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        fail("UDP socket");
    if (setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)) != 0 ||
        setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on)) != 0)
        fail("UDP_SEGMENT, UDP_GRO");
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
    return fd;
}

/* send_train - returns when the kernel has taken all octets, or has dropped them. */
static void send_train(const struct tunnel *tunnel, const uint8_t *octets, size_t len)
{
    size_t most = (size_t)tunnel->segment * DATAGRAMS_MAX;
    if (most > TRAIN_MAX)
        most = TRAIN_MAX / tunnel->segment * tunnel->segment;
    for (size_t at = 0, part; at < len; at += part) {
        part = len - at < most ? len - at : most;
        if (send(tunnel->udp, octets + at, part, 0) < 0 && errno != ECONNREFUSED)
            fail("send");
    }
}

static void *tun_to_udp(void *context)
{
    const struct tunnel *tunnel = context;
    static uint8_t octets[TRAIN_HEADER + 70000];
    for (;;) {
        ssize_t n = read(tunnel->tun, octets + TRAIN_HEADER, sizeof(octets) - TRAIN_HEADER);
        uint32_t header[2] = {htonl(TRAIN_MAGIC), htonl((uint32_t)n)};
        if (n < 0)
            fail("read of the TUN");
        memcpy(octets, header, sizeof(header));
        send_train(tunnel, octets, TRAIN_HEADER + (size_t)n);
    }
}

/* struct train - the start of a frame whose datagrams arrive in more than one message. */
struct train {
    uint8_t octets[70000];
    size_t len, missing; /* missing: octets that are still to come */
};

static void frame_write(const struct tunnel *tunnel, const uint8_t *octets, size_t len)
{
    /* EINVAL, EIO: the datagrams of two trains were mixed after a loss */
    if (write(tunnel->tun, octets, len) < 0 && errno != EINVAL && errno != EIO)
        fail("write to the TUN");
}

/* frame_len - of a datagram that begins a train; 0: of another one. */
static size_t frame_len(const uint8_t *octets, size_t len)
{
    uint32_t header[2] = {0};
    if (len > TRAIN_HEADER)
        memcpy(header, octets, sizeof(header));
    return ntohl(header[0]) == TRAIN_MAGIC ? ntohl(header[1]) : 0;
}

/* train_go_on - a datagram in the middle of a train. */
static void train_go_on(const struct tunnel *tunnel, struct train *train, const uint8_t *octets,
                        size_t len)
{
    if (len > train->missing)
        len = train->missing;
    memcpy(train->octets + train->len, octets, len);
    train->len += len;
    train->missing -= len;
    if (train->missing == 0 && len > 0)
        frame_write(tunnel, train->octets, train->len);
}

/* datagrams_take - takes datagrams of `segment` octets, which the kernel has put together. */
static void datagrams_take(const struct tunnel *tunnel, struct train *train, const uint8_t *octets,
                           size_t len, size_t segment)
{
    for (size_t at = 0; at < len;) {
        size_t left = len - at, part = left < segment ? left : segment, skip = 0;
        size_t frame = frame_len(octets + at, part);
        if (frame > 0 && frame <= left - TRAIN_HEADER) {
            frame_write(tunnel, octets + at + TRAIN_HEADER, frame);
            at += (TRAIN_HEADER + frame + segment - 1) / segment * segment;
            continue;
        }
        if (frame > 0 && frame <= sizeof(train->octets)) {
            train->len = 0;
            train->missing = frame;
            skip = TRAIN_HEADER;
        }
        train_go_on(tunnel, train, octets + at + skip, part - skip);
        at += part;
    }
}

/* segment_of - the size of the datagrams that the kernel has put together. */
static size_t segment_of(struct msghdr *message, size_t len)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c))
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
            int size;
            memcpy(&size, CMSG_DATA(c), sizeof(size));
            return size > 0 ? (size_t)size : len;
        }
    return len;
}

static void udp_to_tun(const struct tunnel *tunnel)
{
    static uint8_t octets[70000];
    static struct train train;
    for (;;) {
        _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int))];
        struct iovec iov = {octets, sizeof(octets)};
        struct msghdr message = {.msg_iov = &iov,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof(control)};
        ssize_t n = recvmsg(tunnel->udp, &message, 0);
        if (n < 0 && errno != ECONNREFUSED)
            fail("recvmsg");
        if (n > 0)
            datagrams_take(tunnel, &train, octets, (size_t)n, segment_of(&message, (size_t)n));
    }
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        (void)fprintf(stderr, "usage: bare_tunnel TUN LOCAL REMOTE SEGMENT\n");
        return 2;
    }
    unsigned segment = (unsigned)strtoul(argv[4], NULL, 10);
    struct tunnel tunnel = {.segment = segment};
    pthread_t thread;
    tunnel.tun = tun_open(argv[1]);
    tunnel.udp = udp_open(argv[2], argv[3], segment);
    if (pthread_create(&thread, NULL, tun_to_udp, &tunnel) != 0)
        fail("thread");
    udp_to_tun(&tunnel);
}
