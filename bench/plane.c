/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: plane [SESSIONS...] - a data plane with so many sessions of two Child SAs: what it costs
 * that one comes, is rekeyed and goes, and what a packet to and from one of them at random costs a
 * worker, system calls included. The real data plane between a socket that stands for the TUN
 * device and UDP over loopback; the worker's functions are called instead of its thread run. Prints
 * a line of JSON for each number of sessions, each figure beside that of a small data plane that
 * did the same in turns.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "esp/checksum.h"
#include "plane/esp_worker.h"

#define SMALL        1000
#define SESSIONS_MAX 4000000
#define WINDOW       1000 /* sessions that come, are rekeyed and go */
#define CHUNK        50   /* ... in portions of so many, of which the middle one is told */
#define LOOKUPS      4096
#define PACKETS      8  /* of a burst: what a pair of sockets takes */
#define BURSTS       20 /* of a figure */
#define PACKET_LEN   64
#define NAT_LINGER   (5 * NANOS_PER_SEC)

struct bench {
    struct esp_plane *plane;
    int tun;  /* the host's side */
    int peer; /* socket of all peers */
    struct plane_source udp;
    struct endpoint local, remote;
    uint32_t sessions, next_child;
    struct esp_crypto *crypto;
    struct esp_child *sealer; /* of the peers, for one SPI after another */
    uint64_t dice;
    uint8_t packets[PACKETS][PACKET_LEN + 64];
};

static const uint8_t key[20] = {1, 2, 3};

static void kernel_fill(void *context, void *octets, size_t len)
{
    (void)context;
    ssize_t n = getrandom(octets, len, 0);
    ASSERT(n == (ssize_t)len);
}

static const struct random kernel_random = {.fill = kernel_fill};

static nanos cpu_now(void)
{
    struct timespec ts;
    int err = clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    ASSERT(err == 0);
    return ts.tv_sec * NANOS_PER_SEC + ts.tv_nsec;
}

static uint32_t roll(struct bench *b, uint32_t n)
{
    b->dice = b->dice * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(b->dice >> 33) % n;
}

/* --- set up --- */

static int loopback_socket(struct endpoint *ret_local)
{
    struct udp_socket_options options = {
        .local = {.address = {.family = ADDRESS_V4, .octets = {127, 0, 0, 1}}}, .gro = true};
    struct sockaddr_storage name;
    socklen_t len = sizeof(name);
    int fd = udp_socket_open(&options);
    bool named = fd >= 0 && getsockname(fd, (struct sockaddr *)&name, &len) == 0 &&
                 endpoint_from_sockaddr(&name, ret_local);
    ASSERT(named);
    return fd;
}

static struct address inner_of(uint32_t session)
{
    return (struct address){
        .family = ADDRESS_V4,
        .octets = {10, (uint8_t)(session >> 16), (uint8_t)(session >> 8), (uint8_t)session}};
}

static uint32_t scattered(uint32_t n) /* SPIs are random, and not the same twice */
{
    return (n * UINT32_C(2654435761) ^ UINT32_C(0x5bd1e995)) | UINT32_C(0x80000000);
}

/* spi_of - a permutation of 31 bits: children have numbers below 2^31. */
static uint32_t spi_of(esp_child_id child)
{
    return scattered(child & INT32_MAX);
}

static struct esp_child_config config_of(const struct bench *b, uint32_t session,
                                         esp_child_id child)
{
    return (struct esp_child_config){
        .child = child,
        .session = session + 1,
        .spi_in = spi_of(child),
        .spi_out = spi_of(child),
        .encr = 20,
        .encr_key_bits = 128,
        .encr_in = span_of(key, sizeof(key)),
        .encr_out = span_of(key, sizeof(key)),
        .udp_encap = true,
        .outbound_now = true,
        .usable = true,
        .priority = 1,
        .weight = 1,
        .replay_window = 1024,
        .keepalive = session % 2 == 0,
        .path = {.local = b->local, .remote = b->remote},
        .local_ts = {.n = 1,
                     .ts = {{.end_port = UINT16_MAX,
                             .range = {{.family = ADDRESS_V4},
                                       {.family = ADDRESS_V4, .octets = {255, 255, 255, 255}}}}}},
        .remote_ts = {.n = 1,
                      .ts = {{.end_port = UINT16_MAX,
                              .range = {inner_of(session), inner_of(session)}}}},
    };
}

static void install(struct bench *b, uint32_t session, esp_child_id child, esp_child_id replaces)
{
    struct esp_child_config config = config_of(b, session, child);
    config.replaces = replaces;
    config.outbound_now = replaces == 0;
    int err = data_plane_install(esp_plane_verbs(b->plane), &config, plane_now());
    ASSERT(err == 0);
}

/* session_add - two Child SAs, numbered 2 * session + 1 and + 2. */
static void session_add(struct bench *b, uint32_t session)
{
    int err = data_plane_mode(esp_plane_verbs(b->plane), session + 1, ESP_MODE_FAILOVER, true);
    ASSERT(err == 0);
    install(b, session, 2 * session + 1, 0);
    install(b, session, 2 * session + 2, 0);
}

static void bench_open(struct bench *b)
{
    struct esp_plane_options o = {
        .n_workers = 1, .random = &kernel_random, .raw4_fd = -1, .raw6_fd = -1};
    int pair[2], sink = 1;
    *b = (struct bench){.dice = 3, .next_child = 1u << 30};
    for (unsigned i = 0; i < LIMIT_WORKERS; i++)
        o.tun_fds[i] = o.udp4_fds[i] = o.udp6_fds[i] = -1;
    int err = socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair);
    ASSERT(err == 0);
    b->tun = pair[0];
    o.tun_fds[0] = pair[1];
    o.udp4_fds[0] = loopback_socket(&b->local);
    o.nat_port = b->local.port;
    b->peer = loopback_socket(&b->remote);
    /* what is sent to it is dropped */
    err = setsockopt(b->peer, SOL_SOCKET, SO_RCVBUF, &sink, sizeof(sink));
    ASSERT(err == 0);
    b->udp = (struct plane_source){.kind = SOURCE_UDP, .fd = o.udp4_fds[0], .port = b->local.port};
    err = esp_plane_new(&o, &b->plane);
    b->crypto = esp_crypto_new();
    struct esp_child_config config = config_of(b, 0, 1);
    if (err == 0 && b->crypto != NULL)
        err = esp_child_new(b->crypto, &config, &b->sealer);
    ASSERT(err == 0 && b->sealer != NULL);
}

static void bench_close(struct bench *b)
{
    esp_plane_free(b->plane);
    esp_child_free(b->sealer);
    esp_crypto_free(b->crypto);
    close(b->tun);
    close(b->peer);
}

static void fill(struct bench *b, uint32_t until)
{
    while (b->sessions < until)
        session_add(b, b->sessions++);
}

/* --- changes --- */

/* struct costs - of one session: it comes with two Child SAs, one is rekeyed, it goes. */
struct costs {
    nanos come[WINDOW], rekey[WINDOW], go[WINDOW];
};

static nanos timed_come(struct bench *b)
{
    nanos began = cpu_now();
    session_add(b, b->sessions++);
    return cpu_now() - began;
}

static nanos timed_rekey(struct bench *b, nanos now)
{
    uint32_t session = roll(b, b->sessions);
    esp_child_id old = 2 * session + 2, child = b->next_child++;
    nanos began = cpu_now();
    install(b, session, child, old);
    int err = data_plane_switch(esp_plane_verbs(b->plane), child);
    ASSERT(err == 0);
    err = data_plane_remove(esp_plane_verbs(b->plane), old, NAT_LINGER, now);
    ASSERT(err == 0);
    (void)data_plane_deadline(esp_plane_verbs(b->plane));
    nanos cost = cpu_now() - began;
    /* once more, so that the numbers are as before */
    err = data_plane_remove(esp_plane_verbs(b->plane), old, 0, now);
    ASSERT(err == 0);
    install(b, session, old, child);
    err = data_plane_switch(esp_plane_verbs(b->plane), old);
    ASSERT(err == 0);
    err = data_plane_remove(esp_plane_verbs(b->plane), child, 0, now);
    ASSERT(err == 0);
    return cost;
}

static nanos timed_go(struct bench *b, nanos now)
{
    uint32_t session = --b->sessions;
    nanos began = cpu_now();
    for (esp_child_id child = 2 * session + 1; child <= 2 * session + 2; child++) {
        int err = data_plane_remove(esp_plane_verbs(b->plane), child, 0, now);
        ASSERT(err == 0);
    }
    data_plane_session_end(esp_plane_verbs(b->plane), session + 1);
    (void)data_plane_deadline(esp_plane_verbs(b->plane));
    return cpu_now() - began;
}

/* --- packets --- */

static double spi_lookup(struct bench *b)
{
    static uint32_t spis[LOOKUPS];
    for (size_t i = 0; i < LOOKUPS; i++)
        spis[i] = spi_of(roll(b, 2 * b->sessions) + 1);
    nanos began = cpu_now();
    for (size_t i = 0; i < LOOKUPS; i++) {
        const struct esp_child *child = esp_policy_spi(b->plane->policy, spis[i]);
        ASSERT(child != NULL && child->spi_in == spis[i]);
    }
    return (double)(cpu_now() - began) / LOOKUPS / 1e3;
}

static double inner_lookup(struct bench *b)
{
    static struct esp_inner inners[LOOKUPS];
    for (size_t i = 0; i < LOOKUPS; i++)
        inners[i] = (struct esp_inner){.version = 4,
                                       .protocol = 17,
                                       .has_ports = true,
                                       .src = {.family = ADDRESS_V4, .octets = {192, 0, 2, 1}},
                                       .dst = inner_of(roll(b, b->sessions))};
    nanos began = cpu_now();
    for (size_t i = 0; i < LOOKUPS; i++) {
        const struct esp_group *group = esp_policy_group(b->plane->policy, &inners[i]);
        ASSERT(group != NULL && esp_group_choose(group, 0, (struct flow_origin){0}) != NULL);
    }
    return (double)(cpu_now() - began) / LOOKUPS / 1e3;
}

/* packet_write - 64 octets of UDP over IPv4 between the host and an End User. */
static void packet_write(uint8_t *ip, const struct address *src, const struct address *dst)
{
    memset(ip, 0, PACKET_LEN);
    memcpy(ip, "\x45\x00\x00\x40\x00\x00\x40\x00\x40\x11", 10);
    memcpy(ip + 12, src->octets, 4);
    memcpy(ip + 16, dst->octets, 4);
    memcpy(ip + 20, "\x00\x07\x00\x08\x00\x2c\x00\x00", 8);
    checksum_ipv4_header(ip);
}

static const struct address host = {.family = ADDRESS_V4, .octets = {192, 0, 2, 1}};

static void drain(int fd)
{
    uint8_t octets[4096];
    while (recv(fd, octets, sizeof(octets), MSG_DONTWAIT) > 0)
        ;
}

/* sending - a packet from the TUN device to UDP. */
static double sending(struct bench *b)
{
    struct plane_worker *w = &b->plane->workers[0];
    uint8_t frame[sizeof(struct esp_vnet) + PACKET_LEN] = {0};
    nanos spent = 0;
    w->now = plane_now();
    for (unsigned burst = 0; burst < BURSTS; burst++) {
        for (unsigned i = 0; i < PACKETS; i++) {
            struct address to = inner_of(roll(b, b->sessions));
            packet_write(frame + sizeof(struct esp_vnet), &host, &to);
            ssize_t put = write(b->tun, frame, sizeof(frame));
            ASSERT(put == (ssize_t)sizeof(frame));
        }
        nanos began = cpu_now();
        plane_tun_drain(w, &w->tun);
        spent += cpu_now() - began;
        drain(b->peer);
    }
    return (double)spent / BURSTS / PACKETS / 1e3;
}

/* receiving - a packet from UDP to the TUN device. */
static double receiving(struct bench *b)
{
    struct plane_worker *w = &b->plane->workers[0];
    const struct esp_key *out = b->sealer->key_out;
    struct sockaddr_storage to;
    socklen_t to_len = endpoint_to_sockaddr(&b->local, &to);
    nanos spent = 0;
    uint64_t sequence;
    bool soft;
    w->now = plane_now();
    for (unsigned burst = 0; burst < BURSTS; burst++) {
        for (unsigned i = 0; i < PACKETS; i++) {
            uint32_t session = roll(b, b->sessions);
            struct address from = inner_of(session);
            uint8_t *packet = b->packets[i];
            packet_write(packet + esp_child_text_offset(out), &from, &host);
            b->sealer->spi_out = spi_of(2 * session + 1);
            bool reserved = esp_child_reserve(b->sealer, 1, &sequence, &soft);
            int err = esp_child_seal(b->crypto, b->sealer, sequence,
                                     (struct buffer){packet, PACKET_LEN}, NULL);
            size_t len = esp_child_sealed_len(out, PACKET_LEN);
            ssize_t sent = sendto(b->peer, packet, len, 0, (struct sockaddr *)&to, to_len);
            ASSERT(reserved && err == 0 && sent == (ssize_t)len);
        }
        nanos began = cpu_now();
        plane_socket_drain(w, &b->udp);
        spent += cpu_now() - began;
        drain(b->tun);
    }
    return (double)spent / BURSTS / PACKETS / 1e3;
}

/* --- figures --- */

struct figures {
    struct costs costs;
    double spi[CHUNK], inner[CHUNK], sending[CHUNK], receiving[CHUNK];
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(const double values[CHUNK])
{
    double sorted[CHUNK];
    memcpy(sorted, values, sizeof(sorted));
    qsort(sorted, CHUNK, sizeof(sorted[0]), compare);
    return sorted[CHUNK / 2];
}

/* middle - the mean of the middle portion. */
static double middle(const nanos each[WINDOW])
{
    double chunks[WINDOW / CHUNK] = {0};
    for (size_t i = 0; i < WINDOW; i++)
        chunks[i / CHUNK] += (double)each[i] / CHUNK / 1e3;
    qsort(chunks, WINDOW / CHUNK, sizeof(chunks[0]), compare);
    return chunks[WINDOW / CHUNK / 2];
}

static double longest(const nanos each[WINDOW])
{
    nanos most = 0;
    for (size_t i = 0; i < WINDOW; i++)
        most = each[i] > most ? each[i] : most;
    return (double)most / 1e3;
}

static void measure(struct bench *large, struct figures f[2])
{
    static struct bench small;
    struct bench *both[2] = {large, &small};
    nanos now = plane_now();
    bench_open(&small);
    fill(&small, SMALL);
    for (size_t i = 0; i < WINDOW; i++)
        for (unsigned k = 0; k < 2; k++)
            f[k].costs.come[i] = timed_come(both[k]);
    for (size_t i = 0; i < WINDOW; i++)
        for (unsigned k = 0; k < 2; k++) {
            f[k].costs.rekey[i] = timed_rekey(both[k], now);
            f[k].costs.go[i] = timed_go(both[k], now);
        }
    for (size_t i = 0; i < CHUNK; i++)
        for (unsigned k = 0; k < 2; k++) {
            f[k].spi[i] = spi_lookup(both[k]);
            f[k].inner[i] = inner_lookup(both[k]);
            f[k].sending[i] = sending(both[k]);
            f[k].receiving[i] = receiving(both[k]);
        }
    struct esp_plane_stats stats;
    esp_plane_stats_get(large->plane, &stats);
    ASSERT(stats.no_policy + stats.unknown_spi + stats.bad_inner + stats.not_usable == 0);
    ASSERT(stats.tun_errors == 0 && stats.tun_writes > 0 && stats.sends > 0);
    bench_close(&small);
}

static void pair(const char *name, double value, double small)
{
    printf(", \"%s\": [%.3f, %.3f]", name, value, small);
}

static void report(uint32_t sessions, const struct figures f[2])
{
    printf("{\"sessions\": %u", sessions);
    pair("come_us", middle(f[0].costs.come), middle(f[1].costs.come));
    pair("rekey_us", middle(f[0].costs.rekey), middle(f[1].costs.rekey));
    pair("go_us", middle(f[0].costs.go), middle(f[1].costs.go));
    pair("send_us", median(f[0].sending), median(f[1].sending));
    pair("receive_us", median(f[0].receiving), median(f[1].receiving));
    pair("inner_us", median(f[0].inner), median(f[1].inner));
    pair("spi_us", median(f[0].spi), median(f[1].spi));
    pair("longest_come_us", longest(f[0].costs.come), longest(f[1].costs.come));
    printf("}\n");
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    static const char *const usual[] = {"1000", "10000", "100000"};
    static struct bench bench;
    static struct figures figures[2];
    bench_open(&bench);
    size_t n = argc > 1 ? (size_t)argc - 1 : sizeof(usual) / sizeof(usual[0]);
    for (size_t i = 0; i < n; i++) {
        unsigned long until = strtoul(argc > 1 ? argv[i + 1] : usual[i], NULL, 10);
        if (until < SMALL || until > SESSIONS_MAX || until < bench.sessions) {
            (void)fprintf(stderr, "plane: numbers of sessions from %d on, ascending\n", SMALL);
            return 2;
        }
        fill(&bench, (uint32_t)until);
        measure(&bench, figures);
        report((uint32_t)until, figures);
    }
    bench_close(&bench);
    return 0;
}
