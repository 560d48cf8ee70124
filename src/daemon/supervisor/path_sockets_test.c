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

/* opened - asks for the sockets of this port; returns how many came, or the error. */
static int opened(uint16_t port, uint32_t interface)
{
    struct priv_request request = {.kind = PRIV_PATH_SOCKETS, .interface = interface, .port = port};
    int fds[LIMIT_WORKERS];
    uint32_t n = 0;
    assert_true(address_parse("127.0.0.1", &request.address));
    int error = path_sockets(&request, WORKERS, &n, fds);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_beside_the_wildcard),
    };
    if (unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) != 0 ||
        system("ip link set lo up") != 0) {
        perror("needs namespaces");
        return 77; /* meson: skipped */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
