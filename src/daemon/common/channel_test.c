/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/channel.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/unit_test.h"

static struct address address_of(const char *text)
{
    struct address address = {0};
    if (text != NULL)
        assert_true(address_parse(text, &address));
    return address;
}

static void test_requests(void **state)
{
    (void)state;
    const struct {
        uint32_t kind;
        const char *address;
        uint8_t prefix_len;
        const char *source;
        bool allowed;
    } rows[] = {
        {PRIV_ADDRESS_ADD, "10.3.0.1", 0, NULL, true},
        {PRIV_ADDRESS_ADD, "2001:db8::1", 0, NULL, true},
        {PRIV_ADDRESS_ADD, NULL, 0, NULL, false},
        {PRIV_ADDRESS_ADD, "127.0.0.1", 0, NULL, false},
        {PRIV_ADDRESS_ADD, "0.0.0.0", 0, NULL, false},
        {PRIV_ADDRESS_ADD, "224.0.0.1", 0, NULL, false},
        {PRIV_ADDRESS_REMOVE, "fe80::1", 0, NULL, false},
        {PRIV_INSIDE_ADD, "10.1.0.53", 0, NULL, true},
        {PRIV_INSIDE_ADD, "127.0.0.53", 0, NULL, false},
        {PRIV_INSIDE_REMOVE, NULL, 0, NULL, false},
        {PRIV_ROUTE_ADD, "10.0.0.0", 8, "10.3.0.1", true},
        {PRIV_ROUTE_ADD, "0.0.0.0", 0, "10.3.0.1", true},
        {PRIV_ROUTE_ADD, "::", 0, NULL, true},
        {PRIV_ROUTE_ADD, "10.0.0.1", 8, NULL, false}, /* host bits */
        {PRIV_ROUTE_ADD, "10.0.0.0", 33, NULL, false},
        {PRIV_ROUTE_ADD, "10.0.0.0", 8, "2001:db8::1", false},
        {PRIV_ROUTE_ADD, "127.0.0.0", 8, NULL, false},
        {PRIV_ROUTE_ADD, "224.0.0.0", 4, NULL, false},
        {PRIV_ROUTE_ADD, "fe80::", 64, NULL, false},
        {PRIV_ROUTE_REMOVE, "10.0.0.0", 255, NULL, false},
        {PRIV_PATH_SOCKETS, "192.0.2.1", 0, NULL, false}, /* no interface */
        {PRIV_MTU, NULL, 0, NULL, false},                 /* none */
        {PRIV_READY, NULL, 0, NULL, true},
        {PRIV_UPGRADE, NULL, 0, NULL, true},
        {0, NULL, 0, NULL, false},
        {99, "10.3.0.1", 0, NULL, false},
        {UINT32_MAX, NULL, 0, NULL, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct priv_request request = {.kind = rows[i].kind,
                                       .address = address_of(rows[i].address),
                                       .source = address_of(rows[i].source),
                                       .prefix_len = rows[i].prefix_len};
        if (priv_request_check(&request) != rows[i].allowed)
            fail_msg("row %zu", i);
        request.first = 1; /* of two routes, the one from a certain address */
        assert_int_equal(priv_request_check(&request), rows[i].allowed && rows[i].source != NULL);
        request.first = 2;
        assert_false(priv_request_check(&request));
        request.first = 0;
    }
    static const struct {
        uint16_t mtu;
        bool allowed;
    } mtus[] = {{1279, false}, {1280, true}, {1491, true}, {1492, false}, {UINT16_MAX, false}};
    for (size_t i = 0; i < ARRAY_LEN(mtus); i++) {
        const struct priv_request mtu = {.kind = PRIV_MTU, .mtu = mtus[i].mtu};
        assert_int_equal(priv_request_check(&mtu), mtus[i].allowed);
    }
    struct priv_request request = {.kind = PRIV_ADDRESS_ADD, .address = address_of("10.0.0.1")};
    request.address.octets[15] = 1; /* not an address in our form */
    assert_false(priv_request_check(&request));
    request.address.family = 5;
    assert_false(priv_request_check(&request));
}

/* A peer is one address. */
static void test_request_of_peer(void **state)
{
    (void)state;
    struct priv_request request = {
        .kind = PRIV_ROUTE_ADD, .address = address_of("10.0.0.0"), .prefix_len = 32, .peer = 1};
    assert_true(priv_request_check(&request));
    request.prefix_len = 31;
    assert_false(priv_request_check(&request));
    request.prefix_len = 32;
    request.peer = 2;
    assert_false(priv_request_check(&request));
}

/* Names and marks of devices are used in the packet filter and in routing rules. */
static void test_devices(void **state)
{
    (void)state;
    static const struct {
        uint16_t number;
        struct inner_device device;
        bool allowed;
    } devices[] = {
        {1, {"ikat-m8", 8, UINT32_MAX, 8, UINT32_MAX}, true},
        {65, {"branch", 0, 0, 0, 0}, true},
        {1, {"123456789012345", 0, 0, 0, 0}, true},
        {0, {"ikat-m8", 8, UINT32_MAX, 0, 0}, false},  /* the first device */
        {64, {"ikat-m8", 8, UINT32_MAX, 0, 0}, false}, /* its place */
        {1, {"", 0, 0, 0, 0}, false},
        {1, {"1234567890123456", 0, 0, 0, 0}, false}, /* does not end */
        {1, {"a\0b", 0, 0, 0, 0}, false},
        {1, {"a b", 0, 0, 0, 0}, false},
        {1, {"a\"b", 0, 0, 0, 0}, false}, /* ends a word of the packet filter */
        {1, {"a%d", 0, 0, 0, 0}, false},  /* the kernel would choose a number */
        {1, {"..", 0, 0, 0, 0}, false},
        {1, {"a/b", 0, 0, 0, 0}, false},
        {1, {"a", 0x10, 0xf, 0, 0}, false},
        {1, {"a", 0, 0, 1, 0}, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(devices); i++) {
        const struct priv_request open = {
            .kind = PRIV_DEVICE_OPEN, .device = devices[i].number, .inner = devices[i].device};
        if (priv_request_check(&open) != devices[i].allowed)
            fail_msg("device row %zu", i);
    }
}

static void test_sizes(void **state)
{
    (void)state;
    int ends[2];
    struct order order = {.kind = ORDER_STOP}, got;
    struct priv_request longer = {0};
    assert_int_equal(channel_pair(ends, 65536), 0);
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(channel_recv(ends[1], &got, sizeof(got), NULL, NULL), ERR_AGAIN);
    assert_int_equal(channel_send(ends[0], &order, sizeof(order), NULL, 0), 0);
    assert_int_equal(channel_recv(ends[1], &got, sizeof(got), NULL, NULL), 0);
    assert_int_equal(got.kind, ORDER_STOP);
    assert_int_equal(channel_send(ends[0], &longer, sizeof(longer), NULL, 0), 0);
    assert_int_equal(channel_recv(ends[1], &got, sizeof(got), NULL, NULL), ERR_INVALID);
    assert_int_equal(channel_send(ends[0], &order, sizeof(order) - 1, NULL, 0), 0);
    assert_int_equal(channel_recv(ends[1], &got, sizeof(got), NULL, NULL), ERR_INVALID);
    close(ends[0]);
    assert_int_equal(channel_recv(ends[1], &got, sizeof(got), NULL, NULL), ERR_NOT_FOUND);
    close(ends[1]);
}

/* Unwanted descriptors are closed. */
static void test_descriptors(void **state)
{
    (void)state;
    int ends[2], pipe_ends[2], fds[LIMIT_WORKERS];
    unsigned n;
    struct order order = {.kind = ORDER_STOP};
    assert_int_equal(channel_pair(ends, 65536), 0);
    assert_int_equal(pipe2(pipe_ends, O_NONBLOCK), 0);
    assert_int_equal(channel_send(ends[0], &order, sizeof(order), &pipe_ends[1], 1), 0);
    assert_int_equal(channel_recv(ends[1], &order, sizeof(order), NULL, NULL), ERR_INVALID);
    assert_int_equal(channel_send(ends[0], &order, sizeof(order), &pipe_ends[1], 1), 0);
    assert_int_equal(channel_recv(ends[1], &order, sizeof(order), fds, &n), 0);
    assert_int_equal(n, 1);
    close(pipe_ends[1]);
    char octet;
    assert_int_equal(write(fds[0], "x", 1), 1);
    assert_int_equal(read(pipe_ends[0], &octet, 1), 1);
    close(fds[0]);
    assert_int_equal(read(pipe_ends[0], &octet, 1), 0); /* all writing ends are closed */
    assert_int_equal(channel_send(ends[0], &order, sizeof(order), fds, LIMIT_WORKERS + 1),
                     ERR_INVALID);
    close(ends[0]), close(ends[1]), close(pipe_ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),    cmocka_unit_test(test_request_of_peer),
        cmocka_unit_test(test_devices),     cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
