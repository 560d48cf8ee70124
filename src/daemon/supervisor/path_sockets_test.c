/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/supervisor/path_sockets.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/unit_test.h"
#include "daemon/supervisor/supervisor.h"
#include "linux/udp_socket.h"

#define WORKERS  3
#define LOOPBACK 1 /* the index of lo in a new namespace */

static struct path_sockets kept;

/* opened - asks for the sockets of this port; returns how many came, or the error. */
static int opened(uint16_t port, uint32_t interface)
{
    struct priv_request request = {.kind = PRIV_PATH_SOCKETS, .interface = interface, .port = port};
    int fds[LIMIT_WORKERS];
    uint32_t n = 0;
    assert_true(address_parse("127.0.0.1", &request.address));
    int error = path_sockets_get(&kept, &request, WORKERS, &n, fds);
    for (uint32_t i = 0; i < n; i++)
        close(fds[i]);
    return error != 0 ? error : (int)n;
}

static void test_ports(void **state)
{
    (void)state;
    assert_int_equal(opened(NAT_PORT, LOOPBACK), WORKERS);
    assert_int_equal(opened(IKE_PORT, LOOPBACK), 1); /* the engine alone reads there */
    assert_int_equal(opened(53, LOOPBACK), ERR_INVALID);
    assert_int_equal(opened(IKE_PORT, 9999), ERR_INVALID);
}

/* The socket of a path stands beside the one of all addresses. A second daemon gets neither. */
static void test_beside_the_wildcard(void **state)
{
    (void)state;
    struct udp_socket_options all = {.local = {.address.family = ADDRESS_V4, .port = IKE_PORT}};
    int fd = udp_socket_open(&all);
    assert_true(fd >= 0);
    assert_int_equal(opened(IKE_PORT, LOOPBACK), ERR_SYSTEM);
    assert_int_equal(udp_socket_share(fd), 0);
    assert_int_equal(opened(IKE_PORT, LOOPBACK), 1);
    assert_int_equal(udp_socket_open(&all), ERR_SYSTEM);
    close(fd);
}

/* A datagram that arrives while no engine runs is there for the next one. */
static void test_datagrams_wait(void **state)
{
    (void)state;
    struct endpoint to = {.port = NAT_PORT};
    struct sockaddr_storage address;
    uint8_t octet = 0;
    int sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), fds[LIMIT_WORKERS];
    struct priv_request request = {.interface = LOOPBACK, .port = NAT_PORT};
    uint32_t n;
    assert_true(address_parse("127.0.0.1", &to.address));
    request.address = to.address;
    socklen_t len = endpoint_to_sockaddr(&to, &address);
    assert_int_equal(path_sockets_get(&kept, &request, 1, &n, fds), 0); /* the engine before */
    close(fds[0]);
    assert_int_equal(sendto(sender, "x", 1, 0, (struct sockaddr *)&address, len), 1);
    assert_int_equal(path_sockets_get(&kept, &request, 1, &n, fds), 0);
    assert_int_equal(recv(fds[0], &octet, 1, MSG_DONTWAIT), 1);
    assert_int_equal(octet, 'x');
    close(fds[0]);
    close(sender);
}

/* More paths than are kept: those asked for longest ago go, and can be had again. */
static void test_bounded(void **state)
{
    (void)state;
    char text[32];
    int fds[LIMIT_WORKERS];
    uint32_t n;
    for (unsigned i = 0; i < 3 * PATH_SOCKETS_KEPT; i++) {
        struct priv_request request = {.interface = LOOPBACK, .port = NAT_PORT};
        (void)snprintf(text, sizeof(text), "127.0.0.%u", 1 + i % (PATH_SOCKETS_KEPT + 1));
        assert_true(address_parse(text, &request.address));
        assert_int_equal(path_sockets_get(&kept, &request, 1, &n, fds), 0);
        close(fds[0]);
    }
}

static int none_kept(void **state)
{
    (void)state;
    path_sockets_done(&kept);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_ports, none_kept),
        cmocka_unit_test_teardown(test_beside_the_wildcard, none_kept),
        cmocka_unit_test_teardown(test_datagrams_wait, none_kept),
        cmocka_unit_test_teardown(test_bounded, none_kept),
    };
    if (unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) != 0 ||
        system("ip link set lo up") != 0) {
        perror("needs namespaces");
        return 77; /* meson: skipped */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
