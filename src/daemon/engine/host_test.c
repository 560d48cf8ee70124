/* SPDX-License-Identifier: Apache-2.0 */

/* The requests that the engine makes, as the supervisor sees them. */

#include "daemon/engine/host.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/unit_test.h"
#include "daemon/common/channel.h"
#include "daemon/common/log.h"

static struct host *host;
static int ends[2];
static pthread_t supervisor;
static char asked[1024]; /* one word per request: "+10.0.0.0/8" */
static int refuse;       /* the supervisor's answer to routes; 0: it sets them */

static void request_note(const struct priv_request *request)
{
    char address[ADDRESS_TEXT_MAX], source[ADDRESS_TEXT_MAX];
    size_t len = strlen(asked);
    bool add = request->kind == PRIV_ADDRESS_ADD || request->kind == PRIV_ROUTE_ADD;
    bool route = request->kind == PRIV_ROUTE_ADD || request->kind == PRIV_ROUTE_REMOVE;
    bool block = request->kind == PRIV_BLOCK_ADD || request->kind == PRIV_BLOCK_REMOVE;
    bool inside = request->kind == PRIV_INSIDE_ADD || request->kind == PRIV_INSIDE_REMOVE;
    add = add || request->kind == PRIV_BLOCK_ADD || request->kind == PRIV_INSIDE_ADD;
    snprintf(
        asked + len, sizeof(asked) - len, "%s%c%s%s/%u%s%s", len > 0 ? " " : "", add ? '+' : '-',
        block    ? "!"
        : inside ? "dns:"
                 : "",
        address_print(&request->address, address), (unsigned)request->prefix_len,
        request->peer == 1                                ? "=peer"
        : request->first == 1                             ? "@own:"
        : route && request->source.family != ADDRESS_NONE ? "@"
                                                          : "",
        route && request->source.family != ADDRESS_NONE ? address_print(&request->source, source)
                                                        : "");
}

static void *supervise(void *context)
{
    struct priv_request request;
    (void)context;
    while (channel_recv(ends[1], &request, sizeof(request), NULL, NULL) == 0) {
        bool route = request.kind == PRIV_ROUTE_ADD;
        struct priv_answer answer = {.error = route ? refuse : 0};
        request_note(&request);
        /* an unwanted descriptor comes with each answer, and must be closed */
        if (channel_send(ends[1], &answer, sizeof(answer), &ends[1], 1) != 0)
            break;
    }
    return NULL;
}

static int setup(void **state)
{
    (void)state;
    log_open("test", LOG_LEVEL_ERROR);
    asked[0] = '\0';
    refuse = 0;
    if (channel_pair(ends, 65536) != 0 || (host = host_new(ends[0])) == NULL)
        return 1;
    return pthread_create(&supervisor, NULL, supervise, NULL);
}

static int teardown(void **state)
{
    (void)state;
    host = host_free(host);
    close(ends[0]);
    pthread_join(supervisor, NULL); /* hangs if we kept a descriptor of the other end */
    close(ends[1]);
    return 0;
}

/* settle - runs until all requests are answered. */
static void settle(void)
{
    struct host_sockets sockets;
    while (host_answered(host) < host_asked(host)) {
        struct pollfd ready = {.fd = ends[0], .events = POLLIN};
        assert_int_equal(poll(&ready, 1, 10000), 1);
        while (host_answer(host, &sockets))
            assert_int_equal(sockets.id, 0);
    }
}

static void assert_asked(const char *expected)
{
    settle();
    assert_string_equal(asked, expected);
    asked[0] = '\0';
}

static struct ike_config config_of(const char *address)
{
    struct ike_config config = {.n_addresses = 1};
    assert_true(address_parse(address, &config.addresses[0]));
    return config;
}

static int routes_of(ike_child_id id, const struct ike_ts_list *remote_ts,
                     const struct ike_config *config, const struct host_own *own)
{
    const struct host_child child = {.id = id, .session = 7, .config = config, .own = own};
    return host_routes(host, &child, remote_ts);
}

static void routes(ike_child_id child, const char *range, const struct ike_config *config)
{
    struct ike_ts_list list = {.n = 1};
    assert_true(range_parse(range, &list.ts[0].range));
    assert_int_equal(routes_of(child, &list, config, NULL), 0);
}

static void hold(const struct ike_ts_list *remote_ts, const struct ike_config *config)
{
    const struct host_hold wanted = {
        .conn = "home", .child = "net", .remote_ts = remote_ts, .config = config, .block = true};
    host_hold(host, &wanted);
}

/* Only a route or block to the peer that the connection names carries the flag `peer`. */
static void test_peer_by_name(void **state)
{
    (void)state;
    static const char *const ranges[] = {"10.1.0.1", "10.1.0.2", "10.1.0.0/31", "2001:db8::1"};
    struct ike_remote remotes[3] = {0}; /* the first one is %any */
    struct ike_conn conn = {.n_remote_addrs = ARRAY_LEN(remotes), .remote_addrs = remotes};
    struct ike_config none = {0};
    assert_true(range_parse("10.1.0.1", &remotes[1].range));
    assert_true(range_parse("10.1.0.2-10.1.0.9", &remotes[2].range));
    struct ike_ts_list list = {.n = ARRAY_LEN(ranges)};
    for (size_t i = 0; i < list.n; i++)
        assert_true(range_parse(ranges[i], &list.ts[i].range));
    const struct host_child child = {.id = 1, .session = 7, .named = &conn};
    assert_int_equal(host_routes(host, &child, &list), 0);
    assert_asked("+10.1.0.1/32=peer +10.1.0.2/32 +10.1.0.0/31 +2001:db8::1/128");
    const struct host_hold wanted = {.conn = "home",
                                     .child = "net",
                                     .named = &conn,
                                     .remote_ts = &list,
                                     .config = &none,
                                     .block = true};
    host_hold(host, &wanted);
    assert_asked("+!10.1.0.1/32=peer +!10.1.0.2/32 +!10.1.0.0/31 +!2001:db8::1/128");
}

/* The name servers of a session stay inside as long as the session or its hold exists. */
static void test_name_servers(void **state)
{
    (void)state;
    struct ike_config config = config_of("10.1.0.7");
    config.n_dns = 2;
    assert_true(address_parse("10.1.0.53", &config.dns[0]));
    /* an address that no peer may assign */
    assert_true(address_parse("127.0.0.53", &config.dns[1]));
    host_addresses(host, 1, &config);
    assert_asked("+dns:10.1.0.53/32 +10.1.0.7/32");
    hold(&(struct ike_ts_list){0}, &config);
    host_session_gone(host, 1);
    assert_asked("");
    host_release(host, "home", "net");
    assert_asked("-10.1.0.7/32 -dns:10.1.0.53/32");
}

/* Clones and rekeyed Child SAs have the same selectors: the host sees the first and the last. */
static void test_shared(void **state)
{
    (void)state;
    struct ike_config config = config_of("10.3.0.1");
    host_addresses(host, 1, &config);
    host_addresses(host, 1, &config);
    assert_asked("+10.3.0.1/32");
    routes(1, "10.1.0.0/16", &config);
    routes(2, "10.1.0.0/16", &config);
    assert_asked("+10.1.0.0/16@10.3.0.1");
    host_child_gone(host, 1);
    host_child_gone(host, 1);
    assert_asked("");
    host_session_gone(host, 2); /* another session's, with the number of the child */
    assert_asked("");
    host_child_gone(host, 2);
    host_session_gone(host, 1);
    assert_asked("-10.1.0.0/16@10.3.0.1 -10.3.0.1/32");
}

/* After a new login with another address, the route has that address as its source. */
static void test_other_source(void **state)
{
    (void)state;
    struct ike_config old = config_of("10.3.0.1"), new = config_of("10.3.0.2");
    routes(1, "10.1.0.0/16", &old);
    routes(2, "10.1.0.0/16", &new);
    host_child_gone(host, 1);
    assert_asked("+10.1.0.0/16@10.3.0.1 +10.1.0.0/16@10.3.0.2");
}

/* Without an inner address the source is an own address of the host within the selectors. That
 * address may go, come back, or change. The route without a source is always there. */
static void test_own_source(void **state)
{
    (void)state;
    struct ike_ts_list list = {.n = 1};
    struct host_own own = {0};
    const struct ike_config inner = config_of("10.9.0.1");
    assert_true(range_parse("10.1.0.0/16", &list.ts[0].range));
    assert_true(address_parse("192.0.2.1", &own.v4));
    assert_int_equal(routes_of(1, &list, NULL, &own), 0);
    hold(&list, &(struct ike_config){0});
    assert_asked("+10.1.0.0/16 +10.1.0.0/16@own:192.0.2.1 +!10.1.0.0/16");
    assert_int_equal(routes_of(1, &list, NULL, &own), 0);
    assert_asked("");
    assert_true(address_parse("192.0.2.2", &own.v4));
    assert_int_equal(routes_of(1, &list, NULL, &own), 0);
    assert_asked("+10.1.0.0/16@own:192.0.2.2");
    assert_int_equal(routes_of(1, &list, NULL, &(struct host_own){0}), 0);
    assert_asked("-10.1.0.0/16@own:192.0.2.2");
    assert_int_equal(routes_of(1, &list, &inner, &own), 0); /* only the inner address counts */
    assert_asked("+10.1.0.0/16@10.9.0.1");
    assert_int_equal(routes_of(1, &list, NULL, &own), 0);
    host_child_gone(host, 1);
    host_release(host, NULL, NULL);
    assert_asked("+10.1.0.0/16@own:192.0.2.2 +10.1.0.0/16 -10.1.0.0/16@own:192.0.2.2 -10.1.0.0/16 "
                 "-!10.1.0.0/16");
}

static void test_ranges(void **state)
{
    (void)state;
    struct ike_config six = config_of("2001:db8::1");
    routes(1, "10.0.0.1-10.0.0.6", &six); /* no whole prefix, and a source of the other family */
    assert_asked("+10.0.0.1/32 +10.0.0.2/31 +10.0.0.4/31 +10.0.0.6/32");
    routes(2, "0.0.0.0/0", NULL);
    assert_asked("+0.0.0.0/0");
}

/* An address of a hostile Gateway or selector is not requested from the supervisor: the Child SA
 * fails. */
static void test_refused(void **state)
{
    (void)state;
    struct ike_ts_list list = {.n = 1};
    struct ike_config config = config_of("127.0.0.1");
    host_addresses(host, 1, &config);
    config = config_of("224.0.0.1");
    host_addresses(host, 2, &config);
    assert_true(range_parse("127.0.0.0/8", &list.ts[0].range));
    assert_int_equal(routes_of(1, &list, NULL, NULL), ERR_INVALID);
    assert_true(range_parse("fe80::/64", &list.ts[0].range));
    assert_int_equal(routes_of(2, &list, NULL, NULL), ERR_INVALID);
    assert_asked("");
}

/* T4: ranges that need very many prefixes. A Child SA may have 64 of its own, a session 256. More
 * are refused, not left out. Other sessions are not affected. */
static void test_bounded(void **state)
{
    (void)state;
    struct ike_ts_list list = {.n = 2};
    char text[64];
    assert_true(range_parse("1.0.0.1-126.255.255.254", &list.ts[0].range));
    assert_true(range_parse("128.0.0.1-191.255.255.254", &list.ts[1].range));
    assert_int_equal(routes_of(1, &list, NULL, NULL), ERR_FULL);
    host_child_gone(host, 1);
    settle();
    list.n = 1;
    unsigned done = 0;
    for (ike_child_id child = 1; child <= 34; child++) {
        snprintf(text, sizeof(text), "10.%u.0.1-10.%u.127.254", child, child);
        assert_true(range_parse(text, &list.ts[0].range));
        done += routes_of(child, &list, NULL, NULL) == 0;
        settle();
    }
    assert_in_range(done, 8, 12);
    assert_true(range_parse("10.200.0.0/16", &list.ts[0].range));
    const struct host_child other = {.id = 99, .session = 8};
    assert_int_equal(host_routes(host, &other, &list), 0);
    for (ike_child_id child = 1; child <= 34; child++)
        host_child_gone(host, child);
    assert_int_equal(routes_of(1, &list, NULL, NULL), 0);
    settle();
}

/* A Child SA does not come up without its route. The next one asks again. */
static void test_not_done(void **state)
{
    (void)state;
    refuse = ERR_FULL;
    routes(1, "10.1.0.0/16", NULL);
    settle();
    assert_int_equal(host_child_error(host, 1, 0), ERR_FULL);
    host_child_gone(host, 1);
    assert_asked("+10.1.0.0/16"); /* a missing route is not removed */
    refuse = 0;
    routes(2, "10.1.0.0/16", NULL);
    assert_asked("+10.1.0.0/16");
    assert_int_equal(host_child_error(host, 2, 0), 0);
}

/* Leases of a pool need no route of their own, if the source is the same address of ours. */
static void test_pool(void **state)
{
    (void)state;
    const struct ike_config none = {0};
    struct ike_ts_list pool = {.n = 1}, lease = {.n = 1};
    struct host_own own = {0}, other = {0};
    assert_true(range_parse("10.3.0.0/16", &pool.ts[0].range));
    assert_true(range_parse("10.3.7.7", &lease.ts[0].range));
    assert_true(address_parse("192.0.2.1", &own.v4));
    assert_true(address_parse("192.0.2.2", &other.v4));
    host_hold(host, &(struct host_hold){.conn = "\1pool",
                                        .child = "inner",
                                        .remote_ts = &pool,
                                        .config = &none,
                                        .own = &own,
                                        .block = true,
                                        .standing = true});
    assert_asked("+!10.3.0.0/16 +10.3.0.0/16 +10.3.0.0/16@own:192.0.2.1");
    assert_int_equal(routes_of(1, &lease, NULL, &own), 0);
    assert_int_equal(routes_of(2, &lease, NULL, NULL), 0);
    assert_asked("");
    /* the source would be wrong otherwise */
    assert_int_equal(routes_of(3, &lease, NULL, &other), 0);
    assert_asked("+10.3.7.7/32 +10.3.7.7/32@own:192.0.2.2");
    host_child_gone(host, 3);
    assert_asked("-10.3.7.7/32@own:192.0.2.2 -10.3.7.7/32");
    host_release(host, NULL, NULL); /* nobody takes a pool down by hand */
    assert_asked("");
    host_unload(host, "\1pool", "inner");
    assert_asked("-10.3.0.0/16@own:192.0.2.1 -10.3.0.0/16 -!10.3.0.0/16");
}

/* A slow supervisor delays nobody: requests beyond the room of the channel are queued, and answered
 * in order. */
static void test_queue(void **state)
{
    (void)state;
    char range[32];
    for (ike_child_id child = 1; child <= 200; child++) {
        snprintf(range, sizeof(range), "10.1.%u.0/24", child);
        struct ike_ts_list list = {.n = 1};
        assert_true(range_parse(range, &list.ts[0].range));
        const struct host_child one = {.id = child, .session = child};
        assert_int_equal(host_routes(host, &one, &list), 0);
    }
    assert_int_equal(host_asked(host), 200);
    settle();
    assert_int_equal(host_answered(host), 200);
}

/* A held child keeps its routes when its Child SA is lost. After a new login they have the new
 * address. A released hold leaves nothing. */
static void test_held(void **state)
{
    (void)state;
    const struct ike_config first = config_of("10.9.0.1"), second = config_of("10.9.0.2");
    struct ike_ts_list list = {.n = 1};
    assert_true(range_parse("10.1.0.0/16", &list.ts[0].range));
    host_addresses(host, 1, &first);
    assert_int_equal(routes_of(5, &list, &first, NULL), 0);
    hold(&list, &first);
    assert_asked("+10.9.0.1/32 +10.1.0.0/16@10.9.0.1 +!10.1.0.0/16");
    host_child_gone(host, 5);
    host_session_gone(host, 1);
    assert_asked("");
    host_addresses(host, 2, &second);
    assert_int_equal(routes_of(6, &list, &second, NULL), 0);
    hold(&list, &second);
    assert_asked("+10.9.0.2/32 +10.1.0.0/16@10.9.0.2 -10.9.0.1/32");
    host_release(host, "other", NULL);
    host_release(host, "home", "other");
    host_child_gone(host, 6);
    host_session_gone(host, 2);
    assert_asked("");
    host_release(host, "home", NULL);
    assert_asked("-10.1.0.0/16@10.9.0.2 -10.9.0.2/32 -!10.1.0.0/16");
    host_release(host, NULL, NULL);
    assert_asked("");
}

/* L1: blocks come before routes, stay without a session, and come only if they are wanted. Blocks
 * of an earlier engine go unless they are claimed. */
static void test_blocks(void **state)
{
    (void)state;
    const struct ike_config none = {0};
    struct ike_ts_list list = {.n = 1};
    assert_true(range_parse("0.0.0.0/0", &list.ts[0].range));
    hold(&list, &none);
    assert_asked("+!0.0.0.0/0 +0.0.0.0/0");
    host_unblock(host, &list, 0);
    assert_asked("");
    host_release(host, "home", NULL);
    assert_asked("-0.0.0.0/0 -!0.0.0.0/0");
    host_unblock(host, &list, 0);
    assert_asked("+!0.0.0.0/0 -!0.0.0.0/0");
    const struct host_hold bypass = {
        .conn = "home", .child = "net", .remote_ts = &list, .config = &none};
    host_hold(host, &bypass);
    assert_asked("+0.0.0.0/0");
}

/* Two connections with one network on devices without a mark share the block. The last one removes
 * it. A device with a mark has its own block. */
static void test_blocks_of_devices(void **state)
{
    (void)state;
    const struct ike_config none = {0};
    struct ike_ts_list list = {.n = 1};
    assert_true(range_parse("10.1.0.0/16", &list.ts[0].range));
    struct host_hold branch = {.conn = "branch",
                               .child = "net",
                               .remote_ts = &list,
                               .config = &none,
                               .device = 1,
                               .block = true};
    hold(&list, &none);
    host_hold(host, &branch);
    assert_asked("+!10.1.0.0/16 +10.1.0.0/16 +10.1.0.0/16");
    host_unload(host, "branch", NULL);
    assert_asked("-10.1.0.0/16");
    branch.conn = "home"; /* a reload gives it the device */
    host_hold(host, &branch);
    assert_asked("+10.1.0.0/16 -10.1.0.0/16");
    branch.device = branch.block_device = 2; /* and then a mark */
    host_hold(host, &branch);
    assert_asked("+!10.1.0.0/16 +10.1.0.0/16 -10.1.0.0/16 -!10.1.0.0/16");
}

/* Many holds: none is refused, since its packets would leave in the clear. */
static void test_many_holds(void **state)
{
    (void)state;
    const struct ike_config none = {0};
    struct ike_ts_list list = {.n = 1};
    char name[16];
    unsigned held = 0;
    const char *conn, *child;
    assert_true(range_parse("10.1.0.0/16", &list.ts[0].range));
    for (unsigned i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "conn%u", i);
        host_hold(
            host,
            &(struct host_hold){
                .conn = name, .child = "net", .remote_ts = &list, .config = &none, .block = true});
    }
    for (size_t i = 0; host_hold_at(host, i, &conn, &child); i++)
        held += conn[0] != '\0';
    assert_int_equal(held, 200);
    host_release(host, NULL, NULL);
    assert_asked("+!10.1.0.0/16 +10.1.0.0/16 -10.1.0.0/16 -!10.1.0.0/16");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_shared, setup, teardown),
        cmocka_unit_test_setup_teardown(test_name_servers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_peer_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_held, setup, teardown),
        cmocka_unit_test_setup_teardown(test_blocks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_blocks_of_devices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_source, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_source, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_done, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pool, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queue, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
