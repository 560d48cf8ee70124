/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One end of a tunnel with static keys: the data plane without IKE, driven by lines on standard
 * input. For esp_plane_net_test.py and for measurements; never installed. Keys come from a number
 * on the command line and protect nothing.
 *
 *   esp_plane_peer TUN WORKERS END(0|1) [raw]
 *
 * answers every line with "ok ..." or "err N", and prints "event KIND CHILD ..." as they come.
 */
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "linux/tun.h"
#include "linux/udp_socket.h"
#include "plane/esp_plane.h"
#include "plane/raw_esp.h"

#define NAT_PORT 4500
#define WORDS    16

struct peer {
    struct esp_plane *plane;
    int end;
    bool udp_encap;
};

struct cipher {
    const char *name;
    uint16_t encr, bits, integ;
    size_t key_len, integ_len;
};

static const struct cipher ciphers[] = {
    {"gcm128", 20, 128, 0, 20, 0},
    {"gcm256", 20, 256, 0, 36, 0},
    {"chacha", 28, 0, 0, 36, 0},
    {"cbc256", 12, 256, 12, 32, 32},
};

static void kernel_fill(void *context, void *octets, size_t len)
{
    (void)context;
    if (getrandom(octets, len, 0) != (ssize_t)len)
        abort();
}

static nanos now_read(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (nanos)t.tv_sec * NANOS_PER_SEC + t.tv_nsec;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static uint32_t number(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 0);
}

/* key_fill - the key of one direction. Both ends compute the same key. */
static void key_fill(uint8_t *key, size_t len, uint32_t seed, int direction)
{
    for (size_t i = 0; i < len; i++)
        key[i] = (uint8_t)(seed * 31 + (unsigned)direction * 101 + i * 7);
}

static int path_fill(struct esp_path *path, char **word)
{
    memset(path, 0, sizeof(*path));
    path->local.port = path->remote.port = NAT_PORT;
    if (!address_parse(word[0], &path->local.address) ||
        !address_parse(word[1], &path->remote.address))
        return ERR_INVALID;
    path->interface = strcmp(word[2], "-") == 0 ? 0 : if_nametoindex(word[2]);
    return 0;
}

static void ts_fill(struct esp_ts_list *list, const char *range)
{
    list->n = 1;
    list->ts[0] = (struct esp_ts){.protocol = 0, .start_port = 0, .end_port = UINT16_MAX};
    if (!range_parse(range, &list->ts[0].range))
        exit(1);
}

/* child ID REPLACES SPI_IN SPI_OUT SEED CIPHER LOCAL REMOTE DEVICE NOW PRIORITY ESN LOCAL_TS
 * REMOTE_TS */
static int child_command(struct peer *p, char **w)
{
    struct esp_child_config c = {.session = 1,
                                 .child = number(w[1]),
                                 .replaces = number(w[2]),
                                 .spi_in = number(w[3]),
                                 .spi_out = number(w[4]),
                                 .udp_encap = p->udp_encap,
                                 .outbound_now = number(w[10]) != 0,
                                 .priority = number(w[11]),
                                 .esn = number(w[12]) != 0,
                                 .weight = 1,
                                 .usable = true,
                                 .replay_window = 1024,
                                 .copy_ecn = true};
    const struct cipher *cipher = NULL;
    for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++)
        if (strcmp(ciphers[i].name, w[6]) == 0)
            cipher = &ciphers[i];
    if (cipher == NULL || path_fill(&c.path, w + 7) != 0)
        return ERR_INVALID;
    uint8_t keys[2][2][64];
    for (int d = 0; d < 2; d++) {
        key_fill(keys[d][0], cipher->key_len, number(w[5]), d);
        key_fill(keys[d][1], cipher->integ_len, number(w[5]) + 1, d);
    }
    c.encr = cipher->encr;
    c.encr_key_bits = cipher->bits;
    c.integ = cipher->integ;
    c.encr_out = span_of(keys[p->end][0], cipher->key_len);
    c.integ_out = span_of(keys[p->end][1], cipher->integ_len);
    c.encr_in = span_of(keys[1 - p->end][0], cipher->key_len);
    c.integ_in = span_of(keys[1 - p->end][1], cipher->integ_len);
    ts_fill(&c.local_ts, w[13]);
    ts_fill(&c.remote_ts, w[14]);
    return data_plane_install(esp_plane_verbs(p->plane), &c, now_read());
}

static int counters_print(const struct peer *p, esp_child_id child)
{
    struct esp_counters c;
    int err = data_plane_counters(esp_plane_verbs(p->plane), child, &c);
    if (err != 0)
        return err;
    printf("ok in=%lu out=%lu octets_in=%lu octets_out=%lu replayed=%lu auth_failed=%lu "
           "malformed=%lu wrong_selector=%lu out_errors=%lu too_big=%lu\n",
           c.packets_in, c.packets_out, c.octets_in, c.octets_out, c.replayed, c.auth_failed,
           c.malformed, c.wrong_selector, c.out_errors, c.too_big);
    return 1;
}

static int stats_print(const struct peer *p)
{
    struct esp_plane_stats s;
    esp_plane_stats_get(p->plane, &s);
    printf("ok no_policy=%lu bad_inner=%lu not_usable=%lu unknown_spi=%lu runt=%lu queue_full=%lu "
           "tun_errors=%lu send_errors=%lu keepalives_in=%lu ike_in=%lu "
           "too_big_sent=%lu tun_reads=%lu tun_writes=%lu sends=%lu recvs=%lu\n",
           s.no_policy, s.bad_inner, s.not_usable, s.unknown_spi, s.runt, s.queue_full,
           s.tun_errors, s.send_errors, s.keepalives_in, s.ike_in, s.too_big_sent, s.tun_reads,
           s.tun_writes, s.sends, s.recvs);
    return 1;
}

static int ike_command(struct peer *p, char **w)
{
    struct esp_path path;
    int err = path_fill(&path, w + 1);
    return err != 0 ? err : esp_plane_ike_send(p->plane, &path, 0, span_text(w[4]));
}

/* descriptors_limit - new descriptors must have numbers below `n`. */
static int descriptors_limit(rlim_t n)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return ERR_SYSTEM;
    limit.rlim_cur = n < limit.rlim_max ? n : limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? 0 : ERR_SYSTEM;
}

/* command - runs one line. Returns 1 if it has printed its own answer. */
static int command(struct peer *p, char **w, int n)
{
    struct esp_path path;
    if (strcmp(w[0], "child") == 0 && n == 15)
        return child_command(p, w);
    if (strcmp(w[0], "switch") == 0 && n == 2)
        return data_plane_switch(esp_plane_verbs(p->plane), number(w[1]));
    if (strcmp(w[0], "remove") == 0 && n == 3)
        return data_plane_remove(esp_plane_verbs(p->plane), number(w[1]),
                                 number(w[2]) * NANOS_PER_MS, now_read());
    if (strcmp(w[0], "state") == 0 && n == 5)
        return data_plane_state(esp_plane_verbs(p->plane), number(w[1]), number(w[2]), number(w[3]),
                                number(w[4]) != 0);
    if (strcmp(w[0], "mode") == 0 && n == 3)
        return data_plane_mode(esp_plane_verbs(p->plane), 1,
                               strcmp(w[1], "balance") == 0     ? ESP_MODE_BALANCE
                               : strcmp(w[1], "aggregate") == 0 ? ESP_MODE_AGGREGATE
                               : strcmp(w[1], "auto") == 0      ? ESP_MODE_AUTO
                                                                : ESP_MODE_FAILOVER,
                               number(w[2]) != 0);
    if (strcmp(w[0], "mtu") == 0 && n == 3)
        return data_plane_mtu(esp_plane_verbs(p->plane), number(w[1]), (uint16_t)number(w[2]));
    if (strcmp(w[0], "keepalive") == 0 && n == 3)
        return data_plane_keepalive(esp_plane_verbs(p->plane), number(w[1]), number(w[2]) != 0);
    if (strcmp(w[0], "move") == 0 && n == 5)
        return path_fill(&path, w + 2) != 0 ? ERR_INVALID
                                            : data_plane_move(esp_plane_verbs(p->plane),
                                                              number(w[1]), &path, p->udp_encap, 0);
    if (strcmp(w[0], "ike") == 0 && n == 5)
        return ike_command(p, w);
    if (strcmp(w[0], "counters") == 0 && n == 2)
        return counters_print(p, number(w[1]));
    if (strcmp(w[0], "confine") == 0) /* no further descriptors, as in a sandbox */
        return descriptors_limit(3);
    if (strcmp(w[0], "encap") == 0 && n == 2) { /* of Child SAs from now on */
        p->udp_encap = number(w[1]) != 0;
        return 0;
    }
    if (strcmp(w[0], "stats") == 0)
        return stats_print(p);
    return ERR_INVALID;
}

static bool line_handle(struct peer *p)
{
    static char line[1024];
    char *words[WORDS], *rest = line;
    int n = 0;
    if (fgets(line, sizeof(line), stdin) == NULL)
        return false;
    for (char *word; n < WORDS && (word = strtok_r(rest, " \n", &rest)) != NULL;)
        words[n++] = word;
    if (n == 0)
        return true;
    int err = command(p, words, n);
    if (err <= 0)
        printf(err == 0 ? "ok\n" : "err %d\n", err);
    return true;
}

static void news_print(struct peer *p)
{
    static const char *const names[] = {
        [ESP_EVENT_TRAFFIC] = "traffic",
        [ESP_EVENT_REBOUND] = "rebound",
        [ESP_EVENT_ENCAP] = "encap",
        [ESP_EVENT_SOFT] = "soft",
        [ESP_EVENT_HARD] = "hard",
        [ESP_EVENT_MTU] = "mtu",
        [ESP_EVENT_ACQUIRE] = "acquire",
        [ESP_EVENT_STRAY] = "stray",
        [ESP_EVENT_UNREACHABLE] = "unreachable",
    };
    struct esp_event e;
    struct esp_path path;
    uint8_t octets[LIMIT_IKE_MESSAGE];
    size_t len;
    char text[ENDPOINT_TEXT_MAX];
    while (data_plane_event(esp_plane_verbs(p->plane), now_read(), &e))
        printf("event %s %u mtu=%u\n", names[e.kind], e.child, e.mtu);
    while (esp_plane_ike_next(p->plane, &path, (struct buffer){octets, sizeof(octets)}, &len) == 0)
        printf("event ike %s %.*s\n", endpoint_print(&path.remote, text), (int)len, octets);
}

static int sockets_open(struct esp_plane_options *o, unsigned n, bool raw)
{
    for (unsigned i = 0; i < LIMIT_WORKERS; i++)
        o->udp4_fds[i] = o->udp6_fds[i] = o->tun_fds[i] = -1;
    for (unsigned i = 0; i < n; i++) {
        struct udp_socket_options v4 = {
            .local = {.address = {.family = ADDRESS_V4}, .port = NAT_PORT},
            .reuseport = true,
            .gro = true};
        struct udp_socket_options v6 = v4;
        v6.local.address.family = ADDRESS_V6;
        o->udp4_fds[i] = udp_socket_open(&v4);
        o->udp6_fds[i] = udp_socket_open(&v6);
        if (o->udp4_fds[i] < 0 || o->udp6_fds[i] < 0)
            return ERR_SYSTEM;
    }
    o->raw4_fd = raw ? raw_esp_open(ADDRESS_V4, 0) : -1;
    o->raw6_fd = raw ? raw_esp_open(ADDRESS_V6, 0) : -1;
    if (raw && (o->raw4_fd < 0 || o->raw6_fd < 0))
        return ERR_SYSTEM;
    return udp_socket_steer(o->udp4_fds[0], n) == 0 && udp_socket_steer(o->udp6_fds[0], n) == 0
               ? 0
               : ERR_SYSTEM;
}

static void peer_open(struct peer *p, const char *tun, unsigned workers, bool raw)
{
    static const struct random random = {.fill = kernel_fill};
    struct esp_plane_options o = {.n_workers = workers,
                                  .random = &random,
                                  .keepalive_ns = NANOS_PER_SEC,
                                  .tun_offload = true};
    char name[TUN_NAME_MAX];
    if (sockets_open(&o, workers, raw) != 0)
        fail("sockets");
    if (tun_open(tun, workers, o.tun_fds, name, &o.tun_uso) != 0 || tun_up(name, 1420) != 0)
        fail("tun");
    if (esp_plane_new(&o, &p->plane) != 0 || esp_plane_start(p->plane) != 0)
        fail("plane");
    printf("ok uso=%d\n", o.tun_uso);
}

int main(int argc, char **argv)
{
    struct peer p = {0};
    if (argc < 4)
        return 2;
    unsigned workers = number(argv[2]);
    bool raw = argc > 4 && strcmp(argv[4], "raw") == 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    setvbuf(stdin, NULL, _IONBF, 0);
    p.end = number(argv[3]) != 0;
    p.udp_encap = !raw;
    peer_open(&p, argv[1], workers, raw);
    for (bool go = true; go;) {
        struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                                {.fd = esp_plane_fd(p.plane), .events = POLLIN}};
        nanos due = data_plane_deadline(esp_plane_verbs(p.plane)), now = now_read();
        nanos wait = due == NANOS_NEVER ? 1000 : due <= now ? 0 : (due - now) / NANOS_PER_MS + 1;
        poll(fds, 2, wait > 1000 ? 1000 : (int)wait);
        if (fds[0].revents != 0)
            go = line_handle(&p);
        news_print(&p);
        data_plane_tick(esp_plane_verbs(p.plane), now_read());
    }
    esp_plane_free(p.plane);
    /* leak checkers open files when the program ends */
    return descriptors_limit(RLIM_INFINITY) == 0 ? 0 : 1;
}
