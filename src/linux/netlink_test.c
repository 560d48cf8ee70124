/* SPDX-License-Identifier: Apache-2.0 */

/* In user and network namespaces of its own, so that it needs no privilege and touches nothing. */

#include "linux/netlink_change.h"

#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/unit_test.h"
#include "linux/netlink_monitor.h"
#include "linux/tun.h"

static struct address address_of(const char *text)
{
    struct address address;
    assert_true(address_parse(text, &address));
    return address;
}

static int tun_make(uint32_t *ret_index)
{
    int fd;
    bool uso;
    char name[TUN_NAME_MAX];
    if (tun_open("test%d", 1, &fd, name, &uso) != 0 || tun_up(name, 1400) != 0)
        fail_msg("no TUN device");
    *ret_index = if_nametoindex(name);
    return fd;
}

static bool bell_rings(struct netlink_monitor *monitor)
{
    struct pollfd ready = {.fd = netlink_monitor_fd(monitor), .events = POLLIN};
    return poll(&ready, 1, 50) == 1 && netlink_monitor_changed(monitor);
}

static void test_addresses_and_routes(void **state)
{
    (void)state;
    struct netlink *netlink;
    struct netlink_monitor *monitor;
    struct path_link links[8];
    size_t n;
    uint32_t index;
    assert_int_equal(netlink_open(&netlink), 0);
    assert_int_equal(netlink_monitor_open(&monitor), 0);
    int fd = tun_make(&index);
    struct address address = address_of("192.0.2.9"), six = address_of("2001:db8::9");
    assert_true(bell_rings(monitor));
    assert_int_equal(netlink_address(netlink, NETLINK_ADD, index, &address), 0);
    assert_int_equal(netlink_address(netlink, NETLINK_ADD, index, &address), 0); /* is there */
    assert_int_equal(netlink_address(netlink, NETLINK_ADD, index, &six), 0);
    assert_true(bell_rings(monitor)); /* within 50 ms */
    assert_int_equal(netlink_monitor_snapshot(monitor, 0, links, 8, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(links[0].index, index);
    assert_true(links[0].up);
    assert_int_equal(links[0].n_addresses, 2);
    assert_true(address_equal(&links[0].addresses[0], &address));
    struct netlink_route route = {.table = 4711,
                                  .destination = address_of("10.0.0.0"),
                                  .prefix_len = 8,
                                  .interface = index,
                                  .metric = 1024,
                                  .source = address};
    (void)bell_rings(monitor);
    assert_int_equal(netlink_route(netlink, NETLINK_ADD, &route), 0);
    assert_int_equal(netlink_route(netlink, NETLINK_ADD, &route), 0);
    assert_false(bell_rings(monitor)); /* a snapshot would show nothing new */
    assert_int_equal(netlink_monitor_snapshot(monitor, 0, links, 8, &n), 0);
    for (size_t i = 0; i < links[0].n_routes; i++) /* ours are left out */
        assert_false(address_equal(&links[0].routes[i].destination.first, &route.destination));
    assert_int_equal(netlink_route(netlink, NETLINK_DELETE, &route), 0);
    assert_int_equal(netlink_route(netlink, NETLINK_DELETE, &route), 0); /* is gone */
    route.interface = 9999;
    assert_int_equal(netlink_route(netlink, NETLINK_ADD, &route), ERR_SYSTEM);
    assert_int_equal(netlink_monitor_snapshot(monitor, index, links, 8, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(netlink_address(netlink, NETLINK_DELETE, index, &address), 0);
    close(fd);
    assert_true(bell_rings(monitor));
    netlink_monitor_free(monitor);
    netlink_free(netlink);
}

/* Routes go with their device; blocks stay, are found again, and can be removed. */
static void test_blocks(void **state)
{
    (void)state;
    struct netlink *netlink;
    struct netlink_route *found;
    size_t n;
    uint32_t index;
    assert_int_equal(netlink_open(&netlink), 0);
    int fd = tun_make(&index);
    struct netlink_route four = {.table = 4711,
                                 .destination = address_of("10.0.0.0"),
                                 .prefix_len = 8,
                                 .interface = index,
                                 .metric = 1024};
    struct netlink_route six = four;
    six.destination = address_of("2001:db8::");
    six.prefix_len = 32;
    assert_int_equal(netlink_route(netlink, NETLINK_ADD, &four), 0);
    four.metric = six.metric = 0xffff0000;
    assert_int_equal(netlink_block(netlink, NETLINK_ADD, &four), 0);
    assert_int_equal(netlink_block(netlink, NETLINK_ADD, &four), 0);
    assert_int_equal(netlink_block(netlink, NETLINK_ADD, &six), 0);
    assert_int_equal(netlink_routes_list(netlink, 4711, false, &found, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(found[0].interface, index);
    assert_int_equal(found[0].metric, 1024);
    free(found);
    close(fd);
    assert_int_equal(netlink_routes_list(netlink, 4711, false, &found, &n), 0);
    assert_int_equal(n, 0);
    free(found);
    assert_int_equal(netlink_routes_list(netlink, 4711, true, &found, &n), 0);
    assert_int_equal(n, 2);
    assert_true(address_equal(&found[0].destination, &four.destination));
    assert_int_equal(found[1].prefix_len, 32);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(netlink_block(netlink, NETLINK_DELETE, &found[i]), 0);
    free(found);
    assert_int_equal(netlink_routes_list(netlink, 4711, true, &found, &n), 0);
    assert_int_equal(n, 0);
    free(found);
    netlink_free(netlink);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_and_routes),
        cmocka_unit_test(test_blocks),
    };
    if (unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) != 0 ||
        access("/dev/net/tun", R_OK | W_OK) != 0) {
        perror("needs namespaces and /dev/net/tun");
        return 77; /* meson: skipped */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
