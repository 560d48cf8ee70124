/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two data planes in one process, without privileges: UDP over loopback, and a pair of datagram
 * sockets in the place of each TUN queue. The same with real devices: esp_plane_net_test.py.
 */
#include "plane/esp_plane.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/unit_test.h"
#include "esp/checksum.h"
#include "esp/segment.h"
#include "linux/udp_socket.h"
#include "plane/esp_control.h"

#define WAIT_MS 5000 /* for what must come */

struct end {
    struct esp_plane *plane;
    int tun; /* the kernel's side */
    uint16_t port;
};

struct ends {
    struct end end[2];
};

static void kernel_fill(void *context, void *octets, size_t len)
{
    (void)context;
    assert_int_equal(getrandom(octets, len, 0), (ssize_t)len);
}

static const struct random kernel_random = {.fill = kernel_fill};
static const uint8_t keys[2][20] = {{1, 2, 3}, {4, 5, 6}};

static nanos now_read(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (nanos)t.tv_sec * NANOS_PER_SEC + t.tv_nsec;
}

static struct endpoint loopback(uint16_t port)
{
    return (struct endpoint){.address = {.family = ADDRESS_V4, .octets = {127, 0, 0, 1}},
                             .port = port};
}

/* loopback_socket - on a port of the kernel's choice. */
static int loopback_socket(uint16_t *ret_port)
{
    struct udp_socket_options options = {.local = loopback(0), .gro = true};
    struct sockaddr_storage name;
    struct endpoint local;
    socklen_t len = sizeof(name);
    int fd = udp_socket_open(&options);
    assert_true(fd >= 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    assert_true(endpoint_from_sockaddr(&name, &local));
    *ret_port = local.port;
    return fd;
}

static void end_open(struct end *e, unsigned workers)
{
    struct esp_plane_options o = {.n_workers = workers,
                                  .random = &kernel_random,
                                  .raw4_fd = -1,
                                  .raw6_fd = -1,
                                  .order_spaces = 4};
    int pair[2];
    for (unsigned i = 0; i < LIMIT_WORKERS; i++)
        o.tun_fds[i] = o.udp4_fds[i] = o.udp6_fds[i] = -1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
    /* all workers write to the one "device"; the first reads from it */
    for (unsigned i = 0; i < workers; i++)
        o.tun_fds[i] = i == 0 ? pair[1] : dup(pair[1]);
    o.udp4_fds[0] = loopback_socket(&e->port);
    o.nat_port = e->port;
    e->tun = pair[0];
    assert_int_equal(esp_plane_new(&o, &e->plane), 0);
    assert_int_equal(esp_plane_start(e->plane), 0);
}

static int setup(void **state)
{
    struct ends *ends = calloc(1, sizeof(*ends));
    assert_non_null(ends);
    end_open(&ends->end[0], 1);
    end_open(&ends->end[1], 2);
    *state = ends;
    return 0;
}

static int teardown(void **state)
{
    struct ends *ends = *state;
    for (int i = 0; i < 2; i++) {
        esp_plane_free(ends->end[i].plane);
        close(ends->end[i].tun);
    }
    free(ends);
    return 0;
}

static struct esp_child_config config_of(const struct ends *ends, int end, esp_child_id child)
{
    struct esp_child_config c = {
        .child = child,
        .session = 1,
        .spi_in = 1000 + child * 2 + (uint32_t)end,
        .spi_out = 1000 + child * 2 + (uint32_t)(1 - end),
        .encr = 20,
        .encr_key_bits = 128,
        .encr_out = span_of(keys[end], 20),
        .encr_in = span_of(keys[1 - end], 20),
        .udp_encap = true,
        .outbound_now = true,
        .usable = true,
        .replay_window = 1024,
        .path = {.local = loopback(ends->end[end].port),
                 .remote = loopback(ends->end[1 - end].port)},
        .local_ts = {.n = 1, .ts = {{.end_port = UINT16_MAX}}},
        .remote_ts = {.n = 1, .ts = {{.end_port = UINT16_MAX}}},
    };
    assert_true(range_parse(end == 0 ? "10.8.0.1" : "10.8.0.2", &c.local_ts.ts[0].range));
    assert_true(range_parse(end == 0 ? "10.8.0.2" : "10.8.0.1", &c.remote_ts.ts[0].range));
    return c;
}

static void install(struct ends *ends, esp_child_id child, esp_child_id replaces)
{
    for (int end = 1; end >= 0; end--) { /* the receiver first */
        struct esp_child_config c = config_of(ends, end, child);
        c.replaces = replaces;
        assert_int_equal(data_plane_install(esp_plane_verbs(ends->end[end].plane), &c, now_read()),
                         0);
    }
}

/* frame_put - a UDP packet from the first end to the second, numbered. false: the queue is full. */
static bool frame_put(const struct ends *ends, uint32_t number)
{
    uint8_t frame[sizeof(struct esp_vnet) + 60] = {0}, *ip = frame + sizeof(struct esp_vnet);
    memcpy(ip, "\x45\x00\x00\x3c\x00\x00\x40\x00\x40\x11\x00\x00\x0a\x08\x00\x01\x0a\x08\x00\x02",
           20);
    memcpy(ip + 20, "\x00\x07\x00\x08\x00\x28\x00\x00", 8);
    memcpy(ip + 28, &number, sizeof(number));
    checksum_ipv4_header(ip);
    return write(ends->end[0].tun, frame, sizeof(frame)) == sizeof(frame);
}

/* long_put - a packet of more than 256 octets, so that it has a place in the order. */
static void long_put(const struct ends *ends, uint8_t protocol)
{
    uint8_t frame[sizeof(struct esp_vnet) + 300] = {0}, *ip = frame + sizeof(struct esp_vnet);
    memcpy(ip, "\x45\x00\x01\x2c\x00\x00\x40\x00\x40\x01\x00\x00\x0a\x08\x00\x01\x0a\x08\x00\x02",
           20);
    ip[9] = protocol;
    checksum_ipv4_header(ip);
    assert_int_equal(write(ends->end[0].tun, frame, sizeof(frame)), sizeof(frame));
}

/* frame_get - the number of the next packet that came out of the second end; -1: none in time. */
static int64_t frame_get(const struct ends *ends, int wait_ms)
{
    uint8_t frame[2000];
    struct pollfd fd = {.fd = ends->end[1].tun, .events = POLLIN};
    if (poll(&fd, 1, wait_ms) != 1)
        return -1;
    ssize_t n = read(fd.fd, frame, sizeof(frame));
    assert_int_equal(n, sizeof(struct esp_vnet) + 60);
    uint32_t number;
    memcpy(&number, frame + sizeof(struct esp_vnet) + 28, sizeof(number));
    return number;
}

static bool event_wait(const struct end *e, enum esp_event_kind kind, struct esp_event *ret)
{
    struct pollfd fd = {.fd = esp_plane_fd(e->plane), .events = POLLIN};
    for (nanos end = now_read() + WAIT_MS * NANOS_PER_MS; now_read() < end;) {
        while (data_plane_event(esp_plane_verbs(e->plane), now_read(), ret))
            if (ret->kind == kind)
                return true;
        poll(&fd, 1, 100);
    }
    return false;
}

static void test_a_packet_passes(void **state)
{
    struct ends *ends = *state;
    struct esp_event event;
    struct esp_counters counters;
    install(ends, 1, 0);
    assert_true(frame_put(ends, 7));
    assert_int_equal(frame_get(ends, WAIT_MS), 7);
    assert_true(event_wait(&ends->end[1], ESP_EVENT_TRAFFIC, &event));
    assert_int_equal(event.child, 1);
    assert_int_equal(data_plane_counters(esp_plane_verbs(ends->end[1].plane), 1, &counters), 0);
    assert_int_equal(counters.packets_in, 1);
    assert_int_equal(counters.octets_in, 60);
    assert_true(counters.last_in_ns > 0);
    assert_int_equal(data_plane_counters(esp_plane_verbs(ends->end[0].plane), 1, &counters), 0);
    assert_int_equal(counters.packets_out, 1);
}

/* device_open - one of these numbers at both ends; the kernel's sides. */
static void device_open(struct ends *ends, uint16_t number, int ret_tuns[2])
{
    for (int end = 0; end < 2; end++) {
        int pair[2], fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
        fds[0] = pair[1];
        fds[1] = dup(pair[1]);
        unsigned n = end == 0 ? 1 : 2;
        if (n == 1)
            close(fds[1]);
        assert_int_equal(esp_plane_device_add(ends->end[end].plane, number, fds, n), 0);
        ret_tuns[end] = pair[0];
    }
}

static bool stats_wait(const struct esp_plane *plane, uint64_t no_policy)
{
    struct esp_plane_stats stats = {0};
    for (nanos end = now_read() + WAIT_MS * NANOS_PER_MS; now_read() < end;) {
        esp_plane_stats_get(plane, &stats);
        if (stats.no_policy == no_policy)
            return true;
    }
    return false;
}

/* Two Child SAs with the same selectors on two devices: each takes and delivers the packets of its
 * own device only, even if it is the only one. */
static void test_devices(void **state)
{
    struct ends *ends = *state, second = *ends;
    int tuns[2], fds[2] = {-1, -1};
    device_open(ends, 70, tuns);
    second.end[0].tun = tuns[0];
    second.end[1].tun = tuns[1];
    install(ends, 1, 0);
    assert_true(frame_put(&second, 1)); /* nobody's */
    assert_true(stats_wait(ends->end[0].plane, 1));
    for (int end = 1; end >= 0; end--) {
        struct esp_child_config c = config_of(ends, end, 2);
        c.device_out = c.device_in = 70;
        assert_int_equal(data_plane_install(esp_plane_verbs(ends->end[end].plane), &c, now_read()),
                         0);
    }
    for (uint32_t i = 10; i < 20; i++) {
        assert_true(frame_put(&second, i));
        assert_true(frame_put(ends, 100 + i));
        assert_int_equal(frame_get(&second, WAIT_MS), i);
        assert_int_equal(frame_get(ends, WAIT_MS), 100 + i);
    }
    assert_int_equal(data_plane_remove(esp_plane_verbs(ends->end[0].plane), 1, 0, now_read()), 0);
    assert_true(frame_put(ends, 2));
    assert_true(stats_wait(ends->end[0].plane, 2));
    /* late packets for a removed device come out of no other device */
    assert_int_equal(esp_plane_device_remove(ends->end[1].plane, 70), 0);
    assert_int_equal(esp_plane_device_remove(ends->end[1].plane, 70), ERR_NOT_FOUND);
    assert_int_equal(esp_plane_device_remove(ends->end[1].plane, 6), ERR_NOT_FOUND);
    assert_int_equal(esp_plane_device_add(ends->end[0].plane, 64, fds, 1), ERR_INVALID);
    assert_int_equal(esp_plane_device_add(ends->end[0].plane, 6, fds, 1), ERR_FULL);
    close(tuns[1]);
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
    fds[0] = pair[1];
    fds[1] = dup(pair[1]);
    assert_int_equal(esp_plane_device_add(ends->end[1].plane, 6, fds, 2), 0);
    second.end[1].tun = pair[0];
    struct esp_plane_stats stats = {0};
    assert_true(frame_put(&second, 3));
    for (nanos end = now_read() + WAIT_MS * NANOS_PER_MS; stats.tun_errors == 0;) {
        esp_plane_stats_get(ends->end[1].plane, &stats);
        assert_true(now_read() < end);
    }
    assert_int_equal(frame_get(&second, 0), -1);
    assert_int_equal(frame_get(ends, 0), -1);
    close(tuns[0]);
    close(pair[0]);
}

/* busy_child - of the first end alone or of both: order trailers, and selectors for this protocol. */
static void busy_child(struct ends *ends, esp_child_id child, uint8_t protocol, bool both)
{
    for (int end = both ? 1 : 0; end >= 0; end--) {
        struct esp_child_config c = config_of(ends, end, child);
        c.order = true;
        c.local_ts.ts[0].protocol = c.remote_ts.ts[0].protocol = protocol;
        assert_int_equal(data_plane_install(esp_plane_verbs(ends->end[end].plane), &c, now_read()),
                         0);
    }
}

/* Two groups of Child SAs in one session. Repeated packets leave on the Child SAs of their own
 * group: the peer would drop them on others. */
static void test_groups_share_no_packets(void **state)
{
    enum { ICMP = 1, UDP = 17 };
    struct ends *ends = *state;
    struct esp_counters counters;
    assert_int_equal(
        data_plane_mode(esp_plane_verbs(ends->end[0].plane), 1, ESP_MODE_AGGREGATE, false), 0);
    for (esp_child_id child = 1; child <= 2; child++)
        busy_child(ends, child, ICMP, false); /* the peer has none, so nothing is reported */
    for (esp_child_id child = 3; child <= 4; child++)
        busy_child(ends, child, UDP, true);
    for (uint32_t i = 0; i < 20; i++) {
        long_put(ends, ICMP);
        assert_true(frame_put(ends, i));
        assert_int_equal(frame_get(ends, WAIT_MS), i);
    }
    uint64_t wrong = 0;
    for (esp_child_id child = 3; child <= 4; child++) {
        assert_int_equal(data_plane_counters(esp_plane_verbs(ends->end[1].plane), child, &counters),
                         0);
        wrong += counters.wrong_selector;
    }
    assert_int_equal(wrong, 0);
}

/* space_open - two Child SAs that share an order space. true: their packet got a place in the order. */
static bool space_open(struct ends *ends, esp_session_id session, uint8_t protocol)
{
    const esp_child_id first = 2U * protocol;
    struct esp_plane_lane lane;
    uint8_t frame[2000];
    for (unsigned i = 0; i < 4; i++) {
        struct esp_child_config c = config_of(ends, i < 2, first + i % 2);
        c.order = true;
        c.session = session;
        c.local_ts.ts[0].protocol = c.remote_ts.ts[0].protocol = protocol;
        assert_int_equal(
            data_plane_install(esp_plane_verbs(ends->end[i < 2].plane), &c, now_read()), 0);
    }
    assert_int_equal(
        data_plane_mode(esp_plane_verbs(ends->end[0].plane), session, ESP_MODE_AGGREGATE, false),
        0);
    long_put(ends, protocol);
    struct pollfd fd = {.fd = ends->end[1].tun, .events = POLLIN};
    assert_int_equal(poll(&fd, 1, WAIT_MS), 1);
    assert_true(read(fd.fd, frame, sizeof(frame)) > 0);
    return esp_plane_child_lane(ends->end[0].plane, first, &lane) == 0 ||
           esp_plane_child_lane(ends->end[0].plane, first + 1, &lane) == 0;
}

/* One session with many selectors leaves order spaces to another one. */
static void test_spaces_are_shared(void **state)
{
    unsigned ordered = 0;
    for (uint8_t protocol = 200; protocol < 210; protocol++)
        ordered += space_open(*state, 1, protocol);
    assert_int_equal(ordered, 2); /* half of them */
    assert_true(space_open(*state, 2, 210));
    assert_false(space_open(*state, 2, 211));
    assert_true(space_open(*state, 3, 212));
    assert_false(space_open(*state, 4, 213));
}

/* workers_wake - makes the workers wake each other, and waits until both have answered. */
static void workers_wake(const struct esp_plane *plane)
{
    uint64_t wakes = 5;
    for (unsigned i = 0; i < plane->n_workers; i++)
        assert_int_equal(write(plane->workers[i].kick.fd, &wakes, sizeof(wakes)), sizeof(wakes));
    for (unsigned i = 0; i < plane->n_workers; i++) {
        struct pollfd fd = {.fd = plane->workers[i].kick.fd, .events = POLLIN};
        for (nanos end = now_read() + WAIT_MS * NANOS_PER_MS; poll(&fd, 1, 0) != 0;)
            assert_true(now_read() < end);
    }
}

/* A removed source stays until the worker that may hold it ends its turn, even if workers wake each
 * other before. */
static void test_wakes_are_no_kicks(void **state)
{
    struct ends *ends = *state;
    struct esp_plane *plane = ends->end[1].plane;
    struct esp_plane_stats stats = {0};
    int tuns[2];
    install(ends, 1, 0);
    device_open(ends, 70, tuns);
    workers_wake(plane);
    struct esp_child *child = plane_record_find(plane->control, 1)->child;
    esp_child_lock(child); /* the worker waits for it in the middle of a turn */
    assert_true(frame_put(ends, 1));
    for (nanos end = now_read() + WAIT_MS * NANOS_PER_MS; stats.recvs == 0;) {
        esp_plane_stats_get(plane, &stats);
        assert_true(now_read() < end);
    }
    assert_int_equal(esp_plane_device_remove(plane, 70), 0);
    plane_garbage_collect(plane, false);
    bool kept = plane->control->sources.first != NULL;
    esp_child_unlock(child); /* before a failure ends the test: the worker has to stop */
    assert_true(kept);
    assert_int_equal(frame_get(ends, WAIT_MS), 1);
    for (nanos end = now_read() + WAIT_MS * NANOS_PER_MS; plane->control->sources.first != NULL;) {
        plane_garbage_collect(plane, false);
        assert_true(now_read() < end);
    }
    close(tuns[0]);
    close(tuns[1]);
}

static void test_refused(void **state)
{
    struct ends *ends = *state;
    struct esp_plane *plane = ends->end[0].plane;
    struct esp_child_config c = config_of(ends, 0, 1);
    struct esp_counters counters;
    install(ends, 1, 0);
    assert_int_equal(data_plane_install(esp_plane_verbs(plane), &c, 0),
                     ERR_INVALID); /* the child is there */
    c.child = 2;
    assert_int_equal(data_plane_install(esp_plane_verbs(plane), &c, 0),
                     ERR_INVALID); /* the SPI is there */
    c = config_of(ends, 0, 2);
    c.udp_encap = false;
    assert_int_equal(data_plane_install(esp_plane_verbs(plane), &c, 0),
                     ERR_NOT_FOUND); /* no raw socket */
    c = config_of(ends, 0, 2);
    c.path.remote.address.family = ADDRESS_NONE;
    assert_int_equal(data_plane_install(esp_plane_verbs(plane), &c, 0), ERR_INVALID);
    c = config_of(ends, 0, 2);
    c.encr_in.len = 3;
    assert_int_equal(data_plane_install(esp_plane_verbs(plane), &c, 0), ERR_INVALID);
    assert_int_equal(data_plane_switch(esp_plane_verbs(plane), 9), ERR_NOT_FOUND);
    assert_int_equal(data_plane_remove(esp_plane_verbs(plane), 9, 0, 0), ERR_NOT_FOUND);
    assert_int_equal(data_plane_state(esp_plane_verbs(plane), 9, 1, 1, true), ERR_NOT_FOUND);
    assert_int_equal(data_plane_mtu(esp_plane_verbs(plane), 9, 1400), ERR_NOT_FOUND);
    assert_int_equal(data_plane_move(esp_plane_verbs(plane), 9, &c.path, true, 0), ERR_NOT_FOUND);
    assert_int_equal(data_plane_counters(esp_plane_verbs(plane), 9, &counters), ERR_NOT_FOUND);
    assert_int_equal(esp_plane_path_socket_remove(plane, 9), ERR_NOT_FOUND);
    assert_true(frame_put(ends, 1));
    assert_int_equal(frame_get(ends, WAIT_MS), 1);
}

static void test_unusable_and_back(void **state)
{
    struct ends *ends = *state;
    install(ends, 1, 0);
    assert_int_equal(data_plane_state(esp_plane_verbs(ends->end[0].plane), 1, 1, 1, false), 0);
    assert_true(frame_put(ends, 1));
    struct esp_plane_stats stats = {0};
    for (nanos end = now_read() + WAIT_MS * NANOS_PER_MS; stats.not_usable == 0;) {
        esp_plane_stats_get(ends->end[0].plane, &stats);
        assert_true(now_read() < end);
    }
    assert_int_equal(data_plane_state(esp_plane_verbs(ends->end[0].plane), 1, 1, 1, true), 0);
    assert_true(frame_put(ends, 2));
    assert_int_equal(frame_get(ends, WAIT_MS), 2);
}

static void test_hard_limit(void **state)
{
    struct ends *ends = *state;
    struct esp_event event;
    for (int end = 0; end < 2; end++) {
        struct esp_child_config c = config_of(ends, end, 1);
        c.soft_packets = 3;
        c.hard_packets = 5;
        assert_int_equal(data_plane_install(esp_plane_verbs(ends->end[end].plane), &c, now_read()),
                         0);
    }
    for (uint32_t i = 1; i <= 7; i++)
        assert_true(frame_put(ends, i));
    for (uint32_t i = 1; i <= 5; i++)
        assert_int_equal(frame_get(ends, WAIT_MS), i);
    assert_true(event_wait(&ends->end[0], ESP_EVENT_SOFT, &event));
    assert_true(event_wait(&ends->end[0], ESP_EVENT_HARD, &event));
    assert_int_equal(frame_get(ends, 50), -1);
}

static void test_ike(void **state)
{
    struct ends *ends = *state;
    uint8_t message[100], got[LIMIT_IKE_MESSAGE];
    struct esp_path path = {.local = loopback(ends->end[0].port),
                            .remote = loopback(ends->end[1].port)};
    struct esp_path from;
    size_t len;
    struct pollfd fd = {.fd = esp_plane_fd(ends->end[1].plane), .events = POLLIN};
    /* more than the queue holds: the first ones arrive whole, the others are lost */
    for (unsigned i = 0; i < 400; i++) {
        memset(message, (int)(i + 1), sizeof(message));
        assert_int_equal(
            esp_plane_ike_send(ends->end[0].plane, &path, 0, span_of(message, 50 + i % 50)), 0);
    }
    unsigned n = 0;
    for (struct esp_plane_stats stats = {0}; stats.ike_in < 400;)
        esp_plane_stats_get(ends->end[1].plane, &stats);
    assert_int_equal(poll(&fd, 1, WAIT_MS), 1);
    while (esp_plane_ike_next(ends->end[1].plane, &from, (struct buffer){got, sizeof(got)}, &len) ==
           0) {
        assert_int_equal(len, 50 + n % 50);
        assert_int_equal(got[0], (uint8_t)(n + 1));
        assert_true(endpoint_equal(&from.remote, &path.local));
        assert_true(endpoint_equal(&from.local, &path.remote));
        n++;
    }
    assert_int_equal(n, 256);
    /* drained: the descriptor is quiet, and wakes again */
    assert_int_equal(poll(&fd, 1, 0), 0);
    assert_int_equal(esp_plane_ike_send(ends->end[0].plane, &path, 0, span_of(message, 60)), 0);
    assert_int_equal(poll(&fd, 1, WAIT_MS), 1);
    assert_int_equal(esp_plane_ike_next(ends->end[1].plane, &from, (struct buffer){got, 10}, &len),
                     ERR_TRUNCATED);
    assert_int_equal(
        esp_plane_ike_next(ends->end[1].plane, &from, (struct buffer){got, sizeof(got)}, &len),
        ERR_AGAIN);
}

/* Waiting IKE datagrams keep the descriptor readable, even if the caller asks for events only. */
static void test_ike_waits(void **state)
{
    struct ends *ends = *state;
    uint8_t message[60] = {1}, got[LIMIT_IKE_MESSAGE];
    struct esp_path path = {.local = loopback(ends->end[0].port),
                            .remote = loopback(ends->end[1].port)};
    struct esp_path from;
    struct esp_event event;
    struct esp_plane *plane = ends->end[1].plane;
    struct pollfd fd = {.fd = esp_plane_fd(plane), .events = POLLIN};
    size_t len;
    assert_int_equal(esp_plane_ike_send(ends->end[0].plane, &path, 0, span_of(message, 60)), 0);
    assert_int_equal(poll(&fd, 1, WAIT_MS), 1);
    for (int i = 0; i < 3; i++) {
        while (data_plane_event(esp_plane_verbs(plane), now_read(), &event))
            ;
        assert_int_equal(poll(&fd, 1, 0), 1);
    }
    struct buffer room = {got, sizeof(got)};
    assert_int_equal(esp_plane_ike_next(plane, &from, room, &len), 0);
    assert_int_equal(len, 60);
    assert_int_equal(esp_plane_ike_next(plane, &from, room, &len), ERR_AGAIN);
    assert_int_equal(poll(&fd, 1, 0), 0);
}

static void test_path_sockets(void **state)
{
    struct ends *ends = *state;
    struct esp_plane *plane = ends->end[0].plane;
    struct esp_event event;
    install(ends, 1, 0);
    for (uint32_t round = 1; round <= 20; round++) {
        uint16_t port;
        int fd = loopback_socket(&port);
        struct endpoint local = loopback(port);
        assert_int_equal(esp_plane_path_socket_add(plane, round, 0, &local, &fd, 1), 0);
        assert_int_equal(esp_plane_path_socket_add(plane, round, 0, &local, &fd, 1), ERR_INVALID);
        struct esp_path path = {.local = local, .remote = loopback(ends->end[1].port)};
        assert_int_equal(data_plane_move(esp_plane_verbs(plane), 1, &path, true, 0), 0);
        assert_true(frame_put(ends, round * 2));
        assert_int_equal(frame_get(ends, WAIT_MS), round * 2);
        if (round == 1) { /* the other end saw where it came from */
            assert_true(event_wait(&ends->end[1], ESP_EVENT_REBOUND, &event));
            assert_true(endpoint_equal(&event.endpoint, &local));
        }
        assert_int_equal(esp_plane_path_socket_remove(plane, round), 0);
        assert_true(frame_put(ends, round * 2 + 1)); /* from the wildcard socket again */
        assert_int_equal(frame_get(ends, WAIT_MS), round * 2 + 1);
        data_plane_tick(esp_plane_verbs(plane), now_read());
    }
}

/* --- what may be forged --- */

static unsigned events_of(const struct end *e, enum esp_event_kind kind)
{
    struct esp_event event;
    unsigned n = 0;
    while (data_plane_event(esp_plane_verbs(e->plane), now_read(), &event))
        n += event.kind == kind;
    return n;
}

static void test_hints(void **state)
{
    struct ends *ends = *state;
    struct esp_child_config c = config_of(ends, 0, 1);
    struct esp_event event;
    struct esp_plane_stats stats = {0};
    uint16_t port;
    assert_int_equal(data_plane_install(esp_plane_verbs(ends->end[0].plane), &c, now_read()), 0);
    assert_true(frame_put(ends, 1)); /* the other end does not know it */
    assert_true(event_wait(&ends->end[1], ESP_EVENT_STRAY, &event));
    assert_int_equal(event.spi, c.spi_out);
    assert_true(endpoint_equal(&event.endpoint, &c.path.local));
    nanos begun = now_read();
    for (uint32_t i = 0; i < 2000;)
        if (frame_put(ends, i))
            i++;
    while (stats.unknown_spi < 2001)
        esp_plane_stats_get(ends->end[1].plane, &stats);
    /* two workers may each report one meanwhile */
    assert_in_range(events_of(&ends->end[1], ESP_EVENT_STRAY), 0,
                    nanos_min(8, 2 + 2 * (now_read() - begun) / (10 * NANOS_PER_MS)));

    close(loopback_socket(&port)); /* nobody is there */
    c.path.remote = loopback(port);
    assert_int_equal(data_plane_move(esp_plane_verbs(ends->end[0].plane), 1, &c.path, true, 0), 0);
    assert_true(frame_put(ends, 2));
    assert_true(event_wait(&ends->end[0], ESP_EVENT_UNREACHABLE, &event));
    assert_true(endpoint_equal(&event.endpoint, &c.path.remote));
}

/* What a Child SA has dropped stays counted when it is gone. */
static void test_drops_stay(void **state)
{
    struct ends *ends = *state;
    struct esp_plane *plane = ends->end[1].plane;
    struct esp_plane_stats stats = {0};
    install(ends, 1, 0);
    assert_int_equal(data_plane_remove(esp_plane_verbs(plane), 1, 0, now_read()), 0);
    struct esp_child_config c = config_of(ends, 1, 1);
    c.encr_in =
        span_of(keys[1], 20); /* the key of the other direction: each packet is a forged one */
    assert_int_equal(data_plane_install(esp_plane_verbs(plane), &c, now_read()), 0);
    assert_true(frame_put(ends, 1));
    while (stats.auth_failed < 1)
        esp_plane_stats_get(plane, &stats);
    assert_int_equal(data_plane_remove(esp_plane_verbs(plane), 1, 0, now_read()), 0);
    esp_plane_stats_get(plane, &stats);
    assert_int_equal(stats.auth_failed, 1);
    assert_int_equal(stats.replayed + stats.malformed + stats.wrong_selector, 0);
}

/* --- churn --- */

struct pump {
    const struct ends *ends;
    _Atomic bool stop;
    _Atomic uint32_t sent;
};

static void *pump_run(void *argument)
{
    struct pump *pump = argument;
    for (uint32_t number = 0; !atomic_load(&pump->stop); atomic_store(&pump->sent, ++number)) {
        assert_true(frame_put(pump->ends, number));
        assert_int_equal(frame_get(pump->ends, WAIT_MS), number);
    }
    return NULL;
}

/* Children come, go and are rekeyed while packets pass: no packet is lost. */
static void test_churn_loses_nothing(void **state)
{
    struct ends *ends = *state;
    struct pump pump = {.ends = ends};
    pthread_t thread;
    install(ends, 1, 0);
    assert_int_equal(pthread_create(&thread, NULL, pump_run, &pump), 0);
    esp_child_id last = 1;
    for (esp_child_id child = 2; child < 400; child++) {
        install(ends, child, last);
        for (int end = 0; end < 2; end++) {
            nanos now = now_read();
            /* sometimes it lingers, sometimes its last packets have already arrived */
            nanos linger = child % 3 == 0 ? NANOS_PER_SEC : 20 * NANOS_PER_MS;
            assert_int_equal(
                data_plane_remove(esp_plane_verbs(ends->end[end].plane), last, linger, now), 0);
            data_plane_tick(esp_plane_verbs(ends->end[end].plane), now);
            struct esp_event event;
            while (data_plane_event(esp_plane_verbs(ends->end[end].plane), now, &event))
                assert_true(event.child <= child);
        }
        last = child;
    }
    for (uint32_t target = atomic_load(&pump.sent) + 100; atomic_load(&pump.sent) < target;)
        for (int end = 0; end < 2; end++)
            data_plane_tick(esp_plane_verbs(ends->end[end].plane), now_read());
    atomic_store(&pump.stop, true);
    pthread_join(thread, NULL);
    /* all that lingered is gone in the end, and nothing waits */
    for (int end = 0; end < 2; end++) {
        struct esp_counters counters;
        data_plane_tick(esp_plane_verbs(ends->end[end].plane), now_read() + 2 * NANOS_PER_SEC);
        data_plane_tick(esp_plane_verbs(ends->end[end].plane), now_read() + 2 * NANOS_PER_SEC);
        for (esp_child_id child = 1; child < last; child++)
            assert_int_equal(
                data_plane_counters(esp_plane_verbs(ends->end[end].plane), child, &counters),
                ERR_NOT_FOUND);
        assert_int_equal(
            data_plane_counters(esp_plane_verbs(ends->end[end].plane), last, &counters), 0);
        assert_int_equal(counters.replayed + counters.auth_failed + counters.malformed +
                             counters.wrong_selector,
                         0);
    }
}

static void test_deadlines(void **state)
{
    struct ends *ends = *state;
    struct esp_plane *plane = ends->end[0].plane;
    struct esp_child_config c = config_of(ends, 0, 1);
    nanos now = now_read();
    c.keepalive = true;
    assert_int_equal(data_plane_install(esp_plane_verbs(plane), &c, now), 0);
    assert_in_range(data_plane_deadline(esp_plane_verbs(plane)), now, now + 20 * NANOS_PER_SEC);
    data_plane_tick(esp_plane_verbs(plane), now + 20 * NANOS_PER_SEC);
    for (struct esp_plane_stats stats = {0}; stats.keepalives_in < 1;)
        esp_plane_stats_get(ends->end[1].plane, &stats);
    assert_int_equal(data_plane_deadline(esp_plane_verbs(plane)), now + 40 * NANOS_PER_SEC);
    assert_int_equal(data_plane_remove(esp_plane_verbs(plane), 1, 3 * NANOS_PER_SEC, now), 0);
    assert_in_range(data_plane_deadline(esp_plane_verbs(plane)), now, now + 3 * NANOS_PER_SEC);
    data_plane_tick(esp_plane_verbs(plane), now + 3 * NANOS_PER_SEC);
    struct esp_counters counters;
    assert_int_equal(data_plane_counters(esp_plane_verbs(plane), 1, &counters), ERR_NOT_FOUND);
    for (nanos end = now + WAIT_MS * NANOS_PER_MS;
         data_plane_deadline(esp_plane_verbs(plane)) != NANOS_NEVER;) {
        data_plane_tick(esp_plane_verbs(plane), now + 3 * NANOS_PER_SEC);
        assert_true(now_read() < end);
    }
}

/* goes_over - the Child SA goes on in the other data plane. */
static void goes_over(const struct end *from, const struct end *to, esp_child_id child)
{
    uint8_t octets[DATA_PLANE_EXPORT];
    struct writer w = writer_of(octets, sizeof(octets));
    struct esp_counters counters;
    assert_int_equal(data_plane_export(esp_plane_verbs(from->plane), child, &w, now_read()), 0);
    assert_int_equal(data_plane_counters(esp_plane_verbs(from->plane), child, &counters),
                     ERR_NOT_FOUND);
    assert_int_equal(
        data_plane_import(esp_plane_verbs(to->plane), span_of(octets, w.len), now_read()), 0);
}

/* A Child SA leaves under its workers again and again, and then for another data plane. No number comes
 * twice and no packet is lost. */
static void test_goes_over(void **state)
{
    struct ends *ends = *state, moved = *ends;
    struct esp_counters in, out;
    struct esp_event event;
    install(ends, 1, 0);
    for (uint32_t i = 1; i <= 100; i++) {
        assert_true(frame_put(ends, i));
        assert_int_equal(frame_get(ends, WAIT_MS), i);
        goes_over(&ends->end[i % 2], &ends->end[i % 2], 1);
    }
    end_open(&moved.end[0], 1);
    goes_over(&ends->end[0], &moved.end[0], 1);
    assert_true(frame_put(&moved, 101));
    assert_int_equal(frame_get(&moved, WAIT_MS), 101);
    assert_true(event_wait(&ends->end[1], ESP_EVENT_REBOUND, &event)); /* another socket */
    assert_int_equal(data_plane_counters(esp_plane_verbs(moved.end[0].plane), 1, &out), 0);
    assert_int_equal(data_plane_counters(esp_plane_verbs(ends->end[1].plane), 1, &in), 0);
    assert_int_equal(out.packets_out, 101);
    assert_int_equal(in.packets_in, 101);
    assert_int_equal(in.replayed, 0);
    esp_plane_free(moved.end[0].plane);
    close(moved.end[0].tun);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_packet_passes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_devices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_groups_share_no_packets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_spaces_are_shared, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wakes_are_no_kicks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unusable_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hard_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ike, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ike_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_path_sockets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hints, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drops_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(test_churn_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deadlines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_goes_over, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
